"""Reading conversations back, in pages, and opening direct ones.

Source: docs.slack.dev/reference/methods/conversations.replies. Proved by `tests/unit/testing/test_conversations.py`.
"""

import base64
import binascii
import math
import time

from backscroll.testing.slack.methods.call import ApiError, Call, Method
from backscroll.testing.slack.models import Channel, Json, Message

PAGE_LENGTH = 1_000
COMMERCIAL_PAGE_LENGTH = 15
COMMERCIAL_INTERVAL_S = 60.0


def _limit(call: Call, default: int) -> int:
    """Return how long a page may be; under the terms for commercial apps also take note of the call.

    Raises: ApiError: ratelimited, the last such call was less than a minute ago; invalid_limit.
    """
    try:
        limit = int(call.text("limit") or default)
    except ValueError:
        raise ApiError("invalid_limit") from None
    if not 0 < limit < PAGE_LENGTH:
        limit = PAGE_LENGTH
    if not call.desk.workspace.switches.non_marketplace:
        return limit
    now_s, key = time.monotonic(), (call.team.id, call.method)
    wait_s = call.desk.asked_s.get(key, -math.inf) + COMMERCIAL_INTERVAL_S - now_s
    if wait_s > 0:
        raise ApiError("ratelimited", retry_after_s=math.ceil(wait_s))
    call.desk.asked_s[key] = now_s
    return min(limit, COMMERCIAL_PAGE_LENGTH)


def _key(ts: str) -> tuple[int, int]:
    """Return a ts as what can be compared; as a float it would lose its last digits."""
    seconds, _, rest = ts.partition(".")
    try:
        return int(seconds), int(rest.ljust(6, "0") or 0)
    except ValueError:
        raise ApiError("invalid_ts_latest") from None


def _within(call: Call, messages: list[Message]) -> list[Message]:
    """Keep what lies between `oldest` and `latest`."""
    oldest, latest, inclusive = call.text("oldest"), call.text("latest"), call.flag("inclusive")
    if oldest and _key(oldest) > (0, 0):
        low = _key(oldest)
        messages = [m for m in messages if _key(m.ts) > low or (inclusive and _key(m.ts) == low)]
    if latest:
        high = _key(latest)
        messages = [m for m in messages if _key(m.ts) < high or (inclusive and _key(m.ts) == high)]
    return messages


def _cursor(ts: str) -> str:
    return base64.b64encode(f"next_ts:{ts}".encode()).decode()


def _after_cursor(call: Call) -> str:
    """Return the ts with which the page begins, or an empty text.

    Raises: ApiError: invalid_cursor.
    """
    cursor = call.text("cursor")
    if not cursor:
        return ""
    try:
        name, _, ts = base64.b64decode(cursor, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise ApiError("invalid_cursor") from None
    if name != "next_ts":
        raise ApiError("invalid_cursor")
    return ts


def _page(call: Call, page: list[Message], rest: list[Message]) -> Json:
    with_metadata = call.flag("include_all_metadata")
    answer: Json = {
        "messages": [message.shown(with_metadata=with_metadata) for message in page],
        "has_more": bool(rest),
    }
    if rest:
        answer["response_metadata"] = {"next_cursor": _cursor(rest[0].ts)}
    return answer


def _readable(call: Call) -> Channel:
    channel = call.channel()
    if not channel.is_bot_member:
        raise ApiError("not_in_channel")
    return channel


async def replies(call: Call) -> Json:
    """Return a page of a thread, oldest first. The root comes again on every page; a reply's ts gives that reply."""
    channel = _readable(call)
    message = channel.messages.get(call.text("ts"))
    if message is None:
        raise ApiError("thread_not_found")
    limit = _limit(call, PAGE_LENGTH)
    if message.root is not None:
        return _page(call, [message], [])
    begin = _after_cursor(call)
    found = _within(call, message.replies)
    if begin:
        found = [reply for reply in found if _key(reply.ts) >= _key(begin)]
    # A page of one has room for the root alone, and the next ones must get on all the same.
    count = max(limit - 1, 1) if begin else limit - 1
    return _page(call, [message, *found[:count]], found[count:])


async def history(call: Call) -> Json:
    """Return a page of a conversation's top level and its broadcasts, newest first."""
    channel = _readable(call)
    limit = _limit(call, 100)
    top = [m for m in channel.messages.values() if m.root is None or m.subtype == "thread_broadcast"]
    found = _within(call, top)
    if begin := _after_cursor(call):
        found = [message for message in found if _key(message.ts) <= _key(begin)]
    found.sort(key=lambda message: _key(message.ts), reverse=True)
    return {**_page(call, found[:limit], found[limit:]), "pin_count": 0}


async def info(call: Call) -> Json:
    """Return a conversation."""
    return {"channel": call.channel().shown()}


async def open_conversation(call: Call) -> Json:
    """Open the direct message with one person, or the group message with several."""
    workspace = call.desk.workspace
    if call.text("channel"):
        channel = call.channel()
    else:
        ids = [name for name in call.text("users").split(",") if name]
        users = [workspace.users[name] for name in ids if name in workspace.users]
        if not users or len(users) != len(ids):
            raise ApiError("user_not_found" if ids else "users_list_not_supplied")
        channel = workspace.open_with(users, call.team)
    return {"channel": channel.shown() if call.flag("return_im") else {"id": channel.id}}


async def members(call: Call) -> Json:
    """Return the ids of a conversation's members, the bot among them."""
    channel = call.channel()
    ids = [user.id for user in channel.members]
    return {"members": [*ids, call.bot.id] if channel.is_bot_member else ids}


METHODS: dict[str, Method] = {
    "conversations.replies": replies,
    "conversations.history": history,
    "conversations.info": info,
    "conversations.open": open_conversation,
    "conversations.members": members,
}
