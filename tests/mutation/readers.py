"""What a message is read to, so that a changed one can be compared, and what may differ.

The messages are the vectors of :mod:`pyscep.testing.vectors`, read as a client or a server reads
them: up to the certificate, or up to what the server would issue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pyscep.algorithms import ContentEncryptionAlgorithm
from pyscep.certificates import Certificate, parse_certificate
from pyscep.errors import ScepError
from pyscep.exchange import CertificateQuery, CrlQuery, Exchange
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.memory_store import MemoryStore
from pyscep.messages import CertRep, MessageType, PkiStatus
from pyscep.pki_message import VerifiedMessage
from pyscep.responder import Responder
from tests.helpers.tlv import Node, parse
from tests.helpers.vector_reader import VectorDirectory
from tests.mutation.changes import Change, Path, is_der


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not accepted: by an error of ours, or by a signed FAILURE of the server."""

    why: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A message, and the function that reads it and whatever is made of it."""

    name: str
    octets: bytes
    read: Callable[[bytes], object]

    def outcome(self, octets: bytes) -> object:
        """Return the typed result; anything but a ScepError comes out as it is."""
        try:
            return self.read(octets)
        except ScepError as error:
            return Rejected(type(error).__name__)


def subjects(directory: VectorDirectory) -> Iterator[Subject]:
    """Return every pkiMessage among the vectors that is to be accepted."""
    for vector in directory:
        expected = vector["expected"]
        if vector["content"] == "pki-message" and expected["outcome"] == "accept":
            reader = _client if vector["reader"] == "client" else _server
            read = reader(directory, vector, expected["allow"])
            yield Subject(vector["name"], directory.octets(vector), read)


def _client(
    directory: VectorDirectory, vector: dict[str, Any], allow: list[str]
) -> Callable[[bytes], object]:
    answers = vector["answers"]
    asked = directory.find(answers["request"])["message"]
    sent = directory.sent(vector["authority"], asked, answers, allow=allow)
    match MessageType(asked["message_type"]):
        case MessageType.GET_CRL:
            return CrlQuery(_sent=sent).receive
        case MessageType.GET_CERT:
            wanted = IssuerAndSerialNumber.of(directory.certificate(answers["identifier"]))
            return CertificateQuery(identifier=wanted, _sent=sent).receive
        case _:
            return Exchange(_sent=sent).receive


def _server(
    directory: VectorDirectory, vector: dict[str, Any], allow: list[str]
) -> Callable[[bytes], object]:
    server = directory.responder(vector, allow=allow)
    store = server.store
    assert isinstance(store, MemoryStore)

    def read(octets: bytes) -> object:
        replies: list[CertRep] = []

        def keep(
            responder: Responder,
            request: VerifiedMessage,
            reply: CertRep,
            cipher: ContentEncryptionAlgorithm,
        ) -> bytes:
            replies.append(reply)
            return b""

        replace(server, store=_copy(store), encoder=keep).answer(octets)
        return _summary(replies[0])

    return read


def _copy(store: MemoryStore) -> MemoryStore:
    copied = MemoryStore()
    copied._records = dict(store._records)
    copied._certificates = dict(store._certificates)
    copied._revoked = {issuer: dict(entries) for issuer, entries in store._revoked.items()}
    return copied


def _summary(reply: CertRep) -> object:
    """Return what does not change each time: whom something is issued to, not its number."""
    if reply.pki_status is PkiStatus.FAILURE:
        return Rejected(f"failInfo {reply.fail_info}")
    return (
        reply.pki_status,
        [_essence(parse_certificate(each)) for each in reply.certificates],
        reply.crl is not None,
    )


def _essence(certificate: Certificate) -> tuple[object, ...]:
    return certificate.subject.der, certificate.public_key, certificate.subject_alt_names


# ---------------------------------------------------------------------------- what may be changed


@dataclass(frozen=True, slots=True)
class Unprotected:
    """A part of a message that no signature covers, and why nothing depends on it."""

    part: str
    reason: str
    covers: Callable[[Node, Change], bool]


def _signed_data(path: Path) -> Path:
    """Return the path below the SignedData: ContentInfo, [0], SignedData."""
    return path[2:] if path[:2] == (1, 0) else (-1,)


def _signer_info(root: Node, path: Path) -> Path:
    """Return the path below the only SignerInfo."""
    last = len(root.at(1, 0).children) - 1
    below = _signed_data(path)
    return below[2:] if below[:2] == (last, 0) else (-1,)


def _in_certificates(root: Node, change: Change) -> bool:
    below = _signed_data(change.path)
    return bool(below) and below[0] in {
        number for number, field in enumerate(root.at(1, 0).children) if field.tag in {0xA0, 0xA1}
    }


def _order_of_attributes(root: Node, change: Change) -> bool:
    below = _signer_info(root, change.path)
    return len(below) == 2 and below[0] == 3 and change.what.startswith("exchange")


UNPROTECTED = (
    Unprotected(
        "the spelling of a length",
        "BER has several for one length; it is made DER before anything looks at it (M-05)",
        lambda _root, change: change.what == "length in long form",
    ),
    Unprotected(
        "the version of the SignedData",
        "it says which fields may occur, and the fields say so themselves",
        lambda _root, change: _signed_data(change.path) == (0,),
    ),
    Unprotected(
        "digestAlgorithms",
        "a hint for readers in one pass; the algorithm is taken from the SignerInfo",
        lambda _root, change: _signed_data(change.path)[:1] == (1,),
    ),
    Unprotected(
        "the enclosed certificates and CRLs",
        "replies are verified with the trusted certificate, requests with the enclosed key that "
        "fits the signature; certificates are checked by their own issuer where anything depends "
        "on them",
        _in_certificates,
    ),
    Unprotected(
        "an eContent with nothing in it",
        "absent and empty are the same to the digest, and to readers (M-04)",
        lambda root, change: (
            _signed_data(change.path)[:1] == (2,)
            and len(root.at(1, 0, 2).children) > 1
            and root.at(1, 0, 2, 1).children == (Node(0x04),)
            and _signed_data(change.path)[1:2] == (1,)
        ),
    ),
    Unprotected(
        "the version of the SignerInfo",
        "it repeats how the signer is named",
        lambda root, change: _signer_info(root, change.path) == (0,),
    ),
    Unprotected(
        "the parameters of the digest and signature algorithms",
        "NULL or nothing, by RFC 5754, and whatever else follows the OID; the algorithms "
        "themselves have to fit the signature",
        lambda root, change: _signer_info(root, change.path)[:1] in {(2,), (4,)},
    ),
    Unprotected(
        "the name of the signer",
        "it only says which of the certificates to verify with, and names are the same in any "
        "case and string type (RFC 5280 section 7.1)",
        lambda root, change: _signer_info(root, change.path)[:2] == (1, 0),
    ),
    Unprotected(
        "the order of the signed attributes",
        "they are a SET, signed in the order of DER and sent in any (M-10)",
        _order_of_attributes,
    ),
    Unprotected(
        "unsignedAttrs",
        "not signed, and none is read",
        lambda root, change: _signer_info(root, change.path)[:1] == (6,),
    ),
)
"""Everything in a message that may be changed without anybody noticing, or caring."""


def excuse(subject: Subject, change: Change) -> str | None:
    """Return which part it was that may be changed; ``None`` if it may not."""
    if not is_der(subject.octets):
        return "BER, whose lengths have several spellings"
    root = parse(subject.octets)
    for part in UNPROTECTED:
        if part.covers(root, change):
            return part.part
    return None
