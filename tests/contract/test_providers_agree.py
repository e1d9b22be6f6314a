"""Both providers do the same: what one makes, the other reads, and they refuse alike."""

from __future__ import annotations

import pickle
from typing import Protocol

import pytest

from pyscep import der
from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
    KeyType,
    SignatureAlgorithm,
)
from pyscep.crypto import CryptoProvider, default_provider
from pyscep.errors import (
    DecodeError,
    DecryptionFailed,
    KeyCapabilityError,
    LimitExceeded,
    SignatureInvalid,
    UnsupportedError,
    UsageError,
    WeakAlgorithm,
)
from pyscep.keys import PrivateKey
from pyscep.limits import Limits
from pyscep.pem import read_private_key

pytest.importorskip("cryptography", reason="the extra [cryptography] is not installed")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.crypto.pyca_provider import PycaProvider


class Provider(CryptoProvider, Protocol):
    """What both providers offer besides the protocol."""

    def dump_private_key(self, key: PrivateKey, *, password: str | None = None) -> bytes: ...


OSCRYPTO: Provider = OscryptoProvider()
PYCA: Provider = PycaProvider()
PROVIDERS = pytest.mark.parametrize("provider", [OSCRYPTO, PYCA], ids=lambda p: p.name)
PAIRS = pytest.mark.parametrize(
    ("one", "other"), [(OSCRYPTO, PYCA), (PYCA, OSCRYPTO)], ids=["oscrypto-pyca", "pyca-oscrypto"]
)
OSCRYPTO_ENCRYPTS_KEYS = (
    KeyEncryptionAlgorithm.RSA_PKCS1_V15,
    KeyEncryptionAlgorithm.RSA_OAEP_SHA1,
)
CIPHERS = [a for a in ContentEncryptionAlgorithm if a is not ContentEncryptionAlgorithm.DES_CBC]


@pytest.fixture(scope="module")
def rsa_pem() -> bytes:
    return OSCRYPTO.dump_private_key(default_provider().generate_rsa_key(2048))


@pytest.fixture(scope="module")
def ec_pem() -> bytes:
    return PYCA.dump_private_key(PYCA.generate_ec_key("secp256r1"))


@PAIRS
@pytest.mark.parametrize("algorithm", SignatureAlgorithm, ids=lambda a: a.name)
def test_signatures(
    one: Provider, other: Provider, algorithm: SignatureAlgorithm, rsa_pem: bytes, ec_pem: bytes
) -> None:
    key = one.load_private_key(rsa_pem if algorithm.key_type is KeyType.RSA else ec_pem)
    if algorithm not in key.signature_algorithms:
        assert algorithm.is_pss  # oscrypto makes wrong ones with OpenSSL 3.0, and says so
        return
    signature = key.sign(b"data", algorithm)
    other.verify(key.public_key, signature, b"data", algorithm)
    with pytest.raises(SignatureInvalid):
        other.verify(key.public_key, signature, b"other data", algorithm)


@PAIRS
@pytest.mark.parametrize("algorithm", KeyEncryptionAlgorithm, ids=lambda a: a.name)
@pytest.mark.conforms("E-09")
def test_key_encryption(
    one: Provider, other: Provider, algorithm: KeyEncryptionAlgorithm, rsa_pem: bytes
) -> None:
    key = other.load_private_key(rsa_pem)
    if one.name == "oscrypto" and algorithm not in OSCRYPTO_ENCRYPTS_KEYS:
        with pytest.raises(UnsupportedError) as caught:
            one.encrypt_key(key.public_key, b"0123456789abcdef", algorithm)
        assert caught.value.algorithm == algorithm.name
        return
    encrypted = one.encrypt_key(key.public_key, b"0123456789abcdef", algorithm)
    if algorithm not in key.key_encryption_algorithms:
        assert other.name == "oscrypto"
        return
    assert key.decrypt(encrypted, algorithm) == b"0123456789abcdef"


@PAIRS
@pytest.mark.parametrize("algorithm", CIPHERS, ids=lambda a: a.name)
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 2000])
def test_content(
    one: Provider, other: Provider, algorithm: ContentEncryptionAlgorithm, size: int
) -> None:
    key, iv = one.random_bytes(algorithm.key_size), one.random_bytes(algorithm.block_size)
    content = one.random_bytes(size)
    encrypted = one.encrypt_content(key, iv, content, algorithm)
    assert encrypted == other.encrypt_content(key, iv, content, algorithm)
    assert other.decrypt_content(key, iv, encrypted, algorithm) == content


@pytest.mark.conforms("E-12")
def test_single_des_is_read_and_never_written() -> None:
    des, triple = ContentEncryptionAlgorithm.DES_CBC, ContentEncryptionAlgorithm.DES_EDE3_CBC
    encrypted = PYCA.encrypt_content(b"8 bytes!" * 3, b"\0" * 8, b"content", triple)
    for provider in (OSCRYPTO, PYCA):
        assert provider.decrypt_content(b"8 bytes!", b"\0" * 8, encrypted, des) == b"content"
        with pytest.raises(WeakAlgorithm):
            provider.encrypt_content(b"8 bytes!", b"\0" * 8, b"content", des)


@PROVIDERS
@pytest.mark.conforms("E-16")
@pytest.mark.parametrize(
    ("key", "iv", "ciphertext"),
    [
        (b"k" * 16, b"i" * 16, b"c" * 16),
        (b"k" * 16, b"i" * 16, b"c" * 17),
        (b"k" * 16, b"i" * 16, b""),
        (b"k" * 15, b"i" * 16, b"c" * 16),
        (b"k" * 16, b"i" * 15, b"c" * 16),
    ],
)
def test_undecryptable_content(
    provider: Provider, key: bytes, iv: bytes, ciphertext: bytes
) -> None:
    with pytest.raises(DecryptionFailed) as caught:
        provider.decrypt_content(key, iv, ciphertext, ContentEncryptionAlgorithm.AES128_CBC)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@PROVIDERS
def test_digests_and_derived_keys(provider: Provider) -> None:
    for algorithm in DigestAlgorithm:
        assert len(provider.digest(b"", algorithm)) == algorithm.size
    # RFC 6070, second vector.
    key = provider.pbkdf2(
        b"password", b"salt", iterations=2, key_length=20, digest=DigestAlgorithm.SHA1
    )
    assert key.hex() == "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"


@PAIRS
def test_key_files(one: Provider, other: Provider, ec_pem: bytes) -> None:
    for key in (one.load_private_key(ec_pem), one.generate_rsa_key(1024)):
        clear = one.dump_private_key(key)
        assert other.load_private_key(clear).public_key == key.public_key
        encrypted = one.dump_private_key(key, password="pässword")
        assert other.load_private_key(encrypted, password="pässword").public_key == key.public_key
        with pytest.raises(DecryptionFailed):
            other.load_private_key(encrypted, password="wrong")
        with pytest.raises(UsageError):
            other.load_private_key(encrypted)


@PROVIDERS
def test_refusals(provider: Provider, rsa_pem: bytes, ec_pem: bytes) -> None:
    rsa_key, ec_key = provider.load_private_key(rsa_pem), provider.load_private_key(ec_pem)
    aes, v15 = ContentEncryptionAlgorithm.AES128_CBC, KeyEncryptionAlgorithm.RSA_PKCS1_V15
    with pytest.raises(UsageError):
        provider.generate_rsa_key(1000)
    with pytest.raises(UsageError):
        provider.generate_ec_key("secp112r1")
    with pytest.raises(UsageError):
        provider.random_bytes(-1)
    with pytest.raises(UsageError):
        provider.encrypt_content(b"k", b"i", b"c", aes)
    with pytest.raises(UsageError):
        provider.encrypt_key(rsa_key.public_key, b"x" * 300, v15)
    with pytest.raises(UnsupportedError):
        provider.encrypt_key(ec_key.public_key, b"x" * 16, v15)
    with pytest.raises(DecodeError):
        provider.encrypt_key(b"no key", b"x" * 16, v15)
    with pytest.raises(DecodeError):
        provider.load_private_key(b"no key")
    with pytest.raises(DecryptionFailed):
        rsa_key.decrypt(b"\0" * 255, v15)
    assert not ec_key.key_encryption_algorithms
    with pytest.raises(UsageError):
        pickle.dumps(rsa_key)
    for key in (rsa_key, ec_key):
        assert "sha256:" in repr(key)


@PROVIDERS
def test_keys_of_the_other_kind(provider: Provider, rsa_pem: bytes, ec_pem: bytes) -> None:
    rsa_key, ec_key = provider.load_private_key(rsa_pem), provider.load_private_key(ec_pem)
    with pytest.raises(KeyCapabilityError):
        ec_key.decrypt(b"", KeyEncryptionAlgorithm.RSA_PKCS1_V15)
    with pytest.raises(KeyCapabilityError):
        ec_key.sign(b"", SignatureAlgorithm.RSA_SHA256)
    with pytest.raises(SignatureInvalid, match="but the key is an RSA key"):
        provider.verify(rsa_key.public_key, b"", b"", SignatureAlgorithm.ECDSA_SHA256)
    with pytest.raises(SignatureInvalid, match="but the key is an EC key"):
        provider.verify(ec_key.public_key, b"", b"", SignatureAlgorithm.RSA_SHA256)


@PROVIDERS
def test_what_a_password_cannot_be(provider: Provider, rsa_pem: bytes) -> None:
    other = PYCA if provider is OSCRYPTO else OSCRYPTO
    key = provider.load_private_key(rsa_pem, password="not needed, so ignored")
    with pytest.raises(UsageError):
        provider.dump_private_key(key, password="")
    with pytest.raises(UsageError):
        provider.dump_private_key(other.load_private_key(rsa_pem))
    with pytest.raises(UsageError):
        provider.pbkdf2(b"", b"", iterations=0, key_length=1, digest=DigestAlgorithm.SHA1)


def written(
    pem: bytes,
    encoding: serialization.Encoding,
    form: serialization.PrivateFormat,
    protection: serialization.KeySerializationEncryption,
) -> bytes:
    """Return a key in a form that neither provider writes."""
    key = serialization.load_pem_private_key(pem, None)
    return key.private_bytes(encoding, form, protection)


@PROVIDERS
@pytest.mark.parametrize(
    ("encoding", "form"),
    [
        (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL),
        (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8),
        (serialization.Encoding.DER, serialization.PrivateFormat.PKCS8),
    ],
)
@pytest.mark.conforms("S-24")
def test_protected_key_files(
    provider: Provider,
    encoding: serialization.Encoding,
    form: serialization.PrivateFormat,
    rsa_pem: bytes,
) -> None:
    protected = written(rsa_pem, encoding, form, serialization.BestAvailableEncryption(b"secret"))
    key = provider.load_private_key(protected, password="secret")
    assert key.public_key == provider.load_private_key(rsa_pem).public_key
    with pytest.raises(DecryptionFailed) as caught:
        provider.load_private_key(protected, password="wrong")
    assert caught.value.__context__ is None
    with pytest.raises(UsageError) as refused:
        provider.load_private_key(protected)
    assert refused.value.argument == "password"


@PROVIDERS
@pytest.mark.conforms("S-05")
def test_a_cipher_of_old_that_is_not_read(provider: Provider, rsa_pem: bytes) -> None:
    protected = written(
        rsa_pem,
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"secret"),
    ).replace(b"AES-256-CBC", b"CAMELLIA-256-CBC")
    with pytest.raises(UnsupportedError, match="CAMELLIA"):
        provider.load_private_key(protected, password="secret")


@pytest.mark.conforms("S-19")
def test_the_work_that_a_key_file_asks_for_is_bounded(rsa_pem: bytes) -> None:
    slow = OscryptoProvider().dump_private_key(
        OSCRYPTO.load_private_key(rsa_pem), password="secret", iterations=20_000
    )
    for provider in (OscryptoProvider, PycaProvider):
        with pytest.raises(LimitExceeded) as caught:
            provider(limits=Limits(kdf_iterations=10_000)).load_private_key(slow, password="secret")
        assert caught.value.limit == "kdf_iterations"


@pytest.mark.conforms("S-20")
def test_private_keys_are_bounded_too(rsa_pem: bytes) -> None:
    for provider in (OscryptoProvider, PycaProvider):
        with pytest.raises(WeakAlgorithm):
            provider(limits=Limits(rsa_bits_min=3072)).load_private_key(rsa_pem)
        with pytest.raises(WeakAlgorithm):
            provider(limits=Limits(rsa_bits_min=2048)).generate_rsa_key(1024)
        with pytest.raises(LimitExceeded):
            provider(limits=Limits(rsa_bits_max=1024)).load_private_key(rsa_pem)


def test_only_oscrypto_has_the_derivation_of_pkcs12() -> None:
    scheme = der.oid("1.2.840.113549.1.12.1.3")
    parameters = der.sequence(der.octet_string(b"saltsalt"), der.integer(2048))
    protected = der.sequence(der.sequence(scheme, parameters), der.octet_string(bytes(64)))
    with pytest.raises(DecryptionFailed):
        OSCRYPTO.load_private_key(protected, password="secret")
    with pytest.raises(UnsupportedError, match="openssl pkcs8 -topk8 -v2"):
        PYCA.load_private_key(protected, password="secret")


def test_a_private_key_that_openssl_does_not_load(ec_pem: bytes) -> None:
    block = read_private_key(ec_pem)
    assert block is not None
    position = block.contents.index(b"\x04\x20") + 2
    # More than the order of the curve, which oscrypto does not look at.
    impossible = block.contents[:position] + b"\xff" * 32 + block.contents[position + 32 :]
    with pytest.raises(DecodeError, match="OpenSSL does not load it"):
        PYCA.load_private_key(impossible)


@pytest.mark.conforms("S-20")
def test_key_sizes_are_bounded(rsa_pem: bytes) -> None:
    public_key = PYCA.load_private_key(rsa_pem).public_key
    for limits, error in (
        (Limits(rsa_bits_max=1024), LimitExceeded),
        (Limits(rsa_bits_min=4096), WeakAlgorithm),
    ):
        for provider in (OscryptoProvider(limits=limits), PycaProvider(limits=limits)):
            with pytest.raises(error):
                provider.verify(public_key, b"", b"", SignatureAlgorithm.RSA_SHA256)


@PROVIDERS
@pytest.mark.conforms("S-24")
def test_passwords_that_cannot_be_encoded(provider: Provider) -> None:
    """What Python makes of a terminal that is not UTF-8; the error must not hold it."""
    key = provider.generate_rsa_key(1024)
    encrypted = provider.dump_private_key(key, password="password")
    unprintable = "gehe\u00efm\udce4"
    for use in (
        lambda: provider.dump_private_key(key, password=unprintable),
        lambda: provider.load_private_key(encrypted, password=unprintable),
    ):
        with pytest.raises(UsageError) as caught:
            use()
        assert caught.value.argument == "password"
        assert caught.value.__context__ is None
        assert "gehe" not in str(caught.value)


@PROVIDERS
@pytest.mark.conforms("S-05")
def test_public_keys_on_other_curves(provider: Provider) -> None:
    public_key = ec.generate_private_key(ec.SECP256K1()).public_key()
    encoded = public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with pytest.raises(UnsupportedError):
        provider.verify(encoded, b"", b"", SignatureAlgorithm.ECDSA_SHA256)


@pytest.mark.conforms("S-24")
def test_password_that_is_too_long_for_openssl() -> None:
    with pytest.raises(UsageError, match="longer than 1023") as caught:
        PYCA.dump_private_key(PYCA.generate_ec_key("secp256r1"), password="x" * 1024)
    assert caught.value.argument == "password"


ED25519 = (
    b"-----BEGIN PRIVATE KEY-----\n"
    b"MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
    b"-----END PRIVATE KEY-----\n"
)
ED25519_PUBLIC = bytes.fromhex(
    "302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
)


@PROVIDERS
def test_other_kinds_of_keys(provider: Provider) -> None:
    with pytest.raises(UnsupportedError):
        provider.load_private_key(ED25519)
    with pytest.raises(UnsupportedError):
        provider.verify(ED25519_PUBLIC, b"", b"", SignatureAlgorithm.RSA_SHA256)
