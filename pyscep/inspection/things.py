"""What is no pkiMessage: certificates alone or in bags, requests, CRLs, keys, queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pyscep import asn1, der
from pyscep.certificates import key_type_of, rsa_bits_of
from pyscep.errors import ScepError
from pyscep.inspection.cms import SeenSignedData, content_type_of, see_signed_data
from pyscep.inspection.elements import Element, is_der, read_element
from pyscep.inspection.findings import Departure
from pyscep.inspection.objects import (
    Scene,
    SignatureState,
    about_bag_form,
    about_ca_certificates,
    about_certificate,
    check_signed,
    see_certificates,
    see_crls,
    see_request,
)
from pyscep.inspection.payload import describe_poll, describe_query
from pyscep.inspection.result import Details, Inspection, Kind
from pyscep.inspection.signature import see_signature

# ---------------------------------------------------------------------------------- certificates


def see_degenerate(element: Element, seen: SeenSignedData, scene: Scene) -> Inspection:
    """Look at a SignedData without signers.

    Source: RFC 8894 sections 3.4 and 4.2.1; D-01, G-04, G-06, G-22.
    """
    found = see_certificates(seen.certificates, scene)
    crls, about_crls = see_crls(seen.crls, scene)
    findings = [*about_bag_form(seen, element.octets), *found.findings, *about_crls]
    for certificate in found.certificates:
        findings += about_certificate(certificate, scene)
    findings += about_ca_certificates(found.certificates, scene)
    if not seen.certificates and not seen.crls:
        findings.append(Departure.BAG_EMPTY.found("There is nothing in it."))
    authorities = sum(certificate.is_ca for certificate in found.certificates)
    if len(seen.certificates) == 1 and authorities and not seen.crls:
        findings.append(
            Departure.BAG_SINGLE.found(
                "One CA certificate alone is packed in PKCS #7; GetCACert returns it bare."
            )
        )
    return Inspection(
        kind=Kind.DEGENERATE,
        certificates=found.certificates,
        crls=crls or None,
        findings=tuple(findings),
    )


def see_next_ca(element: Element, seen: SeenSignedData, scene: Scene) -> Inspection:
    """Look at a signed bag of certificates: an answer to GetNextCACert.

    Source: RFC 8894 section 4.7.1; N-02, N-04.
    """
    inner, _ = read_element(seen.content or b"", limits=scene.limits)
    nested = inner is not None and content_type_of(inner) == asn1.SIGNED_DATA
    findings = [] if is_der(element.octets) else [Departure.BER.found("It is BER, not DER.")]
    bag = see_signed_data(inner) if nested and inner is not None else seen
    found = see_certificates(bag.certificates, scene)
    signature = see_signature(element.octets, seen, is_reply=True, scene=scene)
    findings += [*found.findings, *signature.findings]
    if not nested:
        findings.append(
            Departure.NEXT_CA_FLAT.found(
                "The certificates stand beside the signed content, so the signature does not cover "
                "them."
            )
        )
    if signature.state is SignatureState.INVALID:
        findings.append(
            Departure.NEXT_CA_SIGNATURE.found(
                "The next CA certificates are not signed by the given certificates."
            )
        )
    # That they are not valid yet is the point of them.
    timeless = replace(scene, at=None)
    for certificate in found.certificates:
        findings += about_certificate(certificate, timeless)
    return Inspection(
        kind=Kind.NEXT_CA_CERTIFICATES,
        digest_algorithm=signature.digest_algorithm,
        signature_algorithm=signature.signature_algorithm,
        signature=signature.state,
        certificates=found.certificates,
        findings=tuple(findings),
        details=(("signature checked with", signature.checked_with),),
    )


def see_other_signed(element: Element, seen: SeenSignedData, scene: Scene) -> Inspection:
    """Look at a SignedData of somebody else's, such as a signed mail.

    Source: RFC 5652 section 5.
    """
    found = see_certificates(seen.certificates, scene)
    signature = see_signature(element.octets, seen, is_reply=False, scene=scene)
    return Inspection(
        kind=Kind.SIGNED_DATA,
        digest_algorithm=signature.digest_algorithm,
        signature_algorithm=signature.signature_algorithm,
        signature=signature.state,
        certificates=found.certificates,
        findings=(*found.findings, *signature.findings),
        details=(("signature checked with", signature.checked_with),),
    )


def see_signed_object(element: Element, more: Sequence[bytes], scene: Scene) -> Inspection:
    """Tell certificate, request and CRL by what stands inside; strict parsers read them.

    :param more: further certificates of the same file.

    Source: RFC 5280 sections 4.1 and 5.1; RFC 2986 section 4.1.
    """
    inner = tuple(child.tag for child in (element.at(0) or element).children()[:6])
    octets = element.octets
    if inner[:3] == (der.INTEGER, der.SEQUENCE, der.SEQUENCE) and _has_key(element, 2):
        return _csr(octets, scene)
    if _has_time(element):
        return _crl(octets, scene)
    return _certificates((octets, *more), scene)


def _has_key(element: Element, position: int) -> bool:
    key = element.at(0, position, 1)
    return key is not None and key.tag == der.BIT_STRING


def _has_time(element: Element) -> bool:
    times = (der.UTC_TIME, der.GENERALIZED_TIME)
    return any(child.tag in times for child in (element.at(0) or element).children()[:6])


def _certificates(octets: Sequence[bytes], scene: Scene) -> Inspection:
    seen = see_certificates(octets, scene)
    findings = list(seen.findings)
    for certificate in seen.certificates:
        findings += about_certificate(certificate, scene)
    if len(octets) > 1:
        findings += about_ca_certificates(seen.certificates, scene)
    state = SignatureState.NOT_CHECKED
    for certificate in seen.certificates[:1]:
        issuers = [c for c in scene.signers if c.subject == certificate.issuer]
        state = check_signed(certificate.signed, issuers, scene)
    return Inspection(
        kind=Kind.CERTIFICATE,
        signature=state,
        certificates=seen.certificates,
        findings=tuple(findings),
    )


def _csr(octets: bytes, scene: Scene) -> Inspection:
    request = see_request(octets, scene)
    clear = (
        (
            Departure.CSR_IN_CLEAR.found(
                "The request holds a challenge password in clear; keep it as safe."
            ),
        )
        if request.has_challenge
        else ()
    )
    return Inspection(
        kind=Kind.CSR,
        signature=request.signature,
        csr=request,
        findings=(*request.findings, *clear),
    )


def _crl(octets: bytes, scene: Scene) -> Inspection:
    crls, findings = see_crls((octets,), scene)
    state = SignatureState.NOT_CHECKED
    for crl in crls:
        issuers = [c for c in scene.signers if c.subject == crl.issuer]
        state = check_signed(crl.signed, issuers, scene)
    return Inspection(kind=Kind.CRL, signature=state, crls=crls, findings=tuple(findings))


# ------------------------------------------------------------------------------------ other things


def see_private_key(octets: bytes, scene: Scene, *, encrypted: bool = False) -> Inspection:
    """Say which kind of key it is; nothing of the key itself is kept.

    Source: S-24.
    """
    element, _ = read_element(octets, limits=scene.limits)
    tags = () if element is None else tuple(child.tag for child in element.children()[:2])
    if encrypted or tags == (der.SEQUENCE, der.OCTET_STRING):
        return Inspection(kind=Kind.PRIVATE_KEY, details=(("protection", "encrypted"),))
    try:
        key = scene.provider.load_private_key(octets)
    except ScepError as error:
        problem = Departure.MALFORMED.found(f"The private key cannot be loaded: {error}")
        return Inspection(kind=Kind.PRIVATE_KEY, findings=(problem,))
    return Inspection(
        kind=Kind.PRIVATE_KEY, details=(("protection", "none"), *_key_details(key.public_key))
    )


def _key_details(public_key: bytes) -> Details:
    kind = key_type_of(public_key)
    bits = rsa_bits_of(public_key)
    size = "" if bits is None else f" with {bits} bits"
    return (("key", f"{'of another kind' if kind is None else kind.name}{size}"),)


def _plain_key(element: Element, scene: Scene) -> Inspection:
    return see_private_key(element.octets, scene)


def _public_key(element: Element, _scene: Scene) -> Inspection:
    return Inspection(kind=Kind.PUBLIC_KEY, details=_key_details(element.octets))


def _pkcs12(_element: Element, _scene: Scene) -> Inspection:
    return Inspection(kind=Kind.PKCS12)


def _query(element: Element, scene: Scene) -> Inspection:
    details = describe_query(element.octets, scene)
    return Inspection(kind=Kind.ISSUER_AND_SERIAL_NUMBER, details=details)


def _poll(element: Element, scene: Scene) -> Inspection:
    try:
        details = describe_poll(element.octets, scene)
    except ScepError:
        return Inspection(kind=Kind.DER, details=(("elements", "2"),))
    return Inspection(kind=Kind.ISSUER_AND_SUBJECT, details=details)


SHAPES: tuple[tuple[tuple[int, ...], Callable[[Element, Scene], Inspection]], ...] = (
    ((der.INTEGER, der.SEQUENCE, der.OCTET_STRING), _plain_key),
    ((der.SEQUENCE, der.OCTET_STRING), _plain_key),
    ((der.INTEGER,) * 9, _plain_key),
    ((der.INTEGER, der.OCTET_STRING, der.context(0)), _plain_key),
    ((der.SEQUENCE, der.BIT_STRING), _public_key),
    ((der.INTEGER, der.SEQUENCE, der.SEQUENCE), _pkcs12),
    ((der.SEQUENCE, der.INTEGER), _query),
    ((der.SEQUENCE, der.SEQUENCE), _poll),
)
"""What else is told by the tags inside it, and what looks at it."""
