"""pyscep.der against encodings made by hand, and against everything that is not DER."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from pyscep import der
from pyscep.errors import DecodeError, ScepError, UsageError
from tests.helpers import tlv

UTC = timezone.utc
Read = Callable[[der.Reader], object]


# ---------------------------------------------------------------------------------------- writing

MESSAGE_TYPE, PKI_STATUS, FAIL_INFO = (f"2.16.840.1.113733.1.9.{n}" for n in (2, 3, 4))
SENDER_NONCE = "2.16.840.1.113733.1.9.5"
FAIL_INFO_TEXT = "1.3.6.1.5.5.7.24.1"
CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7"


def attribute(dotted: str, value: bytes) -> bytes:
    return der.sequence(der.oid(dotted), der.set_of((value,)))


def common_name(text: str) -> bytes:
    pair = der.sequence(der.oid("2.5.4.3"), der.utf8_string(text))
    return der.sequence(der.set_of((pair,)))


@pytest.mark.conforms("M-14", "M-15", "H-06")
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            attribute(MESSAGE_TYPE, der.printable_string("19")),
            "3012060a6086480186f845010902310413023139",
        ),
        (
            attribute(MESSAGE_TYPE, der.printable_string("3")),
            "3011060a6086480186f8450109023103130133",
        ),
        (
            attribute(PKI_STATUS, der.printable_string("0")),
            "3011060a6086480186f8450109033103130130",
        ),
        (
            attribute(FAIL_INFO, der.printable_string("2")),
            "3011060a6086480186f8450109043103130132",
        ),
        (
            attribute(SENDER_NONCE, der.octet_string(bytes(16))),
            f"3020060a6086480186f845010905 3112 0410 {'00' * 16}",
        ),
        (
            attribute(FAIL_INFO_TEXT, der.utf8_string("no")),
            "301006082b0601050507180131040c026e6f",
        ),
        (
            attribute(CHALLENGE_PASSWORD, der.directory_string("ab")),
            "301106092a864886f70d010907310413026162",
        ),
        (
            der.sequence(common_name("A"), common_name("B")),
            "301c 300c310a300806035504030c0141 300c310a300806035504030c0142",
        ),
        (der.oid("2.16.840.1.113733.1.9.7"), "060a6086480186f845010907"),
        (der.oid("1.3.6.1.4.1.311.21.33"), "06092b0601040182371521"),
        (der.oid("1.2.840.113549.1.9.16.1.23"), "060b2a864886f70d0109100117"),
        (
            der.sequence(
                der.oid("1.2.840.113549.1.7.1"), der.explicit(0, der.octet_string(b"\x00"))
            ),
            "301006092a864886f70d010701a003040100",
        ),
    ],
)
def test_vectors(written: bytes, expected: str) -> None:
    assert written == bytes.fromhex(expected)


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, "0400"),
        (0x7F, "047f"),
        (0x80, "048180"),
        (0xFF, "0481ff"),
        (0x100, "04820100"),
        (0xFFFF, "0482ffff"),
        (0x10000, "0483010000"),
    ],
)
def test_lengths_are_shortest(size: int, header: str) -> None:
    written = der.octet_string(bytes(size))
    assert written == bytes.fromhex(header) + bytes(size)
    assert written == tlv.octets(bytes(size))
    assert der.Reader(written).read_octet_string() == bytes(size)


@pytest.mark.parametrize(
    "value", [0, 1, -1, 127, 128, -128, -129, 255, 256, 32767, 32768, -32768, 2**127, -(2**127)]
)
def test_integers(value: int) -> None:
    written = der.integer(value)
    assert written == tlv.integer(value)
    assert der.Reader(written).read_integer() == value


@pytest.mark.conforms("S-19")
def test_integers_are_limited_to_what_python_can_write() -> None:
    largest, larger = (1 << 511) - 1, 1 << 511
    assert der.Reader(tlv.integer(largest)).read_integer() == largest
    with pytest.raises(DecodeError, match="65 bytes"):
        der.Reader(tlv.integer(larger)).read_integer()
    assert der.Reader(tlv.integer(larger)).read_integer(size=65) == larger


@pytest.mark.parametrize(
    "dotted", ["0.0", "0.39", "1.39", "2.999", "2.0", "1.3.6.1.4.1.311.21.33", f"2.25.{2**128 - 1}"]
)
def test_object_identifiers(dotted: str) -> None:
    written = der.oid(dotted)
    assert written == tlv.oid(dotted)
    assert der.Reader(written).read_oid() == dotted


def test_object_identifiers_are_remembered_right() -> None:
    dotted = [f"1.2.{number}" for number in range(2 * der._OIDS_KEPT)]
    for one in (*dotted, *reversed(dotted)):
        assert der.oid(one) == tlv.oid(one)
        assert der.Reader(tlv.oid(one)).read_oid() == one
    for _ in range(2):
        with pytest.raises(DecodeError, match="malformed") as caught:
            der.Reader(b"\x05\x00\x06\x01\x80", start=2).read_oid()
        assert caught.value.offset == 5


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "a.b", "1.", ".1", "3.1", "1.40", "0.40", f"2.{2**32}", "1.2." + "9" * 5000),
        *("-1.2", "1.-2", "1.2.-3", "1.2.+3", "1.2_3", " 1.2", "1.2\n", "1.\u0661"),
    ],
)
def test_what_is_no_object_identifier(text: str) -> None:
    with pytest.raises(UsageError, match="not an object identifier") as caught:
        der.oid(text)
    assert caught.value.argument == "oid"


@pytest.mark.conforms("M-10")
def test_set_of_is_sorted_and_keeps_duplicates() -> None:
    pieces = [b"\x02\x01\x02", b"\x02\x01\x01", b"\x01\x01\xff", b"\x02\x01\x01"]
    written = der.set_of(pieces)
    assert written == tlv.unsorted_set(*sorted(pieces))
    assert der.set_of(()) == b"\x31\x00"


def test_tags() -> None:
    assert der.context(3) == 0xA3
    assert der.context(3, constructed=False) == 0x83
    assert der.explicit(1, der.null()) == bytes.fromhex("a1020500")
    assert der.implicit(2, der.octet_string(b"x")) == bytes.fromhex("820178")
    assert der.implicit(2, der.sequence()) == bytes.fromhex("a200")
    assert der.boolean(True) == bytes.fromhex("0101ff")
    assert der.boolean(False) == bytes.fromhex("010100")


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ([], "030100"),
        ([0], "03020780"),
        ([0, 2], "030205a0"),
        ([7], "03020001"),
        ([8], "0303070080"),
        ([5, 6, 5], "03020106"),
    ],
)
def test_named_bits(named: list[int], expected: str) -> None:
    written = der.named_bits(named)
    assert written == bytes.fromhex(expected)
    assert der.Reader(written).read_named_bits() == set(named)


@pytest.mark.conforms("M-16")
@pytest.mark.parametrize("text", ["a_b", "a@b", "a*b", "a&b", "a;b", "\u00e4", "a\n", "\0"])
def test_printable_string_keeps_to_its_alphabet(text: str) -> None:
    assert not der.is_printable(text)
    with pytest.raises(UsageError, match="PrintableString lacks") as caught:
        der.printable_string(text)
    assert caught.value.argument == "text"
    assert text not in str(caught.value)


@pytest.mark.conforms("M-16", "H-06")
def test_the_alphabet_of_printable_string() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?"
    assert der.printable_string(alphabet) == tlv.printable(alphabet)
    assert {chr(n) for n in range(256) if der.is_printable(chr(n))} == set(alphabet)


@pytest.mark.conforms("H-06")
@pytest.mark.parametrize(
    ("text", "tag"), [("Ab 1", 0x13), ("a_b", 0x0C), ("\u00e4", 0x0C), ("", 0x0C)]
)
def test_directory_string_is_printable_where_that_fits(text: str, tag: int) -> None:
    assert der.directory_string(text) == tlv.tlv(tag, text.encode())


def test_texts_that_have_no_encoding() -> None:
    with pytest.raises(UsageError, match="lone surrogate") as caught:
        der.utf8_string("\ud800")
    assert caught.value.argument == "text"
    assert caught.value.__context__ is None
    with pytest.raises(UsageError, match="A-label") as caught:
        der.ia5_string("b\u00fccher.example")
    assert caught.value.argument == "text"
    assert der.ia5_string("a@b") == tlv.tlv(0x16, b"a@b")


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(1950, 1, 1, tzinfo=UTC), tlv.utc_time("500101000000Z")),
        (datetime(2049, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), tlv.utc_time("491231235959Z")),
        (datetime(2050, 1, 1, tzinfo=UTC), tlv.generalized_time("20500101000000Z")),
        (datetime(1949, 12, 31, tzinfo=UTC), tlv.generalized_time("19491231000000Z")),
        (datetime(31, 1, 2, tzinfo=UTC), tlv.generalized_time("00310102000000Z")),
        (
            datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))),
            tlv.utc_time("231231230000Z"),
        ),
    ],
)
def test_times(moment: datetime, expected: bytes) -> None:
    assert der.time(moment) == expected
    assert der.Reader(expected).read_time() == moment.replace(microsecond=0)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(UsageError, match="time zone") as caught:
        der.time(datetime(2024, 1, 1))  # noqa: DTZ001  # the point
    assert caught.value.argument == "moment"


@pytest.mark.parametrize(
    "moment",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    ],
)
def test_a_time_beyond_the_calendar_is_refused(moment: datetime) -> None:
    with pytest.raises(UsageError, match="calendar") as caught:
        der.time(moment)
    assert caught.value.argument == "moment"


# ---------------------------------------------------------------------------------------- reading


def test_a_reader_walks_over_elements() -> None:
    reader = der.Reader(tlv.seq(tlv.integer(5), tlv.boolean(), tlv.octets(b"x"), tlv.null()))
    fields = reader.enter()
    assert reader.at_end
    assert reader.peek() is None
    assert repr(fields) == "<Reader at 2 of 13>"
    assert fields.peek() == der.INTEGER
    assert fields.read_integer() == 5
    assert fields.enter_optional(der.SEQUENCE) is None
    assert fields.read_boolean() is True
    assert fields.read_raw_of(der.OCTET_STRING) == tlv.octets(b"x")
    assert fields.read_raw() == tlv.null()
    fields.finish()
    reader.finish()


def test_optional_elements() -> None:
    reader = der.Reader(tlv.explicit(0, tlv.integer(1)))
    assert reader.enter_optional(der.context(1)) is None
    inner = reader.enter_optional(der.context(0))
    assert inner is not None
    assert inner.read_integer() == 1
    assert reader.enter_optional(der.context(0)) is None


def test_bit_strings_of_whole_bytes() -> None:
    assert der.bit_string(b"ab") == tlv.bits(b"ab")
    assert der.bit_string(b"\xf0", unused_bits=4) == tlv.bits(b"\xf0", unused=4)
    assert der.Reader(tlv.bits(b"ab")).read_bit_string() == b"ab"


def test_any_non_zero_byte_is_true() -> None:
    assert der.Reader(tlv.boolean(1)).read_boolean() is True
    assert der.Reader(tlv.boolean(0)).read_boolean() is False


@pytest.mark.conforms("M-17", "H-07")
@pytest.mark.parametrize(
    ("tag", "octets", "text"),
    [
        (der.UTF8_STRING, "\u00e4\U0001f511".encode(), "\u00e4\U0001f511"),
        (der.NUMERIC_STRING, b"17", "17"),
        (der.PRINTABLE_STRING, b"a_b", "a_b"),  # deployed software does not keep to the alphabet
        (der.TELETEX_STRING, b"\xe4", "\u00e4"),
        (der.IA5_STRING, b"a@b", "a@b"),
        (der.VISIBLE_STRING, b"x", "x"),
        (der.UNIVERSAL_STRING, "\u00e4".encode("utf-32-be"), "\u00e4"),
        (der.BMP_STRING, "\u00e4".encode("utf-16-be"), "\u00e4"),
    ],
)
def test_every_string_type_is_text(tag: int, octets: bytes, text: str) -> None:
    assert der.Reader(tlv.tlv(tag, octets)).read_text() == text
    assert tag in der.TEXT_TAGS


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (tlv.utc_time("491231235959Z"), datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (tlv.utc_time("500101000000Z"), datetime(1950, 1, 1, tzinfo=UTC)),
        (tlv.utc_time("2401020304Z"), datetime(2024, 1, 2, 3, 4, tzinfo=UTC)),
        (tlv.generalized_time("99991231235959Z"), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_times_of_the_field(time: bytes, expected: datetime) -> None:
    assert der.Reader(time).read_time() == expected


def read_first_attribute(reader: der.Reader) -> object:
    return reader.enter().read_oid()


READ_ERRORS: list[tuple[str, Read, str]] = [
    # the header
    ("", der.Reader.read_raw, "ends where another element is required"),
    ("30", der.Reader.read_raw, "ends where another element is required"),
    ("3080", der.Reader.read_raw, "indefinite length"),
    ("0480", der.Reader.read_raw, "indefinite length"),
    ("04820001ff", der.Reader.read_raw, "shortest form"),
    ("048101ff", der.Reader.read_raw, "shortest form"),
    ("0481", der.Reader.read_raw, "out of bounds"),
    ("0482ff", der.Reader.read_raw, "out of bounds"),
    ("0485010000000000", der.Reader.read_raw, "longer than what contains it"),
    ("0484ffffffff00", der.Reader.read_raw, "longer than what contains it"),
    ("04ff", der.Reader.read_raw, "out of bounds"),
    ("0402ff", der.Reader.read_raw, "longer than what contains it"),
    ("1f2000", der.Reader.read_raw, "Tag numbers above 30"),
    ("bf2000", der.Reader.read_raw, "Tag numbers above 30"),
    ("3003020500", lambda r: r.enter().read_integer(), "longer than what contains it"),
    # the tag
    ("0500", der.Reader.enter, "Tag 0x05 stands where a SEQUENCE"),
    ("0500", lambda r: r.read_raw_of(der.SEQUENCE, "the name"), "where the name"),
    ("0500", lambda r: r.read_raw_of(der.SEQUENCE), "where another element"),
    ("0500", lambda r: r.read_contents(der.SET), "where another element"),
    ("2405040378797a", der.Reader.read_octet_string, "string in pieces"),
    ("2305030300787a", der.Reader.read_bit_string, "string in pieces"),
    ("3400", lambda r: r.read_contents(0x14), "string in pieces"),
    # the end
    ("0500", der.Reader.finish, "2 bytes follow"),
    # numbers
    ("0200", der.Reader.read_integer, "shortest form"),
    ("02020001", der.Reader.read_integer, "shortest form"),
    ("0202ff80", der.Reader.read_integer, "shortest form"),
    ("0a0101", der.Reader.read_integer, "Tag 0x0a stands where an INTEGER"),
    ("0100", der.Reader.read_boolean, "not one byte"),
    ("01020000", der.Reader.read_boolean, "not one byte"),
    # object identifiers
    ("0600", der.Reader.read_oid, "malformed"),
    ("06022a80", der.Reader.read_oid, "malformed"),
    ("0603 2a8001", der.Reader.read_oid, "malformed"),
    ("0602 8001", der.Reader.read_oid, "malformed"),
    (f"0641 {'2a' * 65}", der.Reader.read_oid, "malformed"),
    # bit strings
    ("0300", der.Reader.read_bit_string, "not whole bytes"),
    ("030201fe", der.Reader.read_bit_string, "not whole bytes"),
    ("0300", der.Reader.read_named_bits, "named bits is malformed"),
    ("030208ff", der.Reader.read_named_bits, "named bits is malformed"),
    ("030101", der.Reader.read_named_bits, "named bits is malformed"),
    (f"030a 00 {'ff' * 9}", der.Reader.read_named_bits, "named bits is malformed"),
    # text
    ("", der.Reader.read_text, "text string is required"),
    ("0500", der.Reader.read_text, "text string is required"),
    ("3000", der.Reader.read_text, "text string is required"),
    ("2c030c0161", der.Reader.read_text, "string in pieces"),
    ("0c01ff", der.Reader.read_text, "outside its alphabet"),
    ("1301e4", der.Reader.read_text, "tag 0x13 has bytes outside its alphabet"),
    ("1e0161", der.Reader.read_text, "outside its alphabet"),
    ("1e02d800", der.Reader.read_text, "outside its alphabet"),
    ("1c0400110000", der.Reader.read_text, "outside its alphabet"),
    # times
    ("", der.Reader.read_time, "A time is required"),
    ("0500", der.Reader.read_time, "A time is required"),
]
BAD_TIMES = [
    tlv.utc_time("240101000000+0000"),
    tlv.utc_time("240101000000z"),
    tlv.utc_time("2401010000000Z"),
    tlv.utc_time("24010100000Z"),
    tlv.utc_time("2401010000X"),
    tlv.utc_time("24010100+0Z"),
    tlv.utc_time("241301000000Z"),
    tlv.utc_time("230229000000Z"),
    tlv.utc_time("240101240000Z"),
    tlv.utc_time("240101000060Z"),
    tlv.utc_time(""),
    tlv.tlv(0x17, b"24010100000\xb2Z"),  # a superscript two is a digit to some
    tlv.utc_time("240101 00000Z"),
    tlv.generalized_time("20240101000000.5Z"),
    tlv.generalized_time("2024010100Z"),
    tlv.generalized_time("00000101000000Z"),
    tlv.generalized_time("240101000000Z"),
]
READ_ERRORS += [(bad.hex(), der.Reader.read_time, "not of the form") for bad in BAD_TIMES]


@pytest.mark.parametrize(("octets", "read", "text"), READ_ERRORS)
def test_read_errors(octets: str, read: Read, text: str) -> None:
    # A byte in front, so that the offset is that of the element and not of the reader's start.
    reader = der.Reader(b"\x00" + bytes.fromhex(octets), 1)
    with pytest.raises(DecodeError, match=text) as caught:
        read(reader)
    assert caught.value.offset is not None
    assert 1 <= caught.value.offset <= 1 + len(bytes.fromhex(octets))
    assert caught.value.__context__ is None
    if "not DER" not in text and not isinstance(caught.value, der.NotDer):
        assert f"(at byte {caught.value.offset})" in str(caught.value)


def test_bits_behind_the_last_one_do_not_count() -> None:
    assert der.Reader(bytes.fromhex("030207ff")).read_named_bits() == {0}


@pytest.mark.conforms("M-42")
def test_trailing_bytes_are_refused() -> None:
    assert der.read_der(tlv.integer(7), der.Reader.read_integer) == 7
    with pytest.raises(DecodeError, match="1 bytes follow") as caught:
        der.read_der(tlv.integer(7) + b"\x00", der.Reader.read_integer)
    assert caught.value.offset == 3


@pytest.mark.conforms("E-22")
@pytest.mark.parametrize(
    "field",
    [
        tlv.implicit(0, b"abcdef"),
        tlv.explicit(0, tlv.octets(b"abc"), tlv.octets(b"def")),
        tlv.explicit(0, tlv.octets(b"abcdef")),
        tlv.explicit(0, tlv.octets(b""), tlv.octets(b"abcdef")),
    ],
)
def test_an_implicit_octet_string_may_be_in_pieces(field: bytes) -> None:
    assert der.read_der(field, lambda r: r.read_implicit_octet_string(0)) == b"abcdef"


@pytest.mark.parametrize("field", [tlv.explicit(0, tlv.null()), tlv.octets(b""), b""])
def test_an_implicit_octet_string_has_octet_strings_in_it(field: bytes) -> None:
    with pytest.raises(DecodeError):
        der.Reader(field).read_implicit_octet_string(0)


def test_every_error_is_an_error_of_ours() -> None:
    assert issubclass(der.NotDer, DecodeError)
    assert issubclass(DecodeError, ScepError)


@pytest.mark.conforms("S-19")
def test_no_long_identifier_is_kept() -> None:
    """A stranger's messages, full of one each, would stay in memory after they are refused."""
    size = 100_000
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(40):
            octets = tlv.tlv(der.OID, b"\x2a", bytes(size), bytes((number,)))
            with pytest.raises(DecodeError, match="OBJECT IDENTIFIER is malformed"):
                der.Reader(octets).read_oid()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 10 * size
    longest = tlv.tlv(der.OID, b"\x2a", bytes(63))
    assert der.Reader(longest).read_oid() == f"1.2{'.0' * 63}"
