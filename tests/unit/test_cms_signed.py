"""pyscep.cms_signed: one signer, signed attributes, and nothing believed before verification."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from pyscep import asn1
from pyscep.algorithms import (
    DigestAlgorithm,
    KeyType,
    SignatureAlgorithm,
    signature_algorithm_for,
)
from pyscep.certificates import Certificate, Identity, parse_certificate
from pyscep.cms_signed import (
    CertificateBag,
    UnverifiedSignedData,
    VerifiedSignedData,
    degenerate,
    find_certificate,
    parse_degenerate,
    parse_signed_data,
    sign_data,
)
from pyscep.errors import (
    DecodeError,
    DuplicateAttribute,
    KeyCapabilityError,
    LimitExceeded,
    MessageError,
    MissingAttribute,
    SignatureInvalid,
    UnsupportedError,
    WeakAlgorithm,
)
from pyscep.identifiers import CertificateIdentifier
from pyscep.keys import PrivateKey
from pyscep.limits import Limits
from pyscep.signed_attributes import SignedAttributes
from tests.helpers import keys, tlv
from tests.helpers.message_factory import SignedMessage, pss_identifier
from tests.helpers.tlv import SignedDataParts

PROVIDER = keys.provider()
RSA, EC = keys.rsa(), keys.ec()
RSA_DER = tlv.certificate(RSA, subject=tlv.name("RSA signer"), serial=1)
EC_DER = tlv.certificate(EC, subject=tlv.name("EC signer"), serial=2)
SIGNERS = {RSA: parse_certificate(RSA_DER), EC: parse_certificate(EC_DER)}
RSA_SIGNER, EC_SIGNER = SIGNERS[RSA], SIGNERS[EC]
PROTECTION = "1.2.840.113549.1.9.52"
PARTS = SignedDataParts(key=RSA, sid=tlv.issuer_and_serial(RSA_DER))
EC_PARTS = SignedDataParts(key=EC, sid=tlv.issuer_and_serial(EC_DER))


def identity(key: PrivateKey = RSA) -> Identity:
    return Identity(certificate=SIGNERS[key], key=key)


def verify(
    parts: SignedDataParts | bytes, signer: Certificate = RSA_SIGNER, **options: Any
) -> VerifiedSignedData:
    octets = parts if isinstance(parts, bytes) else parts.dump()
    return parse_signed_data(octets).verify(signer, provider=PROVIDER, **options)


def signed(
    content: bytes | None = b"content",
    key: PrivateKey = RSA,
    digest: DigestAlgorithm = DigestAlgorithm.SHA256,
    attributes: tuple[tuple[str, bytes], ...] = (),
    certificates: tuple[bytes, ...] = (),
) -> bytes:
    return sign_data(
        content,
        identity=identity(key),
        digest_algorithm=digest,
        attributes=attributes,
        certificates=certificates,
        provider=PROVIDER,
    )


# ---------------------------------------------------------------------------------------- writing


@pytest.mark.conforms("M-01", "M-05", "M-06", "M-09", "M-10", "M-31", "M-36")
def test_every_part_of_what_is_written() -> None:
    attributes = (
        ("2.16.840.1.113733.1.9.7", tlv.printable("id")),
        ("2.16.840.1.113733.1.9.2", tlv.printable("19")),
    )
    octets = signed(attributes=attributes, certificates=(RSA_DER, EC_DER))
    expected = replace(
        PARTS,
        extra_attributes=tuple(tlv.attribute(oid, value) for oid, value in attributes),
        certificates=tlv.explicit(0, RSA_DER, EC_DER),
    )
    assert octets == expected.dump()  # PKCS #1 v1.5 signatures are deterministic


@pytest.mark.conforms("M-35", "M-36", "M-37")
@pytest.mark.parametrize("key", [RSA, EC])
@pytest.mark.parametrize("digest", DigestAlgorithm)
def test_what_is_written_is_verified(key: PrivateKey, digest: DigestAlgorithm) -> None:
    verified = verify(signed(key=key, digest=digest), SIGNERS[key])
    kind = KeyType.RSA if key is RSA else KeyType.EC
    assert verified.content == b"content"
    assert verified.content_type == tlv.DATA
    assert verified.digest_algorithm is digest
    assert verified.signature_algorithm is signature_algorithm_for(kind, digest)
    assert verified.signer == SIGNERS[key]
    assert verified.certificates == ()


@pytest.mark.conforms("M-03", "M-04")
def test_no_content_is_left_out() -> None:
    octets = signed(None)
    empty = replace(PARTS, content=None)
    assert octets == empty.dump()
    assert tlv.parse(octets).at(1, 0, 2).dump() == bytes.fromhex("300b06092a864886f70d010701")
    assert verify(octets).content is None


@pytest.mark.parametrize(
    ("public_key", "text", "argument"),
    [(keys.ED25519, "neither RSA nor EC", "identity"), (RSA.public_key, "cannot sign with", "key")],
)
def test_keys_that_cannot_sign(public_key: bytes, text: str, argument: str) -> None:
    certificate = parse_certificate(
        tlv.certificate(EC, subject=tlv.name("x"), public_key=public_key)
    )
    odd = Identity(certificate=certificate, key=keys.OddKey(public_key))
    with pytest.raises(KeyCapabilityError, match=text) as caught:
        sign_data(
            b"",
            identity=odd,
            digest_algorithm=DigestAlgorithm.SHA256,
            attributes=(),
            certificates=(),
            provider=PROVIDER,
        )
    assert caught.value.argument == argument


# --------------------------------------------------------------------- what arrives, and is right


@pytest.mark.conforms("M-04", "M-05")
@pytest.mark.parametrize(
    ("parts", "content"),
    [
        (PARTS, b"content"),
        (replace(PARTS, content=b""), b""),
        (replace(PARTS, content=b"\x00"), b"\x00"),
        (replace(PARTS, content=None), None),
        (replace(PARTS, content=None, econtent=tlv.explicit(0)), None),
        (
            replace(
                PARTS, econtent=tlv.explicit(0, tlv.tlv(0x24, *map(tlv.octets, (b"con", b"tent"))))
            ),
            b"content",
        ),
    ],
)
def test_contents_and_no_contents(parts: SignedDataParts, content: bytes | None) -> None:
    assert verify(parts).content == content


@pytest.mark.conforms("M-05", "M-10")
@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_ber(piece: int) -> None:
    octets = replace(PARTS, certificates=tlv.explicit(0, RSA_DER)).dump()
    verified = verify(tlv.parse(octets).ber(piece=piece))
    assert verified.content == b"content"
    # Signed structures inside come out as the DER they were signed as.
    assert verified.certificates == (RSA_DER,)


RSA_SHA256_IDENTIFIER = tlv.algorithm(tlv.SHA256_WITH_RSA, tlv.null())


@pytest.mark.conforms("M-35")
@pytest.mark.parametrize(
    ("parts", "identifier"),
    [
        (PARTS, tlv.algorithm(tlv.RSA_ENCRYPTION, tlv.null())),
        (PARTS, tlv.algorithm(tlv.RSA_ENCRYPTION)),
        (PARTS, RSA_SHA256_IDENTIFIER),
        (PARTS, tlv.algorithm(tlv.SHA256_WITH_RSA)),
        (EC_PARTS, tlv.algorithm(tlv.ECDSA_WITH_SHA256)),
        (EC_PARTS, tlv.algorithm(tlv.ECDSA_WITH_SHA256, tlv.null())),
    ],
)
@pytest.mark.parametrize(
    "digest", [tlv.algorithm(tlv.SHA256), tlv.algorithm(tlv.SHA256, tlv.null())]
)
def test_spellings_of_algorithms(parts: SignedDataParts, identifier: bytes, digest: bytes) -> None:
    verify(
        replace(parts, signature_identifier=identifier, digest_identifier=digest),
        SIGNERS[parts.key],
    )


@pytest.mark.conforms("M-06", "M-33")
def test_versions_and_kinds_of_identifiers() -> None:
    # A certificate without the extension is named by the SHA-1 of its key.
    bits = tlv.parse(RSA.public_key).at(1).contents[1:]
    implied = tlv.implicit(0, hashlib.sha1(bits, usedforsecurity=False).digest())
    verify(replace(PARTS, version=3, sid=implied))
    named = parse_certificate(
        tlv.certificate(
            RSA, subject=tlv.name("x"), extensions=[tlv.extension("2.5.29.14", tlv.octets(b"id"))]
        )
    )
    message = parse_signed_data(replace(PARTS, version=3, sid=tlv.implicit(0, b"id")).dump())
    message.verify(named, provider=PROVIDER)
    assert message.signer_identifier == CertificateIdentifier(subject_key_identifier=b"id")
    with pytest.raises(SignatureInvalid, match="signed by key identifier 6964, not by"):
        message.verify(RSA_SIGNER, provider=PROVIDER)


@pytest.mark.conforms("M-33", "G-24")
def test_the_issuer_is_compared_as_a_name() -> None:
    printable = tlv.seq(tlv.rdn((tlv.CN, tlv.printable("RSA SIGNER"))))
    verify(replace(PARTS, sid=tlv.seq(printable, tlv.integer(1))))


@pytest.mark.conforms("M-10")
def test_attributes_signed_in_order_but_sent_in_another() -> None:
    attributes = PARTS.all_attributes()
    shuffled = tuple(reversed(attributes))
    assert shuffled != attributes
    in_order = tlv.unsorted_set(*attributes)
    verify(replace(PARTS, attributes=shuffled, signed_octets=in_order))
    # And the other way round: signed as sent.
    verify(replace(PARTS, attributes=shuffled))
    with pytest.raises(SignatureInvalid):
        verify(replace(PARTS, attributes=shuffled, signed_octets=tlv.unsorted_set()))


@pytest.mark.conforms("M-40", "V-05")
def test_unknown_and_unsigned_attributes() -> None:
    hresult = ("1.3.6.1.4.1.311.21.33", tlv.printable("-2147024809"))
    verified = verify(
        replace(
            PARTS,
            extra_attributes=(
                tlv.attribute(*hresult),
                tlv.attribute("1.2.3"),
                tlv.attribute("1.2.4", b"\x05\x00", b"\x05\x00"),
            ),
            unsigned_attributes=tlv.explicit(1, tlv.attribute("1.2.3", tlv.null())),
        )
    )
    assert verified.attributes.get(asn1.NDES_HRESULT) == hresult[1]
    assert verified.attributes.require(asn1.NDES_HRESULT) == hresult[1]
    assert verified.attributes.get("1.9.9") is None


def protection(digest: str, signature: str, tag: int = 1) -> bytes:
    value = tlv.seq(tlv.algorithm(digest), tlv.explicit(tag, tlv.oid(signature), tlv.null()))
    return tlv.attribute(PROTECTION, value)


@pytest.mark.conforms("M-37")
def test_algorithm_protection_that_fits() -> None:
    verify(replace(PARTS, extra_attributes=(protection(tlv.SHA256, tlv.RSA_ENCRYPTION),)))
    verify(
        replace(
            PARTS,
            signature_identifier=RSA_SHA256_IDENTIFIER,
            extra_attributes=(protection(tlv.SHA256, tlv.SHA256_WITH_RSA),),
        )
    )


@pytest.mark.conforms("M-43")
def test_a_pss_signature() -> None:
    # The provider may be unable to make one; all of them verify.
    message = SignedMessage(
        signer=identity(),
        content=b"content",
        scheme=SignatureAlgorithm.RSA_PSS_SHA256,
        signature_identifier=pss_identifier("sha256"),
    )
    verified = verify(message.encode())
    assert verified.signature_algorithm is SignatureAlgorithm.RSA_PSS_SHA256
    with pytest.raises(SignatureInvalid):
        verify(replace(message, signature=bytes(256)).encode())


def test_what_is_unverified_has_no_content() -> None:
    message = parse_signed_data(PARTS.dump())
    assert not hasattr(message, "content")
    assert not hasattr(message, "attributes")
    assert "content" not in repr(message)
    assert "content=" not in repr(verify(PARTS))
    assert isinstance(message, UnverifiedSignedData)


# --------------------------------------------------------------------- what arrives, and is wrong


@pytest.mark.conforms("M-34", "S-14")
def test_a_forger_with_the_same_issuer_and_serial_number() -> None:
    forger = keys.rsa(1)
    same = tlv.certificate(forger, subject=tlv.name("RSA signer"), serial=1)
    parts = replace(PARTS, key=forger, certificates=tlv.explicit(0, same))
    assert tlv.issuer_and_serial(same) == PARTS.sid
    with pytest.raises(SignatureInvalid) as caught:
        verify(parts)
    assert caught.value.fail_info_hint == 1
    # It does verify with the certificate that came along, which is why that is not asked.
    verify(parts, parse_certificate(same))


@pytest.mark.conforms("M-32", "M-34")
def test_no_certificates_and_a_random_signature() -> None:
    verify(PARTS)
    tree = tlv.parse(PARTS.dump())
    path = (1, 0, 3, 0, 5)
    junk = tlv.Node(0x04, bytes(256))
    with pytest.raises(SignatureInvalid):
        verify(tree.with_at(path, junk).dump())
    with pytest.raises(SignatureInvalid):
        verify(tree.with_at(path, tlv.Node(0x04, b"")).dump())


@pytest.mark.conforms("M-33")
def test_another_signer_than_the_trusted_one() -> None:
    with pytest.raises(
        SignatureInvalid, match=r"serial number 1 of CN=RSA signer, not by .* CN=EC signer"
    ):
        verify(PARTS, EC_SIGNER)


@pytest.mark.conforms("M-08", "S-12")
def test_no_signed_attributes() -> None:
    bare = replace(PARTS, attributes_field=b"", signed_octets=PARTS.content)
    with pytest.raises(MissingAttribute, match="without signed attributes") as caught:
        parse_signed_data(bare.dump())
    assert caught.value.attribute == "signedAttrs"
    assert caught.value.reference == "RFC 8894 section 3.2"


@pytest.mark.conforms("M-08", "S-12")
def test_attributes_as_content() -> None:
    # A signature over attributes, presented as one over content that equals them.
    attributes = tlv.unsorted_set(*PARTS.all_attributes())
    forged = replace(PARTS, content=attributes, attributes_field=b"", signed_octets=attributes)
    with pytest.raises(MissingAttribute):
        parse_signed_data(forged.dump())
    # And the other way: content that was signed as such, presented as attributes.
    with pytest.raises(SignatureInvalid, match="messageDigest does not fit"):
        verify(replace(PARTS, content=b"other", attributes=PARTS.all_attributes()))


@pytest.mark.conforms("M-01", "S-12")
def test_other_content_types() -> None:
    parts = replace(PARTS, content_type=tlv.SIGNED_DATA)
    with pytest.raises(MessageError, match=f"type {tlv.SIGNED_DATA}, but SCEP signs") as caught:
        parse_signed_data(parts.dump())
    assert caught.value.reference == "RFC 8894 section 3.2"
    message = parse_signed_data(parts.dump(), content_types=(asn1.DATA, asn1.SIGNED_DATA))
    assert message.verify(RSA_SIGNER, provider=PROVIDER).content_type == asn1.SIGNED_DATA
    with pytest.raises(MessageError, match=f"{asn1.DATA} or {asn1.SIGNED_DATA}"):
        parse_signed_data(
            replace(PARTS, content_type="1.2.3").dump(),
            content_types=(asn1.DATA, asn1.SIGNED_DATA),
        )


def attributes_of(*pairs: tuple[str, bytes]) -> SignedDataParts:
    return replace(PARTS, attributes=tuple(tlv.attribute(oid, value) for oid, value in pairs))


DIGEST = tlv.octets(hashlib.sha256(b"content").digest())
CONTENT_TYPE_PAIR = (tlv.CONTENT_TYPE, tlv.oid(tlv.DATA))
DIGEST_PAIR = (tlv.MESSAGE_DIGEST, DIGEST)


@pytest.mark.conforms("M-09")
@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (attributes_of(), "contentType"),
        (attributes_of(DIGEST_PAIR), "contentType"),
        (attributes_of(CONTENT_TYPE_PAIR), "messageDigest"),
    ],
)
def test_missing_attributes(parts: SignedDataParts, name: str) -> None:
    with pytest.raises(MissingAttribute, match=f"lacks the signed attribute {name}") as caught:
        verify(parts)
    assert caught.value.attribute == name
    assert caught.value.reference == "RFC 8894 section 3.2.1"


def test_a_missing_attribute_without_a_name() -> None:
    with pytest.raises(MissingAttribute, match=r"1\.2\.3") as caught:
        SignedAttributes(values=()).require("1.2.3")
    assert caught.value.attribute == "1.2.3"


@pytest.mark.conforms("M-09", "M-11")
@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ((tlv.attribute(*CONTENT_TYPE_PAIR), *[tlv.attribute(*DIGEST_PAIR)] * 2), "messageDigest"),
        ((tlv.attribute(*DIGEST_PAIR), *[tlv.attribute(*CONTENT_TYPE_PAIR)] * 2), "contentType"),
        (
            (tlv.attribute(*CONTENT_TYPE_PAIR), tlv.attribute(tlv.MESSAGE_DIGEST, DIGEST, DIGEST)),
            "messageDigest",
        ),
        ((tlv.attribute(*CONTENT_TYPE_PAIR), tlv.attribute(tlv.MESSAGE_DIGEST)), "messageDigest"),
        ((*PARTS.all_attributes(), *[tlv.attribute("1.2.3", tlv.null())] * 2), "1.2.3"),
        (
            (*PARTS.all_attributes(), tlv.attribute(PROTECTION, tlv.null(), tlv.null())),
            "cmsAlgorithmProtection",
        ),
    ],
)
def test_attributes_that_occur_twice(attributes: tuple[bytes, ...], name: str) -> None:
    with pytest.raises(DuplicateAttribute, match=name) as caught:
        verify(replace(PARTS, attributes=attributes))
    assert caught.value.attribute == name
    assert caught.value.reference == "RFC 5652 section 11"


@pytest.mark.conforms("M-09")
@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (attributes_of((tlv.CONTENT_TYPE, tlv.oid(tlv.SIGNED_DATA)), DIGEST_PAIR), "contentType"),
        (
            attributes_of(CONTENT_TYPE_PAIR, (tlv.MESSAGE_DIGEST, tlv.octets(bytes(32)))),
            "messageDigest does not fit",
        ),
        (
            attributes_of(CONTENT_TYPE_PAIR, (tlv.MESSAGE_DIGEST, tlv.octets(b""))),
            "messageDigest does not fit",
        ),
        (
            replace(attributes_of(CONTENT_TYPE_PAIR, DIGEST_PAIR), content=b"Content"),
            "does not fit",
        ),
        (replace(attributes_of(CONTENT_TYPE_PAIR, DIGEST_PAIR), content=None), "does not fit"),
    ],
)
def test_attributes_that_do_not_fit_the_content(parts: SignedDataParts, text: str) -> None:
    with pytest.raises(SignatureInvalid, match=text):
        verify(parts)


@pytest.mark.conforms("M-09")
@pytest.mark.parametrize(
    "parts",
    [
        attributes_of((tlv.CONTENT_TYPE, tlv.octets(b"")), DIGEST_PAIR),
        attributes_of(CONTENT_TYPE_PAIR, (tlv.MESSAGE_DIGEST, tlv.null())),
        replace(PARTS, attributes=(tlv.null(),)),
        replace(PARTS, attributes=(tlv.seq(tlv.oid("1.2.3")),)),
        replace(PARTS, attributes=(tlv.seq(tlv.oid("1.2.3"), tlv.seq()),)),
        replace(PARTS, attributes=(tlv.seq(tlv.oid("1.2.3"), tlv.unsorted_set(), tlv.null()),)),
        replace(PARTS, attributes=(tlv.seq(tlv.oid("1.2.3"), tlv.unsorted_set(b"\x05")),)),
        replace(PARTS, extra_attributes=(tlv.attribute(PROTECTION, tlv.null()),)),
        replace(PARTS, extra_attributes=(protection(tlv.SHA256, tlv.SHA256_WITH_RSA, tag=2),)),
    ],
)
def test_malformed_attributes(parts: SignedDataParts) -> None:
    with pytest.raises(DecodeError):
        verify(parts)


@pytest.mark.conforms("M-36", "S-04", "L-03")
def test_md5() -> None:
    md5 = replace(PARTS, digest_name="md5", digest_identifier=tlv.algorithm(tlv.MD5))
    with pytest.raises(WeakAlgorithm) as caught:
        verify(md5)
    assert (caught.value.algorithm, caught.value.argument) == ("MD5", None)
    for oid in ("1.2.840.113549.1.1.4", "1.3.14.3.2.3"):
        with pytest.raises(WeakAlgorithm):
            verify(replace(PARTS, signature_identifier=tlv.algorithm(oid)))


SHA1_PARTS = replace(
    PARTS,
    digest_name="sha1",
    digest_identifier=tlv.algorithm(tlv.SHA1),
    scheme=SignatureAlgorithm.RSA_SHA1,
)


@pytest.mark.conforms("M-36", "C-23")
def test_a_digest_below_the_minimum() -> None:
    assert verify(SHA1_PARTS).digest_algorithm is DigestAlgorithm.SHA1
    with pytest.raises(WeakAlgorithm, match=r"signed with SHA1, but .* SHA256 or better") as caught:
        verify(SHA1_PARTS, minimum_digest=DigestAlgorithm.SHA256)
    assert (caught.value.algorithm, caught.value.argument) == ("SHA1", "minimum_digest")
    verify(PARTS, minimum_digest=DigestAlgorithm.SHA256)


@pytest.mark.conforms("S-05")
def test_unknown_algorithms() -> None:
    for parts in (
        replace(PARTS, digest_identifier=tlv.algorithm("1.2.3.4")),
        replace(PARTS, signature_identifier=tlv.algorithm("1.2.3.4")),
    ):
        with pytest.raises(UnsupportedError) as caught:
            verify(parts)
        assert caught.value.algorithm == "1.2.3.4"


@pytest.mark.conforms("M-37")
@pytest.mark.parametrize(
    ("digest", "signature"),
    [(SHA1_PARTS, RSA_SHA256_IDENTIFIER), (PARTS, tlv.algorithm("1.2.840.113549.1.1.5"))],
)
def test_two_different_digests(digest: SignedDataParts, signature: bytes) -> None:
    with pytest.raises(SignatureInvalid, match=r"have to be the same \(RFC 8933\)"):
        verify(replace(digest, signature_identifier=signature))


@pytest.mark.conforms("M-35")
@pytest.mark.parametrize(
    ("parts", "identifier"),
    [
        (PARTS, tlv.algorithm(tlv.ECDSA_WITH_SHA256)),
        (EC_PARTS, RSA_SHA256_IDENTIFIER),
        (EC_PARTS, tlv.algorithm(tlv.RSA_ENCRYPTION, tlv.null())),
    ],
)
def test_a_scheme_for_another_kind_of_key(parts: SignedDataParts, identifier: bytes) -> None:
    with pytest.raises(SignatureInvalid, match="not for the kind of key"):
        verify(replace(parts, signature_identifier=identifier), SIGNERS[parts.key])


@pytest.mark.conforms("M-37")
@pytest.mark.parametrize(
    ("digest", "signature"),
    [
        (tlv.SHA512, tlv.RSA_ENCRYPTION),
        (tlv.SHA256, tlv.SHA256_WITH_RSA),
        (tlv.SHA1, tlv.SHA256_WITH_RSA),
    ],
)
def test_algorithm_protection_that_does_not_fit(digest: str, signature: str) -> None:
    with pytest.raises(SignatureInvalid, match="cmsAlgorithmProtection"):
        verify(replace(PARTS, extra_attributes=(protection(digest, signature),)))


@pytest.mark.conforms("M-07", "S-13")
@pytest.mark.parametrize("first", [True, False])
def test_two_signers(first: bool) -> None:
    good, bad = PARTS.signer_info(), replace(EC_PARTS).signer_info()
    both = good + bad if first else bad + good
    with pytest.raises(MessageError, match="has 2 signers") as caught:
        parse_signed_data(replace(PARTS, signer_infos=both).dump())
    assert caught.value.reference == "RFC 8894 section 3.1"


@pytest.mark.conforms("M-07")
def test_no_signer() -> None:
    with pytest.raises(MessageError, match="has 0 signers"):
        parse_signed_data(replace(PARTS, signer_infos=b"").dump())


@pytest.mark.conforms("M-42")
def test_trailing_bytes() -> None:
    for wrong in (PARTS.dump() + b"\x00", tlv.parse(PARTS.dump()).ber(piece=9) + b"\x00"):
        with pytest.raises(DecodeError, match="1 bytes follow"):
            parse_signed_data(wrong)


TREE = tlv.parse(PARTS.dump())
NULL = tlv.parse(tlv.null())


@pytest.mark.conforms("M-01", "M-42")
@pytest.mark.parametrize(
    "octets",
    [
        b"",
        tlv.null(),
        tlv.seq(),
        RSA_DER,
        replace(PARTS, outer_type=tlv.ENVELOPED_DATA).dump(),
        replace(PARTS, trailer=tlv.null()).dump(),
        replace(PARTS, signed_data_trailer=tlv.null()).dump(),
        replace(PARTS, signer_info_trailer=tlv.null()).dump(),
        replace(PARTS, econtent=tlv.explicit(0, tlv.octets(b"a"), tlv.octets(b"b"))).dump(),
        replace(PARTS, econtent=tlv.explicit(0, tlv.utf8("a"))).dump(),
        replace(PARTS, econtent=tlv.explicit(0, tlv.octets(b"a")) + tlv.null()).dump(),
        replace(PARTS, sid=tlv.null()).dump(),
        replace(PARTS, certificates=tlv.explicit(0, b"\x30")).dump(),
        TREE.with_at((1,), NULL).dump(),
        TREE.with_at((1, 0), NULL).dump(),
        tlv.seq(tlv.oid(tlv.SIGNED_DATA), tlv.explicit(0, TREE.at(1, 0).dump(), tlv.null())),
        *(TREE.with_at((1, 0, n), NULL).dump() for n in range(4)),
        *(TREE.with_at((1, 0, n), None).dump() for n in range(4)),
        TREE.with_at((1, 0, 3, 0), NULL).dump(),
        *(TREE.with_at((1, 0, 3, 0, n), NULL).dump() for n in (0, 1, 2, 4, 5)),
    ],
)
def test_what_is_no_signed_data(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_signed_data(octets)


def test_an_identifier_that_is_none() -> None:
    for sid in (tlv.seq(), tlv.seq(tlv.null(), tlv.integer(1)), tlv.seq(tlv.name("x"), tlv.null())):
        message = parse_signed_data(replace(PARTS, sid=sid).dump())
        with pytest.raises(DecodeError):
            message.verify(RSA_SIGNER, provider=PROVIDER)


@pytest.mark.conforms("S-19", "T-29")
@pytest.mark.parametrize(
    ("limits", "field", "value"),
    [
        (Limits(message_size=100), "message_size", None),
        (Limits(certificates=1), "certificates", 2),
        (Limits(attributes=3), "attributes", 4),
        (Limits(recipients=0), "recipients", 1),
        (Limits(depth=4), "depth", 5),
        (Limits(elements=20), "elements", 21),
    ],
)
def test_limits(limits: Limits, field: str, value: int | None) -> None:
    many = tuple(tlv.attribute(f"1.2.{n}", tlv.null()) for n in range(2))
    parts = replace(PARTS, certificates=tlv.explicit(0, EC_DER, EC_DER), extra_attributes=many)
    octets = parts.dump()
    if field in ("depth", "elements"):
        octets = tlv.parse(octets).ber(piece=100)
    parse_signed_data(octets).verify(RSA_SIGNER, provider=PROVIDER)
    with pytest.raises(LimitExceeded) as caught:
        parse_signed_data(octets, limits=limits).verify(RSA_SIGNER, provider=PROVIDER)
    assert caught.value.limit == field
    assert value is None or caught.value.value == value


@pytest.mark.conforms("S-12", "S-13")
def test_no_byte_of_the_signed_part_can_be_changed() -> None:
    octets = EC_PARTS.dump()
    begin = octets.index(b"content") - 2
    good = verify(octets, EC_SIGNER)
    for position in range(begin, len(octets)):
        changed = bytearray(octets)
        changed[position] ^= 1
        try:
            again = verify(bytes(changed), EC_SIGNER)
        except (DecodeError, MessageError, SignatureInvalid, UnsupportedError, WeakAlgorithm):
            continue
        # What still verifies says the same: a version, or a tag that means nothing.
        assert (again.content, again.content_type) == (good.content, good.content_type)
        assert again.attributes == good.attributes


# -------------------------------------------------------------------------------------- degenerate


@pytest.mark.conforms("D-01", "D-02", "D-03")
def test_the_degenerate_vector() -> None:
    none = "302506092a864886f70d010702a0183016 020101 3100 300b06092a864886f70d010701 a000 3100"
    octets = degenerate([RSA_DER])
    assert octets == tlv.content_info(
        tlv.SIGNED_DATA,
        tlv.seq(
            tlv.integer(1),
            tlv.unsorted_set(),
            tlv.seq(tlv.oid(tlv.DATA)),
            tlv.explicit(0, RSA_DER),
            tlv.unsorted_set(),
        ),
    )
    assert parse_degenerate(bytes.fromhex(none)) == CertificateBag(certificates=(), crls=())
    assert parse_degenerate(degenerate([])).certificates == ()


@pytest.mark.conforms("A-03", "A-07", "D-02")
def test_the_order_is_kept() -> None:
    crls = (tlv.seq(tlv.integer(2)), tlv.seq(tlv.integer(1)))
    for certificates in ((RSA_DER, EC_DER), (EC_DER, RSA_DER)):
        octets = degenerate(certificates, crls)
        assert parse_degenerate(octets) == CertificateBag(certificates=certificates, crls=crls)
        assert parse_degenerate(tlv.parse(octets).ber(piece=50)).certificates == certificates
    only = degenerate((), crls)
    assert tlv.parse(only).at(1, 0, 3).tag == 0xA1
    assert parse_degenerate(only) == CertificateBag(certificates=(), crls=crls)


@pytest.mark.conforms("D-04", "D-06", "G-06")
@pytest.mark.parametrize(
    "parts",
    [
        replace(PARTS, signer_infos=b"", version=3),
        replace(PARTS, signer_infos=b"", digest_identifier=tlv.algorithm(tlv.MD5)),
        replace(PARTS, signer_infos=b"", content=b""),
        replace(PARTS, signer_infos=b"", content=None),
        replace(PARTS, signer_infos=b"", content_type="1.2.3"),
        PARTS,
        replace(PARTS, signer_infos=tlv.null() * 3),
    ],
)
def test_deployed_servers_vary(parts: SignedDataParts) -> None:
    # Other CertificateChoices and RevocationInfoChoices beside the usual ones.
    other, crl = tlv.explicit(3, tlv.null()), tlv.seq(tlv.integer(1))
    fields = tlv.explicit(0, tlv.explicit(1), RSA_DER, other) + tlv.explicit(
        1, crl, tlv.explicit(1, tlv.null())
    )
    bag = parse_degenerate(replace(parts, certificates=fields).dump())
    assert bag == CertificateBag(certificates=(RSA_DER,), crls=(crl,))


@pytest.mark.conforms("D-05", "G-22")
@pytest.mark.parametrize("octets", [b"", b"<html>", RSA_DER, tlv.seq(tlv.oid(tlv.DATA))])
def test_what_is_not_degenerate(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_degenerate(octets)


@pytest.mark.conforms("S-19")
def test_certificates_and_crls_are_limited() -> None:
    limits = Limits(certificates=2)
    parse_degenerate(degenerate([EC_DER] * 2, [EC_DER] * 2), limits=limits)
    for octets in (degenerate([EC_DER] * 3), degenerate([], [EC_DER] * 3)):
        with pytest.raises(LimitExceeded) as caught:
            parse_degenerate(octets, limits=limits)
        assert (caught.value.limit, caught.value.value) == ("certificates", 3)


# ---------------------------------------------------------------------- finding the certificate


@pytest.mark.conforms("M-33")
def test_the_signer_is_found_by_what_names_it() -> None:
    identifier = CertificateIdentifier(issuer_and_serial_number=PARTS.sid)
    for candidates in ((RSA_DER, EC_DER), (EC_DER, b"junk", RSA_DER)):
        assert find_certificate(identifier, candidates) == RSA_SIGNER
    assert find_certificate(identifier, (EC_DER, tlv.seq())) is None
    assert find_certificate(identifier, ()) is None
    assert find_certificate(identifier, (RSA_DER,), limits=Limits(message_size=9)) is None
