"""Channels, threads and direct messages: what an id that Discord sends stands for.

Reads discord.py's cache, which the gateway fills; asks Discord for what it does not have, such as archived threads.
Proved by `tests/scenario/test_discord_places.py`. Source: docs.discord.com/developers/topics/threads
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeGuard

import discord

from backscroll.adapters.discord.api import DiscordApi
from backscroll.adapters.fields import Fields, MalformedError, text_in
from backscroll.storage.keys import ThreadKey

PLATFORM = "discord"
DIRECT = "@me"
"""What links and keys call the guild of direct messages."""

EPOCH_MS = 1_420_070_400_000
"""The first millisecond that a snowflake counts. Source: docs.discord.com/developers/reference#snowflakes"""

REMEMBERED_COUNT = 1_000

_IDS, _DIGITS = 1 << 64, 20
_TEXT, _DM, _GROUP_DM, _NEWS = 0, 1, 3, 5
_THREADS = (10, 11, 12)
_FORUMS = (15, 16)
_Channel = discord.abc.GuildChannel | discord.Thread


@dataclass(frozen=True, slots=True)
class Place:
    """Where messages stand: a channel, a thread with its channel as `parent`, or direct messages.

    `opens_threads`: whether a thread can be begun from a message there. `in_forum`: a thread whose first message stands
    in it, and not in its parent.
    """

    guild: str
    id: str
    kind: Literal["channel", "thread", "direct"]
    name: str | None = None
    parent: str | None = None
    parent_name: str | None = None
    in_forum: bool = False
    opens_threads: bool = False

    @property
    def channel(self) -> str:
        """The channel that keys name: a thread's parent, or the place itself."""
        return self.parent or self.id

    @property
    def channel_name(self) -> str | None:
        """What that channel is called."""
        return self.parent_name if self.kind == "thread" else self.name

    def key(self, message_id: str, root: str | None = None) -> ThreadKey:
        """Name the thread that a message stands in.

        Args: root: the message that its chain of replies began with; None means that it begins one.
        Raises: ValueError: the ids make no key.
        """
        thread = self.id if self.kind != "channel" else root or message_id
        return ThreadKey(PLATFORM, self.guild, self.channel, thread)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is in one guild: its user, its application, and the role that is its alone there."""

    user_id: str
    application_id: str
    role_id: str | None = None


class PlaceBook:
    """Finds places."""

    def __init__(self, api: DiscordApi) -> None:
        self._api = api
        self._asked: OrderedDict[str, Place] = OrderedDict()
        self._client: discord.Client | None = None

    def use(self, client: discord.Client) -> None:
        """Read the cache of the client that is connected now."""
        self._client = client

    def known(self, channel_id: str, guild_id: str | None) -> Place | None:
        """Return a place without asking for it; None when it is not known. What has no guild is a direct message."""
        if guild_id is None:
            return Place(DIRECT, channel_id, "direct")
        channel = self._cached(channel_id)
        if channel is not None:
            return _place(channel)
        return self._asked.get(channel_id)

    async def find(self, channel_id: str, guild_id: str | None) -> Place:
        """Return a place.

        Raises: RefusedError: Discord does not show it to the bot. AdapterUnavailableError: it does not answer.
        """
        known = self.known(channel_id, guild_id)
        if known is not None:
            return known
        told = await self._api.call("GET", "/channels/{channel_id}", channel_id=channel_id)
        place = self._told(channel_id, guild_id or DIRECT, told if isinstance(told, dict) else {})
        self._asked[channel_id] = place
        if len(self._asked) > REMEMBERED_COUNT:
            self._asked.popitem(last=False)
        return place

    def forget(self, channel_id: str) -> None:
        """Ask for a place anew: it was changed, or deleted."""
        self._asked.pop(channel_id, None)

    def role_name(self, guild_id: str | None, role_id: str) -> str | None:
        """Return what a role is called."""
        guild = self._guild(guild_id)
        role = guild.get_role(number(role_id)) if guild is not None else None
        return None if role is None else role.name

    def channel_name(self, channel_id: str) -> str | None:
        """Return what a channel or thread is called."""
        channel = self._cached(channel_id)
        return None if channel is None else channel.name

    async def identity(self, guild_id: str) -> Identity:
        """Return who the bot is in a guild. Errors as `DiscordApi.call`."""
        us, guild = await self._api.us(), self._guild(guild_id)
        role = guild.self_role if guild is not None else None
        return Identity(us.user_id, us.application_id, None if role is None else str(role.id))

    def is_readable(self, channel_id: str) -> bool:
        """Tell whether the bot may read what was said in a channel, as far as that is known."""
        channel = self._cached(channel_id)
        return channel is None or _may_read(channel) is not False

    def changed_since(self, guild_id: str, since: datetime) -> list[ThreadKey]:
        """Return the channels and active threads of a guild in which something was said since, as the bot may read."""
        guild, from_id = self._guild(guild_id), int(snowflake(since))
        channels: list[_Channel] = [] if guild is None else [*guild.channels, *guild.threads]
        found = []
        for channel in channels:
            last_id = getattr(channel, "last_message_id", None) or 0
            is_forum = isinstance(channel, discord.ForumChannel)  # whose posts are threads
            if last_id < from_id or is_forum or not _may_read(channel):
                continue
            place = _place(channel)
            thread = place.id if place.kind == "thread" else place.channel
            found.append(ThreadKey(PLATFORM, place.guild, place.channel, thread))
        return found

    def _guild(self, guild_id: str | None) -> discord.Guild | None:
        return None if self._client is None else self._client.get_guild(number(guild_id or ""))

    def _cached(self, channel_id: str) -> "_Channel | None":
        channel = None if self._client is None else self._client.get_channel(number(channel_id))
        return channel if isinstance(channel, discord.abc.GuildChannel | discord.Thread) else None

    def _told(self, channel_id: str, guild_id: str, told: dict[str, Any]) -> Place:
        kind, name, parent = told.get("type"), told.get("name"), told.get("parent_id")
        name = name if isinstance(name, str) else None
        if kind in (_DM, _GROUP_DM):
            return Place(DIRECT, channel_id, "direct")
        if kind not in _THREADS or not isinstance(parent, str):
            return Place(guild_id, channel_id, "channel", name, opens_threads=kind in (_TEXT, _NEWS))
        above = self._cached(parent)
        in_forum = above is not None and above.type.value in _FORUMS
        parent_name = None if above is None else above.name
        return Place(guild_id, channel_id, "thread", name, parent, parent_name, in_forum=in_forum)


def snowflake(at: datetime) -> str:
    """Return the first id that Discord can have given out at an instant."""
    return str(max(int(at.timestamp() * 1000) - EPOCH_MS, 0) << 22)


def snowflake_in(fields: Fields, path: str) -> str | None:
    """Read an id of Discord's. Raises: MalformedError: it is something else."""
    value = text_in(fields, path)
    if value is not None and not is_snowflake(value):
        raise MalformedError(f"{path} is a snowflake, got another text.")
    return value


def is_snowflake(value: Any) -> TypeGuard[str]:
    """Tell whether something is an id as Discord gives them out."""
    return (
        isinstance(value, str) and len(value) <= _DIGITS and value.isascii() and value.isdigit() and int(value) < _IDS
    )


def instant(message_id: str) -> datetime:
    """Return when Discord gave an id out, to the millisecond.

    Raises: ValueError: it is no snowflake.
    """
    if not is_snowflake(message_id):
        raise ValueError("it is no snowflake")
    return datetime.fromtimestamp(EPOCH_MS / 1000, UTC) + timedelta(milliseconds=int(message_id) >> 22)


def _may_read(channel: _Channel) -> bool | None:
    """Tell whether the bot may read what was said in a channel; None where nobody can tell."""
    is_lost = isinstance(channel, discord.Thread) and channel.parent is None
    me = None if is_lost else channel.guild.me
    return None if me is None else channel.permissions_for(me).read_message_history


def _place(channel: _Channel) -> Place:
    guild = str(channel.guild.id)
    if not isinstance(channel, discord.Thread):
        opens = channel.type.value in (_TEXT, _NEWS)
        return Place(guild, str(channel.id), "channel", channel.name, opens_threads=opens)
    parent = channel.parent
    return Place(
        guild,
        str(channel.id),
        "thread",
        channel.name,
        str(channel.parent_id),
        None if parent is None else parent.name,
        in_forum=parent is not None and parent.type.value in _FORUMS,
    )


def number(value: str) -> int:
    """Return an id as the number that it is, in the order of time; 0 for what is none."""
    return int(value) if is_snowflake(value) else 0
