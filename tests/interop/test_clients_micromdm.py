"""What is peculiar to micromdm's scepclient 2.1.0, with pyscep's responder."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.handlers import ApprovalHandler
from pyscep.messages import FailInfo, MessageType, PkiStatus
from pyscep.responder import AES_CIPHERS, SHA2_DIGESTS
from tests.helpers import keys
from tests.interop.clients import ScepClient, environment, write_key
from tests.interop.services import CHALLENGE, Exchange, authority, serve

NEEDS: dict[str, Any] = {
    "ciphers": AES_CIPHERS | {ContentEncryptionAlgorithm.DES_CBC},
    "digests": SHA2_DIGESTS | {DigestAlgorithm.SHA1},
}

NO_SIGNER = "pkcs7: No certificate for signer"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "client.key", keys.rsa(1))


@pytest.mark.conforms("E-12", "A-15", "C-32")
@pytest.mark.parametrize("missing", ["ciphers", "digests"])
def test_it_needs_single_des_and_sha1(
    scepclient: ScepClient, key: Path, missing: str, tmp_path: Path
) -> None:
    options = {name: value for name, value in NEEDS.items() if name != missing}
    with serve(tmp_path / "service", **options) as service:
        outcome = scepclient.enrol(service, key)
        assert outcome.certificate is None
        assert "PKCSReq (19) request failed, failInfo: badAlg (0)" in outcome.said
        assert [exchange.fail_info for exchange in service.exchanges] == [FailInfo.BAD_ALG]


@pytest.mark.conforms("E-12", "E-21", "A-17")
def test_it_reads_aes_and_sha1_although_it_sends_des(
    scepclient: ScepClient, key: Path, tmp_path: Path
) -> None:
    with serve(tmp_path / "service", **NEEDS) as service:
        assert scepclient.enrol(service, key).issued.public_key == keys.rsa(1).public_key
        assert service.exchanges == [
            Exchange(
                message_type=MessageType.PKCS_REQ,
                digest=DigestAlgorithm.SHA1,
                cipher=ContentEncryptionAlgorithm.AES128_CBC,
                status=PkiStatus.SUCCESS,
                fail_info=None,
            )
        ]


@pytest.mark.conforms("T-07")
def test_it_uses_get_where_post_is_not_announced(
    scepclient: ScepClient, key: Path, tmp_path: Path
) -> None:
    with serve(tmp_path / "service", post=False, **NEEDS) as service:
        assert scepclient.enrol(service, key).certificate is not None
        assert service.http_methods == ["GET"]


@pytest.mark.parametrize("empty_content", [None, b""])
@pytest.mark.conforms("M-03")
def test_it_reads_a_refusal_with_and_without_content(
    scepclient: ScepClient, key: Path, empty_content: bytes | None, tmp_path: Path
) -> None:
    with serve(tmp_path / "service", empty_content=empty_content, **NEEDS) as service:
        outcome = scepclient.enrol(service, key, "wrong")
        assert "failInfo: badRequest (2)" in outcome.said


def test_it_renews_although_renewal_is_not_announced(
    scepclient: ScepClient, key: Path, tmp_path: Path
) -> None:
    with serve(tmp_path / "service", renewal=False, **NEEDS) as service:
        first = scepclient.enrol(service, key)
        outcome = scepclient.renew(service, key, first.issued, key)
        assert "RenewalReq (17) request failed, failInfo: badRequest (2)" in outcome.said


@pytest.mark.parametrize(
    ("layout", "pinned", "said"),
    [
        ("ca-and-ra", 0, None),
        ("ca-and-ra", 1, NO_SIGNER),
        ("ca-and-two-ras", 0, "failInfo: badRequest (2)"),
        ("ca-and-two-ras", 1, NO_SIGNER),
        ("ca-and-two-ras", 2, NO_SIGNER),
        ("ca-below-root", 0, None),
        ("ca-below-root", 1, NO_SIGNER),
    ],
)
def test_a_fingerprint_leaves_it_one_certificate_for_everything(
    scepclient: ScepClient, key: Path, layout: str, pinned: int, said: str | None, tmp_path: Path
) -> None:
    """``-ca-fingerprint``: it encrypts to that certificate only, and expects it as signer."""
    ca = authority(layout)
    with serve(tmp_path / "service", ca, **NEEDS) as service:
        fingerprint = ca.published[pinned].sha256_fingerprint.replace(":", "")
        outcome = scepclient.enrol(service, key, options=("-ca-fingerprint", fingerprint.lower()))
        if said is None:
            assert outcome.certificate is not None
        else:
            assert said in outcome.said
            assert outcome.certificate is None


@pytest.mark.conforms("P-10")
def test_a_pending_request_is_repeated(scepclient: ScepClient, key: Path, tmp_path: Path) -> None:
    """It sleeps for 30 seconds and repeats its PKCSReq; started again, it does so at once."""
    handler = ApprovalHandler()
    with serve(tmp_path / "service", handler=handler, approve=True, **NEEDS) as service:
        command = scepclient.command(service, key, CHALLENGE)
        with subprocess.Popen(
            [str(part) for part in command],
            env=environment(scepclient.folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            said = next((line for line in process.stdout if "PENDING" in line), "")
            process.terminate()
        assert 'msg="sleeping for 30 seconds, then trying again."' in said
        assert scepclient.enrol(service, key).certificate is not None
        types = [(each.message_type, each.status) for each in service.exchanges]
        assert types == [
            (MessageType.PKCS_REQ, PkiStatus.PENDING),
            (MessageType.PKCS_REQ, PkiStatus.SUCCESS),
        ]
