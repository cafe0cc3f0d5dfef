"""Edits, deletions and reactions that came before their message.

The first of them claims the message's external id in `message_parts`, with no message yet, so that whoever comes later,
another change or the message itself, meets it there and waits for its commit. Proved by `tests/contract/test_early.py`.
"""

from collections import defaultdict
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, select, tuple_

from backscroll.storage.keys import ExternalId
from backscroll.storage.models import Message
from backscroll.storage.provider.rows import (
    clear_reactions_on_row,
    clear_row,
    edit_row,
    instant_of,
    message_of,
    new_message_row,
    react_on_row,
)
from backscroll.storage.sql.dialect import insert_ignoring
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.rows import CHUNK_COUNT, Place, content_values, external_values
from backscroll.storage.sql.tables import early_events, message_parts
from backscroll.storage.sql.types import now
from backscroll.storage.values import new_id

PLACE = (message_parts.c.platform, message_parts.c.workspace, message_parts.c.channel, message_parts.c.external_id)

_EARLY_PLACE = tuple(early_events.c[column.name] for column in PLACE)
_EARLY = (
    select(early_events)
    .where(tuple_(*_EARLY_PLACE).in_(bindparam("places", expanding=True)))
    .order_by(early_events.c.event_at, early_events.c.id)
)
_DROP = delete(early_events).where(tuple_(*_EARLY_PLACE).in_(bindparam("places", expanding=True)))
_HOLDER = (
    select(message_parts.c.message_id).where(*(column == bindparam(column.name) for column in PLACE)).with_for_update()
)
_WAITS = exists().where(and_(*(mine == its for mine, its in zip(_EARLY_PLACE, PLACE, strict=True))))
_IS_IDLE = and_(message_parts.c.state == "expected", ~_WAITS)
_IDLE = select(*PLACE).where(_IS_IDLE).with_for_update(skip_locked=True)
_DROP_IDLE = delete(message_parts).where(_IS_IDLE, tuple_(*PLACE).in_(bindparam("places", expanding=True)))


async def find_or_expect(connection: Connection, external: ExternalId) -> str | None:
    """Return the message that holds an external id; None when it is yet to come, and then the id is claimed for it."""
    where = external_values(external)
    claim = insert_ignoring(connection, message_parts)
    while True:  # who held it when we claimed it may be deleted before we look
        await connection.execute(claim, where | {"part": 1, "state": "expected"})
        holder = (await connection.execute(_HOLDER, where)).one_or_none()
        if holder is not None:
            return None if holder.message_id is None else str(holder.message_id)


async def hold_early(connection: Connection, external: ExternalId, **change: Any) -> None:
    """Keep a change until its message comes; `change` are columns of `early_events`."""
    values = {"id": new_id(), **external_values(external), **change}
    await connection.execute(early_events.insert().values(created_at=now()), values)


class Settled:
    """A message as it stands after the changes that came before it."""

    def __init__(self, message: Message, changes: list[Any]) -> None:
        row = new_message_row("", message, None, message.sequence or 0)
        for change in changes:
            if change.kind == "edit":
                edit_row(row, change.content, change.event_at)
            elif change.kind == "delete":
                clear_row(row, change.event_at)
            elif change.kind == "clear":
                clear_reactions_on_row(row, change.emoji, change.event_at)
            else:
                react_on_row(row, change.emoji, change.user_id, change.kind == "add", change.event_at)
        self.message = message_of(row)
        self.reactions = [self._reaction(position, entry) for position, entry in enumerate(row["reactions"], 1)]
        self.versions = [
            {
                "message_id": message.id,
                "version": version,
                "written_at": instant_of(before["at"]),
                **content_values(before["content"]),
            }
            for version, before in enumerate(row["versions"], 1)
        ]

    def _reaction(self, position: int, entry: dict[str, Any]) -> dict[str, Any]:
        event_at = instant_of(entry["at"])
        return {
            "message_id": self.message.id,
            "emoji": entry["emoji"],
            "user_id": entry["user_id"],
            "position": position,
            "created_at": self.message.updated_at,
            "event_at": event_at,
            "removed_at": event_at if entry["removed"] else None,
        }


async def take_early(connection: Connection, places: list[Place]) -> dict[Place, list[Any]]:
    """Take the changes that wait for these messages out of the table, each message's in the order of the platform."""
    held: dict[Place, list[Any]] = defaultdict(list)
    for start in range(0, len(places), CHUNK_COUNT):
        chunk = {"places": places[start : start + CHUNK_COUNT]}
        for row in await connection.execute(_EARLY, chunk):
            held[row.platform, row.workspace, row.channel, row.external_id].append(row)
        await connection.execute(_DROP, chunk)
    return held


async def sweep(connection: Connection, before: Any) -> int:
    """Drop the changes that have waited since before an instant, and the claims that nothing waits for any more."""
    aged = select(*_EARLY_PLACE).where(early_events.c.created_at < before).distinct()
    places = (await connection.execute(aged)).all()
    for start in range(0, len(places), CHUNK_COUNT):
        await connection.execute(_DROP, {"places": places[start : start + CHUNK_COUNT]})
    # Locked first and looked at again: whoever holds such a claim may be about to let one more change wait at it.
    claims = (await connection.execute(_IDLE)).all()
    for start in range(0, len(claims), CHUNK_COUNT):
        await connection.execute(_DROP_IDLE, {"places": claims[start : start + CHUNK_COUNT]})
    return len(places)
