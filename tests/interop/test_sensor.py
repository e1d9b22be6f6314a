"""A sensor and Debian's scepserver: a whole life, and the combinations of the form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

import sensor
from pyscep.certificates import parse_certificate, rsa_bits_of
from pyscep.errors import TransportError
from pyscep.http import HttpRequest, HttpResponse
from pyscep.transport import RequestsTransport
from sensor_parts.settings import CIPHERS, DIGESTS, KEY_SIZES
from sensor_parts.storage import State
from tests.helpers import sensors
from tests.helpers.sensors import Clock, certificate_of
from tests.interop.servers import Peer

FORM = {
    "encryption_algorithm": tuple(CIPHERS),
    "signature_algorithm": tuple(DIGESTS),
    "digest_algorithm": tuple(DIGESTS),
    "rsa_key_size": tuple(KEY_SIZES),
}


def pairwise() -> list[dict[str, Any]]:
    """Return few rows in which every two values of two different fields meet."""
    rows = [dict(zip(FORM, values, strict=True)) for values in product(*FORM.values())]

    def pairs(row: dict[str, Any]) -> set[Any]:
        return set(combinations(row.items(), 2))

    missing = set().union(*map(pairs, rows))
    chosen = []
    while missing:
        best = max(rows, key=lambda row: len(pairs(row) & missing))
        chosen.append(best)
        missing -= pairs(best)
    return chosen


@pytest.fixture
def send() -> Iterator[RequestsTransport]:
    with RequestsTransport(timeout=10) as transport:
        yield transport


def start(
    peer: Peer, folder: Path, send: RequestsTransport, **fields: Any
) -> tuple[sensor.Network, Clock]:
    root = parse_certificate(peer.ca_certificate_pem.read_bytes())
    table = sensors.network_table(
        **{
            "url": peer.url,
            "challenge_password": peer.challenge,
            "root_ca_fingerprint": root.sha256_fingerprint,
            **fields,
        }
    )
    # Its CA was made a moment ago, and begins with that second.
    clock = Clock(datetime.now(timezone.utc) + timedelta(seconds=1))
    (network,) = sensors.start(sensors.settings_for(folder, table), clock, send)
    return network, clock


@pytest.mark.parametrize("row", pairwise(), ids=lambda row: "-".join(map(str, row.values())))
def test_the_form(
    scepserver: Peer, tmp_path: Path, send: RequestsTransport, row: dict[str, Any]
) -> None:
    network, clock = start(scepserver, tmp_path, send, **row)
    status = network.step()
    assert status.state is State.ACTIVE, status.message
    first = certificate_of(network)
    assert rsa_bits_of(first.public_key) == row["rsa_key_size"]
    status = sensors.step_at_next(network, clock, status)
    assert status.state is State.ACTIVE, status.message
    assert certificate_of(network).public_key != first.public_key


def test_a_wrong_challenge_is_told_apart_at_enrolment_and_renewal(
    scepserver: Peer, tmp_path: Path, send: RequestsTransport
) -> None:
    wrong, clock = start(scepserver, tmp_path, send, name="wrong", challenge_password="wrong")
    status = wrong.step()
    assert status.state is State.ENROLMENT_FAILED
    assert "most often the challenge password is wrong, used up or expired" in status.message

    right, clock = start(scepserver, tmp_path, send)
    status = right.step()
    assert status.state is State.ACTIVE
    enrolled = certificate_of(right)
    # This server wants the challenge password for a renewal too.
    forgetful, _ = start(scepserver, tmp_path, send, challenge_password="forgotten")
    forgetful = replace(forgetful, now=clock.now)
    status = sensors.step_at_next(forgetful, clock, status)
    assert status.state is State.RENEWAL_FAILED
    assert "not supported during SCEP renewal" in status.message
    assert certificate_of(right) == enrolled


def test_its_des_replies_and_its_missing_polls_do_no_harm(
    scepserver: Peer, tmp_path: Path, send: RequestsTransport
) -> None:
    """The answer is lost; it knows no CertPoll, so the sensor enrols anew."""

    def loses_answers(request: HttpRequest) -> HttpResponse:
        response = send(request)
        if request.body:
            raise TransportError("The answer was lost.", url=request.address)
        return response

    network, clock = start(scepserver, tmp_path, send)
    status = replace(network, enrolment_transport=loses_answers).step()
    assert status.state is State.ENROLMENT_FAILED
    assert network.store.attempt() is not None
    assert sensors.step_at_next(network, clock, status).state is State.ACTIVE
