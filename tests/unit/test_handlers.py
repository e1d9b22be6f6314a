"""Who gets a certificate: challenges for everybody, for one use, and Intune's."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from pyscep.begin import pkcs_req, renewal_req
from pyscep.certificates import Certificate, Identity, parse_certificate
from pyscep.challenges import OneTimeChallenges
from pyscep.errors import ChallengeReused, HttpError, TransportError, UnsupportedError, UsageError
from pyscep.handlers import (
    ApprovalHandler,
    ChallengeHandler,
    Decision,
    EnrolmentRequest,
    Issue,
    Refuse,
    RequestHandler,
    SignerTrust,
    static_challenge,
)
from pyscep.http import HttpRequest, HttpResponse
from pyscep.intune import IntuneHandler
from pyscep.messages import FailInfo
from pyscep.responder import Responder
from pyscep.store import RecordStatus
from pyscep.testing import EphemeralCa
from pyscep.transaction import Failure, Pending, Reply, require_success
from tests.helpers import keys, responders
from tests.helpers.responders import begin, new_responder, send

RANDOM = keys.provider().random_bytes


class Clock:
    def __init__(self) -> None:
        self.moment = keys.NOW

    def __call__(self) -> Any:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def challenges(clock: Clock) -> OneTimeChallenges:
    return OneTimeChallenges(
        key=bytes(range(32)), lifetime=timedelta(hours=1), now=clock, random_bytes=RANDOM
    )


class TestOneTimeChallenges:
    @pytest.mark.conforms("H-08", "H-13")
    def test_what_they_look_like(self, challenges: OneTimeChallenges) -> None:
        made = {challenges.new_challenge() for _ in range(50)}
        assert len(made) == 50
        assert all(re.fullmatch("[A-Z2-7]{60}", each) for each in made)
        assert challenges.key.hex() not in repr(challenges)
        assert repr(challenges.key) not in repr(challenges)

    @pytest.mark.conforms("H-12")
    def test_they_expire(self, challenges: OneTimeChallenges, clock: Clock) -> None:
        challenge = challenges.new_challenge()
        for minutes, right in ((0, True), (60, True), (61, False)):
            clock.moment = keys.NOW + timedelta(minutes=minutes)
            assert challenges.is_right(challenge) is right

    @pytest.mark.conforms("H-13")
    def test_nobody_else_can_make_one(self, challenges: OneTimeChallenges) -> None:
        challenge = challenges.new_challenge()
        stranger = replace(challenges, key=bytes(32))
        assert not stranger.is_right(challenge)
        for wrong in ("", "A", "=", "Zürich", challenge[:-2], challenge + "AA", challenge.lower()):
            assert not challenges.is_right(wrong)
        for position in range(len(challenge)):
            other = "B" if challenge[position] == "A" else "A"
            assert not challenges.is_right(challenge[:position] + other + challenge[position + 1 :])

    @pytest.mark.conforms("H-04", "H-11")
    def test_a_second_spelling_is_no_second_use(self, challenges: OneTimeChallenges) -> None:
        """Sixty letters have four bits more than the password."""
        challenge = challenges.new_challenge()
        responder = new_responder(handler=challenges.handler())
        require_success(send(responder, begin(responder, challenge_password=challenge)))
        spellings = [challenge[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"]
        for spelling in (*spellings, challenge + "====", challenge + "=" * 12):
            again = begin(responder, number=3, challenge_password=spelling)
            assert isinstance(send(responder, again), Failure), spelling

    def test_what_cannot_be_meant(self, challenges: OneTimeChallenges) -> None:
        for change in ({"key": b"short"}, {"lifetime": timedelta(0)}):
            with pytest.raises(UsageError) as caught:
                replace(challenges, **change)
            assert caught.value.argument in change

    @pytest.mark.conforms("H-04", "H-11", "X-07")
    def test_one_use_each(self, challenges: OneTimeChallenges) -> None:
        alarms: list[EnrolmentRequest] = []
        responder = new_responder(handler=challenges.handler(), on_reuse=alarms.append)
        challenge = challenges.new_challenge()
        first = begin(responder, challenge_password=challenge)
        certificate = require_success(send(responder, first)).certificate
        # Sent again it is the same; in another transaction it is an alarm.
        assert require_success(send(responder, first)).certificate == certificate
        assert not alarms
        second = send(responder, begin(responder, number=3, challenge_password=challenge))
        assert isinstance(second, Failure)
        assert second.fail_info is FailInfo.BAD_REQUEST
        assert second.fail_info_text is None
        assert [each.csr.public_key for each in alarms] == [keys.rsa(3).public_key]
        again = begin(responder, challenge_password=challenges.new_challenge())
        require_success(send(responder, again))

    @pytest.mark.conforms("H-04", "V-08")
    def test_an_observer_hears_of_a_second_use(self, challenges: OneTimeChallenges) -> None:
        told: list[str] = []

        class Told:
            def issued(self, certificate: Certificate) -> None:
                told.append("issued")

            def failed(self, reason: str) -> None:
                told.append(reason)

        class Observed:
            def decide(self, request: EnrolmentRequest) -> Decision:
                decision = challenges.handler().decide(request)
                assert isinstance(decision, Issue)
                return replace(decision, observer=Told())

        responder = new_responder(handler=Observed())
        challenge = challenges.new_challenge()
        require_success(send(responder, begin(responder, challenge_password=challenge)))
        second = begin(responder, number=3, challenge_password=challenge)
        assert isinstance(send(responder, second), Failure)
        assert told == ["issued", str(ChallengeReused())]

    @pytest.mark.conforms("H-11")
    def test_a_refusal_uses_nothing_up(self, challenges: OneTimeChallenges) -> None:
        challenge = challenges.new_challenge()

        class Strict:
            def decide(self, request: EnrolmentRequest) -> Issue | Refuse:
                decision = challenges.handler().decide(request)
                allowed = request.transaction_id == "GOOD"
                return decision if allowed and isinstance(decision, Issue) else Refuse()

        responder = new_responder(handler=Strict())
        bad = begin(responder, challenge_password=challenge, transaction_id="BAD")
        assert isinstance(send(responder, bad), Failure)
        good = begin(responder, challenge_password=challenge, transaction_id="GOOD")
        require_success(send(responder, good))

    @pytest.mark.conforms("H-11", "A-14")
    def test_waiting_for_approval_uses_it_up(self, challenges: OneTimeChallenges) -> None:
        responder = new_responder(handler=ApprovalHandler(handler=challenges.handler()))
        challenge = challenges.new_challenge()
        first = begin(responder, challenge_password=challenge)
        assert isinstance(send(responder, first), Pending)
        other = send(responder, begin(responder, number=3, challenge_password=challenge))
        assert isinstance(other, Failure)
        responder.approve(first.transaction.transaction_id)
        require_success(send(responder, first))

    @pytest.mark.conforms("H-03")
    def test_a_renewal_without_challenge_uses_nothing_up(
        self, challenges: OneTimeChallenges
    ) -> None:
        request = EnrolmentRequest(
            message_type=responders.begin(new_responder()).transaction.message_type,
            transaction_id="T",
            csr=responders.csr(challenge_password=None),
            signer=responders.certified().certificate,
            trust=SignerTrust.TRUSTED,
        )
        assert challenges.handler().decide(request) == Issue()
        strict = challenges.handler(renewal_needs_challenge=True)
        assert strict.decide(request) == Refuse()

    @pytest.mark.conforms("H-03", "H-04", "H-11")
    def test_a_renewal_may_bring_the_used_challenge_along(
        self, challenges: OneTimeChallenges
    ) -> None:
        """As certmonger does with every renewal (H-02)."""
        alarms: list[EnrolmentRequest] = []
        responder = new_responder(handler=challenges.handler(), on_reuse=alarms.append)
        challenge = challenges.new_challenge()
        first = require_success(send(responder, begin(responder, challenge_password=challenge)))
        renewal = renewal_req(
            responders.csr(3, challenge_password=challenge),
            identity=Identity(certificate=first.certificate, key=keys.rsa(1)),
            ca=responders.trust(responder),
        )
        require_success(send(responder, renewal))
        assert not alarms
        # For another subject the certificate does not stand, so a challenge has to.
        other = renewal_req(
            responders.csr(3, subject="CN=other", challenge_password=challenge),
            identity=Identity(certificate=first.certificate, key=keys.rsa(1)),
            ca=responders.trust(responder),
        )
        assert isinstance(send(responder, other), Failure)
        assert len(alarms) == 1


def test_a_wrong_challenge_is_compared_as_text() -> None:
    handler = static_challenge("Zähler")
    assert handler.is_right("Zähler")
    assert not handler.is_right("\udc80")
    assert "Zähler" not in repr(handler)
    custom = ChallengeHandler(is_right=lambda text: text == "a", renewal_may_change_subject=True)
    assert custom.renewal_may_change_subject


# ----------------------------------------------------------------------------------------- Intune


@dataclass
class Intune:
    """A stand-in for the service: says what it is told to, and keeps what it was asked."""

    codes: dict[str, str] = field(default_factory=dict)
    status: int = 200
    body: bytes | None = None
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        base, _, action = request.url.rpartition("/ScepActions/")
        assert (request.method, base) == ("POST", "https://intune.example/tenant")
        self.asked.append((action, json.loads(request.body)))
        self.headers.append(dict(request.headers))
        body = self.body
        if body is None:
            code = self.codes.get(action, "Success")
            body = json.dumps({"code": code, "errorDescription": "why"}).encode()
        return HttpResponse(status=self.status, body=body)

    @property
    def actions(self) -> list[str]:
        return [action for action, _ in self.asked]


@pytest.fixture
def intune() -> Intune:
    return Intune()


@pytest.fixture
def responder(intune: Intune) -> Responder:
    handler = IntuneHandler(
        endpoint="https://intune.example/tenant/",
        send=intune,
        access_token=lambda: "the-token",
        random_bytes=RANDOM,
        caller_info="pyscep tests",
    )
    return new_responder(handler=handler)


class TestIntune:
    @pytest.mark.conforms("V-07", "V-08", "V-10", "H-09")
    def test_both_questions(self, intune: Intune, responder: Responder) -> None:
        challenge = "sealed" * 600
        exchange = begin(responder, challenge_password=challenge, transaction_id="TX")
        certificate = require_success(send(responder, exchange)).certificate
        (validate, asked), (notify, told) = intune.asked
        csr = base64.b64encode(responders.csr(challenge_password=challenge).der).decode()
        common = {"transactionId": "TX", "certificateRequest": csr, "callerInfo": "pyscep tests"}
        assert (validate, asked) == ("validateRequest", {"request": common})
        assert notify == "successNotification"
        thumbprint = hashlib.sha1(certificate.der, usedforsecurity=False).hexdigest()
        assert told["notification"] == {
            **common,
            "certificateThumbprint": thumbprint.upper(),
            "certificateSerialNumber": f"{certificate.serial_number:X}",
            "certificateExpirationDateUtc": "2027-06-01T00:00:00Z",
            "issuingCertificateAuthority": "CN=pyscep test CA",
            "certificateAuthority": "CN=pyscep test CA",
        }
        for headers in intune.headers:
            assert headers["Authorization"] == "Bearer the-token"
            assert headers["api-version"] == "2018-02-20"
            assert re.fullmatch(
                r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers["client-request-id"]
            )
        assert "the-token" not in repr(responder.handler)

    @pytest.mark.conforms("V-09", "A-15")
    @pytest.mark.parametrize(
        ("code", "fail_info"),
        [
            ("ChallengeExpired", FailInfo.BAD_REQUEST),
            ("SubjectNameMismatch", FailInfo.BAD_REQUEST),
            ("KeyLengthMismatch", FailInfo.BAD_ALG),
            ("SignatureValidationFailed", FailInfo.BAD_MESSAGE_CHECK),
            ("SomethingNew", FailInfo.BAD_REQUEST),
        ],
    )
    def test_a_refusal(
        self, intune: Intune, responder: Responder, code: str, fail_info: FailInfo
    ) -> None:
        intune.codes["validateRequest"] = code
        reply = send(responder, begin(responder))
        assert isinstance(reply, Failure)
        assert (reply.fail_info, reply.fail_info_text) == (fail_info, code)
        assert intune.actions == ["validateRequest"]

    @pytest.mark.conforms("V-09")
    def test_without_a_challenge_nobody_is_asked(
        self, intune: Intune, responder: Responder
    ) -> None:
        reply = send(responder, begin(responder, challenge_password=None))
        assert isinstance(reply, Failure)
        assert reply.fail_info_text == "ChallengePasswordMissing"
        assert not intune.asked

    @pytest.mark.conforms("R-05")
    def test_intune_is_not_asked_for_what_somebody_recorded(
        self, intune: Intune, responder: Responder
    ) -> None:
        foreign = keys.certify("CN=x", key=keys.rsa(3), issuer=keys.stranger())
        recorded = pkcs_req(responders.csr(), identity=foreign, ca=responders.trust(responder))
        assert isinstance(send(responder, recorded), Failure)
        assert not intune.asked

    @pytest.mark.conforms("V-08")
    def test_while_intune_cannot_be_reached_there_is_a_signed_answer(
        self, responder: Responder
    ) -> None:
        def send_nowhere(request: HttpRequest) -> HttpResponse:
            raise TransportError("Nobody is there; try again.", url=request.url)

        assert isinstance(responder.handler, IntuneHandler)
        cut_off = replace(responder, handler=replace(responder.handler, send=send_nowhere))
        reply = send(cut_off, begin(cut_off))
        assert isinstance(reply, Failure)
        assert reply.fail_info is FailInfo.BAD_REQUEST

    @pytest.mark.conforms("V-08")
    def test_what_intune_was_not_told_is_not_delivered(
        self, intune: Intune, responder: Responder
    ) -> None:
        intune.codes["successNotification"] = "Busy"
        exchange = begin(responder)
        assert isinstance(send(responder, exchange), Failure)
        record = responder.store.get(exchange.transaction.transaction_id)
        assert record is not None
        assert (record.status, record.confirmed) == (RecordStatus.ISSUED, False)
        # The same request sent again gets the certificate that there is, once Intune knows of it.
        intune.codes.clear()
        certificate = require_success(send(responder, exchange)).certificate
        assert certificate == parse_certificate(record.certificate or b"")
        assert intune.actions == ["validateRequest", "successNotification"] * 2
        require_success(send(responder, exchange))
        assert len(intune.asked) == 4

    def test_another_request_cannot_have_it(self, intune: Intune, responder: Responder) -> None:
        intune.codes["successNotification"] = "Busy"
        send(responder, begin(responder, transaction_id="TX"))
        intune.codes.clear()
        other = send(responder, begin(responder, number=3, transaction_id="TX"))
        assert isinstance(other, Failure)
        assert intune.actions == ["validateRequest", "successNotification"]

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (401, b""),
            (500, b"<html>"),
            (200, b"{}"),
            (200, b"[]"),
            (200, b'{"code": 1}'),
            (200, b"[" * 9999),
            (200, b'{"code": ""}'),
            (200, b'{"code": "\\ud800"}'),
            (200, b'{"code": "\\u0000"}'),
            (200, b'{"code": "' + b"A" * 101 + b'"}'),
            (200, b"\xff"),
            (200, b'{"code": ' + b"9" * 5000 + b"}"),
        ],
    )
    def test_no_answer(
        self, intune: Intune, responder: Responder, status: int, body: bytes
    ) -> None:
        intune.status, intune.body = status, body
        with pytest.raises(HttpError) as caught:
            responder.handler.decide(request_of(responder))
        assert caught.value.status == status
        assert isinstance(send(responder, begin(responder)), Failure)

    @pytest.mark.conforms("V-08")
    def test_it_hears_of_what_could_not_be_issued(
        self, intune: Intune, responder: Responder
    ) -> None:
        class Broken(EphemeralCa):
            def issue(self, *_: object, **__: object) -> Any:
                raise UnsupportedError("The CA is out of order. " * 20, algorithm="any")

        broken = Broken(**{name: getattr(responders.authority(), name) for name in FIELDS})
        reply: Reply = send(replace(responder, authority=broken), begin(responder))
        assert isinstance(reply, Failure)
        assert intune.actions == ["validateRequest", "failureNotification"]
        told = intune.asked[-1][1]["notification"]
        assert told["errorDescription"].startswith("The CA is out of order.")
        assert len(told["errorDescription"]) == 255
        assert told["hResult"] < 0


FIELDS = ("identity", "parents", "signer", "recipients", "lifetime", "publish_root", "provider")


def request_of(responder: Responder) -> EnrolmentRequest:
    """Return what a handler is asked about a request."""
    seen: list[EnrolmentRequest] = []

    @dataclass
    class Looking:
        decide: Callable[[EnrolmentRequest], Any]

    def look(request: EnrolmentRequest) -> Refuse:
        seen.append(request)
        return Refuse()

    handler: RequestHandler = Looking(look)
    looking = replace(responder, handler=handler)
    send(looking, begin(looking))
    return seen[0]
