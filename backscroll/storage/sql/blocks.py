"""Blocks in SQL; the contract stands in `provider/blocks.py`."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Text, bindparam, case, cast, func, literal_column, select, type_coerce
from sqlalchemy.types import NullType

from backscroll.storage.blocks import (
    Carrier,
    NewBlock,
    Placed,
    blocks_of,
    grown,
    message_deleted,
    message_unknown,
    said_blocks,
)
from backscroll.storage.models import Block, Content
from backscroll.storage.search import SEARCHED_LENGTH, searched_text, tool_text
from backscroll.storage.sql.agent_tables import message_blocks
from backscroll.storage.sql.dialect import insert_ignoring
from backscroll.storage.sql.editing import CHANGE, READ, TOUCH, grow, lock
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.places import SqlPlaces
from backscroll.storage.sql.rows import FILE_FIELDS, FILES, TOOL_TEXTS, content_of, search_values, tools_of
from backscroll.storage.sql.tables import messages
from backscroll.storage.sql.types import instant_from_driver, instant_from_text, now
from backscroll.storage.values import from_json, utc_now

_MESSAGE: Any = bindparam("its_message")
_LEAN = select(messages.c.id, messages.c.thread_id, messages.c.deleted_at).where(messages.c.id == _MESSAGE)
_SEARCHED = _LEAN.add_columns(
    func.substr(messages.c.content, 1, SEARCHED_LENGTH).label("text"),
    messages.c.source,
    messages.c.platforms,
    messages.c.attributes,
    messages.c.metrics,
    TOOL_TEXTS,
)
_LAST = select(func.max(message_blocks.c.position)).where(message_blocks.c.message_id == _MESSAGE)
_FIRST = select(func.min(message_blocks.c.position)).where(message_blocks.c.message_id == _MESSAGE)
_REPEATED = select(message_blocks.c.id).where(
    message_blocks.c.message_id == _MESSAGE, message_blocks.c.tool_call_id == bindparam("its_call")
)
_INSERT = message_blocks.insert().inline()
_IS_FIRST = func.row_number().over(
    partition_by=messages.c.sequence, order_by=message_blocks.c.position
) == literal_column("1")
# What of the message is read with its first block alone.
_CARRIED = ("id", "role", "content", "created_at", "deleted_at")
_CARRIED_JSON = ("content_blocks", "source")


def _as_kept(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Read a column as the driver gives it: what is None in most rows would pass a converter in each of them."""
    return type_coerce(column, NullType())


def _as_text(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Read JSON as its text: all contents are then parsed at once."""
    return _as_kept(cast(column, Text))


_BLOCKS = (
    select(
        message_blocks.c.position,
        message_blocks.c.id,
        message_blocks.c.block_type,
        _as_text(message_blocks.c.content),
        _as_kept(message_blocks.c.created_at),
        _as_text(message_blocks.c.details),
        *(_as_kept(case((_IS_FIRST, messages.c[name]))).label(f"its_{name}") for name in _CARRIED),
        *(_as_text(case((_IS_FIRST, messages.c[name]))).label(f"its_{name}") for name in _CARRIED_JSON),
        _as_text(case((_IS_FIRST, FILES))).label("files"),
    )
    .select_from(messages.outerjoin(message_blocks, message_blocks.c.message_id == messages.c.id))
    .where(messages.c.thread_id == bindparam("thread_id"))
    .order_by(messages.c.sequence, message_blocks.c.position)
)
_CALL = (
    select(*(message_blocks.c[name] for name in ("id", "block_type", "content", "created_at", "details")))
    .where(message_blocks.c.tool_call_id == bindparam("its_call"))
    .order_by(message_blocks.c.created_at.desc(), message_blocks.c.id.desc())
    .limit(1)
)


class SqlBlocks(SqlPlaces):
    """The calls for blocks."""

    async def append_block(self, message_id: str, block: NewBlock) -> str:
        async def work(connection: Connection) -> str:
            query = READ if block.is_said else _LEAN if block.tool_call_id is None else _SEARCHED
            row = await lock(connection, message_id, query)
            if row is None:
                raise message_unknown(message_id)
            if row.deleted_at is not None:
                raise message_deleted(message_id)
            if block.is_said:
                await _say(connection, row, block)
                return block.id
            return await _append(connection, row, block)

        return await self.database.write(work)

    async def read_blocks(self, thread_id: str) -> list[tuple[Carrier, list[Block]]]:
        found: list[tuple[Carrier, list[Placed]]] = []
        placed: list[Placed] = []
        as_instant = instant_from_text if self.database.is_sqlite else instant_from_driver
        rows: Sequence[Any] = await self.database.rows(_BLOCKS, {"thread_id": thread_id})
        contents = iter(from_json(f"[{','.join(row[3] for row in rows if row[0] is not None)}]"))
        for row in rows:
            position, block_id, block_type, _, created_at, details, message_id = row[:7]
            if message_id is not None:
                placed = []
                found.append((_carrier(as_instant, *row[6:]), placed))
            if position is not None:
                block = {"id": block_id, "block_type": block_type}
                block |= {"content": next(contents), "created_at": as_instant(created_at)}
                placed.append((position, block | told if (told := from_json(details)) else block))
        return [(carrier, blocks_of(carrier, placed)) for carrier, placed in found]

    async def find_tool_block(self, tool_call_id: str) -> Block | None:
        for row in await self.database.rows(_CALL, {"its_call": tool_call_id}):
            block: Block = {name: getattr(row, name) for name in ("id", "block_type", "content", "created_at")}
            details: Block = row.details
            return block | details
        return None


async def _append(connection: Connection, row: Row[Any], block: NewBlock) -> str:
    """Append a block that stands beside what the message says; of a call that it has, return the one that stands."""
    its: dict[str, Any] = {"its_message": row.id}
    changed: dict[str, Any] = {"updated_at": utc_now()}
    piece = None
    if block.tool_call_id is not None:
        stands = (await connection.execute(_REPEATED, its | {"its_call": block.tool_call_id})).scalar_one_or_none()
        if stands is not None:
            return str(stands)
        tools = tools_of(row)
        piece = tool_text(block.content)[: max(SEARCHED_LENGTH - sum(len(each) + 1 for each in tools), 0)] or None
        if piece is not None and len(searched_text(row.text, tools)) < SEARCHED_LENGTH:
            changed |= search_values(row.text, row, [*tools, piece])
    if block.tokens is not None:
        changed |= {"tokens": None}  # its blocks say what it cost from now on
    last = (await connection.execute(_LAST, its)).scalar_one() or 0
    values = _values(row.id, max(last, 0) + 1, block) | {"tool_text": piece}
    await connection.execute(insert_ignoring(connection, message_blocks).values(created_at=now()), values)
    await connection.execute(CHANGE.values(changed), its)
    await connection.execute(TOUCH, {"thread": row.thread_id})
    return block.id


async def _say(connection: Connection, row: Row[Any], block: NewBlock) -> None:
    """Let a message say one text more; what it said before becomes blocks in front of those that stand."""
    its = {"its_message": row.id}
    content = content_of(row)
    last = (await connection.execute(_LAST, its)).scalar_one() or 0
    if not row.has_texts:
        said = said_blocks(row.id, row.role, content, row.created_at)
        first = (await connection.execute(_FIRST, its)).scalar_one() if said and last else 1
        start = min(1 if first is None else first, 1) - len(said)
        if said:
            empty: dict[str, Any] = {"message_id": row.id, "details": {}}
            await connection.execute(_INSERT, [each | empty | {"position": start + n} for n, each in enumerate(said)])
    insert = insert_ignoring(connection, message_blocks).values(created_at=now())
    if (await connection.execute(insert, _values(row.id, max(last, 0) + 1, block))).rowcount == 0:
        return  # an earlier run of ours, whose COMMIT was not answered
    await grow(connection, row, grown(content, block.content["text"], has_texts=row.has_texts))


def _values(message_id: str, position: int, block: NewBlock) -> dict[str, Any]:
    return {
        "id": block.id,
        "message_id": message_id,
        "position": position,
        "block_type": block.block_type,
        "content": block.content,
        "details": block.details,
        "tool_call_id": block.tool_call_id,
        "sha256": block.sha256,
        "tokens": block.tokens,
        "model": block.model,
        "cost_usd": block.cost_usd,
    }


def _carrier(as_instant: Callable[[Any], Any], *carried: Any) -> Carrier:
    """Build what `_CARRIED`, `_CARRIED_JSON` and the files say."""
    message_id, role, text, created_at, deleted_at, content_blocks, source, files = carried
    content: Content = text if content_blocks is None else from_json(content_blocks)
    listed = [] if files is None else sorted(from_json(files))
    attachments = [dict(zip(FILE_FIELDS, file, strict=True)) for _, *file in listed]
    its_source = None if source is None else from_json(source)
    return Carrier(message_id, role, content, attachments, its_source, as_instant(created_at), as_instant(deleted_at))
