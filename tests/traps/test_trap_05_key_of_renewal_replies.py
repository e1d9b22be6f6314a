"""Trap 5: replies to a renewal are for the old key.

The reply is encrypted to the certificate that signed the request, and to nobody else, whatever
other certificates came along.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyscep.begin import renewal_req
from pyscep.certificates import Identity, parse_certificate
from pyscep.cms_enveloped import parse_enveloped_data
from pyscep.errors import DecryptionFailed, MessageError
from pyscep.pki_message import parse_pki_message
from pyscep.transaction import require_success
from tests.helpers import keys, responders
from tests.helpers.message_factory import Envelope, request
from tests.helpers.tlv import parse

NEW = responders.csr(3, challenge_password=None)


@pytest.mark.conforms("W-09", "W-10", "E-20")
def test_the_old_key_opens_the_reply_and_the_new_one_does_not() -> None:
    responder = responders.new_responder()
    old = responders.certified(1)
    exchange = renewal_req(NEW, identity=old, ca=responders.trust(responder))
    octets = responder.answer(exchange.message)
    content = parse_pki_message(octets).verify_possession(provider=keys.provider()).content
    assert content is not None
    envelope = parse_enveloped_data(content)
    assert envelope.decrypt([old], provider=keys.provider())
    issued = require_success(exchange.receive(octets)).certificate
    new = Identity(certificate=issued, key=keys.rsa(3))
    with pytest.raises((DecryptionFailed, MessageError)):
        envelope.decrypt([new], provider=keys.provider())


@pytest.mark.conforms("E-20", "S-15")
def test_certificates_that_came_along_are_not_encrypted_to() -> None:
    responder = responders.new_responder()
    csr = responders.csr()
    envelope = Envelope(recipient=responder.authority.issuer, content=csr.der).encode()
    identity = responders.self_signed(csr)
    message = request(content=envelope, signer=identity)
    along = (keys.stranger().certificate.der, identity.certificate.der)
    octets = responder.answer(replace(message, certificates=along).encode())
    content = parse_pki_message(octets).verify_possession(provider=keys.provider()).content
    assert content is not None
    assert len(parse_enveloped_data(content).recipients) == 1


def naive_envelope(octets: bytes, content: bytes) -> bytes:
    """Encrypt as smallstep does: to every certificate that came with the request."""
    first, *others = (c.dump() for c in parse(octets).at(1, 0, 3).children)
    envelope = Envelope(recipient=parse_certificate(first), content=content)
    along = tuple(
        replace(envelope, recipient=parse_certificate(each)).encode_recipient() for each in others
    )
    return replace(envelope, recipients_after=along).encode()


def test_a_stranger_on_the_way_reads_what_a_naive_server_answers() -> None:
    """The attack works: the certificates are not signed, so anybody may add his own."""
    responder = responders.new_responder()
    csr = responders.csr()
    envelope = Envelope(recipient=responder.authority.issuer, content=csr.der).encode()
    identity = responders.self_signed(csr)
    sent = request(content=envelope, signer=identity)
    stranger = keys.stranger()
    on_the_way = replace(
        sent, certificates=(identity.certificate.der, stranger.certificate.der)
    ).encode()
    parse_pki_message(on_the_way).verify_possession(provider=keys.provider())
    naive = parse_enveloped_data(naive_envelope(on_the_way, b"for the client only"))
    for reader in (identity, stranger):
        assert naive.decrypt([reader], provider=keys.provider()) == b"for the client only"
    answer = responder.answer(on_the_way)
    content = parse_pki_message(answer).verify_possession(provider=keys.provider()).content
    assert content is not None
    ours = parse_enveloped_data(content)
    assert ours.decrypt([identity], provider=keys.provider())
    with pytest.raises(MessageError):
        ours.decrypt([stranger], provider=keys.provider())
