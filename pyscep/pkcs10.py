"""Certification requests: built, parsed, and their proof of possession verified.

The DER of a request holds the challenge password in clear, so it never appears in a repr.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import NoReturn

from pyscep import asn1, der, extensions
from pyscep.algorithms import (
    DigestAlgorithm,
    SignatureAlgorithm,
    signature_algorithm_for,
)
from pyscep.certificates import (
    Certificate,
    Identity,
    Signed,
    key_identifier_of,
    key_type_of,
    read_public_key,
    read_signed,
)
from pyscep.crypto import CryptoProvider, default_provider
from pyscep.errors import (
    DecodeError,
    DuplicateAttribute,
    KeyCapabilityError,
    UsageError,
)
from pyscep.extensions import Extension, GeneralName, KeyUsage
from pyscep.keys import PrivateKey, require_signing
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.names import Name, NameLike, build_name, parse_name
from pyscep.secrecy import hides_locals

_EXTENSION_REQUESTS = (
    asn1.EXTENSION_REQUEST,
    asn1.MICROSOFT_EXTENSION_REQUEST,
    asn1.VERISIGN_EXTENSION_REQUEST,
)
_ATTRIBUTES = {
    asn1.CHALLENGE_PASSWORD: "challengePassword",
    **dict.fromkeys(_EXTENSION_REQUESTS, "extensionRequest"),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CertificationRequest:
    """A PKCS #10 request (CSR), made by :func:`~pyscep.pkcs10.build_csr` or ``parse_csr``.

    Source: RFC 2986 section 4; R-01, R-08.
    """

    der: bytes = field(repr=False)
    """The whole request. It holds the challenge password: keep it as safe."""
    subject: Name
    """The name asked for; may be empty."""
    public_key: bytes = field(repr=False)
    """The DER SubjectPublicKeyInfo."""
    challenge_password: str | None = field(repr=False)
    """The shared secret, if there is one."""
    extensions: tuple[Extension, ...] = field(repr=False)
    """The extensions asked for."""
    signed: Signed = field(repr=False)
    """Content, algorithm and signature."""

    def __eq__(self, other: object) -> bool:
        return self.der == other.der if isinstance(other, CertificationRequest) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.der)

    def __reduce__(self) -> NoReturn:
        _refuse_pickling()

    @property
    def subject_alt_names(self) -> tuple[GeneralName, ...]:
        """The alternative names asked for."""
        return extensions.read_subject_alt_names(self.extensions)

    @property
    def signature_algorithm(self) -> SignatureAlgorithm:
        """The scheme that the request is signed with.

        :raises WeakAlgorithm: it is forbidden.
        :raises UnsupportedError: it is unknown.
        """
        return asn1.parse_signature_algorithm(self.signed.algorithm)

    def verify(self, *, provider: CryptoProvider | None = None) -> None:
        """Verify that the sender holds the private key (proof of possession).

        :raises SignatureInvalid: it is not shown.
        :raises WeakAlgorithm: the request is signed with a forbidden algorithm.
        :raises UnsupportedError: the algorithm or key is unknown.

        Source: RFC 2986 section 4.2; R-04, R-16.
        """
        self.signed.verify(self.public_key, provider=provider or default_provider())


@hides_locals
def build_csr(
    *,
    subject: NameLike,
    key: PrivateKey,
    challenge_password: str | None = None,
    subject_alt_names: Iterable[GeneralName] = (),
    key_usage: Iterable[KeyUsage] = (),
    extended_key_usage: Iterable[extensions.ExtendedKeyUsage | str] = (),
    extra_extensions: Iterable[Extension] = (),
    digest_algorithm: DigestAlgorithm = DigestAlgorithm.SHA256,
) -> CertificationRequest:
    """Build and sign a certification request.

    :param subject: see :func:`pyscep.names.build_name`; ``{}`` for an empty one.
    :param key: signs the request; its public half is what gets certified.
    :param challenge_password: the secret shared with the CA, if it asks for one.
    :param subject_alt_names: critical in the request when the subject is empty (RFC 5280 section
        4.2.1.6).
    :param key_usage: what the certificate shall be for; NDES chooses its template by it.
    :param extra_extensions: finished ones, such as
        :func:`pyscep.extensions.microsoft_template_name`.
    :param digest_algorithm: the hash of the request's own signature, chosen apart from that of
        the message around it.
    :raises UsageError: a name, extension or challenge that cannot be encoded.
    :raises KeyCapabilityError: the key does not sign with that digest.

    Source: RFC 2986 section 4; RFC 8894 section 2.4; R-01, R-08, R-19, H-06, H-09.
    """
    name = build_name(subject)
    algorithm = signing_algorithm(key, digest_algorithm)
    requested = _requested_extensions(
        name, subject_alt_names, key_usage, extended_key_usage, extra_extensions
    )
    attributes = []
    if challenge_password is not None:
        attributes.append(
            asn1.attribute(asn1.CHALLENGE_PASSWORD, _encode_challenge(challenge_password))
        )
    if requested:
        encoded = extensions.encode_extensions(requested)
        attributes.append(asn1.attribute(asn1.EXTENSION_REQUEST, encoded))
    info = der.sequence(
        der.integer(0),
        name.der,
        key.public_key,
        der.implicit(0, der.set_of(attributes)),
    )
    signed = sign(info, key=key, algorithm=algorithm)
    return CertificationRequest(
        der=encode_signed(signed),
        subject=name,
        public_key=key.public_key,
        challenge_password=challenge_password,
        extensions=requested,
        signed=_SignedRequest.of(signed),
    )


@hides_locals
def parse_csr(octets: bytes, *, limits: Limits = DEFAULT_LIMITS) -> CertificationRequest:
    """Parse a certification request in DER or PEM; ``verify()`` it next.

    Attributes may come in any order and unknown ones are passed over (R-10); an extension request
    is found under any of its three OIDs (R-09).

    :raises DecodeError: not a certification request.
    :raises DuplicateAttribute: two challenge passwords or extension requests, or not exactly one
        value of one of them (H-14).
    :raises LimitExceeded: larger than *limits* allow.

    Source: RFC 2986 section 4; R-08, R-09, R-10, H-07, H-14.
    """
    limits.check_size(len(octets), what="The certification request")
    if octets[:1] != b"\x30":
        blocks = asn1.pem_blocks(octets, "CERTIFICATE REQUEST") or asn1.pem_blocks(
            octets, "NEW CERTIFICATE REQUEST"
        )
        if len(blocks) != 1:
            raise DecodeError("One certification request in DER or PEM is required.")
        octets = blocks[0]
    return der.read_der(octets, lambda reader: _read_csr(reader, octets, limits))


def signing_algorithm(key: PrivateKey, digest_algorithm: DigestAlgorithm) -> SignatureAlgorithm:
    """Return the scheme with which *key* signs under this digest.

    :raises KeyCapabilityError: the key is neither RSA nor EC, or does not offer it.

    Source: R-19, M-35.
    """
    key_type = key_type_of(key.public_key)
    if key_type is None:
        raise KeyCapabilityError(
            "The key is neither RSA nor EC; SCEP knows no other kinds.", argument="key"
        )
    algorithm = signature_algorithm_for(key_type, digest_algorithm)
    require_signing(key, algorithm)
    return algorithm


def sign(content: bytes, *, key: PrivateKey, algorithm: SignatureAlgorithm) -> Signed:
    """Sign a finished structure the way X.509 does.

    Source: RFC 5280 section 4.1.1.
    """
    return Signed(
        content=content,
        algorithm=asn1.signature_algorithm_identifier(algorithm),
        signature=key.sign(content, algorithm),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _SignedRequest(Signed):
    """The parts of a request, which hold its challenge password."""

    @classmethod
    def of(cls, signed: Signed) -> _SignedRequest:
        return cls(content=signed.content, algorithm=signed.algorithm, signature=signed.signature)

    def __reduce__(self) -> NoReturn:
        _refuse_pickling()


def _refuse_pickling() -> NoReturn:
    raise UsageError(
        "A certification request holds the challenge password and is not pickled; store its "
        "der where secrets belong.",
        argument="csr",
    )


def encode_signed(signed: Signed) -> bytes:
    """Return the DER of content, algorithm and signature.

    Source: RFC 5280 section 4.1.1.
    """
    return der.sequence(signed.content, signed.algorithm, der.bit_string(signed.signature))


# ---------------------------------------------------------------------- self-signed certificates

_VERSION_3 = der.explicit(0, der.integer(2))
_SIGNS = extensions.key_usage((KeyUsage.DIGITAL_SIGNATURE,))
_SIGNS_AND_DECRYPTS = extensions.key_usage((KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_ENCIPHERMENT))
_PLACEHOLDER = {"common_name": "SCEP requester"}


def self_signed_identity(
    csr: CertificationRequest,
    *,
    key: PrivateKey,
    not_before: datetime,
    lifetime: timedelta,
    digest_algorithm: DigestAlgorithm = DigestAlgorithm.SHA256,
    provider: CryptoProvider | None = None,
) -> Identity:
    """Make the self-signed certificate with which a client without certificate signs.

    It has the subject and key of the request. An empty subject is replaced by a placeholder, as
    the CA addresses its reply by issuer and serial number (W-06).

    :param not_before: start of validity, with a time zone; one day is subtracted, because the
        server's clock may be behind.
    :param lifetime: how long after *not_before* it is valid; long enough for all polling.
    :param digest_algorithm: the hash of the certificate's own signature.
    :raises UsageError: the key is not the request's, *not_before* has no time zone, or *lifetime*
        is not positive or goes beyond the calendar.
    :raises KeyCapabilityError: the key does not sign with that digest.

    Source: RFC 8894 section 2.3; W-01 to W-06.
    """
    if key.public_key != csr.public_key:
        raise UsageError(
            "The key is not the one in the certification request; a first enrolment signs with the "
            "requested key.",
            argument="key",
        )
    if lifetime <= timedelta(0):
        raise UsageError("The lifetime must be positive.", argument="lifetime")
    begin, end = _validity(not_before, lifetime)
    chosen = provider or default_provider()
    name = build_name(_PLACEHOLDER) if csr.subject.is_empty else csr.subject
    certificate = build_certificate(
        issuer=name,
        subject=name,
        public_key=key.public_key,
        serial_number=random_serial_number(chosen),
        not_before=begin,
        not_after=end,
        items=(
            _SIGNS_AND_DECRYPTS if key.key_encryption_algorithms else _SIGNS,
            extensions.subject_key_identifier(key_identifier_of(key.public_key)),
        ),
        key=key,
        algorithm=signing_algorithm(key, digest_algorithm),
    )
    return Identity(certificate=certificate, key=key)


def _validity(not_before: datetime, lifetime: timedelta) -> tuple[datetime, datetime]:
    try:
        return not_before - timedelta(days=1), not_before + lifetime
    except OverflowError:
        raise UsageError(
            f"A validity from the day before {not_before} on, and of {lifetime}, goes beyond the "
            "calendar; give a shorter lifetime, or set the clock.",
            argument="lifetime",
        ) from None


def build_certificate(
    *,
    issuer: Name,
    subject: Name,
    public_key: bytes,
    serial_number: int,
    not_before: datetime,
    not_after: datetime,
    items: Iterable[Extension],
    key: PrivateKey,
    algorithm: SignatureAlgorithm,
) -> Certificate:
    """Build and sign a version 3 certificate.

    It is what self-signing and test CAs need; it is no CA software.

    :param public_key: DER SubjectPublicKeyInfo of the subject.
    :param items: the extensions.
    :param key: the issuer's.
    :raises UsageError: dates without time zone, an extension twice.

    Source: RFC 5280 section 4.1; W-04.
    """
    present = tuple(items)
    serial = der.integer(serial_number)
    tbs = der.sequence(
        _VERSION_3,
        serial,
        asn1.signature_algorithm_identifier(algorithm),
        issuer.der,
        der.sequence(der.time(not_before), der.time(not_after)),
        subject.der,
        public_key,
        der.explicit(3, extensions.encode_extensions(present)),
    )
    signed = sign(tbs, key=key, algorithm=algorithm)
    return Certificate(
        der=encode_signed(signed),
        serial_number=serial_number,
        issuer=issuer,
        subject=subject,
        not_before=_as_encoded(not_before),
        not_after=_as_encoded(not_after),
        public_key=public_key,
        extensions=present,
        signed=signed,
        issuer_and_serial_number=der.sequence(issuer.der, serial),
    )


def _as_encoded(moment: datetime) -> datetime:
    """Return a time as it can be read from a certificate: in UTC, in whole seconds."""
    return moment.astimezone(timezone.utc).replace(microsecond=0)


def random_serial_number(provider: CryptoProvider) -> int:
    """Return a positive random serial number of 127 bits.

    Source: RFC 5280 section 4.1.2.2; W-04, S-25.
    """
    octets = bytearray(provider.random_bytes(16))
    # The top bit off keeps it positive, the next one on keeps it from ever being zero.
    octets[0] = octets[0] & 0x7F | 0x40
    return int.from_bytes(octets, "big")


# ---------------------------------------------------------------------------------------- pieces


def _encode_challenge(challenge_password: object) -> bytes:
    # A file read as bytes, a number in a YAML file: common, and the secret is not repeated.
    if not isinstance(challenge_password, str):
        raise UsageError(
            f"The challenge password is of type {type(challenge_password).__name__}; give it as "
            "str.",
            argument="challenge_password",
        )
    if not challenge_password:
        raise UsageError(
            "The challenge password is empty; leave it out if the CA asks for none.",
            argument="challenge_password",
        )
    return der.directory_string(challenge_password)


def _requested_extensions(
    subject: Name,
    subject_alt_names: Iterable[GeneralName],
    key_usage: Iterable[KeyUsage],
    extended_key_usage: Iterable[extensions.ExtendedKeyUsage | str],
    extra_extensions: Iterable[Extension],
) -> tuple[Extension, ...]:
    names, usages, purposes = tuple(subject_alt_names), tuple(key_usage), tuple(extended_key_usage)
    requested: list[Extension] = []
    if names:
        requested.append(extensions.subject_alt_name(names, critical=subject.is_empty))
    if usages:
        requested.append(extensions.key_usage(usages))
    if purposes:
        requested.append(extensions.extended_key_usage(purposes))
    return (*requested, *extra_extensions)


def _read_csr(reader: der.Reader, octets: bytes, limits: Limits) -> CertificationRequest:
    # CertificationRequestInfo ::= SEQUENCE { version INTEGER (0), subject Name,
    #   subjectPKInfo SubjectPublicKeyInfo, attributes [0] IMPLICIT SET OF Attribute }
    signed = read_signed(reader)
    info = der.Reader(signed.content).enter()
    # The version means nothing: there is but one, and Apple's clients write 2 instead of 0.
    info.read_integer()
    subject = parse_name(info.read_raw_of(der.SEQUENCE, "the subject"), limits=limits)
    public_key = read_public_key(info, limits)
    # What is no SubjectPublicKeyInfo is refused here, and not where it is first used.
    key_type_of(public_key)
    attributes = info.enter_optional(der.context(0))
    values = _read_attributes(attributes, limits) if attributes is not None else {}
    info.finish()
    challenge = values.get(asn1.CHALLENGE_PASSWORD)
    requests = [values[oid] for oid in _EXTENSION_REQUESTS if oid in values]
    if len(requests) > 1:
        _refuse_duplicate("extensionRequest")
    requested: Sequence[Extension] = ()
    if requests:
        requested = extensions.read_extensions(der.Reader(requests[0]), limits=limits)
    return CertificationRequest(
        der=octets,
        subject=subject,
        public_key=public_key,
        challenge_password=None if challenge is None else der.read_der(challenge, _read_challenge),
        extensions=tuple(requested),
        signed=_SignedRequest.of(signed),
    )


def _read_challenge(reader: der.Reader) -> str:
    # DirectoryString of at least one character; the upper bound of RFC 2985 is not kept (H-09).
    text = reader.read_text()
    if not text:
        reader.fail("The challengePassword is empty")
    return text


def _read_attributes(reader: der.Reader, limits: Limits) -> dict[str, bytes]:
    """Return the single values of the attributes that are known here."""
    values: dict[str, bytes] = {}
    count = 0
    while not reader.at_end:
        attribute = reader.enter()
        oid = attribute.read_oid()
        members = attribute.enter(der.SET, "a SET")
        attribute.finish()
        count += 1
        if count > limits.attributes:
            limits.refuse("attributes", count, what="The request has {} attributes")
        name = _ATTRIBUTES.get(oid)
        if name is None:
            continue
        if oid in values or members.at_end:
            _refuse_duplicate(name)
        values[oid] = members.read_raw()
        if not members.at_end:
            _refuse_duplicate(name)
    return values


def _refuse_duplicate(attribute: str) -> None:
    raise DuplicateAttribute(
        f"The certification request must have {attribute} once and with one value.",
        attribute=attribute,
        reference="RFC 2985 section 5.4",
    )
