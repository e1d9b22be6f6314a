"""Every operation of a client: what it sends, and how it judges what comes back."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.begin import cert_poll, get_cert, get_crl, pkcs_req, renewal_req
from pyscep.ca import CaCertificates, TrustedCa
from pyscep.capabilities import Algorithms
from pyscep.certificates import Identity
from pyscep.errors import (
    CertificateMismatch,
    DecodeError,
    KeyCapabilityError,
    MessageError,
    MissingAttribute,
    NonceMismatch,
    SignatureInvalid,
    TransactionMismatch,
    UnexpectedMessageType,
    UsageError,
    WeakAlgorithm,
)
from pyscep.exchange import Exchange, ReplyRules
from pyscep.handlers import Issue
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.limits import Limits
from pyscep.messages import (
    CertPoll,
    FailInfo,
    GetCert,
    GetCRL,
    MessageType,
    PKCSReq,
    RenewalReq,
    Request,
    parse_request,
)
from pyscep.names import build_name
from pyscep.pki_message import VerifiedMessage, parse_pki_message
from pyscep.transaction import (
    CrlSuccess,
    Failure,
    Pending,
    Success,
    Transaction,
    TransactionState,
)
from tests.helpers import keys, responders
from tests.helpers.message_factory import Envelope, degenerate, reply_to
from tests.helpers.tlv import octets, printable

AES128, DES = ContentEncryptionAlgorithm.AES128_CBC, ContentEncryptionAlgorithm.DES_CBC
ALL = frozenset(ContentEncryptionAlgorithm)
RESPONDER = responders.new_responder()
CA = responders.trust(RESPONDER)
ISSUED = responders.certified(1)
IDENTIFIER = IssuerAndSerialNumber.of(ISSUED.certificate)
NEW_CSR = responders.csr(3, challenge_password=None)


def enrolment(**options: Any) -> Exchange:
    request = responders.csr(1)
    return pkcs_req(request, identity=responders.self_signed(request), ca=CA, **options)


def opened(message: bytes) -> tuple[VerifiedMessage, Request]:
    """Return what the CA makes of a message, with all ciphers open to it."""
    verified = parse_pki_message(message).verify_possession(provider=keys.provider())
    data = verified.decrypt(RESPONDER.authority.recipients, ciphers=ALL, provider=keys.provider())
    return verified, parse_request(verified.message_type, data.octets)


def answer(exchange: Any, bag: bytes, *, cipher: ContentEncryptionAlgorithm = AES128) -> bytes:
    """Return a SUCCESS with this content, in perfect order but for what is in it."""
    signer = parse_pki_message(exchange.message).verify_possession(provider=keys.provider()).signer
    envelope = Envelope(recipient=signer, content=bag, cipher=cipher).encode()
    reply = reply_to(exchange.message, pki_status="0", content=envelope)
    return replace(reply, signer=RESPONDER.authority.signer).encode()


def issued_by(signer: Identity, ca: TrustedCa, certificates: list[bytes]) -> Success:
    """Return what an enrolment at this CA makes of a SUCCESS with these certificates."""
    request = responders.csr(1)
    identity = responders.self_signed(request)
    exchange = pkcs_req(request, identity=identity, ca=ca)
    content = Envelope(recipient=identity.certificate, content=degenerate(certificates)).encode()
    message = reply_to(exchange.message, pki_status="0", content=content)
    reply = exchange.receive(replace(message, signer=signer).encode())
    assert isinstance(reply, Success)
    return reply


def status(exchange: Any, pki_status: str) -> Any:
    """Return a reply without content that can still be changed."""
    reply = reply_to(exchange.message, pki_status=pki_status)
    return replace(reply, signer=RESPONDER.authority.signer)


class TestWhatIsSent:
    @pytest.mark.conforms("R-01", "R-02", "W-01", "H-15", "M-19")
    def test_an_enrolment(self) -> None:
        exchange = enrolment()
        verified, request = opened(exchange.message)
        assert isinstance(request, PKCSReq)
        assert request.csr.challenge_password == responders.CHALLENGE
        assert verified.transaction_id == exchange.transaction.transaction_id
        assert len(bytes.fromhex(verified.transaction_id)) == 16
        assert verified.signer.is_self_issued
        assert (exchange.transaction.renewal, exchange.transaction.polls) == (False, 0)
        assert exchange.transaction.state is TransactionState.CERT_REQ_PENDING
        assert responders.CHALLENGE.encode() not in exchange.message
        assert enrolment().transaction.transaction_id != verified.transaction_id

    def test_the_callers_transaction_id(self) -> None:
        assert enrolment(transaction_id="mine").transaction.transaction_id == "mine"

    @pytest.mark.conforms("R-02", "W-07", "W-09", "H-02", "R-15")
    def test_a_renewal(self) -> None:
        exchange = renewal_req(NEW_CSR, identity=ISSUED, ca=CA)
        verified, request = opened(exchange.message)
        assert isinstance(request, RenewalReq)
        assert verified.signer == ISSUED.certificate
        assert request.csr.challenge_password is None
        assert request.csr.public_key != verified.signer.public_key
        assert exchange.transaction.renewal

    @pytest.mark.conforms("C-28", "W-14")
    def test_a_renewal_as_ndes_wants_it(self) -> None:
        exchange = pkcs_req(NEW_CSR, identity=ISSUED, ca=CA)
        verified, request = opened(exchange.message)
        assert isinstance(request, PKCSReq)
        assert verified.signer == ISSUED.certificate
        assert exchange.transaction.renewal

    @pytest.mark.conforms("P-01", "P-02", "P-03", "P-06", "P-07")
    def test_polls(self) -> None:
        first = enrolment()
        transaction, identity, nonces = first.transaction, first._sent.identity, set()
        for number in (1, 2, 3):
            poll = cert_poll(transaction, identity=identity, ca=CA)
            verified, request = opened(poll.message)
            assert isinstance(request, CertPoll)
            assert request.issuer == CA.issuer.subject
            assert request.subject == build_name("CN=sensor-17,O=Example")
            assert verified.transaction_id == first.transaction.transaction_id
            assert verified.signer == identity.certificate
            assert poll.transaction.polls == number
            nonces.add(verified.sender_nonce)
            transaction = poll.transaction
        assert len(nonces) == 3

    @pytest.mark.conforms("Q-01", "Q-04", "Q-10")
    def test_queries(self) -> None:
        verified, asked = opened(get_cert(IDENTIFIER, identity=ISSUED, ca=CA).message)
        assert asked == GetCert(identifier=IDENTIFIER)
        assert verified.message_type is MessageType.GET_CERT
        verified, asked = opened(get_crl(IDENTIFIER, identity=ISSUED, ca=CA).message)
        assert asked == GetCRL(identifier=IDENTIFIER)
        assert verified.signer == ISSUED.certificate

    @pytest.mark.conforms("C-18")
    def test_the_algorithms_of_the_caller(self) -> None:
        chosen = Algorithms(
            content_encryption_algorithm=ContentEncryptionAlgorithm.AES256_CBC,
            digest_algorithm=DigestAlgorithm.SHA512,
        )
        verified, _ = opened(enrolment(algorithms=chosen).message)
        assert verified.digest_algorithm is DigestAlgorithm.SHA512
        data = verified.decrypt(
            RESPONDER.authority.recipients, ciphers=ALL, provider=keys.provider()
        )
        assert data.content_encryption_algorithm is ContentEncryptionAlgorithm.AES256_CBC


class TestWhatIsRefusedBeforeAnythingIsSent:
    @pytest.mark.conforms("R-05")
    def test_a_self_signed_identity_with_another_key(self) -> None:
        with pytest.raises(UsageError) as caught:
            pkcs_req(responders.csr(3), identity=keys.client(), ca=CA)
        assert caught.value.argument == "identity"

    @pytest.mark.conforms("R-02", "R-07")
    def test_a_renewal_with_a_self_signed_identity(self) -> None:
        with pytest.raises(UsageError, match="pkcs_req") as caught:
            renewal_req(responders.csr(1), identity=keys.client(), ca=CA)
        assert caught.value.argument == "identity"

    @pytest.mark.conforms("W-11", "E-03")
    def test_a_certificate_that_no_reply_can_be_encrypted_to(self) -> None:
        key = keys.rsa(4)
        identity = keys.certify(
            "CN=a", key=key, issuer=responders.authority().identity, usages=keys.SIGN
        )
        with pytest.raises(KeyCapabilityError, match="ignore_key_usage"):
            renewal_req(NEW_CSR, identity=identity, ca=CA)
        rules = ReplyRules(ignore_key_usage=True)
        reply = responders.send(
            RESPONDER, renewal_req(NEW_CSR, identity=identity, ca=CA, rules=rules)
        )
        assert isinstance(reply, Failure)  # the subject is another, but the reply was read
        with pytest.raises(KeyCapabilityError):
            get_crl(IDENTIFIER, identity=keys.ec_client(), ca=CA)

    @pytest.mark.conforms("M-20", "T-12")
    def test_a_transaction_id_that_cannot_travel(self) -> None:
        with pytest.raises(UsageError) as caught:
            enrolment(transaction_id="a_b")
        assert caught.value.argument == "transaction_id"

    @pytest.mark.conforms("P-07", "X-05")
    def test_polls_that_cannot_be_answered(self) -> None:
        pending = enrolment().transaction
        identity = responders.self_signed(responders.csr(1))
        with pytest.raises(UsageError) as caught:
            cert_poll(pending, identity=identity, ca=CA)
        assert caught.value.argument == "identity"

        sender = enrolment()
        other = responders.trust(
            responders.new_responder(authority=responders.new_authority(key=keys.rsa(5)))
        )
        with pytest.raises(UsageError) as caught:
            cert_poll(sender.transaction, identity=sender._sent.identity, ca=other)
        assert caught.value.argument == "ca"

    @pytest.mark.conforms("X-04", "P-11")
    @pytest.mark.parametrize(
        "state", [TransactionState.CERT_ISSUED, TransactionState.CERT_NONEXISTENT]
    )
    def test_a_transaction_that_has_ended_is_not_polled(self, state: TransactionState) -> None:
        sender = enrolment()
        with pytest.raises(UsageError, match="has ended") as caught:
            cert_poll(
                replace(sender.transaction, state=state), identity=sender._sent.identity, ca=CA
            )
        assert caught.value.argument == "transaction"


class TestSuccess:
    @pytest.mark.conforms("A-01", "A-02", "R-13", "X-01")
    def test_an_enrolment(self) -> None:
        exchange = enrolment()
        reply = responders.send(RESPONDER, exchange)
        assert isinstance(reply, Success)
        assert reply.certificate.public_key == keys.rsa(1).public_key
        assert reply.certificate.subject == build_name("CN=sensor-17,O=Example")
        assert reply.certificate.issuer == CA.issuer.subject
        assert reply.chain.is_complete
        assert reply.chain.certificates == (reply.certificate, CA.issuer)
        assert (reply.others, reply.subject_changed) == ((), False)
        assert reply.content_encryption_algorithm is AES128
        assert reply.digest_algorithm is DigestAlgorithm.SHA256
        assert reply.transaction == replace(
            exchange.transaction, state=TransactionState.CERT_ISSUED
        )

    @pytest.mark.conforms("D-05", "R-13")
    def test_the_chain_goes_on_where_that_of_the_ca_begins(self) -> None:
        authority = responders.new_authority(intermediates=2)
        ca = responders.trust(responders.new_responder(authority=authority))
        assert ca.chain.is_complete
        # The CA above may issue too; the chain of what it issues is shorter.
        above = replace(authority, identity=authority.parents[0])
        for issuer, expected in (
            (authority, ca.chain.certificates),
            (above, ca.chain.certificates[1:]),
        ):
            leaf = issuer.issue(responders.csr(1), Issue(), at=keys.NOW)
            reply = issued_by(authority.signer, ca, [leaf.der])
            assert reply.chain.is_complete
            assert reply.chain.certificates == (leaf, *expected)

    @pytest.mark.conforms("D-05", "A-04")
    @pytest.mark.parametrize("root_comes_along", [True, False])
    def test_a_root_that_the_ca_does_not_publish(self, root_comes_along: bool) -> None:
        authority = responders.new_authority(intermediates=1)
        issuer, root = authority.issuer, authority.root
        ca = CaCertificates(certificates=(issuer,)).authenticate(anchors=[issuer], at=keys.NOW)
        assert ca.chain.missing_issuer == root.subject
        leaf = authority.issue(responders.csr(1), Issue(), at=keys.NOW)
        roots = [root] if root_comes_along else []
        reply = issued_by(authority.signer, ca, [each.der for each in (leaf, *roots)])
        assert reply.chain.is_complete is root_comes_along
        assert reply.chain.certificates == (leaf, issuer, *roots)

    @pytest.mark.conforms("W-09", "W-10", "W-14")
    @pytest.mark.parametrize("begin", [renewal_req, pkcs_req])
    def test_a_renewal_is_opened_with_the_old_key(self, begin: Callable[..., Exchange]) -> None:
        reply = responders.send(RESPONDER, begin(NEW_CSR, identity=ISSUED, ca=CA))
        assert isinstance(reply, Success)
        assert reply.certificate.public_key == keys.rsa(3).public_key

    @pytest.mark.conforms("A-02", "D-05")
    def test_the_certificate_is_found_by_its_key_wherever_it_stands(self) -> None:
        exchange = enrolment()
        strangers = [keys.stranger().certificate, CA.issuer]
        bag = degenerate([c.der for c in (*strangers, ISSUED.certificate)])
        reply = exchange.receive(answer(exchange, bag))
        assert isinstance(reply, Success)
        assert reply.certificate == ISSUED.certificate
        assert reply.others == tuple(strangers)

    def test_of_two_for_the_same_key_the_later_is_the_new_one(self) -> None:
        exchange = enrolment()
        later = responders.certified(1, at=keys.NOW + timedelta(hours=1)).certificate
        bag = degenerate([later.der, ISSUED.certificate.der])
        reply = exchange.receive(answer(exchange, bag))
        assert isinstance(reply, Success)
        assert (reply.certificate, reply.others) == (later, (ISSUED.certificate,))

    def test_another_subject_is_the_cas_right_and_told(self) -> None:
        exchange = enrolment()
        changed = responders.certified(1, subject="CN=renamed").certificate
        reply = exchange.receive(answer(exchange, degenerate([changed.der])))
        assert isinstance(reply, Success)
        assert reply.subject_changed

    @pytest.mark.conforms("A-09")
    def test_without_content_it_is_none(self) -> None:
        exchange = enrolment()
        with pytest.raises(MessageError):
            exchange.receive(status(exchange, "0").encode())

    @pytest.mark.conforms("R-13", "S-11")
    @pytest.mark.parametrize(
        ("bag", "text"),
        [
            (
                [],
                "The reply says SUCCESS, but there is no certificate in it; look at the CA's log.",
            ),
            (
                [keys.stranger().certificate.der],
                "The certificate in the reply does not have the requested key; do not use it.",
            ),
            (
                [keys.stranger().certificate.der, keys.ca().certificate.der],
                "None of the 2 certificates in the reply has the requested key; do not use them.",
            ),
        ],
    )
    def test_a_certificate_for_another_key(self, bag: list[bytes], text: str) -> None:
        exchange = enrolment()
        with pytest.raises(CertificateMismatch) as caught:
            exchange.receive(answer(exchange, degenerate(bag)))
        assert str(caught.value) == text

    @pytest.mark.conforms("R-13")
    @pytest.mark.parametrize("issuer_name", [None, "CN=pyscep test CA"])
    def test_a_certificate_by_another_ca(self, issuer_name: str | None) -> None:
        exchange = enrolment()
        forged = keys.certify(
            "CN=sensor-17,O=Example",
            key=keys.rsa(1),
            issuer=keys.stranger(),
            issuer_name=issuer_name,
        )
        with pytest.raises(CertificateMismatch, match="does not verify"):
            exchange.receive(answer(exchange, degenerate([forged.certificate.der])))

    @pytest.mark.conforms("R-13")
    def test_a_self_signed_certificate_is_not_issued(self) -> None:
        exchange = enrolment()
        own = exchange._sent.identity.certificate
        with pytest.raises(CertificateMismatch):
            exchange.receive(answer(exchange, degenerate([own.der])))

    def test_something_that_is_no_certificate(self) -> None:
        exchange = enrolment()
        with pytest.raises(DecodeError):
            exchange.receive(answer(exchange, degenerate([b"\x30\x00"])))

    @pytest.mark.conforms("E-12", "C-23")
    def test_a_weak_cipher_is_read_only_where_the_caller_named_it(self) -> None:
        exchange = enrolment()
        reply = answer(exchange, degenerate([ISSUED.certificate.der]), cipher=DES)
        with pytest.raises(WeakAlgorithm) as caught:
            exchange.receive(reply)
        assert caught.value.argument == "read_legacy_ciphers"

        exchange = enrolment(rules=ReplyRules(read_legacy_ciphers=frozenset({DES})))
        reply = answer(exchange, degenerate([ISSUED.certificate.der]), cipher=DES)
        success = exchange.receive(reply)
        assert isinstance(success, Success)
        assert success.content_encryption_algorithm is DES

    @pytest.mark.conforms("E-21")
    def test_the_cipher_of_the_request_is_read_back(self) -> None:
        triple = ContentEncryptionAlgorithm.DES_EDE3_CBC
        exchange = enrolment(algorithms=Algorithms(content_encryption_algorithm=triple))
        reply = answer(exchange, degenerate([ISSUED.certificate.der]), cipher=triple)
        assert isinstance(exchange.receive(reply), Success)


class TestOtherStatuses:
    @pytest.mark.conforms("A-06", "P-11", "X-03")
    def test_pending(self) -> None:
        exchange = enrolment()
        assert exchange.receive(status(exchange, "3").encode()) == Pending(
            transaction=exchange.transaction
        )

    @pytest.mark.conforms("A-05", "M-23", "X-02")
    @pytest.mark.parametrize("fail_info", FailInfo)
    def test_failure(self, fail_info: FailInfo) -> None:
        exchange = enrolment()
        reply = status(exchange, "2").having("failInfo", printable(str(fail_info.value)))
        result = exchange.receive(reply.encode())
        assert isinstance(result, Failure)
        assert (result.fail_info, result.fail_info_value) == (fail_info, fail_info.value)
        assert result.transaction.state is TransactionState.CERT_NONEXISTENT

    @pytest.mark.conforms("A-08", "M-24")
    @pytest.mark.parametrize("value", [None, 77])
    def test_a_failure_without_a_known_reason(self, value: int | None) -> None:
        exchange = enrolment()
        reply = status(exchange, "2")
        if value is not None:
            reply = reply.having("failInfo", printable(str(value)))
        result = exchange.receive(reply.encode())
        assert isinstance(result, Failure)
        assert (result.fail_info, result.fail_info_value) == (None, value)
        assert result.explanation

    def test_what_a_wrong_challenge_looks_like_depends_on_the_request(self) -> None:
        explanations = set()
        for exchange in (enrolment(), renewal_req(NEW_CSR, identity=ISSUED, ca=CA)):
            reply = status(exchange, "2").having("failInfo", printable("2")).encode()
            result = exchange.receive(reply)
            assert isinstance(result, Failure)
            explanations.add(result.explanation)
        assert len(explanations) == 2

    @pytest.mark.conforms("A-09")
    def test_content_beside_a_pending_is_never_looked_at(self) -> None:
        exchange = enrolment()
        reply = replace(status(exchange, "3"), content=b"not an envelope")
        assert isinstance(exchange.receive(reply.encode()), Pending)


Changes = Callable[[Any], Any]


def altered(name: str, *values: bytes) -> Changes:
    return lambda reply: reply.having(name, *values)


class TestRepliesToSomethingElse:
    """S-01: none of these is believed, whatever its status."""

    CASES: tuple[tuple[str, Changes, type[Exception]], ...] = (
        ("a stranger", lambda r: replace(r, signer=keys.stranger()), SignatureInvalid),
        ("a client", lambda r: replace(r, signer=ISSUED), SignatureInvalid),
        ("no CertRep", altered("messageType", printable("19")), UnexpectedMessageType),
        ("type 41", altered("messageType", printable("41")), UnexpectedMessageType),
        ("another id", altered("transactionID", printable("other")), TransactionMismatch),
        ("an empty id", altered("transactionID", printable("")), MessageError),
        ("another nonce", altered("recipientNonce", octets(bytes(16))), NonceMismatch),
        ("a short nonce", altered("recipientNonce", octets(b"1")), NonceMismatch),
        ("no nonce", lambda r: r.without("recipientNonce"), MissingAttribute),
        ("no status", lambda r: r.without("pkiStatus"), MissingAttribute),
        ("status 11", altered("pkiStatus", printable("11")), MessageError),
        ("no id", lambda r: r.without("transactionID"), MissingAttribute),
        ("no type", lambda r: r.without("messageType"), MissingAttribute),
    )

    @pytest.mark.conforms("S-01", "S-08", "A-10", "A-11", "A-12", "X-11", "V-06")
    @pytest.mark.parametrize("pki_status", ["2", "3"])
    @pytest.mark.parametrize(("change", "error"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
    def test_is_refused(self, change: Changes, error: type[Exception], pki_status: str) -> None:
        exchange = enrolment()
        with pytest.raises(error):
            exchange.receive(change(status(exchange, pki_status)).encode())

    @pytest.mark.conforms("X-11")
    def test_the_beginning_of_an_id_is_not_the_id(self) -> None:
        exchange = enrolment()
        begun = exchange.transaction.transaction_id[:10]
        with pytest.raises(TransactionMismatch) as caught:
            exchange.receive(
                status(exchange, "3").having("transactionID", printable(begun)).encode()
            )
        assert caught.value.actual == begun
        assert caught.value.expected == exchange.transaction.transaction_id

    @pytest.mark.conforms("M-36")
    def test_the_weakest_hash_is_the_callers_choice(self) -> None:
        for rules, accepted in (
            (ReplyRules(), True),
            (ReplyRules(minimum_digest=DigestAlgorithm.SHA256), False),
        ):
            exchange = enrolment(rules=rules)
            reply = replace(status(exchange, "3"), digest="sha1").encode()
            if accepted:
                exchange.receive(reply)
            else:
                with pytest.raises(WeakAlgorithm, match="minimum_digest"):
                    exchange.receive(reply)

    def test_more_than_the_limits_allow(self) -> None:
        exchange = enrolment(rules=ReplyRules(limits=Limits(message_size=100)))
        with pytest.raises(DecodeError, match="100"):
            exchange.receive(status(exchange, "3").encode())


class TestQueries:
    @pytest.mark.conforms("Q-01", "Q-03")
    def test_get_cert(self) -> None:
        query = get_cert(IDENTIFIER, identity=ISSUED, ca=CA)
        bag = degenerate([CA.issuer.der, ISSUED.certificate.der])
        reply = query.receive(answer(query, bag))
        assert isinstance(reply, Success)
        assert (reply.certificate, reply.others) == (ISSUED.certificate, (CA.issuer,))
        assert not reply.subject_changed

    @pytest.mark.conforms("Q-07")
    def test_get_cert_answered_with_another_certificate(self) -> None:
        query = get_cert(IDENTIFIER, identity=ISSUED, ca=CA)
        other = responders.certified(1).certificate
        with pytest.raises(CertificateMismatch, match="does not hold"):
            query.receive(answer(query, degenerate([other.der])))

    @pytest.mark.conforms("Q-07")
    def test_get_cert_answered_with_a_look_alike(self) -> None:
        query = get_cert(IDENTIFIER, identity=ISSUED, ca=CA)
        liar = responders.new_authority(key=keys.rsa(5)).forge(ISSUED.certificate)
        assert IssuerAndSerialNumber.of(liar) == IDENTIFIER
        with pytest.raises(CertificateMismatch, match="does not verify"):
            query.receive(answer(query, degenerate([liar.der])))

    @pytest.mark.conforms("A-07", "Q-07")
    def test_get_crl(self) -> None:
        query = get_crl(IDENTIFIER, identity=ISSUED, ca=CA)
        crl = RESPONDER.crl()
        reply = query.receive(answer(query, degenerate(crls=[crl])))
        assert isinstance(reply, CrlSuccess)
        assert reply.crl.der == crl
        assert reply.content_encryption_algorithm is AES128
        assert reply.digest_algorithm is DigestAlgorithm.SHA256

    @pytest.mark.conforms("A-07")
    def test_get_crl_answered_without_or_with_two(self) -> None:
        query = get_crl(IDENTIFIER, identity=ISSUED, ca=CA)
        crl = RESPONDER.crl()
        for crls in ([], [crl, crl]):
            with pytest.raises(MessageError, match=f"{len(crls)} CRLs"):
                query.receive(answer(query, degenerate(crls=crls)))

    @pytest.mark.conforms("Q-07")
    def test_get_crl_answered_with_another_cas(self) -> None:
        query = get_crl(IDENTIFIER, identity=ISSUED, ca=CA)
        same_name = responders.new_authority(key=keys.rsa(5))
        other_name = responders.new_authority(key=keys.rsa(5), subject="CN=Other")
        for ca, error in ((same_name, SignatureInvalid), (other_name, CertificateMismatch)):
            with pytest.raises(error):
                query.receive(answer(query, degenerate(crls=[ca.crl(at=keys.NOW)])))

    @pytest.mark.conforms("A-13", "Q-08", "V-05")
    @pytest.mark.parametrize("ask", [get_cert, get_crl])
    def test_failure_and_pending(self, ask: Callable[..., Any]) -> None:
        query = ask(IDENTIFIER, identity=ISSUED, ca=CA)
        refused = status(query, "2").having("failInfo", printable("2"))
        result = query.receive(refused.encode())
        assert isinstance(result, Failure)
        assert result.fail_info is FailInfo.BAD_REQUEST
        with pytest.raises(MessageError, match="PENDING"):
            query.receive(status(query, "3").encode())


def test_an_exchange_pickles_without_its_key() -> None:
    """A key is in no pickle, so an exchange is not either; its transaction is."""
    exchange = enrolment()
    assert pickle.loads(pickle.dumps(exchange.transaction)) == exchange.transaction  # noqa: S301
    with pytest.raises((TypeError, UsageError)):
        pickle.dumps(exchange)


def test_exchanges_do_not_change() -> None:
    exchange = enrolment()
    reply = status(exchange, "3").encode()
    assert exchange.receive(reply) == exchange.receive(reply)
    resumed = Transaction.from_json(exchange.transaction.to_json())
    assert resumed == exchange.transaction
    assert isinstance(exchange._sent.identity, Identity)
