"""A program that serves SCEP from a directory, to be killed at any moment and started again.

``durable_server.py DIRECTORY PORT``: the CA's key and certificate are read from the directory, and
the SQLite file lies there. It prints its URL when it answers.
"""

from __future__ import annotations

import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

from pyscep.certificates import Identity, parse_certificate
from pyscep.challenges import OneTimeChallenges
from pyscep.crypto import default_provider
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.handlers import Decision, Defer, EnrolmentRequest, Issue
from pyscep.responder import Responder
from pyscep.sqlite_store import SqliteStore
from pyscep.testing import EphemeralCa, ScepServer

KEY = bytes(range(32))


def now() -> datetime:
    return datetime.now(timezone.utc)


def challenges() -> OneTimeChallenges:
    """Return the same maker of challenges in every process."""
    random_bytes = default_provider().random_bytes
    return OneTimeChallenges(
        key=KEY, lifetime=timedelta(hours=1), now=now, random_bytes=random_bytes
    )


class SlowApproval:
    """Holds the requests whose transaction ID says so for approval."""

    def decide(self, request: EnrolmentRequest) -> Decision:
        decision = challenges().handler().decide(request)
        if isinstance(decision, Issue) and request.transaction_id.startswith("HOLD"):
            return Defer(consumes=decision.consumes)
        return decision


def save(identity: Identity, directory: Path) -> None:
    """Write the CA for :func:`responder`."""
    key = OscryptoProvider().dump_private_key(identity.key)
    (directory / "ca.key").write_bytes(key)
    (directory / "ca.crt").write_bytes(identity.certificate.der)


def responder(directory: Path, store: SqliteStore) -> Responder:
    """Return the responder of this directory; several processes may have one."""
    provider = OscryptoProvider()
    identity = Identity(
        certificate=parse_certificate((directory / "ca.crt").read_bytes()),
        key=provider.load_private_key((directory / "ca.key").read_bytes()),
    )
    authority = EphemeralCa(
        identity=identity,
        parents=(),
        signer=identity,
        recipients=(identity,),
        lifetime=timedelta(days=1),
        publish_root=True,
        provider=provider,
    )
    return Responder(
        authority=authority,
        handler=SlowApproval(),
        store=store,
        now=now,
        provider=provider,
    )


def open_store(directory: Path) -> SqliteStore:
    """Open what the processes share; to be closed."""
    return SqliteStore(directory / "scep.db")


def main(directory: Path, port: int) -> None:
    with (
        open_store(directory) as store,
        ScepServer(responder(directory, store).handle, port=port) as server,
    ):
        print(server.url, flush=True)  # noqa: T201  # that it answers is what is waited for
        threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
