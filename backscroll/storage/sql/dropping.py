"""Noting, inside a transaction, which files its deletions leave behind. Proved by `tests/contract/test_files.py`."""

from typing import Any

from sqlalchemy import Executable, bindparam, select, union, update

from backscroll.storage.sql.agent_tables import message_blocks
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.tables import dropped_files, message_files, messages
from backscroll.storage.sql.types import any_of, now
from backscroll.storage.values import new_id

_FILES = select(message_files.c.sha256).where(message_files.c.sha256.is_not(None))
_OUTPUTS = select(message_blocks.c.sha256).where(message_blocks.c.sha256.is_not(None))
_OF_MESSAGE = union(
    _FILES.where(message_files.c.message_id == bindparam("its_message")),
    _OUTPUTS.where(message_blocks.c.message_id == bindparam("its_message")),
)
_OF_MESSAGES = union(
    _FILES.where(any_of(message_files.c.message_id, "ids")),
    _OUTPUTS.where(any_of(message_blocks.c.message_id, "ids")),
)
_AT = _FILES.where(
    message_files.c.message_id == bindparam("its_message"), message_files.c.position == bindparam("its_position")
)
_EMPTY = (
    update(message_files)
    .where(
        message_files.c.message_id == bindparam("its_message"), message_files.c.position == bindparam("its_position")
    )
    .values(sha256=None, location=None)
)
_OF_THREADS = union(
    _FILES.join(messages, messages.c.id == message_files.c.message_id).where(any_of(messages.c.thread_id, "ids")),
    _OUTPUTS.join(messages, messages.c.id == message_blocks.c.message_id).where(any_of(messages.c.thread_id, "ids")),
)


async def drop_files_of_message(connection: Connection, message_id: str) -> None:
    """Note the files of a message whose rows are about to be deleted."""
    await _drop(connection, _OF_MESSAGE, {"its_message": message_id})


async def drop_files_of_messages(connection: Connection, ids: list[str]) -> None:
    """Note the files of all of these messages, whose rows are about to be deleted."""
    await _drop(connection, _OF_MESSAGES, {"ids": ids})


async def drop_file(connection: Connection, message_id: str, position: int) -> None:
    """Let one file of a message have no content any more, and note the file."""
    its = {"its_message": message_id, "its_position": position}
    await _drop(connection, _AT, its)
    await connection.execute(_EMPTY, its)


async def drop_files_of_threads(connection: Connection, ids: list[str]) -> None:
    """Note the files of all messages of these threads, whose rows are about to be deleted."""
    await _drop(connection, _OF_THREADS, {"ids": ids})


async def _drop(connection: Connection, query: Executable, where: dict[str, Any]) -> None:
    rows = [{"id": new_id(), "sha256": row.sha256} for row in await connection.execute(query, where)]
    if rows:
        await connection.execute(dropped_files.insert().values(created_at=now()), rows)
