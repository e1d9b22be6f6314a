"""What there is to say about the signature of a message, and about who made it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from pyscep import asn1, der
from pyscep.algorithms import (
    FORBIDDEN_OIDS,
    RSA_ENCRYPTION_OID,
    RSASSA_PSS_OID,
    DigestAlgorithm,
    digest_algorithm_from_oid,
    signature_algorithm_from_oid,
)
from pyscep.certificates import Certificate, key_identifier_of
from pyscep.cms_signed import UnverifiedSignedData, find_certificate, parse_signed_data
from pyscep.errors import ScepError, SignatureInvalid
from pyscep.inspection.cms import SeenSignedData, SeenSigner
from pyscep.inspection.findings import Departure, Finding, refused
from pyscep.inspection.message import SeenMessage
from pyscep.inspection.objects import Scene, SignatureState


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSignature:
    """What became of checking the signature."""

    state: SignatureState
    """The outcome."""
    checked_with: str
    """In words: with what."""
    signer: Certificate | None
    """The certificate that the message names, where it is at hand."""
    digest_algorithm: str | None
    """Its name, or its OID."""
    signature_algorithm: str | None
    """Its name, or its OID."""
    findings: tuple[Finding, ...] = field(default=())
    """What is wrong."""


def see_signature(
    octets: bytes, seen: SeenSignedData, *, is_reply: bool, scene: Scene
) -> SeenSignature:
    """Check the signature as far as there is something to check it with.

    With certificates of the caller's only those count. Without, the certificate that came along
    shows that the sender holds its key: enough for a request, nothing for a reply (M-34).

    Source: RFC 8894 section 3.2; RFC 5652 section 5.6; M-09, M-31 to M-37, A-12, S-03.
    """
    signer_info = seen.signers[0]
    findings = [*_about_algorithms(signer_info), *_about_digest(seen, scene)]
    try:
        unverified = parse_signed_data(
            octets, content_types=(seen.content_type or asn1.DATA,), limits=scene.limits
        )
        enclosed = _find_enclosed(unverified, scene)
        named = [c for c in scene.signers if unverified.signer_identifier.names(c)]
        who = str(unverified.signer_identifier)
    except ScepError as error:
        outcome = _Outcome(SignatureState.NOT_CHECKED, f"nothing: {error}")
        return _signature(outcome, signer_info, [*findings, *refused(error)])
    signer = named[0] if named else enclosed
    if enclosed is None:
        findings += _about_missing_signer(who, is_reply=is_reply)
    elif unverified.enclosed_certificates[0] != enclosed.der:
        findings.append(
            Departure.SIGNER_NOT_FIRST.found(
                "The signer's certificate is not the first in the message; some peers take the "
                "first."
            )
        )
    if named and enclosed is not None and enclosed not in named:
        findings.append(
            Departure.LOOK_ALIKE.found(
                "The message encloses a certificate with issuer and serial number of the given "
                f"signer {named[0].subject} that is another one."
            )
        )
    candidates = _Candidates(named, enclosed, who)
    outcome = _check(unverified, candidates, findings, scene, is_reply=is_reply)
    return _signature(outcome, signer_info, findings, signer)


def _find_enclosed(unverified: UnverifiedSignedData, scene: Scene) -> Certificate | None:
    try:
        return find_certificate(
            unverified.signer_identifier, unverified.enclosed_certificates, limits=scene.limits
        )
    except ScepError:
        # A name in one of them is malformed, which is a finding of its own.
        return None


@dataclass(frozen=True, slots=True)
class _Candidates:
    named: list[Certificate]
    enclosed: Certificate | None
    who: str


@dataclass(frozen=True, slots=True)
class _Outcome:
    state: SignatureState
    checked_with: str


def _check(
    unverified: UnverifiedSignedData,
    candidates: _Candidates,
    findings: list[Finding],
    scene: Scene,
    *,
    is_reply: bool,
) -> _Outcome:
    if scene.signers and not candidates.named:
        findings.append(
            Departure.OTHER_SIGNER.found(
                f"The message is signed by {candidates.who}, which is none of the given "
                "certificates."
            )
        )
        return _Outcome(SignatureState.INVALID, "the given certificates")
    signer = candidates.named[0] if candidates.named else candidates.enclosed
    if signer is None:
        return _Outcome(SignatureState.NOT_CHECKED, "nothing: no certificate at hand")
    given = bool(candidates.named)
    whom = f"the {'given' if given else 'enclosed'} certificate of {signer.subject}"
    try:
        unverified.verify(signer, provider=scene.provider)
    except SignatureInvalid as error:
        findings.append(Departure.SIGNATURE.found(f"The signature does not verify: {error}"))
        return _Outcome(SignatureState.INVALID, whom)
    except ScepError as error:
        findings += refused(error)
        return _Outcome(SignatureState.NOT_CHECKED, f"nothing: {error}")
    if given:
        return _Outcome(SignatureState.VALID, whom)
    consequence = (
        "which is no proof in a reply: give the CA's or RA's certificate to check it"
        if is_reply
        else "which shows possession of that key and says nothing about who the sender is"
    )
    findings.append(Departure.POSSESSION.found(f"The signature fits {whom}, {consequence}."))
    state = SignatureState.NOT_CHECKED if is_reply else SignatureState.VALID
    return _Outcome(state, f"{whom} only (possession)")


def _signature(
    outcome: _Outcome,
    signer_info: SeenSigner,
    findings: list[Finding],
    signer: Certificate | None = None,
) -> SeenSignature:
    digest = _digest_name(signer_info.digest_oid)
    return SeenSignature(
        state=outcome.state,
        checked_with=outcome.checked_with,
        signer=signer,
        digest_algorithm=digest,
        signature_algorithm=_signature_name(signer_info, digest),
        findings=tuple(findings),
    )


def _about_missing_signer(who: str, *, is_reply: bool) -> Iterator[Finding]:
    if is_reply:
        yield Departure.REPLY_WITHOUT_CERTIFICATES.found(
            f"The certificate of the signer ({who}) is not in the reply, which is allowed; it "
            "comes with GetCACert."
        )
    else:
        yield Departure.SIGNER_NOT_ENCLOSED.found(
            f"The certificate of the signer ({who}) is not in the request, so no server can check "
            "it."
        )


def _about_digest(seen: SeenSignedData, scene: Scene) -> Iterator[Finding]:
    signer = seen.signers[0]
    claimed = signer.get(asn1.CONTENT_TYPE)
    if claimed is not None and claimed.oid() != seen.content_type:
        yield Departure.NO_CONTENT_TYPE.found(
            f"The attribute contentType is {claimed.oid()}, but the content is {seen.content_type}."
        )
    digest = signer.get(asn1.MESSAGE_DIGEST)
    try:
        algorithm = digest_algorithm_from_oid(signer.digest_oid or "")
    except ScepError:
        return
    if digest is not None and digest.string() != scene.provider.digest(
        seen.content or b"", algorithm
    ):
        yield Departure.MESSAGE_DIGEST.found("The messageDigest is not that of the content.")


def _about_algorithms(signer: SeenSigner) -> Iterator[Finding]:
    digest, scheme = signer.digest_oid or "?", signer.signature_oid or "?"
    for oid in dict.fromkeys((digest, scheme)):
        if oid in FORBIDDEN_OIDS:
            yield Departure.MD5.found(f"The message is signed with {FORBIDDEN_OIDS[oid]}.")
    if digest == DigestAlgorithm.SHA1.oid:
        yield Departure.SHA1.found("The message is signed with SHA-1.")
    if _digest_name(digest) == digest and digest not in FORBIDDEN_OIDS:
        yield Departure.UNKNOWN_ALGORITHM.found(f"The digest algorithm {digest} is unknown.")
    if scheme == RSASSA_PSS_OID:
        yield Departure.PSS.found("The message is signed with RSASSA-PSS, which few peers read.")
    elif scheme not in (RSA_ENCRYPTION_OID, *FORBIDDEN_OIDS):
        try:
            inner = signature_algorithm_from_oid(scheme).digest
        except ScepError:
            yield Departure.UNKNOWN_ALGORITHM.found(f"The signature algorithm {scheme} is unknown.")
        else:
            if inner.oid != digest:
                yield Departure.TWO_HASHES.found(
                    f"The content is digested with {_digest_name(digest)}, the signature made with "
                    f"{inner.name}."
                )
    yield from _about_protection(signer)


def _about_protection(signer: SeenSigner) -> Iterator[Finding]:
    value = signer.get(asn1.CMS_ALGORITHM_PROTECTION)
    if value is None:
        return
    digest, scheme = value.at(0, 0), value.at(1, 0)
    found = [None if each is None else each.oid() for each in (digest, scheme)]
    if found != [signer.digest_oid, signer.signature_oid]:
        yield Departure.TWO_HASHES.found(
            "The attribute cmsAlgorithmProtection names other algorithms than the SignerInfo."
        )


def _digest_name(oid: str | None) -> str | None:
    known = next((each.name for each in DigestAlgorithm if each.oid == oid), None)
    return known or FORBIDDEN_OIDS.get(oid or "", oid)


def _signature_name(signer: SeenSigner, digest: str | None) -> str | None:
    oid = signer.signature_oid
    if oid is None:
        return None
    if oid == RSA_ENCRYPTION_OID:
        return f"RSA_{digest}"
    try:
        return asn1.parse_signature_algorithm(signer.signature_identifier).name
    except ScepError:
        return FORBIDDEN_OIDS.get(oid, oid)


# --------------------------------------------------------------------------------- about the key


def about_signer(
    signer: Certificate, signer_info: SeenSigner, message: SeenMessage
) -> Iterator[Finding]:
    """Find fault with signer and transactionID, now that the signer's certificate is at hand.

    Source: RFC 8894 section 2.3; M-19, M-39.
    """
    time = signer_info.get(asn1.SIGNING_TIME)
    if time is not None:
        try:
            moment = der.read_der(time.der(), der.Reader.read_time)
        except ScepError:
            yield Departure.SIGNING_TIME.found("The signingTime cannot be read.")
        else:
            if not signer.is_valid_at(moment):
                yield Departure.SIGNING_TIME.found(
                    f"The signingTime {moment:%Y-%m-%d %H:%M:%S} is outside the validity of the "
                    "signer's certificate."
                )
    made_of_key = {
        hashlib.sha1(signer.public_key, usedforsecurity=False).hexdigest(),
        hashlib.sha256(signer.public_key).hexdigest(),
        key_identifier_of(signer.public_key).hex(),
    }
    if not message.is_reply and (message.transaction_id or "").lower() in made_of_key:
        yield Departure.TRANSACTION_ID_FROM_KEY.found(
            "The transactionID is a hash of the public key, so two transactions with one key "
            "cannot be told apart."
        )
