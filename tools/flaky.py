"""Enrol over a network that loses and garbles: ``python -m tools.flaky``.

A proxy on loopback stands between the clients and the responder. It drops requests and replies,
delays, duplicates, cuts and exchanges them. A client that hears nothing, or nonsense, sends the
same message again, as often as it likes. In the end each has exactly one certificate or a clear
error, and the CA has issued nothing twice; else it ends with 1.
"""

from __future__ import annotations

import argparse
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import Enum
from random import Random
from typing import Any
from urllib.parse import urlsplit

from pyscep import (
    Certificate,
    ScepError,
    build_csr,
    default_provider,
    pkcs_req,
    require_success,
    self_signed_identity,
)
from pyscep.authority import Authority
from pyscep.ca import CaCertificates
from pyscep.capabilities import HttpMethod
from pyscep.handlers import Issue, static_challenge
from pyscep.http import parse_pki_operation, pki_operation
from pyscep.keys import PrivateKey
from pyscep.memory_store import MemoryStore
from pyscep.pkcs10 import CertificationRequest
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa, ScepServer
from pyscep.transport import RequestsTransport

CHALLENGE = "flaky"
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
TRIES = 12
"""How often a client sends its message before it gives up."""


class Fate(Enum):
    """What the network does with one exchange."""

    NOTHING = "passes"
    DROP_REQUEST = "loses the request"
    DROP_REPLY = "loses the reply"
    CUT_REQUEST = "cuts the request"
    CUT_REPLY = "cuts the reply"
    FLIP_REPLY = "changes a bit of the reply"
    DUPLICATE = "delivers the request twice"
    DELAY = "delivers an old copy of the request later"
    EXCHANGE = "gives the reply to somebody else"


FATES = (Fate.NOTHING, *Fate)
"""Drawn evenly: two of ten exchanges pass."""


@dataclass
class FlakyProxy:
    """Carries requests to a server, each in its own connection, and has its way with them."""

    target: tuple[str, int]
    random: Random
    fates: Counter[Fate] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._late: list[bytes] = []
        self._swapped: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listening.getsockname()[1])

    @contextmanager
    def running(self) -> Iterator[FlakyProxy]:
        """Carry from now on."""
        self._thread.start()
        try:
            yield self
        finally:
            # A blocking accept() wakes up only if somebody comes.
            self._listening.shutdown(socket.SHUT_RDWR)
            self._thread.join()
            self._listening.close()

    def _serve(self) -> None:
        with ThreadPoolExecutor(32) as pool, suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                pool.submit(self._carry, connection)

    def _carry(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(10)
            request = read_message(client)
            if not request:
                return
            with self._lock:
                fate = self.random.choice(FATES)
                bit = self.random.random()
                self.fates[fate] += 1
            reply = self._suffer(fate, request, bit)
            if reply:
                client.sendall(reply)

    def _suffer(self, fate: Fate, request: bytes, where: float) -> bytes:
        """Return what the client gets to read."""
        match fate:
            case Fate.NOTHING:
                return self._forward(request)
            case Fate.DROP_REQUEST:
                return b""
            case Fate.DROP_REPLY:
                self._forward(request)
                return b""
            case Fate.CUT_REQUEST:
                return self._forward(request[: int(where * len(request))])
            case Fate.CUT_REPLY | Fate.FLIP_REPLY:
                return garbled(self._forward(request), fate, where)
            case Fate.DUPLICATE:
                self._forward(request)
                return self._forward(request)
            case Fate.DELAY:
                return self._later(request)
            case Fate.EXCHANGE:
                return self._swap(self._forward(request))

    def _later(self, request: bytes) -> bytes:
        """Keep this request for the time of another, and deliver that one's, out of order."""
        with self._lock:
            self._late.append(request)
            old = self._late.pop(0) if len(self._late) > 4 else b""
        if old:
            self._forward(old)
        return b""

    def _swap(self, reply: bytes) -> bytes:
        with self._lock:
            self._swapped.append(reply)
            return self._swapped.pop(0) if len(self._swapped) > 1 else b""

    def _forward(self, request: bytes) -> bytes:
        with suppress(OSError), socket.create_connection(self.target, timeout=10) as server:
            server.sendall(request)
            server.shutdown(socket.SHUT_WR)
            return read_message(server)
        return b""


def garbled(reply: bytes, fate: Fate, where: float) -> bytes:
    """Return a reply cut, or with a bit changed, at this fraction of it."""
    at = int(where * len(reply))
    if fate is Fate.CUT_REPLY or not reply:
        return reply[:at]
    return reply[:at] + bytes((reply[at] ^ 0x10,)) + reply[at + 1 :]


def read_message(connection: socket.socket) -> bytes:
    """Read one HTTP message with a Content-Length, or what comes of it."""
    received = b""
    while True:
        head, mark, body = received.partition(b"\r\n\r\n")
        if mark:
            lengths = [
                line.partition(b":")[2]
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            ]
            if len(body) >= int(lengths[0] if lengths else b"0"):
                return received
        piece = connection.recv(65_536)
        if not piece:
            return received
        received += piece


class CountingCa:
    """An authority that counts what it issues, by subject."""

    def __init__(self, authority: EphemeralCa) -> None:
        self._authority = authority
        self.issued: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the authority has
        return getattr(self._authority, name)

    def issue(self, csr: CertificationRequest, decision: Issue, *, at: datetime) -> Certificate:
        """Issue and count."""
        self.issued[str(csr.subject)] += 1
        return self._authority.issue(csr, decision, at=at)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to."""

    enrolled: int
    gave_up: int
    wrong: tuple[str, ...]
    messages: int
    fates: Counter[Fate]
    errors: Counter[str]
    issued_twice: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended for one client."""

    subject: str
    certificate: Certificate | None
    errors: tuple[str, ...]


def run(*, enrolments: int, threads: int = 16, seed: int = 1, bits: int = 1024) -> Result:
    """Let so many clients enrol, each with a transaction of its own."""
    provider = default_provider()
    pool = [provider.generate_rsa_key(bits) for _ in range(16)]
    authority: Any = CountingCa(EphemeralCa.create(now=NOW))
    responder = Responder(
        authority=authority,
        handler=static_challenge(CHALLENGE),
        store=MemoryStore(),
        now=lambda: NOW,
        minimum_rsa_bits=1024,
    )
    began = time.monotonic()
    with ScepServer(responder.handle) as server:
        host, port = str(urlsplit(server.url).hostname), int(urlsplit(server.url).port or 0)
        with FlakyProxy(target=(host, port), random=Random(seed)).running() as proxy:  # noqa: S311
            url = f"http://127.0.0.1:{proxy.port}/scep"

            def enrol(number: int) -> Ending:
                return enrol_one(number, pool[number % len(pool)], url, authority)

            with ThreadPoolExecutor(threads) as clients:
                endings = list(clients.map(enrol, range(enrolments)))
        server.check()
    return judge(endings, authority, proxy, responder, time.monotonic() - began)


def enrol_one(number: int, key: PrivateKey, url: str, authority: Authority) -> Ending:
    """Send the same message until a reply is right, or patience ends."""
    csr = build_csr(subject=f"CN=client-{number}", key=key, challenge_password=CHALLENGE)
    identity = self_signed_identity(csr, key=key, not_before=NOW, lifetime=timedelta(days=1))
    published = authority.published
    ca = CaCertificates(certificates=published).authenticate(anchors=published[-1:], at=NOW)
    exchange = pkcs_req(csr, identity=identity, ca=ca)
    request = pki_operation(url, exchange.message, method=HttpMethod.POST)
    errors: list[str] = []
    with RequestsTransport(timeout=10) as transport:
        for _ in range(TRIES):
            certificate, error = attempt(
                lambda: (
                    require_success(
                        exchange.receive(parse_pki_operation(transport(request)))
                    ).certificate
                )
            )
            if certificate is not None:
                return Ending(str(csr.subject), certificate, tuple(errors))
            errors.append(error)
    return Ending(str(csr.subject), None, tuple(errors))


def attempt(exchange: Callable[[], Certificate]) -> tuple[Certificate | None, str]:
    """Return a certificate, or what was wrong: an error of ours, and no other."""
    try:
        return exchange(), ""
    except ScepError as error:
        return None, type(error).__name__


def judge(
    endings: list[Ending],
    authority: CountingCa,
    proxy: FlakyProxy,
    responder: Responder,
    seconds: float,
) -> Result:
    """Compare what the clients have with what the CA did."""
    wrong = []
    for ending in endings:
        certificate = ending.certificate
        if certificate is None and not ending.errors:
            wrong.append(f"{ending.subject} has neither certificate nor error")
        if certificate is not None and str(certificate.subject) != ending.subject:
            wrong.append(f"{ending.subject} has the certificate of {certificate.subject}")
    serial_numbers = [e.certificate.serial_number for e in endings if e.certificate is not None]
    if len(set(serial_numbers)) != len(serial_numbers):
        wrong.append("two clients have the same certificate")
    if responder.store.pending():
        wrong.append("requests are left pending")
    return Result(
        enrolled=len(serial_numbers),
        gave_up=len(endings) - len(serial_numbers),
        wrong=tuple(wrong),
        messages=proxy.fates.total(),
        fates=proxy.fates,
        errors=Counter(error for ending in endings for error in ending.errors),
        issued_twice=sum(1 for times in authority.issued.values() if times > 1),
        seconds=seconds,
    )


def main() -> int:
    """Run, print the figures, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--enrolments", type=int, default=5_000)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    result = run(enrolments=options.enrolments, threads=options.threads, seed=options.seed)
    print(f"{result.enrolled:,} clients have a certificate, {result.gave_up:,} a clear error")
    print(f"{result.messages:,} messages in {result.seconds:.0f} s; the network")
    for fate, times in result.fates.most_common():
        print(f"  {fate.value}: {times:,}")
    print(f"errors on the way: {dict(result.errors.most_common())}")
    print(f"issued twice: {result.issued_twice}; wrong: {len(result.wrong)}")
    for line in result.wrong[:20]:
        print(f"  {line}")
    return 1 if result.wrong or result.issued_twice else 0


if __name__ == "__main__":
    raise SystemExit(main())
