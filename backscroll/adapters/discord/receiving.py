"""What Discord sends: kept in its order, again and again until it is, or put aside with its reason.

Discord waits for no acknowledgement and sends nothing twice: what is not kept yet waits here, and the watermark stands
before it. Proved by `tests/scenario/test_discord_events.py`, `test_discord_malformed.py` and `test_discord_outage.py`.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ParamSpec

from backscroll.adapters.base import Inbox
from backscroll.adapters.discord.api import DiscordApi, RefusedError
from backscroll.adapters.discord.approvals import Approvals
from backscroll.adapters.discord.chains import Chains
from backscroll.adapters.discord.commands import Commands
from backscroll.adapters.discord.names import GuildNames
from backscroll.adapters.discord.nonces import Nonces
from backscroll.adapters.discord.places import DIRECT, PLATFORM, Identity, Place, PlaceBook, is_snowflake, snowflake_in
from backscroll.adapters.discord.translate import (
    MalformedError,
    deleted_events,
    edited_event,
    mentions,
    message_event,
    place_event,
    reaction_event,
)
from backscroll.adapters.events import Event, MessagePosted
from backscroll.adapters.fields import Fields, need, object_in, unstorable
from backscroll.adapters.lanes import Lanes
from backscroll.adapters.observing import Observer
from backscroll.adapters.rejecting import put_aside
from backscroll.errors import (
    AdapterError,
    AdapterUnavailableError,
    EchoPendingError,
    StorageError,
    StorageUnavailableError,
    named,
)
from backscroll.storage.values import utc_now

log = logging.getLogger(__name__)
P = ParamSpec("P")

WAITING_COUNT = 10_000
"""Events that wait to be kept, at most; what comes on top is read back from the channels' history later."""

RETRY_S = (0.1, 5.0)
"""Seconds before an event is tried again, at first and at most."""

TASK = "an event of Discord's"
"""What the tasks are called that keep events."""

TOLD_EVERY_S = 60.0
_TICK = timedelta(microseconds=1)
_MESSAGES = ("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK")
_REACTIONS = (
    "MESSAGE_REACTION_ADD",
    "MESSAGE_REACTION_REMOVE",
    "MESSAGE_REACTION_REMOVE_ALL",
    "MESSAGE_REACTION_REMOVE_EMOJI",
)
# After CHANNEL_UPDATE a channel that was asked for is asked for anew.
_PLACES = ("CHANNEL_DELETE", "CHANNEL_UPDATE", "THREAD_CREATE", "THREAD_UPDATE", "THREAD_DELETE")


class Receiver:
    """Takes the gateway's frames, until it is closed.

    Args: lanes: the order of what comes for one channel, in which commands stand too. gap: called with a guild, or
        `@me`, whose events may have been missed.
    """

    def __init__(
        self,
        inbox: Inbox,
        api: DiscordApi,
        places: PlaceBook,
        chains: Chains,
        commands: Commands,
        approvals: Approvals,
        nonces: Nonces,
        lanes: Lanes,
        gap: Callable[[str], None],
        observer: Observer | None = None,
    ) -> None:
        self._inbox = inbox
        self._api = api
        self._places = places
        self._chains = chains
        self._commands = commands
        self._approvals = approvals
        self._nonces = nonces
        self._gap = gap
        self._observer = observer or Observer()
        self._lanes = lanes
        self._waiting: dict[asyncio.Task[None], datetime] = {}
        self._now = self._heard_at = utc_now()
        self._told_at = -TOLD_EVERY_S
        self.heard: dict[str, datetime] = {}
        """The guilds of which something was heard, and when last, until somebody takes it out of here."""

    async def close(self) -> None:
        """Let go what waits to be kept; the watermark stands before it."""
        for task in self._waiting:
            task.cancel()
        if self._waiting:
            await asyncio.wait(self._waiting)

    @property
    def kept_until(self) -> datetime:
        """The instant before which all that was said is kept: at most that of the last event, for after it the
        connection may be gone without anybody knowing.
        """
        return min(self._waiting.values(), default=self._heard_at)

    def take(self, frame: str | bytes) -> None:
        """Take a frame; it is kept in its time."""
        try:
            told = json.loads(frame)
        except (ValueError, RecursionError):
            text = frame if isinstance(frame, str) else frame.decode(errors="replace")
            return self._begin(self._patiently(self._put_aside, "It is no JSON.", {"text": text}))
        if not isinstance(told, dict) or (told.get("op", 0) == 0 and not isinstance(told.get("t"), str)):
            return self._begin(self._patiently(self._put_aside, "It is no event of Discord's.", {"event": told}))
        if told.get("op", 0) == 0:
            self._take_event(told["t"], told)
        return None

    async def replay(self, payload: Fields, at: datetime) -> None:
        """Keep what a frame tells of that was put aside at an instant. Errors as `Adapter.replay`."""
        told = payload.get("event")
        kind = told.get("t") if isinstance(told, dict) else None
        if not isinstance(told, dict) or kind not in (*_MESSAGES, *_REACTIONS, *_PLACES):
            raise AdapterError("It is no event: commands, buttons and what was unreadable are not played again.")
        await self._record(kind, told, None, at)

    def _take_event(self, kind: str, told: Fields) -> None:
        data, self._heard_at = told.get("d"), utc_now()
        match kind:
            case "READY":
                self._observer.connection_made(PLATFORM)
                self._lose(_guilds_of(data))  # each is read back first, when it comes
                self._gap(DIRECT)
            case "RESUMED":
                self._observer.connection_made(PLATFORM)
            case "GUILD_CREATE":
                if isinstance(data, dict) and is_snowflake(data.get("id")) and not data.get("unavailable"):
                    self._gap(data["id"])
            case "GUILD_DELETE":  # the bot is out of it, or nothing is told of it for a while
                self._lose(_guilds_of({"guilds": [data]}))
            case "INTERACTION_CREATE":
                self._begin(self._take_interaction(told))
            case _ if kind in _MESSAGES or kind in _REACTIONS or kind in _PLACES:
                self._take_told(kind, told)

    def _lose(self, guilds: list[str]) -> None:
        """Note nothing of guilds any more: what is said there is not heard."""
        for guild in guilds:
            self.heard.pop(guild, None)

    def _take_told(self, kind: str, told: Fields) -> None:
        # Discord gives most changes no time of their own: it is the order in which they come.
        self._now = max(self._now + _TICK, utc_now())
        data, at = told.get("d"), self._now
        fields = data if isinstance(data, dict) else {}
        channel, guild = fields.get("channel_id" if kind not in _PLACES else "id"), fields.get("guild_id")
        workspace = guild if is_snowflake(guild) else DIRECT
        self.heard[workspace] = at
        known: Place | None = None
        if is_snowflake(channel) and (guild is None or is_snowflake(guild)):
            known = self._places.known(channel, guild)
            if kind in _PLACES:
                self._places.forget(channel)
        author = fields.get("author")
        is_echo = isinstance(author, dict) and self._commands.is_us(author.get("id"))
        # A post of ours may have to wait for its mark, and holds up nobody.
        lane = (channel,) if is_snowflake(channel) and not is_echo else None
        if len(self._waiting) >= WAITING_COUNT:
            self._gap(workspace)
            return
        # What is being kept of a channel's threads goes before the channel's end: it has lanes of its own.
        before = list(self._waiting) if kind == "CHANNEL_DELETE" else []
        self._begin(self._keep(kind, told, known, at, lane, before))

    async def _keep(
        self,
        kind: str,
        told: Fields,
        known: Place | None,
        at: datetime,
        lane: tuple[str, ...] | None,
        before: list["asyncio.Task[None]"],
    ) -> None:
        if before:
            await asyncio.wait(before)
        async with self._lanes.lane(lane):
            try:
                await self._patiently(self._record, kind, told, known, at)
            except MalformedError as error:
                await self._patiently(self._put_aside, str(error), {"event": told})
            except RefusedError as error:
                log.info("A channel of Discord's is not read: %s", error.message)
            except Exception as error:  # noqa: BLE001  # whatever is wrong with it, the next one is heard
                await self._patiently(self._put_aside, f"{named(error)}.", {"event": told})

    async def _take_interaction(self, told: Fields) -> None:
        try:
            given = need(object_in, told, "d")
            await self._commands.take(given)
            await self._approvals.take(given)
        except MalformedError as error:
            data = told.get("d")
            shown = data | {"token": None} if isinstance(data, dict) else data
            await self._patiently(self._put_aside, str(error), {"event": told | {"d": shown}})

    async def _record(self, kind: str, told: Fields, known: Place | None, at: datetime) -> None:
        for event in await self._events(kind, need(object_in, told, "d"), known, at):
            try:
                await self._inbox.record(event)
            except ValueError as error:
                raise unstorable(error) from None

    async def _events(self, kind: str, data: Fields, known: Place | None, at: datetime) -> list[Event]:
        if kind in _PLACES:
            event = place_event(kind, data) if kind != "CHANNEL_UPDATE" else None
            return [] if event is None else [event]
        channel, guild = need(snowflake_in, data, "channel_id"), snowflake_in(data, "guild_id")
        there = Place(guild or DIRECT, channel, "channel")  # enough to name a message by, whatever kind of place it is
        if kind in ("MESSAGE_DELETE", "MESSAGE_DELETE_BULK"):
            return deleted_events(kind, data, there, at)
        if kind in _REACTIONS:
            return [reaction_event(kind, data, there, at)]
        place = known or await self._places.find(channel, guild)
        us = await self._places.identity(place.guild)
        names = GuildNames(self._places, place.guild)
        found = (
            await self._posted(data, place, us, names)
            if kind == "MESSAGE_CREATE"
            else edited_event(data, place, us, names)
        )
        return [] if found is None else [found]

    async def _posted(self, data: Fields, place: Place, us: Identity, names: GuildNames) -> MessagePosted | None:
        asks = mentions(data, us) or _replies_to(data, us.user_id)
        root = await self._chains.root(data, place, asks=asks)
        posted = message_event(data, place, us, names, root=root)
        return None if posted is None else replace(posted, token=self._nonces.token_of(posted.token))

    async def _put_aside(self, reason: str, payload: dict[str, Any]) -> None:
        log.warning("An event of Discord's is put aside: %s", reason, extra={"platform": PLATFORM})
        await put_aside(self._inbox, PLATFORM, reason, payload)

    async def _patiently(self, step: Callable[P, Awaitable[None]], *args: P.args, **options: P.kwargs) -> None:
        """Take a step again and again while the storage, or Discord, does not answer."""
        wait_s, clock = RETRY_S[0], asyncio.get_running_loop().time
        while True:
            try:
                return await step(*args, **options)
            except EchoPendingError:
                pass
            except (StorageUnavailableError, AdapterUnavailableError) as error:
                if clock() - self._told_at >= TOLD_EVERY_S:
                    log.warning("%d events of Discord's wait to be kept: %s", len(self._waiting), error.message)
                    self._told_at = clock()
            except StorageError as error:
                log.error("An event of Discord's is not kept: %s", error.message)
                return None
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, RETRY_S[1])

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=TASK)
        self._waiting[task] = utc_now()
        task.add_done_callback(self._end)

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._waiting.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("An event of Discord's is not kept: %s.", named(error))


def _guilds_of(ready: Any) -> list[str]:
    guilds = ready.get("guilds") if isinstance(ready, dict) else None
    ids = [each.get("id") for each in guilds if isinstance(each, dict)] if isinstance(guilds, list) else []
    return [each for each in ids if isinstance(each, str)]


def _replies_to(message: Fields, user_id: str) -> bool:
    """Tell whether a message replies to one of somebody's, also without notifying them."""
    above = message.get("referenced_message")
    author = above.get("author") if isinstance(above, dict) else None
    return isinstance(author, dict) and author.get("id") == user_id
