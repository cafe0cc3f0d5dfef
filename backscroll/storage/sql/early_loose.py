"""Changes that wait for a message, read out of the tables and merged in elsewhere: those of one message together.

Proved by `tests/contract/test_archives.py`.
"""

import json
from collections import defaultdict
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, tuple_

from backscroll.storage.archive import Loose
from backscroll.storage.keys import ExternalId
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.provider.rows import instant_text
from backscroll.storage.sql.early import find_or_expect
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.marking import apply_early
from backscroll.storage.sql.rows import Place, external_values, place_of, read_by_ids
from backscroll.storage.sql.tables import early_events
from backscroll.storage.sql.types import now
from backscroll.storage.values import canonical_json, new_id

_PLACE = (
    early_events.c.platform,
    early_events.c.workspace,
    early_events.c.channel,
    early_events.c.external_id,
)
_PLACES = select(*_PLACE).distinct().order_by(*_PLACE)
_AT = (tuple_(*_PLACE) == tuple_(*(bindparam(f"its_{column.name}") for column in _PLACE)),)
_BETWEEN = (
    select(early_events)
    .where(
        tuple_(*_PLACE) >= tuple_(*(bindparam(f"first_{column.name}") for column in _PLACE)),
        tuple_(*_PLACE) <= tuple_(*(bindparam(f"last_{column.name}") for column in _PLACE)),
    )
    .order_by(early_events.c.created_at, early_events.c.id)
)
_DROP = delete(early_events).where(*_AT)


async def read_early(connection: Connection, after: str | None, limit: int) -> list[Loose]:
    """Read the changes that wait for the next messages, each message's together."""
    query = _PLACES.limit(limit)
    if after is not None:
        query = query.where(tuple_(*_PLACE) > tuple_(*json.loads(after)))
    places: list[Place] = [(each[0], each[1], each[2], each[3]) for each in (await connection.execute(query)).all()]
    if not places:
        return []
    held = await _read(connection, places[0], places[-1])
    return [
        Loose(
            kind="early_event",
            key=join_key(*place),
            value={"changes": [_told(row) for row in held[place]], "since": instant_text(held[place][0].created_at)},
        )
        for place in places
    ]


async def merge_early(connection: Connection, thing: Loose, *, replace: bool) -> bool:
    """Let changes wait for their message, or apply them where it is there; False when nothing came of it."""
    external = ExternalId(*json.loads(thing.key))
    place = place_of(external)
    holder = await find_or_expect(connection, external)
    stands = (await _read(connection, place, place))[place]
    changes = thing.value["changes"]
    if holder is None and stands:
        if not replace or canonical_json([_told(row) for row in stands]) == canonical_json(changes):
            return False
        await connection.execute(_DROP, {f"its_{name.name}": part for name, part in zip(_PLACE, place, strict=True)})
    since = thing.value["since"]
    insert = early_events.insert().values(created_at=now() if since is None else datetime.fromisoformat(since))
    for change in changes:
        told = {name: change.get(name) for name in ("kind", "emoji", "user_id", "content")}
        values = {"id": new_id(), "event_at": datetime.fromisoformat(change["at"]), **external_values(external)}
        await connection.execute(insert, told | values)
    if holder is None:
        return True
    before = await _seen(connection, holder)
    await apply_early(connection, {place: holder})
    return await _seen(connection, holder) != before


async def _read(connection: Connection, first: Place, last: Place) -> dict[Place, list[Any]]:
    ends = {f"first_{column.name}": part for column, part in zip(_PLACE, first, strict=True)}
    ends |= {f"last_{column.name}": part for column, part in zip(_PLACE, last, strict=True)}
    held: dict[Place, list[Any]] = defaultdict(list)
    for row in await connection.execute(_BETWEEN, ends):
        held[row.platform, row.workspace, row.channel, row.external_id].append(row)
    return held


async def _seen(connection: Connection, message_id: str) -> str:
    _, message = (await read_by_ids(connection, [message_id]))[message_id]
    return message.model_dump_json(exclude={"updated_at"})


def _told(row: Any) -> dict[str, Any]:
    """Lay one change out as the defaults keep it."""
    told: dict[str, Any] = {"kind": row.kind, "at": instant_text(row.event_at)}
    if row.kind == "edit":
        told["content"] = row.content
    elif row.kind != "delete":
        told["emoji"] = row.emoji
    if row.kind in ("add", "remove"):
        told["user_id"] = row.user_id
    return told
