"""Claims for the six primitives."""

import asyncio
import math
from typing import Any

import pytest

from backscroll.storage.provider import StorageProvider
from backscroll.storage.provider.primitives import join_key, taken_names
from backscroll.testing.provider_contract.samples import ODD_TEXTS

VALUES: list[Any] = [5, 5.0, "5", True, False, None, 1, 1.0, 0, "", [], [1, 2], [2, 1], {}, {"a": 1}, {"a": 1.0}, 1e23]


async def test_provider_leaves_the_private_names_of_the_contract_alone(provider: StorageProvider) -> None:
    assert taken_names(type(provider), vars(provider)) == []


async def test_get_gives_none_for_an_unknown_key(provider: StorageProvider) -> None:
    assert await provider.get("space", "key") is None


async def test_set_replaces_the_whole_value(provider: StorageProvider) -> None:
    await provider.set("space", "key", {"a": 1, "b": 2})
    await provider.set("space", "key", {"a": 3})
    assert await provider.get("space", "key") == {"a": 3}


async def test_set_keeps_namespaces_apart(provider: StorageProvider) -> None:
    await provider.set("one", "key", {"a": 1})
    await provider.set("two", "key", {"a": 2})
    assert await provider.get("one", "key") == {"a": 1}


async def test_set_takes_any_text_as_key(provider: StorageProvider) -> None:
    for number, text in enumerate(ODD_TEXTS):
        await provider.set(text, text, {"number": number})
    assert [await provider.get(text, text) for text in ODD_TEXTS] == [{"number": n} for n in range(len(ODD_TEXTS))]


async def test_set_keeps_every_json_value_and_its_type(provider: StorageProvider) -> None:
    value = {"values": VALUES, "big": 10**4000, "text": 'שלום "👩‍👩‍👧" \t\n', "deep": {"a": [{"b": [[]]}]}}
    await provider.set("space", "key", value)
    assert repr(await provider.get("space", "key")) == repr(value)


async def test_set_keeps_the_order_of_fields(provider: StorageProvider) -> None:
    await provider.set("space", "key", {"b": 1, "a": 2})
    assert list(await provider.get("space", "key") or ()) == ["b", "a"]


async def test_set_refuses_what_is_no_json_object(provider: StorageProvider) -> None:
    refused: list[Any] = [[1], "text", None, {"a": math.nan}, {"a": {1, 2}}, {"a": b"bytes"}]
    for value in refused:
        with pytest.raises(ValueError, match=r"."):
            await provider.set("space", "key", value)
    assert await provider.get("space", "key") is None


async def test_set_keeps_a_copy(provider: StorageProvider) -> None:
    value = {"list": [1]}
    await provider.set("space", "key", value)
    value["list"].append(2)
    assert await provider.get("space", "key") == {"list": [1]}


async def test_get_gives_a_copy(provider: StorageProvider) -> None:
    await provider.set("space", "key", {"list": [1]})
    (await provider.get("space", "key") or {})["list"].append(2)
    assert await provider.get("space", "key") == {"list": [1]}


async def test_delete_removes_a_keyed_value(provider: StorageProvider) -> None:
    await provider.set("space", "key", {"a": 1})
    await provider.delete("space", "key")
    assert await provider.get("space", "key") is None
    assert await provider.query("space", {}) == []


async def test_delete_is_silent_for_an_unknown_key(provider: StorageProvider) -> None:
    await provider.delete("space", "key")


async def test_delete_leaves_lists(provider: StorageProvider) -> None:
    await provider.append("space", "key", {"id": "1"})
    await provider.delete("space", "key")
    assert await provider.get_list("space", "key") == [{"id": "1"}]


async def test_append_keeps_an_items_own_id(provider: StorageProvider) -> None:
    assert await provider.append("space", "key", {"id": "mine", "a": 1}) == "mine"


async def test_append_gives_each_item_an_id_of_its_own(provider: StorageProvider) -> None:
    ids = [await provider.append("space", "key", {"a": 1}) for _ in range(3)]
    assert len(set(ids)) == 3
    assert [item["id"] for item in await provider.get_list("space", "key")] == ids


async def test_append_takes_an_id_twice(provider: StorageProvider) -> None:
    for number in (1, 2):
        await provider.append("space", "key", {"id": "same", "a": number})
    assert await provider.get_list("space", "key") == [{"id": "same", "a": 1}, {"id": "same", "a": 2}]


async def test_append_refuses_what_is_no_json_object(provider: StorageProvider) -> None:
    with pytest.raises(ValueError, match=r"."):
        await provider.append("space", "key", [1])  # type: ignore[arg-type]
    assert await provider.get_list("space", "key") == []


async def test_append_loses_nothing_under_concurrency(provider: StorageProvider) -> None:
    await asyncio.gather(*(provider.append("space", "key", {"number": number}) for number in range(50)))
    assert sorted(item["number"] for item in await provider.get_list("space", "key")) == list(range(50))


async def test_get_list_keeps_the_order_of_insertion(provider: StorageProvider) -> None:
    for letter in "cab":
        await provider.append("space", "key", {"id": letter})
    assert [item["id"] for item in await provider.get_list("space", "key")] == ["c", "a", "b"]


async def test_get_list_is_empty_for_an_unknown_key(provider: StorageProvider) -> None:
    assert await provider.get_list("space", "key") == []


async def test_get_list_gives_a_copy(provider: StorageProvider) -> None:
    await provider.append("space", "key", {"id": "1", "list": [1]})
    (await provider.get_list("space", "key"))[0]["list"].append(2)
    assert await provider.get_list("space", "key") == [{"id": "1", "list": [1]}]


async def test_query_gives_values_by_key_then_items_by_list_and_insertion(provider: StorageProvider) -> None:
    for key in ("é", "b", "a", "B"):
        await provider.set("space", key, {"a": 1})
    for key, item in (("z", "1"), ("y", "2"), ("z", "3")):
        await provider.append("space", key, {"id": item, "a": 1})
    found = await provider.query("space", {"a": 1})
    assert [value.get("key") or value["id"] for value in found] == ["B", "a", "b", "é", "2", "1", "3"]


async def test_query_tells_each_values_key(provider: StorageProvider) -> None:
    await provider.set("space", "key", {"a": 1})
    assert await provider.query("space", {}) == [{"a": 1, "key": "key"}]


async def test_query_without_filters_gives_all_of_the_namespace(provider: StorageProvider) -> None:
    await provider.set("space", "one", {"a": 1})
    await provider.append("space", "two", {"id": "2"})
    await provider.set("elsewhere", "three", {})
    assert len(await provider.query("space", {})) == 2


async def test_query_compares_values_and_types(provider: StorageProvider) -> None:
    for number, value in enumerate(VALUES):
        await provider.set("space", f"{number:02}", {"a": value})
        await provider.append("space", "list", {"id": f"{number:02}", "a": value})
    for wanted in VALUES:
        found = [repr(value["a"]) for value in await provider.query("space", {"a": wanted})]
        assert found == [repr(wanted), repr(wanted)]


async def test_query_tells_a_missing_field_from_null(provider: StorageProvider) -> None:
    await provider.set("space", "missing", {"b": 1})
    await provider.set("space", "null", {"a": None})
    assert [value["key"] for value in await provider.query("space", {"a": None})] == ["null"]


async def test_query_wants_all_filters_to_hold(provider: StorageProvider) -> None:
    await provider.set("space", "one", {"a": 1, "b": 1})
    await provider.set("space", "both", {"a": 1, "b": 2})
    assert [value["key"] for value in await provider.query("space", {"a": 1, "b": 2})] == ["both"]


async def test_query_sees_what_was_set_anew_and_deleted(provider: StorageProvider) -> None:
    for key in ("one", "two", "three"):
        await provider.set("space", key, {"a": 1})
    assert len(await provider.query("space", {"a": 1})) == 3
    await provider.set("space", "one", {"a": 2})
    await provider.delete("space", "two")
    assert [value["key"] for value in await provider.query("space", {"a": 1})] == ["three"]
    assert [value["key"] for value in await provider.query("space", {"a": 2})] == ["one"]


async def test_query_looks_at_top_level_fields_alone(provider: StorageProvider) -> None:
    await provider.set("space", "key", {"a": {"b": 1}})
    assert await provider.query("space", {"b": 1}) == []
    assert await provider.query("space", {"a.b": 1}) == []


async def test_initialize_is_harmless_when_repeated_and_concurrent(provider: StorageProvider) -> None:
    await provider.set("space", "key", {"a": 1})
    await asyncio.gather(provider.initialize(), provider.initialize(), provider.initialize())
    assert await provider.get("space", "key") == {"a": 1}


async def test_close_is_harmless_when_repeated(provider: StorageProvider) -> None:
    await provider.close()
    await provider.close()


async def test_check_passes_on_a_storage_that_can_be_used(provider: StorageProvider) -> None:
    await provider.check()


async def test_health_check_tells_status_and_backend(provider: StorageProvider) -> None:
    health = await provider.health_check()
    assert health["status"] == "healthy"
    assert health["backend"]


def test_join_key_never_gives_two_lists_of_parts_one_key() -> None:
    parts = [("a", "b"), ("a,b",), ('a","b',), ('a"', "b"), ("a", "b", ""), ("", "a", "b"), ("a", 1), ("a", "1")]
    assert len({join_key(*each) for each in parts}) == len(parts)
