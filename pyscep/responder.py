"""The server side, without I/O: an :class:`~pyscep.http.HttpRequest` in, a response out.

:meth:`Responder.handle` has the type of a transport, so that ``Client(url, send=responder.handle)``
is a whole enrolment in memory. What a CA is stands behind :class:`Authority`, who gets a
certificate behind :class:`~pyscep.handlers.RequestHandler`, and what is remembered behind
:class:`~pyscep.store.Store`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NoReturn, Protocol

from pyscep import http
from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm, KeyType
from pyscep.capabilities import Capability, format_capabilities
from pyscep.certificates import (
    Certificate,
    Identity,
    is_issued_by,
    parse_certificate,
    rsa_bits_of,
)
from pyscep.cms_signed import degenerate, sign_data
from pyscep.crypto import CryptoProvider, default_provider
from pyscep.errors import (
    ChallengeReused,
    DecodeError,
    DecryptionFailed,
    HttpError,
    KeyCapabilityError,
    ProtocolError,
    ScepError,
    SecurityError,
    UnexpectedMessageType,
    UnsupportedError,
    UsageError,
    WeakAlgorithm,
)
from pyscep.handlers import (
    Defer,
    EnrolmentRequest,
    Issue,
    Refuse,
    RequestHandler,
    SignerTrust,
)
from pyscep.http import HttpRequest, HttpResponse, Operation
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.messages import (
    CertPoll,
    CertRep,
    FailInfo,
    GetCert,
    GetCRL,
    MessageType,
    PKCSReq,
    PkiStatus,
    RenewalReq,
    Request,
    parse_request,
)
from pyscep.pkcs10 import CertificationRequest, parse_csr
from pyscep.pki_message import (
    NONCE_SIZE,
    MessageData,
    VerifiedMessage,
    encode_cert_rep,
    parse_pki_message,
)
from pyscep.store import Record, RecordStatus, Store


class Authority(Protocol):
    """A CA as a responder needs it."""

    @property
    def issuer(self) -> Certificate:
        """The CA certificate that issues."""

    @property
    def published(self) -> tuple[Certificate, ...]:
        """What GetCACert returns: RA certificates and the CA's chain, as far as it is told."""

    @property
    def signer(self) -> Identity:
        """Who signs replies."""

    @property
    def recipients(self) -> tuple[Identity, ...]:
        """Who requests may be encrypted to."""

    def issue(self, csr: CertificationRequest, decision: Issue, *, at: datetime) -> Certificate:
        """Issue a certificate; never a CA's, whatever was asked for (R-11)."""

    def crl(self, *, number: int, revoked: Mapping[int, datetime], at: datetime) -> bytes:
        """Return a CRL in DER.

        :param revoked: serial numbers and dates.
        """


AES_CIPHERS = frozenset(
    (
        ContentEncryptionAlgorithm.AES128_CBC,
        ContentEncryptionAlgorithm.AES192_CBC,
        ContentEncryptionAlgorithm.AES256_CBC,
    )
)
SHA2_DIGESTS = frozenset((DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512))


def anybody_may_query(signer: Certificate, identifier: IssuerAndSerialNumber) -> bool:
    """Let everybody ask for every certificate: these are public."""
    del signer, identifier
    return True


def ignore(request: EnrolmentRequest) -> None:
    """Do nothing about a reused challenge beyond refusing it."""
    del request


class ReplyEncoder(Protocol):
    """Puts a reply into its envelope and signs it; tests put a faulty one in its place."""

    def __call__(
        self,
        responder: Responder,
        request: VerifiedMessage,
        reply: CertRep,
        cipher: ContentEncryptionAlgorithm,
    ) -> bytes:
        """Return the pkiMessage.

        :param cipher: that of the request, to be mirrored.
        """


def standard_encoder(
    responder: Responder,
    request: VerifiedMessage,
    reply: CertRep,
    cipher: ContentEncryptionAlgorithm,
) -> bytes:
    """Encode a reply as RFC 8894 has it, with the cipher and, if allowed, hash of the request.

    Source: RFC 8894 section 3.3.2; A-17, E-20, E-21.
    """
    return encode_cert_rep(
        reply,
        request=request,
        sender_nonce=responder.provider.random_bytes(NONCE_SIZE),
        identity=responder.authority.signer,
        content_encryption_algorithm=cipher,
        digest_algorithm=responder.reply_digest(request),
        empty_content=responder.empty_content,
        provider=responder.provider,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Responder:
    """A SCEP server without a network.

    :raises UsageError: a keyword in *extra_capabilities* that may not be announced.

    Source: RFC 8894 sections 3 and 4; S-02.
    """

    authority: Authority
    """The CA."""
    handler: RequestHandler
    """Who gets a certificate."""
    next_authority: Authority | None = None
    """The CA after a rollover: GetNextCACert returns it, and it answers what is encrypted to it."""
    may_query: Callable[[Certificate, IssuerAndSerialNumber], bool] = anybody_may_query
    """Whether the holder of a certificate may ask for another by GetCert (S-26)."""
    on_reuse: Callable[[EnrolmentRequest], None] = ignore
    """Told when a one-time challenge comes a second time, which is an alarm (H-04)."""
    store: Store
    """What is remembered."""
    now: Callable[[], datetime]
    """The clock, returning a datetime with time zone."""
    ciphers: AbstractSet[ContentEncryptionAlgorithm] = AES_CIPHERS
    """Which content ciphers requests may use; add DES_EDE3_CBC for old clients."""
    digests: AbstractSet[DigestAlgorithm] = SHA2_DIGESTS
    """Which hashes requests may be signed with; add SHA1 for old clients."""
    extra_capabilities: tuple[str, ...] = ()
    """Announced besides, as :func:`pyscep.capabilities.format_capabilities` takes them;
    ``("SHA-384",)`` lets strongSwan 5.9.8 use AES (C-30)."""
    renewal: bool = True
    """Whether RenewalReq is supported, and announced."""
    send_chain: bool = False
    """Whether SUCCESS carries the CA's chain after the certificate (A-03, A-04)."""
    empty_content: bytes | None = None
    """What FAILURE and PENDING carry; ``b""`` for clients that crash without an eContent."""
    minimum_rsa_bits: int = 2048
    """The smallest RSA key that is certified (R-12)."""
    transaction_lifetime: timedelta = timedelta(days=30)
    """When an ended transaction is forgotten, so that its ID may be used again (X-09)."""
    encoder: ReplyEncoder = standard_encoder
    """Puts replies together; only tests have another one."""
    limits: Limits = DEFAULT_LIMITS
    """How much is accepted."""
    provider: CryptoProvider = field(default_factory=default_provider, repr=False)
    """The cryptography."""

    def __post_init__(self) -> None:
        # A keyword that cannot be announced is the operator's mistake, not a client's.
        format_capabilities((), extra=self.extra_capabilities)

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one HTTP request; every error becomes an answer.

        Source: RFC 8894 section 4; T-20, T-23, T-33.
        """
        try:
            parsed = http.parse_request(request, limits=self.limits)
            match parsed.operation:
                case Operation.GET_CA_CAPS:
                    body = format_capabilities(self.capabilities, extra=self.extra_capabilities)
                    return http.ca_caps_response(body)
                case Operation.GET_CA_CERT | Operation.GET_CA_CERT_CHAIN:
                    return self._get_ca_cert()
                case Operation.GET_NEXT_CA_CERT:
                    return self._get_next_ca_cert()
                case _:
                    return http.pki_operation_response(self.answer(parsed.message))
        except ScepError as error:
            return http.error_response(error)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What GetCACaps announces: exactly what is enforced (C-14, C-32)."""
        found = {Capability.POST_PKI_OPERATION}
        by_cipher = {
            ContentEncryptionAlgorithm.AES128_CBC: Capability.AES,
            ContentEncryptionAlgorithm.DES_EDE3_CBC: Capability.DES3,
        }
        by_digest = {
            DigestAlgorithm.SHA1: Capability.SHA1,
            DigestAlgorithm.SHA256: Capability.SHA256,
            DigestAlgorithm.SHA512: Capability.SHA512,
        }
        found.update(keyword for cipher, keyword in by_cipher.items() if cipher in self.ciphers)
        found.update(keyword for digest, keyword in by_digest.items() if digest in self.digests)
        if {Capability.AES, Capability.SHA256} <= found:
            found.add(Capability.SCEP_STANDARD)
        if self.renewal:
            found.add(Capability.RENEWAL)
        if self.next_authority is not None:
            found.add(Capability.GET_NEXT_CA_CERT)
        return frozenset(found)

    # ------------------------------------------------------------------------ CA certificates

    def _get_ca_cert(self) -> HttpResponse:
        certificates = [certificate.der for certificate in self.authority.published]
        if len(certificates) == 1:
            return http.ca_cert_response(certificates[0], chain=False)
        return http.ca_cert_response(degenerate(certificates), chain=True)

    def _get_next_ca_cert(self) -> HttpResponse:
        if self.next_authority is None:
            raise HttpError("There is no next CA certificate yet.", status=501)
        certificates = [certificate.der for certificate in self.next_authority.published]
        signer = self.authority.signer
        signed = sign_data(
            degenerate(certificates),
            identity=signer,
            digest_algorithm=DigestAlgorithm.SHA256,
            attributes=(),
            certificates=[signer.certificate.der],
            provider=self.provider,
        )
        return http.next_ca_cert_response(signed)

    # --------------------------------------------------------------------------- PKIOperation

    def answer(self, octets: bytes) -> bytes:
        """Answer one pkiMessage by another.

        :raises ScepError: a message whose signature does not verify, so that nobody can be
            answered: an HTTP error (T-23).

        Source: RFC 8894 sections 3.3.2 and 4.3; A-15, A-17, E-20, E-21, S-02.
        """
        message = parse_pki_message(octets, limits=self.limits).verify_possession(
            provider=self.provider
        )
        serving, cipher = self, ContentEncryptionAlgorithm.AES128_CBC
        try:
            self._check_digest(message)
            request, data = self._open(message)
            serving, cipher = self._addressed(data), data.content_encryption_algorithm
            reply = serving._reply(message, request)  # noqa: SLF001  # another Responder
            return self.encoder(serving, message, reply, cipher)
        except (ProtocolError, SecurityError, UnsupportedError, KeyCapabilityError) as error:
            refusal = _failure(FailInfo(error.fail_info_hint))
        return self.encoder(serving, message, refusal, cipher)

    def _addressed(self, data: MessageData) -> Responder:
        """Return who answers: the CA that the envelope is for, today's or the next (N-07)."""
        following = self.next_authority
        if following is None:
            return self
        addressed = any(i.certificate == data.recipient for i in following.recipients)
        return replace(self, authority=following) if addressed else self

    def reply_digest(self, request: VerifiedMessage) -> DigestAlgorithm:
        """Return the hash to sign a reply with: that of the request, if it is allowed (A-17)."""
        mirrored = request.digest_algorithm
        return mirrored if mirrored in self.digests else DigestAlgorithm.SHA256

    def _check_digest(self, message: VerifiedMessage) -> None:
        if message.digest_algorithm not in self.digests:
            _refuse_algorithm(message.digest_algorithm.name, "digests")

    def _open(self, message: VerifiedMessage) -> tuple[Request, MessageData]:
        if message.message_type is MessageType.CERT_REP:
            raise UnexpectedMessageType(
                "A CertRep is not a request.", actual=str(message.message_type.value)
            )
        following = () if self.next_authority is None else self.next_authority.recipients
        data = message.decrypt(
            (*self.authority.recipients, *following),
            ciphers=self.ciphers,
            provider=self.provider,
        )
        try:
            request = parse_request(message.message_type, data.octets, limits=self.limits)
        except DecodeError:
            # As for all that does not open: whoever tampers with an envelope learns nothing (S-06).
            raise DecryptionFailed from None
        return request, data

    def _reply(self, message: VerifiedMessage, request: Request) -> CertRep:
        match request:
            case PKCSReq() | RenewalReq():
                return self._enrol(message, request)
            case CertPoll():
                return self._poll(message)
            case GetCert():
                return self._find(message, request.identifier)
            case GetCRL():
                return self._crl(request.identifier)

    # ------------------------------------------------------------------------------ enrolment

    def _enrol(self, message: VerifiedMessage, request: PKCSReq | RenewalReq) -> CertRep:
        csr = request.csr
        _require_reachable(message.signer)
        csr.verify(provider=self.provider)
        if csr.signature_algorithm.digest not in self.digests:
            _refuse_algorithm(csr.signature_algorithm.name, "digests")
        _check_key_size(csr, self.minimum_rsa_bits)
        trust = self._trust(message.signer)
        if isinstance(request, RenewalReq) and not (self.renewal and trust is SignerTrust.TRUSTED):
            return _failure(FailInfo.BAD_REQUEST)
        if trust is SignerTrust.SELF_SIGNED and csr.public_key != message.signer.public_key:
            return _failure(FailInfo.BAD_REQUEST)
        enrolment = EnrolmentRequest(
            message_type=message.message_type,
            transaction_id=message.transaction_id,
            csr=csr,
            signer=message.signer,
            trust=trust,
        )
        present = self._remembered(message.transaction_id)
        if present is not None and (present.confirmed or not _is_same(enrolment, present)):
            return self._again(enrolment, present)
        return self._decide(enrolment)

    def _remembered(self, transaction_id: str) -> Record | None:
        present = self.store.get(transaction_id)
        return None if present is None or self._is_forgotten(present) else present

    def _again(self, request: EnrolmentRequest, present: Record) -> CertRep:
        """Answer a request whose transaction there is: the same only to the same (X-07, X-08)."""
        if not _is_same(request, present):
            return _failure(FailInfo.BAD_REQUEST)
        return self._from_record(present)

    def _decide(self, request: EnrolmentRequest) -> CertRep:
        decision = self.handler.decide(request)
        if isinstance(decision, Refuse):
            # The same request may have used up its challenge in another thread just now.
            present = self._remembered(request.transaction_id)
            if present is not None:
                return self._again(request, present)
            # Not kept: a client whose IDs depend on its key must be able to try again.
            return _failure(decision.fail_info, decision.fail_info_text)
        try:
            record = self._record(request, decision)
        except ChallengeReused:
            self.on_reuse(request)
            raise
        except ScepError as error:
            if isinstance(decision, Issue) and decision.observer is not None:
                decision.observer.failed(str(error))
            raise
        if not record.confirmed and isinstance(decision, Issue) and _is_same(request, record):
            record = self._confirm(record, decision)
        return self._again(request, record)

    def _record(self, request: EnrolmentRequest, decision: Issue | Defer) -> Record:
        """Issue or defer, unless another thread or process was first, and keep it: one step."""

        def change(present: Record | None) -> Record | None:
            if present is not None and not self._is_forgotten(present):
                return None
            record = Record(
                transaction_id=request.transaction_id,
                status=RecordStatus.PENDING,
                requester=request.signer.public_key,
                csr=request.csr.der,
                updated=self.now(),
                consumed=decision.consumes,
            )
            return record if isinstance(decision, Defer) else self._issue(record, decision)

        record = self.store.update(request.transaction_id, change)
        assert record is not None  # noqa: S101  # change returns one where there is none
        return record

    def _issue(self, record: Record, decision: Issue) -> Record:
        at = self.now()
        csr = parse_csr(record.csr, limits=self.limits)
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
        if is_issued_by(signer, self.authority.issuer, provider=self.provider):
            if signer.serial_number in self.store.revoked(self.authority.issuer.subject):
                return SignerTrust.REVOKED
            valid = signer.is_valid_at(self.now())
            return SignerTrust.TRUSTED if valid else SignerTrust.OUTDATED
        return SignerTrust.SELF_SIGNED if signer.is_self_issued else SignerTrust.FOREIGN

    # ------------------------------------------------------------------------- later messages

    def _poll(self, message: VerifiedMessage) -> CertRep:
        # Transaction and key decide; the names inside are redundant (P-05).
        record = self._remembered(message.transaction_id)
        if record is None or record.requester != message.signer.public_key:
            return _failure(FailInfo.BAD_CERT_ID)
        return self._from_record(record)

    def _from_record(self, record: Record) -> CertRep:
        if record.status is RecordStatus.PENDING or not record.confirmed:
            return CertRep(pki_status=PkiStatus.PENDING)
        if record.certificate is None:
            fail_info = FailInfo.BAD_REQUEST if record.fail_info is None else record.fail_info
            return _failure(FailInfo(fail_info), record.fail_info_text)
        return self._issued(record.certificate)

    def _issued(self, octets: bytes) -> CertRep:
        chain = self.authority.published if self.send_chain else ()
        certificate = parse_certificate(octets, limits=self.limits)
        return CertRep(pki_status=PkiStatus.SUCCESS, certificates=(certificate, *chain))

    def _find(self, message: VerifiedMessage, identifier: IssuerAndSerialNumber) -> CertRep:
        if not self.may_query(message.signer, identifier):
            return _failure(FailInfo.BAD_CERT_ID)
        octets = self.store.find_certificate(identifier)
        return _failure(FailInfo.BAD_CERT_ID) if octets is None else self._issued(octets)

    def _crl(self, identifier: IssuerAndSerialNumber) -> CertRep:
        if identifier.issuer != self.authority.issuer.subject:
            return _failure(FailInfo.BAD_CERT_ID)
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
            record = self._settle(transaction_id, lambda present: self._issue(present, decision))
        if not record.confirmed:
            record = self._confirm(record, decision)
        return self._certificate_of(record)

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

        Source: RFC 8894 section 4.6.1; Q-06.
        """
        issuer = self.authority.issuer.subject
        return self.authority.crl(
            number=self.store.next_crl_number(issuer),
            revoked=self.store.revoked(issuer),
            at=self.now(),
        )


def _is_same(request: EnrolmentRequest, record: Record) -> bool:
    return (record.csr, record.requester) == (request.csr.der, request.signer.public_key)


def _failure(fail_info: FailInfo, fail_info_text: str | None = None) -> CertRep:
    return CertRep(pki_status=PkiStatus.FAILURE, fail_info=fail_info, fail_info_text=fail_info_text)


def _require_reachable(signer: Certificate) -> None:
    """Refuse, before anything is issued, a signer that no reply can be encrypted to (E-26)."""
    if signer.key_type is not KeyType.RSA:
        raise UnsupportedError(
            "A reply can only be encrypted to an RSA key.", algorithm="reply to a key without RSA"
        )


def _check_key_size(csr: CertificationRequest, minimum_rsa_bits: int) -> None:
    bits = rsa_bits_of(csr.public_key)
    if bits is not None and bits < minimum_rsa_bits:
        _refuse_algorithm(f"an RSA key of {bits} bits", "minimum_rsa_bits")


def _refuse_algorithm(name: str, argument: str) -> NoReturn:
    raise WeakAlgorithm(
        f"The request uses {name}, which this responder does not accept; change {argument} if "
        "old clients need it.",
        algorithm=name,
        argument=argument,
    )
