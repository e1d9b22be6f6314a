"""BER instead of DER: the forms in which streaming encoders write CMS.

Only what is around and inside of the content changes; certificates and SignerInfos stay as they
were signed.

Source: M-05, E-22, G-06.
"""

from __future__ import annotations

from collections.abc import Callable

from pyscep import der

_INDEFINITE = b"\x80"
_END = b"\x00\x00"
_PIECE = 200
"""Bytes in one piece of a segmented OCTET STRING."""


def indefinite_signed_data(message: bytes) -> bytes:
    """Return a ContentInfo with SignedData whose content, if any, comes in pieces."""
    content_info = der.Reader(message).enter()
    content_type = content_info.read_raw()
    fields = content_info.enter(der.context(0)).enter()
    version, digests = fields.read_raw(), fields.read_raw()
    encapsulated = fields.enter()
    inner = encapsulated.read_raw()
    if not encapsulated.at_end:
        octets = encapsulated.enter(der.context(0)).read_octet_string()
        pieces = _indefinite(der.OCTET_STRING | 0x20, *_pieces(octets))
        inner += _indefinite(der.context(0), pieces)
    rest = _rest(fields)
    signed_data = _indefinite(
        der.SEQUENCE, version, digests, _indefinite(der.SEQUENCE, inner), *rest
    )
    return _indefinite(der.SEQUENCE, content_type, _indefinite(der.context(0), signed_data))


def indefinite_enveloped_data(envelope: bytes) -> bytes:
    """Return a ContentInfo with EnvelopedData whose encryptedContent comes in pieces."""
    return _with_encrypted_content(
        envelope,
        lambda octets: _indefinite(der.context(0), *_pieces(octets)),
        indefinite=True,
    )


def segmented_enveloped_data(envelope: bytes) -> bytes:
    """Return one of definite lengths, with encryptedContent in pieces in a constructed [0]."""
    return _with_encrypted_content(
        envelope,
        lambda octets: der.encode(der.context(0), b"".join(_pieces(octets))),
        indefinite=False,
    )


def _with_encrypted_content(
    envelope: bytes, encode: Callable[[bytes], bytes], *, indefinite: bool
) -> bytes:
    content_info = der.Reader(envelope).enter()
    content_type = content_info.read_raw()
    fields = content_info.enter(der.context(0)).enter()
    version, recipients = fields.read_raw(), fields.read_raw()
    encrypted = fields.enter()
    inner_type, algorithm = encrypted.read_raw(), encrypted.read_raw()
    content = encode(encrypted.read_implicit_octet_string(0))
    wrap = _indefinite if indefinite else _definite
    encrypted_content_info = wrap(der.SEQUENCE, inner_type, algorithm, content)
    enveloped = wrap(der.SEQUENCE, version, recipients, encrypted_content_info)
    return wrap(der.SEQUENCE, content_type, wrap(der.context(0), enveloped))


def _definite(tag: int, *pieces: bytes) -> bytes:
    return der.encode(tag, b"".join(pieces))


def _indefinite(tag: int, *pieces: bytes) -> bytes:
    return bytes((tag,)) + _INDEFINITE + b"".join(pieces) + _END


def _pieces(octets: bytes) -> list[bytes]:
    return [
        der.octet_string(octets[start : start + _PIECE]) for start in range(0, len(octets), _PIECE)
    ]


def _rest(reader: der.Reader) -> list[bytes]:
    found = []
    while not reader.at_end:
        found.append(reader.read_raw())
    return found
