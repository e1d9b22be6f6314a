"""The import contracts of setup.cfg hold, and each of them is able to break."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"],
        cwd=tree,
        env={name: value for name, value in os.environ.items() if name != "FORCE_COLOR"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Copy what import-linter looks at."""
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    shutil.copytree(
        ROOT / "pyscep", tmp_path / "pyscep", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path


def test_contracts_hold(tree: Path) -> None:
    outcome = lint_imports(tree)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


BREAKS = {
    "an import from a higher floor": ("Floors", "errors", "from pyscep import limits"),
    "an import from the same floor": ("Floors", "algorithms", "from pyscep import limits"),
    "a module without a floor": ("Floors", "stray", ""),
    "an import from a higher floor of the inspection": (
        "Floors of the inspection",
        "inspection/findings",
        "from pyscep.inspection import result",
    ),
    "an import from a higher floor of the survey": (
        "Floors of the survey",
        "survey/rules",
        "from pyscep.survey import result",
    ),
    "a network module in the core": ("The core has no I/O", "errors", "import socket"),
    "a clock in a function": ("The core has no I/O", "der", "def now():\n    import time"),
    "randomness in a package": ("The core has no I/O", "crypto/__init__", "import secrets"),
    "I/O in a new module": ("The core has no I/O", "stray", "from os import path"),
    "oscrypto": ("One door to oscrypto", "certificates", "import oscrypto"),
    "a part of oscrypto": ("One door to oscrypto", "crypto/__init__", "import oscrypto.keys"),
    "cryptography": ("One door to cryptography", "crypto/stray", "import cryptography.x509"),
    "requests": ("One door to requests", "errors", "import requests"),
    "requests in the shells": ("One door to requests", "quick", "from requests import Session"),
}


@pytest.mark.parametrize(("contract", "module", "line"), BREAKS.values(), ids=BREAKS.keys())
def test_contract_can_break(tree: Path, contract: str, module: str, line: str) -> None:
    with (tree / "pyscep" / f"{module}.py").open("a") as file:
        file.write(f"\n{line}\n")
    outcome = lint_imports(tree)
    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    assert f"{contract} BROKEN" in outcome.stdout


def test_every_contract_is_broken_once() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    contracts = {
        setup[section]["name"] for section in setup if section.startswith("importlinter:contract:")
    }
    assert contracts == {contract for contract, _, _ in BREAKS.values()}
