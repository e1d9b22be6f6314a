"""The program: its parser, and how an error becomes text, JSON and an exit code."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from pyscep.cli import authorities, check, enrolment, inspect, preparations, queries, serve
from pyscep.cli.commands import Commands, Parser
from pyscep.cli.exit_codes import EXPECTED, ExitCode, exit_code_of
from pyscep.cli.hints import hint_for, in_options
from pyscep.cli.terminal import Shape, Terminal, system_terminal

_SUMMARY = "Enrol for X.509 certificates by SCEP (RFC 8894), and look into what servers do."

# In the order in which --help shows them.
_MODULES = (authorities, enrolment, queries, preparations, inspect, check, serve)


def build_parser() -> Parser:
    """Return the parser of the whole program."""
    return _build()[0]


def command_helps() -> dict[str, str]:
    """Return the help of each command, for the documentation."""
    return {name: parser.format_help() for name, parser in _build()[1].choices.items()}


def _build() -> tuple[Parser, argparse._SubParsersAction[Parser]]:
    parser = Parser(
        prog="pyscep",
        description=_SUMMARY,
        epilog="`pyscep COMMAND --help` shows the options and examples of a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version, and end")
    subparsers = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Parser
    )
    commands = Commands(subparsers)
    for module in _MODULES:
        module.add_parser(commands)
    return parser, subparsers


class _ShowVersion(argparse.Action):
    """Looks the version up when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib import metadata  # noqa: PLC0415  # 50 ms

        # By the package, as the distribution may have another name.
        found = metadata.packages_distributions().get("pyscep")
        text = metadata.version(found[0]) if found else "of unknown version, as not installed"
        print(f"pyscep {text} (Python {platform.python_version()})")
        parser.exit()


def run(arguments: Sequence[str] | None = None, *, terminal: Terminal | None = None) -> int:
    """Run one command and return its exit code; see :func:`pyscep.cli.main`.

    :param terminal: the outside; that of this process if left out.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    outside = terminal or system_terminal()
    # Wanted even if the arguments cannot be understood.
    outside = replace(outside, json="--json" in given)
    try:
        return int(_run(given, outside))
    except SystemExit as end:  # argparse has shown the help
        return int(end.code or 0)
    except BrokenPipeError:
        # Nobody reads any more. The interpreter would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.USAGE)


def _run(given: Sequence[str], outside: Terminal) -> ExitCode:
    try:
        chosen = build_parser().parse_args(given)
        outside = replace(outside, json=chosen.json, verbose=chosen.verbose)
        code: ExitCode = chosen.run(chosen, outside)
    except BrokenPipeError:
        raise
    except EXPECTED as error:
        code = exit_code_of(error)
        _show_failure(outside, error, code)
    return code


def _show_failure(terminal: Terminal, error: BaseException, code: ExitCode) -> None:
    text, hint = _text_of(error), hint_for(error)
    if terminal.json:
        shape = {
            "error": type(error).__name__,
            "text": text,
            "hint": hint,
            "facts": _facts_of(error),
            "exit_code": int(code),
        }
        terminal.show("", shape)
        return
    terminal.tell(f"pyscep: {text}")
    if hint is not None:
        terminal.tell(f"pyscep: {hint}")


def _text_of(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted."
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror or error}."
    return in_options(str(error))


def _facts_of(error: BaseException) -> Shape:
    """Return the error's attributes, as far as JSON has them."""
    if isinstance(error, OSError):
        return {}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in vars(error).items()
        if value is None or isinstance(value, (str, int, tuple))
    }
