"""CAs and clients with RSA or EC keys, for what depends on who can decrypt."""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import Any

from pyscep.certificates import Identity
from pyscep.handlers import ApprovalHandler, Issue, RequestHandler, static_challenge
from pyscep.keys import PrivateKey
from pyscep.pkcs10 import CertificationRequest, build_csr, self_signed_identity
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa
from tests.helpers import keys, responders

CHALLENGE = "a challenge that nobody guesses"
KINDS = ("RSA", "EC")


def key(kind: str, number: int = 1) -> PrivateKey:
    """Return a key of this kind."""
    return keys.rsa(number) if kind == "RSA" else keys.ec(number)


@functools.cache
def authority(kind: str) -> EphemeralCa:
    """Return a CA whose only key is of this kind."""
    return responders.new_authority(key=key(kind, 0))


def new_responder(kind: str, *, handler: RequestHandler | None = None, **changes: Any) -> Responder:
    """Return a responder for :data:`CHALLENGE`, which it tries on what it cannot decrypt."""
    standard = {"challenge_passwords": lambda _: ["another one", CHALLENGE]}
    return responders.new_responder(
        authority=authority(kind),
        handler=handler or static_challenge(CHALLENGE),
        **{**standard, **changes},
    )


def waiting() -> ApprovalHandler:
    """Return a handler that lets everybody with :data:`CHALLENGE` wait."""
    return ApprovalHandler(handler=static_challenge(CHALLENGE))


def csr(
    kind: str, number: int = 1, *, challenge_password: str | None = CHALLENGE
) -> CertificationRequest:
    """Return a request for a key of this kind."""
    return build_csr(
        subject="CN=sensor-17,O=Example",
        key=key(kind, number),
        challenge_password=challenge_password,
    )


def self_signed(kind: str, number: int = 1) -> Identity:
    """Return the self-signed identity of a key of this kind."""
    return self_signed_identity(
        csr(kind, number),
        key=key(kind, number),
        not_before=keys.NOW,
        lifetime=timedelta(days=1),
    )


def certified(kind: str, *, by: str, number: int = 1) -> Identity:
    """Return a key of this kind with a certificate of the CA of that kind."""
    certificate = authority(by).issue(csr(kind, number), Issue(), at=keys.NOW)
    return Identity(certificate=certificate, key=key(kind, number))
