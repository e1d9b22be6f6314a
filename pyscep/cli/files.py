"""Files, read with a bound and written completely or not at all.

What is written appears under its name in one step: it is never there half, and never in the place
of something else unless that was asked for.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from pyscep.errors import DecryptionFailed, ScepError, UsageError
from pyscep.limits import DEFAULT_LIMITS

STDIN = "-"
"""The name of a file that means standard input."""

_PRIVATE = 0o600
_PUBLIC = 0o666
"""Less what the user's umask takes away."""


def read(path: str) -> bytes:
    """Return the contents of a file, or of standard input for ``-``.

    :raises UsageError: it cannot be read, or is longer than ``Limits.message_size``.
    """
    most = DEFAULT_LIMITS.message_size
    _check_name(path)
    try:
        if path == STDIN:
            octets = b"" if sys.stdin is None else sys.stdin.buffer.read(most + 1)
        else:
            with Path(path).open("rb") as file:
                octets = file.read(most + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    if len(octets) > most:
        raise UsageError(f"{path} has more than {most} bytes; is it the right file?")
    return octets


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Turn every error about the contents of a local file into one about the file.

    :raises UsageError: with the file's name before what is wrong.
    """
    try:
        yield
    except DecryptionFailed:
        failure = "it does not open; is the password right?"
    except ScepError as error:
        failure = str(error)
    else:
        return
    raise UsageError(f"{path}: {failure}")


def check_writable(*paths: str | None, force: bool, needed: Iterable[str | None] = ()) -> None:
    """Refuse early what :func:`write` would refuse after all the work.

    :param paths: files that are to be written; ``None`` stands for none.
    :param needed: files that are read and have to stay, whatever *force* says: above all the key
        that an output is for.
    :raises UsageError: one exists, or its directory does not.
    """
    for text in paths:
        if text is not None:
            _check_name(text)
            if text == STDIN:
                raise UsageError(
                    "Files are not written to standard output; give a name, such as ./- for a file "
                    "that is called -."
                )
    named = [Path(path) for path in paths if path is not None]
    if len({path.resolve() for path in named}) < len(named):
        raise UsageError("Two outputs have the same name; give each file a name of its own.")
    kept = {Path(path).resolve() for path in needed if path is not None}
    for path in named:
        if path.resolve() in kept:
            raise UsageError(f"{path} is still needed as it is; give the output another name.")
        if os.path.lexists(path):
            if not force:
                _refuse_existing(path)
            _check_replaceable(path)
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise UsageError(f"{path} cannot be written: no such directory, or no right to write.")


def write(path: str, octets: bytes, *, force: bool, private: bool = False) -> None:
    """Write a file completely or not at all, and have it on the disk.

    :param force: whether a file of that name may be replaced.
    :param private: whether only its owner may read it.
    :raises UsageError: there is a file of that name, also one that came this moment.
    :raises OSError: it cannot be written.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        mode = _PRIVATE if private else _PUBLIC
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        if force and os.path.lexists(target):
            _check_replaceable(target)
            temporary.replace(target)
        else:
            _put(temporary, target)
        _sync_directory(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def remove(path: str) -> None:
    """Remove a file that is no longer needed, if it is there."""
    Path(path).unlink(missing_ok=True)


def _check_name(path: str) -> None:
    # What is left of "$FILE" where the variable is not set.
    if not path:
        raise UsageError("The name of a file is empty; is a variable of the shell not set?")


def _refuse_existing(path: Path) -> NoReturn:
    raise UsageError(f"{path} exists; give another name, or --force to replace it.")


def _check_replaceable(path: Path) -> None:
    # os.replace() would put a file in the place of a device or a link.
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise UsageError(f"{path} is not a regular file, so it is not replaced.")


def _put(temporary: Path, target: Path) -> None:
    """Give a file its name, unless that is taken: one step, so that no other program can race."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        _refuse_existing(target)
    except OSError:
        # No hard links here. An empty file takes the name; whoever comes later finds it taken.
        try:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE))
        except FileExistsError:
            _refuse_existing(target)
        try:
            temporary.replace(target)
        except BaseException:
            target.unlink()
            raise


def _sync_directory(directory: Path) -> None:
    # Not everywhere can a directory be opened; the file itself is on the disk already.
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
