"""Streamed answers: start, append, stop.

Source: docs.slack.dev/reference/methods/chat.startStream. Proved by `tests/unit/testing/test_streams.py`.
"""

from backscroll.testing.slack.methods.call import ApiError, Call, Method
from backscroll.testing.slack.methods.chat import MARKDOWN_LENGTH, clear_status, told
from backscroll.testing.slack.models import Channel, Json, Message


def _piece(call: Call) -> str:
    """Return the text that a call adds, from `markdown_text` or its chunks."""
    chunks = call.items("chunks") or []
    texts = [str(chunk.get("text", "")) for chunk in chunks if chunk.get("type") == "markdown_text"]
    if call.text("markdown_text") and texts:
        raise ApiError("markdown_text_conflict")
    return call.text("markdown_text") or "".join(texts)


async def start_stream(call: Call) -> Json:
    """Begin a streamed message in a thread. In channels it needs to know for whom."""
    channel = call.own_channel()
    switches = call.desk.workspace.switches
    if not switches.allow_streams:
        raise ApiError(switches.stream_refusal)
    root = call.root(channel)
    if root is None:
        raise ApiError("invalid_thread_ts")
    if channel.type != "im":
        for name in ("recipient_team_id", "recipient_user_id"):
            if not call.text(name):
                raise ApiError(f"missing_{name}")
    text = _piece(call)
    if len(text) > MARKDOWN_LENGTH:
        raise ApiError("msg_too_long")
    message = call.desk.talk.post(channel, call.bot, text, root=root)
    message.is_streaming = True
    message.stream_ends_s = call.desk.workspace.now_s() + switches.stream_ttl_s
    clear_status(call, message)
    call.desk.talk.echo(message)
    return {"channel": channel.id, "ts": message.ts}


def _live(call: Call) -> tuple[Channel, Message]:
    channel = call.own_channel()
    message = call.own_message(channel, "message_not_owned_by_app")
    if not message.is_streaming or call.desk.workspace.now_s() >= message.stream_ends_s:
        message.is_streaming = False
        raise ApiError("message_not_in_streaming_state")
    return channel, message


def _lengthened(call: Call, message: Message) -> str:
    text = message.text + _piece(call)
    if len(text) > MARKDOWN_LENGTH:
        raise ApiError("msg_too_long")
    return text


async def append_stream(call: Call) -> Json:
    """Add to a live stream. No event tells of it."""
    channel, message = _live(call)
    message.text = _lengthened(call, message)
    return {"channel": channel.id, "ts": message.ts}


async def stop_stream(call: Call) -> Json:
    """End a live stream; one event shows the whole message."""
    channel, message = _live(call)
    text, blocks = _lengthened(call, message), call.items("blocks")

    def edit() -> None:
        message.is_streaming = False
        message.text, message.blocks = text, blocks
        metadata = call.params.get("metadata")
        if isinstance(metadata, dict):
            message.metadata = metadata

    call.desk.talk.change(message, edit)
    return {"channel": channel.id, "ts": message.ts, "message": told(message)}


METHODS: dict[str, Method] = {
    "chat.startStream": start_stream,
    "chat.appendStream": append_stream,
    "chat.stopStream": stop_stream,
}
