"""Whose database it is, and how several stores of one process make theirs."""

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, text

from backscroll.errors import StorageRefusedError
from backscroll.storage.sql import Provider
from backscroll.storage.sql.migrating import SCHEMA_VERSION
from backscroll.storage.sql.tables import metadata

DEFINITIONS = """
SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    AND indexname !~ '_(words|trigrams)$'
UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid <> 'alembic_version'::regclass
UNION ALL SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, collation_name, identity_generation)
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
"""


async def execute(url: str, *statements: str) -> None:
    """Do as another program in the same database."""
    other = Provider(url)
    for statement in statements:
        await other.database.write(lambda connection, sql=statement: connection.execute(text(sql)))  # type: ignore[misc]  # mypy sees no default
    await other.close()


def table_names(connection: Connection) -> list[str]:
    """Name the tables that are there."""
    return inspect(connection).get_table_names()


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE threads (id INTEGER)"],
        ["CREATE TABLE messages (id INTEGER)", "CREATE TABLE their_own (id INTEGER)"],
        ["CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('ae1027a6acf')"],
        ["CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('1'), ('2')"],
    ],
    ids=["a table of our name", "among others", "their migrations", "two versions"],
)
@pytest.mark.parametrize("call", ["initialize", "check"])
async def test_database_of_another_program_is_refused(database_url: str, call: str, statements: list[str]) -> None:
    await execute(database_url, *statements)
    provider = Provider(database_url)
    with pytest.raises(StorageRefusedError) as caught:
        await getattr(provider, call)()
    await provider.close()
    assert caught.value.message == "The database holds tables of another program."
    assert caught.value.hint == "Give Backscroll a database, or a schema, of its own."


async def test_tables_of_others_beside_ours_are_left_alone(database_url: str) -> None:
    await execute(database_url, "CREATE TABLE their_own (id INTEGER)", "INSERT INTO their_own VALUES (5)")
    provider = Provider(database_url)
    await provider.initialize()
    assert await provider.database.rows(text("SELECT id FROM their_own")) == [(5,)]
    await provider.close()


async def test_migration_that_was_cut_off_leaves_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Provider(database_url)
    with monkeypatch.context() as patched:
        # The last thing before the commit fails.
        patched.setattr("alembic.runtime.migration.HeadMaintainer.update_to_step", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await provider.initialize()
    assert await provider.database.read(lambda connection: connection.run_sync(table_names)) == []
    await provider.initialize()
    await provider.close()


async def test_migrations_make_on_postgresql_what_the_tables_say(postgres_url: str) -> None:
    # What Alembic does not compare: conditions of partial indexes, collations, deferred keys, cascades. The indexes
    # over texts stand in the migrations alone.
    provider = Provider(postgres_url)

    async def definitions() -> set[str]:
        return {definition for (definition,) in await provider.database.rows(text(DEFINITIONS))}

    await provider.initialize()
    migrated = await definitions()
    await provider.database.write(lambda connection: connection.run_sync(metadata.drop_all))
    await provider.database.write(lambda connection: connection.run_sync(metadata.create_all))
    assert migrated == await definitions()
    assert any(one.endswith(" NO C") for one in migrated)
    await provider.close()


async def test_stores_of_one_loop_migrate_at_once() -> None:
    providers = [Provider(":memory:") for _ in range(8)]
    await asyncio.gather(*(provider.initialize() for provider in providers))
    for provider in providers:
        await provider.set("ns", "key", {})
        await provider.close()


def test_stores_of_several_threads_migrate_at_once(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    async def start(number: int) -> None:
        provider = Provider(str(tmp_path / f"{number}.db"))
        await provider.initialize()
        await provider.set("ns", "key", {})
        await provider.close()

    def run(number: int) -> None:
        try:
            asyncio.run(start(number))
        except BaseException as error:  # noqa: BLE001  # told by the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


async def test_cancelled_start_lets_the_next_one_migrate(database_url: str) -> None:
    provider = Provider(database_url)
    for steps in (5, 50, 500):
        starting = asyncio.create_task(provider.initialize())
        for _ in range(steps):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    await provider.initialize()
    await provider.set("ns", "key", {})
    await provider.close()


async def test_version_is_written_where_the_next_release_looks(database_url: str) -> None:
    provider = Provider(database_url)
    await provider.initialize()
    found = await provider.database.rows(text("SELECT version_num FROM alembic_version"))
    await provider.close()
    assert found == [(str(SCHEMA_VERSION),)]
