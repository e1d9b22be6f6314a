"""Whatever it is given, an inspection returns one, and says what JSON can say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyscep.errors import ScepError
from pyscep.inspection import Inspection, Kind, Level, SignatureState, inspect
from pyscep.limits import Limits
from pyscep.pki_message import parse_pki_message
from tests.helpers import keys, responders
from tests.helpers.message_factory import SignedMessage, degenerate
from tests.helpers.password_recipient import PASSWORD, PasswordRecipientInfo, envelope
from tests.helpers.tlv import parse
from tests.properties.test_mutations import (
    ENVELOPE,
    EXCHANGE,
    ISSUED,
    REPLY,
    RESPONDER,
    mutated,
    nodes,
)

THINGS = {
    "request": EXCHANGE.message,
    "reply": REPLY,
    "envelope": ENVELOPE,
    "envelope by password": envelope(
        PasswordRecipientInfo().encode(), content=responders.csr().der
    ),
    "bag": degenerate([ISSUED.der, RESPONDER.authority.issuer.der], [RESPONDER.crl()]),
    "certificate": ISSUED.der,
    "CSR": responders.csr().der,
    "CRL": RESPONDER.crl(),
    "next CA": SignedMessage(signer=keys.ca(), content=degenerate([ISSUED.der])).encode(),
    "PEM": ISSUED.pem().encode(),
    "capabilities": b"AES\r\nSHA-256\nPOSTPKIOperation\n",
    "URL": b"http://ca.example/scep?operation=PKIOperation&message=MIIB",
    "HTTP": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nAES\r\n0\r\n\r\n",
}
SENDER = parse_pki_message(EXCHANGE.message).verify_possession(provider=keys.provider()).signer
EACH = pytest.mark.parametrize("good", THINGS.values(), ids=THINGS)


def look(octets: bytes, limits: Limits = Limits()) -> Inspection:
    seen = inspect(
        octets,
        keys=[keys.rsa(0), keys.rsa(1), keys.ec(1)],
        passwords=[PASSWORD],
        signers=[RESPONDER.authority.issuer],
        at=keys.NOW,
        provider=keys.provider(),
        limits=limits,
    )
    json.dumps(seen.to_json_object()).encode()
    assert all(each.text for each in seen.findings)
    assert all(isinstance(text, str) for detail in seen.details for text in detail)
    return seen


@EACH
@given(data=st.data())
@settings(max_examples=150, deadline=None)
@pytest.mark.conforms("S-19")
def test_damaged_things(good: bytes, data: st.DataObject) -> None:
    look(data.draw(mutated(good)))


@given(octets=st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
@pytest.mark.conforms("S-19")
def test_anything_at_all(octets: bytes) -> None:
    look(octets)
    look(b"\x30" + octets)


@given(text=st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text(text: str) -> None:
    look(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    "good", [EXCHANGE.message, REPLY, THINGS["bag"]], ids=["sent", "got", "bag"]
)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
@pytest.mark.conforms("S-19")
def test_exchanged_elements(good: bytes, data: st.DataObject) -> None:
    root = parse(good)
    first, second = (data.draw(st.sampled_from(nodes(root))).dump() for _ in range(2))
    look(good.replace(first, second, 1))


@pytest.mark.parametrize("size", range(0, 2000, 61))
def test_cut_anywhere(size: int) -> None:
    look(REPLY[:size])


@EACH
def test_small_limits(good: bytes) -> None:
    look(good, Limits(elements=20, depth=3, certificates=1, attributes=2, recipients=1))


@pytest.mark.parametrize("good", [EXCHANGE.message, REPLY], ids=["request", "reply"])
@given(data=st.data())
@settings(max_examples=300, deadline=None)
@pytest.mark.conforms("S-01")
def test_what_strict_reading_refuses_is_found(good: bytes, data: st.DataObject) -> None:
    """Whatever the library itself does not accept, the inspection says something about."""
    octets = data.draw(mutated(good))
    signers = [RESPONDER.authority.issuer, SENDER]
    try:
        parse_pki_message(octets).verify(signers, provider=keys.provider())
    except ScepError:
        seen = inspect(octets, signers=signers, provider=keys.provider())
        is_message = seen.kind is Kind.PKI_MESSAGE
        assert not is_message or any(each.level is not Level.NOTE for each in seen.findings)
    else:
        seen = inspect(octets, signers=signers, provider=keys.provider())
        assert seen.signature is SignatureState.VALID
