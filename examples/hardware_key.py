"""A key that never leaves its hardware: any object with five members will do.

The "hardware" here is a class that only lets signatures and decrypted content keys out.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta, timezone

import pyscep
from pyscep.handlers import static_challenge
from pyscep.memory_store import MemoryStore
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa


class Token:
    """Stands for a TPM, a smart card, or a signing service."""

    blocking = True
    """It is slow: the asyncio client waits for it in a thread."""

    def __init__(self) -> None:
        self._inside = pyscep.default_provider().generate_rsa_key(2048)
        self.used = 0

    @property
    def public_key(self) -> bytes:
        return self._inside.public_key

    @property
    def signature_algorithms(self) -> AbstractSet[pyscep.SignatureAlgorithm]:
        return frozenset({pyscep.SignatureAlgorithm.RSA_SHA256})

    @property
    def key_encryption_algorithms(self) -> AbstractSet[pyscep.KeyEncryptionAlgorithm]:
        return frozenset({pyscep.KeyEncryptionAlgorithm.RSA_PKCS1_V15})

    def sign(self, data: bytes, algorithm: pyscep.SignatureAlgorithm) -> bytes:
        self.used += 1
        return self._inside.sign(data, algorithm)

    def decrypt(self, ciphertext: bytes, algorithm: pyscep.KeyEncryptionAlgorithm) -> bytes:
        self.used += 1
        return self._inside.decrypt(ciphertext, algorithm)


def main() -> None:
    now = datetime.now(timezone.utc)
    authority = EphemeralCa.create(now=now)
    responder = Responder(
        authority=authority,
        handler=static_challenge("secret"),
        store=MemoryStore(),
        now=lambda: now,
    )
    client = pyscep.Client("http://in.memory/scep", send=responder.handle)
    ca = client.get_ca_cert().authenticate(sha256=authority.root.sha256_fingerprint, at=now)
    token = Token()
    csr = pyscep.build_csr(subject="CN=sensor-17", key=token, challenge_password="secret")
    identity = pyscep.self_signed_identity(
        csr, key=token, not_before=now, lifetime=timedelta(days=1)
    )
    issued = pyscep.require_success(client.enrol(csr, identity=identity, ca=ca))
    print(f"{issued.certificate.subject}: the token was used {token.used} times")


if __name__ == "__main__":
    main()
