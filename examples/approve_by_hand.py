"""A responder with a memory on disk, a policy of its own, and somebody who approves.

The two parts of this program could be two processes: all that they share is a file, and the key and
certificate of the CA.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyscep
from pyscep.handlers import Decision, Defer, EnrolmentRequest, Issue, Refuse, SignerTrust
from pyscep.pkcs10 import parse_csr
from pyscep.responder import Responder
from pyscep.sqlite_store import SqliteStore
from pyscep.testing import EphemeralCa, ScepServer
from pyscep.transport import RequestsTransport


def now() -> datetime:
    return datetime.now(timezone.utc)


class Policy:
    """Renewals are issued, sensors wait for a person, and nobody else gets anything."""

    def decide(self, request: EnrolmentRequest) -> Decision:
        if request.trust is SignerTrust.TRUSTED:
            return Issue(lifetime=timedelta(days=90))
        if str(request.csr.subject).startswith("CN=sensor-"):
            return Defer()
        return Refuse(fail_info_text="Only sensors enrol here.")


def approve_everything(responder: Responder) -> None:
    """Be the person who looks at what waits."""
    for record in responder.store.pending():
        asked = parse_csr(record.csr)
        responder.approve(record.transaction_id, Issue(lifetime=timedelta(days=30)))
        print(f"   approved: {asked.subject}")


def device(url: str, ca_sha256: str, operator: Responder) -> None:
    """Be a device that asks, waits, and asks what has become of it."""
    with RequestsTransport(timeout=10) as send:
        client = pyscep.Client(url, send=send)
        ca = client.get_ca_cert().authenticate(sha256=ca_sha256, at=now())
        key = pyscep.default_provider().generate_rsa_key(2048)
        csr = pyscep.build_csr(subject="CN=sensor-17", key=key)
        identity = pyscep.self_signed_identity(
            csr, key=key, not_before=now(), lifetime=timedelta(days=30)
        )
        reply = client.enrol(csr, identity=identity, ca=ca)
        while isinstance(reply, pyscep.Pending):
            print("   the device waits")
            approve_everything(operator)
            reply = client.poll(reply.transaction, identity=identity, ca=ca)
        certificate = pyscep.require_success(reply).certificate
        days = (certificate.not_after - certificate.not_before).days
        print(f"   the device has {certificate.subject}, for {days} days")


def main(database: Path) -> None:
    # A real CA is an object of yours with the five members of pyscep.authority.Authority.
    authority = EphemeralCa.create(now=now() - timedelta(days=1))
    with SqliteStore(database) as store, SqliteStore(database) as same:
        serving = Responder(authority=authority, handler=Policy(), store=store, now=now)
        operator = Responder(authority=authority, handler=Policy(), store=same, now=now)
        with ScepServer(serving.handle) as server:
            device(server.url, authority.root.sha256_fingerprint, operator)
            server.check()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
