"""Archives on Redis: a page is read, and merged in, in few round trips; all namespaces and lists are found.

The contract stands in `provider/archives.py`. Proved by `tests/contract/test_archives.py`,
`test_merging.py` and `test_loose.py`.
"""

import asyncio
import re
from collections.abc import Iterable, Sequence

from backscroll.storage.archive import ArchivedThread, Loose, Merged
from backscroll.storage.keys import ExternalId
from backscroll.storage.provider.archives import FILES_OWNER, OWN_NAMESPACES, Chosen
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.provider.rows import external_key
from backscroll.storage.redis.agents import RedisAgents
from backscroll.storage.redis.answers import LAST
from backscroll.storage.redis.primitives import PAGE, Row
from backscroll.storage.redis.terms import MESSAGES, THREADS, field_term

_BESIDE = ("parts", "blocks", "feedback", "answers", "wanted_files")


class RedisArchives(RedisAgents):
    """The calls for archives, where Redis can do better than the defaults."""

    _own_namespaces = OWN_NAMESPACES | {LAST}

    async def merge_archive(self, pieces: Sequence[ArchivedThread], *, mirror: bool = False) -> list[Merged]:
        async with self._exclusive:  # all of them in one transaction: a commit costs more than what it writes
            await self._look_at_pieces(pieces)
            return await super().merge_archive(pieces, mirror=mirror)

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
        await self._rows("feedback", [told.id for each in every for told in each.feedback])
        posted = {answer.answer_message_id for answer in answers} | {each.message.id for each in every if each.parts}
        await self._look("parts", "message_id", [*known, *(each for each in posted if each is not None)])
        await self._look("blocks", "message_id", known)
        await self._look("answers", "message_id", known)
        await self._look("answers", "thread_id", {piece.id for piece in pieces} | {row["thread_id"] for row in there})

    async def _thread_ids(self) -> Iterable[str]:
        return [key.decode() for key in await self.server.read("HKEYS", f"{self.server.prefix}v:{THREADS}")]

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

    async def _plain_namespaces(self) -> Iterable[str]:
        return await self._namespaces("v:")

    async def _plain_items(self, after: str | None, limit: int) -> list[Loose]:
        found: list[Loose] = []
        for namespace in await self._namespaces("n:"):
            names = await self.server.read("SMEMBERS", f"{self.server.prefix}n:{namespace}")
            keys = sorted(name.decode() for name in names if (namespace, name.decode()) != FILES_OWNER)
            lists = await asyncio.gather(*(self.get_list(namespace, key) for key in keys))
            for key, items in zip(keys, lists, strict=True):
                for number, item in enumerate(items):
                    told = {"namespace": namespace, "key": key, "item": item}
                    found.append(Loose(kind="item", key=join_key(namespace, key, f"{number:012}"), value=told))
        return sorted((thing for thing in found if after is None or thing.key > after), key=_key)[:limit]

    async def _namespaces(self, kind: str) -> list[str]:
        """Return the namespaces that are not the defaults' own, sorted."""
        start = f"{self.server.prefix}{kind}"
        pattern, cursor, found = re.sub(r"([\[\]*?\\^-])", r"\\\1", start) + "*", 0, set[str]()
        while True:
            cursor, page = await self.server.read("SCAN", cursor, "MATCH", pattern, "COUNT", PAGE)
            found |= {name.decode().removeprefix(start) for name in page}
            if int(cursor) == 0:
                return sorted(found - self._own_namespaces)


def _ids(ids: list[str], rows: Iterable[Row | None], name: str) -> list[str]:
    """Put the ids that values name behind these, each once."""
    return list(dict.fromkeys([*ids, *(row[name] for row in rows if row is not None)]))


def _key(thing: Loose) -> str:
    return thing.key
