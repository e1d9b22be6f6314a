"""Does the time of an answer tell why an envelope did not open? ``python -m tools.timing``.

Four failures, of which nobody may learn which it was (S-06, E-16): the RSA block, the length of the
content key, the padding, the content. They are tried in turn in random order, with responder and
client and both providers, and each is compared with all the others by Welch's t over the quicker
nine tenths. Run it by hand on a machine that does nothing else: below a |t| of 10 the difference
is not one that a program like this can be sure of; beyond, it is real, and its size is printed.
"""

from __future__ import annotations

import argparse
import gc
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random

from pyscep.begin import pkcs_req
from pyscep.crypto import CryptoProvider
from pyscep.crypto.key_files import KeyEncoding
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.crypto.pyca_provider import PycaProvider
from pyscep.errors import DecryptionFailed
from pyscep.testing import EphemeralCa
from tests.helpers import exchanges, keys, responders
from tests.helpers.message_factory import Envelope, reply_to, request

SURE = 10.0
"""The |t| beyond which a difference is called real."""
KEPT = 0.9
"""Which part of the measurements counts: the slowest were interrupted."""


def failures(good: Envelope) -> dict[str, Envelope]:
    """Return the four, all of the same size."""
    ciphertext = bytes(range(256)) * 3
    return {
        "RSA block": replace(good, encrypted_key=b"\1" * 256, encrypted_content=ciphertext),
        "key length": replace(good, content_key=bytes(5), encrypted_content=ciphertext),
        "padding": replace(good, encrypted_content=ciphertext),
        "content": replace(good, content=bytes(767)),
    }


def responder_side(provider: CryptoProvider) -> dict[str, Callable[[], object]]:
    """Return what a responder does about each."""
    plain = OscryptoProvider().dump_private_key(keys.rsa(0), encoding=KeyEncoding.DER)
    key = provider.load_private_key(plain)
    authority = EphemeralCa.create(now=keys.NOW, key=key, provider=provider)
    responder = responders.new_responder(authority=authority, provider=provider)
    signer = responders.self_signed(responders.csr())
    good = Envelope(recipient=authority.issuer, content=b"")

    def answering(envelope: Envelope) -> Callable[[], object]:
        octets = request(content=envelope.encode(), signer=signer).encode()
        return lambda: responder.answer(octets)

    return {name: answering(envelope) for name, envelope in failures(good).items()}


def client_side(provider: CryptoProvider) -> dict[str, Callable[[], object]]:
    """Return what a client does about each."""
    plain = OscryptoProvider().dump_private_key(keys.rsa(1), encoding=KeyEncoding.DER)
    identity = replace(keys.client(), key=provider.load_private_key(plain))
    good = Envelope(recipient=identity.certificate, content=b"")

    def receiving(envelope: Envelope) -> Callable[[], object]:
        sent = pkcs_req(
            exchanges.csr(), identity=identity, ca=exchanges.trusted_ca(), provider=provider
        )
        reply = reply_to(sent.message, pki_status="0", content=envelope.encode()).encode()

        def receive() -> None:
            try:
                sent.receive(reply)
            except DecryptionFailed:
                return
            raise AssertionError

        return receive

    return {name: receiving(envelope) for name, envelope in failures(good).items()}


def measure(
    actions: dict[str, Callable[[], object]], *, rounds: int, random: Random
) -> dict[str, list[float]]:
    """Return the seconds of processor time that each took, the quicker ones."""
    taken: dict[str, list[float]] = {name: [] for name in actions}
    order = list(actions)
    gc.disable()
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            began = time.thread_time_ns()
            actions[name]()
            taken[name].append((time.thread_time_ns() - began) / 1e9)
    gc.enable()
    return {name: sorted(times)[: int(KEPT * len(times))] for name, times in taken.items()}


def welch(one: list[float], other: list[float]) -> float:
    """Return Welch's t."""
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return (statistics.mean(one) - statistics.mean(other)) / math.sqrt(spread)


def main() -> int:
    """Run, print the figures, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random = Random(options.seed)  # noqa: S311
    worst = 0.0
    for provider in (OscryptoProvider(), PycaProvider()):
        for side, actions in (
            ("responder", responder_side(provider)),
            ("client", client_side(provider)),
        ):
            measure(actions, rounds=50, random=random)
            taken = measure(actions, rounds=options.rounds, random=random)
            print(f"{side}, {provider.name}, {options.rounds} of each")
            for name, times in taken.items():
                others = [t for other, ts in taken.items() if other != name for t in ts]
                t = welch(times, others)
                mean = 1e6 * statistics.mean(times)
                difference = mean - 1e6 * statistics.mean(others)
                worst = max(worst, abs(t))
                print(f"  {name:12} {mean:9.1f} us {difference:+7.1f} us  t = {t:+6.1f}")
    print(f"the largest |t| is {worst:.1f}, the threshold {SURE}")
    return 1 if worst > SURE else 0


if __name__ == "__main__":
    raise SystemExit(main())
