"""Answering: takes the answers that are due, as many at once as allowed, and holds their leases.

Several processes may answer on one storage: it hands each answer to one of them, and when a process dies the others
take over when its leases end. Proved by `tests/scenario/test_kill.py` and `tests/unit/bot/test_answering.py`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Self

from backscroll.adapters.base import Adapter
from backscroll.adapters.observing import Observer
from backscroll.bot.delivery import Delivery, Fill, Limits
from backscroll.bot.handling import Handler
from backscroll.bot.lease import Lease
from backscroll.bot.own_posts import OwnPosts
from backscroll.bot.turn import Fetch, Surroundings
from backscroll.errors import AnswerLostError, StorageError, StorageUnavailableError, fact_of, named
from backscroll.storage.attachments import Attachments
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer
from backscroll.storage.values import new_id

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Seconds between looks into the storage when nothing calls: an ended lease is taken over at most so late."""

TOLD_EVERY_S = 60.0
"""Seconds between two lines about one outage of the storage."""

TAKES = 8
"""Takings under way at once, at most: more would keep what comes in from its connection to the storage."""


class Answering:
    """Answers what is due on the given adapters' platforms, as long as it is entered.

    Leaving it stops: nothing more is taken, handlers may finish for `shutdown_grace_s`, then their answers wait again.

    Args: fetch: gives the content of a message's file, as `Fetching.read`. fill, observer: as `Delivery` has
        them. own_posts: where its posts are remembered.
    """

    def __init__(
        self,
        provider: StorageProvider,
        adapters: Mapping[str, Adapter],
        handler: Handler,
        limits: Limits | None = None,
        attachments: Attachments | None = None,
        *,
        fetch: Fetch | None = None,
        fill: Fill | None = None,
        own_posts: OwnPosts | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._provider = provider
        self._platforms = list(adapters)
        self._limits = limits or Limits()
        self._owner = new_id()
        self._lease = Lease(self._limits.lease_s)
        attachments = attachments or Attachments(provider)
        around = Surroundings(provider, self._limits.history_limit, attachments.files, fetch)
        self._delivery = Delivery(
            provider,
            adapters,
            handler,
            self._limits,
            self._owner,
            attachments,
            around,
            own_posts or OwnPosts(),
            self._lease,
            fill,
            observer,
        )
        self._called = asyncio.Event()
        self._stopped = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._running: dict[str, asyncio.Task[None]] = {}
        self._taken: dict[str, Answer] = {}
        self._strays: set[str] = set()
        self._told_at: float | None = None
        self._is_end_told = False
        self.outlet_closed = asyncio.Event()
        """Set when an adapter finds that nobody is there any more to whom it could post."""

    async def __aenter__(self) -> Self:
        self._loops = [asyncio.create_task(self._take_answers()), asyncio.create_task(self._renew_leases())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_taking()
        try:
            await asyncio.wait([self._loops[0], *self._running.values()], timeout=self._limits.shutdown_grace_s)
        finally:
            await self._end()

    def wake(self) -> None:
        """Look for answers that are due now."""
        self._called.set()

    def stop_taking(self) -> None:
        """Take no more answers; those under way go on."""
        self._stopped.set()
        self._called.set()

    async def drained(self) -> None:
        """Wait until there is nothing left to answer, now or later.

        Raises: StorageRefusedError: the storage will not tell.
        """
        while await self._is_any_left():  # noqa: ASYNC110  # another process may finish the last one, and tells nobody
            await asyncio.sleep(LOOK_S / 20)

    async def _is_any_left(self) -> bool:
        try:
            return await self._provider.seconds_until_ready(self._platforms) is not None
        except StorageUnavailableError as error:
            if not self._is_end_told:
                self._is_end_told = True
                log.warning("The end waits for the storage, which may have more to answer: %s", error.message)
            return True  # nobody knows

    async def _take_answers(self) -> None:
        count = 1  # of takings at once: one finds out whether anything is due, and more follow while all find something
        while not self._stopped.is_set():
            free = self._limits.max_parallel - len(self._running)
            if free <= 0:
                await asyncio.wait(self._running.values(), return_when=asyncio.FIRST_COMPLETED)
                continue
            self._called.clear()
            count = min(count, free)
            taken = [answer for answer in await asyncio.gather(*(self._take() for _ in range(count))) if answer]
            if self._stopped.is_set():
                return  # they are given back with the others
            for answer in taken:
                self._start(answer)
            count = min(2 * count, TAKES) if len(taken) == count else 1
            if not taken:
                await self._wait_for_call()

    def _start(self, answer: Answer) -> None:
        before, known = self._running.get(answer.id), self._taken.get(answer.id)
        self._lease.begin_anew(answer.id)
        if known is not None and known.takeovers != answer.takeovers:
            return  # its lease ended while the storage was away, and this took it anew for the task that has it
        task = asyncio.create_task(self._deliver(answer, before))
        self._running[answer.id], self._taken[answer.id] = task, answer
        task.add_done_callback(lambda ended: self._ended(answer.id, ended))

    async def _deliver(self, answer: Answer, before: asyncio.Task[None] | None) -> None:
        if before is not None:  # it has given the answer back, and is about to end
            await asyncio.wait([before])
        await self._delivery.deliver(answer)

    async def _take(self) -> Answer | None:
        limits = self._limits
        try:
            answer = await self._provider.take_answer(
                self._owner, self._platforms, limits.lease_s, latest=limits.latest
            )
        except Exception as error:  # noqa: BLE001  # whatever a provider raises, answering goes on
            self._tell("No answer is taken for now", error)
            return None
        self._told_at = None
        return answer

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(self._limits.lease_s / 3)
            since, before = self._lease.now(), dict(self._running)
            try:
                held = await self._provider.renew_leases(self._owner, self._limits.lease_s)
                # One that was given back and taken anew meanwhile is another task's.
                working_on = [answer_id for answer_id, task in before.items() if self._running.get(answer_id) is task]
                self._lease.renewed(since, working_on, held)
                await self._give_back_strays(held)
            except Exception as error:  # noqa: BLE001  # as in _take
                self._tell("The leases are not renewed for now", error)

    async def _give_back_strays(self, held: Collection[str]) -> None:
        """Give back what storage says is ours, and nobody here works on, at two renewals in turn.

        Such are answers whose taking was committed when the connection broke, and those that an error left.
        """
        strays = set(held) - self._running.keys()
        for answer_id in strays & self._strays:
            with contextlib.suppress(AnswerLostError):
                await self._provider.postpone_answer(answer_id, self._owner, 0, reason="It was cut off.", counts=True)
        self._strays = strays

    async def _wait_for_call(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._called.wait()

    def _ended(self, answer_id: str, task: asyncio.Task[None]) -> None:
        if self._running.get(answer_id) is task:
            del self._running[answer_id], self._taken[answer_id]
            self._lease.begin_anew(answer_id)
        self._called.set()  # the thread's next answer can be taken now
        error = None if task.cancelled() else task.exception()
        if isinstance(error, BrokenPipeError):
            self.outlet_closed.set()
        elif error is not None:
            log.error("Answer %s was left by %s.", answer_id, named(error))

    async def _end(self) -> None:
        tasks = [*self._loops, *self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        try:
            await self._provider.release_answers(self._owner)
        except StorageError as failure:
            log.warning("The answers under way wait for their leases to end: %s", failure.message)

    def _tell(self, fact: str, error: Exception) -> None:
        """Log what an outage does, once in a while."""
        now = asyncio.get_running_loop().time()
        if self._told_at is None or now - self._told_at >= TOLD_EVERY_S:
            self._told_at = now
            log.warning("%s: %s", fact, fact_of(error))
