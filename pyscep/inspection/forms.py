"""What bytes can come wrapped in: recorded HTTP, a GET URL, base64 in all its spellings, PEM."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import unquote_to_bytes

from pyscep.errors import DecodeError, HttpError
from pyscep.http import Operation
from pyscep.http_server import decode_get_message
from pyscep.inspection.findings import Departure, Finding
from pyscep.pem import read_blocks

_QUERY = re.compile(rb"(?:\A|\?)(?:[^\s&=\"?]*=[^\s&\"]*&)*(?:operation|message)=", re.IGNORECASE)
_HEAD = 2048
"""Bytes in which the operation of a URL has to come."""
_HTTP_HEAD = re.compile(rb"HTTP/1\.[01] \d{3}|POST \S+ HTTP/1\.[01]\r?\n")
_CHUNKED = re.compile(rb"\nTransfer-Encoding:[ \t]*chunked", re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]{0,80}\r?\n")
_AFTER_QUERY = re.compile(rb"(?: HTTP/\d|\")(?s:.*)")
_PARAMETER = re.compile(rb"(?:\A|[?&])(operation|message)=([^&#]*)", re.IGNORECASE)
_BASE64 = re.compile(rb"[A-Za-z0-9+/_%=\s-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwrapped:
    """What was inside, and how it was wrapped."""

    octets: bytes = field(repr=False)
    """The contents, usually DER."""
    wrapping: tuple[str, ...] = ()
    """From the outside to the inside: ``HTTP response``, ``GET URL``, ``base64``, ``PEM``."""
    label: str | None = None
    """The label of the PEM block."""
    more: tuple[bytes, ...] = field(default=(), repr=False)
    """Further certificates of a PEM file."""
    pem_cipher: str | None = None
    """The cipher of OpenSSL's own encryption of PEM blocks."""
    operation: str | None = None
    """The operation of a GET URL."""
    has_message: bool = False
    """Whether the URL has a message."""
    findings: tuple[Finding, ...] = ()
    """What is wrong with the wrapping."""


def unwrap(octets: bytes) -> Unwrapped:
    """Take off whatever is around the actual bytes.

    Source: RFC 8894 section 4.1; RFC 7468; T-05, T-06, T-07.
    """
    if octets[:1] == b"\x30":
        return Unwrapped(octets=octets)
    recorded = _HTTP_HEAD.match(octets[:_HEAD])
    if recorded:
        return _from_http(octets, is_response=recorded[0].startswith(b"HTTP/"))
    text = octets.removeprefix(b"\xef\xbb\xbf").strip()
    if b"-----BEGIN " in text:
        return _from_pem(text)
    query = None if text.startswith(b"<") else _QUERY.search(text[:_HEAD])
    if query is not None:
        return _from_url(_AFTER_QUERY.sub(b"", text[query.start() :]))
    decoded = _from_base64(text)
    if decoded.startswith(b"-----BEGIN "):
        inner = _from_pem(decoded)
        return replace(inner, wrapping=("base64", *inner.wrapping))
    if decoded[:1] == b"\x30":
        return Unwrapped(octets=decoded, wrapping=("base64",))
    return Unwrapped(octets=octets)


def _from_http(octets: bytes, *, is_response: bool) -> Unwrapped:
    """Take the head off a recorded HTTP message."""
    end = re.search(rb"\r?\n\r?\n", octets)
    head = octets[: end.start()] if end else octets
    body = octets[end.end() :] if end else b""
    if _CHUNKED.search(head):
        body = _join_chunks(body)
    # Not a second time: a body that looks like a head is none.
    inner = Unwrapped(octets=body) if _HTTP_HEAD.match(body[:_HEAD]) else unwrap(body)
    name = "HTTP response" if is_response else "HTTP request"
    return replace(inner, wrapping=(name, *inner.wrapping))


def _join_chunks(body: bytes) -> bytes:
    pieces = []
    position = 0
    while (header := _CHUNK.match(body, position)) and (size := int(header[1], 16)):
        pieces.append(body[header.end() : header.end() + size])
        # A line end follows each chunk.
        position = header.end() + size + (2 if body.startswith(b"\r", header.end() + size) else 1)
    return b"".join(pieces)


def _from_pem(text: bytes) -> Unwrapped:
    try:
        blocks = tuple(read_blocks(text))
    except DecodeError as error:
        broken = Departure.UNREADABLE.found(str(error))
        return Unwrapped(octets=b"", wrapping=("PEM",), findings=(broken,))
    # A key with its certificates is a key; of several certificates, all are looked at.
    block = next((each for each in blocks if each.label.endswith("PRIVATE KEY")), blocks[0])
    more = (each.contents for each in blocks[1:] if each.label == block.label == "CERTIFICATE")
    return Unwrapped(
        octets=block.contents,
        wrapping=("PEM",),
        label=block.label,
        pem_cipher=block.cipher,
        more=tuple(more),
    )


def _from_url(text: bytes) -> Unwrapped:
    parameters = {name.lower(): value for name, value in reversed(_PARAMETER.findall(text))}
    operation = unquote_to_bytes(parameters.get(b"operation", b"")).decode("ascii", "replace")
    raw = parameters.get(b"message")
    if raw is None:
        return Unwrapped(octets=b"", wrapping=("GET URL",), operation=operation)
    if operation.lower() != Operation.PKI_OPERATION.value.lower():
        found = tuple(_about_operation(operation))
        return Unwrapped(
            octets=unquote_to_bytes(raw),
            wrapping=("GET URL",),
            operation=operation,
            has_message=True,
            findings=found,
        )
    try:
        message = decode_get_message(raw.decode("latin-1"))
    except HttpError:
        message = b""
    return Unwrapped(
        octets=message,
        wrapping=("GET URL", "base64"),
        operation=operation,
        has_message=True,
        findings=tuple(_about_spelling(raw)),
    )


def _about_operation(operation: str) -> Iterator[Finding]:
    if operation.lower() not in {known.value.lower() for known in Operation}:
        yield Departure.GET_OPERATION.found(f"The operation {operation[:40]!r} is none of SCEP.")
    else:
        yield Departure.GET_IDENTIFIER.found(
            "The query has a CA identifier in message=, as the drafts had it."
        )


def _about_spelling(raw: bytes) -> Iterator[Finding]:
    if set(raw) & set(b"+/="):
        yield Departure.GET_NOT_ESCAPED.found(
            "The base64 in the query has '+', '/' or '=' unescaped; they have to be %2B, %2F, %3D."
        )
    octets = unquote_to_bytes(raw)
    if set(octets) & set(b"-_"):
        yield Departure.GET_URL_SAFE.found(
            "The base64 in the query has '-' or '_'; SCEP uses the standard alphabet."
        )
    if set(octets) & set(b"\r\n"):
        yield Departure.GET_LINE_BREAKS.found("The base64 in the query has line breaks.")
    if len(octets.translate(None, b"\r\n\t")) % 4:
        yield Departure.GET_WITHOUT_PADDING.found("The base64 in the query lacks its padding.")


def _from_base64(text: bytes) -> bytes:
    """Decode base64 in any spelling; nothing comes of everything else."""
    if not _BASE64.fullmatch(text):
        return b""
    try:
        return decode_get_message(b"".join(text.split()).decode("ascii"))
    except HttpError:
        return b""
