"""A wire between a provider and Redis, which can be cut when nobody knows what became of a command."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Self


class Wire:
    """Listens on a port and hands everything on: `async with Wire(port) as wire`."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listening: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._command = b""
        self._meanwhile: Callable[[], Awaitable[object]] = _nothing
        self.to_lose = 0
        """Answers that are still to be lost."""

    def lose(self, command: bytes, *, times: int = 1, meanwhile: Callable[[], Awaitable[object]] | None = None) -> None:
        """Let the next answers to a command not arrive, but close their connections.

        Args: meanwhile: runs once Redis has answered, and before the connection is closed.
        """
        self._command, self.to_lose, self._meanwhile = command, times, meanwhile or _nothing

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._listening is not None
        return int(self._listening.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listening is not None
        self._listening.close()
        for end in self._ends:
            end.close()
        await self._listening.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._ends |= {writer, back}
        is_cut = asyncio.Event()
        await asyncio.gather(self._forth(reader, back, is_cut), self._back(there, writer, is_cut))

    async def _forth(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, is_cut: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1_000_000):
                if self.to_lose and self._command in data:
                    self.to_lose -= 1
                    is_cut.set()
                target.write(data)
        target.close()

    async def _back(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, is_cut: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while (data := await source.read(1_000_000)) and not is_cut.is_set():
                target.write(data)
        if is_cut.is_set():
            await self._meanwhile()
        target.close()


async def _nothing() -> None:
    pass
