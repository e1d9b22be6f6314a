"""Clients that others wrote get, renew and are refused certificates by pyscep's responder."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyscep.certificates import Certificate, is_issued_by, rsa_bits_of
from pyscep.extensions import GeneralName
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.messages import FailInfo, MessageType, PkiStatus
from tests.helpers import keys
from tests.interop.clients import Client, write_key
from tests.interop.services import (
    FOR_EVERYBODY,
    LAYOUTS,
    Service,
    authority,
    opening_for_the_ca_too,
    serve,
)

CLIENTS = ("scepclient", "strongswan", "certmonger", "old_pyscep")
RENEWALS = {
    "scepclient": MessageType.RENEWAL_REQ,
    "strongswan": MessageType.RENEWAL_REQ,
    "certmonger": MessageType.PKCS_REQ,
    "old_pyscep": MessageType.PKCS_REQ,
}
"""certmonger and PyScep renew as the drafts had it: a PKCSReq signed with the old certificate."""
METHODS = {"scepclient": "POST", "strongswan": "POST", "certmonger": "GET", "old_pyscep": "POST"}


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    value: Client = request.getfixturevalue(request.param)
    return value


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Give the name of the client."""
    value: str = request.node.callspec.params["client"]
    return value


def key_file(folder: Path, number: int, *, bits: int = 2048) -> Path:
    return write_key(folder / f"key-{number}.pem", keys.rsa(number, bits=bits))


def check_issued(service: Service, client: str, certificate: Certificate, *, bits: int) -> None:
    """Check that the client has what the responder has issued for its key and names."""
    stored = service.responder.store
    assert is_issued_by(certificate, service.authority.issuer, provider=keys.provider())
    assert stored.find_certificate(IssuerAndSerialNumber.of(certificate)) == certificate.der
    assert rsa_bits_of(certificate.public_key) == bits
    assert "CN=sensor-17" in str(certificate.subject)
    has_dns_name = client in ("strongswan", "certmonger")
    names = (GeneralName.dns("sensor.example"),) if has_dns_name else ()
    assert certificate.subject_alt_names == names


@pytest.mark.parametrize(
    ("layout", "bits"),
    [*((layout, 2048) for layout in LAYOUTS), ("ca", 4096), ("ca-and-two-ras", 4096)],
)
@pytest.mark.conforms("S-16", "T-07", "T-12", "T-15", "R-09", "R-10")
def test_enrolment(client: Client, name: str, layout: str, bits: int, tmp_path: Path) -> None:
    ca = opening_for_the_ca_too(authority(layout, bits=bits))
    with serve(tmp_path / "service", ca, **FOR_EVERYBODY) as service:
        outcome = client.enrol(service, key_file(tmp_path, 1, bits=bits))
        check_issued(service, name, outcome.issued, bits=bits)
        assert outcome.issued.public_key == keys.rsa(1, bits=bits).public_key
        (exchange,) = service.exchanges
        assert exchange.message_type is MessageType.PKCS_REQ
        assert service.http_methods == [METHODS[name]]


@pytest.mark.parametrize("layout", ["ca", "ca-and-two-ras"])
@pytest.mark.conforms("R-06", "X-09")
def test_renewal(client: Client, name: str, layout: str, tmp_path: Path) -> None:
    """The old certificate stands for the challenge password."""
    with serve(tmp_path / "service", authority(layout), **FOR_EVERYBODY) as service:
        first = client.enrol(service, key_file(tmp_path, 1))
        second = client.renew(service, tmp_path / "key-1.pem", first.issued, key_file(tmp_path, 3))
        check_issued(service, name, second.issued, bits=2048)
        assert second.issued != first.issued
        same_key = second.issued.public_key == first.issued.public_key
        assert same_key is (name in ("scepclient", "certmonger"))
        assert [exchange.message_type for exchange in service.exchanges] == [
            MessageType.PKCS_REQ,
            RENEWALS[name],
        ]


REFUSED = {
    "scepclient": "PKCSReq (19) request failed, failInfo: badRequest (2)",
    "strongswan": "failInfo:     badRequest - transaction not permitted or supported",
    "certmonger": "CA_REJECTED: Transaction either is not permitted or is not supported by server.",
    "old_pyscep": '"status": "FAILURE", "fail_info": "2"',
}


@pytest.mark.parametrize("layout", ["ca", "ca-and-two-ras"])
@pytest.mark.conforms("A-05", "A-15", "A-16", "H-05")
def test_a_wrong_challenge_is_refused_in_so_many_words(
    client: Client, name: str, layout: str, tmp_path: Path
) -> None:
    with serve(tmp_path / "service", authority(layout), **FOR_EVERYBODY) as service:
        outcome = client.enrol(service, key_file(tmp_path, 1), "wrong")
        assert outcome.certificate is None
        assert REFUSED[name] in outcome.said
        (exchange,) = service.exchanges
        assert (exchange.status, exchange.fail_info) == (PkiStatus.FAILURE, FailInfo.BAD_REQUEST)
