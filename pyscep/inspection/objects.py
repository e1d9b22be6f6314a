"""What there is to say about certificates, requests, CRLs and bags of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from pyscep import asn1, der, extensions
from pyscep.algorithms import FORBIDDEN_OIDS, DigestAlgorithm, KeyType
from pyscep.certificates import (
    Certificate,
    Signed,
    is_issued_by,
    parse_certificate,
    rsa_bits_of,
)
from pyscep.cms_enveloped import needs_password
from pyscep.crl import CertificateList, parse_crl
from pyscep.crypto import CryptoProvider
from pyscep.errors import DecodeError, DuplicateAttribute, ScepError, SignatureInvalid
from pyscep.extensions import KeyUsage
from pyscep.inspection.cms import SeenSignedData
from pyscep.inspection.elements import is_der, read_element
from pyscep.inspection.findings import Departure, Finding
from pyscep.limits import Limits
from pyscep.names import parse_name
from pyscep.pkcs10 import CertificationRequest, parse_csr

USUAL_RSA_BITS = 2048
"""Smaller RSA keys are refused by more and more peers (R-12)."""


class SignatureState(Enum):
    """What is known of a signature."""

    VALID = "valid"
    """It verifies."""
    INVALID = "invalid"
    """It does not, or is by somebody else than the given certificates."""
    NOT_CHECKED = "not checked"
    """There was nothing to check it with, or it cannot be checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a reply has to repeat from its request."""

    transaction_id: str | None
    """As it was sent."""
    sender_nonce: bytes | None
    """As it was sent."""
    senders: tuple[bytes, ...]
    """IssuerAndSerialNumber of the enclosed certificates, one of which signed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What an inspection has at hand besides the bytes."""

    signers: tuple[Certificate, ...]
    """Certificates that the caller says should have signed."""
    at: datetime | None
    """When certificates have to be valid; ``None`` does not look."""
    provider: CryptoProvider = field(repr=False)
    """The cryptography."""
    limits: Limits = field(repr=False)
    """How much is looked at."""
    asked: Asked | None = None
    """The request that a reply should answer."""
    passwords: tuple[str, ...] = field(default=(), repr=False)
    """Challenge passwords that an envelope may be encrypted with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCertificates:
    """Certificates that could be read, and what is wrong with those that could not."""

    certificates: tuple[Certificate, ...]
    """As received."""
    findings: tuple[Finding, ...]
    """One for each that is malformed."""


def see_certificates(octets: Sequence[bytes], scene: Scene) -> SeenCertificates:
    """Parse each certificate; one that is malformed becomes a finding.

    Source: RFC 5280 section 4.1; S-19.
    """
    found: list[Certificate] = []
    findings: list[Finding] = []
    for each in octets[: scene.limits.certificates]:
        read = _read_certificate(each, scene)
        if isinstance(read, Certificate):
            found.append(read)
        else:
            findings.append(read)
    findings += _about_number(len(octets), "certificates", scene)
    return SeenCertificates(certificates=tuple(found), findings=tuple(findings))


def _about_number(number: int, what: str, scene: Scene) -> Iterator[Finding]:
    most = scene.limits.certificates
    if number > most:
        yield Departure.TOO_MUCH.found(
            f"There are {number} {what}; the first {most} are looked at."
        )


def _read_certificate(octets: bytes, scene: Scene) -> Certificate | Finding:
    try:
        certificate = parse_certificate(octets, limits=scene.limits)
        # Extensions and names are read late; whatever is wrong with them shall show up here.
        for name in ("is_ca", "key_usage", "subject_alt_names", "key_type", "is_self_issued"):
            getattr(certificate, name)
        extensions.read_subject_key_identifier(certificate.extensions)
        str(certificate.subject)
        str(certificate.issuer)
        return certificate
    except ScepError as error:
        return Departure.MALFORMED.found(f"A certificate cannot be read: {error}")


def about_certificate(certificate: Certificate, scene: Scene) -> Iterator[Finding]:
    """Find fault with one certificate.

    Source: RFC 8894 sections 2.9 and 7.9; R-12, S-04, S-18, G-14.
    """
    whose = f"the certificate of {certificate.subject}"
    yield from _about_algorithm(certificate.signed, whose)
    yield from _about_key(certificate.public_key, whose)
    if scene.at is not None and not certificate.is_valid_at(scene.at):
        yield Departure.EXPIRED.found(
            f"The certificate of {certificate.subject} is valid from "
            f"{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d} only."
        )


def _about_algorithm(signed: Signed, what: str) -> Iterator[Finding]:
    oid = _oid_of(signed.algorithm)
    if oid in FORBIDDEN_OIDS:
        yield Departure.MD5.found(f"{FORBIDDEN_OIDS[oid]} signs {what}; it is forbidden.")
        return
    try:
        algorithm = asn1.parse_signature_algorithm(signed.algorithm)
    except ScepError:
        yield Departure.UNKNOWN_ALGORITHM.found(f"The algorithm {oid} signs {what}.")
        return
    if algorithm.digest is DigestAlgorithm.SHA1:
        yield Departure.SHA1.found(f"SHA-1 signs {what}.")


def _about_key(public_key: bytes, what: str) -> Iterator[Finding]:
    try:
        bits = rsa_bits_of(public_key)
    except DecodeError as error:
        yield Departure.MALFORMED.found(f"The key of {what} cannot be read: {error}")
        return
    if bits is not None and bits < USUAL_RSA_BITS:
        yield Departure.KEY_SIZE.found(f"The RSA key of {what} has {bits} bits only.")


def _oid_of(algorithm: bytes) -> str:
    element, _ = read_element(algorithm)
    found = None if element is None else element.at(0)
    return (None if found is None else found.oid()) or "?"


def check_signed(signed: Signed, candidates: Sequence[Certificate], scene: Scene) -> SignatureState:
    """Check the signature of a certificate or CRL.

    :param candidates: what bears the issuer's name.

    Source: RFC 5280 section 4.1.1.3.
    """
    states = [verify_signed(signed, c.public_key, scene) for c in candidates]
    for state in (SignatureState.VALID, SignatureState.INVALID):
        if state in states:
            return state
    return SignatureState.NOT_CHECKED


def verify_signed(signed: Signed, public_key: bytes, scene: Scene) -> SignatureState:
    """Check one signature with one key.

    Source: RFC 5280 section 4.1.1.3.
    """
    try:
        signed.verify(public_key, provider=scene.provider)
    except SignatureInvalid:
        return SignatureState.INVALID
    except ScepError:
        return SignatureState.NOT_CHECKED
    return SignatureState.VALID


# ------------------------------------------------------------------------------------- requests


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    """A certification request, without its challenge password.

    Source: RFC 2986 section 4; H-10.
    """

    subject: str
    """The name asked for."""
    sans: tuple[str, ...]
    """The alternative names asked for."""
    has_challenge: bool
    """Whether there is a challenge password; what it is is not kept."""
    signature: SignatureState
    """Whether the sender has shown to hold the key."""
    public_key: bytes = field(repr=False)
    """The key to be certified."""
    findings: tuple[Finding, ...]
    """What is wrong with it."""


def see_request(octets: bytes, scene: Scene) -> SeenRequest:
    """Look at a PKCS #10 request; of one that is malformed, what there is.

    :raises ScepError: it is none at all.

    Source: RFC 2986 section 4; R-04, R-08, R-09, H-06, H-14.
    """
    try:
        return _strictly(parse_csr(octets, limits=scene.limits), scene)
    except ScepError as error:
        seen = _loosely(octets, error, scene)
        if seen is None:
            raise
    return seen


def _strictly(csr: CertificationRequest, scene: Scene) -> SeenRequest:
    names = csr.subject_alt_names
    signature = verify_signed(csr.signed, csr.public_key, scene)
    findings = [
        *_about_algorithm(csr.signed, "the request"),
        *_about_key(csr.public_key, "the request"),
        *_about_request(csr),
    ]
    if signature is SignatureState.INVALID:
        findings.append(
            Departure.CSR_SIGNATURE.found(
                "The request's own signature does not verify, so nothing shows that the sender "
                "holds the key."
            )
        )
    return SeenRequest(
        subject=str(csr.subject),
        sans=tuple(f"{name.kind.value}:{name.value}" for name in names),
        has_challenge=csr.challenge_password is not None,
        signature=signature,
        public_key=csr.public_key,
        findings=tuple(findings),
    )


def _loosely(octets: bytes, error: ScepError, scene: Scene) -> SeenRequest | None:
    element, _ = read_element(octets, limits=scene.limits)
    info = None if element is None else element.at(0)
    subject = None if info is None else info.at(1)
    key = None if info is None else info.at(2)
    if info is None or subject is None or key is None or key.at(1) is None:
        return None
    try:
        name = str(parse_name(subject.der(), limits=scene.limits))
    except ScepError:
        name = "?"
    attributes = info.find(der.context(0))
    kinds = [each.at(0) for each in (() if attributes is None else attributes.children())]
    oids = [None if kind is None else kind.oid() for kind in kinds]
    repeated = isinstance(error, DuplicateAttribute)
    departure = Departure.CSR_REPEATED if repeated else Departure.MALFORMED
    return SeenRequest(
        subject=name,
        sans=(),
        has_challenge=asn1.CHALLENGE_PASSWORD in oids,
        signature=SignatureState.NOT_CHECKED,
        public_key=key.octets,
        findings=(departure.found(f"The request is refused: {error}"),),
    )


def _about_request(csr: CertificationRequest) -> Iterator[Finding]:
    if csr.subject.is_empty:
        yield Departure.CSR_SUBJECT.found("The request's subject is empty.")
    constraints = extensions.read_basic_constraints(csr.extensions)
    if constraints is not None and constraints[0]:
        yield Departure.CSR_CA.found("The request asks for a CA certificate.")
    info = der.Reader(csr.signed.content).enter()
    version = info.read_integer()
    if version != 0:
        yield Departure.CSR_VERSION.found(f"The request's version is {version} instead of 0.")
    info.read_raw()
    info.read_raw()
    attributes = info.enter_optional(der.context(0))
    if attributes is None:
        yield Departure.CSR_VERSION.found(
            "The request has no attributes field; an empty one has to be there."
        )
        return
    while not attributes.at_end:
        yield from _about_request_attribute(attributes.enter())


def _about_request_attribute(attribute: der.Reader) -> Iterator[Finding]:
    oid, values = attribute.read_oid(), attribute.enter(der.SET)
    if oid in (asn1.MICROSOFT_EXTENSION_REQUEST, asn1.VERISIGN_EXTENSION_REQUEST):
        yield Departure.CSR_EXTENSIONS.found(
            f"The request's extensions stand under {oid}, not under extensionRequest."
        )
    usual = (der.PRINTABLE_STRING, der.UTF8_STRING)
    if oid == asn1.CHALLENGE_PASSWORD and values.peek() not in usual:
        yield Departure.CHALLENGE_TYPE.found(
            f"The challenge password is a string of tag 0x{values.read_raw()[0]:02x}; "
            "PrintableString and UTF8String are what servers expect."
        )


# ----------------------------------------------------------------------------------------- CRLs


def see_crls(
    octets: Sequence[bytes], scene: Scene
) -> tuple[tuple[CertificateList, ...], list[Finding]]:
    """Parse each CRL; one that is malformed becomes a finding.

    Source: RFC 5280 section 5.1.
    """
    found: list[CertificateList] = []
    findings: list[Finding] = []
    for each in octets[: scene.limits.certificates]:
        read = _read_crl(each, scene)
        if isinstance(read, CertificateList):
            found.append(read)
            findings += _about_algorithm(read.signed, f"the CRL of {read.issuer}")
        else:
            findings.append(read)
    findings += _about_number(len(octets), "CRLs", scene)
    return tuple(found), findings


def _read_crl(octets: bytes, scene: Scene) -> CertificateList | Finding:
    try:
        crl = parse_crl(octets, limits=scene.limits)
        str(crl.issuer)
        return crl
    except ScepError as error:
        return Departure.MALFORMED.found(f"A CRL cannot be read: {error}")


# ----------------------------------------------------------------------------------------- bags


def about_bag_form(bag: SeenSignedData, octets: bytes) -> Iterator[Finding]:
    """Find fault with how certificates and CRLs are packed.

    Source: RFC 8894 section 3.4; D-01, D-03, D-06, M-05.
    """
    if not is_der(octets):
        yield Departure.BER.found("The bag of certificates is BER, not DER.")
    if bag.signers or bag.content is not None:
        yield Departure.BAG_SIGNED.found(
            f"The bag of certificates has {len(bag.signers)} signers and "
            f"{'content' if bag.content is not None else 'no content'}; it must have neither."
        )
    if bag.version != 1 or bag.digest_oids:
        yield Departure.BAG_FORM.found(
            f"The bag of certificates has version {bag.version} and {len(bag.digest_oids)} digest "
            "algorithms; version 1 and none are usual."
        )
    if bag.others:
        yield Departure.BAG_OTHER.found(
            f"{bag.others} things in the bag are neither certificates nor CRLs."
        )


def about_ca_certificates(certificates: Sequence[Certificate], scene: Scene) -> Iterator[Finding]:
    """Find fault with the certificates of a CA and its RAs.

    Source: RFC 8894 sections 2.1.2 and 4.2.1; G-07, G-11, G-13, G-17.
    """
    authorities = [c for c in certificates if c.may_issue]
    if not authorities:
        return
    registrars = [c for c in certificates if c not in authorities]
    leaves = registrars or [c for c in authorities if not _has_issued(c, certificates, scene)]
    for leaf in leaves if not registrars else ():
        needed = [KeyUsage.DIGITAL_SIGNATURE]
        if not needs_password(leaf):
            needed.append(KeyUsage.KEY_ENCIPHERMENT)
        missing = [usage.name for usage in needed if not leaf.allows(usage)]
        if missing:
            yield Departure.CA_KEY_USAGE.found(
                f"The keyUsage of {leaf.subject} lacks {' and '.join(missing)}, and there is no RA "
                "certificate beside it."
            )
    recipients = [
        c for c in leaves if c.key_type is KeyType.RSA and c.allows(KeyUsage.KEY_ENCIPHERMENT)
    ]
    if not recipients and not any(c.key_type is KeyType.RSA for c in leaves):
        yield Departure.NO_RSA_RECIPIENT.found(
            "None of the certificates has an RSA key that requests could be encrypted to."
        )
    for certificate in certificates:
        issued = any(is_issued_by(certificate, c, provider=scene.provider) for c in authorities)
        if not issued and certificate not in authorities:
            yield Departure.STRANGER.found(
                f"None of the CA certificates here has issued that of {certificate.subject}."
            )
    for position, certificate in enumerate(certificates):
        later = certificates[position + 1 :]
        if _has_issued(certificate, later, scene):
            yield Departure.BAG_ORDER.found(
                f"{certificate.subject} stands before what it has issued; old clients take the "
                "first certificate for that of the RA or the issuing CA."
            )
            return


def _has_issued(issuer: Certificate, certificates: Sequence[Certificate], scene: Scene) -> bool:
    return any(
        c is not issuer and is_issued_by(c, issuer, provider=scene.provider) for c in certificates
    )
