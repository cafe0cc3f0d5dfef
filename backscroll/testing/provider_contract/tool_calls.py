"""Claims for tool calls: looked up by id, found by their words, and whole however long their output is."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from backscroll.errors import FileGoneError, MessageNotFoundError
from backscroll.storage.files import LocalFiles
from backscroll.storage.models import Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.search import SEARCHED_LENGTH
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import at, external, recorded, said

LONG = "a lion " * 50_000


@pytest.fixture
def tool_directory(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest_asyncio.fixture(loop_scope="function")
async def tool_store(provider: StorageProvider, tool_directory: Path) -> AsyncIterator[ThreadStore]:
    # What people send is limited; what tools give is not.
    made = ThreadStore(provider=provider, files=LocalFiles(tool_directory, max_file_bytes=1000))
    for name in ("t", "u"):
        await made.save(Thread(id=name, messages=[said("hello", id=f"in {name}")]))
    yield made
    await made.close()


def call(output: Any = "found", call_id: str = "call", **told: Any) -> dict[str, Any]:
    return {"tool_call_id": call_id, "tool_name": "find", "tool_input": {}, "tool_output": output} | told


async def found_by(tool_store: ThreadStore, query: str, **options: Any) -> list[str]:
    return sorted(thread.id for thread in await tool_store.search_by_content(query, **options))


def kept_files(tool_directory: Path) -> list[str]:
    return sorted(path.name for path in tool_directory.rglob("*/*") if path.is_file())


async def test_get_tool_call_gives_back_what_was_called(tool_store: ThreadStore, provider: StorageProvider) -> None:
    await tool_store.append_tool_block(
        "in t", **call({"b": 1e23, "a": ["ö"]}, tool_input={"q": {"x": 1}}, is_error=True)
    )
    found = await tool_store.get_tool_call("call")
    assert found == {
        "tool_name": "find",
        "input_json": '{\n  "q": {\n    "x": 1\n  }\n}',
        "output_json": '{"b":1e+23,"a":["ö"]}',
        "is_error": True,
    }
    assert await provider.get_tool_call("call") == found


async def test_get_tool_call_gives_a_text_as_it_is(tool_store: ThreadStore) -> None:
    await tool_store.append_tool_block("in t", **call('"quoted"\n'))
    found = await tool_store.get_tool_call("call")
    assert found is not None
    assert (found["output_json"], found["is_error"]) == ('"quoted"\n', False)
    assert await tool_store.get_tool_call("unknown") is None


async def test_get_tool_call_gives_the_newest(tool_store: ThreadStore) -> None:
    for message_id, output in (("in u", "first"), ("in t", "last")):
        await tool_store.append_tool_block(message_id, **call(output))
    found = await tool_store.get_tool_call("call")
    assert found is not None
    assert found["output_json"] == "last"
    await tool_store.delete_message("in t")
    found = await tool_store.get_tool_call("call")
    assert found is not None
    assert found["output_json"] == "first"


async def test_append_tool_block_keeps_a_repeat_once(tool_store: ThreadStore) -> None:
    first = await tool_store.append_tool_block("in t", **call("one"))
    assert await tool_store.append_tool_block("in t", **call("two")) == first
    assert await tool_store.append_tool_block("in t", **call("two", "other")) != first
    ((_, found),) = await tool_store.get_message_blocks("t")
    assert [block["content"].get("tool_output") for block in found] == [None, "one", "two"]


async def test_search_finds_a_message_by_its_tools(tool_store: ThreadStore) -> None:
    told = call({"deep": ["tiger\nbear", 42, True]}, tool_name="zoo_search", tool_input={"place": "Köln"})
    await tool_store.append_tool_block("in t", **told)
    queries = ("hello zoo koln", "place deep", "tiger bear", "42 true", "hello call", "nbear")
    assert [await found_by(tool_store, query) for query in queries] == [["t"]] * 4 + [[], []]
    assert await found_by(tool_store, "oln\ndeep\nti", substring=True) == ["t"]
    assert await found_by(tool_store, r"hello\nzoo_search\nplace\nköln$|^tigers", regex=True) == []
    assert await found_by(tool_store, r"(?m)hello\nzoo_search\nplace\nköln$", regex=True) == ["t"]


async def test_search_finds_a_message_by_its_tools_after_changes(
    tool_store: ThreadStore, provider: StorageProvider
) -> None:
    kept = await recorded(provider, 1, "fox")
    await tool_store.append_tool_block(kept.message.id, **call("tiger"))
    await tool_store.append_tool_block(kept.message.id, **call("lynx", "other"))
    await provider.record_edit(external(1), "wolf", at(9))
    await tool_store.append_text_block(kept.message.id, "crow")
    for options in ({}, {"regex": True}, {"substring": True}):
        wanted = [[], [kept.thread_id], [kept.thread_id], [kept.thread_id]]
        assert [await found_by(tool_store, word, **options) for word in ("fox", "tiger", "crow", "lynx")] == wanted
    assert await found_by(tool_store, "wolf crow tiger lynx") == [kept.thread_id]
    await tool_store.delete_message(kept.message.id)
    for options in ({}, {"regex": True}, {"substring": True}):
        assert await found_by(tool_store, "tiger", **options) == []


async def test_search_reads_the_first_100_000_characters_of_all(tool_store: ThreadStore) -> None:
    begin = "x" * (SEARCHED_LENGTH - 60)
    await tool_store.append_tool_block("in t", **call(f"{begin} tiger", "1"))
    await tool_store.append_tool_block("in t", **call(f"bear {'y' * 100} lynx", "2"))
    await tool_store.append_tool_block("in t", **call("crow", "3"))
    words = ("hello tiger", "bear", "lynx", "crow")
    for options in ({}, {"substring": True}):
        assert [await found_by(tool_store, word, **options) for word in words][1:] == [["t"], [], []]
    await tool_store.edit_message("in t", "z" * 60)
    assert [await found_by(tool_store, word) for word in ("tiger", "bear")] == [[], []]
    await tool_store.edit_message("in t", "")
    assert [await found_by(tool_store, word) for word in ("tiger bear", "lynx")] == [["t"], []]


async def test_long_output_is_kept_whole_as_a_file(
    tool_store: ThreadStore, provider: StorageProvider, tool_directory: Path
) -> None:
    await tool_store.append_tool_block("in t", **call(LONG))
    found = await tool_store.get_tool_call("call")
    assert found is not None
    assert found["output_json"] == LONG
    _, block = (await provider.get_message_blocks("t"))[0][1]
    sha256 = hashlib.sha256(LONG.encode()).hexdigest()
    assert block["content"]["tool_output"] == LONG[:SEARCHED_LENGTH]
    assert block["output_file"] == {"sha256": sha256, "size_bytes": len(LONG)}
    assert kept_files(tool_directory) == [sha256]
    assert await found_by(tool_store, "lion") == ["t"]


async def test_long_output_that_is_no_text_is_kept_as_json(tool_store: ThreadStore) -> None:
    output = {"found": ["ö" * 1000] * 300}
    await tool_store.append_tool_block("in t", **call(output))
    found = await tool_store.get_tool_call("call")
    assert found is not None
    assert json.loads(found["output_json"]) == output


async def test_long_output_goes_with_the_last_message_that_has_it(
    tool_store: ThreadStore, tool_directory: Path
) -> None:
    for message_id, call_id, output in (("in t", "1", LONG), ("in u", "1", LONG), ("in u", "2", f"{LONG}!")):
        await tool_store.append_tool_block(message_id, **call(output, call_id))
    assert len(kept_files(tool_directory)) == 2
    await tool_store.delete_message("in u")
    assert kept_files(tool_directory) == [hashlib.sha256(LONG.encode()).hexdigest()]
    await tool_store.delete("t")
    assert kept_files(tool_directory) == []


async def test_long_output_that_is_not_kept_leaves_no_file(tool_store: ThreadStore, tool_directory: Path) -> None:
    await tool_store.append_tool_block("in t", **call("short"))
    await tool_store.append_tool_block("in t", **call(LONG))
    with pytest.raises(MessageNotFoundError):
        await tool_store.append_tool_block("unknown", **call(LONG))
    assert kept_files(tool_directory) == []


async def test_long_output_that_another_store_has_is_told_of(tool_store: ThreadStore, tmp_path: Path) -> None:
    await tool_store.append_tool_block("in t", **call(LONG))
    other = ThreadStore(provider=tool_store.provider, files=LocalFiles(tmp_path / "other"))
    with pytest.raises(FileGoneError, match="call"):
        await other.get_tool_call("call")


async def test_output_of_50_megabytes_is_kept_whole(tmp_path: Path) -> None:
    output = "line of a log\n" * 3_600_000
    async with ThreadStore(str(tmp_path / "threads.db")) as tool_store:
        await tool_store.save(Thread(id="t", messages=[said(id="m")]))
        await tool_store.append_tool_block("m", **call(output))
        found = await tool_store.get_tool_call("call")
    assert found is not None
    assert found["output_json"] == output
