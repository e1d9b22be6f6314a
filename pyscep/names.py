"""Distinguished names: built with exactly the text given, kept as the bytes received.

A :class:`Name` is its DER. Bytes are copied verbatim into messages (G-24), equality is the
comparison of RFC 5280, and the text form is RFC 4514.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn, Protocol, Union

from pyscep import der
from pyscep.errors import DecodeError, UsageError
from pyscep.limits import DEFAULT_LIMITS, Limits

_NAMES_KEPT = 64


class _AttributeType(NamedTuple):
    """One row of the table of attributes."""

    field: str
    short: str
    oid: str
    encode: Callable[[str], bytes] = der.utf8_string
    most: int | None = None
    """Characters in one value (RFC 5280 appendix A.1), if there is a bound."""


_ATTRIBUTE_TYPES = (
    _AttributeType("common_name", "CN", "2.5.4.3", most=64),
    _AttributeType("surname", "SN", "2.5.4.4", most=32768),
    _AttributeType("serial_number", "serialNumber", "2.5.4.5", der.printable_string, most=64),
    _AttributeType("country_name", "C", "2.5.4.6", der.printable_string),
    _AttributeType("locality_name", "L", "2.5.4.7", most=128),
    _AttributeType("state_or_province_name", "ST", "2.5.4.8", most=128),
    _AttributeType("street_address", "street", "2.5.4.9"),
    _AttributeType("organization_name", "O", "2.5.4.10", most=64),
    _AttributeType("organizational_unit_name", "OU", "2.5.4.11", most=64),
    _AttributeType("title", "title", "2.5.4.12", most=64),
    _AttributeType("given_name", "givenName", "2.5.4.42", most=32768),
    _AttributeType("dn_qualifier", "dnQualifier", "2.5.4.46", der.printable_string),
    _AttributeType("user_id", "UID", "0.9.2342.19200300.100.1.1"),
    _AttributeType("domain_component", "DC", "0.9.2342.19200300.100.1.25", der.ia5_string),
    _AttributeType(
        "email_address", "emailAddress", "1.2.840.113549.1.9.1", der.ia5_string, most=255
    ),
    _AttributeType("unstructured_name", "unstructuredName", "1.2.840.113549.1.9.2"),
    _AttributeType(
        "unstructured_address", "unstructuredAddress", "1.2.840.113549.1.9.8", der.directory_string
    ),
)
_ALIASES = {
    "serialnumber": "2.5.4.5",
    "email": "1.2.840.113549.1.9.1",
    "e": "1.2.840.113549.1.9.1",
    "s": "2.5.4.8",
    "userid": "0.9.2342.19200300.100.1.1",
}
_OIDS = _ALIASES | {
    key.lower(): row.oid for row in _ATTRIBUTE_TYPES for key in (row.field, row.short, row.oid)
}
_BY_OID = {row.oid: row for row in _ATTRIBUTE_TYPES}

Attribute = tuple[str, str]
"""One attribute of a name: dotted OID and text."""
_Member = tuple[str, str, bool]
"""The same, and whether it is a text string at all; if not, the text is ``#`` and its DER."""


class DumpableName(Protocol):
    """An ``asn1crypto.x509.Name``, or any object that dumps itself as a DER Name."""

    def dump(self) -> bytes:
        """Return the DER."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Name:
    """A distinguished name.

    Two names are equal if RFC 5280 section 7.1 says so (case and white space do not matter);
    compare :attr:`der` where the bytes have to be the same.

    Source: RFC 5280 sections 4.1.2.4 and 7.1; G-24.
    """

    der: bytes
    """The DER RDNSequence, as received or built."""

    @property
    def is_empty(self) -> bool:
        """Whether it has no attribute at all."""
        return self.der == b"\x30\x00"

    def rdns(self, *, limits: Limits = DEFAULT_LIMITS) -> tuple[tuple[Attribute, ...], ...]:
        """Return the relative names in the order of the encoding, each as OID and text.

        Values that are no text strings appear as ``#`` and hexadecimal DER (RFC 4514).

        :raises DecodeError: not a Name.
        :raises LimitExceeded: more attributes or bytes than *limits* allow.

        Source: RFC 4514 section 2.
        """
        check_name_size(self.der, limits)
        return tuple(
            tuple((oid, text) for oid, text, _ in rdn) for rdn in _members(self.der, limits)
        )

    def get(self, key: str) -> str | None:
        """Return the first value of an attribute, such as ``"common_name"``, ``"CN"`` or an OID.

        :raises UsageError: no attribute has that name.

        Source: RFC 4514 section 3.
        """
        oid = _attribute_oid(key)
        return next((text for rdn in self.rdns() for kind, text in rdn if kind == oid), None)

    def __str__(self) -> str:
        try:
            members = _members(self.der)
        except DecodeError:
            # An error text about a certificate must not fail because of the names in it.
            return f"#{self.der[:64].hex()}{'...' if len(self.der) > 64 else ''}"
        return ",".join(
            "+".join(
                f"{_short(oid)}={_escape(text) if is_text else text}" for oid, text, is_text in rdn
            )
            for rdn in reversed(members)
        )

    def __repr__(self) -> str:
        return f"Name({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Name):
            return NotImplemented
        # Nearly always the very same bytes; only otherwise is folding worth its price.
        return self.der == other.der or _folded(self.der) == _folded(other.der)

    def __hash__(self) -> int:
        return hash(_folded(self.der))


NameLike = Union[Name, str, Mapping[str, Union[str, Sequence[str]]], DumpableName]
"""What a name can be given as: see :func:`build_name`."""


def build_name(subject: NameLike) -> Name:
    """Build a name from what people write.

    :param subject: a mapping from attribute names (``common_name``, ``CN`` or a dotted OID) to
        text or several texts, in the order of the encoding; or an RFC 4514 string, whose *last*
        part is the first in the encoding (``"CN=sensor-17,O=Example,C=US"``, ``+`` joins the parts
        of a multi-valued RDN); or a :class:`Name`, or an ``asn1crypto.x509.Name``, whose DER is
        taken as it is: so longer values than RFC 5280 allows can be had too, by
        :func:`parse_name`, for a CA that is known to take them.
    :returns: the name; the text of each attribute is exactly the text given.
    :raises UsageError: an unknown attribute, an empty value, more characters than RFC 5280 allows,
        or text that the attribute's string type lacks; names the attribute.

    Source: RFC 4514; RFC 5280 section 4.1.2.4; RFC 5280 appendix A.1; R-18, V-15.
    """
    if isinstance(subject, Name):
        return subject
    if isinstance(subject, str):
        return _check_lengths(name_from_text(subject))
    if isinstance(subject, Mapping):
        return _name_from_mapping(subject)
    dump: Any = getattr(subject, "dump", None)
    if not callable(dump):
        raise UsageError(
            f"A subject of type {type(subject).__name__} is not understood; give a mapping, an "
            "RFC 4514 string or a Name.",
            argument="subject",
        )
    return parse_name(bytes(dump()))


def _name_from_mapping(subject: Mapping[str, Any]) -> Name:
    rdns = []
    for key, value in subject.items():
        oid = _attribute_oid(key)
        for text in _texts(key, value):
            rdns.append([_encode_attribute(oid, text)])
            _check_length(oid, text)
    return _encode_rdns(rdns)


def name_from_text(text: str) -> Name:
    """Return the name that has this text: what ``str(name)`` is read back with, however long.

    :raises UsageError: see :func:`build_name`; but values may be longer than RFC 5280 allows.

    Source: RFC 4514 section 3.
    """
    return _encode_rdns(_parse_rfc4514(text))


def parse_name(octets: bytes, *, limits: Limits = DEFAULT_LIMITS) -> Name:
    """Check that *octets* are a Name and keep them.

    :raises DecodeError: not a Name.
    :raises LimitExceeded: more attributes or bytes than *limits* allow.

    Source: RFC 5280 section 4.1.2.4; S-19.
    """
    check_name_size(octets, limits)
    _members(octets, limits)
    return Name(octets)


def check_name_size(octets: bytes, limits: Limits) -> None:
    """Refuse a name that is too long to be shown or compared.

    Comparing needs normalised text, and a long run of accents takes the square of its length.

    :param octets: the DER Name.
    :raises LimitExceeded: more than ``limits.name_size`` bytes.

    Source: S-19.
    """
    if len(octets) > limits.name_size:
        limits.refuse("name_size", len(octets), what="A name has {} bytes")


def _members(octets: bytes, limits: Limits | None = None) -> tuple[tuple[_Member, ...], ...]:
    # Without limits where whoever made the name has applied the caller's.
    return der.read_der(octets, lambda reader: _read_rdns(reader, limits))


# A server compares the name of its CA with that of each client, and the same client comes again.
@lru_cache(maxsize=_NAMES_KEPT)
def _folded(octets: bytes) -> tuple[tuple[_Member, ...], ...]:
    # In any order, but as many of each: RFC 5280 section 7.1.
    return tuple(
        tuple(sorted((oid, _fold(text), is_text) for oid, text, is_text in rdn))
        for rdn in _members(octets)
    )


def _fold(text: str) -> str:
    """Prepare a text for comparison (RFC 4518, as RFC 5280 section 7.1 demands)."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _read_rdns(reader: der.Reader, limits: Limits | None) -> tuple[tuple[_Member, ...], ...]:
    # Name ::= SEQUENCE OF SET OF SEQUENCE { type OBJECT IDENTIFIER, value ANY }
    rdns = []
    count = 0
    sequence = reader.enter()
    while not sequence.at_end:
        members = sequence.enter(der.SET, "a SET")
        rdn = []
        while not members.at_end:
            pair = members.enter()
            rdn.append((pair.read_oid(), *_read_value(pair)))
            pair.finish()
            count += 1
            if limits is not None and count > limits.name_attributes:
                limits.refuse("name_attributes", count, what="A name has {} attributes")
        rdns.append(tuple(rdn))
    return tuple(rdns)


def _read_value(pair: der.Reader) -> tuple[str, bool]:
    if pair.peek() in der.TEXT_TAGS:
        return pair.read_text(), True
    return f"#{pair.read_raw().hex()}", False


def _check_lengths(name: Name) -> Name:
    for rdn in _members(name.der):
        for oid, text, is_text in rdn:
            if is_text:
                _check_length(oid, text)
    return name


def _check_length(oid: str, text: str) -> None:
    """Refuse what CAs refuse, and a certificate must not have (RFC 5280 appendix A.1)."""
    row = _BY_OID.get(oid)
    if row is not None and row.most is not None and len(text) > row.most:
        raise UsageError(
            f"The attribute {row.short} has {len(text)} characters, but may have "
            f"{row.most} at most (RFC 5280 appendix A.1); shorten it.",
            argument="subject",
        )


def _attribute_oid(key: str, *, in_text: bool = False) -> str:
    folded = key.strip().lower().removeprefix("oid.")
    known = _OIDS.get(folded)
    if known is not None:
        return known
    if folded[:1] in ("0", "1", "2") and "." in folded:
        return folded
    # As they are usually written in the one form and in the other.
    names = ", ".join(row.short if in_text else row.field for row in _ATTRIBUTE_TYPES)
    raise UsageError(
        f"{key!r} is not an attribute of a name; use one of {names}, or a dotted OID.",
        argument="subject",
    )


def _encode_rdns(rdns: Sequence[Sequence[bytes]]) -> Name:
    return Name(der.sequence(*map(der.set_of, rdns)))


def _texts(key: str, value: Any) -> list[str]:  # noqa: ANN401  # settings files hold anything
    if isinstance(value, str):
        return [value]
    several = isinstance(value, Sequence) and not isinstance(value, bytes)
    texts: list[str] = list(value) if several else [value]
    for text in texts:
        if not isinstance(text, str):
            raise UsageError(
                f"The attribute {key} cannot be of type {type(text).__name__}; give text, or "
                "several texts in a list.",
                argument="subject",
            )
    return texts


def _encode_attribute(oid: str, text: str) -> bytes:
    row = _BY_OID.get(oid)
    if not text:
        raise UsageError(
            f"The attribute {_short(oid)} is empty; leave it out instead.", argument="subject"
        )
    if row is not None and row.field == "country_name" and len(text) != 2:
        raise UsageError(
            f"The country {text!r} is not a code of two letters (ISO 3166).", argument="subject"
        )
    try:
        value = row.encode(text) if row is not None else der.utf8_string(text)
    except UsageError:
        value = None
    if value is None:
        raise UsageError(
            f"The attribute {_short(oid)} cannot hold {text!r}: its string type lacks some of the "
            "characters.",
            argument="subject",
        )
    return der.sequence(der.oid(oid), value)


def _short(oid: str) -> str:
    row = _BY_OID.get(oid)
    return row.short if row is not None else oid


# RFC 4514 text

_SPECIAL = ',+"\\<>;'


def _escape(text: str) -> str:
    escaped = "".join(map(_escape_char, text))
    if escaped.startswith(("#", " ")):
        escaped = f"\\{escaped}"
    if escaped.endswith(" ") and len(text) > 1:
        escaped = f"{escaped[:-1]}\\ "
    return escaped


def _escape_char(char: str) -> str:
    if char in _SPECIAL:
        return f"\\{char}"
    # Names of strangers stand in errors and logs: no line breaks, no terminal's control sequences.
    return char if char.isprintable() else "".join(f"\\{octet:02x}" for octet in char.encode())


def _parse_rfc4514(text: str) -> list[list[bytes]]:
    if not text.strip():
        return []
    rdns: list[list[bytes]] = []
    for part in reversed(_split(text, ",")):
        rdn = []
        for pair in _split(part, "+"):
            key, separator, value = pair.partition("=")
            if not separator:
                _refuse_rfc4514(text)
            rdn.append(_encode_value(_attribute_oid(key, in_text=True), _strip(value), text))
        rdns.append(rdn)
    return rdns


def _split(text: str, separator: str) -> list[str]:
    """Split at separators that are not escaped by a backslash."""
    parts, current, index = [], "", 0
    while index < len(text):
        if text[index] == "\\":
            current += text[index : index + 2]
            index += 2
            continue
        if text[index] == separator:
            parts.append(current)
            current = ""
        else:
            current += text[index]
        index += 1
    return [*parts, current]


def _strip(value: str) -> str:
    """Take the spaces around a value off, but not one that is escaped."""
    left = value.lstrip(" ")
    bare = left.rstrip(" ")
    backslashes = len(bare) - len(bare.rstrip("\\"))
    return left[: len(bare) + backslashes % 2]


def _encode_value(oid: str, value: str, whole: str) -> bytes:
    if not value.startswith("#"):
        return _encode_attribute(oid, _unescape(value, whole))
    try:
        octets = bytes.fromhex(value[1:])
        der.read_der(octets, _read_value)
    except (ValueError, DecodeError):
        octets = None
    if octets is None:
        _refuse_rfc4514(whole)
    return der.sequence(der.oid(oid), octets)


def _unescape(value: str, whole: str) -> str:
    octets = bytearray()
    index = 0
    while index < len(value):
        char = value[index]
        if char != "\\":
            if char in '"<>;\0':
                _refuse_rfc4514(whole)
            # A lone surrogate is let through here and refused by the decoding below.
            octets += char.encode("utf-8", "surrogatepass")
            index += 1
            continue
        escape = value[index + 1 : index + 3]
        if len(escape) == 2 and all(c in "0123456789abcdefABCDEF" for c in escape):
            octets.append(int(escape, 16))
            index += 3
        elif escape[:1] and escape[0] in f"{_SPECIAL} #=":
            octets += escape[0].encode()
            index += 2
        else:
            _refuse_rfc4514(whole)
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        pass
    _refuse_rfc4514(whole)


def _refuse_rfc4514(text: str) -> NoReturn:
    raise UsageError(
        f"{text!r} is not a distinguished name as in RFC 4514; write it as "
        "CN=sensor-17,O=Example and put a backslash before special characters.",
        argument="subject",
    )
