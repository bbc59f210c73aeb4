"""Two loops in, how many times faster the first is out: interleaved rounds, medians."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

#: One question of a loop: what is asked for, by whom.
Asked = tuple[str, str, dict[str, Any]]
Loop = Callable[[Sequence[Asked]], object]

#: A measurement is repeated until it takes this much CPU time.
_SECONDS = 0.04


@dataclass(frozen=True)
class Contest:
    """One row of the table.

    Attributes:
        goal: how many times faster ours is to be; None where nothing was asked for.
        ours, theirs: plain loops over `asked`.
        answers: `(ours, theirs)` for one question; they must be equal.
    """

    name: str
    goal: float | None
    asked: Sequence[Asked]
    ours: Loop
    theirs: Loop
    answers: Callable[[Asked], tuple[object, object]]


@dataclass(frozen=True)
class Outcome:
    """What a contest came to: microseconds of CPU a call, and the ratios of the rounds."""

    name: str
    goal: float | None
    ours_us: float
    theirs_us: float
    ratios: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios: what disturbs a round disturbs both its numbers."""
        return median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles of the rounds' ratios."""
        low, _, high = quantiles(self.ratios, n=4)
        return low, high

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        return None if self.goal is None else self.ratio >= self.goal


def check(contest: Contest) -> int:
    """Compare the answers to every question; return how many different ones there were.

    Raises:
        AssertionError: the two don't agree, so their speeds mean nothing.
    """
    different = set()
    for question in contest.asked:
        ours, theirs = contest.answers(question)
        assert ours == theirs, (contest.name, question, ours, theirs)
        different.add(repr(ours))
    assert len(different) > 1, f"{contest.name}: all answers are the same, which proves little"
    return len(different)


def run(contests: Sequence[Contest], rounds: int, tell: Callable[[], None]) -> list[Outcome]:
    """Time the *contests*, all of them in each round, ours and theirs in turn."""
    passes = [
        (_passes(each.ours, each.asked), _passes(each.theirs, each.asked)) for each in contests
    ]
    ours: list[list[float]] = [[] for _ in contests]
    theirs: list[list[float]] = [[] for _ in contests]
    for _ in range(rounds):
        for place, contest in enumerate(contests):
            gc.collect()
            ours[place].append(per_call_us(contest.ours, contest.asked, passes[place][0]))
            theirs[place].append(per_call_us(contest.theirs, contest.asked, passes[place][1]))
        tell()
    return [
        Outcome(
            each.name,
            each.goal,
            median(ours[place]),
            median(theirs[place]),
            tuple(b / a for a, b in zip(ours[place], theirs[place], strict=True)),
        )
        for place, each in enumerate(contests)
    ]


def per_call_us(loop: Loop, asked: Sequence[Asked], passes: int) -> float:
    """Microseconds of this process's CPU time for one question of the loop."""
    started = time.process_time()
    for _ in range(passes):
        loop(asked)
    return (time.process_time() - started) / passes / len(asked) * 1e6


def _passes(loop: Loop, asked: Sequence[Asked]) -> int:
    """How often to repeat a loop for a measurement of a decent length; warms up as well."""
    passes = 1
    while (spent := per_call_us(loop, asked, passes) * passes * len(asked) / 1e6) < _SECONDS / 2:
        passes *= 2
    return max(1, round(passes * _SECONDS / spent))
