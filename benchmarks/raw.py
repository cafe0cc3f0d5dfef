"""The raw drivers, doing in one transaction what an append must do: lock and count the thread, insert the message."""

import asyncio
from datetime import UTC, datetime
from typing import Protocol

import aiosqlite
import asyncpg

from backscroll.storage.values import new_id

COLUMNS = "id, thread_id, sequence, role, content, platforms, attributes, tool_calls, metrics, created_at, updated_at"


class Raw(Protocol):
    """One driver with its connections."""

    async def append(self, thread_id: str, text: str) -> None:
        """Append one message and commit it."""

    async def close(self) -> None:
        """Close the connections."""


class RawPostgres:
    """asyncpg with a pool."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, url: str) -> "RawPostgres":
        """Connect, with as many connections as ours may have."""
        return cls(await asyncpg.create_pool(url, min_size=5, max_size=15))

    async def append(self, thread_id: str, text: str) -> None:
        """Append one message and commit it."""
        now = datetime.now(UTC)
        async with self._pool.acquire() as connection, connection.transaction():
            last = await connection.fetchval("SELECT last_sequence FROM threads WHERE id = $1 FOR UPDATE", thread_id)
            await connection.execute(
                f"INSERT INTO messages ({COLUMNS}) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)",  # noqa: S608  # constant
                *(new_id(), thread_id, last + 1, "user", text, "{}", "{}", "[]", "{}", now, now),
            )
            await connection.execute(
                "UPDATE threads SET last_sequence = $1, updated_at = greatest(updated_at, clock_timestamp()) "
                "WHERE id = $2",
                *(last + 1, thread_id),
            )

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()


class RawSqlite:
    """aiosqlite with one writing connection, as SQLite has one writer."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()

    @classmethod
    async def open(cls, path: str) -> "RawSqlite":
        """Open the file with the settings that ours has."""
        connection = await aiosqlite.connect(path, isolation_level=None, timeout=10)
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("PRAGMA synchronous = FULL")
        await connection.execute("PRAGMA foreign_keys = ON")
        return cls(connection)

    async def append(self, thread_id: str, text: str) -> None:
        """Append one message and commit it."""
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
        run = self._connection.execute
        async with self._lock:
            await run("BEGIN IMMEDIATE")
            async with run("SELECT last_sequence FROM threads WHERE id = ?", (thread_id,)) as cursor:
                row = await cursor.fetchone()
                last = row[0] if row else 0
            await run(
                f"INSERT INTO messages ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608  # constant
                (new_id(), thread_id, last + 1, "user", text, "{}", "{}", "[]", "{}", now, now),
            )
            await run(
                "UPDATE threads SET last_sequence = ?, updated_at = max(updated_at, ?) WHERE id = ?",
                (last + 1, now, thread_id),
            )
            await run("COMMIT")

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()
