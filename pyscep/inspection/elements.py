"""ASN.1 read by somebody who wants to see it all: BER, cut off, with bytes too many.

Where :class:`pyscep.der.Reader` refuses, an :class:`Element` goes on with what is there. It is for
looking only: nothing that is believed or used is read here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pyscep import ber, der
from pyscep.errors import ScepError
from pyscep.limits import DEFAULT_LIMITS, Limits

_END = b"\x00\x00"
_LONGEST_INTEGER = 32
"""Bytes of a number that is shown; Python itself refuses to write very large ones."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element as it was found.

    Source: X.690 section 8.1; S-19.
    """

    tag: int
    """The identifier octet."""
    octets: bytes = field(repr=False)
    """All of it, as it stands; what is missing at the end is missing here."""
    contents: bytes = field(repr=False)
    """What is between header and end."""
    is_complete: bool
    """Whether it ends where its length says."""
    _limits: Limits = field(repr=False)

    def children(self) -> tuple[Element, ...]:
        """Return the elements inside, as far as they can be read; none in a primitive one."""
        if not self.tag & der.CONSTRUCTED:
            return ()
        found: list[Element] = []
        position = 0
        while position < len(self.contents) and len(found) < self._limits.elements:
            child, position = read_element(self.contents, position, limits=self._limits)
            if child is None:
                break
            found.append(child)
        return tuple(found)

    def at(self, *path: int) -> Element | None:
        """Follow *path* of positions; ``None`` where it leads nowhere."""
        here: Element | None = self
        for position in path:
            children = () if here is None else here.children()
            here = children[position] if -len(children) <= position < len(children) else None
        return here

    def find(self, tag: int) -> Element | None:
        """Return the first element inside that has *tag*."""
        return next((child for child in self.children() if child.tag == tag), None)

    def string(self) -> bytes:
        """Return the contents of a string, in one piece if it came in pieces."""
        return self._joined(self._limits.depth)

    def _joined(self, depth: int) -> bytes:
        if not self.tag & der.CONSTRUCTED or depth == 0:
            return self.contents
        return b"".join(child._joined(depth - 1) for child in self.children())  # noqa: SLF001  # ours

    def oid(self) -> str | None:
        """Return an OBJECT IDENTIFIER in dotted form."""
        try:
            return der.read_der(self.octets, der.Reader.read_oid)
        except ScepError:
            return None

    def integer(self) -> int | None:
        """Return an INTEGER in whatever form; ``None`` for one that is none, or far too large."""
        if self.tag != der.INTEGER or not 0 < len(self.contents) <= _LONGEST_INTEGER:
            return None
        return int.from_bytes(self.contents, "big", signed=True)

    def text(self) -> str:
        """Return a string as text, with escapes for what is none."""
        try:
            return der.read_der(self.der(), der.Reader.read_text)
        except ScepError:
            return self.string().decode("ascii", "backslashreplace")

    def der(self) -> bytes:
        """Return it in DER where it is whole; else with lengths that fit what is there."""
        try:
            return ber.from_ber(self.octets, limits=self._limits)
        except ScepError:
            return self.octets if self.is_complete else self._mended(self._limits.depth)

    def _mended(self, depth: int) -> bytes:
        if not self.tag & der.CONSTRUCTED or depth == 0:
            return der.encode(self.tag, self.contents)
        pieces = (
            child.octets if child.is_complete else child._mended(depth - 1)  # noqa: SLF001  # ours
            for child in self.children()
        )
        return der.encode(self.tag, b"".join(pieces))


def read_element(
    octets: bytes, position: int = 0, *, limits: Limits = DEFAULT_LIMITS
) -> tuple[Element | None, int]:
    """Return the element at *position* and where it ends; ``None`` where there is none.

    Source: X.690 section 8.1; S-19.
    """
    header = _read_header(octets, position)
    if header is None:
        return None, position
    tag, start, size = header
    if size is None:
        stop = _find_end(octets, start, limits)
        end = len(octets) if stop is None else stop
        contents = octets[start:] if stop is None else octets[start : stop - len(_END)]
        return Element(tag, octets[position:end], contents, stop is not None, limits), end
    end = min(start + size, len(octets))
    whole = start + size <= len(octets)
    return Element(tag, octets[position:end], octets[start:end], whole, limits), end


def _read_header(octets: bytes, position: int) -> tuple[int, int, int | None] | None:
    """Return tag, start of the contents, and their size if it is not indefinite."""
    if position + 2 > len(octets) or octets[position] & 0x1F == 0x1F:
        return None
    tag, size = octets[position], octets[position + 1]
    start = position + 2
    if size == 0x80:
        return (tag, start, None) if tag & der.CONSTRUCTED else None
    if size > 0x80:
        count = size & 0x7F
        if count > 8 or start + count > len(octets):
            return None
        size = int.from_bytes(octets[start : start + count], "big")
        start += count
    return tag, start, size


def _find_end(octets: bytes, start: int, limits: Limits) -> int | None:
    """Return where an element of indefinite length ends, its end mark included."""
    depth, position = 1, start
    for _ in range(limits.elements):
        if octets[position : position + 2] == _END:
            position += 2
            depth -= 1
            if depth == 0:
                return position
            continue
        header = _read_header(octets, position)
        if header is None:
            return None
        _, inner, size = header
        position = inner + (size or 0)
        depth += size is None
        if depth > limits.depth or position > len(octets):
            return None
    return None


def is_der(octets: bytes, *, limits: Limits = DEFAULT_LIMITS) -> bool:
    """Whether lengths and strings are as DER has them; what cannot be read to its end counts as so.

    Source: X.690 section 10.1; M-05.
    """
    try:
        return ber.from_ber(octets, limits=limits) == octets
    except ScepError:
        return True
