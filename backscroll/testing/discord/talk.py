"""What can be done to messages, by a person or by the bot: post, change, remove, react.

Each deed changes the state first and emits its events after. Knows neither REST nor how events travel.
Proved by `tests/unit/testing/discord/test_messages.py` and `test_reactions.py`.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

from backscroll.testing.discord.emoji import key_of
from backscroll.testing.discord.events import (
    DIRECT_MESSAGES,
    DIRECT_REACTIONS,
    GUILD_MESSAGES,
    GUILD_REACTIONS,
    GUILDS,
    Event,
)
from backscroll.testing.discord.models import Channel, Json, Message, Reaction, Thread, User
from backscroll.testing.discord.views import Views
from backscroll.testing.discord.world import World

Emit = Callable[[Event], None]
# Discord's edits have microseconds: no two of one message are at one time.
TICK = timedelta(microseconds=1)


class Talk:
    """The deeds that concern messages."""

    def __init__(self, world: World, views: Views, emit: Emit) -> None:
        self._world = world
        self._views = views
        self._emit = emit

    def post(self, message: Message) -> Message:
        """Let a new message stand in its channel, and tell of it; an archived thread comes back before."""
        channel = message.channel
        if isinstance(channel, Thread) and not message.is_ephemeral:
            if channel.is_archived:
                self.unarchive(channel)
            channel.members.setdefault(message.author.id, message.author)
            channel.total_count += 1
            channel.message_count += 1
        if not message.is_ephemeral:
            channel.messages[message.id] = message
            channel.last_message_id = message.id
        self._tell(message, "MESSAGE_CREATE", nonce=message.nonce)
        return message

    def change(self, message: Message, change: Callable[[], None] | None = None, *, is_edit: bool = False) -> None:
        """Change a message and tell of it; `is_edit` gives it an edited_timestamp."""
        if change is not None:
            change()
        if is_edit:
            now, before = self._world.now(), message.edited_at
            message.edited_at = now if before is None else max(now, before + TICK)
        self._tell(message, "MESSAGE_UPDATE")

    def remove(self, message: Message) -> None:
        """Delete a message; its thread stays."""
        self._take_out(message)
        data: Json = {"id": message.id, **self._place(message)}
        self._emit_in(message.channel, "MESSAGE_DELETE", data, GUILD_MESSAGES, DIRECT_MESSAGES)

    def remove_all(self, channel: Channel, messages: Sequence[Message]) -> None:
        """Delete several messages of a channel, told as one event."""
        for message in messages:
            self._take_out(message)
        data: Json = {"ids": [message.id for message in messages], "channel_id": channel.id}
        if channel.guild is not None:
            data["guild_id"] = channel.guild.id
        self._emit_in(channel, "MESSAGE_DELETE_BULK", data, GUILD_MESSAGES, DIRECT_MESSAGES)

    def react(self, user: User, message: Message, emoji: Json) -> None:
        """Let someone react; twice is once."""
        reaction = message.reactions.setdefault(key_of(emoji), Reaction(emoji))
        if user in reaction.users:
            return
        reaction.users.append(user)
        data = self._reaction(message, emoji, user)
        data["message_author_id"] = message.author.id
        if message.channel.guild is not None:
            data["member"] = self._views.member(user, message.channel.guild, with_user=True)
        self._emit_reaction(message, "MESSAGE_REACTION_ADD", data)

    def unreact(self, user: User, message: Message, emoji: Json) -> None:
        """Take someone's reaction back; one that was never given is none."""
        reaction = message.reactions.get(key_of(emoji))
        if reaction is None or user not in reaction.users:
            return
        reaction.users.remove(user)
        if not reaction.users:
            del message.reactions[key_of(emoji)]
        self._emit_reaction(message, "MESSAGE_REACTION_REMOVE", self._reaction(message, emoji, user))

    def clear_reactions(self, message: Message, emoji: Json | None = None) -> None:
        """Take all reactions from a message, or all of one emoji."""
        data: Json = {"message_id": message.id, **self._place(message)}
        if emoji is None:
            message.reactions.clear()
            self._emit_reaction(message, "MESSAGE_REACTION_REMOVE_ALL", data)
        else:
            message.reactions.pop(key_of(emoji), None)
            self._emit_reaction(message, "MESSAGE_REACTION_REMOVE_EMOJI", {**data, "emoji": emoji})

    def unarchive(self, thread: Thread) -> None:
        """Bring a thread back, and tell of it."""
        thread.is_archived = False
        thread.archived_at = self._world.now()
        self._emit_in(thread, "THREAD_UPDATE", self._views.channel(thread), GUILDS, GUILDS)

    def _take_out(self, message: Message) -> None:
        message.is_deleted = True
        found = message.channel.messages.pop(message.id, None)
        if found is not None and isinstance(message.channel, Thread):
            message.channel.message_count -= 1

    def _tell(self, message: Message, name: str, nonce: str | int | None = None) -> None:
        channel = message.channel
        data = self._views.message(message, live=True)
        bare = self._views.message(message, live=True, bare=True)
        if nonce is not None:
            data["nonce"] = bare["nonce"] = nonce
        self._emit_in(channel, name, data, GUILD_MESSAGES, DIRECT_MESSAGES, bare)

    def _place(self, message: Message) -> Json:
        guild = None if message.is_ephemeral else message.channel.guild
        place = {"channel_id": message.channel.id}
        return place if guild is None else {**place, "guild_id": guild.id}

    def _reaction(self, message: Message, emoji: Json, user: User) -> Json:
        return {
            "user_id": user.id,
            "message_id": message.id,
            "emoji": emoji,
            "burst": False,
            "type": 0,
            **self._place(message),
        }

    def _emit_reaction(self, message: Message, name: str, data: Json) -> None:
        self._emit_in(message.channel, name, data, GUILD_REACTIONS, DIRECT_REACTIONS)

    def _emit_in(
        self, channel: Channel, name: str, data: Json, intent: int, dm_intent: int, bare: Json | None = None
    ) -> None:
        if channel.is_readable:
            wanted = dm_intent if channel.is_dm else intent
            self._emit(Event(name, data, channel.guild, wanted, bare))
