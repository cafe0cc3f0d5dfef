"""The watermark stands behind what is kept, and before what waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from backscroll.adapters.discord import receiving
from backscroll.bot import backfill
from backscroll.bot.config import BotConfig
from backscroll.storage.values import utc_now
from backscroll.testing import Fault
from backscroll.testing.discord.models import Message as Said
from backscroll.testing.discord.models import Thread as ThreadChannel
from tests.scenario.discord import Stage, config_of, on_stage, running
from tests.scenario.gaps import MESSAGE, Away, caught_up, lost_session, note_of, note_of_is_after, stop, texts
from tests.scenario.program import Home

pytestmark = pytest.mark.usefixtures("quick_gaps")


# How far all is kept


@pytest.fixture
def no_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be read again that was said before the watermark: it has to be right."""
    monkeypatch.setattr(backfill, "OVERLAP", timedelta(0))


@asynccontextmanager
async def waiting(home: Home) -> AsyncIterator[tuple[Stage, Said, ThreadChannel]]:
    """Give a stage with a live thread, and let an event of its server wait until the database can be written to."""
    async with on_stage(home.sqlite_url) as stage:
        root = await stage.discord.say(stage.anna, stage.general, "0 <@BOT>")
        dm = stage.discord.open_dm(stage.anna)
        await stage.discord.say(stage.anna, dm, "hi")
        await stage.answered(root)
        assert root.thread is not None
        yield stage, root, root.thread


async def test_event_that_waits_when_the_process_ends_is_found_at_the_next_start(home: Home, no_overlap: None) -> None:
    async with waiting(home) as (stage, root, live):
        with home.locked():
            await stage.discord.say(stage.anna, live, "1")
            new = await stage.discord.say(stage.anna, stage.general, "2 <@BOT>")
            await stage.discord.edit(root, "0, edited")
            await stage.discord.quiet()
            await stop(stage)
        since = utc_now()
        async with running(stage, config_of(stage.discord, stage.url)):
            await caught_up(stage, since)
            assert stage.discord.posted_by_bot(live) == ["+ 0 @backscroll", "+ 1"]
            assert await texts(stage, new) == ["2 @backscroll", "+ 2 @backscroll"]
            kept = await stage.kept(root)
            assert kept is not None
            assert kept.text == "0, edited"


async def test_watermark_stands_at_an_event_that_waits_while_others_are_kept(home: Home) -> None:
    async with waiting(home) as (stage, _, live):
        discord = stage.discord
        unknown = discord._world.add_channel("unknown", "text", discord.guild, bot_can_read=True, topic=None)
        discord.fail("GET", f"/channels/{unknown.id}", Fault.server_error(503), times=999)
        before = await note_of(stage, discord.guild.id)
        await discord.say(stage.anna, unknown, "waits <@BOT>")
        await stage.until(lambda: discord.calls_of("GET", f"/channels/{unknown.id}"))
        waits_since = utc_now()
        await discord.say(stage.anna, live, "1")
        await stage.until(lambda: len(discord.posted_by_bot(live)) == 2)
        await stage.until(lambda: note_of_is_after(stage, discord.guild.id, before))
        noted = await note_of(stage, discord.guild.id)
        assert noted is not None
        assert noted <= waits_since
        discord.forgive()
        await stage.settled()


async def test_messages_of_a_gap_are_found_though_the_watermark_is_noted_before_the_new_session(
    home: Home, no_overlap: None, door: asyncio.Event
) -> None:
    async with waiting(home) as (stage, _, live):
        with home.locked():
            await stage.discord.say(stage.anna, live, "1")
            await stage.discord.quiet()
            door.clear()
            await stage.discord.invalidate_sessions()
            await stage.discord.say(stage.anna, live, "2")
            await stage.until(lambda: stage.discord.session_count == 0)
        before = await note_of(stage, stage.discord.guild.id)
        await stage.until(lambda: len(stage.discord.posted_by_bot(live)) == 2)
        await stage.until(lambda: note_of_is_after(stage, stage.discord.guild.id, before))
        since = utc_now()
        door.set()
        await caught_up(stage, since)
        assert stage.discord.posted_by_bot(live) == ["+ 0 @backscroll", "+ 1", "+ 2"]


@pytest.mark.parametrize("is_new", [False, True], ids=["of a session", "of a new session"])
async def test_messages_of_a_server_that_comes_late_are_found_though_others_are_heard_before(
    home: Home, no_overlap: None, door: asyncio.Event, is_new: bool
) -> None:
    async with waiting(home) as (stage, _, live):
        discord = stage.discord
        dm = discord.open_dm(stage.anna)
        with home.locked():
            await discord.say(stage.anna, live, "1")
            await discord.quiet()
            if is_new:
                await discord.invalidate_sessions()
                discord.guild.is_available = False
            else:
                await discord.guild_outage(discord.guild)
            discord.guild.is_available = False
            await discord.say(stage.anna, live, "2")
            await stage.until(lambda: discord.session_count == 1)
            await discord.say(stage.anna, dm, "still there?")
            await stage.until(lambda: [task.get_name() for task in asyncio.all_tasks()].count(receiving.TASK) == 2)
        await stage.until(lambda: len(discord.posted_by_bot(dm)) == 2)
        await stage.until(lambda: len(discord.posted_by_bot(live)) == 2)
        direct = await note_of(stage, "@me")
        await discord.say(stage.anna, dm, "and now?")
        await stage.until(lambda: note_of_is_after(stage, "@me", direct))
        since = utc_now()
        await discord.guild_back(discord.guild)
        await caught_up(stage, since, discord.guild.id)
        assert discord.posted_by_bot(live) == ["+ 0 @backscroll", "+ 1", "+ 2"]


async def test_thread_of_an_unknown_channel_stops_no_catching_up(home: Home, door: asyncio.Event) -> None:
    async with on_stage(home.sqlite_url) as stage:
        discord = stage.discord
        root = await discord.say(stage.anna, stage.general, "0 <@BOT>")
        await stage.answered(root)
        assert root.thread is not None
        shown = discord._views.channel(root.thread) | {"id": discord._world.new_id(), "parent_id": "77"}

        async def go_on() -> None:
            await discord.until(lambda: discord.session_count)
            await discord.send_event("THREAD_CREATE", shown)

        discord.fail("GET", MESSAGE, Fault.hang(0.1))
        async with lost_session(stage, door, go_on):
            await discord.say(stage.anna, root.thread, "1")
        await stage.answered(root, 2)


@pytest.mark.parametrize("text", ["\0 and \ud800", "x" * 4_000])
async def test_odd_text_of_a_gap_is_kept(away: Away, text: str) -> None:
    await away.say(text)
    async with away.back(bot=BotConfig(answer=frozenset())):
        assert (await texts(away.stage, away.root))[-1] == text.replace("\0", "\ufffd").replace("\ud800", "\ufffd")


async def test_message_that_no_storage_could_hold_costs_itself_alone(away: Away) -> None:
    said = await away.say("odd")
    said.author = replace(away.ben, id="9" * 600)
    await away.say("and this")
    async with away.back(bot=BotConfig(answer=frozenset())):
        assert (await texts(away.stage, away.root))[-1] == "and this"


async def test_beginning_that_discord_does_not_show_is_told_of(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    async with on_stage(home.sqlite_url) as stage:
        thread = await stage.discord.start_thread(stage.anna, stage.general, "talk")
        await stage.discord.say(stage.anna, thread, "before")
        stage.discord.forbid(stage.general, "READ_MESSAGE_HISTORY")
        await stage.settled()
        asked = await stage.discord.say(stage.anna, thread, "hello <@BOT>")
        assert await stage.answered(asked) == ["+ hello @backscroll"]
        assert await stage.said_at(asked) == [("user", "hello @backscroll"), ("assistant", "+ hello @backscroll")]
    assert f"does not show the bot what was said in channel {thread.id}" in caplog.text
