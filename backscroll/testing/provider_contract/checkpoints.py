"""Claims for checkpoints."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from backscroll.storage.store import ThreadStore


async def save(
    store: ThreadStore, checkpoint_id: str, thread_id: str = "t", namespace: str = "", **metadata: Any
) -> None:
    await store.save_checkpoint(thread_id, namespace, checkpoint_id, None, {"state": checkpoint_id}, metadata)


def write(position: int, text: str) -> dict[str, Any]:
    return {"position": position, "channel": "said", "value": {"text": text}}


async def ids(store: ThreadStore, *place: str, **options: Any) -> list[str]:
    return [found["checkpoint_id"] for found in await store.list_checkpoints(*place, **options)]


async def values(store: ThreadStore, thread_id: str = "t") -> list[str]:
    found = await store.get_checkpoint(thread_id)
    assert found is not None
    return [each["value"]["text"] for each in found["writes"]]


async def test_get_checkpoint_gives_all_that_was_saved(store: ThreadStore) -> None:
    state = {"big": 1e23, "text": "été 👍", "list": [None, True, {"a": {}}]}
    before = datetime.now(UTC)
    await store.save_checkpoint("t", "inner:1", "2", "1", state, {"step": 3})
    await store.save_checkpoint_writes("t", "inner:1", "2", "task", [write(0, "x")], "a:b")

    found = await store.get_checkpoint("t", "inner:1", "2")

    assert found is not None
    assert before.replace(microsecond=0) <= found.pop("created_at") <= datetime.now(UTC)
    assert found == {
        "thread_id": "t",
        "namespace": "inner:1",
        "checkpoint_id": "2",
        "parent_id": "1",
        "checkpoint": state,
        "metadata": {"step": 3},
        "writes": [{"task_id": "task", "task_path": "a:b", "position": 0, "channel": "said", "value": {"text": "x"}}],
    }


async def test_get_checkpoint_gives_the_greatest_id_of_its_namespace(store: ThreadStore) -> None:
    for checkpoint_id in ("2", "10", "é", "Z"):  # by code points, whatever a database's collation is
        await save(store, checkpoint_id)
    await save(store, "ü", namespace="inner")
    newest = await store.get_checkpoint("t")
    assert newest is not None
    assert newest["checkpoint_id"] == "é"


async def test_get_checkpoint_gives_none_where_there_is_none(store: ThreadStore) -> None:
    await save(store, "1")
    assert await store.get_checkpoint("other") is None
    assert await store.get_checkpoint("t", "inner") is None
    assert await store.get_checkpoint("t", "", "2") is None


async def test_save_checkpoint_takes_the_place_of_its_namesake(store: ThreadStore) -> None:
    await save(store, "1", step=1)
    await store.save_checkpoint_writes("t", "", "1", "task", [write(0, "x")])
    first = await store.get_checkpoint("t")
    await store.save_checkpoint("t", "", "1", "0", {"state": "new"}, {"step": 2})

    (found,) = await store.list_checkpoints("t")

    assert first is not None
    assert found == first | {"parent_id": "0", "checkpoint": {"state": "new"}, "metadata": {"step": 2}}


async def test_save_checkpoint_writes_passes_over_a_repeat(store: ThreadStore) -> None:
    await save(store, "1")
    await store.save_checkpoint_writes("t", "", "1", "task", [write(0, "first")])
    await store.save_checkpoint_writes("t", "", "1", "task", [write(0, "again"), write(1, "second")])
    assert await values(store) == ["first", "second"]


async def test_save_checkpoint_writes_replaces_one_below_zero(store: ThreadStore) -> None:
    await save(store, "1")
    await store.save_checkpoint_writes("t", "", "1", "task", [write(-1, "first"), write(0, "regular")])
    await store.save_checkpoint_writes("t", "", "1", "task", [write(-1, "x"), write(-1, "second")])
    assert await values(store) == ["second", "regular"]


async def test_save_checkpoint_writes_is_harmless_when_concurrent(store: ThreadStore) -> None:
    await save(store, "1")
    both = [write(number, "x") for number in range(-4, 20)]
    await asyncio.gather(
        *(store.save_checkpoint_writes("t", "", "1", "task", each) for each in (both, both[::-1]) * 5),
        *(save(store, "1") for _ in range(5)),
    )
    assert await values(store) == ["x"] * 24


async def test_writes_come_in_the_order_of_path_task_and_position(store: ThreadStore) -> None:
    await save(store, "1")
    for task, path in (("b", "2"), ("a", "2"), ("c", "10"), ("é", ""), ("Z", "")):
        await store.save_checkpoint_writes("t", "", "1", task, [write(1, f"{task}1"), write(0, f"{task}0")], path)
    assert await values(store) == ["Z0", "Z1", "é0", "é1", "c0", "c1", "a0", "a1", "b0", "b1"]


async def test_writes_may_come_before_their_checkpoint(store: ThreadStore) -> None:
    await store.save_checkpoint_writes("t", "", "1", "task", [write(0, "early")])
    assert await store.list_checkpoints("t") == []
    await save(store, "1")
    assert await values(store) == ["early"]


async def test_list_checkpoints_gives_the_newest_first_to_a_limit(store: ThreadStore) -> None:
    for checkpoint_id in "2143":
        await save(store, checkpoint_id)
    assert await ids(store, "t") == ["4", "3", "2", "1"]
    assert await ids(store, "t", before="4", limit=2) == ["3", "2"]


async def test_list_checkpoints_takes_thread_and_namespace_as_they_are_given(store: ThreadStore) -> None:
    for thread, namespace in (("a", ""), ("a", "inner"), ("b", ""), ("b", "inner")):
        await save(store, "1", thread, namespace)
        await store.save_checkpoint_writes(thread, namespace, "1", "task", [write(0, f"{thread} {namespace}")])

    def named(found: list[dict[str, Any]]) -> list[str]:
        return [each["writes"][0]["value"]["text"] for each in found]

    assert named(await store.list_checkpoints()) == ["b inner", "b ", "a inner", "a "]
    assert named(await store.list_checkpoints("a")) == ["a inner", "a "]
    assert named(await store.list_checkpoints("a", "")) == ["a "]
    assert named(await store.list_checkpoints(namespace="inner", limit=1)) == ["b inner"]


async def test_list_checkpoints_finds_by_all_the_metadata_that_is_asked_for(store: ThreadStore) -> None:
    for number, run in enumerate("xyxy"):
        await save(store, str(number), step=number // 2, run_id=run, none=None)
    assert await ids(store, "t", metadata={"step": 1}) == ["3", "2"]
    assert await ids(store, "t", metadata={"step": 1}, limit=1) == ["3"]
    assert await ids(store, metadata={"run_id": "x", "none": None}) == ["2", "0"]
    assert await ids(store, "t", metadata={"step": 1, "run_id": "x"}) == ["2"]
    assert await ids(store, "t", metadata={"step": 1.0}) == []
    assert await ids(store, "t", metadata={"missing": None}) == []


async def test_delete_checkpoints_takes_one_thread_with_its_writes(store: ThreadStore) -> None:
    for thread, namespace in (("t", ""), ("t", "inner"), ("other", "")):
        await save(store, "1", thread, namespace)
        await store.save_checkpoint_writes(thread, namespace, "1", "task", [write(0, "x")])

    assert await store.delete_checkpoints("t") == 2
    assert await store.delete_checkpoints("t") == 0

    await save(store, "1")
    assert await values(store) == []
    assert await values(store, "other") == ["x"]


async def test_delete_of_a_thread_takes_its_checkpoints(store: ThreadStore) -> None:
    await store.get_or_create("t")
    for thread in ("t", "other"):
        await save(store, "1", thread)
        await store.save_checkpoint_writes(thread, "", "1", "task", [write(0, "x")])

    assert await store.delete_many(["t", "other"]) == 1  # nobody stored the other, and so nothing of it is deleted

    assert await ids(store) == ["1"]
    await save(store, "1")
    assert await values(store) == []


async def test_delete_checkpoints_of_runs_takes_theirs_in_all_threads(store: ThreadStore) -> None:
    for thread, checkpoint_id, run in (("t", "1", "a"), ("t", "2", "b"), ("u", "1", "a"), ("u", "2", "c")):
        await save(store, checkpoint_id, thread, run_id=run)
        await store.save_checkpoint_writes(thread, "", checkpoint_id, "task", [write(0, run)])
    await save(store, "3", run_id=5)

    assert await store.delete_checkpoints_of_runs(["a", "c", "a", "unknown"]) == 3

    assert await ids(store) == ["3", "2"]
    await save(store, "1", "u")
    assert await values(store, "u") == []


async def test_copy_checkpoints_gives_another_thread_the_same(store: ThreadStore) -> None:
    for checkpoint_id, namespace in (("1", ""), ("2", ""), ("1", "inner")):
        await save(store, checkpoint_id, namespace=namespace, run_id="r")
        await store.save_checkpoint_writes("t", namespace, checkpoint_id, "task", [write(0, "x"), write(-1, "y")])
    await store.save_checkpoint("copy", "", "1", None, {"its": "own"}, {})

    assert await store.copy_checkpoints("t", "copy") == 2
    assert await store.copy_checkpoints("t", "copy") == 0
    assert await store.copy_checkpoints("t", "t") == 0

    original, copy = await store.list_checkpoints("t"), await store.list_checkpoints("copy")
    assert [found | {"thread_id": "t"} for found in copy[:2]] == original[:2]
    assert copy[2]["checkpoint"] == {"its": "own"}
    assert await store.delete_checkpoints_of_runs(["r"]) == 5


async def test_prune_checkpoints_leaves_the_newest_of_each_namespace(store: ThreadStore) -> None:
    for thread, namespace in (("t", ""), ("t", "inner"), ("u", ""), ("other", "")):
        for checkpoint_id in "123":
            await save(store, checkpoint_id, thread, namespace)
            await store.save_checkpoint_writes(thread, namespace, checkpoint_id, "task", [write(0, checkpoint_id)])

    await store.prune_checkpoints(["t", "u", "unknown"])

    assert await ids(store, "t") + await ids(store, "u") == ["3", "3", "3"]
    assert await ids(store, "other") == ["3", "2", "1"]
    assert await values(store) == ["3"]
    await save(store, "4", "u")
    await store.delete_checkpoints("u")
    await save(store, "1", "u")
    assert await values(store, "u") == []


async def test_prune_checkpoints_leaves_a_namespace_whose_newest_is_marked(store: ThreadStore) -> None:
    for namespace in ("", "inner"):
        await save(store, "1", namespace=namespace, mark=1)
        await store.save_checkpoint("t", namespace, "2", "1", {}, {"mark": None} if namespace else {})
    await store.prune_checkpoints(["t"], unless_metadata="mark")
    assert await ids(store, "t", "inner") == ["2", "1"]
    assert await ids(store, "t", "") == ["2"]


async def test_checkpoint_calls_refuse_what_json_cannot_hold(store: ThreadStore) -> None:
    for odd in (b"x", float("nan"), datetime.now(UTC), (1,), {1: 2}, object()):
        with pytest.raises(ValueError, match=r"checkpoint\.\*"):
            await store.save_checkpoint("t", "", "1", None, {"a": odd}, {})
        with pytest.raises(ValueError, match=r"metadata\.\*"):
            await store.save_checkpoint("t", "", "1", None, {}, {"a": odd})
        with pytest.raises(ValueError, match=r"writes\[1\]\.value"):
            await store.save_checkpoint_writes(
                "t", "", "1", "x", [write(0, "a"), write(1, "b") | {"value": {"a": odd}}]
            )
    assert await store.list_checkpoints() == []
    await save(store, "1")
    assert await values(store) == []


async def test_checkpoint_calls_refuse_what_is_no_name(store: ThreadStore) -> None:
    for odd in ("", "x" * 501, 5, None):
        with pytest.raises(ValueError, match="thread_id"):
            await store.save_checkpoint(odd, "", "1", None, {}, {})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="namespace"):
        await store.get_checkpoint("t", "x" * 1001)
    with pytest.raises(ValueError, match=r"writes\[0\]"):
        await store.save_checkpoint_writes("t", "", "1", "task", [{"position": 0, "channel": "x"}])
    with pytest.raises(ValueError, match="run_ids"):
        await store.delete_checkpoints_of_runs("abc")
