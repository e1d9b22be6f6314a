"""What a survey reports of servers that are right, wrong, or imitations of real ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from pyscep import http_server
from pyscep.algorithms import DigestAlgorithm
from pyscep.capabilities import Algorithms, HttpMethod
from pyscep.certificates import Certificate, Identity
from pyscep.errors import TransportError, UntrustedCa
from pyscep.handlers import ApprovalHandler
from pyscep.http import HttpRequest, HttpResponse
from pyscep.memory_store import MemoryStore
from pyscep.names import build_name
from pyscep.pkcs10 import build_csr, self_signed_identity
from pyscep.responder import Responder
from pyscep.survey import Enrolment, Survey, Verdict, survey
from pyscep.survey.rules import RULES
from pyscep.testing import EphemeralCa, Fault, Misbehaviour
from pyscep.testing.profiles import PROFILES, Profile, ProfileServer
from tests.helpers import key_kinds, keys, responders
from tests.helpers.message_factory import degenerate
from tests.helpers.tlv import DATA, explicit, octets, oid, seq

Handle = Callable[[HttpRequest], HttpResponse]
NOW = keys.NOW


def enrolment(authority: EphemeralCa, **changes: object) -> Enrolment:
    csr = build_csr(
        subject="CN=surveyor",
        key=keys.rsa(1),
        challenge_password=responders.CHALLENGE,
        digest_algorithm=changes.pop("digest", DigestAlgorithm.SHA256),  # type: ignore[arg-type]
    )
    identity = self_signed_identity(
        csr, key=keys.rsa(1), not_before=NOW, lifetime=timedelta(days=2)
    )
    root = authority.published[-1]
    return Enrolment(
        csr=csr,
        identity=identity,
        authenticate=lambda found: found.authenticate(anchors=[root], at=NOW),
        **changes,  # type: ignore[arg-type]
    )


def run(handle: Handle, trying: Enrolment | None = None) -> Survey:
    report = survey(responders.URL, send=handle, at=NOW, enrolment=trying, provider=keys.provider())
    shape = report.to_json_object()
    assert json.loads(json.dumps(shape)) == shape
    assert [each.id for each in report.checks] == list(RULES)
    return report


def verdicts(report: Survey, verdict: Verdict) -> set[str]:
    return {each.id for each in report.checks if each.verdict is verdict}


def failed(report: Survey) -> set[str]:
    for each in report.checks:
        assert (each.verdict is Verdict.FAIL) == bool(each.texts) == (each.advice is not None)
    return verdicts(report, Verdict.FAIL)


def misbehaving(*faults: Fault, responder: Responder | None = None) -> Handle:
    chosen = responder or responders.new_responder()
    return Misbehaviour(responder=chosen, faults=faults).handle


# --------------------------------------------------------------------------------- a right server


def test_a_right_server_conforms() -> None:
    report = run(responders.new_responder().handle)
    assert report.conforms
    assert failed(report) == set()
    assert {"C-01", "C-03", "C-06", "T-04", "T-20", "T-21", "E-10", "M-36", "G-01", "G-03"} <= (
        verdicts(report, Verdict.PASS)
    )
    assert {"M-12", "A-01", "X-07", "N-02"} <= verdicts(report, Verdict.NOT_SEEN)
    assert report.ca_certificates == responders.authority().published


@pytest.mark.conforms("E-05", "E-26")
@pytest.mark.parametrize(("ca", "client"), [("RSA", "EC"), ("EC", "RSA"), ("EC", "EC")])
def test_keys_that_cannot_decrypt(ca: str, client: str) -> None:
    responder = key_kinds.new_responder(ca, handler=key_kinds.waiting())

    def approving(request: HttpRequest) -> HttpResponse:
        for record in responder.store.pending() if len(asked) == 2 else ():
            responder.approve(record.transaction_id)
        asked.extend([request] if "PKIOperation" in request.url else [])
        return responder.handle(request)

    asked: list[HttpRequest] = []

    trying = Enrolment(
        csr=key_kinds.csr(client),
        identity=key_kinds.self_signed(client),
        authenticate=lambda found: found.authenticate(
            anchors=[responder.authority.issuer], at=NOW, encrypt_with_challenge=True
        ),
    )
    for handle in (approving, key_kinds.new_responder(ca).handle):
        report = run(handle, trying)
        # At a CA without RSA key many clients cannot enrol, and the survey says so.
        assert failed(report) == ({"G-13"} if ca == "EC" else set())
        assert "Q-03" in verdicts(report, Verdict.NOT_SEEN)
        assert report.notes[-1] == "GetCert and GetCRL: not possible with keys that cannot decrypt."


def test_only_what_is_safe_is_asked() -> None:
    asked: list[HttpRequest] = []
    responder = responders.new_responder(
        next_authority=responders.new_authority(key=keys.rsa(3)),
    )

    def handle(request: HttpRequest) -> HttpResponse:
        asked.append(request)
        return responder.handle(request)

    run(handle)
    assert [(each.method, urlsplit(each.url).query) for each in asked] == [
        ("GET", "operation=GetCACaps"),
        ("GET", "operation=GetCACert"),
        ("GET", "operation=GetNextCACert"),
    ]


def test_a_whole_enrolment() -> None:
    responder = responders.new_responder()
    report = run(responder.handle, enrolment(responders.authority()))
    assert (report.conforms, failed(report)) == (True, set())
    assert {"A-01", "A-07", "A-13", "C-13", "E-20", "M-29", "Q-03", "Q-06", "R-13", "X-07"} <= (
        verdicts(report, Verdict.PASS)
    )
    assert report.notes == (
        "GetCACert: 1 certificate.",
        "PKCSReq: SUCCESS.",
        "PKCSReq sent again: SUCCESS.",
        "GetCert: SUCCESS.",
        "GetCRL: SUCCESS.",
    )


def test_an_enrolment_that_waits() -> None:
    responder = responders.new_responder(handler=ApprovalHandler())
    report = run(responder.handle, enrolment(responders.authority()))
    assert (report.conforms, failed(report)) == (True, set())
    assert {"A-06", "M-03", "P-11", "X-07"} <= verdicts(report, Verdict.PASS)
    assert report.notes[-1] == "CertPoll: PENDING."


def but(number: int, other: Handle, *, usual: Handle) -> Handle:
    """Answer the PKIOperation of this number in another way; 2 is the PKCSReq sent again."""
    asked: list[HttpRequest] = []

    def handle(request: HttpRequest) -> HttpResponse:
        if "PKIOperation" not in request.url:
            return usual(request)
        asked.append(request)
        return (other if len(asked) == number else usual)(request)

    return handle


def texts(report: Survey, identifier: str) -> list[str]:
    return [text for each in report.checks if each.id == identifier for text in each.texts]


@pytest.mark.conforms("X-07")
def test_who_is_approved_in_the_meantime_is_answered_otherwise() -> None:
    responder = responders.new_responder(handler=ApprovalHandler())

    def approving(request: HttpRequest) -> HttpResponse:
        for record in responder.store.pending():
            responder.approve(record.transaction_id)
        return responder.handle(request)

    handle = but(2, approving, usual=responder.handle)
    report = run(handle, enrolment(responders.authority()))
    assert (report.conforms, failed(report)) == (True, set())
    assert {"X-07", "P-11"} <= verdicts(report, Verdict.PASS)
    assert report.notes[1:4] == (
        "PKCSReq: PENDING.",
        "PKCSReq sent again: SUCCESS.",
        "CertPoll: SUCCESS.",
    )


@pytest.mark.conforms("X-07")
@pytest.mark.parametrize(
    ("first", "again", "text"),
    [
        ((), (Fault.REFUSED,), "PKCSReq sent again: the answer is FAILURE."),
        ((), (Fault.EMPTY_BODY,), "PKCSReq sent again: there was no readable answer."),
        ((), (Fault.WRONG_RECIPIENT_NONCE,), "PKCSReq sent again: there was no readable answer."),
        ((Fault.PENDING_FOREVER,), (Fault.REFUSED,), "PKCSReq sent again: the answer is FAILURE."),
        ((), (Fault.PENDING_FOREVER,), "PKCSReq sent again: the answer is PENDING."),
    ],
)
def test_what_no_repetition_may_be_answered_with(
    first: tuple[Fault, ...], again: tuple[Fault, ...], text: str
) -> None:
    responder = responders.new_responder()
    usual = misbehaving(*first, responder=responder)
    handle = but(2, misbehaving(*again, responder=responder), usual=usual)
    assert texts(run(handle, enrolment(responders.authority())), "X-07") == [text]


def test_a_second_certificate_for_the_same_request() -> None:
    handle = but(2, responders.new_responder().handle, usual=responders.new_responder().handle)
    report = run(handle, enrolment(responders.authority()))
    assert texts(report, "X-07") == ["PKCSReq sent again: another certificate was issued."]


@pytest.mark.parametrize(
    ("number", "fault", "identifier", "text"),
    [
        (3, Fault.PENDING_FOREVER, "A-13", "GetCert: a query was answered by PENDING."),
        (4, Fault.PENDING_FOREVER, "A-13", "GetCRL: a query was answered by PENDING."),
        (3, Fault.NO_CERTIFICATE, "Q-03", "GetCert: the SUCCESS does not hold what was asked for."),
        (4, Fault.NO_CERTIFICATE, "Q-06", "GetCRL: the SUCCESS does not hold what was asked for."),
        (3, Fault.EMPTY_BODY, "Q-03", None),
        (3, Fault.REFUSED, "Q-03", None),
    ],
)
def test_wrong_answers_to_queries(
    number: int, fault: Fault, identifier: str, text: str | None
) -> None:
    """A refusal is none, as a server may do without; no answer is the fault of something else."""
    responder = responders.new_responder()
    handle = but(number, misbehaving(fault, responder=responder), usual=responder.handle)
    report = run(handle, enrolment(responders.authority()))
    assert texts(report, identifier) == ([] if text is None else [text])
    assert ("T-23" in failed(report)) == (fault is Fault.EMPTY_BODY)
    if text is None:
        assert identifier in verdicts(report, Verdict.NOT_SEEN)


def test_what_is_promised_is_judged_only_where_it_is_used() -> None:
    handle = responders.new_responder().handle
    by_get = enrolment(responders.authority(), algorithms=Algorithms(http_method=HttpMethod.GET))
    report = run(handle, by_get)
    assert (report.conforms, failed(report)) == (True, set())
    assert "C-13" in verdicts(report, Verdict.NOT_SEEN)


def test_an_enrolment_that_is_refused() -> None:
    trying = enrolment(responders.authority())
    refused = replace(
        trying, csr=build_csr(subject="CN=x", key=keys.rsa(1), challenge_password="wrong")
    )
    report = run(responders.new_responder().handle, refused)
    assert (report.conforms, failed(report)) == (True, set())
    assert {"A-05", "M-23", "M-03"} <= verdicts(report, Verdict.PASS)
    assert report.notes[-1].startswith("PKCSReq: FAILURE badRequest")


def test_the_ca_has_to_be_trusted_for_an_enrolment() -> None:
    other = responders.new_authority(key=keys.rsa(3))
    with pytest.raises(UntrustedCa):
        run(responders.new_responder().handle, enrolment(other))


# --------------------------------------------------------------------------- GetNextCACert


def test_the_next_ca() -> None:
    following = responders.authority().roll_over(
        not_before=NOW, lifetime=timedelta(days=9000), key=keys.rsa(3)
    )
    report = run(responders.new_responder(next_authority=following).handle)
    assert (report.conforms, failed(report)) == (True, set())
    assert {"N-01", "N-02", "N-04", "N-05", "C-32"} <= verdicts(report, Verdict.PASS)


def test_an_ra_of_the_next_ca_may_end_before_todays_ca() -> None:
    following = responders.authority().roll_over(
        not_before=NOW, lifetime=timedelta(days=9000), key=keys.rsa(3)
    )
    registrar = Identity(
        certificate=following.issue_certificate(
            subject=build_name("CN=RA"),
            public_key=keys.rsa(2).public_key,
            not_before=NOW,
            lifetime=timedelta(days=9),
        ),
        key=keys.rsa(2),
    )
    with_ra = replace(following, signer=registrar, recipients=(registrar,))
    report = run(responders.new_responder(next_authority=with_ra).handle)
    assert report.notes[-1] == "GetNextCACert: 2 certificates."
    assert "N-05" in verdicts(report, Verdict.PASS)


def test_a_next_ca_that_ends_too_early_or_is_signed_by_somebody() -> None:
    early = responders.authority().roll_over(
        not_before=NOW, lifetime=timedelta(days=9), key=keys.rsa(3)
    )
    right = responders.new_responder(next_authority=early)
    assert failed(run(right.handle)) == {"N-05"}
    forger = replace(right, authority=replace(responders.new_authority(key=keys.rsa(2))))

    def handle(request: HttpRequest) -> HttpResponse:
        return (forger if "GetNextCACert" in request.url else right).handle(request)

    report = run(handle)
    assert "N-02" in failed(report)
    assert not report.conforms


def test_what_is_announced_and_missing() -> None:
    responder = responders.new_responder(next_authority=responders.new_authority(key=keys.rsa(3)))

    def handle(request: HttpRequest) -> HttpResponse:
        if "GetNextCACert" not in request.url:
            return responder.handle(request)
        return HttpResponse(status=status)

    status = 501
    assert "N-01" in verdicts(run(handle), Verdict.PASS)
    status = 200
    assert {"N-01", "C-32"} <= failed(run(handle))


# --------------------------------------------------------------------------------------- profiles

# What each imitation breaks: by its answers to the three safe questions, and by an enrolment.
PROFILE_FAILURES: dict[str, tuple[set[str], set[str]]] = {
    "standard": (set(), set()),
    "ndes": ({"E-10"}, {"M-03", "S-18"}),
    "clearpass": (set(), set()),
    "micromdm": (
        {"G-11"},
        {"T-23", "S-18", "M-25", "M-29", "A-17", "E-12", "E-21", "E-22", "M-33"},
    ),
    "step_ca": (
        {"C-05"},
        {"T-23", "S-18", "M-25", "M-29", "A-17", "E-12", "E-21", "E-22", "M-33"},
    ),
    "ejbca": (set(), set()),
    "openxpki": (set(), set()),
    "cisco_ios_ca": ({"T-04", "M-36", "E-10", "G-04", "M-05"}, {"S-18"}),
    "dogtag": ({"T-04"}, set()),
    "aws_private_ca": (set(), set()),
}


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_profiles(profile: Profile) -> None:
    authority = profile.make_authority(now=NOW - timedelta(days=1), key=keys.rsa(0))
    responder = profile.make_responder(
        authority=authority,
        handler=responders.new_responder().handler,
        store=MemoryStore(),
        now=lambda: NOW,
    )
    server = ProfileServer(responder, profile)
    try:
        safe, more = PROFILE_FAILURES[profile.name]
        report = run(server.answer)
        assert failed(report) == safe
        legacy = profile.name == "cisco_ios_ca"
        digest = DigestAlgorithm.SHA1 if legacy else DigestAlgorithm.SHA256
        enrolled = run(server.answer, enrolment(authority, digest=digest))
        assert failed(enrolled) == safe | more
        assert "PKCSReq: SUCCESS." in enrolled.notes
        must = {each.id for each in enrolled.checks if each.level.value == "MUST"}
        assert enrolled.conforms is not bool(must & (safe | more))
        server.check()
    finally:
        server.stop()


# ----------------------------------------------------------------------------------------- faults

FAULTS: dict[Fault, str] = {
    Fault.MISSING_SENDER_NONCE: "M-12",
    Fault.MISSING_PKI_STATUS: "A-11",
    Fault.WRONG_TRANSACTION_ID: "X-12",
    Fault.WRONG_RECIPIENT_NONCE: "M-26",
    Fault.WRONG_MESSAGE_TYPE: "M-41",
    Fault.UNKNOWN_PKI_STATUS: "M-22",
    Fault.SIGNED_BY_STRANGER: "A-12",
    Fault.SIGNED_OVER_OTHER_BYTES: "M-10",
    Fault.MD5: "S-04",
    Fault.CERTIFICATE_FOR_ANOTHER_KEY: "R-13",
    Fault.CERTIFICATE_OF_ANOTHER_CA: "R-13",
    Fault.CHAIN_BEFORE_LEAF: "A-03",
    Fault.NO_CERTIFICATE: "A-01",
    Fault.SINGLE_DES: "E-12",
    Fault.NO_ENVELOPE_IN_SUCCESS: "A-01",
    Fault.INDEFINITE_LENGTHS: "M-05",
    Fault.WRONG_HTTP_TYPE: "T-20",
    Fault.HTML_PAGE: "T-23",
    Fault.SERVER_ERROR: "T-23",
    Fault.EMPTY_BODY: "T-23",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_faults_of_replies_are_reported(fault: Fault) -> None:
    right = responders.new_responder()
    wrong = misbehaving(fault, responder=right)

    def handle(request: HttpRequest) -> HttpResponse:
        return (wrong if "PKIOperation" in request.url else right.handle)(request)

    report = run(handle, enrolment(responders.authority()))
    assert FAULTS[fault] in failed(report)


@pytest.mark.parametrize(
    ("fault", "identifiers"),
    [
        (Fault.CAPABILITIES_STRIPPED, {"T-04", "E-10", "M-36"}),
        (Fault.CAPABILITIES_PAGE, {"C-03", "T-04", "E-10", "M-36"}),
        (Fault.CAPABILITIES_ERROR, {"C-01"}),
    ],
)
def test_faults_of_capabilities(fault: Fault, identifiers: set[str]) -> None:
    report = run(misbehaving(fault))
    assert identifiers <= failed(report)
    assert not report.conforms


# -------------------------------------------------------------------------------- other answers


def answering(**changes: object) -> Handle:
    """Return a server whose GetCACert and GetCACaps answers are changed."""
    right = responders.new_responder()

    def handle(request: HttpRequest) -> HttpResponse:
        response = right.handle(request)
        for name, change in changes.items():
            if f"operation={name}" in request.url:
                response = change(response)  # type: ignore[operator]
        return response

    return handle


def typed(content_type: str) -> Callable[[HttpResponse], HttpResponse]:
    return lambda response: replace(response, headers=(("Content-Type", content_type),))


def test_content_types() -> None:
    report = run(answering(GetCACert=typed("application/x-x509-ca-ra-cert")))
    assert "T-20" in failed(report)
    assert not report.conforms
    # What RFC 8894 only recommends for capabilities breaks no MUST.
    lenient = run(answering(GetCACaps=typed("text/html")))
    assert "T-20" in failed(lenient)
    assert lenient.conforms
    assert "T-21" in failed(run(answering(GetCACaps=typed("text/plain; charset=utf-8"))))
    assert "T-28" in failed(run(answering(GetCACaps=typed("text/plain"))))


@pytest.mark.conforms("G-03", "D-01")
def test_one_certificate_in_a_bag_and_a_bag_that_is_signed() -> None:
    def packed(*certificates: Certificate, **options: bytes) -> Handle:
        bag = degenerate([each.der for each in certificates], **options)  # type: ignore[arg-type]
        return answering(GetCACert=lambda _: http_server.ca_cert_response(bag, chain=True))

    ca = responders.authority().issuer
    alone = run(packed(ca))
    assert failed(alone) == {"G-03"}
    assert texts(alone, "G-03") == ["GetCACert: one certificate comes as degenerate."]
    ra = EphemeralCa.create(now=NOW, key=keys.rsa(0), single_ra=True, provider=keys.provider())
    content = seq(oid(DATA), explicit(0, octets(b"x")))
    report = run(packed(*ra.published, encapsulated=content))
    assert {"G-04"} <= failed(report)
    assert not report.conforms


def test_a_server_without_ca() -> None:
    def empty(response: HttpResponse) -> HttpResponse:
        return replace(response, body=b"")

    report = run(answering(GetCACert=empty), enrolment(responders.authority()))
    assert "G-01" in failed(report)
    assert report.ca_certificates == ()


def test_expired_certificates() -> None:
    late = survey(
        responders.URL,
        send=responders.new_responder().handle,
        at=NOW + timedelta(days=9000),
        provider=keys.provider(),
    )
    assert failed(late) == {"G-14"}
    timeless = survey(
        responders.URL,
        send=responders.new_responder().handle,
        at=None,
        provider=keys.provider(),
    )
    assert "G-14" in verdicts(timeless, Verdict.NOT_SEEN)


def test_no_answer_to_the_first_question_is_no_end() -> None:
    """Old servers close the connection on GetCACaps, and answer the rest."""
    right = responders.new_responder()

    def handle(request: HttpRequest) -> HttpResponse:
        if "GetCACaps" in request.url:
            raise TransportError("closed.", url="x")
        return right.handle(request)

    assert failed(run(handle)) == {"C-01"}

    def unreachable(request: HttpRequest) -> HttpResponse:
        raise TransportError("closed.", url="x")

    with pytest.raises(TransportError):
        run(unreachable)


def test_chosen_algorithms() -> None:
    trying = enrolment(
        responders.authority(), algorithms=Algorithms(digest_algorithm=DigestAlgorithm.SHA512)
    )
    report = run(responders.new_responder().handle, trying)
    assert (report.conforms, failed(report)) == (True, set())
