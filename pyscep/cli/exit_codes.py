"""Exit codes, and which error ends in which: the one table of both."""

from __future__ import annotations

from enum import IntEnum

from pyscep.errors import (
    ProtocolError,
    ProviderUnavailable,
    RequestPending,
    RequestRefused,
    SecurityError,
    StoreError,
    TransportError,
    UnsupportedError,
    UsageError,
)


class ExitCode(IntEnum):
    """How a command ended."""

    meaning: str
    """The same in words, for the documentation."""

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        """Make a member that is its number and has a meaning besides."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    SUCCESS = 0, "It is done."
    USAGE = (
        2,
        "It cannot be done as given: an option, a file or a library on this machine is in the way.",
    )
    REFUSED = 3, "The CA refused; what it said is shown, with the likely cause."
    PENDING = 4, "The CA wants to be asked again later: use `pyscep poll`."
    NETWORK = 5, "The server could not be reached, or the connection broke."
    PROTOCOL = 6, "The server answered something that SCEP does not have, or pyscep cannot read."
    SECURITY = 7, "A check failed that protects you. Do not retry, do not ignore it."
    INTERRUPTED = 130, "Ctrl-C. No file was left half-written."


_BY_ERROR: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (UsageError, ExitCode.USAGE),
    (ProviderUnavailable, ExitCode.USAGE),
    (StoreError, ExitCode.USAGE),
    (OSError, ExitCode.USAGE),
    (RequestRefused, ExitCode.REFUSED),
    (RequestPending, ExitCode.PENDING),
    (TransportError, ExitCode.NETWORK),
    (ProtocolError, ExitCode.PROTOCOL),
    (UnsupportedError, ExitCode.PROTOCOL),
    (SecurityError, ExitCode.SECURITY),
    (KeyboardInterrupt, ExitCode.INTERRUPTED),
)

EXPECTED = tuple(kind for kind, _ in _BY_ERROR)
"""The errors that a command may end with; any other is a defect of pyscep."""


def exit_code_of(error: BaseException) -> ExitCode:
    """Return the exit code for an error that is one of :data:`EXPECTED`."""
    if isinstance(error, UnsupportedError) and error.provider is not None:
        # Another library on this machine could do it.
        return ExitCode.USAGE
    return next(code for kind, code in _BY_ERROR if isinstance(error, kind))
