"""Password recipients that are wrong, or stand beside others, in requests and in replies.

Source: RFC 5652 section 6.2.4; E-04, E-16, E-18, E-23, E-25, S-06.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pyscep import asn1, der
from pyscep.algorithms import RSA_ENCRYPTION_OID, ContentEncryptionAlgorithm
from pyscep.crypto.key_files import PBKDF2_OID
from pyscep.messages import FailInfo, MessageType, PkiStatus
from pyscep.testing.draft import Change, Draft
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
from pyscep.testing.vectors.parties import Parties
from pyscep.testing.vectors.replies import Server
from pyscep.testing.vectors.requests import Author
from pyscep.testing.vectors.wrong_requests import draft_request

_SCRYPT = "1.3.6.1.4.1.11591.4.11"
_HMAC_SHA512_256 = "1.2.840.113549.2.13"
_AES128_WRAP = "2.16.840.1.101.3.4.1.5"
_AES128_GCM = "2.16.840.1.101.3.4.1.6"
_REPLY_TO = "requests/pkcs-req-ec-client-aes128-sha256"
_REPLY_TO_RSA = "requests/pkcs-req-aes128-sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipient:
    """The pieces of a PasswordRecipientInfo."""

    derivation: bytes
    """keyDerivationAlgorithm with its tag."""
    encryption: bytes
    """keyEncryptionAlgorithm."""
    encrypted_key: bytes
    """The wrapped content key."""

    def encode(self) -> bytes:
        return der.encode(
            der.context(3),
            der.integer(0)
            + self.derivation
            + self.encryption
            + der.octet_string(self.encrypted_key),
        )


def _read_recipient(octets: bytes) -> _Recipient:
    fields = der.Reader(octets).enter(der.context(3))
    fields.read_integer()
    return _Recipient(
        derivation=fields.read_raw(),
        encryption=fields.read_raw(),
        encrypted_key=fields.read_octet_string(),
    )


def _with_recipients(change: Callable[[bytes], tuple[bytes, ...]]) -> Change:
    """Return a change of an envelope: others in the place of its one recipient."""

    def changed(envelope: bytes) -> bytes:
        fields = der.Reader(envelope).enter()
        content_type = fields.read_raw()
        enveloped = fields.enter(der.context(0)).enter()
        enveloped.read_raw()
        recipients = change(enveloped.enter(der.SET).read_raw())
        # Version 3, as there is a password recipient among them.
        body = der.sequence(der.integer(3), der.set_of(recipients), enveloped.read_raw())
        return der.sequence(content_type, der.explicit(0, body))

    return changed


def _recipient(change: Callable[[_Recipient], _Recipient]) -> Callable[[Draft], Draft]:
    def changed(octets: bytes) -> tuple[bytes, ...]:
        return (change(_read_recipient(octets)).encode(),)

    return lambda draft: replace(draft, change_envelope=(_with_recipients(changed),))


def _derivation(oid: str, *parameters: bytes) -> Callable[[Draft], Draft]:
    derivation = der.encode(der.context(0), der.oid(oid) + b"".join(parameters))
    return _recipient(lambda right: replace(right, derivation=derivation))


def _pbkdf2(iterations: int, *prf: bytes) -> Callable[[Draft], Draft]:
    salt = der.octet_string(bytes(16))
    return _derivation(PBKDF2_OID, der.sequence(salt, der.integer(iterations), *prf))


def _encryption(oid: str, *parameters: bytes) -> Callable[[Draft], Draft]:
    encryption = der.sequence(der.oid(oid), *parameters)
    return _recipient(lambda right: replace(right, encryption=encryption))


def _inner(oid: str, iv_size: int) -> Callable[[Draft], Draft]:
    return _encryption(asn1.PWRI_KEK, der.sequence(der.oid(oid), der.octet_string(bytes(iv_size))))


def _wrapped(change: Change) -> Callable[[Draft], Draft]:
    return _recipient(lambda right: replace(right, encrypted_key=change(right.encrypted_key)))


# Changes, the first reason to reject, why, and the rules that it is about.
_WRONG: dict[str, tuple[Callable[[Draft], Draft], Rejection, str, tuple[str, ...]]] = {
    "without-derivation": (
        _recipient(lambda right: replace(right, derivation=b"")),
        Rejection.MALFORMED,
        "It does not say how the key is derived from the password.",
        ("E-23",),
    ),
    "derivation-without-parameters": (
        _derivation(PBKDF2_OID),
        Rejection.MALFORMED,
        "PBKDF2 without salt and iterations.",
        ("E-23", "E-25"),
    ),
    "unknown-derivation": (
        _derivation(_SCRYPT, der.sequence()),
        Rejection.UNSUPPORTED_ALGORITHM,
        "The key is derived with scrypt; SCEP has PBKDF2.",
        ("E-23", "S-05"),
    ),
    "unknown-prf": (
        _pbkdf2(10_000, der.sequence(der.oid(_HMAC_SHA512_256), der.null())),
        Rejection.UNSUPPORTED_ALGORITHM,
        "PBKDF2 with HMAC-SHA-512/256, which nobody has.",
        ("E-25", "S-05"),
    ),
    "billion-iterations": (
        _pbkdf2(10**9),
        Rejection.TOO_LARGE,
        "A billion iterations keep a server busy for minutes.",
        ("E-25", "S-19"),
    ),
    "endless-iterations": (
        _pbkdf2(2**63),
        Rejection.TOO_LARGE,
        "More iterations than a signed number of 64 bits can hold.",
        ("E-25", "S-19"),
    ),
    "no-iterations": (
        _pbkdf2(0),
        Rejection.MALFORMED,
        "PBKDF2 does one iteration at least.",
        ("E-25",),
    ),
    "unknown-wrap": (
        _encryption(_AES128_WRAP),
        Rejection.UNSUPPORTED_ALGORITHM,
        "The content key is under AES key wrap; SCEP has PWRI-KEK.",
        ("E-23", "S-05"),
    ),
    "unknown-wrap-cipher": (
        _inner(_AES128_GCM, 12),
        Rejection.UNSUPPORTED_ALGORITHM,
        "PWRI-KEK goes over the key with CBC; AES-GCM has none.",
        ("E-14", "E-23"),
    ),
    "single-des-wrap": (
        _inner(ContentEncryptionAlgorithm.DES_CBC.oid, 8),
        Rejection.WEAK_ALGORITHM,
        "Single DES protects no key.",
        ("E-12",),
    ),
    "short-wrap-iv": (
        _inner(ContentEncryptionAlgorithm.AES128_CBC.oid, 8),
        Rejection.MALFORMED,
        "The IV of the wrapped key has half its size.",
        ("E-10", "E-23"),
    ),
    "wrong-password": (
        lambda draft: replace(draft, challenge_password="vectors-know-it-not"),  # noqa: S106
        Rejection.DECRYPTION,
        "Another password encrypts the content key.",
        ("E-16", "E-24", "S-06"),
    ),
    "one-block-of-wrapped-key": (
        _wrapped(lambda wrapped: wrapped[:16]),
        Rejection.DECRYPTION,
        "The wrapped key has one block; two are the least.",
        ("E-16", "E-23", "S-06"),
    ),
    "truncated-wrapped-key": (
        _wrapped(lambda wrapped: wrapped[:-1]),
        Rejection.DECRYPTION,
        "The last byte of the wrapped key is missing.",
        ("E-16", "E-23", "S-06"),
    ),
    "no-wrapped-key": (
        _wrapped(lambda _wrapped: b""),
        Rejection.DECRYPTION,
        "The wrapped key is empty.",
        ("E-16", "E-23", "S-06"),
    ),
    "garbled-wrapped-key": (
        _wrapped(lambda wrapped: bytes((wrapped[0] ^ 1,)) + wrapped[1:]),
        Rejection.DECRYPTION,
        "A bit of the wrapped key is flipped, so its check value is wrong.",
        ("E-16", "E-23", "S-06"),
    ),
    "short-content-key-by-password": (
        lambda draft: replace(draft, change_key=(lambda key: key[:-1],)),
        Rejection.DECRYPTION,
        "The wrapped content key is one byte too short.",
        ("E-16", "S-06"),
    ),
}

# What a server should answer, where the rejection decides it.
_FAIL_INFO = {
    Rejection.WEAK_ALGORITHM: FailInfo.BAD_ALG,
    Rejection.UNSUPPORTED_ALGORITHM: FailInfo.BAD_ALG,
}


def drafts_by_password(server: Server) -> Iterator[Vector]:
    """Return requests of an RSA client to the EC CA, and replies of the RSA CA to an EC client."""
    for name, (change, rejection, why, checklist) in _WRONG.items():
        fail_info = _FAIL_INFO.get(rejection, FailInfo.BAD_REQUEST).value
        expected = rejected(rejection, why, *checklist, fail_info=fail_info)
        yield _request(server.parties, f"wrong-{name}", change, expected)
        yield _reply(server, f"wrong-{name}", change, rejected(rejection, why, *checklist))
    yield from _for_keys(server)
    yield from _beside_others(server)


def _for_keys(server: Server) -> Iterator[Vector]:
    """Return what is encrypted with the password although the key of the reader can decrypt."""
    why = "The key of the recipient can decrypt, so it tries no password."
    checklist = ("E-05", "A-18")
    unsupported = Rejection.UNSUPPORTED_ALGORITHM
    name, without_rsa = "wrong-password-for-rsa", server.parties.certificate("ec-ca")

    def change(draft: Draft) -> Draft:
        return replace(draft, recipient=without_rsa)

    expected = rejected(unsupported, why, *checklist, fail_info=FailInfo.BAD_ALG.value)
    yield _request(server.parties, name, change, expected, authority="ca")
    yield _reply(
        server, name, change, rejected(unsupported, why, *checklist), request=_REPLY_TO_RSA
    )


def _beside_others(server: Server) -> Iterator[Vector]:
    """Return envelopes with a recipient by key and one by password, of which one is for us."""
    parties = server.parties

    def beside_key(draft: Draft) -> Draft:
        stranger = parties.certificate("stranger-ca")
        other = der.sequence(
            der.integer(0),
            stranger.issuer_and_serial_number,
            der.sequence(der.oid(RSA_ENCRYPTION_OID), der.null()),
            der.octet_string(bytes(256)),
        )
        return replace(draft, change_envelope=(_with_recipients(lambda own: (other, own)),))

    def beside_password(draft: Draft) -> Draft:
        odd = der.encode(der.context(3), der.integer(0))
        return replace(draft, change_envelope=(_with_recipients(lambda own: (own, odd)),))

    why = "Another recipient is named by its key; the password is for this reader."
    checklist = ("E-04", "E-18")
    success = PkiStatus.SUCCESS
    yield _request(
        parties, "drafted-key-and-password", beside_key, accepted(why, *checklist, status=success)
    )
    yield _reply(
        server,
        "drafted-key-and-password",
        beside_key,
        accepted(why, *checklist, status=success, certificate="ec-client-old"),
    )
    why = "Where the key opens it, the password recipient, an odd one, is passed over."
    yield _request(
        parties,
        "drafted-key-and-odd-password",
        beside_password,
        accepted(why, *checklist, status=success),
        authority="ca",
    )
    yield _reply(
        server,
        "drafted-key-and-odd-password",
        beside_password,
        accepted(why, *checklist, status=success, certificate="client-old"),
        request=_REPLY_TO_RSA,
    )


def _request(
    parties: Parties,
    name: str,
    change: Callable[[Draft], Draft],
    expected: Expected,
    *,
    authority: str = "ec",
) -> Vector:
    draft = change(
        draft_request(
            parties,
            parties.provider(f"requests/{name}"),
            MessageType.PKCS_REQ,
            Author(parties=parties).csr().der,
            recipient_name="ec-ca" if authority == "ec" else authority,
        )
    )
    return Vector(
        name=f"requests/{name}",
        octets=draft.encode(),
        reader=Reader.SERVER,
        content=Content.PKI_MESSAGE,
        authority=authority,
        expected=expected,
        message=describe(draft, parties) if expected.rejection is None else None,
    )


def _reply(
    server: Server,
    name: str,
    change: Callable[[Draft], Draft],
    expected: Expected,
    *,
    request: str = _REPLY_TO,
) -> Vector:
    asked = server.requests[request]
    certificate = "client-old" if request == _REPLY_TO_RSA else "ec-client-old"
    stage = server.stage(f"replies/{name}", asked)
    draft = change(server.draft(stage, server.issued(certificate)))
    message = describe(draft, server.parties) if expected.rejection is None else None
    return server.vector(name, draft.encode(), asked, expected, message=message)
