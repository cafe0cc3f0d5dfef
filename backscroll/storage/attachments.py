"""Between messages and the file store: contents go in before their rows, and out after the last row that needs them.

Proved by `tests/contract/test_files.py` and `test_archives.py`.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from backscroll.errors import StorageError
from backscroll.storage.archive import ArchivedThread
from backscroll.storage.files import FileStore, Held, LocalFiles, Owner
from backscroll.storage.models import Attachment, Message, file_location
from backscroll.storage.provider import StorageProvider
from backscroll.storage.provider.primitives import FILES_DIRECTORY
from backscroll.storage.tasks import Tasks

T = TypeVar("T")


class _Database(Owner):
    """The database of a provider. It may have several ids, one of each process that gave it its first at once.

    One without an id is new: a directory that bears its name was its predecessor's, and becomes its own.
    """

    def __init__(self, provider: StorageProvider, *, inherits: bool) -> None:
        self._provider = provider
        self._inherits = inherits

    async def own_id(self) -> str | None:
        if self._provider.files_directory is None:
            return None
        if not (ids := await self._ids()):
            await self._provider.append("files", "owner", {})
            ids = await self._ids()
        return ids[0]

    async def is_own(self, owner_id: str) -> bool:
        ids = await self._ids()
        if not ids and self._inherits and self._provider.files_directory not in (None, FILES_DIRECTORY):
            await self._provider.append("files", "owner", {"id": owner_id})
            return True
        return owner_id in ids

    async def _ids(self) -> list[str]:
        return [str(each["id"]) for each in await self._provider.get_list("files", "owner")]


class Attachments:
    """The files of one provider's messages."""

    def __init__(self, provider: StorageProvider, files: FileStore | None = None, *, beside: Path = Path()) -> None:
        """Use a file store; None means the provider's own directory, made when it is needed.

        Args: beside: where that directory lies when its name is relative; the working directory, unless it is told.
        """
        self._provider = provider
        self._beside = beside
        self._files = files
        self._is_default = files is None
        self._passing: Path | None = None
        self._is_claimed = False
        self._tasks = Tasks()

    @property
    def files(self) -> FileStore:
        """The file store."""
        if self._files is None:
            directory = self._provider.files_directory
            if directory is None:  # the first content makes it, and close() removes it
                self._passing = Path(tempfile.gettempdir(), f"backscroll-{uuid4()}")
            self._files = LocalFiles(self._passing or self._beside / str(directory))
        return self._files

    @property
    def directory(self) -> Path | None:
        """The directory of the files, in full; None where the file store has none."""
        return self.files.directory if isinstance(self.files, LocalFiles) else None

    async def open(self) -> None:
        """Look whether contents can be kept, and whether they are this provider's own, making no directory.

        Raises: StorageRefusedError: the file store cannot be written, or belongs to another database.
        """
        await self.check()
        await self._claim(make=False)

    async def check(self) -> None:
        """Look whether contents can be kept, changing nothing.

        Raises: StorageRefusedError: the file store cannot be written.
        """
        await self.files.check()

    async def write(self, messages: Iterable[Message], commit: Callable[[], Awaitable[T]]) -> T:
        """Store the contents that messages bring, then run `commit`, which stores the messages.

        Runs to its end also when the caller is cancelled. Afterwards the contents are out of the objects.

        Raises: ValueError: a content is larger than the file store allows. What `commit` raises.
        """
        bringing = [
            each for message in messages for each in message.attachments if each.content is not None or each.is_kept
        ]
        if not bringing:
            return await commit()
        return await self._tasks.run(self._write(bringing, commit))

    async def fetch(
        self,
        attachment: Attachment,
        content: AsyncIterable[bytes],
        commit: Callable[[Attachment], Awaitable[bool]],
    ) -> Attachment | None:
        """Store a content that lay elsewhere, then run `commit`, which puts the attachment in its place.

        Runs to its end, also when the caller is cancelled, once the content is stored.

        Returns: the attachment as it is kept; None when `commit` says that nobody has it any more.
        Raises: ValueError: the content is larger than the file store allows. What `content` and `commit` raise.
        """
        await self._claim()
        held = await self.files.put(content)
        kept = attachment.model_copy(
            update={"sha256": held.sha256, "size_bytes": held.size_bytes, "location": file_location(held.sha256)}
        )
        return kept if await self._tasks.run(self._commit_held(held, commit(kept))) else None

    async def write_output(self, output: bytes, commit: Callable[[Held], Awaitable[T]]) -> T:
        """Store what a tool gave, of any size, then run `commit`, which stores the row that needs it.

        Runs to its end also when the caller is cancelled.

        Raises: what `commit` raises.
        """
        return await self._tasks.run(self._write_output(output, commit))

    async def write_archive(
        self,
        pieces: Iterable[ArchivedThread],
        contents: Callable[[str], Awaitable[AsyncIterator[bytes] | None]],
        commit: Callable[[], Awaitable[T]],
    ) -> T:
        """Store the contents that pieces of an archive need, then run `commit`, which merges the pieces.

        A content that is stored is held; any other is put as `contents` gives it, of any size. One that nobody has is
        passed over: its message then has a file that cannot be read. Runs to its end also when the caller is cancelled.

        Args: contents: gives the content of a SHA-256 in chunks; None where it is not to be had.
        Raises: ValueError: a content has another hash; nothing is merged. What `contents` and `commit` raise.
        """
        needed = sorted({sha256 for piece in pieces for sha256 in piece.files})
        if not needed:
            return await commit()
        return await self._tasks.run(self._write_archive(needed, contents, commit))

    async def open_content(self, sha256: str) -> AsyncGenerator[bytes, None] | None:
        """Return a stored content in chunks of at most 1 MiB; None when the file store does not have it.

        Who may stop before its end closes it.
        """
        return self.files.stream(sha256) if await self.files.exists(sha256) else None

    async def read_output(self, sha256: str) -> bytes | None:
        """Return what a tool gave; None when the file store does not have it."""
        return await self.files.read(sha256)

    async def read(self, attachment: Attachment) -> bytes | None:
        """Return an attachment's content; None when the file store does not have it."""
        if attachment.content is not None or attachment.sha256 is None:
            return attachment.content
        return await self.files.read(attachment.sha256)

    async def discard_dropped(self) -> None:
        """Remove the contents that no message needs since those that had them were deleted."""
        while dropped := await self._provider.list_dropped_files():
            await self._claim(make=False)
            await self.files.discard({each.sha256 for each in dropped}, self._provider.is_file_needed)
            await self._provider.forget_dropped_files([each.id for each in dropped])

    async def recover(self) -> None:
        """Finish what a process that was killed left.

        Raises: StorageRefusedError: the file store belongs to another database.
        """
        await self._claim(make=False)
        await self.files.recover(self._provider.is_file_needed)
        await self.discard_dropped()

    async def close(self) -> None:
        """Wait for what is under way."""
        await self._tasks.ended()
        if self._passing is not None:
            await asyncio.to_thread(shutil.rmtree, self._passing, ignore_errors=True)

    async def _claim(self, *, make: bool = True) -> None:
        files = self.files
        if not self._is_claimed and self._passing is None:
            self._is_claimed = await files.claim(_Database(self._provider, inherits=self._is_default), make=make)

    async def _write(self, bringing: list[Attachment], commit: Callable[[], Awaitable[T]]) -> T:
        await self._claim()
        held: list[Held] = []
        try:
            for attachment in bringing:
                held += await self._hold(attachment)
            result = await commit()
        finally:
            for each in held:
                await self._settle(each)
        for attachment in bringing:
            attachment.content = None
        return result

    async def _write_archive(
        self,
        needed: list[str],
        contents: Callable[[str], Awaitable[AsyncIterator[bytes] | None]],
        commit: Callable[[], Awaitable[T]],
    ) -> T:
        await self._claim()
        held: list[Held] = []
        try:
            for sha256 in needed:
                known = await self.files.hold(sha256)
                content = await contents(sha256) if known is None else None
                if content is not None:
                    known = await self.files.put_own(content)
                held += [] if known is None else [known]
                if known is not None and known.sha256 != sha256:
                    raise ValueError(f"the content of file {sha256} has another hash: {known.sha256}")
            return await commit()
        finally:
            for each in held:
                await self._settle(each)

    async def _write_output(self, output: bytes, commit: Callable[[Held], Awaitable[T]]) -> T:
        await self._claim()
        held = await self.files.put_own(output)
        return await self._commit_held(held, commit(held))

    async def _commit_held(self, held: Held, commit: Awaitable[T]) -> T:
        try:
            return await commit
        finally:
            await self._settle(held)

    async def _hold(self, attachment: Attachment) -> list[Held]:
        if attachment.content is None:
            held = await self.files.hold(str(attachment.sha256))
            return [] if held is None else [held]
        held = await self.files.put(attachment.content)
        attachment.sha256, attachment.size_bytes = held.sha256, held.size_bytes
        attachment.location = file_location(held.sha256)
        return [held]

    async def _settle(self, held: Held) -> None:
        try:
            await self.files.settle(held, self._provider.is_file_needed)
        except StorageError:
            # The hold stays, and the content with it, until recover() can ask whether it is needed.
            return
