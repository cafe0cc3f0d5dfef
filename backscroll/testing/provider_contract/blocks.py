"""Claims for blocks: what an agent did, part by part, beside what a message says."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from backscroll.errors import MessageNotFoundError
from backscroll.storage.blocks import text_block
from backscroll.storage.models import Attachment, Block, Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.storage.values import INT64
from backscroll.testing.provider_contract.samples import asked, at, begun, external, got, recorded, said, stored, taken

BLOCKS = [{"type": "text", "text": "one"}, {"type": "image", "url": "u"}, {"type": "text", "text": "two"}]
CALL: dict[str, Any] = {"tool_call_id": "call", "tool_name": "find", "tool_input": {"q": 1}, "tool_output": "found"}


async def saved(store: ThreadStore, content: Any = "", **fields: Any) -> str:
    """Save the thread `t` with the message `m`, and return the message's id."""
    await store.save(Thread(id="t", messages=[said(content, id="m", **fields)]))
    return "m"


async def blocks(store: ThreadStore, thread_id: str = "t") -> list[Block]:
    """Return the blocks of a thread's only message."""
    ((_, found),) = await store.get_message_blocks(thread_id)
    return found


def shown(found: list[Block]) -> list[tuple[str, Any]]:
    return [(block["block_type"], block["content"].get("text")) for block in found]


async def test_get_message_blocks_reads_a_content_as_one_text(store: ThreadStore) -> None:
    await saved(store, "hello", created_at=at(1))
    (block,) = await blocks(store)
    assert block == {"id": block["id"], "block_type": "user_text", "content": {"text": "hello"}, "created_at": at(1)}
    assert await blocks(store) == [block]


async def test_get_message_blocks_reads_each_entry_of_a_list(store: ThreadStore) -> None:
    await store.save(Thread(id="t", messages=[Message(role="assistant", content=BLOCKS)]))
    found = await blocks(store)
    assert shown(found) == [("text", "one"), ("content", None), ("text", "two")]
    assert found[1]["content"] == BLOCKS[1]


async def test_get_message_blocks_gives_attachments_as_files(store: ThreadStore) -> None:
    file = Attachment(name="a.pdf", type="application/pdf", size_bytes=5, location="https://files/a")
    await saved(store, "look", attachments=[file], created_at=at(1))
    _, block = await blocks(store)
    assert block.pop("id")
    assert block == {
        "block_type": "user_file",
        "content": {"location": "https://files/a", "sha256": None},
        "created_at": at(1),
        "filename": "a.pdf",
        "mimetype": "application/pdf",
        "size_bytes": 5,
    }


async def test_get_message_blocks_gives_messages_by_sequence(store: ThreadStore) -> None:
    await store.save(Thread(id="t", messages=[said(str(n), id=f"m{n}") for n in range(12)]))
    await store.append_usage_block("m0", model="a")
    found = await store.get_message_blocks("t")
    assert [message_id for message_id, _ in found] == [f"m{n}" for n in range(12)]
    assert [len(its) for _, its in found] == [2] + [1] * 11
    assert await store.get_message_blocks("unknown") == []


async def test_append_text_block_lets_the_content_grow_by_lines(store: ThreadStore) -> None:
    await saved(store)
    ids = [await store.append_text_block("m", text) for text in ("one", "", "two")]
    thread = await store.get("t")
    assert thread is not None
    assert thread.messages[0].content == "one\n\ntwo"
    found = await blocks(store)
    assert shown(found) == [("text", "one"), ("text", ""), ("text", "two")]
    assert [block["id"] for block in found] == ids


async def test_append_text_block_keeps_what_was_said_before_as_a_block(store: ThreadStore) -> None:
    await saved(store, "before")
    await store.append_tool_block("m", **CALL)
    first, tool = await blocks(store)
    await store.append_text_block("m", "after", is_user=True, source_file_id="F1")
    found = await blocks(store)
    assert found[:2] == [first, tool]
    assert shown(found[2:]) == [("user_text", "after")]
    assert found[2]["source_file_id"] == "F1"
    assert (await store.get_messages("t"))[0].content == "before\nafter"


async def test_append_text_block_adds_an_entry_to_a_list(store: ThreadStore) -> None:
    await saved(store, BLOCKS)
    before = await blocks(store)
    await store.append_text_block("m", "three", is_user=True)
    assert (await store.get_messages("t"))[0].content == [*BLOCKS, {"type": "text", "text": "three"}]
    found = await blocks(store)
    assert found[:3] == before
    assert shown(found[3:]) == [("user_text", "three")]


async def test_append_text_block_is_found_and_leaves_no_version(store: ThreadStore, provider: StorageProvider) -> None:
    await saved(store, "old fox")
    await store.append_text_block("m", "new wolf")
    assert [thread.id for thread in await store.search_by_content("fox wolf")] == ["t"]
    assert [thread.id for thread in await store.search_by_content("fox\nnew", substring=True)] == ["t"]
    assert await provider.get_message_versions("m") == []
    assert (await stored(provider, "m")).edited_at is None


async def test_blocks_keep_their_order_around_attachments(store: ThreadStore) -> None:
    await saved(store, "look", attachments=[Attachment(name="a")])
    await store.append_tool_block("m", **CALL)
    before = await blocks(store)
    await store.append_text_block("m", "so")
    found = await blocks(store)
    assert found[:3] == before
    assert [block["block_type"] for block in found] == ["user_text", "user_file", "tool_use", "text"]


async def test_append_file_block_gives_back_what_was_told(store: ThreadStore) -> None:
    await saved(store)
    tool = await store.append_tool_block("m", **CALL)
    told: dict[str, Any] = {"filename": "a.csv", "mimetype": "text/csv", "size_bytes": 0, "tool_block_id": tool}
    file = await store.append_file_block("m", {"url": "u", "n": [1.5]}, is_user=False, **told)
    found = (await blocks(store))[1]
    made_at = found.pop("created_at")
    assert found == {"id": file, "block_type": "file", "content": {"url": "u", "n": [1.5]}, **told}
    assert made_at.utcoffset() is not None


async def test_append_usage_block_gives_back_its_figures(store: ThreadStore) -> None:
    await saved(store)
    told: dict[str, Any] = {"model": "a", "version": "2", "input_tokens": 1, "output_tokens": 2}
    told |= {"cache_creation_input_tokens": 3, "cache_read_input_tokens": 4, "peak_single_call_input_tokens": 5}
    told |= {"estimated_cost_usd": 0.25}
    await store.append_usage_block("m", **told)
    (block,) = await blocks(store)
    assert (block["block_type"], block["content"]) == ("usage", told)


async def edit(store: ThreadStore) -> None:
    await store.edit_message("m", "edited")


async def save(store: ThreadStore) -> None:
    thread = await got(store.provider, "t")
    thread.messages[0].content = "edited"
    await store.save(thread)


@pytest.mark.parametrize("way", [edit, save])
async def test_edit_makes_one_text_of_all(store: ThreadStore, way: Callable[[ThreadStore], Awaitable[None]]) -> None:
    await saved(store, "one")
    await store.append_text_block("m", "two")
    await store.append_tool_block("m", **CALL)
    await way(store)
    assert shown(await blocks(store)) == [("user_text", "edited"), ("tool_use", None)]
    await store.append_text_block("m", "three")
    assert shown(await blocks(store)) == [("user_text", "edited"), ("tool_use", None), ("text", "three")]


async def test_recorded_edit_makes_one_text_of_all(store: ThreadStore, provider: StorageProvider) -> None:
    kept = await recorded(provider, 1, "one")
    await store.append_text_block(kept.message.id, "two")
    await provider.record_edit(external(1), "edited", at(9))
    assert shown(await blocks(store, kept.thread_id)) == [("user_text", "edited")]


async def test_growing_answer_makes_one_text_of_all(store: ThreadStore, provider: StorageProvider) -> None:
    answer = await asked(provider)
    (part,) = await begun(provider, await taken(provider), "one", is_growing=True)
    await store.append_text_block(part.message_id, "two")
    await provider.grow_answer(answer.id, "one", "all", ["all"], is_whole=True)
    assert shown((await store.get_message_blocks(answer.thread_id))[1][1]) == [("text", "all")]


async def test_deleted_message_keeps_what_it_cost_alone(store: ThreadStore) -> None:
    await saved(store, "one", attachments=[Attachment(name="a")])
    await store.append_text_block("m", "two")
    await store.append_tool_block("m", **CALL)
    await store.append_usage_block("m", model="a", input_tokens=7, estimated_cost_usd=1.5)
    await store.delete_message("m")
    assert [block["block_type"] for block in await blocks(store)] == ["usage"]
    stats = await store.get_usage_stats()
    assert (stats["total_tokens"]["total"], stats["total_cost_usd"]["total"]) == (7, 1.5)


async def test_append_refuses_a_message_that_is_not_there(store: ThreadStore) -> None:
    with pytest.raises(MessageNotFoundError, match="unknown is not stored"):
        await store.append_text_block("unknown", "hello")
    await saved(store, "one")
    await store.delete_message("m")
    for append in (store.append_text_block("m", "two"), store.append_tool_block("m", **CALL)):
        with pytest.raises(MessageNotFoundError, match="m was deleted"):
            await append
    assert await blocks(store) == []


@pytest.mark.parametrize(
    ("call", "told", "said_of_it"),
    [
        ("append_tool_block", CALL | {"tool_input": {"a": [float("nan")]}}, r"tool_input\.\*\[0\] is not a finite"),
        ("append_tool_block", CALL | {"tool_input": "text"}, "tool_input is a JSON object"),
        ("append_tool_block", CALL | {"tool_output": {"a": at(1)}}, r"tool_output\.\* is a datetime"),
        ("append_tool_block", CALL | {"tool_call_id": ""}, "tool_call_id is a text of 1 to 500"),
        ("append_usage_block", {"model": "a", "output_tokens": -1}, "output_tokens is a whole number"),
        ("append_usage_block", {"model": "a", "input_tokens": INT64 + 1}, "input_tokens is a whole number"),
        ("append_usage_block", {"model": "a", "input_tokens": INT64, "output_tokens": 1}, "at most 64 bits together"),
        ("append_usage_block", {"model": "a", "estimated_cost_usd": float("inf")}, "from 0 to 1e15"),
        ("append_usage_block", {"model": "a", "estimated_cost_usd": -0.01}, "from 0 to 1e15"),
        ("append_text_block", {"text": b"a"}, "text is a text, got bytes"),
    ],
)
async def test_append_refuses_what_no_backend_holds(
    store: ThreadStore, provider: StorageProvider, call: str, told: dict[str, Any], said_of_it: str
) -> None:
    await saved(store)
    for owner in (store, provider):
        with pytest.raises(ValueError, match=said_of_it):
            await getattr(owner, call)("m", **told)
    assert await blocks(store) == []


async def test_append_keeps_all_that_come_at_once(store: ThreadStore) -> None:
    await saved(store, "begin")
    texts = [store.append_text_block("m", f"line{n}") for n in range(10)]
    calls = [store.append_tool_block("m", **CALL | {"tool_call_id": str(n)}) for n in range(10)]
    ids = await asyncio.gather(*texts, *calls)
    found = await blocks(store)
    assert {block["id"] for block in found[1:]} == set(ids)
    lines = [block["content"]["text"] for block in found if block["block_type"] != "tool_use"]
    assert (await store.get_messages("t"))[0].content == "\n".join(lines)
    assert sorted(lines) == ["begin", *(f"line{n}" for n in range(10))]


async def test_append_block_takes_a_text_that_stands_for_a_repeat(
    store: ThreadStore, provider: StorageProvider
) -> None:
    block = text_block("more", is_user=False, source_file_id=None)
    await saved(store, "begin")
    assert [await provider.append_block("m", block) for _ in range(2)] == [block.id, block.id]
    assert (await store.get_messages("t"))[0].content == "begin\nmore"


async def test_append_makes_its_thread_the_newest(store: ThreadStore) -> None:
    await saved(store)
    await store.get_or_create("newer")
    await store.append_usage_block("m", model="a")
    assert [thread.id for thread in await store.list()] == ["t", "newer"]


async def test_get_usage_stats_counts_usage_blocks_by_model(store: ThreadStore) -> None:
    await saved(store)
    counts: dict[str, Any] = {
        "input_tokens": 1,
        "output_tokens": 2,
        "cache_creation_input_tokens": 3,
        "cache_read_input_tokens": 4,
    }
    await store.append_usage_block("m", model="a", **counts, peak_single_call_input_tokens=99, estimated_cost_usd=0.5)
    await store.append_usage_block("m", model="a", input_tokens=INT64, estimated_cost_usd=0.25)
    await store.append_usage_block("m", model="b", input_tokens=INT64)
    stats = await store.get_usage_stats()
    assert stats["total_tokens"] == {"total": 2 * INT64 + 10, "by_model": {"a": INT64 + 10, "b": INT64}}
    assert stats["total_cost_usd"] == {"total": 0.75, "by_model": {"a": 0.75}}


async def test_get_usage_stats_counts_usage_blocks_in_place_of_what_the_message_says(store: ThreadStore) -> None:
    metrics = {"usage": {"total_tokens": 100}, "model": "a"}
    await store.save(Thread(messages=[said(id="m", metrics=metrics), said(metrics=metrics)]))
    await store.append_usage_block("m", model="a", input_tokens=60, output_tokens=40)
    assert (await store.get_usage_stats())["total_tokens"] == {"total": 200, "by_model": {"a": 200}}


async def test_delete_thread_takes_its_blocks_along(store: ThreadStore) -> None:
    await saved(store)
    await store.append_tool_block("m", **CALL)
    await store.append_usage_block("m", model="a", input_tokens=7)
    await store.delete("t")
    assert await store.get_message_blocks("t") == []
    assert await store.get_tool_call("call") is None
    assert (await store.get_usage_stats())["total_tokens"] == {"total": 0, "by_model": {}}
    await saved(store)
    assert await blocks(store) == []
