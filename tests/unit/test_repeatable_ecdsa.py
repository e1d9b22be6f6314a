"""The ECDSA of the test vectors: as RFC 6979 has it, the same each time, and accepted by others."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("cryptography", reason="the extra [cryptography] is not installed")

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from pyscep import der
from pyscep.algorithms import KeyEncryptionAlgorithm, KeyType, SignatureAlgorithm
from pyscep.crypto.pyca_provider import PycaPrivateKey, PycaProvider, RepeatableEcKey
from pyscep.errors import KeyCapabilityError, ProviderUnavailable, UnsupportedError
from pyscep.testing.vectors import build_vectors
from pyscep.testing.vectors.parties import public_test_key
from tests.helpers import keys

ECDSA = [each for each in SignatureAlgorithm if each.key_type is KeyType.EC]
# RFC 6979 appendix A.2.5.
SCALAR = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
SIGNATURES = {
    b"sample": (
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    ),
    b"test": (
        0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
        0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
    ),
}


def repeatable(name: str = "ec-ca") -> RepeatableEcKey:
    return RepeatableEcKey(PycaProvider().load_private_key(public_test_key(name)))


@pytest.mark.parametrize("message", SIGNATURES)
def test_the_vectors_of_rfc_6979(message: bytes) -> None:
    key = RepeatableEcKey(PycaPrivateKey(ec.derive_private_key(SCALAR, ec.SECP256R1())))
    expected = der.sequence(*map(der.integer, SIGNATURES[message]))
    assert key.sign(message, SignatureAlgorithm.ECDSA_SHA256) == expected


@pytest.mark.parametrize("algorithm", ECDSA)
@pytest.mark.parametrize("name", ["ec-ca", "ec-client-old", "ec-client-new"])
def test_others_verify_it(name: str, algorithm: SignatureAlgorithm) -> None:
    key = repeatable(name)
    signature = key.sign(b"a message", algorithm)
    assert signature == repeatable(name).sign(b"a message", algorithm)
    keys.provider().verify(key.public_key, signature, b"a message", algorithm)


def test_what_it_cannot() -> None:
    key = repeatable()
    with pytest.raises(KeyCapabilityError):
        key.sign(b"a message", SignatureAlgorithm.RSA_SHA256)
    with pytest.raises(KeyCapabilityError):
        key.decrypt(b"", KeyEncryptionAlgorithm.RSA_PKCS1_V15)


def test_an_openssl_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_named: object) -> None:
        raise UnsupportedAlgorithm("not by this OpenSSL")

    monkeypatch.setattr(ec, "ECDSA", refuse)
    with pytest.raises(UnsupportedError, match=r"use one of 3\.2 or later") as caught:
        repeatable()
    assert caught.value.provider == "cryptography"


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyscep.crypto.pyca_provider", None)
    monkeypatch.delattr("pyscep.crypto.pyca_provider")
    with pytest.raises(ProviderUnavailable, match=r"install the extra \[cryptography\]"):
        build_vectors(provider=keys.provider())
