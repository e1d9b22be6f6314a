"""What a CA does with requests for what there is already, and whose certificates it believes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pyscep.begin import pkcs_req, renewal_req
from pyscep.certificates import Certificate
from pyscep.errors import (
    HttpError,
    ScepError,
    StoreError,
    TransportError,
    UsageError,
    WeakAlgorithm,
)
from pyscep.exchange import Exchange
from pyscep.handlers import ApprovalHandler, Defer, EnrolmentRequest, Issue, Refuse, SignerTrust
from pyscep.http import HttpRequest
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.memory_store import MemoryStore
from pyscep.messages import FailInfo
from pyscep.pkcs10 import CertificationRequest
from pyscep.registrar import MAXIMUM_PENDING, DuplicatePolicy
from pyscep.responder import Responder
from pyscep.sqlite_store import SqliteStore
from pyscep.store import Record, RecordStatus, Store
from pyscep.testing import EphemeralCa
from pyscep.transaction import Failure, Pending, Success, require_success
from tests.helpers import keys, responders
from tests.helpers.responders import begin, certified, new_responder, send, trust


class Counting:
    """A handler that issues whatever it is asked for, and counts."""

    def __init__(self) -> None:
        self.asked: list[EnrolmentRequest] = []

    def decide(self, request: EnrolmentRequest) -> Issue | Defer:
        self.asked.append(request)
        return Issue()


def enrolled(responder: Responder, **options: Any) -> Certificate:
    return require_success(send(responder, begin(responder, **options))).certificate


def refused(responder: Responder, exchange: Exchange) -> Failure:
    reply = send(responder, exchange)
    assert isinstance(reply, Failure), reply
    assert reply.fail_info is FailInfo.BAD_REQUEST
    return reply


@pytest.mark.conforms("X-06")
class TestDuplicates:
    """A client lost the answer, and asks again in a new transaction."""

    def test_reissue(self) -> None:
        responder = new_responder(handler=Counting())
        assert responder.duplicates is DuplicatePolicy.REISSUE
        first, second = enrolled(responder), enrolled(responder)
        assert first.public_key == second.public_key
        assert first.serial_number != second.serial_number

    def test_return_the_same(self) -> None:
        handler = Counting()
        responder = new_responder(handler=handler, duplicates=DuplicatePolicy.RETURN_SAME)
        first = enrolled(responder)
        # A challenge for one use would be used up by now, so nobody is asked about it.
        assert enrolled(responder, challenge_password=None) == first
        assert len(handler.asked) == 1

    def test_refuse(self) -> None:
        handler = Counting()
        responder = new_responder(handler=handler, duplicates=DuplicatePolicy.REFUSE)
        exchange = begin(responder)
        first = require_success(send(responder, exchange)).certificate
        reply = refused(responder, begin(responder))
        assert reply.fail_info_text == "This key has a certificate already."
        # The same transaction is no duplicate but a retransmission.
        assert require_success(send(responder, exchange)).certificate == first
        assert len(handler.asked) == 1

    @pytest.mark.parametrize("policy", [DuplicatePolicy.RETURN_SAME, DuplicatePolicy.REFUSE])
    def test_what_is_no_duplicate(self, policy: DuplicatePolicy) -> None:
        clock = [keys.NOW]
        responder = new_responder(handler=Counting(), duplicates=policy, now=lambda: clock[0])
        first = enrolled(responder)
        assert enrolled(responder, number=3).serial_number != first.serial_number
        asked = responders.csr(subject="CN=somebody else")
        other = pkcs_req(asked, identity=responders.self_signed(asked), ca=trust(responder))
        assert require_success(send(responder, other)).certificate.subject == asked.subject
        # A renewal is wanted to be new.
        identity = replace(certified(), certificate=first)
        renewal = renewal_req(responders.csr(1), identity=identity, ca=trust(responder))
        assert isinstance(send(responder, renewal), Success)

        # Neither revoked nor expired certificates are in the way.
        for record in responder.store.issued_to(first.public_key):
            responder.revoke(responder.registrar._certificate_of(record))
        second = enrolled(responder)
        clock[0] += timedelta(days=366)
        assert enrolled(responder) != second

    @pytest.mark.parametrize("policy", [DuplicatePolicy.RETURN_SAME, DuplicatePolicy.REFUSE])
    def test_only_who_holds_the_key_hears_of_it(self, policy: DuplicatePolicy) -> None:
        """A certificate of another CA for the same key proves nothing about who asks."""
        handler = Counting()
        responder = new_responder(handler=handler, duplicates=policy)
        enrolled(responder)
        foreign = keys.certify("CN=x", key=keys.rsa(4), issuer=keys.stranger())
        exchange = pkcs_req(responders.csr(), identity=foreign, ca=trust(responder))
        assert isinstance(send(responder, exchange), Success)
        assert handler.asked[-1].trust is SignerTrust.FOREIGN

    def test_what_waits_is_no_certificate(self) -> None:
        responder = new_responder(handler=ApprovalHandler(), duplicates=DuplicatePolicy.RETURN_SAME)
        first, second = begin(responder), begin(responder)
        assert isinstance(send(responder, first), Pending)
        assert isinstance(send(responder, second), Pending)
        approved = responder.approve(first.transaction.transaction_id)
        third = begin(responder)
        assert require_success(send(responder, third)).certificate == approved


class TestOtherIssuers:
    @pytest.mark.conforms("R-06", "W-08")
    def test_certificates_of_an_alternate_ca_renew_if_it_is_named(self) -> None:
        other = responders.new_authority(key=keys.rsa(5), subject="CN=the other CA")
        identity = certified(by=other)
        handler = Counting()
        strict = new_responder(handler=handler)
        exchange = renewal_req(responders.csr(3), identity=identity, ca=trust(strict))
        assert isinstance(send(strict, exchange), Failure)
        responder = replace(strict, other_issuers=(other.issuer,))
        assert isinstance(send(responder, exchange), Success)
        assert [each.trust for each in handler.asked] == [SignerTrust.TRUSTED]
        responder.store.revoke(IssuerAndSerialNumber.of(identity.certificate), at=keys.NOW)
        exchange = renewal_req(responders.csr(3), identity=identity, ca=trust(responder))
        assert isinstance(send(responder, exchange), Failure)

    @pytest.mark.conforms("N-06", "N-07", "W-17", "R-06")
    def test_before_a_rollover_a_certificate_renews_under_the_next_ca(self) -> None:
        following = responders.authority().roll_over(
            not_before=keys.NOW, lifetime=timedelta(days=7300), key=keys.rsa(6)
        )
        responder = new_responder(next_authority=following)
        after = responders.client_of(responder).get_next_ca_cert(current=trust(responder), at=None)
        exchange = renewal_req(responders.csr(3), identity=certified(), ca=after)
        certificate = require_success(send(responder, exchange)).certificate
        certificate.signed.verify(following.issuer.public_key, provider=keys.provider())

        # And afterwards, when the next CA is the present one and the old one is named.
        later = new_responder(authority=following, other_issuers=(responders.authority().issuer,))
        exchange = renewal_req(responders.csr(3), identity=certified(), ca=trust(later))
        assert isinstance(send(later, exchange), Success)


@contextmanager
def full(store: SqliteStore) -> Iterator[None]:
    store._connection.execute("PRAGMA max_page_count = 1")
    yield
    store._connection.execute("PRAGMA max_page_count = 100000")


@pytest.mark.conforms("X-07", "T-23")
def test_what_cannot_be_remembered_is_not_issued(tmp_path: Path) -> None:
    """With the disk full the client hears 503, and its next try succeeds."""
    with SqliteStore(tmp_path / "scep.db") as store:
        responder = new_responder(store=store)
        exchange = begin(responder)
        filler = Record(
            transaction_id="filler",
            status=RecordStatus.PENDING,
            requester=b"",
            csr=bytes(20_000),
            updated=keys.NOW,
        )
        store.update("filler", lambda _: filler)
        url = f"{responders.URL}?operation=PKIOperation"
        with full(store):
            response = responder.handle(HttpRequest(method="POST", url=url, body=exchange.message))
            assert response.status == 503
            with pytest.raises(StoreError):
                responder.answer(exchange.message)
        assert store.get(exchange.transaction.transaction_id) is None
        assert isinstance(send(responder, exchange), Success)


def test_a_store_that_keeps_nothing() -> None:
    """One error says whose fault it is, and nothing is handed out."""

    class Forgetful(MemoryStore):
        def update(self, *_arguments: Any, **_named: Any) -> None:
            """Keep nothing."""

    responder = new_responder(store=Forgetful())
    with pytest.raises(StoreError, match="has to return the record"):
        responder.answer(begin(responder).message)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
    else:
        with SqliteStore(tmp_path / "scep.db") as opened:
            yield opened


@pytest.mark.conforms("A-14", "A-16")
class TestHowManyMayWait:
    def test_the_next_one_is_refused_and_told_why(self, store: Store) -> None:
        handler = ApprovalHandler(handler=responders.one_time_challenge())
        responder = new_responder(handler=handler, store=store, maximum_pending=1)
        first, second = begin(responder, number=1), begin(responder, number=3)
        other = begin(responder, number=3, challenge_password="other")
        assert isinstance(send(responder, first), Pending)
        reply = refused(responder, other)
        assert reply.fail_info_text == (
            "Too many requests wait for a decision already; try again later."
        )
        # Who waits keeps the place, also by sending the same again; who is refused, is refused.
        assert isinstance(send(responder, first), Pending)
        assert len(store.pending()) == 1
        responder.deny(first.transaction.transaction_id)
        # The challenge of the second one was not used up by being refused.
        assert isinstance(send(responder, other), Pending)
        # And that of the first one was.
        responder.deny(other.transaction.transaction_id)
        assert refused(responder, second).fail_info_text is None

    def test_what_is_issued_or_refused_needs_no_place(self, store: Store) -> None:
        responder = new_responder(store=store, maximum_pending=0)
        assert isinstance(send(responder, begin(responder)), Success)
        assert refused(responder, begin(responder, challenge_password="x")).fail_info_text is None
        waiting = replace(responder, handler=ApprovalHandler())
        assert refused(waiting, begin(waiting, number=3)).fail_info_text is not None

    def test_there_is_a_bound_unless_told_otherwise(self) -> None:
        responder = new_responder()
        assert responder.maximum_pending == MAXIMUM_PENDING == 1000
        assert replace(responder, maximum_pending=7).registrar.maximum_pending == 7


@dataclass(frozen=True)
class Broken(EphemeralCa):
    """A CA whose key, or whatever it depends on, does not answer."""

    error: Exception | None = None

    def issue(self, csr: CertificationRequest, decision: Issue, *, at: datetime) -> Certificate:
        raise self.error or NotImplementedError


class Told:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def issued(self, certificate: Certificate) -> None:
        raise NotImplementedError

    def failed(self, reason: str) -> None:
        self.reasons.append(reason)


@dataclass(frozen=True)
class Deciding:
    """A handler with one decision for all, or none at all."""

    decision: Issue | Refuse | Exception

    def decide(self, request: EnrolmentRequest) -> Issue | Refuse:
        if isinstance(self.decision, Exception):
            raise self.decision
        return self.decision


OUTSIDE = [
    OSError("no token"),
    sqlite3.OperationalError("no table"),
    ValueError("secret"),
    KeyError(),
]


@pytest.mark.conforms("X-07", "T-23")
class TestWhenTheCallersObjectsFail:
    """They are never taken for the store's failure, and nothing is issued or recorded."""

    def broken(self, error: Exception) -> Broken:
        whole = responders.authority()
        fields = {name: getattr(whole, name) for name in EphemeralCa.__dataclass_fields__}
        return Broken(**fields, error=error)

    def post(self, responder: Responder, exchange: Exchange) -> int:
        url = f"{responders.URL}?operation=PKIOperation"
        request = HttpRequest(method="POST", url=url, body=exchange.message)
        return responder.handle(request).status

    @pytest.mark.parametrize("error", OUTSIDE, ids=lambda error: type(error).__name__)
    def test_a_ca_raises_what_is_not_ours(self, store: Store, error: Exception) -> None:
        told = Told()
        handler = Deciding(Issue(observer=told, consumes=b"once"))
        whole = new_responder(store=store, handler=Deciding(Issue(consumes=b"once")))
        responder = replace(whole, authority=self.broken(error), handler=handler)
        exchange = begin(responder)
        with pytest.raises(type(error)) as caught:
            self.post(responder, exchange)
        assert caught.value is error
        # Its text is for the operator, who gets the error itself.
        assert told.reasons == [type(error).__name__]
        assert store.get(exchange.transaction.transaction_id) is None
        # Nothing is used up, so the same message succeeds once the CA is well.
        assert isinstance(send(whole, exchange), Success)

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (StoreError("Its own store."), 503),
            (UsageError("It was misconfigured."), 500),
            (HttpError("Its own server is down.", status=502), 200),
            (TransportError("It is away.", url="http://hsm.example"), 200),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_a_ca_raises_what_is_ours(self, store: Store, error: ScepError, status: int) -> None:
        told = Told()
        whole = new_responder(store=store)
        responder = replace(
            whole, authority=self.broken(error), handler=Deciding(Issue(observer=told))
        )
        exchange = begin(responder)
        assert self.post(responder, exchange) == status
        assert told.reasons == [str(error)]
        if status == 200:
            refused(responder, exchange)
        assert isinstance(send(whole, exchange), Success)

    @pytest.mark.parametrize(
        ("error", "status"),
        [(StoreError("Its own store."), 503), (WeakAlgorithm("Weak.", algorithm="MD5"), 200)],
        ids=lambda value: type(value).__name__,
    )
    def test_an_observer_that_cannot_be_told_changes_no_answer(
        self, store: Store, error: ScepError, status: int
    ) -> None:
        class Away(Told):
            def failed(self, reason: str) -> None:
                raise TransportError(f"Away: {reason}", url="http://intune.example")

        whole = new_responder(store=store, handler=Deciding(Issue(observer=Away())))
        exchange = begin(whole)
        responder = replace(whole, authority=self.broken(error))
        assert self.post(responder, exchange) == status
        if status == 200:
            reply = send(responder, exchange)
            assert isinstance(reply, Failure)
            assert reply.fail_info is FailInfo.BAD_ALG
        outside = OSError("no token")
        with pytest.raises(OSError, match="no token") as caught:
            self.post(replace(whole, authority=self.broken(outside)), exchange)
        assert caught.value is outside
        assert str(caught.value.__cause__) == "Away: OSError"

    @pytest.mark.parametrize("error", OUTSIDE, ids=lambda error: type(error).__name__)
    def test_approving_raises_it_too(self, store: Store, error: Exception) -> None:
        responder = new_responder(store=store, handler=ApprovalHandler())
        exchange = begin(responder)
        assert isinstance(send(responder, exchange), Pending)
        with pytest.raises(type(error)) as caught:
            replace(responder, authority=self.broken(error)).approve(
                exchange.transaction.transaction_id
            )
        assert caught.value is error
        (waiting,) = store.pending()
        assert waiting.transaction_id == exchange.transaction.transaction_id
        approved = responder.approve(waiting.transaction_id)
        assert require_success(send(responder, exchange)).certificate == approved

    @pytest.mark.parametrize("error", OUTSIDE, ids=lambda error: type(error).__name__)
    def test_a_handler_raises(self, store: Store, error: Exception) -> None:
        responder = new_responder(store=store, handler=Deciding(error))
        exchange = begin(responder)
        with pytest.raises(type(error)) as caught:
            self.post(responder, exchange)
        assert caught.value is error
        assert store.get(exchange.transaction.transaction_id) is None
