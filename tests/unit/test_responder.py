"""The server side: what it answers to every request, good or bad."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from pyscep import http
from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.begin import cert_poll, get_cert, get_crl, pkcs_req, renewal_req
from pyscep.ca import CaCertificates, parse_ca_certificates
from pyscep.capabilities import Algorithms, Capability, parse_capabilities
from pyscep.certificates import Certificate, Identity
from pyscep.crl import parse_crl
from pyscep.errors import SignatureInvalid, StoreError, UntrustedCa, UsageError
from pyscep.exchange import Exchange
from pyscep.extensions import (
    ExtendedKeyUsage,
    Extension,
    GeneralName,
    KeyUsage,
    basic_constraints,
    extended_key_usage,
    key_usage,
    read_extended_key_usage,
)
from pyscep.handlers import (
    ApprovalHandler,
    Decision,
    Defer,
    EnrolmentRequest,
    Issue,
    Refuse,
    SignerTrust,
    static_challenge,
)
from pyscep.http import HttpRequest, HttpResponse
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.messages import FailInfo, MessageType, PkiStatus
from pyscep.names import build_name
from pyscep.pkcs10 import CertificationRequest, build_csr
from pyscep.pki_message import VerifiedMessage, parse_pki_message
from pyscep.responder import Responder, no_passwords
from pyscep.store import RecordStatus
from pyscep.testing.ephemeral_ca import ALL_CA_USAGES
from pyscep.transaction import (
    CrlSuccess,
    Failure,
    Pending,
    Reply,
    Success,
    TransactionState,
    require_success,
)
from tests.helpers import key_kinds, keys, password_recipient, responders
from tests.helpers.message_factory import Envelope, cert_rep, request
from tests.helpers.password_recipient import PasswordRecipientInfo
from tests.helpers.responders import begin, certified, new_responder, send, trust
from tests.helpers.tlv import utf8

DES3, DES = ContentEncryptionAlgorithm.DES_EDE3_CBC, ContentEncryptionAlgorithm.DES_CBC


class Recorder:
    """A handler that decides as told and remembers what it was asked."""

    def __init__(self, decision: Decision = Issue()) -> None:
        self.decision = decision
        self.asked: list[EnrolmentRequest] = []

    def decide(self, request: EnrolmentRequest) -> Decision:
        self.asked.append(request)
        return self.decision


class Observer:
    """Remembers the certificates that it is told of, and forbids them as long as told to."""

    def __init__(self, *, refuses: bool) -> None:
        self.refuses = refuses
        self.issued_certificates: list[Certificate] = []

    def issued(self, certificate: Certificate) -> None:
        self.issued_certificates.append(certificate)
        if self.refuses:
            raise StoreError("Not now.")

    def failed(self, reason: str) -> None:
        raise NotImplementedError


def fail_info(reply: object) -> FailInfo | None:
    assert isinstance(reply, Failure), reply
    return reply.fail_info


def get(responder: Responder, query: str) -> HttpResponse:
    return responder.handle(HttpRequest(method="GET", url=f"{responders.URL}?{query}"))


def post(responder: Responder, body: bytes) -> HttpResponse:
    url = f"{responders.URL}?operation=PKIOperation"
    return responder.handle(HttpRequest(method="POST", url=url, body=body))


class TestOperations:
    @pytest.mark.conforms("C-24", "C-30")
    def test_more_can_be_announced(self) -> None:
        responder = new_responder(extra_capabilities=("SHA-384", "Example.com-Foo"))
        body = get(responder, "operation=GetCACaps").body
        assert body.splitlines()[-2:] == [b"SHA-384", b"Example.com-Foo"]

    @pytest.mark.conforms("C-24")
    def test_a_keyword_without_owner_is_refused_at_once(self) -> None:
        with pytest.raises(UsageError, match="Foo") as got:
            new_responder(extra_capabilities=("Foo",))
        assert got.value.argument == "extra"

    @pytest.mark.conforms("C-13", "C-14", "C-29", "C-32")
    def test_capabilities_say_what_is_enforced(self) -> None:
        caps = parse_capabilities(get(new_responder(), "operation=GetCACaps").body)
        assert caps.keywords == {
            Capability.AES,
            Capability.POST_PKI_OPERATION,
            Capability.RENEWAL,
            Capability.SHA256,
            Capability.SHA512,
            Capability.SCEP_STANDARD,
        }
        old = new_responder(
            ciphers={DES3}, digests={DigestAlgorithm.SHA1}, renewal=False
        ).capabilities
        assert old == {Capability.DES3, Capability.SHA1, Capability.POST_PKI_OPERATION}

    @pytest.mark.conforms("G-01", "G-03", "G-04", "S-16")
    def test_ca_certificates(self) -> None:
        one = get(new_responder(), "operation=GetCACert&message=anything")
        assert one.header("Content-Type") == "application/x-x509-ca-cert"
        assert one.body == responders.authority().issuer.der
        authority = responders.new_authority(separate_ra=True)
        several = get(new_responder(authority=authority), "operation=GetCACert")
        assert several.header("Content-Type") == "application/x-x509-ca-ra-cert"
        assert set(parse_ca_certificates(several.body).certificates) == set(authority.published)

    @pytest.mark.conforms("G-20")
    def test_the_chain_of_the_drafts(self) -> None:
        for authority in (responders.authority(), responders.new_authority(intermediates=1)):
            response = get(new_responder(authority=authority), "operation=GetCACertChain")
            assert response.header("Content-Type") == "application/x-x509-ca-ra-cert-chain"
            assert parse_ca_certificates(response.body).certificates == authority.published

    @pytest.mark.conforms("N-10", "T-20")
    def test_no_next_ca(self) -> None:
        response = get(new_responder(), "operation=GetNextCACert")
        assert response.status == 501
        assert response.body == b"This server does not have this operation.\n"

    @pytest.mark.conforms("N-01", "N-02", "N-07", "N-10", "W-17")
    def test_rollover(self) -> None:
        following = responders.authority().roll_over(
            not_before=keys.NOW, lifetime=timedelta(days=7300), key=keys.rsa(6)
        )
        responder = new_responder(next_authority=following)
        client = responders.client_of(responder)
        current = trust(responder)
        after = client.get_next_ca_cert(current=current, at=None)
        assert after.issuer == following.issuer

        asked = responders.csr()
        identity = responders.self_signed(asked)
        for ca, authority in ((current, responders.authority()), (after, following)):
            reply = client.enrol(asked, identity=identity, ca=ca)
            assert isinstance(reply, Success)
            assert reply.certificate.issuer == authority.issuer.subject
            reply.certificate.signed.verify(authority.issuer.public_key, provider=keys.provider())

    @pytest.mark.conforms("T-20", "T-23", "S-22")
    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ("operation=Nonsense", 400),
            ("", 400),
            ("operation=PKIOperation", 400),
            ("operation=PKIOperation&message=!!!", 400),
            ("operation=PKIOperation&message=MAA=", 400),
        ],
    )
    def test_bad_http(self, query: str, status: int) -> None:
        response = get(new_responder(), query)
        assert response.status == status
        assert response.header("Content-Type") == http.TEXT_TYPE
        assert b"Traceback" not in response.body
        assert len(response.body.split(b"\n")) <= 2

    @pytest.mark.conforms("T-02", "T-05")
    def test_get_and_post_are_alike(self) -> None:
        responder = new_responder()
        exchange = begin(responder)
        sent = quote(base64.b64encode(exchange.message).decode(), safe="")
        by_get = get(responder, f"operation=PKIOperation&message={sent}")
        by_post = post(responder, exchange.message)
        results = []
        for response in (by_get, by_post):
            assert (response.status, response.header("Content-Type")) == (
                200,
                "application/x-pki-message",
            )
            results.append(require_success(exchange.receive(response.body)).certificate)
        assert results[0] == results[1]


class TestEnrolment:
    @pytest.mark.conforms("R-02", "S-03", "V-10")
    def test_what_the_handler_is_told(self) -> None:
        handler = Recorder()
        responder = new_responder(handler=handler)
        exchange = begin(responder, challenge_password="a secret", transaction_id="TX")
        certificate = require_success(send(responder, exchange)).certificate
        (asked,) = handler.asked
        assert asked.message_type is MessageType.PKCS_REQ
        assert asked.trust is SignerTrust.SELF_SIGNED
        assert asked.challenge_password == "a secret"
        assert asked.transaction_id == "TX"
        assert asked.csr.der == responders.csr(challenge_password="a secret").der
        assert asked.signer.public_key == certificate.public_key
        assert "a secret" not in repr(asked)

    @pytest.mark.conforms("H-05", "A-16")
    @pytest.mark.parametrize("challenge", ["wrong", "righ", "right ", None])
    def test_a_wrong_challenge(self, challenge: str | None) -> None:
        responder = new_responder()
        reply = send(responder, begin(responder, challenge_password=challenge))
        assert fail_info(reply) is FailInfo.BAD_REQUEST
        assert isinstance(reply, Failure)
        assert reply.fail_info_text is None

    @pytest.mark.conforms("A-05", "A-06", "M-25")
    def test_refusals_and_deferrals_have_no_content(self) -> None:
        for decision in (Refuse(fail_info=FailInfo.BAD_TIME), Defer()):
            responder = new_responder(handler=Recorder(decision))
            octets = responder.answer(begin(responder).message)
            reply = parse_pki_message(octets).verify(
                trust(responder).signers,
                minimum_digest=DigestAlgorithm.SHA256,
                provider=keys.provider(),
            )
            assert reply.content is None
            old = replace(responder, empty_content=b"", handler=Recorder(Refuse()))
            octets = old.answer(begin(old).message)
            assert (
                parse_pki_message(octets).verify_possession(provider=keys.provider()).content == b""
            )

    @pytest.mark.conforms("H-01", "A-15")
    def test_the_handlers_reason_reaches_the_client(self) -> None:
        refusal = Refuse(fail_info=FailInfo.BAD_TIME, fail_info_text="Zu spät")
        responder = new_responder(handler=Recorder(refusal))
        reply = send(responder, begin(responder))
        assert isinstance(reply, Failure)
        assert (reply.fail_info, reply.fail_info_text) == (FailInfo.BAD_TIME, "Zu spät")

    def test_the_handlers_changes_reach_the_certificate(self) -> None:
        usage = key_usage([KeyUsage.DIGITAL_SIGNATURE])
        decision = Issue(
            subject=build_name("CN=given"), extensions=(usage,), lifetime=timedelta(hours=1)
        )
        responder = new_responder(handler=Recorder(decision))
        reply = require_success(send(responder, begin(responder)))
        assert reply.subject_changed
        assert reply.certificate.subject == build_name("CN=given")
        assert reply.certificate.not_after - reply.certificate.not_before == timedelta(hours=1)
        assert not reply.certificate.allows(KeyUsage.KEY_ENCIPHERMENT)

    @pytest.mark.conforms("R-11")
    def test_nobody_becomes_a_ca_by_asking(self) -> None:
        responder = new_responder()
        asked = responders.csr(extra_extensions=(basic_constraints(ca=True), _unknown()))
        exchange = pkcs_req(asked, identity=responders.self_signed(asked), ca=trust(responder))
        certificate = require_success(send(responder, exchange)).certificate
        assert not certificate.is_ca
        assert _unknown().oid not in [each.oid for each in certificate.extensions]

    @pytest.mark.conforms("R-11")
    def test_nobody_gets_what_only_cas_may_do(self) -> None:
        responder = new_responder()
        any_purpose, web_server = "2.5.29.37.0", ExtendedKeyUsage.SERVER_AUTH
        signs = {KeyUsage.DIGITAL_SIGNATURE}
        for usages, purposes, left in (
            (signs | set(keys.CERT_SIGN), (any_purpose, web_server), web_server),
            (keys.CERT_SIGN, (any_purpose,), ExtendedKeyUsage.CLIENT_AUTH),
        ):
            asked = responders.csr(
                extra_extensions=(key_usage(usages), extended_key_usage(purposes))
            )
            exchange = pkcs_req(asked, identity=responders.self_signed(asked), ca=trust(responder))
            certificate = require_success(send(responder, exchange)).certificate
            assert certificate.key_usage is not None
            assert KeyUsage.DIGITAL_SIGNATURE in certificate.key_usage
            assert not certificate.key_usage & keys.CERT_SIGN
            assert read_extended_key_usage(certificate.extensions) == (left.value,)

    @pytest.mark.conforms("R-11", "S-19")
    @pytest.mark.parametrize("oid", ["2.5.29.17", "2.5.29.15", "2.5.29.37"])
    def test_malformed_extensions_get_into_no_certificate(self, oid: str) -> None:
        responder = new_responder()
        asked = responders.csr(extra_extensions=(Extension(oid=oid, value=b"nonsense"),))
        exchange = pkcs_req(asked, identity=responders.self_signed(asked), ca=trust(responder))
        assert fail_info(send(responder, exchange)) is FailInfo.BAD_REQUEST
        assert responder.store.get(exchange.transaction.transaction_id) is None

    @pytest.mark.conforms("A-03", "A-04")
    def test_the_chain_is_sent_where_it_is_wanted(self) -> None:
        for send_chain in (False, True):
            responder = new_responder(send_chain=send_chain)
            reply = require_success(send(responder, begin(responder)))
            assert (responders.authority().issuer in reply.others) is send_chain

    @pytest.mark.conforms("R-12", "A-15", "S-04")
    def test_weak_requests_get_bad_alg_unless_they_are_allowed(self) -> None:
        strict = new_responder()
        old = new_responder(
            minimum_rsa_bits=1024,
            digests={DigestAlgorithm.SHA1, DigestAlgorithm.SHA256},
            ciphers={DES3, ContentEncryptionAlgorithm.AES128_CBC},
        )
        for exchange in (*_weak_algorithms(strict), _small_key(strict), _sha1_csr(strict)):
            assert fail_info(send(strict, exchange)) is FailInfo.BAD_ALG
            # It is not a matter of the transaction, so that a better request still succeeds.
            assert strict.store.get(exchange.transaction.transaction_id) is None
            assert isinstance(send(old, exchange), Success)

    @pytest.mark.conforms("A-17", "E-21", "L-10")
    def test_the_reply_mirrors_the_request(self) -> None:
        old = new_responder(
            digests={DigestAlgorithm.SHA1, DigestAlgorithm.SHA512},
            ciphers={DES3, ContentEncryptionAlgorithm.AES256_CBC},
        )
        for cipher, digest in (
            (DES3, DigestAlgorithm.SHA1),
            (ContentEncryptionAlgorithm.AES256_CBC, DigestAlgorithm.SHA512),
        ):
            algorithms = Algorithms(content_encryption_algorithm=cipher, digest_algorithm=digest)
            request = responders.csr()
            exchange = pkcs_req(
                build_csr(
                    subject="CN=a",
                    key=keys.rsa(1),
                    challenge_password=responders.CHALLENGE,
                    digest_algorithm=digest,
                ),
                identity=responders.self_signed(request),
                ca=trust(old),
                algorithms=algorithms,
            )
            reply = require_success(send(old, exchange))
            assert reply.content_encryption_algorithm is cipher
            assert reply.digest_algorithm is digest

    @pytest.mark.conforms("E-12", "E-21")
    def test_single_des_is_read_if_it_is_named_and_never_sent(self) -> None:
        client = keys.client()
        octets = request(
            content=Envelope(
                recipient=responders.authority().issuer, content=responders.csr().der, cipher=DES
            ).encode(),
            signer=client,
        ).encode()
        assert _status_of(new_responder(), octets) is FailInfo.BAD_ALG
        named = new_responder(ciphers={DES})
        reply = parse_pki_message(named.answer(octets)).verify_possession(provider=keys.provider())
        assert reply.pki_status is PkiStatus.SUCCESS
        data = reply.decrypt((client,), provider=keys.provider())
        assert data.content_encryption_algorithm is ContentEncryptionAlgorithm.AES128_CBC

    @pytest.mark.conforms("R-05")
    def test_a_self_signed_certificate_for_another_key(self) -> None:
        responder = new_responder()
        exchange = begin(responder)
        envelope = Envelope(
            recipient=responder.authority.issuer, content=responders.csr(3).der
        ).encode()
        octets = request(content=envelope, signer=exchange._sent.identity).encode()
        assert _status_of(responder, octets) is FailInfo.BAD_REQUEST

    @pytest.mark.conforms("R-04", "R-16")
    def test_a_request_that_its_key_has_not_signed(self) -> None:
        responder = new_responder()
        der = responders.csr().der
        envelope = Envelope(
            recipient=responder.authority.issuer, content=der[:-1] + bytes([der[-1] ^ 1])
        ).encode()
        octets = request(content=envelope, signer=begin(responder)._sent.identity).encode()
        assert _status_of(responder, octets) is FailInfo.BAD_MESSAGE_CHECK

    @pytest.mark.conforms("E-26")
    def test_a_signer_who_could_not_open_the_reply_costs_no_certificate(self) -> None:
        handler = Recorder()
        responder = new_responder(handler=handler)
        envelope = Envelope(
            recipient=responder.authority.issuer, content=responders.csr().der
        ).encode()
        octets = request(content=envelope, signer=keys.ec_client()).encode()
        assert _status_of(responder, octets) is FailInfo.BAD_ALG
        assert not handler.asked

    @pytest.mark.conforms("M-34", "A-15", "T-23", "S-02")
    def test_who_cannot_be_verified_gets_no_pki_message(self) -> None:
        responder = new_responder()
        message = bytearray(begin(responder).message)
        message[-1] ^= 1
        response = post(responder, bytes(message))
        assert response.status == 400
        assert response.header("Content-Type") == http.TEXT_TYPE
        with pytest.raises(SignatureInvalid):
            responder.answer(bytes(message))

    @pytest.mark.conforms("R-01", "S-02")
    def test_a_cert_rep_is_no_request(self) -> None:
        octets = cert_rep(signer=keys.client(), content=b"never looked at").encode()
        assert _status_of(new_responder(), octets) is FailInfo.BAD_REQUEST

    @pytest.mark.conforms("S-06")
    def test_a_content_of_another_type_looks_like_one_that_does_not_open(self) -> None:
        authority = responders.authority()
        opens = Envelope(recipient=authority.issuer, content=b"\x30\x03\x02\x01\x05").encode()
        closed = Envelope(recipient=authority.issuer, content=b"no SEQUENCE").encode()
        replies = [
            _fail_info_of(new_responder().answer(request(content=content).encode()))
            for content in (opens, closed)
        ]
        assert replies == [FailInfo.BAD_REQUEST] * 2


def _unknown() -> Extension:
    return Extension(oid="1.2.3.4", value=b"\x05\x00")


def _weak_algorithms(responder: Responder) -> list[Exchange]:
    return [
        begin(responder, algorithms=Algorithms(digest_algorithm=DigestAlgorithm.SHA1)),
        begin(responder, algorithms=Algorithms(content_encryption_algorithm=DES3)),
    ]


def _small_key(responder: Responder) -> Exchange:
    small = responders.csr(1, bits=1024)
    identity = responders.self_signed(small, bits=1024)
    return pkcs_req(small, identity=identity, ca=trust(responder))


def _sha1_csr(responder: Responder) -> Exchange:
    asked = build_csr(
        subject="CN=a",
        key=keys.rsa(1),
        challenge_password=responders.CHALLENGE,
        digest_algorithm=DigestAlgorithm.SHA1,
    )
    return pkcs_req(asked, identity=responders.self_signed(asked), ca=trust(responder))


def _fail_info_of(octets: bytes) -> FailInfo | None:
    reply = parse_pki_message(octets).verify_possession(provider=keys.provider())
    return None if reply.fail_info is None else FailInfo(reply.fail_info)


def _status_of(responder: Responder, octets: bytes) -> FailInfo | None:
    return _fail_info_of(responder.answer(octets))


class TestRenewal:
    NEW = responders.csr(3, challenge_password=None)

    def renew(
        self,
        responder: Responder,
        identity: Identity,
        begin: Callable[..., Exchange] = renewal_req,
        **options: Any,
    ) -> Reply:
        options.setdefault("csr", self.NEW)
        return send(responder, begin(**options, identity=identity, ca=trust(responder)))

    @pytest.mark.conforms("R-03", "R-06", "W-13", "W-14")
    @pytest.mark.parametrize("begin", [renewal_req, pkcs_req])
    def test_a_valid_certificate_renews(self, begin: Callable[..., Exchange]) -> None:
        handler = Recorder()
        reply = self.renew(new_responder(handler=handler), certified(), begin)
        assert require_success(reply).certificate.public_key == keys.rsa(3).public_key
        assert handler.asked[0].trust is SignerTrust.TRUSTED

    @pytest.mark.conforms("R-03")
    def test_it_can_be_switched_off(self) -> None:
        responder = new_responder(renewal=False)
        assert fail_info(self.renew(responder, certified())) is FailInfo.BAD_REQUEST
        assert Capability.RENEWAL not in responder.capabilities
        assert isinstance(self.renew(responder, certified(), pkcs_req), Success)

    @pytest.mark.conforms("R-06", "W-16")
    @pytest.mark.parametrize(
        ("days", "trust"), [(-400, SignerTrust.OUTDATED), (1, SignerTrust.OUTDATED)]
    )
    def test_an_expired_certificate_or_one_of_tomorrow(self, days: int, trust: SignerTrust) -> None:
        identity = certified(at=keys.NOW + timedelta(days=days))
        handler = Recorder()
        responder = new_responder(handler=handler)
        assert fail_info(self.renew(responder, identity)) is FailInfo.BAD_REQUEST
        assert not handler.asked
        # As a PKCSReq it is for the handler to say, who knows what it is worth.
        self.renew(responder, identity, pkcs_req)
        assert handler.asked[0].trust is trust

    @pytest.mark.conforms("R-06", "W-16")
    def test_a_revoked_certificate(self) -> None:
        identity = certified()
        handler = Recorder()
        responder = new_responder(handler=handler)
        assert isinstance(self.renew(responder, identity), Success)
        responder.revoke(identity.certificate)
        assert fail_info(self.renew(responder, identity)) is FailInfo.BAD_REQUEST
        self.renew(responder, identity, pkcs_req)
        assert handler.asked[-1].trust is SignerTrust.REVOKED

    @pytest.mark.conforms("R-06", "M-34")
    def test_a_certificate_that_only_bears_the_cas_name(self) -> None:
        identity = keys.certify(
            "CN=sensor-17,O=Example",
            key=keys.rsa(1),
            issuer=keys.stranger(),
            issuer_name=str(responders.authority().issuer.subject),
        )
        handler = Recorder()
        responder = new_responder(handler=handler)
        assert fail_info(self.renew(responder, identity)) is FailInfo.BAD_REQUEST
        self.renew(responder, identity, pkcs_req)
        assert handler.asked[0].trust is SignerTrust.FOREIGN

    @pytest.mark.conforms("R-07", "S-03")
    def test_a_self_signed_certificate_renews_nothing(self) -> None:
        responder = new_responder(handler=Recorder())
        envelope = Envelope(
            recipient=responder.authority.issuer, content=responders.csr().der
        ).encode()
        signer = begin(responder)._sent.identity
        octets = request(message_type="17", content=envelope, signer=signer).encode()
        assert _status_of(responder, octets) is FailInfo.BAD_REQUEST

    @pytest.mark.conforms("R-17", "H-03")
    def test_the_standard_handler(self) -> None:
        responder = new_responder()
        other = responders.csr(3, subject="CN=other", challenge_password=None)
        assert isinstance(self.renew(responder, certified()), Success)
        reply = self.renew(responder, certified(), csr=other)
        assert isinstance(reply, Failure)
        assert reply.fail_info_text == "A renewal has to keep its names."
        changing = replace(static_challenge(responders.CHALLENGE), renewal_may_change_subject=True)
        reply = self.renew(new_responder(handler=changing), certified(), csr=other)
        assert require_success(reply).certificate.subject == other.subject
        strict = new_responder(
            handler=static_challenge(responders.CHALLENGE, renewal_needs_challenge=True)
        )
        assert fail_info(self.renew(strict, certified())) is FailInfo.BAD_REQUEST
        assert isinstance(self.renew(strict, certified(), csr=responders.csr(3)), Success)

    @pytest.mark.conforms("R-17")
    def test_a_renewal_adds_no_alternative_names(self) -> None:
        """A certificate for one host must not become one for all of them."""
        responder = new_responder()

        def asking(*names: str, challenge_password: str | None = None) -> CertificationRequest:
            return build_csr(
                subject="CN=sensor-17,O=Example",
                key=keys.rsa(1),
                subject_alt_names=[GeneralName.dns(name) for name in names],
                challenge_password=challenge_password,
            )

        first = asking("sensor.example", "s17.example", challenge_password=responders.CHALLENGE)
        exchange = pkcs_req(first, identity=responders.self_signed(first), ca=trust(responder))
        held = require_success(send(responder, exchange)).certificate
        identity = Identity(certificate=held, key=keys.rsa(1))
        for kept in ((), ("s17.example",), ("s17.example", "sensor.example")):
            issued = require_success(self.renew(responder, identity, csr=asking(*kept))).certificate
            assert issued.subject_alt_names == tuple(GeneralName.dns(name) for name in kept)
        for names in (("admin.example",), ("s17.example", "admin.example")):
            for start in (renewal_req, pkcs_req):
                reply = self.renew(responder, identity, start, csr=asking(*names))
                assert fail_info(reply) is FailInfo.BAD_REQUEST
        # Whoever may have any name, has the challenge password.
        allowed = asking("admin.example", challenge_password=responders.CHALLENGE)
        assert isinstance(self.renew(responder, identity, csr=allowed), Success)


class TestTransactions:
    @pytest.mark.conforms("X-07", "P-12", "S-09", "H-11")
    def test_a_request_sent_again_gets_the_same_certificate(self) -> None:
        handler = Recorder()
        responder = new_responder(handler=handler)
        exchange = begin(responder)
        first = require_success(send(responder, exchange))
        again = require_success(send(responder, exchange))
        assert again.certificate == first.certificate
        assert len(handler.asked) == 1

    @pytest.mark.conforms("X-08", "M-20")
    def test_an_id_in_use_by_another_key_or_request(self) -> None:
        responder = new_responder()
        first = begin(responder, transaction_id="ONE")
        certificate = require_success(send(responder, first)).certificate
        other_key = begin(responder, number=3, transaction_id="ONE")
        other_request = begin(responder, challenge_password="other", transaction_id="ONE")
        for exchange in (other_key, other_request):
            assert fail_info(send(responder, exchange)) is FailInfo.BAD_REQUEST
        assert require_success(send(responder, first)).certificate == certificate

    @pytest.mark.conforms("X-09", "L-04")
    def test_an_id_is_free_again_when_the_transaction_is_old(self) -> None:
        clock = [keys.NOW]
        responder = new_responder(now=lambda: clock[0])
        for days, same in ((0, True), (29, True), (31, False)):
            clock[0] = keys.NOW
            first = begin(responder, transaction_id=f"ID{days}")
            certificate = require_success(send(responder, first)).certificate
            clock[0] = keys.NOW + timedelta(days=days)
            again = require_success(send(responder, first)).certificate
            assert (again == certificate) is same

    @pytest.mark.conforms("X-09", "H-11", "S-09")
    @pytest.mark.parametrize("forgets", [False, True])
    def test_a_used_challenge_is_used_for_good(self, *, forgets: bool) -> None:
        """Also for the same ID, and the same message, once its transaction has been forgotten."""
        clock = [keys.NOW]
        handler = replace(static_challenge(responders.CHALLENGE), one_time=True)
        responder = new_responder(handler=handler, now=lambda: clock[0])
        exchange = begin(responder)
        require_success(send(responder, exchange))
        assert responder.forget() == 0
        clock[0] += timedelta(days=31)
        if forgets:
            assert responder.forget() == 1
        assert fail_info(send(responder, exchange)) is FailInfo.BAD_REQUEST

    @pytest.mark.conforms("X-09", "X-07")
    @pytest.mark.parametrize("begin_renewal", [pkcs_req, renewal_req])
    @pytest.mark.parametrize("challenge_password", [responders.CHALLENGE, None])
    def test_a_renewal_under_the_same_id_is_no_repetition(
        self, begin_renewal: Callable[..., Exchange], challenge_password: str | None
    ) -> None:
        """IDs made of the key stay the same while the key does: certmonger, micromdm."""
        responder = new_responder()
        first = require_success(send(responder, begin(responder, transaction_id="ONE")))
        renewal = begin_renewal(
            responders.csr(challenge_password=challenge_password),
            identity=Identity(certificate=first.certificate, key=keys.rsa(1)),
            ca=trust(responder),
            transaction_id="ONE",
        )
        second = require_success(send(responder, renewal))
        assert second.certificate != first.certificate
        again = require_success(send(responder, renewal))
        assert again.certificate == second.certificate
        for certificate in (first.certificate, second.certificate):
            identifier = IssuerAndSerialNumber.of(certificate)
            assert responder.store.find_certificate(identifier) == certificate.der

    @pytest.mark.conforms("X-09", "X-15")
    def test_a_refused_renewal_under_the_same_id_gets_no_old_certificate(self) -> None:
        handler = Recorder()
        responder = new_responder(handler=handler)
        first = begin(responder, transaction_id="ONE")
        certificate = require_success(send(responder, first)).certificate
        handler.decision = Refuse()
        renewal = renewal_req(
            responders.csr(),
            identity=Identity(certificate=certificate, key=keys.rsa(1)),
            ca=trust(responder),
            transaction_id="ONE",
        )
        assert fail_info(send(responder, renewal)) is FailInfo.BAD_REQUEST
        assert require_success(send(responder, first)).certificate == certificate

    def test_a_refusal_is_not_kept_against_the_client(self) -> None:
        responder = new_responder()
        wrong = begin(responder, challenge_password="wrong", transaction_id="ONE")
        assert isinstance(send(responder, wrong), Failure)
        right = begin(responder, transaction_id="ONE")
        assert isinstance(send(responder, right), Success)

    @pytest.mark.conforms("X-16")
    def test_the_same_request_in_many_threads_is_issued_once(self) -> None:
        handler = Recorder()
        responder = new_responder(handler=handler)
        exchange = begin(responder)
        certificates: list[Certificate] = []

        def run() -> None:
            certificates.append(require_success(send(responder, exchange)).certificate)

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(certificates), len(set(certificates))) == (8, 1)

    @pytest.mark.conforms("X-07", "X-16", "H-11")
    def test_a_refusal_comes_too_late_where_another_thread_has_issued(self) -> None:
        """A challenge for one use is used up by the same request, asked about a moment before."""
        responder = new_responder()
        exchange = begin(responder)
        certificates: list[Certificate] = []

        class Slow:
            def decide(self, request: EnrolmentRequest) -> Decision:
                faster = require_success(send(responder, exchange))
                certificates.append(faster.certificate)
                return Refuse()

        slow = replace(responder, handler=Slow())
        certificates.append(require_success(send(slow, exchange)).certificate)
        assert len(certificates) == 2
        assert len(set(certificates)) == 1

    @pytest.mark.conforms("X-12")
    def test_the_id_is_echoed_in_its_own_string_type(self) -> None:
        responder = new_responder()
        envelope = Envelope(
            recipient=responder.authority.issuer, content=responders.csr().der
        ).encode()
        message = request(content=envelope, signer=begin(responder)._sent.identity)
        octets = responder.answer(message.having("transactionID", utf8("odd_id")).encode())
        assert utf8("odd_id") in octets

    @pytest.mark.conforms("X-14", "S-21")
    def test_two_transactions_of_one_key(self) -> None:
        responder = new_responder()
        first, second = (require_success(send(responder, begin(responder))) for _ in range(2))
        assert first.certificate.serial_number != second.certificate.serial_number


class TestApproval:
    def setup_method(self) -> None:
        self.responder = new_responder(handler=ApprovalHandler())
        self.exchange = begin(self.responder)
        self.id = self.exchange.transaction.transaction_id
        pending = send(self.responder, self.exchange)
        assert isinstance(pending, Pending)
        self.pending = pending

    def poll(self, identity: Identity | None = None) -> Reply:
        exchange = cert_poll(
            self.pending.transaction,
            identity=identity or self.exchange._sent.identity,
            ca=trust(self.responder),
        )
        return send(self.responder, exchange)

    @pytest.mark.conforms("A-14", "P-10", "P-11", "P-12", "X-03")
    def test_pending_until_approved(self) -> None:
        assert isinstance(self.poll(), Pending)
        assert isinstance(send(self.responder, self.exchange), Pending)
        (waiting,) = self.responder.store.pending()
        assert (waiting.transaction_id, waiting.status) == (self.id, RecordStatus.PENDING)
        approved = self.responder.approve(self.id)
        assert self.responder.store.pending() == ()
        for reply in (self.poll(), self.poll(), send(self.responder, self.exchange)):
            assert require_success(reply).certificate == approved

    @pytest.mark.conforms("X-15", "P-11")
    def test_denied_for_good(self) -> None:
        self.responder.deny(self.id, Refuse(fail_info_text="No."))
        for reply in (self.poll(), self.poll(), send(self.responder, self.exchange)):
            assert isinstance(reply, Failure)
            assert (reply.fail_info, reply.fail_info_text) == (FailInfo.BAD_REQUEST, "No.")
            assert reply.transaction.state is TransactionState.CERT_NONEXISTENT

    def test_the_approver_may_change_the_certificate(self) -> None:
        approved = self.responder.approve(self.id, Issue(subject=build_name("CN=approved")))
        assert approved.subject == build_name("CN=approved")

    def test_only_what_is_pending_can_be_decided(self) -> None:
        for settle in (self.responder.approve, self.responder.deny):
            with pytest.raises(UsageError, match="No pending request") as caught:
                settle("unknown")
            assert caught.value.argument == "transaction_id"
        self.responder.approve(self.id)
        with pytest.raises(UsageError):
            self.responder.deny(self.id)
        assert isinstance(self.poll(), Success)

    @pytest.mark.conforms("P-08")
    def test_a_strangers_poll(self) -> None:
        self.responder.approve(self.id)
        stranger = self_signed_stranger()
        transaction = replace(
            self.pending.transaction, signer_sha256=stranger.certificate.sha256_fingerprint
        )
        exchange = cert_poll(transaction, identity=stranger, ca=trust(self.responder))
        assert fail_info(send(self.responder, exchange)) is FailInfo.BAD_CERT_ID

    @pytest.mark.conforms("P-04")
    def test_a_poll_for_nothing(self) -> None:
        transaction = replace(self.pending.transaction, transaction_id="unknown")
        exchange = cert_poll(
            transaction, identity=self.exchange._sent.identity, ca=trust(self.responder)
        )
        assert fail_info(send(self.responder, exchange)) is FailInfo.BAD_CERT_ID

    @pytest.mark.conforms("P-05")
    def test_the_names_in_a_poll_do_not_matter(self) -> None:
        transaction = replace(self.pending.transaction, subject=build_name("CN=somebody else"))
        exchange = cert_poll(
            transaction, identity=self.exchange._sent.identity, ca=trust(self.responder)
        )
        assert isinstance(send(self.responder, exchange), Pending)

    @pytest.mark.conforms("V-08", "X-03")
    def test_an_observer_is_told_before_the_client(self) -> None:
        told = Observer(refuses=True)
        exchange = begin(self.responder)
        assert isinstance(send(self.responder, exchange), Pending)
        transaction_id = exchange.transaction.transaction_id
        with pytest.raises(StoreError):
            self.responder.approve(transaction_id, Issue(observer=told))
        assert isinstance(send(self.responder, exchange), Pending)

        told.refuses = False
        certificate = self.responder.approve(transaction_id, Issue(observer=told))
        assert told.issued_certificates == [certificate, certificate]
        assert require_success(send(self.responder, exchange)).certificate == certificate
        with pytest.raises(UsageError):
            self.responder.approve(transaction_id)

    @pytest.mark.conforms("V-08")
    def test_an_approval_without_observer_delivers_what_one_held_back(self) -> None:
        told = Observer(refuses=True)
        exchange = begin(self.responder)
        send(self.responder, exchange)
        transaction_id = exchange.transaction.transaction_id
        with pytest.raises(StoreError):
            self.responder.approve(transaction_id, Issue(observer=told))
        certificate = self.responder.approve(transaction_id)
        assert told.issued_certificates == [certificate]
        assert require_success(send(self.responder, exchange)).certificate == certificate


def self_signed_stranger() -> Identity:
    return responders.self_signed(responders.csr(3), 3)


class TestQueries:
    @pytest.mark.conforms("Q-03", "Q-09", "A-13")
    def test_get_cert(self) -> None:
        responder = new_responder()
        issued = require_success(send(responder, begin(responder))).certificate
        identity = Identity(certificate=issued, key=keys.rsa(1))
        for identifier, found in (
            (IssuerAndSerialNumber.of(issued), True),
            (replace(IssuerAndSerialNumber.of(issued), serial_number=1), False),
            (replace(IssuerAndSerialNumber.of(issued), issuer=build_name("CN=x")), False),
        ):
            query = get_cert(identifier, identity=identity, ca=trust(responder), transaction_id="1")
            reply = query.receive(responder.answer(query.message))
            if found:
                assert isinstance(reply, Success)
                assert reply.certificate == issued
            else:
                assert isinstance(reply, Failure)
                assert reply.fail_info is FailInfo.BAD_CERT_ID
                assert reply.explanation.startswith("The server has no certificate for this")

    @pytest.mark.conforms("S-26")
    def test_who_may_ask_is_the_callers_policy(self) -> None:
        issued = certified().certificate
        asked: list[tuple[Certificate, IssuerAndSerialNumber]] = []

        def may_query(signer: Certificate, identifier: IssuerAndSerialNumber) -> bool:
            asked.append((signer, identifier))
            return False

        responder = new_responder(may_query=may_query)
        identity = Identity(certificate=issued, key=keys.rsa(1))
        query = get_cert(IssuerAndSerialNumber.of(issued), identity=identity, ca=trust(responder))
        reply = query.receive(responder.answer(query.message))
        assert fail_info(reply) is FailInfo.BAD_CERT_ID
        assert asked == [(issued, IssuerAndSerialNumber.of(issued))]

    @pytest.mark.conforms("Q-06", "A-07")
    def test_get_crl(self) -> None:
        responder = new_responder()
        identity = certified()
        identifier = IssuerAndSerialNumber.of(identity.certificate)
        revoked = []
        for _ in range(2):
            query = get_crl(identifier, identity=identity, ca=trust(responder))
            reply = query.receive(responder.answer(query.message))
            assert isinstance(reply, CrlSuccess)
            revoked.append(reply.crl.revocation_date(identity.certificate.serial_number))
            responder.revoke(identity.certificate)
        assert revoked == [None, keys.NOW]
        with pytest.raises(UsageError, match="not one of this CA"):
            responder.revoke(keys.stranger().certificate)

    @pytest.mark.conforms("Q-06", "A-15")
    def test_a_ca_that_may_not_sign_crls_answers_none(self) -> None:
        authority = responders.new_authority(
            ca_key_usage=tuple(set(ALL_CA_USAGES) - {KeyUsage.CRL_SIGN})
        )
        responder = new_responder(authority=authority)
        identity = certified(by=authority)
        query = get_crl(
            IssuerAndSerialNumber.of(identity.certificate), identity=identity, ca=trust(responder)
        )
        reply = query.receive(responder.answer(query.message))
        assert isinstance(reply, Failure)
        assert reply.fail_info is FailInfo.BAD_REQUEST
        assert reply.fail_info_text == "This CA signs no CRLs."
        with pytest.raises(UsageError, match="lacks cRLSign") as caught:
            responder.crl()
        assert caught.value.argument == "authority"
        # And a client would not take one of it.
        listed = parse_crl(authority.crl(at=keys.NOW))
        with pytest.raises(UntrustedCa, match="lacks cRLSign"):
            listed.verify(authority.issuer, provider=keys.provider())

    @pytest.mark.conforms("A-15", "Q-03")
    def test_get_crl_of_another_ca(self) -> None:
        responder = new_responder()
        query = get_crl(
            IssuerAndSerialNumber(issuer=build_name("CN=other"), serial_number=1),
            identity=certified(),
            ca=trust(responder),
        )
        reply = query.receive(responder.answer(query.message))
        assert isinstance(reply, Failure)
        assert reply.fail_info is FailInfo.BAD_CERT_ID
        assert reply.explanation.startswith("The server has no CRL for this issuer")


class TestChallengesThatEncrypt:
    """Requests to a CA that cannot decrypt, and replies to clients that cannot."""

    def begin(self, responder: Responder, client: str = "RSA", **options: Any) -> Exchange:
        return pkcs_req(
            key_kinds.csr(client, **options),
            identity=key_kinds.self_signed(client),
            ca=trust(responder),
        )

    @pytest.mark.conforms("E-04", "E-05")
    def test_who_signed_may_say_which_challenges_there_are(self) -> None:
        asked: list[str] = []

        def passwords(message: VerifiedMessage) -> list[str]:
            asked.append(str(message.signer.subject))
            return [key_kinds.CHALLENGE]

        responder = key_kinds.new_responder("EC", challenge_passwords=passwords)
        require_success(send(responder, self.begin(responder)))
        assert asked == ["CN=sensor-17,O=Example"]
        # A CA that can decrypt asks for none, whoever the client is, and reads none.
        responder = key_kinds.new_responder("RSA", challenge_passwords=passwords)
        require_success(send(responder, self.begin(responder, "EC")))
        pwri = PasswordRecipientInfo(password=key_kinds.CHALLENGE.encode())
        content = password_recipient.envelope(pwri.encode(), content=key_kinds.csr("RSA").der)
        octets = request(content=content, signer=key_kinds.self_signed("RSA")).encode()
        assert _status_of(responder, octets) is FailInfo.BAD_ALG
        assert asked == ["CN=sensor-17,O=Example"]

    @pytest.mark.conforms("E-04", "E-16", "S-06")
    def test_what_no_challenge_opens_is_answered_like_all_that_does_not_open(self) -> None:
        right = PasswordRecipientInfo(password=key_kinds.CHALLENGE.encode())
        der = key_kinds.csr("RSA").der
        envelopes = {
            "another challenge": password_recipient.envelope(
                replace(right, password=b"another").encode(), content=der
            ),
            "garbage inside": password_recipient.envelope(right.encode(), content=der[1:]),
            "a key too short": password_recipient.envelope(
                replace(right, content_key=bytes(15)).encode(), content=der
            ),
            "too much work": password_recipient.envelope(
                replace(right, iterations=10**7, counted=1).encode(), content=der
            ),
        }
        for responder in (
            key_kinds.new_responder("EC"),
            key_kinds.new_responder("EC", challenge_passwords=no_passwords),
        ):
            handler = Recorder()
            for name, envelope in envelopes.items():
                watched = replace(responder, handler=handler)
                octets = request(content=envelope, signer=key_kinds.self_signed("RSA")).encode()
                known = responder.challenge_passwords is not no_passwords
                expected = FailInfo.BAD_REQUEST if known else FailInfo.BAD_ALG
                assert _status_of(watched, octets) is expected, name
            assert handler.asked == []

    @pytest.mark.conforms("P-08", "E-27")
    def test_the_challenge_of_a_request_opens_polls_of_its_signer_only(self) -> None:
        responder = key_kinds.new_responder("EC", handler=key_kinds.waiting())
        pending = send(responder, self.begin(responder))
        assert isinstance(pending, Pending)
        responder = replace(responder, challenge_passwords=no_passwords)
        responder.approve(pending.transaction.transaction_id)
        stranger = key_kinds.self_signed("RSA", 2)
        thief = replace(pending.transaction, signer_sha256=stranger.certificate.sha256_fingerprint)
        poll = cert_poll(
            thief,
            identity=stranger,
            ca=trust(responder),
            challenge_password=key_kinds.CHALLENGE,
        )
        assert fail_info(send(responder, poll)) is FailInfo.BAD_ALG

    @pytest.mark.conforms("E-26", "E-29")
    @pytest.mark.parametrize("challenge", [None, "fifteen letters"])
    def test_a_client_that_could_not_be_answered_costs_no_certificate(
        self, challenge: str | None
    ) -> None:
        handler = Recorder()
        responder = key_kinds.new_responder("RSA", handler=handler)
        der = key_kinds.csr("EC", challenge_password=challenge).der
        envelope = Envelope(recipient=responder.authority.issuer, content=der).encode()
        octets = request(content=envelope, signer=key_kinds.self_signed("EC")).encode()
        assert _status_of(responder, octets) is FailInfo.BAD_ALG
        assert handler.asked == []

    @pytest.mark.conforms("N-07", "E-05")
    @pytest.mark.parametrize(("today", "following"), [("RSA", "EC"), ("EC", "RSA"), ("EC", "EC")])
    def test_across_a_rollover(self, today: str, following: str) -> None:
        first = key_kinds.authority(today)
        second = first.roll_over(
            not_before=keys.NOW, lifetime=timedelta(days=7300), key=key_kinds.key(following, 8)
        )
        responder = key_kinds.new_responder(today, next_authority=second)
        client = responders.client_of(responder)
        after = client.get_next_ca_cert(current=trust(responder), at=None)
        assert after.recipient.key_type is second.issuer.key_type
        for ca, issuer in ((trust(responder), first.issuer), (after, second.issuer)):
            asked = key_kinds.csr("RSA")
            exchange = pkcs_req(asked, identity=key_kinds.self_signed("RSA"), ca=ca)
            octets = responder.answer(exchange.message)
            reply = parse_pki_message(octets).verify_possession()
            # Nothing in a message under a password says which of two such CAs it is for.
            expected = first.issuer if today == following == "EC" else issuer
            assert reply.signer == expected


class TestSecrecy:
    @pytest.mark.conforms("E-16", "S-06", "S-07")
    def test_what_does_not_open_is_answered_alike(self) -> None:
        """Wrong key, wrong padding, wrong content, wrong recipient: one and the same answer."""
        responder = new_responder()
        ca = responder.authority.issuer
        signer = begin(responder)._sent.identity
        good = Envelope(recipient=ca, content=responders.csr().der)
        broken = {
            "key": replace(good, encrypted_key=bytes(256)),
            "key size": replace(good, content_key=b"short"),
            "padding": replace(good, encrypted_content=bytes(32)),
            "blocks": replace(good, encrypted_content=bytes(17)),
            "nothing": replace(good, encrypted_content=b""),
            "content": replace(good, content=b"no request"),
            "recipient": replace(good, recipient=keys.stranger().certificate),
        }
        answers = set()
        for envelope in broken.values():
            octets = responder.answer(request(content=envelope.encode(), signer=signer).encode())
            reply = parse_pki_message(octets).verify_possession(provider=keys.provider())
            answers.add((reply.pki_status, reply.fail_info, reply.fail_info_text, reply.content))
        assert len(answers) == 1

    @pytest.mark.conforms("H-10", "S-24")
    def test_nothing_says_the_challenge(self) -> None:
        responder = new_responder(handler=ApprovalHandler())
        exchange = begin(responder, challenge_password="NoOneMayReadIt")
        send(responder, exchange)
        (record,) = responder.store.pending()
        for thing in (responder, record, responder.handler, exchange):
            assert "NoOneMayReadIt" not in repr(thing)
            assert b"NoOneMayReadIt".hex() not in repr(thing)


def test_a_responder_of_several_certificates_answers_what_is_encrypted_to_its_ra() -> None:
    authority = responders.new_authority(separate_ra=True, intermediates=1, key=keys.rsa(0))
    responder = new_responder(authority=authority)
    ca = CaCertificates(certificates=authority.published).authenticate(
        anchors=[authority.root], at=keys.NOW
    )
    assert ca.recipient == authority.recipients[0].certificate
    asked = responders.csr()
    exchange = pkcs_req(asked, identity=responders.self_signed(asked), ca=ca)
    reply = require_success(send(responder, exchange))
    assert reply.chain.certificates[1:] == (authority.issuer, authority.root)
