"""The seam to cryptography: everything that needs no private key, and how keys are made.

pyscep implements no primitive. A provider is an argument of every function that needs one;
where it is left out, :func:`default_provider` is used.
"""

from __future__ import annotations

from typing import Protocol

from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
    SignatureAlgorithm,
)
from pyscep.keys import PrivateKey


class CryptoProvider(Protocol):
    """The cryptographic operations that pyscep needs; stateless and safe to share by threads."""

    @property
    def name(self) -> str:
        """Names the provider in errors."""

    def digest(self, data: bytes, algorithm: DigestAlgorithm) -> bytes:
        """Hash *data*."""

    def verify(
        self, public_key: bytes, signature: bytes, data: bytes, algorithm: SignatureAlgorithm
    ) -> None:
        """Verify *signature* over *data* (not over its digest).

        :param public_key: DER SubjectPublicKeyInfo.
        :raises SignatureInvalid: it does not verify.
        :raises UnsupportedError: this provider does not know the algorithm or the key.
        """

    def encrypt_key(
        self, public_key: bytes, content_key: bytes, algorithm: KeyEncryptionAlgorithm
    ) -> bytes:
        """Encrypt a content key to an RSA public key.

        :param public_key: DER SubjectPublicKeyInfo.
        :raises UnsupportedError: this provider does not know the algorithm or the key.
        """

    def encrypt_content(
        self, key: bytes, iv: bytes, content: bytes, algorithm: ContentEncryptionAlgorithm
    ) -> bytes:
        """Encrypt in CBC mode with PKCS #7 padding.

        :raises UnsupportedError: this provider does not know the algorithm.
        """

    def decrypt_content(
        self, key: bytes, iv: bytes, ciphertext: bytes, algorithm: ContentEncryptionAlgorithm
    ) -> bytes:
        """Decrypt CBC mode and take the PKCS #7 padding off.

        :raises DecryptionFailed: for whatever reason it cannot.
        :raises UnsupportedError: this provider does not know the algorithm.
        """

    def pbkdf2(
        self,
        password: bytes,
        salt: bytes,
        *,
        iterations: int,
        key_length: int,
        digest: DigestAlgorithm,
    ) -> bytes:
        """Derive a key of *key_length* bytes (RFC 8018)."""

    def random_bytes(self, size: int) -> bytes:
        """Return *size* bytes from the system's CSPRNG.

        Source: S-25.
        """

    def generate_rsa_key(self, bits: int) -> PrivateKey:
        """Generate an RSA key of 1024, 2048, 3072 or 4096 bits.

        :raises UsageError: another size.
        """

    def generate_ec_key(self, curve: str) -> PrivateKey:
        """Generate an EC key on ``"secp256r1"``, ``"secp384r1"`` or ``"secp521r1"``.

        :raises UsageError: another curve.
        """

    def load_private_key(self, data: bytes, *, password: str | None = None) -> PrivateKey:
        """Load PKCS #8, PKCS #1 or SEC 1, in PEM or DER, encrypted or not.

        :raises DecodeError: not a private key.
        :raises DecryptionFailed: wrong password.
        :raises UsageError: it is encrypted and no password is given.
        :raises UnsupportedError: a format or cipher that this provider cannot read.
        """


def default_provider() -> CryptoProvider:
    """Return the oscrypto provider: the system's own OpenSSL, Security.framework or CNG.

    :raises ProviderUnavailable: no libcrypto could be loaded; the text says what to do.
    """
    from pyscep.crypto.oscrypto_provider import OscryptoProvider  # noqa: PLC0415  # lazy: 60 ms

    return OscryptoProvider()
