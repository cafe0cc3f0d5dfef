"""Each provider that the claims run on, empty and ready. A backend that cannot be had is an error, never a skip."""

import secrets
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from backscroll.storage import memory, redis, sql
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from tests.contract.clock import set_updated_at  # noqa: F401  # a fixture
from tests.contract.six import SixProvider
from tests.servers.prepared import PreparedDatabases
from tests.servers.redis import opened_prefix

Opener = Callable[[], AbstractAsyncContextManager[StorageProvider]]


class Compiled(dict[Any, Any]):
    """Statements as SQLAlchemy has compiled them, one for all engines of a database: a third of a test's time."""

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__((key[0].name, *key[1:]))

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__((key[0].name, *key[1:]), compiled)

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get((key[0].name, *key[1:]), default)


COMPILED = Compiled()


@asynccontextmanager
async def opened(provider: StorageProvider) -> AsyncIterator[StorageProvider]:
    """Make a provider ready, and close it; nothing it did may still hold a connection."""
    database = getattr(provider, "database", None)
    engines = [] if database is None else database.engines
    for engine in engines:
        engine._compiled_cache = COMPILED
    await provider.initialize()
    try:
        yield provider
        for engine in engines:
            assert engine.pool.checkedout() == 0, "a connection was not given back"
    finally:
        await provider.close()


@pytest.fixture(scope="session")
def memory_template(sqlite_template: Path) -> Path:
    """Give a copy of the template without WAL, which a database in memory cannot have."""
    path = sqlite_template.with_name("memory.db")
    shutil.copy(sqlite_template, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    return path


@pytest.fixture
def open_memory() -> Opener:
    return lambda: opened(memory.Provider())


@pytest.fixture
def open_six() -> Opener:
    return lambda: opened(SixProvider())


@pytest.fixture
def open_sqlite_memory(memory_template: Path) -> Opener:
    def copy_template(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.commit()  # the copy is a transaction of its own
        with closing(sqlite3.connect(memory_template)) as template:
            template.backup(driver)

    @asynccontextmanager
    async def open_with_schema() -> AsyncIterator[StorageProvider]:
        provider = sql.Provider(":memory:")
        await provider.database.write(lambda connection: connection.run_sync(copy_template))
        async with opened(provider):
            yield provider

    return open_with_schema


@pytest.fixture
def open_sqlite_file(sqlite_template: Path, tmp_path: Path) -> Opener:
    def open_copy() -> AbstractAsyncContextManager[StorageProvider]:
        path = tmp_path / f"{secrets.token_hex(8)}.db"
        shutil.copy(sqlite_template, path)
        return opened(sql.Provider(str(path)))

    return open_copy


@pytest.fixture
def open_postgres(prepared_databases: PreparedDatabases) -> Opener:
    @asynccontextmanager
    async def open_emptied() -> AsyncIterator[StorageProvider]:
        async with prepared_databases.one() as url, opened(sql.Provider(url)) as provider:
            yield provider
            shutil.rmtree(str(provider.files_directory), ignore_errors=True)

    return open_emptied


@pytest.fixture
def open_redis(redis_url: str) -> Opener:
    @asynccontextmanager
    async def open_prefix() -> AsyncIterator[StorageProvider]:
        async with opened_prefix(redis_url) as prefix, opened(redis.Provider(redis_url, prefix=prefix)) as provider:
            yield provider
            shutil.rmtree(str(provider.files_directory), ignore_errors=True)

    return open_prefix


@pytest.fixture(params=["memory", "six", "sqlite_file", "sqlite_memory", "postgres", "redis"])
def open_provider(request: pytest.FixtureRequest) -> Opener:
    """Give each backend's way to an empty provider."""
    opener: Opener = request.getfixturevalue(f"open_{request.param}")
    return opener


@pytest.fixture
async def provider(open_provider: Opener) -> AsyncIterator[StorageProvider]:
    async with open_provider() as ready:
        yield ready


@pytest.fixture
async def store(provider: StorageProvider) -> ThreadStore:
    return ThreadStore(provider=provider)
