"""A batch: what the transactions of one commit read, and what they write.

Proved by `tests/unit/storage/redis/test_transactions.py`.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from backscroll.errors import StorageError
from backscroll.storage.redis.scripts import COMMITTED
from backscroll.storage.values import to_json

Argument = str | bytes | int

Place = tuple[str, str]
"""A namespace and a key."""

CHUNK_COUNT, CHUNK_LENGTH = 200, 2**20
"""Records in one argument of a commit, and the characters after which another begins."""


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

    @property
    def writes_anything(self) -> bool:
        """Whether the commit changes what is kept."""
        return bool(self.writes or self.items)

    def arguments(self, version: str, prefix: str) -> Iterator[str]:
        """Give what the commit's script is called with, from the first chunk on; see `scripts.py`."""
        yield from _chunks((namespace, key, stored.version) for (namespace, key), stored in self.reads.items())
        yield from _chunks(
            (f"{prefix}i:{term}:{namespace}", str(len(keys))) for (namespace, term), keys in self.found.items()
        )
        yield from _chunks((name, str(length)) for (_, name), length in self.lengths.items())
        yield from _chunks(
            (namespace, key, "" if text is None else f"{version}{terms}\n{text}", terms, str(score))
            for (namespace, key), (text, terms, score) in self.writes.items()
        )
        yield from _chunks(
            (namespace, list_name(prefix, namespace, key), key, item) for namespace, key, item in self.items
        )


def _chunks(records: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Pack records into few arguments, as Redis takes a million of them at most; their count first."""
    chunks: list[list[str]] = []
    length = count = 0
    for record in records:
        if not chunks or count == CHUNK_COUNT or length > CHUNK_LENGTH:
            chunks.append([])
            length = count = 0
        chunks[-1] += record
        length += sum(map(len, record))
        count += 1
    yield str(len(chunks))
    yield from map(to_json, chunks)


def list_name(prefix: str, namespace: str, key: str) -> str:
    """Name the list of Redis in which a list lies."""
    return f"{prefix}l:{len(namespace)}:{namespace}:{key}"
