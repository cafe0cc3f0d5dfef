"""Reads and writes: a caller that goes away, a connection that is lost, two that stand in each other's way."""

import asyncio
import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, text

from backscroll.errors import (
    StorageError,
    StorageRefusedError,
    StorageUnavailableError,
    StoreClosedError,
    ThreadNotFoundError,
)
from backscroll.storage.changes import changes_of
from backscroll.storage.models import Message, Thread
from backscroll.storage.sql import Provider
from backscroll.storage.sql.engine import Connection, Database
from backscroll.storage.sql.sqlite import READER_COUNT
from backscroll.storage.sql.tables import kv_store
from backscroll.storage.store import ThreadStore
from tests.unit.storage.sql.gate import Gate

SECRET = "the-secret-words"


async def count_values(database: Database) -> int:
    """Count the keyed values."""
    return int((await database.rows(text("SELECT count(*) FROM kv_store")))[0][0])


def insert(key: str) -> Callable[[Connection], Any]:
    """Make a write that adds one keyed value."""

    async def work(connection: Connection) -> None:
        await connection.execute(kv_store.insert(), {"namespace": "ns", "key": key, "value": {"text": SECRET}})

    return work


def checked_out(database: Database) -> int:
    """Count the connections that are in use."""
    pools: list[Any] = [engine.pool for engine in database.engines]
    return sum(pool.checkedout() for pool in pools)


def collect_loop_errors() -> list[dict[str, Any]]:
    """Gather what asyncio would log of exceptions that nobody read."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: found.append(context))
    return found


async def test_write_returns_what_its_work_returns(provider: Provider) -> None:
    async def work(connection: Connection) -> str:
        return str((await connection.execute(text("SELECT 'yes'"))).scalar_one())

    assert await provider.database.write(work) == "yes"


async def test_cancelled_caller_does_not_cancel_its_write(provider: Provider) -> None:
    gate = Gate()

    async def work(connection: Connection) -> None:
        await insert("a")(connection)
        await gate.pass_through(connection)

    writing = asyncio.create_task(provider.database.write(work))
    await gate.reached()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    gate.open()
    await provider.database.close()
    again = Provider(provider.database.url.render_as_string(hide_password=False))
    assert await again.get("ns", "a") == {"text": SECRET}
    await again.close()


async def test_failure_of_a_write_without_a_caller_is_not_reported_as_unread(provider: Provider) -> None:
    errors = collect_loop_errors()
    gate = Gate()

    async def work(connection: Connection) -> None:
        await gate.pass_through(connection)
        await connection.execute(text("SELECT no_such_thing"))

    writing = asyncio.create_task(provider.database.write(work))
    await gate.reached()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    gate.open()
    await provider.database.close()
    assert errors == []


async def test_error_of_ours_rolls_a_write_back_and_comes_through(provider: Provider) -> None:
    failure = ThreadNotFoundError("no such thread")

    async def work(connection: Connection) -> None:
        await insert("a")(connection)
        raise failure

    with pytest.raises(ThreadNotFoundError) as caught:
        await provider.database.write(work)
    assert caught.value is failure
    assert await count_values(provider.database) == 0


async def test_close_waits_for_reads_and_writes(provider: Provider) -> None:
    writes, reads = Gate(), Gate()

    async def write(connection: Connection) -> str:
        await insert("a")(connection)
        await writes.pass_through(connection)
        return "written"

    async def read(connection: Connection) -> str:
        await reads.pass_through(connection)
        return str((await connection.execute(text("SELECT 'read'"))).scalar_one())

    tasks = [asyncio.create_task(provider.database.write(write)), asyncio.create_task(provider.database.read(read))]
    await writes.reached()
    await reads.reached()
    closing = asyncio.create_task(provider.database.close())
    for gate in (writes, reads):
        assert not (await asyncio.wait([closing], timeout=0.05))[0]
        gate.open()
    assert await asyncio.gather(*tasks) == ["written", "read"]
    await closing


async def test_abort_cuts_off_what_is_under_way_and_what_waits_behind_it(provider: Provider) -> None:
    await provider.write_thread(changes_of(Thread(id="t")))
    gate = Gate()
    writing = asyncio.create_task(provider.database.write(gate.pass_through))
    await gate.reached()
    behind = [asyncio.create_task(provider.append_message("t", Message(role="user"))) for _ in range(2)]
    aborting = asyncio.create_task(provider.abort())
    async with asyncio.timeout(10):
        with pytest.raises(StorageUnavailableError, match="closed before"):
            await writing
        told = await asyncio.gather(*behind, return_exceptions=True)
        gate.open()  # a thread of SQLite's cannot be stopped
        await aborting
    assert [isinstance(each, StorageError) for each in told] == [True] * 2
    with pytest.raises(StoreClosedError):
        await count_values(provider.database)


async def test_read_and_write_after_close_are_refused(provider: Provider) -> None:
    await provider.database.close()
    with pytest.raises(StoreClosedError):
        await provider.database.write(insert("a"))
    with pytest.raises(StoreClosedError):
        await provider.database.read(insert("a"))
    with pytest.raises(StoreClosedError):
        await count_values(provider.database)


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

        async def work(connection: Connection) -> None:
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

        async def work(connection: Connection) -> None:
            nonlocal attempts
            attempts += 1
            await connection.execute(text("SELECT 1"))
            await operator.execute(self.END)
            await connection.execute(text("SELECT 1"))

        with pytest.raises(StorageUnavailableError):
            await postgres.database.write(work)
        assert attempts == 4

    async def test_reads_over_lost_connections_are_repeated(self, postgres: Provider, operator: Any) -> None:
        await asyncio.gather(*(postgres.get("ns", "a") for _ in range(5)))  # several connections in the pool
        await operator.execute(self.END)
        assert await postgres.get("ns", "a") is None
        await operator.execute(self.END)
        assert await asyncio.gather(*(postgres.get("ns", "a") for _ in range(5))) == [None] * 5

    async def test_read_whose_connection_is_lost_under_way_is_repeated(self, postgres: Provider, operator: Any) -> None:
        await postgres.set("ns", "a", {})
        attempts = 0

        async def work(connection: Connection) -> list[int]:
            nonlocal attempts
            attempts += 1
            count = text("SELECT count(*) FROM kv_store")
            before = (await connection.execute(count)).scalar_one()
            if attempts == 1:
                await operator.execute(self.END)
            return [before, (await connection.execute(count)).scalar_one()]

        assert await postgres.database.read(work) == [1, 1]
        assert attempts == 2

    async def test_read_that_loses_every_connection_gives_up(self, postgres: Provider, operator: Any) -> None:
        attempts = 0

        async def work(connection: Connection) -> None:
            nonlocal attempts
            attempts += 1
            await operator.execute(self.END)
            await connection.execute(text("SELECT 1"))

        with pytest.raises(StorageUnavailableError):
            await postgres.database.read(work)
        assert attempts == 4

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

    def lock(first: str, second: str) -> Callable[[Connection], Any]:
        async def work(connection: Connection) -> None:
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
        rows = await provider.database.rows(text("SELECT name FROM pg_prepared_statements WHERE name <> ''"))
        await store.close()
        return [row.name for row in rows]

    async def test_pgbouncer_leaves_no_named_statement(self, postgres_url: str) -> None:
        assert await self.names(postgres_url, pgbouncer=True) == []

    async def test_without_it_statements_are_kept_by_name(self, postgres_url: str) -> None:
        assert len(await self.names(postgres_url, pgbouncer=False)) > 3

    @pytest.mark.parametrize(("pgbouncer", "transactions"), [(True, 1), (False, 2)])
    async def test_selects_of_a_read_share_a_transaction_behind_it_alone(
        self, postgres_url: str, pgbouncer: bool, transactions: int
    ) -> None:
        provider = Provider(postgres_url, pgbouncer=pgbouncer)

        async def work(connection: Connection) -> set[Any]:
            began = text("SELECT transaction_timestamp()")
            return {(await connection.execute(began)).scalar_one() for _ in range(2)}

        assert len(await provider.database.read(work)) == transactions
        await provider.close()


class TestSqlite:
    """What differs on SQLite."""

    async def pragma(self, connection: Connection, name: str) -> Any:
        return (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()

    @pytest.mark.parametrize(("synchronous", "expected"), [("full", 2), ("normal", 1)])
    async def test_writer_keeps_what_it_commits(self, sqlite_url: str, synchronous: Any, expected: int) -> None:
        provider = Provider(sqlite_url, synchronous=synchronous)

        async def work(connection: Connection) -> list[Any]:
            return [await self.pragma(connection, name) for name in ("journal_mode", "foreign_keys", "synchronous")]

        assert await provider.database.write(work) == ["wal", 1, expected]
        await provider.close()

    async def test_reader_refuses_to_write(self, sqlite: Provider) -> None:
        with pytest.raises(StorageRefusedError, match="is read-only"):
            await sqlite.database.read(insert("a"))

    async def test_read_sees_one_state(self, sqlite: Provider) -> None:
        gate = Gate()

        async def work(connection: Connection) -> list[int]:
            count = text("SELECT count(*) FROM kv_store")
            before = (await connection.execute(count)).scalar_one()
            await gate.pass_through(connection)
            return [before, (await connection.execute(count)).scalar_one()]

        reading = asyncio.create_task(sqlite.database.read(work))
        await gate.reached()
        await sqlite.set("ns", "a", {})
        gate.open()
        assert await reading == [0, 0]
        assert await count_values(sqlite.database) == 1

    async def test_readers_do_not_wait_for_the_writer(self, sqlite: Provider) -> None:
        gate = Gate()

        async def work(connection: Connection) -> None:
            await insert("a")(connection)
            await gate.pass_through(connection)

        writing = asyncio.create_task(sqlite.database.write(work))
        await gate.reached()
        assert await count_values(sqlite.database) == 0
        gate.open()
        await writing

    async def test_transaction_that_awaits_something_else_is_refused_and_rolled_back(self, sqlite: Provider) -> None:
        async def work(connection: Connection) -> None:
            await insert("a")(connection)
            await asyncio.sleep(0)

        with pytest.raises(RuntimeError, match="awaited something else than its connection"):
            await sqlite.database.write(work)
        assert await count_values(sqlite.database) == 0
        await sqlite.set("ns", "b", {})

    async def test_loop_goes_on_while_a_write_waits_for_another_process(
        self, sqlite: Provider, sqlite_url: str
    ) -> None:
        with contextlib.closing(sqlite3.connect(sqlite_url, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            writing = asyncio.create_task(sqlite.set("ns", "a", {}))
            # A loop that waited for the lock would wait until the write gives up: the lock is given back after this.
            for _ in range(20):
                assert await sqlite.get("ns", "a") is None
            assert not writing.done()
            other.execute("ROLLBACK")
        await writing
        assert await sqlite.get("ns", "a") == {}

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

    async def test_cancelled_read_does_not_disturb_the_next(self, sqlite: Provider) -> None:
        gate = Gate()
        await sqlite.set("ns", "a", {"n": 1})

        async def work(connection: Connection) -> None:
            await gate.pass_through(connection)
            await connection.execute(text("SELECT no_such_thing"))

        reading = asyncio.create_task(sqlite.database.read(work))
        await gate.reached()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert checked_out(sqlite.database) == 1  # its thread still uses the connection
        values = [asyncio.create_task(sqlite.get("ns", "a")) for _ in range(20)]
        gate.open()
        assert await asyncio.gather(*values) == [{"n": 1}] * 20

    async def test_cancelled_read_keeps_its_connection(self, sqlite: Provider) -> None:
        await self.read_with_all_connections(sqlite)
        opened = 0

        def count(*_: Any) -> None:
            nonlocal opened
            opened += 1

        for engine in sqlite.database.engines:
            event.listen(engine, "connect", count)
        for steps in range(30):
            reading = asyncio.create_task(sqlite.get("ns", "a"))
            for _ in range(steps):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            while checked_out(sqlite.database):  # noqa: ASYNC110  # the pools tell nobody
                await asyncio.sleep(0)
        assert opened == 0

    async def read_with_all_connections(self, provider: Provider) -> None:
        all_read = threading.Barrier(READER_COUNT)

        async def work(connection: Connection) -> None:
            await connection.execute(text("SELECT 1"))
            all_read.wait(10)

        await asyncio.gather(*(provider.database.read(work) for _ in range(READER_COUNT)))
