"""The long run: ``python -m tests.fuzz [HARNESS …] [--seconds N]``, then ``--report``.

Each harness runs in a process of its own for so many seconds, beginning with its seeds and what
earlier runs found worth keeping (in ``.fuzz``). With atheris (the extra ``fuzz``) it is led by the
branches that it reaches; without, it changes what it has at random. What goes wrong is written to
``.fuzz/HARNESS/findings`` and does not end the run. The report says how often each harness ran,
what it found, and which lines of pyscep were never reached.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from tests.fuzz.mutate import mutate

if TYPE_CHECKING:
    from tests.fuzz.harnesses import Harness

WORK = Path(".fuzz")
LONGEST = 1.0
"""Seconds of processor time that one input may take."""
SIZE = 8192
"""Bytes of one input; what is large is tested by name, not found by chance."""


class Watched:
    """A harness that counts, and writes down what goes wrong instead of ending there."""

    def __init__(self, name: str, outcome: Callable[[bytes], str]) -> None:
        self._outcome = outcome
        self._folder = WORK / name / "findings"
        self._known: set[str] = set()
        self.executions = 0

    @property
    def findings(self) -> int:
        return len(self._known)

    def __call__(self, octets: bytes) -> None:
        self.executions += 1
        began = time.process_time()
        try:
            self._outcome(octets)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what is looked for
            place = traceback.extract_tb(error.__traceback__)[-1]
            self._write(
                f"{type(error).__name__}-{Path(place.filename).name}-{place.lineno}", octets
            )
        taken = time.process_time() - began
        if taken > LONGEST:
            self._write(f"slow-{taken:.0f}s", octets)

    def _write(self, what: str, octets: bytes) -> None:
        if what in self._known:
            return
        self._known.add(what)
        self._folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(octets).hexdigest()[:8]
        (self._folder / f"{what}-{digest}").write_bytes(octets)


def prepare(harness: Harness) -> None:
    """Run the seeds once, so that no input takes the time that making keys and messages takes."""
    for octets in harness.seeds().values():
        # What goes wrong with them is told by the run, which begins with them.
        with contextlib.suppress(Exception):
            harness.outcome(octets)


def run_with_atheris(name: str, seconds: int, seed: int) -> None:
    """Fuzz in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["pyscep"]):
        from tests.fuzz.harnesses import HARNESSES
    prepare(HARNESSES[name])
    watched = Watched(name, HARNESSES[name].outcome)
    corpus = WORK / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    random = Random(seed)
    began = time.monotonic()

    def change(octets: bytes, size: int, seed: int) -> bytes:
        random.seed(seed)
        if random.random() < 0.5:
            return bytes(atheris.Mutate(octets, size))
        return mutate(octets, random, size=size)

    def run(octets: bytes) -> None:
        watched(octets)
        # libFuzzer ends the process itself, so the figures are written while there is time.
        if watched.executions % 500 == 0:
            note(name, watched, time.monotonic() - began, "atheris", seed)

    arguments = [
        sys.argv[0],
        str(corpus),
        str(HARNESSES[name].seeds_folder),
        f"-max_total_time={seconds}",
        f"-max_len={SIZE}",
        f"-seed={seed}",
        "-rss_limit_mb=1024",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    atheris.Setup(arguments, run, custom_mutator=change)
    atheris.Fuzz()


def run_at_random(name: str, seconds: int, seed: int) -> None:
    """Change the seeds, and what came of them, over and over."""
    from tests.fuzz.harnesses import HARNESSES

    harness = HARNESSES[name]
    prepare(harness)
    watched = Watched(name, harness.outcome)
    pool = list(harness.seeds().values())
    random = Random(seed)
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        octets = mutate(random.choice(pool), random, size=SIZE)
        watched(octets)
        if random.random() < 0.01 and len(pool) < 10_000:
            pool.append(octets)
    note(name, watched, time.monotonic() - began, "random", seed)


def note(name: str, watched: Watched, seconds: float, engine: str, seed: int) -> None:
    """Write the figures of this run, over those written before."""
    figures = {
        "harness": name,
        "engine": engine,
        "seed": seed,
        "executions": watched.executions,
        "seconds": round(seconds),
        "findings": watched.findings,
    }
    folder = WORK / name / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{os.getpid()}-{seed}.json").write_text(json.dumps(figures))


def replay() -> None:
    """Run everything that was kept, once: for the coverage report."""
    from tests.fuzz.harnesses import HARNESSES

    for name, harness in HARNESSES.items():
        kept = [*harness.seeds().values(), *harness.findings().values()]
        corpus = WORK / name / "corpus"
        if corpus.is_dir():
            kept.extend(path.read_bytes() for path in sorted(corpus.iterdir()))
        prepare(harness)
        watched = Watched(name, harness.outcome)
        for octets in kept:
            watched(octets)
        print(f"{name}: {len(kept)} inputs kept, {watched.findings} of them misbehave")


def report() -> None:
    """Print what all runs together came to, and what they did not reach."""
    total = {"executions": 0, "seconds": 0}
    print(f"{'harness':24}{'executions':>12}{'seconds':>9}{'findings':>10}")
    for folder in sorted(WORK.glob("*/runs")):
        runs: list[dict[str, Any]] = [json.loads(p.read_text()) for p in folder.iterdir()]
        found = folder.parent / "findings"
        findings = len(list(found.iterdir())) if found.is_dir() else 0
        executions, seconds = (sum(r[k] for r in runs) for k in ("executions", "seconds"))
        print(f"{folder.parent.name:24}{executions:12,}{seconds:9,}{findings:10}")
        total["executions"] += executions
        total["seconds"] += seconds
    print(f"{'all':24}{total['executions']:12,}{total['seconds']:9,}\n")
    measure = [sys.executable, "-m", "coverage"]
    data = f"--data-file={WORK / 'coverage'}"
    command = [*measure, "run", data, "-m", "tests.fuzz", "--replay"]
    subprocess.run(command, check=True)
    subprocess.run([*measure, "report", data, "--fail-under=0"], check=True)


def main() -> None:
    """Run, replay or report."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("harness", nargs="*", help="which; all if none is named")
    parser.add_argument("--seconds", type=int, default=1800, help="for each harness")
    parser.add_argument("--engine", choices=["atheris", "random"], default="atheris")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--here", action="store_true", help="run one harness in this process")
    parser.add_argument("--replay", action="store_true", help="run once what was kept")
    parser.add_argument("--report", action="store_true", help="print figures and coverage")
    options = parser.parse_args()
    if options.replay:
        replay()
    elif options.report:
        report()
    elif options.here:
        run = run_with_atheris if options.engine == "atheris" else run_at_random
        run(options.harness[0], options.seconds, options.seed)
    else:
        from tests.fuzz.harnesses import HARNESSES

        for name in options.harness or HARNESSES:
            print(f"== {name}", flush=True)
            WORK.joinpath(name).mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-m", "tests.fuzz", name, "--here"]
            command += [f"--{key}={getattr(options, key)}" for key in ("seconds", "engine", "seed")]
            with (WORK / name / "log").open("ab") as log:
                subprocess.run(command, check=True, stdout=log, stderr=log)


if __name__ == "__main__":
    main()
