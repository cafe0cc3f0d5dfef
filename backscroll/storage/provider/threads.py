"""Threads: read, written as differences, listed, found by what they carry.

Proved by `tests/contract/test_threads.py`, `test_delete_many.py`, `test_save.py`, `test_find.py` and
`test_by_platform.py`.
"""

from collections.abc import Iterable
from typing import Any

from backscroll.storage.changes import ThreadChanges
from backscroll.storage.filters import ThreadFilter
from backscroll.storage.keys import ExternalId
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider.lineage import drop_links, keep_link
from backscroll.storage.provider.rows import Rows, instant_of, thread_gone, thread_row
from backscroll.storage.values import canonical_json


class ThreadCalls(Rows):
    """The calls for threads, with defaults on the six primitives."""

    async def get_thread(self, thread_id: str, *, limit: int | None = None) -> Thread | None:
        """Return a thread with its newest `limit` messages (None: all), oldest first; None when there is none."""
        row = await self.get("threads", thread_id)
        return None if row is None else await self._thread_of(row, limit)

    async def write_thread(self, changes: ThreadChanges) -> list[Message]:
        """Store a thread's changes in one transaction and return its messages as stored, in the order of the changes.

        A thread that is unknown is made, unless it was loaded before: then somebody deleted it. Messages that are
        stored already, by id or by external id, are left alone and returned as they are. Changes of messages that are
        gone or tombstones are passed over.

        Raises: ThreadNotFoundError: the thread was loaded, and is gone. MessageExistsError: a message's id belongs to
        another thread.
        """
        thread_id = changes.thread.id
        async with self._exclusive:
            row = await self.get("threads", thread_id)
            if row is None and changes.was_loaded:
                raise thread_gone(thread_id)
            row = changes.apply_to(row or thread_row(changes.thread))
            arriving = [(each, ExternalId.of_message(each.platforms, row["platforms"])) for each in changes.messages]
            for message, external in arriving:
                holder = None if external is None else await self._external_row(external)
                if holder is None or holder["thread_id"] != thread_id:
                    await self._must_not_be_elsewhere(message.id, thread_id)
            await self._set_thread(row)
            stored = [(await self._append(thread_id, message, external))[0] for message, external in arriving]
            for message_id, content in changes.contents.items():
                await self._edit_message(message_id, content, None)
            for message_id, emoji, user_id, added in changes.reactions:
                await self._react(message_id, emoji, user_id, added, None)
            return stored

    async def delete_thread(self, thread_id: str) -> bool:
        """Delete a thread and all that belongs to it; False when there is none."""
        async with self._exclusive:
            row = await self.get("threads", thread_id)
            if row is None:
                return False
            for message in await self.query("messages", {"thread_id": thread_id}):
                await self._forget_message(message)
            for namespace in ("aliases", "answers", "approvals", "feedback", "suspended_states"):
                for owned in await self.query(namespace, {"thread_id": thread_id}):
                    await self.delete(namespace, owned["key"])
            await self._forget_checkpoints(thread_id)
            is_linked = await keep_link(self, row)
            await self.delete("threads", thread_id)
            if is_linked:
                await drop_links(self, row)
            return True

    async def delete_threads(self, thread_ids: Iterable[str]) -> int:
        """Delete threads and all that belongs to them, and return how many there were."""
        return sum([await self.delete_thread(thread_id) for thread_id in dict.fromkeys(thread_ids)])

    async def list_threads(
        self,
        *,
        limit: int | None = 100,
        offset: int = 0,
        agent_name: str | None = None,
        user_id: str | None = None,
        where: ThreadFilter | None = None,
        with_messages: bool = True,
    ) -> list[Thread]:
        """Return threads, newest first: `updated_at`, then `id`, both descending.

        Without an index of authors, one that is asked for is looked for in every message of the threads that meet the
        other conditions.

        Args: limit: None means all. where: more conditions. with_messages: False leaves the messages out.
        """
        rows = await self._listed(_filters(agent_name, user_id), where)
        rows.sort(key=newest, reverse=True)
        end = None if limit is None else offset + limit
        return [await self._thread_of(row, None if with_messages else 0) for row in rows[offset:end]]

    async def count_threads(
        self, *, agent_name: str | None = None, user_id: str | None = None, where: ThreadFilter | None = None
    ) -> int:
        """Return how many threads `list_threads` would list without a limit."""
        return len(await self._listed(_filters(agent_name, user_id), where))

    async def find_by_attributes(self, attributes: dict[str, Any]) -> list[Thread]:
        """Return the threads whose attributes have all these top-level values, newest first. No filters: all threads.

        Equality is JSON equality: `5`, `5.0`, `"5"`, `true` and `null` differ, and a missing key is not `null`.
        """
        return [await self._thread_of(row, None) for row in await self._find_rows("attributes", None, attributes)]

    async def find_by_platform(
        self, name: str, place: dict[str, Any], *, limit: int | None = None, with_messages: bool = True
    ) -> list[Thread]:
        """Return the threads that live at this place of a platform, newest first. No filters: all of the platform.

        Equality as in `find_by_attributes`. Args: limit: None means all. with_messages: False leaves the messages out.
        """
        rows = await self._find_rows("platforms", name, place)
        return [await self._thread_of(row, None if with_messages else 0) for row in rows[:limit]]

    async def search_by_platform(
        self, name: str, value: Any, *, place: dict[str, Any] | None = None, limit: int | None = None
    ) -> list[Thread]:
        """Return the threads that have this value under any property of a platform, newest first.

        Equality as in `find_by_attributes`. Args: place: what else must be equal there. limit: None means all.
        """
        mark = canonical_json(value)
        found = [
            row
            for row in await self._find_rows("platforms", name, place or {})
            if any(canonical_json(each) == mark for each in row["platforms"][name].values())
        ]
        return [await self._thread_of(row, None) for row in found[:limit]]

    async def _listed(self, filters: dict[str, Any], where: ThreadFilter | None) -> list[dict[str, Any]]:
        """Return the values of the threads that a list is of, in no order."""
        rows = await self.query("threads", filters)
        if where is None:
            return rows
        rows = [row for row in rows if is_listed(row, where)]
        return rows if where.author is None else await self._with_author(rows, where)

    async def _with_author(self, rows: list[dict[str, Any]], where: ThreadFilter) -> list[dict[str, Any]]:
        written = {row["thread_id"] for row in await self.query("messages", {}) if where.has_author([row["message"]])}
        return [row for row in rows if row["id"] in written]

    async def _forget_checkpoints(self, thread_id: str) -> int:
        """Delete the checkpoints of a thread, then their writes, and return how many checkpoints there were."""
        rows = await self.query("checkpoints", {"thread_id": thread_id})
        for row in rows:
            await self.delete("checkpoints", row["key"])
        for write in await self.query("checkpoint_writes", {"thread_id": thread_id}):
            await self.delete("checkpoint_writes", write["key"])
        return len(rows)

    async def _find_rows(self, column: str, part: str | None, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        marks = {key: canonical_json(value) for key, value in wanted.items()}
        rows = []
        for row in await self.query("threads", {}):
            has = row[column] if part is None else row[column].get(part)
            if has is not None and all(key in has and canonical_json(has[key]) == marks[key] for key in marks):
                rows.append(row)
        rows.sort(key=newest, reverse=True)
        return rows


def _filters(agent_name: str | None, user_id: str | None) -> dict[str, Any]:
    wanted = {"agent_name": agent_name, "user_id": user_id}
    return {name: value for name, value in wanted.items() if value is not None}


def is_listed(row: dict[str, Any], where: ThreadFilter) -> bool:
    """Tell whether a thread's value meets all conditions but the author."""
    updated_at = instant_of(row["updated_at"])
    return updated_at is not None and where.fits(row["platforms"], updated_at)


def newest(row: dict[str, Any]) -> tuple[str, str]:
    """Order threads' values; newest first is its reverse."""
    return row["updated_at"], row["id"]
