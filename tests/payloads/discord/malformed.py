"""Frames of events that we read, each with one thing broken, as `(name, frame)`.

Discord's own shapes, taken from the payloads beside this file; what is broken is made up. None can be an event of ours.
"""

import copy
from typing import Any

from tests.payloads.discord import load

GONE = object()
"""Stands for a field that is taken away."""


def broken(base: str, path: str, value: Any = GONE) -> dict[str, Any]:
    """Return a frame with the field at a dotted path below its data taken away, or set to a value."""
    frame = load(base)
    way: list[Any] = [int(name) if name.isdigit() else name for name in f"d.{path}".rstrip(".").split(".")]
    last = way.pop()
    holder: Any = frame
    for name in way:
        holder = holder[name]
    if value is GONE:
        del holder[last]
    else:
        holder[last] = copy.deepcopy(value)
    return frame


_NO_DATA: list[tuple[str, Any]] = [("missing", GONE), ("null", None), ("a list", [{}]), ("a text", "d"), ("empty", {})]
_NO_ID: list[tuple[str, Any]] = [
    ("missing", GONE),
    ("null", None),
    ("a number", 334385199974967042),
    ("an object", {"id": "334385199974967042"}),
    ("a list", ["334385199974967042"]),
    ("empty", ""),
    ("a word", "general"),
    ("negative", "-334385199974967042"),
    ("a fraction", "334385199974967042.5"),
    ("with a line feed", "334385199974967042\n"),
    ("in Arabic digits", "\u0663\u0663\u0664"),
    ("above 64 bits", str(1 << 64)),
    ("of 5,000 digits", "9" * 5_000),
    ("with NUL", "3343\0"),
    ("with a lone surrogate", "3343\ud800"),
    ("of a path", "../../users/@me"),
]
_SOME = [each for each in _NO_ID if each[0] in ("missing", "a number", "a word")]
_EACH_DATA = ("message", "edited", "deleted", "deleted_many", "reaction_added", "reactions_cleared", "thread_deleted")
_BROKEN: list[tuple[str, str, str, Any]] = [
    *[(f"{base} with data {name}", base, "", value) for base in _EACH_DATA for name, value in _NO_DATA[1:3]],
    *[(f"message with id {name}", "message", "id", value) for name, value in _NO_ID],
    *[(f"message with channel {name}", "message", "channel_id", value) for name, value in _SOME],
    *[(f"message with author {name}", "message", "author.id", value) for name, value in _SOME],
    *[(f"deletion of {name}", "deleted", "id", value) for name, value in _SOME],
    *[(f"reaction to {name}", "reaction_added", "message_id", value) for name, value in _SOME],
    *[(f"reaction of {name}", "reaction_removed", "user_id", value) for name, value in _SOME],
    *[(f"thread of id {name}", "thread_deleted", "id", value) for name, value in _SOME],
    *[(f"edit of {name}", "edited", "id", value) for name, value in _SOME],
    *[(f"message in guild {name}", "message", "guild_id", value) for name, value in _SOME[1:]],
    ("message without author", "message", "author", GONE),
    ("message with null as author", "message", "author", None),
    ("message with author a text", "message", "author", "anna"),
    ("message without type", "message", "type", GONE),
    ("message with type null", "message", "type", None),
    ("message with type a text", "message", "type", "0"),
    ("message with type an object", "message", "type", {"id": 0}),
    ("message with content a number", "message", "content", 5),
    ("message with content an object", "message", "content", {"text": "hello"}),
    ("message with content a list", "message", "content", ["hello"]),
    ("message with mentions a text", "message", "mentions", "everybody"),
    ("message with mentions an object", "message", "mentions", {"id": "1"}),
    ("message with roles a number", "message", "mention_roles", 5),
    ("message with attachments an object", "message", "attachments", {"id": "1"}),
    ("message with attachments of numbers", "message", "attachments", [5]),
    ("message with a file name that is a list", "attachments", "attachments.0.filename", ["a"]),
    ("message with a file type that is a number", "attachments", "attachments.0.content_type", 5),
    ("message with edited_timestamp a number", "message", "edited_timestamp", 1499793627),
    ("message with edited_timestamp a word", "message", "edited_timestamp", "yesterday"),
    ("message with edited_timestamp of month 13", "message", "edited_timestamp", "2017-13-11T17:27:07+00:00"),
    ("reply with a reference that is a text", "reply", "message_reference", "306588351130107906"),
    ("forward of a list", "forward", "message_snapshots", {"message": {}}),
    ("forward of a text", "forward", "message_snapshots.0", "words"),
    ("forward with a number for words", "forward", "message_snapshots.0.message.content", 5),
    ("poll that is a list", "poll", "poll", [1]),
    ("poll with a question that is a text", "poll", "poll.question", "Lunch?"),
    ("poll with answers that are a text", "poll", "poll.answers", "Soup"),
    ("sticker that is a number", "stickers", "sticker_items.0", 5),
    ("sticker whose name is an object", "stickers", "sticker_items.0.name", {"a": 1}),
    ("embeds that are a text", "webhook", "embeds", "Build 7"),
    ("embed that is a text", "webhook", "embeds.0", "Build 7"),
    ("embed with fields that are a text", "webhook", "embeds.0.fields", "step"),
    ("edit with edited_timestamp a word", "edited", "edited_timestamp", "now"),
    ("edit with edited_timestamp a list", "edited", "edited_timestamp", ["2017-07-11T17:28:00.123456+00:00"]),
    ("edit with content a number", "edited", "content", 5),
    ("edit with author a text", "edited", "author", "anna"),
    ("edit with type a text", "edited", "type", "0"),
    ("bulk deletion without ids", "deleted_many", "ids", GONE),
    ("bulk deletion with ids a text", "deleted_many", "ids", "334385199974967042"),
    ("bulk deletion of numbers", "deleted_many", "ids", [334385199974967042]),
    ("bulk deletion of null", "deleted_many", "ids", [None]),
    ("bulk deletion with a word among ids", "deleted_many", "ids.1", "all"),
    ("reaction without emoji", "reaction_added", "emoji", GONE),
    ("reaction with emoji a text", "reaction_added", "emoji", "🔥"),
    ("reaction with emoji empty", "reaction_added", "emoji", {}),
    ("reaction with emoji of nothing", "reaction_added", "emoji", {"id": None, "name": None}),
    ("reaction with emoji of an empty name", "reaction_added", "emoji", {"id": None, "name": "\ufe0f"}),
    ("reaction with emoji id a number", "reaction_added", "emoji", {"id": 5, "name": "LUL"}),
    ("reaction with emoji name a list", "reaction_added", "emoji", {"id": None, "name": ["🔥"]}),
    ("reaction taken off without emoji", "reaction_removed", "emoji", GONE),
    ("reactions of one emoji cleared without it", "reactions_cleared_of_one", "emoji", GONE),
    ("thread with parent a number", "thread_deleted", "parent_id", 5),
    ("thread with guild a list", "thread_deleted", "guild_id", [1]),
    ("thread with metadata a text", "thread_archived", "thread_metadata", "archived"),
    ("thread with name a number", "thread_updated", "name", 5),
    ("deleted channel of id null", "channel_deleted", "id", None),
    ("channel of id a word", "channel_deleted", "id", "general"),
    ("channel in guild a word", "channel_deleted", "guild_id", "acme"),
    *[(f"command with data {name}", "command", "", value) for name, value in _NO_DATA],
    *[
        (f"message with data {name}", "message", "", value)
        for name, value in _NO_DATA
        if name not in ("null", "a list")
    ],
    *[(f"command of id {name}", "command", "id", value) for name, value in _SOME],
    ("command without token", "command", "token", GONE),
    ("command with token a number", "command", "token", 5),
    ("command with token of two words", "command", "token", "two words"),
    ("command with token of a lone surrogate", "command", "token", "a\ud800"),
    ("command with type a text", "command", "type", "2"),
    ("command with type missing", "command", "type", GONE),
    ("command with a text as its data", "command", "data", "ask"),
    ("command without name", "command", "data.name", GONE),
    ("command with name a number", "command", "data.name", 5),
    ("command without channel", "command", "channel_id", GONE),
    ("command with channel a word", "command", "channel_id", "general"),
    ("command in guild a word", "command", "guild_id", "acme"),
    ("command with options a text", "command", "data.options", "question"),
    ("command with a question that is a number", "command", "data.options.0.value", 5),
    ("command with a question that is missing", "command", "data.options.0.value", GONE),
    ("command of nobody", "command", "member", GONE),
    ("command of a member without user", "command", "member.user", GONE),
    ("command of a user without id", "command", "member.user.id", GONE),
    ("command of a user of id a number", "command", "member.user.id", 5),
]
MALFORMED: list[tuple[str, dict[str, Any]]] = [(name, broken(base, path, value)) for name, base, path, value in _BROKEN]
