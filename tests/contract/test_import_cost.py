"""``import pyscep`` is cheap: nothing that does HTTP or cryptography comes with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOADED = """
import json, sys
before = set(sys.modules)
import {module}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def loaded_by(module: str) -> set[str]:
    """Return the modules that a fresh interpreter loads for *module*."""
    answer = subprocess.run(
        [sys.executable, "-c", LOADED.format(module=module)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(json.loads(answer.stdout))


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    return loaded_by("pyscep")


@pytest.mark.parametrize(
    "package",
    ["requests", "urllib3", "oscrypto", "cryptography", "http.server", "pyscep.testing"],
)
def test_not_loaded(loaded: set[str], package: str) -> None:
    inside = package + "."
    assert not [name for name in loaded if name == package or name.startswith(inside)]


def test_no_provider_is_loaded(loaded: set[str]) -> None:
    assert not [name for name in loaded if name.endswith("_provider")]


def test_our_pytest_plugin_loads_nothing_of_ours() -> None:
    """It is loaded in every run of pytest, also where nobody speaks SCEP."""
    loaded = loaded_by("pytest_pyscep") - loaded_by("pytest")
    assert loaded == {"pytest_pyscep"}


def test_can_fail() -> None:
    assert "requests" in loaded_by("requests")
    assert "http.server" in loaded_by("http.server")
