"""The frame: help, usage, exit codes, JSON of errors, what is imported, what is printed."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

import pyscep
from pyscep import errors
from pyscep.cli.commands import Parser
from pyscep.cli.exit_codes import EXPECTED, ExitCode, exit_code_of
from pyscep.cli.hints import hint_for, in_options
from pyscep.cli.program import build_parser, run
from pyscep.cli.terminal import Terminal, printable, table
from tests.unit.cli.conftest import Shell

ROOT = Path(__file__).parents[3]
HEAVY = ("requests", "urllib3", "oscrypto", "cryptography", "http.server", "sqlite3")


def commands() -> dict[str, Parser]:
    parser = build_parser()
    (action,) = (a for a in parser._actions if a.dest == "command")
    assert isinstance(action.choices, dict)
    return action.choices


# -------------------------------------------------------------------------------------- exit codes


def test_exit_codes() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "SUCCESS": 0,
        "USAGE": 2,
        "REFUSED": 3,
        "PENDING": 4,
        "NETWORK": 5,
        "PROTOCOL": 6,
        "SECURITY": 7,
        "INTERRUPTED": 130,
    }
    assert all(code.meaning.endswith(".") for code in ExitCode)


def every_error() -> Iterator[type[Exception]]:
    def below(kind: type[Exception]) -> Iterator[type[Exception]]:
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    return below(errors.ScepError)


@pytest.mark.parametrize("kind", sorted(set(every_error()), key=str))
def test_every_error_has_an_exit_code(kind: type[Exception]) -> None:
    assert issubclass(kind, EXPECTED)
    error = kind.__new__(kind)
    error.__dict__["provider"] = None
    assert exit_code_of(error) in ExitCode


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.KeyCapabilityError("x"), 2),
        (errors.HttpError("x", status=500), 6),
        (errors.UntrustedCa("x"), 7),
        (errors.DecryptionFailed(), 7),
        (errors.TransportError("x", url="y"), 5),
        (PermissionError("x"), 2),
        (errors.UnsupportedError("x", algorithm="y"), 6),
        (errors.UnsupportedError("x", algorithm="y", provider="oscrypto"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_code_of(error: BaseException, code: int) -> None:
    assert exit_code_of(error) == code


# -------------------------------------------------------------------------------------------- help


def test_help(shell: Shell) -> None:
    shown = shell("--help")
    assert shown.code == 0
    for name in commands():
        assert f"    {name} " in shown.out


@pytest.mark.parametrize("name", commands())
def test_help_of_each_command_has_examples_that_parse(name: str, shell: Shell) -> None:
    shown = shell(name, "--help")
    assert shown.code == 0
    examples = shown.out.partition("examples:\n")[2].replace("\\\n", "").strip().splitlines()
    assert examples
    for example in examples:
        program, *arguments = shlex.split(example)
        assert program == "pyscep"
        chosen = build_parser().parse_args(arguments)
        assert chosen.command == name
    assert max(map(len, shown.out.splitlines())) < 100


@pytest.mark.parametrize("name", commands())
def test_no_secret_is_an_argument(name: str) -> None:
    for action in commands()[name]._actions:
        for option in action.option_strings:
            if "password" in option or "challenge" in option:
                way = option.rpartition("-")[2]
                assert way in ("file", "env", "prompt", "challenge")
                assert way != "challenge" or action.nargs == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "required: COMMAND"),
        (["enroll"], "invalid choice: 'enroll'"),
        (["caps"], "required: URL; see `pyscep caps --help`"),
        (["caps", "--jso", "http://127.0.0.1/"], "Unrecognized arguments: --jso"),
        (["caps", "http://127.0.0.1/", "--timeout", "0"], "'0' is not a positive number"),
        (["caps", "ftp://127.0.0.1/"], "http"),
    ],
)
def test_usage(shell: Shell, arguments: list[str], text: str) -> None:
    failed = shell(*arguments)
    assert (failed.code, failed.out) == (2, "")
    assert failed.err.startswith("pyscep: ")
    assert text in failed.err


def test_usage_in_json(shell: Shell) -> None:
    failed = shell("caps", "--json")
    assert failed.code == 2
    assert failed.err == ""
    assert failed.json == {
        "error": "UsageError",
        "text": "The following arguments are required: URL; see `pyscep caps --help`.",
        "hint": None,
        "facts": {"argument": "arguments"},
        "exit_code": 2,
    }


# --------------------------------------------------------------------------------------- processes


def python(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_help_loads_neither_requests_nor_a_provider() -> None:
    code = (
        "import sys; before = set(sys.modules); from pyscep.cli import main; main(['--help']);"
        "main(['enrol', '--help']); loaded = set(sys.modules) - before;"
        f"print([name for name in {HEAVY} if name in loaded], file=sys.stderr)"
    )
    shown = python("-c", code)
    assert shown.stderr == "[]\n"
    assert "usage: pyscep enrol" in shown.stdout


def test_importing_the_package_loads_no_command() -> None:
    shown = python("-c", "import sys, pyscep.cli; print('argparse' in sys.modules)")
    assert shown.stdout == "False\n"


def test_module_and_script() -> None:
    script = subprocess.run(
        [Path(sys.executable).with_name("pyscep"), "caps"],
        capture_output=True,
        text=True,
        check=False,
    )
    module = python("-m", "pyscep", "caps")
    assert module.returncode == script.returncode == 2
    assert module.stderr == script.stderr


def test_importing_the_module_runs_nothing() -> None:
    """Tools that list or document a package import all of it."""
    shown = python("-c", "import sys, pyscep.__main__; print('imported')", "caps")
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "imported\n", "")


def test_nobody_reads_the_output() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        ended = subprocess.run(
            [sys.executable, "-m", "pyscep", "serve", "--list"],
            stdout=closed,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (2, b"")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_stream_that_was_closed_before(tmp_path: Path, stream: str) -> None:
    number = {"stdout": 1, "stderr": 2}[stream]
    script = f'exec {number}>&-; exec "$0" -m pyscep key "$1" --type rsa:1024'
    ended = subprocess.run(
        ["sh", "-c", script, sys.executable, str(tmp_path / "made.key")],
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    assert (ended.returncode, (tmp_path / "made.key").exists()) == (0, True)
    assert (ended.stdout != b"", ended.stderr != b"") == (stream == "stderr", stream == "stdout")


class Full(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_progress_that_nobody_can_hear_stops_nothing(work: Path) -> None:
    outside = Terminal(stdout=io.StringIO(), stderr=Full())
    assert run(["key", "weak.key", "--type", "rsa:1024"], terminal=outside) == 0
    assert run(["key", "weak.key"], terminal=outside) == 2
    outside = Terminal(stdout=Full(), stderr=io.StringIO())
    assert run(["key", "other.key"], terminal=outside) == 2


# ------------------------------------------------------------------------------------------ version


def test_version(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = shell("--version")
    assert shown.code == 0
    assert re.fullmatch(r"pyscep \d\S+ \(Python 3\.\d+\.\S+\)\n", shown.out)
    monkeypatch.setattr(metadata, "packages_distributions", dict)
    assert shell("--version").out.startswith("pyscep of unknown version, as not installed (")


# ------------------------------------------------------------------------------------------ output


def terminal(*, encoding: str = "utf-8") -> tuple[Terminal, io.BytesIO]:
    octets = io.BytesIO()
    stream = io.TextIOWrapper(octets, encoding=encoding, newline="\n")
    return Terminal(stdout=stream, stderr=stream), octets


def test_control_characters_do_not_reach_the_terminal() -> None:
    outside, octets = terminal()
    outside.tell("a\x1b[31mb\nc\rd\x9b")
    assert octets.getvalue() == b"a\\x1b[31mb\nc\\rd\\x9b\n"
    assert printable("a\nb\u202e") == "a\\nb\\u202e"


def test_a_terminal_that_knows_ascii_only() -> None:
    outside, octets = terminal(encoding="ascii")
    outside.tell("Zürich")
    assert octets.getvalue() == b"Z\\xfcrich\n"


def test_table() -> None:
    assert table((("A", 1), ("Long", None), ("BC", "x\ny")), indent=" ") == " A:  1\n BC: x\\ny"


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (errors.UsageError("x", argument="sha256"), "On the command line: --fingerprint."),
        (errors.UsageError("x", argument="url"), None),
        (errors.UsageError("x"), None),
        (errors.UsageError("use sha256= then", argument="sha256"), None),
        (errors.UntrustedCa("add it with anchors=."), None),
        (KeyboardInterrupt(), None),
    ],
)
def test_hints(error: BaseException, hint: str | None) -> None:
    assert hint_for(error) == hint


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("add it with anchors=.", "add it with --ca FILE."),
        ("use scep_standard=ScepStandardPolicy.OPTIONAL.", "use --scep-standard optional."),
        ("choose content_encryption_algorithm=AES128_CBC; x", "choose --cipher aes128; x"),
        ("use http_method=HttpMethod.GET with them", "use --method get with them"),
        (
            "allow it with ReplyRules(read_legacy_ciphers={ContentEncryptionAlgorithm.DES_CBC}).",
            "allow it with --read-legacy.",
        ),
        ("The certificate of O=a subject=b does not verify.",) * 2,
    ],
)
def test_texts_speak_of_options(text: str, shown: str) -> None:
    assert in_options(text) == shown


def test_hints_name_options_that_exist() -> None:
    from pyscep.cli.hints import _OPTIONS

    known = {option for parser in commands().values() for option in parser._option_string_actions}
    for text in _OPTIONS.values():
        assert {word for word in text.replace(",", "").split() if word.startswith("--")} <= known


@pytest.mark.parametrize("as_json", [False, True])
def test_interrupted(shell: Shell, monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pyscep.Client, "get_ca_caps", interrupted)
    ended = shell("caps", "http://127.0.0.1/scep", *(["--json"] if as_json else []))
    assert ended.code == 130
    if as_json:
        assert ended.json["text"] == "Interrupted."
    else:
        assert ended.err == "pyscep: Interrupted.\n"


def test_errors_of_the_system(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "x.key")

    monkeypatch.setattr("os.fsync", full)
    ended = shell("key", str(tmp_path / "x.key"), "--type", "ec:secp256r1", "--json")
    assert ended.code == 2
    assert ended.json["text"] == "x.key: No space left on device."
    assert json.loads(ended.out)["facts"] == {}


def test_run_takes_the_arguments_of_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pyscep", "--help"])
    assert run() == 0
    assert capsys.readouterr().out.startswith("usage: pyscep ")
