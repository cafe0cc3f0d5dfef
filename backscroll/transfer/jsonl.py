"""The file format: JSONL in UTF-8. A header, a line for each thread, a line for each other thing, and a last line.

    {"backscroll": {"format": 1, "version": "0.1.0", "exported_at": "2026-11-21T20:00:00Z", "is_whole": true}}
    {"thread": {…}}                     an `ArchivedThread`; of a long one further lines follow, `is_continuation`
    {"loose": {…}}                      a `Loose`
    {"end": {"threads": 2, "messages": 9, "loose": 1}}

Who reads one trusts nothing in it: a line has a bound, all of it is checked, and an error names the line and the field,
never what stands there. Proved by `tests/unit/transfer/test_jsonl.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backscroll.storage.archive import (
    ArchivedAnswer,
    ArchivedApproval,
    ArchivedBlock,
    ArchivedFeedback,
    ArchivedMessage,
    ArchivedPart,
    ArchivedReaction,
    ArchivedThread,
    ArchivedVersion,
    Loose,
)
from backscroll.storage.models import Attachment, Count, Instant, Message, Text
from backscroll.storage.values import utc_now

FORMAT: Literal[1] = 1
"""The version of the format that this release writes, and the newest that it reads."""

LINE_BYTES = 64 * 1024 * 1024
"""Bytes of a line, at most; a longer one is passed by without being read whole."""

PIECE_BYTES = 8 * 1024 * 1024
"""Bytes of a thread's line after which it goes on in a further one."""

GAP = 1000
"""How far a message's number may be above the one before it; of a whole file it is 1."""

BATCH_BYTES = 1024 * 1024
"""Bytes that are read at once, with the rest of the last line."""

_CHUNK_BYTES = 64 * 1024
_BOM = b"\xef\xbb\xbf"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Header(_Line):
    """What a file says of itself. `is_whole`: all was exported, not some of the threads."""

    format: Literal[1] = FORMAT
    version: Text
    exported_at: Instant = Field(default_factory=utc_now)
    is_whole: bool = True


class End(_Line):
    """How much stands before it, so that one who reads notices what is cut off. Pieces are no threads."""

    threads: Count = 0
    messages: Count = 0
    loose: Count = 0


class Line(_Line):
    """One line: exactly one of these."""

    backscroll: Header | None = None
    thread: ArchivedThread | None = None
    loose: Loose | None = None
    end: End | None = None


class _AnyHeader(BaseModel):
    class _Version(BaseModel):
        format: int

    model_config = ConfigDict(hide_input_in_errors=True)
    backscroll: _Version


_LINES = (
    Header, End, Line, Loose, ArchivedThread, ArchivedMessage, ArchivedAnswer, ArchivedApproval, ArchivedBlock,
    ArchivedFeedback, ArchivedPart, ArchivedReaction, ArchivedVersion, Message, Attachment,
)  # fmt: skip
_FIELDS = {name for model in _LINES for name in model.model_fields}


@dataclass(frozen=True, slots=True)
class RawLine:
    """One line as it was read. `data` is None of one that is longer than `LINE_BYTES`.

    `is_ended`: a line feed follows it, as every line of a whole file has one.
    """

    number: int
    data: bytes | None
    is_ended: bool


class LineFaultError(ValueError):
    """A line cannot be kept; its text says where and why, and quotes nothing."""


def write_line(line: Line) -> bytes:
    """Write one line with its line feed."""
    (name,) = line.model_fields_set
    return b'{"%s":%s}\n' % (name.encode(), getattr(line, name).model_dump_json().encode())


def write_thread(piece: ArchivedThread) -> Iterator[bytes]:
    """Write a thread's piece in lines of some `PIECE_BYTES`; a message is in one line, whatever its size."""
    data = write_line(Line(thread=piece))
    count = len(piece.messages)
    if len(data) <= PIECE_BYTES or count < 2:
        yield data
        return
    del data
    first, rest = piece.messages[: count // 2], piece.messages[count // 2 :]
    yield from write_thread(piece.model_copy(update={"messages": first}))
    yield from write_thread(piece.model_copy(update={"messages": rest, "is_continuation": True}))


class LineReader:
    """Reads the lines of a file some at a time, never more than `LINE_BYTES` of one."""

    def __init__(self, file: BinaryIO, *, limit_bytes: int = LINE_BYTES) -> None:
        self._file = file
        self._limit_bytes = limit_bytes
        self._number = 0
        self.read_bytes = 0

    def read(self) -> list[RawLine]:
        """Return the next lines that say anything, some `BATCH_BYTES` of them; none at the end."""
        lines: list[RawLine] = []
        until = self.read_bytes + BATCH_BYTES
        while self.read_bytes < until and (line := self._next()) is not None:
            if line.data is None or line.data.strip():
                lines.append(line)
            if line.data is None and line.number == 1:
                break  # what begins so is no export, and may be a device that never ends
        return lines

    def _next(self) -> RawLine | None:
        data = self._file.readline(self._limit_bytes + 1)
        if not data:
            return None
        self._number += 1
        self.read_bytes += len(data)
        if data.endswith(b"\n") or len(data) <= self._limit_bytes:
            data = data.removeprefix(_BOM) if self._number == 1 else data
            return RawLine(self._number, data, data.endswith(b"\n"))
        del data
        return RawLine(self._number, None, self._number > 1 and self._skip())

    def _skip(self) -> bool:
        """Pass the rest of a line by; tell whether it ended."""
        while data := self._file.readline(_CHUNK_BYTES):
            self.read_bytes += len(data)
            if data.endswith(b"\n"):
                return True
        return False


def parse(line: RawLine) -> Line:
    """Check a line and return what it says.

    Raises: LineFaultError: it says nothing that could be kept.
    """
    if line.data is None:
        raise LineFaultError(f"longer than {LINE_BYTES // 1024**2} MiB")
    try:
        parsed = Line.model_validate_json(line.data)
    except ValidationError as error:
        raise LineFaultError(_told(error)) from None
    if len(parsed.model_fields_set) != 1 or getattr(parsed, *parsed.model_fields_set) is None:
        raise LineFaultError('not one of "backscroll", "thread", "loose" and "end"')
    if parsed.thread is not None:
        _check_order(parsed.thread)
    return parsed


def format_of(line: RawLine) -> int | None:
    """Return the version of the format that a header names; None where the line is no header of any version."""
    try:
        return _AnyHeader.model_validate_json(line.data or b"").backscroll.format
    except ValidationError:
        return None


def _check_order(piece: ArchivedThread) -> None:
    """Refuse messages that are out of order: their numbers would come out other than they are."""
    last = None if piece.is_continuation else 0
    for index, each in enumerate(piece.messages):
        sequence = each.message.sequence
        place = f"thread.messages.{index}.message.sequence"
        if sequence is None or not follows(sequence, last):
            raise LineFaultError(f"{place}: does not follow the one before")
        last = sequence


def follows(sequence: int, last: int | None) -> bool:
    """Tell whether a message may stand after the one that is numbered `last`; None where that is not known.

    Numbers have no gaps. One out of all measure would be asked for one by one, or leave no room for the thread's next.
    """
    return last is None or last < sequence <= last + GAP


def _told(error: ValidationError) -> str:
    """Tell the first fault: the path of its field and what is wrong, without a key or value that somebody chose."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    path = ".".join(str(part) if isinstance(part, int) or part in _FIELDS else "*" for part in first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    return (f"{path}: {what}" if path else what)[:200]
