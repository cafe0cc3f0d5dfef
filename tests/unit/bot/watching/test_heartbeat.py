"""A bot's sign of life: noted again and again, also after the storage was away, and only by a loop that turns."""

import asyncio
import time

import pytest

from backscroll.adapters.observing import Observer
from backscroll.bot.watching import heartbeat
from backscroll.bot.watching.heartbeat import heartbeat_name, keep_beating
from backscroll.errors import StorageUnavailableError
from backscroll.storage import memory


class Away(memory.Provider):
    """Takes nothing `times` times."""

    times = 3

    async def upsert_heartbeat(self, agent_name: str, last_ping_pong_time: float) -> None:
        self.times -= 1
        if self.times >= 0:
            raise StorageUnavailableError if self.times else LookupError("xyzzy4711")
        await super().upsert_heartbeat(agent_name, last_ping_pong_time)


class Hearing(Observer):
    """Knows when the second heartbeat was kept."""

    def __init__(self) -> None:
        self.kept: list[float] = []
        self.twice = asyncio.Event()

    def heartbeat_kept(self, at: float) -> None:
        self.kept.append(at)
        if len(self.kept) == 2:
            self.twice.set()


async def test_heartbeat_goes_on_after_the_storage_was_away_which_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.001)
    provider, heard = Away(), Hearing()
    beating = asyncio.ensure_future(keep_beating(provider, heard))
    async with asyncio.timeout(10):
        await heard.twice.wait()
    beating.cancel()
    await asyncio.wait([beating])
    noted = await provider.list_heartbeats()
    assert abs(noted[heartbeat_name()] - time.time()) < 10
    assert heard.kept[0] < heard.kept[1]
    assert caplog.text.count("No heartbeat is noted") == 1
    assert "xyzzy4711" not in caplog.text
