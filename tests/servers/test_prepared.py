"""The databases that tests take in turn are as new to each of them."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from backscroll.storage.models import Message, Thread
from backscroll.storage.sql.tables import metadata
from backscroll.storage.store import ThreadStore
from tests.servers.postgres import Postgres
from tests.servers.prepared import PreparedDatabases


@pytest.fixture
async def databases(postgres_server: Postgres) -> AsyncIterator[PreparedDatabases]:
    made = PreparedDatabases(postgres_server)
    yield made
    await made.drop()


async def query(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_one_that_was_written_to_is_empty_for_the_next(databases: PreparedDatabases) -> None:
    async with databases.one() as first, ThreadStore(first) as store:
        await store.save(Thread(title="kept", messages=[Message(role="user", content="kept")]))
    async with databases.one() as second:
        assert second == first
        counts = " + ".join(f"(SELECT count(*) FROM {name})" for name in metadata.tables)
        assert await query(second, f"SELECT {counts}") == 0


async def test_numbers_begin_anew_for_the_next(databases: PreparedDatabases) -> None:
    numbers = []
    for _ in range(2):
        async with databases.one() as url:
            sequence = "SELECT min(oid)::regclass FROM pg_class WHERE relkind = 'S'"
            numbers.append(await query(url, f"SELECT nextval(({sequence}))"))
    assert numbers == [1, 1]


async def test_two_at_once_are_two(databases: PreparedDatabases) -> None:
    async with databases.one() as one, databases.one() as other:
        assert one != other


async def test_connection_that_was_left_open_is_ended(databases: PreparedDatabases) -> None:
    async with databases.one() as url:
        left = await asyncpg.connect(url)
        await left.execute("BEGIN; LOCK TABLE threads")
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await left.execute("SELECT 1")


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE another (id INTEGER)",
        "DROP TABLE message_files",
        "ALTER TABLE threads ADD COLUMN another INTEGER",
        "ALTER TABLE threads RENAME COLUMN title TO name",
        "UPDATE alembic_version SET version_num = '7'",
    ],
)
async def test_test_that_changes_the_schema_fails(databases: PreparedDatabases, change: str) -> None:
    with pytest.raises(AssertionError, match="changed the schema"):
        async with databases.one() as url:
            await query(url, change)


async def test_one_whose_schema_was_changed_is_given_to_nobody(databases: PreparedDatabases) -> None:
    with pytest.raises(AssertionError):
        async with databases.one() as changed:
            await query(changed, "CREATE TABLE another (id INTEGER)")
    async with databases.one() as url:
        assert url != changed
