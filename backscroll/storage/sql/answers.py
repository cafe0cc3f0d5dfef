"""Answers in SQL; the contract stands in `provider/answers.py`.

All takers contend for the one row that is a thread's first unfinished answer: whoever locks it has it, the others pass
over it. The unique index `answers_one_at_a_time` stands behind that.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, case, exists, func, or_, select, update

from backscroll.errors import StorageError
from backscroll.storage.keys import ThreadKey
from backscroll.storage.provider.answers import DROPPABLE, age_s, clean_reason
from backscroll.storage.records import UNFINISHED, Answer, AnswerCount, AnswerState, FinalState
from backscroll.storage.sql.agent_tables import approvals
from backscroll.storage.sql.aliases import SqlAliases
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.steps import CHANGE_ANSWER, Finish, finish_batch, owned
from backscroll.storage.sql.tables import aliases, answers, is_unfinished, threads
from backscroll.storage.sql.types import any_of, in_seconds, later_of, now

_before = answers.alias("before")
_UNFINISHED = is_unfinished(answers.c.state)
_IS_FIRST = ~exists().where(
    and_(
        _before.c.thread_id == answers.c.thread_id,
        _before.c.position < answers.c.position,
        is_unfinished(_before.c.state),
    )
)
_PLATFORMS = any_of(answers.c.platform, "platforms")
_READY = (
    select(answers)
    .where(_UNFINISHED, _IS_FIRST, _PLATFORMS, answers.c.ready_at <= now())
    .order_by(answers.c.ready_at, answers.c.id)
    .with_for_update(skip_locked=True)
)
_NEXT = select(func.min(answers.c.ready_at), now()).where(_UNFINISHED, _IS_FIRST, _PLATFORMS)
_decided = answers.alias("decided")
# Where an answer stands that people were asked about, the skipping ends.
_UNTIL = (
    select(func.min(_decided.c.position))
    .join(approvals, approvals.c.answer_id == _decided.c.id)
    .where(_decided.c.thread_id == bindparam("its_thread"), _decided.c.state == "waiting")
    .scalar_subquery()
)
_LAST_WAITING = (
    select(answers)
    .where(answers.c.thread_id == bindparam("its_thread"), answers.c.state == "waiting")
    .where(or_(_UNTIL.is_(None), answers.c.position < _UNTIL))
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
    .where(any_of(answers.c.id, "ids"))
    .values(
        state=case((answers.c.state == "sending", "sending"), else_="running"),
        owner=bindparam("taker"),
        takeovers=answers.c.takeovers + case((answers.c.owner.is_not(None), 1), else_=0),
        is_certain=False,
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
_GIVE_BACK = CHANGE_ANSWER.values(
    owner=None,
    state=bindparam("back_to"),
    tries=bindparam("tried"),
    reason=bindparam("why"),
    is_certain=bindparam("certain"),
    ready_at=later_of(now(), in_seconds(bindparam("delay_s"))),
)
_LOCK_THREAD = select(threads.c.id).where(threads.c.id == bindparam("its_thread")).with_for_update(key_share=True)
_COUNTS = (
    select(
        answers.c.state,
        func.count().label("number"),
        func.min(answers.c.created_at).label("oldest_at"),
        now().label("at"),
    )
    .where(_UNFINISHED)
    .group_by(answers.c.state)
)
_FAILED = select(func.count()).select_from(answers).where(answers.c.state == "failed")
_JOINED = select(
    exists().where(answers.c.thread_id == aliases.c.thread_id, aliases.c.alias == bindparam("alias")).correlate(None)
)
_LAST_POSITION = select(func.max(answers.c.position)).where(answers.c.thread_id == bindparam("its_thread"))


@dataclass(slots=True)
class Take:
    """Somebody who takes an answer."""

    owner: str
    platforms: tuple[str, ...]
    lease_s: float
    latest: bool
    answer: Answer | None = None
    error: StorageError | None = None

    @property
    def size(self) -> int:
        """How much of a transaction it fills."""
        return 1


class SqlAnswers(SqlAliases):
    """The calls for answers."""

    async def take_answer(
        self, owner: str, platforms: list[str], lease_s: float, *, latest: bool = False
    ) -> Answer | None:
        job = Take(owner, tuple(platforms), lease_s, latest)
        return (await self.writes.commit(job, _take_batch)).answer

    async def renew_leases(self, owner: str, lease_s: float) -> list[str]:
        async def work(connection: Connection) -> list[str]:
            return list((await connection.execute(_RENEW, {"holder": owner, "lease_s": lease_s})).scalars())

        return await self.database.write(work)

    async def finish_answer(self, answer_id: str, owner: str, state: FinalState, *, reason: str | None = None) -> None:
        await self.writes.commit(Finish(answer_id, owner, state, clean_reason(reason)), finish_batch)

    async def postpone_answer(
        self, answer_id: str, owner: str, delay_s: float, *, reason: str, counts: bool, is_certain: bool = False
    ) -> None:
        async def work(connection: Connection) -> None:
            row = await owned(connection, answer_id, owner)
            await _give_back(connection, row, delay_s, clean_reason(reason), row.tries + counts, is_certain=is_certain)

        await self.database.write(work)

    async def release_answers(self, owner: str) -> int:
        async def work(connection: Connection) -> int:
            held = select(answers).where(answers.c.owner == owner, _UNFINISHED).with_for_update()
            rows = (await connection.execute(held)).all()
            for row in rows:
                await _give_back(connection, row, 0, row.reason, row.tries)
            return len(rows)

        return await self.database.change(work)

    async def seconds_until_ready(self, platforms: list[str]) -> float | None:
        async def work(connection: Connection) -> float | None:
            at, clock = (await connection.execute(_NEXT, {"platforms": platforms})).one()
            return None if at is None else max(0.0, (at - clock).total_seconds())

        return await self.database.read(work)

    async def count_answers(self) -> dict[AnswerState, AnswerCount]:
        counts = {state: AnswerCount(0, None) for state in UNFINISHED}
        for row in await self.database.rows(_COUNTS):
            counts[row.state] = AnswerCount(row.number, age_s(row.oldest_at, row.at))
        return counts

    async def count_failed_answers(self) -> int:
        return int((await self.database.rows(_FAILED))[0][0])

    async def is_joined(self, alias: str) -> bool:
        return bool((await self.database.rows(_JOINED, {"alias": alias}))[0][0])

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
            values |= {"tries": 0, "takeovers": 0, "is_growing": False, "ready_at": now()}
            changed = await connection.execute(
                CHANGE_ANSWER.where(answers.c.state == "failed").values(values), {"answer_id": answer_id}
            )
            return changed.rowcount > 0

        return await self.database.change(work)

    async def drop_answer(self, answer_id: str) -> bool:
        async def work(connection: Connection) -> bool:
            change = CHANGE_ANSWER.where(answers.c.state.in_(DROPPABLE))
            values = {"state": "skipped", "reason": "dropped by the operator"}
            return (await connection.execute(change.values(values), {"answer_id": answer_id})).rowcount > 0

        return await self.database.change(work)


async def _take_batch(connection: Connection, jobs: list[Take]) -> None:
    """Let all these takers have an answer, as far as there are some."""
    alike: dict[tuple[Any, ...], list[Take]] = defaultdict(list)
    had = await _still_had(connection, [job.answer.id for job in jobs if job.answer is not None])
    for job in jobs:
        if job.answer is not None and (job.answer.id, job.owner, job.answer.ready_at) in had:
            continue  # an earlier run took it, whose COMMIT was not answered
        job.answer = None
        alike[job.owner, job.platforms, job.lease_s, job.latest].append(job)
    for (owner, platforms, lease_s, latest), takers in alike.items():
        ready = _READY.limit(len(takers))
        rows = (await connection.execute(ready, {"platforms": list(platforms)})).all()
        if latest:
            rows = [await _skip_to_last(connection, row) if row.state == "waiting" else row for row in rows]
        if not rows:
            continue
        taken = {"ids": [row.id for row in rows], "taker": owner, "lease_s": lease_s}
        answers_of = {row.id: _answer_of(row) for row in await connection.execute(_TAKE, taken)}
        for job, row in zip(takers, rows, strict=False):
            job.answer = replace(answers_of[row.id], is_certain=row.is_certain and row.owner is None)


async def _still_had(connection: Connection, ids: list[str]) -> set[tuple[str, str | None, datetime]]:
    """Read who has which of these answers, and until when."""
    if not ids:
        return set()
    query = select(answers.c.id, answers.c.owner, answers.c.ready_at).where(any_of(answers.c.id, "ids"), _UNFINISHED)
    return {(row.id, row.owner, row.ready_at) for row in await connection.execute(query, {"ids": ids})}


async def _skip_to_last(connection: Connection, first: Row[Any]) -> Row[Any]:
    its = {"its_thread": first.thread_id}
    last = (await connection.execute(_LAST_WAITING, its)).one_or_none()
    if last is None:
        return first
    await connection.execute(_SKIP_BEFORE, its | {"its_position": last.position})
    return last


async def _give_back(
    connection: Connection,
    row: Row[Any],
    delay_s: float,
    reason: str | None,
    tries: int,
    *,
    is_certain: bool = False,
) -> None:
    sending = row.state == "sending"
    values = {
        "answer_id": row.id,
        "back_to": "sending" if sending else "waiting",
        "tried": tries,
        "why": row.reason if sending else reason,
        "certain": is_certain,
        "delay_s": delay_s,
    }
    await connection.execute(_GIVE_BACK, values)


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
        is_partial=row.is_partial,
        is_growing=row.is_growing,
        is_certain=row.is_certain,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
