"""Fingerprint and chain: what is uploaded, what is fetched, and what is missing from both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import pyscep
from pyscep.http import HttpRequest, HttpResponse
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa
from sensor_parts.storage import State, Status
from tests.helpers import keys, responders, sensors
from tests.helpers.sensors import Clock, Moody

URL = "http://ca.example/scep"
OTHER = "00" * 32


@dataclass(frozen=True)
class Pki:
    """Root, issuing CA, and two RA certificates; the server sends only what it is told to."""

    authority: EphemeralCa
    handler: Moody

    @property
    def parts(self) -> dict[str, pyscep.Certificate]:
        signer, recipient, issuer, root = self.authority.published
        return {"signer": signer, "recipient": recipient, "issuer": issuer, "root": root}

    def some(self, names: str) -> list[pyscep.Certificate]:
        return [self.parts[name] for name in names.split()]

    def serve(self, names: str) -> Any:
        responder = responders.new_responder(authority=self.authority, handler=self.handler)
        sent = Responder.handle

        def handle(request: HttpRequest) -> HttpResponse:
            response = sent(responder, request)
            if "operation=GetCACert" not in request.url:
                return response
            bag = pyscep.cms_signed.degenerate([each.der for each in self.some(names)], ())
            return replace(response, body=bag)

        return handle


@pytest.fixture(scope="module")
def authority() -> EphemeralCa:
    return responders.new_authority(intermediates=1, separate_ra=True)


@pytest.fixture
def pki(authority: EphemeralCa) -> Pki:
    return Pki(authority, Moody())


def enrol(pki: Pki, folder: Path, *, sent: str, uploaded: str = "", **fields: Any) -> Status:
    if uploaded:
        pem = "".join(certificate.pem() for certificate in pki.some(uploaded))
        (folder / "uploaded.pem").write_text(pem)
        fields["ca_certificates"] = ["uploaded.pem"]
    settings = sensors.settings_for(folder, sensors.network_table(URL, **fields))
    (network,) = sensors.start(settings, Clock(), pki.serve(sent))
    status = network.step()
    if status.state is State.ACTIVE:
        current = network.store.current()
        assert current is not None
        assert current.chain == tuple(pki.some("issuer root"))
    else:
        assert pki.handler.seen == [], "no secret may have been sent"
    return status


EVERYTHING = "signer recipient issuer root"
COMPLETE = [
    (EVERYTHING, ""),
    ("signer recipient issuer", "root"),
    ("signer recipient", "issuer root"),
    ("issuer", "signer recipient root"),
    ("signer recipient root", "issuer"),
    (EVERYTHING, "root"),
    (EVERYTHING, EVERYTHING),
    ("signer recipient issuer root", "signer recipient"),
]


@pytest.mark.conforms("G-07", "G-08", "G-14", "G-17")
@pytest.mark.parametrize("digest", ["none", "sha256", "sha1"])
@pytest.mark.parametrize(("sent", "uploaded"), COMPLETE)
def test_uploaded_and_fetched_complete_each_other(
    pki: Pki, tmp_path: Path, sent: str, uploaded: str, digest: str
) -> None:
    root = pki.parts["root"]
    provider = keys.provider()
    fingerprints = {
        "sha256": root.sha256_fingerprint,
        "sha1": provider.digest(root.der, pyscep.DigestAlgorithm.SHA1).hex(),
    }
    fields = {} if digest == "none" else {"root_ca_fingerprint": fingerprints[digest]}
    status = enrol(pki, tmp_path, sent=sent, uploaded=uploaded, **fields)
    assert status.state is State.ACTIVE, status.message
    vouched = digest != "none" or bool({"issuer", "root"} & set(uploaded.split()))
    assert ("believed as it first answered" in status.message) is not vouched


@pytest.mark.parametrize(
    ("sent", "uploaded"),
    [
        ("signer recipient issuer", ""),
        ("signer recipient", "issuer"),
        ("signer recipient issuer", "issuer"),
    ],
)
def test_a_missing_root_is_reported_before_anything_is_sent(
    pki: Pki, tmp_path: Path, sent: str, uploaded: str
) -> None:
    status = enrol(pki, tmp_path, sent=sent, uploaded=uploaded)
    assert status.state is State.ENROLMENT_FAILED
    assert "not those of the settings, or not complete" in status.message
    assert "The certificate of CN=pyscep test root, which issued" in status.message
    assert "is missing; add it to the CA certificates." in status.message


@pytest.mark.conforms("G-15", "G-17", "G-18")
@pytest.mark.parametrize("uploaded", ["", "root", EVERYTHING])
def test_the_fingerprint_decides_whatever_is_uploaded(
    pki: Pki, tmp_path: Path, uploaded: str
) -> None:
    status = enrol(pki, tmp_path, sent=EVERYTHING, uploaded=uploaded, root_ca_fingerprint=OTHER)
    assert status.state is State.ENROLMENT_FAILED
    assert f"No certificate has the fingerprint {OTHER}" in status.message


def test_the_fingerprint_has_to_be_that_of_the_root(pki: Pki, tmp_path: Path) -> None:
    fingerprint = pki.parts["issuer"].sha256_fingerprint
    status = enrol(pki, tmp_path, sent=EVERYTHING, root_ca_fingerprint=fingerprint)
    assert "which is no root" in status.message


def test_another_ca_than_the_uploaded_one_is_refused(pki: Pki, tmp_path: Path) -> None:
    stranger = responders.new_authority(subject="CN=Another CA", key=keys.rsa(5))
    (tmp_path / "other.pem").write_text(stranger.root.pem())
    status = enrol(pki, tmp_path, sent=EVERYTHING, ca_certificates=["other.pem"])
    assert status.state is State.ENROLMENT_FAILED
    assert "does not chain to the trusted CA" in status.message


@pytest.mark.conforms("G-18")
def test_a_ca_once_believed_is_kept_to_at_renewal(pki: Pki, tmp_path: Path) -> None:
    settings = sensors.settings_for(tmp_path, sensors.network_table(URL))
    clock = Clock()
    (network,) = sensors.start(settings, clock, pki.serve(EVERYTHING))
    status = network.step()
    assert status.state is State.ACTIVE
    # The same names, and no key in common.
    other = EphemeralCa.create(
        now=keys.NOW, intermediates=1, separate_ra=True, provider=keys.provider()
    )
    impostor = Pki(other, Moody())
    (network,) = sensors.start(settings, clock, impostor.serve(EVERYTHING))
    status = sensors.step_at_next(network, clock, status)
    assert status.state is State.RENEWAL_FAILED
    assert "The CA may have been replaced" in status.message
    assert impostor.handler.seen == []
    (network,) = sensors.start(settings, clock, pki.serve(EVERYTHING))
    assert sensors.step_at_next(network, clock, status).state is State.ACTIVE
