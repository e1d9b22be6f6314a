"""What there is to say about an envelope, and what is inside if a key or a password opens it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pyscep import asn1, der
from pyscep.algorithms import (
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
from pyscep.cms_password import PasswordRecipient
from pyscep.errors import DecryptionFailed, ScepError
from pyscep.identifiers import read_identifier
from pyscep.inspection.ciphers import about_cipher, cipher_name
from pyscep.inspection.cms import (
    SeenEnvelopedData,
    SeenRecipient,
    content_type_of,
    see_enveloped_data,
)
from pyscep.inspection.elements import Element, is_der, read_element
from pyscep.inspection.findings import Departure, Finding
from pyscep.inspection.objects import Scene
from pyscep.inspection.password import SeenPasswordRecipient, see_password_recipient
from pyscep.keys import PrivateKey

_EVERY_CIPHER = frozenset(ContentEncryptionAlgorithm)


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
    password_recipient: SeenPasswordRecipient | None
    """The first recipient by password; that is the one which passwords are tried on."""
    findings: tuple[Finding, ...]
    """What is wrong."""


def see_envelope(octets: bytes, keys: Sequence[PrivateKey], scene: Scene) -> SeenEnvelope | None:
    """Look at a pkcsPKIEnvelope and try keys and passwords; ``None`` if it is none at all.

    Source: RFC 8894 section 3.2.2; E-01 to E-28.
    """
    element, end = read_element(octets, limits=scene.limits)
    if element is None or content_type_of(element) != asn1.ENVELOPED_DATA:
        return None
    seen = see_enveloped_data(element)
    by_password = [
        see_password_recipient(each.info, scene.limits)
        for each in seen.recipients
        if each.tag == RecipientKind.PASSWORD.value
    ]
    findings = [*_about_envelope(seen), *_about_encoding(element, octets, end)]
    findings += [finding for each in by_password for finding in each.findings]
    plain: bytes | None = None
    try:
        envelope = parse_enveloped_data(element.octets, limits=scene.limits)
    except ScepError as error:
        if Departure.INNER_TYPE.id not in {each.id for each in findings}:
            findings.append(Departure.UNREADABLE.found(f"The envelope: {error}"))
    else:
        plain = _open(envelope, keys, findings, scene)
    names = [_recipient_name(each) for each in seen.recipients]
    return SeenEnvelope(
        content_encryption_algorithm=cipher_name(seen.cipher_oid),
        key_encryption_algorithm=_key_encryption_name(seen.recipients),
        recipients=tuple(names),
        recipient_sids=tuple(each.rid.der() for each in seen.recipients if each.rid is not None),
        plain=plain,
        password_recipient=by_password[0] if by_password else None,
        findings=tuple(findings),
    )


def _open(
    envelope: EnvelopedData, keys: Sequence[PrivateKey], findings: list[Finding], scene: Scene
) -> bytes | None:
    problems: set[str] = set()
    for attempt in _attempts(envelope, keys, scene):
        try:
            plain = attempt()
        except DecryptionFailed:
            continue
        except ScepError as error:
            problems.add(str(error))
            continue
        # Padding that happens to fit leaves garbage.
        element, end = read_element(plain, limits=scene.limits)
        whole = element is not None and element.is_complete and end == len(plain)
        if element is not None and element.tag == der.SEQUENCE and whole:
            return plain
    if keys or scene.passwords:
        why = " ".join(sorted(problems)) or "Something else is needed, or the envelope is damaged."
        findings.append(
            Departure.OTHER_KEY.found(
                f"None of the given keys ({len(keys)}) and passwords ({len(scene.passwords)}) "
                f"opens the envelope. {why}"
            )
        )
    return None


def _attempts(
    envelope: EnvelopedData, keys: Sequence[PrivateKey], scene: Scene
) -> Iterator[Callable[[], bytes]]:
    """Return what may open it: each key on each recipient that has one, then the passwords."""
    for recipient in envelope.recipients:
        if not isinstance(recipient, KeyTransRecipient):
            continue
        for key in keys:
            if key.key_encryption_algorithms:
                yield functools.partial(
                    envelope.decrypt_with_key,
                    recipient,
                    key,
                    provider=scene.provider,
                    ciphers=_EVERY_CIPHER,
                )
    if scene.passwords and any(isinstance(each, PasswordRecipient) for each in envelope.recipients):
        yield functools.partial(
            envelope.decrypt, (), scene.passwords, provider=scene.provider, ciphers=_EVERY_CIPHER
        )


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
    yield from about_cipher(seen.cipher_oid, seen.iv, "content")


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
