"""Group commit: writes of one kind that wait while one of theirs is under way go into the next commit together.

Nothing is delayed to fill a batch: a lone write is committed at once. Writes of different kinds do not wait for each
other. Proved by
`tests/unit/storage/sql/test_commit.py`.
"""

import asyncio
from collections import defaultdict, deque
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
    """The queues in front of one database, one for each kind of write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: defaultdict[Run[Any], deque[_Waiting]] = defaultdict(deque)
        self._places = asyncio.Semaphore(WAITING_COUNT)
        self._tasks: dict[Run[Any], asyncio.Task[None]] = {}

    @property
    def waiting_count(self) -> int:
        """How many writes wait for a transaction."""
        return sum(len(waiting) for waiting in self._waiting.values())

    async def commit(self, job: J, run: Run[J]) -> J:
        """Do one write, together with those of its kind that wait beside it, and return it with its outcome.

        A caller that is cancelled leaves the write in the queue: it may still be kept.

        Raises: StorageError: it was not kept, or nobody knows; a repeat is harmless.
        """
        # The place is the write's, which stays when its caller is cancelled; _settle gives it back.
        await self._places.acquire()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[run].append(_Waiting(job, run, done))
        if run not in self._tasks:
            self._tasks[run] = asyncio.ensure_future(self._drain(run))
        await done
        return job

    async def close(self) -> None:
        """Wait for what is queued."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def _drain(self, run: Run[Any]) -> None:
        waiting = self._waiting[run]
        try:
            while waiting:
                await self._commit(_next_batch(waiting))
        finally:
            del self._tasks[run]

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


def _next_batch(waiting: deque[_Waiting]) -> list[_Waiting]:
    batch = [waiting.popleft()]
    size = batch[0].job.size
    while waiting:
        size += waiting[0].job.size
        if size > BATCH_SIZE:
            break
        batch.append(waiting.popleft())
    return batch


def _own(error: Exception) -> Exception:
    # One exception object raised in many tasks would gather all their tracebacks.
    return type(error)(error.message, error.hint) if isinstance(error, StorageError) else error
