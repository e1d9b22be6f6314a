"""Responders in memory, a clock that stands still, and clients for them."""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pyscep.begin import pkcs_req
from pyscep.ca import CaCertificates, TrustedCa
from pyscep.capabilities import Algorithms
from pyscep.certificates import Identity
from pyscep.client import Client
from pyscep.exchange import Exchange
from pyscep.extensions import Extension
from pyscep.handlers import ChallengeHandler, Issue, static_challenge
from pyscep.memory_store import MemoryStore
from pyscep.pkcs10 import CertificationRequest, build_csr, self_signed_identity
from pyscep.pki_message import parse_pki_message
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa
from pyscep.testing.key_pool import KeyPool
from pyscep.transaction import Reply
from tests.helpers import keys
from tests.helpers.message_factory import Envelope, reply_to

URL = "http://ca.example/scep"
CHALLENGE = "right"


@functools.cache
def authority() -> EphemeralCa:
    """Return a CA for all tests that change nothing about it."""
    return new_authority()


@functools.cache
def pool() -> KeyPool:
    """Return the keys of CAs that are made for one test."""
    return KeyPool(keys.provider())


def new_authority(**options: Any) -> EphemeralCa:
    """Return a CA that a test may change."""
    key = options.pop("key", keys.rsa(0))
    return EphemeralCa.create(
        now=keys.NOW - timedelta(days=1), key=key, provider=pool().provider(), **options
    )


def new_responder(**changes: Any) -> Responder:
    """Return a responder that issues for :data:`CHALLENGE`, with a store of its own."""
    standard = {
        "authority": authority(),
        "handler": static_challenge(CHALLENGE),
        "store": MemoryStore(),
        "now": lambda: keys.NOW,
        "provider": keys.provider(),
    }
    return Responder(**{**standard, **changes})


def one_time_challenge() -> ChallengeHandler:
    """Return a handler that takes any challenge password, each once."""
    return ChallengeHandler(is_right=lambda _: True, one_time=True)


def trust(responder: Responder) -> TrustedCa:
    """Return what a client knows of the CA, once it has looked at its root."""
    published = responder.authority.published
    return CaCertificates(certificates=published).authenticate(
        anchors=published[-1:], at=keys.NOW, encrypt_with_challenge=True
    )


def client_of(responder: Responder) -> Client:
    """Return a client without a network between."""
    return Client(URL, send=responder.handle, provider=keys.provider())


def csr(
    number: int = 1,
    *,
    subject: str = "CN=sensor-17,O=Example",
    challenge_password: str | None = CHALLENGE,
    bits: int = 2048,
    extra_extensions: tuple[Extension, ...] = (),
) -> CertificationRequest:
    """Return a request for the key of this number."""
    return build_csr(
        subject=subject,
        key=keys.rsa(number, bits=bits),
        challenge_password=challenge_password,
        extra_extensions=extra_extensions,
    )


def self_signed(request: CertificationRequest, number: int = 1, *, bits: int = 2048) -> Identity:
    """Return the self-signed identity for a request of :func:`csr`."""
    return self_signed_identity(
        request, key=keys.rsa(number, bits=bits), not_before=keys.NOW, lifetime=timedelta(days=1)
    )


def certified(number: int = 1, *, by: EphemeralCa | None = None, **options: Any) -> Identity:
    """Return the key of this number with a certificate of the CA."""
    request = csr(number, subject=options.pop("subject", "CN=sensor-17,O=Example"))
    issuer = authority() if by is None else by
    at = options.pop("at", keys.NOW)
    certificate = issuer.issue(request, Issue(**options), at=at)
    return Identity(certificate=certificate, key=keys.rsa(number))


def begin(
    responder: Responder,
    *,
    number: int = 1,
    challenge_password: str | None = CHALLENGE,
    transaction_id: str | None = None,
    algorithms: Algorithms = Algorithms(),
) -> Exchange:
    """Return a PKCSReq that has not been sent yet."""
    request = csr(number, challenge_password=challenge_password)
    return pkcs_req(
        request,
        identity=self_signed(request, number),
        ca=trust(responder),
        transaction_id=transaction_id,
        algorithms=algorithms,
        provider=keys.provider(),
    )


def send(responder: Responder, exchange: Exchange) -> Reply:
    """Give a message to the responder and the answer to the client."""
    return exchange.receive(responder.answer(exchange.message))


def answer(exchange: Exchange, bag: bytes) -> bytes:
    """Return a SUCCESS in perfect order of :func:`authority`, with this content."""
    signer = parse_pki_message(exchange.message).verify_possession(provider=keys.provider()).signer
    envelope = Envelope(recipient=signer, content=bag).encode()
    reply = reply_to(exchange.message, pki_status="0", content=envelope)
    return replace(reply, signer=authority().signer).encode()
