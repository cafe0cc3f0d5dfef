"""Slack's text, read as a person reads it, and answers as Slack takes them.

Slack writes `&`, `<` and `>` as entities; what stands between a literal `<` and `>` is a mention, a link or a command.
Knows no event. Proved by `tests/unit/adapters/slack/test_mrkdwn.py`.
Source: docs.slack.dev/messaging/formatting-message-text, docs.slack.dev/reference/block-kit/blocks/rich-text-block
"""

import re
from collections.abc import Iterator
from typing import Any, Protocol

FALLBACK_LENGTH = 4_000
"""Characters of `text`, at most: chat.update refuses more. Source: docs.slack.dev/reference/methods/chat.update"""

# One pass over both: an entity that is read never becomes part of a form, nor is read twice.
_READ = re.compile(r"<([^<>\n]+)>|&(lt|gt|amp);")
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&"}
_PERSON = re.compile(r"<@([UW][A-Za-z0-9]*)(?:\|[^<>\n]*)?>")
_NAMELESS_CHANNEL = re.compile(r"<#([A-Za-z0-9]+)\|?>")
_MENTION = re.compile(r"([@#])([A-Za-z0-9]+)(?:\|(.*))?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!:)")
_BULLETS = "•◦▪"
_INDENT = "    "
_BROADCASTS = ("here", "channel", "everyone")
# What Slack may notify somebody for. White space and invisible characters could hide a form from us and not from Slack.
_HIDDEN = r"[\s\u00ad\u200b-\u200f\u2060-\u2064\ufeff]*"
_PING = re.compile(
    rf"<(?={_HIDDEN}(?:!{_HIDDEN}(?i:channel|here|everyone|group|subteam)|@{_HIDDEN}[UW][A-Za-z0-9]*{_HIDDEN}[|>]))"
)


class Names(Protocol):
    """What is known of names now; None for an id whose name is not."""

    def person(self, user_id: str) -> str | None:
        """Return what a user, or a bot's user, is called."""

    def channel(self, channel_id: str) -> str | None:
        """Return what a channel is called, without `#`."""


def read(text: str, names: Names) -> str:
    """Read a message's text: mentions as `@name` and `#name`, links as Markdown, entities as what they stand for.

    Each is read once: `&amp;lt;` is `&lt;`, and `&lt;@U1&gt;` mentions nobody.
    """

    def replace(match: re.Match[str]) -> str:
        return _ENTITIES[match[2]] if match[2] else _form(match[1], match[0], names)

    return _READ.sub(replace, text)


def mentioned(text: str) -> tuple[list[str], list[str]]:
    """Return the ids of the people that a raw text mentions, and of the channels that it mentions without their name.

    Each once, in order.
    """
    return list(dict.fromkeys(_PERSON.findall(text))), list(dict.fromkeys(_NAMELESS_CHANNEL.findall(text)))


def text_of(message: dict[str, Any]) -> str:
    """Return a message's raw text; where it is blank, the words of its blocks and attachments in the same form."""
    text = message.get("text")
    return text if isinstance(text, str) and text.strip() else _words_of(message)


def escape(text: str) -> str:
    """Write a text so that Slack shows it as it is, and finds no form in it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fallback(text: str) -> str:
    """Return the `text` beside an answer's blocks, which notifications show: escaped; of a long one, the start."""
    escaped = escape(text)
    if len(escaped) <= FALLBACK_LENGTH:
        return escaped
    # An entity has 5 characters at most.
    start = escaped[: FALLBACK_LENGTH - 1]
    cut = start.rfind("&", len(start) - 4)
    return (start if cut < 0 else start[:cut]) + "…"


def markdown(text: str) -> str:
    """Return an answer for a `markdown` block, with every form that would notify somebody made harmless.

    Only the `<` of such a form is changed, in code too; `<!DOCTYPE html>` and `<@Inject>` stay.
    """
    return _PING.sub("&lt;", text)


def _form(form: str, literal: str, names: Names) -> str:
    """Read what stands between `<` and `>`; what is no form of Slack's stays as it is."""
    if form.startswith("!"):
        return _command(form[1:], literal)
    mention = _MENTION.fullmatch(form)
    if mention is not None:
        return _mention(mention[1], mention[2], _unescape(mention[3] or ""), names)
    url, _, label = form.partition("|")
    return _link(_unescape(url), _unescape(label)) if _SCHEME.match(url) else _unescape(literal)


def _mention(mark: str, name_id: str, label: str, names: Names) -> str:
    label = label.strip().removeprefix(mark)
    if mark == "@":
        return "@" + (names.person(name_id) or label or name_id)
    # A channel's label is its name when the message was written; a person's is what Slack called a handle.
    return "#" + (label or names.channel(name_id) or name_id)


def _command(command: str, literal: str) -> str:
    name, _, label = command.partition("|")
    label = _unescape(label)
    if name in _BROADCASTS:
        return f"@{name}"
    if name.startswith("subteam^"):
        return "@" + (label.removeprefix("@") or name.removeprefix("subteam^"))
    return label or _unescape(literal)


def _link(url: str, label: str) -> str:
    if url.startswith(("mailto:", "tel:")):
        address = url.partition(":")[2].partition("?")[0]
        return f"[{label}]({url})" if label and label != address else address
    shown = label.strip()
    if not shown or _bare(shown) == _bare(url):
        return url
    return f"[{shown}]({url})"


def _bare(url: str) -> str:
    """Take off what Slack leaves out where it shows a link by its host and path."""
    return re.sub(r"^https?://", "", url).removesuffix("/")


def _unescape(text: str) -> str:
    return re.sub("&(lt|gt|amp);", lambda match: _ENTITIES[match[1]], text)


def _words_of(message: dict[str, Any]) -> str:
    """Return the words of a message's blocks, then of its attachments; what is not as documented is passed over."""
    parts = [words for block in _objects(message.get("blocks")) for words in _block(block)]
    for attachment in _objects(message.get("attachments")):
        if not _is_preview(attachment):
            parts.extend(_attachment(attachment))
    return "\n".join(part for part in parts if part.strip())


def _is_preview(attachment: dict[str, Any]) -> bool:
    """Tell whether Slack added this for a link; a message that somebody passes on has a URL too, and is their words."""
    return "from_url" in attachment and not (attachment.get("is_share") or attachment.get("is_msg_unfurl"))


def _attachment(attachment: dict[str, Any]) -> list[str]:
    parts = [_text(attachment.get(name)) for name in ("pretext", "title", "text")]
    parts += [words for block in _objects(attachment.get("blocks")) for words in _block(block)]
    for field in _objects(attachment.get("fields")):
        parts.append(": ".join(filter(None, (_text(field.get("title")), _text(field.get("value"))))))
    return parts if any(part.strip() for part in parts) else [_text(attachment.get("fallback"))]


def _block(block: dict[str, Any]) -> Iterator[str]:
    match block.get("type"):
        case "rich_text":
            for element in _objects(block.get("elements")):
                yield _rich_text(element)
        case "section" | "header":
            yield _text_object(block.get("text"))
            yield from map(_text_object, _objects(block.get("fields")))
        case "context":
            yield " ".join(filter(None, map(_text_object, _objects(block.get("elements")))))
        case "markdown":
            yield _text(block.get("text"))


def _text_object(value: Any) -> str:
    """Read a text object: `mrkdwn` is raw text already, `plain_text` is not. An image beside it has no words."""
    if not isinstance(value, dict):
        return ""
    text = _text(value.get("text"))
    return text if value.get("type") == "mrkdwn" else escape(text)


def _rich_text(element: dict[str, Any]) -> str:
    match element.get("type"):
        case "rich_text_list":
            return _list(element)
        case "rich_text_quote":
            return "\n".join(f"&gt; {line}" for line in _section(element).split("\n"))
        case "rich_text_preformatted":
            return f"```\n{_section(element)}\n```"
    return _section(element)


def _list(element: dict[str, Any]) -> str:
    indent, offset = _count(element.get("indent")), _count(element.get("offset"))
    is_ordered = element.get("style") == "ordered"
    lines = []
    for number, item in enumerate(_objects(element.get("elements")), start=offset + 1):
        mark = f"{number}." if is_ordered else _BULLETS[indent % len(_BULLETS)]
        lines.append(f"{_INDENT * indent}{mark} {_section(item)}")
    return "\n".join(lines)


def _section(section: dict[str, Any]) -> str:
    return "".join(map(_leaf, _objects(section.get("elements"))))


def _leaf(leaf: dict[str, Any]) -> str:
    match leaf:
        case {"type": "user", "user_id": str(user_id)}:
            return f"<@{user_id}>"
        case {"type": "channel", "channel_id": str(channel_id)}:
            return f"<#{channel_id}>"
        case {"type": "usergroup", "usergroup_id": str(group_id)}:
            return f"<!subteam^{group_id}>"
        case {"type": "broadcast", "range": str(reach)}:
            return f"<!{reach}>"
        case {"type": "emoji", "name": str(name)}:
            return f":{name}:"
        case {"type": "link", "url": str(url), **rest}:
            label = _text(rest.get("text"))
            url = escape(url).replace("|", "%7C")
            return f"<{url}|{escape(label)}>" if label else f"<{url}>"
        case {"type": "date", "fallback": str(words)} | {"type": "color", "value": str(words)} | {"text": str(words)}:
            return escape(words)
    return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    """Read how deep, or from where; Slack's lists are eight deep at most."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1_000 else 0


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
