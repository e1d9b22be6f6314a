"""What there is to say about an envelope, and what is inside if a given key opens it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pyscep import asn1, der
from pyscep.algorithms import (
    FORBIDDEN_OIDS,
    RSA_ENCRYPTION_OID,
    RSAES_OAEP_OID,
    ContentEncryptionAlgorithm,
)
from pyscep.cms_enveloped import (
    EnvelopedData,
    KeyTransRecipient,
    RecipientKind,
    parse_enveloped_data,
    parse_key_encryption,
)
from pyscep.errors import DecryptionFailed, ScepError
from pyscep.identifiers import read_identifier
from pyscep.inspection.cms import (
    SeenEnvelopedData,
    SeenRecipient,
    content_type_of,
    see_enveloped_data,
)
from pyscep.inspection.elements import Element, is_der, read_element
from pyscep.inspection.findings import Departure, Finding
from pyscep.inspection.objects import Scene
from pyscep.keys import PrivateKey

_EVERY_CIPHER = frozenset(ContentEncryptionAlgorithm)
_BIG_AES = frozenset(
    (ContentEncryptionAlgorithm.AES192_CBC.oid, ContentEncryptionAlgorithm.AES256_CBC.oid)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenEnvelope:
    """An envelope."""

    content_encryption_algorithm: str | None
    """The name of the cipher, or its OID."""
    key_encryption_algorithm: str | None
    """The same of how the content key is encrypted."""
    recipients: tuple[str, ...]
    """Whom it is encrypted to, in words."""
    recipient_sids: tuple[bytes, ...] = field(repr=False)
    """The same as bytes."""
    plain: bytes | None = field(repr=False)
    """What is inside; it may hold a challenge password."""
    key: PrivateKey | None = field(repr=False)
    """The key that opened it."""
    findings: tuple[Finding, ...]
    """What is wrong."""


def see_envelope(octets: bytes, keys: Sequence[PrivateKey], scene: Scene) -> SeenEnvelope | None:
    """Look at a pkcsPKIEnvelope and try each key on it; ``None`` if it is none at all.

    Source: RFC 8894 section 3.2.2; E-01 to E-28.
    """
    element, end = read_element(octets, limits=scene.limits)
    if element is None or content_type_of(element) != asn1.ENVELOPED_DATA:
        return None
    seen = see_enveloped_data(element)
    findings = [*_about_envelope(seen), *_about_encoding(element, octets, end)]
    plain: bytes | None = None
    key: PrivateKey | None = None
    try:
        envelope = parse_enveloped_data(element.octets, limits=scene.limits)
    except ScepError as error:
        if Departure.INNER_TYPE.id not in {each.id for each in findings}:
            findings.append(Departure.UNREADABLE.found(f"The envelope: {error}"))
    else:
        opened = _open(envelope, keys, findings, scene)
        if opened is not None:
            plain, key = opened
    names = [_recipient_name(each) for each in seen.recipients]
    return SeenEnvelope(
        content_encryption_algorithm=_cipher_name(seen.cipher_oid),
        key_encryption_algorithm=_key_encryption_name(seen.recipients),
        recipients=tuple(names),
        recipient_sids=tuple(each.rid.der() for each in seen.recipients if each.rid is not None),
        plain=plain,
        key=key,
        findings=tuple(findings),
    )


def _open(
    envelope: EnvelopedData, keys: Sequence[PrivateKey], findings: list[Finding], scene: Scene
) -> tuple[bytes, PrivateKey] | None:
    problems: set[str] = set()
    for recipient in envelope.recipients:
        if not isinstance(recipient, KeyTransRecipient):
            continue
        for key in keys:
            if not key.key_encryption_algorithms:
                continue
            try:
                plain = envelope.decrypt_with_key(
                    recipient, key, provider=scene.provider, ciphers=_EVERY_CIPHER
                )
            except DecryptionFailed:
                continue
            except ScepError as error:
                problems.add(str(error))
                continue
            # Padding that happens to fit leaves garbage.
            element, end = read_element(plain, limits=scene.limits)
            whole = element is not None and element.is_complete and end == len(plain)
            if element is not None and element.tag == der.SEQUENCE and whole:
                return plain, key
    if keys:
        why = " ".join(sorted(problems)) or "Another key is needed, or the envelope is damaged."
        findings.append(
            Departure.OTHER_KEY.found(
                f"None of the {len(keys)} given keys opens the envelope. {why}"
            )
        )
    return None


def _about_encoding(element: Element, octets: bytes, end: int) -> Iterator[Finding]:
    if end != len(octets):
        yield Departure.TRAILING_BYTES.found(f"{len(octets) - end} bytes follow the envelope.")
    if not is_der(element.octets):
        yield Departure.BER.found("The envelope is BER, not DER.")


def _about_envelope(seen: SeenEnvelopedData) -> Iterator[Finding]:
    if seen.inner_type not in (None, asn1.DATA):
        yield Departure.INNER_TYPE.found(
            f"The encrypted content is of type {seen.inner_type}, not id-data."
        )
    if seen.in_pieces:
        yield Departure.IN_PIECES.found(
            "encryptedContent is constructed, which not every client reads."
        )
    if len(seen.recipients) != 1:
        yield Departure.RECIPIENT_COUNT.found(
            f"The envelope has {len(seen.recipients)} recipients."
        )
    for recipient in seen.recipients:
        yield from _about_recipient(recipient)
    usual = 3 if any(r.tag == RecipientKind.PASSWORD.value for r in seen.recipients) else 0
    by_key_identifier = any(
        r.rid is not None and r.rid.tag != der.SEQUENCE
        for r in seen.recipients
        if r.tag == der.SEQUENCE
    )
    if seen.version != (2 if by_key_identifier else usual):
        yield Departure.ENVELOPE_VERSION.found(
            f"The version of the EnvelopedData is {seen.version}; "
            f"{2 if by_key_identifier else usual} is usual."
        )
    yield from _about_cipher(seen)


def _about_recipient(recipient: SeenRecipient) -> Iterator[Finding]:
    if recipient.tag == RecipientKind.PASSWORD.value:
        yield Departure.PASSWORD_RECIPIENT.found(
            "The envelope is opened by the challenge password (PasswordRecipientInfo)."
        )
    elif recipient.tag != der.SEQUENCE:
        yield Departure.RECIPIENT_KIND.found(
            f"A recipient of tag 0x{recipient.tag:02x} is none that SCEP has."
        )
    elif recipient.algorithm_oid == RSAES_OAEP_OID:
        yield Departure.OAEP.found(
            "The content key is encrypted with RSAES-OAEP, which not every peer reads."
        )
    elif recipient.algorithm_oid != RSA_ENCRYPTION_OID:
        yield Departure.UNKNOWN_ALGORITHM.found(
            f"The content key is encrypted with {recipient.algorithm_oid}."
        )


def _about_cipher(seen: SeenEnvelopedData) -> Iterator[Finding]:
    oid = seen.cipher_oid or "?"
    if oid == ContentEncryptionAlgorithm.DES_CBC.oid or oid in FORBIDDEN_OIDS:
        yield Departure.SINGLE_DES.found(
            f"The content is encrypted with {_cipher_name(oid)}, which is forbidden."
        )
    elif oid == ContentEncryptionAlgorithm.DES_EDE3_CBC.oid:
        yield Departure.TRIPLE_DES.found("The content is encrypted with triple DES.")
    elif oid in _BIG_AES:
        yield Departure.OTHER_AES.found(
            f"The content is encrypted with {_cipher_name(oid)}; only AES-128 is in RFC 8894."
        )
    elif oid != ContentEncryptionAlgorithm.AES128_CBC.oid:
        yield Departure.UNKNOWN_CIPHER.found(f"The content is encrypted with {oid}.")
    cipher = next((each for each in ContentEncryptionAlgorithm if each.oid == oid), None)
    if cipher is not None and len(seen.iv or b"") != cipher.block_size:
        yield Departure.IV.found(
            f"The IV has {len(seen.iv or b'')} bytes instead of {cipher.block_size}."
        )


def _cipher_name(oid: str | None) -> str | None:
    known = next((each.name for each in ContentEncryptionAlgorithm if each.oid == oid), None)
    return known or FORBIDDEN_OIDS.get(oid or "", oid)


def _key_encryption_name(recipients: Sequence[SeenRecipient]) -> str | None:
    for recipient in recipients:
        if recipient.tag == RecipientKind.PASSWORD.value:
            return "PASSWORD"
        try:
            return parse_key_encryption(recipient.algorithm_identifier).name
        except ScepError:
            return recipient.algorithm_oid
    return None


def _recipient_name(recipient: SeenRecipient) -> str:
    kinds = {kind.value: kind.name.replace("_", " ").lower() for kind in RecipientKind}
    if recipient.tag in kinds:
        return f"a recipient by {kinds[recipient.tag]}"
    if recipient.rid is None:
        return "?"
    try:
        return str(read_identifier(der.Reader(recipient.rid.der())))
    except ScepError:
        return recipient.rid.octets.hex()[:80]
