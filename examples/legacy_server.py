"""An old server: 3DES and SHA-1 are all it can, and its replies come under single DES.

Nothing of this happens by itself: each weakness is named by the caller, one by one.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pyscep
from pyscep.handlers import static_challenge
from pyscep.memory_store import MemoryStore
from pyscep.testing.profiles import ProfileServer, find_profile
from pyscep.transport import RequestsTransport


def now() -> datetime:
    return datetime.now(timezone.utc)


def main() -> None:
    profile = find_profile("micromdm")
    authority = profile.make_authority(now=now())
    responder = profile.make_responder(
        authority=authority, handler=static_challenge("secret"), store=MemoryStore(), now=now
    )
    key = pyscep.default_provider().generate_rsa_key(2048)
    csr = pyscep.build_csr(subject="CN=sensor-17", key=key, challenge_password="secret")
    identity = pyscep.self_signed_identity(
        csr, key=key, not_before=now(), lifetime=timedelta(days=1)
    )
    with ProfileServer(responder, profile) as server, RequestsTransport(timeout=10) as send:
        client = pyscep.Client(server.url, send=send)
        ca = client.get_ca_cert().authenticate(sha256=authority.root.sha256_fingerprint, at=now())
        algorithms = client.get_ca_caps().select(allow_legacy=True)
        print("weaker than usual:", ", ".join(algorithms.downgrades) or "nothing")
        try:
            client.enrol(csr, identity=identity, ca=ca, algorithms=algorithms)
        except pyscep.WeakAlgorithm as error:
            print("refused:", error)

        rules = pyscep.ReplyRules(
            read_legacy_ciphers=frozenset({pyscep.ContentEncryptionAlgorithm.DES_CBC})
        )
        tolerant = pyscep.Client(server.url, send=send, rules=rules)
        issued = pyscep.require_success(
            tolerant.enrol(csr, identity=identity, ca=ca, algorithms=algorithms)
        )
        print("read under:", issued.content_encryption_algorithm.name)


if __name__ == "__main__":
    main()
