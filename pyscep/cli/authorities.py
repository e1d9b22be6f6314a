"""``caps``, ``cacert`` and ``nextca``: what a server says about itself and its CA."""

from __future__ import annotations

import argparse

from pyscep.cli.choices import algorithms_shape, propose, spelled
from pyscep.cli.commands import Commands
from pyscep.cli.connection import add_connection_options, connect
from pyscep.cli.exit_codes import ExitCode
from pyscep.cli.terminal import Terminal, table


def add_parser(commands: Commands) -> None:
    """Add the three commands."""
    caps = commands.add(
        "caps",
        show_capabilities,
        summary="Ask a server what it can (GetCACaps).",
        examples=["pyscep caps http://ca.example/scep", "pyscep caps --json URL"],
        notes="The answer is not authenticated. A server that answers with an HTTP error or "
        "nothing\nhas no capabilities, which is no error.",
    )
    add_connection_options(caps)


def show_capabilities(arguments: argparse.Namespace, terminal: Terminal) -> ExitCode:
    """Run ``pyscep caps``."""
    with connect(arguments, terminal) as client:
        capabilities = client.get_ca_caps()
    proposal, problem = propose(capabilities)
    keywords = sorted(keyword.value for keyword in capabilities.keywords)
    would_use = problem if proposal is None else spelled(proposal)
    text = table(
        (
            ("Answered", "yes" if capabilities.answered else "no, which means no capabilities"),
            ("Keywords", ", ".join(keywords) or "none"),
            ("Other lines", ", ".join(capabilities.unknown) or None),
            ("Server", capabilities.server),
            ("Enrolment would use", would_use),
        )
    )
    terminal.show(
        text,
        {
            "answered": capabilities.answered,
            "keywords": keywords,
            "unknown": list(capabilities.unknown),
            "server": capabilities.server,
            "proposal": None if proposal is None else algorithms_shape(proposal),
            "problem": problem,
        },
    )
    return ExitCode.SUCCESS
