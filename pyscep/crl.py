"""Certificate revocation lists, as GetCRL returns them.

A list may have hundreds of thousands of entries, so entries are walked over and never turned into
objects unless somebody asks for one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pyscep import der
from pyscep.certificates import Certificate, Signed, read_signed
from pyscep.crypto import CryptoProvider
from pyscep.errors import CertificateMismatch, UntrustedCa
from pyscep.extensions import KeyUsage
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.names import Name, check_name_size


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateList:
    """A CRL; make it with :func:`parse_crl`.

    Source: RFC 5280 section 5.1; Q-06, Q-07.
    """

    der: bytes = field(repr=False)
    """The whole CRL as received."""
    issuer: Name
    """The CA's name."""
    this_update: datetime
    """When it was made, UTC."""
    next_update: datetime | None
    """When the next one will be there at the latest, UTC."""
    signed: Signed = field(repr=False)
    """Content, algorithm and signature."""
    _span: tuple[int, int] = field(repr=False)
    """Where in the signed content the entries are: a list may be large, so nothing is copied."""

    @property
    def entries(self) -> bytes:
        """The DER of all entries, one after the other."""
        start, end = self._span
        return self.signed.content[start:end]

    def revocation_date(self, serial_number: int) -> datetime | None:
        """Return when this serial number was revoked; ``None`` if it was not.

        :raises DecodeError: an entry is malformed.

        Source: RFC 5280 section 5.1.2.6.
        """
        # The entry is SEQUENCE { userCertificate INTEGER, revocationDate Time, … }.
        wanted = der.integer(serial_number)
        start, end = self._span
        if self.signed.content.find(wanted, start, end) < 0:
            return None
        reader = der.Reader(self.signed.content, start, end)
        while not reader.at_end:
            entry = reader.enter()
            if entry.read_raw_of(der.INTEGER, "a serial number") == wanted:
                return entry.read_time()
        return None

    def verify(self, issuer: Certificate, *, provider: CryptoProvider) -> None:
        """Check that *issuer* issued this list.

        :raises CertificateMismatch: another CA's list.
        :raises UntrustedCa: the keyUsage of *issuer* does not allow it to sign lists.
        :raises SignatureInvalid: the signature does not verify.
        :raises WeakAlgorithm: it is signed with a forbidden algorithm.
        :raises UnsupportedError: it is signed with an unknown algorithm.

        Source: RFC 5280 section 6.3.3; RFC 5280 section 4.2.1.3; G-10, Q-07.
        """
        if self.issuer != issuer.subject:
            raise CertificateMismatch(
                f"The CRL was issued by {self.issuer}, not by {issuer.subject}; ask the CA that "
                "issued the certificate."
            )
        if not issuer.allows(KeyUsage.CRL_SIGN):
            raise UntrustedCa(
                f"{issuer.subject} signed a CRL, but the keyUsage of its certificate lacks "
                "cRLSign; do not use the CRL, and have the CA's certificate issued with that bit.",
                expected="a CA certificate with cRLSign",
                actual=str(issuer.subject),
            )
        self.signed.verify(issuer.public_key, provider=provider)


def parse_crl(octets: bytes, *, limits: Limits = DEFAULT_LIMITS) -> CertificateList:
    """Parse one CRL in DER.

    :raises DecodeError: not a CRL.
    :raises LimitExceeded: larger than ``limits.message_size``, or its issuer's name is larger
        than ``limits.name_size``.

    Source: RFC 5280 section 5.1; Q-07, S-19.
    """
    limits.check_size(len(octets), what="The CRL")
    return der.read_der(octets, lambda reader: _read_crl(reader, octets, limits))


def _read_crl(reader: der.Reader, octets: bytes, limits: Limits) -> CertificateList:
    # TBSCertList ::= SEQUENCE { version INTEGER OPTIONAL, signature, issuer, thisUpdate,
    #   nextUpdate OPTIONAL, revokedCertificates SEQUENCE OF … OPTIONAL,
    #   crlExtensions [0] OPTIONAL }
    signed = read_signed(reader)
    tbs = der.Reader(signed.content).enter()
    if tbs.peek() == der.INTEGER:
        tbs.read_integer()
    if tbs.read_raw_of(der.SEQUENCE, "the signature algorithm") != signed.algorithm:
        tbs.fail("The CRL names two different signature algorithms")
    issuer = Name(tbs.read_raw_of(der.SEQUENCE, "the issuer"))
    check_name_size(issuer.der, limits)
    this_update = tbs.read_time()
    next_update = tbs.read_time() if tbs.peek() in (der.UTC_TIME, der.GENERALIZED_TIME) else None
    span = tbs.read_span(der.SEQUENCE) if tbs.peek() == der.SEQUENCE else (0, 0)
    tbs.enter_optional(der.context(0))
    tbs.finish()
    return CertificateList(
        der=octets,
        issuer=issuer,
        this_update=this_update,
        next_update=next_update,
        signed=signed,
        _span=span,
    )
