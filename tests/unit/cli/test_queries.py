from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pyscep.certificates import parse_certificate
from pyscep.cli.shapes import serial
from pyscep.crl import parse_crl
from pyscep.testing import Fault, MisbehavingServer
from tests.unit.cli.conftest import Shell


def question(command: str, server: MisbehavingServer) -> list[str]:
    return [command, server.url, "--ca", "chain.pem", "--key", "key-1.pem"]


@pytest.mark.conforms("Q-01")
@pytest.mark.parametrize("signer", [[], ["--cert", "cert.pem"]], ids=["self-signed", "issued"])
def test_getcert(
    shell: Shell, server: MisbehavingServer, enrolled: Path, signer: list[str]
) -> None:
    certificate = parse_certificate(enrolled.read_bytes())
    number = serial(certificate.serial_number)
    colons = ":".join(number[i : i + 2] for i in range(0, len(number), 2)).upper()
    for which in (["--serial", number], ["--serial", colons], ["--of", "cert.pem"]):
        line = [*question("getcert", server), *signer, *which]
        ended = shell(*line, "--out", "other.pem", "--force")
        assert (ended.code, ended.err) == (0, "")
        assert f"Serial number:     {number}\n" in ended.out
        assert Path("other.pem").read_bytes() == enrolled.read_bytes()
    shape = shell(*question("getcert", server), "--of", "cert.pem", "--json").json
    assert shape["certificate"]["sha256"] == certificate.sha256_fingerprint
    assert (shape["status"], shape["message_type"], shape["out"]) == ("success", "GET_CERT", None)
    assert (
        shell(*question("getcert", server), "--of", "cert.pem", "--der", "--out", "other.der").code
        == 0
    )
    assert Path("other.der").read_bytes() == certificate.der


@pytest.mark.conforms("Q-05")
def test_a_certificate_that_the_ca_does_not_know(
    shell: Shell, server: MisbehavingServer, enrolled: Path
) -> None:
    ended = shell(*question("getcert", server), "--serial", "1")
    assert ended.code == 3
    assert ended.out.startswith("Refused by the CA: badCertId (4).\n")


@pytest.mark.conforms("Q-07")
def test_getcrl(shell: Shell, server: MisbehavingServer, enrolled: Path) -> None:
    line = [*question("getcrl", server), "--of", "cert.pem"]
    ended = shell(*line, "--out", "ca.crl")
    assert ended.code == 0
    assert "Issuer:        CN=pyscep test CA\n" in ended.out
    assert "Revoked:       no\n" in ended.out
    assert Path("ca.crl").read_bytes().startswith(b"-----BEGIN X509 CRL-----\n")

    certificate = parse_certificate(enrolled.read_bytes())
    server.responder.revoke(certificate)
    shape = shell(*line, "--der", "--out", "ca.der", "--json").json
    crl = parse_crl(Path("ca.der").read_bytes())
    assert crl.revocation_date(certificate.serial_number) is not None
    assert shape == {
        "status": "success",
        "issuer": "CN=pyscep test CA",
        "this_update": f"{crl.this_update:%Y-%m-%dT%H:%M:%SZ}",
        "next_update": f"{crl.next_update:%Y-%m-%dT%H:%M:%SZ}",
        "serial": serial(certificate.serial_number),
        "revoked": shape["revoked"],
        "reply_algorithms": {
            "content_encryption_algorithm": "AES128_CBC",
            "digest_algorithm": "SHA256",
        },
        "out": "ca.der",
    }
    assert shape["revoked"].startswith("20")
    assert "Revoked:       yes, on 20" in shell(*line).out


def test_an_old_crl_is_told(shell: Shell, server: MisbehavingServer, enrolled: Path) -> None:
    line = [*question("getcrl", server), "--of", "cert.pem"]
    later = datetime.now(timezone.utc) + timedelta(days=3)
    ended = shell(*line, now=lambda: later)
    assert ended.code == 0
    assert "Warning: The CRL has been out of date since 20" in ended.err


def test_single_des_is_told(shell: Shell, server: MisbehavingServer, enrolled: Path) -> None:
    server.misbehave(Fault.SINGLE_DES)
    line = [*question("getcert", server), "--of", "cert.pem", "--read-legacy", "des"]
    assert "Warning: The server's reply came with DES_CBC.\n" in shell(*line).err


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ([], "One of the arguments --serial --of is required"),
        (["--serial", "xyz"], "'xyz' is not a serial number in hexadecimal"),
        (["--of", "key-1.pem"], "key-1.pem has no certificate that can be read"),
        (["--of", "two.pem"], "two.pem has 2 certificates"),
        (["--of", "cert.pem", "--out", "key-1.pem", "--force"], "is still needed"),
        (["--of", "cert.pem", "--out", "cert.pem"], "cert.pem exists"),
        (["--of", "cert.pem", "--key", "key-2.pem", "--cert", "cert.pem"], "no certificate for"),
    ],
)
def test_usage(
    shell: Shell, server: MisbehavingServer, enrolled: Path, more: list[str], text: str
) -> None:
    server.reset()
    Path("two.pem").write_text(Path("cert.pem").read_text() + Path("chain.pem").read_text())
    for command in ("getcert", "getcrl"):
        ended = shell(*question(command, server), *more)
        assert ended.code == 2
        assert text in ended.err
    assert server.log == []


def test_nothing_is_asked_for_if_everything_is_chosen(
    shell: Shell, server: MisbehavingServer, enrolled: Path
) -> None:
    server.reset()
    chosen = ["--cipher", "aes128", "--digest", "sha256", "--method", "post"]
    assert shell(*question("getcert", server), "--of", "cert.pem", *chosen).code == 0
    assert not any("GetCACaps" in entry.request.url for entry in server.log)
