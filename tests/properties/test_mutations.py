"""Whatever is changed in a good message, it is refused with our error or was not relied upon."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyscep.ca import parse_ca_certificates
from pyscep.capabilities import parse_capabilities
from pyscep.certificates import parse_certificate
from pyscep.cms_enveloped import parse_enveloped_data
from pyscep.cms_signed import parse_degenerate
from pyscep.crl import parse_crl
from pyscep.errors import ScepError
from pyscep.extensions import parse_general_name
from pyscep.http import HttpRequest
from pyscep.http_server import decode_get_message
from pyscep.limits import Limits
from pyscep.names import parse_name
from pyscep.pkcs10 import parse_csr
from pyscep.pki_message import parse_pki_message
from pyscep.transaction import Transaction, require_success
from tests.helpers import password_recipient, responders
from tests.helpers.message_factory import Envelope, degenerate
from tests.helpers.password_recipient import PASSWORD, PasswordRecipientInfo
from tests.helpers.tlv import Node, parse

RESPONDER = responders.new_responder()
EXCHANGE = responders.begin(RESPONDER, transaction_id="T1")
REPLY = RESPONDER.answer(EXCHANGE.message)
ISSUED = require_success(EXCHANGE.receive(REPLY)).certificate
ENVELOPE = Envelope(recipient=ISSUED, content=b"content").encode()
UNDER_PASSWORD = password_recipient.envelope(PasswordRecipientInfo().encode(), content=b"a content")

Parser = Callable[[bytes], object]


def read_text(octets: bytes) -> Transaction:
    return Transaction.from_json(octets.decode("latin-1"))


def open_with_password(octets: bytes) -> bytes:
    # Iterations that a mutation has made many would only take time.
    limits = Limits(message_kdf_iterations=1000)
    parsed = parse_enveloped_data(octets, limits=limits)
    return parsed.decrypt((), [PASSWORD], provider=RESPONDER.provider)


PARSERS: dict[str, tuple[Parser, bytes]] = {
    "pkiMessage": (parse_pki_message, EXCHANGE.message),
    "CertRep": (parse_pki_message, REPLY),
    "EnvelopedData": (parse_enveloped_data, ENVELOPE),
    "envelope under a password": (open_with_password, UNDER_PASSWORD),
    "certificates": (
        parse_ca_certificates,
        degenerate([ISSUED.der, RESPONDER.authority.issuer.der]),
    ),
    "bag": (parse_degenerate, degenerate([ISSUED.der])),
    "certificate": (parse_certificate, ISSUED.der),
    "request": (parse_csr, responders.csr().der),
    "CRL": (parse_crl, RESPONDER.crl()),
    "name": (parse_name, ISSUED.subject.der),
    "capabilities": (parse_capabilities, b"AES\r\nSHA-256\nPOSTPKIOperation\n"),
    "transaction": (read_text, EXCHANGE.transaction.to_json().encode()),
    "base64": (lambda octets: decode_get_message(octets.decode("latin-1")), b"TWFu+/=="),
    "general name": (lambda octets: parse_general_name(octets.decode("latin-1")), b"DNS:a.example"),
}
EACH = pytest.mark.parametrize(("read", "good"), PARSERS.values(), ids=PARSERS)


@st.composite
def mutated(draw: st.DrawFn, good: bytes) -> bytes:
    """Flip, cut, insert, repeat or replace; once or a few times."""
    octets = bytearray(good)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(octets) - 1, 0)))
        size = draw(st.integers(0, 8))
        match draw(st.sampled_from(["flip", "cut", "insert", "repeat", "fill", "end"])):
            case "flip" if octets:
                octets[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del octets[at : at + size]
            case "insert":
                octets[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "repeat":
                octets[at:at] = octets[at : at + size]
            case "fill":
                octets[at : at + size] = draw(st.sampled_from([b"\0", b"\xff", b"\x80"])) * size
            case _:
                del octets[at:]
    return bytes(octets)


def nodes(root: Node) -> list[Node]:
    return [root, *(below for child in root.children for below in nodes(child))]


def refusal(read: Parser, octets: bytes) -> str:
    """Return what is said about *octets*; anything but a ScepError comes out as it is."""
    try:
        read(octets)
    except ScepError as error:
        return str(error)
    return "It was read."


@EACH
@given(data=st.data())
@settings(max_examples=120, deadline=None)
@pytest.mark.conforms("S-19", "M-05")
def test_a_damaged_thing_is_read_or_refused_with_our_error(
    read: Parser, good: bytes, data: st.DataObject
) -> None:
    octets = data.draw(mutated(good))
    assert refusal(read, octets).endswith((".", "…"))


@EACH
@given(octets=st.binary(max_size=200))
@settings(max_examples=80, deadline=None)
@pytest.mark.conforms("S-19")
def test_anything_at_all(read: Parser, good: bytes, octets: bytes) -> None:
    del good
    with contextlib.suppress(ScepError):
        read(octets)


@given(data=st.data())
@settings(max_examples=250, deadline=None)
@pytest.mark.conforms("S-01", "S-11", "M-42")
def test_a_damaged_reply_gives_the_same_certificate_or_none(data: st.DataObject) -> None:
    octets = data.draw(mutated(REPLY))
    try:
        reply = EXCHANGE.receive(octets)
    except ScepError:
        return
    assert require_success(reply).certificate == ISSUED


@given(data=st.data())
@settings(max_examples=150, deadline=None)
@pytest.mark.conforms("S-02", "T-23")
def test_a_damaged_request_is_answered_or_refused(data: st.DataObject) -> None:
    exchange = responders.begin(RESPONDER)
    octets = data.draw(mutated(exchange.message))
    responder = responders.new_responder()
    response = responder.handle(
        HttpRequest(method="POST", url="/scep?operation=PKIOperation", body=octets)
    )
    assert response.status in {200, 400, 413}
    if response.status == 200:
        # What is not signed may be damaged; then it is the request that was sent.
        try:
            require_success(exchange.receive(response.body))
        except ScepError:
            assert not responder.store.pending()


@given(data=st.data())
@settings(max_examples=100, deadline=None)
@pytest.mark.conforms("S-19")
def test_repeated_and_exchanged_elements(data: st.DataObject) -> None:
    root = parse(REPLY)
    first, second = (data.draw(st.sampled_from(nodes(root))).dump() for _ in range(2))
    octets = REPLY.replace(first, second, 1)
    try:
        reply = EXCHANGE.receive(octets)
    except ScepError:
        return
    assert require_success(reply).certificate == ISSUED
