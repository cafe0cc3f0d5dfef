"""Messages in SQL; the contract stands in `provider/messages.py`."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from backscroll.storage.keys import ExternalId
from backscroll.storage.models import Content, Message
from backscroll.storage.provider.messages import stands_at
from backscroll.storage.provider.rows import thread_gone
from backscroll.storage.records import Arrival, MessageVersion, Recorded
from backscroll.storage.search import property_mark
from backscroll.storage.sql.batch import append_batch
from backscroll.storage.sql.early import find_or_expect, hold_early, sweep
from backscroll.storage.sql.editing import clear, edit
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.item import Item
from backscroll.storage.sql.marking import take_away
from backscroll.storage.sql.matching import has_words
from backscroll.storage.sql.rows import CHUNK_COUNT, content_of, external_values, read_by_ids, read_range
from backscroll.storage.sql.sending import SqlSending
from backscroll.storage.sql.tables import aliases, message_parts, message_versions, messages, threads

_LAST = select(threads.c.last_sequence).where(threads.c.id == bindparam("thread_id"))
_HOLDER = select(message_parts.c.message_id).where(
    *(message_parts.c[name] == bindparam(name) for name in ("platform", "workspace", "channel", "external_id"))
)
_HOLDERS = (
    select(message_parts)
    .where(
        message_parts.c.external_id == bindparam("external_id"),
        message_parts.c.platform == bindparam("platform"),
        message_parts.c.message_id.is_not(None),
    )
    .order_by(message_parts.c.workspace, message_parts.c.channel)
)
_ALIAS = select(aliases.c.alias).where(aliases.c.alias == bindparam("alias"))


class SqlMessages(SqlSending):
    """The calls for messages."""

    async def append_message(self, thread_id: str, message: Message) -> Message:
        item = await self.writes.commit(Item(message, thread_id), append_batch)
        if item.stored is None:
            raise thread_gone(thread_id)
        return item.stored

    async def record_message(self, arrival: Arrival, *, earlier: Sequence[Arrival] = ()) -> Recorded | None:
        item = await self.writes.commit(Item(arrival.message, arrival=arrival, earlier=earlier), append_batch)
        if item.stored is None or item.thread_id is None:
            return None
        return Recorded(item.thread_id, item.stored, item.is_new, item.asked)

    async def get_message(self, message_id: str) -> tuple[str, Message] | None:
        async def work(connection: Connection) -> tuple[str, Message] | None:
            return (await read_by_ids(connection, [message_id])).get(message_id)

        return await self.database.read(work)

    async def find_external(self, external: ExternalId) -> tuple[str, Message] | None:
        async def work(connection: Connection) -> tuple[str, Message] | None:
            holder = (await connection.execute(_HOLDER, external_values(external))).scalar_one_or_none()
            return None if holder is None else (await read_by_ids(connection, [holder])).get(holder)

        return await self.database.read(work)

    async def find_external_ids(self, platform: str, external_id: str) -> list[tuple[ExternalId, str]]:
        where = {"platform": platform, "external_id": external_id}
        return [
            (ExternalId(platform, row.workspace, row.channel, external_id), row.message_id)
            for row in await self.database.rows(_HOLDERS, where)
        ]

    async def find_messages_by_attribute(self, path: tuple[str, ...], value: Any) -> list[Message]:
        mark = property_mark(path, value)

        async def work(connection: Connection) -> list[Message]:
            fitting = select(messages.c.id).where(has_words(connection, messages, [mark]))
            ids = [row.id for row in await connection.execute(fitting)]
            found: list[tuple[str, Message]] = []
            for start in range(0, len(ids), CHUNK_COUNT):
                found += (await read_by_ids(connection, ids[start : start + CHUNK_COUNT])).values()
            return [message for _, message in found if stands_at(message.__dict__, path, value)]

        return sorted(await self.database.read(work), key=lambda message: (message.created_at, message.id))

    async def read_messages(
        self, thread_id: str, *, limit: int | None = None, before: int | None = None
    ) -> list[Message]:
        async def work(connection: Connection) -> list[Message]:
            last = (await connection.execute(_LAST, {"thread_id": thread_id})).scalar_one_or_none()
            if last is None:
                return []
            end = last + 1 if before is None else min(before, last + 1)
            first = 1 if limit is None else max(1, end - limit)
            return await read_range(connection, thread_id, first, end)

        return await self.database.read(work)

    async def edit_message(
        self, message_id: str, content: Content, *, edited_at: datetime | None = None
    ) -> Message | None:
        async def work(connection: Connection) -> Message | None:
            await edit(connection, message_id, content, edited_at)
            _, message = (await read_by_ids(connection, [message_id])).get(message_id, (None, None))
            return None if message is None or message.deleted_at is not None else message

        return await self.database.write(work)

    async def delete_message(self, message_id: str, *, deleted_at: datetime | None = None) -> bool:
        async def work(connection: Connection) -> bool:
            return await clear(connection, message_id, deleted_at)

        return await self.database.change(work)

    async def get_message_versions(self, message_id: str) -> list[MessageVersion]:
        query = select(message_versions).where(message_versions.c.message_id == message_id)
        rows = await self.database.rows(query.order_by(message_versions.c.version))
        return [MessageVersion(content_of(row), row.written_at) for row in rows]

    async def record_edit(
        self, external: ExternalId, content: Content, edited_at: datetime, *, only_in: str | None = None
    ) -> bool:
        async def apply(connection: Connection, message_id: str) -> bool:
            return await edit(connection, message_id, content, edited_at)

        async def may_wait(connection: Connection) -> bool:
            return only_in is None or (await connection.execute(_ALIAS, {"alias": only_in})).first() is not None

        change = {"kind": "edit", "content": content, "event_at": edited_at}
        return await self._change_external(external, apply, change, may_wait)

    async def record_deletion(self, external: ExternalId, deleted_at: datetime) -> bool:
        async def apply(connection: Connection, message_id: str) -> bool:
            return await take_away(connection, message_id, external, deleted_at)

        return await self._change_external(external, apply, {"kind": "delete", "event_at": deleted_at})

    async def sweep_early_events(self, before: datetime) -> int:
        return await self.database.change(lambda connection: sweep(connection, before))

    async def _change_external(
        self,
        external: ExternalId,
        apply: Callable[[Connection, str], Awaitable[bool]],
        change: dict[str, Any],
        may_wait: Callable[[Connection], Awaitable[bool]] | None = None,
    ) -> bool:
        """Apply a change to the message that holds an external id, or keep the change until it comes."""

        async def work(connection: Connection) -> bool:
            holder = (await connection.execute(_HOLDER, external_values(external))).scalar_one_or_none()
            if holder is None:
                if may_wait is not None and not await may_wait(connection):
                    return False
                holder = await find_or_expect(connection, external)
            if holder is not None:
                return await apply(connection, holder)
            await hold_early(connection, external, **change)
            return False

        return await self.database.change(work)
