"""The connections: from a URL to reads and writes that end in a commit, a value or one of our errors.

A transaction is a function of its connection, and awaits that alone. A write runs to its end also when its caller is
cancelled. Each is repeated after a deadlock or a lost connection, so what it does must be harmless when done twice.
`sqlite.py` and `postgresql.py` say where it runs. Proved by `tests/unit/storage/sql/test_engine.py` and
`tests/scenario/test_outage.py`.
"""

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import URL, CursorResult, Dialect, Engine, Executable, Row
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from backscroll.errors import StoreClosedError
from backscroll.storage.sql.failures import is_repeatable, translate
from backscroll.storage.sql.settings import PoolSettings
from backscroll.storage.tasks import Tasks
from backscroll.storage.values import from_json, to_json

T = TypeVar("T")

ATTEMPTS = 4


class Connection(Protocol):
    """What a transaction runs on."""

    @property
    def dialect(self) -> Dialect:
        """Tell SQLite from PostgreSQL."""

    async def execute(self, statement: Executable, parameters: Any = None, /) -> CursorResult[*tuple[Any, ...]]:
        """Run one statement; with a list of parameters, once for each."""

    async def run_sync(self, work: Callable[..., T], /) -> T:
        """Run a function on SQLAlchemy's own connection."""


Work = Callable[[Connection], Awaitable[T]]


class Database(ABC):
    """The connections behind one URL, and the way in for reads and writes."""

    is_sqlite: bool
    engine: AsyncEngine
    """For the user's own queries; there before the first connection."""
    engines: list[Engine]
    """All that connect, `engine` among them."""
    most_connections: int
    """How many of them work at once, at most, for the calls of the contract."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self._tasks = Tasks()
        self._closing: asyncio.Task[None] | None = None
        self._is_aborted = False

    async def read(self, work: Work[T]) -> T:
        """Run `work`, which changes nothing. On SQLite all its selects see one state of the database."""
        self._must_be_open()
        # A thread cannot be stopped; a connection that is waited for in the loop can.
        return await self._tasks.run(self._repeat(self._read, work), to_its_end=self.is_sqlite)

    async def rows(self, query: Executable, parameters: Any = None) -> Sequence[Row[Any]]:
        """Read what one select finds."""

        async def work(connection: Connection) -> Sequence[Row[Any]]:
            return (await connection.execute(query, parameters)).all()

        return await self.read(work)

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction and commit it."""
        self._must_be_open()
        return await self._tasks.run(self._repeat(self._write, work))

    async def change(self, work: Work[T]) -> T:
        """Do as `write` for work that tells whether, or how much, it changed.

        Where the answer to a COMMIT was lost, the repeat finds nothing more to change: what the first run told stands.
        """
        told: list[T] = []

        async def run(connection: Connection) -> T:
            told.append(await work(connection))
            return told[-1]

        last = await self.write(run)
        return next((each for each in told if each), last)

    async def write_unshielded(self, work: Work[T]) -> T:
        """Do as `write` for a caller that is a task of its own, which nobody cancels and `close()` comes after."""
        self._must_be_open()
        with self._tasks.joined():
            return await self._repeat(self._write, work)

    async def close(self) -> None:
        """Wait for what is under way and close all connections, also when the caller is cancelled meanwhile.

        Harmless when repeated.
        """
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def abort(self) -> None:
        """Close all connections without waiting for the server: what is under way raises `StorageUnavailableError`."""
        self._is_aborted = True
        self._drop()
        self._tasks.abort()
        await self.close()

    @property
    def pools(self) -> list[QueuePool]:
        """Those of the connections that work for the calls of the contract."""
        engines = self.engines[1:] if self.is_sqlite else self.engines
        return [engine.pool for engine in engines if isinstance(engine.pool, QueuePool)]

    @abstractmethod
    async def _read(self, work: Work[T]) -> T: ...

    @abstractmethod
    async def _write(self, work: Work[T]) -> T: ...

    @abstractmethod
    def _drop(self) -> None:
        """Cut the connections where that can be done."""

    @abstractmethod
    async def _dispose(self) -> None: ...

    async def _close(self) -> None:
        await self._tasks.ended()
        await self._dispose()
        await self.engine.dispose()

    async def _repeat(self, run: Callable[[Work[T]], Awaitable[T]], work: Work[T]) -> T:
        attempt = 1
        while True:
            try:
                return await run(work)
            except (SQLAlchemyError, sqlite3.Error, OSError, TimeoutError) as error:
                if attempt == ATTEMPTS or self._is_aborted or not is_repeatable(error):
                    raise translate(error, self.url) from None
            attempt += 1

    def _must_be_open(self) -> None:
        if self._closing is not None:
            raise StoreClosedError("The store is closed.", "Open a new ThreadStore.")


def engine_options(pool: PoolSettings) -> dict[str, Any]:
    """Give the options that all engines have: nothing that they print shows a value."""
    return {"echo": pool.echo, "hide_parameters": True, "json_serializer": to_json, "json_deserializer": from_json}
