"""The message of a thread that a search found, cut to what stands around the hit.

Proved by `tests/scenario/test_cli_find.py`.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backscroll.cli.printing import one_line
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.search import Pattern, Search, fold, index_words
from backscroll.transfer.html import author_of

SNIPPET_LENGTH = 160
"""Characters of a message that are shown, at most."""

PAGE = 200
"""Messages that are read at once, from the newest back."""

NEWEST = 2_000
"""How many numbers are looked at from the newest back where the title fits: no message need fit then."""

_TOKEN = re.compile(r"\w+|[^\w\s]")
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Looking:
    """What is looked for, and where it stands in a text."""

    query: str
    search: Search
    pattern: Pattern | None
    is_part: bool

    @classmethod
    def of(cls, query: str, *, regex: bool, part: bool) -> "Looking":
        """Read a query. Raises: ValueError: it is no pattern, or names nothing to look for."""
        pattern = Pattern(query) if regex else None
        search = Search() if regex else Search.of(query, substring=part)
        if (pattern or search).finds_nothing:
            raise ValueError("it names nothing to look for")
        return cls(query, search, pattern, part)

    async def fits(self, text: str) -> bool:
        """Tell whether a message is found by what it says."""
        if self.pattern is not None:
            return bool(await self.pattern.fitting([("", text)]))
        return self.search.fits(text)

    def hits(self, text: str) -> list[tuple[int, int]]:
        """Return the ranges of a text that fit, in order; of a pattern the first."""
        if self.pattern is not None:
            span = self.pattern.span(text)
            return [] if span is None or span[0] == span[1] else [span]
        if self.is_part:
            folded = fold(text)
            start = folded.find(self.search.part) if len(folded) == len(text) else -1
            return [] if start < 0 else [(start, start + len(self.search.part))]
        tokens = _TOKEN.finditer(text)
        return [each.span() for each in tokens if not self.search.words.isdisjoint(index_words(fold(each[0])))]


@dataclass(frozen=True, slots=True)
class Snippet:
    """A part of a message in one line; `hits` are ranges of `text`."""

    message_id: str
    sequence: int | None
    author: str
    created_at: datetime
    text: str
    hits: list[tuple[int, int]]

    def as_dict(self) -> dict[str, Any]:
        """Lay it out for JSON."""
        return {
            "id": self.message_id,
            "sequence": self.sequence,
            "author": self.author,
            "created_at": self.created_at,
            "snippet": self.text,
            "hits": [list(each) for each in self.hits],
        }


async def find_hit(provider: StorageProvider, thread: Thread, looking: Looking) -> Snippet | None:
    """Return the newest message of a thread that fits; None where its title, or what a tool said, was found."""
    page = await provider.read_messages(thread.id, limit=PAGE)
    before = (page[-1].sequence or 0) + 1 if page else 1
    least = max(1, before - NEWEST) if await looking.fits(thread.title) else 1
    while True:
        for message in reversed(page):
            if message.deleted_at is None and await looking.fits(message.text):
                return _cut(message, looking)
        before -= PAGE  # numbers may be missing, so a page that is not full is not the last
        if before <= least:
            return None
        page = await provider.read_messages(thread.id, limit=min(PAGE, before - least), before=before)


def _cut(message: Message, looking: Looking) -> Snippet:
    text = one_line(message.text)
    first = next(iter(looking.hits(text)), (0, 0))[0]
    start = max(0, min(first - SNIPPET_LENGTH // 3, len(text) - SNIPPET_LENGTH))
    end = min(len(text), start + SNIPPET_LENGTH)
    shown = f"{_ELLIPSIS if start else ''}{text[start:end]}{_ELLIPSIS if end < len(text) else ''}"
    return Snippet(message.id, message.sequence, author_of(message), message.created_at, shown, looking.hits(shown))
