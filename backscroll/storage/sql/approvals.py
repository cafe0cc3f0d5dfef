"""Approvals in SQL; the contract stands in `provider/approvals.py`.

Whoever decides, and whoever suspends, locks the answer's row first: one of the two sees what the other did.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

from sqlalchemy import Row, and_, bindparam, func, not_, select, update

from backscroll.storage.models import Message
from backscroll.storage.provider.approvals import DECIDABLE, EXPIRED_COUNT, Decided, must_be_running
from backscroll.storage.provider.sending import new_parts
from backscroll.storage.records import Approval
from backscroll.storage.sql.agent_tables import approvals
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.forks import SqlForks
from backscroll.storage.sql.item import Item
from backscroll.storage.sql.steps import CHANGE_ANSWER, owned, store_messages
from backscroll.storage.sql.tables import answers, messages, threads
from backscroll.storage.sql.types import any_of, in_seconds, now

_ONE = select(approvals).where(approvals.c.id == bindparam("its_id"))
_BEGIN = (
    approvals.insert().values(created_at=now(), expires_at=in_seconds(bindparam("lives_s"))).returning(*approvals.c)
)
_IS_OPEN = approvals.c.decision.is_(None)
_IS_DECIDABLE = answers.c.state.in_(DECIDABLE)
_ALL = select(approvals).join(answers, answers.c.id == approvals.c.answer_id)
_OLDEST_FIRST = (approvals.c.created_at, approvals.c.id)
_NEWEST_FIRST = (approvals.c.created_at.desc(), approvals.c.id.desc())
_LISTED = {
    True: _ALL.where(_IS_OPEN, _IS_DECIDABLE).order_by(*_OLDEST_FIRST),
    False: _ALL.where(not_(and_(_IS_OPEN, _IS_DECIDABLE))).order_by(*_NEWEST_FIRST),
    None: _ALL.order_by(*_NEWEST_FIRST),
}
_OVER = (
    select(approvals.c.id, approvals.c.answer_id)
    .where(_IS_OPEN, approvals.c.expires_at <= now())
    .order_by(approvals.c.expires_at, approvals.c.id)
    .limit(EXPIRED_COUNT)
)
_LOCK_ANSWERS = (
    select(answers.c.id, answers.c.thread_id, answers.c.state)
    .where(any_of(answers.c.id, "ids"))
    .order_by(answers.c.id)
    .with_for_update()
)
_LOCK_THREADS = (
    select(threads.c.id).where(any_of(threads.c.id, "ids")).order_by(threads.c.id).with_for_update(key_share=True)
)
_LAST = (
    select(answers.c.thread_id, func.max(answers.c.position))
    .where(any_of(answers.c.thread_id, "ids"))
    .group_by(answers.c.thread_id)
)
_WAIT = CHANGE_ANSWER.values(state="waiting", position=bindparam("its_position"), ready_at=now())
_LEAVE = CHANGE_ANSWER.values(state=bindparam("left_as"), owner=None, ready_at=now())
_DECIDE = update(approvals).where(approvals.c.id == bindparam("its_id"), _IS_OPEN)
_EXPIRE = (
    update(approvals)
    .where(any_of(approvals.c.id, "ids"), _IS_OPEN, approvals.c.expires_at <= now())
    .values(decision="expired", decided_at=now())
    .returning(approvals.c.answer_id)
)


class SqlApprovals(SqlForks):
    """The calls for approvals."""

    async def begin_approval(
        self, answer_id: str, owner: str, number: int, message: Message, texts: list[str], lives_s: float
    ) -> Approval:
        parts = new_parts(message, texts)
        parts[-1] = replace(parts[-1], kind="approval")

        async def work(connection: Connection) -> Approval:
            answer = await owned(connection, answer_id, owner)
            known = (await connection.execute(_ONE, {"its_id": message.id})).one_or_none()
            if known is not None:
                return _approval_of(known)
            item = Item(message, answer.thread_id, is_answer=True)
            await store_messages(connection, [(answer_id, item, parts)])
            if item.error is not None:
                raise item.error
            values = {"id": message.id, "answer_id": answer_id, "number": number, "lives_s": lives_s}
            return _approval_of((await connection.execute(_BEGIN, values)).one())

        return await self.database.write(work)

    async def get_approval(self, approval_id: str) -> Approval | None:
        rows = await self.database.rows(_ONE, {"its_id": approval_id})
        return _approval_of(rows[0]) if rows else None

    async def list_approvals(
        self, *, thread_id: str | None = None, is_open: bool | None = True, limit: int | None = 100
    ) -> list[Approval]:
        query = _LISTED[is_open] if thread_id is None else _LISTED[is_open].where(answers.c.thread_id == thread_id)
        return [_approval_of(row) for row in await self.database.rows(query.limit(limit))]

    async def suspend_answer(self, answer_id: str, owner: str, approval_id: str) -> None:
        is_left = False

        async def work(connection: Connection) -> None:
            nonlocal is_left
            if is_left and await _is_free(connection, answer_id):
                return  # an earlier run's COMMIT was not answered
            must_be_running((await owned(connection, answer_id, owner)).state)
            approval = (await connection.execute(_ONE, {"its_id": approval_id})).one_or_none()
            is_open = approval is not None and approval.decision is None
            left = {"answer_id": answer_id, "left_as": "suspended" if is_open else "waiting"}
            await connection.execute(_LEAVE, left)
            is_left = True

        await self.database.write(work)

    async def decide_approval(
        self, approval_id: str, outcome: Literal["approved", "rejected"], decided_by: str
    ) -> Decided | None:
        async def work(connection: Connection) -> Decided | None:
            its = {"its_id": approval_id}
            row = (await connection.execute(_ONE, its)).one_or_none()
            answer = None if row is None else (await _lock_answers(connection, [row.answer_id])).get(row.answer_id)
            if answer is None or answer.state not in DECIDABLE:
                return None
            expired = (await connection.execute(_EXPIRE, {"ids": [approval_id]})).all()
            values = {"decision": outcome, "decided_by": decided_by, "decided_at": now()}
            if expired or (await connection.execute(_DECIDE.values(values), its)).rowcount:
                await _let_wait(connection, [answer])
            approval = _approval_of((await connection.execute(_ONE, its)).one())
            return Decided(approval, (approval.outcome, approval.decided_by) == (outcome, decided_by))

        return await self.database.write(work)

    async def expire_approvals(self) -> int:
        if not await self.database.rows(_OVER.limit(1)):
            return 0  # as almost always; no transaction that writes

        async def work(connection: Connection) -> int:
            over = (await connection.execute(_OVER)).all()
            locked = await _lock_answers(connection, {row.answer_id for row in over})
            expired = list((await connection.execute(_EXPIRE, {"ids": [row.id for row in over]})).scalars())
            await _let_wait(connection, [locked[answer_id] for answer_id in dict.fromkeys(expired)])
            return len(expired)

        return await self.database.change(work)

    async def get_author(self, thread_id: str, platform: str, user_id: str) -> dict[str, Any] | None:
        query = (
            select(messages.c.source)
            .where(
                messages.c.thread_id == thread_id,
                messages.c.source["id"].as_string() == user_id,
                messages.c.platforms[platform].as_string().is_not(None),
            )
            .order_by(messages.c.sequence.desc())
            .limit(1)
        )
        rows = await self.database.rows(query)
        return rows[0].source if rows else None


async def _is_free(connection: Connection, answer_id: str) -> bool:
    """Tell whether nobody holds an answer."""
    free = select(answers.c.id).where(answers.c.id == answer_id, answers.c.owner.is_(None))
    return (await connection.execute(free)).first() is not None


async def _lock_answers(connection: Connection, ids: Iterable[str]) -> dict[str, Row[Any]]:
    return {row.id: row for row in await connection.execute(_LOCK_ANSWERS, {"ids": sorted(ids)})}


async def _let_wait(connection: Connection, locked: list[Row[Any]]) -> None:
    """Let the answers that are suspended wait to be taken, each behind the others of its thread."""
    waiting = [answer for answer in locked if answer.state == "suspended"]
    if not waiting:
        return
    ids = {"ids": sorted({answer.thread_id for answer in waiting})}
    await connection.execute(_LOCK_THREADS, ids)
    last: dict[str, int] = dict((await connection.execute(_LAST, ids)).all())
    for answer in waiting:
        last[answer.thread_id] += 1
        await connection.execute(_WAIT, {"answer_id": answer.id, "its_position": last[answer.thread_id]})


def _approval_of(row: Row[Any]) -> Approval:
    return Approval(
        id=row.id,
        answer_id=row.answer_id,
        number=row.number,
        outcome=row.decision,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
