"""Every message of the test vectors is explained, whatever is wrong with it."""

from __future__ import annotations

import functools

import pytest

pytest.importorskip("cryptography", reason="the extra [cryptography] is not installed")

from pyscep.cms_enveloped import RecipientKind
from pyscep.inspection import Inspection, Kind, Level, SignatureState, inspect
from pyscep.inspection.message import MESSAGE_NAMES
from pyscep.keys import PrivateKey
from pyscep.messages import FailInfo, MessageType
from pyscep.testing.vectors import VectorSet, build_vectors
from pyscep.testing.vectors.model import Content, Reader, Rejection, Vector
from tests.helpers import keys

KINDS = {
    Content.CA_CAPS: {Kind.CAPABILITIES, Kind.EMPTY, Kind.UNKNOWN},
    Content.CA_CERT: {Kind.CERTIFICATE, Kind.DEGENERATE},
    Content.NEXT_CA_CERT: {Kind.NEXT_CA_CERTIFICATES},
    Content.PKI_MESSAGE: {Kind.PKI_MESSAGE},
    Content.QUERY: {Kind.PKI_MESSAGE},
}
# What one message shows by itself; the other reasons need the request, the CA or its records.
BY_ITSELF = {
    Rejection.MALFORMED,
    Rejection.TOO_LARGE,
    Rejection.MISSING_ATTRIBUTE,
    Rejection.DUPLICATE_ATTRIBUTE,
    Rejection.SIGNATURE,
}
# Signatures of what is inside, which only the CA's other certificates or the records judge.
NOT_BY_ITSELF = {"replies/wrong-get-crl-other-ca"}
# With all keys at hand these open; to a server what is inside looks like any other failure (S-06).
OPENED = {
    "requests/wrong-poll-with-csr",
    "requests/wrong-pkcs-req-with-poll",
    "requests/wrong-encrypted-with-wrong-key",
    "replies/wrong-encrypted-with-wrong-key",
}


@functools.cache
def vectors() -> VectorSet:
    return build_vectors(provider=keys.provider())


@functools.cache
def every_key() -> list[PrivateKey]:
    # Loading checks the primes, which takes longer than a test.
    return [keys.provider().load_private_key(pem) for pem in vectors().keys.values()]


NAMES = [vector.name for vector in vectors().vectors]


def find(name: str) -> Vector:
    return next(vector for vector in vectors().vectors if vector.name == name)


def look(vector: Vector) -> Inspection:
    known = vectors()
    authority = known.authorities[vector.authority]
    signers = [known.certificates[name][0] for name in authority.signers]
    return inspect(
        vector.octets,
        keys=every_key(),
        passwords=[known.challenge_password],
        signers=signers if vector.reader is Reader.CLIENT else (),
        at=known.at,
        provider=keys.provider(),
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_vector_is_explained(name: str) -> None:
    vector = find(name)
    seen = look(vector)
    departures = [each for each in seen.findings if each.level is not Level.NOTE]
    rejection = vector.expected.rejection
    if rejection is None:
        assert seen.kind in KINDS[vector.content]
    if rejection in BY_ITSELF and name not in NOT_BY_ITSELF:
        assert departures
    if rejection is Rejection.SIGNATURE and name not in NOT_BY_ITSELF:
        states = {seen.signature, seen.csr and seen.csr.signature}
        assert states & {SignatureState.INVALID, SignatureState.NOT_CHECKED}
    if rejection is Rejection.DECRYPTION and name not in OPENED:
        assert seen.decrypted is False


@pytest.mark.parametrize("name", [each.name for each in vectors().vectors if each.message])
def test_what_is_in_it_is_shown(name: str) -> None:
    vector = find(name)
    message = vector.message
    assert message is not None
    seen = look(vector)
    reason = {each.value: each.rfc_name for each in FailInfo}
    assert seen.message_type == MESSAGE_NAMES[message.message_type]
    assert seen.transaction_id == message.transaction_id
    assert seen.sender_nonce == message.sender_nonce
    # A request has none by right, and what is there all the same is shown.
    if message.message_type is MessageType.CERT_REP:
        assert seen.recipient_nonce == message.recipient_nonce
    assert seen.pki_status == (message.pki_status and message.pki_status.name)
    expected = message.fail_info
    assert seen.fail_info == (None if expected is None else reason.get(expected, str(expected)))
    assert seen.fail_info_text == message.fail_info_text
    assert seen.digest_algorithm == message.digest.name
    assert seen.content_encryption_algorithm == (message.cipher and message.cipher.name)
    by_password = message.key_encryption is RecipientKind.PASSWORD
    if name.endswith("/drafted-key-and-password"):
        # The first of two recipients is shown, which is another's key.
        assert seen.key_encryption_algorithm == "RSA_PKCS1_V15"
    else:
        encryption = message.key_encryption
        assert seen.key_encryption_algorithm == (encryption and encryption.name)
    if not name.endswith("/drafted-key-and-odd-password"):
        assert (seen.password_recipient is not None) is by_password
    if by_password:
        assert seen.decrypted is True
