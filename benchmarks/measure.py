"""Rates, measured so that two ways of doing a thing are disturbed alike, and what is said of them."""

import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Work = Callable[[], Awaitable[int]]
"""Does something a number of times, and returns the number."""


ROUND_S = 1.0
"""What is slow is done less often than it should be."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The median rates of both, and the median of the rounds' ratios, ours by the other."""

    ours: float
    other: float
    ratio: float

    @property
    def time_ratio(self) -> float:
        """How much longer ours takes."""
        return 1 / self.ratio


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. `ours` and `other` are a second, or as `unit` says: MB, ms."""

    database: str
    name: str
    ours: float
    other: float
    ratio: float
    bar: float
    bar_is_limit: bool = False
    unit: str = "/s"

    @property
    def is_reached(self) -> bool:
        """Whether the ratio is on the bar's good side."""
        return self.ratio <= self.bar if self.bar_is_limit else self.ratio >= self.bar


async def repeat(count: int, do: Callable[[], Awaitable[object]]) -> int:
    """Do something so many times, or for as long as a round may take, and return how often it was done."""
    end = time.perf_counter() + ROUND_S
    for number in range(1, count + 1):
        await do()
        if time.perf_counter() > end:
            return number
    return count


async def rate(work: Work) -> float:
    """Return how often a second something was done, once."""
    start = time.perf_counter()
    count = await work()
    return count / (time.perf_counter() - start)


async def compare(
    ours: Work, other: Work, rounds: int, *, before: Callable[[], Awaitable[None]] | None = None, warm_up: bool = True
) -> Comparison:
    """Measure both in rounds in which one follows the other, and in the next round the other way about.

    Args: before: prepares a round, outside the time that is taken. warm_up: do both once before the rounds.
    """
    rates: list[tuple[float, float]] = []
    for number in range(-1 if warm_up else 0, rounds):
        if before is not None:
            await before()
        if number % 2:
            theirs, mine = await rate(other), await rate(ours)
        else:
            mine, theirs = await rate(ours), await rate(other)
        if number >= 0:
            rates.append((mine, theirs))
    return Comparison(
        statistics.median(mine for mine, _ in rates),
        statistics.median(theirs for _, theirs in rates),
        statistics.median(mine / theirs for mine, theirs in rates),
    )
