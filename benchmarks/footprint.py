"""Time to start, memory, and size on disk."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from benchmarks import counts, smallest
from benchmarks.crl import CrlReply
from benchmarks.material import Material
from benchmarks.measure import Turn, interleave
from benchmarks.results import Row, Section

MIB = 1024 * 1024
CRL_ENTRIES = 200_000
IMPORT = """
import time
begin = time.perf_counter()
import {module}
print(time.perf_counter() - begin)
"""


def measure(*, rounds: int) -> Section:
    """Start processes in turns, and look at their memory."""
    with tempfile.TemporaryDirectory() as name:
        Material.create().write(Path(name))
        samples = interleave(
            {
                "import pyscep": _import("pyscep"),
                "import asn1crypto.x509": _import("asn1crypto.x509"),
                "cold start": _process("cold_start.py", name),
                "bare imports": _process("bare_imports.py"),
                "bare Python": _process("nothing.py"),
            },
            rounds=rounds,
        )
        cold = counts.run("cold_start.py", name)
    return Section(
        rows=[
            Row(
                what="import pyscep",
                value=samples.ratio("import pyscep", "import asn1crypto.x509"),
                at_most=1.1,
                note="against import asn1crypto.x509",
            ),
            Row(
                what="from process start to a finished PKCSReq",
                value=samples.ratio("cold start", "bare imports"),
                at_most=1.4,
                note="against a process that imports asn1crypto and oscrypto",
            ),
            Row(
                what="peak memory of a process that makes a PKCSReq",
                value=cold["peak_kib"] / 1024,
                at_most=26,
                unit="MiB",
            ),
            Row(
                what=f"memory for a GetCRL reply of {CRL_ENTRIES:,} entries",
                value=crl_memory(CRL_ENTRIES),
                at_most=4,
                note="peak against the size of the CRL, parsed and verified",
            ),
            *_sizes(),
        ],
        microseconds=samples.summary(),
    )


def _import(module: str) -> Turn:
    command = [sys.executable, "-c", IMPORT.format(module=module)]

    def turn(count: int) -> float:
        return sum(float(_run(command)) for _ in range(count))

    return turn


def _process(program: str, *arguments: str) -> Turn:
    path = counts.ROOT / "benchmarks" / "programs" / program
    command = [sys.executable, str(path), *arguments]

    def turn(count: int) -> float:
        begin = time.perf_counter()
        for _ in range(count):
            _run(command)
        return time.perf_counter() - begin

    return turn


def _run(command: list[str]) -> str:
    return subprocess.run(
        command, env=counts.environment(), capture_output=True, text=True, check=True
    ).stdout


def crl_memory(entries: int) -> float:
    """Return the peak of memory while a GetCRL reply is read, in sizes of the CRL.

    The reply itself is there before.
    """
    reply = CrlReply.create(Material.create(), entries)
    return memory(reply.read) / len(reply.crl)


def memory(work: Callable[[], object]) -> int:
    """Return how many bytes *work* has at most at one time."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _sizes() -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        sizes = smallest.write(Path(name))
    note = "compiled, without docstrings"
    return [
        Row(what="size of the smallest install", value=sizes.total() / MIB, unit="MiB", note=note),
        *(
            Row(what=f"of that {name}", value=size / MIB, unit="MiB")
            for name, size in sorted(sizes.items())
        ),
    ]
