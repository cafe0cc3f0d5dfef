"""`ConversationManager`: the adapters' `Inbox`. Decides what is kept and what is answered; storage does the rest.

Knows neither a platform's payloads nor SQL. Proved by `tests/unit/bot/test_manager.py` and `tests/contract/`.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal

from backscroll.adapters.events import (
    Event,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
)
from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Message, Thread, short_title
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Arrival, Asks
from backscroll.storage.values import clean_text


@dataclass(frozen=True, slots=True)
class Policy:
    """What is kept and what is answered, as `bot` in config.yaml says; None for users or channels means all."""

    answer: Collection[str] = ("mentions", "direct_messages", "joined_threads")
    record: Literal["joined", "all"] = "joined"
    users: Collection[str] | None = field(default=None, repr=False)
    channels: Collection[str] | None = field(default=None, repr=False)

    def asks(self, event: MessagePosted) -> Asks:
        """Tell whether a message asks for an answer."""
        if self.users is not None and event.author_id not in self.users:
            return "no"
        if self.channels is not None and event.key.channel not in self.channels:
            return "no"
        if event.is_direct and "direct_messages" in self.answer:
            return "yes"
        if event.mentions_bot and "mentions" in self.answer:
            return "yes"
        return "if_joined" if "joined_threads" in self.answer else "no"


class ConversationManager:
    """Keeps events, each in one transaction of the provider.

    Args: asked: called after a message was kept that asks for an answer.
    """

    def __init__(
        self, provider: StorageProvider, policy: Policy | None = None, asked: Callable[[], None] = lambda: None
    ) -> None:
        self.provider = provider
        self._policy = policy or Policy()
        self._asked = asked

    async def record(self, event: Event) -> None:
        """Keep an event; when this returns, it is committed. A repeat changes nothing.

        A message is kept in the thread that lives at its key; one is made when the message asks for an answer, or when
        everything is recorded. An edit, deletion or reaction that comes before its message waits for it.

        Raises: StorageUnavailableError: it is not kept, or nobody knows. ValueError: no backend could hold it.
        """
        match event:
            case MessagePosted():
                await self._record_message(event)
            case MessageEdited(key, external, text, edited_at):
                only_in = key.alias if self._policy.record == "joined" else None
                await self.provider.record_edit(external, clean_text(text), edited_at, only_in=only_in)
            case MessageDeleted(external, deleted_at):
                await self.provider.record_deletion(external, deleted_at)
            case ReactionAdded(external, emoji, user_id, event_at):
                await self.provider.record_reaction(external, emoji, user_id, added=True, event_at=event_at)
            case ReactionRemoved(external, emoji, user_id, event_at):
                await self.provider.record_reaction(external, emoji, user_id, added=False, event_at=event_at)

    async def reject(self, platform: str, reason: str, payload: dict[str, Any]) -> None:
        """Put an event aside that could not be understood."""
        await self.provider.reject_event(platform, reason, payload)

    async def recent_threads(self, limit: int) -> list[Thread]:
        """Return the newest threads without their messages, newest first."""
        return await self.provider.list_threads(limit=limit, with_messages=False)

    async def thread_at(self, key: ThreadKey) -> Thread | None:
        """Return the thread that lives at a key now, or None."""
        return await self.provider.get_by_alias(key.alias)

    async def start_thread(self, key: ThreadKey) -> None:
        """Let the key's next message begin a new thread; the old one is kept."""
        await self.provider.delete_thread_alias(key.alias)

    async def open_thread(self, key: ThreadKey, thread_id: str) -> Thread | None:
        """Let a thread live at a key from now on, and return it; None when there is none of this id."""
        thread = await self.provider.get_thread(thread_id)
        if thread is not None:
            await self.provider.move_alias(key.alias, thread_id)
        return thread

    async def _record_message(self, event: MessagePosted) -> None:
        external = event.key.message(event.external_id)
        asks = self._policy.asks(event)
        arrival = Arrival(
            key=event.key,
            message=Message(
                role="user",
                content=event.text,
                source={"type": "user", "id": event.author_id, "name": event.author_name},
                platforms=external.platforms,
                created_at=event.created_at,
            ),
            external=external,
            asks=asks,
            opens=asks == "yes" or self._policy.record == "all",
            title=short_title(event.text),
            user_id=event.author_id,
        )
        recorded = await self.provider.record_message(arrival)
        if recorded is not None and recorded.asked:
            self._asked()
