"""Each fault of the test server, and what this library's own client makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

import pyscep
from pyscep import (
    CertificateMismatch,
    DecodeError,
    DecryptionFailed,
    DowngradeRefused,
    DuplicateAttribute,
    Failure,
    HttpError,
    LimitExceeded,
    MessageError,
    MissingAttribute,
    NonceMismatch,
    Pending,
    SignatureInvalid,
    Success,
    TransactionMismatch,
    TransportError,
    UnexpectedMessageType,
    WeakAlgorithm,
)
from pyscep.handlers import static_challenge
from pyscep.memory_store import MemoryStore
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa, Fault, MisbehavingServer, Misbehaviour
from pyscep.transport import RequestsTransport
from tests.helpers.keys import provider, rsa

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)
OUTCOMES: dict[Fault, type] = {
    Fault.MISSING_TRANSACTION_ID: MissingAttribute,
    Fault.MISSING_MESSAGE_TYPE: MissingAttribute,
    Fault.MISSING_PKI_STATUS: MissingAttribute,
    Fault.MISSING_RECIPIENT_NONCE: MissingAttribute,
    Fault.MISSING_SENDER_NONCE: Success,
    Fault.MISSING_MESSAGE_DIGEST: MissingAttribute,
    Fault.MISSING_CONTENT_TYPE: MissingAttribute,
    Fault.MISSING_FAIL_INFO: Failure,
    Fault.DUPLICATE_TRANSACTION_ID: DuplicateAttribute,
    Fault.DUPLICATE_MESSAGE_TYPE: DuplicateAttribute,
    Fault.DUPLICATE_PKI_STATUS: DuplicateAttribute,
    Fault.DUPLICATE_RECIPIENT_NONCE: DuplicateAttribute,
    Fault.TWO_VALUES_IN_PKI_STATUS: DuplicateAttribute,
    Fault.WRONG_TRANSACTION_ID: TransactionMismatch,
    Fault.TRANSACTION_ID_PREFIX: TransactionMismatch,
    Fault.EMPTY_TRANSACTION_ID: MessageError,
    Fault.WRONG_RECIPIENT_NONCE: NonceMismatch,
    Fault.TRUNCATED_RECIPIENT_NONCE: NonceMismatch,
    Fault.WRONG_MESSAGE_TYPE: UnexpectedMessageType,
    Fault.UNKNOWN_MESSAGE_TYPE: UnexpectedMessageType,
    Fault.MESSAGE_TYPE_AS_INTEGER: MessageError,
    Fault.PADDED_MESSAGE_TYPE: UnexpectedMessageType,
    Fault.UNKNOWN_PKI_STATUS: MessageError,
    Fault.UNKNOWN_FAIL_INFO: Failure,
    Fault.WRONG_CONTENT_TYPE_ATTRIBUTE: SignatureInvalid,
    Fault.WRONG_MESSAGE_DIGEST: SignatureInvalid,
    Fault.WRONG_ALGORITHM_PROTECTION: SignatureInvalid,
    Fault.SIGNED_BY_STRANGER: SignatureInvalid,
    Fault.SIGNED_BY_LOOK_ALIKE: SignatureInvalid,
    Fault.SIGNED_OVER_OTHER_BYTES: SignatureInvalid,
    Fault.NO_SIGNED_ATTRIBUTES: MissingAttribute,
    Fault.NO_SIGNER: MessageError,
    Fault.TWO_SIGNERS: MessageError,
    Fault.MD5: WeakAlgorithm,
    Fault.SHA1: Success,
    Fault.TWO_HASHES: SignatureInvalid,
    Fault.CERTIFICATE_FOR_ANOTHER_KEY: CertificateMismatch,
    Fault.CERTIFICATE_OF_ANOTHER_CA: CertificateMismatch,
    Fault.CA_INSTEAD_OF_LEAF: CertificateMismatch,
    Fault.CHAIN_BEFORE_LEAF: Success,
    Fault.NO_CERTIFICATE: CertificateMismatch,
    Fault.NO_ENCLOSED_CERTIFICATES: Success,
    Fault.ENCRYPTED_TO_STRANGER: MessageError,
    Fault.ENCRYPTED_WITH_WRONG_KEY: DecryptionFailed,
    Fault.SHORT_CONTENT_KEY: DecryptionFailed,
    Fault.GARBLED_CONTENT_KEY: DecryptionFailed,
    Fault.BAD_PADDING: DecryptionFailed,
    Fault.GARBAGE_CONTENT: DecryptionFailed,
    Fault.SINGLE_DES: WeakAlgorithm,
    Fault.TRIPLE_DES: WeakAlgorithm,
    Fault.NO_ENVELOPE_IN_SUCCESS: MessageError,
    Fault.ENVELOPE_IN_FAILURE: Failure,
    Fault.INDEFINITE_LENGTHS: Success,
    Fault.TRAILING_BYTES: DecodeError,
    Fault.TRUNCATED_MESSAGE: DecodeError,
    Fault.HUGE_MESSAGE: LimitExceeded,
    Fault.DEEP_MESSAGE: LimitExceeded,
    Fault.PENDING_TWICE: Pending,
    Fault.PENDING_FOREVER: Pending,
    Fault.REFUSED: Failure,
    Fault.HTML_PAGE: HttpError,
    Fault.WRONG_HTTP_TYPE: Success,
    Fault.REDIRECT: HttpError,
    Fault.SERVER_ERROR: HttpError,
    Fault.EMPTY_BODY: HttpError,
    Fault.CAPABILITIES_STRIPPED: DowngradeRefused,
    Fault.CAPABILITIES_LYING: Success,
    Fault.CAPABILITIES_PAGE: DowngradeRefused,
    Fault.CAPABILITIES_ERROR: DowngradeRefused,
    Fault.CHUNKED_BODY: Success,
    Fault.SLOW_BODY: TransportError,
    Fault.CLOSED_CONNECTION: TransportError,
    Fault.CUT_BODY: TransportError,
}
FAILURES = (Fault.MISSING_FAIL_INFO, Fault.UNKNOWN_FAIL_INFO, Fault.ENVELOPE_IN_FAILURE)


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
    assert len({fault.explanation for fault in Fault}) == len(Fault)


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


def test_the_stranger_is_made_when_needed(responder: Responder) -> None:
    misbehaviour = Misbehaviour(responder=responder)
    misbehaviour.misbehave(Fault.SIGNED_BY_STRANGER)
    client = pyscep.Client("http://in.memory/scep", send=misbehaviour.handle)
    ca = client.get_ca_cert().authenticate(
        sha256=responder.authority.issuer.sha256_fingerprint, at=NOW
    )
    csr = pyscep.build_csr(subject={"common_name": "a"}, key=rsa(2), challenge_password="right")
    identity = pyscep.self_signed_identity(
        csr, key=rsa(2), not_before=NOW, lifetime=timedelta(days=1)
    )
    with pytest.raises(SignatureInvalid):
        client.enrol(csr, identity=identity, ca=ca)
