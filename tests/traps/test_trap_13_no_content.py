"""Trap 13: three spellings of "no content".

A FAILURE or PENDING has no eContent, or an empty one, or (NDES) one of a single zero byte; the
digest is over what is there.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.errors import MessageError, SignatureInvalid
from pyscep.messages import CertRep, PkiStatus
from pyscep.pki_message import encode_cert_rep, parse_pki_message
from pyscep.transaction import Failure, Pending
from tests.helpers import keys
from tests.helpers.exchanges import enrolment
from tests.helpers.message_factory import SignedMessage, reply_to, request, to_ber
from tests.helpers.tlv import DATA, explicit, octets, oid, parse, seq

SPELLINGS = {
    "absent": (None, b""),
    "an empty [0]": (b"", explicit(0)),
    "an empty OCTET STRING": (b"", explicit(0, octets(b""))),
    "one zero byte": (b"\x00", explicit(0, octets(b"\x00"))),
}
spellings = pytest.mark.parametrize("spelling", SPELLINGS)


def spelled(spelling: str, message: SignedMessage) -> SignedMessage:
    content, field = SPELLINGS[spelling]
    return replace(message, content=content, encapsulated=seq(oid(DATA), field))


@pytest.mark.conforms("M-04")
@spellings
@pytest.mark.parametrize("ber", [False, True], ids=["DER", "BER"])
@pytest.mark.parametrize(("status", "kind"), [("2", Failure), ("3", Pending)])
def test_all_spellings_are_read(spelling: str, ber: bool, status: str, kind: type) -> None:
    exchange = enrolment()
    message = spelled(spelling, reply_to(exchange.message, pki_status=status)).encode()

    assert isinstance(exchange.receive(to_ber(message) if ber else message), kind)


@pytest.mark.conforms("A-09")
@spellings
def test_success_without_content_is_refused_in_all_spellings(spelling: str) -> None:
    exchange = enrolment()
    message = spelled(spelling, reply_to(exchange.message, pki_status="0"))

    with pytest.raises(MessageError, match="no content") as caught:
        exchange.receive(message.encode())
    assert caught.value.reference == "RFC 8894 section 3.2"


@pytest.mark.conforms("M-04", "M-09")
@spellings
def test_digest_is_over_what_is_there(spelling: str) -> None:
    exchange = enrolment()
    message = spelled(spelling, reply_to(exchange.message))
    digest_of_other = hashlib.sha256(b"" if message.content else b"\x00").digest()

    with pytest.raises(SignatureInvalid, match="messageDigest"):
        exchange.receive(message.having("messageDigest", octets(digest_of_other)).encode())


@pytest.mark.conforms("A-09")
@pytest.mark.parametrize(("status", "kind"), [("2", Failure), ("3", Pending)])
def test_content_where_none_belongs_is_ignored(status: str, kind: type) -> None:
    exchange = enrolment()
    message = reply_to(exchange.message, pki_status=status, content=b"not even an envelope")

    assert isinstance(exchange.receive(message.encode()), kind)


@pytest.mark.conforms("M-03", "A-05", "A-06")
@pytest.mark.parametrize("status", [PkiStatus.FAILURE, PkiStatus.PENDING])
def test_our_own_spelling_is_the_first(status: PkiStatus) -> None:
    written = encode_cert_rep(
        CertRep(pki_status=status),
        request=parse_pki_message(request().encode()).verify_possession(),
        sender_nonce=bytes(16),
        identity=keys.ca(),
        content_encryption_algorithm=ContentEncryptionAlgorithm.AES128_CBC,
        digest_algorithm=DigestAlgorithm.SHA256,
    )

    assert parse(written).at(1, 0, 2).dump() == bytes.fromhex("300b06092a864886f70d010701")
