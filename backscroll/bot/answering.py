"""Answering: takes the answers that are due, as many at once as allowed, and holds their leases.

Several processes may answer on one storage: it hands each answer to one of them, and when a process dies the others
take over when its leases end. Proved by `tests/scenario/test_kill.py` and `tests/unit/bot/test_answering.py`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from backscroll.adapters.base import Adapter
from backscroll.bot.delivery import Delivery, Limits
from backscroll.bot.handling import Handler
from backscroll.errors import StorageError
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer
from backscroll.storage.values import new_id

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Seconds between looks into the storage when nothing calls: an ended lease is taken over at most so late."""


class Answering:
    """Answers what is due on the given adapters' platforms, as long as it is entered.

    Leaving it stops: nothing more is taken, handlers may finish for `shutdown_grace_s`, then their answers wait again.
    """

    def __init__(
        self, provider: StorageProvider, adapters: Mapping[str, Adapter], handler: Handler, limits: Limits | None = None
    ) -> None:
        self._provider = provider
        self._platforms = list(adapters)
        self._limits = limits or Limits()
        self._owner = new_id()
        self._delivery = Delivery(provider, adapters, handler, self._limits, self._owner)
        self._called = asyncio.Event()
        self._stopped = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._running: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._loops = [asyncio.create_task(self._take_answers()), asyncio.create_task(self._renew_leases())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._called.set()
        await asyncio.wait([self._loops[0], *self._running], timeout=self._limits.shutdown_grace_s)
        for task in [*self._loops, *self._running]:
            await _end(task)
        try:
            await self._provider.release_answers(self._owner)
        except StorageError as failure:
            log.warning("The answers under way wait for their leases to end: %s", failure.message)

    def wake(self) -> None:
        """Look for answers that are due now."""
        self._called.set()

    async def drained(self) -> None:
        """Wait until there is nothing left to answer, now or later."""
        while await self._is_any_left():  # noqa: ASYNC110  # another process may finish the last one, and tells nobody
            await asyncio.sleep(LOOK_S / 20)

    async def _is_any_left(self) -> bool:
        try:
            return await self._provider.seconds_until_ready(self._platforms) is not None
        except StorageError:
            return True  # nobody knows

    async def _take_answers(self) -> None:
        while not self._stopped.is_set():
            if len(self._running) >= self._limits.max_parallel:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                continue
            self._called.clear()
            answer = await self._take()
            if answer is None:
                await self._wait_for_call()
                continue
            if self._stopped.is_set():
                return  # it is given back with the others
            task = asyncio.create_task(self._delivery.deliver(answer))
            self._running.add(task)
            task.add_done_callback(self._ended)

    async def _take(self) -> Answer | None:
        limits = self._limits
        try:
            return await self._provider.take_answer(self._owner, self._platforms, limits.lease_s, latest=limits.latest)
        except StorageError as error:
            log.warning("No answer is taken for now: %s", error.message)
            return None

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(self._limits.lease_s / 3)
            try:
                await self._provider.renew_leases(self._owner, self._limits.lease_s)
            except StorageError as error:
                log.warning("The leases are not renewed for now: %s", error.message)

    async def _wait_for_call(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._called.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._called.set()  # the thread's next answer can be taken now
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("An answer was left by %s; it is taken up when its lease ends.", type(error).__name__)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
