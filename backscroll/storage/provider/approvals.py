"""Approvals: questions to people, and the answers that wait until somebody decides.

    running ── begin_approval, suspend_answer ──► suspended ── decide_approval, or it expires ──► waiting

A suspended answer holds nobody up: nothing waits for it, and its thread's later answers go on. When it is decided, it
waits behind the thread's others, and its handler runs again from the beginning. Instants are the storage's clock.
Proved by `tests/contract/test_approvals.py`.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from backscroll.storage.models import Message
from backscroll.storage.provider.forks import ForkCalls
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.provider.rows import instant_of, instant_text
from backscroll.storage.provider.sending import new_parts
from backscroll.storage.records import UNFINISHED, AnswerState, Approval, Outcome
from backscroll.storage.values import utc_now

DECIDABLE: tuple[AnswerState, ...] = (*UNFINISHED, "suspended")
"""States of an answer whose approvals can be decided: in the others nobody waits for them any more."""

EXPIRED_COUNT = 100
"""Approvals that expire in one transaction."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a decision: the approval as it stands, and whether it is this decision that stands."""

    approval: Approval
    stands: bool


class ApprovalCalls(ForkCalls):
    """The calls for approvals, with defaults on the six primitives."""

    async def begin_approval(
        self, answer_id: str, owner: str, number: int, message: Message, texts: list[str], lives_s: float
    ) -> Approval:
        """Store an approval, open, with the message that asks for it and its parts, in one transaction; return it.

        The message's id is the approval's; the last of the parts is of kind `approval`. A repeat, by the message's id,
        gives the approval as it stands.

        Args: number: which of its answer's approvals it is, from 1. lives_s: seconds until it expires.
        Raises: as `begin_post`.
        """
        async with self._exclusive:
            row = await self._owned(answer_id, owner)
            known = await self.get("approvals", message.id)
            if known is not None:
                return _approval_of(known)
            parts = new_parts(message, texts)
            parts[-1] = replace(parts[-1], kind="approval")
            if await self._parts_belong(message.id, answer_id):  # storing them was cut off
                for part in await self._parts_of(message.id):
                    await self.delete("parts", join_key(part.message_id, part.number))
            await self._store_parts(row, message, parts)
            return await self._set_approval(
                {
                    "id": message.id,
                    "answer_id": answer_id,
                    "thread_id": row["thread_id"],
                    "number": number,
                    "outcome": None,
                    "decided_by": None,
                    "decided_at": None,
                    "created_at": instant_text(utc_now()),
                    "expires_at": instant_text(utc_now() + timedelta(seconds=lives_s)),
                }
            )

    async def get_approval(self, approval_id: str) -> Approval | None:
        """Return one approval, or None."""
        row = await self.get("approvals", approval_id)
        return None if row is None else _approval_of(row)

    async def list_approvals(
        self, *, thread_id: str | None = None, is_open: bool | None = True, limit: int | None = 100
    ) -> list[Approval]:
        """Return the approvals that somebody can decide, oldest first: `created_at`, then `id`.

        Args: thread_id: None means of all threads. is_open: False gives those that nobody can decide any more, also
            where nobody did, and None gives all; both newest first.
        """
        wanted: dict[str, Any] = {} if thread_id is None else {"thread_id": thread_id}
        rows = await self.query("approvals", wanted | ({"outcome": None} if is_open else {}))
        if is_open is not None:
            rows = [row for row in rows if is_open == (row["outcome"] is None and await self._is_decidable(row))]
        rows = sorted(rows, key=lambda row: (str(row["created_at"]), str(row["id"])), reverse=not is_open)
        return [_approval_of(row) for row in rows[:limit]]

    async def suspend_answer(self, answer_id: str, owner: str, approval_id: str) -> None:
        """Let an answer that is made wait for an approval, held by nobody; where it is decided by now, to be taken.

        This is not a try.

        Raises: AnswerLostError: this owner does not have the answer. ValueError: it is being sent already.
        """
        async with self._exclusive:
            row = await self._owned(answer_id, owner)
            must_be_running(row["state"])
            approval = await self.get("approvals", approval_id)
            is_open = approval is not None and approval["outcome"] is None
            changes: dict[str, Any] = {"state": "suspended" if is_open else "waiting", "owner": None}
            await self._set_answer(row | changes | {"ready_at": instant_text(utc_now())})

    async def decide_approval(
        self, approval_id: str, outcome: Literal["approved", "rejected"], decided_by: str
    ) -> Decided | None:
        """Keep what somebody decided, and let the answer that waits for it wait to be taken, in one transaction.

        The first decision stands; the same one by the same person again stands too. One whose time is over expires
        instead. The answer waits behind the thread's other answers.

        Returns: None when there is no such approval, or nobody waits for it any more.
        """
        async with self._exclusive:
            row = await self.get("approvals", approval_id)
            if row is None or not await self._is_decidable(row):
                return None
            if row["outcome"] is None:
                is_over = row["expires_at"] <= instant_text(utc_now())
                await self._decide(row, "expired" if is_over else outcome, None if is_over else decided_by)
            approval = _approval_of(await self.get("approvals", approval_id) or row)
            return Decided(approval, (approval.outcome, approval.decided_by) == (outcome, decided_by))

    async def expire_approvals(self) -> int:
        """Let the approvals expire whose time is over, and return how many; their answers wait to be taken.

        Oldest first, and at most 100 in one call.
        """
        async with self._exclusive:
            now = instant_text(utc_now())
            rows = [row for row in await self.query("approvals", {"outcome": None}) if row["expires_at"] <= now]
            rows = sorted(rows, key=lambda row: (str(row["expires_at"]), str(row["id"])))[:EXPIRED_COUNT]
            for row in rows:
                await self._decide(row, "expired", None)
            return len(rows)

    async def get_author(self, thread_id: str, platform: str, user_id: str) -> dict[str, Any] | None:
        """Return the source of the newest message that somebody wrote in a thread on a platform; None: they wrote none.

        Reads the thread's messages from the newest back to that one; for somebody who wrote none, all of them.

        Args: user_id: the platform's id of a person or a bot.
        """
        rows = [
            row
            for row in await self.query("messages", {"thread_id": thread_id})
            if (row["message"]["source"] or {}).get("id") == user_id and platform in row["message"]["platforms"]
        ]
        newest = max(rows, key=lambda row: int(row["message"]["sequence"]), default=None)
        return None if newest is None else dict(newest["message"]["source"])

    async def _decide(self, row: dict[str, Any], outcome: Outcome, decided_by: str | None) -> None:
        answer = await self.get("answers", row["answer_id"])
        if answer is not None and answer["state"] == "suspended":
            answer |= {"position": await self._next_position(answer["thread_id"]), "state": "waiting"}
            # The answer first: one that is taken too early asks again, and waits.
            await self._set_answer(answer | {"ready_at": instant_text(utc_now())})
        decided = {"outcome": outcome, "decided_by": decided_by, "decided_at": instant_text(utc_now())}
        await self._set_approval(row | decided)

    async def _is_decidable(self, row: dict[str, Any]) -> bool:
        answer = await self.get("answers", row["answer_id"])
        return answer is not None and answer["state"] in DECIDABLE

    async def _set_approval(self, row: dict[str, Any]) -> Approval:
        row.pop("key", None)  # a value that came from query() carries its key
        await self.set("approvals", row["id"], row)
        return _approval_of(row)


def must_be_running(state: AnswerState) -> None:
    """Return for an answer that is made.

    Raises: ValueError: it is being sent already.
    """
    if state != "running":
        raise ValueError(f"an answer that is {state} cannot wait for an approval")


def _approval_of(row: dict[str, Any]) -> Approval:
    fields = {name: row[name] for name in Approval.__dataclass_fields__}
    instants = {name: datetime.fromisoformat(row[name]) for name in ("created_at", "expires_at")}
    return Approval(**fields | instants | {"decided_at": instant_of(row["decided_at"])})
