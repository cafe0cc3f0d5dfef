"""Group commit: writes that wait while a commit is under way go into the next one together.

Nothing is delayed to fill a batch: a lone write is committed at once. Proved by
`tests/unit/storage/sql/test_commit.py`.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from backscroll.errors import StorageError, StorageRefusedError, StorageUnavailableError
from backscroll.storage.sql.engine import Connection, Database

BATCH_SIZE = 500
"""Messages and saves in one transaction, at most; a single larger one goes alone."""

WAITING_COUNT = 10_000
"""Writes that may wait, at most; who comes then waits for a place."""


class Job(Protocol):
    """One write on its way, and its outcome."""

    error: StorageError | None

    @property
    def size(self) -> int:
        """How much of a transaction it fills."""


J = TypeVar("J", bound=Job)
Run = Callable[[Connection, list[J]], Awaitable[None]]
"""Does many writes of one kind inside a transaction, and sets their outcomes."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    job: Any
    run: Run[Any]
    done: asyncio.Future[None]


class GroupCommit:
    """The queue in front of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Waiting] = deque()
        self._places = asyncio.Semaphore(WAITING_COUNT)
        self._task: asyncio.Task[None] | None = None

    async def commit(self, job: J, run: Run[J]) -> J:
        """Do one write, together with those of its kind that wait beside it, and return it with its outcome.

        A caller that is cancelled leaves the write in the queue: it may still be kept.

        Raises: StorageError: it was not kept, or nobody knows; a repeat is harmless.
        """
        # The place is the write's, which stays when its caller is cancelled; _settle gives it back.
        await self._places.acquire()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(job, run, done))
        if self._task is None:
            self._task = asyncio.ensure_future(self._drain())
        await done
        return job

    async def close(self) -> None:
        """Wait for what is queued."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._commit(self._next_batch())
        finally:
            self._task = None

    def _next_batch(self) -> list[_Waiting]:
        batch = [self._waiting.popleft()]
        size = batch[0].job.size
        while self._waiting and self._waiting[0].run is batch[0].run:
            size += self._waiting[0].job.size
            if size > BATCH_SIZE:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        jobs, run = [each.job for each in batch], batch[0].run

        async def work(connection: Connection) -> None:
            await run(connection, jobs)

        try:
            await self._database.write_unshielded(work)
        except (StorageUnavailableError, StorageRefusedError) as error:
            self._settle(batch, error)
        except Exception as error:  # noqa: BLE001  # one bad write must not take its neighbours along
            if len(batch) == 1:
                self._settle(batch, error)
            else:
                for single in batch:
                    await self._commit([single])
        else:
            self._settle(batch, None)

    def _settle(self, batch: list[_Waiting], error: Exception | None) -> None:
        for each in batch:
            self._places.release()
            if each.done.done():
                continue
            failure = error or each.job.error
            if failure is None:
                each.done.set_result(None)
            else:
                each.done.set_exception(_own(failure))


def _own(error: Exception) -> Exception:
    # One exception object raised in many tasks would gather all their tracebacks.
    return type(error)(error.message, error.hint) if isinstance(error, StorageError) else error
