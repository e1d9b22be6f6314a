"""Elements that are read as far as they go, where a strict reader stops."""

from __future__ import annotations

import pytest

from pyscep.inspection.elements import Element, is_der, read_element
from tests.helpers.tlv import indefinite, integer, octets, oid, seq, tlv


def read(encoded: bytes) -> Element:
    element, _ = read_element(encoded)
    assert element is not None
    return element


@pytest.mark.parametrize("not_an_oid", [tlv(6), tlv(6, b"\x80\x01"), integer(1), oid("1.2.3")[:-1]])
def test_an_oid_that_is_none(not_an_oid: bytes) -> None:
    assert read(not_an_oid).oid() is None


@pytest.mark.parametrize(
    ("encoded", "mended"),
    [
        (octets(b"abc")[:-1], octets(b"ab")),
        (seq(integer(1), octets(b"abc"))[:-1], seq(integer(1), octets(b"ab"))),
        (seq(seq(octets(b"abc")), integer(1))[:6], seq(seq(octets(b"")))),
        (indefinite(0x30, integer(1))[:-2], seq(integer(1))),
        # Whole, and wrong inside: there is nothing to mend.
        (seq(b"\x02\x05\x01"), seq(b"\x02\x05\x01")),
    ],
)
def test_what_is_cut_off_gets_lengths_that_fit(encoded: bytes, mended: bytes) -> None:
    assert read(encoded).der() == mended


@pytest.mark.parametrize(
    "encoded",
    [b"\x30\x80\x02", b"\x30\x80\x1f\x01\x00\x00\x00", b"\x30\x80\x02\x05\x01"],
    ids=["no length", "a tag of two bytes", "too long"],
)
def test_an_indefinite_length_without_an_end(encoded: bytes) -> None:
    element = read(encoded)
    assert (element.is_complete, element.octets) == (False, encoded)
    # Whether the rest would have been DER cannot be known.
    assert is_der(encoded)
