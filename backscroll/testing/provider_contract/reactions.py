"""Claims for reactions: one user's one emoji, once, in the platform's order."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import asked, at, begun, external, recorded, said, stored, taken

EMOJIS = ["+1", "👍🏽", "👩‍👩‍👧", "custom:party_parrot", "<:name:123>", 'a"b', "é", "e\u0301"]


@pytest_asyncio.fixture(loop_scope="function")
async def thread_id(provider: StorageProvider) -> str:
    """Record message 1, whose id is "m", and give its thread's id."""
    return (await recorded(provider, 1, message=said("hello", id="m"))).thread_id


async def reactions(provider: StorageProvider) -> dict[str, list[str]]:
    return (await stored(provider, "m")).reactions


async def record(provider: StorageProvider, seconds: float, *, added: bool = True, user: str = "U1") -> bool:
    return await provider.record_reaction(external(1), "+1", user, added=added, event_at=at(seconds))


async def test_add_reaction_keeps_it_once(store: ThreadStore, thread_id: str) -> None:
    assert [await store.add_reaction(thread_id, "m", "+1", "U1") for _ in range(2)] == [True, False]
    assert await reactions(store.provider) == {"+1": ["U1"]}


async def test_add_reaction_keeps_emojis_apart(store: ThreadStore, thread_id: str) -> None:
    for emoji in EMOJIS:
        assert await store.add_reaction(thread_id, "m", emoji, "U1")
    found = await reactions(store.provider)
    assert found == {emoji: ["U1"] for emoji in EMOJIS}
    assert list(found) == EMOJIS


async def test_add_reaction_keeps_the_order_of_reactors(store: ThreadStore, thread_id: str) -> None:
    for user in ("U3", "U1", "U2"):
        await store.add_reaction(thread_id, "m", "+1", user)
    assert await reactions(store.provider) == {"+1": ["U3", "U1", "U2"]}


async def test_add_reaction_comes_after_those_that_the_message_brought(provider: StorageProvider) -> None:
    kept = await recorded(provider, 1, message=said(id="m", reactions={"+1": ["U9", "U8"]}))
    await provider.add_reaction(kept.thread_id, "m", "+1", "U1")
    assert await reactions(provider) == {"+1": ["U9", "U8", "U1"]}


async def test_add_reaction_again_puts_the_user_last(store: ThreadStore, thread_id: str) -> None:
    for user in ("U1", "U2"):
        await store.add_reaction(thread_id, "m", "+1", user)
    await store.remove_reaction(thread_id, "m", "+1", "U1")
    await store.add_reaction(thread_id, "m", "+1", "U1")
    assert await reactions(store.provider) == {"+1": ["U2", "U1"]}


async def test_add_reaction_gives_false_where_there_is_no_such_message(store: ThreadStore, thread_id: str) -> None:
    await store.get_or_create("other")
    places = [("other", "m"), ("unknown", "m"), (thread_id, "unknown")]
    assert [await store.add_reaction(*place, "+1", "U1") for place in places] == [False] * 3
    assert await reactions(store.provider) == {}


async def test_add_reaction_gives_false_on_a_tombstone(store: ThreadStore, thread_id: str) -> None:
    await store.delete_message("m")
    assert not await store.add_reaction(thread_id, "m", "+1", "U1")
    assert await reactions(store.provider) == {}


async def test_add_reaction_refuses_what_is_no_name(store: ThreadStore, thread_id: str) -> None:
    refused: list[Any] = [("", "U1"), ("+1", ""), ("x" * 501, "U1"), (None, "U1"), ("+1", 5)]
    for emoji, user in refused:
        with pytest.raises(ValueError, match="1 to 500 characters"):
            await store.add_reaction(thread_id, "m", emoji, user)


async def test_add_reaction_loses_none_under_concurrency(store: ThreadStore, thread_id: str) -> None:
    users = [f"U{number}" for number in range(20)]
    told = await asyncio.gather(*(store.add_reaction(thread_id, "m", "+1", user) for user in users * 2))
    assert sum(told) == 20
    assert sorted((await reactions(store.provider))["+1"]) == sorted(users)


async def test_remove_reaction_takes_it_away_once(store: ThreadStore, thread_id: str) -> None:
    await store.add_reaction(thread_id, "m", "+1", "U1")
    await store.add_reaction(thread_id, "m", "+1", "U2")
    assert [await store.remove_reaction(thread_id, "m", "+1", "U1") for _ in range(2)] == [True, False]
    assert await reactions(store.provider) == {"+1": ["U2"]}


async def test_remove_reaction_leaves_no_empty_emoji(store: ThreadStore, thread_id: str) -> None:
    await store.add_reaction(thread_id, "m", "+1", "U1")
    await store.remove_reaction(thread_id, "m", "+1", "U1")
    assert await reactions(store.provider) == {}


async def test_remove_reaction_takes_one_away_that_the_message_brought(provider: StorageProvider) -> None:
    kept = await recorded(provider, 1, message=said(id="m", reactions={"+1": ["U1", "U2"]}))
    assert await provider.remove_reaction(kept.thread_id, "m", "+1", "U1")
    assert await reactions(provider) == {"+1": ["U2"]}


async def test_remove_reaction_gives_false_where_none_stands(store: ThreadStore, thread_id: str) -> None:
    await store.add_reaction(thread_id, "m", "+1", "U1")
    await store.get_or_create("other")
    gone = [(thread_id, "m", "+1", "U2"), (thread_id, "m", "eyes", "U1"), ("other", "m", "+1", "U1")]
    assert [await store.remove_reaction(*each) for each in gone] == [False] * 3
    assert await reactions(store.provider) == {"+1": ["U1"]}


async def test_reactions_of_one_user_end_as_the_last_told_under_concurrency(store: ThreadStore, thread_id: str) -> None:
    calls = [store.add_reaction, store.remove_reaction] * 10
    told = await asyncio.gather(*(call(thread_id, "m", "+1", "U1") for call in calls))
    added, removed = sum(told[::2]), sum(told[1::2])
    assert added - removed == len((await reactions(store.provider)).get("+1", []))


async def test_record_reaction_tells_whether_it_changed_anything(provider: StorageProvider, thread_id: str) -> None:
    told = [await record(provider, when, added=added) for when, added in ((1, True), (2, True), (3, False), (4, False))]
    assert told == [True, False, True, False]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_record_reaction_ends_as_the_platforms_last_in_any_order(
    provider: StorageProvider, thread_id: str, order: list[int]
) -> None:
    events = [(1, True), (2, False), (3, True)]
    for number in order:
        when, added = events[number]
        await record(provider, when, added=added)
    assert await reactions(provider) == {"+1": ["U1"]}


async def test_record_reaction_takes_an_equal_instant_for_a_repeat(provider: StorageProvider, thread_id: str) -> None:
    assert [await record(provider, 1), await record(provider, 1, added=False)] == [True, False]
    assert await reactions(provider) == {"+1": ["U1"]}


async def test_record_reaction_removed_before_it_was_added_stays_away(
    provider: StorageProvider, thread_id: str
) -> None:
    assert [await record(provider, 2, added=False), await record(provider, 1)] == [False, False]
    assert await reactions(provider) == {}


async def test_record_reaction_that_changes_nothing_still_counts_as_the_latest(
    provider: StorageProvider, thread_id: str
) -> None:
    for when, added in ((1, True), (5, True), (3, False)):
        await record(provider, when, added=added)
    assert await reactions(provider) == {"+1": ["U1"]}


async def test_record_reaction_keeps_users_and_emojis_in_orders_of_their_own(
    provider: StorageProvider, thread_id: str
) -> None:
    await record(provider, 5, user="U1")
    assert await record(provider, 1, user="U2")
    assert await provider.record_reaction(external(1), "eyes", "U1", added=True, event_at=at(0))
    assert await reactions(provider) == {"+1": ["U1", "U2"], "eyes": ["U1"]}


async def test_record_reaction_wins_over_one_that_the_message_brought(provider: StorageProvider) -> None:
    await recorded(provider, 1, message=said(id="m", reactions={"+1": ["U1"]}))
    assert await record(provider, -1000, added=False)
    assert await reactions(provider) == {}


async def test_record_reaction_of_the_past_loses_to_one_of_now(provider: StorageProvider, thread_id: str) -> None:
    await provider.add_reaction(thread_id, "m", "+1", "U1")
    assert not await record(provider, 0, added=False)
    assert await reactions(provider) == {"+1": ["U1"]}


async def test_add_reaction_wins_over_an_event_of_a_clock_ahead(provider: StorageProvider, thread_id: str) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    await provider.record_reaction(external(1), "+1", "U1", added=False, event_at=ahead)
    assert await provider.add_reaction(thread_id, "m", "+1", "U1")
    assert not await provider.record_reaction(external(1), "+1", "U1", added=False, event_at=ahead)
    assert await reactions(provider) == {"+1": ["U1"]}


async def test_record_reaction_gives_false_on_a_tombstone(provider: StorageProvider, thread_id: str) -> None:
    await provider.delete_message("m")
    assert not await record(provider, 1)
    assert await reactions(provider) == {}


async def test_record_reaction_finds_an_answer_by_every_part(provider: StorageProvider) -> None:
    await asked(provider)
    answer = await taken(provider)
    parts = await begun(provider, answer, "one", "two")
    for part in parts:
        await provider.mark_sent(answer.id, "one", part.number, external(f"a{part.number}"))
    for number in (2, 1):
        place = external(f"a{number}")
        assert await provider.record_reaction(place, "+1", f"U{number}", added=True, event_at=at(number))
    assert (await stored(provider, parts[0].message_id)).reactions == {"+1": ["U2", "U1"]}


async def test_record_reaction_ends_the_same_under_concurrency(provider: StorageProvider, thread_id: str) -> None:
    events = [record(provider, when, added=when % 2 == 0, user=f"U{when % 3}") for when in range(30)]
    await asyncio.gather(*events)
    # The last events: 27 of U0, 28 of U1, 29 of U2; the even one added.
    assert await reactions(provider) == {"+1": ["U1"]}


@pytest.mark.parametrize("emoji", [None, "+1"])
async def test_record_clearing_takes_away_what_stands_and_leaves_what_came_later(
    provider: StorageProvider, thread_id: str, emoji: str | None
) -> None:
    for user, seconds in (("U1", 1), ("U2", 5)):
        await record(provider, seconds, user=user)
        await provider.record_reaction(external(1), "eyes", user, added=True, event_at=at(seconds))
    clear = [await provider.record_clearing(external(1), emoji, at(3)) for _ in range(2)]
    assert clear == [True, False]
    assert await reactions(provider) == {"+1": ["U2"], "eyes": ["U2"] if emoji is None else ["U1", "U2"]}


async def test_record_clearing_gives_false_on_a_tombstone(provider: StorageProvider, thread_id: str) -> None:
    await record(provider, 1)
    await provider.record_deletion(external(1), at(2))
    assert not await provider.record_clearing(external(1), None, at(3))
