"""A RADIUS server that does EAP-TLS, and a client of it: Debian's FreeRADIUS and eapol_test.

FreeRADIUS gets a configuration of its own in the folder it is given; nothing of /etc is read, no
service is started, and it listens on 127.0.0.1 as whoever runs the tests.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pyscep import extensions
from pyscep.certificates import Certificate, Identity
from pyscep.extensions import ExtendedKeyUsage, GeneralName
from pyscep.names import build_name
from pyscep.testing import EphemeralCa
from tests.helpers import keys, sensors
from tests.interop.servers import PeerFailed, _dies_with_its_parent, _end, _tail, find_tool

SECRET = "shared by loopback only"
SERVER_NAME = "radius.example"
READY_SECONDS = 20.0
PORTS_TRIED = 5

CONFIGURATION = """\
prefix = /usr
libdir = /usr/lib/freeradius
logdir = "{folder}"
run_dir = "{folder}"
pidfile = "{folder}/radiusd.pid"
log {{
    destination = stdout
    auth = yes
}}
security {{
    reject_delay = 0
}}
thread pool {{
    start_servers = 1
    max_servers = 2
    min_spare_servers = 1
    max_spare_servers = 2
}}
client loopback {{
    ipaddr = 127.0.0.1
    secret = "{secret}"
    require_message_authenticator = yes
}}
modules {{
    eap {{
        default_eap_type = tls
        tls-config sensors {{
            private_key_file = "{folder}/radius.key"
            certificate_file = "{folder}/radius.pem"
            ca_file = "{folder}/clients-ca.pem"
            cipher_list = "DEFAULT"
            tls_min_version = "{tls}"
            tls_max_version = "{tls}"
            ecdh_curve = ""
        }}
        tls {{
            tls = sensors
        }}
    }}
}}
server sensors {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = {port}
    }}
    authorize {{
        eap
    }}
    authenticate {{
        eap
    }}
}}
"""


@dataclass(frozen=True)
class Radius:
    """A running RADIUS server."""

    port: int
    log: Path
    """Everything it prints."""


def server_identity(
    authority: EphemeralCa, *, now: datetime, lifetime: timedelta = timedelta(days=30)
) -> Identity:
    """Return a RADIUS server's certificate and key."""
    certificate = authority.issue_certificate(
        subject=build_name({"common_name": SERVER_NAME}),
        public_key=keys.rsa(9).public_key,
        not_before=now,
        lifetime=lifetime,
        items=[
            extensions.extended_key_usage((ExtendedKeyUsage.SERVER_AUTH,)),
            extensions.subject_alt_name((GeneralName.dns(SERVER_NAME),), critical=False),
        ],
    )
    return Identity(certificate=certificate, key=keys.rsa(9))


@contextmanager
def freeradius(
    folder: Path, *, identity: Identity, clients_ca: Certificate, tls: str
) -> Iterator[Radius]:
    """Run FreeRADIUS.

    :param clients_ca: the one CA whose certificates it accepts.
    :param tls: the one version of TLS that it does, ``"1.2"`` or ``"1.3"``.
    :raises PeerUnavailable: it is not installed.
    :raises PeerFailed: it does not start.
    """
    program = find_tool("freeradius")
    key = sensors.Keys().dump_private_key(identity.key)
    (folder / "radius.key").write_bytes(key)
    (folder / "radius.pem").write_text(identity.certificate.pem())
    (folder / "clients-ca.pem").write_text(clients_ca.pem())
    process, radius = _start(program, folder, tls)
    try:
        yield radius
    finally:
        _end(process)


def _start(program: str, folder: Path, tls: str) -> tuple[subprocess.Popen[bytes], Radius]:
    log = folder / "radius.log"
    for _ in range(PORTS_TRIED):
        # Somebody else may be given the port before FreeRADIUS asks for it.
        with socket.socket(type=socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        text = CONFIGURATION.format(folder=folder, secret=SECRET, tls=tls, port=port)
        (folder / "radiusd.conf").write_text(text)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*_dies_with_its_parent("TERM"), program, "-d", folder, "-fxx", "-l", "stdout"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder)},
            )
        if _is_ready(process, log):
            return process, Radius(port=port, log=log)
        _end(process)
        if "in use" not in log.read_text(errors="replace"):
            break
    raise PeerFailed(f"FreeRADIUS did not start:\n{_tail(log)}")


def _is_ready(process: subprocess.Popen[bytes], log: Path) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if "Ready to process requests" in log.read_text(errors="replace"):
            return True
        time.sleep(0.02)
    return False


def eapol_test(network_block: Path, port: int, *, seconds: int = 15) -> tuple[bool, str]:
    """Let wpa_supplicant's own code authenticate with a network block.

    :returns: whether it was accepted, and everything it printed.
    """
    command = [find_tool("eapol_test"), "-c", str(network_block), "-a", "127.0.0.1"]
    command += ["-p", str(port), "-s", SECRET, "-t", str(seconds), "-r", "0"]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=60, check=False
    )
    return done.returncode == 0, done.stdout + done.stderr
