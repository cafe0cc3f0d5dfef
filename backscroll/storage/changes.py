"""The difference that `save()` writes: what was changed in a thread since it was loaded.

Two writers who changed different things both keep theirs; the same field changed by two goes to the last commit.
Pure: knows no backend. Proved by `tests/unit/storage/test_changes.py` and, on every backend, by
`tests/contract/test_save.py`.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from backscroll.storage.models import UNTITLED, Content, Message, Remembered, Thread
from backscroll.storage.values import canonical_json

FIELDS = ("title", "user_id", "agent_name")
OBJECTS = ("attributes", "platforms")

MessageMark = tuple[Any, frozenset[tuple[str, str]]]
"""What is remembered of a message: a mark of its content, and its `(emoji, user_id)`."""


@dataclass(frozen=True, repr=False)
class ThreadChanges:
    """What one `save()` writes.

    `fields` are the title, user and agent; `contents` the contents of stored messages, by id.
    `set_keys` and `removed_keys` are top-level keys of `attributes` and `platforms`. `messages` are those that storage
    may not have: one that it has already is left alone. `reactions` are `(message_id, emoji, user_id, added)`.
    `added` are these messages as the object has them; `after` is what storage holds of it once all this is written.
    """

    thread: Thread
    was_loaded: bool
    fields: dict[str, Any] = field(default_factory=dict)
    set_keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    removed_keys: dict[str, list[str]] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    contents: dict[str, str | list[dict[str, Any]]] = field(default_factory=dict)
    reactions: list[tuple[str, str, str, bool]] = field(default_factory=list)
    added: list[Message] = field(default_factory=list)
    after: Remembered = field(default_factory=lambda: Remembered({}, {}))

    def apply_to(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return a stored thread's `fields` with these changes of title, user, agent, attributes and platforms."""
        changed = {**fields, **self.fields}
        for name in OBJECTS:
            removed = self.removed_keys.get(name, ())
            kept = {key: value for key, value in changed[name].items() if key not in removed}
            changed[name] = {**kept, **self.set_keys.get(name, {})}
        return changed


def remember(thread: Thread) -> Thread:
    """Note that storage holds the thread as it is now, and return it."""
    messages = {message.id: _fingerprint(message) for message in thread.messages if message.sequence is not None}
    thread._remembered = Remembered(_parts(thread), messages)  # noqa: SLF001  # its memory is ours to keep
    return thread


def remember_saved(thread: Thread, changes: ThreadChanges, stored: list[Message]) -> Thread:
    """Note that storage holds the thread as it was when the changes were made, and return it.

    Args: stored: the changes' messages as they are stored. Their ids and sequences become those of the thread's.
    """
    messages = dict(changes.after.messages)
    for mine, kept in zip(changes.added, stored, strict=True):
        messages[kept.id] = messages.pop(mine.id, changes.after.messages[mine.id])
        if mine.id != kept.id:
            mine.id = kept.id
        mine.sequence, mine.updated_at = kept.sequence, kept.updated_at
    thread._remembered = Remembered(changes.after.parts, messages)  # noqa: SLF001  # its memory is ours to keep
    return thread


def changes_of(thread: Thread) -> ThreadChanges:
    """Compare a thread with what storage held; without a memory, everything in it counts as added.

    Raises: ValueError: something was put into the thread that no backend can hold.
    """
    loaded = thread._remembered  # noqa: SLF001  # its memory is ours to keep
    memory = loaded or Remembered({("title", ""): UNTITLED}, {})
    # Lists and objects are changed in place, where no model sees it: build anew, so that they are checked once more.
    current = Thread.model_validate(thread.__dict__ | {"messages": []})
    parts = _parts(current)
    changes = ThreadChanges(thread=current, was_loaded=loaded is not None, after=Remembered(parts, {}))
    for (name, key), value in parts.items():
        if memory.parts.get((name, key)) == value:
            continue
        if name in FIELDS:
            changes.fields[name] = value
        else:
            changes.set_keys.setdefault(name, {})[key] = getattr(current, name)[key]
    for name, key in memory.parts.keys() - parts.keys():
        changes.removed_keys.setdefault(name, []).append(key)
    for message in thread.messages:
        known = memory.messages.get(message.id)
        if known is None and message.role == "system":
            continue
        now = changes.after.messages[message.id] = _fingerprint(message)
        if now != known:
            _compare_message(changes, known, message)
    return changes


def _compare_message(changes: ThreadChanges, known: MessageMark | None, message: Message) -> None:
    checked = Message.model_validate(message.__dict__)
    if known is None:
        changes.added.append(message)
        changes.messages.append(checked)
        return
    content, reactions = known
    now, standing = _fingerprint(checked)
    if content != now:
        changes.contents[message.id] = checked.content
    changes.reactions.extend((message.id, *pair, True) for pair in _pairs(checked) if pair not in reactions)
    changes.reactions.extend((message.id, *pair, False) for pair in sorted(reactions - standing))


def _parts(thread: Thread) -> dict[tuple[str, str], Any]:
    parts: dict[tuple[str, str], Any] = {(name, ""): getattr(thread, name) for name in FIELDS}
    for name in OBJECTS:
        parts |= {(name, key): canonical_json(value) for key, value in getattr(thread, name).items()}
    return parts


def _pairs(message: Message) -> list[tuple[str, str]]:
    return [(emoji, user_id) for emoji, users in message.reactions.items() for user_id in users]


def _fingerprint(message: Message) -> MessageMark:
    return _content_mark(message.content), frozenset(_pairs(message))


def _content_mark(content: Content) -> Any:
    return content if isinstance(content, str) else hashlib.sha256(canonical_json(content).encode()).digest()
