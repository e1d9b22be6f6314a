"""CMS SignedData as SCEP uses it: one signer, signed attributes, or none at all ("degenerate").

What :func:`parse_signed_data` returns can only be verified. Content and attributes exist only in
the :class:`VerifiedSignedData` that :meth:`UnverifiedSignedData.verify` returns.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pyscep import asn1, ber, der
from pyscep.algorithms import (
    RSA_ENCRYPTION_OID,
    DigestAlgorithm,
    KeyType,
    SignatureAlgorithm,
    digest_algorithm_from_oid,
    signature_algorithm_for,
)
from pyscep.certificates import Certificate, Identity, key_type_of, parse_certificate
from pyscep.crypto import CryptoProvider
from pyscep.errors import (
    DecodeError,
    KeyCapabilityError,
    MessageError,
    MissingAttribute,
    SignatureInvalid,
    WeakAlgorithm,
)
from pyscep.identifiers import CertificateIdentifier, read_identifier
from pyscep.keys import require_signing
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.signed_attributes import SignedAttributes, parse_attributes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VerifiedSignedData:
    """Content and attributes whose signature was checked with the key of :attr:`signer`."""

    content: bytes | None = field(repr=False)
    """The eContent; ``None`` if there is none."""
    content_type: str
    """Its type, a dotted OID."""
    attributes: SignedAttributes = field(repr=False)
    """The signed attributes."""
    signer: Certificate
    """Whose key the signature was checked with."""
    certificates: tuple[bytes, ...] = field(repr=False)
    """The certificates that came along; these are *not* covered by the signature."""
    digest_algorithm: DigestAlgorithm
    """The hash over content and attributes."""
    signature_algorithm: SignatureAlgorithm
    """The scheme of the signature."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnverifiedSignedData:
    """A parsed SignedData of which nothing is believed yet.

    Source: RFC 5652 section 5; M-07, M-08, S-01.
    """

    signer_identifier: CertificateIdentifier
    """The certificate that the message claims to be signed with."""
    enclosed_certificates: tuple[bytes, ...] = field(repr=False)
    """Whatever certificates the sender put in; not a source of trust (M-34)."""
    _content: bytes | None = field(repr=False)
    _content_type: str = field(repr=False)
    _digest_oid: str = field(repr=False)
    _signature_identifier: bytes = field(repr=False)
    _attributes: bytes = field(repr=False)
    _signature: bytes = field(repr=False)
    _limits: Limits = field(repr=False)

    def verify(
        self,
        signer: Certificate,
        *,
        provider: CryptoProvider,
        minimum_digest: DigestAlgorithm = DigestAlgorithm.SHA1,
    ) -> VerifiedSignedData:
        """Check digest and signature with the key of *signer*, a certificate the caller trusts.

        :param minimum_digest: the weakest hash that is accepted.
        :raises SignatureInvalid: another signer, another content, or a wrong signature.
        :raises WeakAlgorithm: a hash below *minimum_digest*, or a forbidden one.
        :raises UnsupportedError: an unknown algorithm.
        :raises MissingAttribute: contentType or messageDigest is absent.
        :raises DuplicateAttribute: an attribute occurs twice.

        Source: RFC 5652 sections 5.4 and 5.6; M-08 to M-11, M-33 to M-37, S-01, S-12, S-13.
        """
        if not self.signer_identifier.names(signer):
            raise SignatureInvalid(
                f"The message is signed by {self.signer_identifier}, not by the trusted "
                f"certificate of {signer.subject} with serial number {signer.serial_number:x}; "
                "fetch the CA certificates anew if the CA has changed them."
            )
        digest_algorithm = digest_algorithm_from_oid(self._digest_oid)
        if digest_algorithm.strength < minimum_digest.strength:
            raise WeakAlgorithm(
                f"The message is signed with {digest_algorithm.name}, but the caller demands "
                f"{minimum_digest.name} or better; lower minimum_digest to accept it.",
                algorithm=digest_algorithm.name,
                argument="minimum_digest",
            )
        attributes = parse_attributes(self._attributes, self._limits)
        self._check_content(attributes, digest_algorithm, provider)
        algorithm = self._signature_algorithm(digest_algorithm, signer)
        self._check_protection(attributes)
        self._check_signature(signer, algorithm, provider)
        return VerifiedSignedData(
            content=self._content,
            content_type=self._content_type,
            attributes=attributes,
            signer=signer,
            certificates=self.enclosed_certificates,
            digest_algorithm=digest_algorithm,
            signature_algorithm=algorithm,
        )

    def _check_content(
        self, attributes: SignedAttributes, algorithm: DigestAlgorithm, provider: CryptoProvider
    ) -> None:
        content_type = der.read_der(attributes.require(asn1.CONTENT_TYPE), der.Reader.read_oid)
        claimed = der.read_der(
            attributes.require(asn1.MESSAGE_DIGEST), der.Reader.read_octet_string
        )
        if content_type != self._content_type:
            raise SignatureInvalid(
                f"The signed contentType {content_type} is not that of the content, "
                f"{self._content_type}; the message has been altered."
            )
        # An absent content is digested as nothing (M-04).
        actual = provider.digest(self._content or b"", algorithm)
        if not hmac.compare_digest(claimed, actual):
            raise SignatureInvalid(
                "The messageDigest does not fit the content; the message has been altered or cut."
            )

    def _signature_algorithm(
        self, digest_algorithm: DigestAlgorithm, signer: Certificate
    ) -> SignatureAlgorithm:
        """Return the scheme, which has to fit both the digest and the signer's key (M-35, M-37)."""
        oid = der.Reader(self._signature_identifier).enter().read_oid()
        if oid == RSA_ENCRYPTION_OID:
            algorithm = signature_algorithm_for(KeyType.RSA, digest_algorithm)
        else:
            algorithm = asn1.parse_signature_algorithm(self._signature_identifier)
        if algorithm.digest is not digest_algorithm:
            raise SignatureInvalid(
                f"The message is digested with {digest_algorithm.name} but signed with "
                f"{algorithm.digest.name}; both have to be the same (RFC 8933)."
            )
        if algorithm.key_type is not signer.key_type:
            raise SignatureInvalid(
                f"The message is signed with {algorithm.name}, which is not for the kind of key "
                f"that {signer.subject} has."
            )
        return algorithm

    def _check_protection(self, attributes: SignedAttributes) -> None:
        """Compare cmsAlgorithmProtection, if it is there (RFC 6211; M-37)."""
        value = attributes.get(asn1.CMS_ALGORITHM_PROTECTION)
        if value is None:
            return
        fields = der.Reader(value).enter()
        digest = fields.enter().read_oid()
        signature = fields.enter(der.context(1), "the signature algorithm").read_oid()
        if (
            digest != self._digest_oid
            or signature != der.Reader(self._signature_identifier).enter().read_oid()
        ):
            raise SignatureInvalid(
                "The algorithms do not fit the signed attribute cmsAlgorithmProtection; the "
                "message has been altered."
            )

    def _check_signature(
        self, signer: Certificate, algorithm: SignatureAlgorithm, provider: CryptoProvider
    ) -> None:
        # The signature is over a SET OF with the universal tag; on the wire it is [0] (M-10).
        received = der.encode(der.SET, self._attributes)
        try:
            provider.verify(signer.public_key, self._signature, received, algorithm)
        except SignatureInvalid:
            ordered = der.set_of(der.Reader(self._attributes).read_all())
            if ordered == received:
                raise
        else:
            return
        # A sender that signs in DER order and sends in another one.
        provider.verify(signer.public_key, self._signature, ordered, algorithm)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateBag:
    """A degenerate SignedData: certificates and CRLs that nobody vouches for.

    Source: RFC 8894 section 3.4; D-01 to D-06.
    """

    certificates: tuple[bytes, ...] = field(repr=False)
    """DER certificates, in the order received."""
    crls: tuple[bytes, ...] = field(repr=False)
    """DER CRLs, in the order received."""


# ---------------------------------------------------------------------------------------- writing

_VERSION_1 = der.integer(1)
_EMPTY_SET = der.set_of(())
_CONTENT_TYPE_DATA = asn1.attribute(asn1.CONTENT_TYPE, der.oid(asn1.DATA))
_RSA_SCHEME = der.sequence(der.oid(RSA_ENCRYPTION_OID), der.null())


def sign_data(
    content: bytes | None,
    *,
    identity: Identity,
    digest_algorithm: DigestAlgorithm,
    attributes: Iterable[tuple[str, bytes]],
    certificates: Sequence[bytes],
    provider: CryptoProvider,
) -> bytes:
    """Return a ContentInfo with a SignedData by one signer.

    The signature algorithm of an RSA key is written as rsaEncryption with NULL, which every known
    peer accepts.

    :param content: the eContent; ``None`` leaves it out (M-03).
    :param attributes: OID and DER value of each signed attribute besides contentType and
        messageDigest.
    :param certificates: DER, written in this order.
    :raises KeyCapabilityError: the key cannot sign with this digest.

    Source: RFC 5652 section 5; M-01, M-05, M-06, M-09, M-10, M-31.
    """
    algorithm = _signing_scheme(identity, digest_algorithm)
    digest = provider.digest(content or b"", digest_algorithm)
    signed_attributes = der.set_of(
        (
            _CONTENT_TYPE_DATA,
            asn1.attribute(asn1.MESSAGE_DIGEST, der.octet_string(digest)),
            *(asn1.attribute(oid, value) for oid, value in attributes),
        )
    )
    digest_identifier = asn1.digest_algorithm_identifier(digest_algorithm)
    signer_info = der.sequence(
        _VERSION_1,
        identity.certificate.issuer_and_serial_number,
        digest_identifier,
        der.implicit(0, signed_attributes),
        _scheme_identifier(algorithm),
        der.octet_string(identity.key.sign(signed_attributes, algorithm)),
    )
    encapsulated = b"" if content is None else der.explicit(0, der.octet_string(content))
    return asn1.content_info(
        asn1.SIGNED_DATA,
        der.sequence(
            _VERSION_1,
            der.set_of((digest_identifier,)),
            der.sequence(der.oid(asn1.DATA), encapsulated),
            _certificates_field(certificates),
            der.set_of((signer_info,)),
        ),
    )


def degenerate(certificates: Sequence[bytes], crls: Sequence[bytes] = ()) -> bytes:
    """Return a ContentInfo with a SignedData that only carries certificates and CRLs.

    The order is kept: old clients take the first certificate, and a sorted SET would put any
    certificate there (A-03).

    Source: RFC 8894 section 3.4; D-01, D-02, D-03, A-03.
    """
    crl_field = der.encode(der.context(1), b"".join(crls)) if crls else b""
    return asn1.content_info(
        asn1.SIGNED_DATA,
        der.sequence(
            _VERSION_1,
            _EMPTY_SET,
            der.sequence(der.oid(asn1.DATA)),
            _certificates_field(certificates),
            crl_field,
            _EMPTY_SET,
        ),
    )


def _signing_scheme(identity: Identity, digest: DigestAlgorithm) -> SignatureAlgorithm:
    key_type = key_type_of(identity.key.public_key)
    if key_type is None:
        raise KeyCapabilityError(
            "The key is neither RSA nor EC; SCEP knows no other kinds.", argument="identity"
        )
    algorithm = signature_algorithm_for(key_type, digest)
    require_signing(identity.key, algorithm)
    return algorithm


def _scheme_identifier(algorithm: SignatureAlgorithm) -> bytes:
    if algorithm.key_type is KeyType.RSA:
        return _RSA_SCHEME
    return asn1.signature_algorithm_identifier(algorithm)


def _certificates_field(certificates: Sequence[bytes]) -> bytes:
    return der.encode(der.context(0), b"".join(certificates)) if certificates else b""


# ---------------------------------------------------------------------------------------- reading


def parse_signed_data(
    octets: bytes,
    *,
    content_types: Sequence[str] = (asn1.DATA,),
    limits: Limits = DEFAULT_LIMITS,
) -> UnverifiedSignedData:
    """Parse a SignedData by exactly one signer, with signed attributes; DER, or BER once converted.

    :param content_types: which eContentTypes may occur.
    :raises DecodeError: not a SignedData.
    :raises LimitExceeded: larger than *limits* allow.
    :raises MessageError: no signer, several, or another eContentType.
    :raises MissingAttribute: no signed attributes at all.

    Source: RFC 5652 section 5.1; M-01, M-05, M-07, M-08, M-42.
    """
    parts = ber.read_ber_or_der(octets, lambda reader: _read_parts(reader, limits), limits=limits)
    if parts.content_type not in content_types:
        raise MessageError(
            f"The signed content is of type {parts.content_type}, but SCEP signs "
            f"{' or '.join(content_types)}.",
            reference="RFC 8894 section 3.2",
        )
    if len(parts.signer_infos) != 1:
        raise MessageError(
            f"The message has {len(parts.signer_infos)} signers; a SCEP message has exactly one.",
            reference="RFC 8894 section 3.1",
        )
    return _read_signer_info(der.Reader(parts.signer_infos[0]), parts, limits)


def parse_degenerate(octets: bytes, *, limits: Limits = DEFAULT_LIMITS) -> CertificateBag:
    """Parse a SignedData for its certificates and CRLs only; nothing in it is believed.

    Version, digest algorithms, an empty content and even signers are passed over, as deployed
    servers vary there; certificates of other formats are left out.

    :raises DecodeError: not a SignedData.
    :raises LimitExceeded: larger than *limits* allow.

    Source: RFC 8894 section 3.4; D-04, D-05, D-06, G-06.
    """
    parts = ber.read_ber_or_der(octets, lambda reader: _read_parts(reader, limits), limits=limits)
    return CertificateBag(certificates=parts.certificates, crls=parts.crls)


class _Parts(NamedTuple):
    content_type: str
    content: bytes | None
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    signer_infos: tuple[bytes, ...]


def _read_parts(reader: der.Reader, limits: Limits) -> _Parts:
    # SignedData ::= SEQUENCE { version, digestAlgorithms SET, encapContentInfo,
    #   certificates [0] IMPLICIT OPTIONAL, crls [1] IMPLICIT OPTIONAL, signerInfos SET }
    signed_data = asn1.enter_content_info(reader, asn1.SIGNED_DATA, "signedData")
    signed_data.read_integer()
    signed_data.read_raw_of(der.SET, "the digest algorithms")
    encapsulated = signed_data.enter()
    inner_type = encapsulated.read_oid()
    content = _read_content(encapsulated)
    certificates = _read_choices(signed_data, 0, limits)
    crls = _read_choices(signed_data, 1, limits)
    signers = signed_data.enter(der.SET, "the SignerInfos")
    signed_data.finish()
    signer_infos = []
    while not signers.at_end:
        signer_infos.append(signers.read_raw())
        limits.check("recipients", len(signer_infos), what="There are too many SignerInfos")
    return _Parts(
        content_type=inner_type,
        content=content,
        certificates=certificates,
        crls=crls,
        signer_infos=tuple(signer_infos),
    )


def _read_content(encapsulated: der.Reader) -> bytes | None:
    wrapper = encapsulated.enter_optional(der.context(0))
    encapsulated.finish()
    # An empty [0] is written by one known server for "nothing" (ASN1.md section 5).
    if wrapper is None or wrapper.at_end:
        return None
    content = wrapper.read_octet_string()
    wrapper.finish()
    return content


def _read_choices(reader: der.Reader, number: int, limits: Limits) -> tuple[bytes, ...]:
    """Read a set of certificates or CRLs; those of other formats are left out (D-06)."""
    members = reader.enter_optional(der.context(number))
    found: list[bytes] = []
    while members is not None and not members.at_end:
        tag = members.peek()
        element = members.read_raw()
        if tag == der.SEQUENCE:
            found.append(element)
        limits.check("certificates", len(found), what="There are too many certificates or CRLs")
    return tuple(found)


def _read_signer_info(reader: der.Reader, parts: _Parts, limits: Limits) -> UnverifiedSignedData:
    # SignerInfo ::= SEQUENCE { version, sid, digestAlgorithm, signedAttrs [0] IMPLICIT OPTIONAL,
    #   signatureAlgorithm, signature OCTET STRING, unsignedAttrs [1] IMPLICIT OPTIONAL }
    fields = reader.enter()
    fields.read_integer()
    signer_identifier = read_identifier(fields, limits=limits)
    digest_oid = fields.enter(der.SEQUENCE, "the digest algorithm").read_oid()
    if fields.peek() != der.context(0):
        raise MissingAttribute(
            "The message is signed without signed attributes, which SCEP demands.",
            attribute="signedAttrs",
            reference="RFC 8894 section 3.2",
        )
    attributes = fields.read_contents(der.context(0))
    signature_identifier = fields.read_raw_of(der.SEQUENCE, "the signature algorithm")
    signature = fields.read_octet_string()
    fields.enter_optional(der.context(1))
    fields.finish()
    return UnverifiedSignedData(
        signer_identifier=signer_identifier,
        enclosed_certificates=parts.certificates,
        _content=parts.content,
        _content_type=parts.content_type,
        _digest_oid=digest_oid,
        _signature_identifier=signature_identifier,
        _attributes=attributes,
        _signature=signature,
        _limits=limits,
    )


def find_certificate(
    identifier: CertificateIdentifier,
    candidates: Iterable[bytes],
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> Certificate | None:
    """Return the certificate that *identifier* names, from those enclosed in a message.

    Certificates that cannot be parsed are passed over; a wrong one cannot make the signature right.

    Source: M-33.
    """
    for candidate in candidates:
        try:
            certificate = parse_certificate(candidate, limits=limits)
        except DecodeError:
            continue
        if identifier.names(certificate):
            return certificate
    return None
