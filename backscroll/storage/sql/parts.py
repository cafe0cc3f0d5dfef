"""The posts of an answer, and the ids that the platform gave them, inside a transaction.

Proved by `tests/contract/test_sending.py`.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, select, update

from backscroll.storage.keys import ExternalId
from backscroll.storage.provider.sending import rest_of, text_of
from backscroll.storage.records import Part, PartState
from backscroll.storage.sql.dropping import drop_file
from backscroll.storage.sql.early import PLACE, take_early
from backscroll.storage.sql.editing import clear, edit, lock, react, rewrite
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.rows import MESSAGE_COLUMNS, external_values, place_of, search_values
from backscroll.storage.sql.tables import message_parts, messages
from backscroll.storage.values import utc_now

_AT_PLACE = tuple(column == bindparam(f"of_{column.name}") for column in PLACE)
PARTS = (
    select(message_parts)
    .where(message_parts.c.message_id == bindparam("its_message"), message_parts.c.token.is_not(None))
    .order_by(message_parts.c.part)
)
_HOLDER = select(message_parts.c.message_id).where(*_AT_PLACE).with_for_update()
_DROP_CLAIM = delete(message_parts).where(*_AT_PLACE, message_parts.c.message_id.is_(None))
_PART = (
    select(message_parts.c.state, message_parts.c.external_id)
    .where(message_parts.c.message_id == bindparam("its_message"), message_parts.c.part == bindparam("number"))
    .with_for_update()
)
_MARK = update(message_parts).where(
    message_parts.c.message_id == bindparam("its_message"), message_parts.c.part == bindparam("number")
)
_READ = select(*MESSAGE_COLUMNS).where(messages.c.id == bindparam("its_message"))
_IS_TOMBSTONE = select(messages.c.deleted_at.is_not(None)).where(messages.c.id == bindparam("its_message"))
_NAME = update(messages).where(messages.c.id == bindparam("its_message"))


def part_of(row: Row[Any]) -> Part:
    """Build a part from its row."""
    external = None
    if row.external_id is not None:
        external = ExternalId(row.platform, row.workspace, row.channel, row.external_id)
    state: PartState = "sent" if row.state == "sent" else "waiting"
    return Part(row.message_id, row.part, row.token, row.text or "", state, external, row.kind or "text", row.position)


def part_values(part: Part, answer_id: str) -> dict[str, Any]:
    """Lay a part that is not posted yet out as a row."""
    return {
        "message_id": part.message_id,
        "part": part.number,
        "token": part.token,
        "text": part.text,
        "state": part.state,
        "kind": part.kind,
        "position": part.position,
        "answer_id": answer_id,
    }


async def mark_part(connection: Connection, message_id: str, number: int, external: ExternalId) -> None:
    """Note that a part was posted, give it its external id unless another message has that, and apply what waited."""
    part = {"its_message": message_id, "number": number}
    stands = (await connection.execute(_PART, part)).one_or_none()
    if stands is None or stands.state != "waiting":
        return
    # Read behind the lock of the part's row, which a deletion takes too: one of the two takes the text out.
    is_tombstone = (await connection.execute(_IS_TOMBSTONE, part)).scalar_one_or_none()
    sent: dict[str, Any] = {"state": "sent"} | ({"text": None} if is_tombstone else {})
    place = {f"of_{name}": value for name, value in external_values(external).items()}
    holder = (await connection.execute(_HOLDER, place)).one_or_none()
    if stands.external_id is not None or (holder is not None and holder.message_id is not None):
        await connection.execute(_MARK.values(sent), part)
        return
    await connection.execute(_DROP_CLAIM, place)
    await connection.execute(_MARK.values(sent | external_values(external)), part)
    if number == 1:
        row = (await connection.execute(_READ, part)).one()
        platforms = row.platforms | external.platforms
        named = {"platforms": platforms, "updated_at": utc_now(), **external_values(external)}
        named |= search_values(row.content, row, platforms=platforms)
        await connection.execute(_NAME.values(named), {"its_message": message_id})
    for changes in (await take_early(connection, [place_of(external)])).values():
        for change in changes:
            await _apply(connection, message_id, external, change)


async def take_away(connection: Connection, message_id: str, external: ExternalId, deleted_at: datetime | None) -> bool:
    """Take one post of a message away: what it said goes, and with the last the message."""
    await lock(connection, message_id)
    parts = [part_of(row) for row in await connection.execute(PARTS, {"its_message": message_id})]
    rest = rest_of(parts, external)
    if not parts or rest == []:
        return await clear(connection, message_id, deleted_at)
    if rest is None:
        return False
    gone = next(part for part in parts if part.external == external)
    its = {"its_message": message_id, "number": gone.number}
    await connection.execute(_MARK.values(text=None, position=None), its)
    if gone.kind == "file":
        await drop_file(connection, message_id, gone.position or 0)
    else:
        await rewrite(connection, message_id, text_of(rest))
    return True


async def _apply(connection: Connection, message_id: str, external: ExternalId, change: Row[Any]) -> None:
    if change.kind == "edit":
        await edit(connection, message_id, change.content, change.event_at)
    elif change.kind == "delete":
        await take_away(connection, message_id, external, change.event_at)
    else:
        await react(connection, message_id, change.emoji, change.user_id, change.kind == "add", change.event_at)
