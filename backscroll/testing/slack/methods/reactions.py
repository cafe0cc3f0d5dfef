"""The app's own reactions. Proved by `tests/unit/testing/test_chat.py`."""

import re

from backscroll.testing.slack.methods.call import ApiError, Call, Method
from backscroll.testing.slack.models import Json, Message

_NAME = re.compile(r"[a-z0-9_+'-]+(::skin-tone-[2-6])?")


def _target(call: Call) -> tuple[Message, str]:
    name = call.text("name").strip(":")
    if not _NAME.fullmatch(name):
        raise ApiError("invalid_name")
    channel = call.own_channel()
    return call.message(channel, "timestamp"), name


async def add(call: Call) -> Json:
    """Add a reaction."""
    message, name = _target(call)
    if not call.desk.talk.react(call.bot, message, name):
        raise ApiError("already_reacted")
    return {}


async def remove(call: Call) -> Json:
    """Take an own reaction away."""
    message, name = _target(call)
    if not call.desk.talk.unreact(call.bot, message, name):
        raise ApiError("no_reaction")
    return {}


METHODS: dict[str, Method] = {"reactions.add": add, "reactions.remove": remove}
