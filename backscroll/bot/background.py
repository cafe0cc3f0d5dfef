"""What goes on beside the bot's main work, and what ends it: periodic steps, events that interrupt, signals.

Proved by `tests/scenario/test_run.py`, `test_stopping.py`, `tests/unit/bot/test_background.py` and
`test_approvals.py`.
"""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager

from backscroll.errors import fact_of
from backscroll.storage.tasks import cancel

log = logging.getLogger(__name__)

ENDED_AT_ONCE = 130


async def every(seconds: float, name: str, step: Callable[[], Awaitable[None]]) -> None:
    """Take a step now, and again and again; one that ends in an error is put off to the next time, and logged.

    Args: name: what the log calls it.
    """
    while True:
        try:
            await step()
        except Exception as error:  # noqa: BLE001  # nobody would hear of it, and no step would be taken any more
            log.warning("%s is put off: %s", name, fact_of(error))
        await asyncio.sleep(seconds)


async def until(stopped: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Do the work, unless the event comes first; tell whether it was done."""
    doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait([doing, stopping], return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
        return doing.done()
    finally:
        await cancel(doing, stopping)


async def when(stopped: asyncio.Event, step: Callable[[], None]) -> None:
    """Take a step when the event comes."""
    await stopped.wait()
    step()


@asynccontextmanager
async def in_background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Do the work as long as this is entered."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        await cancel(task)


@contextmanager
def signals() -> Iterator[asyncio.Event]:
    """Give the event that SIGINT and SIGTERM set; the second of them ends the process at once."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    signalled = False

    # The loop's own handlers only wake it: they would wait for a loop that a handler or a full pipe holds up.
    def stop(_number: int, _frame: object) -> None:
        nonlocal signalled
        if signalled:
            os._exit(ENDED_AT_ONCE)
        signalled = True
        loop.call_soon_threadsafe(stopped.set)

    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        loop.add_signal_handler(number, lambda: None)
        signal.signal(number, stop)
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
