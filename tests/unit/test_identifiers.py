"""How CMS names a certificate: by issuer and serial number, or by key identifier."""

from __future__ import annotations

import pytest

from pyscep import der
from pyscep.certificates import Certificate, key_identifier_of
from pyscep.errors import DecodeError, LimitExceeded
from pyscep.identifiers import (
    CertificateIdentifier,
    IssuerAndSerialNumber,
    read_identifier,
    read_issuer_and_serial_number,
)
from pyscep.limits import Limits
from pyscep.names import Name, build_name
from tests.helpers import keys
from tests.helpers.message_factory import common_name, key_identifier
from tests.helpers.tlv import implicit, integer, issuer_and_serial, octets, seq

UTF8, PRINTABLE, BMP = 0x0C, 0x13, 0x1E
UTF8_CA = Name(common_name(b"Test CA", tag=UTF8))
SERIAL = 0x0123456789ABCDEF


def identifier_of(name: bytes, serial_number: int = SERIAL) -> CertificateIdentifier:
    return CertificateIdentifier(issuer_and_serial_number=seq(name, integer(serial_number)))


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return keys.certify(
        "CN=leaf", key=keys.rsa(1), issuer_name=UTF8_CA, serial_number=SERIAL
    ).certificate


def test_issuer_and_serial_number_of_a_certificate(certificate: Certificate) -> None:
    found = IssuerAndSerialNumber.of(certificate)

    assert found.issuer.der == UTF8_CA.der
    assert found.serial_number == SERIAL
    assert found.encode() == issuer_and_serial(certificate.der)
    assert str(found) == "serial number 123456789abcdef of CN=Test CA"


@pytest.mark.conforms("G-24")
def test_issuer_and_serial_number_keeps_the_bytes_of_the_name() -> None:
    encoded = seq(common_name(b"Test CA", tag=PRINTABLE), integer(5))

    found = der.read_der(encoded, read_issuer_and_serial_number)

    assert found.encode() == encoded
    # The same name to RFC 5280, other bytes.
    assert found == IssuerAndSerialNumber(issuer=UTF8_CA, serial_number=5)
    assert found != IssuerAndSerialNumber(issuer=UTF8_CA, serial_number=6)


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        integer(1),
        seq(),
        seq(UTF8_CA.der),
        seq(integer(1), UTF8_CA.der),
        seq(UTF8_CA.der, octets(b"\x01")),
        seq(UTF8_CA.der, integer(1), integer(2)),
        seq(seq(integer(1)), integer(1)),
        seq(UTF8_CA.der, integer(1)) + b"\x00",
    ],
)
def test_issuer_and_serial_number_refuses(encoded: bytes) -> None:
    with pytest.raises(DecodeError):
        der.read_der(encoded, read_issuer_and_serial_number)


def test_issuer_and_serial_number_has_a_limit() -> None:
    encoded = seq(build_name("CN=a,O=b,C=DE").der, integer(1))
    limits = Limits(name_attributes=2)

    with pytest.raises(LimitExceeded) as caught:
        read_issuer_and_serial_number(der.Reader(encoded), limits=limits)

    assert caught.value.limit == "name_attributes"
    assert caught.value.value == 3


@pytest.mark.conforms("M-33", "G-24")
@pytest.mark.parametrize(
    "issuer",
    [
        pytest.param(UTF8_CA.der, id="the same bytes"),
        pytest.param(common_name(b"Test CA", tag=PRINTABLE), id="another string type"),
        pytest.param(common_name("Test CA".encode("utf-16-be"), tag=BMP), id="BMPString"),
        pytest.param(common_name(b"  test  ca ", tag=UTF8), id="case and spaces"),
    ],
)
def test_certificate_is_named_by_issuer_and_serial_number(
    certificate: Certificate, issuer: bytes
) -> None:
    assert identifier_of(issuer).names(certificate)


@pytest.mark.parametrize(
    "identifier",
    [
        pytest.param(identifier_of(UTF8_CA.der, SERIAL + 1), id="another serial number"),
        pytest.param(identifier_of(common_name(b"Test CA 2", tag=UTF8)), id="another issuer"),
        pytest.param(CertificateIdentifier(subject_key_identifier=b"\x01" * 20), id="another key"),
        pytest.param(CertificateIdentifier(subject_key_identifier=b""), id="empty key identifier"),
        pytest.param(CertificateIdentifier(), id="nothing"),
    ],
)
def test_certificate_is_not_named_by(
    certificate: Certificate, identifier: CertificateIdentifier
) -> None:
    assert not identifier.names(certificate)


@pytest.mark.conforms("M-06")
def test_certificate_is_named_by_key_identifier(certificate: Certificate) -> None:
    key = key_identifier_of(certificate.public_key)
    identifier = CertificateIdentifier(subject_key_identifier=key)
    without = keys.certify("CN=leaf", key=keys.rsa(1), key_identifier=False).certificate

    assert identifier.names(certificate)
    # Without the extension it is computed the way RFC 5280 proposes.
    assert without.subject_key_identifier is None
    assert identifier.names(without)
    assert not identifier.names(keys.stranger().certificate)


def test_malformed_issuer_and_serial_number_is_noticed_when_compared(
    certificate: Certificate,
) -> None:
    identifier = CertificateIdentifier(issuer_and_serial_number=seq(integer(1)))

    with pytest.raises(DecodeError):
        identifier.names(certificate)


@pytest.mark.conforms("S-19")
def test_issuer_in_a_message_has_the_limits_of_the_message(certificate: Certificate) -> None:
    encoded = seq(common_name(b"a" * 5000, tag=UTF8), integer(SERIAL))

    with pytest.raises(LimitExceeded) as caught:
        read_identifier(der.Reader(encoded)).names(certificate)
    assert caught.value.limit == "name_size"

    tolerant = read_identifier(der.Reader(encoded), limits=Limits(name_size=6000))
    assert not tolerant.names(certificate)


def test_identifiers_can_be_shown() -> None:
    assert str(identifier_of(UTF8_CA.der, 255)) == "serial number ff of CN=Test CA"
    assert str(CertificateIdentifier(subject_key_identifier=b"\xab\xcd")) == "key identifier abcd"
    assert str(CertificateIdentifier()) == "key identifier "


@pytest.mark.conforms("M-06", "E-07")
def test_both_choices_are_read(certificate: Certificate) -> None:
    both = der.Reader(issuer_and_serial(certificate.der) + key_identifier(b"\x01\x02"))

    assert read_identifier(both) == CertificateIdentifier(
        issuer_and_serial_number=issuer_and_serial(certificate.der)
    )
    assert read_identifier(both) == CertificateIdentifier(subject_key_identifier=b"\x01\x02")
    assert both.at_end


@pytest.mark.parametrize("encoded", [b"", integer(1), implicit(1, b"\x01"), octets(b"\x01")])
def test_neither_choice_is_refused(encoded: bytes) -> None:
    with pytest.raises(DecodeError):
        read_identifier(der.Reader(encoded))
