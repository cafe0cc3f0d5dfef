"""What every stand-in does alike: listening on loopback, breaking connections, giving files, waiting.

Knows no platform. Proved by `tests/unit/testing/test_web.py` and `tests/unit/testing/discord/test_faults.py`.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, overload

from aiohttp import web

HOST = "127.0.0.1"
PATIENCE_S = 30.0
LOOK_S = 0.002
# How long open requests get to end by themselves when a stand-in closes; hanging ones never would.
CLOSING_S = 0.05
BODY_BYTES = 256 * 1024 * 1024

T = TypeVar("T")


class Server:
    """Listens, and stops; more than once, one after the other."""

    def __init__(self) -> None:
        self._runner: web.AppRunner | None = None

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._runner is not None

    async def open(self, app: web.Application, port: int) -> int:
        """Listen, and return the port; 0 takes a free one.

        Raises: OSError: the port is taken.
        """
        runner = self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSING_S)
        await runner.setup()
        await web.TCPSite(runner, HOST, port).start()
        return int(runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening, and end what still runs."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()


class Waiting:
    """Waits for what a test expects."""

    @overload
    async def until(self, condition: Callable[[], Awaitable[T]], timeout: float = PATIENCE_S) -> T: ...  # noqa: ASYNC109

    @overload
    async def until(self, condition: Callable[[], T], timeout: float = PATIENCE_S) -> T: ...  # noqa: ASYNC109

    async def until(self, condition: Callable[[], Any], timeout: float = PATIENCE_S) -> Any:  # noqa: ASYNC109
        """Wait until a condition holds and return what it gave; it may be a function or a coroutine function.

        Raises: TimeoutError: it did not hold in `timeout` seconds.
        """
        deadline_s = time.monotonic() + timeout
        while True:
            found: Any = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"The condition did not hold in {timeout} s.")
            await asyncio.sleep(LOOK_S)


class Served(Protocol):
    """A file as a stand-in gives it, with the faults that a test gave it."""

    size: int
    mimetype: str
    content: bytes
    redirect_to: str | None
    hang_s: float


async def give(request: web.Request, file: Served) -> web.StreamResponse:
    """Give a file's bytes, or send who asks elsewhere."""
    if file.hang_s:
        await asyncio.sleep(file.hang_s)
    if file.redirect_to is not None:
        return web.Response(status=302, headers={"Location": file.redirect_to})
    response = web.StreamResponse(headers={"Content-Type": file.mimetype})
    if file.size != len(file.content):
        # A length that tells the truth would give the lie away before the reading.
        response.enable_chunked_encoding()
    else:
        response.content_length = file.size
    await response.prepare(request)
    await response.write(file.content)
    await response.write_eof()
    return response


def page() -> web.Response:
    """Answer with a web page, as a network does that lets nobody out before they sign in."""
    return web.Response(text="<html><body>Sign in to this network.</body></html>", content_type="text/html")


def cut(request: web.Request) -> web.Response:
    """Cut the TCP connection of a request; the response that is returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def cut_within(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """Give half of an answer, and cut the connection."""
    body = answer.body if isinstance(answer.body, bytes) else b"{}"
    half = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    # Closed in order, so that what was written arrives; the length tells the client that the rest is missing.
    if request.transport is not None:
        request.transport.close()
    return half
