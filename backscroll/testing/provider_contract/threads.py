"""Claims for threads: read, listed, counted, deleted."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from backscroll.storage.filters import ThreadFilter
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import (
    KEY,
    ODD_TEXTS,
    OTHER_KEY,
    arriving,
    asked,
    at,
    begun,
    external,
    got,
    recorded,
    said,
    taken,
)


async def test_get_gives_none_for_an_unknown_thread(store: ThreadStore) -> None:
    assert await store.get("unknown") is None


async def test_get_gives_every_field_back(store: ThreadStore) -> None:
    thread = Thread(
        id="👍" * 500,
        title="A 'title' \u202eRTL",
        user_id="U1",
        agent_name="agent",
        attributes={"big": 10**4000, "float": 1e23, "five": [5, 5.0, "5"], "": {"": None}, 'a."b"': True},
        platforms={"slack": {"team": "T1", "channel": "C1", "thread_ts": "1.0"}, "other": {}},
        created_at=at(0.25),
        parent_id="parent",
        forked_at=3,
    )
    await store.save(thread)
    found = await store.get(thread.id)
    assert found is not None
    assert found.model_dump(exclude={"updated_at"}) == thread.model_dump(exclude={"updated_at"})
    assert repr(found.attributes) == repr(thread.attributes)


async def test_get_gives_instants_in_utc(store: ThreadStore) -> None:
    await store.save(Thread(id="t"))
    thread = await store.get("t")
    assert thread is not None
    assert [instant.utcoffset() for instant in (thread.created_at, thread.updated_at)] == [at(0).utcoffset()] * 2


async def test_get_finds_a_thread_by_an_odd_id(store: ThreadStore) -> None:
    for thread_id in ODD_TEXTS:
        await store.save(Thread(id=thread_id))
        assert (await store.get_or_create(thread_id)).id == thread_id
    assert len(await store.list()) == len(ODD_TEXTS)


async def test_get_refuses_what_is_no_id(store: ThreadStore) -> None:
    refused: list[Any] = ["", "x" * 501, 5, None]
    for thread_id in refused:
        with pytest.raises(ValueError, match="1 to 500 characters"):
            await store.get(thread_id)


async def test_get_thread_gives_the_newest_messages_oldest_first(provider: StorageProvider) -> None:
    kept = await asyncio.gather(*(recorded(provider, number) for number in range(5)))
    thread = await provider.get_thread(kept[0].thread_id, limit=2)
    assert thread is not None
    assert [message.sequence for message in thread.messages] == [4, 5]


async def test_get_or_create_stores_at_once(store: ThreadStore) -> None:
    await store.get_or_create("t")
    assert await store.get("t") is not None


async def test_get_or_create_makes_one_thread_under_concurrency(store: ThreadStore) -> None:
    await asyncio.gather(*(store.get_or_create("t") for _ in range(20)))
    assert (await store.list_threads())[1] == 1


async def test_get_or_create_leaves_a_thread_alone(store: ThreadStore) -> None:
    await store.save(Thread(id="t", title="Mine"))
    assert (await store.get_or_create("t")).title == "Mine"


async def test_get_or_create_outlives_deletions_beside_it(store: ThreadStore) -> None:
    async def delete_again() -> None:
        for _ in range(10):
            await store.delete("t")

    async def create_again() -> None:
        for _ in range(10):
            assert (await store.get_or_create("t")).id == "t"

    await asyncio.gather(delete_again(), create_again(), delete_again(), create_again())


async def test_delete_tells_whether_there_was_a_thread(store: ThreadStore) -> None:
    await store.save(Thread(id="t"))
    assert [await store.delete("t"), await store.delete("t")] == [True, False]


async def test_delete_removes_the_thread_and_its_messages(store: ThreadStore) -> None:
    thread = Thread(id="t", messages=[said(id="m")])
    await store.save(thread)
    await store.delete("t")
    assert await store.get("t") is None
    assert await store.list() == []
    assert await store.get_messages("t") == []
    assert await store.get_thread_by_message_id("m") is None


async def test_delete_removes_what_belongs_to_the_messages(provider: StorageProvider) -> None:
    kept = await recorded(provider, 1)
    await provider.edit_message(kept.message.id, "new")
    await provider.delete_thread(kept.thread_id)
    assert await provider.get_message_versions(kept.message.id) == []
    assert await provider.find_external(external(1)) is None
    assert not await provider.add_reaction(kept.thread_id, kept.message.id, "+1", "U1")


async def test_delete_removes_aliases(store: ThreadStore) -> None:
    await store.get_or_create("t")
    await store.save_thread_alias("t", "alias")
    await store.delete("t")
    assert await store.get_by_alias("alias") is None
    assert await store.get_thread_aliases("t") == []
    assert await store.delete_thread_alias("alias") is False


async def test_delete_removes_answers_and_their_parts(provider: StorageProvider) -> None:
    answer = await asked(provider)
    parts = await begun(provider, await taken(provider), "one", "two")
    for number, part in enumerate(parts):
        await provider.mark_sent(answer.id, "one", part.number, external(f"answer {number}"))
    await provider.delete_thread(answer.thread_id)
    assert await provider.list_answers() == []
    assert await provider.get_parts(answer.id) == []
    assert [await provider.find_external(external(f"answer {number}")) for number in (0, 1)] == [None, None]


async def test_delete_removes_what_it_was_found_by(store: ThreadStore) -> None:
    await store.save(Thread(id="t", attributes={"a": 1}, platforms={"slack": {"channel": "C1"}}))
    await store.delete("t")
    assert await store.find_by_attributes({"a": 1}) == []
    assert await store.find_by_platform("slack", {"channel": "C1"}) == []


async def test_delete_frees_everything_for_a_new_beginning(provider: StorageProvider) -> None:
    first = await recorded(provider, 1, asks="yes")
    await provider.delete_thread(first.thread_id)
    again = await provider.record_message(arriving(1, "again", message=said("again", id=first.message.id), asks="yes"))
    assert again is not None
    assert (again.is_new, again.asked, again.message.sequence) == (True, True, 1)
    assert again.thread_id != first.thread_id


async def test_delete_leaves_the_other_threads_alone(provider: StorageProvider) -> None:
    kept = [await recorded(provider, number, key=key) for number, key in enumerate([KEY, OTHER_KEY])]
    await provider.delete_thread(kept[0].thread_id)
    other = await provider.get_by_alias(OTHER_KEY.alias)
    assert other is not None
    assert other.messages == [kept[1].message]


async def test_delete_and_append_leave_no_message_without_thread(store: ThreadStore) -> None:
    await store.get_or_create("t")
    await asyncio.gather(
        *(store.add_message("t", said(id=f"m{number}")) for number in range(10)),
        store.delete("t"),
        return_exceptions=True,
    )
    assert [await store.get_thread_by_message_id(f"m{number}") for number in range(10)] == [None] * 10


async def test_list_gives_the_newest_first(store: ThreadStore) -> None:
    for name in ("a", "c", "b"):
        await store.get_or_create(name)
    assert [thread.id for thread in await store.list()] == ["b", "c", "a"]


async def test_list_orders_by_updated_at_then_id(store: ThreadStore) -> None:
    await asyncio.gather(*(store.get_or_create(f"t{number}") for number in range(20)))
    listed = await store.list()
    assert len(listed) == 20
    assert listed == sorted(listed, key=lambda thread: (thread.updated_at, thread.id), reverse=True)


async def test_list_gives_pages_that_make_up_the_whole(store: ThreadStore) -> None:
    for number in range(7):
        await store.get_or_create(f"t{number}")
    pages = [await store.list(limit=3, offset=offset) for offset in (0, 3, 6, 9)]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert [thread.id for page in pages for thread in page] == [f"t{number}" for number in reversed(range(7))]


async def test_list_refuses_what_is_no_page(store: ThreadStore) -> None:
    refused: list[Any] = [(0, 0), (-1, 0), (1, -1), (True, 0), (1.5, 0), ("1", 0), (None, 0), (2**63, 0), (1, 2**63)]
    for limit, offset in refused:
        with pytest.raises(ValueError, match="whole number"):
            await store.list(limit, offset)


async def test_list_takes_pages_beyond_any_number_of_threads(store: ThreadStore) -> None:
    await store.get_or_create("t")
    assert len(await store.list(2**63 - 1)) == 1
    assert await store.list(1, 2**63 - 1) == []


async def test_list_threads_filters_by_agent_and_user(store: ThreadStore) -> None:
    for agent in (None, "a", "b"):
        for user in (None, "u", "v"):
            await store.save(Thread(id=f"{agent}{user}", agent_name=agent, user_id=user))
    found = [
        sorted(thread.id for thread in (await store.list_threads(agent_name=agent, user_id=user))[0])
        for agent, user in (("a", None), (None, "v"), ("b", "u"), ("c", None))
    ]
    assert found == [["aNone", "au", "av"], ["Nonev", "av", "bv"], ["bu"], []]


async def test_list_threads_counts_all_that_match(store: ThreadStore) -> None:
    for number in range(5):
        await store.save(Thread(agent_name="a" if number else "b"))
    page, total = await store.list_threads(2, agent_name="a")
    assert (len(page), total) == (2, 4)


async def test_list_gives_the_messages_with_what_belongs_to_them(store: ThreadStore) -> None:
    first = said("one", reactions={"+1": ["U1"]}, attachments=[{"name": "a.txt"}])
    await store.save(Thread(id="t", messages=[first, said()]))
    (listed,) = await store.list()
    found = await store.get("t")
    assert listed == found
    assert listed.messages[0].reactions == {"+1": ["U1"]}


async def test_list_recent_leaves_messages_out_when_told(store: ThreadStore) -> None:
    await store.save(Thread(id="t", messages=[said()]))
    (listed,) = await store.list_recent(with_messages=False)
    assert listed.messages == []


async def test_list_recent_gives_all_without_a_limit(store: ThreadStore) -> None:
    for _ in range(101):
        await store.save(Thread())
    assert len(await store.list_recent()) == 101
    assert len(await store.list_recent(5)) == 5


async def test_save_of_a_thread_listed_without_messages_keeps_them(store: ThreadStore) -> None:
    await store.save(Thread(id="t", messages=[said("hello")]))
    (listed,) = await store.list_recent(with_messages=False)
    listed.title = "New"
    await store.save(listed)
    assert [message.content for message in await store.get_messages("t")] == ["hello"]


Write = Callable[[StorageProvider, str], Awaitable[object]]


async def _save(provider: StorageProvider, thread_id: str) -> object:
    thread = await got(provider, thread_id)
    thread.title = "New"
    return await ThreadStore(provider=provider).save(thread)


WRITES: dict[str, Write] = {
    "append": lambda provider, id_: provider.append_message(id_, said()),
    "record": lambda provider, id_: recorded(provider, 2),
    "save": _save,
    "edit": lambda provider, id_: provider.edit_message("m", "new"),
    "react": lambda provider, id_: provider.add_reaction(id_, "m", "+1", "U1"),
    "unreact": lambda provider, id_: provider.remove_reaction(id_, "m", "old", "U1"),
    "delete": lambda provider, id_: provider.delete_message("m"),
    "recorded edit": lambda provider, id_: provider.record_edit(external(1), "new", at(9)),
    "recorded deletion": lambda provider, id_: provider.record_deletion(external(1), at(9)),
    "recorded reaction": lambda provider, id_: provider.record_reaction(
        external(1), "+1", "U1", added=True, event_at=at(9)
    ),
}


@pytest.mark.parametrize("write", WRITES)
async def test_every_write_moves_a_thread_to_the_top(provider: StorageProvider, write: str) -> None:
    message = said(id="m", reactions={"old": ["U1"]})
    kept = await recorded(provider, 1, message=message)
    other = await recorded(provider, "other", key=OTHER_KEY)
    assert [thread.id for thread in await provider.list_threads()] == [other.thread_id, kept.thread_id]
    before = (await got(provider, kept.thread_id)).updated_at
    await WRITES[write](provider, kept.thread_id)
    assert (await got(provider, kept.thread_id)).updated_at > before
    assert [thread.id for thread in await provider.list_threads()] == [kept.thread_id, other.thread_id]


NO_CHANGES: dict[str, Write] = {
    "repeat": lambda provider, id_: recorded(provider, 1),
    "older edit": lambda provider, id_: provider.record_edit(external(1), "older", at(1)),
    "standing reaction": lambda provider, id_: provider.add_reaction(id_, "m", "old", "U1"),
    "absent reaction": lambda provider, id_: provider.remove_reaction(id_, "m", "new", "U1"),
    "read": lambda provider, id_: provider.list_threads(),
    "alias": lambda provider, id_: provider.save_thread_alias(id_, "alias"),
    "move": lambda provider, id_: provider.move_alias("alias", id_),
    "unknown edit": lambda provider, id_: provider.edit_message("unknown", "new"),
}


@pytest.mark.parametrize("call", NO_CHANGES)
async def test_what_changes_nothing_leaves_updated_at(provider: StorageProvider, call: str) -> None:
    kept = await recorded(provider, 1, message=said(id="m", reactions={"old": ["U1"]}, edited_at=at(2)))
    before = await got(provider, kept.thread_id)
    await NO_CHANGES[call](provider, kept.thread_id)
    assert await got(provider, kept.thread_id) == before


async def test_updated_at_never_goes_back_under_concurrency(provider: StorageProvider) -> None:
    kept = await recorded(provider, 0)
    seen = [(await got(provider, kept.thread_id)).updated_at]

    async def write_and_look(number: int) -> None:
        await provider.append_message(kept.thread_id, said())
        seen.append((await got(provider, kept.thread_id)).updated_at)

    await asyncio.gather(*(write_and_look(number) for number in range(20)))
    assert (await got(provider, kept.thread_id)).updated_at >= max(seen)


@pytest.mark.parametrize("name", ["agent_name", "user_id"])
async def test_list_threads_refuses_and_cleans_what_it_filters_by(store: ThreadStore, name: str) -> None:
    refused: list[Any] = [5, ["x"], "", "x" * 501]
    for value in refused:
        with pytest.raises(ValueError, match=f"{name} is a text"):
            await store.list_threads(**{name: value})
    odd: dict[str, Any] = {name: "a\x00\ud800"}
    await store.save(Thread(id="t", **odd))
    page, total = await store.list_threads(**odd)
    assert ([thread.id for thread in page], total) == (["t"], 1)


async def test_save_keeps_values_as_deep_as_a_model_takes(store: ThreadStore) -> None:
    deep: Any = 1
    for _ in range(98):
        deep = [deep]
    message = Message(role="user", content=[{"v": deep[0]}], attributes={"v": deep}, tool_calls=[{"v": deep[0]}])
    await store.save(Thread(id="t", attributes={"v": deep}, platforms={"p": {"v": deep[0]}}, messages=[message]))
    kept = await store.get("t")
    assert kept is not None
    assert (kept.attributes, kept.platforms) == ({"v": deep}, {"p": {"v": deep[0]}})
    assert (kept.messages[0].attributes, kept.messages[0].tool_calls) == ({"v": deep}, [{"v": deep[0]}])


# Lists with conditions


def by(user_id: str, name: str | None = None) -> Message:
    """Make a message that somebody wrote."""
    return said(source={"type": "user", "id": user_id, "name": name})


async def listed(store: ThreadStore, where: ThreadFilter, **page: Any) -> list[str]:
    """Return the ids of the threads that meet the conditions, and see that they are counted alike."""
    ids = [thread.id for thread in await store.provider.list_threads(limit=None, where=where)]
    assert await store.provider.count_threads(where=where) == len(ids)
    return [thread.id for thread in await store.provider.list_threads(where=where, **page)] if page else ids


async def test_list_threads_gives_those_that_live_there(store: ThreadStore) -> None:
    places = {"a": {"slack": {"team": "T1", "channel": "C1"}}, "b": {"slack": {"channel": "C1"}}, "c": {"discord": {}}}
    for thread_id, platforms in places.items():
        await store.save(Thread(id=thread_id, platforms=platforms))
    assert await listed(store, ThreadFilter(platform="slack")) == ["b", "a"]
    assert await listed(store, ThreadFilter(platform="slack", place={"channel": "C1", "team": "T1"})) == ["a"]
    assert await listed(store, ThreadFilter(platform="slack"), limit=1, offset=1) == ["a"]


async def test_list_threads_gives_those_with_an_authors_message(store: ThreadStore) -> None:
    await store.save(Thread(id="by-id", messages=[by("U1", "Anna"), by("U2")]))
    await store.save(Thread(id="by-name", platforms={"slack": {}}, messages=[by("U3", "U1")]))
    await store.save(Thread(id="other", user_id="U1", messages=[by("U11", "U2"), said("U1")]))
    assert await listed(store, ThreadFilter(author="U1")) == ["by-name", "by-id"]
    assert await listed(store, ThreadFilter(author="U1", platform="slack")) == ["by-name"]


async def test_list_threads_passes_over_an_authors_deleted_messages(store: ThreadStore) -> None:
    message = by("U1")
    await store.save(Thread(messages=[message]))
    await store.delete_message(message.id)
    assert await listed(store, ThreadFilter(author="U1")) == []


async def test_list_threads_gives_those_that_changed_between_two_instants(store: ThreadStore) -> None:
    changed = [await store.save(Thread(id=thread_id)) for thread_id in ("a", "b", "c")]
    since, until = changed[1].updated_at, changed[2].updated_at
    assert await listed(store, ThreadFilter(since=since, until=until)) == ["b"]
    assert await listed(store, ThreadFilter(since=until)) == ["c"]


async def test_list_threads_keeps_its_other_conditions_beside_these(store: ThreadStore) -> None:
    await store.save(Thread(id="a", agent_name="agent", platforms={"slack": {}}))
    await store.save(Thread(id="b", platforms={"slack": {}}))
    found = await store.provider.list_threads(agent_name="agent", where=ThreadFilter(platform="slack"))
    assert [thread.id for thread in found] == ["a"]
