"""Trees in the shape of what each parser reads are read, or refused with our error."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings

from tests.fuzz.grammar import PROPERTIES, SHAPES
from tests.fuzz.harnesses import HARNESSES


@pytest.mark.parametrize("harness", PROPERTIES)
@pytest.mark.conforms("S-19")
def test_trees_of_its_shape(harness: str) -> None:
    PROPERTIES[harness]()


@pytest.mark.parametrize("harness", ["certificate", "csr", "crl", "name", "ca-certificates"])
def test_some_trees_are_read(harness: str) -> None:
    """A grammar of which nothing is ever read would only test the door."""
    outcomes: Counter[str] = Counter()

    @given(octets=SHAPES[harness])
    @settings(max_examples=100, deadline=None, database=None, derandomize=True)
    def collect(octets: bytes) -> None:
        outcomes[HARNESSES[harness].outcome(octets)] += 1

    collect()
    assert set(outcomes) & {"read", "revoked", "verified", "trusted"}, outcomes
    assert len(outcomes) > 1


@pytest.mark.conforms("E-23", "E-25")
def test_password_recipients_of_every_outcome() -> None:
    outcomes: Counter[str] = Counter()

    @given(octets=SHAPES["password-recipient"])
    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    def collect(octets: bytes) -> None:
        outcomes[HARNESSES["password-recipient"].outcome(octets)] += 1

    collect()
    assert set(outcomes) >= {
        "opened",
        "closed",
        "DecodeError",
        "LimitExceeded",
        "UnsupportedError",
        "WeakAlgorithm",
    }
