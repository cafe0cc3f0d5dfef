"""A message's words, read as a person reads them, and emoji as they are kept.

Pure. Proved by `tests/unit/adapters/discord/test_text.py`.
Source: docs.discord.com/developers/reference#message-formatting, docs.discord.com/developers/resources/message
"""

import re
from collections.abc import Iterator
from typing import Any, Protocol

from backscroll.adapters.fields import Fields, list_in, object_in, text_in

_MENTION = re.compile(r"<(@!?|@&|#)([0-9]{1,20})>")
_CUSTOM = re.compile(r"(?P<open><a?:)?(?P<name>[^:<>\s]{1,32}):(?P<id>[0-9]{1,20})(?(open)>)")
_ID = re.compile(r"[0-9]{15,20}")
_VARIATION = "\ufe0f"


class Names(Protocol):
    """What is known of names now; None for an id whose name is not."""

    def person(self, user_id: str) -> str | None:
        """Return what a user is called."""

    def role(self, role_id: str) -> str | None:
        """Return what a role is called."""

    def channel(self, channel_id: str) -> str | None:
        """Return what a channel or thread is called."""


def read(text: str, names: Names) -> str:
    """Read a text: mentions as `@name` and `#name`, where the name is known; the rest as it is."""

    def replace(match: re.Match[str]) -> str:
        kind, mentioned = match[1], match[2]
        if kind == "#":
            name = names.channel(mentioned)
            return match[0] if name is None else f"#{name}"
        name = names.role(mentioned) if kind == "@&" else names.person(mentioned)
        return match[0] if name is None else f"@{name}"

    return _MENTION.sub(replace, text)


def text_of(message: Fields, at: str) -> str:
    """Return a message's raw text; where it is blank, the words of what it forwards, asks, or shows.

    Raises: MalformedError: a field that we know has another type.
    """
    content = text_in(message, f"{at}.content") or ""
    if content.strip():
        return content
    words = [*_forwarded(message, at), *_asked(message, at)] or [*_embedded(message, at)] or [*_stickers(message, at)]
    return "\n\n".join(words) if words else content


def emoji_of(emoji: Fields, at: str) -> str | None:
    """Return how a reaction's emoji is kept: a custom one by its id, which stays when its name changes; another by its
    characters, without the mark that only says how they are drawn. None when it is neither.
    """
    custom = text_in(emoji, f"{at}.id")
    if custom:
        return custom
    name = (text_in(emoji, f"{at}.name") or "").replace(_VARIATION, "")
    return name or None


def emoji_path(emoji: str) -> str:
    """Return an emoji as Discord's calls take it.

    Args: emoji: characters, or of a custom one `<:name:id>`, `name:id` or the id.
    """
    emoji = emoji.strip()
    custom = _CUSTOM.fullmatch(emoji)
    if custom is None:
        return f"emoji:{emoji}" if _ID.fullmatch(emoji) else emoji  # the id alone counts, and a name has to be there
    return f"{custom['name']}:{custom['id']}"


def kept_emoji(emoji: str) -> str:
    """Return how `emoji_of` calls an emoji that `emoji_path` takes."""
    custom = _CUSTOM.fullmatch(emoji.strip())
    return emoji.strip().replace(_VARIATION, "") if custom is None else custom["id"]


def _forwarded(message: Fields, at: str) -> Iterator[str]:
    for snapshot in _objects(message, f"{at}.message_snapshots"):
        inner = object_in(snapshot, f"{at}.message_snapshots[].message") or {}
        text = text_of(inner, f"{at}.message_snapshots[].message")
        if text.strip():
            yield text


def _asked(message: Fields, at: str) -> Iterator[str]:
    poll = object_in(message, f"{at}.poll")
    if poll is None:
        return
    question = object_in(poll, f"{at}.poll.question") or {}
    lines = [text_in(question, f"{at}.poll.question.text") or ""]
    for answer in _objects(poll, f"{at}.poll.answers"):
        media = object_in(answer, f"{at}.poll.answers[].poll_media") or {}
        lines.append(f"- {text_in(media, f'{at}.poll.answers[].poll_media.text') or ''}")
    yield "\n".join(lines)


def _embedded(message: Fields, at: str) -> Iterator[str]:
    """Give what an integration says in embeds; the preview of a link is none of that, for it has a text beside it."""
    for embed in _objects(message, f"{at}.embeds"):
        fields = _objects(embed, f"{at}.embeds[].fields")
        parts: list[Any] = [embed.get("title"), embed.get("description")]
        for each in fields:
            parts += [each.get("name"), each.get("value")]
        text = "\n".join(part for part in parts if isinstance(part, str) and part.strip())
        if text:
            yield text


def _stickers(message: Fields, at: str) -> Iterator[str]:
    for sticker in _objects(message, f"{at}.sticker_items"):
        name = text_in(sticker, f"{at}.sticker_items[].name")
        if name:
            yield f":{name}:"


def _objects(fields: Fields, path: str) -> list[Fields]:
    name = path.rpartition(".")[2]
    return [object_in({name: each}, path) or {} for each in list_in(fields, path) or []]
