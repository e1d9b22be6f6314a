"""CMS as it was found: SignedData and EnvelopedData with whatever of them can be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pyscep import asn1, der
from pyscep.inspection.elements import Element
from pyscep.signed_attributes import ATTRIBUTE_NAMES

_NAMES = {
    **ATTRIBUTE_NAMES,
    asn1.FAIL_INFO_TEXT_SHORT: "failInfoText",
    asn1.NDES_HRESULT: "HRESULT",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAttribute:
    """One signed attribute, as often as it was there."""

    oid: str
    """Its OID; empty if it cannot be read."""
    values: tuple[Element, ...]
    """Its values."""

    @property
    def name(self) -> str:
        """Its name as in the RFC, else its OID."""
        return _NAMES.get(self.oid, self.oid)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSigner:
    """One SignerInfo.

    Source: RFC 5652 section 5.3; M-06, M-10.
    """

    version: int | None
    """Its version."""
    sid: Element | None
    """What names the signer's certificate."""
    digest_oid: str | None
    """The hash that it names."""
    attributes: tuple[SeenAttribute, ...] | None
    """The signed attributes in the order received; ``None`` if there are none at all."""
    is_sorted: bool
    """Whether they are in the order of DER."""
    signature_oid: str | None
    """The signature algorithm that it names."""
    signature_identifier: bytes = field(repr=False)
    """The same with its parameters."""
    unsigned: int
    """How many unsigned attributes there are."""

    def get(self, *oids: str) -> Element | None:
        """Return the first value of the first of these attributes that is there."""
        for attribute in self.attributes or ():
            if attribute.oid in oids and attribute.values:
                return attribute.values[0]
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSignedData:
    """A SignedData.

    Source: RFC 5652 section 5.1; M-01, M-04, M-06.
    """

    version: int | None
    """Its version."""
    digest_oids: tuple[str, ...]
    """The hashes that it announces."""
    content_type: str | None
    """The eContentType."""
    content: bytes | None = field(repr=False)
    """The eContent; ``None`` without ``[0]``."""
    certificates: tuple[bytes, ...] = field(repr=False)
    """What looks like certificates, as received."""
    crls: tuple[bytes, ...] = field(repr=False)
    """What looks like CRLs."""
    others: int
    """How many other things stand among the certificates and CRLs."""
    signers: tuple[SeenSigner, ...]
    """The SignerInfos."""

    @property
    def has_content(self) -> bool:
        """Whether there is content, other than the known spellings of "nothing" (M-04)."""
        return self.content not in (None, b"", b"\x00")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRecipient:
    """One RecipientInfo.

    Source: RFC 5652 section 6.2; E-03, E-28.
    """

    info: Element
    """All of it."""
    tag: int
    """SEQUENCE for key transport, else a context tag."""
    rid: Element | None
    """What names the recipient's certificate, in key transport."""
    algorithm_oid: str | None
    """The key encryption algorithm of key transport."""
    algorithm_identifier: bytes = field(repr=False)
    """The same with its parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenEnvelopedData:
    """An EnvelopedData.

    Source: RFC 5652 section 6.1; E-01, E-17, E-22.
    """

    version: int | None
    """Its version."""
    recipients: tuple[SeenRecipient, ...]
    """Its recipients."""
    inner_type: str | None
    """The type of what is encrypted."""
    cipher_oid: str | None
    """The content cipher."""
    iv: bytes | None = field(repr=False)
    """The IV, if the parameters are one."""
    in_pieces: bool
    """Whether encryptedContent is constructed."""
    size: int
    """Bytes of ciphertext."""


def content_type_of(element: Element) -> str | None:
    """Return the type of a ContentInfo; ``None`` if it is none."""
    first, second = element.at(0), element.at(1)
    if element.tag != der.SEQUENCE or first is None or first.tag != der.OID:
        return None
    if second is not None and second.tag != der.context(0):
        return None
    return first.oid()


def see_signed_data(element: Element) -> SeenSignedData:
    """Look at a ContentInfo of type signedData.

    Source: RFC 5652 section 5.1.
    """
    body = element.at(1, 0)
    fields = () if body is None else body.children()
    encapsulated = next((each for each in fields if each.tag == der.SEQUENCE), None)
    sets = [each for each in fields if each.tag == der.SET]
    bags = [each for each in fields if each.tag in (der.context(0), der.context(1))]
    members = [member for bag in bags for member in bag.children()]
    return SeenSignedData(
        version=_version(fields),
        digest_oids=() if not sets else tuple(_oid_of(each) or "" for each in sets[0].children()),
        content_type=None if encapsulated is None else _oid_at(encapsulated, 0),
        content=None if encapsulated is None else _content(encapsulated),
        certificates=_members(bags, der.context(0)),
        crls=_members(bags, der.context(1)),
        others=sum(member.tag != der.SEQUENCE for member in members),
        signers=tuple(map(_see_signer, sets[-1].children())) if len(sets) > 1 else (),
    )


def see_enveloped_data(element: Element) -> SeenEnvelopedData:
    """Look at a ContentInfo of type envelopedData.

    Source: RFC 5652 section 6.1.
    """
    body = element.at(1, 0)
    fields = () if body is None else body.children()
    recipients = next((each for each in fields if each.tag == der.SET), None)
    encrypted = next((each for each in fields if each.tag == der.SEQUENCE), None)
    algorithm = None if encrypted is None else encrypted.at(1)
    parameters = None if algorithm is None else algorithm.at(1)
    ciphertext = None if encrypted is None else encrypted.at(2)
    return SeenEnvelopedData(
        version=_version(fields),
        recipients=() if recipients is None else tuple(map(_see_recipient, recipients.children())),
        inner_type=None if encrypted is None else _oid_at(encrypted, 0),
        cipher_oid=None if algorithm is None else _oid_at(algorithm, 0),
        iv=parameters.contents
        if parameters is not None and parameters.tag == der.OCTET_STRING
        else None,
        in_pieces=ciphertext is not None and ciphertext.tag == der.context(0),
        size=0 if ciphertext is None else len(ciphertext.string()),
    )


def _see_signer(info: Element) -> SeenSigner:
    fields = info.children()
    attributes = info.find(der.context(0))
    sequences = [each for each in fields[1:] if each.tag == der.SEQUENCE]
    sid = fields[1] if len(fields) > 1 else None
    if sid is not None and sid.tag == der.SEQUENCE:
        sequences = sequences[1:]
    unsigned = info.find(der.context(1))
    signature = sequences[1] if len(sequences) > 1 else None
    encoded = [] if attributes is None else [each.octets for each in attributes.children()]
    return SeenSigner(
        version=_version(fields),
        sid=sid,
        digest_oid=_oid_of(sequences[0]) if sequences else None,
        attributes=None if attributes is None else tuple(_attributes(attributes)),
        is_sorted=encoded == sorted(encoded),
        signature_oid=None if signature is None else _oid_of(signature),
        signature_identifier=b"" if signature is None else signature.der(),
        unsigned=0 if unsigned is None else len(unsigned.children()),
    )


def _attributes(field_: Element) -> Iterator[SeenAttribute]:
    for attribute in field_.children():
        values = attribute.at(1)
        yield SeenAttribute(
            oid=_oid_at(attribute, 0) or "", values=() if values is None else values.children()
        )


def _see_recipient(info: Element) -> SeenRecipient:
    transports = info.tag == der.SEQUENCE
    algorithm = info.at(2) if transports else None
    return SeenRecipient(
        info=info,
        tag=info.tag,
        rid=info.at(1) if transports else None,
        algorithm_oid=None if algorithm is None else _oid_of(algorithm),
        algorithm_identifier=b"" if algorithm is None else algorithm.der(),
    )


def _content(encapsulated: Element) -> bytes | None:
    wrapper = encapsulated.at(1)
    inner = None if wrapper is None else wrapper.at(0)
    # Old software puts the structure itself there, not an OCTET STRING that holds it.
    if inner is not None and inner.tag & ~der.CONSTRUCTED != der.OCTET_STRING:
        return inner.octets
    if wrapper is not None and inner is None:
        return wrapper.contents
    return None if inner is None else inner.string()


def _members(bags: Sequence[Element], tag: int) -> tuple[bytes, ...]:
    return tuple(
        member.octets
        for bag in bags
        if bag.tag == tag
        for member in bag.children()
        if member.tag == der.SEQUENCE
    )


def _version(fields: Sequence[Element]) -> int | None:
    return fields[0].integer() if fields else None


def _oid_of(algorithm: Element) -> str | None:
    return _oid_at(algorithm, 0)


def _oid_at(element: Element, position: int) -> str | None:
    found = element.at(position)
    return None if found is None or found.tag != der.OID else found.oid()
