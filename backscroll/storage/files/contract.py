"""What a file store promises: `FileStore`.

A content is named by its SHA-256 and by nothing else. A store knows no message and no database: whether a row needs a
content, it asks its caller. Several processes may share one without locks, since

1. whoever makes or drops a row with a content takes a hold before the transaction, and settles it afterwards;
2. whoever removes a content, or puts it back, asks once more afterwards, until the answer fits.

So of a commit and a change of the store that meet, one sees the other. Proved by `tests/unit/storage/test_files.py`,
which steps through the interleavings.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from dataclasses import dataclass, field

CHUNK_BYTES = 1024 * 1024
"""Bytes that a stream gives at once, at most."""

HOLD_S = 3600
"""Seconds after which the owner of a hold counts as dead; a transaction with files ends sooner."""

IsNeeded = Callable[[str], Awaitable[bool]]
"""Tells whether a committed row has the content with this SHA-256; never from a snapshot older than the question."""


class Owner(ABC):
    """The database that a file store belongs to. Its ids outlive its processes, and go with it into a backup."""

    @abstractmethod
    async def own_id(self) -> str | None:
        """Return an id of this database, made at first use; None when the database ends with this process."""

    @abstractmethod
    async def is_own(self, owner_id: str) -> bool:
        """Tell whether an id is one of this database's."""


@dataclass(frozen=True, slots=True)
class Held:
    """A content that stays until `settle`, whatever becomes of its rows. `hold` tells this hold from others."""

    sha256: str
    size_bytes: int
    hold: str = field(repr=False)


def check_sha256(sha256: str) -> str:
    """Return a SHA-256 as it is.

    Raises: ValueError: it is not 64 lower-case hex digits.
    """
    if not isinstance(sha256, str):
        raise ValueError(f"sha256 is 64 lower-case hex digits, got {type(sha256).__name__}")
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError(f"sha256 is 64 lower-case hex digits, got {len(sha256)} characters, not all such digits")
    return sha256


class FileStore(ABC):
    """The contents of attachments.

    Every call may run at once with every other, in this process or another, and takes a `sha256` only when it is 64
    lower-case hex digits: all else is a ValueError. Every call raises StorageUnavailableError when the store does not
    answer or is full, and StorageRefusedError when it may not be used.
    """

    async def check(self) -> None:
        """Look whether contents can be put, changing nothing. This default has nothing to say.

        Raises: StorageRefusedError: they cannot.
        """

    async def claim(self, owner: Owner, *, make: bool = True) -> bool:
        """Let the store belong to this database, unless it belongs to one; tell whether it does belong to it.

        Of several databases that claim it at once one has it. This default takes every database.

        Args: make: the store may be made for it; otherwise only one that is there is claimed.
        Raises: StorageRefusedError: the store belongs to another database, which knows no row of this one.
        """
        return True

    @abstractmethod
    async def put(self, content: bytes | AsyncIterable[bytes]) -> Held:
        """Store a content, once however often it is put, and return a hold on it.

        It survives a power cut when this returns. Commit its row after that, then call `settle`, also when the
        transaction failed. A put that is cancelled or raises leaves at most what `recover` takes away.

        Raises: ValueError: the content is larger than the store allows.
        """

    async def put_own(self, content: bytes | AsyncIterable[bytes]) -> Held:
        """Do as `put` with a content that nobody sent, so that a limit on what people send does not concern it.

        Raises: ValueError: the store allows no larger ones at all.
        """
        return await self.put(content)

    @abstractmethod
    async def hold(self, sha256: str) -> Held | None:
        """Keep a stored content until `settle`; None when it is not stored.

        For a transaction that makes a row with a content stored before, or drops one; call it before the commit.
        """

    @abstractmethod
    async def settle(self, held: Held, is_needed: IsNeeded) -> None:
        """Let go of a hold whose transaction has ended: a content that no row needs is removed. Repeats are harmless.

        Raises: StorageRefusedError: a row needs the content, and it is gone: the hold was older than one hour.
        Whatever `is_needed` raises; the hold stays for `recover`.
        """

    @abstractmethod
    async def read(self, sha256: str) -> bytes | None:
        """Return a content, or None when it is not stored.

        Raises: StorageRefusedError: it is damaged.
        """

    @abstractmethod
    def stream(self, sha256: str) -> AsyncGenerator[bytes, None]:
        """Give a content in chunks of at most 1 MiB, its hash checked before the first.

        A content that is removed meanwhile is given to its end. Who may stop earlier closes the generator.

        Raises: StorageRefusedError: it is not stored, or damaged; at the first chunk.
        """

    @abstractmethod
    async def exists(self, sha256: str) -> bool:
        """Tell whether a content is stored, needed or not; its hash is not checked."""

    @abstractmethod
    async def recover(self, is_needed: IsNeeded) -> None:
        """Settle the holds older than one hour, and remove what puts left unfinished for as long. Call it at start."""

    async def discard(self, sha256s: Iterable[str], is_needed: IsNeeded) -> None:
        """Remove, of these contents, those that no row needs; call it after rows were deleted.

        A crash between that commit and this call leaves them stored. Who cannot have that calls `hold` before the
        deletion and `settle` after it, which is all that this does.
        """
        known = [check_sha256(sha256) for sha256 in dict.fromkeys(sha256s)]
        for held in [await self.hold(sha256) for sha256 in known]:
            if held:
                await self.settle(held, is_needed)
