"""pyscep.ber: what is not DER becomes DER, or is refused, within the limits."""

from __future__ import annotations

import pytest

from pyscep import ber, der
from pyscep.errors import DecodeError, LimitExceeded
from pyscep.limits import Limits
from tests.helpers import tlv


def constructed(tag: int, *pieces: bytes) -> bytes:
    return tlv.tlv(tag | 0x20, *pieces)


@pytest.mark.conforms("M-05", "E-22")
@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        # indefinite lengths, nested and empty
        (tlv.indefinite(0x30), tlv.seq()),
        (tlv.indefinite(0x30, tlv.integer(1)), tlv.seq(tlv.integer(1))),
        (
            tlv.indefinite(0x30, tlv.indefinite(0x31, tlv.integer(2)), tlv.integer(1)),
            tlv.seq(tlv.unsorted_set(tlv.integer(2)), tlv.integer(1)),
        ),
        # an end mark within a definite length is no end mark, two zero bytes are contents
        (tlv.indefinite(0x30, tlv.octets(b"\x00\x00")), tlv.seq(tlv.octets(b"\x00\x00"))),
        # definite within indefinite and the other way
        (tlv.seq(tlv.indefinite(0x30, tlv.null())), tlv.seq(tlv.seq(tlv.null()))),
        # lengths in more bytes than needed
        (tlv.long_form(0x04, b"ab", octets=1), tlv.octets(b"ab")),
        (tlv.long_form(0x04, b"ab", octets=4), tlv.octets(b"ab")),
        (tlv.long_form(0x04, b"ab", octets=9), tlv.octets(b"ab")),
        (tlv.long_form(0x30, tlv.null(), octets=3), tlv.seq(tlv.null())),
        (tlv.long_form(0x04, bytes(200), octets=3), tlv.octets(bytes(200))),
        # strings in pieces
        (constructed(0x04), tlv.octets(b"")),
        (constructed(0x04, tlv.octets(b"a"), tlv.octets(b"bc")), tlv.octets(b"abc")),
        (tlv.indefinite(0x24, tlv.octets(b"a"), tlv.octets(b"bc")), tlv.octets(b"abc")),
        (
            constructed(0x04, constructed(0x04, tlv.octets(b"a")), tlv.octets(b"b")),
            tlv.octets(b"ab"),
        ),
        (constructed(0x03), b"\x03\x01\x00"),
        (constructed(0x03, tlv.bits(b"a"), tlv.bits(b"\xf0", unused=4)), b"\x03\x03\x04a\xf0"),
        (constructed(0x0C, tlv.utf8("a"), tlv.utf8("b")), tlv.utf8("ab")),
        # X.690 section 8.23: the pieces of a character string are OCTET STRINGs
        (bytes.fromhex("3a0904034a6f6e04026573"), bytes.fromhex("1a054a6f6e6573")),
        (bytes.fromhex("3a8004034a6f6e040265730000"), bytes.fromhex("1a054a6f6e6573")),
        # the pieces of a context tag stay, as only its place tells that it is a string
        (
            tlv.indefinite(0xA0, tlv.octets(b"a"), tlv.octets(b"b")),
            tlv.explicit(0, tlv.octets(b"a"), tlv.octets(b"b")),
        ),
        # a SET is not sorted
        (
            tlv.indefinite(0x31, tlv.integer(2), tlv.integer(1)),
            tlv.unsorted_set(tlv.integer(2), tlv.integer(1)),
        ),
    ],
)
def test_ber_becomes_der(encoded: bytes, expected: bytes) -> None:
    assert ber.from_ber(encoded) == expected
    assert ber.from_ber(expected) == expected


BER_ERRORS = [
    ("", "ends within an element", 0),
    ("30", "ends within an element", 0),
    ("3080", "ends within an element", 2),
    ("3080050000", "ends within an element", 4),
    # The end of what has no length lies outside of what contains it.
    ("3004308005000000", "ends within an element", 6),
    ("3003308000" + "00", "ends within an element", 4),
    ("0480", "primitive element has an indefinite length", 0),
    ("0402ff", "longer than what contains it", 0),
    ("0485ff", "longer than what contains it", 0),
    ("30050484000000", "longer than what contains it", 2),
    ("3004300505000000", "longer than what contains it", 2),
    ("1f2000", "above 30", 0),
    ("050000", "1 bytes follow", 2),
    ("30800000ff", "1 bytes follow", 4),
    ("24030c0161", "piece of another type", 2),
    ("2403030200", "longer than what contains it", 2),
    ("2c030401ff02", "1 bytes follow", 5),
    ("230404020061", "piece of another type", 2),
    ("23020300", "BIT STRING in pieces is malformed", 2),
    ("2308030204f003020061", "BIT STRING in pieces is malformed", 2),
]


@pytest.mark.conforms("M-42", "S-19")
@pytest.mark.parametrize(("octets", "text", "offset"), BER_ERRORS)
def test_ber_errors(octets: str, text: str, offset: int) -> None:
    with pytest.raises(DecodeError, match=text) as caught:
        ber.from_ber(bytes.fromhex(octets))
    assert caught.value.offset == offset
    assert f"(at byte {offset})" in str(caught.value)


@pytest.mark.conforms("S-19")
def test_depth_is_limited() -> None:
    def nested(levels: int) -> bytes:
        element = tlv.null()
        for _ in range(levels - 1):
            element = tlv.indefinite(0x30, element)
        return element

    limits = Limits(depth=5)
    assert ber.from_ber(nested(5), limits=limits)
    with pytest.raises(LimitExceeded, match=r"Limits\.depth") as caught:
        ber.from_ber(nested(6), limits=limits)
    assert (caught.value.limit, caught.value.value) == ("depth", 6)
    # No recursion of Python's own, however deep.
    with pytest.raises(LimitExceeded):
        ber.from_ber(b"\x30\x80" * 500_000)


@pytest.mark.conforms("S-19")
def test_the_number_of_elements_is_limited() -> None:
    limits = Limits(elements=5)
    assert ber.from_ber(tlv.seq(*[tlv.null()] * 4), limits=limits)
    with pytest.raises(LimitExceeded, match=r"Limits\.elements") as caught:
        ber.from_ber(tlv.seq(*[tlv.null()] * 5), limits=limits)
    assert (caught.value.limit, caught.value.value) == ("elements", 6)


@pytest.mark.conforms("S-19", "T-29")
def test_the_size_is_limited_before_anything_is_read() -> None:
    with pytest.raises(LimitExceeded, match="4 bytes") as caught:
        ber.read_ber_or_der(b"junk", der.Reader.read_raw, limits=Limits(message_size=3))
    assert (caught.value.limit, caught.value.value) == ("message_size", 4)


@pytest.mark.conforms("M-05", "M-42")
def test_what_is_neither_ber_nor_der() -> None:
    def read(reader: der.Reader) -> int:
        return reader.enter().read_integer()

    assert ber.read_ber_or_der(tlv.indefinite(0x30, tlv.integer(1)), read) == 1
    # Wrong in the same way whether it comes in DER or in BER.
    for wrong in (tlv.seq(tlv.null()), tlv.indefinite(0x30, tlv.null())):
        with pytest.raises(DecodeError, match="where an INTEGER"):
            ber.read_ber_or_der(wrong, read)
    with pytest.raises(DecodeError, match="1 bytes follow"):
        ber.read_ber_or_der(tlv.indefinite(0x30, tlv.integer(1)) + b"\x00", read)


@pytest.mark.conforms("M-05")
@pytest.mark.parametrize("octets", [1, 4, 8])
def test_a_length_in_any_form_is_transcoded(octets: int) -> None:
    encoded = tlv.long_form(0x30, tlv.long_form(0x02, b"\x07", octets=octets), octets=octets)
    assert ber.read_ber_or_der(encoded, lambda reader: reader.enter().read_integer()) == 7
