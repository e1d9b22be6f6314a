"""A server that is killed again and again loses nothing it has said and issues nothing twice."""

from __future__ import annotations

import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from pyscep.begin import cert_poll, pkcs_req
from pyscep.ca import CaCertificates, TrustedCa
from pyscep.capabilities import HttpMethod
from pyscep.certificates import Certificate
from pyscep.errors import HttpError, TransportError
from pyscep.exchange import Exchange
from pyscep.http import parse_pki_operation, pki_operation
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.pkcs10 import build_csr, self_signed_identity
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa
from pyscep.transaction import Pending, Reply, Success
from pyscep.transport import RequestsTransport
from tests.helpers import durable_server, keys

ENROLMENTS = 200
CLIENTS = 8
SECONDS_BETWEEN_KILLS = (0.05, 0.6)
PROGRAM = Path(durable_server.__file__)
ROOT = PROGRAM.parents[2]


@dataclass
class Killer:
    """Runs the server, kills it at random moments, and starts it again."""

    directory: Path
    port: int
    random: random.Random
    kills: int = 0
    _process: subprocess.Popen[str] | None = None
    _end: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, PROGRAM, self.directory, str(self.port)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith("http://")

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def run(self) -> None:
        while not self._end.wait(self.random.uniform(*SECONDS_BETWEEN_KILLS)):
            self.kill()
            self.kills += 1
            self.start()

    def stop(self) -> None:
        self._end.set()


@dataclass
class Client:
    """Sends the same bytes until there is an answer, as a device does that reboots."""

    url: str
    ca: TrustedCa
    end: threading.Event

    def ask(self, exchange: Exchange) -> Reply:
        while not self.end.is_set():
            request = pki_operation(self.url, exchange.message, method=HttpMethod.POST)
            try:
                with RequestsTransport(timeout=10) as send:
                    response = send(request)
                return exchange.receive(parse_pki_operation(response))
            except (TransportError, HttpError):
                self.end.wait(0.02)
        raise AssertionError("the test is over")

    def enrol(self, number: int) -> tuple[str, Certificate]:
        key = keys.rsa(number % CLIENTS)
        kind = "HOLD" if number % 4 == 0 else "NOW"
        csr = build_csr(
            subject=f"CN=device {number}",
            key=key,
            challenge_password=durable_server.challenges().new_challenge(),
        )
        identity = self_signed_identity(
            csr,
            key=key,
            not_before=durable_server.now() - timedelta(hours=1),
            lifetime=timedelta(days=1),
        )
        exchange = pkcs_req(csr, identity=identity, ca=self.ca, transaction_id=f"{kind}{number}")
        reply = self.ask(exchange)
        while isinstance(reply, Pending):
            self.end.wait(0.01)
            reply = self.ask(cert_poll(reply.transaction, identity=identity, ca=self.ca))
        assert isinstance(reply, Success), reply
        return reply.transaction.transaction_id, reply.certificate


@pytest.fixture
def killer(tmp_path: Path) -> Iterator[Killer]:
    authority = EphemeralCa.create(
        now=durable_server.now() - timedelta(hours=2), key=keys.rsa(0), provider=keys.provider()
    )
    durable_server.save(authority.identity, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # The seed makes a failure repeatable as far as threads and processes allow.
    killer = Killer(directory=tmp_path, port=port, random=random.Random(8894))  # noqa: S311
    killer.start()
    yield killer
    killer.kill()


@pytest.mark.conforms("X-07", "X-16", "H-11", "P-12", "X-10")
@pytest.mark.timeout(300)
def test_nothing_is_lost_and_nothing_issued_twice(killer: Killer) -> None:
    with durable_server.open_store(killer.directory) as store:
        delivered = enrol_all(killer, durable_server.responder(killer.directory, store))
        assert len(delivered) == ENROLMENTS
        assert killer.kills >= 5
        for transaction_id, certificate in delivered.items():
            record = store.get(transaction_id)
            assert record is not None
            assert record.certificate == certificate.der
            identifier = IssuerAndSerialNumber.of(certificate)
            assert store.find_certificate(identifier) == certificate.der
    with closing(sqlite3.connect(killer.directory / "scep.db")) as connection:
        (issued,) = connection.execute("SELECT count(*) FROM certificates").fetchone()
        (consumed,) = connection.execute("SELECT count(*) FROM consumed").fetchone()
    assert (issued, consumed) == (ENROLMENTS, ENROLMENTS)


def enrol_all(killer: Killer, mine: Responder) -> dict[str, Certificate]:
    """Let many clients enrol, and approve what waits, while the server is killed."""
    issuer = mine.authority.issuer
    ca = CaCertificates(certificates=(issuer,)).authenticate(
        anchors=[issuer], at=durable_server.now()
    )
    end = threading.Event()
    client = Client(url=f"http://127.0.0.1:{killer.port}/scep", ca=ca, end=end)

    def approve() -> None:
        while not end.wait(0.05):
            for record in mine.store.pending():
                mine.approve(record.transaction_id)

    threads = [threading.Thread(target=target) for target in (killer.run, approve)]
    for thread in threads:
        thread.start()
    try:
        with ThreadPoolExecutor(CLIENTS) as pool:
            return dict(pool.map(client.enrol, range(ENROLMENTS)))
    finally:
        killer.stop()
        end.set()
        for thread in threads:
            thread.join()
