"""Challenge passwords that are good for one enrolment, and an alarm if one comes again."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pyscep
from pyscep.challenges import OneTimeChallenges
from pyscep.handlers import EnrolmentRequest
from pyscep.memory_store import MemoryStore
from pyscep.registrar import DuplicatePolicy
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa


def now() -> datetime:
    return datetime.now(timezone.utc)


def alarm(request: EnrolmentRequest) -> None:
    print(f"   ALARM: the challenge of {request.csr.subject} was used before.")


def enrol(responder: Responder, name: str, challenge_password: str) -> pyscep.Reply:
    """Be a device."""
    client = pyscep.Client("http://in.memory/scep", send=responder.handle)
    root = responder.authority.issuer.sha256_fingerprint
    ca = client.get_ca_cert().authenticate(sha256=root, at=now())
    key = pyscep.default_provider().generate_rsa_key(2048)
    csr = pyscep.build_csr(subject=f"CN={name}", key=key, challenge_password=challenge_password)
    identity = pyscep.self_signed_identity(
        csr, key=key, not_before=now(), lifetime=timedelta(days=1)
    )
    return client.enrol(csr, identity=identity, ca=ca)


def main() -> None:
    random_bytes = pyscep.default_provider().random_bytes
    # The key is all that has to be kept, and shared by processes that share a store.
    challenges = OneTimeChallenges(
        key=random_bytes(32), lifetime=timedelta(hours=1), now=now, random_bytes=random_bytes
    )
    responder = Responder(
        authority=EphemeralCa.create(now=now() - timedelta(days=1)),
        handler=challenges.handler(),
        store=MemoryStore(),
        now=now,
        on_reuse=alarm,
        # A device whose answer got lost, and asks in a new transaction, has no second challenge.
        duplicates=DuplicatePolicy.RETURN_SAME,
    )

    challenge = challenges.new_challenge()
    print(f"1. A challenge of {len(challenge)} letters and digits, for an hour.")
    first = enrol(responder, "sensor-17", challenge)
    print(f"2. sensor-17: {type(first).__name__}")
    second = enrol(responder, "sensor-18", challenge)
    print(f"3. sensor-18, with the same challenge: {type(second).__name__}")


if __name__ == "__main__":
    main()
