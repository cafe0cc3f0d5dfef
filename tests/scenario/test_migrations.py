"""The schema: made once however many start, the same as the tables, and never touched when it is newer."""

import asyncio
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Table, text

from backscroll.errors import EchoPendingError, SchemaTooNewError
from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Message
from backscroll.storage.records import Arrival
from backscroll.storage.sql import Provider
from backscroll.storage.sql import engine as sql_engine
from backscroll.storage.sql import migrations as scripts
from backscroll.storage.sql.migrating import SCHEMA_VERSION
from backscroll.storage.sql.tables import (
    aliases,
    answers,
    message_files,
    message_parts,
    messages,
    metadata,
    threads,
)
from tests.scenario.program import Home

START = """
import asyncio, sys
from backscroll.storage.sql import Provider, sqlite

sqlite.BUSY_TIMEOUT_S = 90.0  # on a busy machine they wait for each other for longer than ten seconds

async def main():
    provider = Provider(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    await provider.initialize()
    await provider.close()

asyncio.run(main())
"""
PROCESSES = 8
KEY = ThreadKey("slack", "T1", "C1", "1.0")
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "kept.db")
    url: str = request.getfixturevalue("postgres_url")
    return url


def is_of_texts(name: str | None) -> bool:
    """Tell what belongs to the indexes over texts, which stand in the migrations alone."""
    return re.match("(threads|messages)_(words|trigrams)", name or "") is not None


def is_of_the_tables(_item: object, name: str | None, *_: object) -> bool:
    return not is_of_texts(name)


async def test_migrations_end_in_the_schema_of_the_tables(url: str) -> None:
    def differences(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "include_object": is_of_the_tables}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))

    provider = Provider(url)
    await provider.initialize()
    async with provider.database.engine.connect() as connection:
        found = await connection.run_sync(differences)
    await provider.close()

    assert found == []


async def test_migrations_end_in_the_same_definitions_as_the_tables(tmp_path: Path) -> None:
    # What compare_metadata does not look at: conditions of partial indexes, deferred keys, cascades.
    async def definitions(file: str, *, migrate: bool) -> set[tuple[str, ...]]:
        provider = Provider(str(tmp_path / file))
        if migrate:
            await provider.initialize()
        else:
            async with provider.database.engine.begin() as connection:
                await connection.run_sync(metadata.create_all)
        query = text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name != 'alembic_version'")
        async with provider.database.engine.connect() as connection:
            rows = (await connection.execute(query)).all()
            found = {tuple(sorted(row.sql.replace(",", " ").split())) for row in rows if not is_of_texts(row.name)}
        await provider.close()
        return found

    assert await definitions("a.db", migrate=True) == await definitions("b.db", migrate=False)


def test_schema_version_is_the_newest_migration() -> None:
    directory = ScriptDirectory(str(Path(scripts.__file__).parent))

    assert directory.get_heads() == [str(SCHEMA_VERSION)]


@pytest.mark.parametrize("call", ["initialize", "check"])
async def test_newer_schema_is_refused(url: str, call: str) -> None:
    provider = Provider(url)
    await provider.initialize()
    async with provider.database.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '7'"))

    with pytest.raises(SchemaTooNewError) as refused:
        await getattr(provider, call)()
    await provider.close()

    assert refused.value.message == f"The database's schema is version 7; this release knows up to {SCHEMA_VERSION}."
    assert refused.value.hint == "Upgrade Backscroll; going back is not supported."


@pytest.mark.timeout(400)  # a busy machine takes long for eight starts
async def test_many_processes_start_on_one_empty_database(url: str, new_home: Home) -> None:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-c", START, url)
    environment = new_home.environment
    starting = [
        await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, env=environment)
        for _ in range(PROCESSES)
    ]
    for process in starting:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"

    await asyncio.gather(*(process.communicate(b"go\n") for process in starting))

    assert [process.returncode for process in starting] == [0] * PROCESSES


async def migrated_to(provider: Provider, version: str) -> None:
    """Bring the schema to a version that an earlier release ended in."""

    def upgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", "backscroll.storage.sql:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, version)

    await provider.database.write(lambda connection: connection.run_sync(upgrade))


async def add_an_answer_under_way(provider: Provider) -> None:
    """Store an answer as schema 1 has it: its first part is posted, its second waits, and its owner is gone."""
    dated = {"created_at": NOW, "updated_at": NOW}
    said_of = dated | {"platforms": {}, "attributes": {}, "search_text": "x", "search_words": "x"}
    said = said_of | {"thread_id": "t", "content": "x", "tool_calls": [], "metrics": {}}
    place = {"platform": "slack", "workspace": "T1", "channel": "C1"}
    nowhere = dict.fromkeys((*place, "external_id"))
    untold = {"tries": 0, "takeovers": 0, "position": 1}
    rows: list[tuple[Table, list[dict[str, Any]]]] = [
        (threads, [said_of | {"id": "t", "title": "x", "last_sequence": 2}]),
        (aliases, [{"alias": KEY.alias, "thread_id": "t", "created_at": NOW}]),
        (
            messages,
            [said | {"id": "q", "sequence": 1, "role": "user"}, said | {"id": "a", "sequence": 2, "role": "assistant"}],
        ),
        (
            message_parts,
            [
                place | {"message_id": "q", "part": 1, "state": "sent", "external_id": "1.1", "token": None},
                place | {"message_id": "a", "part": 1, "state": "sent", "external_id": "1.2", "token": "a.1"},
                nowhere | {"message_id": "a", "part": 2, "state": "waiting", "token": "a.2"},
            ],
        ),
        (
            message_files,
            [{"message_id": "q", "position": 1, "name": "a", "type": "text/plain", "location": "https://x"}],
        ),
        (
            answers,
            [
                dated
                | place
                | untold
                | {"id": "w", "thread_id": "t", "message_id": "q", "thread": "1.0", "state": "sending"}
                | {"owner": "gone", "ready_at": NOW, "answer_message_id": "a"}
            ],
        ),
    ]

    async def work(connection: sql_engine.Connection) -> None:
        for table, values in rows:
            await connection.execute(table.insert(), values)

    await provider.database.write(work)


async def test_answer_under_way_goes_on_after_the_migration_to_schema_2(url: str) -> None:
    provider = Provider(url)
    await migrated_to(provider, "1")
    await add_an_answer_under_way(provider)

    await provider.initialize()
    answer = await provider.take_answer("me", ["slack"], 30)
    assert answer is not None
    parts = await provider.get_parts("w")
    echo = Arrival(KEY, Message(role="assistant", content="x"), KEY.message("1.3"), opens=False, is_echo=True)
    with pytest.raises(EchoPendingError):  # the part that waits is known to be the answer's
        await provider.record_message(echo)
    await provider.mark_sent("w", "me", 2, KEY.message("1.3"))
    repeat = await provider.record_message(echo)
    wanted = await provider.list_wanted_files(["slack"])
    await provider.close()

    assert (answer.state, answer.takeovers, answer.is_growing, answer.is_certain) == ("sending", 1, False, False)
    assert [(part.state, part.kind, part.position) for part in parts] == [
        ("sent", "text", None),
        ("waiting", "text", None),
    ]
    assert repeat is not None
    assert (repeat.is_new, repeat.message.id, wanted) == (False, "a", [])


async def test_check_makes_no_file(tmp_path: Path) -> None:
    provider = Provider(str(tmp_path / "none.db"))
    await provider.check()
    await provider.close()

    assert not (tmp_path / "none.db").exists()


async def test_check_leaves_an_empty_database_empty(postgres_url: str) -> None:
    provider = Provider(postgres_url)
    await provider.check()
    async with provider.database.engine.connect() as connection:
        count = await connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))
        tables = count.scalar_one()
    await provider.close()

    assert tables == 0


async def test_initialize_twice_migrates_once(url: str) -> None:
    provider = Provider(url)
    await asyncio.gather(provider.initialize(), provider.initialize())
    await provider.initialize()
    async with provider.database.engine.connect() as connection:
        versions = list((await connection.execute(text("SELECT version_num FROM alembic_version"))).scalars())
    await provider.close()

    assert versions == [str(SCHEMA_VERSION)]
