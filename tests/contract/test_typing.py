"""What types can tell, they tell: mypy refuses misuse, and no public type is a hole."""

from __future__ import annotations

import dataclasses
import inspect
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyscep

ROOT = Path(__file__).parents[2]
CASES = sorted((Path(__file__).parent / "typing_cases").glob("*.py"))


def expected_in(path: Path) -> set[tuple[int, str]]:
    lines = enumerate(path.read_text().splitlines(), start=1)
    return {
        (number, code)
        for number, line in lines
        if "# error:" in line
        for code in re.findall(r"\[([a-z-]+)\]", line.partition("# error:")[2])
    }


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_cases_that_must_fail(path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    command = [sys.executable, "-m", "mypy", "--config-file=setup.cfg", "--no-error-summary"]
    done = subprocess.run(
        [*command, "--hide-error-context", "--exclude=^$", str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    lines = re.findall(r":(\d+): error: .*\[([a-z-]+)\]$", done.stdout, re.MULTILINE)
    assert {(int(number), code) for number, code in lines} == expected_in(path), done.stdout


def public_objects() -> Iterator[tuple[str, object]]:
    """Yield every public function, and every method and property of every public class."""
    for name in pyscep.__all__:
        thing = getattr(pyscep, name)
        if inspect.isfunction(thing):
            yield name, thing
        if inspect.isclass(thing):
            yield name, thing
            for member, value in vars(thing).items():
                plain = value.fget if isinstance(value, property) else value
                plain = getattr(plain, "__func__", plain)
                if inspect.isfunction(plain) and not member.startswith("_"):
                    yield f"{name}.{member}", plain


def parts_of(hint: object) -> Iterator[object]:
    yield hint
    for argument in typing.get_args(hint):
        yield from parts_of(argument)


def test_no_public_type_is_any_or_of_another_library() -> None:
    """An asn1crypto type would reach users as Any, as that library has no types.

    The one door out of our types says so in its name.
    """
    holes, count = [], 0
    for name, thing in public_objects():
        for field, hint in typing.get_type_hints(thing).items():
            for part in parts_of(hint):
                count += 1
                module = getattr(part, "__module__", "")
                if part is typing.Any or module.startswith(("asn1crypto", "oscrypto", "requests")):
                    holes.append((name, field))
    assert holes == [("Certificate.asn1", "return")]
    assert count > 300


def test_all_is_sorted_and_complete() -> None:
    assert pyscep.__all__ == sorted(pyscep.__all__)
    imported = {
        name
        for name, value in vars(pyscep).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert imported == set(pyscep.__all__)


def test_values_do_not_change() -> None:
    for name in pyscep.__all__:
        thing = getattr(pyscep, name)
        if dataclasses.is_dataclass(thing):
            assert thing.__dataclass_params__.frozen, name  # type: ignore[union-attr]
