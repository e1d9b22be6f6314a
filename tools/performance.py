"""What the page on performance includes: tables and a drawing, made of the benchmarks' results.

``docs/conf.py`` writes them before it builds, from ``benchmarks/results.json``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from xml.sax.saxutils import escape

from benchmarks import results
from benchmarks.results import Row, Section

Points = Sequence[tuple[float, float]]

_MACHINE = {
    "date": "Date",
    "processor": "Processor",
    "system": "System",
    "python": "Python",
    "openssl": "OpenSSL",
    "oscrypto": "oscrypto",
    "asn1crypto": "asn1crypto",
    "cryptography": "cryptography",
}


def pages() -> dict[str, str]:
    """Return the files by their name, to be put beside the page."""
    sections = results.load()
    return {
        "performance-machine.inc": machine_table(results.machines()),
        "performance-goals.inc": goals_table(sections),
        "performance-times.inc": times_table(sections),
        "performance.svg": drawing(sections["scaling"].series),
    }


# ---------------------------------------------------------------------------------------- tables


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], widths: str) -> str:
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in (header, *rows):
        lines += [f"   {'*' if not column else ' '} - {cell}" for column, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def machine_table(machines: Sequence[Mapping[str, str]]) -> str:
    """Return what the figures depend on; several columns if they are not of one run."""
    rows = [(label, *(each[key] for each in machines)) for key, label in _MACHINE.items()]
    header = ("", *("measured on" for _ in machines))
    return _table(header, rows, "20" + " 80" * len(machines))


def goals_table(sections: Mapping[str, Section]) -> str:
    """Return every row with its goal, and whether it is reached."""
    rows = [_cells(row) for section in sections.values() for row in section.rows]
    return _table(("What", "Measured", "Goal", "Reached", "Compared"), rows, "40 12 12 10 36")


def _cells(row: Row) -> tuple[str, ...]:
    reached = "" if not row.goal else "yes" if row.met else "**no**"
    return row.what, results.number(row.value) + row.suffix, row.goal, reached, row.note


def times_table(sections: Mapping[str, Section]) -> str:
    """Return the medians and quartiles of everything that was timed."""
    rows = [
        (name, *(f"{summary[key]:,.0f}" for key in ("median", "lower_quartile", "upper_quartile")))
        for section in sections.values()
        for name, summary in section.microseconds.items()
    ]
    return _table(("What", "Median", "Lower quartile", "Upper quartile"), rows, "46 18 18 18")


# --------------------------------------------------------------------------------------- drawing

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 250, 180, 60, 40, 90
_DRAWING = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"
 font-size="12">
<rect width="{width}" height="{height}" fill="white"/>
{shapes}
</svg>
"""


def drawing(series: Mapping[str, Points]) -> str:
    """Return one diagram for each series, beside each other."""
    shapes = [
        shape
        for number, (name, points) in enumerate(series.items())
        for shape in _diagram(name, points, _LEFT + number * (_WIDTH + _GAP))
    ]
    return _DRAWING.format(
        width=_LEFT + len(series) * (_WIDTH + _GAP) - _GAP + 30,
        height=_TOP + _HEIGHT + 50,
        shapes="\n".join(shapes),
    )


def _diagram(name: str, points: Points, left: int) -> list[str]:
    right, bottom = max(x for x, _ in points), max(y for _, y in points)
    middle = left + _WIDTH // 2
    what = "certificates" if right < 100 else "entries"
    places = [(left + x / right * _WIDTH, _TOP + _HEIGHT - y / bottom * _HEIGHT) for x, y in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    base = _TOP + _HEIGHT
    return [
        _text(middle, _TOP - 15, name),
        f'<path d="M{left} {_TOP} V{base} H{left + _WIDTH}" fill="none" stroke="black"/>',
        f'<polyline points="{line}" fill="none" stroke="#06c"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#06c"/>' for x, y in places),
        _text(left - 6, _TOP + 4, f"{bottom / 1000:,.1f} ms", anchor="end"),
        _text(left - 6, base + 4, "0", anchor="end"),
        _text(left + _WIDTH, base + 18, f"{right:,.0f}"),
        _text(middle, base + 34, what),
    ]


def _text(x: int, y: int, text: str, *, anchor: str = "middle") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
