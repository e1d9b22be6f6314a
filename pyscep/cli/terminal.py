"""What a command has to do with the outside: output, questions, clock.

Results go to standard output, either as text or as one JSON object; everything else (progress,
warnings, the log of ``--verbose``) goes to standard error.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, TextIO

from pyscep.errors import UsageError

Shape = Mapping[str, Any]
"""A JSON object: strings, numbers, booleans, ``None``, and lists and objects of them."""


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


def ask_secretly(prompt: str) -> str:
    """Ask on the terminal without showing what is typed.

    :raises UsageError: there is no terminal.
    """
    with warnings.catch_warnings():
        # getpass would go on with a visible question on standard input.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt)
        except (getpass.GetPassWarning, EOFError):
            pass
    raise UsageError("There is no terminal to ask on; take the secret from a file instead.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Where a command writes, asks and looks at the clock."""

    stdout: TextIO | None
    """For results; ``None`` if it was closed before the program began."""
    stderr: TextIO | None
    """For everything else."""
    json: bool = False
    """Whether the result is shown as JSON."""
    verbose: bool = False
    """Whether each exchange with the server is shown."""
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    """Environment variables, for those that an option names."""
    ask: Callable[[str], str] = ask_secretly
    """Asks for a secret."""
    now: Callable[[], datetime] = _utc_now
    """The clock."""
    sleep: Callable[[float], None] = time.sleep
    """Waits that many seconds."""

    def show(self, text: str, shape: Shape) -> None:
        """Show the result of a command, in one of its two forms.

        :param text: for people; lines without the last line end.
        :param shape: for programs.
        """
        _write(self.stdout, json.dumps(shape, indent=2) if self.json else text)

    def tell(self, text: str) -> None:
        """Say how it is going; that nobody can hear it is no reason to stop half-way."""
        with suppress(OSError):
            _write(self.stderr, text)

    def warn(self, text: str) -> None:
        """Say what the user should know, although it went on."""
        self.tell(f"Warning: {text}")


def system_terminal() -> Terminal:
    """Return the terminal of this process."""
    return Terminal(stdout=sys.stdout, stderr=sys.stderr)


def printable(text: str) -> str:
    """Return *text* in one line and without control characters: it may be somebody else's."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def table(rows: Iterable[tuple[str, object]], *, indent: str = "") -> str:
    """Return labels and values as aligned lines; rows whose value is ``None`` are left out."""
    present = [(label, value) for label, value in rows if value is not None]
    width = max((len(label) for label, _ in present), default=0)
    return "\n".join(
        f"{indent}{label + ':':{width + 2}}{printable(str(value))}" for label, value in present
    )


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    # A terminal obeys control characters, and one that knows ASCII only cannot show the rest.
    safe = "\n".join(printable(line) for line in text.split("\n"))
    encoding = stream.encoding or "utf-8"
    stream.write(f"{safe}\n".encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
