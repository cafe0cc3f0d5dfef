"""The methods of assistant threads. Proved by `tests/unit/testing/test_assistant.py`."""

from backscroll.testing.slack.methods.call import ApiError, Call, Method
from backscroll.testing.slack.models import Channel, Json, Message


def _thread(call: Call) -> tuple[Channel, Message]:
    channel = call.own_channel("channel_id")
    root = call.root(channel)
    if root is None:
        raise ApiError("invalid_thread_ts")
    return channel, root


async def set_status(call: Call) -> Json:
    """Show what the app is doing; an empty status, or its next message, ends it."""
    channel, root = _thread(call)
    key = (channel.id, root.ts)
    if call.text("status"):
        call.desk.workspace.statuses[key] = call.text("status")
    else:
        call.desk.workspace.statuses.pop(key, None)
    return {}


async def set_title(call: Call) -> Json:
    """Name a thread; the app is told by a `message_changed` of the thread's root."""
    _, root = _thread(call)
    if root.subtype != "assistant_app_thread":
        raise ApiError("invalid_thread_ts")

    def edit() -> None:
        root.text = call.text("title")

    call.desk.talk.change(root, edit)
    return {}


async def set_suggested_prompts(call: Call) -> Json:
    """Offer prompts, in a thread or, to apps with the agent's view, in a DM; `calls` keeps them."""
    if call.text("thread_ts"):
        _thread(call)
    prompts = call.items("prompts")
    if not prompts or len(prompts) > 4:
        raise ApiError("invalid_arguments")
    return {}


METHODS: dict[str, Method] = {
    "assistant.threads.setStatus": set_status,
    "assistant.threads.setTitle": set_title,
    "assistant.threads.setSuggestedPrompts": set_suggested_prompts,
}
