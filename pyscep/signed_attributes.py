"""The signed attributes of a message: each OID at most once, with the values that it has.

What they mean is told by :mod:`pyscep.pki_message`; that they are genuine, by
:mod:`pyscep.cms_signed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from pyscep import asn1, der
from pyscep.errors import DuplicateAttribute, MissingAttribute
from pyscep.limits import Limits

ATTRIBUTE_NAMES = {
    asn1.CONTENT_TYPE: "contentType",
    asn1.MESSAGE_DIGEST: "messageDigest",
    asn1.SIGNING_TIME: "signingTime",
    asn1.CMS_ALGORITHM_PROTECTION: "cmsAlgorithmProtection",
    asn1.MESSAGE_TYPE: "messageType",
    asn1.PKI_STATUS: "pkiStatus",
    asn1.FAIL_INFO: "failInfo",
    asn1.SENDER_NONCE: "senderNonce",
    asn1.RECIPIENT_NONCE: "recipientNonce",
    asn1.TRANSACTION_ID: "transactionID",
    asn1.FAIL_INFO_TEXT: "failInfoText",
}
"""The signed attributes that are understood, as RFC 5652 and RFC 8894 spell them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedAttributes:
    """The signed attributes of a verified message, as DER values by OID.

    Source: RFC 5652 section 11; RFC 8894 section 3.2.1; M-11, M-40.
    """

    values: tuple[tuple[str, tuple[bytes, ...]], ...]
    """Each OID, once, with its values."""

    def get(self, oid: str) -> bytes | None:
        """Return the one value of an attribute; ``None`` if it is absent.

        :raises DuplicateAttribute: it has not exactly one value.

        Source: M-11.
        """
        for found, values in self.values:
            if found == oid:
                if len(values) != 1:
                    _refuse_duplicate(oid, len(values))
                return values[0]
        return None

    def require(self, oid: str) -> bytes:
        """As :meth:`get`, but the attribute has to be there.

        :raises MissingAttribute: it is absent.
        :raises DuplicateAttribute: it has not exactly one value.

        Source: M-09, M-12.
        """
        value = self.get(oid)
        if value is None:
            name = ATTRIBUTE_NAMES.get(oid, oid)
            raise MissingAttribute(
                f"The message lacks the signed attribute {name}; the peer does not follow "
                "RFC 8894.",
                attribute=name,
                reference="RFC 8894 section 3.2.1",
            )
        return value


def parse_attributes(contents: bytes, limits: Limits) -> SignedAttributes:
    """Read the contents of signedAttrs.

    :raises DecodeError: not attributes.
    :raises DuplicateAttribute: an attribute occurs twice.
    :raises LimitExceeded: more than ``limits.attributes``.

    Source: RFC 5652 section 5.3; M-11.
    """
    reader = der.Reader(contents)
    found: dict[str, tuple[bytes, ...]] = {}
    while not reader.at_end:
        attribute = reader.enter()
        oid = attribute.read_oid()
        values = attribute.enter(der.SET, "a SET").read_all()
        attribute.finish()
        if oid in found:
            _refuse_duplicate(oid, 2)
        found[oid] = tuple(values)
        if len(found) > limits.attributes:
            limits.refuse("attributes", len(found), what="There are {} signed attributes")
    return SignedAttributes(values=tuple(found.items()))


def _refuse_duplicate(oid: str, count: int) -> NoReturn:
    name = ATTRIBUTE_NAMES.get(oid, oid)
    raise DuplicateAttribute(
        f"The signed attribute {name} has {count} values or occurrences; it must have one.",
        attribute=name,
        reference="RFC 5652 section 11",
    )
