"""Planted secrets come out nowhere: no repr, text, JSON, log record, pickle or error has them."""

from __future__ import annotations

import base64
import contextlib
import functools
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator

import pytest

from pyscep import der
from pyscep.capabilities import Algorithms
from pyscep.client import Client
from pyscep.crypto.key_files import KeyEncoding, KeyFormat
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.errors import ScepError, TransportError, UsageError
from pyscep.exchange import Exchange, cert_poll, pkcs_req
from pyscep.handlers import ApprovalHandler, static_challenge
from pyscep.http import HttpRequest, HttpResponse
from pyscep.limits import Limits
from pyscep.pkcs10 import CertificationRequest, build_csr, parse_csr
from pyscep.pki_message import parse_pki_message
from pyscep.responder import Responder
from pyscep.transaction import Pending, Reply
from tests.helpers import keys, responders

CHALLENGE = "Planted-Challenge-4711"
PASSWORD = "Planted-Password-4711"
PROVIDER = OscryptoProvider()


@functools.cache
def planted() -> frozenset[bytes]:
    """Return the secrets, and the spellings in which they could come out."""
    plain = PROVIDER.dump_private_key(keys.rsa(1), encoding=KeyEncoding.DER, format=KeyFormat.PKCS1)
    fields = der.Reader(plain).enter()
    # RSAPrivateKey ::= SEQUENCE { version, modulus, publicExponent, privateExponent, prime1, …
    prime = [fields.read_contents(der.INTEGER) for _ in range(5)][4].lstrip(b"\0")
    octets = (CHALLENGE.encode(), PASSWORD.encode(), prime)
    return frozenset(
        (
            *octets,
            *(each.hex().encode() for each in octets),
            *(repr(each)[2:-1].encode() for each in octets),
            *(base64.b64encode(each[: len(each) // 3 * 3]) for each in octets),
            str(int.from_bytes(prime, "big")).encode(),
        )
    )


def found_in(thing: object) -> set[bytes]:
    """Return which of the secrets a text or some bytes have."""
    octets = thing if isinstance(thing, bytes) else str(thing).encode("utf-8", "backslashreplace")
    return {secret for secret in planted() if secret in octets}


def check_value(value: object, *, pickled: bool = True) -> None:
    assert not found_in(repr(value)), type(value)
    assert not found_in(str(value)), type(value)
    if pickled:
        assert not found_in(pickle.dumps(value)), type(value)


def check_error(error: BaseException) -> None:
    for one in (error, error.__cause__, error.__context__):
        if one is not None:
            assert not found_in(repr(one))
            assert not found_in(repr(vars(one)))
            assert not found_in(repr(one.args))
    assert not found_in("".join(traceback.format_exception(error)))
    assert not found_in(pickle.dumps(error))


@contextlib.contextmanager
def nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG):
        yield
    assert not found_in(caplog.text)
    assert not any(found_in(repr(vars(record))) for record in caplog.records)


def csr() -> CertificationRequest:
    return responders.csr(1, challenge_password=CHALLENGE)


def enrol(responder: Responder) -> tuple[Exchange, Reply]:
    asked = csr()
    exchange = pkcs_req(
        asked, identity=responders.self_signed(asked), ca=responders.trust(responder)
    )
    return exchange, responders.send(responder, exchange)


def test_what_is_planted_would_be_found() -> None:
    assert found_in(csr().der)
    assert found_in(repr(csr().der))
    assert found_in(csr().der.hex())
    plain = PROVIDER.dump_private_key(keys.rsa(1), encoding=KeyEncoding.DER, format=KeyFormat.PKCS1)
    assert found_in(plain)
    with pytest.raises(AssertionError):
        check_error(UsageError(f"The challenge {CHALLENGE} is wrong."))


@pytest.mark.conforms("S-24", "H-10")
def test_values(caplog: pytest.LogCaptureFixture) -> None:
    with nothing_in_the_log(caplog):
        responder = responders.new_responder(handler=ApprovalHandler())
        exchange, reply = enrol(responder)
        assert isinstance(reply, Pending)
        assert not found_in(reply.transaction.to_json())
        (record,) = responder.store.pending()
        responder.approve(reply.transaction.transaction_id)
        polling = cert_poll(
            reply.transaction,
            identity=exchange._sent.identity,
            ca=responders.trust(responder),
        )
        issued = responders.send(responder, polling)
    request = parse_pki_message(exchange.message)
    verified = request.verify_possession()
    opened = verified.decrypt(responder.authority.recipients)
    assert found_in(opened.octets)
    for value in (reply, issued, request, verified, exchange.transaction):
        check_value(value)
    for secretive in (
        csr(),
        parse_csr(csr().der),
        exchange,
        exchange._sent,
        exchange._sent.identity,
        exchange._sent.identity.key,
        opened,
        record,
        responder,
        responder.handler,
        static_challenge(CHALLENGE),
        responders.client_of(responder),
    ):
        check_value(secretive, pickled=False)
    for secret in (csr(), keys.rsa(1)):
        with pytest.raises(UsageError) as caught:
            pickle.dumps(secret)
        check_error(caught.value)


def offline(request: HttpRequest) -> HttpResponse:
    raise TransportError("Nothing answers.", url=request.address)


def broken(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=500, body=b"<html>" + request.body)


FAULTS: dict[str, Callable[[], object]] = {
    "a challenge that cannot be encoded": lambda: build_csr(
        subject="CN=a", key=keys.rsa(1), challenge_password=f"{CHALLENGE}\ud800"
    ),
    "a request that was cut": lambda: parse_csr(csr().der[:-1]),
    "a request that is too large": lambda: parse_csr(csr().der, limits=Limits(message_size=9)),
    "a request with something behind it": lambda: parse_csr(csr().der + b"\x05\x00"),
    "an identity of another key": lambda: responders.client_of(responders.new_responder()).enrol(
        csr(),
        identity=responders.self_signed(responders.csr(3), 3),
        ca=responders.trust(responders.new_responder()),
    ),
    "a wrong password": lambda: PROVIDER.load_private_key(
        PROVIDER.dump_private_key(keys.rsa(1), password=PASSWORD, iterations=10_000),
        password=f"{PASSWORD}!",
    ),
    "a password that cannot be encoded": lambda: PROVIDER.dump_private_key(
        keys.rsa(1), password=f"{PASSWORD}\ud800", iterations=10_000
    ),
    "a key that was cut": lambda: PROVIDER.load_private_key(
        PROVIDER.dump_private_key(keys.rsa(1), encoding=KeyEncoding.DER)[:-9]
    ),
    "a network that is down": lambda: through(offline),
    "a server that sends back what it got": lambda: through(broken),
}


def through(send: Callable[[HttpRequest], HttpResponse]) -> Reply:
    responder = responders.new_responder()
    ca = responders.trust(responder)
    client = Client(responders.URL, send=send, provider=keys.provider())
    asked = csr()
    return client.enrol(
        asked,
        identity=responders.self_signed(asked),
        ca=ca,
        algorithms=Algorithms(),
    )


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.conforms("S-24")
def test_errors(fault: str, caplog: pytest.LogCaptureFixture) -> None:
    with nothing_in_the_log(caplog), pytest.raises(ScepError) as caught:
        FAULTS[fault]()
    check_error(caught.value)
