"""A database that goes away while people talk on Discord, which sends nothing twice: what is heard waits."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from backscroll.adapters.discord import catching_up, receiving
from backscroll.testing.discord.models import Message as Said
from backscroll.testing.discord.models import Thread
from tests.scenario.discord import Stage, on_stage
from tests.scenario.program import Home
from tests.servers.postgres import PostgresServer

OUTAGE_S = float(os.environ.get("BACKSCROLL_TEST_OUTAGE_S", "0.2"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "RETRY_S", (0.02, 0.1))
    monkeypatch.setattr(catching_up, "LOOK_S", 0.02)
    monkeypatch.setattr(catching_up, "RETRY_S", 0.05)
    monkeypatch.setattr("backscroll.storage.sql.sqlite.BUSY_TIMEOUT_S", 0.05)


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with PostgresServer(fsync=True) as own:
        yield own


def waiting_count() -> int:
    """Return how many events wait to be kept."""
    return [task.get_name() for task in asyncio.all_tasks()].count(receiving.TASK)


async def begun(stage: Stage) -> tuple[Said, Thread]:
    """Let a thread be live."""
    root = await stage.discord.say(stage.anna, stage.general, "0 <@BOT>")
    await stage.answered(root)
    assert root.thread is not None
    return root, root.thread


async def test_events_of_an_outage_are_all_kept_and_answered_once(server: PostgresServer) -> None:
    async with on_stage(server.url()) as stage:
        root, live = await begun(stage)
        server.stop()
        others = [await stage.discord.say(stage.anna, stage.general, f"new {number} <@BOT>") for number in range(5)]
        for number in range(1, 6):
            await stage.discord.say(stage.anna, live, f"{number}")
        await stage.until(lambda: waiting_count() == 10)
        await asyncio.sleep(OUTAGE_S)  # the outage itself
        server.start()
        await stage.discord.until(lambda: len(stage.discord.posted_by_bot(live)) == 6, 60)
        assert await stage.answered(root, 6) == ["+ 0 @backscroll", *(f"+ {number}" for number in range(1, 6))]
        assert [len(await stage.said_at(each)) for each in others] == [2] * 5
        said = [text for role, text in await stage.said_at(root) if role == "user"]
        assert said == ["0 @backscroll", "1", "2", "3", "4", "5"]


async def test_events_of_a_locked_file_are_kept_in_their_order_and_answered_once(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root, live = await begun(stage)
        with home.locked():
            for number in range(1, 20):
                await stage.discord.say(stage.anna, live, f"{number}")
            await stage.until(lambda: waiting_count() == 19)
        posted = await stage.answered(root, 20)
        assert posted == ["+ 0 @backscroll", *(f"+ {number}" for number in range(1, 20))]
        said = [text for role, text in await stage.said_at(root) if role == "user"]
        assert said == ["0 @backscroll", *(f"{number}" for number in range(1, 20))]


async def test_changes_of_an_outage_come_after_their_message(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        _, live = await begun(stage)
        with home.locked():
            said = await stage.discord.say(stage.anna, live, "one")
            gone = await stage.discord.say(stage.anna, live, "two")
            await stage.discord.edit(said, "one, edited")
            await stage.discord.react(stage.anna, said, "👍")
            await stage.discord.unreact(stage.anna, said, "👍")
            await stage.discord.react(stage.anna, said, "👀")
            await stage.discord.delete(gone)
            await stage.until(lambda: waiting_count() == 7)
        await stage.settled()
        one, two = await stage.kept(said), await stage.kept(gone)
        assert one is not None
        assert two is not None
        assert (one.text, one.reactions) == ("one, edited", {"👀": [stage.anna.id]})
        assert two.deleted_at is not None


async def test_command_is_told_that_it_cannot_be_kept(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backscroll.adapters.discord.commands.ANSWER_S", 0.2)
    async with on_stage(home.sqlite_url) as stage:
        await stage.until(lambda: len(stage.discord.commands) == 2)
        with home.locked():
            await stage.discord.use_command(stage.anna, stage.general, "ask", question="there?")
            path = "/interactions/{interaction_id}/{token}/callback"
            await stage.until(lambda: stage.discord.calls_of("POST", path))
            (told,) = stage.discord.calls_of("POST", path)
        await stage.settled()
        assert "ask again" in told.json["data"]["content"]
        assert await stage.answers() == []


@pytest.mark.parametrize("count", [0, 3])
async def test_events_above_the_bound_are_read_back(home: Home, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root, live = await begun(stage)
        other = stage.discord.add_channel("other")
        await stage.settled()
        monkeypatch.setattr(receiving, "WAITING_COUNT", count)
        with home.locked():
            for number in range(1, 11):
                await stage.discord.say(stage.anna, live, f"{number}")
            asked = await stage.discord.say(stage.anna, other, "new <@BOT>")
            await stage.discord.edit(root, "0, edited")
            await stage.discord.react(stage.anna, root, "👀")
            await stage.discord.quiet()
            assert waiting_count() == count
        monkeypatch.undo()
        assert sorted(await stage.answered(root, 11)) == sorted(
            ["+ 0 @backscroll", *(f"+ {number}" for number in range(1, 11))]
        )
        assert await stage.said_at(asked) == [("user", "new @backscroll"), ("assistant", "+ new @backscroll")]
        kept = await stage.until_kept(root)
        assert (kept.text, kept.reactions) == ("0, edited", {"👀": [stage.anna.id]})
