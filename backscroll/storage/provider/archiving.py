"""Between the values of the defaults and archives: what a message's value says as an archive, and how one joins it.

Pure: reads and writes nothing. What is stored was checked before, so models of it are built without being checked
again: whatever is kept can be read. Proved by `tests/contract/test_archives.py` and
`test_merging.py`.
"""

import json
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel

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
    External,
)
from backscroll.storage.blocks import SAID
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Attachment, Message
from backscroll.storage.provider.conversations import ConversationPlace
from backscroll.storage.provider.rows import feedback_value, instant_of, instant_text
from backscroll.storage.thumbs import FROM_REACTION, reaction_feedback_id
from backscroll.storage.values import canonical_json

Value = dict[str, Any]
M = TypeVar("M", bound=BaseModel)

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_BLOCK = ("id", "block_type", "content", "details", "tool_call_id", "sha256", "tokens", "model", "cost_usd")
_FEEDBACK = ("user_id", "agent_name", "rating", "thumb", "comment", "correction", "query", "response")
_ANSWER = ("state", "tries", "takeovers", "reason", "answer_message_id", "is_partial", "is_growing", "is_certain")
_APPROVAL = ("number", "outcome", "decided_by")
_FIELDS = ("title", "user_id", "agent_name", "attributes", "platforms")
_UNDER_WAY = ("running", "sending")
_COUNTS = ("forked_at",)
"""What is named like an instant, and is none."""


def archived_thread(
    row: Value, aliases: list[str], messages: list[ArchivedMessage], *, is_continuation: bool
) -> ArchivedThread:
    """Lay a thread, or a piece of it, out as an archive."""
    names = ("id", *_FIELDS, "parent_id", "forked_at", "created_at", "updated_at")
    fields = {name: row[name] for name in names}
    fields |= {"aliases": sorted(aliases), "messages": messages, "is_continuation": is_continuation}
    return _stored(ArchivedThread, fields)


def archived_message(
    row: Value,
    *,
    parts: list[Value],
    blocks: list[Value],
    feedback: list[Value],
    wanted: list[Value],
    answer: ArchivedAnswer | None,
) -> ArchivedMessage:
    """Lay a message and what belongs to it out as an archive."""
    wanted = [each for each in wanted if each["position"] <= len(row["message"]["attachments"])]
    stored = sorted([*row.get("texts", ()), *blocks], key=lambda block: int(block["position"]))
    told = sorted(feedback, key=lambda value: (str(value["created_at"]), str(value["id"])))
    files = [Attachment.model_construct(**each) for each in row["message"]["attachments"]]
    return ArchivedMessage.model_construct(
        message=_stored(Message, row["message"] | {"attachments": files}),
        external=_external_of(row["external"]),
        reactions=[_reaction(entry) for entry in row["reactions"]],
        versions=[
            _stored(ArchivedVersion, {"content": each["content"], "written_at": each["at"]}) for each in row["versions"]
        ],
        parts=[_part(part) for part in sorted(parts, key=lambda part: int(part["number"]))],
        blocks=[_block(block, is_copy="is_copy" in row) for block in stored],
        feedback=[
            _stored(ArchivedFeedback, {name: value[name] for name in ("id", *_FEEDBACK, "metadata", "created_at")})
            for value in told
        ],
        answer=answer,
        wanted=sorted(each["position"] for each in wanted),
        wanted_from=(wanted[0]["platform"], wanted[0]["workspace"]) if wanted else None,
    )


def archived_answer(row: Value, approvals: list[Value]) -> ArchivedAnswer:
    """Lay an answer out as an archive."""
    names = ("id", "position", *_ANSWER, "ready_at", "created_at", "updated_at")
    asked = [
        _stored(
            ArchivedApproval,
            {name: each[name] for name in ("id", *_APPROVAL, "decided_at", "created_at", "expires_at")},
        )
        for each in sorted(approvals, key=lambda each: (int(each["number"]), str(each["id"])))
    ]
    key = tuple(row["place"][name] for name in ThreadKey.__slots__)
    return _stored(ArchivedAnswer, {name: row[name] for name in names} | {"key": key, "approvals": asked})


def new_thread_value(piece: ArchivedThread) -> Value:
    """Lay a thread that is made of an archive out as a value."""
    fields = {name: getattr(piece, name) for name in ("id", *_FIELDS, "parent_id", "forked_at")}
    instants = {name: instant_text(getattr(piece, name)) for name in ("created_at", "updated_at")}
    return fields | instants | {"last_sequence": 0}


def later_fields(row: Value, piece: ArchivedThread) -> Value | None:
    """Return the fields that a thread takes from an archive which is later; None when they say so already."""
    fields = {name: getattr(piece, name) for name in _FIELDS}
    is_later = instant_text(piece.updated_at) > row["updated_at"]
    differs = is_later and canonical_json(fields) != canonical_json({name: row[name] for name in _FIELDS})
    return fields if differs else None


def joining_aliases(piece: ArchivedThread, *, mirror: bool) -> list[str]:
    """Return the aliases by which a thread that is unknown joins the one that has them, in their order."""
    return [] if mirror else [alias for alias in sorted(piece.aliases) if _is_lasting(alias)]


def takes_alias(piece: ArchivedThread, holder_updated_at: datetime | None, *, mirror: bool) -> bool:
    """Tell whether an archive's thread takes its alias from another, which storage changed at this instant."""
    return mirror or piece.updated_at > (holder_updated_at or _EARLIEST)


def is_copy(piece: ArchivedThread, each: ArchivedMessage) -> bool:
    """Tell whether a message is a copy that its thread, a fork, began with."""
    return piece.parent_id is not None and (each.message.sequence or 0) <= (piece.forked_at or 0)


def new_value(each: ArchivedMessage, thread_id: str, sequence: int, *, copied: bool) -> Value:
    """Lay a message of an archive out as a new value, which has no external id yet."""
    message = each.message.model_dump(mode="json", exclude={"reactions"}) | {"sequence": sequence}
    for name in ("updated_at", "edited_at", "deleted_at"):
        instant = getattr(each.message, name)
        message[name] = None if instant is None else instant_text(instant)
    message["updated_at"] = message["updated_at"] or instant_text(each.message.created_at)
    return {
        "thread_id": thread_id,
        "external": None,
        "message": message,
        "reactions": [entry_of(reaction) for reaction in each.reactions],
        "versions": [_version(version) for version in each.versions],
        "texts": said_of(each),
        **({"is_copy": True} if copied else {}),
    }


def entry_of(reaction: ArchivedReaction) -> Value:
    """Lay a reaction out as an entry of a message's log."""
    at = reaction.event_at or reaction.removed_at
    named = {"emoji": reaction.emoji, "user_id": reaction.user_id}
    return named | {"at": None if at is None else instant_text(at), "removed": reaction.removed_at is not None}


def said_of(each: ArchivedMessage) -> list[Value]:
    """Return the texts that were appended to a message, as its value holds them."""
    return [block_value(block) for block in each.blocks if block.block_type in SAID]


def block_value(block: ArchivedBlock) -> Value:
    """Lay a block out as a value."""
    value = {name: getattr(block, name) for name in _BLOCK} | {"position": block.position}
    if block.block_type == "usage":  # a copy's cost nothing
        value["tokens"] = block.tokens or 0
    return value | {"created_at": instant_text(block.created_at)}


def feedback_of(told: ArchivedFeedback, thread_id: str, message_id: str) -> Value:
    """Lay feedback out as a value."""
    fields = {name: getattr(told, name) for name in _FEEDBACK} | {"created_at": instant_text(told.created_at)}
    named = told.id
    if is_reactions(told) and told.user_id is not None and told.thumb is not None:
        named = reaction_feedback_id(message_id, told.user_id, told.thumb)  # it goes with the message that is here
    return feedback_value(named, thread_id, message_id, told.metadata, **fields)


def is_reactions(told: ArchivedFeedback) -> bool:
    """Tell whether feedback is a reaction's, with which it comes and goes."""
    return canonical_json(told.metadata) == canonical_json(FROM_REACTION)


def answer_value(answer: ArchivedAnswer, thread_id: str, message_id: str, now: datetime) -> Value:
    """Lay an answer out as a value that nobody has; what was under way can be taken at once."""
    ready_at = now if answer.state in _UNDER_WAY else answer.ready_at
    value = {name: getattr(answer, name) for name in ("id", "position", *_ANSWER)}
    platform, workspace, channel, thread = answer.key
    place = {"platform": platform, "workspace": workspace, "channel": channel, "thread": thread}
    return value | {
        "thread_id": thread_id,
        "message_id": message_id,
        "place": place,
        "state": "waiting" if answer.state == "running" else answer.state,
        "owner": None,
        "ready_at": instant_text(ready_at),
        "part_count": 0,
        "created_at": instant_text(answer.created_at),
        "updated_at": instant_text(answer.updated_at),
    }


def is_later_answer(row: Value, answer: ArchivedAnswer) -> bool:
    """Tell whether an answer stands as the archive has it: it is later there, and nobody has it here."""
    return row["owner"] is None and instant_text(answer.updated_at) > row["updated_at"]


def approval_value(approval: ArchivedApproval, answer_id: str, thread_id: str) -> Value:
    """Lay an approval out as a value."""
    decided_at = None if approval.decided_at is None else instant_text(approval.decided_at)
    return {
        "id": approval.id,
        "answer_id": answer_id,
        "thread_id": thread_id,
        **{name: getattr(approval, name) for name in _APPROVAL},
        "decided_at": decided_at,
        "created_at": instant_text(approval.created_at),
        "expires_at": instant_text(approval.expires_at),
    }


def part_value(part: ArchivedPart, message_id: str, external: ExternalId | None) -> Value:
    """Lay a post out as a value."""
    place = None if external is None else {name: getattr(external, name) for name in external.__slots__}
    return {
        "message_id": message_id,
        "number": part.number,
        "token": part.token,
        "text": part.text or "",
        "state": part.state,
        "external": place,
        "kind": part.kind or "text",
        "position": part.position,
        "answer_id": part.answer_id,
    }


def merge_wording(row: Value, each: ArchivedMessage) -> bool:
    """Let the later edit stand, and the other wording be a version; False when all of it stands already.

    Of two that were edited at the same time, or never, the message's that was written later stands: it grew.
    """
    message, theirs = row["message"], each.message
    mine_at, their_at = instant_of(message["edited_at"]) or _EARLIEST, theirs.edited_at or _EARLIEST
    mine = _worded(message["content"], message["edited_at"] or message["created_at"])
    other = _worded(theirs.content, instant_text(theirs.edited_at or theirs.created_at))
    differs = canonical_json(mine["content"]) != canonical_json(other["content"])
    versions = [_version(version) for version in each.versions]
    if their_at == mine_at:
        takes = differs and (theirs.updated_at or theirs.created_at) > (instant_of(message["updated_at"]) or _EARLIEST)
    else:
        takes = their_at > mine_at
        versions += [mine if takes else other] if differs else []
    known = {_name_of(version) for version in row["versions"]}
    missing = [version for version in versions if _name_of(version) not in known]
    if missing:
        each_once = {_name_of(version): version for version in (*row["versions"], *missing)}
        row["versions"] = sorted(each_once.values(), key=lambda version: datetime.fromisoformat(version["at"]))
    if takes:
        message["content"], row["texts"] = theirs.content, said_of(each)
        message["edited_at"] = None if theirs.edited_at is None else instant_text(theirs.edited_at)
    return takes or bool(missing)


def merge_reactions(row: Value, each: ArchivedMessage) -> bool:
    """Let of each reaction the later event stand; False when all of them do already."""
    mine = {(entry["emoji"], entry["user_id"]): entry for entry in row["reactions"]}
    theirs = {(entry["emoji"], entry["user_id"]): entry for entry in map(entry_of, each.reactions)}
    for name, entry in theirs.items():
        stands = mine.get(name)
        if stands is None or (instant_of(entry["at"]) or _EARLIEST) > (instant_of(stands["at"]) or _EARLIEST):
            mine.pop(name, None)
            mine[name] = entry  # behind those that stand
    # Where nothing else stands here, the archive's order does.
    log = list(theirs.values()) if mine == theirs else list(mine.values())
    changed = canonical_json(log) != canonical_json(row["reactions"])
    row["reactions"] = log
    return changed


def merge_files(row: Value, each: ArchivedMessage) -> list[int]:
    """Let the contents lie in the file store that do so in the archive, and return their positions, from 1."""
    files, found = row["message"]["attachments"], []
    for position, (mine, theirs) in enumerate(zip(files, each.message.attachments, strict=False), 1):
        is_elsewhere = mine["sha256"] is None and mine["location"] is not None
        if is_elsewhere and mine["name"] == theirs.name and theirs.is_kept:
            files[position - 1] = theirs.model_dump(mode="json")
            found.append(position)
    return found


def _is_lasting(alias: str) -> bool:
    """Tell whether an alias names one place for good; that of a channel itself begins a new thread at times."""
    if ConversationPlace.is_alias(alias):
        return True
    try:
        key = ThreadKey.from_alias(alias)
    except ValueError:  # longer than any key once it is written as keys are
        return False
    return key is not None and key.thread != key.channel


def _stored(model: type[M], fields: Value) -> M:
    """Build a model of what is stored, in which instants are texts."""
    instants = {
        name: instant_of(value) for name, value in fields.items() if name.endswith("_at") and name not in _COUNTS
    }
    return model.model_construct(**fields | instants)


def _reaction(entry: Value) -> ArchivedReaction:
    at = entry["at"]
    named = {"emoji": entry["emoji"], "user_id": entry["user_id"], "event_at": at}
    return _stored(ArchivedReaction, named | {"created_at": at, "removed_at": at if entry["removed"] else None})


def _part(part: Value) -> ArchivedPart:
    place = part["external"]
    external = None if place is None else tuple(place[name] for name in ExternalId.__slots__)
    names = ("number", "token", "text", "state", "kind", "position", "answer_id")
    return _stored(ArchivedPart, {name: part[name] for name in names} | {"external": external})


def _block(block: Value, *, is_copy: bool) -> ArchivedBlock:
    value = {name: block.get(name) for name in _BLOCK} | {"details": block.get("details") or {}}
    if is_copy and not value["tokens"] and value["cost_usd"] is None:
        value["tokens"] = None
    value["cost_usd"] = None if value["cost_usd"] is None else float(value["cost_usd"])
    return _stored(ArchivedBlock, value | {name: block[name] for name in ("position", "created_at")})


def _external_of(key: str | None) -> External | None:
    if key is None:
        return None
    platform, workspace, channel, external_id = json.loads(key)
    return platform, workspace, channel, external_id


def _version(version: ArchivedVersion) -> Value:
    return _worded(version.content, instant_text(version.written_at))


def _worded(content: Any, at: str) -> Value:
    return {"content": content, "at": at}


def _name_of(version: Value) -> tuple[datetime, str]:
    return datetime.fromisoformat(version["at"]), canonical_json(version["content"])
