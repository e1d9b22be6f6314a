"""The sensor enrols and renews with servers as they are in the field, imitated."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyscep.memory_store import MemoryStore
from pyscep.testing.profiles import PROFILES, Profile, ProfileServer
from pyscep.transport import RequestsTransport
from sensor_parts.storage import State
from tests.helpers import keys, sensors
from tests.helpers.sensors import Clock, Moody

REFUSALS = {"dogtag": "(badMessageCheck)", "ejbca": "HTTP status 400"}


@pytest.mark.conforms("C-28", "T-08", "T-10", "V-01", "V-16", "V-19", "W-14")
@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_life_with(profile: Profile, tmp_path: Path) -> None:
    clock, handler = Clock(), Moody()
    authority = profile.make_authority(now=keys.NOW, key=keys.rsa(0))
    responder = profile.make_responder(
        authority=authority, handler=handler, store=MemoryStore(), now=clock.now
    )
    old = profile.name == "cisco_ios_ca"
    with ProfileServer(responder, profile) as server, RequestsTransport(timeout=10) as send:
        table = sensors.network_table(
            # NDES is configured with a question mark at the end.
            server.url + ("?" if profile.name == "ndes" else ""),
            root_ca_fingerprint=authority.root.sha256_fingerprint,
            encryption_algorithm="3DES" if old else "AES-128",
            signature_algorithm="SHA-1" if old else "SHA-256",
        )
        (network,) = sensors.start(sensors.settings_for(tmp_path, table), clock, send)
        status = network.step()
        assert status.state is State.ACTIVE, status.message
        status = sensors.step_at_next(network, clock, status)
        assert status.state is State.ACTIVE, status.message
        assert not handler.seen[-1].signer.is_self_issued
        handler.challenge = "another one"
        status = sensors.step_at_next(network, clock, status)
        assert status.state is State.RENEWAL_FAILED
        assert REFUSALS.get(profile.name, "(badRequest)") in status.message
        assert "challenge password" in status.message or profile.name == "dogtag"
        server.check()
