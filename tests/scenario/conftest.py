"""A directory to run the program in, and each database that it can keep its threads in."""

import asyncio
import logging
import os
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import discord
import pytest
from discord.gateway import KeepAliveHandler

from backscroll.adapters.discord import catching_up, commands, receiving
from backscroll.adapters.slack import names
from backscroll.bot import answering, delivery
from backscroll.cli import main
from backscroll.storage.values import utc_now
from tests.scenario.discord import on_stage
from tests.scenario.forks import Forks
from tests.scenario.gaps import Away, caught_up, stop
from tests.scenario.program import Home


@dataclass(frozen=True)
class Called:
    """What one call of the command line came to."""

    code: int
    out: str
    err: str


Call = Callable[..., Called]


@pytest.fixture(autouse=True)
def no_heartbeat() -> Iterator[None]:
    """Refuse a test after which a heartbeat of discord.py goes on: a thread, which would fail some later test."""
    yield
    assert [each for each in threading.enumerate() if isinstance(each, KeepAliveHandler)] == []


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a slow machine look names up and keep a command, both in nearly the time that the played platforms wait."""
    monkeypatch.setattr(names, "PATIENCE_S", 2.0)
    monkeypatch.setattr(commands, "ANSWER_S", 30.0)


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a place for compiled modules, one for all workers of a run; a start takes a third less with them."""
    own = tmp_path_factory.getbasetemp()
    place = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "bytecode"
    place.mkdir(exist_ok=True)
    return place


@pytest.fixture(scope="session")
def forks(bytecode: Path) -> Iterator[Forks]:
    """Give the process that has imported the program and forks."""
    with Forks(Home(Path(), bytecode).environment) as forks:
        yield forks


@pytest.fixture
def new_home(request: pytest.FixtureRequest, tmp_path: Path, bytecode: Path) -> Home:
    """Give a directory whose `config.yaml` names a SQLite file that is not there yet, with the echo handler."""
    made = Home(tmp_path, bytecode, lambda: request.getfixturevalue("forks"))
    made.configure()
    return made


@pytest.fixture
def home(new_home: Home, sqlite_template: Path) -> Home:
    """Give such a directory with the file and our tables in it; a first start takes half as long again."""
    shutil.copy(sqlite_template, new_home.directory / "backscroll.db")
    return new_home


@pytest.fixture(params=["sqlite", "postgres"])
def new_url(request: pytest.FixtureRequest, new_home: Home) -> str:
    """Give the URL of a database of each kind that outlives a process, without our tables."""
    return new_home.sqlite_url if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, home: Home) -> str:
    """Give the URL of a database of each kind that outlives a process, with our tables and nothing in them."""
    return home.sqlite_url if request.param == "sqlite" else str(request.getfixturevalue("prepared_postgres_url"))


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a bot in this process try again soon."""
    monkeypatch.setattr(delivery, "BACK_OFF_S", (0.05, 0.1))
    monkeypatch.setattr(delivery, "POST_BACK_OFF_S", 0.05)
    monkeypatch.setattr(answering, "LOOK_S", 0.05)


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Leave the levels of logging as they were: commands set them for the whole process."""
    loggers = [logging.getLogger(), logging.getLogger("alembic")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def call(own_logging: None, new_home: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Give a way to call the command line in this process, in the home's directory; a new one takes a second."""
    monkeypatch.chdir(new_home.directory)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def called(*arguments: str) -> Called:
        monkeypatch.setattr(sys, "argv", ["backscroll", *arguments])
        with pytest.raises(SystemExit) as ended:
            main.main()
        return Called(int(ended.value.code or 0), *capfd.readouterr())

    return called


@pytest.fixture
def quick_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the Discord adapter look, note and try again soon."""
    monkeypatch.setattr(catching_up, "LOOK_S", 0.02)
    monkeypatch.setattr(catching_up, "NOTE_S", 0.05)
    monkeypatch.setattr(catching_up, "RETRY_S", 0.05)
    monkeypatch.setattr(receiving, "RETRY_S", (0.02, 0.05))
    monkeypatch.setattr("backscroll.storage.sql.sqlite.BUSY_TIMEOUT_S", 0.05)


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Give what has to be set for discord.py to begin a session; by itself it waits five seconds for a second one."""
    is_open = asyncio.Event()
    is_open.set()

    async def wait(client: discord.Client, shard_id: int | None, *, initial: bool = False) -> None:
        await is_open.wait()

    monkeypatch.setattr(discord.Client, "before_identify_hook", wait)
    return is_open


@pytest.fixture
async def away(home: Home, quick_gaps: None) -> AsyncIterator[Away]:
    """Give a bot that was in a thread and a direct message, and is not there now."""
    async with on_stage(home.sqlite_url) as stage:
        root = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
        dm = stage.discord.open_dm(stage.anna)
        await stage.discord.say(stage.anna, dm, "hi")
        since = utc_now()
        await stage.answered(root)
        await caught_up(stage, since)
        await stop(stage)
        yield Away(stage, root, dm)
