"""A CertRep in all its parts, so that tests can change each of them before it is put together.

The library itself cannot write what a :class:`Draft` can: attributes twice, signatures by somebody
else, envelopes for somebody else. It is put together from small steps, each of which a test may
replace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pyscep import asn1, der
from pyscep.algorithms import (
    RSA_ENCRYPTION_OID,
    RSAES_OAEP_OID,
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
    KeyType,
    SignatureAlgorithm,
    signature_algorithm_for,
)
from pyscep.certificates import Certificate, Identity, key_type_of
from pyscep.cms_enveloped import needs_password
from pyscep.cms_password import password_recipient_info
from pyscep.cms_signed import degenerate
from pyscep.crypto import CryptoProvider
from pyscep.messages import CertRep, PkiStatus
from pyscep.pki_message import NONCE_SIZE, VerifiedMessage
from pyscep.responder import Responder

Values = tuple[bytes, ...]
Change = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Everything that a CertRep is made of."""

    status: PkiStatus
    """The status, for faults that only concern one of them."""
    attributes: tuple[tuple[str, Values], ...]
    """Signed attributes: OID and DER values, in this order, as often as they stand here."""
    certificates: tuple[bytes, ...]
    """DER certificates inside the envelope, in this order."""
    crls: tuple[bytes, ...]
    """DER CRLs inside the envelope."""
    has_envelope: bool
    """Whether there is an envelope."""
    recipient: Certificate
    """Whom it is encrypted to."""
    named_recipient: Certificate
    """Whom the envelope says it is encrypted to."""
    content_encryption_algorithm: ContentEncryptionAlgorithm
    """The cipher."""
    signer: Identity
    """Who signs."""
    named_signer: Certificate
    """Who the message says signed."""
    enclosed: tuple[bytes, ...]
    """DER certificates beside the envelope."""
    digest_algorithm: DigestAlgorithm
    """The hash over the content."""
    signature_digest: DigestAlgorithm
    """The hash of the signature."""
    digest_oid: str
    """The OID that names the hash."""
    provider: CryptoProvider = field(repr=False)
    """The cryptography."""
    challenge_password: str | None = field(default=None, repr=False)
    """What encrypts the content key, if that of the recipient cannot decrypt; faults of key
    transport then have no effect."""
    signed_attributes: bool = True
    """Whether there are signed attributes at all."""
    signer_count: int = 1
    """How many SignerInfos there are."""
    repeated: frozenset[str] = frozenset()
    """The OIDs of attributes that stand there twice."""
    sorted_attributes: bool = True
    """Whether attributes are sent in the order in which they are signed."""
    names_scheme: bool = False
    """Whether signatureAlgorithm names the hash too, without parameters, as Go's libraries do."""
    key_encryption_algorithm: KeyEncryptionAlgorithm = KeyEncryptionAlgorithm.RSA_PKCS1_V15
    """How the content key is encrypted."""
    segmented_content: bool = False
    """Whether eContent is a constructed OCTET STRING in pieces of 1,000 bytes."""
    constructed_encrypted_content: bool = False
    """Whether encryptedContent is a constructed [0] with one piece in it."""
    empty_content: bytes | None = None
    """What stands in the place of the envelope, if there is none."""
    change_plain: tuple[Change, ...] = ()
    """Changes to what is encrypted."""
    change_key: tuple[Change, ...] = ()
    """Changes to the content key, before it is encrypted."""
    change_encrypted_key: tuple[Change, ...] = ()
    """Changes to the encrypted content key."""
    change_padded: tuple[Change, ...] = ()
    """Changes to the padded content; the padding is made here, so it can be wrong."""
    change_envelope: tuple[Change, ...] = ()
    """Changes to the finished envelope, before it is signed."""
    change_signed: tuple[Change, ...] = ()
    """Changes to the bytes that are signed, which are not the bytes that are sent."""
    change_message: tuple[Change, ...] = ()
    """Changes to the finished message."""

    def encode(self) -> bytes:
        """Put everything together."""
        content = self._envelope() if self.has_envelope else self.empty_content
        signer_info = self._signer_info(content)
        encapsulated = b"" if content is None else der.explicit(0, self._content(content))
        enclosed = b"".join(self.enclosed)
        signed_data = der.sequence(
            der.integer(1),
            der.set_of((der.sequence(der.oid(self.digest_oid)),)),
            der.sequence(der.oid(asn1.DATA), encapsulated),
            der.encode(der.context(0), enclosed) if enclosed else b"",
            der.encode(der.SET, signer_info * self.signer_count),
        )
        message = der.sequence(der.oid(asn1.SIGNED_DATA), der.explicit(0, signed_data))
        return _apply(self.change_message, message)

    def _content(self, content: bytes) -> bytes:
        if not self.segmented_content:
            return der.octet_string(content)
        pieces = [content[start : start + 1000] for start in range(0, len(content), 1000)]
        return der.encode(
            der.OCTET_STRING | der.CONSTRUCTED, b"".join(map(der.octet_string, pieces))
        )

    def _signer_info(self, content: bytes | None) -> bytes:
        attributes = self._attributes(content)
        key_type = key_type_of(self.signer.key.public_key) or KeyType.RSA
        algorithm = signature_algorithm_for(key_type, self.signature_digest)
        in_order = b"".join(sorted(attributes))
        signed = der.encode(der.SET, in_order) if self.signed_attributes else content or b""
        sent = in_order if self.sorted_attributes else b"".join(sorted(attributes, reverse=True))
        return der.sequence(
            der.integer(1),
            self.named_signer.issuer_and_serial_number,
            der.sequence(der.oid(self.digest_oid)),
            der.encode(der.context(0), sent) if self.signed_attributes else b"",
            self._scheme(algorithm),
            der.octet_string(self.signer.key.sign(_apply(self.change_signed, signed), algorithm)),
        )

    def _scheme(self, algorithm: SignatureAlgorithm) -> bytes:
        if algorithm.key_type is not KeyType.RSA or self.names_scheme:
            return der.sequence(der.oid(algorithm.oid))
        differs = self.signature_digest is not self.digest_algorithm
        return der.sequence(der.oid(algorithm.oid if differs else RSA_ENCRYPTION_OID), der.null())

    def _attributes(self, content: bytes | None) -> list[bytes]:
        """Return all attributes, also the two that CMS demands if they are not given."""
        digest = self.provider.digest(content or b"", self.digest_algorithm)
        demanded = (
            (asn1.CONTENT_TYPE, (der.oid(asn1.DATA),)),
            (asn1.MESSAGE_DIGEST, (der.octet_string(digest),)),
        )
        given = {oid for oid, _ in self.attributes}
        completed = (*self.attributes, *(each for each in demanded if each[0] not in given))
        encoded: list[bytes] = []
        for oid, values in completed:
            # No values at all stand for an attribute that is left out.
            times = (2 if oid in self.repeated else 1) if values else 0
            attribute = der.sequence(der.oid(oid), der.encode(der.SET, b"".join(values)))
            encoded += [attribute] * times
        return encoded

    def _envelope(self) -> bytes:
        cipher = self.content_encryption_algorithm
        plain = _apply(self.change_plain, degenerate(self.certificates, self.crls))
        key = self.provider.random_bytes(cipher.key_size)
        iv = self.provider.random_bytes(cipher.block_size)
        by_password = needs_password(self.recipient)
        recipient_info = self._recipient_info(_apply(self.change_key, key), by_password=by_password)
        encrypted_content_info = der.sequence(
            der.oid(asn1.DATA),
            der.sequence(der.oid(cipher.oid), der.octet_string(iv)),
            self._encrypted_content(self._encrypt(plain, key, iv)),
        )
        enveloped = der.sequence(
            der.integer(3 if by_password else 0),
            der.set_of((recipient_info,)),
            encrypted_content_info,
        )
        envelope = der.sequence(der.oid(asn1.ENVELOPED_DATA), der.explicit(0, enveloped))
        return _apply(self.change_envelope, envelope)

    def _recipient_info(self, key: bytes, *, by_password: bool) -> bytes:
        if by_password:
            return password_recipient_info(
                key,
                self.challenge_password,
                recipient=str(self.recipient.subject),
                cipher=self.content_encryption_algorithm,
                provider=self.provider,
            )
        encrypted_key = self.provider.encrypt_key(
            self.recipient.public_key, key, self.key_encryption_algorithm
        )
        with_oaep = self.key_encryption_algorithm is KeyEncryptionAlgorithm.RSA_OAEP_SHA1
        return der.sequence(
            der.integer(0),
            self.named_recipient.issuer_and_serial_number,
            # An empty SEQUENCE stands for SHA-1 (RFC 4055 section 4.1).
            der.sequence(der.oid(RSAES_OAEP_OID), der.sequence())
            if with_oaep
            else der.sequence(der.oid(RSA_ENCRYPTION_OID), der.null()),
            der.octet_string(_apply(self.change_encrypted_key, encrypted_key)),
        )

    def _encrypted_content(self, ciphertext: bytes) -> bytes:
        if self.constructed_encrypted_content:
            return der.explicit(0, der.octet_string(ciphertext))
        return der.encode(der.context(0, constructed=False), ciphertext)

    def _encrypt(self, plain: bytes, key: bytes, iv: bytes) -> bytes:
        """Encrypt with a padding made here; the provider's own block of padding is cut off."""
        cipher = self.content_encryption_algorithm
        size = cipher.block_size - len(plain) % cipher.block_size
        padded = _apply(self.change_padded, plain + bytes((size,)) * size)
        if cipher is ContentEncryptionAlgorithm.DES_CBC:
            # No provider writes single DES; 3DES with three equal keys is the same.
            cipher, key = ContentEncryptionAlgorithm.DES_EDE3_CBC, key * 3
        return self.provider.encrypt_content(key, iv, padded, cipher)[: -cipher.block_size]


def draft_of(
    responder: Responder,
    request: VerifiedMessage,
    reply: CertRep,
    cipher: ContentEncryptionAlgorithm,
) -> Draft:
    """Return the draft of the correct reply.

    Source: RFC 8894 sections 3.2.1 and 3.3.2; M-13, A-01, A-05, A-06.
    """
    attributes: list[tuple[str, Values]] = [
        (asn1.TRANSACTION_ID, (request.transaction_id_der,)),
        (asn1.MESSAGE_TYPE, (number(reply.message_type.value),)),
        (asn1.PKI_STATUS, (number(reply.pki_status.value),)),
        (asn1.SENDER_NONCE, (der.octet_string(responder.provider.random_bytes(NONCE_SIZE)),)),
        (asn1.RECIPIENT_NONCE, (der.octet_string(request.sender_nonce or b""),)),
    ]
    if reply.fail_info is not None:
        attributes.append((asn1.FAIL_INFO, (number(reply.fail_info.value),)))
    if reply.fail_info_text is not None:
        attributes.append((asn1.FAIL_INFO_TEXT, (der.utf8_string(reply.fail_info_text),)))
    signer = responder.authority.signer
    digest = responder.reply_digest(request)
    return Draft(
        status=reply.pki_status,
        attributes=tuple(attributes),
        certificates=reply.certificates,
        crls=() if reply.crl is None else (reply.crl,),
        has_envelope=reply.pki_status is PkiStatus.SUCCESS,
        recipient=request.signer,
        challenge_password=reply.challenge_password,
        named_recipient=request.signer,
        content_encryption_algorithm=cipher,
        signer=signer,
        named_signer=signer.certificate,
        enclosed=(signer.certificate.der,),
        digest_algorithm=digest,
        signature_digest=digest,
        digest_oid=digest.oid,
        empty_content=responder.empty_content,
        provider=responder.provider,
    )


def number(value: int) -> bytes:
    """Return a number as SCEP writes it: decimal digits in a PrintableString (M-15)."""
    return der.printable_string(str(value))


def _apply(changes: Sequence[Change], octets: bytes) -> bytes:
    for change in changes:
        octets = change(octets)
    return octets
