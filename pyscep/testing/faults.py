"""Misbehaviour on demand: every way in which a server can be wrong that a client must survive.

Each :class:`Fault` has a name, a line of explanation, and a stage at which it is applied: to the
draft of a reply, to the server's behaviour, to the HTTP response, or to the wire. Faults compose:
:class:`~pyscep.testing.misbehaviour.Misbehaviour` applies all those that are switched on, stage by
stage. What they are made of is in :mod:`pyscep.testing.effects` and :mod:`pyscep.testing.changes`.

None of them is in :mod:`pyscep.responder`, which knows only how to be right.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum

from pyscep import asn1, der
from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
)
from pyscep.errors import UsageError
from pyscep.testing import changes
from pyscep.testing.draft import number
from pyscep.testing.effects import (
    Effect,
    OnCaCertificates,
    OnCapabilities,
    OnDraft,
    OnReply,
    OnResponse,
    OnWire,
    Stage,
    pending,
)
from pyscep.testing.server import Wire

__all__ = [
    "Effect",
    "Fault",
    "OnCaCertificates",
    "OnCapabilities",
    "OnDraft",
    "OnReply",
    "OnResponse",
    "OnWire",
    "Stage",
    "find_fault",
    "pending",
]


class Fault(Enum):
    """One way to be wrong.

    Source: T-24, T-25, T-26, M-04, M-07 to M-15, M-27, M-34, A-02, A-09, E-12, E-16, R-13.
    """

    # Attributes
    MISSING_TRANSACTION_ID = OnDraft("no transactionID", changes.without(asn1.TRANSACTION_ID))
    MISSING_MESSAGE_TYPE = OnDraft("no messageType", changes.without(asn1.MESSAGE_TYPE))
    MISSING_PKI_STATUS = OnDraft("no pkiStatus", changes.without(asn1.PKI_STATUS))
    MISSING_RECIPIENT_NONCE = OnDraft("no recipientNonce", changes.without(asn1.RECIPIENT_NONCE))
    MISSING_SENDER_NONCE = OnDraft("no senderNonce", changes.without(asn1.SENDER_NONCE))
    MISSING_MESSAGE_DIGEST = OnDraft("no messageDigest", changes.without(asn1.MESSAGE_DIGEST))
    MISSING_CONTENT_TYPE = OnDraft("no contentType", changes.without(asn1.CONTENT_TYPE))
    MISSING_FAIL_INFO = OnDraft("a FAILURE without failInfo", changes.without(asn1.FAIL_INFO))
    DUPLICATE_TRANSACTION_ID = OnDraft("two transactionIDs", changes.twice(asn1.TRANSACTION_ID))
    DUPLICATE_MESSAGE_TYPE = OnDraft("two messageTypes", changes.twice(asn1.MESSAGE_TYPE))
    DUPLICATE_PKI_STATUS = OnDraft("two pkiStatuses", changes.twice(asn1.PKI_STATUS))
    DUPLICATE_RECIPIENT_NONCE = OnDraft("two recipientNonces", changes.twice(asn1.RECIPIENT_NONCE))
    DUPLICATE_SENDER_NONCE = OnDraft("two senderNonces", changes.twice(asn1.SENDER_NONCE))
    DUPLICATE_MESSAGE_DIGEST = OnDraft("two messageDigests", changes.twice(asn1.MESSAGE_DIGEST))
    DUPLICATE_CONTENT_TYPE = OnDraft("two contentTypes", changes.twice(asn1.CONTENT_TYPE))
    DUPLICATE_FAIL_INFO = OnDraft("a FAILURE with two failInfos", changes.twice(asn1.FAIL_INFO))
    TWO_VALUES_IN_PKI_STATUS = OnDraft(
        "one pkiStatus with two values", changes.two_values(asn1.PKI_STATUS)
    )
    WRONG_TRANSACTION_ID = OnDraft(
        "the transactionID of another transaction",
        changes.with_values(asn1.TRANSACTION_ID, der.printable_string("another-transaction")),
    )
    TRANSACTION_ID_PREFIX = OnDraft(
        "only the beginning of the transactionID",
        changes.changed(asn1.TRANSACTION_ID, lambda octets: octets[:4]),
    )
    EMPTY_TRANSACTION_ID = OnDraft(
        "an empty transactionID", changes.changed(asn1.TRANSACTION_ID, lambda _octets: b"")
    )
    WRONG_RECIPIENT_NONCE = OnDraft(
        "a recipientNonce with one bit flipped",
        changes.changed(asn1.RECIPIENT_NONCE, changes.flip_last_bit),
    )
    TRUNCATED_RECIPIENT_NONCE = OnDraft(
        "only half of the recipientNonce",
        changes.changed(asn1.RECIPIENT_NONCE, lambda octets: octets[:8]),
    )
    RECIPIENT_NONCE_AS_TEXT = OnDraft(
        "the recipientNonce as a PrintableString",
        changes.with_values(asn1.RECIPIENT_NONCE, der.printable_string("0123456789abcdef")),
    )
    COPIED_SENDER_NONCE = OnDraft("the client's nonce as senderNonce", changes.copied_nonce)
    WRONG_MESSAGE_TYPE = OnDraft(
        "a PKCSReq as reply", changes.with_values(asn1.MESSAGE_TYPE, number(19))
    )
    UNKNOWN_MESSAGE_TYPE = OnDraft(
        "a messageType that does not exist", changes.with_values(asn1.MESSAGE_TYPE, number(18))
    )
    MESSAGE_TYPE_AS_INTEGER = OnDraft(
        "the messageType as INTEGER", changes.with_values(asn1.MESSAGE_TYPE, der.integer(3))
    )
    PADDED_MESSAGE_TYPE = OnDraft(
        "the messageType as 03", changes.with_values(asn1.MESSAGE_TYPE, der.printable_string("03"))
    )
    UNKNOWN_PKI_STATUS = OnDraft(
        "a pkiStatus that does not exist", changes.with_values(asn1.PKI_STATUS, number(1))
    )
    UNKNOWN_FAIL_INFO = OnDraft(
        "a failInfo that RFC 8894 does not have", changes.with_values(asn1.FAIL_INFO, number(7))
    )
    MALFORMED_FAIL_INFO = OnDraft(
        "a failInfo that is no number",
        changes.with_values(asn1.FAIL_INFO, der.printable_string("badRequest")),
    )
    UNKNOWN_ATTRIBUTE = OnDraft("a signed attribute that nobody knows", changes.unknown_attribute)
    WRONG_CONTENT_TYPE_ATTRIBUTE = OnDraft(
        "a contentType that is not that of the content",
        changes.with_values(asn1.CONTENT_TYPE, der.oid(asn1.SIGNED_DATA)),
    )
    WRONG_MESSAGE_DIGEST = OnDraft(
        "the digest of another content",
        changes.with_values(asn1.MESSAGE_DIGEST, der.octet_string(b"\x00" * 32)),
    )
    WRONG_ALGORITHM_PROTECTION = OnDraft(
        "a cmsAlgorithmProtection for other algorithms", changes.wrong_protection
    )

    # Signature
    SIGNED_BY_STRANGER = OnDraft("signed by another CA of the same name", changes.stranger_signs)
    SIGNED_BY_LOOK_ALIKE = OnDraft(
        "signed by a certificate with the CA's issuer and serial number", changes.look_alike_signs
    )
    SIGNED_OVER_OTHER_BYTES = OnDraft(
        "a signature over other attributes", changes.setting(change_signed=(changes.flip_last_bit,))
    )
    NO_SIGNED_ATTRIBUTES = OnDraft(
        "signed attributes stripped, the content signed directly",
        changes.setting(signed_attributes=False),
    )
    NO_SIGNER = OnDraft("no signer", changes.setting(signer_count=0))
    TWO_SIGNERS = OnDraft("two signers", changes.setting(signer_count=2))
    MD5 = OnDraft("a signature that claims MD5", changes.setting(digest_oid="1.2.840.113549.2.5"))
    SHA1 = OnDraft("a signature with SHA-1", changes.with_digest(DigestAlgorithm.SHA1))
    TWO_HASHES = OnDraft(
        "digest and signature with different hashes",
        changes.setting(signature_digest=DigestAlgorithm.SHA512),
    )

    # Certificates
    CERTIFICATE_FOR_ANOTHER_KEY = OnDraft(
        "a certificate for another key",
        changes.issued(public_key=lambda stage: stage.responder.authority.issuer.public_key),
    )
    CERTIFICATE_OF_ANOTHER_CA = OnDraft(
        "a certificate by another CA of the same name",
        changes.issued(authority=lambda stage: stage.stranger),
    )
    CERTIFICATE_FOR_ANOTHER_NAME = OnDraft(
        "a certificate with another subject", changes.issued(subject=changes.SOMEBODY_ELSE)
    )
    EXPIRED_CERTIFICATE = OnDraft(
        "a certificate that has expired", changes.issued(age=timedelta(days=30))
    )
    CA_INSTEAD_OF_LEAF = OnDraft(
        "the CA's certificate instead of the issued one", changes.ca_instead
    )
    CHAIN_BEFORE_LEAF = OnDraft("the CA's chain before the issued certificate", changes.ca_first)
    NO_CERTIFICATE = OnReply("a SUCCESS with nothing in it", changes.nothing_in_it)
    NO_ENCLOSED_CERTIFICATES = OnDraft(
        "no certificate of the signer",
        changes.setting(enclosed=()),
    )

    # Envelope
    ENCRYPTED_TO_STRANGER = OnDraft("an envelope for somebody else", changes.to_stranger)
    ENCRYPTED_WITH_WRONG_KEY = OnDraft(
        "an envelope that names the right one and is encrypted with another key",
        changes.key_of_stranger,
    )
    SHORT_CONTENT_KEY = OnDraft(
        "a content key of the wrong length",
        changes.setting(change_key=(lambda key: key[:-1],)),
    )
    GARBLED_CONTENT_KEY = OnDraft(
        "a content key that does not decrypt",
        changes.setting(change_encrypted_key=(changes.flip_last_bit,)),
    )
    BAD_PADDING = OnDraft(
        "content with wrong padding",
        changes.setting(change_padded=(changes.bad_padding,)),
    )
    GARBAGE_CONTENT = OnDraft(
        "content that decrypts to garbage",
        changes.setting(change_plain=(changes.garbage,)),
    )
    SINGLE_DES = OnDraft(
        "content under single DES", changes.with_cipher(ContentEncryptionAlgorithm.DES_CBC)
    )
    TRIPLE_DES = OnDraft(
        "content under 3DES", changes.with_cipher(ContentEncryptionAlgorithm.DES_EDE3_CBC)
    )
    OAEP = OnDraft(
        "a content key under RSAES-OAEP, which was not asked for",
        changes.setting(key_encryption_algorithm=KeyEncryptionAlgorithm.RSA_OAEP_SHA1),
    )
    NO_ENVELOPE_IN_SUCCESS = OnDraft(
        "a SUCCESS without envelope",
        changes.setting(has_envelope=False),
    )
    ENVELOPE_IN_FAILURE = OnDraft(
        "a FAILURE or PENDING with an envelope", changes.content_in_failure
    )

    # Encoding
    INDEFINITE_LENGTHS = OnDraft(
        "BER with indefinite lengths", changes.message(changes.indefinite_lengths)
    )
    SEGMENTED_CONTENT = OnDraft(
        "the signed content in pieces", changes.setting(segmented_content=True)
    )
    CONSTRUCTED_ENCRYPTED_CONTENT = OnDraft(
        "the encrypted content as a constructed [0]",
        changes.setting(constructed_encrypted_content=True),
    )
    UNSORTED_ATTRIBUTES = OnDraft(
        "attributes in another order than they are signed in",
        changes.setting(sorted_attributes=False),
    )
    TRAILING_BYTES = OnDraft("a byte after the message", changes.message(lambda m: m + b"\x00"))
    TRUNCATED_MESSAGE = OnDraft("half of the message", changes.message(lambda m: m[: len(m) // 2]))
    HUGE_MESSAGE = OnDraft("five megabytes of nothing", changes.message(changes.huge))
    DEEP_MESSAGE = OnDraft("100,000 levels of nesting", changes.message(changes.deep))

    # Behaviour
    PENDING_TWICE = pending(2)
    PENDING_FOREVER = pending(None)
    REFUSED = OnReply("FAILURE whatever is asked", changes.refused)

    # HTTP
    HTML_PAGE = OnResponse("a web page with status 200", changes.html)
    WRONG_HTTP_TYPE = OnResponse("another Content-Type", changes.other_type)
    REDIRECT = OnResponse("a redirect to another host", changes.redirect)
    SERVER_ERROR = OnResponse("status 500 with a text", changes.server_error)
    EMPTY_BODY = OnResponse("status 200 with nothing", changes.empty)
    CAPABILITIES_STRIPPED = OnCapabilities("only DES3 and SHA-1 announced", changes.stripped)
    CAPABILITIES_LYING = OnCapabilities("everything announced", changes.lying)
    CAPABILITIES_PAGE = OnCapabilities("a web page instead of capabilities", changes.html)
    CAPABILITIES_ERROR = OnCapabilities("status 500 for GetCACaps", changes.server_error)

    # GetCACert
    CA_OF_STRANGER = OnCaCertificates("another CA of the same name", changes.another_ca)
    RA_OF_STRANGER = OnCaCertificates(
        "an RA of another CA beside the genuine certificates", changes.add_registrar
    )
    CA_PAGE = OnCaCertificates("a web page instead of CA certificates", changes.as_ca(changes.html))
    CA_ERROR = OnCaCertificates("status 500 for GetCACert", changes.as_ca(changes.server_error))
    CA_EMPTY = OnCaCertificates(
        "status 200 with nothing for GetCACert", changes.as_ca(changes.empty)
    )

    # Wire
    CHUNKED_BODY = OnWire("a chunked body", Wire.CHUNKED)
    SLOW_BODY = OnWire("a body that drips byte by byte", Wire.SLOW)
    CLOSED_CONNECTION = OnWire("the connection closed instead of an answer", Wire.CLOSED)
    CUT_BODY = OnWire("the connection closed in the middle of the body", Wire.CUT)

    @property
    def explanation(self) -> str:
        """What the server does, in a few words."""
        return self.effect.explanation

    @property
    def effect(self) -> Effect:
        """What is done, and at which stage."""
        effect: Effect = self.value
        return effect


def find_fault(name: str) -> Fault:
    """Return a fault by its name, in any case.

    :raises UsageError: there is none of that name.
    """
    wanted = name.upper().replace("-", "_")
    if wanted in Fault.__members__:
        return Fault[wanted]
    known = ", ".join(Fault.__members__)
    raise UsageError(f"There is no fault {name!r}; use one of {known}.", argument="fault")
