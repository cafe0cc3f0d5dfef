"""Posts of ours that come back, inside a transaction: each is met with the part that it is, or has to wait.

Proved by `tests/contract/test_echoes.py`.
"""

from sqlalchemy import literal_column, select

from backscroll.storage.keys import ThreadKey
from backscroll.storage.provider.messages import echo_pending
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.item import Item
from backscroll.storage.sql.marking import Posted, mark_parts
from backscroll.storage.sql.tables import answers, is_unfinished, message_parts
from backscroll.storage.sql.types import any_of

_BY_TOKEN = select(message_parts.c.token, message_parts.c.message_id, message_parts.c.part).where(
    any_of(message_parts.c.token, "tokens")
)
_KEY = (answers.c.platform, answers.c.workspace, answers.c.channel, answers.c.thread)
# By place, not by thread: another thread may live there by now.
_POSTING = (
    select(*_KEY)
    .join(message_parts, message_parts.c.answer_id == answers.c.id)
    .where(
        any_of(answers.c.channel, "channels"),
        is_unfinished(answers.c.state),
        message_parts.c.state == literal_column("'waiting'"),
    )
)


async def meet_echoes(connection: Connection, items: list[Item]) -> None:
    """Let each echo that is not stored yet be a repeat of the message that its token names, or wait for its mark."""
    echoes = [(item, item.arrival) for item in items if item.arrival is not None and item.arrival.is_echo]
    if not echoes:
        return
    tokens = sorted({arrival.token for _, arrival in echoes if arrival.token is not None})
    parts = {row.token: row for row in await connection.execute(_BY_TOKEN, {"tokens": tokens})} if tokens else {}
    marks: list[Posted] = []
    for item, arrival in echoes:
        part = parts.get(arrival.token)
        if part is not None and item.repeat_of is None and arrival.external is not None:
            marks.append((part.message_id, part.part, arrival.external))
            item.repeat_of, item.error = part.message_id, None
    await mark_parts(connection, marks)
    channels = sorted({arrival.key.channel for item, arrival in echoes if item.is_open})
    rows = (await connection.execute(_POSTING, {"channels": channels})).all() if channels else []
    posting = {ThreadKey(*row) for row in rows}
    for item, arrival in echoes:
        if item.is_open and arrival.key in posting and arrival.external is not None:
            item.error = echo_pending(arrival.external)
