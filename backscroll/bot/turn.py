"""What a handler is given: `Turn`."""

from dataclasses import dataclass

from backscroll.storage.files import FileStore
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore

PAGE_COUNT = 50


@dataclass(frozen=True, slots=True)
class Turn:
    """One message to answer, and the thread that it stands in.

    `thread.messages` are the newest `bot.history_limit` messages, tombstones left out, and `message` is the last of
    them: what people wrote after it has turns of its own. `attempt` counts from 1. `store` reaches all that is kept.
    """

    thread: Thread
    message: Message
    attempt: int
    store: ThreadStore


async def make_turn(
    provider: StorageProvider,
    thread_id: str,
    message_id: str,
    limit: int,
    attempt: int,
    files: FileStore | None = None,
) -> Turn | None:
    """Read what a handler needs to answer a message; None when the thread is gone or the message a tombstone."""
    thread = await provider.get_thread(thread_id, limit=limit)
    found = await provider.get_message(message_id)
    if thread is None or found is None or found[1].deleted_at is not None:
        return None
    question = found[1]
    kept = await _until_question(provider, thread, question.sequence or 0, limit)
    context = [message for message in kept if message.deleted_at is None and message.id != message_id]
    thread.messages = [*context[-(limit - 1) :], question] if limit > 1 else [question]
    return Turn(thread, question, attempt, ThreadStore(provider=provider, files=files, closes_provider=False))


async def _until_question(provider: StorageProvider, thread: Thread, sequence: int, limit: int) -> list[Message]:
    """Return the newest messages but later questions; as many as `limit`, where there are so many."""
    page, kept = thread.messages, list[Message]()
    while page:
        kept = [message for message in page if (message.sequence or 0) <= sequence or message.role != "user"] + kept
        if len(kept) >= limit:
            break
        # Later questions took the place of earlier messages.
        page = await provider.read_messages(thread.id, limit=max(limit, PAGE_COUNT), before=page[0].sequence)
    return kept
