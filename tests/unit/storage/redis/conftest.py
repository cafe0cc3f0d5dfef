"""A Redis that is shared, and one that a test may end, lock and overfill."""

from collections.abc import AsyncIterator, Iterator

import pytest

from backscroll.storage.redis import Provider
from tests.servers.redis import RedisServer, opened_prefix


@pytest.fixture
async def prefix(redis_url: str) -> AsyncIterator[str]:
    async with opened_prefix(redis_url) as own:
        yield own


@pytest.fixture
async def providers(redis_url: str, prefix: str) -> AsyncIterator[list[Provider]]:
    """Give two providers that know nothing of each other, as in two processes."""
    both = [Provider(redis_url, prefix=prefix) for _ in range(2)]
    for provider in both:
        await provider.initialize()
    yield both
    for provider in both:
        await provider.close()


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """Give a server that keeps every write in a file, and is nobody else's."""
    with RedisServer(appendonly=True) as server:
        yield server
