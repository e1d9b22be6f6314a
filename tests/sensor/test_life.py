"""The whole life of a sensor's certificate, in simulated time, against the responder over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

import pyscep
import sensor
from pyscep.certificates import parse_certificate
from pyscep.handlers import EnrolmentRequest, Issue
from pyscep.names import name_from_text
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa
from pyscep.testing.faults import Fault
from pyscep.testing.misbehaviour import MisbehavingServer
from pyscep.transport import RequestsTransport
from sensor_parts.settings import Settings
from sensor_parts.storage import State
from tests.helpers import responders, sensors
from tests.helpers.sensors import Clock, Moody, certificate_of, step_at_next

DAY = timedelta(days=1)


@dataclass
class World:
    """A CA with a server, a sensor with one network, and time."""

    clock: Clock
    handler: Moody
    responder: Responder
    server: MisbehavingServer
    send: RequestsTransport
    settings: Settings

    def restart(self) -> sensor.Network:
        """Return the sensor's network as it is after the power was off."""
        (network,) = sensors.start(self.settings, self.clock, self.send)
        return network


def authority(lifetime: timedelta) -> EphemeralCa:
    return responders.new_authority(lifetime=lifetime, intermediates=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock, handler = Clock(), Moody()
    responder = responders.new_responder(
        authority=authority(365 * DAY), handler=handler, now=clock.now
    )
    with MisbehavingServer(responder) as server, RequestsTransport(timeout=10) as send:
        table = sensors.network_table(
            server.url,
            root_ca_fingerprint=responder.authority.published[-1].sha256_fingerprint,
            alternative_name="text:sensor-17.example",
        )
        settings = sensors.settings_for(tmp_path, table)
        yield World(clock, handler, responder, server, send, settings)
        server.check()


@pytest.mark.conforms("W-01", "W-07", "W-10", "W-13", "W-16", "X-02", "X-05", "P-07", "P-09")
def test_the_whole_life(world: World) -> None:
    clock, handler = world.clock, world.handler

    # Enrolment: the CA wants somebody to approve.
    handler.defer = True
    network = world.restart()
    status = network.step()
    assert status.state is State.PENDING
    assert "approve the enrolment" in status.message
    assert status.next_step == clock.now() + timedelta(minutes=1)
    assert network.store.current() is None
    assert len(handler.seen) == 1

    # Restarted while pending, twice: the same transaction, the same key, no second request.
    status = step_at_next(world.restart(), clock, status)
    assert status.state is State.PENDING
    assert status.next_step == clock.now() + timedelta(minutes=10)
    assert world.restart().step() == status
    (waiting,) = world.responder.store.pending()
    world.responder.approve(waiting.transaction_id)
    handler.defer = False
    network = world.restart()
    status = step_at_next(network, clock, status)
    assert status.state is State.ACTIVE
    assert len(handler.seen) == 1
    first = certificate_of(network)
    assert str(first.subject) == "CN=CN41KD2001"
    assert [name.value for name in first.subject_alt_names] == ["sensor-17.example"]
    assert status.expires == first.not_after
    assert status.message == (
        f"The certificate is good until {first.not_after:%Y-%m-%d %H:%M} UTC and is renewed from "
        f"{first.not_before + 365 * DAY / 2:%Y-%m-%d %H:%M} UTC on."
    )

    # No server is needed until half of the life is over.
    asked = len(world.server.log)
    assert status.next_step == first.not_before + 365 * DAY / 2
    clock.moment = status.next_step - timedelta(seconds=1)
    assert network.step().state is State.ACTIVE
    assert len(world.server.log) == asked

    # Renewal at half-life: a new key, and the old generation is kept for who still uses it.
    status = step_at_next(network, clock, status)
    assert status.state is State.ACTIVE
    second = certificate_of(network)
    assert second.public_key != first.public_key
    assert handler.seen[-1].message_type is pyscep.MessageType.RENEWAL_REQ
    assert handler.seen[-1].signer == first
    folders = sorted(path.name for path in network.store.folder.glob("generation-*"))
    assert folders == ["generation-000001", "generation-000002"]

    # The challenge password is changed at the CA: the renewal is refused, again and again.
    handler.challenge = "another one"
    status = step_at_next(network, clock, status)
    assert status.state is State.RENEWAL_FAILED
    assert "Renewal failed. The server refused (badRequest): " in status.message
    assert "either not permitted or not supported during SCEP renewal" in status.message
    assert "password might be incorrect" in status.message
    assert f"good until {second.not_after:%Y-%m-%d %H:%M} UTC" in status.message
    assert certificate_of(network) == second
    waits = []
    while status.state is State.RENEWAL_FAILED:
        assert status.next_step is not None
        waits.append(status.next_step - clock.now())
        asked = len(world.server.log)
        clock.moment = status.next_step - timedelta(milliseconds=1)
        assert world.restart().step() == status, "the back-off has to survive a restart"
        assert len(world.server.log) == asked
        if len(waits) == 8:
            # And so on each day, until three days are left.
            clock.moment = second.not_after - 3 * DAY
        status = step_at_next(world.restart(), clock, status)
    hours = [wait / timedelta(hours=1) for wait in waits[:7]]
    assert hours == [1, 2, 4, 8, 16, 24, 24]

    # Expired, and told so in the same second; nothing is tried any more.
    assert status.state is State.EXPIRED
    assert clock.now() - second.not_after <= timedelta(seconds=1)
    assert f"expired on {second.not_after:%Y-%m-%d %H:%M} UTC" in status.message
    assert status.next_step is None
    asked = len(world.server.log)
    clock.moment += 100 * DAY
    assert world.restart().step() == status
    assert len(world.server.log) == asked

    # The operator asks for a fresh enrolment: refused at first, in other words than a renewal.
    network = world.restart()
    network.store.enrol_again()
    status = network.step()
    assert status.state is State.ENROLMENT_FAILED
    assert "Enrolment failed. The server refused (badRequest): " in status.message
    assert "renewal" not in status.message
    handler.challenge = sensors.CHALLENGE
    status = step_at_next(world.restart(), clock, status)
    assert status.state is State.ACTIVE
    assert certificate_of(network).not_before == clock.now()
    assert handler.seen[-1].signer.is_self_issued
    assert world.restart().step() == status


def test_days_before_expiry_unless_the_certificate_lives_shorter(world: World) -> None:
    (office,) = world.settings.networks
    for days, life, expected in ((30, 365, 335), (30, 20, 10), (30, 30, 15)):
        issuer = authority(life * DAY)
        world.responder = replace(world.responder, authority=issuer)
        world.server.handle = world.responder.handle
        changed = replace(
            office,
            renew_days_before_expiry=days,
            root_ca_fingerprint=bytes.fromhex(issuer.root.sha256_fingerprint),
        )
        world.settings = replace(world.settings, networks=(changed,))
        network = world.restart()
        network.store.enrol_again()
        status = network.step()
        assert status.next_step == world.clock.now() + expected * DAY


def test_a_renewal_that_waits_for_approval_keeps_the_old_certificate(world: World) -> None:
    network = world.restart()
    status = network.step()
    first = certificate_of(network)
    world.handler.defer = True
    status = step_at_next(network, world.clock, status)
    assert status.state is State.PENDING
    assert "approve the renewal" in status.message
    assert status.expires == first.not_after
    assert certificate_of(network) == first
    (waiting,) = world.responder.store.pending()
    world.responder.approve(waiting.transaction_id)
    assert step_at_next(world.restart(), world.clock, status).state is State.ACTIVE
    assert certificate_of(network).public_key != first.public_key


def test_waiting_ends_after_a_week_and_begins_anew(world: World) -> None:
    world.handler.defer = True
    network = world.restart()
    status = network.step()
    started = world.clock.now()
    while status.state is State.PENDING:
        world.clock.moment += 0.3 * DAY
        status = network.step()
    assert 7 * DAY <= world.clock.now() - started <= 8 * DAY
    assert status.state is State.ENROLMENT_FAILED
    assert "Nobody has approved the request since 2026-06-01 00:00 UTC" in status.message
    assert network.store.attempt() is None
    assert step_at_next(network, world.clock, status).state is State.PENDING


def test_a_renewal_pending_at_expiry_is_given_up(world: World) -> None:
    network = world.restart()
    network.step()
    expires = certificate_of(network).not_after
    world.handler.defer = True
    world.clock.moment = expires - timedelta(minutes=5)
    states = [network.step().state]
    while states[-1] is State.PENDING:
        states.append(step_at_next(network, world.clock, network.store.status()).state)
    assert states == [State.PENDING, State.PENDING, State.EXPIRED]
    assert network.store.attempt() is None


def test_a_denied_request_is_told(world: World) -> None:
    world.handler.defer = True
    network = world.restart()
    status = network.step()
    (waiting,) = world.responder.store.pending()
    world.responder.deny(waiting.transaction_id)
    status = step_at_next(network, world.clock, status)
    assert status.state is State.ENROLMENT_FAILED
    assert "badRequest" in status.message


class TestLostAnswers:
    """The request was written down before it was sent, so its answer is asked for."""

    @pytest.mark.conforms("X-05", "X-06", "T-20")
    @pytest.mark.parametrize("renewal", [False, True])
    def test_a_certificate_is_never_asked_for_twice(self, world: World, renewal: bool) -> None:
        network = world.restart()
        if renewal:
            status = network.step()
            assert status.next_step is not None
            world.clock.moment = status.next_step
        asked = len(world.handler.seen)
        world.server.misbehave(Fault.CLOSED_CONNECTION)
        status = network.step()
        assert status.failures == 1
        assert "could not be reached" in status.message
        world.server.reset()
        status = step_at_next(world.restart(), world.clock, status)
        assert status.state is State.ACTIVE
        assert len(world.handler.seen) == asked + 1
        assert certificate_of(network).public_key == world.handler.seen[-1].csr.public_key

    def test_a_request_that_never_arrived_is_made_anew(self, world: World) -> None:
        def deaf(request: pyscep.HttpRequest) -> pyscep.HttpResponse:
            if "operation=PKIOperation" in request.url:
                raise pyscep.TransportError("No route.", url=request.address)
            return world.send(request)

        (network,) = sensors.start(world.settings, world.clock, deaf)
        status = network.step()
        assert world.handler.seen == []
        assert network.store.attempt() is not None
        assert step_at_next(world.restart(), world.clock, status).state is State.ACTIVE

    def test_a_server_that_knows_no_polling_is_asked_anew(self, world: World) -> None:
        network = world.restart()
        world.server.misbehave(Fault.CLOSED_CONNECTION)
        status = network.step()
        world.server.reset()
        answer = world.server.handle

        polls: list[pyscep.HttpRequest] = []

        def first_poll_fails(request: pyscep.HttpRequest) -> pyscep.HttpResponse:
            if request.body and not polls:
                polls.append(request)
                return pyscep.HttpResponse(status=500, headers=(), body=b"not implemented")
            return answer(request)

        world.server.handle = first_poll_fails
        assert step_at_next(network, world.clock, status).state is State.ACTIVE
        assert len(polls) == 1
        assert len(world.handler.seen) == 2

    def test_a_bad_day_of_the_server_does_not_end_the_waiting(self, world: World) -> None:
        world.handler.defer = True
        network = world.restart()
        status = network.step()
        world.server.misbehave(Fault.SERVER_ERROR)
        status = step_at_next(network, world.clock, status)
        assert status.state is State.ENROLMENT_FAILED
        assert "not in SCEP" in status.message
        world.server.reset()
        status = step_at_next(network, world.clock, status)
        assert status.state is State.PENDING
        assert len(world.handler.seen) == 1


def test_enrolment_and_renewal_go_over_different_networks(world: World) -> None:
    (network,) = sensors.start(
        world.settings, world.clock, sensors.nobody_answers, enrolment=world.send
    )
    status = network.step()
    (network,) = sensors.start(
        world.settings, world.clock, world.send, enrolment=sensors.nobody_answers
    )
    status = step_at_next(network, world.clock, status)
    assert status.state is State.ACTIVE
    assert len(world.handler.seen) == 2


def test_a_clock_that_was_wrong_does_not_keep_the_sensor_waiting(world: World) -> None:
    world.handler.challenge = "another one"
    network = world.restart()
    world.clock.moment += 300 * DAY
    assert network.step().state is State.ENROLMENT_FAILED
    world.clock.moment -= 300 * DAY
    world.handler.challenge = sensors.CHALLENGE
    assert network.step().state is State.ACTIVE


@pytest.mark.parametrize(("left", "wait"), [(100 * DAY, DAY), (DAY, DAY / 2)])
def test_certificates_that_are_half_over_are_not_renewed_at_once(
    world: World, left: timedelta, wait: timedelta
) -> None:
    network = world.restart()
    now = world.clock.now()
    # The CA's clock is behind, or it backdates its certificates.
    behind = replace(world.responder, now=lambda: now - 365 * DAY + left)
    world.server.handle = behind.handle
    status = network.step()
    assert status.state is State.ACTIVE
    assert status.expires == now + left
    assert status.next_step == now + wait
    world.clock.moment += wait - timedelta(seconds=1)
    assert network.step() == status
    assert len(world.handler.seen) == 1
    step_at_next(network, world.clock, status)
    assert len(world.handler.seen) == 2


def test_what_the_ca_changed_is_told(world: World) -> None:
    (office,) = world.settings.networks
    network = world.restart()
    network.step()
    other = replace(
        office,
        common_name="Lobby west",
        alternative_names=(pyscep.GeneralName.dns("lobby.example"),),
    )
    world.settings = replace(world.settings, networks=(other,))
    message = world.restart().step().message
    assert "Its subject is CN=CN41KD2001, not CN=Lobby west as configured." in message
    assert "The configured alternative name lobby.example is not in it." in message


@pytest.mark.conforms("W-13")
def test_a_long_name_is_renewed_where_the_ca_has_issued_it(world: World, tmp_path: Path) -> None:
    """Most CAs refuse more than 64 characters; a sensor of one that does not must go on."""
    long = "sensör " * 10 + "1"
    decide = world.handler.decide

    def rename(request: EnrolmentRequest) -> Issue:
        decision = decide(request)
        assert isinstance(decision, Issue)
        return replace(decision, subject=name_from_text(f"CN={long}"))

    world.handler.decide = rename  # type: ignore[method-assign]
    network = world.restart()
    first = network.step()
    table = sensors.network_table(
        world.server.url,
        common_name=f"text:{long}",
        root_ca_fingerprint=world.responder.authority.published[-1].sha256_fingerprint,
    )
    world.settings = sensors.settings_for(tmp_path, table)
    assert certificate_of(network).subject == world.settings.networks[0].subject
    network = world.restart()
    assert "as configured" not in network.step().message
    renewed = step_at_next(network, world.clock, first)
    assert renewed.state is State.ACTIVE
    assert world.handler.seen[-1].csr.subject == certificate_of(network).subject
    assert world.handler.seen[-1].message_type is pyscep.MessageType.RENEWAL_REQ
    # A first certificate of that name is not even asked for.
    network.store.enrol_again()
    asked = len(world.server.log)
    refused = world.restart().step()
    assert refused.state is State.ENROLMENT_FAILED
    assert "The attribute CN has 71 characters, but may have 64 at most" in refused.message
    assert len(world.server.log) == asked


@pytest.mark.conforms("C-27", "C-28", "W-14")
def test_ndes_is_renewed_by_a_pkcs_req(world: World) -> None:
    answer = world.server.handle

    def as_iis(request: pyscep.HttpRequest) -> pyscep.HttpResponse:
        response = answer(request)
        return replace(response, headers=(*response.headers, ("Server", "Microsoft-IIS/10.0")))

    world.server.handle = as_iis
    network = world.restart()
    first = network.step()
    assert step_at_next(network, world.clock, first).state is State.ACTIVE
    renewal = world.handler.seen[-1]
    assert renewal.message_type is pyscep.MessageType.PKCS_REQ
    assert not renewal.signer.is_self_issued


class TestNetworks:
    """Several networks side by side."""

    def settings(self, world: World, folder: Path, *names: str) -> Settings:
        tables = [
            sensors.network_table(
                world.server.url,
                name=name,
                common_name=f"text:{name}",
                root_ca_fingerprint=world.responder.authority.published[-1].sha256_fingerprint,
            )
            for name in names
        ]
        return sensors.settings_for(folder, *tables)

    def test_nothing_is_shared_and_one_failure_is_nobody_elses(
        self, world: World, tmp_path: Path
    ) -> None:
        settings = self.settings(world, tmp_path, "wired", "wireless", "guests")
        broken = replace(settings.networks[1], challenge_password="wrong")
        settings = replace(settings, networks=(settings.networks[0], broken, settings.networks[2]))
        networks = sensors.start(settings, world.clock, world.send)
        reports: list[str] = []
        due = sensor.run_once(networks, reports.append)
        assert [" ".join(text.split()[:3]) for text in reports] == [
            "wired: The certificate",
            "wireless: Enrolment failed.",
            "guests: The certificate",
        ]
        assert due == world.clock.now() + timedelta(hours=1)
        wired, guests = networks[0], networks[2]
        assert certificate_of(wired).public_key != certificate_of(guests).public_key
        assert str(certificate_of(guests).subject) == "CN=guests"

    def test_removing_and_adding_one_enrols_afresh(self, world: World, tmp_path: Path) -> None:
        both = self.settings(world, tmp_path, "wired", "wireless")
        networks = sensors.start(both, world.clock, world.send)
        sensor.run_once(networks, lambda _: None)
        before = [certificate_of(network) for network in networks]
        one = self.settings(world, tmp_path, "wireless")
        sensors.start(one, world.clock, world.send)
        assert [path.name for path in one.state_directory.iterdir()] == ["wireless"]
        networks = sensors.start(both, world.clock, world.send)
        assert networks[0].store.current() is None
        sensor.run_once(networks, lambda _: None)
        after = [certificate_of(network) for network in networks]
        assert after[0] != before[0]
        assert after[1] == before[1]

    def test_nothing_else_is_removed(self, world: World, tmp_path: Path) -> None:
        """The operator names a directory that has other things in it."""
        settings = replace(self.settings(world, tmp_path, "wired"), state_directory=tmp_path)
        (tmp_path / "photos" / "2026").mkdir(parents=True)
        (tmp_path / "photos" / "status.json").touch()
        (tmp_path / "empty").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "photos")
        sensors.start(settings, world.clock, world.send)
        names = {"settings.toml", "wired", "photos", "empty", "link"}
        assert {path.name for path in tmp_path.iterdir()} >= names
        assert (tmp_path / "photos" / "2026").is_dir()

    def test_a_state_directory_that_cannot_be_made_is_told(
        self, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        text = sensors.SETTINGS.replace('"state"', '"missing/state"')
        table = sensors.network_table(world.server.url)
        path = sensors.write_settings(tmp_path, table, sensor_table=text)
        assert sensor.main([str(path), "--once"]) == 2
        told = capsys.readouterr().out
        assert "state_directory: " in told
        assert "missing/state: No such file or directory." in told

    def test_the_loop_sleeps_until_something_is_due(self, world: World) -> None:
        class Enough(Exception):
            pass

        naps: list[float] = []

        def sleep(seconds: float) -> None:
            naps.append(seconds)
            if len(naps) == 200:
                raise Enough
            world.clock.sleep(seconds)

        network = world.restart()
        with pytest.raises(Enough):
            sensor.run([network], now=world.clock.now, sleep=sleep, report=lambda _: None)
        assert max(naps) == DAY.total_seconds()
        assert len(world.handler.seen) == 2, "enrolled, and renewed after half a year"


def test_the_file_for_wpa_supplicant_names_what_will_not_change(world: World) -> None:
    network = world.restart()
    status = network.step()
    folder = network.store.folder / "generation-000001"
    assert (network.store.folder / "current").readlink() == Path(folder.name)
    text = (folder / "network.conf").read_text()
    assert text.splitlines() == [
        "network={",
        "    key_mgmt=IEEE8021X",
        "    eapol_flags=0",
        "    eap=TLS",
        '    identity="CN41KD2001"',
        f'    ca_cert="{folder}/radius-ca.pem"',
        f'    client_cert="{folder}/certificate.pem"',
        f'    private_key="{folder}/key.pem"',
        "}",
    ]
    sent = pyscep.parse_certificates((folder / "certificate.pem").read_bytes())
    assert sent == (certificate_of(network), world.responder.authority.issuer)
    root = parse_certificate((folder / "radius-ca.pem").read_bytes())
    assert root == world.responder.authority.published[-1]
    assert status.state is State.ACTIVE
    for path in (network.store.folder, *network.store.folder.rglob("*")):
        if not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0, path
