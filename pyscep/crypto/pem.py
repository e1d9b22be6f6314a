"""PEM: text around DER, as key files come in it."""

from __future__ import annotations

import base64
import binascii
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


def read_pem(text: bytes) -> PemBlock | None:
    """Return the first private key of a PEM file, or its first block if there is none.

    Text around the blocks (OpenSSL writes attributes there) and other blocks (its EC PARAMETERS)
    are skipped.

    :returns: ``None`` if the input is not PEM.
    :raises DecodeError: a block without end, or not base64.

    Source: RFC 7468 section 2.
    """
    first: PemBlock | None = None
    position = text.find(_BEGIN)
    while position >= 0:
        block, position = _read_block(text, position)
        if block.label.endswith("PRIVATE KEY"):
            return block
        first = first or block
        position = text.find(_BEGIN, position)
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
    while lines and (":" in lines[0] or not lines[0].strip()):
        name, _, value = lines.pop(0).partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers, "\n".join(lines).encode("latin-1")


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
