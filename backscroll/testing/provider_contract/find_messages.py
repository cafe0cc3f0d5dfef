"""Claims for messages found by a value at a path inside what they carry."""

from typing import Any

import pytest

from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.find import VALUES
from backscroll.testing.provider_contract.samples import (
    KEY,
    ODD_TEXTS,
    asked,
    at,
    begun,
    external,
    recorded,
    said,
    stored,
    taken,
)

Path = str | list[str]


async def found(store: ThreadStore, path: Path, value: Any) -> list[str]:
    return [message.id for message in await store.find_messages_by_attribute(path, value)]


async def keep(store: ThreadStore, **carried: dict[str, Any]) -> None:
    """Save a message for each name, with these fields."""
    for name, fields in carried.items():
        await store.save(Thread(messages=[said(id=name, created_at=at(len(name)), **fields)]))


async def test_find_messages_by_attribute_tells_all_values_and_types_apart(store: ThreadStore) -> None:
    messages = [said(id=str(number), attributes={"a": value}) for number, value in enumerate(VALUES)]
    await store.save(Thread(messages=messages))
    ids = [await found(store, "attributes.a", value) for value in VALUES]
    assert ids == [[str(number)] for number in range(len(VALUES))]


async def test_find_messages_by_attribute_tells_a_missing_key_from_null(store: ThreadStore) -> None:
    await keep(store, without={}, null={"attributes": {"a": None}}, other={"attributes": {"b": None}})
    assert await found(store, "attributes.a", None) == ["null"]
    assert await found(store, "attributes.a.b", None) == await found(store, "source.a", None) == []


async def test_find_messages_by_attribute_looks_into_all_four(store: ThreadStore) -> None:
    await keep(
        store,
        attributes={"attributes": {"a": 1}},
        metrics={"metrics": {"a": 1}},
        platforms={"platforms": {"a": {"a": 1}}},
        source={"source": {"a": 1}},
    )
    paths = ["attributes.a", "metrics.a", "platforms.a.a", "source.a"]
    ids = [await found(store, path, 1) for path in paths]
    assert ids == [["attributes"], ["metrics"], ["platforms"], ["source"]]


async def test_find_messages_by_attribute_looks_at_every_depth_of_objects(store: ThreadStore) -> None:
    usage = {"usage": {"total_tokens": 7, "details": {"cached": 3}}}
    await keep(store, m={"metrics": usage})
    assert await found(store, "metrics.usage.total_tokens", 7) == ["m"]
    assert await found(store, "metrics.usage.details.cached", 3) == ["m"]
    assert await found(store, "metrics.usage.details", {"cached": 3}) == ["m"]
    assert await found(store, "metrics.usage", usage["usage"]) == ["m"]
    assert await found(store, "metrics.total_tokens", 7) == await found(store, "metrics.usage.cached", 3) == []


async def test_find_messages_by_attribute_takes_98_keys(store: ThreadStore) -> None:
    node: dict[str, Any] = {"end": 1}
    for _ in range(97):
        node = {"k": node}
    await keep(store, m={"attributes": node})
    keys = ["attributes", *["k"] * 97, "end"]
    assert await found(store, keys, 1) == await found(store, ".".join(keys), 1) == ["m"]
    assert await found(store, keys[:-1], 1) == await found(store, [*keys, "k"], 1) == []


async def test_find_messages_by_attribute_compares_objects_whatever_the_order_of_their_keys(
    store: ThreadStore,
) -> None:
    await keep(store, m={"attributes": {"a": {"x": 1, "y": [{"p": 1, "q": 2}]}}})
    assert await found(store, "attributes.a", {"y": [{"q": 2, "p": 1}], "x": 1}) == ["m"]


async def test_find_messages_by_attribute_takes_lists_as_whole_values(store: ThreadStore) -> None:
    await keep(store, m={"attributes": {"a": [{"b": 1}, 2]}})
    assert await found(store, "attributes.a", [{"b": 1}, 2]) == ["m"]
    assert await found(store, "attributes.a.0", {"b": 1}) == await found(store, "attributes.a.b", 1) == []
    assert await found(store, "attributes.a", 2) == []


async def test_find_messages_by_attribute_takes_any_text_as_key_and_value(store: ThreadStore) -> None:
    texts = [*ODD_TEXTS, "", "x" * 3_000, "a.b.c.", "¤", "a\x00b", "\ud83d"]
    for number, text in enumerate(texts):
        await store.save(Thread(messages=[said(id=str(number), attributes={text: {text: text}})]))
    ids = [await found(store, ["attributes", text, text], text) for text in texts]
    assert ids == [[str(number)] for number in range(len(texts))]


async def test_find_messages_by_attribute_tells_dots_in_keys_from_keys_in_objects(store: ThreadStore) -> None:
    await keep(store, dotted={"attributes": {"a.b": 1}}, nested={"attributes": {"a": {"b": 1}}})
    assert await found(store, "attributes.a.b", 1) == ["nested"]
    assert await found(store, ["attributes", "a.b"], 1) == ["dotted"]
    assert await found(store, ["attributes", "a", "b"], 1) == ["nested"]


async def test_find_messages_by_attribute_takes_the_empty_key_for_a_key(store: ThreadStore) -> None:
    await keep(store, m={"attributes": {"": {"": 1}}})
    assert await found(store, "attributes..", 1) == ["m"]
    assert await found(store, "attributes.", 1) == []


async def test_find_messages_by_attribute_orders_by_created_at_then_id(store: ThreadStore) -> None:
    for name, seconds in (("b", 1), ("a", 1), ("z", 0), ("C", 1), ("d", 2)):
        message = said(id=name, attributes={"a": 1}, created_at=at(seconds))
        await store.save(Thread(id=f"thread {name}", messages=[message]))
    assert await found(store, "attributes.a", 1) == ["z", "C", "a", "b", "d"]


async def test_find_messages_by_attribute_gives_messages_as_they_are_stored(
    store: ThreadStore, provider: StorageProvider
) -> None:
    message = said("hello", id="m", attributes={"a": 1}, reactions={"+1": ["U1"]}, attachments=[{"name": "a.txt"}])
    await store.save(Thread(messages=[message]))
    assert await store.find_messages_by_attribute("attributes.a", 1) == [await stored(provider, "m")]


async def test_find_messages_by_attribute_finds_more_than_a_thousand(store: ThreadStore) -> None:
    messages = [said(id=f"{number:04}", attributes={"a": 1}, created_at=at(0)) for number in range(1_100)]
    await store.save(Thread(messages=messages))
    assert await found(store, "attributes.a", 1) == [message.id for message in messages]


async def test_find_messages_by_attribute_looks_at_nothing_but_the_path(store: ThreadStore) -> None:
    await store.save(Thread(attributes={"a": 1}, messages=[said("a 1", id="m", metrics={"a": 1})]))
    assert await found(store, "attributes.a", 1) == []


async def test_find_messages_by_attribute_finds_recorded_messages_by_their_place(
    store: ThreadStore, provider: StorageProvider
) -> None:
    message = said(id="m", platforms=KEY.message("5.0").platforms, source={"name": "slack"})
    await recorded(provider, "5.0", message=message)
    assert await found(store, "platforms.slack.ts", "5.0") == await found(store, "source.name", "slack") == ["m"]


async def test_find_messages_by_attribute_finds_an_answer_by_its_post(
    store: ThreadStore, provider: StorageProvider
) -> None:
    answer = await asked(provider)
    message = Message(role="assistant", content="hi", attributes={"a": 1}, metrics={"model": "m"})
    (part,) = await provider.begin_sending(answer.id, (await taken(provider)).owner or "", message, ["hi"])
    assert await found(store, "platforms.slack.ts", "sent") == []
    await provider.mark_sent(answer.id, "one", part.number, external("sent"))
    for path, value in (("platforms.slack.ts", "sent"), ("attributes.a", 1), ("metrics.model", "m")):
        assert await found(store, path, value) == [message.id]


async def test_find_messages_by_attribute_finds_an_answer_that_was_edited_before_its_post(
    store: ThreadStore, provider: StorageProvider
) -> None:
    answer = await asked(provider)
    (part,) = await begun(provider, await taken(provider), "old")
    await provider.record_edit(external("sent"), "new", at(10**9))
    await provider.mark_sent(answer.id, "one", part.number, external("sent"))
    assert await found(store, "platforms.slack.ts", "sent") == [part.message_id]


async def test_find_messages_by_attribute_still_finds_after_an_edit(store: ThreadStore) -> None:
    await keep(store, m={"attributes": {"a": 1}, "metrics": {"b": {"c": 2}}, "source": {"d": 3}})
    await store.edit_message("m", "new")
    for path, value in (("attributes.a", 1), ("metrics.b.c", 2), ("source.d", 3)):
        assert await found(store, path, value) == ["m"]


async def test_find_messages_by_attribute_finds_a_message_whose_edit_came_before_it(
    store: ThreadStore, provider: StorageProvider
) -> None:
    await provider.record_edit(external(1), "new", at(9))
    await recorded(provider, 1, message=said("old", id="m", attributes={"a": 1}))
    assert await found(store, "attributes.a", 1) == ["m"]


async def test_find_messages_by_attribute_finds_a_tombstone_by_what_is_left(
    store: ThreadStore, provider: StorageProvider
) -> None:
    message = said(id="m", attributes={"a": 1}, metrics={"b": 1}, platforms=KEY.message("5.0").platforms)
    await recorded(provider, "5.0", message=message)
    await store.delete_message("m")
    left = await stored(provider, "m")
    assert left.attributes == {}
    assert await found(store, "attributes.a", 1) == []
    assert await found(store, "metrics.b", 1) == await found(store, "platforms.slack.ts", "5.0") == ["m"]


async def test_find_messages_by_attribute_finds_nothing_of_a_deleted_thread(store: ThreadStore) -> None:
    await store.save(Thread(id="t", messages=[said(attributes={"a": 1})]))
    await store.delete("t")
    assert await found(store, "attributes.a", 1) == []


async def test_find_messages_by_attribute_tells_big_objects_apart(store: ThreadStore) -> None:
    big = {f"key {number}": {"value": number} for number in range(1_000)}
    await keep(store, m={"attributes": {"big": big}})
    assert await found(store, "attributes.big", big) == await found(store, "attributes.big.key 999.value", 999) == ["m"]
    assert await found(store, "attributes.big", big | {"key 0": {}}) == []


async def test_find_messages_by_attribute_refuses_what_is_no_path(store: ThreadStore) -> None:
    refused: list[Any] = [
        "",
        "a",
        "attributes",
        "content.a",
        "id",
        ".attributes.a",
        "Attributes.a",
        "thread.attributes.a",
    ]
    refused += [[], ["attributes"], ["content", "a"], ["attributes", 5], ["attributes", None], None, 5, b"attributes.a"]
    for path in refused:
        with pytest.raises(ValueError, match="path"):
            await store.find_messages_by_attribute(path, 1)


async def test_find_messages_by_attribute_refuses_what_is_no_json(store: ThreadStore) -> None:
    refused: list[Any] = [{1}, float("nan"), float("inf"), {5: 1}, b"a", 10**5_000, at(0)]
    for value in refused:
        with pytest.raises(ValueError, match=r"."):
            await store.find_messages_by_attribute("attributes.a", value)
