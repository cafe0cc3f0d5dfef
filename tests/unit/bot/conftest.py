"""An empty storage for the bot: in memory, and a real SQLite file."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backscroll.bot import answering as answering_module
from backscroll.bot import delivery, desk, growing, handling
from backscroll.storage import memory, sql
from backscroll.storage.provider import StorageProvider
from tests.unit.bot.stage import Flaky, Recorder


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


@pytest.fixture
def adapter() -> Recorder:
    return Recorder()


@pytest.fixture
def flaky() -> Flaky:
    return Flaky()


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait for a person's patience."""
    monkeypatch.setattr(delivery, "BACK_OFF_S", (0.01, 0.02))
    monkeypatch.setattr(delivery, "POST_BACK_OFF_S", 0.01)
    monkeypatch.setattr(desk, "RETRY_S", 0.01)
    monkeypatch.setattr(growing, "STREAM_AFTER_S", 0.01)
    monkeypatch.setattr(growing, "EVERY_S", 0.01)
    monkeypatch.setattr(handling, "STOP_S", 0.05)
    monkeypatch.setattr(answering_module, "LOOK_S", 0.05)
