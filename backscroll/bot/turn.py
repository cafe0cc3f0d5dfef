"""What a handler is given: `Turn`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from backscroll.storage.files import FileStore
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore

PAGE_COUNT = 50

CONTEXTS = "contexts"
"""The namespace of what a platform says of where people are, by the thread's alias."""


Fetch = Callable[[Message, int], Awaitable[bytes | None]]
"""Gives the content of a message's attachment, by its position from 1; None when nobody has it."""


class Desk(Protocol):
    """What a turn can do on the platform while the handler works."""

    async def react(self, emoji: str) -> None: ...  # `Turn` says what these promise

    async def post(self, content: str | Message) -> Message: ...

    async def typing(self, text: str | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """One message to answer, and the thread that it stands in.

    `thread.messages` are the newest `bot.history_limit` messages in the platform's order, tombstones left out, and
    `message` is the last of them: what people wrote after it has turns of its own. `attempt` counts from 1. `store`
    reaches all that is kept. `context` is what the platform says of where the person is, such as the channel that they
    look at beside an assistant's thread on Slack.
    """

    thread: Thread
    message: Message
    attempt: int
    store: ThreadStore
    context: dict[str, Any] = field(default_factory=dict)
    desk: Desk | None = field(default=None, repr=False, compare=False)

    async def react(self, emoji: str) -> None:
        """Put an emoji on the message, named as the platform names it; harmless when repeated.

        Raises: AdapterError: the platform refuses.
        """
        if self.desk is not None:
            await self.desk.react(emoji)

    async def post(self, content: str | Message) -> Message:
        """Post a message before the answer, keep it, and return it as it is kept.

        The first post of an answer is posted once, and so is the second: a handler that is tried again skips those that
        went out, whatever it would say now.

        Raises: AdapterError: the platform refuses.
        """
        if self.desk is None:
            return content if isinstance(content, Message) else Message(role="assistant", content=content)
        return await self.desk.post(content)

    async def typing(self, text: str | None = None) -> None:
        """Show that the bot is at work, with a text where the platform has room for one."""
        if self.desk is not None:
            await self.desk.typing(text)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What turns of one process are made in."""

    provider: StorageProvider
    history_limit: int
    files: FileStore | None = None
    fetch: Fetch | None = None


async def make_turn(
    around: Surroundings, thread_id: str, message_id: str, attempt: int, alias: str = ""
) -> Turn | None:
    """Read what a handler needs to answer a message; None when the thread is gone or the message a tombstone.

    Args: alias: under which the platform's context of the thread is kept.
    """
    provider, limit = around.provider, around.history_limit
    thread = await provider.get_thread(thread_id, limit=limit)
    question = None if thread is None else await _find(provider, thread, message_id)
    if thread is None or question is None or question.deleted_at is not None:
        return None
    kept = await _until_question(provider, thread, question, limit)
    context = [message for message in _in_order(kept) if message.deleted_at is None and message.id != message_id]
    thread.messages = [*context[-(limit - 1) :], question] if limit > 1 else [question]
    if around.fetch is not None:
        for message in thread.messages:
            for position, attachment in enumerate(message.attachments, 1):
                attachment.bind(partial(around.fetch, message, position))
    store = ThreadStore(provider=provider, files=around.files, closes_provider=False)
    place = await provider.get(CONTEXTS, alias) if alias else None
    return Turn(thread, question, attempt, store, place or {})


async def _find(provider: StorageProvider, thread: Thread, message_id: str) -> Message | None:
    """Return a message that mostly stands among those of its thread that are read already."""
    for message in reversed(thread.messages):
        if message.id == message_id:
            return message
    found = await provider.get_message(message_id)
    return None if found is None else found[1]


async def _until_question(provider: StorageProvider, thread: Thread, question: Message, limit: int) -> list[Message]:
    """Return the newest messages but later questions; as many as `limit`, where there are so many.

    What was read from the platform's history is kept behind what it stands before, so it is read to its beginning.
    """
    page, kept = thread.messages, list[Message]()
    while page:
        kept = [message for message in page if _stands_before(message, question)] + kept
        if sum(not _is_late(message) for message in kept) >= limit:
            break  # what was kept before these is older than they, late or not
        if page[0].sequence == 1:
            break
        # Later questions took the place of earlier messages.
        page = await provider.read_messages(thread.id, limit=max(limit, PAGE_COUNT), before=page[0].sequence)
    return kept


def _stands_before(message: Message, question: Message) -> bool:
    if _is_late(message):
        return message.created_at <= question.created_at
    return (message.sequence or 0) <= (question.sequence or 0) or message.role != "user"


def _is_late(message: Message) -> bool:
    return message.attributes.get("backfilled") is True


def _in_order(messages: list[Message]) -> list[Message]:
    """Put what was read from the platform's history where the platform has it: its own instants say where."""
    late = sorted((message for message in messages if _is_late(message)), key=lambda message: message.created_at)
    ordered: list[Message] = []
    for message in messages:
        if _is_late(message):
            continue
        while late and message.role == "user" and late[0].created_at < message.created_at:
            ordered.append(late.pop(0))
        ordered.append(message)
    return ordered + late
