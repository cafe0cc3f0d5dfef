"""The six primitives on Redis, inside a transaction and outside; the contract stands in `provider/primitives.py`.

Proved by `tests/contract/test_primitives.py` and `tests/unit/storage/redis/test_transactions.py`.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

from backscroll.storage.provider import StorageProvider
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.redis.batch import NOTHING, Argument, Place, Stored, Write, list_name
from backscroll.storage.redis.connection import Server
from backscroll.storage.redis.scripts import VERSION_LENGTH
from backscroll.storage.redis.terms import MESSAGES, score_of, term_of, terms_of
from backscroll.storage.redis.transactions import Transactions, Unit
from backscroll.storage.values import VALUE_DEPTH, canonical_json, check_text, clean_object, clean_text, new_id, to_json

MODELLED = frozenset({"threads", "messages", "message_places"})
"""Namespaces whose values the contract's own calls make of models, which have cleaned them."""

MANY = 2**52
PAGE = 1_000
"""Values that are asked for at once, at most."""

Row = dict[str, Any]

_AHEAD: ContextVar[dict[Place, Stored]] = ContextVar("backscroll_redis_ahead", default={})  # noqa: B039  # never written to


@contextmanager
def read_ahead(namespace: str, values: dict[str, Stored]) -> Iterator[None]:
    """Let a call outside of a transaction find these values without asking for each."""
    token = _AHEAD.set({(namespace, key): stored for key, stored in values.items()})
    try:
        yield
    finally:
        _AHEAD.reset(token)


class RedisPrimitives(StorageProvider):
    """Keyed values in hashes, lists as Redis' own."""

    supports_concurrent_writers = True
    supports_export = True
    server: Server
    transactions: Transactions

    @property
    def _exclusive(self) -> AbstractAsyncContextManager[Any]:
        return self.transactions.section()

    async def get(self, namespace: str, key: str) -> Row | None:
        (row,) = await self._rows(clean_text(namespace), [clean_text(key)])
        return row

    async def set(self, namespace: str, key: str, value: Row) -> None:
        place = check_text(namespace, "namespace"), check_text(key, "key")
        if namespace not in MODELLED or self.transactions.unit is None:
            value = clean_object(value, depth=VALUE_DEPTH)
        async with self._exclusive:
            self._put(*place, value)
            await self._unit.breathe()

    async def delete(self, namespace: str, key: str) -> None:
        place = clean_text(namespace), clean_text(key)
        async with self._exclusive:
            self._unit.write(place, Write(None))
            await self._unit.breathe()

    async def append(self, namespace: str, key: str, item: Row) -> str:
        place = check_text(namespace, "namespace"), check_text(key, "key")
        item = {"id": new_id()} | clean_object(item, depth=VALUE_DEPTH)
        async with self._exclusive:
            self._unit.items.append((*place, to_json(item)))
        return str(item["id"])

    async def get_list(self, namespace: str, key: str) -> list[Row]:
        namespace, key = clean_text(namespace), clean_text(key)
        name, unit = list_name(self.server.prefix, namespace, key), self.transactions.unit
        texts = [text.decode() for text in await self.server.read("LRANGE", name, 0, -1)]
        if unit is not None:
            unit.batch.trips += 1
            unit.batch.lengths.setdefault((namespace, name), len(texts))
            mine = [*unit.batch.items, *unit.items]
            texts += [item for space, list_key, item in mine if (space, list_key) == (namespace, key)]
        return [json.loads(text) for text in texts]

    async def query(self, namespace: str, filters: Row) -> list[Row]:
        namespace = clean_text(namespace)
        equals = equality(filters)
        term = term_of(namespace, filters)
        if term is not None:
            rows, has_lists = await self._with_term(namespace, term)
        elif namespace == MESSAGES and isinstance(filters.get("thread_id"), str):
            rows, has_lists = await self._messages_of(filters["thread_id"]), True
        else:
            rows, has_lists = await self._scan(namespace), True
        found = [rows[key] | {"key": key} for key in sorted(rows) if equals(rows[key])]
        return found + ([item for item in await self._all_items(namespace) if equals(item)] if has_lists else [])

    def _put(self, namespace: str, key: str, value: Row) -> None:
        """Write a value that is clean, in a transaction."""
        write = Write(to_json(value), terms_of(namespace, value), score_of(namespace, value))
        self._unit.write((namespace, key), write)

    @property
    def _unit(self) -> Unit:
        unit = self.transactions.unit
        assert unit is not None, "a write stands under _exclusive"  # noqa: S101  # all of them are in this file
        return unit

    async def _rows(self, namespace: str, keys: Sequence[str]) -> list[Row | None]:
        """Return the values under these keys, None where there is none."""
        unit = self.transactions.unit
        if unit is None:
            ahead = _AHEAD.get()
            if all((namespace, key) in ahead for key in keys):
                return [_row(ahead[namespace, key]) for key in keys]
            return [_row(stored) for stored in await self._read(namespace, keys)]
        await unit.breathe()
        missing = [
            key for key in keys if unit.written((namespace, key)) is None and unit.known((namespace, key)) is None
        ]
        if missing:
            unit.batch.trips += 1
            for key, stored in zip(missing, await self._read(namespace, missing), strict=True):
                unit.batch.reads.setdefault((namespace, key), stored)
        return [_row(unit.written((namespace, key)) or unit.known((namespace, key))) for key in keys]

    async def _read(self, namespace: str, keys: Sequence[str]) -> list[Stored]:
        name = f"{self.server.prefix}v:{namespace}"
        found: list[bytes | None] = []
        for start in range(0, len(keys), PAGE):
            found += await self.server.read("HMGET", name, *keys[start : start + PAGE])
        return [_stored(raw) for raw in found]

    async def _with_term(self, namespace: str, term: str) -> tuple[dict[str, Row], bool]:
        """Return the values with a term by key, and whether the namespace has lists."""
        unit = self.transactions.unit
        keys = None if unit is None else unit.batch.found.get((namespace, term))
        has_lists = False
        if keys is None:
            _, lists, found = await self._find(namespace, [term])
            has_lists, keys = lists > 0, list(found)
            if unit is None:
                return parsed(found), has_lists
            unit.batch.trips += 1
            for key, stored in found.items():
                unit.batch.reads.setdefault((namespace, key), stored)
            if not has_lists:
                unit.batch.found[namespace, term] = keys
        assert unit is not None  # noqa: S101  # without one everything is returned above
        every = [*keys, *unit.keys_with(namespace, term)]
        current = {key: unit.written((namespace, key)) or unit.known((namespace, key)) or NOTHING for key in every}
        return parsed(current), has_lists

    async def _find(
        self,
        namespace: str,
        terms: Iterable[str],
        *,
        newest_first: bool = False,
        offset: int = 0,
        limit: int | None = None,
    ) -> tuple[int, int, dict[str, Stored]]:
        """Return how many have the first term, how many lists the namespace has, and the values with all the terms."""
        # Lua's numbers are exact up to 2**53, and no namespace has so many values.
        page = min(offset, MANY), -1 if limit is None else min(limit, MANY)
        arguments: list[Argument] = [namespace, int(newest_first), *page, *terms]
        size, lists, *flat = await self.server.find(arguments)
        found = {key.decode(): _stored(raw) for key, raw in zip(flat[::2], flat[1::2], strict=True)}
        return int(size), int(lists), found

    async def _look_ahead(self, namespace: str, terms: Sequence[str]) -> None:
        """Read what has these terms, in a transaction that will ask for each."""
        batch = self._unit.batch
        for start in range(0, len(terms), PAGE):
            page = terms[start : start + PAGE]
            batch.trips += 1
            found: dict[str, list[str]] = {term: [] for term in page}
            for term, keys, raws in await self.server.look([namespace, *page]):
                names = [key.decode() for key in keys]
                found[term.decode()] += names
                for name, raw in zip(names, raws, strict=True):
                    batch.reads.setdefault((namespace, name), _stored(raw))
            for term, names in found.items():
                batch.found.setdefault((namespace, term), names)

    async def _messages_of(self, thread_id: str) -> dict[str, Row]:
        """Return the messages of a thread by key: they have the numbers up to the thread's last."""
        thread = await self.get("threads", thread_id)
        numbers = range(1, 1 + (thread or {}).get("last_sequence", 0))
        keys = [join_key(thread_id, number) for number in numbers]
        rows = zip(keys, await self._rows(MESSAGES, keys), strict=True)
        return {key: row for key, row in rows if row is not None}

    async def _scan(self, namespace: str) -> dict[str, Row]:
        """Return all values of a namespace by key."""
        unit = self.transactions.unit
        if unit is not None:
            await self._note_generation(unit)
        found: dict[str, Stored] = {}
        cursor = 0
        while True:
            cursor, page = await self.server.read("HSCAN", f"{self.server.prefix}v:{namespace}", cursor, "COUNT", PAGE)
            found |= {key.decode(): _stored(raw) for key, raw in page.items()}
            if int(cursor) == 0:
                break
        if unit is None:
            return parsed(found)
        unit.batch.scanned |= {(namespace, key): stored for key, stored in found.items()}
        known = {key: unit.known((namespace, key)) or stored for key, stored in found.items()}
        return _overlaid(known, unit, namespace)

    async def _all_items(self, namespace: str) -> list[Row]:
        unit = self.transactions.unit
        names = await self.server.read("SMEMBERS", f"{self.server.prefix}n:{namespace}")
        keys = {name.decode() for name in names}
        if unit is not None:
            if keys:
                await self._note_generation(unit)
            keys |= {key for space, key, _ in (*unit.batch.items, *unit.items) if space == namespace}
        lists = await asyncio.gather(*(self.get_list(namespace, key) for key in sorted(keys)))
        return [item for items in lists for item in items]

    async def _note_generation(self, unit: Unit) -> None:
        """Let the commit look whether anything at all was committed since."""
        if not unit.batch.generation:
            unit.batch.trips += 2
            found = await self.server.read("GET", f"{self.server.prefix}generation")
            unit.batch.generation = (found or b"0").decode()


def equality(filters: Row) -> Callable[[Row], bool]:
    """Make what tells whether a value's top-level fields equal the filters."""
    marks = {name: canonical_json(value) for name, value in filters.items()}
    return lambda item: all(name in item and canonical_json(item[name]) == mark for name, mark in marks.items())


def _stored(raw: bytes | None) -> Stored:
    if raw is None:
        return NOTHING
    head, _, text = raw.decode().partition("\n")
    return Stored(head[:VERSION_LENGTH], text)


def _row(stored: Stored | Write | None) -> Row | None:
    return None if stored is None or stored.text is None else json.loads(stored.text)


def parsed(found: Mapping[str, Stored | Write]) -> dict[str, Row]:
    """Parse values that were read, in their order."""
    return {key: json.loads(stored.text) for key, stored in found.items() if stored.text is not None}


def _overlaid(found: dict[str, Stored], unit: Unit, namespace: str) -> dict[str, Row]:
    """Parse what was found, and put what is written in this transaction over it."""
    return parsed({**found, **dict(unit.all_written(namespace))})
