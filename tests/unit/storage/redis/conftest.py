"""A Redis that is shared, and one that a test may end, lock and overfill."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import pytest

from backscroll.storage.redis import Provider
from tests.servers.redis import RedisServer, opened_prefix
from tests.unit.storage.redis.wire import Wire


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
async def wire(redis_url: str) -> AsyncIterator[Wire]:
    """Give a wire to the shared server."""
    async with Wire(urlsplit(redis_url).port or 0) as made:
        yield made


@pytest.fixture
async def wired(wire: Wire, redis_url: str, prefix: str) -> AsyncIterator[Provider]:
    """Give a provider at the end of the wire, with the prefix of `providers`."""
    provider = Provider(redis_url.replace(f":{urlsplit(redis_url).port}", f":{wire.port}"), prefix=prefix)
    await provider.initialize()
    yield provider
    await provider.close()


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """Give a server that keeps every write in a file, and is nobody else's."""
    with RedisServer(appendonly=True) as server:
        yield server
