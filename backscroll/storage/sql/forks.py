"""Forks in SQL; the contract stands in `provider/forks.py`."""

from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Insert, Table, Text, bindparam, cast, insert, null, select, update

from backscroll.storage.changes import remember
from backscroll.storage.models import Thread
from backscroll.storage.provider.agents import thread_exists
from backscroll.storage.provider.forks import copied_details, fork_title, last_copied
from backscroll.storage.provider.lineage import lineage_of
from backscroll.storage.sql.agent_tables import message_blocks
from backscroll.storage.sql.agents import LOCK_THREAD, Making
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.lineage import entries_of, relatives
from backscroll.storage.sql.rows import CHUNK_COUNT, read_range
from backscroll.storage.sql.states import SqlStates
from backscroll.storage.sql.tables import message_files, message_reactions, messages
from backscroll.storage.sql.types import Json, any_of, now
from backscroll.storage.values import check_id, check_text, new_id, utc_now

_PREFIX: BindParameter[str] = bindparam("prefix", type_=Text())
_MESSAGE_ID = _PREFIX.concat(cast(messages.c.sequence, Text))
_COPIED = messages.c.thread_id == bindparam("parent"), messages.c.sequence <= bindparam("last")
_SPENT = ("tokens", "cost_usd")
"""What counts in the figures where it was spent, and nowhere else."""


_EXTERNAL = ("platform", "workspace", "channel", "external_id")


def _copy(table: Table, *conditions: ColumnElement[bool], **changed: ColumnElement[Any]) -> Insert:
    """Make the statement that copies the rows of a table that go with the messages."""
    columns = [column for column in table.c if column.name != "number"]
    values = [changed.get(column.name, null() if column.name in _SPENT else column) for column in columns]
    source = table if table is messages else table.join(messages, messages.c.id == table.c.message_id)
    rows = select(*values).select_from(source).where(*_COPIED, *conditions).order_by(messages.c.sequence)
    return insert(table).from_select([column.name for column in columns], rows)


_COPIES = (
    _copy(
        messages,
        id=_MESSAGE_ID,
        thread_id=bindparam("fork", type_=Text()),
        updated_at=now(),
        **dict.fromkeys(_EXTERNAL, null()),
    ),
    _copy(message_files, message_id=_MESSAGE_ID),
    _copy(message_reactions, message_reactions.c.removed_at.is_(None), message_id=_MESSAGE_ID),
    _copy(
        message_blocks,
        id=_MESSAGE_ID.concat(".").concat(cast(message_blocks.c.position, Text)),
        message_id=_MESSAGE_ID,
    ),
)
_OF_FORK = select(message_blocks.c.id, message_blocks.c.details).where(
    message_blocks.c.message_id == messages.c.id,
    messages.c.thread_id == bindparam("fork"),
    message_blocks.c.block_type.in_(("file", "user_file")),
)
_TOOLS = select(message_blocks.c.id, messages.c.sequence, message_blocks.c.position).where(
    message_blocks.c.message_id == messages.c.id, any_of(message_blocks.c.id, "ids"), *_COPIED
)
_DETAIL = update(message_blocks).where(message_blocks.c.id == bindparam("its_id"))
_DETAIL = _DETAIL.values(details=bindparam("its_details", type_=Json))


class SqlForks(SqlStates):
    """The calls for forks."""

    async def fork_thread(
        self,
        thread_id: str,
        message_index: int,
        new_id: str,
        *,
        title: str | None = None,
        with_messages: bool = True,
    ) -> Thread | None:
        fork_id = check_id(new_id, "new_id")
        title = None if title is None else check_text(title, "title")
        making, created_at = Making(), utc_now()

        async def work(connection: Connection) -> Thread | None:
            parent = (await connection.execute(LOCK_THREAD, {"thread_id": thread_id})).one_or_none()
            if parent is None:
                return None
            last = last_copied(thread_id, message_index, parent.last_sequence)
            fork = Thread.model_construct(
                id=fork_id,
                title=fork_title(parent.title) if title is None else title,
                user_id=parent.user_id,
                agent_name=parent.agent_name,
                attributes=parent.attributes,
                platforms={},
                messages=[],
                parent_id=thread_id,
                forked_at=last,
                created_at=created_at,
            )
            made = await making.insert(connection, fork, last_sequence=last)
            if made is not None:
                await _copy_messages(connection, thread_id, fork_id, last)
            else:
                made = await making.find(connection, fork_id)
            if made is None:
                raise thread_exists(fork_id)
            if with_messages:
                made.messages.extend(await read_range(connection, fork_id, 1, last + 1))
            return remember(made)

        return await self.database.write(work)

    async def get_thread_lineage(self, thread_id: str) -> dict[str, Any]:
        query = relatives(is_sqlite=self.database.is_sqlite)
        return lineage_of(thread_id, entries_of(await self.database.rows(query, {"ids": [thread_id]})))


async def _copy_messages(connection: Connection, thread_id: str, fork_id: str, last: int) -> None:
    its = {"parent": thread_id, "fork": fork_id, "last": last, "prefix": f"{new_id()}."}
    for statement in _COPIES:
        await connection.execute(statement, its)
    files = {row.id: row.details for row in await connection.execute(_OF_FORK, its)}
    made_by = sorted({details["tool_block_id"] for details in files.values() if "tool_block_id" in details})
    ids: dict[str, str] = {}
    for start in range(0, len(made_by), CHUNK_COUNT):
        for row in await connection.execute(_TOOLS, its | {"ids": made_by[start : start + CHUNK_COUNT]}):
            ids[row.id] = f"{its['prefix']}{row.sequence}.{row.position}"
    changed = [(each, copied_details(details, ids)) for each, details in files.items()]
    rows = [{"its_id": each, "its_details": details} for each, details in changed if details != files[each]]
    if rows:
        await connection.execute(_DETAIL, rows)
