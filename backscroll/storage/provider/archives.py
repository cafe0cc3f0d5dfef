"""Archives: all that is kept, read out piece by piece and merged in elsewhere, between any two providers.

Proved by `tests/contract/test_archives.py`, `test_merging.py` and `test_loose.py`.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import ClassVar

from backscroll.errors import StorageRefusedError, StorageUnavailableError, StoreClosedError
from backscroll.storage.archive import (
    END,
    LOOSE_KINDS,
    ArchivedMessage,
    ArchivedThread,
    ArchiveMark,
    Loose,
    LooseKind,
    LooseMark,
    Merged,
    PieceRefusedError,
)
from backscroll.storage.keys import ExternalId
from backscroll.storage.provider.archiving import (
    Value,
    archived_answer,
    archived_message,
    archived_thread,
)
from backscroll.storage.provider.merging import Merging
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.provider.rows import external_key, instant_text, message_of
from backscroll.storage.values import canonical_json, check_count, utc_now

NAMESPACES: dict[LooseKind, str] = {
    "lost_thread": "lost_threads",
    "suspended_state": "suspended_states",
    "checkpoint": "checkpoints",
    "checkpoint_write": "checkpoint_writes",
    "heartbeat": "heartbeats",
    "early_event": "early_events",
    "rejected_event": "rejected_events",
}
"""Where the defaults keep what is no plain value."""

PLAIN_NAMESPACES = (
    "contexts",
    "discord_commands",
    "discord_interactions",
    "slack_installations",
    "slack_oauth_states",
    "transfer",
    "watermarks",
)
"""Where Backscroll itself keeps plain values."""

OWN_NAMESPACES = frozenset(
    {
        *NAMESPACES.values(),
        "aliases",
        "answers",
        "approvals",
        "blocks",
        "dropped_files",
        "external_ids",
        "feedback",
        "file_users",
        "message_places",
        "messages",
        "parts",
        "threads",
        "wanted_files",
    }
)
"""Where the defaults keep what `set` and `append` are not for."""

_STEP = 1_000
"""Numbers that are looked up at once where some are missing, at least."""

FILES_OWNER = ("files", "owner")
"""The list that says whose the files directory is: each storage has its own."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A thread of a page, as its value is, behind which sequence to read on in it, and how many messages."""

    thread: Value
    start: int
    count: int
    is_continuation: bool


class ArchiveCalls(Merging):
    """The calls for archives, with defaults on the six primitives."""

    _own_namespaces: ClassVar[frozenset[str]] = OWN_NAMESPACES

    async def read_archive(
        self, *, after: ArchiveMark | None = None, limit: int = 500, thread_ids: Sequence[str] | None = None
    ) -> list[ArchivedThread]:
        """Return the next threads with all that belongs to them: by `id`, and in a thread by sequence.

        All together hold some `limit` messages, or threads, and at least one piece where anything is left; a longer
        thread comes in several pieces, each of at most `limit` messages, and a page ends with any piece but the last.
        Read on from the last one's `mark`; an empty list is the end. Each page is one snapshot. What becomes of threads
        meanwhile whose place is passed is not seen. The order of ids is the backend's own, and always the same there.

        Args: thread_ids: only these; unknown ones are passed over.
        """
        check_count(limit, "limit")
        async with self._exclusive:
            while True:
                ids = await self._ids_to_archive(after, limit, thread_ids)
                await self._look_at_threads(ids)
                chosen = await self._choose(ids, after, limit)
                await self._look_at_messages(chosen)
                read = [(each, await self._rows_to_archive(each)) for each in chosen]
                found = [(each, rows) for each, rows in read if rows or not each.is_continuation]
                if found or not (chosen or len(ids) > limit):
                    break
                # Of one that goes on there was nothing but gaps; or none of the ids is a thread's.
                after = ArchiveMark(chosen[-1].thread["id"] if chosen else ids[-1], END)
            await self._look_at_rest([row for _, rows in found for row in rows], [each for each, _ in found])
            return [await self._archived(each, rows) for each, rows in found]

    async def merge_archive(self, pieces: Sequence[ArchivedThread], *, mirror: bool = False) -> list[Merged]:
        """Keep pieces of an archive beside what is kept already, each piece in one transaction, in their order.

        It ends at the first that cannot be kept. A repeat changes nothing, and what was cut off is completed by its
        repeat. Nothing that is kept is lost:

        * The thread is the one with the same id; else the one that has the first of its lasting aliases which is taken;
          else it is made, with its instants. Lasting are those that name one place for good: of a thread key whose
          thread is not its channel, or of a conversation. Other aliases begin new threads at times, and join nothing.
          Of a thread that is there its fields become the archive's where the archive's `updated_at` is later. An alias
          that another thread has goes to whichever of the two has the later `updated_at`; of equal ones it stays.
        * A message is the one with the same id in that thread, else the one that holds its `external`, wherever that
          stands. One that is unknown is appended: with the archive's sequence where that is beyond the last, by 10,000
          at most, else with the next (`next_sequence`). An id that a message of another thread has is not taken twice:
          such a message is left out.
        * Of a message that is there, the later edit stands and the other wording is a version. Of two that were edited
          at the same time, or never, the wording that storage wrote later stands, and is no edit: it grew. The blocks
          of what it says go with the wording. One that either side deleted is a tombstone. Of each reaction the later
          event stands, one without an instant is the oldest; feedback that is a reaction's goes with it.
        * Parts are told apart by their number, other blocks, feedback and approvals by their id; what is missing is
          added, a block whose position is taken behind the others. An approval is left out whose number its answer has
          already, or whose id another answer has. A part that was posted on either side is so here. A file that is
          still to be fetched here, and lies in the file store there, does so here too.
        * An answer is the one of the same message. One that is missing comes as it is, without an owner, at its
          position where that is free, else behind the others; what was running waits again and what was being sent is
          taken over, both at once. Of one that is there the archive's state and key stand, with the position if that
          is free, where its `updated_at` is later and nobody has the answer here.
        * Changes that waited for a message here are applied to it.
        * `updated_at` of what is new is the archive's; of threads that change it is now, but for one that has the
          archive's: it is still being made of it.

        Contents of files must be held in the file store meanwhile (`Attachments.write_archive`).

        Args: mirror: the storage is to become as the archive's source, which says who has which name. The thread is
        the one with the same id alone. Its aliases become its own, and so does, for a message that is new or has none,
        an `external` that another thread's message holds, with those of its posts: the other is kept without it.

        Returns: what became of each piece.
        Raises: PieceRefusedError: a piece cannot be kept; it tells which, and what became of those before it.
        StorageUnavailableError: those up to some piece are kept.
        """
        merged: list[Merged] = []
        for piece in pieces:
            try:
                merged.append(await self._merge_piece(piece, mirror=mirror))
            except (StorageUnavailableError, StoreClosedError):
                raise
            except Exception as error:
                raise PieceRefusedError(piece.id, merged, error) from error
        return merged

    async def read_loose(self, *, after: LooseMark | None = None, limit: int = 500) -> list[Loose]:
        """Return what is kept beside threads, by kind and key, at most `limit`; an empty list is the end.

        The kinds come in the order of `LOOSE_KINDS`. The key of a plain value is its namespace and key as `join_key`
        joins them; of an item of a list, besides, its number in the list, of 12 digits, from 0. What else there is has
        the key under which the defaults keep it. `storage/loose.py` says what each kind's value is.

        Of a provider of six primitives these are the namespaces that Backscroll uses, and no lists: others cannot be
        listed there. The owner of a files directory is left out: a copy has its own.
        """
        check_count(limit, "limit")
        found: list[Loose] = []
        first = 0 if after is None else LOOSE_KINDS.index(after.kind)
        async with self._exclusive:
            for kind in LOOSE_KINDS[first:]:
                start = after.key if after is not None and after.kind == kind else None
                found += await self._loose_of(kind, start, limit - len(found))
                if len(found) >= limit:
                    break
        return found

    async def merge_loose(self, things: Sequence[Loose], *, replace: bool = False) -> int:
        """Keep what an archive has beside threads, and return how much of it was new or changed; a repeat is neither.

        An item of a list is the one with the same `id` in that list, and stays; one that is missing comes to the end.
        Changes that wait for a message are applied where the message is there by now; where it is not told since when
        they wait, it is from now on.

        Args: replace: what is there under the same name becomes as the archive has it; otherwise it stays.
        Raises: StorageRefusedError: a plain value or item is of a namespace in which the provider keeps threads.
        """
        async with self._exclusive:
            return sum([await self._merge_thing(thing, replace=replace) for thing in things])

    async def _ids_to_archive(
        self, after: ArchiveMark | None, limit: int, thread_ids: Sequence[str] | None
    ) -> list[str]:
        """Return the next ids of threads from a mark's on, in order, one more than `limit`; some may be unknown."""
        ids = await self._keys("threads") if thread_ids is None else set(thread_ids)
        return nsmallest(limit + 1, (each for each in ids if after is None or each >= after.thread_id))

    async def _keys(self, namespace: str) -> Iterable[str]:
        """Return the keys of all values of a namespace, each once; the six primitives read the values for it."""
        keys = {row.get("key") for row in await self.query(namespace, {})}
        return {key for key in keys if isinstance(key, str)}  # a list's item may have anything there

    async def _choose(self, ids: list[str], after: ArchiveMark | None, limit: int) -> list[Chosen]:
        """Choose the threads of a page, and how much of each."""
        chosen: list[Chosen] = []
        room = limit
        for thread_id in ids:
            thread = await self.get("threads", thread_id)
            is_continuation = after is not None and after.thread_id == thread_id
            start = after.sequence if after is not None and is_continuation else 0
            left = 0 if thread is None else thread["last_sequence"] - start
            if thread is None or (is_continuation and left <= 0):
                continue
            if chosen and left > room:
                break
            chosen.append(Chosen(thread, start, min(left, limit), is_continuation))
            room -= max(1, left)
            if room <= 0:
                break
        return chosen

    async def _rows_to_archive(self, chosen: Chosen) -> list[Value]:
        """Return the values of a piece's messages, also where somebody has removed some by hand."""
        rows: list[Value] = []
        start, last = chosen.start, int(chosen.thread["last_sequence"])
        while start < last and len(rows) < chosen.count:
            count = chosen.count if start == chosen.start else max(chosen.count, _STEP)
            numbers = range(start + 1, min(last, start + count) + 1)
            rows += await self._messages_at(chosen.thread["id"], numbers)
            start = numbers[-1]
        return rows[: chosen.count]

    async def _messages_at(self, thread_id: str, numbers: Iterable[int]) -> list[Value]:
        found = [await self.get("messages", join_key(thread_id, number)) for number in numbers]
        return [row for row in found if row is not None]

    async def _look_at_threads(self, ids: list[str]) -> None:
        """Read these threads ahead, where a backend can."""

    async def _look_at_messages(self, chosen: list[Chosen]) -> None:
        """Read the messages of these threads ahead, where a backend can."""

    async def _look_at_rest(self, rows: list[Value], chosen: list[Chosen]) -> None:
        """Read what goes with these messages and threads ahead, where a backend can."""

    async def _archived(self, chosen: Chosen, rows: list[Value]) -> ArchivedThread:
        aliases = [row["key"] for row in await self.query("aliases", {"thread_id": chosen.thread["id"]})]
        messages = [await self._archived_message(row) for row in rows]
        return archived_thread(chosen.thread, aliases, messages, is_continuation=chosen.is_continuation)

    async def _archived_message(self, row: Value) -> ArchivedMessage:
        its = {"message_id": row["message"]["id"]}
        answers = await self.query("answers", its)
        answer = None
        if answers:
            answer = archived_answer(answers[0], await self.query("approvals", {"answer_id": answers[0]["id"]}))
        return archived_message(
            row,
            parts=await self.query("parts", its),
            blocks=await self.query("blocks", its),
            feedback=await self.query("feedback", its),
            wanted=await self.query("wanted_files", its),
            answer=answer,
        )

    async def _loose_of(self, kind: LooseKind, after: str | None, limit: int) -> list[Loose]:
        """Return the next things of one kind."""
        if kind == "item":
            return await self._plain_items(after, limit)
        found: list[Loose] = []
        while (room := limit - len(found)) > 0:
            names = await self._next_names(kind, after, room)
            places = [_place(kind, name) for name in names]
            await self._look_at_places(places)
            for name, (namespace, key) in zip(names, places, strict=True):
                value = await self.get(namespace, key)  # as it is: `query` puts the key into it
                if value is not None:
                    told = {"namespace": namespace, "key": key, "value": value} if kind == "value" else value
                    found.append(Loose(kind=kind, key=name, value=told))
            if len(names) < room:
                break
            after = names[-1]
        return found

    async def _next_names(self, kind: LooseKind, after: str | None, limit: int) -> list[str]:
        """Return the next keys of things of one kind, which is not that of items, in order; some may be unknown."""
        if kind == "value":
            names = [join_key(space, key) for space in PLAIN_NAMESPACES for key in await self._keys(space)]
        else:
            names = list(await self._keys(NAMESPACES[kind]))
        return nsmallest(limit, (name for name in names if after is None or name > after))

    async def _look_at_places(self, places: list[tuple[str, str]]) -> None:
        """Read the values at these places ahead, where a backend can."""

    async def _plain_items(self, after: str | None, limit: int) -> list[Loose]:
        """Return the next items of lists, which six primitives cannot name."""
        return []

    async def _merge_thing(self, thing: Loose, *, replace: bool) -> bool:
        if thing.value.get("namespace") in self._own_namespaces and thing.kind in ("value", "item"):
            fact = f"Namespace {thing.value['namespace']} is one in which this storage keeps threads."
            raise StorageRefusedError(fact, "Give it another name where it comes from.")
        if thing.kind == "item":
            return await self._merge_item(**thing.value)
        if thing.kind == "value":
            namespace, key, value = (thing.value[name] for name in ("namespace", "key", "value"))
        else:
            namespace, key, value = NAMESPACES[thing.kind], thing.key, thing.value
        if thing.kind == "early_event":
            external = ExternalId(*json.loads(key))
            holder = await self._external_row(external)
            if holder is not None:
                return await self._merge_waiting(holder, external, value)
        stands = await self.get(namespace, key)
        if thing.kind == "early_event":
            value = value | {"since": value["since"] or (stands or {}).get("since") or instant_text(utc_now())}
        if stands is not None and (not replace or canonical_json(stands) == canonical_json(value)):
            return False
        await self.set(namespace, key, value)
        return True

    async def _merge_item(self, namespace: str, key: str, item: Value) -> bool:
        if (namespace, key) == FILES_OWNER:
            return False
        if any(each["id"] == item["id"] for each in await self.get_list(namespace, key)):
            return False
        await self.append(namespace, key, item)
        return True

    async def _merge_waiting(self, holder: Value, external: ExternalId, value: Value) -> bool:
        """Apply changes that waited for a message which is there by now."""
        await self.set("early_events", external_key(external), value)
        before = canonical_json(message_of(holder).model_dump(mode="json", exclude={"updated_at"}))
        if await self._apply_early(holder, external, of_post=True):
            await self._set_message(holder)
            await self._touch(holder["thread_id"])
        await self._finish_early(holder["message"]["id"], external)
        after = message_of(await self._external_row(external) or holder)
        return canonical_json(after.model_dump(mode="json", exclude={"updated_at"})) != before


def _place(kind: LooseKind, name: str) -> tuple[str, str]:
    """Return the namespace and key of a thing that is no item."""
    if kind != "value":
        return NAMESPACES[kind], name
    namespace, key = json.loads(name)
    return namespace, key
