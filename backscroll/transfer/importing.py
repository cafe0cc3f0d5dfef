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
from backscroll.storage.archive import ArchivedThread, Loose, LooseKind, Merged, PieceRefusedError
from backscroll.storage.attachments import Attachments
from backscroll.storage.provider import StorageProvider
from backscroll.transfer.contents import Contents
from backscroll.transfer.firsts import Firsts
from backscroll.transfer.jsonl import FORMAT, End, LineFaultError, LineReader, RawLine, follows, format_of, parse

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
    faults: Firsts[tuple[int, str]] = field(default_factory=Firsts)
    """The lines that could not be kept: their numbers, and what is wrong with them."""
    is_cut_off: bool = False
    """Whether the file's last line is missing."""
    is_miscounted: bool = False
    """Whether the file's last line counts other than what stands before it, none of which is faulty."""
    missing_files: Firsts[str] = field(default_factory=Firsts)

    @property
    def is_faithful(self) -> bool:
        """Whether all that the file says, or should say, is kept."""
        return not (self.faults or self.is_cut_off or self.is_miscounted or self.missing_files)


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
        self._refused: set[str] = set()
        self._pieces: list[tuple[int, ArchivedThread]] = []
        self._things: list[tuple[int, Loose]] = []
        self._count = self._bytes = self._refusals = 0
        self.told = Imported(missing_files=contents.missing)

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
                self.told.faults.note((line.number, str(error)))
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
            elif self._end != self._seen and not self.told.faults:
                self.told.is_miscounted = True
        self._seen, self._end = End(), None

    def _count_seen(self, threads: int = 0, messages: int = 0, loose: int = 0) -> None:
        seen = self._seen
        self._seen = End(threads=seen.threads + threads, messages=seen.messages + messages, loose=seen.loose + loose)

    async def _take_thread(self, number: int, piece: ArchivedThread) -> None:
        if piece.is_continuation and not await self._goes_on(piece):
            fault = "thread: goes on with a thread whose beginning is not before it; import it again"
            self.told.faults.note((number, fault))
            return
        self._count_seen(threads=not piece.is_continuation, messages=len(piece.messages))
        self._last = (piece.id, piece.messages[-1].message.sequence or 0 if piece.messages else 0)
        self._pieces.append((number, piece))

    async def _goes_on(self, piece: ArchivedThread) -> bool:
        """Tell whether a later piece follows what is kept of its thread: else its messages would come first."""
        await self._merge()
        if piece.id in self._refused:
            return False
        thread_id, last = self._last
        if thread_id != piece.id:
            thread = await self._provider.get_thread(piece.id, limit=1)
            if thread is None:
                return False
            last = max((each.sequence or 0 for each in thread.messages), default=0)
        sequences = [each.message.sequence or 0 for each in piece.messages]
        return not sequences or sequences[0] <= last or follows(sequences[0], last)

    async def _merge(self) -> None:
        pieces, things = self._pieces, self._things
        self._pieces, self._things, self._count, self._bytes = [], [], 0, 0
        if pieces:
            await self._merge_threads(pieces)
        if things:
            await self._merge_loose(things)

    async def _merge_threads(self, pieces: list[tuple[int, ArchivedThread]]) -> None:
        merged: list[Merged] = []
        refused: BaseException | None = None
        try:
            merged = await self._contents.write(self._attachments, self._provider, [piece for _, piece in pieces])
        except StorageUnavailableError:
            raise
        except PieceRefusedError as error:
            merged, refused = error.merged, error.__cause__ or error
        except Exception as error:  # noqa: BLE001  # one line costs no other; it is named
            if len(pieces) > 1:  # the contents of one of them; nothing is merged yet
                for each in pieces:
                    await self._merge_threads([each])
                return
            refused = error
        self._count_kept([piece for _, piece in pieces[: len(merged)]], merged)
        if refused is not None:
            number, piece = pieces[len(merged)]
            self._refused.add(piece.id)
            self._refuse(number, refused)
            for each in pieces[len(merged) + 1 :]:  # one by one: more of them may be refused
                await self._merge_threads([each])

    def _count_kept(self, pieces: list[ArchivedThread], merged: list[Merged]) -> None:
        told = self.told
        for piece, its in zip(pieces, merged, strict=True):
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

    def _refuse(self, number: int, error: BaseException) -> None:
        """Note that the storage does not keep a line; a storage that keeps no line at all is to blame itself.

        Raises: StorageError
        """
        if isinstance(error, StorageError):
            self._refusals += 1
            if self._refusals >= REFUSALS and not (self.told.threads or self.told.loose):
                raise error
        fault = error.message if isinstance(error, StorageError) else f"not to be kept ({named(error)})"
        self.told.faults.note((number, fault))


def _too_new(place: str, version: int) -> StorageRefusedError:
    return StorageRefusedError(
        f"{place}: the format is version {version}; this release knows version {FORMAT}.",
        "Import it with the release that wrote it, or upgrade Backscroll.",
    )
