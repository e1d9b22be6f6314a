"""Each fault of the test server, and what this library's own client makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

import pyscep
from pyscep import (
    CertificateMismatch,
    DecryptionFailed,
    Failure,
    NonceMismatch,
    Pending,
    SecurityError,
    SignatureInvalid,
    Success,
    WeakAlgorithm,
)
from pyscep.handlers import static_challenge
from pyscep.memory_store import MemoryStore
from pyscep.messages import CertRep, FailInfo, PkiStatus
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa, Fault, MisbehavingServer, Misbehaviour
from pyscep.testing.faults import OnDraft, OnReply, find_fault, pending
from pyscep.transport import RequestsTransport
from tests.helpers import key_kinds, responders
from tests.helpers.fault_outcomes import OUTCOMES
from tests.helpers.keys import provider, rsa

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)
# They show in a FAILURE only.
SEEN_IN_SUCCESS = {
    fault
    for fault, outcome in OUTCOMES.items()
    if outcome in (DecryptionFailed, CertificateMismatch)
    or fault in (Fault.SINGLE_DES, Fault.TRIPLE_DES)
}
FAILURES = (
    Fault.MISSING_FAIL_INFO,
    Fault.UNKNOWN_FAIL_INFO,
    Fault.MALFORMED_FAIL_INFO,
    Fault.DUPLICATE_FAIL_INFO,
    Fault.ENVELOPE_IN_FAILURE,
)


@pytest.fixture(scope="module")
def authority() -> EphemeralCa:
    return EphemeralCa.create(now=NOW - timedelta(days=1), key=rsa(0), provider=provider())


@pytest.fixture(scope="module")
def stranger(authority: EphemeralCa) -> EphemeralCa:
    return EphemeralCa.create(
        now=NOW - timedelta(days=1),
        key=rsa(1),
        subject=authority.issuer.subject,
        provider=provider(),
    )


@pytest.fixture
def responder(authority: EphemeralCa) -> Responder:
    return Responder(
        authority=authority,
        handler=static_challenge("right"),
        store=MemoryStore(),
        now=lambda: NOW,
        provider=provider(),
    )


@pytest.fixture
def server(responder: Responder, stranger: EphemeralCa) -> Iterator[MisbehavingServer]:
    with MisbehavingServer(responder) as running:
        running.misbehaviour.stranger = stranger
        yield running
        running.check()


def enrol(
    server: MisbehavingServer, challenge_password: str, rules: pyscep.ReplyRules | None = None
) -> pyscep.Reply:
    with RequestsTransport(timeout=0.7) as send:
        client = pyscep.Client(server.url, send=send, rules=rules or pyscep.ReplyRules())
        root = server.responder.authority.issuer.sha256_fingerprint
        ca = client.get_ca_cert().authenticate(sha256=root, at=NOW)
        csr = pyscep.build_csr(
            subject={"common_name": "a"}, key=rsa(2), challenge_password=challenge_password
        )
        identity = pyscep.self_signed_identity(
            csr, key=rsa(2), not_before=NOW, lifetime=timedelta(days=1)
        )
        return client.enrol(csr, identity=identity, ca=ca)


def test_the_table_is_complete() -> None:
    assert set(OUTCOMES) == set(Fault)
    assert len({fault.explanation for fault in Fault}) == len(Fault) >= 40
    for fault in Fault:
        # Nothing is an alias by accident, and each can be asked for by name.
        assert find_fault(fault.name.lower().replace("_", "-")) is fault


@pytest.mark.conforms(
    "M-04",
    "M-07",
    "M-08",
    "M-09",
    "M-11",
    "M-15",
    "M-21",
    "M-22",
    "M-23",
    "M-27",
    "M-28",
    "M-32",
    "M-34",
    "M-36",
    "M-37",
    "M-41",
    "M-42",
    "A-02",
    "A-08",
    "A-09",
    "A-11",
    "A-12",
    "A-18",
    "E-12",
    "E-16",
    "E-22",
    "R-13",
    "S-14",
    "X-11",
    "T-24",
    "T-25",
    "T-26",
    "T-29",
)
@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name)
def test_what_the_client_does(server: MisbehavingServer, fault: Fault) -> None:
    server.misbehave(fault)
    outcome = OUTCOMES[fault]
    challenge = "wrong" if fault in FAILURES else "right"
    if issubclass(outcome, pyscep.ScepError):
        with pytest.raises(outcome) as caught:
            enrol(server, challenge)
        assert type(caught.value) is outcome
        assert "right" not in str(caught.value).split("'")
    else:
        assert type(enrol(server, challenge)) is outcome


def test_an_envelope_in_a_failure_is_none_in_a_success(server: MisbehavingServer) -> None:
    """Whoever gets a certificate gets the right one."""
    server.misbehave(Fault.ENVELOPE_IN_FAILURE)
    reply = enrol(server, "right")
    assert isinstance(reply, Success)
    assert str(reply.certificate.subject) == "CN=a"


def test_an_unknown_fault() -> None:
    with pytest.raises(pyscep.UsageError, match="NO_SIGNER") as caught:
        find_fault("nonsense")
    assert caught.value.argument == "fault"


def test_the_same_faults_in_a_refusal_and_while_waiting(server: MisbehavingServer) -> None:
    """What is wrong with a SUCCESS is as wrong with a FAILURE (A-10, S-08)."""
    for fault in Fault:
        if not isinstance(fault.effect, OnDraft) or not issubclass(OUTCOMES[fault], SecurityError):
            continue
        for status in (Fault.REFUSED, Fault.PENDING_FOREVER):
            server.misbehave(status, fault)
            if fault in SEEN_IN_SUCCESS:
                assert isinstance(enrol(server, "right"), Failure | Pending)
            else:
                with pytest.raises(OUTCOMES[fault]):
                    enrol(server, "right")


def test_effects_of_ones_own(server: MisbehavingServer) -> None:
    def another_status(reply: CertRep, before: int) -> CertRep:
        assert before == 0
        return CertRep(pki_status=PkiStatus.FAILURE, fail_info=FailInfo.BAD_TIME)

    server.misbehave(OnReply("badTime", another_status), Fault.SHA1)
    reply = enrol(server, "right")
    assert isinstance(reply, Failure)
    assert reply.fail_info is FailInfo.BAD_TIME
    server.misbehave(pending(3))
    assert [type(enrol(server, "right")) for _ in range(4)] == [Pending, Pending, Pending, Success]


def test_a_certificate_for_another_name_is_noticed(server: MisbehavingServer) -> None:
    server.misbehave(Fault.CERTIFICATE_FOR_ANOTHER_NAME)
    reply = enrol(server, "right")
    assert isinstance(reply, Success)
    assert reply.subject_changed


def test_faults_compose_and_reset(server: MisbehavingServer) -> None:
    server.misbehave(Fault.CHAIN_BEFORE_LEAF, Fault.SINGLE_DES, Fault.INDEFINITE_LENGTHS)
    with pytest.raises(WeakAlgorithm) as caught:
        enrol(server, "right")
    assert caught.value.argument == "read_legacy_ciphers"
    legacy = frozenset({pyscep.ContentEncryptionAlgorithm.DES_CBC})
    read = enrol(server, "right", pyscep.ReplyRules(read_legacy_ciphers=legacy))
    assert isinstance(read, Success)
    assert read.content_encryption_algorithm is pyscep.ContentEncryptionAlgorithm.DES_CBC
    assert [c.subject for c in read.others] == [server.responder.authority.issuer.subject]
    server.reset()
    assert isinstance(enrol(server, "right"), Success)
    assert len(server.log) == 3


def test_pending_ends(server: MisbehavingServer) -> None:
    server.misbehave(Fault.PENDING_TWICE)
    assert [type(enrol(server, "right")) for _ in range(3)] == [Pending, Pending, Success]


def test_sha1_can_be_refused(server: MisbehavingServer) -> None:
    server.misbehave(Fault.SHA1)
    rules = pyscep.ReplyRules(minimum_digest=pyscep.DigestAlgorithm.SHA256)
    with pytest.raises(WeakAlgorithm) as caught:
        enrol(server, "right", rules)
    assert caught.value.argument == "minimum_digest"


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault.SIGNED_BY_STRANGER, SignatureInvalid), (Fault.WRONG_RECIPIENT_NONCE, NonceMismatch)],
)
def test_the_stranger_is_made_when_needed(
    responder: Responder, fault: Fault, error: type[Exception]
) -> None:
    misbehaviour = Misbehaviour(responder=responder)
    misbehaviour.misbehave(fault)
    client = pyscep.Client("http://in.memory/scep", send=misbehaviour.handle)
    ca = client.get_ca_cert().authenticate(
        sha256=responder.authority.issuer.sha256_fingerprint, at=NOW
    )
    csr = pyscep.build_csr(subject={"common_name": "a"}, key=rsa(2), challenge_password="right")
    identity = pyscep.self_signed_identity(
        csr, key=rsa(2), not_before=NOW, lifetime=timedelta(days=1)
    )
    with pytest.raises(error):
        client.enrol(csr, identity=identity, ca=ca)
    assert (misbehaviour.stranger is not None) is (fault is Fault.SIGNED_BY_STRANGER)


class PlainAuthority:
    """A CA that is none of the test kit's; it is another one in all that a responder needs."""

    def __init__(self, authority: EphemeralCa) -> None:
        self.issuer, self.published = authority.issuer, authority.published
        self.signer, self.recipients = authority.signer, authority.recipients
        self.issue, self.crl = authority.issue, authority.crl


@pytest.mark.parametrize("challenge_password", ["right", "wrong"])
def test_a_fault_that_needs_our_ca(responder: Responder, challenge_password: str) -> None:
    authority = responder.authority
    assert isinstance(authority, EphemeralCa)
    plain = replace(responder, authority=PlainAuthority(authority))
    misbehaviour = Misbehaviour(responder=plain, stranger=authority)
    misbehaviour.misbehave(Fault.CERTIFICATE_FOR_ANOTHER_KEY, Fault.CHAIN_BEFORE_LEAF)
    client = pyscep.Client("http://in.memory/scep", send=misbehaviour.handle)
    ca = client.get_ca_cert().authenticate(sha256=authority.root.sha256_fingerprint, at=NOW)
    csr = pyscep.build_csr(subject="CN=a", key=rsa(2), challenge_password=challenge_password)
    identity = pyscep.self_signed_identity(
        csr, key=rsa(2), not_before=NOW, lifetime=timedelta(days=1)
    )
    if challenge_password == "wrong":  # there is nothing to replace in a FAILURE
        assert isinstance(client.enrol(csr, identity=identity, ca=ca), Failure)
        return
    with pytest.raises(pyscep.HttpError, match="500"):
        client.enrol(csr, identity=identity, ca=ca)


@pytest.mark.conforms("E-04", "E-05", "M-26")
@pytest.mark.parametrize("ca", key_kinds.KINDS)
def test_clients_whose_key_cannot_decrypt(ca: str) -> None:
    responder = key_kinds.new_responder(ca)
    misbehaviour = Misbehaviour(responder=responder)
    client = pyscep.Client(responders.URL, send=misbehaviour.handle, provider=provider())
    asked, identity = key_kinds.csr("EC"), key_kinds.self_signed("EC")
    trusted = responders.trust(responder)
    issued = client.enrol(asked, identity=identity, ca=trusted)
    assert isinstance(issued, Success)
    misbehaviour.misbehave(Fault.WRONG_RECIPIENT_NONCE)
    with pytest.raises(pyscep.NonceMismatch):
        client.enrol(asked, identity=identity, ca=trusted)
