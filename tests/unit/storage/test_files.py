"""Where the contents of attachments lie."""

import asyncio
import errno
import functools
import hashlib
import itertools
import os
import random
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backscroll.errors import StorageRefusedError, StorageUnavailableError
from backscroll.storage.files import CHUNK_BYTES, HOLD_S, Held, LocalFiles
from backscroll.storage.files.disk import in_thread

CONTENT = b"the-secret-words"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ELSE = hashlib.sha256(b"else").hexdigest()
HOSTILE: list[Any] = [
    "../x",
    "",
    "x" * 64,
    SHA256.upper(),
    SHA256[:-1],
    SHA256 + "0",
    SHA256 + "\n",
    SHA256[:-1] + "\0",
]
HOSTILE += ["../" + SHA256[:-3], "/" + SHA256[1:], "\u0661" * 64, None, SHA256.encode(), 5]

CALLS: dict[str, Callable[[LocalFiles, Any], Awaitable[Any]]] = {
    "read": lambda files, sha256: files.read(sha256),
    "stream": lambda files, sha256: anext(files.stream(sha256)),
    "exists": lambda files, sha256: files.exists(sha256),
    "hold": lambda files, sha256: files.hold(sha256),
    "settle": lambda files, sha256: files.settle(Held(sha256, 1, "0" * 32), Rows().need),
    "discard": lambda files, sha256: files.discard([SHA256, sha256], Rows().need),
}
Turn = Callable[[], Awaitable[None]]


class Rows(dict[str, str]):
    """The committed rows, each with the content that it needs."""

    def __init__(self, *names: str) -> None:
        super().__init__(dict.fromkeys(names, SHA256))

    async def need(self, sha256: str) -> bool:
        return sha256 in self.values()

    def need_after(self, *steps: Turn | None) -> Callable[[str], Awaitable[bool]]:
        """Make an `is_needed` that takes one of these steps before and after each time it looks."""
        left = iter(steps)

        async def is_needed(sha256: str) -> bool:
            if before := next(left, None):
                await before()
            is_there = sha256 in self.values()
            if after := next(left, None):
                await after()
            return is_there

        return is_needed


async def chunks(*parts: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if error:
        raise error


async def store(files: LocalFiles, rows: Rows, name: str = "row", content: bytes = CONTENT) -> None:
    """Store a row with a content, from beginning to end."""
    held = await files.put(content)
    rows[name] = held.sha256
    await files.settle(held, rows.need)


def final(directory: Path, sha256: str = SHA256) -> Path:
    return directory / sha256[:2] / sha256[2:4] / sha256


def on_disk(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir())


def modes(directory: Path) -> set[tuple[bool, int]]:
    """Tell who may use what: whether it is a directory, and its permissions."""
    return {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in [directory, *directory.rglob("*")]}


def age(directory: Path, seconds: float = HOLD_S + 60) -> None:
    """Make everything that waits in `incoming` older."""
    for path in (directory / "incoming").iterdir():
        then = time.time() - seconds
        os.utime(path, (then, then))


def refuse_links(source: Any, target: Any, **_: Any) -> None:
    """Answer as Linux does on a file system without hard links."""
    if not Path(source).exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "files"


@pytest.fixture
def files(directory: Path) -> LocalFiles:
    return LocalFiles(directory, max_file_bytes=3 * CHUNK_BYTES)


@pytest.fixture(params=["links", "copies"])
def any_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run on a disk with hard links, and on one without."""
    if request.param == "copies":
        monkeypatch.setattr(os, "link", refuse_links)


@pytest.mark.parametrize("content", [b"", b"x", CONTENT, b"x" * (2 * CHUNK_BYTES + 1)], ids=len)
async def test_read_returns_what_was_put(files: LocalFiles, content: bytes) -> None:
    held = await files.put(content)
    assert (held.sha256, held.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert await files.read(held.sha256) == content


@given(st.lists(st.binary(max_size=50)))
@settings(max_examples=20)
async def test_put_takes_a_stream_as_its_bytes(parts: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        files = LocalFiles(directory)
        held = await files.put(chunks(*parts))
        assert await files.read(held.sha256) == b"".join(parts)


async def test_put_joins_chunks_of_every_size(files: LocalFiles) -> None:
    parts = [b"a" * (CHUNK_BYTES - 1), b"b" * (CHUNK_BYTES + 1), b"", b"c" * 10]
    held = await files.put(chunks(*parts))
    assert await files.read(held.sha256) == b"".join(parts)


async def test_put_keeps_equal_contents_once(files: LocalFiles, directory: Path, any_disk: None) -> None:
    rows = Rows()
    for name in "abc":
        await store(files, rows, name)
    assert on_disk(directory) == [final(directory)]


async def test_put_gives_each_its_own_hold(files: LocalFiles) -> None:
    assert (await files.put(CONTENT)).hold != (await files.put(CONTENT)).hold


async def test_put_repairs_a_damaged_file(files: LocalFiles, directory: Path, any_disk: None) -> None:
    rows = Rows()
    await store(files, rows)
    final(directory).write_bytes(b"damaged")
    await store(files, rows)
    assert await files.read(SHA256) == CONTENT


async def test_put_opens_files_and_directories_to_their_owner_only(
    files: LocalFiles, directory: Path, any_disk: None
) -> None:
    before = os.umask(0)
    try:
        await files.put(CONTENT)
    finally:
        os.umask(before)
    assert modes(directory) == {(True, 0o700), (False, 0o600)}


async def test_put_syncs_the_file_and_every_directory_above(
    files: LocalFiles, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, fsync = set(), os.fsync

    def note(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    await files.put(CONTENT)
    path = final(directory)
    above = [path, path.parent, path.parent.parent, directory, directory.parent, directory.parent.parent]
    assert {one.stat().st_ino for one in [*above, directory / "incoming"]} <= synced


async def test_nothing_is_made_before_the_first_put(files: LocalFiles, tmp_path: Path) -> None:
    assert (await files.read(SHA256), await files.exists(SHA256), await files.hold(SHA256)) == (None, False, None)
    await files.discard([SHA256], Rows().need)
    await files.recover(Rows().need)
    assert not (tmp_path / "deep").exists()


async def test_exists_tells_what_is_stored(files: LocalFiles) -> None:
    await store(files, Rows())
    assert (await files.exists(SHA256), await files.exists(ELSE)) == (True, False)


async def test_hold_of_what_is_not_stored_is_none(files: LocalFiles) -> None:
    await files.put(CONTENT)
    assert await files.hold(ELSE) is None


async def test_hold_knows_the_size(files: LocalFiles) -> None:
    await files.put(CONTENT)
    held = await files.hold(SHA256)
    assert held
    assert (held.sha256, held.size_bytes) == (SHA256, len(CONTENT))


def test_repr_tells_no_path(files: LocalFiles) -> None:
    assert repr(files) == "LocalFiles(max_file_bytes=3145728)"


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, None])
def test_a_limit_is_a_whole_number(directory: Path, limit: Any) -> None:
    with pytest.raises(ValueError, match=r"^max_file_bytes is a whole number from 1 up, got "):
        LocalFiles(directory, max_file_bytes=limit)


async def test_put_takes_content_of_the_limit(directory: Path) -> None:
    assert (await LocalFiles(directory, max_file_bytes=5).put(chunks(b"123", b"45"))).size_bytes == 5


@pytest.mark.parametrize("content", [b"x" * 1235, chunks(b"x" * 1000, b"x" * 235)], ids=["bytes", "stream"])
async def test_put_refuses_content_above_the_limit_with_both_figures(directory: Path, content: Any) -> None:
    with pytest.raises(ValueError, match=r"^The content has at least 1,235 bytes, at most 1,234 are allowed$"):
        await LocalFiles(directory, max_file_bytes=1234).put(content)
    assert on_disk(directory) == []


async def test_put_stops_an_endless_stream_at_the_limit(files: LocalFiles) -> None:
    given_bytes = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given_bytes
        while True:
            given_bytes += 1000
            yield b"x" * 1000

    async with aclosing(endless()) as content:  # type: ignore[type-var]  # an async generator, which has aclose
        with pytest.raises(ValueError, match=r" are allowed$"):
            await files.put(content)
    assert given_bytes <= files.max_file_bytes + 1000


async def test_read_gives_what_is_above_a_later_limit(files: LocalFiles, directory: Path) -> None:
    await files.put(CONTENT)
    assert await LocalFiles(directory, max_file_bytes=1).read(SHA256) == CONTENT


@pytest.mark.parametrize("error", [RuntimeError("stream"), OSError(errno.ENOSPC, "stream")], ids=repr)
@pytest.mark.parametrize("size_bytes", [0, 10, 2 * CHUNK_BYTES])
async def test_put_leaves_nothing_of_a_stream_that_raises(
    files: LocalFiles, directory: Path, error: Exception, size_bytes: int
) -> None:
    with pytest.raises(type(error), match="stream") as caught:
        await files.put(chunks(b"x" * size_bytes, error=error))
    assert caught.value is error
    assert on_disk(directory) == []


async def test_put_tells_the_error_of_its_stream_when_the_directory_is_lost_too(
    files: LocalFiles, tmp_path: Path
) -> None:
    async def losing() -> AsyncIterator[bytes]:
        yield CONTENT
        (tmp_path / "deep").rename(tmp_path / "lost")
        (tmp_path / "deep").touch()
        raise RuntimeError("stream")

    with pytest.raises(RuntimeError, match=r"^stream$"):
        await files.put(losing())


@pytest.mark.parametrize("sha256", HOSTILE, ids=repr)
@pytest.mark.parametrize("call", CALLS)
async def test_a_hostile_sha256_is_refused_before_the_disk(tmp_path: Path, sha256: Any, call: str) -> None:
    (tmp_path / "files").write_bytes(b"in the directory's place, so that the disk would refuse")
    with pytest.raises(ValueError, match=r"^sha256 is 64 lower-case hex digits, got ") as caught:
        await CALLS[call](LocalFiles(tmp_path / "files"), sha256)
    assert "/" not in str(caught.value)


@pytest.mark.parametrize("hold", ["", "../x", "0" * 31, "A" * 32, "0" * 32 + "\n", "0" * 31 + "\0"])
async def test_settle_refuses_a_hostile_hold(files: LocalFiles, hold: str) -> None:
    with pytest.raises(ValueError, match=r"^held\.hold is not of this store$"):
        await files.settle(Held(SHA256, 1, hold), Rows().need)


async def test_stream_gives_chunks_of_one_mebibyte(files: LocalFiles) -> None:
    held = await files.put(b"x" * (2 * CHUNK_BYTES + 7))
    assert [len(chunk) async for chunk in files.stream(held.sha256)] == [CHUNK_BYTES, CHUNK_BYTES, 7]


async def test_stream_refuses_what_is_not_stored(files: LocalFiles) -> None:
    with pytest.raises(StorageRefusedError, match=rf"^File {SHA256} is not stored\. "):
        await anext(files.stream(SHA256))


async def test_stream_gives_a_content_that_is_removed_meanwhile_to_its_end(files: LocalFiles) -> None:
    content = b"a" * CHUNK_BYTES + b"b" * CHUNK_BYTES
    held = await files.put(content)
    async with aclosing(files.stream(held.sha256)) as stream:
        given_bytes = await anext(stream)
        await files.settle(held, Rows().need)
        assert not await files.exists(held.sha256)
        assert given_bytes + b"".join([chunk async for chunk in stream]) == content


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], CONTENT + b"x", CONTENT.swapcase()], ids=repr)
@pytest.mark.parametrize("call", ["read", "stream"])
async def test_damaged_content_is_refused(files: LocalFiles, directory: Path, damage: bytes, call: str) -> None:
    await store(files, Rows())
    final(directory).write_bytes(damage)
    with pytest.raises(StorageRefusedError, match=rf"^File {SHA256} is damaged: ") as caught:
        await (files.read(SHA256) if call == "read" else anext(files.stream(SHA256)))
    assert damage.decode() not in str(caught.value) or not damage


async def test_read_follows_no_symlink(files: LocalFiles, directory: Path, tmp_path: Path) -> None:
    await store(files, Rows())
    final(directory).rename(tmp_path / "elsewhere")
    final(directory).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageRefusedError, match=r"^The file store cannot be used: .*\(ELOOP\)"):
        await files.read(SHA256)


async def test_put_writes_through_no_symlink(files: LocalFiles, directory: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    await files.put(b"else")
    before = on_disk(tmp_path)
    (directory / SHA256[:2]).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageRefusedError, match=r"\(ENOTDIR\)"):
        await files.put(CONTENT)
    assert on_disk(tmp_path) == sorted([*before, directory / SHA256[:2]])


async def test_put_takes_a_symlink_as_the_directory(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    await store(LocalFiles(tmp_path / "link"), Rows())
    assert on_disk(tmp_path / "elsewhere") == [final(tmp_path / "elsewhere")]


@pytest.mark.parametrize("place", ["", "incoming", SHA256[:2], f"{SHA256[:2]}/{SHA256[2:4]}"])
async def test_put_is_refused_where_a_file_stands_in_place_of_a_directory(
    files: LocalFiles, directory: Path, place: str
) -> None:
    (directory / place).parent.mkdir(parents=True, exist_ok=True)
    (directory / place).touch()
    with pytest.raises(StorageRefusedError, match=r"^The file store cannot be used: ") as caught:
        await files.put(CONTENT)
    assert caught.value.hint == "Check that its directory belongs to this user and can be written."
    assert str(directory) not in str(caught.value)
    assert on_disk(directory.parent) == [directory / place]


async def test_read_is_refused_where_a_file_stands_in_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "files").touch()
    with pytest.raises(StorageRefusedError, match=r"\(ENOTDIR\)"):
        await LocalFiles(tmp_path / "files").read(SHA256)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
async def test_put_on_a_full_disk_is_unavailable_and_leaves_nothing(
    files: LocalFiles, directory: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fill(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    for module, name in [(os, "link"), (shutil, "copyfile")]:  # the last that takes room; on the others see below
        monkeypatch.setattr(module, name, fill)
    with pytest.raises(StorageUnavailableError, match=r"^The file store is full: .* Free space on its disk\.$"):
        await files.put(CONTENT)
    assert on_disk(directory) == []


@pytest.mark.parametrize("number", range(8))
async def test_put_leaves_nothing_that_recover_leaves_wherever_the_disk_fails(
    files: LocalFiles, directory: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fsync, calls = os.fsync, itertools.count()

    def fail_once(descriptor: int) -> None:
        if next(calls) == number:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_once)
    with pytest.raises(StorageUnavailableError, match=r"^The file store does not answer: .*\(EIO\)"):
        await files.put(CONTENT)
    if (directory / "incoming").exists():
        age(directory)
    await files.recover(Rows().need)
    assert on_disk(directory) == []


async def test_put_cancelled_while_it_waits_for_its_stream_leaves_nothing(files: LocalFiles, directory: Path) -> None:
    waiting = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield b"x" * CHUNK_BYTES
        waiting.set()
        await asyncio.Event().wait()

    put = asyncio.create_task(files.put(stuck()))
    await waiting.wait()
    put.cancel()
    with pytest.raises(asyncio.CancelledError):
        await put
    assert on_disk(directory) == []


async def test_step_on_the_disk_goes_to_its_end_though_it_is_cancelled_twice() -> None:
    began, free, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        free.wait(20)
        ended.set()

    step = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(began.wait, 20)
    for _ in range(2):
        step.cancel()
        await asyncio.wait([step], timeout=0.01)
    assert not step.done()
    free.set()
    with pytest.raises(asyncio.CancelledError):
        await step
    assert ended.is_set()


async def test_put_cancelled_anywhere_leaves_nothing_that_recover_leaves(files: LocalFiles, directory: Path) -> None:
    for number in itertools.count():
        put = asyncio.create_task(files.put(chunks(b"x" * CHUNK_BYTES, CONTENT)))
        for _ in range(number):
            await asyncio.wait([put], timeout=0.0005)
        if not put.cancel():
            break
        with pytest.raises(asyncio.CancelledError):
            await put
        if (directory / "incoming").exists():
            age(directory)
        await files.recover(Rows().need)
        assert on_disk(directory) == []


async def test_put_whose_part_was_taken_away_is_unavailable(files: LocalFiles, directory: Path) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * CHUNK_BYTES
        age(directory)
        await files.recover(Rows().need)
        yield CONTENT

    with pytest.raises(StorageUnavailableError, match=r"\(ENOENT\)"):
        await files.put(slow())
    assert on_disk(directory) == []


async def test_put_after_a_slow_stream_gives_a_young_hold(files: LocalFiles, directory: Path) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * CHUNK_BYTES  # all of it is written at once, so that no later write makes the part young
        age(directory)

    held = await files.put(slow())
    await files.recover(Rows().need)
    assert await files.exists(held.sha256)
    assert len(on_disk(directory)) == 2  # its place and its hold


async def test_hold_of_an_old_file_is_young(files: LocalFiles, directory: Path) -> None:
    await store(files, Rows())
    os.utime(final(directory), (0, 0))
    await files.hold(SHA256)
    await files.recover(Rows().need)
    assert await files.exists(SHA256)


async def test_settle_keeps_a_needed_content_and_lets_go_of_the_hold(files: LocalFiles, directory: Path) -> None:
    await store(files, Rows())
    assert on_disk(directory) == [final(directory)]


async def test_settle_removes_what_a_failed_transaction_put(files: LocalFiles, directory: Path, any_disk: None) -> None:
    await files.settle(await files.put(CONTENT), Rows().need)
    assert on_disk(directory) == []


async def test_settle_twice_is_harmless(files: LocalFiles, directory: Path) -> None:
    rows, held = Rows("row"), await files.put(CONTENT)
    await files.settle(held, rows.need)
    await files.settle(held, rows.need)
    assert on_disk(directory) == [final(directory)]


async def test_settle_leaves_the_hold_when_the_question_raises(files: LocalFiles) -> None:
    async def unanswered(_: str) -> bool:
        raise StorageUnavailableError

    held = await files.put(CONTENT)
    with pytest.raises(StorageUnavailableError):
        await files.settle(held, unanswered)
    await files.settle(held, Rows("row").need)
    assert await files.read(SHA256) == CONTENT


async def test_settle_says_when_a_needed_content_is_gone(files: LocalFiles, directory: Path) -> None:
    held = await files.put(CONTENT)
    age(directory)
    await files.recover(Rows().need)
    with pytest.raises(
        StorageRefusedError, match=rf"^File {SHA256} is needed and gone: its hold was older than 3600 s"
    ):
        await files.settle(held, Rows("row").need)


async def test_settle_of_a_hold_that_was_recovered_finds_the_content_in_another(
    files: LocalFiles, directory: Path
) -> None:
    held = await files.put(CONTENT)
    age(directory)
    await files.put(CONTENT)
    await files.recover(Rows().need)
    assert final(directory) not in on_disk(directory)
    await files.settle(held, Rows("row").need)
    assert final(directory) in on_disk(directory)


async def test_discard_removes_what_no_row_needs(files: LocalFiles, directory: Path, any_disk: None) -> None:
    rows = Rows()
    await store(files, rows, "kept")
    await store(files, rows, "dropped", b"else")
    del rows["dropped"]
    await files.discard([SHA256, ELSE, SHA256], rows.need)
    assert on_disk(directory) == [final(directory)]


async def test_discard_asks_again_later_about_all_that_it_could_not_ask_about(
    files: LocalFiles, directory: Path
) -> None:
    async def unanswered(_: str) -> bool:
        raise StorageUnavailableError

    for content in (CONTENT, b"else"):
        await store(files, Rows(), content=content)
    with pytest.raises(StorageUnavailableError):
        await files.discard([SHA256, ELSE], unanswered)
    age(directory)
    await files.recover(Rows().need)
    assert on_disk(directory) == []


async def test_recover_keeps_what_a_dead_process_committed(files: LocalFiles, directory: Path, any_disk: None) -> None:
    await files.put(CONTENT)
    final(directory).unlink()
    age(directory)
    await files.recover(Rows("row").need)
    assert on_disk(directory) == [final(directory)]
    assert await files.read(SHA256) == CONTENT


async def test_recover_removes_what_a_dead_process_did_not_commit(files: LocalFiles, directory: Path) -> None:
    await files.put(CONTENT)
    (directory / "incoming" / ("part." + "0" * 32)).write_bytes(b"half")
    age(directory)
    await files.recover(Rows().need)
    assert on_disk(directory) == []


async def test_recover_leaves_what_is_younger_than_an_hour(files: LocalFiles, directory: Path) -> None:
    await files.put(CONTENT)
    (directory / "incoming" / ("part." + "0" * 32)).write_bytes(b"half")
    before = on_disk(directory)
    age(directory, HOLD_S - 60)
    await files.recover(Rows().need)
    assert on_disk(directory) == before


async def test_recover_leaves_files_of_others(files: LocalFiles, directory: Path) -> None:
    (directory / "incoming").mkdir(parents=True)
    (directory / "incoming" / "notes.txt").touch()
    age(directory)
    await files.recover(Rows().need)
    assert on_disk(directory) == [directory / "incoming" / "notes.txt"]


@pytest.mark.parametrize("number", range(4))
async def test_discard_leaves_a_row_that_is_stored_meanwhile_its_content(
    files: LocalFiles, directory: Path, any_disk: None, number: int
) -> None:
    rows = Rows()
    await store(files, rows, "old")
    del rows["old"]
    steps: list[Turn | None] = [None] * 4
    steps[number] = lambda: store(files, rows, "new")
    await files.discard([SHA256], rows.need_after(*steps))
    assert await files.read(SHA256) == CONTENT
    assert on_disk(directory) == [final(directory)]


@pytest.mark.parametrize("number", range(4))
async def test_discard_leaves_a_row_that_is_committed_meanwhile_its_content(
    files: LocalFiles, directory: Path, number: int
) -> None:
    rows = Rows("new")
    held = await files.put(CONTENT)
    del rows["new"]

    async def commit() -> None:
        rows["new"] = SHA256

    steps: list[Turn | None] = [None] * 4
    steps[number] = commit
    await files.discard([SHA256], rows.need_after(*steps))
    assert await files.read(SHA256) == CONTENT
    await files.settle(held, rows.need)
    assert on_disk(directory) == [final(directory)]


async def test_settle_puts_back_what_a_discard_removed_before_the_commit(files: LocalFiles, directory: Path) -> None:
    rows = Rows()
    held = await files.put(CONTENT)
    await files.discard([SHA256], rows.need)
    rows["row"] = SHA256
    await files.settle(held, rows.need)
    assert on_disk(directory) == [final(directory)]


async def test_settle_puts_back_nothing_that_is_unneeded_since_it_asked(files: LocalFiles, directory: Path) -> None:
    rows = Rows("old")
    held = await files.put(CONTENT)

    async def drop() -> None:
        del rows["old"]
        await files.discard([SHA256], rows.need)

    await files.settle(held, rows.need_after(None, drop))
    assert on_disk(directory) == []


async def test_two_failed_puts_leave_nothing_whichever_settles_first(files: LocalFiles, directory: Path) -> None:
    rows, first, second = Rows(), await files.put(CONTENT), await files.put(CONTENT)
    await files.settle(first, rows.need_after(None, lambda: files.settle(second, rows.need)))
    assert on_disk(directory) == []


async def test_two_that_recover_one_hold_lose_no_row_stored_meanwhile(files: LocalFiles, directory: Path) -> None:
    rows, other = Rows(), LocalFiles(directory)
    await files.put(CONTENT)
    age(directory)

    async def recover_and_store() -> None:
        await other.recover(rows.need)
        await store(other, rows, "new")

    await files.recover(rows.need_after(None, recover_and_store))
    assert await files.read(SHA256) == CONTENT


async def test_read_finds_a_content_between_commit_and_settle(files: LocalFiles) -> None:
    rows = Rows()
    await files.put(CONTENT)
    await files.discard([SHA256], rows.need)
    assert await files.read(SHA256) == CONTENT


async def test_a_search_finds_a_content_that_moves_to_its_place_meanwhile(files: LocalFiles) -> None:
    held = await files.put(CONTENT)
    await files.discard([SHA256], Rows().need)
    places = files._copies(SHA256)
    assert not next(places).exists()
    await files.settle(held, Rows("row").need)
    assert any(place.exists() for place in places)


class Actor:
    """A process that stops before each of its steps until it is given a turn."""

    def __init__(self, script: Callable[[Turn], Coroutine[Any, Any, None]]) -> None:
        self._given, self._stopped = asyncio.Semaphore(0), asyncio.Semaphore(0)
        self.task = asyncio.create_task(self._play(script))

    async def turn(self) -> None:
        self._stopped.release()
        await self._given.acquire()

    async def _play(self, script: Callable[[Turn], Coroutine[Any, Any, None]]) -> None:
        try:
            await script(self.turn)
        finally:
            self._stopped.release()

    async def step(self) -> bool:
        """Let it go on to its next stop; False once it has ended."""
        if not self.task.done():
            self._given.release()
            await self._stopped.acquire()
        return not self.task.done()

    async def kill(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


class Process:
    """What one process does to a row of its own or to the row `old`, in steps."""

    def __init__(self, directory: str, rows: Rows, name: str) -> None:
        self.files, self.rows, self.name = LocalFiles(directory), rows, name

    def asking(self, turn: Turn) -> Callable[[str], Awaitable[bool]]:
        return self.rows.need_after(*[turn] * 20)

    async def settle(self, held: Held | None, turn: Turn) -> None:
        await turn()
        if held:
            await self.files.settle(held, self.asking(turn))

    async def add(self, turn: Turn) -> None:
        await turn()
        held = await self.files.put(CONTENT)
        await turn()
        self.rows[self.name] = SHA256
        await self.settle(held, turn)

    async def add_again(self, turn: Turn) -> None:
        await turn()
        if held := await self.files.hold(SHA256):
            await turn()
            self.rows[self.name] = SHA256
            await self.settle(held, turn)

    async def give_up(self, turn: Turn) -> None:
        await turn()
        await self.settle(await self.files.put(CONTENT), turn)

    async def drop(self, turn: Turn) -> None:
        await turn()
        held = await self.files.hold(SHA256)
        await turn()
        self.rows.pop("old", None)
        await self.settle(held, turn)

    async def recover(self, turn: Turn) -> None:
        await turn()
        await self.files.recover(self.asking(turn))


SCRIPTS = [Process.add, Process.add_again, Process.give_up, Process.drop, Process.recover]


async def check_readable(directory: str, rows: Rows) -> None:
    content = await LocalFiles(directory).read(SHA256)
    assert content == CONTENT or not rows


@given(
    st.lists(st.sampled_from(SCRIPTS), min_size=2, max_size=4),
    st.booleans(),
    st.lists(st.integers(0, 3), max_size=40),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=2),
)
async def test_no_interleaving_and_no_crash_loses_or_leaves_a_content(
    scripts: list[Any], is_dead_hold_there: bool, schedule: list[int], kills: list[tuple[int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        rows, files = Rows(), LocalFiles(directory)
        await store(files, rows, "old")
        if is_dead_hold_there:
            await files.hold(SHA256)
            age(Path(directory))
        actors = [
            Actor(functools.partial(script, Process(directory, rows, str(number))))
            for number, script in enumerate(scripts)
        ]
        for number, which in enumerate(schedule):
            for killed in [killed for killed, when in kills if when == number and killed < len(actors)]:
                await actors[killed].kill()
            await actors[which % len(actors)].step()
            await check_readable(directory, rows)
        for actor in actors:
            while await actor.step():
                await check_readable(directory, rows)
        for actor in actors:
            assert actor.task.cancelled() or actor.task.exception() is None
        age(Path(directory))
        await files.recover(rows.need)
        assert on_disk(Path(directory)) == ([final(Path(directory))] if rows else [])
        await check_readable(directory, rows)


async def test_many_at_once_lose_and_leave_no_content(directory: Path, any_disk: None) -> None:
    contents = [b"a", b"b" * 3000]
    rows = Rows()

    async def work(number: int) -> None:
        files, chance = LocalFiles(directory), random.Random(number)
        for turn in range(12):
            name, content = f"{number}", chance.choice(contents)
            held = await files.put(content)
            if chance.random() < 0.7:
                if name in rows:
                    await files.discard([rows.pop(name)], rows.need)
                rows[name] = held.sha256
            await files.settle(held, rows.need)
            if name in rows:
                assert await files.read(rows[name]) is not None, turn
            if chance.random() < 0.8 and name in rows:
                await files.discard([rows.pop(name)], rows.need)

    await asyncio.gather(*(work(number) for number in range(16)))
    assert on_disk(directory) == sorted({final(directory, sha256) for sha256 in rows.values()})
    assert {await LocalFiles(directory).read(sha256) for sha256 in rows.values()} <= set(contents)
