"""Databases with our tables and nothing in them: a copy each of a SQLite file, and PostgreSQL's one after the other.

To make a database takes PostgreSQL sixty times as long as to empty one, and a migration as long again. So each serves
many tests in turn, and a test that changes the schema is to take a database of its own, `postgres_url`: here it fails.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from backscroll.storage import sql
from backscroll.storage.sql.tables import metadata
from tests.servers.postgres import Postgres

OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
END_OTHERS = f"SELECT bool_and(pg_terminate_backend(pid, 10000)) {OTHERS}"
"""End whoever is still connected, and wait for it: it must not write into the next test."""

RESTART = """
SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
"""
EMPTY = ";".join([*(f'DELETE FROM "{table.name}"' for table in reversed(metadata.sorted_tables)), RESTART])
SCHEMA = """
SELECT 'relation ' || relname AS thing FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'column ' || attrelid::regclass || ' ' || attname FROM pg_attribute JOIN pg_class ON attrelid = oid
    WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'version ' || version_num FROM alembic_version
ORDER BY thing
"""


class PreparedDatabases:
    """The databases of one server that tests take in turn; who made this drops them at the end."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._free: list[str] = []
        self._made: list[str] = []
        self._schema: list[str] = []

    @asynccontextmanager
    async def one(self) -> AsyncIterator[str]:
        """Give the URL of one that nobody else has meanwhile.

        Raises: AssertionError: its schema was changed; it is given to nobody any more.
        """
        name = self._free.pop() if self._free else await self._make()
        yield self._server.url(name)
        await self._empty(name)
        self._free.append(name)

    async def drop(self) -> None:
        """Drop them all."""
        for name in self._made:
            await self._server.drop_database(name)

    async def _make(self) -> str:
        name = f"backscroll_test_{secrets.token_hex(8)}"
        await self._server.create_database(name)
        self._made.append(name)
        await prepare(self._server.url(name))
        connection = await asyncpg.connect(self._server.url(name))
        try:
            self._schema = await _schema(connection)
        finally:
            await connection.close()
        return name

    async def _empty(self, name: str) -> None:
        connection = await asyncpg.connect(self._server.url(name))
        try:
            await connection.execute(END_OTHERS)
            assert await _schema(connection) == self._schema, "a test of its own database changed the schema"
            await connection.execute(EMPTY)
        finally:
            await connection.close()


async def prepare(url: str) -> None:
    """Make our tables in an empty database."""
    provider = sql.Provider(url)
    await provider.initialize()
    await provider.close()


async def _schema(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    return [row["thing"] for row in await connection.fetch(SCHEMA)]
