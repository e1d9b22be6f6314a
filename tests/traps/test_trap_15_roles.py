"""Trap 15: the wrong certificate for the role.

What GetCACert returns is a set: order means nothing, keyUsage may be missing or halved, and the
names of the certificates may all be the same.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from pyscep.begin import pkcs_req
from pyscep.ca import CaCertificates
from pyscep.certificates import Identity
from pyscep.errors import MessageError
from pyscep.names import Name
from pyscep.pki_message import parse_pki_message
from tests.helpers import keys
from tests.helpers.exchanges import csr
from tests.helpers.keys import CERT_SIGN, ENCRYPT, NOW, SIGN, SIGN_AND_ENCRYPT, certify
from tests.helpers.message_factory import Envelope, common_name, request
from tests.helpers.tlv import issuer_and_serial, parse, seq

REQUEST_AGENT = "1.3.6.1.4.1.311.20.2.1"
ROOT = "root"
ISSUING = "issuing"


def identity(kind: str, above: Identity | None) -> Identity:
    """Make one of the certificates of a set by its kind."""
    match kind:
        case "root":
            return certify("CN=Root", key=keys.rsa(0), ca=True, usages=CERT_SIGN)
        case "issuing":
            return certify("CN=CA", key=keys.rsa(3), issuer=above, ca=True, usages=CERT_SIGN)
        case "signs":
            return certify(
                "CN=RA", key=keys.rsa(4), issuer=above, usages=SIGN, purposes=[REQUEST_AGENT]
            )
        case "decrypts":
            return certify(
                "CN=RA", key=keys.rsa(5), issuer=above, usages=ENCRYPT, purposes=[REQUEST_AGENT]
            )
        case "both":
            return certify("CN=RA", key=keys.rsa(4), issuer=above, usages=SIGN_AND_ENCRYPT)
        case _:
            assert kind == "unrestricted"
            return certify("CN=RA", key=keys.rsa(4), issuer=above, usages=None)


# What is sent, from the root downwards; who issues, signs and receives.
SETS = [
    (["root"], "root", "root", "root"),
    (["root", "both"], "root", "both", "both"),
    (["root", "unrestricted"], "root", "unrestricted", "unrestricted"),
    (["root", "issuing"], "issuing", "issuing", "issuing"),
    (["root", "signs", "decrypts"], "root", "signs", "decrypts"),
    (["root", "decrypts"], "root", "root", "decrypts"),
    (["root", "signs"], "root", "signs", "root"),
    (["root", "issuing", "both"], "issuing", "both", "both"),
    (["root", "issuing", "signs", "decrypts"], "issuing", "signs", "decrypts"),
]


@pytest.mark.conforms("G-07", "G-08", "G-09", "G-10", "V-01")
@pytest.mark.parametrize(
    ("kinds", "issuer", "signer", "recipient"), SETS, ids=["+".join(each[0]) for each in SETS]
)
def test_roles_in_a_shuffled_set(
    kinds: list[str], issuer: str, signer: str, recipient: str
) -> None:
    made: dict[str, Identity] = {}
    for kind in kinds:
        made[kind] = identity(kind, made.get(ISSUING, made.get(ROOT)))
    root = made[ROOT].certificate

    for order in itertools.permutations(made.values()):
        received = CaCertificates(certificates=tuple(each.certificate for each in order))
        ca = received.authenticate(sha256=root.sha256_fingerprint, at=NOW)
        assert ca.issuer == made[issuer].certificate
        assert ca.signers[0] == made[signer].certificate
        assert ca.recipient == made[recipient].certificate


@pytest.mark.conforms("G-13")
def test_rsa_certificate_receives_below_an_ec_ca() -> None:
    root = certify("CN=EC CA", key=keys.ec(0), ca=True, usages=None)
    decrypter = certify("CN=Decrypter", key=keys.rsa(4), issuer=root, usages=None)

    for order in itertools.permutations((root, decrypter)):
        received = CaCertificates(certificates=tuple(each.certificate for each in order))
        ca = received.authenticate(anchors=[root.certificate], at=NOW)
        assert ca.issuer == root.certificate
        assert ca.recipient == decrypter.certificate


@pytest.mark.conforms("G-24")
@pytest.mark.parametrize("tag", [0x0C, 0x13, 0x14], ids=["UTF8", "Printable", "Teletex"])
def test_recipient_is_named_with_the_bytes_of_its_certificate(tag: int) -> None:
    name = Name(common_name(b"CA of some string type", tag=tag))
    ca = certify(name, key=keys.rsa(0), ca=True, usages=None)
    trusted = CaCertificates(certificates=(ca.certificate,)).authenticate(
        anchors=[ca.certificate], at=NOW
    )

    sent = pkcs_req(csr(), identity=keys.client(), ca=trusted).message

    content = parse(sent).at(1, 0, 2, 1, 0).contents
    (recipient,) = parse(content).at(1, 0, 1).children
    assert recipient.at(1).dump() == issuer_and_serial(ca.certificate.der)
    assert name.der in recipient.at(1).dump()


@pytest.mark.conforms("E-18")
@pytest.mark.parametrize("position", [0, 1, 2])
def test_server_finds_its_recipient_among_others(position: int) -> None:
    plain = seq(seq())
    envelope = Envelope(recipient=keys.ca().certificate, content=plain)
    foreign = [
        replace(envelope, recipient=keys.stranger().certificate).encode_recipient(),
        replace(envelope, recipient=keys.client().certificate).encode_recipient(),
    ]
    envelope = replace(
        envelope,
        recipients_before=tuple(foreign[:position]),
        recipients_after=tuple(foreign[position:]),
    )

    message = parse_pki_message(request(content=envelope.encode()).encode()).verify_possession()

    assert message.decrypt([keys.ca()]).octets == plain
    outsider = certify("CN=Outsider", key=keys.rsa(3))
    with pytest.raises(MessageError, match="CN=Stranger"):
        message.decrypt([outsider])
