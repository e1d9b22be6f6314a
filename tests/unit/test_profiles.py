"""The imitations of real servers: what each is known for, seen by a client over HTTP."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

import pyscep
from pyscep import asn1
from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm, KeyEncryptionAlgorithm
from pyscep.begin import get_cert, get_crl, pkcs_req
from pyscep.ca import TrustedCa
from pyscep.capabilities import Algorithms, HttpMethod
from pyscep.certificates import Identity
from pyscep.client import Client
from pyscep.errors import HttpError, UsageError
from pyscep.exchange import DEFAULT_RULES, ReplyRules
from pyscep.handlers import ApprovalHandler, static_challenge
from pyscep.http import HttpRequest, HttpResponse, pki_operation
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.memory_store import MemoryStore
from pyscep.messages import FailInfo
from pyscep.pki_message import VerifiedMessage, parse_pki_message
from pyscep.testing import Fault
from pyscep.testing.profiles import (
    AWS_PRIVATE_CA,
    CISCO_IOS_CA,
    CLEARPASS,
    DOGTAG,
    EJBCA,
    MICROMDM,
    NDES,
    OPENXPKI,
    PROFILES,
    STANDARD,
    STEP_CA,
    Profile,
    ProfileServer,
    find_profile,
)
from pyscep.transaction import Failure, Pending, Reply, Success, require_success
from pyscep.transport import RequestsTransport
from tests.helpers import keys, message_factory, responders, tlv

DES, DES3 = ContentEncryptionAlgorithm.DES_CBC, ContentEncryptionAlgorithm.DES_EDE3_CBC
AES = ContentEncryptionAlgorithm.AES128_CBC
SHA1, SHA256 = DigestAlgorithm.SHA1, DigestAlgorithm.SHA256
READ_DES = ReplyRules(read_legacy_ciphers=frozenset((DES, DES3)))
# What each server wants to be sent.
OLD = Algorithms(
    content_encryption_algorithm=DES3, digest_algorithm=SHA1, http_method=HttpMethod.GET
)


@dataclass
class Visit:
    """A client at a server that imitates another one."""

    server: ProfileServer
    send: RequestsTransport
    rules: ReplyRules = READ_DES

    @property
    def client(self) -> Client:
        return Client(self.server.url, send=self.send, rules=self.rules, provider=keys.provider())

    @property
    def ca(self) -> TrustedCa:
        root = self.server.responder.authority.published[-1]
        return self.client.get_ca_cert().authenticate(
            sha256=root.sha256_fingerprint,
            at=keys.NOW,
            # micromdm's CA may do no more than certSign and cRLSign, and does everything.
            ignore_key_usage=self.server.profile.ca_key_usage is not None,
        )

    @property
    def caps(self) -> HttpResponse:
        return self.get("GetCACaps")

    def get(self, operation: str) -> HttpResponse:
        url = f"{self.server.url}?operation={operation}"
        return self.send(HttpRequest(method="GET", url=url))

    def enrol(self, **options: Any) -> Reply:
        asked = options.pop("csr", None) or csr(options.pop("challenge_password", "right"))
        options.setdefault("identity", ME)
        options.setdefault("algorithms", algorithms(self.server.profile))
        return self.client.enrol(asked, ca=self.ca, **options)

    def raw(self, **options: Any) -> VerifiedMessage:
        """Return the reply to an enrolment as the client would see it behind its checks."""
        asked = csr(options.pop("challenge_password", "right"))
        options.setdefault("algorithms", algorithms(self.server.profile))
        exchange = pkcs_req(asked, identity=ME, ca=self.ca, **options)
        method = options["algorithms"].http_method
        response = self.send(pki_operation(self.server.url, exchange.message, method=method))
        assert response.header("Content-Type") == "application/x-pki-message", response
        signer = self.server.responder.authority.signer.certificate
        return parse_pki_message(response.body).verify((signer,), provider=keys.provider())


def csr(challenge_password: str | None) -> pyscep.CertificationRequest:
    return pyscep.build_csr(
        subject="CN=sensor-17,O=Example",
        key=keys.rsa(1),
        challenge_password=challenge_password,
        # Whoever wants SHA-1 wants it in the request too.
        digest_algorithm=SHA1,
    )


ME = responders.self_signed(csr("right"))


def algorithms(profile: Profile) -> Algorithms:
    if profile is CISCO_IOS_CA:
        return OLD
    return Algorithms(http_method=HttpMethod(profile.methods[-1]))


@pytest.fixture
def visit() -> Iterator[Callable[..., Visit]]:
    with ExitStack() as stack:

        def start(profile: Profile, handler: Any = None, **changes: Any) -> Visit:
            made = profile.make_authority(
                now=keys.NOW - timedelta(days=1), provider=responders.pool().provider()
            )
            responder = profile.make_responder(
                authority=made,
                handler=static_challenge("right") if handler is None else handler,
                store=MemoryStore(),
                now=lambda: keys.NOW,
            )
            # The requests here are signed with SHA-1 inside, for the one that wants it.
            responder = replace(
                responder, digests=responder.digests | {SHA1}, provider=keys.provider(), **changes
            )
            server = stack.enter_context(ProfileServer(responder, profile))
            stack.callback(server.check)
            return Visit(server, stack.enter_context(RequestsTransport(timeout=10)))

        yield start


def fail_info(reply: Reply) -> FailInfo | int | None:
    assert isinstance(reply, Failure), reply
    return reply.fail_info


def queries(visit: Visit) -> tuple[Any, ...]:
    """Return a GetCert and a GetCRL by somebody who has a certificate."""
    issued = require_success(visit.enrol()).certificate
    identity = Identity(certificate=issued, key=keys.rsa(1))
    identifier = IssuerAndSerialNumber.of(issued)
    return tuple(
        make(
            identifier, identity=identity, ca=visit.ca, algorithms=algorithms(visit.server.profile)
        )
        for make in (get_cert, get_crl)
    )


def ask(visit: Visit, query: Any) -> Any:
    method = algorithms(visit.server.profile).http_method
    response = visit.send(pki_operation(visit.server.url, query.message, method=method))
    return query.receive(pyscep.parse_pki_operation(response))


class TestAll:
    @pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
    def test_our_client_enrols(self, visit: Callable[..., Visit], profile: Profile) -> None:
        with_profile = visit(profile)
        assert with_profile.server.url.endswith(profile.path)
        reply = with_profile.enrol()
        assert isinstance(reply, Success)
        assert reply.certificate.public_key == keys.rsa(1).public_key

    @pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
    def test_faults_show_behind_a_profile_too(
        self, visit: Callable[..., Visit], profile: Profile
    ) -> None:
        with_profile = visit(profile)
        with_profile.server.misbehave(Fault.WRONG_RECIPIENT_NONCE, Fault.CAPABILITIES_ERROR)
        with pytest.raises(pyscep.NonceMismatch):
            with_profile.enrol()
        assert with_profile.caps.status == 500
        with_profile.server.reset()
        assert with_profile.caps.status == 200
        if profile is not EJBCA:  # which has issued, and does so once
            assert isinstance(with_profile.enrol(), Success)

    @pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
    def test_none_has_a_next_ca(self, visit: Callable[..., Visit], profile: Profile) -> None:
        assert visit(profile).get("GetNextCACert").status == 501

    def test_each_has_sources_and_can_be_found(self) -> None:
        for profile in PROFILES:
            assert profile.sources
            assert find_profile(profile.name) is profile
        assert len({profile.name for profile in PROFILES}) == len(PROFILES) == 10
        with pytest.raises(UsageError, match="aws_private_ca") as caught:
            find_profile("nonsense")
        assert caught.value.argument == "profile"

    def test_the_standard_is_the_standard(self, visit: Callable[..., Visit]) -> None:
        standard = visit(STANDARD)
        assert standard.server.responder.digests > {SHA256}
        assert not STANDARD.habits
        assert STANDARD.keywords is None
        lines = standard.caps.body.decode().splitlines()
        assert "SCEPStandard" in lines


@pytest.mark.conforms("V-01", "V-05", "C-26", "C-28", "Q-08", "E-09")
class TestNdes:
    def test_capabilities_and_certificates(self, visit: Callable[..., Visit]) -> None:
        ndes = visit(NDES)
        assert ndes.server.url.endswith("/certsrv/mscep/mscep.dll/pkiclient.exe")
        assert b"AES" not in ndes.caps.body
        assert ndes.caps.body.startswith(b"POSTPKIOperation\nRenewal\nSHA-512\n")
        ca = ndes.ca
        assert len({ca.issuer, ca.signers[0], ca.recipient}) == 3
        assert ca.signers[0].key_usage == keys.SIGN
        assert ca.recipient.key_usage == keys.ENCRYPT

    def test_aes_works_all_the_same_and_brings_oaep(self, visit: Callable[..., Visit]) -> None:
        ndes = visit(NDES)
        asked = Algorithms(content_encryption_algorithm=AES)
        assert isinstance(ndes.enrol(algorithms=asked), Success)
        for cipher, with_oaep in ((AES, True), (DES3, False)):
            reply = ndes.raw(algorithms=Algorithms(content_encryption_algorithm=cipher))
            (recipient,) = reply.envelope().recipients
            oaep = bytes.fromhex("06092a864886f70d010107")
            assert (oaep in recipient.algorithm_identifier) is with_oaep  # type: ignore[union-attr]

    def test_a_failure(self, visit: Callable[..., Visit]) -> None:
        """As recorded: SHA-1, no certificates, one zero byte, an HRESULT."""
        reply = visit(NDES).raw(challenge_password="wrong")
        assert (reply.fail_info, reply.hresult) == (2, -2147024809)
        assert reply.digest_algorithm is SHA1
        assert reply.enclosed_certificates == ()
        assert reply.content == b"\x00"

    def test_renewal_is_a_pkcs_req_by_the_old_certificate(
        self, visit: Callable[..., Visit]
    ) -> None:
        ndes = visit(NDES)
        old = require_success(ndes.enrol()).certificate
        identity = Identity(certificate=old, key=keys.rsa(1))
        by_type = ndes.client.renew(
            csr(None), identity=identity, ca=ndes.ca, algorithms=Algorithms()
        )
        assert fail_info(by_type) is FailInfo.BAD_REQUEST
        assert isinstance(ndes.enrol(csr=csr(None), identity=identity), Success)

    def test_get_crl_is_refused_and_get_cert_is_not(self, visit: Callable[..., Visit]) -> None:
        ndes = visit(NDES)
        certificate, crl = (ask(ndes, query) for query in queries(ndes))
        assert isinstance(certificate, Success)
        assert fail_info(crl) is FailInfo.BAD_REQUEST


def test_clear_pass_has_its_url_and_nothing_is_invented(visit: Callable[..., Visit]) -> None:
    assert visit(CLEARPASS).server.url.endswith("/onboard/mdps_scep.php/1")
    known = ("name", "title", "sources", "quirks", "path")
    assert Profile(**{name: getattr(CLEARPASS, name) for name in known}) == CLEARPASS


def attributes_of(body: bytes) -> dict[str, bytes]:
    """Return OIDs and values of the signed attributes of a message."""
    (signer_info,) = tlv.parse(body).at(1, 0).children[-1].children
    return {each.at(0).dump().hex(): each.at(1).at(0).dump() for each in signer_info.at(3).children}


def last_body(visit: Visit) -> bytes:
    return visit.server.log[-1].response.body


GO = [MICROMDM, STEP_CA]


@pytest.mark.conforms("V-18", "E-12", "E-22", "M-17", "C-05", "L-10")
class TestServersInGo:
    def test_capabilities(self, visit: Callable[..., Visit]) -> None:
        assert visit(MICROMDM).caps.body == (
            b"Renewal\nSHA-1\nSHA-256\nAES\nDES3\nSCEPStandard\nPOSTPKIOperation"
        )
        assert visit(STEP_CA).caps.body == (
            b"AES\r\nDES3\r\nSHA-1\r\nSHA-256\r\nSHA-384\r\nSHA-512\r\n"
            b"SCEPStandard\r\nPOSTPKIOperation\r\nRenewal"
        )

    def test_ca_certificates(self, visit: Callable[..., Visit]) -> None:
        micromdm, step_ca = visit(MICROMDM), visit(STEP_CA)
        one = micromdm.get("GetCACert")
        assert one.header("Content-Type") == "application/x-x509-ca-cert"
        assert one.body == micromdm.server.responder.authority.issuer.der
        assert micromdm.server.responder.authority.issuer.key_usage == keys.CERT_SIGN
        chain = step_ca.get("GetCACert")
        assert chain.header("Content-Type") == "application/x-x509-ca-ra-cert"
        assert len(step_ca.client.get_ca_cert().certificates) == 2

    @pytest.mark.parametrize("profile", GO, ids=lambda profile: profile.name)
    def test_a_success(self, visit: Callable[..., Visit], profile: Profile) -> None:
        """As recorded, down to the scheme's name and the certificate beside the envelope."""
        go = visit(profile)
        with pytest.raises(pyscep.WeakAlgorithm) as caught:
            replace(go, rules=DEFAULT_RULES).enrol()
        assert caught.value.argument == "read_legacy_ciphers"
        reply = require_success(go.enrol())
        assert reply.content_encryption_algorithm is DES
        raw, body = go.raw(), last_body(go)
        assert raw.digest_algorithm is SHA1
        assert raw.sender_nonce == raw.recipient_nonce
        issued = pyscep.parse_certificate(raw.enclosed_certificates[0])
        assert issued.public_key == keys.rsa(1).public_key
        assert pyscep.parse_certificate(raw.enclosed_certificates[1]) == go.ca.signers[0]
        sha1_with_rsa = bytes.fromhex("300b06092a864886f70d010105")
        assert sha1_with_rsa in body
        enveloped = tlv.parse(raw.content or b"").at(1, 0)
        assert enveloped.at(2, 2).dump()[0] == 0xA0
        signing_time = tlv.oid(asn1.SIGNING_TIME).hex()
        assert attributes_of(body)[signing_time] == tlv.utc_time("260601000000Z")

    @pytest.mark.parametrize("profile", GO, ids=lambda profile: profile.name)
    def test_a_refusal(self, visit: Callable[..., Visit], profile: Profile) -> None:
        go = visit(profile)
        reply, body = go.raw(challenge_password="wrong"), last_body(go)
        assert (reply.fail_info, reply.content) == (2, b"")
        if profile is STEP_CA:
            assert reply.fail_info_text == "wrong password provided"
            short = tlv.oid(asn1.FAIL_INFO_TEXT_SHORT).hex()
            assert attributes_of(body)[short][0] == 0x13
        else:
            assert reply.fail_info_text is None

    @pytest.mark.parametrize("profile", GO, ids=lambda profile: profile.name)
    def test_queries_end_in_status_500(self, visit: Callable[..., Visit], profile: Profile) -> None:
        go = visit(profile)
        for query in queries(go):
            with pytest.raises(HttpError) as caught:
                ask(go, query)
            assert caught.value.status == 500
        waiting = visit(profile, handler=ApprovalHandler())
        pending = waiting.enrol()
        assert isinstance(pending, Pending)
        with pytest.raises(HttpError, match="500"):
            waiting.client.poll(pending.transaction, identity=ME, ca=waiting.ca)

    @pytest.mark.parametrize("profile", GO, ids=lambda profile: profile.name)
    def test_renewal_needs_the_challenge(
        self, visit: Callable[..., Visit], profile: Profile
    ) -> None:
        go = visit(profile)
        old = require_success(go.enrol()).certificate
        identity = Identity(certificate=old, key=keys.rsa(1))
        without = go.client.renew(csr(None), identity=identity, ca=go.ca)
        assert fail_info(without) is FailInfo.BAD_REQUEST
        assert isinstance(go.client.renew(csr("right"), identity=identity, ca=go.ca), Success)

    def test_step_ca_takes_post_only(self, visit: Callable[..., Visit]) -> None:
        with pytest.raises(HttpError) as caught:
            visit(STEP_CA).enrol(algorithms=Algorithms(http_method=HttpMethod.GET))
        assert caught.value.status == 500
        by_get = Algorithms(http_method=HttpMethod.GET)
        assert isinstance(visit(MICROMDM).enrol(algorithms=by_get), Success)


@pytest.mark.conforms("V-16", "T-24", "M-04")
class TestEjbca:
    def test_errors_are_http_400(self, visit: Callable[..., Visit]) -> None:
        with pytest.raises(HttpError) as caught:
            visit(EJBCA).enrol(challenge_password="wrong")
        assert caught.value.status == 400

    def test_end_entities_are_for_single_use(self, visit: Callable[..., Visit]) -> None:
        ejbca = visit(EJBCA)
        assert isinstance(ejbca.enrol(), Success)
        with pytest.raises(HttpError) as caught:
            ejbca.enrol()
        assert caught.value.status == 400

    def test_no_content_is_an_empty_octet_string(self, visit: Callable[..., Visit]) -> None:
        assert visit(EJBCA, handler=ApprovalHandler()).raw().content == b""


@pytest.mark.conforms("V-17", "A-17", "E-21", "E-09")
class TestOpenXpki:
    def test_get_ca_cert_is_always_pkcs_7(self, visit: Callable[..., Visit]) -> None:
        openxpki = visit(OPENXPKI)
        response = openxpki.get("GetCACert")
        assert response.header("Content-Type") == "application/x-x509-ca-ra-cert"
        alone = replace(OPENXPKI, single_ra=False)
        assert visit(alone).get("GetCACert").header("Content-Type") == (
            "application/x-x509-ca-ra-cert"
        )

    @pytest.mark.parametrize("cipher", [AES, DES3, ContentEncryptionAlgorithm.AES256_CBC])
    @pytest.mark.parametrize("digest", [SHA1, SHA256, DigestAlgorithm.SHA512])
    @pytest.mark.parametrize(
        "transport", [KeyEncryptionAlgorithm.RSA_PKCS1_V15, KeyEncryptionAlgorithm.RSA_OAEP_SHA1]
    )
    def test_everything_is_mirrored(
        self,
        visit: Callable[..., Visit],
        cipher: ContentEncryptionAlgorithm,
        digest: DigestAlgorithm,
        transport: KeyEncryptionAlgorithm,
    ) -> None:
        asked = Algorithms(
            content_encryption_algorithm=cipher,
            digest_algorithm=digest,
            key_encryption_algorithm=transport,
        )
        reply = visit(OPENXPKI).raw(algorithms=asked)
        assert reply.digest_algorithm is digest
        envelope = reply.envelope()
        assert envelope.content_encryption_oid == cipher.oid
        oaep = transport is KeyEncryptionAlgorithm.RSA_OAEP_SHA1
        (recipient,) = envelope.recipients
        oid = bytes.fromhex("06092a864886f70d010107")
        assert (oid in recipient.algorithm_identifier) is oaep  # type: ignore[union-attr]

    def test_a_request_without_an_envelope_mirrors_nothing(
        self, visit: Callable[..., Visit]
    ) -> None:
        openxpki = visit(OPENXPKI)
        sent = message_factory.request(content=None).encode()
        response = openxpki.send(pki_operation(openxpki.server.url, sent, method=HttpMethod.POST))
        reply = parse_pki_message(response.body).verify_possession(provider=keys.provider())
        assert reply.fail_info == FailInfo.BAD_REQUEST.value


@pytest.mark.conforms("V-14", "G-06", "L-09")
class TestCisco:
    def test_old_algorithms_by_get(self, visit: Callable[..., Visit]) -> None:
        cisco = visit(CISCO_IOS_CA)
        assert cisco.caps.body == b"DES3\nSHA-1\n"
        reply = require_success(cisco.enrol())
        assert reply.content_encryption_algorithm is DES3
        assert reply.digest_algorithm is SHA1
        with_aes = replace(OLD, content_encryption_algorithm=AES)
        assert fail_info(cisco.enrol(algorithms=with_aes)) is FailInfo.BAD_ALG
        with pytest.raises(HttpError) as caught:
            cisco.enrol(algorithms=replace(OLD, http_method=HttpMethod.POST))
        assert caught.value.status == 405

    def test_ca_certificates_in_ber(self, visit: Callable[..., Visit]) -> None:
        """As recorded: indefinite lengths; an RA, its CA, the root."""
        cisco = visit(CISCO_IOS_CA)
        assert cisco.get("GetCACert").body[:2] == b"\x30\x80"
        certificates = cisco.client.get_ca_cert().certificates
        assert [certificate.is_ca for certificate in certificates] == [False, True, True]
        assert certificates[2].is_self_issued


@pytest.mark.conforms("V-19", "L-09")
class TestDogtag:
    def test_get_only_and_bad_message_check(self, visit: Callable[..., Visit]) -> None:
        dogtag = visit(DOGTAG)
        assert b"POST" not in dogtag.caps.body
        with pytest.raises(HttpError) as caught:
            dogtag.enrol(algorithms=Algorithms(http_method=HttpMethod.POST))
        assert caught.value.status == 405
        assert fail_info(dogtag.enrol(challenge_password="wrong")) is FailInfo.BAD_MESSAGE_CHECK

    @pytest.mark.conforms("P-04")
    def test_a_poll_for_nothing(self, visit: Callable[..., Visit]) -> None:
        dogtag = visit(DOGTAG, handler=ApprovalHandler())
        pending = dogtag.enrol()
        assert isinstance(pending, Pending)
        reply = dogtag.client.poll(
            replace(pending.transaction, transaction_id="unknown"),
            identity=ME,
            ca=dogtag.ca,
        )
        assert fail_info(reply) is FailInfo.BAD_CERT_ID


class TestAws:
    @pytest.mark.conforms("E-12", "T-24")
    @pytest.mark.parametrize(
        ("cipher", "oid"), [(DES, "1.3.14.3.2.7"), (DES3, "1.2.840.113549.3.7")]
    )
    @pytest.mark.parametrize("method", HttpMethod)
    def test_refuses_single_des_by_its_oid(
        self,
        visit: Callable[..., Visit],
        cipher: ContentEncryptionAlgorithm,
        oid: str,
        method: HttpMethod,
    ) -> None:
        aws = visit(AWS_PRIVATE_CA)
        envelope = message_factory.Envelope(
            recipient=aws.ca.recipient, content=csr("right").der, cipher=cipher
        )
        sent = message_factory.request(content=envelope.encode()).encode()
        response = aws.send(pki_operation(aws.server.url, sent, method=method))
        assert response.status == 400
        assert response.header("x-amzn-ErrorType") == "ValidationException"
        assert response.header("x-amzn-ErrorMessage") == f"Unsupported algorithm: {oid}"
        with pytest.raises(HttpError, match=oid):
            pyscep.parse_pki_operation(response)

    @pytest.mark.parametrize("cipher", [AES, ContentEncryptionAlgorithm.AES256_CBC])
    def test_takes_aes(
        self, visit: Callable[..., Visit], cipher: ContentEncryptionAlgorithm
    ) -> None:
        asked = Algorithms(content_encryption_algorithm=cipher)
        assert isinstance(visit(AWS_PRIVATE_CA).enrol(algorithms=asked), Success)

    def test_what_is_no_message_is_the_responders_business(
        self, visit: Callable[..., Visit]
    ) -> None:
        aws = visit(AWS_PRIVATE_CA)
        url = f"{aws.server.url}?operation=PKIOperation"
        for body in (b"", b"nonsense", message_factory.request().encode()):
            response = aws.send(HttpRequest(method="POST", url=url, body=body))
            assert response.header("x-amzn-ErrorType") is None
        encoded = base64.b64encode(b"nonsense").decode()
        assert aws.get(f"PKIOperation&message={encoded}").status == 400
