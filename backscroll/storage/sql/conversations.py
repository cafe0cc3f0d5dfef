"""Conversations in SQL; the contract stands in `provider/conversations.py`."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, select

from backscroll.storage.provider.conversations import ConversationPlace, Wanted, checked_time, exported
from backscroll.storage.provider.places import with_place
from backscroll.storage.search import property_mark
from backscroll.storage.sql.agent_tables import heartbeats
from backscroll.storage.sql.blocks import SqlBlocks
from backscroll.storage.sql.dialect import insert_ignoring, insert_replacing
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.matching import has_words
from backscroll.storage.sql.rows import NEWEST_FIRST, name_hash, property_values, thread_values, value_hash
from backscroll.storage.sql.saving import FIELDS, fields_of, update_threads
from backscroll.storage.sql.tables import aliases, messages, thread_properties, threads
from backscroll.storage.sql.types import now
from backscroll.storage.values import check_id, check_text

_SCOPE = "platforms.slack"
_HOLDER = select(threads.c.id, *(threads.c[name] for name in FIELDS)).where(
    threads.c.id == select(aliases.c.thread_id).where(aliases.c.alias == bindparam("alias")).scalar_subquery()
)
_LOCK = select(threads.c.id).where(threads.c.id == bindparam("thread_id"))
_KEEP = _LOCK.with_for_update(read=True, key_share=True)
_CHANGED = _LOCK.add_columns(*(threads.c[name] for name in FIELDS)).with_for_update(key_share=True)
_BEAT = select(heartbeats.c.last_ping_pong_time).where(heartbeats.c.agent_name == bindparam("agent_name"))


class SqlConversations(SqlBlocks):
    """The calls for conversations."""

    async def get_or_create_conversation(
        self, agent_name: str, channel_id: str, thread_id: str, channel_name: str | None = None
    ) -> str:
        place = ConversationPlace.of(agent_name, channel_id, thread_id)
        channel_name = None if channel_name is None else check_text(channel_name, "channel_name")
        for row in await self.database.rows(_HOLDER, {"alias": place.alias}):
            if _renamed(row, channel_name) is None:
                return str(row.id)

        async def work(connection: Connection) -> str:
            its_id = await _get_or_create(connection, place, channel_name)
            if channel_name is not None:
                row = (await connection.execute(_CHANGED, {"thread_id": its_id})).one_or_none()
                after = None if row is None else _renamed(row, channel_name)
                if row is not None and after is not None:
                    await update_threads(connection, [fields_of(row)], [after])
            return its_id

        return await self.database.write(work)

    async def has_conversation(self, agent_name: str, channel_id: str, thread_id: str) -> bool:
        place = ConversationPlace.of(agent_name, channel_id, thread_id)

        async def work(connection: Connection) -> bool:
            held = (await connection.execute(_HOLDER, {"alias": place.alias})).first()
            return held is not None or await _find(connection, place) is not None

        return await self.database.read(work)

    async def get_conversations_for_export(
        self,
        agent_name: str,
        *,
        handle: str | None = None,
        date_from: datetime | date | str | None = None,
        date_to: datetime | date | str | None = None,
    ) -> list[dict[str, Any]]:
        wanted = Wanted.of(handle, date_from, date_to)
        agent_name = check_id(agent_name, "agent_name")

        async def work(connection: Connection) -> list[dict[str, Any]]:
            query = select(threads.c.id, threads.c.agent_name, threads.c.platforms)
            query = query.where(threads.c.agent_name == agent_name).order_by(threads.c.created_at, threads.c.id)
            if wanted.is_given:
                query = query.where(_has_message(connection, wanted))
            return [exported(*row) for row in await connection.execute(query)]

        return await self.database.read(work)

    async def upsert_heartbeat(self, agent_name: str, last_ping_pong_time: float) -> None:
        agent_name = check_id(agent_name, "agent_name")
        row = {"agent_name": agent_name, "last_ping_pong_time": checked_time(last_ping_pong_time)}

        async def work(connection: Connection) -> None:
            await connection.execute(insert_replacing(connection, heartbeats), row)

        await self.database.write(work)

    async def get_heartbeat(self, agent_name: str) -> dict[str, float] | None:
        for row in await self.database.rows(_BEAT, {"agent_name": agent_name}):
            return {"last_ping_pong_time": float(row.last_ping_pong_time)}
        return None

    async def list_heartbeats(self) -> dict[str, float]:
        rows = await self.database.rows(select(heartbeats))
        return {row.agent_name: float(row.last_ping_pong_time) for row in rows}


async def _get_or_create(connection: Connection, place: ConversationPlace, channel_name: str | None) -> str:
    """Claim the place's alias for the thread that is there, or for a new one; who loses takes the winner's thread."""
    claim = insert_ignoring(connection, aliases).values(created_at=now()).returning(aliases.c.thread_id)
    while True:  # who had it when we claimed it may lose it before we look
        held = (await connection.execute(_HOLDER, {"alias": place.alias})).first()
        if held is not None:
            return str(held.id)
        thread = place.new_thread(channel_name)
        found = await _find(connection, place)
        if found is not None and (await connection.execute(_KEEP, {"thread_id": found})).first() is None:
            continue  # it was deleted while we waited for its row
        values = {"alias": place.alias, "thread_id": found or thread.id}
        won = (await connection.execute(claim, values)).scalar_one_or_none()
        if won is None:
            continue
        if found is None:
            await connection.execute(threads.insert().inline().values(updated_at=now()), thread_values(thread))
            properties = property_values(thread.id, thread.attributes, thread.platforms)
            await connection.execute(thread_properties.insert(), properties)
        return str(won)


async def _find(connection: Connection, place: ConversationPlace) -> str | None:
    """Find the thread that was kept by other ways: one of this agent, else one of none; of several the newest."""
    candidates = [_at(place, {"thread_ts": place.thread_id, "channel": place.channel_id})]
    if place.is_channel:
        has = thread_properties.alias()
        its = select(has.c.thread_id).where(
            has.c.thread_id == threads.c.id, has.c.name_hash == name_hash(_SCOPE, "thread_ts")
        )
        candidates.append(_at(place, {"channel": place.channel_id}).where(~its.exists()))
    rows = [row for query in candidates for row in await connection.execute(query)]
    best = max(rows, key=lambda row: (row.agent_name is not None, row.updated_at, row.id), default=None)
    return None if best is None else str(best.id)


def _at(place: ConversationPlace, wanted: dict[str, str]) -> Select[Any]:
    """Select the thread that lives at a place: the first property is looked up, the others are looked at."""
    conditions: list[ColumnElement[bool]] = []
    for name, value in wanted.items():
        has = thread_properties.alias()
        if not conditions:
            its = select(has.c.thread_id).where(
                has.c.value_hash == value_hash(value), has.c.name_hash == name_hash(_SCOPE, name)
            )
            conditions.append(threads.c.id.in_(its))
        else:
            its_value = select(has.c.value_hash).where(
                has.c.thread_id == threads.c.id, has.c.name_hash == name_hash(_SCOPE, name)
            )
            conditions.append(its_value.scalar_subquery() == value_hash(value))
    its_agent = (threads.c.agent_name == place.agent_name) | threads.c.agent_name.is_(None)
    return (
        select(threads.c.id, threads.c.agent_name, threads.c.updated_at)
        .where(*conditions, its_agent)
        .order_by(threads.c.agent_name.is_(None), *NEWEST_FIRST)
        .limit(1)
    )


def _renamed(row: Row[Any], channel_name: str | None) -> dict[str, Any] | None:
    """Return a thread's fields with its channel's name; None when they say so already."""
    return None if channel_name is None else with_place(fields_of(row), "slack", None, {"channel_name": channel_name})


def _has_message(connection: Connection, wanted: Wanted) -> ColumnElement[bool]:
    """Tell the threads in which one message meets all conditions."""
    conditions: list[ColumnElement[bool]] = [messages.c.deleted_at.is_(None)]
    if wanted.date_from is not None:
        conditions.append(messages.c.created_at >= wanted.date_from)
    if wanted.date_to is not None:
        conditions.append(messages.c.created_at <= wanted.date_to)
    if wanted.handle is None:
        # No planner makes a join of it that reads all messages.
        one = select(messages.c.id).where(messages.c.thread_id == threads.c.id, *conditions).limit(1)
        return one.scalar_subquery().is_not(None)
    by_handle = has_words(connection, messages, [property_mark(("source", "handle"), wanted.handle)])
    by_name = has_words(connection, messages, [property_mark(("source", "name"), wanted.handle)])
    has_none = messages.c.source["handle"].as_string().is_(None)
    fitting = [select(messages.c.thread_id).where(its, *conditions) for its in (by_handle, by_name & has_none)]
    return threads.c.id.in_(fitting[0]) | threads.c.id.in_(fitting[1])
