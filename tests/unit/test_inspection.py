"""What bytes are, in whatever form they come; what is shown of them, and what never is."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from urllib.parse import quote

import pytest

from pyscep.crypto.key_files import KeyEncoding
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.errors import UsageError
from pyscep.extensions import GeneralName
from pyscep.http import HttpRequest
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.inspection import inspect
from pyscep.inspection.findings import Departure
from pyscep.inspection.objects import SignatureState
from pyscep.inspection.result import Inspection, Kind
from pyscep.limits import Limits
from pyscep.messages import CertPoll, GetCert
from pyscep.pem import write_pem
from pyscep.pkcs10 import build_csr
from pyscep.testing import Fault, Misbehaviour
from tests.helpers import keys, responders
from tests.helpers.message_factory import (
    Envelope,
    SignedMessage,
    cert_rep,
    degenerate,
    request,
)
from tests.helpers.tlv import (
    DATA,
    SIGNED_DATA,
    algorithm,
    attribute,
    bits,
    certificate,
    csr,
    enveloped,
    explicit,
    integer,
    name,
    null,
    octets,
    oid,
    printable,
    seq,
    tlv,
)

CHALLENGE = "a-challenge-nobody-shall-see"
PROVIDER = OscryptoProvider()
CSR = build_csr(
    subject="CN=sensor-17,O=Example",
    key=keys.rsa(1),
    challenge_password=CHALLENGE,
    subject_alt_names=[GeneralName.dns("sensor-17.example")],
)
MESSAGE = request(
    content=Envelope(recipient=keys.ca().certificate, content=CSR.der).encode()
).encode()
BASE64 = base64.b64encode(MESSAGE)
URL = b"http://ca.example/scep?operation=PKIOperation&message="
KEYS = [
    "kind", "message_type", "transaction_id", "sender_nonce", "recipient_nonce", "pki_status",
    "fail_info", "fail_info_text", "digest_algorithm", "signature_algorithm",
    "content_encryption_algorithm", "key_encryption_algorithm", "password_recipient", "signature",
    "decrypted", "certificates", "crls", "csr", "findings",
]  # fmt: skip


def look(octets: bytes, **options: object) -> Inspection:
    return inspect(octets, provider=keys.provider(), **options)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------ forms

HEADERS = b"Content-Type: application/x-pki-message\r\n"
FORMS = {
    "DER": MESSAGE,
    "base64": BASE64,
    "base64 in lines": base64.encodebytes(MESSAGE),
    "base64 in lines with CRLF": base64.encodebytes(MESSAGE).replace(b"\n", b"\r\n"),
    "base64 without padding": BASE64.rstrip(b"="),
    "base64url": base64.urlsafe_b64encode(MESSAGE),
    "base64 with a byte order mark": b"\xef\xbb\xbf" + BASE64 + b"\n",
    "base64 in percents": quote(BASE64, safe="").encode(),
    "PEM": write_pem("PKCS7", MESSAGE),
    "PEM behind words": b"what I got:\n" + write_pem("CMS", MESSAGE),
    "PEM in base64": base64.b64encode(write_pem("PKCS7", MESSAGE)),
    "GET URL": URL + quote(BASE64, safe="").encode(),
    "GET URL without escapes": URL + BASE64,
    "path of a GET": b"/scep?operation=PKIOperation&message=" + quote(BASE64, safe="").encode(),
    "line of an access log": b'127.0.0.1 - - [25/Nov/2026:12:00:00 +0000] "GET /scep?message='
    + quote(BASE64, safe="").encode() + b'&operation=PKIOperation HTTP/1.0" 200 1234 "-" "-"',
    "query": b"operation=PKIOperation&message=" + quote(BASE64, safe="").encode(),
    "line of a log": b"GET /scep?message=" + quote(BASE64, safe="").encode()
    + b"&operation=PKIOperation HTTP/1.0",
    "recorded POST": b"POST /scep?operation=PKIOperation HTTP/1.1\n" + HEADERS + b"\r\n" + MESSAGE,
    "recorded response": b"HTTP/1.1 200 OK\r\n" + HEADERS + b"\r\n" + MESSAGE,
    "recorded chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n"
    % (100, MESSAGE[:100], len(MESSAGE) - 100, MESSAGE[100:]),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.conforms("T-07")
def test_a_message_is_found_in_every_form(form: bytes) -> None:
    seen = look(form, keys=[keys.ca().key])
    assert seen.kind is Kind.PKI_MESSAGE
    assert (seen.message_type, seen.signature, seen.decrypted) == (
        "PKCSReq", SignatureState.VALID, True,
    )  # fmt: skip
    assert seen.size == len(MESSAGE)


def test_the_form_is_told() -> None:
    assert look(MESSAGE).wrapping == ()
    assert look(FORMS["PEM in base64"]).wrapping == ("base64", "PEM")
    assert look(FORMS["GET URL"]).wrapping == ("GET URL", "base64")
    assert look(FORMS["recorded chunks"]).wrapping == ("HTTP response",)


# ------------------------------------------------------------------------------------------ kinds

LEAF = responders.certified().certificate
CA = responders.authority().issuer
PEM_KEY = PROVIDER.dump_private_key(keys.rsa(1))
KINDS: dict[str, tuple[bytes, Kind]] = {
    "certificate": (LEAF.der, Kind.CERTIFICATE),
    "certificates": ((LEAF.pem() + CA.pem()).encode(), Kind.CERTIFICATE),
    "request": (CSR.der, Kind.CSR),
    "request in PEM": (write_pem("CERTIFICATE REQUEST", CSR.der), Kind.CSR),
    "CRL": (responders.authority().crl(at=keys.NOW), Kind.CRL),
    "bag": (degenerate([LEAF.der]), Kind.DEGENERATE),
    "next CA": (
        SignedMessage(signer=keys.ca(), content=degenerate([CA.der])).encode(),
        Kind.NEXT_CA_CERTIFICATES,
    ),
    "signed mail": (
        SignedMessage(signer=keys.ca(), content=b"Dear customer,").encode(),
        Kind.SIGNED_DATA,
    ),
    "signed, and nothing in it": (
        SignedMessage(signer=keys.ca(), certificates=()).encode(),
        Kind.SIGNED_DATA,
    ),
    "next CA, flat": (SignedMessage(signer=keys.ca()).encode(), Kind.NEXT_CA_CERTIFICATES),
    "next CA, cut off inside": (
        SignedMessage(signer=keys.ca(), content=b"\x30", content_type=SIGNED_DATA).encode(),
        Kind.NEXT_CA_CERTIFICATES,
    ),
    "reply without type and ID": (
        cert_rep(pki_status="3").without("messageType").without("transactionID").encode(),
        Kind.PKI_MESSAGE,
    ),
    "envelope": (
        Envelope(recipient=keys.ca().certificate, content=CSR.der).encode(),
        Kind.ENVELOPED_DATA,
    ),
    "private key": (PEM_KEY, Kind.PRIVATE_KEY),
    "private key in DER": (
        PROVIDER.dump_private_key(keys.rsa(1), encoding=KeyEncoding.DER),
        Kind.PRIVATE_KEY,
    ),
    "private EC key": (PROVIDER.dump_private_key(keys.ec(1)), Kind.PRIVATE_KEY),
    "encrypted key": (PROVIDER.dump_private_key(keys.rsa(1), password="secret"), Kind.PRIVATE_KEY),
    "broken key": (write_pem("PRIVATE KEY", b"\x30\x03\x02\x01\x00"), Kind.PRIVATE_KEY),
    "public key": (keys.rsa(1).public_key, Kind.PUBLIC_KEY),
    "capabilities": (b"AES\nSHA-256\n", Kind.CAPABILITIES),
    "GET URL": (b"http://ca.example/scep?operation=GetCACaps", Kind.GET_REQUEST),
    "GET URL with nonsense": (URL + b"%2B%2B%2B!", Kind.GET_REQUEST),
    "poll": (CertPoll(issuer=CA.subject, subject=LEAF.subject).encode(), Kind.ISSUER_AND_SUBJECT),
    "query": (
        GetCert(identifier=IssuerAndSerialNumber.of(LEAF)).encode(),
        Kind.ISSUER_AND_SERIAL_NUMBER,
    ),
    "OID and number": (seq(oid("1.2.3"), integer(1)), Kind.DER),
    "two sequences": (seq(seq(integer(1)), seq()), Kind.DER),
    "DER": (seq(integer(1), octets(b"x"), integer(2)), Kind.DER),
    "PKCS #12": (seq(integer(3), seq(oid("1.2.840.113549.1.7.1")), seq()), Kind.PKCS12),
    "nothing": (b"", Kind.EMPTY),
    "words": (b"internal server error", Kind.UNKNOWN),
    "bytes": (b"\xff\xfe\x00\x01", Kind.UNKNOWN),
    "broken PEM": (PEM_KEY[:-40], Kind.UNKNOWN),
}


def test_every_kind_is_there() -> None:
    assert {kind for _, kind in KINDS.values()} == set(Kind)


@pytest.mark.parametrize(("octets", "kind"), KINDS.values(), ids=KINDS)
def test_kinds(octets: bytes, kind: Kind) -> None:
    seen = look(octets)
    assert seen.kind is kind
    shape = seen.to_json_object()
    assert list(shape) == KEYS
    assert json.loads(json.dumps(shape)) == shape


def test_what_a_request_shows() -> None:
    shape = look(MESSAGE, keys=[keys.rsa(2), keys.ca().key]).to_json_object()
    findings = shape.pop("findings")
    assert [each["id"] for each in findings] == ["S-03"]
    assert findings[0]["level"] == "NOTE"
    client = keys.client().certificate
    assert shape == {
        "kind": "pki_message",
        "message_type": "PKCSReq",
        "transaction_id": "0123456789ABCDEF0123456789ABCDEF",
        "sender_nonce": bytes(range(100, 116)).hex(),
        "recipient_nonce": None,
        "pki_status": None,
        "fail_info": None,
        "fail_info_text": None,
        "digest_algorithm": "SHA256",
        "signature_algorithm": "RSA_SHA256",
        "content_encryption_algorithm": "AES128_CBC",
        "key_encryption_algorithm": "RSA_PKCS1_V15",
        "password_recipient": None,
        "signature": "valid",
        "decrypted": True,
        "certificates": [
            {
                "subject": "CN=sensor-17,O=Example",
                "issuer": "CN=sensor-17,O=Example",
                "serial": client.serial_number.to_bytes(16, "big").hex(),
                "sha256": client.sha256_fingerprint,
            }
        ],
        "crls": None,
        "csr": {
            "subject": "CN=sensor-17,O=Example",
            "sans": ["dns:sensor-17.example"],
            "has_challenge": True,
            "signature": "valid",
        },
    }


def test_what_a_failure_shows() -> None:
    seen = look(cert_rep(pki_status="2", fail_info="2").encode(), signers=[keys.ca().certificate])
    assert (seen.message_type, seen.pki_status, seen.fail_info) == (
        "CertRep", "FAILURE", "badRequest",
    )  # fmt: skip
    assert seen.recipient_nonce == bytes(range(100, 116))
    assert seen.signature is SignatureState.VALID
    assert (seen.decrypted, seen.csr, seen.content_encryption_algorithm) == (None, None, None)


def test_what_a_success_shows() -> None:
    """The issued certificate first, then what was beside the envelope."""
    exchange = responders.begin(responders.new_responder())
    reply = responders.new_responder().answer(exchange.message)
    seen = look(reply, keys=[keys.rsa(1)], signers=[CA])
    assert (seen.pki_status, seen.decrypted) == ("SUCCESS", True)
    assert [str(each.subject) for each in seen.certificates or ()] == [
        "CN=sensor-17,O=Example", str(CA.subject),
    ]  # fmt: skip
    assert look(reply, signers=[CA]).decrypted is False


def test_whether_a_reply_answers_a_request() -> None:
    exchange = responders.begin(responders.new_responder())
    reply = responders.new_responder().answer(exchange.message)
    for form in (exchange.message, write_pem("CMS", exchange.message)):
        assert ("answers", "the given request") in look(reply, request=form).details
    other = responders.begin(responders.new_responder(), transaction_id="other").message
    seen = look(reply, keys=[keys.rsa(1)], signers=[CA], request=other)
    assert {each.id for each in seen.findings} == {"E-20", "M-26", "X-12"}
    assert ("answers", "another request") in seen.details
    for wrong in (reply, CSR.der, b"", b"\x30"):
        with pytest.raises(UsageError, match="is no request of SCEP") as refused:
            look(reply, request=wrong)
        assert refused.value.argument == "request"


@pytest.mark.conforms("S-24")
@pytest.mark.parametrize(
    "text",
    [b"correct horse battery staple\n", PEM_KEY[40:900], b"tr0ub4dor"],
)
def test_a_text_that_may_be_a_secret_is_not_shown(text: bytes) -> None:
    assert look(text).details == (("text", "not shown, as it may be a secret"),)


def test_what_a_server_says_is_shown() -> None:
    problem = b'{"error":\n  "out of order"}'
    assert look(problem).details == (("text", '{"error": "out of order"}'),)
    answer = look(b"HTTP/1.1 500 Oops\r\nServer: x\r\n\r\nout of order")
    assert answer.details == (("text", "out of order"),)


def test_what_queries_ask_for() -> None:
    payload = GetCert(identifier=IssuerAndSerialNumber.of(LEAF)).encode()
    envelope = Envelope(recipient=keys.ca().certificate, content=payload).encode()
    seen = look(request(message_type="21", content=envelope).encode(), keys=[keys.ca().key])
    assert ("asks for", f"serial number {LEAF.serial_number:x} of {CA.subject}") in seen.details


# -------------------------------------------------------------------------------------- signature


@pytest.mark.conforms("M-34", "S-03")
def test_what_came_along_is_possession_only() -> None:
    """Enough for a request, whose sender nobody knows yet; nothing for a reply."""
    request_seen = look(MESSAGE)
    assert request_seen.signature is SignatureState.VALID
    reply = cert_rep(pki_status="3").encode()
    reply_seen = look(reply)
    assert reply_seen.signature is SignatureState.NOT_CHECKED
    for seen in (request_seen, reply_seen):
        assert Departure.POSSESSION in {each.departure for each in seen.findings}
    assert look(reply, signers=[keys.ca().certificate]).signature is SignatureState.VALID


@pytest.mark.conforms("A-12", "M-34")
def test_only_the_given_signers_count() -> None:
    by_stranger = cert_rep(pki_status="3", signer=keys.stranger()).encode()
    seen = look(by_stranger, signers=[keys.ca().certificate])
    assert seen.signature is SignatureState.INVALID
    either = [keys.ca().certificate, keys.stranger().certificate]
    assert look(by_stranger, signers=either).signature is SignatureState.VALID


def test_the_signature_of_a_certificate_and_a_crl() -> None:
    crl = responders.authority().crl(at=keys.NOW)
    for signed in (LEAF.der, crl):
        assert look(signed, signers=[CA]).signature is SignatureState.VALID
        assert look(signed, signers=[LEAF]).signature is SignatureState.NOT_CHECKED
        assert (
            look(signed[:-1] + bytes((signed[-1] ^ 1,)), signers=[CA]).signature
            is SignatureState.INVALID
        )


# ---------------------------------------------------------------------------------------- secrets


@pytest.mark.conforms("H-10", "S-24")
def test_no_secret_is_shown() -> None:
    private = PROVIDER.dump_private_key(keys.rsa(1), encoding=KeyEncoding.DER)
    for held in (MESSAGE, CSR.der, private, PEM_KEY, PEM_KEY[:-40]):
        seen = look(held, keys=[keys.ca().key])
        told = f"{seen!r}{seen.to_json_object()}{seen.details}"
        assert CHALLENGE not in told
        assert CHALLENGE.encode().hex() not in told
        assert private[60:80].hex() not in told
        assert repr(private[60:80])[2:-1] not in told


# ----------------------------------------------------------------------------------------- faults

# What a fault of the test server is found by; the checklist's ID. The others change nothing that
# one message shows by itself, or no message at all.
FAULTS: dict[Fault, str] = {
    Fault.MISSING_TRANSACTION_ID: "M-12",
    Fault.MISSING_MESSAGE_TYPE: "M-12",
    Fault.MISSING_PKI_STATUS: "A-11",
    Fault.MISSING_RECIPIENT_NONCE: "M-13",
    Fault.MISSING_SENDER_NONCE: "M-12",
    Fault.MISSING_MESSAGE_DIGEST: "M-09",
    Fault.MISSING_CONTENT_TYPE: "M-09",
    Fault.MISSING_FAIL_INFO: "A-05",
    Fault.DUPLICATE_TRANSACTION_ID: "M-11",
    Fault.DUPLICATE_MESSAGE_TYPE: "M-11",
    Fault.DUPLICATE_PKI_STATUS: "M-11",
    Fault.DUPLICATE_RECIPIENT_NONCE: "M-11",
    Fault.TWO_VALUES_IN_PKI_STATUS: "M-11",
    Fault.EMPTY_TRANSACTION_ID: "M-12",
    Fault.TRUNCATED_RECIPIENT_NONCE: "M-26",
    Fault.UNKNOWN_MESSAGE_TYPE: "M-21",
    Fault.MESSAGE_TYPE_AS_INTEGER: "M-14",
    Fault.PADDED_MESSAGE_TYPE: "M-15",
    Fault.UNKNOWN_PKI_STATUS: "M-22",
    Fault.UNKNOWN_FAIL_INFO: "M-23",
    Fault.WRONG_CONTENT_TYPE_ATTRIBUTE: "M-09",
    Fault.WRONG_MESSAGE_DIGEST: "M-09",
    Fault.WRONG_ALGORITHM_PROTECTION: "M-37",
    Fault.SIGNED_BY_STRANGER: "A-12",
    Fault.SIGNED_BY_LOOK_ALIKE: "M-34",
    Fault.SIGNED_OVER_OTHER_BYTES: "M-10",
    Fault.NO_SIGNED_ATTRIBUTES: "M-08",
    Fault.NO_SIGNER: "M-07",
    Fault.TWO_SIGNERS: "M-07",
    Fault.MD5: "S-04",
    Fault.SHA1: "S-18",
    Fault.TWO_HASHES: "M-37",
    Fault.CHAIN_BEFORE_LEAF: "A-03",
    Fault.NO_CERTIFICATE: "A-01",
    Fault.NO_ENCLOSED_CERTIFICATES: "M-32",
    Fault.ENCRYPTED_TO_STRANGER: "A-18",
    Fault.ENCRYPTED_WITH_WRONG_KEY: "A-18",
    Fault.SHORT_CONTENT_KEY: "A-18",
    Fault.GARBLED_CONTENT_KEY: "A-18",
    Fault.BAD_PADDING: "A-18",
    Fault.GARBAGE_CONTENT: "A-18",
    Fault.SINGLE_DES: "E-12",
    Fault.TRIPLE_DES: "E-11",
    Fault.NO_ENVELOPE_IN_SUCCESS: "M-02",
    Fault.ENVELOPE_IN_FAILURE: "A-05",
    Fault.INDEFINITE_LENGTHS: "M-05",
    Fault.TRAILING_BYTES: "M-42",
    Fault.TRUNCATED_MESSAGE: "M-01",
    Fault.HUGE_MESSAGE: "S-19",
    Fault.DEEP_MESSAGE: "M-01",
}
FAILURES = (Fault.MISSING_FAIL_INFO, Fault.UNKNOWN_FAIL_INFO, Fault.ENVELOPE_IN_FAILURE)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_faults_of_replies_are_found(fault: Fault) -> None:
    responder = responders.new_responder()
    server = Misbehaviour(responder=responder, faults=(fault,))
    exchange = responders.begin(
        responder, challenge_password="wrong" if fault in FAILURES else responders.CHALLENGE
    )
    url = "/scep?operation=PKIOperation"
    body = server.handle(HttpRequest(method="POST", url=url, body=exchange.message)).body
    seen = look(body, keys=[keys.rsa(1)], signers=[CA])
    assert FAULTS[fault] in {each.id for each in seen.findings}


def test_a_right_reply_has_none() -> None:
    responder = responders.new_responder()
    for challenge in (responders.CHALLENGE, "wrong"):
        exchange = responders.begin(responder, challenge_password=challenge)
        reply = responder.answer(exchange.message)
        assert look(reply, keys=[keys.rsa(1)], signers=[CA]).findings == ()


def test_a_signature_by_an_algorithm_that_nobody_knows() -> None:
    """Then nothing is known of it, which is something else than that it is wrong."""
    unknown = algorithm("1.2.3.4", null())
    by_ca = certificate(
        keys.rsa(0),
        subject=name("sensor-17"),
        issuer=CA.subject.der,
        inner_identifier=unknown,
        outer_identifier=unknown,
    )
    seen = look(by_ca, signers=[CA])
    assert seen.signature is SignatureState.NOT_CHECKED
    assert [each.text for each in seen.findings] == [
        "The algorithm 1.2.3.4 signs the certificate of CN=sensor-17."
    ]
    written = replace(cert_rep(pki_status="3"), signature_identifier=unknown).encode()
    shown = look(written, signers=[keys.ca().certificate])
    assert (shown.signature, shown.signature_algorithm) == (SignatureState.NOT_CHECKED, "1.2.3.4")


def test_a_signature_of_a_mail() -> None:
    mail = SignedMessage(signer=keys.ca(), content=b"Dear customer,").encode()
    seen = look(mail)
    assert (seen.signature, seen.digest_algorithm) == (SignatureState.VALID, "SHA256")
    assert seen.certificates == (keys.ca().certificate,)
    assert ("signature checked with", "the given certificate of CN=CA") not in seen.details
    wrong = look(mail.replace(b"customer", b"Customer"))
    assert wrong.signature is SignatureState.INVALID
    assert look(mail, signers=[LEAF]).signature is SignatureState.INVALID


# ------------------------------------------------------------------------------------- tolerance


@pytest.mark.conforms("H-14")
def test_a_request_that_is_refused_is_shown_all_the_same() -> None:
    challenge = attribute("1.2.840.113549.1.9.7", printable("secret"))
    twice = csr(keys.rsa(1), subject=name("sensor-17"), attributes=[challenge, challenge])
    seen = look(twice).to_json_object()
    assert seen["csr"] == {
        "subject": "CN=sensor-17",
        "sans": [],
        "has_challenge": True,
        "signature": "not checked",
    }
    nameless = csr(keys.rsa(1), subject=seq(integer(1)))
    assert look(nameless).to_json_object()["csr"]["subject"] == "?"


@pytest.mark.parametrize(
    "looks_like",
    [seq(seq(integer(1)), integer(2)), seq(seq(integer(1)), bits(b"x"))],
    ids=["query", "public key"],
)
def test_what_only_looks_like_something(looks_like: bytes) -> None:
    seen = look(looks_like)
    assert (seen.kind, [each.departure for each in seen.findings]) == (
        Kind.DER,
        [Departure.UNREADABLE],
    )


@pytest.mark.parametrize(
    "wrapped", [CSR.der, octets(CSR.der), b""], ids=["bare", "in a string", "nothing"]
)
def test_content_that_is_no_octet_string(wrapped: bytes) -> None:
    """Old software puts the structure itself where a string with it has to be."""
    content = seq(oid(DATA), explicit(0, wrapped))
    message = replace(request(content=b""), encapsulated=content).encode()
    shown = look(message).csr
    assert (shown is not None) == bool(wrapped)
    assert shown is None or shown.subject == "CN=sensor-17,O=Example"


def test_a_signer_without_algorithm_or_with_a_malformed_name_beside() -> None:
    message = cert_rep(pki_status="3")
    bare = replace(message, signer_infos=(seq(integer(1), seq(name("CA"), integer(1))),))
    assert look(bare.encode()).signature_algorithm is None
    odd = certificate(keys.rsa(2), subject=name("x"), issuer=seq(integer(1)))
    by_name = replace(message, certificates=(odd,))
    seen = look(by_name.encode(), signers=[keys.ca().certificate])
    assert Departure.MALFORMED in {each.departure for each in seen.findings}
    assert seen.signature is SignatureState.VALID


def test_keys_that_open_nothing_are_passed_over() -> None:
    assert look(MESSAGE, keys=[keys.ec(1), keys.ca().key]).decrypted is True


@pytest.mark.parametrize(
    ("recipient", "name_of_it"),
    [(seq(integer(0)), "?"), (seq(integer(0), integer(7)), "020107")],
    ids=["nobody", "a number"],
)
def test_a_recipient_that_has_no_name(recipient: bytes, name_of_it: str) -> None:
    envelope = enveloped(
        recipient,
        cipher=algorithm("2.16.840.1.101.3.4.1.2", octets(bytes(16))),
        content=tlv(0x80, bytes(16)),
    )
    seen = look(envelope, keys=[keys.ca().key])
    assert (seen.kind, seen.decrypted) == (Kind.ENVELOPED_DATA, False)
    assert ("encrypted to", name_of_it) in seen.details
    assert {Departure.UNREADABLE, Departure.UNKNOWN_ALGORITHM} <= {
        each.departure for each in seen.findings
    }


def test_an_envelope_for_nobody() -> None:
    aes = algorithm("2.16.840.1.101.3.4.1.2", octets(bytes(16)))
    seen = look(enveloped(cipher=aes, content=tlv(0x80, bytes(16))))
    assert (seen.content_encryption_algorithm, seen.key_encryption_algorithm) == (
        "AES128_CBC",
        None,
    )
    assert Departure.RECIPIENT_COUNT in {each.departure for each in seen.findings}


def test_a_key_encryption_that_nobody_knows() -> None:
    unknown = algorithm("1.2.3.4", null())
    envelope = Envelope(
        recipient=keys.ca().certificate, content=CSR.der, key_encryption_identifier=unknown
    )
    seen = look(envelope.encode())
    assert seen.key_encryption_algorithm == "1.2.3.4"
    assert Departure.UNKNOWN_ALGORITHM in {each.departure for each in seen.findings}


def test_a_cut_message_is_read_as_far_as_it_goes() -> None:
    signed = cert_rep(pki_status="3").encode()
    seen = look(signed[:-260])
    assert (seen.message_type, seen.pki_status) == ("CertRep", "PENDING")
    assert seen.signature is SignatureState.NOT_CHECKED
    assert Departure.UNREADABLE in {each.departure for each in seen.findings}


def test_more_than_the_limits_allow() -> None:
    small = Limits(message_size=100)
    seen = look(MESSAGE, limits=small)
    assert (seen.kind, [each.id for each in seen.findings]) == (Kind.UNKNOWN, ["S-19"])
    many = replace(Limits(), certificates=2)
    bag = look(degenerate([LEAF.der] * 3, [KINDS["CRL"][0]] * 3), limits=many)
    assert (len(bag.certificates or ()), len(bag.crls or ())) == (2, 2)
    assert [each.text for each in bag.findings if each.departure is Departure.TOO_MUCH] == [
        "There are 3 certificates; the first 2 are looked at.",
        "There are 3 CRLs; the first 2 are looked at.",
    ]


@pytest.mark.conforms("S-19")
def test_numbers_too_large_to_be_written() -> None:
    huge = 1 << 50_000
    bag = look(degenerate([LEAF.der], version=huge))
    assert Departure.BAG_FORM in {each.departure for each in bag.findings}
    message = replace(cert_rep(pki_status="3"), version=huge).having("messageType", integer(huge))
    seen = look(message.encode())
    assert seen.kind is Kind.PKI_MESSAGE
    assert Departure.NOT_DECIMAL in {each.departure for each in seen.findings}


@pytest.mark.parametrize(
    "octets",
    [
        b"\x30\x80" * 100_000,
        b"\x24\x80" * 50_000,
        b"\x30\x80" + b"\x04\x00" * 500_000,
        b"\x30\x84\x7f\xff\xff\xff",
        b"?" * 1_000_000,
        b"/" + b"?" * 1_000_000 + b"operation=",
        b"HTTP/1.1 200\n" + b"1\r\nx\r\n" * 200_000,
        b"-----BEGIN " * 100_000,
        b"A" * 2_000_000,
        b"\r\n" * 1_000_000,
    ],
    ids=["deep", "deep string", "many", "long", "marks", "url", "chunks", "pem", "base64", "lines"],
)
@pytest.mark.conforms("S-19")
@pytest.mark.timeout(30)
def test_what_is_made_to_cost_time(octets: bytes) -> None:
    assert isinstance(look(octets, keys=[keys.rsa(1)]), Inspection)
