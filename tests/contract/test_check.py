"""The command that runs all checks says of nothing that it passed if it did not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import check

OK = {"result": {"success": True, "skipped": False, "duration": 1.0}}
FAILED = {"result": {"success": False, "skipped": False, "duration": 1.0}}
SKIPPED = {"result": {"success": True, "skipped": True, "duration": 1.0}}
ALL = {"coverage": OK, "lint": OK, "docs": OK, "pkg": OK}
REPORT = '<testsuites><testsuite tests="{}" failures="{}" errors="{}" skipped="{}"/></testsuites>'
FINE = REPORT.format(5, 0, 0, 1)


@pytest.mark.parametrize(
    ("environments", "report", "status", "code", "said"),
    [
        (ALL, FINE, 0, 0, "7 passed, 0 failed, 1 skipped"),
        (ALL, REPORT.format(5, 1, 1, 0), 0, 1, "6 passed, 2 failed"),
        (ALL, None, 0, 1, "3 passed, 1 failed"),
        ({**ALL, "coverage": FAILED}, FINE, 1, 1, "7 passed, 1 failed, 1 skipped"),
        ({**ALL, "lint": FAILED}, FINE, 0, 1, "6 passed, 1 failed, 1 skipped"),
        ({**ALL, "lint": SKIPPED}, FINE, 0, 1, "6 passed, 1 failed, 1 skipped"),
        ({**ALL, "lint": {}}, FINE, 0, 1, "6 passed, 1 failed, 1 skipped"),
        ({}, FINE, 0, 1, "0 passed, 4 failed"),
        (ALL, FINE, 137, 137, "7 passed, 1 failed, 1 skipped"),
        (None, FINE, 0, 1, "0 passed, 1 failed"),
    ],
    ids=[
        *("fine", "tests", "no-report", "coverage", "style", "skipped", "only-built", "none"),
        *("killed", "no-results"),
    ],
)
def test_what_comes_of_the_checks(
    environments: dict[str, Any] | None,
    report: str | None,
    status: int,
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / ".tox" / "coverage"
    folder.mkdir(parents=True)
    # Of an earlier run, in which everything was well.
    (folder / "junit.xml").write_text(FINE)
    (tmp_path / ".tox" / "results.json").write_text(json.dumps({"testenvs": ALL}))

    def tox(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        if environments is not None:
            results = Path(command[command.index("--result-json") + 1])
            results.write_text(json.dumps({"testenvs": environments}))
        if report is not None:
            (folder / "junit.xml").write_text(report)
        return subprocess.CompletedProcess(command, status)

    monkeypatch.setattr(check, "ROOT", tmp_path)
    monkeypatch.setattr(check, "find_python", lambda _: None)
    monkeypatch.setattr(subprocess, "run", tox)
    monkeypatch.setattr(sys, "argv", ["check.py"])
    assert check.main() == code
    assert capsys.readouterr().out.splitlines()[-1] == said
