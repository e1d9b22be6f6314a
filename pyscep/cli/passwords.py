"""Secrets: from a file, an environment variable or a question, never from the command line."""

from __future__ import annotations

import argparse

from pyscep.cli import files
from pyscep.cli.terminal import Terminal
from pyscep.errors import UsageError


def add_secret_options(parser: argparse.ArgumentParser, name: str, what: str) -> None:
    """Add the three ways to give a secret, of which one may be used.

    :param name: the beginning of the options, such as ``challenge``.
    :param what: the secret in words.
    """
    ways = parser.add_argument_group(what).add_mutually_exclusive_group()
    ways.add_argument(
        f"--{name}-file",
        metavar="FILE",
        help="read it from the first line of a file (- for standard input)",
    )
    ways.add_argument(
        f"--{name}-env", metavar="NAME", help="read it from the environment variable of this name"
    )
    ways.add_argument(f"--{name}-prompt", action="store_true", help="ask for it")


def read_secret(
    arguments: argparse.Namespace, name: str, what: str, terminal: Terminal
) -> str | None:
    """Return the secret that the options of :func:`add_secret_options` lead to, if there is one.

    :raises UsageError: it is not there, is empty, or is no text.
    """
    given = vars(arguments)
    prefix = name.replace("-", "_")
    file, variable = given[f"{prefix}_file"], given[f"{prefix}_env"]
    if file is not None:
        return _from_file(file)
    if variable is not None:
        return _from_environment(variable, terminal)
    if given[f"{prefix}_prompt"]:
        return _not_empty(terminal.ask(f"{what}: "), "The answer")
    return None


def _from_file(path: str) -> str:
    line = files.read(path).split(b"\n", 1)[0].removesuffix(b"\r")
    try:
        # Windows editors put a mark of UTF-8 at the beginning.
        secret = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        secret = None
    if secret is None:
        # Not from there: that error holds the secret.
        raise UsageError(f"The first line of {path} is not text in UTF-8.")
    return _not_empty(secret, f"The first line of {path}")


def _from_environment(variable: str, terminal: Terminal) -> str:
    secret = terminal.environment.get(variable)
    if secret is None:
        raise UsageError(f"There is no environment variable {variable}.")
    if not secret.isascii() and any("\ud800" <= char <= "\udfff" for char in secret):
        # Bytes that Python could not decode.
        raise UsageError(f"The environment variable {variable} is not text in UTF-8.")
    return _not_empty(secret, f"The environment variable {variable}")


def _not_empty(secret: str, where: str) -> str:
    if not secret:
        raise UsageError(f"{where} is empty; leave the option out if there is no secret.")
    return secret
