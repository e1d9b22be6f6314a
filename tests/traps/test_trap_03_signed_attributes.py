"""Trap 3: signed attributes are not optional, and content is not attributes.

In CMS a signature over signed attributes is also one over a content that equals those attributes.
Only who insists on signed attributes, and on the type of the content, is safe.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from pyscep.algorithms import SignatureAlgorithm
from pyscep.errors import MessageError, MissingAttribute, SignatureInvalid
from pyscep.pki_message import parse_pki_message
from pyscep.transaction import Pending
from tests.helpers import keys
from tests.helpers.exchanges import enrolment
from tests.helpers.message_factory import cert_rep, reply_to, request
from tests.helpers.tlv import ENVELOPED_DATA, SIGNED_DATA, oid, parse, printable, tlv

SCHEME = SignatureAlgorithm.RSA_SHA256


def naive_verification(encoded: bytes) -> bytes:
    """Verify as RFC 5652 has it, signed attributes or not, and return the content."""
    signed_data = parse(encoded).at(1, 0)
    encapsulated = signed_data.at(2)
    content = encapsulated.at(1, 0).contents if len(encapsulated.children) > 1 else b""
    signer_info = signed_data.children[-1].at(0)
    signed, signature = content, signer_info.children[-1].contents
    if signer_info.at(3).tag == 0xA0:
        signed = replace(signer_info.at(3), tag=0x31).dump()
        assert hashlib.sha256(content).digest() in signed
    keys.provider().verify(keys.ca().certificate.public_key, signature, signed, SCHEME)
    return content


@pytest.mark.conforms("M-08", "S-12")
def test_attributes_moved_into_the_content_are_refused() -> None:
    exchange = enrolment()
    genuine = reply_to(exchange.message)
    attributes = tlv(0x31, genuine.signed_attributes(in_order=True))
    signature = keys.ca().key.sign(attributes, SCHEME)

    moved = replace(genuine, content=attributes, has_signed_attributes=False, signature=signature)

    # A verifier that knows of CMS only is content with it: the attack works there.
    assert naive_verification(genuine.encode()) == b""
    assert naive_verification(moved.encode()) == attributes
    with pytest.raises(MissingAttribute) as caught:
        exchange.receive(moved.encode())
    assert caught.value.attribute == "signedAttrs"
    assert caught.value.reference == "RFC 8894 section 3.2"


@pytest.mark.conforms("M-08", "S-12")
def test_signature_over_the_content_alone_is_refused() -> None:
    for message in (cert_rep(content=b"a"), request(content=b"a")):
        with pytest.raises(MissingAttribute):
            parse_pki_message(replace(message, has_signed_attributes=False).encode())


@pytest.mark.conforms("M-01", "M-09", "S-12")
@pytest.mark.parametrize("content_type", [SIGNED_DATA, ENVELOPED_DATA, "1.2.3"])
def test_content_of_another_type_is_refused(content_type: str) -> None:
    """Content made to look like attributes needs another type, or the attribute says another."""
    consistent = replace(cert_rep(content=b"a"), content_type=content_type)
    attribute_only = cert_rep(content=b"a").having("contentType", oid(content_type))

    with pytest.raises(MessageError) as caught:
        parse_pki_message(consistent.encode())
    assert content_type in str(caught.value)
    with pytest.raises(SignatureInvalid, match=content_type):
        parse_pki_message(attribute_only.encode()).verify([keys.ca().certificate])


@pytest.mark.conforms("M-08", "M-10")
@pytest.mark.parametrize("name", ["transactionID", "messageType", "pkiStatus", "recipientNonce"])
def test_every_attribute_is_covered_by_the_signature(name: str) -> None:
    exchange = enrolment()
    genuine = reply_to(exchange.message)
    attributes = tlv(0x31, genuine.signed_attributes(in_order=True))
    signature = keys.ca().key.sign(attributes, SCHEME)

    for changed in (genuine.having(name, printable("9")), genuine.without(name)):
        with pytest.raises(SignatureInvalid):
            exchange.receive(replace(changed, signature=signature).encode())
    kept = exchange.receive(replace(genuine, signature=signature).encode())
    assert isinstance(kept, Pending)
