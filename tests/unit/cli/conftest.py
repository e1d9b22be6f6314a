"""A server, a directory with keys in it, and a shell that runs commands in this process."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from pyscep.cli import main
from pyscep.cli.program import run
from pyscep.cli.terminal import system_terminal
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.handlers import static_challenge
from pyscep.http import HttpRequest, HttpResponse
from pyscep.memory_store import MemoryStore
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa, MisbehavingServer, ScepServer
from tests.helpers import keys

CHALLENGE = "tr0ub4dor-challenge"


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Shell = Callable[..., Outcome]


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    """Run a command; keywords replace parts of its terminal, such as the clock."""

    def command(*arguments: str, **changes: Any) -> Outcome:
        if changes:
            code = run(arguments, terminal=replace(system_terminal(), **changes))
        else:
            code = main(arguments)
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return command


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


@pytest.fixture(scope="session")
def authority() -> EphemeralCa:
    return EphemeralCa.create(key=keys.rsa(0))


@pytest.fixture
def responder(authority: EphemeralCa) -> Responder:
    return Responder(
        authority=authority, handler=static_challenge(CHALLENGE), store=MemoryStore(), now=utc_now
    )


@pytest.fixture(scope="session")
def stranger(authority: EphemeralCa) -> EphemeralCa:
    """Return the CA that some faults need; made once, as its key takes a while."""
    return EphemeralCa.create(key=keys.rsa(4), subject=authority.issuer.subject)


@pytest.fixture
def server(responder: Responder, stranger: EphemeralCa) -> Iterator[MisbehavingServer]:
    with MisbehavingServer(responder) as running:
        running.misbehaviour.stranger = stranger
        yield running
        running.check()


@pytest.fixture
def fingerprint(authority: EphemeralCa) -> str:
    return authority.root.sha256_fingerprint


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a directory with keys, a right and a wrong challenge password."""
    monkeypatch.chdir(tmp_path)
    dump = OscryptoProvider().dump_private_key
    for number in (1, 2):
        Path(f"key-{number}.pem").write_bytes(dump(keys.rsa(number)))
    Path("challenge").write_text(f"{CHALLENGE}\n")
    Path("wrong").write_text("wrong\n")
    return tmp_path


@pytest.fixture
def closed_port_url() -> str:
    """Return a URL where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    return f"http://127.0.0.1:{port}/scep"


@pytest.fixture
def web_page_url() -> Iterator[str]:
    """Return the URL of a server that sends everybody elsewhere, which SCEP does not have."""

    def handle(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=302, headers=(("Location", "http://ca.example/"),))

    with ScepServer(handle) as running:
        yield running.url


@pytest.fixture
def enrolment(server: MisbehavingServer, fingerprint: str, work: Path) -> list[str]:
    """Return the command line of an enrolment that succeeds."""
    return [
        *("enrol", server.url, "--fingerprint", fingerprint),
        *("--key", "key-1.pem", "--subject", "CN=sensor-17,O=Example"),
        *("--challenge-file", "challenge", "--out", "cert.pem"),
    ]


@pytest.fixture
def enrolled(enrolment: list[str], shell: Shell) -> Path:
    """Enrol once, and return the file with the certificate; chain.pem has the CA."""
    assert shell(*enrolment, "--san", "dns:a.example", "--chain-out", "chain.pem").code == 0
    return Path("cert.pem")
