"""Where threads and messages live outside."""

from dataclasses import astuple
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backscroll.storage.keys import ChannelMove, ExternalId, ThreadKey, alias_range

PARTS = st.tuples(*[st.text(st.characters(exclude_categories=[]), max_size=12)] * 4)
KEYS = PARTS.map(lambda parts: ThreadKey(*parts))
TEXTS = st.text(max_size=12)


def test_alias_reads_as_people_write_it() -> None:
    assert ThreadKey("slack", "T1", "C123", "1712.0001").alias == "slack:T1:C123:1712.0001"
    assert ThreadKey("discord", "@me", "123", "123").alias == "discord:@me:123:123"


@given(PARTS)
def test_alias_reads_back_as_the_same_key(parts: tuple[str, str, str, str]) -> None:
    key = ThreadKey(*parts)
    assert ThreadKey.from_alias(key.alias) == key


@given(PARTS, PARTS)
def test_no_two_keys_share_an_alias(one: tuple[str, str, str, str], other: tuple[str, str, str, str]) -> None:
    first, second = ThreadKey(*one), ThreadKey(*other)
    assert (first.alias == second.alias) == (first == second)


@pytest.mark.parametrize(
    "alias", ["", "a", "a:b:c", "a:b:c:d:e", "a:b:c:%", "a:b:c:%61", "a:b:c:ü", f"a:b:c:{'x' * 500}"]
)
def test_from_alias_gives_none_for_what_is_no_keys_alias(alias: str) -> None:
    assert ThreadKey.from_alias(alias) is None


@pytest.mark.parametrize("kind", [ThreadKey, ExternalId])
class TestParts:
    def test_what_cannot_be_stored_is_replaced(self, kind: Any) -> None:
        assert kind("a\0", "\ud800", "c", "d") == kind("a\ufffd", "\ufffd", "c", "d")

    @pytest.mark.parametrize("part", [5, None, b"x"])
    def test_a_part_that_is_no_text_is_refused_by_name(self, kind: Any, part: Any) -> None:
        with pytest.raises(ValueError, match=r"^channel is a text, got "):
            kind("a", "b", part, "d")

    def test_500_characters_are_taken(self, kind: Any) -> None:
        kind("a", "b", "c", "d" * 494)

    @pytest.mark.parametrize("part", ["d" * 495, "ü" * 83])
    def test_more_than_500_characters_of_an_alias_are_refused(self, kind: Any, part: str) -> None:
        with pytest.raises(ValueError, match=r"^a key has 500 characters at most when written as an alias, got 50"):
            kind("a", "b", "c", part)


@pytest.mark.parametrize(
    ("key", "platforms"),
    [
        (ThreadKey("slack", "T", "C", "1"), {"slack": {"team": "T", "channel": "C", "thread_ts": "1"}}),
        (ThreadKey("discord", "G", "C", "1"), {"discord": {"guild": "G", "channel": "C", "thread": "1"}}),
        (ThreadKey("console", "W", "C", "1"), {"console": {"workspace": "W", "channel": "C", "thread": "1"}}),
        (ExternalId("slack", "T", "C", "1"), {"slack": {"team": "T", "channel": "C", "ts": "1"}}),
        (ExternalId("discord", "G", "C", "1"), {"discord": {"guild": "G", "channel": "C", "message": "1"}}),
        (ExternalId("console", "W", "C", "1"), {"console": {"workspace": "W", "channel": "C", "message": "1"}}),
    ],
)
def test_platforms_use_the_platforms_own_names(key: ThreadKey | ExternalId, platforms: dict[str, Any]) -> None:
    assert key.platforms == platforms


def test_a_key_names_a_message_of_its_channel() -> None:
    assert ThreadKey("slack", "T", "C", "1").message("2") == ExternalId("slack", "T", "C", "2")


@given(TEXTS, TEXTS, TEXTS.filter(bool), TEXTS.filter(bool))
def test_external_id_reads_back_from_platforms(platform: str, workspace: str, channel: str, number: str) -> None:
    external = ExternalId(platform, workspace, channel, number)
    assert ExternalId.of_message(external.platforms, {}) == external


@pytest.mark.parametrize(
    "place",
    [
        {},
        {"channel": "C"},
        {"ts": "1"},
        {"channel": None, "ts": "1"},
        {"channel": "C", "ts": True},
        {"channel": "C", "ts": ""},
    ],
)
def test_of_message_gives_none_without_a_channel_and_id(place: dict[str, Any]) -> None:
    assert ExternalId.of_message({"slack": place}, {}) is None


def test_of_message_takes_numbers_as_names() -> None:
    place = {"guild": 1, "channel": 2, "message": 3}
    assert ExternalId.of_message({"discord": place}, {}) == ExternalId("discord", "1", "2", "3")


def test_of_message_takes_the_workspace_from_the_thread() -> None:
    thread = {"slack": {"team": "T", "channel": "C"}}
    assert ExternalId.of_message({"slack": {"channel": "C", "ts": "1"}}, thread) == ExternalId("slack", "T", "C", "1")


def test_of_message_passes_over_a_platform_that_names_no_message() -> None:
    platforms = {"slack": {"channel": "C"}, "discord": {"channel": "2", "message": "3"}}
    assert ExternalId.of_message(platforms, {}) == ExternalId("discord", "", "2", "3")


def test_moved_key_lies_in_the_new_channel() -> None:
    assert ThreadKey("slack", "T", "C", "1").moved("D") == ThreadKey("slack", "T", "D", "1")


def test_thread_part_of_a_moved_dm_follows_its_channel() -> None:
    assert ThreadKey("slack", "T", "C", "C").moved("D") == ThreadKey("slack", "T", "D", "D")


MOVE = ChannelMove("slack", "T", "C", "D")


@pytest.mark.parametrize(
    ("place", "fits"),
    [
        (ThreadKey("slack", "T", "C", "1"), True),
        (ExternalId("slack", "T", "C", "1"), True),
        (ThreadKey("slack", "T", "D", "C"), False),
        (ThreadKey("slack", "U", "C", "1"), False),
        (ExternalId("discord", "T", "C", "1"), False),
    ],
)
def test_move_fits_what_lies_in_its_channel(place: ThreadKey | ExternalId, fits: bool) -> None:
    assert MOVE.fits(place) == fits


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            {"team": "T", "channel": "C", "thread_ts": "1", "x": 1},
            {"team": "T", "channel": "D", "thread_ts": "1", "x": 1},
        ),
        ({"team": "T", "channel": "C", "thread_ts": "C"}, {"team": "T", "channel": "D", "thread_ts": "D"}),
        ({"team": "T", "channel": "C", "ts": "C"}, {"team": "T", "channel": "D", "ts": "C"}),
        ({"channel": "C", "ts": "1"}, {"channel": "D", "ts": "1"}),
        ({"team": "U", "channel": "C"}, None),
        ({"team": "T", "channel": "X", "thread_ts": "C"}, None),
        ({"team": "T"}, None),
        ({}, None),
    ],
)
def test_move_rewrites_what_platforms_say_of_its_channel(before: dict[str, Any], after: dict[str, Any] | None) -> None:
    moved = MOVE.apply({"slack": before, "other": {"channel": "C"}})
    assert moved == (None if after is None else {"slack": after, "other": {"channel": "C"}})


def test_move_changes_no_object_that_it_is_given() -> None:
    before = {"slack": {"team": "T", "channel": "C", "thread_ts": "C"}}
    MOVE.apply(before)
    assert before == {"slack": {"team": "T", "channel": "C", "thread_ts": "C"}}


@given(KEYS, PARTS)
def test_move_says_of_a_thread_what_its_moved_key_does(key: ThreadKey, parts: tuple[str, str, str, str]) -> None:
    move = ChannelMove(key.platform, key.workspace, key.channel, key.moved(parts[2]).channel)
    assert move.apply(key.platforms) == key.moved(parts[2]).platforms


@given(PARTS, PARTS, st.integers(1, 3))
def test_alias_range_holds_the_aliases_of_keys_that_begin_so_and_no_others(
    one: tuple[str, str, str, str], other: tuple[str, str, str, str], count: int
) -> None:
    first, last = alias_range(*astuple(ThreadKey(*one))[:count])
    for parts in (one, other, (*one[:count], *other[count:])):
        key = ThreadKey(*parts)
        begins = (key.platform, key.workspace, key.channel)[:count] == astuple(ThreadKey(*one))[:count]
        assert (first <= key.alias < last) == begins
