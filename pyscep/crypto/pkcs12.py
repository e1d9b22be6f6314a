"""PKCS #12 files taken apart: private keys and certificates, whatever the provider.

What is read is a file of the caller's own; its MAC is checked before anything inside is looked at.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field

from pyscep import ber, der
from pyscep.algorithms import DigestAlgorithm
from pyscep.crypto.key_files import (
    PasswordTools,
    check_iterations,
    decrypt_pbe,
    password_bytes,
    refuse_scheme,
    to_pkcs8,
)
from pyscep.errors import DecodeError, DecryptionFailed
from pyscep.keys import PrivateKey

_DATA_OID = "1.2.840.113549.1.7.1"
_ENCRYPTED_DATA_OID = "1.2.840.113549.1.7.6"
_BAGS = "1.2.840.113549.1.12.10.1."
_KEY_BAG, _SHROUDED_KEY_BAG, _CERT_BAG, _SAFE_CONTENTS_BAG = (_BAGS + arc for arc in "1236")
_X509_CERTIFICATE_OID = "1.2.840.113549.1.9.22.1"
_MAC_PURPOSE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pkcs12:
    """A private key with its certificates."""

    key: PrivateKey
    """The first private key that has a certificate; the first of all if none has."""
    certificate: bytes | None
    """The DER certificate of :attr:`key`, if there is one."""
    certificates: tuple[bytes, ...] = field(repr=False)
    """All other certificates in DER, in the order of the file."""


@dataclass(frozen=True, slots=True)
class Pkcs12Contents:
    """What a PKCS #12 file holds, before any key is loaded."""

    keys: list[bytes] = field(default_factory=list, repr=False)
    """Plain PKCS #8 PrivateKeyInfo in DER."""
    certificates: list[bytes] = field(default_factory=list, repr=False)
    """DER certificates."""


def read_pkcs12(octets: bytes, password: str | None, tools: PasswordTools) -> Pkcs12Contents:
    """Take a PKCS #12 file apart, in BER or DER.

    :raises DecodeError: not PKCS #12.
    :raises UsageError: protected by a password, and none is given.
    :raises DecryptionFailed: wrong password.
    :raises UnsupportedError: a protection that is not supported, such as RC2 or public keys.
    :raises LimitExceeded: too many certificates, iterations or levels.

    Source: RFC 7292 section 4; S-19.
    """
    octets = ber.from_ber(octets, limits=tools.limits)
    safe, mac = der.read_der(octets, _read_pfx)
    if mac is not None:
        _check_mac(mac, safe, password, tools)
    contents = Pkcs12Contents()
    for content_info in _elements(safe, tools):
        kind, body = _read_tagged(content_info)
        _collect(_safe_contents(kind, body, password, tools), contents, password, tools)
    return contents


def _read_pfx(reader: der.Reader) -> tuple[bytes, der.Reader | None]:
    """Return the octets that the MAC covers, and MacData."""
    pfx = reader.enter()
    if pfx.read_integer() != 3:
        pfx.fail("A PKCS #12 file has version 3")
    kind, body = _read_tagged(pfx.enter())
    if kind != _DATA_OID:
        refuse_scheme("PKCS #12 in public-key integrity mode")
    return body.read_octet_string(), pfx.enter_optional(der.SEQUENCE)


def _read_tagged(fields: der.Reader) -> tuple[str, der.Reader]:
    """Read an OID, and enter the explicit [0] behind it."""
    return fields.read_oid(), fields.enter(der.context(0))


def _elements(octets: bytes, tools: PasswordTools) -> Iterator[der.Reader]:
    """Enter the elements of one SEQUENCE OF SEQUENCE, one after the other."""
    elements = der.Reader(ber.from_ber(octets, limits=tools.limits)).enter()
    while not elements.at_end:
        yield elements.enter()


def _check_mac(mac: der.Reader, safe: bytes, password: str | None, tools: PasswordTools) -> None:
    digest_info, salt = mac.enter(), mac.read_octet_string()
    iterations = 1 if mac.at_end else mac.read_integer()
    oid = digest_info.enter().read_oid()
    digest = next((known for known in DigestAlgorithm if known.oid == oid), None)
    if digest is None:
        refuse_scheme(oid)
    check_iterations(iterations, tools.limits)
    password_bytes(password)
    key = tools.pkcs12_kdf(digest, password or "", salt, iterations, digest.size, _MAC_PURPOSE)
    actual = hmac.new(key, safe, digest.name.lower()).digest()
    if not hmac.compare_digest(actual, digest_info.read_octet_string()):
        raise DecryptionFailed


def _safe_contents(
    kind: str, body: der.Reader, password: str | None, tools: PasswordTools
) -> Iterator[der.Reader]:
    """Return the bags of one SafeContents, decrypted."""
    if kind == _DATA_OID:
        return _elements(body.read_octet_string(), tools)
    if kind != _ENCRYPTED_DATA_OID:
        refuse_scheme("PKCS #12 in public-key privacy mode")
    encrypted_data = body.enter()
    encrypted_data.read_integer()
    fields = encrypted_data.enter()
    fields.read_oid()
    algorithm, ciphertext = fields.read_raw(), fields.read_implicit_octet_string(0)
    return _elements(decrypt_pbe(algorithm, ciphertext, password, tools), tools)


def _collect(
    bags: Iterator[der.Reader],
    contents: Pkcs12Contents,
    password: str | None,
    tools: PasswordTools,
) -> None:
    for bag in bags:
        kind, value = _read_tagged(bag)
        if kind in (_KEY_BAG, _SHROUDED_KEY_BAG):
            contents.keys.append(to_pkcs8(value.read_raw(), password, tools))
        elif kind == _CERT_BAG:
            certificate_kind, body = _read_tagged(value.enter())
            if certificate_kind == _X509_CERTIFICATE_OID:
                contents.certificates.append(body.read_octet_string())
        elif kind == _SAFE_CONTENTS_BAG:
            _collect(_elements(value.read_raw(), tools), contents, password, tools)
        # CRLs and secrets are passed over.
        count = len(contents.keys) + len(contents.certificates)
        tools.limits.check("certificates", count, what="The file holds {} certificates")


def public_key_of(certificate: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a DER certificate.

    :raises DecodeError: not a certificate.

    Source: RFC 5280 section 4.1.
    """
    fields = der.Reader(certificate).enter().enter()
    fields.enter_optional(der.context(0))  # version
    for _ in range(5):  # serialNumber, signature, issuer, validity, subject
        fields.read_raw()
    return fields.read_raw_of(der.SEQUENCE, "a SubjectPublicKeyInfo")


def choose(keys: list[PrivateKey], certificates: list[bytes]) -> Pkcs12:
    """Find the key that has a certificate, and its certificate.

    :raises DecodeError: there is no private key.
    """
    if not keys:
        raise DecodeError("The PKCS #12 file holds no private key.")
    owners = {public_key_of(certificate): certificate for certificate in reversed(certificates)}
    key = next((key for key in keys if key.public_key in owners), keys[0])
    own = owners.get(key.public_key)
    others = list(certificates)
    if own is not None:
        others.remove(own)
    return Pkcs12(key=key, certificate=own, certificates=tuple(others))
