"""Gaps in what Discord tells: sessions that are lost, a bot that is away, and what is caught up then."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from backscroll.bot.config import BotConfig
from backscroll.storage.values import utc_now
from backscroll.testing.discord.models import Channel
from backscroll.testing.discord.models import Message as Said
from backscroll.testing.discord.models import Thread as ThreadChannel
from tests.scenario.discord import Stage, config_of, running

MESSAGES = "/channels/{channel_id}/messages"
MESSAGE = MESSAGES + "/{message_id}"
REACTIONS = MESSAGE + "/reactions/{emoji}"


async def notes(stage: Stage) -> dict[str, str]:
    """Return until when all is kept, by guild."""
    rows = await stage.store.provider.query("watermarks", {})
    return {row["key"]: row["at"] for row in rows}


async def note_of(stage: Stage, guild: str) -> datetime | None:
    at = (await notes(stage)).get(f'["discord","{guild}"]')
    return None if at is None else datetime.fromisoformat(at)


async def note_of_is_after(stage: Stage, guild: str, before: datetime | None) -> bool:
    at = await note_of(stage, guild)
    return at is not None and (before is None or at > before)


async def caught_up(stage: Stage, since: datetime, *guilds: str) -> None:
    """Wait until all that was said before now is read back, and all is answered."""

    async def is_noted() -> bool:
        noted = [await note_of(stage, guild) for guild in guilds or (stage.discord.guild.id, "@me")]
        return all(at is not None and at >= since for at in noted)

    await stage.until(is_noted)
    await stage.settled()


@asynccontextmanager
async def lost_session(
    stage: Stage, door: asyncio.Event, meanwhile: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[None]:
    """Let the session end; what is done then is told to nobody. At the end a new one is caught up.

    Args: meanwhile: is done when the new one begins.
    """
    door.clear()
    await stage.discord.invalidate_sessions()
    yield
    since = utc_now()
    door.set()
    if meanwhile is not None:
        await meanwhile()
    await caught_up(stage, since)


async def tick(stage: Stage) -> None:
    """Let the next message be of another millisecond: questions are told from what stood before by their instants."""
    now_ms = stage.discord._world.now_ms
    last_ms = now_ms()
    await stage.until(lambda: now_ms() > last_ms)


async def stop(stage: Stage) -> None:
    assert stage.bot is not None
    bot, stage.bot = stage.bot, None
    bot.cancel()
    await asyncio.wait([bot])


async def texts(stage: Stage, said: Said) -> list[str]:
    return [text for _, text in await stage.said_at(said)]


async def talk(stage: Stage, count: int = 3) -> tuple[Said, ThreadChannel]:
    """Let people talk in a thread without the bot."""
    discord, ben = stage.discord, stage.discord.add_user("ben")
    root = await discord.say(stage.anna, stage.general, "said 0")
    thread = await discord.start_thread(stage.anna, stage.general, "Launch", root)
    for number in range(1, count):
        await discord.say(ben, thread, f"said {number}")
    await stage.settled()
    return root, thread


class Away:
    """A bot that was in a thread, and is not there now; what Discord sends meanwhile is lost."""

    def __init__(self, stage: Stage, root: Said, dm: Channel) -> None:
        assert root.thread is not None
        self.stage = stage
        self.discord = stage.discord
        self.anna = stage.anna
        self.ben = stage.discord.add_user("ben")
        self.root = root
        self.live = root.thread
        self.dm = dm

    @property
    def answer(self) -> Said:
        """What the bot said in the thread."""
        return self.discord.own_messages(self.live)[0]

    async def say(self, text: str, channel: Channel | None = None, **given: Any) -> Said:
        """Let Ben say something, in the thread when nothing else is named."""
        return await self.discord.say(self.ben, channel or self.live, text, **given)

    @asynccontextmanager
    async def back(self, *, bot: BotConfig | None = None, **settings: Any) -> AsyncIterator[None]:
        """Bring the bot back, and let it read back."""
        since, config = utc_now(), config_of(self.discord, self.stage.url, bot=bot, **settings)
        self.discord.calls.clear()
        async with running(self.stage, config):
            await caught_up(self.stage, since)
            yield

    async def kept(self, said: Said) -> Any:
        found = await self.stage.kept(said)
        assert found is not None
        return found
