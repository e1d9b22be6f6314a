"""Try every change of every message: ``python -m tests.mutation [--part N/M] [--memory]``.

Each bit is flipped, each element deleted, repeated and exchanged, each length changed, in every
pkiMessage that is to be accepted among the test vectors. With ``--memory`` the elements and lengths
only, while memory is traced. Ends with 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
import tracemalloc
from pathlib import Path

from pyscep.testing.vectors import write_vectors
from tests.helpers.vector_reader import VectorDirectory
from tests.mutation.changes import bit_flips, elements, is_der, lengths
from tests.mutation.readers import subjects
from tests.mutation.verdict import Verdict, judge

MOST_MEMORY = 64 * 1024 * 1024
"""Bytes that reading one message may take."""


def main() -> int:
    """Run, print the figures, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--part", default="1/1", help="such as 2/8: every eighth message")
    parser.add_argument("--step", type=int, default=1, help="flip every so many-th bit only")
    parser.add_argument("--memory", action="store_true", help="trace memory; no single bits")
    options = parser.parse_args()
    number, parts = map(int, options.part.split("/"))
    began = time.monotonic()
    total, count, most = Verdict(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "vectors")
        write_vectors(root)
        chosen = itertools.islice(subjects(VectorDirectory.open(root)), number - 1, None, parts)
        for count, subject in enumerate(chosen, 1):  # noqa: B007  # it is printed
            verdict = Verdict()
            if not options.memory:
                verdict.add(judge(subject, bit_flips(subject.octets, step=options.step)))
            if is_der(subject.octets):
                if options.memory:
                    tracemalloc.start()
                for change in itertools.chain(elements(subject.octets), lengths(subject.octets)):
                    verdict.add(judge(subject, [change]))
                    if options.memory:
                        most = max(most, tracemalloc.get_traced_memory()[1])
                        tracemalloc.reset_peak()
                tracemalloc.stop()
            print(f"{subject.name}: {verdict.rejected} rejected, {verdict.unnoticed}", flush=True)
            for line in verdict.wrong:
                print(f"  WRONG: {line}", flush=True)
            total.add(verdict)
    tried = total.rejected + sum(total.unnoticed.values()) + len(total.wrong)
    print(f"{count} messages, {tried:,} changes, {total.rejected:,} rejected")
    print(f"{time.monotonic() - began:.0f} s, the slowest change took {total.slowest:.3f} s")
    if options.memory:
        print(f"at most {most / 1024 / 1024:.1f} MiB of memory for one message")
    for part, times in total.unnoticed.most_common():
        print(f"{times:9,} not noticed in {part}")
    print(f"{len(total.wrong)} wrong")
    return 1 if total.wrong or most > MOST_MEMORY else 0


if __name__ == "__main__":
    raise SystemExit(main())
