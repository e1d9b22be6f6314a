"""The documentation of the command line shows what its commands really print."""

from __future__ import annotations

import difflib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pyscep.cli.exit_codes import ExitCode
from pyscep.cli.program import command_helps
from pyscep.testing import EphemeralCa
from tests.helpers import keys

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "command-line.rst").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tool() -> Any:
    import runpy

    return SimpleNamespace(**runpy.run_path(str(ROOT / "tools" / "record_console.py")))


def rerun(tool: Any, page: str, directory: Path) -> str:
    authority = EphemeralCa.create(key=keys.rsa(0))
    with tool.recorder(directory, authority=authority) as record:
        fresh: str = tool.recorded(page, record)
    return fresh


def test_outputs_are_real(tool: Any, tmp_path: Path) -> None:
    fresh = tool.normalised(rerun(tool, PAGE, tmp_path))
    shown = tool.normalised(PAGE)
    difference = difflib.unified_diff(shown.splitlines(), fresh.splitlines(), "page", "real", "")
    assert fresh == shown, "\n".join(difference)


def test_a_wrong_output_is_noticed(tool: Any, tmp_path: Path) -> None:
    page = ".. code-block:: console\n\n   $ pyscep key a.key\n   File:               b.key\n"
    fresh = rerun(tool, page, tmp_path)
    assert "a.key\n" in fresh
    assert tool.normalised(fresh) != tool.normalised(page)


def test_every_command_is_shown(tool: Any) -> None:
    shown = tool.commands_in(PAGE)
    assert shown == set(command_helps())
    for name in shown:
        assert f".. literalinclude:: api/command-line/{name}.txt" in PAGE


def test_every_exit_code_has_a_meaning() -> None:
    assert ".. include:: api/command-line/exit-codes.inc" in PAGE
    assert len({code.meaning for code in ExitCode}) == len(ExitCode)
