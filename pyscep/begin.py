"""Begin an exchange: make the message of each operation of a client, without any I/O.

:func:`pkcs_req`, :func:`renewal_req` and :func:`cert_poll` return an
:class:`~pyscep.exchange.Exchange`: the message to send, and its ``receive()`` for what comes back.
:func:`get_cert` and :func:`get_crl` return their own kinds. What could not be answered is refused
before anything is sent.
"""

from __future__ import annotations

from dataclasses import replace

from pyscep.ca import TrustedCa
from pyscep.capabilities import Algorithms
from pyscep.certificates import Certificate, Identity
from pyscep.cms_enveloped import needs_password
from pyscep.cms_password import password_octets
from pyscep.crypto import CryptoProvider, default_provider
from pyscep.errors import KeyCapabilityError, UsageError
from pyscep.exchange import DEFAULT_RULES, CertificateQuery, CrlQuery, Exchange, ReplyRules, Sent
from pyscep.extensions import KeyUsage
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.keys import require_decryption
from pyscep.messages import CertPoll, GetCert, GetCRL, PKCSReq, RenewalReq, Request
from pyscep.pkcs10 import CertificationRequest
from pyscep.pki_message import NONCE_SIZE, encode_request
from pyscep.secrecy import hides_locals
from pyscep.transaction import INITIAL_STATE, Transaction, TransactionState


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

    :param transaction: from a :class:`~pyscep.transaction.Pending`, perhaps read back from JSON.
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
) -> Sent:
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
) -> Sent:
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
    return Sent(
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
