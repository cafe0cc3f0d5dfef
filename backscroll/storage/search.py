"""What it means that a text is found: the one way in which texts are cut into words, and queries read.

Backends index what is cut here and look up what is cut here, so a search finds the same everywhere. Knows no backend.
Proved by `tests/unit/storage/test_search.py` and, on every backend, by `tests/contract/test_search.py`.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

import re2  # type: ignore[import-untyped]  # it has no types
import regex

from backscroll.errors import SearchTimeoutError
from backscroll.storage.values import canonical_json, check_text, to_json

SEARCHED_LENGTH = 100_000
"""Characters of a text that are searched: the first."""

WORD_LENGTH = 64
"""Characters of a word that count: the first."""

PATTERN_LENGTH = 1_000
PATTERN_TIMEOUT_S = 5.0

MARKED = ("attributes", "metrics", "platforms", "source")
"""The objects of a message whose values it is found by."""

# Accents of Latin, Greek and Cyrillic, points of Hebrew and Arabic, enclosing marks, variation selectors, joiners and
# other format characters, skin tones. Not the marks of other scripts: there they make another word.
_DROPPED = regex.compile(
    r"[\p{Cf}\u0300-\u036F\u0591-\u05C7\u0610-\u061A\u064B-\u065F\u0670\u1AB0-\u1AFF\u1DC0-\u1DFF\u20D0-\u20FF"
    r"\uFE00-\uFE0F\U0001F3FB-\U0001F3FF]"
)
# Scripts that set no spaces between words, or few; the sound mark of katakana belongs to no script.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u30FC"
_WORD = regex.compile(
    rf"(?V1)(?P<unspaced>[{_UNSPACED}]+)|[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]+|\p{{Regional_Indicator}}{{1,2}}"
    r"|[\p{So}\p{Extended_Pictographic}]"
)
# The same for most texts, and much faster.
_ASCII_WORD = re.compile("[a-z0-9]+")
# No word holds a currency sign.
_MARK = "\u00a4"


def fold(text: str) -> str:
    """Take case, diacritics and forms of presentation out of the searched part of a text."""
    text = text[:SEARCHED_LENGTH]
    if text.isascii():
        return text.lower()
    return normalize("NFC", _DROPPED.sub("", normalize("NFKD", normalize("NFKD", text).casefold())))


def searched_text(text: str, tools: Iterable[str] = ()) -> str:
    """Return what a message is searched by: what it says, then what is told of its tools, as far as it is searched."""
    return "\n".join(part for part in (text, *tools) if part)[:SEARCHED_LENGTH]


def tool_text(content: dict[str, Any]) -> str:
    """Return what a tool block is found by: the tool's name, and the texts in its input and output, a line each."""
    lines, length = list[str](), 0
    for line in _texts([content["tool_name"], content["tool_input"], content["tool_output"]]):
        lines.append(line[: SEARCHED_LENGTH - length])
        length += len(line) + 1
        if length > SEARCHED_LENGTH:
            break
    return "\n".join(lines)


def index_words(folded: str) -> Iterable[str]:
    """Cut a folded text into the words that it is found by; one may come twice."""
    if folded.isascii():
        return [word[:WORD_LENGTH] for word in _ASCII_WORD.findall(folded)]
    return _cut(folded)


def query_words(query: str) -> frozenset[str]:
    """Cut a query into the words that a text must have; a single character of an unspaced script is one."""
    words: set[str] = set()
    for match in _WORD.finditer(fold(query)):
        word = match[0]
        if match["unspaced"] and len(word) > 1:
            words.update(_pairs(word))
        else:
            words.add(word[:WORD_LENGTH])
    return frozenset(words)


def property_mark(path: tuple[str, ...], value: Any) -> str:
    """Make the word that stands for a value at a path: equal JSON gives equal words, other JSON hardly ever."""
    return _MARK + hashlib.sha256(canonical_json([path, value]).encode()).hexdigest()[:24]


def property_marks(objects: dict[str, dict[str, Any] | None]) -> Iterator[str]:
    """Make the words for all values inside these objects, at every depth of objects."""
    nodes: list[tuple[tuple[str, ...], Any]] = [((name,), value) for name, value in objects.items()]
    while nodes:
        path, value = nodes.pop()
        if len(path) > 1:
            yield property_mark(path, value)
        if isinstance(value, dict) and value:
            nodes += [((*path, key), inner) for key, inner in value.items()]


@dataclass(frozen=True, slots=True, repr=False)
class Search:
    """What is looked for: all of these words, or one part as it stands. Neither finds nothing."""

    words: frozenset[str] = frozenset()
    part: str = ""

    @classmethod
    def of(cls, query: str, *, substring: bool) -> "Search":
        """Read a query.

        Raises: ValueError: it is no text.
        """
        query = check_text(query, "a query")
        return cls(part=fold(query)) if substring else cls(words=query_words(query))

    @property
    def finds_nothing(self) -> bool:
        """Whether the query named nothing to look for."""
        return not self.words and not self.part

    def fits(self, text: str) -> bool:
        """Tell whether a text is found."""
        folded = fold(text)
        if self.part:
            return self.part in folded
        return bool(self.words) and self.words.issubset(index_words(folded))


class Pattern:
    """A pattern that is tried on texts, for some seconds in all.

    RE2 takes time in proportion to a text's length and little memory, whatever the pattern is.
    """

    def __init__(self, query: str) -> None:
        """Read a pattern of RE2.

        Raises: ValueError: it is no text, cannot be read, or has more than 1,000 characters.
        """
        query = check_text(query, "a query")
        if len(query) > PATTERN_LENGTH:
            raise ValueError(f"a pattern has {PATTERN_LENGTH} characters at most, got {len(query)}")
        options = re2.Options()
        options.case_sensitive = False
        options.log_errors = False
        try:
            self._pattern = re2.compile(query, options)
        except re2.error:
            # Its own words would show the pattern.
            raise ValueError("the pattern cannot be read: it has a fault, is too large, or looks around") from None
        self.finds_nothing = not query
        self._left_s = PATTERN_TIMEOUT_S

    def span(self, text: str) -> tuple[int, int] | None:
        """Return where in one text the pattern fits first, or None."""
        found = self._pattern.search(text[:SEARCHED_LENGTH])
        return None if found is None else (found.start(), found.end())

    async def fitting(self, texts: Iterable[tuple[str, str]]) -> set[str]:
        """Return the names of those `(name, text)` whose text fits.

        Raises: SearchTimeoutError: the pattern has been tried for too long.
        """
        return await asyncio.to_thread(self._try, list(texts))

    def _try(self, texts: list[tuple[str, str]]) -> set[str]:
        found: set[str] = set()
        start = time.monotonic()
        for name, text in texts:
            if time.monotonic() - start > self._left_s:
                raise SearchTimeoutError(
                    f"The pattern was not done after {PATTERN_TIMEOUT_S:g} s.",
                    "Use a simpler pattern, or search for words.",
                )
            if name not in found and self._pattern.search(text[:SEARCHED_LENGTH]):
                found.add(name)
        self._left_s -= time.monotonic() - start
        return found


def _texts(value: Any) -> Iterator[str]:
    """Give the texts inside a JSON value in order, keys and numbers too."""
    nodes = [value]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            nodes += reversed([each for pair in node.items() for each in pair])
        elif isinstance(node, list):
            nodes += reversed(node)
        elif node is not None and node != "":
            yield node if isinstance(node, str) else to_json(node)


def _cut(folded: str) -> Iterator[str]:
    for match in _WORD.finditer(folded):
        word = match[0]
        if match["unspaced"]:
            yield from word
            yield from _pairs(word)
        else:
            yield word[:WORD_LENGTH]


def _pairs(word: str) -> list[str]:
    return [word[start : start + 2] for start in range(len(word) - 1)]
