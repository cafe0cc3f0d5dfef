"""One call of a Web API method: what was asked, for whom, and the ways to read its arguments."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from backscroll.testing.slack.models import Channel, Json, Message, Team, User
from backscroll.testing.slack.talk import Talk
from backscroll.testing.slack.workspace import Workspace

TRUE = frozenset({"1", "true", "t", "yes"})


class ApiError(Exception):
    """A method says no; its name is what `error` holds."""

    def __init__(self, name: str, *, retry_after_s: int | None = None) -> None:
        self.name = name
        self.retry_after_s = retry_after_s
        super().__init__(name)


@dataclass(slots=True)
class Desk:
    """What the methods work on. `asked_s` is when a method with a rate limit was last called, by token's team."""

    workspace: Workspace
    talk: Talk
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    asked_s: dict[tuple[str, str], float] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """One call with a token that holds."""

    method: str
    params: Json
    team: Team
    desk: Desk
    token: str = field(default="", repr=False)

    @property
    def bot(self) -> User:
        """Who acts: the bot user of the token's team."""
        return self.team.bot

    def text(self, name: str) -> str:
        """Return an argument as text; empty when it is missing."""
        value = self.params.get(name)
        return value if isinstance(value, str) else "" if value is None else str(value)

    def flag(self, name: str) -> bool:
        """Return an argument as a truth value, in any of the forms that clients send."""
        return self.text(name).lower() in TRUE

    def items(self, name: str) -> list[Any] | None:
        """Return a list argument, or None when it is missing.

        Raises: ApiError: invalid_arguments, it is no list.
        """
        value = self.params.get(name)
        if value is not None and not isinstance(value, list):
            raise ApiError("invalid_arguments")
        return value

    def channel(self, name: str = "channel") -> Channel:
        """Return the conversation that an argument names. A user's id stands for the direct message with them.

        Raises: ApiError: channel_not_found, no such conversation, or a private one without the bot.
        """
        workspace = self.desk.workspace
        channel_id = self.text(name)
        channel = workspace.channel(self.team, channel_id)
        if channel is None and (user := workspace.users.get(channel_id)) is not None:
            channel = workspace.open_with([user], self.team)
        if channel is None or (channel.is_private and not channel.is_bot_member):
            raise ApiError("channel_not_found")
        return channel

    def own_channel(self, name: str = "channel") -> Channel:
        """Return the conversation that an argument names, where the bot may speak.

        Raises: ApiError: channel_not_found; not_in_channel; is_archived.
        """
        channel = self.channel(name)
        if not channel.is_bot_member:
            raise ApiError("not_in_channel")
        if channel.is_archived:
            raise ApiError("is_archived")
        return channel

    def message(self, channel: Channel, name: str = "ts") -> Message:
        """Return the message that an argument names.

        Raises: ApiError: message_not_found.
        """
        message = channel.messages.get(self.text(name))
        if message is None:
            raise ApiError("message_not_found")
        return message

    def own_message(self, channel: Channel, error: str) -> Message:
        """Return the app's own message that `ts` names.

        Raises: ApiError: message_not_found, or `error` when it is not the app's own.
        """
        message = self.message(channel)
        if message.bot_id != self.team.bot_id or message.subtype == "tombstone":
            raise ApiError(error)
        return message

    def root(self, channel: Channel) -> Message | None:
        """Return the message that `thread_ts` names, or None without one.

        Raises: ApiError: thread_not_found.
        """
        thread_ts = self.text("thread_ts")
        if not thread_ts:
            return None
        root = channel.messages.get(thread_ts)
        if root is None:
            raise ApiError("thread_not_found")
        return root


Method = Callable[[Call], Coroutine[Any, Any, Json]]
