"""The short run of every harness: the same inputs each time, in seconds."""

from __future__ import annotations

import time
from random import Random

import pytest

from tests.fuzz.harnesses import HARNESSES, Harness
from tests.fuzz.mutate import mutate, read_elements

EACH = pytest.mark.parametrize("harness", HARNESSES.values(), ids=HARNESSES)
MUTATIONS = 150
LONGEST = 60.0
"""Seconds of processor time for one input; the long run says 1, on a machine of its own."""
HARNESS_ENDS = {
    *("read", "opened", "trusted", "chosen", "verified", "revoked", "loaded", "HTTP 200"),
    *("SUCCESS", "Success", "CrlSuccess", "PKI_MESSAGE"),
}


@EACH
def test_seeds_reach_the_end(harness: Harness) -> None:
    """If everything were refused at the door, nothing would have been fuzzed."""
    outcomes = {harness.outcome(seed) for seed in harness.seeds().values()}
    assert outcomes & HARNESS_ENDS


@EACH
@pytest.mark.conforms("S-19")
def test_mutations_give_our_errors_or_nothing(harness: Harness) -> None:
    random = Random(harness.name)
    seeds = list(harness.seeds().values())
    outcomes = set()
    for _ in range(MUTATIONS):
        octets = mutate(random.choice(seeds), random, size=8192)
        began = time.process_time()
        outcomes.add(harness.outcome(octets))
        assert time.process_time() - began < LONGEST
    assert len(outcomes) > 1


@EACH
def test_findings_stay_fixed(harness: Harness) -> None:
    for octets in harness.findings().values():
        harness.outcome(octets)


def test_mutations_keep_der_and_repeat() -> None:
    seed = HARNESSES["certificate"].seeds()["ca.der"]
    changed = [mutate(seed, Random(number), size=8192) for number in range(60)]
    assert changed == [mutate(seed, Random(number), size=8192) for number in range(60)]
    # Two equal elements may be exchanged.
    assert changed.count(seed) < 5
    still_der = [octets for octets in changed if read_elements(octets)]
    assert len(still_der) > 30
    assert all(len(mutate(seed, Random(number), size=100)) <= 100 for number in range(20))
