"""Slack's own export, merged into what is kept: threads under the keys, aliases and ids that the bot gives them itself.

How Slack's messages are read it is told by a function, so that they are read as the running bot reads them. Channel
after channel, day after day; what is held at once is bounded. Proved by `tests/unit/transfer/test_slack_export.py` and
`tests/scenario/test_slack_export.py`.
"""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from dataclasses import fields as fields_of
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from backscroll.errors import StorageRefusedError
from backscroll.storage.archive import (
    ArchivedFeedback,
    ArchivedMessage,
    ArchivedReaction,
    ArchivedThread,
    PieceRefusedError,
)
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import UNTITLED, Message, Thread, short_title
from backscroll.storage.provider import StorageProvider
from backscroll.storage.thumbs import FROM_REACTION, reaction_feedback_id, thumb_of
from backscroll.transfer.slack_archive import Fields, SlackArchive, SlackChannel

HELD_COUNT = 5_000
"""Messages of one channel that are held at once: threads that are whole by then are merged in one piece."""

BATCH_COUNT = 500
"""Messages that are merged at once."""

NEWEST_COUNT = 20
"""Messages among which a kept thread's newest is looked for: what was read back stands behind newer ones."""

_IDS = UUID("0d4a1f0e-6a52-4c0b-9a57-4f6b7f1b8c11")


@dataclass(frozen=True, slots=True)
class SlackPost:
    """A message of an export, with its reactions, and where it stands. Its own id is not used."""

    key: ThreadKey
    external: ExternalId
    message: Message = field(repr=False)
    is_alone: bool
    """Whether it begins no thread and stands in none."""


Translate = Callable[[Fields, SlackChannel], SlackPost | None]
"""Reads a message of an export; None for what Slack itself says of what happened. Raises ValueError: it is none."""


@dataclass(frozen=True, slots=True)
class SlackOptions:
    """What is imported.

    Args: channels: their ids or names; None means all. only_threads: leave out what stands alone in a channel.
        fetches: let the running bot fetch the contents of the files.
    """

    channels: Collection[str] | None = None
    only_threads: bool = False
    fetches: bool = False


@dataclass(slots=True)
class SlackReport:
    """What became of an export. `left_out` counts by reason: messages, and `…_files`, `…_folders`, `…_names`."""

    channels: int = 0
    messages: int = 0
    """Messages that were read and are kept now, new or not."""
    new_threads: int = 0
    new_messages: int = 0
    changed_messages: int = 0
    files: int = 0
    """Files by link, of all these messages."""
    of_apps: Counter[str] = field(default_factory=Counter)
    """How many of all these messages are of another app than ours, by the id of its user, else of its bot."""
    left_out: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Lay it out for JSON."""
        told = {each.name: getattr(self, each.name) for each in fields_of(self)}
        return told | {"of_apps": dict(self.of_apps), "left_out": dict(self.left_out)}


Held = dict[ThreadKey, dict[ExternalId, SlackPost]]


class SlackImport:
    """Imports one export. A repeat changes nothing, and completes what was cut off."""

    def __init__(
        self,
        provider: StorageProvider,
        archive: SlackArchive,
        translate: Translate,
        options: SlackOptions | None = None,
        *,
        went_on: Callable[[SlackReport], None] = lambda _: None,
    ) -> None:
        """Args: went_on: is told of each batch that is kept."""
        self._provider = provider
        self._archive = archive
        self._translate = translate
        self._options = options or SlackOptions()
        self._went_on = went_on
        self._report = SlackReport()

    async def run(self) -> SlackReport:
        """Merge all that is wanted, and tell what became of it.

        No message asks for an answer. In a thread that is kept, what is older than its newest message is marked as
        `backfilled`, as what the bot reads back.

        Raises: StorageRefusedError: the file does what no export does; what was merged stays. StorageUnavailableError.
        """
        for channel in self._archive.channels:
            wanted = self._options.channels
            if wanted is None or channel.id in wanted or channel.name in wanted:
                self._report.channels += 1
                await self._import(channel)
        self._report.left_out += self._archive.left_out
        self._report.of_apps += Counter()  # without what is none
        return self._report

    async def _import(self, channel: SlackChannel) -> None:
        held, count = Held(), 0
        for fields in self._archive.messages(channel):
            post = self._read(fields, channel)
            if post is None:
                continue
            thread = held.setdefault(post.key, {})
            self._report.left_out["repeated"] += post.external in thread
            thread[post.external] = post
            count += 1
            if count >= HELD_COUNT:
                await self._merge(held, channel)
                held, count = Held(), 0
        await self._merge(held, channel)

    def _read(self, fields: Any, channel: SlackChannel) -> SlackPost | None:
        if not isinstance(fields, dict):
            self._report.left_out["malformed"] += 1
            return None
        try:
            post = self._translate(fields, channel)
        except (ValueError, RecursionError):
            self._report.left_out["malformed"] += 1
            return None
        if post is None:
            self._report.left_out["said_by_slack"] += 1
        elif post.is_alone and self._options.only_threads:
            self._report.left_out["alone"] += 1
        else:
            return post
        return None

    async def _merge(self, held: Held, channel: SlackChannel) -> None:
        batch, count = list[ArchivedThread](), 0
        for key, posts in held.items():
            ordered = sorted(posts.values(), key=lambda post: (post.message.created_at, post.external.id))
            kept = await self._provider.get_by_alias(key.alias, limit=NEWEST_COUNT)
            for start in range(0, len(ordered), BATCH_COUNT):
                batch.append(self._piece(ordered, start, kept, channel))
                count += len(batch[-1].messages)
                if count >= BATCH_COUNT:
                    await self._keep(batch)
                    batch, count = [], 0
        if batch:
            await self._keep(batch)

    async def _keep(self, batch: list[ArchivedThread]) -> None:
        """Merge a batch; what the storage refuses of it is left out, and the rest goes on one by one."""
        rest: list[ArchivedThread] = []
        try:
            merged = await self._provider.merge_archive(batch)
        except PieceRefusedError as error:
            merged, rest = error.merged, batch[error.index + 1 :]
            self._report.left_out["refused"] += len(batch[error.index].messages)
        for piece, became in zip(batch, merged, strict=False):  # as far as it was merged
            self._report.new_threads += became.is_new
            self._report.new_messages += became.new_messages
            self._report.changed_messages += became.changed_messages
            self._report.messages += len(piece.messages)
            for message in (one.message for one in piece.messages):
                self._report.files += len(message.attachments)
                source = message.source or {}
                self._report.of_apps[str(source.get("id"))] += message.role == "user" and source.get("type") == "agent"
        self._went_on(self._report)
        for piece in rest:
            await self._keep([piece])

    def _piece(self, posts: list[SlackPost], start: int, kept: Thread | None, channel: SlackChannel) -> ArchivedThread:
        """Make a piece of a thread. One that is kept stays as it is: a later archive would change its fields."""
        newest = max((message.created_at for message in kept.messages), default=None) if kept else None
        agent_name = kept.agent_name if kept else None
        messages = [self._archived(post, newest, agent_name) for post in posts[start : start + BATCH_COUNT]]
        first, key = posts[0].message, posts[0].key
        if kept is None:
            place = key.platforms
            if channel.name is not None and channel.kind in ("channel", "group"):
                place[key.platform]["channel_name"] = channel.name
            author = (first.source or {}).get("id")
            kept = Thread(
                id=str(uuid5(_IDS, f"thread {key.alias}")),
                title=short_title(first.text) or UNTITLED,
                user_id=author if first.role == "user" else None,
                platforms=place,
                created_at=first.created_at,
                updated_at=max(_changed_at(post.message) for post in posts),
            )
        return ArchivedThread(
            **{name: getattr(kept, name) for name in Thread.model_fields if name != "messages"},
            aliases=[key.alias],
            messages=messages,
            is_continuation=start > 0,
        )

    def _archived(self, post: SlackPost, newest: datetime | None, agent_name: str | None) -> ArchivedMessage:
        told, place = post.message, post.external
        late = {"backfilled": True} if newest is not None and told.created_at < newest else {}
        message = told.model_copy(
            update={
                "id": str(uuid5(_IDS, f"message {place.platform} {place.workspace} {place.channel} {place.id}")),
                # Storage numbers it: behind what the thread has.
                "sequence": 1,
                "attributes": told.attributes | late,
                "reactions": {},
                "updated_at": _changed_at(told),
            }
        )
        wanted = [number for number, file in enumerate(told.attachments, 1) if file.location is not None]
        is_wanted = self._options.fetches and told.role == "user" and wanted
        return ArchivedMessage(
            message=message,
            external=(place.platform, place.workspace, place.channel, place.id),
            reactions=[
                ArchivedReaction(emoji=emoji, user_id=user) for emoji, users in told.reactions.items() for user in users
            ],
            feedback=_thumbs(message, told.reactions, agent_name),
            wanted=wanted if is_wanted else [],
            wanted_from=(place.platform, place.workspace) if is_wanted else None,
        )


def workspace_of(archive: SlackArchive) -> str:
    """Return the workspace that most people of an export are of: there may be some of others among them.

    Raises: StorageRefusedError: no list of people in it says so, or none has more than half of them.
    """
    found = archive.teams.most_common(1)
    if found and found[0][1] * 2 > archive.teams.total():
        return found[0][0]
    raise StorageRefusedError(
        f"{archive.path.name} does not say which workspace it is of.",
        "Name it with --workspace; its id begins with T, and stands in the address of Slack in a browser.",
    )


def _thumbs(message: Message, reactions: dict[str, list[str]], agent_name: str | None) -> list[ArchivedFeedback]:
    """Lay the thumbs on an answer out as feedback, as they are where the bot sees them; each user's once."""
    is_answer = message.role == "assistant" and message.deleted_at is None
    thumbs = {(user, thumb_of(emoji)): None for emoji, users in reactions.items() for user in users}
    return [
        ArchivedFeedback(
            id=reaction_feedback_id(message.id, user, thumb),
            user_id=user,
            agent_name=agent_name,
            thumb=thumb,
            metadata=FROM_REACTION,
            created_at=message.updated_at or message.created_at,
        )
        for user, thumb in (thumbs if is_answer else ())
        if thumb is not None
    ]


def _changed_at(message: Message) -> datetime:
    return max(filter(None, (message.created_at, message.edited_at, message.deleted_at)))
