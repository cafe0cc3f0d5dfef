"""A graph that was stopped at its question goes on after the process that ran it is gone."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from langchain_core.messages import AIMessage
from langgraph.types import Command

from backscroll.integrations.langgraph import BackscrollSaver
from backscroll.storage.store import ThreadStore
from tests.integrations.graph import CONFIG, QUESTION, build

ROOT = Path(__file__).parents[2]


async def test_graph_is_resumed_after_its_process_was_killed(database_url: str) -> None:
    program = [sys.executable, "-m", "tests.integrations.graph", database_url]
    process = await asyncio.create_subprocess_exec(*program, cwd=ROOT, stdout=PIPE)
    try:
        assert process.stdout is not None
        asked = await process.stdout.readline()
    finally:
        process.kill()
        await process.communicate()
    assert asked == b"Delete 3 files?\n"

    async with ThreadStore(database_url) as store:
        graph = build(BackscrollSaver(store))
        waiting = await graph.aget_state(CONFIG)
        result = await graph.ainvoke(Command(resume="yes"), CONFIG)
        history = [each.next async for each in graph.aget_state_history(CONFIG)]
        threads = await store.list()

    assert waiting.next == ("ask",)
    assert [each.value for each in waiting.interrupts] == [{"question": "Delete 3 files?"}]
    plan = AIMessage("I would delete 3 files.", id="plan after 1")  # it was not made again
    assert result["messages"] == [QUESTION, plan, AIMessage("They said yes.", id="done")]
    assert history == [(), ("act",), ("ask",), ("plan",), ("__start__",)]
    assert threads == []
