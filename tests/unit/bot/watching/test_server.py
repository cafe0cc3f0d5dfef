"""The port: what may listen, and what each page says."""

import socket

import aiohttp
import pytest

from backscroll.bot.config import WatchConfig
from backscroll.bot.watching.condition import Watch
from backscroll.bot.watching.metrics import Metrics
from backscroll.bot.watching.server import serving
from backscroll.errors import ConfigError
from backscroll.storage import memory


async def test_port_that_is_taken_is_a_fault_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as raised:
            async with serving(WatchConfig(port=port), Watch(memory.Provider(), []), Metrics()):
                pass
    ((fact, hint),) = raised.value.faults
    assert fact == f"watch: nothing can listen on 127.0.0.1:{port}: address already in use."
    assert "watch.port" in hint


async def test_pages_tell_of_a_bot_that_waits_and_one_that_is_ready() -> None:
    watch = Watch(memory.Provider(), [])
    async with (
        serving(WatchConfig(port=0), watch, Metrics()) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as browser,
    ):

        async def status(page: str) -> int:
            async with browser.get(page) as answer:
                return answer.status

        before = [await status(page) for page in ("/healthz", "/readyz", "/metrics", "/")]
        watch.is_open = True
        assert (before, await status("/readyz")) == ([200, 503, 200, 404], 200)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("*/*", "text/plain"), ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text")],
)
async def test_metrics_come_in_the_format_that_is_asked_for(accept: str, kind: str) -> None:
    watch = Watch(memory.Provider(), [])
    watch.is_open = True
    async with (
        serving(WatchConfig(port=0), watch, Metrics()) as port,
        aiohttp.ClientSession() as browser,
        browser.get(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept}) as answer,
    ):
        assert answer.content_type == kind
        assert 'backscroll_answers{state="waiting"} 0.0' in await answer.text()
