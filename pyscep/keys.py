"""What a private key has to offer, wherever it lives: in memory, in a token, behind a service.

A key is any object with the members of :class:`PrivateKey`; no base class, no registration.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Protocol, runtime_checkable

from pyscep.algorithms import KeyEncryptionAlgorithm, SignatureAlgorithm
from pyscep.errors import KeyCapabilityError


@runtime_checkable
class PrivateKey(Protocol):
    """A private key that can sign, and perhaps decrypt.

    A key that waits for slow hardware may have an attribute ``blocking = True``: then the asyncio
    client steps the exchange in a thread.
    """

    @property
    def public_key(self) -> bytes:
        """The DER SubjectPublicKeyInfo."""

    @property
    def signature_algorithms(self) -> AbstractSet[SignatureAlgorithm]:
        """The signature schemes that :meth:`sign` accepts."""

    @property
    def key_encryption_algorithms(self) -> AbstractSet[KeyEncryptionAlgorithm]:
        """The schemes that :meth:`decrypt` accepts; empty for a key that only signs."""

    def sign(self, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Sign *data* (not its digest: a token may hash itself).

        :returns: the signature; for ECDSA the DER SEQUENCE of r and s.
        """

    def decrypt(self, ciphertext: bytes, algorithm: KeyEncryptionAlgorithm) -> bytes:
        """Decrypt an encrypted content key.

        :raises DecryptionFailed: for whatever reason it cannot.
        """


def require_signing(key: PrivateKey, algorithm: SignatureAlgorithm) -> None:
    """Refuse a key that does not declare *algorithm*, before anything is sent.

    :raises KeyCapabilityError: it does not.

    Source: W-11.
    """
    if algorithm not in key.signature_algorithms:
        known = ", ".join(sorted(a.name for a in key.signature_algorithms)) or "nothing"
        raise KeyCapabilityError(
            f"This key cannot sign with {algorithm.name} (it offers {known}); choose another "
            "digest or key.",
            argument="key",
        )


def require_decryption(key: PrivateKey) -> None:
    """Refuse a key that could never open the CA's reply, before anything is sent.

    :raises KeyCapabilityError: it declares no way to decrypt.

    Source: RFC 8894 section 3.1; W-11.
    """
    if not key.key_encryption_algorithms:
        raise KeyCapabilityError(
            "This key cannot decrypt, so it could never open the CA's reply; use an RSA key that "
            "may decrypt.",
            argument="key",
        )


def is_blocking(key: PrivateKey) -> bool:
    """Whether the key says that it waits for slow hardware (``blocking = True``)."""
    return bool(getattr(key, "blocking", False))
