"""pyscep.pkcs10: requests built, parsed and proved; the self-signed certificate beside them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from asn1crypto import csr as asn1crypto_csr

from pyscep import asn1, extensions
from pyscep.algorithms import (
    DigestAlgorithm,
    KeyType,
    SignatureAlgorithm,
    signature_algorithm_for,
)
from pyscep.certificates import Certificate, check_issued_by, parse_certificate
from pyscep.errors import (
    DecodeError,
    DuplicateAttribute,
    KeyCapabilityError,
    LimitExceeded,
    SignatureInvalid,
    UnsupportedError,
    UsageError,
    WeakAlgorithm,
)
from pyscep.extensions import ExtendedKeyUsage, GeneralName, KeyUsage
from pyscep.keys import PrivateKey
from pyscep.limits import Limits
from pyscep.names import NameLike, build_name
from pyscep.pkcs10 import (
    CertificationRequest,
    build_certificate,
    build_csr,
    parse_csr,
    random_serial_number,
    self_signed_identity,
)
from tests.helpers import keys, tlv

UTC = timezone.utc
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
PROVIDER = keys.provider()
KEY = keys.ec()
RSA = keys.rsa()
SUBJECT = tlv.name("sensor-17")
SECRET = "s3cret-Challenge"

CHALLENGE = "1.2.840.113549.1.9.7"
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
MICROSOFT = "1.3.6.1.4.1.311.2.1.14"
VERISIGN = "2.16.840.1.113733.1.9.8"
HOST = tlv.seq(tlv.extension("2.5.29.17", tlv.seq(tlv.implicit(2, b"host"))))


def parsed(*attributes: bytes, **parts: Any) -> CertificationRequest:
    return parse_csr(tlv.csr(KEY, subject=SUBJECT, attributes=attributes, **parts))


def simple(
    subject: NameLike = "CN=sensor-17", key: PrivateKey = KEY, **parts: Any
) -> CertificationRequest:
    return build_csr(subject=subject, key=key, **parts)


# --------------------------------------------------------------------------------------- building


@pytest.mark.conforms("R-01", "R-08", "H-06", "R-19")
def test_every_part_of_a_request() -> None:
    csr = simple(
        challenge_password=SECRET,
        subject_alt_names=[GeneralName.dns("host")],
        key_usage=[KeyUsage.DIGITAL_SIGNATURE],
        extended_key_usage=[ExtendedKeyUsage.CLIENT_AUTH],
        extra_extensions=[extensions.microsoft_template_name("Machine")],
    )
    requested = tlv.seq(
        tlv.extension("2.5.29.17", tlv.seq(tlv.implicit(2, b"host"))),
        tlv.extension("2.5.29.15", tlv.bits(b"\x80", unused=7), critical=True),
        tlv.extension("2.5.29.37", tlv.seq(tlv.oid("1.3.6.1.5.5.7.3.2"))),
        tlv.extension("1.3.6.1.4.1.311.20.2", tlv.tlv(0x1E, "Machine".encode("utf-16-be"))),
    )
    info = tlv.seq(
        tlv.integer(0),
        SUBJECT,
        KEY.public_key,
        tlv.explicit(
            0,
            tlv.attribute(CHALLENGE, tlv.printable(SECRET)),
            tlv.attribute(EXTENSION_REQUEST, requested),
        ),
    )
    tree = tlv.parse(csr.der)
    assert tree.at(0).dump() == info == csr.signed.content
    assert tree.at(1).dump() == tlv.algorithm(tlv.ECDSA_WITH_SHA256)
    assert csr.challenge_password == SECRET
    assert csr.subject.der == SUBJECT
    assert csr.public_key == KEY.public_key
    assert csr.subject_alt_names == (GeneralName.dns("host"),)
    csr.verify()
    again = parse_csr(csr.der)
    assert again == csr
    assert again.extensions == csr.extensions
    assert again.challenge_password == SECRET
    again.verify(provider=PROVIDER)
    theirs = asn1.load(asn1crypto_csr.CertificationRequest, csr.der)
    assert theirs["certification_request_info"]["version"].native == "v1"


@pytest.mark.conforms("R-08")
def test_attributes_are_there_even_if_empty() -> None:
    csr = simple()
    assert tlv.parse(csr.der).at(0, 3).dump() == b"\xa0\x00"
    assert csr.challenge_password is None
    assert csr.extensions == ()
    assert csr.subject_alt_names == ()


@pytest.mark.parametrize("digest", ["SHA1", "SHA256", "SHA512"])
@pytest.mark.parametrize("key", [KEY, RSA])
@pytest.mark.conforms("R-19", "M-35")
def test_the_digest_of_the_request_is_chosen(key: PrivateKey, digest: str) -> None:
    chosen = DigestAlgorithm[digest]
    csr = simple(key=key, digest_algorithm=chosen)
    kind = KeyType.RSA if key is RSA else KeyType.EC
    assert csr.signature_algorithm is signature_algorithm_for(kind, chosen)
    csr.verify(provider=PROVIDER)


@pytest.mark.parametrize("request_digest", ["SHA1", "SHA256", "SHA512"])
@pytest.mark.parametrize("own_digest", ["SHA1", "SHA256", "SHA512"])
@pytest.mark.conforms("W-01")
def test_the_digests_of_request_and_certificate_are_chosen_apart(
    request_digest: str, own_digest: str
) -> None:
    csr = simple(key=RSA, digest_algorithm=DigestAlgorithm[request_digest])
    identity = self_signed_identity(
        csr,
        key=RSA,
        not_before=NOW,
        lifetime=WEEK,
        digest_algorithm=DigestAlgorithm[own_digest],
        provider=PROVIDER,
    )
    written = asn1.parse_signature_algorithm(identity.certificate.signed.algorithm)
    assert csr.signature_algorithm is SignatureAlgorithm[f"RSA_{request_digest}"]
    assert written is SignatureAlgorithm[f"RSA_{own_digest}"]
    identity.certificate.signed.verify(RSA.public_key, provider=PROVIDER)


@pytest.mark.conforms("R-19")
def test_sha256_unless_chosen() -> None:
    csr = simple(key=RSA)
    assert csr.signature_algorithm is SignatureAlgorithm.RSA_SHA256
    identity = self_signed_identity(csr, key=RSA, not_before=NOW, lifetime=WEEK)
    assert identity.certificate.signed.algorithm == tlv.algorithm(tlv.SHA256_WITH_RSA, tlv.null())


@pytest.mark.conforms("W-06")
@pytest.mark.parametrize(("subject", "critical"), [({}, True), ("CN=a", False)])
def test_names_are_critical_where_there_is_no_subject(subject: NameLike, critical: bool) -> None:
    csr = simple(subject, subject_alt_names=[GeneralName.dns("host")])
    assert csr.extensions[0].critical is critical
    assert parse_csr(csr.der).extensions == csr.extensions


@pytest.mark.conforms("R-18", "V-15")
def test_a_device_that_only_has_a_serial_number() -> None:
    subject = {"unstructured_name": "router.example", "serial_number": "FTX1234"}
    csr = parse_csr(simple(subject).der)
    assert csr.subject.get("serial_number") == "FTX1234"
    assert csr.subject.get("unstructured_name") == "router.example"


@pytest.mark.parametrize(
    ("build", "text", "argument"),
    [
        (
            lambda: simple(challenge_password=""),
            "challenge password is empty",
            "challenge_password",
        ),
        (lambda: simple(challenge_password=b"1"), "is of type bytes", "challenge_password"),
        (lambda: simple(challenge_password=1), "is of type int", "challenge_password"),
        (lambda: simple(challenge_password="\ud800"), "lone surrogate", "text"),
        (lambda: simple("sensor"), "not a distinguished name", "subject"),
        (lambda: simple(subject_alt_names=[GeneralName.dns("")]), "is empty", "subject_alt_names"),
        (
            lambda: simple(
                key_usage=[KeyUsage.CRL_SIGN], extra_extensions=[extensions.key_usage([])]
            ),
            "2.5.29.15 is there twice",
            "extensions",
        ),
    ],
)
def test_requests_that_cannot_be_built(
    build: Callable[[], object], text: str, argument: str
) -> None:
    with pytest.raises(UsageError, match=text) as caught:
        build()
    assert caught.value.argument == argument


@pytest.mark.conforms("R-19")
@pytest.mark.parametrize(
    ("key", "text"),
    [
        (keys.OddKey(keys.ED25519), "neither RSA nor EC"),
        (keys.OddKey(RSA.public_key), "cannot sign with RSA_SHA256"),
    ],
)
def test_keys_that_cannot_sign(key: keys.OddKey, text: str) -> None:
    with pytest.raises(KeyCapabilityError, match=text) as caught:
        simple(key=key)
    assert caught.value.argument == "key"


# ---------------------------------------------------------------------------------------- parsing


@pytest.mark.conforms("H-06", "H-07")
@pytest.mark.parametrize(
    "value",
    [
        "13026162",  # PrintableString
        "0c026162",  # UTF8String
        "14026162",  # TeletexString
        "1e0400610062",  # BMPString
        "16026162",  # IA5String
    ],
)
def test_five_string_types_of_a_challenge_are_the_same_text(value: str) -> None:
    csr = parsed(tlv.attribute(CHALLENGE, bytes.fromhex(value)))
    assert csr.challenge_password == "ab"


@pytest.mark.conforms("H-06", "H-09")
@pytest.mark.parametrize(
    ("challenge", "tag"),
    [
        (SECRET, 0x13),
        ("under_score", 0x0C),
        ("\u00e4\U0001f511", 0x0C),
        ("A" * 4096, 0x13),
        ("=_" * 2048, 0x0C),
        (" ", 0x13),
    ],
)
def test_challenges_of_any_length_and_alphabet(challenge: str, tag: int) -> None:
    csr = simple(challenge_password=challenge)
    assert tlv.parse(csr.der).at(0, 3, 0, 1, 0).tag == tag
    assert parse_csr(csr.der).challenge_password == challenge


CHALLENGE_ATTRIBUTE = tlv.attribute(CHALLENGE, tlv.printable("ab"))
UNKNOWN = tlv.attribute("1.2.3", tlv.null(), tlv.integer(1))
UNKNOWN_TWICE = tlv.attribute("1.2.3")


@pytest.mark.conforms("R-10")
@pytest.mark.parametrize(
    "attributes",
    [
        (CHALLENGE_ATTRIBUTE, tlv.attribute(EXTENSION_REQUEST, HOST)),
        (tlv.attribute(EXTENSION_REQUEST, HOST), CHALLENGE_ATTRIBUTE),
        (UNKNOWN, tlv.attribute(EXTENSION_REQUEST, HOST), UNKNOWN_TWICE, CHALLENGE_ATTRIBUTE),
    ],
)
def test_attributes_in_any_order(attributes: tuple[bytes, ...]) -> None:
    csr = parsed(*attributes)
    assert csr.challenge_password == "ab"
    assert csr.subject_alt_names == (GeneralName.dns("host"),)
    csr.verify(provider=PROVIDER)


@pytest.mark.conforms("R-09")
@pytest.mark.parametrize("oid", [EXTENSION_REQUEST, MICROSOFT, VERISIGN])
def test_three_ways_to_ask_for_extensions(oid: str) -> None:
    assert parsed(tlv.attribute(oid, HOST)).subject_alt_names == (GeneralName.dns("host"),)


@pytest.mark.conforms("R-08")
@pytest.mark.parametrize("attributes", [None, ()])
def test_no_attributes(attributes: tuple[bytes, ...] | None) -> None:
    csr = parse_csr(tlv.csr(KEY, subject=tlv.seq(), attributes=attributes))
    assert csr.subject.is_empty
    assert (csr.challenge_password, csr.extensions) == (None, ())
    csr.verify(provider=PROVIDER)


@pytest.mark.conforms("H-14", "R-10")
@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ((CHALLENGE_ATTRIBUTE, CHALLENGE_ATTRIBUTE), "challengePassword"),
        ((tlv.attribute(CHALLENGE, tlv.utf8("a"), tlv.utf8("b")),), "challengePassword"),
        ((tlv.attribute(CHALLENGE),), "challengePassword"),
        ((CHALLENGE_ATTRIBUTE, tlv.attribute(CHALLENGE)), "challengePassword"),
        ((tlv.attribute(EXTENSION_REQUEST, HOST),) * 2, "extensionRequest"),
        ((tlv.attribute(EXTENSION_REQUEST, HOST, HOST),), "extensionRequest"),
        ((tlv.attribute(MICROSOFT),), "extensionRequest"),
        (
            (tlv.attribute(EXTENSION_REQUEST, HOST), tlv.attribute(MICROSOFT, HOST)),
            "extensionRequest",
        ),
        (
            (tlv.attribute(VERISIGN, tlv.seq()), tlv.attribute(MICROSOFT, HOST)),
            "extensionRequest",
        ),
    ],
)
def test_once_and_with_one_value(attributes: tuple[bytes, ...], name: str) -> None:
    with pytest.raises(DuplicateAttribute, match=f"must have {name} once") as caught:
        parsed(*attributes)
    assert caught.value.attribute == name
    assert caught.value.reference == "RFC 2985 section 5.4"


@pytest.mark.conforms("H-14")
@pytest.mark.parametrize("value", [tlv.printable(""), tlv.utf8(""), tlv.tlv(0x1E)])
def test_an_empty_challenge_is_refused(value: bytes) -> None:
    with pytest.raises(DecodeError, match="challengePassword is empty"):
        parsed(tlv.attribute(CHALLENGE, value))


GOOD = tlv.csr(KEY, subject=SUBJECT)
TREE = tlv.parse(GOOD)
NULL = tlv.parse(tlv.null())


@pytest.mark.parametrize(
    "octets",
    [
        b"\x30",
        GOOD + b"\x00",
        GOOD[:-1],
        *(TREE.with_at((n,), NULL).dump() for n in range(3)),
        *(TREE.with_at((0, n), NULL).dump() for n in range(4)),
        *(TREE.with_at((0, n), None).dump() for n in range(3)),
        TREE.with_at((0, 2), tlv.parse(tlv.seq())).dump(),
        tlv.csr(KEY, subject=SUBJECT, trailer=tlv.null()),
        tlv.csr(KEY, subject=SUBJECT, attributes=[tlv.null()]),
        tlv.csr(KEY, subject=SUBJECT, attributes=[tlv.seq(tlv.oid(CHALLENGE), tlv.seq())]),
        tlv.csr(
            KEY,
            subject=SUBJECT,
            attributes=[tlv.seq(tlv.oid("1.2.3"), tlv.unsorted_set()) + b"\x05"],
        ),
        tlv.csr(
            KEY,
            subject=SUBJECT,
            attributes=[tlv.seq(tlv.oid("1.2.3"), tlv.unsorted_set(), tlv.null())],
        ),
        tlv.csr(KEY, subject=SUBJECT, attributes=[tlv.attribute(CHALLENGE, tlv.integer(1))]),
        tlv.csr(KEY, subject=SUBJECT, attributes=[tlv.attribute(CHALLENGE, b"\x0c\x01\xff")]),
        tlv.csr(KEY, subject=SUBJECT, attributes=[tlv.attribute(EXTENSION_REQUEST, tlv.null())]),
        tlv.csr(KEY, subject=tlv.seq(tlv.null())),
        tlv.csr(KEY, subject=tlv.seq(tlv.rdn((tlv.CN, b"\x0c\x01\xff")))),
    ],
)
def test_what_is_no_request(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_csr(octets)


@pytest.mark.conforms("R-08", "V-11")
@pytest.mark.parametrize("version", [0, 2, 1])
def test_the_version_is_written_and_not_minded(version: int) -> None:
    # RFC 2986 has version 0 only; Apple's clients write 2 into perfectly good requests.
    csr = parse_csr(tlv.csr(KEY, subject=SUBJECT, version=version))
    csr.verify(provider=PROVIDER)
    assert tlv.parse(simple().der).at(0, 0).dump() == tlv.integer(0)


@pytest.mark.conforms("S-19", "T-29")
@pytest.mark.parametrize(
    ("limits", "field"),
    [
        (Limits(message_size=100), "message_size"),
        (Limits(attributes=2), "attributes"),
        (Limits(name_attributes=0), "name_attributes"),
        (Limits(extensions=0), "extensions"),
    ],
)
def test_limits(limits: Limits, field: str) -> None:
    attributes = [tlv.attribute(EXTENSION_REQUEST, HOST), UNKNOWN, UNKNOWN]
    octets = tlv.csr(KEY, subject=SUBJECT, attributes=attributes)
    parse_csr(octets)
    with pytest.raises(LimitExceeded) as caught:
        parse_csr(octets, limits=limits)
    assert caught.value.limit == field


@pytest.mark.parametrize("label", ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"])
def test_pem(label: str) -> None:
    text = asn1.pem_encode(label, GOOD)
    assert parse_csr(text.encode()).der == GOOD
    for wrong in (text * 2, "", "junk", asn1.pem_encode("CERTIFICATE", GOOD)):
        with pytest.raises(DecodeError, match="One certification request in DER or PEM"):
            parse_csr(wrong.encode())


# --------------------------------------------------------------------------- proof of possession


@pytest.mark.conforms("R-04", "R-16")
def test_a_request_for_the_key_of_somebody_else() -> None:
    stolen = TREE.with_at((0, 2), tlv.parse(keys.ec(1).public_key)).dump()
    changed = TREE.with_at((0, 1), tlv.parse(tlv.name("root"))).dump()
    parse_csr(GOOD).verify(provider=PROVIDER)
    for forged in (stolen, changed):
        with pytest.raises(SignatureInvalid) as caught:
            parse_csr(forged).verify(provider=PROVIDER)
        assert caught.value.fail_info_hint == 1


@pytest.mark.conforms("S-04", "S-05", "M-36")
@pytest.mark.parametrize(
    ("oid", "error"), [("1.2.840.113549.1.1.4", WeakAlgorithm), ("1.2.3.4", UnsupportedError)]
)
def test_algorithms_that_are_not_used(
    oid: str, error: type[WeakAlgorithm | UnsupportedError]
) -> None:
    csr = parse_csr(TREE.with_at((1,), tlv.parse(tlv.algorithm(oid))).dump())
    for use in (lambda: csr.verify(provider=PROVIDER), lambda: csr.signature_algorithm):
        with pytest.raises(error) as caught:
            use()
        assert caught.value.fail_info_hint == 0


# ---------------------------------------------------------------------------------------- secrets


@pytest.mark.conforms("S-24", "H-10")
def test_a_request_keeps_its_secret() -> None:
    csr = simple(challenge_password=SECRET)
    assert SECRET not in repr(csr) + repr(csr.signed)
    assert SECRET.encode().hex() not in repr(csr)
    for save in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(UsageError, match="not pickled") as caught:
            save(csr)
        assert caught.value.argument == "csr"
        assert SECRET not in str(caught.value)
    unprintable = "gehe\u00efm_\ud800"
    with pytest.raises(UsageError) as caught:
        simple(challenge_password=unprintable)
    assert "gehe" not in str(caught.value)


def test_requests_are_equal_by_their_bytes() -> None:
    csr = parse_csr(GOOD)
    assert csr == parse_csr(GOOD)
    assert hash(csr) == hash(parse_csr(GOOD))
    assert csr != simple()
    assert csr != GOOD


# -------------------------------------------------------------------- the self-signed certificate


@pytest.mark.conforms("W-01", "W-02", "W-03", "W-04")
@pytest.mark.parametrize(
    ("key", "usages"),
    [
        (RSA, frozenset((KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_ENCIPHERMENT))),
        (KEY, frozenset((KeyUsage.DIGITAL_SIGNATURE,))),
        (keys.ec(curve="secp384r1"), frozenset((KeyUsage.DIGITAL_SIGNATURE,))),
    ],
)
def test_the_self_signed_certificate(key: PrivateKey, usages: frozenset[KeyUsage]) -> None:
    csr = simple(key=key)
    identity = self_signed_identity(csr, key=key, not_before=NOW, lifetime=WEEK, provider=PROVIDER)
    certificate = identity.certificate
    assert identity.key is key
    assert certificate.subject.der == certificate.issuer.der == csr.subject.der
    assert certificate.public_key == csr.public_key
    assert certificate.key_usage == usages
    assert not certificate.is_ca
    assert certificate.not_before == NOW - timedelta(days=1)
    assert certificate.not_after == NOW + WEEK
    serial = tlv.parse(certificate.der).at(0, 1).contents
    assert len(serial) <= 20
    assert certificate.serial_number > 0
    certificate.signed.verify(key.public_key, provider=PROVIDER)
    assert certificate.asn1().serial_number == certificate.serial_number
    assert certificate.asn1().self_signed == "maybe"


@pytest.mark.conforms("W-04")
def test_its_dates_are_der() -> None:
    identity = self_signed_identity(
        simple(), key=KEY, not_before=datetime(2049, 12, 31, tzinfo=UTC), lifetime=WEEK
    )
    validity = tlv.parse(identity.certificate.der).at(0, 4)
    assert validity.at(0).dump() == tlv.utc_time("491230000000Z")
    assert validity.at(1).dump() == tlv.generalized_time("20500107000000Z")


@pytest.mark.conforms("W-06", "S-17")
def test_an_empty_subject_gets_a_placeholder() -> None:
    csr = simple({}, subject_alt_names=[GeneralName.dns("host")])
    identity = self_signed_identity(csr, key=KEY, not_before=NOW, lifetime=WEEK)
    certificate = identity.certificate
    assert str(certificate.subject) == str(certificate.issuer) == "CN=SCEP requester"
    assert tlv.parse(certificate.issuer_and_serial_number).at(0).children
    assert csr.subject.is_empty


@pytest.mark.conforms("W-05", "M-19")
def test_its_serial_number_is_random() -> None:
    csr = simple()
    serials = {
        self_signed_identity(csr, key=KEY, not_before=NOW, lifetime=WEEK).certificate.serial_number
        for _ in range(5)
    }
    assert len(serials) == 5


@pytest.mark.parametrize("octets", [bytes(16), b"\xff" * 16])
@pytest.mark.conforms("W-04", "S-25")
def test_serial_numbers_are_positive_whatever_is_drawn(octets: bytes) -> None:
    class Fixed:
        def random_bytes(self, size: int) -> bytes:
            assert size == 16
            return octets

    serial = random_serial_number(Fixed())  # type: ignore[arg-type]  # all that is asked for
    assert 2**126 <= serial < 2**127


@pytest.mark.parametrize(
    ("arguments", "text", "argument"),
    [
        ({"key": keys.ec(1)}, "not the one in the certification request", "key"),
        ({"lifetime": timedelta(0)}, "lifetime must be positive", "lifetime"),
        ({"lifetime": -WEEK}, "lifetime must be positive", "lifetime"),
        ({"lifetime": timedelta(days=4_000_000)}, "beyond the calendar", "lifetime"),
        ({"not_before": datetime.min.replace(tzinfo=UTC)}, "beyond the calendar", "lifetime"),
        ({"not_before": NOW.replace(tzinfo=None)}, "without time zone", "moment"),
    ],
)
def test_self_signed_certificates_that_cannot_be_made(
    arguments: dict[str, Any], text: str, argument: str
) -> None:
    wanted: dict[str, Any] = {"key": KEY, "not_before": NOW, "lifetime": WEEK} | arguments
    with pytest.raises(UsageError, match=text) as caught:
        self_signed_identity(simple(), **wanted)
    assert caught.value.argument == argument


def test_a_self_signed_certificate_needs_a_key_that_signs_so() -> None:
    key = keys.OddKey(KEY.public_key)
    with pytest.raises(KeyCapabilityError, match="cannot sign with ECDSA_SHA256"):
        self_signed_identity(simple(), key=key, not_before=NOW, lifetime=WEEK)


def test_a_certificate_for_tests() -> None:
    csr = simple()
    certificate = build_certificate(
        issuer=csr.subject,
        subject=csr.subject,
        public_key=csr.public_key,
        serial_number=5,
        not_before=NOW,
        not_after=NOW + WEEK,
        items=[extensions.basic_constraints(ca=True)],
        key=KEY,
        algorithm=SignatureAlgorithm.ECDSA_SHA256,
    )
    assert certificate.is_ca
    assert certificate.serial_number == 5
    check_issued_by(certificate, certificate, provider=PROVIDER)


@pytest.mark.conforms("W-04")
@pytest.mark.parametrize(
    "not_before",
    [
        datetime(2026, 1, 1, 12, 30, 15, 999_999, tzinfo=timezone(timedelta(hours=-5))),
        datetime(2055, 1, 1, tzinfo=UTC),
    ],
)
def test_a_certificate_that_was_built_is_the_one_that_is_parsed(not_before: datetime) -> None:
    csr = simple()
    built = build_certificate(
        issuer=build_name("CN=Issuer,O=Example"),
        subject=csr.subject,
        public_key=csr.public_key,
        serial_number=2**126,
        not_before=not_before,
        not_after=not_before + WEEK,
        items=(item for item in (extensions.basic_constraints(ca=False),)),
        key=KEY,
        algorithm=SignatureAlgorithm.ECDSA_SHA256,
    )
    parsed = parse_certificate(built.der)
    for each in fields(Certificate):
        assert getattr(built, each.name) == getattr(parsed, each.name), each.name
    for name in ("not_before", "not_after"):
        assert getattr(built, name).tzinfo is getattr(parsed, name).tzinfo
    assert built.issuer.der == parsed.issuer.der
