"""The order of what comes for one thread: bolt runs every event as a task of its own, and they overtake each other.

Proved by `tests/unit/adapters/slack/test_lanes.py`.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

Lane = tuple[str, str]
"""A channel, and a thread in it."""


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


def lane_of(event: dict[str, Any]) -> Lane | None:
    """Name the lane of an event that tells of a message; None for what has none, or is malformed.

    What begins in a DM shares one, whatever view of it the app has.
    """
    message = event.get("message") if event.get("subtype") == "message_changed" else event
    if not isinstance(message, dict):
        return None
    channel = event.get("channel")
    thread = message.get("thread_ts") or (channel if event.get("channel_type") == "im" else message.get("ts"))
    return (channel, thread) if isinstance(channel, str) and isinstance(thread, str) else None
