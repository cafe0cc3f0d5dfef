"""The raw drivers: asyncpg with a pool as large as ours, aiosqlite with one connection, as SQLite has one writer."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import aiosqlite
import asyncpg
from sqlalchemy import text

from backscroll import ThreadStore
from backscroll.storage.sql import Provider
from backscroll.storage.sql.engine import Connection
from benchmarks.statements import Script, Values

Insert = tuple[str, list[tuple[Any, ...]]]
"""An insert, and its rows."""

# What changes the speed of a SQLite connection; the raw one is given what ours has.
_PRAGMAS = ("synchronous", "foreign_keys", "cache_size", "mmap_size", "temp_store", "wal_autocheckpoint")


class Raw(Protocol):
    """One driver with its connections."""

    async def write(self, script: Script, values: Values) -> None:
        """Run the statements in one transaction and commit it."""

    async def read(self, script: Script, values: Values) -> int:
        """Run the selects, each by itself, and return how many rows were fetched."""

    async def insert(self, inserts: list[Insert]) -> None:
        """Insert many rows in one transaction."""

    async def rows(self, query: str) -> Sequence[Sequence[Any]]:
        """Fetch what a select finds."""

    def placeholders(self, count: int) -> str:
        """Write so many parameters."""

    async def close(self) -> None:
        """Close the connections."""


class RawPostgres:
    """asyncpg with a pool."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    @classmethod
    async def open(cls, url: str, *, pgbouncer: bool) -> "RawPostgres":
        """Connect, with as many connections as ours may have."""
        kept = 0 if pgbouncer else 100
        return cls(await asyncpg.create_pool(url, min_size=5, max_size=15, statement_cache_size=kept))

    async def write(self, script: Script, values: Values) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            for step in script.steps:
                rows = step.parameters(values)
                if step.is_many:
                    await connection.executemany(step.sql, rows)
                else:
                    await connection.fetch(step.sql, *rows[0])

    async def read(self, script: Script, values: Values) -> int:
        async with self._pool.acquire() as connection:
            return sum([len(await connection.fetch(step.sql, *step.parameters(values)[0])) for step in script.steps])

    async def insert(self, inserts: list[Insert]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            for sql, rows in inserts:
                await connection.executemany(sql, rows)

    async def rows(self, query: str) -> Sequence[Sequence[Any]]:
        return [tuple(row) for row in await self._pool.fetch(query)]

    def placeholders(self, count: int) -> str:
        return ", ".join(f"${number}" for number in range(1, count + 1))

    async def close(self) -> None:
        await self._pool.close()


class RawSqlite:
    """aiosqlite with one connection, whose users wait for each other."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()

    @classmethod
    async def open(cls, store: ThreadStore, path: str) -> "RawSqlite":
        """Open the file with the settings that ours has."""
        connection = await aiosqlite.connect(path, isolation_level=None, timeout=10)
        for name, value in (await _pragmas(store)).items():
            await connection.execute(f"PRAGMA {name} = {value}")
        return cls(connection)

    async def write(self, script: Script, values: Values) -> None:
        async with self._lock:
            await self._connection.execute("BEGIN IMMEDIATE")
            for step in script.steps:
                rows = step.parameters(values)
                if step.is_many:
                    await self._connection.executemany(step.sql, rows)
                else:
                    await self._connection.execute_fetchall(step.sql, rows[0])
            await self._connection.execute("COMMIT")

    async def read(self, script: Script, values: Values) -> int:
        count = 0
        for step in script.steps:
            count += len(list(await self._connection.execute_fetchall(step.sql, step.parameters(values)[0])))
        return count

    async def insert(self, inserts: list[Insert]) -> None:
        async with self._lock:
            await self._connection.execute("BEGIN IMMEDIATE")
            for sql, rows in inserts:
                await self._connection.executemany(sql, rows)
            await self._connection.execute("COMMIT")

    async def rows(self, query: str) -> Sequence[Sequence[Any]]:
        return [tuple(row) for row in await self._connection.execute_fetchall(query)]

    def placeholders(self, count: int) -> str:
        return ", ".join("?" * count)

    async def close(self) -> None:
        await self._connection.close()


async def _pragmas(store: ThreadStore) -> dict[str, Any]:
    async def work(connection: Connection) -> dict[str, Any]:
        return {name: (await connection.execute(text(f"PRAGMA {name}"))).scalar_one() for name in _PRAGMAS}

    assert isinstance(store.provider, Provider)
    return await store.provider.database.write(work)
