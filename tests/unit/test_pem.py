"""PEM with headers, words around it and ends that are missing."""

from __future__ import annotations

import base64

import pytest

from pyscep.errors import DecodeError
from pyscep.pem import read_blocks, read_private_key, write_pem

CONTENTS = bytes(range(100))
BODY = base64.encodebytes(CONTENTS)
HEADERS = b"Proc-Type: 4,ENCRYPTED\nDEK-Info: des-ede3-cbc, 0011223344556677\n"


def block(body: bytes, *, label: bytes = b"RSA PRIVATE KEY") -> bytes:
    return b"-----BEGIN %s-----\n%s-----END %s-----\n" % (label, body, label)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("between", [b"\n", b" \n", b""], ids=["empty", "blank", "none"])
def test_headers_are_no_contents(between: bytes, ending: bytes) -> None:
    text = block(HEADERS + between + BODY).replace(b"\n", ending)
    (found,) = read_blocks(b"words\n" + text + b"more words")
    assert (found.label, found.cipher, found.contents) == (
        "RSA PRIVATE KEY",
        "DES-EDE3-CBC",
        CONTENTS,
    )
    assert found.text == text.strip()


def test_headers_without_contents() -> None:
    (found,) = read_blocks(block(HEADERS))
    assert (found.cipher, found.contents) == ("DES-EDE3-CBC", b"")


def test_other_headers_encrypt_nothing() -> None:
    (found,) = read_blocks(block(b"Comment: mine\n\n" + BODY))
    assert (found.cipher, found.contents) == (None, CONTENTS)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (block(BODY)[:-6], "has no end"),
        (block(BODY, label=b""), "has no end"),
        (block(BODY, label=b"K\xc4Y"), "has no end"),
        (b"-----BEGIN ", "has no end"),
        (b"-----BEGIN A-----\n-----END B-----\n", "has no end"),
        (block(b"!" + BODY), "is not base64"),
        (block(HEADERS + b"\n" + BODY[:-3] + b"\n"), "is not base64"),
    ],
)
def test_what_is_cut_off(text: bytes, problem: str) -> None:
    with pytest.raises(DecodeError, match=problem):
        tuple(read_blocks(b"\n" + text))


def test_a_private_key_is_found_behind_other_things() -> None:
    key = write_pem("EC PRIVATE KEY", CONTENTS)
    found = read_private_key(write_pem("EC PARAMETERS", b"x") + key)
    assert found is not None
    assert found.text + b"\n" == key
    first = read_private_key(write_pem("CERTIFICATE", b"1") + write_pem("X509 CRL", b"2"))
    assert first is not None
    assert first.contents == b"1"
    assert read_private_key(CONTENTS) is None
