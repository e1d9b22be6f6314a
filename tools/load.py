"""Enrol very often in one process, and see what it keeps: ``python -m tools.load``.

A client and a responder in one process, by way of HTTP on loopback or (``--in-memory``) without it;
the store is an SQLite file, since a store in memory has to grow. After a warm-up the resident
memory, the open files and the threads are taken down, and again at the end. Ends with 1 if memory
has grown by more than 5 MiB, or files or threads have. Needs Linux, whose /proc is asked.
"""

from __future__ import annotations

import argparse
import gc
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from pyscep import (
    Certificate,
    Client,
    HttpRequest,
    HttpResponse,
    build_csr,
    default_provider,
    require_success,
    self_signed_identity,
)
from pyscep.ca import CaCertificates
from pyscep.handlers import static_challenge
from pyscep.keys import PrivateKey
from pyscep.responder import Responder
from pyscep.sqlite_store import SqliteStore
from pyscep.testing import EphemeralCa, ScepServer
from pyscep.transport import RequestsTransport

MOST_GROWTH = 5 * 1024 * 1024
"""Bytes of resident memory after the warm-up."""
CHALLENGE = "load"
Send = Callable[[HttpRequest], HttpResponse]


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the process holds."""

    memory: int
    files: int
    threads: int

    @classmethod
    def now(cls) -> Footprint:
        """Look, after everything that nobody needs has been freed."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return cls(
            memory=pages * os.sysconf("SC_PAGE_SIZE"),
            files=sum(1 for _ in Path("/proc/self/fd").iterdir()),
            threads=threading.active_count(),
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to."""

    enrolments: int
    certificates: int
    seconds: float
    before: Footprint
    after: Footprint

    @property
    def growth(self) -> int:
        """How much memory was not given back, in bytes."""
        return self.after.memory - self.before.memory

    @property
    def leaks(self) -> bool:
        """Whether it is more than it may be."""
        more_files = self.after.files > self.before.files
        return self.growth > MOST_GROWTH or more_files or self.after.threads > self.before.threads


@contextmanager
def client_and_responder(folder: Path, *, in_memory: bool) -> Iterator[tuple[Client, Responder]]:
    """Return both, connected."""
    provider = default_provider()
    with ExitStack() as stack:
        store = stack.enter_context(SqliteStore(folder / "load.db"))
        responder = Responder(
            authority=EphemeralCa.create(key_bits=2048),
            handler=static_challenge(CHALLENGE),
            store=store,
            now=lambda: datetime.now(timezone.utc),
            minimum_rsa_bits=1024,
        )
        send: Send = responder.handle
        url = "http://ca.example/scep"
        if not in_memory:
            # The log of a test server keeps everything, so it is emptied as it goes.
            server = stack.enter_context(ScepServer(responder.handle))
            transport = stack.enter_context(RequestsTransport(timeout=60))
            url = server.url

            def forgetful(request: HttpRequest) -> HttpResponse:
                server.reset()
                return transport(request)

            send = forgetful

        yield Client(url, send=send, provider=provider), responder


def run(*, enrolments: int, warm_up: int, bits: int, in_memory: bool, keys: int = 16) -> Result:
    """Enrol so often, with so many keys in turn."""
    provider = default_provider()
    pool = [provider.generate_rsa_key(bits) for _ in range(keys)]
    with (
        tempfile.TemporaryDirectory() as name,
        client_and_responder(Path(name), in_memory=in_memory) as (client, responder),
    ):
        published = responder.authority.published
        now = datetime.now(timezone.utc)
        ca = CaCertificates(certificates=published).authenticate(anchors=published[-1:], at=now)

        def enrol(number: int) -> Certificate:
            key: PrivateKey = pool[number % keys]
            csr = build_csr(subject=f"CN=client-{number}", key=key, challenge_password=CHALLENGE)
            identity = self_signed_identity(
                csr, key=key, not_before=now, lifetime=timedelta(days=1)
            )
            return require_success(client.enrol(csr, identity=identity, ca=ca)).certificate

        for number in range(warm_up):
            enrol(number)
        before = Footprint.now()
        began = time.monotonic()
        for number in range(warm_up, warm_up + enrolments):
            enrol(number)
            if number % 10_000 == 0:
                print(f"{number:,}: {Footprint.now()}", flush=True)
        seconds = time.monotonic() - began
        after = Footprint.now()
        with closing(sqlite3.connect(Path(name, "load.db"))) as database:
            rows = database.execute("SELECT COUNT(*) FROM certificates").fetchone()
    return Result(enrolments, rows[0] - warm_up, seconds, before, after)


def main() -> int:
    """Run, print the figures, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--enrolments", type=int, default=100_000)
    parser.add_argument("--warm-up", type=int, default=2_000)
    parser.add_argument("--bits", type=int, default=1024, help="size of the clients' RSA keys")
    parser.add_argument("--in-memory", action="store_true", help="without HTTP between them")
    options = parser.parse_args()
    result = run(
        enrolments=options.enrolments,
        warm_up=options.warm_up,
        bits=options.bits,
        in_memory=options.in_memory,
    )
    print(f"{result.enrolments:,} enrolments, {result.certificates:,} certificates")
    print(f"{result.seconds:.0f} s, {1000 * result.seconds / result.enrolments:.1f} ms each")
    print(f"memory grew by {result.growth / 1024 / 1024:.1f} MiB from {result.before}")
    print(f"to {result.after}: {'LEAKS' if result.leaks else 'no leaks'}")
    return 1 if result.leaks or result.certificates != result.enrolments else 0


if __name__ == "__main__":
    raise SystemExit(main())
