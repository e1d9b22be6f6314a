"""Trap 22: how a challengePassword is encoded.

Windows can write PrintableString only, others use four more types, Intune's is longer than the 255
characters of PKCS #9, and it need not be the first attribute.
"""

from __future__ import annotations

import pytest

from pyscep.errors import ScepError
from pyscep.pkcs10 import build_csr, parse_csr
from tests.helpers import keys
from tests.helpers.tlv import attribute, csr, name, printable, tlv, utf8

CHALLENGE = "1.2.840.113549.1.9.7"
UNSTRUCTURED_NAME = "1.2.840.113549.1.9.2"


def request(*attributes: bytes) -> bytes:
    return csr(keys.rsa(1), subject=name("a"), attributes=attributes)


@pytest.mark.conforms("H-07", "R-10")
@pytest.mark.parametrize(
    "value",
    [
        printable("right"),
        utf8("right"),
        tlv(0x14, b"right"),
        tlv(0x16, b"right"),
        tlv(0x1E, "right".encode("utf-16-be")),
    ],
    ids=["Printable", "UTF8", "Teletex", "IA5", "BMP"],
)
def test_five_types_are_one_text(value: bytes) -> None:
    other = attribute(UNSTRUCTURED_NAME, printable("name"))
    for attributes in ((attribute(CHALLENGE, value), other), (other, attribute(CHALLENGE, value))):
        assert parse_csr(request(*attributes)).challenge_password == "right"


@pytest.mark.conforms("H-06", "H-09")
def test_a_long_one_goes_there_and_back() -> None:
    challenge = "Ab3_" * 1024
    built = build_csr(subject="CN=a", key=keys.rsa(1), challenge_password=challenge)
    assert parse_csr(built.der).challenge_password == challenge


@pytest.mark.conforms("H-14")
@pytest.mark.parametrize(
    "attributes",
    [
        (attribute(CHALLENGE, printable("a")), attribute(CHALLENGE, printable("b"))),
        (attribute(CHALLENGE, printable("a"), printable("b")),),
        (attribute(CHALLENGE, printable("")),),
    ],
    ids=["twice", "two values", "empty"],
)
def test_an_ambiguous_one_is_refused(attributes: tuple[bytes, ...]) -> None:
    with pytest.raises(ScepError, match="challengePassword"):
        parse_csr(request(*attributes))
