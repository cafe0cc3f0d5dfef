"""A fake Discord, and the real discord.py on it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import discord
import pytest
import yarl
from discord.gateway import DiscordWebSocket, KeepAliveHandler
from discord.http import Route

from backscroll.testing import FakeDiscord
from backscroll.testing.discord.models import Channel, User

CHOSEN = ("message", "message_edit", "raw_message_edit", "raw_message_delete", "raw_bulk_message_delete",
          "raw_reaction_add", "raw_reaction_remove", "raw_reaction_clear", "raw_reaction_clear_emoji", "thread_create",
          "thread_join", "thread_update", "raw_thread_update", "raw_thread_delete", "guild_channel_create",
          "guild_channel_delete", "guild_channel_update", "guild_remove", "guild_join", "guild_unavailable",
          "guild_available", "resumed", "ready", "connect", "interaction")  # fmt: skip


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as opened:
        yield opened


@pytest.fixture
def anna(fake: FakeDiscord) -> User:
    return fake.add_user("anna", display_name="Anna")


@pytest.fixture
def general(fake: FakeDiscord) -> Channel:
    return fake.add_channel("general")


@pytest.fixture(autouse=True)
def addresses() -> Iterator[None]:
    """Restore what points discord.py somewhere."""
    rest, gateway = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    yield
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = rest, gateway


@pytest.fixture(autouse=True)
def heartbeats() -> Iterator[None]:
    """End the heartbeats that discord.py forgets: threads, which would fail some later test."""
    yield
    for each in threading.enumerate():
        if isinstance(each, KeepAliveHandler):
            each.stop()
            each.join(5)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


class Hasty(discord.Client):
    """A client that never pauses before an IDENTIFY."""

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Identify at once."""


class Bot(Hasty):
    """A client that keeps every event it sees, its own too."""

    def __init__(self, fake: FakeDiscord, intents: discord.Intents | None = None, **options: Any) -> None:
        super().__init__(intents=intents or all_intents(), guild_ready_timeout=0.01, **options)
        self.fake = fake
        self.seen: list[tuple[str, Any]] = []
        self.running: asyncio.Task[None] | None = None

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        if event in CHOSEN:
            self.seen.append((event, args[-1] if args else None))
        super().dispatch(event, *args, **kwargs)

    async def begin(self) -> None:
        """Start, and wait until it is ready."""
        point_at(self.fake)
        running = self.running = asyncio.create_task(self.start(self.fake.token))
        await self.fake.until(lambda: self.is_ready() or running.done())
        if running.done():
            running.result()

    async def end(self) -> None:
        await self.close()
        if self.running is not None:
            await asyncio.gather(self.running, return_exceptions=True)

    def of(self, event: str) -> list[Any]:
        """Return what came with every event of this name, oldest first."""
        return [given for name, given in self.seen if name == event]

    @property
    def texts(self) -> list[str]:
        return [message.content for message in self.of("message")]

    def text_channel(self, place: Any) -> Any:
        found = self.get_channel(int(place.id))
        assert found is not None
        return found


def all_intents() -> discord.Intents:
    intents = discord.Intents.default()
    intents.message_content = True
    return intents


def point_at(fake: FakeDiscord) -> None:
    Route.BASE = fake.api_url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(fake.gateway_url)


@asynccontextmanager
async def running(client: discord.Client) -> AsyncIterator[asyncio.Task[None]]:
    """Connect a client that is logged in, and close it at the end."""
    task = asyncio.create_task(client.connect())
    try:
        yield task
    finally:
        await client.close()
        await asyncio.gather(task, return_exceptions=True)


Begin = Callable[..., Any]


@pytest.fixture
async def begin(fake: FakeDiscord) -> AsyncIterator[Begin]:
    """Give a function that starts one more client."""
    bots: list[Bot] = []

    async def start(intents: discord.Intents | None = None, **options: Any) -> Bot:
        bot = Bot(fake, intents, **options)
        bots.append(bot)
        await bot.begin()
        return bot

    yield start
    for bot in bots:
        await bot.end()


@pytest.fixture
async def bot(begin: Begin, general: Channel) -> Bot:
    """Give a client that is ready, and knows the channel."""
    started: Bot = await begin()
    return started
