"""Keys of the oscrypto provider: public ones verify and encrypt, private ones sign and decrypt."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

from pyscep import der
from pyscep.algorithms import (
    EC_PUBLIC_KEY_OID,
    RSA_ENCRYPTION_OID,
    KeyEncryptionAlgorithm,
    KeyType,
    SignatureAlgorithm,
)
from pyscep.crypto.key_files import (
    CURVE_OIDS,
    check_curve,
    check_rsa_bits,
    refuse_key_type,
)
from pyscep.crypto.oscrypto_loader import attempt, attempt_loading, load_oscrypto
from pyscep.errors import (
    DecodeError,
    DecryptionFailed,
    UnsupportedError,
    UsageError,
)
from pyscep.keys import require_decryption, require_signing
from pyscep.limits import Limits

USE_PYCA = "use the provider of the extra [cryptography]"
"""The remedy where oscrypto itself lacks something."""
CURVE_BITS = {"secp256r1": 256, "secp384r1": 384, "secp521r1": 521}
"""The curves in use, with their size."""

_RSA_EXPONENT_BITS_MAX = 64
_PUBLIC_KEYS_KEPT = 16


class Scheme(NamedTuple):
    """How oscrypto names a signature scheme."""

    sign: str
    verify: str
    hash_name: str


def _scheme(algorithm: SignatureAlgorithm) -> Scheme:
    rsa = "rsa_pss" if algorithm.is_pss else "rsa_pkcs1v15"
    name = "ecdsa" if algorithm.key_type is KeyType.EC else rsa
    return Scheme(f"{name}_sign", f"{name}_verify", algorithm.digest.name.lower())


SCHEMES = {algorithm: _scheme(algorithm) for algorithm in SignatureAlgorithm}
"""All signature schemes."""
KEY_ENCRYPTION = {
    # How oscrypto names it, and how many bytes of the modulus its padding takes.
    KeyEncryptionAlgorithm.RSA_PKCS1_V15: ("rsa_pkcs1v15", 11),
    KeyEncryptionAlgorithm.RSA_OAEP_SHA1: ("rsa_oaep", 42),
}
"""The ways of key encryption that oscrypto has."""


def refuse(what: str, *, algorithm: str, remedy: str) -> NoReturn:
    """Raise the error for what oscrypto, or the OpenSSL below it, cannot do.

    :raises UnsupportedError: always.
    """
    raise UnsupportedError(
        f"oscrypto cannot {what} here; {remedy}.", algorithm=algorithm, provider="oscrypto"
    )


def decrypted(operation: Callable[..., Any], *arguments: object) -> bytes:
    """Call an operation of oscrypto that fails in one way only, whatever it raises.

    :raises DecryptionFailed: it raises.

    Source: E-16.
    """
    plaintext: bytes | None = attempt(operation, *arguments)
    if plaintext is None:
        raise DecryptionFailed
    return plaintext


# ------------------------------------------------------------------------------------ public keys


class PublicKey(NamedTuple):
    """A public key loaded by oscrypto."""

    key_type: KeyType
    bits: int
    handle: Any


def load_public_key(public_key: bytes, limits: Limits) -> PublicKey:
    """Judge and load a SubjectPublicKeyInfo.

    :raises DecodeError: not a SubjectPublicKeyInfo, or not a key.
    :raises LimitExceeded: an RSA key of more than ``limits.rsa_bits_max`` bits.
    :raises WeakAlgorithm: an RSA key of less than ``limits.rsa_bits_min`` bits.
    :raises UnsupportedError: a kind of key or curve that is not supported.

    Source: S-05, S-20.
    """
    return _load_public_key(public_key, limits.rsa_bits_min, limits.rsa_bits_max)


@lru_cache(maxsize=_PUBLIC_KEYS_KEPT)
def _load_public_key(public_key: bytes, rsa_bits_min: int, rsa_bits_max: int) -> PublicKey:
    # Loading costs two to seven times what a verification costs, and the same CA, RA or client is
    # met again and again: so the last few are kept. The result depends on nothing but the
    # arguments, so all providers share them; failures are not kept.
    key_type, bits = inspect_public_key(public_key, rsa_bits_min, rsa_bits_max)
    handle = attempt_loading(load_oscrypto().asymmetric.load_public_key, public_key)
    if handle is None:
        raise DecodeError(f"The {key_type.name} public key is not one: OpenSSL does not load it.")
    return PublicKey(key_type, bits, handle)


def verify_with(
    key: PublicKey, signature: bytes, data: bytes, algorithm: SignatureAlgorithm
) -> bool | None:
    """Verify a signature; ``None`` if OpenSSL refuses the algorithm.

    The algorithm must fit the key, as oscrypto may crash otherwise.
    """
    library = load_oscrypto()
    scheme = SCHEMES[algorithm]
    outcome = None
    try:
        getattr(library.asymmetric, scheme.verify)(key.handle, signature, data, scheme.hash_name)
    except library.signature_error:
        outcome = False
    except OSError:
        pass
    else:
        return True
    library.drain_errors()
    return outcome


def inspect_public_key(
    public_key: bytes, rsa_bits_min: int, rsa_bits_max: int
) -> tuple[KeyType, int]:
    """Judge a SubjectPublicKeyInfo before OpenSSL gets it; return its kind and size in bits.

    :raises DecodeError: not a SubjectPublicKeyInfo, or impossible numbers.
    :raises LimitExceeded: an RSA key of too many bits.
    :raises WeakAlgorithm: an RSA key of too few bits.
    :raises UnsupportedError: a kind of key or curve that is not supported.

    Source: RFC 5280 section 4.1.2.7; S-05, S-20.
    """
    outer = der.read_der(public_key, der.Reader.enter)
    algorithm = outer.enter()
    oid = algorithm.read_oid()
    contents = outer.read_bit_string()
    outer.finish()
    if oid == EC_PUBLIC_KEY_OID:
        bits = CURVE_BITS[CURVE_OIDS[check_curve(algorithm)]]
        _check_point(contents, (bits + 7) // 8)
        return KeyType.EC, bits
    if oid != RSA_ENCRYPTION_OID:
        refuse_key_type(oid)
    numbers = der.read_der(contents, der.Reader.enter)
    modulus, exponent = (numbers.read_integer(size=len(contents)) for _ in range(2))
    numbers.finish()
    _check_rsa(modulus, exponent, rsa_bits_min, rsa_bits_max)
    return KeyType.RSA, modulus.bit_length()


def _check_point(point: bytes, size: int) -> None:
    # Two coordinates, or one and a sign; so never the point at infinity, which OpenSSL makes of
    # a private key of zero.
    if (point[:1], len(point)) not in (
        (b"\x04", 2 * size + 1),
        (b"\x02", size + 1),
        (b"\x03", size + 1),
    ):
        raise DecodeError("The EC public key is not one: it is not a point of its curve.")


def _check_rsa(modulus: int, exponent: int, bits_min: int, bits_max: int) -> None:
    if modulus < 0 or not modulus & 1 or exponent < 3 or not exponent & 1:
        raise DecodeError("The RSA public key is not one: modulus or exponent is impossible.")
    check_rsa_bits(modulus.bit_length(), bits_min, bits_max)
    if exponent.bit_length() > _RSA_EXPONENT_BITS_MAX:
        refuse(
            "use an RSA exponent of more than 64 bits",
            algorithm="RSA",
            remedy="generate the key with the exponent 65537",
        )


# ----------------------------------------------------------------------------------- private keys


class OscryptoPrivateKey:
    """A private key in memory; only made by ``OscryptoProvider``.

    It never shows, copies or pickles what it holds; ``dump_private_key`` of the provider is the
    one way to save it.

    Source: S-24.
    """

    __slots__ = (
        "_bits",
        "_handle",
        "_key_encryption_algorithms",
        "_key_type",
        "_public_key",
        "_signature_algorithms",
    )

    def __init__(
        self,
        handle: Any,  # noqa: ANN401  # oscrypto has no types
        *,
        public_key: bytes,
        key_type: KeyType,
        bits: int,
    ) -> None:
        self._handle = handle
        self._public_key = public_key
        self._key_type = key_type
        self._bits = bits
        self._signature_algorithms = frozenset(
            algorithm for algorithm in SignatureAlgorithm if _can_sign(algorithm, key_type, bits)
        )
        self._key_encryption_algorithms = frozenset(
            KEY_ENCRYPTION if key_type is KeyType.RSA else ()
        )

    @property
    def public_key(self) -> bytes:
        """The DER SubjectPublicKeyInfo."""
        return self._public_key

    @property
    def signature_algorithms(self) -> AbstractSet[SignatureAlgorithm]:
        """The signature schemes that :meth:`sign` accepts."""
        return self._signature_algorithms

    @property
    def key_encryption_algorithms(self) -> AbstractSet[KeyEncryptionAlgorithm]:
        """The schemes that :meth:`decrypt` accepts; empty for EC."""
        return self._key_encryption_algorithms

    def sign(self, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Sign *data* (not its digest).

        :returns: the signature; for ECDSA the DER SEQUENCE of r and s.
        :raises KeyCapabilityError: this key does not offer *algorithm*.
        :raises UnsupportedError: OpenSSL refuses *algorithm*.

        Source: M-35, M-36.
        """
        require_signing(self, algorithm)
        scheme = SCHEMES[algorithm]
        library = load_oscrypto()
        try:
            signature: bytes = getattr(library.asymmetric, scheme.sign)(
                self._handle, data, scheme.hash_name
            )
        except OSError:
            library.drain_errors()
        else:
            return signature
        refuse(
            f"sign with {algorithm.name}",
            algorithm=algorithm.name,
            remedy="a policy of the system may forbid it (choose SHA-256), or the key is damaged",
        )

    def decrypt(self, ciphertext: bytes, algorithm: KeyEncryptionAlgorithm) -> bytes:
        """Decrypt an encrypted content key.

        :returns: the key; from OpenSSL 3.2 on, random bytes of random length where the PKCS #1
            v1.5 padding is wrong.
        :raises DecryptionFailed: for whatever reason it cannot.
        :raises KeyCapabilityError: an EC key, which decrypts nothing.
        :raises UnsupportedError: OAEP with another hash than SHA-1.

        Source: E-08, E-09, E-16.
        """
        require_decryption(self)
        if algorithm not in KEY_ENCRYPTION:
            refuse(f"decrypt {algorithm.name}", algorithm=algorithm.name, remedy=USE_PYCA)
        name, _ = KEY_ENCRYPTION[algorithm]
        return decrypted(
            getattr(load_oscrypto().asymmetric, f"{name}_decrypt"), self._handle, ciphertext
        )

    def __repr__(self) -> str:
        fingerprint = hashlib.sha256(self._public_key).hexdigest()
        return f"<OscryptoPrivateKey {self._key_type.name}-{self._bits} sha256:{fingerprint}>"

    def __copy__(self) -> OscryptoPrivateKey:
        return self

    def __deepcopy__(self, memo: object) -> OscryptoPrivateKey:
        # It cannot change, and a second owner of the handle would free it twice.
        return self

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            "A private key is not pickled, as it would be readable in the pickle; save it with "
            "dump_private_key().",
            argument="key",
        )


def _can_sign(algorithm: SignatureAlgorithm, key_type: KeyType, bits: int) -> bool:
    if algorithm.key_type is not key_type:
        return False
    if not algorithm.is_pss:
        return True
    version = load_oscrypto().openssl_version
    longest_salt = version is not None and version[:2] == (3, 0)
    # RFC 8017 section 9.1.1: the modulus has room for digest, salt and two bytes.
    return not longest_salt and (bits + 6) // 8 >= 2 * algorithm.digest.size + 2


def pkcs8_of(key: OscryptoPrivateKey) -> bytes:
    """Return the key itself, readable, as PKCS #8 PrivateKeyInfo in DER."""
    octets: bytes = key._handle.asn1.dump()  # noqa: SLF001  # same module
    return octets
