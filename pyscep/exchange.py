"""One message out, one reply in: every operation of a client, without any I/O.

:func:`pkcs_req`, :func:`renewal_req` and :func:`cert_poll` return an :class:`Exchange`: the message
to send, and :meth:`Exchange.receive` for what comes back. :func:`get_cert` and :func:`get_crl`
return their own kinds. Everything about a reply is checked, in the order of S-01, before anything
in it is believed.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.ca import TrustedCa
from pyscep.capabilities import Algorithms
from pyscep.certificates import (
    Certificate,
    Chain,
    Identity,
    build_chain,
    is_issued_by,
    parse_certificate,
)
from pyscep.cms_enveloped import STANDARD_CIPHERS, needs_password
from pyscep.cms_password import password_octets
from pyscep.cms_signed import CertificateBag
from pyscep.crl import parse_crl
from pyscep.crypto import CryptoProvider, default_provider
from pyscep.errors import (
    CertificateMismatch,
    KeyCapabilityError,
    MessageError,
    MissingAttribute,
    NonceMismatch,
    TransactionMismatch,
    UnexpectedMessageType,
    UsageError,
)
from pyscep.extensions import KeyUsage
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.keys import require_decryption
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.messages import (
    CertPoll,
    FailInfo,
    GetCert,
    GetCRL,
    MessageType,
    PKCSReq,
    PkiStatus,
    RenewalReq,
    Request,
    explain_fail_info,
    parse_cert_rep_content,
)
from pyscep.pkcs10 import CertificationRequest
from pyscep.pki_message import NONCE_SIZE, VerifiedMessage, encode_request, parse_pki_message
from pyscep.secrecy import hides_locals
from pyscep.transaction import (
    INITIAL_STATE,
    TRANSITIONS,
    CrlSuccess,
    Failure,
    Pending,
    Reply,
    Success,
    Transaction,
    TransactionState,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRules:
    """What the caller is willing to read in replies, which are the server's choice.

    Source: RFC 8894 section 2.9; C-23, E-12, E-21, L-10, M-36, W-11.
    """

    read_legacy_ciphers: AbstractSet[ContentEncryptionAlgorithm] = frozenset()
    """Ciphers to read besides AES and that of the request; 3DES and even single DES are possible,
    as the content of a reply is public anyway."""
    minimum_digest: DigestAlgorithm = DigestAlgorithm.SHA1
    """The weakest hash accepted in the signature of a reply. SHA-1 is the default, because NDES
    signs its FAILUREs with it; with a better server say SHA256."""
    ignore_key_usage: bool = False
    """Whether an identity may sign whose certificate is for signatures only (keyUsage without
    keyEncipherment). By rights no reply can be encrypted to it, but servers that issue such
    certificates, as micromdm does, encrypt to them all the same."""
    limits: Limits = DEFAULT_LIMITS
    """How much is accepted."""


DEFAULT_RULES = ReplyRules()
"""The rules used where the caller gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """A message that was made, and all that is needed to judge its reply."""

    message: bytes = field(repr=False)
    """The pkiMessage to send."""
    transaction: Transaction
    """The transaction it belongs to, as it stands before the reply."""
    sender_nonce: bytes
    """The nonce that the reply has to repeat."""
    identity: Identity = field(repr=False)
    ca: TrustedCa = field(repr=False)
    rules: ReplyRules = field(repr=False)
    provider: CryptoProvider = field(repr=False)
    passwords: tuple[str, ...] = field(default=(), repr=False)
    """What the reply has to be encrypted with; none where the identity's key can decrypt (A-18)."""

    @property
    def ciphers(self) -> AbstractSet[ContentEncryptionAlgorithm]:
        """The ciphers to read: AES, what the request used, and what the caller named."""
        sent = self.transaction.algorithms.content_encryption_algorithm
        return STANDARD_CIPHERS | {sent} | self.rules.read_legacy_ciphers

    @property
    def limits(self) -> Limits:
        """How much is accepted."""
        return self.rules.limits

    def open(self, octets: bytes) -> VerifiedMessage:
        """Parse and verify a reply and check that it answers this message, in the order of S-01."""
        reply = parse_pki_message(octets, limits=self.limits).verify(
            self.ca.signers, minimum_digest=self.rules.minimum_digest, provider=self.provider
        )
        if reply.message_type is not MessageType.CERT_REP:
            raise UnexpectedMessageType(
                f"The reply is a {reply.message_type.name}, but only a CERT_REP can be one.",
                actual=str(reply.message_type.value),
            )
        sent = self.transaction.transaction_id
        if reply.transaction_id != sent:
            raise TransactionMismatch(
                f"The reply is for the transaction {reply.transaction_id!r}, not for {sent!r}.",
                expected=sent,
                actual=reply.transaction_id,
            )
        self._check_nonce(reply)
        return reply

    def _check_nonce(self, reply: VerifiedMessage) -> None:
        if reply.recipient_nonce is None:
            raise MissingAttribute(
                "The reply lacks the recipientNonce, so it could be an old one sent again.",
                attribute="recipientNonce",
                reference="RFC 8894 section 3.2.1.5",
            )
        if not hmac.compare_digest(reply.recipient_nonce, self.sender_nonce):
            raise NonceMismatch(
                "The recipientNonce of the reply is not the senderNonce of the request; it may be "
                "an old reply sent again.",
                reference="RFC 8894 section 3.2.1.5",
            )

    def decrypt(self, reply: VerifiedMessage) -> tuple[CertificateBag, ContentEncryptionAlgorithm]:
        data = reply.decrypt(
            (self.identity,), self.passwords, ciphers=self.ciphers, provider=self.provider
        )
        bag = parse_cert_rep_content(data.octets, limits=self.limits)
        return bag, data.content_encryption_algorithm

    def ended(self, status: PkiStatus) -> Transaction:
        present = self.transaction
        return replace(present, state=TRANSITIONS[present.state, status])

    def failure(self, reply: VerifiedMessage) -> Failure:
        value = reply.fail_info
        known = {member.value: member for member in FailInfo}
        return Failure(
            fail_info=None if value is None else known.get(value),
            fail_info_value=value,
            fail_info_text=reply.fail_info_text,
            hresult=reply.hresult,
            explanation=explain_fail_info(value, renewal=self.transaction.renewal),
            transaction=self.ended(PkiStatus.FAILURE),
        )

    def success(
        self,
        reply: VerifiedMessage,
        certificate: Certificate,
        others: Sequence[Certificate],
        cipher: ContentEncryptionAlgorithm,
        *,
        subject_changed: bool,
    ) -> Success:
        return Success(
            certificate=certificate,
            chain=self.chain_of(certificate, others),
            others=tuple(others),
            subject_changed=subject_changed,
            content_encryption_algorithm=cipher,
            digest_algorithm=reply.digest_algorithm,
            transaction=self.ended(PkiStatus.SUCCESS),
        )

    def chain_of(self, certificate: Certificate, others: Sequence[Certificate]) -> Chain:
        """Return the chain of a certificate that has to be one of the trusted CA's."""
        authorities = self.ca.chain.certificates
        issuers = (c for c in authorities if is_issued_by(certificate, c, provider=self.provider))
        issuer = next(issuers, None)
        if issuer is None:
            raise CertificateMismatch(
                f"The certificate of {certificate.subject} in the reply does not verify under the "
                f"trusted CA {self.ca.issuer.subject}; do not use it."
            )
        if self.ca.chain.is_complete:
            # Every link of it was verified when the CA was authenticated.
            above = authorities[authorities.index(issuer) :]
            return replace(self.ca.chain, certificates=(certificate, *above))
        # Perhaps what came along leads to the root. When it is valid is for the caller to judge.
        pool = (*self.ca.certificates, *others)
        return build_chain(certificate, pool, at=None, provider=self.provider)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What all kinds of exchanges have in common for their user."""

    _sent: _Sent = field(repr=False)

    @property
    def message(self) -> bytes:
        """The pkiMessage to send, as the body of a POST or in the query of a GET."""
        return self._sent.message

    @property
    def transaction(self) -> Transaction:
        """The transaction, as it stands before the reply."""
        return self._sent.transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange(Outgoing):
    """An enrolment, renewal or poll: send :attr:`message`, give the reply to :meth:`receive`.

    Source: RFC 8894 section 2.5; X-03.
    """

    def receive(self, octets: bytes) -> Reply:
        """Judge the reply: everything is checked before anything in it is believed.

        :param octets: the pkiMessage that came back.
        :raises DecodeError: not a pkiMessage.
        :raises SignatureInvalid: not signed by the trusted CA.
        :raises MessageError: it breaks a rule of SCEP, or answers another message.
        :raises WeakAlgorithm: a hash or cipher that the caller does not read; names the argument.
        :raises UnsupportedError: an algorithm that is not supported.
        :raises DecryptionFailed: the envelope does not open.
        :raises CertificateMismatch: a certificate for another key or by another CA.

        Source: RFC 8894 sections 2.5 and 3.3.2; S-01, S-08, S-11, A-02, A-08 to A-12, M-41, R-13.
        """
        reply = self._sent.open(octets)
        match reply.pki_status:
            case PkiStatus.FAILURE:
                return self._sent.failure(reply)
            case PkiStatus.PENDING:
                return Pending(transaction=self._sent.ended(PkiStatus.PENDING))
            case _:
                return self._issued(reply)

    def _issued(self, reply: VerifiedMessage) -> Success:
        bag, cipher = self._sent.decrypt(reply)
        certificates = _parse_all(bag, self._sent.limits)
        matching = [c for c in certificates if c.public_key == self._sent.transaction.public_key]
        if not matching:
            raise CertificateMismatch(
                f"None of the {len(certificates)} certificates in the reply has the requested "
                "key; do not use any of them."
            )
        certificate = max(matching, key=lambda c: c.not_before)
        others = [c for c in certificates if c is not certificate]
        changed = certificate.subject != self._sent.transaction.subject
        return self._sent.success(reply, certificate, others, cipher, subject_changed=changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateQuery(Outgoing):
    """A GetCert: send :attr:`message`, give the reply to :meth:`receive`.

    Source: RFC 8894 section 4.5; Q-01, Q-07.
    """

    identifier: IssuerAndSerialNumber
    """The certificate asked for."""

    def receive(self, octets: bytes) -> Success | Failure:
        """Judge the reply; see :meth:`Exchange.receive` for the errors.

        :raises MessageError: besides, a PENDING, which GetCert does not have.
        :raises CertificateMismatch: another certificate than the one asked for.

        Source: RFC 8894 section 4.5.1; A-13, Q-03, Q-07.
        """
        reply = self._sent.open(octets)
        if reply.pki_status is PkiStatus.FAILURE:
            return self._sent.failure(reply)
        _refuse_pending(reply)
        bag, cipher = self._sent.decrypt(reply)
        certificates = _parse_all(bag, self._sent.limits)
        for certificate in certificates:
            if IssuerAndSerialNumber.of(certificate) == self.identifier:
                others = [c for c in certificates if c is not certificate]
                return self._sent.success(reply, certificate, others, cipher, subject_changed=False)
        raise CertificateMismatch(
            f"The reply does not hold the certificate with {self.identifier}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlQuery(Outgoing):
    """A GetCRL: send :attr:`message`, give the reply to :meth:`receive`.

    Source: RFC 8894 section 4.6; Q-01, Q-07.
    """

    def receive(self, octets: bytes) -> CrlSuccess | Failure:
        """Judge the reply; see :meth:`Exchange.receive` for the errors.

        :raises MessageError: besides, a PENDING, or no CRL.
        :raises CertificateMismatch: a CRL of another CA.

        Source: RFC 8894 section 4.6.1; A-07, A-13, Q-07.
        """
        reply = self._sent.open(octets)
        if reply.pki_status is PkiStatus.FAILURE:
            return self._sent.failure(reply)
        _refuse_pending(reply)
        bag, cipher = self._sent.decrypt(reply)
        if len(bag.crls) != 1:
            raise MessageError(
                f"The reply to GetCRL has {len(bag.crls)} CRLs instead of one.",
                reference="RFC 8894 section 4.6.1",
            )
        crl = parse_crl(bag.crls[0], limits=self._sent.limits)
        crl.verify(self._sent.ca.issuer, provider=self._sent.provider)
        return CrlSuccess(
            crl=crl,
            content_encryption_algorithm=cipher,
            digest_algorithm=reply.digest_algorithm,
        )


def _parse_all(bag: CertificateBag, limits: Limits) -> list[Certificate]:
    return [parse_certificate(each, limits=limits) for each in bag.certificates]


def _refuse_pending(reply: VerifiedMessage) -> None:
    if reply.pki_status is PkiStatus.PENDING:
        raise MessageError(
            "The reply is PENDING, which a query cannot be answered by.",
            reference="RFC 8894 section 4.5.1",
        )


def pkcs_req(
    csr: CertificationRequest,
    *,
    identity: Identity,
    ca: TrustedCa,
    algorithms: Algorithms = Algorithms(),
    rules: ReplyRules = DEFAULT_RULES,
    transaction_id: str | None = None,
    provider: CryptoProvider | None = None,
) -> Exchange:
    """Begin an enrolment by shared secret or manual approval.

    :param csr: with the challenge password, if the CA asks for one, or if its key or that of the
        identity cannot decrypt; then one of 16 random characters or more.
    :param identity: the self-signed certificate for the requested key
        (:func:`pyscep.pkcs10.self_signed_identity`), or an existing certificate for a renewal the
        way NDES has it (C-28).
    :param algorithms: what to send with; see :meth:`pyscep.capabilities.Capabilities.select`.
    :param transaction_id: random if left out.
    :raises UsageError: a self-signed identity with another key than the request.
    :raises KeyCapabilityError: the identity's key could not open the reply, or the CA's the
        request, and no challenge password can stand in.

    Source: RFC 8894 sections 2.3 and 3.3.1; M-18, M-19, R-01, R-02, R-05, W-01, W-09, W-11,
        C-28, E-04 to E-06, E-29.
    """
    renewal = not identity.certificate.is_self_issued
    if not renewal and identity.key.public_key != csr.public_key:
        raise UsageError(
            "A self-signed identity has to have the key of the certification request; make it "
            "with self_signed_identity(csr, …).",
            argument="identity",
        )
    sent = _begin(
        PKCSReq(csr=csr),
        wanted=csr,
        renewal=renewal,
        identity=identity,
        ca=ca,
        algorithms=algorithms,
        rules=rules,
        transaction_id=transaction_id,
        provider=provider,
    )
    return Exchange(_sent=sent)


def renewal_req(
    csr: CertificationRequest,
    *,
    identity: Identity,
    ca: TrustedCa,
    algorithms: Algorithms = Algorithms(),
    rules: ReplyRules = DEFAULT_RULES,
    transaction_id: str | None = None,
    provider: CryptoProvider | None = None,
) -> Exchange:
    """Begin a renewal that the existing certificate authorises.

    :param csr: best with a fresh key; the challenge password may be left out, but some servers
        want it all the same.
    :param identity: the existing certificate with *its* key, which also opens the reply.
    :raises UsageError: the identity is self-signed.
    :raises KeyCapabilityError: as for :func:`pkcs_req`.

    Source: RFC 8894 sections 2.3 and 3.3.1; R-02, R-15, W-07 to W-11, H-02, E-26.
    """
    if identity.certificate.is_self_issued:
        raise UsageError(
            "A renewal is signed with the certificate that the CA issued; with a self-signed one "
            "use pkcs_req().",
            argument="identity",
        )
    sent = _begin(
        RenewalReq(csr=csr),
        wanted=csr,
        renewal=True,
        identity=identity,
        ca=ca,
        algorithms=algorithms,
        rules=rules,
        transaction_id=transaction_id,
        provider=provider,
    )
    return Exchange(_sent=sent)


@hides_locals
def cert_poll(
    transaction: Transaction,
    *,
    identity: Identity,
    ca: TrustedCa,
    challenge_password: str | None = None,
    rules: ReplyRules = DEFAULT_RULES,
    provider: CryptoProvider | None = None,
) -> Exchange:
    """Ask what has become of a pending request, with a new nonce.

    :param transaction: from a :class:`Pending`, perhaps read back from JSON.
    :param identity: the one that signed the first request.
    :param ca: the one that the first request went to.
    :param challenge_password: that of the first request, needed if the key of either side cannot
        decrypt; the transaction does not keep it.
    :raises UsageError: another identity or CA, or a transaction that has ended.
    :raises KeyCapabilityError: a key that cannot decrypt, and no challenge password.

    Source: RFC 8894 section 3.3.3; P-01 to P-03, P-06, P-07, X-05, E-04, E-26.
    """
    if transaction.state is not TransactionState.CERT_REQ_PENDING:
        raise UsageError(
            f"The transaction {transaction.transaction_id} has ended "
            f"({transaction.state.value}); start a new one.",
            argument="transaction",
        )
    if identity.certificate.sha256_fingerprint != transaction.signer_sha256:
        raise UsageError(
            "A poll is signed with the same certificate as the first request; keep it together "
            "with the transaction.",
            argument="identity",
        )
    if ca.issuer.sha256_fingerprint != transaction.issuer_sha256:
        raise UsageError(
            "The request went to another CA certificate; if the CA has been replaced, start a new "
            "enrolment.",
            argument="ca",
        )
    message = CertPoll(issuer=ca.issuer.subject, subject=transaction.subject)
    counted = replace(transaction, polls=transaction.polls + 1)
    chosen = provider or default_provider()
    return Exchange(_sent=_send(message, counted, identity, ca, rules, challenge_password, chosen))


def get_cert(
    identifier: IssuerAndSerialNumber,
    *,
    identity: Identity,
    ca: TrustedCa,
    algorithms: Algorithms = Algorithms(),
    rules: ReplyRules = DEFAULT_RULES,
    transaction_id: str | None = None,
    provider: CryptoProvider | None = None,
) -> CertificateQuery:
    """Ask for a certificate by its serial number; a certificate store by HTTP or LDAP is better.

    :raises KeyCapabilityError: the identity's key could not open the reply.

    Source: RFC 8894 sections 2.6 and 3.3.4; Q-01, Q-02.
    """
    sent = _begin(
        GetCert(identifier=identifier),
        wanted=identity.certificate,
        renewal=False,
        identity=identity,
        ca=ca,
        algorithms=algorithms,
        rules=rules,
        transaction_id=transaction_id,
        provider=provider,
    )
    return CertificateQuery(identifier=identifier, _sent=sent)


def get_crl(
    identifier: IssuerAndSerialNumber,
    *,
    identity: Identity,
    ca: TrustedCa,
    algorithms: Algorithms = Algorithms(),
    rules: ReplyRules = DEFAULT_RULES,
    transaction_id: str | None = None,
    provider: CryptoProvider | None = None,
) -> CrlQuery:
    """Ask for the CRL that covers a certificate; its CRL distribution point is better.

    :param identifier: of the certificate whose status is wanted.
    :raises KeyCapabilityError: the identity's key could not open the reply.

    Source: RFC 8894 sections 2.7 and 3.3.4; Q-01, Q-02, Q-04, Q-05.
    """
    sent = _begin(
        GetCRL(identifier=identifier),
        wanted=identity.certificate,
        renewal=False,
        identity=identity,
        ca=ca,
        algorithms=algorithms,
        rules=rules,
        transaction_id=transaction_id,
        provider=provider,
    )
    return CrlQuery(_sent=sent)


@hides_locals
def _begin(
    message: Request,
    *,
    wanted: CertificationRequest | Certificate,
    renewal: bool,
    identity: Identity,
    ca: TrustedCa,
    algorithms: Algorithms,
    rules: ReplyRules,
    transaction_id: str | None,
    provider: CryptoProvider | None,
) -> _Sent:
    """Make the first message of a transaction.

    :param wanted: whose subject and key the transaction is about.
    """
    chosen = provider or default_provider()
    transaction = Transaction(
        # Random, not derived from the key: one key may have several transactions (M-19).
        transaction_id=transaction_id or chosen.random_bytes(16).hex(),
        state=INITIAL_STATE,
        message_type=message.message_type,
        renewal=renewal,
        subject=wanted.subject,
        public_key=wanted.public_key,
        signer_sha256=identity.certificate.sha256_fingerprint,
        issuer_sha256=ca.issuer.sha256_fingerprint,
        algorithms=algorithms,
    )
    challenge_password = (
        wanted.challenge_password if isinstance(wanted, CertificationRequest) else None
    )
    return _send(message, transaction, identity, ca, rules, challenge_password, chosen)


def _send(
    message: Request,
    transaction: Transaction,
    identity: Identity,
    ca: TrustedCa,
    rules: ReplyRules,
    challenge_password: str | None,
    provider: CryptoProvider,
) -> _Sent:
    passwords = _require_readable_reply(identity, rules, challenge_password)
    sender_nonce = provider.random_bytes(NONCE_SIZE)
    algorithms = transaction.algorithms
    octets = encode_request(
        message,
        transaction_id=transaction.transaction_id,
        sender_nonce=sender_nonce,
        identity=identity,
        recipient=ca.recipient,
        content_encryption_algorithm=algorithms.content_encryption_algorithm,
        digest_algorithm=algorithms.digest_algorithm,
        key_encryption_algorithm=algorithms.key_encryption_algorithm,
        challenge_password=challenge_password,
        provider=provider,
    )
    return _Sent(
        message=octets,
        transaction=transaction,
        sender_nonce=sender_nonce,
        identity=identity,
        ca=ca,
        rules=rules,
        provider=provider,
        passwords=passwords,
    )


def _require_readable_reply(
    identity: Identity, rules: ReplyRules, challenge_password: str | None
) -> tuple[str, ...]:
    """Refuse, before anything is sent, an identity that could never open the reply (W-11).

    :returns: the passwords that may open it: none where the key does (A-18).
    """
    if needs_password(identity.certificate):
        password_octets(challenge_password, recipient=str(identity.certificate.subject))
        return () if challenge_password is None else (challenge_password,)
    require_decryption(identity.key)
    if not (rules.ignore_key_usage or identity.certificate.allows(KeyUsage.KEY_ENCIPHERMENT)):
        raise KeyCapabilityError(
            f"The certificate of {identity.certificate.subject} is for signatures only (keyUsage "
            "without keyEncipherment), so no reply should be encrypted to it; enrol anew instead, "
            "or set ReplyRules(ignore_key_usage=True) for a server that does it all the same.",
            argument="identity",
        )
    return ()
