"""What a sensor enrolled for: EAP-TLS with its certificates, and why it fails when it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import sensor
from pyscep.certificates import Certificate, Identity, parse_certificate
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa, ScepServer
from pyscep.transport import RequestsTransport
from sensor_parts.eap import Diagnosis, diagnose
from sensor_parts.storage import State
from tests.helpers import keys, responders, sensors
from tests.helpers.sensors import Clock, Moody, certificate_of
from tests.interop import radius
from tests.interop.servers import Peer

DAY = timedelta(days=1)
TLS = pytest.mark.parametrize("tls", ["1.2", "1.3"])


@pytest.fixture(autouse=True)
def installed(find_tool: Callable[[str], str]) -> None:
    for name in ("freeradius", "eapol_test", "setpriv"):
        find_tool(name)


@dataclass
class Site:
    """A SCEP server, a RADIUS server with a CA of its own, and a sensor."""

    folder: Path
    now: datetime
    clock: Clock
    responder: Responder
    url: str
    send: RequestsTransport
    radius_ca: EphemeralCa

    def sensor(self, **fields: Any) -> sensor.Network:
        settings = sensors.settings_for(
            self.folder, sensors.network_table(**{"url": self.url, **fields})
        )
        (network,) = sensors.start(settings, self.clock, self.send)
        return network

    @contextmanager
    def radius(
        self, *, tls: str = "1.2", identity: Identity | None = None, ca: Certificate | None = None
    ) -> Iterator[int]:
        """Run the RADIUS server, which accepts the SCEP server's certificates or another CA's."""
        folder = self.folder / "radius"
        folder.mkdir(mode=0o700)
        with radius.freeradius(
            folder,
            identity=identity or radius.server_identity(self.radius_ca, now=self.now - DAY),
            clients_ca=ca or self.responder.authority.issuer,
            tls=tls,
        ) as running:
            yield running.port


@pytest.fixture(scope="module")
def radius_ca() -> EphemeralCa:
    now = datetime.now(timezone.utc)
    return EphemeralCa.create(now=now - 400 * DAY, subject="CN=RADIUS CA", key=keys.rsa(8))


@pytest.fixture
def site(tmp_path: Path, radius_ca: EphemeralCa) -> Iterator[Site]:
    # FreeRADIUS and eapol_test have no other clock than that of the machine, so the certificates
    # have to fit to it: a sensor that is made 300 days before can renew a certificate today.
    now = datetime.now(timezone.utc).replace(microsecond=0)
    clock = Clock(now - 300 * DAY)
    authority = EphemeralCa.create(
        now=now - 400 * DAY, lifetime=365 * DAY, key=keys.rsa(0), subject="CN=Sensor CA"
    )
    responder = responders.new_responder(authority=authority, handler=Moody(), now=clock.now)
    (tmp_path / "radius-root.pem").write_text(radius_ca.root.pem())
    with ScepServer(responder.handle) as server, RequestsTransport(timeout=10) as send:
        yield Site(tmp_path, now, clock, responder, server.url, send, radius_ca)
        server.check()


KNOWS_RADIUS: dict[str, Any] = {
    "radius_ca_certificates": ["radius-root.pem"],
    "radius_server_name": radius.SERVER_NAME,
}


def authenticate(network: sensor.Network, port: int, **options: int) -> tuple[Diagnosis, str]:
    accepted, log = radius.eapol_test(
        network.store.folder / "current" / "network.conf", port, **options
    )
    current = network.store.current()
    assert current is not None
    diagnosis = diagnose(log, current.chain)
    assert (diagnosis is Diagnosis.ACCEPTED) is accepted, log
    return diagnosis, log


@TLS
@pytest.mark.parametrize("ssid", ["Office", None], ids=["wireless", "wired"])
def test_the_enrolled_and_the_renewed_certificate_are_accepted(
    site: Site, tls: str, ssid: str | None
) -> None:
    fields = {} if ssid is None else {"ssid": ssid}
    network = site.sensor(eap_tls_1_3=tls == "1.3", **KNOWS_RADIUS, **fields)
    assert network.step().state is State.ACTIVE
    enrolled = certificate_of(network)
    with site.radius(tls=tls) as port:
        diagnosis, log = authenticate(network, port)
        assert diagnosis is Diagnosis.ACCEPTED, log
        assert f"TLSv{tls}" in log
        site.clock.moment = site.now
        assert network.step().state is State.ACTIVE
        renewed = certificate_of(network)
        assert renewed.not_before == site.now
        assert renewed != enrolled
        diagnosis, log = authenticate(network, port)
        assert diagnosis is Diagnosis.ACCEPTED, log
        assert f"TLSv{tls}" in log


@TLS
def test_the_radius_servers_ca_is_unknown_to_the_sensor(site: Site, tls: str) -> None:
    network = site.sensor(eap_tls_1_3=tls == "1.3")
    assert network.step().state is State.ACTIVE
    with site.radius(tls=tls) as port:
        diagnosis, log = authenticate(network, port)
    assert diagnosis is Diagnosis.RADIUS_CA_UNKNOWN, log


@TLS
def test_the_sensors_ca_is_unknown_to_the_radius_server(site: Site, tls: str) -> None:
    network = site.sensor(eap_tls_1_3=tls == "1.3", **KNOWS_RADIUS)
    assert network.step().state is State.ACTIVE
    with site.radius(tls=tls, ca=site.radius_ca.issuer) as port:
        diagnosis, log = authenticate(network, port)
    assert diagnosis is Diagnosis.SENSOR_CA_UNKNOWN, log


def test_the_radius_server_has_another_name(site: Site) -> None:
    network = site.sensor(**{**KNOWS_RADIUS, "radius_server_name": "other.example"})
    assert network.step().state is State.ACTIVE
    with site.radius() as port:
        diagnosis, log = authenticate(network, port)
    assert diagnosis is Diagnosis.RADIUS_SERVER_NAME, log


@pytest.mark.parametrize("days", [-60, 60], ids=["expired", "not-yet"])
def test_the_radius_servers_certificate_is_not_of_today(site: Site, days: int) -> None:
    network = site.sensor(**KNOWS_RADIUS)
    assert network.step().state is State.ACTIVE
    other = radius.server_identity(site.radius_ca, now=site.now + days * DAY)
    with site.radius(identity=other) as port:
        diagnosis, log = authenticate(network, port)
    assert diagnosis is Diagnosis.RADIUS_CERTIFICATE_DATES, log


@TLS
def test_the_sensors_certificate_has_expired(site: Site, tls: str) -> None:
    site.clock.moment = site.now - 390 * DAY
    network = site.sensor(eap_tls_1_3=tls == "1.3", **KNOWS_RADIUS)
    assert network.step().state is State.ACTIVE
    with site.radius(tls=tls) as port:
        diagnosis, log = authenticate(network, port)
    assert diagnosis is Diagnosis.SENSOR_CERTIFICATE_REFUSED, log


def test_nobody_answers(site: Site) -> None:
    network = site.sensor(**KNOWS_RADIUS)
    assert network.step().state is State.ACTIVE
    with site.radius() as port:
        pass
    diagnosis, log = authenticate(network, port, seconds=1)
    assert diagnosis is Diagnosis.NO_ANSWER, log


@TLS
def test_a_certificate_of_a_real_scep_server(site: Site, scepserver: Peer, tls: str) -> None:
    """The whole way with nothing of ours on the other side: micromdm issues, FreeRADIUS accepts."""
    root = parse_certificate(scepserver.ca_certificate_pem.read_bytes())
    # Its certificates begin when they are issued, by the machine's clock.
    site.clock.moment = datetime.now(timezone.utc) + timedelta(seconds=1)
    network = site.sensor(
        url=scepserver.url,
        challenge_password=scepserver.challenge,
        root_ca_fingerprint=root.sha256_fingerprint,
        eap_tls_1_3=tls == "1.3",
        **KNOWS_RADIUS,
    )
    status = network.step()
    assert status.state is State.ACTIVE, status.message
    with site.radius(tls=tls, ca=root) as port:
        diagnosis, log = authenticate(network, port)
    assert diagnosis is Diagnosis.ACCEPTED, log
