"""Names: the sorted keys that a read goes through, kept from one of its pages to the next.

Redis has no order of them, so that each page would need all of them anew. They are read when a read begins, again where
their number is another by now, and after a minute at the latest. It knows no values.
Proved by `tests/unit/storage/redis/test_archives.py`.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from contextvars import Context
from typing import Any

from backscroll.storage.provider.primitives import join_key
from backscroll.storage.redis.connection import Server
from backscroll.storage.redis.primitives import PAGE

KEPT_S = 60.0
"""Seconds after which names are read again, or let go."""

VALUES, LISTS = "v:", "n:"
"""What begins the keys of Redis that have the keys of values, and of lists."""

_COMMANDS = {VALUES: ("HKEYS", "HLEN"), LISTS: ("SMEMBERS", "SCARD")}


class Names:
    """The names of one read at a time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._area = ""
        self._namespaces: list[str] = []
        self._what = ""
        self._timer: asyncio.TimerHandle | None = None
        self.kept: list[str] = []

    async def of_namespace(self, namespace: str, *, begins: bool) -> list[str]:
        """Return the keys of a namespace's values, sorted.

        Args: begins: this is the read's first page.
        """

        async def find() -> list[str]:
            return [namespace]

        return await self._of(namespace, VALUES, find, lambda _, key: key, begins=begins)

    async def of_area(self, area: str, sure: Iterable[str], own: frozenset[str], *, begins: bool) -> list[str]:
        """Return the names of all values or lists as `join_key` joins them, sorted.

        Args: sure: namespaces in which something may come at any time; a new one of others is seen after a minute.
        own: those to be left out. begins: as in `of_namespace`.
        """

        async def find() -> list[str]:
            return sorted({*await self._find(area), *sure} - own)

        return await self._of(area, area, find, join_key, begins=begins)

    def drop(self) -> None:
        """Let go of all names."""
        if self._timer is not None:
            self._timer.cancel()
        self._what, self._namespaces, self.kept, self._timer = "", [], [], None

    async def _of(
        self,
        what: str,
        area: str,
        find: Callable[[], Awaitable[list[str]]],
        name: Callable[[str, str], str],
        *,
        begins: bool,
    ) -> list[str]:
        if begins or what != self._what or await self._count() != len(self.kept):
            self.drop()
            self._area, self._namespaces = area, await find()
            found = await asyncio.gather(*(self._ask(0, each) for each in self._namespaces))
            places = zip(self._namespaces, found, strict=True)
            self.kept = sorted(name(namespace, key.decode()) for namespace, keys in places for key in keys)
            self._what = what
            # In a context of its own: this one would keep alive what the call has read.
            self._timer = asyncio.get_running_loop().call_later(KEPT_S, self.drop, context=Context())
        return self.kept

    async def _count(self) -> int:
        return sum(await asyncio.gather(*(self._ask(1, each) for each in self._namespaces)))

    async def _ask(self, which: int, namespace: str) -> Any:
        return await self._server.read(_COMMANDS[self._area][which], f"{self._server.prefix}{self._area}{namespace}")

    async def _find(self, area: str) -> set[str]:
        """Find all namespaces that have values, or lists."""
        start = f"{self._server.prefix}{area}"
        pattern, cursor, found = re.sub(r"([\[\]*?\\^-])", r"\\\1", start) + "*", 0, set[str]()
        while True:
            cursor, page = await self._server.read("SCAN", cursor, "MATCH", pattern, "COUNT", PAGE)
            found |= {name.decode().removeprefix(start) for name in page}
            if int(cursor) == 0:
                return found
