"""What is done on Slack while nobody waits for it, and is not worth an error: what Slack does not take is logged.

Proved by `tests/scenario/test_slack_assistant.py` and `test_slack_approvals.py`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import ParamSpec

from backscroll.errors import BackscrollError

log = logging.getLogger(__name__)
P = ParamSpec("P")


class Background:
    """Steps that are under way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, step: Callable[P, Awaitable[object]], *args: P.args, **named: P.kwargs) -> "asyncio.Task[None]":
        """Take a step; what is returned never raises one of our errors."""
        task = asyncio.create_task(_quietly(step, *args, **named))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


async def _quietly(step: Callable[P, Awaitable[object]], *args: P.args, **named: P.kwargs) -> None:
    try:
        await step(*args, **named)
    except BackscrollError as error:
        log.info("%s", error.message)
