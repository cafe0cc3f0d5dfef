"""The connection over which Discord sends events: discord.py's, and a new one when that is at its end.

discord.py resumes what broke by itself. What it cannot read, or a first connection that fails, ends its client for
good; then another one is made, after a while that grows. Every frame is handed over before discord.py reads it. Proved
by `tests/scenario/test_discord_gateway.py`. Source: docs.discord.com/developers/events/gateway
"""

import asyncio
import contextlib
import logging
import math
import threading
from collections.abc import Callable
from typing import Any

import discord

from backscroll.adapters.discord.api import PORTAL, WAIT_S, DiscordApi
from backscroll.adapters.discord.settings import DiscordSettings
from backscroll.errors import AdapterError, AdapterUnavailableError, named
from backscroll.storage.tasks import to_its_end

log = logging.getLogger(__name__)

BACK_OFF_S = (1.0, 120.0)
"""Seconds before the first new connection, and at most: Discord takes a thousand IDENTIFYs a day."""

STEADY_S = 300.0
"""Seconds that a connection has to last for the next one to be made soon again."""

SILENT_S = 90.0
"""Seconds without a frame, not even an acknowledged heartbeat, after which the connection counts as down."""

GIVE_UP_S = 180.0
"""Seconds without a frame after which another client is made: discord.py would come to wait a quarter of an hour."""

TOLD_EVERY_S = 60.0
CLOSE_S = 5.0

_REFUSED = {
    4004: ("does not take the token", f"Reset it at {PORTAL}, under Bot, and set it anew."),
    4010: ("knows no such shard", "Correct adapters.discord.shards and shard_ids."),
    4011: ("wants this bot in shards", "Set adapters.discord.shards: auto."),
    4012: ("no longer speaks this version of its gateway", "Upgrade discord.py."),
    4013: ("knows no such intents", "Upgrade discord.py."),
    4014: (
        "does not allow an intent",
        f"Switch on Message Content Intent at {PORTAL}, under Bot; or set adapters.discord.message_content: false.",
    ),
}


class Gateway:
    """Keeps one connection, or one for each shard.

    Args: take: gets each frame as it came, in order; must not raise. changed: gets each client before it connects.
    """

    def __init__(
        self,
        api: DiscordApi,
        settings: DiscordSettings,
        take: Callable[[str | bytes], None],
        changed: Callable[[discord.Client], None],
    ) -> None:
        self._api = api
        self._settings = settings
        self._take = take
        self._changed = changed
        self._heard_at = -math.inf

    @property
    def is_open(self) -> bool:
        """Whether something was heard lately."""
        return asyncio.get_running_loop().time() - self._heard_at < SILENT_S

    async def run(self) -> None:
        """Listen until cancelled.

        Raises: AdapterError: Discord refuses for good.
        """
        clock, wait_s = asyncio.get_running_loop().time, BACK_OFF_S[0]
        told_at = -TOLD_EVERY_S
        while True:
            began_at = clock()
            reason = await self._listen()
            if clock() - began_at >= STEADY_S:
                wait_s = BACK_OFF_S[0]
            if clock() - told_at >= TOLD_EVERY_S:
                log.warning("Discord's connection is made anew: %s", reason)
                told_at = clock()
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, BACK_OFF_S[1])

    async def _listen(self) -> str:
        """Run one client to its end, and return what ended it.

        Raises: AdapterError: Discord refuses for good.
        """
        client = self._make_client()
        try:
            await self._api.find_gateway()
            self._changed(client)
            await self._run(client)
        except discord.LoginFailure:
            raise _refusal(4004) from None
        except discord.PrivilegedIntentsRequired:
            raise _refusal(4014) from None
        except discord.ConnectionClosed as error:
            if error.code in _REFUSED:
                raise _refusal(error.code) from None
            return f"it was closed with code {error.code}."
        except AdapterUnavailableError as error:
            return error.message
        except Exception as error:  # noqa: BLE001  # discord.py ends so when it cannot read a frame
            return f"{named(error)}."
        finally:
            await to_its_end(_close(client))  # its heartbeats would outlive a bot that is stopped meanwhile
        return "it was closed, or silent for long."

    async def _run(self, client: discord.Client) -> None:
        """Run a client until it ends, or nothing is heard of it any more. Errors as discord.py's."""
        running = asyncio.ensure_future(client.start(self._settings.token))
        clock, heard_at = asyncio.get_running_loop().time, asyncio.get_running_loop().time()
        try:
            while not running.done() and clock() - heard_at < GIVE_UP_S:
                await asyncio.wait([running], timeout=heard_at + GIVE_UP_S - clock())
                heard_at = max(heard_at, self._heard_at)
            if running.done():
                running.result()
        finally:
            # On 3.11 asyncio.wait_for, in which discord.py connects, may lose a cancellation.
            while not running.done():
                running.cancel()
                await asyncio.wait([running], timeout=1.0)

    def _make_client(self) -> discord.Client:
        intents = discord.Intents.none()
        intents.guilds = intents.messages = intents.reactions = True
        intents.message_content = self._settings.message_content
        shards = self._settings.shards
        client: discord.Client
        if shards is None:
            client = discord.Client(intents=intents, **_LEAN)
        else:
            options: dict[str, Any] = _LEAN | ({} if shards == "auto" else {"shard_count": shards})
            if self._settings.shard_ids is not None:
                options["shard_ids"] = list(self._settings.shard_ids)
            client = discord.AutoShardedClient(intents=intents, **options)

        async def on_socket_raw_receive(frame: str | bytes) -> None:
            self._heard_at = asyncio.get_running_loop().time()
            self._take(frame)

        client.event(on_socket_raw_receive)
        return client


async def _close(client: discord.Client) -> None:
    """Close a client, and wait for its heartbeats, which are threads, to end."""
    beats = _beats_of(client)
    try:
        with contextlib.suppress(Exception):  # whatever state it is in, it is left
            async with asyncio.timeout(CLOSE_S):
                await client.close()
    finally:
        # A connection that was cut off while it was made has one already, and discord.py no longer knows of it.
        beats |= _beats_of(client)
        for beat in beats:
            beat.stop()
    for beat in beats:
        await asyncio.to_thread(beat.join, CLOSE_S)


def _beats_of(client: discord.Client) -> set[discord.gateway.KeepAliveHandler]:
    beats = [each for each in threading.enumerate() if isinstance(each, discord.gateway.KeepAliveHandler)]
    # Nothing else says whose it is.
    return {beat for beat in beats if getattr(beat.ws, "_connection", None) is client._connection}  # noqa: SLF001


def _refusal(code: int) -> AdapterError:
    fact, hint = _REFUSED[code]
    return AdapterError(f"Discord {fact}.", hint)


# What is kept is kept by us: no messages, no members.
_LEAN: dict[str, Any] = {
    "max_messages": None,
    "chunk_guilds_at_startup": False,
    "guild_ready_timeout": 0.0,  # nobody waits for on_ready; a task that does would outlive the client
    "member_cache_flags": discord.MemberCacheFlags.none(),
    "enable_debug_events": True,
    "allowed_mentions": discord.AllowedMentions.none(),
    "max_ratelimit_timeout": WAIT_S,
}
