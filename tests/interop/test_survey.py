"""What a survey reports of real servers, and that every message of theirs is explained."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

import pyscep
from pyscep.certificates import parse_certificate
from pyscep.http import HttpRequest, HttpResponse
from pyscep.inspection import Kind, SignatureState, inspect
from pyscep.survey import Enrolment, Survey, Verdict, survey
from pyscep.transport import RequestsTransport
from tests.helpers import keys
from tests.interop.servers import Peer

SERVERS = ["scepserver", "labscep_aes", "labscep_ra", "labscep_get_only", "stepca"]

# What each of them breaks, by its answers to the three safe questions, and by an enrolment.
# All of them come from one library, which copies the client's nonce into its reply, issues again
# for a request that is sent again, and knows neither GetCert nor GetCRL.
_COMMON = {"E-22", "M-25", "M-29", "M-33", "T-23", "X-07"}
FAILURES: dict[str, tuple[set[str], set[str]]] = {
    "scepserver": ({"G-11", "T-28"}, {*_COMMON, "A-17", "E-12", "E-21", "S-18"}),
    "labscep_aes": ({"T-28"}, _COMMON),
    "labscep_ra": ({"T-28"}, _COMMON),
    "labscep_get_only": ({"T-04", "T-28"}, _COMMON),
    "stepca": ({"C-05", "T-28"}, {*_COMMON, "A-17", "S-18"}),
}


class Recorder:
    """A transport that keeps what it carried."""

    def __init__(self, send: RequestsTransport) -> None:
        self.exchanges: list[tuple[HttpRequest, HttpResponse]] = []
        self._send = send

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._send(request)
        self.exchanges.append((request, response))
        return response


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with RequestsTransport(timeout=10) as send:
        yield Recorder(send)


@pytest.fixture(params=SERVERS)
def peer(request: pytest.FixtureRequest) -> Peer:
    started: Peer = request.getfixturevalue(request.param)
    return started


def enrolment(peer: Peer, now: datetime) -> Enrolment:
    key = keys.rsa(1)
    csr = pyscep.build_csr(
        subject="CN=surveyor,O=Example", key=key, challenge_password=peer.challenge
    )
    root = parse_certificate(peer.ca_certificate_pem.read_bytes())
    return Enrolment(
        csr=csr,
        identity=pyscep.self_signed_identity(
            csr, key=key, not_before=now, lifetime=timedelta(days=2)
        ),
        authenticate=lambda found: found.authenticate(sha256=root.sha256_fingerprint, at=now),
    )


def failed(report: Survey) -> set[str]:
    return {each.id for each in report.checks if each.verdict is Verdict.FAIL}


def test_what_real_servers_break(
    request: pytest.FixtureRequest, peer: Peer, recorder: Recorder
) -> None:
    name = request.node.callspec.params["peer"]
    # The servers were made a moment ago, and their certificates begin with that second.
    now = datetime.now(timezone.utc) + timedelta(seconds=1)
    safe = survey(peer.url, send=recorder, at=now)
    report = survey(peer.url, send=recorder, at=now, enrolment=enrolment(peer, now))
    assert (failed(safe), failed(report) - failed(safe)) == FAILURES[name]
    assert "PKCSReq: SUCCESS." in report.notes
    assert not report.conforms
    explain_all(recorder, enrolment(peer, now))


def explain_all(recorder: Recorder, trying: Enrolment) -> None:
    """Look at every message that went over the wire, in the form that it had there."""
    key = trying.identity.key
    ca: list[pyscep.Certificate] = []
    explained = set()
    for sent, received in recorder.exchanges:
        operation = sent.url.partition("operation=")[2].partition("&")[0]
        request = inspect(sent.body or sent.url.encode(), keys=[key])
        reply = inspect(received.body, keys=[key], signers=ca)
        explained.add((operation, request.message_type, reply.kind, reply.pki_status))
        if operation == "GetCACert":
            ca = list(reply.certificates or ())
        if operation == "PKIOperation":
            assert request.kind is Kind.PKI_MESSAGE
            assert request.signature is SignatureState.VALID
            assert request.decrypted is False
            assert {each.id for each in request.findings} <= {"A-18", "S-03"}
        else:
            assert (request.kind, request.findings) == (Kind.GET_REQUEST, ())
        if reply.kind is Kind.PKI_MESSAGE:
            assert (reply.signature, reply.decrypted) == (SignatureState.VALID, True)
            assert key.public_key in {each.public_key for each in reply.certificates or ()}
    assert ("PKIOperation", "PKCSReq", Kind.PKI_MESSAGE, "SUCCESS") in explained
    assert ("PKIOperation", "GetCert", Kind.UNKNOWN, None) in explained
    assert ("GetCACaps", None, Kind.CAPABILITIES, None) in explained
    assert explained & {
        ("GetCACert", None, Kind.CERTIFICATE, None),
        ("GetCACert", None, Kind.DEGENERATE, None),
    }
