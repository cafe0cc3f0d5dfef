"""Providers on both databases, ready and closed again."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from backscroll.storage.sql import Provider


@pytest.fixture
async def provider(prepared_url: str) -> AsyncIterator[Provider]:
    """Give a provider on each of the two databases, its tables made."""
    made = Provider(prepared_url)
    await made.initialize()
    yield made
    await made.close()
    for engine in made.database.engines:
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # every pool of ours counts


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Provider]:
    """Give a provider on PostgreSQL, its tables made."""
    made = Provider(postgres_url)
    await made.initialize()
    yield made
    await made.close()


@pytest.fixture
async def sqlite(prepared_sqlite_url: str) -> AsyncIterator[Provider]:
    """Give a provider on a SQLite file, its tables made."""
    made = Provider(prepared_sqlite_url)
    await made.initialize()
    yield made
    await made.close()


@pytest.fixture
async def operator(postgres_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Give a connection of somebody else to the test's PostgreSQL database."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()
