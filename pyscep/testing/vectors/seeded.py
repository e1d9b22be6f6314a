"""Test data that is the same everywhere: all that is random is drawn from a seed.

**Nothing here is for use.** Who knows the seed knows every content key. It makes test messages that
can be compared byte by byte, with keys that are public anyway.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import NoReturn

from pyscep import der
from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
    SignatureAlgorithm,
)
from pyscep.crypto import CryptoProvider
from pyscep.errors import UsageError
from pyscep.keys import PrivateKey


@dataclass(slots=True, kw_only=True, eq=False)
class SeededProvider:
    """A :class:`~pyscep.crypto.CryptoProvider` whose randomness is a function of seed and label.

    Each label is a stream of its own, so that one vector more changes no other. The padding of RSA
    encryption, which libraries fill with randomness of their own, is made here too.
    """

    base: CryptoProvider = field(repr=False)
    """Does everything that is not random."""
    seed: int
    """The seed."""
    label: str
    """Names the stream."""
    _block: int = 0
    _rest: bytes = field(default=b"", repr=False)

    @property
    def name(self) -> str:
        """Names the provider in errors."""
        return f"{self.base.name} with the seed {self.seed}"

    def random_bytes(self, size: int) -> bytes:
        """Return the next *size* bytes of the stream."""
        drawn = self._rest
        while len(drawn) < size:
            text = f"pyscep vectors 1/{self.seed}/{self.label}/{self._block}"
            drawn += hashlib.sha256(text.encode()).digest()
            self._block += 1
        self._rest = drawn[size:]
        return drawn[:size]

    def encrypt_key(
        self, public_key: bytes, content_key: bytes, algorithm: KeyEncryptionAlgorithm
    ) -> bytes:
        """Encrypt to an RSA key, with a padding that comes from the stream.

        The public operation alone is done here, on public test keys; whatever protects something
        uses the base provider.

        Source: RFC 8017 sections 7.1.1 and 7.2.1.
        """
        modulus, exponent = _rsa_numbers(public_key)
        size = (modulus.bit_length() + 7) // 8
        digest = algorithm.digest
        if digest is None:
            padding = self.random_bytes(size - len(content_key) - 3)
            # No byte of it may be zero.
            nonzero = bytes(1 + octet % 255 for octet in padding)
            block = b"\x00\x02" + nonzero + b"\x00" + content_key
        else:
            block = self._oaep(content_key, size, digest)
        number = pow(int.from_bytes(block, "big"), exponent, modulus)
        return number.to_bytes(size, "big")

    def _oaep(self, content_key: bytes, size: int, digest: DigestAlgorithm) -> bytes:
        seed = self.random_bytes(digest.size)
        zeros = bytes(size - len(content_key) - 2 * digest.size - 2)
        data = self.digest(b"", digest) + zeros + b"\x01" + content_key
        masked = _xor(data, self._mask(seed, len(data), digest))
        return b"\x00" + _xor(seed, self._mask(masked, len(seed), digest)) + masked

    def _mask(self, seed: bytes, size: int, digest: DigestAlgorithm) -> bytes:
        blocks = range(-(-size // digest.size))
        mask = b"".join(self.digest(seed + n.to_bytes(4, "big"), digest) for n in blocks)
        return mask[:size]

    # ------------------------------------------------------------- what the base provider does

    def digest(self, data: bytes, algorithm: DigestAlgorithm) -> bytes:
        """See :class:`~pyscep.crypto.CryptoProvider`."""
        return self.base.digest(data, algorithm)

    def verify(
        self, public_key: bytes, signature: bytes, data: bytes, algorithm: SignatureAlgorithm
    ) -> None:
        """See :class:`~pyscep.crypto.CryptoProvider`."""
        self.base.verify(public_key, signature, data, algorithm)

    def encrypt_content(
        self, key: bytes, iv: bytes, content: bytes, algorithm: ContentEncryptionAlgorithm
    ) -> bytes:
        """See :class:`~pyscep.crypto.CryptoProvider`."""
        return self.base.encrypt_content(key, iv, content, algorithm)

    def decrypt_content(
        self, key: bytes, iv: bytes, ciphertext: bytes, algorithm: ContentEncryptionAlgorithm
    ) -> bytes:
        """See :class:`~pyscep.crypto.CryptoProvider`."""
        return self.base.decrypt_content(key, iv, ciphertext, algorithm)

    def pbkdf2(
        self,
        password: bytes,
        salt: bytes,
        *,
        iterations: int,
        key_length: int,
        digest: DigestAlgorithm,
    ) -> bytes:
        """See :class:`~pyscep.crypto.CryptoProvider`."""
        return self.base.pbkdf2(
            password, salt, iterations=iterations, key_length=key_length, digest=digest
        )

    def load_private_key(self, data: bytes, *, password: str | None = None) -> PrivateKey:
        """See :class:`~pyscep.crypto.CryptoProvider`."""
        return self.base.load_private_key(data, password=password)

    def generate_rsa_key(self, bits: int) -> PrivateKey:
        """Refuse: a generated key would be another one each time.

        :raises UsageError: always.
        """
        del bits
        _refuse_generation()

    def generate_ec_key(self, curve: str) -> PrivateKey:
        """Refuse: a generated key would be another one each time.

        :raises UsageError: always.
        """
        del curve
        _refuse_generation()


def _refuse_generation() -> NoReturn:
    raise UsageError("No key can be generated from a seed; load one of the public test keys.")


def _rsa_numbers(public_key: bytes) -> tuple[int, int]:
    fields = der.Reader(public_key).enter()
    fields.read_raw()
    contents = fields.read_bit_string()
    numbers = der.Reader(contents).enter()
    return numbers.read_integer(size=len(contents)), numbers.read_integer()


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right, strict=True))
