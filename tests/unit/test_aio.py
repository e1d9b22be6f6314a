"""pyscep.aio.run with keys that block: threads, errors and cancellation."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from dataclasses import dataclass, field

import pytest

from pyscep import aio
from pyscep.errors import KeyCapabilityError
from pyscep.flows import Flow
from pyscep.http import HttpRequest, HttpResponse

REQUEST = HttpRequest(method="GET", url="http://ca.example/scep")
RESPONSE = HttpResponse(status=200)
CALLER = ContextVar("CALLER", default="nobody")


async def send(_: HttpRequest) -> HttpResponse:
    return RESPONSE


@dataclass
class SlowKey:
    """A flow whose first step waits for a token, until the test lets it go on."""

    error: Exception | None = None
    started: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)

    def flow(self) -> Flow[None]:
        try:
            self.started.set()
            self.released.wait()
            if self.error is not None:
                raise self.error
            yield REQUEST
        finally:
            self.closed.set()


def test_steps_run_in_a_thread_and_in_the_context_of_the_caller() -> None:
    def flow() -> Flow[tuple[str, bool]]:
        yield REQUEST
        return CALLER.get(), threading.current_thread() is threading.main_thread()

    async def main() -> tuple[str, bool]:
        CALLER.set("somebody")
        return await aio.run(flow(), send, blocking=True)

    assert asyncio.run(main()) == ("somebody", False)


def test_error_of_a_step_in_a_thread_comes_out() -> None:
    def flow() -> Flow[None]:
        yield REQUEST
        raise KeyCapabilityError("The token was pulled out.", argument="key")

    with pytest.raises(KeyCapabilityError, match="pulled out"):
        asyncio.run(aio.run(flow(), send, blocking=True))


@pytest.mark.parametrize("error", [None, KeyCapabilityError("The token was pulled out.")])
def test_cancelled_while_a_thread_waits_for_the_key(error: Exception | None) -> None:
    slow = SlowKey(error)

    async def main() -> None:
        task = asyncio.ensure_future(aio.run(slow.flow(), send, blocking=True))
        await asyncio.to_thread(slow.started.wait)
        task.cancel()
        try:
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not slow.closed.is_set()
        finally:
            slow.released.set()
        await asyncio.to_thread(slow.closed.wait)

    asyncio.run(main())
    assert slow.closed.is_set()


def test_cancelled_while_it_waits_for_the_server() -> None:
    slow = SlowKey()
    slow.released.set()

    async def main() -> None:
        asked = asyncio.Event()

        async def never(_: HttpRequest) -> HttpResponse:
            asked.set()
            await asyncio.Event().wait()
            return RESPONSE

        task = asyncio.ensure_future(aio.run(slow.flow(), never, blocking=True))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert slow.closed.is_set()

    asyncio.run(main())
