"""BER, which real peers send: a whole message becomes DER once, before anything looks at it.

Nothing but :func:`read_ber_or_der` and :func:`from_ber` reads BER (M-05, E-22); everything else
reads DER, by :mod:`pyscep.der`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, TypeVar

from pyscep import der
from pyscep.errors import DecodeError, LimitExceeded
from pyscep.limits import DEFAULT_LIMITS, Limits

T = TypeVar("T")


def read_ber_or_der(
    octets: bytes, parse: Callable[[der.Reader], T], *, limits: Limits = DEFAULT_LIMITS
) -> T:
    """As :func:`pyscep.der.read_der`; BER is transcoded to DER once, and then read.

    :raises DecodeError: not BER, not the structure, or bytes after it.
    :raises LimitExceeded: too large, too deep or too many elements.

    Source: M-05, M-42, E-22, S-19.
    """
    limits.check_size(len(octets), what="The message")
    try:
        return der.read_der(octets, parse)
    except der.NotDer:
        pass
    return der.read_der(from_ber(octets, limits=limits), parse)


def from_ber(octets: bytes, *, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Transcode one BER element: definite, shortest lengths; strings in one piece.

    Order and contents of everything else stay as they are (a SET is not sorted), so what has been
    signed as DER is not changed.

    :raises DecodeError: not one BER element.
    :raises LimitExceeded: nested deeper than ``limits.depth``, or more than ``limits.elements``.

    Source: X.690 section 8; M-05, E-22, S-19.
    """
    transcoder = _Transcoder(octets, limits)
    element, position = transcoder.element(0, len(octets), depth=1)
    if position != len(octets):
        raise DecodeError(
            f"{len(octets) - position} bytes follow where nothing may follow (at byte {position}).",
            offset=position,
        )
    return element


_INDEFINITE = -1


class _Transcoder:
    """Walks over BER once, counting elements."""

    __slots__ = ("_count", "_limits", "_octets")

    def __init__(self, octets: bytes, limits: Limits) -> None:
        self._octets = octets
        self._limits = limits
        self._count = 0

    def element(self, position: int, end: int, *, depth: int) -> tuple[bytes, int]:
        """Return the DER of the element at *position*, and where the next one starts."""
        self._count += 1
        if depth > self._limits.depth or self._count > self._limits.elements:
            limit = "depth" if depth > self._limits.depth else "elements"
            raise LimitExceeded(
                f"The message has more nesting or elements than Limits.{limit} allows "
                f"({getattr(self._limits, limit)}).",
                limit=limit,
                value=depth if limit == "depth" else self._count,
            )
        tag, start, stop = self._header(position, end)
        if not tag & der.CONSTRUCTED:
            return der.encode(tag, self._octets[start:stop]), stop
        pieces, position = self._children(start, stop, end, depth)
        if tag & ~der.CONSTRUCTED in der.STRING_TAGS:
            return self._join(tag & ~der.CONSTRUCTED, pieces, start), position
        return der.encode(tag, b"".join(pieces)), position

    def _header(self, position: int, end: int) -> tuple[int, int, int]:
        """Return tag, start and end of the contents; the end is -1 for indefinite length."""
        octets = self._octets
        if position + 2 > end:
            self._fail("The message ends within an element", position)
        tag, size = octets[position], octets[position + 1]
        start = position + 2
        if tag & 0x1F == 0x1F:
            self._fail("Tag numbers above 30 do not occur here", position)
        if size == 0x80:
            if not tag & der.CONSTRUCTED:
                self._fail("A primitive element has an indefinite length", position)
            return tag, start, _INDEFINITE
        if size > 0x80:
            count = size & 0x7F
            size = int.from_bytes(octets[start : start + count], "big")
            start += count
        if start + size > end:
            self._fail("An element is longer than what contains it", position)
        return tag, start, start + size

    def _children(self, start: int, stop: int, end: int, depth: int) -> tuple[list[bytes], int]:
        octets = self._octets
        pieces: list[bytes] = []
        position = start
        while True:
            if stop == _INDEFINITE:
                if position + 2 <= end and octets[position : position + 2] == b"\x00\x00":
                    return pieces, position + 2
            elif position >= stop:
                return pieces, position
            piece, position = self.element(
                position, end if stop == _INDEFINITE else stop, depth=depth + 1
            )
            pieces.append(piece)

    def _join(self, tag: int, pieces: list[bytes], position: int) -> bytes:
        """Make one string of its pieces, each of which is a finished string.

        A BIT STRING consists of BIT STRINGs, everything else of OCTET STRINGs (X.690 section
        8.23); text whose pieces are text is read too.
        """
        allowed = (tag,) if tag == der.BIT_STRING else (tag, der.OCTET_STRING)
        contents = bytearray()
        unused = 0
        for index, piece in enumerate(pieces):
            if piece[0] not in allowed:
                self._fail("A string in pieces has a piece of another type", position)
            part = der.Reader(piece).read_contents(piece[0])
            if tag == der.BIT_STRING:
                if not part or (part[0] and index != len(pieces) - 1):
                    self._fail("A BIT STRING in pieces is malformed", position)
                unused, part = part[0], part[1:]
            contents += part
        return der.encode(
            tag, bytes((unused,)) + contents if tag == der.BIT_STRING else bytes(contents)
        )

    def _fail(self, message: str, position: int) -> NoReturn:
        raise DecodeError(f"{message} (at byte {position}).", offset=position)
