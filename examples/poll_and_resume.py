"""A CA that wants a person to approve: poll, survive a restart, give up in time.

The CA here is the library's own, on no network at all; see enrol.py for a real one.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pyscep
from pyscep.handlers import ApprovalHandler
from pyscep.memory_store import MemoryStore
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa


class Clock:
    """A clock that only moves when somebody sleeps, so that this takes no time."""

    def __init__(self) -> None:
        self.time = datetime(2030, 1, 1, tzinfo=timezone.utc)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        print(f"   (waiting {seconds:.0f} s)")
        self.time += timedelta(seconds=seconds)


def main() -> None:
    clock = Clock()
    authority = EphemeralCa.create(now=clock.now())
    responder = Responder(
        authority=authority, handler=ApprovalHandler(), store=MemoryStore(), now=clock.now
    )
    client = pyscep.Client("http://in.memory/scep", send=responder.handle)
    fingerprint = authority.root.sha256_fingerprint
    ca = client.get_ca_cert().authenticate(sha256=fingerprint, at=clock.now())

    key = pyscep.default_provider().generate_rsa_key(2048)
    csr = pyscep.build_csr(subject="CN=sensor-17", key=key)
    identity = pyscep.self_signed_identity(
        csr, key=key, not_before=clock.now(), lifetime=timedelta(days=30)
    )
    reply = client.enrol(csr, identity=identity, ca=ca)
    if not isinstance(reply, pyscep.Pending):
        raise SystemExit("the CA decided at once")

    # This text, the key and the self-signed certificate are all that has to survive a restart.
    saved = reply.transaction.to_json()
    print(f"1. Pending; {len(saved)} characters saved, without any secret.")

    resumed = pyscep.Transaction.from_json(saved)
    schedule = pyscep.PollSchedule(
        first_delay=timedelta(minutes=1), interval=timedelta(minutes=5), max_count=3
    )
    pending = pyscep.Pending(transaction=resumed)
    waited = client.wait(
        pending, identity=identity, ca=ca, schedule=schedule, now=clock.now, sleep=clock.sleep
    )
    print(f"2. After {schedule.max_count} polls: {type(waited).__name__}.")

    responder.approve(resumed.transaction_id)
    approved = client.poll(resumed, identity=identity, ca=ca)
    print(f"3. Approved: {pyscep.require_success(approved).certificate.subject}.")


if __name__ == "__main__":
    main()
