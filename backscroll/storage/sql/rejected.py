"""Rejected events in SQL; the contract stands in `provider/rejected.py`."""

from typing import Any

from sqlalchemy import Row, delete, select, update

from backscroll.storage.records import RejectedEvent
from backscroll.storage.sql.dialect import insert_ignoring
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.reactions import SqlReactions
from backscroll.storage.sql.tables import rejected_events
from backscroll.storage.sql.types import now
from backscroll.storage.values import clean_object, clean_text, new_id

_NEWEST = select(rejected_events).order_by(rejected_events.c.created_at.desc(), rejected_events.c.id.desc())


class SqlRejected(SqlReactions):
    """The calls for rejected events."""

    async def reject_event(self, platform: str, reason: str, payload: dict[str, Any]) -> str:
        row = {
            "id": new_id(),
            "platform": clean_text(platform),
            "reason": clean_text(reason),
            "payload": clean_object(payload, "payload"),
        }

        async def work(connection: Connection) -> None:
            await connection.execute(insert_ignoring(connection, rejected_events).values(created_at=now()), row)

        await self.database.write(work)
        return str(row["id"])

    async def list_rejected_events(self, *, limit: int | None = 100) -> list[RejectedEvent]:
        rows = await self.database.rows(_NEWEST.limit(limit))
        return [_event_of(row) for row in rows]

    async def get_rejected_event(self, event_id: str) -> RejectedEvent | None:
        rows = await self.database.rows(select(rejected_events).where(rejected_events.c.id == event_id))
        return _event_of(rows[0]) if rows else None

    async def explain_rejected_event(self, event_id: str, reason: str) -> bool:
        explain = update(rejected_events).where(rejected_events.c.id == event_id).values(reason=clean_text(reason))

        async def work(connection: Connection) -> bool:
            return (await connection.execute(explain)).rowcount > 0

        return await self.database.change(work)

    async def delete_rejected_event(self, event_id: str) -> bool:
        async def work(connection: Connection) -> bool:
            deleted = await connection.execute(delete(rejected_events).where(rejected_events.c.id == event_id))
            return deleted.rowcount > 0

        return await self.database.change(work)


def _event_of(row: Row[Any]) -> RejectedEvent:
    return RejectedEvent(row.id, row.platform, row.reason, row.payload, row.created_at)
