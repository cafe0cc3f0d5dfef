"""Threads as one HTML page that needs nothing else: no script, no picture or style from elsewhere.

Every text is escaped by `_escaped` or `_worded`, and no tag or attribute is ever made of one; control characters are
shown, and writing directions end where their text does. The page is given piece by piece, so a thread of any length
fits. Proved by `tests/unit/transfer/test_html.py`.
"""

import base64
import html
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from backscroll.errors import StorageError
from backscroll.storage.archive import ArchivedBlock, ArchivedFeedback, ArchivedMessage, ArchivedReaction
from backscroll.storage.blocks import SAID
from backscroll.storage.models import Attachment, Content, Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.thumbs import FROM_REACTION
from backscroll.transfer.html_style import STYLE
from backscroll.transfer.reading import pages

IMAGE_BYTES = 1024 * 1024
"""Bytes of an image that stands in the page itself, at most."""

SHOWN_COUNT = 20
"""People who stand for one reaction that are named, at most."""

ReadFile = Callable[[Attachment], Awaitable[bytes | None]]
Hits = Callable[[str], Iterable[tuple[int, int]]]
"""Gives the ranges of a text that were looked for, in order, none in another."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_LINK = re.compile(r"https?://[^\s<>\"'`\\^{}|\x00-\x20\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_REL = "noreferrer noopener nofollow"
_SHOWN = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n"}
_SHOWN |= {0x7F: "\u2421"} | dict.fromkeys([*range(0x80, 0xA0), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)], "\ufffd")
# In a name they could let a file look like one of another kind.
_DIRECTIONS = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")
_NAMED = _SHOWN | _DIRECTIONS | {0x09: "\u2409", 0x0A: "\u240a", 0x2028: "\ufffd", 0x2029: "\ufffd"}
_IMAGES = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}


def _no_hits(_text: str) -> Iterable[tuple[int, int]]:
    return ()


@dataclass(frozen=True, slots=True)
class Page:
    """What a page is of. `hits` says what is marked."""

    title: str
    threads: Sequence[Thread] = field(repr=False)
    hits: Hits = _no_hits


async def render(provider: StorageProvider, page: Page, read_file: ReadFile | None = None) -> AsyncGenerator[str, None]:
    """Give a page piece by piece, with all messages of its threads, which are read some hundred at a time.

    Args: read_file: gives the contents of images that are to stand in the page; None means none are.
    """
    yield _beginning(page)
    for number, thread in enumerate(page.threads, 1):
        yield _thread_beginning(thread, number, page.hits)
        async with aclosing(pages(provider, thread_ids=[thread.id])) as every:
            async for found in every:
                for one in (each for piece in found for each in piece.messages):
                    images = {} if read_file is None else await _images(one, read_file)
                    yield message_html(one, number, page.hits, images)
        yield "</section>\n"
    yield f"<footer>Written by Backscroll on {_time(datetime.now(UTC))}.</footer>\n</main>\n</body>\n</html>\n"


def message_html(one: ArchivedMessage, thread: int, hits: Hits = _no_hits, images: dict[str, str] | None = None) -> str:
    """Write a message with all that belongs to it.

    Args: thread: the number of its thread in the page. images: by their hashes, as `data:` URIs.
    """
    message = one.message
    anchor = f"t{thread}-{message.sequence or 0}"
    author = author_of(message)
    parts = [
        f'<article class="message {message.role}" id="{anchor}">\n<header>',
        _named(author, "author"),
        f' <span class="role">{message.role}</span>' if message.role not in ("user", author) else "",
        f' <a class="at" href="#{anchor}">{_time(message.created_at)}</a>',
        f' <span class="note">edited {_time(message.edited_at)}</span>' if message.edited_at else "",
        "</header>\n",
    ]
    if message.deleted_at is not None:
        parts.append(f'<p class="note">This message was deleted {_time(message.deleted_at)}.</p>\n')
    parts += _content(message.content, hits)
    parts += [_file(file, images or {}) for file in message.attachments]
    parts += [_folded("tool call", _json(call)) for call in message.tool_calls]
    parts += [_block(block) for block in one.blocks if block.block_type not in SAID]
    parts.append(_reactions(one.reactions))
    parts += [_feedback(each) for each in one.feedback if each.metadata != FROM_REACTION]
    if one.versions:
        told = "".join(
            f'<p class="note">{_time(version.written_at)}</p>\n' + "".join(_content(version.content, hits))
            for version in one.versions
        )
        parts.append(_folded("earlier wordings", told))
    if one.answer is not None and one.answer.state != "sent":
        parts.append(f'<p class="note">The answer to this is {one.answer.state}.</p>\n')
    parts.append("</article>\n")
    return "".join(parts)


def author_of(message: Message) -> str:
    """Name who wrote a message: by name, else by id, else by role."""
    source = message.source or {}
    named = next((source[key] for key in ("name", "handle", "id") if isinstance(source.get(key), str)), None)
    return named or message.name or message.role


def _beginning(page: Page) -> str:
    listed = ""
    if len(page.threads) > 1:
        items = "".join(
            f'<li><a href="#t{number}">{_named(thread.title)}</a> {_time(thread.created_at)}</li>\n'
            for number, thread in enumerate(page.threads, 1)
        )
        listed = f"<nav><ol>\n{items}</ol></nav>\n"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_escaped(page.title.translate(_NAMED))}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{_named(page.title)}</h1>\n{listed}"
    )


def _thread_beginning(thread: Thread, number: int, hits: Hits) -> str:
    facts = [
        f"<dt>began</dt><dd>{_time(thread.created_at)}</dd>",
        f"<dt>changed</dt><dd>{_time(thread.updated_at)}</dd>",
    ]
    for platform, place in thread.platforms.items():
        told = ", ".join(f"{name} {value}" for name, value in place.items() if isinstance(value, str | int))
        facts.append(f"<dt>{_named(platform)}</dt><dd>{_named(told)}</dd>")
    for name, value in (("user", thread.user_id), ("agent", thread.agent_name), ("id", thread.id)):
        facts.append(f"<dt>{name}</dt><dd>{_named(value)}</dd>" if value else "")
    more = _folded("attributes", _json(thread.attributes)) if thread.attributes else ""
    title = _marked(thread.title.translate(_NAMED), hits)
    return f'<section id="t{number}">\n<h2><bdi>{title}</bdi></h2>\n<dl>{"".join(facts)}</dl>\n{more}'


def _content(content: Content, hits: Hits) -> Iterator[str]:
    """Write what is said; a part of it that is no text is folded."""
    for part in [{"text": content}] if isinstance(content, str) else content:
        if not isinstance(part.get("text"), str):
            yield _folded("content", _json(part))
        elif part["text"]:
            yield f'<div class="text" dir="auto">{_worded(part["text"], hits)}</div>\n'


def _file(file: Attachment, images: dict[str, str]) -> str:
    size = "" if file.size_bytes is None else f", {file.size_bytes:,} bytes"
    told = f'<p class="file">{_named(file.name, "name")} <span class="note">{_named(file.type)}{size}</span></p>\n'
    if file.sha256 in images:
        told += f'<p><img src="{images[file.sha256]}" alt="{_escaped(file.name.translate(_NAMED))}"></p>\n'
    return told


def _block(block: ArchivedBlock) -> str:
    content = block.content
    match block.block_type:
        case "tool_use":
            failed = ", failed" if content.get("is_error") else ""
            told = "".join(
                f'<p class="note">{label}</p>\n{_json(content.get(name))}'
                for label, name in (("input", "tool_input"), ("output", "tool_output"))
            )
            return _folded(f"tool {content.get('tool_name')}{failed}", told)
        case "usage":
            return _folded(f"usage of {block.model or 'a model'}: {block.tokens or 0:,} tokens", _json(content))
        case "file" | "user_file":
            return _folded(f"file {block.details.get('filename') or ''}", _json(content | block.details))
    return _folded(block.block_type, _json(content))


def _reactions(reactions: Sequence[ArchivedReaction]) -> str:
    standing: dict[str, list[str]] = {}
    for each in reactions:
        if each.removed_at is None:
            standing.setdefault(each.emoji, []).append(each.user_id)
    if not standing:
        return ""
    items = []
    for emoji, users in standing.items():
        more = f" and {len(users) - SHOWN_COUNT:,} more" if len(users) > SHOWN_COUNT else ""
        who = ", ".join(users[:SHOWN_COUNT])
        items.append(f'<li>{_named(emoji)} {len(users):,} <span class="note">{_named(who)}{more}</span></li>')
    return f'<ul class="reactions">{"".join(items)}</ul>\n'


def _feedback(feedback: ArchivedFeedback) -> str:
    named = (("stars", feedback.rating), ("thumb", feedback.thumb), ("by", feedback.user_id))
    told = ", ".join(f"{name} {value}" for name, value in named if value is not None)
    texts = "".join(
        f'<p class="note">{name}</p>\n<div class="text" dir="auto">{_worded(text, _no_hits)}</div>\n'
        for name, text in (("comment", feedback.comment), ("correction", feedback.correction))
        if text
    )
    return _folded(f"feedback: {told}", texts)


async def _images(one: ArchivedMessage, read_file: ReadFile) -> dict[str, str]:
    """Read a message's small images; what one is, its first bytes say, and not who sent it."""
    images = {}
    for file in one.message.attachments:
        if file.sha256 is None or not file.is_kept or not 0 < (file.size_bytes or 0) <= IMAGE_BYTES:
            continue
        try:
            content = await read_file(file) or b""
        except StorageError:  # a damaged file costs its picture
            continue
        kind = next((name for name, form in _IMAGES.items() if form.match(content)), None)
        if kind is not None:
            images[file.sha256] = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return images


def _folded(summary: str, inside: str) -> str:
    return f"<details><summary>{_named(summary)}</summary>\n{inside}</details>\n"


def _json(value: Any) -> str:
    told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return f'<pre dir="auto">{_escaped(told.translate(_SHOWN))}</pre>\n'


def _time(instant: datetime) -> str:
    at = instant.astimezone(UTC)
    return f'<time datetime="{at.isoformat(timespec="seconds")}">{at:%Y-%m-%d %H:%M:%S} UTC</time>'


def _named(name: str, kind: str = "") -> str:
    """Write a name in one line, apart from the direction of what stands around it."""
    opening = f'<bdi class="{kind}">' if kind else "<bdi>"
    return f"{opening}{_escaped(name.translate(_NAMED))}</bdi>"


def _worded(text: str, hits: Hits) -> str:
    """Write what somebody said: control characters shown, addresses as links, words that were looked for marked."""
    text = text.replace("\r\n", "\n").translate(_SHOWN)
    parts, at = list[str](), 0
    for match in _LINK.finditer(text):
        url = _without_end(match[0])
        parts.append(_marked(text[at : match.start()], hits))
        parts.append(f'<a href="{_escaped(url)}" rel="{_REL}">{_marked(url, hits)}</a>')
        at = match.start() + len(url)
    return "".join(parts) + _marked(text[at:], hits)


def _without_end(url: str) -> str:
    """Take off what ends a sentence, or a bracket that an address stands in."""
    while url[-1] in ".,:;!?)]*_~":
        if (url[-1] == ")" and url.count("(") >= url.count(")")) or (
            url[-1] == "]" and url.count("[") >= url.count("]")
        ):
            break
        url = url[:-1]
    return url


def _marked(text: str, hits: Hits) -> str:
    parts, at = list[str](), 0
    for start, end in hits(text):
        parts += [_escaped(text[at:start]), f"<mark>{_escaped(text[start:end])}</mark>"]
        at = end
    return "".join(parts) + _escaped(text[at:])


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)
