"""What happened on a platform, in the platform's terms but no platform's form.

Frozen; a repr never shows a text. What becomes of each is said by `ConversationManager.record`. A channel that gets
another id is storage's own `ChannelMove`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from backscroll.storage.keys import ChannelMove, ExternalId, ThreadKey
from backscroll.storage.models import Attachment

AuthorKind = Literal["person", "bot", "self"]
"""Who wrote: a person, somebody else's bot, or this one."""


@dataclass(frozen=True, slots=True)
class MessagePosted:
    """Somebody wrote a message.

    `mentions_bot` and `is_direct` (a DM) say how it calls on the bot; `is_reply` that its thread began with an earlier
    message. `files` have a `location` where their contents can be fetched. `token` came with a post of ours. `is_late`
    marks what was read from the platform's history. `edited_at` is the last edit's own time on the platform, where the
    text is already an edited one.

    `reactions` tell who stands for which emoji; a platform whose history tells but how many puts that into
    `reaction_counts`. `thread_title` is what the platform calls the thread, if it does.
    """

    key: ThreadKey
    external: ExternalId
    author_id: str
    text: str = field(repr=False)
    created_at: datetime
    author_name: str | None = field(default=None, repr=False)
    author_kind: AuthorKind = "person"
    mentions_bot: bool = False
    is_direct: bool = False
    is_reply: bool = False
    channel_name: str | None = field(default=None, repr=False)
    files: tuple[Attachment, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict, repr=False)
    reactions: dict[str, list[str]] = field(default_factory=dict, repr=False)
    token: str | None = None
    is_late: bool = False
    thread_title: str | None = field(default=None, repr=False)
    edited_at: datetime | None = None
    reaction_counts: dict[str, int] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """A message now says something else. `edited_at` is the edit's own time on the platform."""

    key: ThreadKey
    external: ExternalId
    text: str = field(repr=False)
    edited_at: datetime
    is_direct: bool = False


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    """A message was taken away."""

    external: ExternalId
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class ReactionAdded:
    """Somebody put an emoji on a message. `event_at` orders the reactions of one person on one message."""

    external: ExternalId
    emoji: str = field(repr=False)
    user_id: str
    event_at: datetime


@dataclass(frozen=True, slots=True)
class ReactionRemoved:
    """Somebody took an emoji off a message."""

    external: ExternalId
    emoji: str = field(repr=False)
    user_id: str
    event_at: datetime


@dataclass(frozen=True, slots=True)
class ReactionsCleared:
    """All that stood on a message was taken off: of one emoji, or of every one where it is None."""

    external: ExternalId
    emoji: str | None = field(repr=False)
    event_at: datetime


@dataclass(frozen=True, slots=True)
class PlaceDeleted:
    """A thread is gone with all that stood in it; where `thread` is None, a channel with all its threads."""

    platform: str
    workspace: str
    channel: str
    thread: str | None = None


@dataclass(frozen=True, slots=True)
class ThreadChanged:
    """The thread at a key is called otherwise, or its place has further properties, such as `{"archived": True}`.

    A `title` that is None leaves the one that stands, and so does `place` with what it does not name.
    """

    key: ThreadKey
    title: str | None = field(default=None, repr=False)
    place: dict[str, Any] = field(default_factory=dict, repr=False)


Event = (
    MessagePosted
    | MessageEdited
    | MessageDeleted
    | ReactionAdded
    | ReactionRemoved
    | ReactionsCleared
    | PlaceDeleted
    | ThreadChanged
    | ChannelMove
)
