from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from pyscep.algorithms import KeyType
from pyscep.certificates import key_type_of, rsa_bits_of
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.extensions import (
    ExtendedKeyUsage,
    KeyUsage,
    read_extended_key_usage,
    read_key_usage,
)
from pyscep.pkcs10 import parse_csr
from tests.helpers import keys
from tests.unit.cli.conftest import CHALLENGE, Shell


def test_key(shell: Shell, work: Path) -> None:
    ended = shell("key", "new.key", "--json")
    assert (ended.code, ended.err) == (0, "")
    key = OscryptoProvider().load_private_key(Path("new.key").read_bytes())
    assert rsa_bits_of(key.public_key) == 2048
    assert ended.json == {
        "file": "new.key",
        "key": "RSA 2048",
        "encrypted": False,
        "public_key_sha256": hashlib.sha256(key.public_key).hexdigest(),
    }
    assert stat.S_IMODE(Path("new.key").stat().st_mode) == 0o600


def test_encrypted_key(shell: Shell, work: Path) -> None:
    line = ["key", "new.key", "--type", "ec:secp384r1", "--password-file", "challenge"]
    ended = shell(*line)
    assert ended.out.startswith("File:               new.key\nKey:                EC\nEncrypted: ")
    octets = Path("new.key").read_bytes()
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in octets
    key = OscryptoProvider().load_private_key(octets, password=CHALLENGE)
    assert key_type_of(key.public_key) is KeyType.EC


def test_keys_are_not_overwritten(shell: Shell, work: Path) -> None:
    before = Path("key-1.pem").read_bytes()
    ended = shell("key", "key-1.pem", "--type", "ec:secp256r1")
    assert (ended.code, "key-1.pem exists" in ended.err) == (2, True)
    assert Path("key-1.pem").read_bytes() == before
    assert shell("key", "key-1.pem", "--type", "ec:secp256r1", "--force").code == 0
    assert Path("key-1.pem").read_bytes() != before


def test_a_weak_key_is_told(shell: Shell, work: Path) -> None:
    ended = shell("key", "new.key", "--type", "rsa:1024")
    assert ended.code == 0
    assert "Warning: An RSA key of 1024 bits is weak" in ended.err


@pytest.mark.parametrize("der", [False, True])
def test_csr(shell: Shell, work: Path, der: bool) -> None:
    line = ["csr", "--key", "key-1.pem", "--subject", "CN=a,O=Example", "--out", "a.csr"]
    line += ["--san", "dns:a.example", "--san", "ip:192.0.2.1", "--digest", "sha512"]
    line += ["--key-usage", "digital-signature", "--key-usage", "key-encipherment"]
    line += ["--extended-key-usage", "client-auth", "--extended-key-usage", "1.2.3.4"]
    line += ["--template-name", "Sensor", "--challenge-file", "challenge", "--json"]
    ended = shell(*line, *(["--der"] if der else []))
    assert ended.json == {
        "file": "a.csr",
        "subject": "CN=a,O=Example",
        "subject_alt_names": ["dns:a.example", "ip:192.0.2.1"],
        "key": "RSA 2048",
        "signature_algorithm": "RSA_SHA512",
        "has_challenge": True,
    }
    octets = Path("a.csr").read_bytes()
    assert octets.startswith(b"0" if der else b"-----BEGIN CERTIFICATE REQUEST-----\n")
    csr = parse_csr(octets)
    csr.verify()
    assert csr.challenge_password == CHALLENGE
    assert csr.public_key == keys.rsa(1).public_key
    usages = frozenset((KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_ENCIPHERMENT))
    assert read_key_usage(csr.extensions) == usages
    assert read_extended_key_usage(csr.extensions) == (
        ExtendedKeyUsage.CLIENT_AUTH.value,
        "1.2.3.4",
    )
    assert len(csr.extensions) == 4
    assert stat.S_IMODE(Path("a.csr").stat().st_mode) == 0o600


def test_csr_with_a_new_key(shell: Shell, work: Path) -> None:
    line = ["csr", "--key", "new.key", "--new-key", "ec:secp256r1", "--out", "a.csr"]
    ended = shell(*line, "--san", "upn:a@example", "--template-oid", "1.3.6.1.4.1.311.21.8.1")
    assert ended.code == 0
    assert "Subject:            (empty)\n" in ended.out
    assert "Challenge password: no\n" in ended.out


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--extended-key-usage", "everything"], "neither an OID nor one of server-auth"),
        (["--key-usage", "everything"], "invalid choice: 'everything'"),
        (["--san", "host"], "not an alternative name"),
        (["--subject", "CN"], "--subject"),
        (["--subject", "XY=a"], "use one of CN, SN, serialNumber, C, L, ST, street, O, OU,"),
        (["--subject", f"CN={'x' * 65}"], "The attribute CN has 65 characters, but may have 64"),
        (["--key", "wrong"], "wrong: "),
        (["--key", "key-1.pem", "--out", "key-1.pem", "--force"], "is still needed"),
        (["--key", "missing.key"], "no file missing.key; --new-key"),
        (["--template-name", "a", "--template-oid", "1.2"], "not allowed with"),
    ],
)
def test_csr_usage(shell: Shell, work: Path, more: list[str], text: str) -> None:
    ended = shell("csr", "--key", "key-1.pem", "--subject", "CN=a", "--out", "a.csr", *more)
    assert ended.code == 2
    assert text in ended.err
    assert not Path("a.csr").exists()


def test_a_key_that_does_not_open(shell: Shell, work: Path) -> None:
    shell("key", "locked.key", "--type", "ec:secp256r1", "--password-file", "challenge")
    line = ["csr", "--key", "locked.key", "--subject", "CN=a", "--out", "a.csr"]
    without = shell(*line)
    assert (without.code, "locked.key: " in without.err) == (2, True)
    wrong = shell(*line, "--key-password-file", "wrong")
    assert wrong.code == 2
    assert wrong.err == "pyscep: locked.key: it does not open; is the password right?\n"
    assert shell(*line, "--key-password-file", "challenge").code == 0
