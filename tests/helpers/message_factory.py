r"""Messages of any shape, legal and illegal, put together field by field.

The encoder is that of :mod:`tests.helpers.tlv`, and none of pyscep's structures or OIDs are used:
what is wrong in ``pyscep.der`` or ``pyscep.asn1`` cannot be wrong here in the same way. Only keys,
ciphers and certificates come from pyscep.

Start from :func:`request` or :func:`cert_rep`, change fields with ``dataclasses.replace`` or the
methods that say so, and :meth:`SignedMessage.encode`::

    cert_rep(signer=ca()).without("pkiStatus").encode()
    replace(cert_rep(signer=ca()), content=b"\0").encode()
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    KeyEncryptionAlgorithm,
    SignatureAlgorithm,
)
from pyscep.certificates import Certificate, Identity
from pyscep.crypto.key_files import KeyEncoding
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.keys import PrivateKey
from tests.helpers import keys
from tests.helpers.tlv import (
    DATA,
    ENVELOPED_DATA,
    MGF1,
    RSA_ENCRYPTION,
    RSASSA_PSS,
    SIGNED_DATA,
    algorithm,
    content_info,
    explicit,
    implicit,
    in_pieces,
    integer,
    is_rsa,
    issuer_and_serial,
    null,
    octets,
    oid,
    parse,
    printable,
    seq,
    tlv,
    unsorted_set,
)

# ------------------------------------------------------------------------------------- the names

ATTRIBUTES = {
    "contentType": "1.2.840.113549.1.9.3",
    "messageDigest": "1.2.840.113549.1.9.4",
    "signingTime": "1.2.840.113549.1.9.5",
    "cmsAlgorithmProtection": "1.2.840.113549.1.9.52",
    "messageType": "2.16.840.1.113733.1.9.2",
    "pkiStatus": "2.16.840.1.113733.1.9.3",
    "failInfo": "2.16.840.1.113733.1.9.4",
    "senderNonce": "2.16.840.1.113733.1.9.5",
    "recipientNonce": "2.16.840.1.113733.1.9.6",
    "transactionID": "2.16.840.1.113733.1.9.7",
    "failInfoText": "1.3.6.1.5.5.7.24.1",
    "failInfoTextShort": "1.3.6.1.5.5.7.24",
    "hresult": "1.3.6.1.4.1.311.21.33",
}
DIGESTS = {
    "md5": "1.2.840.113549.2.5",
    "sha1": "1.3.14.3.2.26",
    "sha224": "2.16.840.1.101.3.4.2.4",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
RSA_SIGNATURES = {
    "md5": "1.2.840.113549.1.1.4",
    "sha1": "1.2.840.113549.1.1.5",
    "sha224": "1.2.840.113549.1.1.14",
    "sha256": "1.2.840.113549.1.1.11",
    "sha384": "1.2.840.113549.1.1.12",
    "sha512": "1.2.840.113549.1.1.13",
}
ECDSA_SIGNATURES = {
    "sha1": "1.2.840.10045.4.1",
    "sha224": "1.2.840.10045.4.3.1",
    "sha256": "1.2.840.10045.4.3.2",
    "sha384": "1.2.840.10045.4.3.3",
    "sha512": "1.2.840.10045.4.3.4",
}
CIPHERS = {
    ContentEncryptionAlgorithm.DES_CBC: "1.3.14.3.2.7",
    ContentEncryptionAlgorithm.DES_EDE3_CBC: "1.2.840.113549.3.7",
    ContentEncryptionAlgorithm.AES128_CBC: "2.16.840.1.101.3.4.1.2",
    ContentEncryptionAlgorithm.AES192_CBC: "2.16.840.1.101.3.4.1.22",
    ContentEncryptionAlgorithm.AES256_CBC: "2.16.840.1.101.3.4.1.42",
}
AES128 = ContentEncryptionAlgorithm.AES128_CBC

NONCE = bytes(range(16))
REQUEST_NONCE = bytes(range(100, 116))
TRANSACTION_ID = "0123456789ABCDEF0123456789ABCDEF"


def attribute_oid(name: str) -> str:
    """Return the OID of an attribute given by its name; an OID stays what it is."""
    return ATTRIBUTES.get(name, name)


def pss_identifier(digest: str, *, salt: int | None = None) -> bytes:
    """Return the AlgorithmIdentifier of RSASSA-PSS with one hash throughout."""
    inner = algorithm(DIGESTS[digest], null())
    size = hashlib.new(digest).digest_size if salt is None else salt
    return algorithm(
        RSASSA_PSS,
        seq(explicit(0, inner), explicit(1, algorithm(MGF1, inner)), explicit(2, integer(size))),
    )


def algorithm_protection(digest: str, signature: str) -> bytes:
    """Return the value of cmsAlgorithmProtection for two OIDs."""
    return seq(algorithm(digest), explicit(1, oid(signature)))


def sign_pss(key: PrivateKey, signed: bytes, scheme: SignatureAlgorithm) -> bytes:
    """Sign with RSASSA-PSS (RFC 8017 section 9.1.1), also where no provider does."""
    pkcs8 = OscryptoProvider().dump_private_key(key, encoding=KeyEncoding.DER)
    rsa_private_key = parse(parse(pkcs8).at(2).contents)
    modulus, exponent = (int.from_bytes(rsa_private_key.at(n).contents, "big") for n in (1, 3))
    name = scheme.digest.name.lower()
    salt = bytes(scheme.digest.size)
    size = (modulus.bit_length() + 6) // 8
    hashed = hashlib.new(name, bytes(8) + hashlib.new(name, signed).digest() + salt).digest()
    block = bytes(size - len(hashed) - len(salt) - 2) + b"\x01" + salt
    counters = range(len(block) // len(hashed) + 1)
    mask = b"".join(hashlib.new(name, hashed + n.to_bytes(4, "big")).digest() for n in counters)
    masked = int.from_bytes(block, "big") ^ int.from_bytes(mask[: len(block)], "big")
    masked &= (1 << (modulus.bit_length() - 1 - 8 * (len(hashed) + 1))) - 1
    encoded = masked.to_bytes(len(block), "big") + hashed + b"\xbc"
    signature = pow(int.from_bytes(encoded, "big"), exponent, modulus)
    return signature.to_bytes((modulus.bit_length() + 7) // 8, "big")


# ------------------------------------------------------------------------------------ SignedData

Attribute = tuple[str, tuple[bytes, ...]]
"""A name (or OID) and any number of values."""


@dataclass(frozen=True, kw_only=True)
class SignedMessage:
    """A ContentInfo with SignedData; what is ``None`` becomes what is right for the rest."""

    signer: Identity
    attributes: tuple[Attribute, ...] = ()
    """Signed attributes; contentType and messageDigest are added unless they stand here."""
    dropped: frozenset[str] = frozenset()
    """Names of attributes that are left out even so."""
    content: bytes | None = None
    content_type: str = DATA
    encapsulated: bytes | None = None
    """The whole encapContentInfo, instead of the two before it."""
    certificates: tuple[bytes, ...] | None = None
    """Any elements; the signer's certificate if left open."""
    crls: tuple[bytes, ...] = ()
    version: int = 1
    signer_version: int = 1
    sid: bytes | None = None
    digest: str = "sha256"
    """The hash over content and attributes."""
    digest_identifier: bytes | None = None
    scheme: SignatureAlgorithm | None = None
    """What is really signed with."""
    signature_identifier: bytes | None = None
    """What is said about it; rsaEncryption for RSA if left open."""
    signature: bytes | None = None
    has_signed_attributes: bool = True
    """Without them, the signature is over the content."""
    sorted_when_signed: bool = True
    sorted_on_wire: bool = True
    unsigned_attributes: tuple[bytes, ...] = ()
    signer_infos: tuple[bytes, ...] | None = None
    """All SignerInfos, instead of the one that follows from the above."""

    def having(self, name: str, *values: bytes) -> SignedMessage:
        """Return it with this attribute once, with these values."""
        kept = tuple(each for each in self.attributes if each[0] != name)
        return replace(self, attributes=(*kept, (name, values)), dropped=self.dropped - {name})

    def repeating(self, name: str) -> SignedMessage:
        """Return it with this attribute twice, both times the same."""
        again = (name, dict(self.all_attributes())[name])
        kept = tuple(each for each in self.attributes if each[0] != name)
        return replace(self, attributes=(*kept, again, again))

    def without(self, *names: str) -> SignedMessage:
        """Return it without these attributes."""
        return replace(self, dropped=self.dropped | set(names))

    def all_attributes(self) -> list[Attribute]:
        digest = hashlib.new(self.digest, self.content or b"", usedforsecurity=False).digest()
        computed = [
            ("contentType", (oid(self.content_type),)),
            ("messageDigest", (octets(digest),)),
        ]
        given = {name for name, _ in self.attributes}
        found = [*(each for each in computed if each[0] not in given), *self.attributes]
        return [each for each in found if each[0] not in self.dropped]

    def signed_attributes(self, *, in_order: bool) -> bytes:
        """Return the contents of the SET OF."""
        encoded = [
            seq(oid(attribute_oid(name)), unsorted_set(*values))
            for name, values in self.all_attributes()
        ]
        return b"".join(sorted(encoded) if in_order else sorted(encoded, reverse=True))

    def encode_signer_info(self) -> bytes:
        certificate = self.signer.certificate
        with_rsa = is_rsa(self.signer.key)
        scheme = (
            self.scheme
            or SignatureAlgorithm[f"{'RSA' if with_rsa else 'ECDSA'}_{self.digest.upper()}"]
        )
        identifier = self.signature_identifier
        if identifier is None:
            identifier = (
                algorithm(RSA_ENCRYPTION, null())
                if with_rsa
                else algorithm(ECDSA_SIGNATURES[self.digest])
            )
        signed = (
            tlv(0x31, self.signed_attributes(in_order=self.sorted_when_signed))
            if self.has_signed_attributes
            else self.content or b""
        )
        signature = self.signature
        if signature is None:
            key = self.signer.key
            signature = sign_pss(key, signed, scheme) if scheme.is_pss else key.sign(signed, scheme)
        wire = explicit(0, self.signed_attributes(in_order=self.sorted_on_wire))
        unsigned = explicit(1, *self.unsigned_attributes) if self.unsigned_attributes else b""
        return seq(
            integer(self.signer_version),
            issuer_and_serial(certificate.der) if self.sid is None else self.sid,
            self._digest_identifier(),
            wire if self.has_signed_attributes else b"",
            identifier,
            octets(signature),
            unsigned,
        )

    def encode(self) -> bytes:
        certificates = self.certificates
        if certificates is None:
            certificates = (self.signer.certificate.der,)
        encapsulated = self.encapsulated
        if encapsulated is None:
            wrapped = b"" if self.content is None else explicit(0, octets(self.content))
            encapsulated = seq(oid(self.content_type), wrapped)
        signer_infos = self.signer_infos
        if signer_infos is None:
            signer_infos = (self.encode_signer_info(),)
        return content_info(
            SIGNED_DATA,
            seq(
                integer(self.version),
                unsorted_set(self._digest_identifier()),
                encapsulated,
                explicit(0, *certificates) if certificates else b"",
                explicit(1, *self.crls) if self.crls else b"",
                unsorted_set(*signer_infos),
            ),
        )

    def _digest_identifier(self) -> bytes:
        if self.digest_identifier is not None:
            return self.digest_identifier
        return algorithm(DIGESTS[self.digest])


def common_name(text: bytes, *, tag: int) -> bytes:
    """Return a Name of one CN, in a string type of one's choice."""
    return seq(unsorted_set(seq(oid("2.5.4.3"), tlv(tag, text))))


def to_ber(encoded: bytes, *, piece: int = 100) -> bytes:
    """Turn DER into the BER of streaming encoders: indefinite lengths, strings in pieces."""
    return parse(encoded).ber(piece=piece)


def key_identifier(identifier: bytes) -> bytes:
    """Return the other way to name a certificate."""
    return implicit(0, identifier)


def degenerate(
    certificates: Sequence[bytes] = (),
    crls: Sequence[bytes] = (),
    *,
    version: int = 1,
    digest_algorithms: Sequence[bytes] = (),
    encapsulated: bytes | None = None,
) -> bytes:
    """Return a SignedData without signers."""
    return content_info(
        SIGNED_DATA,
        seq(
            integer(version),
            unsorted_set(*digest_algorithms),
            seq(oid(DATA)) if encapsulated is None else encapsulated,
            explicit(0, *certificates) if certificates else b"",
            explicit(1, *crls) if crls else b"",
            unsorted_set(),
        ),
    )


# --------------------------------------------------------------------------------- EnvelopedData


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A ContentInfo with EnvelopedData; what is ``None`` becomes what is right for the rest."""

    recipient: Certificate
    content: bytes
    cipher: ContentEncryptionAlgorithm = AES128
    content_key: bytes | None = None
    """What is given to the recipient, who takes it for the content key."""
    iv: bytes | None = None
    inner_type: str = DATA
    version: int = 0
    recipient_version: int = 0
    rid: bytes | None = None
    key_encryption: KeyEncryptionAlgorithm = KeyEncryptionAlgorithm.RSA_PKCS1_V15
    key_encryption_identifier: bytes | None = None
    encrypted_key: bytes | None = None
    cipher_identifier: bytes | None = None
    encrypted_content: bytes | None = None
    pieces: int | None = None
    """Size of the pieces of a constructed encryptedContent; primitive if left open."""
    recipients_before: tuple[bytes, ...] = ()
    recipients_after: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        key = bytes(range(self.cipher.key_size))
        iv = bytes(self.cipher.block_size) if self.iv is None else self.iv
        ciphertext = self.encrypted_content
        if ciphertext is None:
            # An IV of the wrong size goes on the wire only.
            used = iv if len(iv) == self.cipher.block_size else bytes(self.cipher.block_size)
            ciphertext = encrypt(self.cipher, key, used, self.content)
        identifier = self.cipher_identifier
        if identifier is None:
            identifier = algorithm(CIPHERS[self.cipher], octets(iv))
        recipient = self.encode_recipient(key if self.content_key is None else self.content_key)
        recipients = (*self.recipients_before, recipient, *self.recipients_after)
        return content_info(
            ENVELOPED_DATA,
            seq(
                integer(self.version),
                unsorted_set(*recipients),
                seq(oid(self.inner_type), identifier, self._content_field(ciphertext)),
            ),
        )

    def encode_recipient(self, key: bytes = bytes(range(16))) -> bytes:
        """Return the RecipientInfo."""
        encrypted_key = self.encrypted_key
        if encrypted_key is None:
            encrypted_key = keys.provider().encrypt_key(
                self.recipient.public_key, key, self.key_encryption
            )
        identifier = self.key_encryption_identifier
        return seq(
            integer(self.recipient_version),
            issuer_and_serial(self.recipient.der) if self.rid is None else self.rid,
            algorithm(RSA_ENCRYPTION, null()) if identifier is None else identifier,
            octets(encrypted_key),
        )

    def _content_field(self, ciphertext: bytes) -> bytes:
        if self.pieces is None:
            return implicit(0, ciphertext)
        return explicit(0, *map(octets, in_pieces(ciphertext, self.pieces)))


def encrypt(cipher: ContentEncryptionAlgorithm, key: bytes, iv: bytes, content: bytes) -> bytes:
    """Encrypt with any of the ciphers, also with the one that no provider encrypts with."""
    if cipher is ContentEncryptionAlgorithm.DES_CBC:
        # Triple DES with three times the same key is single DES.
        cipher, key = ContentEncryptionAlgorithm.DES_EDE3_CBC, key * 3
    return keys.provider().encrypt_content(key, iv, content, cipher)


# ---------------------------------------------------------------------------------- pkiMessages


def request(
    *,
    message_type: str = "19",
    content: bytes | None = None,
    signer: Identity | None = None,
    transaction_id: str = TRANSACTION_ID,
    sender_nonce: bytes = REQUEST_NONCE,
) -> SignedMessage:
    """Return a request in perfect order, signed by the client unless told otherwise."""
    return SignedMessage(
        signer=keys.client() if signer is None else signer,
        content=content,
        attributes=(
            ("transactionID", (printable(transaction_id),)),
            ("messageType", (printable(message_type),)),
            ("senderNonce", (octets(sender_nonce),)),
        ),
    )


def cert_rep(
    *,
    pki_status: str = "0",
    fail_info: str | None = None,
    content: bytes | None = None,
    signer: Identity | None = None,
    transaction_id: str = TRANSACTION_ID,
) -> SignedMessage:
    """Return a CertRep in perfect order, signed by the CA unless told otherwise."""
    reason = () if fail_info is None else (("failInfo", (printable(fail_info),)),)
    return SignedMessage(
        signer=keys.ca() if signer is None else signer,
        content=content,
        attributes=(
            ("transactionID", (printable(transaction_id),)),
            ("messageType", (printable("3"),)),
            ("pkiStatus", (printable(pki_status),)),
            ("senderNonce", (octets(NONCE),)),
            ("recipientNonce", (octets(REQUEST_NONCE),)),
            *reason,
        ),
    )


def success(
    *certificates: Certificate, recipient: Certificate | None = None, signer: Identity | None = None
) -> SignedMessage:
    """Return a SUCCESS with these certificates, encrypted to the client."""
    envelope = Envelope(
        recipient=keys.client().certificate if recipient is None else recipient,
        content=degenerate([certificate.der for certificate in certificates]),
    )
    return cert_rep(content=envelope.encode(), signer=signer)


def attributes_of(encoded: bytes) -> dict[str, bytes]:
    """Return the single values of the signed attributes of a message by one signer, by name."""
    (signer_info,) = parse(encoded).at(1, 0).children[-1].children
    names = {oid(dotted): name for name, dotted in ATTRIBUTES.items()}
    found = [
        (names[attribute.at(0).dump()], attribute.at(1)) for attribute in signer_info.at(3).children
    ]
    assert all(len(values.children) == 1 for _, values in found)
    assert len(dict(found)) == len(found)
    return {name: values.at(0).dump() for name, values in found}


def reply_to(sent: bytes, *, pki_status: str = "3", content: bytes | None = None) -> SignedMessage:
    """Return the CA's answer to a message, with its transactionID and nonce."""
    asked = attributes_of(sent)
    return (
        cert_rep(pki_status=pki_status, content=content)
        .having("transactionID", asked["transactionID"])
        .having("recipientNonce", asked["senderNonce"])
    )
