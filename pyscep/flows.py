"""What needs several HTTP exchanges, as generators without I/O.

A flow yields each :class:`~pyscep.http.HttpRequest` and is sent the
:class:`~pyscep.http.HttpResponse`; what it returns is the result. Whoever drives it decides how to
do HTTP: :class:`pyscep.client.Client` with a function, :class:`pyscep.aio.AsyncClient` with a
coroutine, anybody else with :func:`run` or a loop of their own. No flow retries or waits.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from pyscep import begin, http
from pyscep.ca import (
    CaCertificates,
    TrustedCa,
    parse_ca_certificates,
    parse_next_ca_certificates,
)
from pyscep.capabilities import Algorithms, Capabilities, Capability, HttpMethod
from pyscep.certificates import Identity
from pyscep.crypto import CryptoProvider
from pyscep.errors import UsageError
from pyscep.exchange import DEFAULT_RULES, ReplyRules
from pyscep.http import HttpRequest, HttpResponse
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.limits import Limits
from pyscep.messages import MessageType
from pyscep.pkcs10 import CertificationRequest
from pyscep.transaction import CrlSuccess, Failure, Reply, Success, Transaction

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Flow = Generator[HttpRequest, HttpResponse, T]
"""Yields requests, is sent responses, returns a result."""

Transport = Callable[[HttpRequest], HttpResponse]
"""Whatever does HTTP: sends one request, returns the response, raises TransportError."""


class Conversation(Protocol[T_co]):
    """Anything with a message to send and a way to judge the reply, such as an ``Exchange``."""

    @property
    def message(self) -> bytes:
        """The pkiMessage to send."""

    @property
    def transaction(self) -> Transaction:
        """The transaction; its algorithms say which HTTP method to use."""

    def receive(self, octets: bytes) -> T_co:
        """Judge the reply."""


def run(flow: Flow[T], send: Transport) -> T:
    """Drive *flow* with a function that does HTTP, and return its result.

    :raises ScepError: whatever the flow or *send* raises.
    """
    try:
        request = next(flow)
        while True:
            request = flow.send(send(request))
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()


@dataclass(frozen=True, slots=True)
class Flows:
    """Every operation of a client against one server, each as a flow.

    Source: RFC 8894 sections 2.1.1 and 4.
    """

    url: str
    """The server's URL, used as given."""
    ca_identifier: str | None = field(default=None, kw_only=True)
    """Names one of several CAs of the server, where it wants that (T-32)."""
    rules: ReplyRules = field(default=DEFAULT_RULES, kw_only=True)
    """What is read in replies."""
    provider: CryptoProvider | None = field(default=None, kw_only=True, repr=False)
    """The cryptography; the default provider if left out."""

    @property
    def _limits(self) -> Limits:
        return self.rules.limits

    def get_ca_caps(self) -> Flow[Capabilities]:
        """Ask what the server can; an HTTP error or nothing means nothing (C-16).

        :raises UsageError: the URL is not an HTTP URL.

        Source: RFC 8894 section 3.5; C-02, C-16.
        """
        response = yield http.get_ca_caps(self.url, ca_identifier=self.ca_identifier)
        return http.parse_get_ca_caps(response, limits=self._limits)

    def get_ca_cert(self) -> Flow[CaCertificates]:
        """Fetch the CA's certificates; nothing in them is believed yet.

        :raises HttpError: not an answer to GetCACert.
        :raises DecodeError: neither certificate nor PKCS #7.

        Source: RFC 8894 section 4.2; G-01.
        """
        response = yield http.get_ca_cert(self.url, ca_identifier=self.ca_identifier)
        body = http.parse_get_ca_cert(response, limits=self._limits)
        return parse_ca_certificates(body, limits=self._limits)

    def get_next_ca_cert(
        self,
        *,
        current: TrustedCa,
        at: datetime | None,
        capabilities: Capabilities | None = None,
    ) -> Flow[TrustedCa]:
        """Fetch and verify the CA's next certificates.

        :param capabilities: asked for first if left out; the operation has to be announced.
        :raises UsageError: the server does not announce GetNextCACert.
        :raises SignatureInvalid: not signed by the current CA.
        :raises UntrustedCa: see :func:`pyscep.ca.parse_next_ca_certificates`.

        Source: RFC 8894 section 4.7; N-01 to N-05.
        """
        known = capabilities or (yield from self.get_ca_caps())
        if not known.supports(Capability.GET_NEXT_CA_CERT):
            raise UsageError(
                "The server does not announce GetNextCACert; fetch its certificates with "
                "GetCACert when the current one ends.",
                argument="capabilities",
            )
        response = yield http.get_next_ca_cert(self.url, ca_identifier=self.ca_identifier)
        return parse_next_ca_certificates(
            http.parse_get_next_ca_cert(response, limits=self._limits),
            current=current,
            at=at,
            provider=self.provider,
            limits=self._limits,
        )

    def converse(
        self, conversation: Conversation[T], *, method: HttpMethod | None = None
    ) -> Flow[T]:
        """Send one message and judge the reply.

        :param method: overrides what the transaction was begun with.
        :raises HttpError: not a pkiMessage that came back.
        :raises ScepError: what ``conversation.receive`` raises.

        Source: RFC 8894 section 4.1; T-01, T-02.
        """
        chosen = method or conversation.transaction.algorithms.http_method
        response = yield http.pki_operation(self.url, conversation.message, method=chosen)
        return conversation.receive(http.parse_pki_operation(response, limits=self._limits))

    def enrol(
        self,
        csr: CertificationRequest,
        *,
        identity: Identity,
        ca: TrustedCa,
        algorithms: Algorithms | None = None,
    ) -> Flow[Reply]:
        """Ask for a first certificate.

        :param algorithms: if left out, GetCACaps is asked and its safe proposal taken; nothing
            below AES-128 and SHA-256 is ever chosen so.
        :raises DowngradeRefused: the server announces only less; give *algorithms* then.
        :raises ScepError: see :func:`pyscep.begin.pkcs_req` and
            :meth:`pyscep.exchange.Exchange.receive`.

        Source: RFC 8894 sections 2.3 and 4.3; C-02, G-02, W-01.
        """
        chosen = algorithms or (yield from self._propose())
        begun = begin.pkcs_req(
            csr,
            identity=identity,
            ca=ca,
            algorithms=chosen,
            rules=self.rules,
            provider=self.provider,
        )
        return (yield from self.converse(begun))

    def renew(
        self,
        csr: CertificationRequest,
        *,
        identity: Identity,
        ca: TrustedCa,
        message_type: MessageType | None = None,
        algorithms: Algorithms | None = None,
    ) -> Flow[Reply]:
        """Ask for a new certificate with the existing one.

        :param message_type: RENEWAL_REQ, or PKCS_REQ signed with the existing certificate, which
            is what NDES understands by renewal. If left out, GetCACaps is asked: RENEWAL_REQ where
            ``Renewal`` is announced, else PKCS_REQ.
        :raises UsageError: another message_type, or a self-signed identity.
        :raises DowngradeRefused: as in :meth:`enrol`.
        :raises ScepError: see :func:`pyscep.begin.renewal_req` and
            :meth:`pyscep.exchange.Exchange.receive`.

        Source: RFC 8894 sections 2.3 and 2.5; C-12, C-28, W-07, W-12.
        """
        if message_type not in (None, MessageType.RENEWAL_REQ, MessageType.PKCS_REQ):
            raise UsageError(
                "A renewal is a RENEWAL_REQ or a PKCS_REQ; choose one of them.",
                argument="message_type",
            )
        if algorithms is None or message_type is None:
            capabilities = yield from self.get_ca_caps()
            algorithms = algorithms or capabilities.select()
            announced = capabilities.supports(Capability.RENEWAL)
            usual = MessageType.RENEWAL_REQ if announced else MessageType.PKCS_REQ
            message_type = message_type or usual
        is_renewal_req = message_type is MessageType.RENEWAL_REQ
        make = begin.renewal_req if is_renewal_req else begin.pkcs_req
        begun = make(
            csr,
            identity=identity,
            ca=ca,
            algorithms=algorithms,
            rules=self.rules,
            provider=self.provider,
        )
        return (yield from self.converse(begun))

    def poll(
        self,
        transaction: Transaction,
        *,
        identity: Identity,
        ca: TrustedCa,
        challenge_password: str | None = None,
    ) -> Flow[Reply]:
        """Ask once what has become of a pending request.

        :param challenge_password: that of the request, if a key cannot decrypt.
        :raises ScepError: see :func:`pyscep.begin.cert_poll` and
            :meth:`pyscep.exchange.Exchange.receive`.

        Source: RFC 8894 section 4.4; P-01, P-06, E-04.
        """
        begun = begin.cert_poll(
            transaction,
            identity=identity,
            ca=ca,
            challenge_password=challenge_password,
            rules=self.rules,
            provider=self.provider,
        )
        return (yield from self.converse(begun))

    def get_cert(
        self,
        identifier: IssuerAndSerialNumber,
        *,
        identity: Identity,
        ca: TrustedCa,
        algorithms: Algorithms | None = None,
    ) -> Flow[Success | Failure]:
        """Ask for a certificate by its serial number.

        :raises ScepError: see :func:`pyscep.begin.get_cert` and
            :meth:`pyscep.exchange.CertificateQuery.receive`.

        Source: RFC 8894 section 4.5; Q-01.
        """
        chosen = algorithms or (yield from self._propose())
        begun = begin.get_cert(
            identifier,
            identity=identity,
            ca=ca,
            algorithms=chosen,
            rules=self.rules,
            provider=self.provider,
        )
        return (yield from self.converse(begun))

    def get_crl(
        self,
        identifier: IssuerAndSerialNumber,
        *,
        identity: Identity,
        ca: TrustedCa,
        algorithms: Algorithms | None = None,
    ) -> Flow[CrlSuccess | Failure]:
        """Ask for the CRL that covers a certificate.

        :raises ScepError: see :func:`pyscep.begin.get_crl` and
            :meth:`pyscep.exchange.CrlQuery.receive`.

        Source: RFC 8894 section 4.6; Q-01, Q-05.
        """
        chosen = algorithms or (yield from self._propose())
        begun = begin.get_crl(
            identifier,
            identity=identity,
            ca=ca,
            algorithms=chosen,
            rules=self.rules,
            provider=self.provider,
        )
        return (yield from self.converse(begun))

    def _propose(self) -> Flow[Algorithms]:
        capabilities = yield from self.get_ca_caps()
        return capabilities.select()
