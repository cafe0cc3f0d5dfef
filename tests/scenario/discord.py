"""A stage for Discord's scenarios: FakeDiscord and the real bot in one process, on a storage that outlives both.

```python
async with on_stage(url) as stage:
    asked = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
    await stage.answered(asked)
    assert await stage.said_at(asked) == [("user", "@Backscroll hello"), ("assistant", "+ …")]
```
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from backscroll.adapters.discord.receiving import TASK
from backscroll.bot.config import AdapterConfigs, BotConfig, Config, DiscordConfig
from backscroll.bot.handling import Handler
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.store import ThreadStore
from backscroll.testing import FakeDiscord
from backscroll.testing.discord.models import Channel, User
from backscroll.testing.discord.models import Message as Said
from backscroll.testing.discord.models import Thread as ThreadChannel
from tests.scenario.stage import BaseStage, config_with, plus, running_until

__all__ = ["Stage", "config_of", "external_of", "guild_of", "key_of", "on_stage", "plus", "running"]


@dataclass(kw_only=True)
class Stage(BaseStage[Said]):
    """FakeDiscord with a person in a server, what is kept, and the turns that the handler was given."""

    discord: FakeDiscord
    anna: User
    general: Channel

    @property
    def platform(self) -> FakeDiscord:
        return self.discord

    def key_of(self, said: Said) -> ThreadKey:
        return key_of(said)

    def external_of(self, said: Said) -> ExternalId:
        return external_of(said)

    async def answered(self, said: Said, count: int = 1) -> list[str]:
        """Wait until the bot has answered in the thread that it began from a message, or where the message stands.

        Returns: the texts of its posts there, of which there are so many.
        """

        def posted() -> list[str]:
            return self.discord.posted_by_bot(self.discord.thread_of(said) or said.channel)

        await self.until(lambda: len(posted()) >= count)
        await self.settled()
        assert len(posted()) == count, posted()
        return posted()

    async def quiet(self) -> None:
        await self.discord.quiet()
        await self.discord.until(lambda: not _under_way())


def _under_way() -> bool:
    """Tell whether a bot in this process has frames that it has not taken, or events that it has not kept."""
    names = {task.get_name() for task in asyncio.all_tasks()}
    return not names.isdisjoint({TASK, "discord.py: on_socket_raw_receive"})


def guild_of(channel: Channel) -> str:
    """Return what keys call the server of a channel."""
    return "@me" if channel.guild is None else channel.guild.id


def key_of(said: Said) -> ThreadKey:
    """Return the key of the thread that a message of Discord's stands in, or begins."""
    channel = said.channel
    if channel.guild is None:
        return ThreadKey("discord", "@me", channel.id, channel.id)
    if isinstance(channel, ThreadChannel):
        return ThreadKey("discord", channel.guild.id, channel.parent.id, channel.id)
    return ThreadKey("discord", channel.guild.id, channel.id, said.id)


def external_of(said: Said) -> ExternalId:
    """Return the id of a message of Discord's."""
    return ExternalId("discord", guild_of(said.channel), said.channel.id, said.id)


def config_of(
    discord: FakeDiscord, url: str, *, handler: Handler = plus, bot: BotConfig | None = None, **given: Any
) -> Config:
    """Make the configuration of a bot in this FakeDiscord; `given` are fields of DiscordConfig."""
    defaults: dict[str, Any] = {
        "token": discord.token,
        "api_base_url": discord.api_url,
        "file_hosts": frozenset({"127.0.0.1"}),
    }
    return config_with(AdapterConfigs(discord=DiscordConfig(**(defaults | given))), url, handler, bot)


@asynccontextmanager
async def running(stage: Stage, config: Config) -> AsyncIterator["asyncio.Task[None]"]:
    """Run a bot; it listens when this is entered.

    Raises: what the bot ended with before it listened.
    """
    count = len(stage.discord.identifies)

    def listens() -> bool:
        return len(stage.discord.identifies) > count and stage.discord.session_count > 0

    async with running_until(stage, config, listens) as bot:
        yield bot


@asynccontextmanager
async def on_stage(
    url: str,
    *,
    handler: Handler = plus,
    bot: BotConfig | None = None,
    switches: dict[str, Any] | None = None,
    discord: FakeDiscord | None = None,
    **settings: Any,
) -> AsyncIterator[Stage]:
    """Open FakeDiscord, the storage and a bot that answers with this handler.

    Args: switches: of FakeDiscord. discord: one that is open already. settings: fields of DiscordConfig.
    """
    async with _opened(discord, switches or {}) as opened, ThreadStore(url) as store:
        anna = opened.add_user("anna")
        stage = Stage(discord=opened, store=store, url=url, anna=anna, general=opened.add_channel("general"))
        config = config_of(opened, url, handler=stage.noting(handler), bot=bot, **settings)
        async with running(stage, config):
            yield stage


@asynccontextmanager
async def _opened(discord: FakeDiscord | None, switches: dict[str, Any]) -> AsyncIterator[FakeDiscord]:
    if discord is not None:
        yield discord
        return
    async with FakeDiscord(**({"interaction_deadline_s": 40.0} | switches)) as opened:
        yield opened
