"""Trap 4: a RenewalReq skips the challenge.

Whoever checks the challenge only for type 19 gives type 17 with a self-signed certificate, or one
of a look-alike CA, a certificate for free.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from pyscep.certificates import Identity
from pyscep.messages import FailInfo, MessageType
from pyscep.pkcs10 import parse_csr
from pyscep.pki_message import parse_pki_message
from pyscep.testing import EphemeralCa
from tests.helpers import keys, responders
from tests.helpers.message_factory import Envelope, request


def who(name: str) -> tuple[EphemeralCa, Identity]:
    authority = responders.new_authority()
    look_alike = responders.new_authority(key=keys.rsa(5))
    identities = {
        "self-signed": lambda: responders.self_signed(responders.csr()),
        "look-alike": lambda: responders.certified(by=look_alike),
        "expired": lambda: responders.certified(by=authority, at=keys.NOW - timedelta(days=400)),
        "revoked": lambda: responders.certified(by=authority),
        "good": lambda: responders.certified(by=authority),
    }
    identity = identities[name]()
    return authority, identity


def naive_decision(octets: bytes, authority: EphemeralCa) -> bool:
    """Decide as SCEPy does: the challenge is looked at for messageType 19, and a 17 is renewed."""
    message = parse_pki_message(octets).verify_possession(provider=keys.provider())
    content = message.decrypt(authority.recipients, provider=keys.provider())
    csr = parse_csr(content.octets)
    csr.verify(provider=keys.provider())
    if message.message_type is MessageType.PKCS_REQ:
        return csr.challenge_password == responders.CHALLENGE
    return True


@pytest.mark.parametrize("name", ["self-signed", "look-alike", "expired"])
def test_a_naive_server_gives_anybody_a_certificate(name: str) -> None:
    """The attack works: the same request without a challenge, but numbered 17."""
    authority, identity = who(name)
    csr = responders.csr(challenge_password=None)
    envelope = Envelope(recipient=authority.issuer, content=csr.der).encode()
    decisions = {
        message_type: naive_decision(
            request(message_type=message_type, content=envelope, signer=identity).encode(),
            authority,
        )
        for message_type in ("17", "19")
    }
    assert decisions == {"17": True, "19": False}


@pytest.mark.conforms("R-06", "R-07", "W-16")
@pytest.mark.parametrize("challenge", [None, "wrong"])
@pytest.mark.parametrize("name", ["self-signed", "look-alike", "expired", "revoked", "good"])
def test_only_a_good_certificate_stands_for_the_challenge(name: str, challenge: str | None) -> None:
    authority, identity = who(name)
    responder = responders.new_responder(authority=authority)
    if name == "revoked":
        responder.revoke(identity.certificate)
    csr = responders.csr(challenge_password=challenge)
    envelope = Envelope(recipient=authority.issuer, content=csr.der).encode()
    octets = responder.answer(
        request(message_type="17", content=envelope, signer=identity).encode()
    )
    reply = parse_pki_message(octets).verify_possession(provider=keys.provider())
    expected = None if name == "good" else FailInfo.BAD_REQUEST.value
    assert reply.fail_info == expected
