"""A test suite of a program that speaks SCEP, with the fixtures that pyscep brings along.

Run it with ``pytest examples/device_test.py``; nothing has to be configured. ``enrol_device``
stands for the program that is tested.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

import pyscep
from pyscep.handlers import Defer, EnrolmentRequest, RequestHandler
from pyscep.testing import EphemeralCa, Fault, MisbehavingServer
from pyscep.testing.profiles import NDES, Profile
from pyscep.transport import RequestsTransport


def enrol_device(url: str, ca_sha256: str, challenge_password: str) -> pyscep.Reply:
    """Enrol as the program does."""
    now = datetime.now(timezone.utc)
    with RequestsTransport(timeout=10) as send:
        client = pyscep.Client(url, send=send)
        ca = client.get_ca_cert().authenticate(sha256=ca_sha256, at=now)
        key = pyscep.default_provider().generate_rsa_key(2048)
        csr = pyscep.build_csr(subject="CN=device", key=key, challenge_password=challenge_password)
        identity = pyscep.self_signed_identity(
            csr, key=key, not_before=now, lifetime=timedelta(days=1)
        )
        return client.enrol(csr, identity=identity, ca=ca, algorithms=pyscep.Algorithms())


@pytest.fixture
def fingerprint(scep_ca: EphemeralCa) -> str:
    return scep_ca.root.sha256_fingerprint


def test_the_device_gets_a_certificate(
    scep_server: MisbehavingServer, scep_challenge_password: str, fingerprint: str
) -> None:
    reply = enrol_device(scep_server.url, fingerprint, scep_challenge_password)
    assert isinstance(reply, pyscep.Success)
    # What the device sent, and whether anything went wrong inside the server.
    assert [entry.request.method for entry in scep_server.log] == ["GET", "POST"]
    scep_server.check()


def test_a_wrong_password_is_reported(scep_server: MisbehavingServer, fingerprint: str) -> None:
    assert isinstance(enrol_device(scep_server.url, fingerprint, "wrong"), pyscep.Failure)


@pytest.mark.parametrize(
    "fault", [Fault.WRONG_RECIPIENT_NONCE, Fault.SIGNED_BY_LOOK_ALIKE, Fault.RA_OF_STRANGER]
)
def test_the_device_is_not_fooled(
    scep_server: MisbehavingServer, scep_challenge_password: str, fingerprint: str, fault: Fault
) -> None:
    scep_server.misbehave(fault)
    with pytest.raises(pyscep.ScepError):
        enrol_device(scep_server.url, fingerprint, scep_challenge_password)


class TestWithApproval:
    """Every fixture can be overridden, for one class as for a whole suite."""

    @pytest.fixture
    def scep_handler(self) -> RequestHandler:
        class EverythingWaits:
            def decide(self, request: EnrolmentRequest) -> Defer:
                del request
                return Defer()

        return EverythingWaits()

    def test_the_device_waits(self, scep_server: MisbehavingServer, fingerprint: str) -> None:
        reply = enrol_device(scep_server.url, fingerprint, "any")
        assert isinstance(reply, pyscep.Pending)
        scep_server.responder.approve(reply.transaction.transaction_id)


class TestAgainstNdes:
    """The same device at an imitation of another server."""

    @pytest.fixture
    def scep_profile(self) -> Profile:
        return NDES

    def test_two_registrars_and_oaep(
        self, scep_server: MisbehavingServer, scep_challenge_password: str, fingerprint: str
    ) -> None:
        reply = enrol_device(scep_server.url, fingerprint, scep_challenge_password)
        assert isinstance(reply, pyscep.Success)
