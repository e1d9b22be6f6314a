"""What SCEP messages say: values of the tables, contents of each message, words for people."""

from __future__ import annotations

import pytest

from pyscep.certificates import parse_certificate
from pyscep.errors import DecodeError, DuplicateAttribute, UnexpectedMessageType
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.messages import (
    CertPoll,
    CertRep,
    FailInfo,
    GetCert,
    GetCRL,
    MessageType,
    PKCSReq,
    PkiStatus,
    RenewalReq,
    Request,
    explain_fail_info,
    parse_cert_rep_content,
    parse_request,
)
from pyscep.names import Name, build_name
from pyscep.pkcs10 import CertificationRequest, build_csr
from tests.helpers import keys
from tests.helpers.message_factory import DIGESTS, common_name, degenerate, to_ber
from tests.helpers.tlv import (
    DATA,
    SIGNED_DATA,
    algorithm,
    content_info,
    explicit,
    integer,
    issuer_and_serial,
    null,
    octets,
    oid,
    seq,
)

ISSUER = Name(common_name(b"A", tag=0x0C))
SUBJECT = Name(common_name(b"B", tag=0x0C))
SECRET = "marked-challenge-4711"
IDENTIFIER = IssuerAndSerialNumber(issuer=ISSUER, serial_number=7)

# Written by hand: two names, and a degenerate SignedData around nothing.
ISSUER_AND_SUBJECT = bytes.fromhex("301c300c310a300806035504030c0141300c310a300806035504030c0142")
NO_CERTIFICATES = bytes.fromhex(
    "302306092a864886f70d010702a01630140201013100300b06092a864886f70d0107013100"
)


@pytest.fixture(scope="module")
def csr() -> CertificationRequest:
    return build_csr(subject="CN=sensor-17", key=keys.rsa(1), challenge_password=SECRET)


# ----------------------------------------------------------------------------------- the tables


@pytest.mark.conforms("M-21", "L-02")
def test_message_types() -> None:
    assert {member.name: member.value for member in MessageType} == {
        "CERT_REP": 3,
        "RENEWAL_REQ": 17,
        "PKCS_REQ": 19,
        "CERT_POLL": 20,
        "GET_CERT": 21,
        "GET_CRL": 22,
    }


@pytest.mark.conforms("M-22")
def test_pki_statuses() -> None:
    assert {member.name: member.value for member in PkiStatus} == {
        "SUCCESS": 0,
        "FAILURE": 2,
        "PENDING": 3,
    }


@pytest.mark.conforms("M-23")
def test_fail_infos() -> None:
    assert {member.rfc_name: member.value for member in FailInfo} == {
        "badAlg": 0,
        "badMessageCheck": 1,
        "badRequest": 2,
        "badTime": 3,
        "badCertId": 4,
    }


# ---------------------------------------------------------------------------------- the requests


def all_requests(csr: CertificationRequest) -> list[Request]:
    return [
        PKCSReq(csr=csr),
        RenewalReq(csr=csr),
        CertPoll(issuer=ISSUER, subject=SUBJECT),
        GetCert(identifier=IDENTIFIER),
        GetCRL(identifier=IDENTIFIER),
    ]


def test_requests_are_read_back_as_themselves(csr: CertificationRequest) -> None:
    for request in all_requests(csr):
        assert parse_request(request.message_type, request.encode()) == request


def test_requests_have_their_own_types(csr: CertificationRequest) -> None:
    assert [request.message_type.value for request in all_requests(csr)] == [19, 17, 20, 21, 22]


@pytest.mark.conforms("P-02")
def test_cert_poll_is_issuer_and_subject() -> None:
    assert CertPoll(issuer=ISSUER, subject=SUBJECT).encode() == ISSUER_AND_SUBJECT


@pytest.mark.conforms("Q-01")
@pytest.mark.parametrize("kind", [GetCert, GetCRL])
def test_queries_are_issuer_and_serial_number(kind: type[GetCert | GetCRL]) -> None:
    certificate = keys.ca().certificate
    message = kind(identifier=IssuerAndSerialNumber.of(certificate))

    assert message.encode() == issuer_and_serial(certificate.der)


@pytest.mark.parametrize("kind", [PKCSReq, RenewalReq])
def test_enrolments_carry_the_request_as_it_is(
    csr: CertificationRequest, kind: type[PKCSReq | RenewalReq]
) -> None:
    assert kind(csr=csr).encode() == csr.der
    assert SECRET not in repr(kind(csr=csr))


@pytest.mark.conforms("M-02", "E-02")
def test_content_has_to_fit_the_message_type(csr: CertificationRequest) -> None:
    """Every content under every other type; GetCert and GetCRL share theirs."""
    for request in all_requests(csr):
        fitting = {
            other.message_type for other in all_requests(csr) if other.encode() == request.encode()
        }
        for message_type in set(MessageType) - fitting - {MessageType.CERT_REP}:
            with pytest.raises(DecodeError):
                parse_request(message_type, request.encode())


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        seq(),
        seq(ISSUER.der),
        seq(ISSUER.der, integer(1)),
        seq(integer(1), SUBJECT.der),
        seq(ISSUER.der, SUBJECT.der, SUBJECT.der),
        seq(seq(integer(1)), SUBJECT.der),
        ISSUER_AND_SUBJECT + b"\x00",
    ],
)
def test_malformed_cert_poll_is_refused(encoded: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_request(MessageType.CERT_POLL, encoded)


def test_challenge_twice_is_refused() -> None:
    challenge = seq(oid("1.2.840.113549.1.9.7"), b"\x31\x06\x13\x01a\x13\x01b")
    info = seq(integer(0), seq(), keys.rsa(1).public_key, explicit(0, challenge))
    request = seq(info, algorithm("1.2.840.113549.1.1.11", null()), b"\x03\x02\x00\x00")

    with pytest.raises(DuplicateAttribute) as caught:
        parse_request(MessageType.PKCS_REQ, request)

    assert caught.value.attribute == "challengePassword"


def test_cert_rep_is_no_request() -> None:
    with pytest.raises(UnexpectedMessageType) as caught:
        parse_request(MessageType.CERT_REP, seq(ISSUER.der, integer(7)))

    assert caught.value.actual == "3"
    assert caught.value.reference == "RFC 8894 section 3.2.1.2"


# ----------------------------------------------------------------------------------- the answer


@pytest.mark.conforms("D-01", "D-03")
def test_degenerate_signed_data() -> None:
    assert CertRep(pki_status=PkiStatus.SUCCESS).encode() == NO_CERTIFICATES == degenerate()


@pytest.mark.conforms("A-01", "A-03", "D-02")
def test_success_carries_the_certificates_in_the_order_given() -> None:
    """Sorted as a SET OF, one of the two orders would be another one."""
    leaf, ca = keys.client().certificate.der, keys.ca().certificate.der
    for order in ((leaf, ca), (ca, leaf)):
        answer = CertRep(pki_status=PkiStatus.SUCCESS, certificates=order)

        assert answer.message_type is MessageType.CERT_REP
        assert answer.encode() == degenerate(order)


@pytest.mark.conforms("A-07", "D-02")
def test_success_to_get_crl_carries_the_crl() -> None:
    crl = seq(integer(1))

    assert CertRep(pki_status=PkiStatus.SUCCESS, crl=crl).encode() == degenerate([], [crl])


@pytest.mark.conforms("M-03", "A-05", "A-06")
@pytest.mark.parametrize("status", [PkiStatus.FAILURE, PkiStatus.PENDING])
def test_other_answers_carry_nothing(status: PkiStatus) -> None:
    answer = CertRep(pki_status=status, certificates=(keys.ca().certificate.der,), crl=seq())

    assert answer.encode() is None


@pytest.mark.conforms("D-04", "D-06")
@pytest.mark.parametrize(
    ("version", "digest_algorithms", "content"),
    [
        pytest.param(1, [], b"", id="as it should be"),
        pytest.param(3, [], b"", id="version 3"),
        pytest.param(1, [algorithm(DIGESTS["sha256"])], b"", id="digest algorithms"),
        pytest.param(1, [], explicit(0, octets(b"")), id="empty content"),
        pytest.param(1, [], explicit(0), id="empty [0]"),
    ],
)
@pytest.mark.parametrize("ber", [False, True], ids=["DER", "BER"])
def test_contents_of_a_success_are_read(
    version: int, digest_algorithms: list[bytes], content: bytes, ber: bool
) -> None:
    leaf, ca = keys.client().certificate, keys.ca().certificate
    attribute_certificate = explicit(1, integer(1))
    crl = seq(integer(1))
    encoded = degenerate(
        [ca.der, attribute_certificate, leaf.der],
        [crl],
        version=version,
        digest_algorithms=digest_algorithms,
        encapsulated=seq(oid(DATA), content),
    )

    bag = parse_cert_rep_content(to_ber(encoded) if ber else encoded)

    assert [parse_certificate(each) for each in bag.certificates] == [ca, leaf]
    assert bag.crls == (crl,)


def test_empty_set_of_certificates_is_read() -> None:
    inner = seq(integer(1), b"\x31\x00", seq(oid(DATA)), explicit(0), b"\x31\x00")

    assert parse_cert_rep_content(content_info(SIGNED_DATA, inner)).certificates == ()


@pytest.mark.parametrize("encoded", [b"", seq(), b"<html>", NO_CERTIFICATES + b"\x00"])
def test_other_contents_of_a_success_are_refused(encoded: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_cert_rep_content(encoded)


# --------------------------------------------------------------------------------- words for people


OCCASIONS = [
    (MessageType.PKCS_REQ, False),
    (MessageType.PKCS_REQ, True),
    (MessageType.GET_CERT, False),
    (MessageType.GET_CRL, False),
]


@pytest.mark.conforms("A-08", "M-23", "M-24")
@pytest.mark.parametrize("fail_info", [0, 1, 2, 3, 4, 7, None])
def test_explanations(fail_info: int | None) -> None:
    texts = {
        explain_fail_info(fail_info, message_type=message_type, renewal=renewal)
        for message_type, renewal in OCCASIONS
    }

    assert len(texts) == len(OCCASIONS)
    for text in texts:
        assert text[0].isupper()
        assert text.endswith(".")
        assert "{" not in text


@pytest.mark.conforms("M-23", "Q-03")
@pytest.mark.parametrize("fail_info", [0, 1, 2, 3, 4, 7, None])
@pytest.mark.parametrize(
    ("message_type", "asked"),
    [(MessageType.GET_CERT, "certificate"), (MessageType.GET_CRL, "CRL")],
)
def test_a_query_is_explained_as_one(
    message_type: MessageType, asked: str, fail_info: int | None
) -> None:
    """There is neither a challenge password nor an enrolment to start again."""
    text = explain_fail_info(fail_info, message_type=message_type)
    assert asked in text
    for word in ("enrol", "renew", "challenge", "transaction"):
        assert word not in text


def test_unknown_reason_is_named() -> None:
    assert "(7)" in explain_fail_info(7, message_type=MessageType.PKCS_REQ)
    refused = explain_fail_info(None, message_type=MessageType.RENEWAL_REQ, renewal=True)
    assert "without giving a reason" in refused


@pytest.mark.conforms("V-02")
def test_explanations_name_the_challenge_password() -> None:
    """Wrong, it is answered with either of these, depending on the server."""
    for fail_info in (FailInfo.BAD_MESSAGE_CHECK, FailInfo.BAD_REQUEST):
        text = explain_fail_info(fail_info.value, message_type=MessageType.PKCS_REQ)
        assert "challenge password" in text


def test_names_are_no_secret_but_certificates_stay_short() -> None:
    poll = CertPoll(issuer=ISSUER, subject=build_name("CN=B"))

    assert repr(poll) == "CertPoll(issuer=Name('CN=A'), subject=Name('CN=B'))"
    assert "crl" not in repr(CertRep(pki_status=PkiStatus.SUCCESS, crl=b"\x00" * 1000))
