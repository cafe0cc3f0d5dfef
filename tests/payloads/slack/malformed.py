"""Events of types that we know, each with one thing broken, as `(name, payload)`.

Slack's own shapes, taken from the payloads beside this file; what is broken is made up. None can be an event of ours.
"""

import copy
from typing import Any

from tests.payloads.slack import load

GONE = object()
"""Stands for a field that is taken away."""


def broken(base: str, path: str, value: Any = GONE) -> dict[str, Any]:
    """Return a payload with the field at a dotted path taken away, or set to a value."""
    payload = load(base)
    *way, last = path.split(".")
    holder: Any = payload
    for name in way:
        holder = holder[int(name)] if name.isdigit() else holder[name]
    if value is GONE:
        del holder[last]
    else:
        holder[last] = copy.deepcopy(value)
    return payload


_BROKEN: list[tuple[str, str, str, Any]] = [
    ("envelope without event", "message", "event", GONE),
    ("envelope with event null", "message", "event", None),
    ("envelope with event a list", "message", "event", [{"type": "message"}]),
    ("envelope with event a text", "message", "event", "message"),
    ("event without type", "message", "event.type", GONE),
    ("event with type null", "message", "event.type", None),
    ("event with type a number", "message", "event.type", 7),
    ("event with type an object", "message", "event.type", {"name": "message"}),
    ("message without channel", "message", "event.channel", GONE),
    ("message with channel null", "message", "event.channel", None),
    ("message with channel empty", "message", "event.channel", ""),
    ("message with channel a number", "message", "event.channel", 1234),
    ("message with channel an object", "message", "event.channel", {"id": "C1", "name": "general"}),
    ("message with channel too long", "message", "event.channel", "C" * 501),
    ("message with channel too long for a key", "message", "event.channel", "C" * 499),
    ("message with channel too long as an alias", "message", "event.channel", "\u00e9" * 200),
    ("message without ts", "message", "event.ts", GONE),
    ("message with ts null", "message", "event.ts", None),
    ("message with ts empty", "message", "event.ts", ""),
    ("message with ts a float", "message", "event.ts", 1736207085.539649),
    ("message with ts an integer", "message", "event.ts", 1736207085),
    ("message with ts without its point", "message", "event.ts", "1736207085539649"),
    ("message with ts a word", "message", "event.ts", "yesterday"),
    ("message with ts negative", "message", "event.ts", "-1736207085.539649"),
    ("message with ts in Arabic digits", "message", "event.ts", "\u0661\u0667\u0663\u0666.\u0661"),
    ("message with ts with a line feed", "message", "event.ts", "1736207085.539649\n"),
    ("message with ts too long", "message", "event.ts", "9999999999999.000100"),
    ("message with ts after the year 9999", "message", "event.ts", "999999999999.000100"),
    ("message with ts not a number", "message", "event.ts", "NaN.000100"),
    ("message with ts a list", "message", "event.ts", ["1736207085.539649"]),
    ("message without user", "message", "event.user", GONE),
    ("message with user null", "message", "event.user", None),
    ("message with user empty", "message", "event.user", ""),
    ("message with user a number", "message", "event.user", 5),
    ("message with user an object", "message", "event.user", {"id": "U1"}),
    ("message with user a list", "message", "event.user", ["U1"]),
    ("message with user too long", "message", "event.user", "U" * 501),
    ("message with text a number", "message", "event.text", 5),
    ("message with text an object", "message", "event.text", {"type": "mrkdwn", "text": "hello"}),
    ("message with text a list", "message", "event.text", ["hello"]),
    ("message with text true", "message", "event.text", True),
    ("message with subtype a number", "message", "event.subtype", 1),
    ("message with subtype a list", "message", "event.subtype", ["bot_message"]),
    ("message with thread_ts a float", "message", "event.thread_ts", 1736207085.539649),
    ("message with thread_ts empty", "message", "event.thread_ts", ""),
    ("message with thread_ts a word", "message", "event.thread_ts", "root"),
    ("message with thread_ts false", "message", "event.thread_ts", False),
    ("message with bot_id a number", "message", "event.bot_id", 9),
    ("message with files an object", "message", "event.files", {"id": "F1"}),
    ("message with files a text", "message", "event.files", "F1"),
    ("message with a file null", "message", "event.files", [None]),
    ("message with a file an id", "message", "event.files", ["F1"]),
    ("bot message with nobody", "bot_message", "event.bot_id", GONE),
    ("bot message with bot_id empty", "bot_message", "event.bot_id", ""),
    ("mention without channel", "app_mention", "event.channel", GONE),
    ("mention without ts", "app_mention", "event.ts", GONE),
    ("mention without user", "app_mention", "event.user", GONE),
    ("mention with text null and user null", "app_mention", "event.user", None),
    ("mention with ts an integer", "app_mention", "event.ts", 1515449522000016),
    ("edit without message", "message_changed", "event.message", GONE),
    ("edit with message null", "message_changed", "event.message", None),
    ("edit with message a list", "message_changed", "event.message", []),
    ("edit with message a text", "message_changed", "event.message", "hello"),
    ("edit without channel", "message_changed", "event.channel", GONE),
    ("edit with channel null", "message_changed", "event.channel", None),
    ("edit without the message's ts", "message_changed", "event.message.ts", GONE),
    ("edit with the message's ts null", "message_changed", "event.message.ts", None),
    ("edit with the message's ts a float", "message_changed", "event.message.ts", 1736207085.539649),
    ("edit with the message's text a number", "message_changed", "event.message.text", 5),
    ("edit with the message's subtype a number", "message_changed", "event.message.subtype", 5),
    ("edit with the message's thread_ts a number", "message_changed", "event.message.thread_ts", 5),
    ("edit with edited a text", "message_changed", "event.message.edited", "1736207110.000000"),
    ("edit with edited.ts a number", "message_changed", "event.message.edited.ts", 1736207110),
    ("edit with edited.ts a word", "message_changed", "event.message.edited.ts", "now"),
    ("edit with previous_message a text", "message_changed", "event.previous_message", "before"),
    ("edit with previous_message a list", "message_changed", "event.previous_message", []),
    ("edit with event_ts a number", "message_changed", "event.event_ts", 1736207110),
    ("edit without a time", "documented_message_changed", "event.ts", GONE),
    ("deleted root without its ts", "root_deleted", "event.message.ts", GONE),
    ("deleted root without channel", "root_deleted", "event.channel", GONE),
    ("deletion without deleted_ts", "message_in_thread_deleted", "event.deleted_ts", GONE),
    ("deletion with deleted_ts null", "message_in_thread_deleted", "event.deleted_ts", None),
    ("deletion with deleted_ts an integer", "message_in_thread_deleted", "event.deleted_ts", 1736481285),
    ("deletion with deleted_ts a word", "message_in_thread_deleted", "event.deleted_ts", "last"),
    ("deletion without channel", "message_in_thread_deleted", "event.channel", GONE),
    ("deletion with channel an object", "message_in_thread_deleted", "event.channel", {}),
    ("deletion without a time", "documented_message_deleted", "event.ts", GONE),
    ("deletion with event_ts a list", "message_in_thread_deleted", "event.event_ts", []),
    ("reaction without item", "reaction_added", "event.item", GONE),
    ("reaction with item null", "reaction_added", "event.item", None),
    ("reaction with item a list", "reaction_added", "event.item", []),
    ("reaction with item a text", "reaction_added", "event.item", "message"),
    ("reaction with item without type", "reaction_added", "event.item.type", GONE),
    ("reaction with item.type a number", "reaction_added", "event.item.type", 1),
    ("reaction without item.channel", "reaction_added", "event.item.channel", GONE),
    ("reaction with item.channel null", "reaction_added", "event.item.channel", None),
    ("reaction without item.ts", "reaction_added", "event.item.ts", GONE),
    ("reaction with item.ts a float", "reaction_added", "event.item.ts", 1360782400.498405),
    ("reaction without user", "reaction_added", "event.user", GONE),
    ("reaction with user null", "reaction_added", "event.user", None),
    ("reaction with user a number", "reaction_added", "event.user", 1),
    ("reaction without its name", "reaction_added", "event.reaction", GONE),
    ("reaction with its name empty", "reaction_added", "event.reaction", ""),
    ("reaction with its name null", "reaction_added", "event.reaction", None),
    ("reaction with its name a list", "reaction_added", "event.reaction", ["eyes"]),
    ("reaction with its name too long", "reaction_added", "event.reaction", "e" * 501),
    ("reaction without event_ts", "reaction_added", "event.event_ts", GONE),
    ("reaction with event_ts an integer", "reaction_added", "event.event_ts", 1360782804),
    ("removed reaction without item", "reaction_removed", "event.item", GONE),
    ("removed reaction without user", "reaction_removed", "event.user", GONE),
    ("removed reaction without its name", "reaction_removed", "event.reaction", GONE),
    ("moved channel without the old id", "channel_id_changed", "event.old_channel_id", GONE),
    ("moved channel with the old id null", "channel_id_changed", "event.old_channel_id", None),
    ("moved channel without the new id", "channel_id_changed", "event.new_channel_id", GONE),
    ("moved channel with the new id a number", "channel_id_changed", "event.new_channel_id", 12),
]

MALFORMED: list[tuple[str, dict[str, Any]]] = [(name, broken(base, path, value)) for name, base, path, value in _BROKEN]
