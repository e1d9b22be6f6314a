"""Each finding of an inspection: bytes that show it, and clean ones that do not."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from pyscep.algorithms import ContentEncryptionAlgorithm, KeyEncryptionAlgorithm, SignatureAlgorithm
from pyscep.certificates import Certificate, Identity
from pyscep.inspection import Inspection, inspect
from pyscep.inspection.findings import Departure, Level
from pyscep.pkcs10 import build_csr
from pyscep.testing import EphemeralCa
from tests.helpers import keys, responders
from tests.helpers.message_factory import (
    DIGESTS,
    RSA_SIGNATURES,
    TRANSACTION_ID,
    Envelope,
    SignedMessage,
    algorithm_protection,
    attributes_of,
    cert_rep,
    degenerate,
    key_identifier,
    pss_identifier,
    request,
    to_ber,
)
from tests.helpers.password_recipient import PasswordRecipientInfo, envelope
from tests.helpers.tlv import (
    CA_FALSE,
    CA_TRUE,
    DATA,
    ENVELOPED_DATA,
    SIGNED_DATA,
    algorithm,
    attribute,
    bits,
    certificate,
    content_info,
    csr,
    explicit,
    extension,
    implicit,
    integer,
    name,
    null,
    octets,
    oid,
    parse,
    printable,
    seq,
    tlv,
    utc_time,
    utf8,
)

URL = "http://ca.example/scep?operation="
LEAF = keys.certify("CN=sensor-17,O=Example", key=keys.rsa(1), issuer=keys.ca())
CA = keys.ca().certificate
SUBJECT = name("sensor-17", "Example")
CIPHER = ContentEncryptionAlgorithm
CHALLENGE = attribute("1.2.840.113549.1.9.7", printable("right"))


@dataclass(frozen=True)
class Case:
    """Some bytes, and how to look at them."""

    octets: bytes
    options: dict[str, Any] = field(default_factory=dict)

    def inspect(self) -> Inspection:
        return inspect(self.octets, provider=keys.provider(), **self.options)


def pkcs_req(
    payload: bytes | None = None,
    *,
    signer: Identity | None = None,
    message_type: str = "19",
    **envelope: Any,
) -> SignedMessage:
    content = responders.csr().der if payload is None else payload
    enveloped = Envelope(**{"recipient": CA, "content": content, **envelope})
    return request(content=enveloped.encode(), signer=signer, message_type=message_type)


def reply(*bag: Certificate, crls: tuple[bytes, ...] = (), **envelope: Any) -> SignedMessage:
    content = degenerate([each.der for each in bag or (LEAF.certificate,)], crls)
    recipient = keys.client().certificate
    enveloped = Envelope(**{"recipient": recipient, "content": content, **envelope})
    return cert_rep(content=enveloped.encode())


def sent(message: SignedMessage | bytes, **options: Any) -> Case:
    """Look at a request as its server does, with the signer's certificate at hand."""
    whole = message if isinstance(message, bytes) else message.encode()
    standard = {"keys": [keys.ca().key], "signers": [keys.client().certificate]}
    return Case(whole, {**standard, **options})


def received(message: SignedMessage | bytes, **options: Any) -> Case:
    """Look at a reply as its client does."""
    whole = message if isinstance(message, bytes) else message.encode()
    standard = {"keys": [keys.client().key], "signers": [CA]}
    return Case(whole, {**standard, **options})


def answering(message: SignedMessage) -> Case:
    """Look at a reply beside the request that it should answer."""
    return received(message, request=pkcs_req().encode())


def get_url(message: bytes, change: Callable[[str], str] = lambda text: text) -> bytes:
    encoded = base64.b64encode(message).decode()
    return f"{URL}PKIOperation&message={quote(change(encoded), safe='')}".encode()


def plus_and_slash() -> bytes:
    """Return a message whose base64 has everything that may be misspelled."""
    for size in range(20, 80):
        message = pkcs_req().having("transactionID", printable("A" * size)).encode()
        text = base64.b64encode(message).decode()
        if "+" in text and "/" in text and text.endswith("="):
            return message
    raise AssertionError


def failure(**options: Any) -> SignedMessage:
    return cert_rep(pki_status="2", fail_info="2", **options)


def with_attribute(oid_text: str, value: bytes) -> bytes:
    return csr(keys.rsa(1), subject=SUBJECT, attributes=[CHALLENGE, attribute(oid_text, value)])


def ca_request() -> bytes:
    extensions = seq(CA_TRUE)
    return with_attribute("1.2.840.113549.1.9.14", extensions)


def nested_next_ca(signer: Identity | None = None) -> SignedMessage:
    new = responders.new_authority(key=keys.rsa(3)).issuer
    return SignedMessage(signer=signer or keys.ca(), content=degenerate([new.der]))


def bag_case(*certificates: Certificate, **options: Any) -> Case:
    return Case(degenerate([each.der for each in certificates], **options))


def wrong_signature() -> SignedMessage:
    return replace(pkcs_req(), signature=b"\x01" * 256)


def by_password(**recipient: Any) -> Case:
    """Look at an envelope with a password recipient, from outside."""
    return Case(envelope(PasswordRecipientInfo(**recipient).encode()))


def key_id() -> str:
    from pyscep.certificates import key_identifier_of

    return key_identifier_of(keys.client().certificate.public_key).hex()


def signed_by_usages(usages: Any) -> Case:
    signer = keys.certify("CN=sensor-17,O=Example", key=keys.rsa(1), usages=usages)
    return sent(pkcs_req(signer=signer), signers=[signer.certificate])


def issued_signer(message_type: str) -> Case:
    message = pkcs_req(signer=LEAF, message_type=message_type)
    return sent(message, signers=[LEAF.certificate])


def look_alike() -> Certificate:
    from pyscep.certificates import parse_certificate

    client = keys.client().certificate
    forged = certificate(
        keys.rsa(2), subject=client.subject.der, serial=client.serial_number, extensions=[CA_FALSE]
    )
    return parse_certificate(forged)


RA_CA = EphemeralCa.create(
    now=keys.START, key=keys.rsa(0), single_ra=True, provider=keys.provider()
)
CRL = responders.authority().crl(at=keys.NOW)
EC_CA = keys.certify("CN=EC CA", key=keys.ec(0), ca=True, usages=keys.CERT_SIGN | keys.SIGN)

CASES: dict[Departure, Case] = {
    Departure.GET_NOT_ESCAPED: sent(
        f"{URL}PKIOperation&message={base64.b64encode(plus_and_slash()).decode()}".encode()
    ),
    Departure.GET_URL_SAFE: sent(
        get_url(plus_and_slash(), lambda text: text.replace("+", "-").replace("/", "_"))
    ),
    Departure.GET_LINE_BREAKS: sent(get_url(pkcs_req().encode(), lambda text: text + "\n")),
    Departure.GET_WITHOUT_PADDING: sent(get_url(plus_and_slash(), lambda text: text.rstrip("="))),
    Departure.GET_OPERATION: Case(f"{URL}GetEverything&message=x".encode()),
    Departure.GET_IDENTIFIER: Case(f"{URL}GetCACert&message=0".encode()),
    Departure.BER: sent(to_ber(pkcs_req().encode())),
    Departure.TRAILING_BYTES: sent(pkcs_req().encode() + b"\0\0"),
    Departure.UNREADABLE: sent(pkcs_req().encode()[:-100]),
    Departure.TOO_MUCH: Case(b"\x30" * (2 * 1024 * 1024 + 1)),
    Departure.CONTENT_TYPE: sent(replace(pkcs_req(), content_type=ENVELOPED_DATA)),
    Departure.NOT_AN_ENVELOPE: sent(request(content=seq(integer(1)))),
    Departure.NO_ENVELOPE: received(cert_rep()),
    Departure.UNENVELOPED: sent(request(content=responders.csr().der)),
    Departure.EMPTY_CONTENT: received(replace(failure(), content=b"\0")),
    Departure.VERSION: sent(replace(pkcs_req(), version=3)),
    Departure.SIGNER_COUNT: sent(
        replace(pkcs_req(), signer_infos=(pkcs_req().encode_signer_info(),) * 2)
    ),
    Departure.NO_SIGNED_ATTRIBUTES: sent(replace(pkcs_req(), has_signed_attributes=False)),
    Departure.NO_CONTENT_TYPE: sent(pkcs_req().without("contentType")),
    Departure.MESSAGE_DIGEST: sent(pkcs_req().having("messageDigest", octets(bytes(32)))),
    Departure.UNSORTED: sent(replace(pkcs_req(), sorted_on_wire=False)),
    Departure.SIGNATURE: sent(wrong_signature()),
    Departure.REPEATED: sent(pkcs_req().repeating("transactionID")),
    Departure.MD5: sent(replace(pkcs_req(), digest_identifier=algorithm(DIGESTS["md5"], null()))),
    Departure.SHA1: sent(replace(pkcs_req(), digest="sha1")),
    Departure.UNKNOWN_ALGORITHM: sent(
        replace(pkcs_req(), digest_identifier=algorithm("1.2.3.4", null()))
    ),
    Departure.TWO_HASHES: sent(
        replace(
            pkcs_req(),
            scheme=SignatureAlgorithm.RSA_SHA512,
            signature_identifier=algorithm(RSA_SIGNATURES["sha512"], null()),
        )
    ),
    Departure.PSS: sent(
        replace(
            pkcs_req(),
            scheme=SignatureAlgorithm.RSA_PSS_SHA256,
            signature_identifier=pss_identifier("sha256"),
        )
    ),
    Departure.SIGNING_TIME: sent(pkcs_req().having("signingTime", utc_time("200101000000Z"))),
    Departure.SIGNER_NOT_ENCLOSED: sent(replace(pkcs_req(), certificates=())),
    Departure.REPLY_WITHOUT_CERTIFICATES: received(replace(failure(), certificates=())),
    Departure.SIGNER_NOT_FIRST: sent(
        replace(pkcs_req(), certificates=(CA.der, keys.client().certificate.der))
    ),
    Departure.LOOK_ALIKE: sent(replace(pkcs_req(), certificates=(look_alike().der,))),
    Departure.OTHER_SIGNER: received(cert_rep(signer=keys.stranger(), pki_status="3")),
    Departure.POSSESSION: sent(pkcs_req(), signers=[]),
    Departure.OTHER_ATTRIBUTES: received(failure().having("hresult", printable("-2147024809"))),
    Departure.NO_TRANSACTION_ID: sent(pkcs_req().without("transactionID")),
    Departure.NO_MESSAGE_TYPE: sent(pkcs_req().without("messageType")),
    Departure.NO_SENDER_NONCE: sent(pkcs_req().without("senderNonce")),
    Departure.NO_PKI_STATUS: received(reply().without("pkiStatus")),
    Departure.NO_RECIPIENT_NONCE: received(reply().without("recipientNonce")),
    Departure.NO_FAIL_INFO: received(cert_rep(pki_status="2")),
    Departure.FAIL_INFO_WITHOUT_FAILURE: received(cert_rep(pki_status="3", fail_info="2")),
    Departure.REPLY_ATTRIBUTE: sent(pkcs_req().having("recipientNonce", octets(bytes(16)))),
    Departure.STRING_TYPE: sent(pkcs_req().having("transactionID", utf8(TRANSACTION_ID))),
    Departure.FAIL_INFO_TEXT_OID: received(failure().having("failInfoTextShort", utf8("no"))),
    Departure.NOT_DECIMAL: sent(pkcs_req().having("messageType", printable("019"))),
    Departure.NOT_PRINTABLE: sent(pkcs_req().having("transactionID", tlv(0x13, b"a_b"))),
    Departure.TRANSACTION_ID_SIZE: sent(pkcs_req().having("transactionID", printable("A" * 1025))),
    Departure.TRANSACTION_ID_FROM_KEY: sent(
        pkcs_req().having("transactionID", printable(key_id().upper()))
    ),
    Departure.MESSAGE_TYPE: sent(pkcs_req(message_type="18")),
    Departure.PKI_STATUS: received(cert_rep(pki_status="1")),
    Departure.FAIL_INFO: received(cert_rep(pki_status="2", fail_info="7")),
    Departure.NONCE_SIZE: sent(pkcs_req().having("senderNonce", octets(bytes(8)))),
    Departure.RECIPIENT_NONCE_SIZE: received(failure().having("recipientNonce", octets(bytes(8)))),
    Departure.NONCE_COPIED: received(
        failure().having("senderNonce", octets(bytes(range(100, 116))))
    ),
    Departure.INNER_TYPE: sent(pkcs_req(inner_type=SIGNED_DATA)),
    Departure.PAYLOAD: sent(pkcs_req(message_type="20")),
    Departure.PASSWORD_RECIPIENT: sent(pkcs_req(recipients_after=(explicit(3, integer(0)),))),
    Departure.PASSWORD_FORM: by_password(derivation=b""),
    Departure.KEY_DERIVATION: by_password(iterations=100_001, counted=1),
    Departure.RECIPIENT_KIND: sent(pkcs_req(recipients_after=(explicit(1, integer(3)),))),
    Departure.OAEP: sent(
        pkcs_req(
            key_encryption=KeyEncryptionAlgorithm.RSA_OAEP_SHA1,
            key_encryption_identifier=algorithm("1.2.840.113549.1.1.7", seq()),
        )
    ),
    Departure.IV: sent(pkcs_req(iv=bytes(8))),
    Departure.TRIPLE_DES: sent(pkcs_req(cipher=CIPHER.DES_EDE3_CBC)),
    Departure.SINGLE_DES: sent(pkcs_req(cipher=CIPHER.DES_CBC)),
    Departure.OTHER_AES: sent(pkcs_req(cipher=CIPHER.AES256_CBC)),
    Departure.UNKNOWN_CIPHER: sent(
        pkcs_req(cipher_identifier=algorithm("2.16.840.1.101.3.4.1.6", octets(bytes(12))))
    ),
    Departure.ENVELOPE_VERSION: sent(pkcs_req(version=2)),
    Departure.RECIPIENT_COUNT: sent(
        pkcs_req(
            recipients_after=(
                Envelope(recipient=keys.stranger().certificate, content=b"").encode_recipient(),
            )
        )
    ),
    Departure.RECIPIENT_IS_SENDER: received(reply(recipient=CA)),
    Departure.IN_PIECES: received(reply(pieces=100)),
    Departure.OTHER_KEY: received(reply(), keys=[keys.rsa(2)]),
    Departure.ENVELOPE_IN_FAILURE: received(reply().having("pkiStatus", printable("2"))),
    Departure.ENVELOPE_IN_PENDING: received(reply().having("pkiStatus", printable("3"))),
    Departure.NO_CERTIFICATE: received(reply(content=degenerate())),
    Departure.CERTIFICATES_WITH_CRL: received(reply(LEAF.certificate, crls=(CRL,))),
    Departure.LEAF_NOT_FIRST: received(reply(CA, LEAF.certificate)),
    Departure.BAG_SIGNED: bag_case(CA, encapsulated=seq(oid(DATA), explicit(0, octets(b"x")))),
    Departure.BAG_FORM: bag_case(CA, version=3),
    Departure.BAG_OTHER: Case(degenerate([CA.der, explicit(2, integer(1))])),
    Departure.BAG_SINGLE: bag_case(CA),
    Departure.BAG_EMPTY: bag_case(),
    Departure.BAG_ORDER: bag_case(*reversed(RA_CA.published)),
    Departure.CA_KEY_USAGE: bag_case(
        keys.certify("CN=CA", key=keys.rsa(0), ca=True, usages=keys.CERT_SIGN).certificate
    ),
    Departure.NO_RSA_RECIPIENT: bag_case(EC_CA.certificate),
    Departure.STRANGER: bag_case(keys.stranger().certificate, CA),
    Departure.NEXT_CA_FLAT: received(SignedMessage(signer=keys.ca())),
    Departure.NEXT_CA_SIGNATURE: received(nested_next_ca(keys.stranger())),
    Departure.MALFORMED: Case(certificate(keys.rsa(1), subject=SUBJECT, trailer=integer(1))),
    Departure.KEY_SIZE: Case(keys.certify("CN=small", key=keys.rsa(1, bits=1024)).certificate.der),
    Departure.EXPIRED: Case(CA.der, {"at": keys.END + timedelta(days=1)}),
    Departure.CSR_SIGNATURE: Case(
        seq(*(each.dump() for each in parse(responders.csr().der).children[:2]), tlv(3, bytes(257)))
    ),
    Departure.CSR_REPEATED: sent(
        pkcs_req(csr(keys.rsa(1), subject=SUBJECT, attributes=[CHALLENGE, CHALLENGE]))
    ),
    Departure.CSR_VERSION: Case(csr(keys.rsa(1), subject=SUBJECT, version=2)),
    Departure.CSR_EXTENSIONS: Case(
        with_attribute(
            "1.3.6.1.4.1.311.2.1.14", seq(extension("2.5.29.17", seq(implicit(2, b"a.example"))))
        )
    ),
    Departure.CSR_CA: Case(ca_request()),
    Departure.CSR_SUBJECT: Case(csr(keys.rsa(1), subject=seq())),
    Departure.CSR_IN_CLEAR: Case(responders.csr().der),
    Departure.NO_CHALLENGE: sent(pkcs_req(responders.csr(challenge_password=None).der)),
    Departure.CHALLENGE_IN_RENEWAL: issued_signer("17"),
    Departure.CHALLENGE_TYPE: Case(
        csr(
            keys.rsa(1),
            subject=SUBJECT,
            attributes=[attribute("1.2.840.113549.1.9.7", tlv(0x16, b"right"))],
        )
    ),
    Departure.CSR_KEY: sent(pkcs_req(responders.csr(2).der)),
    Departure.RENEWAL_SELF_SIGNED: sent(pkcs_req(message_type="17")),
    Departure.RENEWAL_BY_PKCS_REQ: issued_signer("19"),
    Departure.SIGNER_USAGE: signed_by_usages(keys.SIGN),
    Departure.SIGNER_SUBJECT: sent(pkcs_req(responders.csr(subject="CN=another").der)),
    Departure.SIGNER_CANNOT_DECRYPT: sent(
        pkcs_req(
            build_csr(
                subject="CN=sensor-18,O=Example", key=keys.ec(1), challenge_password="right"
            ).der,
            signer=keys.ec_client(),
        ),
        signers=[keys.ec_client().certificate],
    ),
    Departure.NOT_A_REPLY: answering(pkcs_req()),
    Departure.OTHER_TRANSACTION: answering(reply().having("transactionID", printable("another"))),
    Departure.OTHER_NONCE: answering(reply().having("recipientNonce", octets(bytes(16)))),
    Departure.OTHER_RECIPIENT: answering(reply(recipient=LEAF.certificate)),
    Departure.CAPS_LINE_ENDS: Case(b"AES\r\nSCEPStandard\r\n"),
    Departure.CAPS_CASE: Case(b"aes\nSCEPStandard\n"),
    Departure.CAPS_SPACE: Case(b"AES \n\nSCEPStandard\n"),
    Departure.CAPS_EMPTY: Case(b""),
    Departure.CAPS_UNKNOWN: Case(b"AES\nSCEPStandard\nMagic\n"),
    Departure.CAPS_OBSOLETE: Case(b"AES\nSCEPStandard\nUpdate\n"),
    Departure.CAPS_NOT_STANDARD: Case(b"AES\nSHA-256\n"),
    Departure.CAPS_PAGE: Case(b"<html><body>AES\n</body></html>"),
}

# Further ways to have some of them.
MORE: dict[str, tuple[Departure, Case]] = {
    "bytes after the envelope": (
        Departure.TRAILING_BYTES,
        sent(
            request(content=Envelope(recipient=CA, content=responders.csr().der).encode() + b"\0")
        ),
    ),
    "a certificate under MD5": (
        Departure.MD5,
        Case(
            certificate(
                keys.rsa(1),
                subject=SUBJECT,
                inner_identifier=algorithm(RSA_SIGNATURES["md5"], null()),
                outer_identifier=algorithm(RSA_SIGNATURES["md5"], null()),
            )
        ),
    ),
    "a CRL that is none": (Departure.MALFORMED, Case(degenerate([CA.der], [seq(integer(1))]))),
    "an RSA key that is none": (
        Departure.MALFORMED,
        Case(
            certificate(
                keys.rsa(1),
                subject=SUBJECT,
                public_key=seq(algorithm("1.2.840.113549.1.1.1", null()), bits(b"x")),
            )
        ),
    ),
    "a query that is in the clear": (
        Departure.NOT_AN_ENVELOPE,
        sent(request(content=seq(integer(1)), message_type="20")),
    ),
    "a request without attributes": (
        Departure.CSR_VERSION,
        Case(csr(keys.rsa(1), subject=SUBJECT, attributes=None)),
    ),
    "a signingTime that is none": (
        Departure.SIGNING_TIME,
        sent(pkcs_req().having("signingTime", printable("yesterday"))),
    ),
}

CLEAN: dict[str, Case] = {
    "PKCSReq": sent(pkcs_req()),
    "PKCSReq in a GET": sent(get_url(pkcs_req().encode())),
    "RenewalReq": sent(
        pkcs_req(responders.csr(3, challenge_password=None).der, signer=LEAF, message_type="17"),
        signers=[LEAF.certificate],
    ),
    "SUCCESS": received(reply(), at=keys.NOW),
    "SUCCESS that answers a request": answering(reply()),
    "FAILURE that answers a request": answering(failure()),
    "GetCRL SUCCESS": received(reply(content=degenerate([], [CRL]))),
    "FAILURE": received(failure().having("failInfoText", utf8("no"))),
    "PENDING": received(cert_rep(pki_status="3")),
    "GetCACert": Case(CA.der, {"at": keys.NOW, "signers": [CA]}),
    "GetCACert with RA": bag_case(*RA_CA.published),
    "GetNextCACert": received(nested_next_ca(), at=keys.START),
    "GetCACaps": Case(b"AES\nPOSTPKIOperation\nSCEPStandard\nExample.com-Magic\n"),
    "request": Case(responders.csr(challenge_password=None).der),
    "CRL": Case(CRL),
    "key identifier": sent(
        replace(
            pkcs_req(),
            sid=key_identifier(keys.client().certificate.subject_key_identifier or b""),
            version=3,
            signer_version=3,
        )
    ),
    "algorithm protection": sent(
        pkcs_req().having(
            "cmsAlgorithmProtection",
            algorithm_protection(DIGESTS["sha256"], "1.2.840.113549.1.1.1"),
        )
    ),
}


def shown(case: Case) -> dict[Departure, str]:
    return {each.departure: each.text for each in case.inspect().findings}


def test_every_finding_has_its_case() -> None:
    assert set(CASES) == set(Departure)


@pytest.mark.parametrize("departure", CASES, ids=lambda departure: departure.name)
def test_it_is_found(departure: Departure) -> None:
    found = shown(CASES[departure])
    assert departure in found, found
    assert found[departure].endswith(".")


@pytest.mark.parametrize(("departure", "case"), MORE.values(), ids=MORE)
def test_it_is_found_here_too(departure: Departure, case: Case) -> None:
    found = shown(case)
    assert departure in found, found


@pytest.mark.parametrize("case", CLEAN.values(), ids=CLEAN)
def test_nothing_is_found_where_nothing_is_wrong(case: Case) -> None:
    assert shown(case) == {}


def test_levels_and_ids() -> None:
    for departure in Departure:
        assert isinstance(departure.level, Level)
        assert departure.about
    found = CASES[Departure.NO_FAIL_INFO].inspect().findings[0]
    assert (found.id, found.level) == ("A-05", Level.MUST)


def test_the_message_factory_and_its_reader_agree() -> None:
    # What "clean" means above does not come from the library that judges it.
    names = attributes_of(pkcs_req().encode())
    assert set(names) == {
        "contentType",
        "messageDigest",
        "messageType",
        "senderNonce",
        "transactionID",
    }
    assert parse(content_info(DATA, null())).tag == 0x30
