"""Trap 24: GetNextCACert that signs nothing.

In the flat layout the new certificates stand in a field that the signature does not cover. And
there is neither nonce nor transactionID: an old reply has to be known by its dates.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pyscep.algorithms import SignatureAlgorithm
from pyscep.begin import pkcs_req
from pyscep.ca import CaCertificates, TrustedCa, parse_next_ca_certificates
from pyscep.certificates import Certificate, Identity, parse_certificate
from pyscep.errors import (
    DecodeError,
    LimitExceeded,
    MessageError,
    MissingAttribute,
    SignatureInvalid,
    UntrustedCa,
    WeakAlgorithm,
)
from pyscep.limits import Limits
from pyscep.pki_message import parse_pki_message
from tests.helpers import keys
from tests.helpers.exchanges import csr
from tests.helpers.keys import ENCRYPT, END, EVERYTHING, NOW, SIGN, certify
from tests.helpers.message_factory import SignedMessage, degenerate, reply_to, to_ber
from tests.helpers.tlv import ENVELOPED_DATA, SIGNED_DATA, integer, parse, seq

LATER = END + timedelta(days=3650)


def current() -> Identity:
    return keys.ca()


@functools.cache
def current_ca() -> TrustedCa:
    certificate = current().certificate
    return CaCertificates(certificates=(certificate,)).authenticate(anchors=[certificate], at=NOW)


def next_ca(
    *, number: int = 3, issuer: Identity | None = None, not_after: datetime = LATER
) -> Identity:
    return certify(
        current().certificate.subject,
        key=keys.rsa(number),
        issuer=issuer,
        ca=True,
        usages=EVERYTHING,
        not_before=END - timedelta(days=365),
        not_after=not_after,
    )


@functools.cache
def self_signed() -> Identity:
    """Return the usual next CA: the same name, a new key."""
    return next_ca()


@functools.cache
def cross_signed() -> Identity:
    """Return the same issued by the current CA, as the flat layout needs it."""
    return next_ca(issuer=current())


def nested(*identities: Identity, signer: Identity | None = None) -> SignedMessage:
    return SignedMessage(
        signer=signer or current(),
        content=degenerate([each.certificate.der for each in identities]),
    )


def flat(*identities: Identity, signer: Identity | None = None) -> SignedMessage:
    return SignedMessage(
        signer=signer or current(),
        certificates=tuple(each.certificate.der for each in identities),
    )


def read(message: SignedMessage, *, at: datetime | None = NOW) -> TrustedCa:
    return parse_next_ca_certificates(message.encode(), current=current_ca(), at=at)


# ---------------------------------------------------------------------------------- what is read


@pytest.mark.conforms("N-04", "N-08")
@pytest.mark.parametrize("content_type", [None, SIGNED_DATA], ids=["id-data", "id-signedData"])
@pytest.mark.parametrize("ber", [False, True], ids=["DER", "BER"])
def test_nested_reply_is_read(content_type: str | None, ber: bool) -> None:
    message = nested(self_signed())
    if content_type is not None:
        message = replace(message, content_type=content_type)
    encoded = message.encode()

    found = parse_next_ca_certificates(
        to_ber(encoded) if ber else encoded, current=current_ca(), at=NOW
    )

    assert found.issuer == self_signed().certificate
    assert found.signers == (self_signed().certificate,)
    assert found.recipient == self_signed().certificate
    # The current one is what it was.
    assert current_ca().issuer == current().certificate


@pytest.mark.conforms("N-04")
@pytest.mark.parametrize("content", [None, b""], ids=["absent", "empty"])
def test_flat_reply_is_read_if_the_current_ca_vouches_for_it(content: bytes | None) -> None:
    found = read(replace(flat(cross_signed(), current()), content=content))

    assert found.issuer == cross_signed().certificate
    assert found.chain.certificates == (cross_signed().certificate, current().certificate)


@pytest.mark.conforms("N-04")
@pytest.mark.parametrize("pki_status", ["2", "3"], ids=["FAILURE", "PENDING"])
def test_answer_to_an_enrolment_is_no_next_ca(pki_status: str) -> None:
    """Without content, it is signed by the CA whatever certificates stand beside it."""
    subordinate = certify(
        "CN=Somebody's own CA",
        key=keys.rsa(5),
        issuer=current(),
        ca=True,
        usages=EVERYTHING,
        not_after=LATER,
    )
    exchange = pkcs_req(csr(), identity=keys.client(), ca=current_ca())
    answer = reply_to(exchange.message, pki_status=pki_status)

    with pytest.raises(UntrustedCa, match="pkiMessage"):
        read(replace(answer, certificates=(subordinate.certificate.der,)))


@pytest.mark.conforms("N-04")
def test_next_ca_may_have_ra_certificates() -> None:
    signs = certify("CN=RA", key=keys.rsa(4), issuer=self_signed(), usages=SIGN)
    decrypts = certify("CN=RA", key=keys.rsa(5), issuer=self_signed(), usages=ENCRYPT)

    found = read(nested(decrypts, self_signed(), signs, current()))

    assert found.issuer == self_signed().certificate
    assert found.signers[0] == signs.certificate
    assert found.recipient == decrypts.certificate


@pytest.mark.conforms("N-02", "N-09")
def test_ra_that_signs_for_the_current_ca_may_sign() -> None:
    ra = certify("CN=RA", key=keys.rsa(4), issuer=current())
    ca = CaCertificates(
        certificates=(current().certificate, ra.certificate),
    ).authenticate(anchors=[current().certificate], at=NOW)

    for signer in (ra, current()):
        encoded = nested(self_signed(), signer=signer).encode()
        found = parse_next_ca_certificates(encoded, current=ca, at=NOW)
        assert found.issuer == self_signed().certificate


@pytest.mark.conforms("N-06")
def test_enrolling_under_the_next_ca_encrypts_to_its_certificate() -> None:
    ca = read(nested(self_signed()))

    sent = pkcs_req(csr(), identity=keys.client(), ca=ca).message

    message = parse_pki_message(sent).verify_possession()
    assert message.decrypt([self_signed()]).octets
    with pytest.raises(MessageError):
        message.decrypt([current()])


# ------------------------------------------------------------------------------- what is refused


def naive_next_ca(encoded: bytes) -> list[Certificate]:
    """Verify the signature with the current CA and take the certificates that stand beside it."""
    signed_data = parse(encoded).at(1, 0)
    signer_info = signed_data.children[-1].at(0)
    keys.provider().verify(
        current().certificate.public_key,
        signer_info.at(5).contents,
        replace(signer_info.at(3), tag=0x31).dump(),
        SignatureAlgorithm.RSA_SHA256,
    )
    return [parse_certificate(c.dump()) for c in signed_data.at(3).children]


def test_a_naive_client_takes_the_next_ca_of_an_attacker() -> None:
    """The attack works: a genuine signature, over nothing, and another certificate beside it."""
    genuine = flat(cross_signed())
    attackers = next_ca(number=2)
    changed = replace(flat(attackers), signer_infos=(genuine.encode_signer_info(),))

    assert naive_next_ca(genuine.encode()) == [cross_signed().certificate]
    assert naive_next_ca(changed.encode()) == [attackers.certificate]
    with pytest.raises(SignatureInvalid):
        naive_next_ca(replace(genuine, signature=bytes(256)).encode())
    with pytest.raises(UntrustedCa):
        read(changed)


@pytest.mark.conforms("N-04")
@pytest.mark.parametrize("swapped", [2, 6])
def test_swapped_certificate_in_a_flat_reply_is_refused(swapped: int) -> None:
    """The signature is genuine and still fits: it is over nothing."""
    genuine = flat(cross_signed())
    signer_info = genuine.encode_signer_info()
    attackers = next_ca(number=swapped)
    changed = replace(flat(attackers), signer_infos=(signer_info,))

    assert read(replace(genuine, signer_infos=(signer_info,))).issuer == cross_signed().certificate
    with pytest.raises(UntrustedCa, match="nothing vouches for it") as caught:
        read(changed)
    assert caught.value.expected == caught.value.actual == "CN=Test CA,O=Example"


@pytest.mark.conforms("N-03", "N-04")
def test_swapped_certificate_in_a_nested_reply_is_refused() -> None:
    signer_info = nested(self_signed()).encode_signer_info()
    changed = replace(nested(next_ca(number=2)), signer_infos=(signer_info,))

    with pytest.raises(SignatureInvalid):
        read(changed)


@pytest.mark.conforms("N-03", "N-09")
@pytest.mark.parametrize("layout", [nested, flat])
def test_reply_signed_by_a_key_inside_it_is_refused(layout: object) -> None:
    assert callable(layout)
    attacker = certify(
        current().certificate.subject,
        key=keys.rsa(2),
        ca=True,
        usages=EVERYTHING,
        serial_number=current().certificate.serial_number,
        not_after=LATER,
    )
    signed_by_itself = layout(attacker, signer=attacker)
    signed_by_the_next = layout(self_signed(), signer=self_signed())

    for message in (signed_by_itself, signed_by_the_next):
        with pytest.raises(SignatureInvalid):
            read(message)


@pytest.mark.conforms("N-03")
def test_unsigned_reply_is_refused() -> None:
    certificates = [self_signed().certificate.der]

    with pytest.raises(MessageError, match="0 signers"):
        parse_next_ca_certificates(degenerate(certificates), current=current_ca(), at=NOW)
    with pytest.raises(MissingAttribute):
        read(replace(nested(self_signed()), has_signed_attributes=False))
    with pytest.raises(SignatureInvalid):
        read(replace(nested(self_signed()), signature=bytes(256)))


@pytest.mark.conforms("N-05")
@pytest.mark.parametrize("layout", [nested, flat])
def test_reply_from_before_the_last_rollover_is_refused(layout: object) -> None:
    """It brought the CA of today, which is nothing new today."""
    assert callable(layout)

    with pytest.raises(UntrustedCa, match="no CA certificate that is new"):
        read(layout(current()))
    with pytest.raises(UntrustedCa, match="no CA certificate that is new"):
        read(layout())


@pytest.mark.conforms("N-05")
@pytest.mark.parametrize("not_after", [END, END - timedelta(days=1)])
@pytest.mark.parametrize("issued_by_current", [False, True], ids=["nested", "flat"])
def test_ca_that_does_not_outlive_the_current_one_is_refused(
    not_after: datetime, issued_by_current: bool
) -> None:
    issuer = current() if issued_by_current else None
    old = next_ca(issuer=issuer, not_after=not_after)

    with pytest.raises(UntrustedCa, match="old reply") as caught:
        read(flat(old) if issued_by_current else nested(old))

    assert caught.value.expected == f"after {END:%Y-%m-%d}"
    assert caught.value.actual == f"{not_after:%Y-%m-%d}"


@pytest.mark.conforms("N-05", "G-14")
def test_next_ca_that_has_expired_is_refused() -> None:
    message = nested(self_signed())

    with pytest.raises(UntrustedCa):
        read(message, at=LATER + timedelta(days=1))
    for at in (LATER, None):
        assert read(message, at=at).issuer == self_signed().certificate


@pytest.mark.conforms("N-03", "G-17")
def test_stranger_among_the_next_certificates_is_refused() -> None:
    """Even signed by the current CA: an RA has to belong to the next one."""
    with pytest.raises(UntrustedCa, match="CN=Stranger"):
        read(nested(self_signed(), keys.stranger()))


@pytest.mark.conforms("N-04")
def test_content_has_to_hold_certificates() -> None:
    with pytest.raises(MessageError, match=ENVELOPED_DATA):
        read(replace(nested(self_signed()), content_type=ENVELOPED_DATA))
    for content in (b"\x00", b"garbage", seq(integer(1)), self_signed().certificate.der):
        with pytest.raises(DecodeError):
            read(replace(nested(), content=content))


@pytest.mark.conforms("S-04", "M-36")
def test_md5_is_refused_here_too() -> None:
    sha1 = replace(nested(self_signed()), digest="sha1")
    assert read(sha1).issuer == self_signed().certificate

    with pytest.raises(WeakAlgorithm) as caught:
        read(replace(sha1, digest_identifier=seq(bytes.fromhex("06082a864886f70d0205"))))
    assert caught.value.algorithm == "MD5"


@pytest.mark.conforms("S-19")
def test_limits_hold_for_both_layouts() -> None:
    for message in (nested(self_signed(), current()), flat(cross_signed(), current())):
        with pytest.raises(LimitExceeded) as caught:
            parse_next_ca_certificates(
                message.encode(), current=current_ca(), at=NOW, limits=Limits(certificates=1)
            )
        assert caught.value.limit == "certificates"
