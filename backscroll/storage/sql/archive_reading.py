"""Archives read out of the tables: a page of threads by a constant number of statements, each over a set of ids.

Rows were checked before they were written, so models are built without being checked again. Proved by
`tests/contract/test_archives.py` and `tests/unit/storage/sql/test_archives.py`.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    exists,
    literal_column,
    select,
    text,
    type_coerce,
)
from sqlalchemy.types import NullType

from backscroll.storage.archive import (
    END,
    ArchivedAnswer,
    ArchivedApproval,
    ArchivedBlock,
    ArchivedFeedback,
    ArchivedMessage,
    ArchivedPart,
    ArchivedReaction,
    ArchivedThread,
    ArchivedVersion,
    ArchiveMark,
)
from backscroll.storage.models import Attachment, Message
from backscroll.storage.sql.agent_tables import approvals, feedback, message_blocks
from backscroll.storage.sql.engine import Connection, Database, Work
from backscroll.storage.sql.rows import FILE_FIELDS, THREAD_COLUMNS
from backscroll.storage.sql.tables import (
    aliases,
    answers,
    message_files,
    message_parts,
    message_reactions,
    message_versions,
    messages,
    threads,
)
from backscroll.storage.sql.types import any_of
from backscroll.storage.values import from_json

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_EXTERNAL = ("platform", "workspace", "channel", "external_id")
_THREADS = select(*THREAD_COLUMNS).order_by(threads.c.id)
_FROM = _THREADS.where(threads.c.id >= bindparam("first")).limit(bindparam("count"))
_NAMED = _THREADS.where(any_of(threads.c.id, "ids"))


def _as_text(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Read JSON as its text: that of all messages is then parsed at once."""
    return type_coerce(cast(column, Text), NullType())


_OBJECTS = ("source", "platforms", "attributes", "tool_calls", "metrics", "content_blocks")
_FIELDS = tuple(name for name in Message.model_fields if name not in ("attachments", "reactions", *_OBJECTS))
_MESSAGES = select(
    messages.c.thread_id,
    *(messages.c[name] for name in _EXTERNAL),
    *(_as_text(messages.c[name]) for name in _OBJECTS),
    *(messages.c[name] for name in _FIELDS),
).order_by(messages.c.sequence)
_OF_THREADS = _MESSAGES.where(any_of(messages.c.thread_id, "ids"))
_OF_THREAD = _MESSAGES.where(
    messages.c.thread_id == bindparam("thread_id"), messages.c.sequence > bindparam("start")
).limit(bindparam("count"))
_BY_IDS = _MESSAGES.where(any_of(messages.c.id, "ids"))
_ALIASES = (
    select(aliases.c.thread_id, aliases.c.alias).where(any_of(aliases.c.thread_id, "ids")).order_by(aliases.c.alias)
)
_FILES = (
    select(
        message_files.c.message_id,
        message_files.c.position,
        message_files.c.wanted_from,
        *(message_files.c[name] for name in FILE_FIELDS),
    )
    .where(any_of(message_files.c.message_id, "ids"))
    .order_by(message_files.c.position)
)
# The last event of each says when, as on every backend.
_REACTION_FIELDS = ("emoji", "user_id", "created_at", "event_at", "removed_at")
_REACTION_COLUMNS = ("emoji", "user_id", "event_at", "event_at", "removed_at")
_REACTIONS = (
    select(message_reactions.c.message_id, *(message_reactions.c[name] for name in _REACTION_COLUMNS))
    .where(any_of(message_reactions.c.message_id, "ids"))
    .order_by(message_reactions.c.position)
)
_VERSIONS = (
    select(
        message_versions.c.message_id,
        message_versions.c.content_blocks,
        message_versions.c.content,
        message_versions.c.written_at,
    )
    .where(any_of(message_versions.c.message_id, "ids"))
    .order_by(message_versions.c.version)
)
# What came from outside has one part, without a token: its message says where that is.
_PARTS = (
    select(message_parts)
    .where(any_of(message_parts.c.message_id, "ids"), message_parts.c.token.is_not(None))
    .order_by(message_parts.c.part)
)
_BLOCK_FIELDS = tuple(ArchivedBlock.model_fields)
_BLOCKS = (
    select(message_blocks.c.message_id, *(message_blocks.c[name] for name in _BLOCK_FIELDS))
    .where(any_of(message_blocks.c.message_id, "ids"))
    .order_by(message_blocks.c.position)
)
_FEEDBACK_FIELDS = tuple(ArchivedFeedback.model_fields)
_FEEDBACK = (
    select(
        feedback.c.message_id,
        *(feedback.c["attributes" if name == "metadata" else name] for name in _FEEDBACK_FIELDS),
    )
    .where(any_of(feedback.c.message_id, "ids"))
    .order_by(feedback.c.created_at, feedback.c.id)
)
_ANSWERS = select(answers).where(any_of(answers.c.message_id, "ids"))
_APPROVALS = select(approvals).where(any_of(approvals.c.answer_id, "ids")).order_by(approvals.c.number)

_NAMES: dict[type[BaseModel], set[str]] = {
    model: set(model.model_fields) for model in (ArchivedMessage, ArchivedReaction, ArchivedThread, Message)
}


@dataclass(frozen=True, slots=True)
class _Piece:
    """Which messages of a thread are read: the first `count` behind `start`; some numbers may be missing."""

    thread: Row[Any]
    start: int
    count: int
    is_continuation: bool

    @property
    def is_part(self) -> bool:
        """Whether it is not all of the thread."""
        return self.start > 0 or self.count < self.thread.last_sequence


async def read_at_once(database: Database, work: Work[T]) -> T:
    """Run `work`, all of whose selects see one state of the database."""
    if database.is_sqlite:
        return await database.read(work)

    async def see_one_state(connection: Connection) -> T:
        await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        return await work(connection)

    return await database.write(see_one_state)


async def read_page(
    connection: Connection, after: ArchiveMark | None, limit: int, thread_ids: Sequence[str] | None
) -> list[ArchivedThread]:
    """Read a page, as `read_archive` says."""
    while True:
        pieces = _cut(await _read_threads(connection, after, limit, thread_ids), after, limit)
        found = await _read_messages(connection, pieces)
        kept = [piece for piece in pieces if found[piece.thread.id] or not piece.is_continuation]
        if kept or not pieces:
            break
        after = ArchiveMark(pieces[-1].thread.id, END)  # of one that goes on there was nothing but gaps
    its_aliases: dict[str, list[str]] = defaultdict(list)
    if kept:
        ids = {"ids": [piece.thread.id for piece in kept]}
        for thread_id, alias in (await connection.execute(_ALIASES, ids)).all():
            its_aliases[thread_id].append(alias)
    return [_thread_of(piece, its_aliases[piece.thread.id], found[piece.thread.id]) for piece in kept]


async def _read_threads(
    connection: Connection, after: ArchiveMark | None, limit: int, thread_ids: Sequence[str] | None
) -> Sequence[Row[Any]]:
    """Read the threads that a page may begin."""
    first = "" if after is None else after.thread_id
    if thread_ids is None:
        return (await connection.execute(_FROM, {"first": first, "count": limit + 1})).all()
    rows: list[Row[Any]] = []
    for start in range(bisect_left(thread_ids, first), len(thread_ids), limit + 1):
        rows += (await connection.execute(_NAMED, {"ids": thread_ids[start : start + limit + 1]})).all()
        if len(rows) > 1:  # one may be the mark's own, of which nothing is left
            break
    return rows


async def read_archived(connection: Connection, message_ids: list[str]) -> dict[str, tuple[str, ArchivedMessage]]:
    """Read messages with all that belongs to them: `{id: (thread_id, message)}`; unknown ids are left out."""
    rows = (await connection.execute(_BY_IDS, {"ids": message_ids})).all() if message_ids else []
    built = await _build(connection, rows)
    return {row.id: (row.thread_id, each) for row, each in zip(rows, built, strict=True)}


def _cut(rows: Sequence[Row[Any]], after: ArchiveMark | None, limit: int) -> list[_Piece]:
    """Choose what a page holds: whole threads, or one piece of a thread that is longer than a page."""
    pieces: list[_Piece] = []
    left = limit
    for row in rows:
        is_continuation = after is not None and row.id == after.thread_id
        start = after.sequence if after is not None and is_continuation else 0
        if is_continuation and row.last_sequence <= start:
            continue
        count = row.last_sequence - start
        if pieces and max(count, 1) > left:
            break
        pieces.append(_Piece(row, start, min(count, limit), is_continuation))
        left -= max(count, 1)
        if left <= 0:
            break
    return pieces


async def _read_messages(connection: Connection, pieces: list[_Piece]) -> dict[str, list[ArchivedMessage]]:
    rows: list[Row[Any]] = []
    for piece in pieces:
        if piece.is_part:  # at most one: it begins a page or ends it
            its = {"thread_id": piece.thread.id, "start": piece.start, "count": piece.count}
            rows += (await connection.execute(_OF_THREAD, its)).all()
    whole = [piece.thread.id for piece in pieces if not piece.is_part]
    if whole:
        rows += (await connection.execute(_OF_THREADS, {"ids": whole})).all()
    found: dict[str, list[ArchivedMessage]] = defaultdict(list)
    for row, built in zip(rows, await _build(connection, rows), strict=True):
        found[row[0]].append(built)
    return found


async def _build(connection: Connection, rows: Sequence[Any]) -> list[ArchivedMessage]:
    """Build messages of their rows, with what belongs to them."""
    if not rows:
        return []
    ids = {"ids": [row.id for row in rows]}
    filled = (await connection.execute(_FILLED)).one()
    found: dict[str, dict[str, list[Any]]] = {}
    for name, (_, query, build) in _KINDS.items():
        its = (await connection.execute(query, ids)).all() if getattr(filled, name) else ()
        found[name] = _by_message(its, build)
    answered = await _read_answers(connection, ids) if filled.answers else {}
    objects = _parse(rows)
    return [_message_of(row, objects[number], found, answered) for number, row in enumerate(rows)]


def _parse(rows: Sequence[Any]) -> list[list[Any]]:
    """Parse the objects of all rows."""
    count = len(_OBJECTS)
    texts = [each or "null" for row in rows for each in row[5 : 5 + count]]
    parsed = from_json(f"[{','.join(texts)}]")
    return [parsed[start : start + count] for start in range(0, len(parsed), count)]


async def _read_answers(connection: Connection, ids: dict[str, list[str]]) -> dict[str, ArchivedAnswer]:
    rows = (await connection.execute(_ANSWERS, ids)).all()
    asked: dict[str, list[ArchivedApproval]] = defaultdict(list)
    if rows:
        for row in (await connection.execute(_APPROVALS, {"ids": [row.id for row in rows]})).all():
            asked[row.answer_id].append(_approval_of(row))
    return {row.message_id: _answer_of(row, asked[row.id]) for row in rows}


def _by_message(rows: Iterable[Row[Any]], build: Callable[[Any], T]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(build(row))
    return found


def _stored(model: type[M], fields: dict[str, Any]) -> M:
    """Build a model of all its fields, as `Message.from_stored` does."""
    made = model.__new__(model)
    put = object.__setattr__
    put(made, "__dict__", fields)
    put(made, "__pydantic_fields_set__", _NAMES[model])
    put(made, "__pydantic_extra__", None)
    put(made, "__pydantic_private__", None)
    return made


def _thread_of(piece: _Piece, its_aliases: list[str], its_messages: list[ArchivedMessage]) -> ArchivedThread:
    fields = {name: value for name, value in piece.thread._asdict().items() if name in ArchivedThread.model_fields}
    more = {"aliases": its_aliases, "messages": its_messages, "is_continuation": piece.is_continuation}
    return _stored(ArchivedThread, fields | more)


def _message_of(
    row: Any, objects: list[Any], found: dict[str, dict[str, list[Any]]], answered: dict[str, ArchivedAnswer]
) -> ArchivedMessage:
    source, platforms, attributes, tool_calls, metrics, content_blocks = objects
    (
        message_id,
        role,
        content,
        sequence,
        name,
        tool_call_id,
        token_count,
        created_at,
        updated_at,
        edited_at,
        deleted_at,
    ) = row[11:]
    files = found["files"].get(message_id)
    message = {
        "id": message_id,
        "role": role,
        "content": content if content_blocks is None else content_blocks,
        "sequence": sequence,
        "name": name,
        "source": source,
        "platforms": platforms,
        "attributes": attributes,
        "attachments": [] if files is None else [_attachment_of(file) for file in files],
        "reactions": {},
        "tool_calls": tool_calls,
        "tool_call_id": tool_call_id,
        "metrics": metrics,
        "token_count": token_count,
        "created_at": created_at,
        "updated_at": updated_at,
        "edited_at": edited_at,
        "deleted_at": deleted_at,
    }
    wanted = [] if files is None else [file for file in files if file[2] is not None]
    fields = {
        "message": _stored(Message, message),
        "external": None if row[4] is None else (row[1], row[2], row[3], row[4]),
        "reactions": found["reactions"].get(message_id) or [],
        "versions": found["versions"].get(message_id) or [],
        "parts": found["parts"].get(message_id) or [],
        "blocks": found["blocks"].get(message_id) or [],
        "feedback": found["feedback"].get(message_id) or [],
        "answer": answered.get(message_id),
        "wanted": [file[1] for file in wanted],
        "wanted_from": (wanted[0][2]["platform"], wanted[0][2]["workspace"]) if wanted else None,
    }
    return _stored(ArchivedMessage, fields)


def _attachment_of(file: Sequence[Any]) -> Attachment:
    return Attachment.model_construct(**dict(zip(FILE_FIELDS, file[3:], strict=True)))


def _reaction_of(row: Row[Any]) -> ArchivedReaction:
    return _stored(ArchivedReaction, dict(zip(_REACTION_FIELDS, row[1:], strict=True)))


def _version_of(row: Row[Any]) -> ArchivedVersion:
    content = row.content if row.content_blocks is None else row.content_blocks
    return ArchivedVersion.model_construct(content=content, written_at=row.written_at)


def _part_of(row: Row[Any]) -> ArchivedPart:
    external = None
    if row.external_id is not None:
        external = (row.platform, row.workspace, row.channel, row.external_id)
    return ArchivedPart.model_construct(
        number=row.part,
        token=row.token,
        text=row.text or "",
        state=row.state,
        kind=row.kind or "text",
        position=row.position,
        external=external,
        answer_id=row.answer_id,
    )


def _block_of(row: Row[Any]) -> ArchivedBlock:
    return ArchivedBlock.model_construct(**dict(zip(_BLOCK_FIELDS, row[1:], strict=True)))


def _feedback_of(row: Row[Any]) -> ArchivedFeedback:
    return ArchivedFeedback.model_construct(**dict(zip(_FEEDBACK_FIELDS, row[1:], strict=True)))


def _answer_of(row: Row[Any], asked: list[ArchivedApproval]) -> ArchivedAnswer:
    fields = {name: value for name, value in row._asdict().items() if name in ArchivedAnswer.model_fields}
    key = (row.platform, row.workspace, row.channel, row.thread)
    return ArchivedAnswer.model_construct(**fields | {"key": key, "approvals": asked})


def _approval_of(row: Row[Any]) -> ArchivedApproval:
    fields = {name: value for name, value in row._asdict().items() if name in ArchivedApproval.model_fields}
    return ArchivedApproval.model_construct(**fields | {"outcome": row.decision})


# Each with its table and what builds one; a table that is empty is not asked for each message.
_KINDS: dict[str, tuple[Table, Select[Any], Callable[[Any], Any]]] = {
    "files": (message_files, _FILES, tuple),
    "reactions": (message_reactions, _REACTIONS, _reaction_of),
    "versions": (message_versions, _VERSIONS, _version_of),
    "parts": (message_parts, _PARTS, _part_of),
    "blocks": (message_blocks, _BLOCKS, _block_of),
    "feedback": (feedback, _FEEDBACK, _feedback_of),
}
_FILLED = select(
    *(exists(select(literal_column("1")).select_from(table)).label(name) for name, (table, _, _) in _KINDS.items()),
    exists(select(literal_column("1")).select_from(answers)).label("answers"),
)
