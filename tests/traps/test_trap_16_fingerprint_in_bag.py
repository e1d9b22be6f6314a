"""Trap 16: the fingerprint matches something in the bag.

The genuine CA certificate is public. Whoever puts his own RA certificate beside it must not be
sent anything, and a fingerprint of something else than a root is not one.
"""

from __future__ import annotations

import functools
import hashlib
import itertools

import pytest

from pyscep.ca import parse_ca_certificates
from pyscep.certificates import Certificate, Identity, parse_certificate
from pyscep.cms_enveloped import parse_enveloped_data
from pyscep.errors import UntrustedCa, UsageError
from tests.helpers import keys
from tests.helpers.keys import CERT_SIGN, EVERYTHING, NOW, certify
from tests.helpers.message_factory import Envelope, degenerate
from tests.helpers.tlv import parse


def genuine_root() -> Identity:
    return keys.ca()


@functools.cache
def genuine_ra() -> Identity:
    return certify("CN=RA", key=keys.rsa(3), issuer=genuine_root())


@functools.cache
def intermediate() -> Identity:
    return certify("CN=Issuing", key=keys.rsa(4), issuer=genuine_root(), ca=True, usages=CERT_SIGN)


def false_root() -> Identity:
    """Return a CA with the name of the genuine one."""
    return certify(genuine_root().certificate.subject, key=keys.rsa(2), ca=True, usages=EVERYTHING)


def attackers() -> dict[str, list[Identity]]:
    """Return what an attacker may add to the genuine root, each time with an RA of his own."""
    fake = false_root()
    name = genuine_root().certificate.subject
    return {
        "self-signed RA": [certify("CN=RA", key=keys.rsa(2))],
        "RA that claims to be issued by the CA": [
            certify("CN=RA", key=keys.rsa(2), issuer_name=name)
        ],
        "RA of a CA of the same name": [certify("CN=RA", key=keys.rsa(2), issuer=fake)],
        "RA with its CA of the same name": [
            certify("CN=RA", key=keys.rsa(2), issuer=fake),
            fake,
        ],
        "RA issued by an ordinary certificate": [
            certify("CN=RA", key=keys.rsa(2), issuer=genuine_ra()),
            genuine_ra(),
        ],
        "RA beside the genuine one": [certify("CN=RA", key=keys.rsa(2)), genuine_ra()],
    }


NAMES = [
    "self-signed RA",
    "RA that claims to be issued by the CA",
    "RA of a CA of the same name",
    "RA with its CA of the same name",
    "RA issued by an ordinary certificate",
    "RA beside the genuine one",
]


def reply_to_get_ca_cert(*identities: Identity) -> bytes:
    return degenerate([each.certificate.der for each in identities])


def sha256_of(identity: Identity) -> str:
    return hashlib.sha256(identity.certificate.der).hexdigest()


def naive_recipient(body: bytes, sha256: str) -> Certificate:
    """Take the bag if any certificate in it has the fingerprint, and encrypt to the RA in it."""
    certificates = [parse_certificate(c.dump()) for c in parse(body).at(1, 0, 3).children]
    if not any(hashlib.sha256(c.der).hexdigest() == sha256 for c in certificates):
        raise UntrustedCa("No certificate has the fingerprint.")
    registrars = [c for c in certificates if not c.is_ca]
    return (registrars or certificates)[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_naive_client_sends_its_challenge_to_the_attacker(name: str) -> None:
    """The attack works: the right fingerprint, and the attacker reads the challenge password."""
    attacker, *others = attackers()[name]
    bag = reply_to_get_ca_cert(attacker, genuine_root(), *others)
    recipient = naive_recipient(bag, sha256_of(genuine_root()))
    assert recipient == attacker.certificate
    sent = Envelope(recipient=recipient, content=b"the challenge password").encode()
    opened = parse_enveloped_data(sent).decrypt([attacker], provider=keys.provider())
    assert opened == b"the challenge password"
    with pytest.raises(UntrustedCa):
        naive_recipient(reply_to_get_ca_cert(attacker), sha256_of(genuine_root()))


@pytest.mark.conforms("G-14", "G-17", "D-05")
@pytest.mark.parametrize("name", NAMES)
def test_bag_with_an_ra_of_somebody_else_is_refused(name: str) -> None:
    added = attackers()[name]
    assert list(attackers()) == NAMES

    for order in itertools.permutations([genuine_root(), *added]):
        received = parse_ca_certificates(reply_to_get_ca_cert(*order))
        with pytest.raises(UntrustedCa) as caught:
            received.authenticate(sha256=sha256_of(genuine_root()), at=NOW)
        assert caught.value.expected == "CN=Test CA,O=Example"
        assert "CN=RA" in str(caught.value)


@pytest.mark.conforms("G-17")
def test_ca_of_somebody_else_in_the_bag_gets_no_role() -> None:
    received = parse_ca_certificates(
        reply_to_get_ca_cert(false_root(), genuine_root(), genuine_ra())
    )

    ca = received.authenticate(sha256=sha256_of(genuine_root()), at=NOW)

    assert set(ca.certificates) == {genuine_root().certificate, genuine_ra().certificate}


@pytest.mark.conforms("G-17")
def test_fingerprint_of_something_else_is_refused() -> None:
    ca = genuine_root().certificate
    received = parse_ca_certificates(
        reply_to_get_ca_cert(genuine_root(), intermediate(), genuine_ra())
    )
    wrong = {
        "the intermediate": intermediate().certificate.der,
        "the RA": genuine_ra().certificate.der,
        "PEM text": ca.pem().encode(),
        "the public key": ca.public_key,
        "the signed part": ca.signed.content,
        "another certificate": false_root().certificate.der,
    }

    for hashed in wrong.values():
        with pytest.raises(UntrustedCa):
            received.authenticate(sha256=hashlib.sha256(hashed).digest(), at=NOW)


@pytest.mark.conforms("G-15", "G-16")
@pytest.mark.parametrize(
    "spell",
    [
        str,
        str.upper,
        lambda text: bytes.fromhex(text).hex(":"),
        lambda text: bytes.fromhex(text).hex(" ", 4).upper(),
        lambda text: f"  {text}\n",
        bytes.fromhex,
    ],
    ids=["plain", "upper case", "colons", "groups of eight", "white space", "bytes"],
)
def test_fingerprint_is_accepted_as_it_is_printed(spell: object) -> None:
    assert callable(spell)
    received = parse_ca_certificates(reply_to_get_ca_cert(genuine_root()))

    ca = received.authenticate(sha256=spell(sha256_of(genuine_root())), at=NOW)

    assert ca.issuer == genuine_root().certificate


@pytest.mark.conforms("G-15", "S-04")
def test_md5_fingerprint_is_refused() -> None:
    der = genuine_root().certificate.der
    received = parse_ca_certificates(der)

    with pytest.raises(UsageError, match="MD5 is not accepted") as caught:
        received.authenticate(sha256=hashlib.md5(der, usedforsecurity=False).digest(), at=NOW)
    assert caught.value.argument == "sha256"
