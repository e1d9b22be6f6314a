"""The clients that block and those that do not: the same flows, driven in two ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from pyscep.aio import AsyncClient
from pyscep.capabilities import Algorithms, HttpMethod
from pyscep.certificates import Identity
from pyscep.client import Client
from pyscep.errors import (
    DowngradeRefused,
    HttpError,
    KeyCapabilityError,
    TransportError,
    UsageError,
)
from pyscep.exchange import ReplyRules
from pyscep.handlers import ApprovalHandler
from pyscep.http import HttpRequest, HttpResponse
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.messages import MessageType
from pyscep.pki_message import parse_pki_message
from pyscep.responder import Responder
from pyscep.schedule import PollSchedule
from pyscep.transaction import CrlSuccess, Pending, Reply, Success, require_success
from tests.helpers import key_kinds, keys, responders

SCHEDULE = PollSchedule(
    first_delay=timedelta(seconds=10),
    interval=timedelta(minutes=1),
    max_count=3,
    max_time=timedelta(hours=1),
)


@dataclass
class Wire:
    """Between client and responder: keeps what went by, and can lie about capabilities."""

    responder: Responder
    capabilities: bytes | None = None
    requests: list[HttpRequest] = field(default_factory=list)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        response = self.responder.handle(request)
        if self.capabilities is not None and "GetCACaps" in request.url:
            return replace(response, body=self.capabilities)
        return response

    async def later(self, request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        return self(request)

    @property
    def operations(self) -> list[str]:
        return [each.url.partition("operation=")[2].partition("&")[0] for each in self.requests]

    def last_type(self) -> MessageType:
        message = parse_pki_message(self.requests[-1].body)
        return message.verify_possession(provider=keys.provider()).message_type


@dataclass
class Clock:
    """Time that passes only by sleeping."""

    moment: datetime = keys.NOW
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


class Blocking:
    """Drives the client that blocks."""

    def __init__(self, wire: Wire, **options: Any) -> None:
        self.client = Client(responders.URL, send=wire, provider=keys.provider(), **options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self.client, name)
        return method

    def wait(self, pending: Pending, clock: Clock, **options: Any) -> Reply:
        return self.client.wait(pending, now=clock.now, sleep=clock.sleep, **options)


class Asynchronous:
    """Drives the other one to the same end."""

    def __init__(self, wire: Wire, **options: Any) -> None:
        self.client = AsyncClient(
            responders.URL, send=wire.later, provider=keys.provider(), **options
        )

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)
        return lambda *args, **options: asyncio.run(method(*args, **options))

    def wait(self, pending: Pending, clock: Clock, **options: Any) -> Reply:
        return asyncio.run(self.client.wait(pending, now=clock.now, sleep=clock.asleep, **options))


@pytest.fixture(params=[Blocking, Asynchronous], ids=["client", "async-client"])
def connect(request: pytest.FixtureRequest) -> Callable[..., Any]:
    kind: Callable[..., Any] = request.param
    return kind


def enrol(client: Any, responder: Responder, **options: Any) -> tuple[Reply, Identity]:
    csr = responders.csr()
    identity = responders.self_signed(csr)
    reply = client.enrol(csr, identity=identity, ca=responders.trust(responder), **options)
    return reply, identity


@pytest.mark.conforms("C-02", "G-01", "W-01", "W-07", "R-02")
def test_the_whole_life(connect: Callable[..., Any]) -> None:
    responder = responders.new_responder()
    wire = Wire(responder)
    client = connect(wire)
    assert client.get_ca_caps().keywords == responder.capabilities
    ca = client.get_ca_cert().authenticate(
        sha256=responder.authority.issuer.sha256_fingerprint, at=keys.NOW
    )
    first, _ = enrol(client, responder)
    identity = Identity(certificate=require_success(first).certificate, key=keys.rsa(1))
    renewed = client.renew(responders.csr(3, challenge_password=None), identity=identity, ca=ca)
    assert wire.last_type() is MessageType.RENEWAL_REQ
    assert require_success(renewed).certificate.public_key == keys.rsa(3).public_key

    identifier = IssuerAndSerialNumber.of(identity.certificate)
    found = client.get_cert(identifier, identity=identity, ca=ca)
    assert isinstance(found, Success)
    assert found.certificate == identity.certificate
    assert isinstance(client.get_crl(identifier, identity=identity, ca=ca), CrlSuccess)
    assert wire.last_type() is MessageType.GET_CRL


@pytest.mark.conforms("T-02", "T-32", "C-18")
def test_what_the_caller_chose_is_used_and_nothing_is_asked(connect: Callable[..., Any]) -> None:
    responder = responders.new_responder()
    wire = Wire(responder)
    client = connect(wire, ca_identifier="one of several")
    reply, identity = enrol(client, responder, algorithms=Algorithms(http_method=HttpMethod.GET))
    require_success(reply)
    assert wire.operations == ["PKIOperation"]
    assert wire.requests[0].method == "GET"
    client.get_ca_cert()
    client.get_ca_caps()
    assert all("one%20of%20several" in each.url for each in wire.requests[1:])
    assert identity.certificate.is_self_issued


@pytest.mark.conforms("X-05", "X-06")
def test_what_was_kept_before_sending_brings_a_lost_answer_back(
    connect: Callable[..., Any],
) -> None:
    responder = responders.new_responder()
    exchange = responders.begin(responder)
    saved = exchange.transaction.to_json()
    wire = Wire(responder)
    lost = require_success(connect(wire).converse(exchange)).certificate
    assert wire.operations == ["PKIOperation"]
    reply = connect(wire).poll(
        type(exchange.transaction).from_json(saved),
        identity=exchange._sent.identity,
        ca=responders.trust(responder),
    )
    assert require_success(reply).certificate == lost


@pytest.mark.conforms("C-12", "C-28", "W-12")
def test_how_to_renew_is_the_servers_announcement_or_the_callers_choice(
    connect: Callable[..., Any],
) -> None:
    responder = responders.new_responder()
    ca, csr = responders.trust(responder), responders.csr(3, challenge_password=None)
    identity = responders.certified()
    chosen = Algorithms()
    cases: list[tuple[bytes | None, MessageType | None, MessageType]] = [
        (None, None, MessageType.RENEWAL_REQ),
        (b"SCEPStandard", None, MessageType.PKCS_REQ),
        (None, MessageType.PKCS_REQ, MessageType.PKCS_REQ),
        (b"", MessageType.RENEWAL_REQ, MessageType.RENEWAL_REQ),
    ]
    for body, message_type, expected in cases:
        wire = Wire(responder, capabilities=body)
        client = connect(wire)
        algorithms = chosen if body == b"" else None
        reply = client.renew(
            csr, identity=identity, ca=ca, message_type=message_type, algorithms=algorithms
        )
        require_success(reply)
        assert wire.last_type() is expected
        # Whoever says both asks for nothing.
        assert ("GetCACaps" in wire.operations) is (body != b"")
    client = connect(Wire(responder))
    with pytest.raises(UsageError) as caught:
        client.renew(csr, identity=identity, ca=ca, message_type=MessageType.GET_CRL)
    assert caught.value.argument == "message_type"


@pytest.mark.conforms("C-15", "C-22", "C-23", "S-10")
@pytest.mark.parametrize("body", [b"", b"SHA-1\nDES3", b"nonsense"])
def test_a_stripped_announcement_ends_everything(connect: Callable[..., Any], body: bytes) -> None:
    responder = responders.new_responder()
    wire = Wire(responder, capabilities=body)
    client = connect(wire)
    with pytest.raises(DowngradeRefused):
        enrol(client, responder)
    assert wire.operations == ["GetCACaps"]
    wire.capabilities = None
    require_success(enrol(client, responder)[0])


@pytest.mark.conforms("N-04", "N-05")
def test_next_ca(connect: Callable[..., Any]) -> None:
    following = responders.authority().roll_over(
        not_before=keys.NOW, lifetime=timedelta(days=7300), key=keys.rsa(6)
    )
    responder = responders.new_responder(next_authority=following)
    wire = Wire(responder)
    client, ca = connect(wire), responders.trust(responder)
    assert client.get_next_ca_cert(current=ca, at=None).issuer == following.issuer
    assert wire.operations == ["GetCACaps", "GetNextCACert"]
    known = client.get_ca_caps()
    client.get_next_ca_cert(current=ca, at=None, capabilities=known)
    assert wire.operations[2:] == ["GetCACaps", "GetNextCACert"]
    without = connect(Wire(responders.new_responder()))
    with pytest.raises(UsageError) as caught:
        without.get_next_ca_cert(current=ca, at=None)
    assert caught.value.argument == "capabilities"


class TestWaiting:
    @pytest.fixture
    def responder(self) -> Responder:
        return responders.new_responder(handler=ApprovalHandler())

    def start(self, client: Any, responder: Responder) -> tuple[Pending, dict[str, Any]]:
        pending, identity = enrol(client, responder)
        assert isinstance(pending, Pending)
        return pending, {"identity": identity, "ca": responders.trust(responder)}

    @pytest.mark.conforms("P-09", "P-11", "X-03")
    def test_until_the_ca_has_decided(
        self, connect: Callable[..., Any], responder: Responder
    ) -> None:
        client, clock, seen = connect(Wire(responder)), Clock(), []
        pending, who = self.start(client, responder)

        def on_attempt(reply: Reply) -> None:
            seen.append(type(reply))
            if len(seen) == 2:
                responder.approve(pending.transaction.transaction_id)

        reply = client.wait(pending, clock, schedule=SCHEDULE, on_attempt=on_attempt, **who)
        assert require_success(reply).certificate.public_key == keys.rsa(1).public_key
        assert seen == [Pending, Pending, Success]
        assert clock.slept == [10, 60, 60]

    @pytest.mark.conforms("E-04", "E-26", "P-07")
    def test_for_a_reply_that_the_challenge_encrypts(self, connect: Callable[..., Any]) -> None:
        responder = key_kinds.new_responder("EC", handler=key_kinds.waiting())
        client, clock = connect(Wire(responder)), Clock()
        who = {"identity": key_kinds.self_signed("EC"), "ca": responders.trust(responder)}
        pending = client.enrol(key_kinds.csr("EC"), **who)
        challenge = {"challenge_password": key_kinds.CHALLENGE}
        assert isinstance(client.poll(pending.transaction, **who, **challenge), Pending)
        with pytest.raises(KeyCapabilityError):
            client.poll(pending.transaction, **who)
        responder.approve(pending.transaction.transaction_id)
        with pytest.raises(KeyCapabilityError):
            client.wait(pending, clock, schedule=SCHEDULE, **who)
        reply = client.wait(pending, clock, schedule=SCHEDULE, **who, **challenge)
        assert require_success(reply).certificate.public_key == keys.ec(1).public_key

    @pytest.mark.conforms("P-09", "X-02")
    def test_until_the_schedule_gives_up(
        self, connect: Callable[..., Any], responder: Responder
    ) -> None:
        client, clock = connect(Wire(responder)), Clock()
        pending, who = self.start(client, responder)
        reply = client.wait(pending, clock, schedule=SCHEDULE, **who)
        assert isinstance(reply, Pending)
        assert reply.transaction.polls == 3

    def test_no_sleep_when_the_time_has_come(
        self, connect: Callable[..., Any], responder: Responder
    ) -> None:
        client, clock = connect(Wire(responder)), Clock()
        pending, who = self.start(client, responder)
        at_once = replace(SCHEDULE, first_delay=timedelta(0), max_count=1)
        assert isinstance(client.wait(pending, clock, schedule=at_once, **who), Pending)
        assert clock.slept == []

    @pytest.mark.conforms("X-05", "P-07")
    def test_after_a_restart(self, connect: Callable[..., Any], responder: Responder) -> None:
        client = connect(Wire(responder))
        pending, who = self.start(client, responder)
        saved = pending.transaction.to_json()
        responder.approve(pending.transaction.transaction_id)
        resumed = type(pending.transaction).from_json(saved)
        require_success(connect(Wire(responder)).poll(resumed, **who))

    def test_a_resumed_one_waits_one_interval_and_keeps_the_count(
        self, connect: Callable[..., Any], responder: Responder
    ) -> None:
        client, clock = connect(Wire(responder)), Clock()
        pending, who = self.start(client, responder)
        resumed = replace(pending, transaction=replace(pending.transaction, polls=2))
        reply = client.wait(resumed, clock, schedule=SCHEDULE, **who)
        assert (reply.transaction.polls, clock.slept) == (3, [60])

    def test_an_error_ends_it(self, connect: Callable[..., Any], responder: Responder) -> None:
        wire = Wire(responder)
        client, clock = connect(wire), Clock()
        pending, who = self.start(client, responder)
        wire.responder = replace(responder, limits=replace(responder.limits, message_size=1))
        with pytest.raises(HttpError):
            client.wait(pending, clock, schedule=SCHEDULE, **who)
        assert clock.slept == [10]


@pytest.mark.conforms("T-24", "T-30")
def test_what_the_transport_raises_comes_out(connect: Callable[..., Any]) -> None:
    class Broken(Wire):
        def __call__(self, request: HttpRequest) -> HttpResponse:
            raise TransportError("The network is down.", url=request.address)

    with pytest.raises(TransportError, match="down"):
        connect(Broken(responders.new_responder())).get_ca_cert()


def test_rules_reach_the_exchange(connect: Callable[..., Any]) -> None:
    responder = responders.new_responder()
    client = connect(Wire(responder), rules=ReplyRules(ignore_key_usage=True))
    identity = keys.certify(
        "CN=sensor-17,O=Example",
        key=keys.rsa(1),
        issuer=responders.authority().identity,
        usages=keys.SIGN,
    )
    reply = client.renew(
        responders.csr(3, challenge_password=None),
        identity=identity,
        ca=responders.trust(responder),
    )
    require_success(reply)
