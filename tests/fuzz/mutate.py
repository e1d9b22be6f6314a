"""Changes to bytes that know of ASN.1: elements are deleted, repeated, moved, retagged, wrapped.

A mutation of bytes breaks the lengths around it and is refused by the first of them; these keep
the lengths right and change what is inside.
"""

from __future__ import annotations

from random import Random

_DEPTH = 24
_TAGS = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x16, 0x17, 0x18, 0x1E, 0x24, 0x30, 0x31)
_CONTEXT = (0x80, 0x81, 0x82, 0x86, 0xA0, 0xA1, 0xA2, 0xA3)
_INTERESTING = (
    b"",
    b"\0",
    b"\xff",
    b"\x80",
    b"\x7f" + b"\xff" * 7,
    b"\xff" * 64,
    b"\0" * 32,
    b"20260101000000Z",
    b"00000000000000Z",
    b"\xed\xa0\x80",
)


class Element:
    """One TLV that may be changed; what cannot be taken apart is a leaf."""

    __slots__ = ("children", "contents", "tag")

    def __init__(self, tag: int, contents: bytes, children: list[Element] | None) -> None:
        self.tag = tag
        self.contents = contents
        self.children = children

    def dump(self) -> bytes:
        body = self.contents
        if self.children is not None:
            body = b"".join(child.dump() for child in self.children)
        size = len(body)
        if size < 0x80:
            return bytes((self.tag, size)) + body
        length = size.to_bytes((size.bit_length() + 7) // 8, "big")
        return bytes((self.tag, 0x80 | len(length))) + length + body


def read_elements(octets: bytes, depth: int = 0) -> list[Element] | None:
    """Take DER apart as far as it can be, octet strings with DER inside too; or return None."""
    found = []
    position = 0
    while position < len(octets):
        if position + 2 > len(octets):
            return None
        tag, size = octets[position], octets[position + 1]
        position += 2
        if size & 0x80:
            count = size & 0x7F
            if not 0 < count < 4:
                return None
            size = int.from_bytes(octets[position : position + count], "big")
            position += count
        if position + size > len(octets):
            return None
        contents = octets[position : position + size]
        position += size
        children = None
        if depth < _DEPTH and (tag & 0x20 or (tag == 0x04 and contents[:1] == b"\x30")):
            children = read_elements(contents, depth + 1)
        found.append(Element(tag, contents, children))
    return found


def _families(elements: list[Element]) -> list[list[Element]]:
    """Return all lists of brothers, each of which may be changed in place."""
    families = [elements]
    for element in elements:
        if element.children:
            families.extend(_families(element.children))
    return families


def mutate_elements(octets: bytes, random: Random) -> bytes:
    """Change one to three elements; bytes that are no DER come back changed as bytes."""
    elements = read_elements(octets)
    if not elements:
        return mutate_bytes(octets, random)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        families = [family for family in _families(elements) if family]
        if not families:
            break
        family = random.choice(families)
        at = random.randrange(len(family))
        if random.random() < 0.5:
            _move(families, family, at, random)
        else:
            _change(family[at], random)
        if _is_a_circle(elements):
            return mutate_bytes(octets, random)
    return b"".join(element.dump() for element in elements)


def _move(families: list[list[Element]], family: list[Element], at: int, random: Random) -> None:
    """Change which elements there are, and where."""
    one = family[at]
    match random.randrange(6):
        case 0:
            del family[at]
        case 1:
            family.insert(random.randrange(len(family) + 1), one)
        case 2:
            other = random.randrange(len(family))
            family[at], family[other] = family[other], one
        case 3:
            family[at] = random.choice(random.choice(families))
        case 4:
            family[at : at + 1] = one.children or []
        case _:
            family[at:at] = [one] * random.choice((2, 5, 70))


def _change(one: Element, random: Random) -> None:
    """Change one element: its tag, its contents, or what is around it."""
    match random.randrange(4):
        case 0:
            one.tag = random.choice(_TAGS + _CONTEXT)
        case 1:
            inner = Element(one.tag, one.contents, one.children)
            one.tag, one.contents, one.children = random.choice(_TAGS + _CONTEXT), b"", [inner]
        case 2:
            one.children, one.contents = None, random.choice(_INTERESTING)
        case _:
            body = one.contents if one.children is None else one.dump()
            one.children, one.contents = None, mutate_bytes(body, random)


def _is_a_circle(elements: list[Element], depth: int = 0) -> bool:
    """Whether an element came to stand inside itself, or things have grown beyond sense."""
    if depth > 2 * _DEPTH:
        return True
    return any(e.children is not None and _is_a_circle(e.children, depth + 1) for e in elements)


def mutate_bytes(octets: bytes, random: Random) -> bytes:
    """Flip, replace, insert, cut or repeat a few bytes."""
    changed = bytearray(octets)
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(changed) + 1)
        size = random.choice((1, 1, 2, 4, 16))
        match random.randrange(6):
            case 0 if at < len(changed):
                changed[at] ^= 1 << random.randrange(8)
            case 1 if at < len(changed):
                changed[at] = random.randrange(256)
            case 2:
                changed[at:at] = random.randbytes(size)
            case 3:
                del changed[at : at + size]
            case 4:
                changed[at:at] = changed[at : at + size]
            case _:
                changed[at : at + size] = random.choice(_INTERESTING)
    return bytes(changed)


def mutate(octets: bytes, random: Random, *, size: int) -> bytes:
    """Change *octets* in one of the two ways; the result has at most *size* bytes."""
    change = mutate_bytes if random.random() < 0.3 else mutate_elements
    return change(octets, random)[:size]
