"""Threads and messages on Redis: listed and found through sorted indexes, read in few round trips.

The contract stands in `provider/threads.py`, `messages.py` and `places.py`. Proved by `tests/contract/`.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from backscroll.storage.changes import remember
from backscroll.storage.filters import ThreadFilter
from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.provider.rows import external_key, instant_of, instant_text, message_of, new_message_row
from backscroll.storage.provider.threads import is_listed, newest
from backscroll.storage.records import Arrival, Recorded
from backscroll.storage.redis.primitives import RedisPrimitives, Row, equality, parsed
from backscroll.storage.redis.terms import (
    EVERY,
    MESSAGES,
    THREADS,
    field_term,
    platform_term,
    property_term,
    value_term,
)
from backscroll.storage.values import utc_now


class RedisThreads(RedisPrimitives):
    """The calls for threads and messages, where Redis can do better than the defaults."""

    async def append_message(self, thread_id: str, message: Message) -> Message:
        async with self._exclusive:
            self._unit.expect_nothing("message_places", message.id)
            thread = await self.get(THREADS, thread_id)
            is_plain = not (message.platforms or message.reactions or message.attachments)
            if thread is None or not is_plain or await self.get("message_places", message.id) is not None:
                return await super().append_message(thread_id, message)
            return self._put_plain(thread, message)

    def _put_plain(self, thread: Row, message: Message) -> Message:
        """Append a message that nothing else is kept with."""
        thread_id, sequence = thread["id"], thread["last_sequence"] + 1
        row = new_message_row(thread_id, message, None, sequence)
        now = instant_text(utc_now())
        row["message"]["updated_at"] = now
        thread |= {"last_sequence": sequence, "updated_at": max(thread["updated_at"], now)}
        self._put(MESSAGES, join_key(thread_id, sequence), row)
        self._put("message_places", message.id, {"thread_id": thread_id, "sequence": sequence})
        self._put(THREADS, thread_id, thread)
        return message_of(row)

    async def record_message(self, arrival: Arrival, *, earlier: Sequence[Arrival] = ()) -> Recorded | None:
        async with self._exclusive:
            arrivals = [*earlier, arrival]
            for each in arrivals:
                self._unit.expect_nothing("message_places", each.message.id)
            external = [external_key(each.external) for each in arrivals if each.external is not None]
            await asyncio.gather(
                self._rows("external_ids", external),
                self._rows("early_events", external),
                self._rows("aliases", [arrival.key.alias]),
            )
            return await super().record_message(arrival, earlier=earlier)

    async def delete_thread(self, thread_id: str) -> bool:
        async with self._exclusive:
            thread = await self.get(THREADS, thread_id)
            ids = [row["message"]["id"] for row in (await self._messages_of(thread_id)).values()]
            if thread is not None and len(ids) < thread["last_sequence"]:  # somebody removed one by hand
                for place in await self.query("message_places", {"thread_id": thread_id}):
                    await self.delete("message_places", place["key"])
            terms = [field_term("message_id", each) for each in ids]
            for namespace in ("parts", "blocks", "feedback"):
                await self._look_ahead(namespace, terms)
            await self.delete("answer_positions", thread_id)
            return await super().delete_thread(thread_id)

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
        wanted = {"agent_name": agent_name, "user_id": user_id}
        if where is not None:
            rows = await self._listed({name: value for name, value in wanted.items() if value is not None}, where)
            rows.sort(key=newest, reverse=True)
            page = rows[offset:] if limit is None else rows[offset : offset + limit]
            return await self._threads_of(page, with_messages=with_messages)
        terms = [field_term(name, value) for name, value in wanted.items() if value is not None] or [EVERY]
        _, _, found = await self._find(THREADS, terms, newest_first=True, offset=offset, limit=limit)
        return await self._threads_of(list(parsed(found).values()), with_messages=with_messages)

    async def count_threads(
        self, *, agent_name: str | None = None, user_id: str | None = None, where: ThreadFilter | None = None
    ) -> int:
        if where is not None or (agent_name is not None and user_id is not None):
            return await super().count_threads(agent_name=agent_name, user_id=user_id, where=where)
        wanted = {"agent_name": agent_name, "user_id": user_id}
        terms = [field_term(name, value) for name, value in wanted.items() if value is not None] or [EVERY]
        count, _, _ = await self._find(THREADS, terms, limit=0)
        return count

    async def find_by_attributes(self, attributes: dict[str, Any]) -> list[Thread]:
        terms = [property_term("attributes", None, name, value) for name, value in attributes.items()] or [EVERY]
        equals = equality(attributes)
        rows = [row for row in await self._newest_with(terms) if equals(row["attributes"])]
        return await self._threads_of(rows)

    async def find_by_platform(
        self, name: str, place: dict[str, Any], *, limit: int | None = None, with_messages: bool = True
    ) -> list[Thread]:
        terms = _place_terms(name, place) or [platform_term(name)]
        equals = equality(place)
        rows = [row for row in await self._newest_with(terms, limit) if equals(row["platforms"][name])]
        return await self._threads_of(rows, with_messages=with_messages)

    async def search_by_platform(
        self, name: str, value: Any, *, place: dict[str, Any] | None = None, limit: int | None = None
    ) -> list[Thread]:
        terms = [value_term(name, value), *_place_terms(name, place or {})]
        equals = equality(place or {})
        rows = [row for row in await self._newest_with(terms, limit) if equals(row["platforms"][name])]
        return await self._threads_of(rows)

    async def list_live_keys(self, platform: str, workspace: str, since: datetime) -> list[ThreadKey]:
        live = []
        for row in await self.query("aliases", {}):
            key = ThreadKey.from_alias(row["key"])
            if key is not None and (key.platform, key.workspace) == (platform, workspace):
                live.append((key, row["thread_id"]))
        threads = await self._rows(THREADS, [thread_id for _, thread_id in live])
        changed = [
            (newest(row), key.alias, key)
            for row, (key, _) in zip(threads, live, strict=True)
            if row is not None and (instant_of(row["updated_at"]) or since) >= since
        ]
        return [key for *_, key in sorted(changed, key=lambda each: each[:2], reverse=True)]

    async def _listed(self, filters: dict[str, Any], where: ThreadFilter | None) -> list[Row]:
        if where is None:
            return await super()._listed(filters, where)
        terms = [field_term(name, value) for name, value in filters.items()]
        if where.platform is not None:
            terms = [*_place_terms(where.platform, dict(where.place)), *terms, platform_term(where.platform)]
        rows = [row for row in await self._newest_with(terms or [EVERY]) if is_listed(row, where)]
        rows = [row for row in rows if all(row[name] == value for name, value in filters.items())]
        return rows if where.author is None else await self._with_author(rows, where)

    async def _with_author(self, rows: list[Row], where: ThreadFilter) -> list[Row]:
        found = []
        for row in rows:
            keys = [join_key(row["id"], number) for number in range(1, row["last_sequence"] + 1)]
            stored = await self._rows(MESSAGES, keys)
            if where.has_author(message["message"] for message in stored if message is not None):
                found.append(row)
        return found

    async def _newest_with(self, terms: list[str], limit: int | None = None) -> list[Row]:
        _, _, found = await self._find(THREADS, terms, newest_first=True, limit=limit)
        return list(parsed(found).values())

    async def _threads_of(self, rows: list[Row], *, with_messages: bool = True) -> list[Thread]:
        """Build threads from their values, the messages of all of them read at once."""
        counts = [row["last_sequence"] if with_messages else 0 for row in rows]
        keys = [
            join_key(row["id"], number)
            for row, count in zip(rows, counts, strict=True)
            for number in range(1, count + 1)
        ]
        read = iter(await self._rows(MESSAGES, keys))
        threads = []
        for row, count in zip(rows, counts, strict=True):
            fields = {name: value for name, value in row.items() if name in Thread.model_fields}
            found = [next(read) for _ in range(count)]
            messages = [message_of(message) for message in found if message is not None]
            threads.append(remember(Thread.model_validate(fields | {"messages": messages})))
        return threads

    async def _newest_messages(self, thread_id: str, before: int, limit: int | None) -> list[Message]:
        start = 1 if limit is None else max(1, before - limit)
        rows = await self._rows(MESSAGES, [join_key(thread_id, number) for number in range(start, before)])
        return [message_of(row) for row in rows if row is not None]

    async def _complete_last_append(self, thread: Row) -> None:
        # What was committed was committed whole, so only an append of this transaction can be half done.
        unit, key = self.transactions.unit, join_key(thread["id"], thread["last_sequence"] + 1)
        if unit is not None and unit.written((MESSAGES, key)) is not None:
            await super()._complete_last_append(thread)


def _place_terms(platform: str, place: dict[str, Any]) -> list[str]:
    return [property_term("platforms", platform, name, value) for name, value in place.items()]
