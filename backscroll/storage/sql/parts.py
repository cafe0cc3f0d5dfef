"""The posts of an answer as rows.

Proved by `tests/contract/test_sending.py`.
"""

from typing import Any

from sqlalchemy import Row, bindparam, select

from backscroll.storage.keys import ExternalId
from backscroll.storage.records import Part, PartState
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.rows import CHUNK_COUNT
from backscroll.storage.sql.tables import message_parts
from backscroll.storage.sql.types import any_of

_PARTS = (
    select(message_parts)
    .where(message_parts.c.message_id == bindparam("its_message"), message_parts.c.token.is_not(None))
    .order_by(message_parts.c.part)
)


_OF_MESSAGES = (
    select(message_parts)
    .where(any_of(message_parts.c.message_id, "ids"), message_parts.c.token.is_not(None))
    .order_by(message_parts.c.message_id, message_parts.c.part)
)


async def read_parts(connection: Connection, message_id: str) -> list[Part]:
    """Read the parts of a message that were posted or are to be, in order."""
    return [part_of(row) for row in await connection.execute(_PARTS, {"its_message": message_id})]


async def read_posts(connection: Connection, message_ids: list[str]) -> list[Part]:
    """Read the parts of these messages, each message's in order."""
    found: list[Part] = []
    for start in range(0, len(message_ids), CHUNK_COUNT):
        ids = {"ids": message_ids[start : start + CHUNK_COUNT]}
        found += [part_of(row) for row in await connection.execute(_OF_MESSAGES, ids)]
    return found


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
