"""What Discord itself does to places, sessions and sockets: changes, outages and faults.

Proved by `tests/unit/testing/discord/test_places.py`, `test_sessions.py` and `test_gateway.py`.
"""

import asyncio
from typing import Any

from backscroll.testing.discord.acts import Acts
from backscroll.testing.discord.models import PERMISSIONS, Channel, Guild, Thread


class Trouble(Acts):
    """The deeds of moderators and of Discord."""

    async def rename_thread(self, thread: Thread, name: str) -> None:
        """Give a thread another name."""
        self._places.change_thread(thread, name=name)
        await asyncio.sleep(0)

    async def archive_thread(self, thread: Thread, locked: bool = False) -> None:
        """Archive a thread; with `locked` nobody but moderators can bring it back."""
        self._places.change_thread(thread, archived=True, locked=locked)
        await asyncio.sleep(0)

    async def unarchive_thread(self, thread: Thread) -> None:
        """Bring a thread back, and unlock it."""
        self._places.change_thread(thread, archived=False, locked=False)
        await asyncio.sleep(0)

    async def delete_thread(self, thread: Thread) -> None:
        """Delete a thread; of its messages nothing is told."""
        self._places.remove_thread(thread)
        await asyncio.sleep(0)

    async def delete_channel(self, channel: Channel) -> None:
        """Delete a channel and its threads; only the channel's deletion is told."""
        self._places.remove_channel(channel)
        await asyncio.sleep(0)

    async def rename_channel(self, channel: Channel, name: str) -> None:
        """Give a channel another name."""
        channel.name = name
        self._places.tell("CHANNEL_UPDATE", channel)
        await asyncio.sleep(0)

    def forbid(self, channel: Channel, *permissions: str) -> None:
        """Take permissions from the bot in a channel and its threads, by their names in Discord's documentation.

        Without VIEW_CHANNEL the bot hears nothing of the channel and gets 50001, without READ_MESSAGE_HISTORY the
        history is empty; the others answer 50013.
        Raises: ValueError: a name is not known here.
        """
        if unknown := set(permissions) - PERMISSIONS.keys():
            raise ValueError(f"Not known as permissions: {', '.join(sorted(unknown))}.")
        channel.forbidden.update(permissions)
        if not isinstance(channel, Thread):
            self._places.tell("CHANNEL_UPDATE", channel)

    def allow(self, channel: Channel, *permissions: str) -> None:
        """Give back what was forbidden; without names, everything."""
        channel.forbidden.difference_update(permissions or list(channel.forbidden))
        if not isinstance(channel, Thread):
            self._places.tell("CHANNEL_UPDATE", channel)

    async def remove_bot(self, guild: Guild) -> None:
        """Take the bot out of a guild: it hears no more of it, and may do nothing there."""
        self._places.tell_of_loss(guild, is_outage=False)
        guild.has_bot = False
        await asyncio.sleep(0)

    async def invite_bot(self, guild: Guild) -> None:
        """Bring the bot back into a guild."""
        guild.has_bot = True
        self._places.tell_of_guild(guild, is_new=True)
        await asyncio.sleep(0)

    async def guild_outage(self, guild: Guild) -> None:
        """Let a guild be unavailable: nothing that happens there is told, now or later."""
        self._places.tell_of_loss(guild, is_outage=True)
        guild.is_available = False
        await asyncio.sleep(0)

    async def guild_back(self, guild: Guild) -> None:
        """Let an unavailable guild come back."""
        guild.is_available = True
        self._places.tell_of_guild(guild, is_new=False)
        await asyncio.sleep(0)

    async def send_event(self, name: str, data: Any) -> None:
        """Send any event to every session, whatever it asked for, well formed and with a sequence number."""
        self._sessions.send_all(name, data)
        await asyncio.sleep(0)

    async def send_raw(self, frame: str | bytes) -> None:
        """Send a frame of any content to every session: text as the client reads it, bytes as they are.

        It has no sequence number and no RESUME brings it back.
        """
        self._gateway.send_all(frame)
        await asyncio.sleep(0)

    async def repeat_last(self, count: int = 1) -> None:
        """Send the last events of every session once more, as new ones."""
        for session in self._sessions:
            session.repeat(count)
        await asyncio.sleep(0)

    def drop_sockets(self) -> None:
        """Cut every socket's TCP connection, without a close frame; the sessions can be resumed."""
        self._gateway.drop()

    async def close_sockets(self, code: int = 4000) -> None:
        """Close every socket with a code. After 4004, 4007, 4009 and 4010 to 4014 no session can be resumed."""
        await self._gateway.close(code)

    async def reconnect(self) -> None:
        """Tell every client to come back anew (opcode 7)."""
        self._gateway.reconnect()
        await asyncio.sleep(0)

    async def invalidate_sessions(self, resumable: bool = False) -> None:
        """Tell every client that its session is over (opcode 9); what happens until it identifies anew is lost to it.

        With `resumable` the client may resume instead, and loses nothing.
        """
        self._gateway.invalidate(resumable=resumable)
        await asyncio.sleep(0)

    def forget_sessions(self) -> None:
        """Let the next RESUME of every client be refused (opcode 9); open sockets go on."""
        self._sessions.forget()

    def refuse_connections(self, refuse: bool = True) -> None:
        """Let no new socket in (503); `False` ends it. Open ones stay."""
        self._gateway.are_refused = refuse

    def refuse_token(self, refuse: bool = True) -> None:
        """Let the token hold no more: 401 for every call, 4004 for who connects; `False` ends it. Open sockets stay."""
        self._world.is_token_refused = refuse

    def expire_files(self, status: int = 404) -> None:
        """Let every file's address that was given out answer this status; the same file shown anew works."""
        self._world.file_age += 1
        self._world.expired_status = status
