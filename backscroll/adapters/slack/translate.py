"""What Slack tells of, as our events.

Pure: a payload of the Events API, or a message as `conversations.replies` returns it, goes in; events come out. The
twins `message` and `app_mention` give equal ones. Proved by `tests/unit/adapters/slack/test_translate.py`.
Source: docs.slack.dev/reference/events
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from backscroll.adapters.events import (
    AuthorKind,
    Event,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
)
from backscroll.adapters.fields import Fields, MalformedError, id_in, list_in, need, object_in, text_in
from backscroll.adapters.slack.files import files_of
from backscroll.adapters.slack.mrkdwn import Names, mentioned, read, text_of
from backscroll.adapters.slack.timestamps import instant_in, timestamp_in
from backscroll.storage.keys import ChannelMove, ExternalId, ThreadKey

__all__ = ["MalformedError", "Us", "channels_in", "message_event", "people_in", "thread_ts", "translate"]

PLATFORM = "slack"
TOKEN_TYPE = "backscroll"  # noqa: S105  # the event_type of our posts' metadata
SLACKBOT = "USLACKBOT"

# A message of any other subtype is Slack's own word on something that happened.
_SAID = (None, "file_share", "me_message", "thread_broadcast", "bot_message")


@dataclass(frozen=True, slots=True)
class Us:
    """Who the bot is in one workspace. `workspace` is what keys call it: the team, or the enterprise of an org.

    `has_threads_in_dms`: in the agent's view what begins in a DM begins a thread.
    """

    workspace: str
    bot_user_id: str
    bot_id: str | None = None
    app_id: str | None = None
    has_threads_in_dms: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """The channel that something happened in, as the bot sees it."""

    us: Us
    channel: str
    is_direct: bool

    def key(self, timestamp: str, thread: str | None) -> ThreadKey:
        """Name the thread of a message; in a plain DM, what stands in no thread of Slack's is one conversation.

        A root that has replies names itself as its thread, and is in a DM where it was before it had any.
        """
        begins = self.channel if self.is_direct and not self.us.has_threads_in_dms else timestamp
        try:
            return ThreadKey(
                PLATFORM, self.us.workspace, self.channel, thread if thread not in (None, timestamp) else begins
            )
        except ValueError as error:
            raise MalformedError(f"The channel's id makes no key: {error}.") from None

    def external(self, timestamp: str) -> ExternalId:
        try:
            return ExternalId(PLATFORM, self.us.workspace, self.channel, timestamp)
        except ValueError as error:
            raise MalformedError(f"The channel's id makes no key: {error}.") from None


def thread_ts(key: ThreadKey) -> str | None:
    """Name the thread as Slack's calls do; None where the key is a DM as a whole."""
    return None if key.thread == key.channel else key.thread


def translate(payload: Fields, us: Us, names: Names) -> list[Event]:
    """Read a payload of the Events API: `{"type": "event_callback", "event": {…}, …}`.

    Returns: nothing for what is no event of ours: other types, system messages, previews that Slack adds to a message.
    Raises: MalformedError: an event of a type that we know lacks what it must have.
    """
    payload = need(object_in, {"payload": payload}, "payload")
    if payload.get("type", "event_callback") != "event_callback":
        return []
    event = need(object_in, payload, "event")
    match need(text_in, event, "event.type"):
        case "message":
            return _message(event, us, names)
        case "app_mention":
            return [_posted(event, _place(event, us), names, "event")] if _is_said(event, "event") else []
        case "reaction_added":
            return _reaction(event, us, ReactionAdded)
        case "reaction_removed":
            return _reaction(event, us, ReactionRemoved)
        case "channel_id_changed":
            old, new = need(id_in, event, "event.old_channel_id"), need(id_in, event, "event.new_channel_id")
            return [ChannelMove(PLATFORM, us.workspace, old, new)]
    return []


def message_event(
    message: Fields, channel: str, us: Us, names: Names, *, is_direct: bool, late: bool = True
) -> list[Event]:
    """Read a message as `conversations.replies` and `conversations.history` return it, with its reactions.

    Returns: the message as it reads now and, when somebody edited it, the edit; nothing for system messages, hidden
        ones, and what is left of a deleted root.
    Raises: MalformedError: it lacks what a message must have.
    """
    message = need(object_in, {"message": message}, "message")
    place = _Place(us, channel, is_direct)
    if not _is_said(message, "message"):
        return []
    posted = replace(_posted(message, place, names, "message"), reactions=_reactions(message, "message"), is_late=late)
    edited = object_in(message, "message.edited")
    if edited is None or posted.author_kind == "self":
        return [posted]
    edited_at = need(instant_in, edited, "message.edited.ts")
    return [posted, MessageEdited(posted.key, posted.external, posted.text, edited_at, is_direct)]


def people_in(payload: Fields) -> list[str]:
    """Return the ids of people whose names a payload's message wants, each once; raises nothing.

    A message without its envelope goes in as `{"event": message}`.
    """
    message = _worded(payload)
    author = message.get("user")
    people, _ = mentioned(text_of(message))
    if isinstance(author, str) and author:
        people = [author, *people]
    return list(dict.fromkeys(people))


def channels_in(payload: Fields) -> list[str]:
    """Return the ids of channels whose names a payload's message wants, as `people_in`; direct messages have none."""
    message = _worded(payload)
    channel = message.get("channel")
    _, channels = mentioned(text_of(message))
    is_nameless = message.get("channel_type") == "mpim" or (isinstance(channel, str) and _is_direct(message, channel))
    if isinstance(channel, str) and channel and not is_nameless:
        channels = [channel, *channels]
    return list(dict.fromkeys(channels))


def _worded(payload: Fields) -> Fields:
    """Return what holds a payload's words: the event, or the message that it tells of."""
    event = payload.get("event")
    if not isinstance(event, dict) or event.get("type", "message") not in ("message", "app_mention"):
        return {}
    if event.get("subtype") != "message_changed":
        return event
    message = event.get("message")
    return message if isinstance(message, dict) else {}


def _place(event: Fields, us: Us) -> _Place:
    channel = need(id_in, event, "event.channel")
    return _Place(us, channel, _is_direct(event, channel))


def _is_direct(event: Fields, channel: str) -> bool:
    return event.get("channel_type") == "im" or channel.startswith("D")


def _message(event: Fields, us: Us, names: Names) -> list[Event]:
    match text_in(event, "event.subtype"):
        case "message_changed":
            return _changed(event, _place(event, us), names)
        case "message_deleted":
            place, timestamp = _place(event, us), need(timestamp_in, event, "event.deleted_ts")
            return [MessageDeleted(place.external(timestamp), _happened_at(event))]
        case None if event.get("user") is None and isinstance(event.get("message"), dict):
            # message_replied comes without its subtype. Source: docs.slack.dev/reference/events/message/message_replied
            return []
    return [_posted(event, _place(event, us), names, "event")] if _is_said(event, "event") else []


def _is_said(message: Fields, at: str) -> bool:
    """Tell whether somebody says this, and not Slack of something that happened."""
    return text_in(message, f"{at}.subtype") in _SAID and not message.get("hidden")


def _posted(message: Fields, place: _Place, names: Names, at: str) -> MessagePosted:
    timestamp, created_at = need(timestamp_in, message, f"{at}.ts"), need(instant_in, message, f"{at}.ts")
    thread = timestamp_in(message, f"{at}.thread_ts")
    user, bot = id_in(message, f"{at}.user"), id_in(message, f"{at}.bot_id")
    text_in(message, f"{at}.text")
    author = user or bot
    if author is None:
        raise MalformedError(f"{at}.user is missing, and so is {at}.bot_id.")
    raw = text_of(message)
    people, _ = mentioned(raw)
    kind = _author_kind(message, place.us)
    return MessagePosted(
        key=place.key(timestamp, thread),
        external=place.external(timestamp),
        author_id=author,
        text=read(raw, names),
        created_at=created_at,
        author_name=_author_name(message, user, names),
        author_kind=kind,
        mentions_bot=message.get("type") == "app_mention" or place.us.bot_user_id in people,
        is_direct=place.is_direct,
        is_reply=thread is not None and thread != timestamp,
        channel_name=names.channel(place.channel),
        files=files_of(message, at),
        attributes=_attributes(people, place.us, names),
        token=_token(message) if kind == "self" else None,
    )


def _changed(event: Fields, place: _Place, names: Names) -> list[Event]:
    message = need(object_in, event, "event.message")
    timestamp = need(timestamp_in, message, "event.message.ts")
    subtype = text_in(message, "event.message.subtype")
    if subtype == "tombstone":
        # What becomes of a root that has replies. There is no message_deleted for it.
        return [MessageDeleted(place.external(timestamp), _happened_at(event))]
    if subtype not in _SAID or _author_kind(message, place.us) == "self":
        return []
    text_in(message, "event.message.text")
    raw = text_of(message)
    previous = object_in(event, "event.previous_message")
    edited = object_in(message, "event.message.edited")
    # Previews, a guessed language and new replies change a message too, and leave its words alone.
    if (previous is None and edited is None) or (previous is not None and text_of(previous) == raw):
        return []
    thread = timestamp_in(message, "event.message.thread_ts")
    if thread is None and previous is not None:
        thread = timestamp_in(previous, "event.previous_message.thread_ts")
    edited_at = None if edited is None else instant_in(edited, "event.message.edited.ts")
    # edited.ts is in whole seconds; the event's own tells two edits in one second apart.
    happened_at = _happened_at(event)
    edited_at = happened_at if edited_at is None else max(edited_at, happened_at)
    key, external = place.key(timestamp, thread), place.external(timestamp)
    return [MessageEdited(key, external, read(raw, names), edited_at, place.is_direct)]


def _reaction(event: Fields, us: Us, kind: type[ReactionAdded | ReactionRemoved]) -> list[Event]:
    item = need(object_in, event, "event.item")
    if need(text_in, item, "event.item.type") != "message":
        return []
    channel = need(id_in, item, "event.item.channel")
    external = _Place(us, channel, is_direct=False).external(need(timestamp_in, item, "event.item.ts"))
    emoji, user_id = need(id_in, event, "event.reaction"), need(id_in, event, "event.user")
    return [kind(external, emoji, user_id, _happened_at(event))]


def _happened_at(event: Fields) -> datetime:
    return instant_in(event, "event.event_ts") or need(instant_in, event, "event.ts")


def _author_kind(message: Fields, us: Us) -> AuthorKind:
    ours = (("user", us.bot_user_id), ("bot_id", us.bot_id), ("app_id", us.app_id))
    if any(ours_id is not None and message.get(field) == ours_id for field, ours_id in ours):
        return "self"
    is_bot = message.get("bot_id") or message.get("bot_profile") or message.get("subtype") == "bot_message"
    return "bot" if is_bot or message.get("user") == SLACKBOT else "person"


def _author_name(message: Fields, user: str | None, names: Names) -> str | None:
    name = names.person(user) if user is not None else None
    if name is not None:
        return name
    bot, person = (
        profile if isinstance(profile, dict) else {}
        for profile in (message.get("bot_profile"), message.get("user_profile"))
    )
    told = (bot.get("name"), message.get("username"), person.get("display_name"), person.get("real_name"))
    return next((name for name in told if isinstance(name, str) and name), None)


def _attributes(people: list[str], us: Us, names: Names) -> dict[str, Any]:
    others = {user_id: names.person(user_id) for user_id in people if user_id != us.bot_user_id}
    return {"mentions": others} if others else {}


def _reactions(message: Fields, at: str) -> dict[str, list[str]]:
    reactions: dict[str, list[str]] = {}
    for reaction in list_in(message, f"{at}.reactions") or []:
        item = need(object_in, {"reactions[]": reaction}, f"{at}.reactions[]")
        emoji, users = need(id_in, item, f"{at}.reactions[].name"), need(list_in, item, f"{at}.reactions[].users")
        standing = reactions.setdefault(emoji, [])
        standing.extend(need(id_in, {"users[]": user}, f"{at}.reactions[].users[]") for user in users)
    return {emoji: list(dict.fromkeys(users)) for emoji, users in reactions.items() if users}


def _token(message: Fields) -> str | None:
    match message.get("metadata"):
        case {"event_type": kind, "event_payload": {"token": str(token)}} if kind == TOKEN_TYPE and token:
            return token
    return None
