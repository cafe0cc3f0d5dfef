"""Claims for what lives in a workspace: which of its threads are live, and a channel that gets another id."""

from datetime import timedelta

import pytest

from backscroll.storage.keys import ChannelMove, ThreadKey
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import (
    START,
    arriving,
    asked,
    at,
    begun,
    got,
    recorded,
    said,
    stored,
    taken,
)

MOVE = ChannelMove("slack", "T1", "C1", "C2")
OLD = ThreadKey("slack", "T1", "C1", "1.0")
NEW = ThreadKey("slack", "T1", "C2", "1.0")
DM = ThreadKey("slack", "T1", "D1", "D1")
ODD_PARTS = ["%", "_", "T%", "a:b", "ü", "'", '"', "\\", ""]


async def living(provider: StorageProvider, key: ThreadKey, number: int | str = 1) -> Message:
    """Record a message whose platforms say where it is, as adapters' do."""
    message = said(f"message {number}", platforms=key.message(str(number)).platforms)
    kept = await recorded(provider, number, key=key, message=message)
    return kept.message


# Which are live


async def test_live_keys_are_those_of_the_workspace(provider: StorageProvider) -> None:
    keys = [ThreadKey(*parts) for parts in (("slack", "T1", "C1", "1"), ("slack", "T2", "C1", "1"))]
    keys.append(ThreadKey("discord", "T1", "C1", "1"))
    for key in keys:
        await recorded(provider, 1, key=key)
    assert await provider.list_live_keys("slack", "T1", START) == keys[:1]


async def test_live_keys_come_newest_first(provider: StorageProvider) -> None:
    keys = [ThreadKey("slack", "T1", f"C{number % 2}", f"{number}.0") for number in range(4)]
    for number, key in enumerate(keys):
        await recorded(provider, number, key=key)
    await recorded(provider, "last", key=keys[1])
    assert await provider.list_live_keys("slack", "T1", START) == [keys[1], keys[3], keys[2], keys[0]]


async def test_live_keys_are_those_that_changed_since_an_instant_inclusive(provider: StorageProvider) -> None:
    keys = [ThreadKey("slack", "T1", "C1", f"{number}.0") for number in range(3)]
    kept = [await recorded(provider, number, key=key) for number, key in enumerate(keys)]
    since = (await got(provider, kept[1].thread_id)).updated_at
    assert await provider.list_live_keys("slack", "T1", since) == [keys[2], keys[1]]
    assert await provider.list_live_keys("slack", "T1", since + timedelta(microseconds=1)) == [keys[2]]


async def test_live_keys_of_one_thread_come_in_order(provider: StorageProvider) -> None:
    keys = [ThreadKey("slack", "T1", "C1", name) for name in ("b", "ü", "a", "B")]
    kept = await recorded(provider, 1, key=keys[0])
    for key in keys[1:]:
        await provider.save_thread_alias(kept.thread_id, key.alias)
    by_alias = sorted(keys, key=lambda key: key.alias, reverse=True)
    assert await provider.list_live_keys("slack", "T1", START) == by_alias


async def test_live_keys_leave_out_aliases_that_are_no_keys(provider: StorageProvider) -> None:
    kept = await recorded(provider, 1, key=OLD)
    for alias in ("slack:T1", "slack:T1:x", "slack:T1:C1:1:2", "slack:T1:%41:1", "slack:T1;"):
        await provider.save_thread_alias(kept.thread_id, alias)
    assert await provider.list_live_keys("slack", "T1", START) == [OLD]


@pytest.mark.parametrize("workspace", ODD_PARTS)
async def test_live_keys_tell_odd_workspaces_apart(provider: StorageProvider, workspace: str) -> None:
    keys = {each: ThreadKey("slack", each, "C", "1") for each in [*ODD_PARTS, "T1", "Tx", "a"]}
    for key in keys.values():
        await recorded(provider, 1, key=key)
    assert await provider.list_live_keys("slack", workspace, START) == [keys[workspace]]


async def test_live_keys_leave_out_threads_that_were_parted_or_deleted(provider: StorageProvider) -> None:
    kept = [await recorded(provider, n, key=ThreadKey("slack", "T1", "C1", f"{n}.0")) for n in (1, 2, 3)]
    await provider.delete_thread(kept[2].thread_id)
    await provider.delete_thread_alias("slack:T1:C1:2.0")
    assert await provider.list_live_keys("slack", "T1", START) == [OLD]


# A channel that moves


async def test_moved_thread_is_found_by_its_new_alias(provider: StorageProvider) -> None:
    kept = await recorded(provider, 1, key=OLD)
    await provider.move_channel(MOVE)
    assert await provider.get_thread_aliases(kept.thread_id) == [NEW.alias]
    assert (await recorded(provider, 2, key=NEW)).thread_id == kept.thread_id


async def test_moved_thread_is_found_by_platform_under_its_new_id(provider: StorageProvider) -> None:
    kept = await recorded(provider, 1, key=OLD, place={"channel_name": "general"})
    await provider.move_channel(MOVE)
    assert await provider.find_by_platform("slack", OLD.platforms["slack"]) == []
    (thread,) = await provider.find_by_platform("slack", NEW.platforms["slack"])
    assert (thread.id, thread.platforms["slack"]["channel_name"]) == (kept.thread_id, "general")


async def test_moved_thread_is_searched_by_platform_under_its_new_id(provider: StorageProvider) -> None:
    kept = await recorded(provider, 1, key=OLD)
    await provider.move_channel(MOVE)
    assert await provider.search_by_platform("slack", "C1") == []
    assert [thread.id for thread in await provider.search_by_platform("slack", "C2")] == [kept.thread_id]


async def test_moved_thread_keeps_its_other_properties(provider: StorageProvider) -> None:
    thread = Thread(id="t", attributes={"a": 1}, platforms=OLD.platforms | {"other": {"channel": "C1"}})
    await ThreadStore(provider=provider).save(thread)
    await provider.move_channel(MOVE)
    moved = await got(provider, "t")
    assert moved.platforms == NEW.platforms | {"other": {"channel": "C1"}}
    assert [each.id for each in await provider.find_by_attributes({"a": 1})] == ["t"]
    assert [each.id for each in await provider.find_by_platform("other", {"channel": "C1"})] == ["t"]


async def test_moved_message_is_found_by_its_new_id(provider: StorageProvider) -> None:
    message = await living(provider, OLD)
    await provider.move_channel(MOVE)
    found = await provider.find_external(NEW.message("1"))
    assert found is not None
    assert (found[1].id, found[1].platforms) == (message.id, NEW.message("1").platforms)
    assert await provider.find_external(OLD.message("1")) is None


async def test_moved_message_is_found_by_attribute_under_its_new_id(provider: StorageProvider) -> None:
    message = await living(provider, OLD)
    await provider.move_channel(MOVE)
    path = ("platforms", "slack", "channel")
    assert [each.id for each in await provider.find_messages_by_attribute(path, "C2")] == [message.id]
    assert await provider.find_messages_by_attribute(path, "C1") == []


async def test_moved_message_without_platforms_is_found_and_deleted(provider: StorageProvider) -> None:
    kept = await recorded(provider, 1, key=OLD)
    await provider.move_channel(MOVE)
    assert await provider.find_external(NEW.message("1")) == (kept.thread_id, kept.message)
    await provider.delete_thread(kept.thread_id)
    assert await provider.find_external_ids("slack", "1") == []


async def test_message_delivered_again_under_its_new_id_is_a_repeat(provider: StorageProvider) -> None:
    message = await living(provider, OLD)
    await provider.move_channel(MOVE)
    again = await recorded(provider, 1, key=NEW)
    assert (again.is_new, again.message.id) == (False, message.id)


async def test_changes_under_the_new_id_reach_a_message_of_before(provider: StorageProvider) -> None:
    message = await living(provider, OLD)
    await provider.move_channel(MOVE)
    assert await provider.record_edit(NEW.message("1"), "edited", at(1))
    assert await provider.record_reaction(NEW.message("1"), "+1", "U1", added=True, event_at=at(2))
    after = await stored(provider, message.id)
    assert (after.content, after.reactions) == ("edited", {"+1": ["U1"]})
    assert await provider.record_deletion(NEW.message("1"), at(3))


async def test_changes_that_waited_follow_their_message(provider: StorageProvider) -> None:
    await provider.record_edit(OLD.message("1"), "edited", at(1))
    await provider.record_reaction(OLD.message("2"), "+1", "U1", added=True, event_at=at(1))
    await provider.move_channel(MOVE)
    assert (await recorded(provider, 1, key=NEW)).message.content == "edited"
    assert (await recorded(provider, 2, key=NEW)).message.reactions == {"+1": ["U1"]}


async def test_answer_goes_out_under_the_new_key(provider: StorageProvider) -> None:
    await asked(provider, 1, key=OLD)
    await provider.move_channel(MOVE)
    mine = await taken(provider)
    assert mine.key == NEW


async def test_answer_under_way_is_posted_under_the_new_key(provider: StorageProvider) -> None:
    await asked(provider, 1, key=OLD)
    mine = await taken(provider)
    await begun(provider, mine, "one", "two")
    await provider.mark_sent(mine.id, "one", 1, OLD.message("a1"))
    await provider.move_channel(MOVE)
    await provider.mark_sent(mine.id, "one", 2, NEW.message("a2"))
    parts = await provider.get_parts(mine.id)
    assert [part.external for part in parts] == [NEW.message("a1"), NEW.message("a2")]
    found = await provider.find_external(NEW.message("a1"))
    assert found is not None
    assert found[1].platforms == NEW.message("a1").platforms


async def test_moved_dm_is_found_by_its_new_channel(provider: StorageProvider) -> None:
    await asked(provider, 1, key=DM)
    await provider.move_channel(ChannelMove("slack", "T1", "D1", "D2"))
    moved = ThreadKey("slack", "T1", "D2", "D2")
    thread = await provider.get_by_alias(moved.alias)
    assert thread is not None
    assert (thread.platforms, (await taken(provider)).key) == (moved.platforms, moved)


async def test_move_leaves_other_places_alone(provider: StorageProvider) -> None:
    others = [
        ThreadKey("slack", "T2", "C1", "1.0"),
        ThreadKey("discord", "T1", "C1", "1.0"),
        ThreadKey("slack", "T1", "C11", "1.0"),
        ThreadKey("slack", "T1", "C", "1:0"),
    ]
    for key in others:
        await living(provider, key)
        await provider.record_deletion(key.message("early"), at(1))
    await living(provider, OLD)
    await provider.move_channel(MOVE)
    for key in others:
        thread = await provider.get_by_alias(key.alias)
        assert thread is not None
        assert thread.platforms == key.platforms
        assert thread.messages[0].platforms == key.message("1").platforms
        assert (await recorded(provider, "early", key=key)).message.deleted_at == at(1)


async def test_move_leaves_a_thread_that_is_there_already(provider: StorageProvider) -> None:
    old, new = await recorded(provider, 1, key=OLD), await recorded(provider, 2, key=NEW)
    await provider.move_channel(MOVE)
    found = [await provider.get_by_alias(key.alias) for key in (OLD, NEW)]
    assert [thread and thread.id for thread in found] == [old.thread_id, new.thread_id]


async def test_move_leaves_a_message_that_is_there_already(provider: StorageProvider) -> None:
    old, new = await living(provider, OLD), await living(provider, NEW)
    await provider.move_channel(MOVE)
    for key, message in ((OLD, old), (NEW, new)):
        found = await provider.find_external(key.message("1"))
        assert found is not None
        assert (found[1].id, found[1].platforms) == (message.id, message.platforms)


async def test_move_leaves_changes_that_wait_there_already(provider: StorageProvider) -> None:
    await provider.record_edit(OLD.message("1"), "old", at(1))
    await provider.record_edit(NEW.message("1"), "new", at(0))
    await provider.move_channel(MOVE)
    assert (await recorded(provider, 1, key=NEW)).message.content == "new"
    assert (await recorded(provider, 1, key=OLD)).message.content == "old"


@pytest.mark.parametrize("is_tombstone", [False, True])
async def test_move_repeated_changes_nothing(provider: StorageProvider, is_tombstone: bool) -> None:
    message = await living(provider, OLD)
    if is_tombstone:
        await provider.delete_message(message.id)
    await provider.move_channel(MOVE)
    thread = await provider.get_by_alias(NEW.alias)
    await provider.move_channel(MOVE)
    assert await provider.get_by_alias(NEW.alias) == thread


async def test_move_there_and_back_leaves_all_as_it_was(provider: StorageProvider) -> None:
    await living(provider, OLD)
    await living(provider, OLD, 2)
    before = await provider.get_by_alias(OLD.alias)
    await provider.move_channel(MOVE)
    await provider.move_channel(ChannelMove("slack", "T1", "C2", "C1"))
    assert await provider.get_by_alias(OLD.alias) == before


async def test_move_of_a_channel_that_nothing_lives_in_changes_nothing(provider: StorageProvider) -> None:
    await living(provider, OLD)
    before = await provider.get_by_alias(OLD.alias)
    await provider.move_channel(ChannelMove("slack", "T1", "C9", "C8"))
    assert await provider.get_by_alias(OLD.alias) == before


@pytest.mark.parametrize("odd", [part for part in ODD_PARTS if part])
async def test_move_takes_odd_ids(provider: StorageProvider, odd: str) -> None:
    key = ThreadKey("slack", "T1", odd, "1.0")
    message = await living(provider, key)
    await living(provider, ThreadKey("slack", "T1", "Tx", "1.0"))
    await provider.move_channel(ChannelMove("slack", "T1", odd, "new:%"))
    moved = ThreadKey("slack", "T1", "new:%", "1.0")
    thread = await provider.get_by_alias(moved.alias)
    assert thread is not None
    assert [each.id for each in thread.messages] == [message.id]
    assert await provider.get_by_alias("slack:T1:Tx:1.0") is not None


async def test_posts_of_ours_follow(provider: StorageProvider) -> None:
    await asked(provider, 1, key=OLD)
    mine = await taken(provider)
    (part,) = await begun(provider, mine)
    await provider.mark_sent(mine.id, "one", 1, OLD.message("a1"))
    await provider.move_channel(MOVE)
    own = Message(role="assistant", content="an answer")
    echo = await provider.record_message(arriving("a1", key=NEW, message=own, is_echo=True))
    assert echo is not None
    assert (echo.is_new, echo.message.id) == (False, part.message_id)


@pytest.mark.parametrize("moved_first", [True, False])
async def test_move_lets_a_change_under_the_new_id_reach_the_message(
    provider: StorageProvider, moved_first: bool
) -> None:
    kept = await recorded(provider, 1, key=OLD, message=said("before", created_at=at(0)))
    if moved_first:
        await provider.move_channel(MOVE)
    await provider.record_edit(NEW.message("1"), "after", at(5))
    await provider.record_reaction(NEW.message("1"), "eyes", "U1", added=True, event_at=at(6))
    await provider.move_channel(MOVE)
    message = await stored(provider, kept.message.id)
    assert (message.content, message.reactions) == ("after", {"eyes": ["U1"]})


async def test_move_touches_the_thread_that_a_waiting_change_reaches(provider: StorageProvider) -> None:
    kept = [await recorded(provider, n, key=ThreadKey("slack", "T1", "C1", f"{n}.0")) for n in (1, 2)]
    await provider.record_edit(NEW.message("1"), "after", at(5))
    before = [(await got(provider, each.thread_id)).updated_at for each in kept]
    await provider.move_channel(MOVE)
    after = [(await got(provider, each.thread_id)).updated_at for each in kept]
    assert [new > old for new, old in zip(after, before, strict=True)] == [True, False]


async def test_move_lets_a_deletion_under_the_new_id_reach_the_message(provider: StorageProvider) -> None:
    kept = await recorded(provider, 1, key=OLD)
    await provider.record_deletion(NEW.message("1"), at(5))
    await provider.move_channel(MOVE)
    assert (await stored(provider, kept.message.id)).deleted_at == at(5)
