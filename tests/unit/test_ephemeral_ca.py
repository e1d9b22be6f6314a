"""The CA for tests: every shape that it can have, and that clients can work with each."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from pyscep.algorithms import DigestAlgorithm, KeyType
from pyscep.begin import pkcs_req
from pyscep.ca import CaCertificates, TrustedCa
from pyscep.capabilities import Algorithms
from pyscep.certificates import Certificate
from pyscep.chains import build_chain
from pyscep.crl import parse_crl
from pyscep.errors import UntrustedCa, UsageError
from pyscep.extensions import KeyUsage
from pyscep.handlers import Issue, static_challenge
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.testing import EphemeralCa
from pyscep.testing.ephemeral_ca import ALL_CA_USAGES
from pyscep.testing.profiles import PROFILES
from pyscep.transaction import require_success
from tests.helpers import key_kinds, keys, responders

CA_KEYS = {"RSA": keys.rsa(0), "EC": keys.ec(0)}
SIGNING = keys.SIGN | keys.CERT_SIGN


def pinned(authority: EphemeralCa, *, at: datetime = keys.NOW) -> TrustedCa:
    """Return the CA as a client knows it that has the root's fingerprint only."""
    # A client that is not told the root has it already.
    known = (*authority.published, authority.root)
    return CaCertificates(certificates=tuple(dict.fromkeys(known))).authenticate(
        encrypt_with_challenge=True, sha256=authority.root.sha256_fingerprint, at=at
    )


def enrolled(authority: EphemeralCa) -> Certificate:
    challenge = key_kinds.CHALLENGE
    responder = responders.new_responder(
        authority=authority,
        handler=static_challenge(challenge),
        challenge_passwords=lambda _: [challenge],
    )
    asked = responders.csr(challenge_password=challenge)
    exchange = pkcs_req(asked, identity=responders.self_signed(asked), ca=pinned(authority))
    return require_success(responders.send(responder, exchange)).certificate


@pytest.mark.conforms("G-03", "G-04", "G-08", "G-13", "G-21", "S-16")
@pytest.mark.parametrize("intermediates", [0, 1, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"key": "RSA"},
        {"key": "RSA", "single_ra": True},
        {"key": "RSA", "separate_ra": True},
        {"key": "EC"},
        {"key": "EC", "single_ra": True},
        {"key": "EC", "separate_ra": True},
        {"key": "RSA", "publish_root": False},
    ],
    ids=str,
)
def test_clients_enrol_with_every_shape(options: dict[str, Any], intermediates: int) -> None:
    key = CA_KEYS[options["key"]]
    authority = responders.new_authority(**{**options, "key": key}, intermediates=intermediates)
    assert len(authority.parents) == intermediates
    assert (authority.root in authority.published) is (
        options.get("publish_root", True) or not intermediates
    )
    certificate = enrolled(authority)
    pool = [parent.certificate for parent in authority.parents]
    chain = build_chain(
        certificate, [authority.issuer, *pool], at=keys.NOW, provider=keys.provider()
    )
    assert chain.is_complete
    assert chain.certificates == (certificate, authority.issuer, *pool)


@pytest.mark.conforms("G-11")
def test_key_usage_says_what_the_ca_does() -> None:
    for authority in (
        responders.authority(),
        responders.new_authority(intermediates=1),
    ):
        assert authority.signer == authority.recipients[0] == authority.identity
        assert authority.issuer.key_usage == frozenset(ALL_CA_USAGES)
        assert frozenset(ALL_CA_USAGES) == SIGNING | keys.ENCRYPT
    ec = responders.new_authority(key=keys.ec(0), single_ra=True)
    assert ec.issuer.key_usage == SIGNING
    odd = responders.new_authority(ca_key_usage=(KeyUsage.KEY_CERT_SIGN,), single_ra=True)
    assert odd.issuer.key_usage == frozenset((KeyUsage.KEY_CERT_SIGN,))
    assert odd.signer.certificate.key_usage == keys.SIGN_AND_ENCRYPT


@pytest.mark.conforms("G-11", "Q-06")
def test_every_ca_of_the_kit_may_sign_crls() -> None:
    made = [
        responders.authority(),
        responders.new_authority(key=keys.ec(0)),
        *(
            profile.make_authority(now=keys.NOW, provider=responders.pool().provider())
            for profile in PROFILES
        ),
    ]
    for authority in made:
        after = authority.roll_over(
            not_before=keys.NOW, lifetime=timedelta(days=1), key=keys.rsa(1)
        )
        for each in (authority, after):
            parse_crl(each.crl(at=keys.NOW)).verify(each.issuer, provider=keys.provider())
            assert each.issuer.allows(KeyUsage.CRL_SIGN)


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"single_ra": True, "separate_ra": True}, "single_ra"),
        ({"intermediates": -1}, "intermediates"),
    ],
    ids=["two kinds of RA", "negative"],
)
def test_what_cannot_be(options: dict[str, Any], argument: str) -> None:
    with pytest.raises(UsageError) as caught:
        responders.new_authority(**options)
    assert caught.value.argument == argument


def test_keys_are_as_large_as_is_asked_for() -> None:
    authority = EphemeralCa.create(key_bits=1024, intermediates=1, provider=keys.provider())
    for identity in (authority.identity, *authority.parents):
        assert 128 < len(identity.certificate.public_key) < 200


@pytest.mark.conforms("M-39")
@pytest.mark.parametrize(
    ("start", "lifetime"),
    [
        (datetime(1990, 1, 1, tzinfo=timezone.utc), timedelta(days=1)),
        (datetime(2026, 6, 1, tzinfo=timezone.utc), timedelta(seconds=1)),
        (datetime(2049, 12, 31, tzinfo=timezone.utc), timedelta(days=36500)),
        (datetime(2026, 6, 1, tzinfo=timezone(timedelta(hours=2))), timedelta(days=1)),
    ],
    ids=["past", "a second", "a century", "another zone"],
)
def test_any_time_and_any_lifetime(start: datetime, lifetime: timedelta) -> None:
    authority = responders.new_authority()
    authority = EphemeralCa.create(
        now=start,
        key=keys.rsa(0),
        ca_lifetime=lifetime,
        lifetime=lifetime,
        provider=keys.provider(),
    )
    assert (authority.issuer.not_before, authority.issuer.not_after) == (start, start + lifetime)
    certificate = authority.issue(responders.csr(), Issue(), at=start)
    assert (certificate.not_before, certificate.not_after) == (start, start + lifetime)
    short = authority.issue(responders.csr(), Issue(lifetime=timedelta(seconds=5)), at=start)
    assert short.not_after - short.not_before == timedelta(seconds=5)
    with pytest.raises(UntrustedCa):
        pinned(authority, at=start + lifetime + timedelta(seconds=1))


@pytest.mark.conforms("S-18")
def test_sha1_may_sign_messages_but_no_certificate() -> None:
    sha256 = bytes.fromhex("2a864886f70d01010b")  # sha256WithRSAEncryption
    old = responders.new_responder(digests={DigestAlgorithm.SHA1, DigestAlgorithm.SHA256})
    algorithms = Algorithms(digest_algorithm=DigestAlgorithm.SHA1)
    reply = require_success(responders.send(old, responders.begin(old, algorithms=algorithms)))
    assert reply.digest_algorithm is DigestAlgorithm.SHA1
    for each in (reply.certificate, old.authority.issuer):
        assert sha256 in each.signed.algorithm
    assert sha256 in old.crl()


@pytest.mark.conforms("Q-06")
@pytest.mark.parametrize("kind", CA_KEYS)
def test_revoke(kind: str) -> None:
    authority = responders.new_authority(key=CA_KEYS[kind], single_ra=True)
    responder = responders.new_responder(authority=authority)
    certificate = authority.issue(responders.csr(), Issue(), at=keys.NOW)
    assert parse_crl(responder.crl()).revocation_date(certificate.serial_number) is None
    responder.revoke(certificate)
    crl = parse_crl(responder.crl())
    crl.verify(authority.issuer, provider=keys.provider())
    assert crl.revocation_date(certificate.serial_number) == keys.NOW
    assert crl.revocation_date(certificate.serial_number + 1) is None
    alone = parse_crl(authority.crl(at=keys.NOW, revoked={7: keys.START}))
    assert alone.revocation_date(7) == keys.START


@pytest.mark.conforms("N-01", "N-02", "N-06", "W-17")
@pytest.mark.parametrize("intermediates", [0, 2])
@pytest.mark.parametrize("roles", [{}, {"single_ra": True}, {"separate_ra": True}], ids=str)
def test_roll_over(roles: dict[str, bool], intermediates: int) -> None:
    authority = responders.new_authority(**roles, intermediates=intermediates)
    following = authority.roll_over(
        not_before=keys.NOW, lifetime=timedelta(days=7300), key=keys.rsa(6)
    )
    assert following.issuer.subject == authority.issuer.subject
    assert following.issuer.public_key != authority.issuer.public_key
    assert following.issuer.key_usage == authority.issuer.key_usage
    assert following.parents == authority.parents
    assert len(following.published) == len(authority.published)
    assert (following.signer is following.identity) is (not roles)
    assert (following.signer in following.recipients) is ("separate_ra" not in roles)

    responder = responders.new_responder(authority=authority, next_authority=following)
    client = responders.client_of(responder)
    after = client.get_next_ca_cert(current=pinned(authority), at=None)
    asked = responders.csr()
    reply = client.enrol(asked, identity=responders.self_signed(asked), ca=after)
    certificate = require_success(reply).certificate
    certificate.signed.verify(following.issuer.public_key, provider=keys.provider())
    assert responder.store.find_certificate(IssuerAndSerialNumber.of(certificate))


def test_roll_over_to_another_kind_of_key() -> None:
    authority = responders.new_authority(single_ra=True)
    to_ec = authority.roll_over(not_before=keys.NOW, lifetime=timedelta(days=1), key=keys.ec(1))
    assert to_ec.issuer.key_type is KeyType.EC
    assert to_ec.issuer.key_usage == SIGNING
    back = replace(to_ec).roll_over(not_before=keys.NOW, lifetime=timedelta(days=1))
    assert back.issuer.key_type is KeyType.RSA
