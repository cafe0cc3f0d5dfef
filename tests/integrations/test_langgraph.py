"""LangGraph's own suite, and what it leaves open."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, CheckpointMetadata, empty_checkpoint
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import ALL_CAPABILITIES
from langgraph.checkpoint.serde.types import INTERRUPT, RESUME

from backscroll.integrations.langgraph import PAGE_COUNT, BackscrollSaver
from backscroll.storage import memory
from backscroll.storage.store import ThreadStore

CONFIG: RunnableConfig = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}


def state(checkpoint_id: str, **values: Any) -> Checkpoint:
    return {**empty_checkpoint(), "id": checkpoint_id, "channel_values": values}


async def test_saver_passes_the_conformance_suite_in_full(store: ThreadStore) -> None:
    @checkpointer_test(name="BackscrollSaver")
    async def saver() -> AsyncGenerator[BaseCheckpointSaver[str], None]:
        yield BackscrollSaver(store)

    report = await validate(saver)

    assert report.results.keys() == {capability.value for capability in ALL_CAPABILITIES}
    failures = {name: result.failures for name, result in report.results.items() if result.passed is not True}
    assert failures == {}
    assert sum(result.tests_skipped for result in report.results.values()) == 0
    assert report.conformance_level() == "FULL"


async def test_saver_gives_back_what_json_cannot_hold(store: ThreadStore) -> None:
    saver = BackscrollSaver(store)
    said = {
        "messages": [HumanMessage("hello", id="1"), AIMessage("yes", id="2")],
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "bytes": b"\x00\xff",
        "nan": [float("inf"), {1: {"a"}}],
        "text": "NUL \x00 stays",
    }
    metadata: Any = {"source": "loop", "step": 1, "counters": {"a": (1, 2)}, "at": said["at"], "nested": {"a": [1]}}
    config = await saver.aput(CONFIG, state("1", **said), metadata, {})
    await saver.aput_writes(config, [("a", said["messages"]), ("b", said["bytes"]), ("c", None)], "task")

    found = await saver.aget_tuple(CONFIG)

    assert found is not None
    assert found.checkpoint["channel_values"] == said
    assert {**found.metadata, "counters": {"a": tuple(found.metadata["counters"]["a"])}} == metadata  # type: ignore[typeddict-item]
    assert found.pending_writes == [("task", "a", said["messages"]), ("task", "b", said["bytes"]), ("task", "c", None)]


async def test_saver_keeps_nothing_of_what_cannot_be_written(store: ThreadStore) -> None:
    saver = BackscrollSaver(store)
    with pytest.raises(TypeError, match="object"):
        await saver.aput(CONFIG, state("1", odd=object()), {}, {})
    config = await saver.aput(CONFIG, state("1"), {}, {})
    with pytest.raises(TypeError, match="object"):
        await saver.aput_writes(config, [("a", 1), ("b", object())], "task")

    (found,) = [each async for each in saver.alist(None)]
    assert found.checkpoint["channel_values"] == {}
    assert found.pending_writes == []


async def test_special_writes_of_a_task_stand_once_and_the_last_wins(store: ThreadStore) -> None:
    saver = BackscrollSaver(store)
    config = await saver.aput(CONFIG, state("1"), {}, {})
    await saver.aput_writes(config, [(INTERRUPT, "first"), ("a", 1)], "task")
    await saver.aput_writes(config, [(RESUME, ["x"])], "task")
    await saver.aput_writes(config, [(INTERRUPT, "second"), ("a", 2)], "task")

    found = await saver.aget_tuple(config)
    assert found is not None
    assert found.pending_writes == [("task", RESUME, ["x"]), ("task", INTERRUPT, "second"), ("task", "a", 1)]


async def test_alist_gives_a_long_history_without_a_gap(store: ThreadStore) -> None:
    saver = BackscrollSaver(store)
    ids = [f"{number:04}" for number in range(2 * PAGE_COUNT + 1)]
    for checkpoint_id in ids:
        metadata: CheckpointMetadata = {"source": "loop" if checkpoint_id > ids[0] else "input"}
        await saver.aput(CONFIG, state(checkpoint_id), metadata, {})
    await saver.aput({"configurable": {"thread_id": "t", "checkpoint_ns": "inner"}}, state("9999"), {}, {})

    def listed(found: list[Any]) -> list[str]:
        return [each.checkpoint["id"] for each in found]

    assert listed([each async for each in saver.alist(CONFIG)]) == ids[::-1]
    assert listed([each async for each in saver.alist(CONFIG, filter={"source": "input"})]) == ids[:1]
    assert listed([each async for each in saver.alist(CONFIG, limit=0)]) == []
    every: RunnableConfig = {"configurable": {"thread_id": "t"}}
    assert listed([each async for each in saver.alist(every, limit=2)]) == ["9999", ids[-1]]
    one: RunnableConfig = {"configurable": {**CONFIG["configurable"], "checkpoint_id": ids[5]}}
    assert listed([each async for each in saver.alist(one)]) == [ids[5]]


async def test_prune_leaves_a_state_that_is_spread_over_its_ancestors(store: ThreadStore) -> None:
    saver = BackscrollSaver(store)
    for thread, counters in (("t", {"counters_since_delta_snapshot": {"a": (1, 1)}}), ("u", {})):
        config: RunnableConfig = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
        for checkpoint_id in "12":
            await saver.aput(config, state(checkpoint_id), counters, {})  # type: ignore[arg-type]

    await saver.aprune(["t", "u"])

    found = [(each.config["configurable"]["thread_id"], each.checkpoint["id"]) async for each in saver.alist(None)]
    assert found == [("u", "2"), ("t", "2"), ("t", "1")]


async def test_saver_makes_no_thread_and_takes_a_provider(store: ThreadStore) -> None:
    saver = BackscrollSaver(store.provider)
    config: RunnableConfig = {"configurable": {"thread_id": 7}}
    await saver.aput(config, state("1"), {}, {})
    assert await store.list() == []
    assert await store.get_checkpoint("7") is not None
    with pytest.raises(ValueError, match="store is a ThreadStore"):
        BackscrollSaver("sqlite:///threads.db")  # type: ignore[arg-type]


async def test_sync_calls_work_from_a_worker_thread() -> None:
    saver = BackscrollSaver(memory.Provider())
    config = await saver.aput(CONFIG, state("1"), {"step": 1}, {})

    def use() -> list[str]:
        later = saver.put(config, state("2"), {}, {})
        saver.put_writes(later, [("a", 1)], "task")
        saver.copy_thread("t", "u")
        saver.prune(["u"])
        saver.delete_for_runs(["unknown"])
        newest = saver.get_tuple(CONFIG)
        assert newest is not None
        assert newest.pending_writes == [("task", "a", 1)]
        found = [each.config["configurable"]["thread_id"] + each.checkpoint["id"] for each in saver.list(None)]
        saver.delete_thread("t")
        return found

    assert await asyncio.to_thread(use) == ["u2", "t2", "t1"]
    assert saver.get_next_version("3.5", None).startswith(f"{4:032}.")
    assert [each.config["configurable"]["thread_id"] async for each in saver.alist(None)] == ["u"]


async def test_sync_calls_refuse_to_stop_the_event_loop() -> None:
    saver = BackscrollSaver(memory.Provider())
    with pytest.raises(RuntimeError, match="async ones"):
        await asyncio.to_thread(saver.get_tuple, CONFIG)  # no loop is known yet
    await saver.aget_tuple(CONFIG)
    with pytest.raises(RuntimeError, match="async ones"):
        saver.get_tuple(CONFIG)


@pytest.mark.parametrize(
    ("module", "library", "extra"),
    [("langgraph", "langgraph.checkpoint.base", "langgraph"), ("openai_agents", "agents.items", "openai-agents")],
)
def test_import_without_the_library_names_the_way_out(
    module: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"backscroll.integrations.{module}"
    path = Path(sys.modules["backscroll"].__path__[0]) / "integrations" / f"{module}.py"
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf'pip install "backscroll\[{extra}\]"'):
        exec(compile(path.read_text(), str(path), "exec"), {"__name__": name})
