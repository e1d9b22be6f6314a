"""Reads a directory of test vectors back, from its files alone, as a foreign implementer would."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pyscep import errors, http
from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.ca import TrustedCa, parse_ca_certificates, parse_next_ca_certificates
from pyscep.capabilities import Algorithms
from pyscep.certificates import Certificate, Identity, parse_certificate
from pyscep.cms_enveloped import needs_password
from pyscep.crypto import CryptoProvider
from pyscep.crypto.pyca_provider import PycaProvider
from pyscep.exchange import CertificateQuery, CrlQuery, Exchange, ReplyRules, Sent
from pyscep.handlers import ApprovalHandler, static_challenge
from pyscep.http import HttpRequest, HttpResponse
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.keys import PrivateKey
from pyscep.memory_store import MemoryStore
from pyscep.messages import MessageType, PkiStatus
from pyscep.pki_message import VerifiedMessage, parse_pki_message
from pyscep.responder import AES_CIPHERS, SHA2_DIGESTS, Responder
from pyscep.store import Record, RecordStatus
from pyscep.testing import EphemeralCa
from pyscep.transaction import CrlSuccess, Failure, Pending, Success, Transaction, TransactionState

REJECTIONS: dict[type[errors.ScepError], str] = {
    errors.DecodeError: "malformed",
    errors.LimitExceeded: "too-large",
    errors.HttpError: "http",
    errors.ProtocolError: "rule",
    errors.MessageError: "rule",
    errors.MissingAttribute: "missing-attribute",
    errors.DuplicateAttribute: "duplicate-attribute",
    errors.UnexpectedMessageType: "message-type",
    errors.TransactionMismatch: "transaction",
    errors.NonceMismatch: "nonce",
    errors.SignatureInvalid: "signature",
    errors.WeakAlgorithm: "weak-algorithm",
    errors.UnsupportedError: "unsupported-algorithm",
    errors.DecryptionFailed: "decryption",
    errors.CertificateMismatch: "certificate",
    errors.UntrustedCa: "untrusted-ca",
    errors.DowngradeRefused: "downgrade",
}
"""How the index calls what pyscep raises."""


def rejection_of(error: errors.ScepError) -> str:
    """Return the index' word for an error."""
    return REJECTIONS.get(type(error), f"no word for {type(error).__name__}")


@functools.cache
def _load_key(pem: bytes) -> PrivateKey:
    # Loading checks the primes, which takes longer than a test.
    return PycaProvider().load_private_key(pem)


@dataclass(frozen=True, kw_only=True)
class VectorDirectory:
    """A directory of vectors, open for reading."""

    root: Path
    index: dict[str, Any] = field(repr=False)

    @classmethod
    def open(cls, root: Path) -> VectorDirectory:
        return cls(root=root, index=json.loads((root / "index.json").read_text("utf-8")))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.index["vectors"])

    def find(self, name: str) -> dict[str, Any]:
        return next(vector for vector in self if vector["name"] == name)

    def octets(self, vector: dict[str, Any]) -> bytes:
        return Path(self.root, vector["file"]).read_bytes()

    @property
    def provider(self) -> CryptoProvider:
        """Another than what wrote them, and one that knows every OAEP."""
        return PycaProvider()

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.index["at"].replace("Z", "+00:00"))

    def key(self, name: str) -> PrivateKey:
        pem = (self.root / self.index["keys"][name]["file"]).read_bytes()
        return _load_key(pem)

    def certificate(self, name: str) -> Certificate:
        return parse_certificate(
            (self.root / self.index["certificates"][name]["file"]).read_bytes()
        )

    def identity(self, name: str) -> Identity:
        key = self.key(self.index["certificates"][name]["key"])
        return Identity(certificate=self.certificate(name), key=key)

    def name_of(self, certificate: Certificate) -> str:
        """Return what the index calls a certificate."""
        wanted = certificate.sha256_fingerprint
        names: dict[str, Any] = self.index["certificates"]
        return next(name for name, entry in names.items() if entry["sha256"] == wanted)

    # ------------------------------------------------------------------------------- client

    def trusted_ca(self, name: str) -> TrustedCa:
        """Return the CA that the client of a vector trusts."""
        entry = self.index["authorities"][name]
        anchor, issuer = self.certificate(entry["anchor"]), self.certificate(entry["issuer"])
        found = parse_ca_certificates(anchor.der)
        fetched = [self.certificate(n) for n in (*entry["signers"], entry["recipient"])]
        every = tuple(dict.fromkeys((*found.certificates, issuer, *fetched)))
        return replace(found, certificates=every).authenticate(
            anchors=(anchor,), at=None, encrypt_with_challenge=name == "ec"
        )

    def receive(
        self, vector: dict[str, Any], *, allow: list[str]
    ) -> Success | Pending | Failure | CrlSuccess:
        """Do what a client does with a reply."""
        answers = vector["answers"]
        asked = self.find(answers["request"])["message"]
        kinds = {"GET_CERT": CertificateQuery, "GET_CRL": CrlQuery}
        sent = self.sent(vector["authority"], asked, answers, allow=allow)
        body = http.parse_pki_operation(self.response(vector))
        kind = MessageType(asked["message_type"]).name
        if kind not in kinds:
            return Exchange(_sent=sent).receive(body)
        if kind == "GET_CRL":
            return CrlQuery(_sent=sent).receive(body)
        wanted = IssuerAndSerialNumber.of(self.certificate(answers["identifier"]))
        return CertificateQuery(identifier=wanted, _sent=sent).receive(body)

    def sent(
        self, authority: str, asked: dict[str, Any], answers: dict[str, Any], *, allow: list[str]
    ) -> Sent:
        """Return what the client remembers of its request."""
        identity = self.identity(answers["signer"])
        ca = self.trusted_ca(authority)
        key = answers["requested_key"]
        subject = identity.certificate.subject
        ciphers = [ContentEncryptionAlgorithm[n] for n in allow if n.endswith("_CBC")]
        lowest = DigestAlgorithm.SHA1 if "SHA1" in allow else DigestAlgorithm.SHA256
        return Sent(
            message=b"",
            transaction=Transaction(
                transaction_id=answers["transaction_id"],
                state=TransactionState.CERT_REQ_PENDING,
                message_type=MessageType(asked["message_type"]),
                renewal=False,
                subject=subject,
                public_key=b"" if key is None else self.key(key).public_key,
                signer_sha256=identity.certificate.sha256_fingerprint,
                issuer_sha256=ca.issuer.sha256_fingerprint,
                algorithms=Algorithms(),
            ),
            sender_nonce=bytes.fromhex(answers["sender_nonce"]),
            identity=identity,
            ca=ca,
            rules=ReplyRules(read_legacy_ciphers=frozenset(ciphers), minimum_digest=lowest),
            provider=self.provider,
            passwords=self.passwords(identity.certificate),
        )

    def passwords(self, recipient: Certificate) -> tuple[str, ...]:
        """Return what may open an envelope for a certificate besides its key."""
        return (self.index["challenge_password"],) if needs_password(recipient) else ()

    def response(self, vector: dict[str, Any]) -> HttpResponse:
        """Return the HTTP response that a client reads."""
        carrier = vector["http"]
        return HttpResponse(
            status=carrier["status"],
            headers=tuple(carrier["headers"].items()),
            body=self.octets(vector),
        )

    def authenticate(self, vector: dict[str, Any]) -> TrustedCa:
        """Do what a client does with an answer to GetCACert."""
        body = http.parse_get_ca_cert(self.response(vector))
        entry = self.index["authorities"][vector["authority"]]
        anchor = self.index["certificates"][entry["anchor"]]["sha256"]
        return parse_ca_certificates(body).authenticate(sha256=anchor, at=self.at)

    def follow(self, vector: dict[str, Any]) -> TrustedCa:
        """Do what a client does with an answer to GetNextCACert."""
        body = http.parse_get_next_ca_cert(self.response(vector))
        current = self.trusted_ca(vector["authority"])
        return parse_next_ca_certificates(body, current=current, at=self.at)

    # ------------------------------------------------------------------------------- server

    def responder(self, vector: dict[str, Any], *, allow: list[str]) -> Responder:
        """Return the server that a request is for, knowing what is given."""
        entry = self.index["authorities"][vector["authority"]]
        authority = EphemeralCa(
            identity=self.identity(entry["issuer"]),
            parents=(),
            signer=self.identity(entry["signers"][0]),
            recipients=(self.identity(entry["recipient"]),),
            lifetime=timedelta(days=1),
            publish_root=True,
            provider=self.provider,
        )
        ciphers = {c for c in ContentEncryptionAlgorithm if c.name in allow}
        digests = {d for d in DigestAlgorithm if d.name in allow}
        responder = Responder(
            authority=authority,
            handler=static_challenge(self.index["challenge_password"]),
            challenge_passwords=lambda _: [self.index["challenge_password"]],
            store=MemoryStore(),
            now=lambda: self.at,
            ciphers=AES_CIPHERS | ciphers,
            digests=SHA2_DIGESTS | digests,
            provider=self.provider,
        )
        if vector["given"] is not None:
            self._prepare(responder, vector["given"])
        return responder

    def _prepare(self, responder: Responder, given: dict[str, Any]) -> None:
        if given["pending"] is not None:
            deferring = replace(responder, handler=ApprovalHandler())
            reply = deferring.answer(self.octets(self.find(given["pending"])))
            assert self.read_reply(responder, reply).pki_status is PkiStatus.PENDING
        for name in given["issued"]:
            certificate = self.certificate(name)
            record = Record(
                transaction_id=f"issued {name}",
                status=RecordStatus.ISSUED,
                requester=certificate.public_key,
                csr=b"",
                updated=self.at,
                certificate=certificate.der,
                identifier=IssuerAndSerialNumber.of(certificate),
            )
            responder.store.update(record.transaction_id, lambda _none, kept=record: kept)  # type: ignore[misc]
        for name in given["revoked"]:
            responder.revoke(self.certificate(name))

    def read_reply(self, responder: Responder, reply: bytes) -> VerifiedMessage:
        signer = responder.authority.signer.certificate
        return parse_pki_message(reply).verify((signer,), provider=self.provider)

    def send(self, responder: Responder, vector: dict[str, Any]) -> HttpResponse:
        """Send a request as a client does."""
        octets = self.octets(vector)
        if vector["content"] == "query":
            return responder.handle(HttpRequest(method="GET", url=f"/scep?{octets.decode()}"))
        url = "/scep?operation=PKIOperation"
        return responder.handle(HttpRequest(method="POST", url=url, body=octets))

    def reason(self, responder: Responder, vector: dict[str, Any]) -> str:
        """Return why the server rejects a request, which it does not say itself."""
        try:
            message = parse_pki_message(self.octets(vector)).verify_possession()
            responder._check_digest(message)
            request, _data = responder._open(message)
            reply = responder._reply(message, request)
        except errors.ScepError as error:
            return rejection_of(error)
        return "refused" if reply.pki_status is PkiStatus.FAILURE else "none"
