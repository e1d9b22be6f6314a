"""The conformance checklist, and what in the tree stands for each of its items.

``docs/reference/conformance/checklist.txt`` has the rules, ``exceptions.txt`` beside it the few
that no test can prove, each with the reason. Code names the rules that it follows in its
docstrings, and tests the rules that they prove with ``@pytest.mark.conforms("M-32")``. The
documentation's table is made of these, and ``tests/contract/test_conformance.py`` sees to it that
nothing is missing.
"""

from __future__ import annotations

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference" / "conformance"
CHECKLIST = FOLDER / "checklist.txt"
EXCEPTIONS = FOLDER / "exceptions.txt"

ID = re.compile(r"\b[A-Z]-\d\d\b")
ID_RANGE = re.compile(r"\b([A-Z])-(\d\d) to \1-(\d\d)\b")
SECTION = re.compile(r"\[([A-Z])\] (.+)")
ITEM = re.compile(r"([A-Z]-\d\d) \| (client|server|both) \| (.+?) \| (.+)")
EXCEPTION = re.compile(r"([A-Z]-\d\d): (.+)")

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One rule."""

    identifier: str
    """Such as ``M-32``."""
    who: str
    """Whom it binds: ``client``, ``server`` or ``both``."""
    level: str
    """How strongly."""
    reference: str
    """Where it is from; sections are those of RFC 8894."""
    rule: str
    """The rule itself, in one paragraph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The rules about one subject."""

    letter: str
    """What its IDs begin with."""
    title: str
    """The subject."""
    items: tuple[Item, ...]
    """Its rules."""


class MalformedChecklistError(ValueError):
    """A line of one of the two files is neither what it should be nor empty."""


def read_checklist(text: str) -> tuple[Section, ...]:
    """Read the rules.

    :raises MalformedChecklistError: a line that is out of place, or an ID that comes twice.
    """
    sections: dict[str, tuple[str, list[Item]]] = {}
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        head, _, rule = paragraph.partition("\n")
        if found := SECTION.fullmatch(head):
            sections[found[1]] = (found[2], [])
        elif (found := ITEM.fullmatch(head)) and rule:
            identifier, who, level, reference = found.groups()
            items = sections.get(identifier[0], ("", []))[1]
            items.append(
                Item(
                    identifier=identifier,
                    who=who,
                    level=level,
                    reference=reference,
                    rule=" ".join(rule.split()),
                )
            )
        else:
            raise MalformedChecklistError(head)
    found_ids = [item.identifier for _, items in sections.values() for item in items]
    if len(found_ids) != len(set(found_ids)):
        raise MalformedChecklistError("an ID comes twice")
    return tuple(
        Section(letter=letter, title=title, items=tuple(items))
        for letter, (title, items) in sections.items()
    )


def read_exceptions(text: str) -> dict[str, str]:
    """Read why some rules have no test.

    :raises MalformedChecklistError: a line that is neither an ID with its reason nor a comment.
    """
    reasons: dict[str, str] = {}
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        line = " ".join(paragraph.split())
        if line.startswith("#") or not line:
            continue
        found = EXCEPTION.fullmatch(line)
        if not found or found[1] in reasons:
            raise MalformedChecklistError(line)
        reasons[found[1]] = found[2]
    return reasons


def checklist() -> tuple[Section, ...]:
    """Return the rules of this project."""
    return read_checklist(CHECKLIST.read_text(encoding="utf-8"))


def identifiers() -> frozenset[str]:
    """Return all IDs that there are."""
    return frozenset(item.identifier for section in checklist() for item in section.items)


def exceptions() -> dict[str, str]:
    """Return the rules without a test, with the reasons."""
    return read_exceptions(EXCEPTIONS.read_text(encoding="utf-8"))


def ids_in(text: str) -> set[str]:
    """Return all IDs that a text names, also as ``W-01 to W-06``."""
    found = set(ID.findall(text))
    for letter, first, last in ID_RANGE.findall(text):
        found.update(f"{letter}-{number:02}" for number in range(int(first), int(last) + 1))
    return found


# ---------------------------------------------------------------------------------- what is where


def _definitions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Definition]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            name = f"{prefix}.{child.name}" if prefix else child.name
            yield name, child
            yield from _definitions(child, name)


def _own_texts(node: ast.AST) -> Iterator[str]:
    """Yield the docstrings that belong to *node* itself, those of its attributes included."""
    for child in getattr(node, "body", ()):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            yield str(child.value.value)


def ids_of_code(tree: ast.Module, module: str) -> dict[str, set[str]]:
    """Return where the docstrings of a module name each ID: ``pyscep.ca.TrustedCa``."""
    places: dict[str, set[str]] = defaultdict(set)
    for name, node in [("", tree), *_definitions(tree, "")]:
        for identifier in ids_in(" ".join(_own_texts(node))):
            places[identifier].add(f"{module}.{name}" if name else module)
    return places


def _marks(nodes: Iterable[ast.expr]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("mark.conforms"):
                found.update(str(a.value) for a in call.args if isinstance(a, ast.Constant))
    return found


def ids_of_tests(tree: ast.Module, path: str) -> dict[str, set[str]]:
    """Return which tests of a file are marked with each ID, as pytest names them."""
    places: dict[str, set[str]] = defaultdict(set)
    for name, node in _definitions(tree, ""):
        marked = list(node.decorator_list)
        # pytest.param(…, marks=pytest.mark.conforms(…)) stands inside a decorator, too.
        for identifier in _marks(marked):
            places[identifier].add(f"{path}::{name.replace('.', '::')}")
    for statement in tree.body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
            for identifier in _marks([statement.value]):
                places[identifier].add(path)
    return places


def _merged(parts: Iterable[Mapping[str, set[str]]]) -> dict[str, list[str]]:
    whole: dict[str, set[str]] = defaultdict(set)
    for part in parts:
        for identifier, places in part.items():
            whole[identifier] |= places
    return {identifier: sorted(places) for identifier, places in whole.items()}


def _trees(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def code_of_ids() -> dict[str, list[str]]:
    """Return the modules, classes and functions that name each ID."""
    return _merged(
        ids_of_code(tree, ".".join(path.with_suffix("").parts).removesuffix(".__init__"))
        for path, tree in _trees(ROOT / "pyscep")
    )


@functools.cache
def tests_of_ids() -> dict[str, list[str]]:
    """Return the tests that are marked with each ID."""
    return _merged(ids_of_tests(tree, path.as_posix()) for path, tree in _trees(ROOT / "tests"))


# --------------------------------------------------------------------------------------- the page

HEAD = """\
Conformance
===========

Every rule of RFC 8894, and of what deployed software does, that a SCEP library has to know: whom it
binds, how strongly, where in the code it is followed and which tests prove it. *Observed* is what
deployed software was seen to do; *advice* is ours, where the RFC is silent. Sections are those of
:rfc:`8894` unless another document is named.

Of {total} rules, {proved} are proved by at least one of {tests} tests; the other {excepted} are no
behaviour of a library, or are left out on purpose, each with its reason.
"""


COLUMNS = """\
.. list-table::
   :header-rows: 1
   :widths: 8 44 14 17 17

   * - ID
     - Rule
     - Binds
     - Code
     - Tests
"""


def _escaped(text: str) -> str:
    """Turn the checklist's few Markdown accents into reStructuredText."""
    parts = re.split(r"(`[^`]+`|\*\*[^*]+\*\*|\*[^*\s]+\*)", text)
    return "".join(
        f"`{part}`"
        if part.startswith("`")
        else part
        if part.startswith("*") and len(part) > 2
        else re.sub(r"([*_|\\])", r"\\\1", part)
        for part in parts
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"``{name}``" for name in names)


def _row(item: Item, code: Iterable[str], tests: Iterable[str], reason: str | None) -> str:
    cells = (
        item.identifier,
        _escaped(f"{item.rule} ({item.reference})"),
        _escaped(f"{item.who}: {item.level}"),
        _listed(place.removeprefix("pyscep.") for place in code),
        f"None. {_escaped(reason)}" if reason else _listed(t.removeprefix("tests/") for t in tests),
    )
    first, *others = (f"- {cell}".rstrip() for cell in cells)
    return "\n     ".join((f"   * {first}", *others))


def page() -> str:
    """Return the documentation's page, in reStructuredText."""
    sections, reasons = checklist(), exceptions()
    code, tests = code_of_ids(), tests_of_ids()
    total = sum(len(section.items) for section in sections)
    head = HEAD.format(
        total=total,
        proved=total - len(reasons),
        excepted=len(reasons),
        tests=len({place for places in tests.values() for place in places}),
    )
    parts = [head]
    for section in sections:
        title = f"{section.title} ({section.letter})"
        parts.append(f"{title}\n{'-' * len(title)}\n\n{COLUMNS}")
        for item in section.items:
            identifier = item.identifier
            places = code.get(identifier, ()), tests.get(identifier, ())
            parts.append(_row(item, *places, reasons.get(identifier)))
        parts.append("")
    return "\n".join(parts)
