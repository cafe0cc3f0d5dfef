"""The connections: commands and scripts that end in an answer or in one of our errors, and Redis' own clock.

What only reads is sent again when the connection was lost; so is a commit, as Redis knows each process' last one.
Proved by `tests/unit/storage/redis/test_failures.py` and `test_transactions.py`.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from backscroll.errors import SchemaTooNewError, StorageError, StorageUnavailableError
from backscroll.storage.redis.batch import Argument, Batch
from backscroll.storage.redis.failures import is_lost, translate
from backscroll.storage.redis.scripts import COMMIT, FIND, KNOWN_S, LOOK
from backscroll.storage.redis.url import RedisUrl

log = logging.getLogger("backscroll.storage.redis")

T = TypeVar("T")

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
        self._timeout_s = timeout_s
        self._process, self._commits = secrets.token_urlsafe(9), 0

    async def read(self, *command: Argument) -> Any:
        """Send a command that changes nothing, or that is harmless when done twice."""
        return await self._again(lambda: self._send(*command))

    async def find(self, arguments: Sequence[Argument]) -> list[Any]:
        """Look into an index; see `scripts.py`."""
        found: list[Any] = await self._again(lambda: self._find([self.prefix], arguments))
        return found

    async def look(self, arguments: Sequence[Argument]) -> list[Any]:
        """Look several terms up at once; see `scripts.py`."""
        found: list[Any] = await self._again(lambda: self._look([self.prefix], arguments))
        return found

    async def commit(self, batch: Batch, version: str) -> int:
        """Commit; see `scripts.py`. One at a time, so that of each process the last one alone need be known."""
        self._commits += 1
        arguments: list[Argument] = [version, batch.turn, self._process, self._commits, batch.generation]
        arguments += [int(batch.writes_anything), *batch.arguments(version, self.prefix)]
        return int(await self._again(lambda: self._commit([self.prefix], arguments)))

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

        Raises: SchemaTooNewError: a newer release wrote it. StorageUnavailableError: all of it took longer than
            `timeout_s`.
        """
        async with self._in_time():
            await self.read("SET", f"{self.prefix}schema", SCHEMA, "NX")
            await self._check_schema()
            dangers = await self._dangers()
        for line in dangers:
            log.warning("%s %s", self.url.shown, line)

    async def check(self) -> None:
        """Look whether Redis answers and what is kept can be read.

        Raises: as `open`.
        """
        async with self._in_time():
            await self._check_schema()

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except TimeoutError as error:
            raise translate(error, self.url.shown) from None

    async def _check_schema(self) -> None:
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

    async def _again(self, send: Callable[[], Awaitable[T]]) -> T:
        attempt, end = 1, time.monotonic() + KNOWN_S / 2
        while True:
            try:
                return await send()
            except (RedisError, OSError, TimeoutError) as error:
                attempt += 1
                may_help = is_lost(error) or isinstance(error, NoScriptError)
                if attempt > ATTEMPTS or time.monotonic() > end or not may_help:
                    raise translate(error, self.url.shown) from None

    def _send(self, *command: Argument) -> Awaitable[Any]:
        sent: Awaitable[Any] = self._client.execute_command(*command)  # type: ignore[no-untyped-call]
        return sent

    async def _dangers(self) -> list[str]:
        """Tell by which of its settings Redis may lose what it has acknowledged."""
        try:
            found = {name: await self._setting(name) for name in ("appendonly", "appendfsync", "maxmemory-policy")}
        except StorageUnavailableError:
            raise
        except StorageError:  # a rented Redis need not tell
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
