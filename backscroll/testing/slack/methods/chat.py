"""The chat methods: post, update, delete, permalink.

Source: docs.slack.dev/reference/methods/chat.postMessage, chat.update. Proved by `tests/unit/testing/test_chat.py`.
"""

from typing import Any

from backscroll.testing.slack.interactions import is_taken
from backscroll.testing.slack.methods.call import ApiError, Call, Method
from backscroll.testing.slack.models import Channel, Json, Message

TEXT_LENGTH = 40_000
UPDATE_LENGTH = 4_000
MARKDOWN_LENGTH = 12_000
SECTION_LENGTH = 3_000
BLOCK_COUNT = 50


def content(call: Call) -> tuple[str, list[Json] | None]:
    """Return the text and the blocks that a call gives, checked.

    Raises: ApiError: markdown_text_conflict, msg_too_long, invalid_blocks, msg_blocks_too_long.
    """
    text, blocks, markdown = call.text("text"), call.items("blocks"), call.text("markdown_text")
    if markdown:
        if text or blocks:
            raise ApiError("markdown_text_conflict")
        if len(markdown) > MARKDOWN_LENGTH:
            raise ApiError("msg_too_long")
        return markdown, None
    _check_blocks(blocks or [])
    # Without a text Slack makes one from the blocks, for notifications.
    return text or "\n".join(_words(block) for block in blocks or []), blocks


def _check_blocks(blocks: list[Any]) -> None:
    if len(blocks) > BLOCK_COUNT or not all(isinstance(block, dict) and block.get("type") for block in blocks):
        raise ApiError("invalid_blocks")
    markdown = sum(len(_words(block)) for block in blocks if block["type"] == "markdown")
    if markdown > MARKDOWN_LENGTH:
        raise ApiError("msg_blocks_too_long")
    if any(len(_words(block)) > SECTION_LENGTH for block in blocks if block["type"] == "section"):
        raise ApiError("invalid_blocks")
    if not all(is_taken(block) for block in blocks if block["type"] == "actions"):
        raise ApiError("invalid_blocks")


def _words(block: Json) -> str:
    text = block.get("text")
    if isinstance(text, dict):
        text = text.get("text")
    return text if isinstance(text, str) else ""


def told(message: Message) -> Json:
    """Return the message as the answer of a chat method shows it."""
    return message.shown(with_metadata=True)


async def post_message(call: Call) -> Json:
    """Post a message. A text over 40,000 characters is cut."""
    channel = call.own_channel()
    text, blocks = content(call)
    attachments = call.items("attachments")
    if not text and not blocks and not attachments:
        raise ApiError("no_text")
    root = call.root(channel)
    broadcast = root is not None and call.flag("reply_broadcast")
    message = call.desk.talk.post(
        channel,
        call.bot,
        text[:TEXT_LENGTH],
        root=root,
        subtype="thread_broadcast" if broadcast else None,
        blocks=blocks,
        metadata=_metadata(call) or None,
    )
    message.attachments = attachments
    clear_status(call, message)
    call.desk.talk.echo(message)
    return {"channel": channel.id, "ts": message.ts, "message": told(message)}


def clear_status(call: Call, message: Message) -> None:
    """End the status of the thread in which the app spoke."""
    if message.thread_ts is not None:
        call.desk.workspace.statuses.pop((message.channel.id, message.thread_ts), None)


def _metadata(call: Call) -> Json | None:
    metadata = call.params.get("metadata")
    if metadata is None:
        return None
    # An empty one removes it; bolt's assistant sends a payload of null when the thread has no context.
    if not isinstance(metadata, dict) or (metadata and not _is_metadata(metadata)):
        raise ApiError("invalid_metadata_format")
    return metadata


def _is_metadata(metadata: Json) -> bool:
    has_payload = isinstance(metadata.get("event_payload", ""), dict | None)
    return has_payload and isinstance(metadata.get("event_type"), str)


async def update(call: Call) -> Json:
    """Change an own message. A text without blocks removes the blocks."""
    channel = call.own_channel()
    message = call.own_message(channel, "cant_update_message")
    if message.is_streaming and call.desk.workspace.now_s() < message.stream_ends_s:
        raise ApiError("streaming_state_conflict")
    text, blocks = content(call)
    if len(call.text("text")) > UPDATE_LENGTH:
        raise ApiError("msg_too_long")
    attachments = call.items("attachments")
    metadata = _metadata(call)
    if not text and not blocks and attachments is None and metadata is None:
        raise ApiError("no_text")

    def edit() -> None:
        message.is_streaming = False
        if text or blocks:
            message.text, message.blocks = text, blocks
            message.edited = {"user": call.bot.id, "ts": channel.next_ts(call.desk.workspace.now_s())}
        if attachments is not None:
            message.attachments = attachments
        if metadata is not None:
            message.metadata = metadata or None

    call.desk.talk.change(message, edit)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": told(message)}


async def delete(call: Call) -> Json:
    """Delete an own message."""
    channel = call.own_channel()
    message = call.own_message(channel, "cant_delete_message")
    call.desk.talk.remove(message)
    return {"channel": channel.id, "ts": message.ts}


async def post_ephemeral(call: Call) -> Json:
    """Show a text to one person. It is nobody's message afterwards: only `calls` keeps it."""
    channel = call.own_channel()
    text, blocks = content(call)
    if not text and not blocks:
        raise ApiError("no_text")
    if call.text("user") not in call.desk.workspace.users:
        raise ApiError("user_not_in_channel")
    return {"message_ts": channel.next_ts(call.desk.workspace.now_s())}


async def get_permalink(call: Call) -> Json:
    """Return a message's permalink."""
    channel = call.channel()
    message = call.message(channel, "message_ts")
    return {"channel": channel.id, "permalink": permalink(channel, message)}


def permalink(channel: Channel, message: Message) -> str:
    """Return where a message is found."""
    link = f"https://fake.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    return f"{link}?thread_ts={message.root.ts}&cid={channel.id}" if message.root else link


METHODS: dict[str, Method] = {
    "chat.postMessage": post_message,
    "chat.postEphemeral": post_ephemeral,
    "chat.update": update,
    "chat.delete": delete,
    "chat.getPermalink": get_permalink,
}
