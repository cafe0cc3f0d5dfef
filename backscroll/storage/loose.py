"""What is kept beside threads, as archives have it: the fields of each kind, checked.

Instants are texts that compare as instants do, as the contract's defaults keep them. Proved by
`tests/unit/storage/test_archive.py`.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from backscroll.storage.keys import ExternalId
from backscroll.storage.models import Content, Count, Id, Instant, Int64, Text
from backscroll.storage.values import VALUE_DEPTH, as_utc, check_id, clean_object, to_json


def _as_text(instant: Any) -> str:
    return as_utc(instant).isoformat(timespec="microseconds")


def _clean_value(value: Any) -> dict[str, Any]:
    return clean_object(value, depth=VALUE_DEPTH)


def _has_id(item: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(item.get("id"), str):
        raise ValueError("an item of a list has an id, a text")
    return item


At = Annotated[Instant, PlainSerializer(_as_text)]
Value = Annotated[dict[str, Any], BeforeValidator(_clean_value)]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="forbid")


class LostThread(_Shape):
    """What a deleted thread leaves of its links. Its key is its id."""

    id: Id
    parent_id: Id | None
    forked_at: Count | None


class SuspendedState(_Shape):
    """What waits for a person. Its key is the approval's id."""

    approval_id: Id
    thread_id: Id
    agent_name: Id
    node_name: Id
    state: Value
    created_at: At
    expires_at: At


class Checkpoint(_Shape):
    """A state of a graph. Its key joins thread, namespace and checkpoint."""

    thread_id: Text
    namespace: Text
    checkpoint_id: Text
    parent_id: Text | None
    checkpoint: Value
    metadata: Value
    run_id: Id | None
    created_at: At


class CheckpointWrite(_Shape):
    """What a task wrote after a checkpoint. Its key joins thread, namespace, checkpoint, task and position."""

    thread_id: Text
    namespace: Text
    checkpoint_id: Text
    task_id: Text
    position: Int64
    task_path: Text
    channel: Text
    value: Value


class Heartbeat(_Shape):
    """When an agent's connection was last seen alive. Its key is the agent's name."""

    last_ping_pong_time: float = Field(allow_inf_nan=False)


class EarlyChange(_Shape):
    """One change that came before its message; it has the fields of its kind alone."""

    kind: Literal["edit", "delete", "clear", "add", "remove"]
    content: Content | None = None
    emoji: Id | None = None
    user_id: Id | None = None
    at: At


class EarlyEvent(_Shape):
    """The changes that wait for a message, as they came. Its key joins the four parts of the external id."""

    changes: list[EarlyChange]
    since: At | None


class RejectedEvent(_Shape):
    """An event that was put aside. Its key is its id."""

    id: Id
    platform: Text
    reason: Text
    payload: Value
    created_at: At


class PlainValue(_Shape):
    """What `set` keeps. Its key joins namespace and key."""

    namespace: Text
    key: Text
    value: Value


class PlainItem(_Shape):
    """What `append` keeps. Its key joins namespace, key, and its number in the list, of 12 digits, from 0."""

    namespace: Text
    key: Text
    item: Annotated[Value, AfterValidator(_has_id)]


_SHAPES: dict[str, type[_Shape]] = {
    "lost_thread": LostThread,
    "suspended_state": SuspendedState,
    "checkpoint": Checkpoint,
    "checkpoint_write": CheckpointWrite,
    "heartbeat": Heartbeat,
    "early_event": EarlyEvent,
    "rejected_event": RejectedEvent,
    "value": PlainValue,
    "item": PlainItem,
}
_NAMES: dict[str, tuple[str, ...]] = {
    "lost_thread": ("id",),
    "suspended_state": ("approval_id",),
    "checkpoint": ("thread_id", "namespace", "checkpoint_id"),
    "checkpoint_write": ("thread_id", "namespace", "checkpoint_id", "task_id", "position"),
    "rejected_event": ("id",),
    "value": ("namespace", "key"),
    "item": ("namespace", "key"),
}
_CHANGED = {"edit": ("content",), "delete": (), "clear": ("emoji",), "add": ("emoji", "user_id")}
_CHANGED["remove"] = _CHANGED["add"]


def checked_value(kind: str, key: str, value: Any) -> dict[str, Any]:
    """Return the value of one thing beside threads, cleaned, its instants as texts.

    Raises: ValueError: the kind has no such value, or its key is another.
    """
    if kind not in _SHAPES:
        raise ValueError(f"kind is one of {', '.join(_SHAPES)}")
    told = _SHAPES[kind].model_validate(value).model_dump()
    if kind == "early_event":
        told["changes"] = [
            {name: change[name] for name in ("kind", *_CHANGED[change["kind"]], "at")} for change in told["changes"]
        ]
    if not _fits(kind, key, told):
        raise ValueError(f"the key of a {kind} is not that of its value")
    return told


def _fits(kind: str, key: str, told: dict[str, Any]) -> bool:
    if kind == "heartbeat":
        return bool(check_id(key, "key"))
    if kind == "early_event":
        parts = _parts(key, 4)
        return bool(parts) and to_json(_external(parts)) == key
    names = [told[name] for name in _NAMES[kind]]  # as `join_key` joins them, which stands above this
    if kind == "item":
        names += _parts(key, 3)[2:]
        return len(names) == 3 and to_json(names) == key
    return key == (names[0] if len(names) == 1 else to_json(names))


def _parts(key: str, count: int) -> list[Any]:
    """Read so many names back that were joined; none where a key is not of so many."""
    try:
        parts = json.loads(key)
    except RecursionError:
        return []
    return parts if isinstance(parts, list) and len(parts) == count else []


def _external(parts: list[Any]) -> list[str]:
    external = ExternalId(*parts)
    return [external.platform, external.workspace, external.channel, external.id]
