"""What every test stands on: a bare environment, and a real PostgreSQL."""

import asyncio
import gc
import os
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.servers.postgres import Postgres, PostgresServer
from tests.servers.prepared import PreparedDatabases, prepare
from tests.servers.redis import RedisServer

FOREIGN_VARIABLE = re.compile(
    r"BACKSCROLL_(?!TEST_).*|SLACK_.*|DISCORD_.*|PG[A-Z]+|(all|http|https|no)_proxy", re.IGNORECASE
)

# Before any module of the tests is read: a developer's own tokens, proxies and databases must not decide a test.
for variable in [name for name in os.environ if FOREIGN_VARIABLE.fullmatch(name)]:
    del os.environ[variable]

settings.register_profile("backscroll", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("backscroll")


def pytest_collection_finish() -> None:
    """Let the garbage collector pass by what was imported: a fifth of a second each time that a test collects."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """Give the server of BACKSCROLL_TEST_POSTGRES_URL, else our own. A missing wheel is an error, never a skip."""
    if url := os.environ.get("BACKSCROLL_TEST_POSTGRES_URL"):
        yield Postgres(url)
    else:
        with PostgresServer() as server:
            yield server


@pytest.fixture
async def postgres_url(postgres_server: Postgres) -> AsyncIterator[str]:
    """Give the URL of an empty database of the test's own."""
    name = f"backscroll_test_{secrets.token_hex(8)}"
    await postgres_server.create_database(name)
    yield postgres_server.url(name)
    await postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def prepared_databases(postgres_server: Postgres) -> Iterator[PreparedDatabases]:
    """Give the PostgreSQL databases that tests take in turn."""
    databases = PreparedDatabases(postgres_server)
    yield databases
    asyncio.run(databases.drop())


@pytest.fixture
async def prepared_postgres_url(prepared_databases: PreparedDatabases) -> AsyncIterator[str]:
    """Give the URL of a database with our tables and nothing in them, whose schema the test leaves as it is."""
    async with prepared_databases.one() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Give the URL of BACKSCROLL_TEST_REDIS_URL, else of a server of our own. A missing one is an error, no skip."""
    if url := os.environ.get("BACKSCROLL_TEST_REDIS_URL"):
        yield url
    else:
        with RedisServer() as server:
            yield server.url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an SQLite file with our tables and nothing in them, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(prepare(str(path)))
    return path
