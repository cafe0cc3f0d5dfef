"""Rates, measured so that two ways of doing a thing are disturbed alike."""

import statistics
import time
from collections.abc import Awaitable, Callable

ROUNDS = 7

Work = Callable[[], Awaitable[int]]
"""Does something a number of times, and returns the number."""


async def rate(work: Work) -> float:
    """Return how often a second something was done, once."""
    start = time.perf_counter()
    count = await work()
    return count / (time.perf_counter() - start)


async def compare(ours: Work, theirs: Work) -> tuple[float, float]:
    """Return the median rates of both, `(ours, theirs)`, from rounds in which one follows the other."""
    rates: tuple[list[float], list[float]] = ([], [])
    await ours()
    await theirs()
    for _ in range(ROUNDS):
        for work, taken in zip((ours, theirs), rates, strict=True):
            taken.append(await rate(work))
    return statistics.median(rates[0]), statistics.median(rates[1])
