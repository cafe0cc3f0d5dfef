"""Claims for threads found by another system's ids."""

from typing import Any

import pytest

from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.clock import SetUpdatedAt
from backscroll.testing.provider_contract.find import VALUES
from backscroll.testing.provider_contract.samples import ODD_TEXTS, asked, at, begun, recorded, said, taken

ROOT = "1712345678.000100"
REPLY = "1712345999.123456"
SLACK = ThreadKey("slack", "T1", "C1", ROOT)
DISCORD = ThreadKey("discord", "111", "222", "333")


async def having(store: ThreadStore, value: Any, name: str = "slack") -> list[str]:
    return [thread.id for thread in await store.search_by_platform(name, value)]


async def at_platform(store: ThreadStore, name: str, external_id: str, channel: str | None = None) -> str | None:
    thread = await store.get_by_platform(name, external_id, channel=channel)
    return None if thread is None else thread.id


async def test_search_by_platform_finds_a_value_under_any_property(store: ThreadStore) -> None:
    await store.save(Thread(id="channel", platforms={"slack": {"team": "T1", "channel": "C1"}}))
    await store.save(Thread(id="other", platforms={"slack": {"mirror": "C1"}}))
    await store.save(Thread(id="none", platforms={"slack": {"C1": "C2"}}))
    assert await having(store, "C1") == ["other", "channel"]


async def test_search_by_platform_tells_all_values_and_types_apart(store: ThreadStore) -> None:
    for number, value in enumerate(VALUES):
        await store.save(Thread(id=str(number), platforms={"slack": {"a": value}}))
    assert [await having(store, value) for value in VALUES] == [[str(number)] for number in range(len(VALUES))]


async def test_search_by_platform_tells_a_missing_key_from_null(store: ThreadStore) -> None:
    await store.save(Thread(id="empty", platforms={"slack": {}}))
    await store.save(Thread(id="without"))
    await store.save(Thread(id="null", platforms={"slack": {"a": None}}))
    assert await having(store, None) == ["null"]


async def test_search_by_platform_looks_at_one_platform_alone(store: ThreadStore) -> None:
    await store.save(Thread(id="slack", platforms={"slack": {"a": "C1"}, "discord": {"a": "D1"}}))
    await store.save(Thread(id="attributes", attributes={"slack": "C1", "a": "C1"}))
    await store.save(Thread(id="message", messages=[said(platforms={"slack": {"channel": "C1"}})]))
    assert [await having(store, value) for value in ("C1", "D1")] == [["slack"], []]
    assert [await having(store, value, "discord") for value in ("C1", "D1")] == [[], ["slack"]]


async def test_search_by_platform_looks_at_whole_values_of_the_top_level(store: ThreadStore) -> None:
    await store.save(Thread(id="t", platforms={"slack": {"a": {"b": "C1"}, "c": ["C2"], "d": "C34"}}))
    found = [await having(store, value) for value in ("C1", "C2", "C3", {"b": "C1"}, ["C2"], "c34")]
    assert found == [[], [], [], ["t"], ["t"], []]


async def test_search_by_platform_gives_a_thread_once(store: ThreadStore) -> None:
    await store.save(Thread(id="t", platforms={"discord": {"channel": "D1", "thread": "D1"}}))
    assert await having(store, "D1", "discord") == ["t"]


async def test_search_by_platform_takes_any_text_as_name_and_value(store: ThreadStore) -> None:
    texts = [*ODD_TEXTS, "x" * 500]
    for number, text in enumerate(texts):
        await store.save(Thread(id=str(number), platforms={text: {text: text}}))
    assert [await having(store, text, text) for text in texts] == [[str(number)] for number in range(len(texts))]
    assert await having(store, "x" * 3_000) == await having(store, "%") == []


async def test_search_by_platform_gives_threads_with_their_messages_newest_first(store: ThreadStore) -> None:
    for name in ("a", "b"):
        await store.save(Thread(id=name, platforms={"slack": {"channel": "C1"}}, messages=[said(name)]))
    await store.add_message("a", said("again"))
    threads = await store.search_by_platform("slack", "C1")
    assert [[message.content for message in thread.messages] for thread in threads] == [["a", "again"], ["b"]]


async def test_search_by_platform_orders_threads_of_one_instant_by_id(
    store: ThreadStore, set_updated_at: SetUpdatedAt
) -> None:
    for name in ("b", "a", "C"):
        await store.save(Thread(id=name, platforms={"slack": {"channel": "C1"}}))
        await set_updated_at(name, at(0))
    assert await having(store, "C1") == ["b", "a", "C"]


async def test_search_by_platform_sees_what_changed(store: ThreadStore) -> None:
    thread = await store.save(Thread(id="t", platforms={"slack": {"channel": "C1", "team": "T1"}}))
    thread.platforms = {"slack": {"channel": "C2"}}
    await store.save(thread)
    assert [await having(store, value) for value in ("C1", "T1", "C2")] == [[], [], ["t"]]
    await store.delete("t")
    assert await having(store, "C2") == []


async def test_search_by_platform_finds_recorded_threads(store: ThreadStore, provider: StorageProvider) -> None:
    kept = await recorded(provider, ROOT, key=SLACK)
    assert await having(store, "T1") == await having(store, "C1") == await having(store, ROOT) == [kept.thread_id]


async def test_search_by_platform_refuses_what_cannot_be(store: ThreadStore) -> None:
    refused: list[tuple[Any, Any]] = [("", "C1"), ("x" * 501, "C1"), (5, "C1"), ("slack", {1}), ("slack", float("nan"))]
    for name, value in refused:
        with pytest.raises(ValueError, match=r"."):
            await store.search_by_platform(name, value)


async def test_get_by_platform_finds_a_thread_by_its_own_id(store: ThreadStore, provider: StorageProvider) -> None:
    kept = [await recorded(provider, "1.0", key=SLACK), await recorded(provider, "1", key=DISCORD)]
    found = [await at_platform(store, "slack", ROOT), await at_platform(store, "discord", "333")]
    assert found == [each.thread_id for each in kept]


async def test_get_by_platform_gives_all_messages(store: ThreadStore, provider: StorageProvider) -> None:
    kept = await recorded(provider, ROOT, key=SLACK)
    await recorded(provider, REPLY, key=SLACK)
    by_thread, by_message = [await store.get_by_platform("slack", each) for each in (ROOT, REPLY)]
    assert by_thread == by_message == await store.get(kept.thread_id)


async def test_get_by_platform_takes_no_other_property_for_the_threads_id(
    store: ThreadStore, provider: StorageProvider
) -> None:
    await recorded(provider, "1.0", key=SLACK)
    await recorded(provider, "1", key=DISCORD)
    found = [await at_platform(store, "slack", "C1"), await at_platform(store, "slack", "T1")]
    assert [*found, await at_platform(store, "discord", "222"), await at_platform(store, "discord", ROOT)] == [None] * 4


async def test_get_by_platform_finds_the_thread_of_a_message(store: ThreadStore, provider: StorageProvider) -> None:
    kept = [await recorded(provider, REPLY, key=SLACK), await recorded(provider, "444", key=DISCORD)]
    found = [await at_platform(store, "slack", REPLY), await at_platform(store, "discord", "444")]
    assert found == [each.thread_id for each in kept]


async def test_get_by_platform_finds_the_thread_of_an_answers_every_post(
    store: ThreadStore, provider: StorageProvider
) -> None:
    answer = await asked(provider, ROOT, key=SLACK)
    parts = await begun(provider, await taken(provider), "one", "two")
    for part in parts:
        await provider.mark_sent(answer.id, "one", part.number, SLACK.message(f"99.{part.number}"))
    assert [await at_platform(store, "slack", each) for each in ("99.1", "99.2")] == [answer.thread_id] * 2


async def test_get_by_platform_finds_the_thread_of_a_tombstone(store: ThreadStore, provider: StorageProvider) -> None:
    kept = await recorded(provider, REPLY, key=SLACK)
    await store.delete_message(kept.message.id)
    assert await at_platform(store, "slack", REPLY) == kept.thread_id


async def test_get_by_platform_prefers_a_threads_own_id(store: ThreadStore, provider: StorageProvider) -> None:
    thread = await recorded(provider, "1.0", key=SLACK)
    await recorded(provider, ROOT, key=ThreadKey("slack", "T1", "C2", "2.0"))
    assert await at_platform(store, "slack", ROOT) == thread.thread_id


async def test_get_by_platform_gives_the_newest_of_several_channels(
    store: ThreadStore, provider: StorageProvider
) -> None:
    keys = [ThreadKey("slack", "T1", channel, ROOT) for channel in ("C1", "C2", "C3")]
    kept = [await recorded(provider, "1.0", key=key) for key in keys]
    assert await at_platform(store, "slack", ROOT) == kept[2].thread_id
    await store.add_message(kept[0].thread_id, said())
    assert await at_platform(store, "slack", ROOT) == kept[0].thread_id


async def test_get_by_platform_gives_the_newest_thread_with_such_a_message(
    store: ThreadStore, provider: StorageProvider
) -> None:
    keys = [ThreadKey("slack", "T1", channel, "1.0") for channel in ("C1", "C2", "C3")]
    kept = [await recorded(provider, REPLY, key=key) for key in keys]
    assert await at_platform(store, "slack", REPLY) == kept[2].thread_id
    await store.add_message(kept[1].thread_id, said())
    assert await at_platform(store, "slack", REPLY) == kept[1].thread_id


async def test_get_by_platform_keeps_to_the_channel(store: ThreadStore, provider: StorageProvider) -> None:
    keys = [ThreadKey("slack", "T1", channel, ROOT) for channel in ("C1", "C2")]
    kept = [(await recorded(provider, REPLY, key=key)).thread_id for key in keys]
    for external_id in (ROOT, REPLY):
        channels = ("C1", "C2", "C3", ROOT)
        found = [await at_platform(store, "slack", external_id, channel) for channel in channels[:3]]
        assert found == [*kept, None]


async def test_get_by_platform_finds_any_property_of_another_platform(store: ThreadStore) -> None:
    await store.save(Thread(id="t", platforms={"matrix": {"channel": "R1", "event": "E1"}}))
    await store.save(Thread(id="u", platforms={"matrix": {"channel": "R2", "root": "E1"}}))
    found = [await at_platform(store, "matrix", "E1", channel) for channel in (None, "R1", "R2", "R3")]
    assert found == ["u", "t", "u", None]


async def test_get_by_platform_finds_the_message_of_another_platform(
    store: ThreadStore, provider: StorageProvider
) -> None:
    kept = await recorded(provider, "event", key=ThreadKey("matrix", "W", "R1", "root"))
    found = [await at_platform(store, "matrix", "event", channel) for channel in (None, "R1", "R2")]
    assert found == [kept.thread_id, kept.thread_id, None]


async def test_get_by_platform_finds_what_save_and_add_message_stored(store: ThreadStore) -> None:
    place = {"team": "T1", "channel": "C1", "ts": "5.0"}
    await store.save(Thread(id="t", messages=[said(platforms={"slack": place})]))
    await store.add_message("t", said(platforms={"slack": place | {"ts": "6.0"}}))
    assert [await at_platform(store, "slack", each) for each in ("5.0", "6.0", "7.0")] == ["t", "t", None]


async def test_get_by_platform_finds_nothing_of_a_deleted_thread(store: ThreadStore, provider: StorageProvider) -> None:
    kept = await recorded(provider, REPLY, key=SLACK)
    await store.delete(kept.thread_id)
    assert [await at_platform(store, "slack", each) for each in (ROOT, REPLY)] == [None, None]


async def test_get_by_platform_finds_nothing_where_only_a_change_waits(
    store: ThreadStore, provider: StorageProvider
) -> None:
    await provider.record_edit(SLACK.message(REPLY), "new", at(1))
    assert await at_platform(store, "slack", REPLY) is None


async def test_get_by_platform_takes_long_and_odd_ids(store: ThreadStore) -> None:
    ids = [*ODD_TEXTS, "x" * 500, "👍" * 500]
    for number, text in enumerate(ids):
        await store.save(Thread(id=str(number), platforms={"slack": {"thread_ts": text, "channel": text}}))
    found = [await at_platform(store, "slack", text, text) for text in ids]
    assert found == [str(number) for number in range(len(ids))]


async def test_get_by_platform_takes_what_cannot_be_stored_as_it_is_stored(store: ThreadStore) -> None:
    odd = "a\x00b\ud83d"
    place = {"channel": odd, "thread": odd}
    message = said(platforms={odd: {"channel": odd, "message": f"{odd} m"}})
    await store.save(Thread(id="t", platforms={"slack": {"thread_ts": odd} | place, odd: place}, messages=[message]))
    assert await at_platform(store, "slack", odd) == await at_platform(store, "slack", odd, odd) == "t"
    assert await at_platform(store, odd, odd) == await at_platform(store, odd, f"{odd} m", odd) == "t"


async def test_get_by_platform_refuses_what_is_no_id(store: ThreadStore) -> None:
    refused: list[Any] = ["", "x" * 501, 5, None]
    for value in refused:
        with pytest.raises(ValueError, match="external_id is a text"):
            await store.get_by_platform("slack", value)
        with pytest.raises(ValueError, match="name is a text"):
            await store.get_by_platform(value, "1.0")
    for value in refused[:3]:
        with pytest.raises(ValueError, match="channel is a text"):
            await store.get_by_platform("slack", "1.0", channel=value)


async def test_find_external_ids_gives_all_places_in_order(provider: StorageProvider) -> None:
    places = [("W2", "C1"), ("W1", "C2"), ("W1", "C1"), ("W1", "a")]
    for workspace, channel in places:
        await recorded(provider, "1", key=ThreadKey("slack", workspace, channel, "1.0"))
    await recorded(provider, "1", key=ThreadKey("discord", "W1", "C1", "1.0"))
    await recorded(provider, "2", key=ThreadKey("slack", "W1", "C1", "1.0"))
    found = [external for external, _ in await provider.find_external_ids("slack", "1")]
    assert found == [ExternalId("slack", workspace, channel, "1") for workspace, channel in sorted(places)]
    assert await provider.find_external_ids("slack", "none") == []


async def test_find_external_ids_names_the_message_that_holds_each(provider: StorageProvider) -> None:
    kept = await recorded(provider, "1", message=Message(role="user", id="m"))
    ((external, message_id),) = await provider.find_external_ids("slack", "1")
    found = await provider.find_external(external)
    assert (message_id, found) == ("m", (kept.thread_id, kept.message))
