"""The changes that the named faults make; see :class:`pyscep.testing.faults.Fault` for the list.

Functions of a draft and its stage are for :class:`~pyscep.testing.effects.OnDraft`, and those that
return one take what is to be changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from pyscep import asn1, der
from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.ca import parse_ca_certificates
from pyscep.capabilities import Capability, format_capabilities
from pyscep.certificates import Identity
from pyscep.cms_signed import degenerate
from pyscep.errors import UsageError
from pyscep.http import HttpResponse
from pyscep.http_server import ca_cert_response
from pyscep.messages import CertRep, FailInfo, PkiStatus
from pyscep.names import Name, build_name
from pyscep.testing.draft import Draft
from pyscep.testing.effects import Stage
from pyscep.testing.ephemeral_ca import EphemeralCa

OnDraftFunction = Callable[[Draft, Stage], Draft]


def setting(**fields: object) -> Callable[[Draft, object], Draft]:
    """Give fields of the draft other values."""

    def apply(draft: Draft, _stage: object) -> Draft:
        return replace(draft, **fields)  # type: ignore[arg-type]  # whoever names them knows them

    return apply


# ------------------------------------------------------------------------------ on the attributes


def without(oid: str) -> OnDraftFunction:
    """Leave an attribute out."""
    return with_values(oid)


def with_values(oid: str, *values: bytes) -> OnDraftFunction:
    """Replace all values of an attribute; none leave it out."""

    def apply(draft: Draft, _stage: Stage) -> Draft:
        kept = tuple(item for item in draft.attributes if item[0] != oid)
        return replace(draft, attributes=(*kept, (oid, values)))

    return apply


def twice(oid: str) -> OnDraftFunction:
    """Write an attribute twice, both times the same."""

    def apply(draft: Draft, _stage: Stage) -> Draft:
        return replace(draft, repeated=draft.repeated | {oid})

    return apply


def two_values(oid: str) -> OnDraftFunction:
    """Write the value of an attribute twice."""

    def apply(draft: Draft, _stage: Stage) -> Draft:
        doubled = tuple(
            (kind, values * 2 if kind == oid else values) for kind, values in draft.attributes
        )
        return replace(draft, attributes=doubled)

    return apply


def changed(oid: str, change: Callable[[bytes], bytes]) -> OnDraftFunction:
    """Change the contents of an attribute's value, whose type stays."""

    def apply(draft: Draft, _stage: Stage) -> Draft:
        attributes = tuple(
            (kind, tuple(_recoded(value, change) for value in values) if kind == oid else values)
            for kind, values in draft.attributes
        )
        return replace(draft, attributes=attributes)

    return apply


def _recoded(value: bytes, change: Callable[[bytes], bytes]) -> bytes:
    return der.encode(value[0], change(der.Reader(value).read_contents(value[0])))


def flip_last_bit(octets: bytes) -> bytes:
    """Return the same bytes but for one bit."""
    return octets[:-1] + bytes((octets[-1] ^ 1,))


def copied_nonce(draft: Draft, _stage: object) -> Draft:
    """Send the client's nonce as one's own (M-29)."""
    nonce = next(values for oid, values in draft.attributes if oid == asn1.RECIPIENT_NONCE)
    changed_values = tuple(
        (oid, nonce if oid == asn1.SENDER_NONCE else values) for oid, values in draft.attributes
    )
    return replace(draft, attributes=changed_values)


def unknown_attribute(draft: Draft, _stage: Stage) -> Draft:
    """Add a signed attribute that nobody knows (M-40)."""
    added = ("1.3.6.1.4.1.99999.1", (der.utf8_string("what is this?"),))
    return replace(draft, attributes=(*draft.attributes, added))


# ------------------------------------------------------------------------------- on the signature


def stranger_signs(draft: Draft, stage: Stage) -> Draft:
    """Let another CA sign, under its own name."""
    identity = stage.stranger.identity
    certificate = identity.certificate
    return replace(draft, signer=identity, named_signer=certificate, enclosed=(certificate.der,))


def look_alike_signs(draft: Draft, stage: Stage) -> Draft:
    """Sign with a key whose certificate has the issuer and serial number of the right one."""
    right = draft.signer.certificate
    key = stage.stranger.identity.key
    fake = stage.stranger.forge(right)
    return replace(
        draft, signer=Identity(certificate=fake, key=key), named_signer=right, enclosed=(fake.der,)
    )


def wrong_protection(draft: Draft, _stage: Stage) -> Draft:
    """Say in cmsAlgorithmProtection that other algorithms were used (M-37)."""
    value = der.sequence(
        der.sequence(der.oid(DigestAlgorithm.SHA512.oid)),
        der.encode(der.context(1), der.oid("1.2.840.113549.1.1.13")),
    )
    added = (asn1.CMS_ALGORITHM_PROTECTION, (value,))
    return replace(draft, attributes=(*draft.attributes, added))


# ---------------------------------------------------------------------------- on the certificates


def issued(
    *,
    subject: Name | None = None,
    public_key: Callable[[Stage], bytes] = lambda stage: stage.request.signer.public_key,
    authority: Callable[[Stage], EphemeralCa] | None = None,
    age: timedelta = timedelta(0),
) -> OnDraftFunction:
    """Put another certificate into the place of the issued one; it is good for a day.

    :param subject: whose; the requester's if left out.
    :param public_key: for which key; the requester's if left out.
    :param authority: by which CA; the right one if left out.
    :param age: how long ago it was issued.
    """

    def apply(draft: Draft, stage: Stage) -> Draft:
        if not draft.certificates:
            return draft
        certificate = (authority or _right_authority)(stage).issue_certificate(
            subject=stage.request.signer.subject if subject is None else subject,
            public_key=public_key(stage),
            not_before=stage.responder.now() - age,
            lifetime=timedelta(days=1),
        )
        return replace(draft, certificates=(certificate.der,))

    return apply


def _right_authority(stage: Stage) -> EphemeralCa:
    authority = stage.responder.authority
    if not isinstance(authority, EphemeralCa):
        raise UsageError("This fault needs an EphemeralCa.", argument="authority")
    return authority


SOMEBODY_ELSE = build_name("CN=somebody else")
"""Who gets the certificate that the requester asked for."""


def ca_instead(draft: Draft, stage: Stage) -> Draft:
    """Send the CA's certificate as the issued one (R-13)."""
    return replace(draft, certificates=(stage.responder.authority.issuer.der,))


def ca_first(draft: Draft, stage: Stage) -> Draft:
    """Send the chain before the issued certificate (A-02)."""
    chain = tuple(certificate.der for certificate in stage.responder.authority.published)
    return replace(draft, certificates=(*chain, *draft.certificates))


# -------------------------------------------------------------------------------- on the envelope


def to_stranger(draft: Draft, stage: Stage) -> Draft:
    """Encrypt to somebody else, and say so (A-18)."""
    other = stage.stranger.issuer
    return replace(draft, recipient=other, named_recipient=other)


def key_of_stranger(draft: Draft, stage: Stage) -> Draft:
    """Encrypt to somebody else without saying so."""
    return replace(draft, recipient=stage.stranger.issuer)


def content_in_failure(draft: Draft, stage: Stage) -> Draft:
    """Put an envelope where there is none (A-09)."""
    if draft.status is PkiStatus.SUCCESS:
        return draft
    return replace(draft, has_envelope=True, certificates=(stage.responder.authority.issuer.der,))


def garbage(plain: bytes) -> bytes:
    """Return something else of the same size."""
    return bytes(octet ^ 0x55 for octet in plain)


def bad_padding(padded: bytes) -> bytes:
    """Return a last block whose padding cannot be."""
    return padded[:-1] + b"\x00"


def with_cipher(cipher: ContentEncryptionAlgorithm) -> Callable[[Draft, object], Draft]:
    """Use this cipher, whatever the request had."""
    return setting(content_encryption_algorithm=cipher)


def with_digest(digest: DigestAlgorithm) -> Callable[[Draft, object], Draft]:
    """Use this hash, whatever the request had."""
    return setting(digest_algorithm=digest, signature_digest=digest, digest_oid=digest.oid)


# -------------------------------------------------------------------------------- on the encoding


def message(change: Callable[[bytes], bytes]) -> OnDraftFunction:
    """Change the finished message."""

    def apply(draft: Draft, _stage: Stage) -> Draft:
        return replace(draft, change_message=(*draft.change_message, change))

    return apply


def indefinite_lengths(octets: bytes) -> bytes:
    """Rewrite the outermost structures with indefinite lengths, as streaming encoders do."""
    reader = der.Reader(octets).enter()
    content_type = reader.read_raw()
    signed_data = reader.enter(der.context(0)).read_contents(der.SEQUENCE)
    end = b"\x00\x00"
    return b"\x30\x80" + content_type + b"\xa0\x80\x30\x80" + signed_data + end + end + end


def deep(_octets: bytes) -> bytes:
    """Return structures in structures, 100,000 times."""
    return b"\x30\x80" * 100_000


def huge(_octets: bytes) -> bytes:
    """Return five megabytes of nothing."""
    return der.octet_string(b"\x00" * (5 * 1024 * 1024))


# ------------------------------------------------------------------------------- on the behaviour


def refused(reply: CertRep, _before: int) -> CertRep:
    """Refuse whatever is asked."""
    del reply
    return CertRep(pki_status=PkiStatus.FAILURE, fail_info=FailInfo.BAD_REQUEST)


def nothing_in_it(reply: CertRep, _before: int) -> CertRep:
    """Take out what was issued."""
    return replace(reply, certificates=(), crl=None)


# ------------------------------------------------------------------------------- on the responses

PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Welcome!</body></html>\n"


def html(response: HttpResponse) -> HttpResponse:
    """Answer with a web page."""
    return replace(response, headers=(("Content-Type", "text/html; charset=utf-8"),), body=PAGE)


def other_type(response: HttpResponse) -> HttpResponse:
    """Say that it is something else."""
    return replace(response, headers=(("Content-Type", "application/octet-stream"),))


def redirect(response: HttpResponse) -> HttpResponse:
    """Send the client elsewhere."""
    del response
    return HttpResponse(status=302, headers=(("Location", "http://127.0.0.1:9/elsewhere"),))


def server_error(response: HttpResponse) -> HttpResponse:
    """Fail, with a text."""
    del response
    headers = (("Content-Type", "text/plain"),)
    return HttpResponse(status=500, headers=headers, body=b"something broke\n")


def empty(response: HttpResponse) -> HttpResponse:
    """Answer with nothing."""
    return replace(response, body=b"")


def stripped(response: HttpResponse) -> HttpResponse:
    """Announce what somebody in the middle would who wants 3DES and SHA-1 (C-23)."""
    return replace(response, body=format_capabilities((Capability.DES3, Capability.SHA1)))


def lying(response: HttpResponse) -> HttpResponse:
    """Announce everything that there is."""
    return replace(response, body=format_capabilities(Capability))


def another_ca(_response: HttpResponse, stranger: EphemeralCa) -> HttpResponse:
    """Return another CA of the same name (G-18)."""
    return ca_cert_response(stranger.issuer.der, chain=False)


def add_registrar(response: HttpResponse, stranger: EphemeralCa) -> HttpResponse:
    """Put an RA of another CA beside the genuine certificates (G-17)."""
    genuine = parse_ca_certificates(response.body).certificates
    registrar = stranger.issue_certificate(
        subject=build_name("CN=RA"),
        public_key=stranger.issuer.public_key,
        not_before=stranger.issuer.not_before,
        lifetime=timedelta(days=3650),
    )
    bag = degenerate([registrar.der, *(certificate.der for certificate in genuine)])
    return ca_cert_response(bag, chain=True)


def as_ca(
    change: Callable[[HttpResponse], HttpResponse],
) -> Callable[[HttpResponse, EphemeralCa], HttpResponse]:
    """Make of a change to any response one to GetCACert's."""

    def apply(response: HttpResponse, _stranger: EphemeralCa) -> HttpResponse:
        return change(response)

    return apply
