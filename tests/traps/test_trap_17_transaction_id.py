"""Trap 17: the transactionID as text.

PrintableString has a small alphabet, an id derived from the key cannot serve two transactions, and
a reply belongs to a transaction only if all of the id is the same.
"""

from __future__ import annotations

import string

import pytest

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.errors import (
    MessageError,
    TransactionMismatch,
    UnexpectedMessageType,
    UsageError,
)
from pyscep.messages import CertRep, PkiStatus
from pyscep.pki_message import encode_cert_rep, parse_pki_message
from pyscep.transaction import Pending
from tests.helpers import keys
from tests.helpers.exchanges import enrolment
from tests.helpers.message_factory import attributes_of, reply_to, request
from tests.helpers.tlv import integer, parse, printable, tlv, utf8

ALPHABET = set(string.ascii_letters + string.digits + " '()+,-./:=?")
OURS = "Sensor-17.enrolment"


@pytest.mark.conforms("M-16", "M-18", "M-19", "X-14")
def test_generated_ids_are_printable_and_never_the_same() -> None:
    """Always for the same key and the same subject."""
    sent = [attributes_of(enrolment().message)["transactionID"] for _ in range(30)]

    assert len(set(sent)) == len(sent)
    for each in sent:
        assert each[0] == 0x13
        assert set(parse(each).contents.decode("ascii")) <= ALPHABET


@pytest.mark.conforms("M-18")
def test_id_given_by_the_caller_is_the_one_sent() -> None:
    exchange = enrolment(transaction_id=OURS)

    assert exchange.transaction.transaction_id == OURS
    assert attributes_of(exchange.message)["transactionID"] == printable(OURS)


@pytest.mark.conforms("M-16")
@pytest.mark.parametrize("transaction_id", ["a_b", "a@b", "a*b", "a\nb", "\u00fc"])
def test_id_beyond_the_alphabet_is_not_sent(transaction_id: str) -> None:
    with pytest.raises(UsageError) as caught:
        enrolment(transaction_id=transaction_id)

    assert caught.value.argument == "transaction_id"


@pytest.mark.conforms("X-11", "M-18")
@pytest.mark.parametrize(
    "answered",
    ["S", OURS[:-1], f"{OURS}1", OURS.lower(), OURS.upper(), f" {OURS}", f"{OURS} ", "other"],
)
@pytest.mark.parametrize("status", ["0", "2", "3"])
def test_reply_with_another_id_is_refused(answered: str, status: str) -> None:
    exchange = enrolment(transaction_id=OURS)
    message = reply_to(exchange.message, pki_status=status).having(
        "transactionID", printable(answered)
    )

    with pytest.raises(TransactionMismatch) as caught:
        exchange.receive(message.encode())

    assert caught.value.expected == OURS
    assert caught.value.actual == answered
    assert caught.value.reference == "RFC 8894 section 3.2.1.1"


@pytest.mark.conforms("X-11", "M-20")
@pytest.mark.parametrize("empty", [printable(""), utf8("")])
def test_empty_id_is_refused_on_both_sides(empty: bytes) -> None:
    exchange = enrolment()
    reply = reply_to(exchange.message).having("transactionID", empty)
    asked = request().having("transactionID", empty)

    with pytest.raises(MessageError, match="transactionID is empty"):
        exchange.receive(reply.encode())
    with pytest.raises(MessageError, match="transactionID is empty"):
        parse_pki_message(asked.encode()).verify_possession()


@pytest.mark.conforms("M-17")
@pytest.mark.parametrize("tag", [0x0C, 0x13, 0x14, 0x16, 0x1A])
def test_reply_may_use_another_string_type(tag: int) -> None:
    exchange = enrolment(transaction_id=OURS)
    message = reply_to(exchange.message).having("transactionID", tlv(tag, OURS.encode()))

    assert isinstance(exchange.receive(message.encode()), Pending)


@pytest.mark.conforms("X-12")
@pytest.mark.parametrize(
    "value",
    [
        printable(OURS),
        printable("a_b@c*"),
        utf8("Sens\u00f6r"),
        tlv(0x14, b"Sens\xf6r"),
        tlv(0x16, b"a_b"),
        tlv(0x1E, "a_b".encode("utf-16-be")),
    ],
)
def test_server_echoes_what_it_got(value: bytes) -> None:
    asked = request().having("transactionID", value)

    answer = encode_cert_rep(
        CertRep(pki_status=PkiStatus.PENDING),
        request=parse_pki_message(asked.encode()).verify_possession(),
        sender_nonce=bytes(16),
        identity=keys.ca(),
        content_encryption_algorithm=ContentEncryptionAlgorithm.AES128_CBC,
        digest_algorithm=DigestAlgorithm.SHA256,
    )

    assert attributes_of(answer)["transactionID"] == value


@pytest.mark.conforms("M-14", "M-15")
@pytest.mark.parametrize("value", [integer(3), tlv(0x0A, b"\x03"), tlv(0x04, b"3")])
def test_message_type_is_text_and_nothing_else(value: bytes) -> None:
    exchange = enrolment()

    with pytest.raises(MessageError, match="messageType is not a text string"):
        exchange.receive(reply_to(exchange.message).having("messageType", value).encode())


@pytest.mark.conforms("M-41", "M-15")
def test_own_request_echoed_is_no_reply() -> None:
    exchange = enrolment()
    echoed = request(signer=keys.ca()).having("messageType", printable("19"))

    with pytest.raises(UnexpectedMessageType) as caught:
        exchange.receive(echoed.encode())
    assert caught.value.actual == "19"
