"""Archives on Redis: a page is read, and merged in, in few round trips; all namespaces and lists are found.

The contract stands in `provider/archives.py`. Proved by `tests/contract/test_archives.py`,
`test_merging.py` and `test_loose.py`, and by `tests/unit/storage/redis/test_archives.py`.
"""

import asyncio
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from backscroll.errors import StorageUnavailableError, StoreClosedError
from backscroll.storage.archive import ArchivedThread, ArchiveMark, Loose, LooseKind, LooseMark, Merged
from backscroll.storage.keys import ExternalId
from backscroll.storage.provider.archives import (
    FILES_OWNER,
    NAMESPACES,
    OWN_NAMESPACES,
    PLAIN_NAMESPACES,
    Chosen,
)
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.provider.rows import external_key
from backscroll.storage.redis.agents import RedisAgents
from backscroll.storage.redis.answers import LAST
from backscroll.storage.redis.batch import list_name
from backscroll.storage.redis.names import LISTS, VALUES, Names
from backscroll.storage.redis.primitives import Row
from backscroll.storage.redis.terms import MESSAGES, THREADS, field_term
from backscroll.storage.redis.transactions import RerunError

_BESIDE = ("parts", "blocks", "feedback", "answers", "wanted_files")


class RedisArchives(RedisAgents):
    """The calls for archives, where Redis can do better than the defaults."""

    names: Names

    _own_namespaces = OWN_NAMESPACES | {LAST}

    async def merge_archive(self, pieces: Sequence[ArchivedThread], *, mirror: bool = False) -> list[Merged]:
        merge_piece = super()._merge_piece
        try:
            async with self._exclusive:  # all of them in one transaction: a commit costs more than what it writes
                await self._look_at_pieces(pieces)
                return [await merge_piece(piece, mirror=mirror) for piece in pieces]
        except (RerunError, StorageUnavailableError, StoreClosedError):
            raise
        except Exception:  # noqa: BLE001  # of all nothing is kept: those before the bad piece are, one by one
            return await super().merge_archive(pieces, mirror=mirror)

    async def _merge_piece(self, piece: ArchivedThread, *, mirror: bool) -> Merged:
        merge_piece = super()._merge_piece
        return await self.transactions.call(lambda: merge_piece(piece, mirror=mirror))

    async def _look_at_pieces(self, pieces: Sequence[ArchivedThread]) -> None:
        """Read what the merge will ask for."""
        every = [each for piece in pieces for each in piece.messages]
        aliases = await self._rows("aliases", sorted({alias for piece in pieces for alias in piece.aliases}))
        await self._rows(THREADS, _ids([piece.id for piece in pieces], aliases, "thread_id"))
        places = [
            place for each in every for place in (each.external, *(part.external for part in each.parts)) if place
        ]
        keys = list(dict.fromkeys(external_key(ExternalId(*place)) for place in places))
        holders = await self._rows("external_ids", keys)
        await self._rows("early_events", keys)
        ids = _ids([each.message.id for each in every], holders, "message_id")
        found = await self._rows("message_places", ids)
        there = [place for place in found if place is not None]
        await self._rows(MESSAGES, [join_key(place["thread_id"], place["sequence"]) for place in there])
        known = [message_id for message_id, place in zip(ids, found, strict=True) if place is not None]
        answers = [each.answer for each in every if each.answer is not None]
        answered = {part.answer_id for each in every for part in each.parts if part.answer_id is not None}
        await self._rows("answers", sorted({answer.id for answer in answers} | answered))
        await self._rows("approvals", [approval.id for answer in answers for approval in answer.approvals])
        await self._look("approvals", "answer_id", [answer.id for answer in answers if answer.approvals])
        await self._rows("feedback", [told.id for each in every for told in each.feedback])
        posted = {answer.answer_message_id for answer in answers} | {each.message.id for each in every if each.parts}
        await self._look("parts", "message_id", [*known, *(each for each in posted if each is not None)])
        await self._look("blocks", "message_id", known)
        await self._look("answers", "message_id", known)
        await self._look("answers", "thread_id", {piece.id for piece in pieces} | {row["thread_id"] for row in there})

    async def read_archive(
        self, *, after: ArchiveMark | None = None, limit: int = 500, thread_ids: Sequence[str] | None = None
    ) -> list[ArchivedThread]:
        pieces = await super().read_archive(after=after, limit=limit, thread_ids=thread_ids)
        if not pieces and thread_ids is None:
            self.names.drop()
        return pieces

    async def read_loose(self, *, after: LooseMark | None = None, limit: int = 500) -> list[Loose]:
        things = await super().read_loose(after=after, limit=limit)
        if not things:
            self.names.drop()
        return things

    async def _ids_to_archive(
        self, after: ArchiveMark | None, limit: int, thread_ids: Sequence[str] | None
    ) -> list[str]:
        if thread_ids is not None:
            return await super()._ids_to_archive(after, limit, thread_ids)
        names = await self.names.of_namespace(THREADS, begins=after is None)
        start = 0 if after is None else bisect_left(names, after.thread_id)
        return names[start : start + limit + 1]

    async def _look_at_threads(self, ids: list[str]) -> None:
        await self._rows(THREADS, ids)

    async def _look_at_messages(self, chosen: list[Chosen]) -> None:
        numbers = [(each.thread["id"], each.start, each.count) for each in chosen]
        keys = [join_key(name, start + 1 + number) for name, start, count in numbers for number in range(count)]
        await self._rows(MESSAGES, keys)

    async def _look_at_rest(self, rows: list[Row], chosen: list[Chosen]) -> None:
        ids = [row["message"]["id"] for row in rows]
        for namespace in _BESIDE:
            await self._look(namespace, "message_id", ids)
        answers = [answer for each in ids for answer in await self.query("answers", {"message_id": each})]
        await self._look("approvals", "answer_id", [answer["id"] for answer in answers])
        await self._look("aliases", "thread_id", [each.thread["id"] for each in chosen])

    async def _look(self, namespace: str, name: str, values: Iterable[str]) -> None:
        if terms := list(dict.fromkeys(field_term(name, value) for value in values)):
            await self._look_ahead(namespace, terms)

    async def _messages_at(self, thread_id: str, numbers: Iterable[int]) -> list[Row]:
        rows = await self._rows(MESSAGES, [join_key(thread_id, number) for number in numbers])
        return [row for row in rows if row is not None]

    async def _note_position(self, thread_id: str, last: int) -> None:
        kept = await self.get(LAST, thread_id) or {"last": 0}
        if kept["last"] < last:
            await self.set(LAST, thread_id, {"last": last})

    async def _next_names(self, kind: LooseKind, after: str | None, limit: int) -> list[str]:
        begins = after is None
        if kind == "value":
            names = await self.names.of_area(VALUES, PLAIN_NAMESPACES, self._own_namespaces, begins=begins)
        else:
            names = await self.names.of_namespace(NAMESPACES[kind], begins=begins)
        start = 0 if after is None else bisect_right(names, after)
        return names[start : start + limit]

    async def _look_at_places(self, places: list[tuple[str, str]]) -> None:
        for namespace in dict.fromkeys(space for space, _ in places):
            await self._rows(namespace, [key for space, key in places if space == namespace])

    async def _plain_items(self, after: str | None, limit: int) -> list[Loose]:
        names = await self.names.of_area(LISTS, (), self._own_namespaces, begins=after is None)
        start = first = 0
        if after is not None:
            *place, number = json.loads(after)
            start, first = bisect_left(names, join_key(*place)), int(number) + 1
            first = first if names[start : start + 1] == [join_key(*place)] else 0
        found: list[Loose] = []
        while len(found) < limit and start < len(names):
            page = names[start : start + limit - len(found)]
            found += await self._items_of([tuple(json.loads(name)) for name in page], first, limit - len(found))
            start, first = start + len(page), 0
        return found

    async def _items_of(self, places: list[tuple[str, str]], first: int, limit: int) -> list[Loose]:
        """Return the next items of these lists, from one of the first list's on."""
        lists = [list_name(self.server.prefix, *place) for place in places]
        lengths = await asyncio.gather(*(self.server.read("LLEN", name) for name in lists))
        chosen: list[tuple[tuple[str, str], str, int, int]] = []
        for place, name, length in zip(places, lists, lengths, strict=True):
            count = 0 if place == FILES_OWNER else min(length - first, limit)
            if count > 0:
                chosen.append((place, name, first, count))
                limit -= count
            first = 0
        texts = await asyncio.gather(
            *(self.server.read("LRANGE", name, start, start + count - 1) for _, name, start, count in chosen)
        )
        return [
            _item(place, number, json.loads(text))
            for (place, _, start, _), page in zip(chosen, texts, strict=True)
            for number, text in enumerate(page, start)
        ]


def _ids(ids: list[str], rows: Iterable[Row | None], name: str) -> list[str]:
    """Put the ids that values name behind these, each once."""
    return list(dict.fromkeys([*ids, *(row[name] for row in rows if row is not None)]))


def _item(place: tuple[str, str], number: int, item: Row) -> Loose:
    namespace, key = place
    told = {"namespace": namespace, "key": key, "item": item}
    return Loose(kind="item", key=join_key(*place, f"{number:012}"), value=told)
