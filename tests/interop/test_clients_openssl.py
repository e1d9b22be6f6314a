"""A client made of ``openssl`` and ``curl``: every message by hand, every reply taken apart.

The command cannot add signed attributes, so these are put together by the tests' own encoder;
keys, certificates, requests, envelopes, signatures, and all that is done to a reply are its own.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.certificates import Identity, parse_certificate
from pyscep.handlers import ApprovalHandler
from pyscep.messages import FailInfo
from tests.helpers import keys
from tests.helpers.message_factory import DIGESTS, REQUEST_NONCE, request
from tests.helpers.tlv import issuer_and_serial, oid, parse, seq, tlv
from tests.interop.openssl import OpenSsl
from tests.interop.services import (
    CHALLENGE,
    FOR_EVERYBODY,
    LAYOUTS,
    Service,
    authority,
    now,
    serve,
)

PKCS_REQ, RENEWAL_REQ, CERT_POLL, GET_CERT, GET_CRL = "19", "17", "20", "21", "22"
CERT_REP = "3"
SUCCESS, FAILURE, PENDING = "0", "2", "3"
MESSAGE_TYPE, PKI_STATUS, FAIL_INFO, RECIPIENT_NONCE, TRANSACTION_ID = (
    f"2.16.840.1.113733.1.9.{number}" for number in (2, 3, 4, 6, 7)
)
CIPHERS = {
    "-aes128": ContentEncryptionAlgorithm.AES128_CBC,
    "-aes192": ContentEncryptionAlgorithm.AES192_CBC,
    "-aes256": ContentEncryptionAlgorithm.AES256_CBC,
    "-des3": ContentEncryptionAlgorithm.DES_EDE3_CBC,
}
REQUEST = """
[req]
prompt = no
distinguished_name = subject
attributes = attributes
req_extensions = extensions
x509_extensions = of_the_certificate
[subject]
O = Example
CN = sensor-17
[attributes]
challengePassword = {challenge}
[extensions]
subjectAltName = DNS:sensor.example
[of_the_certificate]
keyUsage = critical,digitalSignature,keyEncipherment
"""


@dataclass(frozen=True)
class Reply:
    """A CertRep whose signature openssl has verified."""

    attributes: dict[str, str]
    """The signed attributes of SCEP, as ``openssl asn1parse`` prints them, by OID."""
    content: bytes
    """The pkcsPKIEnvelope; empty if there is none."""


@dataclass(frozen=True)
class Hand:
    """What a person with openssl and curl does."""

    openssl: OpenSsl
    service: Service
    curl: str

    def new_identity(self, name: str, *, bits: int = 2048, challenge: str = CHALLENGE) -> None:
        """Make ``NAME.key``, ``NAME.csr`` and a self-signed ``NAME.pem``."""
        config = self.openssl.write(f"{name}.cnf", REQUEST.format(challenge=challenge))
        key = ("-newkey", f"rsa:{bits}", "-noenc", "-keyout", f"{name}.key")
        self.openssl(
            "req", "-new", "-config", config, *key, "-outform", "DER", "-out", f"{name}.csr"
        )
        certify = ("req", "-x509", "-config", config, "-key", f"{name}.key", "-days", 2)
        self.openssl(*certify, "-out", f"{name}.pem")

    def message(
        self,
        message_type: str,
        content: bytes,
        *,
        signer: str = "client",
        encrypt: Sequence[str] = ("-aes128",),
        digest: str = "sha256",
        transaction_id: str = "BY-HAND-1",
    ) -> bytes:
        """Encrypt and sign."""
        envelope = self.openssl(
            *("cms", "-encrypt", "-binary", "-outform", "DER", *encrypt),
            *("-recip", self.service.recipient),
            stdin=content,
        )
        certificate = parse_certificate(self.openssl.read(f"{signer}.pem"))
        message = replace(
            request(
                message_type=message_type,
                content=envelope,
                signer=Identity(certificate=certificate, key=self.openssl.key(signer)),
                transaction_id=transaction_id,
            ),
            digest=digest,
        )
        signed = tlv(0x31, message.signed_attributes(in_order=True))
        signature = self.openssl("dgst", f"-{digest}", "-sign", f"{signer}.key", stdin=signed)
        return replace(message, signature=signature).encode()

    def http(self, operation: str, *options: object) -> bytes:
        """Let curl send a request."""
        url = f"{self.service.url}?operation={operation}"
        command = (self.curl, "--silent", "--show-error", "--fail", "--noproxy", "*", *options, url)
        return subprocess.run(
            [str(part) for part in command],
            cwd=self.openssl.directory,
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout

    def send(self, message: bytes, *, method: str = "POST") -> Reply:
        """Send a pkiMessage and verify the answer with the CA's certificates."""
        file = self.openssl.write("message.der", message)
        if method == "GET":
            text = self.openssl.write(
                "message.b64", self.openssl("base64", "-A", "-in", file).strip()
            )
            answer = self.http("PKIOperation", "--get", "--data-urlencode", f"message@{text}")
        else:
            media_type = ("--header", "Content-Type: application/x-pki-message")
            answer = self.http("PKIOperation", *media_type, "--data-binary", f"@{file}")
        return self.verified(answer)

    def verified(self, answer: bytes) -> Reply:
        """Verify a SignedData, and read what it has to say."""
        file = self.openssl.write("answer.der", answer)
        without_content = ("-content", self.openssl.write("nothing", b""))
        structure = self.openssl("asn1parse", "-inform", "DER", "-in", file).decode()
        content = self.openssl(
            *("cms", "-verify", "-binary", "-inform", "DER", "-in", file),
            *("-CAfile", self.service.root, "-certfile", self.service.issuer),
            *("-purpose", "any", "-auth_level", 0),
            *(() if _has_content(answer) else without_content),
        )
        return Reply(attributes=_attributes(structure), content=content)

    def opened(self, reply: Reply, *, by: str = "client") -> str:
        """Decrypt an envelope; return the certificates or the CRL in it as PEM."""
        mine = ("-inkey", f"{by}.key", "-recip", f"{by}.pem")
        decrypt = ("cms", "-decrypt", "-binary", "-inform", "DER", *mine)
        bag = self.openssl(*decrypt, stdin=reply.content)
        return self.openssl("pkcs7", "-inform", "DER", "-print_certs", stdin=bag).decode()

    def issued(self, reply: Reply, *, by: str = "client", name: str) -> None:
        """Take the certificate out of a SUCCESS, verify it and keep it as ``NAME.pem``."""
        assert reply.attributes[PKI_STATUS] == SUCCESS
        file = self.openssl.write(f"{name}.pem", self.opened(reply, by=by))
        trust = ("-CAfile", self.service.root, "-untrusted", self.service.issuer)
        said = self.openssl.says("verify", *trust, "-purpose", "sslclient", file)
        assert said == f"{file}: OK\n"
        text = self.openssl("x509", "-noout", "-text", "-in", file).decode()
        assert "O = Example, CN = sensor-17" in text
        assert "DNS:sensor.example" in text


def _has_content(answer: bytes) -> bool:
    """Say whether there is an eContent, by its place: encapContentInfo is the third field."""
    return len(parse(answer).at(1, 0, 2).children) == 2


def _attributes(structure: str) -> dict[str, str]:
    pattern = r"OBJECT +:(2\.16\.840\.1\.113733\.[.0-9]+)\n.*cons: SET.*\n.*prim: .*?:(.*)\n"
    found = re.findall(pattern, structure)
    assert len(dict(found)) == len(found)
    return dict(found)


@pytest.fixture
def hand_of(find_tool: Callable[[str], str], tmp_path: Path) -> Callable[[Service], Hand]:
    """Return how to get a :class:`Hand` for a service."""
    find_tool("openssl")
    curl = find_tool("curl")
    folder = tmp_path / "openssl"
    folder.mkdir()
    return lambda service: Hand(OpenSsl(folder), service, curl)


def certified(hand: Hand) -> bytes:
    """Enrol ``client``; return the certificate in DER."""
    csr = hand.openssl.read("client.csr")
    hand.issued(hand.send(hand.message(PKCS_REQ, csr)), name="issued")
    hand.openssl.write("issued.key", hand.openssl.read("client.key"))
    return parse_certificate(hand.openssl.read("issued.pem")).der


@pytest.mark.conforms("M-01", "M-09", "M-13", "A-01", "E-01", "E-20", "T-21")
@pytest.mark.parametrize(
    ("layout", "bits", "method"),
    [
        *((layout, 2048, method) for layout in LAYOUTS for method in ("POST", "GET")),
        ("ca", 4096, "POST"),
        ("ca-and-two-ras", 4096, "POST"),
    ],
)
def test_enrolment(
    hand_of: Callable[[Service], Hand], layout: str, bits: int, method: str, tmp_path: Path
) -> None:
    with serve(tmp_path / "service", authority(layout, bits=bits)) as service:
        hand = hand_of(service)
        hand.new_identity("client", bits=bits)
        message = hand.message(PKCS_REQ, hand.openssl.read("client.csr"))
        reply = hand.send(message, method=method)
        hand.issued(reply, name="issued")
        assert reply.attributes[MESSAGE_TYPE] == CERT_REP
        assert reply.attributes[TRANSACTION_ID] == "BY-HAND-1"
        assert reply.attributes[RECIPIENT_NONCE] == REQUEST_NONCE.decode()
        assert service.http_methods == [method]
        key = hand.openssl("pkey", "-in", "client.key", "-pubout")
        assert hand.openssl("x509", "-noout", "-pubkey", "-in", "issued.pem") == key


@pytest.mark.conforms("A-17", "E-21", "E-11", "C-11")
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("cipher", CIPHERS)
def test_every_algorithm_comes_back(
    hand_of: Callable[[Service], Hand], cipher: str, digest: str, tmp_path: Path
) -> None:
    with serve(tmp_path / "service", **FOR_EVERYBODY) as service:
        hand = hand_of(service)
        hand.new_identity("client")
        csr = hand.openssl.read("client.csr")
        reply = hand.send(hand.message(PKCS_REQ, csr, encrypt=(cipher,), digest=digest))
        hand.issued(reply, name="issued")
        (exchange,) = service.exchanges
        assert exchange.digest is DigestAlgorithm[digest.upper()]
        assert exchange.cipher is CIPHERS[cipher]
        assert oid(DIGESTS[digest]) in hand.openssl.read("answer.der")


@pytest.mark.conforms("E-07", "E-18", "E-22")
@pytest.mark.parametrize(
    "encrypt",
    [
        ("-aes128", "-stream"),
        ("-aes128", "-keyid"),
        ("-aes128", "-recip", "client.pem"),
    ],
)
def test_odd_envelopes(
    hand_of: Callable[[Service], Hand], encrypt: tuple[str, ...], tmp_path: Path
) -> None:
    """BER, the recipient named by its key identifier, another recipient before ours."""
    with serve(tmp_path / "service") as service:
        hand = hand_of(service)
        hand.new_identity("client")
        csr = hand.openssl.read("client.csr")
        hand.issued(hand.send(hand.message(PKCS_REQ, csr, encrypt=encrypt)), name="issued")


@pytest.mark.conforms("M-03", "A-05", "A-15")
@pytest.mark.parametrize("empty_content", [None, b"", b"\0"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_refusal(
    hand_of: Callable[[Service], Hand],
    layout: str,
    empty_content: bytes | None,
    tmp_path: Path,
) -> None:
    ca = authority(layout)
    with serve(tmp_path / "service", ca, empty_content=empty_content) as service:
        hand = hand_of(service)
        hand.new_identity("client", challenge="wrong")
        reply = hand.send(hand.message(PKCS_REQ, hand.openssl.read("client.csr")))
        assert reply.attributes[PKI_STATUS] == FAILURE
        assert reply.attributes[FAIL_INFO] == str(FailInfo.BAD_REQUEST.value)
        assert reply.content == (empty_content or b"")


@pytest.mark.conforms("A-06", "P-05", "P-10")
def test_polling(hand_of: Callable[[Service], Hand], tmp_path: Path) -> None:
    options: dict[str, Any] = {"handler": ApprovalHandler(), "approve": True}
    with serve(tmp_path / "service", **options) as service:
        hand = hand_of(service)
        hand.new_identity("client")
        first = hand.send(hand.message(PKCS_REQ, hand.openssl.read("client.csr")))
        assert first.attributes[PKI_STATUS] == PENDING
        assert FAIL_INFO not in first.attributes
        assert first.content == b""
        own = parse_certificate(hand.openssl.read("client.pem"))
        payload = seq(service.authority.issuer.subject.der, own.subject.der)
        hand.issued(hand.send(hand.message(CERT_POLL, payload)), name="issued")


@pytest.mark.conforms("R-03", "E-20")
@pytest.mark.parametrize("message_type", [RENEWAL_REQ, PKCS_REQ])
def test_renewal(hand_of: Callable[[Service], Hand], message_type: str, tmp_path: Path) -> None:
    with serve(tmp_path / "service") as service:
        hand = hand_of(service)
        hand.new_identity("client")
        first = certified(hand)
        hand.new_identity("next", challenge="not the one")
        csr = hand.openssl.read("next.csr")
        renewal = hand.message(message_type, csr, signer="issued", transaction_id="BY-HAND-2")
        hand.issued(hand.send(renewal), by="issued", name="renewed")
        assert parse_certificate(hand.openssl.read("renewed.pem")).der != first


@pytest.mark.conforms("A-01")
def test_getting_a_certificate(hand_of: Callable[[Service], Hand], tmp_path: Path) -> None:
    with serve(tmp_path / "service") as service:
        hand = hand_of(service)
        hand.new_identity("client")
        first = certified(hand)
        query = hand.message(GET_CERT, issuer_and_serial(first), transaction_id="BY-HAND-2")
        hand.issued(hand.send(query), name="fetched")
        assert parse_certificate(hand.openssl.read("fetched.pem")).der == first


@pytest.mark.conforms("A-07", "Q-06")
def test_getting_a_crl(hand_of: Callable[[Service], Hand], tmp_path: Path) -> None:
    with serve(tmp_path / "service") as service:
        hand = hand_of(service)
        hand.new_identity("client")
        first = certified(hand)
        service.responder.revoke(parse_certificate(first))
        query = hand.message(GET_CRL, issuer_and_serial(first), transaction_id="BY-HAND-2")
        crl = hand.openssl.write("crl.pem", hand.opened(hand.send(query)))
        said = hand.openssl.says("crl", "-in", crl, "-CAfile", service.root, "-noout", "-text")
        assert "verify OK" in said
        serial = hand.openssl("x509", "-noout", "-serial", "-in", "issued.pem").decode()
        assert f"Serial Number: {serial.partition('=')[2]}" in said


@pytest.mark.conforms("G-03", "G-04", "G-21")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_ca_certificates(
    hand_of: Callable[[Service], Hand], layout: str, tmp_path: Path
) -> None:
    with serve(tmp_path / "service", authority(layout)) as service:
        hand = hand_of(service)
        answer = hand.http("GetCACert")
        bare = len(service.authority.published) == 1
        command = ("x509",) if bare else ("pkcs7", "-print_certs")
        printed = hand.openssl(*command, "-inform", "DER", stdin=answer).decode()
        for certificate in service.authority.published:
            assert certificate.pem().strip() in printed


@pytest.mark.conforms("N-01", "N-02")
def test_the_next_ca_certificates(hand_of: Callable[[Service], Hand], tmp_path: Path) -> None:
    following = authority().roll_over(
        not_before=now(), lifetime=timedelta(days=30), key=keys.rsa(5)
    )
    with serve(tmp_path / "service", next_authority=following) as service:
        hand = hand_of(service)
        content = hand.verified(hand.http("GetNextCACert")).content
        printed = hand.openssl("pkcs7", "-inform", "DER", "-print_certs", stdin=content).decode()
        assert following.issuer.pem().strip() in printed


def test_this_client_notices_what_is_not_signed_by_the_ca(
    hand_of: Callable[[Service], Hand], tmp_path: Path
) -> None:
    """The tests above could fail."""
    with serve(tmp_path / "service") as service:
        hand = hand_of(service)
        hand.new_identity("client")
        own = hand.message(PKCS_REQ, hand.openssl.read("client.csr"))
        with pytest.raises(AssertionError, match=r"(?i)verif"):
            hand.verified(own)
