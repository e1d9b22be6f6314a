"""The long run finds what there is to find, writes it down, and goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fuzz import __main__ as long_run
from tests.fuzz.harnesses import HARNESSES

ROOT = Path(__file__).parents[2]


def test_what_goes_wrong_is_written_down_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_run, "WORK", tmp_path)
    monkeypatch.setattr(long_run, "LONGEST", 0.05)

    def outcome(octets: bytes) -> str:
        if octets == b"slow":
            until = time.process_time() + 0.06
            while time.process_time() < until:
                pass
        return str(1 // len(octets))

    watched = long_run.Watched("some", outcome)
    for octets in (b"", b"a", b"", b"slow"):
        watched(octets)
    assert (watched.executions, watched.findings) == (4, 2)
    names = sorted(path.name for path in (tmp_path / "some" / "findings").iterdir())
    assert [name.split("-")[0] for name in names] == ["ZeroDivisionError", "slow"]
    assert (tmp_path / "some" / "findings" / names[1]).read_bytes() == b"slow"


def test_a_run_without_atheris_and_its_figures(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "transaction", "--engine=random", "--seconds=1"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, timeout=100)
    (figures,) = (tmp_path / ".fuzz" / "transaction" / "runs").iterdir()
    found = json.loads(figures.read_text())
    assert found["harness"] == "transaction"
    assert found["executions"] > 10
    assert found["findings"] == 0


def test_no_input_takes_the_time_of_what_is_made_once() -> None:
    ran: list[bytes] = []

    def outcome(octets: bytes) -> str:
        ran.append(octets)
        return str(1 // (len(ran) - 1))

    harness = replace(HARNESSES["name"], run=outcome)
    long_run.prepare(harness)
    assert ran == list(harness.seeds().values())
    assert len(ran) > 1


def test_every_harness_has_seeds_in_the_tree() -> None:
    folders = {path.name for path in (ROOT / "tests" / "fuzz" / "seeds").iterdir()}
    assert folders == set(HARNESSES)
