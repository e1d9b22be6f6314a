"""Key files: PKCS #8, PKCS #1 and SEC 1 taken apart, whatever the provider.

All private keys come out in one form, an unencrypted PKCS #8 PrivateKeyInfo in DER, or as an error
that says what the file is instead. The two operations that need a provider (a CBC cipher and the
key derivation of PKCS #12) are passed in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, NoReturn

from pyscep import der
from pyscep.algorithms import (
    EC_PUBLIC_KEY_OID,
    RSA_ENCRYPTION_OID,
    RSASSA_PSS_OID,
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyType,
    SignatureAlgorithm,
)
from pyscep.errors import (
    DecodeError,
    DecryptionFailed,
    LimitExceeded,
    SignatureInvalid,
    UnsupportedError,
    UsageError,
    WeakAlgorithm,
)
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.pem import PemBlock

CURVE_OIDS = {
    "1.2.840.10045.3.1.7": "secp256r1",
    "1.3.132.0.34": "secp384r1",
    "1.3.132.0.35": "secp521r1",
}
"""The named curves in use."""

_OTHER_KEY_TYPES = {
    "1.2.840.10040.4.1": "DSA",
    "1.3.101.110": "X25519",
    "1.3.101.111": "X448",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
    RSASSA_PSS_OID: "RSASSA-PSS",
}
_PBES2_OID = "1.2.840.113549.1.5.13"
PBKDF2_OID = "1.2.840.113549.1.5.12"
_PBE_SHA1_3DES_OID = "1.2.840.113549.1.12.1.3"
_OTHER_PASSWORD_SCHEMES = {
    "1.2.840.113549.1.5.3": "pbeWithMD5AndDES-CBC",
    "1.2.840.113549.1.5.10": "pbeWithSHA1AndDES-CBC",
    "1.2.840.113549.1.5.14": "PBMAC1",
    "1.2.840.113549.1.12.1.1": "pbeWithSHAAnd128BitRC4",
    "1.2.840.113549.1.12.1.4": "pbeWithSHAAnd2-KeyTripleDES-CBC",
    "1.2.840.113549.1.12.1.5": "pbeWithSHAAnd128BitRC2-CBC",
    "1.2.840.113549.1.12.1.6": "pbeWithSHAAnd40BitRC2-CBC",
    "1.3.6.1.4.1.11591.4.11": "scrypt",
}
_HMAC_SHA1_OID = "1.2.840.113549.2.7"
_HMAC_SHA256_OID = "1.2.840.113549.2.9"
HMACS = {
    _HMAC_SHA1_OID: DigestAlgorithm.SHA1,
    "1.2.840.113549.2.8": DigestAlgorithm.SHA224,
    _HMAC_SHA256_OID: DigestAlgorithm.SHA256,
    "1.2.840.113549.2.10": DigestAlgorithm.SHA384,
    "1.2.840.113549.2.11": DigestAlgorithm.SHA512,
}
"""The pseudo-random functions of PBKDF2, by OID."""
_CONVERT = (
    "write it anew with OpenSSL: openssl pkcs8 -topk8 -v2 aes-256-cbc for a key, openssl pkcs12 "
    "-legacy and then openssl pkcs12 -export for PKCS #12."
)


_LEGACY_PEM_CIPHERS = frozenset(("AES-128-CBC", "AES-192-CBC", "AES-256-CBC", "DES-EDE3-CBC"))


class KeyEncoding(Enum):
    """How a key file is written."""

    PEM = "pem"
    DER = "der"


class KeyFormat(Enum):
    """What a key file holds."""

    PKCS8 = "pkcs8"
    """PrivateKeyInfo, or EncryptedPrivateKeyInfo with a password; any kind of key."""
    PKCS1 = "pkcs1"
    """RSAPrivateKey, never encrypted; for old software."""


class PasswordTools(NamedTuple):
    """What a provider lends for reading password-protected files."""

    decrypt_content: Callable[[bytes, bytes, bytes, ContentEncryptionAlgorithm], bytes]
    """As ``CryptoProvider.decrypt_content``."""
    pkcs12_kdf: Callable[[DigestAlgorithm, str, bytes, int, int, int], bytes]
    """RFC 7292 appendix B: digest, password, salt, iterations, size, purpose (1, 2 or 3)."""
    limits: Limits = DEFAULT_LIMITS
    """Bounds on iterations and counts."""


# ----------------------------------------------------------------------------------- what it is


class _Structure(Enum):
    PKCS8 = "PrivateKeyInfo"
    ENCRYPTED_PKCS8 = "EncryptedPrivateKeyInfo"
    PKCS1 = "RSAPrivateKey"
    SEC1 = "ECPrivateKey"


_KEY_SHAPES: tuple[tuple[tuple[int, ...], _Structure], ...] = (
    ((der.INTEGER, der.SEQUENCE, der.OCTET_STRING), _Structure.PKCS8),
    ((der.SEQUENCE, der.OCTET_STRING), _Structure.ENCRYPTED_PKCS8),
    ((der.INTEGER,) * 9, _Structure.PKCS1),
    ((der.INTEGER, der.OCTET_STRING), _Structure.SEC1),
)
_OTHER_SHAPES: tuple[tuple[tuple[int, ...], str], ...] = (
    ((der.INTEGER,) * 6, "a DSA private key"),
    ((der.INTEGER,) * 2, "an RSA public key"),
    ((der.SEQUENCE, der.BIT_STRING), "a public key"),
    ((der.SEQUENCE, der.SEQUENCE, der.BIT_STRING), "a certificate, certification request or CRL"),
    ((der.INTEGER, der.SEQUENCE), "a PKCS #12 file (use load_pkcs12)"),
    ((der.OID, der.context(0)), "a CMS message"),
)


def _tags(octets: bytes) -> tuple[int, ...]:
    """Return the first tags inside the one SEQUENCE that *octets* must be."""
    reader = der.Reader(octets)
    inner = reader.enter()
    reader.finish()
    tags: list[int] = []
    while (tag := inner.peek()) is not None and len(tags) < 10:
        tags.append(tag)
        inner.read_raw()
    return tuple(tags)


def _structure_of(octets: bytes) -> _Structure:
    tags = _tags(octets)
    for shape, structure in _KEY_SHAPES:
        if tags[: len(shape)] == shape:
            return structure
    for shape, name in _OTHER_SHAPES:
        if tags[: len(shape)] == shape:
            raise DecodeError(f"This is {name}, not a private key.")
    raise DecodeError("This is not a private key in PKCS #8, PKCS #1 or SEC 1.")


# -------------------------------------------------------------------------------------- PKCS #8


def to_pkcs8(octets: bytes, password: str | None, tools: PasswordTools) -> bytes:
    """Return the plain PKCS #8 PrivateKeyInfo of any DER private key.

    :raises DecodeError: not a private key; says what it is, if known.
    :raises UsageError: encrypted, and no password is given.
    :raises DecryptionFailed: wrong password.
    :raises UnsupportedError: a kind of key, curve or encryption that is not supported.

    Source: RFC 5958; S-19.
    """
    structure = _structure_of(octets)
    if structure is _Structure.ENCRYPTED_PKCS8:
        octets = _decrypt_pkcs8(octets, password, tools)
        structure = _Structure.PKCS8
    if structure is _Structure.PKCS1:
        return _wrap(der.oid(RSA_ENCRYPTION_OID) + der.null(), _checked_rsa(octets))
    if structure is _Structure.SEC1:
        return _wrap(der.oid(EC_PUBLIC_KEY_OID) + _sec1_curve(octets), octets)
    return der.read_der(octets, _read_pkcs8)


def _wrap(algorithm: bytes, key: bytes) -> bytes:
    return der.sequence(der.integer(0), der.sequence(algorithm), der.octet_string(key))


def _decrypt_pkcs8(octets: bytes, password: str | None, tools: PasswordTools) -> bytes:
    def parse(reader: der.Reader) -> tuple[bytes, bytes]:
        outer = reader.enter()
        algorithm, ciphertext = outer.read_raw(), outer.read_octet_string()
        outer.finish()
        return algorithm, ciphertext

    algorithm, ciphertext = der.read_der(octets, parse)
    plain = decrypt_pbe(algorithm, ciphertext, password, tools)
    # A wrong password survives the padding check once in 256 times; then this is garbage.
    if not _is_pkcs8(plain):
        raise DecryptionFailed
    return plain


def _is_pkcs8(octets: bytes) -> bool:
    try:
        return _structure_of(octets) is _Structure.PKCS8
    except DecodeError:
        return False


def _read_pkcs8(reader: der.Reader) -> bytes:
    """Check the kind of key; attributes and the copy of the public key are dropped."""
    outer = reader.enter()
    outer.read_integer()
    algorithm = outer.read_raw()
    key = outer.read_octet_string()
    fields = der.Reader(algorithm).enter()
    oid = fields.read_oid()
    if oid == RSA_ENCRYPTION_OID:
        _checked_rsa(key)
    elif oid == EC_PUBLIC_KEY_OID:
        check_curve(fields)
    else:
        refuse_key_type(oid)
    return der.sequence(der.integer(0), algorithm, der.octet_string(key))


def _checked_rsa(octets: bytes) -> bytes:
    if _structure_of(octets) is not _Structure.PKCS1:
        raise DecodeError("The RSA private key has not the nine numbers of RFC 8017.")
    if der.Reader(octets).enter().read_integer() != 0:
        raise UnsupportedError(
            "RSA keys of more than two primes are not supported; generate an ordinary RSA key.",
            algorithm="multi-prime RSA",
        )
    return octets


def _sec1_curve(octets: bytes) -> bytes:
    fields = der.Reader(octets).enter()
    fields.read_integer()
    fields.read_octet_string()
    parameters = fields.enter_optional(der.context(0))
    if parameters is None:
        raise DecodeError("The EC private key does not name its curve; use PKCS #8.")
    return der.oid(check_curve(parameters))


def check_curve(parameters: der.Reader) -> str:
    """Read ECParameters, which must name a curve in use; return its OID.

    :raises UnsupportedError: another curve, or one that is spelled out.

    Source: RFC 5480 section 2.1.1; S-05.
    """
    oid = parameters.read_oid() if parameters.peek() == der.OID else "explicit parameters"
    if oid not in CURVE_OIDS:
        raise UnsupportedError(
            f"The elliptic curve ({oid}) is not supported; use secp256r1, secp384r1 or secp521r1 "
            "by name.",
            algorithm=oid,
        )
    return oid


def refuse_key_type(oid: str) -> NoReturn:
    """Raise the error for a kind of key that is neither RSA nor EC.

    :raises UnsupportedError: always.

    Source: S-05.
    """
    name = _OTHER_KEY_TYPES.get(oid, oid)
    raise UnsupportedError(
        f"Keys of the kind {name} are not supported; use RSA, or EC on secp256r1.", algorithm=name
    )


def check_rsa_bits(bits: int, bits_min: int, bits_max: int) -> None:
    """Bound the size of an RSA key.

    :raises LimitExceeded: more than *bits_max*, the field ``rsa_bits_max`` of ``Limits``.
    :raises WeakAlgorithm: less than *bits_min*, the field ``rsa_bits_min``.

    Source: S-20.
    """
    if bits > bits_max:
        raise LimitExceeded(
            f"The RSA key has {bits} bits, but Limits.rsa_bits_max allows {bits_max}; raise that "
            "field if such a key is really in use.",
            limit="rsa_bits_max",
            value=bits,
        )
    if bits < bits_min:
        raise WeakAlgorithm(
            f"The RSA key has {bits} bits, but Limits.rsa_bits_min asks for {bits_min}; replace "
            "it by a key of 2048 bits.",
            algorithm=f"RSA-{bits}",
            argument="limits",
        )


def refuse_signature_of_other_key(algorithm: SignatureAlgorithm, key_type: KeyType) -> NoReturn:
    """Raise the error for a signature that no key of this kind can have made.

    :raises SignatureInvalid: always.

    Source: M-35.
    """
    raise SignatureInvalid(
        f"The signature is said to be {algorithm.name}, but the key is an {key_type.name} key; the "
        "message is wrong or forged."
    )


def rsa_private_key_of(pkcs8: bytes) -> bytes:
    """Return the PKCS #1 RSAPrivateKey inside a PrivateKeyInfo."""
    fields = der.Reader(pkcs8).enter()
    fields.read_integer()
    fields.read_raw()
    return fields.read_octet_string()


# ------------------------------------------------------------------------------------ encryption


def decrypt_pbe(
    algorithm: bytes, ciphertext: bytes, password: str | None, tools: PasswordTools
) -> bytes:
    """Decrypt with a password, as an AlgorithmIdentifier of PBES2 or of PKCS #12 says.

    :raises UsageError: no password is given.
    :raises DecryptionFailed: wrong password (or one of another encoding).
    :raises UnsupportedError: another scheme, key derivation or cipher.
    :raises LimitExceeded: more iterations than ``limits.kdf_iterations``.

    Source: RFC 8018 section 6.2; RFC 7292 appendix C; S-19, E-25.
    """
    fields = der.Reader(algorithm).enter()
    scheme = fields.read_oid()
    if scheme == _PBES2_OID:
        key, iv, cipher = _pbes2(fields.enter(), password, tools)
    elif scheme == _PBE_SHA1_3DES_OID:
        key, iv, cipher = _pkcs12_pbe(fields.enter(), password, tools)
    else:
        refuse_scheme(scheme)
    return tools.decrypt_content(key, iv, ciphertext, cipher)


def refuse_scheme(oid: str) -> NoReturn:
    """Raise the error for a protection of files that cannot be read.

    :param oid: its OID, or its name.
    :raises UnsupportedError: always.

    Source: S-05.
    """
    name = _OTHER_PASSWORD_SCHEMES.get(oid, oid)
    raise UnsupportedError(
        f"A file protected with {name} cannot be read; {_CONVERT}", algorithm=name
    )


def check_legacy_pem(block: PemBlock) -> None:
    """Refuse a PEM block under one of OpenSSL's ciphers of old that is not read.

    :raises UnsupportedError: such a cipher.

    Source: S-05.
    """
    if block.cipher not in _LEGACY_PEM_CIPHERS:
        refuse_scheme(f"OpenSSL's PEM encryption with {block.cipher}")


def _pbes2(
    fields: der.Reader, password: str | None, tools: PasswordTools
) -> tuple[bytes, bytes, ContentEncryptionAlgorithm]:
    derivation, encryption = fields.enter(), fields.enter()
    kdf = derivation.read_oid()
    if kdf != PBKDF2_OID:
        refuse_scheme(kdf)
    oid = encryption.read_oid()
    cipher = next((known for known in ContentEncryptionAlgorithm if known.oid == oid), None)
    if cipher is None:
        refuse_scheme(oid)
    iv = encryption.read_octet_string()
    prf, salt, iterations = read_pbkdf2_parameters(derivation.enter())
    if prf not in HMACS:
        refuse_scheme(prf)
    check_iterations(iterations, tools.limits)
    secret = password_bytes(password)
    key = hashlib.pbkdf2_hmac(HMACS[prf].name.lower(), secret, salt, iterations, cipher.key_size)
    return key, iv, cipher


def read_pbkdf2_parameters(fields: der.Reader) -> tuple[str, bytes, int]:
    """Read the contents of PBKDF2-params: OID of the pseudo-random function, salt, iterations.

    :raises DecodeError: not that structure.

    Source: RFC 8018 appendix A.2; E-25.
    """
    salt = fields.read_octet_string()
    iterations = fields.read_integer()
    if fields.peek() == der.INTEGER:
        fields.read_integer()  # keyLength: follows from the cipher
    prf = _HMAC_SHA1_OID if fields.at_end else fields.enter().read_oid()
    return prf, salt, iterations


def pbkdf2_with_sha256(salt: bytes, iterations: int) -> bytes:
    """Return the contents of the AlgorithmIdentifier of PBKDF2 with HMAC-SHA-256.

    Source: RFC 8018 appendix A.2; E-25.
    """
    prf = der.sequence(der.oid(_HMAC_SHA256_OID), der.null())
    parameters = der.sequence(der.octet_string(salt), der.integer(iterations), prf)
    return der.oid(PBKDF2_OID) + parameters


def _pkcs12_pbe(
    fields: der.Reader, password: str | None, tools: PasswordTools
) -> tuple[bytes, bytes, ContentEncryptionAlgorithm]:
    salt, iterations = fields.read_octet_string(), fields.read_integer()
    check_iterations(iterations, tools.limits)
    password_bytes(password)

    def derive(size: int, purpose: int) -> bytes:
        return tools.pkcs12_kdf(
            DigestAlgorithm.SHA1, password or "", salt, iterations, size, purpose
        )

    return derive(24, 1), derive(8, 2), ContentEncryptionAlgorithm.DES_EDE3_CBC


def check_iterations(iterations: int, limits: Limits) -> None:
    """Bound the work that a file asks for.

    :raises LimitExceeded: more than ``limits.kdf_iterations``.
    :raises DecodeError: less than one.

    Source: S-19, E-25.
    """
    limits.check("kdf_iterations", iterations, what="The file asks for {} iterations")
    if iterations < 1:
        raise DecodeError("The file asks for less than one iteration.")


def password_bytes(password: str | None) -> bytes:
    """Encode a password in UTF-8.

    :raises UsageError: there is none, or it cannot be encoded; it is not repeated in the error.
    """
    if password is None:
        raise UsageError("The file is encrypted; give its password.", argument="password")
    try:
        return password.encode("utf-8")
    except UnicodeEncodeError:
        pass
    raise UsageError("The password has a lone surrogate, which UTF-8 lacks.", argument="password")


def encrypt_pkcs8(
    pkcs8: bytes,
    password: str,
    *,
    iterations: int,
    salt: bytes,
    iv: bytes,
    encrypt_content: Callable[[bytes, bytes, bytes, ContentEncryptionAlgorithm], bytes],
) -> bytes:
    """Encrypt a PrivateKeyInfo: PBES2 with PBKDF2, HMAC-SHA-256 and AES-256-CBC.

    Source: RFC 8018 section 6.2; RFC 5958 section 3.
    """
    cipher = ContentEncryptionAlgorithm.AES256_CBC
    secret = password_bytes(password)
    key = hashlib.pbkdf2_hmac("sha256", secret, salt, iterations, cipher.key_size)
    algorithm = der.sequence(
        der.oid(_PBES2_OID),
        der.sequence(
            der.sequence(pbkdf2_with_sha256(salt, iterations)),
            der.sequence(der.oid(cipher.oid), der.octet_string(iv)),
        ),
    )
    return der.sequence(algorithm, der.octet_string(encrypt_content(key, iv, pkcs8, cipher)))
