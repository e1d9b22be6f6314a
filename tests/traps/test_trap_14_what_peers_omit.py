"""Trap 14: demanding what the peer omits, and accepting what it must not omit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyscep.errors import MissingAttribute
from pyscep.pki_message import parse_pki_message
from pyscep.transaction import Failure, Pending, TransactionState
from tests.helpers import keys
from tests.helpers.exchanges import enrolment
from tests.helpers.message_factory import attributes_of, reply_to
from tests.helpers.tlv import printable


@pytest.mark.conforms("M-28")
def test_reply_without_sender_nonce_is_accepted() -> None:
    exchange = enrolment()
    message = reply_to(exchange.message).without("senderNonce").encode()

    assert isinstance(exchange.receive(message), Pending)
    assert parse_pki_message(message).verify([keys.ca().certificate]).sender_nonce is None


@pytest.mark.conforms("M-32", "V-05")
def test_reply_without_certificates_is_accepted() -> None:
    exchange = enrolment()
    message = replace(reply_to(exchange.message), certificates=())

    assert isinstance(exchange.receive(message.encode()), Pending)


@pytest.mark.conforms("M-38")
def test_reply_without_signing_time_is_accepted() -> None:
    exchange = enrolment()
    message = reply_to(exchange.message).encode()

    assert "signingTime" not in attributes_of(message)
    assert isinstance(exchange.receive(message), Pending)


@pytest.mark.conforms("A-08")
def test_failure_without_fail_info_is_a_failure() -> None:
    exchange = enrolment()

    reply = exchange.receive(reply_to(exchange.message, pki_status="2").encode())

    assert isinstance(reply, Failure)
    assert reply.fail_info is None
    assert reply.fail_info_value is None


@pytest.mark.conforms("A-08", "M-23", "L-11")
@pytest.mark.parametrize("value", [5, 7, 11, 12, 255])
def test_failure_for_an_unknown_reason_is_a_failure(value: int) -> None:
    exchange = enrolment()
    message = reply_to(exchange.message, pki_status="2").having("failInfo", printable(str(value)))

    reply = exchange.receive(message.encode())

    assert isinstance(reply, Failure)
    assert reply.fail_info is None
    assert reply.fail_info_value == value


@pytest.mark.conforms("A-11", "M-12", "M-27")
@pytest.mark.parametrize("status", ["0", "2", "3"])
@pytest.mark.parametrize("name", ["messageType", "pkiStatus", "transactionID", "recipientNonce"])
def test_reply_without_one_of_these_is_refused(name: str, status: str) -> None:
    exchange = enrolment()
    message = reply_to(exchange.message, pki_status=status).without(name)

    with pytest.raises(MissingAttribute) as caught:
        exchange.receive(message.encode())

    assert caught.value.attribute == name
    # Nothing has happened to the transaction: the genuine reply may still come.
    assert exchange.transaction.state is TransactionState.CERT_REQ_PENDING
    assert isinstance(exchange.receive(reply_to(exchange.message).encode()), Pending)


@pytest.mark.conforms("A-11", "M-12")
def test_reply_without_type_and_status_is_no_success() -> None:
    """One client takes it for one."""
    exchange = enrolment()
    message = reply_to(exchange.message).without("messageType", "pkiStatus")

    with pytest.raises(MissingAttribute):
        exchange.receive(message.encode())
