"""Long answers, cut into parts that a platform takes.

Markdown is read only as far as cutting needs: paragraphs, lines, code fences. Each part is chosen by what stands in it
and the one character after it, so the finished parts of a text that grows never change. Knows no platform. Proved by
`tests/unit/adapters/test_formatting.py`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from unicodedata import category, combining

Measure = Callable[[str], int]

# A fence may stand in a quote or a list's item.
_FENCE = re.compile(r"((?:[ \t]*(?:>|[-*+][ \t]|\d{1,9}[.)][ \t]))*[ \t]*)(`{3,}(?=[^`]*$)|~{3,})")
_SENTENCE = re.compile(r"[.!?…][\"'”’»)\]*_]*(?=\s)|[。！？][」』”’）]*")
_SPACE = re.compile(r"\s*")
_BLANK_LINES = re.compile(r"(?:[^\S\n]*\n)*")
# Spaces that join words.
_UNBREAKABLE = "\u00a0\u2007\u202f"
# Characters from `<` on that may still become a mention, a custom emoji or a link: `<@U1>`, `<:name:123>`.
_TOKEN_LENGTH = 100
# What belongs to the character before it besides combining marks, and pairs that belong together.
_EXTENDS = re.compile(r"[\u200c\u200d\u0e33\u0eb3\u1160-\u11ff\ud7b0-\ud7fb\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
_PAIR = re.compile(
    r"\r\n|[\ud800-\udbff][\udc00-\udfff]|[\u1100-\u115f\ua960-\ua97c][\u1100-\u115f\ua960-\ua97c\uac00-\ud7a3]"
)


@dataclass(frozen=True, slots=True)
class _Fence:
    """A code fence: the line that opens it again, and what closes it. A list's mark is not said again."""

    prefix: str
    marker: str
    info: str

    @property
    def head(self) -> str:
        return f"{self.prefix}{self.marker}{self.info}\n"

    @property
    def tail(self) -> str:
        return f"\n{self.prefix}{self.marker}"

    def is_closed_by(self, line: str) -> bool:
        bare = line.lstrip(" \t>" if ">" in self.prefix else " \t")
        if len(line) - len(bare) > len(self.prefix) + 3:
            return False
        bare = bare.rstrip()
        return len(bare) >= len(self.marker) and not bare.strip(self.marker[0])


@dataclass(slots=True)
class _Window:
    """What stands between a part's start and the farthest that it can reach.

    `paragraph` and `line` are the last ends of such outside any fence. `fence` is open at the far end; `fence_start` is
    where it begins, None when it began before the part.
    """

    last_line: int
    paragraph: int | None = None
    line: int | None = None
    fence: _Fence | None = None
    fence_start: int | None = None


def split(text: str, limit: int, measure: Measure = len) -> list[str]:
    """Cut Markdown into parts of at most `limit`, in order; a text that fits is returned as it is.

    Cuts at the end of a paragraph, else of a line, a sentence, a word, else between what is read as one character; not
    inside a mention. A code fence goes whole into the next part; one that needs more than a part is closed at a line,
    and opened again. No part is blank, and nothing is left out but white space at the cuts. When the text goes on, all
    parts but the last stay as they are.

    Args: limit: from 1; a single character that measures more is a part of its own. measure: how long the platform says
        that a text is: its characters at least, and no less for a longer one.
    Raises: ValueError: the limit is less than 1.
    """
    if limit < 1:
        raise ValueError(f"limit is a whole number from 1 up, got {limit}")
    if measure(text) <= limit:
        return [text]
    stripped = text.rstrip()
    return list(_Splitter(stripped, limit, measure).parts()) if stripped else [text[:1]]


class _Splitter:
    """Goes once through a text. `_at` is where the next part starts, `_fence` what is open there."""

    def __init__(self, text: str, limit: int, measure: Measure) -> None:
        self._text = text
        self._limit = limit
        self._measure = measure
        self._fence: _Fence | None = None
        self._at = _end_of(_BLANK_LINES, text, 0)

    def parts(self) -> Iterator[str]:
        """Yield the parts."""
        while self._at < len(self._text):
            part = self._next()
            # White space that is longer than a part is left out.
            if part is not None:
                yield part

    def _next(self) -> str | None:
        start, head = self._at, self._fence.head if self._fence else ""
        end = self._reach(head, "")
        if end == len(self._text):
            self._at = end
            return head + self._text[start:]
        window = self._look(end)
        if window.fence is None:
            cut = self._cut(window, end)
        elif window.fence_start is not None and self._text[start : window.fence_start].strip():
            cut = window.fence_start
        else:
            return self._next_of_fence(window.fence, window.fence_start)
        self._fence = None
        self._at = self._skip(cut)
        body = self._text[start:cut].rstrip()
        return head + body if body else None

    def _next_of_fence(self, fence: _Fence, opened_at: int | None) -> str | None:
        """Take the next part off, inside the fence that it starts with."""
        head, tail = fence.head, fence.tail
        if opened_at is not None:
            self._at = self._text.index("\n", opened_at) + 1
            head = self._text[opened_at : self._at]
        start, end = self._at, self._reach(head, tail)
        cut = self._text.rfind("\n", start + 1, end + 1)
        if cut < 0:
            cut = self._last_character(end)
        self._fence = fence
        self._at = _end_of(_BLANK_LINES, self._text, cut + (self._text[cut : cut + 1] == "\n"))
        self._close_if_done(fence)
        body = self._text[start:cut].rstrip("\n")
        return head + body + tail if body.strip() else None

    def _close_if_done(self, fence: _Fence) -> None:
        """Leave out a closing line that comes next: the part before is closed already."""
        stop = self._text.find("\n", self._at)
        stop = len(self._text) if stop < 0 else stop
        if fence.is_closed_by(self._text[self._at : stop]):
            self._fence = None
            self._at = self._skip(stop)

    def _reach(self, head: str, tail: str) -> int:
        """Return how far from here a part can reach between head and tail: one character at least."""
        low, high = self._at + 1, min(len(self._text), self._at + self._limit - len(head) - len(tail))
        if high <= low or self._fits(head, high, tail):
            return max(low, high)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._fits(head, middle, tail) else (low, middle)
        return low

    def _fits(self, head: str, end: int, tail: str) -> bool:
        return self._measure(f"{head}{self._text[self._at : end]}{tail}") <= self._limit

    def _look(self, end: int) -> _Window:
        window = _Window(self._at, fence=self._fence)
        start = self._at
        while start <= end:
            stop = self._text.find("\n", start, end + 1)
            if stop < 0:
                self._look_at(window, start, end, is_whole=False)
                break
            self._look_at(window, start, stop, is_whole=True)
            start = stop + 1
        return window

    def _look_at(self, window: _Window, start: int, stop: int, *, is_whole: bool) -> None:
        """Look at one line; one that is not whole goes on where no part can reach."""
        line = self._text[start:stop]
        if window.fence is not None:
            if is_whole and window.fence.is_closed_by(line):
                window.fence = window.fence_start = None
                window.paragraph = window.line = stop
            return
        window.last_line = start
        window.fence = self._opened_by(line)
        if window.fence is not None:
            window.fence_start = start
        elif is_whole and line.strip():
            window.line = stop
        elif is_whole and window.line is not None:
            window.paragraph = window.line

    def _opened_by(self, line: str) -> _Fence | None:
        """Read a line that opens a fence; None also where opening and closing it again leaves too little for code."""
        match = _FENCE.match(line)
        if match is None:
            return None
        fence = _Fence(re.sub(r"[^>\s]", " ", match[1]), match[2], line[match.end() :])
        return fence if self._measure(fence.head + fence.tail) * 2 <= self._limit else None

    def _cut(self, window: _Window, end: int) -> int:
        """Choose where a part ends that no fence is open in; half a part is enough for a better end."""
        half = (self._at + end) // 2
        for found in (window.paragraph, window.line, self._last_sentence(window.last_line, end)):
            if found is not None and found >= half:
                return found
        word = self._last_word(window.last_line, end)
        if word is not None:
            return word
        return window.line if window.line is not None else self._last_character(end)

    def _last_sentence(self, start: int, end: int) -> int | None:
        ends = (match.end() for match in _SENTENCE.finditer(self._text, start, end + 1))
        return max((found for found in ends if found <= end), default=None)

    def _last_word(self, start: int, end: int) -> int | None:
        for found in range(end, start, -1):
            if self._text[found].isspace() and self._text[found] not in _UNBREAKABLE:
                return found if self._text[start:found].strip() else None
        return None

    def _last_character(self, end: int) -> int:
        """Return the last cut up to `end` that parts no character and no mention; `end` when one is longer."""
        found = end
        token = self._text.rfind("<", max(self._at + 1, end - _TOKEN_LENGTH), end)
        if token >= 0 and not re.search(r"[>\s]", self._text[token:end]):
            found = token
        while found > self._at and _is_joint(self._text, found, self._at):
            found -= 1
        return found if found > self._at else end

    def _skip(self, at: int) -> int:
        """Go over white space, but not over what a line is indented by."""
        stop = _end_of(_SPACE, self._text, at)
        line = self._text.rfind("\n", at, stop)
        return stop if line < 0 else line + 1


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _is_joint(text: str, at: int, start: int) -> bool:
    """Tell whether the characters before and after `at` are read as one; rather too often than too seldom.

    The standard library knows no grapheme clusters. Source: unicode.org/reports/tr29
    """
    before, after = text[at - 1], text[at]
    if _extends(after) or before == "\u200d" or _PAIR.match(before + after):
        return True
    if _is_flag(after):
        return (at - _run_before(text, at, start, _is_flag)) % 2 == 1
    # The sign in Indic scripts that makes one letter of two; more signs may follow it.
    marks = text[_run_before(text, at, start, _extends) : at]
    return any(combining(mark) == 9 for mark in marks)


def _extends(character: str) -> bool:
    """Tell whether a character belongs to the one before it."""
    return _EXTENDS.match(character) is not None or category(character) in {"Mn", "Me", "Mc"}


def _is_flag(character: str) -> bool:
    """Tell whether a character is one of the letters that make a flag in pairs."""
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _run_before(text: str, at: int, start: int, is_one: Callable[[str], bool]) -> int:
    """Return where the run of such characters begins that ends at `at`."""
    while at > start and is_one(text[at - 1]):
        at -= 1
    return at
