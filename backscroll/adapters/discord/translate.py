"""What Discord tells of, as our events.

Pure: the data of a gateway event, or a message as the API returns it, goes in with its place; events come out. Proved
by `tests/unit/adapters/discord/test_translate.py`. Source: docs.discord.com/developers/events/gateway-events
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from backscroll.adapters.discord.places import DIRECT, PLATFORM, Identity, Place, instant, snowflake_in
from backscroll.adapters.discord.text import Names, emoji_of, read, text_of
from backscroll.adapters.events import (
    AuthorKind,
    Event,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    PlaceDeleted,
    ReactionAdded,
    ReactionRemoved,
    ReactionsCleared,
    ThreadChanged,
)
from backscroll.adapters.fields import Fields, MalformedError, list_in, need, object_in, text_in
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Attachment
from backscroll.storage.values import INT64

_COMMAND_ANSWERS = (20, 23)
# Any other type is Discord's own word: somebody joined, pinned, boosted, began a thread (18), or what began it (21).
_SAID = (0, 19, *_COMMAND_ANSWERS)
_REPLY = 19
_EPHEMERAL = 1 << 6
_SHOWN = ("attachments", "embeds", "components", "poll", "sticker_items", "message_snapshots")
_ANY_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class _Told:
    """The names that a message brings along, before those that are known."""

    people: dict[str, str]
    known: Names

    def person(self, user_id: str) -> str | None:
        return self.people.get(user_id) or self.known.person(user_id)

    def role(self, role_id: str) -> str | None:
        return self.known.role(role_id)

    def channel(self, channel_id: str) -> str | None:
        return self.known.channel(channel_id)


def is_said(message: Fields) -> bool:
    """Tell whether somebody says this for others to read, and not Discord of something that happened.

    Raises: MalformedError: it has no type.
    """
    kind, flags = message.get("type"), message.get("flags")
    if not isinstance(kind, int):
        raise MalformedError("message.type is a number, and is missing or something else.")
    return kind in _SAID and not (isinstance(flags, int) and flags & _EPHEMERAL)


def message_event(
    message: Fields, place: Place, us: Identity, names: Names, *, root: str | None = None, is_late: bool = False
) -> MessagePosted | None:
    """Read a message; None for what nobody says, and for answers of ours to commands, which have no nonce.

    Args: root: the message that its chain of replies began with. is_late: it was read from the channel's history.
    Raises: MalformedError: it lacks what a message must have.
    """
    message_id, at = need(snowflake_in, message, "message.id"), "message"
    author = need(object_in, message, "message.author")
    kind = _author_kind(message, author, us)
    if not is_said(message) or (kind == "self" and message["type"] in _COMMAND_ANSWERS):
        return None
    people = _people(message, author)
    key = _key(place, message_id, root)
    return MessagePosted(
        key=key,
        external=external_in(place, message_id),
        author_id=need(snowflake_in, author, "message.author.id"),
        text=read(text_of(message, at), _Told(people, names)),
        created_at=_instant(message_id),
        author_name=people.get(str(author.get("id"))),
        author_kind=kind,
        mentions_bot=mentions(message, us),
        is_direct=place.kind == "direct",
        is_reply=place.kind != "direct" and key.thread != message_id,
        channel_name=place.channel_name,
        thread_title=place.name if place.kind == "thread" else None,
        files=_files(message),
        attributes=_attributes(message, people, us),
        reaction_counts=_counts(message) if is_late else None,
        edited_at=_edited_at(message) if _is_shown(message) else None,
        token=text_in(message, "message.nonce") if kind == "self" and isinstance(message.get("nonce"), str) else None,
        is_late=is_late,
    )


def edited_event(message: Fields, place: Place, us: Identity, names: Names) -> MessageEdited | None:
    """Read a message that changed; None when nobody edited its words, they are not shown, or it was us."""
    message_id = need(snowflake_in, message, "message.id")
    edited_at = _edited_at(message)
    if edited_at is None or message.get("content") is None or not _is_shown(message):  # a preview came, a thread began
        return None
    author = object_in(message, "message.author") or {}
    if _author_kind(message, author, us) == "self" or not is_said({"type": 0} | message):
        return None
    text = read(text_of(message, "message"), _Told(_people(message, author), names))
    key = _key(place, message_id, None)
    return MessageEdited(key, external_in(place, message_id), text, edited_at, is_direct=place.kind == "direct")


def deleted_events(kind: str, data: Fields, place: Place, at: datetime) -> list[Event]:
    """Read which messages were taken away."""
    if kind == "MESSAGE_DELETE":
        ids = [need(snowflake_in, data, "id")]
    else:
        ids = [need(snowflake_in, {"ids[]": each}, "ids[]") for each in need(list_in, data, "ids")]
    return [MessageDeleted(external_in(place, each), at) for each in ids]


def reaction_event(kind: str, data: Fields, place: Place, at: datetime) -> Event:
    """Read who put an emoji where, took it off, or which were cleared."""
    external = external_in(place, need(snowflake_in, data, "message_id"))
    if kind == "MESSAGE_REACTION_REMOVE_ALL":
        return ReactionsCleared(external, None, at)
    emoji = emoji_of(need(object_in, data, "emoji"), "emoji")
    if emoji is None:
        raise MalformedError("emoji has neither an id nor a name.")
    if kind == "MESSAGE_REACTION_REMOVE_EMOJI":
        return ReactionsCleared(external, emoji, at)
    made = ReactionAdded if kind == "MESSAGE_REACTION_ADD" else ReactionRemoved
    return made(external, emoji, need(snowflake_in, data, "user_id"), at)


def place_event(kind: str, data: Fields) -> Event | None:
    """Read what became of a thread or channel; None where that changes nothing that is kept."""
    place_id, guild = need(snowflake_in, data, "id"), snowflake_in(data, "guild_id")
    parent = snowflake_in(data, "parent_id")
    if guild is None:
        return None
    if kind == "CHANNEL_DELETE":
        return PlaceDeleted(PLATFORM, guild, place_id, None)
    if parent is None:
        return None
    if kind == "THREAD_DELETE":
        return PlaceDeleted(PLATFORM, guild, parent, place_id)
    metadata = object_in(data, "thread_metadata") or {}
    archived = metadata.get("archived")
    place: dict[str, Any] = {"archived": archived} if kind == "THREAD_UPDATE" and isinstance(archived, bool) else {}
    return ThreadChanged(ThreadKey(PLATFORM, guild, parent, place_id), text_in(data, "name") or None, place)


def external_in(place: Place, message_id: str) -> ExternalId:
    """Name a message that stands in a place.

    Raises: MalformedError: the id makes no key.
    """
    try:
        return ExternalId(PLATFORM, place.guild, place.id, message_id)
    except ValueError as error:
        raise MalformedError(f"The message's id makes no key: {error}.") from None


def _key(place: Place, message_id: str, root: str | None) -> ThreadKey:
    try:
        return place.key(message_id, root)
    except ValueError as error:
        raise MalformedError(f"The message's place makes no key: {error}.") from None


def _instant(message_id: str) -> datetime:
    try:
        return instant(message_id)
    except ValueError:
        raise MalformedError("message.id is a snowflake, got another text.") from None


def _author_kind(message: Fields, author: Fields, us: Identity) -> AuthorKind:
    if author.get("id") == us.user_id or message.get("webhook_id") == us.application_id:
        return "self"
    return "bot" if author.get("bot") is True or message.get("webhook_id") else "person"


def mentions(message: Fields, us: Identity) -> bool:
    """Tell whether a message calls on the bot by its name, or by the role that is its alone."""
    mentioned = [each.get("id") for each in list_in(message, "message.mentions") or [] if isinstance(each, dict)]
    roles = list_in(message, "message.mention_roles") or []
    return us.user_id in mentioned or (us.role_id is not None and us.role_id in roles)


def _people(message: Fields, author: Fields) -> dict[str, str]:
    """Return the names of the author and of whom a message mentions: in this server, else everywhere."""
    member = message.get("member")
    people = {str(author.get("id")): name_of(author, member)}
    for each in list_in(message, "message.mentions") or []:
        if isinstance(each, dict):
            people[str(each.get("id"))] = name_of(each, each.get("member"))
    return {user_id: name for user_id, name in people.items() if name is not None}


def name_of(user: Fields, member: Any) -> str | None:
    """Return what somebody is called: in this server, else everywhere."""
    nick = member.get("nick") if isinstance(member, dict) else None
    told = (nick, user.get("global_name"), user.get("username"))
    return next((name for name in told if isinstance(name, str) and name), None)


def _attributes(message: Fields, people: dict[str, str], us: Identity) -> dict[str, Any]:
    mentioned = [each.get("id") for each in list_in(message, "message.mentions") or [] if isinstance(each, dict)]
    others = {user_id: people.get(user_id) for user_id in mentioned if isinstance(user_id, str)}
    others.pop(us.user_id, None)
    attributes: dict[str, Any] = {"mentions": others} if others else {}
    reference = object_in(message, "message.message_reference") or {}
    replied_to = reference.get("message_id")
    if message.get("type") == _REPLY and isinstance(replied_to, str):
        attributes["reply_to"] = replied_to
    return attributes


def _is_shown(message: Fields) -> bool:
    """Tell whether Discord shows anything of what a message says: without the intent for it, nothing of most."""
    return message.get("content") != "" or any(message.get(field) for field in _SHOWN)


def _files(message: Fields) -> tuple[Attachment, ...]:
    files = [object_in({"attachments[]": each}, "attachments[]") for each in _attachments(message)]
    return tuple(_attachment(file) for file in files if file is not None)


def _attachments(message: Fields) -> list[Any]:
    """Return a message's attachments, and those of what it forwards."""
    found = list(list_in(message, "message.attachments") or [])
    for snapshot in list_in(message, "message.message_snapshots") or []:
        inner = snapshot.get("message") if isinstance(snapshot, dict) else None
        found += list_in(inner, "message.attachments") or [] if isinstance(inner, dict) else []
    return found


def _attachment(file: Fields) -> Attachment:
    size, url = file.get("size"), file.get("url")
    has_size = isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= INT64
    is_url = isinstance(url, str) and url.startswith(("https://", "http://"))
    return Attachment(
        name=text_in(file, "attachments[].filename") or "file",
        type=text_in(file, "attachments[].content_type") or _ANY_TYPE,
        size_bytes=size if has_size else None,
        location=url if is_url else None,
    )


def _counts(message: Fields) -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in list_in(message, "message.reactions") or []:
        reaction = need(object_in, {"reactions[]": each}, "message.reactions[]")
        emoji = emoji_of(need(object_in, reaction, "message.reactions[].emoji"), "message.reactions[].emoji")
        count = reaction.get("count")
        if emoji is not None and isinstance(count, int):
            counts[emoji] = counts.get(emoji, 0) + count
    return counts


def _edited_at(message: Fields) -> datetime | None:
    written = text_in(message, "message.edited_timestamp")
    if written is None:
        return None
    try:
        edited_at = datetime.fromisoformat(written)
    except ValueError:
        raise MalformedError("message.edited_timestamp is an instant, got another text.") from None
    return edited_at if edited_at.tzinfo is not None else edited_at.replace(tzinfo=UTC)


__all__ = [
    "DIRECT",
    "MalformedError",
    "deleted_events",
    "edited_event",
    "external_in",
    "is_said",
    "mentions",
    "message_event",
    "name_of",
    "place_event",
    "reaction_event",
]
