"""What becomes of posts: marked with the ids that the platform gave them, and taken away, inside a transaction.

Proved by `tests/contract/test_sending.py` and `test_deleted_posts.py`.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, select, tuple_, update

from backscroll.storage.keys import ExternalId
from backscroll.storage.provider.sending import rest_of, text_of
from backscroll.storage.sql.dropping import drop_file
from backscroll.storage.sql.early import PLACE, take_early
from backscroll.storage.sql.editing import clear, clear_reactions, edit, lock, react, rewrite
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.parts import read_parts
from backscroll.storage.sql.rows import (
    MESSAGE_COLUMNS,
    TOOL_TEXTS,
    Place,
    external_values,
    place_of,
    search_values,
    tools_of,
)
from backscroll.storage.sql.tables import message_parts, messages
from backscroll.storage.sql.types import Json, any_of, now

Posted = tuple[str, int, ExternalId]
"""A message, the number of a part of it, and where that is posted."""

_PARTS = (
    select(message_parts)
    .where(any_of(message_parts.c.message_id, "ids"))
    .order_by(message_parts.c.message_id, message_parts.c.part)
    .with_for_update()
)
_READ = select(*MESSAGE_COLUMNS, TOOL_TEXTS).where(any_of(messages.c.id, "ids"))
_HOLDERS = (
    select(*PLACE, message_parts.c.message_id)
    .where(tuple_(*PLACE).in_(bindparam("places", expanding=True)))
    .with_for_update()
)
_DROP_CLAIMS = delete(message_parts).where(
    tuple_(*PLACE).in_(bindparam("places", expanding=True)), message_parts.c.message_id.is_(None)
)
_AT: dict[str, Any] = {column.name: bindparam(f"at_{column.name}") for column in PLACE}
_CHANGE = update(message_parts).where(
    message_parts.c.message_id == bindparam("its_message"), message_parts.c.part == bindparam("number")
)
_SEND = _CHANGE.values(state="sent", text=bindparam("its_text"))
_PLACE = _SEND.values(_AT)
_EMPTY = _CHANGE.values(text=None, position=None)
_NAME = (
    update(messages)
    .where(messages.c.id == bindparam("its_message"))
    .values(
        platforms=bindparam("new_platforms", type_=Json),
        updated_at=now(),
        search_text=bindparam("new_search_text"),
        search_words=bindparam("new_search_words"),
        **_AT,
    )
)


async def mark_parts(connection: Connection, marks: list[Posted]) -> None:
    """Note which parts were posted, by a few statements for all of them.

    Each is given its external id, unless another message has that, and the changes that waited for it are applied.
    """
    while marks:
        parts: set[tuple[str, int]] = set()
        places: set[Place] = set()
        first, later = [], []
        for mark in marks:
            if mark[:2] in parts or place_of(mark[2]) in places:
                later.append(mark)
            else:
                first.append(mark)
                parts.add(mark[:2])
                places.add(place_of(mark[2]))
        await _mark(connection, first)
        marks = later


async def apply_early(connection: Connection, holders: dict[Place, str]) -> None:
    """Apply the changes that waited at places which messages hold now."""
    for place, changes in (await take_early(connection, list(holders))).items():
        for change in changes:
            await _apply(connection, holders[place], ExternalId(*place), change)


async def take_away(connection: Connection, message_id: str, external: ExternalId, deleted_at: datetime | None) -> bool:
    """Take one post of a message away: what it said goes, and with the last the message."""
    await lock(connection, message_id)
    parts = await read_parts(connection, message_id)
    rest = rest_of(parts, external)
    if not parts or rest == []:
        return await clear(connection, message_id, deleted_at)
    if rest is None:
        return False
    gone = next(part for part in parts if part.external == external)
    await connection.execute(_EMPTY, {"its_message": message_id, "number": gone.number})
    if gone.kind == "file":
        await drop_file(connection, message_id, gone.position or 0)
    else:
        await rewrite(connection, message_id, text_of(rest))
    return True


async def _mark(connection: Connection, marks: list[Posted]) -> None:
    """Mark parts that all differ, as their places do."""
    ids = {"ids": sorted({message_id for message_id, _, _ in marks})}
    stands = {(row.message_id, row.part): row for row in await connection.execute(_PARTS, ids)}
    marks = [mark for mark in marks if mark[:2] in stands and stands[mark[:2]].state == "waiting"]
    if not marks:
        return
    # Read behind the lock of the parts' rows, which a deletion takes too: one of the two takes the text out.
    rows = {row.id: row for row in await connection.execute(_READ, ids)}
    holders = await _holders(connection, marks)
    sent, placed, named = [], [], []
    for message_id, number, external in marks:
        row, part = rows.get(message_id), stands[message_id, number]
        text = None if row is not None and row.deleted_at is not None else part.text
        values: dict[str, Any] = {"its_message": message_id, "number": number, "its_text": text}
        if part.external_id is not None or holders.get(place_of(external)) is not None:
            sent.append(values)
            continue
        placed.append(values | _at(external))
        if number == 1 and row is not None:
            named.append(_named(row, external))
    for statement, values_of_all in ((_SEND, sent), (_PLACE, placed), (_NAME, named)):
        if values_of_all:
            await connection.execute(statement, values_of_all)
    free = {place_of(external): message_id for message_id, _, external in marks}
    await apply_early(connection, {place: free[place] for place in free if holders.get(place) is None})


async def _holders(connection: Connection, marks: list[Posted]) -> dict[Place, str | None]:
    """Read which messages hold these places, and take the places that are but claimed."""
    at = {"places": sorted(place_of(external) for _, _, external in marks)}
    holders: dict[Place, str | None] = {
        (row.platform, row.workspace, row.channel, row.external_id): row.message_id
        for row in await connection.execute(_HOLDERS, at)
    }
    claims = [place for place, holder in holders.items() if holder is None]
    if claims:
        await connection.execute(_DROP_CLAIMS, {"places": claims})
    return holders


def _named(row: Row[Any], external: ExternalId) -> dict[str, Any]:
    """Lay out how a message is named after its first post."""
    platforms = row.platforms | external.platforms
    found_by = search_values(row.content, row, tools_of(row), platforms=platforms)
    changed = {f"new_{name}": value for name, value in found_by.items()}
    return {"its_message": row.id, "new_platforms": platforms} | _at(external) | changed


def _at(external: ExternalId) -> dict[str, str | None]:
    return {f"at_{name}": value for name, value in external_values(external).items()}


async def _apply(connection: Connection, message_id: str, external: ExternalId, change: Row[Any]) -> None:
    if change.kind == "edit":
        await edit(connection, message_id, change.content, change.event_at)
    elif change.kind == "delete":
        await take_away(connection, message_id, external, change.event_at)
    elif change.kind == "clear":
        await clear_reactions(connection, message_id, change.emoji, change.event_at)
    else:
        await react(connection, message_id, change.emoji, change.user_id, change.kind == "add", change.event_at)
