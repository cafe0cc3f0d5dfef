"""Exports: what is written, and that nothing half has the file's name."""

import errno
import fcntl
import json
import os
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from backscroll.errors import StorageRefusedError
from backscroll.storage.models import Attachment, Message, file_location
from backscroll.storage.store import ThreadStore
from backscroll.transfer import reading
from backscroll.transfer.copying import Side
from backscroll.transfer.exporting import Exported, Selection, export_jsonl, whole_file
from tests.unit.transfer.samples import AT, archived


async def exported(source: Side, **options: Any) -> tuple[list[dict[str, Any]], Exported]:
    out = BytesIO()
    told = await export_jsonl(source.provider, source.attachments, out, version="1.0", **options)
    return [json.loads(line) for line in out.getvalue().splitlines()], told


async def test_export_is_a_header_a_line_for_each_thing_and_an_end(source: Side) -> None:
    await source.provider.merge_archive([archived("a"), archived("b", 3)])
    await source.provider.set("mine", "key", {"n": 1})
    lines, told = await exported(source)

    assert [next(iter(line)) for line in lines] == ["backscroll", "thread", "thread", "loose", "end"]
    assert lines[0]["backscroll"] | {"exported_at": None} == {
        "format": 1,
        "version": "1.0",
        "exported_at": None,
        "is_whole": True,
    }
    assert lines[-1]["end"] == {"threads": 2, "messages": 5, "loose": 1}
    assert (told.threads, told.messages, told.loose) == (2, 5, {"value": 1})


async def test_export_takes_a_long_thread_in_pieces(source: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE", 4)
    await source.provider.merge_archive([archived("a"), archived("long", 9)])
    lines, told = await exported(source)

    pieces = [line["thread"] for line in lines if "thread" in line and line["thread"]["id"] == "long"]
    assert len(pieces) > 1
    assert [piece["is_continuation"] for piece in pieces] == [False] + [True] * (len(pieces) - 1)
    assert sum(len(piece["messages"]) for piece in pieces) == 9
    assert (told.threads, told.messages) == (2, 11)


@pytest.mark.parametrize(
    ("selection", "ids"),
    [
        (Selection(thread_ids=("b", "unknown", "b")), ["b"]),
        (Selection(platform="slack"), ["a", "b"]),
        (Selection(platform="discord"), []),
        (Selection(since=AT), ["a", "b"]),
        (Selection(since=AT + timedelta(seconds=1)), []),
        (Selection(until=AT), ["a", "b"]),
        (Selection(until=AT - timedelta(seconds=1)), []),
    ],
)
async def test_export_of_a_selection_has_these_threads_and_nothing_else(
    source: Side, selection: Selection, ids: list[str]
) -> None:
    await source.provider.merge_archive([archived("a"), archived("b")])
    await source.provider.set("mine", "key", {"n": 1})
    lines, _ = await exported(source, selection=selection)

    assert [line["thread"]["id"] for line in lines if "thread" in line] == ids
    assert lines[0]["backscroll"]["is_whole"] is False
    assert lines[-1]["end"]["loose"] == 0


async def test_export_leaves_out_what_a_copy_noted(source: Side) -> None:
    await source.provider.set("transfer", "key", {"after": ["a", 1]})
    assert len((await exported(source))[0]) == 2


async def test_contents_lie_beside_the_file_and_a_missing_one_is_named(source: Side, tmp_path: Path) -> None:
    files = [Attachment(name=name, content=name.encode()) for name in ("kept", "lost")]
    async with ThreadStore(provider=source.provider, closes_provider=False) as store:
        thread = await store.get_or_create("t")
        thread.add_message(Message(role="user", attachments=files))
        await store.save(thread)
    kept, lost = (str(each.sha256) for each in files)
    await source.attachments.files.discard([lost], lambda _: _no())
    _, told = await exported(source, files=tmp_path / "out")

    assert (tmp_path / "out" / kept).read_bytes() == b"kept"
    assert [path.name for path in (tmp_path / "out").iterdir()] == [kept]
    assert (told.files, told.missing_files, told.missing_files.total) == (1, [lost], 1)


async def test_missing_content_counts_once_however_many_threads_need_it(source: Side, tmp_path: Path) -> None:
    lost = Attachment(name="lost", type="x", sha256="a" * 64, location=file_location("a" * 64), size_bytes=1)
    for name in "abc":
        piece = archived(name, 1)
        message = piece.messages[0].message.model_copy(update={"attachments": [lost]})
        messages = [piece.messages[0].model_copy(update={"message": message})]
        await source.provider.merge_archive([piece.model_copy(update={"messages": messages})])
    _, told = await exported(source, files=tmp_path / "out")
    assert (told.missing_files, told.missing_files.total) == ([lost.sha256], 1)


async def test_content_is_on_the_disk_before_it_has_its_name(
    source: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ThreadStore(provider=source.provider, closes_provider=False) as store:
        thread = await store.get_or_create("t")
        thread.add_message(Message(role="user", attachments=[Attachment(name="f", content=b"content")]))
        await store.save(thread)
    sync, synced, out = os.fsync, list[tuple[int, list[str]]](), tmp_path / "out"

    def noted(file: int) -> None:
        sync(file)
        synced.append((os.fstat(file).st_size, [path.suffix for path in out.iterdir()]))

    monkeypatch.setattr(os, "fsync", noted)
    await exported(source, files=out)
    assert synced == [(len(b"content"), [".part"])]


async def _no() -> bool:
    return False


def test_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with pytest.raises(StorageRefusedError, match=r"out\.jsonl cannot be written: No space left on device\."):
        write_and_fail(path)
    assert list(tmp_path.iterdir()) == []

    with whole_file(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600


def write_and_fail(path: Path) -> None:
    with whole_file(path) as file, Path("/dev/full").open("wb", buffering=0) as full:
        file.write(b"half")
        full.write(b"x")


def test_file_that_is_there_stays_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    with pytest.raises(StorageRefusedError, match="is there already"), whole_file(path):
        raise AssertionError
    assert path.read_text() == "old"
    with whole_file(path, force=True) as file:
        file.write(b"new")
    assert path.read_text() == "new"


def test_what_is_no_file_is_written_as_it_is(tmp_path: Path) -> None:
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(tmp_path / "file")
    with whole_file(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert link.read_bytes() == b"new"

    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with whole_file(pipe) as file:
        file.write(b"new")
    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert pipe.is_fifo()


def test_file_is_written_by_one_export_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with whole_file(path) as first:
        first.write(b"first")
        with pytest.raises(StorageRefusedError, match="Another export writes"), whole_file(path):
            raise AssertionError
    assert path.read_text() == "first"


def test_export_that_ends_while_another_begins_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other has opened the file already, and gets its lock when the file is whole."""
    path, lock = tmp_path / "out.jsonl", fcntl.flock
    first = ExitStack()
    first.enter_context(whole_file(path)).write(b"first")

    def ending(file: int, how: int) -> None:
        first.close()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", ending)
    with pytest.raises(StorageRefusedError, match="is there already"), whole_file(path):
        raise AssertionError
    assert path.read_bytes() == b"first"
    with whole_file(path, force=True) as file:
        file.write(b"second")
    assert [path.read_bytes(), *tmp_path.iterdir()] == [b"second", path]


async def test_disk_that_is_full_ends_the_export(source: Side) -> None:
    await source.provider.merge_archive([archived("a")])
    full = FullDisk()
    with pytest.raises(StorageRefusedError, match="the export cannot be written: No space left on device"):
        await export_jsonl(source.provider, source.attachments, full, version="1.0")


class FullDisk(BytesIO):
    """A file on a disk that has room for a header."""

    def writelines(self, lines: Iterable[Any], /) -> None:
        if self.tell():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().writelines(lines)
