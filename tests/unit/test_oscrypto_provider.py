"""The oscrypto provider: every algorithm, every key file, every trap of oscrypto."""

from __future__ import annotations

import base64
import contextlib
import copy
import gc
import hashlib
import os
import pickle
import shutil
import ssl
import subprocess
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pyscep import der
from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
    KeyType,
    SignatureAlgorithm,
)
from pyscep.crypto import CryptoProvider, default_provider, oscrypto_keys
from pyscep.crypto.key_files import KeyEncoding, KeyFormat
from pyscep.crypto.oscrypto_keys import OscryptoPrivateKey
from pyscep.crypto.oscrypto_loader import load_oscrypto
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.errors import (
    DecodeError,
    DecryptionFailed,
    KeyCapabilityError,
    LimitExceeded,
    ScepError,
    SignatureInvalid,
    UnsupportedError,
    UsageError,
    WeakAlgorithm,
)
from pyscep.keys import PrivateKey
from pyscep.limits import Limits

PROVIDER = OscryptoProvider()
OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="no openssl command")

DATA = b"what is signed" * 20
PASSWORD = "p\u00e4ssw\u00f6rd \U0001f511"
RSA_V15 = KeyEncryptionAlgorithm.RSA_PKCS1_V15
OAEP_SHA1 = KeyEncryptionAlgorithm.RSA_OAEP_SHA1
SHA256 = SignatureAlgorithm.RSA_SHA256
AES128 = ContentEncryptionAlgorithm.AES128_CBC
DES = ContentEncryptionAlgorithm.DES_CBC
CURVES = ["secp256r1", "secp384r1", "secp521r1"]
KINDS = ["rsa", *CURVES]
LONGEST_SALT = (load_oscrypto().openssl_version or ())[:2] == (3, 0)


@pytest.fixture(scope="module")
def rsa() -> OscryptoPrivateKey:
    return PROVIDER.generate_rsa_key(2048)


@pytest.fixture(scope="module")
def other_rsa() -> OscryptoPrivateKey:
    return PROVIDER.generate_rsa_key(1024)


@pytest.fixture(scope="module")
def keys(rsa: OscryptoPrivateKey) -> dict[str, OscryptoPrivateKey]:
    return {"rsa": rsa} | {curve: PROVIDER.generate_ec_key(curve) for curve in CURVES}


@pytest.fixture(autouse=True)
def queue_is_empty() -> Iterator[None]:
    """Whatever a test provokes, nothing stays in OpenSSL's error queue."""
    yield
    assert errors_queued() == 0


def libcrypto() -> Any:
    from oscrypto._openssl._libcrypto import libcrypto  # the tests know more than the provider

    return libcrypto


def errors_queued() -> int:
    """Count and remove what is in OpenSSL's error queue of this thread."""
    count = 0
    while load_oscrypto().openssl_version and libcrypto().ERR_get_error():
        count += 1
    return count


def openssl(*arguments: object, stdin: bytes = b"") -> bytes:
    """Run the openssl command."""
    done = subprocess.run(
        ["openssl", *map(str, arguments)], input=stdin, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def raiser(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


def spki(modulus: int, exponent: int = 65537) -> bytes:
    numbers = der.sequence(der.integer(modulus), der.integer(exponent))
    algorithm = der.sequence(der.oid("1.2.840.113549.1.1.1"), der.null())
    return der.sequence(algorithm, der.bit_string(numbers))


# ---------------------------------------------------------------------------------- the provider


def test_it_is_the_default_and_fits_the_protocols(rsa: OscryptoPrivateKey) -> None:
    provider: CryptoProvider = default_provider()
    assert provider == PROVIDER
    assert provider.name == "oscrypto"
    key: PrivateKey = rsa
    assert isinstance(key, PrivateKey)
    assert repr(provider).startswith("OscryptoProvider(limits=")


@pytest.mark.parametrize("algorithm", DigestAlgorithm)
def test_digest(algorithm: DigestAlgorithm) -> None:
    expected = hashlib.new(algorithm.name, DATA).digest()
    assert PROVIDER.digest(DATA, algorithm) == expected
    assert len(expected) == algorithm.size


def test_random_bytes() -> None:
    assert len(PROVIDER.random_bytes(16)) == 16
    assert PROVIDER.random_bytes(16) != PROVIDER.random_bytes(16)
    assert PROVIDER.random_bytes(0) == b""
    with pytest.raises(UsageError, match="-1 random bytes"):
        PROVIDER.random_bytes(-1)


# RFC 6070 and RFC 7914 section 11
@pytest.mark.parametrize(
    ("digest", "iterations", "expected"),
    [
        (DigestAlgorithm.SHA1, 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0"),
        (DigestAlgorithm.SHA256, 2, "ae4d0c95af6b46d32d0adff928f06dd0"),
    ],
)
def test_pbkdf2(digest: DigestAlgorithm, iterations: int, expected: str) -> None:
    derived = PROVIDER.pbkdf2(
        b"password", b"salt", iterations=iterations, key_length=16, digest=digest
    )
    assert derived.hex() == expected


@pytest.mark.parametrize(
    ("iterations", "key_length", "argument"),
    [(0, 16, "iterations"), (2**31, 16, "iterations"), (1, 0, "key_length"), (1, -1, "key_length")],
)
def test_pbkdf2_out_of_range(iterations: int, key_length: int, argument: str) -> None:
    with pytest.raises(UsageError) as caught:
        PROVIDER.pbkdf2(
            b"",
            b"",
            iterations=iterations,
            key_length=key_length,
            digest=DigestAlgorithm.SHA256,
        )
    assert caught.value.argument == argument


# ------------------------------------------------------------------------------------ signatures


def kind_of(algorithm: SignatureAlgorithm) -> str:
    return "rsa" if algorithm.key_type is KeyType.RSA else "secp256r1"


def can_sign(algorithm: SignatureAlgorithm) -> bool:
    return not (algorithm.is_pss and LONGEST_SALT)


def pss_options(algorithm: SignatureAlgorithm) -> list[str]:
    if not algorithm.is_pss:
        return []
    salt = f"rsa_pss_saltlen:{algorithm.digest.size}"
    return ["-sigopt", "rsa_padding_mode:pss", "-sigopt", salt]


@pytest.mark.parametrize("algorithm", [a for a in SignatureAlgorithm if can_sign(a)])
def test_sign_and_verify(
    algorithm: SignatureAlgorithm, keys: dict[str, OscryptoPrivateKey]
) -> None:
    key = keys[kind_of(algorithm)]
    assert algorithm in key.signature_algorithms
    signature = key.sign(DATA, algorithm)
    assert errors_queued() == 0
    PROVIDER.verify(key.public_key, signature, DATA, algorithm)
    assert errors_queued() == 0
    PROVIDER.verify(key.public_key, key.sign(b"", algorithm), b"", algorithm)
    wrong = bytes((signature[0],)) + bytes((signature[1] ^ 1,)) + signature[2:]
    for bad, data in ((signature, DATA + b"x"), (wrong, DATA), (b"", DATA), (b"x" * 9000, DATA)):
        with pytest.raises(SignatureInvalid, match="does not verify") as caught:
            PROVIDER.verify(key.public_key, bad, data, algorithm)
        assert caught.value.__context__ is None


@needs_openssl
@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_signatures_of_and_for_openssl(
    algorithm: SignatureAlgorithm, keys: dict[str, OscryptoPrivateKey], tmp_path: Path
) -> None:
    key = keys[kind_of(algorithm)]
    private, public, signed = (tmp_path / name for name in ("private", "public", "signed"))
    private.write_bytes(PROVIDER.dump_private_key(key))
    public.write_bytes(key.public_key)
    digest = f"-{algorithm.digest.name.lower()}"
    options = pss_options(algorithm)
    signature = openssl("dgst", digest, "-sign", private, *options, stdin=DATA)
    PROVIDER.verify(key.public_key, signature, DATA, algorithm)
    if can_sign(algorithm):
        signed.write_bytes(key.sign(DATA, algorithm))
        verify = ("-verify", public, "-keyform", "DER", "-signature", signed)
        assert b"Verified OK" in openssl("dgst", digest, *verify, *options, stdin=DATA)


def test_pss_is_offered_only_where_the_salt_is_right(
    rsa: OscryptoPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    pss = {algorithm for algorithm in SignatureAlgorithm if algorithm.is_pss}
    assert pss.isdisjoint(rsa.signature_algorithms) == LONGEST_SALT
    real = load_oscrypto()
    offers = {
        (3, 0, 19): set(),
        (3, 1, 0): pss,
        (1, 1, 1, "w"): pss,
        None: pss,
    }
    for version, expected in offers.items():
        fake = Fake(real, openssl_version=version)
        monkeypatch.setattr(oscrypto_keys, "load_oscrypto", lambda fake=fake: fake)
        key = OscryptoPrivateKey(None, public_key=b"", key_type=KeyType.RSA, bits=2048)
        assert key.signature_algorithms & pss == expected
    # 1,024 bits have no room for SHA-512 and a salt of 64 bytes.
    small = OscryptoPrivateKey(None, public_key=b"", key_type=KeyType.RSA, bits=1024)
    assert small.signature_algorithms & pss == pss - {SignatureAlgorithm.RSA_PSS_SHA512}


class Fake:
    """Stands in for a loaded oscrypto, in parts."""

    def __init__(self, real: object, **parts: object) -> None:
        self.__dict__.update(parts)
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_signs_only_what_it_declares(kind: str, keys: dict[str, OscryptoPrivateKey]) -> None:
    key = keys[kind]
    for algorithm in set(SignatureAlgorithm) - key.signature_algorithms:
        with pytest.raises(KeyCapabilityError, match=f"cannot sign with {algorithm.name}"):
            key.sign(DATA, algorithm)


def test_signature_algorithm_of_another_kind_of_key(keys: dict[str, OscryptoPrivateKey]) -> None:
    signature = keys["rsa"].sign(DATA, SHA256)
    with pytest.raises(SignatureInvalid, match="but the key is an EC key"):
        PROVIDER.verify(keys["secp256r1"].public_key, signature, DATA, SHA256)
    with pytest.raises(SignatureInvalid, match="but the key is an RSA key"):
        PROVIDER.verify(keys["rsa"].public_key, signature, DATA, SignatureAlgorithm.ECDSA_SHA256)


def test_algorithm_refused_by_the_system(
    rsa: OscryptoPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    asymmetric = load_oscrypto().asymmetric
    for name in ("sign", "verify"):
        monkeypatch.setattr(asymmetric, f"rsa_pkcs1v15_{name}", raiser(OSError("invalid digest")))
    with pytest.raises(UnsupportedError, match="cannot sign with RSA_SHA256 here") as caught:
        rsa.sign(DATA, SHA256)
    assert (caught.value.algorithm, caught.value.provider) == ("RSA_SHA256", "oscrypto")
    with pytest.raises(UnsupportedError, match="cannot verify RSA_SHA256 here"):
        PROVIDER.verify(rsa.public_key, b"", DATA, SHA256)


# ----------------------------------------------------------------------------------- public keys


@pytest.mark.parametrize(
    ("public_key", "error", "text"),
    [
        (b"", DecodeError, "ends where"),
        (b"garbage", DecodeError, "longer than"),
        (spki((1 << 2047) + 1) + b"\0", DecodeError, "1 bytes follow"),
        (spki((1 << 2047) + 2), DecodeError, "impossible"),
        (spki(-(1 << 2047) - 1), DecodeError, "impossible"),
        (spki((1 << 2047) + 1, 1), DecodeError, "impossible"),
        (spki((1 << 2047) + 1, 4), DecodeError, "impossible"),
        (spki((1 << 2047) + 1, -3), DecodeError, "impossible"),
        (spki((1 << 2047) + 1, (1 << 64) + 1), UnsupportedError, "more than 64 bits"),
        (spki((1 << 1022) + 1), WeakAlgorithm, "has 1023 bits"),
        (spki(0), DecodeError, "impossible"),
        (spki((1 << 8192) + 1), LimitExceeded, "has 8193 bits"),
        (spki((1 << 16383) + 1), LimitExceeded, "rsa_bits_max allows 8192"),
    ],
)
def test_impossible_rsa_keys(public_key: bytes, error: type[ScepError], text: str) -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: PROVIDER.verify(public_key, b"", b"", SHA256),
        lambda: PROVIDER.encrypt_key(public_key, b"k" * 16, RSA_V15),
    )
    for call in calls:
        with pytest.raises(error, match=text):
            call()


def test_openssl_never_sees_an_impossible_key(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    monkeypatch.setattr(load_oscrypto().asymmetric, "load_public_key", seen.append)
    for modulus, exponent in ((1 << 512) + 1, 3), ((1 << 9000) + 1, 3), ((1 << 2047) + 1, 1):
        with pytest.raises(ScepError):
            PROVIDER.verify(spki(modulus, exponent), b"", b"", SHA256)
    assert seen == []


def test_limits_are_arguments(other_rsa: OscryptoPrivateKey, rsa: OscryptoPrivateKey) -> None:
    signature = other_rsa.sign(DATA, SHA256)
    PROVIDER.verify(other_rsa.public_key, signature, DATA, SHA256)
    strict = OscryptoProvider(limits=Limits(rsa_bits_min=2048))
    with pytest.raises(WeakAlgorithm, match="rsa_bits_min asks for 2048") as weak:
        strict.verify(other_rsa.public_key, signature, DATA, SHA256)
    assert (weak.value.algorithm, weak.value.argument) == ("RSA-1024", "limits")
    with pytest.raises(WeakAlgorithm):
        strict.load_private_key(PROVIDER.dump_private_key(other_rsa))
    small = OscryptoProvider(limits=Limits(rsa_bits_max=1024))
    small.verify(other_rsa.public_key, signature, DATA, SHA256)
    with pytest.raises(LimitExceeded) as exceeded:
        small.verify(rsa.public_key, signature, DATA, SHA256)
    assert (exceeded.value.limit, exceeded.value.value) == ("rsa_bits_max", 2048)


def ec_spki(parameters: bytes, point: bytes) -> bytes:
    algorithm = der.sequence(der.oid("1.2.840.10045.2.1"), parameters)
    return der.sequence(algorithm, der.bit_string(point))


@pytest.mark.parametrize(
    ("public_key", "error", "text"),
    [
        (ec_spki(der.oid("1.2.840.10045.3.1.7"), b"\4" + b"\1" * 64), DecodeError, "does not load"),
        (ec_spki(der.oid("1.2.840.10045.3.1.7"), b""), DecodeError, "not a point"),
        (ec_spki(der.oid("1.2.840.10045.3.1.7"), b"\0"), DecodeError, "not a point"),
        (ec_spki(der.oid("1.2.840.10045.3.1.7"), b"\4" * 33), DecodeError, "not a point"),
        (ec_spki(der.oid("1.3.132.0.34"), b"\2" * 33), DecodeError, "not a point"),
        (ec_spki(der.oid("1.3.132.0.10"), b"\4" + b"\1" * 64), UnsupportedError, "1.3.132.0.10"),
        (ec_spki(der.sequence(), b""), UnsupportedError, "explicit parameters"),
        (ec_spki(b"", b""), UnsupportedError, "explicit parameters"),
        (
            der.sequence(der.sequence(der.oid("1.3.101.112")), der.bit_string(b"\1" * 32)),
            UnsupportedError,
            "Ed25519",
        ),
        (
            der.sequence(der.sequence(der.oid("1.2.3")), der.bit_string(b"")),
            UnsupportedError,
            "kind 1.2.3",
        ),
    ],
)
def test_public_keys_that_are_not_loaded(
    public_key: bytes, error: type[ScepError], text: str
) -> None:
    with pytest.raises(error, match=text):
        PROVIDER.verify(public_key, b"", b"", SignatureAlgorithm.ECDSA_SHA256)


def test_a_public_key_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    key = PROVIDER.generate_rsa_key(1024)
    signature = key.sign(DATA, SHA256)
    asymmetric = load_oscrypto().asymmetric
    loaded: list[bytes] = []
    original = asymmetric.load_public_key

    def load(public_key: bytes) -> object:
        loaded.append(public_key)
        return original(public_key)

    monkeypatch.setattr(asymmetric, "load_public_key", load)
    for provider in (PROVIDER, OscryptoProvider(), OscryptoProvider()):
        provider.verify(bytes(bytearray(key.public_key)), signature, DATA, SHA256)
    assert loaded == [key.public_key]


def test_few_public_keys_are_kept() -> None:
    key = PROVIDER.generate_ec_key("secp256r1")
    algorithm = SignatureAlgorithm.ECDSA_SHA256
    signature = key.sign(DATA, algorithm)
    for _ in range(40):
        other = PROVIDER.generate_ec_key("secp256r1")
        with pytest.raises(SignatureInvalid):
            PROVIDER.verify(other.public_key, signature, DATA, algorithm)
        PROVIDER.verify(key.public_key, signature, DATA, algorithm)
    assert oscrypto_keys._load_public_key.cache_info().currsize <= 16


# ------------------------------------------------------------------------------------ encryption


@pytest.mark.parametrize("algorithm", [RSA_V15, OAEP_SHA1])
def test_encrypt_and_decrypt_key(
    algorithm: KeyEncryptionAlgorithm, rsa: OscryptoPrivateKey
) -> None:
    assert algorithm in rsa.key_encryption_algorithms
    ciphertext = PROVIDER.encrypt_key(rsa.public_key, b"k" * 24, algorithm)
    assert len(ciphertext) == 256
    assert ciphertext != PROVIDER.encrypt_key(rsa.public_key, b"k" * 24, algorithm)
    assert rsa.decrypt(ciphertext, algorithm) == b"k" * 24
    assert errors_queued() == 0


@pytest.mark.parametrize(("algorithm", "room"), [(RSA_V15, 245), (OAEP_SHA1, 214)])
def test_content_key_too_long(
    algorithm: KeyEncryptionAlgorithm, room: int, rsa: OscryptoPrivateKey
) -> None:
    ciphertext = PROVIDER.encrypt_key(rsa.public_key, b"k" * room, algorithm)
    assert rsa.decrypt(ciphertext, algorithm) == b"k" * room
    with pytest.raises(UsageError, match=f"encrypts {room} at most") as caught:
        PROVIDER.encrypt_key(rsa.public_key, b"k" * (room + 1), algorithm)
    assert caught.value.argument == "content_key"


@needs_openssl
@pytest.mark.parametrize(("algorithm", "mode"), [(RSA_V15, "pkcs1"), (OAEP_SHA1, "oaep")])
def test_key_encryption_of_and_for_openssl(
    algorithm: KeyEncryptionAlgorithm, mode: str, rsa: OscryptoPrivateKey, tmp_path: Path
) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    private.write_bytes(PROVIDER.dump_private_key(rsa))
    public.write_bytes(rsa.public_key)
    padding = ("-pkeyopt", f"rsa_padding_mode:{mode}")
    ciphertext = PROVIDER.encrypt_key(rsa.public_key, b"k" * 16, algorithm)
    plain = openssl("pkeyutl", "-decrypt", "-inkey", private, *padding, stdin=ciphertext)
    assert plain == b"k" * 16
    public_options = ("-encrypt", "-pubin", "-inkey", public, "-keyform", "DER")
    ciphertext = openssl("pkeyutl", *public_options, *padding, stdin=b"k" * 16)
    assert rsa.decrypt(ciphertext, algorithm) == b"k" * 16


@pytest.mark.parametrize(
    "algorithm", [a for a in KeyEncryptionAlgorithm if a not in (RSA_V15, OAEP_SHA1)]
)
def test_oaep_with_other_hashes(algorithm: KeyEncryptionAlgorithm, rsa: OscryptoPrivateKey) -> None:
    calls: tuple[Callable[[], bytes], ...] = (
        lambda: rsa.decrypt(b"x" * 256, algorithm),
        lambda: PROVIDER.encrypt_key(rsa.public_key, b"k", algorithm),
    )
    for call in calls:
        with pytest.raises(UnsupportedError, match=r"\[cryptography\]") as caught:
            call()
        assert (caught.value.algorithm, caught.value.provider) == (algorithm.name, "oscrypto")


def test_ec_keys_do_not_reach_the_rsa_functions(keys: dict[str, OscryptoPrivateKey]) -> None:
    # oscrypto would hand OpenSSL a null pointer, which ends the process.
    key = keys["secp256r1"]
    assert key.key_encryption_algorithms == frozenset()
    with pytest.raises(KeyCapabilityError, match="cannot decrypt"):
        key.decrypt(b"x" * 256, RSA_V15)
    with pytest.raises(UnsupportedError, match="cannot encrypt to an EC key"):
        PROVIDER.encrypt_key(key.public_key, b"k" * 16, RSA_V15)


def test_encryption_refused_by_the_system(
    rsa: OscryptoPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = load_oscrypto()
    monkeypatch.setattr(library.asymmetric, "rsa_pkcs1v15_encrypt", raiser(OSError()))
    monkeypatch.setattr(library.symmetric, "aes_cbc_pkcs7_encrypt", raiser(OSError()))
    with pytest.raises(UnsupportedError, match="encrypt with RSA_PKCS1_V15"):
        PROVIDER.encrypt_key(rsa.public_key, b"k", RSA_V15)
    with pytest.raises(UnsupportedError, match="encrypt with AES128_CBC"):
        PROVIDER.encrypt_content(b"k" * 16, b"i" * 16, b"x", AES128)


@pytest.mark.parametrize("algorithm", [RSA_V15, OAEP_SHA1])
@pytest.mark.parametrize(
    "ciphertext", [b"", b"x", b"\0" * 256, b"\1" * 256, b"\xff" * 256, b"\1" * 257, b"\1" * 9000]
)
def test_garbage_is_not_decrypted(
    ciphertext: bytes, algorithm: KeyEncryptionAlgorithm, rsa: OscryptoPrivateKey
) -> None:
    # PKCS #1 v1.5: raises, or gives random bytes from OpenSSL 3.2 on (implicit rejection).
    try:
        plaintext = rsa.decrypt(ciphertext, algorithm)
    except DecryptionFailed as error:
        check_says_nothing(error)
    else:
        assert algorithm is RSA_V15
        assert len(plaintext) <= 245


def check_says_nothing(error: DecryptionFailed) -> None:
    assert str(error) == DecryptionFailed.TEXT
    assert error.__cause__ is None
    assert error.__context__ is None
    text = "".join(traceback.format_exception(error))
    assert "OSError" not in text
    assert "ValueError" not in text


def test_decryption_for_another_key(rsa: OscryptoPrivateKey, other_rsa: OscryptoPrivateKey) -> None:
    ciphertext = PROVIDER.encrypt_key(other_rsa.public_key, b"k" * 16, OAEP_SHA1)
    with pytest.raises(DecryptionFailed) as caught:
        rsa.decrypt(ciphertext, OAEP_SHA1)
    check_says_nothing(caught.value)


@pytest.mark.parametrize("error", [OSError("x"), ValueError("x"), RuntimeError("x")])
def test_every_failure_to_decrypt_is_the_same(
    error: Exception, rsa: OscryptoPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = load_oscrypto()
    monkeypatch.setattr(library.asymmetric, "rsa_pkcs1v15_decrypt", raiser(error))
    monkeypatch.setattr(library.symmetric, "aes_cbc_pkcs7_decrypt", raiser(error))
    calls: tuple[Callable[[], bytes], ...] = (
        lambda: rsa.decrypt(b"x" * 256, RSA_V15),
        lambda: PROVIDER.decrypt_content(b"k" * 16, b"i" * 16, b"c" * 16, AES128),
    )
    for call in calls:
        with pytest.raises(DecryptionFailed) as caught:
            call()
        check_says_nothing(caught.value)


# --------------------------------------------------------------------------------------- content

CIPHER_NAMES = {
    AES128: "aes-128-cbc",
    ContentEncryptionAlgorithm.AES192_CBC: "aes-192-cbc",
    ContentEncryptionAlgorithm.AES256_CBC: "aes-256-cbc",
    ContentEncryptionAlgorithm.DES_EDE3_CBC: "des-ede3-cbc",
}


@pytest.mark.parametrize("size", [0, 1, 7, 8, 15, 16, 17, 32, 2000, 65519, 65520, 65536, 200_000])
@pytest.mark.parametrize("algorithm", CIPHER_NAMES)
def test_content_round_trip(algorithm: ContentEncryptionAlgorithm, size: int) -> None:
    key, iv = os.urandom(algorithm.key_size), os.urandom(algorithm.block_size)
    content = os.urandom(size)
    ciphertext = PROVIDER.encrypt_content(key, iv, content, algorithm)
    assert len(ciphertext) == (size // algorithm.block_size + 1) * algorithm.block_size
    assert PROVIDER.decrypt_content(key, iv, ciphertext, algorithm) == content
    if OPENSSL:
        options = (f"-{CIPHER_NAMES[algorithm]}", "-K", key.hex(), "-iv", iv.hex())
        assert openssl("enc", *options, stdin=content) == ciphertext


def single_des(key: bytes, iv: bytes, content: bytes) -> bytes:
    triple = ContentEncryptionAlgorithm.DES_EDE3_CBC
    return PROVIDER.encrypt_content(key * 3, iv, content, triple)


@needs_openssl
def test_single_des_is_read() -> None:
    key, iv = os.urandom(8), os.urandom(8)
    ciphertext = single_des(key, iv, DATA)
    assert PROVIDER.decrypt_content(key, iv, ciphertext, DES) == DATA
    options = ("-des-cbc", "-K", key.hex(), "-iv", iv.hex(), "-provider", "legacy")
    try:
        of_openssl = openssl("enc", *options, "-provider", "default", stdin=DATA)
    except AssertionError:
        pytest.skip("this openssl has no single DES")
    assert of_openssl == ciphertext


def test_single_des_is_never_written() -> None:
    with pytest.raises(WeakAlgorithm, match="choose AES128_CBC") as caught:
        PROVIDER.encrypt_content(b"k" * 8, b"i" * 8, DATA, DES)
    assert (caught.value.algorithm, caught.value.argument) == ("DES_CBC", None)


@pytest.mark.parametrize("algorithm", CIPHER_NAMES)
@pytest.mark.parametrize(("longer_key", "longer_iv"), [(1, 0), (-8, 0), (8, 0), (0, 8), (0, -1)])
def test_wrong_lengths(
    algorithm: ContentEncryptionAlgorithm, longer_key: int, longer_iv: int
) -> None:
    key = b"k" * (algorithm.key_size + longer_key)
    iv = b"i" * (algorithm.block_size + longer_iv)
    with pytest.raises(UsageError, match=f"{algorithm.name} takes a key") as caught:
        PROVIDER.encrypt_content(key, iv, DATA, algorithm)
    assert caught.value.argument == ("key" if longer_key else "iv")
    with pytest.raises(DecryptionFailed) as failed:
        PROVIDER.decrypt_content(key, iv, b"c" * 16, algorithm)
    check_says_nothing(failed.value)


@pytest.mark.parametrize("algorithm", ContentEncryptionAlgorithm)
@pytest.mark.parametrize("ciphertext", [b"", b"c", b"c" * 15, b"c" * 17, b"c" * 16, b"c" * 2000])
def test_content_that_does_not_decrypt(
    algorithm: ContentEncryptionAlgorithm, ciphertext: bytes
) -> None:
    with pytest.raises(DecryptionFailed) as caught:
        PROVIDER.decrypt_content(
            b"k" * algorithm.key_size, b"i" * algorithm.block_size, ciphertext, algorithm
        )
    check_says_nothing(caught.value)


# ---------------------------------------------------------------------------------- private keys


@pytest.mark.parametrize("bits", [1024, 2048, 3072, 4096])
def test_generate_rsa(bits: int) -> None:
    key = PROVIDER.generate_rsa_key(bits)
    assert f"RSA-{bits}" in repr(key)
    PROVIDER.verify(key.public_key, key.sign(DATA, SHA256), DATA, SHA256)


@pytest.mark.parametrize("bits", [0, 512, 2047, 8192])
def test_other_rsa_sizes(bits: int) -> None:
    with pytest.raises(UsageError, match="choose 1024, 2048, 3072 or 4096") as caught:
        PROVIDER.generate_rsa_key(bits)
    assert caught.value.argument == "bits"


@pytest.mark.parametrize("curve", ["secp256k1", "P-256", ""])
def test_other_curves(curve: str) -> None:
    with pytest.raises(UsageError, match="choose secp256r1") as caught:
        PROVIDER.generate_ec_key(curve)
    assert caught.value.argument == "curve"


def test_generation_refused_by_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_oscrypto().asymmetric, "generate_pair", raiser(OSError()))
    with pytest.raises(UnsupportedError, match="cannot generate a RSA-1024 key"):
        PROVIDER.generate_rsa_key(1024)


@needs_openssl
@pytest.mark.parametrize("kind", KINDS)
def test_public_key_is_as_openssl_writes_it(kind: str, keys: dict[str, OscryptoPrivateKey]) -> None:
    private = PROVIDER.dump_private_key(keys[kind])
    public = openssl("pkey", "-pubout", "-outform", "DER", stdin=private)
    assert keys[kind].public_key == public


def test_secrets_do_not_show(rsa: OscryptoPrivateKey, keys: dict[str, OscryptoPrivateKey]) -> None:
    assert repr(rsa) == (
        f"<OscryptoPrivateKey RSA-2048 sha256:{hashlib.sha256(rsa.public_key).hexdigest()}>"
    )
    assert str(keys["secp521r1"]).startswith("<OscryptoPrivateKey EC-521 sha256:")
    assert not hasattr(rsa, "__dict__")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(UsageError, match="dump_private_key"):
            pickle.dumps({"key": rsa}, protocol)


def test_copies_are_the_same_key(rsa: OscryptoPrivateKey) -> None:
    assert copy.copy(rsa) is rsa
    assert copy.deepcopy({"key": rsa})["key"] is rsa


def test_public_key_outlives_the_private_key() -> None:
    key = PROVIDER.generate_ec_key("secp256r1")
    algorithm = SignatureAlgorithm.ECDSA_SHA256
    signature, public_key = key.sign(DATA, algorithm), key.public_key
    del key
    gc.collect()
    PROVIDER.verify(public_key, signature, DATA, algorithm)


# ------------------------------------------------------------------------------------- key files


def same_key(one: PrivateKey, other: PrivateKey) -> None:
    """Check that the private halves fit too."""
    assert one.public_key == other.public_key
    algorithm = max(one.signature_algorithms, key=lambda a: a.name)
    PROVIDER.verify(one.public_key, other.sign(DATA, algorithm), DATA, algorithm)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encoding", KeyEncoding)
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_dump_and_load(
    kind: str,
    encoding: KeyEncoding,
    password: str | None,
    keys: dict[str, OscryptoPrivateKey],
    tmp_path: Path,
) -> None:
    key = keys[kind]
    dumped = PROVIDER.dump_private_key(key, password=password, encoding=encoding, iterations=10_000)
    same_key(key, PROVIDER.load_private_key(dumped, password=password))
    assert errors_queued() == 0
    if OPENSSL:
        # openssl takes a password in the bytes that it is given: UTF-8 here.
        options = ("-inform", encoding.name, "-passin", "stdin")
        (tmp_path / "key").write_bytes(dumped)
        stdin = (password or "").encode() + b"\n"
        public = openssl("pkey", "-in", tmp_path / "key", *options, "-pubout", stdin=stdin)
        assert key.public_key == base64.b64decode(b"".join(public.splitlines()[1:-1]))


def test_dump_twice_differs(rsa: OscryptoPrivateKey) -> None:
    one, other = (
        PROVIDER.dump_private_key(rsa, password="x", encoding=KeyEncoding.DER, iterations=10_000)
        for _ in range(2)
    )
    assert one[-32:] != other[-32:]


def test_default_protection(rsa: OscryptoPrivateKey) -> None:
    dumped = PROVIDER.dump_private_key(rsa, password="x", encoding=KeyEncoding.DER)
    assert der.integer(600_000) in dumped
    same_key(rsa, PROVIDER.load_private_key(dumped, password="x"))


@pytest.mark.parametrize("encoding", KeyEncoding)
def test_pkcs1(encoding: KeyEncoding, rsa: OscryptoPrivateKey, tmp_path: Path) -> None:
    dumped = PROVIDER.dump_private_key(rsa, encoding=encoding, format=KeyFormat.PKCS1)
    assert (b"BEGIN RSA PRIVATE KEY" in dumped) == (encoding is KeyEncoding.PEM)
    same_key(rsa, PROVIDER.load_private_key(dumped))
    if OPENSSL:
        (tmp_path / "key").write_bytes(dumped)
        written = openssl("pkey", "-in", tmp_path / "key", "-inform", encoding.name, "-traditional")
        assert written == PROVIDER.dump_private_key(rsa, format=KeyFormat.PKCS1)


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"password": ""}, "password"),
        ({"password": "\ud800"}, "password"),
        ({"password": "x", "iterations": 9_999}, "iterations"),
        ({"password": "x", "iterations": 1_000_001}, "iterations"),
        ({"password": "x", "format": KeyFormat.PKCS1}, "password"),
    ],
)
def test_dump_with_impossible_arguments(
    options: dict[str, Any], argument: str, rsa: OscryptoPrivateKey
) -> None:
    with pytest.raises(UsageError) as caught:
        PROVIDER.dump_private_key(rsa, **options)
    assert caught.value.argument == argument


def test_dump_of_other_keys(keys: dict[str, OscryptoPrivateKey]) -> None:
    with pytest.raises(UsageError, match="RSA keys only") as caught:
        PROVIDER.dump_private_key(keys["secp256r1"], format=KeyFormat.PKCS1)
    assert caught.value.argument == "format"
    token: Any = object()
    with pytest.raises(UsageError, match="Only keys that OscryptoProvider made"):
        PROVIDER.dump_private_key(token)


GENERATE = {
    "rsa": ("rsa_keygen_bits:1024", "RSA"),
    "ec": ("ec_paramgen_curve:P-256", "EC"),
}


def generate(kind: str) -> bytes:
    option, algorithm = GENERATE[kind]
    return openssl("genpkey", "-algorithm", algorithm, "-pkeyopt", option)


@needs_openssl
@pytest.mark.parametrize("kind", GENERATE)
@pytest.mark.parametrize(
    "command",
    [
        ("pkcs8", "-topk8", "-nocrypt"),
        ("pkey", "-traditional"),
        ("pkey", "-traditional", "-outform", "DER"),
        ("pkcs8", "-topk8", "-nocrypt", "-outform", "DER"),
        ("pkcs8", "-topk8", "-v2", "aes-128-cbc"),
        ("pkcs8", "-topk8", "-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA224"),
        ("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512", "-iter", "10000"),
        ("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA384", "-outform", "DER"),
        ("pkcs8", "-topk8", "-v2", "des3", "-v2prf", "hmacWithSHA1"),
        ("pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES"),
        ("pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES", "-outform", "DER"),
        ("pkey", "-traditional", "-aes128"),
        ("pkey", "-traditional", "-aes192"),
        ("pkey", "-traditional", "-aes256"),
        ("pkey", "-traditional", "-des3"),
    ],
    ids=" ".join,
)
def test_load_what_openssl_writes(kind: str, command: tuple[str, ...], tmp_path: Path) -> None:
    plain = generate(kind)
    (tmp_path / "password").write_text("secret\n")
    passwords = ("-passout", f"file:{tmp_path / 'password'}")
    written = openssl(*command, *passwords, stdin=plain)
    key = PROVIDER.load_private_key(written, password="secret")
    assert errors_queued() == 0
    same_key(PROVIDER.load_private_key(plain), key)
    if b"-----BEGIN" in written:
        in_windows = b"\xef\xbb\xbf" + written.replace(b"\n", b"\r\n")
        same_key(PROVIDER.load_private_key(in_windows, password="secret"), key)
    encrypted = "-nocrypt" not in command and command[-1] not in ("-traditional", "DER")
    if encrypted or "-v2" in command or "-v1" in command:
        with pytest.raises(UsageError, match="give its password") as caught:
            PROVIDER.load_private_key(written)
        assert caught.value.argument == "password"
        for wrong in ("", "wrong", "secret "):
            with pytest.raises(DecryptionFailed) as failed:
                PROVIDER.load_private_key(written, password=wrong)
            check_says_nothing(failed.value)


@needs_openssl
def test_parameters_and_text_before_the_key() -> None:
    written = openssl("ecparam", "-genkey", "-name", "prime256v1")
    assert written.startswith(b"-----BEGIN EC PARAMETERS")
    key = PROVIDER.load_private_key(b"Bag Attributes: none\r\n\r\n" + written + b"\nthe end\n")
    assert "EC-256" in repr(key)


@needs_openssl
@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("pkcs8", "-topk8", "-scrypt"), "scrypt"),
        (("pkcs8", "-topk8", "-v1", "PBE-SHA1-2DES"), "pbeWithSHAAnd2-KeyTripleDES-CBC"),
        (("pkcs8", "-topk8", "-v2", "camellia-128-cbc"), "1.2.392.200011.61.1.1.1.2"),
        (("pkey", "-traditional", "-camellia128"), "PEM encryption with CAMELLIA-128-CBC"),
    ],
)
def test_protections_that_are_not_supported(
    command: tuple[str, ...], name: str, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("secret\n")
    passwords = ("-passout", f"file:{tmp_path / 'password'}")
    written = openssl(*command, *passwords, stdin=generate("rsa"))
    with pytest.raises(UnsupportedError, match="openssl pkcs8 -topk8") as caught:
        PROVIDER.load_private_key(written, password="secret")
    assert name in str(caught.value)
    assert caught.value.algorithm.endswith(name)


@needs_openssl
@pytest.mark.parametrize(
    ("algorithm", "options", "name"),
    [
        ("ED25519", (), "Ed25519"),
        ("ED448", (), "Ed448"),
        ("X25519", (), "X25519"),
        ("RSA-PSS", ("-pkeyopt", "rsa_keygen_bits:1024"), "RSASSA-PSS"),
        ("EC", ("-pkeyopt", "ec_paramgen_curve:secp256k1"), "1.3.132.0.10"),
        (
            "EC",
            ("-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"),
            "explicit parameters",
        ),
        ("RSA", ("-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_primes:3"), "multi"),
    ],
)
def test_keys_that_are_not_supported(algorithm: str, options: tuple[str, ...], name: str) -> None:
    written = openssl("genpkey", "-algorithm", algorithm, *options)
    with pytest.raises(UnsupportedError) as caught:
        PROVIDER.load_private_key(written)
    assert name in caught.value.algorithm
    assert " use " in str(caught.value) or "generate" in str(caught.value)


@needs_openssl
def test_other_curves_in_sec1() -> None:
    written = openssl("ecparam", "-genkey", "-name", "secp256k1", "-noout")
    with pytest.raises(UnsupportedError, match=r"1\.3\.132\.0\.10"):
        PROVIDER.load_private_key(written)


@needs_openssl
def test_small_rsa_key() -> None:
    written = openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:512")
    with pytest.raises(WeakAlgorithm, match="512 bits"):
        PROVIDER.load_private_key(written)


def self_signed(key: bytes, folder: Path, name: str = "sensor") -> bytes:
    (folder / "key").write_bytes(key)
    options = ("-x509", "-key", folder / "key", "-subj", f"/CN={name}", "-days", "30")
    return openssl("req", *options)


@needs_openssl
def test_other_things_than_private_keys(rsa: OscryptoPrivateKey, tmp_path: Path) -> None:
    private = PROVIDER.dump_private_key(rsa)
    (tmp_path / "private").write_bytes(private)
    export = ("pkcs12", "-export", "-nocerts", "-inkey", tmp_path / "private", "-passout", "pass:x")
    dsa = openssl("genpkey", "-genparam", "-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:1024")
    (tmp_path / "dsa").write_bytes(dsa)
    dsa_key = openssl("genpkey", "-paramfile", tmp_path / "dsa")
    cases = {
        "a public key": openssl("pkey", "-pubout", stdin=private),
        "an RSA public key": openssl("rsa", "-RSAPublicKey_out", stdin=private),
        "a certificate": self_signed(private, tmp_path),
        "load_pkcs12": openssl(*export),
        "a CMS message": der.sequence(der.oid("1.2.840.113549.1.7.2"), der.explicit(0, b"\5\0")),
        "a DSA private key": openssl("pkey", "-traditional", stdin=dsa_key),
    }
    for text, data in cases.items():
        with pytest.raises(DecodeError, match=text):
            PROVIDER.load_private_key(data)
    with pytest.raises(UnsupportedError, match="DSA"):
        PROVIDER.load_private_key(dsa_key)


def pkcs8(algorithm: bytes, key: bytes) -> bytes:
    return der.sequence(der.integer(0), algorithm, der.octet_string(key))


RSA_ALGORITHM = der.sequence(der.oid("1.2.840.113549.1.1.1"), der.null())
P256 = der.oid("1.2.840.10045.3.1.7")
EC_ALGORITHM = der.sequence(der.oid("1.2.840.10045.2.1"), P256)
# A private key of zero: OpenSSL 1.1.1 refuses it, OpenSSL 3 makes the point at infinity of it.
NO_POINT = "not a point|does not load"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "ends where"),
        (b"garbage", "longer than"),
        (b"\x30\x80\x00\x00", "indefinite"),
        (der.sequence(), "not a private key in PKCS #8"),
        (der.sequence(der.utf8_string("x")), "not a private key in PKCS #8"),
        (b"-----BEGIN PRIVATE KEY-----\nMIIB", "no end"),
        (b"-----BEGIN ", "no end"),
        (b"-----BEGIN -----\n-----END -----", "no end"),
        (b"-----BEGIN PRIVATE KEY-----\nM!IB\n-----END PRIVATE KEY-----", "not base64"),
        (b"-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----", "not base64"),
        (b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----", "ends where"),
        (pkcs8(RSA_ALGORITHM, b""), "ends where"),
        (pkcs8(RSA_ALGORITHM, der.sequence(der.integer(1), der.octet_string(b"x"))), "nine"),
        (pkcs8(RSA_ALGORITHM, der.sequence(*[der.integer(0)] * 9)), "impossible|does not load"),
        (pkcs8(EC_ALGORITHM, b""), "does not load"),
        (pkcs8(EC_ALGORITHM, der.sequence(der.integer(1), der.octet_string(b""))), NO_POINT),
        (pkcs8(EC_ALGORITHM, der.sequence(der.integer(2))), "does not load"),
        (der.sequence(der.integer(1), der.octet_string(b"x" * 32)), "does not name its curve"),
        (
            der.sequence(der.integer(1), der.octet_string(bytes(32)), der.explicit(0, P256)),
            NO_POINT,
        ),
    ],
)
def test_broken_private_keys(data: bytes, text: str) -> None:
    with pytest.raises(DecodeError, match=text) as caught:
        PROVIDER.load_private_key(data)
    assert caught.value.__context__ is None or isinstance(caught.value.__context__, ScepError)


def test_not_bytes() -> None:
    name: Any = "key.pem"
    with pytest.raises(UsageError, match="not as str; read the file"):
        PROVIDER.load_private_key(name)
    with pytest.raises(UsageError, match="not as str; read the file"):
        PROVIDER.load_pkcs12(name, password=None)


def test_large_files() -> None:
    for load in (PROVIDER.load_private_key, PROVIDER.load_pkcs12):
        with pytest.raises(LimitExceeded) as caught:
            load(b"\0" * (Limits().message_size + 1), password=None)
        assert caught.value.limit == "message_size"


def test_many_pem_beginnings_take_no_time() -> None:
    text = b"-----BEGIN X-----\n" * 100_000
    with pytest.raises(DecodeError, match="no end"):
        PROVIDER.load_private_key(text)
    blocks = b"-----BEGIN X-----\nAAAA\n-----END X-----\n" * 20_000
    with pytest.raises(DecodeError):
        PROVIDER.load_private_key(blocks)


def protected(iterations: int, *, prf: str = "1.2.840.113549.2.9") -> bytes:
    kdf_parameters = der.sequence(
        der.octet_string(b"salt"),
        der.integer(iterations),
        der.integer(32),
        der.sequence(der.oid(prf), der.null()),
    )
    kdf = der.sequence(der.oid("1.2.840.113549.1.5.12"), kdf_parameters)
    cipher = der.sequence(der.oid("2.16.840.1.101.3.4.1.42"), der.octet_string(b"i" * 16))
    algorithm = der.sequence(der.oid("1.2.840.113549.1.5.13"), der.sequence(kdf, cipher))
    return der.sequence(algorithm, der.octet_string(b"c" * 32))


def test_iterations_are_bounded() -> None:
    with pytest.raises(LimitExceeded) as caught:
        PROVIDER.load_private_key(protected(10**9), password="x")
    assert (caught.value.limit, caught.value.value) == ("kdf_iterations", 10**9)
    with pytest.raises(DecodeError, match="less than one iteration"):
        PROVIDER.load_private_key(protected(0), password="x")
    with pytest.raises(UsageError, match="lone surrogate"):
        PROVIDER.load_private_key(protected(1), password="\udc00")
    with pytest.raises(UnsupportedError, match=r"1\.2\.3"):
        PROVIDER.load_private_key(protected(1, prf="1.2.3"), password="x")
    with pytest.raises(DecryptionFailed):
        PROVIDER.load_private_key(protected(1), password="x")


def test_wrong_password_that_passes_the_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    symmetric = load_oscrypto().symmetric
    # Once in 256 times the last byte fits; what is decrypted is garbage then, or something else.
    for garbage in (b"garbage", der.sequence(), spki((1 << 2047) + 1)):
        monkeypatch.setattr(symmetric, "aes_cbc_pkcs7_decrypt", lambda *_, garbage=garbage: garbage)
        with pytest.raises(DecryptionFailed):
            PROVIDER.load_private_key(protected(1), password="x")


def test_key_derivation_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_oscrypto().kdf, "pkcs12_kdf", raiser(OSError()))
    parameters = der.sequence(der.octet_string(b"salt"), der.integer(1))
    algorithm = der.sequence(der.oid("1.2.840.113549.1.12.1.3"), parameters)
    with pytest.raises(DecryptionFailed):
        PROVIDER.load_private_key(der.sequence(algorithm, der.octet_string(b"c" * 8)), password="x")


# -------------------------------------------------------------------------------------- PKCS #12


def export(folder: Path, *options: object) -> bytes:
    """Write a PKCS #12 file of key, certificate and two CA certificates."""
    (folder / "password").write_text("secret\n")
    return openssl(
        "pkcs12",
        "-export",
        *("-inkey", folder / "key", "-in", folder / "certificate"),
        *("-certfile", folder / "chain", "-passout", f"file:{folder / 'password'}"),
        *options,
    )


def to_der(pem: bytes) -> bytes:
    return openssl("x509", "-outform", "DER", stdin=pem)


@pytest.fixture(scope="module")
def pkcs12(tmp_path_factory: pytest.TempPathFactory, rsa: OscryptoPrivateKey) -> Path:
    folder = tmp_path_factory.mktemp("pkcs12")
    ca = PROVIDER.dump_private_key(PROVIDER.generate_rsa_key(1024))
    # Two CA certificates of one key, as after a renewal: neither may get lost.
    chain = self_signed(ca, folder, "old CA") + self_signed(ca, folder, "new CA")
    (folder / "chain").write_bytes(chain)
    certificate = self_signed(PROVIDER.dump_private_key(rsa), folder)
    (folder / "certificate").write_bytes(certificate)
    return folder


@needs_openssl
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"),
        ("-keypbe", "AES-128-CBC", "-certpbe", "NONE", "-macalg", "sha512"),
        ("-nomac",),
    ],
    ids=" ".join,
)
def test_load_pkcs12(options: tuple[str, ...], pkcs12: Path, rsa: OscryptoPrivateKey) -> None:
    loaded = PROVIDER.load_pkcs12(export(pkcs12, *options), password="secret")
    assert errors_queued() == 0
    same_key(rsa, loaded.key)
    assert loaded.certificate == to_der((pkcs12 / "certificate").read_bytes())
    assert len(loaded.certificates) == 2
    assert to_der((pkcs12 / "chain").read_bytes()) in loaded.certificates
    assert loaded.certificate not in loaded.certificates
    assert "certificates=" not in repr(loaded)


@needs_openssl
def test_certificates_are_not_given_to_oscrypto(
    pkcs12: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A public key taken from its certificate object is freed with it, and using it then crashes.
    asymmetric = load_oscrypto().asymmetric
    for name in ("load_certificate", "load_pkcs12", "Certificate"):
        monkeypatch.delattr(asymmetric, name)
    loaded = PROVIDER.load_pkcs12(export(pkcs12), password="secret")
    assert loaded.certificate is not None


@needs_openssl
def test_pkcs12_without_password(pkcs12: Path, rsa: OscryptoPrivateKey) -> None:
    plain = export(pkcs12, "-keypbe", "NONE", "-certpbe", "NONE", "-nomac")
    same_key(rsa, PROVIDER.load_pkcs12(plain, password=None).key)
    same_key(rsa, PROVIDER.load_pkcs12(plain, password="not needed").key)
    (pkcs12 / "password").write_text("\n")
    empty = openssl(
        "pkcs12", "-export", "-inkey", pkcs12 / "key", "-in", pkcs12 / "certificate",
        "-passout", "pass:",
    )  # fmt: skip
    same_key(rsa, PROVIDER.load_pkcs12(empty, password="").key)
    with pytest.raises(UsageError, match="give its password"):
        PROVIDER.load_pkcs12(empty, password=None)


@needs_openssl
def test_pkcs12_wrong_password(pkcs12: Path) -> None:
    for options in ((), ("-nomac", "-keypbe", "AES-128-CBC", "-certpbe", "NONE")):
        written = export(pkcs12, *options)
        for wrong in ("", "wrong"):
            with pytest.raises(DecryptionFailed) as caught:
                PROVIDER.load_pkcs12(written, password=wrong)
            check_says_nothing(caught.value)


@needs_openssl
@pytest.mark.parametrize("password", [PASSWORD, "\u00fc"])
def test_pkcs12_password_beyond_ascii(password: str, pkcs12: Path, rsa: OscryptoPrivateKey) -> None:
    written = openssl(
        "pkcs12", "-export", "-inkey", pkcs12 / "key", "-in", pkcs12 / "certificate",
        "-passout", "stdin", stdin=password.encode() + b"\n",
    )  # fmt: skip
    same_key(rsa, PROVIDER.load_pkcs12(written, password=password).key)


@needs_openssl
def test_pkcs12_without_a_certificate_of_the_key(
    pkcs12: Path, rsa: OscryptoPrivateKey, tmp_path: Path
) -> None:
    (tmp_path / "key").write_bytes(PROVIDER.dump_private_key(rsa))
    only_key = openssl(
        "pkcs12", "-export", "-nocerts", "-inkey", tmp_path / "key", "-passout", "pass:x"
    )
    loaded = PROVIDER.load_pkcs12(only_key, password="x")
    same_key(rsa, loaded.key)
    assert (loaded.certificate, loaded.certificates) == (None, ())
    no_key = openssl("pkcs12", "-export", "-nokeys", "-in", pkcs12 / "chain", "-passout", "pass:x")
    with pytest.raises(DecodeError, match="holds no private key"):
        PROVIDER.load_pkcs12(no_key, password="x")


@needs_openssl
def test_pkcs12_protected_by_rc2(pkcs12: Path) -> None:
    try:
        written = export(pkcs12, "-legacy", "-certpbe", "PBE-SHA1-RC2-40")
    except AssertionError:
        pytest.skip("this openssl has no RC2")
    with pytest.raises(UnsupportedError, match="openssl pkcs12 -legacy") as caught:
        PROVIDER.load_pkcs12(written, password="secret")
    assert caught.value.algorithm == "pbeWithSHAAnd40BitRC2-CBC"


DATA_OID = der.oid("1.2.840.113549.1.7.1")
BAG = "1.2.840.113549.1.12.10.1."


def data_content(octets: bytes) -> bytes:
    return der.sequence(DATA_OID, der.explicit(0, der.octet_string(octets)))


def pfx(*bags: bytes, mac: bytes = b"") -> bytes:
    safe = der.sequence(data_content(der.sequence(*bags)))
    return der.sequence(der.integer(3), data_content(safe), mac)


def bag(kind: int, value: bytes) -> bytes:
    return der.sequence(der.oid(f"{BAG}{kind}"), der.explicit(0, value))


def mac_data(digest: str, iterations: int) -> bytes:
    algorithm = der.sequence(der.oid(digest), der.null())
    digest_info = der.sequence(algorithm, der.octet_string(b"m" * 20))
    count = der.integer(iterations) if iterations != 1 else b""
    return der.sequence(digest_info, der.octet_string(b"salt"), count)


def test_pkcs12_of_our_own(rsa: OscryptoPrivateKey) -> None:
    key = PROVIDER.dump_private_key(rsa, encoding=KeyEncoding.DER)
    ignored = bag(5, der.sequence())
    sdsi = bag(3, der.sequence(der.oid("1.2.840.113549.1.9.22.2"), der.explicit(0, der.null())))
    nested = bag(6, der.sequence(bag(1, key)))
    loaded = PROVIDER.load_pkcs12(pfx(ignored, sdsi, nested), password=None)
    same_key(rsa, loaded.key)


def in_ber(octets: bytes) -> bytes:
    """Write a SEQUENCE with an indefinite length."""
    header = 2 if octets[1] < 0x80 else 2 + (octets[1] & 0x7F)
    return b"\x30\x80" + octets[header:] + b"\0\0"


def test_pkcs12_in_ber(rsa: OscryptoPrivateKey) -> None:
    key = PROVIDER.dump_private_key(rsa, encoding=KeyEncoding.DER)
    safe = in_ber(der.sequence(data_content(in_ber(der.sequence(bag(1, key))))))
    written = in_ber(der.sequence(der.integer(3), data_content(safe)))
    same_key(rsa, PROVIDER.load_pkcs12(written, password=None).key)


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (b"", DecodeError, "ends within"),
        (b"garbage", DecodeError, "longer than"),
        (der.sequence(der.integer(2), data_content(b"")), DecodeError, "version 3"),
        (
            der.sequence(
                der.integer(3),
                der.sequence(der.oid("1.2.840.113549.1.7.2"), der.explicit(0, der.sequence())),
            ),
            UnsupportedError,
            "public-key integrity",
        ),
        (
            der.sequence(
                der.integer(3),
                data_content(
                    der.sequence(
                        der.sequence(
                            der.oid("1.2.840.113549.1.7.3"), der.explicit(0, der.sequence())
                        )
                    )
                ),
            ),
            UnsupportedError,
            "public-key privacy",
        ),
        (pfx(mac=mac_data("1.2.840.113549.1.5.14", 1)), UnsupportedError, "PBMAC1"),
        (pfx(mac=mac_data("1.2.840.113549.2.5", 1)), UnsupportedError, "1.2.840.113549.2.5"),
        (pfx(mac=mac_data("1.3.14.3.2.26", 1)), DecryptionFailed, "could not be decrypted"),
        (pfx(mac=mac_data("1.3.14.3.2.26", 10**9)), LimitExceeded, "kdf_iterations"),
        (pfx(mac=mac_data("1.3.14.3.2.26", -1)), DecodeError, "less than one"),
        (pfx(bag(1, spki((1 << 2047) + 1))), DecodeError, "a public key"),
        (pfx(), DecodeError, "no private key"),
        (
            pfx(
                *[
                    bag(
                        3,
                        der.sequence(
                            der.oid("1.2.840.113549.1.9.22.1"),
                            der.explicit(0, der.octet_string(b"")),
                        ),
                    )
                ]
                * 65
            ),
            LimitExceeded,
            "certificates",
        ),
    ],
)
def test_broken_pkcs12(data: bytes, error: type[ScepError], text: str) -> None:
    with pytest.raises(error, match=text):
        PROVIDER.load_pkcs12(data, password="x")


def test_pkcs12_certificate_that_is_none(rsa: OscryptoPrivateKey) -> None:
    key = PROVIDER.dump_private_key(rsa, encoding=KeyEncoding.DER)
    value = der.sequence(
        der.oid("1.2.840.113549.1.9.22.1"), der.explicit(0, der.octet_string(der.sequence()))
    )
    with pytest.raises(DecodeError):
        PROVIDER.load_pkcs12(pfx(bag(1, key), bag(3, value)), password=None)


@needs_openssl
def test_pkcs12_is_not_written(pkcs12: Path) -> None:
    loaded = PROVIDER.load_pkcs12(export(pkcs12), password="secret")
    with pytest.raises(UnsupportedError, match="openssl pkcs12 -export") as caught:
        PROVIDER.dump_pkcs12(loaded, password="x")
    assert caught.value.provider == "oscrypto"


# ------------------------------------------------------------------------------ secrets in errors


def test_no_secret_in_any_error(rsa: OscryptoPrivateKey) -> None:
    secret = "s3cret-marker"
    protected_key = PROVIDER.dump_private_key(
        rsa, password="other", encoding=KeyEncoding.DER, iterations=10_000
    )
    calls: list[Callable[[], object]] = [
        lambda: PROVIDER.load_private_key(protected_key, password=secret),
        lambda: PROVIDER.load_private_key(secret.encode(), password=secret),
        lambda: PROVIDER.load_pkcs12(pfx(mac=mac_data("1.3.14.3.2.26", 1)), password=secret),
        lambda: PROVIDER.dump_private_key(rsa, password=secret, iterations=1),
        lambda: PROVIDER.load_private_key(protected_key, password=secret + "\ud800"),
        lambda: PROVIDER.encrypt_content(secret.encode(), b"", b"", AES128),
    ]
    for call in calls:
        with pytest.raises(ScepError) as caught:
            call()
        assert secret not in repr(caught.value) + str(caught.value) + str(vars(caught.value))


# --------------------------------------------------------------------------- the error queue, TLS


def tls_pair(folder: Path) -> tuple[ssl.SSLObject, Callable[[bytes], None]]:
    """Return the client's end of a TLS connection in memory, and what makes the server send."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.load_verify_locations(folder / "certificate")
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(folder / "certificate", folder / "key")
    # No tickets, which would come at a moment of the server's own.
    server_context.num_tickets = 0
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for end in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()

    def send(octets: bytes) -> None:
        server.write(octets)

    return client, send


def talk_tls(folder: Path, between: Callable[[], None]) -> bytes:
    """Read from a TLS server, do something, and read on: first nothing, then what is sent then."""
    client, send = tls_pair(folder)
    send(b"first")
    read = client.read(100)
    between()
    # Only where there is nothing to read does the ssl module look into the queue.
    with contextlib.suppress(ssl.SSLWantReadError):
        client.read(100)
    send(b"second")
    return read + client.read(100)


@pytest.fixture
def tls_files(tmp_path: Path, rsa: OscryptoPrivateKey) -> Path:
    (tmp_path / "certificate").write_bytes(
        self_signed(PROVIDER.dump_private_key(rsa), tmp_path, "localhost")
    )
    return tmp_path


def failures(rsa: OscryptoPrivateKey) -> Iterator[Callable[[], object]]:
    """Yield calls that fail in OpenSSL."""
    bad_point = ec_spki(P256, b"\4" + b"\1" * 64)
    yield lambda: PROVIDER.verify(rsa.public_key, b"\1" * 256, DATA, SHA256)
    yield lambda: rsa.decrypt(b"\1" * 256, OAEP_SHA1)
    yield lambda: rsa.decrypt(b"\1" * 257, RSA_V15)
    yield lambda: PROVIDER.decrypt_content(b"k" * 16, b"i" * 16, b"c" * 32, AES128)
    yield lambda: PROVIDER.verify(bad_point, b"", b"", SignatureAlgorithm.ECDSA_SHA256)
    yield lambda: PROVIDER.load_private_key(pkcs8(RSA_ALGORITHM, der.sequence(*[b"\2\1\3"] * 9)))
    yield lambda: PROVIDER.load_private_key(protected(1), password="x")


@needs_openssl
def test_tls_works_after_failures(rsa: OscryptoPrivateKey, tls_files: Path) -> None:
    for call in failures(rsa):

        def fail(call: Callable[[], object] = call) -> None:
            with pytest.raises(ScepError):
                call()

        assert talk_tls(tls_files, fail) == b"firstsecond"


def test_every_failure_leaves_the_queue_empty(rsa: OscryptoPrivateKey) -> None:
    for call in failures(rsa):
        with pytest.raises(ScepError):
            call()
        assert errors_queued() == 0


@pytest.mark.skipif(load_oscrypto().openssl_version is None, reason="not OpenSSL")
@pytest.mark.parametrize("name", ["load_private_key", "load_public_key", "generate_pair"])
def test_loading_leaves_the_queue_empty(
    name: str, rsa: OscryptoPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decoder that fails before another one succeeds leaves errors behind (OpenSSL 3.5)."""
    asymmetric = load_oscrypto().asymmetric
    original = getattr(asymmetric, name)
    public_key = asymmetric.load_public_key(rsa.public_key)
    dumped = PROVIDER.dump_private_key(rsa)

    def load(*arguments: object) -> object:
        with pytest.raises(load_oscrypto().signature_error):
            asymmetric.rsa_pkcs1v15_verify(public_key, b"\1" * 256, DATA, "sha256")
        assert libcrypto().ERR_peek_error()
        return original(*arguments)

    monkeypatch.setattr(asymmetric, name, load)
    if name == "load_private_key":
        PROVIDER.load_private_key(dumped)
    else:
        generated = PROVIDER.generate_ec_key("secp256r1")
        with pytest.raises(SignatureInvalid):
            PROVIDER.verify(generated.public_key, b"", b"", SignatureAlgorithm.ECDSA_SHA256)
    assert errors_queued() == 0


@needs_openssl
@pytest.mark.skipif(load_oscrypto().openssl_version is None, reason="not OpenSSL")
def test_tls_fails_without_draining(rsa: OscryptoPrivateKey, tls_files: Path) -> None:
    """Show that the trap is real, or that this OpenSSL or ssl module has none."""
    library = load_oscrypto()
    public_key = library.asymmetric.load_public_key(rsa.public_key)

    def fail() -> None:
        with pytest.raises(library.signature_error):
            library.asymmetric.rsa_pkcs1v15_verify(public_key, b"\1" * 256, DATA, "sha256")
        assert libcrypto().ERR_peek_error()

    try:
        talk_tls(tls_files, fail)
    except ssl.SSLError:
        errors_queued()
    else:
        errors_queued()
        pytest.skip("this ssl module empties the queue by itself, or has another libcrypto")


# --------------------------------------------------------------------------------------- threads


def test_threads(keys: dict[str, OscryptoPrivateKey]) -> None:
    rsa = keys["rsa"]
    provider = OscryptoProvider()
    algorithms = {"rsa": SHA256, "secp256r1": SignatureAlgorithm.ECDSA_SHA256}

    def work(number: int) -> None:
        for round_ in range(15):
            data = f"{number} {round_}".encode()
            for kind, algorithm in algorithms.items():
                key = keys[kind]
                signature = key.sign(data, algorithm)
                provider.verify(key.public_key, signature, data, algorithm)
                with pytest.raises(SignatureInvalid):
                    provider.verify(key.public_key, signature, data + b"x", algorithm)
            content_key = provider.random_bytes(16)
            ciphertext = provider.encrypt_key(rsa.public_key, content_key, RSA_V15)
            assert rsa.decrypt(ciphertext, RSA_V15) == content_key
            with pytest.raises(DecryptionFailed):
                rsa.decrypt(ciphertext, OAEP_SHA1)
            content = provider.encrypt_content(content_key, content_key, data, AES128)
            assert provider.decrypt_content(content_key, content_key, content, AES128) == data
        assert errors_queued() == 0

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


def test_threads_load_public_keys_together() -> None:
    known = [PROVIDER.generate_ec_key("secp256r1") for _ in range(24)]
    algorithm = SignatureAlgorithm.ECDSA_SHA256
    signatures = [key.sign(DATA, algorithm) for key in known]

    def work(start: int) -> None:
        for step in range(96):
            index = (start * 3 + step) % len(known)
            PROVIDER.verify(known[index].public_key, signatures[index], DATA, algorithm)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
