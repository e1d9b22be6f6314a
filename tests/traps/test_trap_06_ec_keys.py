"""Trap 6: for EC keys, omit the envelope, agree on a key, or use a password.

An EC key can sign but receive no envelope. What cannot be answered is refused before it is sent,
and a request without an envelope, which would show the challenge to all, is never read.
"""

from __future__ import annotations

import pytest

from pyscep.errors import KeyCapabilityError
from pyscep.exchange import get_cert, pkcs_req, renewal_req
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.messages import FailInfo
from pyscep.pkcs10 import build_csr
from pyscep.pki_message import parse_pki_message
from tests.helpers import keys, responders
from tests.helpers.message_factory import request


@pytest.mark.conforms("E-03", "W-11")
def test_a_client_with_an_ec_key_is_told_before_anything_is_sent() -> None:
    ca = responders.trust(responders.new_responder())
    identity = keys.ec_client()
    csr = build_csr(subject="CN=sensor-18,O=Example", key=keys.ec(1), challenge_password="a")
    with pytest.raises(KeyCapabilityError, match="cannot decrypt"):
        pkcs_req(csr, identity=identity, ca=ca)
    issued = keys.certify(
        "CN=a", key=keys.ec(1), issuer=responders.authority().identity, usages=keys.SIGN
    )
    with pytest.raises(KeyCapabilityError, match="cannot decrypt"):
        renewal_req(csr, identity=issued, ca=ca)
    with pytest.raises(KeyCapabilityError, match="cannot decrypt"):
        get_cert(IssuerAndSerialNumber.of(issued.certificate), identity=issued, ca=ca)


@pytest.mark.conforms("H-15", "M-02")
def test_a_request_without_an_envelope_is_refused() -> None:
    responder = responders.new_responder()
    csr = responders.csr()
    octets = responder.answer(request(content=csr.der, signer=responders.self_signed(csr)).encode())
    reply = parse_pki_message(octets).verify_possession(provider=keys.provider())
    assert reply.fail_info == FailInfo.BAD_REQUEST.value
