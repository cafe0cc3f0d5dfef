"""The connections: commands and scripts that end in an answer or in one of our errors, and Redis' own clock.

What only reads is sent again when the connection was lost; so is a commit, which knows itself when it meets itself.
Proved by `tests/unit/storage/redis/test_failures.py` and `test_transactions.py`.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from backscroll.errors import SchemaTooNewError, StorageError
from backscroll.storage.redis.failures import is_lost, translate
from backscroll.storage.redis.scripts import COMMIT, FIND, LOOK
from backscroll.storage.redis.url import RedisUrl

log = logging.getLogger("backscroll.storage.redis")

T = TypeVar("T")
Argument = str | bytes | int

ATTEMPTS = 4

SCHEMA = 1
"""The version of how things lie in Redis."""

CLOCK_AGE_S = 10.0
"""Seconds for which this process's own clock may go on from what Redis' said."""


class Server:
    """One Redis, and the part of it under a prefix."""

    def __init__(self, url: RedisUrl, prefix: str, *, pool_size: int, timeout_s: float) -> None:
        self.url = url
        self.prefix = f"{prefix}:"
        pool = BlockingConnectionPool.from_url(
            url.text,
            max_connections=pool_size,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
        self._client = Redis(connection_pool=pool)
        self._commit = self._client.register_script(COMMIT)
        self._find = self._client.register_script(FIND)
        self._look = self._client.register_script(LOOK)
        self._clock: tuple[datetime, float] | None = None

    async def read(self, *command: Argument) -> Any:
        """Send a command that changes nothing, or that is harmless when done twice."""
        return await self._again(lambda _: self._send(*command))

    async def find(self, arguments: Sequence[Argument]) -> list[Any]:
        """Look into an index; see `scripts.py`."""
        found: list[Any] = await self._again(lambda _: self._find([self.prefix], arguments))
        return found

    async def look(self, arguments: Sequence[Argument]) -> list[Any]:
        """Look several terms up at once; see `scripts.py`."""
        found: list[Any] = await self._again(lambda _: self._look([self.prefix], arguments))
        return found

    async def commit(self, version: str, turn: str, generation: str, arguments: Sequence[Argument]) -> int:
        """Commit; see `scripts.py`."""

        def send(attempt: int) -> Awaitable[Any]:
            return self._commit([self.prefix], [version, turn, min(attempt, 1), generation, *arguments])

        return int(await self._again(send))

    async def now(self) -> datetime:
        """Return Redis' clock."""
        if self._clock is None or time.monotonic() - self._clock[1] > CLOCK_AGE_S:
            before = time.monotonic()
            seconds, micros = await self.read("TIME")
            middle = (before + time.monotonic()) / 2
            self._clock = (datetime.fromtimestamp(int(seconds), UTC) + timedelta(microseconds=int(micros)), middle)
        return self.going_on()

    def going_on(self) -> datetime:
        """Return what Redis' clock says by now, without asking it."""
        if self._clock is None:
            return datetime.now(UTC)
        instant, at = self._clock
        return instant + timedelta(seconds=time.monotonic() - at)

    async def open(self) -> None:
        """Look at the version of what is kept, and note it where nothing is kept yet; warn of what may be lost.

        Raises: SchemaTooNewError: a newer release wrote it.
        """
        await self.read("SET", f"{self.prefix}schema", SCHEMA, "NX")
        await self.check()
        for line in await self._dangers():
            log.warning("%s %s", self.url.shown, line)

    async def check(self) -> None:
        """Look whether Redis answers and what is kept can be read."""
        found = await self.read("GET", f"{self.prefix}schema")
        version = SCHEMA if found is None else int(found)
        if version > SCHEMA:
            raise SchemaTooNewError(
                f"The Redis schema is version {version}; this release knows up to {SCHEMA}.",
                "Upgrade Backscroll; going back is not supported.",
            )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose(close_connection_pool=True)

    async def _again(self, send: Callable[[int], Awaitable[T]]) -> T:
        attempt = 0
        while True:
            try:
                return await send(attempt)
            except (RedisError, OSError, TimeoutError) as error:
                attempt += 1
                if attempt == ATTEMPTS or not (is_lost(error) or isinstance(error, NoScriptError)):
                    raise translate(error, self.url.shown) from None

    def _send(self, *command: Argument) -> Awaitable[Any]:
        sent: Awaitable[Any] = self._client.execute_command(*command)  # type: ignore[no-untyped-call]
        return sent

    async def _dangers(self) -> list[str]:
        """Tell by which of its settings Redis may lose what it has acknowledged."""
        try:
            found = {name: await self._setting(name) for name in ("appendonly", "appendfsync", "maxmemory-policy")}
        except (ResponseError, StorageError):  # a rented Redis need not tell
            return ["does not show its settings. Make sure of appendonly yes and appendfsync always."]
        dangers = []
        if (found["appendonly"], found["appendfsync"]) != ("yes", "always"):
            dangers.append("may lose its last writes when it ends. Set appendonly yes and appendfsync always.")
        if found["maxmemory-policy"].startswith("allkeys"):  # the others drop what has an end, and ours has none
            dangers.append("may drop what is kept when its memory is full. Set maxmemory-policy noeviction.")
        return dangers

    async def _setting(self, name: str) -> str:
        found = await self.read("CONFIG", "GET", name)
        pairs = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
        return next((_text(value) for key, value in pairs if _text(key) == name), "")


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()
