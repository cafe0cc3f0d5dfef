"""SQLite's connections: each lives in a thread, and a transaction runs there from its begin to its commit.

The event loop is met twice in a transaction, where it starts and where it ends, whatever it does in between. One
connection writes, with `BEGIN IMMEDIATE`; others only read; `:memory:` has one for both. See
`docs/decisions/0005-sqlite-in-threads.md`. Proved by `tests/unit/storage/sql/test_engine.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar
from uuid import uuid4

from sqlalchemy import URL, CursorResult, Dialect, Engine, Executable, create_engine, event
from sqlalchemy import Connection as SyncConnection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool

from backscroll.storage.sql.engine import Database, Work, engine_options
from backscroll.storage.sql.settings import PoolSettings
from backscroll.storage.sql.url import is_memory

T = TypeVar("T")
Synchronous = Literal["full", "normal"]

BUSY_TIMEOUT_S = 10.0
READER_COUNT = 4


class SqliteDatabase(Database):
    """A SQLite database, in a file or in memory."""

    is_sqlite = True

    def __init__(self, url: URL, pool: PoolSettings, *, synchronous: Synchronous) -> None:
        super().__init__(url)
        pragmas = ["foreign_keys = ON", f"synchronous = {synchronous.upper()}"]
        place = _shared_memory(url) if is_memory(url) else url
        options = engine_options(pool) | {"connect_args": {"timeout": BUSY_TIMEOUT_S}}
        self.engine = create_async_engine(place, poolclass=AsyncAdaptedQueuePool, **options)
        _configure(self.engine.sync_engine, "BEGIN", pragmas)
        # The driver minds the thread that a connection was made in; a pool's connections move among its threads.
        options["connect_args"]["check_same_thread"] = False
        place = place.set(drivername="sqlite+pysqlite")
        self._writer = _Threads(create_engine(place, poolclass=QueuePool, pool_size=1, **options), 1)
        _configure(self._writer.engine, "BEGIN IMMEDIATE", ["journal_mode = WAL", *pragmas])
        self._readers = self._writer
        if not is_memory(url):
            readers = create_engine(place, poolclass=QueuePool, pool_size=READER_COUNT, **options)
            self._readers = _Threads(readers, READER_COUNT)
            _configure(readers, "BEGIN", ["query_only = ON"])

        self.engines = [self.engine.sync_engine, *{self._writer.engine, self._readers.engine}]
        self.most_connections = 1 if is_memory(url) else 1 + READER_COUNT

    async def _read(self, work: Work[T]) -> T:
        return await self._readers.run(work)

    async def _write(self, work: Work[T]) -> T:
        return await self._writer.run(work)

    def _drop(self) -> None:
        pass  # a thread cannot be stopped; none waits for longer than BUSY_TIMEOUT_S

    async def _dispose(self) -> None:
        for threads in {self._writer, self._readers}:
            await threads.close()


class _Threads:
    """An engine and the threads that its connections work in."""

    def __init__(self, engine: Engine, count: int) -> None:
        self.engine = engine
        self._pool = ThreadPoolExecutor(count, "backscroll-sqlite")

    async def run(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._transact, work)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._pool, self.engine.dispose)
        self._pool.shutdown(wait=False)

    def _transact(self, work: Work[T]) -> T:
        with self.engine.begin() as connection:
            return _run_to_end(work(_ThreadConnection(connection)))


class _ThreadConnection:
    """A connection inside its own thread: what it does is done when it returns, so nobody who awaits it waits."""

    def __init__(self, connection: SyncConnection) -> None:
        self._connection = connection
        self.dialect: Dialect = connection.dialect

    async def execute(self, statement: Executable, parameters: Any = None, /) -> CursorResult[*tuple[Any, ...]]:
        return self._connection.execute(statement, parameters)

    async def run_sync(self, work: Callable[..., T], /) -> T:
        return work(self._connection)


def _run_to_end(work: Awaitable[T]) -> T:
    """Run a coroutine that never waits."""
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # what a coroutine returns
    steps.close()
    raise RuntimeError("a transaction on SQLite awaited something else than its connection")


def _shared_memory(url: URL) -> URL:
    # A plain :memory: would give each connection a database of its own, and `engine` another than ours.
    return url.set(database=f"file:/{uuid4()}", query={"vfs": "memdb", "uri": "true"})


def _configure(engine: Engine, begin: str, pragmas: list[str]) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        try:
            # The driver would open transactions by itself, and only before some statements.
            connection.isolation_level = None
            cursor = connection.cursor()
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()
        except BaseException:
            connection.close()  # the pool does not know it yet
            raise

    @event.listens_for(engine, "begin")
    def start(connection: SyncConnection) -> None:
        connection.connection.cursor().execute(begin)
