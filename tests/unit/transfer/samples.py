"""Pieces of archives to write into files."""

from datetime import UTC, datetime

from backscroll.storage.archive import ArchivedMessage, ArchivedReaction, ArchivedThread
from backscroll.storage.models import Message

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
CANARY = "canary-4711"


def archived(thread_id: str, count: int = 2, *, first: int = 1, text: str = "hello") -> ArchivedThread:
    """Make a thread with so many messages, or the piece of it that begins with the `first`."""
    messages = [
        ArchivedMessage(
            message=Message(
                id=f"{thread_id}-{number}",
                role="user",
                content=f"{text} {number}",
                sequence=number,
                created_at=AT,
                updated_at=AT,
            ),
            external=("slack", "T1", "C1", f"{thread_id}.{number}"),
            reactions=[ArchivedReaction(emoji="eyes", user_id="U1", event_at=AT)],
        )
        for number in range(first, first + count)
    ]
    return ArchivedThread(
        id=thread_id,
        title=f"About {thread_id}",
        attributes={"b": None, "a": [1, 2.5]},
        platforms={"slack": {"channel": "C1"}},
        aliases=[f"slack:T1:C1:{thread_id}"],
        created_at=AT,
        updated_at=AT,
        messages=messages,
        is_continuation=first > 1,
    )
