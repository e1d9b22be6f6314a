"""CMS EnvelopedData as SCEP uses it: content encrypted to one certificate, or with a password.

Key transport (RSA) is written and read, and so are password recipients, which RFC 8894 section 3.1
has for keys that cannot decrypt (see :mod:`pyscep.cms_password`). The other kinds of recipients are
recognised and refused by name: key agreement and the rest (E-28).
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import NoReturn, Union

from pyscep import asn1, ber, der
from pyscep.algorithms import (
    MGF1_OID,
    RSA_ENCRYPTION_OID,
    RSAES_OAEP_OID,
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
    KeyType,
    content_encryption_algorithm_from_oid,
    refuse_oid,
)
from pyscep.certificates import Certificate, Identity
from pyscep.cms_password import PasswordRecipient, password_recipient_info, require_readable
from pyscep.crypto import CryptoProvider
from pyscep.errors import (
    DecodeError,
    DecryptionFailed,
    MessageError,
    UnsupportedError,
    WeakAlgorithm,
)
from pyscep.identifiers import CertificateIdentifier, read_identifier
from pyscep.keys import PrivateKey
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.secrecy import hides_locals

STANDARD_CIPHERS: frozenset[ContentEncryptionAlgorithm] = frozenset(
    algorithm for algorithm in ContentEncryptionAlgorithm if not algorithm.legacy
)
"""The ciphers that are read without being named: all AES-CBC (E-10, E-13)."""


class RecipientKind(Enum):
    """The kinds of RecipientInfo besides key transport, by their tag."""

    KEY_AGREEMENT = der.context(1)
    KEY_ENCRYPTION_KEY = der.context(2)
    PASSWORD = der.context(3)
    OTHER = der.context(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTransRecipient:
    """KeyTransRecipientInfo: the content key under an RSA public key.

    Source: RFC 5652 section 6.2.1; E-03, E-07.
    """

    identifier: CertificateIdentifier
    """Whose public key."""
    algorithm_identifier: bytes = field(repr=False)
    """The DER keyEncryptionAlgorithm."""
    encrypted_key: bytes = field(repr=False)
    """The encrypted content key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRecipient:
    """A recipient of a kind that is not read.

    Source: RFC 5652 section 6.2; E-28.
    """

    kind: RecipientKind
    """Which kind."""


Recipient = Union[KeyTransRecipient, PasswordRecipient, OtherRecipient]
"""Any RecipientInfo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopedData:
    """A parsed envelope; make it with :func:`parse_enveloped_data`.

    Source: RFC 5652 section 6.1; RFC 8894 section 3.2.2; E-01.
    """

    recipients: tuple[Recipient, ...]
    """Everyone it is encrypted to."""
    content_encryption_oid: str
    """The content cipher, a dotted OID."""
    _parameters: bytes = field(repr=False)
    encrypted_content: bytes = field(repr=False)
    """The ciphertext."""

    @hides_locals
    def decrypt(
        self,
        identities: Sequence[Identity],
        passwords: Sequence[str] = (),
        *,
        provider: CryptoProvider,
        ciphers: AbstractSet[ContentEncryptionAlgorithm] = STANDARD_CIPHERS,
    ) -> bytes:
        """Decrypt for the first recipient that is one of *identities*, else with a password.

        A content key that cannot be decrypted is replaced by a random one, so that nobody learns
        whether key, padding, length or password was wrong.

        :param passwords: each is tried on the first password recipient, if no recipient is one of
            *identities*.
        :param ciphers: the content ciphers that the caller is willing to read.
        :raises MessageError: encrypted to somebody else.
        :raises WeakAlgorithm: a cipher that is not in *ciphers*.
        :raises UnsupportedError: a cipher, key encryption or recipient that is not supported.
        :raises DecodeError: a malformed algorithm or password recipient.
        :raises LimitExceeded: a key derivation that takes too long.
        :raises DecryptionFailed: for whatever other reason.

        Source: RFC 5652 section 6; E-04, E-09, E-12, E-14, E-16, E-18, A-18, S-06.
        """
        cipher = self.content_encryption_algorithm(ciphers)
        chosen = self._select(identities, passwords)
        if isinstance(chosen, PasswordRecipient):
            iv = self._read_iv(cipher)
            content_key = chosen.content_key(
                passwords, size=cipher.key_size, ciphers=ciphers, provider=provider
            )
            return provider.decrypt_content(content_key, iv, self.encrypted_content, cipher)
        recipient, identity = chosen
        return self._open(recipient, identity.key, cipher, provider)

    def decrypt_with_key(
        self,
        recipient: KeyTransRecipient,
        key: PrivateKey,
        *,
        provider: CryptoProvider,
        ciphers: AbstractSet[ContentEncryptionAlgorithm] = STANDARD_CIPHERS,
    ) -> bytes:
        """Try one recipient with a key whose certificate is not at hand: for looking at messages.

        What comes out of a wrong key is either an error or garbage.

        :raises WeakAlgorithm: a cipher that is not in *ciphers*.
        :raises UnsupportedError: a cipher or key encryption that is not supported.
        :raises DecryptionFailed: for whatever other reason.

        Source: RFC 5652 section 6; E-16, S-06.
        """
        return self._open(recipient, key, self.content_encryption_algorithm(ciphers), provider)

    def _open(
        self,
        recipient: KeyTransRecipient,
        key: PrivateKey,
        cipher: ContentEncryptionAlgorithm,
        provider: CryptoProvider,
    ) -> bytes:
        algorithm = parse_key_encryption(recipient.algorithm_identifier)
        if algorithm not in key.key_encryption_algorithms:
            raise UnsupportedError(
                f"The envelope's content key is encrypted with {algorithm.name}, which this key or "
                "its provider cannot decrypt; configure the peer for RSA PKCS #1 v1.5, or use "
                "another provider.",
                algorithm=algorithm.name,
            )
        iv = self._read_iv(cipher)
        content_key = _decrypt_key(recipient, algorithm, key, cipher, provider)
        return provider.decrypt_content(content_key, iv, self.encrypted_content, cipher)

    def content_encryption_algorithm(
        self, ciphers: AbstractSet[ContentEncryptionAlgorithm] = STANDARD_CIPHERS
    ) -> ContentEncryptionAlgorithm:
        """Return the content cipher, if the caller is willing to read it.

        :raises WeakAlgorithm: it is not in *ciphers*, or forbidden.
        :raises UnsupportedError: it is unknown.

        Source: E-12, E-14, S-05.
        """
        cipher = content_encryption_algorithm_from_oid(self.content_encryption_oid)
        require_readable(cipher, ciphers, "content")
        return cipher

    def addressee(
        self, identities: Sequence[Identity], passwords: Sequence[str] = ()
    ) -> Identity | None:
        """Return the first of *identities* that it is encrypted to; ``None`` is for a password.

        :raises MessageError: encrypted to somebody else.
        :raises UnsupportedError: a kind of recipient that is not supported.

        Source: RFC 5652 section 6.2; E-18, N-07, A-18.
        """
        chosen = self._select(identities, passwords)
        return None if isinstance(chosen, PasswordRecipient) else chosen[1]

    def _select(
        self, identities: Sequence[Identity], passwords: Sequence[str]
    ) -> tuple[KeyTransRecipient, Identity] | PasswordRecipient:
        transported = [r for r in self.recipients if isinstance(r, KeyTransRecipient)]
        for recipient in transported:
            for identity in identities:
                if recipient.identifier.names(identity.certificate):
                    return recipient, identity
        # One message has one recipient (E-20); more would only be more work for a server.
        protected = [r for r in self.recipients if isinstance(r, PasswordRecipient)]
        if protected and passwords:
            return protected[0]
        others = [r for r in self.recipients if not isinstance(r, KeyTransRecipient)]
        if others and not transported:
            _refuse_kind(others[0])
        raise MessageError(
            "The envelope is encrypted to "
            f"{', '.join(str(r.identifier) for r in transported) or 'nobody'}, but this side is "
            f"{', '.join(f'{i.certificate.serial_number:x}' for i in identities)} (serial "
            "numbers); the peer uses another certificate than the one it was given.",
            reference="RFC 8894 section 2.3",
        )

    def _read_iv(self, cipher: ContentEncryptionAlgorithm) -> bytes:
        iv = der.read_der(self._parameters, der.Reader.read_octet_string)
        if len(iv) != cipher.block_size:
            raise DecodeError(
                f"The IV of the envelope has {len(iv)} bytes instead of {cipher.block_size}."
            )
        return iv


def _refuse_kind(recipient: PasswordRecipient | OtherRecipient) -> NoReturn:
    if isinstance(recipient, PasswordRecipient):
        kind, why = RecipientKind.PASSWORD, "and there is no password to open it with"
    else:
        kind, why = recipient.kind, "which is not supported"
    raise UnsupportedError(
        f"The envelope is for a recipient of kind {kind.name}, {why}; use RSA keys on both sides.",
        algorithm=kind.name,
    )


def _decrypt_key(
    recipient: KeyTransRecipient,
    algorithm: KeyEncryptionAlgorithm,
    key: PrivateKey,
    cipher: ContentEncryptionAlgorithm,
    provider: CryptoProvider,
) -> bytes:
    # Drawn in every case, so that success and failure take the same steps (S-06).
    substitute = provider.random_bytes(cipher.key_size)
    try:
        content_key = key.decrypt(recipient.encrypted_key, algorithm)
    except DecryptionFailed:
        return substitute
    return content_key if len(content_key) == cipher.key_size else substitute


# ---------------------------------------------------------------------------------------- writing


def needs_password(recipient: Certificate) -> bool:
    """Whether nothing can be encrypted to its key, so that a password has to do.

    Source: RFC 8894 section 3.1; E-03, E-04, E-05.
    """
    return recipient.key_type is not KeyType.RSA


@hides_locals
def envelop(
    content: bytes,
    *,
    recipient: Certificate,
    password: str | None = None,
    content_encryption_algorithm: ContentEncryptionAlgorithm,
    key_encryption_algorithm: KeyEncryptionAlgorithm = KeyEncryptionAlgorithm.RSA_PKCS1_V15,
    provider: CryptoProvider,
) -> bytes:
    """Return a ContentInfo with an EnvelopedData for one recipient, under a fresh key and IV.

    :param password: used if, and only if, the recipient's key cannot decrypt.
    :raises KeyCapabilityError: it cannot, and the password is missing or short.
    :raises WeakAlgorithm: single DES.
    :raises UnsupportedError: the provider lacks an algorithm.

    Source: RFC 5652 section 6; E-01, E-03 to E-08, E-10, E-12, E-15, E-17, G-24.
    """
    cipher = content_encryption_algorithm
    if cipher is ContentEncryptionAlgorithm.DES_CBC:
        raise WeakAlgorithm(
            "Single DES is never sent (RFC 8894 section 2.9); use AES128_CBC.",
            algorithm=cipher.name,
        )
    content_key = provider.random_bytes(cipher.key_size)
    iv = provider.random_bytes(cipher.block_size)
    by_password = needs_password(recipient)
    if by_password:
        name = str(recipient.subject)
        recipient_info = password_recipient_info(
            content_key, password, recipient=name, cipher=cipher, provider=provider
        )
    else:
        recipient_info = _key_trans_recipient_info(
            content_key, recipient, key_encryption_algorithm, provider
        )
    encrypted_content_info = der.sequence(
        der.oid(asn1.DATA),
        der.sequence(der.oid(cipher.oid), der.octet_string(iv)),
        der.encode(
            der.context(0, constructed=False),
            provider.encrypt_content(content_key, iv, content, cipher),
        ),
    )
    enveloped_data = der.sequence(
        der.integer(3 if by_password else 0),
        der.set_of((recipient_info,)),
        encrypted_content_info,
    )
    return asn1.content_info(asn1.ENVELOPED_DATA, enveloped_data)


def _key_trans_recipient_info(
    content_key: bytes,
    recipient: Certificate,
    algorithm: KeyEncryptionAlgorithm,
    provider: CryptoProvider,
) -> bytes:
    return der.sequence(
        der.integer(0),
        recipient.issuer_and_serial_number,
        _key_encryption_identifier(algorithm),
        der.octet_string(provider.encrypt_key(recipient.public_key, content_key, algorithm)),
    )


@cache
def _key_encryption_identifier(algorithm: KeyEncryptionAlgorithm) -> bytes:
    digest = algorithm.digest
    if digest is None:
        return der.sequence(der.oid(RSA_ENCRYPTION_OID), der.null())
    if digest is DigestAlgorithm.SHA1:
        # The defaults of RSAES-OAEP-params, which DER leaves out.
        return der.sequence(der.oid(RSAES_OAEP_OID), der.sequence())
    digest_identifier = der.sequence(der.oid(digest.oid), der.null())
    parameters = der.sequence(
        der.explicit(0, digest_identifier),
        der.explicit(1, der.sequence(der.oid(MGF1_OID), digest_identifier)),
    )
    return der.sequence(der.oid(RSAES_OAEP_OID), parameters)


# ---------------------------------------------------------------------------------------- reading


def parse_enveloped_data(octets: bytes, *, limits: Limits = DEFAULT_LIMITS) -> EnvelopedData:
    """Parse a ContentInfo with an EnvelopedData, in DER or BER.

    :raises DecodeError: not an EnvelopedData.
    :raises LimitExceeded: larger than *limits* allow.
    :raises MessageError: what is inside is not of type id-data.

    Source: RFC 5652 section 6.1; E-01, E-07, E-17, E-22.
    """
    return ber.read_ber_or_der(
        octets, lambda reader: _read_enveloped(reader, limits), limits=limits
    )


def _read_enveloped(reader: der.Reader, limits: Limits) -> EnvelopedData:
    # EnvelopedData ::= SEQUENCE { version, originatorInfo [0] IMPLICIT OPTIONAL,
    #   recipientInfos SET, encryptedContentInfo, unprotectedAttrs [1] IMPLICIT OPTIONAL }
    fields = asn1.enter_content_info(reader, asn1.ENVELOPED_DATA, "envelopedData")
    fields.read_integer()
    fields.enter_optional(der.context(0))
    recipients = _read_recipients(fields.enter(der.SET, "the RecipientInfos"), limits)
    # EncryptedContentInfo ::= SEQUENCE { contentType, contentEncryptionAlgorithm,
    #   encryptedContent [0] IMPLICIT OCTET STRING OPTIONAL }
    encrypted = fields.enter()
    fields.enter_optional(der.context(1))
    fields.finish()
    inner_type = encrypted.read_oid()
    if inner_type != asn1.DATA:
        raise MessageError(
            f"The encrypted content is of type {inner_type}, but SCEP encrypts id-data.",
            reference="RFC 8894 section 3.2.2",
        )
    algorithm = encrypted.enter()
    oid = algorithm.read_oid()
    parameters = b"" if algorithm.at_end else algorithm.read_raw()
    algorithm.finish()
    if encrypted.at_end:
        encrypted.fail("The envelope has no encrypted content")
    content = encrypted.read_implicit_octet_string(0)
    encrypted.finish()
    return EnvelopedData(
        recipients=recipients,
        content_encryption_oid=oid,
        _parameters=parameters,
        encrypted_content=content,
    )


_RECIPIENT_KINDS: dict[int | None, RecipientKind] = {kind.value: kind for kind in RecipientKind}


def _read_recipients(reader: der.Reader, limits: Limits) -> tuple[Recipient, ...]:
    recipients: list[Recipient] = []
    while not reader.at_end:
        kind = _RECIPIENT_KINDS.get(reader.peek())
        if kind is None:
            recipients.append(_read_key_trans(reader.enter(), limits))
        elif kind is RecipientKind.PASSWORD:
            recipients.append(PasswordRecipient(octets=reader.read_raw(), _limits=limits))
        else:
            reader.read_raw()
            recipients.append(OtherRecipient(kind=kind))
        limits.check("recipients", len(recipients), what="There are {} recipients")
    return tuple(recipients)


def _read_key_trans(fields: der.Reader, limits: Limits) -> KeyTransRecipient:
    # KeyTransRecipientInfo ::= SEQUENCE { version, rid, keyEncryptionAlgorithm, encryptedKey }
    fields.read_integer()
    recipient = KeyTransRecipient(
        identifier=read_identifier(fields, limits=limits),
        algorithm_identifier=fields.read_raw_of(der.SEQUENCE, "the key encryption algorithm"),
        encrypted_key=fields.read_octet_string(),
    )
    fields.finish()
    return recipient


_WRITTEN = {
    _key_encryption_identifier(algorithm): algorithm for algorithm in KeyEncryptionAlgorithm
}
_OAEP = {algorithm.digest: algorithm for algorithm in KeyEncryptionAlgorithm if algorithm.is_oaep}


def parse_key_encryption(octets: bytes) -> KeyEncryptionAlgorithm:
    """Read a DER keyEncryptionAlgorithm: PKCS #1 v1.5, or OAEP with one hash throughout.

    :raises DecodeError: not an AlgorithmIdentifier.
    :raises WeakAlgorithm: it is forbidden.
    :raises UnsupportedError: it is unknown, or OAEP with parameters that nobody uses.

    Source: RFC 4055 section 4.1; E-08, E-09, S-05.
    """
    # Nearly always what is written here too.
    written = _WRITTEN.get(octets)
    if written is not None:
        return written
    fields = der.Reader(octets).enter()
    oid = fields.read_oid()
    if oid == RSA_ENCRYPTION_OID:
        return KeyEncryptionAlgorithm.RSA_PKCS1_V15
    if oid != RSAES_OAEP_OID:
        refuse_oid(oid, "key encryption")
    if fields.at_end:
        return KeyEncryptionAlgorithm.RSA_OAEP_SHA1
    # RSAES-OAEP-params ::= SEQUENCE { hashAlgorithm [0] DEFAULT sha1,
    #   maskGenAlgorithm [1] DEFAULT mgf1SHA1, pSourceAlgorithm [2] DEFAULT pSpecifiedEmpty }
    parameters = fields.enter()
    hash_field = parameters.enter_optional(der.context(0))
    mask_field = parameters.enter_optional(der.context(1))
    label_field = parameters.enter_optional(der.context(2))
    parameters.finish()
    digest = DigestAlgorithm.SHA1 if hash_field is None else asn1.read_digest(hash_field)
    mask = DigestAlgorithm.SHA1 if mask_field is None else asn1.read_mask_generation(mask_field)
    algorithm = _OAEP.get(digest)
    if algorithm is None or mask is not digest or not _is_empty_label(label_field):
        refuse_oid(oid, "key encryption (with these OAEP parameters)")
    return algorithm


def _is_empty_label(field_reader: der.Reader | None) -> bool:
    if field_reader is None:
        return True
    source = field_reader.enter()
    source.read_oid()
    return source.at_end or source.read_octet_string() == b""
