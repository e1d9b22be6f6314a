"""What a responder remembers, behind operations that are atomic.

The responder knows no threads: whoever implements :class:`Store` makes each operation atomic, and
that is all that it takes for one request to be issued once (X-16).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NoReturn, Protocol

from pyscep.errors import UsageError
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.names import Name


class RecordStatus(Enum):
    """What has become of a request."""

    PENDING = "pending"
    ISSUED = "issued"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One transaction as the responder sees it.

    Source: X-06 to X-09, P-08, P-10, P-12.
    """

    transaction_id: str
    """The client's name for it; nothing more than a name (M-20)."""
    status: RecordStatus
    """What has become of it."""
    requester: bytes = field(repr=False)
    """The DER SubjectPublicKeyInfo that signed the request; only this key may poll (P-08)."""
    csr: bytes = field(repr=False)
    """The DER certification request, unaltered; it may hold a challenge password (V-10), which
    replies to keys that cannot decrypt are encrypted with, so that it has to be readable (E-27)."""
    updated: datetime
    """When it last changed."""
    certificate: bytes | None = field(default=None, repr=False)
    """The DER certificate, once issued."""
    identifier: IssuerAndSerialNumber | None = None
    """Issuer and serial number of that certificate."""
    fail_info: int | None = None
    """Why it was refused, as wire value."""
    fail_info_text: str | None = None
    """The same in words for the client."""
    consumed: bytes | None = field(default=None, repr=False)
    """A value that no other transaction may have: the hash of a one-time challenge (H-11)."""
    confirmed: bool = True
    """Whether the certificate may be delivered; see :class:`pyscep.handlers.Observer`."""

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            "A record holds a certification request, perhaps with its challenge password, and is "
            "not pickled; store its fields where secrets belong."
        )


def begins_to_wait(present: Record | None, new: Record) -> bool:
    """Say whether a change adds to what waits for a decision."""
    waits = present is not None and present.status is RecordStatus.PENDING
    return new.status is RecordStatus.PENDING and not waits


class Store(Protocol):
    """Remembers transactions; every operation is atomic, also between threads and processes."""

    def update(
        self,
        transaction_id: str,
        change: Callable[[Record | None], Record | None],
        *,
        maximum_pending: int | None = None,
    ) -> Record | None:
        """Read a record, let *change* make the next one of it, and keep that, as one step.

        :param change: gets the present record, or ``None``; returns the new one, or ``None`` to
            leave everything as it is. What it raises, of whatever class, is passed on as it is
            and nothing is kept. It must not call the store.
        :param maximum_pending: how many records may wait for a decision, this one included, if it
            does not wait already.
        :returns: the record as it then stands.
        :raises ChallengeReused: another record has, or had, the new one's ``consumed``; the present
            one keeps its own.
        :raises TooManyPending: the record would be one too many; nothing is kept, or consumed.
        """

    def get(self, transaction_id: str) -> Record | None:
        """Return the record of a transaction."""

    def find_certificate(self, identifier: IssuerAndSerialNumber) -> bytes | None:
        """Return an issued certificate in DER."""

    def issued_to(self, requester: bytes) -> tuple[Record, ...]:
        """Return the records whose certificate was issued and may be delivered, newest first.

        :param requester: the DER SubjectPublicKeyInfo that signed the requests.

        Source: X-06.
        """

    def pending(self) -> tuple[Record, ...]:
        """Return all records that wait for a decision, oldest first."""

    def forget(self, before: datetime) -> int:
        """Drop the transactions that ended and last changed *before*; return how many.

        Certificates, used challenges and revocations stay, and so does what waits for a decision.

        Source: X-09.
        """

    def revoke(self, identifier: IssuerAndSerialNumber, *, at: datetime) -> None:
        """Keep that a certificate is revoked; the first date stays."""

    def revoked(self, issuer: Name) -> Mapping[int, datetime]:
        """Return serial numbers and dates of an issuer's revoked certificates."""

    def next_crl_number(self, issuer: Name) -> int:
        """Return a number that no CRL of this issuer has had, higher than all before."""
