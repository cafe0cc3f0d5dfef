"""The routes of messages. Source: docs.discord.com/developers/resources/message.

Proved by `tests/unit/testing/discord/test_sending.py` and `test_reactions.py`.
"""

import time
from collections.abc import Callable
from typing import Any

from backscroll.testing.discord import mentions
from backscroll.testing.discord.models import LOADING, SUPPRESS_EMBEDS, Channel, File, Json, Message, Thread
from backscroll.testing.discord.routes.call import ApiError, Call, Route, bad_form
from backscroll.testing.discord.routes.components import components_of
from backscroll.testing.discord.routes.drafts import allowed_of, content_of, draft, need_something, uploaded


def need_voice(call: Call, channel: Channel) -> None:
    """Let the bot speak where it may.

    Raises: ApiError: 50007; 50008; 50013; 160005.
    """
    if channel.is_dm and channel.recipient is not None and not channel.recipient.accepts_dms:
        raise ApiError(403, 50007, "Cannot send messages to this user")
    if channel.type == 15:
        raise ApiError(400, 50008, "Cannot send messages in a non-text channel")
    if isinstance(channel, Thread):
        call.need(channel, "SEND_MESSAGES_IN_THREADS")
        if channel.is_locked:
            raise ApiError(403, 160005, "Thread is locked")
    else:
        call.need(channel, "SEND_MESSAGES")


async def create(call: Call) -> Json:
    """Post a message. An enforced nonce that was used a short while ago returns that message, and makes none."""
    channel = call.channel()
    need_voice(call, channel)
    nonce: Any = call.form.get("nonce")
    is_enforced = nonce is not None and call.form.get("enforce_nonce") is True
    if is_enforced and (first := call.desk.world.message_of_nonce(nonce)) is not None:
        return {**call.shown(first), "nonce": nonce}
    message = draft(call, channel, call.form)
    if is_enforced:
        call.desk.world.nonces[str(nonce)] = (message, time.monotonic())
    call.desk.talk.post(message)
    shown = call.shown(message)
    return shown if message.nonce is None else {**shown, "nonce": message.nonce}


async def history(call: Call) -> list[Json]:
    """Return messages of a channel, newest first; none to a bot that may not read the history."""
    channel = call.channel()
    limit = call.limit()
    if not channel.allows("READ_MESSAGE_HISTORY"):
        return []
    found = sorted(channel.messages.values(), key=lambda message: int(message.id), reverse=True)
    for name in {"around", "before", "after"} & call.query.keys():
        if not call.query[name].isdecimal():
            raise bad_form(name, "NUMBER_TYPE_COERCE", f'Value "{call.query[name]}" is not snowflake.')
    chosen = _page(found, call.query, limit)
    return [call.shown(message) for message in chosen]


def _page(found: list[Message], query: dict[str, str], limit: int) -> list[Message]:
    if "around" in query:
        middle = int(query["around"])
        older = [message for message in found if int(message.id) < middle][: limit // 2]
        newer = [message for message in found if int(message.id) >= middle][-(limit - limit // 2) :]
        return newer + older
    if "after" in query:
        return [message for message in found if int(message.id) > int(query["after"])][-limit:]
    if "before" in query:
        return [message for message in found if int(message.id) < int(query["before"])][:limit]
    return found[:limit]


async def get(call: Call) -> Json:
    """Return one message."""
    channel = call.channel()
    call.need(channel, "READ_MESSAGE_HISTORY")
    return call.shown(call.message(channel))


async def edit(call: Call) -> Json:
    """Change an own message; of anybody else's only the embeds can be hidden, by those who may."""
    channel = call.channel()
    message = call.message(channel)
    call.need_awake(channel)
    if message.author is not call.bot:
        raise ApiError(403, 50005, "Cannot edit a message authored by another user")
    rewrite(call, message)
    return call.shown(message)


def rewrite(call: Call, message: Message, form: Json | None = None) -> None:
    """Give a message what a form, by default the call's, names; what it does not name stays.

    Raises: ApiError: 50006; 50035; 40005.
    """
    form = call.form if form is None else form
    content = content_of(form) if form.get("content") is not None else None
    files = _kept_files(message, form) + uploaded(call, message.channel, form)
    allowed = allowed_of(form)
    after = Message("0", message.channel, message.author, message.content if content is None else content)
    if "content" in form and form["content"] is None:
        after.content = ""
    after.embeds = message.embeds if "embeds" not in form else form["embeds"] or []
    after.components = message.components if "components" not in form else components_of(form)
    after.files = files
    after.stickers, after.poll = message.stickers, message.poll
    need_something(after)
    is_edit = bool({"content", "embeds", "attachments", "components"} & form.keys()) or bool(call.uploads)

    was_loading = bool(message.flags & LOADING)
    message.content, message.embeds, message.files = after.content, after.embeds, after.files
    message.components = after.components
    message.flags &= ~LOADING
    if form.get("flags") is not None:
        message.flags = message.flags & ~SUPPRESS_EMBEDS | int(form["flags"]) & SUPPRESS_EMBEDS
    if "content" in form or allowed is not None:
        mentions.address(call.desk.world, message, allowed)
    call.desk.talk.change(message, is_edit=is_edit and not was_loading)


def _kept_files(message: Message, form: Json) -> list[File]:
    listed = form.get("attachments")
    if listed is None:
        return list(message.files)
    kept = {str(one.get("id")) for one in listed if isinstance(one, dict)}
    return [file for file in message.files if file.id in kept]


async def delete(call: Call) -> None:
    """Delete an own message."""
    channel = call.channel()
    message = call.message(channel)
    if message.author is not call.bot and channel.is_dm:
        raise ApiError(403, 50003, "Cannot execute action on a DM channel")
    if message.author is not call.bot:
        call.need(channel, "MANAGE_MESSAGES")
    call.desk.talk.remove(message)


async def typing(call: Call) -> None:
    """Show that the bot types."""
    channel = call.channel()
    need_voice(call, channel)
    channel.typing_count += 1


def _reacting(act: Callable[[Call, Message], None]) -> Route:
    async def route(call: Call) -> None:
        channel = call.channel()
        message = call.message(channel)
        call.need_awake(channel)
        act(call, message)

    return route


def _react(call: Call, message: Message) -> None:
    emoji, channel = call.emoji(), message.channel
    call.need(channel, "READ_MESSAGE_HISTORY")
    known = [reaction.emoji for reaction in message.reactions.values()]
    if emoji["id"] not in [one["id"] for one in known if one["id"]] and emoji not in known:
        call.need(channel, "ADD_REACTIONS")
        if len(known) >= 20:
            raise ApiError(400, 30010, "Maximum number of reactions reached (20)")
    call.desk.talk.react(call.bot, message, emoji)


def _unreact(call: Call, message: Message) -> None:
    call.desk.talk.unreact(call.bot, message, call.emoji())


async def reactors(call: Call) -> list[Json]:
    """Return who gave an emoji, in the order of their ids."""
    message = call.message(call.channel())
    emoji = call.emoji()
    after = int(call.query.get("after", "0"))
    found = next((reaction for reaction in message.reactions.values() if reaction.emoji["id"] == emoji["id"]
                  and (emoji["id"] or reaction.emoji["name"] == emoji["name"])), None)  # fmt: skip
    users = sorted(found.users if found else [], key=lambda user: int(user.id))
    return [call.desk.views.user(user) for user in users if int(user.id) > after][: call.limit(25)]


_MESSAGES = "/channels/{channel_id}/messages"
_MESSAGE = _MESSAGES + "/{message_id}"
_OWN_REACTION = _MESSAGE + "/reactions/{emoji}/@me"

ROUTES: dict[tuple[str, str], Route] = {
    ("POST", _MESSAGES): create,
    ("GET", _MESSAGES): history,
    ("GET", _MESSAGE): get,
    ("PATCH", _MESSAGE): edit,
    ("DELETE", _MESSAGE): delete,
    ("PUT", _OWN_REACTION): _reacting(_react),
    ("DELETE", _OWN_REACTION): _reacting(_unreact),
    ("GET", _MESSAGE + "/reactions/{emoji}"): reactors,
    ("POST", "/channels/{channel_id}/typing"): typing,
}
