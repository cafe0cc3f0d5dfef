"""Feedback in SQL; the contract stands in `provider/feedback.py`."""

from typing import Any

from sqlalchemy import Row, bindparam, func, select

from backscroll.storage.provider.feedback import feedback_filters, message_gone
from backscroll.storage.provider.rows import thread_gone
from backscroll.storage.records import Feedback
from backscroll.storage.sql.agent_tables import feedback
from backscroll.storage.sql.agents import SqlAgents
from backscroll.storage.sql.dialect import insert_ignoring
from backscroll.storage.sql.editing import lock
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.tables import messages, threads
from backscroll.storage.sql.types import now
from backscroll.storage.thumbs import Thumb

_STANDS = select(messages.c.thread_id, messages.c.deleted_at).where(messages.c.id == bindparam("its_message"))
_THREAD = select(threads.c.agent_name).where(threads.c.id == bindparam("its_thread"))
_ONE = select(feedback).where(feedback.c.id == bindparam("its_id"))
_KEPT = {
    "agent_name": func.coalesce(bindparam("told_agent", type_=feedback.c.agent_name.type), _THREAD.scalar_subquery()),
    "created_at": now(),
}


class SqlFeedback(SqlAgents):
    """The calls for feedback."""

    async def get_feedback(
        self,
        *,
        thread_id: str | None = None,
        message_id: str | None = None,
        agent_name: str | None = None,
        user_id: str | None = None,
        rating: int | None = None,
        thumb: Thumb | None = None,
        limit: int | None = 50,
        offset: int = 0,
    ) -> list[Feedback]:
        wanted = feedback_filters(thread_id, message_id, agent_name, user_id, rating, thumb)
        query = select(feedback).where(*(feedback.c[name] == value for name, value in wanted.items()))
        query = query.order_by(feedback.c.created_at.desc(), feedback.c.id.desc()).limit(limit).offset(offset)
        return [_feedback_of(row) for row in await self.database.rows(query)]

    async def _keep_feedback(self, value: dict[str, Any]) -> Feedback:
        thread_id, message_id = value["thread_id"], value["message_id"]
        told = {name: each for name, each in value.items() if name not in ("metadata", "agent_name")}
        told |= {"attributes": value["metadata"], "told_agent": value["agent_name"], "its_thread": thread_id}

        async def work(connection: Connection) -> Feedback:
            row = await lock(connection, message_id, _STANDS)
            if row is None or row.thread_id != thread_id or row.deleted_at is not None:
                is_known = (await connection.execute(_THREAD, {"its_thread": thread_id})).first() is not None
                raise message_gone(thread_id, message_id) if is_known else thread_gone(thread_id)
            await connection.execute(insert_ignoring(connection, feedback).values(_KEPT), told)
            return _feedback_of((await connection.execute(_ONE, {"its_id": value["id"]})).one())

        return await self.database.write(work)


def _feedback_of(row: Row[Any]) -> Feedback:
    fields = row._asdict()
    return Feedback(metadata=fields.pop("attributes"), **fields)
