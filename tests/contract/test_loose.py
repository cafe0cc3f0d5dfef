"""The claims of `backscroll.testing.provider_contract.loose`, on every backend; and what those can that name all."""

from typing import Any

import pytest

from backscroll.errors import StorageRefusedError
from backscroll.storage.archive import Loose
from backscroll.storage.memory import Provider as Memory
from backscroll.testing.provider_contract.loose import *
from backscroll.testing.provider_contract.loose import loose, make_loose
from backscroll.testing.provider_contract.samples import said
from tests.contract.conftest import Opener


@pytest.mark.parametrize("name", ["redis", "sqlite_memory"])
async def test_read_loose_finds_the_values_and_lists_that_people_made(
    name: str, request: pytest.FixtureRequest
) -> None:
    opener: Opener = request.getfixturevalue(f"open_{name}")
    async with opener() as source, opener() as target:
        await source.create_thread("t", "U1", None)
        await source.append_message("t", said("one"))
        await source.set("my [own]*", "k", {"a": 1})
        await source.append("files", "owner", {})
        for text in ("c", "a", "b"):
            await source.append("notes", "k", {"text": text})
        things = await loose(source)

        assert [thing.kind for thing in things] == ["value", "item", "item", "item"]
        assert await loose(source, limit=1) == things
        assert await target.merge_loose(things) == 4
        assert await loose(target) == things
        assert await target.get("my [own]*", "k") == {"a": 1}
        assert [each["text"] for each in await target.get_list("notes", "k")] == ["c", "a", "b"]


@pytest.mark.parametrize("name", ["redis", "memory"])
async def test_merge_loose_writes_no_values_into_threads(name: str, request: pytest.FixtureRequest) -> None:
    opener: Opener = request.getfixturevalue(f"open_{name}")
    async with opener() as provider:
        told = {"namespace": "threads", "key": "t", "value": {"id": "t"}}
        with pytest.raises(StorageRefusedError, match="threads"):
            await provider.merge_loose([Loose(kind="value", key='["threads","t"]', value=told)])
        assert await provider.get("threads", "t") is None


async def test_read_loose_from_memory_reads_no_values_but_those_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Memory()
    await make_loose(source)
    wanted, read = await loose(source), list[str]()
    get = source.get

    async def get_and_note(namespace: str, key: str) -> dict[str, Any] | None:
        read.append(key)
        return await get(namespace, key)

    async def query(namespace: str, filters: dict[str, Any]) -> list[dict[str, Any]]:
        raise AssertionError(namespace)

    monkeypatch.setattr(source, "get", get_and_note)
    monkeypatch.setattr(source, "query", query)
    assert await loose(source, limit=2) == wanted
    assert len(read) == len(wanted)
