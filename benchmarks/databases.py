"""The databases that are measured: where they lie, how ours and the raw driver open them.

A database is made when a line first asks for it, and all of them are removed at the end.
"""

import shutil
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from backscroll import ThreadStore
from benchmarks.fill import fill
from benchmarks.raw import Raw, RawPostgres, RawSqlite
from benchmarks.sizes import Size
from tests.servers.postgres import PostgresServer

_START = time.perf_counter()


def tell(text: str) -> None:
    """Write a line about what is going on, and when."""
    print(f"{time.perf_counter() - _START:5.0f} s  {text}", file=sys.stderr, flush=True)


class Database(ABC):
    """One kind of database; `options` are what ours is opened with."""

    name: str
    options: dict[str, Any]
    is_sqlite: bool

    def __init__(self, places: "Places") -> None:
        self.places = places
        self._urls: dict[str, str] = {}

    async def url(self, size: Size) -> str:
        """Return the URL of the database of a size, which is made at the first call."""
        if size.name not in self._urls:
            self._urls[size.name] = await self._make(size)
        return self._urls[size.name]

    @asynccontextmanager
    async def store(self, size: Size) -> AsyncIterator[ThreadStore]:
        """Open a database with ours."""
        async with ThreadStore(await self.url(size), **self.options) as store:
            yield store

    @asynccontextmanager
    async def both(self, size: Size) -> AsyncIterator[tuple[ThreadStore, Raw]]:
        """Open a database with ours and with the raw driver."""
        async with self.store(size) as store:
            raw = await self._open_raw(store, await self.url(size))
            try:
                yield store, raw
            finally:
                await raw.close()

    @abstractmethod
    async def drop(self, size: Size) -> None:
        """Remove the database of a size, which nobody has open."""

    @abstractmethod
    async def _make(self, size: Size) -> str: ...

    @abstractmethod
    async def _open_raw(self, store: ThreadStore, url: str) -> Raw: ...

    async def _fill(self, url: str, size: Size) -> str:
        if size.groups:
            tell(f"{self.name}: filling {size.name}")
            await fill(url, size)
        return url


class Sqlite(Database):
    """SQLite in a file."""

    name = "sqlite"
    options: dict[str, Any] = {}  # noqa: RUF012  # read only
    is_sqlite = True

    async def drop(self, size: Size) -> None:
        folder = Path(self._urls.pop(size.name)).parent
        shutil.rmtree(folder)

    async def _make(self, size: Size) -> str:
        folder = self.places.folder / size.name
        folder.mkdir()
        return await self._fill(str(folder / "bench.db"), size)

    async def _open_raw(self, store: ThreadStore, url: str) -> Raw:
        return await RawSqlite.open(store, url)


class Postgresql(Database):
    """PostgreSQL that keeps its commits (fsync)."""

    name = "postgresql"
    options: dict[str, Any] = {}  # noqa: RUF012  # read only
    is_sqlite = False

    async def drop(self, size: Size) -> None:
        del self._urls[size.name]
        await self.places.server.drop_database(self._database(size))

    async def _make(self, size: Size) -> str:
        if size.is_shared and size.name in self.places.shared:
            return self.places.shared[size.name]
        await self.places.server.create_database(self._database(size))
        url = await self._fill(self.places.server.url(self._database(size)), size)
        if size.is_shared:
            self.places.shared[size.name] = url
        return url

    def _database(self, size: Size) -> str:
        return size.name if size.is_shared else f"{self.name}_{size.name}"

    async def _open_raw(self, store: ThreadStore, url: str) -> Raw:
        return await RawPostgres.open(url, pgbouncer=self.options.get("pgbouncer", False))


class Pgbouncer(Postgresql):
    """PostgreSQL as it is used behind PgBouncer: nothing is prepared. No PgBouncer stands between."""

    name = "pgbouncer"
    options: dict[str, Any] = {"pgbouncer": True}  # noqa: RUF012  # read only


KINDS = (Sqlite, Postgresql, Pgbouncer)


class Places:
    """The folder and the server that the databases lie in, removed at the end."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._server: PostgresServer | None = None
        self.folder = Path()
        self.shared: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="backscroll-bench-")))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def server(self) -> PostgresServer:
        """The server, which is started at first use."""
        if self._server is None:
            tell("postgresql: starting")
            self._server = self._stack.enter_context(PostgresServer(fsync=True))
        return self._server
