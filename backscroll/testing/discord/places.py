"""What can be done to channels, threads and guilds, by a person, by the bot or by Discord.

Each deed changes the state first and emits its events after. Proved by `tests/unit/testing/discord/test_threads.py`
and `test_places.py`.
"""

from backscroll.testing.discord.events import GUILDS, Event
from backscroll.testing.discord.models import (
    HAS_THREAD,
    NEWS,
    NEWS_THREAD,
    PUBLIC_THREAD,
    THREAD_CREATED,
    THREAD_STARTER,
    Channel,
    Guild,
    Json,
    Message,
    Role,
    Thread,
    User,
)
from backscroll.testing.discord.talk import Emit, Talk
from backscroll.testing.discord.views import Views
from backscroll.testing.discord.world import World


class Places:
    """The deeds that concern where messages stand."""

    def __init__(self, world: World, views: Views, talk: Talk, emit: Emit) -> None:
        self._world = world
        self._views = views
        self._talk = talk
        self._emit = emit

    def start_thread_from(self, message: Message, owner: User, name: str) -> Thread:
        """Begin a thread on a message; it has the message's id, and first in it stands a note that refers to that."""
        parent = message.channel
        kind = NEWS_THREAD if parent.type == NEWS else PUBLIC_THREAD
        thread = self._world.add_thread(parent, owner, name, thread_id=message.id, kind=kind)
        message.thread = thread
        message.flags |= HAS_THREAD
        self._tell_of_new(thread)
        self._talk.change(message)
        reference = {"type": 0, "message_id": message.id, "channel_id": parent.id}
        if parent.guild is not None:
            reference["guild_id"] = parent.guild.id
        starter = Message(
            self._world.new_id(), thread, owner, "", type=THREAD_STARTER, reference=reference, referenced=message
        )
        self._talk.post(starter)
        return thread

    def start_thread(self, parent: Channel, owner: User, name: str, kind: int = PUBLIC_THREAD) -> Thread:
        """Begin a thread without a message; a public one leaves a note in the channel."""
        if parent.type == NEWS and kind == PUBLIC_THREAD:
            kind = NEWS_THREAD
        thread = self._world.add_thread(parent, owner, name, thread_id=self._world.new_id(), kind=kind)
        self._tell_of_new(thread)
        if kind in {PUBLIC_THREAD, NEWS_THREAD}:
            reference = {"type": 0, "channel_id": thread.id}
            if parent.guild is not None:
                reference["guild_id"] = parent.guild.id
            self._talk.post(
                Message(self._world.new_id(), parent, owner, name, type=THREAD_CREATED, reference=reference)
            )
        return thread

    def start_post(self, forum: Channel, owner: User, title: str) -> Thread:
        """Begin a forum post; its first message, posted next, gets the thread's id."""
        thread = self._world.add_thread(forum, owner, title, thread_id=self._world.new_id())
        forum.last_message_id = thread.id
        self._tell_of_new(thread)
        return thread

    def change_thread(
        self, thread: Thread, *, name: str | None = None, archived: bool | None = None, locked: bool | None = None
    ) -> None:
        """Rename, archive or lock a thread, and tell of it."""
        if name is not None:
            thread.name = name
        if archived is not None and archived != thread.is_archived:
            thread.is_archived = archived
            thread.archived_at = self._world.now()
        if locked is not None:
            thread.is_locked = locked
        self.tell("THREAD_UPDATE", thread, self._views.channel(thread))

    def join(self, thread: Thread, user: User) -> None:
        """Make someone a member of a thread; the bot hears of itself, and of a private thread that it now sees."""
        was_seen = thread.is_readable
        thread.members[user.id] = user
        if not was_seen:
            self.tell("THREAD_CREATE", thread)
        if user is self._world.bot and thread.guild is not None:
            data: Json = {
                "id": thread.id,
                "guild_id": thread.guild.id,
                "member_count": min(len(thread.members), 50),
                "added_members": [self._views.thread_member(thread, user)],
            }
            self.tell("THREAD_MEMBERS_UPDATE", thread, data)

    def leave(self, thread: Thread, user: User) -> None:
        """Take someone out of a thread's members."""
        thread.members.pop(user.id, None)

    def remove_thread(self, thread: Thread) -> None:
        """Delete a thread and what stands in it."""
        starter = thread.parent.messages.get(thread.id)
        if starter is not None:
            starter.thread = None
            starter.flags &= ~HAS_THREAD
        is_seen = thread.is_readable
        self._world.channels.pop(thread.id, None)
        thread.is_deleted = True
        data: Json = {"id": thread.id, "parent_id": thread.parent.id, "type": thread.type}
        if thread.guild is not None and is_seen:
            self._emit(Event("THREAD_DELETE", {**data, "guild_id": thread.guild.id}, thread.guild, GUILDS))

    def remove_channel(self, channel: Channel) -> None:
        """Delete a channel with its threads; only the channel's own deletion is told."""
        is_seen = channel.is_readable
        channel.is_deleted = True
        data = self._views.channel(channel)
        for thread in list(self._world.threads_of(channel)):
            thread.is_deleted = True
            del self._world.channels[thread.id]
        self._world.channels.pop(channel.id, None)
        if is_seen and channel.guild is not None:
            self._emit(Event("CHANNEL_DELETE", data, channel.guild, GUILDS))

    def tell(self, name: str, channel: Channel, data: Json | None = None) -> None:
        """Tell of a channel, by default all there is to it; of one that the bot cannot see nothing is told."""
        if channel.is_readable:
            self._emit(Event(name, data or self._views.channel(channel), channel.guild, GUILDS))

    def tell_of_guild(self, guild: Guild, *, is_new: bool) -> None:
        """Tell that a guild is there: because the bot came in, or because the guild is available again."""
        data = self._views.whole_guild(guild)
        if is_new:
            # This is what tells a new guild from one that came back.
            del data["unavailable"]
        self._emit(Event("GUILD_CREATE", data, guild, GUILDS))

    def tell_of_role(self, guild: Guild, role: Role) -> None:
        """Tell of a role that is new."""
        data: Json = {"guild_id": guild.id, "role": self._views.role(role)}
        self._emit(Event("GUILD_ROLE_CREATE", data, guild, GUILDS))

    def tell_of_loss(self, guild: Guild, *, is_outage: bool) -> None:
        """Tell that a guild is gone: for a while, or because the bot was taken out. Called while it is still there."""
        data: Json = {"id": guild.id, "unavailable": True} if is_outage else {"id": guild.id}
        self._emit(Event("GUILD_DELETE", data, guild, GUILDS))

    def _tell_of_new(self, thread: Thread) -> None:
        self.tell("THREAD_CREATE", thread, {**self._views.channel(thread), "newly_created": True})
