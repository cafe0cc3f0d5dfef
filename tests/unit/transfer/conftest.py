"""Storages to move things between."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
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
