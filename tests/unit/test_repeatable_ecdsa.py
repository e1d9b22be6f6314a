"""The ECDSA of the test vectors: as RFC 6979 has it, the same each time, and accepted by others."""

from __future__ import annotations

import hashlib

import pytest

from pyscep import der
from pyscep.algorithms import KeyEncryptionAlgorithm, KeyType, SignatureAlgorithm
from pyscep.crypto.pyca_provider import PycaProvider
from pyscep.errors import UsageError
from pyscep.keys import PrivateKey
from pyscep.testing.vectors.parties import public_test_key
from pyscep.testing.vectors.repeatable_ecdsa import (
    RepeatableEcKey,
    _nonce,
    _number,
    _times,
    load_repeatable_key,
)

SCALAR = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
ECDSA = [each for each in SignatureAlgorithm if each.key_type is KeyType.EC]
# RFC 6979 appendix A.2.5, for the messages "sample" and "test".
RFC_6979 = [
    (
        SignatureAlgorithm.ECDSA_SHA256,
        b"sample",
        0xA6E3C57DD01ABE90086538398355DD4C3B17AA873382B0F24D6129493D8AAD60,
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    ),
    (
        SignatureAlgorithm.ECDSA_SHA256,
        b"test",
        0xD16B6AE827F17175E040871A1C7EC3500192C4C92677336EC2537ACAEE0008E0,
        0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
        0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
    ),
]


def load(name: str) -> tuple[PrivateKey, RepeatableEcKey]:
    """Return a test key as a provider has it, and as the vectors do."""
    text = public_test_key(name)
    key = PycaProvider().load_private_key(text)
    return key, load_repeatable_key(text, key.public_key)


@pytest.mark.parametrize(("algorithm", "message", "nonce", "r", "s"), RFC_6979)
def test_the_vectors_of_rfc_6979(
    algorithm: SignatureAlgorithm, message: bytes, nonce: int, r: int, s: int
) -> None:
    key = RepeatableEcKey(public_key=b"", scalar=SCALAR)
    number = _number(hashlib.sha256(message).digest())
    assert _nonce(SCALAR, number, "sha256") == nonce
    assert key.sign(message, algorithm) == der.sequence(der.integer(r), der.integer(s))


@pytest.mark.parametrize("algorithm", ECDSA)
@pytest.mark.parametrize("name", ["ec-ca", "ec-client-old", "ec-client-new"])
def test_others_verify_it(name: str, algorithm: SignatureAlgorithm) -> None:
    real, key = load(name)
    signature = key.sign(b"a message", algorithm)
    assert signature == key.sign(b"a message", algorithm)
    PycaProvider().verify(real.public_key, signature, b"a message", algorithm)
    assert algorithm in key.signature_algorithms


def test_it_decrypts_nothing_and_shows_nothing() -> None:
    _real, key = load("ec-ca")
    assert key.key_encryption_algorithms == frozenset()
    with pytest.raises(UsageError):
        key.decrypt(b"", KeyEncryptionAlgorithm.RSA_PKCS1_V15)
    assert str(key.scalar) not in repr(key)
    with pytest.raises(UsageError):
        _times(0, (1, 1))
