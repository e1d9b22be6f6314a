"""Trap 6: for EC keys, omit the envelope, agree on a key, or use a password.

An EC key can sign, but nothing can be encrypted to it, so the challenge password encrypts instead:
requests if the CA's key is EC, replies if the client's is, each by itself. Where there is no
challenge the RFC has no answer, and the error comes before anything is sent; a request without an
envelope, which would show the challenge to all, is never read. That openssl opens what is written,
and the other way round, is shown in tests/interop/test_openssl.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pyscep.begin import cert_poll, get_cert, get_crl, pkcs_req, renewal_req
from pyscep.cms_enveloped import KeyTransRecipient, OtherRecipient, RecipientKind
from pyscep.cms_password import PasswordRecipient
from pyscep.errors import KeyCapabilityError, MessageError, UnsupportedError
from pyscep.exchange import Exchange
from pyscep.handlers import static_challenge
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.messages import FailInfo
from pyscep.pki_message import parse_pki_message
from pyscep.responder import Responder
from pyscep.transaction import Pending, require_success
from tests.helpers import key_kinds, keys, responders, tlv
from tests.helpers.key_kinds import CHALLENGE, KINDS
from tests.helpers.message_factory import Envelope, degenerate, reply_to, request
from tests.helpers.password_recipient import PasswordRecipientInfo, envelope

BY_KEY, BY_PASSWORD = KeyTransRecipient, PasswordRecipient
RECIPIENTS = {"RSA": BY_KEY, "EC": BY_PASSWORD}
MATRIX = pytest.mark.parametrize(("ca", "client"), [(a, b) for a in KINDS for b in KINDS])


def recipients(octets: bytes) -> list[type]:
    """Return the kinds of recipients of a message."""
    verified = parse_pki_message(octets).verify_possession(provider=keys.provider())
    return [type(each) for each in verified.envelope().recipients]


def begin(responder: Responder, client: str, *, challenge: str | None = CHALLENGE) -> Exchange:
    return pkcs_req(
        key_kinds.csr(client, challenge_password=challenge),
        identity=key_kinds.self_signed(client),
        ca=responders.trust(responder),
        provider=keys.provider(),
    )


@MATRIX
@pytest.mark.conforms("E-03", "E-04", "E-05", "G-13", "M-02")
def test_each_direction_goes_by_the_key_of_its_receiver(ca: str, client: str) -> None:
    responder = key_kinds.new_responder(ca)
    exchange = begin(responder, client)
    assert recipients(exchange.message) == [RECIPIENTS[ca]]
    assert CHALLENGE.encode() not in exchange.message
    octets = responder.answer(exchange.message)
    assert recipients(octets) == [RECIPIENTS[client]]
    issued = require_success(exchange.receive(octets)).certificate
    assert issued.public_key == key_kinds.key(client).public_key


@MATRIX
@pytest.mark.conforms("E-04", "E-05", "E-27", "P-07", "X-05")
def test_a_request_that_waited(ca: str, client: str) -> None:
    # The one-time challenge is known from the request; nobody else is asked for it any more.
    known = [CHALLENGE]
    responder = key_kinds.new_responder(
        ca, handler=key_kinds.waiting(), challenge_passwords=lambda _: known
    )
    exchange = begin(responder, client)
    pending = responders.send(responder, exchange)
    assert isinstance(pending, Pending)
    known.clear()

    def poll() -> Exchange:
        return cert_poll(
            pending.transaction,
            identity=exchange._sent.identity,
            ca=responders.trust(responder),
            challenge_password=CHALLENGE,
        )

    assert CHALLENGE not in pending.transaction.to_json()
    assert isinstance(responders.send(responder, poll()), Pending)
    certificate = responder.approve(pending.transaction.transaction_id)
    polling = poll()
    assert recipients(polling.message) == [RECIPIENTS[ca]]
    octets = responder.answer(polling.message)
    assert recipients(octets) == [RECIPIENTS[client]]
    assert require_success(polling.receive(octets)).certificate == certificate
    # The same request sent again is answered in the same way.
    assert require_success(responders.send(responder, exchange)).certificate == certificate


@MATRIX
@pytest.mark.conforms("E-26", "W-11", "P-07")
def test_what_the_rfc_leaves_no_key_for(ca: str, client: str) -> None:
    """Renewals and polls without a challenge, and all queries, unless both keys are RSA."""
    responder = key_kinds.new_responder(ca, handler=key_kinds.waiting())
    trusted = responders.trust(responder)
    exchange = begin(responder, client)
    pending = responders.send(responder, exchange)
    assert isinstance(pending, Pending)
    identity = key_kinds.certified(client, by=ca)
    asked = key_kinds.csr(client, challenge_password=None)
    identifier = IssuerAndSerialNumber.of(identity.certificate)
    messages: list[Callable[[], object]] = [
        lambda: begin(responder, client, challenge=None),
        lambda: renewal_req(asked, identity=identity, ca=trusted),
        lambda: get_cert(identifier, identity=identity, ca=trusted),
        lambda: get_crl(identifier, identity=identity, ca=trusted),
        lambda: cert_poll(pending.transaction, identity=exchange._sent.identity, ca=trusted),
    ]
    for write in messages:
        if ca == client == "RSA":
            write()
            continue
        with pytest.raises(KeyCapabilityError, match="cannot decrypt, and there is no") as caught:
            write()
        assert caught.value.argument == "challenge_password"
        assert caught.value.fail_info_hint == FailInfo.BAD_ALG.value


@MATRIX
@pytest.mark.conforms("E-05", "E-26", "W-07")
def test_a_renewal_that_has_a_challenge(ca: str, client: str) -> None:
    responder = key_kinds.new_responder(ca)
    exchange = renewal_req(
        key_kinds.csr(client, 2),
        identity=key_kinds.certified(client, by=ca),
        ca=responders.trust(responder),
    )
    assert recipients(exchange.message) == [RECIPIENTS[ca]]
    octets = responder.answer(exchange.message)
    assert recipients(octets) == [RECIPIENTS[client]]
    require_success(exchange.receive(octets))


@pytest.mark.conforms("E-29", "E-24")
@pytest.mark.parametrize(("ca", "client"), [("RSA", "EC"), ("EC", "RSA"), ("EC", "EC")])
def test_a_challenge_that_can_be_guessed_encrypts_nothing(ca: str, client: str) -> None:
    responder = key_kinds.new_responder(ca)
    with pytest.raises(KeyCapabilityError, match="16 random characters or more instead of 6"):
        begin(responder, client, challenge="secret")
    beyond_ascii = "ein sehr geheimes Wört 🔑"
    responder = key_kinds.new_responder(
        ca,
        handler=static_challenge(beyond_ascii),
        challenge_passwords=lambda _: [beyond_ascii],
    )
    require_success(responders.send(responder, begin(responder, client, challenge=beyond_ascii)))


def answered(client: str, reply_envelope: bytes) -> None:
    """Give a client a SUCCESS of the RSA CA with this envelope."""
    responder = key_kinds.new_responder("RSA")
    exchange = begin(responder, client)
    reply = reply_to(exchange.message, pki_status="0", content=reply_envelope)
    exchange.receive(replace(reply, signer=responder.authority.signer).encode())


@pytest.mark.conforms("A-18", "E-05")
def test_the_own_key_decides_what_opens_a_reply() -> None:
    bag = degenerate([key_kinds.certified("RSA", by="RSA").certificate.der])
    under_challenge = envelope(
        PasswordRecipientInfo(password=CHALLENGE.encode()).encode(), content=bag
    )
    with pytest.raises(UnsupportedError, match="kind PASSWORD"):
        answered("RSA", under_challenge)
    bag = degenerate([key_kinds.certified("EC", by="RSA").certificate.der])
    answered(
        "EC", envelope(PasswordRecipientInfo(password=CHALLENGE.encode()).encode(), content=bag)
    )
    with pytest.raises(MessageError, match=r"serial number .* of CN=Stranger, but this side is"):
        answered("EC", Envelope(recipient=keys.stranger().certificate, content=bag).encode())


@pytest.mark.conforms("E-28")
@pytest.mark.parametrize("ca", KINDS)
@pytest.mark.parametrize("tag", [1, 2, 4])
def test_key_agreement_and_the_rest_are_refused(ca: str, tag: int) -> None:
    kind = RecipientKind(tlv.explicit(tag)[0])
    octets = envelope(tlv.explicit(tag, tlv.integer(3)))
    message = request(content=octets, signer=key_kinds.self_signed("EC")).encode()
    verified = parse_pki_message(message).verify_possession()
    assert verified.envelope().recipients == (OtherRecipient(kind=kind),)
    reply = parse_pki_message(key_kinds.new_responder(ca).answer(message)).verify_possession()
    assert reply.fail_info == FailInfo.BAD_ALG.value


@pytest.mark.conforms("E-06", "H-15", "M-02", "L-08")
@pytest.mark.parametrize("client", KINDS)
@pytest.mark.parametrize("ca", KINDS)
def test_a_request_without_an_envelope_is_refused(ca: str, client: str) -> None:
    responder = key_kinds.new_responder(ca)
    message = request(
        content=key_kinds.csr(client).der, signer=key_kinds.self_signed(client)
    ).encode()
    reply = parse_pki_message(responder.answer(message)).verify_possession()
    assert reply.fail_info == FailInfo.BAD_REQUEST.value
    assert responder.store.get(reply.transaction_id) is None
