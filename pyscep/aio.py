"""The client for asyncio: the same flows, driven by a coroutine that does HTTP.

Any ``async`` function from :class:`~pyscep.http.HttpRequest` to
:class:`~pyscep.http.HttpResponse` will do. Cryptography takes about a millisecond per message and
runs in the event loop, unless the key has ``blocking = True``, because it waits for a token: then
each step of the flow runs in a thread.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from pyscep.ca import CaCertificates, TrustedCa
from pyscep.capabilities import Algorithms, Capabilities
from pyscep.certificates import Identity
from pyscep.crypto import CryptoProvider
from pyscep.exchange import DEFAULT_RULES, ReplyRules
from pyscep.flows import Conversation, Flow, Flows
from pyscep.http import HttpRequest, HttpResponse
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.keys import is_blocking
from pyscep.messages import MessageType
from pyscep.pkcs10 import CertificationRequest
from pyscep.schedule import PollSchedule
from pyscep.secrecy import hides_locals
from pyscep.transaction import CrlSuccess, Failure, Pending, Reply, Success, Transaction

T = TypeVar("T")

AsyncTransport = Callable[[HttpRequest], Awaitable[HttpResponse]]
"""Whatever does HTTP: sends one request, returns the response, raises TransportError."""


async def run(flow: Flow[T], send: AsyncTransport, *, blocking: bool = False) -> T:
    """Drive *flow* with a coroutine that does HTTP, and return its result.

    Cancelled while a thread is in a step, it ends at once, and the flow when the step has ended: a
    thread cannot be stopped.

    :param blocking: whether each step runs in a thread, because a key in it is slow.
    :raises ScepError: whatever the flow or *send* raises.
    """
    result: list[T] = []
    response: HttpResponse | None = None
    in_thread: asyncio.Future[HttpRequest | None] | None = None

    def step() -> HttpRequest | None:
        # StopIteration cannot pass through a future, so the end is turned into a value here.
        try:
            return next(flow) if response is None else flow.send(response)
        except StopIteration as end:
            result.append(end.value)
            return None

    try:
        while True:
            if blocking:
                in_thread = _start_in_thread(step)
                request = await asyncio.shield(in_thread)
            else:
                request = step()
            if request is None:
                return result[0]
            response = await send(request)
    finally:
        if in_thread is None or in_thread.done():
            flow.close()
        else:
            in_thread.add_done_callback(lambda step: _end_late(step, flow))


def _start_in_thread(step: Callable[[], T]) -> asyncio.Future[T]:
    # Not asyncio.to_thread: that makes a task, which may be cancelled while the thread goes on.
    context = contextvars.copy_context()
    return asyncio.get_running_loop().run_in_executor(None, lambda: context.run(step))


def _end_late(step: asyncio.Future[Any], flow: Flow[Any]) -> None:
    step.exception()  # whoever wanted to know has gone
    flow.close()


@dataclass(frozen=True, slots=True)
class AsyncClient:
    """A SCEP client for one server; see :class:`pyscep.client.Client`, of which it is the twin.

    Source: RFC 8894 section 2.1.1; T-31.
    """

    url: str
    """The server's URL, used as given."""
    send: AsyncTransport = field(kw_only=True)
    """Does HTTP."""
    ca_identifier: str | None = field(default=None, kw_only=True)
    """Names one of several CAs of the server, where it wants that (T-32)."""
    rules: ReplyRules = field(default=DEFAULT_RULES, kw_only=True)
    """What is read in replies."""
    provider: CryptoProvider | None = field(default=None, kw_only=True, repr=False)
    """The cryptography; the default provider if left out."""

    @property
    def _flows(self) -> Flows:
        return Flows(
            self.url,
            ca_identifier=self.ca_identifier,
            rules=self.rules,
            provider=self.provider,
        )

    async def _run(self, flow: Flow[T], identity: Identity | None = None) -> T:
        blocking = identity is not None and is_blocking(identity.key)
        return await run(flow, self.send, blocking=blocking)

    async def get_ca_caps(self) -> Capabilities:
        """Ask what the server can.

        See :meth:`pyscep.flows.Flows.get_ca_caps`.

        Source: RFC 8894 section 3.5; C-02, C-16, C-17.
        """
        return await self._run(self._flows.get_ca_caps())

    async def get_ca_cert(self) -> CaCertificates:
        """Fetch the CA's certificates; ``authenticate()`` them next.

        See :meth:`pyscep.flows.Flows.get_ca_cert`.

        Source: RFC 8894 section 4.2; G-01.
        """
        return await self._run(self._flows.get_ca_cert())

    async def get_next_ca_cert(
        self,
        *,
        current: TrustedCa,
        at: datetime | None,
        capabilities: Capabilities | None = None,
    ) -> TrustedCa:
        """Fetch the CA's next certificates and verify them with the current ones.

        See :meth:`pyscep.flows.Flows.get_next_ca_cert`.

        Source: RFC 8894 section 4.7; N-01 to N-05.
        """
        return await self._run(
            self._flows.get_next_ca_cert(current=current, at=at, capabilities=capabilities)
        )

    async def enrol(
        self,
        csr: CertificationRequest,
        *,
        identity: Identity,
        ca: TrustedCa,
        algorithms: Algorithms | None = None,
    ) -> Reply:
        """Ask for a first certificate.

        See :meth:`pyscep.flows.Flows.enrol`.

        Source: RFC 8894 section 4.3; W-01.
        """
        return await self._run(
            self._flows.enrol(csr, identity=identity, ca=ca, algorithms=algorithms), identity
        )

    async def renew(
        self,
        csr: CertificationRequest,
        *,
        identity: Identity,
        ca: TrustedCa,
        message_type: MessageType | None = None,
        algorithms: Algorithms | None = None,
    ) -> Reply:
        """Ask for a new certificate with the existing one.

        See :meth:`pyscep.flows.Flows.renew`.

        Source: RFC 8894 section 2.5; C-28, W-07, W-12.
        """
        return await self._run(
            self._flows.renew(
                csr, identity=identity, ca=ca, message_type=message_type, algorithms=algorithms
            ),
            identity,
        )

    async def converse(
        self, conversation: Conversation[T], *, identity: Identity | None = None
    ) -> T:
        """Send one message of :mod:`pyscep.begin`, and judge the reply.

        See :meth:`pyscep.client.Client.converse`.

        :param identity: whose key opens the reply; one that blocks is waited for in a thread.

        Source: RFC 8894 section 4.1; T-01, X-05.
        """
        return await self._run(self._flows.converse(conversation), identity)

    @hides_locals
    async def poll(
        self,
        transaction: Transaction,
        *,
        identity: Identity,
        ca: TrustedCa,
        challenge_password: str | None = None,
    ) -> Reply:
        """Ask once what has become of a pending request.

        See :meth:`pyscep.flows.Flows.poll`.

        Source: RFC 8894 section 4.4; P-01.
        """
        return await self._run(
            self._flows.poll(
                transaction, identity=identity, ca=ca, challenge_password=challenge_password
            ),
            identity,
        )

    async def get_cert(
        self,
        identifier: IssuerAndSerialNumber,
        *,
        identity: Identity,
        ca: TrustedCa,
        algorithms: Algorithms | None = None,
    ) -> Success | Failure:
        """Ask for a certificate by its serial number.

        See :meth:`pyscep.flows.Flows.get_cert`.

        Source: RFC 8894 section 4.5; Q-01.
        """
        return await self._run(
            self._flows.get_cert(identifier, identity=identity, ca=ca, algorithms=algorithms),
            identity,
        )

    async def get_crl(
        self,
        identifier: IssuerAndSerialNumber,
        *,
        identity: Identity,
        ca: TrustedCa,
        algorithms: Algorithms | None = None,
    ) -> CrlSuccess | Failure:
        """Ask for the CRL that covers a certificate.

        See :meth:`pyscep.flows.Flows.get_crl`.

        Source: RFC 8894 section 4.6; Q-01, Q-05.
        """
        return await self._run(
            self._flows.get_crl(identifier, identity=identity, ca=ca, algorithms=algorithms),
            identity,
        )

    @hides_locals
    async def wait(
        self,
        pending: Pending,
        *,
        identity: Identity,
        ca: TrustedCa,
        schedule: PollSchedule,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_attempt: Callable[[Reply], None] | None = None,
        challenge_password: str | None = None,
    ) -> Reply:
        """Poll until the CA has decided or *schedule* gives up; errors end it at once.

        See :meth:`pyscep.client.Client.wait`.

        Source: RFC 8894 section 2.5; P-09, P-11, X-02.
        """
        # Resumed after a restart, the next poll is one interval away: nobody knows the last one.
        started = last_poll = moment = now()
        while True:
            due = schedule.next_poll(
                started=started,
                polls_done=pending.transaction.polls,
                last_poll=last_poll,
                now=moment,
            )
            if due is None:
                return pending
            delay = (due - moment).total_seconds()
            if delay > 0:
                await sleep(delay)
            reply = await self.poll(
                pending.transaction,
                identity=identity,
                ca=ca,
                challenge_password=challenge_password,
            )
            if on_attempt is not None:
                on_attempt(reply)
            if not isinstance(reply, Pending):
                return reply
            pending, last_poll = reply, (moment := now())
