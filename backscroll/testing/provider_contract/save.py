"""Claims for `save()`: it merges what two stale copies changed, and drops nothing."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from backscroll.errors import MessageExistsError, ThreadNotFoundError
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import said


def example() -> Thread:
    """Make a thread that has something of everything."""
    return Thread(
        id="t",
        title="Old",
        user_id="U0",
        agent_name="old",
        attributes={"a": 1, "b": {"deep": [1]}, "c": "gone soon"},
        platforms={"slack": {"channel": "C1"}, "discord": {"guild": "G1"}},
        messages=[
            said("first", id="m1", reactions={"+1": ["U1", "U2"], "eyes": ["U1"]}),
            said("second", id="m2"),
            Message(role="assistant", id="m3", content=[{"type": "text", "text": "third"}]),
        ],
    )


async def read(store: ThreadStore, thread_id: str = "t") -> Thread:
    thread = await store.get(thread_id)
    assert thread is not None
    return thread


async def saved_by_two(store: ThreadStore, one: Callable[[Thread], object], two: Callable[[Thread], object]) -> Thread:
    """Save two stale copies, each changed in its way, one after the other, and read what came of it."""
    await store.save(example())
    copies = await read(store), await read(store)
    for copy, change in zip(copies, (one, two), strict=True):
        change(copy)
    for copy in copies:
        await store.save(copy)
    return await read(store)


def content_of(thread: Thread) -> list[Any]:
    return [message.content for message in thread.messages]


CHANGES: dict[str, tuple[Callable[[Thread], object], Callable[[Thread], Any], Any]] = {
    "title": (lambda t: setattr(t, "title", "New"), lambda t: t.title, "New"),
    "user_id": (lambda t: setattr(t, "user_id", None), lambda t: t.user_id, None),
    "agent_name": (lambda t: setattr(t, "agent_name", "new"), lambda t: t.agent_name, "new"),
    "attribute set": (lambda t: t.attributes.update(d=None), lambda t: t.attributes["d"], None),
    "attribute changed": (lambda t: t.attributes.update(a=2), lambda t: t.attributes["a"], 2),
    "attribute's type changed": (lambda t: t.attributes.update(a=1.0), lambda t: repr(t.attributes["a"]), "1.0"),
    "attribute removed": (lambda t: t.attributes.pop("c"), lambda t: "c" in t.attributes, False),
    "attribute changed in place": (
        lambda t: t.attributes["b"]["deep"].append(2),
        lambda t: t.attributes["b"],
        {"deep": [1, 2]},
    ),
    "platform added": (
        lambda t: t.platforms.update(console={"workspace": "w"}),
        lambda t: t.platforms["console"],
        {"workspace": "w"},
    ),
    "platform changed": (
        lambda t: t.platforms["slack"].update(thread_ts="1"),
        lambda t: t.platforms["slack"],
        {"channel": "C1", "thread_ts": "1"},
    ),
    "platform removed": (lambda t: t.platforms.pop("discord"), lambda t: list(t.platforms)[:1], ["slack"]),
    "message content": (
        lambda t: setattr(t.messages[0], "content", "1st"),
        lambda t: t.messages[0].content,
        "1st",
    ),
    "message content in place": (
        lambda t: t.messages[2].content.append({"type": "more"}),  # type: ignore[union-attr]
        lambda t: t.messages[2].content,
        [{"type": "text", "text": "third"}, {"type": "more"}],
    ),
    "reaction added": (
        lambda t: t.add_reaction("m1", "+1", "U3"),
        lambda t: t.get_reactions("m1")["+1"],
        ["U1", "U2", "U3"],
    ),
    "reaction removed": (
        lambda t: t.remove_reaction("m1", "eyes", "U1"),
        lambda t: "eyes" in t.get_reactions("m1"),
        False,
    ),
    "message added": (lambda t: t.add_message(said("fourth", id="m4")), lambda t: t.messages[3].content, "fourth"),
    "message removed from the object": (lambda t: t.messages.pop(1), lambda t: content_of(t)[1], "second"),
}
NEIGHBOURS = ["title", "attribute set", "message content in place", "reaction added"]


@pytest.mark.parametrize("name", CHANGES)
async def test_save_keeps_one_copys_change_beside_the_others(store: ThreadStore, name: str) -> None:
    change, look, wanted = CHANGES[name]
    other = lambda t: [CHANGES[each][0](t) for each in NEIGHBOURS if each != name and each[:8] != name[:8]]  # noqa: E731
    assert look(await saved_by_two(store, change, other)) == wanted
    await store.delete("t")
    merged = await saved_by_two(store, other, change)
    assert look(merged) == wanted
    for each in NEIGHBOURS:
        if each != name and each[:8] != name[:8]:
            assert CHANGES[each][1](merged) == CHANGES[each][2]


async def test_save_keeps_the_messages_that_two_copies_added(store: ThreadStore) -> None:
    merged = await saved_by_two(
        store, lambda t: t.add_message(said("one", id="o")), lambda t: t.add_message(said("two", id="w"))
    )
    assert [(message.id, message.sequence) for message in merged.messages[3:]] == [("o", 4), ("w", 5)]


async def test_save_keeps_what_both_copies_added_also_at_the_same_time(store: ThreadStore) -> None:
    await store.save(example())
    copies = [await read(store) for _ in range(10)]
    for number, copy in enumerate(copies):
        copy.add_message(said(str(number)))
        copy.attributes[f"key {number}"] = number
        copy.add_reaction("m2", "+1", f"U{number}")
    await asyncio.gather(*(store.save(copy) for copy in copies))
    merged = await read(store)
    assert [message.sequence for message in merged.messages] == list(range(1, 14))
    assert sorted(merged.attributes) == ["a", "b", "c", *(f"key {number}" for number in range(10))]
    assert sorted(merged.get_reactions("m2")["+1"]) == [f"U{number}" for number in range(10)]


async def test_save_gives_a_field_that_two_changed_to_the_last(store: ThreadStore) -> None:
    merged = await saved_by_two(store, lambda t: t.attributes.update(a="one"), lambda t: t.attributes.update(a="two"))
    assert merged.attributes["a"] == "two"


async def test_save_leaves_a_field_alone_that_another_changed(store: ThreadStore) -> None:
    merged = await saved_by_two(store, lambda t: setattr(t, "title", "New"), lambda t: None)
    assert merged.title == "New"


async def test_save_keeps_a_removal_beside_a_stale_copy(store: ThreadStore) -> None:
    merged = await saved_by_two(store, lambda t: t.attributes.pop("a"), lambda t: t.attributes.update(z=1))
    assert "a" not in merged.attributes


async def test_save_writes_nothing_when_nothing_was_changed(store: ThreadStore) -> None:
    await store.save(example())
    before = await read(store)
    copy = await read(store)
    await store.save(copy)
    await store.save(copy)
    after = await read(store)
    assert after.model_dump(exclude={"updated_at"}) == before.model_dump(exclude={"updated_at"})
    assert [message.edited_at for message in after.messages] == [None] * 3


async def test_save_twice_writes_one_change_once(store: ThreadStore) -> None:
    await store.save(example())
    copy = await read(store)
    copy.messages[0].content = "1st"
    copy.title = "New"
    await store.save(copy)
    await store.edit_message("m1", "another's")
    await store.save(copy)
    assert (await read(store)).messages[0].content == "another's"


async def test_save_fills_in_sequences_and_gives_the_same_thread_back(store: ThreadStore) -> None:
    thread = example()
    assert await store.save(thread) is thread
    assert [message.sequence for message in thread.messages] == [1, 2, 3]


async def test_save_keeps_the_thread_that_it_was_given(store: ThreadStore) -> None:
    thread = example()
    await store.save(thread)
    found = await read(store)
    assert found.model_dump(exclude={"updated_at"}) == thread.model_dump(exclude={"updated_at"})


async def test_save_without_memory_adds_to_what_is_stored(store: ThreadStore) -> None:
    await store.save(example())
    fresh = Thread(id="t", attributes={"z": 1}, messages=[said("fourth", id="m4")])
    await store.save(fresh)
    merged = await read(store)
    assert (merged.title, merged.user_id, merged.agent_name) == ("Old", "U0", "old")
    assert merged.attributes == example().attributes | {"z": 1}
    assert merged.platforms == example().platforms
    assert [message.id for message in merged.messages] == ["m1", "m2", "m3", "m4"]
    assert fresh.messages[0].sequence == 4


async def test_save_without_memory_sets_what_the_object_has(store: ThreadStore) -> None:
    await store.save(example())
    await store.save(Thread(id="t", title="New", user_id="U9", attributes={"a": 9}))
    merged = await read(store)
    assert (merged.title, merged.user_id, merged.attributes["a"]) == ("New", "U9", 9)


async def test_save_without_memory_leaves_stored_messages_alone(store: ThreadStore) -> None:
    await store.save(example())
    before = await read(store)
    await store.save(Thread(id="t", messages=[said("changed", id="m1", attachments=[Attachment(name="a")])]))
    assert (await read(store)).messages == before.messages


async def test_save_of_a_dumped_and_loaded_thread_duplicates_nothing(store: ThreadStore) -> None:
    await store.save(example())
    before = await read(store)
    await store.save(Thread.model_validate_json(before.model_dump_json()))
    assert (await read(store)).messages == before.messages


async def test_save_refuses_a_thread_that_was_deleted_meanwhile(store: ThreadStore) -> None:
    await store.save(example())
    copy = await read(store)
    await store.delete("t")
    copy.title = "New"
    with pytest.raises(ThreadNotFoundError):
        await store.save(copy)
    assert await store.get("t") is None


async def test_save_passes_over_changes_of_tombstones(store: ThreadStore) -> None:
    await store.save(example())
    copy = await read(store)
    await store.delete_message("m1")
    copy.messages[0].content = "changed"
    copy.add_reaction("m1", "+1", "U9")
    copy.title = "New"
    await store.save(copy)
    merged = await read(store)
    assert (merged.title, merged.messages[0].content, merged.get_reactions("m1")) == ("New", "", {})


async def test_save_does_not_store_system_messages(store: ThreadStore) -> None:
    thread = Thread(id="t", messages=[Message(role="system", content="be kind"), said("hello")])
    await store.save(thread)
    await store.save(thread)
    assert content_of(await read(store)) == ["hello"]


async def test_save_leaves_system_messages_in_the_object(store: ThreadStore) -> None:
    thread = Thread(id="t", messages=[Message(role="system", content="be kind"), said("hello")])
    await store.save(thread)
    assert [(message.role, message.sequence) for message in thread.messages] == [("system", None), ("user", 1)]


async def test_save_refuses_a_message_of_another_thread_and_writes_nothing(store: ThreadStore) -> None:
    await store.save(example())
    await store.save(Thread(id="other", title="Other"))
    thief = await read(store, "other")
    thief.title = "New"
    thief.messages = [said("mine", id="mine"), said("stolen", id="m1")]
    with pytest.raises(MessageExistsError):
        await store.save(thief)
    other = await read(store, "other")
    assert (other.title, other.messages) == ("Other", [])


async def test_save_refuses_a_message_of_another_thread_and_makes_no_thread(store: ThreadStore) -> None:
    await store.save(example())
    with pytest.raises(MessageExistsError):
        await store.save(Thread(id="new", messages=[said("stolen", id="m1")]))
    assert await store.get("new") is None


async def test_save_can_be_repeated_after_it_was_refused(store: ThreadStore) -> None:
    await store.save(example())
    thread = Thread(id="new", messages=[said("mine", id="mine"), said("stolen", id="m1")])
    with pytest.raises(MessageExistsError):
        await store.save(thread)
    thread.messages.pop()
    await store.save(thread)
    assert content_of(await read(store, "new")) == ["mine"]


async def test_save_takes_an_external_id_that_is_stored_for_a_repeat(store: ThreadStore) -> None:
    place = {"slack": {"team": "T1", "channel": "C1", "ts": "1.0"}}
    await store.save(Thread(id="t", messages=[said("first", id="m1", platforms=place)]))
    thread = Thread(id="t", messages=[said("again", platforms=place), said("new", id="m2")])
    await store.save(thread)
    assert [(message.id, message.sequence) for message in thread.messages] == [("m1", 1), ("m2", 2)]
    assert content_of(await read(store)) == ["first", "new"]


async def test_save_takes_a_repeat_for_one_also_under_anothers_message_id(store: ThreadStore) -> None:
    place = {"slack": {"team": "T1", "channel": "C1", "ts": "1.0"}}
    await store.save(Thread(id="t", messages=[said("first", id="m1", platforms=place)]))
    await store.save(Thread(id="other", messages=[said("theirs", id="m2")]))
    await store.save(Thread(id="t", messages=[said("again", id="m2", platforms=place)]))
    assert content_of(await read(store)) == ["first"]


async def test_save_takes_one_message_twice_in_the_object_once(store: ThreadStore) -> None:
    message = said("hello", id="m1")
    await store.save(Thread(id="t", messages=[message, message.model_copy()]))
    assert content_of(await read(store)) == ["hello"]


async def test_save_leaves_what_is_changed_meanwhile_for_the_next(store: ThreadStore) -> None:
    await store.save(example())
    copy = await read(store)
    copy.title = "New"
    saving = asyncio.create_task(store.save(copy))
    await asyncio.sleep(0)
    copy.attributes["late"] = True
    copy.messages[1].content = "2nd"
    copy.add_reaction("m2", "+1", "U1")
    copy.add_message(said("late", id="late"))
    await saving
    await store.save(copy)
    merged = await read(store)
    assert (merged.attributes["late"], merged.messages[1].content) == (True, "2nd")
    assert merged.get_reactions("m2") == {"+1": ["U1"]}
    assert merged.messages[-1].id == "late"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t.attributes.update(x={1, 2}),
        lambda t: t.attributes.update({5: "five"}),
        lambda t: t.platforms["slack"].update(x=float("nan")),
        lambda t: t.messages[2].content.append({"x": b""}),
        lambda t: t.messages[0].reactions.update({"": ["U1"]}),
        lambda t: t.messages.append("no message"),
    ],
    ids=["set", "key", "nan", "bytes", "emoji", "message"],
)
async def test_save_refuses_what_cannot_be_stored_and_writes_nothing(
    store: ThreadStore, spoil: Callable[[Thread], object]
) -> None:
    await store.save(example())
    before = await read(store)
    copy = await read(store)
    copy.title = "New"
    spoil(copy)
    with pytest.raises((ValueError, TypeError, AttributeError)):
        await store.save(copy)
    assert await read(store) == before


async def test_save_cleans_texts_that_were_put_in_place(store: ThreadStore) -> None:
    await store.save(example())
    copy = await read(store)
    copy.attributes["a\x00"] = ["\ud83d"]
    copy.messages[2].content.append({"text": "\x00"})  # type: ignore[union-attr]
    copy.messages[0].reactions["\ud800"] = ["U\x00"]
    await store.save(copy)
    merged = await read(store)
    assert merged.attributes["a\ufffd"] == ["\ufffd"]
    assert merged.messages[2].content[-1] == {"text": "\ufffd"}
    assert merged.get_reactions("m1")["\ufffd"] == ["U\ufffd"]


async def test_save_keeps_a_changed_content_as_version(store: ThreadStore) -> None:
    await store.save(example())
    copy = await read(store)
    copy.messages[0].content = "1st"
    await store.save(copy)
    versions = await store.provider.get_message_versions("m1")
    assert [version.content for version in versions] == ["first"]
    assert (await read(store)).messages[0].edited_at is not None


async def test_save_takes_thousands_of_messages_at_once(store: ThreadStore) -> None:
    messages = [said("x", platforms={"slack": {"team": "T", "channel": "C", "ts": str(n)}}) for n in range(1200)]
    await store.save(Thread(id="t", messages=messages))
    assert [message.sequence for message in await store.get_messages("t")] == list(range(1, 1201))
