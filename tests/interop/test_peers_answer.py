"""The peers are what the other interop tests take them for; asked without any code of ours."""

from __future__ import annotations

import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.servers import Peer

PEERS = ("scepserver", "labscep_aes", "labscep_ra", "labscep_get_only", "stepca")
BARE_CERTIFICATE = "application/x-x509-ca-cert"
CERTIFICATES_ONLY_CMS = "application/x-x509-ca-ra-cert"


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> Peer:
    started: Peer = request.getfixturevalue(request.param)
    return started


def ask(peer: Peer, operation: str, body: bytes | None = None) -> tuple[str, bytes]:
    """Send a GET, or a POST if there is a body; return Content-Type and content."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{peer.url}?operation={operation}", body, timeout=10) as response:
        return response.headers.get_content_type(), response.read()


def der(certificate_pem: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate_pem.read_text())


def test_capabilities_are_listed_one_per_line(peer: Peer) -> None:
    _, content = ask(peer, "GetCACaps")
    assert content.decode("ascii").splitlines() == list(peer.capabilities)


def test_ca_certificates_come_bare_or_as_a_chain(peer: Peer) -> None:
    content_type, content = ask(peer, "GetCACert")
    served = [der(path) for path in peer.served_certificates_pem]
    if len(served) == 1:
        assert content_type == BARE_CERTIFICATE
        assert content == served[0]
    else:
        assert content_type == CERTIFICATES_ONLY_CMS
        assert b"".join(served) in content


def test_recipient_is_among_the_served_certificates(peer: Peer) -> None:
    assert peer.recipient_certificate_pem in peer.served_certificates_pem


def test_post_is_refused_by_the_server_that_does_not_promise_it(labscep_get_only: Peer) -> None:
    assert labscep_get_only.methods == {"GET"}
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(labscep_get_only, "PKIOperation", b"anything")
    with refused.value as response:
        assert response.status == 405


@pytest.mark.parametrize("name", ["openssl", "pki", "scepclient", "scep-submit"])
def test_client_is_installed(find_tool: Callable[[str], str], name: str) -> None:
    assert Path(find_tool(name)).is_absolute()


def test_pki_is_the_one_of_strongswan_and_can_do_scep(find_tool: Callable[[str], str]) -> None:
    command = [find_tool("pki"), "--scep", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "--scep" in done.stdout + done.stderr
