"""What the benchmarks found: rows with their goals, a table on the terminal, one file of JSON."""

from __future__ import annotations

import json
import os
import platform
import ssl
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import asn1crypto
import cryptography
import oscrypto

RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: a figure, and what it should be."""

    what: str
    """What was measured."""
    value: float
    """The figure."""
    at_most: float | None = None
    """The goal, where less is better."""
    at_least: float | None = None
    """The goal, where more is better."""
    unit: str = ""
    """What the figure counts; a ratio or a number of things has none."""
    note: str = ""
    """What the figure compares, in a few words."""

    @property
    def goal(self) -> str:
        """The goal in words; empty if there is none."""
        if self.at_most is not None:
            return f"≤ {number(self.at_most)}{self.suffix}"
        return f"≥ {number(self.at_least)}{self.suffix}" if self.at_least is not None else ""

    @property
    def suffix(self) -> str:
        """The unit as it stands behind a number."""
        return f" {self.unit}" if self.unit else ""

    @property
    def met(self) -> bool:
        """Whether the goal is reached; without one it is."""
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )


@dataclass(frozen=True, kw_only=True)
class Section:
    """What one benchmark found."""

    rows: Sequence[Row]
    """Its lines of the table."""
    microseconds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Median and quartiles of everything that was timed."""
    series: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    """Points of curves, by name."""


def number(value: float | None) -> str:
    """Write a figure as it is read: three digits, and no more."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(rows: Sequence[Row]) -> str:
    """Return lines for the terminal."""
    width = max(len(row.what) for row in rows)
    return "\n".join(
        f"{row.what:{width}}  {number(row.value) + row.suffix:>16}  {row.goal:>14}  "
        f"{'' if row.met else 'MISSED  '}{row.note}".rstrip()
        for row in rows
    )


def save(name: str, section: Section, path: Path = RESULTS) -> None:
    """Put what one benchmark found in the place of what it found before."""
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found[name] = {"machine": machine(), **asdict(section)}
    text = json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True)
    path.write_text(f"{text}\n", encoding="utf-8")


def load(path: Path = RESULTS) -> dict[str, Section]:
    """Return what all benchmarks found last."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return {name: _section(fields) for name, fields in found.items()}


def _section(fields: Mapping[str, Any]) -> Section:
    return Section(
        rows=[Row(**row) for row in fields["rows"]],
        microseconds=fields["microseconds"],
        series=fields["series"],
    )


def machines(path: Path = RESULTS) -> list[dict[str, str]]:
    """Return the different machines and versions that the results are from."""
    found = json.loads(path.read_text(encoding="utf-8"))
    different = {json.dumps(fields["machine"]): fields["machine"] for fields in found.values()}
    return list(different.values())


def machine() -> dict[str, str]:
    """Return what the figures depend on."""
    return {
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.machine()}, {_distribution()}",
        "python": sys.version.split()[0],
        "openssl": ssl.OPENSSL_VERSION,
        "oscrypto": oscrypto.__version__,
        "asn1crypto": asn1crypto.__version__,
        "cryptography": cryptography.__version__,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _distribution() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "")
