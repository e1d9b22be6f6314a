"""One message out, one reply in: what a client does with replies, without any I/O.

An :class:`Exchange` is the message to send, and :meth:`Exchange.receive` for what comes back;
:class:`CertificateQuery` and :class:`CrlQuery` are its kinds for queries. :mod:`pyscep.begin` makes
them. Everything about a reply is checked, in the order of S-01, before anything in it is believed.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.ca import TrustedCa
from pyscep.certificates import Certificate, Identity, is_issued_by, parse_certificate
from pyscep.chains import Chain, build_chain
from pyscep.cms_enveloped import STANDARD_CIPHERS
from pyscep.cms_signed import CertificateBag
from pyscep.crl import parse_crl
from pyscep.crypto import CryptoProvider
from pyscep.errors import (
    CertificateMismatch,
    MessageError,
    MissingAttribute,
    NonceMismatch,
    TransactionMismatch,
    UnexpectedMessageType,
)
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.messages import (
    FailInfo,
    MessageType,
    PkiStatus,
    explain_fail_info,
    parse_cert_rep_content,
)
from pyscep.pki_message import VerifiedMessage, parse_pki_message
from pyscep.transaction import (
    TRANSITIONS,
    CrlSuccess,
    Failure,
    Pending,
    Reply,
    Success,
    Transaction,
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sent:
    """A message that was made, and all that is needed to judge its reply."""

    message: bytes = field(repr=False)
    """The pkiMessage to send."""
    transaction: Transaction
    """The transaction it belongs to, as it stands before the reply."""
    sender_nonce: bytes
    """The nonce that the reply has to repeat."""
    identity: Identity = field(repr=False)
    """Who signed it; whom the reply is encrypted to."""
    ca: TrustedCa = field(repr=False)
    """Whom it is for; who has to sign the reply."""
    rules: ReplyRules = field(repr=False)
    """What may be read in the reply."""
    provider: CryptoProvider = field(repr=False)
    """What computes."""
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
        """Open the envelope of a verified reply; return what is in it, and the cipher."""
        data = reply.decrypt(
            (self.identity,), self.passwords, ciphers=self.ciphers, provider=self.provider
        )
        bag = parse_cert_rep_content(data.octets, limits=self.limits)
        return bag, data.content_encryption_algorithm

    def ended(self, status: PkiStatus) -> Transaction:
        """Return the transaction as it stands after a reply of that status."""
        present = self.transaction
        return replace(present, state=TRANSITIONS[present.state, status])

    def failure(self, reply: VerifiedMessage) -> Failure:
        """Return the result of a FAILURE."""
        value = reply.fail_info
        known = {member.value: member for member in FailInfo}
        return Failure(
            fail_info=None if value is None else known.get(value),
            fail_info_value=value,
            fail_info_text=reply.fail_info_text,
            hresult=reply.hresult,
            explanation=explain_fail_info(
                value,
                message_type=self.transaction.message_type,
                renewal=self.transaction.renewal,
            ),
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
        """Return the result of a SUCCESS with that certificate, which has to be the CA's."""
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
            return Chain(certificates=(certificate, *above), missing_issuer=None, problem=None)
        # Perhaps what came along leads to the root. When it is valid is for the caller to judge.
        pool = (*self.ca.certificates, *others)
        return build_chain(certificate, pool, at=None, provider=self.provider)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outgoing:
    """What all kinds of exchanges have in common for their user."""

    _sent: Sent = field(repr=False)

    @property
    def message(self) -> bytes:
        """The pkiMessage to send, as the body of a POST or in the query of a GET."""
        return self._sent.message

    @property
    def transaction(self) -> Transaction:
        """The transaction, as it stands before the reply."""
        return self._sent.transaction


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exchange(Outgoing):
    """An enrolment, renewal or poll: send its ``message``, give the reply to ``receive``.

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
            raise CertificateMismatch(_without_ours(len(certificates)))
        certificate = max(matching, key=lambda c: c.not_before)
        others = [c for c in certificates if c is not certificate]
        changed = certificate.subject != self._sent.transaction.subject
        return self._sent.success(reply, certificate, others, cipher, subject_changed=changed)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CertificateQuery(Outgoing):
    """A GetCert: send its ``message``, give the reply to ``receive``.

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CrlQuery(Outgoing):
    """A GetCRL: send its ``message``, give the reply to ``receive``.

    Source: RFC 8894 section 4.6; Q-01, Q-07.
    """

    def receive(self, octets: bytes) -> CrlSuccess | Failure:
        """Judge the reply; see :meth:`Exchange.receive` for the errors.

        :raises MessageError: besides, a PENDING, or no CRL.
        :raises CertificateMismatch: a CRL of another CA.
        :raises UntrustedCa: a CRL of a CA whose keyUsage lacks cRLSign.

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


def _without_ours(count: int) -> str:
    if count == 0:
        return "The reply says SUCCESS, but there is no certificate in it; look at the CA's log."
    if count == 1:
        return "The certificate in the reply does not have the requested key; do not use it."
    return f"None of the {count} certificates in the reply has the requested key; do not use them."


def _refuse_pending(reply: VerifiedMessage) -> None:
    if reply.pki_status is PkiStatus.PENDING:
        raise MessageError(
            "The reply is PENDING, which a query cannot be answered by.",
            reference="RFC 8894 section 4.5.1",
        )
