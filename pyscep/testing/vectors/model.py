"""What a set of vectors is made of, and how it is written down: the schema of ``index.json``.

The same, for readers in other languages, is the page *Test vectors* of the reference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
)
from pyscep.certificates import Certificate
from pyscep.cms_enveloped import RecipientKind, needs_password
from pyscep.messages import MessageType, PkiStatus

FORMAT = "pyscep-test-vectors"
VERSION = 1
"""Rises when a reader of the index would have to change."""


class Reader(Enum):
    """Who reads the message."""

    CLIENT = "client"
    SERVER = "server"


class Content(Enum):
    """What the file holds; each kind is read by one function of an implementation."""

    CA_CAPS = "ca-caps"
    """The body of an answer to GetCACaps."""
    CA_CERT = "ca-cert"
    """The body of an answer to GetCACert."""
    NEXT_CA_CERT = "next-ca-cert"
    """The body of an answer to GetNextCACert."""
    PKI_MESSAGE = "pki-message"
    """A request, or the body of an answer to PKIOperation."""
    QUERY = "query"
    """The query string of a GET that carries a request."""


class Rejection(Enum):
    """Why a reader has to reject a message: the first thing that a careful one notices."""

    MALFORMED = "malformed"
    """Neither DER nor BER, or not the structure that belongs there."""
    TOO_LARGE = "too-large"
    """Larger or deeper than anybody needs."""
    HTTP = "http"
    """Not a SCEP message at all, or an HTTP error."""
    RULE = "rule"
    """A rule of SCEP is broken that has no kind of its own here."""
    MISSING_ATTRIBUTE = "missing-attribute"
    DUPLICATE_ATTRIBUTE = "duplicate-attribute"
    MESSAGE_TYPE = "message-type"
    """A messageType that does not exist, or does not belong there."""
    TRANSACTION = "transaction"
    """It is of another transaction."""
    NONCE = "nonce"
    """The recipientNonce is not the senderNonce that was sent."""
    SIGNATURE = "signature"
    """The signature does not verify with the key that it has to verify with."""
    WEAK_ALGORITHM = "weak-algorithm"
    """An algorithm that is forbidden, or that this reader has not allowed."""
    UNSUPPORTED_ALGORITHM = "unsupported-algorithm"
    """An algorithm, or a kind of recipient, that SCEP does not have or this reader cannot do."""
    DECRYPTION = "decryption"
    """The envelope does not open. Nobody may be told why (E-16)."""
    CERTIFICATE = "certificate"
    """The certificate or CRL inside is not what was asked for."""
    UNTRUSTED_CA = "untrusted-ca"
    """The CA certificates are not those of the trusted CA."""
    DOWNGRADE = "downgrade"
    """Only algorithms are announced that this reader has not allowed."""
    REFUSED = "refused"
    """Nothing is wrong with the message; its sender may not have what it asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a careful reader makes of a vector."""

    why: str
    """One sentence."""
    checklist: tuple[str, ...]
    """The rules it is about, by their IDs in the conformance table."""
    rejection: Rejection | None = None
    """Why it is rejected; ``None`` if it is accepted."""
    status: PkiStatus | None = None
    """If accepted and a pkiMessage: the status that the client learns, or the server answers."""
    fail_info: int | None = None
    """The failInfo that the client learns, or the server should answer."""
    http_status: int | None = None
    """What a server should answer that cannot answer with a signed message."""
    certificate: str | None = None
    """The name of the certificate that the client gets."""
    capabilities: tuple[str, ...] | None = None
    """The known keywords of a GetCACaps reply."""
    allow: tuple[str, ...] = ()
    """Legacy algorithms that the reader has to have allowed: without, weak-algorithm."""


def accepted(why: str, *checklist: str, **facts: Any) -> Expected:  # noqa: ANN401
    """Return what is expected of a right message."""
    return Expected(why=why, checklist=checklist, **facts)


def rejected(rejection: Rejection, why: str, *checklist: str, **facts: Any) -> Expected:  # noqa: ANN401
    """Return what is expected of a wrong message."""
    return Expected(why=why, checklist=checklist, rejection=rejection, **facts)


def key_encryption_of(
    recipient: Certificate, algorithm: KeyEncryptionAlgorithm
) -> KeyEncryptionAlgorithm | RecipientKind:
    """Return how a content key is encrypted for a certificate.

    :param algorithm: the one for keys that can decrypt.
    """
    return RecipientKind.PASSWORD if needs_password(recipient) else algorithm


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is in a pkiMessage, as its author knows it."""

    message_type: MessageType
    """The messageType."""
    transaction_id: str
    """The transactionID."""
    sender_nonce: bytes | None
    """The senderNonce; a reply may lack it."""
    recipient_nonce: bytes | None = None
    """The recipientNonce."""
    pki_status: PkiStatus | None = None
    """The pkiStatus."""
    fail_info: int | None = None
    """The failInfo."""
    fail_info_text: str | None = None
    """The failInfoText."""
    digest: DigestAlgorithm
    """The hash."""
    cipher: ContentEncryptionAlgorithm | None = None
    """The cipher of the envelope, if there is one."""
    key_encryption: KeyEncryptionAlgorithm | RecipientKind | None = None
    """How its key is encrypted: by which algorithm, or with the challenge password."""
    signer: str
    """Name of the certificate that signed."""
    recipient: str | None = None
    """Name of the certificate that the envelope is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the server knows before the request comes."""

    pending: str | None = None
    """Name of a request that it has deferred."""
    issued: tuple[str, ...] = ()
    """Names of certificates that it has issued and kept."""
    revoked: tuple[str, ...] = ()
    """Names of certificates that it has revoked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a client remembers of the request that a reply is for."""

    request: str
    """Name of the request."""
    transaction_id: str
    """The transactionID that the reply has to have."""
    sender_nonce: bytes
    """The nonce that the reply has to repeat."""
    signer: str
    """Name of the certificate that signed the request; the reply is encrypted to it."""
    requested_key: str | None
    """Name of the key that is to be certified; ``None`` for queries."""
    identifier: str | None
    """Name of the certificate that a GetCert or GetCRL is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One message."""

    name: str
    """Unique; the file's path without its ending."""
    octets: bytes = field(repr=False)
    """The message."""
    reader: Reader
    """Who reads it."""
    content: Content
    """What it is."""
    expected: Expected
    """What a careful reader makes of it."""
    authority: str
    """Name of the CA that the reader is, or trusts."""
    message: Message | None = None
    """What is in it, if it can be read."""
    http: tuple[int, tuple[tuple[str, str], ...]] | None = None
    """For a client: status and headers of the HTTP response."""
    given: Given | None = None
    """For a server: what it knows before."""
    answers: Answers | None = None
    """For a client: the request that it is for."""

    @property
    def path(self) -> str:
        """The file, relative to the directory; text and nothing at all end in ``txt``."""
        binary = self.octets[:1] in (b"\x30", b"\x04")
        return f"{self.name}.{'der' if binary else 'txt'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityCertificates:
    """Which of the certificates are a CA's, and for what, by name."""

    anchor: str
    """What a client trusts: the root."""
    issuer: str
    """The CA that issues."""
    signers: tuple[str, ...]
    """Who may sign replies."""
    recipient: str
    """Whom requests are encrypted to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorSet:
    """A directory of vectors, as a value."""

    seed: int
    """What its randomness was drawn from."""
    at: datetime
    """The moment at which everything is read."""
    challenge_password: str
    """The right one."""
    keys: Mapping[str, bytes] = field(repr=False)
    """Private keys in PEM by name; **public test keys**."""
    certificates: Mapping[str, tuple[Certificate, str]]
    """Certificates by name, each with the name of its key."""
    authorities: Mapping[str, AuthorityCertificates]
    """The CAs by name."""
    vectors: tuple[Vector, ...]
    """The messages."""

    def files(self) -> dict[str, bytes]:
        """Return everything as files: contents by path."""
        files = {f"keys/{name}.pem": pem for name, pem in self.keys.items()}
        for name, (certificate, _key) in self.certificates.items():
            files[f"certificates/{name}.der"] = certificate.der
        for vector in self.vectors:
            files[vector.path] = vector.octets
        files["README.txt"] = README.encode()
        text = json.dumps(self.index(), indent=1, sort_keys=True)
        files["index.json"] = f"{text}\n".encode()
        return files

    def index(self) -> dict[str, Any]:
        """Return the contents of ``index.json``."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "seed": self.seed,
            "at": self.at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "challenge_password": self.challenge_password,
            "keys": {name: {"file": f"keys/{name}.pem"} for name in self.keys},
            "certificates": {
                name: _certificate(name, certificate, key)
                for name, (certificate, key) in self.certificates.items()
            },
            "authorities": {
                name: {
                    "anchor": each.anchor,
                    "issuer": each.issuer,
                    "signers": list(each.signers),
                    "recipient": each.recipient,
                }
                for name, each in self.authorities.items()
            },
            "algorithms": {
                algorithm.name: algorithm.oid
                for kind in (ContentEncryptionAlgorithm, DigestAlgorithm)
                for algorithm in kind
            },
            "vectors": [_vector(vector) for vector in self.vectors],
        }


README = """\
Test vectors for SCEP (RFC 8894), written by pyscep.testing.vectors.

index.json says what each file is, who reads it, and what has to come of it. The private keys in
keys/ are test data that everybody has: never let anything that matters depend on one of them.
"""


def _certificate(name: str, certificate: Certificate, key: str) -> dict[str, Any]:
    return {
        "file": f"certificates/{name}.der",
        "key": key,
        "subject": str(certificate.subject),
        "issuer": str(certificate.issuer),
        "serial_number": f"{certificate.serial_number:x}",
        "sha256": certificate.sha256_fingerprint,
    }


def _vector(vector: Vector) -> dict[str, Any]:
    expected = vector.expected
    return {
        "name": vector.name,
        "file": vector.path,
        "reader": vector.reader.value,
        "content": vector.content.value,
        "authority": vector.authority,
        "http": None if vector.http is None else _http(*vector.http),
        "given": None if vector.given is None else _given(vector.given),
        "answers": None if vector.answers is None else _answers(vector.answers),
        "message": None if vector.message is None else _message(vector.message),
        "expected": {
            "outcome": "accept" if expected.rejection is None else "reject",
            "rejection": None if expected.rejection is None else expected.rejection.value,
            "status": None if expected.status is None else expected.status.name,
            "fail_info": expected.fail_info,
            "http_status": expected.http_status,
            "certificate": expected.certificate,
            "capabilities": _listed(expected.capabilities),
            "allow": list(expected.allow),
            "checklist": list(expected.checklist),
            "why": expected.why,
        },
    }


def _listed(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)


def _http(status: int, headers: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    return {"status": status, "headers": dict(headers)}


def _given(given: Given) -> dict[str, Any]:
    return {
        "pending": given.pending,
        "issued": list(given.issued),
        "revoked": list(given.revoked),
    }


def _answers(answers: Answers) -> dict[str, Any]:
    return {
        "request": answers.request,
        "transaction_id": answers.transaction_id,
        "sender_nonce": answers.sender_nonce.hex(),
        "signer": answers.signer,
        "requested_key": answers.requested_key,
        "identifier": answers.identifier,
    }


def _message(message: Message) -> dict[str, Any]:
    def name(member: Enum | None) -> str | None:
        return None if member is None else member.name

    def hexadecimal(octets: bytes | None) -> str | None:
        return None if octets is None else octets.hex()

    return {
        "message_type": message.message_type.value,
        "transaction_id": message.transaction_id,
        "sender_nonce": hexadecimal(message.sender_nonce),
        "recipient_nonce": hexadecimal(message.recipient_nonce),
        "pki_status": None if message.pki_status is None else message.pki_status.value,
        "fail_info": message.fail_info,
        "fail_info_text": message.fail_info_text,
        "digest": message.digest.name,
        "cipher": name(message.cipher),
        "key_encryption": name(message.key_encryption),
        "signer": message.signer,
        "recipient": message.recipient,
    }
