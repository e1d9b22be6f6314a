"""Trap 21: the shapes of polling.

micromdm polls by sending its PKCSReq again; others name the wrong issuer. What counts is the
transaction and the key that began it, and nobody else is told anything.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pyscep.begin import cert_poll
from pyscep.certificates import Identity
from pyscep.exchange import Exchange
from pyscep.handlers import ApprovalHandler
from pyscep.messages import FailInfo
from pyscep.names import build_name
from pyscep.responder import Responder
from pyscep.schedule import APPLE_POLLS
from pyscep.transaction import Failure, Pending, Reply, require_success
from tests.helpers import keys, responders

Start = tuple[Responder, Exchange, Pending]


@pytest.fixture
def start() -> Start:
    responder = responders.new_responder(handler=ApprovalHandler())
    exchange = responders.begin(responder)
    pending = responders.send(responder, exchange)
    assert isinstance(pending, Pending)
    return responder, exchange, pending


def poll(start: Start, identity: Identity | None = None, **changes: object) -> Reply:
    responder, exchange, pending = start
    signer = identity or exchange._sent.identity
    fingerprint = signer.certificate.sha256_fingerprint
    transaction = replace(
        pending.transaction,
        signer_sha256=fingerprint,
        **changes,  # type: ignore[arg-type]
    )
    again = cert_poll(transaction, identity=signer, ca=responders.trust(responder))
    return responders.send(responder, again)


@pytest.mark.conforms("P-05", "P-10", "P-12")
def test_every_shape_of_the_right_client_is_answered(start: Start) -> None:
    responder, exchange, pending = start
    assert isinstance(responders.send(responder, exchange), Pending)
    approved = responder.approve(pending.transaction.transaction_id)
    for reply in (
        responders.send(responder, exchange),
        poll(start),
        poll(start, subject=build_name("CN=wrong")),
        poll(start),
    ):
        assert require_success(reply).certificate == approved


@pytest.mark.conforms("P-04", "P-08")
def test_nobody_else_is(start: Start) -> None:
    responder, _, pending = start
    responder.approve(pending.transaction.transaction_id)
    stranger = responders.self_signed(responders.csr(3), 3)
    for reply in (poll(start, stranger), poll(start, transaction_id="unknown")):
        assert isinstance(reply, Failure)
        assert reply.fail_info is FailInfo.BAD_CERT_ID


@pytest.mark.conforms("P-09")
def test_apples_rhythm() -> None:
    due = [APPLE_POLLS.next_poll(started=keys.NOW, polls_done=done) for done in range(4)]
    second = timedelta(seconds=10)
    assert due == [keys.NOW, keys.NOW + second, keys.NOW + 2 * second, None]
