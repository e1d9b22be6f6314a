"""The client for programs that block: a thin driver of the flows.

:class:`Client` holds a URL, a way to do HTTP, and the caller's rules. It keeps no state between
calls, never retries, and waits only in :meth:`Client.wait`, with the caller's clock and sleep.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from pyscep.ca import CaCertificates, TrustedCa
from pyscep.capabilities import Algorithms, Capabilities
from pyscep.certificates import Identity
from pyscep.crypto import CryptoProvider
from pyscep.exchange import DEFAULT_RULES, ReplyRules
from pyscep.flows import Conversation, Flow, Flows, Transport, run
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.messages import MessageType
from pyscep.pkcs10 import CertificationRequest
from pyscep.schedule import PollSchedule
from pyscep.secrecy import hides_locals
from pyscep.transaction import CrlSuccess, Failure, Pending, Reply, Success, Transaction

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Client:
    """A SCEP client for one server; safe to share between threads if *send* is.

    Source: RFC 8894 section 2.1.1; T-31.
    """

    url: str
    """The server's URL, used as given."""
    send: Transport = field(kw_only=True)
    """Does HTTP: :class:`pyscep.transport.RequestsTransport`, or any function from
    ``HttpRequest`` to ``HttpResponse``."""
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

    def _run(self, flow: Flow[T]) -> T:
        return run(flow, self.send)

    def get_ca_caps(self) -> Capabilities:
        """Ask what the server can.

        See :meth:`pyscep.flows.Flows.get_ca_caps`.

        Source: RFC 8894 section 3.5; C-02, C-16, C-17.
        """
        return self._run(self._flows.get_ca_caps())

    def get_ca_cert(self) -> CaCertificates:
        """Fetch the CA's certificates; ``authenticate()`` them next.

        See :meth:`pyscep.flows.Flows.get_ca_cert`.

        Source: RFC 8894 section 4.2; G-01.
        """
        return self._run(self._flows.get_ca_cert())

    def get_next_ca_cert(
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
        return self._run(
            self._flows.get_next_ca_cert(current=current, at=at, capabilities=capabilities)
        )

    def enrol(
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
        return self._run(self._flows.enrol(csr, identity=identity, ca=ca, algorithms=algorithms))

    def renew(
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
        return self._run(
            self._flows.renew(
                csr, identity=identity, ca=ca, message_type=message_type, algorithms=algorithms
            )
        )

    def converse(self, conversation: Conversation[T]) -> T:
        """Send one message of :mod:`pyscep.begin`, and judge the reply.

        It is for who has to keep ``conversation.transaction`` before anything is sent, so that the
        answer can be asked for after a crash. See :meth:`pyscep.flows.Flows.converse`.

        Source: RFC 8894 section 4.1; T-01, X-05.
        """
        return self._run(self._flows.converse(conversation))

    @hides_locals
    def poll(
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
        return self._run(
            self._flows.poll(
                transaction, identity=identity, ca=ca, challenge_password=challenge_password
            )
        )

    def get_cert(
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
        return self._run(
            self._flows.get_cert(identifier, identity=identity, ca=ca, algorithms=algorithms)
        )

    def get_crl(
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
        return self._run(
            self._flows.get_crl(identifier, identity=identity, ca=ca, algorithms=algorithms)
        )

    @hides_locals
    def wait(
        self,
        pending: Pending,
        *,
        identity: Identity,
        ca: TrustedCa,
        schedule: PollSchedule,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
        on_attempt: Callable[[Reply], None] | None = None,
        challenge_password: str | None = None,
    ) -> Reply:
        """Poll until the CA has decided or *schedule* gives up; errors end it at once.

        :param now: the caller's clock, returning a datetime with time zone.
        :param sleep: waits that many seconds.
        :param on_attempt: told each reply; saving ``transaction.to_json()`` there survives a
            restart.
        :param challenge_password: that of the request, if a key cannot decrypt.
        :returns: Success or Failure, or the last Pending when the schedule has given up.

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
                sleep(delay)
            reply = self.poll(
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
