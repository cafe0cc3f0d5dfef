"""Claims for threads and messages as agent platforms name them."""

import asyncio
from typing import Any

import pytest

from backscroll.errors import ThreadExistsError, ThreadNotFoundError
from backscroll.storage.models import UNTITLED, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore


async def test_create_thread_stores_what_it_is_given(store: ThreadStore) -> None:
    made = await store.create_thread("t", "U1", "helper", title="A plan", metadata={"plan": {"n": 1}})

    assert await store.get("t") == made
    told = made.title, made.user_id, made.agent_name, made.attributes, made.parent_id, made.messages
    assert told == ("A plan", "U1", "helper", {"plan": {"n": 1}}, None, [])


async def test_create_thread_makes_an_id_and_calls_it_untitled(store: ThreadStore) -> None:
    made = await store.create_thread(None, None, None)

    assert (made.title, made.user_id, made.agent_name) == (UNTITLED, None, None)
    assert await store.get(made.id) == made


async def test_create_thread_leaves_the_thread_that_has_the_id(store: ThreadStore) -> None:
    await store.create_thread("t", "U1", "helper", title="First")

    with pytest.raises(ThreadExistsError, match=r"Thread t is stored already"):
        await store.create_thread("t", "U2", "other", title="Second")
    kept = await store.get("t")
    assert kept is not None
    assert (kept.title, kept.user_id) == ("First", "U1")


async def test_create_thread_makes_one_under_concurrency(store: ThreadStore) -> None:
    calls = (store.create_thread("t", f"U{number}", "helper") for number in range(20))
    told = await asyncio.gather(*calls, return_exceptions=True)

    assert [type(each) for each in told].count(ThreadExistsError) == 19
    (made,) = [each for each in told if isinstance(each, Thread)]
    assert await store.get("t") == made


async def test_create_thread_is_found_by_what_it_carries(store: ThreadStore) -> None:
    await store.create_thread("t", "U1", "helper", title="Quarterly plan", metadata={"team": 5})

    found = [
        await store.find_by_attributes({"team": 5}),
        await store.search_by_title("quarterly"),
        (await store.list_threads(agent_name="helper", user_id="U1"))[0],
    ]
    assert [[thread.id for thread in each] for each in found] == [["t"]] * 3


@pytest.mark.parametrize("metadata", [{"a": b"x"}, {"a": float("nan")}, {"a": (1, 2)}, ["a"], {"a": object()}])
async def test_create_thread_refuses_what_json_cannot_hold(store: ThreadStore, metadata: Any) -> None:
    with pytest.raises(ValueError, match="metadata"):
        await store.create_thread("t", "U1", "helper", metadata=metadata)
    assert await store.get("t") is None


async def test_update_thread_changes_the_given_fields_alone(store: ThreadStore) -> None:
    made = await store.create_thread("t", "U1", "helper", title="Old", metadata={"a": 1, "b": 2})

    changed = await store.update_thread("t", title="New")

    assert changed is not None
    assert changed == await store.get("t")
    assert changed.model_dump(exclude={"title", "updated_at"}) == made.model_dump(exclude={"title", "updated_at"})
    assert changed.title == "New"
    assert changed.updated_at > made.updated_at


async def test_update_thread_takes_metadata_as_a_whole_and_none_for_nobody(store: ThreadStore) -> None:
    await store.create_thread("t", "U1", "helper", metadata={"a": 1, "b": 2})

    changed = await store.update_thread("t", metadata={"b": 3}, user_id=None, agent_name=None)

    assert changed is not None
    assert (changed.attributes, changed.user_id, changed.agent_name) == ({"b": 3}, None, None)


async def test_update_thread_is_found_by_what_it_carries_now(store: ThreadStore) -> None:
    await store.create_thread("t", "U1", "helper", title="Old", metadata={"a": 1})
    await store.update_thread("t", title="Quarterly plan", metadata={"a": 2})

    assert [await store.find_by_attributes({"a": 1}), await store.search_by_title("old")] == [[], []]
    found = [await store.find_by_attributes({"a": 2}), await store.search_by_title("quarterly")]
    assert [[thread.id for thread in each] for each in found] == [["t"], ["t"]]


async def test_update_thread_gives_the_messages_unless_they_are_not_wanted(provider: StorageProvider) -> None:
    await provider.create_thread("t", "U1", "helper")
    await provider.add_message("t", "user", "hello")

    whole = await provider.update_thread("t")
    bare = await provider.update_thread("t", title="New", with_messages=False)
    assert whole is not None
    assert bare is not None
    assert ([message.text for message in whole.messages], bare.messages) == (["hello"], [])


async def test_update_thread_gives_none_for_an_unknown_one(store: ThreadStore) -> None:
    assert await store.update_thread("t", title="New") is None
    assert await store.get("t") is None


async def test_update_thread_refuses_unknown_fields_by_name(store: ThreadStore) -> None:
    await store.create_thread("t", "U1", "helper")

    with pytest.raises(ValueError, match="not by tilte"):
        await store.update_thread("t", tilte="New", user_id="U2")
    kept = await store.get("t")
    assert kept is not None
    assert kept.user_id == "U1"


@pytest.mark.parametrize("fields", [{"title": None}, {"metadata": None}, {"metadata": {"a": b"x"}}, {"user_id": ""}])
async def test_update_thread_refuses_what_cannot_be(store: ThreadStore, fields: dict[str, Any]) -> None:
    await store.create_thread("t", "U1", "helper")

    with pytest.raises(ValueError, match=next(iter(fields))):
        await store.update_thread("t", **fields)


async def test_update_thread_loses_no_field_under_concurrency(store: ThreadStore) -> None:
    await store.create_thread("t", None, None)
    fields: list[dict[str, Any]] = [{"title": "T"}, {"user_id": "U"}, {"agent_name": "A"}, {"metadata": {"m": 1}}]
    await asyncio.gather(*(store.update_thread("t", **each) for each in fields))

    kept = await store.get("t")
    assert kept is not None
    assert (kept.title, kept.user_id, kept.agent_name, kept.attributes) == ("T", "U", "A", {"m": 1})


async def test_add_message_by_role_keeps_any_role(provider: StorageProvider) -> None:
    await provider.create_thread("t", "U1", "helper")
    for role in ("system", "user", "assistant", "tool"):
        await provider.add_message("t", role, f"as {role}", metadata={"role": role})

    kept = await provider.get_messages("t")
    assert [(each.sequence, each.role, each.text) for each in kept] == [
        (1, "system", "as system"),
        (2, "user", "as user"),
        (3, "assistant", "as assistant"),
        (4, "tool", "as tool"),
    ]
    assert [each.attributes for each in kept] == [{"role": each.role} for each in kept]


async def test_add_message_by_role_refuses_what_cannot_be(provider: StorageProvider) -> None:
    await provider.create_thread("t", "U1", "helper")
    wrong: Any = "robot"

    with pytest.raises(ValueError, match="role"):
        await provider.add_message("t", wrong, "hello")
    with pytest.raises(ValueError, match="metadata"):
        await provider.add_message("t", "user", "hello", metadata={"a": b"x"})
    with pytest.raises(ThreadNotFoundError, match="Thread unknown is not stored"):
        await provider.add_message("unknown", "user", "hello")
    assert await provider.get_messages("t") == []


async def test_get_messages_by_page_gives_the_oldest_first(provider: StorageProvider) -> None:
    await provider.create_thread("t", "U1", "helper")
    for number in range(1, 6):
        await provider.add_message("t", "user", str(number))
    third = (await provider.get_messages("t", limit=1, offset=2))[0]
    await provider.delete_message(third.id)

    pages = [(2, 0), (2, 1), (2, 3), (2, 4), (2, 5), (9, 3), (None, 2)]
    read = [await provider.get_messages("t", limit=limit, offset=offset) for limit, offset in pages]
    texts = [[message.text for message in page] for page in read]
    assert texts == [["1", "2"], ["2", ""], ["4", "5"], ["5"], [], ["4", "5"], ["", "4", "5"]]
    assert await provider.get_messages("unknown") == []


async def test_get_messages_by_page_refuses_what_is_no_page(provider: StorageProvider) -> None:
    for limit, offset, named in ((0, 0, "limit"), (-1, 0, "limit"), (None, -5, "offset")):
        with pytest.raises(ValueError, match=named):
            await provider.get_messages("t", limit=limit, offset=offset)


async def test_get_stats_counts_what_is_kept(store: ThreadStore) -> None:
    backend = (await store.health_check())["backend"]
    assert await store.get_stats() == {"backend": backend, "threads": 0, "messages": 0, "feedback": 0}

    await store.create_thread("t", "U1", "helper")
    await store.create_thread("other", "U1", "helper")
    kept = [await store.provider.add_message("t", "assistant", "hello") for _ in range(3)]
    await store.add_feedback("t", "U1", message_id=kept[0].id, rating=5)
    await store.delete_message(kept[1].id)
    assert await store.get_stats() == {"backend": backend, "threads": 2, "messages": 3, "feedback": 1}
