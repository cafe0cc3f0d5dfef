"""Tasks that run to their end also when whoever waits for them is cancelled, and that somebody waits for at the end.

Proved by `tests/unit/storage/sql/test_engine.py`, `tests/unit/storage/test_files.py` and
`tests/contract/test_files.py`.
"""

import asyncio
from collections.abc import Awaitable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from backscroll.errors import StorageUnavailableError

T = TypeVar("T")


async def to_its_end(work: Awaitable[T]) -> T:
    """Wait for work to its end, however often the caller is cancelled meanwhile, and return its result.

    Raises: what the work raises. asyncio.CancelledError: the caller was cancelled; then nobody hears of the result.
    """
    running = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not running.done():  # it may be cancelled twice: by a timeout, and by who stops that
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        _collect(running)
        raise cancelled
    return running.result()


async def cancel(*tasks: asyncio.Future[Any]) -> None:
    """End tasks, whatever they ended with."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        _collect(task)


class Tasks:
    """The tasks that one owner has begun."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[Any]] = set()
        self._aborted: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, T], *, to_its_end: bool = True) -> T:
        """Run a task and return its result; `to_its_end`, also when the caller is cancelled.

        Raises: StorageUnavailableError: `abort` cut it off.
        """
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        with self._told_of_abort(task):
            return await (asyncio.shield(task) if to_its_end else task)

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Count the caller's own task among them, which nobody else cancels. Errors as those of `run`."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("Only a task can be counted.")
        self._under_way.add(task)
        try:
            with self._told_of_abort(task):
                yield
        finally:
            self._under_way.discard(task)

    def abort(self) -> None:
        """Cut off what is under way, in an owner that is used no more."""
        self._aborted |= self._under_way
        for task in self._under_way:
            task.cancel()

    async def ended(self) -> None:
        """Wait until none is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    @contextmanager
    def _told_of_abort(self, task: asyncio.Task[Any]) -> Iterator[None]:
        try:
            yield
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            was_aborted = task in self._aborted
            if was_aborted and caller is task:
                task.uncancel()
            if was_aborted and (caller is None or not caller.cancelling()):  # else somebody cancels the caller too
                raise StorageUnavailableError(
                    "The store was closed before it had answered.", "Open a new ThreadStore; a repeat is harmless."
                ) from None
            raise

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        _collect(task)  # a caller that was cancelled does not


def _collect(ended: asyncio.Future[Any]) -> None:
    """See what a task ended with; uncollected, asyncio would log its error with all texts."""
    if not ended.cancelled():
        ended.exception()
