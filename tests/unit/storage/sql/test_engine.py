"""Reads and writes: a caller that goes away, a connection that is lost, two that stand in each other's way."""

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from backscroll.errors import (
    StorageError,
    StorageRefusedError,
    StorageUnavailableError,
    StoreClosedError,
    ThreadNotFoundError,
)
from backscroll.storage.models import Message, Thread
from backscroll.storage.sql import Provider
from backscroll.storage.sql.engine import Database
from backscroll.storage.sql.tables import kv_store
from backscroll.storage.store import ThreadStore

SECRET = "the-secret-words"


async def count_values(database: Database) -> int:
    """Count the keyed values."""
    async with database.read() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM kv_store"))).scalar_one())


def insert(key: str) -> Callable[[AsyncConnection], Any]:
    """Make a write that adds one keyed value."""

    async def work(connection: AsyncConnection) -> None:
        await connection.execute(kv_store.insert(), {"namespace": "ns", "key": key, "value": {"text": SECRET}})

    return work


def collect_loop_errors() -> list[dict[str, Any]]:
    """Gather what asyncio would log of exceptions that nobody read."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: found.append(context))
    return found


async def test_write_returns_what_its_work_returns(provider: Provider) -> None:
    async def work(connection: AsyncConnection) -> str:
        return str((await connection.execute(text("SELECT 'yes'"))).scalar_one())

    assert await provider.database.write(work) == "yes"


async def test_cancelled_caller_does_not_cancel_its_write(provider: Provider) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(connection: AsyncConnection) -> None:
        await insert("a")(connection)
        begun.set()
        await go_on.wait()

    writing = asyncio.create_task(provider.database.write(work))
    await begun.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    go_on.set()
    await provider.database.close()
    again = Provider(provider.database.url.render_as_string(hide_password=False))
    assert await again.get("ns", "a") == {"text": SECRET}
    await again.close()


async def test_failure_of_a_write_without_a_caller_is_not_reported_as_unread(provider: Provider) -> None:
    errors = collect_loop_errors()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(connection: AsyncConnection) -> None:
        begun.set()
        await go_on.wait()
        await connection.execute(text("SELECT no_such_thing"))

    writing = asyncio.create_task(provider.database.write(work))
    await begun.wait()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    go_on.set()
    await provider.database.close()
    assert errors == []


async def test_error_of_ours_rolls_a_write_back_and_comes_through(provider: Provider) -> None:
    failure = ThreadNotFoundError("no such thread")

    async def work(connection: AsyncConnection) -> None:
        await insert("a")(connection)
        raise failure

    with pytest.raises(ThreadNotFoundError) as caught:
        await provider.database.write(work)
    assert caught.value is failure
    assert await count_values(provider.database) == 0


async def test_close_waits_for_reads_and_writes(provider: Provider) -> None:
    go_on, begun = asyncio.Event(), asyncio.Event()

    async def work(connection: AsyncConnection) -> str:
        await insert("a")(connection)
        await go_on.wait()
        return "written"

    async def read() -> str:
        async with provider.database.read() as connection:
            begun.set()
            await go_on.wait()
            return str((await connection.execute(text("SELECT 'read'"))).scalar_one())

    tasks = [asyncio.create_task(provider.database.write(work)), asyncio.create_task(read())]
    await begun.wait()
    closing = asyncio.create_task(provider.database.close())
    assert not (await asyncio.wait([closing], timeout=0.05))[0]
    go_on.set()
    assert await asyncio.gather(*tasks) == ["written", "read"]
    await closing


async def test_read_and_write_after_close_are_refused(provider: Provider) -> None:
    await provider.database.close()
    with pytest.raises(StoreClosedError):
        await provider.database.write(insert("a"))
    with pytest.raises(StoreClosedError):
        async with provider.database.read():
            pass


async def test_echo_prints_statements_without_their_values(
    database_url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO, "sqlalchemy.engine")
    async with await ThreadStore.create(database_url, echo=True) as store:
        await store.save(Thread(id="t", title=SECRET, messages=[Message(role="user", content=SECRET)]))
    shown = caplog.text + "".join(capfd.readouterr())
    assert "INSERT INTO messages" in shown
    assert SECRET not in shown


class TestLostConnections:
    """On PostgreSQL: somebody ends the connections."""

    END = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
    """

    async def test_write_on_a_connection_lost_while_idle_is_repeated(self, postgres: Provider, operator: Any) -> None:
        await operator.execute(self.END)
        await postgres.set("ns", "a", {})
        assert await count_values(postgres.database) == 1

    async def test_write_whose_connection_is_lost_under_way_is_repeated(
        self, postgres: Provider, operator: Any
    ) -> None:
        attempts = 0

        async def work(connection: AsyncConnection) -> None:
            nonlocal attempts
            attempts += 1
            await insert("a")(connection)
            if attempts == 1:
                await operator.execute(self.END)
            await insert("b")(connection)

        await postgres.database.write(work)
        assert attempts == 2
        assert await count_values(postgres.database) == 2

    async def test_write_whose_connection_is_lost_in_its_commit_is_repeated(
        self, postgres: Provider, operator: Any
    ) -> None:
        await operator.execute("""
            CREATE SEQUENCE tries;
            CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF nextval('tries') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER die AFTER INSERT ON kv_store DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION die();
        """)
        await postgres.set("ns", "a", {"n": 1})
        assert await operator.fetchval("SELECT last_value FROM tries") == 2
        assert await postgres.get("ns", "a") == {"n": 1}

    async def test_write_that_loses_every_connection_gives_up(self, postgres: Provider, operator: Any) -> None:
        attempts = 0

        async def work(connection: AsyncConnection) -> None:
            nonlocal attempts
            attempts += 1
            await connection.execute(text("SELECT 1"))
            await operator.execute(self.END)
            await connection.execute(text("SELECT 1"))

        with pytest.raises(StorageUnavailableError):
            await postgres.database.write(work)
        assert attempts == 4

    async def test_read_fails_once_at_most_and_then_goes_on(self, postgres: Provider, operator: Any) -> None:
        await asyncio.gather(*(postgres.get("ns", "a") for _ in range(5)))  # several connections in the pool
        await operator.execute(self.END)
        with pytest.raises(StorageUnavailableError):
            await postgres.get("ns", "a")
        for _ in range(5):
            assert await postgres.get("ns", "a") is None

    async def test_appends_over_lost_connections_are_kept_once(self, postgres: Provider, operator: Any) -> None:
        store = ThreadStore(provider=postgres)
        await store.save(Thread(id="t"))
        messages = [Message(role="user", content=str(number)) for number in range(60)]

        appends = [asyncio.create_task(store.add_message("t", message)) for message in messages]
        for _ in range(3):
            await operator.execute(self.END)
        await asyncio.gather(*appends)
        kept = await store.get_messages("t")
        assert [message.sequence for message in kept] == list(range(1, 61))
        assert {message.id for message in kept} == {message.id for message in messages}


async def test_writes_that_deadlock_are_repeated(postgres: Provider) -> None:
    for key in ("a", "b"):
        await postgres.set("ns", key, {"n": 0})
    both_hold_one = asyncio.Barrier(2)
    survivor_committed = asyncio.Event()
    attempts: list[str] = []

    def lock(first: str, second: str) -> Callable[[AsyncConnection], Any]:
        async def work(connection: AsyncConnection) -> None:
            attempts.append(first)
            if len(attempts) > 2:
                await survivor_committed.wait()  # or it might take its row again before the survivor wakes
            update = text("""UPDATE kv_store SET value = json_build_object('by', CAST(:by AS text)) WHERE key = :key""")
            await connection.execute(update, {"key": first, "by": first})
            if len(attempts) <= 2:
                await both_hold_one.wait()
            await connection.execute(update, {"key": second, "by": first})

        return work

    async def write(first: str, second: str) -> None:
        await postgres.database.write(lock(first, second))
        survivor_committed.set()

    await asyncio.gather(write("a", "b"), write("b", "a"))
    assert len(attempts) == 3
    assert (await postgres.get("ns", "a")) == (await postgres.get("ns", "b"))


class TestPgBouncer:
    """Statements with names would meet another server connection behind it."""

    async def names(self, url: str, *, pgbouncer: bool) -> list[str]:
        provider = Provider(url, pgbouncer=pgbouncer, pool_size=1, max_overflow=0)
        store = ThreadStore(provider=provider)
        await store.save(Thread(id="t", attributes={"a": 1}, messages=[Message(role="user", content="hello")]))
        await store.get("t")
        await store.find_by_attributes({"a": 1})
        await store.add_message("t", Message(role="user"))
        async with provider.database.read() as connection:
            rows = await connection.exec_driver_sql("SELECT name FROM pg_prepared_statements WHERE name <> ''")
            found = list(rows.scalars())
        await store.close()
        return found

    async def test_pgbouncer_leaves_no_named_statement(self, postgres_url: str) -> None:
        assert await self.names(postgres_url, pgbouncer=True) == []

    async def test_without_it_statements_are_kept_by_name(self, postgres_url: str) -> None:
        assert len(await self.names(postgres_url, pgbouncer=False)) > 3


class TestSqlite:
    """What differs on SQLite."""

    async def pragma(self, connection: AsyncConnection, name: str) -> Any:
        return (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()

    @pytest.mark.parametrize(("synchronous", "expected"), [("full", 2), ("normal", 1)])
    async def test_writer_keeps_what_it_commits(self, sqlite_url: str, synchronous: Any, expected: int) -> None:
        provider = Provider(sqlite_url, synchronous=synchronous)

        async def work(connection: AsyncConnection) -> list[Any]:
            return [await self.pragma(connection, name) for name in ("journal_mode", "foreign_keys", "synchronous")]

        assert await provider.database.write(work) == ["wal", 1, expected]
        await provider.close()

    async def test_reader_refuses_to_write(self, sqlite: Provider) -> None:
        with pytest.raises(StorageRefusedError, match="is read-only"):
            async with sqlite.database.read() as connection:
                await insert("a")(connection)

    async def test_read_sees_one_state(self, sqlite: Provider) -> None:
        async with sqlite.database.read() as connection:
            count = text("SELECT count(*) FROM kv_store")
            assert (await connection.execute(count)).scalar_one() == 0
            await sqlite.set("ns", "a", {})
            assert (await connection.execute(count)).scalar_one() == 0
        assert await count_values(sqlite.database) == 1

    async def test_readers_do_not_wait_for_the_writer(self, sqlite: Provider) -> None:
        async def work(connection: AsyncConnection) -> int:
            await insert("a")(connection)
            return await count_values(sqlite.database)

        assert await sqlite.database.write(work) == 0

    async def test_writes_of_two_providers_wait_for_each_other(self, sqlite: Provider, sqlite_url: str) -> None:
        other = Provider(sqlite_url)
        await asyncio.gather(*(one.set("ns", f"{n}{one is other}", {}) for n in range(30) for one in (sqlite, other)))
        assert await count_values(sqlite.database) == 60
        await other.close()

    async def test_foreign_keys_are_enforced_at_the_commit(self, sqlite: Provider) -> None:
        with pytest.raises(StorageError, match="SQLITE_CONSTRAINT"):
            await sqlite.database.write(
                lambda connection: connection.execute(
                    text("INSERT INTO aliases VALUES ('a', 'no such thread', '2026-01-01')")
                )
            )

    async def test_file_can_be_copied_alone_after_close(self, sqlite: Provider, sqlite_url: str) -> None:
        await sqlite.set("ns", "a", {})
        await sqlite.close()
        assert os.listdir(os.path.dirname(sqlite_url)) == ["threads.db"]  # noqa: PTH120, PTH208  # of a text

    async def test_cancelled_read_keeps_its_connection(self, sqlite: Provider) -> None:
        await sqlite.get("ns", "a")
        opened = 0

        @event.listens_for(sqlite.database.reader.sync_engine, "connect")
        def count(*_: Any) -> None:
            nonlocal opened
            opened += 1

        for steps in range(30):
            reading = asyncio.create_task(sqlite.get("ns", "a"))
            for _ in range(steps):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            pool: Any = sqlite.database.reader.pool
            while pool.checkedout():  # noqa: ASYNC110  # the pool tells nobody
                await asyncio.sleep(0)
        assert opened == 0
