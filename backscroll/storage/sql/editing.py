"""Edits, tombstones and reactions of stored messages, inside a transaction.

Each locks the row of its thread first, so changes of one thread come one after the other. Proved by
`tests/contract/test_messages.py` and `test_reactions.py`.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    Executable,
    Row,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    null,
    select,
    update,
)

from backscroll.storage.blocks import SAID
from backscroll.storage.models import Content, plain_text
from backscroll.storage.sql.agent_tables import feedback, message_blocks
from backscroll.storage.sql.dropping import drop_files_of_message
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.rows import (
    MESSAGE_COLUMNS,
    TOOL_TEXTS,
    content_of,
    content_values,
    search_values,
    tools_of,
)
from backscroll.storage.sql.tables import (
    message_files,
    message_parts,
    message_reactions,
    message_versions,
    messages,
    threads,
)
from backscroll.storage.sql.thumbs import settle_thumb
from backscroll.storage.sql.types import later_of, now
from backscroll.storage.values import canonical_json, utc_now

_MESSAGE: BindParameter[Any] = bindparam("its_message")
_LOCK = (
    select(threads.c.id)
    .where(threads.c.id == select(messages.c.thread_id).where(messages.c.id == _MESSAGE).scalar_subquery())
    .with_for_update(key_share=True)
)
# Literals as in the partial index, or the planner would not see that it fits.
IS_SAID = message_blocks.c.block_type.in_([literal_column(f"'{each}'") for each in SAID])
_HAS_TEXTS = exists().where(message_blocks.c.message_id == messages.c.id, IS_SAID).label("has_texts")
READ = select(*MESSAGE_COLUMNS, TOOL_TEXTS, _HAS_TEXTS).where(messages.c.id == _MESSAGE)
_DROP_TEXTS = delete(message_blocks).where(message_blocks.c.message_id == _MESSAGE, IS_SAID)
_DROP_BLOCKS = delete(message_blocks).where(
    message_blocks.c.message_id == _MESSAGE, message_blocks.c.block_type != "usage"
)
TOUCH = (
    update(threads).where(threads.c.id == bindparam("thread")).values(updated_at=later_of(threads.c.updated_at, now()))
)
CHANGE = update(messages).where(messages.c.id == _MESSAGE)
_LAST_VERSION = select(func.max(message_versions.c.version)).where(message_versions.c.message_id == _MESSAGE)
_REACTION = select(message_reactions).where(
    message_reactions.c.message_id == _MESSAGE,
    message_reactions.c.emoji == bindparam("its_emoji"),
    message_reactions.c.user_id == bindparam("its_user"),
)
_STANDING = (
    select(message_reactions.c.emoji, message_reactions.c.user_id)
    .where(message_reactions.c.message_id == _MESSAGE, message_reactions.c.removed_at.is_(None))
    .order_by(message_reactions.c.position)
)
_LAST_REACTION = select(func.max(message_reactions.c.position)).where(message_reactions.c.message_id == _MESSAGE)


async def edit(connection: Connection, message_id: str, content: Content, edited_at: datetime | None) -> bool:
    """Change a content and keep the one before; False when the message is unknown, a tombstone, or edited later."""
    row = await lock(connection, message_id)
    if row is None or row.deleted_at is not None:
        return False
    if edited_at and row.edited_at and edited_at <= row.edited_at:
        return False
    at = edited_at or max(utc_now(), row.edited_at or utc_now())
    if canonical_json(content_of(row)) != canonical_json(content):
        last = (await connection.execute(_LAST_VERSION, {"its_message": message_id})).scalar_one() or 0
        version = {
            "message_id": message_id,
            "version": last + 1,
            "content": row.content,
            "content_blocks": row.content_blocks,
            "written_at": row.edited_at or row.created_at,
        }
        await connection.execute(message_versions.insert(), version)
    await _set_content(connection, row, content, edited_at=at)
    return True


async def rewrite(connection: Connection, message_id: str, content: Content) -> bool:
    """Put another content in place, as if it had always been so; False when the message is unknown or a tombstone."""
    row = await lock(connection, message_id)
    if row is None or row.deleted_at is not None:
        return False
    await _set_content(connection, row, content)
    return True


async def _set_content(connection: Connection, row: Row[Any], content: Content, **changed: Any) -> None:
    """Let a message say something else, in one part."""
    if row.has_texts:
        await connection.execute(_DROP_TEXTS, {"its_message": row.id})
    await grow(connection, row, content, **changed)


async def grow(connection: Connection, row: Row[Any], content: Content, **changed: Any) -> None:
    """Write a message's content and what it is found by; the blocks of its texts are the caller's."""
    values = {"updated_at": utc_now(), **content_values(content), **changed}
    values |= search_values(plain_text(content), row, tools_of(row))
    await connection.execute(CHANGE.values(values), {"its_message": row.id})
    await connection.execute(TOUCH, {"thread": row.thread_id})


async def clear(connection: Connection, message_id: str, deleted_at: datetime | None) -> bool:
    """Make a message a tombstone; False when it is unknown or one already."""
    row = await lock(connection, message_id)
    if row is None or row.deleted_at is not None:
        return False
    # What still waits keeps its text until it is marked. Its row is locked all the same: `mark_part` looks behind that.
    text = case((message_parts.c.state == "sent", null()), else_=message_parts.c.text)
    posted = update(message_parts).where(message_parts.c.message_id == message_id)
    await connection.execute(posted.values(text=text))
    values = {"deleted_at": deleted_at or utc_now(), "updated_at": utc_now(), **content_values("")}
    values |= {"attributes": {}, "tool_calls": [], **search_values("", row, attributes={})}
    await connection.execute(CHANGE.values(values), {"its_message": message_id})
    await drop_files_of_message(connection, message_id)
    await connection.execute(_DROP_BLOCKS, {"its_message": message_id})
    for table in (message_versions, message_files, message_reactions, feedback):
        await connection.execute(delete(table).where(table.c.message_id == message_id))
    await connection.execute(TOUCH, {"thread": row.thread_id})
    return True


async def react(
    connection: Connection,
    message_id: str,
    emoji: str,
    user_id: str,
    added: bool,
    event_at: datetime | None,
    *,
    thread_id: str | None = None,
) -> bool:
    """Add or remove one reaction; False when nothing that stands changed.

    Args: thread_id: the thread that the message must be in; None means any.
    """
    message = await lock(connection, message_id)
    if message is None or message.deleted_at is not None or thread_id not in (None, message.thread_id):
        return False
    where = {"its_message": message_id, "its_emoji": emoji, "its_user": user_id}
    known = (await connection.execute(_REACTION, where)).one_or_none()
    at = event_at or utc_now()
    if known is not None and known.event_at is not None:
        if event_at and event_at <= known.event_at:
            return False
        at = max(at, known.event_at)
    stands = known is not None and known.removed_at is None
    last = (await connection.execute(_LAST_REACTION, {"its_message": message_id})).scalar_one() or 0
    values: dict[str, Any] = {"event_at": at}
    if known is None:
        key = {"message_id": message_id, "emoji": emoji, "user_id": user_id, "created_at": at, "position": last + 1}
        values |= {"removed_at": None if added else at}
        await connection.execute(message_reactions.insert(), key | values)
    else:
        if stands != added:
            values |= {"created_at": at, "position": last + 1} if added else {}
            values |= {"removed_at": None if added else at}
        change = update(message_reactions).where(*_REACTION.whereclause.clauses)  # type: ignore[union-attr]
        await connection.execute(change.values(values), where)
    if stands != added:
        await settle_thumb(connection, message, emoji, user_id, added, at)
        await connection.execute(CHANGE.values(updated_at=utc_now()), {"its_message": message_id})
        await connection.execute(TOUCH, {"thread": message.thread_id})
    return stands != added


async def clear_reactions(connection: Connection, message_id: str, emoji: str | None, event_at: datetime) -> bool:
    """Remove all reactions that stand, or those of one emoji; False when nothing changed."""
    await lock(connection, message_id)
    changed = False
    for row in (await connection.execute(_STANDING, {"its_message": message_id})).all():
        if emoji in (None, row.emoji):
            changed |= await react(connection, message_id, row.emoji, row.user_id, False, event_at)
    return changed


async def lock(connection: Connection, message_id: str, query: Executable = READ) -> Row[Any] | None:
    """Lock the thread of a message, and return the message's row; None when it is unknown.

    Args: query: what of the row is read, where `its_message` is the message.
    """
    await connection.execute(_LOCK, {"its_message": message_id})
    return (await connection.execute(query, {"its_message": message_id})).one_or_none()
