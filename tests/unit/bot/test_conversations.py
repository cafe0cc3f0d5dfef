"""The manager passes on what Slack agents ask: every call, with the signature that the store has."""

import inspect
from pathlib import Path

import pytest

from backscroll.bot.conversations import Conversations
from backscroll.bot.manager import ConversationManager
from backscroll.storage import memory
from backscroll.storage.files import LocalFiles
from backscroll.storage.store import ThreadStore
from backscroll.storage.store.blocks import StoreBlocks

CALLS = [name for name in vars(StoreBlocks) if not name.startswith("_")]


@pytest.mark.parametrize("name", CALLS)
def test_manager_has_each_call_as_the_store_has_it(name: str) -> None:
    ours, its = getattr(Conversations, name), getattr(ThreadStore, name)
    if not isinstance(its, property):
        assert inspect.signature(ours) == inspect.signature(its)


async def test_manager_keeps_what_an_agent_did(tmp_path: Path) -> None:
    provider = memory.Provider()
    manager = ConversationManager(provider, files=LocalFiles(tmp_path, max_file_bytes=10))
    made = await manager.get_or_create_conversation("agent", "C1", "1.0", "general")
    message_id = await manager.create_message(made, "U1", "Anna", "anna")
    text = await manager.append_text_block(message_id, "hello", is_user=True)
    output = "a lion " * 50_000
    tool = await manager.append_tool_block(
        message_id, tool_call_id="call", tool_name="find", tool_input={}, tool_output=output
    )
    file = await manager.append_file_block(
        message_id, {"url": "u"}, is_user=False, filename="a", mimetype=None, size_bytes=1, tool_block_id=tool
    )
    usage = await manager.append_usage_block(message_id, model="a", input_tokens=7, estimated_cost_usd=0.5)
    await manager.upsert_heartbeat("agent", 5.0)

    ((_, blocks),) = await manager.get_message_blocks(made)
    assert [block["id"] for block in blocks] == [text, tool, file, usage]
    assert (await manager.get_messages_with_blocks(made))[0]["blocks"] == blocks
    call = await manager.get_tool_call("call")
    assert call is not None
    assert call["output_json"] == output
    assert await manager.has_conversation("agent", "C1", "1.0")
    assert [one["id"] for one in await manager.get_conversations_for_export("agent", handle="anna")] == [made]
    assert await manager.get_heartbeat("agent") == {"last_ping_pong_time": 5.0}
    assert manager.supports_export is False
    thread = await ThreadStore(provider=provider).get(made)
    assert thread is not None
    assert thread.messages[0].content == "hello"
