"""Trap 20: a retransmission meets a one-time challenge.

A client that lost the reply sends the same bytes again: it gets the same certificate, and the
challenge, used up by then, is not asked for a second time.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pyscep.handlers import ChallengeHandler
from pyscep.messages import FailInfo
from pyscep.transaction import Failure, require_success
from tests.helpers import responders


class Once:
    """A challenge that is right one single time."""

    def __init__(self) -> None:
        self.asked = 0

    def is_right(self, challenge: str) -> bool:
        self.asked += 1
        return self.asked == 1 and challenge == responders.CHALLENGE


@pytest.mark.conforms("X-07", "X-08", "H-11", "S-09")
def test_the_same_again_is_the_same_and_another_is_refused() -> None:
    once = Once()
    responder = responders.new_responder(handler=ChallengeHandler(is_right=once.is_right))
    first = responders.begin(responder, transaction_id="ONE")
    certificate = require_success(responders.send(responder, first)).certificate
    other = responders.send(responder, responders.begin(responder, number=3, transaction_id="ONE"))
    assert isinstance(other, Failure)
    assert other.fail_info is FailInfo.BAD_REQUEST
    assert require_success(responders.send(responder, first)).certificate == certificate
    assert once.asked == 1
    fresh = responders.send(responder, responders.begin(responder, number=3))
    assert isinstance(fresh, Failure)


@pytest.mark.conforms("X-16", "H-11")
def test_two_at_once_are_one() -> None:
    handler = ChallengeHandler(is_right=lambda text: text == responders.CHALLENGE, one_time=True)
    responder = responders.new_responder(handler=handler)
    exchange = responders.begin(responder)
    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda _: responders.send(responder, exchange), range(2)))
    assert len({require_success(reply).certificate for reply in replies}) == 1
    assert isinstance(responders.send(responder, responders.begin(responder)), Failure)
