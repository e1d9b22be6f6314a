"""What came of many changes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.mutation.changes import Change
from tests.mutation.readers import Rejected, Subject, excuse

LONGEST = 1.0
"""Seconds of processor time that one message may take."""


@dataclass
class Verdict:
    """How many changes were rejected, which were not noticed, and what went wrong."""

    rejected: int = 0
    unnoticed: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def add(self, other: Verdict) -> None:
        """Take another one in."""
        self.rejected += other.rejected
        self.unnoticed += other.unnoticed
        self.wrong += other.wrong
        self.slowest = max(self.slowest, other.slowest)


def judge(subject: Subject, changes: Iterable[Change], *, expected: object = None) -> Verdict:
    """Read every changed message and compare with what the unchanged one gives."""
    verdict = Verdict()
    right = subject.outcome(subject.octets) if expected is None else expected
    for change in changes:
        began = time.process_time()
        try:
            outcome = subject.outcome(change.octets)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is wrong
            outcome = error
        taken = time.process_time() - began
        verdict.slowest = max(verdict.slowest, taken)
        where = f"{subject.name}: {change.what} at {change.path}"
        if taken > LONGEST:
            verdict.wrong.append(f"{where} takes {taken:.1f} s")
        if isinstance(outcome, Rejected):
            verdict.rejected += 1
        elif isinstance(outcome, Exception):
            verdict.wrong.append(f"{where} raises {outcome!r}")
        elif outcome != right:
            verdict.wrong.append(f"{where} gives another result")
        elif (part := excuse(subject, change)) is None:
            verdict.wrong.append(f"{where} is not noticed")
        else:
            verdict.unnoticed[part] += 1
    return verdict
