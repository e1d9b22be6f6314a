"""A :class:`~pyscep.store.Store` in memory, for tests and demonstrations."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from pyscep.errors import ChallengeReused, TooManyPending
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.names import Name
from pyscep.store import Record, RecordStatus, begins_to_wait


class MemoryStore:
    """A store that is gone with the process; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[str, Record] = {}
        self._waiting: set[str] = set()
        self._certificates: dict[tuple[bytes, int], bytes] = {}
        self._consumed: set[bytes] = set()
        self._revoked: dict[bytes, dict[int, datetime]] = {}
        self._crl_numbers: dict[bytes, int] = {}

    def update(
        self,
        transaction_id: str,
        change: Callable[[Record | None], Record | None],
        *,
        maximum_pending: int | None = None,
    ) -> Record | None:
        """See :meth:`pyscep.store.Store.update`."""
        with self._lock:
            present = self._records.get(transaction_id)
            new = change(present)
            if new is None:
                return present
            if (
                maximum_pending is not None
                and begins_to_wait(present, new)
                and len(self._waiting) >= maximum_pending
            ):
                raise TooManyPending(maximum=maximum_pending)
            if new.consumed is not None and (present is None or present.consumed != new.consumed):
                if new.consumed in self._consumed:
                    raise ChallengeReused
                self._consumed.add(new.consumed)
            self._records[transaction_id] = new
            if new.status is RecordStatus.PENDING:
                self._waiting.add(transaction_id)
            else:
                self._waiting.discard(transaction_id)
            if new.certificate is not None and new.identifier is not None:
                key = (new.identifier.issuer.der, new.identifier.serial_number)
                self._certificates[key] = new.certificate
            return new

    def get(self, transaction_id: str) -> Record | None:
        """See :meth:`pyscep.store.Store.get`."""
        with self._lock:
            return self._records.get(transaction_id)

    def find_certificate(self, identifier: IssuerAndSerialNumber) -> bytes | None:
        """See :meth:`pyscep.store.Store.find_certificate`."""
        with self._lock:
            return self._certificates.get((identifier.issuer.der, identifier.serial_number))

    def issued_to(self, requester: bytes) -> tuple[Record, ...]:
        """See :meth:`pyscep.store.Store.issued_to`."""
        with self._lock:
            found = (
                record
                for record in self._records.values()
                if record.requester == requester
                and record.status is RecordStatus.ISSUED
                and record.confirmed
            )
            return tuple(sorted(found, key=lambda record: record.updated, reverse=True))

    def pending(self) -> tuple[Record, ...]:
        """See :meth:`pyscep.store.Store.pending`."""
        with self._lock:
            waiting = (self._records[transaction_id] for transaction_id in self._waiting)
            return tuple(sorted(waiting, key=lambda record: record.updated))

    def forget(self, before: datetime) -> int:
        """See :meth:`pyscep.store.Store.forget`."""
        with self._lock:
            ended = [
                record.transaction_id
                for record in self._records.values()
                if record.status is not RecordStatus.PENDING and record.updated < before
            ]
            for transaction_id in ended:
                del self._records[transaction_id]
            return len(ended)

    def revoke(self, identifier: IssuerAndSerialNumber, *, at: datetime) -> None:
        """See :meth:`pyscep.store.Store.revoke`."""
        with self._lock:
            revoked = self._revoked.setdefault(identifier.issuer.der, {})
            revoked.setdefault(identifier.serial_number, at)

    def revoked(self, issuer: Name) -> Mapping[int, datetime]:
        """See :meth:`pyscep.store.Store.revoked`."""
        with self._lock:
            return dict(self._revoked.get(issuer.der, {}))

    def next_crl_number(self, issuer: Name) -> int:
        """See :meth:`pyscep.store.Store.next_crl_number`."""
        with self._lock:
            self._crl_numbers[issuer.der] = self._crl_numbers.get(issuer.der, 0) + 1
            return self._crl_numbers[issuer.der]
