"""Trap 5: replies to a renewal are for the old key.

The reply is encrypted to the certificate that signed the request, and to nobody else, whatever
other certificates came along.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyscep.certificates import Identity
from pyscep.cms_enveloped import parse_enveloped_data
from pyscep.errors import DecryptionFailed, MessageError
from pyscep.exchange import renewal_req
from pyscep.pki_message import parse_pki_message
from pyscep.transaction import require_success
from tests.helpers import keys, responders
from tests.helpers.message_factory import Envelope, request

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
