"""Steps of answers that go into one transaction together: begun to be sent, marked, finished.

Each runner does its jobs by a few statements for all of them, and sets their outcomes. Harmless when done again. Proved
by `tests/contract/test_answers.py` and `test_sending.py`.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from backscroll.errors import StorageError
from backscroll.storage.keys import ExternalId
from backscroll.storage.models import Message
from backscroll.storage.provider.answers import answer_lost
from backscroll.storage.provider.sending import message_posted, new_parts
from backscroll.storage.records import Part, PartKind
from backscroll.storage.sql.batch import append_batch
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.item import Item
from backscroll.storage.sql.marking import mark_parts
from backscroll.storage.sql.parts import part_values, read_parts
from backscroll.storage.sql.tables import answers, is_unfinished, message_parts
from backscroll.storage.sql.types import any_of, now

_OWNED = (
    select(answers)
    .where(any_of(answers.c.id, "ids"), is_unfinished(answers.c.state))
    .order_by(answers.c.id)
    .with_for_update()
)
CHANGE_ANSWER = update(answers).where(answers.c.id == bindparam("answer_id")).values(updated_at=now())
_BEGIN = CHANGE_ANSWER.values(
    state="sending",
    answer_message_id=bindparam("its_message"),
    reason=bindparam("why"),
    is_growing=bindparam("grows"),
)
_FINISH = CHANGE_ANSWER.values(state=bindparam("final"), owner=None, reason=bindparam("why"))
_ENDED = select(answers.c.id, answers.c.state).where(any_of(answers.c.id, "ids"), answers.c.owner.is_(None))
_ANSWER_OF = select(message_parts.c.answer_id).where(message_parts.c.message_id == bindparam("its_message"))


@dataclass(slots=True)
class _Step:
    answer_id: str
    owner: str
    error: StorageError | None = field(default=None, kw_only=True)

    @property
    def size(self) -> int:
        """How much of a transaction it fills."""
        return 1


@dataclass(slots=True)
class Begin(_Step):
    """An answer's message to be stored, and the parts to send."""

    message: Message
    texts: list[str]
    reason: str | None
    is_growing: bool
    parts: list[Part] = field(default_factory=list)


@dataclass(slots=True)
class Mark(_Step):
    """A part that was posted."""

    number: int
    external: ExternalId
    message_id: str | None


@dataclass(slots=True)
class Finish(_Step):
    """An answer that ends."""

    state: str
    reason: str | None
    is_done: bool = False
    """An earlier run ended it; whether that was committed may be unknown."""


async def begin_batch(connection: Connection, jobs: list[Begin]) -> None:
    """Store the messages of all these answers, and move them to `sending`."""
    rows = await _owned(connection, jobs)
    items: list[tuple[Begin, Item, list[Part]]] = []
    for job in jobs:
        if job.error is not None:
            continue
        row = rows[job.answer_id]
        if row.state == "sending":
            job.parts = await read_parts(connection, row.answer_message_id)
        else:
            kind: PartKind = "stream" if job.is_growing else "text"
            parts = new_parts(job.message, job.texts, kind)
            items.append((job, Item(job.message, row.thread_id, is_answer=True), parts))
    await store_messages(connection, [(job.answer_id, item, parts) for job, item, parts in items])
    begun: list[dict[str, Any]] = []
    for job, item, parts in items:
        job.error = item.error
        if job.error is None:
            job.parts = parts
            its = {"answer_id": job.answer_id, "its_message": job.message.id}
            begun.append(its | {"why": job.reason, "grows": job.is_growing})
    if begun:
        await connection.execute(_BEGIN, begun)


async def mark_batch(connection: Connection, jobs: list[Mark]) -> None:
    """Note where all these parts are posted."""
    rows = await _owned(connection, jobs)
    marks = [
        (job.message_id or rows[job.answer_id].answer_message_id, job.number, job.external)
        for job in jobs
        if job.error is None
    ]
    await mark_parts(connection, marks)


async def finish_batch(connection: Connection, jobs: list[Finish]) -> None:
    """End all these answers."""
    rows = await _owned(connection, jobs)
    if repeated := [job for job in jobs if job.is_done and job.error is not None]:
        found = await connection.execute(_ENDED, {"ids": [job.answer_id for job in repeated]})
        ended = {(row.id, row.state) for row in found}
        jobs = [job for job in jobs if job not in repeated]
        for job in repeated:
            job.error = None if (job.answer_id, job.state) in ended else job.error
    values = [
        {"answer_id": job.answer_id, "final": job.state, "why": job.reason or rows[job.answer_id].reason}
        for job in jobs
        if job.error is None
    ]
    if values:
        await connection.execute(_FINISH, values)
    for job in jobs:
        job.is_done = job.error is None


async def store_messages(connection: Connection, given: list[tuple[str, Item, list[Part]]]) -> None:
    """Store messages of answers, by the answers' ids, with their parts. One that is posted already gets its error."""
    await append_batch(connection, [item for _, item, _ in given])
    rows: list[dict[str, Any]] = []
    for answer_id, item, parts in given:
        message_id = item.message.id
        if item.error is None and not item.is_new and await answers_of(connection, message_id):
            item.error = message_posted(message_id)
        if item.error is None:
            rows += [part_values(part, answer_id) for part in parts]
    if rows:
        await connection.execute(message_parts.insert(), rows)


async def answers_of(connection: Connection, message_id: str) -> set[str | None]:
    """Read which answers the posts of a message are of; empty when it has none, None for what came from outside."""
    return set((await connection.execute(_ANSWER_OF, {"its_message": message_id})).scalars())


async def owned(connection: Connection, answer_id: str, owner: str) -> Row[Any]:
    """Lock an answer's row for the one who has it.

    Raises: AnswerLostError: this owner does not have it.
    """
    step = _Step(answer_id, owner)
    rows = await _owned(connection, [step])
    if step.error is not None:
        raise step.error
    return rows[answer_id]


async def _owned(connection: Connection, jobs: Collection[_Step]) -> dict[str, Row[Any]]:
    """Lock the answers' rows for those who have them; a job whose owner has not gets its error."""
    found = await connection.execute(_OWNED, {"ids": sorted({job.answer_id for job in jobs})})
    rows = {row.id: row for row in found}
    for job in jobs:
        row = rows.get(job.answer_id)
        job.error = None if row is not None and row.owner == job.owner else answer_lost(job.answer_id)
    return rows
