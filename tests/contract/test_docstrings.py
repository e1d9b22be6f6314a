"""Everything public is described, and every ``Source:`` line can be followed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import conformance

ROOT = Path(__file__).parents[2]
IDS = conformance.identifiers()

ID = re.compile(r"[A-Z]-\d\d")
ID_RANGE = re.compile(r"([A-Z])-(\d\d) to \1-(\d\d)")
# "RFC 8894 section 3.2.1.4", "RFC 5280 appendix A.2", "X.690 section 10.2", "RFC 2986".
DOCUMENT = r"(?:RFC \d{3,5}|X\.\d{3}|FIPS \d{2,3}(?:-\d)?|SP 800-\d+\w?|PKCS #\d+|MS-[A-Z]+)"
PLACE = r"(?:section \d+(?:\.\d+)*|sections \d[\d.]*(?: and \d[\d.]*)+|appendix [A-Z](?:\.\d+)*)"
REFERENCE = re.compile(rf"{DOCUMENT}(?: {PLACE})?")

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> list[Path]:
    return sorted((ROOT / "pyscep").rglob("*.py"))


def is_public(name: str) -> bool:
    return not name.startswith("_")


def is_described_elsewhere(node: Definition) -> bool:
    """Tell an overload or an override, whose description stands at the original."""
    names = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    return bool(names & {"overload", "override", "setter", "deleter"})


def public_definitions(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, Definition]]:
    """Yield what is public in *body*, methods included, with its qualified name."""
    for node in body:
        if isinstance(node, Definition) and is_public(node.name):
            yield f"{prefix}.{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body, f"{prefix}.{node.name}")


def undescribed(tree: ast.Module, name: str) -> list[str]:
    found = [] if ast.get_docstring(tree) else [name]
    return found + [
        qualified
        for qualified, node in public_definitions(tree.body, name)
        if not ast.get_docstring(node) and not is_described_elsewhere(node)
    ]


def source_lines(tree: ast.Module) -> Iterator[str]:
    """Yield what follows ``Source:``, in docstrings of attributes too, up to an empty line."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            for paragraph in re.split(r"\n\s*\n", node.value.value):
                for found in re.finditer(r"^\s*Source:(.*)", paragraph, re.MULTILINE | re.DOTALL):
                    yield " ".join(found.group(1).split())


def ids_in(part: str) -> list[str] | None:
    """Return the IDs that *part* stands for, ``None`` if it is not about IDs."""
    if ID.fullmatch(part):
        return [part]
    if found := ID_RANGE.fullmatch(part):
        section, first, last = found.groups()
        return [f"{section}-{number:02}" for number in range(int(first), int(last) + 1)]
    return None


def complaint_about(source: str) -> str | None:
    """Return what is wrong with the text after ``Source:``.

    The form is ``RFC 8894 section 3.1; M-01, M-12.`` or ``W-01 to W-06.``: documents, and IDs of
    the checklist.
    """
    if not source.endswith("."):
        return "no full stop at the end"
    for part in re.split("[;,] ", source[:-1]):
        if REFERENCE.fullmatch(part):
            continue
        identifiers = ids_in(part)
        if not identifiers:
            return f"{part!r} is neither a document nor an ID such as M-01"
        if unknown := [identifier for identifier in identifiers if identifier not in IDS]:
            return f"{', '.join(unknown)} is not in the checklist"
    return None


def test_checklist_has_ids() -> None:
    assert len(IDS) > 300
    assert all(ID.fullmatch(identifier) for identifier in IDS)


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_everything_public_is_described(path: Path) -> None:
    assert undescribed(ast.parse(path.read_text()), path.stem) == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_sources_can_be_followed(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert [
        f"Source: {source}: {complaint}"
        for source in source_lines(tree)
        if (complaint := complaint_about(source))
    ] == []


def test_missing_docstrings_are_noticed() -> None:
    tree = ast.parse("def f(): ...\nclass C:\n  'C.'\n  def m(self): ...\n  def _p(self): ...\n")
    assert undescribed(tree, "x") == ["x", "x.f", "x.C.m"]


@pytest.mark.parametrize(
    "source",
    [
        "RFC 8894 section 3.1; M-01, M-12.",
        "M-35, S-05.",
        "RFC 5652 sections 5.3 and 5.4; RFC 2986.",
        "RFC 4055, RFC 5758 section 3.2; W-01 to W-06.",
        "X.690 section 10.2; RFC 5280 appendix A.2; T-01.",
    ],
)
def test_good_source(source: str) -> None:
    assert complaint_about(source) is None


@pytest.mark.parametrize(
    "source",
    ["", "M-01", "M-00.", "M-1.", "M-01 M-12.", "W-01 to W-99.", "RFC section 3.", "see M-01."],
)
def test_bad_source_is_noticed(source: str) -> None:
    assert complaint_about(source)


def test_wrapped_sources_are_found() -> None:
    tree = ast.parse('def f():\n  """F.\n\n  Source: RFC 8894 section 3.1; M-01,\n  M-12.\n  """\n')
    assert list(source_lines(tree)) == ["RFC 8894 section 3.1; M-01, M-12."]
