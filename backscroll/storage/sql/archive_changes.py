"""What an archive changes about a message that is there: found without a query, then written under its thread's lock.

The rules are those of the contract's defaults (`provider/archiving.py`). Proved by `tests/contract/test_archives.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, exists, select, update

from backscroll.storage.archive import (
    ArchivedAnswer,
    ArchivedBlock,
    ArchivedFeedback,
    ArchivedMessage,
    ArchivedPart,
    ArchivedVersion,
    External,
)
from backscroll.storage.blocks import SAID
from backscroll.storage.models import Content, Message, plain_text
from backscroll.storage.provider.archiving import entry_of, is_reactions, merge_reactions, merge_wording, said_of
from backscroll.storage.provider.rows import instant_of, instant_text, thumbs_of
from backscroll.storage.sql.agent_tables import feedback, message_blocks
from backscroll.storage.sql.archive_answers import free_answer, is_further_answer, write_answer
from backscroll.storage.sql.archive_known import Known
from backscroll.storage.sql.archive_writing import (
    Rows,
    Values,
    block_rows,
    feedback_rows,
    part_rows,
    place_values,
    version_rows,
)
from backscroll.storage.sql.dialect import insert_ignoring
from backscroll.storage.sql.editing import CHANGE, READ, clear
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.rows import FILE_FIELDS, content_values, search_values, tools_of
from backscroll.storage.sql.tables import answers, message_files, message_parts, message_reactions, message_versions
from backscroll.storage.sql.thumbs import keep_thumbs
from backscroll.storage.sql.types import any_of
from backscroll.storage.thumbs import Thumb, reaction_feedback_id, thumb_of
from backscroll.storage.values import canonical_json

_ITS: Any = bindparam("its_message")
_SET_FILE = update(message_files).where(
    message_files.c.message_id == _ITS, message_files.c.position == bindparam("its_position")
)
_HELD = exists().where(answers.c.id == message_parts.c.answer_id, answers.c.owner.is_not(None))
_POST = update(message_parts).where(
    message_parts.c.message_id == _ITS, message_parts.c.part == bindparam("its_part"), ~_HELD
)
_DROP_FEEDBACK = delete(feedback).where(any_of(feedback.c.id, "ids"))


@dataclass(slots=True)
class Change:
    """What an archive says of a message beyond what is there."""

    is_deleted: bool = False
    wording: Values | None = None
    """The message's value, as the defaults have it, when its text or versions change."""
    reactions: Values | None = None
    thumbs_new: set[tuple[str, Thumb]] = field(default_factory=set)
    thumbs_gone: list[str] = field(default_factory=list)
    files: list[Values] = field(default_factory=list)
    blocks: list[ArchivedBlock] = field(default_factory=list)
    feedback: list[ArchivedFeedback] = field(default_factory=list)
    parts: list[ArchivedPart] = field(default_factory=list)
    external: External | None = None
    """Where the message is, when that is not known here."""
    posted: list[ArchivedPart] = field(default_factory=list)
    """Those that are there, and have been posted or say more since."""
    answer: ArchivedAnswer | None = None

    @property
    def is_seen(self) -> bool:
        """Whether the message itself reads differently afterwards."""
        return self.is_deleted or bool(self.wording or self.reactions or self.files or self.blocks or self.external)

    @property
    def is_nothing(self) -> bool:
        """Whether all of it is there."""
        return not self.is_seen and not any((self.feedback, self.parts, self.posted, self.answer))

    def leave_out(self, known: Known, mine: ArchivedMessage) -> None:
        """Leave out what others have of its names."""
        self.blocks = [block for block in self.blocks if block.id not in known.names["block"]]
        self.feedback = [told for told in self.feedback if told.id not in known.names["feedback"]]
        if self.external is not None and known.places.get(self.external) not in (None, mine.message.id):
            self.external = None
        free = [part for part in self.parts if part.token not in known.names["token"]]
        self.parts = [_placed(part, known, mine) for part in free]
        self.posted = [_placed(part, known, mine) for part in self.posted]
        if self.answer is not None:
            self.answer = free_answer(self.answer, known, mine)


def difference(mine: ArchivedMessage, theirs: ArchivedMessage) -> Change:
    """Find out what an archive changes about a message that is there."""
    change = Change()
    is_deleted = mine.message.deleted_at is not None
    if not is_deleted:
        change.is_deleted = is_deleted = theirs.message.deleted_at is not None
    value = _value_of(mine)
    if not is_deleted:
        if _is_worded_otherwise(mine, theirs) and merge_wording(value, theirs):
            change.wording = value
        before = thumbs_of(value)
        if theirs.reactions and merge_reactions(value, theirs):
            change.reactions = value
            after = thumbs_of(value)
            change.thumbs_new, gone = after.keys() - before.keys(), before.keys() - after.keys()
            change.thumbs_gone = [reaction_feedback_id(mine.message.id, *each) for each in gone]
        change.files = _files(mine, theirs)
        change.feedback = _feedback(mine, theirs, value)
    calls = {block.tool_call_id for block in mine.blocks} - {None}
    known = {block.id for block in mine.blocks}
    kinds = {"usage"} if is_deleted else {block.block_type for block in theirs.blocks} - set(SAID)
    change.blocks = [
        block
        for block in theirs.blocks
        if block.block_type in kinds and block.id not in known and block.tool_call_id not in calls
    ]
    parts = {part.number: part for part in mine.parts}
    change.parts = [part for part in theirs.parts if part.number not in parts and part.token is not None]
    if mine.external is None and theirs.external is not None:
        change.external = theirs.external
    is_later = _written_at(theirs.message) > _written_at(mine.message)
    change.posted = [
        part
        for part in theirs.parts
        if part.number in parts and _is_further(parts[part.number], part, is_later=is_later)
    ]
    if is_deleted:  # what it said does not come back by its posts
        change.parts = [_emptied(part) for part in change.parts]
        change.posted = [_emptied(part) for part in change.posted if part.state != parts[part.number].state]
    if theirs.answer is not None and (mine.answer is None or is_further_answer(mine.answer, theirs.answer)):
        change.answer = theirs.answer
    return change


async def apply(
    connection: Connection, thread_id: str, mine: ArchivedMessage, theirs: ArchivedMessage, change: Change, rows: Rows
) -> None:
    """Write a change to a message whose thread is locked. Args: rows: gets the answer that is missing."""
    message_id = mine.message.id
    if change.is_deleted:
        await clear(connection, message_id, theirs.message.deleted_at)
    if change.reactions is not None:
        await _write_reactions(connection, thread_id, mine.message, change)
    if change.files:
        await connection.execute(
            _SET_FILE.values({name: bindparam(name) for name in (*FILE_FIELDS, "wanted_from")}), change.files
        )
    if change.is_seen or change.posted:
        await _write_message(connection, mine, theirs, change)
    if change.feedback:
        told = feedback_rows(thread_id, message_id, change.feedback)
        await connection.execute(insert_ignoring(connection, feedback), told)
    if change.parts:
        posts = part_rows(message_id, change.parts, None)
        await connection.execute(insert_ignoring(connection, message_parts), posts)
    for part in change.posted:
        values: Values = {name: getattr(part, name) for name in ("text", "state", "kind", "position")}
        values |= {} if part.external is None else place_values(part.external)
        await connection.execute(_POST.values(values), {"its_message": message_id, "its_part": part.number})
    if change.answer is not None:
        await write_answer(connection, thread_id, mine, change.answer, rows)


def _value_of(mine: ArchivedMessage) -> Values:
    """Lay out what of a message can be merged, as the values of the defaults have it."""
    message = mine.message
    instants = {
        name: None if at is None else instant_text(at)
        for name in ("created_at", "updated_at", "edited_at", "deleted_at")
        if (at := getattr(message, name)) is not None or name != "updated_at"
    }
    instants.setdefault("updated_at", instants["created_at"])
    return {
        "message": {"id": message.id, "role": message.role, "content": message.content, **instants},
        "reactions": [entry_of(each) for each in mine.reactions],
        "versions": [{"content": each.content, "at": instant_text(each.written_at)} for each in mine.versions],
        "texts": said_of(mine),
    }


def _is_worded_otherwise(mine: ArchivedMessage, theirs: ArchivedMessage) -> bool:
    if mine.message.edited_at != theirs.message.edited_at or not _is_same(mine.message.content, theirs.message.content):
        return True
    known = {(each.written_at, canonical_json(each.content)) for each in mine.versions}
    return any((each.written_at, canonical_json(each.content)) not in known for each in theirs.versions)


def _is_same(mine: Content, theirs: Content) -> bool:
    """Compare contents as JSON: 1, 1.0 and true are three there, and one for Python."""
    return mine == theirs and (isinstance(mine, str) or canonical_json(mine) == canonical_json(theirs))


def _files(mine: ArchivedMessage, theirs: ArchivedMessage) -> list[Values]:
    """Find the files whose contents lie elsewhere here, and in the file store there."""
    pairs = zip(mine.message.attachments, theirs.message.attachments, strict=False)
    return [
        {name: getattr(other, name) for name in FILE_FIELDS}
        | {"its_message": mine.message.id, "its_position": position, "wanted_from": None}
        for position, (here, other) in enumerate(pairs, 1)
        if here.sha256 is None and here.location is not None and here.name == other.name and other.is_kept
    ]


def _feedback(mine: ArchivedMessage, theirs: ArchivedMessage, value: Values) -> list[ArchivedFeedback]:
    """Find the feedback that is missing; a reaction's comes with the reaction that stands."""
    known = {told.id for told in mine.feedback}
    missing = [told for told in theirs.feedback if told.id not in known]
    if not missing:
        return []
    standing = {reaction_feedback_id(mine.message.id, *each) for each in thumbs_of(value)}
    return [told for told in missing if not is_reactions(told) or told.id in standing]


def _is_further(mine: ArchivedPart, theirs: ArchivedPart, *, is_later: bool) -> bool:
    """Tell whether a post was made since, or says more in a message that was written later."""
    if (mine.state, theirs.state) == ("waiting", "sent"):
        return True
    return is_later and (mine.text or "", mine.state) != (theirs.text or "", theirs.state) and mine.state != "sent"


def _emptied(part: ArchivedPart) -> ArchivedPart:
    return part.model_copy(update={"text": ""}) if part.state == "sent" else part


def _placed(part: ArchivedPart, known: Known, mine: ArchivedMessage) -> ArchivedPart:
    """Leave out a place that another message holds."""
    holder = None if part.external is None else known.places.get(part.external)
    return part if holder in (None, mine.message.id) else part.model_copy(update={"external": None})


def _written_at(message: Message) -> datetime:
    return message.updated_at or message.created_at


async def _write_reactions(connection: Connection, thread_id: str, message: Message, change: Change) -> None:
    log = (change.reactions or {})["reactions"]
    rows: list[Values] = []
    for position, entry in enumerate(log, 1):
        at = instant_of(entry["at"])
        named = {name: entry[name] for name in ("emoji", "user_id")}
        instants = {"created_at": at or message.updated_at or message.created_at, "event_at": at}
        removed_at = (at or message.created_at) if entry["removed"] else None
        rows.append({"message_id": message.id, "position": position, "removed_at": removed_at} | named | instants)
    await connection.execute(delete(message_reactions).where(message_reactions.c.message_id == message.id))
    await connection.execute(message_reactions.insert().inline(), rows)
    if change.thumbs_gone:
        await connection.execute(_DROP_FEEDBACK, {"ids": change.thumbs_gone})
    new = [row for row in rows if (row["user_id"], thumb_of(row["emoji"])) in change.thumbs_new]
    await keep_thumbs(connection, [(thread_id, message, new)])


async def _write_message(
    connection: Connection, mine: ArchivedMessage, theirs: ArchivedMessage, change: Change
) -> None:
    """Write the wording, the blocks, and what the message is found by."""
    its = {"its_message": mine.message.id}
    row = (await connection.execute(READ, its)).one()
    changed: Values = {"updated_at": max(_written_at(theirs.message), row.updated_at)}
    content, blocks = row.content, list(change.blocks)
    if change.wording is not None:
        value = change.wording["message"]
        content = plain_text(value["content"])
        changed |= content_values(value["content"]) | {"edited_at": instant_of(value["edited_at"])}
        blocks += await _write_wording(connection, mine, theirs, change.wording)
    if blocks:
        added = await _add_blocks(connection, mine, row, blocks)
        changed |= {"tokens": None} if any(each["tokens"] is not None for each in added) else {}
    platforms = row.platforms
    if change.external is not None:
        platforms = theirs.message.platforms | platforms
        changed |= place_values(change.external) | {"platforms": platforms}
        await _keep_place(connection, mine, change)
    if change.wording is not None or blocks or change.external is not None:
        row = (await connection.execute(READ, its)).one()
        changed |= search_values(content, row, tools_of(row), platforms=platforms)
    await connection.execute(CHANGE.values(changed), its)


async def _keep_place(connection: Connection, mine: ArchivedMessage, change: Change) -> None:
    """Let a message hold its place, where none of its posts does."""
    if any(part.external == change.external for part in (*mine.parts, *change.parts, *change.posted)):
        return
    (row,) = part_rows(mine.message.id, (), change.external)
    numbers = {part.number for part in (*mine.parts, *change.parts)}
    row["part"] = min(set(range(1, len(numbers) + 2)) - numbers)
    await connection.execute(insert_ignoring(connection, message_parts), row)


async def _write_wording(
    connection: Connection, mine: ArchivedMessage, theirs: ArchivedMessage, value: Values
) -> list[ArchivedBlock]:
    """Write the versions, and return the texts that the message is to be read as from now on, where they change."""
    message_id = mine.message.id
    versions = [
        ArchivedVersion.model_construct(content=each["content"], written_at=datetime.fromisoformat(each["at"]))
        for each in value["versions"]
    ]
    await connection.execute(delete(message_versions).where(message_versions.c.message_id == message_id))
    if versions:
        await connection.execute(message_versions.insert().inline(), version_rows(message_id, versions))
    if value["texts"] == said_of(mine):
        return []
    said = message_blocks.c.block_type.in_(SAID)
    await connection.execute(delete(message_blocks).where(message_blocks.c.message_id == message_id, said))
    return [block for block in theirs.blocks if block.block_type in SAID]


async def _add_blocks(
    connection: Connection, mine: ArchivedMessage, row: Row[Any], blocks: Iterable[ArchivedBlock]
) -> list[Values]:
    taken = select(message_blocks.c.position).where(message_blocks.c.message_id == mine.message.id)
    positions = set((await connection.execute(taken)).scalars())
    placed = []
    for block in sorted(blocks, key=lambda block: block.position):
        position = block.position if block.position not in positions else max(*positions, 0) + 1
        positions.add(position)
        placed.append(block if position == block.position else block.model_copy(update={"position": position}))
    rows = block_rows(mine.message.id, placed, tools_of(row))
    await connection.execute(insert_ignoring(connection, message_blocks), rows)
    return rows
