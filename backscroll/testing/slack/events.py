"""The events that the fake sends, as plain dictionaries without their envelope.

Source: docs.slack.dev/reference/events. Proved by `tests/unit/testing/test_events.py`.
"""

import re

from backscroll.testing.slack.models import SLACKBOT, TOMBSTONE_TEXT, Channel, Json, Message, User

_MENTION = re.compile(r"<@([UW]\w+)(?:\|[^>]*)?>")
# app_mention has none of these.
_NOT_IN_MENTION = ("subtype", "channel_type", "root", "parent_user_id")


def rich_text(text: str) -> list[Json]:
    """Return the blocks that a person's client makes of a text."""
    elements: list[Json] = []
    end = 0
    for found in _MENTION.finditer(text) if "<@" in text else ():
        if found.start() > end:
            elements.append({"type": "text", "text": text[end : found.start()]})
        elements.append({"type": "user", "user_id": found[1]})
        end = found.end()
    if end < len(text):
        elements.append({"type": "text", "text": text[end:]})
    section = {"type": "rich_text_section", "elements": elements}
    return [{"type": "rich_text", "block_id": "fake", "elements": [section]}]


def mentions(text: str, user_id: str) -> bool:
    """Tell whether a text mentions this user."""
    return f"<@{user_id}>" in text or f"<@{user_id}|" in text


def posted(message: Message, *, with_metadata: bool = False) -> Json:
    """Return the `message` event of a new message."""
    event = message.shown(with_metadata=with_metadata)
    event["channel"] = message.channel.id
    event["event_ts"] = message.ts
    event["channel_type"] = message.channel.type
    if message.subtype == "thread_broadcast" and message.root is not None:
        event["root"] = message.root.shown()
    return event


def mentioned(message: Message) -> Json:
    """Return the `app_mention` event of a new message."""
    event = posted(message)
    for name in _NOT_IN_MENTION:
        event.pop(name, None)
    event["type"] = "app_mention"
    return event


def changed(message: Json, before: Json | None, channel: Channel, ts: str) -> Json:
    """Return the `message_changed` event; `before` None leaves previous_message out."""
    event: Json = {
        "type": "message",
        "subtype": "message_changed",
        "message": message,
        "channel": channel.id,
        "hidden": True,
        "ts": ts,
        "event_ts": ts,
        "channel_type": channel.type,
    }
    if before is not None:
        event["previous_message"] = before
    return event


def deleted(message_ts: str, before: Json | None, channel: Channel, ts: str) -> Json:
    """Return the `message_deleted` event; `before` None leaves previous_message out."""
    event: Json = {
        "type": "message",
        "subtype": "message_deleted",
        "channel": channel.id,
        "hidden": True,
        "deleted_ts": message_ts,
        "ts": ts,
        "event_ts": ts,
        "channel_type": channel.type,
    }
    if before is not None:
        event["previous_message"] = before
    return event


def tombstone(message: Message, slackbot: User) -> None:
    """Turn a root into what stays in its place when it is deleted and its replies live on."""
    message.subtype = "tombstone"
    message.text = TOMBSTONE_TEXT
    message.author = slackbot
    message.bot_id = message.client_msg_id = message.blocks = message.attachments = message.metadata = None
    message.files = []
    message.reactions = {}
    message.edited = None
    message.extra = {"hidden": True}


def slackbot(team_id: str) -> User:
    """Return the user who owns tombstones."""
    return User(id=SLACKBOT, name="slackbot", team_id=team_id, real_name="Slackbot")


def reacted(user_id: str, name: str, message: Message, ts: str, *, removed: bool) -> Json:
    """Return the `reaction_added` or `reaction_removed` event. It names no thread and no text."""
    event: Json = {
        "type": "reaction_removed" if removed else "reaction_added",
        "user": user_id,
        "reaction": name,
        "item": {"type": "message", "channel": message.channel.id, "ts": message.ts},
        "event_ts": ts,
    }
    if message.user is not None:
        event["item_user"] = message.user
    return event


def assistant_thread(kind: str, user_id: str, root: Message, context: Json, ts: str) -> Json:
    """Return `assistant_thread_started` or `assistant_thread_context_changed`."""
    thread = {"user_id": user_id, "context": context, "channel_id": root.channel.id, "thread_ts": root.ts}
    return {"type": kind, "assistant_thread": thread, "event_ts": ts}
