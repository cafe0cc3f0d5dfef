"""From what `new_provider` gives to the provider and the store that a claim is made on. Proved by `tests/contract/`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from backscroll.storage.files import LocalFiles
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore


@pytest_asyncio.fixture(loop_scope="function")
async def provider(new_provider: StorageProvider) -> AsyncIterator[StorageProvider]:
    """Give the provider, ready and empty."""
    assert isinstance(new_provider, StorageProvider), "new_provider must give an instance of a StorageProvider"
    await new_provider.initialize()
    try:
        assert await new_provider.list_threads(limit=1) == [], "new_provider must give an empty provider each time"
        yield new_provider
    finally:
        await new_provider.close()


@pytest.fixture
def store(provider: StorageProvider, tmp_path: Path) -> ThreadStore:
    """Give a store on the provider, whose files lie where no other claim's do: a directory belongs to one database."""
    return ThreadStore(provider=provider, files=LocalFiles(tmp_path / "store-files"))
