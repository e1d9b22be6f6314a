"""``pyscep check``: the report, the exit code, and that nothing is requested unless asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyscep.testing import Fault, MisbehavingServer
from tests.unit.cli.conftest import CHALLENGE, Shell


def asked(server: MisbehavingServer) -> list[str]:
    queries = (entry.request.url.partition("operation=")[2] for entry in server.log)
    return [query.partition("&")[0] for query in queries]


def test_a_right_server(server: MisbehavingServer, shell: Shell) -> None:
    outcome = shell("check", server.url)
    assert outcome.code == 0
    assert outcome.out.startswith(f"{server.url} breaks no MUST of RFC 8894")
    assert "GetCACert: 1 certificate." in outcome.out
    assert "Broken:" not in outcome.out
    assert asked(server) == ["GetCACaps", "GetCACert"]


def test_json(server: MisbehavingServer, shell: Shell) -> None:
    shown = shell("check", server.url, "--json").json
    assert list(shown) == [
        "url", "conforms", "capabilities", "ca_certificates", "checks", "notes",
    ]  # fmt: skip
    assert (shown["url"], shown["conforms"]) == (server.url, True)
    assert list(shown["checks"][0]) == ["id", "level", "verdict", "rule", "texts", "advice"]
    assert {each["verdict"] for each in shown["checks"]} == {"pass", "not seen"}


def test_an_enrolment(
    server: MisbehavingServer, shell: Shell, fingerprint: str, work: Path
) -> None:
    outcome = shell(
        "check", server.url, "--enrol", "--fingerprint", fingerprint, "--subject", "CN=check",
        "--challenge-file", "challenge", "--verbose",
    )  # fmt: skip
    assert outcome.code == 0
    assert "PKCSReq sent again: SUCCESS." in outcome.out
    assert asked(server) == ["GetCACaps", "GetCACert", *["PKIOperation"] * 4]
    assert "> POST" in outcome.err
    assert CHALLENGE not in outcome.out + outcome.err
    with_key = shell(
        "check", server.url, "--enrol", "--fingerprint", fingerprint, "--subject", "CN=check",
        "--challenge-file", "challenge", "--key", "key-1.pem", "--json",
    )  # fmt: skip
    assert with_key.code == 0
    assert with_key.json["notes"][1] == "PKCSReq: SUCCESS."


def test_a_refused_enrolment_is_no_fault(
    server: MisbehavingServer, shell: Shell, fingerprint: str, work: Path
) -> None:
    outcome = shell(
        "check", server.url, "--enrol", "--fingerprint", fingerprint, "--subject", "CN=check",
        "--challenge-file", "wrong",
    )  # fmt: skip
    assert outcome.code == 0
    assert "PKCSReq: FAILURE badRequest" in outcome.out


def test_a_server_that_breaks_rules(
    server: MisbehavingServer, shell: Shell, fingerprint: str, work: Path
) -> None:
    server.misbehave(Fault.CAPABILITIES_STRIPPED)
    outcome = shell("check", server.url)
    assert outcome.code == 6
    assert "does not conform to RFC 8894: it breaks 3 of its MUSTs." in outcome.out
    assert "  E-10  MUST    AES-128-CBC is supported." in outcome.out
    assert "                Advice: " in outcome.out
    server.misbehave(Fault.WRONG_RECIPIENT_NONCE)
    report = shell(
        "check", server.url, "--enrol", "--fingerprint", fingerprint, "--subject", "CN=check",
        "--challenge-file", "challenge", "--json",
    )  # fmt: skip
    assert report.code == 6
    failed = {each["id"]: each for each in report.json["checks"] if each["verdict"] == "fail"}
    assert set(failed) == {"M-26"}
    assert failed["M-26"]["advice"]


@pytest.mark.parametrize(
    "options",
    [
        ["--enrol"],
        ["--enrol", "--ca", "missing.pem"],
        ["--subject", "CN=x"],
        ["--san", "dns:x"],
        ["--challenge-file", "challenge"],
        ["--enrol", "--fingerprint", "00", "--subject", "CN"],
        ["--key", "key-1.pem"],
        ["--fingerprint", "00"],
    ],
)
def test_usage(server: MisbehavingServer, shell: Shell, work: Path, options: list[str]) -> None:
    outcome = shell("check", server.url, *options)
    assert outcome.code == 2
    assert "PKIOperation" not in asked(server)


def test_another_ca(server: MisbehavingServer, shell: Shell, work: Path) -> None:
    outcome = shell(
        "check", server.url, "--enrol", "--fingerprint", "00" * 32, "--subject", "CN=check",
        "--challenge-file", "challenge",
    )  # fmt: skip
    assert outcome.code == 7
    assert "PKIOperation" not in asked(server)


def test_nobody_there(shell: Shell, closed_port_url: str) -> None:
    outcome = shell("check", closed_port_url)
    assert outcome.code == 5
    assert "refused the connection" in outcome.err
