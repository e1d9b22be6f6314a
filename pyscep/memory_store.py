"""A :class:`~pyscep.store.Store` in memory, for tests and demonstrations."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.store import Record, RecordStatus


class MemoryStore:
    """A store that is gone with the process; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._records: dict[str, Record] = {}
        self._certificates: dict[tuple[bytes, int], bytes] = {}

    def update(
        self, transaction_id: str, change: Callable[[Record | None], Record | None]
    ) -> Record | None:
        """See :meth:`pyscep.store.Store.update`."""
        with self._lock:
            present = self._records.get(transaction_id)
            new = change(present)
            if new is None:
                return present
            self._records[transaction_id] = new
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

    def pending(self) -> tuple[Record, ...]:
        """See :meth:`pyscep.store.Store.pending`."""
        with self._lock:
            waiting = (r for r in self._records.values() if r.status is RecordStatus.PENDING)
            return tuple(sorted(waiting, key=lambda record: record.updated))
