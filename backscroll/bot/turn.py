"""What a handler is given: `Turn`."""

from dataclasses import dataclass

from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore


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
    provider: StorageProvider, thread_id: str, message_id: str, limit: int, attempt: int
) -> Turn | None:
    """Read what a handler needs to answer a message; None when the thread is gone or the message a tombstone."""
    thread = await provider.get_thread(thread_id, limit=limit)
    found = await provider.get_message(message_id)
    if thread is None or found is None or found[1].deleted_at is not None:
        return None
    question = found[1]
    sequence = question.sequence or 0
    newest = thread.messages
    kept = [message for message in newest if (message.sequence or 0) < sequence or message.role != "user"]
    if newest and len(kept) < len(newest):  # later questions took the place of earlier messages
        first = newest[0].sequence or 1
        kept = await provider.read_messages(thread_id, limit=len(newest) - len(kept), before=first) + kept
    context = [message for message in kept if message.deleted_at is None and message.id != message_id]
    thread.messages = [*context[-(limit - 1) :], question] if limit > 1 else [question]
    return Turn(thread, question, attempt, ThreadStore(provider=provider))
