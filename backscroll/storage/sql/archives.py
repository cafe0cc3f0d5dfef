"""Archives, read and merged set by set. The contract stands in `provider/archives.py`.

Proved by `tests/contract/test_archives.py` and `tests/unit/storage/sql/test_archives.py`.
"""

from collections.abc import Iterator, Sequence

from backscroll.errors import StorageError, StorageRefusedError, StorageUnavailableError, StoreClosedError
from backscroll.storage.archive import ArchivedThread, ArchiveMark, Loose, LooseMark, Merged, PieceRefusedError
from backscroll.storage.sql.archive_merging import merge_pieces
from backscroll.storage.sql.archive_reading import read_at_once, read_page
from backscroll.storage.sql.checkpoints import SqlCheckpoints
from backscroll.storage.sql.engine import ATTEMPTS
from backscroll.storage.sql.loose import merge_things, read_things
from backscroll.storage.values import check_count

BATCH_SIZE = 2_000
"""Messages and threads in one transaction, at most; a single larger piece goes alone."""


class SqlArchives(SqlCheckpoints):
    """The calls for archives."""

    async def read_archive(
        self, *, after: ArchiveMark | None = None, limit: int = 500, thread_ids: Sequence[str] | None = None
    ) -> list[ArchivedThread]:
        check_count(limit, "limit")
        ids = None if thread_ids is None else sorted(set(thread_ids))
        return await read_at_once(self.database, lambda connection: read_page(connection, after, limit, ids))

    async def merge_archive(self, pieces: Sequence[ArchivedThread], *, mirror: bool = False) -> list[Merged]:
        merged: list[Merged] = []
        for batch in _batches(pieces):
            try:
                merged += await self._merge_batch(batch, mirror=mirror)
            except (StorageUnavailableError, StoreClosedError):
                raise
            except Exception:  # noqa: BLE001  # of the batch nothing is kept: those before the bad piece are, one by one
                for piece in batch:
                    merged += await self._merge_alone(piece, merged, mirror=mirror)
        return merged

    async def read_loose(self, *, after: LooseMark | None = None, limit: int = 500) -> list[Loose]:
        check_count(limit, "limit")
        return await read_at_once(self.database, lambda connection: read_things(connection, after, limit))

    async def merge_loose(self, things: Sequence[Loose], *, replace: bool = False) -> int:
        return await self.database.change(lambda connection: merge_things(connection, things, replace=replace))

    async def _merge_batch(self, pieces: Sequence[ArchivedThread], *, mirror: bool) -> list[Merged]:
        return await self.database.change(lambda connection: merge_pieces(connection, pieces, mirror=mirror))

    async def _merge_alone(self, piece: ArchivedThread, before: list[Merged], *, mirror: bool) -> list[Merged]:
        """Merge a piece in a transaction of its own.

        Args: before: what became of those before it.
        Raises: PieceRefusedError
        """
        try:
            return await self._merge_one(piece, mirror=mirror)
        except (StorageUnavailableError, StoreClosedError):
            raise
        except Exception as error:
            raise PieceRefusedError(piece.id, before, error) from error

    async def _merge_one(self, piece: ArchivedThread, *, mirror: bool) -> list[Merged]:
        attempt = 1
        while True:
            try:
                return await self._merge_batch([piece], mirror=mirror)
            except (StorageUnavailableError, StorageRefusedError, StoreClosedError):
                raise
            except StorageError:
                # Another writer may have taken one of its names since they were looked up.
                if attempt == ATTEMPTS:
                    raise
            attempt += 1


def _batches(pieces: Sequence[ArchivedThread]) -> Iterator[list[ArchivedThread]]:
    """Part pieces into those of one transaction each."""
    batch: list[ArchivedThread] = []
    size = 0
    for piece in pieces:
        its = 1 + len(piece.messages)
        if batch and size + its > BATCH_SIZE:
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += its
    if batch:
        yield batch
