"""ASN.1 by hand: a second encoder, so that a bug of ``pyscep.der`` cannot hide from its tests.

Nothing here imports the encoder or the parsers of pyscep. Every part of a structure can be
replaced by another one, so illegal structures are made as easily as legal ones: SETs stay in the
order given, lengths and tags are whatever the caller says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pyscep.algorithms import SignatureAlgorithm
from pyscep.keys import PrivateKey

# ------------------------------------------------------------------------------------- elements


def tlv(tag: int, *pieces: bytes) -> bytes:
    """Put a tag and the shortest definite length in front of the pieces."""
    contents = b"".join(pieces)
    size, length = len(contents), b""
    if size < 128:
        return bytes([tag, size]) + contents
    while size:
        size, last = divmod(size, 256)
        length = bytes([last]) + length
    return bytes([tag, 128 + len(length)]) + length + contents


def indefinite(tag: int, *pieces: bytes) -> bytes:
    """Put a tag and the indefinite length in front of the pieces, and the end mark behind them."""
    return bytes([tag, 0x80]) + b"".join(pieces) + b"\x00\x00"


def long_form(tag: int, contents: bytes, *, octets: int) -> bytes:
    """Write the length in so many bytes, needed or not."""
    return bytes([tag, 128 + octets]) + len(contents).to_bytes(octets, "big") + contents


def seq(*pieces: bytes) -> bytes:
    return tlv(0x30, *pieces)


def unsorted_set(*pieces: bytes) -> bytes:
    return tlv(0x31, *pieces)


def explicit(number: int, *pieces: bytes) -> bytes:
    """Return a constructed context tag; with the contents of a SET it is an implicit SET."""
    return tlv(0xA0 + number, *pieces)


def implicit(number: int, contents: bytes) -> bytes:
    """Return a primitive context tag."""
    return tlv(0x80 + number, contents)


def integer(value: int) -> bytes:
    size = 1
    while not -(1 << (8 * size - 1)) <= value < 1 << (8 * size - 1):
        size += 1
    return tlv(0x02, value.to_bytes(size, "big", signed=True))


def boolean(value: int = 0xFF) -> bytes:
    return tlv(0x01, bytes([value]))


def bits(contents: bytes, *, unused: int = 0) -> bytes:
    return tlv(0x03, bytes([unused]), contents)


def octets(contents: bytes) -> bytes:
    return tlv(0x04, contents)


def null() -> bytes:
    return b"\x05\x00"


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    encoded = b""
    for arc in (40 * first + second, *rest):
        arc_octets = [arc % 128]
        remaining = arc // 128
        while remaining:
            arc_octets.append(128 + remaining % 128)
            remaining //= 128
        encoded += bytes(reversed(arc_octets))
    return tlv(0x06, encoded)


def utf8(text: str) -> bytes:
    return tlv(0x0C, text.encode())


def printable(text: str) -> bytes:
    return tlv(0x13, text.encode("ascii"))


def utc_time(text: str) -> bytes:
    return tlv(0x17, text.encode())


def generalized_time(text: str) -> bytes:
    return tlv(0x18, text.encode())


# ------------------------------------------------------------------------------------ a tree


@dataclass(frozen=True, slots=True)
class Node:
    """One element of DER, taken apart down to the primitive ones."""

    tag: int
    contents: bytes = b""
    children: tuple[Node, ...] = ()

    @property
    def is_constructed(self) -> bool:
        return bool(self.tag & 0x20)

    def dump(self) -> bytes:
        """Return the DER again."""
        return tlv(self.tag, self.contents, *(child.dump() for child in self.children))

    def ber(self, *, piece: int) -> bytes:
        """Return BER: indefinite lengths everywhere, octet strings in pieces of so many bytes."""
        if self.is_constructed:
            return indefinite(self.tag, *(child.ber(piece=piece) for child in self.children))
        if self.tag != 0x04 or not self.contents:
            return self.dump()
        return indefinite(0x24, *map(octets, in_pieces(self.contents, piece)))

    def at(self, *path: int) -> Node:
        """Return the descendant at this path of child numbers."""
        node = self
        for number in path:
            node = node.children[number]
        return node

    def with_at(self, path: tuple[int, ...], new: Node | None) -> Node:
        """Return the tree with another node at this path, or without it."""
        if not path:
            assert new is not None
            return new
        number, *rest = path
        children = list(self.children)
        if rest or new is not None:
            children[number] = children[number].with_at(tuple(rest), new)
        else:
            del children[number]
        return replace(self, children=tuple(children))


def parse(encoded: bytes) -> Node:
    """Take one DER element apart."""
    nodes = tuple(_nodes(encoded))
    assert len(nodes) == 1
    return nodes[0]


def _nodes(encoded: bytes) -> Iterator[Node]:
    while encoded:
        tag, size, start = encoded[0], encoded[1], 2
        if size >= 128:
            start += size - 128
            size = int.from_bytes(encoded[2:start], "big")
        contents, encoded = encoded[start : start + size], encoded[start + size :]
        if tag & 0x20:
            yield Node(tag, children=tuple(_nodes(contents)))
        else:
            yield Node(tag, contents)


def in_pieces(contents: bytes, size: int) -> list[bytes]:
    return [contents[start : start + size] for start in range(0, len(contents), size)]


# -------------------------------------------------------------------------------------- X.509

CN = "2.5.4.3"
O = "2.5.4.10"  # noqa: E741  # as everybody writes it
SHA1 = "1.3.14.3.2.26"
SHA256 = "2.16.840.1.101.3.4.2.1"
SHA512 = "2.16.840.1.101.3.4.2.3"
MD5 = "1.2.840.113549.2.5"
RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
RSAES_OAEP = "1.2.840.113549.1.1.7"
MGF1 = "1.2.840.113549.1.1.8"
RSASSA_PSS = "1.2.840.113549.1.1.10"
SHA256_WITH_RSA = "1.2.840.113549.1.1.11"
ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2"
AES128_CBC = "2.16.840.1.101.3.4.1.2"
DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
ENVELOPED_DATA = "1.2.840.113549.1.7.3"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"


def algorithm(dotted: str, *parameters: bytes) -> bytes:
    return seq(oid(dotted), *parameters)


def rdn(*pairs: tuple[str, bytes]) -> bytes:
    return unsorted_set(*(seq(oid(kind), value) for kind, value in pairs))


def name(*texts: str) -> bytes:
    """Return a Name: a common name, and what follows is organisations above it."""
    kinds = [CN, *[O] * (len(texts) - 1)]
    return seq(*(rdn((kind, utf8(text))) for kind, text in zip(kinds, texts, strict=True)))


def is_rsa(key: PrivateKey) -> bool:
    return oid(RSA_ENCRYPTION) in key.public_key


def sha256_scheme(key: PrivateKey) -> SignatureAlgorithm:
    return SignatureAlgorithm.RSA_SHA256 if is_rsa(key) else SignatureAlgorithm.ECDSA_SHA256


def signed_by(
    key: PrivateKey,
    content: bytes,
    *,
    identifier: bytes | None = None,
    scheme: SignatureAlgorithm | None = None,
) -> bytes:
    """Sign as X.509 does; *identifier* is what is written about the algorithm, true or not."""
    written = identifier or sha256_identifier(key)
    return seq(content, written, bits(key.sign(content, scheme or sha256_scheme(key))))


def sha256_identifier(key: PrivateKey) -> bytes:
    if is_rsa(key):
        return algorithm(SHA256_WITH_RSA, null())
    return algorithm(ECDSA_WITH_SHA256)


def extension(dotted: str, value: bytes, *, critical: bool = False) -> bytes:
    return seq(oid(dotted), boolean() if critical else b"", octets(value))


CA_TRUE = extension("2.5.29.19", seq(boolean()), critical=True)
CA_FALSE = extension("2.5.29.19", seq())
MAY_SIGN_CERTIFICATES = extension("2.5.29.15", bits(b"\x06", unused=1), critical=True)
MAY_SIGN_ONLY_CERTIFICATES = extension("2.5.29.15", bits(b"\x04", unused=2), critical=True)
MAY_NOT_SIGN_CERTIFICATES = extension("2.5.29.15", bits(b"\xa0", unused=5), critical=True)


def certificate(
    key: PrivateKey,
    *,
    subject: bytes,
    issuer: bytes | None = None,
    issuer_key: PrivateKey | None = None,
    public_key: bytes | None = None,
    serial: int = 1,
    not_before: bytes = utc_time("240101000000Z"),
    not_after: bytes = utc_time("340101000000Z"),
    extensions: Iterable[bytes] | None = (),
    version: int | None = 2,
    unique_ids: bytes = b"",
    outer_identifier: bytes | None = None,
    inner_identifier: bytes | None = None,
    trailer: bytes = b"",
) -> bytes:
    """Make a certificate of *key*, self-signed unless an issuer is named."""
    signer = issuer_key or key
    identifier = outer_identifier or sha256_identifier(signer)
    tbs = seq(
        b"" if version is None else explicit(0, integer(version)),
        integer(serial),
        inner_identifier or identifier,
        subject if issuer is None else issuer,
        seq(not_before, not_after),
        subject,
        public_key or key.public_key,
        unique_ids,
        b"" if extensions is None else explicit(3, seq(*extensions)),
        trailer,
    )
    return signed_by(signer, tbs, identifier=identifier)


def csr(
    key: PrivateKey,
    *,
    subject: bytes,
    attributes: Iterable[bytes] | None = (),
    version: int = 0,
    trailer: bytes = b"",
) -> bytes:
    """Make a certification request; without *attributes* not even the empty [0] is there."""
    info = seq(
        integer(version),
        subject,
        key.public_key,
        b"" if attributes is None else explicit(0, *attributes),
        trailer,
    )
    return signed_by(key, info)


def attribute(dotted: str, *values: bytes) -> bytes:
    return seq(oid(dotted), unsorted_set(*values))


# ---------------------------------------------------------------------------------------- CMS


def issuer_and_serial(certificate_der: bytes) -> bytes:
    """Copy what names a version 3 certificate out of it."""
    tbs = parse(certificate_der).at(0)
    return seq(tbs.at(3).dump(), tbs.at(1).dump())


def content_info(dotted: str, content: bytes, *, trailer: bytes = b"") -> bytes:
    return seq(oid(dotted), explicit(0, content), trailer)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedDataParts:
    """A SignedData by one signer, every part of which can be another one.

    :meth:`dump` digests and signs what is there, unless digest or signature are given too.
    """

    key: PrivateKey
    sid: bytes
    content: bytes | None = b"content"
    content_type: str = DATA
    econtent: bytes | None = None
    """The eContent element as it stands, instead of an OCTET STRING with :attr:`content`."""
    extra_attributes: tuple[bytes, ...] = ()
    attributes: tuple[bytes, ...] | None = None
    """All signed attributes, instead of the two that CMS demands and the extra ones."""
    digest_name: str = "sha256"
    digest_identifier: bytes = algorithm(SHA256)
    scheme: SignatureAlgorithm | None = None
    signature_identifier: bytes | None = None
    signed_octets: bytes | None = None
    """What the signature is over, instead of the SET OF attributes."""
    attributes_field: bytes | None = None
    """The signedAttrs element as it stands; empty leaves it out."""
    unsigned_attributes: bytes = b""
    certificates: bytes = b""
    """The certificates and crls elements as they stand."""
    signer_infos: bytes | None = None
    """The contents of the SET OF SignerInfo."""
    version: int = 1
    outer_type: str = SIGNED_DATA
    trailer: bytes = b""
    signed_data_trailer: bytes = b""
    signer_info_trailer: bytes = b""

    def all_attributes(self) -> tuple[bytes, ...]:
        if self.attributes is not None:
            return self.attributes
        digest = hashlib.new(self.digest_name, self.content or b"").digest()
        both = (
            attribute(CONTENT_TYPE, oid(self.content_type)),
            attribute(MESSAGE_DIGEST, octets(digest)),
        )
        return tuple(sorted((*both, *self.extra_attributes)))

    def signer_info(self) -> bytes:
        attributes = b"".join(self.all_attributes())
        covered = tlv(0x31, attributes) if self.signed_octets is None else self.signed_octets
        field = explicit(0, attributes) if self.attributes_field is None else self.attributes_field
        written = algorithm(RSA_ENCRYPTION, null()) if is_rsa(self.key) else None
        return seq(
            integer(1),
            self.sid,
            self.digest_identifier,
            field,
            self.signature_identifier or written or sha256_identifier(self.key),
            octets(self.key.sign(covered, self.scheme or sha256_scheme(self.key))),
            self.unsigned_attributes,
            self.signer_info_trailer,
        )

    def dump(self) -> bytes:
        wrapped = b"" if self.content is None else explicit(0, octets(self.content))
        signed_data = seq(
            integer(self.version),
            unsorted_set(self.digest_identifier),
            seq(oid(self.content_type), wrapped if self.econtent is None else self.econtent),
            self.certificates,
            unsorted_set(self.signer_info() if self.signer_infos is None else self.signer_infos),
            self.signed_data_trailer,
        )
        return content_info(self.outer_type, signed_data, trailer=self.trailer)


def key_trans(
    rid: bytes, encrypted_key: bytes, *, identifier: bytes | None = None, version: int = 0
) -> bytes:
    return seq(
        integer(version),
        rid,
        identifier or algorithm(RSA_ENCRYPTION, null()),
        octets(encrypted_key),
    )


def enveloped(
    *recipients: bytes,
    cipher: bytes,
    content: bytes,
    content_type: str = DATA,
    outer_type: str = ENVELOPED_DATA,
    originator: bytes = b"",
    unprotected: bytes = b"",
    trailer: bytes = b"",
) -> bytes:
    """Make an EnvelopedData; *content* is the encryptedContent element with its tag."""
    return content_info(
        outer_type,
        seq(
            integer(0),
            originator,
            unsorted_set(*recipients),
            seq(oid(content_type), cipher, content),
            unprotected,
        ),
        trailer=trailer,
    )
