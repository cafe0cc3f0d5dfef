"""Claims for a thread whose place changes, and for threads whose messages stand in a channel of their own."""

import asyncio

import pytest

from backscroll.errors import EchoPendingError
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Attachment, Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer, Arrival
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import asked, at, begun, got, recorded, said, stored, taken

KEY = ThreadKey("discord", "111", "222", "333")
QUESTION = ExternalId("discord", "111", "222", "333")
SHA256 = "a" * 64


def post(number: int) -> ExternalId:
    """Name a post in the thread, which is a channel of its own."""
    return ExternalId("discord", "111", "333", f"44{number}")


# A place that changes


async def test_change_place_gives_a_title_and_adds_properties(provider: StorageProvider) -> None:
    kept = await recorded(provider, key=KEY, place={"channel_name": "general"})
    assert await provider.change_place(KEY, title="Launch", place={"archived": True})
    thread = await got(provider, kept.thread_id)
    assert thread.title == "Launch"
    assert thread.platforms["discord"] == KEY.platforms["discord"] | {"channel_name": "general", "archived": True}


async def test_change_place_without_a_title_leaves_the_one_that_stands(provider: StorageProvider) -> None:
    kept = await recorded(provider, key=KEY, title="Launch")
    await provider.change_place(KEY, place={"archived": True})
    assert (await got(provider, kept.thread_id)).title == "Launch"


async def test_change_place_leaves_messages_and_other_platforms_alone(store: ThreadStore) -> None:
    provider = store.provider
    kept = await recorded(provider, key=KEY)
    thread = await got(provider, kept.thread_id)
    thread.platforms["slack"] = {"channel": "C1"}
    await store.save(thread)
    await provider.change_place(KEY, place={"archived": True})
    changed = await got(provider, kept.thread_id)
    assert (changed.messages, changed.platforms["slack"]) == (thread.messages, {"channel": "C1"})


async def test_change_place_repeated_changes_nothing(provider: StorageProvider) -> None:
    kept = await recorded(provider, key=KEY)
    assert await provider.change_place(KEY, title="Launch", place={"archived": True})
    before = await got(provider, kept.thread_id)
    assert not await provider.change_place(KEY, title="Launch", place={"archived": True})
    assert not await provider.change_place(KEY)
    assert await got(provider, kept.thread_id) == before


async def test_change_place_of_an_unknown_thread_makes_none(provider: StorageProvider) -> None:
    assert not await provider.change_place(KEY, title="Launch")
    assert await provider.count_threads() == 0


async def test_changed_thread_is_found_by_what_is_new_and_not_by_what_was(store: ThreadStore) -> None:
    provider = store.provider
    await recorded(provider, key=KEY, title="Lunch", place={"archived": False})
    await provider.change_place(KEY, title="Launch", place={"archived": True})
    found = [len(await store.find_by_platform("discord", {"archived": archived})) for archived in (True, False)]
    titles = [len(await store.search_by_title(title)) for title in ("launch", "lunch")]
    assert (found, titles) == ([1, 0], [1, 0])


async def test_changed_thread_is_the_newest(provider: StorageProvider) -> None:
    first = await recorded(provider, 1, key=KEY)
    await recorded(provider, 2)
    await provider.change_place(KEY, title="Launch")
    assert (await provider.list_threads())[0].id == first.thread_id


async def test_changes_at_once_all_stand(store: ThreadStore) -> None:
    provider = store.provider
    kept = await recorded(provider, key=KEY)
    mine = await got(provider, kept.thread_id)
    mine.attributes["priority"] = 5
    await asyncio.gather(
        store.save(mine), *(provider.change_place(KEY, place={f"p{number}": number}) for number in range(8))
    )
    thread = await got(provider, kept.thread_id)
    assert thread.attributes == {"priority": 5}
    assert [thread.platforms["discord"].get(f"p{number}") for number in range(8)] == list(range(8))


async def test_change_place_cleans_what_it_is_given(provider: StorageProvider) -> None:
    kept = await recorded(provider, key=KEY)
    await provider.change_place(KEY, title="a\x00b", place={"name": "\ud800"})
    thread = await got(provider, kept.thread_id)
    assert "\x00" not in thread.title
    assert "\ud800" not in thread.platforms["discord"]["name"]


async def test_change_place_refuses_what_no_backend_could_hold(provider: StorageProvider) -> None:
    await recorded(provider, key=KEY)
    with pytest.raises(ValueError, match="JSON"):
        await provider.change_place(KEY, place={"at": object()})


# Finding without reading


async def test_find_by_platform_leaves_the_messages_out_when_told_so(provider: StorageProvider) -> None:
    kept = await recorded(provider, key=KEY)
    (whole,) = await provider.find_by_platform("discord", {"thread": "333"})
    (bare,) = await provider.find_by_platform("discord", {"thread": "333"}, with_messages=False)
    assert [len(thread.messages) for thread in (whole, bare)] == [1, 0]
    assert bare.id == kept.thread_id


# Posts


async def test_get_posts_returns_the_posts_of_each_message_in_order(provider: StorageProvider) -> None:
    ids = []
    for number in (1, 2):
        key = ThreadKey("slack", "T1", "C1", f"{number}.0")
        await asked(provider, number, key=key)
        parts = await begun(provider, await taken(provider), "one", "two")
        ids.append(parts[0].message_id)
    posts = await provider.get_posts([*ids, ids[0], "nobody's"])
    assert [(each.message_id, each.number) for each in posts] == [(each, n) for each in sorted(ids) for n in (1, 2)]


async def test_get_posts_has_none_for_what_came_from_outside(provider: StorageProvider) -> None:
    kept = await recorded(provider)
    assert await provider.get_posts([kept.message.id]) == []
    assert await provider.get_posts([]) == []


# Threads that are channels


async def questioned(provider: StorageProvider) -> Answer:
    """Ask in a channel where answers go into a thread that is begun from the question."""
    message = said("why?", platforms=QUESTION.platforms)
    kept = await provider.record_message(Arrival(key=KEY, message=message, external=QUESTION, asks="yes"))
    assert kept is not None
    return await taken(provider)


async def answered(provider: StorageProvider, *texts: str) -> str:
    answer = await questioned(provider)
    parts = await begun(provider, answer, *texts)
    for part in parts:
        await provider.mark_sent(answer.id, "one", part.number, post(part.number))
    return parts[0].message_id


async def test_post_in_another_channel_names_its_message(provider: StorageProvider) -> None:
    message_id = await answered(provider, "one", "two")
    assert (await stored(provider, message_id)).platforms == post(1).platforms
    for number in (1, 2):
        found = await provider.find_external(post(number))
        assert found is not None
        assert found[1].id == message_id


async def test_changes_of_a_post_in_another_channel_are_its_messages(provider: StorageProvider) -> None:
    message_id = await answered(provider, "one", "two")
    await provider.record_reaction(post(2), "👍", "U1", added=True, event_at=at(1))
    await provider.record_deletion(post(1), at(2))
    message = await stored(provider, message_id)
    assert (message.text, message.reactions) == ("two", {"👍": ["U1"]})


async def test_deletion_that_overtakes_the_mark_in_another_channel_holds(provider: StorageProvider) -> None:
    answer = await questioned(provider)
    (part,) = await begun(provider, answer, "one")
    await provider.record_deletion(post(1), at(2))
    await provider.mark_sent(answer.id, "one", 1, post(1))
    assert (await stored(provider, part.message_id)).deleted_at == at(2)


async def test_echo_from_another_channel_meets_its_part(provider: StorageProvider) -> None:
    answer = await questioned(provider)
    (part,) = await begun(provider, answer, "one")
    echo = Arrival(key=KEY, message=said("one"), external=post(1), is_echo=True, token=part.token, opens=False)
    kept = await provider.record_message(echo)
    assert kept is not None
    assert (kept.message.id, kept.is_new) == (part.message_id, False)
    assert (await provider.get_parts(answer.id))[0].external == post(1)


async def test_echo_from_another_channel_waits_for_what_is_posted_to_its_key(provider: StorageProvider) -> None:
    answer = await questioned(provider)
    await begun(provider, answer, "one")
    echo = Arrival(key=KEY, message=said("one"), external=post(1), is_echo=True, opens=False)
    with pytest.raises(EchoPendingError):
        await provider.record_message(echo)


async def test_deleted_thread_frees_the_ids_of_both_channels(provider: StorageProvider) -> None:
    message_id = await answered(provider, "one")
    found = await provider.get_message(message_id)
    assert found is not None
    await provider.delete_thread(found[0])
    assert [await provider.find_external(each) for each in (QUESTION, post(1))] == [None, None]


async def test_same_id_in_two_channels_is_two_messages(provider: StorageProvider) -> None:
    there = ExternalId("discord", "111", "333", "333")  # what a thread begins with in a forum
    for each in (QUESTION, there):
        await provider.record_message(Arrival(key=KEY, message=said(each.channel), external=each))
    found = [await provider.find_external(each) for each in (QUESTION, there)]
    assert [each is not None and each[1].text for each in found] == ["222", "333"]


async def test_file_in_another_channel_goes_with_its_post(provider: StorageProvider) -> None:
    answer = await questioned(provider)
    plan = Attachment(name="plan", sha256=SHA256, location=f"sha256:{SHA256}")
    message = Message(role="assistant", content="here", attachments=[plan])
    await provider.begin_sending(answer.id, "one", message, ["here"])
    for number in (1, 2):
        await provider.mark_sent(answer.id, "one", number, post(number))
    await provider.record_deletion(post(2), at(1))
    assert (await stored(provider, message.id)).attachments[0].sha256 is None
