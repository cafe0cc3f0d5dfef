"""States in SQL; the contract stands in `provider/states.py`."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, select

from backscroll.storage.provider.states import TIME_TO_LIVE, new_state
from backscroll.storage.sql.agent_tables import suspended_states
from backscroll.storage.sql.dialect import insert_replacing
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.feedback import SqlFeedback
from backscroll.storage.sql.types import now

# In a query of its own: the planner asks the clock once then, and may use an index.
_NOW = select(now()).scalar_subquery()
_LIVES = suspended_states.c.expires_at > _NOW
_LIVING = select(suspended_states).where(_LIVES)
_NEWEST = _LIVING.order_by(suspended_states.c.created_at.desc(), suspended_states.c.approval_id.desc())


class SqlStates(SqlFeedback):
    """The calls for states."""

    async def save_suspended_state(
        self,
        approval_id: str,
        thread_id: str,
        agent_name: str,
        node_name: str,
        state: dict[str, Any],
        ttl: timedelta = TIME_TO_LIVE,
    ) -> dict[str, Any]:
        value = new_state(approval_id, thread_id, agent_name, node_name, state, ttl)

        async def work(connection: Connection) -> dict[str, Any]:
            at = (await connection.execute(select(now()))).scalar_one()
            await connection.execute(delete(suspended_states).where(_is(value["approval_id"]), ~_LIVES))
            insert = insert_replacing(connection, suspended_states, keeping=("created_at",))
            instants = {"created_at": at, "expires_at": at + ttl}
            saved = await connection.execute(insert.returning(suspended_states), value | instants)
            return dict(saved.one()._asdict())

        return await self.database.write(work)

    async def get_suspended_state(self, approval_id: str) -> dict[str, Any] | None:
        rows = await self.database.rows(_LIVING.where(_is(approval_id)))
        return dict(rows[0]._asdict()) if rows else None

    async def list_suspended_states(
        self, *, thread_id: str | None = None, agent_name: str | None = None
    ) -> list[dict[str, Any]]:
        query = _NEWEST
        if thread_id is not None:
            query = query.where(suspended_states.c.thread_id == thread_id)
        if agent_name is not None:
            query = query.where(suspended_states.c.agent_name == agent_name)
        return [dict(row._asdict()) for row in await self.database.rows(query)]

    async def delete_suspended_state(self, approval_id: str) -> bool:
        async def work(connection: Connection) -> bool:
            removal = delete(suspended_states).where(_is(approval_id), _LIVES)
            return (await connection.execute(removal)).rowcount > 0

        return await self.database.change(work)

    async def cleanup_expired_states(self) -> int:
        async def work(connection: Connection) -> int:
            return (await connection.execute(delete(suspended_states).where(~_LIVES))).rowcount

        return await self.database.change(work)


def _is(approval_id: str) -> ColumnElement[bool]:
    return suspended_states.c.approval_id == approval_id
