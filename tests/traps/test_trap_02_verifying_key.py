"""Trap 2: verifying with a certificate out of the message.

A certificate inside a reply that merely has the CA's issuer and serial number proves nothing, and
a reply without any certificate is verified all the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import pytest

from pyscep.algorithms import SignatureAlgorithm
from pyscep.certificates import Identity, key_identifier_of, parse_certificate
from pyscep.errors import SignatureInvalid
from pyscep.transaction import Pending
from tests.helpers import keys
from tests.helpers.exchanges import enrolment
from tests.helpers.message_factory import SignedMessage, key_identifier, reply_to
from tests.helpers.tlv import Node, issuer_and_serial, parse


@functools.cache
def look_alike() -> Identity:
    """Return a self-made certificate with the names, serial number and usages of the CA's."""
    genuine = keys.ca().certificate
    made = keys.certify(
        genuine.subject,
        key=keys.rsa(2),
        ca=True,
        usages=keys.EVERYTHING,
        serial_number=genuine.serial_number,
    )
    assert made.certificate.issuer_and_serial_number == genuine.issuer_and_serial_number
    return made


def forged(genuine: SignedMessage, *certificates: Identity) -> SignedMessage:
    enclosed = tuple(each.certificate.der for each in certificates)
    return replace(genuine, signer=look_alike(), certificates=enclosed)


def with_key_identifier(genuine: SignedMessage) -> SignedMessage:
    key_of_ca = key_identifier(key_identifier_of(keys.ca().certificate.public_key))
    return replace(forged(genuine, look_alike()), sid=key_of_ca)


FORGERIES: dict[str, Callable[[SignedMessage], SignedMessage]] = {
    "its certificate inside": lambda m: forged(m, look_alike()),
    "both certificates inside": lambda m: forged(m, keys.ca(), look_alike()),
    "the CA's certificate inside": lambda m: forged(m, keys.ca()),
    "no certificate inside": forged,
    "the CA's key identifier": with_key_identifier,
    "random signature": lambda m: replace(m, signature=bytes(256)),
    "random signature, no certificate": lambda m: replace(m, signature=bytes(256), certificates=()),
}


@pytest.mark.conforms("M-34", "S-14", "A-10")
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
@pytest.mark.parametrize("status", ["0", "2", "3"])
def test_forged_reply_is_refused(
    forge: Callable[[SignedMessage], SignedMessage], status: str
) -> None:
    exchange = enrolment()
    genuine = reply_to(exchange.message, pki_status=status)

    with pytest.raises(SignatureInvalid):
        exchange.receive(forge(genuine).encode())


def naive_verification(encoded: bytes, ca: Identity) -> str:
    """Verify as jscep does: with the certificate inside that has the CA's issuer and serial.

    Where there is none, it warns and accepts.
    """
    signed_data = parse(encoded).at(1, 0)
    signer_info = signed_data.children[-1].at(0)
    wanted = issuer_and_serial(ca.certificate.der)
    inside = [c.dump() for c in signed_data.at(3).children] if signed_data.at(3).tag == 0xA0 else []
    for certificate in inside:
        if issuer_and_serial(certificate) == wanted:
            received = replace_tag(signer_info.at(3), 0x31)
            keys.provider().verify(
                parse_certificate(certificate).public_key,
                signer_info.at(5).contents,
                received,
                SignatureAlgorithm.RSA_SHA256,
            )
            return "verified"
    return "accepted with a warning"


def replace_tag(node: Node, tag: int) -> bytes:
    return replace(node, tag=tag).dump()


def test_the_naive_reader_verifies_what_is_genuine() -> None:
    genuine = reply_to(enrolment().message)
    assert naive_verification(genuine.encode(), keys.ca()) == "verified"
    with pytest.raises(SignatureInvalid):
        naive_verification(replace(genuine, signature=bytes(256)).encode(), keys.ca())


def test_the_naive_reader_believes_the_forgeries() -> None:
    """The attack works: a self-made certificate inside, or none and any signature at all."""
    genuine = reply_to(enrolment().message)
    for name in (
        "its certificate inside",
        "no certificate inside",
        "random signature, no certificate",
    ):
        assert naive_verification(FORGERIES[name](genuine).encode(), keys.ca())


@pytest.mark.conforms("M-32")
@pytest.mark.parametrize("enclosed", [(), None], ids=["none", "its own"])
def test_genuine_reply_is_accepted_with_and_without_certificates(
    enclosed: tuple[bytes, ...] | None,
) -> None:
    exchange = enrolment()
    message = replace(reply_to(exchange.message), certificates=enclosed)

    assert isinstance(exchange.receive(message.encode()), Pending)


@pytest.mark.conforms("M-34", "A-12")
def test_genuine_reply_with_the_look_alike_inside_is_still_genuine() -> None:
    exchange = enrolment()
    message = replace(reply_to(exchange.message), certificates=(look_alike().certificate.der,))

    assert isinstance(exchange.receive(message.encode()), Pending)


@pytest.mark.conforms("A-12")
def test_other_certificate_of_the_same_ca_may_not_sign() -> None:
    exchange = enrolment()
    customer = keys.certify("CN=www", key=keys.rsa(2), issuer=keys.ca())
    message = replace(reply_to(exchange.message), signer=customer)

    with pytest.raises(SignatureInvalid, match="CN=Test CA"):
        exchange.receive(message.encode())
