"""A place in the middle of a transaction where it stands still until the test lets it go on, on either database."""

import asyncio
import threading

from backscroll.storage.sql.engine import Connection

PATIENCE_S = 20.0


class Gate:
    """A gate that `pass_through` waits at.

    On SQLite it holds up the transaction's thread, on PostgreSQL its task.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reached, self._opened = asyncio.Event(), asyncio.Event()
        self._thread_may_go_on = threading.Event()

    async def pass_through(self, connection: Connection) -> None:
        """Wait, in a transaction, until somebody opens the gate."""
        self._loop.call_soon_threadsafe(self._reached.set)
        if connection.dialect.name == "sqlite":
            assert self._thread_may_go_on.wait(PATIENCE_S), "nobody opened the gate"
        else:
            await self._opened.wait()

    async def reached(self) -> None:
        """Wait until a transaction stands at the gate."""
        async with asyncio.timeout(PATIENCE_S):
            await self._reached.wait()

    def open(self) -> None:
        """Let who waits and who comes later pass."""
        self._thread_may_go_on.set()
        self._opened.set()
