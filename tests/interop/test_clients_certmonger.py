"""What is peculiar to certmonger 0.79.17 and its helper, with pyscep's responder."""

from __future__ import annotations

import functools
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import pem

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.begin import pkcs_req
from pyscep.ca import CaCertificates
from pyscep.certificates import Identity, parse_certificate, parse_certificates
from pyscep.challenges import OneTimeChallenges
from pyscep.cms_enveloped import parse_enveloped_data
from pyscep.cms_signed import parse_degenerate
from pyscep.handlers import ApprovalHandler, EnrolmentRequest
from pyscep.messages import FailInfo, MessageType, PkiStatus
from pyscep.pkcs10 import build_csr, self_signed_identity
from tests.helpers import keys
from tests.interop.clients import Certmonger, ScepSubmit, write_key
from tests.interop.services import CHALLENGE, LAYOUTS, Service, authority, now, serve

AES128 = ContentEncryptionAlgorithm.AES128_CBC
AES256 = ContentEncryptionAlgorithm.AES256_CBC
DES3 = ContentEncryptionAlgorithm.DES_EDE3_CBC
SHA1, SHA256, SHA512 = DigestAlgorithm.SHA1, DigestAlgorithm.SHA256, DigestAlgorithm.SHA512
READABLE: dict[str, Any] = {"empty_content": b""}
"""What it needs to understand FAILURE and PENDING."""
NO_CONTENT = (
    "Error: failed to verify signature on server response. "
    "error:1080007A:PKCS7 routines::no content"
)
NO_ROOT = (
    "Error: failed to verify signature on server response. "
    "error:10800075:PKCS7 routines::certificate verify error"
)
BAD_ALG = "Unrecognized or unsupported algorithm identifier in client request."


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "client.key", keys.rsa(1))


# --------------------------------------------------------------------------------------- the daemon


@pytest.mark.conforms("A-17", "E-21", "C-32")
@pytest.mark.parametrize(
    ("options", "cipher"),
    [
        ({}, AES256),
        ({"ciphers": {DES3}}, DES3),
        ({"ciphers": {AES128}}, None),
        ({"digests": {SHA1}}, None),
        ({"digests": {SHA512}}, None),
    ],
)
def test_it_sends_aes256_or_3des_and_always_sha256(
    certmonger: Certmonger,
    key: Path,
    options: dict[str, Any],
    cipher: ContentEncryptionAlgorithm | None,
    tmp_path: Path,
) -> None:
    with serve(tmp_path / "service", **READABLE, **options) as service:
        outcome = certmonger.enrol(service, key)
        (exchange,) = service.exchanges
        assert exchange.digest is SHA256
        if cipher is None:
            assert outcome.said == f"CA_REJECTED: {BAD_ALG}"
            assert exchange.fail_info is FailInfo.BAD_ALG
        else:
            assert outcome.certificate is not None
            assert exchange.cipher is cipher


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.conforms("G-03", "G-04")
def test_only_of_a_single_bare_ca_certificate_it_has_to_be_told_the_root(
    certmonger: Certmonger, key: Path, layout: str, tmp_path: Path
) -> None:
    certmonger.signing_ca = False
    with serve(tmp_path / "service", authority(layout)) as service:
        outcome = certmonger.enrol(service, key)
        assert service.exchanges[0].status is PkiStatus.SUCCESS
        if layout == "ca":
            assert outcome.said == f"CA_UNREACHABLE: {NO_ROOT}"
        else:
            assert outcome.certificate is not None


@pytest.mark.parametrize("pending", [False, True])
def test_it_needs_content_in_failure_and_pending(
    certmonger: Certmonger, key: Path, pending: bool, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"handler": ApprovalHandler()} if pending else {}
    with serve(tmp_path / "service", **options) as service:
        outcome = certmonger.enrol(service, key, CHALLENGE if pending else "wrong")
        assert outcome.said == f"CA_UNREACHABLE: {NO_CONTENT}"
        wanted = PkiStatus.PENDING if pending else PkiStatus.FAILURE
        assert service.exchanges[0].status is wanted


@pytest.mark.conforms("P-10")
def test_it_polls_by_repeating_its_request(
    certmonger: Certmonger, key: Path, tmp_path: Path
) -> None:
    options = {**READABLE, "handler": ApprovalHandler(), "approve": True}
    with serve(tmp_path / "service", **options) as service:
        assert certmonger.enrol(service, key).said == "CA_WORKING: "
        assert certmonger.refresh().certificate is not None
        assert [(each.message_type, each.status) for each in service.exchanges] == [
            (MessageType.PKCS_REQ, PkiStatus.PENDING),
            (MessageType.PKCS_REQ, PkiStatus.SUCCESS),
        ]


@pytest.mark.parametrize("renewal", [True, False])
def test_a_new_key(certmonger: Certmonger, key: Path, renewal: bool, tmp_path: Path) -> None:
    """``getcert rekey``: signed with the old certificate, a PKCSReq whatever is announced."""
    with serve(tmp_path / "service", renewal=renewal, **READABLE) as service:
        first = certmonger.enrol(service, key).issued
        second = certmonger.rekey(first).issued
        assert second.public_key != first.public_key
        assert second.subject == first.subject
        assert [each.message_type for each in service.exchanges] == [MessageType.PKCS_REQ] * 2


@pytest.mark.conforms("H-04", "H-11", "R-06")
@pytest.mark.parametrize("command", ["resubmit", "rekey"])
def test_it_sends_the_first_challenge_with_every_renewal(
    certmonger: Certmonger, key: Path, command: str, tmp_path: Path
) -> None:
    challenges = OneTimeChallenges(
        key=bytes(range(32)),
        lifetime=timedelta(hours=1),
        now=now,
        random_bytes=keys.provider().random_bytes,
    )
    alarms: list[EnrolmentRequest] = []
    options = {**READABLE, "handler": challenges.handler(), "on_reuse": alarms.append}
    with serve(tmp_path / "service", **options) as service:
        first = certmonger.enrol(service, key, challenges.new_challenge())
        assert certmonger.again(command, first.issued).issued != first.issued
        assert not alarms


# ------------------------------------------------------------------------------ its helper by hand


@functools.cache
def signer() -> Identity:
    """Return who signs the messages."""
    csr = build_csr(subject="CN=sensor-17", key=keys.rsa(1))
    start = now() - timedelta(hours=1)
    return self_signed_identity(csr, key=keys.rsa(1), not_before=start, lifetime=timedelta(days=1))


def message(service: Service, challenge: str = CHALLENGE) -> bytes:
    """Return a PKCSReq, which the helper itself cannot make."""
    csr = build_csr(subject="CN=sensor-17", key=keys.rsa(1), challenge_password=challenge)
    found = CaCertificates(certificates=service.authority.published)
    ca = found.authenticate(anchors=[service.authority.root], at=now())
    return pkcs_req(csr, identity=signer(), ca=ca, provider=keys.provider()).message


@pytest.mark.conforms("C-03", "C-05", "C-06", "T-32")
def test_the_helper_prints_the_capabilities(scep_submit: ScepSubmit, tmp_path: Path) -> None:
    with serve(tmp_path / "service") as service:
        outcome = scep_submit(service, "-c")
        assert outcome.status == 0
        announced = {keyword.value for keyword in service.responder.capabilities}
        assert set(outcome.said.split()) == announced


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.conforms("G-03", "G-04", "T-32")
def test_the_helper_prints_the_ca_certificates(
    scep_submit: ScepSubmit, layout: str, tmp_path: Path
) -> None:
    """The recipient comes first; what it asks for, ``message=0``, does not matter."""
    ca = authority(layout)
    with serve(tmp_path / "service", ca) as service:
        outcome = scep_submit(service, "-C")
        assert outcome.status == 0
        printed = parse_certificates(outcome.said.encode())
        assert printed[0] == ca.recipients[0].certificate
        assert set(printed) == set(ca.published)


@pytest.mark.parametrize("option", ["-p", "-g"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.conforms("A-01", "E-20")
def test_the_helper_prints_the_envelope(
    scep_submit: ScepSubmit, layout: str, option: str, tmp_path: Path
) -> None:
    with serve(tmp_path / "service", authority(layout)) as service:
        outcome = scep_submit.send(service, message(service), option=option)
        assert outcome.status == 0
        _, _, envelope = pem.unarmor(outcome.said.encode())
        opened = parse_enveloped_data(envelope).decrypt((signer(),), provider=keys.provider())
        (der,) = parse_degenerate(opened).certificates
        assert parse_certificate(der).public_key == keys.rsa(1).public_key
        assert service.http_methods == ["GET"]


@pytest.mark.conforms("M-03", "A-05", "A-06")
def test_the_helper_tells_the_statuses_apart(scep_submit: ScepSubmit, tmp_path: Path) -> None:
    with serve(tmp_path / "refusing", **READABLE) as service:
        refused = scep_submit.send(service, message(service, "wrong"))
        assert refused.status == 2
        assert refused.said.startswith("Transaction either is not permitted or is not supported")
    with serve(tmp_path / "waiting", handler=ApprovalHandler(), **READABLE) as service:
        assert scep_submit.send(service, message(service)).status == 1
    with serve(tmp_path / "default") as service:
        unread = scep_submit.send(service, message(service, "wrong"))
        assert unread.status == 3
        assert NO_CONTENT in unread.said
