"""Run the commands that a page of the documentation shows, and put their real output there.

``python tools/record_console.py PAGE`` rewrites a page, such as docs/reference/command-line.rst. A
test runs the same commands and compares, see :func:`normalised`.

In the page, a block ``.. code-block:: console`` has lines that begin with ``$ `` and are commands
of pyscep; what follows is their output. ``$ echo $?`` shows the exit code. Comments steer the
server that answers under the page's URL: ``.. faults: pending-forever`` switches faults on, or off.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from pyscep.begin import pkcs_req
from pyscep.ca import CaCertificates
from pyscep.cli.program import run
from pyscep.cli.terminal import Terminal
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.handlers import static_challenge
from pyscep.memory_store import MemoryStore
from pyscep.pkcs10 import build_csr, self_signed_identity
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa, MisbehavingServer
from pyscep.testing.faults import find_fault

SHOWN_URL = "http://127.0.0.1:8080/scep"
SHOWN_SERVE_PORT = "8081"
SHOWN_DIRECTORY = "/srv/device"
_INDENT = "   "
_HEX = re.compile(r"\b[0-9a-f]{24,}\b")


def free_port() -> str:
    """Return the number of a port that nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return str(unused.getsockname()[1])


def utc_now() -> datetime:
    """Return the present."""
    return datetime.now(timezone.utc)


def interrupted(_: float) -> None:
    """Stand for a wait that Ctrl-C ends."""
    raise KeyboardInterrupt


@dataclass
class Recorder:
    """A server, a directory, and the exit code of the last command."""

    server: MisbehavingServer
    directory: Path
    fingerprint: str
    code: int = 0
    serve_port: str = field(default_factory=free_port)

    def output_of(self, command: str) -> str:
        """Run one command line and return what it prints, as the page has it."""
        if command == "echo $?":
            return f"{self.code}\n"
        program, *words = shlex.split(command)
        if program != "pyscep":
            raise SystemExit(f"{command}: only commands of pyscep are run")
        stream = io.StringIO()
        terminal = Terminal(stdout=stream, stderr=stream, now=utc_now, sleep=interrupted)
        with contextlib.redirect_stdout(stream):
            self.code = run([self._real(word) for word in words], terminal=terminal)
        return self._shown(stream.getvalue())

    def _real(self, word: str) -> str:
        if word == SHOWN_SERVE_PORT:
            return self.serve_port
        # The page has the fingerprint of the CA that was there when it was recorded.
        return _HEX.sub(self.fingerprint, word.replace(SHOWN_URL, self.server.url))

    def _shown(self, text: str) -> str:
        shown = text.replace(self.server.url, SHOWN_URL)
        shown = shown.replace(f":{self.serve_port}/", f":{SHOWN_SERVE_PORT}/")
        return shown.replace(str(self.directory), SHOWN_DIRECTORY)


@contextlib.contextmanager
def recorder(directory: Path, *, authority: EphemeralCa | None = None) -> Iterator[Recorder]:
    """Start the server, and be in a directory with the files that the page takes for granted."""
    present = authority or EphemeralCa.create()
    responder = Responder(
        authority=present,
        handler=static_challenge("secret"),
        store=MemoryStore(),
        now=utc_now,
    )
    before = Path.cwd()
    os.chdir(directory)
    try:
        Path("challenge.txt").write_text("secret\n", encoding="utf-8")
        Path("wrong.txt").write_text("guessed\n", encoding="utf-8")
        _write_messages(responder)
        with MisbehavingServer(responder) as server:
            fingerprint = present.root.sha256_fingerprint
            yield Recorder(server=server, directory=Path.cwd(), fingerprint=fingerprint)
    finally:
        os.chdir(before)


def _write_messages(responder: Responder) -> None:
    """Write a request, its answer, and the client's key, as somebody may have recorded them."""
    key = OscryptoProvider().generate_rsa_key(2048)
    challenge = Path("challenge.txt").read_text(encoding="utf-8").strip()
    csr = build_csr(subject="CN=sensor-17,O=Example", key=key, challenge_password=challenge)
    identity = self_signed_identity(csr, key=key, not_before=utc_now(), lifetime=timedelta(days=7))
    published = CaCertificates(certificates=responder.authority.published)
    ca = published.authenticate(anchors=published.certificates[-1:], at=utc_now())
    exchange = pkcs_req(csr, identity=identity, ca=ca, transaction_id="sensor-17-1")
    earlier = pkcs_req(csr, identity=identity, ca=ca, transaction_id="sensor-17-0")
    Path("request.der").write_bytes(exchange.message)
    Path("reply.der").write_bytes(responder.answer(exchange.message))
    Path("old-reply.der").write_bytes(responder.answer(earlier.message))
    Path("client.key").write_bytes(OscryptoProvider().dump_private_key(key))


def recorded(page: str, record: Recorder) -> str:
    """Return *page* with fresh output of every command."""
    out: list[str] = []
    lines = iter(page.splitlines())
    in_block = False
    blank: list[str] = []
    for line in lines:
        if line.startswith(".. faults:"):
            names = line.partition(":")[2].split()
            record.server.misbehave(*(find_fault(name) for name in names))
        in_block = line.startswith(".. code-block:: console") or (
            in_block and (not line or line.startswith(_INDENT))
        )
        if in_block and not line:
            # Part of an output, or the end of the block: the next line tells.
            blank.append(line)
            continue
        if not out or not out[-1].startswith(_INDENT):
            # Not within an output, which has blank lines of its own.
            out += blank
        elif not line.startswith(_INDENT):
            out += blank[:1]
        blank = []
        if not in_block or not line.startswith(_INDENT):
            out.append(line)
        elif line.startswith(f"{_INDENT}$ "):
            out.append(line)
            command = line.removeprefix(f"{_INDENT}$ ")
            while command.endswith("\\"):
                more = next(lines)
                out.append(more)
                command = f"{command[:-1]}{more.strip()}"
            output = record.output_of(command).splitlines()
            out += [f"{_INDENT}{text}".rstrip() for text in output]
    return "\n".join((*out, *blank, ""))


def normalised(page: str) -> str:
    """Return *page* without what is different each time: times, hexadecimal numbers, sizes."""
    page = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", page)
    page = re.sub(r"\d+ bytes", "N bytes", page)
    return _HEX.sub("HEX", page)


def commands_in(page: str) -> set[str]:
    """Return which commands a page shows."""
    return set(re.findall(rf"^{_INDENT}\$ pyscep (\S+)", page, re.MULTILINE))


def main(path: Path) -> None:
    """Rewrite one page."""
    page = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as directory, recorder(Path(directory)) as record:
        fresh = recorded(page, record)
    path.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
