"""Certificates as values: parsed once, compared by their bytes, never by a library's object.

Here is also what needs one certificate or two and nothing else: the issuer check of one link,
fingerprints, and :class:`Identity`, a certificate with its private key. More than two are a chain:
:mod:`pyscep.chains`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from pyscep import asn1, der, extensions
from pyscep.algorithms import KeyType, key_type_from_oid
from pyscep.crypto import CryptoProvider
from pyscep.errors import (
    DecodeError,
    SecurityError,
    UnsupportedError,
    UntrustedCa,
    UsageError,
)
from pyscep.extensions import Extension, GeneralName, KeyUsage
from pyscep.keys import PrivateKey
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.names import Name, check_name_size

_KEYS_KEPT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """The three parts of every signed structure of X.509: content, algorithm, signature.

    Source: RFC 5280 section 4.1.1.
    """

    content: bytes = field(repr=False)
    """The DER that is signed, as received; that of a request holds the challenge password."""
    algorithm: bytes
    """The DER AlgorithmIdentifier of the signature."""
    signature: bytes
    """The signature."""

    def verify(self, public_key: bytes, *, provider: CryptoProvider) -> None:
        """Verify the signature.

        :param public_key: DER SubjectPublicKeyInfo of whoever has to have signed.
        :raises SignatureInvalid: it does not verify.
        :raises WeakAlgorithm: the algorithm is forbidden.
        :raises UnsupportedError: the algorithm is unknown.

        Source: RFC 5280 section 4.1.1.3; S-04, S-05.
        """
        provider.verify(
            public_key, self.signature, self.content, asn1.parse_signature_algorithm(self.algorithm)
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Certificate:
    """An X.509 certificate; two are equal if their bytes are.

    Make it with :func:`parse_certificate`.

    Source: RFC 5280 section 4.1.
    """

    der: bytes = field(repr=False)
    """The whole certificate as received."""
    serial_number: int
    """As a number; :attr:`issuer_and_serial_number` has the bytes."""
    issuer: Name
    """The issuer's name."""
    subject: Name
    """The subject's name; may be empty."""
    not_before: datetime
    """First moment of validity, UTC."""
    not_after: datetime
    """Last moment of validity, UTC."""
    public_key: bytes = field(repr=False)
    """The DER SubjectPublicKeyInfo."""
    extensions: tuple[Extension, ...] = field(repr=False)
    """All extensions."""
    signed: Signed = field(repr=False)
    """Content, algorithm and signature."""
    issuer_and_serial_number: bytes = field(repr=False)
    """The DER IssuerAndSerialNumber of CMS, copied from the certificate (G-24)."""

    def __eq__(self, other: object) -> bool:
        return self.der == other.der if isinstance(other, Certificate) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.der)

    @property
    def key_type(self) -> KeyType | None:
        """RSA or EC; ``None`` for a key of any other kind."""
        return key_type_of(self.public_key)

    @property
    def key_usage(self) -> frozenset[KeyUsage] | None:
        """The key usages; ``None`` means unrestricted (G-10)."""
        return extensions.read_key_usage(self.extensions)

    @property
    def is_ca(self) -> bool:
        """Whether it is a CA's: by basicConstraints, or self-issued and without extensions."""
        constraints = extensions.read_basic_constraints(self.extensions)
        return (
            self.is_self_issued and not self.extensions if constraints is None else constraints[0]
        )

    @property
    def may_issue(self) -> bool:
        """Whether it may sign certificates: some RAs call themselves CA and lack keyCertSign.

        Source: RFC 5280 section 6.1.4; G-10, G-14.
        """
        return self.is_ca and self.allows(KeyUsage.KEY_CERT_SIGN)

    @property
    def path_length(self) -> int | None:
        """How many CAs may stand below this one (pathLenConstraint); ``None`` for any number."""
        constraints = extensions.read_basic_constraints(self.extensions)
        return None if constraints is None else constraints[1]

    @property
    def is_self_issued(self) -> bool:
        """Whether issuer and subject are the same name."""
        return self.issuer == self.subject

    @property
    def subject_key_identifier(self) -> bytes | None:
        """The key identifier of its extension."""
        return extensions.read_subject_key_identifier(self.extensions)

    @property
    def subject_alt_names(self) -> tuple[GeneralName, ...]:
        """The alternative names."""
        return extensions.read_subject_alt_names(self.extensions)

    @property
    def sha256_fingerprint(self) -> str:
        """SHA-256 over the DER, in lower-case hexadecimal (G-15)."""
        return hashlib.sha256(self.der).hexdigest()

    def is_valid_at(self, moment: datetime) -> bool:
        """Whether *moment*, which has a time zone, lies in the period of validity.

        :raises UsageError: no time zone.
        """
        if moment.tzinfo is None:
            raise UsageError(
                "A date without time zone is ambiguous; use datetime(…, tzinfo=timezone.utc).",
                argument="at",
            )
        return self.not_before <= moment <= self.not_after

    def allows(self, usage: KeyUsage) -> bool:
        """Whether its keyUsage has this bit, or is absent (G-10)."""
        usages = self.key_usage
        return usages is None or usage in usages

    def pem(self) -> str:
        """Return the certificate in PEM."""
        return asn1.pem_encode("CERTIFICATE", self.der)

    def asn1(self) -> Any:  # noqa: ANN401  # asn1crypto has no types
        """Return a fresh ``asn1crypto.x509.Certificate`` for whatever is not offered here."""
        return asn1.load_certificate(self.der)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate together with its private key.

    :raises UsageError: the key does not belong to the certificate.

    Source: RFC 8894 section 2.3; W-09.
    """

    certificate: Certificate
    """What others know."""
    key: PrivateKey = field(repr=False)
    """The key that belongs to the certificate."""

    def __post_init__(self) -> None:
        if self.key.public_key != self.certificate.public_key:
            raise UsageError(
                f"The key does not belong to the certificate of {self.certificate.subject}; give "
                "the key whose public half the certificate holds.",
                argument="key",
            )


# ---------------------------------------------------------------------------------------- parsing


def parse_certificate(octets: bytes, *, limits: Limits = DEFAULT_LIMITS) -> Certificate:
    """Parse one certificate, in DER or PEM.

    :raises DecodeError: not a certificate.
    :raises LimitExceeded: larger than *limits* allow.

    Source: RFC 5280 section 4.1; S-19.
    """
    limits.check_size(len(octets), what="The certificate")
    if octets[:1] != b"\x30":
        blocks = asn1.pem_blocks(octets, "CERTIFICATE")
        if len(blocks) != 1:
            raise DecodeError(
                f"One certificate in DER or PEM is required, not {len(blocks)} PEM certificates."
            )
        octets = blocks[0]
    return der.read_der(octets, lambda reader: _read_certificate(reader, octets, limits))


def parse_certificates(
    octets: bytes, *, limits: Limits = DEFAULT_LIMITS
) -> tuple[Certificate, ...]:
    """Parse a PEM file of any number of certificates, or one certificate in DER.

    :raises DecodeError: no certificate, or a malformed one.
    :raises LimitExceeded: more or larger than *limits* allow.

    Source: G-19, S-19.
    """
    limits.check_size(len(octets), what="The file of certificates")
    if octets[:1] == b"\x30":
        return (parse_certificate(octets, limits=limits),)
    blocks = asn1.pem_blocks(octets, "CERTIFICATE")
    limits.check("certificates", len(blocks), what="The file has {} certificates")
    if not blocks:
        raise DecodeError("The file has no PEM certificate and is not DER.")
    return tuple(parse_certificate(block, limits=limits) for block in blocks)


def read_signed(reader: der.Reader) -> Signed:
    """Read ``SEQUENCE { content, AlgorithmIdentifier, BIT STRING }`` without looking inside.

    Source: RFC 5280 section 4.1.1.
    """
    fields = reader.enter()
    signed = Signed(
        content=fields.read_raw_of(der.SEQUENCE, "the signed content"),
        algorithm=fields.read_raw_of(der.SEQUENCE, "the signature algorithm"),
        signature=fields.read_bit_string(),
    )
    fields.finish()
    return signed


def _read_certificate(reader: der.Reader, octets: bytes, limits: Limits) -> Certificate:
    # TBSCertificate ::= SEQUENCE { version [0] EXPLICIT DEFAULT v1, serialNumber, signature,
    #   issuer, validity, subject, subjectPublicKeyInfo, issuerUniqueID [1], subjectUniqueID [2],
    #   extensions [3] EXPLICIT OPTIONAL }
    signed = read_signed(reader)
    tbs = der.Reader(signed.content).enter()
    tbs.enter_optional(der.context(0))
    serial = tbs.read_raw_of(der.INTEGER, "the serial number")
    if tbs.read_raw_of(der.SEQUENCE, "the signature algorithm") != signed.algorithm:
        tbs.fail("The certificate names two different signature algorithms")
    issuer = tbs.read_raw_of(der.SEQUENCE, "the issuer")
    validity = tbs.enter()
    not_before, not_after = validity.read_time(), validity.read_time()
    validity.finish()
    subject = tbs.read_raw_of(der.SEQUENCE, "the subject")
    public_key = read_public_key(tbs, limits)
    for name in (issuer, subject):
        check_name_size(name, limits)
    for unique_id in (1, 2):
        if tbs.peek() == der.context(unique_id, constructed=False):
            tbs.read_raw()
    wrapper = tbs.enter_optional(der.context(3))
    items = extensions.read_extensions(wrapper, limits=limits) if wrapper is not None else ()
    tbs.finish()
    return Certificate(
        der=octets,
        serial_number=der.Reader(serial).read_integer(),
        issuer=Name(issuer),
        subject=Name(subject),
        not_before=not_before,
        not_after=not_after,
        public_key=public_key,
        extensions=items,
        signed=signed,
        issuer_and_serial_number=der.sequence(issuer, serial),
    )


def read_public_key(reader: der.Reader, limits: Limits) -> bytes:
    """Return the DER SubjectPublicKeyInfo that comes next.

    :raises DecodeError: something else comes next.
    :raises LimitExceeded: it is larger than ``Limits.public_key_size``.

    Source: RFC 5280 section 4.1.2.7; S-19.
    """
    public_key = reader.read_raw_of(der.SEQUENCE, "the public key")
    limits.check("public_key_size", len(public_key), what="A public key has {} bytes")
    return public_key


# The same few keys come all the time: those of the CA, and one's own.
@lru_cache(maxsize=_KEYS_KEPT)
def key_type_of(public_key: bytes) -> KeyType | None:
    """Return the kind of a DER SubjectPublicKeyInfo; ``None`` if it is neither RSA nor EC.

    :raises DecodeError: not a SubjectPublicKeyInfo.

    Source: RFC 5280 section 4.1.2.7.
    """
    return key_type_from_oid(der.Reader(public_key).enter().enter().read_oid())


def rsa_bits_of(public_key: bytes) -> int | None:
    """Return the size of an RSA key in bits; ``None`` for a key of another kind.

    :param public_key: DER SubjectPublicKeyInfo.
    :raises DecodeError: not a SubjectPublicKeyInfo.

    Source: RFC 8017 appendix A.1.1; R-12, S-20.
    """
    if key_type_of(public_key) is not KeyType.RSA:
        return None
    fields = der.Reader(public_key).enter()
    fields.read_raw()
    numbers = fields.read_bit_string()
    return der.Reader(numbers).enter().read_integer(size=len(numbers)).bit_length()


@lru_cache(maxsize=_KEYS_KEPT)
def key_identifier_of(public_key: bytes) -> bytes:
    """Return the SHA-1 of the key's bits, as RFC 5280 section 4.2.1.2 (1) names keys.

    It identifies, it protects nothing.
    """
    fields = der.Reader(public_key).enter()
    fields.read_raw()
    return hashlib.sha1(fields.read_bit_string(), usedforsecurity=False).digest()


# ------------------------------------------------------------------------------------ one link


def check_issued_by(
    certificate: Certificate, issuer: Certificate, *, provider: CryptoProvider
) -> None:
    """Check that *issuer* issued *certificate*: name, right to issue, signature.

    Validity is not looked at; see :meth:`Certificate.is_valid_at`.

    :raises UntrustedCa: the names differ, or *issuer* is not a CA.
    :raises SignatureInvalid: the signature does not verify with the issuer's key.
    :raises WeakAlgorithm: it is signed with a forbidden algorithm.
    :raises UnsupportedError: it is signed with an unknown algorithm.

    Source: RFC 5280 section 6.1.3; G-14, R-13.
    """
    if certificate.issuer != issuer.subject:
        raise UntrustedCa(
            f"The certificate of {certificate.subject} was issued by {certificate.issuer}, not by "
            f"{issuer.subject}; give the CA certificate of that name.",
            expected=str(issuer.subject),
            actual=str(certificate.issuer),
        )
    if not issuer.may_issue:
        raise UntrustedCa(
            f"{issuer.subject} issued a certificate, but its own certificate does not allow that; "
            "do not use this server.",
            expected="a CA certificate",
            actual=str(issuer.subject),
        )
    certificate.signed.verify(issuer.public_key, provider=provider)


def is_issued_by(
    certificate: Certificate, issuer: Certificate, *, provider: CryptoProvider
) -> bool:
    """Whether :func:`check_issued_by` has nothing to say.

    Source: RFC 5280 section 6.1.3; G-14.
    """
    try:
        # First, as names fit nearly never: the check would write a long text about it.
        if certificate.issuer != issuer.subject:
            return False
        check_issued_by(certificate, issuer, provider=provider)
    except (SecurityError, UnsupportedError, DecodeError):
        return False
    return True
