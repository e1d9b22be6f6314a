"""The guide shows settings that load, and messages that a sensor really printed."""

from __future__ import annotations

import re
import textwrap
from datetime import timedelta
from pathlib import Path

import pytest

import sensor
from pyscep.responder import Responder
from sensor_parts.eap import Diagnosis
from sensor_parts.settings import Settings, load_settings
from sensor_parts.storage import State
from tests.helpers import keys, responders, sensors
from tests.helpers.sensors import Clock, Moody

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "sensor.rst"
BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n\n((?:   .*\n|\n)+)", re.MULTILINE)
CHALLENGE = "from the PKI administrator"
FINGERPRINT = re.compile(r"(?<=root_ca_fingerprint = \")[0-9A-F ]+")


def blocks(language: str) -> list[str]:
    found = BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    return [textwrap.dedent(text).strip() for kind, text in found if kind == language]


@pytest.fixture
def handler() -> Moody:
    return Moody(defer=True, challenge=CHALLENGE)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def responder(handler: Moody, clock: Clock) -> Responder:
    return responders.new_responder(handler=handler, now=clock.now)


@pytest.fixture
def settings(tmp_path: Path, responder: Responder) -> Settings:
    root = responder.authority.issuer
    (tmp_path / "root.pem").write_text(root.pem())
    (tmp_path / "radius-root.pem").write_text(keys.ca().certificate.pem())
    (text,) = blocks("toml")
    text = FINGERPRINT.sub(root.sha256_fingerprint, text).replace("/var/lib/sensor", "state")
    return load_settings(sensors.write_settings(tmp_path, text, sensor_table=""))


def test_the_messages_of_a_life(
    settings: Settings, responder: Responder, handler: Moody, clock: Clock
) -> None:
    office, wired = settings.networks
    assert office.challenge_password == CHALLENGE
    assert wired.renew_days_before_expiry == 30
    (network, _) = sensors.start(settings, clock, responder.handle)
    printed: list[str] = []

    def step() -> State:
        sensor.run_once([network], printed.append)
        return network.store.status().state

    def later() -> State:
        due = network.store.status().next_step
        assert due is not None
        clock.moment = due
        return step()

    assert step() is State.PENDING
    (waiting,) = responder.store.pending()
    responder.approve(waiting.transaction_id)
    handler.defer = False
    assert later() is State.ACTIVE
    block = (network.store.folder / "current" / "network.conf").read_text()
    assert later() is State.ACTIVE
    handler.challenge = "a new one"
    assert later() is State.RENEWAL_FAILED
    clock.moment += timedelta(days=300)
    assert step() is State.EXPIRED
    network.store.enrol_again()
    assert step() is State.ENROLMENT_FAILED
    handler.challenge = CHALLENGE
    assert later() is State.ACTIVE

    messages, shown, diagnoses = blocks("text")
    assert messages.splitlines() == printed
    folder = str(settings.state_directory)
    assert shown == block.replace(folder, "/var/lib/sensor").strip()
    assert diagnoses.splitlines() == [each.value for each in Diagnosis]


def test_the_commands_are_those_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        sensor.main(["--help"])
    usage = capsys.readouterr().out
    (commands,) = blocks("sh")
    options = set(re.findall(r"--[a-z-]+", commands))
    assert options == set(re.findall(r"--[a-z-]+", usage)) - {"--help"}
