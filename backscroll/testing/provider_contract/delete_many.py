"""Claims for deleting many threads in one call."""

from typing import Any

import pytest

from backscroll.storage.models import Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import (
    KEY,
    OTHER_KEY,
    arriving,
    asked,
    begun,
    external,
    recorded,
    said,
    taken,
)
from backscroll.testing.provider_contract.searching import anywhere


async def left(store: ThreadStore) -> list[str]:
    return sorted(thread.id for thread in await store.list_recent())


async def make(store: ThreadStore, *ids: str) -> None:
    for thread_id in ids:
        await store.get_or_create(thread_id)


async def test_delete_many_returns_how_many_there_were(store: ThreadStore) -> None:
    await make(store, "a", "b", "c")
    assert await store.delete_many(["a", "b"]) == 2
    assert await left(store) == ["c"]


async def test_delete_many_counts_unknown_ids_and_repeats_for_nothing(store: ThreadStore) -> None:
    await make(store, "a", "b")
    assert await store.delete_many(["a", "unknown", "a", "a"]) == 1
    assert await store.delete_many(["a", "b"]) == 1
    assert await left(store) == []


async def test_delete_many_of_nothing_deletes_nothing(store: ThreadStore) -> None:
    await make(store, "a")
    assert await store.delete_many([]) == 0
    assert await left(store) == ["a"]


async def test_delete_many_takes_1200_ids(store: ThreadStore) -> None:
    ids = [f"t{number}" for number in range(1_200)]
    await make(store, ids[0], ids[599], ids[1_199], "other")
    assert await store.delete_many(ids) == 3
    assert await left(store) == ["other"]


async def test_delete_many_takes_long_and_odd_ids(store: ThreadStore) -> None:
    ids = ["x" * 500, "👍" * 500, "it's", "%", "a\x00b"]
    await make(store, *ids, "a")
    assert await store.delete_many([*ids, "a\ufffdb"]) == 5
    assert await left(store) == ["a"]


async def test_delete_many_removes_messages_aliases_and_what_was_found(store: ThreadStore) -> None:
    for name in ("a", "b"):
        message = said("fox", id=f"m{name}", attributes={"x": 1})
        await store.save(Thread(id=name, title="wolf", attributes={"x": 1}, messages=[message]))
        await store.save_thread_alias(name, f"alias {name}")
    assert await store.delete_many(["a", "b"]) == 2
    assert [await store.get_by_alias(f"alias {name}") for name in "ab"] == [None, None]
    assert [await store.get_thread_by_message_id(f"m{name}") for name in "ab"] == [None, None]
    assert await store.find_by_attributes({"x": 1}) == await store.find_messages_by_attribute("attributes.x", 1) == []
    assert [await anywhere(store, word) for word in ("fox", "wolf")] == [([], 0)] * 2


async def test_delete_many_removes_answers_and_their_posts(store: ThreadStore, provider: StorageProvider) -> None:
    answer = await asked(provider)
    (part,) = await begun(provider, await taken(provider), "hi")
    await provider.mark_sent(answer.id, "one", part.number, external("sent"))
    other = await asked(provider, "other", key=OTHER_KEY)
    assert await store.delete_many([answer.thread_id, other.thread_id]) == 2
    assert await provider.list_answers() == []
    assert await provider.get_parts(answer.id) == []
    assert [await provider.find_external(external(each)) for each in (1, "sent", "other")] == [None] * 3


async def test_delete_many_frees_everything_for_a_new_beginning(store: ThreadStore, provider: StorageProvider) -> None:
    kept = [await recorded(provider, 1, key=key) for key in (KEY, OTHER_KEY)]
    await store.delete_many([each.thread_id for each in kept])
    again = await provider.record_message(arriving(1, message=said(id=kept[0].message.id)))
    assert again is not None
    assert (again.is_new, again.message.sequence) == (True, 1)


async def test_delete_many_leaves_the_other_threads_alone(store: ThreadStore) -> None:
    for name in ("a", "b"):
        await store.save(Thread(id=name, title="fox", messages=[said("fox", attributes={"x": name})]))
        await store.save_thread_alias(name, f"alias {name}")
    before = await store.get("b")
    await store.delete_many(["a"])
    assert await store.get("b") == await store.get_by_alias("alias b") == before
    assert await anywhere(store, "fox") == (["b"], 1)


async def test_delete_many_refuses_a_text_in_place_of_a_list(store: ThreadStore) -> None:
    await make(store, "a", "b")
    text: Any = "ab"
    with pytest.raises(ValueError, match="list of ids, got str"):
        await store.delete_many(text)
    assert await left(store) == ["a", "b"]


async def test_delete_many_refuses_a_list_with_anything_but_ids(store: ThreadStore) -> None:
    await make(store, "a")
    refused: list[Any] = [["a", ""], ["a", "x" * 501], ["a", 5], ["a", None], b"a", [b"a"], None, 5]
    for ids in refused:
        with pytest.raises(ValueError, match="id"):
            await store.delete_many(ids)
    assert await left(store) == ["a"]
