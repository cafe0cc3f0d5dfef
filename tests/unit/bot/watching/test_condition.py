"""Whether a bot is well: each part that may be missing."""

import asyncio

import pytest

from backscroll.adapters.base import Adapter
from backscroll.bot.watching import condition
from backscroll.bot.watching.condition import Watch
from backscroll.errors import StorageUnavailableError
from backscroll.storage import memory
from tests.unit.bot.stage import Recorder


class Hanging(memory.Provider):
    """Answers nothing, or raises `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error

    async def check(self) -> None:
        if self.error is not None:
            raise self.error
        await asyncio.Event().wait()


class Cut(Recorder):
    """Is not connected."""

    @property
    def is_connected(self) -> bool:
        return False


def watch_of(provider: memory.Provider, *adapters: Adapter, is_stopping: bool = False) -> Watch:
    watch = Watch(provider, ["slack"], lambda: is_stopping)
    watch.is_open, watch.adapters = True, {adapter.platform: adapter for adapter in adapters}
    return watch


async def test_bot_is_ready_when_its_storage_answers_and_its_platform_is_connected() -> None:
    found = await watch_of(memory.Provider(), Recorder()).look(counts=True)
    assert found.is_ready
    assert found.answers is not None
    assert found.answers["waiting"].count == 0


@pytest.mark.parametrize("error", [None, StorageUnavailableError("away"), LookupError("xyzzy4711")])
async def test_bot_is_not_ready_while_its_storage_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    monkeypatch.setattr(condition, "ANSWER_S", 0.01)
    found = await watch_of(Hanging(error), Recorder()).look(counts=True)
    assert (found.is_ready, found.answers) == (False, None)
    assert found.as_dict() == {
        "ready": False,
        "storage": "does not answer",
        "platforms": {"slack": "connected"},
        "stopping": False,
    }


class Lingering(memory.Provider):
    """Answers nothing, and cleans up behind a call that is given up until it may end."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.may_end = 0, asyncio.Event()

    async def check(self) -> None:
        self.calls += 1
        try:
            await asyncio.Event().wait()
        finally:
            await self.may_end.wait()


async def test_look_waits_for_no_clean_up_and_piles_up_no_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condition, "ANSWER_S", 0.01)
    provider = Lingering()
    watch = watch_of(provider, Recorder())
    async with asyncio.timeout(5):
        found = [await watch.look(counts=True) for _ in range(3)]
    assert [each.is_storage_up for each in found] == [False] * 3
    assert provider.calls == 1
    provider.may_end.set()


async def test_storage_that_is_not_open_yet_is_not_asked() -> None:
    watch = Watch(Hanging(), ["slack"])
    assert not (await watch.look()).is_storage_up


@pytest.mark.parametrize("adapters", [[], [Cut()]])
async def test_bot_is_not_ready_while_a_platform_is_missing(adapters: list[Adapter]) -> None:
    found = await watch_of(memory.Provider(), *adapters).look()
    assert (found.is_ready, found.as_dict()["platforms"]) == (False, {"slack": "not connected"})


async def test_bot_that_stops_is_not_ready() -> None:
    assert not (await watch_of(memory.Provider(), Recorder(), is_stopping=True).look()).is_ready
