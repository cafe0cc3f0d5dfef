"""Reading back what was said while nobody listened, and noting how far all is kept.

A gap is told by Discord itself: READY begins a session that knows nothing of the one before, and each guild follows it.
A session that is resumed has no gap. Proved by `tests/scenario/test_discord_gaps.py` and
`test_discord_watermark.py`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable

from backscroll.adapters.base import Inbox
from backscroll.adapters.discord.commands import Commands
from backscroll.adapters.discord.gateway import Gateway
from backscroll.adapters.discord.places import PLATFORM
from backscroll.adapters.discord.receiving import Receiver
from backscroll.errors import AdapterError, StorageError

log = logging.getLogger(__name__)

LOOK_S = 1.0
NOTE_S = 30.0
"""Seconds between two notes that all is kept until now."""

RETRY_S = 30.0
TOLD_EVERY_S = 60.0


class CatchingUp:
    """Reads guilds back one after the other, and looks after the commands."""

    def __init__(self, inbox: Inbox, commands: Commands) -> None:
        self._inbox = inbox
        self._commands = commands
        self._gaps: dict[str, float] = {}
        self._changed = asyncio.Event()

    def note_gap(self, guild: str) -> None:
        """Let a guild, or `@me`, be read back."""
        self._gaps[guild] = 0.0
        self._changed.set()

    async def run(self, gateway: Gateway, receiver: Receiver) -> None:
        """Read back, and note how far all is kept, until cancelled."""
        clock = asyncio.get_running_loop().time
        note_at, down_at = clock() + NOTE_S, clock()
        while True:
            await self._read_back(receiver)
            if gateway.is_open:
                down_at = clock()
                if clock() >= note_at:
                    await self._note(receiver)
                    note_at = clock() + NOTE_S
            elif clock() - down_at >= TOLD_EVERY_S:
                log.warning("Discord's connection is down; it is opened again.")
                down_at = clock()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._changed.wait()

    async def register(self) -> None:
        """Tell Discord of the commands, again and again until it has them; nothing waits for that."""
        while True:
            if await _is_done("Discord does not have the commands yet", self._commands.register()):
                return
            await asyncio.sleep(RETRY_S)

    async def _read_back(self, receiver: Receiver) -> None:
        self._changed.clear()
        for guild, not_before in list(self._gaps.items()):
            now = asyncio.get_running_loop().time()
            if not_before > now:
                continue
            self._gaps.pop(guild)
            reading = self._inbox.catch_up(PLATFORM, guild)
            if await _is_done("What was said meanwhile is not read back yet", reading):
                receiver.heard.setdefault(guild, receiver.kept_until)
                if guild not in self._gaps:  # another gap, which began meanwhile
                    await self._note_guild(receiver, guild)
            else:
                self._gaps.setdefault(guild, now + RETRY_S)

    async def _note(self, receiver: Receiver) -> None:
        for guild in list(receiver.heard):
            if guild not in self._gaps:
                await self._note_guild(receiver, guild)
        await _is_done("Old commands are not forgotten yet", self._commands.sweep())

    async def _note_guild(self, receiver: Receiver, guild: str) -> None:
        """Note how far all of a guild is kept; what comes meanwhile is noted the next time."""
        heard_at = receiver.heard.get(guild)
        noting = self._inbox.keep_watermark(PLATFORM, guild, receiver.kept_until)
        is_noted = await _is_done("How far all is kept is not noted yet", noting)
        if is_noted and receiver.heard.get(guild) == heard_at:
            receiver.heard.pop(guild, None)


async def _is_done(otherwise: str, work: Awaitable[None]) -> bool:
    try:
        await work
    except (AdapterError, StorageError) as error:
        log.warning("%s: %s", otherwise, error.message)
        return False
    return True
