"""A batch: what the transactions of one commit read, and what they write.

Proved by `tests/unit/storage/redis/test_transactions.py`.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from backscroll.errors import StorageError
from backscroll.storage.redis.connection import Argument
from backscroll.storage.redis.scripts import COMMITTED

Place = tuple[str, str]
"""A namespace and a key."""


class Stored(NamedTuple):
    """A value as it was read: nothing has neither version nor text."""

    version: str
    text: str | None


class Write(NamedTuple):
    """A value to be written, with the terms it is found by; without a text it is removed."""

    text: str | None
    terms: str = ""
    score: int = 0


NOTHING = Stored("", None)


@dataclass(eq=False)
class Batch:
    """The transactions of one commit: what they read, and what they write."""

    turn: str
    is_fresh: bool
    """Nothing that was known before is taken for true."""
    reads: dict[Place, Stored] = field(default_factory=dict)
    scanned: dict[Place, Stored] = field(default_factory=dict)
    found: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """The keys under a namespace's term."""
    lengths: dict[Place, int] = field(default_factory=dict)
    generation: str = ""
    writes: dict[Place, Write] = field(default_factory=dict)
    terms: dict[tuple[str, str], dict[str, None]] = field(default_factory=dict)
    """The keys that are written with a namespace's term."""
    items: list[tuple[str, str, str]] = field(default_factory=list)
    size: int = 0
    trips: int = 0
    is_doubtful: bool = False
    """What it read may be old."""
    outcome: int = COMMITTED
    error: StorageError | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def needs_commit(self) -> bool:
        """Whether it writes, or what it read may never have stood at one time."""
        return bool(self.writes or self.items or self.turn) or self.trips > 1 or self.is_doubtful

    def arguments(self, version: str, prefix: str) -> Iterator[Argument]:
        """Give what the commit's script is called with, from the first write on; see `scripts.py`."""
        yield from next((place for place, write in self.writes.items() if write.text is not None), ("", ""))
        yield len(self.reads)
        for (namespace, key), stored in self.reads.items():
            yield from (namespace, key, stored.version)
        yield len(self.found)
        for (namespace, term), keys in self.found.items():
            yield from (f"{prefix}i:{term}:{namespace}", len(keys))
        yield len(self.lengths)
        for (_, name), length in self.lengths.items():
            yield from (name, length)
        yield len(self.writes)
        for (namespace, key), (text, terms, score) in self.writes.items():
            value = "" if text is None else f"{version}{terms}\n{text}"
            yield from (namespace, key, value, terms, score)
        yield len(self.items)
        for namespace, key, item in self.items:
            yield from (namespace, list_name(prefix, namespace, key), key, item)


def list_name(prefix: str, namespace: str, key: str) -> str:
    """Name the list of Redis in which a list lies."""
    return f"{prefix}l:{len(namespace)}:{namespace}:{key}"
