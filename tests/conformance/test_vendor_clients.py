"""What the clients of vendors need from a server, as far as their rules are known."""

from __future__ import annotations

from typing import Any

import pytest

from pyscep.algorithms import DigestAlgorithm, KeyType
from pyscep.begin import cert_poll, pkcs_req, renewal_req
from pyscep.ca import CaCertificates
from pyscep.capabilities import Algorithms, Capability, HttpMethod
from pyscep.certificates import Certificate
from pyscep.extensions import KeyUsage
from pyscep.handlers import ApprovalHandler
from pyscep.http import HttpRequest
from pyscep.transaction import Pending, Success, require_success
from tests.helpers import keys, responders
from tests.helpers.message_factory import Envelope, attributes_of, request
from tests.helpers.responders import begin, new_responder, send
from tests.helpers.tlv import (
    attribute,
    csr,
    extension,
    name,
    octets,
    parse,
    printable,
    rdn,
    seq,
    tlv,
    utf8,
)

EXTENSION_REQUESTS = (
    "1.2.840.113549.1.9.14",
    "1.3.6.1.4.1.311.2.1.14",
    "2.16.840.1.113733.1.9.8",
)
CHALLENGE = attribute("1.2.840.113549.1.9.7", printable(responders.CHALLENGE))


def issued_for(asked: bytes) -> Certificate:
    """Return what a responder issues for a request that this library did not make."""
    responder = new_responder()
    me = responders.self_signed(responders.csr())
    envelope = Envelope(recipient=responder.authority.issuer, content=asked).encode()
    responder.answer(request(content=envelope, signer=me).encode())
    (record,) = responder.store.issued_to(keys.rsa(1).public_key)
    return responder.registrar._certificate_of(record)


# ------------------------------------------------------------------------------------------ Apple


def apple_picks(certificates: tuple[Certificate, ...]) -> tuple[Certificate, Certificate]:
    """Choose who signs and who receives as Apple's code does (AP in the checklist)."""
    leaves = [certificate for certificate in certificates if not certificate.is_ca]
    signing = [c for c in leaves if c.allows(KeyUsage.DIGITAL_SIGNATURE)]
    receiving = [c for c in leaves if c.allows(KeyUsage.KEY_ENCIPHERMENT)]
    only_sign = [c for c in signing if c not in receiving]
    only_encrypt = [c for c in receiving if c not in signing]
    if only_sign and only_encrypt:
        return only_sign[0], only_encrypt[0]
    for candidate in (*leaves, *certificates):
        both = (KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_ENCIPHERMENT)
        if all(candidate.allows(usage) for usage in both):
            return candidate, candidate
    raise LookupError("Apple's client finds no certificate to sign or to encrypt")


@pytest.mark.conforms("V-12", "V-13", "G-11", "M-14", "M-25", "M-29")
@pytest.mark.parametrize(
    "roles",
    [{}, {"single_ra": True}, {"separate_ra": True}, {"intermediates": 1, "single_ra": True}],
    ids=str,
)
@pytest.mark.parametrize("decision", ["success", "failure", "pending"])
def test_apples_rules_hold(roles: dict[str, Any], decision: str) -> None:
    authority = responders.new_authority(**roles)
    handler = {"handler": ApprovalHandler()} if decision == "pending" else {}
    responder = new_responder(authority=authority, **handler)
    signer, recipient = apple_picks(authority.published)
    assert signer == authority.signer.certificate
    assert recipient == authority.recipients[0].certificate
    assert recipient.key_type is KeyType.RSA

    asked = responders.csr(
        challenge_password="wrong" if decision == "failure" else responders.CHALLENGE
    )
    ca = CaCertificates(certificates=authority.published).authenticate(
        anchors=[authority.root], at=keys.NOW
    )
    exchange = pkcs_req(asked, identity=responders.self_signed(asked), ca=ca)
    reply = responder.answer(exchange.message)
    sent, got = attributes_of(exchange.message), attributes_of(reply)
    status = {"success": "0", "failure": "2", "pending": "3"}[decision]
    assert got["messageType"] == printable("3")
    assert got["pkiStatus"] == printable(status)
    assert got["transactionID"] == sent["transactionID"]
    assert got["transactionID"][0] == 0x13  # PrintableString
    assert got["transactionID"][1] < 0x80  # its length in one byte
    assert got["recipientNonce"] == sent["senderNonce"]
    assert got["senderNonce"] != got["recipientNonce"]
    assert got["senderNonce"][:2] == b"\x04\x10"
    (signer_info,) = parse(reply).at(1, 0).children[-1].children
    assert signer_info.at(1, 1).contents == parse(signer.der).at(0, 1).contents


@pytest.mark.conforms("V-13")
def test_a_ca_for_certificates_only_is_not_for_apple() -> None:
    odd = responders.new_authority(ca_key_usage=(KeyUsage.KEY_CERT_SIGN,))
    with pytest.raises(LookupError):
        apple_picks(odd.published)


@pytest.mark.conforms("V-11", "T-32", "R-12", "P-12")
def test_an_apple_payload() -> None:
    """Name as CA identifier, a key of 1024 bits by default, three polls."""
    responder = new_responder(minimum_rsa_bits=1024, handler=ApprovalHandler())
    url = "/scep?operation=GetCACert&message=Example%20CA"
    assert responder.handle(HttpRequest(method="GET", url=url)).status == 200
    asked = responders.csr(1, bits=1024)
    me, ca = responders.self_signed(asked, bits=1024), responders.trust(responder)
    reply = send(responder, pkcs_req(asked, identity=me, ca=ca))
    for _ in range(2):
        assert isinstance(reply, Pending)
        reply = send(responder, cert_poll(reply.transaction, identity=me, ca=ca))
    assert isinstance(reply, Pending)
    responder.approve(reply.transaction.transaction_id)
    last = send(responder, cert_poll(reply.transaction, identity=me, ca=ca))
    assert isinstance(last, Success)


# -------------------------------------------------------------------------------- Microsoft, Cisco


@pytest.mark.conforms("R-09", "R-10")
@pytest.mark.parametrize("oid", EXTENSION_REQUESTS)
@pytest.mark.parametrize("challenge_last", [False, True])
def test_three_ways_to_ask_for_names(oid: str, challenge_last: bool) -> None:
    wanted = attribute(oid, seq(extension("2.5.29.17", seq(tlv(0x82, b"device.example")))))
    attributes = (wanted, CHALLENGE) if challenge_last else (CHALLENGE, wanted)
    certificate = issued_for(csr(keys.rsa(1), subject=name("a"), attributes=attributes))
    assert [each.value for each in certificate.subject_alt_names] == ["device.example"]


@pytest.mark.conforms("H-07")
@pytest.mark.parametrize("tag", [0x13, 0x0C, 0x14, 0x16, 0x1E], ids=hex)
def test_the_challenge_in_five_types(tag: int) -> None:
    text = responders.CHALLENGE.encode("utf-16-be" if tag == 0x1E else "ascii")
    challenge = attribute("1.2.840.113549.1.9.7", tlv(tag, text))
    asked = csr(keys.rsa(1), subject=name("a"), attributes=(challenge,))
    assert issued_for(asked).public_key == keys.rsa(1).public_key


@pytest.mark.conforms("R-18", "V-15", "W-06")
@pytest.mark.parametrize(
    "subject",
    [
        seq(
            rdn(("2.5.4.5", printable("FTX1234A5BC"))),
            rdn(("1.2.840.113549.1.9.2", tlv(0x16, b"router.example"))),
        ),
        seq(),
    ],
    ids=["Cisco's", "none"],
)
def test_odd_names_arrive_as_they_are(subject: bytes) -> None:
    asked = csr(keys.rsa(1), subject=subject, attributes=(CHALLENGE,))
    assert issued_for(asked).subject.der == subject


@pytest.mark.conforms("M-26", "X-12", "M-20", "L-07")
@pytest.mark.parametrize("size", [1, 8, 16, 200])
@pytest.mark.parametrize(
    "transaction_id",
    [
        printable("9CB1CB998B7FCC0142297B492988AFB4"),
        printable("d7zSTsjg1gBXPQYWPjvDBo2Y9Yg="),
        utf8("a_b@c*d"),
        utf8("Gerät ' OR 1=1; --"),
        tlv(0x16, b"{6F9619FF-8B86-D011-B42D-00CF4FC964FF}"),
        printable("8" * 77),
        printable("../../etc/passwd"),
    ],
    ids=["hex", "base64", "not printable", "quoted", "GUID", "decimal", "path"],
)
def test_ids_and_nonces_of_every_form_come_back(size: int, transaction_id: bytes) -> None:
    responder = new_responder()
    me = responders.self_signed(responders.csr())
    envelope = Envelope(recipient=responder.authority.issuer, content=responders.csr().der)
    nonce = bytes(range(1, size + 1))
    message = request(content=envelope.encode(), signer=me, sender_nonce=nonce)
    got = attributes_of(responder.answer(message.having("transactionID", transaction_id).encode()))
    assert got["transactionID"] == transaction_id
    assert got["recipientNonce"] == octets(nonce)
    assert got["pkiStatus"] == printable("0")


# ------------------------------------------------------------------------------------ capabilities


@pytest.mark.conforms("C-01", "C-12", "C-29", "C-32")
def test_every_keyword_that_is_announced_works() -> None:
    responder = new_responder()
    by_digest = {
        Capability.SHA256: DigestAlgorithm.SHA256,
        Capability.SHA512: DigestAlgorithm.SHA512,
    }
    assert Algorithms().http_method is HttpMethod.POST
    for digest in by_digest.values():
        exchange = begin(responder, algorithms=Algorithms(digest_algorithm=digest))
        assert require_success(send(responder, exchange)).digest_algorithm is digest
    renewal = renewal_req(
        responders.csr(3), identity=responders.certified(), ca=responders.trust(responder)
    )
    require_success(send(responder, renewal))
    by_default = {Capability.AES, Capability.POST_PKI_OPERATION, Capability.SCEP_STANDARD}
    assert responder.capabilities == {*by_digest, *by_default, Capability.RENEWAL}
