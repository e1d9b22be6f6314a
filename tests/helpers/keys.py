"""Keys and certificates that the whole test run shares, as a key takes longer than most tests.

Ask for a key by number: the same number is the same key, another number is another key. No test
may depend on which key a number is, and none may change a key.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

import pytest

from pyscep import extensions
from pyscep.algorithms import DigestAlgorithm, KeyEncryptionAlgorithm, SignatureAlgorithm
from pyscep.certificates import Identity, key_identifier_of
from pyscep.crypto import CryptoProvider, default_provider
from pyscep.extensions import Extension, KeyUsage
from pyscep.keys import PrivateKey
from pyscep.names import NameLike, build_name
from pyscep.pkcs10 import build_certificate, random_serial_number, signing_algorithm
from tests.helpers import tlv

START = datetime(2025, 1, 1, tzinfo=timezone.utc)
NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
END = datetime(2035, 1, 1, tzinfo=timezone.utc)

SIGN = frozenset((KeyUsage.DIGITAL_SIGNATURE,))
ENCRYPT = frozenset((KeyUsage.KEY_ENCIPHERMENT,))
SIGN_AND_ENCRYPT = SIGN | ENCRYPT
CERT_SIGN = frozenset((KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN))
EVERYTHING = SIGN_AND_ENCRYPT | CERT_SIGN

ED25519 = tlv.seq(tlv.algorithm("1.3.101.112"), tlv.bits(bytes(32)))
"""A public key that is neither RSA nor EC."""


@dataclass(frozen=True)
class OddKey:
    """A private key that can do nothing."""

    public_key: bytes
    signature_algorithms: frozenset[SignatureAlgorithm] = frozenset()
    key_encryption_algorithms: frozenset[KeyEncryptionAlgorithm] = frozenset()

    def sign(self, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        raise NotImplementedError

    def decrypt(self, ciphertext: bytes, algorithm: KeyEncryptionAlgorithm) -> bytes:
        raise NotImplementedError


@functools.cache
def provider() -> CryptoProvider:
    """Return pyscep's default provider, loaded once."""
    return default_provider()


PROVIDERS = ("oscrypto", "cryptography")


def provider_named(name: str) -> CryptoProvider:
    """Return a provider of these names; without the extra that it needs, the test is skipped."""
    if name == "oscrypto":
        return provider()
    pytest.importorskip("cryptography", reason="the extra [cryptography] is not installed")
    from pyscep.crypto.pyca_provider import PycaProvider  # an extra

    return PycaProvider()


def rsa(number: int = 0, *, bits: int = 2048) -> PrivateKey:
    """Return the RSA key of this number and size."""
    return _rsa(number, bits)


def ec(number: int = 0, *, curve: str = "secp256r1") -> PrivateKey:
    """Return the EC key of this number on this curve."""
    return _ec(number, curve)


# Cached behind the functions above, so that the same key asked for in two ways is one key.


@functools.cache
def _rsa(number: int, bits: int) -> PrivateKey:
    return provider().generate_rsa_key(bits)


@functools.cache
def _ec(number: int, curve: str) -> PrivateKey:
    return provider().generate_ec_key(curve)


def certify(
    subject: NameLike,
    *,
    key: PrivateKey,
    issuer: Identity | None = None,
    ca: bool = False,
    usages: Iterable[KeyUsage] | None = SIGN_AND_ENCRYPT,
    purposes: Iterable[str] = (),
    not_before: datetime = START,
    not_after: datetime = END,
    serial_number: int | None = None,
    extra: Iterable[Extension] = (),
    replaced: Iterable[Extension] = (),
    issuer_name: NameLike | None = None,
    key_identifier: bool = True,
) -> Identity:
    """Certify *key*; self-signed where there is no *issuer*.

    :param usages: the bits of keyUsage; ``None`` leaves the extension out.
    :param purposes: the OIDs of extendedKeyUsage; none leave the extension out.
    :param replaced: in the place of those of the same kind.
    :param issuer_name: instead of the issuer's own name, for look-alikes.
    """
    items = [extensions.basic_constraints(ca=ca)]
    if usages is not None:
        items.append(extensions.key_usage(usages))
    if purposes:
        items.append(extensions.extended_key_usage(purposes))
    if key_identifier:
        items.append(extensions.subject_key_identifier(key_identifier_of(key.public_key)))
    instead = {each.oid: each for each in replaced}
    name = build_name(subject)
    own_issuer_name = name if issuer is None else issuer.certificate.subject
    signing_key = key if issuer is None else issuer.key
    certificate = build_certificate(
        issuer=own_issuer_name if issuer_name is None else build_name(issuer_name),
        subject=name,
        public_key=key.public_key,
        serial_number=random_serial_number(provider()) if serial_number is None else serial_number,
        not_before=not_before,
        not_after=not_after,
        items=(*(i for i in items if i.oid not in instead), *instead.values(), *extra),
        key=signing_key,
        algorithm=signing_algorithm(signing_key, DigestAlgorithm.SHA256),
    )
    return Identity(certificate=certificate, key=key)


@functools.cache
def ca() -> Identity:
    """Return a CA that signs, decrypts and issues with one key."""
    return certify("CN=Test CA,O=Example", key=rsa(0), ca=True, usages=EVERYTHING)


@functools.cache
def client() -> Identity:
    """Return a client with a self-signed RSA certificate."""
    return certify("CN=sensor-17,O=Example", key=rsa(1))


@functools.cache
def ec_client() -> Identity:
    """Return a client with a self-signed EC certificate, which cannot decrypt."""
    return certify("CN=sensor-18,O=Example", key=ec(1), usages=SIGN)


@functools.cache
def stranger() -> Identity:
    """Return somebody with a key of his own and no business here."""
    return certify("CN=Stranger", key=rsa(2))
