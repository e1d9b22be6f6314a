"""The algorithms that pyscep can name: one list of each kind, with OIDs and strength.

Nothing outside these enums is ever used (S-05). MD5 has no member on purpose; single DES has one
only so that a caller can name it for *reading* replies of servers that send nothing else.
"""

from __future__ import annotations

from enum import Enum
from typing import NoReturn

from pyscep.errors import UnsupportedError, WeakAlgorithm

RSA_ENCRYPTION_OID = "1.2.840.113549.1.1.1"
RSAES_OAEP_OID = "1.2.840.113549.1.1.7"
MGF1_OID = "1.2.840.113549.1.1.8"
RSASSA_PSS_OID = "1.2.840.113549.1.1.10"
EC_PUBLIC_KEY_OID = "1.2.840.10045.2.1"

FORBIDDEN_OIDS: dict[str, str] = {
    "1.2.840.113549.2.2": "MD2",
    "1.2.840.113549.2.5": "MD5",
    "1.2.840.113549.1.1.2": "md2WithRSAEncryption",
    "1.2.840.113549.1.1.4": "md5WithRSAEncryption",
    "1.3.14.3.2.3": "md5WithRSA",
    "1.2.840.113549.3.2": "RC2-CBC",
    "1.2.840.113549.3.4": "RC4",
}
"""Algorithms that are refused by name, in any role (S-04, E-12)."""


class _Algorithm(Enum):
    """Members that are looked up all the time.

    ``Enum`` hashes the name of a member, in Python. There is one object of each, so the object
    itself will do.
    """

    __hash__ = object.__hash__


class KeyType(_Algorithm):
    """The kind of an asymmetric key, by the algorithm of its SubjectPublicKeyInfo."""

    RSA = RSA_ENCRYPTION_OID
    EC = EC_PUBLIC_KEY_OID

    oid: str
    """The dotted OID."""

    def __init__(self, oid: str) -> None:
        self.oid = oid


class DigestAlgorithm(_Algorithm):
    """Hash functions.

    Source: RFC 8894 section 2.9; M-36, C-11.
    """

    SHA1 = ("1.3.14.3.2.26", 20)
    SHA224 = ("2.16.840.1.101.3.4.2.4", 28)
    SHA256 = ("2.16.840.1.101.3.4.2.1", 32)
    SHA384 = ("2.16.840.1.101.3.4.2.2", 48)
    SHA512 = ("2.16.840.1.101.3.4.2.3", 64)

    oid: str
    """The dotted OID."""
    size: int
    """Length of the digest in bytes."""

    def __new__(cls, oid: str, size: int) -> DigestAlgorithm:
        """Make a member of its row in the table; its value is the OID."""
        member = object.__new__(cls)
        member._value_ = member.oid = oid
        member.size = size
        return member

    @property
    def legacy(self) -> bool:
        """Whether it is used only when chosen or allowed by the caller."""
        return self is DigestAlgorithm.SHA1

    @property
    def strength(self) -> int:
        """Orders algorithms from weak to strong."""
        return self.size


class SignatureAlgorithm(_Algorithm):
    """Signature schemes; the PSS members use MGF1 and a salt as long as the digest.

    Source: RFC 8894 section 2.9; M-35, M-36, M-43.
    """

    RSA_SHA1 = ("rsa_sha1", KeyType.RSA, DigestAlgorithm.SHA1, "1.2.840.113549.1.1.5")
    RSA_SHA224 = ("rsa_sha224", KeyType.RSA, DigestAlgorithm.SHA224, "1.2.840.113549.1.1.14")
    RSA_SHA256 = ("rsa_sha256", KeyType.RSA, DigestAlgorithm.SHA256, "1.2.840.113549.1.1.11")
    RSA_SHA384 = ("rsa_sha384", KeyType.RSA, DigestAlgorithm.SHA384, "1.2.840.113549.1.1.12")
    RSA_SHA512 = ("rsa_sha512", KeyType.RSA, DigestAlgorithm.SHA512, "1.2.840.113549.1.1.13")
    RSA_PSS_SHA256 = ("rsa_pss_sha256", KeyType.RSA, DigestAlgorithm.SHA256, RSASSA_PSS_OID)
    RSA_PSS_SHA384 = ("rsa_pss_sha384", KeyType.RSA, DigestAlgorithm.SHA384, RSASSA_PSS_OID)
    RSA_PSS_SHA512 = ("rsa_pss_sha512", KeyType.RSA, DigestAlgorithm.SHA512, RSASSA_PSS_OID)
    ECDSA_SHA1 = ("ecdsa_sha1", KeyType.EC, DigestAlgorithm.SHA1, "1.2.840.10045.4.1")
    ECDSA_SHA224 = ("ecdsa_sha224", KeyType.EC, DigestAlgorithm.SHA224, "1.2.840.10045.4.3.1")
    ECDSA_SHA256 = ("ecdsa_sha256", KeyType.EC, DigestAlgorithm.SHA256, "1.2.840.10045.4.3.2")
    ECDSA_SHA384 = ("ecdsa_sha384", KeyType.EC, DigestAlgorithm.SHA384, "1.2.840.10045.4.3.3")
    ECDSA_SHA512 = ("ecdsa_sha512", KeyType.EC, DigestAlgorithm.SHA512, "1.2.840.10045.4.3.4")

    key_type: KeyType
    """The kind of key that makes such signatures."""
    digest: DigestAlgorithm
    """The hash function inside."""
    oid: str
    """The dotted OID that names scheme and hash together (for PSS, the scheme only)."""

    def __new__(
        cls, value: str, key_type: KeyType, digest: DigestAlgorithm, oid: str
    ) -> SignatureAlgorithm:
        """Make a member of its row in the table."""
        member = object.__new__(cls)
        member._value_ = value
        member.key_type, member.digest, member.oid = key_type, digest, oid
        return member

    @property
    def is_pss(self) -> bool:
        """Whether it is RSASSA-PSS."""
        return self.oid == RSASSA_PSS_OID


class KeyEncryptionAlgorithm(_Algorithm):
    """How a content key is encrypted to an RSA recipient; OAEP uses one hash for everything.

    Source: RFC 8894 section 3.2.2; E-08, E-09.
    """

    RSA_PKCS1_V15 = ("rsa_pkcs1_v15", None)
    RSA_OAEP_SHA1 = ("rsa_oaep_sha1", DigestAlgorithm.SHA1)
    RSA_OAEP_SHA256 = ("rsa_oaep_sha256", DigestAlgorithm.SHA256)
    RSA_OAEP_SHA384 = ("rsa_oaep_sha384", DigestAlgorithm.SHA384)
    RSA_OAEP_SHA512 = ("rsa_oaep_sha512", DigestAlgorithm.SHA512)

    digest: DigestAlgorithm | None
    """The hash of OAEP and of its mask generation; ``None`` for PKCS #1 v1.5."""

    def __new__(cls, value: str, digest: DigestAlgorithm | None) -> KeyEncryptionAlgorithm:
        """Make a member of its row in the table."""
        member = object.__new__(cls)
        member._value_ = value
        member.digest = digest
        return member

    @property
    def is_oaep(self) -> bool:
        """Whether it is RSAES-OAEP."""
        return self.digest is not None


class ContentEncryptionAlgorithm(_Algorithm):
    """Ciphers for the content of an envelope, all in CBC mode.

    Source: RFC 8894 section 2.9; E-10, E-11, E-12, E-13.
    """

    DES_CBC = ("1.3.14.3.2.7", 8, 8)
    """Never sent; read in a reply only where the caller named it."""
    DES_EDE3_CBC = ("1.2.840.113549.3.7", 24, 8)
    AES128_CBC = ("2.16.840.1.101.3.4.1.2", 16, 16)
    AES192_CBC = ("2.16.840.1.101.3.4.1.22", 24, 16)
    AES256_CBC = ("2.16.840.1.101.3.4.1.42", 32, 16)

    oid: str
    """The dotted OID."""
    key_size: int
    """Length of the key in bytes."""
    block_size: int
    """Length of a block and of the IV in bytes."""

    def __new__(cls, oid: str, key_size: int, block_size: int) -> ContentEncryptionAlgorithm:
        """Make a member of its row in the table; its value is the OID."""
        member = object.__new__(cls)
        member._value_ = member.oid = oid
        member.key_size, member.block_size = key_size, block_size
        return member

    @property
    def legacy(self) -> bool:
        """Whether it is used only when chosen or allowed by the caller."""
        return self in (ContentEncryptionAlgorithm.DES_CBC, ContentEncryptionAlgorithm.DES_EDE3_CBC)

    @property
    def strength(self) -> int:
        """Orders algorithms from weak to strong."""
        return self.key_size if not self.legacy else self.key_size // 3


_KEY_TYPES = {kind.oid: kind for kind in KeyType}
_DIGESTS = {algorithm.oid: algorithm for algorithm in DigestAlgorithm}
_CIPHERS = {algorithm.oid: algorithm for algorithm in ContentEncryptionAlgorithm}
# A PSS scheme cannot be told by its OID, and is nobody's default.
_PLAIN_SCHEMES = [algorithm for algorithm in SignatureAlgorithm if not algorithm.is_pss]
_SCHEMES_BY_OID = {algorithm.oid: algorithm for algorithm in _PLAIN_SCHEMES}
_SCHEMES_BY_KEY = {
    (algorithm.key_type, algorithm.digest): algorithm for algorithm in _PLAIN_SCHEMES
}


def key_type_from_oid(oid: str) -> KeyType | None:
    """Look the OID of a kind of key up; ``None`` if it is neither RSA nor EC.

    Source: RFC 5280 section 4.1.2.7.
    """
    return _KEY_TYPES.get(oid)


def signature_algorithm_for(key_type: KeyType, digest: DigestAlgorithm) -> SignatureAlgorithm:
    """Return the default scheme of a kind of key: PKCS #1 v1.5 for RSA, ECDSA for EC.

    Source: M-35.
    """
    return _SCHEMES_BY_KEY[key_type, digest]


def signature_algorithm_from_oid(oid: str) -> SignatureAlgorithm:
    """Look a combined signature OID (such as sha256WithRSAEncryption) up.

    :raises WeakAlgorithm: it is forbidden.
    :raises UnsupportedError: it is unknown.

    Source: M-35, S-05.
    """
    return _SCHEMES_BY_OID.get(oid) or refuse_oid(oid, "signature")


def digest_algorithm_from_oid(oid: str) -> DigestAlgorithm:
    """Look a digest OID up.

    :raises WeakAlgorithm: it is forbidden.
    :raises UnsupportedError: it is unknown.

    Source: M-36, S-05.
    """
    return _DIGESTS.get(oid) or refuse_oid(oid, "digest")


def content_encryption_algorithm_from_oid(oid: str) -> ContentEncryptionAlgorithm:
    """Look a content cipher OID up.

    :raises WeakAlgorithm: it is forbidden.
    :raises UnsupportedError: it is unknown, or an AEAD cipher that SCEP does not have (E-14).

    Source: E-10, E-12, E-14, S-05.
    """
    return _CIPHERS.get(oid) or refuse_oid(oid, "content encryption")


def refuse_oid(oid: str, role: str) -> NoReturn:
    """Raise the error that fits an OID which is not in any of the lists above.

    :raises WeakAlgorithm: it is forbidden.
    :raises UnsupportedError: it is unknown.

    Source: S-04, S-05.
    """
    if oid in FORBIDDEN_OIDS:
        name = FORBIDDEN_OIDS[oid]
        raise WeakAlgorithm(
            f"The peer used {name} as {role} algorithm, which is never accepted; configure the "
            "peer for SHA-256 and AES.",
            algorithm=name,
        )
    raise UnsupportedError(
        f"The {role} algorithm {oid} is not one that SCEP uses; configure the peer for SHA-256, "
        "AES-128-CBC and RSA.",
        algorithm=oid,
    )
