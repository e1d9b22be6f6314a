"""Both stores are the same store, and the one in a file is still there afterwards."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pyscep import sqlite_store
from pyscep.errors import ChallengeReused, StoreError, TooManyPending, UsageError
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.memory_store import MemoryStore
from pyscep.names import build_name
from pyscep.sqlite_store import SqliteStore
from pyscep.store import Record, RecordStatus, Store
from tests.helpers import keys

ISSUER, OTHER = build_name("CN=CA"), build_name("CN=Other")
# Larger than any integer of SQLite.
IDENTIFIER = IssuerAndSerialNumber(issuer=ISSUER, serial_number=2**159 + 1)
RECORD = Record(
    transaction_id="T1",
    status=RecordStatus.PENDING,
    requester=b"\x30\x00",
    csr=b"\x30\x01\x00",
    updated=keys.NOW,
)
ISSUED = replace(
    RECORD,
    status=RecordStatus.ISSUED,
    certificate=b"certificate",
    identifier=IDENTIFIER,
    confirmed=False,
    consumed=b"hash",
)
REFUSED = replace(
    RECORD, status=RecordStatus.REFUSED, fail_info=3, fail_info_text="Zu spät", transaction_id="Ü"
)


ROOT = Path(__file__).parents[2]
SHARED = 30
SHARING = f"""
import sys
from datetime import datetime, timezone
from pyscep.names import build_name
from pyscep.sqlite_store import SqliteStore
from pyscep.store import Record, RecordStatus

path, number = sys.argv[1:]
with SqliteStore(path) as store:
    for name in map(str, range({SHARED})):
        record = Record(
            transaction_id=name,
            status=RecordStatus.PENDING,
            requester=number.encode(),
            csr=b"",
            updated=datetime.now(timezone.utc),
        )
        kept = store.update(name, lambda present: None if present else record)
        if kept == record:
            print(name)
        store.next_crl_number(build_name("CN=CA"))
"""


FORKING = """
import os, sys
from pyscep.errors import StoreError
from pyscep.names import build_name
from pyscep.sqlite_store import SqliteStore

with SqliteStore(sys.argv[1]) as store:
    child = os.fork()
    if child == 0:
        try:
            store.pending()
        except StoreError as error:
            print(error, flush=True)
        with SqliteStore(sys.argv[1]) as own:
            own.next_crl_number(build_name("CN=CA"))
        os._exit(0)
    os.waitpid(child, 0)
    store.pending()
"""


def put(store: Store, record: Record) -> None:
    store.update(record.transaction_id, lambda _: record)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
    else:
        with SqliteStore(tmp_path / "scep.db") as opened:
            yield opened


class TestEveryStore:
    @pytest.mark.parametrize("record", [RECORD, ISSUED, REFUSED], ids=lambda r: r.status.value)
    def test_keeps_everything(self, store: Store, record: Record) -> None:
        assert store.get(record.transaction_id) is None
        assert store.update(record.transaction_id, lambda _: record) == record
        assert store.get(record.transaction_id) == record

    def test_hands_over_the_present_record_and_may_leave_it(self, store: Store) -> None:
        seen: list[Record | None] = []

        def look(present: Record | None) -> None:
            seen.append(present)

        assert store.update("T1", look) is None
        put(store, RECORD)
        assert store.update("T1", look) == RECORD
        assert seen == [None, RECORD]

    def test_an_error_changes_nothing(self, store: Store) -> None:
        put(store, RECORD)

        def fail(present: Record | None) -> Record:
            raise UsageError("no")

        with pytest.raises(UsageError):
            store.update("T1", fail)
        assert store.get("T1") == RECORD
        put(store, ISSUED)
        assert store.get("T1") == ISSUED

    @pytest.mark.parametrize("kind", [OSError, sqlite3.OperationalError, ValueError, KeyError])
    def test_what_the_caller_raises_is_not_the_stores_failure(
        self, store: Store, kind: type[Exception]
    ) -> None:
        def fail(present: Record | None) -> Record:
            raise kind("the token is not plugged in") from RuntimeError("below")

        with pytest.raises(kind) as caught:
            store.update("T1", fail)
        assert caught.type is kind
        assert isinstance(caught.value.__cause__, RuntimeError)
        assert store.get("T1") is None
        put(store, RECORD)
        assert store.get("T1") == RECORD

    def test_so_many_may_wait(self, store: Store) -> None:
        def wait(transaction_id: str, **changes: Any) -> Record | None:
            record = replace(RECORD, transaction_id=transaction_id, **changes)
            return store.update(transaction_id, lambda _: record, maximum_pending=2)

        wait("T1")
        put(store, replace(ISSUED, transaction_id="issued", consumed=None))
        put(store, REFUSED)
        wait("T2")
        with pytest.raises(TooManyPending, match="maximum_pending is 2") as caught:
            wait("T3", consumed=b"hash")
        assert caught.value.maximum == 2
        assert store.get("T3") is None
        # What had ended may not wait again either, what waits may change, the rest may come.
        with pytest.raises(TooManyPending):
            wait("issued")
        wait("T1", csr=b"changed")
        wait("T4", status=RecordStatus.REFUSED)
        with pytest.raises(TooManyPending):
            store.update("T5", lambda _: replace(RECORD, transaction_id="T5"), maximum_pending=0)
        # A place is free again, and the challenge has not been used up.
        put(store, replace(ISSUED, transaction_id="T1", consumed=None))
        wait("T3", consumed=b"hash")
        with pytest.raises(TooManyPending):
            wait("T1")
        assert {record.transaction_id for record in store.pending()} == {"T2", "T3"}
        # Without the argument, nobody counts.
        put(store, replace(RECORD, transaction_id="T6"))
        assert len(store.pending()) == 3

    @pytest.mark.conforms("X-16")
    def test_many_threads_take_no_more_places_than_there_are(self, store: Store) -> None:
        refused: list[int] = []

        def run(number: int) -> None:
            record = replace(RECORD, transaction_id=str(number))
            try:
                store.update(str(number), lambda _: record, maximum_pending=5)
            except TooManyPending:
                refused.append(number)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(store.pending()), len(refused)) == (5, 27)

    @pytest.mark.conforms("Q-03")
    def test_finds_certificates_by_number(self, store: Store) -> None:
        put(store, ISSUED)
        assert store.find_certificate(IDENTIFIER) == b"certificate"
        assert store.find_certificate(replace(IDENTIFIER, serial_number=1)) is None
        assert store.find_certificate(replace(IDENTIFIER, issuer=OTHER)) is None
        # Also when its transaction is long over.
        put(store, RECORD)
        assert store.find_certificate(IDENTIFIER) == b"certificate"

    @pytest.mark.conforms("X-09", "H-11")
    def test_forgets_what_is_over_and_nothing_else(self, store: Store) -> None:
        new = keys.NOW + timedelta(microseconds=1)
        put(store, ISSUED)
        put(store, REFUSED)
        put(store, replace(RECORD, transaction_id="waits"))
        put(store, replace(REFUSED, transaction_id="new", updated=new))
        store.revoke(IDENTIFIER, at=keys.NOW)
        assert store.forget(keys.NOW) == 0
        assert store.forget(new) == 2
        assert store.forget(new) == 0
        assert [store.get(name) for name in ("T1", REFUSED.transaction_id)] == [None, None]
        assert store.get("waits") is not None
        assert store.get("new") is not None
        assert store.find_certificate(IDENTIFIER) == b"certificate"
        assert list(store.revoked(ISSUER)) == [IDENTIFIER.serial_number]
        # What was used once has been used for good.
        with pytest.raises(ChallengeReused):
            put(store, replace(ISSUED, transaction_id="T9"))

    def test_lists_what_waits_oldest_first(self, store: Store) -> None:
        later = replace(RECORD, transaction_id="A", updated=keys.NOW + timedelta(seconds=1))
        zone = timezone(timedelta(hours=5))
        earlier = replace(
            RECORD,
            transaction_id="Z",
            updated=(keys.NOW - timedelta(microseconds=1)).astimezone(zone),
        )
        for record in (later, REFUSED, replace(ISSUED, transaction_id="I"), RECORD, earlier):
            put(store, record)
        assert [each.transaction_id for each in store.pending()] == ["Z", "T1", "A"]

    @pytest.mark.conforms("X-06")
    def test_finds_what_a_key_was_issued(self, store: Store) -> None:
        for record in (
            RECORD,
            replace(ISSUED, transaction_id="not delivered", consumed=None),
            replace(REFUSED, requester=RECORD.requester),
            replace(ISSUED, transaction_id="old", confirmed=True, consumed=None),
            replace(
                ISSUED,
                transaction_id="new",
                confirmed=True,
                consumed=None,
                updated=keys.NOW + timedelta(seconds=1),
            ),
            replace(ISSUED, transaction_id="other", confirmed=True, requester=b"\x30\x01\x00"),
        ):
            put(store, record)
        found = store.issued_to(RECORD.requester)
        assert [record.transaction_id for record in found] == ["new", "old"]
        assert store.issued_to(b"nobody") == ()

    @pytest.mark.conforms("H-04", "H-11")
    def test_a_consumed_value_belongs_to_one_transaction(self, store: Store) -> None:
        put(store, ISSUED)
        put(store, replace(ISSUED, confirmed=True))
        with pytest.raises(ChallengeReused):
            put(store, replace(ISSUED, transaction_id="T2"))
        assert store.get("T2") is None
        put(store, replace(ISSUED, transaction_id="T2", consumed=b"another"))

    @pytest.mark.conforms("Q-06")
    def test_revocation(self, store: Store) -> None:
        assert store.revoked(ISSUER) == {}
        store.revoke(IDENTIFIER, at=keys.NOW)
        store.revoke(IDENTIFIER, at=keys.NOW + timedelta(days=1))
        store.revoke(replace(IDENTIFIER, issuer=OTHER, serial_number=7), at=keys.NOW)
        assert store.revoked(ISSUER) == {IDENTIFIER.serial_number: keys.NOW}
        numbers = [store.next_crl_number(ISSUER) for _ in range(3)]
        assert numbers == sorted(set(numbers))
        assert store.next_crl_number(OTHER) == 1

    @pytest.mark.conforms("X-16")
    def test_many_threads_make_one_record(self, store: Store) -> None:
        made: list[int] = []

        def run(number: int) -> None:
            def change(present: Record | None) -> Record | None:
                if present is not None:
                    return None
                made.append(number)
                return replace(RECORD, requester=bytes([number]))

            store.update("T1", change)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 1
        assert store.get("T1") == replace(RECORD, requester=bytes(made))


class TestSqliteStore:
    def test_is_still_there_when_opened_again(self, tmp_path: Path) -> None:
        path = tmp_path / "scep.db"
        with SqliteStore(path) as store:
            put(store, ISSUED)
            store.revoke(IDENTIFIER, at=keys.NOW)
            store.next_crl_number(ISSUER)
        with SqliteStore(str(path)) as store:
            assert store.get("T1") == ISSUED
            assert store.find_certificate(IDENTIFIER) == b"certificate"
            assert store.revoked(ISSUER) == {IDENTIFIER.serial_number: keys.NOW}
            assert store.next_crl_number(ISSUER) == 2
            with pytest.raises(ChallengeReused):
                put(store, replace(ISSUED, transaction_id="T2"))

    def test_two_may_share_a_file(self, tmp_path: Path) -> None:
        with SqliteStore(tmp_path / "a.db") as one, SqliteStore(tmp_path / "a.db") as other:
            put(one, RECORD)
            assert other.update("T1", lambda present: present) == RECORD
            assert other.next_crl_number(ISSUER) + one.next_crl_number(ISSUER) == 3

    @pytest.mark.conforms("H-12")
    def test_is_for_its_owner_only(self, tmp_path: Path) -> None:
        with SqliteStore(tmp_path / "a.db") as store:
            put(store, RECORD)
            for file in tmp_path.iterdir():
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file

    @pytest.mark.skipif(os.name == "nt", reason="there are no such modes here")
    def test_a_file_that_is_there_keeps_its_mode(self, tmp_path: Path) -> None:
        """It may be meant; the files beside it have no looser one."""
        path = tmp_path / "a.db"
        SqliteStore(path).close()
        path.chmod(0o640)
        with SqliteStore(path) as store:
            put(store, RECORD)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
        assert modes == {"a.db": 0o640, "a.db-wal": 0o640, "a.db-shm": 0o640}

    def test_counting_what_waits_reads_no_record(self, tmp_path: Path) -> None:
        with SqliteStore(tmp_path / "a.db") as store:
            statements: list[str] = []
            store._connection.set_trace_callback(statements.append)
            store.update("T1", lambda _: RECORD, maximum_pending=1)
            store._connection.set_trace_callback(None)
            (counting,) = (each for each in statements if "count(" in each)
            plan = store._connection.execute(f"EXPLAIN QUERY PLAN {counting}").fetchall()
        assert ["COVERING INDEX waiting" in row[3] for row in plan] == [True]

    def test_what_is_no_store(self, tmp_path: Path) -> None:
        text = tmp_path / "text"
        text.write_text("nothing like it " * 100)
        other = tmp_path / "other.db"
        with sqlite3.connect(other) as connection:
            connection.execute("CREATE TABLE a (b)")
        connection.close()
        newer = tmp_path / "newer.db"
        SqliteStore(newer).close()
        with sqlite3.connect(newer) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
        for path in (text, other, newer, tmp_path, tmp_path / "no" / "folder"):
            with pytest.raises(StoreError, match=str(path)):
                SqliteStore(path)

    def test_an_older_file_is_brought_up_to_date(self, tmp_path: Path) -> None:
        path = tmp_path / "old.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(sqlite_store._STEPS[0])
            connection.execute(f"PRAGMA application_id = {sqlite_store._APPLICATION_ID}")
            connection.execute("PRAGMA user_version = 1")
            connection.execute(
                "INSERT INTO transactions (transaction_id, status, requester, csr, updated, "
                "confirmed) VALUES ('T1', 'pending', x'3000', x'300100', ?, 1)",
                (keys.NOW.isoformat(timespec="microseconds"),),
            )
            connection.commit()
        for _ in range(2):
            with SqliteStore(path) as store:
                assert store.get("T1") == RECORD
                assert store._number("PRAGMA user_version") == len(sqlite_store._STEPS)
                assert store._number("SELECT count(*) FROM sqlite_master WHERE type = 'index'") == 2

    def test_closed(self, tmp_path: Path) -> None:
        store = SqliteStore(tmp_path / "a.db")
        store.close()
        store.close()
        with pytest.raises(StoreError, match="nothing was changed"):
            store.get("T1")

    def test_somebody_else_is_writing(self, tmp_path: Path) -> None:
        with SqliteStore(tmp_path / "a.db", timeout=0.05) as store:
            put(store, RECORD)
            blocker = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
            blocker.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="locked"):
                put(store, ISSUED)
            assert store.get("T1") == RECORD  # readers do not wait
            blocker.rollback()
            blocker.close()
            put(store, ISSUED)

    def test_a_full_disk(self, tmp_path: Path) -> None:
        """SQLite is told that there is no more room, which is what it hears from a full disk."""
        with SqliteStore(tmp_path / "a.db") as store:
            put(store, RECORD)
            store._connection.execute("PRAGMA max_page_count = 1")
            large = replace(ISSUED, transaction_id="T2", certificate=bytes(1_000_000))
            with pytest.raises(StoreError, match=r"full.*nothing was changed"):
                put(store, large)
            assert (store.get("T1"), store.get("T2")) == (RECORD, None)
            store._connection.execute("PRAGMA max_page_count = 100000")
            put(store, large)
            assert store.get("T2") == large

    def test_a_commit_that_fails_is_undone(self, tmp_path: Path) -> None:
        with SqliteStore(tmp_path / "a.db") as store:
            store._connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
            store._connection.execute("PRAGMA foreign_keys = ON")
            store._connection.execute(
                "CREATE TABLE child (id REFERENCES parent DEFERRABLE INITIALLY DEFERRED)"
            )

            def change(_: Record | None) -> Record:
                store._connection.execute("INSERT INTO child VALUES (1)")
                return RECORD

            with pytest.raises(StoreError, match="nothing was changed"):
                store.update("T1", change)
            assert store.get("T1") is None
            put(store, RECORD)
            assert store.get("T1") == RECORD

    def test_a_file_that_was_damaged(self, tmp_path: Path) -> None:
        path = tmp_path / "a.db"
        with SqliteStore(path) as store:
            put(store, replace(ISSUED, certificate=bytes(100_000)))
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (size - 4096))
        with SqliteStore(path) as store, pytest.raises(StoreError, match="malformed"):
            store.get("T1")

    @pytest.mark.parametrize(
        ("table", "column", "value"),
        [
            ("transactions", "status", "granted"),
            ("transactions", "updated", "yesterday"),
            ("transactions", "issuer", b"no name"),
            ("transactions", "serial_number", "0x"),
            ("revoked", "serial_number", "-"),
            ("revoked", "revoked_at", 7),
        ],
    )
    def test_a_row_that_somebody_else_wrote(
        self, tmp_path: Path, table: str, column: str, value: object
    ) -> None:
        with SqliteStore(tmp_path / "a.db") as store:
            put(store, ISSUED)
            store.revoke(IDENTIFIER, at=keys.NOW)
            store._connection.execute(f"UPDATE {table} SET {column} = ?", (value,))  # noqa: S608
            with pytest.raises(StoreError, match="changed by another program"):
                store.revoked(ISSUER) if table == "revoked" else store.get("T1")

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    def test_a_child_has_to_open_its_own(self, tmp_path: Path) -> None:
        # In a process of its own, as forking one that has threads is no good.
        done = subprocess.run(
            [sys.executable, "-c", FORKING, tmp_path / "a.db"],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        assert "was opened before this process was forked; open it anew." in done.stdout
        with SqliteStore(tmp_path / "a.db") as store:
            assert store.next_crl_number(ISSUER) == 2

    @pytest.mark.conforms("X-16")
    def test_processes_share_a_file(self, tmp_path: Path) -> None:
        """Each adds to the same numbers, and each transaction is made by one of them."""
        path = tmp_path / "a.db"
        SqliteStore(path).close()
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", SHARING, str(path), str(number)],
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            for number in range(3)
        ]
        outputs = [process.communicate()[0].split() for process in processes]
        assert [process.returncode for process in processes] == [0, 0, 0]
        won = [name for output in outputs for name in output]
        assert sorted(won, key=int) == [str(number) for number in range(SHARED)]
        with SqliteStore(path) as store:
            assert store.next_crl_number(ISSUER) == 3 * SHARED + 1
            assert len(store.pending()) == SHARED

    def test_times_are_kept_to_the_microsecond(self, tmp_path: Path) -> None:
        moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)
        with SqliteStore(tmp_path / "a.db") as store:
            put(store, replace(RECORD, updated=moment))
            found = store.get("T1")
        assert found is not None
        assert found.updated == moment
