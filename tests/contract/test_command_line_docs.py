"""The documentation of the command line shows what its commands really print."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from pyscep.cli.exit_codes import ExitCode
from pyscep.cli.program import command_helps
from pyscep.testing import EphemeralCa
from tests.helpers import keys
from tools.record_console import commands_in, normalised, recorded, recorder

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGE = (DOCS / "reference" / "command-line.rst").read_text(encoding="utf-8")
PAGES = [
    path for path in sorted(DOCS.rglob("*.rst")) if commands_in(path.read_text(encoding="utf-8"))
]


def rerun(page: str, directory: Path) -> str:
    authority = EphemeralCa.create(key=keys.rsa(0))
    with recorder(directory, authority=authority) as record:
        return recorded(page, record)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_outputs_are_real(tmp_path: Path, path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    fresh = normalised(rerun(page, tmp_path))
    shown = normalised(page)
    difference = difflib.unified_diff(shown.splitlines(), fresh.splitlines(), "page", "real", "")
    assert fresh == shown, "\n".join(difference)


def test_recording_again_changes_nothing(tmp_path: Path) -> None:
    page = ".. code-block:: console\n\n   $ pyscep inspect challenge.txt\n   $ echo $?\n\nEnd.\n"
    once = rerun(page, tmp_path)
    assert once.count("\n\n") == 3
    assert rerun(once, tmp_path) == once


def test_a_wrong_output_is_noticed(tmp_path: Path) -> None:
    page = ".. code-block:: console\n\n   $ pyscep key a.key\n   File:               b.key\n"
    fresh = rerun(page, tmp_path)
    assert "a.key\n" in fresh
    assert normalised(fresh) != normalised(page)


def test_every_command_is_shown() -> None:
    shown = commands_in(PAGE)
    assert shown == set(command_helps())
    for name in shown:
        assert f".. literalinclude:: api/command-line/{name}.txt" in PAGE


def test_every_exit_code_has_a_meaning() -> None:
    assert ".. include:: api/command-line/exit-codes.inc" in PAGE
    assert len({code.meaning for code in ExitCode}) == len(ExitCode)
