"""Everything this Discord knows: people, guilds, channels, files, interactions, and the ids it gives out.

Only state: nothing here sends or answers. Proved by `tests/unit/testing/discord/test_world.py`.
"""

import mimetypes
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from backscroll.testing.discord.interactions import Interaction
from backscroll.testing.discord.models import (
    BOT_PERMISSIONS,
    CHANNEL_TYPES,
    DM,
    EPOCH_MS,
    PUBLIC_THREAD,
    Channel,
    File,
    Guild,
    Json,
    Kind,
    Message,
    Role,
    Thread,
    User,
)
from backscroll.testing.discord.switches import Switches

BOT_NAME = "backscroll"
# Guilds were there before everything else, one a millisecond: so they take turns on the shards.
GUILD_AGE_MS = 86_400_000


class World:
    """The state of one FakeDiscord."""

    def __init__(self, switches: Switches) -> None:
        self.switches = switches
        self.base_url = ""
        self.token = f"fake.{secrets.token_hex(16)}"
        self.is_token_refused = False
        self.secret = secrets.token_bytes(16)
        self.file_age = 0
        self.expired_status = 404
        self.users: dict[str, User] = {}
        self.guilds: dict[str, Guild] = {}
        self.channels: dict[str, Channel] = {}
        self.files: dict[str, File] = {}
        self.commands: list[Json] = []
        self.guild_commands: dict[str, list[Json]] = {}
        self.interactions: dict[str, Interaction] = {}
        self.nonces: dict[str, tuple[Message, float]] = {}
        # Two fakes that feed the same store give no id twice.
        self._worker = secrets.randbelow(1 << 10) << 12
        self._last_id = 0
        self._next_guild_ms = self.now_ms() - GUILD_AGE_MS
        self.application_id = self.new_id()
        self.bot = self.add_user(BOT_NAME, bot=True)
        self.guild = self.add_guild("Acme")

    def now_ms(self) -> int:
        """Return this Discord's clock, in milliseconds since 1970."""
        return int((time.time() + self.switches.clock_shift_s) * 1000)

    def now(self) -> datetime:
        """Return this Discord's clock."""
        return datetime.fromtimestamp(self.now_ms() / 1000, UTC)

    def new_id(self) -> str:
        """Return a snowflake above every earlier one."""
        self._last_id = max(self._last_id + 1, (self.now_ms() - EPOCH_MS) << 22 | self._worker)
        return str(self._last_id)

    def add_user(
        self, name: str, *, display_name: str | None = None, bot: bool = False, user_id: str | None = None
    ) -> User:
        """Make a person, or a bot."""
        discriminator = f"{len(self.users) % 9000 + 1000}" if bot else "0"
        user = User(user_id or self.new_id(), name, display_name, is_bot=bot, discriminator=discriminator)
        self.users[user.id] = user
        return user

    def add_guild(self, name: str) -> Guild:
        """Make a guild with the bot and its own role in it."""
        self._next_guild_ms += 1
        guild_id = str((self._next_guild_ms - EPOCH_MS) << 22 | self._worker)
        everyone = Role(guild_id, "@everyone", permissions=BOT_PERMISSIONS)
        bot_role = Role(self.new_id(), BOT_NAME, BOT_PERMISSIONS, 1, is_mentionable=False, bot_id=self.bot.id)
        owner = next((user for user in self.users.values() if not user.is_bot), None) or self.add_user("owner")
        roles = {everyone.id: everyone, bot_role.id: bot_role}
        guild = Guild(guild_id, name, owner, bot_role, roles, [bot_role])
        self.guilds[guild_id] = guild
        return guild

    def add_role(self, guild: Guild, name: str, *, bot_has_it: bool) -> Role:
        """Make a role of a guild."""
        role = Role(self.new_id(), name, position=len(guild.roles))
        guild.roles[role.id] = role
        if bot_has_it:
            guild.bot_roles.append(role)
        return role

    def add_channel(self, name: str, kind: Kind, guild: Guild, *, bot_can_read: bool, topic: str | None) -> Channel:
        """Make a channel of a guild."""
        channel = Channel(self.new_id(), name, CHANNEL_TYPES[kind], guild=guild, topic=topic, bot_can_read=bot_can_read)
        self.channels[channel.id] = channel
        return channel

    def open_dm(self, user: User) -> Channel:
        """Return the bot's direct messages with someone; they are made on the first call."""
        for channel in self.channels.values():
            if channel.is_dm and channel.recipient is user:
                return channel
        channel = Channel(self.new_id(), user.name, DM, recipient=user)
        self.channels[channel.id] = channel
        return channel

    def add_thread(
        self, parent: Channel, owner: User, name: str, *, thread_id: str, kind: int = PUBLIC_THREAD
    ) -> Thread:
        """Make a thread; its owner is its first member."""
        now = self.now()
        thread = Thread(
            thread_id,
            name,
            kind,
            guild=parent.guild,
            parent=parent,
            owner=owner,
            created_at=now,
            archived_at=now,
            bot=self.bot,
        )
        thread.members[owner.id] = owner
        self.channels[thread.id] = thread
        return thread

    def channels_of(self, guild: Guild) -> Iterator[Channel]:
        """Give every channel of a guild, without its threads."""
        return (
            channel for channel in self.channels.values() if channel.guild is guild and not isinstance(channel, Thread)
        )

    def threads_of(self, place: Guild | Channel) -> Iterator[Thread]:
        """Give every thread of a guild or of a channel, archived ones too, in the order of their making."""
        for channel in list(self.channels.values()):
            if isinstance(channel, Thread) and (channel.guild is place or channel.parent is place):
                yield channel

    def add_file(self, name: str, content: bytes, *, size: int | None = None, mimetype: str | None = None) -> File:
        """Make a file that no message shows yet."""
        kind = mimetype or mimetypes.guess_type(name)[0] or "application/octet-stream"
        file = File(self.new_id(), name, len(content) if size is None else size, kind, content)
        self.files[file.id] = file
        return file

    def message(self, message_id: str) -> Message | None:
        """Return the message with this id, wherever it stands, or None."""
        for channel in self.channels.values():
            if (found := channel.messages.get(message_id)) is not None:
                return found
        return None

    def message_of_nonce(self, nonce: str | int) -> Message | None:
        """Return the bot's message that was made with this nonce a short while ago."""
        message, made_s = self.nonces.get(str(nonce), (None, 0.0))
        return message if time.monotonic() - made_s < self.switches.nonce_window_s else None

    def needs_content(self, message: Message) -> bool:
        """Whether the bot may read this message only where it may read contents.

        Source: docs.discord.com/developers/events/gateway, Message Content Intent
        """
        is_told = message.author is self.bot or message.channel.is_dm or self.bot in message.mentions
        return not (is_told or message.application_id == self.application_id)
