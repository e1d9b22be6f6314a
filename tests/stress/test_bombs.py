"""Small input that asks for much work or memory, and large input: refused at a low price.

The price is counted in processor time and traced memory, not by the clock on the wall. Bodies that
never end, or come one byte at a time, are in tests/unit/test_transport.py and test_server.py.
"""

from __future__ import annotations

import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from pyscep.algorithms import SignatureAlgorithm
from pyscep.ca import parse_ca_certificates
from pyscep.capabilities import parse_capabilities
from pyscep.certificates import parse_certificate
from pyscep.cms_enveloped import parse_enveloped_data
from pyscep.cms_signed import parse_degenerate
from pyscep.crl import parse_crl
from pyscep.crypto import CryptoProvider
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.crypto.pyca_provider import PycaProvider
from pyscep.errors import LimitExceeded, ScepError
from pyscep.http import HttpRequest
from pyscep.limits import Limits
from pyscep.names import parse_name
from pyscep.pem import write_pem
from pyscep.pkcs10 import parse_csr
from pyscep.pki_message import parse_pki_message
from pyscep.transaction import Transaction
from pyscep.transport import RequestsTransport
from tests.helpers import keys, responders
from tests.helpers import tlv as t
from tests.helpers.message_factory import cert_rep, degenerate, request

MEBIBYTE = 1024 * 1024
MOST_SECONDS = 60.0
"""Processor time for one refusal: far more than any takes, also while coverage is traced on a slow
machine, and far less than a bomb would."""
MOST_MEMORY = 64 * MEBIBYTE
PROVIDERS: tuple[CryptoProvider, ...] = (OscryptoProvider(), PycaProvider())


@contextmanager
def cheaply() -> Iterator[None]:
    """Fail if what is inside takes much processor time or memory."""
    began = time.process_time()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < MOST_SECONDS
    assert peak < MOST_MEMORY


def load_with(provider: CryptoProvider) -> Callable[[bytes], object]:
    return lambda octets: provider.load_private_key(octets, password="password")


def refuse_by_status(octets: bytes) -> None:
    """Let a server answer, and turn its refusal into an error as the others have it."""
    response = responders.new_responder().handle(
        HttpRequest(method="POST", url="/scep?operation=PKIOperation", body=octets)
    )
    assert response.status in {400, 413}
    raise LimitExceeded("The server refused.", limit="message_size")


PARSERS: dict[str, Callable[[bytes], object]] = {
    "pkiMessage": parse_pki_message,
    "envelope": parse_enveloped_data,
    "bag": parse_degenerate,
    "CA certificates": parse_ca_certificates,
    "certificate": parse_certificate,
    "request": parse_csr,
    "CRL": parse_crl,
    "name": parse_name,
    "key, oscrypto": load_with(PROVIDERS[0]),
    "key, cryptography": load_with(PROVIDERS[1]),
    "PKCS #12": lambda octets: OscryptoProvider().load_pkcs12(octets, password="password"),
    "server": refuse_by_status,
}
EACH = pytest.mark.parametrize("read", PARSERS.values(), ids=PARSERS)


def nested(levels: int, *, tag: int = 0x30) -> bytes:
    """Return elements inside one another, with definite lengths."""
    headers = []
    size = 0
    for _ in range(levels):
        header = t.tlv(tag) if size == 0 else t.tlv(tag, bytes(size))[:-size]
        headers.append(header)
        size += len(header)
    return b"".join(reversed(headers))


# ------------------------------------------------------------------------------------------ depth


@EACH
@pytest.mark.conforms("S-19")
@pytest.mark.parametrize("tag", [0x30, 0x31, 0xA0, 0x24])
def test_depth(read: Callable[[bytes], object], tag: int) -> None:
    signed_data = t.oid(t.SIGNED_DATA)
    bombs = [
        nested(1000, tag=tag),
        bytes((tag, 0x80)) * 300_000,
        t.seq(signed_data, bytes((0xA0, 0x80)) * 100_000),
        t.indefinite(0x30, signed_data, bytes((tag, 0x80)) * 100_000 + bytes(200_000)),
    ]
    for bomb in bombs:
        with cheaply(), pytest.raises(ScepError):
            read(bomb)


@pytest.mark.conforms("X-05", "S-19")
def test_depth_of_json() -> None:
    good = json.loads(responders.begin(responders.new_responder()).transaction.to_json())
    deep = "[" * 100_000
    for text in (deep, '{"version":1,"a":' * 20_000, json.dumps(good)[:-1] + f',"x":{deep}'):
        with cheaply(), pytest.raises(ScepError):
            Transaction.from_json(text)
    for number in ("1" + "0" * 5000, "1e999999", "-1" + "0" * 4301):
        text = json.dumps({**good, "polls": 0}).replace('"polls": 0', f'"polls": {number}')
        with cheaply(), pytest.raises(ScepError):
            Transaction.from_json(text)


# ------------------------------------------------------------------------------------------- sets

SMALL = 100_000


@pytest.mark.conforms("S-19")
def test_sets_in_messages() -> None:
    digest = t.algorithm(t.SHA256)
    attribute = t.attribute("1.2.3", t.null())
    genuine = cert_rep(content=b"a")
    bombs = {
        "signers": replace(genuine, signer_infos=(genuine.encode_signer_info(),) * 3000),
        "certificates": replace(genuine, certificates=(t.seq(t.null()),) * SMALL),
        "CRLs": replace(genuine, crls=(t.seq(),) * SMALL),
    }
    for bomb in bombs.values():
        octets = bomb.encode()
        with cheaply(), pytest.raises(ScepError):
            parse_pki_message(octets).verify([keys.ca().certificate])
    unsigned = replace(genuine, unsigned_attributes=(attribute,) * SMALL).encode()
    with cheaply():  # which nobody looks at
        parse_pki_message(unsigned).verify([keys.ca().certificate])
    many_values = genuine.having("signingTime", *(t.null(),) * SMALL).encode()
    with cheaply():  # which nobody looks at either
        parse_pki_message(many_values).verify([keys.ca().certificate])
    many_attributes = replace(genuine, attributes=(*genuine.attributes, *ATTRIBUTES)).encode()
    with cheaply(), pytest.raises(LimitExceeded):
        parse_pki_message(many_attributes).verify([keys.ca().certificate])
    many_digests = t.content_info(
        t.SIGNED_DATA, t.seq(t.integer(1), t.unsorted_set(*(digest,) * SMALL), t.seq(t.oid(t.DATA)))
    )
    with cheaply(), pytest.raises(ScepError):
        parse_degenerate(many_digests)


ATTRIBUTES = tuple((f"1.2.3.{number}", (t.null(),)) for number in range(20_000))


@pytest.mark.conforms("S-19", "S-20")
def test_recipients() -> None:
    recipient = t.seq(
        t.integer(0), keys.ca().certificate.issuer_and_serial_number, t.seq(), t.octets(b"")
    )
    envelope = t.content_info(
        t.ENVELOPED_DATA,
        t.seq(t.integer(0), t.unsorted_set(*(recipient,) * 15_000), t.seq(t.oid(t.DATA))),
    )
    with cheaply(), pytest.raises(LimitExceeded) as caught:
        parse_enveloped_data(envelope)
    assert caught.value.limit == "recipients"


@pytest.mark.conforms("S-19")
def test_sets_in_certificates_and_requests() -> None:
    pair = (t.CN, t.utf8("a"))
    long_name = t.seq(t.rdn(*(pair,) * SMALL))
    many_rdns = t.seq(*(t.rdn(pair),) * SMALL)
    extensions = [t.extension(f"1.2.3.{number}", t.null()) for number in range(20_000)]
    one = keys.rsa(1)
    requested = t.attribute("1.2.840.113549.1.9.14", t.seq(*extensions))
    attributes = [t.attribute(f"1.2.3.{number}", t.null()) for number in range(20_000)]
    name = t.name("a")
    for octets in (
        t.csr(one, subject=long_name),
        t.csr(one, subject=many_rdns),
        t.csr(one, subject=name, attributes=[requested]),
        t.csr(one, subject=name, attributes=attributes),
    ):
        with cheaply(), pytest.raises(ScepError):
            parse_csr(octets)
    unknown = t.attribute("1.2.3", *(t.null(),) * SMALL)
    with cheaply():  # passed over
        parse_csr(t.csr(one, subject=name, attributes=[unknown]))
    for octets in (
        t.certificate(one, subject=long_name),
        t.certificate(one, subject=name, issuer=many_rdns, issuer_key=one),
        t.certificate(one, subject=name, extensions=extensions),
    ):
        with cheaply(), pytest.raises(ScepError):
            parse_certificate(octets)


# -------------------------------------------------------------------------------- numbers and keys


@pytest.mark.conforms("S-19")
def test_integers() -> None:
    huge = t.tlv(0x02, b"\x01" + bytes(MEBIBYTE))
    one = keys.rsa(1)
    name = t.name("a")
    good = t.parse(t.certificate(one, subject=name))
    with cheaply(), pytest.raises(ScepError):
        parse_certificate(good.with_at((0, 1), t.parse(huge)).dump())
    with cheaply():  # the version, which says nothing that the fields do not
        parse_certificate(good.with_at((0, 0, 0), t.parse(huge)).dump())
    request_tree = t.parse(t.csr(one, subject=name))
    with cheaply(), pytest.raises(ScepError):
        parse_csr(request_tree.with_at((0, 0), t.parse(huge)).dump())
    message = t.parse(request(content=b"a").encode())
    last = len(message.at(1, 0).children) - 1
    for path in ((1, 0, 0), (1, 0, last, 0, 0), (1, 0, last, 0, 1, 1)):
        with cheaply(), pytest.raises(ScepError):
            parse_pki_message(message.with_at(path, t.parse(huge)).dump()).verify_possession()


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda p: p.name)
@pytest.mark.conforms("S-19", "S-20")
def test_rsa_keys(provider: CryptoProvider) -> None:
    """16k bits, an exponent of 1 (anybody could sign), a huge one (each use takes for ever)."""

    def integer(value: int) -> bytes:
        return t.tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))

    def spki(modulus: int, exponent: int) -> bytes:
        rsa = t.seq(integer(modulus), integer(exponent))
        return t.seq(t.algorithm(t.RSA_ENCRYPTION, t.null()), t.bits(rsa))

    for modulus, exponent in (
        ((1 << 16_383) + 1, 65_537),
        ((1 << 2047) + 1, 1),
        ((1 << 4095) + 1, (1 << 4094) + 1),
        ((1 << 4_000_000) + 1, 3),
        (3, 1 << 4_000_000 | 1),
    ):
        key = spki(modulus, exponent)
        size = (modulus.bit_length() + 7) // 8
        with cheaply(), pytest.raises(ScepError):
            provider.verify(key, bytes(size), b"content", SignatureAlgorithm.RSA_SHA256)
        # The same inside of a request, whose own signature is checked with it.
        info = t.seq(t.integer(0), t.name("a"), key, t.explicit(0))
        octets = t.seq(
            info, t.algorithm(t.SHA256_WITH_RSA, t.null()), t.bits(bytes(min(size, 2048)))
        )
        with cheaply(), pytest.raises(ScepError):
            parse_csr(octets).verify(provider=provider)


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda p: p.name)
@pytest.mark.parametrize(
    "iterations",
    [1_000_001, 2**31, 2**63, 1 << 40_000],
    ids=["a few", "31 bits", "63 bits", "40,000 bits"],
)
@pytest.mark.conforms("S-19", "E-25")
def test_iterations(provider: CryptoProvider, iterations: int) -> None:
    pbkdf2 = t.algorithm(
        "1.2.840.113549.1.5.12", t.seq(t.octets(b"salt" * 4), t.integer(iterations))
    )
    cipher = t.algorithm(t.AES128_CBC, t.octets(bytes(16)))
    octets = t.seq(t.algorithm("1.2.840.113549.1.5.13", t.seq(pbkdf2, cipher)), t.octets(bytes(64)))
    for data in (octets, write_pem("ENCRYPTED PRIVATE KEY", octets)):
        with cheaply(), pytest.raises(ScepError):
            provider.load_private_key(data, password="password")


# ------------------------------------------------------------------------------------------ sizes


@EACH
@pytest.mark.conforms("T-29", "S-19")
def test_a_hundred_megabytes(read: Callable[[bytes], object]) -> None:
    body = b"\x30\x84" + (100 * MEBIBYTE).to_bytes(4, "big") + bytes(100 * MEBIBYTE)
    with cheaply(), pytest.raises(ScepError) as caught:
        read(body)
    if read is not parse_name:
        assert isinstance(caught.value, LimitExceeded)
        assert caught.value.limit == "message_size"


class Flood:
    """A server that answers with a hundred megabytes, and counts how many it got rid of."""

    def __init__(self, header: bytes) -> None:
        self.sent = 0
        self._header = header
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}/"

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listening.close()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection:
            connection.recv(65_536)
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + self._header + b"\r\n")
                while self.sent < 100 * MEBIBYTE:
                    connection.sendall(b"400\r\n" + bytes(0x400) + b"\r\n")
                    self.sent += 0x400
            except OSError:
                return


@pytest.mark.parametrize(
    "header",
    [
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 104857600\r\n",
        b"Connection: close\r\n",
    ],
    ids=["in chunks", "announced", "until the end"],
)
@pytest.mark.conforms("T-29", "S-19")
def test_a_client_hangs_up_on_a_flood(header: bytes) -> None:
    flood = Flood(header)
    with flood as url, RequestsTransport(timeout=60) as transport:
        with cheaply(), pytest.raises(LimitExceeded) as caught:
            transport(HttpRequest(method="GET", url=url))
        transport.close()
    assert caught.value.limit == "message_size"
    assert flood.sent < 32 * MEBIBYTE  # what was read, and what the sockets hold


@pytest.mark.conforms("C-04", "S-19")
def test_capabilities_of_a_hundred_thousand_lines() -> None:
    lines = [b"AES", *(b"Keyword-%d" % number for number in range(100_000)), b"SHA-256"]
    with cheaply():
        found = parse_capabilities(b"\r\n".join(lines))
    assert len(found.keywords) == 1
    assert len(found.unknown) < Limits().capabilities_lines
    for body in (b"\n" * 100 * MEBIBYTE, b"x" * 100 * MEBIBYTE):
        with cheaply():
            assert len(parse_capabilities(body).unknown) == 0


# -------------------------------------------------------------------------- what has to work


@pytest.mark.conforms("S-19")
def test_ten_thousand_certificates() -> None:
    """Refused by default, and read in little time by whoever raises the limits."""
    certificate = keys.ca().certificate.der
    octets = degenerate([certificate] * 10_000)
    for limits in (Limits(), Limits(message_size=len(octets))):
        with cheaply(), pytest.raises(LimitExceeded):
            parse_ca_certificates(octets, limits=limits)
    raised = Limits(message_size=len(octets), certificates=10_000)
    with cheaply():
        assert len(parse_degenerate(octets, limits=raised).certificates) == 10_000


@pytest.mark.conforms("Q-07", "S-19")
def test_two_hundred_thousand_revoked() -> None:
    """A real CRL of a large CA, which is within reason where the caller says so."""
    when = t.utc_time("250101000000Z")
    entries = b"".join(t.seq(t.integer(1_000_000 + n), when) for n in range(200_000))
    identifier = t.algorithm(t.SHA256_WITH_RSA, t.null())
    ca = keys.ca()
    octets = t.signed_by(
        ca.key, t.seq(t.integer(1), identifier, ca.certificate.subject.der, when, t.seq(entries))
    )
    assert len(octets) > 2 * Limits().message_size
    with cheaply(), pytest.raises(LimitExceeded):
        parse_crl(octets)
    raised = Limits(message_size=8 * MEBIBYTE)
    with cheaply():
        crl = parse_crl(octets, limits=raised)
        crl.verify(ca.certificate, provider=keys.provider())
        assert crl.revocation_date(1_199_999) is not None
        assert crl.revocation_date(999_999) is None
