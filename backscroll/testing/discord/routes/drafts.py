"""How a call's form becomes a message: its checks, its limits, its files and its mentions.

Source: docs.discord.com/developers/resources/message, Create Message.
Proved by `tests/unit/testing/discord/test_sending.py`.
"""

from typing import Any

from backscroll.testing.discord import mentions
from backscroll.testing.discord.models import (
    EPHEMERAL,
    HAS_SNAPSHOT,
    REPLY,
    SPOKEN,
    SUPPRESS_EMBEDS,
    Channel,
    File,
    Json,
    Message,
)
from backscroll.testing.discord.routes.call import ApiError, Call, bad_form
from backscroll.testing.discord.routes.components import components_of

CONTENT_UNITS = 2000
NONCE_LENGTH = 25
# What a bot may set: no embeds, only for one person, silent, components v2.
SETTABLE = SUPPRESS_EMBEDS | EPHEMERAL | 1 << 12 | 1 << 15


def unit_count(text: str) -> int:
    """Return how many UTF-16 units a text has."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def draft(call: Call, channel: Channel, form: Json) -> Message:
    """Return the bot's message that a form describes, checked but not posted.

    Raises: ApiError: 50006; 50035; 40005; 50013; 160002.
    """
    message = Message(call.desk.world.new_id(), channel, call.bot, content_of(form) or "")
    message.nonce = _nonce(form)
    message.embeds = _items(form, "embeds", 10)
    message.components = components_of(form)
    message.flags = int(form.get("flags") or 0) & SETTABLE
    message.stickers = [{"id": str(one), "name": "sticker", "format_type": 1} for one in form.get("sticker_ids") or []]
    message.poll = form.get("poll") and _poll(call, form["poll"])
    message.files = uploaded(call, channel, form)
    _refer(call, message, form.get("message_reference"))
    need_something(message)
    mentions.address(call.desk.world, message, allowed_of(form))
    return message


def content_of(form: Json) -> str | None:
    """Return the text of a form, trimmed; None when it names none.

    Raises: ApiError: 50035, it is no text or over 2000 UTF-16 units.
    """
    content = form.get("content")
    if content is None:
        return None
    if not isinstance(content, str | int | float):
        raise bad_form("content", "STRING_TYPE_CONVERT", "Could not interpret as string.")
    content = str(content)
    if unit_count(content) > CONTENT_UNITS:
        raise bad_form("content", "BASE_TYPE_MAX_LENGTH", f"Must be {CONTENT_UNITS} or fewer in length.")
    return content.strip()


def allowed_of(form: Json) -> Json | None:
    """Return a form's allowed_mentions; None when it names none.

    Raises: ApiError: 50035, a kind is both parsed and listed.
    """
    allowed = form.get("allowed_mentions")
    if not isinstance(allowed, dict):
        return None
    for kind in allowed.get("parse") or []:
        if allowed.get(kind):
            raise bad_form("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", f"parse excludes {kind}.")
    return allowed


def need_something(message: Message) -> None:
    """Let a message stand that holds anything at all.

    Raises: ApiError: 50006.
    """
    parts = (message.content, message.embeds, message.files, message.stickers, message.components, message.poll)
    if not any(parts) and not message.snapshots:
        raise ApiError(400, 50006, "Cannot send an empty message")


def uploaded(call: Call, channel: Channel, form: Json) -> list[File]:
    """Return the files that came with a call, named and described as the form's attachments say.

    Raises: ApiError: 50013, files are forbidden; 40005, one is too large.
    """
    if not call.uploads:
        return []
    call.need(channel, "ATTACH_FILES")
    told = {str(one.get("id")): one for one in form.get("attachments") or [] if isinstance(one, dict)}
    files = []
    for upload in call.uploads:
        if len(upload.content) > call.desk.world.switches.attachment_limit_bytes:
            raise ApiError(413, 40005, "Request entity too large")
        about = told.get(upload.number, {})
        name = str(about.get("filename") or upload.name)
        file = call.desk.world.add_file(name, upload.content, mimetype=upload.mimetype)
        file.description = about.get("description")
        files.append(file)
    return files


def _items(form: Json, name: str, most: int) -> list[Json]:
    items = form.get(name) or []
    if not isinstance(items, list) or len(items) > most:
        raise bad_form(name, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")
    return items


def _nonce(form: Json) -> str | int | None:
    nonce: Any = form.get("nonce")
    if nonce is not None and (not isinstance(nonce, str | int) or len(str(nonce)) > NONCE_LENGTH):
        raise bad_form("nonce", "NONCE_TYPE_TOO_LONG", f"Must be {NONCE_LENGTH} or fewer in length.")
    return nonce


def _poll(call: Call, asked: Json) -> Json:
    answers = [{"answer_id": number, **answer} for number, answer in enumerate(asked.get("answers") or [], 1)]
    return {
        "question": asked.get("question") or {"text": ""},
        "answers": answers,
        "expiry": call.desk.world.now().isoformat(),
        "allow_multiselect": bool(asked.get("allow_multiselect")),
        "layout_type": 1,
        "results": {"is_finalized": False, "answer_counts": []},
    }


def _refer(call: Call, message: Message, asked: Any) -> None:
    """Make a message the reply, or the forward, that its reference asks for."""
    if not isinstance(asked, dict):
        return
    channel = message.channel
    source = call.desk.world.channels.get(str(asked.get("channel_id") or channel.id))
    found = source.messages.get(str(asked.get("message_id"))) if source is not None else None
    if asked.get("type") == 1:
        if found is None:
            raise bad_form("message_reference", "MESSAGE_REFERENCE_UNKNOWN_MESSAGE", "Unknown message")
        forward(call.desk.views.message(found), message)
        message.reference = reference_to(found, kind=1)
        return
    if not channel.allows("READ_MESSAGE_HISTORY"):
        raise ApiError(403, 160002, "Cannot reply without permission to read message history")
    if found is None or found.channel is not channel:
        if asked.get("fail_if_not_exists", True):
            raise bad_form("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        return
    if found.type not in SPOKEN:
        raise bad_form(
            "message_reference", "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE", "Cannot reply to a system message"
        )
    message.type = REPLY
    message.referenced = found
    message.reference = reference_to(found)


def reference_to(message: Message, kind: int = 0) -> Json:
    """Return the reference to a message: a reply's, or with `kind` 1 a forward's."""
    reference = {"type": kind, "message_id": message.id, "channel_id": message.channel.id}
    return reference if message.channel.guild is None else {**reference, "guild_id": message.channel.guild.id}


def forward(shown: Json, message: Message) -> None:
    """Make a message the forward of another, which is given as it is shown."""
    names = ("type", "content", "embeds", "attachments", "timestamp", "edited_timestamp", "flags", "mentions")
    snapshot = {name: shown[name] for name in (*names, "mention_roles")}
    message.snapshots = [snapshot]
    message.flags |= HAS_SNAPSHOT
