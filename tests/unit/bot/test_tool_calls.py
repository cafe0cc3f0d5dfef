"""What a handler notes of its work: tool calls and usage, kept at once, whatever becomes of the handler."""

from datetime import UTC, datetime
from typing import Any

import pytest

from backscroll.bot.turn import Turn
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from tests.unit.bot.stage import Flaky, Recorder, answering, ask, away, states

pytestmark = pytest.mark.usefixtures("short_waits")


async def notes(turn: Turn) -> str:
    await turn.add_tool_call("call 1", name="search", input={"query": "x"}, output=["found"])
    await turn.add_usage("m", input_tokens=30, output_tokens=12, cost_usd=0.5)
    return "the answer"


async def test_what_is_noted_is_kept_with_the_question(provider: StorageProvider, adapter: Recorder) -> None:
    (message_id,) = await ask(provider, "q")
    async with answering(provider, adapter, notes) as bot:
        await bot.drained()
    store = ThreadStore(provider=provider)
    call = await store.get_tool_call("call 1")
    assert call is not None
    assert (call["tool_name"], call["is_error"]) == ("search", False)
    ((thread),) = await store.list_recent()
    blocks = dict(await store.get_message_blocks(thread.id))[message_id]
    assert [block["block_type"] for block in blocks][-2:] == ["tool_use", "usage"]
    assert (await store.get_usage_stats())["total_tokens"] == {"total": 42, "by_model": {"m": 42}}


async def test_usage_of_a_try_that_failed_counts(provider: StorageProvider, adapter: Recorder) -> None:
    async def fails_first(turn: Turn) -> str:
        await notes(turn)
        if turn.attempt == 1:
            raise ValueError
        return "the answer"

    await ask(provider, "q")
    async with answering(provider, adapter, fails_first) as bot:
        await bot.drained()
    stats = await ThreadStore(provider=provider).get_usage_stats()
    assert stats["total_tokens"]["total"] == 84


async def test_noting_waits_for_the_storage(flaky: Flaky, adapter: Recorder) -> None:
    flaky.faults["append_block"] = away(2)
    await ask(flaky, "q")
    async with answering(flaky, adapter, notes) as bot:
        await bot.drained()
    assert await states(flaky) == ["sent"]
    assert (await ThreadStore(provider=flaky).get_usage_stats())["total_tokens"]["total"] == 42


async def test_usage_whose_keeping_was_unknown_counts_once(flaky: Flaky, adapter: Recorder) -> None:
    async def notes_usage(turn: Turn) -> str:
        await turn.add_usage("m", input_tokens=42)
        return "the answer"

    flaky.late_faults["append_block"] = away(2)
    await ask(flaky, "q")
    async with answering(flaky, adapter, notes_usage) as bot:
        await bot.drained()
    assert (await ThreadStore(provider=flaky).get_usage_stats())["total_tokens"]["total"] == 42


@pytest.mark.parametrize(
    "output",
    [b"bytes", float("nan"), datetime(2026, 1, 1, tzinfo=UTC), object()],
    ids=["bytes", "NaN", "date", "object"],
)
async def test_noting_refuses_what_json_cannot_hold(provider: StorageProvider, adapter: Recorder, output: Any) -> None:
    async def sees(turn: Turn) -> str:
        with pytest.raises(ValueError, match=r"^output"):
            await turn.add_tool_call(name="search", input={}, output=output)
        return "never mind"

    await ask(provider, "q")
    async with answering(provider, adapter, sees) as bot:
        await bot.drained()
    assert await states(provider) == ["sent"]


async def test_noting_names_the_argument_as_the_turn_does(provider: StorageProvider) -> None:
    turn = Turn(Thread(), Message(role="user", content="q"), 1, ThreadStore(provider=provider))
    with pytest.raises(ValueError, match=r"^input is a JSON object"):
        await turn.add_tool_call(name="search", input=[], output=None)  # type: ignore[arg-type]  # that is the fault
    with pytest.raises(ValueError, match=r"^name "):
        await turn.add_tool_call(name="", input={}, output=None)
    with pytest.raises(ValueError, match=r"^cost_usd is a number"):
        await turn.add_usage("m", cost_usd=-1)


async def test_noting_of_a_deleted_question_keeps_nothing_and_goes_on(
    provider: StorageProvider, adapter: Recorder
) -> None:
    async def deleted_under_way(turn: Turn) -> str:
        await provider.delete_message(turn.message.id)
        return await notes(turn)

    await ask(provider, "q")
    async with answering(provider, adapter, deleted_under_way) as bot:
        await bot.drained()
    assert adapter.texts == ["the answer"]
    assert await ThreadStore(provider=provider).get_tool_call("call 1") is None


async def test_turn_without_a_bot_notes_in_its_store(provider: StorageProvider) -> None:
    store = ThreadStore(provider=provider)
    thread = await store.save(Thread(messages=[Message(role="user", content="q")]))
    turn = Turn(thread, thread.messages[0], 1, store)
    call_id = await turn.add_tool_call(name="search", input={}, output=None, is_error=True)
    await turn.add_usage("m", input_tokens=1)
    assert await store.get_tool_call(call_id) is not None
    assert (await store.get_usage_stats())["total_tokens"]["total"] == 1
