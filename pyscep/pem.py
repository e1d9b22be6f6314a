"""PEM: text around DER, as key and certificate files come in it.

Reading takes time in proportion to the size, however the lines are cut: a server may answer in PEM.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field

from pyscep.errors import DecodeError

_BEGIN = b"-----BEGIN "


@dataclass(frozen=True, slots=True, kw_only=True)
class PemBlock:
    """One block of a PEM file."""

    label: str
    """What stands behind ``BEGIN``."""
    cipher: str | None
    """The cipher of ``DEK-Info``: OpenSSL's own encryption of old, outside of PKCS #8."""
    text: bytes = field(repr=False)
    """The block as it stands."""
    contents: bytes = field(repr=False)
    """The decoded contents."""


def read_blocks(text: bytes) -> Iterator[PemBlock]:
    """Yield the blocks of a PEM file; there are none if the input is not PEM.

    Text around the blocks is skipped: tools write attributes or words for people there.

    :raises DecodeError: a block without end, or not base64.

    Source: RFC 7468 section 2; S-19.
    """
    position = text.find(_BEGIN)
    while position >= 0:
        block, position = _read_block(text, position)
        yield block
        position = text.find(_BEGIN, position)


def read_private_key(text: bytes) -> PemBlock | None:
    """Return the first private key of a PEM file, or its first block if there is none.

    Other blocks before the key, such as OpenSSL's EC PARAMETERS, are skipped.

    :returns: ``None`` if the input is not PEM.
    :raises DecodeError: a block without end, or not base64.

    Source: RFC 7468 section 2.
    """
    first: PemBlock | None = None
    for block in read_blocks(text):
        if block.label.endswith("PRIVATE KEY"):
            return block
        first = first or block
    return first


def _read_block(text: bytes, start: int) -> tuple[PemBlock, int]:
    label_end = text.find(b"-----", start + len(_BEGIN))
    label = text[start + len(_BEGIN) : label_end] if label_end >= 0 else b""
    end_line = b"-----END " + label + b"-----"
    end = text.find(end_line, label_end)
    if not label or not label.isascii() or end < 0:
        raise DecodeError("A PEM block has no end; was the file cut off?", offset=start)
    body = text[label_end + 5 : end]
    cipher = None
    if b":" in body:
        headers, body = _split_headers(body)
        cipher = headers.get("dek-info", "").partition(",")[0].strip().upper() or None
    block = PemBlock(
        label=label.decode("ascii"),
        cipher=cipher,
        text=text[start : end + len(end_line)],
        contents=_from_base64(body, start),
    )
    return block, end + len(end_line)


def _split_headers(body: bytes) -> tuple[dict[str, str], bytes]:
    """Take the headers of RFC 1421 off, which end with an empty line."""
    lines = body.decode("latin-1").splitlines()
    headers = {}
    count = 0
    for line in lines:
        if ":" not in line and line.strip():
            break
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
        count += 1
    return headers, "\n".join(lines[count:]).encode("latin-1")


def _from_base64(body: bytes, offset: int) -> bytes:
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        pass
    raise DecodeError("A PEM block is not base64; was the file cut off?", offset=offset)


def write_pem(label: str, contents: bytes) -> bytes:
    """Encode one PEM block.

    Source: RFC 7468 section 2.
    """
    encoded = base64.b64encode(contents)
    lines = [encoded[start : start + 64] for start in range(0, len(encoded), 64)]
    head, tail = (f"-----{word} {label}-----".encode("ascii") for word in ("BEGIN", "END"))
    return b"\n".join((head, *lines, tail, b""))
