"""Whether two providers say the same of a thread, however their pages are cut: a hash of what both can hold alike.

Proved by `tests/unit/transfer/test_comparing.py`.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from backscroll.storage.archive import ArchivedMessage, ArchivedThread

WINDOW = 100
"""Messages that are hashed together."""

_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ThreadDigest:
    """What a thread comes to."""

    id: str
    hash: str
    messages: int
    updated_at: datetime
    """When storage last wrote something in it, or in one of its messages; no part of the hash."""


class Digests:
    """Puts the pieces of one thread after the other together."""

    def __init__(self) -> None:
        self._head: ArchivedThread | None = None
        self._open: list[ArchivedMessage] = []
        self._hash = hashlib.sha256()
        self._count = 0
        self._updated_at = _EARLIEST

    def add(self, piece: ArchivedThread) -> ThreadDigest | None:
        """Take a piece; return the thread before it, where it begins another one."""
        ended = None
        if self._head is None or self._head.id != piece.id:
            ended = self.end()
            self._head = piece
        self._updated_at = max(self._updated_at, piece.updated_at)
        for each in piece.messages:
            # A person who is forgotten, and a text that is too old, leave the thread's own instant as it was.
            self._updated_at = max(self._updated_at, each.message.updated_at or self._updated_at)
            self._open.append(each)
            if len(self._open) == WINDOW:
                self._close_window()
        return ended

    def end(self) -> ThreadDigest | None:
        """Return the last thread; None where there was none."""
        if self._head is None:
            return None
        self._close_window()
        ended = ThreadDigest(self._head.id, self._hash.hexdigest(), self._count, self._updated_at)
        self._head, self._open, self._hash, self._count = None, [], hashlib.sha256(), 0
        self._updated_at = _EARLIEST
        return ended

    def _close_window(self) -> None:
        if self._head is not None and (self._open or not self._count):
            window = self._head.model_copy(update={"messages": self._open})
            self._hash.update(window.digest().encode())
            self._count += len(self._open)
            self._open = []


async def digests_of(pages: AsyncIterator[Sequence[ArchivedThread]]) -> dict[str, ThreadDigest]:
    """Return the digest of each thread of some pages."""
    digests, found = Digests(), dict[str, ThreadDigest]()
    async for page in pages:
        for piece in page:
            if ended := digests.add(piece):
                found[ended.id] = ended
    if ended := digests.end():
        found[ended.id] = ended
    return found
