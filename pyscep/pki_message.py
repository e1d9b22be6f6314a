"""The pkiMessage: a signed message around an envelope (RFC 8894 section 3).

Writing: :func:`encode_request` and :func:`encode_cert_rep`.

Reading goes one way: :func:`parse_pki_message` → :class:`UnverifiedMessage`, which can only be
verified → :class:`VerifiedMessage`, which alone has attributes and can be decrypted.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cache
from typing import NoReturn

from pyscep import asn1, der
from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
    SignatureAlgorithm,
)
from pyscep.certificates import Certificate, Identity
from pyscep.cms_enveloped import (
    STANDARD_CIPHERS,
    EnvelopedData,
    envelop,
    parse_enveloped_data,
)
from pyscep.cms_signed import (
    UnverifiedSignedData,
    VerifiedSignedData,
    find_certificate,
    parse_signed_data,
    sign_data,
)
from pyscep.crypto import CryptoProvider, default_provider
from pyscep.errors import (
    DecodeError,
    DecryptionFailed,
    MessageError,
    SignatureInvalid,
    UnexpectedMessageType,
    UsageError,
)
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.messages import CertRep, MessageType, PKCSReq, PkiStatus, RenewalReq, Request
from pyscep.secrecy import hides_locals
from pyscep.signed_attributes import SignedAttributes

NONCE_SIZE = 16
"""Bytes in a senderNonce (RFC 8894 section 3.2.1.5; M-25)."""


# ---------------------------------------------------------------------------------------- writing


def encode_request(
    message: Request,
    *,
    transaction_id: str,
    sender_nonce: bytes,
    identity: Identity,
    recipient: Certificate,
    content_encryption_algorithm: ContentEncryptionAlgorithm,
    digest_algorithm: DigestAlgorithm,
    key_encryption_algorithm: KeyEncryptionAlgorithm = KeyEncryptionAlgorithm.RSA_PKCS1_V15,
    certificates: Sequence[Certificate] = (),
    challenge_password: str | None = None,
    provider: CryptoProvider | None = None,
) -> bytes:
    """Return a request as a pkiMessage: enveloped to *recipient*, signed by *identity*.

    A recipient whose key cannot decrypt gets it encrypted with the challenge password.

    :param transaction_id: characters of PrintableString only.
    :param sender_nonce: 16 random bytes, new for each message.
    :param certificates: further certificates to send along, after that of *identity*.
    :param challenge_password: for a poll, that of its request; requests have their own.
    :raises UsageError: a transaction_id that cannot be encoded.
    :raises KeyCapabilityError: a key that cannot do its part, and no challenge password that does.
    :raises WeakAlgorithm: single DES.

    Source: RFC 8894 section 3.2; M-01, M-02, M-12, M-14 to M-16, M-25, M-30, M-31, E-04 to E-06,
        E-15, E-26, H-15.
    """
    chosen = provider or default_provider()
    if isinstance(message, (PKCSReq, RenewalReq)):
        challenge_password = message.csr.challenge_password
    envelope = envelop(
        message.encode(),
        recipient=recipient,
        password=challenge_password,
        content_encryption_algorithm=content_encryption_algorithm,
        key_encryption_algorithm=key_encryption_algorithm,
        provider=chosen,
    )
    return sign_data(
        envelope,
        identity=identity,
        digest_algorithm=digest_algorithm,
        attributes=(
            (asn1.TRANSACTION_ID, encode_transaction_id(transaction_id)),
            (asn1.MESSAGE_TYPE, _number(message.message_type.value)),
            (asn1.SENDER_NONCE, der.octet_string(sender_nonce)),
        ),
        certificates=[identity.certificate.der, *(c.der for c in certificates)],
        provider=chosen,
    )


def encode_cert_rep(
    message: CertRep,
    *,
    request: VerifiedMessage,
    sender_nonce: bytes,
    identity: Identity,
    content_encryption_algorithm: ContentEncryptionAlgorithm,
    digest_algorithm: DigestAlgorithm,
    key_encryption_algorithm: KeyEncryptionAlgorithm = KeyEncryptionAlgorithm.RSA_PKCS1_V15,
    empty_content: bytes | None = None,
    provider: CryptoProvider | None = None,
) -> bytes:
    """Return the answer to *request*: enveloped to its verified signer and nobody else.

    :param identity: the CA's, or the RA's for signing.
    :param empty_content: what FAILURE and PENDING carry; ``None`` for nothing at all, as RFC 8894
        has it; ``b""`` for clients that crash without an eContent.
    :raises KeyCapabilityError: the signer's key cannot decrypt, and the challenge password of
        *message* is missing or short.

    Source: RFC 8894 sections 3.2.1 and 3.3.2; M-13, M-26, M-29, X-12, E-04, E-05, E-20, A-01, A-05,
        A-06.
    """
    chosen = provider or default_provider()
    attributes = [
        (asn1.TRANSACTION_ID, request.transaction_id_der),
        (asn1.MESSAGE_TYPE, _number(message.message_type.value)),
        (asn1.PKI_STATUS, _number(message.pki_status.value)),
        (asn1.SENDER_NONCE, der.octet_string(sender_nonce)),
        (asn1.RECIPIENT_NONCE, der.octet_string(request.sender_nonce or b"")),
    ]
    if message.fail_info is not None:
        attributes.append((asn1.FAIL_INFO, _number(message.fail_info.value)))
    if message.fail_info_text is not None:
        attributes.append((asn1.FAIL_INFO_TEXT, der.utf8_string(message.fail_info_text)))
    content = message.encode()
    if content is not None:
        content = envelop(
            content,
            recipient=request.signer,
            password=message.challenge_password,
            content_encryption_algorithm=content_encryption_algorithm,
            key_encryption_algorithm=key_encryption_algorithm,
            provider=chosen,
        )
    return sign_data(
        empty_content if content is None else content,
        identity=identity,
        digest_algorithm=digest_algorithm,
        attributes=attributes,
        certificates=[identity.certificate.der],
        provider=chosen,
    )


def encode_transaction_id(transaction_id: str) -> bytes:
    """Return the DER of a transactionID.

    :raises UsageError: empty, or characters outside PrintableString.

    Source: RFC 8894 section 3.2.1.1; M-14, M-16.
    """
    if not transaction_id or not der.is_printable(transaction_id):
        raise UsageError(
            f"The transaction_id {transaction_id!r} is empty or has characters that "
            "PrintableString lacks; use letters and digits.",
            argument="transaction_id",
        )
    return der.printable_string(transaction_id)


@cache
def _number(value: int) -> bytes:
    return der.printable_string(str(value))


# ---------------------------------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MessageData:
    """What was inside the envelope of a verified message (RFC 8894 section 3.2.2)."""

    octets: bytes = field(repr=False)
    """The messageData; in a request it may hold the challenge password."""
    content_encryption_algorithm: ContentEncryptionAlgorithm
    """The cipher that the sender chose."""
    recipient: Certificate | None
    """Which of the receiver's certificates it was encrypted to (N-07); ``None`` if it was encrypted
    with a password."""

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            "What was inside an envelope may hold a challenge password and is not pickled; store "
            "its octets where secrets belong."
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VerifiedMessage:
    """A pkiMessage whose signature was checked with the key of :attr:`signer`.

    Source: RFC 8894 section 3.2.1; M-12, M-13.
    """

    message_type: MessageType
    """What kind of message it is."""
    transaction_id: str
    """The transactionID as text."""
    transaction_id_der: bytes = field(repr=False)
    """The transactionID as received, to be echoed byte for byte (X-12)."""
    sender_nonce: bytes | None
    """The sender's nonce; replies may lack it (M-28)."""
    recipient_nonce: bytes | None
    """The nonce of the request that this answers; ``None`` in requests."""
    pki_status: PkiStatus | None
    """The status of a CertRep; ``None`` in requests."""
    fail_info: int | None
    """failInfo as sent, also if RFC 8894 does not have the value (M-23)."""
    fail_info_text: str | None
    """failInfoText; for people only (M-24)."""
    hresult: int | None
    """The HRESULT that NDES adds, as a signed number of 32 bits (M-40)."""
    signer: Certificate
    """Whose key the signature was checked with."""
    digest_algorithm: DigestAlgorithm
    """The hash of the signature."""
    signature_algorithm: SignatureAlgorithm
    """The scheme of the signature."""
    enclosed_certificates: tuple[bytes, ...] = field(repr=False)
    """Certificates that came along; these are *not* covered by the signature."""
    content: bytes | None = field(repr=False)
    """The signed content: an envelope, or nothing (M-03, M-04)."""
    _limits: Limits = field(repr=False)

    @property
    def has_envelope(self) -> bool:
        """Whether there is content, in any of the spellings of "nothing" (M-04)."""
        return self.content not in (None, b"", b"\x00")

    def envelope(self) -> EnvelopedData:
        """Parse the content as pkcsPKIEnvelope.

        :raises MessageError: there is no content.
        :raises DecodeError: it is no envelope.

        Source: RFC 8894 section 3.2.2; M-02, E-01, A-09.
        """
        if self.content is None or not self.has_envelope:
            raise MessageError(
                "The message has no content, but its type or status demands an envelope.",
                reference="RFC 8894 section 3.2",
            )
        return parse_enveloped_data(self.content, limits=self._limits)

    @hides_locals
    def decrypt(
        self,
        identities: Sequence[Identity],
        passwords: Sequence[str] = (),
        *,
        ciphers: AbstractSet[ContentEncryptionAlgorithm] = STANDARD_CIPHERS,
        provider: CryptoProvider | None = None,
    ) -> MessageData:
        """Decrypt the envelope.

        :param identities: all that this side could be addressed as.
        :param passwords: what it could be encrypted with, if this side's key cannot decrypt.
        :param ciphers: the content ciphers that the caller is willing to read.
        :raises MessageError: no content, or encrypted to somebody else.
        :raises DecodeError: no envelope.
        :raises LimitExceeded: a key derivation that takes too long.
        :raises WeakAlgorithm: a cipher that is not in *ciphers*.
        :raises UnsupportedError: an unsupported cipher, key encryption or recipient.
        :raises DecryptionFailed: for whatever other reason.

        Source: RFC 8894 section 3.2.2; E-04, E-16, S-06, S-07.
        """
        envelope = self.envelope()
        identity = envelope.addressee(identities, passwords)
        plain = envelope.decrypt(
            identities, passwords, provider=provider or default_provider(), ciphers=ciphers
        )
        # Padding that happens to fit leaves garbage; it must look like any other failure (E-16).
        if not _is_one_sequence(plain):
            raise DecryptionFailed
        return MessageData(
            octets=plain,
            content_encryption_algorithm=envelope.content_encryption_algorithm(ciphers),
            recipient=None if identity is None else identity.certificate,
        )


def _is_one_sequence(octets: bytes) -> bool:
    # Some servers send BER inside, with an indefinite length.
    if octets[:2] == b"\x30\x80":
        return octets[-2:] == b"\x00\x00"
    reader = der.Reader(octets)
    try:
        reader.read_raw_of(der.SEQUENCE)
    except DecodeError:
        return False
    return reader.at_end


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnverifiedMessage:
    """A parsed pkiMessage of which nothing is believed yet.

    Source: RFC 8894 section 3.1; S-01, S-02.
    """

    _signed_data: UnverifiedSignedData = field(repr=False)
    _limits: Limits = field(repr=False)

    def verify(
        self,
        signers: Sequence[Certificate],
        *,
        minimum_digest: DigestAlgorithm = DigestAlgorithm.SHA1,
        provider: CryptoProvider | None = None,
    ) -> VerifiedMessage:
        """Check the signature with the one of *signers*, all trusted, that the message names.

        :param minimum_digest: the weakest hash that is accepted.
        :raises UsageError: there is none in *signers*.
        :raises SignatureInvalid: signed by somebody else, or wrongly.
        :raises WeakAlgorithm: a forbidden hash, or one below *minimum_digest*.
        :raises UnsupportedError: an unknown algorithm.
        :raises DecodeError: something in the SignerInfo is not DER or not the structure.
        :raises MessageError: an attribute is missing, twice there, or malformed.
        :raises LimitExceeded: more or longer attributes than the limits allow.

        Source: RFC 8894 section 3.2; M-09 to M-15, M-32 to M-37, A-10, A-12, S-01, S-14.
        """
        if not signers:
            raise UsageError("There is no trusted certificate to verify with.", argument="signers")
        named = [c for c in signers if self._signed_data.signer_identifier.names(c)]
        # With none named, verification with any of them says who signed and who should have.
        return self._verify(named[0] if named else signers[0], minimum_digest, provider)

    def verify_possession(
        self,
        *,
        minimum_digest: DigestAlgorithm = DigestAlgorithm.SHA1,
        provider: CryptoProvider | None = None,
    ) -> VerifiedMessage:
        """Check the signature with the certificate that the sender enclosed: for servers.

        It shows that the sender holds the key of that certificate, and nothing else: who that is
        remains open until the certificate itself is checked (S-03).

        :raises SignatureInvalid: no such certificate is enclosed, or the signature is wrong.
        :raises WeakAlgorithm: a forbidden hash, or one below *minimum_digest*.
        :raises UnsupportedError: an unknown algorithm.
        :raises DecodeError: something in the SignerInfo is not DER or not the structure.
        :raises MessageError: an attribute is missing, twice there, or malformed.
        :raises LimitExceeded: more or longer attributes than the limits allow.

        Source: RFC 8894 section 2.3; M-33, S-02, S-03.
        """
        signed_data = self._signed_data
        signer = find_certificate(
            signed_data.signer_identifier, signed_data.enclosed_certificates, limits=self._limits
        )
        if signer is None:
            raise SignatureInvalid(
                f"The certificate that signed ({signed_data.signer_identifier}) is not in the "
                "message; a client has to enclose it."
            )
        return self._verify(signer, minimum_digest, provider)

    def _verify(
        self,
        signer: Certificate,
        minimum_digest: DigestAlgorithm,
        provider: CryptoProvider | None,
    ) -> VerifiedMessage:
        verified = self._signed_data.verify(
            signer, provider=provider or default_provider(), minimum_digest=minimum_digest
        )
        return _read_attributes(verified, self._limits)


def parse_pki_message(octets: bytes, *, limits: Limits = DEFAULT_LIMITS) -> UnverifiedMessage:
    """Parse a pkiMessage without believing any of it.

    :param octets: one message, at most ``limits.message_size`` bytes.
    :raises DecodeError: not a SignedData.
    :raises LimitExceeded: more than *limits* allow.
    :raises MessageError: not exactly one signer, content of another type, no signed attributes.

    Source: RFC 8894 section 3.1; M-01, M-07, M-08, M-42.
    """
    return UnverifiedMessage(_signed_data=parse_signed_data(octets, limits=limits), _limits=limits)


_MESSAGE_TYPES = {str(message_type.value): message_type for message_type in MessageType}
_PKI_STATUSES = {str(pki_status.value): pki_status for pki_status in PkiStatus}
# Nearly all texts are one of these, and nearly everybody writes them as they are written here.
_NUMBERS = {der.printable_string(text): text for text in (*_MESSAGE_TYPES, *_PKI_STATUSES)}


def _read_attributes(verified: VerifiedSignedData, limits: Limits) -> VerifiedMessage:
    attributes = verified.attributes
    message_type = _read_message_type(attributes)
    transaction_id_der = attributes.require(asn1.TRANSACTION_ID)
    transaction_id = _read_transaction_id(transaction_id_der, limits)
    is_reply = message_type is MessageType.CERT_REP
    sender_nonce = _read_nonce(attributes, asn1.SENDER_NONCE, limits)
    if sender_nonce is None and not is_reply:
        attributes.require(asn1.SENDER_NONCE)
    return VerifiedMessage(
        message_type=message_type,
        transaction_id=transaction_id,
        transaction_id_der=transaction_id_der,
        sender_nonce=sender_nonce,
        # Only a reply has one; in a request it is ignored (M-30).
        recipient_nonce=_read_nonce(attributes, asn1.RECIPIENT_NONCE, limits) if is_reply else None,
        pki_status=_read_pki_status(attributes) if is_reply else None,
        fail_info=_read_fail_info(attributes) if is_reply else None,
        fail_info_text=_read_fail_info_text(attributes) if is_reply else None,
        hresult=_read_hresult(attributes) if is_reply else None,
        signer=verified.signer,
        digest_algorithm=verified.digest_algorithm,
        signature_algorithm=verified.signature_algorithm,
        enclosed_certificates=verified.certificates,
        content=verified.content,
        _limits=limits,
    )


def _read_transaction_id(value: bytes, limits: Limits) -> str:
    text = _read_text(value, "transactionID")
    if not text:
        raise MessageError(
            "The transactionID is empty, so nothing says which transaction is meant.",
            reference="RFC 8894 section 3.2.1.1",
        )
    if len(value) > limits.transaction_id_size:
        # The limit is for the text alone, without tag and length.
        size = len(der.Reader(value).read_contents(value[0]))
        limits.check("transaction_id_size", size, what="The transactionID has {} bytes")
    return text


def _read_message_type(attributes: SignedAttributes) -> MessageType:
    text = _read_text(attributes.require(asn1.MESSAGE_TYPE), "messageType")
    message_type = _MESSAGE_TYPES.get(text)
    if message_type is None:
        raise UnexpectedMessageType(
            f"The messageType is {text!r}, which RFC 8894 does not have.", actual=text
        )
    return message_type


def _read_pki_status(attributes: SignedAttributes) -> PkiStatus:
    text = _read_text(attributes.require(asn1.PKI_STATUS), "pkiStatus")
    pki_status = _PKI_STATUSES.get(text)
    if pki_status is None:
        raise MessageError(
            f"The pkiStatus is {text!r}; it can only be 0, 2 or 3.",
            reference="RFC 8894 section 3.2.1.3",
        )
    return pki_status


def _read_fail_info(attributes: SignedAttributes) -> int | None:
    value = attributes.get(asn1.FAIL_INFO)
    if value is None:
        return None
    text = _read_text(value, "failInfo")
    # Servers with reasons of their own write more digits; the reason is then unknown (M-23).
    if text.isascii() and text.isdecimal() and len(text) <= 3 and str(int(text)) == text:
        return int(text)
    raise MessageError(
        f"The failInfo is {text!r}; it has to be a decimal number.",
        reference="RFC 8894 section 3.2.1.4",
    )


def _read_fail_info_text(attributes: SignedAttributes) -> str | None:
    for oid in (asn1.FAIL_INFO_TEXT, asn1.FAIL_INFO_TEXT_SHORT):
        value = attributes.get(oid)
        if value is not None:
            return _read_text(value, "failInfoText")
    return None


def _read_hresult(attributes: SignedAttributes) -> int | None:
    """Read Microsoft's addition; being none of SCEP's, a malformed one is passed over (M-40)."""
    try:
        value = attributes.get(asn1.NDES_HRESULT)
        if value is None:
            return None
        text = der.read_der(value, der.Reader.read_text)
    except (MessageError, DecodeError):
        return None
    digits = text.removeprefix("-")
    is_number = digits.isascii() and digits.isdecimal() and len(digits) <= len("2147483648")
    return int(text) if is_number else None


def _read_text(value: bytes, name: str) -> str:
    """Read any string type (M-17); an INTEGER or a text beyond its alphabet is refused (M-15)."""
    number = _NUMBERS.get(value)
    if number is not None:
        return number
    try:
        return der.read_der(value, der.Reader.read_text)
    except DecodeError:
        pass
    raise MessageError(
        f"The attribute {name} is not a text string.", reference="RFC 8894 section 3.2.1"
    )


def _read_nonce(attributes: SignedAttributes, oid: str, limits: Limits) -> bytes | None:
    value = attributes.get(oid)
    if value is None:
        return None
    name = "senderNonce" if oid == asn1.SENDER_NONCE else "recipientNonce"
    try:
        nonce = der.read_der(value, der.Reader.read_octet_string)
    except DecodeError:
        nonce = b""
    if not nonce:
        raise MessageError(
            f"The attribute {name} is not a non-empty OCTET STRING.",
            reference="RFC 8894 section 3.2.1.5",
        )
    limits.check("nonce_size", len(nonce), what=f"The {name} has {{}} bytes")
    return nonce
