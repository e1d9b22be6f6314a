"""Enrolments per second: in several threads, and over HTTP on the loopback interface."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from benchmarks.material import CHALLENGE, SUBJECT, Material
from benchmarks.measure import Turn, interleave, timed
from benchmarks.results import Row, Section
from pyscep.algorithms import ContentEncryptionAlgorithm
from pyscep.ca import TrustedCa
from pyscep.capabilities import Algorithms
from pyscep.client import Client
from pyscep.exchange import ReplyRules
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
    with _scep_server() as (_, our_turn), _scepserver() as (watched, their_turn):
        samples = interleave(
            {
                "1 thread": _threads(1),
                f"{THREADS} threads": _threads(THREADS),
                "in memory": timed(Material.create().enrol),
                "ScepServer": our_turn,
                "scepserver": their_turn,
            },
            rounds=rounds,
        )
        waiting = watched.share_of_waiting
    in_http = 1 - 1 / samples.ratio("ScepServer", "in memory")
    rows = [
        Row(
            what=f"enrolments in {THREADS} threads on 2 cores against one thread",
            value=samples.ratio("1 thread", f"{THREADS} threads"),
            at_least=1.5,
            note="client and responder in one process",
        ),
        Row(
            what="enrolments per second over HTTP: ScepServer",
            value=1 / samples.median("ScepServer"),
            unit="/s",
            note=f"one connection; {in_http:.0%} of the time in HTTP",
        ),
        Row(
            what="enrolments per second over HTTP: scepserver",
            value=1 / samples.median("scepserver"),
            unit="/s",
            note=f"the same client; {waiting:.0%} of the time in HTTP and in the server",
        ),
    ]
    return Section(rows=rows, microseconds=samples.summary())


def _threads(count: int) -> Turn:
    materials = [Material.create() for _ in range(count)]

    def enrol(material: Material) -> None:
        for _ in range(ENROLMENTS // count):
            material.enrol()

    def turn(times: int) -> float:
        begin = time.perf_counter()
        for _ in range(times):
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(enrol, materials))
        return time.perf_counter() - begin

    return turn


class Watched:
    """A client whose transport knows how long it has waited."""

    def __init__(self, url: str, send: Transport, material: Material, rules: ReplyRules) -> None:
        self._send = send
        self._material = material
        self._client = Client(url, send=self._watched, rules=rules, provider=material.provider)
        self._waited = self._spent = 0.0

    def _watched(self, request: HttpRequest) -> HttpResponse:
        begin = time.perf_counter()
        response = self._send(request)
        self._waited += time.perf_counter() - begin
        return response

    @cached_property
    def _ca(self) -> TrustedCa:
        certificates = self._client.get_ca_cert()
        # A server of our own, on this machine.
        return certificates.authenticate(anchors=certificates.certificates, at=None)

    def enrol(self, challenge_password: str) -> None:
        """Enrol as a whole."""
        material, ca = self._material, self._ca
        begin = time.perf_counter()
        csr = build_csr(subject=SUBJECT, key=material.key, challenge_password=challenge_password)
        identity = material.sign_self(csr)
        require_success(self._client.enrol(csr, identity=identity, ca=ca, algorithms=Algorithms()))
        self._spent += time.perf_counter() - begin

    @property
    def share_of_waiting(self) -> float:
        """Which part of the time was spent in HTTP and in the server."""
        return self._waited / self._spent


@contextmanager
def _scep_server() -> Iterator[tuple[Watched, Turn]]:
    material = Material.create()
    with (
        ScepServer(material.responder.handle) as server,
        RequestsTransport(timeout=30) as transport,
    ):
        watched = Watched(server.url, transport, material, ReplyRules())

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
        watched = Watched(peer.url, transport, Material.create(), rules)
        yield watched, timed(lambda: watched.enrol(peer.challenge))
