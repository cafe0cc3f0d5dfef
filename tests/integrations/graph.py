"""A graph that asks before it acts, and as a program: run to its question, and then nothing until it is killed.

python -m tests.integrations.graph DATABASE_URL
"""

import asyncio
import sys
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt

from backscroll.integrations.langgraph import BackscrollSaver
from backscroll.storage.store import ThreadStore

CONFIG: RunnableConfig = {"configurable": {"thread_id": "files"}}
QUESTION = HumanMessage("Tidy up", id="q1")


class State(TypedDict):
    """What the graph knows."""

    messages: Annotated[list[AnyMessage], add_messages]
    decision: str


def plan(state: State) -> dict[str, Any]:
    return {"messages": [AIMessage("I would delete 3 files.", id=f"plan after {len(state['messages'])}")]}


def ask(state: State) -> dict[str, Any]:
    return {"decision": interrupt({"question": "Delete 3 files?"})}


def act(state: State) -> dict[str, Any]:
    return {"messages": [AIMessage(f"They said {state['decision']}.", id="done")]}


def build(saver: BaseCheckpointSaver[str]) -> CompiledStateGraph[State, None, State, State]:
    """Make the graph: plan → ask → act."""
    builder = StateGraph(State)
    for name, node in (("plan", plan), ("ask", ask), ("act", act)):
        builder.add_node(name, node)
    for start, end in ((START, "plan"), ("plan", "ask"), ("ask", "act"), ("act", END)):
        builder.add_edge(start, end)
    return builder.compile(checkpointer=saver)


async def main(url: str) -> None:
    async with ThreadStore(url) as store:
        result = await build(BackscrollSaver(store)).ainvoke({"messages": [QUESTION], "decision": ""}, CONFIG)
        sys.stdout.write(f"{result['__interrupt__'][0].value['question']}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
