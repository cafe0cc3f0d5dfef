"""Claims for edits, deletions and reactions that come before their message."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from backscroll.testing.provider_contract.samples import (
    KEY,
    OTHER_KEY,
    asked,
    at,
    begun,
    external,
    recorded,
    said,
    stored,
    taken,
)

Change = Callable[[StorageProvider], Awaitable[bool]]


def edit(content: str, seconds: float, number: int = 1) -> Change:
    return lambda provider: provider.record_edit(external(number), content, at(seconds))


def delete(seconds: float) -> Change:
    return lambda provider: provider.record_deletion(external(1), at(seconds))


def react(emoji: str, user_id: str, seconds: float, *, added: bool = True) -> Change:
    return lambda provider: provider.record_reaction(external(1), emoji, user_id, added=added, event_at=at(seconds))


def clear(emoji: str | None, seconds: float) -> Change:
    return lambda provider: provider.record_clearing(external(1), emoji, at(seconds))


async def after(provider: StorageProvider, *changes: Change) -> Message:
    """Record the changes, and then their message."""
    assert [await change(provider) for change in changes] == [False] * len(changes)
    return (await recorded(provider, 1, message=said("first", id="m", created_at=at(0)))).message


async def test_early_edit_is_applied_to_its_message(provider: StorageProvider) -> None:
    message = await after(provider, edit("edited", 5))
    assert (message.content, message.edited_at) == ("edited", at(5))
    assert message == await stored(provider, "m")


async def test_early_edit_leaves_what_was_said_before_as_version(provider: StorageProvider) -> None:
    await after(provider, edit("edited", 5))
    versions = await provider.get_message_versions("m")
    assert [(version.content, version.written_at) for version in versions] == [("first", at(0))]


async def test_early_edit_takes_blocks(provider: StorageProvider) -> None:
    await provider.record_edit(external(1), [{"type": "text", "text": "b"}], at(1))
    assert (await recorded(provider, 1)).message.content == [{"type": "text", "text": "b"}]


async def test_early_edit_older_than_the_messages_own_changes_nothing(provider: StorageProvider) -> None:
    await provider.record_edit(external(1), "older", at(1))
    kept = await recorded(provider, 1, message=said("edited already", edited_at=at(2)))
    assert kept.message.content == "edited already"


async def test_early_deletion_makes_a_tombstone(provider: StorageProvider) -> None:
    message = await after(provider, delete(5))
    assert (message.content, message.deleted_at, message.sequence) == ("", at(5), 1)
    assert message == await stored(provider, "m")


async def test_early_deletion_leaves_no_answer_due(provider: StorageProvider) -> None:
    await provider.record_deletion(external(1), at(5))
    assert not (await recorded(provider, 1, asks="yes")).asked
    assert await provider.list_answers() == []


async def test_early_reaction_stands_on_its_message(provider: StorageProvider) -> None:
    message = await after(provider, react("+1", "U1", 1))
    assert message.reactions == {"+1": ["U1"]}
    assert message == await stored(provider, "m")


@pytest.mark.parametrize("emoji", [None, "+1"])
async def test_early_clearing_takes_away_what_came_before_it(provider: StorageProvider, emoji: str | None) -> None:
    before, later = [react("+1", "U1", 1), react("+1", "U2", 2)], react("+1", "U1", 4)
    message = await after(provider, later, clear(emoji, 3), *before, react("eyes", "U1", 5))
    assert message.reactions == {"+1": ["U1"], "eyes": ["U1"]}
    assert message == await stored(provider, "m")


async def test_early_reaction_joins_those_that_the_message_brings(provider: StorageProvider) -> None:
    await react("+1", "U2", 1)(provider)
    kept = await recorded(provider, 1, message=said(reactions={"+1": ["U1"], "eyes": ["U1"]}))
    assert kept.message.reactions == {"+1": ["U1", "U2"], "eyes": ["U1"]}


async def test_early_reactions_stand_in_the_platforms_order(provider: StorageProvider) -> None:
    message = await after(provider, react("+1", "late", 3), react("+1", "first", 1), react("+1", "second", 2))
    assert message.reactions == {"+1": ["first", "second", "late"]}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_early_reaction_and_its_removal_leave_the_later_one(provider: StorageProvider, order: list[int]) -> None:
    pair = [react("+1", "U1", 1), react("+1", "U1", 2, added=False)]
    message = await after(provider, *(pair[number] for number in order))
    assert message.reactions == {}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_early_edits_come_to_the_same_in_any_order(provider: StorageProvider, order: list[int]) -> None:
    edits = [edit(f"edit {number}", number) for number in range(1, 4)]
    message = await after(provider, *(edits[number] for number in order))
    assert (message.content, message.edited_at) == ("edit 3", at(3))
    versions = [version.content for version in await provider.get_message_versions("m")]
    assert versions == ["first", "edit 1", "edit 2"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_early_changes_of_each_kind_leave_a_tombstone_in_any_order(
    provider: StorageProvider, order: list[int]
) -> None:
    changes = [edit("edited", 1), delete(2), react("+1", "U1", 3)]
    message = await after(provider, *(changes[number] for number in order))
    assert (message.content, message.deleted_at, message.reactions) == ("", at(2), {})
    assert await provider.get_message_versions("m") == []


async def test_early_changes_go_on_to_hold_against_later_ones(provider: StorageProvider) -> None:
    await after(provider, edit("edited", 5), react("+1", "U1", 5))
    assert not await provider.record_edit(external(1), "older", at(4))
    assert not await provider.record_reaction(external(1), "+1", "U1", added=False, event_at=at(4))
    message = await stored(provider, "m")
    assert (message.content, message.reactions) == ("edited", {"+1": ["U1"]})


async def test_early_changes_are_applied_once(provider: StorageProvider) -> None:
    await after(provider, react("+1", "U1", 1))
    await provider.delete_thread((await recorded(provider, 1)).thread_id)
    assert (await recorded(provider, 1)).message.reactions == {}


async def test_early_changes_wait_for_their_own_message(provider: StorageProvider) -> None:
    await edit("edited", 1, number=2)(provider)
    assert (await recorded(provider, 1, "one")).message.content == "one"
    assert (await recorded(provider, 2, "two")).message.content == "edited"


async def test_early_changes_are_applied_to_an_appended_message(provider: StorageProvider) -> None:
    kept = await recorded(provider, "root")
    await after_all(provider)
    message = await provider.append_message(kept.thread_id, said("first", platforms=external(1).platforms))
    assert (message.content, message.reactions) == ("edited", {"+1": ["U1"]})


async def after_all(provider: StorageProvider) -> None:
    await edit("edited", 1)(provider)
    await react("+1", "U1", 2)(provider)


async def test_early_changes_are_applied_to_an_answer_when_its_post_is_known(provider: StorageProvider) -> None:
    await asked(provider, "question")
    answer = await taken(provider)
    await begun(provider, answer, "an answer")
    await after_all(provider)
    await provider.mark_sent(answer.id, "one", 1, external(1))
    found = await provider.find_external(external(1))
    assert found is not None
    assert (found[1].content, found[1].reactions) == ("edited", {"+1": ["U1"]})


async def test_early_changes_leave_the_external_id_unknown(provider: StorageProvider) -> None:
    await after_all(provider)
    assert await provider.find_external(external(1)) is None
    assert await provider.count_threads() == 0


async def test_early_changes_and_their_message_meet_under_concurrency(provider: StorageProvider) -> None:
    for number in range(10):
        changes: list[Awaitable[object]] = [
            provider.record_reaction(external(number), "+1", f"U{user}", added=True, event_at=at(user))
            for user in range(3)
        ]
        changes.insert(number % 4, recorded(provider, number, message=said("first", id=f"m{number}")))
        changes.append(provider.record_edit(external(number), "edited", at(9)))
        await asyncio.gather(*changes)
    for number in range(10):
        message = await stored(provider, f"m{number}")
        assert message.content == "edited"
        assert sorted(message.reactions["+1"]) == ["U0", "U1", "U2"]


async def test_early_edit_is_dropped_where_no_thread_has_the_alias(provider: StorageProvider) -> None:
    assert not await provider.record_edit(external(1), "edited", at(1), only_in=KEY.alias)
    assert (await recorded(provider, 1, "first")).message.content == "first"


async def test_early_edit_waits_where_a_thread_has_the_alias(provider: StorageProvider) -> None:
    await recorded(provider, "root")
    assert not await provider.record_edit(external(1), "edited", at(1), only_in=KEY.alias)
    assert (await recorded(provider, 1, "first")).message.content == "edited"


async def test_edit_of_a_stored_message_is_applied_whatever_alias_it_names(provider: StorageProvider) -> None:
    await recorded(provider, 1, message=said("first", id="m"))
    assert await provider.record_edit(external(1), "edited", at(1), only_in=OTHER_KEY.alias)
    assert (await stored(provider, "m")).content == "edited"


async def test_recorded_edit_tells_whether_it_changed_anything(provider: StorageProvider) -> None:
    await recorded(provider, 1)
    told = [await provider.record_edit(external(1), text, at(when)) for text, when in (("a", 1), ("b", 1), ("c", 2))]
    assert told == [True, False, True]


async def test_recorded_deletion_tells_whether_it_changed_anything(provider: StorageProvider) -> None:
    await recorded(provider, 1, message=said("first", id="m"))
    assert [await provider.record_deletion(external(1), at(when)) for when in (1, 2)] == [True, False]
    assert (await stored(provider, "m")).deleted_at == at(1)


async def test_recorded_edit_of_a_tombstone_changes_nothing(provider: StorageProvider) -> None:
    await recorded(provider, 1, message=said("first", id="m"))
    await provider.record_deletion(external(1), at(1))
    assert not await provider.record_edit(external(1), "edited", at(2))
    assert (await stored(provider, "m")).content == ""


async def test_sweep_drops_what_has_waited_too_long_and_counts_the_messages(provider: StorageProvider) -> None:
    await after_all(provider)
    await edit("edited", 1, number=2)(provider)
    assert await provider.sweep_early_events(datetime.now(UTC) + timedelta(minutes=1)) == 2
    assert (await recorded(provider, 1, "first")).message.content == "first"


async def test_sweep_leaves_what_has_not_waited_too_long(provider: StorageProvider) -> None:
    await after_all(provider)
    assert await provider.sweep_early_events(datetime.now(UTC) - timedelta(minutes=1)) == 0
    assert (await recorded(provider, 1, "first")).message.content == "edited"


async def test_sweep_leaves_room_for_changes_that_come_after_it(provider: StorageProvider) -> None:
    await edit("swept", 1)(provider)
    await provider.sweep_early_events(datetime.now(UTC) + timedelta(minutes=1))
    await edit("edited", 2)(provider)
    assert (await recorded(provider, 1, "first")).message.content == "edited"


async def test_sweep_leaves_stored_messages_alone(provider: StorageProvider) -> None:
    kept = await recorded(provider, 1)
    await after_all(provider)
    assert await provider.sweep_early_events(datetime.now(UTC) + timedelta(minutes=1)) == 0
    assert not (await recorded(provider, 1)).is_new
    assert (await provider.find_external(external(1)) or ("",))[0] == kept.thread_id


async def test_sweep_loses_no_message_that_comes_beside_it(provider: StorageProvider) -> None:
    for number in range(20):
        await edit("edited", 1, number)(provider)
    soon = datetime.now(UTC) + timedelta(minutes=1)
    arrivals = [recorded(provider, number, "first") for number in range(20)]
    await asyncio.gather(*arrivals, *(provider.sweep_early_events(soon) for _ in range(5)))
    for number in range(20):
        assert not (await recorded(provider, number)).is_new
