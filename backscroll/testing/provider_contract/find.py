"""Claims for finding threads by what they carry: JSON equality, and nothing read but the index."""

from typing import Any

import pytest

from backscroll.storage.models import Thread
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import ODD_TEXTS, said

VALUES: list[Any] = [5, 5.0, "5", True, False, None, 1, 1.0, 0, 0.0, "", "null", 1e23, 10**400]
VALUES += [[], [1, 2], [2, 1], [1.0, 2], {}, {"a": 1}, {"a": 1.0}, {"b": 2, "a": [1]}]


async def found(store: ThreadStore, wanted: dict[str, Any]) -> list[str]:
    return [thread.id for thread in await store.find_by_attributes(wanted)]


async def found_at(store: ThreadStore, name: str, place: dict[str, Any]) -> list[str]:
    return [thread.id for thread in await store.find_by_platform(name, place)]


async def test_find_by_attributes_tells_all_values_and_types_apart(store: ThreadStore) -> None:
    for number, value in enumerate(VALUES):
        await store.save(Thread(id=str(number), attributes={"a": value}))
    assert [await found(store, {"a": value}) for value in VALUES] == [[str(number)] for number in range(len(VALUES))]


async def test_find_by_platform_tells_all_values_and_types_apart(store: ThreadStore) -> None:
    for number, value in enumerate(VALUES):
        await store.save(Thread(id=str(number), platforms={"slack": {"channel": value}}))
    found_ids = [await found_at(store, "slack", {"channel": value}) for value in VALUES]
    assert found_ids == [[str(number)] for number in range(len(VALUES))]


async def test_find_by_attributes_compares_objects_whatever_the_order_of_their_keys(store: ThreadStore) -> None:
    await store.save(Thread(id="t", attributes={"a": {"x": 1, "y": [{"p": 1, "q": 2}]}}))
    assert await found(store, {"a": {"y": [{"q": 2, "p": 1}], "x": 1}}) == ["t"]


async def test_find_by_attributes_tells_a_missing_key_from_null(store: ThreadStore) -> None:
    await store.save(Thread(id="missing"))
    await store.save(Thread(id="null", attributes={"a": None}))
    assert await found(store, {"a": None}) == ["null"]


async def test_find_by_attributes_wants_all_filters_to_hold(store: ThreadStore) -> None:
    await store.save(Thread(id="one", attributes={"a": 1}))
    await store.save(Thread(id="both", attributes={"a": 1, "b": 2, "c": 3}))
    assert await found(store, {"a": 1, "b": 2}) == ["both"]


async def test_find_by_attributes_takes_a_hundred_filters(store: ThreadStore) -> None:
    attributes = {f"key {number}": number for number in range(100)}
    await store.save(Thread(id="all", attributes=attributes))
    await store.save(Thread(id="some", attributes=attributes | {"key 99": None}))
    assert await found(store, attributes) == ["all"]


@pytest.mark.parametrize("scope", ["attributes", "platforms"])
async def test_find_takes_any_text_as_key_and_value(store: ThreadStore, scope: str) -> None:
    for number, text in enumerate([*ODD_TEXTS, "", "x" * 3000]):
        values = {text: text}
        carried = {"attributes": values} if scope == "attributes" else {"platforms": {"p": values}}
        await store.save(Thread.model_validate({"id": str(number)} | carried))
        ids = await found(store, values) if scope == "attributes" else await found_at(store, "p", values)
        assert ids == [str(number)]


async def test_find_by_platform_takes_any_text_as_name(store: ThreadStore) -> None:
    for number, name in enumerate(ODD_TEXTS):
        await store.save(Thread(id=str(number), platforms={name: {"a": 1}}))
    assert [await found_at(store, name, {"a": 1}) for name in ODD_TEXTS] == [[str(n)] for n in range(len(ODD_TEXTS))]


async def test_find_by_attributes_without_filters_gives_all_newest_first(store: ThreadStore) -> None:
    for name in ("a", "c", "b"):
        await store.get_or_create(name)
    assert await found(store, {}) == ["b", "c", "a"]


async def test_find_by_platform_without_filters_gives_all_of_the_platform(store: ThreadStore) -> None:
    await store.save(Thread(id="empty", platforms={"slack": {}}))
    await store.save(Thread(id="odd", platforms={"slack": {"": 1}}))
    await store.save(Thread(id="other", platforms={"discord": {"channel": "C1"}}))
    await store.save(Thread(id="none", attributes={"slack": {}}))
    assert await found_at(store, "slack", {}) == ["odd", "empty"]


async def test_find_by_platform_takes_the_empty_key_for_a_key(store: ThreadStore) -> None:
    await store.save(Thread(id="without", platforms={"slack": {"channel": "C1"}}))
    await store.save(Thread(id="with", platforms={"slack": {"": None}}))
    assert await found_at(store, "slack", {"": None}) == ["with"]


async def test_find_by_platform_keeps_platforms_and_attributes_apart(store: ThreadStore) -> None:
    await store.save(Thread(id="slack", platforms={"slack": {"channel": "C1"}}))
    await store.save(Thread(id="discord", platforms={"discord": {"channel": "C1"}}))
    await store.save(Thread(id="attributes", attributes={"channel": "C1"}))
    assert await found_at(store, "slack", {"channel": "C1"}) == ["slack"]
    assert await found(store, {"channel": "C1"}) == ["attributes"]


async def test_find_by_attributes_looks_at_top_level_keys_alone(store: ThreadStore) -> None:
    await store.save(Thread(id="t", attributes={"a": {"b": 1}}))
    assert [await found(store, wanted) for wanted in ({"b": 1}, {"a.b": 1}, {"a": 1})] == [[], [], []]


async def test_find_sees_what_a_save_changed(store: ThreadStore) -> None:
    thread = Thread(id="t", attributes={"a": 1, "b": 1}, platforms={"slack": {"channel": "C1"}})
    await store.save(thread)
    thread.attributes = {"a": 2}
    thread.platforms = {"slack": {"channel": "C2"}}
    await store.save(thread)
    assert [await found(store, wanted) for wanted in ({"a": 1}, {"b": 1}, {"a": 2})] == [[], [], ["t"]]
    assert [await found_at(store, "slack", {"channel": each}) for each in ("C1", "C2")] == [[], ["t"]]


async def test_find_sees_what_another_writer_changed_back(store: ThreadStore) -> None:
    thread = Thread(id="t", attributes={"a": 1})
    await store.save(thread)
    for value in (2, 1):
        copy = await store.get("t")
        assert copy is not None
        copy.attributes["a"] = value
        await store.save(copy)
    assert [await found(store, {"a": 1}), await found(store, {"a": 2})] == [["t"], []]


async def test_find_gives_threads_with_their_messages_newest_first(store: ThreadStore) -> None:
    for name in ("a", "b"):
        await store.save(Thread(id=name, attributes={"x": 1}, messages=[said(name)]))
    await store.add_message("a", said("again"))
    threads = await store.find_by_attributes({"x": 1})
    assert [[message.content for message in thread.messages] for thread in threads] == [["a", "again"], ["b"]]


async def test_find_by_source_is_find_by_platform(store: ThreadStore) -> None:
    await store.save(Thread.model_validate({"id": "t", "source": {"name": "slack", "channel": "C1"}}))
    assert [thread.id for thread in await store.find_by_source("slack", {"channel": "C1"})] == ["t"]


async def test_find_refuses_what_is_no_json_object(store: ThreadStore) -> None:
    refused: list[Any] = [{"a": {1}}, {5: 1}, [], {"a": float("inf")}]
    for wanted in refused:
        with pytest.raises(ValueError, match=r"."):
            await store.find_by_attributes(wanted)


async def test_find_takes_500_keys_and_no_more(store: ThreadStore) -> None:
    many = {f"k{number}": number for number in range(500)}
    await store.save(Thread(id="t", attributes=many, platforms={"p": many}))
    assert [thread.id for thread in await store.find_by_attributes(many)] == ["t"]
    assert [thread.id for thread in await store.find_by_platform("p", many)] == ["t"]
    assert await store.find_by_attributes(many | {"k499": 0}) == []
    with pytest.raises(ValueError, match="attributes has 500 keys at most, got 501"):
        await store.find_by_attributes(many | {"one more": 1})
    with pytest.raises(ValueError, match="place has 500 keys at most, got 501"):
        await store.find_by_platform("p", many | {"one more": 1})
