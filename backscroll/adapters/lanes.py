"""The order of what comes for one thread: events that are kept as tasks of their own overtake each other.

Proved by `tests/unit/adapters/test_lanes.py`.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

Lane = tuple[str, ...]
"""What names a thread to its platform, such as a channel and a thread in it."""


class Lanes:
    """Lets one at a time into each lane, in the order in which they came. A lane that nobody is in takes no room."""

    def __init__(self) -> None:
        self._locks: dict[Lane, asyncio.Lock] = {}
        self._inside: Counter[Lane] = Counter()

    def __len__(self) -> int:
        return len(self._locks)

    @asynccontextmanager
    async def lane(self, lane: Lane | None) -> AsyncIterator[None]:
        """Enter a lane when those before have left it; None waits for nobody."""
        if lane is None:
            yield
            return
        lock = self._locks.setdefault(lane, asyncio.Lock())
        self._inside[lane] += 1
        try:
            async with lock:
                yield
        finally:
            self._inside[lane] -= 1
            if not self._inside[lane]:
                del self._inside[lane], self._locks[lane]
