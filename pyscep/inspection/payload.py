"""What there is to say about the messageData inside an envelope, and how it fits the message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pyscep import asn1
from pyscep.algorithms import KeyType
from pyscep.certificates import Certificate
from pyscep.crl import CertificateList
from pyscep.errors import ScepError
from pyscep.extensions import KeyUsage
from pyscep.inspection.cms import SeenSignedData, content_type_of, see_signed_data
from pyscep.inspection.elements import read_element
from pyscep.inspection.findings import Departure, Finding
from pyscep.inspection.message import SeenMessage
from pyscep.inspection.objects import (
    Scene,
    SeenRequest,
    about_bag_form,
    about_certificate,
    see_certificates,
    see_crls,
    see_request,
)
from pyscep.inspection.result import Details
from pyscep.messages import MessageType, parse_cert_poll, parse_identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPayload:
    """The messageData, read as what the messageType says that it is."""

    request: SeenRequest | None = None
    """Of PKCSReq and RenewalReq."""
    certificates: tuple[Certificate, ...] = ()
    """Of a CertRep."""
    crls: tuple[CertificateList, ...] = ()
    """Of a CertRep."""
    details: Details = ()
    """Of the queries, in words."""
    findings: tuple[Finding, ...] = field(default=())
    """What is wrong."""


def see_payload(octets: bytes, kind: MessageType | None, scene: Scene) -> SeenPayload:
    """Read the decrypted messageData.

    Source: RFC 8894 section 3.3; E-02, P-01, Q-01, A-01, A-07.
    """
    if kind is None:
        return SeenPayload()
    if kind is MessageType.CERT_REP:
        return see_bag(octets, scene)
    try:
        if kind in (MessageType.PKCS_REQ, MessageType.RENEWAL_REQ):
            request = see_request(octets, scene)
            return SeenPayload(request=request, findings=request.findings)
        describe = describe_poll if kind is MessageType.CERT_POLL else describe_query
        return SeenPayload(details=describe(octets, scene))
    except ScepError as error:
        wrong = Departure.PAYLOAD.found(f"What is encrypted does not fit the messageType: {error}")
        return SeenPayload(findings=(wrong,))


def describe_poll(octets: bytes, scene: Scene) -> Details:
    """Say what a CertPoll asks for.

    :raises ScepError: it is none.

    Source: RFC 8894 section 3.3.3; P-01.
    """
    poll = parse_cert_poll(octets, limits=scene.limits)
    return (("asks for issuer", str(poll.issuer)), ("asks for subject", str(poll.subject)))


def describe_query(octets: bytes, scene: Scene) -> Details:
    """Say what a GetCert or GetCRL asks for.

    :raises ScepError: it is none.

    Source: RFC 8894 section 3.3.4; Q-01.
    """
    return (("asks for", str(parse_identifier(octets, limits=scene.limits))),)


def see_bag(octets: bytes, scene: Scene) -> SeenPayload:
    """Look at the degenerate SignedData of a SUCCESS.

    Source: RFC 8894 sections 3.3.2 and 3.4; A-01, A-03, A-07, D-01 to D-06.
    """
    element, _ = read_element(octets, limits=scene.limits)
    if element is None or content_type_of(element) != asn1.SIGNED_DATA:
        wrong = Departure.PAYLOAD.found(
            "What is encrypted is no degenerate SignedData, which a CertRep has to carry."
        )
        return SeenPayload(findings=(wrong,))
    bag = see_signed_data(element)
    seen = see_certificates(bag.certificates, scene)
    crls, about_crls = see_crls(bag.crls, scene)
    findings = [*about_bag_form(bag, element.octets), *seen.findings, *about_crls]
    for certificate in seen.certificates:
        findings += about_certificate(certificate, scene)
    findings += _about_success(bag, seen.certificates)
    return SeenPayload(certificates=seen.certificates, crls=crls, findings=tuple(findings))


def _about_success(bag: SeenSignedData, certificates: Sequence[Certificate]) -> Iterator[Finding]:
    if not bag.certificates and not bag.crls:
        yield Departure.NO_CERTIFICATE.found("The SUCCESS has neither a certificate nor a CRL.")
    if bag.certificates and bag.crls:
        yield Departure.CERTIFICATES_WITH_CRL.found(
            "The SUCCESS has a CRL and certificates; a reply to GetCRL has the CRL only."
        )
    leaves = [position for position, each in enumerate(certificates) if not each.is_ca]
    if leaves and leaves[0] != 0:
        yield Departure.LEAF_NOT_FIRST.found(
            f"The issued certificate is number {leaves[0] + 1} in the reply; old clients take the "
            "first one."
        )


# --------------------------------------------------------------------- request and its signer


def about_requester(
    message: SeenMessage,
    signer: Certificate,
    request: SeenRequest | None,
    *,
    by_password: bool,
) -> Iterator[Finding]:
    """Compare a request with the certificate that signs it.

    :param by_password: whether the challenge password encrypts the request.

    Source: RFC 8894 sections 2.3 and 2.4; R-05, R-07, W-02, W-03, W-11, C-28, H-01, H-02.
    """
    self_signed = signer.is_self_issued
    if message.kind is MessageType.RENEWAL_REQ and self_signed:
        yield Departure.RENEWAL_SELF_SIGNED.found(
            "A self-signed certificate signs a RenewalReq, so nothing authorises it."
        )
    if message.kind is MessageType.PKCS_REQ and not self_signed:
        yield Departure.RENEWAL_BY_PKCS_REQ.found(
            f"A certificate issued by {signer.issuer} signs the PKCSReq: a renewal in the manner "
            "of NDES."
        )
    rsa = signer.key_type is KeyType.RSA
    if not rsa:
        yield Departure.SIGNER_CANNOT_DECRYPT.found(
            "The signer's certificate has no RSA key, so the challenge password has to encrypt the "
            "reply, which not every server does."
        )
    elif not signer.allows(KeyUsage.KEY_ENCIPHERMENT):
        yield Departure.SIGNER_CANNOT_DECRYPT.found(
            "By its keyUsage, the signer's certificate cannot have a reply encrypted to it."
        )
    usages = signer.key_usage
    needed = (KeyUsage.DIGITAL_SIGNATURE, *((KeyUsage.KEY_ENCIPHERMENT,) if rsa else ()))
    if self_signed and usages is not None and not usages.issuperset(needed):
        yield Departure.SIGNER_USAGE.found(
            "The keyUsage of the self-signed certificate lacks "
            f"{' and '.join(usage.name for usage in needed if usage not in usages)}."
        )
    if request is not None:
        needs_challenge = by_password or not rsa
        yield from _about_request(message, signer, request, needs_challenge=needs_challenge)


def _about_request(
    message: SeenMessage, signer: Certificate, request: SeenRequest, *, needs_challenge: bool
) -> Iterator[Finding]:
    if message.kind is MessageType.RENEWAL_REQ:
        # Where a key cannot decrypt, it encrypts (E-26).
        if request.has_challenge and not needs_challenge:
            yield Departure.CHALLENGE_IN_RENEWAL.found(
                "The RenewalReq has a challenge password, which it does not need."
            )
        return
    if not signer.is_self_issued:
        return
    if not request.has_challenge:
        yield Departure.NO_CHALLENGE.found(
            "The request has no challenge password, so somebody has to approve it by hand."
        )
    if signer.public_key != request.public_key:
        yield Departure.CSR_KEY.found(
            "The self-signed certificate has another key than the request."
        )
    if str(signer.subject) != request.subject and request.subject:
        yield Departure.SIGNER_SUBJECT.found(
            f"The self-signed certificate is that of {signer.subject}, the request is for "
            f"{request.subject}."
        )
