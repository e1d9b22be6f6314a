"""Measure several contenders in turns, so that what disturbs the machine disturbs all of them.

One process, one round after the other, in every round a short turn of each contender in a new
order; a ratio is the median of the ratios within the rounds. Believe ratios, not microseconds.
"""

from __future__ import annotations

import gc
import itertools
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Turn = Callable[[int], float]
"""Does its work that many times and returns the seconds that it took."""

TURN_SECONDS = 0.02
"""How long one turn shall be: much longer than the clock's grain, shorter than a disturbance."""


def timed(work: Callable[[], object]) -> Turn:
    """Return the turn of a function in this process."""

    def turn(count: int) -> float:
        repeats = itertools.repeat(None, count)
        begin = time.perf_counter()
        for _ in repeats:
            work()
        return time.perf_counter() - begin

    return turn


@dataclass(frozen=True, slots=True)
class Samples:
    """Seconds for one piece of work, by contender and round."""

    seconds: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """Return what the contender takes, in seconds."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, other: str) -> float:
        """Return how many times as long *name* takes as *other*, round by round."""
        pairs = zip(self.seconds[name], self.seconds[other], strict=True)
        return statistics.median(mine / yours for mine, yours in pairs)

    def summary(self) -> dict[str, dict[str, float]]:
        """Return median and quartiles of all contenders, in microseconds."""
        return {name: _summary(values) for name, values in self.seconds.items()}


def _summary(values: Sequence[float]) -> dict[str, float]:
    lower, middle, upper = (round(1e6 * cut, 1) for cut in statistics.quantiles(values, n=4))
    return {"median": middle, "lower_quartile": lower, "upper_quartile": upper}


def interleave(turns: Mapping[str, Turn], *, rounds: int) -> Samples:
    """Let all contenders have their turns.

    Each turn has as many repetitions as fit into :data:`TURN_SECONDS`. The garbage collector is
    off meanwhile, as in :mod:`timeit`.

    :param rounds: how often each contender has its turn.
    """
    counts = {name: _repetitions(turn) for name, turn in turns.items()}
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    order = list(turns)
    shuffle = random.Random(1).shuffle  # noqa: S311  # no secret, and the same order each time
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            shuffle(order)
            for name in order:
                seconds[name].append(turns[name](counts[name]) / counts[name])
            gc.collect()
    finally:
        if collecting:
            gc.enable()
    return Samples(seconds)


def _repetitions(turn: Turn) -> int:
    turn(1)  # caches, lazy imports
    once = min(turn(3) / 3 for _ in range(3))
    return max(1, round(TURN_SECONDS / once))
