"""Trap 19: acting before verifying.

Nothing of a reply is used before its signature, messageType, transactionID and nonce have been
checked: whatever byte was changed, no key decrypts anything and the transaction stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyscep.algorithms import KeyEncryptionAlgorithm
from pyscep.begin import pkcs_req
from pyscep.certificates import Identity
from pyscep.errors import ScepError, SignatureInvalid
from pyscep.exchange import Exchange
from pyscep.http import HttpResponse, parse_pki_operation
from pyscep.keys import PrivateKey
from pyscep.messages import PkiStatus
from pyscep.pki_message import parse_pki_message
from pyscep.transaction import TRANSITIONS, Transaction, TransactionState, require_success
from tests.helpers import keys, responders
from tests.helpers.message_factory import attributes_of, reply_to
from tests.helpers.tlv import parse, printable


class Counting:
    """A key that counts how often it decrypts."""

    def __init__(self, key: PrivateKey) -> None:
        self._key = key
        self.decrypted = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._key, name)

    def decrypt(self, encrypted: bytes, algorithm: KeyEncryptionAlgorithm) -> bytes | None:
        self.decrypted += 1
        return self._key.decrypt(encrypted, algorithm)


@pytest.fixture(scope="module")
def enrolment() -> tuple[Exchange, Counting, bytes]:
    responder = responders.new_responder()
    csr = responders.csr()
    counting = Counting(keys.rsa(1))
    certificate = responders.self_signed(csr).certificate
    identity = Identity(certificate=certificate, key=counting)  # type: ignore[arg-type]
    exchange = pkcs_req(csr, identity=identity, ca=responders.trust(responder))
    return exchange, counting, responder.answer(exchange.message)


@pytest.mark.conforms("S-01", "A-10", "S-13")
def test_whatever_byte_is_changed_nothing_is_decrypted(
    enrolment: tuple[Exchange, Counting, bytes],
) -> None:
    exchange, counting, good = enrolment
    expected = require_success(exchange.receive(good))
    before, harmless = counting.decrypted, set()
    for position in range(0, len(good), 3):
        changed = bytearray(good)
        changed[position] ^= 0x41
        try:
            assert exchange.receive(bytes(changed)) == expected
        except ScepError:
            continue
        harmless.add(position)
    # What is not signed (versions, certificates, parameters) may be anything: nobody looks.
    signed = parse_pki_message(good).verify_possession(provider=keys.provider()).content
    assert signed is not None
    attributes = parse(good).at(1, 0).children[-1].at(0, 3).dump()
    for part in (signed, attributes, good[-256:]):
        begin = good.index(part)
        assert harmless.isdisjoint(range(begin, begin + len(part)))
    assert counting.decrypted == before + len(harmless)


@pytest.mark.conforms("S-01", "S-08", "A-12")
def test_a_reply_to_something_else_is_not_decrypted(
    enrolment: tuple[Exchange, Counting, bytes],
) -> None:
    exchange, counting, _ = enrolment
    before = counting.decrypted
    right = replace(
        reply_to(exchange.message, pki_status="0", content=b"anything"),
        signer=responders.authority().signer,
    )
    for wrong in (
        replace(right, signer=keys.stranger()),
        right.having("transactionID", printable("other")),
        right.having("messageType", printable("19")),
        right.without("recipientNonce"),
    ):
        with pytest.raises(ScepError):
            exchange.receive(wrong.encode())
    assert counting.decrypted == before


def naive_state(transaction: Transaction, encoded: bytes) -> TransactionState:
    """Act as many clients do: look at the pkiStatus first, and verify what is worth it."""
    value = attributes_of(encoded)["pkiStatus"]
    status = PkiStatus(int(value[-1:]))
    if status is not PkiStatus.SUCCESS:
        return TRANSITIONS[transaction.state, status]
    parse_pki_message(encoded).verify([responders.authority().signer.certificate])
    return TransactionState.CERT_ISSUED


@pytest.mark.conforms("A-10", "S-01")
@pytest.mark.parametrize(
    ("pki_status", "ends"),
    [("2", TransactionState.CERT_NONEXISTENT), ("3", TransactionState.CERT_REQ_PENDING)],
)
def test_anybody_ends_the_transaction_of_a_naive_client(
    enrolment: tuple[Exchange, Counting, bytes], pki_status: str, ends: TransactionState
) -> None:
    """The attack works: a FAILURE, or for ever PENDING, signed by whoever it may be."""
    exchange, _, genuine = enrolment
    assert naive_state(exchange.transaction, genuine) is TransactionState.CERT_ISSUED
    forged = replace(reply_to(exchange.message, pki_status=pki_status), signer=keys.stranger())
    assert naive_state(exchange.transaction, forged.encode()) is ends
    with pytest.raises(SignatureInvalid):
        exchange.receive(forged.encode())
    # Nothing has happened: the genuine reply still counts.
    issued = require_success(exchange.receive(genuine))
    assert issued.transaction.state is TransactionState.CERT_ISSUED


@pytest.mark.conforms("A-10")
def test_an_unsigned_failure_is_none(enrolment: tuple[Exchange, Counting, bytes]) -> None:
    exchange, _, _ = enrolment
    bare = replace(reply_to(exchange.message, pki_status="2"), signer_infos=()).encode()
    response = HttpResponse(
        status=200, headers=(("Content-Type", "application/x-pki-message"),), body=bare
    )
    with pytest.raises(ScepError):
        exchange.receive(parse_pki_operation(response))
