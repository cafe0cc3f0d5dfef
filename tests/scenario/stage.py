"""What the stages of all platforms share: a bot in this process, waiting for it, and what it has kept.

`slack.py` and `discord.py` say what a platform's messages are called by, and when all that it told has been taken.
"""

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from backscroll.bot.app import run_bot
from backscroll.bot.config import AdapterConfigs, BotConfig, Config, StorageConfig
from backscroll.bot.handling import Handler
from backscroll.bot.turn import Turn
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Message, Thread
from backscroll.storage.records import UNFINISHED, Answer, RejectedEvent
from backscroll.storage.sql import Provider
from backscroll.storage.store import ThreadStore
from backscroll.testing import FakeDiscord, FakeSlack
from tests.scenario.program import PATIENCE_S

Said = TypeVar("Said")
"""A platform's message, as its fake has it."""


async def plus(turn: Turn) -> str:
    """Answer with what was said."""
    return f"+ {turn.message.text}"


@dataclass(kw_only=True)
class BaseStage(ABC, Generic[Said]):
    """A platform that is played, what is kept of it, and the turns that the handler was given."""

    store: ThreadStore
    url: str
    turns: list[Turn] = field(default_factory=list)
    bot: "asyncio.Task[None] | None" = None

    @property
    @abstractmethod
    def platform(self) -> FakeSlack | FakeDiscord:
        """Return the platform."""

    @abstractmethod
    def key_of(self, said: Said) -> ThreadKey:
        """Return the key of the thread that a message of the platform stands in, or begins."""

    @abstractmethod
    def external_of(self, said: Said) -> ExternalId:
        """Return the id of a message of the platform."""

    async def quiet(self) -> None:
        """Wait until the bot has taken, and kept, all that the platform has told it."""
        await self.platform.quiet(PATIENCE_S)

    async def until(self, condition: Callable[[], Awaitable[object] | object]) -> None:
        """Wait for a condition, as the platform's `until`; a bot that ended before it raises what it ended with."""

        async def holds() -> bool:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if not found and self.bot is not None and self.bot.done() and not self.bot.cancelled():
                self.bot.result()
                raise AssertionError("The bot has ended.")
            return bool(found)

        is_so: bool = await self.platform.until(holds, PATIENCE_S)
        assert is_so

    async def settled(self) -> None:
        """Wait until every event is kept, and no answer is due or under way."""

        async def is_settled() -> bool:
            await self.quiet()
            return not [each for each in await self.answers() if each.state in UNFINISHED]

        await self.until(is_settled)
        await self.until(is_settled)  # an answer is an event too

    # What is kept

    async def threads(self) -> list[Thread]:
        """Return all threads, oldest first."""
        threads, _ = await self.store.list_threads(limit=1_000)
        return threads[::-1]

    async def thread_at(self, said: Said) -> Thread | None:
        """Return the thread that lives where a message of the platform stands."""
        return await self.store.provider.get_by_alias(self.key_of(said).alias)

    async def said_at(self, said: Said) -> list[tuple[str, str]]:
        """Return the roles and texts of the thread where a message stands; nothing when there is none."""
        thread = await self.thread_at(said)
        return [] if thread is None else [(message.role, message.text) for message in thread.messages]

    async def kept(self, said: Said) -> Message | None:
        """Return what is kept of a message of the platform."""
        found = await self.store.provider.find_external(self.external_of(said))
        return None if found is None else found[1]

    async def until_kept(self, said: Said) -> Message:
        """Wait until a message is kept, and return what is kept of it."""
        await self.until(lambda: self.kept(said))
        found = await self.kept(said)
        assert found is not None
        return found

    async def answers(self) -> list[Answer]:
        """Return all answers in the order in which they were asked for."""
        return await self.store.provider.list_answers(limit=None)

    async def rejected(self) -> list[RejectedEvent]:
        """Return what was put aside, oldest first."""
        return list(reversed(await self.store.provider.list_rejected_events(limit=None)))

    def noting(self, handler: Handler) -> Handler:
        """Return a handler that notes its turns on this stage."""

        async def noted(turn: Turn) -> Any:
            self.turns.append(turn)
            result = handler(turn)
            return await result if asyncio.iscoroutine(result) else result

        return noted


def config_with(adapters: AdapterConfigs, url: str, handler: Handler, bot: BotConfig | None) -> Config:
    """Make the configuration of a bot that keeps its threads at `url`."""
    return Config(
        Path("config.yaml"),
        replace(bot or BotConfig(), shutdown_grace_s=0.2),
        StorageConfig("sql", Provider, {"url": url}),
        adapters,
        handler,
    )


@asynccontextmanager
async def running_until(
    stage: BaseStage[Any], config: Config, listens: Callable[[], Awaitable[bool] | bool]
) -> AsyncIterator["asyncio.Task[None]"]:
    """Run a bot; it listens when this is entered.

    Raises: what the bot ended with before it listened.
    """
    bot = asyncio.create_task(run_bot(config))
    stage.bot = bot
    try:
        await stage.until(listens)
        yield bot
    finally:
        stage.bot = None
        bot.cancel()
        await asyncio.wait([bot])
        if not bot.cancelled():
            bot.exception()
