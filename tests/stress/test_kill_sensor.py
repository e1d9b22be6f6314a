"""A sensor that is killed at any moment of its life has its old or its new certificate."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pyscep.certificates import is_issued_by
from pyscep.handlers import Decision, Defer, EnrolmentRequest, Refuse, static_challenge
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa, ScepServer
from sensor_parts.storage import Credentials, Store
from tests.helpers import keys, responders, sensor_life, sensors
from tests.helpers.sensor_life import KEYS, FileClock

KILLS = 300
SECONDS_TO_LIVE = 0.15
"""At most; longer on a machine where nothing comes of that."""
LIFETIME = timedelta(days=40)
PROGRAM = Path(sensor_life.__file__)
ROOT = PROGRAM.parents[2]


@dataclass
class Seasons:
    """A CA whose mood goes with the date, in seasons of 40 days.

    In the first everything waits for approval, in the second everything is issued at once, and in
    the third no renewal is right, so that the certificate expires and the operator has to act.
    """

    clock: FileClock
    enrolled: int = 0
    renewed: int = 0
    deferred: int = 0
    refused: int = 0

    @staticmethod
    def season(moment: datetime) -> int:
        return (moment - keys.NOW) // LIFETIME % 3

    @property
    def complete(self) -> bool:
        return min(self.enrolled, self.renewed, self.deferred, self.refused) >= 5

    def decide(self, request: EnrolmentRequest) -> Decision:
        season, renewal = self.season(self.clock.now()), not request.signer.is_self_issued
        if renewal and season == 2:
            self.refused += 1
            return Refuse()
        self.renewed += renewal
        self.enrolled += not renewal
        if season == 0:
            self.deferred += 1
            return Defer()
        return static_challenge(sensors.CHALLENGE).decide(request)


@dataclass
class Killer:
    """Starts lives and ends them."""

    process: subprocess.Popen[str]
    # The seed makes a failure repeatable as far as processes allow.
    random: random.Random = field(default_factory=lambda: random.Random(8894))  # noqa: S311

    def kill(self, longest: float) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{self.random.uniform(0, longest)}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "killed\n"


@contextmanager
def killer(folder: Path) -> Iterator[Killer]:
    with subprocess.Popen(
        [sys.executable, PROGRAM, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'examples'}", "PATH": "/usr/bin:/bin"},
    ) as process:
        yield Killer(process)


@pytest.mark.conforms("W-10", "X-02", "X-05", "X-07")
@pytest.mark.timeout(300)
def test_the_old_or_the_new_certificate_works(tmp_path: Path) -> None:
    clock = FileClock(tmp_path)
    clock.set(keys.NOW)
    seasons = Seasons(clock)
    responder = responders.new_responder(
        authority=EphemeralCa.create(
            now=keys.NOW - timedelta(days=1),
            ca_lifetime=timedelta(days=36500),
            lifetime=LIFETIME,
            key=keys.rsa(0),
            provider=keys.provider(),
        ),
        handler=seasons,
        now=clock.now,
    )
    for number in range(KEYS):
        pem = sensors.Keys().dump_private_key(keys.rsa(20 + number))
        (tmp_path / f"{number}.key").write_bytes(pem)
    seen: list[Credentials] = []
    kills = unfinished = decided = 0
    longest = SECONDS_TO_LIVE
    with ScepServer(responder.handle) as server, killer(tmp_path) as running:
        root = responder.authority.issuer.sha256_fingerprint
        table = sensors.network_table(server.url, root_ca_fingerprint=root)
        sensors.write_settings(tmp_path, table)
        store = Store(tmp_path / "state" / "office", sensors.Keys())
        # At least so often, and until all of the life was there many times, on a slow machine too.
        while kills < KILLS or not seasons.complete or unfinished < 20:
            running.kill(longest)
            kills += 1
            if kills % 40 == 0:
                # What counts is where it was killed, not how fast the machine is.
                longest *= 1 if seasons.enrolled + seasons.renewed > decided else 2
                decided = seasons.enrolled + seasons.renewed
            if store.folder.exists():
                unfinished += store.attempt() is not None
                look(store, seen, responder, clock.now())
            for record in responder.store.pending():
                responder.approve(record.transaction_id)
        server.check()


def look(store: Store, seen: list[Credentials], responder: Responder, now: datetime) -> None:
    """Check what a sensor finds after a reboot."""
    current = store.current()  # checks that key and certificate belong together
    if current is None:
        assert not seen, "a certificate was there and is gone"
        return
    certificate, issuer = current.certificate, responder.authority.issuer
    assert current.chain == (issuer,)
    assert is_issued_by(certificate, issuer, provider=keys.provider())
    recorded = responder.store.find_certificate(IssuerAndSerialNumber.of(certificate))
    assert recorded == certificate.der
    # It is the one from before or a later one, and good unless the CA let it expire.
    assert not seen or certificate.not_before >= seen[-1].certificate.not_before
    assert now <= certificate.not_after or Seasons.season(certificate.not_after) != 1
    block = (current.folder / "network.conf").read_text()
    assert str(current.folder / "key.pem") in block
    seen.append(current)
