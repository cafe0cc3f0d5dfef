"""Imports: what a file says is merged, and what it cannot say is named."""

import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from backscroll.errors import StorageRefusedError
from backscroll.storage.models import Attachment, Message, file_location
from backscroll.storage.store import ThreadStore
from backscroll.transfer import jsonl, reading
from backscroll.transfer.contents import Contents, exported_files
from backscroll.transfer.copying import Side
from backscroll.transfer.exporting import export_jsonl
from backscroll.transfer.importing import Imported, import_jsonl
from tests.unit.transfer.conftest import refusing
from tests.unit.transfer.samples import CANARY, archived

HEADER = {"backscroll": {"format": 1, "version": "1.0"}}


def line(piece: Any) -> dict[str, Any]:
    return {"thread": piece.model_dump(mode="json")}


def end(threads: int = 0, messages: int = 0, loose: int = 0) -> dict[str, Any]:
    return {"end": {"threads": threads, "messages": messages, "loose": loose}}


async def imported(target: Side, *lines: Any, files: Path | None = None, cut: int | None = None) -> Imported:
    data = b"".join((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in lines)
    contents = Contents(None if files is None else exported_files(files))
    return await import_jsonl(
        target.provider, target.attachments, BytesIO(data[:cut]), name="in.jsonl", contents=contents
    )


async def ids(target: Side) -> list[str]:
    return sorted(each.id for each in await target.provider.list_threads(limit=None))


async def test_import_is_what_was_exported_and_a_repeat_changes_nothing(
    source: Side, target: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE", 4)
    await source.provider.merge_archive([archived("a"), archived("long", 9)])
    await source.provider.set("mine", "key", {"n": 1})
    async with ThreadStore(provider=source.provider, closes_provider=False) as store:
        thread = await store.get_or_create("t")
        thread.add_message(Message(role="user", attachments=[Attachment(name="f", content=b"content")]))
        await store.save(thread)
    out = BytesIO()
    await export_jsonl(source.provider, source.attachments, out, version="1.0", files=tmp_path / "out")
    lines = out.getvalue().splitlines()
    first = await imported(target, *lines, files=tmp_path / "out")
    again = await imported(target, *lines, files=tmp_path / "out")

    here, there = [await each.provider.read_archive() for each in (source, target)]
    assert [piece.digest() for piece in there] == [piece.digest() for piece in here]
    assert await target.provider.get("mine", "key") == {"n": 1}
    content = there[-1].messages[0].message.attachments[0]
    assert await target.attachments.read(content) == b"content"
    assert first.is_faithful
    assert (first.new_threads, first.new_messages, first.new_loose) == (3, 12, 1)
    assert again.is_faithful
    assert (again.new_threads, again.new_messages, again.changed_messages, again.new_loose) == (0, 0, 0, 0)


async def test_faulty_lines_are_named_and_stop_no_other(target: Side) -> None:
    wrong = line(archived("wrong"))
    wrong["thread"]["messages"][1]["message"]["role"] = CANARY
    loose = {"loose": {"kind": "suspended_state", "key": "k", "value": {CANARY: 1}}}
    told = await imported(
        target, HEADER, line(archived("a")), b"{nonsense", wrong, loose, line(archived("b")), end(2, 4, 0)
    )

    assert await ids(target) == ["a", "b"]
    assert [number for number, _ in told.faults] == [3, 4, 5]
    assert told.faults.total == 3
    assert told.faults[1][1].startswith("thread.messages.1.message.role: ")
    assert CANARY not in str(told)
    assert not told.is_faithful
    assert not told.is_cut_off


async def test_faults_past_the_twentieth_are_counted(target: Side) -> None:
    told = await imported(target, HEADER, *[b"{"] * 50, end())
    assert (len(told.faults), told.faults.total) == (20, 50)


async def test_line_that_is_too_long_is_passed_by(target: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl.LineReader.__init__, "__kwdefaults__", {"limit_bytes": 10_000})
    told = await imported(target, HEADER, b"x" * 50_000, line(archived("a")), end(1, 2))
    assert await ids(target) == ["a"]
    assert told.faults == [(2, "longer than 64 MiB")]


@pytest.mark.parametrize(
    "first", [b"PK\x03\x04", b'{"title": "other"}', b"\x00\xff", line(archived("a")), end(), b'{"backscroll": 1}']
)
async def test_file_that_is_no_export_is_refused(target: Side, first: Any) -> None:
    with pytest.raises(StorageRefusedError, match=r"in\.jsonl:1: no export of Backscroll begins so"):
        await imported(target, first, line(archived("b")))
    assert await ids(target) == []


async def test_empty_file_is_refused(target: Side) -> None:
    with pytest.raises(StorageRefusedError, match=r"in\.jsonl is empty"):
        await imported(target, b"", b" ")


async def test_newer_format_is_refused_with_the_way_out(target: Side) -> None:
    with pytest.raises(StorageRefusedError, match=r"in\.jsonl:1: the format is version 2; this release knows") as told:
        await imported(target, {"backscroll": {"format": 2, "new": []}}, {"new": 1})
    assert "upgrade Backscroll" in told.value.hint


@pytest.mark.parametrize("cut", [-1, -20, -200])
async def test_file_that_is_cut_off_is_kept_as_far_as_it_is_whole(target: Side, cut: int) -> None:
    told = await imported(target, HEADER, line(archived("a")), line(archived("b")), b'{"end": {"threads": 2', cut=cut)
    assert "a" in await ids(target)
    assert told.is_cut_off
    assert told.faults == []


async def test_file_that_lacks_lines_is_miscounted(target: Side) -> None:
    told = await imported(target, HEADER, line(archived("a")), end(2, 4))
    assert told.is_miscounted
    assert await ids(target) == ["a"]


async def test_lines_in_another_order_are_kept(target: Side) -> None:
    told = await imported(target, HEADER, end(2, 4), line(archived("b")), line(archived("a")))
    assert await ids(target) == ["a", "b"]
    assert told.is_faithful


async def test_exports_one_after_the_other_are_one_file(target: Side) -> None:
    told = await imported(target, HEADER, line(archived("a")), end(1, 2), HEADER, line(archived("b")), end(1, 2))
    assert await ids(target) == ["a", "b"]
    assert told.is_faithful


async def test_later_piece_before_its_thread_is_named_and_comes_with_the_repeat(target: Side) -> None:
    lines = [HEADER, line(archived("t", 3, first=4)), line(archived("a")), line(archived("t", 3)), end(2, 8)]
    told = await imported(target, *lines)
    assert [number for number, _ in told.faults] == [2]
    assert not (await imported(target, *lines)).faults

    thread = await target.provider.get_thread("t")
    assert thread is not None
    assert [(each.sequence, each.id) for each in thread.messages] == [(n, f"t-{n}") for n in range(1, 7)]


async def test_piece_behind_a_refused_one_is_named_and_comes_with_the_repeat(target: Side, tmp_path: Path) -> None:
    lines = [HEADER, line(archived("t", 3)), line(archived("t", 3, first=4)), line(archived("a")), end(2, 8)]
    with refusing(tmp_path / "target.db", "id = 't-1'"):
        told = await imported(target, *lines)
    assert [number for number, _ in told.faults] == [2, 3]
    assert await ids(target) == ["a"]
    assert not (await imported(target, *lines)).faults

    thread = await target.provider.get_thread("t")
    assert thread is not None
    assert [(each.sequence, each.id) for each in thread.messages] == [(n, f"t-{n}") for n in range(1, 7)]


async def test_what_is_new_is_counted_beside_a_line_that_is_refused(target: Side, tmp_path: Path) -> None:
    with refusing(tmp_path / "target.db", "id = 'b-2'"):
        told = await imported(target, HEADER, *[line(archived(name)) for name in "abc"], end(3, 6))
    assert [number for number, _ in told.faults] == [3]
    assert (told.threads, told.messages, told.new_threads, told.new_messages) == (2, 4, 2, 4)


async def test_missing_and_damaged_contents_are_named_and_their_messages_kept(target: Side, tmp_path: Path) -> None:
    missing, damaged, pipe, outside = "a" * 64, "b" * 64, "c" * 64, "../../secret"
    (tmp_path / damaged).write_bytes(b"something else")
    os.mkfifo(tmp_path / pipe)
    piece = line(archived("t", 4))
    for each, sha256 in zip(piece["thread"]["messages"], (missing, damaged, pipe, None), strict=True):
        location = None if sha256 is None else file_location(sha256)
        each["message"]["attachments"] = [{"name": outside, "type": "x", "sha256": sha256, "location": location}]
    told = await imported(target, HEADER, piece, end(1, 4), files=tmp_path)

    assert (told.missing_files, told.missing_files.total) == ([missing, damaged, pipe], 3)
    assert told.messages == 4
    async with ThreadStore(provider=target.provider, closes_provider=False) as store:
        thread = await store.get("t")
        assert thread is not None
        assert await store.read_file(thread.messages[0].attachments[0]) is None


async def test_name_of_a_content_is_a_hash_and_no_path(target: Side, tmp_path: Path) -> None:
    piece = line(archived("t", 1))
    file = {"name": "f", "type": "x", "sha256": "../" * 20 + "etc/passwd", "location": "sha256:../../etc/passwd"}
    piece["thread"]["messages"][0]["message"]["attachments"] = [file]
    told = await imported(target, HEADER, piece, files=tmp_path)
    assert next(fault for _, fault in told.faults).startswith("thread.messages.0.message.attachments.0.sha256: ")


async def test_storage_that_refuses_every_line_is_to_blame(target: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: Any, **__: Any) -> Any:
        raise StorageRefusedError("It is read-only.")

    monkeypatch.setattr(target.provider, "merge_archive", refuse)
    with pytest.raises(StorageRefusedError, match="read-only"):
        await imported(target, HEADER, *[line(archived(name)) for name in "abcd"])
