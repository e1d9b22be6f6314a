"""What faults are made of: effects, each at its stage, and the changes that they make.

A test may make effects of its own, and switch them on beside the named ones of
:class:`pyscep.testing.faults.Fault`::

    server.misbehave(OnDraft("no certificates", lambda draft, stage: replace(draft, enclosed=())))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Union

from pyscep.http import HttpResponse
from pyscep.messages import CertRep, PkiStatus
from pyscep.pki_message import VerifiedMessage
from pyscep.responder import Responder
from pyscep.testing.draft import Draft
from pyscep.testing.ephemeral_ca import EphemeralCa
from pyscep.testing.server import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is at hand besides a draft that is changed."""

    responder: Responder
    """The responder, which is right."""
    request: VerifiedMessage
    """The request that is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Context):
    """What a fault has at hand besides the draft that it changes."""

    make_stranger: Callable[[], EphemeralCa]
    """Returns :attr:`stranger`; its key takes a moment to make, so only who needs it asks."""

    @property
    def stranger(self) -> EphemeralCa:
        """Another CA of the same name, which nobody trusts."""
        return self.make_stranger()


@dataclass(frozen=True, slots=True)
class OnDraft:
    """A fault that changes the parts of a reply."""

    explanation: str
    """What the server does, in a few words."""
    apply: Callable[[Draft, Stage], Draft]


@dataclass(frozen=True, slots=True)
class OnReply:
    """A fault that changes what the server decides."""

    explanation: str
    """What the server does, in a few words."""
    apply: Callable[[CertRep, int], CertRep]
    """Gets the right reply and how many replies have been changed before."""


@dataclass(frozen=True, slots=True)
class OnResponse:
    """A fault that changes the HTTP response to a PKIOperation."""

    explanation: str
    """What the server does, in a few words."""
    apply: Callable[[HttpResponse], HttpResponse]


@dataclass(frozen=True, slots=True)
class OnCapabilities:
    """A fault that changes the HTTP response to GetCACaps."""

    explanation: str
    """What the server does, in a few words."""
    apply: Callable[[HttpResponse], HttpResponse]


@dataclass(frozen=True, slots=True)
class OnCaCertificates:
    """A fault that changes the HTTP response to GetCACert."""

    explanation: str
    """What the server does, in a few words."""
    apply: Callable[[HttpResponse, EphemeralCa], HttpResponse]
    """Gets the right response, and a CA of the same name that nobody trusts."""


@dataclass(frozen=True, slots=True)
class OnWire:
    """A fault of the connection; it needs a real server."""

    explanation: str
    """What the server does, in a few words."""
    wire: Wire


Effect = Union[OnDraft, OnReply, OnResponse, OnCapabilities, OnCaCertificates, OnWire]


def pending(times: int | None) -> OnReply:
    """Return the effect that answers PENDING so many times, then as it should be.

    :param times: ``None`` for ever.
    """

    def apply(reply: CertRep, before: int) -> CertRep:
        if times is not None and before >= times:
            return reply
        return CertRep(pki_status=PkiStatus.PENDING)

    how_often = "whatever happens" if times is None else f"for {times} messages, then the answer"
    return OnReply(f"PENDING {how_often}", apply)
