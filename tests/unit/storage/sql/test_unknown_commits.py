"""A COMMIT whose answer is lost: it stands, the work runs once more, and what is told is what became of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import make_url

from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.sql import Provider
from backscroll.testing.provider_contract.samples import asked, taken


class Wire:
    """What stands between a provider and PostgreSQL, and loses the answer to one COMMIT."""

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port
        self.loses_next = False
        self.lost_count = 0

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry what one connection says to the server, and back."""
        server_reader, server_writer = await asyncio.open_connection(*self._server)
        is_lost = False

        async def there() -> None:
            nonlocal is_lost
            while said_of_ours := await reader.read(65536):
                if self.loses_next and b"COMMIT;" in said_of_ours:
                    self.loses_next, is_lost = False, True
                server_writer.write(said_of_ours)
            server_writer.close()

        async def back() -> None:
            while answered := await server_reader.read(65536):
                if is_lost:
                    self.lost_count += 1
                    break
                writer.write(answered)
            writer.transport.abort()
            server_writer.close()

        with contextlib.suppress(OSError):
            await asyncio.gather(there(), back())

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[int]:
        """Listen while the block runs, and give the port."""
        carried: set[asyncio.Task[None]] = set()

        def connect(*streams: Any) -> None:
            carried.add(asyncio.ensure_future(self.connect(*streams)))

        listening = await asyncio.start_server(connect, "127.0.0.1", 0)
        async with listening:
            yield listening.sockets[0].getsockname()[1]
        for task in carried:
            task.cancel()
        await asyncio.gather(*carried, return_exceptions=True)


async def thumbs(provider: StorageProvider) -> list[str | None]:
    return [each.thumb for each in await provider.get_feedback()]


async def texts(provider: StorageProvider) -> list[Any]:
    return [block["content"]["text"] for _, blocks in await provider.get_message_blocks("t") for block in blocks]


async def count(provider: StorageProvider) -> int:
    return await provider.count_threads()


async def lineage(provider: StorageProvider) -> list[str]:
    return [each["thread_id"] for each in (await provider.get_thread_lineage("child"))["ancestors"]]


async def ended(provider: StorageProvider) -> list[str]:
    return [each.state for each in await provider.list_answers()]


async def finished(provider: Provider, arm: Callable[[], None]) -> object:
    answer = await taken(provider)
    arm()
    await provider.finish_answer(answer.id, "one", "skipped")
    return None


async def suspended(provider: Provider, arm: Callable[[], None]) -> object:
    answer = await taken(provider)
    asks = Message(role="assistant", content="Do it?")
    await provider.begin_approval(answer.id, "one", 1, asks, ["Do it?"], 60)
    arm()
    await provider.suspend_answer(answer.id, "one", asks.id)
    return None


Call = Callable[[Provider, Callable[[], None]], Awaitable[object]]


def armed(call: Callable[[Provider], Awaitable[object]]) -> Call:
    """Make a call that is the first to commit."""

    async def run(provider: Provider, arm: Callable[[], None]) -> object:
        arm()
        return await call(provider)

    return run


@pytest.mark.parametrize(
    ("call", "told", "look", "stands"),
    [
        (armed(lambda p: p.append_text_block("m", "one")), str, texts, ["zero", "one"]),
        (armed(lambda p: p.add_feedback("t", "U1", message_id="m", thumb="up")), object, thumbs, ["up"]),
        (armed(lambda p: p.create_thread("new", "U1", "helper")), Thread, count, 4),
        (armed(lambda p: p.create_thread(None, "U1", "helper")), Thread, count, 4),
        (armed(lambda p: p.fork_thread("t", 0, "new")), Thread, count, 4),
        (armed(lambda p: p.append("ns", "k", {"id": "1"})), str, lambda p: p.get_list("ns", "k"), [{"id": "1"}]),
        (armed(lambda p: p.delete_thread("t")), True, lineage, ["t"]),
        (armed(lambda p: p.delete_message("m")), True, texts, []),
        (armed(lambda p: p.add_reaction("t", "m", "+1", "U1")), True, thumbs, ["up"]),
        (armed(taken), object, ended, ["running"]),
        (finished, None, ended, ["skipped"]),
        (suspended, None, ended, ["suspended"]),
    ],
    ids=[
        "append_text",
        "add_feedback",
        "create_thread",
        "create_new",
        "fork",
        "append",
        "delete_thread",
        "delete_message",
        "add_reaction",
        "take",
        "finish",
        "suspend",
    ],
)
async def test_call_whose_commit_is_not_answered_is_done_once(
    postgres_url: str, call: Call, told: Any, look: Callable[[StorageProvider], Awaitable[object]], stands: object
) -> None:
    url = make_url(postgres_url)
    wire = Wire(str(url.host), int(url.port or 0))

    def arm() -> None:
        wire.loses_next = True

    async with wire.opened() as port:
        provider = Provider(url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False))
        await provider.initialize()
        try:
            await provider.create_thread("t", "U1", "helper")
            await provider.append_message("t", Message(id="m", role="assistant", content="zero"))
            await provider.fork_thread("t", 0, "child")
            await asked(provider)
            result = await call(provider, arm)
            assert wire.lost_count == 1
            assert isinstance(result, told) if isinstance(told, type) else result == told
            assert await look(provider) == stands
        finally:
            await provider.close()
