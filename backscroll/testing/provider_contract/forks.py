"""Claims for forks: threads that begin as a part of another."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from backscroll.errors import MessageIndexError, StorageError, ThreadExistsError
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import at, external, got, recorded, said


@pytest_asyncio.fixture(loop_scope="function")
async def parent(provider: StorageProvider) -> str:
    """Keep a thread of a platform with three messages, the second edited, the third deleted, and give its id."""
    first = said("one", id="m1", created_at=at(1), attributes={"n": 1}, metrics={"usage": {"total_tokens": 7}})
    thread_id = (await recorded(provider, 1, message=first, user_id="U1", agent_name="helper", title="Ask")).thread_id
    await provider.update_thread(thread_id, metadata={"team": 5})
    second = Message(role="assistant", id="m2", content="two", created_at=at(2), name="Helper")
    await recorded(provider, 2, message=second)
    await provider.record_edit(external(2), "TWO", at(9))
    for emoji, user in (("+1", "U1"), ("eyes", "U2"), ("eyes", "U1")):
        await provider.add_reaction(thread_id, "m2", emoji, user)
    await provider.remove_reaction(thread_id, "m2", "eyes", "U2")
    await recorded(provider, 3, message=said("three", id="m3", created_at=at(3)))
    await provider.delete_message("m3")
    return thread_id


def described(message: Message) -> dict[str, Any]:
    return message.model_dump(exclude={"id", "updated_at"})


async def fork(store: ThreadStore, thread_id: str, index: int = 1, name: str = "f", **options: Any) -> Thread:
    made = await store.fork_thread(thread_id, index, name, **options)
    assert made is not None
    return made


async def texts(store: ThreadStore, thread_id: str) -> list[str]:
    return [message.text for message in await store.get_messages(thread_id)]


async def test_fork_thread_copies_the_messages_up_to_an_index(store: ThreadStore, parent: str) -> None:
    made = await fork(store, parent, 2)
    before = await got(store.provider, parent)

    assert await store.get("f") == made
    assert [described(message) for message in made.messages] == [described(message) for message in before.messages]
    assert [message.sequence for message in made.messages] == [1, 2, 3]
    assert not {message.id for message in made.messages} & {"m1", "m2", "m3"}
    assert made.messages[1].edited_at == at(9)
    assert made.messages[1].reactions == {"+1": ["U1"], "eyes": ["U1"]}
    assert made.messages[2].deleted_at is not None


async def test_fork_thread_says_where_it_comes_from(store: ThreadStore, parent: str) -> None:
    made = await fork(store, parent)
    named = await fork(store, parent, 0, "f2", title="Other way")

    told = made.title, made.user_id, made.agent_name, made.attributes, made.parent_id, made.forked_at
    assert told == ("Fork of Ask", "U1", "helper", {"team": 5}, parent, 2)
    assert (named.title, named.forked_at, [message.text for message in named.messages]) == ("Other way", 1, ["one"])
    assert (await fork(store, parent, 0, "f3", title="")).title == ""


async def test_fork_thread_gives_no_messages_where_they_are_not_wanted(store: ThreadStore, parent: str) -> None:
    assert (await fork(store, parent, with_messages=False)).messages == []
    assert await texts(store, "f") == ["one", "TWO"]


async def test_fork_thread_leaves_places_outside_to_the_parent(store: ThreadStore, parent: str) -> None:
    made = await fork(store, parent)

    assert made.platforms == {}
    assert made.messages[0].platforms == (await got(store.provider, parent)).messages[0].platforms
    assert [thread.id for thread in await store.find_by_platform("slack", {})] == [parent]
    assert await store.get_thread_aliases("f") == []
    found = await store.provider.find_external(external(1))
    assert found is not None
    assert (found[0], found[1].id) == (parent, "m1")
    assert not (await recorded(store.provider, 1, message=said("again"))).is_new


async def test_fork_thread_is_found_by_what_it_carries(store: ThreadStore, parent: str) -> None:
    await fork(store, parent)

    found = [
        await store.find_by_attributes({"team": 5}),
        await store.search_by_content("one"),
        await store.search_by_title("ask"),
    ]
    assert [{thread.id for thread in each} for each in found] == [{parent, "f"}] * 3
    assert [thread.id for thread in await store.search_by_title("fork")] == ["f"]


async def test_fork_thread_copies_no_feedback_answer_or_version(store: ThreadStore, parent: str) -> None:
    await recorded(store.provider, 4, message=said("four"), asks="yes")
    await store.add_feedback(parent, "U1", message_id="m2", comment="fine")
    answers = await store.provider.list_answers()
    made = await fork(store, parent, 3)

    assert await store.get_feedback(thread_id="f") == []
    assert await store.provider.list_answers() == answers
    assert await store.provider.get_message_versions(made.messages[1].id) == []


async def test_fork_thread_goes_on_by_itself(store: ThreadStore, parent: str) -> None:
    made = await fork(store, parent)
    await store.edit_message(made.messages[0].id, "changed")
    await store.add_reaction("f", made.messages[1].id, "+1", "U9")
    added = await store.add_message("f", said("more"))

    assert added.sequence == 3
    assert await texts(store, "f") == ["changed", "TWO", "more"]
    assert await texts(store, parent) == ["one", "TWO", ""]
    assert (await got(store.provider, parent)).messages[1].reactions["+1"] == ["U1"]
    assert [each.user_id for each in await store.get_feedback(thread_id="f")] == ["U9"]


async def test_fork_thread_counts_no_tokens_again(store: ThreadStore, parent: str) -> None:
    before = (await store.get_usage_stats())["total_tokens"]
    made = await fork(store, parent)

    assert made.get_total_tokens() == 7
    assert (await store.get_usage_stats())["total_tokens"] == before


async def test_fork_thread_needs_its_files_as_long_as_it_is_kept(store: ThreadStore) -> None:
    await store.get_or_create("t")
    file = Attachment(name="a.txt", content=b"content")
    await store.add_message("t", said("file", attachments=[file]))
    made = await fork(store, "t", 0)
    await store.delete("t")

    assert made.messages[0].attachments[0].name == "a.txt"
    assert await store.read_file(made.messages[0].attachments[0]) == b"content"
    await store.delete("f")
    assert await store.read_file(file) is None


async def test_fork_thread_lets_files_be_fetched_for_the_copy_too(provider: StorageProvider) -> None:
    wanted = Attachment(name="plan.txt", location="https://files.example.com/plan.txt")
    kept = await recorded(provider, 1, message=said("file", attachments=[wanted]), fetches=True)
    made = await provider.fork_thread(kept.thread_id, 0, "f")

    assert made is not None
    ids = {each.message_id for each in await provider.list_wanted_files(["slack"])}
    assert ids == {kept.message.id, made.messages[0].id}


async def test_fork_thread_copies_blocks(provider: StorageProvider) -> None:
    await provider.create_thread("t", "U1", "helper")
    message = await provider.add_message("t", "assistant", "said")
    tool = await provider.append_tool_block(
        message.id, tool_call_id="call", tool_name="look", tool_input={"q": 1}, tool_output="found"
    )
    await provider.append_file_block(
        message.id, {"url": "x"}, is_user=False, filename="a", mimetype=None, size_bytes=1, tool_block_id=tool
    )
    await provider.append_usage_block(message.id, model="m", input_tokens=5, estimated_cost_usd=0.5)
    await provider.append_text_block(message.id, "and more")
    before, figures = await provider.get_message_blocks("t"), await provider.get_usage_stats()
    made = await provider.fork_thread("t", 0, "f")

    assert made is not None
    ((message_id, blocks),) = await provider.get_message_blocks("f")
    assert message_id == made.messages[0].id
    plain = [
        [{name: each[name] for name in each if name not in ("id", "tool_block_id")} for each in some]
        for some in (before[0][1], blocks)
    ]
    assert plain[0] == plain[1]
    ids = {each["block_type"]: each["id"] for each in blocks}
    assert [each["tool_block_id"] for each in blocks if "tool_block_id" in each] == [ids["tool_use"]]
    assert not {each["id"] for each in blocks} & {each["id"] for each in before[0][1]}
    assert (await provider.get_usage_stats()).as_dict()["total_tokens"] == figures.as_dict()["total_tokens"]


@pytest.mark.parametrize("index", [-1, 3, 10**30])
async def test_fork_thread_refuses_an_index_outside_the_thread(store: ThreadStore, parent: str, index: int) -> None:
    with pytest.raises(MessageIndexError, match=f"{parent} has no message at index {index}: it has 3") as caught:
        await store.fork_thread(parent, index, "f")
    assert all(isinstance(caught.value, each) for each in (StorageError, IndexError, ValueError))
    assert await store.get("f") is None


async def test_fork_thread_refuses_what_cannot_be(store: ThreadStore, parent: str) -> None:
    refused: list[tuple[Any, Any, str]] = [("1", "f", "message_index"), (True, "f", "message_index"), (0, "", "new_id")]
    for index, name, named in refused:
        with pytest.raises(ValueError, match=named):
            await store.fork_thread(parent, index, name)


async def test_fork_thread_gives_none_for_an_unknown_parent(store: ThreadStore) -> None:
    assert await store.fork_thread("unknown", 0, "f") is None
    assert await store.get("f") is None


async def test_fork_thread_leaves_the_thread_that_has_the_id(store: ThreadStore, parent: str) -> None:
    await store.create_thread("f", "U9", "other", title="Mine")
    before = await store.get_stats()

    for name in ("f", parent):
        with pytest.raises(ThreadExistsError, match=name):
            await store.fork_thread(parent, 0, name)
    assert (await got(store.provider, "f")).title == "Mine"
    assert await store.get_stats() == before


async def test_fork_thread_makes_one_under_concurrency(store: ThreadStore, parent: str) -> None:
    told = await asyncio.gather(*(store.fork_thread(parent, 1, "f") for _ in range(10)), return_exceptions=True)

    assert [type(each) for each in told].count(ThreadExistsError) == 9
    assert await texts(store, "f") == ["one", "TWO"]


async def test_fork_thread_is_whole_while_its_parent_is_written_to(store: ThreadStore) -> None:
    await store.get_or_create("t")
    for number in range(5):
        await store.add_message("t", said(str(number), id=f"m{number}"))

    async def fork_one(number: int) -> Thread:
        return await fork(store, "t", 4, f"f{number}")

    async def write(number: int) -> None:
        await store.add_message("t", said("later"))
        await store.edit_message("m4", f"edit {number}")
        await store.add_reaction("t", "m4", "eyes", f"edit {number}")

    steps = [step for number in range(8) for step in (fork_one(number), write(number))]
    made = [each for each in await asyncio.gather(*steps) if each is not None]
    for each in made:
        assert [message.sequence for message in each.messages] == [1, 2, 3, 4, 5]
        assert [message.text for message in each.messages[:4]] == ["0", "1", "2", "3"]
    kept = await got(store.provider, "t")
    assert [message.sequence for message in kept.messages] == list(range(1, 14))


async def test_fork_thread_of_one_that_is_deleted_at_once_is_whole_or_nothing(store: ThreadStore, parent: str) -> None:
    made, _ = await asyncio.gather(store.fork_thread(parent, 1, "f"), store.delete(parent))

    assert await texts(store, "f") == ([] if made is None else ["one", "TWO"])
    lineage = await store.get_thread_lineage("f")
    assert [each["is_deleted"] for each in lineage["ancestors"]] == ([] if made is None else [True])
