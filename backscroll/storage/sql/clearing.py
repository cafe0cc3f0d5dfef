"""Making many messages tombstones at once, inside a transaction that holds their threads' rows.

Proved by `tests/contract/test_forgetting.py`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Row, Table, bindparam, case, delete, exists, func, literal_column, null, or_, select, update

from backscroll.storage.forgetting import OPEN, TITLE_TEXT_LENGTH, Forgotten
from backscroll.storage.models import UNTITLED
from backscroll.storage.sql.agent_tables import feedback, message_blocks
from backscroll.storage.sql.dropping import drop_files_of_messages
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.rows import CHUNK_COUNT, search_values, title_values
from backscroll.storage.sql.tables import (
    answers,
    message_files,
    message_parts,
    message_reactions,
    message_versions,
    messages,
    threads,
)
from backscroll.storage.sql.types import Json, any_of, now

CLEARED = tuple(messages.c[name] for name in ("id", "thread_id", "sequence", "deleted_at"))
NAMED = tuple(
    messages.c[name] for name in ("name", "source", "platforms", "attributes", "metrics", "platform", "workspace")
)
"""What of a message's row is read to clear it, and to tell whose it is."""

_DROPPED: dict[str, Table] = {
    "versions": message_versions,
    "files": message_files,
    "reactions": message_reactions,
    "feedback": feedback,
}
_COUNTS = {
    name: select(func.count()).select_from(table).where(any_of(table.c.message_id, "ids"))
    for name, table in _DROPPED.items()
}
_DELETES = [delete(table).where(any_of(table.c.message_id, "ids")) for table in _DROPPED.values()]
_DROP_BLOCKS = delete(message_blocks).where(
    any_of(message_blocks.c.message_id, "ids"), message_blocks.c.block_type != "usage"
)
IS_OPEN = answers.c.state.in_([literal_column(f"'{each}'") for each in OPEN])
"""Whether an answer is still made or sent."""

# What is still to be posted keeps its text until it is marked, as in `editing.clear`.
_IS_DONE = or_(message_parts.c.state == "sent", ~exists().where(answers.c.id == message_parts.c.answer_id, IS_OPEN))
_EMPTY_PARTS = (
    update(message_parts)
    .where(any_of(message_parts.c.message_id, "ids"))
    .values(text=case((_IS_DONE, null()), else_=message_parts.c.text))
)
_CLEAR = (
    update(messages)
    .where(messages.c.id == bindparam("its_message"))
    .values(
        content="",
        content_blocks=null(),
        attributes={},
        tool_calls=[],
        name=bindparam("new_name"),
        source=bindparam("new_source", type_=Json),
        platforms=bindparam("new_platforms", type_=Json),
        search_text=bindparam("new_search_text"),
        search_words=bindparam("new_search_words"),
        deleted_at=func.coalesce(messages.c.deleted_at, now()),
        updated_at=now(),
    )
)
_SAID = select(messages.c.thread_id, func.substr(messages.c.content, 1, TITLE_TEXT_LENGTH).label("text")).where(
    any_of(messages.c.id, "ids")
)
_SAID_BEFORE = (
    select(messages.c.thread_id, func.substr(message_versions.c.content, 1, TITLE_TEXT_LENGTH).label("text"))
    .join(messages, messages.c.id == message_versions.c.message_id)
    .where(any_of(message_versions.c.message_id, "ids"))
)
_UNTITLE = update(threads).where(any_of(threads.c.id, "ids")).values(title=UNTITLED, **title_values(UNTITLED))


async def clear_all(
    connection: Connection,
    rows: Sequence[Row[Any]],
    *,
    rename: Callable[[Row[Any]], dict[str, Any]] | None = None,
    dry_run: bool = False,
) -> Forgotten:
    """Make these messages tombstones, and return what went.

    Args: rename: gives the `name`, `source` and `platforms` that a tombstone has; None leaves them.
    """
    done = Forgotten()
    for start in range(0, len(rows), CHUNK_COUNT):
        chunk = rows[start : start + CHUNK_COUNT]
        ids = {"ids": [row.id for row in chunk]}
        counts = {name: (await connection.execute(query, ids)).scalar_one() for name, query in _COUNTS.items()}
        done += Forgotten(messages=len(chunk), **counts)
        if dry_run:
            continue
        await connection.execute(_EMPTY_PARTS, ids)
        await connection.execute(_CLEAR, [_cleared(row, {} if rename is None else rename(row)) for row in chunk])
        await drop_files_of_messages(connection, ids["ids"])
        await connection.execute(_DROP_BLOCKS, ids)
        for statement in _DELETES:
            await connection.execute(statement, ids)
    return done


async def texts_of(connection: Connection, message_ids: Sequence[str]) -> dict[str, list[str]]:
    """Read what these messages say and said, by thread: of each text as much as a title is made of."""
    found: dict[str, list[str]] = {}
    for start in range(0, len(message_ids), CHUNK_COUNT):
        ids = {"ids": message_ids[start : start + CHUNK_COUNT]}
        for query in (_SAID, _SAID_BEFORE):
            for row in await connection.execute(query, ids):
                found.setdefault(row.thread_id, []).append(row.text)
    return found


async def untitle(connection: Connection, thread_ids: Iterable[str]) -> None:
    """Let these threads have no title."""
    await connection.execute(_UNTITLE, {"ids": list(thread_ids)})


def _cleared(row: Row[Any], named: dict[str, Any]) -> dict[str, Any]:
    its = {name: named.get(name, getattr(row, name)) for name in ("name", "source", "platforms")}
    found_by = search_values("", row, attributes={}, source=its["source"], platforms=its["platforms"])
    return {"its_message": row.id} | {f"new_{name}": value for name, value in (its | found_by).items()}
