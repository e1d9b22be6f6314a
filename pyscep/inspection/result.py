"""What an inspection results in: a value, and its JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pyscep.certificates import Certificate
from pyscep.crl import CertificateList
from pyscep.inspection.findings import Finding
from pyscep.inspection.objects import SeenRequest, SignatureState
from pyscep.inspection.password import SeenPasswordRecipient

Details = tuple[tuple[str, str], ...]
"""Labels and values, for people."""


class Kind(Enum):
    """What bytes can turn out to be."""

    PKI_MESSAGE = "pki_message"
    """A SCEP message, request or reply."""
    DEGENERATE = "degenerate"
    """Certificates and CRLs in PKCS #7: GetCACert with a chain, or the content of a SUCCESS."""
    NEXT_CA_CERTIFICATES = "next_ca_certificates"
    """An answer to GetNextCACert."""
    SIGNED_DATA = "signed_data"
    """Some other CMS SignedData."""
    ENVELOPED_DATA = "enveloped_data"
    """An envelope without its signed message."""
    CERTIFICATE = "certificate"
    """One certificate, also as the answer to GetCACert; or several in PEM."""
    CSR = "csr"
    """A PKCS #10 certification request."""
    CRL = "crl"
    """A certificate revocation list."""
    PRIVATE_KEY = "private_key"
    """A private key; it is not shown."""
    PUBLIC_KEY = "public_key"
    """A SubjectPublicKeyInfo."""
    PKCS12 = "pkcs12"
    """A PKCS #12 file; it is not opened."""
    ISSUER_AND_SERIAL_NUMBER = "issuer_and_serial_number"
    """The content of a GetCert or GetCRL."""
    ISSUER_AND_SUBJECT = "issuer_and_subject"
    """The content of a CertPoll."""
    CAPABILITIES = "capabilities"
    """An answer to GetCACaps."""
    GET_REQUEST = "get_request"
    """The URL of a GET that carries no pkiMessage."""
    DER = "der"
    """ASN.1 that is none of these."""
    EMPTY = "empty"
    """Nothing."""
    UNKNOWN = "unknown"
    """Something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found out about some bytes; what does not apply is ``None``.

    Source: RFC 8894 section 3; H-10, S-24.
    """

    kind: Kind
    """What it is."""
    wrapping: tuple[str, ...] = ()
    """What was around it, from the outside: ``GET URL``, ``base64``, ``PEM``."""
    size: int = 0
    """Bytes of the thing itself."""
    message_type: str | None = None
    """As RFC 8894 spells it, such as ``PKCSReq``; one that it does not have, as it was sent."""
    transaction_id: str | None = None
    """As it was sent."""
    sender_nonce: bytes | None = None
    """As it was sent, of whatever size."""
    recipient_nonce: bytes | None = None
    """As it was sent, of whatever size."""
    pki_status: str | None = None
    """``SUCCESS``, ``FAILURE``, ``PENDING``; another one as it was sent."""
    fail_info: str | None = None
    """As RFC 8894 spells it, such as ``badRequest``; another one as it was sent."""
    fail_info_text: str | None = None
    """For people."""
    digest_algorithm: str | None = None
    """The name of a :class:`~pyscep.algorithms.DigestAlgorithm`, or the OID of another one."""
    signature_algorithm: str | None = None
    """The name of a :class:`~pyscep.algorithms.SignatureAlgorithm`, or the OID."""
    content_encryption_algorithm: str | None = None
    """The name of a :class:`~pyscep.algorithms.ContentEncryptionAlgorithm`, or the OID."""
    key_encryption_algorithm: str | None = None
    """The name of a :class:`~pyscep.algorithms.KeyEncryptionAlgorithm`, or the OID; ``PASSWORD``
    for a recipient by password."""
    password_recipient: SeenPasswordRecipient | None = None
    """How the envelope is encrypted with a password, if it is."""
    signature: SignatureState | None = None
    """What is known of the signature of the thing itself."""
    decrypted: bool | None = None
    """Whether one of the given keys or passwords opened the envelope."""
    certificates: tuple[Certificate, ...] | None = None
    """Those inside the envelope first, then those beside it."""
    crls: tuple[CertificateList, ...] | None = None
    """CRLs, wherever they were."""
    csr: SeenRequest | None = None
    """The certification request, if it could be read."""
    findings: tuple[Finding, ...] = ()
    """Departures from RFC 8894 and what else is worth knowing."""
    details: Details = ()
    """More for people: names and values."""

    def to_json_object(self) -> dict[str, Any]:
        """Return it with the keys of ``pyscep inspect --json``, ready for :func:`json.dumps`."""
        return {
            "kind": self.kind.value,
            "message_type": self.message_type,
            "transaction_id": self.transaction_id,
            "sender_nonce": _hex(self.sender_nonce),
            "recipient_nonce": _hex(self.recipient_nonce),
            "pki_status": self.pki_status,
            "fail_info": self.fail_info,
            "fail_info_text": self.fail_info_text,
            "digest_algorithm": self.digest_algorithm,
            "signature_algorithm": self.signature_algorithm,
            "content_encryption_algorithm": self.content_encryption_algorithm,
            "key_encryption_algorithm": self.key_encryption_algorithm,
            "password_recipient": _password_json(self.password_recipient),
            "signature": None if self.signature is None else self.signature.value,
            "decrypted": self.decrypted,
            "certificates": _listed(self.certificates, _certificate_json),
            "crls": _listed(self.crls, _crl_json),
            "csr": None if self.csr is None else _csr_json(self.csr),
            "findings": [
                {"id": each.id, "level": each.level.value, "text": each.text}
                for each in self.findings
            ],
        }


def _password_json(recipient: SeenPasswordRecipient | None) -> dict[str, object] | None:
    if recipient is None:
        return None
    return {
        "key_derivation": recipient.key_derivation,
        "pseudo_random_function": recipient.pseudo_random_function,
        "iterations": recipient.iterations,
        "salt_size": recipient.salt_size,
        "key_encryption": recipient.key_encryption,
        "content_encryption_algorithm": recipient.content_encryption_algorithm,
    }


def _hex(octets: bytes | None) -> str | None:
    return None if octets is None else octets.hex()


def _listed(values: Iterable[Any] | None, show: Callable[[Any], object]) -> list[object] | None:
    return None if values is None else [show(value) for value in values]


def _certificate_json(certificate: Certificate) -> dict[str, str]:
    return {
        "subject": str(certificate.subject),
        "issuer": str(certificate.issuer),
        "serial": _serial(certificate.serial_number),
        "sha256": certificate.sha256_fingerprint,
    }


def _serial(number: int) -> str:
    """Return a serial number as other tools show it: whole bytes in hexadecimal."""
    digits = f"{abs(number):x}"
    return f"{'-' if number < 0 else ''}{'0' * (len(digits) % 2)}{digits}"


_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


def _crl_json(crl: CertificateList) -> dict[str, str | None]:
    return {
        "issuer": str(crl.issuer),
        "this_update": f"{crl.this_update:{_MOMENT}}",
        "next_update": None if crl.next_update is None else f"{crl.next_update:{_MOMENT}}",
    }


def _csr_json(csr: SeenRequest) -> dict[str, object]:
    return {
        "subject": csr.subject,
        "sans": list(csr.sans),
        "has_challenge": csr.has_challenge,
        "signature": csr.signature.value,
    }
