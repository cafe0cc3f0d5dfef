"""`LocalFiles`: a file store in a local directory. Proved by `tests/unit/storage/test_files.py`."""

import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from io import BufferedReader
from itertools import chain
from pathlib import Path

from backscroll.errors import StorageError, StorageRefusedError
from backscroll.storage.files.contract import CHUNK_BYTES, HOLD_S, FileStore, Held, IsNeeded, Owner, check_sha256
from backscroll.storage.files.disk import append, flush, hash_of, in_thread, is_writable, once, open_file, remove, sync
from backscroll.storage.values import INT64, check_count

_HOLD = re.compile(r"([0-9a-f]{64})\.([0-9a-f]{32})")
_PART = re.compile(r"part\.[0-9a-f]{32}")
_ANOTHER = "Or name another one: storage.files in config.yaml, LocalFiles in a program."
_HINT = "Restore it from a backup, or have the file sent again."


class LocalFiles(FileStore):
    """Contents as `ab/cd/<sha256>` in a directory, holds as `incoming/<sha256>.<hold>`: a hard link, else a copy.

    `database-id` tells which database it belongs to. The first put makes the directory. A content of more than
    `max_file_bytes` is not put, but read; what is our own may have any size.
    """

    def __init__(self, directory: str | Path, *, max_file_bytes: int = 25 * 1024 * 1024) -> None:
        self._directory = Path(directory)
        self._incoming = self._directory / "incoming"
        self._mark = self._directory / "database-id"
        self.max_file_bytes = check_count(max_file_bytes, "max_file_bytes")

    @property
    def directory(self) -> Path:
        """The directory in full."""
        return self._directory.absolute()

    def __repr__(self) -> str:
        return f"LocalFiles(max_file_bytes={self.max_file_bytes})"

    async def check(self) -> None:
        if not await in_thread(is_writable, self._directory):
            fact = f"The files directory {self._directory.absolute()} cannot be written."
            raise StorageRefusedError(fact, f"Give it to this user. {_ANOTHER}")

    async def claim(self, owner: Owner, *, make: bool = True) -> bool:
        found = await in_thread(self._read_mark)
        if found is None and (make or await in_thread(self._directory.is_dir)) and (own := await owner.own_id()):
            try:
                found = await in_thread(self._set_mark, own)
            except StorageRefusedError:
                if make:
                    raise  # else it may be read, and what is in it cannot be removed
        if found is not None and not await owner.is_own(found):
            fact = f"The files directory {self._directory.absolute()} belongs to another database."
            raise StorageRefusedError(fact, f"If that database is gone for good, remove the directory. {_ANOTHER}")
        return found is not None

    async def put(self, content: bytes | AsyncIterable[bytes]) -> Held:
        return await self._put(once(content) if isinstance(content, bytes) else content, self.max_file_bytes)

    async def put_own(self, content: bytes | AsyncIterable[bytes]) -> Held:
        return await self._put(once(content) if isinstance(content, bytes) else content, INT64)

    async def _put(self, content: AsyncIterable[bytes], limit_bytes: int) -> Held:
        part, digest, size_bytes, buffer = self._new_part(), hashlib.sha256(), 0, bytearray()
        try:
            await in_thread(self._create, part)
            async for chunk in content:
                size_bytes += len(chunk)
                if size_bytes > limit_bytes:
                    limit = f"at most {limit_bytes:,} are allowed"
                    raise ValueError(f"The content has at least {size_bytes:,} bytes, {limit}")
                buffer += chunk
                if len(buffer) >= CHUNK_BYTES:
                    await in_thread(append, part, buffer, digest)
                    buffer = bytearray()
            await in_thread(append, part, buffer, digest)
            held = Held(digest.hexdigest(), size_bytes, secrets.token_hex(16))
            await in_thread(self._keep, part, held)
        finally:
            with suppress(StorageError):  # it would hide why the put ended, and recover() removes the part as well
                await in_thread(remove, [part])
        return held

    async def hold(self, sha256: str) -> Held | None:
        return await in_thread(self._take, check_sha256(sha256))

    async def settle(self, held: Held, is_needed: IsNeeded) -> None:
        holds, changed, gone = [self._hold_path(held)], True, False
        while changed:  # an answer is old when it is acted on, so it is asked again after each change
            needed = await is_needed(held.sha256)
            if needed and gone:
                fact = f"File {held.sha256} is needed and gone: its hold was older than {HOLD_S} s."
                raise StorageRefusedError(fact, _HINT)
            changed = await in_thread(self._restore if needed else self._retire, held.sha256, holds)
            gone = changed and needed and not await self.exists(held.sha256)
        await in_thread(remove, holds)

    async def read(self, sha256: str) -> bytes | None:
        with ExitStack() as opened:
            file = await in_thread(self._open, check_sha256(sha256), opened)
            return await in_thread(file.read) if file else None

    def stream(self, sha256: str) -> AsyncGenerator[bytes, None]:
        return self._chunks(check_sha256(sha256))

    async def _chunks(self, sha256: str) -> AsyncGenerator[bytes, None]:
        with ExitStack() as opened:
            if not (file := await in_thread(self._open, sha256, opened)):
                raise StorageRefusedError(f"File {sha256} is not stored.", _HINT)
            while chunk := await in_thread(file.read, CHUNK_BYTES):
                yield chunk

    async def exists(self, sha256: str) -> bool:
        copies = self._copies(check_sha256(sha256))
        return await in_thread(lambda: any(copy.is_file() for copy in copies))

    async def recover(self, is_needed: IsNeeded) -> None:
        for held in await in_thread(self._sweep):
            await self.settle(held, is_needed)

    def _read_mark(self) -> str | None:
        with suppress(FileNotFoundError), open_file(self._mark) as file:
            return file.read(1000).decode(errors="replace")
        return None

    def _set_mark(self, owner_id: str) -> str | None:
        """Mark the directory as this database's, unless it is marked; return whose it is. A mark is whole at once."""
        self._make("incoming")
        part = self._new_part()
        try:
            part.touch(0o600, exist_ok=False)
            part.write_text(owner_id)
            flush(part)
            self._link(part, self._mark)
        finally:
            part.unlink(missing_ok=True)
        sync(self._directory)
        return self._read_mark()

    def _final_path(self, sha256: str) -> Path:
        return self._directory / sha256[:2] / sha256[2:4] / sha256

    def _hold_path(self, held: Held) -> Path:
        name = f"{check_sha256(held.sha256)}.{held.hold}"
        if not _HOLD.fullmatch(name):
            raise ValueError("held.hold is not of this store")
        return self._incoming / name

    def _new_part(self) -> Path:
        return self._incoming / f"part.{secrets.token_hex(16)}"

    def _make(self, *names: str) -> Path:
        """Make the directory and these, one in the other, so that they survive a power cut; return the innermost."""
        made = [path for path in (self._directory, *self._directory.parents) if not path.exists()]
        self._directory.mkdir(0o700, parents=True, exist_ok=True)
        made += [self._directory.joinpath(*names[: depth + 1]) for depth in range(len(names))]
        for path in made:
            path.mkdir(0o700, exist_ok=True)
            if path.is_symlink():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            sync(path.parent)
        return made[-1]

    def _create(self, part: Path) -> None:
        self._make("incoming")
        part.touch(0o600, exist_ok=False)

    def _keep(self, part: Path, held: Held) -> None:
        """Make the part a hold, and give its content its final place, also instead of a damaged file."""
        hold, final = self._hold_path(held), self._final_path(held.sha256)
        flush(part)
        part.rename(hold)
        sync(self._incoming)
        try:
            with suppress(FileNotFoundError), open_file(final) as file:
                if hash_of(file) != held.sha256:
                    final.unlink()
            self._restore(held.sha256, [hold])
        except OSError:
            if not final.exists():  # else recover() finds out whether a row needs it
                hold.unlink(missing_ok=True)
            raise

    def _take(self, sha256: str) -> Held | None:
        held = Held(sha256, 0, secrets.token_hex(16))
        for source in self._copies(sha256):
            with suppress(FileNotFoundError):
                os.utime(source, follow_symlinks=False)  # a link shares the time, and must not be born an old hold
                self._make("incoming")
                self._link(source, self._hold_path(held))
                sync(self._incoming)
                return replace(held, size_bytes=self._hold_path(held).lstat().st_size)
        return None

    def _retire(self, sha256: str, holds: list[Path]) -> bool:
        """Make the final place one more of these holds; False when the content has none.

        Not just unlinked: when two recover the same hold, the other may have removed it by now, and with it all that
        the content could be put back from.
        """
        retired = self._hold_path(Held(sha256, 0, secrets.token_hex(16)))
        try:
            self._final_path(sha256).rename(retired)
        except FileNotFoundError:
            return False
        holds.append(retired)
        sync(self._final_path(sha256).parent)
        return True

    def _restore(self, sha256: str, holds: list[Path]) -> bool:
        """Give the content its final place, from one of these holds or wherever it is; False when it had it."""
        folder = self._make(sha256[:2], sha256[2:4])
        for source in chain(holds, self._copies(sha256)):
            with suppress(FileNotFoundError):
                if missing := not (folder / sha256).exists():
                    self._link(source, folder / sha256)
                sync(folder)
                return missing
        return True

    def _link(self, source: Path, target: Path) -> None:
        """Give the source a second name, or copy it. A target that exists has the same content and stays."""
        try:
            os.link(source, target, follow_symlinks=False)
        except FileExistsError:
            return
        except FileNotFoundError:
            raise
        except OSError:  # whatever a file system without hard links says; a real fault comes again with the copy
            part = self._new_part()
            try:
                part.touch(0o600, exist_ok=False)
                shutil.copyfile(source, part)
                flush(part)
                part.rename(target)
            finally:
                part.unlink(missing_ok=True)

    def _copies(self, sha256: str) -> Iterator[Path]:
        """Name the places where the content may be, three times, as it may move while one looks."""
        for _ in range(3):
            yield self._final_path(sha256)
            with suppress(FileNotFoundError):
                yield from [path for path in self._incoming.iterdir() if path.name.startswith(f"{sha256}.")]

    def _open(self, sha256: str, opened: ExitStack) -> BufferedReader | None:
        """Open the content and check its hash. In the thread already it is `opened`: a cancelled wait loses no file."""
        for path in self._copies(sha256):
            with suppress(FileNotFoundError):
                file = opened.enter_context(open_file(path))
                if hash_of(file) != sha256:
                    raise StorageRefusedError(f"File {sha256} is damaged: its content has another hash.", _HINT)
                file.seek(0)
                return file
        return None

    def _sweep(self) -> list[Held]:
        """Remove the parts that nobody writes any more, and return the holds whose owners are dead."""
        dead = []
        for path in list(self._incoming.iterdir()) if self._incoming.exists() else []:
            with suppress(FileNotFoundError):
                status = path.lstat()
                if status.st_mtime < time.time() - HOLD_S:
                    if named := _HOLD.fullmatch(path.name):
                        dead.append(Held(named[1], status.st_size, named[2]))
                    elif _PART.fullmatch(path.name):
                        path.unlink()
        return dead
