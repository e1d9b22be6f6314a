"""The OIDs of SCEP, the small structures that several modules share, and one door to asn1crypto.

asn1crypto reads leniently and lazily; :func:`load` makes it strict and eager, so that a malformed
structure is refused where it arrives and not where it is first looked at. Its classes are never
changed, as its maps belong to the whole process.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from pyscep import der, pem
from pyscep.algorithms import (
    MGF1_OID,
    RSASSA_PSS_OID,
    DigestAlgorithm,
    KeyType,
    SignatureAlgorithm,
    digest_algorithm_from_oid,
    refuse_oid,
    signature_algorithm_from_oid,
)
from pyscep.errors import DecodeError
from pyscep.limits import DEFAULT_LIMITS, Limits

# CMS content types (RFC 5652).
DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
ENVELOPED_DATA = "1.2.840.113549.1.7.3"
PWRI_KEK = "1.2.840.113549.1.9.16.3.9"

# CMS signed attributes (RFC 5652 section 11, RFC 6211).
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"
CMS_ALGORITHM_PROTECTION = "1.2.840.113549.1.9.52"

# SCEP signed attributes (RFC 8894 section 3.2).
MESSAGE_TYPE = "2.16.840.1.113733.1.9.2"
PKI_STATUS = "2.16.840.1.113733.1.9.3"
FAIL_INFO = "2.16.840.1.113733.1.9.4"
SENDER_NONCE = "2.16.840.1.113733.1.9.5"
RECIPIENT_NONCE = "2.16.840.1.113733.1.9.6"
TRANSACTION_ID = "2.16.840.1.113733.1.9.7"
FAIL_INFO_TEXT = "1.3.6.1.5.5.7.24.1"
FAIL_INFO_TEXT_SHORT = "1.3.6.1.5.5.7.24"
"""The arc that step-ca puts failInfoText under."""
NDES_HRESULT = "1.3.6.1.4.1.311.21.33"
"""Microsoft's HRESULT in decimal, in FAILURE replies of NDES (M-40)."""

# Attributes of a certification request (RFC 2985, RFC 2986).
CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7"  # noqa: S105  # an OID
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
MICROSOFT_EXTENSION_REQUEST = "1.3.6.1.4.1.311.2.1.14"
VERISIGN_EXTENSION_REQUEST = "2.16.840.1.113733.1.9.8"

# Extensions (RFC 5280; Microsoft's certificate templates).
SUBJECT_KEY_IDENTIFIER = "2.5.29.14"
KEY_USAGE = "2.5.29.15"
SUBJECT_ALT_NAME = "2.5.29.17"
BASIC_CONSTRAINTS = "2.5.29.19"
AUTHORITY_KEY_IDENTIFIER = "2.5.29.35"
EXTENDED_KEY_USAGE = "2.5.29.37"
MICROSOFT_TEMPLATE_NAME = "1.3.6.1.4.1.311.20.2"
MICROSOFT_TEMPLATE = "1.3.6.1.4.1.311.21.7"
MICROSOFT_UPN = "1.3.6.1.4.1.311.20.2.3"


# What its parsers have been seen to raise; AttributeError for a REAL, which it does not implement.
_ERRORS_OF_ASN1CRYPTO = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
)


def load(  # asn1crypto has no types, so Any is all that can be said
    spec: Any,  # noqa: ANN401
    octets: bytes,
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> Any:  # noqa: ANN401
    """Load *octets* with an asn1crypto class, strictly and down to the last element.

    :param spec: an asn1crypto class, such as ``asn1crypto.x509.Certificate``.
    :raises DecodeError: not that structure.
    :raises LimitExceeded: larger than ``limits.message_size``.

    Source: M-42, S-19.
    """
    limits.check_size(len(octets), what="The structure")
    name = spec.__name__
    try:
        value = spec.load(octets, strict=True)
        # Parsing is lazy; this forces all of it now.
        value.native  # noqa: B018
    except _ERRORS_OF_ASN1CRYPTO:
        value = None
    if value is None:
        raise DecodeError(f"The bytes are not a well-formed {name}.")
    return value


def load_certificate(octets: bytes) -> Any:  # noqa: ANN401  # asn1crypto has no types
    """Return a fresh ``asn1crypto.x509.Certificate``.

    :raises DecodeError: not a certificate.
    """
    from asn1crypto import x509  # noqa: PLC0415  # 30 ms, and only few callers want it

    return load(x509.Certificate, octets)


def pem_encode(label: str, octets: bytes) -> str:
    """Return *octets* in PEM, such as ``-----BEGIN CERTIFICATE-----``.

    Source: RFC 7468.
    """
    return pem.write_pem(label, octets).decode("ascii")


def pem_blocks(octets: bytes, label: str) -> tuple[bytes, ...]:
    """Return the contents of all PEM blocks with this label; other blocks are passed over.

    :raises DecodeError: broken PEM.

    Source: RFC 7468.
    """
    return tuple(block.contents for block in pem.read_blocks(octets) if block.label == label)


# ----------------------------------------------------------------------------------- algorithms

_IDENTIFIERS_KEPT = 64
_IDENTIFIER_SIZE = 1024
_PSS_SCHEMES = {algorithm.digest: algorithm for algorithm in SignatureAlgorithm if algorithm.is_pss}


@cache
def digest_algorithm_identifier(algorithm: DigestAlgorithm) -> bytes:
    """Return the DER AlgorithmIdentifier, without parameters.

    Source: RFC 5754 section 2.
    """
    return der.sequence(der.oid(algorithm.oid))


@cache
def signature_algorithm_identifier(algorithm: SignatureAlgorithm) -> bytes:
    """Return the DER AlgorithmIdentifier: NULL for RSA, nothing for ECDSA, parameters for PSS.

    Source: RFC 4055, RFC 5758 section 3.2; M-35.
    """
    if not algorithm.is_pss:
        parameters = der.null() if algorithm.key_type is KeyType.RSA else b""
        return der.sequence(der.oid(algorithm.oid), parameters)
    digest = der.sequence(der.oid(algorithm.digest.oid), der.null())
    return der.sequence(
        der.oid(algorithm.oid),
        der.sequence(
            der.explicit(0, digest),
            der.explicit(1, der.sequence(der.oid(MGF1_OID), digest)),
            der.explicit(2, der.integer(algorithm.digest.size)),
        ),
    )


# The same few come all the time.
@lru_cache(maxsize=_IDENTIFIERS_KEPT)
def parse_signature_algorithm(octets: bytes) -> SignatureAlgorithm:
    """Read a DER AlgorithmIdentifier that names scheme and hash together.

    :raises DecodeError: not an AlgorithmIdentifier, or one larger than any scheme needs.
    :raises WeakAlgorithm: it is forbidden.
    :raises UnsupportedError: it is unknown, or PSS with parameters that nobody uses.

    Source: RFC 4055 section 3.1; M-35, M-43, S-05.
    """
    if len(octets) > _IDENTIFIER_SIZE:
        raise DecodeError(
            f"The identifier of a signature algorithm has {len(octets)} bytes; that of RSA-PSS, "
            "the largest one, has less than 100."
        )
    fields = der.Reader(octets).enter()
    oid = fields.read_oid()
    if oid != RSASSA_PSS_OID:
        return signature_algorithm_from_oid(oid)
    return _read_pss_parameters(fields.enter())


def _read_pss_parameters(fields: der.Reader) -> SignatureAlgorithm:
    # RSASSA-PSS-params ::= SEQUENCE { hashAlgorithm [0] DEFAULT sha1, maskGenAlgorithm [1] DEFAULT
    #   mgf1SHA1, saltLength [2] INTEGER DEFAULT 20, trailerField [3] DEFAULT 1 }
    hash_field = fields.enter_optional(der.context(0))
    mask_field = fields.enter_optional(der.context(1))
    salt_field = fields.enter_optional(der.context(2))
    digest = read_digest(hash_field) if hash_field is not None else DigestAlgorithm.SHA1
    mask = read_mask_generation(mask_field) if mask_field is not None else DigestAlgorithm.SHA1
    salt = salt_field.read_integer() if salt_field is not None else 20
    scheme = _PSS_SCHEMES.get(digest)
    if scheme is None or mask is not digest or salt != digest.size:
        refuse_oid(RSASSA_PSS_OID, "signature (with these parameters)")
    return scheme


def read_digest(reader: der.Reader) -> DigestAlgorithm:
    """Read the AlgorithmIdentifier of a digest.

    :raises WeakAlgorithm: it is forbidden.
    :raises UnsupportedError: it is unknown.

    Source: RFC 5754 section 2; S-05.
    """
    return digest_algorithm_from_oid(reader.enter().read_oid())


def read_mask_generation(reader: der.Reader) -> DigestAlgorithm:
    """Read the AlgorithmIdentifier of MGF1 and return its digest.

    :raises WeakAlgorithm: the digest is forbidden.
    :raises UnsupportedError: it is not MGF1, or the digest is unknown.

    Source: RFC 4055 section 2.2; E-09.
    """
    fields = reader.enter()
    oid = fields.read_oid()
    if oid != MGF1_OID:
        refuse_oid(oid, "mask generation")
    return read_digest(fields)


# ---------------------------------------------------------------------------- parts of structures


def attribute(oid: str, value: bytes) -> bytes:
    """Return the DER Attribute with one value.

    Source: RFC 5652 section 5.3; RFC 2986 section 4.1.
    """
    # Attribute ::= SEQUENCE { type OBJECT IDENTIFIER, values SET OF ANY }
    return der.sequence(der.oid(oid), der.encode(der.SET, value))


def content_info(content_type: str, content: bytes) -> bytes:
    """Return the DER ContentInfo around a finished element.

    Source: RFC 5652 section 3.
    """
    return der.sequence(der.oid(content_type), der.explicit(0, content))


def enter_content_info(reader: der.Reader, content_type: str, name: str) -> der.Reader:
    """Enter the SEQUENCE that a ContentInfo of that type consists of.

    :param name: of the type, for the error.
    :raises DecodeError: something else comes next, or the content is of another type.

    Source: RFC 5652 section 3; M-01, E-01.
    """
    # ContentInfo ::= SEQUENCE { contentType, content [0] EXPLICIT ANY DEFINED BY contentType }
    info = reader.enter()
    found = info.read_oid()
    if found != content_type:
        info.fail(f"The content type {found} stands where {name} is required")
    wrapper = info.enter(der.context(0), "the content")
    info.finish()
    content = wrapper.enter()
    wrapper.finish()
    return content
