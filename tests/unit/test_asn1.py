"""pyscep.asn1: OIDs, PEM, AlgorithmIdentifiers, and the door to asn1crypto."""

from __future__ import annotations

import pytest
from asn1crypto import core, x509

from pyscep import asn1, der
from pyscep.algorithms import DigestAlgorithm, SignatureAlgorithm
from pyscep.errors import DecodeError, LimitExceeded, UnsupportedError, WeakAlgorithm
from pyscep.limits import Limits
from tests.helpers import keys, tlv

CERTIFICATE = tlv.certificate(keys.ec(), subject=tlv.name("A"))
PSS_SHA256 = SignatureAlgorithm.RSA_PSS_SHA256


@pytest.mark.conforms("M-14", "R-09")
@pytest.mark.parametrize(
    ("dotted", "expected"),
    [
        (asn1.DATA, "06092a864886f70d010701"),
        (asn1.SIGNED_DATA, "06092a864886f70d010702"),
        (asn1.ENVELOPED_DATA, "06092a864886f70d010703"),
        (asn1.MESSAGE_TYPE, "060a6086480186f845010902"),
        (asn1.PKI_STATUS, "060a6086480186f845010903"),
        (asn1.FAIL_INFO, "060a6086480186f845010904"),
        (asn1.SENDER_NONCE, "060a6086480186f845010905"),
        (asn1.RECIPIENT_NONCE, "060a6086480186f845010906"),
        (asn1.TRANSACTION_ID, "060a6086480186f845010907"),
        (asn1.VERISIGN_EXTENSION_REQUEST, "060a6086480186f845010908"),
        (asn1.FAIL_INFO_TEXT_SHORT, "06072b060105050718"),
        (asn1.FAIL_INFO_TEXT, "06082b06010505071801"),
        (asn1.NDES_HRESULT, "06092b0601040182371521"),
    ],
)
def test_oids_of_the_reference(dotted: str, expected: str) -> None:
    assert der.oid(dotted).hex() == expected


# ------------------------------------------------------------------------------ asn1crypto


def test_load() -> None:
    name = asn1.load(x509.Name, tlv.name("A"))
    assert name.native == {"common_name": "A"}
    assert asn1.load_certificate(CERTIFICATE).serial_number == 1


@pytest.mark.conforms("M-42", "S-19")
@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x30",
        CERTIFICATE + b"\x00",
        CERTIFICATE[:-1],
        tlv.seq(),
        # asn1crypto would notice these when they are looked at, not before
        CERTIFICATE.replace(tlv.utf8("A"), b"\x0c\x01\xff"),
        CERTIFICATE.replace(tlv.utf8("A"), b"\x09\x01\x00"),  # a REAL, which it lacks
        CERTIFICATE.replace(b"240101000000Z", b"24010100000xZ"),
    ],
)
def test_load_is_strict_and_eager(octets: bytes) -> None:
    with pytest.raises(DecodeError, match="not a well-formed Certificate") as caught:
        asn1.load(x509.Certificate, octets)
    assert caught.value.__context__ is None


@pytest.mark.conforms("S-19")
def test_load_checks_the_size_first() -> None:
    with pytest.raises(LimitExceeded) as caught:
        asn1.load(core.Integer, b"junk", limits=Limits(message_size=3))
    assert caught.value.limit == "message_size"


# ------------------------------------------------------------------------------------- PEM


def test_pem() -> None:
    text = asn1.pem_encode("CERTIFICATE", CERTIFICATE)
    assert text.startswith("-----BEGIN CERTIFICATE-----\n")
    assert text.endswith("\n-----END CERTIFICATE-----\n")
    assert "\r" not in text
    assert max(map(len, text.splitlines())) == 64
    other = asn1.pem_encode("CERTIFICATE REQUEST", b"0")
    file = f"of the CA\n{text}\n\n{other}{text}".encode()
    for spelling in (file, file.replace(b"\n", b"\r\n")):
        assert asn1.pem_blocks(spelling, "CERTIFICATE") == (CERTIFICATE, CERTIFICATE)
        assert asn1.pem_blocks(spelling, "CERTIFICATE REQUEST") == (b"0",)
        assert asn1.pem_blocks(spelling, "X509 CRL") == ()
    assert asn1.pem_blocks(CERTIFICATE, "CERTIFICATE") == ()


@pytest.mark.conforms("S-19")
@pytest.mark.parametrize("headers", [b"", b":\n" * 300_000 + b"\n"], ids=["plain", "headers"])
def test_pem_of_many_short_lines(headers: bytes) -> None:
    """Where each line costs the length of those before or behind it, this takes minutes."""
    lines = b"MIIA\n" * 250_000
    text = b"-----BEGIN CERTIFICATE-----\n" + headers + lines + b"-----END CERTIFICATE-----\n"

    assert asn1.pem_blocks(text, "CERTIFICATE") == (b"\x30\x82\x00" * 250_000,)


@pytest.mark.parametrize(
    "text",
    [
        b"-----BEGIN CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE\nMIIA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nMIIA\n",
        b"-----BEGIN \xff-----\n",
        b"-----BEGIN CERTIFICATE-----\nM*IA\n-----END CERTIFICATE-----\n",
    ],
)
def test_broken_pem(text: bytes) -> None:
    with pytest.raises(DecodeError, match="A PEM block") as caught:
        asn1.pem_blocks(text, "CERTIFICATE")
    assert caught.value.__context__ is None


# -------------------------------------------------------------------- AlgorithmIdentifiers


@pytest.mark.conforms("M-35", "M-36")
@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        (SignatureAlgorithm.RSA_SHA256, tlv.algorithm("1.2.840.113549.1.1.11", tlv.null())),
        (SignatureAlgorithm.RSA_SHA1, tlv.algorithm("1.2.840.113549.1.1.5", tlv.null())),
        (SignatureAlgorithm.ECDSA_SHA256, tlv.algorithm("1.2.840.10045.4.3.2")),
        (SignatureAlgorithm.ECDSA_SHA512, tlv.algorithm("1.2.840.10045.4.3.4")),
    ],
)
def test_signature_algorithm_identifiers(algorithm: SignatureAlgorithm, expected: bytes) -> None:
    assert asn1.signature_algorithm_identifier(algorithm) == expected


@pytest.mark.conforms("M-35", "M-43")
@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_what_is_written_is_read(algorithm: SignatureAlgorithm) -> None:
    written = asn1.signature_algorithm_identifier(algorithm)
    assert asn1.parse_signature_algorithm(written) is algorithm


@pytest.mark.conforms("M-35")
@pytest.mark.parametrize("parameters", [(), (tlv.null(),)])
@pytest.mark.parametrize("dotted", [tlv.SHA256_WITH_RSA, tlv.ECDSA_WITH_SHA256])
def test_parameters_null_or_absent(dotted: str, parameters: tuple[bytes, ...]) -> None:
    parsed = asn1.parse_signature_algorithm(tlv.algorithm(dotted, *parameters))
    assert parsed.oid == dotted


@pytest.mark.conforms("S-19")
def test_parameters_without_end() -> None:
    """Identifiers that were read are remembered, so their size is bounded."""
    fitting = tlv.algorithm(tlv.SHA256_WITH_RSA, tlv.octets(bytes(1000)))
    assert asn1.parse_signature_algorithm(fitting) is SignatureAlgorithm.RSA_SHA256
    endless = tlv.algorithm(tlv.SHA256_WITH_RSA, tlv.octets(bytes(1024)))
    with pytest.raises(DecodeError, match=f"has {len(endless)} bytes"):
        asn1.parse_signature_algorithm(endless)


@pytest.mark.conforms("M-36")
def test_digest_algorithm_identifiers_have_no_parameters() -> None:
    assert asn1.digest_algorithm_identifier(DigestAlgorithm.SHA256) == tlv.algorithm(tlv.SHA256)
    for parameters in ((), (tlv.null(),)):
        identifier = tlv.algorithm(tlv.SHA512, *parameters)
        assert asn1.read_digest(der.Reader(identifier)) is DigestAlgorithm.SHA512


def pss(
    digest: str | None = tlv.SHA256,
    mask: str | None = tlv.SHA256,
    salt: int | None = 32,
    mask_function: str = tlv.MGF1,
) -> bytes:
    mask_digest = tlv.algorithm(mask, tlv.null()) if mask else b""
    return tlv.algorithm(
        tlv.RSASSA_PSS,
        tlv.seq(
            tlv.explicit(0, tlv.algorithm(digest, tlv.null())) if digest else b"",
            tlv.explicit(1, tlv.algorithm(mask_function, mask_digest)) if mask else b"",
            tlv.explicit(2, tlv.integer(salt)) if salt is not None else b"",
        ),
    )


@pytest.mark.conforms("M-43")
def test_pss_as_everybody_writes_it() -> None:
    assert pss() == asn1.signature_algorithm_identifier(PSS_SHA256)
    assert asn1.parse_signature_algorithm(pss()) is PSS_SHA256


@pytest.mark.conforms("M-43", "S-05")
@pytest.mark.parametrize(
    "identifier",
    [
        pss(None, None, None),  # the defaults: SHA-1
        pss(tlv.SHA1, tlv.SHA1, 20),
        pss(tlv.SHA256, tlv.SHA1, 32),
        pss(tlv.SHA256, None, 32),
        pss(tlv.SHA256, tlv.SHA512, 32),
        pss(tlv.SHA256, tlv.SHA256, 20),
        pss(tlv.SHA256, tlv.SHA256, None),
        pss(tlv.SHA256, tlv.SHA256, 222),  # the longest salt, as some old OpenSSL writes
    ],
)
def test_pss_as_nobody_writes_it(identifier: bytes) -> None:
    with pytest.raises(UnsupportedError, match="with these parameters") as caught:
        asn1.parse_signature_algorithm(identifier)
    assert caught.value.algorithm == tlv.RSASSA_PSS


@pytest.mark.conforms("M-43", "S-05")
def test_pss_without_mgf1() -> None:
    with pytest.raises(UnsupportedError, match="mask generation") as caught:
        asn1.parse_signature_algorithm(pss(mask_function="1.2.3"))
    assert caught.value.algorithm == "1.2.3"


@pytest.mark.conforms("M-36", "S-04")
@pytest.mark.parametrize("identifier", [pss(tlv.MD5), pss(tlv.SHA256, tlv.MD5)])
def test_pss_with_md5(identifier: bytes) -> None:
    with pytest.raises(WeakAlgorithm) as caught:
        asn1.parse_signature_algorithm(identifier)
    assert caught.value.algorithm == "MD5"


@pytest.mark.parametrize("octets", [b"", tlv.null(), tlv.seq(), tlv.algorithm(tlv.RSASSA_PSS)])
def test_what_is_no_algorithm_identifier(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        asn1.parse_signature_algorithm(octets)
