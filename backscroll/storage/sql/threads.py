"""Threads in SQL; the contract stands in `provider/threads.py`."""

from typing import Any

from sqlalchemy import Select, and_, bindparam, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from backscroll.storage.changes import ThreadChanges
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider.rows import thread_gone
from backscroll.storage.sql.batch import append_batch
from backscroll.storage.sql.dialect import insert_ignoring
from backscroll.storage.sql.editing import edit, react
from backscroll.storage.sql.item import Item
from backscroll.storage.sql.primitives import SqlPrimitives
from backscroll.storage.sql.rows import (
    CHUNK_COUNT,
    build_thread,
    name_hash,
    property_values,
    read_range,
    read_thread_rows,
    thread_values,
    value_hash,
)
from backscroll.storage.sql.tables import answers, thread_properties, threads
from backscroll.storage.sql.types import later_of, now

_BY_ID = select(threads).where(threads.c.id == bindparam("thread_id"))
_LOCK = _BY_ID.with_for_update(key_share=True)
_LOCK_ANSWERS = select(answers.c.id).where(answers.c.thread_id == bindparam("thread_id")).with_for_update()
_FIELDS = ("title", "user_id", "agent_name", "attributes", "platforms")
_UPDATE = (
    update(threads)
    .where(threads.c.id == bindparam("thread_id"))
    .values({name: bindparam(name) for name in _FIELDS} | {"updated_at": later_of(threads.c.updated_at, now())})
)
_NEWEST = select(threads).order_by(threads.c.updated_at.desc(), threads.c.id.desc())

_JOIN_COUNT = 20
"""Filters that are joined; SQLite joins 64 tables at most."""


class SqlThreads(SqlPrimitives):
    """The calls for threads."""

    async def get_thread(self, thread_id: str, *, limit: int | None = None) -> Thread | None:
        async with self.database.read() as connection:
            row = (await connection.execute(_BY_ID, {"thread_id": thread_id})).one_or_none()
            if row is None:
                return None
            before = row.last_sequence + 1
            first = 1 if limit is None else max(1, before - limit)
            return build_thread(row, await read_range(connection, thread_id, first, before))

    async def write_thread(self, changes: ThreadChanges) -> list[Message]:
        async def work(connection: AsyncConnection) -> list[Message]:
            await _write_fields(connection, changes)
            items = [Item(message, changes.thread.id) for message in changes.messages]
            for start in range(0, len(items), CHUNK_COUNT):
                await append_batch(connection, items[start : start + CHUNK_COUNT])
            for error in (item.error for item in items if item.error is not None):
                raise error
            for message_id, content in changes.contents.items():
                await edit(connection, message_id, content, None)
            for message_id, emoji, user_id, added in changes.reactions:
                await react(connection, message_id, emoji, user_id, added, None)
            return [item.stored for item in items if item.stored is not None]

        return await self.database.write(work)

    async def delete_thread(self, thread_id: str) -> bool:
        async def work(connection: AsyncConnection) -> bool:
            # Answers first: who sends one holds its row and then wants the thread's.
            await connection.execute(_LOCK_ANSWERS, {"thread_id": thread_id})
            deleted = await connection.execute(delete(threads).where(threads.c.id == thread_id))
            return deleted.rowcount > 0

        return await self.database.write(work)

    async def list_threads(
        self,
        *,
        limit: int | None = 100,
        offset: int = 0,
        agent_name: str | None = None,
        user_id: str | None = None,
        with_messages: bool = True,
    ) -> list[Thread]:
        query = _of(_NEWEST, agent_name, user_id).limit(limit).offset(offset)
        async with self.database.read() as connection:
            return await read_thread_rows(connection, query, with_messages=with_messages)

    async def count_threads(self, *, agent_name: str | None = None, user_id: str | None = None) -> int:
        async with self.database.read() as connection:
            query = _of(select(func.count()).select_from(threads), agent_name, user_id)
            return int((await connection.execute(query)).scalar_one())

    async def find_by_attributes(self, attributes: dict[str, Any]) -> list[Thread]:
        return await self._find_properties("attributes", attributes)

    async def find_by_platform(self, name: str, place: dict[str, Any]) -> list[Thread]:
        if not place:
            return await self._find_properties("platforms", {name: None})
        return await self._find_properties(f"platforms.{name}", place)

    async def _find_properties(self, scope: str, wanted: dict[str, Any]) -> list[Thread]:
        query = _NEWEST
        for number, (name, value) in enumerate(wanted.items()):
            has = thread_properties.alias()
            fits = and_(
                has.c.thread_id == threads.c.id,
                has.c.value_hash == value_hash(value),
                has.c.name_hash == name_hash(scope, name),
            )
            query = query.join(has, fits) if number < _JOIN_COUNT else query.where(exists().where(fits))
        async with self.database.read() as connection:
            return await read_thread_rows(connection, query, with_messages=True)


async def _write_fields(connection: AsyncConnection, changes: ThreadChanges) -> None:
    """Make the thread if it is new, lock its row, and write its changed fields and properties."""
    key = {"thread_id": changes.thread.id}
    # A thread that another made meanwhile may be gone again before its row is locked.
    while (row := (await connection.execute(_LOCK, key)).one_or_none()) is None:
        if changes.was_loaded:
            raise thread_gone(changes.thread.id)
        empty = thread_values(changes.thread) | {"title": Thread.model_fields["title"].default}
        empty |= {"user_id": None, "agent_name": None, "attributes": {}, "platforms": {}}
        await connection.execute(insert_ignoring(connection, threads).values(updated_at=now()), empty)
    before = {name: getattr(row, name) for name in _FIELDS}
    after = changes.apply_to(before)
    await connection.execute(_UPDATE, key | after)
    await _write_properties(connection, changes.thread.id, before, after)


async def _write_properties(
    connection: AsyncConnection, thread_id: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    old = {row["name_hash"]: row for row in property_values(thread_id, before["attributes"], before["platforms"])}
    new = {row["name_hash"]: row for row in property_values(thread_id, after["attributes"], after["platforms"])}
    gone = [mark for mark in old if old[mark] != new.get(mark)]
    come = [new[mark] for mark in new if new[mark] != old.get(mark)]
    if gone:
        its = thread_properties.c.thread_id == thread_id
        await connection.execute(delete(thread_properties).where(its, thread_properties.c.name_hash.in_(gone)))
    if come:
        await connection.execute(thread_properties.insert(), come)


def _of(query: Select[Any], agent_name: str | None, user_id: str | None) -> Select[Any]:
    if agent_name is not None:
        query = query.where(threads.c.agent_name == agent_name)
    if user_id is not None:
        query = query.where(threads.c.user_id == user_id)
    return query
