"""``python -m benchmarks messages``: run a benchmark, print its table, and keep what it found.

``all`` runs every one. ``--save FILE`` takes the results; unless told otherwise it is
``benchmarks/results.json``, of which the documentation is made. Build the other programs first:
``bash benchmarks/programs/build.sh``.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks import footprint, messages, results, scaling, throughput
from benchmarks.others import ProgramMissing

PEERS = Path(os.environ.get("PYSCEP_PEERS") or Path.home() / ".cache" / "pyscep-peers")


BENCHMARKS = ("messages", "footprint", "scaling", "throughput")


def measure(name: str, rounds: int, programs: Path) -> results.Section:
    """Run one benchmark; where each turn is long, a third of the rounds is enough."""
    match name:
        case "messages":
            return messages.measure(built=programs, rounds=rounds)
        case "footprint":
            return footprint.measure(rounds=rounds)
        case "scaling":
            return scaling.measure(rounds=max(3, rounds // 3))
        case _:
            return throughput.measure(rounds=max(3, rounds // 3))


def main() -> int:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("benchmark", choices=[*BENCHMARKS, "all"])
    parser.add_argument("--rounds", type=int, default=60, help="turns of each contender (60)")
    parser.add_argument("--programs", type=Path, default=PEERS, help="where build.sh built")
    parser.add_argument("--save", type=Path, default=results.RESULTS, help="the JSON to write")
    arguments = parser.parse_args()
    chosen = BENCHMARKS if arguments.benchmark == "all" else (arguments.benchmark,)
    for name in chosen:
        try:
            section = measure(name, arguments.rounds, arguments.programs)
        except ProgramMissing as missing:
            print(missing, file=sys.stderr)
            return 1
        print(f"\n{name}\n{results.table(section.rows)}", flush=True)
        results.save(name, section, arguments.save)
    return 0


if __name__ == "__main__":
    sys.exit(main())
