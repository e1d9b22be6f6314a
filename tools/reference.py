"""Pages of the reference that are made of the code: names, errors, states.

``docs/conf.py`` writes them before it builds, so they cannot go stale; the pages of the single
modules are sphinx's own.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence

import pyscep
from pyscep import errors
from pyscep.errors import ScepError
from pyscep.inspection.findings import Departure, Level
from pyscep.messages import FailInfo
from pyscep.survey.rules import RULES
from pyscep.transaction import INITIAL_STATE, TRANSITIONS, TransactionState


def pages() -> dict[str, str]:
    """Return the files by their name, to be put beside the reference's index."""
    return {
        "names.rst": names_page(),
        "errors.rst": errors_page(),
        "findings.rst": findings_page(),
        "states.rst": states_page(),
        "states.svg": states_drawing(),
    }


# ------------------------------------------------------------------------------------------- rst


def table(header: Sequence[str], rows: Iterable[Sequence[str]], widths: str) -> str:
    """Return a table in reST."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in (header, *rows):
        lines += [f"   {'*' if not column else ' '} - {cell}" for column, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def _summary(thing: object) -> str:
    """Return the first sentence of a docstring; a type alias has none."""
    described = inspect.isclass(thing) or inspect.isroutine(thing)
    text = inspect.getdoc(thing) if described else None
    return " ".join((text or "").partition("\n\n")[0].split())


# ----------------------------------------------------------------------------------------- names


NAMES = """\
What import pyscep gives
========================

Each name leads to the module that it comes from.

{table}"""


def names_page() -> str:
    """Return the page of everything that ``import pyscep`` gives."""
    rows = [(_link_to(name), _summary(getattr(pyscep, name))) for name in pyscep.__all__]
    return NAMES.format(table=table(("Name", "What it is"), rows, "30 70"))


def _link_to(name: str) -> str:
    thing = getattr(pyscep, name)
    home = getattr(thing, "__module__", "")
    if not home.startswith("pyscep."):
        # An alias of several types knows nothing of its module; it is described where it is made.
        home = next(
            module.__name__
            for _, module in inspect.getmembers(pyscep, inspect.ismodule)
            if module.__name__.startswith("pyscep.") and f"\n{name} = " in inspect.getsource(module)
        )
        return f":data:`~{home}.{name}`"
    role = "class" if inspect.isclass(thing) else "func"
    if inspect.isclass(thing) and issubclass(thing, Exception):
        role = "exc"
    return f":{role}:`~{home}.{name}`"


# ---------------------------------------------------------------------------------------- errors


def error_classes(kind: type[ScepError] = ScepError) -> Iterator[type[ScepError]]:
    """Yield the public errors in the order of the tree."""
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from error_classes(child)


def facts_of(kind: type[ScepError]) -> tuple[str, ...]:
    """Return the attributes that an error has, those of its bases first."""
    found: dict[str, None] = {}
    for owner in reversed(kind.__mro__):
        if issubclass(owner, ScepError) and owner is not ScepError:
            source = inspect.getsource(owner)
            found.update(dict.fromkeys(re.findall(r"self\.(\w+) = ", source)))
    return tuple(found)


ERRORS = """\
Errors
======

Whatever goes wrong is one :exc:`~pyscep.errors.ScepError`, with one sentence for people and its
facts as attributes. ``except SecurityError`` and the like catch a whole branch; every error can be
pickled.

.. code-block:: text

{drawing}

The last two columns are what a server answers: the failInfo of a signed FAILURE, and the HTTP
status where none can be signed.

{table}"""


def errors_page() -> str:
    """Return the page of the error tree."""
    rows = [
        (
            f":exc:`~pyscep.errors.{kind.__name__}`",
            _summary(kind),
            ", ".join(f"``{name}``" for name in facts_of(kind)) or "\\",
            FailInfo(kind.fail_info_hint).rfc_name,
            str(kind.http_status_hint),
        )
        for kind in error_classes()
    ]
    return ERRORS.format(
        drawing=(errors.__doc__ or "").partition("::\n\n")[2].partition("\n\n")[0],
        table=table(("Error", "Meaning", "Facts", "failInfo", "HTTP"), rows, "22 38 22 12 6"),
    )


# -------------------------------------------------------------------------------------- findings


FINDINGS = """\
What an inspection finds
========================

``pyscep inspect`` and :func:`pyscep.inspection.inspect` look for these departures. The ID is that
of the item in the :doc:`conformance checklist <conformance>`.

Levels
------

{levels}
Findings
--------

{findings}
Rules of a survey
-----------------

``pyscep check`` and :func:`pyscep.survey.survey` report on these rules.

{rules}"""


def findings_page() -> str:
    """Return the page of everything that an inspection finds, and of a survey's rules."""
    levels = [(level.value, _LEVELS[level]) for level in Level]
    findings = [
        (each.id, each.level.value, f"{each.about[:1].upper()}{each.about[1:]}.")
        for each in sorted(Departure, key=lambda each: each.id)
    ]
    rules = [(identifier, rule.level.value, rule.rule) for identifier, rule in RULES.items()]
    return FINDINGS.format(
        levels=table(("Level", "Meaning"), levels, "15 85"),
        findings=table(("ID", "Level", "What is found"), findings, "10 10 80"),
        rules=table(("ID", "Level", "Rule"), rules, "10 10 80"),
    )


_LEVELS = {
    Level.MUST: "It breaks what RFC 8894, or a standard below it, demands.",
    Level.SHOULD: "It goes against what RFC 8894 recommends.",
    Level.FIELD: "It is allowed, or left open, and some deployed software cannot read it.",
    Level.ADVICE: "It is allowed, and better done otherwise.",
    Level.NOTE: "Nothing is wrong; it helps to know it.",
}


# ---------------------------------------------------------------------------------------- states


def _transitions() -> list[tuple[TransactionState, str, TransactionState]]:
    """Return where each answer leads, and before them how a transaction begins."""
    nothing = TransactionState.CERT_NONEXISTENT
    begin = (nothing, "request sent", INITIAL_STATE)
    return [begin, *((at, status.name, to) for (at, status), to in TRANSITIONS.items())]


STATES = """\
States of a transaction
=======================

A :class:`~pyscep.transaction.Transaction` is a value with a state; each answer that the CA has
signed makes the next value of it. What is not signed changes nothing.

.. image:: states.svg
   :alt: {told}.

{table}
A PENDING can be followed by a CertPoll only; ``CERT-ISSUED`` and ``CERT-NONEXISTENT`` end the
transaction (:rfc:`8894#section-2.5.1`).
"""


def states_page() -> str:
    """Return the page of the states of a transaction."""
    rows = [(f"``{at.value}``", name, f"``{to.value}``") for at, name, to in _transitions()]
    return STATES.format(
        told="; ".join(f"{at.value}, {name}: {to.value}" for at, name, to in _transitions()),
        table=table(("State", "What happens", "Next state"), rows, "35 30 35"),
    )


_WIDTH, _HEIGHT, _GAP, _TOP = 190, 44, 130, 90


DRAWING = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"
 viewBox="-10 0 {width} {height}" font-family="sans-serif" font-size="14" text-anchor="middle">
<rect x="-10" width="{width}" height="{height}" fill="white"/>
<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8"
 orient="auto"><path d="M0 0 L8 4 L0 8 z"/></marker>
{shapes}
</svg>
"""


def states_drawing() -> str:
    """Return the states in one row, what leads forward above them, what leads back below."""
    column = {state: number for number, state in enumerate(TransactionState)}
    shapes = [_box(state.value, number) for state, number in column.items()]
    shapes += [_arrow(column[at], column[to], name) for at, name, to in _transitions()]
    return DRAWING.format(
        width=_left(len(column)) - _GAP + 20,
        height=2 * _TOP + _HEIGHT - 30,
        shapes="\n".join(shapes),
    )


def _left(column: int) -> int:
    return column * (_WIDTH + _GAP)


def _box(text: str, column: int) -> str:
    middle = _left(column) + _WIDTH // 2
    return (
        f'<rect x="{_left(column)}" y="{_TOP}" width="{_WIDTH}" height="{_HEIGHT}" rx="8"'
        f' fill="none" stroke="black"/>\n<text x="{middle}" y="{_TOP + 27}">{text}</text>'
    )


def _arrow(start: int, end: int, text: str) -> str:
    top, bottom = _TOP, _TOP + _HEIGHT
    first, last = _left(start) + _WIDTH // 2, _left(end) + _WIDTH // 2
    if start == end:
        bow = f"C{first - 60} {top - 80} {first + 60} {top - 80}"
        return _path(f"M{first - 25} {top} {bow} {first + 25} {top}", first, top - 68, text)
    if start < end:
        path = f"M{first + 60} {top} Q{(first + last) // 2} {top - 60} {last - 60} {top}"
        return _path(path, (first + last) // 2, top - 38, text)
    path = f"M{first - 40} {bottom} Q{(first + last) // 2} {bottom + 60} {last + 40} {bottom}"
    return _path(path, (first + last) // 2, bottom + 48, text)


def _path(path: str, x: int, y: int, text: str) -> str:
    return (
        f'<path d="{path}" fill="none" stroke="black" marker-end="url(#tip)"/>\n'
        f'<text x="{x}" y="{y}">{text}</text>'
    )
