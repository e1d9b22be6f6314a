"""The pages about the test kit say all that the code has: each fault, each imitated server."""

from __future__ import annotations

import re

from pyscep.testing import Fault
from pyscep.testing.profiles import PROFILES, STANDARD
from tests.helpers.fault_outcomes import OUTCOMES
from tools import testkit


def test_each_fault_has_its_line() -> None:
    page = testkit.faults_page()
    rows = re.findall(
        r"^   \* - ``(\w+)``\n     - (.+)\n     - (.+)\n     - :(?:exc|class):`~(.+)`$",
        page,
        re.MULTILINE,
    )
    assert [row[0] for row in rows] == [fault.name for fault in Fault]
    assert f"these {len(Fault)} on" in page
    for name, explanation, stage, outcome in rows:
        assert explanation == Fault[name].explanation
        assert stage in testkit.STAGES.values()
        assert outcome.rpartition(".")[2] == OUTCOMES[Fault[name]].__name__


def test_each_imitation_says_that_it_is_one() -> None:
    page = testkit.profiles_page()
    assert "None of them is the server that it is named after." in page
    for profile in PROFILES:
        if profile is STANDARD:
            continue
        (_, section) = page.split(f"\n{profile.name}\n{'-' * len(profile.name)}\n")
        section = section.partition("\n---")[0]
        assert f"An imitation of {profile.title};" in section
        assert profile.quirks
        for line in (*profile.quirks, *profile.sources):
            assert f"* {line}\n" in section
