from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pyscep.cli import files
from pyscep.errors import DecodeError, DecryptionFailed, UsageError


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("force", [False, True])
def test_write(tmp_path: Path, force: bool) -> None:
    files.write(str(tmp_path / "a"), b"new", force=force)
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == {"a"}


def test_private_files_are_for_their_owner(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        files.write(str(tmp_path / "key"), b"", force=False, private=True)
        files.write(str(tmp_path / "certificate"), b"", force=False)
    finally:
        os.umask(before)
    assert mode(tmp_path / "key") == 0o600
    assert mode(tmp_path / "certificate") == 0o644


def test_a_replaced_private_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")
    path.chmod(0o644)
    files.write(str(path), b"new", force=True, private=True)
    assert (mode(path), path.read_bytes()) == (0o600, b"new")


def test_no_file_is_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(UsageError, match="a exists; give another name, or --force"):
        files.write(str(path), b"new", force=False)
    with pytest.raises(UsageError, match="exists"):
        files.check_writable(str(path), force=False)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"a"}
    files.check_writable(str(path), None, force=True)
    files.write(str(path), b"new", force=True)
    assert path.read_bytes() == b"new"


@pytest.fixture
def no_hard_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)


@pytest.mark.usefixtures("no_hard_links")
def test_without_hard_links(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.write(str(path), b"new", force=False, private=True)
    assert (mode(path), path.read_bytes()) == (0o600, b"new")
    with pytest.raises(UsageError, match="exists"):
        files.write(str(path), b"newer", force=False)
    assert names(tmp_path) == {"a"}


@pytest.mark.usefixtures("no_hard_links")
def test_an_empty_place_holder_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        files.write(str(tmp_path / "a"), b"new", force=False)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("hard_links", [True, False])
def test_race(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool, request: Any
) -> None:
    """Another program makes the file in the last moment."""
    if not hard_links:
        request.getfixturevalue("no_hard_links")
    path, real = tmp_path / "a", os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        path.write_bytes(b"somebody else's")

    files.check_writable(str(path), force=False)
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(UsageError, match="exists"):
        files.write(str(path), b"ours", force=False)
    assert path.read_bytes() == b"somebody else's"
    assert names(tmp_path) == {"a"}


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("fdopen", KeyboardInterrupt()),
        ("fsync", KeyboardInterrupt()),
        ("link", KeyboardInterrupt()),
        ("fdopen", FULL),
        ("fsync", FULL),
    ],
)
def test_nothing_is_left_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    real = getattr(os, step)

    def interrupted(*arguments: Any, **options: Any) -> None:
        if step == "fdopen":
            os.close(arguments[0])
        raise error

    monkeypatch.setattr(os, step, interrupted)
    with pytest.raises(type(error)):
        files.write(str(tmp_path / "a"), b"new", force=False)
    monkeypatch.setattr(os, step, real)
    assert names(tmp_path) == set()


def test_an_old_file_stays_whole_when_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write(str(tmp_path / "a"), b"new", force=True)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == {"a"}


def test_only_regular_files_are_replaced(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    for name in ("link", "dangling", "folder"):
        with pytest.raises(UsageError, match="not a regular file"):
            files.check_writable(str(tmp_path / name), force=True)
        with pytest.raises(UsageError, match="not a regular file"):
            files.write(str(tmp_path / name), b"new", force=True)
        with pytest.raises(UsageError, match="exists"):
            files.write(str(tmp_path / name), b"new", force=False)
    assert target.read_bytes() == b"old"


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written: no such directory"):
        files.check_writable(str(tmp_path / "none" / "a"), force=False)


def test_one_name_for_two_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Two outputs have the same name"):
        files.check_writable(
            str(tmp_path / "a"), str(tmp_path / "b" / ".." / "a"), None, force=False
        )


def test_remove(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    files.remove(str(tmp_path / "a"))
    files.remove(str(tmp_path / "a"))
    assert names(tmp_path) == set()


def test_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"text")
    assert files.read(str(tmp_path / "a")) == b"text"
    with pytest.raises(UsageError, match="b cannot be read: No such file"):
        files.read(str(tmp_path / "b"))
    (tmp_path / "b").write_bytes(bytes(2 * 1024 * 1024 + 1))
    with pytest.raises(UsageError, match="more than 2097152 bytes"):
        files.read(str(tmp_path / "b"))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DecodeError("It is cut off."), "key.pem: It is cut off."),
        (DecryptionFailed(), "key.pem: it does not open; is the password right?"),
    ],
)
def test_errors_about_files_name_them(error: Exception, text: str) -> None:
    with pytest.raises(UsageError, match=text), files.explained("key.pem"):
        raise error
