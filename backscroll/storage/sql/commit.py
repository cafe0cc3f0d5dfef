"""Group commit: appends that wait while a commit is under way go into the next one together.

Nothing is delayed to fill a batch: a lone append is committed at once. Proved by
`tests/unit/storage/sql/test_commit.py`.
"""

import asyncio
from collections import deque

from sqlalchemy.ext.asyncio import AsyncConnection

from backscroll.errors import StorageError, StorageRefusedError, StorageUnavailableError
from backscroll.storage.sql.batch import append_batch
from backscroll.storage.sql.engine import Database
from backscroll.storage.sql.item import Item

BATCH_COUNT = 500
"""Appends in one transaction, at most."""

WAITING_COUNT = 10_000
"""Appends that may wait, at most; who comes then waits for a place."""


class GroupCommit:
    """The queue in front of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[tuple[Item, asyncio.Future[Item]]] = deque()
        self._places = asyncio.Semaphore(WAITING_COUNT)
        self._task: asyncio.Task[None] | None = None

    async def append(self, item: Item) -> Item:
        """Append one item, together with those that wait beside it, and return it with its outcome.

        A caller that is cancelled leaves the item in the queue: it may still be kept.

        Raises: StorageError: it was not kept, or nobody knows; a repeat is harmless.
        """
        # The place is the item's, which stays when its caller is cancelled; _settle gives it back.
        await self._places.acquire()
        done: asyncio.Future[Item] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._task is None:
            self._task = asyncio.ensure_future(self._drain())
        return await done

    async def close(self) -> None:
        """Wait for what is queued."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _drain(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), BATCH_COUNT)
                await self._commit([self._waiting.popleft() for _ in range(count)])
        finally:
            self._task = None

    async def _commit(self, batch: list[tuple[Item, asyncio.Future[Item]]]) -> None:
        try:
            await self._run([item for item, _ in batch])
        except (StorageUnavailableError, StorageRefusedError) as error:
            self._settle(batch, error)
        except Exception as error:  # noqa: BLE001  # one bad item must not take its neighbours along
            if len(batch) == 1:
                self._settle(batch, error)
            else:
                for single in batch:
                    await self._commit([single])
        else:
            self._settle(batch, None)

    async def _run(self, items: list[Item]) -> None:
        async def work(connection: AsyncConnection) -> None:
            await append_batch(connection, items)

        await self._database.write(work)

    def _settle(self, batch: list[tuple[Item, asyncio.Future[Item]]], error: Exception | None) -> None:
        for item, done in batch:
            self._places.release()
            if done.done():
                continue
            failure = error or item.error
            if failure is None:
                done.set_result(item)
            else:
                done.set_exception(_own(failure))


def _own(error: Exception) -> Exception:
    # One exception object raised in many tasks would gather all their tracebacks.
    return type(error)(error.message, error.hint) if isinstance(error, StorageError) else error
