"""Claims for lineages: whom threads come from, and who comes from them."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from backscroll.storage.models import Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import at, said


@pytest_asyncio.fixture(loop_scope="function")
async def lineage_tree(store: ThreadStore) -> None:
    """Keep the threads root → a → (b → d, c), each a fork of the one before."""
    await store.save(Thread(id="root", title="Root", user_id="U1", agent_name="helper", messages=[said(), said()]))
    for parent, child, index in (("root", "a", 1), ("a", "b", 0), ("a", "c", 1), ("b", "d", 0)):
        await store.fork_thread(parent, index, child, title=child.upper())


async def up(store: ThreadStore, thread_id: str) -> list[str]:
    return [told(each) for each in (await store.get_thread_lineage(thread_id))["ancestors"]]


async def down(store: ThreadStore, thread_id: str) -> list[tuple[str, int]]:
    return [(told(each), each["depth"]) for each in (await store.get_thread_lineage(thread_id))["descendants"]]


def told(entry: dict[str, Any]) -> str:
    """Name a thread, a deleted one in brackets."""
    return f"({entry['thread_id']})" if entry["is_deleted"] else str(entry["thread_id"])


@pytest.mark.usefixtures("lineage_tree")
async def test_get_thread_lineage_tells_of_each_thread(store: ThreadStore) -> None:
    lineage = await store.get_thread_lineage("a")
    root, fork = await store.get("root"), await store.get("c")

    assert root is not None
    assert fork is not None
    assert lineage["thread_id"] == "a"
    assert lineage["ancestors"] == [
        {
            "thread_id": "root",
            "title": "Root",
            "user_id": "U1",
            "agent_name": "helper",
            "parent_thread_id": None,
            "forked_at": None,
            "created_at": root.created_at,
            "is_deleted": False,
        }
    ]
    assert lineage["descendants"][1] == {
        "thread_id": "c",
        "title": "C",
        "user_id": "U1",
        "agent_name": "helper",
        "parent_thread_id": "a",
        "forked_at": 2,
        "created_at": fork.created_at,
        "is_deleted": False,
        "depth": 1,
    }


@pytest.mark.usefixtures("lineage_tree")
async def test_get_thread_lineage_goes_up_to_the_root_and_down_breadth_first(store: ThreadStore) -> None:
    assert [await up(store, each) for each in ("root", "a", "d")] == [[], ["root"], ["root", "a", "b"]]
    assert await down(store, "root") == [("a", 1), ("b", 2), ("c", 2), ("d", 3)]
    assert [await down(store, each) for each in ("b", "c")] == [[("d", 1)], []]


async def test_get_thread_lineage_puts_siblings_in_order_of_age_then_id(store: ThreadStore) -> None:
    for name, seconds in (("z", 1), ("y", 3), ("x", 3)):
        await store.save(Thread(id=name, parent_id="root", forked_at=1, created_at=at(seconds)))
    await store.get_or_create("root")
    assert await down(store, "root") == [("z", 1), ("x", 1), ("y", 1)]


async def test_get_thread_lineage_of_an_unknown_thread_is_empty(store: ThreadStore) -> None:
    await store.save(Thread(id="a", parent_id="unknown", forked_at=1))

    assert await store.get_thread_lineage("unknown") == {"thread_id": "unknown", "ancestors": [], "descendants": []}
    assert await up(store, "a") == []


async def test_get_thread_lineage_ends_in_a_circle(store: ThreadStore) -> None:
    for name, parent in (("a", "c"), ("b", "a"), ("c", "b"), ("self", "self")):
        await store.save(Thread(id=name, parent_id=parent, forked_at=1))

    assert [await up(store, "a"), await down(store, "a")] == [["b", "c"], [("b", 1), ("c", 2)]]
    assert [await up(store, "self"), await down(store, "self")] == [[], []]
    assert await store.delete("a")
    assert await up(store, "b") == ["c", "(a)"]


@pytest.mark.usefixtures("lineage_tree")
async def test_lineage_survives_deleted_threads(store: ThreadStore) -> None:
    await store.delete("a")
    assert await up(store, "d") == ["root", "(a)", "b"]
    assert await down(store, "root") == [("(a)", 1), ("b", 2), ("c", 2), ("d", 3)]

    await store.delete_many(["root", "b"])
    assert await up(store, "d") == ["(root)", "(a)", "(b)"]
    lost = (await store.get_thread_lineage("d"))["ancestors"][1]
    nothing = dict.fromkeys(("title", "user_id", "agent_name", "created_at"))
    links = {"thread_id": "a", "parent_thread_id": "root", "forked_at": 2, "is_deleted": True}
    assert lost == nothing | links


@pytest.mark.usefixtures("lineage_tree")
async def test_lineage_survives_a_thread_that_is_deleted_twice(store: ThreadStore) -> None:
    assert [await store.delete("a"), await store.delete("a")] == [True, False]
    assert await up(store, "d") == ["root", "(a)", "b"]


@pytest.mark.usefixtures("lineage_tree")
async def test_lineage_shows_a_deleted_fork_as_long_as_its_tree_is_kept(store: ThreadStore) -> None:
    await store.delete("c")
    assert await down(store, "a") == [("b", 1), ("(c)", 1), ("d", 2)]
    assert await up(store, "c") == ["root", "a"]


@pytest.mark.usefixtures("lineage_tree")
async def test_lineage_leaves_nothing_of_a_tree_that_is_deleted(store: ThreadStore) -> None:
    await store.get_or_create("other")
    await store.delete("a")
    await store.delete_many(["root", "d", "b", "other"])
    assert await up(store, "c") == ["(root)", "(a)"]

    await store.delete("c")
    for each in ("root", "a", "b", "c", "d"):
        assert await store.get_thread_lineage(each) == {"thread_id": each, "ancestors": [], "descendants": []}


@pytest.mark.usefixtures("lineage_tree")
async def test_lineage_tells_of_a_thread_that_took_the_id_of_a_deleted_one(store: ThreadStore) -> None:
    await store.delete("a")
    await store.create_thread("a", "U9", "new")

    assert await up(store, "d") == ["a", "b"]
    assert await down(store, "root") == []
    await store.delete("a")
    assert await up(store, "d") == ["(a)", "b"]


@pytest.mark.usefixtures("lineage_tree")
async def test_lineage_survives_threads_that_are_deleted_at_once(provider: StorageProvider) -> None:
    store = ThreadStore(provider=provider)
    await asyncio.gather(*(store.delete(each) for each in ("root", "a", "b")))
    assert await up(store, "d") == ["(root)", "(a)", "(b)"]
