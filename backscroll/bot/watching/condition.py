"""Whether a running bot is well: its storage answers, and each platform that it is configured for is connected.

Proved by `tests/unit/bot/watching/test_condition.py` and `tests/scenario/test_watching.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from backscroll.adapters.base import Adapter
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import AnswerCount, AnswerState, PoolUse

T = TypeVar("T")

ANSWER_S = 2.0
"""Seconds in which the storage has to answer."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How a bot is at a moment. `answers` and `pool` are None where nobody knows."""

    is_storage_up: bool = False
    platforms: Mapping[str, bool] = field(default_factory=dict)
    is_stopping: bool = False
    answers: Mapping[AnswerState, AnswerCount] | None = None
    pool: PoolUse | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it takes events in and answers them."""
        return self.is_storage_up and all(self.platforms.values()) and not self.is_stopping

    def as_dict(self) -> dict[str, Any]:
        """Lay out which part is well, and which is not."""
        return {
            "ready": self.is_ready,
            "storage": "answers" if self.is_storage_up else "does not answer",
            "platforms": {
                platform: "connected" if is_connected else "not connected"
                for platform, is_connected in self.platforms.items()
            },
            "stopping": self.is_stopping,
        }


class Watch:
    """Looks at one bot's parts, as they come and go.

    Args: platforms: those that the bot is configured for; each is missed until its adapter is there and connected.
        is_stopping: tells whether the bot was told to end.
    """

    def __init__(
        self, provider: StorageProvider, platforms: Collection[str], is_stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._provider = provider
        self._platforms = list(platforms)
        self.adapters: Mapping[str, Adapter] = {}
        """Those that are served."""
        self.is_open = False
        """Whether the storage was opened; before that it is not asked."""
        self._is_stopping = is_stopping

    async def look(self, *, counts: bool = False) -> Condition:
        """Look how the bot is; raises nothing.

        Args: counts: whether the answers that are not finished are counted.
        """
        is_up = self.is_open and await _in_time(self._checked()) is not None
        answers = await _in_time(self._provider.count_answers()) if is_up and counts else None
        connected = {platform: self._is_connected(platform) for platform in self._platforms}
        return Condition(is_up, connected, self._is_stopping(), answers, self._provider.pool_use())

    async def _checked(self) -> bool:
        await self._provider.check()
        return True

    def _is_connected(self, platform: str) -> bool:
        adapter = self.adapters.get(platform)
        return adapter is not None and adapter.is_connected


async def _in_time(work: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(ANSWER_S):
            return await work
    except Exception:  # noqa: BLE001  # whatever a provider raises, it does not answer
        return None
