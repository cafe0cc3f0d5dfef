"""Answers: the durable duty to answer one message, from `waiting` to `sent`, `failed` or `skipped`.

    waiting ── take ──► running ── begin_sending ──► sending ── finish ──► sent | failed
       ▲                   │  └──────── finish ─────────────────────────► skipped
       └── postpone, release, or the lease ends ──┘

Only a thread's first unfinished answer can be taken, so the answers of one thread are made one after the other, whoever
takes them. Who took one holds it while the lease is renewed; every later step names the owner and is refused when
somebody else took over. Instants are the storage's clock. Proved by `tests/contract/test_answers.py` and
`test_sending.py`.
"""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from backscroll.errors import AnswerLostError, MessageExistsError
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Message
from backscroll.storage.provider.aliases import AliasCalls
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.provider.rows import external_key, instant_of, instant_text
from backscroll.storage.records import UNFINISHED, Answer, AnswerState, FinalState, Part
from backscroll.storage.values import clean_text, new_id, utc_now


class AnswerCalls(AliasCalls):
    """The calls for answers, with defaults on the six primitives."""

    async def take_answer(
        self, owner: str, platforms: list[str], lease_s: float, *, latest: bool = False
    ) -> Answer | None:
        """Take one answer that is ready, or None; the one that was ready first.

        Ready is a thread's first unfinished answer when its back-off is over, or when its owner's lease has ended: then
        `takeovers` counts one more, and one that was `sending` stays so. A take-over is not a try.

        Args: owner: unique to the process. platforms: only answers that go out there.
            latest: of a thread's waiting answers take the last, and mark those before it `skipped`.
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
            return await self._set_answer(row)

    async def renew_leases(self, owner: str, lease_s: float) -> list[str]:
        """Hold on to all answers that this owner has, and return their ids."""
        async with self._exclusive:
            held = await self._held(owner)
            for row in held:
                row["ready_at"] = instant_text(utc_now() + timedelta(seconds=lease_s))
                await self._set_answer(row)
            return [row["id"] for row in held]

    async def begin_sending(
        self, answer_id: str, owner: str, message: Message, texts: list[str], *, reason: str | None = None
    ) -> list[Part]:
        """Store the answer's message and the parts to send, and move to `sending`, in one transaction.

        A repeat gives the parts that are stored. The message's `platforms` name no post of it: `mark_sent` does.

        Args: texts: one for each post, in order, at least one. reason: why the answer failed, when this is what the
            person is told of it.
        Raises: AnswerLostError: this owner does not have the answer. MessageExistsError: the message's id belongs to
            another thread, or to a message that came from outside or is an answer already. ValueError: no texts.
        """
        async with self._exclusive:
            row = await self._owned(answer_id, owner)
            if row["state"] == "running":
                parts = new_parts(message.id, texts)
                stored, _ = await self._append(row["thread_id"], message, None)
                await self._must_not_be_posted(stored.id, parts)
                for part in parts:
                    await self.set("parts", join_key(stored.id, part.number), asdict(part))
                row |= {"state": "sending", "answer_message_id": stored.id, "part_count": len(parts)}
                await self._set_answer(row | {"reason": clean_reason(reason)})
            return await self._parts(row)

    async def get_parts(self, answer_id: str) -> list[Part]:
        """Return the posts of an answer in order; empty before `sending`."""
        row = await self.get("answers", answer_id)
        return [] if row is None else await self._parts(row)

    async def mark_sent(self, answer_id: str, owner: str, number: int, external: ExternalId) -> None:
        """Note that a part was posted, and its id there; the first part's becomes the message's.

        Repeats are harmless. An id that another message holds stays there. Changes that came before are applied.

        Raises: AnswerLostError: this owner does not have the answer.
        """
        async with self._exclusive:
            row = await self._owned(answer_id, owner)
            message_id = str(row["answer_message_id"])
            key = join_key(message_id, number)
            part = await self.get("parts", key)
            if part is None or part["state"] == "sent":
                return
            holder = await self._external_row(external)
            message = await self._message_row(message_id)
            if message is None or (holder is not None and holder["message"]["id"] != message_id):
                await self.set("parts", key, part | {"state": "sent"})
                return
            if number == 1:
                message["external"] = external_key(external)
                message["message"]["platforms"] |= external.platforms
            await self._apply_early(message, external)
            await self._set_message(message)
            await self._set_external(external_key(external), message_id)
            await self.delete("early_events", external_key(external))
            # The part last: until then a repeat does all of it again.
            text = "" if message["message"]["deleted_at"] else part["text"]
            await self.set("parts", key, part | {"state": "sent", "external": asdict(external), "text": text})

    async def finish_answer(self, answer_id: str, owner: str, state: FinalState, *, reason: str | None = None) -> None:
        """End an answer. A `reason` that is None leaves the one that stands.

        Raises: AnswerLostError: this owner does not have the answer.
        """
        async with self._exclusive:
            row = await self._owned(answer_id, owner)
            ended = {"state": state, "owner": None, "reason": clean_reason(reason) or row["reason"]}
            await self._set_answer(row | ended)

    async def postpone_answer(self, answer_id: str, owner: str, delay_s: float, *, reason: str, counts: bool) -> None:
        """Give an answer back, to be taken again after a delay. One that is `sending` stays so.

        Args: counts: whether this was a try.
        Raises: AnswerLostError: this owner does not have the answer.
        """
        async with self._exclusive:
            row = await self._owned(answer_id, owner)
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
            await self._give_back(row | {"state": "waiting"}, 0, None, 0)
            return True

    async def drop_answer(self, answer_id: str) -> bool:
        """Give up a waiting or failed answer: it becomes `skipped`; False when it is in no such state."""
        async with self._exclusive:
            row = await self.get("answers", answer_id)
            if row is None or row["state"] not in ("waiting", "failed"):
                return False
            await self._set_answer(row | {"state": "skipped", "reason": "dropped by the operator"})
            return True

    async def _ask(self, thread_id: str, message_id: str, key: ThreadKey) -> bool:
        if await self.query("answers", {"message_id": message_id}):
            return False
        now = instant_text(utc_now())
        row = {
            "id": new_id(),
            "thread_id": thread_id,
            "message_id": message_id,
            "position": await self._next_position(thread_id),
            "place": asdict(key),
            "state": "waiting",
            "owner": None,
            "tries": 0,
            "takeovers": 0,
            "ready_at": now,
            "reason": None,
            "answer_message_id": None,
            "part_count": 0,
            "created_at": now,
        }
        await self._set_answer(row)
        return True

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
        rows = await self.query("answers", {"thread_id": first["thread_id"]})
        waiting = sorted((row for row in rows if row["state"] == "waiting"), key=lambda row: int(row["position"]))
        for row in waiting[:-1]:
            await self._set_answer(row | {"state": "skipped", "reason": "a later message is answered"})
        return waiting[-1]

    async def _held(self, owner: str) -> list[dict[str, Any]]:
        rows = await self.query("answers", {"owner": owner})
        return [row for row in rows if row["state"] in UNFINISHED]

    async def _owned(self, answer_id: str, owner: str) -> dict[str, Any]:
        row = await self.get("answers", answer_id)
        if row is None or row["owner"] != owner or row["state"] not in UNFINISHED:
            raise answer_lost(answer_id)
        return row

    async def _must_not_be_posted(self, message_id: str, parts: list[Part]) -> None:
        row = await self._message_row(message_id)
        known = [_part_of(part) for part in await self.query("parts", {"message_id": message_id})]
        # The very same parts are there when a begin_sending was cut off.
        if (row is not None and row["external"] is not None) or any(part not in parts for part in known):
            raise message_posted(message_id)

    async def _parts(self, row: dict[str, Any]) -> list[Part]:
        keys = [join_key(str(row["answer_message_id"]), number) for number in range(1, row["part_count"] + 1)]
        return [_part_of(part) for key in keys if (part := await self.get("parts", key)) is not None]

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


def _part_of(row: dict[str, Any]) -> Part:
    external = None if row["external"] is None else ExternalId(**row["external"])
    fields = {name: row[name] for name in Part.__dataclass_fields__}
    return Part(**fields | {"external": external})


def new_parts(message_id: str, texts: list[str]) -> list[Part]:
    """Make the posts of a message. Their tokens are the message's, so that a retried answer's posts are not taken for
    those of its first try.
    """
    if not texts:
        raise ValueError("an answer has at least one part")
    return [
        Part(message_id, number, f"{message_id}.{number}", clean_text(text), "waiting")
        for number, text in enumerate(texts, 1)
    ]


def clean_reason(reason: str | None) -> str | None:
    """Clean a reason; it may quote the name of a file or a class of the user's."""
    return None if reason is None else clean_text(reason)


def message_posted(message_id: str) -> MessageExistsError:
    """Make the error for an answer whose message came from outside, or is an answer already."""
    return MessageExistsError(
        f"Message {message_id} is posted already.", "Give a copy an id of its own: Message(id=new_id(), …)."
    )


def answer_lost(answer_id: str) -> AnswerLostError:
    """Make the error for a step by somebody who does not have the answer."""
    return AnswerLostError(
        f"Answer {answer_id} is not held by this process any more.",
        "Its lease ended, or it is finished; whoever took it over goes on.",
    )
