"""Long answers are cut where people would cut them, and nothing of them is lost."""

import time
from collections.abc import Callable
from itertools import accumulate

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backscroll.adapters.formatting import split
from backscroll.adapters.slack.mrkdwn import escape, markdown


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def escaped(text: str) -> int:
    return len(escape(text))


def neutral(text: str) -> int:
    return len(markdown(text))


MEASURES = st.sampled_from([len, utf16, escaped, neutral])
FAMILY = "👩\u200d👩\u200d👧"
PIECES = st.sampled_from(
    [
        *("word", "a", ". ", " ", "  ", "\n", "\n\n", "\n \n", "```", "```py\n", "\n```\n", "~~~", "\n~~~\n", "`"),
        *("> ", "- ", "1. ", "    ", "<@U1>", "<:name:123>", "<", ">", "&", "<!channel>", "x" * 30),
        *(FAMILY, "👍🏽", "🇩🇪", "e\u0301", "한", "。", "漢字", "\u00a0", "\r\n", "\ud83d", "\ude00"),
    ]
)
TEXTS = st.lists(PIECES, max_size=40).map("".join)
LIMITS = st.integers(min_value=1, max_value=60)


def bare(text: str) -> str:
    return "".join(text.split())


def without_fences(text: str) -> str:
    """Return what a text says besides white space and lines that may open or close a fence."""
    return bare("\n".join(line for line in text.split("\n") if "```" not in line and "~~~" not in line))


# What holds for every text


@given(TEXTS, LIMITS, MEASURES)
@settings(max_examples=300)
def test_split_gives_parts_that_fit(text: str, limit: int, measure: Callable[[str], int]) -> None:
    for part in split(text, limit, measure):
        assert measure(part) <= limit or len(part) == 1


@given(TEXTS, LIMITS, MEASURES)
@settings(max_examples=300)
def test_split_says_all_of_a_text_without_fences(text: str, limit: int, measure: Callable[[str], int]) -> None:
    text = text.replace("```", "").replace("~~~", "")
    if measure(text) > limit and not text.strip():
        return
    assert bare("".join(split(text, limit, measure))) == bare(text)


@given(TEXTS, LIMITS, MEASURES)
@settings(max_examples=300)
@example("```py\n" + "x = 1\n" * 20 + "```", 40, len)
def test_split_says_all_of_a_text_with_fences_in_its_order(
    text: str, limit: int, measure: Callable[[str], int]
) -> None:
    said = iter(bare("".join(split(text, limit, measure))))

    if measure(text) <= limit or text.strip():
        assert all(character in said for character in without_fences(text))


@given(TEXTS, LIMITS, MEASURES)
@settings(max_examples=300)
def test_split_gives_no_blank_part(text: str, limit: int, measure: Callable[[str], int]) -> None:
    parts = split(text, limit, measure)

    assert parts
    assert all(part.strip() for part in parts) or not text.strip()


@given(TEXTS, LIMITS, MEASURES, st.integers(min_value=0))
@settings(max_examples=500)
@example("a" * 20, 10, len, 11)
@example("word\n```py\nx = 1\n```\nword word", 20, len, 13)
def test_split_leaves_finished_parts_as_they_are_when_the_text_grows(
    text: str, limit: int, measure: Callable[[str], int], size: int
) -> None:
    finished = split(text[: size % (len(text) + 1)], limit, measure)[:-1]

    assert split(text, limit, measure)[: len(finished)] == finished


@given(st.text(max_size=5), st.integers(min_value=5))
def test_split_returns_a_text_that_fits_as_it_is(text: str, limit: int) -> None:
    assert split(text, limit) == [text]


@pytest.mark.parametrize("limit", [0, -1])
def test_split_refuses_a_limit_that_holds_nothing(limit: int) -> None:
    with pytest.raises(ValueError, match="limit is a whole number from 1 up"):
        split("a", limit)


def test_split_gives_a_blank_text_one_part() -> None:
    assert split(" " * 50, 10) == [" "]
    assert split("", 10) == [""]


LONG = {
    "a word": "x" * 100_000,
    "words": "word " * 20_000,
    "lines": "line\n" * 20_000,
    "paragraphs": "a\n\n\n\n" * 20_000,
    "families": FAMILY * 20_000,
    "flags": "🇩🇪" * 50_000,
    "marks": "e" + "\u0301" * 100_000,
    "brackets": "<" * 100_000,
    "mentions": "<@U1>" * 20_000,
    "fence lines": "```\n" * 25_000,
    "code": "```py\n" + "x = 1\n" * 17_000,
    "fences": "```py\nx = 1\n```\n" * 6_000,
    "spaces": " " * 50_000 + "x" + " " * 50_000 + "y",
    "an indent": "a\n" + " " * 100_000 + "b",
    "backticks": "`" * 100_000,
    "quotes": "> " * 50_000,
    "list marks": "1. " * 33_000,
    "points": "." * 100_000,
    "sentences": "漢字。" * 33_000,
}


@pytest.mark.parametrize("measure", [len, utf16, escaped, neutral])
@pytest.mark.parametrize("text", LONG.values(), ids=list(LONG))
def test_split_is_quick(text: str, measure: Callable[[str], int]) -> None:
    before = time.process_time()
    split(text, 2_000, measure)

    assert time.process_time() - before < 0.5


# Where it cuts


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("one two\n\nthree four\nfive six", 24, ["one two\n\nthree four", "five six"]),
        ("one two three\n\nfour\nfive six", 24, ["one two three", "four\nfive six"]),
        ("one two three\nfour five six", 24, ["one two three", "four five six"]),
        ("One two three. Four five six", 24, ["One two three.", "Four five six"]),
        ("Is it? Yes (so). Four five six", 24, ["Is it? Yes (so).", "Four five six"]),
        ("one two three four five six", 24, ["one two three four five", "six"]),
        ("one two", 4, ["one", "two"]),
        ("one\ntwo", 3, ["one", "two"]),
        ("a\n\n\n\n  b" + "x" * 9, 10, ["a", "  bxxxxxxx", "xx"]),
        ("これは文です。これも文です", 10, ["これは文です。", "これも文です"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("a " + "b" * 9, 8, ["a", "bbbbbbbb", "b"]),
        ("\n\n  one two", 6, ["  one", "two"]),
        ("one two\u00a0three four", 9, ["one", "two\u00a0three", "four"]),
        ("a" + " " * 30 + "b", 10, ["a", "b"]),
        ("a\n" + " " * 30 + "b", 10, ["a", "b"]),
    ],
)
def test_split_cuts_at_the_best_end_in_reach(text: str, limit: int, parts: list[str]) -> None:
    assert split(text, limit) == parts


@pytest.mark.parametrize("token", ["<@U12345>", "<#C12345>", "<:name:123>", "<a:name:123>", "<t:123:R>", "<!here>"])
def test_split_leaves_a_mention_whole(token: str) -> None:
    for room in range(1, len(token) + 12):
        text = "x" * room + token + "y" * 20
        parts = split(text, len(token) + 10)

        assert "".join(parts) == text
        assert any(token in part for part in parts)


@pytest.mark.parametrize(
    "cluster",
    [FAMILY, "👍🏽", "🇩🇪", "e\u0301\u0323", "1\ufe0f\u20e3", "🏴\U000e0067\U000e0062\U000e007f", "क्षि", "กำ",
     "\u1112\u1161\u11ab", "\ud83d\ude00"],
)  # fmt: skip
@pytest.mark.parametrize("limit", [8, 9, 10, 11, 12, 13])
@pytest.mark.parametrize("measure", [len, utf16])
def test_split_leaves_what_is_read_as_one_character_whole(
    cluster: str, limit: int, measure: Callable[[str], int]
) -> None:
    text = "a" + cluster * 12
    cuts = set(accumulate(len(part) for part in split(text, max(limit, measure(cluster) + 1), measure)))

    assert cuts - {len(text)} <= {1 + number * len(cluster) for number in range(13)}


READ_AS_ONE = [
    *("a", "e\u0301", "1\ufe0f\u20e3", "한", "\u1112\u1161\u11ab", "\u1100", "ก\u0e33"),
    *("क", "क\u094dष", "कि", "क\u093c\u094d\u200dष"),
    *(FAMILY, "👧🏽", "🇩🇪", "🇩", "❤\ufe0f"),
]


@given(st.lists(st.sampled_from(READ_AS_ONE), max_size=60).map("".join))
@settings(max_examples=300)
def test_split_cuts_only_where_unicode_ends_a_character(text: str) -> None:
    longest = max((len(cluster) for cluster in regex.findall(r"\X", text)), default=1)
    parts = split(text, max(longest * 3, 12))
    ends = set(accumulate(len(cluster) for cluster in regex.findall(r"\X", text)))

    assert "".join(parts) == text
    assert set(accumulate(len(part) for part in parts)) <= ends | {0}


def test_split_cuts_a_character_that_is_longer_than_a_part() -> None:
    text = "e" + "\u0301" * 25

    assert "".join(split(text, 10)) == text


# Code


CODE = "```py\nfor each in things:\n    use(each)\n```"


def test_split_moves_a_fence_whole_to_the_next_part() -> None:
    text = f"Some words before the code.\n\n{CODE}\n\nSome after."

    assert split(text, 60) == ["Some words before the code.", f"{CODE}\n\nSome after."]


def test_split_leaves_a_fence_in_its_part_when_it_fits() -> None:
    text = f"Before.\n{CODE}\nAfter, and some words more."

    assert split(text, 60) == [f"Before.\n{CODE}", "After, and some words more."]


def test_split_closes_a_long_fence_at_a_line_and_opens_it_again() -> None:
    text = "Look:\n```py\n" + "".join(f"x = {number}\n" for number in range(6)) + "```\nDone."

    assert split(text, 30) == [
        "Look:",
        "```py\nx = 0\nx = 1\nx = 2\n```",
        "```py\nx = 3\nx = 4\nx = 5\n```",
        "Done.",
    ]


@pytest.mark.parametrize(
    ("opening", "again", "closing"),
    [
        ("```", "```", "```"),
        ("```python title=a", "```python title=a", "```"),
        ("~~~sh", "~~~sh", "~~~"),
        ("`````", "`````", "`````"),
        ("   ```", "   ```", "   ```"),
        ("> ```", "> ```", "> ```"),
        ("1. ```py", "   ```py", "   ```"),
        ("- ```", "  ```", "  ```"),
    ],
)
def test_split_opens_a_fence_again_as_it_was(opening: str, again: str, closing: str) -> None:
    lines = [f"some code {number}" for number in range(10)]
    first, *others = split("\n".join([opening, *lines, closing]), 80)

    assert first.startswith(f"{opening}\n")
    assert others
    assert all(part.startswith(f"{again}\n") for part in others)
    assert all(part.endswith(f"\n{closing}") for part in (first, *others))


def test_split_keeps_the_indents_of_code() -> None:
    code = "".join(f"    if {number}:\n        pass\n" for number in range(9))
    parts = split(f"```py\n{code}```", 60)
    lines = [line for part in parts for line in part.split("\n") if not line.startswith("```")]

    assert lines == code.rstrip("\n").split("\n")


def test_split_cuts_a_line_of_code_that_is_longer_than_a_part() -> None:
    parts = split("```\n" + "x" * 100 + "\n```", 40)

    assert [part.removeprefix("```\n").removesuffix("\n```") for part in parts] == ["x" * 32] * 3 + ["x" * 4]


@pytest.mark.parametrize("length", range(20, 60))
def test_split_leaves_no_empty_fence(length: int) -> None:
    text = "```\n" + "x = 1\n" * (length // 6) + "y" * (length % 6) + "\n```\nAfter all of the code."

    assert not any("```\n```" in part for part in split(text, 40))


def test_split_leaves_out_a_closing_line_that_comes_after_a_cut() -> None:
    assert split("```\n" + "a" * 12 + "\n\n\n\n```\nAfter.", 20) == ["```\naaaaaaaaaaaa\n```", "After."]


def test_split_leaves_out_blank_code_that_is_longer_than_a_part() -> None:
    assert split("```\n" + "\n" * 100 + "x = 1\n```", 30) == ["```\nx = 1\n```"]


def test_split_takes_no_line_that_goes_on_for_the_end_of_a_fence() -> None:
    parts = split("```\n" + "a" * 12 + "\n```x\nbbbb\nccccccc\n```", 20)

    assert all(part.startswith("```\n") and part.endswith("\n```") for part in parts)


def test_split_takes_no_inner_fence_for_the_end() -> None:
    code = "````md\n" + "```py\nx = 1\n```\n" * 4 + "````"
    parts = split(code, 50)

    assert all(part.startswith("````md\n") and part.endswith("\n````") for part in parts)


def test_split_treats_a_fence_without_room_for_code_as_text() -> None:
    assert bare("".join(split("```python\nabc def\n```", 10))) == "```pythonabcdef```"


def test_split_measures_the_closing_fence_too() -> None:
    text = "```\n" + "a & b\n" * 50 + "```"

    assert all(escaped(part) <= 60 for part in split(text, 60, escaped))


def test_split_leaves_an_open_fence_open_at_the_end() -> None:
    parts = split("```py\n" + "x = 1\n" * 9, 40)

    assert [part.endswith("\n```") for part in parts] == [True, False]
