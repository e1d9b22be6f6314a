"""A program that lives a sensor's life in a folder, in simulated time, until it is killed.

``sensor_life.py FOLDER``: for each line of its input, a number of seconds, it starts the sensor as
after a reboot, in a process of its own, and kills that after so long. Then it prints a line. What
takes long, importing and loading keys, it does once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import sensor
from pyscep.crypto.oscrypto_keys import OscryptoPrivateKey
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.transport import RequestsTransport
from sensor_parts.settings import load_settings
from sensor_parts.storage import State

KEYS = 4


class FileClock:
    """Time that stands in a file, so that the server and all the sensor's lives share it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "clock"

    def now(self) -> datetime:
        return datetime.fromisoformat(self.path.read_text())

    def set(self, moment: datetime) -> None:
        temporary = self.path.with_name("clock.new")
        temporary.write_text(moment.isoformat())
        temporary.replace(self.path)


class KeysOfFolder(OscryptoProvider):
    """Hands keys out that were made before, in turn."""

    folder: Path
    made: list[OscryptoPrivateKey]

    def generate_rsa_key(self, bits: int) -> OscryptoPrivateKey:
        # Never that of the generation in use, whatever was killed when.
        numbers = [path.name[-6:] for path in self.folder.glob("state/*/generation-*")]
        return self.made[int(max(numbers, default="0")) % KEYS]


def live(folder: Path, provider: OscryptoProvider) -> NoReturn:
    """Step from one thing that is due to the next, and be the operator after expiry."""
    clock = FileClock(folder)
    with RequestsTransport(timeout=10) as send:
        (network,) = sensor.networks_of(
            load_settings(folder / "settings.toml"),
            enrolment_transport=send,
            network_transport=send,
            now=clock.now,
            provider=provider,
        )
        while True:
            status = network.step()
            if status.state is State.EXPIRED:
                network.store.enrol_again()
            elif status.next_step is not None:
                clock.set(max(clock.now(), status.next_step))


def main(folder: Path) -> None:
    provider = KeysOfFolder()
    KeysOfFolder.folder = folder
    KeysOfFolder.made = [
        provider.load_private_key(path.read_bytes()) for path in sorted(folder.glob("*.key"))
    ]
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            live(folder, provider)
        time.sleep(float(line))
        ended, _ = os.waitpid(child, os.WNOHANG)
        if ended == 0:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        # Whoever reads this may look at the folder; a life that ended by itself is a failure.
        print("killed" if ended == 0 else "ended by itself", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
