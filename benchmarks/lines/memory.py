"""Memory while very many messages pass, in a process of its own: what another line left free would hide a growth."""

import asyncio
import itertools
import multiprocessing
import resource
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from backscroll import Message, Thread, ThreadStore
from benchmarks.databases import Database, tell
from benchmarks.measure import Line
from benchmarks.sizes import EMPTY, TEXT, WRITERS, Scale

THREAD_COUNT = 1_000
STEP_COUNT = 10_000
"""Messages between two looks."""


async def memory(database: Database, scale: Scale) -> AsyncIterator[Line]:
    """Yield the line for memory."""
    tell(f"{database.name}: passing {scale.passing:,} messages")
    url = await database.url(EMPTY)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        work = asyncio.get_running_loop().run_in_executor(pool, _pass, url, database.options, scale.passing)
        looks = await work
    await database.drop(EMPTY)
    settled, end = looks[scale.settled // STEP_COUNT - 1], looks[-1]
    name = f"memory after {scale.passing:,} messages / after {scale.settled:,}"
    yield Line(database.name, name, end, settled, end / settled, 1.1, bar_is_limit=True, unit="MB")


def _pass(url: str, options: dict[str, Any], count: int) -> list[float]:
    """Append so many messages, and return the megabytes in use after each 10,000 of them."""
    return asyncio.run(_pass_on(url, options, count))


async def _pass_on(url: str, options: dict[str, Any], count: int) -> list[float]:
    looks: list[float] = []
    numbers = iter(range(count))
    done = itertools.count(1)

    async def write() -> None:
        for number in numbers:
            await store.add_message(threads[number % THREAD_COUNT].id, Message(role="user", content=TEXT))
            if next(done) % STEP_COUNT == 0:
                looks.append(megabytes())

    async with ThreadStore(url, **options) as store:
        threads = await asyncio.gather(*(store.save(Thread()) for _ in range(THREAD_COUNT)))
        await asyncio.gather(*(write() for _ in range(WRITERS)))
    return looks


def megabytes() -> float:
    """Return how much memory this process has in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1_000_000
