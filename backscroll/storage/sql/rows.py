"""Between rows and models: what a row of each table holds, and threads read with what belongs to their messages.

Rows were checked before they were written, so models are built from them without being checked again. Proved by
`tests/contract/`.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from typing import Any

from sqlalchemy import Executable, Row, bindparam, select

from backscroll.storage.changes import remember
from backscroll.storage.keys import ExternalId
from backscroll.storage.models import (
    Attachment,
    Content,
    Message,
    Thread,
    message_model,
    message_tokens,
    plain_text,
)
from backscroll.storage.provider.rows import standing, wanted_positions
from backscroll.storage.search import MARKED, fold, index_words, property_marks, searched_text
from backscroll.storage.sql.agent_tables import message_blocks
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.tables import message_files, message_reactions, messages, threads
from backscroll.storage.sql.types import any_of, json_list, json_row
from backscroll.storage.values import canonical_json, utc_now

NEWEST_FIRST = (threads.c.updated_at.desc(), threads.c.id.desc())
# What a search looks up is for the database alone.
_UNREAD = ("number", "search_text", "search_words")
THREAD_COLUMNS = tuple(column for column in threads.c if column.name not in _UNREAD)
MESSAGE_COLUMNS = tuple(column for column in messages.c if column.name not in (*_UNREAD, "model", "tokens"))

FILE_FIELDS = ("name", "type", "size_bytes", "sha256", "location")
FILES = (
    select(json_list(json_row(message_files.c.position, *(message_files.c[name] for name in FILE_FIELDS))))
    .where(message_files.c.message_id == messages.c.id)
    .scalar_subquery()
)
_REACTIONS = (
    select(json_list(json_row(*(message_reactions.c[name] for name in ("position", "emoji", "user_id")))))
    .where(message_reactions.c.message_id == messages.c.id, message_reactions.c.removed_at.is_(None))
    .scalar_subquery()
)
# What is told of a message's tools, for `tools_of`.
TOOL_TEXTS = (
    select(json_list(json_row(message_blocks.c.position, message_blocks.c.tool_text)))
    .where(message_blocks.c.message_id == messages.c.id, message_blocks.c.tool_text.is_not(None))
    .scalar_subquery()
    .label("tool_texts")
)
# In the order of the model's fields, and behind them what is not the model's.
_MESSAGE_FIELDS = tuple(Message.model_fields)
_FIELD_COLUMNS = {"attachments": FILES.label("attachments"), "reactions": _REACTIONS.label("reactions")}
_MESSAGES = select(
    *(_FIELD_COLUMNS[name] if name in _FIELD_COLUMNS else messages.c[name] for name in _MESSAGE_FIELDS),
    messages.c.content_blocks,
    messages.c.thread_id,
).order_by(messages.c.sequence)
_BY_IDS = _MESSAGES.where(any_of(messages.c.id, "ids"))
_OF_THREADS = _MESSAGES.where(any_of(messages.c.thread_id, "ids"))
_OF_THREAD = _MESSAGES.where(
    messages.c.thread_id == bindparam("thread_id"),
    messages.c.sequence >= bindparam("first"),
    messages.c.sequence < bindparam("before"),
)

CHUNK_COUNT = 500
"""Threads or messages of one statement, at most: a statement of SQLite or PostgreSQL has some 32,000 parameters."""

Place = tuple[str, str, str, str]
"""An external id as the database's rows have it: platform, workspace, channel, id."""

_OBJECTS = ("source", "platforms", "attributes", "tool_calls", "metrics")
_PLAIN = ("id", "role", "name", "tool_call_id", "token_count", "created_at", "edited_at", "deleted_at")


def thread_values(thread: Thread) -> dict[str, Any]:
    """Lay a new thread out as a row."""
    names = ("id", "title", "user_id", "agent_name", "attributes", "platforms", "parent_id", "forked_at", "created_at")
    return {name: getattr(thread, name) for name in names} | {"last_sequence": 0} | title_values(thread.title)


def title_values(title: str) -> dict[str, str]:
    """Lay out what a title is searched by."""
    return _searched(title)


def message_values(thread_id: str, message: Message, external: ExternalId | None) -> dict[str, Any]:
    """Lay a numbered message out as a row."""
    values = {name: getattr(message, name) for name in (*_PLAIN, *_OBJECTS)}
    return values | {
        "thread_id": thread_id,
        "sequence": message.sequence,
        "updated_at": message.updated_at or utc_now(),
        "tokens": message_tokens(message),
        "model": message_model(message),
        **content_values(message.content),
        **external_values(external),
        **search_values(plain_text(message.content), message),
    }


def content_values(content: Content) -> dict[str, Any]:
    """Lay a content out in its two columns."""
    return {"content": plain_text(content), "content_blocks": None if isinstance(content, str) else content}


def search_values(text: str, carrier: Message | Row[Any], tools: Iterable[str] = (), **changed: Any) -> dict[str, str]:
    """Lay out what a message is found by: its text, its tools, and what the carrier's objects hold, or that changed."""
    marks = property_marks({name: changed.get(name, getattr(carrier, name)) for name in MARKED})
    return _searched(searched_text(text, tools), marks)


def tools_of(row: Row[Any]) -> list[str]:
    """Return what is told of a message's tools, in order; the row has `TOOL_TEXTS`."""
    return [text for _, text in sorted(row.tool_texts or ())]


def content_of(row: Row[Any]) -> Content:
    """Read a content back."""
    return row.content if row.content_blocks is None else row.content_blocks  # type: ignore[no-any-return]


def external_values(external: ExternalId | None) -> dict[str, str | None]:
    """Lay an external id out in its four columns."""
    if external is None:
        return dict.fromkeys(("platform", "workspace", "channel", "external_id"))
    return {
        "platform": external.platform,
        "workspace": external.workspace,
        "channel": external.channel,
        "external_id": external.id,
    }


def place_of(external: ExternalId) -> Place:
    """Name an external id as the database's rows do."""
    return external.platform, external.workspace, external.channel, external.id


def file_values(message: Message, wanted_from: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Lay a message's attachments out as rows.

    Args: wanted_from: the platform and workspace from which the contents are to be fetched.
    """
    wanted = wanted_positions(message) if wanted_from else ()
    return [
        {
            "message_id": message.id,
            "position": position,
            **attachment.model_dump(),
            "wanted_from": wanted_from if position in wanted else None,
        }
        for position, attachment in enumerate(message.attachments, 1)
    ]


def reaction_values(message: Message) -> list[dict[str, Any]]:
    """Lay a new message's reactions out as rows, in the order of who came first."""
    pairs = [(emoji, user_id) for emoji, users in standing(message).items() for user_id in users]
    return [
        {
            "message_id": message.id,
            "emoji": emoji,
            "user_id": user_id,
            "position": position,
            "created_at": message.updated_at,
            "event_at": None,
            "removed_at": None,
        }
        for position, (emoji, user_id) in enumerate(pairs, 1)
    ]


def property_values(thread_id: str, attributes: dict[str, Any], platforms: dict[str, Any]) -> list[dict[str, Any]]:
    """Lay out what a thread is found by: each platform, and each top-level key of its attributes and platforms."""
    scopes = {"attributes": attributes, "platforms": dict.fromkeys(platforms)}
    scopes |= {f"platforms.{name}": place for name, place in platforms.items()}
    return [
        {
            "thread_id": thread_id,
            "name_hash": name_hash(scope, name),
            "value_hash": value_hash(value),
            "scope": scope,
            "name": name,
        }
        for scope, part in scopes.items()
        for name, value in part.items()
    ]


def hashes_of(scope: str, wanted: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """Hash properties that are looked for: `(name's, value's)` of each."""
    return [(name_hash(scope, name), value_hash(value)) for name, value in wanted.items()]


def name_hash(scope: str, name: str) -> bytes:
    """Hash a property's scope and name."""
    return hashlib.sha256(canonical_json([scope, name]).encode()).digest()


def value_hash(value: Any) -> bytes:
    """Hash a property's value; JSON-equal values have one hash."""
    return hashlib.sha256(canonical_json(value).encode()).digest()


async def read_thread_rows(
    connection: Connection, query: Executable, parameters: dict[str, Any] | None = None, *, with_messages: bool
) -> list[Thread]:
    """Read threads, in the query's order, with all their messages in one query more for each 500 threads."""
    rows = (await connection.execute(query, parameters)).all()
    by_thread: dict[str, list[Message]] = defaultdict(list)
    for start in range(0, len(rows) if with_messages else 0, CHUNK_COUNT):
        ids = {"ids": [row.id for row in rows[start : start + CHUNK_COUNT]]}
        for row in (await connection.execute(_OF_THREADS, ids)).all():
            by_thread[row.thread_id].append(_build_message(row))
    return [build_thread(row, by_thread[row.id]) for row in rows]


async def read_range(connection: Connection, thread_id: str, first: int, before: int) -> list[Message]:
    """Read a thread's messages with sequences from `first` up to, not including, `before`."""
    where = {"thread_id": thread_id, "first": first, "before": before}
    return [_build_message(row) for row in (await connection.execute(_OF_THREAD, where)).all()]


async def read_by_ids(connection: Connection, ids: Iterable[str]) -> dict[str, tuple[str, Message]]:
    """Read messages by id: `{id: (thread_id, message)}`; unknown ids are left out."""
    rows = (await connection.execute(_BY_IDS, {"ids": list(ids)})).all()
    return {row.id: (row.thread_id, _build_message(row)) for row in rows}


def build_thread(row: Row[Any], its_messages: list[Message]) -> Thread:
    """Build a thread from its row and messages, and remember it."""
    fields = {name: value for name, value in row._asdict().items() if name in Thread.model_fields}
    thread = Thread.model_construct(**fields, messages=its_messages)
    return remember(thread)


def _searched(text: str, marks: Iterable[str] = ()) -> dict[str, str]:
    folded = fold(text)
    return {"search_text": folded, "search_words": " ".join(dict.fromkeys(chain(index_words(folded), marks)))}


def _build_message(row: Row[Any]) -> Message:
    fields = dict(zip(_MESSAGE_FIELDS, row, strict=False))
    if row.content_blocks is not None:
        fields["content"] = row.content_blocks
    fields["attachments"] = [
        Attachment.model_construct(**dict(zip(FILE_FIELDS, file, strict=True)))
        for _, *file in sorted(fields["attachments"] or ())
    ]
    reactions: dict[str, list[str]] = {}
    for _, emoji, user_id in sorted(fields["reactions"] or ()):
        reactions.setdefault(emoji, []).append(user_id)
    fields["reactions"] = reactions
    return Message.from_stored(fields)
