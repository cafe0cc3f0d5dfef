"""The routes of channels and threads.
Source: docs.discord.com/developers/resources/channel, docs.discord.com/developers/topics/threads.

Proved by `tests/unit/testing/discord/test_threads.py` and `test_places.py`.
"""

from datetime import datetime

from backscroll.testing.discord.models import (
    FORUM,
    NEWS,
    PRIVATE_THREAD,
    PUBLIC_THREAD,
    SPOKEN,
    TEXT,
    Channel,
    Json,
    Thread,
)
from backscroll.testing.discord.routes.call import ApiError, Call, Route, bad_form
from backscroll.testing.discord.routes.drafts import draft


async def get(call: Call) -> Json:
    """Return a channel."""
    return call.desk.views.channel(call.channel())


async def change(call: Call) -> Json:
    """Rename, archive or bring back a thread. Without the permission for threads only the bot's own one."""
    thread, form = call.channel(), call.form
    if not isinstance(thread, Thread):
        raise ApiError(403, 50013, "Missing Permissions")
    if thread.is_archived and form.get("archived") is not False:
        raise ApiError(400, 50083, "Thread is archived")
    is_return = form.keys() <= {"archived", "auto_archive_duration"} and form.get("archived") is False
    if "locked" in form or thread.is_locked or (thread.owner is not call.bot and not is_return):
        call.need(thread, "MANAGE_THREADS")
    name = _name(form) if "name" in form else None
    thread.auto_archive_minutes = form.get("auto_archive_duration") or thread.auto_archive_minutes
    call.desk.places.change_thread(thread, name=name, archived=form.get("archived"), locked=form.get("locked"))
    return call.desk.views.channel(thread)


async def remove(call: Call) -> Json:
    """Close direct messages; a thread or channel of a guild needs a permission that the bot does not have."""
    channel = call.channel()
    if not channel.is_dm:
        raise ApiError(403, 50013, "Missing Permissions")
    return call.desk.views.channel(channel)


async def start_from_message(call: Call) -> Json:
    """Begin a thread on a message, once."""
    channel = call.channel()
    _need_ground(channel, {TEXT, NEWS})
    message = call.message(channel)
    call.need(channel, "CREATE_PUBLIC_THREADS")
    name = _name(call.form)
    if message.thread is not None:
        raise ApiError(400, 160004, "A thread has already been created for this message")
    if message.type not in SPOKEN:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    thread = call.desk.places.start_thread_from(message, call.bot, name)
    thread.auto_archive_minutes = call.form.get("auto_archive_duration") or thread.auto_archive_minutes
    return call.desk.views.channel(thread)


async def start(call: Call) -> Json:
    """Begin a thread without a message, private unless a type is given; in a forum a post with its message."""
    channel, form = call.channel(), call.form
    name = _name(form)
    if channel.type == FORUM:
        return _start_post(call, channel, name)
    _need_ground(channel, {TEXT, NEWS})
    kind = form.get("type", PRIVATE_THREAD)
    call.need(channel, "CREATE_PRIVATE_THREADS" if kind == PRIVATE_THREAD else "CREATE_PUBLIC_THREADS")
    thread = call.desk.places.start_thread(channel, call.bot, name, kind if kind == PRIVATE_THREAD else PUBLIC_THREAD)
    return call.desk.views.channel(thread)


def _start_post(call: Call, forum: Channel, name: str) -> Json:
    form = call.form.get("message")
    if not isinstance(form, dict):
        raise bad_form("message", "BASE_TYPE_REQUIRED", "This field is required")
    call.need(forum, "SEND_MESSAGES")
    thread = call.desk.places.start_post(forum, call.bot, name)
    try:
        message = draft(call, thread, form)
    except ApiError:
        call.desk.places.remove_thread(thread)
        raise
    message.id = thread.id
    call.desk.talk.post(message)
    return {**call.desk.views.channel(thread), "message": call.shown(message)}


def _need_ground(channel: Channel, kinds: set[int]) -> None:
    if channel.type not in kinds:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")


def _name(form: Json) -> str:
    name = form.get("name")
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= 100:
        raise bad_form("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    return name.strip()


async def join(call: Call) -> None:
    """Make the bot a thread's member."""
    thread = call.thread()
    call.need_awake(thread)
    call.desk.places.join(thread, call.bot)


async def leave(call: Call) -> None:
    """Take the bot out of a thread's members."""
    thread = call.thread()
    call.need_awake(thread)
    call.desk.places.leave(thread, call.bot)


async def members(call: Call) -> list[Json]:
    """Return a thread's members."""
    thread = call.thread()
    return [call.desk.views.thread_member(thread, user) for user in thread.members.values()]


async def active(call: Call) -> Json:
    """Return the active threads of a guild, newest first."""
    return _threads(call, [thread for thread in call.desk.world.threads_of(call.guild()) if not thread.is_archived])


async def archived(call: Call) -> Json:
    """Return the archived public threads of a channel, the last archived first."""
    return _archived(call, private=False)


async def archived_private(call: Call) -> Json:
    """Return the archived private threads of a channel where the bot is a member."""
    return _archived(call, private=True)


def _archived(call: Call, *, private: bool) -> Json:
    channel = call.channel()
    call.need(channel, "READ_MESSAGE_HISTORY")
    limit = call.limit()
    before = datetime.fromisoformat(call.query["before"]) if "before" in call.query else None
    found = [
        thread
        for thread in call.desk.world.threads_of(channel)
        if thread.is_archived
        and (thread.type == PRIVATE_THREAD) == private
        and (before is None or thread.archived_at < before)
    ]
    found.sort(key=lambda thread: thread.archived_at, reverse=True)
    return {**_threads(call, found[:limit]), "has_more": len(found) > limit}


def _threads(call: Call, threads: list[Thread]) -> Json:
    seen = [thread for thread in threads if thread.is_readable]
    own = [thread for thread in seen if call.bot.id in thread.members]
    views = call.desk.views
    return {
        "threads": [views.channel(thread) for thread in seen],
        "members": [views.thread_member(thread, call.bot) for thread in own],
    }


_CHANNEL = "/channels/{channel_id}"

ROUTES: dict[tuple[str, str], Route] = {
    ("GET", _CHANNEL): get,
    ("PATCH", _CHANNEL): change,
    ("DELETE", _CHANNEL): remove,
    ("POST", _CHANNEL + "/messages/{message_id}/threads"): start_from_message,
    ("POST", _CHANNEL + "/threads"): start,
    ("PUT", _CHANNEL + "/thread-members/@me"): join,
    ("DELETE", _CHANNEL + "/thread-members/@me"): leave,
    ("GET", _CHANNEL + "/thread-members"): members,
    ("GET", _CHANNEL + "/threads/archived/public"): archived,
    ("GET", _CHANNEL + "/threads/archived/private"): archived_private,
    ("GET", _CHANNEL + "/users/@me/threads/archived/private"): archived_private,
    ("GET", "/guilds/{guild_id}/threads/active"): active,
}
