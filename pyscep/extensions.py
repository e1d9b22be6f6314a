"""X.509 extensions as SCEP requests carry them: alternative names, key usage, templates.

What a client asks for is a tuple of :class:`Extension`; each function here makes or reads one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from pyscep import asn1, der
from pyscep.errors import DecodeError, UsageError
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.names import NameLike, build_name, name_from_text, parse_name

_TRUE = der.boolean(True)
_VALUES_KEPT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """One extension, its value as finished DER.

    Source: RFC 5280 section 4.1; R-09.
    """

    oid: str
    """Dotted OID."""
    value: bytes
    """The DER inside the OCTET STRING."""
    critical: bool = False
    """Whether who does not understand it has to reject the certificate."""

    def encode(self) -> bytes:
        """Return the DER Extension."""
        critical = _TRUE if self.critical else b""
        return der.sequence(der.oid(self.oid), critical, der.octet_string(self.value))


class KeyUsage(Enum):
    """The bits of keyUsage (RFC 5280 section 4.2.1.3)."""

    DIGITAL_SIGNATURE = 0
    CONTENT_COMMITMENT = 1
    KEY_ENCIPHERMENT = 2
    DATA_ENCIPHERMENT = 3
    KEY_AGREEMENT = 4
    KEY_CERT_SIGN = 5
    CRL_SIGN = 6
    ENCIPHER_ONLY = 7
    DECIPHER_ONLY = 8


_KEY_USAGES = {usage.value: usage for usage in KeyUsage}


class ExtendedKeyUsage(Enum):
    """Purposes of extendedKeyUsage (RFC 5280 section 4.2.1.12); any dotted OID may be used too."""

    SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
    CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
    CODE_SIGNING = "1.3.6.1.5.5.7.3.3"
    EMAIL_PROTECTION = "1.3.6.1.5.5.7.3.4"
    IPSEC_END_SYSTEM = "1.3.6.1.5.5.7.3.5"
    EAP_OVER_PPP = "1.3.6.1.5.5.7.3.13"
    EAP_OVER_LAN = "1.3.6.1.5.5.7.3.14"
    IPSEC_IKE = "1.3.6.1.5.5.7.3.17"
    SMARTCARD_LOGON = "1.3.6.1.4.1.311.20.2.2"


class GeneralNameKind(Enum):
    """The kinds of alternative names that can be asked for."""

    DNS = "dns"
    IP = "ip"
    EMAIL = "email"
    URI = "uri"
    UPN = "upn"
    DIRECTORY_NAME = "dir"
    OTHER = "other"
    """Met in certificates only; the value is the hexadecimal DER."""


@dataclass(frozen=True, slots=True)
class GeneralName:
    """One alternative name; make it with the class methods or ``parse_general_name()``.

    Source: RFC 5280 section 4.2.1.6.
    """

    kind: GeneralNameKind
    """What kind of name it is."""
    value: str
    """Its text; for a directory name in RFC 4514 form."""

    @classmethod
    def dns(cls, host: str) -> GeneralName:
        """Return a host or domain name, in ASCII (A-labels)."""
        return cls(GeneralNameKind.DNS, host)

    @classmethod
    def ip(cls, address: str) -> GeneralName:
        """Return an IPv4 or IPv6 address."""
        return cls(GeneralNameKind.IP, address)

    @classmethod
    def email(cls, address: str) -> GeneralName:
        """Return an e-mail address."""
        return cls(GeneralNameKind.EMAIL, address)

    @classmethod
    def uri(cls, uri: str) -> GeneralName:
        """Return a URI."""
        return cls(GeneralNameKind.URI, uri)

    @classmethod
    def upn(cls, name: str) -> GeneralName:
        """Return a Microsoft user principal name, such as ``host/sensor-17@EXAMPLE.COM``."""
        return cls(GeneralNameKind.UPN, name)

    @classmethod
    def directory_name(cls, name: NameLike) -> GeneralName:
        """Return a distinguished name."""
        return cls(GeneralNameKind.DIRECTORY_NAME, str(build_name(name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class MicrosoftTemplate:
    """A version 2 template of a Microsoft CA; :func:`microsoft_template` asks for one.

    Source: MS-WCCE section 2.2.2.7.7.2; V-03.
    """

    oid: str
    """Dotted OID of the template."""
    major_version: int | None = None
    """Its version, if it matters."""
    minor_version: int | None = None
    """The second part of the version."""


def parse_general_name(text: str) -> GeneralName:
    """Read ``"dns:host"``, ``"ip:192.0.2.1"``, and so for ``email:``, ``uri:``, ``upn:``, ``dir:``.

    :raises UsageError: none of these.
    """
    kind, separator, value = text.partition(":")
    kinds = {member.value: member for member in GeneralNameKind}
    member = kinds.get(kind.strip().lower())
    if not separator or member is None or member is GeneralNameKind.OTHER:
        raise UsageError(
            f"{text!r} is not an alternative name; write dns:, ip:, email:, uri:, upn: or dir: "
            "before the value.",
            argument="subject_alt_names",
        )
    return GeneralName(member, value.strip())


# ---------------------------------------------------------------------------------------- writing


def subject_alt_name(names: Iterable[GeneralName], *, critical: bool = False) -> Extension:
    """Make a subjectAltName extension.

    :param critical: has to be set when the subject is empty (RFC 5280 section 4.2.1.6).
    :raises UsageError: no name, an empty one, or text that the kind of name lacks.

    Source: RFC 5280 section 4.2.1.6.
    """
    encoded = [_encode_general_name(name) for name in names]
    if not encoded:
        raise UsageError(
            "A subjectAltName needs at least one name; leave it out instead.",
            argument="subject_alt_names",
        )
    return Extension(oid=asn1.SUBJECT_ALT_NAME, value=der.sequence(*encoded), critical=critical)


def key_usage(usages: Iterable[KeyUsage], *, critical: bool = True) -> Extension:
    """Make a keyUsage extension.

    Source: RFC 5280 section 4.2.1.3; V-03, W-02.
    """
    value = der.named_bits(usage.value for usage in usages)
    return Extension(oid=asn1.KEY_USAGE, value=value, critical=critical)


def extended_key_usage(
    purposes: Iterable[ExtendedKeyUsage | str], *, critical: bool = False
) -> Extension:
    """Make an extendedKeyUsage extension.

    :param purposes: members, or dotted OIDs.
    :raises UsageError: a text that is no OID.

    Source: RFC 5280 section 4.2.1.12.
    """
    oids = (p.value if isinstance(p, ExtendedKeyUsage) else p for p in purposes)
    value = der.sequence(*map(der.oid, oids))
    return Extension(oid=asn1.EXTENDED_KEY_USAGE, value=value, critical=critical)


def basic_constraints(*, ca: bool, path_length: int | None = None) -> Extension:
    """Make a basicConstraints extension.

    Source: RFC 5280 section 4.2.1.9.
    """
    pieces = [der.boolean(True)] if ca else []
    if path_length is not None:
        pieces.append(der.integer(path_length))
    return Extension(oid=asn1.BASIC_CONSTRAINTS, value=der.sequence(*pieces), critical=True)


def subject_key_identifier(key_identifier: bytes) -> Extension:
    """Make a subjectKeyIdentifier extension.

    Source: RFC 5280 section 4.2.1.2.
    """
    return Extension(oid=asn1.SUBJECT_KEY_IDENTIFIER, value=der.octet_string(key_identifier))


def authority_key_identifier(key_identifier: bytes) -> Extension:
    """Make an authorityKeyIdentifier extension that names the key only.

    Source: RFC 5280 section 4.2.1.1.
    """
    value = der.sequence(der.encode(der.context(0, constructed=False), key_identifier))
    return Extension(oid=asn1.AUTHORITY_KEY_IDENTIFIER, value=value)


def microsoft_template_name(name: str) -> Extension:
    """Ask a Microsoft CA for a version 1 template by its name.

    :raises UsageError: an empty name, or one with a lone surrogate.

    Source: MS-WCCE section 2.2.2.7.7.1; V-03.
    """
    try:
        octets = name.encode("utf-16-be")
    except UnicodeEncodeError:
        octets = b""
    if not octets:
        raise UsageError(f"{name!r} is not the name of a certificate template.", argument="name")
    value = der.encode(der.BMP_STRING, octets)
    return Extension(oid=asn1.MICROSOFT_TEMPLATE_NAME, value=value)


def microsoft_template(
    oid: str, *, major_version: int | None = None, minor_version: int | None = None
) -> Extension:
    """Ask a Microsoft CA for a version 2 template by its OID.

    :raises UsageError: not an OID, or a minor version without a major one.

    Source: MS-WCCE section 2.2.2.7.7.2; V-03.
    """
    if minor_version is not None and major_version is None:
        raise UsageError(
            "A template's minor version needs the major version before it.",
            argument="minor_version",
        )
    versions = (der.integer(v) for v in (major_version, minor_version) if v is not None)
    return Extension(oid=asn1.MICROSOFT_TEMPLATE, value=der.sequence(der.oid(oid), *versions))


def encode_extensions(extensions: Iterable[Extension]) -> bytes:
    """Return the DER Extensions.

    :raises UsageError: one extension twice (RFC 5280 section 4.2).
    """
    items = tuple(extensions)
    oids: set[str] = set()
    for item in items:
        if item.oid in oids:
            raise UsageError(
                f"The extension {item.oid} is there twice; an extension may occur once.",
                argument="extensions",
            )
        oids.add(item.oid)
    return der.sequence(*map(Extension.encode, items))


def _encode_general_name(name: GeneralName) -> bytes:
    if not name.value:
        raise UsageError(
            f"An alternative name of kind {name.kind.value} is empty; leave it out instead.",
            argument="subject_alt_names",
        )
    match name.kind:
        case GeneralNameKind.EMAIL:
            return der.implicit(1, der.ia5_string(name.value))
        case GeneralNameKind.DNS:
            return der.implicit(2, der.ia5_string(name.value))
        case GeneralNameKind.DIRECTORY_NAME:
            return der.explicit(4, name_from_text(name.value).der)
        case GeneralNameKind.URI:
            return der.implicit(6, der.ia5_string(name.value))
        case GeneralNameKind.IP:
            return der.encode(der.context(7, constructed=False), _pack_ip(name.value))
        case GeneralNameKind.UPN:
            upn = der.explicit(0, der.utf8_string(name.value))
            return der.encode(der.context(0), der.oid(asn1.MICROSOFT_UPN) + upn)
        case _:  # OTHER
            return _unhex(name.value)


def _pack_ip(text: str) -> bytes:
    try:
        # A scope (fe80::1%eth0) has no place in a certificate, and would be left out silently.
        address = None if "%" in text else ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is not None:
        return address.packed
    raise UsageError(f"{text!r} is not an IP address.", argument="subject_alt_names")


def _unhex(text: str) -> bytes:
    try:
        return der.read_der(bytes.fromhex(text), der.Reader.read_raw)
    except (ValueError, DecodeError):
        pass
    raise UsageError(
        "An alternative name of kind other is not hexadecimal DER.", argument="subject_alt_names"
    )


# ---------------------------------------------------------------------------------------- reading


def read_extensions(
    reader: der.Reader, *, limits: Limits = DEFAULT_LIMITS
) -> tuple[Extension, ...]:
    """Read Extensions; one that occurs twice is refused.

    :raises DecodeError: not Extensions, or one of them twice.
    :raises LimitExceeded: more than ``limits.extensions``.

    Source: RFC 5280 sections 4.1 and 4.2.
    """
    # Extensions ::= SEQUENCE OF SEQUENCE { extnID, critical BOOLEAN DEFAULT FALSE, extnValue }
    items: dict[str, Extension] = {}
    sequence = reader.enter()
    while not sequence.at_end:
        item = sequence.enter()
        oid = item.read_oid()
        critical = item.read_boolean() if item.peek() == der.BOOLEAN else False
        if oid in items:
            sequence.fail(f"The extension {oid} is there twice")
        items[oid] = Extension(oid=oid, critical=critical, value=item.read_octet_string())
        item.finish()
        if len(items) > limits.extensions:
            limits.refuse("extensions", len(items), what="There are {} extensions")
    return tuple(items.values())


def find(extensions: Iterable[Extension], oid: str) -> Extension | None:
    """Return the extension with this OID, if it is there."""
    for item in extensions:
        if item.oid == oid:
            return item
    return None


def read_key_usage(extensions: Iterable[Extension]) -> frozenset[KeyUsage] | None:
    """Return the key usages; ``None`` without the extension, which means no restriction (G-10).

    :raises DecodeError: the extension is malformed.
    """
    found = find(extensions, asn1.KEY_USAGE)
    return None if found is None else _key_usages(found.value)


def read_basic_constraints(extensions: Iterable[Extension]) -> tuple[bool, int | None] | None:
    """Return whether it is a CA and its path length; ``None`` without the extension.

    :raises DecodeError: the extension is malformed.
    """
    found = find(extensions, asn1.BASIC_CONSTRAINTS)
    return None if found is None else _basic_constraints(found.value)


def read_extended_key_usage(extensions: Iterable[Extension]) -> tuple[str, ...] | None:
    """Return the purposes as dotted OIDs; ``None`` without the extension.

    :raises DecodeError: the extension is malformed.
    """
    found = find(extensions, asn1.EXTENDED_KEY_USAGE)
    return None if found is None else der.read_der(found.value, _oids)


def read_subject_key_identifier(extensions: Iterable[Extension]) -> bytes | None:
    """Return the key identifier; ``None`` without the extension.

    :raises DecodeError: the extension is malformed.
    """
    found = find(extensions, asn1.SUBJECT_KEY_IDENTIFIER)
    return None if found is None else der.read_der(found.value, der.Reader.read_octet_string)


def read_subject_alt_names(extensions: Iterable[Extension]) -> tuple[GeneralName, ...]:
    """Return the alternative names; empty without the extension.

    :raises DecodeError: the extension is malformed.

    Source: RFC 5280 section 4.2.1.6.
    """
    found = find(extensions, asn1.SUBJECT_ALT_NAME)
    return () if found is None else der.read_der(found.value, _general_names)


def read_microsoft_template_name(extensions: Iterable[Extension]) -> str | None:
    """Return the name of the version 1 template asked for; ``None`` without the extension.

    :raises DecodeError: the extension is malformed.

    Source: MS-WCCE section 2.2.2.7.7.1; V-03.
    """
    found = find(extensions, asn1.MICROSOFT_TEMPLATE_NAME)
    return None if found is None else der.read_der(found.value, der.Reader.read_text)


def read_microsoft_template(extensions: Iterable[Extension]) -> MicrosoftTemplate | None:
    """Return the version 2 template asked for; ``None`` without the extension.

    :raises DecodeError: the extension is malformed.

    Source: MS-WCCE section 2.2.2.7.7.2; V-03.
    """
    found = find(extensions, asn1.MICROSOFT_TEMPLATE)
    return None if found is None else der.read_der(found.value, _microsoft_template)


def _microsoft_template(reader: der.Reader) -> MicrosoftTemplate:
    # CertificateTemplate ::= SEQUENCE { templateID, templateMajorVersion INTEGER OPTIONAL,
    #   templateMinorVersion INTEGER OPTIONAL }
    fields = reader.enter()
    oid = fields.read_oid()
    major = fields.read_integer() if not fields.at_end else None
    minor = fields.read_integer() if not fields.at_end else None
    fields.finish()
    return MicrosoftTemplate(oid=oid, major_version=major, minor_version=minor)


# Of these two there are but a few values, and they are read of the same CA all the time.
@lru_cache(maxsize=_VALUES_KEPT)
def _key_usages(value: bytes) -> frozenset[KeyUsage]:
    bits = der.read_der(value, der.Reader.read_named_bits)
    return frozenset(_KEY_USAGES[bit] for bit in bits if bit in _KEY_USAGES)


@lru_cache(maxsize=_VALUES_KEPT)
def _basic_constraints(value: bytes) -> tuple[bool, int | None]:
    fields = der.read_der(value, der.Reader.enter)
    ca = fields.read_boolean() if fields.peek() == der.BOOLEAN else False
    path_length = fields.read_integer() if fields.peek() == der.INTEGER else None
    fields.finish()
    return ca, path_length


def _oids(reader: der.Reader) -> tuple[str, ...]:
    sequence = reader.enter()
    oids = []
    while not sequence.at_end:
        oids.append(sequence.read_oid())
    return tuple(oids)


def _general_names(reader: der.Reader) -> tuple[GeneralName, ...]:
    sequence = reader.enter()
    names = []
    while not sequence.at_end:
        names.append(_read_general_name(sequence.read_raw()))
    return tuple(names)


_IA5_KINDS = {0x81: GeneralNameKind.EMAIL, 0x82: GeneralNameKind.DNS, 0x86: GeneralNameKind.URI}


def _read_general_name(raw: bytes) -> GeneralName:
    reader = der.Reader(raw)
    if raw[0] in _IA5_KINDS:
        return GeneralName(_IA5_KINDS[raw[0]], reader.read_contents(raw[0]).decode("latin-1"))
    if raw[0] == 0x87:
        packed = reader.read_contents(raw[0])
        if len(packed) in (4, 16):
            return GeneralName(GeneralNameKind.IP, str(ipaddress.ip_address(packed)))
    if raw[0] == 0xA4:
        name = parse_name(reader.enter(raw[0]).read_raw())
        return GeneralName(GeneralNameKind.DIRECTORY_NAME, str(name))
    if raw[0] == 0xA0:
        fields = reader.enter(raw[0])
        if fields.read_oid() == asn1.MICROSOFT_UPN:
            return GeneralName(GeneralNameKind.UPN, fields.enter(der.context(0)).read_text())
    return GeneralName(GeneralNameKind.OTHER, raw.hex())
