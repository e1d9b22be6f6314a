"""Trap 18: nonces.

A nonce is new for every message, is echoed whole whatever its length, and is what shows that a
reply is fresh: for every status.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.begin import cert_poll
from pyscep.errors import LimitExceeded, MissingAttribute, NonceMismatch
from pyscep.exchange import Exchange
from pyscep.messages import CertRep, FailInfo, PkiStatus
from pyscep.pki_message import encode_cert_rep, parse_pki_message
from pyscep.transaction import Pending
from tests.helpers import keys
from tests.helpers.exchanges import enrolment, trusted_ca
from tests.helpers.message_factory import attributes_of, reply_to, request
from tests.helpers.tlv import octets, parse


def nonce_of(encoded: bytes) -> bytes:
    return parse(attributes_of(encoded)["senderNonce"]).contents


def poll(exchange: Exchange) -> Exchange:
    """Let the CA answer PENDING, and poll."""
    reply = exchange.receive(reply_to(exchange.message).encode())
    assert isinstance(reply, Pending)
    return cert_poll(reply.transaction, identity=keys.client(), ca=trusted_ca())


@pytest.mark.conforms("M-18", "M-25", "M-28", "M-30")
def test_every_message_has_a_nonce_of_its_own() -> None:
    messages = [enrolment()]
    for _ in range(3):
        messages.append(poll(messages[-1]))
    nonces = [nonce_of(each.message) for each in messages]

    assert len({attributes_of(each.message)["transactionID"] for each in messages}) == 1
    assert len(set(nonces)) == 4
    assert {len(nonce) for nonce in nonces} == {16}
    # Neither is the server's nonce sent back, nor is there any recipientNonce.
    assert nonce_of(reply_to(messages[0].message).encode()) not in nonces
    assert all("recipientNonce" not in attributes_of(each.message) for each in messages)


@pytest.mark.conforms("M-26", "M-13")
@pytest.mark.parametrize("size", [1, 8, 16, 20, 32, 256])
@pytest.mark.parametrize("status", list(PkiStatus))
def test_server_echoes_the_whole_nonce(size: int, status: PkiStatus) -> None:
    nonce = bytes(range(size))
    asked = request(sender_nonce=nonce)

    answer = encode_cert_rep(
        CertRep(pki_status=status),
        request=parse_pki_message(asked.encode()).verify_possession(),
        sender_nonce=b"s" * 16,
        identity=keys.ca(),
        content_encryption_algorithm=ContentEncryptionAlgorithm.AES128_CBC,
        digest_algorithm=DigestAlgorithm.SHA256,
    )

    assert attributes_of(answer)["recipientNonce"] == octets(nonce)
    assert attributes_of(answer)["senderNonce"] == octets(b"s" * 16)


def test_nonce_without_end_is_refused() -> None:
    asked = request(sender_nonce=bytes(257))

    with pytest.raises(LimitExceeded) as caught:
        parse_pki_message(asked.encode()).verify_possession()

    assert (caught.value.limit, caught.value.value) == ("nonce_size", 257)


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "first bit": lambda nonce: bytes([nonce[0] ^ 0x80]) + nonce[1:],
    "last bit": lambda nonce: nonce[:-1] + bytes([nonce[-1] ^ 1]),
    "cut short": lambda nonce: nonce[:8],
    "one byte more": lambda nonce: nonce + b"\0",
    "all zero": lambda nonce: bytes(len(nonce)),
}


@pytest.mark.conforms("M-27", "S-08")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("status", ["0", "2", "3"])
def test_reply_with_another_nonce_is_refused(change: Callable[[bytes], bytes], status: str) -> None:
    exchange = enrolment()
    changed = octets(change(nonce_of(exchange.message)))
    message = reply_to(exchange.message, pki_status=status).having("recipientNonce", changed)

    with pytest.raises(NonceMismatch) as caught:
        exchange.receive(message.encode())

    assert caught.value.reference == "RFC 8894 section 3.2.1.5"
    assert caught.value.fail_info_hint == FailInfo.BAD_MESSAGE_CHECK.value


@pytest.mark.conforms("M-27", "S-08")
@pytest.mark.parametrize("status", ["0", "2", "3"])
def test_reply_without_nonce_is_refused(status: str) -> None:
    exchange = enrolment()
    message = reply_to(exchange.message, pki_status=status).without("recipientNonce")

    with pytest.raises(MissingAttribute) as caught:
        exchange.receive(message.encode())

    assert caught.value.attribute == "recipientNonce"


@pytest.mark.conforms("M-27", "S-08")
def test_reply_to_the_message_before_is_refused() -> None:
    """A PENDING that was genuine once."""
    first = enrolment()
    old = reply_to(first.message).encode()
    second = poll(first)

    with pytest.raises(NonceMismatch):
        second.receive(old)
    assert isinstance(second.receive(reply_to(second.message).encode()), Pending)


@pytest.mark.conforms("M-28")
def test_nonce_of_the_server_may_be_the_clients() -> None:
    """One server copies it; that is no reason to refuse."""
    exchange = enrolment()
    copied = attributes_of(exchange.message)["senderNonce"]

    assert isinstance(
        exchange.receive(reply_to(exchange.message).having("senderNonce", copied).encode()),
        Pending,
    )
