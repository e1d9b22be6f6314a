"""From GetCACert to trust: parsing, fingerprints, chains, and who is for what."""

from __future__ import annotations

import functools
import hashlib
import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from pyscep import extensions
from pyscep.asn1 import pem_encode
from pyscep.ca import (
    CaCertificates,
    TrustedCa,
    normalise_fingerprint,
    parse_ca_certificates,
)
from pyscep.certificates import Certificate, Identity
from pyscep.crypto import CryptoProvider
from pyscep.errors import (
    DecodeError,
    LimitExceeded,
    ProtocolError,
    ScepError,
    UntrustedCa,
    UsageError,
)
from pyscep.extensions import ExtendedKeyUsage, KeyUsage
from pyscep.limits import Limits
from tests.helpers import keys
from tests.helpers.keys import (
    CERT_SIGN,
    ENCRYPT,
    END,
    EVERYTHING,
    NOW,
    SIGN,
    SIGN_AND_ENCRYPT,
    START,
    certify,
)
from tests.helpers.message_factory import DIGESTS, degenerate, to_ber
from tests.helpers.tlv import DATA, algorithm, content_info, explicit, integer, octets, oid, seq

REQUEST_AGENT = "1.3.6.1.4.1.311.20.2.1"
ANY_PURPOSE = "2.5.29.37.0"
CMC_RA = "1.3.6.1.5.5.7.3.28"
CLIENT_AUTH = ExtendedKeyUsage.CLIENT_AUTH.value
YESTERDAY = NOW - timedelta(days=1)
TOMORROW = NOW + timedelta(days=1)


@dataclass(frozen=True)
class Pki:
    """A root, an issuing CA below it, and RA certificates of the latter."""

    root: Identity
    issuing: Identity
    ra_signs: Identity
    ra_decrypts: Identity
    ra_both: Identity


@functools.cache
def pki() -> Pki:
    root = certify("CN=Root", key=keys.rsa(0), ca=True, usages=CERT_SIGN)
    issuing = certify("CN=Issuing", key=keys.rsa(3), issuer=root, ca=True, usages=CERT_SIGN)

    def registrar(number: int, usages: frozenset[KeyUsage]) -> Identity:
        # Both have the same name, as those of NDES have.
        return certify(
            "CN=RA", key=keys.rsa(number), issuer=issuing, usages=usages, purposes=[REQUEST_AGENT]
        )

    return Pki(
        root=root,
        issuing=issuing,
        ra_signs=registrar(4, SIGN),
        ra_decrypts=registrar(5, ENCRYPT),
        ra_both=registrar(6, SIGN_AND_ENCRYPT),
    )


def bag(*identities: Identity) -> CaCertificates:
    return CaCertificates(certificates=tuple(each.certificate for each in identities))


def fingerprint(identity: Identity) -> bytes:
    return hashlib.sha256(identity.certificate.der).digest()


def trust(
    *identities: Identity,
    root: Identity | None = None,
    at: datetime | None = NOW,
    encrypt_with_challenge: bool = False,
) -> TrustedCa:
    return bag(*identities).authenticate(
        sha256=fingerprint(root or identities[0]),
        at=at,
        encrypt_with_challenge=encrypt_with_challenge,
    )


# ------------------------------------------------------------------------------------ parsing


@pytest.mark.conforms("G-03", "G-05")
def test_single_certificate_is_read() -> None:
    root = pki().root.certificate

    assert parse_ca_certificates(root.der).certificates == (root,)


@pytest.mark.conforms("G-04", "G-05", "G-06", "D-04")
@pytest.mark.parametrize("ber", [False, True], ids=["DER", "BER"])
@pytest.mark.parametrize(
    ("version", "digest_algorithms", "content"),
    [
        pytest.param(1, [], b"", id="as it should be"),
        pytest.param(3, [], b"", id="version 3"),
        pytest.param(1, [algorithm(DIGESTS["sha1"])], b"", id="digest algorithms"),
        pytest.param(1, [], explicit(0, octets(b"")), id="empty content"),
    ],
)
@pytest.mark.parametrize("number", [1, 2])
def test_pkcs7_is_read(
    number: int, version: int, digest_algorithms: list[bytes], content: bytes, ber: bool
) -> None:
    certificates = (pki().issuing.certificate, pki().root.certificate)[:number]
    encoded = degenerate(
        [each.der for each in certificates],
        version=version,
        digest_algorithms=digest_algorithms,
        encapsulated=seq(oid(DATA), content),
    )

    found = parse_ca_certificates(to_ber(encoded) if ber else encoded)

    assert found.certificates == certificates


def pem(*certificates: Certificate) -> bytes:
    return "".join(each.pem() for each in certificates).encode()


@pytest.mark.conforms("G-19")
@pytest.mark.parametrize("before", [b"", b"\n", b"subject=CN=Root\nissuer=CN=Root\n\n"])
def test_pem_is_read(before: bytes) -> None:
    root, issuing = pki().root.certificate, pki().issuing.certificate
    pkcs7 = pem_encode("PKCS7", degenerate([issuing.der])).encode()

    assert parse_ca_certificates(before + pem(root)).certificates == (root,)
    assert parse_ca_certificates(before + pem(issuing, root)).certificates == (issuing, root)
    assert parse_ca_certificates(before + pkcs7 + pem(root)).certificates == (root, issuing)


@pytest.mark.conforms("G-05")
def test_der_with_the_words_of_pem_in_it_is_der() -> None:
    named = certify("CN=-----BEGIN CERTIFICATE-----", key=keys.rsa(0), ca=True).certificate

    assert parse_ca_certificates(named.der).certificates == (named,)
    assert parse_ca_certificates(degenerate([named.der])).certificates == (named,)


def test_certificate_that_comes_twice_counts_once() -> None:
    root, issuing = pki().root.certificate, pki().issuing.certificate
    encoded = degenerate([root.der, issuing.der, root.der])

    assert parse_ca_certificates(encoded).certificates == (root, issuing)


@pytest.mark.conforms("G-22")
@pytest.mark.parametrize(
    "octets_received",
    [
        b"",
        b"\x30",
        b"\x30\x00",
        b"\x30\x80\x00\x00",
        b"\x31\x00",
        b"<html><body>Network Device Enrollment Service</body></html>",
        b"not found",
        integer(1),
        seq(integer(1)),
        seq(oid(DATA)),
        content_info(DATA, octets(b"")),
        degenerate([seq(integer(1))]),
        degenerate([]) + b"\x00",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n",
        b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    ],
)
def test_what_is_no_certificate_is_refused(octets_received: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_ca_certificates(octets_received)


@pytest.mark.conforms("G-22")
@pytest.mark.parametrize(
    "octets_received",
    [
        degenerate([]),
        degenerate([explicit(1, integer(1))]),
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ],
)
def test_reply_without_certificate_is_refused(octets_received: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_ca_certificates(octets_received)

    assert type(caught.value) is ProtocolError
    assert caught.value.reference == "RFC 8894 section 4.2.1"


@pytest.mark.conforms("S-19")
def test_size_of_the_reply_is_limited() -> None:
    encoded = pki().root.certificate.der

    parse_ca_certificates(encoded, limits=Limits(message_size=len(encoded)))
    with pytest.raises(LimitExceeded) as caught:
        parse_ca_certificates(encoded, limits=Limits(message_size=len(encoded) - 1))
    assert (caught.value.limit, caught.value.value) == ("message_size", len(encoded))


@pytest.mark.conforms("S-19")
@pytest.mark.parametrize("form", ["PKCS #7", "PEM"])
def test_number_of_certificates_is_limited(form: str) -> None:
    both = (pki().root.certificate, pki().issuing.certificate)
    encoded = pem(*both) if form == "PEM" else degenerate([each.der for each in both])

    assert len(parse_ca_certificates(encoded, limits=Limits(certificates=2)).certificates) == 2
    with pytest.raises(LimitExceeded) as caught:
        parse_ca_certificates(encoded, limits=Limits(certificates=1))
    assert (caught.value.limit, caught.value.value) == ("certificates", 2)


# ------------------------------------------------------------------------------- fingerprints


@pytest.mark.conforms("G-15", "G-16")
@pytest.mark.parametrize(
    ("written", "size"),
    [
        (bytes(range(32)), 32),
        (bytes(range(32)).hex(), 32),
        (bytes(range(32)).hex().upper(), 32),
        (bytes(range(32)).hex(":"), 32),
        (bytes(range(32)).hex(" ", 4).upper(), 32),
        (f" {bytes(range(32)).hex()}\r\n", 32),
        (bytes(range(20)), 20),
        (bytes(range(20)).hex(":"), 20),
    ],
)
def test_fingerprints_are_read_as_people_write_them(written: str | bytes, size: int) -> None:
    assert normalise_fingerprint(written, size=size) == bytes(range(size))


@pytest.mark.conforms("G-15")
@pytest.mark.parametrize("size", [32, 20])
@pytest.mark.parametrize("written", ["", b"", "ab", b"\0" * 16, "00" * 16, "00" * 33, "xy", "a"])
def test_other_fingerprints_are_refused(written: str | bytes, size: int) -> None:
    with pytest.raises(UsageError) as caught:
        normalise_fingerprint(written, size=size)

    assert caught.value.argument == ("sha256" if size == 32 else "sha1")


@pytest.mark.conforms("G-15")
def test_fingerprint_finds_the_root() -> None:
    ca = pki().root
    der = ca.certificate.der
    sha256, sha1 = hashlib.sha256(der).digest(), hashlib.sha1(der).digest()  # noqa: S324
    found = bag(ca)

    for trusted in (
        found.authenticate(sha256=sha256, at=NOW),
        found.authenticate(sha256=sha256.hex(":"), at=NOW),
        found.authenticate(sha1=sha1, at=NOW),
        found.authenticate(sha256=sha256, sha1=sha1, at=NOW),
    ):
        assert trusted.issuer == ca.certificate


@pytest.mark.conforms("G-15")
def test_sha1_is_a_name_here_where_python_has_it_for_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a Python does whose OpenSSL is in FIPS mode."""
    digest, sha1 = hashlib.sha1(pki().root.certificate.der).digest(), hashlib.sha1  # noqa: S324

    def refusing(octets: bytes, *, usedforsecurity: bool = True) -> object:
        if usedforsecurity is not False:
            raise ValueError
        return sha1(octets, usedforsecurity=False)

    monkeypatch.setattr(hashlib, "sha1", refusing)
    assert bag(pki().root).authenticate(sha1=digest, at=NOW).issuer == pki().root.certificate


@pytest.mark.conforms("G-15")
def test_both_fingerprints_have_to_fit_if_both_are_given() -> None:
    ca = pki().root
    sha256, sha1 = fingerprint(ca), hashlib.sha1(ca.certificate.der).digest()  # noqa: S324

    with pytest.raises(UntrustedCa):
        bag(ca).authenticate(sha256=sha256, sha1=bytes(20), at=NOW)
    with pytest.raises(UntrustedCa):
        bag(ca).authenticate(sha256=bytes(32), sha1=sha1, at=NOW)


def test_other_fingerprint_is_refused_and_the_one_seen_is_named() -> None:
    with pytest.raises(UntrustedCa) as caught:
        bag(pki().root, pki().ra_both).authenticate(sha256=bytes(32), at=NOW)

    assert caught.value.expected == bytes(32).hex()
    assert caught.value.actual == f"{fingerprint(pki().root).hex()} (CN=Root)"
    assert fingerprint(pki().root).hex() in str(caught.value)
    with pytest.raises(UntrustedCa, match="none at all"):
        bag(pki().ra_both).authenticate(sha1=bytes(20), at=NOW)


@pytest.mark.conforms("G-18", "T-31")
def test_something_has_to_say_which_ca_is_right() -> None:
    with pytest.raises(UsageError) as caught:
        bag(pki().root).authenticate(at=NOW)

    assert caught.value.argument == "sha256"


def test_fingerprint_of_an_ra_is_refused() -> None:
    with pytest.raises(UntrustedCa) as caught:
        trust(pki().root, pki().issuing, pki().ra_both, root=pki().ra_both)

    assert caught.value.expected == "a CA certificate"
    assert caught.value.actual == "CN=RA"


@pytest.mark.conforms("G-17")
def test_fingerprint_of_an_intermediate_is_accepted_only_on_demand() -> None:
    found = bag(pki().issuing, pki().root)
    with pytest.raises(UntrustedCa) as caught:
        found.authenticate(sha256=fingerprint(pki().issuing), at=NOW)
    assert caught.value.expected == "a self-signed certificate"
    assert caught.value.actual == "CN=Issuing"
    assert "anchor_may_be_intermediate" in str(caught.value)

    trusted = bag(pki().issuing).authenticate(
        sha256=fingerprint(pki().issuing), at=NOW, anchor_may_be_intermediate=True
    )

    assert trusted.issuer == pki().issuing.certificate
    assert not trusted.chain.is_complete
    assert str(trusted.chain.missing_issuer) == "CN=Root"


@pytest.mark.conforms("G-19")
def test_certificate_known_otherwise_may_be_the_anchor() -> None:
    root = pki().root.certificate

    trusted = bag(pki().issuing).authenticate(anchors=[root], at=NOW)

    assert trusted.issuer == pki().issuing.certificate
    assert trusted.chain.certificates == (pki().issuing.certificate, root)


def test_certificates_known_otherwise_complete_the_chain() -> None:
    """The root that has the fingerprint, and an intermediate that nobody sends."""
    root, issuing = pki().root.certificate, pki().issuing.certificate

    trusted = bag(pki().ra_both).authenticate(
        sha256=fingerprint(pki().root), anchors=[root], extra=[issuing], at=NOW
    )

    assert trusted.issuer == issuing
    assert trusted.recipient == pki().ra_both.certificate


@pytest.mark.conforms("G-17")
def test_server_of_another_ca_is_refused() -> None:
    """Also where the right CA's certificate is at hand, and the wrong one among the extras."""
    with pytest.raises(UntrustedCa) as caught:
        bag(keys.ca()).authenticate(
            anchors=[pki().root.certificate], extra=[keys.ca().certificate], at=NOW
        )

    assert caught.value.expected == "CN=Root"
    assert caught.value.actual == "CN=Test CA,O=Example"


@pytest.mark.conforms("G-17", "S-19")
def test_chain_does_not_lead_to_a_root_that_was_slipped_in() -> None:
    """Whoever is in between can certify the genuine intermediate's name and key anew."""
    root, evil = pki().root, certify("CN=Evil", key=keys.rsa(2), ca=True, usages=CERT_SIGN)
    lower = certify("CN=Lower", key=keys.rsa(6), issuer=pki().issuing, ca=True, usages=EVERYTHING)
    crossed = certify("CN=Issuing", key=pki().issuing.key, issuer=evil, ca=True, usages=CERT_SIGN)

    for order in itertools.permutations((crossed, evil, lower, pki().issuing, root)):
        trusted = trust(*order, root=root)
        assert trusted.chain.certificates == tuple(
            each.certificate for each in (lower, pki().issuing, root)
        )
        assert evil.certificate not in trusted.certificates


@pytest.mark.conforms("G-17")
def test_above_an_intermediate_anchor_only_its_own_root_is_believed() -> None:
    """A root whose key signed the anchor is genuine; what others signed may be anybody's."""
    evil = certify("CN=Evil", key=keys.rsa(2), ca=True, usages=CERT_SIGN)
    crossed = certify("CN=Root", key=pki().root.key, issuer=evil, ca=True, usages=CERT_SIGN)
    issuing = pki().issuing.certificate

    with_root = bag(crossed, evil, pki().issuing, pki().root).authenticate(
        anchors=[issuing], at=NOW
    )
    without = bag(crossed, evil, pki().issuing).authenticate(anchors=[issuing], at=NOW)
    given = bag(pki().issuing).authenticate(
        anchors=[issuing], extra=[crossed.certificate, evil.certificate], at=NOW
    )

    assert with_root.chain.certificates == (issuing, pki().root.certificate)
    assert without.chain.certificates == (issuing,)
    assert str(without.chain.missing_issuer) == "CN=Root"
    assert given.chain.certificates == (issuing, crossed.certificate, evil.certificate)


def test_anchor_that_cannot_issue_is_no_ca() -> None:
    ra = pki().ra_both.certificate

    with pytest.raises(UntrustedCa, match="none is a valid CA") as caught:
        bag(pki().ra_both).authenticate(anchors=[ra], at=NOW)

    assert caught.value.actual == "0"


def test_certificate_given_as_anchor_needs_no_chain_and_no_ra_purpose() -> None:
    ra = certify("CN=RA", key=keys.rsa(4), issuer=pki().root, purposes=[CLIENT_AUTH])

    trusted = bag(pki().root, ra).authenticate(
        anchors=[pki().root.certificate, ra.certificate], at=NOW
    )

    assert trusted.recipient == ra.certificate


# -------------------------------------------------------------------------------------- roles

ROLES = {
    # what the server sends: who issues, who may sign, who receives
    "root": ("root", ["root"], "root"),
    "root issuing": ("issuing", ["issuing"], "issuing"),
    "root issuing ra_both": ("issuing", ["ra_both", "issuing"], "ra_both"),
    "root issuing ra_signs ra_decrypts": (
        "issuing",
        ["ra_signs", "issuing"],
        "ra_decrypts",
    ),
    "root issuing ra_decrypts": ("issuing", ["issuing"], "ra_decrypts"),
    "root issuing ra_signs": ("issuing", ["ra_signs", "issuing"], "issuing"),
    "root issuing ra_both ra_signs ra_decrypts": (
        "issuing",
        ["ra_signs", "ra_both", "issuing"],
        "ra_decrypts",
    ),
}


@pytest.mark.conforms("G-07", "G-08", "G-09", "V-01")
@pytest.mark.parametrize("sent", ROLES)
def test_roles_do_not_depend_on_the_order(sent: str) -> None:
    issuer, signers, recipient = ROLES[sent]
    identities = [getattr(pki(), name) for name in sent.split()]

    for order in itertools.permutations(identities):
        trusted = trust(*order, root=pki().root)
        assert trusted.issuer == getattr(pki(), issuer).certificate
        assert list(trusted.signers) == [getattr(pki(), name).certificate for name in signers]
        assert trusted.recipient == getattr(pki(), recipient).certificate
        assert trusted.chain.is_complete


# ------------------------------------------------------------------------------- path lengths


def constrained(
    subject: str, most: int | None, *, number: int, issuer: Identity | None = None
) -> Identity:
    """Return a CA with a pathLenConstraint, or with none."""
    constraint = extensions.basic_constraints(ca=True, path_length=most)
    key = keys.rsa(number)
    return certify(
        subject, key=key, issuer=issuer, ca=True, usages=CERT_SIGN, replaced=(constraint,)
    )


def line(*lengths: int | None) -> list[Identity]:
    """Return CAs one below the other, with these pathLenConstraints."""
    made: list[Identity] = []
    for number, most in enumerate(lengths):
        above = made[-1] if made else None
        made.append(constrained(f"CN=CA {number}", most, number=number, issuer=above))
    return made


@pytest.mark.conforms("G-14")
@pytest.mark.parametrize(
    "lengths", [(0,), (1, 0), (1, None), (2, 1, 0), (2, None, None), (None, 1, 0), (5, 5, 5)]
)
@pytest.mark.parametrize("with_ra", [False, True])
def test_path_lengths_that_are_kept(lengths: tuple[int | None, ...], with_ra: bool) -> None:
    cas = line(*lengths)
    ra = certify("CN=RA", key=keys.rsa(6), issuer=cas[-1], purposes=[REQUEST_AGENT])
    everybody = [*cas, ra] if with_ra else cas
    for order in itertools.permutations(everybody):
        trusted = trust(*order, root=cas[0])
        assert trusted.issuer == cas[-1].certificate
        assert trusted.chain.is_complete
        assert trusted.recipient == everybody[-1].certificate


@pytest.mark.conforms("G-14")
@pytest.mark.parametrize(
    ("lengths", "lowest"),
    [
        ((0, None), 1),
        ((0, 0), 1),
        ((1, None, None), 2),
        ((1, 5, None), 2),
        ((None, 0, None), 2),
        ((0, None, None), 1),
    ],
)
@pytest.mark.parametrize("with_ra", [False, True])
def test_path_lengths_that_are_broken(
    lengths: tuple[int | None, ...],
    lowest: int,
    with_ra: bool,
) -> None:
    cas = line(*lengths)
    ra = certify("CN=RA", key=keys.rsa(6), issuer=cas[-1], purposes=[REQUEST_AGENT])
    everybody = [*cas, ra] if with_ra else cas
    for order in itertools.permutations(everybody):
        with pytest.raises(UntrustedCa, match="where the pathLenConstraint of a CA") as caught:
            trust(*order, root=cas[0])
        assert caught.value.expected == f"no CA below CN=CA {lowest - 1}"
        assert caught.value.actual == f"CN=CA {lowest}"
    # The same where the server sends the lowest only, and the caller has the rest.
    fetched, given = everybody[-1], [each.certificate for each in everybody[1:-1]]
    with pytest.raises(UntrustedCa, match="pathLenConstraint"):
        bag(fetched).authenticate(anchors=[cas[0].certificate], extra=given, at=NOW)


@pytest.mark.conforms("G-14")
def test_path_length_is_kept_by_one_of_two_ways() -> None:
    root, *_ = line(None)
    strict = constrained("CN=Sub", 0, number=1, issuer=root)
    roomy = constrained("CN=Sub", None, number=1, issuer=root)
    low = constrained("CN=Low", None, number=2, issuer=roomy)
    for order in itertools.permutations((root, strict, roomy, low)):
        trusted = trust(*order, root=root)
        assert [c.path_length for c in trusted.chain.certificates] == [None, None, None]
        assert trusted.issuer == low.certificate


@pytest.mark.conforms("G-14")
def test_path_length_is_kept_by_the_longer_of_two_ways() -> None:
    root, *_ = line(None)
    short = constrained("CN=Sub", 1, number=1, issuer=root)
    middle = constrained("CN=Middle", None, number=2, issuer=root)
    long = constrained("CN=Sub", None, number=1, issuer=middle)
    low = constrained("CN=Low", None, number=3, issuer=long)
    lowest = constrained("CN=Lowest", None, number=4, issuer=low)
    everybody = (root, short, middle, long, low, lowest)
    for order in (everybody, everybody[::-1]):
        trusted = trust(*order, root=root)
        assert trusted.chain.certificates == tuple(
            each.certificate for each in (lowest, low, long, middle, root)
        )
        assert trusted.chain.is_complete


@pytest.mark.conforms("G-14")
def test_path_length_is_broken_by_one_of_two_certificates_of_the_ca() -> None:
    """Cross-certified below a CA without room for it, which is nothing that it has to be."""
    root, *_ = line(None)
    strict = constrained("CN=Strict", 0, number=1, issuer=root)
    cross = constrained("CN=Low", None, number=2, issuer=strict)
    low = constrained("CN=Low", None, number=2, issuer=root)
    ra = certify("CN=RA", key=keys.rsa(6), issuer=low, purposes=[REQUEST_AGENT])
    for order in itertools.permutations((root, strict, low, cross, ra)):
        trusted = trust(*order, root=root)
        assert trusted.issuer == low.certificate
        assert trusted.recipient == ra.certificate
        assert trusted.chain.certificates == (low.certificate, root.certificate)
        assert cross.certificate not in trusted.certificates
    # An end entity with that name and key is not that CA, nor is a CA with one of the two.
    holder = certify("CN=Low", key=keys.rsa(2), issuer=root, purposes=[REQUEST_AGENT])
    namesake = constrained("CN=Low", None, number=3, issuer=root)
    renamed = constrained("CN=Other", None, number=2, issuer=root)
    for other in (holder, namesake, renamed):
        with pytest.raises(UntrustedCa, match="pathLenConstraint"):
            trust(root, strict, cross, other, root=root)


@pytest.mark.conforms("G-14", "N-07")
def test_path_length_does_not_count_a_cas_next_key() -> None:
    root, *_ = line(0)
    rolled = constrained("CN=CA 0", None, number=1, issuer=root)
    trusted = trust(root, rolled, root=root)
    assert trusted.issuer == rolled.certificate
    assert trusted.chain.is_complete
    low = constrained("CN=Low", None, number=2, issuer=rolled)
    with pytest.raises(UntrustedCa, match="pathLenConstraint"):
        trust(root, rolled, low, root=root)


@pytest.mark.conforms("G-14")
@pytest.mark.parametrize("what", ["basicConstraints", "keyCertSign"])
def test_every_ca_of_the_chain_has_to_be_one(what: str) -> None:
    """A holder of an ordinary certificate certifies a CA of his own."""
    root = pki().root
    middle = certify(
        "CN=Middle",
        key=keys.rsa(3),
        issuer=root,
        ca=what != "basicConstraints",
        usages=CERT_SIGN if what != "keyCertSign" else SIGN_AND_ENCRYPT,
        purposes=[REQUEST_AGENT],
    )
    low = certify("CN=Low", key=keys.rsa(4), issuer=middle, ca=True, usages=EVERYTHING)
    ra = certify("CN=RA", key=keys.rsa(6), issuer=low, purposes=[REQUEST_AGENT])
    trusted = trust(root, middle, low, root=root)
    assert trusted.issuer == root.certificate
    assert low.certificate not in trusted.certificates
    with pytest.raises(UntrustedCa, match="does not chain to"):
        trust(root, middle, low, ra, root=root)
    with pytest.raises(UntrustedCa, match="No certificate that the server sent chains"):
        bag(low).authenticate(anchors=[root.certificate], extra=[middle.certificate], at=NOW)


def test_all_certificates_of_the_ca_are_listed_once() -> None:
    one = pki()
    trusted = trust(one.root, one.issuing, one.ra_signs, one.ra_decrypts)

    assert trusted.certificates == tuple(
        each.certificate for each in (one.issuing, one.root, one.ra_signs, one.ra_decrypts)
    )


def ca_with(usages: frozenset[KeyUsage] | None) -> Identity:
    return certify("CN=CA", key=keys.rsa(0), ca=True, usages=usages)


@pytest.mark.conforms("G-10")
@pytest.mark.parametrize("usages", [None, CERT_SIGN, EVERYTHING], ids=["no", "silent", "all"])
def test_ca_acts_itself_unless_its_key_usage_says_otherwise(
    usages: frozenset[KeyUsage] | None,
) -> None:
    trusted = trust(ca_with(usages))

    assert trusted.signers == (trusted.issuer,)
    assert trusted.recipient == trusted.issuer


@pytest.mark.conforms("G-09", "G-12")
@pytest.mark.parametrize(
    ("usages", "missing"), [(SIGN, "receive requests"), (ENCRYPT, "sign replies")]
)
def test_ca_with_one_of_the_two_bits_needs_a_waiver(
    usages: frozenset[KeyUsage], missing: str
) -> None:
    ca = ca_with(CERT_SIGN | usages)
    with pytest.raises(UntrustedCa) as caught:
        trust(ca)
    assert missing in str(caught.value)
    assert "ignore_key_usage=True" in str(caught.value)
    assert caught.value.actual == "CN=CA"

    trusted = bag(ca).authenticate(sha256=fingerprint(ca), at=NOW, ignore_key_usage=True)

    assert trusted.signers == (ca.certificate,)
    assert trusted.recipient == ca.certificate


@pytest.mark.conforms("G-12")
def test_ra_with_one_of_the_two_bits_is_used_for_both_with_a_waiver() -> None:
    ra = certify("CN=RA", key=keys.rsa(4), issuer=pki().root, usages=ENCRYPT)
    found = bag(pki().root, ra)

    strict = found.authenticate(sha256=fingerprint(pki().root), at=NOW)
    lenient = found.authenticate(sha256=fingerprint(pki().root), at=NOW, ignore_key_usage=True)

    assert strict.signers == (pki().root.certificate,)
    assert lenient.signers == (ra.certificate, pki().root.certificate)
    assert lenient.recipient == strict.recipient == ra.certificate


@pytest.mark.conforms("G-13")
def test_recipient_has_to_have_an_rsa_key() -> None:
    """A chain of EC certificates with one RSA certificate for decrypting, as step-ca has it."""
    root = certify("CN=EC root", key=keys.ec(0), ca=True, usages=None)
    issuing = certify("CN=EC CA", key=keys.ec(1), issuer=root, ca=True, usages=None)
    decrypter = certify("CN=Decrypter", key=keys.rsa(4), issuer=issuing, usages=None)

    trusted = trust(root, issuing, decrypter)

    assert trusted.issuer == issuing.certificate
    assert trusted.recipient == decrypter.certificate


@pytest.mark.conforms("E-04", "E-05", "E-29", "G-13")
def test_a_ca_without_any_rsa_key_receives_what_a_password_encrypts() -> None:
    root = certify("CN=root", key=keys.rsa(0), ca=True, usages=keys.CERT_SIGN)
    issuing = certify("CN=EC CA", key=keys.ec(1), issuer=root, ca=True, usages=keys.CERT_SIGN)

    with pytest.raises(UntrustedCa, match="encrypt_with_challenge=True"):
        trust(root, issuing)
    trusted = trust(root, issuing, encrypt_with_challenge=True)

    assert trusted.recipient == trusted.issuer == issuing.certificate
    assert trusted.signers == (issuing.certificate,)
    # Nobody gets there without having said so.
    with pytest.raises(UntrustedCa, match="encrypt_with_challenge=True"):
        bag(root, issuing).authenticate(anchors=[root.certificate], at=NOW)
    # An RSA key that may only sign says that another one is for requests, and is missing here.
    signer = certify("CN=RA", key=keys.rsa(4), issuer=issuing, usages=keys.SIGN)
    with pytest.raises(UntrustedCa, match="receive requests"):
        trust(root, issuing, signer, encrypt_with_challenge=True)


def test_ra_may_call_itself_ca_without_being_able_to_issue() -> None:
    """Met in the field: basicConstraints CA, but no keyCertSign."""
    ra = certify("CN=RA", key=keys.rsa(4), issuer=pki().root, ca=True)

    trusted = trust(pki().root, ra)

    assert trusted.issuer == pki().root.certificate
    assert trusted.recipient == ra.certificate


@pytest.mark.conforms("G-09", "V-01")
@pytest.mark.parametrize(
    "purposes", [[], [REQUEST_AGENT], [ANY_PURPOSE], [CMC_RA], [CLIENT_AUTH, REQUEST_AGENT]]
)
def test_ra_is_known_by_its_purposes(purposes: list[str]) -> None:
    ra = certify("CN=RA", key=keys.rsa(4), issuer=pki().root, purposes=purposes)

    assert trust(pki().root, ra).recipient == ra.certificate


@pytest.mark.conforms("G-17")
def test_ordinary_certificate_is_no_ra() -> None:
    """Any customer of the CA could put his own there and collect challenge passwords."""
    ordinary = certify("CN=www", key=keys.rsa(4), issuer=pki().root, purposes=[CLIENT_AUTH])
    found = bag(pki().root, ordinary)

    with pytest.raises(UntrustedCa) as caught:
        found.authenticate(sha256=fingerprint(pki().root), at=NOW)
    assert caught.value.expected == "an RA certificate"
    assert caught.value.actual == CLIENT_AUTH
    assert "ra_may_be_any_end_entity=True" in str(caught.value)

    trusted = found.authenticate(
        sha256=fingerprint(pki().root), at=NOW, ra_may_be_any_end_entity=True
    )
    assert trusted.recipient == ordinary.certificate


@pytest.mark.conforms("G-17")
def test_ordinary_certificate_does_not_hide_behind_an_ra() -> None:
    ordinary = certify("CN=www", key=keys.rsa(4), issuer=pki().issuing, purposes=[CLIENT_AUTH])

    for order in itertools.permutations((pki().ra_signs, ordinary, pki().ra_decrypts)):
        with pytest.raises(UntrustedCa, match="CN=www"):
            trust(pki().root, pki().issuing, *order)


def test_ra_below_the_root_goes_with_the_issuing_ca_below_it() -> None:
    ra = certify("CN=RA of the root", key=keys.rsa(4), issuer=pki().root)

    trusted = trust(pki().root, pki().issuing, ra)

    assert trusted.issuer == pki().issuing.certificate
    assert trusted.recipient == ra.certificate


def test_ra_tells_which_of_several_cas_is_meant() -> None:
    other = certify("CN=Other", key=keys.rsa(6), issuer=pki().root, ca=True, usages=CERT_SIGN)

    trusted = trust(pki().root, other, pki().issuing, pki().ra_signs, pki().ra_decrypts)
    assert trusted.issuer == pki().issuing.certificate

    with pytest.raises(UntrustedCa) as caught:
        trust(pki().root, other, pki().issuing)
    assert caught.value.actual == "2"
    assert "CN=Other, CN=Issuing" in str(caught.value)


def test_ca_that_merely_comes_along_is_passed_over() -> None:
    trusted = trust(pki().root, keys.ca())

    assert trusted.certificates == (pki().root.certificate,)


# ----------------------------------------------------------------------------------- validity


def dated_ca(not_before: datetime, not_after: datetime) -> Identity:
    return certify(
        "CN=CA",
        key=keys.rsa(0),
        ca=True,
        usages=EVERYTHING,
        not_before=not_before,
        not_after=not_after,
    )


@pytest.mark.conforms("G-14")
@pytest.mark.parametrize(
    "period", [(START, YESTERDAY), (TOMORROW, END)], ids=["expired", "not yet valid"]
)
def test_root_has_to_be_valid(period: tuple[datetime, datetime]) -> None:
    ca = dated_ca(*period)

    with pytest.raises(UntrustedCa, match="this device's clock") as caught:
        trust(ca)
    assert caught.value.expected == caught.value.actual == "CN=CA"
    # A device without clock has nothing to compare with.
    assert trust(ca, at=None).issuer == ca.certificate


@pytest.mark.conforms("G-14")
def test_intermediate_has_to_be_valid() -> None:
    root = pki().root
    expired = certify(
        "CN=Issuing", key=keys.rsa(3), issuer=root, ca=True, usages=CERT_SIGN, not_after=YESTERDAY
    )
    ra = certify("CN=RA", key=keys.rsa(4), issuer=expired)

    with pytest.raises(UntrustedCa, match="does not chain to") as caught:
        trust(root, expired, ra)
    assert caught.value.expected == "CN=Root"
    assert caught.value.actual == "CN=Issuing"
    assert trust(root, expired, ra, at=YESTERDAY).recipient == ra.certificate


@pytest.mark.conforms("G-14")
def test_chain_has_to_be_valid() -> None:
    """Also above an anchor that is not its end: an expired root completes nothing."""
    root = certify("CN=Root", key=pki().root.key, ca=True, usages=CERT_SIGN, not_after=YESTERDAY)
    issuing = pki().issuing.certificate
    found = bag(pki().issuing, root)

    now = found.authenticate(anchors=[issuing], at=NOW)
    earlier = found.authenticate(anchors=[issuing], at=YESTERDAY)

    assert now.chain.problem is not None
    assert "CN=Root expired" in now.chain.problem
    assert earlier.chain.is_complete


@pytest.mark.conforms("G-14")
@pytest.mark.parametrize(
    "period", [(START, YESTERDAY), (TOMORROW, END)], ids=["expired", "not yet valid"]
)
def test_ra_has_to_be_valid(period: tuple[datetime, datetime]) -> None:
    not_before, not_after = period
    outdated = certify(
        "CN=Old RA", key=keys.rsa(4), issuer=pki().root, not_before=not_before, not_after=not_after
    )
    current = certify("CN=New RA", key=keys.rsa(5), issuer=pki().root)

    with pytest.raises(UntrustedCa, match="has expired or is not valid yet") as caught:
        trust(pki().root, outdated)
    assert caught.value.actual == "CN=Root"
    # Beside a current one it is only left over.
    assert trust(pki().root, outdated, current).recipient == current.certificate


@pytest.mark.conforms("G-14", "G-23")
@pytest.mark.parametrize("shortest", ["root", "issuing", "signs", "decrypts"])
def test_validity_is_checked_again_later(shortest: str) -> None:
    def until(name: str) -> datetime:
        return NOW if name == shortest else END

    root = certify("CN=Root", key=keys.rsa(0), ca=True, usages=CERT_SIGN, not_after=until("root"))
    issuing = certify(
        "CN=Issuing",
        key=keys.rsa(3),
        issuer=root,
        ca=True,
        usages=CERT_SIGN,
        not_after=until("issuing"),
    )
    signs = certify("CN=RA", key=keys.rsa(4), issuer=issuing, usages=SIGN, not_after=until("signs"))
    decrypts = certify(
        "CN=RA", key=keys.rsa(5), issuer=issuing, usages=ENCRYPT, not_after=until("decrypts")
    )
    expiring = {"root": root, "issuing": issuing, "signs": signs, "decrypts": decrypts}[shortest]

    trusted = trust(root, issuing, signs, decrypts)

    trusted.check_validity(NOW)
    with pytest.raises(UntrustedCa) as caught:
        trusted.check_validity(TOMORROW)
    assert caught.value.actual == expiring.certificate.sha256_fingerprint
    assert "fetch the CA certificates anew" in str(caught.value)


def test_dates_need_a_time_zone() -> None:
    with pytest.raises(UsageError) as caught:
        trust(pki().root, at=NOW.replace(tzinfo=None))

    assert caught.value.argument == "at"


# ------------------------------------------------------------------------------- without trust


@pytest.mark.conforms("G-18", "T-31")
def test_waiver_needs_a_reason() -> None:
    for reason in ("", "  \n"):
        with pytest.raises(UsageError) as caught:
            bag(pki().root).authenticate_without_verification(reason=reason, at=NOW)
        assert caught.value.argument == "reason"


@pytest.mark.conforms("G-18")
def test_waiver_trusts_whoever_answered() -> None:
    one = pki()

    trusted = bag(one.ra_both, one.issuing, one.root).authenticate_without_verification(
        reason="a laboratory", at=NOW
    )

    assert trusted.issuer == one.issuing.certificate
    assert trusted.recipient == one.ra_both.certificate


def test_waiver_extends_to_key_usage_only_on_demand() -> None:
    found = bag(ca_with(CERT_SIGN | SIGN))

    with pytest.raises(UntrustedCa):
        found.authenticate_without_verification(reason="a laboratory", at=NOW)
    trusted = found.authenticate_without_verification(
        reason="a laboratory", at=NOW, ignore_key_usage=True
    )
    assert trusted.recipient == trusted.issuer


@pytest.mark.conforms("E-04", "G-18")
def test_waiver_extends_to_a_ca_without_rsa_key() -> None:
    ca = certify("CN=EC CA", key=keys.ec(0), ca=True, usages=CERT_SIGN)

    trusted = bag(ca).authenticate_without_verification(reason="a laboratory", at=NOW)

    assert trusted.recipient == ca.certificate


def test_waiver_does_not_make_strangers_fit_together() -> None:
    with pytest.raises(UntrustedCa) as caught:
        bag(pki().root, keys.stranger()).authenticate_without_verification(
            reason="a laboratory", at=NOW
        )

    assert caught.value.actual == "CN=Stranger"


# ------------------------------------------------------------------------------------- the cost


class CountingProvider:
    """Hands everything on to the default provider and counts signatures that are verified."""

    def __init__(self) -> None:
        self.verified = 0

    def __getattr__(self, name: str) -> object:
        self.verified += name == "verify"
        return getattr(keys.provider(), name)


@pytest.mark.conforms("S-19")
def test_bag_of_cross_signed_certificates_costs_no_more_than_its_square() -> None:
    """All of one name, each certified by each: the number of paths grows without bounds."""
    makers = [certify("CN=X", key=keys.rsa(n), ca=True, usages=CERT_SIGN) for n in range(4)]
    crossed = [
        certify("CN=X", key=one.key, issuer=other, ca=True, usages=CERT_SIGN)
        for one in makers
        for other in makers
    ]
    provider = CountingProvider()
    as_provider: CryptoProvider = provider  # type: ignore[assignment]

    with pytest.raises(UntrustedCa):
        bag(*makers, *crossed).authenticate(
            sha256=fingerprint(makers[0]), at=NOW, provider=as_provider
        )

    assert 0 < provider.verified <= 4 * (len(makers) + len(crossed)) ** 2


def test_every_error_is_one_of_ours() -> None:
    """Whatever the set, the outcome is a TrustedCa or a ScepError."""
    everybody = [
        *vars(pki()).values(),
        keys.ca(),
        keys.ec_client(),
        keys.stranger(),
    ]
    for size in (1, 2, 3):
        for identities in itertools.combinations(everybody, size):
            try:
                trusted = trust(*identities, root=pki().root)
            except ScepError:
                continue
            assert trusted.chain.certificates[-1] == pki().root.certificate
