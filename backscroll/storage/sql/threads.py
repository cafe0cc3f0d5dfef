"""Threads in SQL; the contract stands in `provider/threads.py`."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, bindparam, delete, func, select

from backscroll.storage.changes import ThreadChanges
from backscroll.storage.filters import ThreadFilter
from backscroll.storage.models import Message, Thread
from backscroll.storage.search import property_mark
from backscroll.storage.sql.agent_tables import checkpoint_writes, checkpoints, suspended_states
from backscroll.storage.sql.dropping import drop_files_of_threads
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.lineage import drop_links, keep_links
from backscroll.storage.sql.matching import has_words
from backscroll.storage.sql.primitives import SqlPrimitives
from backscroll.storage.sql.rows import (
    CHUNK_COUNT,
    NEWEST_FIRST,
    THREAD_COLUMNS,
    build_thread,
    hashes_of,
    read_range,
    read_thread_rows,
    value_hash,
)
from backscroll.storage.sql.saving import Save, save_batch
from backscroll.storage.sql.tables import answers, messages, thread_properties, threads
from backscroll.storage.sql.types import any_of

_BY_ID = select(*THREAD_COLUMNS).where(threads.c.id == bindparam("thread_id"))
_LOCK_ANSWERS = select(answers.c.id).where(any_of(answers.c.thread_id, "ids")).order_by(answers.c.id).with_for_update()
_LOCK_ALL = select(threads.c.id).where(any_of(threads.c.id, "ids")).order_by(threads.c.id).with_for_update()
_DELETE = delete(threads).where(any_of(threads.c.id, "ids"))
# No foreign key deletes these: their thread need not be one of ours, and then nothing is deleted of it.
_DELETE_UNLINKED = [
    delete(table).where(table.c.thread_id.in_(select(threads.c.id).where(any_of(threads.c.id, "ids"))))
    for table in (checkpoint_writes, checkpoints, suspended_states)
]
_NEWEST = select(*THREAD_COLUMNS).order_by(*NEWEST_FIRST)

_RARE_COUNT = 1000
"""Threads from which on a property is common."""

_COUNTED = 20
"""Properties of one search among which the rarest is looked for."""


class SqlThreads(SqlPrimitives):
    """The calls for threads."""

    async def get_thread(self, thread_id: str, *, limit: int | None = None) -> Thread | None:
        async def work(connection: Connection) -> Thread | None:
            row = (await connection.execute(_BY_ID, {"thread_id": thread_id})).one_or_none()
            if row is None:
                return None
            before = row.last_sequence + 1
            first = 1 if limit is None else max(1, before - limit)
            return build_thread(row, await read_range(connection, thread_id, first, before))

        return await self.database.read(work)

    async def write_thread(self, changes: ThreadChanges) -> list[Message]:
        save = await self.writes.commit(Save(changes), save_batch)
        return save.stored

    async def delete_thread(self, thread_id: str) -> bool:
        return await self.delete_threads([thread_id]) > 0

    async def delete_threads(self, thread_ids: Iterable[str]) -> int:
        ids = sorted(set(thread_ids))
        count = 0
        for start in range(0, len(ids), CHUNK_COUNT):
            count += await self.database.change(partial(_delete, ids=ids[start : start + CHUNK_COUNT]))
        return count

    async def list_threads(
        self,
        *,
        limit: int | None = 100,
        offset: int = 0,
        agent_name: str | None = None,
        user_id: str | None = None,
        where: ThreadFilter | None = None,
        with_messages: bool = True,
    ) -> list[Thread]:
        async def work(connection: Connection) -> list[Thread]:
            query = _NEWEST.where(*_of(connection, agent_name, user_id, where)).limit(limit).offset(offset)
            return await read_thread_rows(connection, query, with_messages=with_messages)

        return await self.database.read(work)

    async def count_threads(
        self, *, agent_name: str | None = None, user_id: str | None = None, where: ThreadFilter | None = None
    ) -> int:
        async def work(connection: Connection) -> int:
            conditions = _of(connection, agent_name, user_id, where)
            query = select(func.count()).select_from(threads).where(*conditions)
            return int((await connection.execute(query)).scalar_one())

        return await self.database.read(work)

    async def find_by_attributes(self, attributes: dict[str, Any]) -> list[Thread]:
        return await self._find_properties("attributes", attributes)

    async def find_by_platform(
        self, name: str, place: dict[str, Any], *, limit: int | None = None, with_messages: bool = True
    ) -> list[Thread]:
        scope, wanted = (f"platforms.{name}", place) if place else ("platforms", {name: None})
        return await self._find_properties(scope, wanted, limit=limit, with_messages=with_messages)

    async def search_by_platform(
        self, name: str, value: Any, *, place: dict[str, Any] | None = None, limit: int | None = None
    ) -> list[Thread]:
        has = thread_properties.alias()
        rare = select(has.c.thread_id).where(has.c.value_hash == value_hash(value), has.c.scope == f"platforms.{name}")
        conditions = [threads.c.id.in_(rare), *(_has(*each) for each in hashes_of(f"platforms.{name}", place or {}))]
        return await self._read_threads(_NEWEST.where(*conditions), limit)

    async def _find_properties(
        self, scope: str, wanted: dict[str, Any], *, limit: int | None = None, with_messages: bool = True
    ) -> list[Thread]:
        hashes = hashes_of(scope, wanted)
        if len(hashes) > 1:  # the planners know how many threads have a property, and not how many have this value
            counts = (await self.database.rows(select(*(_count(*each) for each in hashes[:_COUNTED]))))[0]
            rarest = min(range(len(counts)), key=lambda number: counts[number])
            hashes.insert(0, hashes.pop(rarest))
        conditions = [_is_rare(*each) if number == 0 else _has(*each) for number, each in enumerate(hashes)]
        return await self._read_threads(_NEWEST.where(*conditions), limit, with_messages=with_messages)

    async def _read_threads(
        self, query: Select[*tuple[Any, ...]], limit: int | None, *, with_messages: bool = True
    ) -> list[Thread]:
        async def work(connection: Connection) -> list[Thread]:
            return await read_thread_rows(connection, query.limit(limit), with_messages=with_messages)

        return await self.database.read(work)


def _is_rare(name: bytes, value: bytes) -> ColumnElement[bool]:
    """Tell the threads that have a property, by looking up all that have it."""
    has = thread_properties.alias()
    return threads.c.id.in_(select(has.c.thread_id).where(has.c.value_hash == value, has.c.name_hash == name))


def _has(name: bytes, value: bytes) -> ColumnElement[bool]:
    """Tell the threads that have a property, by looking at each. No planner makes a join of it that starts here."""
    has = thread_properties.alias()
    its = select(has.c.value_hash).where(has.c.thread_id == threads.c.id, has.c.name_hash == name)
    return its.scalar_subquery() == value


def _count(name: bytes, value: bytes) -> ScalarSelect[int]:
    """Count the threads that have a property, as far as it matters which of several is the rarest."""
    has = thread_properties.alias()
    some = select(has.c.thread_id).where(has.c.value_hash == value, has.c.name_hash == name).limit(_RARE_COUNT)
    return select(func.count()).select_from(some.subquery()).scalar_subquery()


async def _delete(connection: Connection, ids: list[str]) -> int:
    # Answers first: who sends one holds its row and then wants the thread's.
    for statement in (_LOCK_ANSWERS, _LOCK_ALL):
        await connection.execute(statement, {"ids": ids})
    await drop_files_of_threads(connection, ids)
    for removal in _DELETE_UNLINKED:
        await connection.execute(removal, {"ids": ids})
    are_linked = await keep_links(connection, ids)
    count = (await connection.execute(_DELETE, {"ids": ids})).rowcount
    if are_linked:
        await drop_links(connection, ids)
    return count


def _of(
    connection: Connection, agent_name: str | None, user_id: str | None, where: ThreadFilter | None
) -> list[ColumnElement[bool]]:
    """Tell the threads that a list is of."""
    columns = ((threads.c.agent_name, agent_name), (threads.c.user_id, user_id))
    conditions: list[ColumnElement[bool]] = [column == value for column, value in columns if value is not None]
    if where is None:
        return conditions
    if where.since is not None:
        conditions.append(threads.c.updated_at >= where.since)
    if where.until is not None:
        conditions.append(threads.c.updated_at < where.until)
    if where.place:
        first, *others = hashes_of(f"platforms.{where.platform}", dict(where.place))
        conditions += [_is_rare(*first), *(_has(*each) for each in others)]
    elif where.platform is not None:  # most threads may live there
        conditions += [_has(*each) for each in hashes_of("platforms", {where.platform: None})]
    if where.author is not None:
        marks = (property_mark(("source", name), where.author) for name in ("id", "name"))
        by_id, by_name = (has_words(connection, messages, [mark]) for mark in marks)
        theirs = select(messages.c.thread_id).where(by_id | by_name, messages.c.deleted_at.is_(None))
        conditions.append(threads.c.id.in_(theirs))
    return conditions
