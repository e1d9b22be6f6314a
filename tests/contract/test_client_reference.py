"""What docs/reference/clients.rst quotes is what the tests have seen."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "clients.rst").read_text(encoding="utf-8")


def strings_of_the_tests() -> str:
    """Return every string of the tests with clients."""
    trees = [ast.parse(p.read_text()) for p in (ROOT / "tests/interop").glob("test_clients*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return "\n".join(
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def quotations() -> list[str]:
    """Return what stands first in the second column of a table, if it is a client's own words."""
    return re.findall(r"^   \* - .*(?:\n     (?!- ).*)*\n     - ``(.*)``", PAGE, flags=re.MULTILINE)


def test_there_are_quotations() -> None:
    assert len(quotations()) > 15


@pytest.mark.parametrize("quotation", quotations())
def test_a_quotation_is_tested(quotation: str) -> None:
    assert quotation in strings_of_the_tests()
