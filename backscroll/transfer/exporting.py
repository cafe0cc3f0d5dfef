"""Exports: what is kept as one JSONL file, and the contents of its files beside it.

The file has its name only when it is whole. Knows no command line. Proved by `tests/unit/transfer/test_exporting.py`.
"""

import asyncio
import fcntl
import os
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from backscroll.errors import StorageRefusedError
from backscroll.storage.archive import ArchivedThread, LooseKind
from backscroll.storage.attachments import Attachments
from backscroll.storage.provider import StorageProvider
from backscroll.transfer.contents import checked
from backscroll.transfer.firsts import Firsts
from backscroll.transfer.jsonl import LINE_BYTES, End, Header, Line, write_line, write_thread
from backscroll.transfer.reading import loose_pages, pages


@dataclass(frozen=True, slots=True)
class Selection:
    """Which threads are exported: all that meet each condition. Other things go along only when there is none.

    `since` and `until` are about when a thread changed last, and when it began; both are inclusive.
    """

    thread_ids: tuple[str, ...] = ()
    platform: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self == Selection()

    def has(self, thread: ArchivedThread) -> bool:
        """Tell whether a thread meets the conditions, those on its id excepted."""
        return (
            (self.platform is None or self.platform in thread.platforms)
            and (self.since is None or thread.updated_at >= self.since)
            and (self.until is None or thread.created_at <= self.until)
        )


@dataclass
class Exported:
    """What an export has written so far. `missing_files` are hashes of contents that could not be read."""

    threads: int = 0
    messages: int = 0
    loose: Counter[LooseKind] = field(default_factory=Counter)
    """What is kept beside threads: how many of each kind."""
    files: int = 0
    missing_files: Firsts[str] = field(default_factory=Firsts)
    long_threads: list[str] = field(default_factory=list)
    """Threads with a message that is longer than a line may be; no import takes it."""


async def export_jsonl(
    provider: StorageProvider,
    attachments: Attachments,
    out: BinaryIO,
    *,
    version: str,
    files: Path | None = None,
    selection: Selection = Selection(),
    progress: Callable[[Exported], None] = lambda _: None,
) -> Exported:
    """Write what is kept to a file, page by page, so that memory stays as it is however much there is.

    A bot may go on writing: each page is as it was when it was read. Each content is whole on the disk when it gets its
    name, and has it before a line that needs it is written.

    Args: files: the directory for the contents of files; None leaves them out.
    Raises: StorageError: the storage, or the file, cannot go on. BrokenPipeError: nobody reads the file.
    """
    told = Exported()
    with refusing(getattr(out, "name", "the export")):
        await _write(out, [write_line(Line(backscroll=Header(version=version, is_whole=selection.is_all)))])
        async with aclosing(_selected(provider, selection)) as selected:
            async for page in selected:
                await _export_page(page, attachments, out, files, told)
                progress(told)
        if selection.is_all:
            async with aclosing(loose_pages(provider)) as every:
                async for things in every:
                    told.loose.update(thing.kind for thing in things)
                    await _write(out, [write_line(Line(loose=each)) for each in things])
                    progress(told)
        end = End(threads=told.threads, messages=told.messages, loose=told.loose.total())
        await _write(out, [write_line(Line(end=end))])
        await asyncio.to_thread(out.flush)
    return told


@contextmanager
def whole_file(path: Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing that gets its name only when the block has ended well.

    Until then it is `<name>.part`, which goes when the block fails, and which the next one writes over. What is no
    file, such as a pipe, is written as it is.

    Args: force: a file that has the name already is replaced.
    Raises: StorageRefusedError: there is such a file; another export writes it; or it cannot be written.
    """
    with refusing(str(path)):
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as file:
                yield file
            return
        _check_free(path, force)
        whole = path.resolve()  # a link stays one
        part = whole.with_name(f"{whole.name}.part")
        with _locked(part, path) as file:
            try:
                _check_free(path, force)  # another export may have ended meanwhile
                file.truncate()
                yield file
                _sync(file)
                part.replace(whole)
            except BaseException:
                part.unlink(missing_ok=True)
                raise


def _check_free(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise StorageRefusedError(f"{path} is there already.", "Name another file, or replace it with --force.")


@contextmanager
def _locked(part: Path, path: Path) -> Iterator[BinaryIO]:
    """Open a file that this export alone writes.

    Raises: StorageRefusedError: another one writes it. OSError.
    """
    while True:
        opened = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(opened, "wb") as file:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StorageRefusedError(
                    f"Another export writes {path}.", "Wait for it, or name another file."
                ) from None
            if _is_at(part, opened):
                yield file
                return
            # Another export ended since it was opened here: this is its whole file, or is gone.


def _is_at(path: Path, opened: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(opened))
    except FileNotFoundError:
        return False


@contextmanager
def refusing(name: str) -> Iterator[None]:
    """Make our error of one of the operating system's, such as a full disk.

    Raises: StorageRefusedError
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        fact = f"{name} cannot be written: {error.strerror or type(error).__name__}."
        raise StorageRefusedError(fact, "Check the path, its permissions and the room on its disk.") from None


async def _selected(provider: StorageProvider, selection: Selection) -> AsyncGenerator[list[ArchivedThread], None]:
    ids = sorted(set(selection.thread_ids)) or None
    chosen: str | None = None
    async with aclosing(pages(provider, thread_ids=ids)) as every:
        async for page in every:
            selected = []
            for piece in page:
                # A thread's later pieces go along with its first, whatever became of it meanwhile.
                if (piece.is_continuation and piece.id == chosen) or (
                    not piece.is_continuation and selection.has(piece)
                ):
                    chosen = piece.id
                    selected.append(piece)
            if selected:
                yield selected


async def _export_page(
    page: list[ArchivedThread], attachments: Attachments, out: BinaryIO, files: Path | None, told: Exported
) -> None:
    lines: list[bytes] = []
    for piece in page:
        if files is not None:
            for sha256 in piece.files:
                await _export_file(attachments, sha256, files, told)
        its = list(write_thread(piece))
        if any(len(line) > LINE_BYTES for line in its):
            told.long_threads.append(piece.id)
        lines += its
        told.threads += not piece.is_continuation
        told.messages += len(piece.messages)
    await _write(out, lines)


async def _export_file(attachments: Attachments, sha256: str, directory: Path, told: Exported) -> None:
    path = directory / sha256
    if await asyncio.to_thread(path.is_file):  # whole: it has its name
        return
    content = await checked(await attachments.open_content(sha256))
    if content is None:
        told.missing_files.note_once([sha256])
        return
    part = directory / f"{sha256}.part"
    try:
        async with aclosing(content):
            file = await asyncio.to_thread(_open_part, part)
            try:
                async for chunk in content:
                    await asyncio.to_thread(file.write, chunk)
                await asyncio.to_thread(_sync, file)
            finally:
                await asyncio.to_thread(file.close)
        await asyncio.to_thread(part.replace, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    told.files += 1


def _open_part(part: Path) -> BinaryIO:
    part.parent.mkdir(0o700, parents=True, exist_ok=True)
    return part.open("wb")


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


async def _write(out: BinaryIO, lines: list[bytes]) -> None:
    await asyncio.to_thread(out.writelines, lines)
