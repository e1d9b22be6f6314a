"""Trap 23: SET OF, tags and BER.

The signature is over a SET OF with tag 31 in DER order, while A0 stands on the wire, in any order,
perhaps in BER. What was received is verified, never a new encoding of it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyscep.errors import DecodeError
from pyscep.transaction import Pending, require_success
from tests.helpers import keys, responders
from tests.helpers.message_factory import Envelope, degenerate, reply_to, to_ber
from tests.helpers.tlv import parse


@pytest.mark.conforms("M-05", "M-10", "M-42", "E-22")
@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize("pieces", [None, 5])
def test_a_streamed_reply_is_read(piece: int, pieces: int | None) -> None:
    responder = responders.new_responder()
    exchange = responders.begin(responder)
    envelope = Envelope(
        recipient=exchange._sent.identity.certificate,
        content=to_ber(degenerate([responders.certified(1).certificate.der])),
        pieces=pieces,
    )
    reply = replace(
        reply_to(exchange.message, pki_status="0", content=to_ber(envelope.encode(), piece=piece)),
        signer=responder.authority.signer,
        sorted_on_wire=False,
    )
    require_success(exchange.receive(to_ber(reply.encode(), piece=piece)))


@pytest.mark.conforms("M-10")
def test_ours_are_sorted_and_der() -> None:
    message = responders.begin(responders.new_responder()).message
    signer_info = parse(message).at(1, 0).children[-1].at(0)
    attributes = [each.dump() for each in signer_info.at(3).children]
    assert attributes == sorted(attributes)
    assert parse(message).dump() == message


@pytest.mark.conforms("M-05")
def test_a_byte_behind_the_end_is_refused() -> None:
    exchange = responders.begin(responders.new_responder())
    reply = replace(reply_to(exchange.message), signer=responders.authority().signer).encode()
    assert isinstance(exchange.receive(reply), Pending)
    with pytest.raises(DecodeError):
        exchange.receive(reply + bytes(1))
    assert keys.provider().name
