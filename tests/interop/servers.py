"""Real SCEP servers that are not ours, each started by a context manager and ended by it.

They come from Debian packages: ``peers/install.sh`` installs them, ``peers/build.sh`` builds the
two that Debian ships as libraries only. What is missing here raises :class:`PeerUnavailable`, what
is there and does not start raises :class:`PeerFailed`.

Every server gets a fresh CA in the folder it is given and is reached on a port of 127.0.0.1 that
nobody else gets, so that any number of them run side by side. A server dies with the thread that
started it: start them in the main thread, where pytest runs its fixtures.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Cipher = Literal["des", "aes128", "aes256", "aes128gcm", "aes256gcm"]
Digest = Literal["sha1", "sha256", "sha512"]

CHALLENGE = "correct horse battery staple"
ALL_CAPABILITIES = (
    "Renewal",
    "SHA-1",
    "SHA-256",
    "AES",
    "DES3",
    "SCEPStandard",
    "POSTPKIOperation",
)
# SCEPStandard has to go too: it includes POSTPKIOperation (RFC 8894 section 3.5.2).
GET_ONLY_CAPABILITIES = ("Renewal", "SHA-1", "SHA-256", "AES", "DES3")

PEERS = Path(__file__).parent / "peers"
RELAY = Path(__file__).parent / "loopback_relay.py"
# Programs that are not on everybody's PATH.
MORE_FOLDERS = ("/usr/sbin", "/sbin", "/usr/lib/certmonger", "/usr/libexec/certmonger")
PACKAGES = {
    "certmonger-session": "certmonger",
    "curl": "curl",
    "dbus-run-session": "dbus-daemon",
    "getcert": "certmonger",
    "eapol_test": "eapoltest",
    "freeradius": "freeradius",
    "ip": "iproute2",
    "openssl": "openssl",
    "pki": "strongswan-pki",
    "scep-submit": "certmonger",
    "scepclient": "scep",
    "scepserver": "scep",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}

READY_SECONDS = 20.0
END_SECONDS = 5.0
LOG_TAIL_LINES = 30


class PeerUnavailable(Exception):
    """A peer cannot run on this machine; the text says why and what to do about it."""


class PeerFailed(Exception):
    """A peer is installed but did not start or answer; the text has the end of its log."""


@dataclass(frozen=True)
class Peer:
    """A running server, and what to expect of it."""

    name: str
    url: str
    challenge: str
    """What enrolment asks for; empty if it asks for nothing."""
    ca_certificate_pem: Path
    """The root, self-signed: what a client may be told to trust."""
    issuer_certificate_pem: Path
    """What issues certificates: the root, or the intermediate below it."""
    recipient_certificate_pem: Path
    """What requests are encrypted for and replies are signed with: the RA, else the issuer."""
    served_certificates_pem: tuple[Path, ...]
    """What GetCACert returns: one bare certificate, or several in this order."""
    capabilities: tuple[str, ...]
    methods: frozenset[str]
    """The HTTP methods that PKIOperation can use: GET, POST or both."""
    log: Path
    """Everything the server prints."""


@dataclass(frozen=True)
class _Identity:
    certificate: Path
    key: Path


def find_tool(name: str) -> str:
    """Return the path of an installed program.

    :raises PeerUnavailable: it is not installed.
    """
    folders = [*os.get_exec_path(), *MORE_FOLDERS]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        package = PACKAGES.get(name, "?")
        raise PeerUnavailable(
            f"{name} (Debian package {package}) is not installed; run {PEERS / 'install.sh'}"
        )
    return found


def find_built(name: str, *, script: str = "build.sh") -> str:
    """Return the path of a program that a script in ``peers/`` has made.

    :raises PeerUnavailable: it has not.
    """
    default = Path.home() / ".cache" / "pyscep-peers"
    path = Path(os.environ.get("PYSCEP_PEERS") or default) / name
    if not path.is_file():
        raise PeerUnavailable(f"{path} does not exist; run {PEERS / script}")
    return str(path)


@contextmanager
def scepserver(folder: Path, *, challenge: str = CHALLENGE) -> Iterator[Peer]:
    """Run Debian's scepserver (micromdm) as it comes: DES and SHA-1 in replies, a CA without RA.

    It mixes up requests that overlap: send one at a time. It can only listen on all interfaces,
    so it runs behind :mod:`tests.interop.loopback_relay`.
    """
    program = find_tool("scepserver")
    # Its own port, in its own network namespace: any number will do.
    port = "8080"
    inside = [find_tool("ip"), *_dies_with_its_parent("KILL"), program]
    prefix = _own_network()
    depot = folder / "depot"
    _run([program, "ca", "-init", "-depot", str(depot), "-keySize", "2048"])
    # With 0 days the same subject may enrol again at any time.
    options = ["-depot", str(depot), "-port", port, "-allowrenew", "0", "-debug"]
    options += ["-challenge", challenge] if challenge else []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/scep"
        relay = [sys.executable, "-I", str(RELAY), str(listener.fileno()), port]
        command = [*prefix, *_dies_with_its_parent("TERM"), *relay, *inside, *options]
        with _running(command, url, folder, listener) as log:
            ca = depot / "ca.pem"
            yield Peer(
                name="scepserver",
                url=url,
                challenge=challenge,
                ca_certificate_pem=ca,
                issuer_certificate_pem=ca,
                recipient_certificate_pem=ca,
                served_certificates_pem=(ca,),
                capabilities=ALL_CAPABILITIES,
                methods=frozenset({"GET", "POST"}),
                log=log,
            )


@contextmanager
def labscep(
    folder: Path,
    *,
    cipher: Cipher = "aes128",
    digest: Digest = "sha256",
    ra: bool = False,
    caps: Sequence[str] = ALL_CAPABILITIES,
    challenge: str = CHALLENGE,
    plain_rsa_oid: bool = False,
    primitive: bool = False,
) -> Iterator[Peer]:
    """Run micromdm's SCEP service with switches; it takes overlapping requests.

    :param ra: let an RA certificate do the talking, issued by a CA that may only issue.
    :param caps: what GetCACaps says; if that does not promise POST, POST is refused.
    :param challenge: what every PKCSReq and RenewalReq has to contain; empty for nothing.
    :param plain_rsa_oid: signatureAlgorithm is rsaEncryption with NULL, not ...WithRSAEncryption.
    :param primitive: encryptedContent is a primitive ``[0]``, not a constructed one.
    """
    program = find_built("labscep")
    ca = _make_identity(folder, "ca", usage=_CA_USAGE if ra else f"{_RA_USAGE},{_CA_USAGE}")
    speaker = ca
    options = [f"-ca-cert={ca.certificate}", f"-ca-key={ca.key}"]
    if ra:
        speaker = _make_identity(folder, "ra", usage=_RA_USAGE, issuer=ca)
        options += [f"-ra-cert={speaker.certificate}", f"-ra-key={speaker.key}"]
    depot = folder / "depot"
    depot.mkdir()
    options += [f"-depot={depot}", f"-cipher={cipher}", f"-digest={digest}"]
    options += [f"-caps={','.join(caps)}", f"-challenge={challenge}"]
    options += [f"-plain-rsa-oid={plain_rsa_oid}", f"-primitive={primitive}"]
    with _reserved_port() as port:
        url = f"http://127.0.0.1:{port}/scep"
        command = [*_dies_with_its_parent("TERM"), program, f"-listen=127.0.0.1:{port}", *options]
        with _running(command, url, folder) as log:
            posts = {"POSTPKIOperation", "SCEPStandard"}.intersection(caps)
            yield Peer(
                name="labscep",
                url=url,
                challenge=challenge,
                ca_certificate_pem=ca.certificate,
                issuer_certificate_pem=ca.certificate,
                recipient_certificate_pem=speaker.certificate,
                served_certificates_pem=(
                    (speaker.certificate, ca.certificate) if ra else (ca.certificate,)
                ),
                capabilities=tuple(caps),
                methods=frozenset({"GET", "POST"} if posts else {"GET"}),
                log=log,
            )


@contextmanager
def stepca(
    folder: Path,
    *,
    challenge: str = CHALLENGE,
    encryption_algorithm: Cipher = "aes128",
) -> Iterator[Peer]:
    """Run smallstep's step-ca with a SCEP provisioner: an intermediate below a root, POST only.

    Renewal asks for the challenge too. Replies are signed with SHA-1.
    """
    program = find_built("step-ca")
    root = _make_identity(folder, "root", usage=_CA_USAGE)
    intermediate = _make_identity(
        folder, "intermediate", usage=f"{_RA_USAGE},{_CA_USAGE}", issuer=root
    )
    with _reserved_port() as port:
        provisioner = {
            "type": "SCEP",
            "name": "scep",
            "challenge": challenge,
            "includeRoot": True,
            "encryptionAlgorithmIdentifier": _STEP_CIPHERS[encryption_algorithm],
        }
        configuration = {
            "root": str(root.certificate),
            "crt": str(intermediate.certificate),
            "key": str(intermediate.key),
            # HTTPS is served whether one wants it or not. SCEP is on the insecure address.
            "address": "127.0.0.1:0",
            "insecureAddress": f"127.0.0.1:{port}",
            "dnsNames": ["localhost"],
            "logger": {"format": "text"},
            "db": {"type": "badgerv2", "dataSource": str(folder / "db")},
            "authority": {
                "claims": {"maxTLSCertDuration": "8760h", "defaultTLSCertDuration": "8760h"},
                "provisioners": [provisioner],
            },
        }
        file = folder / "ca.json"
        file.write_text(json.dumps(configuration, indent=1))
        url = f"http://127.0.0.1:{port}/scep/scep"
        command = [*_dies_with_its_parent("TERM"), program, "start", str(file)]
        with _running(command, url, folder) as log:
            yield Peer(
                name="step-ca",
                url=url,
                challenge=challenge,
                ca_certificate_pem=root.certificate,
                issuer_certificate_pem=intermediate.certificate,
                recipient_certificate_pem=intermediate.certificate,
                served_certificates_pem=(intermediate.certificate, root.certificate),
                capabilities=ALL_CAPABILITIES,
                methods=frozenset({"POST"}),
                log=log,
            )


_STEP_CIPHERS: dict[Cipher, int] = {
    "des": 0,
    "aes128": 1,
    "aes256": 2,
    "aes128gcm": 3,
    "aes256gcm": 4,
}

_CA_USAGE = "keyCertSign,cRLSign"
_RA_USAGE = "digitalSignature,keyEncipherment"


def _make_identity(
    folder: Path, name: str, *, usage: str, issuer: _Identity | None = None
) -> _Identity:
    """Make an RSA key and a certificate for it, from *issuer* or self-signed."""
    identity = _Identity(folder / f"{name}.pem", folder / f"{name}.key")
    # A configuration of our own: the system's one would add extensions.
    configuration = folder / f"{name}.cnf"
    configuration.write_text(
        "[req]\nprompt = no\ndistinguished_name = subject\nx509_extensions = extensions\n"
        f"[subject]\nC = US\nO = Interop Lab\nCN = Interop {name}\n"
        "[extensions]\nsubjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n"
        f"basicConstraints = critical,CA:{'TRUE' if 'keyCertSign' in usage else 'FALSE'}\n"
        f"keyUsage = critical,{usage}\n"
    )
    command = [find_tool("openssl"), "req", "-x509", "-config", str(configuration)]
    command += ["-newkey", "rsa:2048", "-noenc", "-sha256", "-days", "3650"]
    command += ["-keyout", str(identity.key), "-out", str(identity.certificate)]
    if issuer is not None:
        command += ["-CA", str(issuer.certificate), "-CAkey", str(issuer.key)]
    _run(command)
    return identity


def _run(command: Sequence[str]) -> None:
    """Run a program that prepares a peer."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise PeerFailed(f"{' '.join(command)}: {done.stderr or done.stdout}")


def _dies_with_its_parent(signal_name: str) -> list[str]:
    """Return what to put before a command, so that it does not survive a killed test run."""
    return [find_tool("setpriv"), "--pdeathsig", signal_name, "--"]


def _own_network() -> list[str]:
    """Return what to put before a command to run it in a network namespace that has only ``lo``.

    :raises PeerUnavailable: no namespace can be made, as root or as root of a user namespace.
    """
    unshare, probe, reason = find_tool("unshare"), [find_tool("ip"), "link", "set", "lo", "up"], ""
    for options in (["--net"], ["--user", "--map-root-user", "--net"]):
        prefix = [unshare, *options, "--"]
        done = subprocess.run(
            [*prefix, *probe], capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode == 0:
            return prefix
        reason = done.stderr.strip()
    raise PeerUnavailable(
        "scepserver listens on all interfaces and therefore needs a network namespace of its own, "
        f"which cannot be made here ({reason}); run the tests as root"
    )


@contextmanager
def _reserved_port() -> Iterator[int]:
    """Give a free port of 127.0.0.1 that no other program is given meanwhile.

    A socket that is bound but does not listen keeps the port from being handed out; SO_REUSEADDR,
    which Go's servers set too, allows a server that asks for this very port to listen on it.
    """
    with socket.socket() as placeholder:
        placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        placeholder.bind(("127.0.0.1", 0))
        yield placeholder.getsockname()[1]


@contextmanager
def _running(
    command: Sequence[str], url: str, folder: Path, listener: socket.socket | None = None
) -> Iterator[Path]:
    """Run a server, yield its log once it answers, and end it.

    *listener* is handed over to the server: if this process kept it open, connecting to a dead
    server would hang and not fail.
    """
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            # A home of its own: step-ca looks for settings there.
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder)},
            pass_fds=() if listener is None else (listener.fileno(),),
        )
    try:
        if listener is not None:
            listener.close()
        _wait_until_ready(process, url, log)
        yield log
    finally:
        _end(process)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(url):
        if process.poll() is not None:
            raise PeerFailed(f"the server ended with {process.returncode}:\n{_tail(log)}")
        if time.monotonic() > deadline:
            raise PeerFailed(f"no answer from {url} in {READY_SECONDS:.0f} s:\n{_tail(log)}")
        time.sleep(0.02)


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}?operation=GetCACaps", timeout=2) as response:
            return bool(response.status == http.HTTPStatus.OK)
    except (OSError, http.client.HTTPException):
        return False


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join(lines[-LOG_TAIL_LINES:]) or "(its log is empty)"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process that was started, and no other."""
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
