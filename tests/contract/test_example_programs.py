"""Every program in examples/ runs and says what it should."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

import pyscep
from pyscep.handlers import ApprovalHandler, RequestHandler, static_challenge
from pyscep.memory_store import MemoryStore
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa, ScepServer
from tests.helpers.keys import rsa

EXAMPLES = Path(__file__).parents[2] / "examples"
TESTED = {"demo", "enrol", "hardware_key", "legacy_server", "poll_and_resume", "sans_io"}


README = EXAMPLES.parent / "README.md"


def program(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


@pytest.fixture(scope="module")
def authority() -> EphemeralCa:
    return EphemeralCa.create(key=rsa(0))


def serve(authority: EphemeralCa, handler: RequestHandler) -> ScepServer:
    responder = Responder(
        authority=authority,
        handler=handler,
        store=MemoryStore(),
        now=lambda: datetime.now(timezone.utc),
    )
    return ScepServer(responder.handle)


@pytest.fixture
def server(authority: EphemeralCa) -> Iterator[ScepServer]:
    with serve(authority, static_challenge("secret")) as running:
        yield running
        running.check()


def test_every_program_has_a_test() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == TESTED


def test_demo(capsys: pytest.CaptureFixture[str]) -> None:
    program("demo")["main"]()
    printed = capsys.readouterr().out
    for expected in ("1. ", "7. ", "CN=sensor-17", "badRequest", "POST PKIOperation", "Done."):
        assert expected in printed


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("poll_and_resume", "3. Approved: CN=sensor-17."),
        ("hardware_key", "CN=sensor-17: the token was used 4 times"),
        ("legacy_server", "read under: DES_CBC"),
    ],
)
def test_programs_without_arguments(
    name: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    program(name)["main"]()
    assert expected in capsys.readouterr().out


def test_sans_io(
    server: ScepServer, authority: EphemeralCa, capsys: pytest.CaptureFixture[str]
) -> None:
    main: Callable[[list[str]], None] = program("sans_io")["main"]
    main([server.url, authority.root.sha256_fingerprint, "secret"])
    assert capsys.readouterr().out == "Success\n"


def test_enrol(
    server: ScepServer,
    authority: EphemeralCa,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    challenge, out = tmp_path / "challenge.txt", tmp_path / "identity.pem"
    challenge.write_text("secret\n")
    main: Callable[[list[str]], int] = program("enrol")["main"]
    options = ["--ca-sha256", authority.root.sha256_fingerprint, "--subject", "CN=a,O=Example"]
    options += ["--san", "dns:a.example", "--out", str(out), "--challenge-file", str(challenge)]
    assert main([server.url, *options]) == 0
    assert "CN=a,O=Example, valid to" in capsys.readouterr().out
    assert out.stat().st_mode & 0o777 == 0o600
    certificates = pyscep.parse_certificates(out.read_bytes())
    assert certificates[-1] == authority.root
    key = pyscep.default_provider().load_private_key(out.read_bytes())
    assert key.public_key == certificates[0].public_key

    challenge.write_text("wrong\n")
    assert main([server.url, *options]) == 3
    assert "challenge password" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("handler", "called", "shown"),
    [
        (static_challenge("secret"), "save", "CN=sensor-17"),
        (static_challenge("another"), "report", "challenge password"),
        (ApprovalHandler(), "save", "CERT-REQ-PENDING"),
    ],
    ids=["issued", "refused", "pending"],
)
def test_the_lines_of_the_readme(
    authority: EphemeralCa, handler: RequestHandler, called: str, shown: str
) -> None:
    calls: list[tuple[str, str]] = []

    def save(first: pyscep.Certificate | str, chain: pyscep.Chain | None = None) -> None:
        assert (chain is None) is isinstance(first, str)
        calls.append(("save", first if isinstance(first, str) else str(first.subject)))

    def report(text: str) -> None:
        calls.append(("report", text))

    (lines,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    with serve(authority, handler) as running:
        assert lines.count("http://ca.example/scep") == 1
        given = {
            "fingerprint": authority.root.sha256_fingerprint,
            "password": "secret",
            "save": save,
            "report": report,
        }
        # What a reader would type.
        exec(lines.replace("http://ca.example/scep", running.url), given)  # noqa: S102
        running.check()
    ((name, text),) = calls
    assert name == called
    assert shown in text
