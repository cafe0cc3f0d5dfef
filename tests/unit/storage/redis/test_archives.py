"""Archives read page by page: what Redis is asked for grows with the page, and what came meanwhile is seen."""

from collections import Counter
from typing import Any

import pytest

from backscroll.storage.archive import ArchivedMessage, ArchivedThread, Loose, LooseMark
from backscroll.storage.redis import Provider, names
from backscroll.storage.values import utc_now
from backscroll.testing.provider_contract.archives import archive
from backscroll.testing.provider_contract.samples import eventually, said

COUNT, LIMIT = 60, 4

NAMES = ("HKEYS", "SCAN", "SMEMBERS")


class Asked:
    """How many rows Redis gave in answer to each command, in all and since the last page."""

    def __init__(self, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
        self._read = provider.server.read
        self.rows, self._page = Counter[str](), Counter[str]()
        self.contents_of_page = 0
        monkeypatch.setattr(provider.server, "read", self._count)

    async def _count(self, command: str, *arguments: Any) -> Any:
        answer = await self._read(command, *arguments)
        found = answer[1] if command in ("HSCAN", "SCAN") else answer
        self._page[command] += len(found) if isinstance(found, list | dict | set) else 0
        return answer

    def end_page(self) -> None:
        """Note how much a page needed."""
        contents = sum(count for command, count in self._page.items() if command not in NAMES)
        self.contents_of_page = max(self.contents_of_page, contents)
        self.rows += self._page
        self._page.clear()


async def threads(provider: Provider, *thread_ids: str) -> None:
    """Keep threads of one message each."""
    now = utc_now()
    pieces = [
        ArchivedThread(
            id=each, title="T", created_at=now, updated_at=now, messages=[ArchivedMessage(message=said(id=f"{each}.1"))]
        )
        for each in thread_ids
    ]
    await provider.merge_archive(pieces)


async def values(provider: Provider) -> None:
    """Keep as many values, and lists of two items."""
    async with provider._exclusive:
        for number in range(COUNT):
            await provider.set("watermarks", f"{number:03}", {"at": number})
            await provider.append("notes", f"{number // 2:03}", {"id": f"{number}"})


async def loose(provider: Provider, asked: Asked) -> list[Loose]:
    """Read what is kept beside threads, page by page."""
    found: list[Loose] = []
    while page := await provider.read_loose(
        after=LooseMark(found[-1].kind, found[-1].key) if found else None, limit=LIMIT
    ):
        found += page
        asked.end_page()
    asked.end_page()
    return found


async def test_page_of_threads_reads_no_others(providers: list[Provider], monkeypatch: pytest.MonkeyPatch) -> None:
    provider, reader = providers
    await threads(provider, *(f"t{number:03}" for number in range(COUNT)))
    asked, mark, found = Asked(reader, monkeypatch), None, list[str]()
    while page := await reader.read_archive(after=mark, limit=LIMIT):
        mark = page[-1].mark
        found += [piece.id for piece in page]
        asked.end_page()
    assert found == [f"t{number:03}" for number in range(COUNT)]
    assert asked.rows["HKEYS"] == COUNT
    assert asked.contents_of_page <= 2 * LIMIT + 1


async def test_page_beside_threads_reads_no_others(providers: list[Provider], monkeypatch: pytest.MonkeyPatch) -> None:
    provider, reader = providers
    await values(provider)
    await provider.upsert_heartbeat("helper", 12.5)
    asked = Asked(reader, monkeypatch)
    found = await loose(reader, asked)
    assert Counter(thing.kind for thing in found) == {"heartbeat": 1, "value": COUNT, "item": COUNT}
    assert [thing.value["item"]["id"] for thing in found[-COUNT:]] == [f"{number}" for number in range(COUNT)]
    assert asked.rows["HKEYS"] == COUNT + 1
    assert asked.rows["SMEMBERS"] == COUNT / 2
    assert asked.contents_of_page <= LIMIT


async def test_page_sees_what_came_behind_the_last_one(providers: list[Provider]) -> None:
    provider, other = providers
    await threads(provider, "a", "b", "c")
    await values(provider)
    (first,) = await provider.read_archive(limit=1)
    await threads(other, "b2")
    assert [piece.id for piece in await provider.read_archive(after=first.mark)] == ["b", "b2", "c"]

    *_, last = await provider.read_loose(limit=COUNT - 1)
    await other.set("watermarks", "8", {"at": 8})
    await other.append("notes", "000", {"id": "late"})
    things = await provider.read_loose(after=LooseMark(last.kind, last.key))
    assert [thing.value["key"] for thing in things[:2]] == ["059", "8"]
    assert [thing.value["item"]["id"] for thing in things[2:5]] == ["0", "1", "late"]


async def test_page_passes_over_what_went_meanwhile(providers: list[Provider]) -> None:
    provider, other = providers
    await threads(provider, *"abcdef")
    first = (await provider.read_archive(limit=1))[-1]
    for gone, new in zip("bcd", ("0", "1", "2"), strict=True):
        await other.delete_thread(gone)
        await threads(other, new)
    assert [piece.id for piece in await provider.read_archive(after=first.mark, limit=1)] == ["e"]
    assert [piece.id for piece in await archive(provider, limit=1)] == ["0", "1", "2", "a", "e", "f"]


async def test_names_go_when_the_read_ends_and_after_a_while(
    providers: list[Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, _ = providers

    async def has_none() -> bool | None:
        return None if provider.names.kept else True

    await threads(provider, "a", "b")
    await provider.read_archive(limit=1)
    assert provider.names.kept == ["a", "b"]
    await archive(provider, limit=1)
    assert provider.names.kept == []
    monkeypatch.setattr(names, "KEPT_S", 0.0)
    await provider.read_archive(limit=1)
    await eventually(has_none)
