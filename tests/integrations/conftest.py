"""The storages that the frameworks run on."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backscroll.storage import memory
from backscroll.storage.store import ThreadStore
from tests.contract.six import SixProvider


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a database with our tables and nothing in them."""
    if request.param == "postgres":
        return str(request.getfixturevalue("prepared_postgres_url"))
    shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "store.db")
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture(params=["memory", "six", "sqlite", "postgres"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> ThreadStore:
    """Give an empty store on each backend."""
    match request.param:
        case "memory":
            return ThreadStore(provider=memory.Provider())
        case "six":
            return ThreadStore(provider=SixProvider())
        case "sqlite":
            shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "store.db")
            return ThreadStore(str(tmp_path / "store.db"))
    return ThreadStore(request.getfixturevalue("prepared_postgres_url"))


@pytest.fixture
async def store(new_store: ThreadStore) -> AsyncIterator[ThreadStore]:
    async with new_store:
        yield new_store
