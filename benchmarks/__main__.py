"""Run the benchmarks that the arguments name (`sqlite`, `postgresql`; none: all) and print a table of ratios."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from backscroll import Message, Thread, ThreadStore
from benchmarks.measure import compare
from benchmarks.raw import Raw, RawPostgres, RawSqlite
from tests.servers.postgres import PostgresServer

TEXT = "The deploy is out, and nothing burns. " * 5
LONE = 200
WRITERS = 64
BY_EACH = 20

Row = tuple[str, float, float]


@asynccontextmanager
async def sqlite() -> AsyncIterator[tuple[ThreadStore, Raw]]:
    """Open ours and the raw driver on one SQLite file."""
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "bench.db")
        async with ThreadStore(path) as store:
            raw = await RawSqlite.open(path)
            yield store, raw
            await raw.close()


@asynccontextmanager
async def postgresql() -> AsyncIterator[tuple[ThreadStore, Raw]]:
    """Open ours and the raw driver on one PostgreSQL that keeps its commits (fsync)."""
    with PostgresServer(fsync=True) as server:
        async with ThreadStore(server.url()) as store:
            raw = await RawPostgres.open(server.url())
            yield store, raw
            await raw.close()


async def measure(store: ThreadStore, raw: Raw) -> AsyncIterator[Row]:
    """Yield each line of the table: what was compared, and the two rates."""
    short, long = await thread_of(store, 10), await thread_of(store, 10_000)

    async def ours(thread_id: str, count: int = LONE) -> int:
        for _ in range(count):
            await store.add_message(thread_id, Message(role="user", content=TEXT))
        return count

    async def theirs(thread_id: str, count: int = LONE) -> int:
        for _ in range(count):
            await raw.append(thread_id, TEXT)
        return count

    async def crowd(append: Callable[[str, int], Awaitable[int]]) -> int:
        return sum(await asyncio.gather(*(append(thread_id, BY_EACH) for thread_id in many)))

    many = [await thread_of(store, 1) for _ in range(WRITERS)]
    our_lone, their_lone = partial(ours, short), partial(theirs, short)
    our_crowd, their_crowd = partial(crowd, ours), partial(crowd, theirs)
    yield "append: to 10,000 messages / to 10", *await compare(partial(ours, long), our_lone)
    yield "lone append: ours / raw driver", *await compare(our_lone, their_lone)
    yield f"{WRITERS} writers / one writer, ours", *await compare(our_crowd, our_lone)
    yield f"{WRITERS} writers: ours / raw driver", *await compare(our_crowd, their_crowd)


async def thread_of(store: ThreadStore, count: int) -> str:
    """Save a thread of so many messages and return its id."""
    thread = Thread()
    for _ in range(count):
        thread.add_message(TEXT, "user")
    return (await store.save(thread)).id


async def main(names: list[str]) -> None:
    """Measure on each database that is named, and print the table."""
    table = Table("database", "what", "a second", "a second", "ratio", title="Ours beside the raw drivers")
    for database in (sqlite, postgresql):
        if names and database.__name__ not in names:
            continue
        async with database() as (store, raw):
            async for what, first, second in measure(store, raw):
                table.add_row(database.__name__, what, f"{first:,.0f}", f"{second:,.0f}", f"{first / second:.2f}")
    Console().print(table)


asyncio.run(main(sys.argv[1:]))
