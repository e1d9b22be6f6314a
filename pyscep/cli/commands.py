"""How a command is declared: its parser, its options, its examples."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from pyscep.cli.exit_codes import ExitCode
from pyscep.cli.terminal import Terminal
from pyscep.errors import UsageError

Run = Callable[[argparse.Namespace, Terminal], ExitCode]
"""What a command does."""


_WIDTH = 76


class Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the arguments.

        :raises UsageError: always.
        """
        raise UsageError(
            f"{message[:1].upper()}{message[1:]}; see `{self.prog} --help`.", argument="arguments"
        )

    def parse_known_args(  # type: ignore[override]  # only what is called here
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Refuse what is left over here already, where it is known which command's help to see."""
        parsed, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return parsed, rest

    def format_help(self) -> str:
        """Return the help; its first line has only what cannot be left out."""
        required = [
            f"{action.option_strings[0]} {action.metavar}"
            for action in self._actions
            if action.required and action.option_strings
        ]
        positional = [
            str(action.metavar or action.dest)
            for action in self._actions
            if not action.option_strings
        ]
        self.usage = " ".join(("%(prog)s", *positional, *required, "[options]"))
        return super().format_help()


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands of the program, as each module adds its own."""

    _subparsers: argparse._SubParsersAction[Parser] = field(repr=False)

    def add(
        self, name: str, run: Run, *, summary: str, examples: Sequence[str], notes: str = ""
    ) -> Parser:
        """Add a command, with the options that all have, and return its parser.

        :param run: does the work.
        :param summary: what it is for, in a sentence.
        :param examples: complete command lines, for ``--help``.
        :param notes: what else has to be known, for ``--help``.
        """
        shown = "\n".join(_wrapped(example) for example in examples)
        parser = self._subparsers.add_parser(
            name,
            help=summary,
            description=f"{summary}\n\n{notes}" if notes else summary,
            epilog=f"examples:\n{shown}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        parser.set_defaults(run=run)
        general = parser.add_argument_group("output")
        general.add_argument(
            "--json", action="store_true", help="show the result as one JSON object"
        )
        general.add_argument(
            "--verbose", action="store_true", help="show each exchange with the server, no secrets"
        )
        return parser


def _wrapped(command_line: str) -> str:
    """Return a command line as a shell takes it, in lines that fit a terminal."""
    # An option and its value stay together.
    lines = textwrap.wrap(
        re.sub(r"(--[\w-]+) (?!-)", r"\1\0", command_line),
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return " \\\n".join(lines).replace("\0", " ")
