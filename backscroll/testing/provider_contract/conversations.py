"""Claims for conversations: threads as Slack agents name them; and for heartbeats."""

import asyncio
from typing import Any

import pytest

from backscroll.errors import ThreadNotFoundError
from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import ODD_TEXTS, got, recorded

PLACE = ("agent", "C1", "1.0")


def at_slack(thread_id: str, agent_name: str | None, **place: Any) -> Thread:
    return Thread(id=thread_id, agent_name=agent_name, platforms={"slack": place})


async def test_get_or_create_conversation_makes_a_thread(store: ThreadStore) -> None:
    assert not await store.has_conversation(*PLACE)
    made = await store.get_or_create_conversation(*PLACE, "general")
    thread = await store.get(made)
    assert thread is not None
    assert (thread.agent_name, thread.messages) == ("agent", [])
    assert thread.platforms == {"slack": {"channel": "C1", "thread_ts": "1.0", "channel_name": "general"}}
    assert [one.id for one in await store.find_by_platform("slack", {"thread_ts": "1.0"})] == [made]
    assert await store.has_conversation(*PLACE)


async def test_get_or_create_conversation_makes_one_under_concurrency(store: ThreadStore) -> None:
    made = await asyncio.gather(*(store.get_or_create_conversation(*PLACE, f"name{n % 3}") for n in range(50)))
    assert len(set(made)) == 1
    assert [thread.id for thread in await store.list()] == made[:1]


async def test_get_or_create_conversation_keeps_places_apart(store: ThreadStore) -> None:
    places = [(agent, "C1", "1.0") for agent in ODD_TEXTS] + [("a", channel, "1.0") for channel in ODD_TEXTS]
    places += [
        ("a", "b", "c:d"),
        ("a", "b:c", "d"),
        ("a:b", "c", "d"),
        ("x" * 500, "C1", "1.0"),
        ("x" * 499, "C1", "1.0"),
    ]
    made = [await store.get_or_create_conversation(*place) for place in places]
    assert len(set(made)) == len(places)
    assert [await store.get_or_create_conversation(*place) for place in places] == made


async def test_get_or_create_conversation_finds_a_thread_that_was_saved(store: ThreadStore) -> None:
    await store.save(at_slack("other agent's", "other", channel="C1", thread_ts="1.0"))
    await store.save(at_slack("elsewhere", "agent", channel="C2", thread_ts="1.0"))
    assert not await store.has_conversation(*PLACE)
    await store.save(at_slack("mine", "agent", channel="C1", thread_ts="1.0", team="T1"))
    await store.save(at_slack("nobody's", None, channel="C1", thread_ts="1.0"))
    assert await store.has_conversation(*PLACE)
    assert await store.get_or_create_conversation(*PLACE) == "mine"


async def test_get_or_create_conversation_stays_with_the_thread_that_it_gave(store: ThreadStore) -> None:
    await store.save(at_slack("first", None, channel="C1", thread_ts="1.0"))
    assert await store.get_or_create_conversation(*PLACE) == "first"
    await store.save(at_slack("newer", "agent", channel="C1", thread_ts="1.0"))
    assert await store.get_or_create_conversation(*PLACE) == "first"


async def test_get_or_create_conversation_finds_a_thread_of_the_bot(
    store: ThreadStore, provider: StorageProvider
) -> None:
    kept = await recorded(provider, 1)
    assert await store.get_or_create_conversation(*PLACE) == kept.thread_id
    direct = await recorded(provider, 1, key=ThreadKey("slack", "T1", "D1", "D1"))
    assert await store.get_or_create_conversation("agent", "D1", "D1") == direct.thread_id


async def test_get_or_create_conversation_finds_a_channel_without_a_thread(store: ThreadStore) -> None:
    await store.save(at_slack("in it", "agent", channel="D1", thread_ts="1.0"))
    assert not await store.has_conversation("agent", "D1", "D1")
    await store.save(at_slack("direct", "agent", channel="D1"))
    assert not await store.has_conversation("agent", "D1", "2.0")
    assert await store.get_or_create_conversation("agent", "D1", "D1") == "direct"


async def test_get_or_create_conversation_keeps_a_later_name_of_the_channel(store: ThreadStore) -> None:
    made = await store.get_or_create_conversation(*PLACE)
    for name, kept in (("old", "old"), ("new", "new"), (None, "new")):
        assert await store.get_or_create_conversation(*PLACE, name) == made
        thread = await got(store.provider, made)
        assert thread.platforms["slack"] == {"channel": "C1", "thread_ts": "1.0", "channel_name": kept}
    assert [one.id for one in await store.find_by_platform("slack", {"channel_name": "new"})] == [made]
    assert await store.find_by_platform("slack", {"channel_name": "old"}) == []


async def test_get_or_create_conversation_begins_anew_after_a_deletion(store: ThreadStore) -> None:
    made = await store.get_or_create_conversation(*PLACE)
    await store.delete(made)
    assert not await store.has_conversation(*PLACE)
    assert await store.get_or_create_conversation(*PLACE) != made


async def test_create_message_keeps_its_author(store: ThreadStore) -> None:
    made = await store.get_or_create_conversation(*PLACE)
    ids = [await store.create_message(made, "U1", "Anna", "anna"), await store.create_message(made, "U2", None, None)]
    first, second = await store.get_messages(made)
    assert [first.id, second.id] == ids
    assert (first.role, first.content, first.sequence) == ("user", "", 1)
    assert first.source == {"type": "user", "id": "U1", "name": "Anna", "handle": "anna"}
    assert await store.get_message_blocks(made) == [(each, []) for each in ids]


async def test_create_message_needs_a_conversation(store: ThreadStore) -> None:
    with pytest.raises(ThreadNotFoundError):
        await store.create_message("unknown", "U1", "Anna", "anna")


@pytest.mark.parametrize("place", [("", "C1", "1.0"), ("a", "x" * 501, "1.0"), ("a", "C1", 5)])
async def test_get_or_create_conversation_refuses_what_is_no_id(store: ThreadStore, place: Any) -> None:
    with pytest.raises(ValueError, match="is a text of 1 to 500"):
        await store.get_or_create_conversation(*place)


async def test_heartbeat_is_the_last_that_was_told(store: ThreadStore) -> None:
    assert await store.get_heartbeat("agent") is None
    for seconds in (1_700_000_000.25, 5):
        await store.upsert_heartbeat("agent", seconds)
    await store.upsert_heartbeat("other", 1.5)
    found = await store.get_heartbeat("agent")
    assert found == {"last_ping_pong_time": 5.0}
    assert isinstance(found["last_ping_pong_time"], float)


async def test_list_heartbeats_gives_all_by_name(store: ThreadStore, provider: StorageProvider) -> None:
    assert await provider.list_heartbeats() == {}
    await store.upsert_heartbeat("backscroll:a", 5)
    await store.upsert_heartbeat("backscroll:b", 1.5)
    assert await provider.list_heartbeats() == {"backscroll:a": 5.0, "backscroll:b": 1.5}


@pytest.mark.parametrize("seconds", [float("nan"), 10**400, True, "5"])
async def test_heartbeat_refuses_what_is_no_instant(store: ThreadStore, seconds: Any) -> None:
    with pytest.raises(ValueError, match="last_ping_pong_time is a"):
        await store.upsert_heartbeat("agent", seconds)
    assert await store.get_heartbeat("agent") is None


async def test_supports_export_is_what_the_provider_says(store: ThreadStore, provider: StorageProvider) -> None:
    assert store.supports_export is provider.supports_export
