"""`ConversationManager`: the adapters' `Inbox`. Decides what is kept and what is answered; storage does the rest.

Knows neither a platform's payloads nor SQL. Proved by `tests/unit/bot/test_manager.py` and `tests/contract/`.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from backscroll.adapters.base import Adapter, Verdict
from backscroll.adapters.events import (
    AuthorKind,
    Event,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    PlaceDeleted,
    ReactionAdded,
    ReactionRemoved,
    ReactionsCleared,
    ThreadChanged,
)
from backscroll.adapters.observing import Observer
from backscroll.bot.approvals import Approvers, Deciding
from backscroll.bot.backfill import Backfill, May, what_may_ask
from backscroll.bot.conversations import Conversations
from backscroll.bot.own_posts import OwnPosts
from backscroll.bot.turn import CONTEXTS
from backscroll.bot.watching.events import KEPT, Kept, observed
from backscroll.errors import EchoPendingError
from backscroll.storage.files import FileStore
from backscroll.storage.keys import ChannelMove, ExternalId, ThreadKey, place_fields
from backscroll.storage.models import Message, Thread, short_title
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Approval, Arrival, Asks, Recorded
from backscroll.storage.values import clean_text, utc_now

LATE = timedelta(seconds=3)
"""How late a first mention is before its thread is read for what was said there meanwhile."""

ECHO_WAIT_S = 2.0
"""Seconds that an echo waits for the answer that it may be of to be marked."""

NEWEST_COUNT = 20
"""Messages among which a thread's newest is looked for: what was read back stands behind newer ones."""

LOOK_S = 0.05
"""Seconds between looks for what another process may do."""

DELETED_COUNT = 100
"""Threads of a place that are deleted at once."""

_SOURCES: dict[AuthorKind, str] = {"person": "user", "bot": "agent", "self": "agent"}


@dataclass(frozen=True, slots=True)
class Policy:
    """What is kept and what is answered, as `bot` in config.yaml says; None for users or channels means all."""

    answer: Collection[str] = ("mentions", "direct_messages", "joined_threads")
    record: Literal["joined", "all"] = "joined"
    users: Collection[str] | None = field(default=None, repr=False)
    channels: Collection[str] | None = field(default=None, repr=False)
    approve: Approvers = "thread"

    def asks(self, event: MessagePosted) -> Asks:
        """Tell whether a message asks for an answer. Another bot has to mention this one."""
        if event.author_kind == "self":
            return "no"
        if self.users is not None and event.author_id not in self.users:
            return "no"
        if self.channels is not None and event.key.channel not in self.channels:
            return "no"
        if event.mentions_bot and "mentions" in self.answer:
            return "yes"
        if event.author_kind == "bot":
            return "no"
        if event.is_direct and "direct_messages" in self.answer:
            return "yes"
        if not event.text.strip() and not event.files:
            return "no"  # Discord shows a bot without message content that somebody spoke, and not what
        return "if_joined" if "joined_threads" in self.answer else "no"


class ConversationManager(Conversations):
    """Keeps events, each in one transaction of the provider.

    Args: asked: called after a message was kept that asks for an answer. files_changed: called after one that brings
        files to fetch, or takes files away. adapters: whose history may be read. live_for: as `Backfill` has it.
        own_posts: what this process posted; the echoes of it change nothing. files: where contents lie; None means
            where the provider says. observer: is told what becomes of the events.
    """

    def __init__(
        self,
        provider: StorageProvider,
        policy: Policy | None = None,
        asked: Callable[[], None] = lambda: None,
        *,
        files_changed: Callable[[], None] = lambda: None,
        adapters: Mapping[str, Adapter] | None = None,
        live_for: Mapping[str, timedelta] | None = None,
        own_posts: OwnPosts | None = None,
        files: FileStore | None = None,
        observer: Observer | None = None,
    ) -> None:
        super().__init__(provider, files)
        self._policy = policy or Policy()
        self._deciding = Deciding(provider, self._policy.approve, self._policy.users)
        self._asked = asked
        self._files_changed = files_changed
        self._backfill = Backfill(provider, adapters or {}, live_for or {})
        self._can_read_back = bool(adapters)
        self._own_posts = own_posts or OwnPosts()
        self._observer = observer or Observer()

    async def record(self, event: Event) -> None:
        """Keep an event; when this returns, it is committed. A repeat changes nothing.

        A message is kept in the thread that lives at its key; one is made when the message asks for an answer, or when
        everything is recorded. With the first that asks in a thread of others, the messages before it are kept too. An
        edit, deletion or reaction that comes before its message waits for it. A post of this bot's that is no answer is
        kept where the thread is known. A repeat brings an edit that nobody heard. With a place that is gone go the
        threads that live there.

        Raises: StorageUnavailableError: it is not kept, or nobody knows. ValueError: no backend could hold it.
        """
        await observed(self._observer, event, self._record(event))

    async def _record(self, event: Event) -> Kept:
        match event:
            case MessagePosted():
                return await self._record_message(event, self._policy.asks(event))
            case MessageEdited(key, external, text, edited_at, is_direct):
                # What people say where the bot takes no part is not kept, not even until its message comes.
                only_in = key.alias if self._policy.record == "joined" and not is_direct else None
                await self.provider.record_edit(external, clean_text(text), edited_at, only_in=only_in)
            case MessageDeleted(external, deleted_at):
                if await self.provider.record_deletion(external, deleted_at):
                    self._files_changed()
            case ReactionAdded(external, emoji, user_id, at) | ReactionRemoved(external, emoji, user_id, at):
                added = isinstance(event, ReactionAdded)
                await self.provider.record_reaction(external, emoji, user_id, added=added, event_at=at)
            case ReactionsCleared():
                await self.provider.record_clearing(event.external, event.emoji, event.event_at)
            case ThreadChanged(key, title, place):
                await self.provider.change_place(key, title=title, place=place)
            case PlaceDeleted():
                await self._delete_place(event)
            case ChannelMove():
                await self.provider.move_channel(event)
        return KEPT

    async def reject(self, platform: str, reason: str, payload: dict[str, Any]) -> None:
        """Put an event aside that could not be understood."""
        await self.provider.reject_event(platform, reason, payload)
        self._observer.event_rejected(platform)

    async def catch_up(self, platform: str, workspace: str) -> None:
        """Keep what the workspace's live threads said while nobody listened, and answer what was asked.

        Raises: AdapterUnavailableError, StorageUnavailableError: the rest is read by the next call.
        """
        try:
            await self._backfill.catch_up(platform, workspace, self._keep_late)
        except Exception:
            self._observer.caught_up(platform, is_done=False)
            raise
        self._observer.caught_up(platform, is_done=True)

    async def keep_watermark(self, platform: str, workspace: str, at: datetime | None = None) -> None:
        """Note that all that was said in a workspace until an instant, None is now, is kept, or will be delivered."""
        await self._backfill.keep_watermark(platform, workspace, at)

    async def fill(self, key: ThreadKey) -> None:
        """Keep what stands in a thread that was begun without us; what is older than its first question asks nothing.

        Raises: AdapterUnavailableError: the platform does not answer; what was read is kept. StorageUnavailableError.
        """
        await self._backfill.fill(key, self._keep_late)

    async def keep_context(self, key: ThreadKey, context: dict[str, Any]) -> None:
        """Keep what the platform says of where a person is while they talk to the bot; the last one stands."""
        await self.provider.set(CONTEXTS, key.alias, context)

    def answers(self, event: MessagePosted) -> bool:
        """Tell whether a message would be answered, whatever its thread is."""
        return self._policy.asks(event) == "yes"

    async def key_of(self, external: ExternalId) -> ThreadKey | None:
        """Return the key of the thread that keeps a message; None when it is not kept, or lives at no key there."""
        found = await self.provider.find_external(external)
        aliases = [] if found is None else await self.provider.get_thread_aliases(found[0])
        keys = [key for alias in aliases if (key := ThreadKey.from_alias(alias)) is not None]
        there = [key for key in keys if (key.platform, key.workspace) == (external.platform, external.workspace)]
        # One thread may live at several keys: where the message itself stands comes first.
        return min(there, key=lambda key: external.channel not in (key.channel, key.thread), default=None)

    async def decide(self, approval_id: str, user_id: str, *, approved: bool) -> Verdict:
        """Keep what somebody decided of an approval; when this returns, it is committed. The first decision stands."""
        verdict = await self._deciding.decide(approval_id, user_id, approved=approved)
        if verdict in ("decided", "expired"):
            self._asked()
        return verdict

    async def open_approval(self, key: ThreadKey, *, wait: bool = False) -> Approval | None:
        """Return the newest approval that the thread at a key waits for, and people were asked for, or None.

        Args: wait: as long as there is something to answer on the key's platform, which may ask for one yet.
        """
        while True:
            is_at_work = await self.provider.seconds_until_ready([key.platform]) is not None
            thread = await self.provider.get_by_alias(key.alias, limit=1)
            waiting = [] if thread is None else await self.provider.list_approvals(thread_id=thread.id, limit=None)
            for approval in reversed(waiting):
                found = await self.provider.get_message(approval.id)
                if found is not None and ExternalId.of_message(found[1].platforms, {}) is not None:
                    return approval
            if not (wait and is_at_work):
                return None
            await asyncio.sleep(LOOK_S)

    async def recent_threads(self, limit: int) -> list[Thread]:
        """Return the newest threads without their messages, newest first."""
        return await self.provider.list_threads(limit=limit, with_messages=False)

    async def thread_at(self, key: ThreadKey) -> Thread | None:
        """Return the thread that lives at a key now, or None."""
        return await self.provider.get_by_alias(key.alias)

    async def start_thread(self, key: ThreadKey, *, asked_at: datetime | None = None) -> None:
        """Let the key's next message begin a new thread; the old one is kept. One that was written to since goes on."""
        if asked_at is not None:
            thread = await self.provider.get_by_alias(key.alias, limit=NEWEST_COUNT)
            if thread is not None and any(message.created_at > asked_at for message in thread.messages):
                return
        await self.provider.delete_thread_alias(key.alias)

    async def open_thread(self, key: ThreadKey, thread_id: str) -> Thread | None:
        """Let a thread live at a key from now on, and return it; None when there is none of this id."""
        thread = await self.provider.get_thread(thread_id)
        if thread is not None:
            await self.provider.move_alias(key.alias, thread_id)
        return thread

    async def _keep_late(self, event: Event, may: May) -> bool:
        if not isinstance(event, MessagePosted):
            await self.record(event)
            return False
        asks = self._asks_late(event, may)
        await observed(self._observer, event, self._record_message(event, asks))
        return asks == "yes"

    def _asks_late(self, event: MessagePosted, may: May) -> Asks:
        asks = self._policy.asks(event)
        return "no" if may == "none" or (may == "mentions" and asks != "yes") else asks

    async def _arrivals_before(self, event: MessagePosted, earlier: list[MessagePosted]) -> list[Arrival]:
        """Return what stands before a message; questions that nobody heard, and what follows them, ask now."""
        arrivals, began_at = list[Arrival](), None
        missed_since = await self._backfill.missed_since(event.key.platform, event.key.workspace) if earlier else None
        for each in earlier:
            asks = self._asks_late(each, what_may_ask(each, began_at, missed_since, is_gap=False))
            if asks == "yes":
                began_at = began_at or each.created_at
            arrivals.append(self._arrival(each, asks))
        return arrivals

    async def _record_message(self, event: MessagePosted, asks: Asks) -> Kept:
        is_echo = event.author_kind == "self" and not event.is_late
        if is_echo and await self._own_posts.is_known(event.key, event.external, ECHO_WAIT_S):
            return ("repeated", None)
        earlier: list[MessagePosted] | None = []
        may_join = self._can_read_back and asks == "yes" and event.is_reply
        if may_join and not await self.provider.is_joined(event.key.alias):
            # Nobody waits for one that was read back; what stands before it is read when it is answered.
            earlier = None if event.is_late else await self._backfill.earlier(event)
        # A mention that Slack delivers late may have replies by now, which were dropped as nobody's.
        begins = asks == "yes" and not (event.is_late or event.is_reply or event.is_direct)
        is_old = begins and self._can_read_back and utc_now() - event.created_at > LATE
        is_partial = earlier is None or is_old
        before = await self._arrivals_before(event, earlier or [])
        title = event.thread_title or (before[0].title if before else None)
        arrival = self._arrival(event, asks, title=title, is_partial=is_partial)
        recorded = await self._record_patiently(arrival, before)
        if recorded is None:
            return ("ignored", None)
        if event.edited_at is not None:
            await self._apply_edit(event, event.edited_at, recorded.message)
        if recorded.asked or any(each.asks != "no" for each in before):
            self._asked()
        if arrival.fetches or any(each.fetches for each in before):
            self._files_changed()
        return ("kept" if recorded.is_new else "repeated", recorded.thread_id)

    async def _apply_edit(self, event: MessagePosted, edited_at: datetime, kept: Message) -> None:
        """Let a message that is kept say what it says by now, unless it was us who edited it, or it says so already."""
        is_newer = kept.edited_at is None or kept.edited_at < edited_at
        if event.author_kind != "self" and is_newer and kept.deleted_at is None:
            await self.provider.record_edit(event.external, clean_text(event.text), edited_at)

    async def _delete_place(self, event: PlaceDeleted) -> None:
        """Delete what lives in a place that is gone, some threads at once."""
        place = place_fields(event.platform, event.workspace, event.channel, event.thread)
        find = self.provider.find_by_platform
        while threads := await find(event.platform, place, limit=DELETED_COUNT, with_messages=False):
            await self.provider.delete_threads([thread.id for thread in threads])
            self._files_changed()

    async def _record_patiently(self, arrival: Arrival, before: list[Arrival]) -> Recorded | None:
        deadline = asyncio.get_running_loop().time() + (0.0 if arrival.is_late else ECHO_WAIT_S)
        while True:
            try:
                return await self.provider.record_message(arrival, earlier=before)
            except EchoPendingError:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
            await asyncio.sleep(LOOK_S)

    def _arrival(
        self, event: MessagePosted, asks: Asks, *, title: str | None = None, is_partial: bool = False
    ) -> Arrival:
        is_ours = event.author_kind == "self"
        late = {"backfilled": True} if event.is_late else {}
        return Arrival(
            key=event.key,
            message=Message(
                role="assistant" if is_ours else "user",
                content=event.text,
                source={"type": _SOURCES[event.author_kind], "id": event.author_id, "name": event.author_name},
                platforms=event.external.platforms,
                attributes=event.attributes | late,
                attachments=[file.model_copy() for file in event.files],
                reactions=event.reactions,
                created_at=event.created_at,
                edited_at=event.edited_at,
            ),
            external=event.external,
            asks=asks,
            opens=asks == "yes" or self._policy.record == "all",
            title=title or event.thread_title or short_title(event.text),
            user_id=None if is_ours else event.author_id,
            place={} if event.channel_name is None else {"channel_name": event.channel_name},
            is_partial=is_partial,
            fetches=bool(event.files) and not is_ours,
            is_late=event.is_late,
            is_echo=is_ours,
            token=event.token,
        )
