"""Policy of a responder: who gets a certificate.

A :class:`RequestHandler` sees one request at a time and answers :class:`Issue`, :class:`Defer` or
:class:`Refuse`. It is asked after everything that SCEP itself demands has been checked.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Protocol, Union

from pyscep.certificates import Certificate
from pyscep.extensions import Extension
from pyscep.messages import FailInfo, MessageType
from pyscep.names import Name
from pyscep.pkcs10 import CertificationRequest


class SignerTrust(Enum):
    """What the certificate that signed a request is worth (S-03, R-06)."""

    SELF_SIGNED = "self-signed"
    """It shows possession of a key and nothing else."""
    TRUSTED = "trusted"
    """Issued by this CA, valid now, not revoked."""
    OUTDATED = "outdated"
    """Issued by this CA, but expired or not valid yet."""
    REVOKED = "revoked"
    """Issued by this CA and revoked."""
    FOREIGN = "foreign"
    """Not issued by this CA, whatever names it bears."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentRequest:
    """A PKCSReq or RenewalReq that passed every check of the protocol."""

    message_type: MessageType
    """PKCS_REQ or RENEWAL_REQ; a RENEWAL_REQ is always signed by a trusted certificate."""
    transaction_id: str
    """The client's name for the transaction."""
    csr: CertificationRequest
    """What is asked for; possession of its key has been shown."""
    signer: Certificate
    """The certificate that signed the message; holding its key has been shown."""
    trust: SignerTrust
    """What that certificate is worth."""

    @property
    def challenge_password(self) -> str | None:
        """The shared secret, if the client sent one."""
        return self.csr.challenge_password

    @property
    def is_by_requester(self) -> bool:
        """Whether the signer holds the key that is asked for, or had a certificate of this CA.

        Everybody else may be sending on what they recorded: they can make a certificate that looks
        like another CA's, but could not read the challenge password that came along (R-05).
        """
        known = self.trust in (SignerTrust.TRUSTED, SignerTrust.OUTDATED)
        return known or self.csr.public_key == self.signer.public_key


class Observer(Protocol):
    """Is told what became of an :class:`Issue`, and has a veto over the delivery.

    Source: V-08.
    """

    def issued(self, certificate: Certificate) -> None:
        """Hear of a certificate that is recorded but not delivered yet.

        :raises ScepError: it must not be delivered now. The same request sent again is decided
            again, and the same certificate told of again.
        """

    def failed(self, reason: str) -> None:
        """Hear that the CA could not issue it; what this raises changes nothing about that.

        :param reason: the text of a ScepError, or the name of another error's class.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Give the client a certificate; what is left out is taken from the request."""

    subject: Name | None = None
    """Another subject than the requested one."""
    extensions: tuple[Extension, ...] | None = None
    """Other extensions than the requested ones."""
    lifetime: timedelta | None = None
    """Another lifetime than the CA's usual one."""
    consumes: bytes | None = field(default=None, repr=False)
    """A value that is used up by this, in one step with issuing: no other transaction is ever
    issued or deferred for it (H-11)."""
    observer: Observer | None = None
    """Told of the certificate before the client gets it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defer:
    """Let the client wait until somebody decides (PENDING)."""

    consumes: bytes | None = field(default=None, repr=False)
    """See :attr:`Issue.consumes`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Refuse (FAILURE); the same client may try again in a new transaction."""

    fail_info: FailInfo = FailInfo.BAD_REQUEST
    """The reason on the wire."""
    fail_info_text: str | None = None
    """The reason for people; it must not say how close a challenge was (A-16)."""


Decision = Union[Issue, Defer, Refuse]
"""What a handler can say about a request."""


class RequestHandler(Protocol):
    """Decides about requests that have no answer yet (X-07).

    The same request may be asked about twice, by two threads or after a restart; what is issued
    and consumed for it happens once all the same.
    """

    def decide(self, request: EnrolmentRequest) -> Decision:
        """Say what to do about *request*; may take its time, as nothing waits for it.

        :raises ProtocolError: somebody who was asked did not answer as agreed; the client gets a
            FAILURE.
        :raises TransportError: somebody could not be asked; the client gets a FAILURE.
        :raises StoreError: there is no way to say anything now; the client gets an HTTP error.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeHandler:
    """Issue to whoever knows the challenge password, and to holders of a valid certificate.

    Source: RFC 8894 section 2.4; H-02 to H-05, H-10, H-11, R-17, W-13, W-14.
    """

    is_right: Callable[[str], bool] = field(repr=False)
    """Whether a challenge password is right; has to compare in constant time, and exactly: a second
    spelling of a password for one use would be a second use."""
    renewal_needs_challenge: bool = False
    """Whether a valid certificate alone is not enough."""
    renewal_may_change_subject: bool = False
    """Whether a renewal may ask for another subject than that of the old certificate, or for
    alternative names that it does not have."""
    one_time: bool = False
    """Whether a challenge password is used up by the request that it was right for."""

    def decide(self, request: EnrolmentRequest) -> Decision:
        """See :meth:`RequestHandler.decide`."""
        renewal = request.trust is SignerTrust.TRUSTED and not self.renewal_needs_challenge
        if renewal and (self.renewal_may_change_subject or _keeps_names(request)):
            # The original challenge may come along (H-02): it is not looked at, nor used up again.
            return Issue()
        challenge = request.challenge_password if request.is_by_requester else None
        if challenge is None or not self.is_right(challenge):
            text = "A renewal has to keep its names." if renewal else None
            return Refuse(fail_info_text=text)
        if not self.one_time:
            return Issue()
        return Issue(consumes=hashlib.sha256(challenge.encode("utf-8", "surrogatepass")).digest())


def _keeps_names(request: EnrolmentRequest) -> bool:
    """Whether nothing is asked for that the old certificate does not say already (R-17)."""
    csr, signer = request.csr, request.signer
    names = set(csr.subject_alt_names)
    return csr.subject == signer.subject and names.issubset(signer.subject_alt_names)


def static_challenge(
    challenge_password: str, *, renewal_needs_challenge: bool = False
) -> ChallengeHandler:
    """Return a handler with one challenge password for everybody.

    Source: RFC 8894 section 2.4; H-05, H-10.
    """
    expected = challenge_password.encode("utf-8")

    def is_right(challenge: str) -> bool:
        return hmac.compare_digest(challenge.encode("utf-8", "surrogatepass"), expected)

    return ChallengeHandler(is_right=is_right, renewal_needs_challenge=renewal_needs_challenge)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalHandler:
    """Let everything wait for a person, but what *handler* refuses at once.

    Source: RFC 8894 section 2.4; A-14, X-15.
    """

    handler: RequestHandler | None = None
    """Asked first, if there is one; what it would issue, waits. Without one, everybody who reaches
    the server can add to what waits, until nobody else may
    (:attr:`pyscep.responder.Responder.maximum_pending`)."""

    def decide(self, request: EnrolmentRequest) -> Decision:
        """See :meth:`RequestHandler.decide`."""
        decision = Issue() if self.handler is None else self.handler.decide(request)
        return Defer(consumes=decision.consumes) if isinstance(decision, Issue) else decision
