"""Real SCEP clients that are not ours, each behind the same few methods.

Each of them runs in a folder of its own, with nothing of this machine's settings. What is missing
raises :class:`~tests.interop.servers.PeerUnavailable`.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from asn1crypto import pem

from pyscep.certificates import Certificate, parse_certificate
from pyscep.crypto.key_files import KeyFormat
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.keys import PrivateKey
from tests.interop.servers import PeerFailed, find_built, find_tool
from tests.interop.services import CHALLENGE, Service

OLD_PYSCEP = Path(__file__).with_name("old_pyscep.py")
SECONDS = 90.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a client came back with."""

    status: int
    """Of the process; 0 if the client is content."""
    said: str
    """Its own words."""
    certificate: Certificate | None = None
    """What it got."""

    @property
    def issued(self) -> Certificate:
        """The certificate, which there has to be."""
        assert self.certificate is not None, self.said
        return self.certificate


class Client(Protocol):
    """What every client can do."""

    def enrol(self, service: Service, key: Path, challenge: str = CHALLENGE) -> Outcome:
        """Ask for a certificate."""

    def renew(self, service: Service, key: Path, certificate: Certificate, new: Path) -> Outcome:
        """Ask for another one in the name of the first.

        :param key: that of *certificate*.
        :param new: the key for the new certificate; some clients only do it with the same.
        """


def write_key(path: Path, key: PrivateKey) -> Path:
    """Write a key so that every client can read it."""
    path.write_bytes(OscryptoProvider().dump_private_key(key, format=KeyFormat.PKCS1))
    return path


def run(command: Sequence[object], folder: Path, **more: str) -> Outcome:
    """Run a program with nothing but a PATH and a home in *folder*."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        check=False,
        cwd=folder,
        env=environment(folder, **more),
        timeout=SECONDS,
    )
    return Outcome(status=done.returncode, said=(done.stdout + done.stderr).decode())


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a client: a home in *folder*, and nothing of ours."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LC_ALL": "C", **more}


def _read(path: Path) -> Certificate | None:
    return parse_certificate(path.read_bytes()) if path.exists() else None


# -------------------------------------------------------------------------------------- micromdm


@dataclass(frozen=True)
class ScepClient:
    """micromdm's scepclient: single DES and SHA-1 in all that it sends, always by POST.

    A second call with a certificate in the file is a renewal, with the same key.
    """

    folder: Path

    def command(
        self, service: Service, key: Path, challenge: str, options: Sequence[object] = ()
    ) -> list[object]:
        """Return the command line."""
        return [
            find_tool("scepclient"),
            *("-server-url", service.url, "-private-key", key, "-challenge", challenge),
            *("-certificate", self.certificate_file, "-cn", "sensor-17"),
            *options,
        ]

    @property
    def certificate_file(self) -> Path:
        """Where it keeps the certificate."""
        return self.folder / "client.pem"

    def enrol(
        self,
        service: Service,
        key: Path,
        challenge: str = CHALLENGE,
        options: Sequence[object] = (),
    ) -> Outcome:
        """See :meth:`Client.enrol`."""
        outcome = run(self.command(service, key, challenge, options), self.folder)
        got = _read(self.certificate_file) if outcome.status == 0 else None
        return Outcome(status=outcome.status, said=outcome.said, certificate=got)

    def renew(self, service: Service, key: Path, certificate: Certificate, new: Path) -> Outcome:
        """See :meth:`Client.renew`."""
        del new
        self.certificate_file.write_text(certificate.pem())
        return self.enrol(service, key)


# ------------------------------------------------------------------------------------ strongSwan


@dataclass(frozen=True)
class StrongSwan:
    """strongSwan's ``pki``, which is told the CA certificates and asks for one."""

    folder: Path
    options: tuple[str, ...] = ()
    """Such as ``--cipher des3``."""

    def enrol(
        self,
        service: Service,
        key: Path,
        challenge: str = CHALLENGE,
        options: Sequence[object] = (),
    ) -> Outcome:
        """See :meth:`Client.enrol`."""
        command = [
            *(find_tool("pki"), "--scep", "--url", service.url, "--in", key),
            *("--dn", "C=CH, O=Example, CN=sensor-17", "--san", "sensor.example"),
            *("--cacert-enc", service.recipient, "--cacert-sig", service.signer),
            *("--cacert", service.issuer, "--cacert", service.root),
            *("--outform", "pem", *self.options, *options),
        ]
        outcome = run([*command, "--password", challenge] if challenge else command, self.folder)
        certificates = outcome.said.encode() if outcome.status == 0 else b""
        return Outcome(
            status=outcome.status,
            said=outcome.said,
            certificate=parse_certificate(_pem_of(certificates)) if certificates else None,
        )

    def renew(self, service: Service, key: Path, certificate: Certificate, new: Path) -> Outcome:
        """See :meth:`Client.renew`."""
        old = self.folder / "old.pem"
        old.write_text(certificate.pem())
        return self.enrol(service, new, "", options=("--cert", old, "--key", key))

    def get_ca_certificates(self, service: Service) -> tuple[Outcome, list[Certificate]]:
        """Run ``pki --scepca``; return also what it has written, by name of file."""
        folder = self.folder / "scepca"
        folder.mkdir()
        files = ("--caout", "ca.pem", "--raout", "ra.pem", "--outform", "pem")
        outcome = run((find_tool("pki"), "--scepca", "--url", service.url, *files), folder)
        return outcome, [parse_certificate(p.read_bytes()) for p in sorted(folder.glob("*.pem"))]


def _pem_of(output: bytes) -> bytes:
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    return output[output.index(begin) : output.index(end) + len(end)] + b"\n"


# ------------------------------------------------------------------------------------ certmonger

FINAL = frozenset(
    (
        "MONITORING",
        "CA_REJECTED",
        "CA_UNCONFIGURED",
        "CA_UNREACHABLE",
        "CA_WORKING",
        "NEED_GUIDANCE",
        "NEED_SCEP_RSA_CLIENT_CERT",
    )
)
"""The states of a request in which certmonger waits for something from outside."""


@dataclass
class CertmongerDaemon:
    """A certmonger of our own, on a message bus of our own; :func:`certmonger` starts it."""

    folder: Path
    address: str
    """The address of the message bus."""
    names: list[str] = field(default_factory=list)
    """Names that are taken, of CAs and of requests alike."""

    def new_name(self) -> str:
        """Return a name that is free."""
        self.names.append(f"lab{len(self.names)}")
        return self.names[-1]

    def getcert(self, command: str, *options: object) -> Outcome:
        """Run ``getcert COMMAND``."""
        line = (find_tool("getcert"), command, "--session", *options)
        return run(line, self.folder, DBUS_SESSION_BUS_ADDRESS=self.address)

    def wait(self, name: str, *, other_than: bytes | None = None) -> dict[str, str]:
        """Return what ``getcert list`` says of a request, once it has come to a state to stay in.

        :param other_than: the certificate that is to be replaced.
        """
        deadline = time.monotonic() + SECONDS
        while True:
            listed = self.getcert("list", "--id", name).said
            lines = (line.strip().partition(":") for line in listed.splitlines())
            facts = {label: value.strip() for label, _, value in lines}
            settled = facts.get("status") in FINAL
            if settled and facts["status"] == "MONITORING" and other_than is not None:
                settled = self.certificate_file(name).read_bytes() != other_than
            if settled:
                return facts
            if time.monotonic() > deadline:
                raise PeerFailed(f"certmonger came to no end with this:\n{listed}")
            time.sleep(0.05)

    def certificate_file(self, name: str) -> Path:
        """Return where it writes the certificate of a request."""
        return self.folder / f"{name}.crt"


# Lasts until its standard input ends: so nothing survives a test run that is killed.
_SESSION = """
"$2" -s -n </dev/null &
printf %s "$DBUS_SESSION_BUS_ADDRESS" >"$1.new"
mv "$1.new" "$1"
cat
kill $!
wait
"""


@contextmanager
def certmonger(folder: Path) -> Iterator[CertmongerDaemon]:
    """Run ``certmonger-session`` on a message bus that nobody else uses."""
    bus, log = folder / "bus", folder / "daemon.log"
    find_tool("getcert")
    shell = ("sh", "-c", _SESSION, "sh", bus, find_tool("certmonger-session"))
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [find_tool("dbus-run-session"), "--", *map(str, shell)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment(folder),
        ),
    ):
        # Leaving this block closes the standard input and waits.
        deadline = time.monotonic() + SECONDS
        daemon = None
        while daemon is None or daemon.getcert("list-cas").status:
            if time.monotonic() > deadline:
                raise PeerFailed(f"certmonger does not answer: {log.read_text()}")
            if bus.exists():
                daemon = CertmongerDaemon(folder, bus.read_text())
            time.sleep(0.05)
        yield daemon


@dataclass
class Certmonger:
    """One request of a certmonger daemon: AES or 3DES and the hash by GetCACaps, always by GET."""

    daemon: CertmongerDaemon
    signing_ca: bool = True
    """Whether it is told who has issued the CA (``add-scep-ca -N``)."""
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.daemon.new_name()

    def enrol(
        self,
        service: Service,
        key: Path,
        challenge: str = CHALLENGE,
        options: Sequence[object] = (),
    ) -> Outcome:
        """See :meth:`Client.enrol`."""
        told = ("-N", service.root) if self.signing_ca else ()
        added = self.daemon.getcert("add-scep-ca", "-c", self.name, "-u", service.url, *told)
        assert added.status == 0, added.said
        requested = self.daemon.getcert(
            *("request", "-c", self.name, "-I", self.name, "-k", key),
            *("-f", self.daemon.certificate_file(self.name), "-N", "CN=sensor-17,O=Example"),
            *("-D", "sensor.example", "-L", challenge, *options),
        )
        assert requested.status == 0, requested.said
        return self.outcome()

    def renew(self, service: Service, key: Path, certificate: Certificate, new: Path) -> Outcome:
        """See :meth:`Client.renew`; the key stays the same, :meth:`rekey` makes a new one."""
        del service, key, new
        return self.again("resubmit", certificate)

    def rekey(self, certificate: Certificate) -> Outcome:
        """Renew with a new key, which certmonger makes itself."""
        return self.again("rekey", certificate)

    def refresh(self) -> Outcome:
        """Poll a request that is pending."""
        asked = self.daemon.getcert("refresh", "-i", self.name)
        assert asked.status == 0, asked.said
        return self.outcome()

    def again(self, command: str, certificate: Certificate) -> Outcome:
        """Let ``getcert COMMAND`` replace a certificate."""
        present = self.daemon.certificate_file(self.name)
        assert parse_certificate(present.read_bytes()) == certificate
        before = present.read_bytes()
        asked = self.daemon.getcert(command, "-i", self.name)
        assert asked.status == 0, asked.said
        return self.outcome(other_than=before)

    def outcome(self, *, other_than: bytes | None = None) -> Outcome:
        """Return what has become of the request."""
        facts = self.daemon.wait(self.name, other_than=other_than)
        status = facts["status"]
        done = status == "MONITORING"
        return Outcome(
            status=0 if done else 1,
            said=f"{status}: {facts.get('ca-error', '')}",
            certificate=_read(self.daemon.certificate_file(self.name)) if done else None,
        )


@dataclass(frozen=True)
class ScepSubmit:
    """certmonger's helper by hand: it sends finished pkiMessages, by GET."""

    folder: Path

    def __call__(self, service: Service, *options: object) -> Outcome:
        """Run it."""
        return run((find_tool("scep-submit"), "-u", service.url, *options), self.folder)

    def send(self, service: Service, message: bytes, *, option: str = "-p") -> Outcome:
        """Send a pkiMessage; it prints the pkcsPKIEnvelope of the answer in PEM."""
        file = self.folder / "message.pem"
        file.write_bytes(pem.armor("PKCS7", message))
        return self(service, option, "-r", service.signer, "-N", service.root, file)


# --------------------------------------------------------------------------------- PyScep 0.0.14


@dataclass(frozen=True)
class OldPyScep:
    """PyScep 0.0.14: AES-256 and SHA-512 if they are announced, and POST."""

    folder: Path
    python: str
    """That of its environment; see :func:`find_old_pyscep`."""

    def __call__(
        self, operation: str, service: Service, key: Path, certificate: Path, *more: object
    ) -> Outcome:
        """Run one operation of :mod:`tests.interop.old_pyscep`."""
        # -I: neither PYTHONPATH nor this directory may put our package beside it.
        command = (self.python, "-I", OLD_PYSCEP, operation, service.url, key, certificate, *more)
        outcome = run(command, self.folder)
        if outcome.status not in (0, 1):
            raise PeerFailed(outcome.said)
        result: dict[str, Any] = json.loads(outcome.said)
        certificates = result.get("certificates")
        return Outcome(
            status=outcome.status,
            said=result.get("error") or outcome.said,
            certificate=parse_certificate(certificates[0].encode()) if certificates else None,
        )

    @property
    def self_signed(self) -> Path:
        """Where the self-signed certificate is."""
        return self.folder / "self-signed.pem"

    def enrol(self, service: Service, key: Path, challenge: str = CHALLENGE) -> Outcome:
        """See :meth:`Client.enrol`."""
        return self("enrol", service, key, self.self_signed, challenge)

    def renew(self, service: Service, key: Path, certificate: Certificate, new: Path) -> Outcome:
        """See :meth:`Client.renew`: a PKCSReq signed with the old certificate."""
        old = self.folder / "old.pem"
        old.write_text(certificate.pem())
        return self("renew", service, key, old, new)


def find_old_pyscep() -> str:
    """Return the Python that has PyScep 0.0.14.

    :raises PeerUnavailable: its environment has not been made.
    """
    return find_built("pyscep-0.0.14/bin/python", script="pyscep.sh")
