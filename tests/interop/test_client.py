"""pyscep's client gets, renews and is refused certificates by servers that others wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import pytest

import pyscep
from pyscep.ca import TrustedCa
from pyscep.certificates import Certificate, Identity, parse_certificate
from pyscep.errors import (
    KeyCapabilityError,
    RequestRefused,
    UntrustedCa,
    WeakAlgorithm,
)
from pyscep.extensions import KeyUsage
from pyscep.transaction import Failure, require_success
from pyscep.transport import RequestsTransport
from tests.helpers import keys
from tests.interop.servers import Peer

UTC = timezone.utc
DES = pyscep.ContentEncryptionAlgorithm.DES_CBC
SUBJECT = "CN=sensor 17\\, hall B,O=Zürich Wetter,C=CH"
SERVERS = [
    pytest.param("scepserver", "GET", id="scepserver-get"),
    pytest.param("scepserver", "POST", id="scepserver-post"),
    pytest.param("labscep_aes", "GET", id="micromdm-get"),
    pytest.param("labscep_aes", "POST", id="micromdm-post"),
    pytest.param("labscep_ra", "GET", id="micromdm-ra-get"),
    pytest.param("labscep_ra", "POST", id="micromdm-ra-post"),
    pytest.param("labscep_get_only", "GET", id="micromdm-only-get"),
    pytest.param("stepca", "POST", id="stepca-post"),
]


@dataclass(frozen=True)
class Session:
    """A client that has authenticated a real server."""

    peer: Peer
    client: pyscep.Client
    ca: TrustedCa
    algorithms: pyscep.Algorithms
    now: datetime

    def csr(self, challenge: str | None, *, number: int = 1) -> pyscep.CertificationRequest:
        return pyscep.build_csr(subject=SUBJECT, key=keys.rsa(number), challenge_password=challenge)

    def enrol(self, challenge: str | None) -> pyscep.Reply:
        csr = self.csr(challenge)
        identity = pyscep.self_signed_identity(
            csr, key=keys.rsa(1), not_before=self.now, lifetime=timedelta(days=1)
        )
        return self.client.enrol(csr, identity=identity, ca=self.ca, algorithms=self.algorithms)

    def enrolled(self) -> Identity:
        reply = require_success(self.enrol(self.peer.challenge))
        return Identity(certificate=reply.certificate, key=keys.rsa(1))

    def renew(
        self,
        identity: Identity,
        challenge: str | None,
        message_type: pyscep.MessageType | None = None,
    ) -> pyscep.Reply:
        return self.client.renew(
            self.csr(challenge, number=3),
            identity=identity,
            ca=self.ca,
            message_type=message_type,
            algorithms=self.algorithms,
        )


def root_of(peer: Peer) -> Certificate:
    return parse_certificate(peer.ca_certificate_pem.read_bytes())


def rules_for(peer: Peer) -> pyscep.ReplyRules:
    """Return what has to be allowed to talk with this server, beyond the safe rules."""
    micromdm = peer.name != "step-ca"
    return pyscep.ReplyRules(
        read_legacy_ciphers=frozenset({DES}) if peer.name == "scepserver" else frozenset(),
        # micromdm issues certificates for signatures only, and encrypts to them all the same.
        ignore_key_usage=micromdm,
    )


@pytest.fixture
def transport() -> Iterator[RequestsTransport]:
    with RequestsTransport(timeout=10) as send:
        yield send


def connect(peer: Peer, transport: RequestsTransport, method: str | None = None) -> Session:
    client = pyscep.Client(peer.url, send=transport, rules=rules_for(peer))
    # The servers were made a moment ago, and their certificates begin with that second.
    now = datetime.now(UTC) + timedelta(seconds=1)
    root = root_of(peer).sha256_fingerprint
    algorithms = client.get_ca_caps().select()
    if method is not None:
        algorithms = replace(algorithms, http_method=pyscep.HttpMethod(method))
    return Session(
        peer=peer,
        client=client,
        ca=client.get_ca_cert().authenticate(sha256=root, at=now),
        algorithms=algorithms,
        now=now,
    )


@pytest.fixture
def session(request: pytest.FixtureRequest, transport: RequestsTransport) -> Session:
    name, method = request.param
    return connect(request.getfixturevalue(name), transport, method)


EACH_SERVER = pytest.mark.parametrize(
    "session",
    [pytest.param(each.values, id=each.id) for each in SERVERS],
    indirect=True,
)


@EACH_SERVER
@pytest.mark.conforms("R-01", "R-13", "T-01", "T-02", "G-01", "W-01", "W-02")
def test_enrol(session: Session) -> None:
    reply = require_success(session.enrol(session.peer.challenge))
    assert reply.certificate.public_key == keys.rsa(1).public_key
    assert str(reply.certificate.subject) == SUBJECT
    assert reply.chain.is_complete
    assert reply.chain.certificates[-1] == root_of(session.peer)
    served_by = parse_certificate(session.peer.issuer_certificate_pem.read_bytes())
    assert reply.certificate.issuer == served_by.subject


@EACH_SERVER
@pytest.mark.conforms("R-02", "C-28", "W-07", "W-09", "W-14", "H-02", "V-18")
@pytest.mark.parametrize("kind", ["chosen", "RENEWAL_REQ", "PKCS_REQ"])
def test_renew(session: Session, kind: str) -> None:
    """Both ways to renew; all of these servers want the challenge again."""
    message_type = None if kind == "chosen" else pyscep.MessageType[kind]
    old = session.enrolled()
    reply = require_success(session.renew(old, session.peer.challenge, message_type))
    assert reply.certificate.public_key == keys.rsa(3).public_key
    assert reply.certificate.serial_number != old.certificate.serial_number
    assert reply.transaction.renewal


@EACH_SERVER
@pytest.mark.conforms("A-05", "A-10", "A-16")
@pytest.mark.parametrize("challenge", ["wrong", None])
def test_a_wrong_challenge(session: Session, challenge: str | None) -> None:
    refused = session.enrol(challenge)
    again = session.renew(session.enrolled(), challenge)
    for failure in (refused, again):
        assert isinstance(failure, Failure)
        assert failure.fail_info is pyscep.FailInfo.BAD_REQUEST
        assert "challenge password" in failure.explanation
        assert failure.transaction.state is pyscep.TransactionState.CERT_NONEXISTENT
    assert isinstance(refused, Failure)
    assert isinstance(again, Failure)
    assert refused.explanation != again.explanation


@EACH_SERVER
@pytest.mark.conforms("G-16", "G-18")
def test_another_fingerprint(session: Session) -> None:
    with pytest.raises(UntrustedCa):
        session.client.get_ca_cert().authenticate(sha256=b"\x01" * 32, at=session.now)


@EACH_SERVER
@pytest.mark.conforms("C-02", "C-19", "C-20")
def test_what_the_server_announces_is_what_is_chosen(session: Session) -> None:
    proposed = session.client.get_ca_caps().select()
    assert proposed.content_encryption_algorithm is pyscep.ContentEncryptionAlgorithm.AES128_CBC
    assert proposed.digest_algorithm is pyscep.DigestAlgorithm.SHA256
    assert proposed.http_method.value == ("POST" if "POST" in session.peer.methods else "GET")


@pytest.mark.conforms("E-12", "C-23", "S-04")
def test_scepserver_answers_with_single_des(scepserver: Peer, transport: RequestsTransport) -> None:
    session = connect(scepserver, transport)
    strict = replace(session, client=replace(session.client, rules=pyscep.ReplyRules()))
    with pytest.raises(WeakAlgorithm, match="read_legacy_ciphers") as caught:
        strict.enrol(scepserver.challenge)
    assert (caught.value.argument, caught.value.algorithm) == ("read_legacy_ciphers", "DES_CBC")
    reply = require_success(session.enrol(scepserver.challenge))
    assert reply.content_encryption_algorithm is DES
    assert reply.digest_algorithm is pyscep.DigestAlgorithm.SHA1


@pytest.mark.conforms("W-11")
def test_micromdm_issues_certificates_that_can_only_sign(
    labscep_aes: Peer, transport: RequestsTransport
) -> None:
    session = connect(labscep_aes, transport)
    identity = session.enrolled()
    assert not identity.certificate.allows(KeyUsage.KEY_ENCIPHERMENT)
    strict = replace(session, client=replace(session.client, rules=pyscep.ReplyRules()))
    with pytest.raises(KeyCapabilityError, match="ignore_key_usage"):
        strict.renew(identity, labscep_aes.challenge)


@pytest.mark.conforms("G-08", "G-09", "A-12")
def test_an_ra_receives_and_signs(labscep_ra: Peer, transport: RequestsTransport) -> None:
    session = connect(labscep_ra, transport)
    registrar = parse_certificate(labscep_ra.recipient_certificate_pem.read_bytes())
    assert session.ca.recipient == registrar
    assert session.ca.signers == (registrar, session.ca.issuer)
    assert session.ca.issuer == root_of(labscep_ra)


@pytest.mark.conforms("G-14")
def test_an_intermediate_ca_is_trusted_through_its_root(
    stepca: Peer, transport: RequestsTransport
) -> None:
    session = connect(stepca, transport)
    assert session.ca.issuer != root_of(stepca)
    assert session.ca.chain.certificates[-1] == root_of(stepca)
    by_anchor = session.client.get_ca_cert().authenticate(anchors=[root_of(stepca)], at=session.now)
    assert by_anchor.issuer == session.ca.issuer


def test_one_call(labscep_aes: Peer) -> None:
    def later() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=1)

    root = root_of(labscep_aes).sha256_fingerprint
    enrolment = pyscep.enrol(
        labscep_aes.url,
        subject=SUBJECT,
        ca_sha256=root,
        challenge_password=labscep_aes.challenge,
        now=later,
    )
    assert enrolment.certificate.public_key == enrolment.key.public_key
    assert enrolment.chain.is_complete
    with pytest.raises(RequestRefused, match="challenge password"):
        pyscep.enrol(
            labscep_aes.url,
            subject=SUBJECT,
            ca_sha256=root,
            challenge_password="wrong",
            key=keys.rsa(1),
            now=later,
        )
