"""The part of a survey that requests a certificate."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Union

from pyscep import http
from pyscep.algorithms import ContentEncryptionAlgorithm
from pyscep.begin import cert_poll, get_cert, get_crl, pkcs_req
from pyscep.ca import CaCertificates, TrustedCa
from pyscep.capabilities import Algorithms, Capabilities, Capability, HttpMethod
from pyscep.certificates import Certificate, Identity
from pyscep.cms_enveloped import needs_password
from pyscep.crypto import CryptoProvider
from pyscep.errors import (
    CertificateMismatch,
    NonceMismatch,
    ScepError,
    TransactionMismatch,
    UnexpectedMessageType,
)
from pyscep.exchange import CertificateQuery, CrlQuery, Exchange, ReplyRules
from pyscep.flows import Transport
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.inspection import Inspection, Level, inspect
from pyscep.limits import Limits
from pyscep.messages import FailInfo
from pyscep.pkcs10 import CertificationRequest
from pyscep.survey.result import Observation, about_http, broken, compare, kept
from pyscep.transaction import CrlSuccess, Failure, Pending, Success

# Rules that every reply shows, and those that it shows only with this status.
_OF_REPLIES = (
    "M-01", "M-05", "M-06", "M-07", "M-08", "M-09", "M-10", "M-11", "M-12", "M-13", "M-14", "M-15",
    "M-21", "M-22", "M-25", "M-26", "M-29", "M-33", "M-37", "M-39", "A-11", "A-12", "S-04", "S-18",
)  # fmt: skip
_BY_STATUS = {
    "SUCCESS": (
        "A-01", "A-03", "D-01", "D-03", "E-01", "E-02", "E-12", "E-13", "E-17", "E-20", "E-22",
    ),
    "FAILURE": ("A-05", "M-03", "M-23"),
    "PENDING": ("A-06", "M-03"),
}  # fmt: skip
_BY_ERROR: tuple[tuple[type[ScepError], str], ...] = (
    (TransactionMismatch, "X-12"),
    (NonceMismatch, "M-26"),
    (UnexpectedMessageType, "M-41"),
    (CertificateMismatch, "R-13"),
    # What is not for that key, or not by that CA, is not the issued certificate.
    (CertificateMismatch, "A-01"),
)
_EVERYTHING = ReplyRules(
    read_legacy_ciphers=frozenset(ContentEncryptionAlgorithm), ignore_key_usage=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What is needed to try a real enrolment.

    Source: RFC 8894 section 4.3.
    """

    csr: CertificationRequest
    """The request, with the challenge password if the server wants one."""
    identity: Identity = field(repr=False)
    """The self-signed certificate for the same key."""
    authenticate: Callable[[CaCertificates], TrustedCa] = field(repr=False)
    """Decides whether these are the CA's certificates, as for any enrolment."""
    algorithms: Algorithms | None = None
    """What to send with; what the server announces, legacy included, if left out."""


Outgoing = Union[Exchange, CertificateQuery, CrlQuery]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """A reply that could be read at all."""

    seen: Inspection
    result: Success | Pending | Failure | CrlSuccess | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolling:
    """An enrolment that is watched."""

    url: str
    """The server's."""
    send: Transport = field(repr=False)
    """Does HTTP."""
    ca: TrustedCa
    """The CA, authenticated."""
    enrolment: Enrolment
    """What is requested."""
    capabilities: Capabilities
    """What the server announces."""
    algorithms: Algorithms
    """What is sent with."""
    provider: CryptoProvider = field(repr=False)
    """The cryptography."""
    limits: Limits = field(repr=False)
    """How much is read."""

    def look(self) -> Generator[Observation, None, tuple[str, ...]]:
        """Enrol, send the request again, poll, and query.

        :returns: what was asked, and what came of it.

        Source: RFC 8894 section 4.3; A-13, P-11, Q-03, X-07.
        """
        begun = pkcs_req(
            self.enrolment.csr,
            identity=self.enrolment.identity,
            ca=self.ca,
            algorithms=self.algorithms,
            rules=_EVERYTHING,
            provider=self.provider,
        )
        first = yield from self._ask("PKCSReq", begun)
        notes = [_note("PKCSReq", first)]
        yield from self._about_promises(first)
        if first is None or first.result is None or isinstance(first.result, Failure):
            return tuple(notes)
        again = yield from self._ask("PKCSReq sent again", begun)
        notes.append(_note("PKCSReq sent again", again))
        yield from _about_repetition(first, again)
        latest = first
        if isinstance(first.result, Pending):
            poll = yield from self._poll(first.result)
            notes.append(_note("CertPoll", poll))
            latest = poll or first
        issued = latest.result
        if any(needs_password(c) for c in (self.ca.recipient, self.enrolment.identity.certificate)):
            notes.append("GetCert and GetCRL: not possible with keys that cannot decrypt.")
        elif isinstance(issued, Success):
            notes += yield from self._query(issued.certificate)
        return tuple(notes)

    def _ask(self, where: str, outgoing: Outgoing) -> Generator[Observation, None, _Answer | None]:
        method = self.algorithms.http_method
        request = http.pki_operation(self.url, outgoing.message, method=method)
        try:
            response = self.send(request)
            body = http.parse_pki_operation(response, limits=self.limits)
        except ScepError as error:
            yield broken("T-23", f"{where}: {error}")
            return None
        yield kept("T-23")
        yield from about_http(response, http.PKI_MESSAGE_TYPE, where, Level.MUST)
        seen = inspect(
            body,
            keys=[self.enrolment.identity.key],
            signers=self.ca.signers,
            # What is issued now was not valid yet when the survey began.
            at=None,
            provider=self.provider,
            limits=self.limits,
        )
        expected = (*_OF_REPLIES, *_BY_STATUS.get(seen.pki_status or "", ()))
        if isinstance(outgoing, CrlQuery) and seen.pki_status == "SUCCESS":
            expected = (*(each for each in expected if each != "A-03"), "A-07")
        yield from compare(seen.findings, expected, where)
        result = yield from _receive(where, outgoing, body)
        if isinstance(result, (Success, CrlSuccess)):
            yield from self._about_mirror(where, result)
        return _Answer(seen=seen, result=result)

    def _about_mirror(self, where: str, result: Success | CrlSuccess) -> Iterator[Observation]:
        sent = self.algorithms
        for identifier, mine, theirs in (
            ("E-21", sent.content_encryption_algorithm, result.content_encryption_algorithm),
            ("A-17", sent.digest_algorithm, result.digest_algorithm),
        ):
            yield (
                kept(identifier)
                if mine is theirs
                else broken(identifier, f"{where}: {theirs.name} answers {mine.name}.")
            )

    def _about_promises(self, first: _Answer | None) -> Iterator[Observation]:
        if Capability.SCEP_STANDARD not in self.capabilities.keywords:
            return
        if self.algorithms.downgrades or self.algorithms.http_method is not HttpMethod.POST:
            return
        worked = first is not None and first.seen.fail_info != FailInfo.BAD_ALG.rfc_name
        yield (
            kept("C-13")
            if worked
            else broken("C-13", "PKCSReq: AES-128, SHA-256 and POST did not work.")
        )

    def _poll(self, pending: Pending) -> Generator[Observation, None, _Answer | None]:
        begun = cert_poll(
            pending.transaction,
            identity=self.enrolment.identity,
            ca=self.ca,
            challenge_password=self.enrolment.csr.challenge_password,
            rules=_EVERYTHING,
            provider=self.provider,
        )
        answer = yield from self._ask("CertPoll", begun)
        yield (
            kept("P-11")
            if answer is not None and answer.result is not None
            else broken("P-11", "CertPoll: a pending request cannot be polled for.")
        )
        return answer

    def _query(self, certificate: Certificate) -> Generator[Observation, None, tuple[str, ...]]:
        identifier = IssuerAndSerialNumber.of(certificate)
        found = yield from self._ask(
            "GetCert",
            get_cert(
                identifier,
                identity=self.enrolment.identity,
                ca=self.ca,
                algorithms=self.algorithms,
                rules=_EVERYTHING,
                provider=self.provider,
            ),
        )
        yield from _about_query("Q-03", "GetCert", found)
        crl = yield from self._ask(
            "GetCRL",
            get_crl(
                identifier,
                identity=self.enrolment.identity,
                ca=self.ca,
                algorithms=self.algorithms,
                rules=_EVERYTHING,
                provider=self.provider,
            ),
        )
        yield from _about_query("Q-06", "GetCRL", crl)
        return (_note("GetCert", found), _note("GetCRL", crl))


def _receive(
    where: str, outgoing: Outgoing, body: bytes
) -> Generator[Observation, None, Success | Pending | Failure | CrlSuccess | None]:
    """Let the client judge the reply; an error breaks the rule that it is about."""
    try:
        result = outgoing.receive(body)
    except ScepError as error:
        for kind, identifier in _BY_ERROR:
            if isinstance(error, kind):
                yield broken(identifier, f"{where}: {error}")
        return None
    for identifier in ("X-12", "M-26", "M-41"):
        yield kept(identifier)
    if isinstance(result, Success):
        yield kept("R-13")
    return result


def _about_repetition(first: _Answer, again: _Answer | None) -> Iterator[Observation]:
    if again is None or again.result is None:
        yield broken("X-07", "PKCSReq sent again: there was no readable answer.")
        return
    if isinstance(first.result, Success) and isinstance(again.result, Success):
        same = first.result.certificate == again.result.certificate
        yield (
            kept("X-07")
            if same
            else broken("X-07", "PKCSReq sent again: another certificate was issued.")
        )
    elif isinstance(first.result, Pending) and isinstance(again.result, (Pending, Success)):
        # Somebody may have approved it in between.
        yield kept("X-07")
    else:
        yield broken("X-07", f"PKCSReq sent again: the answer is {again.seen.pki_status}.")
    nonces = {each.seen.sender_nonce for each in (first, again)}
    if None not in nonces and len(nonces) == 1:
        yield broken("M-25", "PKCSReq sent again: the reply has the same senderNonce.")


def _about_query(identifier: str, where: str, answer: _Answer | None) -> Iterator[Observation]:
    """Judge a query; a server may do without them, so a refusal is no fault (Q-02, Q-08)."""
    if answer is None:
        return
    if answer.seen.pki_status == "PENDING":
        yield broken("A-13", f"{where}: a query was answered by PENDING.")
        return
    yield kept("A-13")
    if isinstance(answer.result, (Success, CrlSuccess)):
        yield kept(identifier)
    elif answer.seen.pki_status == "SUCCESS":
        yield broken(identifier, f"{where}: the SUCCESS does not hold what was asked for.")


def _note(where: str, answer: _Answer | None) -> str:
    if answer is None:
        return f"{where}: no CertRep came back."
    words = [
        answer.seen.pki_status or "no status",
        answer.seen.fail_info,
        answer.seen.fail_info_text,
    ]
    unreadable = "" if answer.result is not None else " (which the client refuses)"
    return f"{where}: {' '.join(word for word in words if word)}{unreadable}."
