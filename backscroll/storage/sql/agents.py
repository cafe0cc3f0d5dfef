"""Agents in SQL; the contract stands in `provider/agents.py`."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select

from backscroll.storage.models import Thread
from backscroll.storage.provider.agents import thread_fields
from backscroll.storage.sql.agent_tables import feedback
from backscroll.storage.sql.conversations import SqlConversations
from backscroll.storage.sql.dialect import insert_ignoring
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.rows import THREAD_COLUMNS, build_thread, property_values, read_range, thread_values
from backscroll.storage.sql.saving import fields_of, update_threads
from backscroll.storage.sql.tables import thread_properties, threads
from backscroll.storage.sql.types import now

_READ = select(*THREAD_COLUMNS).where(threads.c.id == bindparam("thread_id"))
LOCK_THREAD = _READ.with_for_update(key_share=True)
_COUNTS = select(
    select(func.count()).select_from(threads).scalar_subquery().label("threads"),
    select(func.coalesce(func.sum(threads.c.last_sequence), 0)).scalar_subquery().label("messages"),
    select(func.count()).select_from(feedback).scalar_subquery().label("feedback"),
)


class SqlAgents(SqlConversations):
    """The calls for agents."""

    async def update_thread(self, thread_id: str, *, with_messages: bool = True, **fields: Any) -> Thread | None:
        changed = thread_fields(fields)

        async def work(connection: Connection) -> Thread | None:
            row = (await connection.execute(LOCK_THREAD, {"thread_id": thread_id})).one_or_none()
            if row is None:
                return None
            if changed:
                before = fields_of(row)
                await update_threads(connection, [before], [before | changed])
                row = (await connection.execute(_READ, {"thread_id": thread_id})).one()
            end = row.last_sequence + 1 if with_messages else 1
            return build_thread(row, await read_range(connection, thread_id, 1, end))

        return await self.database.write(work)

    async def get_stats(self) -> dict[str, Any]:
        (row,) = await self.database.rows(_COUNTS)
        return await self._stats_with({name: int(value) for name, value in row._asdict().items()})

    async def _insert_thread(self, thread: Thread) -> Thread | None:
        making = Making()

        async def work(connection: Connection) -> Thread | None:
            made = await making.insert(connection, thread)
            return await making.find(connection, thread.id) if made is None else made

        return await self.database.write(work)


class Making:
    """A new thread on its way: it knows the row of an earlier run of its own, whose COMMIT was not answered."""

    def __init__(self) -> None:
        self._created_at: datetime | None = None

    async def insert(self, connection: Connection, thread: Thread, **values: Any) -> Thread | None:
        """Insert a thread with what it is found by, and return it; None when its id is in use.

        Who inserts the same id at the same time is waited for. Args: values: more columns of its row.
        """
        insert = insert_ignoring(connection, threads).values(updated_at=now()).returning(*THREAD_COLUMNS)
        row = (await connection.execute(insert, thread_values(thread) | values)).one_or_none()
        if row is None:
            return None
        properties = property_values(thread.id, thread.attributes, thread.platforms)
        if properties:
            await connection.execute(thread_properties.insert(), properties)
        self._created_at = row.created_at
        return build_thread(row, [])

    async def find(self, connection: Connection, thread_id: str) -> Thread | None:
        """Return the thread that an earlier run inserted; None where it is somebody else's."""
        row = (await connection.execute(_READ, {"thread_id": thread_id})).one_or_none()
        is_own = row is not None and row.created_at == self._created_at
        return build_thread(row, []) if row is not None and is_own else None
