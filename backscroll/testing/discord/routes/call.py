"""One REST call: what was asked, the ways to read its arguments, and how Discord says no.

Source: docs.discord.com/developers/topics/opcodes-and-status-codes, JSON Error Codes.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from backscroll.testing.discord.emoji import read_emoji
from backscroll.testing.discord.models import Channel, Guild, Json, Message, Thread, User
from backscroll.testing.discord.places import Places
from backscroll.testing.discord.talk import Talk
from backscroll.testing.discord.views import Views
from backscroll.testing.discord.world import World


class ApiError(Exception):
    """A route says no, with Discord's own code and words."""

    def __init__(self, status: int, code: int, message: str, errors: Json | None = None) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors
        super().__init__(message)

    @property
    def body(self) -> Json:
        """What the answer holds."""
        body: Json = {"message": self.message, "code": self.code}
        return body if self.errors is None else {**body, "errors": self.errors}


def bad_form(name: str, code: str, message: str) -> ApiError:
    """Return the 50035 that names one field of the form."""
    return ApiError(400, 50035, "Invalid Form Body", {name: {"_errors": [{"code": code, "message": message}]}})


class Upload(NamedTuple):
    """A file that came with a call; `number` is the n of `files[n]`."""

    number: str
    name: str
    content: bytes
    mimetype: str | None


@dataclass(slots=True)
class Desk:
    """What the routes work on."""

    world: World
    views: Views
    talk: Talk
    places: Places
    gateway_url: Callable[[], str]


@dataclass(slots=True)
class Call:
    """One call. `ids` are the parts of its path that are named, `form` is its JSON."""

    method: str
    path: str
    ids: dict[str, str]
    query: dict[str, str]
    body: Any
    desk: Desk
    uploads: list[Upload] = field(default_factory=list)

    @property
    def form(self) -> Json:
        """The JSON object that came, or an empty one."""
        return self.body if isinstance(self.body, dict) else {}

    @property
    def bot(self) -> User:
        """Who acts."""
        return self.desk.world.bot

    def limit(self, default: int = 50, most: int = 100) -> int:
        """Return the query's limit.

        Raises: ApiError: 50035, it is no number from 1 to `most`.
        """
        given = self.query.get("limit", str(default))
        if not given.isdecimal() or not 1 <= int(given) <= most:
            raise bad_form("limit", "NUMBER_TYPE_MAX", f"int value should be between 1 and {most}.")
        return int(given)

    def channel(self) -> Channel:
        """Return the channel that the path names.

        Raises: ApiError: 10003, there is none; 50001, the bot does not see it.
        """
        channel = self.desk.world.channels.get(self.ids["channel_id"])
        if channel is None:
            raise ApiError(404, 10003, "Unknown Channel")
        if not channel.is_readable:
            raise ApiError(403, 50001, "Missing Access")
        return channel

    def thread(self) -> Thread:
        """Return the thread that the path names.

        Raises: ApiError: 10003; 50001; 50024, it is no thread.
        """
        channel = self.channel()
        if not isinstance(channel, Thread):
            raise ApiError(400, 50024, "Cannot execute action on this channel type")
        return channel

    def guild(self) -> Guild:
        """Return the guild that the path names.

        Raises: ApiError: 10004, there is none with the bot in it.
        """
        guild = self.desk.world.guilds.get(self.ids["guild_id"])
        if guild is None or not guild.has_bot:
            raise ApiError(404, 10004, "Unknown Guild")
        return guild

    def need(self, channel: Channel, permission: str) -> None:
        """Let the call go on where the bot has a permission.

        Raises: ApiError: 50013.
        """
        if not channel.allows(permission):
            raise ApiError(403, 50013, "Missing Permissions")

    def need_awake(self, channel: Channel) -> None:
        """Let the call go on unless the channel is an archived thread.

        Raises: ApiError: 50083.
        """
        if isinstance(channel, Thread) and channel.is_archived:
            raise ApiError(400, 50083, "Thread is archived")

    def message(self, channel: Channel) -> Message:
        """Return the message that the path names.

        Raises: ApiError: 10008.
        """
        message = channel.messages.get(self.ids["message_id"])
        if message is None:
            raise ApiError(404, 10008, "Unknown Message")
        return message

    def emoji(self) -> Json:
        """Return the emoji that the path names.

        Raises: ApiError: 10014.
        """
        emoji = read_emoji(self.ids["emoji"])
        if emoji is None:
            raise ApiError(400, 10014, "Unknown Emoji")
        return emoji

    def shown(self, message: Message) -> Json:
        """Return a message as REST shows it to the bot: without its nonce, and bare if the portal says so."""
        return self.desk.views.message(message, bare=not self.desk.world.switches.message_content_allowed)


# What a route gives is answered as JSON; None is a 204.
Route = Callable[[Call], Coroutine[Any, Any, Any]]
