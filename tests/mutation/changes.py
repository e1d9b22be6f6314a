"""Every small change of a message: each bit, each element, each length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.helpers.tlv import Node, parse

Path = tuple[int, ...]
"""Child numbers from the outermost element down; ``()`` is the whole."""


@dataclass(frozen=True, slots=True)
class Change:
    """A changed message, and which element was changed."""

    what: str
    path: Path
    octets: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """Where an element stands."""

    path: Path
    start: int
    contents: int
    end: int


def spans(octets: bytes) -> list[Span]:
    """Return where each element of DER stands, the outermost first."""
    return list(_spans(octets, 0, len(octets), ()))


def _spans(octets: bytes, position: int, end: int, parent: Path) -> Iterator[Span]:
    number = 0
    while position < end:
        start = position
        tag, size = octets[position], octets[position + 1]
        position += 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(octets[position : position + count], "big")
            position += count
        path = () if start == 0 and not parent else (*parent, number)
        yield Span(path, start, position, position + size)
        if tag & 0x20:
            yield from _spans(octets, position, position + size, path)
        position += size
        number += 1


def bit_flips(octets: bytes, *, step: int = 1, begin: int = 0) -> Iterator[Change]:
    """Flip each bit; with *step*, only every so many-th."""
    places = _places(octets)
    for bit in range(begin, 8 * len(octets), step):
        changed = bytearray(octets)
        changed[bit // 8] ^= 1 << (bit % 8)
        yield Change(f"bit {bit}", places[bit // 8], bytes(changed))


def _places(octets: bytes) -> list[Path]:
    """Return the innermost element of each byte; none are known of BER."""
    places: list[Path] = [()] * len(octets)
    if not is_der(octets):
        return places
    for span in spans(octets):
        for position in range(span.start, span.end):
            places[position] = span.path
    return places


def is_der(octets: bytes) -> bool:
    """Whether the second encoder writes it the same, so that its elements have one place."""
    try:
        return parse(octets).dump() == octets
    except (AssertionError, IndexError):
        return False


def lengths(octets: bytes) -> Iterator[Change]:
    """Change each length, and nothing else: the bytes stay where they are."""
    for span in spans(octets):
        size = span.end - span.contents
        header = octets[span.start + 1 : span.contents]
        spellings = {
            "one less": _length(max(size - 1, 0)),
            "one more": _length(size + 1),
            "nothing": b"\0",
            "indefinite": b"\x80",
            "in long form": b"\x84" + size.to_bytes(4, "big"),
            "huge": b"\x84\xff\xff\xff\xff",
            "absurd": b"\xfe" + b"\xff" * 126,
        }
        for name, spelling in spellings.items():
            if spelling != header:
                changed = octets[: span.start + 1] + spelling + octets[span.contents :]
                yield Change(f"length {name}", span.path, changed)


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes((size,))
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def elements(octets: bytes) -> Iterator[Change]:
    """Delete, repeat and exchange each element, with the lengths around it put right."""
    root = parse(octets)
    yield Change("repeat the whole", (), octets * 2)
    for path, family in _families(root, ()):
        for number, child in enumerate(family.children):
            place = (*path, number)
            others = list(family.children)
            del others[number]
            yield Change("delete", place, _with(root, path, family, others))
            repeated = [*family.children[:number], child, *family.children[number:]]
            yield Change("repeat", place, _with(root, path, family, repeated))
            for other in range(number + 1, len(family.children)):
                if family.children[other] != child:
                    swapped = list(family.children)
                    swapped[number], swapped[other] = swapped[other], swapped[number]
                    yield Change(
                        f"exchange with {other}", place, _with(root, path, family, swapped)
                    )


def _families(node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    if node.is_constructed:
        yield path, node
        for number, child in enumerate(node.children):
            yield from _families(child, (*path, number))


def _with(root: Node, path: Path, family: Node, children: list[Node]) -> bytes:
    return root.with_at(path, Node(family.tag, children=tuple(children))).dump()
