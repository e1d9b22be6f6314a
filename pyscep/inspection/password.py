"""What a PasswordRecipientInfo says of itself: how the key comes from a password, and what it does.

None of it is secret, and no password is needed to see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pyscep import asn1, der
from pyscep.crypto.key_files import HMACS, PBKDF2_OID
from pyscep.inspection.ciphers import about_cipher, cipher_name, cipher_of
from pyscep.inspection.elements import Element
from pyscep.inspection.findings import Departure, Finding
from pyscep.limits import Limits

_NAMES = {PBKDF2_OID: "PBKDF2", asn1.PWRI_KEK: "PWRI-KEK"}
# What PBKDF2 takes if it does not say.
_DEFAULT_PRF = "HMAC_SHA1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPasswordRecipient:
    """A PasswordRecipientInfo; what cannot be read is ``None``.

    Source: RFC 5652 section 6.2.4; RFC 8018 appendix A.2; E-23, E-25.
    """

    key_derivation: str | None
    """``PBKDF2``, or the OID of another way from the password to the key."""
    pseudo_random_function: str | None
    """``HMAC_SHA256`` and so on, or the OID."""
    iterations: int | None
    """Of the key derivation."""
    salt_size: int | None
    """Bytes of salt."""
    key_encryption: str | None
    """``PWRI-KEK``, or the OID of another way to encrypt the content key."""
    content_encryption_algorithm: str | None
    """The cipher that it uses for that: a name, or the OID."""
    findings: tuple[Finding, ...] = field(repr=False)
    """What is wrong."""


def see_password_recipient(info: Element, limits: Limits) -> SeenPasswordRecipient:
    """Look at a PasswordRecipientInfo.

    Source: RFC 5652 section 6.2.4; E-10 to E-14, E-23, E-25.
    """
    derivation, encryption = info.find(der.context(0)), info.find(der.SEQUENCE)
    scheme = _oid(derivation)
    parameters = None if scheme != PBKDF2_OID or derivation is None else derivation.at(1)
    salt = _string(parameters, 0)
    counted = None if parameters is None else parameters.find(der.INTEGER)
    is_complete = salt is not None and counted is not None
    prf = None if parameters is None or not is_complete else _prf(parameters)
    wrap = _oid(encryption)
    inner = None if wrap != asn1.PWRI_KEK or encryption is None else encryption.at(1)
    cipher = _oid(inner)
    findings = [*_about_derivation(scheme, is_complete=is_complete)]
    if counted is not None and is_complete:
        findings += _about_cost(counted, prf, limits)
    if inner is None:
        findings.append(_wrong(f"The content key is encrypted by {wrap or '?'}, not by PWRI-KEK."))
    else:
        findings += about_cipher(cipher, _string(inner, 1), "content key")
        findings += _about_wrapped(_string(info, -1), cipher)
    return SeenPasswordRecipient(
        key_derivation=_name(scheme),
        pseudo_random_function=prf,
        iterations=None if counted is None else counted.integer(),
        salt_size=None if salt is None else len(salt),
        key_encryption=_name(wrap),
        content_encryption_algorithm=cipher_name(cipher),
        findings=tuple(findings),
    )


def _about_derivation(scheme: str | None, *, is_complete: bool) -> Iterator[Finding]:
    if scheme is None:
        yield _wrong("The password recipient does not say how its key is derived.")
    elif scheme != PBKDF2_OID:
        yield _wrong(f"The key of the password recipient is derived by {scheme}, not by PBKDF2.")
    elif not is_complete:
        yield _wrong("The parameters of PBKDF2 lack the salt or the number of iterations.")


def _about_cost(counted: Element, prf: str | None, limits: Limits) -> Iterator[Finding]:
    iterations, most = counted.integer(), limits.message_kdf_iterations
    if iterations is None or not 1 <= iterations <= most:
        shown = "a number of" if iterations is None else iterations
        yield Departure.KEY_DERIVATION.found(
            f"PBKDF2 is to do {shown} iterations; from 1 to {most} are read."
        )
    if prf is None or not prf.startswith("HMAC"):
        yield Departure.KEY_DERIVATION.found(
            f"PBKDF2 is to use {prf or '?'}, which is no pseudo-random function that is read."
        )


def _about_wrapped(wrapped: bytes | None, oid: str | None) -> Iterator[Finding]:
    cipher = cipher_of(oid)
    size = len(wrapped or b"")
    if cipher is not None and (size < 2 * cipher.block_size or size % cipher.block_size):
        yield _wrong(
            f"The wrapped content key has {size} bytes, which are not whole blocks of "
            f"{cipher.block_size}, two or more."
        )


def _wrong(text: str) -> Finding:
    return Departure.PASSWORD_FORM.found(text)


def _prf(parameters: Element) -> str | None:
    named = parameters.find(der.SEQUENCE)
    if named is None:
        return _DEFAULT_PRF
    oid = _oid(named)
    return f"HMAC_{HMACS[oid].name}" if oid in HMACS else oid


def _oid(algorithm: Element | None) -> str | None:
    found = None if algorithm is None else algorithm.at(0)
    return None if found is None or found.tag != der.OID else found.oid()


def _string(element: Element | None, position: int) -> bytes | None:
    found = None if element is None else element.at(position)
    if found is None or found.tag & ~der.CONSTRUCTED != der.OCTET_STRING:
        return None
    return found.string()


def _name(oid: str | None) -> str | None:
    return _NAMES.get(oid or "", oid)
