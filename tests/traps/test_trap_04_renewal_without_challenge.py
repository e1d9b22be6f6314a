"""Trap 4: a RenewalReq skips the challenge.

Whoever checks the challenge only for type 19 gives type 17 with a self-signed certificate, or one
of a look-alike CA, a certificate for free.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from pyscep.certificates import Identity
from pyscep.messages import FailInfo
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
