"""Trap 7: OAEP arrives uninvited.

Windows clients and NDES use RSAES-OAEP when AES is in play, without any negotiation.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyscep.algorithms import KeyEncryptionAlgorithm
from pyscep.errors import UnsupportedError
from pyscep.transaction import require_success
from tests.helpers import responders
from tests.helpers.message_factory import Envelope, degenerate, reply_to
from tests.helpers.tlv import MGF1, RSAES_OAEP, SHA1, SHA256, algorithm, explicit, null, seq

SHA1_OAEP = KeyEncryptionAlgorithm.RSA_OAEP_SHA1


def parameters(digest: str) -> bytes:
    inner = algorithm(digest, null())
    return algorithm(RSAES_OAEP, seq(explicit(0, inner), explicit(1, algorithm(MGF1, inner))))


def reply_with(identifier: bytes) -> object:
    responder = responders.new_responder()
    exchange = responders.begin(responder)
    issued = responders.certified(1).certificate
    envelope = Envelope(
        recipient=responders.self_signed(responders.csr()).certificate,
        content=degenerate([issued.der]),
        key_encryption=SHA1_OAEP,
        key_encryption_identifier=identifier,
    )
    envelope = replace(envelope, recipient=exchange._sent.identity.certificate)
    reply = reply_to(exchange.message, pki_status="0", content=envelope.encode())
    signed = replace(reply, signer=responder.authority.signer)
    return require_success(exchange.receive(signed.encode()))


@pytest.mark.conforms("E-09")
@pytest.mark.parametrize(
    "identifier",
    [algorithm(RSAES_OAEP, seq()), algorithm(RSAES_OAEP), parameters(SHA1)],
    ids=["defaults", "absent", "explicit SHA-1"],
)
def test_a_reply_with_oaep_is_read(identifier: bytes) -> None:
    assert reply_with(identifier)


@pytest.mark.conforms("E-09")
def test_a_hash_that_the_provider_does_not_have_is_named() -> None:
    with pytest.raises(UnsupportedError) as caught:
        reply_with(parameters(SHA256))
    assert caught.value.algorithm == "RSA_OAEP_SHA256"
    assert "another provider" in str(caught.value)
