"""What SCEP messages say: types, statuses, failure reasons, and each message as a value.

These are the contents. :mod:`pyscep.pki_message` signs and encrypts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Union

from pyscep import der
from pyscep.cms_signed import CertificateBag, degenerate, parse_degenerate
from pyscep.errors import UnexpectedMessageType
from pyscep.identifiers import IssuerAndSerialNumber, read_issuer_and_serial_number
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.names import Name, parse_name
from pyscep.pkcs10 import CertificationRequest, parse_csr
from pyscep.secrecy import hides_locals


class MessageType(Enum):
    """messageType, with its wire value (RFC 8894 section 3.2.1.2; M-15, M-21)."""

    CERT_REP = 3
    RENEWAL_REQ = 17
    PKCS_REQ = 19
    CERT_POLL = 20
    """GetCertInitial in the drafts (L-02)."""
    GET_CERT = 21
    GET_CRL = 22


class PkiStatus(Enum):
    """pkiStatus, with its wire value (RFC 8894 section 3.2.1.3; M-22)."""

    SUCCESS = 0
    FAILURE = 2
    PENDING = 3


class FailInfo(Enum):
    """failInfo, with its wire value (RFC 8894 section 3.2.1.4; M-23)."""

    BAD_ALG = 0
    BAD_MESSAGE_CHECK = 1
    BAD_REQUEST = 2
    BAD_TIME = 3
    BAD_CERT_ID = 4

    @property
    def rfc_name(self) -> str:
        """The name that RFC 8894 gives it, such as ``badRequest``."""
        first, *rest = self.name.lower().split("_")
        return first + "".join(part.capitalize() for part in rest)


# ---------------------------------------------------------------------------------- the messages


@dataclass(frozen=True, slots=True, kw_only=True)
class PKCSReq:
    """Ask for a certificate, authorised by a shared secret or by hand (RFC 8894 section 3.3.1)."""

    csr: CertificationRequest
    """The certification request."""

    @property
    def message_type(self) -> MessageType:
        """Always PKCS_REQ."""
        return MessageType.PKCS_REQ

    def encode(self) -> bytes:
        """Return the messageData; it holds the challenge password."""
        return self.csr.der


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalReq:
    """Ask for a certificate, authorised by an existing one (RFC 8894 section 3.3.1)."""

    csr: CertificationRequest
    """The certification request."""

    @property
    def message_type(self) -> MessageType:
        """Always RENEWAL_REQ."""
        return MessageType.RENEWAL_REQ

    def encode(self) -> bytes:
        """Return the messageData; it may hold a challenge password."""
        return self.csr.der


@dataclass(frozen=True, slots=True, kw_only=True)
class CertPoll:
    """Ask what has become of a pending request (RFC 8894 section 3.3.3; P-01, P-02)."""

    issuer: Name
    """The CA's subject: the future issuer."""
    subject: Name
    """The subject of the certification request."""

    @property
    def message_type(self) -> MessageType:
        """Always CERT_POLL."""
        return MessageType.CERT_POLL

    def encode(self) -> bytes:
        """Return the messageData, a DER IssuerAndSubject."""
        return der.sequence(self.issuer.der, self.subject.der)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetCert:
    """Ask for a certificate by its serial number (RFC 8894 section 3.3.4; Q-01)."""

    identifier: IssuerAndSerialNumber
    """Which certificate."""

    @property
    def message_type(self) -> MessageType:
        """Always GET_CERT."""
        return MessageType.GET_CERT

    def encode(self) -> bytes:
        """Return the messageData, a DER IssuerAndSerialNumber."""
        return self.identifier.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class GetCRL:
    """Ask for the CRL that covers a certificate (RFC 8894 section 3.3.4; Q-01, Q-04)."""

    identifier: IssuerAndSerialNumber
    """The certificate whose status is wanted."""

    @property
    def message_type(self) -> MessageType:
        """Always GET_CRL."""
        return MessageType.GET_CRL

    def encode(self) -> bytes:
        """Return the messageData, a DER IssuerAndSerialNumber."""
        return self.identifier.encode()


Request = Union[PKCSReq, RenewalReq, CertPoll, GetCert, GetCRL]
"""Any message that a client sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertRep:
    """The server's answer to any of them (RFC 8894 section 3.3.2; A-01, A-05 to A-07)."""

    pki_status: PkiStatus
    """Which of the three answers it is."""
    certificates: tuple[bytes, ...] = field(default=(), repr=False)
    """For SUCCESS: the DER of the certificate asked for first, then of others."""
    crl: bytes | None = field(default=None, repr=False)
    """For SUCCESS to GetCRL: the DER CRL."""
    fail_info: FailInfo | None = None
    """For FAILURE: why."""
    fail_info_text: str | None = None
    """For FAILURE: why, for people (M-24)."""
    challenge_password: str | None = field(default=None, repr=False)
    """That of the request, which a SUCCESS is encrypted with if the client's key cannot decrypt; it
    is not part of the message (E-04)."""

    @property
    def message_type(self) -> MessageType:
        """Always CERT_REP."""
        return MessageType.CERT_REP

    def encode(self) -> bytes | None:
        """Return the messageData: a degenerate SignedData, or ``None`` if there is nothing in it.

        Source: RFC 8894 section 3.3.2; M-03, A-01, A-05, A-06, A-07.
        """
        if self.pki_status is not PkiStatus.SUCCESS:
            return None
        crls: Sequence[bytes] = () if self.crl is None else (self.crl,)
        return degenerate(self.certificates, crls)


# --------------------------------------------------------------------------- reading messageData


@hides_locals
def parse_request(
    message_type: MessageType, octets: bytes, *, limits: Limits = DEFAULT_LIMITS
) -> Request:
    """Read the decrypted messageData of a request.

    :param message_type: any but CERT_REP.
    :raises DecodeError: it does not fit the messageType.
    :raises UnexpectedMessageType: CERT_REP, which is no request.
    :raises DuplicateAttribute: see :func:`pyscep.pkcs10.parse_csr`.

    Source: RFC 8894 section 3.3; M-02, E-02, P-01, Q-01.
    """
    if message_type is MessageType.CERT_REP:
        raise UnexpectedMessageType(
            "A CertRep is an answer, so it cannot be read as a request.",
            actual=str(message_type.value),
        )
    match message_type:
        case MessageType.PKCS_REQ:
            return PKCSReq(csr=parse_csr(octets, limits=limits))
        case MessageType.RENEWAL_REQ:
            return RenewalReq(csr=parse_csr(octets, limits=limits))
        case MessageType.CERT_POLL:
            return parse_cert_poll(octets, limits=limits)
        case MessageType.GET_CERT:
            return GetCert(identifier=parse_identifier(octets, limits=limits))
        case _:
            return GetCRL(identifier=parse_identifier(octets, limits=limits))


def parse_cert_rep_content(octets: bytes, *, limits: Limits = DEFAULT_LIMITS) -> CertificateBag:
    """Read the decrypted messageData of a SUCCESS: a degenerate SignedData.

    :raises DecodeError: not that structure.

    Source: RFC 8894 section 3.4; D-04, D-05, D-06.
    """
    return parse_degenerate(octets, limits=limits)


def parse_cert_poll(octets: bytes, *, limits: Limits = DEFAULT_LIMITS) -> CertPoll:
    """Read the messageData of a CertPoll.

    :raises DecodeError: not an IssuerAndSubject.
    :raises LimitExceeded: a name with more attributes or bytes than *limits* allow.

    Source: RFC 8894 section 3.3.3; P-01.
    """
    return der.read_der(octets, lambda reader: _read_cert_poll(reader, limits))


def parse_identifier(octets: bytes, *, limits: Limits = DEFAULT_LIMITS) -> IssuerAndSerialNumber:
    """Read the messageData of a GetCert or GetCRL.

    :raises DecodeError: not an IssuerAndSerialNumber.
    :raises LimitExceeded: a name with more attributes or bytes than *limits* allow.

    Source: RFC 8894 section 3.3.4; Q-01.
    """
    return der.read_der(octets, lambda reader: read_issuer_and_serial_number(reader, limits=limits))


def _read_cert_poll(reader: der.Reader, limits: Limits) -> CertPoll:
    # IssuerAndSubject ::= SEQUENCE { issuer Name, subject Name }
    fields = reader.enter()
    issuer = parse_name(fields.read_raw_of(der.SEQUENCE, "the issuer"), limits=limits)
    subject = parse_name(fields.read_raw_of(der.SEQUENCE, "the subject"), limits=limits)
    fields.finish()
    return CertPoll(issuer=issuer, subject=subject)


# ----------------------------------------------------------------------------- words for people


class _Explanation(NamedTuple):
    enrolment: str
    renewal: str
    query: str
    """With the place of what was asked for."""


_EXPLANATIONS = {
    FailInfo.BAD_ALG: _Explanation(
        enrolment=(
            "The server does not accept an algorithm of the request; ask GetCACaps what it "
            "supports and choose cipher and digest accordingly (3DES and SHA-1 for old servers)."
        ),
        renewal=(
            "The server does not accept an algorithm of the renewal request, or the key of the old "
            "certificate is of a size it no longer allows; choose other algorithms or enrol anew."
        ),
        query=(
            "The server does not accept an algorithm of the query for a {what}; ask GetCACaps what "
            "it supports and choose cipher and digest accordingly (3DES and SHA-1 for old servers)."
        ),
    ),
    FailInfo.BAD_MESSAGE_CHECK: _Explanation(
        enrolment=(
            "The server could not verify or decrypt the request; most often the CA certificates "
            "are outdated, and some servers (NDES) answer so to a wrong challenge password."
        ),
        renewal=(
            "The server could not verify the renewal request; most often it does not know, or no "
            "longer trusts, the certificate that signed it, or the CA certificates are outdated."
        ),
        query=(
            "The server could not verify or decrypt the query for a {what}; most often it does not "
            "know the certificate that signed it, or the CA certificates are outdated."
        ),
    ),
    FailInfo.BAD_REQUEST: _Explanation(
        enrolment=(
            "The transaction is not permitted or not supported; most often the challenge password "
            "is wrong, used up or expired, or the server's policy does not allow the requested "
            "name."
        ),
        renewal=(
            "The transaction is either not permitted or not supported during SCEP renewal; the "
            "challenge password might be incorrect, or the server wants a fresh enrolment instead."
        ),
        query=(
            "The query for a {what} is not permitted or not supported; many servers do not answer "
            "such queries at all, and others only to holders of a certificate of the CA."
        ),
    ),
    FailInfo.BAD_TIME: _Explanation(
        enrolment=(
            "The server finds the time in the request too far from its own; set this device's "
            "clock."
        ),
        renewal=(
            "The server finds the time in the renewal request too far from its own, or the old "
            "certificate not valid now; set this device's clock."
        ),
        query=(
            "The server finds the time in the query for a {what} too far from its own, or the "
            "certificate that signed it not valid now; set this device's clock."
        ),
    ),
    FailInfo.BAD_CERT_ID: _Explanation(
        enrolment=(
            "The server knows no certificate or request by this identification; the transaction "
            "may have been forgotten: start a new enrolment."
        ),
        renewal=("The server does not know the certificate to renew; start a new enrolment."),
        query=(
            "The server has no {what} for this issuer and serial number, or does not give it to "
            "whoever signed the query; take both as they stand in the certificate."
        ),
    ),
}


_QUERIES = {MessageType.GET_CERT: "certificate", MessageType.GET_CRL: "CRL"}


def explain_fail_info(
    fail_info: int | None, *, message_type: MessageType, renewal: bool = False
) -> str:
    """Return one sentence or two on the likely cause of a FAILURE, for an operator.

    :param fail_info: the wire value; ``None`` if the server gave none.
    :param message_type: what was refused.
    :param renewal: whether an existing certificate was to be renewed.

    Source: RFC 8894 section 3.2.1.4; M-23, A-08, V-02.
    """
    asked = _QUERIES.get(message_type)
    try:
        explanation = _EXPLANATIONS[FailInfo(fail_info)]
    except ValueError:
        return _explain_unknown(fail_info, asked, renewal=renewal)
    if asked is not None:
        return explanation.query.format(what=asked)
    return explanation.renewal if renewal else explanation.enrolment


def _explain_unknown(fail_info: int | None, asked: str | None, *, renewal: bool) -> str:
    request = "renewal" if renewal else "enrolment"
    what = request if asked is None else f"query for a {asked}"
    if fail_info is None:
        text = f"The server refused the {what} without giving a reason; its log has to tell."
        likely = " A wrong challenge password is the most frequent one."
        return text if asked is not None else f"{text}{likely}"
    return (
        f"The server gave a reason that RFC 8894 does not have ({fail_info}) for refusing the "
        f"{what}; its log has to tell."
    )
