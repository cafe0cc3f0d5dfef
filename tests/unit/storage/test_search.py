"""How texts are folded and cut into words, how queries and patterns are read, and the words of properties."""

import asyncio
import contextlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backscroll.errors import SearchTimeoutError
from backscroll.storage import search
from backscroll.storage.search import (
    SEARCHED_LENGTH,
    WORD_LENGTH,
    Pattern,
    Search,
    fold,
    index_words,
    property_mark,
    property_marks,
    query_words,
)
from backscroll.storage.values import JSON_DEPTH, clean_text

ODD = [
    "e\u0301",
    "ﬁ",
    "ß",
    "İ",
    "ς",
    "が",
    "ｶﾞ",
    "한",
    "ไทย",
    "日",
    "👍🏽",
    "👩‍👩‍👧",
    "🇩",
    "\u200d",
    "ﷺ",
    "ͅ",
    "¤",
    "a\u0315\u0300",
]
TEXTS = st.one_of(st.text(max_size=30), st.lists(st.sampled_from([*ODD, " ", "a", "-"]), max_size=12).map("".join))


def words_of(text: str) -> list[str]:
    """Return the words that a text is found by, in order, each once."""
    return list(dict.fromkeys(index_words(fold(text))))


@given(TEXTS)
def test_fold_of_a_folded_text_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(TEXTS)
def test_fold_takes_case_for_nothing(text: str) -> None:
    assert fold(text) == fold(text.casefold())


@given(TEXTS)
def test_query_words_of_a_text_are_among_its_index_words(text: str) -> None:
    assert query_words(text) <= set(index_words(fold(text)))


@given(st.text("aE \u00e9ß-_.1", max_size=20), st.text("aE \u00e9ß-_.1", max_size=20))
def test_index_words_of_texts_side_by_side_are_those_of_each(left: str, right: str) -> None:
    assert set(words_of(f"{left} {right}")) == {*words_of(left), *words_of(right)}


@given(TEXTS)
def test_index_words_hold_no_space_and_nothing_of_ascii_but_letters_and_digits(text: str) -> None:
    for word in index_words(fold(text)):
        assert 0 < len(word) <= WORD_LENGTH
        assert not any(sign.isspace() or (sign.isascii() and not sign.isalnum()) for sign in word)


@given(TEXTS)
def test_a_text_is_found_by_itself(text: str) -> None:
    whole = Search.of(text, substring=True)
    assert whole.fits(clean_text(text)) != whole.finds_nothing
    words = Search.of(text, substring=False)
    assert words.fits(clean_text(text)) != words.finds_nothing


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Hello, WORLD", "hello, world"),
        ("Crème BRÛLÉE", "creme brulee"),
        ("cre\u0300me", "creme"),
        ("Straße GROẞ", "strasse gross"),
        ("İstanbul ISPARTA ısı", "istanbul isparta ısı"),
        ("ΣΊΣΥΦΟΣ σίσυφος", "σισυφοσ σισυφοσ"),
        ("Ёжик йод", "ежик иод"),
        ("Ｆｕｌｌ　１２", "full 12"),
        ("ﾃﾞｰﾀ", "データ"),
        ("が か", "が か"),
        ("한국어", "한국어"),
        ("हिन्दी", "हिन्दी"),
        ("شَدَّة أب", "شدة اب"),
        ("שָׁלוֹם", "שלום"),
        ("ﬁ ½ x²", "fi 1⁄2 x2"),
        ("👍🏽", "👍"),
        ("👨\u200d👩\u200d👧", "👨👩👧"),
        ("❤\ufe0f 1\ufe0f\u20e3", "❤ 1"),
        ("a\u00adb\u200bc\ufeffd\u202ee", "abcde"),
        ("a\tb\nc_d-e", "a\tb\nc_d-e"),
        ("", ""),
    ],
)
def test_fold_takes_case_diacritics_and_presentation_away(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize("letter", ["x", "é"])
def test_fold_keeps_the_searched_part(letter: str) -> None:
    assert len(fold(letter * (SEARCHED_LENGTH + 1))) == SEARCHED_LENGTH


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ana@example.com", ["ana", "example", "com"]),
        ("v1.2.3", ["v1", "2", "3"]),
        ("re-deploy", ["re", "deploy"]),
        ("/var/log", ["var", "log"]),
        ("a_b it's", ["a", "b", "it", "s"]),
        ("C++ 100% $5 ^ + ~ `", ["c", "100", "5"]),
        ("東京都", ["東", "京", "都", "東京", "京都"]),
        ("日本a語", ["日", "本", "日本", "a", "語"]),
        ("データ2", ["デ", "ー", "タ", "デー", "ータ", "2"]),
        ("한국어", ["한", "국", "어", "한국", "국어"]),
        ("ไทย", ["ไ", "ท", "ย", "ไท", "ทย"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("go👍🏽🚀now", ["go", "👍", "🚀", "now"]),
        ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
        ("🇩🇪🇫", ["🇩🇪", "🇫"]),
        ("👨‍👩‍👧", ["👨", "👩", "👧"]),
        ("© ♥ \ufffd", ["©", "♥", "\ufffd"]),
        ("x" * 70, ["x" * 64]),
        ("", []),
    ],
)
def test_index_words_cut_a_text(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("Ana@example.com ana", {"ana", "example", "com"}),
        ("東", {"東"}),
        ("東京", {"東京"}),
        ("東京都", {"東京", "京都"}),
        ("東 都", {"東", "都"}),
        ("👍🏽", {"👍"}),
        ("x" * 70, {"x" * 64}),
        ("?! ¤ _", set()),
    ],
)
def test_query_words_cut_a_query(query: str, words: set[str]) -> None:
    assert query_words(query) == words


@pytest.mark.parametrize("substring", [True, False])
@pytest.mark.parametrize("query", ["", "\u200d", "\u0301"])
def test_search_of_nothing_finds_nothing(query: str, substring: bool) -> None:
    nothing = Search.of(query, substring=substring)
    assert nothing.finds_nothing
    assert not nothing.fits("a text")
    assert not nothing.fits("")


def test_search_shows_no_text_in_its_repr() -> None:
    assert "secret" not in repr(Search.of("secret", substring=True)) + repr(Search.of("secret", substring=False))


@pytest.mark.parametrize("query", [None, 5, b"a"])
def test_search_refuses_what_is_no_text(query: Any) -> None:
    for substring in (True, False):
        with pytest.raises(ValueError, match="a query is a text"):
            Search.of(query, substring=substring)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_property_marks_hold_the_mark_of_every_value(attributes: dict[str, Any]) -> None:
    marks = set(property_marks({"attributes": attributes, "source": None}))
    nodes: list[tuple[tuple[str, ...], Any]] = [(("attributes", key), value) for key, value in attributes.items()]
    count = 0
    while nodes:
        path, value = nodes.pop()
        count += 1
        assert property_mark(path, value) in marks
        nodes += [((*path, key), inner) for key, inner in value.items()] if isinstance(value, dict) else []
    assert len(marks) == count


@given(TEXTS, JSON)
def test_property_mark_is_no_word_of_any_text(text: str, value: Any) -> None:
    mark = property_mark(("attributes", "a"), value)
    assert mark not in words_of(f"{text} {mark}")
    assert mark not in query_words(mark)


def test_property_mark_tells_paths_and_types_apart() -> None:
    values: list[Any] = [5, 5.0, "5", True, None, "null", [], {}, [5]]
    paths = [("attributes", "a"), ("attributes", "a", "b"), ("attributes", "a.b"), ("metrics", "a"), ("attributes", "")]
    assert len({property_mark(path, value) for path in paths for value in values}) == len(values) * len(paths)


def test_property_marks_take_objects_as_deep_as_may_be() -> None:
    node: Any = 1
    for _ in range(JSON_DEPTH):
        node = {"k": node}
    assert len(set(property_marks({"attributes": node}))) == JSON_DEPTH


async def test_pattern_names_the_texts_that_it_fits() -> None:
    texts = [("a", "one"), ("b", "two"), ("a", "TWO"), ("c", "three")]
    assert await Pattern("^two$").fitting(texts) == {"a", "b"}


async def test_pattern_is_done_with_a_name_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = Pattern("(a+)+b")
    monkeypatch.setattr(pattern, "_left_s", 5.0)
    assert await pattern.fitting([("t", "ab"), ("t", "a" * 50_000)]) == {"t"}


async def test_pattern_is_stopped_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PATTERN_TIMEOUT_S", 0.0)
    pattern = Pattern("(a+)+b")
    for _ in range(2):
        with pytest.raises(SearchTimeoutError, match="after 0 s"):
            await pattern.fitting([("t", "a" * 50_000)] * 2)


async def test_pattern_lets_the_loop_go_on() -> None:
    trying = asyncio.create_task(Pattern("(?s).{900}x").fitting([("t", "a" * 100_000)] * 20))
    turns = 0
    while not trying.done():
        await asyncio.sleep(0)
        turns += 1
    assert await trying == set()
    assert turns > 20


def test_pattern_of_counted_groups_inside_each_other_is_refused_at_once() -> None:
    # Each level more takes a hundred times as long to compile, and as much memory: four never end.
    start = time.monotonic()
    with pytest.raises((ValueError, SearchTimeoutError)):
        Pattern("(?:(?:(?:a|b){100}){100}){100}")
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("pattern", ["(" * 400 + ")" * 400, "(?:a?){500}" * 60, "(?=a|" * 100 + "b" + ")" * 100])
def test_pattern_of_many_parts_is_read_or_refused_at_once(pattern: str) -> None:
    start = time.monotonic()
    with contextlib.suppress(ValueError):
        Pattern(pattern)
    assert time.monotonic() - start < 2
