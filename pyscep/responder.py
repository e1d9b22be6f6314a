"""The server side, without I/O: an :class:`~pyscep.http.HttpRequest` in, a response out.

:meth:`Responder.handle` has the type of a transport, so that ``Client(url, send=responder.handle)``
is a whole enrolment in memory. Here are messages: which are read, and what answers look like; what
a CA makes of them is in :mod:`pyscep.registrar`.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from pyscep import http_server
from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.authority import Authority
from pyscep.capabilities import Capability, format_capabilities
from pyscep.certificates import (
    Certificate,
)
from pyscep.cms_enveloped import needs_password
from pyscep.cms_signed import degenerate, sign_data
from pyscep.crypto import CryptoProvider, default_provider
from pyscep.errors import (
    DecodeError,
    DecryptionFailed,
    HttpError,
    KeyCapabilityError,
    ProtocolError,
    ScepError,
    SecurityError,
    TransportError,
    UnexpectedMessageType,
    UnsupportedError,
)
from pyscep.handlers import (
    EnrolmentRequest,
    Issue,
    Refuse,
    RequestHandler,
)
from pyscep.http import HttpRequest, HttpResponse, Operation
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.messages import (
    CertPoll,
    CertRep,
    FailInfo,
    GetCert,
    MessageType,
    PKCSReq,
    RenewalReq,
    Request,
    parse_request,
)
from pyscep.pki_message import (
    NONCE_SIZE,
    MessageData,
    VerifiedMessage,
    encode_cert_rep,
    parse_pki_message,
)
from pyscep.registrar import (
    MAXIMUM_PENDING,
    DuplicatePolicy,
    Registrar,
    failure,
    refuse_algorithm,
)
from pyscep.store import Store

AES_CIPHERS = frozenset(
    (
        ContentEncryptionAlgorithm.AES128_CBC,
        ContentEncryptionAlgorithm.AES192_CBC,
        ContentEncryptionAlgorithm.AES256_CBC,
    )
)
"""The content ciphers that requests may use unless told otherwise."""
SHA2_DIGESTS = frozenset((DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512))
"""The hashes that requests may be signed with unless told otherwise."""

_ANSWERED = (ProtocolError, SecurityError, UnsupportedError, KeyCapabilityError, TransportError)
"""What is answered with a FAILURE; everything else is this side's own error, and HTTP's matter."""


def anybody_may_query(signer: Certificate, identifier: IssuerAndSerialNumber) -> bool:
    """Let everybody ask for every certificate: these are public."""
    del signer, identifier
    return True


def ignore(request: EnrolmentRequest) -> None:
    """Do nothing about a reused challenge beyond refusing it."""
    del request


def no_passwords(message: VerifiedMessage) -> tuple[str, ...]:
    """Know no challenge password that a request could be encrypted with."""
    del message
    return ()


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
    other_issuers: tuple[Certificate, ...] = ()
    """Further CAs whose certificates may sign renewals, such as the one before (R-06, W-08)."""
    next_authority: Authority | None = None
    """The CA after a rollover: GetNextCACert returns it, and it answers what is encrypted to it."""
    may_query: Callable[[Certificate, IssuerAndSerialNumber], bool] = anybody_may_query
    """Whether the holder of a certificate may ask for another by GetCert (S-26)."""
    challenge_passwords: Callable[[VerifiedMessage], list[str] | tuple[str, ...]] = no_passwords
    """The challenge passwords that a request may be encrypted with, where nothing can be encrypted
    to the CA's own key; a few, as each costs the time of a key derivation. The message says who
    signed it, nothing more is known of it yet (E-04, E-05)."""
    on_reuse: Callable[[EnrolmentRequest], None] = ignore
    """Told when a one-time challenge comes a second time, which is an alarm (H-04)."""
    store: Store
    """What is remembered."""
    now: Callable[[], datetime]
    """The clock, returning a datetime with time zone."""
    ciphers: AbstractSet[ContentEncryptionAlgorithm] = AES_CIPHERS
    """Which content ciphers requests may use; add DES_EDE3_CBC for old clients. Requests under
    DES_CBC, if it is named here, are answered under AES-128."""
    digests: AbstractSet[DigestAlgorithm] = SHA2_DIGESTS
    """Which hashes requests may be signed with; add SHA1 for old clients."""
    extra_capabilities: tuple[str, ...] = ()
    """Announced besides, as :func:`pyscep.capabilities.format_capabilities` takes them;
    ``("SHA-384",)`` lets strongSwan 5.9.8 use AES (C-30)."""
    renewal: bool = True
    """Whether RenewalReq is supported, and announced."""
    duplicates: DuplicatePolicy = DuplicatePolicy.REISSUE
    """What to do when a key that has a certificate asks for the same one again (X-06)."""
    send_chain: bool = False
    """Whether SUCCESS carries the CA's chain after the certificate (A-03, A-04)."""
    empty_content: bytes | None = None
    """What FAILURE and PENDING carry; ``b""`` for clients that crash without an eContent."""
    minimum_rsa_bits: int = 2048
    """The smallest RSA key that is certified (R-12)."""
    transaction_lifetime: timedelta = timedelta(days=30)
    """When an ended transaction is forgotten, so that its ID may be used again (X-09);
    :meth:`forget` frees its room too."""
    maximum_pending: int = MAXIMUM_PENDING
    """How many requests may wait for a decision; the next one is refused with badRequest and a
    text, until one has been approved or denied. A request that waits keeps its place."""
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
        """Answer one HTTP request; every error of SCEP becomes an answer.

        What *authority*, *handler*, *now* or another object of the caller raises and is no
        ScepError goes through, for the server around this to write down and to answer with HTTP
        status 500; nothing has been issued then.

        Source: RFC 8894 section 4; T-20, T-23, T-33.
        """
        try:
            parsed = http_server.parse_request(request, limits=self.limits)
            match parsed.operation:
                case Operation.GET_CA_CAPS:
                    body = format_capabilities(self.capabilities, extra=self.extra_capabilities)
                    return http_server.ca_caps_response(body)
                case Operation.GET_CA_CERT:
                    return self._get_ca_cert()
                case Operation.GET_CA_CERT_CHAIN:
                    chain = [certificate.der for certificate in self.authority.published]
                    return http_server.ca_cert_chain_response(degenerate(chain))
                case Operation.GET_NEXT_CA_CERT:
                    return self._get_next_ca_cert()
                case _:
                    return http_server.pki_operation_response(self.answer(parsed.message))
        except ScepError as error:
            return http_server.error_response(error)

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
            return http_server.ca_cert_response(certificates[0], chain=False)
        return http_server.ca_cert_response(degenerate(certificates), chain=True)

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
        return http_server.next_ca_cert_response(signed)

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
            serving = self._addressed(data)
            cipher = _reply_cipher(data.content_encryption_algorithm)
            reply = serving._reply(message, request)  # noqa: SLF001  # another Responder
            return self.encoder(serving, message, reply, cipher)
        except _ANSWERED as error:
            refusal = failure(_fail_info(error, message.message_type))
        return self.encoder(serving, message, refusal, cipher)

    def _addressed(self, data: MessageData) -> Responder:
        """Return who answers: the CA that the envelope is for, today's or the next (N-07)."""
        following = self.next_authority
        if following is None:
            return self
        if data.recipient is None:
            # No certificate is named; of two CAs that cannot decrypt, it is today's.
            addressed = not _needs_passwords(self.authority)
        else:
            addressed = any(i.certificate == data.recipient for i in following.recipients)
        if not addressed:
            return self
        # Who has a certificate of today's CA may have one of the next.
        issuers = (self.authority.issuer, *self.other_issuers)
        return replace(self, authority=following, other_issuers=issuers)

    def reply_digest(self, request: VerifiedMessage) -> DigestAlgorithm:
        """Return the hash to sign a reply with: that of the request, if it is allowed (A-17)."""
        mirrored = request.digest_algorithm
        return mirrored if mirrored in self.digests else DigestAlgorithm.SHA256

    def _check_digest(self, message: VerifiedMessage) -> None:
        if message.digest_algorithm not in self.digests:
            refuse_algorithm(message.digest_algorithm.name, "digests")

    def _open(self, message: VerifiedMessage) -> tuple[Request | None, MessageData]:
        """Return what is inside; ``None`` for a CertPoll, which stays closed.

        Anybody can wrap a recorded envelope anew, changed a little, and sign it with a key of
        their own. So no answer may depend on whether it opens, until a signature inside has shown
        that it was not changed (S-06).
        """
        if message.message_type is MessageType.CERT_REP:
            raise UnexpectedMessageType(
                "A CertRep is not a request.", actual=str(message.message_type.value)
            )
        following = () if self.next_authority is None else self.next_authority.recipients
        identities, passwords = (*self.authority.recipients, *following), self._passwords(message)
        if message.message_type is MessageType.CERT_POLL:
            # Transaction and key decide; the names inside are redundant (P-05).
            envelope = message.envelope()
            cipher = envelope.content_encryption_algorithm(self.ciphers)
            identity = envelope.addressee(identities, passwords)
            return None, MessageData(
                octets=b"",
                content_encryption_algorithm=cipher,
                recipient=None if identity is None else identity.certificate,
            )
        data = message.decrypt(identities, passwords, ciphers=self.ciphers, provider=self.provider)
        try:
            request = parse_request(message.message_type, data.octets, limits=self.limits)
        except DecodeError:
            # As for all that does not open.
            raise DecryptionFailed from None
        return request, data

    def _passwords(self, message: VerifiedMessage) -> tuple[str, ...]:
        """Return what a request may be encrypted with: nothing if the CA can decrypt (E-05)."""
        following = self.next_authority
        if not (
            _needs_passwords(self.authority)
            or (following is not None and _needs_passwords(following))
        ):
            return ()
        remembered = self.registrar.remembered_challenge(message)
        known = () if remembered is None else (remembered,)
        return (*known, *self.challenge_passwords(message))

    def _reply(self, message: VerifiedMessage, request: Request | None) -> CertRep:
        match request:
            case PKCSReq() | RenewalReq():
                return self.registrar.enrol(message, request)
            case CertPoll() | None:
                return self.registrar.poll(message)
            case GetCert():
                if not self.may_query(message.signer, request.identifier):
                    return failure(FailInfo.BAD_CERT_ID)
                return self.registrar.find(request.identifier)
            case _:  # GetCRL
                return self.registrar.find_crl(request.identifier)

    # ----------------------------------------------------------------------- for the operator

    @property
    def registrar(self) -> Registrar:
        """What decides, remembers and issues."""
        following = () if self.next_authority is None else (self.next_authority.issuer,)
        return Registrar(
            authority=self.authority,
            other_issuers=(*following, *self.other_issuers),
            handler=self.handler,
            store=self.store,
            now=self.now,
            on_reuse=self.on_reuse,
            digests=self.digests,
            renewal=self.renewal,
            duplicates=self.duplicates,
            minimum_rsa_bits=self.minimum_rsa_bits,
            transaction_lifetime=self.transaction_lifetime,
            maximum_pending=self.maximum_pending,
            send_chain=self.send_chain,
            limits=self.limits,
            provider=self.provider,
        )

    def approve(self, transaction_id: str, decision: Issue = Issue()) -> Certificate:
        """Issue what a pending request asks for; the client gets it with its next poll.

        Approve again what was issued while its observer did not agree: it is told again.

        :raises UsageError: no pending request has this ID.
        :raises ScepError: what the CA, or the observer of *decision*, raises.

        Source: RFC 8894 section 2.4; X-03, V-08.
        """
        return self.registrar.approve(transaction_id, decision)

    def deny(self, transaction_id: str, refusal: Refuse = Refuse()) -> None:
        """Refuse a pending request for good.

        :raises UsageError: no pending request has this ID.

        Source: RFC 8894 section 2.5; X-15.
        """
        self.registrar.deny(transaction_id, refusal)

    def forget(self) -> int:
        """Drop from the store what :attr:`transaction_lifetime` is over for; return how much.

        Nothing else does, so call it now and then. :attr:`duplicates` finds no certificate any more
        whose transaction has been dropped.

        Source: X-09.
        """
        return self.store.forget(self.now() - self.transaction_lifetime)

    def revoke(self, certificate: Certificate) -> None:
        """Revoke a certificate of this CA: it renews nothing from now on (R-06, W-16).

        :raises UsageError: it was not issued by this CA.
        """
        self.registrar.revoke(certificate)

    def crl(self) -> bytes:
        """Return the latest CRL in DER, made now.

        :raises UsageError: the CA's keyUsage lacks cRLSign, so that nobody would believe it.

        Source: RFC 8894 section 4.6.1; Q-06.
        """
        return self.registrar.crl()


def _fail_info(error: ScepError, message_type: MessageType) -> FailInfo:
    """Say what an error is on the wire (A-15).

    A query that does not open is answered like one for what there is not (S-06).
    """
    is_query = message_type in (MessageType.GET_CERT, MessageType.GET_CRL)
    if is_query and isinstance(error, DecryptionFailed):
        return FailInfo.BAD_CERT_ID
    return FailInfo(error.fail_info_hint)


def _reply_cipher(requested: ContentEncryptionAlgorithm) -> ContentEncryptionAlgorithm:
    """Mirror the cipher of the request, but single DES, which is never sent (E-12, E-21)."""
    if requested is ContentEncryptionAlgorithm.DES_CBC:
        return ContentEncryptionAlgorithm.AES128_CBC
    return requested


def _needs_passwords(authority: Authority) -> bool:
    """Whether nothing can be encrypted to this CA, so that challenge passwords encrypt."""
    return all(needs_password(identity.certificate) for identity in authority.recipients)
