"""A responder and a server that are right until they are told otherwise."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Union

from pyscep.algorithms import ContentEncryptionAlgorithm
from pyscep.http import HttpRequest, HttpResponse, Operation
from pyscep.http_server import operation_of
from pyscep.messages import CertRep
from pyscep.pki_message import VerifiedMessage
from pyscep.responder import Responder
from pyscep.testing.draft import Draft, draft_of
from pyscep.testing.effects import (
    Context,
    Effect,
    OnCaCertificates,
    OnCapabilities,
    OnDraft,
    OnReply,
    OnResponse,
    OnWire,
    Stage,
)
from pyscep.testing.ephemeral_ca import EphemeralCa
from pyscep.testing.faults import Fault
from pyscep.testing.server import ScepServer, Wire

Habit = Callable[[Draft, Context], Draft]
"""What a server does to each of its replies."""
AnyFault = Union[Fault, Effect]
"""A named fault, or one of a test's own making."""


@dataclass(slots=True, kw_only=True, eq=False)
class Misbehaviour:
    """A responder with faults: :meth:`handle` answers as wrongly as it is told to.

    Source: T-24, T-25.
    """

    responder: Responder
    """The right one."""
    faults: tuple[AnyFault, ...] = ()
    """What is switched on."""
    stranger: EphemeralCa | None = field(default=None, repr=False)
    """A CA of the same name, made when it is first needed."""
    habits: tuple[Habit, ...] = ()
    """What is done to every reply before any fault; see :mod:`pyscep.testing.profiles`."""
    _replies: Iterator[int] = field(default_factory=itertools.count, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def misbehave(self, *faults: AnyFault) -> None:
        """Switch these faults on, and all others off."""
        self.faults = faults
        self._replies = itertools.count()

    def wire_of(self, request: HttpRequest) -> Wire | None:
        """Return the fault of the connection for the answer to a PKIOperation, if one is on."""
        if operation_of(request) not in (None, Operation.PKI_OPERATION):
            return None
        return next((e.wire for e in self._effects() if isinstance(e, OnWire)), None)

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one HTTP request, with everything that is switched on."""
        response = replace(self.responder, encoder=self._encode).handle(request)
        for effect in self._effects():
            match operation_of(request), effect:
                case Operation.GET_CA_CAPS, OnCapabilities():
                    response = effect.apply(response)
                case Operation.GET_CA_CERT, OnCaCertificates():
                    response = effect.apply(response, self._stranger())
                case ((None | Operation.PKI_OPERATION), OnResponse()):
                    response = effect.apply(response)
                case _:
                    pass
        return response

    def _effects(self) -> list[Effect]:
        return [each.effect if isinstance(each, Fault) else each for each in self.faults]

    def _encode(
        self,
        responder: Responder,
        request: VerifiedMessage,
        reply: CertRep,
        cipher: ContentEncryptionAlgorithm,
    ) -> bytes:
        before = next(self._replies)
        for decided in self._effects():
            if isinstance(decided, OnReply):
                reply = decided.apply(reply, before)
        draft = draft_of(responder, request, reply, cipher)
        for habit in self.habits:
            draft = habit(draft, Context(responder=responder, request=request))
        stage = Stage(responder=responder, request=request, make_stranger=self._stranger)
        for effect in self._effects():
            if isinstance(effect, OnDraft):
                draft = effect.apply(draft, stage)
        return draft.encode()

    def _stranger(self) -> EphemeralCa:
        with self._lock:
            if self.stranger is None:
                self.stranger = EphemeralCa.create(
                    subject=self.responder.authority.issuer.subject,
                    now=self.responder.now() - timedelta(days=1),
                    provider=self.responder.provider,
                )
            return self.stranger


class MisbehavingServer(ScepServer):
    """A :class:`~pyscep.testing.server.ScepServer` that is right until told otherwise.

    ::

        with MisbehavingServer(responder) as server:
            server.misbehave(Fault.WRONG_RECIPIENT_NONCE)

    Source: T-24, T-25.
    """

    def __init__(self, responder: Responder, *, path: str = "/scep", port: int = 0) -> None:
        """Bind the port; nothing is answered before :meth:`start`."""
        self.misbehaviour = Misbehaviour(responder=responder)
        super().__init__(
            self.misbehaviour.handle,
            path=path,
            port=port,
            limits=responder.limits,
            wire=self.misbehaviour.wire_of,
        )

    @property
    def responder(self) -> Responder:
        """The right responder."""
        return self.misbehaviour.responder

    def misbehave(self, *faults: AnyFault) -> None:
        """Switch these faults on, and all others off."""
        self.misbehaviour.misbehave(*faults)

    def reset(self) -> None:
        """Be right again, and forget the log and the errors."""
        super().reset()
        self.misbehave()
