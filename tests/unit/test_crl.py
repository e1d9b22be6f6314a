"""pyscep.crl: what GetCRL returns."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from pyscep.certificates import Certificate, parse_certificate
from pyscep.crl import CertificateList, parse_crl
from pyscep.errors import (
    CertificateMismatch,
    DecodeError,
    LimitExceeded,
    SignatureInvalid,
    UnsupportedError,
    UntrustedCa,
    WeakAlgorithm,
)
from pyscep.keys import PrivateKey
from pyscep.limits import Limits
from tests.helpers import keys, tlv

UTC = timezone.utc
KEY = keys.ec()
PROVIDER = keys.provider()
THIS, NEXT = tlv.utc_time("260101000000Z"), tlv.utc_time("260201000000Z")
REVOKED = datetime(2025, 6, 1, tzinfo=UTC)


def entry(serial: int, *more: bytes, when: bytes = tlv.utc_time("250601000000Z")) -> bytes:
    return tlv.seq(tlv.integer(serial), when, *more)


def crl(
    *entries: bytes,
    version: bytes = tlv.integer(1),
    inner: bytes | None = None,
    outer: bytes | None = None,
    issuer: bytes = tlv.name("CA"),
    times: bytes = THIS + NEXT,
    entries_field: bytes | None = None,
    extensions: bytes = tlv.explicit(0, tlv.seq(tlv.extension("2.5.29.20", tlv.integer(1)))),
    trailer: bytes = b"",
    key: PrivateKey = KEY,
) -> bytes:
    identifier = outer or tlv.sha256_identifier(key)
    listed = tlv.seq(*entries) if entries else b""
    content = tlv.seq(
        version,
        inner or identifier,
        issuer,
        times,
        listed if entries_field is None else entries_field,
        extensions,
        trailer,
    )
    return tlv.signed_by(key, content, identifier=identifier)


def authority(name: str = "CA", key: PrivateKey = KEY, *more: bytes) -> Certificate:
    octets = tlv.certificate(key, subject=tlv.name(name), extensions=(tlv.CA_TRUE, *more))
    return parse_certificate(octets)


@pytest.mark.conforms("Q-07")
def test_every_part_of_a_crl() -> None:
    octets = crl(entry(1), entry(0x80))
    listed = parse_crl(octets)
    assert listed.der == octets
    assert str(listed.issuer) == "CN=CA"
    assert listed.this_update == datetime(2026, 1, 1, tzinfo=UTC)
    assert listed.next_update == datetime(2026, 2, 1, tzinfo=UTC)
    assert listed.entries == entry(1) + entry(0x80)
    assert listed.signed.content == tlv.parse(octets).at(0).dump()
    assert "entries" not in repr(listed)
    listed.verify(authority(), provider=PROVIDER)


@pytest.mark.parametrize(
    "octets",
    [
        crl(),
        crl(entries_field=tlv.seq()),
        crl(version=b"", extensions=b""),  # version 1
        crl(times=THIS),
        crl(times=THIS + tlv.generalized_time("20500101000000Z")),
    ],
)
def test_what_may_be_left_out(octets: bytes) -> None:
    listed = parse_crl(octets)
    assert listed.entries == b""
    assert listed.revocation_date(1) is None
    listed.verify(authority(), provider=PROVIDER)


def test_no_next_update() -> None:
    assert parse_crl(crl(times=THIS)).next_update is None


@pytest.mark.parametrize(
    ("serial", "revoked"),
    [(1, True), (0x80, True), (-5, True), (2**159, True), (2, False), (0x8000, False), (0, False)],
)
def test_revocation(serial: int, revoked: bool) -> None:
    reason = tlv.seq(tlv.extension("2.5.29.21", b"\x0a\x01\x01"))
    listed = parse_crl(crl(entry(1), entry(0x80, reason), entry(-5), entry(2**159)))
    assert listed.revocation_date(serial) == (REVOKED if revoked else None)


def test_a_serial_number_inside_something_else_is_not_revoked() -> None:
    # 02 01 07 occurs, but as the value of an extension.
    number = tlv.seq(tlv.extension("2.5.29.20", tlv.integer(7)))
    assert parse_crl(crl(entry(1, number))).revocation_date(7) is None


@pytest.mark.conforms("S-19")
def test_a_long_issuer_is_refused() -> None:
    octets = crl(issuer=tlv.name("a" * 5000))
    with pytest.raises(LimitExceeded) as caught:
        parse_crl(octets)
    assert caught.value.limit == "name_size"
    assert parse_crl(octets, limits=Limits(name_size=6000)).der == octets


@pytest.mark.conforms("S-19")
def test_a_long_list_is_searched_and_not_turned_into_objects() -> None:
    entries = [entry(n) for n in range(1, 20_000)]
    listed = parse_crl(crl(*entries))
    assert listed.revocation_date(19_999) == REVOKED
    assert listed.revocation_date(20_000) is None


@pytest.mark.parametrize("bad", [tlv.null(), tlv.seq(), tlv.seq(tlv.integer(9)), entry(9)[:-1]])
def test_a_malformed_entry(bad: bytes) -> None:
    listed = parse_crl(crl(entry(1), bad, entry(7)))
    assert listed.revocation_date(2) is None  # does not occur, so nothing is walked over
    assert listed.revocation_date(1) == REVOKED
    with pytest.raises(DecodeError):
        listed.revocation_date(7 if bad != tlv.seq(tlv.integer(9)) else 9)


@pytest.mark.conforms("Q-07")
def test_another_issuer() -> None:
    listed = parse_crl(crl())
    with pytest.raises(CertificateMismatch, match="issued by CN=CA, not by CN=Other") as caught:
        listed.verify(authority("Other"), provider=PROVIDER)
    assert caught.value.fail_info_hint == 4


@pytest.mark.conforms("Q-07")
def test_another_key_of_the_same_name() -> None:
    with pytest.raises(SignatureInvalid):
        parse_crl(crl()).verify(authority(key=keys.ec(1)), provider=PROVIDER)


@pytest.mark.conforms("Q-07", "G-10")
def test_an_issuer_that_may_not_sign_crls() -> None:
    """Also where it is a CA that may issue; without keyUsage everything is allowed."""
    listed = parse_crl(crl())
    with pytest.raises(UntrustedCa, match=r"CN=CA signed a CRL, but .* lacks cRLSign") as caught:
        listed.verify(authority("CA", KEY, tlv.MAY_SIGN_ONLY_CERTIFICATES), provider=PROVIDER)
    assert (caught.value.expected, caught.value.actual) == (
        "a CA certificate with cRLSign",
        "CN=CA",
    )
    assert (caught.value.fail_info_hint, caught.value.http_status_hint) == (2, 400)
    listed.verify(authority("CA", KEY, tlv.MAY_SIGN_CERTIFICATES), provider=PROVIDER)
    listed.verify(authority(), provider=PROVIDER)


@pytest.mark.conforms("Q-07", "S-04", "S-05")
@pytest.mark.parametrize(
    ("oid", "error"), [("1.2.840.113549.1.1.4", WeakAlgorithm), ("1.2.3", UnsupportedError)]
)
def test_algorithms_that_are_not_used(oid: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_crl(crl(outer=tlv.algorithm(oid))).verify(authority(), provider=PROVIDER)


GOOD = crl(entry(1))
TREE = tlv.parse(GOOD)
NULL = tlv.parse(tlv.null())


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"-----BEGIN X509 CRL-----",
        GOOD + b"\x00",
        GOOD[:-1],
        tlv.certificate(KEY, subject=tlv.name("CA")),
        *(TREE.with_at((n,), NULL).dump() for n in range(3)),
        *(TREE.with_at((0, n), NULL).dump() for n in range(7)),
        *(TREE.with_at((0, n), None).dump() for n in (1, 2)),
        crl(times=b""),
        crl(times=THIS + NEXT + NEXT),
        crl(trailer=tlv.null()),
        crl(inner=tlv.algorithm(tlv.SHA256_WITH_RSA)),
    ],
)
def test_what_is_no_crl(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_crl(octets)


def test_two_different_signature_algorithms() -> None:
    with pytest.raises(DecodeError, match="two different signature algorithms"):
        parse_crl(crl(inner=tlv.algorithm(tlv.SHA256_WITH_RSA)))


@pytest.mark.conforms("S-19", "T-29")
def test_the_size_is_limited() -> None:
    with pytest.raises(LimitExceeded, match="The CRL has") as caught:
        parse_crl(GOOD, limits=Limits(message_size=len(GOOD) - 1))
    assert (caught.value.limit, caught.value.value) == ("message_size", len(GOOD))


def test_a_crl_is_a_value() -> None:
    assert parse_crl(GOOD) == parse_crl(GOOD)
    assert isinstance(parse_crl(GOOD), CertificateList)
