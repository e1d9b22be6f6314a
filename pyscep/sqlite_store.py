"""A :class:`~pyscep.store.Store` in one SQLite file, which survives a kill at any moment.

Whatever a client was told has been written to the disk before. Threads may share a store, and
processes may share its file; a child of fork() has to open its own.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from pyscep.errors import ChallengeReused, ScepError, StoreError, TooManyPending
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.names import Name, parse_name
from pyscep.store import Record, RecordStatus, begins_to_wait

_APPLICATION_ID = 0x53434550
"""``SCEP``: so that another program's file is not taken for ours."""

_SCHEMA = """
CREATE TABLE transactions (
    transaction_id TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    requester BLOB NOT NULL,
    csr BLOB NOT NULL,
    updated TEXT NOT NULL,
    certificate BLOB,
    issuer BLOB,
    serial_number TEXT,
    fail_info INTEGER,
    fail_info_text TEXT,
    consumed BLOB,
    confirmed INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX waiting ON transactions (updated) WHERE status = 'pending';
CREATE TABLE certificates (
    issuer BLOB NOT NULL,
    serial_number TEXT NOT NULL,
    certificate BLOB NOT NULL,
    PRIMARY KEY (issuer, serial_number)
) WITHOUT ROWID;
CREATE TABLE consumed (
    value BLOB PRIMARY KEY,
    transaction_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE revoked (
    issuer BLOB NOT NULL,
    serial_number TEXT NOT NULL,
    revoked_at TEXT NOT NULL,
    PRIMARY KEY (issuer, serial_number)
) WITHOUT ROWID;
CREATE TABLE crl_numbers (
    issuer BLOB PRIMARY KEY,
    number INTEGER NOT NULL
) WITHOUT ROWID;
"""
_REQUESTERS = "CREATE INDEX requesters ON transactions (requester) WHERE status = 'issued'"
_WAITING = """
DROP INDEX waiting;
CREATE INDEX waiting ON transactions (status, updated) WHERE status = 'pending'
"""
"""With the status in it, they are counted by the index alone."""
_STEPS = (_SCHEMA, _REQUESTERS, _WAITING)
"""What made each version of the file out of the one before; only ever added to."""
_COLUMNS = (
    "transaction_id, status, requester, csr, updated, certificate, issuer, serial_number, "
    "fail_info, fail_info_text, consumed, confirmed"
)


class SqliteStore:
    """A store in a file, made for its owner only, as requests may hold challenge passwords.

    A file that is there already keeps its mode, which may be meant, such as for a group that makes
    backups; the two files beside it, ``-wal`` and ``-shm``, get the same.

    Close it, or use it as a context manager. A file of an older version of pyscep is brought up to
    date when it is opened; older versions cannot open it any more.

    :raises StoreError: the file cannot be opened, or is not such a store.

    Source: X-05 to X-09, X-16, H-04, H-11, H-12, Q-06.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 30.0) -> None:
        """Open the file, and make it if there is none.

        :param timeout: seconds to wait for another process that is writing.
        """
        self.path = Path(path)
        self._lock = threading.Lock()
        self._process = os.getpid()
        with _translated(self.path):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(
                self.path, timeout=timeout, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self) -> None:
        # WAL: readers do not wait for a writer. FULL: what was committed survives a power cut too.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        with self._writing():
            application = self._number("PRAGMA application_id")
            version = self._number("PRAGMA user_version")
            is_empty = not (
                application or version or self._number("SELECT count(*) FROM sqlite_master")
            )
            if not is_empty and (application != _APPLICATION_ID or version > len(_STEPS)):
                raise StoreError(
                    f"{self.path} is not a store, or one of a newer pyscep (version {version}); "
                    "give the path of another file, or of none."
                )
            if version == len(_STEPS):
                return
            for step in _STEPS[version:]:
                for statement in step.split(";\n"):
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._connection.execute(f"PRAGMA user_version = {len(_STEPS)}")

    def _number(self, query: str) -> int:
        (value,) = self._connection.execute(query).fetchone()
        return int(value)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Make everything inside one transaction, which no other writer comes between."""
        with _translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            with _translated(self.path):
                self._connection.commit()
        except BaseException:
            # Also a commit that failed: a full disk may show there first.
            with _translated(self.path):
                self._connection.rollback()
            raise

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if os.getpid() != self._process:
            raise StoreError(
                f"The store {self.path} was opened before this process was forked; open it anew."
            )
        with self._lock:
            yield

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with self._alone(), _translated(self.path):
            yield

    def close(self) -> None:
        """Close the file; a closed store raises StoreError."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # ---------------------------------------------------------------------------- transactions

    def update(
        self,
        transaction_id: str,
        change: Callable[[Record | None], Record | None],
        *,
        maximum_pending: int | None = None,
    ) -> Record | None:
        """See :meth:`pyscep.store.Store.update`.

        :raises StoreError: the disk is full or broken, or another process writes for too long.
        """
        with self._alone(), self._writing():
            with _translated(self.path):
                present = self._get(transaction_id)
            # What goes wrong in here is not the store's failure.
            new = change(present)
            if new is None:
                return present
            with _translated(self.path):
                if maximum_pending is not None and begins_to_wait(present, new):
                    self._check_waiting(maximum_pending)
                self._put(new, present)
            return new

    def _check_waiting(self, maximum: int) -> None:
        # The index answers, which holds nothing else: no record is read for it.
        if self._number("SELECT count(*) FROM transactions WHERE status = 'pending'") >= maximum:
            raise TooManyPending(maximum=maximum)

    def _put(self, new: Record, present: Record | None) -> None:
        if new.consumed is not None and (present is None or present.consumed != new.consumed):
            self._consume(new.consumed, new.transaction_id)
        self._connection.execute(
            f"INSERT OR REPLACE INTO transactions ({_COLUMNS}) "  # noqa: S608  # our columns
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            _to_row(new),
        )
        if new.certificate is not None and new.identifier is not None:
            self._connection.execute(
                "INSERT OR REPLACE INTO certificates VALUES (?, ?, ?)",
                (*_key(new.identifier), new.certificate),
            )

    def _consume(self, value: bytes, transaction_id: str) -> None:
        done = self._connection.execute(
            "INSERT OR IGNORE INTO consumed VALUES (?, ?)", (value, transaction_id)
        )
        if not done.rowcount:
            raise ChallengeReused

    def _get(self, transaction_id: str) -> Record | None:
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM transactions WHERE transaction_id = ?",  # noqa: S608  # as above
            (transaction_id,),
        ).fetchone()
        return None if row is None else _to_record(row)

    def get(self, transaction_id: str) -> Record | None:
        """See :meth:`pyscep.store.Store.get`."""
        with self._exclusive():
            return self._get(transaction_id)

    def issued_to(self, requester: bytes) -> tuple[Record, ...]:
        """See :meth:`pyscep.store.Store.issued_to`."""
        with self._exclusive():
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM transactions "  # noqa: S608  # as above
                "WHERE status = 'issued' AND requester = ? AND confirmed ORDER BY updated DESC",
                (requester,),
            ).fetchall()
            return tuple(_to_record(row) for row in rows)

    def pending(self) -> tuple[Record, ...]:
        """See :meth:`pyscep.store.Store.pending`."""
        with self._exclusive():
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM transactions "  # noqa: S608  # as above
                "WHERE status = 'pending' ORDER BY updated"
            ).fetchall()
            return tuple(_to_record(row) for row in rows)

    def forget(self, before: datetime) -> int:
        """See :meth:`pyscep.store.Store.forget`."""
        with self._exclusive(), self._writing():
            return self._connection.execute(
                "DELETE FROM transactions WHERE status <> 'pending' AND updated < ?",
                (_time(before),),
            ).rowcount

    # ---------------------------------------------------------------------------- certificates

    def find_certificate(self, identifier: IssuerAndSerialNumber) -> bytes | None:
        """See :meth:`pyscep.store.Store.find_certificate`."""
        with self._exclusive():
            row = self._connection.execute(
                "SELECT certificate FROM certificates WHERE issuer = ? AND serial_number = ?",
                _key(identifier),
            ).fetchone()
            return None if row is None else bytes(row[0])

    def revoke(self, identifier: IssuerAndSerialNumber, *, at: datetime) -> None:
        """See :meth:`pyscep.store.Store.revoke`."""
        with self._exclusive(), self._writing():
            self._connection.execute(
                "INSERT OR IGNORE INTO revoked VALUES (?, ?, ?)", (*_key(identifier), _time(at))
            )

    def revoked(self, issuer: Name) -> Mapping[int, datetime]:
        """See :meth:`pyscep.store.Store.revoked`."""
        with self._exclusive():
            rows = self._connection.execute(
                "SELECT serial_number, revoked_at FROM revoked WHERE issuer = ? "
                "ORDER BY revoked_at, serial_number",
                (issuer.der,),
            ).fetchall()
            with _read():
                return {int(serial, 16): datetime.fromisoformat(at) for serial, at in rows}

    def next_crl_number(self, issuer: Name) -> int:
        """See :meth:`pyscep.store.Store.next_crl_number`."""
        with self._exclusive(), self._writing():
            self._connection.execute(
                "INSERT INTO crl_numbers VALUES (?, 1) "
                "ON CONFLICT (issuer) DO UPDATE SET number = number + 1",
                (issuer.der,),
            )
            (number,) = self._connection.execute(
                "SELECT number FROM crl_numbers WHERE issuer = ?", (issuer.der,)
            ).fetchone()
            return int(number)


class _Unreadable(Exception):
    """A row is not one that a store has written."""


@contextmanager
def _read() -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, ScepError) as error:
        raise _Unreadable(f"a row was changed by another program: {error}") from error


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except ScepError:
        raise
    except (sqlite3.Error, OSError, _Unreadable) as error:
        raise StoreError(
            f"The store {path} cannot be used ({error}); nothing was changed."
        ) from error


def _time(moment: datetime) -> str:
    # All in one zone and of one length, so that text sorts as time does.
    return moment.astimezone(timezone.utc).isoformat(timespec="microseconds")


def _key(identifier: IssuerAndSerialNumber) -> tuple[bytes, str]:
    # SQLite's integers have 64 bits, serial numbers 160.
    return identifier.issuer.der, f"{identifier.serial_number:x}"


def _to_row(record: Record) -> tuple[object, ...]:
    issuer, serial = (None, None) if record.identifier is None else _key(record.identifier)
    return (
        record.transaction_id,
        record.status.value,
        record.requester,
        record.csr,
        _time(record.updated),
        record.certificate,
        issuer,
        serial,
        record.fail_info,
        record.fail_info_text,
        record.consumed,
        record.confirmed,
    )


def _to_record(row: tuple[object, ...]) -> Record:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    issuer, serial = values.pop("issuer"), values.pop("serial_number")
    identifier = None
    with _read():
        if isinstance(issuer, bytes):
            identifier = IssuerAndSerialNumber(
                issuer=parse_name(issuer), serial_number=int(str(serial), 16)
            )
        values["status"] = RecordStatus(values["status"])
        values["updated"] = datetime.fromisoformat(str(values["updated"])).astimezone(timezone.utc)
    values["confirmed"] = bool(values["confirmed"])
    return Record(identifier=identifier, **values)  # type: ignore[arg-type]  # SQLite says no types
