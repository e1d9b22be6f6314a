"""A sensor in simulated time, its settings, and a CA that plays along."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sensor
from pyscep.certificates import Certificate
from pyscep.crypto.oscrypto_keys import OscryptoPrivateKey
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.flows import Transport
from pyscep.handlers import Decision, Defer, EnrolmentRequest, Refuse, static_challenge
from pyscep.http import HttpRequest, HttpResponse
from sensor_parts.settings import Settings, load_settings
from sensor_parts.storage import Status
from tests.helpers import keys

CHALLENGE = "only for sensors"
SETTINGS = """\
[sensor]
serial_number = "CN41KD2001"
dashboard_name = "Lobby west"
state_directory = "state"
"""


class Keys(OscryptoProvider):
    """The usual provider with keys made before: the next one of each size, over and over."""

    def generate_rsa_key(self, bits: int) -> OscryptoPrivateKey:
        taken = _TAKEN[bits] = _TAKEN.get(bits, 0) + 1
        key = keys.rsa(20 + taken % 3, bits=bits)
        assert isinstance(key, OscryptoPrivateKey)
        return key


_TAKEN: dict[int, int] = {}


@dataclass
class Clock:
    """Time that only passes when somebody says so."""

    moment: datetime = keys.NOW

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class Moody:
    """Issues to who knows the challenge, renewals included, unless it is told otherwise."""

    defer: bool = False
    challenge: str = CHALLENGE
    seen: list[EnrolmentRequest] = field(default_factory=list)

    def decide(self, request: EnrolmentRequest) -> Decision:
        self.seen.append(request)
        handler = static_challenge(self.challenge, renewal_needs_challenge=True)
        decision = handler.decide(request)
        return Defer() if self.defer and not isinstance(decision, Refuse) else decision


def write_settings(folder: Path, networks: str, *, sensor_table: str = SETTINGS) -> Path:
    """Write a file of settings, for its owner only."""
    path = folder / "settings.toml"
    path.touch(mode=0o600)
    path.write_text(sensor_table + networks, encoding="utf-8")
    return path


def network_table(url: str, *, name: str = "office", **fields: Any) -> str:
    """Return the table of a network; what JSON writes, TOML reads."""
    lines = {"url": url, "challenge_password": CHALLENGE, "common_name": "serial-number", **fields}
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
    return f"\n[networks.{name}]\n{text}"


def settings_for(folder: Path, *tables: str) -> Settings:
    """Return the settings of these networks, through a file as ever."""
    return load_settings(write_settings(folder, "".join(tables)))


def start(
    settings: Settings, clock: Clock, send: Transport, *, enrolment: Transport | None = None
) -> list[sensor.Network]:
    """Return the networks as after a restart: nothing but the folders is remembered."""
    return sensor.networks_of(
        settings,
        enrolment_transport=enrolment or send,
        network_transport=send,
        now=clock.now,
        provider=Keys(),
    )


def step_at_next(network: sensor.Network, clock: Clock, status: Status) -> Status:
    """Let the time pass until there is something to do, and take that step."""
    assert status.next_step is not None
    clock.moment = max(clock.moment, status.next_step)
    return network.step()


def certificate_of(network: sensor.Network) -> Certificate:
    """Return the certificate in use."""
    current = network.store.current()
    assert current is not None
    return current.certificate


def nobody_answers(request: HttpRequest) -> HttpResponse:
    """Be the transport that must not be used."""
    raise AssertionError(f"{request.address} was asked over the wrong network")
