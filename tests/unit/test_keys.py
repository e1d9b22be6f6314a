"""pyscep.keys: a key is what has the members of one, and is refused before it is used."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import pytest

from pyscep.algorithms import KeyEncryptionAlgorithm, SignatureAlgorithm
from pyscep.errors import KeyCapabilityError, UsageError
from pyscep.keys import PrivateKey, is_blocking, require_decryption, require_signing
from tests.helpers import keys


@dataclass(frozen=True, kw_only=True)
class Token:
    """A key with no base class; what it can do is what it says."""

    signature_algorithms: AbstractSet[SignatureAlgorithm] = frozenset()
    key_encryption_algorithms: AbstractSet[KeyEncryptionAlgorithm] = frozenset()
    public_key: bytes = b""

    def sign(self, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        raise NotImplementedError

    def decrypt(self, ciphertext: bytes, algorithm: KeyEncryptionAlgorithm) -> bytes:
        raise NotImplementedError


class SlowToken(Token):
    blocking = True


RSA_SHA1, RSA_SHA256 = SignatureAlgorithm.RSA_SHA1, SignatureAlgorithm.RSA_SHA256


def test_a_key_is_what_has_the_members_of_one() -> None:
    key: PrivateKey = Token()
    assert isinstance(key, PrivateKey)
    assert isinstance(keys.rsa(), PrivateKey)
    assert isinstance(keys.ec(), PrivateKey)
    assert not isinstance(b"key", PrivateKey)


@pytest.mark.conforms("W-11")
@pytest.mark.parametrize(
    ("offered", "named"),
    [((), "it offers nothing"), ((RSA_SHA256, RSA_SHA1), "it offers RSA_SHA1, RSA_SHA256")],
)
def test_a_key_that_does_not_offer_the_digest_is_refused(
    offered: tuple[SignatureAlgorithm, ...], named: str
) -> None:
    key = Token(signature_algorithms=frozenset(offered))
    with pytest.raises(KeyCapabilityError, match=rf"RSA_SHA512 \({named}\)") as caught:
        require_signing(key, SignatureAlgorithm.RSA_SHA512)
    assert caught.value.argument == "key"
    assert isinstance(caught.value, UsageError)
    for algorithm in offered:
        require_signing(key, algorithm)


@pytest.mark.conforms("W-11", "E-26")
def test_a_key_that_cannot_decrypt_is_refused() -> None:
    with pytest.raises(KeyCapabilityError, match="could never open the CA's reply") as caught:
        require_decryption(keys.ec())
    assert caught.value.argument == "key"
    require_decryption(keys.rsa())


def test_blocking_is_said_by_the_key() -> None:
    assert is_blocking(SlowToken())
    assert not is_blocking(Token())
    assert not is_blocking(keys.rsa())
