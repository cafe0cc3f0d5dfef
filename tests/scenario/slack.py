"""A stage for Slack's scenarios: FakeSlack and the real bot in one process, on a storage that outlives both.

```python
async with on_stage(url) as stage:
    asked = await stage.slack.say(stage.anna, stage.general, "hello <@BOT>")
    await stage.answered(stage.general)
    assert await stage.said_at(asked) == [("user", "hello @backscroll"), ("assistant", "+ hello @backscroll")]
```
"""

import asyncio
import inspect
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import aiohttp

from backscroll.bot.app import run_bot
from backscroll.bot.config import AdapterConfigs, BotConfig, Config, SlackConfig, SlackHttpConfig, StorageConfig
from backscroll.bot.handling import Handler
from backscroll.bot.turn import Turn
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Message, Thread
from backscroll.storage.records import UNFINISHED, Answer, RejectedEvent
from backscroll.storage.sql import Provider
from backscroll.storage.store import ThreadStore
from backscroll.testing import FakeSlack
from backscroll.testing.slack.models import Channel, Team, User
from backscroll.testing.slack.models import Message as Said

Mode = Literal["socket", "http"]
MODES: tuple[Mode, ...] = ("socket", "http")
PATH = "/slack/events"


async def plus(turn: Turn) -> str:
    """Answer with what was said."""
    return f"+ {turn.message.text}"


@dataclass
class Stage:
    """FakeSlack with a person in a channel, what is kept, and the turns that the handler was given."""

    slack: FakeSlack
    store: ThreadStore
    url: str
    anna: User
    general: Channel
    turns: list[Turn] = field(default_factory=list)
    bot: "asyncio.Task[None] | None" = None

    async def until(self, condition: Callable[[], Awaitable[object] | object]) -> None:
        """Wait for a condition, as `FakeSlack.until`; a bot that ended before it raises what it ended with."""

        async def holds() -> bool:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if not found and self.bot is not None and self.bot.done() and not self.bot.cancelled():
                self.bot.result()
                raise AssertionError("The bot has ended.")
            return bool(found)

        is_so: bool = await self.slack.until(holds)
        assert is_so

    async def answered(self, channel: Channel, count: int = 1) -> list[str]:
        """Wait until the bot has posted so much in a channel and all is acknowledged and kept; return the texts."""
        await self.until(lambda: len(self.slack.posted_by_bot(channel)) >= count)
        await self.settled()
        posted = self.slack.posted_by_bot(channel)
        assert len(posted) == count, posted
        return posted

    async def settled(self) -> None:
        """Wait until every event is acknowledged, and no answer is due or under way."""

        async def is_settled() -> bool:
            await self.slack.quiet()
            return not [each for each in await self.answers() if each.state in UNFINISHED]

        await self.until(is_settled)
        await self.slack.quiet()

    # What is kept

    async def threads(self) -> list[Thread]:
        """Return all threads, oldest first."""
        threads, _ = await self.store.list_threads(limit=1_000)
        return threads[::-1]

    async def thread_at(self, said: Said) -> Thread | None:
        """Return the thread that lives where a message of Slack's stands."""
        return await self.store.provider.get_by_alias(key_of(said).alias)

    async def said_at(self, said: Said) -> list[tuple[str, str]]:
        """Return the roles and texts of the thread where a message of Slack's stands; nothing when there is none."""
        thread = await self.thread_at(said)
        return [] if thread is None else [(message.role, message.text) for message in thread.messages]

    async def kept(self, said: Said) -> Message | None:
        """Return what is kept of a message of Slack's."""
        found = await self.store.provider.find_external(external_of(said))
        return None if found is None else found[1]

    async def answers(self) -> list[Answer]:
        """Return all answers in the order in which they were asked for."""
        return await self.store.provider.list_answers(limit=None)

    async def rejected(self) -> list[RejectedEvent]:
        """Return what was put aside, oldest first."""
        return list(reversed(await self.store.provider.list_rejected_events(limit=None)))


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


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


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
    return Config(
        Path("config.yaml"),
        replace(bot or BotConfig(), shutdown_grace_s=0.2),
        StorageConfig("sql", Provider, {"url": url}),
        AdapterConfigs(slack=settings),
        handler,
    )


@asynccontextmanager
async def running(stage: Stage, config: Config) -> AsyncIterator["asyncio.Task[None]"]:
    """Run a bot; it listens when this is entered. In HTTP mode Slack's requests go to the one that was started last.

    Raises: what the bot ended with before it listened.
    """
    settings = config.adapters.slack
    assert settings is not None
    slack, count = stage.slack, stage.slack.socket_count
    bot = asyncio.create_task(run_bot(config))
    stage.bot = bot
    if settings.app_token is None:
        slack.request_url = f"http://127.0.0.1:{settings.http.port}{settings.http.path}"

    async def listens() -> bool:
        if settings.app_token is not None:
            return slack.socket_count > count
        try:
            return await slack.verify_url()
        except (aiohttp.ClientError, TimeoutError):
            return False

    try:
        await stage.until(listens)
        yield bot
    finally:
        stage.bot = None
        bot.cancel()
        await asyncio.wait([bot])
        if not bot.cancelled():
            bot.exception()


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
        stage = Stage(opened, store, url, anna, opened.add_channel("general", members=[anna]))
        config = config_of(opened, url, mode, handler=_noting(stage, handler), bot=bot, **settings)
        async with running(stage, config):
            yield stage


def _noting(stage: Stage, handler: Handler) -> Handler:
    def note(turn: Turn) -> Any:
        stage.turns.append(turn)
        return handler(turn)

    async def awaited(turn: Turn) -> Any:
        result = note(turn)
        return await result if asyncio.iscoroutine(result) else result

    return awaited


@asynccontextmanager
async def _opened(slack: FakeSlack | None, switches: dict[str, Any]) -> AsyncIterator[FakeSlack]:
    if slack is not None:
        yield slack
        return
    async with FakeSlack(**switches) as opened:
        yield opened
