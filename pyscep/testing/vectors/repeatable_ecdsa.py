"""ECDSA whose signatures are the same each time, for vectors that can be compared byte by byte.

**Only for public test keys.** The random number of each signature follows from key and message
(RFC 6979), and the curve is computed with plain numbers, whose time depends on the key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from pyscep import der, pem
from pyscep.algorithms import KeyEncryptionAlgorithm, KeyType, SignatureAlgorithm
from pyscep.errors import UsageError

# The curve P-256: y² = x³ - 3x + b modulo P; the point G has the order N (SEC 2 section 2.4.2).
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_SIZE = 32
_SIGNATURES = frozenset(each for each in SignatureAlgorithm if each.key_type is KeyType.EC)

_Point = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatableEcKey:
    """A :class:`~pyscep.keys.PrivateKey` on P-256."""

    public_key: bytes
    """The DER SubjectPublicKeyInfo."""
    scalar: int = field(repr=False)
    """The private number."""

    @property
    def signature_algorithms(self) -> AbstractSet[SignatureAlgorithm]:
        """ECDSA with every hash."""
        return _SIGNATURES

    @property
    def key_encryption_algorithms(self) -> AbstractSet[KeyEncryptionAlgorithm]:
        """None: an EC key decrypts nothing."""
        return frozenset()

    def sign(self, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Return the ECDSA-Sig-Value.

        Source: RFC 6979 sections 2.4 and 3.2; RFC 3279 section 2.2.3.
        """
        name = algorithm.digest.name.lower()
        digest = hashlib.new(name, data).digest()
        number = _number(digest)
        secret = _nonce(self.scalar, number, name)
        r = _times(secret, _G)[0] % _N
        s = pow(secret, -1, _N) * (number + r * self.scalar) % _N
        return der.sequence(der.integer(r), der.integer(s))

    def decrypt(self, ciphertext: bytes, algorithm: KeyEncryptionAlgorithm) -> bytes:
        """Refuse.

        :raises UsageError: always.
        """
        del ciphertext, algorithm
        raise UsageError("An EC key decrypts nothing.")


def load_repeatable_key(text: bytes, public_key: bytes) -> RepeatableEcKey:
    """Read a key on P-256 from PKCS #8 in PEM.

    :param public_key: its public key, from a provider that has checked it.
    :raises DecodeError: not that structure.

    Source: RFC 5208 section 5; RFC 5915 section 3.
    """
    block = next(pem.read_blocks(text))
    fields = der.Reader(block.contents).enter()
    fields.read_integer()
    fields.enter()
    numbers = der.Reader(fields.read_octet_string()).enter()
    numbers.read_integer()
    scalar = int.from_bytes(numbers.read_octet_string(), "big")
    return RepeatableEcKey(public_key=public_key, scalar=scalar)


def _number(digest: bytes) -> int:
    """Return the leftmost 256 bits of a hash as a number (bits2int)."""
    return int.from_bytes(digest[:_SIZE], "big")


def _nonce(scalar: int, number: int, name: str) -> int:
    """Return the number of one signature (RFC 6979 section 3.2)."""
    seed = scalar.to_bytes(_SIZE, "big") + (number % _N).to_bytes(_SIZE, "big")
    size = hashlib.new(name).digest_size
    value, key = b"\x01" * size, b"\x00" * size

    def mac(octets: bytes) -> bytes:
        return hmac.digest(key, octets, name)

    for separator in (b"\x00", b"\x01"):
        key = mac(value + separator + seed)
        value = mac(value)
    while True:
        drawn = b""
        while len(drawn) < _SIZE:
            value = mac(value)
            drawn += value
        found = _number(drawn)
        if 1 <= found < _N:
            return found
        key = mac(value + b"\x00")
        value = mac(value)


def _times(factor: int, point: _Point) -> _Point:
    """Add a point to itself so many times; from 1 to the order of the curve less 1."""
    total: _Point | None = None
    for bit in f"{factor:b}":
        if total is not None:
            total = _add(total, total)
        if bit == "1":
            total = point if total is None else _add(total, point)
    if total is None:
        raise UsageError("A point cannot be taken zero times.", argument="factor")
    return total


def _add(left: _Point, right: _Point) -> _Point:
    """Add two points of which neither is the other's negative."""
    (x1, y1), (x2, y2) = left, right
    if left == right:
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, _P)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, _P)
    x3 = (slope * slope - x1 - x2) % _P
    return x3, (slope * (x1 - x3) - y1) % _P
