"""New messages of archives as rows: those of many messages in one statement for each table.

Everything that usual writes keep up with is kept up with: what messages are found by, where they are posted, what they
cost. Who calls this has seen to it that nothing of it is known. Proved by `tests/contract/test_archives.py`.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Table, select

from backscroll.storage.archive import (
    ArchivedAnswer,
    ArchivedBlock,
    ArchivedFeedback,
    ArchivedMessage,
    ArchivedPart,
    ArchivedReaction,
    ArchivedThread,
    ArchivedVersion,
    External,
)
from backscroll.storage.models import Message, message_model, message_tokens
from backscroll.storage.search import SEARCHED_LENGTH, tool_text
from backscroll.storage.sql.agent_tables import approvals, feedback, message_blocks
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.rows import FILE_FIELDS, content_values, property_values, search_values, title_values
from backscroll.storage.sql.tables import (
    answers,
    message_files,
    message_parts,
    message_reactions,
    message_versions,
    messages,
    thread_properties,
)
from backscroll.storage.sql.types import now

T = TypeVar("T")
Values = dict[str, Any]

PLACE_NAMES = ("platform", "workspace", "channel", "external_id")
UNDER_WAY = ("running", "sending")

_CLOCK = select(now())
_NOWHERE: Values = dict.fromkeys(PLACE_NAMES)
_MESSAGE_FIELDS = (
    "id", "role", "name", "source", "platforms", "attributes", "tool_calls", "tool_call_id", "metrics", "token_count",
    "created_at", "edited_at", "deleted_at",
)  # fmt: skip
_BLOCK_FIELDS = tuple(ArchivedBlock.model_fields)
_FEEDBACK_FIELDS = tuple(name for name in ArchivedFeedback.model_fields if name != "metadata")
_ANSWER_FIELDS = (
    "id", "position", "state", "tries", "takeovers", "ready_at", "reason", "answer_message_id", "is_partial",
    "is_growing", "is_certain", "created_at", "updated_at",
)  # fmt: skip
_APPROVAL_FIELDS = ("id", "number", "decided_by", "decided_at", "created_at", "expires_at")
_TABLES = (
    messages,
    message_parts,
    message_files,
    message_reactions,
    message_versions,
    message_blocks,
    feedback,
    answers,
    approvals,
)


@dataclass(slots=True)
class Lane:
    """The answers of a thread: which positions are taken, and whether somebody is at one of them."""

    positions: set[int] = field(default_factory=set)
    is_held: bool = False

    def place(self, answer: ArchivedAnswer) -> int:
        """Give a new answer its own position, or the next where another has that."""
        position = answer.position if answer.position not in self.positions else max(self.positions) + 1
        self.positions.add(position)
        return position


class Rows:
    """Rows on their way, by table."""

    def __init__(self, clock: datetime) -> None:
        """Collect rows. Args: clock: the storage's, from which on what was under way can be taken."""
        self._clock = clock
        self._rows: dict[Table, list[Values]] = {table: [] for table in _TABLES}

    @classmethod
    async def begin(cls, connection: Connection) -> "Rows":
        """Ask what time it is."""
        return cls((await connection.execute(_CLOCK)).scalar_one())

    def add(self, thread_id: str, sequence: int, each: ArchivedMessage, lane: Lane, *, is_copy: bool) -> None:
        """Lay a message out with all that belongs to it.

        Args: lane: the answers of its thread. is_copy: it counts where it was first said.
        """
        message = each.message
        its_blocks = block_rows(message.id, each.blocks) if each.blocks else []
        spends = any(row["tokens"] is not None for row in its_blocks)  # they count, and not the message's own figure
        self._rows[messages].append(_message_row(thread_id, sequence, each, its_blocks, is_copy=is_copy or spends))
        if each.parts or each.external is not None:
            self._rows[message_parts] += part_rows(message.id, each.parts, each.external)
        if message.attachments:
            self._rows[message_files] += _file_rows(each)
        if each.reactions:
            self._rows[message_reactions] += reaction_rows(message, each.reactions)
        if each.versions:
            self._rows[message_versions] += version_rows(message.id, each.versions)
        self._rows[message_blocks] += its_blocks
        if each.feedback:
            self._rows[feedback] += feedback_rows(thread_id, message.id, each.feedback)
        if each.answer is not None:
            self.add_answer(thread_id, message.id, each.answer, lane)

    def add_answer(self, thread_id: str, message_id: str, answer: ArchivedAnswer, lane: Lane) -> None:
        """Lay an answer out that nobody has; what was under way can be taken at once."""
        platform, workspace, channel, thread = answer.key
        values = {name: getattr(answer, name) for name in _ANSWER_FIELDS}
        values |= {"thread_id": thread_id, "message_id": message_id, "owner": None, "position": lane.place(answer)}
        values |= {"platform": platform, "workspace": workspace, "channel": channel, "thread": thread}
        if answer.state in UNDER_WAY:
            values |= {"state": "waiting", "ready_at": self._clock}
        if answer.state == "sending" and not lane.is_held:
            values["state"] = "sending"  # whoever takes it looks first what was posted
            lane.is_held = True
        elif answer.state == "sending":  # a thread has one at a time, and nobody may post the rest of two
            values |= {"state": "failed", "reason": "another answer of its thread was being sent"}
        self._rows[answers].append(values)
        self._rows[approvals] += approval_rows(answer.id, answer)

    async def insert(self, connection: Connection) -> None:
        """Insert the rows that were collected since the last time, one statement for each table that gets some."""
        for table, rows in self._rows.items():
            if rows:
                await connection.execute(table.insert().inline(), rows)
                self._rows[table] = []


def thread_row(piece: ArchivedThread, last_sequence: int) -> Values:
    """Lay a thread that is made of an archive out as a row."""
    names = ("id", "title", "user_id", "agent_name", "attributes", "platforms", "parent_id", "forked_at")
    values = {name: getattr(piece, name) for name in (*names, "created_at", "updated_at")}
    return values | {"last_sequence": last_sequence} | title_values(piece.title)


async def insert_properties(connection: Connection, pieces: Iterable[ArchivedThread]) -> None:
    """Insert what new threads are found by."""
    rows = [row for piece in pieces for row in property_values(piece.id, piece.attributes, piece.platforms)]
    if rows:
        await connection.execute(thread_properties.insert().inline(), rows)


def part_rows(message_id: str, parts: Iterable[ArchivedPart], external: External | None) -> list[Values]:
    """Lay the posts of a message out, and where it is itself when it came from outside."""
    rows = [
        {
            "message_id": message_id,
            "part": part.number,
            "token": part.token,
            "text": part.text,
            "state": part.state,
            "kind": part.kind,
            "position": part.position,
            "answer_id": part.answer_id,
        }
        | place_values(part.external)
        for part in each_once(parts, lambda part: part.number)
    ]
    if external is not None and not any(part.external == external for part in parts):
        number = min(set(range(1, len(rows) + 2)) - {row["part"] for row in rows})
        its = dict.fromkeys(("token", "text", "kind", "position", "answer_id"))
        rows.append({"message_id": message_id, "part": number, "state": "sent"} | its | place_values(external))
    return rows


def reaction_rows(message: Message, reactions: Iterable[ArchivedReaction]) -> list[Values]:
    """Lay reactions out, in their order."""
    return [
        {
            "message_id": message.id,
            "emoji": each.emoji,
            "user_id": each.user_id,
            "position": position,
            "created_at": each.event_at or each.created_at or message.updated_at or message.created_at,
            "event_at": each.event_at or each.removed_at,
            "removed_at": each.removed_at,
        }
        for position, each in enumerate(each_once(reactions, lambda each: (each.emoji, each.user_id)), 1)
    ]


def version_rows(message_id: str, versions: Iterable[ArchivedVersion]) -> list[Values]:
    """Lay versions out, in their order."""
    return [
        {"message_id": message_id, "version": number, "written_at": each.written_at, **content_values(each.content)}
        for number, each in enumerate(versions, 1)
    ]


def block_rows(message_id: str, blocks: Iterable[ArchivedBlock], before: Iterable[str] = ()) -> list[Values]:
    """Lay blocks out. Args: before: what is told of the message's tools already."""
    rows: list[Values] = []
    left = SEARCHED_LENGTH - sum(len(text) + 1 for text in before)
    once = each_once(each_once(blocks, lambda block: block.id), lambda block: block.tool_call_id or (block.id,))
    for block in sorted(once, key=lambda block: block.position):
        told = None
        if block.tool_call_id is not None and {"tool_name", "tool_input", "tool_output"} <= block.content.keys():
            told = tool_text(block.content)[: max(left, 0)] or None
            left -= 0 if told is None else len(told) + 1
        position = block.position if not rows else max(block.position, rows[-1]["position"] + 1)
        values = {name: getattr(block, name) for name in _BLOCK_FIELDS}
        rows.append(values | {"message_id": message_id, "position": position, "tool_text": told})
    return rows


def feedback_rows(thread_id: str, message_id: str, told: Iterable[ArchivedFeedback]) -> list[Values]:
    """Lay feedback out."""
    return [
        {name: getattr(each, name) for name in _FEEDBACK_FIELDS}
        | {"thread_id": thread_id, "message_id": message_id, "attributes": each.metadata}
        for each in each_once(told, lambda each: each.id)
    ]


def approval_rows(answer_id: str, answer: ArchivedAnswer) -> list[Values]:
    """Lay the approvals of an answer out."""
    once = each_once(each_once(answer.approvals, lambda each: each.id), lambda each: each.number)
    return [
        {name: getattr(each, name) for name in _APPROVAL_FIELDS} | {"answer_id": answer_id, "decision": each.outcome}
        for each in once
    ]


def place_values(external: External | None) -> Values:
    """Lay a place out in its four columns."""
    return _NOWHERE if external is None else dict(zip(PLACE_NAMES, external, strict=True))


def each_once(things: Iterable[T], name: Callable[[T], Hashable]) -> list[T]:
    """Return things in their order; of those with one name the first."""
    found: dict[Hashable, T] = {}
    for thing in things:
        found.setdefault(name(thing), thing)
    return list(found.values())


def _message_row(
    thread_id: str, sequence: int, each: ArchivedMessage, its_blocks: list[Values], *, is_copy: bool
) -> Values:
    message = each.message
    tools = [row["tool_text"] for row in its_blocks if row["tool_text"] is not None]
    values = {name: getattr(message, name) for name in _MESSAGE_FIELDS}
    values |= content_values(message.content)
    values |= search_values(values["content"], message, tools)
    values |= place_values(each.external)
    return values | {
        "thread_id": thread_id,
        "sequence": sequence,
        "tokens": None if is_copy else message_tokens(message),
        "model": message_model(message),
        "updated_at": message.updated_at or message.created_at,
    }


def _file_rows(each: ArchivedMessage) -> list[Values]:
    place = None
    if each.wanted_from is not None:
        place = {"platform": each.wanted_from[0], "workspace": each.wanted_from[1]}
    return [
        {name: getattr(attachment, name) for name in FILE_FIELDS}
        | {
            "message_id": each.message.id,
            "position": position,
            "wanted_from": place if position in each.wanted else None,
        }
        for position, attachment in enumerate(each.message.attachments, 1)
    ]
