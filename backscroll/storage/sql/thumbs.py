"""Thumbs on answers as feedback, inside the transaction that changes a reaction.

Proved by `tests/contract/test_feedback.py`.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, select

from backscroll.storage.models import Message
from backscroll.storage.sql.agent_tables import feedback
from backscroll.storage.sql.dialect import insert_ignoring
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.tables import message_reactions, threads
from backscroll.storage.thumbs import FROM_REACTION, Thumb, reaction_feedback_id, thumb_of

_AGENT = select(threads.c.agent_name).where(threads.c.id == bindparam("its_thread")).scalar_subquery()
_DELETE = delete(feedback).where(feedback.c.id == bindparam("its_id"))
_STANDING = select(message_reactions.c.emoji).where(
    message_reactions.c.message_id == bindparam("its_message"),
    message_reactions.c.user_id == bindparam("its_user"),
    message_reactions.c.removed_at.is_(None),
)


async def settle_thumb(
    connection: Connection, message: Row[Any], emoji: str, user_id: str, added: bool, at: datetime
) -> None:
    """Let a reaction that was added be feedback when it is a thumb on an answer, or take it back with the last."""
    thumb = thumb_of(emoji)
    if thumb is None or message.role != "assistant":
        return
    if added:
        await _insert(connection, [_values(message.thread_id, message.id, user_id, thumb, at)])
        return
    standing = await connection.execute(_STANDING, {"its_message": message.id, "its_user": user_id})
    if not any(thumb_of(row.emoji) == thumb for row in standing):
        await connection.execute(_DELETE, {"its_id": reaction_feedback_id(message.id, user_id, thumb)})


async def keep_thumbs(connection: Connection, brought: list[tuple[str, Message, list[dict[str, Any]]]]) -> None:
    """Let the thumbs that new answers bring be feedback: each with its thread's id and the rows of its reactions."""
    found: dict[str, dict[str, Any]] = {}
    for thread_id, message, reactions in brought:
        for row in reactions if message.role == "assistant" else ():
            thumb = thumb_of(row["emoji"])
            if thumb is not None and row["removed_at"] is None:
                at = row["event_at"] or row["created_at"]
                values = _values(thread_id, message.id, row["user_id"], thumb, at)
                found.setdefault(values["id"], values)
    if found:
        await _insert(connection, list(found.values()))


async def _insert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    await connection.execute(insert_ignoring(connection, feedback).values(agent_name=_AGENT), rows)


def _values(thread_id: str, message_id: str, user_id: str, thumb: Thumb, at: datetime) -> dict[str, Any]:
    return {
        "id": reaction_feedback_id(message_id, user_id, thumb),
        "thread_id": thread_id,
        "its_thread": thread_id,
        "message_id": message_id,
        "user_id": user_id,
        "thumb": thumb,
        "attributes": FROM_REACTION,
        "created_at": at,
    }
