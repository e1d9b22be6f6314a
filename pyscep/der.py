"""ASN.1 as bytes: write DER from finished pieces, read DER with a strict, bounded cursor.

Writing: every function returns a finished element, so structures are put together inside out and
what came from elsewhere (a name, a public key, a certificate) is copied as it came.

Reading: a :class:`Reader` walks over the elements of one structure. Each read either returns or
raises :class:`~pyscep.errors.DecodeError` with the offset, so code reads like the ASN.1
definition above it. Only DER is read; :mod:`pyscep.ber` makes it of what real peers send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from functools import cache, lru_cache
from typing import NoReturn, TypeVar

from pyscep.errors import DecodeError, UsageError

T = TypeVar("T")

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
NULL = 0x05
OID = 0x06
ENUMERATED = 0x0A
UTF8_STRING = 0x0C
NUMERIC_STRING = 0x12
PRINTABLE_STRING = 0x13
TELETEX_STRING = 0x14
IA5_STRING = 0x16
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
VISIBLE_STRING = 0x1A
UNIVERSAL_STRING = 0x1C
BMP_STRING = 0x1E
SEQUENCE = 0x30
SET = 0x31

_OIDS_KEPT = 256
_OID_SIZE = 64

CONSTRUCTED = 0x20
CONTEXT = 0x80

STRING_TAGS = frozenset(
    (
        BIT_STRING,
        OCTET_STRING,
        UTF8_STRING,
        NUMERIC_STRING,
        PRINTABLE_STRING,
        TELETEX_STRING,
        IA5_STRING,
        VISIBLE_STRING,
        UNIVERSAL_STRING,
        BMP_STRING,
    )
)
"""The types that BER may have in pieces."""

_PRINTABLE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?")
_TEXT_CODECS = {
    UTF8_STRING: "utf-8",
    NUMERIC_STRING: "ascii",
    PRINTABLE_STRING: "ascii",
    # T.61 is never meant; everybody writes Latin-1 into it.
    TELETEX_STRING: "latin-1",
    IA5_STRING: "ascii",
    VISIBLE_STRING: "ascii",
    UNIVERSAL_STRING: "utf-32-be",
    BMP_STRING: "utf-16-be",
}
TEXT_TAGS = frozenset(_TEXT_CODECS)
"""The string types that :meth:`Reader.read_text` reads."""


@cache
def context(number: int, *, constructed: bool = True) -> int:
    """Return the identifier octet of the context-specific tag *number*."""
    return CONTEXT | (CONSTRUCTED if constructed else 0) | number


# ---------------------------------------------------------------------------------------- writing


def encode(tag: int, contents: bytes) -> bytes:
    """Put *tag* and length in front of *contents*.

    Source: X.690 section 8.1.
    """
    size = len(contents)
    if size < 0x80:
        return bytes((tag, size)) + contents
    if size < 0x10000:
        # Nearly all that is longer, and much cheaper so than in general.
        high, low = size >> 8, size & 0xFF
        return bytes((tag, 0x82, high, low) if high else (tag, 0x81, low)) + contents
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + contents


def sequence(*pieces: bytes) -> bytes:
    """SEQUENCE of finished elements."""
    return encode(SEQUENCE, b"".join(pieces))


def set_of(pieces: Iterable[bytes]) -> bytes:
    """SET OF finished elements, in the order that DER asks for (M-10)."""
    return encode(SET, b"".join(sorted(pieces)))


def explicit(number: int, element: bytes) -> bytes:
    """Wrap a finished element in an explicit context tag."""
    return encode(CONTEXT | CONSTRUCTED | number, element)


def implicit(number: int, element: bytes) -> bytes:
    """Replace the tag of a finished element by an implicit context tag."""
    return bytes((CONTEXT | (element[0] & CONSTRUCTED) | number,)) + element[1:]


def boolean(value: bool) -> bytes:  # noqa: FBT001  # the value is the subject
    """BOOLEAN."""
    return b"\x01\x01\xff" if value else b"\x01\x01\x00"


def integer(value: int) -> bytes:
    """INTEGER of any size and sign."""
    size = (value.bit_length() if value >= 0 else (value + 1).bit_length()) // 8 + 1
    return encode(INTEGER, value.to_bytes(size, "big", signed=True))


def null() -> bytes:
    """NULL."""
    return b"\x05\x00"


def octet_string(contents: bytes) -> bytes:
    """OCTET STRING."""
    return encode(OCTET_STRING, contents)


def bit_string(contents: bytes, *, unused_bits: int = 0) -> bytes:
    """BIT STRING; *unused_bits* of the last byte do not count."""
    return encode(BIT_STRING, bytes((unused_bits,)) + contents)


def named_bits(bits: Iterable[int]) -> bytes:
    """BIT STRING of named bits, without trailing zero bits (X.690 section 11.2.2)."""
    present = sorted(set(bits))
    if not present:
        return bit_string(b"")
    size = present[-1] // 8 + 1
    octets = bytearray(size)
    for bit in present:
        octets[bit // 8] |= 0x80 >> (bit % 8)
    return bit_string(bytes(octets), unused_bits=7 - present[-1] % 8)


# OIDs cost more than everything else to write and to read, and the same few come all the time.
@lru_cache(maxsize=_OIDS_KEPT)
def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER from its dotted form.

    :raises UsageError: not a dotted OID.
    """
    try:
        first, second, *rest = (int(arc) for arc in dotted.split("."))
    except ValueError:
        first, second, rest = -1, 0, []
    # int() itself is generous: it takes signs, spaces, underscores and digits of other scripts.
    plain = dotted.isascii() and dotted.replace(".", "").isdecimal()
    if not plain or first not in (0, 1, 2) or second >= (40 if first < 2 else 2**32):
        raise UsageError(
            f"{dotted!r} is not an object identifier; write it as numbers with dots, such as "
            "1.3.6.1.5.5.7.24.",
            argument="oid",
        )
    return encode(OID, b"".join(_base128(arc) for arc in (first * 40 + second, *rest)))


def _base128(value: int) -> bytes:
    octets = [value & 0x7F]
    value >>= 7
    while value:
        octets.append(0x80 | (value & 0x7F))
        value >>= 7
    return bytes(reversed(octets))


def is_printable(text: str) -> bool:
    """Whether *text* fits the alphabet of PrintableString (M-16)."""
    return _PRINTABLE.issuperset(text)


def printable_string(text: str) -> bytes:
    """PrintableString.

    :raises UsageError: a character outside its alphabet (the text itself is not repeated, as it
        may be a secret).

    Source: M-16.
    """
    if is_printable(text):
        return _printable_string(text)
    raise UsageError(
        "The text has characters that PrintableString lacks; use letters, digits, space and "
        "'()+,-./:=? only.",
        argument="text",
    )


def _printable_string(text: str) -> bytes:
    return encode(PRINTABLE_STRING, text.encode("ascii"))


def utf8_string(text: str) -> bytes:
    """UTF8String.

    :raises UsageError: not encodable (a lone surrogate).
    """
    try:
        return encode(UTF8_STRING, text.encode("utf-8"))
    except UnicodeEncodeError:
        pass
    raise UsageError("The text has a lone surrogate, which UTF-8 lacks.", argument="text")


def ia5_string(text: str) -> bytes:
    """IA5String (ASCII).

    :raises UsageError: a character outside ASCII.
    """
    if not text.isascii():
        raise UsageError(
            f"{text!r} has characters outside ASCII; write domain names in their A-label form "
            "(xn--…).",
            argument="text",
        )
    return encode(IA5_STRING, text.encode("ascii"))


def directory_string(text: str) -> bytes:
    """Encode text as PrintableString where it fits, else UTF8String (H-06)."""
    return _printable_string(text) if text and is_printable(text) else utf8_string(text)


def time(moment: datetime) -> bytes:
    """Time: UTCTime from 1950 to 2049, GeneralizedTime otherwise.

    :param moment: with a time zone; fractions of a second are cut off.
    :raises UsageError: no time zone, or beyond the calendar in UTC.

    Source: RFC 5280 section 4.1.2.5.
    """
    if moment.tzinfo is None:
        raise UsageError(
            "A date without time zone is ambiguous; use datetime(…, tzinfo=timezone.utc).",
            argument="moment",
        )
    try:
        utc = moment.astimezone(timezone.utc)
    except OverflowError:
        raise UsageError(
            "The date is beyond the calendar in UTC; use one a day further from its end.",
            argument="moment",
        ) from None
    if 1950 <= utc.year < 2050:
        return encode(UTC_TIME, utc.strftime("%y%m%d%H%M%SZ").encode())
    return encode(GENERALIZED_TIME, f"{utc.year:04d}{utc.strftime('%m%d%H%M%SZ')}".encode())


# ---------------------------------------------------------------------------------------- reading


_INTEGER_SIZE = 64
"""Bytes of an INTEGER that is no number of a key; RFC 5280 has 20 for serial numbers."""


class NotDer(DecodeError):
    """Well-formed BER that is not DER; :func:`pyscep.ber.read_ber_or_der` transcodes it."""


class Reader:
    """A cursor over the elements of one DER structure.

    :param octets: the whole input; slices of it are handed out, nothing is copied before.
    :param start: first byte of the structure's contents.
    :param end: first byte after them.
    """

    __slots__ = ("_end", "_octets", "_position")

    def __init__(self, octets: bytes, start: int = 0, end: int | None = None) -> None:
        self._octets = octets
        self._position = start
        self._end = len(octets) if end is None else end

    def __repr__(self) -> str:
        return f"<Reader at {self._position} of {self._end}>"

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self._position >= self._end

    def peek(self) -> int | None:
        """Return the next element's identifier octet without moving; ``None`` at the end."""
        return self._octets[self._position] if self._position < self._end else None

    def fail(self, message: str) -> NoReturn:
        """Raise a :class:`~pyscep.errors.DecodeError` that names the offset."""
        raise DecodeError(f"{message} (at byte {self._position}).", offset=self._position)

    def _next(self, tag: int | None, what: str) -> tuple[int, int]:
        """Move behind the next element, and return start and end of its contents.

        :param tag: which one it must have; ``None`` for any.
        :param what: names in the error what is required.
        """
        octets, position, end = self._octets, self._position, self._end
        start = position + 2
        if start > end:
            self.fail("The structure ends where another element is required")
        found, size = octets[position], octets[position + 1]
        if size >= 0x80:
            count = size & 0x7F
            if count == 0:
                raise NotDer("An indefinite length is not DER.", offset=position)
            if start + count > end:
                self.fail("The length of an element is out of bounds")
            size = int.from_bytes(octets[start : start + count], "big")
            if size < 0x80 or not octets[start]:
                raise NotDer("A length is not in its shortest form.", offset=position)
            start += count
        if found & 0x1F == 0x1F:
            self.fail("Tag numbers above 30 do not occur here")
        stop = start + size
        if stop > end:
            self.fail("An element is longer than what contains it")
        if found != tag and tag is not None:
            self._refuse_tag(found, tag, what)
        self._position = stop
        return start, stop

    def _refuse_tag(self, found: int, tag: int, what: str) -> NoReturn:
        if found == tag | CONSTRUCTED and tag in STRING_TAGS:
            raise NotDer("A string in pieces is not DER.", offset=self._position)
        self.fail(f"Tag 0x{found:02x} stands where {what} (0x{tag:02x}) is required")

    def read_raw(self) -> bytes:
        """Return the next element as it stands, whatever it is."""
        position = self._position
        _, end = self._next(None, "an element")
        return self._octets[position:end]

    def read_raw_of(self, tag: int, what: str = "another element") -> bytes:
        """Return the next element as it stands; it must have *tag*."""
        position = self._position
        _, end = self._next(tag, what)
        return self._octets[position:end]

    def read_span(self, tag: int, what: str = "another element") -> tuple[int, int]:
        """Return where the contents of the next element begin and end; it must have *tag*."""
        return self._next(tag, what)

    def read_contents(self, tag: int, what: str = "another element") -> bytes:
        """Return the contents of the next element; it must have *tag*."""
        start, end = self._next(tag, what)
        return self._octets[start:end]

    def read_all(self) -> list[bytes]:
        """Return all elements that are left, each as it stands."""
        octets = self._octets
        elements = []
        while self._position < self._end:
            position = self._position
            _, end = self._next(None, "an element")
            elements.append(octets[position:end])
        return elements

    def enter(self, tag: int = SEQUENCE, what: str = "a SEQUENCE") -> Reader:
        """Return a cursor over the contents of the next element; it must have *tag*."""
        start, end = self._next(tag, what)
        return Reader(self._octets, start, end)

    def enter_optional(self, tag: int) -> Reader | None:
        """As :meth:`enter`, or ``None`` where the next element has another tag."""
        if self._position < self._end and self._octets[self._position] == tag:
            return self.enter(tag)
        return None

    def finish(self) -> None:
        """Refuse anything that is left (M-42)."""
        if self._position != self._end:
            self.fail(f"{self._end - self._position} bytes follow where nothing may follow")

    def read_integer(self, *, size: int = _INTEGER_SIZE) -> int:
        """Read an INTEGER.

        :param size: the largest that is accepted, in bytes. Python refuses to write very large
            integers in decimal, so nothing but the numbers of keys should be let through.
        """
        start, end = self._next(INTEGER, "an INTEGER")
        if end - start > size:
            self.fail(f"An INTEGER of {end - start} bytes does not occur here")
        contents = self._octets[start:end]
        if not contents or (
            end - start > 1
            and (
                (contents[0] == 0 and contents[1] < 0x80)
                or (contents[0] == 0xFF and contents[1] >= 0x80)
            )
        ):
            self.fail("An INTEGER is not in its shortest form")
        return int.from_bytes(contents, "big", signed=True)

    def read_boolean(self) -> bool:
        """Read a BOOLEAN; any non-zero byte is true, as in BER (deployed certificates vary)."""
        contents = self.read_contents(BOOLEAN, "a BOOLEAN")
        if len(contents) != 1:
            self.fail("A BOOLEAN has not one byte")
        return contents != b"\x00"

    def read_oid(self) -> str:
        """Read an OBJECT IDENTIFIER in dotted form."""
        start, end = self._next(OID, "an OBJECT IDENTIFIER")
        # What is longer is not even remembered to be none, as messages may be full of it.
        dotted = _decode_oid(self._octets[start:end]) if end - start <= _OID_SIZE else None
        if dotted is None:
            self.fail("An OBJECT IDENTIFIER is malformed")
        return dotted

    def read_octet_string(self) -> bytes:
        """Read an OCTET STRING."""
        start, end = self._next(OCTET_STRING, "an OCTET STRING")
        return self._octets[start:end]

    def read_implicit_octet_string(self, number: int) -> bytes:
        """Read ``[number] IMPLICIT OCTET STRING``.

        Real servers send it constructed, with a definite length, inside otherwise perfect DER;
        nothing but the place where it stands tells that it is a string, so it is resolved here.

        Source: E-22.
        """
        if self.peek() != context(number):
            return self.read_contents(context(number, constructed=False), "an OCTET STRING")
        pieces = self.enter(context(number))
        collected = []
        while not pieces.at_end:
            collected.append(pieces.read_octet_string())
        return b"".join(collected)

    def read_bit_string(self) -> bytes:
        """Read a BIT STRING of whole bytes."""
        contents = self.read_contents(BIT_STRING, "a BIT STRING")
        if not contents or contents[0] != 0:
            self.fail("A BIT STRING has not whole bytes")
        return contents[1:]

    def read_named_bits(self) -> frozenset[int]:
        """Read a BIT STRING as the set of its bits that are one."""
        contents = self.read_contents(BIT_STRING, "a BIT STRING")
        size = len(contents) * 8 - 8 - contents[0] if contents else -1
        if size < 0 or contents[0] > 7 or len(contents) > 9:
            self.fail("A BIT STRING of named bits is malformed")
        return frozenset(bit for bit in range(size) if contents[1 + bit // 8] & (0x80 >> (bit % 8)))

    def read_text(self) -> str:
        """Read any of the ASN.1 string types as text (M-17, H-07)."""
        tag = self.peek()
        codec = _TEXT_CODECS.get(tag if tag is not None else -1)
        if tag is not None and codec is None and tag & ~CONSTRUCTED in _TEXT_CODECS:
            raise NotDer("A string in pieces is not DER.", offset=self._position)
        if tag is None or codec is None:
            self.fail("A text string is required here")
        contents = self.read_contents(tag, "a text string")
        try:
            return contents.decode(codec)
        except UnicodeDecodeError:
            pass
        self.fail(f"A text string of tag 0x{tag:02x} has bytes outside its alphabet")

    def read_time(self) -> datetime:
        """Read a UTCTime or GeneralizedTime in the form that RFC 5280 demands.

        Source: RFC 5280 section 4.1.2.5.
        """
        tag = self.peek()
        if tag not in (UTC_TIME, GENERALIZED_TIME):
            self.fail("A time is required here")
        text = self.read_contents(tag, "a time").decode("latin-1")
        if tag == UTC_TIME:
            if len(text) == 11:  # without seconds, as some old CAs write it
                text = f"{text[:10]}00{text[10]}"
            text = ("19" if text[:2] >= "50" else "20") + text
        if len(text) == 15 and text[:14].isdecimal() and text.isascii() and text[14] == "Z":
            try:
                return datetime(
                    int(text[0:4]),
                    int(text[4:6]),
                    int(text[6:8]),
                    int(text[8:10]),
                    int(text[10:12]),
                    int(text[12:14]),
                    tzinfo=timezone.utc,
                )
            except ValueError:
                pass
        self.fail("A time is not of the form YYMMDDhhmmssZ")


@lru_cache(maxsize=_OIDS_KEPT)
def _decode_oid(contents: bytes) -> str | None:
    if not contents or contents[-1] & 0x80:
        return None
    arcs: list[int] = []
    value = 0
    fresh = True
    for octet in contents:
        if fresh and octet == 0x80:
            return None
        value = value << 7 | (octet & 0x7F)
        fresh = not octet & 0x80
        if fresh:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def read_der(octets: bytes, parse: Callable[[Reader], T]) -> T:
    """Read exactly one structure with *parse*; anything after it is refused.

    :raises DecodeError: not DER, not the structure, or bytes after it.

    Source: M-42.
    """
    reader = Reader(octets)
    result = parse(reader)
    reader.finish()
    return result
