"""What there is to say about the signed part of a pkiMessage: attributes and signature."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields

from pyscep import asn1, der
from pyscep.inspection.cms import SeenAttribute, SeenSigner
from pyscep.inspection.elements import Element
from pyscep.inspection.findings import Departure, Finding
from pyscep.messages import FailInfo, MessageType, PkiStatus
from pyscep.pki_message import NONCE_SIZE

MESSAGE_NAMES = {
    MessageType.CERT_REP: "CertRep",
    MessageType.RENEWAL_REQ: "RenewalReq",
    MessageType.PKCS_REQ: "PKCSReq",
    MessageType.CERT_POLL: "CertPoll",
    MessageType.GET_CERT: "GetCert",
    MessageType.GET_CRL: "GetCRL",
}
"""The message types as RFC 8894 spells them."""

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,8}")
_TAGS = {
    asn1.TRANSACTION_ID: der.PRINTABLE_STRING,
    asn1.MESSAGE_TYPE: der.PRINTABLE_STRING,
    asn1.PKI_STATUS: der.PRINTABLE_STRING,
    asn1.FAIL_INFO: der.PRINTABLE_STRING,
    asn1.SENDER_NONCE: der.OCTET_STRING,
    asn1.RECIPIENT_NONCE: der.OCTET_STRING,
    asn1.FAIL_INFO_TEXT: der.UTF8_STRING,
    asn1.FAIL_INFO_TEXT_SHORT: der.UTF8_STRING,
}
_OF_CMS = frozenset(
    (asn1.CONTENT_TYPE, asn1.MESSAGE_DIGEST, asn1.SIGNING_TIME, asn1.CMS_ALGORITHM_PROTECTION)
)
_OF_REPLIES = (asn1.PKI_STATUS, asn1.FAIL_INFO, asn1.RECIPIENT_NONCE)
_LONGEST_ID = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMessage:
    """The attributes of a pkiMessage, whatever they are."""

    message_type: str | None
    """As it was sent."""
    transaction_id: str | None
    sender_nonce: bytes | None
    recipient_nonce: bytes | None
    pki_status: str | None
    """As it was sent."""
    fail_info: str | None
    """As it was sent."""
    fail_info_text: str | None

    @property
    def kind(self) -> MessageType | None:
        """The messageType, if RFC 8894 has it."""
        return next((k for k in MessageType if str(k.value) == self.message_type), None)

    @property
    def status(self) -> PkiStatus | None:
        """The pkiStatus, if RFC 8894 has it."""
        return next((k for k in PkiStatus if str(k.value) == self.pki_status), None)

    @property
    def is_scep(self) -> bool:
        """Whether any of the attributes is there."""
        return any(getattr(self, each.name) is not None for each in fields(self))

    @property
    def is_reply(self) -> bool:
        """Whether it is a CertRep, or at least looks like one."""
        if self.kind is not None:
            return self.kind is MessageType.CERT_REP
        return self.pki_status is not None or self.recipient_nonce is not None

    @property
    def message_type_name(self) -> str | None:
        """The messageType as RFC 8894 spells it, else as it was sent."""
        return self.message_type if self.kind is None else MESSAGE_NAMES[self.kind]

    @property
    def pki_status_name(self) -> str | None:
        """The pkiStatus as RFC 8894 spells it, else as it was sent."""
        return self.pki_status if self.status is None else self.status.name

    @property
    def fail_info_name(self) -> str | None:
        """The failInfo as RFC 8894 spells it, else as it was sent."""
        known = next((k for k in FailInfo if str(k.value) == self.fail_info), None)
        return self.fail_info if known is None else known.rfc_name


def see_message(signer: SeenSigner) -> SeenMessage:
    """Read the attributes of SCEP, of whatever type and form they are.

    Source: RFC 8894 section 3.2.1; M-12, M-13.
    """
    return SeenMessage(
        message_type=_text(signer.get(asn1.MESSAGE_TYPE)),
        transaction_id=_text(signer.get(asn1.TRANSACTION_ID)),
        sender_nonce=_octets(signer.get(asn1.SENDER_NONCE)),
        recipient_nonce=_octets(signer.get(asn1.RECIPIENT_NONCE)),
        pki_status=_text(signer.get(asn1.PKI_STATUS)),
        fail_info=_text(signer.get(asn1.FAIL_INFO)),
        fail_info_text=_text(signer.get(asn1.FAIL_INFO_TEXT, asn1.FAIL_INFO_TEXT_SHORT)),
    )


def _text(value: Element | None) -> str | None:
    if value is None:
        return None
    number = value.integer()
    return value.text() if number is None else str(number)


def _octets(value: Element | None) -> bytes | None:
    return None if value is None else value.string()


# ----------------------------------------------------------------------------------- attributes


def about_attributes(signer: SeenSigner, message: SeenMessage) -> Iterator[Finding]:
    """Find fault with the signed attributes.

    Source: RFC 8894 section 3.2.1; M-08 to M-16, M-19 to M-26, M-29, M-30, M-40.
    """
    if signer.attributes is None:
        yield Departure.NO_SIGNED_ATTRIBUTES.found(
            "The message is signed without signed attributes, so nothing says which transaction "
            "it belongs to."
        )
        return
    if not signer.is_sorted:
        yield Departure.UNSORTED.found(
            "The signed attributes are not in the order of DER; strict peers refuse the signature."
        )
    yield from _about_form(signer.attributes)
    yield from _about_presence(signer, message)
    yield from _about_numbers(message)
    yield from _about_transaction_id(message)
    yield from _about_nonces(message)


def _about_form(attributes: tuple[SeenAttribute, ...]) -> Iterator[Finding]:
    seen: set[str] = set()
    others: list[str] = []
    for attribute in attributes:
        if attribute.oid in seen or len(attribute.values) != 1:
            yield Departure.REPEATED.found(
                f"The attribute {attribute.name} is there again, or has {len(attribute.values)} "
                "values instead of one."
            )
        seen.add(attribute.oid)
        expected = _TAGS.get(attribute.oid)
        for value in attribute.values if expected is not None else ():
            if value.tag & ~der.CONSTRUCTED != expected:
                yield Departure.STRING_TYPE.found(
                    f"The attribute {attribute.name} has the tag 0x{value.tag:02x} instead of "
                    f"0x{expected:02x}."
                )
        if attribute.oid == asn1.FAIL_INFO_TEXT_SHORT:
            yield Departure.FAIL_INFO_TEXT_OID.found(
                f"failInfoText stands under {attribute.oid}; it belongs under "
                f"{asn1.FAIL_INFO_TEXT}."
            )
        if attribute.oid not in _TAGS and attribute.oid not in _OF_CMS:
            shown = attribute.values[0].text()[:40] if attribute.values else ""
            others.append(f"{attribute.name} ({shown})")
    if others:
        yield Departure.OTHER_ATTRIBUTES.found(
            f"There are signed attributes that SCEP does not have: {', '.join(others[:8])}."
        )


def _about_presence(signer: SeenSigner, message: SeenMessage) -> Iterator[Finding]:
    if signer.get(asn1.CONTENT_TYPE) is None:
        yield Departure.NO_CONTENT_TYPE.found("The attribute contentType is missing.")
    if signer.get(asn1.MESSAGE_DIGEST) is None:
        yield Departure.MESSAGE_DIGEST.found("The attribute messageDigest is missing.")
    if not message.transaction_id:
        yield Departure.NO_TRANSACTION_ID.found("The transactionID is missing or empty.")
    if message.message_type is None:
        yield Departure.NO_MESSAGE_TYPE.found("The messageType is missing.")
    if message.sender_nonce is None:
        yield Departure.NO_SENDER_NONCE.found("The senderNonce is missing.")
    if message.is_reply:
        yield from _about_reply(message)
    elif any(signer.get(oid) is not None for oid in _OF_REPLIES):
        yield Departure.REPLY_ATTRIBUTE.found(
            "A request has pkiStatus, failInfo or recipientNonce, which belong in replies."
        )


def _about_reply(message: SeenMessage) -> Iterator[Finding]:
    if message.pki_status is None:
        yield Departure.NO_PKI_STATUS.found("The CertRep has no pkiStatus.")
    if message.recipient_nonce is None:
        yield Departure.NO_RECIPIENT_NONCE.found(
            "The CertRep has no recipientNonce, so it could be an old one sent again."
        )
    if message.status is PkiStatus.FAILURE and message.fail_info is None:
        yield Departure.NO_FAIL_INFO.found("The FAILURE does not say why: failInfo is missing.")
    if message.status in (PkiStatus.SUCCESS, PkiStatus.PENDING) and message.fail_info is not None:
        yield Departure.FAIL_INFO_WITHOUT_FAILURE.found(
            f"The message has failInfo {message.fail_info!r}, but is no FAILURE."
        )


def _about_numbers(message: SeenMessage) -> Iterator[Finding]:
    known = (
        ("messageType", message.message_type, {str(k.value) for k in MessageType}),
        ("pkiStatus", message.pki_status, {str(k.value) for k in PkiStatus}),
        ("failInfo", message.fail_info, {str(k.value) for k in FailInfo}),
    )
    outside = (Departure.MESSAGE_TYPE, Departure.PKI_STATUS, Departure.FAIL_INFO)
    for (name, text, values), departure in zip(known, outside, strict=True):
        if text is None or text in values:
            continue
        if _DECIMAL.fullmatch(text):
            yield departure.found(f"The {name} is {text}, which RFC 8894 does not have.")
        else:
            yield Departure.NOT_DECIMAL.found(
                f"The {name} is {text[:40]!r}; it has to be decimal digits without more."
            )


def _about_transaction_id(message: SeenMessage) -> Iterator[Finding]:
    text = message.transaction_id or ""
    if not der.is_printable(text):
        yield Departure.NOT_PRINTABLE.found(
            f"The transactionID {text[:60]!r} has characters that PrintableString lacks."
        )
    if len(text) > _LONGEST_ID:
        yield Departure.TRANSACTION_ID_SIZE.found(f"The transactionID has {len(text)} characters.")


def _about_nonces(message: SeenMessage) -> Iterator[Finding]:
    sender, recipient = message.sender_nonce, message.recipient_nonce
    if sender is not None and len(sender) != NONCE_SIZE:
        yield Departure.NONCE_SIZE.found(
            f"The senderNonce has {len(sender)} bytes; RFC 8894 says {NONCE_SIZE}."
        )
    if recipient is not None and len(recipient) != NONCE_SIZE and message.is_reply:
        yield Departure.RECIPIENT_NONCE_SIZE.found(
            f"The recipientNonce has {len(recipient)} bytes; it has to be the whole senderNonce of "
            "the request."
        )
    if sender and sender == recipient:
        yield Departure.NONCE_COPIED.found(
            "The senderNonce of the reply is the client's own nonce, not a fresh one."
        )
