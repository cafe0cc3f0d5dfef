"""Imports of the JSONL that exports write: line after line, each merged with what is kept.

A line that cannot be kept stops no other; it is named by its number. The same file again changes nothing, so an import
that was cut off is simply run again. Knows no command line. Proved by `tests/unit/transfer/test_importing.py`.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from backscroll.errors import StorageError, StorageRefusedError, StorageUnavailableError, named
from backscroll.storage.archive import ArchivedThread, Loose, LooseKind
from backscroll.storage.attachments import Attachments
from backscroll.storage.provider import StorageProvider
from backscroll.transfer.contents import Contents
from backscroll.transfer.jsonl import FORMAT, End, LineFaultError, LineReader, RawLine, follows, format_of, parse

NAMED = 20
"""Of faulty lines, so many are named."""

BATCH_COUNT = 500
"""Messages, or lines, that are merged at once."""

BATCH_BYTES = 8 * 1024 * 1024
"""Bytes of lines that are merged at once."""

REFUSALS = 3
"""After so many lines that the storage refused, and none that it kept, an import ends."""

_NO_EXPORT = "Name a file that `backscroll export` wrote; Slack's own export is for `backscroll import slack-export`."


@dataclass
class Imported:
    """What an import has done so far. `threads` and `messages` are those of the lines that are kept."""

    read_bytes: int = 0
    threads: int = 0
    messages: int = 0
    loose: Counter[LooseKind] = field(default_factory=Counter)
    """What is kept beside threads: how many of each kind."""
    new_threads: int = 0
    new_messages: int = 0
    changed_messages: int = 0
    new_loose: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)
    """The first lines that could not be kept: their numbers, and what is wrong with them."""
    fault_count: int = 0
    is_cut_off: bool = False
    """Whether the file's last line is missing."""
    is_miscounted: bool = False
    """Whether the file's last line counts other than what stands before it, none of which is faulty."""
    missing_files: list[str] = field(default_factory=list)
    missing_file_count: int = 0

    @property
    def is_faithful(self) -> bool:
        """Whether all that the file says, or should say, is kept."""
        return not (self.fault_count or self.is_cut_off or self.is_miscounted or self.missing_file_count)


async def import_jsonl(
    provider: StorageProvider,
    attachments: Attachments,
    file: BinaryIO,
    *,
    name: str,
    contents: Contents,
    progress: Callable[[Imported], None] = lambda _: None,
) -> Imported:
    """Merge what a file says with what is kept.

    Args: name: what errors call the file. contents: where the contents of files are.
    Raises: StorageRefusedError: the file is no export, or one of a newer format. StorageError: the storage does not
        keep it.
    """
    importing = _Importing(provider, attachments, name, contents)
    reader = LineReader(file)
    while True:
        try:
            lines = await asyncio.to_thread(reader.read)
        except OSError as error:
            raise StorageRefusedError(f"{name} cannot be read: {error.strerror}.", "Check the file.") from None
        if not lines:
            break
        for line in lines:
            await importing.take(line)
        importing.told.read_bytes = reader.read_bytes
        progress(importing.told)
    await importing.end()
    progress(importing.told)
    return importing.told


class _Importing:
    """Where an import is: the header it stands behind, and what is to be merged next."""

    def __init__(self, provider: StorageProvider, attachments: Attachments, name: str, contents: Contents) -> None:
        self._provider, self._attachments = provider, attachments
        self._name, self._contents = name, contents
        self._is_begun = False
        self._seen = End()
        self._end: End | None = None
        self._last = ("", 0)
        self._pieces: list[tuple[int, ArchivedThread]] = []
        self._things: list[tuple[int, Loose]] = []
        self._count = self._bytes = self._refusals = 0
        self.told = Imported()

    async def take(self, line: RawLine) -> None:
        """Take one line."""
        if not self._is_begun:
            self._must_be_header(line)
        try:
            parsed = parse(line)
        except LineFaultError as error:
            if (version := format_of(line)) not in (None, FORMAT):
                await self._merge()
                raise _too_new(f"{self._name}:{line.number}", version) from None
            if line.is_ended or line.data is None:
                self._fault(line.number, str(error))
            return  # else it is half a line, and the file is cut off
        if parsed.backscroll is not None:
            self._close_part()
            self._is_begun = True
        elif parsed.end is not None:
            self._end = parsed.end
        elif parsed.thread is not None:
            await self._take_thread(line.number, parsed.thread)
        elif parsed.loose is not None:
            self._things.append((line.number, parsed.loose))
            self._count_seen(loose=1)
        self._bytes += len(line.data or b"")
        self._count += 1 + (0 if parsed.thread is None else len(parsed.thread.messages))
        if self._count >= BATCH_COUNT or self._bytes >= BATCH_BYTES:
            await self._merge()

    async def end(self) -> None:
        """Merge what is left, and look whether the file is whole."""
        if not self._is_begun:
            raise StorageRefusedError(f"{self._name} is empty.", _NO_EXPORT)
        await self._merge()
        self._close_part()
        self.told.missing_files, self.told.missing_file_count = self._contents.missing, self._contents.missing_count

    def _must_be_header(self, line: RawLine) -> None:
        version = format_of(line)
        if version is None:
            raise StorageRefusedError(f"{self._name}:{line.number}: no export of Backscroll begins so.", _NO_EXPORT)
        if version != FORMAT:
            raise _too_new(f"{self._name}:{line.number}", version)

    def _close_part(self) -> None:
        """Compare what was seen with what the last line says; a file may be several exports, one after the other."""
        if self._is_begun:
            if self._end is None:
                self.told.is_cut_off = True
            elif self._end != self._seen and not self.told.fault_count:
                self.told.is_miscounted = True
        self._seen, self._end = End(), None

    def _count_seen(self, threads: int = 0, messages: int = 0, loose: int = 0) -> None:
        seen = self._seen
        self._seen = End(threads=seen.threads + threads, messages=seen.messages + messages, loose=seen.loose + loose)

    async def _take_thread(self, number: int, piece: ArchivedThread) -> None:
        if piece.is_continuation and not await self._goes_on(piece):
            self._fault(number, "thread: goes on with a thread whose beginning is not before it; import it again")
            return
        self._count_seen(threads=not piece.is_continuation, messages=len(piece.messages))
        self._last = (piece.id, piece.messages[-1].message.sequence or 0 if piece.messages else 0)
        self._pieces.append((number, piece))

    async def _goes_on(self, piece: ArchivedThread) -> bool:
        """Tell whether a later piece follows what is known of its thread: else its messages would come first."""
        thread_id, last = self._last
        if thread_id != piece.id:
            await self._merge()
            thread = await self._provider.get_thread(piece.id, limit=1)
            if thread is None:
                return False
            last = max((each.sequence or 0 for each in thread.messages), default=0)
        sequences = [each.message.sequence or 0 for each in piece.messages]
        return not sequences or sequences[0] <= last or follows(sequences[0], last)

    def _fault(self, number: int, fault: str) -> None:
        self.told.fault_count += 1
        if len(self.told.faults) < NAMED:
            self.told.faults.append((number, fault))

    async def _merge(self) -> None:
        pieces, things = self._pieces, self._things
        self._pieces, self._things, self._count, self._bytes = [], [], 0, 0
        if pieces:
            await self._merge_threads(pieces)
        if things:
            await self._merge_loose(things)

    async def _merge_threads(self, pieces: list[tuple[int, ArchivedThread]]) -> None:
        told = self.told
        try:
            merged = await self._contents.write(self._attachments, self._provider, [piece for _, piece in pieces])
        except StorageUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  # one line costs no other; it is named
            if len(pieces) == 1:
                self._refuse(pieces[0][0], error)
                return
            for each in pieces:  # one of them; those that went well before it are repeats
                await self._merge_threads([each])
            return
        for (_, piece), its in zip(pieces, merged, strict=True):
            told.threads += not piece.is_continuation
            told.messages += len(piece.messages)
            told.new_threads += its.is_new
            told.new_messages += its.new_messages
            told.changed_messages += its.changed_messages

    async def _merge_loose(self, things: list[tuple[int, Loose]]) -> None:
        try:
            self.told.new_loose += await self._provider.merge_loose([thing for _, thing in things])
        except StorageUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  # one line costs no other; it is named
            if len(things) == 1:
                self._refuse(things[0][0], error)
                return
            for each in things:
                await self._merge_loose([each])
            return
        self.told.loose.update(thing.kind for _, thing in things)

    def _refuse(self, number: int, error: Exception) -> None:
        """Note that the storage does not keep a line; a storage that keeps no line at all is to blame itself.

        Raises: StorageError
        """
        if isinstance(error, StorageError):
            self._refusals += 1
            if self._refusals >= REFUSALS and not (self.told.threads or self.told.loose):
                raise error
        self._fault(number, error.message if isinstance(error, StorageError) else f"not to be kept ({named(error)})")


def _too_new(place: str, version: int) -> StorageRefusedError:
    return StorageRefusedError(
        f"{place}: the format is version {version}; this release knows version {FORMAT}.",
        "Import it with the release that wrote it, or upgrade Backscroll.",
    )
