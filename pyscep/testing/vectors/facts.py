"""What is in a drafted message, told from its draft."""

from __future__ import annotations

from pyscep import asn1, der
from pyscep.messages import MessageType, PkiStatus
from pyscep.testing.draft import Draft
from pyscep.testing.vectors.model import Message, key_encryption_of
from pyscep.testing.vectors.parties import Parties


def describe(draft: Draft, parties: Parties) -> Message:
    """Say what a reader finds in a message that it can read."""

    def value(oid: str) -> bytes | None:
        found = [values[0] for kind, values in draft.attributes if kind == oid and values]
        return found[0] if found else None

    def text(oid: str) -> str | None:
        octets = value(oid)
        return None if octets is None else der.read_der(octets, der.Reader.read_text)

    def nonce(oid: str) -> bytes | None:
        octets = value(oid)
        return None if octets is None else der.read_der(octets, der.Reader.read_octet_string)

    message_type = MessageType(int(text(asn1.MESSAGE_TYPE) or "0"))
    status, fail_info = text(asn1.PKI_STATUS), text(asn1.FAIL_INFO)
    cipher = draft.content_encryption_algorithm
    return Message(
        message_type=message_type,
        transaction_id=text(asn1.TRANSACTION_ID) or "",
        sender_nonce=nonce(asn1.SENDER_NONCE),
        # In a request it means nothing (M-30).
        recipient_nonce=(
            nonce(asn1.RECIPIENT_NONCE) if message_type is MessageType.CERT_REP else None
        ),
        pki_status=None if status is None else PkiStatus(int(status)),
        fail_info=None if fail_info is None else int(fail_info),
        digest=draft.digest_algorithm,
        cipher=cipher if draft.has_envelope else None,
        key_encryption=(
            key_encryption_of(draft.recipient, draft.key_encryption_algorithm)
            if draft.has_envelope
            else None
        ),
        signer=parties.name_of(draft.named_signer),
        recipient=parties.name_of(draft.named_recipient) if draft.has_envelope else None,
    )
