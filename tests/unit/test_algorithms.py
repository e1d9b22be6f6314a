"""pyscep.algorithms: OIDs against the reference tables, orders, and what is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyscep import algorithms
from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
    KeyType,
    SignatureAlgorithm,
)
from pyscep.errors import UnsupportedError, WeakAlgorithm

Lookup = Callable[[str], object]
LOOKUPS: list[Lookup] = [
    algorithms.digest_algorithm_from_oid,
    algorithms.signature_algorithm_from_oid,
    algorithms.content_encryption_algorithm_from_oid,
]


@pytest.mark.parametrize(
    ("algorithm", "oid", "size"),
    [
        (DigestAlgorithm.SHA1, "1.3.14.3.2.26", 20),
        (DigestAlgorithm.SHA224, "2.16.840.1.101.3.4.2.4", 28),
        (DigestAlgorithm.SHA256, "2.16.840.1.101.3.4.2.1", 32),
        (DigestAlgorithm.SHA384, "2.16.840.1.101.3.4.2.2", 48),
        (DigestAlgorithm.SHA512, "2.16.840.1.101.3.4.2.3", 64),
    ],
)
@pytest.mark.conforms("M-36", "C-11")
def test_digests(algorithm: DigestAlgorithm, oid: str, size: int) -> None:
    assert (algorithm.oid, algorithm.size, algorithm.strength) == (oid, size, size)
    assert algorithms.digest_algorithm_from_oid(oid) is algorithm
    assert algorithm.legacy is (algorithm is DigestAlgorithm.SHA1)


@pytest.mark.conforms("M-35", "M-43")
@pytest.mark.parametrize(
    ("algorithm", "oid"),
    [
        (SignatureAlgorithm.RSA_SHA1, "1.2.840.113549.1.1.5"),
        (SignatureAlgorithm.RSA_SHA224, "1.2.840.113549.1.1.14"),
        (SignatureAlgorithm.RSA_SHA256, "1.2.840.113549.1.1.11"),
        (SignatureAlgorithm.RSA_SHA384, "1.2.840.113549.1.1.12"),
        (SignatureAlgorithm.RSA_SHA512, "1.2.840.113549.1.1.13"),
        (SignatureAlgorithm.ECDSA_SHA1, "1.2.840.10045.4.1"),
        (SignatureAlgorithm.ECDSA_SHA224, "1.2.840.10045.4.3.1"),
        (SignatureAlgorithm.ECDSA_SHA256, "1.2.840.10045.4.3.2"),
        (SignatureAlgorithm.ECDSA_SHA384, "1.2.840.10045.4.3.3"),
        (SignatureAlgorithm.ECDSA_SHA512, "1.2.840.10045.4.3.4"),
    ],
)
def test_signatures(algorithm: SignatureAlgorithm, oid: str) -> None:
    assert algorithm.oid == oid
    assert algorithms.signature_algorithm_from_oid(oid) is algorithm
    assert not algorithm.is_pss
    key_type = KeyType.EC if algorithm.name.startswith("ECDSA") else KeyType.RSA
    assert algorithm.key_type is key_type
    assert algorithm.digest.name == algorithm.name.split("_")[1]
    assert algorithms.signature_algorithm_for(key_type, algorithm.digest) is algorithm


@pytest.mark.conforms("M-43")
@pytest.mark.parametrize("digest", ["SHA256", "SHA384", "SHA512"])
def test_pss_names_only_the_scheme(digest: str) -> None:
    algorithm = SignatureAlgorithm[f"RSA_PSS_{digest}"]
    assert algorithm.is_pss
    assert algorithm.oid == "1.2.840.113549.1.1.10"
    assert algorithm.digest is DigestAlgorithm[digest]
    assert algorithm.key_type is KeyType.RSA
    # Its OID says nothing about the hash, so it cannot be looked up by it.
    with pytest.raises(UnsupportedError):
        algorithms.signature_algorithm_from_oid(algorithm.oid)


@pytest.mark.conforms("E-08", "E-09")
def test_key_encryption() -> None:
    digests = {algorithm: algorithm.digest for algorithm in KeyEncryptionAlgorithm}
    assert digests == {
        KeyEncryptionAlgorithm.RSA_PKCS1_V15: None,
        KeyEncryptionAlgorithm.RSA_OAEP_SHA1: DigestAlgorithm.SHA1,
        KeyEncryptionAlgorithm.RSA_OAEP_SHA256: DigestAlgorithm.SHA256,
        KeyEncryptionAlgorithm.RSA_OAEP_SHA384: DigestAlgorithm.SHA384,
        KeyEncryptionAlgorithm.RSA_OAEP_SHA512: DigestAlgorithm.SHA512,
    }
    assert all(algorithm.is_oaep is (digests[algorithm] is not None) for algorithm in digests)


@pytest.mark.conforms("E-10", "E-11", "E-12", "E-13")
@pytest.mark.parametrize(
    ("algorithm", "oid", "key_size", "block_size", "legacy"),
    [
        (ContentEncryptionAlgorithm.DES_CBC, "1.3.14.3.2.7", 8, 8, True),
        (ContentEncryptionAlgorithm.DES_EDE3_CBC, "1.2.840.113549.3.7", 24, 8, True),
        (ContentEncryptionAlgorithm.AES128_CBC, "2.16.840.1.101.3.4.1.2", 16, 16, False),
        (ContentEncryptionAlgorithm.AES192_CBC, "2.16.840.1.101.3.4.1.22", 24, 16, False),
        (ContentEncryptionAlgorithm.AES256_CBC, "2.16.840.1.101.3.4.1.42", 32, 16, False),
    ],
)
def test_ciphers(
    algorithm: ContentEncryptionAlgorithm, oid: str, key_size: int, block_size: int, legacy: bool
) -> None:
    assert (algorithm.oid, algorithm.key_size, algorithm.block_size) == (oid, key_size, block_size)
    assert algorithm.legacy is legacy
    assert algorithms.content_encryption_algorithm_from_oid(oid) is algorithm


def test_strength_orders() -> None:
    ciphers = sorted(ContentEncryptionAlgorithm, key=lambda algorithm: algorithm.strength)
    assert [algorithm.name for algorithm in ciphers] == [
        "DES_CBC",
        "DES_EDE3_CBC",
        "AES128_CBC",
        "AES192_CBC",
        "AES256_CBC",
    ]
    assert sorted(DigestAlgorithm, key=lambda a: a.strength) == list(DigestAlgorithm)


def test_kinds_of_keys() -> None:
    assert KeyType.RSA.oid == "1.2.840.113549.1.1.1"
    assert KeyType.EC.oid == "1.2.840.10045.2.1"


@pytest.mark.conforms("M-36", "S-04", "E-12", "L-03")
@pytest.mark.parametrize("lookup", LOOKUPS)
@pytest.mark.parametrize(("oid", "name"), algorithms.FORBIDDEN_OIDS.items())
def test_forbidden_algorithms_are_refused_by_name(lookup: Lookup, oid: str, name: str) -> None:
    with pytest.raises(WeakAlgorithm, match=name) as caught:
        lookup(oid)
    assert caught.value.algorithm == name
    assert caught.value.argument is None  # nothing allows it
    assert caught.value.fail_info_hint == 0
    assert caught.value.__cause__ is None


@pytest.mark.conforms("S-05", "E-14")
@pytest.mark.parametrize("lookup", LOOKUPS)
@pytest.mark.parametrize("oid", ["1.2.3.4", "2.16.840.1.101.3.4.1.6", "2.16.840.1.101.3.4.1.46"])
def test_unknown_algorithms_are_refused_by_oid(lookup: Lookup, oid: str) -> None:
    with pytest.raises(UnsupportedError, match=oid) as caught:
        lookup(oid)
    assert caught.value.algorithm == oid
    assert caught.value.provider is None
    assert caught.value.fail_info_hint == 0


@pytest.mark.conforms("S-04", "E-12")
def test_md5_rc2_and_rc4_have_no_member() -> None:
    members = {
        member.value
        for kind in (DigestAlgorithm, SignatureAlgorithm, ContentEncryptionAlgorithm)
        for member in kind
    } | {algorithm.oid for algorithm in SignatureAlgorithm}
    assert not members & set(algorithms.FORBIDDEN_OIDS)
