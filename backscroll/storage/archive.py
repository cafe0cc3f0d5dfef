"""What a thread is outside of its database: `ArchivedThread`, with all that belongs to it, and `Loose` for the rest.

Every backend reads and merges these (`provider/archives.py`); exports write them as JSON, copies hand them on. They are
built from files that anybody may have written, so they check what no backend could hold. A repr shows ids, never texts.
Proved by `tests/contract/test_archives.py` and `tests/unit/storage/test_archive.py`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from backscroll.errors import StorageError, StorageRefusedError, named
from backscroll.storage.blocks import LIMIT_COST_USD
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.loose import checked_value
from backscroll.storage.models import (
    Content,
    Count,
    Id,
    Instant,
    Int64,
    JsonObject,
    Message,
    Sha256,
    Text,
)
from backscroll.storage.records import AnswerState, Outcome, PartKind, PartState
from backscroll.storage.thumbs import Thumb
from backscroll.storage.values import canonical_json

_FARTHEST = 10_000
"""Sequences that a message may lie behind its thread's last, at most: some may be missing, but not all."""

_INT32 = 2**31 - 1
_NEAR = 2**29
"""Numbers from which storage counts on are not beyond this one, so that it never gets to the end of them."""


def _check_external(parts: tuple[str, str, str, str]) -> tuple[str, str, str, str]:
    ExternalId(*parts)
    return parts


def _check_key(parts: tuple[str, str, str, str]) -> tuple[str, str, str, str]:
    ThreadKey(*parts)
    return parts


External = Annotated[tuple[Text, Text, Text, Text], AfterValidator(_check_external)]
"""Platform, workspace, channel and id of a message, as `ExternalId` has them."""

Key = Annotated[tuple[Text, Text, Text, Text], AfterValidator(_check_key)]
"""Platform, workspace, channel and thread, as `ThreadKey` has them."""

Small = Annotated[int, Field(ge=0, le=_INT32)]
Counted = Annotated[Small, AfterValidator(lambda number: min(number, _NEAR))]
"""A number from which storage counts on."""
Position = Annotated[int, Field(ge=-_INT32, le=_INT32)]

END = 2**63 - 1
"""The sequence of a mark behind all messages."""

LooseKind = Literal[
    "lost_thread",
    "suspended_state",
    "checkpoint",
    "checkpoint_write",
    "heartbeat",
    "early_event",
    "rejected_event",
    "value",
    "item",
]
"""What is kept beside threads; `value` and `item` are those of `set` and `append`, as people and adapters use them."""

LOOSE_KINDS: tuple[LooseKind, ...] = get_args(LooseKind)
"""All kinds, in the order in which they are read."""


class _Archived(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="forbid")

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("id", getattr(self, "id", None))]


def _check_once(where: str, names: list[Any]) -> None:
    if len(set(names)) < len(names):
        raise ValueError(f"{where} have one name twice")


def _bring_near(owner: _Archived, things: str, name: str) -> None:
    """Give things new numbers, in their order, where storage could not count on from those they have."""
    listed = getattr(owner, things)
    if any(getattr(each, name) > _NEAR for each in listed):
        ordered = sorted(listed, key=lambda each: int(getattr(each, name)))
        near = [each.model_copy(update={name: number}) for number, each in enumerate(ordered, 1)]
        object.__setattr__(owner, things, near)


class ArchivedReaction(_Archived):
    """One user's one emoji, also one that was taken off: `removed_at` says when.

    `event_at` is its last event's; None for one that came with its message. `created_at` is as far as it is known.
    """

    emoji: Id
    user_id: Id
    created_at: Instant | None = None
    event_at: Instant | None = None
    removed_at: Instant | None = None


class ArchivedVersion(_Archived):
    """What a message said before an edit."""

    content: Content
    written_at: Instant


class ArchivedPart(_Archived):
    """One post of an answer; `external` is None until it is posted. Without a text it says nothing any more."""

    number: Small
    token: Text | None = None
    text: Text | None = None
    state: PartState | Literal["expected"]
    kind: PartKind | None = None
    position: Small | None = None
    external: External | None = None
    answer_id: Id | None = None


class ArchivedBlock(_Archived):
    """What stands beside a message's content: a text, a file, a tool call or usage, in the order of `position`.

    What a fork copied has neither tokens nor a cost: they count where they were spent.
    """

    id: Id
    position: Position
    block_type: Text
    content: JsonObject
    details: JsonObject = Field(default_factory=dict)
    tool_call_id: Text | None = None
    sha256: Sha256 | None = None
    tokens: Int64 | None = None
    model: Text | None = None
    cost_usd: Annotated[float, Field(ge=0, le=LIMIT_COST_USD)] | None = None
    created_at: Instant


class ArchivedFeedback(_Archived):
    """What a person thinks of a message."""

    id: Id
    user_id: Text | None = None
    agent_name: Text | None = None
    rating: Annotated[int, Field(ge=1, le=5)] | None = None
    thumb: Thumb | None = None
    comment: Text | None = None
    correction: Text | None = None
    query: Text | None = None
    response: Text | None = None
    metadata: JsonObject = Field(default_factory=dict)
    created_at: Instant


class ArchivedApproval(_Archived):
    """A question to people that an answer waits for, or waited for."""

    id: Id
    number: Small
    outcome: Outcome | None = None
    decided_by: Text | None = None
    decided_at: Instant | None = None
    created_at: Instant
    expires_at: Instant


class ArchivedAnswer(_Archived):
    """The duty to answer a message, without its owner: who merges it takes over what was under way."""

    id: Id
    position: Counted
    key: Key
    state: AnswerState
    tries: Counted = 0
    takeovers: Counted = 0
    ready_at: Instant
    reason: Text | None = None
    answer_message_id: Id | None = None
    is_partial: bool = False
    is_growing: bool = False
    is_certain: bool = False
    created_at: Instant
    updated_at: Instant
    approvals: list[ArchivedApproval] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check_numbers(self) -> Self:
        _bring_near(self, "approvals", "number")
        return self


class ArchivedMessage(_Archived):
    """A message and all that belongs to it. `message.reactions` is empty: `reactions` says it, with their instants.

    `wanted_from` is the platform and workspace from which its files are still to be fetched, those of `wanted`, which
    counts attachments from 1.
    """

    message: Message
    external: External | None = None
    reactions: list[ArchivedReaction] = Field(default_factory=list)
    """In the order in which they came, those that were taken off anywhere; the last change of each."""
    versions: list[ArchivedVersion] = Field(default_factory=list)
    """Oldest first."""
    parts: list[ArchivedPart] = Field(default_factory=list)
    blocks: list[ArchivedBlock] = Field(default_factory=list)
    feedback: list[ArchivedFeedback] = Field(default_factory=list)
    """By `created_at`, then `id`."""
    answer: ArchivedAnswer | None = None
    """The answer that this message asks for."""
    wanted: list[Small] = Field(default_factory=list)
    wanted_from: tuple[Text, Text] | None = None

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        _check_once("reactions", [(one.emoji, one.user_id) for one in self.reactions])
        _check_once("parts", [one.number for one in self.parts])
        for name in ("id", "position", "tool_call_id"):
            _check_once("blocks", [each for one in self.blocks if (each := getattr(one, name)) is not None])
        _check_once("feedback", [one.id for one in self.feedback])
        _bring_near(self, "parts", "number")
        _bring_near(self, "blocks", "position")
        if (self.wanted_from is None) != (not self.wanted):
            raise ValueError("wanted and wanted_from go together")
        return self


class ArchivedThread(_Archived):
    """A thread and all that belongs to it, or a further piece of a long one.

    Of a thread in pieces each has the thread's own fields; `is_continuation` of all but the first.
    """

    id: Id
    title: Text
    user_id: Id | None = None
    agent_name: Id | None = None
    attributes: JsonObject = Field(default_factory=dict)
    platforms: dict[Id, JsonObject] = Field(default_factory=dict)
    parent_id: Id | None = None
    forked_at: Count | None = None
    created_at: Instant
    updated_at: Instant
    aliases: list[Id] = Field(default_factory=list)
    """Sorted."""
    messages: list[ArchivedMessage] = Field(default_factory=list)
    """By sequence."""
    is_continuation: bool = False

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        _check_once("messages", [one.message.id for one in self.messages])
        _check_once("messages", [one.external for one in self.messages if one.external is not None])
        return self

    @property
    def mark(self) -> "ArchiveMark":
        """Where to read on after this piece; an empty one is its thread's last."""
        last = self.messages[-1].message.sequence if self.messages else END
        return ArchiveMark(self.id, last or 0)

    @property
    def files(self) -> list[str]:
        """The hashes of the contents in the file store that it needs, each once, sorted."""
        attached = {each.sha256 for one in self.messages for each in one.message.attachments if each.is_kept}
        outputs = {each.sha256 for one in self.messages for each in one.blocks}
        return sorted(sha256 for sha256 in attached | outputs if sha256 is not None)

    def digest(self) -> str:
        """Hash what a faithful copy has alike on every backend.

        That is all but when storage last wrote something, who answers when, the instants between a reaction's first and
        its last event, and the places of those that were taken off. An answer that was being made waits in a copy.
        """
        told = self.model_dump(mode="json", exclude={"updated_at", "is_continuation"})
        for each in told["messages"]:
            del each["message"]["updated_at"]
            events = [[one["emoji"], one["user_id"], one["event_at"]] for one in each["reactions"]]
            gone = [one["removed_at"] is not None for one in each["reactions"]]
            each["reactions"] = [event for event, is_gone in zip(events, gone, strict=True) if not is_gone]
            each["removed"] = sorted(event for event, is_gone in zip(events, gone, strict=True) if is_gone)
            for part in each["parts"]:
                part |= {"text": part["text"] or "", "kind": part["kind"] or "text"}
            if answer := each["answer"]:
                answer["state"] = "waiting" if answer["state"] == "running" else answer["state"]
                for name in ("ready_at", "updated_at", "takeovers"):
                    del answer[name]
        return hashlib.sha256(canonical_json(told).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ArchiveMark:
    """The last thread that was read, and the last sequence of it: `END` where nothing of it is left."""

    thread_id: str
    sequence: int


def next_sequence(last: int, wanted: int | None) -> int:
    """Return the sequence that a message gets in a thread: the archive's where that is near behind the last."""
    return wanted if wanted is not None and last < wanted <= last + _FARTHEST else last + 1


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of a piece. `thread_id` is the thread that has its messages now."""

    thread_id: str
    is_new: bool
    new_messages: int
    changed_messages: int


class PieceRefusedError(StorageRefusedError):
    """A piece of an archive is not kept; those before it are, and of those behind it none was tried.

    `index` is its number among the pieces that were given, from 0; `merged` is what became of those before it. What is
    wrong with it is the `__cause__`.
    """

    def __init__(self, piece_id: str, merged: Sequence[Merged], error: Exception) -> None:
        if isinstance(error, StorageError):
            super().__init__(error.message, error.hint)
        else:
            super().__init__(f"Thread {piece_id} is not to be kept ({named(error)}).", "This is a defect of ours.")
        self.merged = list(merged)
        self.index = len(self.merged)


class Loose(_Archived):
    """One thing that is kept beside threads, under the name that tells it from others of its kind.

    `value` is what `loose.py` says of its kind, as the defaults keep it, so that every backend reads the same.
    """

    kind: LooseKind
    key: Text
    value: dict[str, Any]

    @model_validator(mode="after")
    def _check_value(self) -> Self:
        object.__setattr__(self, "value", checked_value(self.kind, self.key, self.value))
        return self

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("kind", self.kind)]


@dataclass(frozen=True, slots=True)
class LooseMark:
    """The last loose thing that was read."""

    kind: LooseKind
    key: str
