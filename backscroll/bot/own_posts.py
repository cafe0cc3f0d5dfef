"""What this process posted lately, so that the echoes of it ask nobody, and wait for no longer than they must.

A memory for speed alone: what it does not know, storage does. Proved by `tests/unit/bot/test_own_posts.py`.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from backscroll.storage.keys import ExternalId, ThreadKey

REMEMBERED_COUNT = 10_000


class OwnPosts:
    """The posts of one process that are marked in storage, and the threads in which it is posting."""

    def __init__(self) -> None:
        self._marked: OrderedDict[ExternalId, None] = OrderedDict()
        self._posting: Counter[ThreadKey] = Counter()
        self._changed = asyncio.Event()

    @contextmanager
    def posting(self, key: ThreadKey) -> Iterator[None]:
        """Let the echoes of a thread wait while something is posted there."""
        self._posting[key] += 1
        try:
            yield
        finally:
            self._posting[key] -= 1
            if not self._posting[key]:
                del self._posting[key]
            self._wake()

    def add(self, external: ExternalId) -> None:
        """Remember a post whose mark is committed."""
        self._marked[external] = None
        if len(self._marked) > REMEMBERED_COUNT:
            self._marked.popitem(last=False)
        self._wake()

    async def is_known(self, key: ThreadKey, external: ExternalId, patience_s: float) -> bool:
        """Tell whether an echo is of a post that is marked, now or as soon as what is posted in its thread is."""
        deadline = asyncio.get_running_loop().time() + patience_s
        while external not in self._marked and key in self._posting:
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                break
        return external in self._marked

    def _wake(self) -> None:
        # Whoever waits is woken, and waits for the next change by the next event.
        self._changed.set()
        self._changed = asyncio.Event()
