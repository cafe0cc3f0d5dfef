"""A stage for Slack's scenarios: FakeSlack and the real bot in one process, on a storage that outlives both.

```python
async with on_stage(url) as stage:
    asked = await stage.slack.say(stage.anna, stage.general, "hello <@BOT>")
    await stage.answered(stage.general)
    assert await stage.said_at(asked) == [("user", "hello @backscroll"), ("assistant", "+ hello @backscroll")]
```
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp

from backscroll.bot.config import AdapterConfigs, BotConfig, Config, SlackConfig, SlackHttpConfig
from backscroll.bot.handling import Handler
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.store import ThreadStore
from backscroll.testing import FakeSlack
from backscroll.testing.slack.models import Channel, Team, User
from backscroll.testing.slack.models import Message as Said
from tests.scenario.stage import BaseStage, config_with, plus, running_until
from tests.servers.own import free_port

__all__ = [
    "MODES",
    "PATH",
    "Mode",
    "Stage",
    "config_of",
    "external_of",
    "free_port",
    "key_of",
    "on_stage",
    "plus",
    "running",
    "workspace_of",
]

Mode = Literal["socket", "http"]
MODES: tuple[Mode, ...] = ("socket", "http")
PATH = "/slack/events"


@dataclass(kw_only=True)
class Stage(BaseStage[Said]):
    """FakeSlack with a person in a channel, what is kept, and the turns that the handler was given."""

    slack: FakeSlack
    anna: User
    general: Channel

    @property
    def platform(self) -> FakeSlack:
        return self.slack

    def key_of(self, said: Said) -> ThreadKey:
        return key_of(said)

    def external_of(self, said: Said) -> ExternalId:
        return external_of(said)

    def unacknowledged(self) -> set[str]:
        """Return the ids of the events of which no delivery was acknowledged; a slow machine may need several."""
        deliveries = self.slack.deliveries
        return {each.event_id for each in deliveries} - {each.event_id for each in deliveries if each.acked}

    async def answered(self, channel: Channel, count: int = 1) -> list[str]:
        """Wait until the bot has posted so much in a channel and all is acknowledged and kept; return the texts."""
        await self.until(lambda: len(self.slack.posted_by_bot(channel)) >= count)
        await self.settled()
        posted = self.slack.posted_by_bot(channel)
        assert len(posted) == count, posted
        return posted


def workspace_of(team: Team) -> str:
    """Return what keys call a team."""
    return team.enterprise_id if team.is_org_wide and team.enterprise_id else team.id


def key_of(said: Said) -> ThreadKey:
    """Return the key of the thread that a message of Slack's stands in."""
    channel = said.channel
    top = channel.id if channel.type == "im" else said.ts
    thread = said.root.ts if said.root is not None else said.ts if said.subtype == "assistant_app_thread" else top
    return ThreadKey("slack", workspace_of(channel.team), channel.id, thread)


def external_of(said: Said) -> ExternalId:
    """Return the id of a message of Slack's."""
    return ExternalId("slack", workspace_of(said.channel.team), said.channel.id, said.ts)


def config_of(
    slack: FakeSlack,
    url: str,
    mode: Mode = "socket",
    *,
    handler: Handler = plus,
    bot: BotConfig | None = None,
    **given: Any,
) -> Config:
    """Make the configuration of a bot in this FakeSlack; `given` are fields of SlackConfig."""
    entrance: dict[str, Any] = {"app_token": slack.app_token}
    if mode == "http":
        entrance = {"signing_secret": slack.signing_secret, "http": SlackHttpConfig(port=free_port())}
    defaults: dict[str, Any] = {
        "bot_token": slack.bot_token,
        "file_hosts": frozenset({"127.0.0.1"}),
        "ping_interval_s": 1.0,
    }
    settings = SlackConfig(**(defaults | entrance | {"api_base_url": slack.api_url} | given))
    return config_with(AdapterConfigs(slack=settings), url, handler, bot)


@asynccontextmanager
async def running(stage: Stage, config: Config) -> AsyncIterator["asyncio.Task[None]"]:
    """Run a bot; it listens when this is entered. In HTTP mode Slack's requests go to the one that was started last.

    Raises: what the bot ended with before it listened.
    """
    settings = config.adapters.slack
    assert settings is not None
    slack, count = stage.slack, stage.slack.socket_count
    if settings.app_token is None:
        slack.request_url = f"http://127.0.0.1:{settings.http.port}{settings.http.path}"

    async def listens() -> bool:
        if settings.app_token is not None:
            return slack.socket_count > count
        try:
            return await slack.verify_url()
        except (aiohttp.ClientError, TimeoutError):
            return False

    async with running_until(stage, config, listens) as bot:
        yield bot


@asynccontextmanager
async def on_stage(
    url: str,
    mode: Mode = "socket",
    *,
    handler: Handler = plus,
    bot: BotConfig | None = None,
    switches: dict[str, Any] | None = None,
    slack: FakeSlack | None = None,
    **settings: Any,
) -> AsyncIterator[Stage]:
    """Open FakeSlack, the storage and a bot that answers with this handler.

    Args: switches: of FakeSlack. slack: one that is open already. settings: fields of SlackConfig.
    """
    async with (
        _opened(slack, switches or {}) as opened,
        ThreadStore(url) as store,
    ):
        anna = opened.add_user("anna")
        general = opened.add_channel("general", members=[anna])
        stage = Stage(slack=opened, store=store, url=url, anna=anna, general=general)
        config = config_of(opened, url, mode, handler=stage.noting(handler), bot=bot, **settings)
        async with running(stage, config):
            yield stage


@asynccontextmanager
async def _opened(slack: FakeSlack | None, switches: dict[str, Any]) -> AsyncIterator[FakeSlack]:
    if slack is not None:
        yield slack
        return
    async with FakeSlack(**switches) as opened:
        yield opened
