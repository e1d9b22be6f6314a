"""What is peculiar to strongSwan's ``pki`` 5.9.8, with pyscep's responder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.handlers import ApprovalHandler
from pyscep.messages import FailInfo, MessageType, PkiStatus
from pyscep.responder import AES_CIPHERS
from tests.helpers import keys
from tests.interop.clients import StrongSwan, write_key
from tests.interop.services import FOR_EVERYBODY, LAYOUTS, authority, serve

CIPHERS = {
    "aes": ContentEncryptionAlgorithm.AES128_CBC,
    "des3": ContentEncryptionAlgorithm.DES_EDE3_CBC,
}
DIGESTS = ("sha1", "sha256", "sha384", "sha512")
WITH_3DES: dict[str, Any] = {"ciphers": AES_CIPHERS | {ContentEncryptionAlgorithm.DES_EDE3_CBC}}
NO_AES = "AES_CBC encryption algorithm not supported by CA"
NO_SHA256 = "sha256 digest algorithm not supported by CA"
BAD_ALG = "failInfo:     badAlg - unrecognized or unsupported algorithm identifier"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "client.key", keys.rsa(1))


def choosing(pki: StrongSwan, **options: str) -> StrongSwan:
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return replace(pki, options=tuple(words))


@pytest.mark.conforms("C-11", "A-17", "E-21", "R-10")
@pytest.mark.parametrize("digest", DIGESTS)
@pytest.mark.parametrize("cipher", CIPHERS)
def test_every_algorithm(
    strongswan: StrongSwan, key: Path, cipher: str, digest: str, tmp_path: Path
) -> None:
    with serve(tmp_path / "service", **FOR_EVERYBODY) as service:
        pki = choosing(strongswan, cipher=cipher, digest=digest)
        assert pki.enrol(service, key).issued.public_key == keys.rsa(1).public_key
        (exchange,) = service.exchanges
        assert exchange.cipher is CIPHERS[cipher]
        assert exchange.digest is DigestAlgorithm[digest.upper()]


@pytest.mark.conforms("C-32")
@pytest.mark.parametrize(
    ("options", "cipher", "digest", "said"),
    [
        # What it looks for is not what it needs: SHA-256 wants DES3 or SHA-384 to be announced,
        # and AES wants SHA-384.
        ({}, "aes", "sha256", NO_SHA256),
        ({}, "aes", "sha512", NO_AES),
        ({}, "des3", "sha512", BAD_ALG),
        (WITH_3DES, "aes", "sha256", NO_AES),
        (WITH_3DES, "aes", "sha512", NO_AES),
        (WITH_3DES, "des3", "sha256", None),
        ({"extra_capabilities": ("SHA-384",)}, "aes", "sha256", None),
        ({"extra_capabilities": ("SHA-384",)}, "aes", "sha512", None),
        ({"extra_capabilities": ("SHA-384",)}, "aes", "sha1", BAD_ALG),
    ],
)
def test_it_needs_another_hash_announced_to_use_aes(
    strongswan: StrongSwan,
    key: Path,
    options: dict[str, Any],
    cipher: str,
    digest: str,
    said: str | None,
    tmp_path: Path,
) -> None:
    with serve(tmp_path / "service", **options) as service:
        outcome = choosing(strongswan, cipher=cipher, digest=digest).enrol(service, key)
        if said is None:
            assert outcome.certificate is not None
            return
        assert outcome.certificate is None
        assert said in outcome.said
        sent = [FailInfo.BAD_ALG] if said == BAD_ALG else []
        assert [exchange.fail_info for exchange in service.exchanges] == sent


def test_a_request_signed_with_pss(strongswan: StrongSwan, key: Path, tmp_path: Path) -> None:
    with serve(tmp_path / "service", **FOR_EVERYBODY) as service:
        pki = replace(strongswan, options=("--rsa-padding", "pss"))
        assert pki.enrol(service, key).certificate is not None


@pytest.mark.conforms("G-03", "G-04", "G-21", "T-21")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_ca_certificates(strongswan: StrongSwan, layout: str, tmp_path: Path) -> None:
    """``pki --scepca`` sorts them by what they are, and says so."""
    ca = authority(layout)
    with serve(tmp_path / "service", ca) as service:
        outcome, written = strongswan.get_ca_certificates(service)
        assert outcome.status == 0
        assert sorted(each.der for each in written) == sorted(each.der for each in ca.published)
        assert f'Root CA cert "{ca.root.subject}"' in outcome.said
        assert (f'Sub CA cert "{ca.issuer.subject}"' in outcome.said) is (ca.issuer != ca.root)
        registrars = [each for each in ca.published if not each.is_ca]
        for registrar in registrars:
            assert f'RA cert "{registrar.subject}"' in outcome.said
        assert outcome.said.count("cert is trusted, valid until") == len(written) - 1


@pytest.mark.parametrize("empty_content", [None, b""])
@pytest.mark.conforms("P-10", "M-03")
def test_polling(
    strongswan: StrongSwan, key: Path, empty_content: bytes | None, tmp_path: Path
) -> None:
    options = {**FOR_EVERYBODY, "empty_content": empty_content, "handler": ApprovalHandler()}
    with serve(tmp_path / "service", approve=True, **options) as service:
        pki = choosing(strongswan, interval="1")
        assert pki.enrol(service, key).certificate is not None
        assert [(each.message_type, each.status) for each in service.exchanges] == [
            (MessageType.PKCS_REQ, PkiStatus.PENDING),
            (MessageType.CERT_POLL, PkiStatus.SUCCESS),
        ]


def test_polling_without_end(strongswan: StrongSwan, key: Path, tmp_path: Path) -> None:
    options = {**FOR_EVERYBODY, "handler": ApprovalHandler()}
    with serve(tmp_path / "service", **options) as service:
        outcome = choosing(strongswan, interval="1", maxpolltime="1").enrol(service, key)
        assert outcome.status == 1
        assert "maximum poll time reached: 1 seconds" in outcome.said
        assert {each.status for each in service.exchanges} == {PkiStatus.PENDING}


@pytest.mark.parametrize("empty_content", [None, b""])
@pytest.mark.conforms("M-03")
def test_it_reads_a_refusal_with_and_without_content(
    strongswan: StrongSwan, key: Path, empty_content: bytes | None, tmp_path: Path
) -> None:
    options = {**FOR_EVERYBODY, "empty_content": empty_content}
    with serve(tmp_path / "service", **options) as service:
        outcome = strongswan.enrol(service, key, "wrong")
        assert "failInfo:     badRequest" in outcome.said
        assert "reply status is not 'SUCCESS'" in outcome.said


def test_it_posts_although_post_is_not_announced(
    strongswan: StrongSwan, key: Path, tmp_path: Path
) -> None:
    with serve(tmp_path / "service", post=False, **FOR_EVERYBODY) as service:
        assert strongswan.enrol(service, key).certificate is not None
        assert service.http_methods == ["POST"]


def test_it_renews_although_renewal_is_not_announced(
    strongswan: StrongSwan, key: Path, tmp_path: Path
) -> None:
    with serve(tmp_path / "service", renewal=False, **FOR_EVERYBODY) as service:
        first = strongswan.enrol(service, key)
        new = write_key(tmp_path / "new.key", keys.rsa(3))
        outcome = strongswan.renew(service, key, first.issued, new)
        assert "failInfo:     badRequest" in outcome.said
        assert service.exchanges[-1].message_type is MessageType.RENEWAL_REQ
