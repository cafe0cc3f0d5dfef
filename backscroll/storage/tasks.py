"""Tasks that run to their end also when whoever waits for them is cancelled, and that somebody waits for at the end.

Proved by `tests/unit/storage/sql/test_engine.py` and `tests/contract/test_files.py`.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Tasks:
    """The tasks that one owner has begun."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, T], *, to_its_end: bool = True) -> T:
        """Run a task and return its result; `to_its_end`, also when the caller is cancelled."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await (asyncio.shield(task) if to_its_end else task)

    async def ended(self) -> None:
        """Wait until none is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that was cancelled does not collect it
