"""A transaction as a value, the table of its states, and the results it can have.

What has to be remembered between two exchanges is a :class:`Transaction`, which can be written to
JSON. PENDING and FAILURE are authenticated *answers* and therefore results, not exceptions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Union

from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
)
from pyscep.capabilities import Algorithms, HttpMethod
from pyscep.certificates import Certificate
from pyscep.chains import Chain
from pyscep.crl import CertificateList
from pyscep.errors import DecodeError, RequestPending, RequestRefused, WeakAlgorithm
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.messages import FailInfo, MessageType, PkiStatus
from pyscep.names import Name, parse_name


class TransactionState(Enum):
    """The states of a client (RFC 8894 section 2.5.1; X-01)."""

    CERT_NONEXISTENT = "CERT-NONEXISTENT"
    CERT_REQ_PENDING = "CERT-REQ-PENDING"
    CERT_ISSUED = "CERT-ISSUED"


INITIAL_STATE = TransactionState.CERT_REQ_PENDING
"""What a transaction begins with: it exists once its first message does."""

TRANSITIONS = {
    (TransactionState.CERT_REQ_PENDING, PkiStatus.SUCCESS): TransactionState.CERT_ISSUED,
    (TransactionState.CERT_REQ_PENDING, PkiStatus.PENDING): TransactionState.CERT_REQ_PENDING,
    (TransactionState.CERT_REQ_PENDING, PkiStatus.FAILURE): TransactionState.CERT_NONEXISTENT,
}
"""What each authenticated reply makes of a state (RFC 8894 section 2.5.1; X-01 to X-03)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What is known of one transaction: enough to go on after a restart, and no secret.

    Source: RFC 8894 sections 2.5.1 and 3.2.1.1; M-18, P-07, X-01, X-05.
    """

    transaction_id: str
    """The same in all messages of the transaction."""
    state: TransactionState
    """Where it stands."""
    message_type: MessageType
    """The type of the first request."""
    renewal: bool
    """Whether an existing certificate signs."""
    subject: Name
    """The subject of the certification request."""
    public_key: bytes = field(repr=False)
    """The DER SubjectPublicKeyInfo that shall be certified."""
    signer_sha256: str
    """Fingerprint of the certificate that signs every message of the transaction (P-07)."""
    issuer_sha256: str
    """Fingerprint of the CA certificate that is to issue."""
    algorithms: Algorithms
    """What the first request was sent with."""
    polls: int = 0
    """How many polls have been sent."""

    def to_json(self) -> str:
        """Return the transaction as JSON text, to be read by :meth:`from_json`.

        Source: X-05, S-24.
        """
        return json.dumps(
            {
                "version": 1,
                "transaction_id": self.transaction_id,
                "state": self.state.value,
                "message_type": self.message_type.value,
                "renewal": self.renewal,
                "subject": self.subject.der.hex(),
                "public_key": self.public_key.hex(),
                "signer_sha256": self.signer_sha256,
                "issuer_sha256": self.issuer_sha256,
                "content_encryption_algorithm": self.algorithms.content_encryption_algorithm.name,
                "digest_algorithm": self.algorithms.digest_algorithm.name,
                "key_encryption_algorithm": self.algorithms.key_encryption_algorithm.name,
                "http_method": self.algorithms.http_method.value,
                "polls": self.polls,
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str, *, limits: Limits = DEFAULT_LIMITS) -> Transaction:
        """Read what :meth:`to_json` wrote.

        :raises DecodeError: not such a text, or of another version.
        :raises LimitExceeded: longer than ``limits.json_size``.

        Source: X-05.
        """
        limits.check("json_size", len(text), what="The saved transaction has {} characters")
        try:
            fields = json.loads(text)
            if not isinstance(fields, dict) or fields.get("version") != 1:
                raise ValueError
            return _transaction_from(fields, limits)
        except (ValueError, KeyError, TypeError, RecursionError, WeakAlgorithm):
            pass
        raise DecodeError(
            "The text is not a saved transaction of version 1; start a new enrolment."
        )


def _transaction_from(fields: dict[str, Any], limits: Limits) -> Transaction:
    def text(name: str) -> str:
        value = fields[name]
        if not isinstance(value, str):
            raise TypeError
        return value

    polls, renewal = fields["polls"], fields["renewal"]
    if not isinstance(polls, int) or not isinstance(renewal, bool) or polls < 0:
        raise TypeError
    return Transaction(
        transaction_id=text("transaction_id"),
        state=TransactionState(text("state")),
        message_type=MessageType(fields["message_type"]),
        renewal=renewal,
        subject=parse_name(bytes.fromhex(text("subject")), limits=limits),
        public_key=bytes.fromhex(text("public_key")),
        signer_sha256=text("signer_sha256"),
        issuer_sha256=text("issuer_sha256"),
        algorithms=Algorithms(
            content_encryption_algorithm=ContentEncryptionAlgorithm[
                text("content_encryption_algorithm")
            ],
            digest_algorithm=DigestAlgorithm[text("digest_algorithm")],
            key_encryption_algorithm=KeyEncryptionAlgorithm[text("key_encryption_algorithm")],
            http_method=HttpMethod(text("http_method")),
        ),
        polls=polls,
    )


# ---------------------------------------------------------------------------------------- results


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """The CA issued, or returned, a certificate.

    Source: RFC 8894 section 3.3.2.1; A-01, A-02, R-13.
    """

    certificate: Certificate
    """The certificate: it has the requested key and was issued by the trusted CA."""
    chain: Chain
    """From :attr:`certificate` up to the root, from the CA's certificates and those that came."""
    others: tuple[Certificate, ...]
    """Further certificates of the reply; nobody vouches for them (D-05)."""
    subject_changed: bool
    """Whether the CA put another subject into it than was asked for."""
    content_encryption_algorithm: ContentEncryptionAlgorithm
    """The cipher of the reply, which is the server's choice (E-21, L-10)."""
    digest_algorithm: DigestAlgorithm
    """The hash of the reply's signature."""
    transaction: Transaction
    """The transaction, now ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlSuccess:
    """The CA returned a CRL.

    Source: RFC 8894 section 3.3.2.1; A-07, Q-07.
    """

    crl: CertificateList
    """The CRL: issued by the trusted CA. Whether it is current is for the caller to say."""
    content_encryption_algorithm: ContentEncryptionAlgorithm
    """The cipher of the reply."""
    digest_algorithm: DigestAlgorithm
    """The hash of the reply's signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The CA has accepted the request and wants to be asked again.

    Source: RFC 8894 section 3.3.2.3; A-06, A-14.
    """

    transaction: Transaction
    """What :func:`pyscep.begin.cert_poll` needs; save it with ``to_json()``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The CA refused, and it was the CA that said so.

    Source: RFC 8894 section 3.3.2.2; A-05, A-08, M-23, M-24, M-40.
    """

    fail_info: FailInfo | None
    """Why; ``None`` if the server gave no reason, or none that RFC 8894 has."""
    fail_info_value: int | None
    """The wire value, also an unknown one."""
    fail_info_text: str | None
    """The server's own words; for people only."""
    hresult: int | None
    """The HRESULT of NDES, if it sent one."""
    explanation: str
    """The likely cause in a sentence or two, distinct for enrolment, renewal and query."""
    transaction: Transaction
    """The transaction, now ended."""


Reply = Union[Success, Pending, Failure]
"""What an enrolment, renewal or poll can result in."""


def require_success(reply: Reply) -> Success:
    """Return a Success, and raise for the other two, for callers who prefer exceptions.

    :raises RequestRefused: it is a Failure.
    :raises RequestPending: it is a Pending.
    """
    if isinstance(reply, Success):
        return reply
    if isinstance(reply, Failure):
        raise RequestRefused(
            reply.explanation,
            fail_info=reply.fail_info_value,
            fail_info_text=reply.fail_info_text,
        )
    transaction_id = reply.transaction.transaction_id
    raise RequestPending(
        f"The request {transaction_id} awaits approval; poll for it later.",
        transaction_id=transaction_id,
    )
