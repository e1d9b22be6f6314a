"""One call for a newcomer."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import pyscep
from pyscep.certificates import Identity, rsa_bits_of
from pyscep.errors import RequestPending, RequestRefused, UntrustedCa
from pyscep.extensions import GeneralName
from pyscep.handlers import ApprovalHandler
from pyscep.http import HttpRequest, HttpResponse
from pyscep.quick import Enrolment
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa, ScepServer
from tests.helpers import keys, responders

ROOT = responders.authority().root.sha256_fingerprint


def enrol(responder: Responder, **options: Any) -> Enrolment:
    standard = {
        "subject": "CN=sensor-17,O=Example",
        "ca_sha256": ROOT,
        "challenge_password": responders.CHALLENGE,
        "key": keys.rsa(1),
        "send": responder.handle,
        "now": lambda: keys.NOW,
        "provider": keys.provider(),
    }
    return pyscep.enrol(responders.URL, **{**standard, **options})


def test_a_certificate_with_its_key() -> None:
    names = [GeneralName.dns("sensor-17.example")]
    enrolment = enrol(responders.new_responder(), subject_alt_names=names)
    assert enrolment.certificate.public_key == keys.rsa(1).public_key
    assert enrolment.certificate.subject_alt_names == tuple(names)
    assert enrolment.chain.is_complete
    assert enrolment.identity == Identity(certificate=enrolment.certificate, key=keys.rsa(1))
    assert "PrivateKey" not in repr(enrolment)


def test_a_new_key_of_the_size_given() -> None:
    enrolment = enrol(responders.new_responder(minimum_rsa_bits=1024), key=None, key_bits=1024)
    assert enrolment.certificate.public_key == enrolment.key.public_key
    assert rsa_bits_of(enrolment.key.public_key) == 1024


@pytest.mark.conforms("G-18", "T-31")
def test_without_a_fingerprint_it_tells_what_it_sees_and_sends_nothing() -> None:
    responder = responders.new_responder()
    asked: list[str] = []

    def send(request: HttpRequest) -> HttpResponse:
        asked.append(request.url.rpartition("?")[2])
        return responder.handle(request)

    with pytest.raises(UntrustedCa, match=ROOT) as caught:
        enrol(responder, ca_sha256=None, send=send)
    assert "ca_sha256" in str(caught.value)
    assert asked == ["operation=GetCACert"]


@pytest.mark.conforms("G-15")
def test_another_fingerprint() -> None:
    with pytest.raises(UntrustedCa):
        enrol(responders.new_responder(), ca_sha256="00" * 32)


def test_a_refusal_and_a_wait_are_errors_here() -> None:
    with pytest.raises(RequestRefused, match="challenge password"):
        enrol(responders.new_responder(), challenge_password="wrong")
    with pytest.raises(RequestPending) as caught:
        enrol(responders.new_responder(handler=ApprovalHandler()))
    assert caught.value.transaction_id


def test_by_http_and_by_the_systems_clock() -> None:
    def present() -> datetime:
        return datetime.now(timezone.utc)

    authority = EphemeralCa.create(key=keys.rsa(0))
    responder = responders.new_responder(authority=authority, now=present)
    with ScepServer(responder.handle) as server:
        enrolment = pyscep.enrol(
            server.url,
            subject={"common_name": "sensor-17"},
            ca_sha256=authority.root.sha256_fingerprint,
            challenge_password=responders.CHALLENGE,
            key=keys.rsa(1),
            timeout=30,
        )
        server.check()
    assert abs(enrolment.certificate.not_before - present()) < timedelta(days=2)
