"""Trap 10: a server without capabilities still does 3DES and SHA-1; DES and MD5 are never used."""

from __future__ import annotations

import itertools
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from pyscep import http
from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.capabilities import (
    NO_CAPABILITIES,
    Algorithms,
    Capabilities,
    Capability,
    HttpMethod,
    ScepStandardPolicy,
)
from pyscep.errors import DowngradeRefused, TransportError, WeakAlgorithm
from pyscep.http import HttpRequest, HttpResponse
from pyscep.testing import ScepServer
from pyscep.transport import RequestsTransport

PAGE = b"<html>\nAES\nSHA-256\n</html>"
SINGLE_DES = ContentEncryptionAlgorithm.DES_CBC
TRIPLE_DES = ContentEncryptionAlgorithm.DES_EDE3_CBC


def ask(answer: HttpResponse) -> Capabilities:
    def handle(request: HttpRequest) -> HttpResponse:
        return answer

    with ScepServer(handle) as server, RequestsTransport(timeout=10) as send:
        return http.parse_get_ca_caps(send(http.get_ca_caps(server.url)))


@pytest.mark.conforms("C-16", "C-18")
@pytest.mark.parametrize(
    ("status", "body"), [(404, b""), (404, PAGE), (500, b"AES\n"), (200, b""), (200, PAGE)]
)
def test_none(status: int, body: bytes) -> None:
    capabilities = ask(HttpResponse(status=status, body=body))
    assert capabilities.keywords == frozenset()
    assert capabilities.answered is (status == 200)
    with pytest.raises(DowngradeRefused, match="allow_legacy=True"):
        capabilities.select()
    assert capabilities.select(allow_legacy=True) == Algorithms(
        content_encryption_algorithm=TRIPLE_DES,
        digest_algorithm=DigestAlgorithm.SHA1,
        http_method=HttpMethod.GET,
    )


@pytest.mark.conforms("C-17")
def test_closed_connection_is_told_from_an_unreachable_host() -> None:
    """It is an error, never a silent downgrade; the caller may take it for "none"."""

    def hang_up() -> None:
        with listening.accept()[0] as connection:
            connection.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/scep"
        with RequestsTransport(timeout=10) as send, ThreadPoolExecutor(1) as executor:
            done = executor.submit(hang_up)
            with pytest.raises(TransportError, match="closed the connection without an answer"):
                send(http.get_ca_caps(url))
            done.result(10)
    refused = pytest.raises(TransportError, match="refused the connection")
    with RequestsTransport(timeout=10) as send, refused:
        send(http.get_ca_caps(url))


@pytest.mark.conforms("C-18", "E-12", "S-04")
def test_single_des_and_md5_are_never_proposed() -> None:
    assert "MD5" not in DigestAlgorithm.__members__
    for count in range(4):
        for keywords in itertools.combinations(Capability, count):
            for policy in (ScepStandardPolicy.OPTIONAL, ScepStandardPolicy.ASSUME):
                chosen = Capabilities(keywords=frozenset(keywords)).select(
                    allow_legacy=True, scep_standard=policy
                )
                assert chosen.content_encryption_algorithm is not SINGLE_DES
    with pytest.raises(WeakAlgorithm, match="never sent"):
        NO_CAPABILITIES.select(content_encryption_algorithm=SINGLE_DES, allow_legacy=True)


@pytest.mark.conforms("C-22", "S-10")
def test_stripped_reply_in_strict_mode() -> None:
    stripped = ask(HttpResponse(status=200, body=b"DES3\nSHA-1\n"))
    with pytest.raises(DowngradeRefused, match="SCEPStandard") as caught:
        stripped.select(scep_standard=ScepStandardPolicy.REQUIRE, allow_legacy=True)
    assert caught.value.argument == "scep_standard"
    assert stripped.select(scep_standard=ScepStandardPolicy.ASSUME) == Algorithms()
