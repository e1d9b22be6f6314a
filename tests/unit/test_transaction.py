"""The transaction as a value: its states, its JSON, and the results."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from typing import Any

import pytest

from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
)
from pyscep.capabilities import Algorithms, HttpMethod
from pyscep.errors import DecodeError, LimitExceeded, RequestPending, RequestRefused
from pyscep.limits import Limits
from pyscep.messages import FailInfo, MessageType, PkiStatus
from pyscep.names import build_name
from pyscep.transaction import (
    TRANSITIONS,
    Failure,
    Pending,
    Transaction,
    TransactionState,
    require_success,
)
from tests.helpers import keys, responders

TRANSACTION = Transaction(
    transaction_id="AB12",
    state=TransactionState.CERT_REQ_PENDING,
    message_type=MessageType.RENEWAL_REQ,
    renewal=True,
    subject=build_name("CN=Zähler,O=Example"),
    public_key=b"\x30\x01\x02",
    signer_sha256="aa" * 32,
    issuer_sha256="bb" * 32,
    algorithms=Algorithms(
        content_encryption_algorithm=ContentEncryptionAlgorithm.AES256_CBC,
        digest_algorithm=DigestAlgorithm.SHA512,
        key_encryption_algorithm=KeyEncryptionAlgorithm.RSA_OAEP_SHA1,
        http_method=HttpMethod.GET,
    ),
    polls=3,
)


def changed(**fields: Any) -> str:
    """Return the JSON of the transaction with other or, for ``...``, without fields."""
    saved = {**json.loads(TRANSACTION.to_json()), **fields}
    return json.dumps({name: value for name, value in saved.items() if value is not ...})


@pytest.mark.conforms("X-01", "X-02", "X-03")
def test_every_reply_has_its_transition_and_only_a_pending_request_gets_replies() -> None:
    waiting = TransactionState.CERT_REQ_PENDING
    assert {state for state, _ in TRANSITIONS} == {waiting}
    assert {status for _, status in TRANSITIONS} == set(PkiStatus)
    assert TRANSITIONS[waiting, PkiStatus.SUCCESS] is TransactionState.CERT_ISSUED
    assert TRANSITIONS[waiting, PkiStatus.PENDING] is waiting
    assert TRANSITIONS[waiting, PkiStatus.FAILURE] is TransactionState.CERT_NONEXISTENT


@pytest.mark.conforms("X-05")
def test_json_keeps_everything() -> None:
    assert Transaction.from_json(TRANSACTION.to_json()) == TRANSACTION
    assert pickle.loads(pickle.dumps(TRANSACTION)) == TRANSACTION  # noqa: S301  # our own


@pytest.mark.conforms("X-05")
def test_json_is_written_to_be_read_by_people_too() -> None:
    saved = TRANSACTION.to_json()
    assert saved.splitlines()[:3] == ["{", ' "version": 1,', ' "transaction_id": "AB12",']
    assert json.loads(saved) == {
        "version": 1,
        "transaction_id": "AB12",
        "state": "CERT-REQ-PENDING",
        "message_type": 17,
        "renewal": True,
        "subject": TRANSACTION.subject.der.hex(),
        "public_key": "300102",
        "signer_sha256": "aa" * 32,
        "issuer_sha256": "bb" * 32,
        "content_encryption_algorithm": "AES256_CBC",
        "digest_algorithm": "SHA512",
        "key_encryption_algorithm": "RSA_OAEP_SHA1",
        "http_method": "GET",
        "polls": 3,
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"text"',
        "{}",
        "[" * 5000,
        changed(version=2),
        changed(version=...),
        changed(state="CERT-LOST"),
        changed(state=None),
        changed(message_type=99),
        changed(message_type=[]),
        changed(renewal=1),
        changed(subject="zz"),
        changed(subject="3000ff"),
        changed(subject=7),
        changed(public_key=...),
        changed(transaction_id=5),
        changed(polls=-1),
        changed(polls="3"),
        changed(digest_algorithm="MD5"),
        changed(content_encryption_algorithm="ROT13"),
        changed(key_encryption_algorithm="NONE"),
        changed(http_method="PUT"),
        # What could never have been sent is refused as well: single DES is for reading only.
        changed(content_encryption_algorithm="DES_CBC"),
    ],
)
def test_what_was_not_saved_by_us_is_refused(text: str) -> None:
    with pytest.raises(DecodeError) as caught:
        Transaction.from_json(text)
    assert not isinstance(caught.value, LimitExceeded)


def test_a_saved_transaction_has_a_limit() -> None:
    text = TRANSACTION.to_json()
    with pytest.raises(LimitExceeded) as caught:
        Transaction.from_json(text, limits=Limits(json_size=len(text) - 1))
    assert caught.value.limit == "json_size"
    Transaction.from_json(text, limits=Limits(json_size=len(text)))


@pytest.mark.conforms("S-24", "X-05")
def test_json_and_repr_hold_no_secret() -> None:
    exchange = responders.begin(responders.new_responder(), challenge_password="NoOneMayReadIt")
    saved = exchange.transaction.to_json()
    for text in (saved, repr(exchange), repr(exchange.transaction)):
        assert "NoOneMayReadIt" not in text
        assert b"NoOneMayReadIt".hex() not in text
        assert repr(keys.rsa(1)) not in text


class TestRequireSuccess:
    def test_returns_a_success(self) -> None:
        responder = responders.new_responder()
        reply = responders.send(responder, responders.begin(responder))
        assert require_success(reply) is reply

    def test_raises_for_a_failure(self) -> None:
        failure = Failure(
            fail_info=FailInfo.BAD_TIME,
            fail_info_value=3,
            fail_info_text="Your clock is wrong.",
            hresult=None,
            explanation="Set the clock.",
            transaction=TRANSACTION,
        )
        with pytest.raises(RequestRefused, match=r"Set the clock\.") as caught:
            require_success(failure)
        assert (caught.value.fail_info, caught.value.fail_info_text) == (3, "Your clock is wrong.")

    def test_raises_for_a_pending(self) -> None:
        with pytest.raises(RequestPending, match="AB12") as caught:
            require_success(Pending(transaction=replace(TRANSACTION, polls=0)))
        assert caught.value.transaction_id == "AB12"
