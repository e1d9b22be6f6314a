"""Both stores are the same store, and the one in a file is still there afterwards."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pyscep.errors import ChallengeReused, StoreError, UsageError
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

    @pytest.mark.conforms("Q-03")
    def test_finds_certificates_by_number(self, store: Store) -> None:
        put(store, ISSUED)
        assert store.find_certificate(IDENTIFIER) == b"certificate"
        assert store.find_certificate(replace(IDENTIFIER, serial_number=1)) is None
        assert store.find_certificate(replace(IDENTIFIER, issuer=OTHER)) is None
        # Also when its transaction is long over.
        put(store, RECORD)
        assert store.find_certificate(IDENTIFIER) == b"certificate"

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

    def test_times_are_kept_to_the_microsecond(self, tmp_path: Path) -> None:
        moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)
        with SqliteStore(tmp_path / "a.db") as store:
            put(store, replace(RECORD, updated=moment))
            found = store.get("T1")
        assert found is not None
        assert found.updated == moment
