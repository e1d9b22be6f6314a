"""What can be counted and has no noise: function calls, operations, keys loaded, memory, modules.

The tests under ``tests/contract`` hold these counts against the goals.
"""

from __future__ import annotations

import cProfile
import ctypes
import importlib
import json
import os
import pstats
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from pyscep.crypto.oscrypto_loader import load_oscrypto

ROOT = Path(__file__).parents[1]
CALLS = {
    "PKCSReq": 640,
    "message only": 330,
    "RenewalReq": 330,
    "CertPoll": 340,
    "CertRep read": 930,
    "CertRep built": 500,
    "enrolment": 3150,
}
"""How many function calls each of ``benchmarks.material.WORKS`` may make."""
LOADERS = ("load_private_key", "load_public_key", "load_certificate")
RSA = {
    "sign": "rsa_pkcs1v15_sign",
    "verify": "rsa_pkcs1v15_verify",
    "encrypt": "rsa_pkcs1v15_encrypt",
    "decrypt": "rsa_pkcs1v15_decrypt",
}


def calls(work: Callable[[], object]) -> int:
    """Return how many function calls *work* makes once everything is loaded."""
    work()
    profile = cProfile.Profile()
    profile.enable()
    work()
    profile.disable()
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


@contextmanager
def _counting(names: dict[str, str]) -> Iterator[Counter[str]]:
    module = load_oscrypto().asymmetric
    counted: Counter[str] = Counter()

    def wrap(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: object) -> object:
            counted[name] += 1
            return function(*arguments)

        return counting

    replaced: dict[str, Any] = {
        attribute: wrap(name, getattr(module, attribute)) for name, attribute in names.items()
    }
    with mock.patch.multiple(module, **replaced):
        yield counted


def rsa_operations(work: Callable[[], object]) -> dict[str, int]:
    """Return how often *work* lets oscrypto sign, verify, encrypt and decrypt."""
    work()
    with _counting(RSA) as counted:
        work()
    return dict(counted)


def loads(work: Callable[[], object]) -> int:
    """Return how many keys and certificates *work* lets oscrypto load once it was done before."""
    work()
    with _counting({name: name for name in LOADERS}) as counted:
        work()
    return counted.total()


@contextmanager
def in_libcrypto() -> Iterator[list[float]]:
    """Collect how many seconds each call takes that oscrypto makes into libcrypto.

    The interpreter's lock is free meanwhile, and held at all other times.
    """
    functions: dict[str, Any] = vars(
        importlib.import_module("oscrypto._openssl._libcrypto").libcrypto
    )
    taken: list[float] = []

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: object) -> object:
            begin = time.perf_counter()
            result = function(*arguments)
            taken.append(time.perf_counter() - begin)
            return result

        return watched

    kind = ctypes._CFuncPtr  # type: ignore[attr-defined]  # noqa: SLF001
    watched = {name: wrap(each) for name, each in functions.items() if isinstance(each, kind)}
    with mock.patch.dict(functions, watched):
        yield taken


# ------------------------------------------------------------------------------------ processes


def run(program: str, *arguments: str) -> dict[str, Any]:
    """Run one of the programs of this folder in a fresh process, and return what it prints.

    Its modules are compiled beforehand, as in any installation.
    """
    command = [sys.executable, str(ROOT / "benchmarks" / "programs" / program), *arguments]
    answer = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    result: dict[str, Any] = json.loads(answer.stdout)
    return result


def environment() -> dict[str, str]:
    """Return the environment of a process that finds, and keeps, compiled modules.

    Nor is it watched by coverage, which takes memory and time.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith("COVERAGE_")
    }
    return {**inherited, "PYTHONPATH": str(ROOT)}
