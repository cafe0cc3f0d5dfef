"""Work on a disk, in threads: each step to its end, and its faults as errors of ours."""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterable
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar

from backscroll.errors import StorageRefusedError, StorageUnavailableError
from backscroll.storage.tasks import to_its_end

_T = TypeVar("_T")
_PASSING = (errno.EIO, errno.EAGAIN, errno.EBUSY, errno.EMFILE, errno.ENFILE, errno.ENOENT, errno.ESTALE)


async def in_thread(work: Callable[..., _T], *args: Any) -> _T:
    """Run disk work in a thread, to its end even when cancelled, so that nothing goes on behind the caller's back."""
    running = asyncio.get_running_loop().run_in_executor(None, work, *args)
    try:
        return await to_its_end(running)
    except OSError as error:
        fact = f"{error.strerror} ({errno.errorcode.get(error.errno or 0, type(error).__name__)})"
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageUnavailableError(f"The file store is full: {fact}.", "Free space on its disk.") from error
        if error.errno in _PASSING:
            raise StorageUnavailableError(f"The file store does not answer: {fact}.", "Check its disk.") from error
        hint = "Check that its directory belongs to this user and can be written."
        raise StorageRefusedError(f"The file store cannot be used: {fact}.", hint) from error


async def once(content: bytes) -> AsyncIterator[bytes]:
    """Give a content as a stream of one chunk."""
    yield content


def is_writable(directory: Path) -> bool:
    """Tell whether files can be written in a directory, or, where there is none, whether it can be made."""
    there = next(path for path in (directory, *directory.absolute().parents) if os.path.lexists(path))
    return there.is_dir() and os.access(there, os.R_OK | os.W_OK | os.X_OK)


def open_file(path: Path) -> BufferedReader:
    """Open a file for reading, no link."""
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW))


def append(part: Path, data: bytearray, digest: "hashlib._Hash") -> None:
    """Write at the end of a file that is there, and hash what is written."""
    digest.update(data)
    with part.open("r+b") as file:  # which makes none: a part that recover() took away must not begin in its middle
        file.seek(0, os.SEEK_END)
        file.write(data)


def flush(path: Path) -> None:
    """Bring a file to the disk, as of now."""
    with path.open("r+b") as file:
        os.utime(path)  # after a stream that stood still for long, it must not be born an old hold
        os.fsync(file.fileno())


def hash_of(file: BufferedReader) -> str:
    """Hash the rest of an open file."""
    return hashlib.file_digest(file, "sha256").hexdigest()


def remove(paths: Iterable[Path]) -> None:
    """Remove files; silent where there is none."""
    for path in paths:
        path.unlink(missing_ok=True)


def sync(directory: Path) -> None:
    """Bring a directory's names to the disk."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
