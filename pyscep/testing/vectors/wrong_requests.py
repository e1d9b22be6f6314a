"""Requests that are wrong, or right in an unusual form: drafts with the faults of the test server.

A request is drafted as a reply is, with other attributes and another content, so most of
:class:`~pyscep.testing.faults.Fault` applies to it as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from pyscep import asn1, der
from pyscep.algorithms import DigestAlgorithm
from pyscep.messages import FailInfo, MessageType, PkiStatus
from pyscep.pkcs10 import encode_signed, sign, signing_algorithm
from pyscep.pki_message import NONCE_SIZE, VerifiedMessage, parse_pki_message
from pyscep.testing.draft import Draft, number
from pyscep.testing.faults import Fault, OnDraft, Stage
from pyscep.testing.vectors import ber
from pyscep.testing.vectors.facts import describe
from pyscep.testing.vectors.model import (
    Content,
    Expected,
    Reader,
    Rejection,
    Vector,
    accepted,
    rejected,
)
from pyscep.testing.vectors.parties import CHALLENGE_PASSWORD, Parties
from pyscep.testing.vectors.requests import AES128, USUAL_SUITE, Author
from pyscep.testing.vectors.seeded import SeededProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One request: what is changed in the draft of a right one, and what has to come of it."""

    name: str
    change: Callable[[Draft, Stage], Draft]
    expected: Expected
    content: bytes | None = field(default=None, repr=False)
    """The messageData; that of a right enrolment, if left out."""
    message_type: MessageType = MessageType.PKCS_REQ


def drafted_requests(parties: Parties) -> Iterator[Vector]:
    """Return all requests of this module."""
    author = Author(parties=parties)
    right = author.csr().der
    for case in (*_faulty(), *_other_contents(author), *_unusual(author)):
        yield _write(parties, case, right if case.content is None else case.content)


def _write(parties: Parties, case: _Case, content: bytes) -> Vector:
    provider = parties.provider(f"requests/{case.name}")
    draft = draft_request(parties, provider, case.message_type, content)
    stage = Stage(
        responder=parties.responder("ca", provider),
        make_stranger=lambda: parties.ephemeral_ca("stranger-ca", provider),
        # The faults that look at it are about certificates in replies.
        request=_any_request(parties),
    )
    draft = case.change(draft, stage)
    return Vector(
        name=f"requests/{case.name}",
        octets=draft.encode(),
        reader=Reader.SERVER,
        content=Content.PKI_MESSAGE,
        authority="ca",
        expected=case.expected,
        message=describe(draft, parties) if case.expected.rejection is None else None,
    )


def _any_request(parties: Parties) -> VerifiedMessage:
    provider = parties.provider("any request")
    draft = draft_request(parties, provider, MessageType.PKCS_REQ, b"")
    return parse_pki_message(draft.encode()).verify_possession(provider=provider)


def draft_request(
    parties: Parties,
    provider: SeededProvider,
    message_type: MessageType,
    content: bytes,
    *,
    recipient_name: str = "ca",
) -> Draft:
    """Return the draft of a request in order, signed by the client's self-signed certificate."""
    signer = parties.identity("client-self-signed")
    recipient = parties.certificate(recipient_name)
    suite = USUAL_SUITE
    transaction_id = der.printable_string(provider.random_bytes(16).hex())
    sender_nonce = der.octet_string(provider.random_bytes(NONCE_SIZE))
    return Draft(
        status=PkiStatus.SUCCESS,
        attributes=(
            (asn1.TRANSACTION_ID, (transaction_id,)),
            (asn1.MESSAGE_TYPE, (number(message_type.value),)),
            (asn1.SENDER_NONCE, (sender_nonce,)),
        ),
        certificates=(),
        crls=(),
        has_envelope=True,
        recipient=recipient,
        named_recipient=recipient,
        content_encryption_algorithm=AES128,
        signer=signer,
        named_signer=signer.certificate,
        enclosed=(signer.certificate.der,),
        digest_algorithm=suite.digest,
        signature_digest=suite.digest,
        digest_oid=suite.digest.oid,
        provider=provider,
        challenge_password=CHALLENGE_PASSWORD,
        change_plain=(lambda _degenerate: content,),
    )


# ---------------------------------------------------------------------- the faults of a reply


def _unanswerable(rejection: Rejection, why: str, *checklist: str, status: int = 400) -> Expected:
    return rejected(rejection, why, *checklist, http_status=status)


def _closed(why: str) -> Expected:
    """Return what every envelope gets that does not open: the same answer (S-06)."""
    return rejected(Rejection.DECRYPTION, why, "E-16", "S-06", fail_info=FailInfo.BAD_REQUEST.value)


_SIGNATURE, _MISSING = Rejection.SIGNATURE, Rejection.MISSING_ATTRIBUTE
_TWICE, _TYPE = Rejection.DUPLICATE_ATTRIBUTE, Rejection.MESSAGE_TYPE
_FAULTS = {
    Fault.MISSING_TRANSACTION_ID: _unanswerable(
        _MISSING, "Without transactionID no answer can be matched.", "M-12"
    ),
    Fault.MISSING_MESSAGE_TYPE: _unanswerable(
        _MISSING, "Without messageType nobody knows what it asks.", "M-12"
    ),
    Fault.MISSING_SENDER_NONCE: _unanswerable(
        _MISSING, "Without senderNonce an answer would have none to repeat.", "M-12"
    ),
    Fault.MISSING_MESSAGE_DIGEST: _unanswerable(
        _MISSING, "Without messageDigest the content is not signed.", "M-09"
    ),
    Fault.MISSING_CONTENT_TYPE: _unanswerable(_MISSING, "CMS demands contentType.", "M-09"),
    Fault.DUPLICATE_TRANSACTION_ID: _unanswerable(
        _TWICE, "Each attribute occurs once, or two readers read two things.", "M-11"
    ),
    Fault.DUPLICATE_MESSAGE_TYPE: _unanswerable(
        _TWICE, "Each attribute occurs once, or two readers read two things.", "M-11"
    ),
    Fault.EMPTY_TRANSACTION_ID: _unanswerable(
        Rejection.RULE, "An empty transactionID names no transaction.", "M-20"
    ),
    Fault.UNKNOWN_MESSAGE_TYPE: _unanswerable(_TYPE, "There is no messageType 18.", "M-21", "C-25"),
    Fault.MESSAGE_TYPE_AS_INTEGER: _unanswerable(
        Rejection.RULE, "The messageType is digits in a PrintableString.", "M-14", "M-15"
    ),
    Fault.PADDED_MESSAGE_TYPE: _unanswerable(
        _TYPE, "The messageType has no leading zeros.", "M-15"
    ),
    Fault.WRONG_CONTENT_TYPE_ATTRIBUTE: _unanswerable(
        _SIGNATURE, "The signed contentType is not that of the content.", "M-09"
    ),
    Fault.WRONG_MESSAGE_DIGEST: _unanswerable(
        _SIGNATURE, "The messageDigest is that of another content.", "M-09"
    ),
    Fault.WRONG_ALGORITHM_PROTECTION: _unanswerable(
        _SIGNATURE, "The signed algorithms are not those of the message.", "M-37"
    ),
    Fault.SIGNED_BY_LOOK_ALIKE: rejected(
        Rejection.REFUSED,
        "The certificate that signed has the names of the client's, but not the requested key.",
        "M-33",
        "R-05",
        fail_info=FailInfo.BAD_REQUEST.value,
    ),
    Fault.SIGNED_OVER_OTHER_BYTES: _unanswerable(
        _SIGNATURE, "The signature is over other attributes.", "M-10", "S-01"
    ),
    Fault.NO_SIGNED_ATTRIBUTES: _unanswerable(
        _MISSING, "The signed attributes were stripped and the content signed itself.", "M-08"
    ),
    Fault.NO_SIGNER: _unanswerable(Rejection.RULE, "Nobody has signed it.", "M-07"),
    Fault.TWO_SIGNERS: _unanswerable(
        Rejection.RULE, "There are two signers where there has to be one.", "M-07"
    ),
    Fault.MD5: _unanswerable(
        Rejection.WEAK_ALGORITHM, "MD5 proves nothing any more.", "M-36", "S-04"
    ),
    Fault.TWO_HASHES: _unanswerable(
        _SIGNATURE, "The digest has one hash and the signature another.", "M-37"
    ),
    Fault.NO_ENCLOSED_CERTIFICATES: _unanswerable(
        _SIGNATURE, "A client has to enclose the certificate that it signs with.", "M-31"
    ),
    Fault.ENCRYPTED_TO_STRANGER: rejected(
        Rejection.RULE, "The envelope is for another CA.", "E-19", fail_info=2
    ),
    Fault.ENCRYPTED_WITH_WRONG_KEY: _closed("The content key is encrypted with another key."),
    Fault.SHORT_CONTENT_KEY: _closed("The content key is one byte too short."),
    Fault.GARBLED_CONTENT_KEY: _closed("The encrypted content key has a bit flipped."),
    Fault.BAD_PADDING: _closed("The padding of the content is wrong."),
    Fault.GARBAGE_CONTENT: _closed("The content decrypts to garbage."),
    Fault.SINGLE_DES: rejected(
        Rejection.WEAK_ALGORITHM,
        "Single DES is forbidden.",
        "E-12",
        "S-04",
        fail_info=FailInfo.BAD_ALG.value,
    ),
    Fault.NO_ENVELOPE_IN_SUCCESS: rejected(
        Rejection.RULE, "A request has an envelope.", "E-06", "M-02", fail_info=2
    ),
    Fault.INDEFINITE_LENGTHS: accepted(
        "The outermost structures have indefinite lengths.", "M-05", status=PkiStatus.SUCCESS
    ),
    Fault.TRAILING_BYTES: _unanswerable(Rejection.MALFORMED, "A byte follows the message.", "M-42"),
    Fault.TRUNCATED_MESSAGE: _unanswerable(
        Rejection.MALFORMED, "Half of the message is missing.", "T-23"
    ),
    Fault.HUGE_MESSAGE: _unanswerable(
        Rejection.TOO_LARGE, "Five megabytes are more than any request has.", "T-29", status=413
    ),
    Fault.DEEP_MESSAGE: _unanswerable(
        Rejection.TOO_LARGE, "100,000 levels of nesting.", "S-19", status=413
    ),
}


def _faulty() -> Iterator[_Case]:
    for fault, expected in _FAULTS.items():
        effect: OnDraft = fault.value
        name = fault.name.lower().replace("_", "-")
        prefix = "drafted" if expected.rejection is None else "wrong"
        yield _Case(name=f"{prefix}-{name}", change=effect.apply, expected=expected)


# -------------------------------------------------------------------------- wrong inside


def _unchanged(draft: Draft, _stage: Stage) -> Draft:
    return draft


def _other_contents(author: Author) -> Iterator[_Case]:
    csr = author.csr().der
    challenge = "1.2.840.113549.1.9.7"
    attribute = der.sequence(der.oid(challenge), der.set_of((der.printable_string("x"),)))
    key = author.parties.keys["client-old"]
    info = der.sequence(
        der.integer(0),
        author.csr().subject.der,
        key.public_key,
        der.encode(der.context(0), attribute * 2),
    )
    cases: tuple[tuple[str, MessageType, bytes, Expected], ...] = (
        (
            "broken-csr-signature",
            MessageType.PKCS_REQ,
            csr[:-1] + bytes((csr[-1] ^ 1,)),
            rejected(
                _SIGNATURE,
                "The certification request does not show possession of its key.",
                "R-04",
                fail_info=FailInfo.BAD_MESSAGE_CHECK.value,
            ),
        ),
        (
            "challenge-twice",
            MessageType.PKCS_REQ,
            _sign_info(author, info),
            rejected(_TWICE, "Two challenge passwords.", "H-14", fail_info=2),
        ),
        (
            "poll-with-csr",
            MessageType.CERT_POLL,
            csr,
            rejected(
                Rejection.REFUSED,
                "The content does not fit the messageType, which no answer may tell; there is no "
                "such transaction.",
                "P-05",
                "S-06",
                fail_info=FailInfo.BAD_CERT_ID.value,
            ),
        ),
        (
            "pkcs-req-with-poll",
            MessageType.PKCS_REQ,
            author.poll().encode(),
            rejected(
                Rejection.DECRYPTION,
                "The content does not fit the messageType; the answer does not say so.",
                "E-02",
                "S-06",
                fail_info=2,
            ),
        ),
    )
    for name, message_type, content, expected in cases:
        yield _Case(
            name=f"wrong-{name}",
            change=_unchanged,
            expected=expected,
            content=content,
            message_type=message_type,
        )
    yield _Case(
        name="wrong-plain-csr",
        change=lambda draft, _stage: replace(draft, has_envelope=False, empty_content=csr),
        expected=rejected(
            Rejection.MALFORMED,
            "The request is signed but not encrypted, and its challenge password with it.",
            "E-06",
            "M-02",
            fail_info=2,
        ),
    )
    yield _Case(
        name="wrong-cert-rep",
        change=_with(
            (asn1.MESSAGE_TYPE, number(3)),
            (asn1.PKI_STATUS, number(0)),
            (asn1.RECIPIENT_NONCE, der.octet_string(bytes(16))),
        ),
        expected=rejected(_TYPE, "A CertRep is no request.", "M-21", fail_info=2),
    )
    yield _Case(
        name="wrong-long-transaction-id",
        change=_with((asn1.TRANSACTION_ID, der.printable_string("5" * 5000))),
        expected=_unanswerable(
            Rejection.TOO_LARGE, "A transactionID of 5000 letters.", "M-20", status=413
        ),
    )


def _sign_info(author: Author, info: bytes) -> bytes:
    key = author.parties.keys["client-old"]
    algorithm = signing_algorithm(key, DigestAlgorithm.SHA256)
    return encode_signed(sign(info, key=key, algorithm=algorithm))


def _with(*attributes: tuple[str, bytes]) -> Callable[[Draft, Stage], Draft]:
    """Set attributes, each to one value; those that are there are replaced."""
    set_here = {oid for oid, _value in attributes}

    def change(draft: Draft, _stage: Stage) -> Draft:
        kept = [item for item in draft.attributes if item[0] not in set_here]
        added = [(oid, (value,)) for oid, value in attributes]
        return replace(draft, attributes=(*kept, *added))

    return change


# -------------------------------------------------------------------------- right but unusual


def _unusual(author: Author) -> Iterator[_Case]:
    chain = tuple(author.parties.certificate(name).der for name in ("root", "stranger-ca"))

    def envelope(change: Callable[[bytes], bytes]) -> Callable[[Draft, Stage], Draft]:
        return lambda draft, _stage: replace(draft, change_envelope=(change,))

    def message(change: Callable[[bytes], bytes]) -> Callable[[Draft, Stage], Draft]:
        return lambda draft, _stage: replace(draft, change_message=(change,))

    cases: tuple[tuple[str, Callable[[Draft, Stage], Draft], str, tuple[str, ...]], ...] = (
        (
            "content-in-pieces",
            message(ber.indefinite_signed_data),
            "BER: the content comes in pieces, as streaming encoders send it.",
            ("M-05",),
        ),
        (
            "envelope-in-pieces",
            envelope(ber.indefinite_enveloped_data),
            "BER: the envelope has indefinite lengths and its content comes in pieces.",
            ("E-22",),
        ),
        (
            "envelope-segmented",
            envelope(ber.segmented_enveloped_data),
            "BER: encryptedContent is a constructed [0] of definite length with several pieces.",
            ("E-22",),
        ),
        (
            "envelope-constructed",
            lambda draft, _stage: replace(draft, constructed_encrypted_content=True),
            "BER: encryptedContent is a constructed [0] of definite length with one piece.",
            ("E-22",),
        ),
        (
            "other-certificates-first",
            lambda draft, _stage: replace(draft, enclosed=(*chain, *draft.enclosed)),
            "The certificate that signed is the last of those enclosed.",
            ("M-33",),
        ),
        (
            "with-recipient-nonce",
            _with((asn1.RECIPIENT_NONCE, der.octet_string(bytes(16)))),
            "A request needs no recipientNonce; one that is there is passed over.",
            ("M-30",),
        ),
        (
            "with-text-transaction-id",
            _with((asn1.TRANSACTION_ID, der.utf8_string("sensor_17@example"))),
            "A transactionID beyond PrintableString comes as another string type.",
            ("M-17",),
        ),
        (
            "with-short-nonce",
            _with((asn1.SENDER_NONCE, der.octet_string(bytes(range(8))))),
            "Old clients send eight bytes as senderNonce, to be repeated as they are.",
            ("M-26",),
        ),
        (
            "with-unknown-attribute",
            _with(("1.3.6.1.4.1.99999.1", der.utf8_string("private"))),
            "Signed attributes that nobody knows are passed over.",
            ("M-40",),
        ),
        (
            "with-signing-time",
            _with((asn1.SIGNING_TIME, der.time(author.parties.at))),
            "A signingTime may be there.",
            ("M-38",),
        ),
    )
    for name, change, why, checklist in cases:
        expected = accepted(why, *checklist, status=PkiStatus.SUCCESS)
        yield _Case(name=f"drafted-{name}", change=change, expected=expected)
