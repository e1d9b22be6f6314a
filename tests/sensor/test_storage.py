"""The storage at power loss: what counts as written is only what was forced to the disk."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest

import sensor
from sensor_parts import storage
from sensor_parts.storage import State, Status, StorageError, Store
from tests.helpers import keys, responders, sensors
from tests.helpers.sensors import Clock, Moody, certificate_of

URL = "http://ca.example/scep"


def opened(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}").readlink()


@dataclass
class Disk:
    """Keeps what a disk would have after each step, were the power to go just then.

    The least that fsync promises: a file's content once it was synced, a folder's names once the
    folder was. Links are names. What was removed may be there or not; here it is gone at once, as
    the harder case for whoever reads.
    """

    root: Path
    clock: Clock
    contents: dict[int, bytes] = field(default_factory=dict)
    names: dict[str, dict[str, int | str]] = field(default_factory=dict)
    losses: list[tuple[datetime, dict[str, bytes | str]]] = field(default_factory=list)
    """When, and what is left."""

    def sync(self, descriptor: int) -> None:
        path = opened(descriptor)
        if path.is_dir():
            self.names[str(path)] = {
                each.name: str(each.readlink()) if each.is_symlink() else each.stat().st_ino
                for each in path.iterdir()
            }
        else:
            self.contents[path.stat().st_ino] = path.read_bytes()
        self.losses.append((self.clock.now(), dict(self._tree(str(self.root)))))

    def _tree(self, folder: str) -> Iterator[tuple[str, bytes | str]]:
        for name, what in self.names.get(folder, {}).items():
            path = f"{folder}/{name}"
            if isinstance(what, str):
                yield path, what
            elif path in self.names or Path(path).is_dir():
                yield path + "/", ""
                yield from self._tree(path)
            else:
                # A name whose content never reached the disk is an empty file.
                yield path, self.contents.get(what, b"")

    def restore(self, loss: dict[str, bytes | str], folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        for name, content in loss.items():
            path = folder / Path(name).relative_to(self.root)
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir(exist_ok=True)
            elif isinstance(content, str):
                path.symlink_to(content)
            else:
                path.write_bytes(content)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk(tmp_path / "state", Clock())
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        disk.sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return disk


@pytest.mark.conforms("W-10", "X-05")
def test_power_loss_at_every_instant_of_a_life(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Enrol, wait, renew twice; lose the power after each write, and go on from there."""
    clock, handler = disk.clock, Moody(defer=True)
    responder = responders.new_responder(handler=handler, now=clock.now)
    settings = sensors.settings_for(tmp_path, sensors.network_table(URL))
    disk.root.mkdir()
    generations, enrolled = [], 0
    (network,) = sensors.start(settings, clock, responder.handle)
    status = network.step()
    (waiting,) = responder.store.pending()
    responder.approve(waiting.transaction_id)
    handler.defer = False
    for _ in range(3):
        status = sensors.step_at_next(network, clock, status)
        assert status.state is State.ACTIVE
        generations.append(certificate_of(network))
        enrolled = enrolled or len(disk.losses)
    monkeypatch.undo()
    assert len(disk.losses) > 50

    found = []
    there = replace(settings, state_directory=tmp_path / "copy")
    for number, (moment, loss) in enumerate(disk.losses):
        disk.restore(loss, there.state_directory)
        clock.moment = moment
        (network,) = sensors.start(there, clock, responder.handle)
        # What there is works: current() checks that key and certificate belong together.
        current = network.store.current()
        if current is not None:
            found.append(current.certificate)
        assert current is not None or number < enrolled
        # And life goes on, whatever was under way.
        status = network.step()
        if status.state is State.PENDING:
            status = sensors.step_at_next(network, clock, status)
        assert status.state is State.ACTIVE
    assert list(dict.fromkeys(found)) == generations


def test_a_write_that_is_not_forced_to_the_disk_is_found(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk above can fail: without fsync before the rename, the key is an empty file."""
    real = os.fsync

    def lazy(descriptor: int) -> None:
        if "key.pem" not in str(opened(descriptor)):
            real(descriptor)

    monkeypatch.setattr(os, "fsync", lazy)
    responder = responders.new_responder(handler=Moody())
    settings = sensors.settings_for(tmp_path, sensors.network_table(URL))
    (network,) = sensors.start(settings, Clock(), responder.handle)
    assert network.step().state is State.ACTIVE
    disk.restore(disk.losses[-1][1], tmp_path / "copy")
    with pytest.raises(StorageError, match="the certificate in use cannot be read"):
        Store(tmp_path / "copy" / "office", sensors.Keys()).current()


@pytest.fixture
def network(tmp_path: Path) -> sensor.Network:
    """Return an enrolled network."""
    responder = responders.new_responder(handler=Moody())
    settings = sensors.settings_for(tmp_path, sensors.network_table(URL))
    (network,) = sensors.start(settings, Clock(), responder.handle)
    assert network.step().state is State.ACTIVE
    return network


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"nonsense", None])
@pytest.mark.parametrize("name", ["current/key.pem", "current/chain.pem", "status.json"])
def test_damaged_files_are_told_and_a_fresh_enrolment_helps(
    network: sensor.Network, name: str, content: bytes | None
) -> None:
    if name == "status.json" and content is None:
        content = b"\xff"
    path = network.store.folder / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    status = network.step()
    assert status.state is State.STORAGE_FAILED
    assert status.message.startswith("The sensor's storage does not work (the ")
    assert "enrol again" in status.message
    network.store.enrol_again()
    assert network.step().state is State.ACTIVE


def test_a_key_of_another_certificate_is_not_used(network: sensor.Network) -> None:
    key = sensors.Keys().dump_private_key(keys.rsa(7))
    (network.store.folder / "current" / "key.pem").write_bytes(key)
    assert "key does not belong to the certificate" in network.step().message


def test_a_full_disk_is_told_and_leaves_what_there_is(
    network: sensor.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certificate_of(network)
    network.store.enrol_again()

    def full(path: Path, octets: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write", full)
        status = network.step()
    assert status.state is State.STORAGE_FAILED
    assert "No space left on device" in status.message
    assert certificate_of(network) == certificate
    assert network.step().state is State.ACTIVE
    assert certificate_of(network) != certificate


def test_statuses_and_attempts_come_back_as_they_were(network: sensor.Network) -> None:
    store = network.store
    for status in (
        Status(),
        Status(
            state=State.RENEWAL_FAILED,
            message="Text.",
            next_step=keys.NOW,
            failures=3,
            expires=keys.END,
        ),
    ):
        store.save_status(status)
        assert store.status() == status
    transaction = responders.begin(responders.new_responder()).transaction
    attempt = store.begin(keys.rsa(7), keys.client().certificate, transaction)
    pending = replace(attempt, pending_since=keys.NOW, last_poll=keys.END)
    for each in (attempt, pending):
        store.update(each)
        found = store.attempt()
        assert found is not None
        assert replace(found, key=attempt.key) == each
        assert found.key.public_key == attempt.key.public_key
    assert "PRIVATE" not in repr(attempt)
    store.discard_attempts()
    assert store.attempt() is None


def test_only_the_generation_before_is_kept(network: sensor.Network) -> None:
    for _ in range(3):
        network.store.enrol_again()
        network.step()
    folders = sorted(path.name for path in network.store.folder.glob("generation-*"))
    assert folders == ["generation-000003", "generation-000004"]
    assert (network.store.folder / "current").readlink() == Path("generation-000004")
