"""How a survey turns what it sees into verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pyscep.capabilities import Capabilities
from pyscep.certificates import Certificate
from pyscep.http import HttpResponse
from pyscep.inspection import Finding, Level
from pyscep.survey.rules import RULES


class Verdict(Enum):
    """How a server stands with one rule."""

    PASS = "pass"  # noqa: S105  # no password
    """It was seen to keep it, and never to break it."""
    FAIL = "fail"
    """It was seen to break it."""
    NOT_SEEN = "not seen"
    """Nothing that was asked shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One rule, seen to be kept or broken in one answer."""

    id: str
    """The item of the checklist."""
    kept: bool
    """Whether it was kept."""
    text: str = ""
    """Where, and what was met."""
    level: Level | None = None
    """How much it weighs here, if not as usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How the server stands with one rule."""

    id: str
    """The item of the checklist."""
    level: Level
    """How much it weighs."""
    verdict: Verdict
    """The outcome."""
    rule: str
    """What the rule says."""
    texts: tuple[str, ...]
    """What was met where it is broken."""
    advice: str | None
    """What to do about it, if it is broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found out about a server.

    Source: RFC 8894 section 2.9.
    """

    url: str
    """The server's, without its query."""
    capabilities: Capabilities
    """What it announces."""
    ca_certificates: tuple[Certificate, ...]
    """What GetCACert returned; nothing in it is believed."""
    checks: tuple[Check, ...]
    """All rules, in the order of :data:`pyscep.survey.rules.RULES`."""
    notes: tuple[str, ...]
    """What was asked, and what came of it."""

    @property
    def conforms(self) -> bool:
        """Whether nothing was seen that breaks a MUST of RFC 8894."""
        return not any(c.verdict is Verdict.FAIL and c.level is Level.MUST for c in self.checks)

    def to_json_object(self) -> dict[str, Any]:
        """Return it with the keys of ``pyscep check --json``, ready for :func:`json.dumps`."""
        return {
            "url": self.url,
            "conforms": self.conforms,
            "capabilities": sorted(keyword.value for keyword in self.capabilities.keywords),
            "ca_certificates": [
                {"subject": str(each.subject), "sha256": each.sha256_fingerprint}
                for each in self.ca_certificates
            ],
            "checks": [
                {
                    "id": each.id,
                    "level": each.level.value,
                    "verdict": each.verdict.value,
                    "rule": each.rule,
                    "texts": list(each.texts),
                    "advice": each.advice,
                }
                for each in self.checks
            ],
            "notes": list(self.notes),
        }


def judge(identifier: str, observations: Iterable[Observation]) -> Check:
    """Sum up what was seen of one rule."""
    rule = RULES[identifier]
    about = [each for each in observations if each.id == identifier]
    broken = [each for each in about if not each.kept]
    verdict = Verdict.FAIL if broken else Verdict.PASS if about else Verdict.NOT_SEEN
    order = list(Level)
    level = min((each.level or rule.level for each in broken), key=order.index, default=rule.level)
    return Check(
        id=identifier,
        level=level,
        verdict=verdict,
        rule=rule.rule,
        texts=tuple(dict.fromkeys(each.text for each in broken)),
        advice=rule.advice if broken else None,
    )


# Where an inspection names a part of the rule by another item.
_AS = {"M-02": "A-01", "G-06": "G-03"}


def kept(identifier: str) -> Observation:
    """Return that a rule was kept."""
    return Observation(id=identifier, kept=True)


def broken(identifier: str, text: str, level: Level | None = None) -> Observation:
    """Return that a rule was broken.

    :param level: how much it weighs here, if not as usual.
    """
    return Observation(id=identifier, kept=False, text=text, level=level)


def compare(
    findings: Iterable[Finding], expected: Iterable[str], where: str
) -> Iterator[Observation]:
    """Turn findings into observations; what is expected and not found fault with is kept.

    Source: RFC 8894 section 3.
    """
    seen: set[str] = set()
    for each in findings:
        identifier = _AS.get(each.id, each.id)
        if each.level is not Level.NOTE and identifier in RULES:
            seen.add(identifier)
            yield broken(identifier, f"{where}: {each.text}")
    for identifier in expected:
        if identifier not in seen:
            yield kept(identifier)


def about_http(
    response: HttpResponse, expected: str, where: str, level: Level
) -> Iterator[Observation]:
    """Judge the head of an answer.

    Source: RFC 8894 section 4.1; T-20, T-21, T-28.
    """
    found = response.header("Content-Type") or "none"
    bare, _, parameters = found.partition(";")
    if bare.strip().lower() == expected:
        yield kept("T-20")
        yield (
            broken("T-21", f"{where}: the Content-Type is {found!r}.")
            if parameters or bare.strip() != expected
            else kept("T-21")
        )
    else:
        yield broken(
            "T-20", f"{where}: the Content-Type is {found[:80]!r} instead of {expected!r}.", level
        )
    cached = "no-store" in (response.header("Cache-Control") or "").lower()
    yield (
        kept("T-28") if cached else broken("T-28", f"{where}: there is no Cache-Control: no-store.")
    )
