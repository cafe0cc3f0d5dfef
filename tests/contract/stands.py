"""A stand for each adapter: its platform is played, a person writes to the bot directly, and what is told is kept.

A claim of `test_adapters.py` is written once and runs on every stand. No bot answers here.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from backscroll.adapters import console
from backscroll.adapters.base import Adapter, Question
from backscroll.adapters.discord import DiscordAdapter
from backscroll.adapters.discord.receiving import TASK
from backscroll.adapters.events import MessageDeleted, MessageEdited, MessagePosted, ReactionAdded
from backscroll.adapters.slack import SlackAdapter
from backscroll.bot.manager import ConversationManager
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.provider import StorageProvider
from backscroll.testing import FakeDiscord, FakeSlack
from backscroll.testing.discord.models import Message as DiscordMessage
from backscroll.testing.slack import events as slack_events
from backscroll.testing.slack.models import Message as SlackMessage
from tests.scenario import discord as discord_stage
from tests.scenario import slack as slack_stage

NOW = datetime(2026, 1, 2, tzinfo=UTC)
URL = "sqlite://"


@dataclass(frozen=True)
class Written:
    """A message as a person wrote it, of which its platform may not have told yet."""

    external: ExternalId
    message: Any
    told: Any


class Stand(ABC):
    """An adapter that is served, the provider that keeps what it tells, and a person who talks to the bot directly.

    `key` names where they talk. `can_look`: whether the platform can be asked what stands there.
    """

    adapter: Adapter
    key: ThreadKey
    user_id: str
    emoji = "👀"
    kept_emoji = "👀"
    can_look = True

    def __init__(self, provider: StorageProvider) -> None:
        self.provider = provider
        self.manager = ConversationManager(provider)

    @abstractmethod
    async def write(self, text: str) -> Written:
        """Let the person write a message that nobody tells of."""

    @abstractmethod
    async def tell(self, written: Written) -> None:
        """Tell the adapter of a message as it was written, once more if it was told before."""

    @abstractmethod
    async def edit(self, written: Written, text: str) -> None: ...

    @abstractmethod
    async def delete(self, written: Written) -> None: ...

    @abstractmethod
    async def react(self, written: Written) -> None: ...

    @abstractmethod
    def shown(self) -> list[str]:
        """Return what the bot has posted where they talk."""

    async def settled(self) -> None:
        """Wait until all that was told is kept."""

    def question(self, external: ExternalId | None = None) -> Question:
        return Question(self.key, external or self.key.message("1"), self.user_id, "hello")


class ConsoleStand(Stand):
    """The terminal, whose events are handed over as it makes them.

    `read_screen` is given by the test, whose stdout is the screen.
    """

    key, user_id, can_look = console.KEY, "U1", False

    read_screen: Callable[[], str]

    def __init__(self, provider: StorageProvider) -> None:
        super().__init__(provider)
        self.adapter = console.ConsoleAdapter()
        self._count = 0

    async def write(self, text: str) -> Written:
        self._count += 1
        external = self.key.message(f"1.{self._count}")
        return Written(external, None, MessagePosted(self.key, external, "U1", text, NOW, is_direct=True))

    async def tell(self, written: Written) -> None:
        await self.manager.record(written.told)

    async def edit(self, written: Written, text: str) -> None:
        edit = MessageEdited(self.key, written.external, text, NOW + timedelta(seconds=1), is_direct=True)
        await self.manager.record(edit)

    async def delete(self, written: Written) -> None:
        await self.manager.record(MessageDeleted(written.external, NOW + timedelta(seconds=1)))

    async def react(self, written: Written) -> None:
        await self.manager.record(ReactionAdded(written.external, self.emoji, self.user_id, NOW))

    def shown(self) -> list[str]:
        return self.read_screen().splitlines()


class SlackStand(Stand):
    """Slack, played by FakeSlack, over a socket."""

    emoji = kept_emoji = "eyes"

    def __init__(self, provider: StorageProvider, slack: FakeSlack) -> None:
        super().__init__(provider)
        self._slack = slack
        self._anna = slack.add_user("anna")
        self._dm = slack.open_dm(self._anna)
        settings = slack_stage.config_of(slack, URL).adapters.slack
        assert settings is not None
        self.adapter = SlackAdapter(settings, provider)
        self.key = ThreadKey("slack", slack.team_id, self._dm.id, self._dm.id)
        self.user_id = self._anna.id

    async def write(self, text: str) -> Written:
        message: SlackMessage = self._slack._talk.post(self._dm, self._anna, text)
        return Written(slack_stage.external_of(message), message, slack_events.posted(message))

    async def tell(self, written: Written) -> None:
        await self._slack.send_event(written.told)

    async def edit(self, written: Written, text: str) -> None:
        await self._slack.edit(written.message, text)

    async def delete(self, written: Written) -> None:
        await self._slack.delete(written.message)

    async def react(self, written: Written) -> None:
        await self._slack.react(self._anna, written.message, self.emoji)

    def shown(self) -> list[str]:
        return self._slack.posted_by_bot(self._dm)

    async def settled(self) -> None:
        await self._slack.quiet()


class DiscordStand(Stand):
    """Discord, played by FakeDiscord, over its gateway."""

    def __init__(self, provider: StorageProvider, discord: FakeDiscord) -> None:
        super().__init__(provider)
        self._discord = discord
        self._anna = discord.add_user("anna")
        self._dm = discord.open_dm(self._anna)
        settings = discord_stage.config_of(discord, URL).adapters.discord
        assert settings is not None
        self.adapter = DiscordAdapter(settings, provider)
        self.key = ThreadKey("discord", "@me", self._dm.id, self._dm.id)
        self.user_id = self._anna.id

    async def write(self, text: str) -> Written:
        message = DiscordMessage(self._discord._world.new_id(), self._dm, self._anna, text)
        self._dm.messages[message.id] = message
        return Written(discord_stage.external_of(message), message, self._discord._views.message(message, live=True))

    async def tell(self, written: Written) -> None:
        await self._discord.send_event("MESSAGE_CREATE", written.told)

    async def edit(self, written: Written, text: str) -> None:
        await self._discord.edit(written.message, text)

    async def delete(self, written: Written) -> None:
        await self._discord.delete(written.message)

    async def react(self, written: Written) -> None:
        await self._discord.react(self._anna, written.message, self.emoji)

    def shown(self) -> list[str]:
        return self._discord.posted_by_bot(self._dm)

    async def settled(self) -> None:
        await self._discord.quiet()
        await self._discord.until(lambda: not _names() & {TASK, "discord.py: on_socket_raw_receive"})


def _names() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks()}


@asynccontextmanager
async def _served(stand: Stand, until_open: Callable[[], Any]) -> AsyncIterator[None]:
    async with stand.adapter:
        serving = asyncio.create_task(stand.adapter.serve(stand.manager))
        try:
            await until_open()
            yield
        finally:
            serving.cancel()
            await asyncio.wait([serving])


@asynccontextmanager
async def on_console(provider: StorageProvider) -> AsyncIterator[Stand]:
    stand = ConsoleStand(provider)
    async with stand.adapter:
        yield stand


@asynccontextmanager
async def on_slack(provider: StorageProvider) -> AsyncIterator[Stand]:
    async with FakeSlack() as slack:
        stand = SlackStand(provider, slack)
        async with _served(stand, lambda: slack.until(lambda: slack.socket_count)):
            yield stand


@asynccontextmanager
async def on_discord(provider: StorageProvider) -> AsyncIterator[Stand]:
    async with FakeDiscord() as discord:
        stand = DiscordStand(provider, discord)
        async with _served(stand, lambda: discord.until(lambda: discord.session_count)):
            yield stand


STANDS: dict[str, Callable[[StorageProvider], AbstractAsyncContextManager[Stand]]] = {
    "console": on_console,
    "slack": on_slack,
    "discord": on_discord,
}
