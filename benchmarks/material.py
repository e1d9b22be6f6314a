"""Keys, a CA and finished messages, all loaded once: what the benchmarks work with.

RSA-2048, AES-128-CBC, SHA-256, a CA that signs and decrypts itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path

from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
    SignatureAlgorithm,
)
from pyscep.begin import cert_poll, pkcs_req, renewal_req
from pyscep.ca import CaCertificates, TrustedCa
from pyscep.capabilities import Algorithms
from pyscep.certificates import Certificate, Identity
from pyscep.client import Client
from pyscep.cms_signed import degenerate
from pyscep.crypto import CryptoProvider, default_provider
from pyscep.exchange import Exchange
from pyscep.handlers import static_challenge
from pyscep.keys import PrivateKey
from pyscep.memory_store import MemoryStore
from pyscep.pkcs10 import CertificationRequest, build_csr, self_signed_identity
from pyscep.pki_message import VerifiedMessage, parse_pki_message
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa
from pyscep.transaction import Success

CHALLENGE = "a challenge password"
SUBJECT = {"common_name": "sensor-17", "organization_name": "Example"}
URL = "http://ca.example/scep"
DAY = timedelta(days=1)
SIGNATURE = SignatureAlgorithm.RSA_SHA256
KEY_ENCRYPTION = KeyEncryptionAlgorithm.RSA_PKCS1_V15
CIPHER = ContentEncryptionAlgorithm.AES128_CBC
DIGEST = DigestAlgorithm.SHA256


@dataclass(frozen=True)
class Material:
    """One client, one CA."""

    provider: CryptoProvider
    key: PrivateKey
    ca: EphemeralCa
    now: datetime

    @classmethod
    def create(cls, provider: CryptoProvider | None = None) -> Material:
        """Generate the keys and make the CA."""
        chosen = provider or default_provider()
        now = datetime.now(timezone.utc).replace(microsecond=0)
        return cls(
            provider=chosen,
            key=chosen.generate_rsa_key(2048),
            ca=EphemeralCa.create(now=now - DAY, provider=chosen),
            now=now,
        )

    # ------------------------------------------------------------------ what exists beforehand

    @cached_property
    def responder(self) -> Responder:
        """A responder with an empty store."""
        return self.new_responder()

    def new_responder(self) -> Responder:
        """Return a responder of its own, which issues for :data:`CHALLENGE`."""
        return Responder(
            authority=self.ca,
            handler=static_challenge(CHALLENGE),
            store=MemoryStore(),
            now=lambda: self.now,
            provider=self.provider,
        )

    @cached_property
    def trusted(self) -> TrustedCa:
        """The CA as the client knows it."""
        return CaCertificates(certificates=self.ca.published).authenticate(
            anchors=[self.ca.root], at=self.now, provider=self.provider
        )

    @cached_property
    def csr(self) -> CertificationRequest:
        """A finished request."""
        return self.build_csr()

    @cached_property
    def identity(self) -> Identity:
        """A finished self-signed identity."""
        return self.sign_self(self.csr)

    @cached_property
    def exchange(self) -> Exchange:
        """A finished PKCSReq, waiting for :attr:`reply`."""
        return self.repeated_pkcs_req()

    @cached_property
    def request(self) -> VerifiedMessage:
        """The same as the responder sees it."""
        return parse_pki_message(self.exchange.message).verify_possession(provider=self.provider)

    @cached_property
    def reply(self) -> bytes:
        """A CertRep with a certificate."""
        return self.responder.answer(self.exchange.message)

    @cached_property
    def issued(self) -> Certificate:
        """The certificate in it."""
        return _issued(self.exchange.receive(self.reply))

    @cached_property
    def renewing(self) -> Identity:
        """The client with its issued certificate."""
        return Identity(certificate=self.issued, key=self.key)

    # ------------------------------------------------------------------------ what is measured

    def build_csr(self) -> CertificationRequest:
        """Build a certification request."""
        return build_csr(subject=SUBJECT, key=self.key, challenge_password=CHALLENGE)

    def sign_self(self, csr: CertificationRequest) -> Identity:
        """Make the self-signed certificate for it."""
        return self_signed_identity(
            csr, key=self.key, not_before=self.now, lifetime=DAY, provider=self.provider
        )

    def pkcs_req(self) -> Exchange:
        """Make a PKCSReq of nothing: CSR, self-signed certificate, message."""
        csr = self.build_csr()
        identity = self.sign_self(csr)
        return pkcs_req(csr, identity=identity, ca=self.trusted, provider=self.provider)

    def repeated_pkcs_req(self) -> Exchange:
        """Make another PKCSReq with the same CSR and certificate."""
        return pkcs_req(self.csr, identity=self.identity, ca=self.trusted, provider=self.provider)

    def renewal_req(self) -> Exchange:
        """Make a RenewalReq."""
        return renewal_req(
            self.csr, identity=self.renewing, ca=self.trusted, provider=self.provider
        )

    def cert_poll(self) -> Exchange:
        """Make a CertPoll."""
        return cert_poll(
            self.exchange.transaction,
            identity=self.identity,
            ca=self.trusted,
            provider=self.provider,
        )

    def read_cert_rep(self) -> Certificate:
        """Read a CertRep, with every check."""
        return _issued(self.exchange.receive(self.reply))

    @cached_property
    def build_cert_rep(self) -> Callable[[], bytes]:
        """Find what was issued, and answer with it."""
        responder = self.responder
        responder.answer(self.exchange.message)
        registrar, request = responder.registrar, self.request

        def build() -> bytes:
            return responder.encoder(responder, request, registrar.poll(request), CIPHER)

        return build

    def enrol(self, responder: Responder | None = None) -> Certificate:
        """Enrol as a whole, client and responder in one process."""
        csr = self.build_csr()
        send = (responder or self.responder).handle
        client = Client(URL, send=send, provider=self.provider)
        reply = client.enrol(
            csr, identity=self.sign_self(csr), ca=self.trusted, algorithms=Algorithms()
        )
        return _issued(reply)

    # --------------------------------------------------------------------- for other programs

    def write(self, folder: Path) -> None:
        """Write everything that another program needs to do the same, as DER and PEM."""
        certificates = {
            "ca": self.ca.issuer,
            "self_signed": self.identity.certificate,
            "issued": self.issued,
        }
        for name, certificate in certificates.items():
            (folder / f"{name}.pem").write_text(certificate.pem())
        (folder / "key.pem").write_bytes(dump_key(self.provider, self.key))
        (folder / "csr.der").write_bytes(self.csr.der)
        (folder / "reply.der").write_bytes(self.reply)


def dump_key(provider: CryptoProvider, key: PrivateKey) -> bytes:
    """Return a key as PEM without password; both providers can."""
    dump: Callable[[PrivateKey], bytes] = getattr(provider, "dump_private_key")  # noqa: B009
    return dump(key)


def _issued(reply: object) -> Certificate:
    if not isinstance(reply, Success):
        raise SystemExit(f"The responder answered with {type(reply).__name__}.")
    return reply.certificate


def degenerate_of(certificate: Certificate) -> bytes:
    """Return the content of a CertRep."""
    return degenerate([certificate.der])


WORKS: dict[str, Callable[[Material], Callable[[], object]]] = {
    "PKCSReq": lambda material: material.pkcs_req,
    "message only": lambda material: material.repeated_pkcs_req,
    "RenewalReq": lambda material: material.renewal_req,
    "CertPoll": lambda material: material.cert_poll,
    "CertRep read": lambda material: material.read_cert_rep,
    "CertRep built": lambda material: material.build_cert_rep,
    "enrolment": lambda material: material.enrol,
}
"""What is counted; for the message only, request and certificate have been made before."""
