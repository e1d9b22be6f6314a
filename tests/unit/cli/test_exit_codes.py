"""Every command ends in each exit code that it can have."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from pyscep.cli.exit_codes import ExitCode
from pyscep.cli.program import build_parser
from pyscep.testing import Fault, MisbehavingServer
from pyscep.testing.ephemeral_ca import EphemeralCa
from tests.helpers import keys
from tests.unit.cli.conftest import Shell

WRONG = "00" * 32


@dataclass(frozen=True)
class Stage:
    """What a case has at hand; the client is enrolled, and the next request is not decided yet."""

    shell: Shell
    server: MisbehavingServer
    fingerprint: str
    closed_port_url: str
    web_page_url: str

    def ask(self, command: str, *more: str, url: str | None = None, trust: str = "") -> list[str]:
        """Return a command line that succeeds, unless something is put in the place of a part."""
        address = url or self.server.url
        trusted = ["--fingerprint", trust or self.fingerprint]
        identity = ["--cert", "cert.pem", "--key", "key-1.pem", "--of", "cert.pem"]
        new = ["--key", "key-2.pem", "--out", "new.pem", "--challenge-file", "challenge"]
        lines = {
            "caps": [address],
            "cacert": [address, *trusted],
            "nextca": [address, *trusted],
            "enrol": [address, *trusted, *new, "--subject", "CN=a"],
            "renew": [address, *trusted, *new, "--cert", "cert.pem", "--cert-key", "key-1.pem"],
            "getcert": [address, *trusted, *identity],
            "getcrl": [address, *trusted, *identity],
            "poll": ["waiting.state"],
            "key": ["new.key", "--type", "ec:secp256r1"],
            "csr": ["--key", "key-1.pem", "--subject", "CN=a", "--out", "a.csr"],
            "inspect": ["cert.pem"],
            "check": [address],
        }
        return [command, *lines[command], *more]

    def suspend(self) -> None:
        """Leave a pending request behind, in waiting.state."""
        self.server.misbehave(Fault.PENDING_FOREVER)
        line = ["enrol", self.server.url, "--fingerprint", self.fingerprint, "--key", "key-2.pem"]
        line += ["--subject", "CN=a", "--challenge-file", "challenge"]
        assert self.shell(*line, "--out", "later.pem", "--state", "waiting.state").code == 4
        self.server.misbehave()

    def misbehave(self, *faults: Fault) -> None:
        self.server.misbehave(*faults)

    def move(self, url: str) -> None:
        """Let the pending request be for another server."""
        state = Path("waiting.state")
        state.write_text(json.dumps({**json.loads(state.read_text()), "url": url}))


@pytest.fixture
def stage(
    shell: Shell,
    server: MisbehavingServer,
    fingerprint: str,
    closed_port_url: str,
    web_page_url: str,
    enrolled: Path,
    authority: EphemeralCa,
) -> Stage:
    assert enrolled.exists()
    following = authority.roll_over(
        not_before=authority.issuer.not_before, lifetime=timedelta(days=10000), key=keys.rsa(3)
    )
    server.misbehaviour.responder = replace(server.responder, next_authority=following)
    prepared = Stage(shell, server, fingerprint, closed_port_url, web_page_url)
    prepared.suspend()
    return prepared


Case = Callable[[Stage], Sequence[str]]


def faulty(command: str, *faults: Fault) -> Case:
    def case(stage: Stage) -> Sequence[str]:
        stage.misbehave(*faults)
        return stage.ask(command)

    return case


def elsewhere(command: str, place: str) -> Case:
    def case(stage: Stage) -> Sequence[str]:
        url = getattr(stage, place)
        if command == "poll":
            stage.move(url)
        return stage.ask(command, url=url)

    return case


def plain(command: str, *more: str, trust: str = "") -> Case:
    return lambda stage: stage.ask(command, *more, trust=trust)


OK, USAGE, REFUSED, PENDING, NETWORK, PROTOCOL, SECURITY = list(ExitCode)[:7]

ASK_THE_CA = ("enrol", "renew", "poll", "getcert", "getcrl")
CASES: dict[tuple[str, ExitCode], Case] = {
    **{(command, OK): plain(command) for command in ("caps", "cacert", "nextca", "key", "csr")},
    **{(command, OK): plain(command) for command in ASK_THE_CA},
    **{(command, OK): plain(command) for command in ("inspect", "check")},
    ("inspect", USAGE): plain("inspect", "--key", "missing.key"),
    ("check", USAGE): plain("check", "--enrol"),
    ("check", NETWORK): elsewhere("check", "closed_port_url"),
    ("check", PROTOCOL): elsewhere("check", "web_page_url"),
    ("check", SECURITY): plain("check", "--enrol", "--subject", "CN=a", "--fingerprint", WRONG),
    ("caps", USAGE): plain("caps", "--timeout", "-1"),
    ("cacert", USAGE): plain("cacert", trust="not hexadecimal"),
    ("nextca", USAGE): plain("nextca", "--out", "cert.pem"),
    ("enrol", USAGE): plain("enrol", "--challenge-prompt"),
    ("renew", USAGE): plain("renew", "--same-key"),
    ("poll", USAGE): plain("poll", "--key", "key-1.pem"),
    ("getcert", USAGE): plain("getcert", "--cert", "chain.pem"),
    ("getcrl", USAGE): plain("getcrl", "--out", "cert.pem"),
    ("key", USAGE): plain("key", "--password-env", "THERE_IS_NO_SUCH_VARIABLE"),
    ("csr", USAGE): plain("csr", "--subject", "no name"),
    **{(command, REFUSED): faulty(command, Fault.REFUSED) for command in ASK_THE_CA},
    **{
        (command, PENDING): faulty(command, Fault.PENDING_FOREVER)
        for command in ("enrol", "renew", "poll")
    },
    **{
        (command, NETWORK): elsewhere(command, "closed_port_url")
        for command in ("caps", "cacert", "nextca", *ASK_THE_CA)
    },
    **{
        (command, PROTOCOL): elsewhere(command, "web_page_url")
        for command in ("caps", "cacert", "nextca", *ASK_THE_CA)
    },
    ("cacert", SECURITY): plain("cacert", trust=WRONG),
    ("nextca", SECURITY): plain("nextca", trust=WRONG),
    **{(command, SECURITY): faulty(command, Fault.SIGNED_BY_STRANGER) for command in ASK_THE_CA},
}


@pytest.mark.parametrize(
    ("command", "code"), CASES, ids=[f"{command}-{code.name}" for command, code in CASES]
)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_exit_code(stage: Stage, command: str, code: ExitCode, as_json: bool) -> None:
    line = CASES[command, code](stage)
    ended = stage.shell(*line, *(["--json"] if as_json else []))
    assert ended.code == code, ended
    if as_json:
        assert isinstance(ended.json, dict)
        assert ended.json.get("exit_code", code) == code
    elif code in (OK, REFUSED, PENDING):
        assert ended.out
    else:
        assert ended.out == ""
        assert ended.err.startswith("pyscep: ")


def test_every_command_is_there() -> None:
    (action,) = (a for a in build_parser()._actions if a.dest == "command")
    # Those without a server of somebody else's have tests of their own.
    assert set(action.choices or ()) - {"serve"} == {command for command, _ in CASES}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.HTML_PAGE, PROTOCOL),
        (Fault.SERVER_ERROR, PROTOCOL),
        (Fault.REDIRECT, PROTOCOL),
        (Fault.MISSING_RECIPIENT_NONCE, PROTOCOL),
        (Fault.WRONG_TRANSACTION_ID, PROTOCOL),
        (Fault.TRUNCATED_MESSAGE, PROTOCOL),
        (Fault.HUGE_MESSAGE, PROTOCOL),
        (Fault.CLOSED_CONNECTION, NETWORK),
        (Fault.CUT_BODY, NETWORK),
        (Fault.MD5, SECURITY),
        (Fault.SINGLE_DES, SECURITY),
        (Fault.BAD_PADDING, SECURITY),
        (Fault.CERTIFICATE_FOR_ANOTHER_KEY, SECURITY),
        (Fault.CAPABILITIES_STRIPPED, SECURITY),
    ],
)
def test_faults(
    shell: Shell, enrolment: list[str], server: MisbehavingServer, fault: Fault, code: ExitCode
) -> None:
    server.misbehave(fault)
    ended = shell(*enrolment)
    assert ended.code == code, ended
    assert not Path("cert.pem").exists()
    assert not Path("cert.pem.state").exists()
