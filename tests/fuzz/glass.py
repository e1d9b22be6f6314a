"""Cryptography that one can see through, so that a fuzzer gets past it.

With real cryptography, a changed byte nearly always ends at the signature, and what lies behind it
is never reached. Here every digest is the same, every signature is accepted, and what is encrypted
is what it was. It goes as deep as somebody with all the keys could.
"""

from __future__ import annotations

import functools
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
    KeyType,
    SignatureAlgorithm,
)
from pyscep.ca import CaCertificates, TrustedCa
from pyscep.certificates import Identity, key_type_of
from pyscep.crypto import default_provider
from pyscep.handlers import ApprovalHandler, RequestHandler, static_challenge
from pyscep.keys import PrivateKey
from pyscep.memory_store import MemoryStore
from pyscep.pkcs10 import CertificationRequest, build_csr
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa
from pyscep.testing.vectors.parties import public_test_key
from tests.helpers.keys import EVERYTHING, SIGN_AND_ENCRYPT, certify

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
START = NOW - timedelta(days=30)
END = NOW + timedelta(days=3650)
CHALLENGE = "glass, to be seen through"


@dataclass(frozen=True, slots=True)
class GlassKey:
    """A key that signs with five letters and decrypts nothing, having nothing to decrypt."""

    public_key: bytes

    @property
    def signature_algorithms(self) -> AbstractSet[SignatureAlgorithm]:
        kind = key_type_of(self.public_key)
        return frozenset(a for a in SignatureAlgorithm if a.key_type is kind)

    @property
    def key_encryption_algorithms(self) -> AbstractSet[KeyEncryptionAlgorithm]:
        is_rsa = key_type_of(self.public_key) is KeyType.RSA
        return frozenset(KeyEncryptionAlgorithm if is_rsa else ())

    def sign(self, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        return b"glass"

    def decrypt(self, ciphertext: bytes, algorithm: KeyEncryptionAlgorithm) -> bytes:
        return ciphertext


class GlassProvider:
    """A provider without secrets."""

    name = "glass"

    def digest(self, data: bytes, algorithm: DigestAlgorithm) -> bytes:
        return bytes(8)

    def verify(
        self, public_key: bytes, signature: bytes, data: bytes, algorithm: SignatureAlgorithm
    ) -> None:
        return None

    def encrypt_key(
        self, public_key: bytes, content_key: bytes, algorithm: KeyEncryptionAlgorithm
    ) -> bytes:
        return content_key

    def encrypt_content(
        self, key: bytes, iv: bytes, content: bytes, algorithm: ContentEncryptionAlgorithm
    ) -> bytes:
        return content

    def decrypt_content(
        self, key: bytes, iv: bytes, ciphertext: bytes, algorithm: ContentEncryptionAlgorithm
    ) -> bytes:
        return ciphertext

    def pbkdf2(
        self,
        password: bytes,
        salt: bytes,
        *,
        iterations: int,
        key_length: int,
        digest: DigestAlgorithm,
    ) -> bytes:
        return bytes(key_length)

    def random_bytes(self, size: int) -> bytes:
        return bytes(range(1, size + 1))

    def load_private_key(self, data: bytes, *, password: str | None = None) -> PrivateKey:
        return default_provider().load_private_key(data, password=password)

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(name)


PROVIDER: Any = GlassProvider()


@functools.cache
def key(name: str) -> GlassKey:
    """Return one of the committed test keys, seen through."""
    return GlassKey(default_provider().load_private_key(public_test_key(name)).public_key)


@functools.cache
def identity(name: str) -> Identity:
    """Return the CA, its successor ``next-ca``, an RA, or a client, by the name of its key.

    Those whose name begins with ``ec-`` cannot decrypt.
    """
    is_ca = name in {"ca", "next-ca", "ec-ca"}
    return certify(
        f"CN={name},O=Glass",
        key=key(name),
        issuer=identity("ca") if name.startswith("ra-") else None,
        ca=is_ca,
        usages=EVERYTHING if is_ca else SIGN_AND_ENCRYPT,
        not_before=START,
        not_after=END + timedelta(days=3650) if name == "next-ca" else END,
        serial_number=sum(name.encode()),
    )


@functools.cache
def issued() -> Identity:
    """Return a client with a certificate of the CA."""
    return certify(
        "CN=client-old,O=Glass",
        key=key("client-old"),
        issuer=identity("ca"),
        not_before=START,
        not_after=END,
        serial_number=17,
    )


@functools.cache
def trusted_ca(name: str = "ca") -> TrustedCa:
    """Return the CA as a client trusts it."""
    certificate = identity(name).certificate
    found = CaCertificates(certificates=(certificate,))
    return found.authenticate(
        anchors=[certificate], at=NOW, encrypt_with_challenge=name == "ec-ca", provider=PROVIDER
    )


def csr(
    name: str, *, subject: str = "CN=client-old,O=Glass", challenge_password: str | None = CHALLENGE
) -> CertificationRequest:
    """Return a request for the key of this name."""
    return build_csr(subject=subject, key=key(name), challenge_password=challenge_password)


@functools.cache
def authority(name: str = "ca") -> EphemeralCa:
    """Return the CA, or its successor, as a server has it."""
    one = identity(name)
    return EphemeralCa(
        identity=one,
        parents=(),
        signer=one,
        recipients=(one,),
        lifetime=timedelta(days=1),
        publish_root=True,
        provider=PROVIDER,
    )


CHALLENGES = static_challenge(CHALLENGE)


def responder(handler: RequestHandler = CHALLENGES, name: str = "ca") -> Responder:
    """Return a server that remembers nothing yet and reads every algorithm."""
    return Responder(
        authority=authority(name),
        next_authority=authority("next-ca"),
        handler=handler,
        challenge_passwords=lambda _: ["another one", CHALLENGE],
        store=MemoryStore(),
        now=lambda: NOW,
        ciphers=frozenset(ContentEncryptionAlgorithm),
        digests=frozenset(DigestAlgorithm),
        provider=PROVIDER,
    )


def approving(name: str = "ca") -> Responder:
    """Return a server that lets everybody wait."""
    return responder(ApprovalHandler(), name)
