"""Copies: faithful, resumable, and right about what differs."""

import asyncio
from typing import Any

import pytest

from backscroll.errors import StorageRefusedError
from backscroll.storage.archive import ArchivedThread, Merged
from backscroll.storage.models import Message
from backscroll.transfer import copying, reading
from backscroll.transfer.copying import Copied, Side, copy
from tests.unit.transfer.conftest import Opened
from tests.unit.transfer.samples import archived


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE", 4)
    monkeypatch.setattr(copying, "NOTE_S", 0.0)
    monkeypatch.setattr(copying, "COMPARED", 3)


async def fill(side: Side, *names: str) -> None:
    await side.provider.merge_archive([archived(name, 3) for name in names])


async def hashes(side: Side) -> dict[str, str]:
    pieces = await side.provider.read_archive(limit=500)
    return {piece.id: piece.digest() for piece in pieces}


class Cut(Exception):  # noqa: N818  # stands for Ctrl-C
    """Ends a copy in its middle."""


def cutting(after: int) -> Any:
    def progress(copied: Copied) -> None:
        if copied.threads >= after:
            raise Cut

    return progress


async def test_copy_is_the_same_and_a_repeat_finds_that(source: Side, target: Side) -> None:
    await fill(source, *"abcdefg")
    await source.provider.merge_archive([archived("long", 23)])
    await source.provider.set("mine", "key", {"n": 1})
    first = await copy(source, target)
    again = await copy(source, target)

    assert await hashes(target) == await hashes(source)
    assert await target.provider.get("mine", "key") == {"n": 1}
    assert (first.threads, first.messages, first.loose) == (8, 44, {"value": 1})
    assert (again.threads, again.is_resumed) == (0, True)
    for told in (first, again):
        assert told.is_faithful
        assert (told.verified_threads, told.verified_messages) == (8, 44)


async def test_copy_that_was_cut_off_goes_on_where_it_was(source: Side, target: Side) -> None:
    await fill(source, *"abcdefg")
    with pytest.raises(Cut):
        await copy(source, target, progress=cutting(4))
    told = await copy(source, target)

    assert told.is_resumed
    assert told.threads <= 4
    assert told.verified_threads == 7
    assert await hashes(target) == await hashes(source)


async def test_target_that_holds_something_else_is_refused(source: Side, target: Side) -> None:
    await fill(source, "a")
    await fill(target, "b")
    with pytest.raises(StorageRefusedError, match=r"target\.db holds something already") as told:
        await copy(source, target)
    assert "--merge" in told.value.hint
    assert list(await hashes(target)) == ["b"]


async def test_target_with_a_value_alone_is_not_empty(source: Side, target: Side) -> None:
    await target.provider.set("mine", "key", {"n": 1})
    with pytest.raises(StorageRefusedError, match="holds something already"):
        await copy(source, target)


async def test_copy_of_another_source_is_no_beginning(source: Side, target: Side, opened: Opened) -> None:
    await fill(source, "a")
    await copy(source, target)
    with pytest.raises(StorageRefusedError, match=r"no copy of other\.db was begun there"):
        await copy(opened("other.db"), target)


async def test_one_storage_by_two_names_is_refused(source: Side) -> None:
    await fill(source, "a")
    with pytest.raises(StorageRefusedError, match=r"source\.db and by-another-name are one storage"):
        await copy(source, Side(source.provider, source.attachments, "by-another-name"))
    assert await source.provider.query("transfer", {}) == []


async def test_source_is_only_read(source: Side, target: Side) -> None:
    await fill(source, "a")
    before = await source.provider.read_archive(), await source.provider.read_loose()
    await copy(source, target)
    assert (await source.provider.read_archive(), await source.provider.read_loose()) == before


async def test_merge_keeps_both(source: Side, target: Side) -> None:
    await fill(source, "a", "both")
    await fill(target, "b", "both")
    await target.provider.append_message("both", Message(role="user", content="here alone"))
    await source.provider.set("mine", "key", {"n": 1})
    await target.provider.set("mine", "key", {"n": 2})
    told = await copy(source, target, merge=True)

    assert told.is_faithful
    assert told.verified_threads == 2
    threads = {each.id: len(each.messages) for each in await target.provider.list_threads()}
    assert threads == {"a": 3, "b": 3, "both": 4}
    assert await target.provider.get("mine", "key") == {"n": 2}


async def test_merge_reads_a_long_thread_back_once(source: Side, target: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    await source.provider.merge_archive([archived("long", 40)])
    read, read_archive = 0, target.provider.read_archive

    async def counting(**options: Any) -> list[ArchivedThread]:
        nonlocal read
        pieces = await read_archive(**options)
        read += sum(len(piece.messages) for piece in pieces)
        return pieces

    monkeypatch.setattr(target.provider, "read_archive", counting)
    told = await copy(source, target, merge=True)
    assert (told.is_faithful, told.verified_messages) == (True, 40)
    assert read <= 2 * 40


async def test_what_changes_while_it_is_copied_comes_too(
    source: Side, target: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a merge cannot undo among it: an alias that went, a field of which the target's write is later."""
    await fill(source, *"abcdefg")
    merge = target.provider.merge_archive
    changes = iter(range(1))

    async def change_then_merge(pieces: list[ArchivedThread], *, mirror: bool) -> list[Merged]:
        merged = await merge(pieces, mirror=mirror)
        for _ in changes:  # after the first page, whose threads are passed
            await source.provider.append_message("a", Message(role="user", content="new"))
            await source.provider.edit_message("a-1", "edited")
            await source.provider.delete_message("a-2")
            await source.provider.delete_thread_alias("slack:T1:C1:a")
            await source.provider.update_thread("a", title="other")
            await source.provider.merge_archive([archived("0-new"), archived("z-new")])
        return merged

    monkeypatch.setattr(target.provider, "merge_archive", change_then_merge)
    told = await copy(source, target)

    assert told.is_faithful
    assert told.verified_threads == 9
    assert await hashes(target) == await hashes(source)


async def test_thread_that_never_stands_still_is_named(
    source: Side, target: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(source, "a", "busy")
    merge = target.provider.merge_archive

    async def write_then_merge(pieces: list[ArchivedThread], *, mirror: bool) -> list[Merged]:
        if any(piece.id == "busy" for piece in pieces):
            await source.provider.append_message("busy", Message(role="user", content="more"))
        return await merge(pieces, mirror=mirror)

    monkeypatch.setattr(target.provider, "merge_archive", write_then_merge)
    told = await copy(source, target)
    assert not told.is_faithful
    assert (told.differing, told.differing.total, told.verified_threads) == (["busy"], 1, 1)

    monkeypatch.setattr(target.provider, "merge_archive", merge)
    assert (await copy(source, target)).is_faithful
    assert await hashes(target) == await hashes(source)


async def test_what_others_wrote_in_the_target_stays_and_is_named(source: Side, target: Side) -> None:
    await fill(source, "a", "b", "c")
    await copy(source, target)
    await target.provider.append_message("a", Message(role="user", content="here alone"))
    await target.provider.edit_message("b-1", "edited here")
    await target.provider.merge_archive([archived("stranger")])
    told = await copy(source, target)

    assert not told.is_faithful
    assert (told.differing, sorted(told.written), told.strange) == ([], ["a", "b"], ["stranger"])
    thread = await target.provider.get_thread("a")
    assert thread is not None
    assert thread.messages[-1].content == "here alone"
    edited = await target.provider.get_message("b-1")
    assert edited is not None
    assert edited[1].content == "edited here"


async def test_deletion_in_the_source_comes_along(source: Side, target: Side) -> None:
    await fill(source, "a", "b")
    await copy(source, target)
    await source.provider.delete_thread("a")
    told = await copy(source, target)

    assert (told.deleted_threads, told.strange.total, told.is_faithful) == (1, 0, True)
    assert await hashes(target) == await hashes(source)


async def test_nothing_is_deleted_in_a_target_that_somebody_else_writes(source: Side, target: Side) -> None:
    await fill(source, "a", "b", "c")
    await copy(source, target)
    await source.provider.delete_threads(["a", "b"])
    await target.provider.append_message("b", Message(role="user", content="here alone"))
    told = await copy(source, target)
    assert (told.deleted_threads, told.strange, told.is_faithful) == (0, ["a", "b"], False)


async def test_nothing_is_deleted_when_the_source_is_empty(source: Side, target: Side) -> None:
    await fill(source, "a", "b")
    await copy(source, target)
    await source.provider.delete_threads(["a", "b"])
    told = await copy(source, target)
    assert (told.deleted_threads, told.strange) == (0, ["a", "b"])


async def test_thread_that_was_deleted_and_begun_anew_takes_its_place(source: Side, target: Side) -> None:
    """Also one that lost its alias there, as by `/new`, and stays without."""
    await fill(source, "old", "kept", "other")
    await copy(source, target)
    await source.provider.delete_thread("old")
    await source.provider.delete_thread_alias("slack:T1:C1:kept")
    anew = archived("anew").model_copy(update={"aliases": ["slack:T1:C1:kept", "slack:T1:C1:old"]})
    named = [each.model_copy(update={"external": ("slack", "T1", "C1", f"old.{number}")})
             for number, each in enumerate(anew.messages, 1)]  # fmt: skip
    await source.provider.merge_archive([anew.model_copy(update={"messages": named})])
    told = await copy(source, target)

    assert told.is_faithful
    assert (told.threads, told.messages, told.deleted_threads) == (1, 2, 1)
    assert await hashes(target) == await hashes(source)


async def test_target_of_a_merge_is_no_copy(source: Side, target: Side) -> None:
    """What it has of its own would be deleted."""
    await fill(source, "a")
    await fill(target, "own")
    await copy(source, target, merge=True)
    with pytest.raises(StorageRefusedError, match=r"only a merge of source\.db was begun there"):
        await copy(source, target)


async def test_writer_beside_the_copy_loses_nothing(source: Side, target: Side) -> None:
    await fill(source, *"abcdef")
    stop = asyncio.Event()

    async def write() -> None:
        for number in range(300):  # one that never ends may be faster than what reads it
            if stop.is_set():
                return
            await source.provider.append_message("abcdef"[number % 6], Message(role="user", content=f"more {number}"))

    writer = asyncio.create_task(write())
    try:
        await copy(source, target)
    finally:
        stop.set()
        await writer
    told = await copy(source, target)

    assert told.is_faithful
    assert await hashes(target) == await hashes(source)


async def test_what_was_forgotten_in_the_target_does_not_come_back(source: Side, target: Side) -> None:
    await fill(source, "a")
    await copy(source, target)
    (message, *_) = await target.provider.read_messages("a", limit=9)
    await target.provider.clear_messages([message.id])
    told = await copy(source, target)

    (tombstone, *_) = await target.provider.read_messages("a", limit=9)
    assert (tombstone.id, tombstone.text) == (message.id, "")
    assert (told.is_faithful, list(told.written)) == (False, ["a"])
