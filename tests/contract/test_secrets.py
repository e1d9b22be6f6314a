"""Planted secrets come out nowhere: no repr, text, JSON, log record, pickle or error has them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NoReturn

import pytest

from pyscep import der, pkcs10
from pyscep.aio import AsyncClient
from pyscep.begin import cert_poll, get_cert, pkcs_req
from pyscep.ca import TrustedCa
from pyscep.capabilities import Algorithms
from pyscep.client import Client
from pyscep.crypto.key_files import KeyEncoding, KeyFormat
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.crypto.pkcs12 import Pkcs12
from pyscep.crypto.pyca_provider import PycaProvider
from pyscep.errors import ScepError, TransportError, UsageError
from pyscep.exchange import Exchange
from pyscep.handlers import ApprovalHandler, static_challenge
from pyscep.http import HttpRequest, HttpResponse
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.limits import Limits
from pyscep.messages import MessageType, PKCSReq, Request, parse_request
from pyscep.pkcs10 import CertificationRequest, build_csr, parse_csr
from pyscep.pki_message import parse_pki_message
from pyscep.responder import Responder
from pyscep.schedule import PollSchedule
from pyscep.secrecy import hides_locals
from pyscep.transaction import Pending, Reply, Success
from tests.helpers import key_kinds, keys, responders, tlv

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
    octets = (CHALLENGE.encode(), CHALLENGE[8:].encode(), PASSWORD.encode(), prime)
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
    for frame in frames_of_pyscep(error):
        for name, value in (frame.locals or {}).items():
            assert not found_in(value), f"{frame.filename}:{frame.lineno} {frame.name}: {name}"


def frames_of_pyscep(error: BaseException) -> Iterator[traceback.FrameSummary]:
    """Return what an error tracker would show with local variables, without the caller's own."""
    shown: traceback.TracebackException | None = traceback.TracebackException.from_exception(
        error, capture_locals=True
    )
    while shown is not None:
        yield from (frame for frame in shown.stack if "/pyscep/" in frame.filename)
        shown = shown.__cause__ or shown.__context__


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
    # Below the functions that hide their locals, these show.
    with pytest.raises(UsageError) as caught:
        pkcs10._encode_challenge(f"{CHALLENGE}\ud800")
    with pytest.raises(AssertionError, match="challenge_password"):
        check_error(caught.value)


def test_other_exceptions_keep_their_frames() -> None:
    """A bug has to be found, so only errors of ours lose what is inside."""

    @hides_locals
    def fails(kind: type[Exception]) -> NoReturn:
        raise kind("inside")

    with pytest.raises(UsageError) as ours:
        fails(UsageError)
    assert [frame.name for frame in traceback.extract_tb(ours.value.__traceback__)][1:] == [
        "wrapper"
    ]
    assert ours.value.__context__ is None
    with pytest.raises(ZeroDivisionError) as bug:
        fails(ZeroDivisionError)
    assert traceback.extract_tb(bug.value.__traceback__)[-1].name == "fails"

    @hides_locals
    async def fails_later(kind: type[Exception]) -> NoReturn:
        raise kind("inside")

    with pytest.raises(UsageError) as ours:
        asyncio.run(fails_later(UsageError))
    assert traceback.extract_tb(ours.value.__traceback__)[-1].name == "awaiting"
    assert ours.value.__context__ is None
    with pytest.raises(ZeroDivisionError) as bug:
        asyncio.run(fails_later(ZeroDivisionError))
    assert traceback.extract_tb(bug.value.__traceback__)[-1].name == "fails_later"


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
    for secret in (
        csr(),
        csr().signed,
        parse_csr(csr().der).signed,
        opened,
        record,
        PKCSReq(csr=csr()),
        exchange,
        keys.rsa(1),
        PycaProvider().load_private_key(plain_key()),
    ):
        with pytest.raises(UsageError, match="not pickled") as caught:
            pickle.dumps(secret)
        check_error(caught.value)
    # What is public can be.
    issued_certificate = issued.certificate if isinstance(issued, Success) else None
    for public in (issued_certificate, issued, reply, exchange.transaction):
        assert pickle.loads(pickle.dumps(public)) == public  # noqa: S301  # made just here


def offline(request: HttpRequest) -> HttpResponse:
    raise TransportError("Nothing answers.", url=request.address)


def broken(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=500, body=b"<html>" + request.body)


def plain_key() -> bytes:
    return PROVIDER.dump_private_key(keys.rsa(1), encoding=KeyEncoding.DER)


def ec_ca() -> TrustedCa:
    """Return a CA that nothing can be encrypted to."""
    made = keys.certify("CN=EC", key=keys.ec(1), ca=True, usages=keys.EVERYTHING).certificate
    return replace(responders.trust(responders.new_responder()), recipient=made)


def damaged_request() -> CertificationRequest:
    """Read a request whose extensions are broken, after its challenge has been read."""
    tree = tlv.parse(csr().der)
    challenge = tree.at(0, 3, 0)
    broken = tlv.parse(tlv.attribute("1.2.840.113549.1.9.14", tlv.seq(tlv.null())))
    attributes = tlv.Node(0xA0, children=(challenge, broken))
    return parse_csr(tree.with_at((0, 3), attributes).dump())


def opened_wrongly() -> Request:
    """Read what was in an envelope as another message than it is."""
    return parse_request(MessageType.CERT_POLL, csr().der)


def under_challenge(client: str, *, at_poll: str | None = None) -> object:
    """Enrol at a CA that cannot decrypt, and poll."""
    responder = responders.new_responder(
        authority=key_kinds.authority("EC"),
        handler=ApprovalHandler(),
        challenge_passwords=lambda _: [CHALLENGE],
    )
    ca = responders.trust(responder)
    asked = key_kinds.csr(client, challenge_password=CHALLENGE)
    identity = key_kinds.self_signed(client)
    exchange = pkcs_req(asked, identity=identity, ca=ca)
    check_value(exchange, pickled=False)
    check_value(exchange._sent, pickled=False)
    check_value(exchange.message)
    reply = responders.send(responder, exchange)
    assert isinstance(reply, Pending)
    check_value(reply)
    responder.approve(reply.transaction.transaction_id)
    polling = cert_poll(reply.transaction, identity=identity, ca=ca, challenge_password=at_poll)
    check_value(polling, pickled=False)
    return responders.send(responder, polling)


@pytest.mark.conforms("S-24", "H-10", "E-04")
def test_a_challenge_that_encrypts(caplog: pytest.LogCaptureFixture) -> None:
    with nothing_in_the_log(caplog):
        check_value(under_challenge("EC", at_poll=CHALLENGE))


def asynchronously(*, waits: bool) -> object:
    """Poll with asyncio for a reply that was encrypted with another challenge."""
    responder = key_kinds.new_responder("RSA", handler=key_kinds.waiting())
    identity, ca = key_kinds.self_signed("EC"), responders.trust(responder)

    async def send(request: HttpRequest) -> HttpResponse:
        return responder.handle(request)

    async def no_sleep(_: float) -> None:
        return None

    async def main() -> object:
        client = AsyncClient(responders.URL, send=send, provider=keys.provider())
        pending = await client.enrol(key_kinds.csr("EC"), identity=identity, ca=ca)
        assert isinstance(pending, Pending)
        responder.approve(pending.transaction.transaction_id)
        if not waits:
            return await client.poll(
                pending.transaction, identity=identity, ca=ca, challenge_password=CHALLENGE
            )
        return await client.wait(
            pending,
            identity=identity,
            ca=ca,
            schedule=PollSchedule(),
            now=lambda: keys.NOW,
            sleep=no_sleep,
            challenge_password=CHALLENGE,
        )

    return asyncio.run(main())


FAULTS: dict[str, Callable[[], object]] = {
    "another challenge for asyncio's poll": lambda: asynchronously(waits=False),
    "another challenge while asyncio waits": lambda: asynchronously(waits=True),
    "a challenge that is another at the poll": lambda: under_challenge(
        "EC", at_poll=f"{CHALLENGE}\ud800"
    ),
    "a challenge that is missing at the poll": lambda: under_challenge("EC"),
    "a challenge that is too short to encrypt": lambda: pkcs_req(
        key_kinds.csr("EC", challenge_password=CHALLENGE[8:]),
        identity=key_kinds.self_signed("EC"),
        ca=responders.trust(key_kinds.new_responder("RSA")),
    ),
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
    "a query to a CA that cannot be encrypted to": lambda: get_cert(
        IssuerAndSerialNumber.of(ec_ca().issuer),
        identity=responders.self_signed(csr()),
        ca=ec_ca(),
    ),
    "broken extensions beside the challenge": damaged_request,
    "a request in the place of another": opened_wrongly,
    "a subject that cannot be encoded": lambda: build_csr(
        subject="XY=a", key=keys.rsa(1), challenge_password=CHALLENGE
    ),
    "a key that is too small": lambda: OscryptoProvider(
        limits=Limits(rsa_bits_min=4096)
    ).load_private_key(plain_key()),
    "a key that is too small for cryptography": lambda: PycaProvider(
        limits=Limits(rsa_bits_min=4096)
    ).load_private_key(plain_key()),
    "a wrong password with cryptography": lambda: PycaProvider().load_private_key(
        PROVIDER.dump_private_key(keys.rsa(1), password=PASSWORD, iterations=10_000),
        password=f"{PASSWORD}!",
    ),
    "too many iterations": lambda: OscryptoProvider(
        limits=Limits(kdf_iterations=10_000)
    ).load_private_key(
        PROVIDER.dump_private_key(keys.rsa(1), password=PASSWORD, iterations=20_000),
        password=PASSWORD,
    ),
    "too few iterations": lambda: PROVIDER.dump_private_key(
        keys.rsa(1), password=PASSWORD, iterations=1
    ),
    "a password for no PKCS #12": lambda: PROVIDER.load_pkcs12(plain_key(), password=PASSWORD),
    "PKCS #12 that cannot be written": lambda: PROVIDER.dump_pkcs12(
        Pkcs12(key=keys.rsa(1), certificate=None, certificates=()), password=PASSWORD
    ),
    "a key of another kind": lambda: PROVIDER.load_private_key(
        plain_key().replace(tlv.oid(tlv.RSA_ENCRYPTION), tlv.oid("1.2.840.113549.1.1.9"))
    ),
    "no password for a key": lambda: PROVIDER.load_private_key(
        PROVIDER.dump_private_key(keys.rsa(1), password=PASSWORD, iterations=10_000)
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
