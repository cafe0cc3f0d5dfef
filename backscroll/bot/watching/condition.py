"""Whether a running bot is well: its storage answers, and each platform that it is configured for is connected.

Proved by `tests/unit/bot/watching/test_condition.py` and `tests/scenario/test_watching.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from backscroll.adapters.base import Adapter
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import AnswerCount, AnswerState, PoolUse

T = TypeVar("T")

ANSWER_S = 2.0
"""Seconds in which the storage has to answer, all calls of a look together."""


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
        self._check = _Question(provider.check)
        self._counts = _Question(provider.count_answers)

    async def look(self, *, counts: bool = False) -> Condition:
        """Look how the bot is; raises nothing.

        Args: counts: whether the answers that are not finished are counted.
        """
        end = asyncio.get_running_loop().time() + ANSWER_S
        is_up = self.is_open and await self._check.ask(end) is not None
        answers = await self._counts.ask(end) if is_up and counts else None
        connected = {platform: self._is_connected(platform) for platform in self._platforms}
        return Condition(is_up, connected, self._is_stopping(), answers and answers[0], self._provider.pool_use())

    def _is_connected(self, platform: str) -> bool:
        adapter = self.adapters.get(platform)
        return adapter is not None and adapter.is_connected


class _Question(Generic[T]):
    """A call to the storage that is under way once at most, however many wait for what it tells.

    One that is given up may take seconds to clean up behind it; nobody waits for that.
    """

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self._call = call
        self._asking: asyncio.Task[tuple[T] | None] | None = None

    async def ask(self, end: float) -> tuple[T] | None:
        """Return what it tells, None when it told nothing until `end` by the loop's clock."""
        loop = asyncio.get_running_loop()
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._answer())
        asking = self._asking
        await asyncio.wait([asking], timeout=max(0.0, end - loop.time()))
        return asking.result() if asking.done() and not asking.cancelled() else None

    async def _answer(self) -> tuple[T] | None:
        try:
            async with asyncio.timeout(ANSWER_S):
                return (await self._call(),)
        except Exception:  # noqa: BLE001  # whatever a provider raises, it does not answer
            return None
