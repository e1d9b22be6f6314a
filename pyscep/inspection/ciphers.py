"""What there is to say about a cipher, of the content or of the key of the content."""

from __future__ import annotations

from collections.abc import Iterator

from pyscep.algorithms import FORBIDDEN_OIDS, ContentEncryptionAlgorithm
from pyscep.inspection.findings import Departure, Finding

_BIG_AES = frozenset(
    (ContentEncryptionAlgorithm.AES192_CBC.oid, ContentEncryptionAlgorithm.AES256_CBC.oid)
)


def cipher_of(oid: str | None) -> ContentEncryptionAlgorithm | None:
    """Return a cipher by its OID, if it is one of SCEP."""
    return next((each for each in ContentEncryptionAlgorithm if each.oid == oid), None)


def cipher_name(oid: str | None) -> str | None:
    """Return the name of a cipher, or its OID."""
    known = cipher_of(oid)
    return FORBIDDEN_OIDS.get(oid or "", oid) if known is None else known.name


def about_cipher(oid: str | None, iv: bytes | None, what: str) -> Iterator[Finding]:
    """Find fault with a cipher and its IV.

    :param what: names what is encrypted: the content, or its key.

    Source: RFC 8894 section 2.9; E-10 to E-14.
    """
    oid = oid or "?"
    if oid == ContentEncryptionAlgorithm.DES_CBC.oid or oid in FORBIDDEN_OIDS:
        yield Departure.SINGLE_DES.found(
            f"The {what} is encrypted with {cipher_name(oid)}, which is forbidden."
        )
    elif oid == ContentEncryptionAlgorithm.DES_EDE3_CBC.oid:
        yield Departure.TRIPLE_DES.found(f"The {what} is encrypted with triple DES.")
    elif oid in _BIG_AES:
        yield Departure.OTHER_AES.found(
            f"The {what} is encrypted with {cipher_name(oid)}; only AES-128 is in RFC 8894."
        )
    elif oid != ContentEncryptionAlgorithm.AES128_CBC.oid:
        yield Departure.UNKNOWN_CIPHER.found(f"The {what} is encrypted with {oid}.")
    cipher = cipher_of(oid)
    if cipher is not None and len(iv or b"") != cipher.block_size:
        yield Departure.IV.found(
            f"The IV of the {what} has {len(iv or b'')} bytes instead of {cipher.block_size}."
        )
