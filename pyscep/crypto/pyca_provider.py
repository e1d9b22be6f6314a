"""The provider on pyca/cryptography: extra ``[cryptography]``.

It brings its own OpenSSL, so it needs none on the system, and it can what oscrypto cannot: OAEP
with SHA-2, and PSS with any OpenSSL. It is imported only by whoever asks for it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar, NoReturn, Union, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
    KeyType,
    SignatureAlgorithm,
)
from pyscep.crypto.key_files import (
    PasswordTools,
    check_legacy_pem,
    check_rsa_bits,
    password_bytes,
    refuse_scheme,
    refuse_signature_of_other_key,
    to_pkcs8,
)
from pyscep.errors import (
    DecodeError,
    DecryptionFailed,
    SignatureInvalid,
    UnsupportedError,
    UsageError,
    WeakAlgorithm,
)
from pyscep.keys import PrivateKey, require_decryption, require_signing
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.pem import PemBlock, read_private_key
from pyscep.secrecy import hides_locals

_PASSWORD_SIZE = 1023
"""Bytes of a password that OpenSSL takes."""
_RSA_SIZES = (1024, 2048, 3072, 4096)
_CURVES: dict[str, ec.EllipticCurve] = {
    "secp256r1": ec.SECP256R1(),
    "secp384r1": ec.SECP384R1(),
    "secp521r1": ec.SECP521R1(),
}
_HASHES: dict[DigestAlgorithm, hashes.HashAlgorithm] = {
    DigestAlgorithm.SHA1: hashes.SHA1(),  # noqa: S303  # allowed or not by the callers' rules
    DigestAlgorithm.SHA224: hashes.SHA224(),
    DigestAlgorithm.SHA256: hashes.SHA256(),
    DigestAlgorithm.SHA384: hashes.SHA384(),
    DigestAlgorithm.SHA512: hashes.SHA512(),
}
_PrivateKeyObject = Union[rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey]
_PublicKeyObject = Union[rsa.RSAPublicKey, ec.EllipticCurvePublicKey]


def _signature_padding(algorithm: SignatureAlgorithm) -> rsa_padding.AsymmetricPadding:
    if not algorithm.is_pss:
        return rsa_padding.PKCS1v15()
    digest = _HASHES[algorithm.digest]
    return rsa_padding.PSS(mgf=rsa_padding.MGF1(digest), salt_length=digest.digest_size)


def _encryption_padding(algorithm: KeyEncryptionAlgorithm) -> rsa_padding.AsymmetricPadding:
    if algorithm.digest is None:
        return rsa_padding.PKCS1v15()
    digest = _HASHES[algorithm.digest]
    return rsa_padding.OAEP(mgf=rsa_padding.MGF1(digest), algorithm=digest, label=None)


def _public_bytes(key: _PublicKeyObject) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


class PycaPrivateKey:
    """A private key in memory; its repr shows nothing secret, and it is not pickled."""

    __slots__ = ("_key", "_public_key")

    def __init__(self, key: _PrivateKeyObject) -> None:
        self._key = key
        self._public_key = _public_bytes(key.public_key())

    def __repr__(self) -> str:
        kind = "RSA" if isinstance(self._key, rsa.RSAPrivateKey) else "EC"
        fingerprint = hashlib.sha256(self._public_key).hexdigest()
        return f"<PycaPrivateKey {kind}-{self._key.key_size} sha256:{fingerprint}>"

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            "A private key is not pickled; write it with dump_private_key() where secrets belong.",
            argument="key",
        )

    @property
    def public_key(self) -> bytes:
        """The DER SubjectPublicKeyInfo."""
        return self._public_key

    @property
    def signature_algorithms(self) -> AbstractSet[SignatureAlgorithm]:
        """Every scheme for this kind of key."""
        kind = KeyType.RSA if isinstance(self._key, rsa.RSAPrivateKey) else KeyType.EC
        return frozenset(a for a in SignatureAlgorithm if a.key_type is kind)

    @property
    def key_encryption_algorithms(self) -> AbstractSet[KeyEncryptionAlgorithm]:
        """Every scheme for RSA; none for EC."""
        return frozenset(KeyEncryptionAlgorithm if isinstance(self._key, rsa.RSAPrivateKey) else ())

    def sign(self, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Sign *data*.

        :raises KeyCapabilityError: this key does not offer *algorithm*.
        """
        require_signing(self, algorithm)
        digest = _HASHES[algorithm.digest]
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, _signature_padding(algorithm), digest)
        return self._key.sign(data, ec.ECDSA(digest))

    def decrypt(self, ciphertext: bytes, algorithm: KeyEncryptionAlgorithm) -> bytes:
        """Decrypt an encrypted content key.

        :raises DecryptionFailed: for whatever reason it cannot.
        :raises KeyCapabilityError: an EC key, which decrypts nothing.
        """
        require_decryption(self)
        # No other kind comes this far.
        key = cast("rsa.RSAPrivateKey", self._key)
        try:
            return key.decrypt(ciphertext, _encryption_padding(algorithm))
        except ValueError:
            pass
        raise DecryptionFailed

    def dump(self, password: str | None) -> bytes:
        """Return the key as PKCS #8 in PEM, encrypted if a password is given."""
        protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password is not None:
            protection = serialization.BestAvailableEncryption(password_bytes(password))
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
        )


class RepeatableEcKey(PycaPrivateKey):
    """An EC key whose signatures of the same data are the same, for test vectors.

    :param key: has to be an EC key.
    :raises UnsupportedError: cryptography uses an OpenSSL before 3.2.

    Source: RFC 6979.
    """

    __slots__ = ()

    def __init__(self, key: PycaPrivateKey) -> None:
        super().__init__(key._key)  # noqa: SLF001  # of this module
        try:
            ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        except UnsupportedAlgorithm as error:
            raise UnsupportedError(
                "The OpenSSL of cryptography makes no repeatable ECDSA signatures; use one of 3.2 "
                "or later, as comes with cryptography's wheels.",
                algorithm="repeatable ECDSA",
                provider=PycaProvider.name,
            ) from error

    def sign(self, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Sign *data*.

        :raises KeyCapabilityError: this key does not offer *algorithm*.
        """
        require_signing(self, algorithm)
        key = cast("ec.EllipticCurvePrivateKey", self._key)
        return key.sign(data, ec.ECDSA(_HASHES[algorithm.digest], deterministic_signing=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class PycaProvider:
    """Cryptography by pyca/cryptography.

    It has no state: instances are cheap, and threads may share them.
    """

    name: ClassVar[str] = "cryptography"
    """Names the provider in errors."""

    limits: Limits = DEFAULT_LIMITS
    """Bounds on RSA keys and key files."""

    def digest(self, data: bytes, algorithm: DigestAlgorithm) -> bytes:
        """Hash *data*."""
        return hashlib.new(algorithm.name.lower(), data, usedforsecurity=False).digest()

    def random_bytes(self, size: int) -> bytes:
        """Return *size* bytes from the system's CSPRNG.

        :raises UsageError: a negative size.

        Source: S-25.
        """
        if size < 0:
            raise UsageError(f"{size} random bytes were asked for; ask for 0 or more.")
        return os.urandom(size)

    def verify(
        self, public_key: bytes, signature: bytes, data: bytes, algorithm: SignatureAlgorithm
    ) -> None:
        """Verify *signature* over *data*.

        :param public_key: DER SubjectPublicKeyInfo.
        :raises SignatureInvalid: it does not verify, or the key is of another kind.
        :raises DecodeError: *public_key* is not a key.
        :raises LimitExceeded: an RSA key of more than ``limits.rsa_bits_max`` bits.
        :raises WeakAlgorithm: an RSA key of less than ``limits.rsa_bits_min`` bits.
        :raises UnsupportedError: this provider does not know the key.

        Source: S-20.
        """
        key = self._load_public(public_key)
        key_type = KeyType.RSA if isinstance(key, rsa.RSAPublicKey) else KeyType.EC
        if algorithm.key_type is not key_type:
            refuse_signature_of_other_key(algorithm, key_type)
        digest = _HASHES[algorithm.digest]
        try:
            if isinstance(key, rsa.RSAPublicKey):
                return key.verify(signature, data, _signature_padding(algorithm), digest)
            return key.verify(signature, data, ec.ECDSA(digest))
        except InvalidSignature:
            pass
        raise SignatureInvalid("The signature does not verify; do not use what it is over.")

    @hides_locals
    def encrypt_key(
        self, public_key: bytes, content_key: bytes, algorithm: KeyEncryptionAlgorithm
    ) -> bytes:
        """Encrypt a content key to an RSA public key.

        :param public_key: DER SubjectPublicKeyInfo.
        :raises UsageError: the content key is too long for the RSA key.
        :raises UnsupportedError: the key is not RSA.
        """
        key = self._load_public(public_key)
        if not isinstance(key, rsa.RSAPublicKey):
            _refuse(algorithm.name, "this kind of key")
        try:
            return key.encrypt(content_key, _encryption_padding(algorithm))
        except ValueError:
            pass
        raise UsageError(
            f"{len(content_key)} bytes are too many for the recipient's RSA key of "
            f"{key.key_size} bits.",
            argument="content_key",
        )

    @hides_locals
    def encrypt_content(
        self, key: bytes, iv: bytes, content: bytes, algorithm: ContentEncryptionAlgorithm
    ) -> bytes:
        """Encrypt in CBC mode with PKCS #7 padding.

        :raises WeakAlgorithm: single DES, which is never sent.
        :raises UsageError: a key or IV of another length than the algorithm's.

        Source: E-12.
        """
        if algorithm is ContentEncryptionAlgorithm.DES_CBC:
            raise WeakAlgorithm(
                "Single DES is never sent (RFC 8894 section 2.9); use AES128_CBC.",
                algorithm=algorithm.name,
            )
        if (len(key), len(iv)) != (algorithm.key_size, algorithm.block_size):
            raise UsageError(
                f"{algorithm.name} needs a key of {algorithm.key_size} and an IV of "
                f"{algorithm.block_size} bytes.",
                argument="key",
            )
        padder = padding.PKCS7(algorithm.block_size * 8).padder()
        padded = padder.update(content) + padder.finalize()
        encryptor = Cipher(_block_cipher(key, algorithm), CBC(iv)).encryptor()
        return encryptor.update(padded) + encryptor.finalize()

    @hides_locals
    def decrypt_content(
        self, key: bytes, iv: bytes, ciphertext: bytes, algorithm: ContentEncryptionAlgorithm
    ) -> bytes:
        """Decrypt CBC mode and take the PKCS #7 padding off.

        :raises DecryptionFailed: for whatever reason it cannot.

        Source: E-16.
        """
        try:
            decryptor = Cipher(_block_cipher(key, algorithm), CBC(iv)).decryptor()
            padded = decryptor.update(ciphertext) + decryptor.finalize()
            unpadder = padding.PKCS7(algorithm.block_size * 8).unpadder()
            return unpadder.update(padded) + unpadder.finalize()
        except ValueError:
            pass
        raise DecryptionFailed

    @hides_locals
    def pbkdf2(
        self,
        password: bytes,
        salt: bytes,
        *,
        iterations: int,
        key_length: int,
        digest: DigestAlgorithm,
    ) -> bytes:
        """Derive a key of *key_length* bytes (RFC 8018).

        :raises UsageError: no iteration, or no byte.

        Source: E-23.
        """
        if iterations < 1 or key_length < 1:
            raise UsageError("A key derivation needs at least one iteration and one byte.")
        return hashlib.pbkdf2_hmac(digest.name.lower(), password, salt, iterations, key_length)

    def generate_rsa_key(self, bits: int) -> PycaPrivateKey:
        """Generate an RSA key of 1024, 2048, 3072 or 4096 bits.

        :raises UsageError: another size.
        :raises WeakAlgorithm: less than ``limits.rsa_bits_min``.
        """
        if bits not in _RSA_SIZES:
            raise UsageError(
                f"An RSA key of {bits} bits is not offered; use one of "
                f"{', '.join(map(str, _RSA_SIZES))}.",
                argument="bits",
            )
        return self._private_key(rsa.generate_private_key(public_exponent=65537, key_size=bits))

    def generate_ec_key(self, curve: str) -> PycaPrivateKey:
        """Generate an EC key on ``"secp256r1"``, ``"secp384r1"`` or ``"secp521r1"``.

        :raises UsageError: another curve.
        """
        if curve not in _CURVES:
            raise UsageError(
                f"{curve!r} is not a known curve; use one of {', '.join(_CURVES)}.",
                argument="curve",
            )
        return PycaPrivateKey(ec.generate_private_key(_CURVES[curve]))

    @hides_locals
    def load_private_key(self, data: bytes, *, password: str | None = None) -> PycaPrivateKey:
        """Load PKCS #8, PKCS #1 or SEC 1, in PEM or DER, encrypted or not.

        Of a PEM file with several blocks, the first private key is loaded. A password that is not
        needed is ignored.

        :raises DecodeError: not a private key; says what it is instead, if known.
        :raises DecryptionFailed: wrong password.
        :raises UsageError: it is encrypted and no password is given.
        :raises LimitExceeded: more bytes, iterations or RSA bits than :attr:`limits` allows.
        :raises WeakAlgorithm: an RSA key of less than ``limits.rsa_bits_min`` bits.
        :raises UnsupportedError: a kind of key, a curve or an encryption that is not supported.

        Source: RFC 5958, RFC 8017 appendix A.1.2, RFC 5915; S-19, S-20, S-24.
        """
        self.limits.check_size(len(data), what="The key file")
        block = read_private_key(data)
        if block is not None and block.cipher is not None:
            return self._private_key(_load_legacy_pem(block, password))
        tools = PasswordTools(
            decrypt_content=self.decrypt_content, pkcs12_kdf=_no_pkcs12_kdf, limits=self.limits
        )
        pkcs8 = to_pkcs8(data if block is None else block.contents, password, tools)
        try:
            key: object = serialization.load_der_private_key(pkcs8, None)
        except ValueError:
            key = None
        return self._private_key(key)

    def _private_key(self, key: object) -> PycaPrivateKey:
        if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
            raise DecodeError("The private key has the right form, but OpenSSL does not load it.")
        if isinstance(key, rsa.RSAPrivateKey):
            check_rsa_bits(key.key_size, self.limits.rsa_bits_min, self.limits.rsa_bits_max)
        return PycaPrivateKey(key)

    @hides_locals
    def dump_private_key(self, key: PrivateKey, *, password: str | None = None) -> bytes:
        """Return a key of this provider as PKCS #8 in PEM, encrypted if a password is given.

        :raises UsageError: the key is not one of this provider, or the password is empty, longer
            than 1,023 bytes, or cannot be encoded.
        """
        if not isinstance(key, PycaPrivateKey):
            raise UsageError(
                "Only keys that this provider made or loaded can be written.", argument="key"
            )
        if password == "":
            raise UsageError("The password is empty; leave it out instead.", argument="password")
        if password is not None and len(password_bytes(password)) > _PASSWORD_SIZE:
            raise UsageError(
                f"The password is longer than {_PASSWORD_SIZE} bytes, which this provider cannot "
                "use; choose a shorter one.",
                argument="password",
            )
        return key.dump(password)

    def _load_public(self, public_key: bytes) -> _PublicKeyObject:
        try:
            key: object = serialization.load_der_public_key(public_key)
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if isinstance(key, rsa.RSAPublicKey):
            check_rsa_bits(key.key_size, self.limits.rsa_bits_min, self.limits.rsa_bits_max)
            return key
        if isinstance(key, ec.EllipticCurvePublicKey):
            if key.curve.name not in _CURVES:
                _refuse(f"The elliptic curve {key.curve.name}", "SCEP")
            return key
        if key is None:
            raise DecodeError("The bytes are not a usable SubjectPublicKeyInfo.")
        _refuse(type(key).__name__, "SCEP")


def _load_legacy_pem(block: PemBlock, password: str | None) -> object:
    check_legacy_pem(block)
    secret = password_bytes(password)
    try:
        return serialization.load_pem_private_key(block.text, secret)
    except (ValueError, TypeError):
        pass
    raise DecryptionFailed


def _no_pkcs12_kdf(*_: object) -> NoReturn:
    refuse_scheme("pbeWithSHAAnd3-KeyTripleDES-CBC")


def _block_cipher(key: bytes, algorithm: ContentEncryptionAlgorithm) -> AES | TripleDES:
    if algorithm is ContentEncryptionAlgorithm.DES_CBC:
        return TripleDES(key * 3)
    return TripleDES(key) if algorithm.legacy else AES(key)


def _refuse(algorithm: str, what: str) -> NoReturn:
    raise UnsupportedError(
        f"{algorithm} is not possible with {what}.",
        algorithm=algorithm,
        provider=PycaProvider.name,
    )
