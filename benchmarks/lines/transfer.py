"""Exports, imports and copies, beside the raw drivers that move the same rows; and the memory of both."""

import asyncio
import gc
import multiprocessing
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from backscroll.storage.attachments import Attachments
from backscroll.storage.sql import Provider
from backscroll.transfer.contents import Contents
from backscroll.transfer.copying import Side, copy
from backscroll.transfer.exporting import export_jsonl
from backscroll.transfer.importing import import_jsonl
from benchmarks.databases import Database, Sqlite, tell
from benchmarks.lines.memory import megabytes
from benchmarks.measure import Line
from benchmarks.sizes import EMPTY, Group, Scale, Size
from benchmarks.tables import (
    dump_postgresql,
    dump_sqlite,
    from_sqlite,
    insert_postgresql,
    insert_sqlite,
    read_postgresql,
    read_sqlite,
)

MESSAGE_COUNT = 10
"""Messages of a thread."""

LOOK_COUNT = 10_000
"""Messages between two looks at the memory."""


async def transfer(database: Database, scale: Scale) -> AsyncIterator[Line]:
    """Yield the lines for what is moved; behind PgBouncer it is moved by nobody else."""
    if database.name == "pgbouncer":
        return
    # What the lines before these left is nothing that a process which moves data has to look through.
    gc.collect()
    gc.freeze()
    async for line in _lines(database, scale):
        yield line
    gc.unfreeze()


async def _lines(database: Database, scale: Scale) -> AsyncIterator[Line]:
    size = moved(scale)
    count = scale.moved
    with tempfile.TemporaryDirectory(prefix="backscroll-bench-") as folder:
        file, raw_file = Path(folder, "ours.jsonl"), Path(folder, "raw")
        url = await database.url(size)
        exports = [
            (await _timed(_export(url, file)), await _timed(_dump(database, url, raw_file)))
            for _ in range(scale.transfer_rounds)
        ]
        raw_name = "SELECT and csv" if database.is_sqlite else "COPY TO"
        yield _line(database, f"export {count:,} messages / {raw_name}", count, exports)
        imports = [await _import_once(database, url, file) for _ in range(scale.transfer_rounds)]
        yield _line(database, f"import {count:,} messages / executemany", count, imports)
        for name, work in (("export", _look_at_export), ("import", _look_at_import)):
            yield await _memory(database, name, count, work, url if name == "export" else "", file)
    if not database.is_sqlite:
        source = Sqlite(database.places)
        source_url = await source.url(size)
        copies = [await _copy_once(database, source_url) for _ in range(scale.transfer_rounds)]
        yield _line(database, f"copy {count:,} messages from SQLite / SELECT and executemany", count, copies)
        await source.drop(size)
    await database.drop(size)


def moved(scale: Scale) -> Size:
    """Name the database that is moved."""
    return Size("moved", (Group(0, scale.moved // MESSAGE_COUNT, MESSAGE_COUNT),))


async def _import_once(database: Database, source: str, file: Path) -> tuple[float, float]:
    tell(f"{database.name}: importing")
    rows = list(read_sqlite(source)) if database.is_sqlite else await read_postgresql(source)
    mine = await _timed_in_empty(database, lambda url: _import(url, file))
    if database.is_sqlite:
        return mine, await _timed_in_empty(database, lambda url: asyncio.to_thread(insert_sqlite, url, rows))
    return mine, await _timed_in_empty(database, lambda url: insert_postgresql(url, rows))


async def _copy_once(database: Database, source: str) -> tuple[float, float]:
    tell(f"{database.name}: copying from SQLite")
    mine = await _timed_in_empty(database, lambda url: _copy(source, url))
    rows = from_sqlite(read_sqlite(source))
    return mine, await _timed_in_empty(database, lambda url: insert_postgresql(url, rows))


async def _timed_in_empty(database: Database, work: Callable[[str], Awaitable[object]]) -> float:
    """Measure work on a database that has its tables and nothing else."""
    url = await database.url(EMPTY)
    await _make(url)
    seconds = await _timed(work(url))
    await database.drop(EMPTY)
    return seconds


async def _dump(database: Database, url: str, file: Path) -> None:
    if database.is_sqlite:
        await asyncio.to_thread(dump_sqlite, url, file)
    else:
        await dump_postgresql(url, file)


async def _memory(
    database: Database, name: str, count: int, work: Callable[[str, Path], list[float]], url: str, file: Path
) -> Line:
    tell(f"{database.name}: looking at the memory of an {name}")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        where = url or await database.url(EMPTY)
        looks = await asyncio.get_running_loop().run_in_executor(pool, work, where, file)
    if not url:
        await database.drop(EMPTY)
    settled, end = looks[len(looks) // 2 - 1], looks[-1]
    what = f"memory after {name} of {count:,} messages / of half"
    return Line(database.name, what, end, settled, end / settled, 1.1, bar_is_limit=True, unit="MB")


def _line(database: Database, name: str, count: int, seconds: list[tuple[float, float]]) -> Line:
    ours, other = median(mine for mine, _ in seconds), median(theirs for _, theirs in seconds)
    ratio = median(theirs / mine for mine, theirs in seconds)
    return Line(database.name, name, count / ours, count / other, ratio, 0.25)


async def _timed(work: Awaitable[object]) -> float:
    start = time.perf_counter()
    await work
    return time.perf_counter() - start


async def _make(url: str) -> None:
    provider = Provider(url)
    await provider.initialize()
    await provider.close()


async def _export(url: str, file: Path, progress: Callable[[Any], None] = lambda _: None) -> None:
    provider = Provider(url)
    with file.open("wb") as out:
        await export_jsonl(provider, Attachments(provider), out, version="0", progress=progress)
    await provider.close()


async def _import(url: str, file: Path, progress: Callable[[Any], None] = lambda _: None) -> None:
    provider = Provider(url)
    with file.open("rb") as lines:
        name, contents = "bench", Contents(None)
        await import_jsonl(provider, Attachments(provider), lines, name=name, contents=contents, progress=progress)
    await provider.close()


async def _copy(source: str, target: str) -> None:
    providers = [Provider(source), Provider(target)]
    sides = [Side(each, Attachments(each), str(number)) for number, each in enumerate(providers)]
    copied = await copy(*sides)
    assert copied.is_faithful
    for each in providers:
        await each.close()


def _look_at_export(url: str, file: Path) -> list[float]:
    looks = _Looks(LOOK_COUNT)
    asyncio.run(_export(url, file, lambda told: looks.look(told.messages)))
    return looks.megabytes


def _look_at_import(url: str, file: Path) -> list[float]:
    looks = _Looks(LOOK_COUNT)
    asyncio.run(_import_made(url, file, lambda told: looks.look(told.messages)))
    return looks.megabytes


async def _import_made(url: str, file: Path, progress: Callable[[Any], None]) -> None:
    await _make(url)
    await _import(url, file, progress)


class _Looks:
    """What memory was in use, each time that so many more messages had passed."""

    def __init__(self, step: int) -> None:
        self.megabytes: list[float] = []
        self._step = step

    def look(self, count: int) -> None:
        """Note the memory when it is time to."""
        while count >= self._step * (len(self.megabytes) + 1):
            self.megabytes.append(megabytes())
