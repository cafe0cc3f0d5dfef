"""Messages in SQL; the contract stands in `provider/messages.py`."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from backscroll.storage.keys import ExternalId
from backscroll.storage.models import Content, Message
from backscroll.storage.provider.rows import thread_gone
from backscroll.storage.records import Arrival, MessageVersion, Recorded
from backscroll.storage.sql.answers import SqlAnswers
from backscroll.storage.sql.early import find_or_expect, hold_early, sweep
from backscroll.storage.sql.editing import clear, edit
from backscroll.storage.sql.item import Item
from backscroll.storage.sql.rows import content_of, external_values, read_by_ids, read_range
from backscroll.storage.sql.tables import aliases, message_parts, message_versions, threads

_LAST = select(threads.c.last_sequence).where(threads.c.id == bindparam("thread_id"))
_HOLDER = select(message_parts.c.message_id).where(
    *(message_parts.c[name] == bindparam(name) for name in ("platform", "workspace", "channel", "external_id"))
)
_ALIAS = select(aliases.c.alias).where(aliases.c.alias == bindparam("alias"))


class SqlMessages(SqlAnswers):
    """The calls for messages."""

    async def append_message(self, thread_id: str, message: Message) -> Message:
        item = await self.appends.append(Item(message, thread_id))
        if item.stored is None:
            raise thread_gone(thread_id)
        return item.stored

    async def record_message(self, arrival: Arrival) -> Recorded | None:
        item = await self.appends.append(Item(arrival.message, arrival=arrival))
        if item.stored is None or item.thread_id is None:
            return None
        return Recorded(item.thread_id, item.stored, item.is_new, item.asked)

    async def get_message(self, message_id: str) -> tuple[str, Message] | None:
        async with self.database.read() as connection:
            return (await read_by_ids(connection, [message_id])).get(message_id)

    async def find_external(self, external: ExternalId) -> tuple[str, Message] | None:
        async with self.database.read() as connection:
            holder = (await connection.execute(_HOLDER, external_values(external))).scalar_one_or_none()
            return None if holder is None else (await read_by_ids(connection, [holder])).get(holder)

    async def read_messages(
        self, thread_id: str, *, limit: int | None = None, before: int | None = None
    ) -> list[Message]:
        async with self.database.read() as connection:
            last = (await connection.execute(_LAST, {"thread_id": thread_id})).scalar_one_or_none()
            if last is None:
                return []
            end = last + 1 if before is None else min(before, last + 1)
            first = 1 if limit is None else max(1, end - limit)
            return await read_range(connection, thread_id, first, end)

    async def edit_message(
        self, message_id: str, content: Content, *, edited_at: datetime | None = None
    ) -> Message | None:
        async def work(connection: AsyncConnection) -> Message | None:
            await edit(connection, message_id, content, edited_at)
            _, message = (await read_by_ids(connection, [message_id])).get(message_id, (None, None))
            return None if message is None or message.deleted_at is not None else message

        return await self.database.write(work)

    async def delete_message(self, message_id: str, *, deleted_at: datetime | None = None) -> bool:
        async def work(connection: AsyncConnection) -> bool:
            return await clear(connection, message_id, deleted_at)

        return await self.database.write(work)

    async def get_message_versions(self, message_id: str) -> list[MessageVersion]:
        query = select(message_versions).where(message_versions.c.message_id == message_id)
        async with self.database.read() as connection:
            rows = (await connection.execute(query.order_by(message_versions.c.version))).all()
        return [MessageVersion(content_of(row), row.written_at) for row in rows]

    async def record_edit(
        self, external: ExternalId, content: Content, edited_at: datetime, *, only_in: str | None = None
    ) -> bool:
        async def apply(connection: AsyncConnection, message_id: str) -> bool:
            return await edit(connection, message_id, content, edited_at)

        async def may_wait(connection: AsyncConnection) -> bool:
            return only_in is None or (await connection.execute(_ALIAS, {"alias": only_in})).first() is not None

        change = {"kind": "edit", "content": content, "event_at": edited_at}
        return await self._change_external(external, apply, change, may_wait)

    async def record_deletion(self, external: ExternalId, deleted_at: datetime) -> bool:
        async def apply(connection: AsyncConnection, message_id: str) -> bool:
            return await clear(connection, message_id, deleted_at)

        return await self._change_external(external, apply, {"kind": "delete", "event_at": deleted_at})

    async def sweep_early_events(self, before: datetime) -> int:
        return await self.database.write(lambda connection: sweep(connection, before))

    async def _change_external(
        self,
        external: ExternalId,
        apply: Callable[[AsyncConnection, str], Awaitable[bool]],
        change: dict[str, Any],
        may_wait: Callable[[AsyncConnection], Awaitable[bool]] | None = None,
    ) -> bool:
        """Apply a change to the message that holds an external id, or keep the change until it comes."""

        async def work(connection: AsyncConnection) -> bool:
            holder = (await connection.execute(_HOLDER, external_values(external))).scalar_one_or_none()
            if holder is None:
                if may_wait is not None and not await may_wait(connection):
                    return False
                holder = await find_or_expect(connection, external)
            if holder is not None:
                return await apply(connection, holder)
            await hold_early(connection, external, **change)
            return False

        return await self.database.write(work)
