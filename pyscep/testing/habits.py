"""What some servers do to every reply of theirs: small changes to a draft, for profiles.

Each is the habit of a server that was observed or described; see :mod:`pyscep.testing.profiles`.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace

from pyscep import asn1, der
from pyscep.algorithms import RSAES_OAEP_OID, DigestAlgorithm, KeyEncryptionAlgorithm
from pyscep.cms_enveloped import KeyTransRecipient
from pyscep.errors import HttpError
from pyscep.messages import FailInfo, MessageType, PkiStatus
from pyscep.testing.changes import with_digest
from pyscep.testing.draft import Draft, number
from pyscep.testing.effects import Context
from pyscep.testing.misbehaviour import Habit

_OAEP = KeyEncryptionAlgorithm.RSA_OAEP_SHA1


def refuses_with(fail_info: FailInfo, *, unless: AbstractSet[FailInfo] = frozenset()) -> Habit:
    """Give every FAILURE the same failInfo.

    :param unless: those that it knows besides.
    """
    kept = {number(each.value) for each in unless}

    def habit(draft: Draft, _context: Context) -> Draft:
        changed = tuple(
            (oid, (number(fail_info.value),))
            if oid == asn1.FAIL_INFO and values[0] not in kept
            else (oid, values)
            for oid, values in draft.attributes
        )
        return replace(draft, attributes=changed)

    return habit


def fails_over_http(status: int) -> Habit:
    """Answer with an HTTP error where others send a FAILURE (T-24)."""

    def habit(draft: Draft, _context: Context) -> Draft:
        if draft.status is PkiStatus.FAILURE:
            raise HttpError("This server sends no FAILURE.", status=status)
        return draft

    return habit


def does_not_know(*types: MessageType, status: int = 500) -> Habit:
    """Answer these messages with an HTTP error (V-18)."""

    def habit(draft: Draft, context: Context) -> Draft:
        if context.request.message_type in types:
            raise HttpError("This server does not know that message.", status=status)
        return draft

    return habit


def refuses(*types: MessageType) -> Habit:
    """Answer these messages with badRequest, whatever they ask (Q-08)."""

    def habit(draft: Draft, context: Context) -> Draft:
        if context.request.message_type not in types:
            return draft
        changed = {
            asn1.PKI_STATUS: PkiStatus.FAILURE.value,
            asn1.FAIL_INFO: FailInfo.BAD_REQUEST.value,
        }
        kept = tuple(item for item in draft.attributes if item[0] not in changed)
        added = tuple((oid, (number(value),)) for oid, value in changed.items())
        return replace(
            draft, status=PkiStatus.FAILURE, has_envelope=False, attributes=(*kept, *added)
        )

    return habit


def ndes_failure(draft: Draft, _context: object) -> Draft:
    """Fail as NDES does: SHA-1, no certificates, one zero byte, an HRESULT (V-05)."""
    if draft.status is not PkiStatus.FAILURE:
        return draft
    hresult = (asn1.NDES_HRESULT, (der.printable_string("-2147024809"),))
    changed = with_digest(DigestAlgorithm.SHA1)(draft, None)
    return replace(
        changed,
        enclosed=(),
        empty_content=b"\x00",
        attributes=(*draft.attributes, hresult),
    )


def oaep_with_aes(draft: Draft, _context: Context) -> Draft:
    """Encrypt the content key with RSAES-OAEP where AES is used, unasked (E-09)."""
    with_aes = not draft.content_encryption_algorithm.legacy
    return replace(draft, key_encryption_algorithm=_OAEP) if with_aes else draft


def mirrors_key_transport(draft: Draft, context: Context) -> Draft:
    """Encrypt the content key with RSAES-OAEP if the request does (V-17)."""
    if not context.request.has_envelope:
        return draft
    asked = any(
        isinstance(recipient, KeyTransRecipient)
        and der.oid(RSAES_OAEP_OID) in recipient.algorithm_identifier
        for recipient in context.request.envelope().recipients
    )
    return replace(draft, key_encryption_algorithm=_OAEP) if asked else draft


def signing_time(draft: Draft, context: Context) -> Draft:
    """Say when it was signed."""
    now = (asn1.SIGNING_TIME, (der.time(context.responder.now()),))
    return replace(draft, attributes=(*draft.attributes, now))


def encloses_everything(draft: Draft, context: Context) -> Draft:
    """Put the issued certificate beside the envelope too, in the clear, before the signer's."""
    del context
    return replace(draft, enclosed=(*draft.certificates[:1], *draft.enclosed))


def short_fail_info_text(text: str) -> Habit:
    """Give a FAILURE a failInfoText whose OID is one arc short, as a PrintableString."""

    def habit(draft: Draft, _context: Context) -> Draft:
        if draft.status is not PkiStatus.FAILURE:
            return draft
        kept = tuple(item for item in draft.attributes if item[0] != asn1.FAIL_INFO_TEXT)
        added = (asn1.FAIL_INFO_TEXT_SHORT, (der.printable_string(text),))
        return replace(draft, attributes=(*kept, added))

    return habit
