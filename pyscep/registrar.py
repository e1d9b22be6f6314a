"""What a CA does with requests that have been read: decide, remember, issue, revoke.

A :class:`Registrar` knows neither envelopes nor HTTP: it gets verified messages and answers what
belongs into a CertRep. What a CA is stands behind :class:`~pyscep.authority.Authority`, who gets a
certificate behind :class:`~pyscep.handlers.RequestHandler`, and what is remembered behind
:class:`~pyscep.store.Store`. It knows no threads either: the store makes of each change one step.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import NoReturn

from pyscep.algorithms import DigestAlgorithm
from pyscep.authority import Authority
from pyscep.certificates import (
    Certificate,
    is_issued_by,
    parse_certificate,
    rsa_bits_of,
)
from pyscep.cms_enveloped import needs_password
from pyscep.cms_password import password_octets
from pyscep.crypto import CryptoProvider
from pyscep.errors import (
    ChallengeReused,
    DecodeError,
    DecryptionFailed,
    ScepError,
    SecurityError,
    StoreError,
    TooManyPending,
    UnsupportedError,
    UsageError,
    WeakAlgorithm,
)
from pyscep.extensions import KeyUsage
from pyscep.handlers import (
    Defer,
    EnrolmentRequest,
    Issue,
    Observer,
    Refuse,
    RequestHandler,
    SignerTrust,
)
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.limits import Limits
from pyscep.messages import CertRep, FailInfo, MessageType, PKCSReq, PkiStatus, RenewalReq
from pyscep.pkcs10 import CertificationRequest, parse_csr
from pyscep.pki_message import VerifiedMessage
from pyscep.store import Record, RecordStatus, Store

MAXIMUM_PENDING = 1000
"""How many requests may wait for a decision unless told otherwise; each takes the room of a
certification request, which can be as large as ``Limits.message_size``."""


class DuplicatePolicy(Enum):
    """What to do when a key that has a certificate asks for the same one in a new transaction.

    So does a client that lost the answer and its state with it. A duplicate is a PKCSReq, signed
    by the key itself, for the subject that the key has a certificate for, which has not expired
    and was not revoked. The CA cannot tell whether the certificate had arrived (X-13).

    Source: RFC 8894 sections 5.2 and 7.4; X-06.
    """

    REISSUE = "reissue"
    """Treat it like any other request."""
    RETURN_SAME = "return-same"
    """Answer with the certificate that there is, without asking the handler: whoever holds its key
    may have it, and a one-time challenge is not needed for a second time."""
    REFUSE = "refuse"
    """Refuse, until the certificate expires or is revoked. Two requests at the same moment, each in
    a transaction of its own, may both be issued; a one-time challenge prevents that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrar:
    """Decides, remembers and issues.

    Source: RFC 8894 sections 2.3 and 2.5; S-02.
    """

    authority: Authority
    """The CA."""
    other_issuers: tuple[Certificate, ...]
    """Further CAs whose certificates are worth as much as its own (R-06, W-08)."""
    handler: RequestHandler
    """Who gets a certificate."""
    store: Store
    """What is remembered."""
    now: Callable[[], datetime]
    """The clock, returning a datetime with time zone."""
    on_reuse: Callable[[EnrolmentRequest], None]
    """Told when a one-time challenge comes a second time (H-04)."""
    digests: AbstractSet[DigestAlgorithm]
    """Which hashes certification requests may be signed with."""
    renewal: bool
    """Whether RenewalReq is supported."""
    duplicates: DuplicatePolicy
    """What to do about a request for what there is already."""
    minimum_rsa_bits: int
    """The smallest RSA key that is certified (R-12)."""
    transaction_lifetime: timedelta
    """When an ended transaction is forgotten (X-09)."""
    maximum_pending: int = MAXIMUM_PENDING
    """How many requests may wait for a decision; the next one is refused (A-16)."""
    send_chain: bool
    """Whether SUCCESS carries the CA's chain after the certificate (A-03, A-04)."""
    limits: Limits
    """How much is accepted."""
    provider: CryptoProvider = field(repr=False)
    """The cryptography."""

    # ------------------------------------------------------------------------------ enrolment

    def enrol(self, message: VerifiedMessage, request: PKCSReq | RenewalReq) -> CertRep:
        """Answer a PKCSReq or RenewalReq.

        :raises ScepError: a request that may not be issued for, whoever sent it; its class says
            which failInfo that is.

        Source: RFC 8894 sections 2.3 and 2.4; R-04 to R-07, R-12, X-06 to X-09, P-10, E-04.
        """
        reply = self._enrol(message, request)
        return replace(reply, challenge_password=request.csr.challenge_password)

    def _enrol(self, message: VerifiedMessage, request: PKCSReq | RenewalReq) -> CertRep:
        self._check(message.signer, request.csr)
        enrolment = EnrolmentRequest(
            message_type=message.message_type,
            transaction_id=message.transaction_id,
            csr=request.csr,
            signer=message.signer,
            trust=self._trust(message.signer),
        )
        if not self._is_admissible(enrolment):
            return failure(FailInfo.BAD_REQUEST)
        present = self._remembered(enrolment)
        if present is not None and (present.confirmed or not _is_same(enrolment, present)):
            return self._again(enrolment, present)
        return self._duplicate(enrolment) or self._decide(enrolment)

    def _check(self, signer: Certificate, csr: CertificationRequest) -> None:
        self._check_possession(signer, csr)
        if needs_password(signer):
            # Before anything is issued that could not be delivered (E-26, E-29).
            password_octets(csr.challenge_password, recipient=str(signer.subject))
        if csr.signature_algorithm.digest not in self.digests:
            refuse_algorithm(csr.signature_algorithm.name, "digests")
        _check_key_size(csr, self.minimum_rsa_bits)

    def _check_possession(self, signer: Certificate, csr: CertificationRequest) -> None:
        try:
            csr.verify(provider=self.provider)
        except (DecodeError, SecurityError, UnsupportedError):
            if csr.public_key == signer.public_key:
                raise
            # Perhaps somebody else's request, recorded, changed, and wrapped anew: to say that it
            # could be read would be to decrypt it bit by bit (S-06).
            raise DecryptionFailed from None

    def _is_admissible(self, request: EnrolmentRequest) -> bool:
        """Whether the signer may sign such a request at all (R-05 to R-07)."""
        if request.message_type is MessageType.RENEWAL_REQ:
            return self.renewal and request.trust is SignerTrust.TRUSTED
        return request.trust is not SignerTrust.SELF_SIGNED or request.is_by_requester

    def _duplicate(self, request: EnrolmentRequest) -> CertRep | None:
        """Answer a request for what there is already, unless that is like any other (X-06)."""
        is_initial = request.trust is SignerTrust.SELF_SIGNED
        if self.duplicates is DuplicatePolicy.REISSUE or not is_initial:
            return None
        for record in self.store.issued_to(request.signer.public_key):
            certificate = self._certificate_of(record)
            asked = parse_csr(record.csr, limits=self.limits)
            is_another = record.transaction_id != request.transaction_id
            if is_another and asked.subject == request.csr.subject and self._is_good(certificate):
                break
        else:
            return None
        if self.duplicates is DuplicatePolicy.REFUSE:
            return failure(FailInfo.BAD_REQUEST, "This key has a certificate already.")
        return self._from_record(record)

    def _is_good(self, certificate: Certificate) -> bool:
        return self._trust(certificate) is SignerTrust.TRUSTED

    def _remembered(self, request: EnrolmentRequest) -> Record | None:
        present = self.store.get(request.transaction_id)
        return None if present is None or self._is_over(present, request) else present

    def _is_over(self, record: Record, request: EnrolmentRequest) -> bool:
        """Say whether *request* begins a transaction anew, under a name that has been used (X-09).

        Clients that make the name of their key use it again when they renew. Who signs with the
        certificate that the transaction ended with has received it, and repeats nothing.
        """
        is_renewal = record.confirmed and record.certificate == request.signer.der
        return is_renewal or self._is_forgotten(record)

    def _again(self, request: EnrolmentRequest, present: Record) -> CertRep:
        """Answer a request whose transaction there is: the same only to the same (X-07, X-08)."""
        if not _is_same(request, present):
            return failure(FailInfo.BAD_REQUEST)
        return self._from_record(present)

    def _decide(self, request: EnrolmentRequest) -> CertRep:
        decision = self.handler.decide(request)
        if isinstance(decision, Refuse):
            # The same request may have used up its challenge in another thread just now.
            present = self._remembered(request)
            if present is not None:
                return self._again(request, present)
            # Not kept: a client whose IDs depend on its key must be able to try again.
            return failure(decision.fail_info, decision.fail_info_text)
        try:
            record = self._record(request, decision)
        except TooManyPending:
            # What the operator could do about it is not for the client.
            text = "Too many requests wait for a decision already; try again later."
            return failure(FailInfo.BAD_REQUEST, text)
        # Also of an error that is not ours, the observer hears that nothing was issued.
        except Exception as error:
            if isinstance(error, ChallengeReused):
                self.on_reuse(request)
            if isinstance(decision, Issue) and decision.observer is not None:
                _tell_failed(decision.observer, error)
            raise
        if not record.confirmed and isinstance(decision, Issue) and _is_same(request, record):
            record = self._confirm(record, decision)
        return self._again(request, record)

    def _record(self, request: EnrolmentRequest, decision: Issue | Defer) -> Record:
        """Issue or defer, unless another thread or process was first, and keep it: one step."""

        def change(present: Record | None) -> Record | None:
            if present is not None:
                if not self._is_over(present, request):
                    return None
                # It has the same name, but is another transaction.
                if decision.consumes is not None and decision.consumes == present.consumed:
                    raise ChallengeReused
            record = Record(
                transaction_id=request.transaction_id,
                status=RecordStatus.PENDING,
                requester=request.signer.public_key,
                csr=request.csr.der,
                updated=self.now(),
                consumed=decision.consumes,
            )
            if isinstance(decision, Defer):
                return record
            return self._issue(record, request.csr, decision)

        record = self.store.update(
            request.transaction_id, change, maximum_pending=self.maximum_pending
        )
        if record is None:
            raise StoreError(
                "The store has not kept the request; its update() has to return the record as it "
                "then stands."
            )
        return record

    def _issue(self, record: Record, csr: CertificationRequest, decision: Issue) -> Record:
        at = self.now()
        certificate = self.authority.issue(csr, decision, at=at)
        return replace(
            record,
            status=RecordStatus.ISSUED,
            certificate=certificate.der,
            identifier=IssuerAndSerialNumber.of(certificate),
            updated=at,
            confirmed=decision.observer is None,
        )

    def _confirm(self, record: Record, decision: Issue) -> Record:
        """Tell the observer, and let the certificate out if it agrees (V-08)."""
        if decision.observer is not None:
            decision.observer.issued(self._certificate_of(record))

        def confirm(present: Record | None) -> Record | None:
            return None if present is None else replace(present, confirmed=True)

        return self.store.update(record.transaction_id, confirm) or record

    def _certificate_of(self, record: Record) -> Certificate:
        return parse_certificate(record.certificate or b"", limits=self.limits)

    def _is_forgotten(self, record: Record) -> bool:
        ended = record.status is not RecordStatus.PENDING
        return ended and record.updated + self.transaction_lifetime < self.now()

    def _trust(self, signer: Certificate) -> SignerTrust:
        """Say what a signer's certificate is worth: by its signature, not by its names (R-06)."""
        for issuer in (self.authority.issuer, *self.other_issuers):
            if is_issued_by(signer, issuer, provider=self.provider):
                if signer.serial_number in self.store.revoked(issuer.subject):
                    return SignerTrust.REVOKED
                current = signer.is_valid_at(self.now())
                return SignerTrust.TRUSTED if current else SignerTrust.OUTDATED
        return SignerTrust.SELF_SIGNED if signer.is_self_issued else SignerTrust.FOREIGN

    # ------------------------------------------------------------------------- later messages

    def poll(self, message: VerifiedMessage) -> CertRep:
        """Answer a CertPoll.

        Source: RFC 8894 section 4.4; P-04, P-05, P-08, P-12, X-15, E-04, E-27.
        """
        # Transaction and key decide; the names inside are redundant (P-05).
        record = self.store.get(message.transaction_id)
        if record is None or self._is_forgotten(record):
            return failure(FailInfo.BAD_CERT_ID)
        if record.requester != message.signer.public_key:
            return failure(FailInfo.BAD_CERT_ID)
        return replace(
            self._from_record(record), challenge_password=self._challenge_password_of(record)
        )

    def remembered_challenge(self, message: VerifiedMessage) -> str | None:
        """Return the challenge password of the transaction that *message* goes on with.

        Only whoever signed the request may use it.

        Source: RFC 8894 section 3.1; E-04, E-27, P-08.
        """
        record = self.store.get(message.transaction_id)
        if record is None or record.requester != message.signer.public_key:
            return None
        return self._challenge_password_of(record)

    def _challenge_password_of(self, record: Record) -> str | None:
        return parse_csr(record.csr, limits=self.limits).challenge_password

    def _from_record(self, record: Record) -> CertRep:
        if record.status is RecordStatus.PENDING or not record.confirmed:
            return CertRep(pki_status=PkiStatus.PENDING)
        if record.certificate is None:
            fail_info = FailInfo.BAD_REQUEST if record.fail_info is None else record.fail_info
            return failure(FailInfo(fail_info), record.fail_info_text)
        return self._issued(record.certificate)

    def _issued(self, octets: bytes) -> CertRep:
        chain = self.authority.published if self.send_chain else ()
        certificates = (octets, *(certificate.der for certificate in chain))
        return CertRep(pki_status=PkiStatus.SUCCESS, certificates=certificates)

    def find(self, identifier: IssuerAndSerialNumber) -> CertRep:
        """Answer a GetCert.

        Source: RFC 8894 section 4.5; Q-03, A-13.
        """
        octets = self.store.find_certificate(identifier)
        return failure(FailInfo.BAD_CERT_ID) if octets is None else self._issued(octets)

    def find_crl(self, identifier: IssuerAndSerialNumber) -> CertRep:
        """Answer a GetCRL.

        Source: RFC 8894 section 4.6; RFC 5280 section 4.2.1.3; Q-06, A-07.
        """
        if identifier.issuer != self.authority.issuer.subject:
            return failure(FailInfo.BAD_CERT_ID)
        if not self.authority.issuer.allows(KeyUsage.CRL_SIGN):
            return failure(FailInfo.BAD_REQUEST, "This CA signs no CRLs.")
        return CertRep(pki_status=PkiStatus.SUCCESS, crl=self.crl())

    # ------------------------------------------------------------------------------- approval

    def approve(self, transaction_id: str, decision: Issue = Issue()) -> Certificate:
        """Issue what a pending request asks for; the client gets it with its next poll.

        Approve again what was issued while its observer did not agree: it is told again.

        :raises UsageError: no pending request has this ID.
        :raises ScepError: what the CA, or the observer of *decision*, raises.

        Source: RFC 8894 section 2.4; X-03, V-08.
        """
        record = self.store.get(transaction_id)
        if record is None or record.confirmed:
            record = self._settle(transaction_id, lambda present: self._approve(present, decision))
        if not record.confirmed:
            record = self._confirm(record, decision)
        return self._certificate_of(record)

    def _approve(self, record: Record, decision: Issue) -> Record:
        return self._issue(record, parse_csr(record.csr, limits=self.limits), decision)

    def deny(self, transaction_id: str, refusal: Refuse = Refuse()) -> None:
        """Refuse a pending request for good.

        :raises UsageError: no pending request has this ID.

        Source: RFC 8894 section 2.5; X-15.
        """
        self._settle(
            transaction_id,
            lambda record: replace(
                record,
                status=RecordStatus.REFUSED,
                fail_info=refusal.fail_info.value,
                fail_info_text=refusal.fail_info_text,
                updated=self.now(),
            ),
        )

    def _settle(self, transaction_id: str, change: Callable[[Record], Record]) -> Record:
        settled: list[Record] = []

        def settle(present: Record | None) -> Record:
            if present is None or present.status is not RecordStatus.PENDING:
                raise UsageError(
                    f"No pending request has the transaction ID {transaction_id!r}; see "
                    "store.pending().",
                    argument="transaction_id",
                )
            settled.append(change(present))
            return settled[-1]

        self.store.update(transaction_id, settle)
        return settled[-1]

    # ----------------------------------------------------------------------------- revocation

    def revoke(self, certificate: Certificate) -> None:
        """Revoke a certificate of this CA: it renews nothing from now on (R-06, W-16).

        :raises UsageError: it was not issued by this CA.
        """
        if not is_issued_by(certificate, self.authority.issuer, provider=self.provider):
            raise UsageError(
                f"The certificate of {certificate.subject} is not one of this CA.",
                argument="certificate",
            )
        self.store.revoke(IssuerAndSerialNumber.of(certificate), at=self.now())

    def crl(self) -> bytes:
        """Return the latest CRL in DER, made now.

        :raises UsageError: the CA's keyUsage lacks cRLSign, so that nobody would believe it.

        Source: RFC 8894 section 4.6.1; RFC 5280 section 4.2.1.3; Q-06.
        """
        if not self.authority.issuer.allows(KeyUsage.CRL_SIGN):
            raise UsageError(
                f"The keyUsage of {self.authority.issuer.subject} lacks cRLSign, so it may not "
                "sign CRLs; give the CA a certificate with that bit.",
                argument="authority",
            )
        issuer = self.authority.issuer.subject
        return self.authority.crl(
            number=self.store.next_crl_number(issuer),
            revoked=self.store.revoked(issuer),
            at=self.now(),
        )


def _tell_failed(observer: Observer, error: Exception) -> None:
    # Of an error that is not ours, nobody knows what its text would give away.
    reason = str(error) if isinstance(error, ScepError) else type(error).__name__
    try:
        observer.failed(reason)
    except Exception as untold:
        # The client's answer, and the operator's log, are about what went wrong first.
        raise error from untold


def _is_same(request: EnrolmentRequest, record: Record) -> bool:
    return (record.csr, record.requester) == (request.csr.der, request.signer.public_key)


def failure(fail_info: FailInfo, fail_info_text: str | None = None) -> CertRep:
    """Return a FAILURE.

    Source: RFC 8894 section 3.3.2.2; A-05.
    """
    return CertRep(pki_status=PkiStatus.FAILURE, fail_info=fail_info, fail_info_text=fail_info_text)


def _check_key_size(csr: CertificationRequest, minimum_rsa_bits: int) -> None:
    bits = rsa_bits_of(csr.public_key)
    if bits is not None and bits < minimum_rsa_bits:
        refuse_algorithm(f"an RSA key of {bits} bits", "minimum_rsa_bits")


def refuse_algorithm(name: str, argument: str) -> NoReturn:
    """Refuse an algorithm that the operator has not allowed.

    :raises WeakAlgorithm: always.
    """
    raise WeakAlgorithm(
        f"The request uses {name}, which this responder does not accept; change {argument} if "
        "old clients need it.",
        algorithm=name,
        argument=argument,
    )
