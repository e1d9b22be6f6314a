"""What there is to say about the body of a GetCACaps reply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyscep.capabilities import (
    UNREGISTERED_KEYWORDS,
    Capability,
    parse_capabilities,
)
from pyscep.inspection.findings import Departure, Finding
from pyscep.limits import Limits

_KNOWN = {capability.value for capability in Capability}
_LOWER = {keyword.lower(): keyword for keyword in (*_KNOWN, *UNREGISTERED_KEYWORDS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCapabilities:
    """The keywords of a reply."""

    details: tuple[tuple[str, str], ...]
    """The keywords, in words."""
    findings: tuple[Finding, ...]
    """What is wrong."""


def see_capabilities(body: bytes, limits: Limits) -> SeenCapabilities | None:
    """Look at what may be the body of a GetCACaps reply; ``None`` if it cannot be one.

    Source: RFC 8894 section 3.5.2; C-03 to C-09, C-13, C-15, C-24, C-30, C-31.
    """
    if body.lstrip()[:1] == b"<":
        page = Departure.CAPS_PAGE.found(
            "This is a web page; as an answer to GetCACaps it means that the server has none."
        )
        return SeenCapabilities(details=(("announces", "nothing"),), findings=(page,))
    if not body.strip():
        empty = Departure.CAPS_EMPTY.found("There is nothing here: as GetCACaps it means none.")
        return SeenCapabilities(details=(("announces", "nothing"),), findings=(empty,))
    found = parse_capabilities(body, limits=limits)
    lines = _lines(body[: limits.capabilities_size])
    if not any(line.strip().lower() in _LOWER for line in lines):
        return None
    keywords = sorted(keyword.value for keyword in found.keywords)
    return SeenCapabilities(
        details=(("announces", ", ".join(keywords) or "nothing known"),),
        findings=(*_about_form(body, lines), *_about_keywords(lines)),
    )


def _lines(body: bytes) -> list[str]:
    text = body.decode("ascii", "backslashreplace").replace("\r\n", "\n").replace("\r", "\n")
    return text.split("\n")


def _about_form(body: bytes, lines: Sequence[str]) -> Iterator[Finding]:
    if b"\r" in body:
        yield Departure.CAPS_LINE_ENDS.found(
            "The lines end in CRLF, with which some clients do not recognise a single keyword."
        )
    inner = lines[:-1] if lines[-1] == "" else lines
    if any(line != line.strip() or not line for line in inner):
        yield Departure.CAPS_SPACE.found("There are blank lines, or spaces around a keyword.")


def _about_keywords(lines: Sequence[str]) -> Iterator[Finding]:
    words = [line.strip() for line in lines if line.strip()]
    for word in dict.fromkeys(words):
        known = _LOWER.get(word.lower())
        shown = "".join(char if char.isprintable() else "?" for char in word[:60])
        if known is None:
            owner, _, name = word.partition("-")
            if "." not in owner or not name:
                yield Departure.CAPS_UNKNOWN.found(
                    f"The keyword {shown!r} is not registered and does not name its owner."
                )
        elif word != known:
            yield Departure.CAPS_CASE.found(f"The keyword {shown!r} has to be spelled {known!r}.")
        elif known in UNREGISTERED_KEYWORDS:
            yield Departure.CAPS_OBSOLETE.found(f"The keyword {known!r} is not registered.")
    if Capability.SCEP_STANDARD.value.lower() not in {word.lower() for word in words}:
        yield Departure.CAPS_NOT_STANDARD.found(
            "SCEPStandard is not announced, so the server does not claim to follow RFC 8894."
        )
