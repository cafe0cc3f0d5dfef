"""Very many threads saved at once, beside `executemany` of the rows that this makes."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count, islice
from typing import Any

from backscroll import Message, Thread, ThreadStore
from backscroll.storage.sql.tables import metadata, threads
from benchmarks.databases import Database
from benchmarks.measure import Line, compare
from benchmarks.raw import Insert, Raw
from benchmarks.sizes import EMPTY, TEXT, Scale, place

MESSAGE_COUNT = 10
BATCH_COUNT = 1_000
"""Threads in one transaction of the raw driver's."""

_IDS = ("id", "thread_id")


class Saving:
    """Threads that ours is to save, and rows that the raw driver is to insert."""

    def __init__(self, store: ThreadStore, raw: Raw, scale: Scale) -> None:
        self._store = store
        self._raw = raw
        self._scale = scale
        self._numbers = count(1)
        self._threads: list[Thread] = []
        self._batches: list[list[Insert]] = []
        self._pattern: list[Insert] = []

    async def learn(self) -> None:
        """Save one batch, and read its rows back from every table that has some."""
        ids = [thread.id for thread in await self._save([self._thread() for _ in range(BATCH_COUNT)])]
        listed = ", ".join(f"'{thread_id}'" for thread_id in ids)
        for table in metadata.sorted_tables:
            key = "id" if table is threads else "thread_id"
            if key not in table.c:
                continue
            names = [column.name for column in table.c if column.identity is None]
            columns = ", ".join(names)
            rows = await self._raw.rows(f"SELECT {columns} FROM {table.name} WHERE {key} IN ({listed})")  # noqa: S608
            if rows:
                values = self._raw.placeholders(len(names))
                sql = f"INSERT INTO {table.name} ({columns}) VALUES ({values})"  # noqa: S608  # the schema's names
                self._pattern.append((sql, [_marked(names, row) for row in rows]))
        assert [len(rows) for sql, rows in self._pattern if "INTO messages" in sql] == [BATCH_COUNT * MESSAGE_COUNT]

    async def prepare(self) -> None:
        """Make the threads and the rows of the next round."""
        self._threads = [self._thread() for _ in range(self._scale.bulk_threads)]
        self._batches = [
            [(sql, _fresh(rows, number)) for sql, rows in self._pattern]
            for number in islice(self._numbers, self._scale.bulk_threads // BATCH_COUNT)
        ]

    async def ours(self) -> int:
        """Save the threads."""
        for start in range(0, len(self._threads), self._scale.bulk_slice):
            await self._save(self._threads[start : start + self._scale.bulk_slice])
        return len(self._threads)

    async def theirs(self) -> int:
        """Insert the rows."""
        for batch in self._batches:
            await self._raw.insert(batch)
        return len(self._batches) * BATCH_COUNT

    async def _save(self, new: list[Thread]) -> list[Thread]:
        return await asyncio.gather(*(self._store.save(thread) for thread in new))

    def _thread(self) -> Thread:
        thread = Thread(title="What burns", user_id="U1", platforms={"slack": place(next(self._numbers))})
        for _ in range(MESSAGE_COUNT):
            thread.add_message(Message(role="user", content=TEXT))
        return thread


async def bulk(database: Database, scale: Scale) -> AsyncIterator[Line]:
    """Yield the line for many saves at once."""
    async with database.both(EMPTY) as (store, raw):
        saving = Saving(store, raw, scale)
        await saving.learn()
        done = await compare(saving.ours, saving.theirs, scale.bulk_rounds, before=saving.prepare, warm_up=False)
    await database.drop(EMPTY)
    name = f"save {scale.bulk_threads:,} threads of {MESSAGE_COUNT} / executemany"
    yield Line(database.name, name, done.ours, done.other, done.ratio, 0.3)


def _marked(names: list[str], row: Any) -> tuple[Any, ...]:
    """Mark the ids among a row's values."""
    return tuple(_Id(value) if name in _IDS else value for name, value in zip(names, row, strict=True))


class _Id(str):
    """An id among a row's values, which each round changes."""

    __slots__ = ()


def _fresh(rows: list[tuple[Any, ...]], number: int) -> list[tuple[Any, ...]]:
    start = f"f{number:07x}"
    return [tuple(start + value[8:] if type(value) is _Id else value for value in row) for row in rows]
