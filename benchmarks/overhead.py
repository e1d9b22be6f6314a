"""What Python adds to each message: ``python -m benchmarks.overhead``.

*Alone* plays the results of the operations back instead of computing them. All times are the least
CPU time of many tries, as whatever disturbs one only adds to it.
"""

from __future__ import annotations

import argparse
import functools
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

from benchmarks.material import Material
from benchmarks.raw import Floor
from pyscep.crypto import CryptoProvider, default_provider
from pyscep.keys import PrivateKey

F = TypeVar("F", bound=Callable[..., object])


class Tape:
    """The results of a message's operations: recorded once, played back as often as wanted."""

    def __init__(self) -> None:
        self._results: list[object] = []
        self._position: int | None = None

    def record(self, work: Callable[[], object]) -> None:
        """Do *work*, and keep what its operations return."""
        self._results.clear()
        self._position = None
        work()

    def rewind(self) -> None:
        """Play back from the beginning, from now on."""
        self._position = 0

    def stop(self) -> None:
        """Compute again, from now on."""
        self._position = None

    def on(self, operation: F) -> F:
        """Return *operation* with its results recorded or played back."""

        @functools.wraps(operation)
        def taped(*arguments: object, **named: object) -> object:
            if self._position is None:
                self._results.append(operation(*arguments, **named))
                return self._results[-1]
            self._position += 1
            return self._results[self._position - 1]

        return cast("F", taped)


class TapedKey:
    """A private key on a tape."""

    def __init__(self, key: PrivateKey, tape: Tape) -> None:
        self.public_key = key.public_key
        self.signature_algorithms = key.signature_algorithms
        self.key_encryption_algorithms = key.key_encryption_algorithms
        self.sign = tape.on(key.sign)
        self.decrypt = tape.on(key.decrypt)


class TapedProvider:
    """A provider on a tape, with its keys; making and loading these is not recorded."""

    def __init__(self, provider: CryptoProvider, tape: Tape) -> None:
        self.name = provider.name
        self.digest = tape.on(provider.digest)
        self.random_bytes = tape.on(provider.random_bytes)
        self.verify = tape.on(provider.verify)
        self.encrypt_key = tape.on(provider.encrypt_key)
        self.encrypt_content = tape.on(provider.encrypt_content)
        self.decrypt_content = tape.on(provider.decrypt_content)
        self.pbkdf2 = tape.on(provider.pbkdf2)
        self._provider = provider
        self._tape = tape

    def generate_rsa_key(self, bits: int) -> PrivateKey:
        """Return a new key on the tape."""
        return TapedKey(self._provider.generate_rsa_key(bits), self._tape)

    def generate_ec_key(self, curve: str) -> PrivateKey:
        """Return a new key on the tape."""
        return TapedKey(self._provider.generate_ec_key(curve), self._tape)

    def load_private_key(self, data: bytes, *, password: str | None = None) -> PrivateKey:
        """Load a key onto the tape."""
        return TapedKey(self._provider.load_private_key(data, password=password), self._tape)


@dataclass(frozen=True)
class Work:
    """What is measured, and what has to be there anew for each try."""

    do: Callable[[], object]
    prepare: Callable[[], object] = lambda: None


def works(material: Material) -> dict[str, Work]:
    """Return what makes or reads each message."""
    responders = [material.new_responder()]

    def forget() -> None:
        # The same request again would be answered from memory.
        responders[0] = material.new_responder()

    return {
        "PKCSReq": Work(material.pkcs_req),
        "message only": Work(material.repeated_pkcs_req),
        "CertRep read": Work(material.read_cert_rep),
        "CertRep built": Work(material.build_cert_rep),
        "whole enrolment": Work(lambda: material.enrol(responders[0]), prepare=forget),
    }


def floors(material: Material) -> dict[str, Work]:
    """Return the bare operations of each message."""
    floor = Floor(material)
    return {
        "PKCSReq": Work(floor.pkcs_req),
        "message only": Work(floor.message),
        "CertRep read": Work(floor.read_cert_rep),
        "CertRep built": Work(floor.build_cert_rep),
        "whole enrolment": Work(floor.enrol),
    }


def spent(work: Work) -> float:
    """Return the CPU time of *work*, in microseconds."""
    begin = time.process_time_ns()
    work.do()
    return (time.process_time_ns() - begin) / 1000


def least(alone: Work, bare: Work, whole: Work, tape: Tape, tries: int) -> list[float]:
    """Return the least CPU times of the three; they take turns, as a processor's speed varies."""
    # What is made once for all messages is not meant.
    alone.do()
    alone.prepare()
    tape.record(alone.do)
    found: list[list[float]] = []
    for _ in range(tries):
        alone.prepare()
        tape.rewind()
        python = spent(alone)
        whole.prepare()
        found.append([python, spent(bare), spent(whole)])
    tape.stop()
    return [min(column) for column in zip(*found, strict=True)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--tries", type=int, default=2000, help="of each message (2000)")
    tries = parser.parse_args().tries
    tape = Tape()
    real, taped = Material.create(), Material.create(TapedProvider(default_provider(), tape))
    bare, whole = floors(real), works(real)
    print(f"{'microseconds':20}{'floor':>10}{'Python alone':>15}{'more than the floor':>22}")
    gc.disable()
    for name, alone in works(taped).items():
        python, floor, together = least(alone, bare[name], whole[name], tape, tries)
        print(f"{name:20}{floor:10.0f}{python:15.0f}{together - floor:22.0f}")


if __name__ == "__main__":
    main()
