"""Databases for the storage's tests, and the look whether a test left a connection open."""

import asyncio
import contextlib
import gc
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest


def drivers_threads() -> list[threading.Thread]:
    """Name the threads in which SQLite connections work: ours, and aiosqlite's."""
    names = ("backscroll-sqlite", "_connection_worker_thread")
    return [thread for thread in threading.enumerate() if any(name in thread.name for name in names)]


def open_connections() -> list[sqlite3.Connection]:
    """Find the SQLite connections of this process that nobody has closed."""
    found = []
    for connection in gc.get_objects():
        if type(connection) is sqlite3.Connection:
            with contextlib.suppress(sqlite3.ProgrammingError):  # it is closed
                assert connection.total_changes >= 0
                found.append(connection)
    return found


def assert_nothing_is_open() -> None:
    """Wait for the SQLite connections that are being closed; fails where one stays."""
    gc.collect()
    for thread in drivers_threads():
        thread.join(5)
    assert drivers_threads() == []
    assert open_connections() == []


async def clients_of(url: str) -> int:
    """Count the connections to a PostgreSQL database, beside the one that asks."""
    connection = await asyncpg.connect(url)
    try:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return count
    finally:
        await connection.close()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> Iterator[str]:
    """Give the path of a SQLite file that is not there yet; in the end no connection to it may be open."""
    yield str(tmp_path / "threads.db")
    assert_nothing_is_open()


@pytest.fixture
def prepared_sqlite_url(sqlite_url: str, sqlite_template: Path) -> str:
    """Give the path of a SQLite file with our tables and nothing in them; its end is that of `sqlite_url`."""
    shutil.copy(sqlite_template, sqlite_url)
    return sqlite_url


@pytest.fixture(params=["sqlite", "postgres"])
def prepared_url(request: pytest.FixtureRequest) -> str:
    """Give the URL of a database with our tables and nothing in them on each of the two."""
    url: str = request.getfixturevalue(f"prepared_{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Give the URL of an empty database on each of the two."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the URL of an empty database, and see that no connection to it is left."""
    url: str = ":memory:" if request.param == "memory" else request.getfixturevalue(f"{request.param}_url")
    yield url
    assert_nothing_is_open()
    if request.param == "postgres":
        assert asyncio.run(clients_of(url)) == 0
