"""The connections: from a URL to reads and writes that end in a commit, a value or one of our errors.

What differs between SQLite and PostgreSQL stands here. SQLite has one writing connection with `BEGIN IMMEDIATE`, and
others that only read; `:memory:` has one for both. A write runs to its end also when its caller is cancelled, and is
repeated after a deadlock or a lost connection, so what it does must be harmless when done twice. Proved by
`tests/unit/storage/sql/test_engine.py` and `tests/scenario/test_outage.py`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar

from sqlalchemy import URL, ExceptionContext, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from backscroll.errors import StoreClosedError
from backscroll.storage.sql.failures import is_repeatable, translate
from backscroll.storage.sql.settings import PoolSettings
from backscroll.storage.sql.url import is_memory, is_sqlite
from backscroll.storage.values import to_json

T = TypeVar("T")
Synchronous = Literal["full", "normal"]

CONNECT_TIMEOUT_S = 6.0
COMMAND_TIMEOUT_S = 30.0
BUSY_TIMEOUT_S = 10.0
SQLITE_READERS = 4
ATTEMPTS = 4


class Database:
    """The engines behind one URL, and the way in for reads and writes."""

    def __init__(self, url: URL, pool: PoolSettings, *, pgbouncer: bool, synchronous: Synchronous) -> None:
        self.url = url
        self.is_sqlite = is_sqlite(url)
        self._under_way: set[asyncio.Future[Any]] = set()
        self._closing: asyncio.Task[None] | None = None
        if self.is_sqlite:
            self.engine, self.reader = _sqlite_engines(url, pool, synchronous)
        else:
            self.engine = self.reader = _postgresql_engine(url, pool, pgbouncer)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction for reading: all its selects see one state of the database on SQLite."""
        self._must_be_open()
        done = asyncio.get_running_loop().create_future()
        self._under_way.add(done)
        try:
            connection = await self._connect()
            try:
                async with connection.begin():
                    yield connection
            finally:
                await asyncio.shield(self._run(connection.close()))
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise translate(error, self.url) from None
        finally:
            self._under_way.discard(done)
            done.set_result(None)

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `work` in a transaction and commit it, also when the caller is cancelled meanwhile.

        Repeats `work` where the database rolled it back or may have lost it.
        """
        self._must_be_open()
        return await asyncio.shield(self._run(self._write(work)))

    async def close(self) -> None:
        """Wait for what is under way and close all connections, also when the caller is cancelled meanwhile.

        Harmless when repeated.
        """
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        while self._under_way:
            await asyncio.wait(self._under_way)
        for engine in {self.engine, self.reader}:
            await engine.dispose()

    async def _connect(self) -> AsyncConnection:
        """Take a connection for reading."""
        if not self.is_sqlite:
            return await self.reader.connect()
        # A driver's thread that is left while it opens a file would outlive the event loop.
        opening = self._run(self.reader.connect().start())
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._give_back)
            raise

    def _give_back(self, opening: asyncio.Task[AsyncConnection]) -> None:
        if not opening.cancelled() and opening.exception() is None:
            self._run(opening.result().close())

    async def _write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        attempt = 1
        while True:
            try:
                async with self.engine.begin() as connection:
                    return await work(connection)
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                if attempt == ATTEMPTS or not is_repeatable(error):
                    raise translate(error, self.url) from None
            attempt += 1

    def _run(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task that `close()` waits for."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that was cancelled does not collect it

    def _must_be_open(self) -> None:
        if self._closing is not None:
            raise StoreClosedError("The store is closed.", "Open a new ThreadStore.")


def _options(pool: PoolSettings) -> dict[str, Any]:
    return {"echo": pool.echo, "hide_parameters": True, "json_serializer": to_json}


def _postgresql_engine(url: URL, pool: PoolSettings, pgbouncer: bool) -> AsyncEngine:
    arguments: dict[str, Any] = {"timeout": CONNECT_TIMEOUT_S, "command_timeout": COMMAND_TIMEOUT_S}
    if pgbouncer:
        # In transaction mode the next statement may meet another server connection, which has not prepared it.
        arguments |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
        arguments["prepared_statement_name_func"] = lambda: ""
    return create_async_engine(
        url,
        connect_args=arguments,
        pool_size=pool.pool_size,
        max_overflow=pool.max_overflow,
        pool_timeout=pool.pool_timeout,
        pool_recycle=pool.pool_recycle,
        **_options(pool),
    )


def _sqlite_engines(url: URL, pool: PoolSettings, synchronous: Synchronous) -> tuple[AsyncEngine, AsyncEngine]:
    def engine(size: int, begin: str, pragmas: list[str]) -> AsyncEngine:
        made = create_async_engine(
            url,
            connect_args={"timeout": BUSY_TIMEOUT_S},
            poolclass=AsyncAdaptedQueuePool,
            pool_size=size,
            max_overflow=0,
            pool_timeout=pool.pool_timeout,
            **_options(pool),
        )

        @event.listens_for(made.sync_engine, "connect")
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

        @event.listens_for(made.sync_engine, "handle_error")
        def keep_cancelled(context: ExceptionContext) -> None:
            # The driver's thread runs a cancelled statement to its end, so the connection is sound; and with it would
            # go all that a :memory: database holds.
            if isinstance(context.original_exception, asyncio.CancelledError):
                context.is_disconnect = False

        @event.listens_for(made.sync_engine, "begin")
        def start(connection: Any) -> None:
            connection.exec_driver_sql(begin)

        return made

    pragmas = ["foreign_keys = ON", f"synchronous = {synchronous.upper()}"]
    writer = engine(1, "BEGIN IMMEDIATE", ["journal_mode = WAL", *pragmas])
    # Its debug lines hold the parameters of each statement, and so what people wrote.
    logging.getLogger("aiosqlite").setLevel(logging.INFO)
    if is_memory(url):
        return writer, writer
    return writer, engine(SQLITE_READERS, "BEGIN", ["query_only = ON"])
