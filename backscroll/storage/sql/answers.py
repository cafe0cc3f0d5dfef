"""Answers in SQL; the contract stands in `provider/answers.py`.

All takers contend for the one row that is a thread's first unfinished answer: whoever locks it has it, the others pass
over it. The unique index `answers_one_at_a_time` stands behind that.
"""

from typing import Any

from sqlalchemy import ColumnClause, Row, and_, bindparam, exists, func, literal_column, select, update

from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Message
from backscroll.storage.provider.answers import answer_lost, clean_reason, message_posted, new_parts
from backscroll.storage.records import UNFINISHED, Answer, AnswerState, FinalState, Part
from backscroll.storage.sql.aliases import SqlAliases
from backscroll.storage.sql.batch import append_batch
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.item import Item
from backscroll.storage.sql.parts import mark_part, part_of, part_values
from backscroll.storage.sql.tables import answers, message_parts, threads
from backscroll.storage.sql.types import any_of, in_seconds, later_of, now

_before = answers.alias("before")
# Literals as in the partial indexes, or the planner would not see that they fit.
_STATES: list[ColumnClause[str]] = [literal_column(f"'{state}'") for state in UNFINISHED]
_UNFINISHED = answers.c.state.in_(_STATES)
_IS_FIRST = ~exists().where(
    and_(
        _before.c.thread_id == answers.c.thread_id,
        _before.c.position < answers.c.position,
        _before.c.state.in_(_STATES),
    )
)
_PLATFORMS = any_of(answers.c.platform, "platforms")
_READY = (
    select(answers)
    .where(_UNFINISHED, _IS_FIRST, _PLATFORMS, answers.c.ready_at <= now())
    .order_by(answers.c.ready_at, answers.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_NEXT = select(func.min(answers.c.ready_at), now()).where(_UNFINISHED, _IS_FIRST, _PLATFORMS)
_LAST_WAITING = (
    select(answers)
    .where(answers.c.thread_id == bindparam("its_thread"), answers.c.state == "waiting")
    .order_by(answers.c.position.desc())
    .limit(1)
    .with_for_update()
)
_SKIP_BEFORE = (
    update(answers)
    .where(
        answers.c.thread_id == bindparam("its_thread"),
        answers.c.state == "waiting",
        answers.c.position < bindparam("its_position"),
    )
    .values(state="skipped", reason="a later message is answered", updated_at=now())
)
_LEASE = in_seconds(bindparam("lease_s"))
_TAKE = (
    update(answers)
    .where(answers.c.id == bindparam("answer_id"))
    .values(
        state=bindparam("taken_state"),
        owner=bindparam("taker"),
        takeovers=bindparam("taken_over"),
        ready_at=_LEASE,
        updated_at=now(),
    )
    .returning(answers)
)
_RENEW = (
    update(answers)
    .where(answers.c.owner == bindparam("holder"), _UNFINISHED)
    .values(ready_at=_LEASE, updated_at=now())
    .returning(answers.c.id)
)
_OWNED = (
    select(answers)
    .where(answers.c.id == bindparam("answer_id"), answers.c.owner == bindparam("holder"), _UNFINISHED)
    .with_for_update()
)
_CHANGE = update(answers).where(answers.c.id == bindparam("answer_id")).values(updated_at=now())
_GIVE_BACK = _CHANGE.values(
    owner=None,
    state=bindparam("back_to"),
    tries=bindparam("tried"),
    reason=bindparam("why"),
    ready_at=later_of(now(), in_seconds(bindparam("delay_s"))),
)
_PARTS = (
    select(message_parts)
    .where(message_parts.c.message_id == bindparam("its_message"), message_parts.c.token.is_not(None))
    .order_by(message_parts.c.part)
)
_POSTED = select(message_parts.c.part).where(message_parts.c.message_id == bindparam("its_message"))
_LOCK_THREAD = select(threads.c.id).where(threads.c.id == bindparam("its_thread")).with_for_update(key_share=True)
_LAST_POSITION = select(func.max(answers.c.position)).where(answers.c.thread_id == bindparam("its_thread"))


class SqlAnswers(SqlAliases):
    """The calls for answers."""

    async def take_answer(
        self, owner: str, platforms: list[str], lease_s: float, *, latest: bool = False
    ) -> Answer | None:
        async def work(connection: Connection) -> Answer | None:
            row = (await connection.execute(_READY, {"platforms": platforms})).one_or_none()
            if row is None:
                return None
            if latest and row.state == "waiting":
                row = await _skip_to_last(connection, row)
            taken = {
                "answer_id": row.id,
                "taker": owner,
                "taken_state": "sending" if row.state == "sending" else "running",
                "taken_over": row.takeovers + (row.owner is not None),
                "lease_s": lease_s,
            }
            return _answer_of((await connection.execute(_TAKE, taken)).one())

        return await self.database.write(work)

    async def renew_leases(self, owner: str, lease_s: float) -> list[str]:
        async def work(connection: Connection) -> list[str]:
            return list((await connection.execute(_RENEW, {"holder": owner, "lease_s": lease_s})).scalars())

        return await self.database.write(work)

    async def begin_sending(
        self, answer_id: str, owner: str, message: Message, texts: list[str], *, reason: str | None = None
    ) -> list[Part]:
        async def work(connection: Connection) -> list[Part]:
            row = await _owned(connection, answer_id, owner)
            if row.state == "sending":
                return await _read_parts(connection, row.answer_message_id)
            parts = new_parts(message.id, texts)
            item = Item(message, row.thread_id, is_answer=True)
            await append_batch(connection, [item])
            if item.error is not None:
                raise item.error
            its = {"its_message": message.id}
            if not item.is_new and (await connection.execute(_POSTED, its)).first() is not None:
                raise message_posted(message.id)
            await connection.execute(message_parts.insert(), [part_values(part) for part in parts])
            values = {"state": "sending", "answer_message_id": message.id, "reason": clean_reason(reason)}
            await connection.execute(_CHANGE.values(values), {"answer_id": answer_id})
            return await _read_parts(connection, message.id)

        return await self.database.write(work)

    async def get_parts(self, answer_id: str) -> list[Part]:
        async def work(connection: Connection) -> list[Part]:
            query = select(answers.c.answer_message_id).where(answers.c.id == answer_id)
            message_id = (await connection.execute(query)).scalar_one_or_none()
            return [] if message_id is None else await _read_parts(connection, message_id)

        return await self.database.read(work)

    async def mark_sent(self, answer_id: str, owner: str, number: int, external: ExternalId) -> None:
        async def work(connection: Connection) -> None:
            row = await _owned(connection, answer_id, owner)
            await mark_part(connection, row.answer_message_id, number, external)

        await self.database.write(work)

    async def finish_answer(self, answer_id: str, owner: str, state: FinalState, *, reason: str | None = None) -> None:
        async def work(connection: Connection) -> None:
            row = await _owned(connection, answer_id, owner)
            values = {"state": state, "owner": None, "reason": clean_reason(reason) or row.reason}
            await connection.execute(_CHANGE.values(values), {"answer_id": answer_id})

        await self.database.write(work)

    async def postpone_answer(self, answer_id: str, owner: str, delay_s: float, *, reason: str, counts: bool) -> None:
        async def work(connection: Connection) -> None:
            row = await _owned(connection, answer_id, owner)
            await _give_back(connection, row, delay_s, clean_reason(reason), row.tries + counts)

        await self.database.write(work)

    async def release_answers(self, owner: str) -> int:
        async def work(connection: Connection) -> int:
            held = select(answers).where(answers.c.owner == owner, _UNFINISHED).with_for_update()
            rows = (await connection.execute(held)).all()
            for row in rows:
                await _give_back(connection, row, 0, row.reason, row.tries)
            return len(rows)

        return await self.database.write(work)

    async def seconds_until_ready(self, platforms: list[str]) -> float | None:
        async def work(connection: Connection) -> float | None:
            at, clock = (await connection.execute(_NEXT, {"platforms": platforms})).one()
            return None if at is None else max(0.0, (at - clock).total_seconds())

        return await self.database.read(work)

    async def get_answer(self, answer_id: str) -> Answer | None:
        async def work(connection: Connection) -> Answer | None:
            row = (await connection.execute(select(answers).where(answers.c.id == answer_id))).one_or_none()
            return None if row is None else _answer_of(row)

        return await self.database.read(work)

    async def list_answers(
        self, *, state: AnswerState | None = None, thread_id: str | None = None, limit: int | None = 100
    ) -> list[Answer]:
        query = select(answers).order_by(answers.c.created_at, answers.c.id).limit(limit)
        if state is not None:
            query = query.where(answers.c.state == state)
        if thread_id is not None:
            query = query.where(answers.c.thread_id == thread_id)

        async def work(connection: Connection) -> list[Answer]:
            return [_answer_of(row) for row in await connection.execute(query)]

        return await self.database.read(work)

    async def retry_answer(self, answer_id: str) -> bool:
        async def work(connection: Connection) -> bool:
            failed = select(answers).where(answers.c.id == answer_id, answers.c.state == "failed")
            row = (await connection.execute(failed)).one_or_none()
            if row is None:
                return False
            its = {"its_thread": row.thread_id}
            await connection.execute(_LOCK_THREAD, its)
            position = (await connection.execute(_LAST_POSITION, its)).scalar_one() + 1
            values = {"state": "waiting", "position": position, "answer_message_id": None, "reason": None}
            values |= {"tries": 0, "takeovers": 0, "ready_at": now()}
            changed = await connection.execute(
                _CHANGE.where(answers.c.state == "failed").values(values), {"answer_id": answer_id}
            )
            return changed.rowcount > 0

        return await self.database.write(work)

    async def drop_answer(self, answer_id: str) -> bool:
        async def work(connection: Connection) -> bool:
            change = _CHANGE.where(answers.c.state.in_(("waiting", "failed")))
            values = {"state": "skipped", "reason": "dropped by the operator"}
            return (await connection.execute(change.values(values), {"answer_id": answer_id})).rowcount > 0

        return await self.database.write(work)


async def _skip_to_last(connection: Connection, first: Row[Any]) -> Row[Any]:
    its = {"its_thread": first.thread_id}
    last = (await connection.execute(_LAST_WAITING, its)).one()
    await connection.execute(_SKIP_BEFORE, its | {"its_position": last.position})
    return last


async def _owned(connection: Connection, answer_id: str, owner: str) -> Row[Any]:
    row = (await connection.execute(_OWNED, {"answer_id": answer_id, "holder": owner})).one_or_none()
    if row is None:
        raise answer_lost(answer_id)
    return row


async def _give_back(connection: Connection, row: Row[Any], delay_s: float, reason: str | None, tries: int) -> None:
    sending = row.state == "sending"
    values = {
        "answer_id": row.id,
        "back_to": "sending" if sending else "waiting",
        "tried": tries,
        "why": row.reason if sending else reason,
        "delay_s": delay_s,
    }
    await connection.execute(_GIVE_BACK, values)


async def _read_parts(connection: Connection, message_id: str) -> list[Part]:
    return [part_of(row) for row in await connection.execute(_PARTS, {"its_message": message_id})]


def _answer_of(row: Row[Any]) -> Answer:
    return Answer(
        id=row.id,
        thread_id=row.thread_id,
        message_id=row.message_id,
        position=row.position,
        key=ThreadKey(row.platform, row.workspace, row.channel, row.thread),
        state=row.state,
        owner=row.owner,
        tries=row.tries,
        takeovers=row.takeovers,
        ready_at=row.ready_at,
        reason=row.reason,
        answer_message_id=row.answer_message_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
