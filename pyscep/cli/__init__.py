"""The command line: ``pyscep`` and ``python -m pyscep``.

Only :func:`main` is for others; the options and the shapes of ``--json`` are what is kept stable.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    :param arguments: what follows the program's name; that of this process if left out.
    :returns: one of :class:`pyscep.cli.exit_codes.ExitCode`.
    """
    from pyscep.cli.program import run  # noqa: PLC0415  # import pyscep.cli costs nothing

    return run(arguments)
