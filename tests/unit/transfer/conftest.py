"""Storages to move things between."""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path

import pytest

from backscroll.storage.store import ThreadStore
from backscroll.transfer.copying import Side

Opened = Callable[[str], Side]


@pytest.fixture
async def opened(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Opened]:
    """Give a way to open SQLite files by their names, each with its directory of files."""
    async with AsyncExitStack() as stack:

        def opener(name: str) -> Side:
            shutil.copy(sqlite_template, tmp_path / name)
            store = ThreadStore(str(tmp_path / name))
            stack.push_async_callback(store.close)
            return Side(store.provider, store._attachments, name)

        yield opener


@pytest.fixture
def source(opened: Opened) -> Side:
    return opened("source.db")


@pytest.fixture
def target(opened: Opened) -> Side:
    return opened("target.db")


@contextmanager
def refusing(database: Path, condition: str) -> Iterator[None]:
    """Let a SQLite database refuse messages that meet a condition."""
    refuse = f"CREATE TRIGGER no BEFORE INSERT ON messages WHEN new.{condition} BEGIN SELECT RAISE(ABORT, 'no'); END"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(refuse)
        yield
        connection.execute("DROP TRIGGER no")
