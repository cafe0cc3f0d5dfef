"""An empty storage for the bot: in memory, and a real SQLite file."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backscroll.storage import memory, sql
from backscroll.storage.provider import StorageProvider


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an SQLite file with the schema and nothing in it."""
    path = tmp_path_factory.mktemp("bot") / "migrated.db"

    async def migrate() -> None:
        provider = sql.Provider(str(path))
        await provider.initialize()
        await provider.close()

    asyncio.run(migrate())
    return path


@pytest.fixture
async def sqlite(migrated: Path, tmp_path: Path) -> AsyncIterator[sql.Provider]:
    shutil.copy(migrated, tmp_path / "bot.db")
    provider = sql.Provider(str(tmp_path / "bot.db"), synchronous="normal")
    await provider.initialize()
    yield provider
    await provider.close()


@pytest.fixture(params=["memory", "sqlite"])
def provider(request: pytest.FixtureRequest) -> StorageProvider:
    """Give each kind in turn."""
    if request.param == "memory":
        return memory.Provider()
    kept: StorageProvider = request.getfixturevalue("sqlite")
    return kept
