"""Whether a reply answers a request: transaction, nonce and recipient."""

from __future__ import annotations

from collections.abc import Iterator

from pyscep import asn1, der
from pyscep.errors import UsageError
from pyscep.inspection.cms import content_type_of, see_signed_data
from pyscep.inspection.elements import read_element
from pyscep.inspection.envelope import SeenEnvelope
from pyscep.inspection.findings import Departure, Finding
from pyscep.inspection.forms import unwrap
from pyscep.inspection.message import SeenMessage, see_message
from pyscep.inspection.objects import Asked, Scene, see_certificates


def see_asked(octets: bytes, scene: Scene) -> Asked:
    """Read what a reply has to repeat from the request.

    :raises UsageError: it is no request of SCEP.
    :raises LimitExceeded: it is too long.

    Source: RFC 8894 section 3.2.1.
    """
    scene.limits.check_size(len(octets), what="The request")
    element, _ = read_element(unwrap(octets).octets, limits=scene.limits)
    if element is not None and content_type_of(element) == asn1.SIGNED_DATA:
        seen = see_signed_data(element)
        message = see_message(seen.signers[0]) if seen.signers else None
        if message is not None and message.kind is not None and not message.is_reply:
            enclosed = see_certificates(seen.certificates, scene).certificates
            return Asked(
                transaction_id=message.transaction_id,
                sender_nonce=message.sender_nonce,
                senders=tuple(each.issuer_and_serial_number for each in enclosed),
            )
    raise UsageError(
        "What is given as the request is no request of SCEP, so there is nothing to compare with.",
        argument="request",
    )


def about_answer(
    message: SeenMessage, envelope: SeenEnvelope | None, asked: Asked
) -> Iterator[Finding]:
    """Compare a reply with the request that it should answer.

    Source: RFC 8894 section 3.2.1; E-20, M-26, X-12.
    """
    if message.transaction_id != asked.transaction_id:
        yield Departure.OTHER_TRANSACTION.found(
            f"The reply is for the transaction {message.transaction_id!r}, the request is "
            f"{asked.transaction_id!r}."
        )
    if message.recipient_nonce != asked.sender_nonce:
        yield Departure.OTHER_NONCE.found(
            "The recipientNonce is not the senderNonce of the request; this reply answers another "
            "message, maybe an earlier one of the same transaction."
        )
    by_name = [sid for sid in _recipients(envelope) if sid[0] == der.SEQUENCE]
    if by_name and asked.senders and not set(by_name) & set(asked.senders):
        yield Departure.OTHER_RECIPIENT.found(
            "The envelope is not encrypted to the certificate that signed the request."
        )


def _recipients(envelope: SeenEnvelope | None) -> tuple[bytes, ...]:
    return () if envelope is None else envelope.recipient_sids
