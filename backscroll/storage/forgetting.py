"""What is forgotten: whose it is, what remains of it, and how much it was. Pure: knows no backend.

A report holds counts alone. Proved by `tests/contract/test_forgetting.py`.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, unquote_plus

from backscroll.storage.keys import ExternalId, place_fields
from backscroll.storage.models import UNTITLED, short_title
from backscroll.storage.records import UNFINISHED, AnswerState
from backscroll.storage.values import check_text, from_json

OPEN: tuple[AnswerState, ...] = (*UNFINISHED, "suspended")
"""States of an answer that is still made or sent: its question and its posts are left until it is finished."""

TITLE_TEXT_LENGTH = 4_000
"""The characters of a text in which the title that was made of it is looked for."""

_ANY = "*"
_FORK = "Fork of "
_WRAPPINGS = 4

Place = tuple[str, str]
"""Platform and workspace; both are empty for what has no place outside."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody by the id that a platform gave them. `*` stands for every platform, or every workspace."""

    platform: str
    workspace: str
    user_id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `slack:T1:U123`; a part that has a colon itself has it as `%3A`, as in an alias.

        Raises: ValueError: it has other than three parts, or one is empty, or the person's is `*`.
        """
        parts = [unquote(part) for part in check_text(text, "a person").split(":")]
        if len(parts) != 3 or not all(parts) or parts[2] == _ANY:
            raise ValueError("a person is PLATFORM:WORKSPACE:USER, such as slack:T1:U123 or discord:*:456")
        return cls(*parts)

    def lives_at(self, places: Iterable[Place]) -> bool:
        """Tell whether one of these places is theirs."""
        return any(
            self.platform in (_ANY, platform) and self.workspace in (_ANY, workspace) for platform, workspace in places
        )

    def wrote(self, source: dict[str, Any] | None) -> bool:
        """Tell by a message's source whether it may be theirs; its place says the rest."""
        return (source or {}).get("id") == self.user_id

    def is_in(self, platform: str, payload: dict[str, Any]) -> bool:
        """Tell whether an event that could not be understood names them, anywhere.

        Also in a text of it that is JSON, a form or percent-encoded itself, and in what such a one has in it.
        """
        if self.platform not in (_ANY, platform):
            return False
        named = re.compile(rf"(?<![A-Za-z0-9]){re.escape(self.user_id)}(?![A-Za-z0-9])")
        return any(named.search(text) for text in _texts_in(payload))


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much was forgotten, or would be.

    `messages` are the person's, or those that were too old; `answers` the bot's to them, `answers_left` those that were
    left with their question because they are not finished. `reactions` are also those that had been taken off.
    """

    threads: int = 0
    messages: int = 0
    versions: int = 0
    files: int = 0
    reactions: int = 0
    feedback: int = 0
    titles: int = 0
    answers: int = 0
    answers_left: int = 0
    approvals: int = 0
    early_events: int = 0
    rejected_events: int = 0

    def __add__(self, other: "Forgotten") -> "Forgotten":
        return Forgotten(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) for each in fields(self) if each.name != "answers_left")


@dataclass(frozen=True, slots=True)
class Expiry:
    """Which messages are too old: those of a platform's threads that were written before an instant.

    `channel`: of this one alone. `other_than`: of all channels but these. Of a thread that lives on several platforms
    each one's rule counts, so the first that fits.
    """

    platform: str
    before: datetime
    channel: str | None = None
    other_than: frozenset[str] = frozenset()

    def fits(self, platforms: dict[str, dict[str, Any]]) -> bool:
        """Tell by a thread's `platforms` whether its messages are meant."""
        place = platforms.get(self.platform)
        if place is None:
            return False
        _, field = place_fields(self.platform, "", "")
        channel = str(place.get(field, ""))
        return channel not in self.other_than if self.channel is None else channel == self.channel


@dataclass(frozen=True, slots=True)
class ExpiryMark:
    """The last message that was looked at."""

    created_at: datetime
    message_id: str


@dataclass(frozen=True, slots=True)
class ExpiredPage:
    """Messages that are too old, and where to look on: behind `mark`, unless the page `is_last`."""

    message_ids: list[str]
    mark: ExpiryMark | None
    is_last: bool


def places_of(
    platforms: dict[str, dict[str, Any]], thread: dict[str, dict[str, Any]], external: Place | None = None
) -> list[Place]:
    """Tell where a message lives: at its external id, else where its `platforms` say, else where its thread does."""
    if external is not None:
        return [external]
    told = ExternalId.of_message(platforms, thread)
    return thread_places(thread) if told is None else [(told.platform, told.workspace)]


def thread_places(platforms: dict[str, dict[str, Any]]) -> list[Place]:
    """Tell where a thread lives, by its `platforms`."""
    found = []
    for platform, place in platforms.items():
        field, _ = place_fields(platform, "", "")
        found.append((platform, str(place.get(field, ""))))
    return found or [("", "")]


def without_author(source: dict[str, Any] | None, platforms: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what a tombstone says of its author and place: a person or a bot, and its ids there."""
    kind = (source or {}).get("type")
    bare = {}
    for platform, place in platforms.items():
        names = ExternalId(platform, "", "", "").platforms[platform]
        bare[platform] = {name: value for name, value in place.items() if name in names}
    return {"name": None, "source": {"type": kind} if kind in ("user", "agent", "tool") else None, "platforms": bare}


@dataclass(frozen=True, slots=True)
class Titles:
    """The titles that may have been made in a thread.

    `theirs` are made from what somebody says and said there. `others`, of what other people say: None unless there are
    words of theirs that nobody knows any more, from which a title that these do not explain may have been made.
    """

    theirs: frozenset[str]
    others: frozenset[str] | None = None

    def has(self, title: str, *, of_fork: bool = False) -> bool:
        """Tell whether a title has to go.

        Args: of_fork: it is a fork's, which may also have a name of its own that nobody said.
        """
        if _is_among(title, frozenset([UNTITLED])):
            return False
        if _is_among(title, self.theirs):
            return True
        return (
            self.others is not None and not _is_among(title, self.others) and title.startswith(_FORK if of_fork else "")
        )


def titles_of(texts: Iterable[str]) -> frozenset[str]:
    """Return the titles that are made from these texts."""
    made = (short_title(text[:TITLE_TEXT_LENGTH]) for text in texts)
    return frozenset(title for title in made if title is not None)


def is_title_of(title: str, texts: Iterable[str]) -> bool:
    """Tell whether a thread's title, or that of the thread it is a fork of, was made from one of these texts."""
    return _is_among(title, titles_of(texts))


def _is_among(title: str, titles: frozenset[str]) -> bool:
    while title not in titles and title.startswith(_FORK):
        title = title.removeprefix(_FORK)
    return title in titles


def _texts_in(payload: dict[str, Any]) -> Iterator[str]:
    """Give all texts and numbers in a value of JSON, names too, and what the texts are when they are read."""
    left: list[tuple[Any, int]] = [(payload, 0)]
    while left:
        value, depth = left.pop()
        if isinstance(value, dict):
            left += [(each, depth) for pair in value.items() for each in pair]
        elif isinstance(value, list):
            left += [(each, depth) for each in value]
        elif isinstance(value, str):
            yield value
            left += [(each, depth + 1) for each in _read(value)] if depth < _WRAPPINGS else []
        else:
            yield str(value)


def _read(text: str) -> Iterator[Any]:
    """Read a text as JSON, as percent-encoded and as a form, where it is such."""
    if text.lstrip()[:1] in ("{", "[", '"'):
        with suppress(ValueError, RecursionError):  # it only looks like JSON
            yield from_json(text.strip())
    if "%" in text:
        yield unquote_plus(text)
    if "=" in text:
        yield from (value for _, value in parse_qsl(text))
