"""Run all checks: tox environments side by side, on every supported Python that this machine has.

Started by ``tools/check.sh``, which makes the virtual environment with tox in it. Arguments that
are not described here go to pytest, such as ``--require-peers`` or ``tests/unit -x``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
WITHOUT_TESTS = ("lint", "docs", "pkg")
PROBE = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"


def candidates(version: str) -> list[Path]:
    """Return where a Python *version* may be: on PATH, or a version of pyenv, active or not."""
    name = f"python{version}"
    folders = [Path(folder) for folder in os.get_exec_path()]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    patch_levels = sorted(
        pyenv.glob(f"versions/{version}.*/bin"),
        key=lambda folder: [int(part) for part in re.findall(r"\d+", folder.parent.name)],
        reverse=True,
    )
    return [folder / name for folder in (*folders, *patch_levels) if (folder / name).is_file()]


def find_python(version: str) -> str | None:
    """Return the first interpreter of *version* that really starts (a pyenv shim may not)."""
    for candidate in candidates(version):
        try:
            answer = subprocess.run(
                [candidate, "-c", PROBE], capture_output=True, text=True, timeout=60, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        found, _, executable = answer.stdout.strip().partition(" ")
        if answer.returncode == 0 and found == version:
            return executable
    return None


def environments_for(pythons: list[str]) -> list[str]:
    """Return the tox environments to run; ``tox.ini`` says what each of them is for.

    :param pythons: the versions that were found, from the oldest to the newest.
    """
    names = [f"py{version.replace('.', '')}" for version in pythons]
    ends, between = [*names[:1], *names[1:][-1:]], names[1:-1]
    covered = [f"{name}-coverage" for name in between[:1]] or ["coverage"]
    # Whoever takes long begins early, so that no core is idle in the end.
    return [*ends, *covered, *(f"{name}-brief" for name in between[1:]), *WITHOUT_TESTS]


def tests_of(report: Path) -> tuple[int, int, int]:
    """Return how many tests of a JUnit report passed, failed and were skipped."""
    suites = ET.parse(report).getroot().iter("testsuite")  # noqa: S314  # written by us
    total = failed = skipped = 0
    for suite in suites:
        total += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    return max(total - failed - skipped, 0), failed, skipped


def has_run(environment: dict[str, Any]) -> bool:
    """Tell an environment with commands that ran from a skipped one, or one that only builds."""
    result = environment.get("result", {"skipped": True})
    return not result["skipped"]


def summary_of(name: str, environment: dict[str, Any]) -> tuple[str, int, int, int]:
    """Return the line about one tox environment, and its passed, failed and skipped.

    An environment without tests, such as ``lint``, counts as one check. So does one that failed
    although all its tests passed: its tests ran, but its coverage was too low, say. One that should
    have run tests and left no report has failed, whatever it says.
    """
    report = ROOT / ".tox" / name / "junit.xml"
    has_report = report.is_file()
    succeeded = bool(environment["result"]["success"]) and (has_report or name in WITHOUT_TESTS)
    if has_report:
        passed, failed, skipped = tests_of(report)
        if not succeeded and not failed:
            failed = 1
    else:
        passed, failed, skipped = int(succeeded), int(not succeeded), 0
    seconds = environment["result"]["duration"]
    word = "ok    " if succeeded else "FAILED"
    line = f"{name:<14} {word} {seconds:5.0f} s   {passed} passed, {failed} failed"
    return (f"{line}, {skipped} skipped" if skipped else line), passed, failed, skipped


def parse_arguments() -> tuple[argparse.Namespace, list[str]]:
    """Return our own arguments and those for pytest."""
    parser = argparse.ArgumentParser(
        prog="tools/check.sh",
        description="Run all checks, on every supported Python that is found.",
        epilog="All other arguments go to pytest.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--require-python",
        metavar="3.X[,3.Y]",
        default="",
        help="fail unless these Pythons are found (otherwise a missing one is skipped)",
    )
    return parser.parse_known_args()


def main() -> int:
    """Find the Pythons, run tox, and sum up."""
    arguments, pytest_arguments = parse_arguments()
    found = {version: find_python(version) for version in PYTHONS}
    pythons = {version: path for version, path in found.items() if path}
    for version in PYTHONS:
        print(f"Python {version}: {pythons.get(version, 'not found, skipped')}", flush=True)
    required = [version for version in arguments.require_python.split(",") if version]
    missing = [version for version in required if version not in pythons]
    if missing:
        print(f"Python {', '.join(missing)} must be tested but is not installed; install it with")
        print("pyenv or apt-get, so that python3.X is on PATH.")
        print("0 passed, 1 failed")
        return 1

    for report in ROOT.glob(".tox/*/junit.xml"):
        report.unlink()
    results = ROOT / ".tox" / "results.json"
    results.unlink(missing_ok=True)
    names = environments_for(list(pythons))
    print(f"Running {', '.join(names)} side by side, as many as there are cores;", flush=True)
    print("what each of them prints follows when it has ended.", flush=True)
    command = [sys.executable, "-m", "tox", "run-parallel", "-e", ",".join(names)]
    command += ["--result-json", str(results)]
    if pythons:
        command += ["--discover", *pythons.values()]
    status = subprocess.run([*command, "--", *pytest_arguments], cwd=ROOT, check=False).returncode

    if not results.is_file():
        print("tox stopped before it ran anything; see its message above.\n0 passed, 1 failed")
        return status or 1
    environments: dict[str, Any] = json.loads(results.read_text())["testenvs"]
    totals = [0, 0, 0]
    print("\nAll checks:")
    for name in names:
        environment = environments.get(name, {})
        if not has_run(environment):
            print(f"{name:<14} FAILED: it did not run")
            totals[1] += 1
            continue
        line, *counts = summary_of(name, environment)
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        print(line)
    if status and not totals[1]:
        print(f"{'tox':<14} FAILED: it ended with status {status}, for a reason that stands above")
        totals[1] = 1
    passed, failed, skipped = totals
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return status or int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
