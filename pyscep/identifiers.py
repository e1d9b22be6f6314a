"""How CMS names a certificate: by issuer and serial number, or by key identifier."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyscep import der
from pyscep.certificates import Certificate, key_identifier_of
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.names import Name, parse_name


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerAndSerialNumber:
    """An issuer's name and a serial number.

    It is also the whole content of GetCert and GetCRL.

    Source: RFC 5652 section 10.2.4; RFC 8894 section 3.3.4; Q-01.
    """

    issuer: Name
    """The issuer's name; its bytes are kept (G-24)."""
    serial_number: int
    """The serial number."""

    @classmethod
    def of(cls, certificate: Certificate) -> IssuerAndSerialNumber:
        """Return what names *certificate*."""
        return cls(issuer=certificate.issuer, serial_number=certificate.serial_number)

    def encode(self) -> bytes:
        """Return the DER."""
        return der.sequence(self.issuer.der, der.integer(self.serial_number))

    def __str__(self) -> str:
        return f"serial number {self.serial_number:x} of {self.issuer}"


def read_issuer_and_serial_number(
    reader: der.Reader, *, limits: Limits = DEFAULT_LIMITS
) -> IssuerAndSerialNumber:
    """Read ``SEQUENCE { issuer Name, serialNumber INTEGER }``.

    :raises DecodeError: not that structure.
    :raises LimitExceeded: a name with more attributes or bytes than *limits* allow.

    Source: RFC 5652 section 10.2.4.
    """
    fields = reader.enter()
    issuer = parse_name(fields.read_raw_of(der.SEQUENCE, "the issuer"), limits=limits)
    serial_number = fields.read_integer()
    fields.finish()
    return IssuerAndSerialNumber(issuer=issuer, serial_number=serial_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateIdentifier:
    """The CHOICE with which a SignerInfo or RecipientInfo names a certificate, as received.

    Source: RFC 5652 sections 5.3 and 6.2.1; M-06, M-33, E-07.
    """

    issuer_and_serial_number: bytes | None = None
    """DER IssuerAndSerialNumber."""
    subject_key_identifier: bytes | None = None
    """The key identifier, instead of it."""
    _limits: Limits = field(default=DEFAULT_LIMITS, repr=False, compare=False)

    def names(self, certificate: Certificate) -> bool:
        """Whether it names *certificate*; issuers are compared as RFC 5280 does (G-24).

        :raises DecodeError: what was received is no IssuerAndSerialNumber.
        :raises LimitExceeded: its issuer has more attributes or bytes than the limits allow.
        """
        if self.issuer_and_serial_number is None:
            known = certificate.subject_key_identifier or key_identifier_of(certificate.public_key)
            return self.subject_key_identifier == known
        # Nearly always the very same bytes; only otherwise is parsing worth its price.
        if self.issuer_and_serial_number == certificate.issuer_and_serial_number:
            return True
        return self._decoded() == IssuerAndSerialNumber.of(certificate)

    def __str__(self) -> str:
        if self.issuer_and_serial_number is None:
            return f"key identifier {(self.subject_key_identifier or b'').hex()}"
        return str(self._decoded())

    def _decoded(self) -> IssuerAndSerialNumber:
        return der.read_der(
            self.issuer_and_serial_number or b"",
            lambda reader: read_issuer_and_serial_number(reader, limits=self._limits),
        )


def read_identifier(
    reader: der.Reader, *, limits: Limits = DEFAULT_LIMITS
) -> CertificateIdentifier:
    """Read the CHOICE of IssuerAndSerialNumber and ``[0]`` SubjectKeyIdentifier.

    :param limits: for the issuer's name, once it is looked at.
    :raises DecodeError: neither of them.

    Source: RFC 5652 sections 5.3 and 6.2.1; M-06, E-07.
    """
    if reader.peek() == der.context(0, constructed=False):
        return CertificateIdentifier(subject_key_identifier=reader.read_implicit_octet_string(0))
    raw = reader.read_raw_of(der.SEQUENCE, "an issuer and serial number")
    return CertificateIdentifier(issuer_and_serial_number=raw, _limits=limits)
