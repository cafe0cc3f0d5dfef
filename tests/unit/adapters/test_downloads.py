"""Files fetched from a real server on this computer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from backscroll.adapters.downloads import Downloads
from backscroll.errors import AdapterError, AdapterUnavailableError
from backscroll.storage.models import Attachment

HOST = "127.0.0.1"
Respond = Callable[[web.Request], Awaitable[web.Response]]


@dataclass
class Server:
    """A host of files; each path has what it responds with, by default 404."""

    url: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    responses: dict[str, Callable[[], web.Response]] = field(default_factory=dict)

    async def respond(self, request: web.Request) -> web.Response:
        self.asked.append((request.path_qs, request.headers.get("Authorization")))
        respond = self.responses.get(request.path_qs)
        return web.Response(status=404) if respond is None else respond()

    def gives(self, path: str, content: bytes = b"content", **given: Any) -> str:
        self.responses[path] = lambda: web.Response(body=content, **given)
        return f"{self.url}{path}"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    served = Server()
    app = web.Application()
    app.router.add_get("/{path:.*}", served.respond)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    served.url = f"http://{HOST}:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


def downloads(session: aiohttp.ClientSession, **given: Any) -> Downloads:
    terms: dict[str, Any] = {
        "hosts": {HOST},
        "schemes": {"http"},
        "limit_bytes": 100,
        "hint": "Add the host to file_hosts.",
    }
    return Downloads(lambda: session, "Chat", **(terms | given))


def file_at(url: str, size_bytes: int | None = None) -> Attachment:
    return Attachment(name="a.txt", type="text/plain", size_bytes=size_bytes, location=url)


async def read(from_: Downloads, file: Attachment) -> bytes:
    async with from_.open("G1", file) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_open_reads_the_file_and_shows_the_host_nothing(server: Server, session: aiohttp.ClientSession) -> None:
    assert await read(downloads(session), file_at(server.gives("/a"), 7)) == b"content"
    assert server.asked == [("/a", None)]


async def test_open_shows_the_host_what_it_is_to_be_shown(server: Server, session: aiohttp.ClientSession) -> None:
    async def headers(workspace: str) -> dict[str, str]:
        return {"Authorization": f"of {workspace}"}

    await read(downloads(session, headers=headers), file_at(server.gives("/a")))
    assert server.asked == [("/a", "of G1")]


@pytest.mark.parametrize("url", ["http://example.org/a", "https://127.0.0.1/a", "http://[/a", "http://127.0.0.1:0/a"])
async def test_open_asks_no_other_host(server: Server, session: aiohttp.ClientSession, url: str) -> None:
    with pytest.raises(AdapterError) as caught:
        await read(downloads(session), file_at(url))
    assert url not in str(caught.value)


async def test_open_follows_a_file_to_no_other_host(server: Server, session: aiohttp.ClientSession) -> None:
    moved = server.gives("/a", status=302, headers={"Location": "http://localhost:9/a"})
    with pytest.raises(AdapterError, match="A file lies on a host that is not fetched from"):
        await read(downloads(session), file_at(moved))


async def test_open_follows_a_file_that_was_moved(server: Server, session: aiohttp.ClientSession) -> None:
    server.gives("/b")
    moved = server.gives("/a", status=302, headers={"Location": "/b"})
    assert await read(downloads(session), file_at(moved)) == b"content"


@pytest.mark.parametrize("status", [403, 404])
async def test_open_renews_a_link_that_is_over_once(
    server: Server, session: aiohttp.ClientSession, status: int
) -> None:
    async def renew(_workspace: str, _file: Attachment) -> str:
        return server.gives("/a?signed=2")

    over = server.gives("/a?signed=1", status=status)
    assert await read(downloads(session, renew=renew), file_at(over)) == b"content"
    assert [path for path, _ in server.asked] == ["/a?signed=1", "/a?signed=2"]


async def test_open_does_not_renew_what_was_renewed(server: Server, session: aiohttp.ClientSession) -> None:
    async def renew(_workspace: str, file: Attachment) -> str:
        return str(file.location)

    with pytest.raises(AdapterError, match="status 404"):
        await read(downloads(session, renew=renew), file_at(f"{server.url}/gone"))
    assert len(server.asked) == 2


async def test_open_refuses_a_file_that_nobody_can_renew(server: Server, session: aiohttp.ClientSession) -> None:
    async def renew(_workspace: str, _file: Attachment) -> None:
        return None

    with pytest.raises(AdapterError, match="status 404"):
        await read(downloads(session, renew=renew), file_at(f"{server.url}/gone"))


async def test_open_lets_a_host_that_is_down_be_asked_again(server: Server, session: aiohttp.ClientSession) -> None:
    with pytest.raises(AdapterUnavailableError, match="status 503"):
        await read(downloads(session), file_at(server.gives("/a", status=503)))


@pytest.mark.parametrize("told", [None, 101])
async def test_open_refuses_a_file_that_is_too_large(
    server: Server, session: aiohttp.ClientSession, told: int | None
) -> None:
    with pytest.raises(AdapterError, match="A file has 101 bytes; 100 are kept at most"):
        await read(downloads(session), file_at(server.gives("/a", b"x" * 101), told))
    assert len(server.asked) == (0 if told else 1)


async def test_open_refuses_a_file_of_another_size(server: Server, session: aiohttp.ClientSession) -> None:
    with pytest.raises(AdapterError, match="A file has 7 bytes; Chat had said 8"):
        await read(downloads(session), file_at(server.gives("/a"), 8))
