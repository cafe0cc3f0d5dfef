"""Places in SQL; the contract stands in `provider/places.py`."""

from datetime import datetime
from typing import Any

from sqlalchemy import Table, and_, bindparam, delete, select, update

from backscroll.storage.keys import ChannelMove, ThreadKey, alias_range
from backscroll.storage.provider.places import with_place
from backscroll.storage.sql.early import PLACE
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.files import SqlFiles
from backscroll.storage.sql.marking import apply_early
from backscroll.storage.sql.rows import (
    CHUNK_COUNT,
    NEWEST_FIRST,
    THREAD_COLUMNS,
    TOOL_TEXTS,
    property_values,
    read_by_ids,
    search_values,
    tools_of,
)
from backscroll.storage.sql.saving import fields_of, update_threads
from backscroll.storage.sql.tables import (
    aliases,
    answers,
    early_events,
    message_parts,
    messages,
    thread_properties,
    threads,
)
from backscroll.storage.sql.types import any_of

_LIVE = (
    select(aliases.c.alias)
    .join(threads, threads.c.id == aliases.c.thread_id)
    .where(
        threads.c.updated_at >= bindparam("since"),
        aliases.c.alias >= bindparam("first"),
        aliases.c.alias < bindparam("last"),
    )
    .order_by(*NEWEST_FIRST, aliases.c.alias.desc())
)
_LIVING = (
    select(*THREAD_COLUMNS)
    .where(threads.c.id == select(aliases.c.thread_id).where(aliases.c.alias == bindparam("alias")).scalar_subquery())
    .with_for_update(key_share=True)
)
_TOOLS = select(messages.c.id, TOOL_TEXTS).where(any_of(messages.c.id, "ids"))
_ALIASES = select(aliases.c.alias, aliases.c.thread_id).where(
    aliases.c.alias >= bindparam("first"), aliases.c.alias < bindparam("last")
)


class SqlPlaces(SqlFiles):
    """The calls for places."""

    async def list_live_keys(self, platform: str, workspace: str, since: datetime) -> list[ThreadKey]:
        first, last = alias_range(platform, workspace)
        rows = await self.database.rows(_LIVE, {"since": since, "first": first, "last": last})
        return [key for row in rows if (key := ThreadKey.from_alias(row.alias)) is not None]

    async def change_place(
        self, key: ThreadKey, *, title: str | None = None, place: dict[str, Any] | None = None
    ) -> bool:
        async def work(connection: Connection) -> bool:
            row = (await connection.execute(_LIVING, {"alias": key.alias})).one_or_none()
            before = {} if row is None else fields_of(row)
            after = with_place(before, key.platform, title, place or {}) if before else None
            if after is not None:
                await update_threads(connection, [before], [after])
            return after is not None

        return await self.database.change(work)

    async def move_channel(self, move: ChannelMove) -> None:
        async def work(connection: Connection) -> None:
            await _move_threads(connection, move)
            await _move_messages(connection, move)
            await _move_answers(connection, move)
            await _move_early(connection, move)

        await self.database.write(work)


async def _move_threads(connection: Connection, move: ChannelMove) -> None:
    """Move the aliases, and what the threads themselves say of where they live."""
    first, last = alias_range(move.platform, move.workspace, move.channel)
    for row in (await connection.execute(_ALIASES, {"first": first, "last": last})).all():
        key = ThreadKey.from_alias(row.alias)
        if key is not None:
            alias = key.moved(move.new_channel).alias
            free = ~select(aliases.c.alias).where(aliases.c.alias == alias).exists()
            await connection.execute(update(aliases).where(aliases.c.alias == row.alias, free).values(alias=alias))
    of_platform = select(thread_properties.c.thread_id).where(thread_properties.c.scope == f"platforms.{move.platform}")
    living = select(threads.c.id, threads.c.attributes, threads.c.platforms).where(threads.c.id.in_(of_platform))
    for row in (await connection.execute(living)).all():
        platforms = move.apply(row.platforms)
        if platforms is not None:
            await connection.execute(update(threads).where(threads.c.id == row.id).values(platforms=platforms))
            await connection.execute(delete(thread_properties).where(thread_properties.c.thread_id == row.id))
            await connection.execute(thread_properties.insert(), property_values(row.id, row.attributes, platforms))


async def _move_messages(connection: Connection, move: ChannelMove) -> None:
    """Move the external ids that are free in the new channel, and what their messages say of where they live."""
    taken = message_parts.alias("taken")
    same = [taken.c[name] == message_parts.c[name] for name in ("platform", "workspace", "external_id")]
    # A change that came under the new id already has but claimed it.
    holds = select(taken.c.part).where(*same, taken.c.channel == move.channel, taken.c.message_id.is_not(None))
    claimed = and_(message_parts.c.channel == move.new_channel, message_parts.c.message_id.is_(None))
    await connection.execute(delete(message_parts).where(claimed, holds.exists()))
    free = ~select(taken.c.part).where(*same, taken.c.channel == move.new_channel).exists()
    await connection.execute(_moving(message_parts, move).where(free))
    its = [message_parts.c[name] == messages.c[name] for name in ("platform", "workspace", "external_id")]
    has = select(message_parts.c.part).where(*its, message_parts.c.message_id == messages.c.id)
    moved = has.where(message_parts.c.channel == move.new_channel).exists()
    ids = sorted((await connection.execute(_moving(messages, move).where(moved).returning(messages.c.id))).scalars())
    for start in range(0, len(ids), CHUNK_COUNT):
        chunk = ids[start : start + CHUNK_COUNT]
        tools = {row.id: tools_of(row) for row in await connection.execute(_TOOLS, {"ids": chunk})}
        for message_id, (_, message) in (await read_by_ids(connection, chunk)).items():
            platforms = move.apply(message.platforms)
            if platforms is not None:
                found_by = search_values(message.text, message, tools[message_id], platforms=platforms)
                values = {"platforms": platforms, **found_by}
                await connection.execute(update(messages).where(messages.c.id == message_id).values(values))


async def _move_early(connection: Connection, move: ChannelMove) -> None:
    """Let the changes that wait follow their claims, and apply those whose message is there now."""
    its = [
        message_parts.c[name] == early_events.c[name] for name in ("platform", "workspace", "channel", "external_id")
    ]
    stays = select(message_parts.c.part).where(*its).exists()
    await connection.execute(_moving(early_events, move).where(~stays))
    held = select(*PLACE, message_parts.c.message_id).where(
        message_parts.c.platform == move.platform,
        message_parts.c.workspace == move.workspace,
        message_parts.c.channel == move.new_channel,
        message_parts.c.message_id.is_not(None),
        select(early_events.c.id).where(*its).exists(),
    )
    rows = (await connection.execute(held)).all()
    await apply_early(
        connection, {(row.platform, row.workspace, row.channel, row.external_id): row.message_id for row in rows}
    )


async def _move_answers(connection: Connection, move: ChannelMove) -> None:
    in_dm = answers.c.thread == move.channel
    await connection.execute(_moving(answers, move).where(in_dm).values(thread=move.new_channel))
    await connection.execute(_moving(answers, move))


def _moving(table: Table, move: ChannelMove) -> Any:
    within = and_(
        table.c.platform == move.platform, table.c.workspace == move.workspace, table.c.channel == move.channel
    )
    return update(table).where(within).values(channel=move.new_channel)
