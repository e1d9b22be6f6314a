"""Every rule of the checklist has its tests, or a reason why it has none."""

from __future__ import annotations

import ast

import pytest

from tools import conformance
from tools.conformance import MalformedChecklistError

LETTERS = "TCGNMERAPQDXWHSLV"


def test_the_checklist_is_whole() -> None:
    sections = conformance.checklist()
    assert "".join(section.letter for section in sections) == LETTERS
    for section in sections:
        numbers = [item.identifier for item in section.items]
        assert numbers == [f"{section.letter}-{n:02}" for n in range(1, len(numbers) + 1)]


def test_code_and_tests_name_only_what_there_is() -> None:
    known = conformance.identifiers()
    assert set(conformance.code_of_ids()) <= known
    assert set(conformance.tests_of_ids()) <= known
    assert set(conformance.exceptions()) <= known


def test_every_rule_is_proved_or_excepted() -> None:
    proved, excepted = set(conformance.tests_of_ids()), set(conformance.exceptions())
    assert sorted(conformance.identifiers() - proved - excepted) == []
    assert sorted(proved & excepted) == []


def test_every_rule_stands_on_the_page() -> None:
    page = conformance.page()
    assert all(f"   * - {identifier}\n" in page for identifier in conformance.identifiers())


@pytest.mark.parametrize(
    "text",
    [
        "T-01 | client | MUST | section 4.1",
        "[T] HTTP\n\nT-01 | nobody | MUST | section 4.1\n    A rule.",
        "[T] HTTP\n\nT-01 | client | MUST | x\n    A.\n\nT-01 | client | MUST | x\n    B.",
        "some words",
    ],
)
def test_a_malformed_checklist_is_noticed(text: str) -> None:
    with pytest.raises(MalformedChecklistError):
        conformance.read_checklist(text)


@pytest.mark.parametrize("text", ["T-01", "T-01: a\n\nT-01: b", "because"])
def test_malformed_exceptions_are_noticed(text: str) -> None:
    with pytest.raises(MalformedChecklistError):
        conformance.read_exceptions(text)


def test_marks_are_found_wherever_they_stand() -> None:
    tree = ast.parse(
        "import pytest\n"
        "pytestmark = pytest.mark.conforms('T-01')\n"
        "@pytest.mark.conforms('T-02', 'T-03')\n"
        "class TestA:\n"
        "    @pytest.mark.parametrize('a', [pytest.param(1, marks=pytest.mark.conforms('T-04'))])\n"
        "    def test_b(self, a): ...\n"
    )
    assert conformance.ids_of_tests(tree, "tests/x.py") == {
        "T-01": {"tests/x.py"},
        "T-02": {"tests/x.py::TestA"},
        "T-03": {"tests/x.py::TestA"},
        "T-04": {"tests/x.py::TestA::test_b"},
    }


def test_sources_are_found_in_every_docstring() -> None:
    tree = ast.parse(
        '"""M (T-01)."""\n'
        "class A:\n"
        '    """A.\n\n    Source: W-01 to W-03.\n    """\n'
        "    x: int\n"
        '    """X (T-02)."""\n'
        "    def f(self):\n"
        '        """F.\n\n        Source: RFC 8894 section 2; T-03.\n        """\n'
        "        return 'T-04'\n"
    )
    assert conformance.ids_of_code(tree, "pyscep.m") == {
        "T-01": {"pyscep.m"},
        "W-01": {"pyscep.m.A"},
        "W-02": {"pyscep.m.A"},
        "W-03": {"pyscep.m.A"},
        "T-02": {"pyscep.m.A"},
        "T-03": {"pyscep.m.A.f"},
    }
