"""What Discord is made of: people, guilds, roles, channels, threads, messages and files.

These are alive: they show what the fake knows now. Nothing here sends anything, and how a client sees it stands in
`views.py`. Proved by `tests/unit/testing/discord/test_world.py`.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Json = dict[str, Any]
Kind = Literal["text", "news", "forum", "voice"]

EPOCH_MS = 1_420_070_400_000

TEXT, DM, VOICE, NEWS, NEWS_THREAD, PUBLIC_THREAD, PRIVATE_THREAD, FORUM = 0, 1, 2, 5, 10, 11, 12, 15
CHANNEL_TYPES: dict[Kind, int] = {"text": TEXT, "news": NEWS, "forum": FORUM, "voice": VOICE}

# Types of messages. Source: docs.discord.com/developers/resources/message, Message Types.
DEFAULT, PINS, JOIN, BOOST, BOOST_TIER, THREAD_CREATED, REPLY, COMMAND, THREAD_STARTER = 0, 6, 7, 8, 9, 18, 19, 20, 21
SPOKEN = frozenset({DEFAULT, REPLY, COMMAND, 23})

# Flags of messages.
CROSSPOSTED, SUPPRESS_EMBEDS, HAS_THREAD, EPHEMERAL, LOADING, HAS_SNAPSHOT = 1, 4, 32, 64, 128, 1 << 14

PERMISSIONS = {
    "ADD_REACTIONS": 1 << 6,
    "VIEW_CHANNEL": 1 << 10,
    "SEND_MESSAGES": 1 << 11,
    "MANAGE_MESSAGES": 1 << 13,
    "EMBED_LINKS": 1 << 14,
    "ATTACH_FILES": 1 << 15,
    "READ_MESSAGE_HISTORY": 1 << 16,
    "MENTION_EVERYONE": 1 << 17,
    "USE_EXTERNAL_EMOJIS": 1 << 18,
    "USE_APPLICATION_COMMANDS": 1 << 31,
    "MANAGE_THREADS": 1 << 34,
    "CREATE_PUBLIC_THREADS": 1 << 35,
    "CREATE_PRIVATE_THREADS": 1 << 36,
    "SEND_MESSAGES_IN_THREADS": 1 << 38,
}
# What the bot's role may not do: manage other people's messages and threads.
WITHHELD = frozenset({"MANAGE_MESSAGES", "MANAGE_THREADS"})
BOT_PERMISSIONS = sum(bit for name, bit in PERMISSIONS.items() if name not in WITHHELD)


def moment(snowflake: str) -> datetime:
    """Return when an id was made."""
    return datetime.fromtimestamp(((int(snowflake) >> 22) + EPOCH_MS) / 1000, UTC)


@dataclass(slots=True, eq=False)
class User:
    """A person, or a bot. Clear `accepts_dms` to close the direct messages with them."""

    id: str
    name: str
    global_name: str | None = None
    is_bot: bool = False
    accepts_dms: bool = True
    discriminator: str = "0"

    @property
    def mention(self) -> str:
        """What mentions them in a text."""
        return f"<@{self.id}>"


@dataclass(slots=True, eq=False)
class Role:
    """A role of a guild. `bot_id` is set on the one that Discord made for a bot."""

    id: str
    name: str
    permissions: int = 0
    position: int = 0
    is_mentionable: bool = True
    bot_id: str | None = None

    @property
    def mention(self) -> str:
        """What mentions it in a text."""
        return f"<@&{self.id}>"


@dataclass(slots=True, eq=False)
class Guild:
    """A server. `bot_role` is the role that Discord made for the bot, `bot_roles` are all that it has."""

    id: str
    name: str
    owner: User
    bot_role: Role
    roles: dict[str, Role] = field(default_factory=dict, repr=False)
    bot_roles: list[Role] = field(default_factory=list, repr=False)
    has_bot: bool = True
    is_available: bool = True


@dataclass(slots=True, eq=False)
class Channel:
    """A place where messages stand. `type` is Discord's number; direct messages have no guild, but a recipient."""

    id: str
    name: str
    type: int
    guild: Guild | None = None
    recipient: User | None = None
    topic: str | None = None
    bot_can_read: bool = True
    is_deleted: bool = False
    typing_count: int = 0
    forbidden: set[str] = field(default_factory=set)
    messages: "dict[str, Message]" = field(default_factory=dict, repr=False)
    last_message_id: str | None = field(default=None, repr=False)

    @property
    def is_dm(self) -> bool:
        """Whether these are direct messages with the bot."""
        return self.type == DM

    @property
    def is_readable(self) -> bool:
        """Whether the bot sees it: it is in the guild, and nothing hides the channel from it."""
        if self.guild is not None and not self.guild.has_bot:
            return False
        return self.bot_can_read and "VIEW_CHANNEL" not in self.forbidden

    def allows(self, permission: str) -> bool:
        """Whether the bot may do this here."""
        return permission not in self.forbidden and permission not in WITHHELD


@dataclass(slots=True, eq=False)
class Thread(Channel):
    """A thread. Begun from a message it has that message's id, in a forum its first message's."""

    parent: Channel = field(kw_only=True)
    owner: User = field(kw_only=True)
    created_at: datetime = field(kw_only=True)
    archived_at: datetime = field(kw_only=True)
    is_archived: bool = False
    is_locked: bool = False
    auto_archive_minutes: int = 4320
    message_count: int = 0
    total_count: int = 0
    members: dict[str, User] = field(default_factory=dict, repr=False)
    bot: User = field(kw_only=True, repr=False)

    @property
    def is_readable(self) -> bool:
        """Whether the bot sees it; a private one only as its member."""
        return self.parent.is_readable and (self.type != PRIVATE_THREAD or self.bot.id in self.members)

    def allows(self, permission: str) -> bool:
        """Whether the bot may do this, here and in the channel around it."""
        return permission not in self.forbidden and self.parent.allows(permission)


@dataclass(slots=True, eq=False)
class File:
    """A file. Set its faults before the bot asks for it.

    `size` is what Discord announces; the content may be longer. `redirect_to` sends the download to another URL,
    `hang_s` holds it for so long, and `status` answers this instead.
    """

    id: str
    name: str
    size: int
    mimetype: str
    content: bytes = field(default=b"", repr=False)
    description: str | None = None
    redirect_to: str | None = None
    hang_s: float = 0.0
    status: int = 200


@dataclass(slots=True, eq=False)
class Reaction:
    """One emoji on a message, and who gave it."""

    emoji: Json
    users: list[User] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Message:
    """A message. `pings` is who was notified by it: ids of people and roles, and `everyone`."""

    id: str
    channel: Channel
    author: User
    content: str
    type: int = DEFAULT
    mentions: list[User] = field(default_factory=list, repr=False)
    mention_roles: list[Role] = field(default_factory=list, repr=False)
    mention_everyone: bool = False
    pings: frozenset[str] = frozenset()
    allowed_mentions: Json | None = None
    files: list[File] = field(default_factory=list)
    embeds: list[Json] = field(default_factory=list, repr=False)
    components: list[Json] = field(default_factory=list, repr=False)
    stickers: list[Json] = field(default_factory=list, repr=False)
    snapshots: list[Json] = field(default_factory=list, repr=False)
    poll: Json | None = None
    flags: int = 0
    reference: Json | None = None
    referenced: "Message | None" = field(default=None, repr=False)
    reactions: dict[str, Reaction] = field(default_factory=dict, repr=False)
    thread: Thread | None = field(default=None, repr=False)
    webhook_id: str | None = None
    application_id: str | None = None
    interaction_metadata: Json | None = None
    nonce: str | int | None = None
    edited_at: datetime | None = None
    is_pinned: bool = False
    is_deleted: bool = False

    @property
    def created_at(self) -> datetime:
        """When it was made, as its id tells."""
        return moment(self.id)

    @property
    def is_ephemeral(self) -> bool:
        """Whether only one person sees it, and no history has it."""
        return bool(self.flags & EPHEMERAL)

    @property
    def buttons(self) -> dict[str, Json]:
        """Its buttons by what stands on them, in their order."""
        inside = [one for row in self.components for one in row.get("components", [])]
        return {one["label"]: one for one in inside if one.get("type") == 2 and "label" in one}
