from __future__ import annotations

import argparse
import getpass
import io
import os
import sys
import types
import warnings
from pathlib import Path

import pytest

from pyscep.cli.passwords import add_secret_options, read_secret
from pyscep.cli.terminal import Terminal, ask_secretly
from pyscep.errors import UsageError
from tests.unit.cli.conftest import Shell


def secret(
    *arguments: str, ask: str = "asked", environment: dict[str, str] | None = None
) -> str | None:
    parser = argparse.ArgumentParser()
    add_secret_options(parser, "challenge", "challenge password")
    terminal = Terminal(
        stdout=io.StringIO(),
        stderr=io.StringIO(),
        ask=lambda prompt: ask if prompt == "Challenge: " else prompt,
        environment=environment or {},
    )
    return read_secret(parser.parse_args(arguments), "challenge", "Challenge", terminal)


def test_without_options() -> None:
    assert secret() is None


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"secret", "secret"),
        (b"secret\n", "secret"),
        (b"secret\r\n", "secret"),
        (b" with spaces \nsecond line\n", " with spaces "),
        ("Größe\n".encode(), "Größe"),
        (b"\xef\xbb\xbfof a Windows editor\r\n", "of a Windows editor"),
    ],
)
def test_file(tmp_path: Path, octets: bytes, expected: str) -> None:
    (tmp_path / "secret").write_bytes(octets)
    assert secret("--challenge-file", str(tmp_path / "secret")) == expected


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(b"piped\n")))
    assert secret("--challenge-file", "-") == "piped"
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="is empty"):
        secret("--challenge-file", "-")


@pytest.mark.parametrize(("octets", "text"), [(b"", "is empty"), (b"\nx", "is empty")])
def test_empty_file(tmp_path: Path, octets: bytes, text: str) -> None:
    (tmp_path / "secret").write_bytes(octets)
    with pytest.raises(UsageError, match=text):
        secret("--challenge-file", str(tmp_path / "secret"))


def test_no_text(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"hush\xff")
    with pytest.raises(UsageError, match="not text in UTF-8") as refused:
        secret("--challenge-file", str(tmp_path / "secret"))
    assert "hush" not in str(refused.value)
    assert refused.value.__context__ is None


def test_environment() -> None:
    assert secret("--challenge-env", "NAME", environment={"NAME": "secret"}) == "secret"
    with pytest.raises(UsageError, match="no environment variable NAME"):
        secret("--challenge-env", "NAME")
    with pytest.raises(UsageError, match="is empty"):
        secret("--challenge-env", "NAME", environment={"NAME": ""})
    with pytest.raises(UsageError, match="variable NAME is not text in UTF-8") as refused:
        secret("--challenge-env", "NAME", environment={"NAME": os.fsdecode(b"hush\xff")})
    assert "hush" not in str(refused.value)


def test_question() -> None:
    assert secret("--challenge-prompt") == "asked"
    with pytest.raises(UsageError, match="The answer is empty"):
        secret("--challenge-prompt", ask="")


def test_only_one_way(shell: Shell) -> None:
    ended = shell("key", "x", "--password-prompt", "--password-env", "NAME")
    assert (ended.code, "not allowed with" in ended.err) == (2, True)


def test_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_terminal(prompt: str) -> str:
        warnings.warn("Can not control echo", getpass.GetPassWarning, stacklevel=2)
        return "visible"

    monkeypatch.setattr(getpass, "getpass", no_terminal)
    with pytest.raises(UsageError, match="There is no terminal to ask on"):
        ask_secretly("Challenge: ")


def test_getpass_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt: f"answer to {prompt}")
    assert ask_secretly("Challenge: ") == "answer to Challenge: "
