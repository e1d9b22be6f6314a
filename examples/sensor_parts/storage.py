"""Keys and certificates that survive power loss at any instant.

One folder for each network, and in it::

    generation-000001/      the former key and certificate, which may still be in use
    generation-000002/      key.pem certificate.pem chain.pem radius-ca.pem network.conf
    generation-000003/      key.pem signer.pem attempt.json: a request whose answer is not here yet
    current                 a link to generation-000002
    status.json             what the operator is shown
    enrol-again             the generation that the operator wants replaced by a fresh enrolment

A file is written under another name, forced to the disk, and renamed; then its folder is forced to
the disk. What belongs together lies in one folder, and which one counts is the link, renamed too:
so key and certificate change together, at one instant or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path

import pyscep
from pyscep.crypto.oscrypto_provider import OscryptoProvider

PREFIX = "generation-"


class StorageError(Exception):
    """What is stored cannot be read."""


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, pyscep.ScepError) as error:
        raise StorageError(f"the {what} cannot be read: {error}") from error


class State(Enum):
    """How a network stands."""

    NEW = "not enrolled"
    PENDING = "waiting for approval"
    ACTIVE = "active"
    ENROLMENT_FAILED = "enrolment failed"
    RENEWAL_FAILED = "renewal failed"
    EXPIRED = "expired"
    STORAGE_FAILED = "storage failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the operator is shown, and when there is something to do."""

    state: State = State.NEW
    message: str = "No enrolment has been tried yet."
    next_step: datetime | None = None
    """``None`` after expiry, when only the operator can do something."""
    failures: int = 0
    """How many attempts have failed in a row."""
    expires: datetime | None = None
    """When the present certificate ends, if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A certificate in use, with its key and the chain above it."""

    folder: Path
    identity: pyscep.Identity
    chain: tuple[pyscep.Certificate, ...]
    """The issuers, up to the root."""

    @property
    def certificate(self) -> pyscep.Certificate:
        return self.identity.certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A request that was sent, or was about to be when the power went."""

    folder: Path
    key: pyscep.PrivateKey = field(repr=False)
    """The key to be certified."""
    signer: pyscep.Certificate
    """Who signed the request: for a renewal the present certificate, else a self-signed one."""
    transaction: pyscep.Transaction
    pending_since: datetime | None = None
    """``None`` as long as the server has not answered."""
    last_poll: datetime | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """One network's folder."""

    folder: Path
    provider: OscryptoProvider = field(repr=False)

    # ------------------------------------------------------------------------------- certificates

    @property
    def _current(self) -> Path:
        return self.folder / "current"

    def current(self) -> Credentials | None:
        """Return what is in use."""
        if not self._current.is_symlink():
            return None
        return self._load(self.folder / self._current.readlink())

    def _load(self, folder: Path) -> Credentials:
        with _reading("certificate in use"):
            certificate, *_ = pyscep.parse_certificates((folder / "certificate.pem").read_bytes())
            return Credentials(
                folder=folder,
                identity=pyscep.Identity(certificate=certificate, key=self._load_key(folder)),
                chain=pyscep.parse_certificates((folder / "chain.pem").read_bytes()),
            )

    def switch(self, attempt: Attempt, files: Mapping[str, str]) -> Credentials:
        """Let an attempt become what is in use; the generation before is kept, older ones go."""
        for name, text in files.items():
            write(attempt.folder / name, text.encode())
        link = self.folder / "current.new"
        link.unlink(missing_ok=True)
        link.symlink_to(attempt.folder.name)
        link.replace(self._current)
        sync_folder(self.folder)
        for folder in self._generations()[:-2]:
            shutil.rmtree(folder)
        return self._load(attempt.folder)

    # ----------------------------------------------------------------------------------- attempts

    def begin(
        self, key: pyscep.PrivateKey, signer: pyscep.Certificate, transaction: pyscep.Transaction
    ) -> Attempt:
        """Keep all that is needed to ask for the answer, before the request is sent."""
        self.discard_attempts()
        used = self._generations()
        number = int(used[-1].name.removeprefix(PREFIX)) + 1 if used else 1
        folder = self.folder / f"{PREFIX}{number:06}"
        make_folder(folder)
        write(folder / "key.pem", self.provider.dump_private_key(key))
        write(folder / "signer.pem", signer.pem().encode())
        attempt = Attempt(folder=folder, key=key, signer=signer, transaction=transaction)
        self.update(attempt)
        return attempt

    def update(self, attempt: Attempt) -> None:
        """Keep how an attempt stands; without this file, a folder is not an attempt."""
        fields = {
            "transaction": attempt.transaction.to_json(),
            "pending_since": _to_text(attempt.pending_since),
            "last_poll": _to_text(attempt.last_poll),
        }
        write(attempt.folder / "attempt.json", json.dumps(fields, indent=1).encode())

    def attempt(self) -> Attempt | None:
        """Return the attempt that has no answer yet."""
        found = [folder for folder in self._later() if (folder / "attempt.json").exists()]
        if not found:
            return None
        folder = found[0]
        with _reading("unfinished request"):
            fields = json.loads((folder / "attempt.json").read_text())
            return Attempt(
                folder=folder,
                key=self._load_key(folder),
                signer=pyscep.parse_certificate((folder / "signer.pem").read_bytes()),
                transaction=pyscep.Transaction.from_json(fields["transaction"]),
                pending_since=_to_datetime(fields["pending_since"]),
                last_poll=_to_datetime(fields["last_poll"]),
            )

    def discard_attempts(self) -> None:
        """Forget attempts, finished or not."""
        for folder in self._later():
            # First what makes it an attempt: the rest may go in any order.
            (folder / "attempt.json").unlink(missing_ok=True)
            sync_folder(folder)
            shutil.rmtree(folder)

    def _generations(self) -> list[Path]:
        return sorted(self.folder.glob(f"{PREFIX}*"))

    def _later(self) -> list[Path]:
        """Return the generations after the one in use."""
        used = self._current.readlink().name if self._current.is_symlink() else ""
        return [folder for folder in self._generations() if folder.name > used]

    def _load_key(self, folder: Path) -> pyscep.PrivateKey:
        return self.provider.load_private_key((folder / "key.pem").read_bytes())

    # --------------------------------------------------------------------- the operator's side

    @property
    def _wish(self) -> Path:
        return self.folder / "enrol-again"

    @property
    def enrolment_wanted(self) -> bool:
        """Whether to enrol afresh, whatever there is."""
        if not self._current.is_symlink():
            return True
        # Once another generation is in use, the wish has come true.
        return self._wish.exists() and self._wish.read_text() == self._current.readlink().name

    def enrol_again(self) -> None:
        """Remember that the operator wants a fresh enrolment; the old files stay until then."""
        if self._current.is_symlink():
            write(self._wish, self._current.readlink().name.encode())
        self.discard_attempts()
        self.save_status(Status())

    def status(self) -> Status:
        """Return the status of the last step."""
        path = self.folder / "status.json"
        if not path.exists():
            return Status()
        with _reading("status"):
            fields = json.loads(path.read_text())
            return Status(
                state=State(fields["state"]),
                message=fields["message"],
                next_step=_to_datetime(fields["next_step"]),
                failures=fields["failures"],
                expires=_to_datetime(fields["expires"]),
            )

    def save_status(self, status: Status) -> None:
        """Keep the status, for the dashboard and for the next start."""
        fields = {
            "state": status.state.value,
            "message": status.message,
            "next_step": _to_text(status.next_step),
            "failures": status.failures,
            "expires": _to_text(status.expires),
        }
        write(self.folder / "status.json", json.dumps(fields, indent=1).encode())


def _to_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _to_datetime(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


# ------------------------------------------------------------------------------------------- disk


def make_folder(folder: Path) -> None:
    """Make a folder for the owner only, and force its entry to the disk."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700)
        sync_folder(folder.parent)


def forget_others(state_directory: Path, names: Collection[str]) -> None:
    """Remove the folders of networks that the operator has removed, and nothing else."""
    for folder in state_directory.iterdir():
        if folder.name not in names and _is_network(folder):
            # Half of a folder must never be taken for a network that is added again.
            hidden = state_directory / f".removed-{folder.name.removeprefix('.removed-')}"
            folder.rename(hidden)
            sync_folder(state_directory)
            shutil.rmtree(hidden)


def _is_network(folder: Path) -> bool:
    # The settings may name a directory that others use too, by mistake.
    if folder.is_symlink() or not folder.is_dir():
        return False
    names = [path.name for path in folder.iterdir()]
    ours = (PREFIX, "current", "status.json", "enrol-again")
    return bool(names) and all(name.startswith(ours) for name in names)


def write(path: Path, octets: bytes) -> None:
    """Write a file for the owner only: completely or not at all, and to the disk."""
    temporary = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
