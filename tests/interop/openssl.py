"""The openssl command."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pyscep.certificates import Identity, parse_certificate
from pyscep.keys import PrivateKey
from tests.helpers import keys


class OpenSsl:
    """Runs the command in a directory of its own, where keys and certificates lie by name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, *arguments: object, stdin: bytes = b"") -> bytes:
        return self.run(*arguments, stdin=stdin).stdout

    def says(self, *arguments: object, stdin: bytes = b"") -> str:
        """Return stdout and stderr together, as messages go here or there by version."""
        done = self.run(*arguments, stdin=stdin)
        return (done.stdout + done.stderr).decode("utf-8", "replace")

    def run(self, *arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            ["openssl", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            check=False,
            cwd=self.directory,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        return done

    def write(self, name: str, contents: bytes | str) -> str:
        octets = contents.encode() if isinstance(contents, str) else contents
        (self.directory / name).write_bytes(octets)
        return name

    def read(self, name: str) -> bytes:
        return (self.directory / name).read_bytes()

    def key(self, name: str) -> PrivateKey:
        return keys.provider().load_private_key(self.read(f"{name}.key"))

    def identity(self, name: str) -> Identity:
        """Return what ``name.key`` and ``name.pem`` hold."""
        certificate = parse_certificate(self.read(f"{name}.pem"))
        return Identity(certificate=certificate, key=self.key(name))
