"""What an archive changes about the answer that a message asks for, which is there.

The rules are those of the contract's defaults (`provider/merging.py`). Proved by
`tests/contract/test_merged_answers.py`.
"""

from sqlalchemy import bindparam, case, exists, select, update

from backscroll.storage.archive import ArchivedAnswer, ArchivedApproval, ArchivedMessage
from backscroll.storage.sql.agent_tables import approvals
from backscroll.storage.sql.archive_known import Known
from backscroll.storage.sql.archive_writing import UNDER_WAY, Lane, Rows, Values, approval_rows
from backscroll.storage.sql.dialect import insert_ignoring
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.tables import answers
from backscroll.storage.sql.types import now

_FREE = update(answers).where(answers.c.id == bindparam("its_answer"), answers.c.owner.is_(None))
_DECIDE = update(approvals).where(approvals.c.id == bindparam("its_id"), approvals.c.decision.is_(None))
_BEGUN = exists().where(answers.c.thread_id == bindparam("its_thread"), answers.c.state.in_(UNDER_WAY))
_IS_BEGUN = select(case((_BEGUN, 1), else_=0))
_STATE = (
    "tries", "takeovers", "ready_at", "reason", "answer_message_id", "is_partial", "is_growing", "is_certain",
    "updated_at",
)  # fmt: skip


async def lane_of(connection: Connection, thread_id: str) -> Lane:
    """Read which positions the answers of a thread have, and whether somebody is at one."""
    query = select(answers.c.position, answers.c.state).where(answers.c.thread_id == thread_id)
    found = (await connection.execute(query)).all()
    held = any(row.state in UNDER_WAY for row in found)
    return Lane({row.position for row in found}, held)


def is_further_answer(mine: ArchivedAnswer, theirs: ArchivedAnswer) -> bool:
    """Tell whether an archive's answer is later, or has approvals or decisions that are missing."""
    known = {each.id: each.outcome is not None for each in mine.approvals}
    is_decided = any(each.outcome and not known.get(each.id, True) for each in theirs.approvals)
    return theirs.updated_at > mine.updated_at or is_decided or bool(_missing_approvals(mine, theirs))


def free_answer(answer: ArchivedAnswer, known: Known, mine: ArchivedMessage) -> ArchivedAnswer | None:
    """Leave out the approvals that other answers have; None where nothing is left that is not here."""
    here = set() if mine.answer is None else {each.id for each in mine.answer.approvals}
    asked = [each for each in answer.approvals if each.id in here or each.id not in known.names["approval"]]
    answer = answer.model_copy(update={"approvals": asked})
    if mine.answer is None:
        return None if answer.id in known.names["answer"] else answer
    return answer if is_further_answer(mine.answer, answer) else None


async def write_answer(
    connection: Connection, thread_id: str, mine: ArchivedMessage, theirs: ArchivedAnswer, rows: Rows
) -> None:
    """Bring the answer that is missing, or its later state where nobody has it."""
    if mine.answer is None:
        rows.add_answer(thread_id, mine.message.id, theirs, await lane_of(connection, thread_id))
        return
    if theirs.updated_at > mine.answer.updated_at:
        values: Values = {name: getattr(theirs, name) for name in _STATE}
        values |= dict(zip(("platform", "workspace", "channel", "thread"), theirs.key, strict=True))
        values["state"] = "waiting" if theirs.state == "running" else theirs.state
        if theirs.position not in (await lane_of(connection, thread_id)).positions:
            values["position"] = theirs.position  # it waits anew there
        values |= {"ready_at": now()} if theirs.state in UNDER_WAY else {}
        # A thread has one at a time: where another is being sent here, this one's stays as it is.
        is_begun = (await connection.execute(_IS_BEGUN, {"its_thread": thread_id})).scalar_one()
        if theirs.state != "sending" or not is_begun or mine.answer.state in UNDER_WAY:
            await connection.execute(_FREE.values(values), {"its_answer": mine.answer.id})
    known = {each.id: each for each in mine.answer.approvals}
    if asked := _missing_approvals(mine.answer, theirs):
        new = approval_rows(mine.answer.id, theirs.model_copy(update={"approvals": asked}))
        await connection.execute(insert_ignoring(connection, approvals), new)
    for each in theirs.approvals:
        if each.outcome is not None and each.id in known and known[each.id].outcome is None:
            told = {"decision": each.outcome, "decided_by": each.decided_by, "decided_at": each.decided_at}
            await connection.execute(_DECIDE.values(told), {"its_id": each.id})


def _missing_approvals(mine: ArchivedAnswer, theirs: ArchivedAnswer) -> list[ArchivedApproval]:
    """Find the approvals that are missing; one whose number another has is not."""
    ids, numbers = {each.id for each in mine.approvals}, {each.number for each in mine.approvals}
    return [each for each in theirs.approvals if each.id not in ids and each.number not in numbers]
