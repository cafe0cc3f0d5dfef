"""The contents of files on their way into another file store: opened, checked, and named where they are not to be had.

Proved by `tests/unit/transfer/test_importing.py` and `tests/scenario/test_moving_data.py`.
"""

import asyncio
import errno
import hashlib
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from io import BufferedReader
from pathlib import Path

from backscroll.errors import StorageRefusedError
from backscroll.storage.archive import ArchivedThread, Merged
from backscroll.storage.attachments import Attachments
from backscroll.storage.files.contract import CHUNK_BYTES, check_sha256
from backscroll.storage.provider import StorageProvider
from backscroll.transfer.firsts import Firsts

Opener = Callable[[str], Awaitable[AsyncGenerator[bytes, None] | None]]
"""Gives the content of a SHA-256 in chunks; None where it is not to be had."""


class Contents:
    """Gives pieces of an archive to a storage, with the contents that they need."""

    def __init__(self, opener: Opener | None) -> None:
        """Take contents from somewhere; None leaves them out, and none is missing then."""
        self._opener = opener
        self.missing = Firsts[str]()
        """The hashes of contents that were not to be had, or were damaged."""
        self.count = 0
        """How many were given, none of which was there before."""

    async def write(
        self,
        attachments: Attachments,
        provider: StorageProvider,
        pieces: Sequence[ArchivedThread],
        *,
        mirror: bool = False,
    ) -> list[Merged]:
        """Merge pieces with what is kept, and return what became of each. A message comes without a missing content.

        Args, raises: as `merge_archive`.
        """
        return await attachments.write_archive(
            pieces, self._open, lambda: provider.merge_archive(pieces, mirror=mirror)
        )

    async def _open(self, sha256: str) -> AsyncIterator[bytes] | None:
        if self._opener is None:
            return None
        content = await checked(await self._opener(sha256))
        if content is None:
            self.missing.note_once([sha256])
        else:
            self.count += 1
        return content


async def checked(content: AsyncGenerator[bytes, None] | None) -> AsyncGenerator[bytes, None] | None:
    """Begin to read a content, so that one which is gone or damaged is None here."""
    if content is None:
        return None
    try:
        first = await anext(content, b"")
    except StorageRefusedError:
        return None
    return _going_on(first, content)


async def _going_on(first: bytes, content: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for chunk in content:
            yield chunk
    finally:
        await content.aclose()


def exported_files(directory: Path) -> Opener:
    """Return what opens the contents that an export left in a directory, each named by its hash."""

    async def opener(sha256: str) -> AsyncGenerator[bytes, None] | None:
        return _chunks(directory / check_sha256(sha256))

    return opener


async def _chunks(path: Path) -> AsyncGenerator[bytes, None]:
    """Give a content that has its hash.

    Raises: StorageRefusedError: it is not there, or damaged; at the first chunk.
    """
    file: BufferedReader | None = None
    try:
        file = await asyncio.to_thread(_opened, path)
        if await asyncio.to_thread(_hash_of, file) != path.name:
            raise StorageRefusedError(f"File {path.name} is damaged: its content has another hash.")
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
    except OSError as error:
        raise StorageRefusedError(f"File {path.name} cannot be read: {error.strerror}.") from None
    finally:
        if file is not None:
            file.close()


def _opened(path: Path) -> BufferedReader:
    """Open a regular file; a pipe or a device of its name would never end, or never begin.

    Raises: OSError
    """
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(errno.EINVAL, "it is no file")
    return os.fdopen(opened, "rb")


def _hash_of(file: BufferedReader) -> str:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return digest
