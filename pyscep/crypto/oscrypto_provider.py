"""The default provider: oscrypto, which uses the system's OpenSSL, Security.framework or CNG.

oscrypto has traps, and this is the place that knows them:

- each time it raises, and sometimes when it loads a key, it leaves entries in OpenSSL's error
  queue, so every such call empties the queue afterwards; its error texts may be those of older
  entries and are not looked at;
- an EC key given to one of its RSA functions, or a public key that outlives the certificate it
  came from, crashes the process, so kinds are checked first, and public keys are loaded from their
  SubjectPublicKeyInfo;
- encrypting an empty content writes behind a buffer of no bytes;
- with OpenSSL 3.0 its PSS signatures have the longest salt instead of one as long as the digest,
  so keys do not offer PSS there;
- PKCS #1 v1.5 decryption of garbage raises or, from OpenSSL 3.2 on, returns random bytes. Callers
  must treat both alike: a content key of the wrong length is a failed decryption.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar, NamedTuple, NoReturn

from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
    KeyType,
    SignatureAlgorithm,
)
from pyscep.crypto.key_files import (
    KeyEncoding,
    KeyFormat,
    PasswordTools,
    check_legacy_pem,
    encrypt_pkcs8,
    password_bytes,
    refuse_signature_of_other_key,
    rsa_private_key_of,
    to_pkcs8,
)
from pyscep.crypto.oscrypto_keys import (
    CURVE_BITS,
    KEY_ENCRYPTION,
    USE_PYCA,
    OscryptoPrivateKey,
    decrypted,
    inspect_public_key,
    load_public_key,
    pkcs8_of,
    refuse,
    verify_with,
)
from pyscep.crypto.oscrypto_loader import attempt, attempt_loading, load_oscrypto
from pyscep.crypto.pkcs12 import Pkcs12, choose, read_pkcs12
from pyscep.errors import (
    DecodeError,
    DecryptionFailed,
    SignatureInvalid,
    UsageError,
    WeakAlgorithm,
)
from pyscep.keys import PrivateKey
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.pem import PemBlock, read_private_key, write_pem
from pyscep.secrecy import hides_locals

_PIECE = 64 * 1024
_RSA_SIZES = (1024, 2048, 3072, 4096)
_DUMP_ITERATIONS = 600_000
_DUMP_ITERATIONS_MIN = 10_000


class _Cipher(NamedTuple):
    """How oscrypto names a content cipher, and what it takes."""

    encrypt: str
    decrypt: str
    decrypt_piece: str | None
    key_size: int
    block_size: int
    key_copies: int


def _cipher(algorithm: ContentEncryptionAlgorithm) -> _Cipher:
    name = "tripledes_cbc_pkcs5" if algorithm.legacy else "aes_cbc_pkcs7"
    # OpenSSL 3 has no single DES without its legacy provider; 3DES with three equal keys is it.
    copies = 3 if algorithm is ContentEncryptionAlgorithm.DES_CBC else 1
    sizes = (algorithm.key_size, algorithm.block_size)
    piece = None if algorithm.legacy else "aes_cbc_no_padding_decrypt"
    return _Cipher(f"{name}_encrypt", f"{name}_decrypt", piece, *sizes, copies)


_CIPHERS = {algorithm: _cipher(algorithm) for algorithm in ContentEncryptionAlgorithm}
_HASHES = {algorithm: getattr(hashlib, algorithm.name.lower()) for algorithm in DigestAlgorithm}


@dataclass(frozen=True, slots=True, kw_only=True)
class OscryptoProvider:
    """Cryptography by oscrypto: pure Python over what the operating system has.

    It has no state: instances are cheap, and threads may share them.

    :raises ProviderUnavailable: no libcrypto could be loaded; the text says what to do.
    """

    name: ClassVar[str] = "oscrypto"
    """Names the provider in errors."""

    limits: Limits = DEFAULT_LIMITS
    """Bounds on RSA keys, key files and their iterations."""

    def __post_init__(self) -> None:
        load_oscrypto()

    # --- digests, signatures, random numbers

    def digest(self, data: bytes, algorithm: DigestAlgorithm) -> bytes:
        """Hash *data*."""
        value: bytes = _HASHES[algorithm](data).digest()
        return value

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
        """Verify *signature* over *data* (not over its digest).

        :param public_key: DER SubjectPublicKeyInfo.
        :raises SignatureInvalid: it does not verify.
        :raises DecodeError: *public_key* is not a key.
        :raises LimitExceeded: an RSA key of more than ``limits.rsa_bits_max`` bits.
        :raises WeakAlgorithm: an RSA key of less than ``limits.rsa_bits_min`` bits.
        :raises UnsupportedError: this provider does not know the key, or OpenSSL refuses the
            algorithm.

        Source: M-35, M-36, M-43, S-20.
        """
        key = load_public_key(public_key, self.limits)
        if algorithm.key_type is not key.key_type:
            refuse_signature_of_other_key(algorithm, key.key_type)
        verified = verify_with(key, signature, data, algorithm)
        if verified is None:
            refuse(
                f"verify {algorithm.name}",
                algorithm=algorithm.name,
                remedy="a policy of the system may forbid it, configure the peer for SHA-256",
            )
        if not verified:
            raise SignatureInvalid(
                f"The {algorithm.name} signature does not verify with the key that it has to "
                "verify with; the message was changed, or somebody else signed it."
            )

    # --- encryption

    @hides_locals
    def encrypt_key(
        self, public_key: bytes, content_key: bytes, algorithm: KeyEncryptionAlgorithm
    ) -> bytes:
        """Encrypt a content key to an RSA public key.

        :param public_key: DER SubjectPublicKeyInfo.
        :raises UsageError: *content_key* is longer than the padding allows.
        :raises DecodeError: *public_key* is not a key.
        :raises LimitExceeded: an RSA key of more than ``limits.rsa_bits_max`` bits.
        :raises WeakAlgorithm: an RSA key of less than ``limits.rsa_bits_min`` bits.
        :raises UnsupportedError: OAEP with another hash than SHA-1, or a key that is not RSA.

        Source: RFC 8894 section 3.2.2; E-08, E-09, S-20.
        """
        if algorithm not in KEY_ENCRYPTION:
            refuse(f"encrypt with {algorithm.name}", algorithm=algorithm.name, remedy=USE_PYCA)
        key = load_public_key(public_key, self.limits)
        if key.key_type is not KeyType.RSA:
            refuse("encrypt to an EC key", algorithm="EC", remedy="the recipient needs an RSA key")
        name, overhead = KEY_ENCRYPTION[algorithm]
        room = (key.bits + 7) // 8 - overhead
        if len(content_key) > room:
            raise UsageError(
                f"The content key has {len(content_key)} bytes, but this RSA key encrypts {room} "
                "at most; use a content key of 16 to 32 bytes.",
                argument="content_key",
            )
        library = load_oscrypto()
        ciphertext: bytes | None = attempt(
            getattr(library.asymmetric, f"{name}_encrypt"), key.handle, content_key
        )
        if ciphertext is None:
            refuse(f"encrypt with {algorithm.name}", algorithm=algorithm.name, remedy=USE_PYCA)
        return ciphertext

    @hides_locals
    def encrypt_content(
        self, key: bytes, iv: bytes, content: bytes, algorithm: ContentEncryptionAlgorithm
    ) -> bytes:
        """Encrypt in CBC mode with PKCS #7 padding.

        :raises WeakAlgorithm: single DES, which is never written.
        :raises UsageError: *key* or *iv* has the wrong length.
        :raises UnsupportedError: OpenSSL refuses the algorithm.

        Source: E-10, E-11, E-12, E-13.
        """
        if algorithm is ContentEncryptionAlgorithm.DES_CBC:
            raise WeakAlgorithm(
                "Single DES is never used to encrypt; choose AES128_CBC.", algorithm="DES_CBC"
            )
        cipher = _CIPHERS[algorithm]
        if len(key) != cipher.key_size or len(iv) != cipher.block_size:
            raise UsageError(
                f"{algorithm.name} takes a key of {cipher.key_size} and an IV of "
                f"{cipher.block_size} bytes, not {len(key)} and {len(iv)}.",
                argument="iv" if len(key) == cipher.key_size else "key",
            )
        if not content:
            # oscrypto has no buffer for the one block that this gives. Its ciphertext is the first
            # block of the ciphertext of the padding itself.
            padding = bytes((cipher.block_size,)) * cipher.block_size
            return self.encrypt_content(key, iv, padding, algorithm)[: cipher.block_size]
        encrypted = attempt(getattr(load_oscrypto().symmetric, cipher.encrypt), key, content, iv)
        if encrypted is None:
            refuse(
                f"encrypt with {algorithm.name}",
                algorithm=algorithm.name,
                remedy="a policy of the system may forbid it, choose AES128_CBC",
            )
        ciphertext: bytes = encrypted[1]
        return ciphertext

    @hides_locals
    def decrypt_content(
        self, key: bytes, iv: bytes, ciphertext: bytes, algorithm: ContentEncryptionAlgorithm
    ) -> bytes:
        """Decrypt CBC mode and take the PKCS #7 padding off.

        :raises DecryptionFailed: for whatever reason it cannot.

        Source: E-10, E-11, E-12, E-13, E-16.
        """
        cipher = _CIPHERS[algorithm]
        if (
            len(key) != cipher.key_size
            or len(iv) != cipher.block_size
            or not ciphertext
            or len(ciphertext) % cipher.block_size
        ):
            raise DecryptionFailed
        symmetric = load_oscrypto().symmetric
        # BytesIO hands out what was written without a copy.
        plain = BytesIO()
        position = 0
        # oscrypto has a content up to three times in memory, so a large one (a CRL) is given to it
        # in pieces. In CBC mode each has the block before it as its IV; the last has the padding.
        while cipher.decrypt_piece is not None and len(ciphertext) - position > _PIECE:
            end = position + _PIECE
            operation = getattr(symmetric, cipher.decrypt_piece)
            plain.write(decrypted(operation, key, ciphertext[position:end], iv))
            position, iv = end, ciphertext[end - cipher.block_size : end]
        operation = getattr(symmetric, cipher.decrypt)
        rest = ciphertext[position:]
        plain.write(decrypted(operation, key * cipher.key_copies, rest, iv))
        return plain.getvalue()

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

        :raises UsageError: *iterations* or *key_length* is out of range.

        Source: E-23, E-25.
        """
        for argument, value in (("iterations", iterations), ("key_length", key_length)):
            if not 1 <= value < 2**31:
                raise UsageError(
                    f"PBKDF2 cannot take {value} as {argument}; take 1 or more.", argument=argument
                )
        return hashlib.pbkdf2_hmac(digest.name.lower(), password, salt, iterations, key_length)

    # --- private keys

    def generate_rsa_key(self, bits: int) -> OscryptoPrivateKey:
        """Generate an RSA key of 1024, 2048, 3072 or 4096 bits.

        :raises UsageError: another size.
        :raises WeakAlgorithm: less than ``limits.rsa_bits_min``.
        :raises UnsupportedError: OpenSSL refuses the size.
        """
        if bits not in _RSA_SIZES:
            raise UsageError(
                f"RSA keys of {bits} bits cannot be generated; choose 1024, 2048, 3072 or 4096.",
                argument="bits",
            )
        return self._generate(f"RSA-{bits}", "rsa", bits)

    def generate_ec_key(self, curve: str) -> OscryptoPrivateKey:
        """Generate an EC key on ``"secp256r1"``, ``"secp384r1"`` or ``"secp521r1"``.

        :raises UsageError: another curve.
        :raises UnsupportedError: OpenSSL refuses the curve.
        """
        if curve not in CURVE_BITS:
            raise UsageError(
                f"{curve!r} is not a curve in use; choose secp256r1, secp384r1 or secp521r1.",
                argument="curve",
            )
        return self._generate(curve, "ec", None, curve)

    def _generate(self, algorithm: str, *arguments: object) -> OscryptoPrivateKey:
        pair = attempt_loading(load_oscrypto().asymmetric.generate_pair, *arguments)
        if pair is None:
            refuse(
                f"generate a {algorithm} key",
                algorithm=algorithm,
                remedy="a policy of the system may forbid it, choose RSA-2048",
            )
        return self._private_key(pair[1], pair[0].asn1.dump())

    def _private_key(self, handle: Any, public_key: bytes) -> OscryptoPrivateKey:  # noqa: ANN401
        key_type, bits = inspect_public_key(
            public_key, self.limits.rsa_bits_min, self.limits.rsa_bits_max
        )
        return OscryptoPrivateKey(handle, public_key=public_key, key_type=key_type, bits=bits)

    @hides_locals
    def load_private_key(self, data: bytes, *, password: str | None = None) -> OscryptoPrivateKey:
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
        _require_bytes(data)
        self.limits.check_size(len(data), what="The key file")
        block = read_private_key(data)
        if block is None:
            octets = data
        elif block.cipher is None:
            octets = block.contents
        else:
            octets = self._decrypt_legacy_pem(block, password)
        return self._load_pkcs8(to_pkcs8(octets, password, self._password_tools()))

    def _load_pkcs8(self, pkcs8: bytes) -> OscryptoPrivateKey:
        loaded = attempt_loading(_load_handle, pkcs8)
        if loaded is None:
            raise DecodeError("The private key has the right form, but OpenSSL does not load it.")
        return self._private_key(*loaded)

    def _decrypt_legacy_pem(self, block: PemBlock, password: str | None) -> bytes:
        check_legacy_pem(block)
        secret = password_bytes(password)
        parse = load_oscrypto().keys.parse_private
        return decrypted(lambda: parse(block.text, secret).dump())

    def _password_tools(self) -> PasswordTools:
        return PasswordTools(
            decrypt_content=self.decrypt_content, pkcs12_kdf=_pkcs12_kdf, limits=self.limits
        )

    @hides_locals
    def dump_private_key(
        self,
        key: PrivateKey,
        *,
        password: str | None = None,
        encoding: KeyEncoding = KeyEncoding.PEM,
        format: KeyFormat = KeyFormat.PKCS8,  # noqa: A002  # the word that everybody uses
        iterations: int = _DUMP_ITERATIONS,
    ) -> bytes:
        """Write a private key, with a password as PBES2 (AES-256, PBKDF2 with HMAC-SHA-256).

        :param key: made by this provider.
        :param password: ``None`` writes the key readable for everybody who can read the file.
        :param iterations: of PBKDF2, each time the file is written or read; fewer for slow
            devices whose password is a long random one.
        :raises UsageError: the key is not of this provider, or the arguments do not fit together.

        Source: RFC 5958; RFC 8018 section 6.2; S-24.
        """
        if not isinstance(key, OscryptoPrivateKey):
            raise UsageError(
                "Only keys that OscryptoProvider made can be written by it; use what made the key.",
                argument="key",
            )
        pkcs8 = pkcs8_of(key)
        if format is KeyFormat.PKCS1:
            _check_pkcs1(key, password)
            label, octets = "RSA PRIVATE KEY", rsa_private_key_of(pkcs8)
        elif password is None:
            label, octets = "PRIVATE KEY", pkcs8
        else:
            label, octets = "ENCRYPTED PRIVATE KEY", self._protect(pkcs8, password, iterations)
        return write_pem(label, octets) if encoding is KeyEncoding.PEM else octets

    def _protect(self, pkcs8: bytes, password: str, iterations: int) -> bytes:
        self._check_protection(password, iterations)
        salt, iv = os.urandom(16), os.urandom(16)
        encrypt = self.encrypt_content
        return encrypt_pkcs8(
            pkcs8, password, iterations=iterations, salt=salt, iv=iv, encrypt_content=encrypt
        )

    def _check_protection(self, password: str, iterations: int) -> None:
        if not password:
            raise UsageError(
                "An empty password protects nothing; give one, or None to write the key as it is.",
                argument="password",
            )
        most = self.limits.kdf_iterations
        if not _DUMP_ITERATIONS_MIN <= iterations <= most:
            raise UsageError(
                f"{iterations} iterations are out of range; choose {_DUMP_ITERATIONS_MIN} to "
                f"{most} (Limits.kdf_iterations).",
                argument="iterations",
            )

    @hides_locals
    def load_pkcs12(self, data: bytes, *, password: str | None) -> Pkcs12:
        """Load a private key with its certificates.

        :raises DecodeError: not PKCS #12, or no private key in it.
        :raises DecryptionFailed: wrong password.
        :raises UsageError: it is protected and no password is given.
        :raises LimitExceeded: more bytes, iterations or certificates than :attr:`limits` allows.
        :raises WeakAlgorithm: an RSA key of less than ``limits.rsa_bits_min`` bits.
        :raises UnsupportedError: a protection that is not supported, such as RC2.

        Source: RFC 7292; S-19, S-24.
        """
        _require_bytes(data)
        self.limits.check_size(len(data), what="The PKCS #12 file")
        contents = read_pkcs12(data, password, self._password_tools())
        return choose([self._load_pkcs8(key) for key in contents.keys], contents.certificates)

    @hides_locals
    def dump_pkcs12(self, pkcs12: Pkcs12, *, password: str) -> NoReturn:  # noqa: ARG002
        """Say how to write PKCS #12, which oscrypto cannot.

        :raises UnsupportedError: always.
        """
        refuse(
            "write PKCS #12",
            algorithm="PKCS #12",
            remedy="write PEM and run: openssl pkcs12 -export -inkey key.pem -in cert.pem -out "
            "file.p12",
        )


def _load_handle(pkcs8: bytes) -> tuple[Any, bytes]:
    handle = load_oscrypto().asymmetric.load_private_key(pkcs8)
    return handle, handle.public_key.asn1.dump()


def _require_bytes(data: object) -> None:
    if not isinstance(data, bytes):
        raise UsageError(
            f"Key files are given as bytes, not as {type(data).__name__}; read the file with "
            "open(path, 'rb').",
            argument="data",
        )


def _check_pkcs1(key: OscryptoPrivateKey, password: str | None) -> None:
    if password is not None:
        raise UsageError(
            "PKCS #1 has no encryption worth its name; use KeyFormat.PKCS8 with a password.",
            argument="password",
        )
    if not key.key_encryption_algorithms:
        raise UsageError("PKCS #1 holds RSA keys only; use KeyFormat.PKCS8.", argument="format")


def _pkcs12_kdf(
    digest: DigestAlgorithm, password: str, salt: bytes, iterations: int, size: int, purpose: int
) -> bytes:
    derive = load_oscrypto().kdf.pkcs12_kdf
    secret = password_bytes(password)
    return decrypted(derive, digest.name.lower(), secret, salt, iterations, size, purpose)
