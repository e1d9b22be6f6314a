"""Trap 25: a decryption oracle, and a backend that may not load.

Anybody can sign a request with a key of their own, so whatever does not decrypt is answered with
the same bytes, apart from nonces and signature. So is what decrypts to something that the sender
could not have written: whoever recorded a request can wrap its envelope anew, as any type of
message, change bits of it, and would learn from a different answer what is inside, byte by byte.
That the backend loads on every OpenSSL is shown in tests/unit/test_oscrypto_loading.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyscep.algorithms import ContentEncryptionAlgorithm, KeyEncryptionAlgorithm
from pyscep.begin import pkcs_req
from pyscep.certificates import Identity
from pyscep.cms_enveloped import KeyTransRecipient, parse_enveloped_data
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.errors import DecodeError, DecryptionFailed
from pyscep.handlers import ApprovalHandler, static_challenge
from pyscep.http import HttpRequest
from pyscep.pkcs10 import parse_csr
from pyscep.pki_message import parse_pki_message
from pyscep.responder import Responder
from pyscep.store import RecordStatus
from tests.helpers import keys, responders
from tests.helpers.exchanges import csr, trusted_ca
from tests.helpers.message_factory import TRANSACTION_ID, Envelope, encrypt, reply_to, request
from tests.helpers.tlv import integer, name, parse, seq

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


def answer(
    envelope: Envelope,
    *,
    responder: Responder | None = None,
    signer: Identity = SIGNER,
    message_type: str = "19",
) -> list[bytes]:
    """Return the parts of the answer that are not new every time."""
    chosen = responder or responders.new_responder()
    message = request(content=envelope.encode(), signer=signer, message_type=message_type)
    octets = chosen.answer(message.encode())
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


def naive_answer(envelope: Envelope) -> str:
    """Answer as a server does that says what went wrong: with a text, a failInfo, or a crash."""
    content = parse_enveloped_data(envelope.encode())
    provider = keys.provider()
    recipient = responders.authority().recipients[0]
    (info,) = content.recipients
    assert isinstance(info, KeyTransRecipient)
    try:
        key = recipient.key.decrypt(info.encrypted_key, KeyEncryptionAlgorithm.RSA_PKCS1_V15)
    except DecryptionFailed:
        return "the key cannot be decrypted"
    if len(key) != 16:
        return "the key has the wrong length"
    iv = parse(content._parameters).contents
    try:
        plain = provider.decrypt_content(
            key, iv, content.encrypted_content, ContentEncryptionAlgorithm.AES128_CBC
        )
    except DecryptionFailed:
        return "the padding is wrong"
    try:
        parse_csr(plain)
    except DecodeError:
        return "this is no certification request"
    return "issued"


def with_guess(recorded: Envelope, guess: int) -> Envelope:
    """Return what an attacker sends: one block of a recorded envelope, and one before it."""
    assert recorded.encrypted_content is not None
    block = recorded.encrypted_content[16:32]
    before = bytes(15) + bytes((guess,))
    return replace(recorded, iv=before, encrypted_content=block)


def recorded_envelope() -> Envelope:
    """Return a request's envelope as somebody on the network has it, without its key."""
    key, iv = bytes(range(16)), bytes(16)
    ciphertext = encrypt(ContentEncryptionAlgorithm.AES128_CBC, key, iv, responders.csr().der)
    encrypted_key = keys.provider().encrypt_key(
        GOOD.recipient.public_key, key, KeyEncryptionAlgorithm.RSA_PKCS1_V15
    )
    return replace(GOOD, encrypted_content=ciphertext, encrypted_key=encrypted_key)


def test_a_naive_server_says_what_went_wrong() -> None:
    said = {name: naive_answer(envelope) for name, envelope in BROKEN.items()}
    assert len(set(said.values())) == 4
    assert naive_answer(GOOD) == "issued"


@pytest.mark.conforms("S-06", "E-16")
def test_a_naive_server_decrypts_for_anybody() -> None:
    """The attack works: of 256 guesses one has the right padding, and gives a byte away.

    The same guesses tell nothing where all answers are alike.
    """
    recorded = recorded_envelope()
    assert recorded.encrypted_content is not None
    naive = [naive_answer(with_guess(recorded, guess)) for guess in range(256)]
    right = [guess for guess, said in enumerate(naive) if said != "the padding is wrong"]
    # Besides the padding of one byte, that of two and so on may fit, but seldom.
    assert 1 <= len(right) <= 3
    last_of_first_block = recorded.encrypted_content[15]
    guessed = {1 ^ guess ^ last_of_first_block for guess in right}
    assert responders.csr().der[31] in guessed
    # Ours, asked the right guess and some wrong ones: the attacker learns nothing from it.
    answers = [answer(with_guess(recorded, guess)) for guess in (right[0], *range(0, 256, 16))]
    assert all(other == answers[0] for other in answers)


@pytest.mark.conforms("S-06", "E-16")
@pytest.mark.parametrize("provider_name", keys.PROVIDERS)
def test_a_client_has_one_error_for_all(provider_name: str) -> None:
    """A reply is signed, so this is the CA's own mistake; even so it looks the same."""
    provider = keys.provider_named(provider_name)
    identity = replace(keys.client(), key=provider.load_private_key(plain_key()))
    seen = set()
    for envelope in BROKEN.values():
        sent = pkcs_req(csr(), identity=identity, ca=trusted_ca(), provider=provider)
        content = replace(envelope, recipient=identity.certificate).encode()
        reply = reply_to(sent.message, pki_status="0", content=content)
        with pytest.raises(DecryptionFailed) as caught:
            sent.receive(reply.encode())
        error = caught.value
        # The garbage has other bytes; what is said about it has not.
        seen.add((str(error), repr(error), repr(vars(error)), error.__cause__, error.__context__))
    assert len(seen) == 1


def plain_key() -> bytes:
    return OscryptoProvider().dump_private_key(keys.client().key)


@pytest.mark.conforms("S-06", "E-16")
def test_all_answers_are_alike() -> None:
    answers = {name: answer(envelope) for name, envelope in BROKEN.items()}
    first, *others = answers.values()
    assert all(other == first for other in others)
    assert answer(GOOD) != first


# --------------------------------------------------- what somebody else recorded, and wraps anew

RECORDED = responders.csr()
SHA256_WITH_RSA = bytes.fromhex("2a864886f70d01010b")
NOBODY = seq(name("nobody"), integer(7))
# What changed bits can make of a request: another signature, algorithm, hash, or message.
CHANGED = {
    "nothing": RECORDED.der,
    "the signature": RECORDED.der[:-1] + bytes([RECORDED.der[-1] ^ 1]),
    "the algorithm": RECORDED.der.replace(SHA256_WITH_RSA, SHA256_WITH_RSA[:-1] + b"\x7f"),
    "the hash": RECORDED.der.replace(SHA256_WITH_RSA, SHA256_WITH_RSA[:-1] + b"\x04"),
    "a query": NOBODY,
    "a poll": seq(name("nobody"), name("nobody")),
}
SIGNERS = {
    "self-signed": responders.self_signed(responders.csr(3), 3),
    "EC": keys.ec_client(),
    "foreign": keys.certify("CN=sensor-17,O=Example", key=keys.rsa(3), issuer=keys.stranger()),
    "of this CA": responders.certified(3),
}
ENROLMENTS, QUERIES = ("17", "19"), ("21", "22")


@pytest.mark.conforms("S-06", "E-16", "R-04", "Q-03")
@pytest.mark.parametrize("message_type", [*ENROLMENTS, *QUERIES])
@pytest.mark.parametrize("signer", SIGNERS.values(), ids=SIGNERS)
def test_nobody_can_read_what_they_recorded(signer: Identity, message_type: str) -> None:
    closed = [
        answer(envelope, signer=signer, message_type=message_type) for envelope in BROKEN.values()
    ]
    assert all(each == closed[0] for each in closed)
    for what, content in CHANGED.items():
        # An enrolment that nobody changed may have an answer of its own.
        if content != RECORDED.der:
            opened = replace(GOOD, content=content)
            assert answer(opened, signer=signer, message_type=message_type) == closed[0], what


@pytest.mark.conforms("S-06", "P-05")
def test_a_poll_is_answered_whatever_is_inside() -> None:
    """Else somebody whose own request waits could tell by PENDING what opens."""
    responder = responders.new_responder(handler=ApprovalHandler())
    mine = replace(GOOD, content=responders.csr(3).der)
    signer = SIGNERS["self-signed"]
    answer(mine, responder=responder, signer=signer)
    (waiting,) = responder.store.pending()
    assert waiting.status is RecordStatus.PENDING
    envelopes = [*BROKEN.values(), *(replace(GOOD, content=each) for each in CHANGED.values())]
    for own in (True, False):
        asked = signer if own else SIGNER
        answers = [
            answer(envelope, responder=responder, signer=asked, message_type="20")
            for envelope in envelopes
        ]
        assert all(each == answers[0] for each in answers)


@pytest.mark.conforms("R-04", "R-05", "H-11")
def test_a_recorded_challenge_is_of_no_use_to_others() -> None:
    """Whoever makes a certificate as of another CA gets nothing for it, and uses nothing up."""
    responder = responders.new_responder(
        handler=replace(static_challenge(responders.CHALLENGE), one_time=True)
    )
    refused = answer(GOOD, responder=responder, signer=SIGNERS["foreign"])
    assert refused == answer(BROKEN["the padding"], responder=responder, signer=SIGNERS["foreign"])
    assert responder.store.get(TRANSACTION_ID) is None
    answer(GOOD, responder=responder)
    record = responder.store.get(TRANSACTION_ID)
    assert record is not None
    assert record.status is RecordStatus.ISSUED
