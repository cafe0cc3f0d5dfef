"""PostgreSQL's connections: asyncpg under SQLAlchemy's pool.

Proved by `tests/unit/storage/sql/test_engine.py`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from weakref import WeakSet

import asyncpg
from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from backscroll.storage.sql.engine import Database, Work, engine_options
from backscroll.storage.sql.settings import PoolSettings

T = TypeVar("T")

CONNECT_TIMEOUT_S = 6.0

OPENING_S = 0.05
"""Seconds to wait for one of the pool's own connections before it opens another, which takes about as long, and is
closed again afterwards."""

COMMAND_TIMEOUT_S = 30.0

CLOSE_TIMEOUT_S = 2.0
"""Seconds in which the server has to answer that a connection ends."""


class PostgresDatabase(Database):
    """A PostgreSQL database."""

    is_sqlite = False

    def __init__(self, url: URL, pool: PoolSettings, *, pgbouncer: bool) -> None:
        super().__init__(url)
        arguments: dict[str, Any] = {"timeout": CONNECT_TIMEOUT_S, "command_timeout": COMMAND_TIMEOUT_S}
        if pgbouncer:
            # In transaction mode the next statement may meet another server connection, which has not prepared it.
            arguments |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
            arguments["prepared_statement_name_func"] = lambda: ""
        self.engine = create_async_engine(
            url,
            connect_args=arguments,
            pool_size=pool.pool_size,
            max_overflow=pool.max_overflow,
            pool_timeout=pool.pool_timeout,
            pool_recycle=pool.pool_recycle,
            **engine_options(pool),
        )
        # A select is a transaction by itself. Behind PgBouncer preparing and running it need one around them.
        self._reader = self.engine if pgbouncer else self.engine.execution_options(isolation_level="AUTOCOMMIT")

        self._entries = WeakSet[ConnectionPoolEntry]()
        event.listen(self.engine.sync_engine, "connect", lambda _connection, entry: self._entries.add(entry))
        self.engines = [self.engine.sync_engine]
        self.most_connections = pool.pool_size + pool.max_overflow
        self._own = asyncio.Semaphore(pool.pool_size) if pool.pool_size else None

    async def _read(self, work: Work[T]) -> T:
        async with self._turn(), self._reader.connect() as connection:
            return await work(connection)

    async def _write(self, work: Work[T]) -> T:
        async with self._turn(), self.engine.begin() as connection:
            return await work(connection)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait for a connection that stays open, for a moment."""
        if self._own is None:
            yield
            return
        is_taken = not self._own.locked()
        if is_taken:
            await self._own.acquire()
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OPENING_S):
                    is_taken = await self._own.acquire()
        try:
            yield
        finally:
            if is_taken:
                self._own.release()

    def _drop(self) -> None:
        for connection in self._connections():
            connection.terminate()

    async def _dispose(self) -> None:
        # SQLAlchemy closes one after the other, and lets a server that hangs take half a minute for each.
        closing = [connection.close(timeout=CLOSE_TIMEOUT_S) for connection in self._connections(idle=True)]
        await asyncio.gather(*closing, return_exceptions=True)  # one that is not closed in time is cut

    def _connections(self, *, idle: bool = False) -> "list[asyncpg.Connection[Any]]":
        found = [each.driver_connection for each in self._entries if not (idle and each.in_use)]
        return [connection for connection in found if connection is not None]
