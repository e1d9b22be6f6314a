"""How certificates are shown: as text for people, as JSON for programs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from pyscep.algorithms import KeyType
from pyscep.ca import TrustedCa
from pyscep.certificates import Certificate, key_type_of, rsa_bits_of
from pyscep.cli.terminal import Shape, table
from pyscep.extensions import GeneralName


def certificate_shape(certificate: Certificate) -> Shape:
    """Return the JSON form of a certificate, the same in every command."""
    return {
        "subject": str(certificate.subject),
        "issuer": str(certificate.issuer),
        "serial": serial(certificate.serial_number),
        "not_before": moment(certificate.not_before),
        "not_after": moment(certificate.not_after),
        "subject_alt_names": [spelled_name(name) for name in certificate.subject_alt_names],
        "key": spelled_key(certificate.public_key),
        "sha256": certificate.sha256_fingerprint,
    }


def certificate_text(
    certificate: Certificate, *, roles: Sequence[str] = (), sha1: bool = False, indent: str = ""
) -> str:
    """Return the form for people.

    :param roles: what the certificate is for, see :func:`roles_of`.
    :param sha1: whether the SHA-1 fingerprint is shown too.
    """
    names = ", ".join(spelled_name(name) for name in certificate.subject_alt_names)
    rows = (
        ("Subject", str(certificate.subject) or "(empty)"),
        ("Issuer", certificate.issuer),
        ("Serial number", serial(certificate.serial_number)),
        ("Validity", f"{moment(certificate.not_before)} to {moment(certificate.not_after)}"),
        ("Alternative names", names or None),
        ("Key", spelled_key(certificate.public_key)),
        ("Roles", ", ".join(roles) or None),
        ("SHA-256", certificate.sha256_fingerprint),
        ("SHA-1", sha1_fingerprint(certificate) if sha1 else None),
    )
    return table(rows, indent=indent)


def sha1_fingerprint(certificate: Certificate) -> str:
    """Return the SHA-1 over the DER, for CAs that print nothing better (G-15)."""
    return hashlib.sha1(certificate.der, usedforsecurity=False).hexdigest()


def roles_of(certificate: Certificate, ca: TrustedCa | None) -> list[str]:
    """Return what a certificate of a CA is for: issuer, signer, recipient, root."""
    if ca is None:
        return []
    chain = ca.chain.certificates
    roles = {
        "issuer": certificate == ca.issuer,
        "signer": certificate in ca.signers,
        "recipient": certificate == ca.recipient,
        "root": ca.chain.is_complete and certificate == chain[-1],
    }
    return [role for role, has in roles.items() if has]


def pem(certificates: Iterable[Certificate]) -> bytes:
    """Return certificates in one PEM file."""
    return "".join(certificate.pem() for certificate in certificates).encode("ascii")


def moment(time: datetime) -> str:
    """Return a time in UTC in the form of RFC 3339, to the second."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def serial(number: int) -> str:
    """Return a serial number as ``openssl x509 -serial`` shows it, in lower case."""
    digits = f"{abs(number):x}"
    return f"{'-' if number < 0 else ''}{'0' * (len(digits) % 2)}{digits}"


def spelled_name(name: GeneralName) -> str:
    """Return an alternative name as ``--san`` takes it."""
    return f"{name.kind.value}:{name.value}"


def spelled_key(public_key: bytes) -> str:
    """Return the kind of a key, and the size of an RSA key."""
    kind = key_type_of(public_key)
    if kind is KeyType.RSA:
        return f"RSA {rsa_bits_of(public_key)}"
    return "unknown" if kind is None else kind.name
