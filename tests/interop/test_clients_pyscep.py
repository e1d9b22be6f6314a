"""What is peculiar to PyScep 0.0.14, with pyscep's responder."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.crl import parse_crl
from pyscep.handlers import ApprovalHandler
from pyscep.messages import FailInfo, MessageType, PkiStatus
from tests.helpers import keys
from tests.interop.clients import OldPyScep, Outcome, write_key
from tests.interop.services import (
    CHALLENGE,
    authority,
    now,
    opening_for_the_ca_too,
    serve,
)

AES128 = ContentEncryptionAlgorithm.AES128_CBC
AES256 = ContentEncryptionAlgorithm.AES256_CBC
DES3 = ContentEncryptionAlgorithm.DES_EDE3_CBC
SHA1, SHA256, SHA512 = DigestAlgorithm.SHA1, DigestAlgorithm.SHA256, DigestAlgorithm.SHA512
READABLE: dict[str, Any] = {"empty_content": b""}
"""What it needs to understand FAILURE and PENDING."""
NO_CONTENT = "TypeError: Cannot convert \"<class 'NoneType'>\" instance to a buffer."


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "client.key", keys.rsa(1))


def facts(outcome: Outcome) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(outcome.said)
    return result


@pytest.mark.conforms("A-17", "E-21")
@pytest.mark.parametrize(
    ("options", "cipher", "digest"),
    [
        ({}, AES256, SHA512),
        ({"digests": {SHA256}}, AES256, SHA256),
        ({"ciphers": {DES3}}, DES3, SHA512),
        # With AES it is AES-256 if SHA-256 is announced too.
        ({"ciphers": {AES128}}, None, SHA512),
        # Its CSR is signed with SHA-256 whatever is announced.
        ({"ciphers": {DES3}, "digests": {SHA1}}, None, SHA1),
    ],
)
def test_it_takes_the_strongest_that_is_announced(
    old_pyscep: OldPyScep,
    key: Path,
    options: dict[str, Any],
    cipher: ContentEncryptionAlgorithm | None,
    digest: DigestAlgorithm,
    tmp_path: Path,
) -> None:
    with serve(tmp_path / "service", **READABLE, **options) as service:
        outcome = old_pyscep.enrol(service, key)
        (exchange,) = service.exchanges
        assert exchange.digest is digest
        if cipher is None:
            assert facts(outcome)["fail_info"] == str(FailInfo.BAD_ALG.value)
        else:
            assert outcome.certificate is not None
            assert exchange.cipher is cipher


@pytest.mark.parametrize("pending", [False, True])
def test_it_needs_content_in_failure_and_pending(
    old_pyscep: OldPyScep, key: Path, pending: bool, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"handler": ApprovalHandler()} if pending else {}
    with serve(tmp_path / "service", **options) as service:
        outcome = old_pyscep.enrol(service, key, CHALLENGE if pending else "wrong")
        assert outcome.said == NO_CONTENT
        wanted = PkiStatus.PENDING if pending else PkiStatus.FAILURE
        assert service.exchanges[0].status is wanted


@pytest.mark.conforms("E-18")
def test_it_encrypts_to_the_ca_if_one_ra_does_everything(
    old_pyscep: OldPyScep, key: Path, tmp_path: Path
) -> None:
    ca = authority("ca-and-ra")
    with serve(tmp_path / "service", ca, **READABLE) as service:
        outcome = old_pyscep.enrol(service, key)
        assert facts(outcome)["fail_info"] == str(FailInfo.BAD_REQUEST.value)
    with serve(tmp_path / "service", opening_for_the_ca_too(ca), **READABLE) as service:
        assert old_pyscep.enrol(service, key).certificate is not None


def test_it_cannot_get(old_pyscep: OldPyScep, key: Path, tmp_path: Path) -> None:
    with serve(tmp_path / "service", post=False) as service:
        outcome = old_pyscep.enrol(service, key)
        assert outcome.said == "AttributeError: 'bytes' object has no attribute 'encode'"
        assert service.http_methods == []


@pytest.mark.conforms("P-05")
def test_polling(old_pyscep: OldPyScep, key: Path, tmp_path: Path) -> None:
    options = {**READABLE, "handler": ApprovalHandler(), "approve": True}
    with serve(tmp_path / "service", **options) as service:
        waiting = facts(old_pyscep.enrol(service, key))
        assert waiting["status"] == "PENDING"
        identity, transaction_id = old_pyscep.self_signed, waiting["transaction_id"]
        polled = old_pyscep("poll", service, key, identity, transaction_id)
        assert polled.issued.public_key == keys.rsa(1).public_key
        assert [(each.message_type, each.status) for each in service.exchanges] == [
            (MessageType.PKCS_REQ, PkiStatus.PENDING),
            (MessageType.CERT_POLL, PkiStatus.SUCCESS),
        ]


@pytest.mark.parametrize("layout", ["ca", "ca-and-two-ras"])
@pytest.mark.conforms("A-07", "A-13", "Q-06")
def test_queries(old_pyscep: OldPyScep, key: Path, layout: str, tmp_path: Path) -> None:
    with serve(tmp_path / "service", authority(layout)) as service:
        issued = old_pyscep.enrol(service, key).issued
        query = (service, key, old_pyscep.self_signed, issued.serial_number)
        assert old_pyscep("get-cert", *query).issued == issued
        crl = parse_crl(bytes.fromhex(facts(old_pyscep("get-crl", *query))["crl"]))
        assert crl.issuer == service.authority.issuer.subject


@pytest.mark.parametrize("operation", ["get-cert", "get-crl"])
def test_it_takes_a_root_for_the_issuer_in_queries(
    old_pyscep: OldPyScep, key: Path, operation: str, tmp_path: Path
) -> None:
    with serve(tmp_path / "service", authority("ca-below-root"), **READABLE) as service:
        issued = old_pyscep.enrol(service, key).issued
        outcome = old_pyscep(operation, service, key, old_pyscep.self_signed, issued.serial_number)
        assert facts(outcome)["fail_info"] == str(FailInfo.BAD_CERT_ID.value)


def test_it_cannot_read_its_own_next_ca_certificates(
    old_pyscep: OldPyScep, key: Path, tmp_path: Path
) -> None:
    """It has verified the answer by then."""
    following = authority().roll_over(not_before=now(), lifetime=timedelta(days=30))
    with serve(tmp_path / "service", next_authority=following) as service:
        outcome = old_pyscep("get-next-ca-cert", service, key, old_pyscep.self_signed)
        assert outcome.said == (
            "TypeError: encoded_data must be a byte string, not scep.Client.certificate.Certificate"
        )
        assert service.server.log[-1].response.status == 200
