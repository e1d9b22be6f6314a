"""The caller's limits, and other arguments, reach the last function that has a use for them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
)
from pyscep.ca import CaCertificates, parse_ca_certificates, parse_next_ca_certificates
from pyscep.certificates import parse_certificate
from pyscep.cms_enveloped import KeyTransRecipient, parse_enveloped_data
from pyscep.cms_signed import parse_degenerate
from pyscep.errors import LimitExceeded, SignatureInvalid, UntrustedCa, UsageError
from pyscep.extensions import ExtendedKeyUsage
from pyscep.limits import Limits
from pyscep.messages import CertRep, PKCSReq, PkiStatus
from pyscep.pem import write_pem
from pyscep.pkcs10 import parse_csr
from pyscep.pki_message import encode_cert_rep, encode_request, parse_pki_message
from pyscep.transaction import Transaction
from tests.helpers import exchanges, keys, responders
from tests.helpers.message_factory import (
    Envelope,
    SignedMessage,
    cert_rep,
    degenerate,
    request,
    to_ber,
)
from tests.helpers.tlv import RSAES_OAEP, oid


@pytest.mark.conforms("S-19")
def test_into_a_bag() -> None:
    bag = degenerate([keys.ca().certificate.der])
    parse_degenerate(bag, limits=Limits(message_size=len(bag)))
    with pytest.raises(LimitExceeded) as size:
        parse_degenerate(bag, limits=Limits(message_size=len(bag) - 1))
    with pytest.raises(LimitExceeded) as depth:
        parse_degenerate(to_ber(bag), limits=Limits(depth=3))
    assert (size.value.limit, depth.value.limit) == ("message_size", "depth")


@pytest.mark.conforms("S-19")
def test_into_the_certificates_of_the_next_ca() -> None:
    following = keys.certify("CN=Next", key=keys.rsa(3), ca=True, usages=keys.EVERYTHING)
    message = SignedMessage(signer=keys.ca(), content=degenerate([following.certificate.der]))
    with pytest.raises(LimitExceeded) as caught:
        parse_next_ca_certificates(
            message.encode(),
            current=exchanges.trusted_ca(),
            at=keys.NOW,
            limits=Limits(extensions=1),
        )
    assert caught.value.limit == "extensions"


@pytest.mark.conforms("S-19", "X-05")
def test_into_the_name_of_a_saved_transaction() -> None:
    saved = exchanges.enrolment().transaction.to_json()
    with pytest.raises(LimitExceeded) as name:
        Transaction.from_json(saved, limits=Limits(name_size=5))
    with pytest.raises(LimitExceeded, match="The saved transaction has") as text:
        Transaction.from_json(saved, limits=Limits(json_size=5))
    assert (name.value.limit, text.value.limit) == ("name_size", "json_size")


@pytest.mark.conforms("S-19", "M-33")
def test_into_the_certificate_beside_a_signature() -> None:
    """A certificate that the limits do not let through is none."""
    message = request(content=b"a").encode()
    parse_pki_message(message).verify_possession()
    with pytest.raises(SignatureInvalid, match="a client has to enclose it"):
        parse_pki_message(message, limits=Limits(extensions=1)).verify_possession()


@pytest.mark.conforms("E-08")
def test_the_key_encryption_of_a_request() -> None:
    message = encode_request(
        PKCSReq(csr=exchanges.csr()),
        transaction_id="1",
        sender_nonce=bytes(16),
        identity=keys.client(),
        recipient=keys.ca().certificate,
        content_encryption_algorithm=ContentEncryptionAlgorithm.AES128_CBC,
        digest_algorithm=DigestAlgorithm.SHA256,
        key_encryption_algorithm=KeyEncryptionAlgorithm.RSA_OAEP_SHA1,
    )
    (recipient,) = parse_pki_message(message).verify_possession().envelope().recipients
    assert isinstance(recipient, KeyTransRecipient)
    assert oid(RSAES_OAEP) in recipient.algorithm_identifier


@pytest.mark.conforms("E-08", "E-20")
def test_the_key_encryption_of_a_reply() -> None:
    asked = parse_pki_message(request(content=b"a").encode()).verify_possession()
    reply = encode_cert_rep(
        CertRep(pki_status=PkiStatus.SUCCESS, certificates=(keys.client().certificate.der,)),
        request=asked,
        sender_nonce=bytes(16),
        identity=keys.ca(),
        content_encryption_algorithm=ContentEncryptionAlgorithm.AES128_CBC,
        digest_algorithm=DigestAlgorithm.SHA256,
        key_encryption_algorithm=KeyEncryptionAlgorithm.RSA_OAEP_SHA1,
    )
    envelope = parse_pki_message(reply).verify([keys.ca().certificate]).envelope()
    (recipient,) = envelope.recipients
    assert isinstance(recipient, KeyTransRecipient)
    assert oid(RSAES_OAEP) in recipient.algorithm_identifier


@pytest.mark.conforms("G-15")
def test_the_fingerprint_that_was_expected() -> None:
    received = CaCertificates(certificates=(keys.ca().certificate,))
    wrong = hashlib.sha1(b"another", usedforsecurity=False).hexdigest()
    with pytest.raises(UntrustedCa) as caught:
        received.authenticate(sha1=wrong, at=keys.NOW)
    assert caught.value.expected == wrong


@pytest.mark.conforms("S-19")
def test_into_ca_certificates_in_every_form() -> None:
    certificate = keys.ca().certificate
    bag = degenerate([certificate.der])
    for octets in (certificate.der, bag, write_pem("PKCS7", bag), certificate.pem().encode()):
        parse_ca_certificates(octets)
        with pytest.raises(LimitExceeded) as caught:
            parse_ca_certificates(octets, limits=Limits(extensions=1))
        assert caught.value.limit == "extensions"


@pytest.mark.conforms("S-19")
def test_into_the_names_of_signers_and_recipients() -> None:
    limits = Limits(name_size=5)
    signed = parse_pki_message(request(content=b"a").encode(), limits=limits)
    with pytest.raises(LimitExceeded) as signer:
        signed.verify([keys.ca().certificate])
    octets = Envelope(recipient=keys.client().certificate, content=b"a").encode()
    with pytest.raises(LimitExceeded) as recipient:
        parse_enveloped_data(octets, limits=limits).addressee([keys.ca()])
    assert (signer.value.limit, recipient.value.limit) == ("name_size", "name_size")


@pytest.mark.conforms("S-19")
@pytest.mark.parametrize("parse", [parse_certificate, parse_csr])
def test_to_public_keys(parse: Callable[..., object]) -> None:
    """The last few are remembered, so their sizes are bounded."""
    octets = keys.ca().certificate.der if parse is parse_certificate else responders.csr().der
    size = len(keys.ca().certificate.public_key)
    parse(octets, limits=Limits(public_key_size=size))
    with pytest.raises(LimitExceeded, match=f"A public key has {size} bytes") as caught:
        parse(octets, limits=Limits(public_key_size=size - 1))
    assert caught.value.limit == "public_key_size"


@pytest.mark.conforms("S-19")
def test_into_the_ber_of_a_bag() -> None:
    bag = to_ber(degenerate([keys.ca().certificate.der]))
    for octets in (bag, write_pem("PKCS7", bag)):
        parse_ca_certificates(octets)
        with pytest.raises(LimitExceeded) as caught:
            parse_ca_certificates(octets, limits=Limits(elements=5))
        assert caught.value.limit == "elements"


@pytest.mark.conforms("G-14")
def test_a_moment_without_verification() -> None:
    """Even who trusts anybody may ask for certificates that have not expired."""
    received = CaCertificates(certificates=(keys.ca().certificate,))
    received.authenticate_without_verification(reason="laboratory", at=keys.NOW)
    received.authenticate_without_verification(reason="laboratory", at=None)
    with pytest.raises(UntrustedCa):
        received.authenticate_without_verification(
            reason="laboratory", at=keys.END + timedelta(days=1)
        )


def test_an_ordinary_certificate_as_ra_without_verification() -> None:
    """Where everybody is trusted, the purposes of the RA say nothing either."""
    ra = keys.certify(
        "CN=RA", key=keys.rsa(3), issuer=keys.ca(), purposes=[ExtendedKeyUsage.CLIENT_AUTH.value]
    ).certificate
    received = CaCertificates(certificates=(ra, keys.ca().certificate))
    with pytest.raises(UntrustedCa):
        received.authenticate(anchors=[keys.ca().certificate], at=keys.NOW)
    trusted = received.authenticate_without_verification(reason="laboratory", at=keys.NOW)
    assert trusted.recipient == ra


@pytest.mark.conforms("G-15")
@pytest.mark.parametrize(("argument", "name"), [("sha256", "SHA-256"), ("sha1", "SHA-1")])
def test_which_hash_a_fingerprint_should_be_of(argument: str, name: str) -> None:
    received = CaCertificates(certificates=(keys.ca().certificate,))
    fingerprint: dict[str, Any] = {argument: "00" * 7}
    with pytest.raises(UsageError, match=f"has 7 bytes, but {name} has") as caught:
        received.authenticate(at=keys.NOW, **fingerprint)
    assert caught.value.argument == argument


def test_what_stood_in_the_place_of_the_next_ca() -> None:
    message = cert_rep(pki_status="3").encode()
    with pytest.raises(UntrustedCa) as caught:
        parse_next_ca_certificates(message, current=exchanges.trusted_ca(), at=keys.NOW)
    assert caught.value.expected == "a signed set of certificates"
    assert caught.value.actual == "a pkiMessage"
