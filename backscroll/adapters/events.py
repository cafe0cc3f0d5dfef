"""What happened on a platform, in the platform's terms but no platform's form.

Frozen; a repr never shows a text. What becomes of each is said by `ConversationManager.record`.
"""

from dataclasses import dataclass, field
from datetime import datetime

from backscroll.storage.keys import ExternalId, ThreadKey


@dataclass(frozen=True, slots=True)
class MessagePosted:
    """A person wrote a message.

    `external_id` is its id in the key's channel. `mentions_bot` and `is_direct` (a DM) say how it calls on the bot.
    """

    key: ThreadKey
    external_id: str
    author_id: str
    text: str = field(repr=False)
    created_at: datetime
    author_name: str | None = field(default=None, repr=False)
    mentions_bot: bool = False
    is_direct: bool = False


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """A message now says something else. `edited_at` is the edit's own time on the platform."""

    key: ThreadKey
    external: ExternalId
    text: str = field(repr=False)
    edited_at: datetime


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    """A message was taken away."""

    external: ExternalId
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class ReactionAdded:
    """A person put an emoji on a message. `event_at` orders the reactions of one person on one message."""

    external: ExternalId
    emoji: str = field(repr=False)
    user_id: str
    event_at: datetime


@dataclass(frozen=True, slots=True)
class ReactionRemoved:
    """A person took an emoji off a message."""

    external: ExternalId
    emoji: str = field(repr=False)
    user_id: str
    event_at: datetime


Event = MessagePosted | MessageEdited | MessageDeleted | ReactionAdded | ReactionRemoved
