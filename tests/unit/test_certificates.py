"""pyscep.certificates and pyscep.chains: one certificate, one link, chains out of any pool."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from pyscep import asn1
from pyscep.algorithms import KeyType
from pyscep.certificates import (
    Certificate,
    Identity,
    check_issued_by,
    is_issued_by,
    key_identifier_of,
    key_type_of,
    parse_certificate,
    parse_certificates,
    rsa_bits_of,
)
from pyscep.chains import Chain, build_chain
from pyscep.crypto import CryptoProvider
from pyscep.errors import (
    DecodeError,
    LimitExceeded,
    SignatureInvalid,
    UnsupportedError,
    UntrustedCa,
    UsageError,
    WeakAlgorithm,
)
from pyscep.extensions import GeneralName, KeyUsage
from pyscep.keys import PrivateKey
from pyscep.limits import Limits
from pyscep.names import Name
from tests.helpers import keys, tlv

UTC = timezone.utc
PROVIDER = keys.provider()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = keys.ec()
NAMES = ("subject", "issuer")


def made(subject: str = "A", key: PrivateKey = KEY, **parts: Any) -> Certificate:
    return parse_certificate(tlv.certificate(key, subject=tlv.name(subject), **parts))


# -------------------------------------------------------------------------------- one certificate


def test_every_part_of_a_certificate() -> None:
    items = (
        tlv.MAY_SIGN_CERTIFICATES,
        tlv.CA_TRUE,
        tlv.extension("2.5.29.14", tlv.octets(b"id")),
        tlv.extension("2.5.29.17", tlv.seq(tlv.implicit(2, b"host"))),
    )
    octets = tlv.certificate(
        KEY,
        subject=tlv.name("A", "Example"),
        issuer=tlv.name("B"),
        serial=0x80,
        not_before=tlv.utc_time("240101000000Z"),
        not_after=tlv.generalized_time("20510101000000Z"),
        extensions=items,
    )
    certificate = parse_certificate(octets)
    assert certificate.der == octets
    assert certificate.serial_number == 0x80
    assert str(certificate.subject) == "O=Example,CN=A"
    assert certificate.issuer.der == tlv.name("B")
    assert certificate.not_before == datetime(2024, 1, 1, tzinfo=UTC)
    assert certificate.not_after == datetime(2051, 1, 1, tzinfo=UTC)
    assert certificate.public_key == KEY.public_key
    assert certificate.key_type is KeyType.EC
    assert [item.oid for item in certificate.extensions] == [
        "2.5.29.15",
        "2.5.29.19",
        "2.5.29.14",
        "2.5.29.17",
    ]
    assert certificate.key_usage == frozenset((KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN))
    assert certificate.allows(KeyUsage.CRL_SIGN)
    assert not certificate.allows(KeyUsage.DIGITAL_SIGNATURE)
    assert certificate.is_ca
    assert not certificate.is_self_issued
    assert certificate.subject_key_identifier == b"id"
    assert certificate.subject_alt_names == (GeneralName.dns("host"),)
    assert certificate.sha256_fingerprint == hashlib.sha256(octets).hexdigest()
    tbs = tlv.parse(octets).at(0)
    assert certificate.signed.content == tbs.dump()
    assert certificate.issuer_and_serial_number == tlv.issuer_and_serial(octets)
    assert certificate.asn1().serial_number == 0x80
    assert "0x" not in repr(certificate)
    assert "CN=A" in repr(certificate)


@pytest.mark.conforms("G-24")
def test_issuer_and_serial_number_are_copied() -> None:
    issuer = tlv.seq(tlv.rdn((tlv.CN, tlv.printable("B"))))
    certificate = parse_certificate(
        tlv.certificate(KEY, subject=tlv.name("A"), issuer=issuer, serial=-(2**160))
    )
    assert certificate.issuer_and_serial_number == tlv.seq(issuer, tlv.integer(-(2**160)))
    assert certificate.serial_number == -(2**160)


def test_certificates_are_equal_by_their_bytes() -> None:
    first, second = made(serial=1), made(serial=2)
    again = parse_certificate(first.der)
    assert first == again
    assert hash(first) == hash(again)
    assert len({first, again, second}) == 2
    assert first != second
    assert first != first.der


@pytest.mark.conforms("G-10")
def test_no_key_usage_allows_everything() -> None:
    certificate = made()
    assert certificate.key_usage is None
    assert all(certificate.allows(usage) for usage in KeyUsage)
    assert certificate.subject_key_identifier is None
    assert certificate.subject_alt_names == ()


@pytest.mark.parametrize(
    ("parts", "is_ca"),
    [
        ({"extensions": (tlv.CA_TRUE,)}, True),
        ({"extensions": (tlv.CA_FALSE,)}, False),
        ({"extensions": (tlv.CA_TRUE,), "issuer": tlv.name("B")}, True),
        # a version 1 root, which has no extensions to say so
        ({"extensions": None, "version": None}, True),
        ({"extensions": None, "version": None, "issuer": tlv.name("B")}, False),
        # version 3 without basicConstraints is no CA
        ({"extensions": (tlv.MAY_SIGN_CERTIFICATES,)}, False),
    ],
)
def test_who_is_a_ca(parts: dict[str, Any], is_ca: bool) -> None:
    assert made(**parts).is_ca is is_ca


def test_validity_includes_its_ends() -> None:
    certificate = made(
        not_before=tlv.utc_time("240101000000Z"), not_after=tlv.utc_time("240201000000Z")
    )
    second = timedelta(seconds=1)
    first, last = certificate.not_before, certificate.not_after
    assert certificate.is_valid_at(first)
    assert certificate.is_valid_at(last)
    assert not certificate.is_valid_at(first - second)
    assert not certificate.is_valid_at(last + second)
    assert certificate.is_valid_at(datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))))
    with pytest.raises(UsageError, match="time zone") as caught:
        certificate.is_valid_at(datetime(2024, 1, 1))  # noqa: DTZ001  # the point
    assert caught.value.argument == "at"


def test_pem_and_der() -> None:
    certificate = made()
    pem = certificate.pem()
    assert parse_certificate(pem.encode()) == certificate
    assert parse_certificate(f"Bag attributes\n{pem}".encode()) == certificate
    assert parse_certificates(certificate.der) == (certificate,)
    other = made(serial=2)
    request = asn1.pem_encode("CERTIFICATE REQUEST", b"0")
    both = f"{pem}\n{request}{other.pem()}".encode()
    assert parse_certificates(both) == (certificate, other)
    for wrong, count in ((both, 2), (request.encode(), 0), (b"", 0), (b"junk", 0)):
        with pytest.raises(DecodeError, match=f"not {count} PEM certificates"):
            parse_certificate(wrong)
    for wrong in (request.encode(), b"", b"junk"):
        with pytest.raises(DecodeError, match="no PEM certificate and is not DER"):
            parse_certificates(wrong)


@pytest.mark.conforms("S-19", "T-29")
def test_limits() -> None:
    certificate = made(extensions=(tlv.CA_TRUE, tlv.MAY_SIGN_CERTIFICATES))
    small = Limits(message_size=len(certificate.der) - 1)
    for parse in (parse_certificate, parse_certificates):
        with pytest.raises(LimitExceeded) as caught:
            parse(certificate.der, limits=small)
        assert (caught.value.limit, caught.value.value) == ("message_size", len(certificate.der))
    with pytest.raises(LimitExceeded) as caught:
        parse_certificate(certificate.der, limits=Limits(extensions=1))
    assert caught.value.limit == "extensions"
    with pytest.raises(LimitExceeded, match="3 certificates") as caught:
        parse_certificates(certificate.pem().encode() * 3, limits=Limits(certificates=2))
    assert (caught.value.limit, caught.value.value) == ("certificates", 3)


GOOD = tlv.certificate(KEY, subject=tlv.name("A"))
TREE = tlv.parse(GOOD)
NULL = tlv.parse(tlv.null())


def test_the_tree_of_the_tests_is_right() -> None:
    assert TREE.dump() == GOOD
    assert TREE.with_at((0, 1), tlv.parse(tlv.integer(9))).at(0, 1).dump() == tlv.integer(9)


@pytest.mark.parametrize(
    "octets",
    [
        b"\x30",
        GOOD + b"\x00",
        GOOD[:-1],
        tlv.seq(),
        *(TREE.with_at((n,), NULL).dump() for n in range(3)),
        *(TREE.with_at((n,), None).dump() for n in range(3)),
        # serial, algorithm, issuer, validity, subject, public key, extensions
        *(TREE.with_at((0, n), NULL).dump() for n in range(1, 8)),
        *(TREE.with_at((0, n), None).dump() for n in range(1, 7)),
        TREE.with_at((0, 4, 0), NULL).dump(),
        TREE.with_at((0, 4, 1), None).dump(),
        tlv.certificate(KEY, subject=tlv.name("A"), not_after=tlv.utc_time("3") * 2),
        tlv.certificate(KEY, subject=tlv.name("A"), trailer=tlv.null()),
        TREE.with_at((0, 1), tlv.Node(0x02, b"\x00\x01")).dump(),
    ],
)
def test_what_is_no_certificate(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_certificate(octets)


def test_unique_identifiers_of_old_times_are_passed_over() -> None:
    octets = tlv.certificate(
        KEY, subject=tlv.name("A"), unique_ids=tlv.implicit(1, b"\x00a") + tlv.implicit(2, b"\x00b")
    )
    assert parse_certificate(octets).extensions == ()


def test_two_different_signature_algorithms() -> None:
    octets = tlv.certificate(
        KEY, subject=tlv.name("A"), inner_identifier=tlv.algorithm(tlv.SHA256_WITH_RSA)
    )
    with pytest.raises(DecodeError, match="two different signature algorithms"):
        parse_certificate(octets)


# --------------------------------------------------------------------------------------- keys


def test_kinds_of_keys() -> None:
    rsa, ec = keys.rsa().public_key, keys.ec().public_key
    assert (key_type_of(rsa), key_type_of(ec)) == (KeyType.RSA, KeyType.EC)
    assert key_type_of(keys.ED25519) is None
    assert (rsa_bits_of(rsa), rsa_bits_of(ec), rsa_bits_of(keys.ED25519)) == (2048, None, None)
    assert made(public_key=keys.ED25519).key_type is None
    bits = tlv.parse(ec).at(1).contents[1:]
    assert key_identifier_of(ec) == hashlib.sha1(bits, usedforsecurity=False).digest()


@pytest.mark.parametrize("octets", [b"", tlv.null(), tlv.seq(), tlv.seq(tlv.seq(tlv.null()))])
def test_what_is_no_public_key(octets: bytes) -> None:
    for use in (key_type_of, rsa_bits_of, key_identifier_of):
        with pytest.raises(DecodeError):
            use(octets)


@pytest.mark.conforms("W-09")
def test_an_identity_is_a_certificate_with_its_own_key() -> None:
    identity = Identity(certificate=made(), key=KEY)
    assert repr(KEY) not in repr(identity)
    with pytest.raises(UsageError, match="does not belong to the certificate of CN=A") as caught:
        Identity(certificate=made(), key=keys.ec(1))
    assert caught.value.argument == "key"


# --------------------------------------------------------------------------------------- one link


def issued(
    subject: str,
    issuer: str,
    *,
    key: PrivateKey,
    by: PrivateKey,
    ca: bool = True,
    until: str = "340101000000Z",
    since: str = "240101000000Z",
    serial: int = 1,
) -> Certificate:
    """Make a certificate the short way: CA or not, signed by a key under a name."""
    return made(
        subject,
        key,
        issuer=tlv.name(issuer),
        issuer_key=by,
        extensions=(tlv.CA_TRUE if ca else tlv.CA_FALSE,),
        not_before=tlv.utc_time(since),
        not_after=tlv.utc_time(until),
        serial=serial,
    )


ROOT_KEY, SUB_KEY, LEAF_KEY, OTHER_KEY = (keys.ec(n) for n in range(4))
ROOT = issued("Root", "Root", key=ROOT_KEY, by=ROOT_KEY)
SUB = issued("Sub", "Root", key=SUB_KEY, by=ROOT_KEY)
LEAF = issued("Leaf", "Sub", key=LEAF_KEY, by=SUB_KEY, ca=False)


def test_a_good_link() -> None:
    check_issued_by(SUB, ROOT, provider=PROVIDER)
    assert is_issued_by(LEAF, SUB, provider=PROVIDER)
    assert is_issued_by(ROOT, ROOT, provider=PROVIDER)


@pytest.mark.conforms("G-24")
def test_issuers_are_compared_as_names_not_as_bytes() -> None:
    issuer = tlv.seq(tlv.rdn((tlv.CN, tlv.printable("ROOT"))))
    certificate = made("Sub", SUB_KEY, issuer=issuer, issuer_key=ROOT_KEY)
    assert is_issued_by(certificate, ROOT, provider=PROVIDER)


@pytest.mark.conforms("G-14", "R-13")
def test_another_issuer() -> None:
    with pytest.raises(UntrustedCa, match="CN=Leaf was issued by CN=Sub, not by CN=Root") as caught:
        check_issued_by(LEAF, ROOT, provider=PROVIDER)
    assert (caught.value.expected, caught.value.actual) == ("CN=Root", "CN=Sub")
    assert not is_issued_by(LEAF, ROOT, provider=PROVIDER)


@pytest.mark.conforms("G-14", "R-06")
def test_a_look_alike_of_the_same_name() -> None:
    look_alike = issued("Sub", "Root", key=OTHER_KEY, by=ROOT_KEY)
    with pytest.raises(SignatureInvalid):
        check_issued_by(LEAF, look_alike, provider=PROVIDER)
    assert not is_issued_by(LEAF, look_alike, provider=PROVIDER)


@pytest.mark.conforms("G-14")
@pytest.mark.parametrize(
    "items",
    [
        (tlv.CA_FALSE,),
        (),
        (tlv.CA_TRUE, tlv.MAY_NOT_SIGN_CERTIFICATES),
        (tlv.MAY_SIGN_CERTIFICATES,),
    ],
)
def test_an_issuer_that_may_not_issue(items: tuple[bytes, ...]) -> None:
    no_ca = made("Sub", SUB_KEY, issuer=tlv.name("Root"), issuer_key=ROOT_KEY, extensions=items)
    with pytest.raises(UntrustedCa, match="its own certificate does not allow that") as caught:
        check_issued_by(LEAF, no_ca, provider=PROVIDER)
    assert (caught.value.expected, caught.value.actual) == ("a CA certificate", "CN=Sub")
    assert not is_issued_by(LEAF, no_ca, provider=PROVIDER)


@pytest.mark.conforms("S-04", "S-05")
@pytest.mark.parametrize(
    ("oid", "error"),
    [("1.2.840.113549.1.1.4", WeakAlgorithm), ("1.2.3", UnsupportedError)],
)
def test_a_link_with_an_algorithm_that_is_not_used(oid: str, error: type[Exception]) -> None:
    certificate = made(
        issuer=tlv.name("Root"), issuer_key=ROOT_KEY, outer_identifier=tlv.algorithm(oid)
    )
    with pytest.raises(error):
        check_issued_by(certificate, ROOT, provider=PROVIDER)
    assert not is_issued_by(certificate, ROOT, provider=PROVIDER)


BAD_NAME = tlv.seq(tlv.rdn((tlv.CN, b"\x0c\x01\xff")))


@pytest.mark.parametrize(
    "certificate",
    [
        parse_certificate(tlv.certificate(KEY, subject=BAD_NAME)),
        parse_certificate(tlv.certificate(KEY, subject=tlv.name("A"), issuer=BAD_NAME)),
        made(extensions=(tlv.extension("2.5.29.19", tlv.null()),)),
        made(extensions=(tlv.CA_TRUE, tlv.extension("2.5.29.15", tlv.null()))),
        made(public_key=tlv.seq(), extensions=(tlv.CA_TRUE,)),
    ],
)
def test_a_malformed_certificate_is_no_link_and_breaks_nothing(certificate: Certificate) -> None:
    for other in (certificate, ROOT):
        assert not is_issued_by(certificate, other, provider=PROVIDER) or other is certificate
        assert not is_issued_by(other, certificate, provider=PROVIDER) or other is certificate
    chain = build_chain(certificate, (certificate, ROOT), at=NOW, provider=PROVIDER)
    assert chain.certificates == (certificate,)


# ----------------------------------------------------------------------------------------- chains


def chain_of(
    certificate: Certificate,
    *pool: Certificate,
    at: datetime | None = NOW,
    limits: Limits | None = None,
) -> Chain:
    return build_chain(certificate, pool, at=at, provider=PROVIDER, limits=limits or Limits())


@pytest.mark.conforms("G-07", "G-14", "G-19")
def test_uploaded_and_fetched_certificates_in_any_order() -> None:
    stranger = issued("Stranger", "Stranger", key=OTHER_KEY, by=OTHER_KEY)
    for pool in itertools.permutations((LEAF, SUB, ROOT, ROOT, stranger)):
        chain = chain_of(LEAF, *pool)
        assert chain.certificates == (LEAF, SUB, ROOT)
        assert chain.is_complete
        assert (chain.missing_issuer, chain.problem) == (None, None)
    assert chain_of(ROOT).certificates == (ROOT,)
    assert chain_of(ROOT).is_complete


@pytest.mark.conforms("G-14")
@pytest.mark.parametrize(
    ("pool", "certificates", "missing", "text"),
    [
        ((SUB,), (LEAF, SUB), "CN=Root", "CN=Root, which issued CN=Sub, is missing; add it"),
        ((ROOT,), (LEAF,), "CN=Sub", "CN=Sub, which issued CN=Leaf, is missing; add it"),
        ((), (LEAF,), "CN=Sub", "CN=Sub, which issued CN=Leaf, is missing; add it"),
    ],
)
def test_what_is_missing_is_said(
    pool: tuple[Certificate, ...], certificates: tuple[Certificate, ...], missing: str, text: str
) -> None:
    chain = chain_of(LEAF, *pool)
    assert chain.certificates == certificates
    assert str(chain.missing_issuer) == missing
    assert not chain.is_complete
    assert text in str(chain.problem)


@pytest.mark.conforms("G-14")
@pytest.mark.parametrize(
    ("at", "text"),
    [
        (
            datetime(2035, 1, 1, tzinfo=UTC),
            "CN=Leaf expired (valid from 2024-01-01 00:00:00 to 2034",
        ),
        (datetime(2023, 1, 1, tzinfo=UTC), "CN=Leaf is not valid yet (valid from 2024-01-01"),
    ],
)
def test_a_certificate_that_is_not_valid(at: datetime, text: str) -> None:
    chain = chain_of(LEAF, SUB, ROOT, at=at)
    assert chain.certificates == (LEAF,)
    assert chain.missing_issuer is None
    assert text in str(chain.problem)
    assert chain_of(LEAF, SUB, ROOT, at=None).is_complete


@pytest.mark.conforms("G-14")
def test_an_expired_issuer_is_said_to_be_expired_not_missing() -> None:
    expired = issued("Sub", "Root", key=SUB_KEY, by=ROOT_KEY, until="250101000000Z")
    chain = chain_of(LEAF, expired, ROOT)
    assert chain.certificates == (LEAF, expired)
    assert "CN=Sub expired" in str(chain.problem)
    old_root = issued("Root", "Root", key=ROOT_KEY, by=ROOT_KEY, until="250101000000Z")
    chain = chain_of(LEAF, SUB, old_root)
    assert chain.certificates == (LEAF, SUB, old_root)
    assert "CN=Root expired" in str(chain.problem)


@pytest.mark.conforms("G-14", "G-23")
def test_a_renewed_issuer_stands_in_for_an_expired_one() -> None:
    expired = issued("Sub", "Root", key=SUB_KEY, by=ROOT_KEY, until="250101000000Z", serial=2)
    future = issued("Sub", "Root", key=SUB_KEY, by=ROOT_KEY, since="300101000000Z", serial=3)
    old_root = issued("Root", "Root", key=ROOT_KEY, by=ROOT_KEY, until="250101000000Z", serial=4)
    for pool in itertools.permutations((expired, SUB, future, old_root, ROOT)):
        assert chain_of(LEAF, *pool).certificates == (LEAF, SUB, ROOT)


@pytest.mark.conforms("G-14")
def test_of_two_valid_issuers_the_one_that_leads_to_a_root() -> None:
    # The same intermediate, certified by two roots of which only one is at hand.
    crossed = issued("Sub", "Gone", key=SUB_KEY, by=OTHER_KEY, serial=7)
    for pool in itertools.permutations((crossed, SUB, ROOT)):
        chain = chain_of(LEAF, *pool)
        assert chain.certificates == (LEAF, SUB, ROOT)
        assert chain.is_complete


@pytest.mark.conforms("G-14")
def test_of_two_open_ends_the_longer_one() -> None:
    top = issued("Top", "Gone", key=OTHER_KEY, by=ROOT_KEY)
    middle = issued("Sub", "Top", key=SUB_KEY, by=OTHER_KEY)
    crossed = issued("Sub", "Away", key=SUB_KEY, by=ROOT_KEY, serial=7)
    for pool in itertools.permutations((crossed, top, middle)):
        chain = chain_of(LEAF, *pool)
        assert chain.certificates == (LEAF, middle, top)
        assert str(chain.missing_issuer) == "CN=Gone"


@pytest.mark.conforms("G-14", "G-17")
def test_a_look_alike_does_not_get_into_a_chain() -> None:
    fake_sub = issued("Sub", "Root", key=OTHER_KEY, by=OTHER_KEY, serial=1)
    fake_root = issued("Root", "Root", key=OTHER_KEY, by=OTHER_KEY, serial=1)
    for pool in itertools.permutations((fake_sub, fake_root, SUB, ROOT)):
        assert chain_of(LEAF, *pool).certificates == (LEAF, SUB, ROOT)
    chain = chain_of(LEAF, fake_sub, fake_root)
    assert chain.certificates == (LEAF,)
    assert str(chain.missing_issuer) == "CN=Sub"


@pytest.mark.conforms("G-14")
def test_an_end_entity_does_not_issue() -> None:
    below = issued("Below", "Leaf", key=OTHER_KEY, by=LEAF_KEY, ca=False)
    chain = chain_of(below, LEAF, SUB, ROOT)
    assert chain.certificates == (below,)
    assert str(chain.missing_issuer) == "CN=Leaf"


def test_a_root_of_version_1() -> None:
    old_root = made("Root", ROOT_KEY, version=None, extensions=None)
    chain = chain_of(LEAF, SUB, old_root)
    assert chain.certificates == (LEAF, SUB, old_root)
    assert chain.is_complete


def test_a_self_issued_certificate_is_not_a_root_by_its_name() -> None:
    # A CA certifies its next key under its own name (key rollover).
    rolled = issued("Root", "Root", key=SUB_KEY, by=ROOT_KEY)
    leaf = issued("Leaf", "Root", key=LEAF_KEY, by=SUB_KEY, ca=False)
    assert chain_of(leaf, rolled, ROOT).certificates == (leaf, rolled, ROOT)
    assert str(chain_of(leaf, rolled).missing_issuer) == "CN=Root"


def test_two_cas_that_certify_each_other() -> None:
    a = issued("A", "B", key=SUB_KEY, by=ROOT_KEY)
    b = issued("B", "A", key=ROOT_KEY, by=SUB_KEY)
    leaf = issued("Leaf", "A", key=LEAF_KEY, by=SUB_KEY, ca=False)
    chain = chain_of(leaf, a, b)
    assert chain.certificates == (leaf, a, b)
    assert not chain.is_complete


# Root ← Sub ← Low, with a constraint of the root's or of Sub's.
LOW_KEY = keys.ec(4)


def constrained(subject: str, issuer: str, most: int, **signed: Any) -> Certificate:
    """Make a CA certificate with a pathLenConstraint."""
    constraint = tlv.extension("2.5.29.19", tlv.seq(tlv.boolean(), tlv.integer(most)))
    key, by = signed.pop("key"), signed.pop("by")
    return made(
        subject,
        key,
        issuer=tlv.name(issuer),
        issuer_key=by,
        extensions=(constraint,),
        not_before=tlv.utc_time("240101000000Z"),
        not_after=tlv.utc_time("340101000000Z"),
        **signed,
    )


LOW = issued("Low", "Sub", key=LOW_KEY, by=SUB_KEY)
LOW_LEAF = issued("Leaf", "Low", key=LEAF_KEY, by=LOW_KEY, ca=False)


@pytest.mark.conforms("G-14")
@pytest.mark.parametrize("most", [0, 1, 2])
def test_a_path_length_counts_the_cas_below(most: int) -> None:
    root = constrained("Root", "Root", most, key=ROOT_KEY, by=ROOT_KEY)
    assert root.path_length == most
    assert (SUB.path_length, made(extensions=None).path_length) == (None, None)
    # The certificate itself does not count, whatever it is, unless it is said to issue.
    for certificate, pool, below in (
        (LOW_LEAF, (LOW, SUB, root), 2),
        (LEAF, (SUB, root), 1),
        (LOW, (SUB, root), 1),
        (SUB, (root,), 0),
        (root, (root,), 0),
    ):
        for issues in (False, True):
            counted = below + (issues and certificate not in (root, LEAF, LOW_LEAF))
            if issues and certificate in (LEAF, LOW_LEAF):
                continue
            chain = build_chain(certificate, pool, at=NOW, issues=issues, provider=PROVIDER)
            assert chain.is_complete is (counted <= most), (certificate, issues)
            if not chain.is_complete:
                assert chain.certificates == (certificate, *pool[:-1])
                assert chain.missing_issuer is None
                assert chain.problem == (
                    f"CN=Root issued the certificate of CN=Sub, but its own allows {most} CAs "
                    "below it and no more (pathLenConstraint)."
                )


@pytest.mark.conforms("G-14")
def test_a_path_length_of_one_in_the_middle() -> None:
    strict = constrained("Sub", "Root", 0, key=SUB_KEY, by=ROOT_KEY)
    assert chain_of(LEAF, strict, ROOT).is_complete
    chain = chain_of(LOW_LEAF, LOW, strict, ROOT)
    assert chain.certificates == (LOW_LEAF, LOW)
    assert "CN=Sub issued the certificate of CN=Low, but its own allows 0" in str(chain.problem)
    # Certified twice, once with room for more: that way is taken.
    for pool in itertools.permutations((LOW, strict, SUB, ROOT)):
        assert chain_of(LOW_LEAF, *pool).certificates == (LOW_LEAF, LOW, SUB, ROOT)


@pytest.mark.conforms("G-14", "N-07")
def test_a_path_length_does_not_count_a_cas_next_key() -> None:
    rolled = issued("Root", "Root", key=SUB_KEY, by=ROOT_KEY)
    leaf = issued("Leaf", "Root", key=LEAF_KEY, by=SUB_KEY, ca=False)
    root = constrained("Root", "Root", 0, key=ROOT_KEY, by=ROOT_KEY)
    assert chain_of(leaf, rolled, root).certificates == (leaf, rolled, root)
    assert chain_of(leaf, rolled, root).is_complete


@pytest.mark.conforms("G-14", "N-07", "S-19")
def test_a_way_with_fewer_cas_is_found_whatever_is_met_first() -> None:
    """Leaf ← N ← M ← X ← Root(2) is one too many, Leaf ← N ← N's key before ← X ← Root is not."""
    old, middle, above = keys.ec(5), keys.ec(6), keys.ec(7)
    root = constrained("Root", "Root", 2, key=ROOT_KEY, by=ROOT_KEY)
    pool = (
        issued("N", "M", key=SUB_KEY, by=middle),
        issued("M", "X", key=middle, by=above),
        issued("N", "N", key=SUB_KEY, by=old),
        issued("N", "X", key=old, by=above),
        issued("X", "Root", key=above, by=ROOT_KEY),
        root,
    )
    leaf = issued("Leaf", "N", key=LEAF_KEY, by=SUB_KEY, ca=False)
    for order in itertools.permutations(pool[:4]):
        chain = chain_of(leaf, *order, *pool[4:])
        assert chain.certificates == (leaf, *pool[2:])
        assert chain.is_complete


def test_a_malformed_name_in_a_chain_breaks_nothing() -> None:
    wrong = tlv.seq(tlv.seq())
    limit = tlv.extension("2.5.29.19", tlv.seq(tlv.boolean(), tlv.integer(1)))
    octets = tlv.certificate(
        SUB_KEY,
        subject=wrong,
        issuer=tlv.name("Root"),
        issuer_key=ROOT_KEY,
        extensions=(limit,),
    )
    above = parse_certificate(octets)
    low = made("Low", LOW_KEY, issuer=wrong, issuer_key=SUB_KEY)
    chain = build_chain(low, (above, ROOT), at=None, issues=True, provider=PROVIDER)
    assert chain.certificates == (low, above, ROOT)


def test_a_malformed_name_at_the_end_of_a_chain_breaks_nothing() -> None:
    """Whether it is self-issued cannot be said, and need not be."""
    root = constrained("Root", "Root", 0, key=ROOT_KEY, by=ROOT_KEY)
    bad = made("Sub", SUB_KEY, issuer=tlv.seq(tlv.seq()), issuer_key=ROOT_KEY)
    for issues in (False, True):
        chain = build_chain(bad, (bad, root), at=NOW, issues=issues, provider=PROVIDER)
        assert chain.certificates == (bad,)
        assert not chain.is_complete


def ladder(length: int) -> list[Certificate]:
    """Return a chain of so many certificates, leaf first."""
    pair = (ROOT_KEY, SUB_KEY)
    rungs = [ROOT]
    for n in range(1, length):
        above = str(rungs[-1].subject).removeprefix("CN=")
        rungs.append(issued(f"N{n}", above, key=pair[n % 2], by=pair[(n - 1) % 2]))
    return rungs[::-1]


@pytest.mark.conforms("S-19")
@pytest.mark.parametrize("part", NAMES)
def test_long_names_are_refused(part: str) -> None:
    subject, issuer = (tlv.name("a" * (5000 if name == part else 1)) for name in NAMES)
    octets = tlv.certificate(KEY, subject=subject, issuer=issuer)
    with pytest.raises(LimitExceeded) as caught:
        parse_certificate(octets)
    assert caught.value.limit == "name_size"
    assert parse_certificate(octets, limits=Limits(name_size=6000)).der == octets


@pytest.mark.conforms("S-19")
def test_serial_numbers_can_always_be_shown() -> None:
    """Python refuses to write integers of more than 4,300 digits."""
    with pytest.raises(DecodeError, match="does not occur"):
        made(serial=1 << 20_000)
    assert repr(made(serial=1 << 500))


@pytest.mark.conforms("S-19")
def test_long_chains() -> None:
    rungs = ladder(12)
    assert chain_of(rungs[2], *rungs).is_complete  # ten certificates
    chain = chain_of(rungs[0], *rungs)
    assert chain.certificates == tuple(rungs[:10])
    assert chain.missing_issuer is None
    assert "more than 10 certificates; raise Limits.chain_length" in str(chain.problem)
    assert chain_of(rungs[0], *rungs, limits=Limits(chain_length=12)).is_complete
    # What is missing at the end of the longest chain is still what is missing.
    chain = chain_of(rungs[2], *rungs[:-1])
    assert str(chain.missing_issuer) == "CN=Root"


@pytest.mark.conforms("S-19")
def test_many_certificates_of_the_same_ca_cost_no_more_than_their_square(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crowd = [
        issued(name, above, key=key, by=by, serial=serial)
        for serial in range(8)
        for name, above, key, by in (
            ("Sub", "Up", SUB_KEY, ROOT_KEY),
            ("Up", "Sub", ROOT_KEY, SUB_KEY),
        )
    ]
    verified = []
    verify = type(PROVIDER).verify

    def counting(self: CryptoProvider, *arguments: Any) -> None:
        verified.append(arguments)
        verify(self, *arguments)

    monkeypatch.setattr(type(PROVIDER), "verify", counting)
    chain = chain_of(LEAF, *crowd)
    assert len(verified) <= (len(crowd) + 1) ** 2
    assert not chain.is_complete
    assert len(chain.certificates) == 3


def test_a_chain_is_a_value() -> None:
    chain = chain_of(LEAF, SUB, ROOT)
    assert replace(chain, problem="x") != chain
    assert isinstance(chain_of(LEAF).missing_issuer, Name)
