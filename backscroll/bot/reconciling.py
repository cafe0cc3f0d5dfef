"""Reconciling: what became, while nobody listened, of messages that are kept already.

Compares what stands in a place with what was kept of it before the place was read. All that is found is recorded as the
event that nobody heard, at the time of the read, so that what is heard meanwhile is later, and holds. Proved by
`tests/unit/bot/test_reconciling.py`.
"""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ParamSpec

from backscroll.adapters.base import Adapter
from backscroll.adapters.events import (
    Event,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
)
from backscroll.errors import AdapterError, AdapterUnavailableError
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.provider.sending import stands
from backscroll.storage.records import Part
from backscroll.storage.values import utc_now

log = logging.getLogger(__name__)
P = ParamSpec("P")

PAGE_COUNT = 200
"""Messages that are read from storage at once."""

MARGIN = timedelta(seconds=1)
"""Read before the oldest message that is compared, so that it is listed itself."""

Record = Callable[[Event], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a message that stands outside, and in which posts."""

    id: str
    posts: tuple[ExternalId, ...]
    created_at: datetime
    edited_at: datetime | None
    reactions: dict[str, list[str]]
    is_ours: bool


class Reconciling:
    """Compares the places of one platform, as often as they are read in one go.

    Args: oldest: what was written before it is not compared.
    """

    def __init__(self, provider: StorageProvider, adapter: Adapter, oldest: datetime) -> None:
        self._provider = provider
        self._adapter = adapter
        self._oldest = oldest
        self._beside: dict[str, list[_Kept]] = {}

    async def begin(self, key: ThreadKey) -> "Comparison":
        """Read what is kept of a place; its history is read then.

        The history of a thread lists what stands in its own channel, and its beginning. What else a thread has stands
        in the key's channel, and is compared when that is read as a whole: read it last.
        """
        began_at, here = utc_now(), list[_Kept]()
        async for kept in self._kept_at(key):
            if any(_is_listed(key, post) for post in kept.posts):
                here.append(kept)
            elif any(post.channel == key.channel for post in kept.posts):
                self._beside.setdefault(key.channel, []).append(kept)
        if key.thread == key.channel:
            here += self._beside.pop(key.channel, [])
        return Comparison(self._provider, self._adapter, key, began_at, here)

    async def _kept_at(self, key: ThreadKey) -> AsyncIterator[_Kept]:
        thread = await self._provider.get_by_alias(key.alias, limit=0)
        before: int | None = None
        while thread is not None:
            page = await self._provider.read_messages(thread.id, limit=PAGE_COUNT, before=before)
            for kept in _kept_of(page, await _posts_of(self._provider, page)):
                if kept.created_at >= self._oldest:
                    yield kept
            # Messages are stored in the order of their sequence, and changed and written at no other time than then or
            # later: what stands before one that was stored too early was written too early.
            if not page or any(each.updated_at is not None and each.updated_at < self._oldest for each in page):
                return
            before = page[0].sequence


class Comparison:
    """Compares one place with what was kept of it before it was read.

    `since` is from when on it has to be read for that; None where nothing of it is kept.
    """

    def __init__(
        self, provider: StorageProvider, adapter: Adapter, key: ThreadKey, began_at: datetime, here: list[_Kept]
    ) -> None:
        self._provider = provider
        self._adapter = adapter
        self._key = key
        self._began_at = began_at
        self._kept = {post: kept for kept in here for post in kept.posts}
        self._seen: set[ExternalId] = set()
        self._edits: list[MessageEdited] = []
        self._counts: dict[ExternalId, dict[str, int]] = {}
        self.since = min((kept.created_at for kept in here), default=None)
        if self.since is not None:
            self.since -= MARGIN

    def meet(self, event: Event) -> None:
        """Take what the history tells of a message."""
        if not isinstance(event, MessagePosted):
            return
        external, kept = event.external, self._kept.get(event.external)
        self._seen.add(external)
        if event.reaction_counts or (kept is not None and event.reaction_counts is not None):
            self._counts[external] = event.reaction_counts
        if kept is None or kept.is_ours or event.edited_at is None:
            return
        if kept.edited_at is None or kept.edited_at < event.edited_at:
            edit = MessageEdited(event.key, external, event.text, event.edited_at, event.is_direct)
            self._edits.append(edit)

    async def settle(self, record: Record) -> None:
        """Record what became of the messages, after the history was read to its end.

        Raises: AdapterUnavailableError: the platform does not answer. StorageUnavailableError.
        """
        for edit in self._edits:
            await record(edit)
        for external, kept in self._kept.items():
            is_missing = external not in self._seen and _is_listed(self._key, external)
            if is_missing and kept.created_at < self._began_at:
                await self._unless_refused(self._settle_missing, external, record)
        for kept in [*{kept.id: kept for kept in self._kept.values()}.values(), *await self._new()]:
            if all(post in self._counts for post in kept.posts):
                await self._unless_refused(self._settle_reactions, kept, record)

    async def _settle_missing(self, external: ExternalId, record: Record) -> None:
        """Record that a message was taken away which the history does not list."""
        found = await self._provider.find_external(external)
        if found is None or found[1].deleted_at is not None:
            return
        if await self._adapter.is_gone(external, found[1]):
            await record(MessageDeleted(external, self._began_at))

    async def _settle_reactions(self, kept: _Kept, record: Record) -> None:
        """Record who reacted and who no longer does, where the platform counts others than are kept."""
        counts = [self._counts[post] for post in kept.posts]
        totals = sum(map(Counter, counts), Counter[str]())
        for emoji in [*kept.reactions, *(emoji for emoji in totals if emoji not in kept.reactions)]:
            before = kept.reactions.get(emoji, [])
            if totals[emoji] == len(before):
                continue
            at, standing = (utc_now() if totals[emoji] else self._began_at), dict[str, None]()
            for post, count in zip(kept.posts, counts, strict=True):
                if count.get(emoji):
                    standing |= dict.fromkeys(await self._adapter.reactors(post, emoji))
            for user_id in standing:
                if user_id not in before:
                    await record(ReactionAdded(kept.posts[0], emoji, user_id, at))
            for user_id in before:
                if user_id not in standing:
                    await record(ReactionRemoved(kept.posts[0], emoji, user_id, at))

    async def _new(self) -> list[_Kept]:
        """Return the messages that were kept since the read began, and that somebody reacted to."""
        new: list[_Kept] = []
        for external in self._counts.keys() - self._kept.keys():
            found = await self._provider.find_external(external)
            if found is not None:
                new += _kept_of([found[1]], await _posts_of(self._provider, [found[1]]))
        return new

    async def _unless_refused(self, settle: Callable[P, Awaitable[None]], *args: P.args, **named: P.kwargs) -> None:
        """Settle one message; what the platform refuses to tell of it stays as it is."""
        try:
            await settle(*args, **named)
        except AdapterUnavailableError:
            raise
        except AdapterError as error:
            log.info("A message in %s is not compared: %s", self._key.channel, error)


async def _posts_of(provider: StorageProvider, messages: list[Message]) -> list[Part]:
    ours = [message.id for message in messages if message.role == "assistant"]
    return await provider.get_posts(ours) if ours else []


def _kept_of(messages: Iterable[Message], parts: list[Part]) -> list[_Kept]:
    """Return what is compared of messages; nothing for tombstones, and for what stands nowhere outside."""
    posts: dict[str, list[ExternalId]] = {}
    for part in parts:
        where = posts.setdefault(part.message_id, [])
        if part.external is not None and stands(part):
            where.append(part.external)
    kept: list[_Kept] = []
    for each in messages:
        external = ExternalId.of_message(each.platforms, {})
        its = posts.get(each.id, [] if external is None else [external])
        if its and each.deleted_at is None:
            is_ours = each.role == "assistant"
            kept.append(_Kept(each.id, tuple(its), each.created_at, each.edited_at, each.reactions, is_ours))
    return kept


def _is_listed(key: ThreadKey, post: ExternalId) -> bool:
    """Tell whether the history of a key lists a post, if that stands: in the thread's own channel, or its beginning."""
    if (post.platform, post.workspace) != (key.platform, key.workspace):
        return False
    return post.channel == key.thread or (post.channel, post.id) == (key.channel, key.thread)
