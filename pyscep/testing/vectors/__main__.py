"""``python -m pyscep.testing.vectors``: write the directory of vectors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime

from pyscep.errors import ScepError
from pyscep.testing.vectors import DEFAULT_TIME, write_vectors


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    :param arguments: those of the process, if left out.
    :returns: the exit status.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pyscep.testing.vectors",
        description="Write SCEP messages, right and wrong, with what has to come of each.",
    )
    parser.add_argument("directory", help="where to; it is made, or has to be empty")
    parser.add_argument("--seed", type=int, default=0, help="another one gives other messages")
    parser.add_argument(
        "--at",
        type=datetime.fromisoformat,
        default=DEFAULT_TIME,
        metavar="TIME",
        help="the moment at which they are read, such as 2026-01-01T00:00:00+00:00",
    )
    chosen = parser.parse_args(arguments)
    try:
        vectors = write_vectors(chosen.directory, seed=chosen.seed, at=chosen.at)
    except (ScepError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{len(vectors.vectors)} messages in {chosen.directory}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
