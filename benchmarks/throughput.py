"""Enrolments per second: in several threads, and over HTTP on the loopback interface."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from benchmarks import counts
from benchmarks.material import CHALLENGE, SUBJECT, Material
from benchmarks.measure import Turn, interleave, timed
from benchmarks.raw import Floor
from benchmarks.results import Row, Section
from pyscep.algorithms import ContentEncryptionAlgorithm
from pyscep.ca import TrustedCa
from pyscep.capabilities import Algorithms
from pyscep.client import Client
from pyscep.exchange import DEFAULT_RULES, ReplyRules
from pyscep.flows import Transport
from pyscep.http import HttpRequest, HttpResponse
from pyscep.pkcs10 import build_csr
from pyscep.testing import ScepServer
from pyscep.transaction import require_success
from pyscep.transport import RequestsTransport
from tests.interop.servers import scepserver

ENROLMENTS = 24
"""How many make one turn of the threads."""
THREADS = 4


def measure(*, rounds: int) -> Section:
    """Let one thread, several threads and the servers take turns."""
    with scep_server() as (ours, our_turn), _scepserver() as (theirs, their_turn):
        samples = interleave(
            {
                "1 thread": _threads(1, lambda material: material.enrol),
                f"{THREADS} threads": _threads(THREADS, lambda material: material.enrol),
                "floor, 1 thread": _threads(1, lambda material: Floor(material).enrol),
                f"floor, {THREADS} threads": _threads(
                    THREADS, lambda material: Floor(material).enrol
                ),
                "ScepServer": our_turn,
                "scepserver": their_turn,
            },
            rounds=rounds,
        )
    rows = [
        Row(
            what=f"enrolments in {THREADS} threads on 2 cores against one thread",
            value=samples.ratio("1 thread", f"{THREADS} threads"),
            at_least=1.5,
            note="client and responder in one process",
        ),
        Row(
            what=f"the same for the bare operations of the provider in {THREADS} threads",
            value=samples.ratio("floor, 1 thread", f"floor, {THREADS} threads"),
            note="what this machine and the provider's calls allow",
        ),
        Row(
            what="share of an enrolment that holds the interpreter's lock",
            value=statistics.median(share_of_the_lock() for _ in range(rounds)),
            note="in one thread: the time that is not spent in libcrypto",
        ),
        Row(
            what="enrolments per second over HTTP: ScepServer",
            value=1 / samples.median("ScepServer"),
            unit="/s",
            note=f"one connection; {ours.share_of_waiting:.0%} of the time in HTTP",
        ),
        Row(
            what="enrolments per second over HTTP: scepserver",
            value=1 / samples.median("scepserver"),
            unit="/s",
            note=(
                f"the same client; {theirs.share_of_waiting:.0%} of the time in HTTP and in the "
                "server"
            ),
        ),
    ]
    return Section(rows=rows, microseconds=samples.summary())


def share_of_the_lock() -> float:
    """Return the part of an enrolment that is not spent in libcrypto."""
    material = Material.create()
    material.enrol()
    begin = time.perf_counter()
    for _ in range(ENROLMENTS):
        material.enrol()
    whole = time.perf_counter() - begin
    with counts.in_libcrypto() as taken:
        for _ in range(ENROLMENTS):
            material.enrol()
    return 1 - sum(taken) / whole


def _threads(count: int, work_of: Callable[[Material], Callable[[], object]]) -> Turn:
    works = [work_of(Material.create()) for _ in range(count)]

    def work(once: Callable[[], object]) -> None:
        for _ in range(ENROLMENTS // count):
            once()

    def turn(times: int) -> float:
        begin = time.perf_counter()
        for _ in range(times):
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(work, works))
        return time.perf_counter() - begin

    return turn


class Stopwatch:
    """How long something took, all times together."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def watch(self, send: Transport) -> Transport:
        """Return *send*, watched."""

        def watched(request: HttpRequest) -> HttpResponse:
            with self.running():
                return send(request)

        return watched

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let it run inside."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - begin


class Watched:
    """A client that knows how long it has waited for its transport.

    :param answering: runs while the server works that answers, if it is in this process.
    """

    def __init__(
        self,
        url: str,
        send: Transport,
        material: Material,
        rules: ReplyRules = DEFAULT_RULES,
        answering: Stopwatch | None = None,
    ) -> None:
        self._material = material
        self._spending, self._waiting = Stopwatch(), Stopwatch()
        self._answering = answering or Stopwatch()
        self._url, self._send, self._rules = url, send, rules

    def _client(self, send: Transport) -> Client:
        return Client(self._url, send=send, rules=self._rules, provider=self._material.provider)

    @cached_property
    def _ca(self) -> TrustedCa:
        certificates = self._client(self._send).get_ca_cert()
        # A server of our own, on this machine.
        return certificates.authenticate(anchors=certificates.certificates, at=None)

    def enrol(self, challenge_password: str) -> None:
        """Enrol as a whole."""
        material, ca = self._material, self._ca
        client = self._client(self._waiting.watch(self._send))
        with self._spending.running():
            csr = build_csr(
                subject=SUBJECT, key=material.key, challenge_password=challenge_password
            )
            identity = material.sign_self(csr)
            reply = client.enrol(csr, identity=identity, ca=ca, algorithms=Algorithms())
            require_success(reply)

    @property
    def share_of_waiting(self) -> float:
        """Which part of the time was spent in HTTP, and in a server that is not watched."""
        return (self._waiting.seconds - self._answering.seconds) / self._spending.seconds


@contextmanager
def scep_server() -> Iterator[tuple[Watched, Turn]]:
    """Start our own server, which is watched too."""
    material, answering = Material.create(), Stopwatch()
    with (
        ScepServer(answering.watch(material.responder.handle)) as server,
        RequestsTransport(timeout=30) as transport,
    ):
        watched = Watched(server.url, transport, material, answering=answering)

        def enrol() -> None:
            watched.enrol(CHALLENGE)
            server.reset()

        yield watched, timed(enrol)


@contextmanager
def _scepserver() -> Iterator[tuple[Watched, Turn]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        scepserver(Path(folder)) as peer,
        RequestsTransport(timeout=30) as transport,
    ):
        # It answers with single DES, whatever was asked.
        rules = ReplyRules(read_legacy_ciphers={ContentEncryptionAlgorithm.DES_CBC})
        watched = Watched(peer.url, transport, Material.create(), rules=rules)
        yield watched, timed(lambda: watched.enrol(peer.challenge))
