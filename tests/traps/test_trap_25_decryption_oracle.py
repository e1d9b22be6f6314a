"""Trap 25: a decryption oracle, and a backend that may not load.

Anybody can sign a request with a key of their own, so whatever does not decrypt is answered with
the same bytes, apart from nonces and signature. That the backend loads on every OpenSSL is shown in
tests/unit/test_oscrypto_loading.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyscep.algorithms import ContentEncryptionAlgorithm
from pyscep.http import HttpRequest
from pyscep.pki_message import parse_pki_message
from tests.helpers import keys, responders
from tests.helpers.message_factory import TRANSACTION_ID, Envelope, request

GOOD = Envelope(recipient=responders.authority().issuer, content=responders.csr().der)
BROKEN = {
    "the RSA block": replace(GOOD, encrypted_key=b"\1" * 256),
    "the length of the key": replace(GOOD, content_key=bytes(5)),
    "the padding": replace(GOOD, encrypted_content=bytes(range(64))),
    "the content": replace(GOOD, content=b"good padding, but garbage"),
    "the size": replace(GOOD, encrypted_content=bytes(33)),
    "another cipher's key": replace(
        GOOD, cipher=ContentEncryptionAlgorithm.AES256_CBC, content_key=bytes(16)
    ),
}


SIGNER = responders.self_signed(responders.csr())


def answer(envelope: Envelope) -> list[bytes]:
    """Return the parts of the answer that are not new every time."""
    responder = responders.new_responder()
    octets = responder.answer(request(content=envelope.encode(), signer=SIGNER).encode())
    reply = parse_pki_message(octets).verify_possession(provider=keys.provider())
    assert reply.sender_nonce is not None
    signature_size = 256
    return octets[:-signature_size].split(reply.sender_nonce)


@pytest.mark.conforms("S-06", "E-16")
def test_http_tells_them_apart_no_better() -> None:
    """Status, headers and length are the same as well, and so is what is remembered: nothing."""
    seen = set()
    for envelope in BROKEN.values():
        responder = responders.new_responder()
        message = request(content=envelope.encode(), signer=SIGNER).encode()
        url = f"{responders.URL}?operation=PKIOperation"
        response = responder.handle(HttpRequest(method="POST", url=url, body=message))
        seen.add((response.status, response.headers, len(response.body)))
        assert responder.store.get(TRANSACTION_ID) is None
    assert len(seen) == 1


@pytest.mark.conforms("S-06", "E-16")
def test_all_answers_are_alike() -> None:
    answers = {name: answer(envelope) for name, envelope in BROKEN.items()}
    first, *others = answers.values()
    assert all(other == first for other in others)
    assert answer(GOOD) != first
