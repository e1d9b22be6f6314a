"""What are these bytes? For people and tools that look into SCEP; nothing is believed here.

:func:`inspect` takes anything that turns up around SCEP, in DER, BER, PEM, base64 or a GET URL, and
returns an :class:`~pyscep.inspection.result.Inspection`: what it is, what is in it, whether its
signature holds, and where it departs from RFC 8894. It reads on where the rest of the library
refuses, and never raises because of what it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from pyscep import asn1, der
from pyscep.certificates import Certificate
from pyscep.crypto import CryptoProvider, default_provider
from pyscep.errors import LimitExceeded, ScepError
from pyscep.inspection.answer import about_answer, see_asked
from pyscep.inspection.capabilities import see_capabilities
from pyscep.inspection.cms import SeenSignedData, content_type_of, see_signed_data
from pyscep.inspection.elements import Element, is_der, read_element
from pyscep.inspection.envelope import SeenEnvelope, see_envelope
from pyscep.inspection.findings import STRICT, Departure, Finding, Level, refused
from pyscep.inspection.forms import Unwrapped, unwrap
from pyscep.inspection.message import (
    MESSAGE_NAMES,
    SeenMessage,
    about_attributes,
    see_message,
)
from pyscep.inspection.objects import Scene, SignatureState, about_certificate, see_certificates
from pyscep.inspection.payload import about_requester, see_payload
from pyscep.inspection.result import Inspection, Kind
from pyscep.inspection.signature import SeenSignature, about_signer, see_signature
from pyscep.inspection.things import (
    SHAPES,
    see_degenerate,
    see_next_ca,
    see_other_signed,
    see_private_key,
    see_signed_object,
)
from pyscep.keys import PrivateKey
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.messages import MessageType, PkiStatus
from pyscep.pki_message import parse_pki_message
from pyscep.secrecy import hides_locals

__all__ = ["Departure", "Finding", "Inspection", "Kind", "Level", "SignatureState", "inspect"]

_EXCERPT = 200
"""Characters of a text that are shown."""


@hides_locals
def inspect(
    octets: bytes,
    *,
    keys: Sequence[PrivateKey] = (),
    passwords: Sequence[str] = (),
    signers: Sequence[Certificate] = (),
    request: bytes | None = None,
    at: datetime | None = None,
    provider: CryptoProvider | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Inspection:
    """Find out what some bytes are, and what is to be said about them.

    :param keys: private keys to open an envelope with; whose they are is found by trying.
    :param passwords: challenge passwords to open an envelope with that has a password recipient, if
        none of *keys* does.
    :param signers: the certificates that a message, certificate or CRL should be signed with.
        Without any, the certificate that came along shows possession of its key, no more.
    :param request: the request that *octets* should answer, in any form: whether transaction, nonce
        and recipient are those of it is looked at, too.
    :param at: when certificates have to be valid, with a time zone; ``None`` does not look.
    :raises UsageError: *request* is no request of SCEP.

    Source: RFC 8894 section 3; S-19.
    """
    scene = Scene(
        signers=tuple(signers),
        at=at,
        provider=provider or default_provider(),
        limits=limits,
        passwords=tuple(passwords),
    )
    if request is not None:
        scene = replace(scene, asked=see_asked(request, scene))
    try:
        limits.check_size(len(octets), what="The input")
    except LimitExceeded as error:
        return Inspection(
            kind=Kind.UNKNOWN, size=len(octets), findings=(Departure.TOO_MUCH.found(str(error)),)
        )
    unwrapped = unwrap(octets)
    seen = _inspect(unwrapped, tuple(keys), scene)
    if scene.asked is not None and seen.message_type != MESSAGE_NAMES[MessageType.CERT_REP]:
        no_reply = Departure.NOT_A_REPLY.found("This is no CertRep, so it answers no request.")
        seen = replace(seen, findings=(no_reply, *seen.findings))
    return replace(
        seen,
        wrapping=unwrapped.wrapping,
        size=len(unwrapped.octets),
        findings=_unique((*unwrapped.findings, *seen.findings)),
    )


def _unique(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Drop what is said twice, and what strict reading says of what is already named."""
    kept: dict[tuple[Departure, str], Finding] = {}
    for each in findings:
        known = each.departure in {departure for departure, _ in kept}
        if not (known and each.text.startswith(STRICT)):
            kept.setdefault((each.departure, each.text), each)
    return tuple(kept.values())


def _inspect(unwrapped: Unwrapped, keys: tuple[PrivateKey, ...], scene: Scene) -> Inspection:
    octets = unwrapped.octets
    is_message = "base64" in unwrapped.wrapping and octets[:1] == b"\x30"
    if unwrapped.operation is not None and not is_message:
        return _get_request(unwrapped)
    if not octets and unwrapped.findings:
        return Inspection(kind=Kind.UNKNOWN)
    if (unwrapped.label or "").endswith("PRIVATE KEY"):
        return see_private_key(octets, scene, encrypted=unwrapped.pem_cipher is not None)
    element, end = read_element(octets, limits=scene.limits)
    if element is None or element.tag != der.SEQUENCE:
        return _text(unwrapped, scene)
    found: list[Finding] = []
    if end != len(octets):
        found.append(
            Departure.TRAILING_BYTES.found(f"{len(octets) - end} bytes follow after the end.")
        )
    if not element.is_complete:
        found.append(Departure.UNREADABLE.found("The bytes end before the structure does."))
    try:
        seen = _structure(element, unwrapped, keys, scene)
    except ScepError as error:
        seen = Inspection(kind=Kind.DER, findings=(Departure.UNREADABLE.found(str(error)),))
    return replace(seen, findings=(*found, *seen.findings))


def _get_request(unwrapped: Unwrapped) -> Inspection:
    details = (("operation", unwrapped.operation or ""),)
    problem = Departure.UNREADABLE.found("The message in the URL is no base64 of a SEQUENCE.")
    is_message = unwrapped.has_message and "base64" in unwrapped.wrapping
    return Inspection(
        kind=Kind.GET_REQUEST, details=details, findings=(problem,) if is_message else ()
    )


def _text(unwrapped: Unwrapped, scene: Scene) -> Inspection:
    octets = unwrapped.octets
    seen = see_capabilities(octets, scene.limits)
    if seen is not None:
        return Inspection(
            kind=Kind.CAPABILITIES if octets.strip() else Kind.EMPTY,
            details=seen.details,
            findings=seen.findings,
        )
    text = octets[:_EXCERPT].decode("ascii", "backslashreplace")
    readable = bool(text) and all(char.isprintable() or char.isspace() for char in text)
    if not readable or octets[:1] < b" ":
        return Inspection(kind=Kind.UNKNOWN)
    # What a server says may be shown. Other texts may be a password, or most of a private key.
    is_answer = text.lstrip()[:1] in ("<", "{") or "HTTP response" in unwrapped.wrapping
    excerpt = " ".join(text.split()) if is_answer else "not shown, as it may be a secret"
    return Inspection(kind=Kind.UNKNOWN, details=(("text", excerpt),))


def _structure(
    element: Element, unwrapped: Unwrapped, keys: tuple[PrivateKey, ...], scene: Scene
) -> Inspection:
    content_type = content_type_of(element)
    if content_type == asn1.SIGNED_DATA:
        return _signed_data(element, keys, scene)
    if content_type == asn1.ENVELOPED_DATA:
        return _with_envelope(
            Inspection(kind=Kind.ENVELOPED_DATA), see_envelope(element.octets, keys, scene)
        )
    tags = tuple(child.tag for child in element.children()[:10])
    if tags == (der.SEQUENCE, der.SEQUENCE, der.BIT_STRING):
        return see_signed_object(element, unwrapped.more, scene)
    for shape, show in SHAPES:
        if tags[: len(shape)] == shape and (len(tags) == len(shape) or len(shape) > 2):
            return show(element, scene)
    return Inspection(kind=Kind.DER, details=(("elements", str(len(tags))),))


# -------------------------------------------------------------------------------------- messages


def _signed_data(element: Element, keys: tuple[PrivateKey, ...], scene: Scene) -> Inspection:
    seen = see_signed_data(element)
    inner = _type_inside(seen, scene)
    if not seen.signers and inner != asn1.ENVELOPED_DATA:
        return see_degenerate(element, seen, scene)
    message = see_message(seen.signers[0]) if seen.signers else None
    if (message is not None and message.is_scep) or inner == asn1.ENVELOPED_DATA:
        return _pki_message(element, seen, keys, scene)
    is_flat = bool(seen.certificates) and not seen.has_content
    if is_flat or asn1.SIGNED_DATA in (inner, seen.content_type):
        return see_next_ca(element, seen, scene)
    return see_other_signed(element, seen, scene)


def _type_inside(seen: SeenSignedData, scene: Scene) -> str | None:
    inner, _ = read_element(seen.content or b"", limits=scene.limits)
    return None if inner is None else content_type_of(inner)


def _pki_message(
    element: Element, seen: SeenSignedData, keys: tuple[PrivateKey, ...], scene: Scene
) -> Inspection:
    findings = [*_about_form(element, seen)]
    enclosed = see_certificates(seen.certificates, scene)
    findings += enclosed.findings
    if not seen.signers:
        envelope = see_envelope(seen.content or b"", keys, scene)
        bare = Inspection(
            kind=Kind.PKI_MESSAGE,
            signature=SignatureState.NOT_CHECKED,
            certificates=enclosed.certificates,
            findings=tuple(findings),
        )
        return _with_envelope(bare, envelope)
    signer_info = seen.signers[0]
    message = see_message(signer_info)
    findings += about_attributes(signer_info, message)
    signature = see_signature(element.octets, seen, is_reply=message.is_reply, scene=scene)
    findings += signature.findings
    for certificate in enclosed.certificates:
        findings += about_certificate(certificate, scene)
    findings += _refused_attributes(element.octets, signature, scene)
    if signature.signer is not None:
        findings += about_signer(signature.signer, signer_info, message)
    shown = Inspection(
        kind=Kind.PKI_MESSAGE,
        message_type=message.message_type_name,
        transaction_id=message.transaction_id,
        sender_nonce=message.sender_nonce,
        recipient_nonce=message.recipient_nonce,
        pki_status=message.pki_status_name,
        fail_info=message.fail_info_name,
        fail_info_text=message.fail_info_text,
        digest_algorithm=signature.digest_algorithm,
        signature_algorithm=signature.signature_algorithm,
        signature=signature.state,
        certificates=enclosed.certificates,
        findings=tuple(findings),
        details=(("signature checked with", signature.checked_with),),
    )
    return _with_content(shown, seen, message, signature, keys, scene)


def _refused_attributes(
    octets: bytes, signature: SeenSignature, scene: Scene
) -> tuple[Finding, ...]:
    """Let the strict reader of attributes say what it thinks, once the signature verifies."""
    if signature.signer is None or signature.state is SignatureState.INVALID:
        return ()
    try:
        parse_pki_message(octets, limits=scene.limits).verify(
            (signature.signer,), provider=scene.provider
        )
    except ScepError as error:
        return refused(error)
    return ()


def _about_form(element: Element, seen: SeenSignedData) -> Iterable[Finding]:
    if not is_der(element.octets):
        yield Departure.BER.found("The message is BER, not DER.")
    if seen.content_type != asn1.DATA:
        yield Departure.CONTENT_TYPE.found(
            f"The signed content is of type {seen.content_type}, not id-data."
        )
    if len(seen.signers) != 1:
        yield Departure.SIGNER_COUNT.found(
            f"The message has {len(seen.signers)} signers instead of one."
        )
    for signer in seen.signers[:1]:
        by_name = signer.sid is None or signer.sid.tag == der.SEQUENCE
        expected = 1 if by_name else 3
        if (seen.version, signer.version) != (expected, expected):
            yield Departure.VERSION.found(
                f"The versions of SignedData and SignerInfo are {seen.version} and "
                f"{signer.version}; {expected} is usual."
            )


def _with_content(
    shown: Inspection,
    seen: SeenSignedData,
    message: SeenMessage,
    signature: SeenSignature,
    keys: tuple[PrivateKey, ...],
    scene: Scene,
) -> Inspection:
    findings = list(shown.findings)
    envelope = see_envelope(seen.content or b"", keys, scene) if seen.has_content else None
    findings += _about_content(seen, message, envelope)
    if envelope is not None:
        findings += _about_recipient(envelope, message, signature)
    if scene.asked is not None and message.is_reply:
        differences = tuple(about_answer(message, envelope, scene.asked))
        findings += differences
        answers = ("answers", "another request" if differences else "the given request")
        shown = replace(shown, details=(*shown.details, answers))
    octets = None if envelope is None else envelope.plain
    if octets is None and envelope is None and seen.has_content and not message.is_reply:
        # Old clients left the envelope out; what there is can be looked at.
        octets = seen.content
    payload = None if octets is None else see_payload(octets, message.kind, scene)
    if payload is not None:
        findings += payload.findings
        shown = replace(
            shown,
            csr=payload.request,
            certificates=_merged(payload.certificates, shown.certificates or ()),
            crls=payload.crls or None,
            details=(*shown.details, *payload.details),
        )
    if signature.signer is not None and not message.is_reply:
        request = None if payload is None else payload.request
        by_password = envelope is not None and envelope.password_recipient is not None
        findings += about_requester(message, signature.signer, request, by_password=by_password)
    return _with_envelope(replace(shown, findings=tuple(findings)), envelope)


def _about_content(
    seen: SeenSignedData, message: SeenMessage, envelope: SeenEnvelope | None
) -> Iterable[Finding]:
    if seen.content in (b"", b"\x00"):
        yield Departure.EMPTY_CONTENT.found(
            f"The content is {'an empty string' if not seen.content else 'one zero byte'}; with "
            "nothing to carry it has to be left out."
        )
    if seen.has_content and envelope is None:
        yield Departure.NOT_AN_ENVELOPE.found("The signed content is no EnvelopedData.")
        if message.kind in (MessageType.PKCS_REQ, MessageType.RENEWAL_REQ):
            yield Departure.UNENVELOPED.found(
                "The request is not encrypted, so everybody on the way could read it."
            )
    needs_one = not message.is_reply or message.status is PkiStatus.SUCCESS
    if needs_one and not seen.has_content:
        yield Departure.NO_ENVELOPE.found("The message carries nothing, but needs an envelope.")
    if seen.has_content and message.status is PkiStatus.FAILURE:
        yield Departure.ENVELOPE_IN_FAILURE.found("A FAILURE carries no envelope.")
    if seen.has_content and message.status is PkiStatus.PENDING:
        yield Departure.ENVELOPE_IN_PENDING.found("A PENDING carries no envelope.")


def _about_recipient(
    envelope: SeenEnvelope, message: SeenMessage, signature: SeenSignature
) -> Iterable[Finding]:
    signer = signature.signer
    if signer is not None and signer.issuer_and_serial_number in envelope.recipient_sids:
        who = "The server" if message.is_reply else "The client"
        yield Departure.RECIPIENT_IS_SENDER.found(f"{who} encrypted the envelope to itself.")


def _merged(*groups: Iterable[Certificate]) -> tuple[Certificate, ...]:
    return tuple(dict.fromkeys(each for group in groups for each in group))


def _with_envelope(shown: Inspection, envelope: SeenEnvelope | None) -> Inspection:
    if envelope is None:
        return shown
    recipients = tuple(("encrypted to", each) for each in envelope.recipients)
    return replace(
        shown,
        content_encryption_algorithm=envelope.content_encryption_algorithm,
        key_encryption_algorithm=envelope.key_encryption_algorithm,
        password_recipient=envelope.password_recipient,
        decrypted=envelope.plain is not None,
        findings=(*shown.findings, *envelope.findings),
        details=(*shown.details, *recipients),
    )
