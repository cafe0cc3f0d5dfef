"""Answers: the durable duty to answer one message, from `waiting` to `sent`, `failed` or `skipped`.

    waiting ── take ──► running ── begin_sending ──► sending ── finish ──► sent | failed
       ▲                   │  └──────── finish ─────────────────────────► skipped
       └── postpone, release, or the lease ends ──┘

A running one that asks people is `suspended` until they decide: see `approvals.py`.
Only a thread's first unfinished answer can be taken, so the answers of one thread are made one after the other, whoever
takes them. Who took one holds it while the lease is renewed; every later step names the owner and is refused when
somebody else took over. `sending.py` has the steps in which it is posted. Instants are the storage's clock. Proved by
`tests/contract/test_answers.py`.
"""

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from backscroll.errors import AnswerLostError
from backscroll.storage.keys import ThreadKey
from backscroll.storage.provider.aliases import AliasCalls
from backscroll.storage.provider.rows import instant_of, instant_text
from backscroll.storage.records import (
    AGENT_ANSWERS,
    UNFINISHED,
    Answer,
    AnswerCount,
    AnswerState,
    Arrival,
    FinalState,
    is_by_agent,
)
from backscroll.storage.values import clean_text, new_id, utc_now

DROPPABLE: tuple[AnswerState, ...] = ("waiting", "suspended", "failed")
"""States in which the operator can give an answer up."""


class AnswerCalls(AliasCalls):
    """The calls for answers, with defaults on the six primitives."""

    async def take_answer(
        self, owner: str, platforms: list[str], lease_s: float, *, latest: bool = False
    ) -> Answer | None:
        """Take one answer that is ready, or None; the one that was ready first.

        Ready is a thread's first unfinished answer when its back-off is over, or when its owner's lease has ended: then
        `takeovers` counts one more, and one that was `sending` stays so. A take-over is not a try.

        Args: owner: unique to the process. platforms: only answers that go out there.
            latest: of a thread's waiting answers take the last, and mark those before it `skipped`. One that has asked
            for an approval neither is skipped nor lets others be.
        """
        async with self._exclusive:
            now = utc_now()
            ready = [row for row in await self._first_unfinished(platforms) if row["ready_at"] <= instant_text(now)]
            if not ready:
                return None
            row = min(ready, key=lambda row: (row["ready_at"], row["id"]))
            taken_over = row["owner"] is not None
            if latest and row["state"] == "waiting":
                row = await self._skip_to_last(row)
            row |= {
                "state": "sending" if row["state"] == "sending" else "running",
                "owner": owner,
                "takeovers": row["takeovers"] + taken_over,
                "ready_at": instant_text(now + timedelta(seconds=lease_s)),
            }
            is_certain = row["is_certain"] and not taken_over
            # Nobody knows what its taker will have posted.
            return replace(await self._set_answer(row | {"is_certain": False}), is_certain=is_certain)

    async def renew_leases(self, owner: str, lease_s: float) -> list[str]:
        """Hold on to all answers that this owner has, and return their ids."""
        async with self._exclusive:
            held = await self._held(owner)
            for row in held:
                row["ready_at"] = instant_text(utc_now() + timedelta(seconds=lease_s))
                await self._set_answer(row)
            return [row["id"] for row in held]

    async def finish_answer(self, answer_id: str, owner: str, state: FinalState, *, reason: str | None = None) -> None:
        """End an answer. A `reason` that is None leaves the one that stands.

        Raises: AnswerLostError: this owner does not have the answer.
        """
        async with self._exclusive:
            row = await self._owned(answer_id, owner)
            ended = {"state": state, "owner": None, "reason": clean_reason(reason) or row["reason"]}
            await self._set_answer(row | ended)

    async def postpone_answer(
        self, answer_id: str, owner: str, delay_s: float, *, reason: str, counts: bool, is_certain: bool = False
    ) -> None:
        """Give an answer back, to be taken again after a delay. One that is `sending` stays so.

        Args: counts: whether this was a try. is_certain: no part is posted but those that are marked; who takes the
            answer next is told so.
        Raises: AnswerLostError: this owner does not have the answer.
        """
        async with self._exclusive:
            row = await self._owned(answer_id, owner) | {"is_certain": is_certain}
            await self._give_back(row, delay_s, clean_reason(reason), row["tries"] + counts)

    async def release_answers(self, owner: str) -> int:
        """Give back all answers that this owner has, to be taken at once, and return how many; not a try."""
        async with self._exclusive:
            held = await self._held(owner)
            for row in held:
                await self._give_back(row, 0, row["reason"], row["tries"])
            return len(held)

    async def seconds_until_ready(self, platforms: list[str]) -> float | None:
        """Return when the next answer can be taken, at the latest: 0 for now, None when all are finished."""
        instants = [instant_of(row["ready_at"]) or utc_now() for row in await self._first_unfinished(platforms)]
        return max(0.0, (min(instants) - utc_now()).total_seconds()) if instants else None

    async def count_answers(self) -> dict[AnswerState, AnswerCount]:
        """Count the answers that are not finished: of `waiting`, `running` and `sending` each, also where it is none.

        It costs what they are, however many are finished. How old the oldest is, the storage's clock says.
        """
        counts: dict[AnswerState, AnswerCount] = {}
        for state in UNFINISHED:
            asked = [
                instant_of(row["created_at"]) or utc_now() for row in await self.query("answers", {"state": state})
            ]
            counts[state] = AnswerCount(len(asked), age_s(min(asked), utc_now()) if asked else None)
        return counts

    async def count_failed_answers(self) -> int:
        """Count the answers that were tried and given up."""
        return len(await self.query("answers", {"state": "failed"}))

    async def is_joined(self, alias: str) -> bool:
        """Tell whether the bot was ever asked in the thread that has this alias."""
        holder = await self.get("aliases", alias)
        return holder is not None and bool(await self.query("answers", {"thread_id": holder["thread_id"]}))

    async def get_answer(self, answer_id: str) -> Answer | None:
        """Return one answer, or None."""
        row = await self.get("answers", answer_id)
        return None if row is None else _answer_of(row)

    async def list_answers(
        self, *, state: AnswerState | None = None, thread_id: str | None = None, limit: int | None = 100
    ) -> list[Answer]:
        """Return answers in the order in which they were asked for: `created_at`, then `id`."""
        filters = {"state": state, "thread_id": thread_id}
        rows = await self.query("answers", {name: value for name, value in filters.items() if value is not None})
        rows.sort(key=lambda row: (row["created_at"], row["id"]))
        return [_answer_of(row) for row in rows[:limit]]

    async def retry_answer(self, answer_id: str) -> bool:
        """Let a failed answer wait again, behind the thread's others, its tries forgotten; False unless it failed."""
        async with self._exclusive:
            row = await self.get("answers", answer_id)
            if row is None or row["state"] != "failed":
                return False
            position = await self._next_position(row["thread_id"])
            row |= {"position": position, "part_count": 0, "answer_message_id": None, "takeovers": 0}
            await self._give_back(row | {"state": "waiting", "is_growing": False}, 0, None, 0)
            return True

    async def drop_answer(self, answer_id: str) -> bool:
        """Give up an answer that waits, for an approval too, or failed: it becomes `skipped`; False in other states."""
        async with self._exclusive:
            row = await self.get("answers", answer_id)
            if row is None or row["state"] not in DROPPABLE:
                return False
            await self._set_answer(row | {"state": "skipped", "reason": "dropped by the operator"})
            return True

    async def _ask(self, thread_id: str, message_id: str, arrival: Arrival) -> bool:
        if await self.query("answers", {"message_id": message_id}):
            return False
        if arrival.is_by_agent and await self._talks_to_agents(thread_id):
            return False
        now = instant_text(utc_now())
        row = {
            "id": new_id(),
            "thread_id": thread_id,
            "message_id": message_id,
            "position": await self._next_position(thread_id),
            "place": asdict(arrival.key),
            "state": "waiting",
            "owner": None,
            "tries": 0,
            "takeovers": 0,
            "ready_at": now,
            "reason": None,
            "answer_message_id": None,
            "part_count": 0,
            "is_partial": arrival.is_partial,
            "is_growing": False,
            "is_certain": False,
            "created_at": now,
        }
        await self._set_answer(row)
        return True

    async def _talks_to_agents(self, thread_id: str) -> bool:
        rows = sorted(await self.query("answers", {"thread_id": thread_id}), key=lambda row: int(row["position"]))
        asked = [await self._message_row(row["message_id"]) for row in rows[-AGENT_ANSWERS:]]
        by_agents = [row is not None and is_by_agent(row["message"]["source"]) for row in asked]
        return len(by_agents) == AGENT_ANSWERS and all(by_agents)

    async def _next_position(self, thread_id: str) -> int:
        return 1 + max((row["position"] for row in await self.query("answers", {"thread_id": thread_id})), default=0)

    async def _first_unfinished(self, platforms: list[str]) -> list[dict[str, Any]]:
        first: dict[str, dict[str, Any]] = {}
        for state in UNFINISHED:
            for row in await self.query("answers", {"state": state}):
                other = first.get(row["thread_id"])
                if other is None or row["position"] < other["position"]:
                    first[row["thread_id"]] = row
        return [row for row in first.values() if row["place"]["platform"] in platforms]

    async def _skip_to_last(self, first: dict[str, Any]) -> dict[str, Any]:
        its = {"thread_id": first["thread_id"]}
        rows = [row for row in await self.query("answers", its) if row["state"] == "waiting"]
        rows.sort(key=lambda row: int(row["position"]))
        decided = {row["answer_id"] for row in await self.query("approvals", its)}
        waiting = list(takewhile(lambda row: row["id"] not in decided, rows))
        for row in waiting[:-1]:
            await self._set_answer(row | {"state": "skipped", "reason": "a later message is answered"})
        return waiting[-1] if waiting else first

    async def _held(self, owner: str) -> list[dict[str, Any]]:
        rows = await self.query("answers", {"owner": owner})
        return [row for row in rows if row["state"] in UNFINISHED]

    async def _owned(self, answer_id: str, owner: str) -> dict[str, Any]:
        row = await self.get("answers", answer_id)
        if row is None or row["owner"] != owner or row["state"] not in UNFINISHED:
            raise answer_lost(answer_id)
        return row

    async def _give_back(self, row: dict[str, Any], delay_s: float, reason: str | None, tries: int) -> None:
        row |= {
            "state": "sending" if row["state"] == "sending" else "waiting",
            "owner": None,
            "tries": tries,
            "reason": row["reason"] if row["state"] == "sending" else reason,
            "ready_at": instant_text(utc_now() + timedelta(seconds=delay_s)),
        }
        await self._set_answer(row)

    async def _set_answer(self, row: dict[str, Any]) -> Answer:
        row.pop("key", None)  # a value that came from query() carries its key
        row["updated_at"] = instant_text(utc_now())
        await self.set("answers", row["id"], row)
        return _answer_of(row)


def _answer_of(row: dict[str, Any]) -> Answer:
    fields = {name: row[name] for name in Answer.__dataclass_fields__ if name != "key"}
    instants = {name: datetime.fromisoformat(row[name]) for name in ("ready_at", "created_at", "updated_at")}
    return Answer(**fields | instants | {"key": ThreadKey(**row["place"])})


def age_s(at: datetime, now: datetime) -> float:
    """Return how many seconds ago an instant was; what lies ahead by another clock is now."""
    return max(0.0, (now - at).total_seconds())


def clean_reason(reason: str | None) -> str | None:
    """Clean a reason; it may quote the name of a file or a class of the user's."""
    return None if reason is None else clean_text(reason)


def answer_lost(answer_id: str) -> AnswerLostError:
    """Make the error for a step by somebody who does not have the answer."""
    return AnswerLostError(
        f"Answer {answer_id} is not held by this process any more.",
        "Its lease ended, or it is finished; whoever took it over goes on.",
    )
