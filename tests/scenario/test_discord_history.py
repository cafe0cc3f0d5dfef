"""What stood in a thread before the bot was asked there, and what became of it all while the bot was away."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import discord
import pytest

from backscroll.adapters.discord import catching_up, receiving
from backscroll.bot import backfill
from backscroll.bot.config import BotConfig
from backscroll.storage.values import utc_now
from backscroll.testing import Fault
from backscroll.testing.discord.models import Channel
from backscroll.testing.discord.models import Message as Said
from backscroll.testing.discord.models import Thread as ThreadChannel
from tests.scenario.discord import Stage, config_of, on_stage, running
from tests.scenario.program import Home

MESSAGES = "/channels/{channel_id}/messages"
MESSAGE = MESSAGES + "/{message_id}"
REACTIONS = MESSAGE + "/reactions/{emoji}"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catching_up, "LOOK_S", 0.02)
    monkeypatch.setattr(catching_up, "NOTE_S", 0.05)
    monkeypatch.setattr(catching_up, "RETRY_S", 0.05)
    monkeypatch.setattr(receiving, "RETRY_S", (0.02, 0.05))
    monkeypatch.setattr("backscroll.storage.sql.sqlite.BUSY_TIMEOUT_S", 0.05)


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Give what has to be set for discord.py to begin a session; by itself it waits five seconds for a second one."""
    is_open = asyncio.Event()
    is_open.set()

    async def wait(client: discord.Client, shard_id: int | None, *, initial: bool = False) -> None:
        await is_open.wait()

    monkeypatch.setattr(discord.Client, "before_identify_hook", wait)
    return is_open


async def notes(stage: Stage) -> dict[str, str]:
    """Return until when all is kept, by guild."""
    rows = await stage.store.provider.query("watermarks", {})
    return {row["key"]: row["at"] for row in rows}


async def note_of(stage: Stage, guild: str) -> datetime | None:
    at = (await notes(stage)).get(f'["discord","{guild}"]')
    return None if at is None else datetime.fromisoformat(at)


async def note_of_is_after(stage: Stage, guild: str, before: datetime | None) -> bool:
    at = await note_of(stage, guild)
    return at is not None and (before is None or at > before)


async def caught_up(stage: Stage, since: datetime, *guilds: str) -> None:
    """Wait until all that was said before now is read back, and all is answered."""

    async def is_noted() -> bool:
        noted = [await note_of(stage, guild) for guild in guilds or (stage.discord.guild.id, "@me")]
        return all(at is not None and at >= since for at in noted)

    await stage.until(is_noted)
    await stage.settled()


@asynccontextmanager
async def lost_session(
    stage: Stage, door: asyncio.Event, meanwhile: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[None]:
    """Let the session end; what is done then is told to nobody. At the end a new one is caught up.

    Args: meanwhile: is done when the new one begins.
    """
    door.clear()
    await stage.discord.invalidate_sessions()
    yield
    since = utc_now()
    door.set()
    if meanwhile is not None:
        await meanwhile()
    await caught_up(stage, since)


async def tick(stage: Stage) -> None:
    """Let the next message be of another millisecond: questions are told from what stood before by their instants."""
    now_ms = stage.discord._world.now_ms
    last_ms = now_ms()
    await stage.until(lambda: now_ms() > last_ms)


async def stop(stage: Stage) -> None:
    assert stage.bot is not None
    bot, stage.bot = stage.bot, None
    bot.cancel()
    await asyncio.wait([bot])


async def texts(stage: Stage, said: Said) -> list[str]:
    return [text for _, text in await stage.said_at(said)]


# The first mention in a thread of others


async def talk(stage: Stage, count: int = 3) -> tuple[Said, ThreadChannel]:
    """Let people talk in a thread without the bot."""
    discord, ben = stage.discord, stage.discord.add_user("ben")
    root = await discord.say(stage.anna, stage.general, "said 0")
    thread = await discord.start_thread(stage.anna, stage.general, "Launch", root)
    for number in range(1, count):
        await discord.say(ben, thread, f"said {number}")
    await stage.settled()
    return root, thread


async def test_first_mention_keeps_the_messages_before_it_first(home: Home, url: str) -> None:
    async with on_stage(url) as stage:
        root, thread = await talk(stage)
        asked = await stage.discord.say(stage.anna, thread, "well, <@BOT>?")
        await stage.answered(asked)
        kept = await stage.thread_at(root)
        assert kept is not None
        assert [(each.sequence, each.text) for each in kept.messages] == [
            (1, "said 0"),
            (2, "said 1"),
            (3, "said 2"),
            (4, "well, @backscroll?"),
            (5, "+ well, @backscroll?"),
        ]


async def test_first_mention_answers_once_and_not_the_messages_before_it(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        _, thread = await talk(stage)
        asked = await stage.discord.say(stage.anna, thread, "well, <@BOT>?")
        await stage.answered(asked)
        assert [answer.state for answer in await stage.answers()] == ["sent"]


async def test_first_mention_in_a_thread_without_a_beginning_above_keeps_all_of_it(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        thread = await stage.discord.start_thread(stage.anna, stage.general, "Launch")
        await stage.discord.say(stage.anna, thread, "said 1")
        asked = await stage.discord.say(stage.anna, thread, "well, <@BOT>?")
        await stage.answered(asked)
        assert await texts(stage, asked) == ["said 1", "well, @backscroll?", "+ well, @backscroll?"]


async def test_first_mention_keeps_more_than_a_page_in_order(home: Home) -> None:
    async with on_stage(home.sqlite_url, bot=BotConfig(history_limit=300)) as stage:
        _, thread = await talk(stage, 230)
        asked = await stage.discord.say(stage.anna, thread, "well, <@BOT>?")
        await stage.answered(asked)
        seen = [message.text for message in stage.turns[0].thread.messages]
        assert seen == [*(f"said {number}" for number in range(230)), "well, @backscroll?"]


async def test_messages_before_keep_author_reactions_and_instant(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root, thread = await talk(stage)
        await stage.discord.react(stage.anna, root, "👍")
        asked = await stage.discord.say(stage.anna, thread, "well, <@BOT>?")
        await stage.answered(asked)
        kept = await stage.kept(root)
        assert kept is not None
        assert kept.source == {"type": "user", "id": stage.anna.id, "name": "anna"}
        assert kept.created_at == root.created_at
        assert kept.reactions == {"👍": [stage.anna.id]}


async def test_second_mention_reads_nothing_back(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        _, thread = await talk(stage)
        await stage.answered(await stage.discord.say(stage.anna, thread, "well, <@BOT>?"))
        stage.discord.calls.clear()
        await stage.answered(await stage.discord.say(stage.anna, thread, "and, <@BOT>?"), 2)
        assert stage.discord.calls_of("GET", "*") == []


@pytest.mark.parametrize("fault", [Fault.hang(0.4), Fault.server_error(503)], ids=["slow", "away"])
async def test_messages_that_come_too_late_follow_marked_and_in_order_for_the_handler(
    home: Home, fault: Fault, monkeypatch: pytest.MonkeyPatch, short_waits: None
) -> None:
    monkeypatch.setattr(backfill, "EARLIER_S", 0.2)
    async with on_stage(home.sqlite_url) as stage:
        root, thread = await talk(stage)
        stage.discord.fail("GET", f"/channels/{thread.id}/messages", fault, times=2)
        asked = await stage.discord.say(stage.anna, thread, "well, <@BOT>?")
        await stage.answered(asked)
        assert await texts(stage, asked) == [
            "well, @backscroll?",
            "said 0",
            "said 1",
            "said 2",
            "+ well, @backscroll?",
        ]
        kept = await stage.kept(root)
        assert kept is not None
        assert kept.attributes == {"backfilled": True}
        seen = [message.text for message in stage.turns[0].thread.messages]
        assert seen == ["said 0", "said 1", "said 2", "well, @backscroll?"]


@pytest.mark.parametrize("code", [50001, 10003])
async def test_thread_that_discord_does_not_show_is_answered_all_the_same(home: Home, code: int) -> None:
    async with on_stage(home.sqlite_url) as stage:
        _, thread = await talk(stage)
        fault = Fault.error(404 if code == 10003 else 403, code, "no")
        stage.discord.fail("GET", f"/channels/{thread.id}/messages", fault, times=9)
        asked = await stage.discord.say(stage.anna, thread, "well, <@BOT>?")
        await stage.answered(asked)
        assert (await texts(stage, asked))[-2:] == ["well, @backscroll?", "+ well, @backscroll?"]


async def test_thread_whose_beginning_was_deleted_is_kept_without_it(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root, thread = await talk(stage)
        await stage.discord.delete(root)
        asked = await stage.discord.say(stage.anna, thread, "well, <@BOT>?")
        await stage.answered(asked)
        assert (await texts(stage, asked))[:-1] == ["said 1", "said 2", "well, @backscroll?"]


async def test_reply_to_a_chain_of_others_keeps_the_chain_first(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        discord, ben = stage.discord, stage.discord.add_user("ben")
        root = await discord.say(stage.anna, stage.general, "said 0")
        reply = await discord.say(ben, stage.general, "said 1", reply_to=root)
        await discord.say(stage.anna, stage.general, "well, <@BOT>?", reply_to=reply)
        await stage.until(lambda: stage.discord.posted_by_bot(stage.general))
        await stage.settled()
        assert await texts(stage, root) == ["said 0", "said 1", "well, @backscroll?", "+ well, @backscroll?"]


# A gap while the process runs: a lost session


async def test_messages_of_a_lost_session_are_kept_and_answered_once(home: Home, url: str, door: asyncio.Event) -> None:
    async with on_stage(url, bot=BotConfig(answer=frozenset({"mentions"}))) as stage:
        discord, anna, ben = stage.discord, stage.anna, stage.discord.add_user("ben")
        quiet, busy = discord.add_channel("quiet"), discord.add_channel("busy")
        root = await discord.say(anna, stage.general, "0 <@BOT>")
        await stage.answered(root)
        live = discord.thread_of(root)
        assert live is not None
        others = await discord.say(ben, busy, "ours 0")
        ours = await discord.start_thread(ben, busy, "Ours", others)
        await stage.settled()
        async with lost_session(stage, door):
            asked = []
            for number in range(1, 84):
                await discord.say(ben, live, f"{number}")
                text = f"new {number} <@BOT>" if number in {3, 50} else "nothing for the bot"
                asked += [each for each in [await discord.say(anna, quiet, text)] if "new" in text]
                await discord.say(anna, ours, f"ours {number}{' <@BOT>' if number == 40 else ''}")
            await discord.say(ben, live, "84 <@BOT>")
        assert discord.posted_by_bot(live) == ["+ 0 @backscroll", "+ 84 @backscroll"]
        assert discord.posted_by_bot(ours) == ["+ ours 40 @backscroll"]
        assert [await texts(stage, each) for each in asked] == [
            [f"new {number} @backscroll", f"+ new {number} @backscroll"] for number in (3, 50)
        ]
        said = [text for text in await texts(stage, root) if not text.startswith("+")]
        assert said == ["0 @backscroll", *map(str, range(1, 84)), "84 @backscroll"]
        assert sorted(await texts(stage, others)) == sorted(
            [
                *(f"ours {number}" for number in range(84) if number != 40),
                "ours 40 @backscroll",
                "+ ours 40 @backscroll",
            ]
        )
        assert len(await stage.threads()) == 4


async def test_session_that_is_resumed_reads_nothing_back(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
        await stage.answered(root)
        stage.discord.calls.clear()
        stage.discord.drop_sockets()
        await stage.discord.say(stage.anna, root.thread or stage.general, "there?")
        await stage.answered(root, 2)
        assert stage.discord.resumes == 1
        assert stage.discord.calls_of("GET", "*") == []


async def test_messages_that_come_while_it_is_read_back_are_kept_and_answered_once(
    home: Home, door: asyncio.Event
) -> None:
    async with on_stage(home.sqlite_url) as stage:
        discord = stage.discord
        root = await discord.say(stage.anna, stage.general, "0 <@BOT>")
        await stage.answered(root)
        live = root.thread
        assert live is not None

        async def go_on() -> None:
            await stage.until(lambda: discord.calls_of("GET", f"/channels/{live.id}/messages"))
            await discord.say(stage.anna, live, "2")
            await discord.say(stage.anna, stage.general, "3 <@BOT>")

        async with lost_session(stage, door, go_on):
            await discord.say(stage.anna, live, "1")
            discord.fail("GET", f"/channels/{live.id}/messages", Fault.hang(0.2))
        await stage.answered(root, 3)
        assert sorted(await texts(stage, root)) == ["+ 0 @backscroll", "+ 1", "+ 2", "0 @backscroll", "1", "2"]
        assert len(await stage.answers()) == 4


async def test_session_that_is_lost_while_it_is_read_back_is_read_back_too(
    home: Home, door: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "OVERLAP", timedelta(0))
    async with on_stage(home.sqlite_url) as stage:
        discord = stage.discord
        root = await discord.say(stage.anna, stage.general, "0 <@BOT>")
        await stage.answered(root)
        live = root.thread
        assert live is not None
        other = discord.add_channel("other")
        await stage.settled()
        door.clear()
        await discord.invalidate_sessions()
        await discord.say(stage.anna, other, "1 <@BOT>")
        discord.fail("GET", f"/channels/{other.id}/messages", Fault.hang(0.3))
        count = len(discord.identifies)
        door.set()
        await stage.until(lambda: discord.calls_of("GET", f"/channels/{other.id}/messages"))
        door.clear()
        await discord.invalidate_sessions()
        await discord.say(stage.anna, live, "2")
        since = utc_now()
        door.set()
        await stage.until(lambda: len(discord.identifies) == count + 2)
        await caught_up(stage, since)
        assert discord.posted_by_bot(live) == ["+ 0 @backscroll", "+ 2"]


async def test_server_that_was_unavailable_is_read_back(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        discord = stage.discord
        root = await discord.say(stage.anna, stage.general, "0 <@BOT>")
        await stage.answered(root)
        live = root.thread
        assert live is not None
        await discord.guild_outage(discord.guild)
        await discord.say(stage.anna, live, "1")
        since = utc_now()
        await discord.guild_back(discord.guild)
        await caught_up(stage, since, discord.guild.id)
        assert discord.posted_by_bot(live) == ["+ 0 @backscroll", "+ 1"]


async def test_server_that_the_bot_enters_anew_is_read_back(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        discord = stage.discord
        root = await discord.say(stage.anna, stage.general, "0 <@BOT>")
        await stage.answered(root)
        live = root.thread
        assert live is not None
        await discord.remove_bot(discord.guild)
        await discord.say(stage.anna, live, "1")
        since = utc_now()
        await discord.invite_bot(discord.guild)
        await caught_up(stage, since, discord.guild.id)
        assert discord.posted_by_bot(live) == ["+ 0 @backscroll", "+ 1"]


# A gap over a restart


class Away:
    """A bot that was in a thread, and is not there now; what Discord sends meanwhile is lost."""

    def __init__(self, stage: Stage, root: Said, dm: Channel) -> None:
        assert root.thread is not None
        self.stage = stage
        self.discord = stage.discord
        self.anna = stage.anna
        self.ben = stage.discord.add_user("ben")
        self.root = root
        self.live = root.thread
        self.dm = dm

    @property
    def answer(self) -> Said:
        """What the bot said in the thread."""
        return self.discord.own_messages(self.live)[0]

    async def say(self, text: str, channel: Channel | None = None, **given: Any) -> Said:
        """Let Ben say something, in the thread when nothing else is named."""
        return await self.discord.say(self.ben, channel or self.live, text, **given)

    @asynccontextmanager
    async def back(self, *, bot: BotConfig | None = None, **settings: Any) -> AsyncIterator[None]:
        """Bring the bot back, and let it read back."""
        since, config = utc_now(), config_of(self.discord, self.stage.url, bot=bot, **settings)
        self.discord.calls.clear()
        async with running(self.stage, config):
            await caught_up(self.stage, since)
            yield

    async def kept(self, said: Said) -> Any:
        found = await self.stage.kept(said)
        assert found is not None
        return found


@pytest.fixture
async def away(home: Home) -> AsyncIterator[Away]:
    async with on_stage(home.sqlite_url) as stage:
        root = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
        dm = stage.discord.open_dm(stage.anna)
        await stage.discord.say(stage.anna, dm, "hi")
        since = utc_now()
        await stage.answered(root)
        await caught_up(stage, since)
        await stop(stage)
        yield Away(stage, root, dm)


async def test_question_missed_in_a_live_thread_is_answered_once(away: Away) -> None:
    await away.say("are you there?")
    for _ in range(2):
        async with away.back():
            assert away.discord.posted_by_bot(away.live) == ["+ hello @backscroll", "+ are you there?"]


async def test_message_missed_is_kept_where_nothing_is_answered(away: Away) -> None:
    await away.say("for the record")
    async with away.back(bot=BotConfig(answer=frozenset())):
        assert (await away.stage.said_at(away.root))[-1] == ("user", "for the record")


async def test_direct_message_missed_is_answered(away: Away) -> None:
    await away.discord.say(away.anna, away.dm, "still there?")
    async with away.back():
        assert away.discord.posted_by_bot(away.dm) == ["+ hi", "+ still there?"]


@pytest.mark.parametrize("is_live", [True, False], ids=["in a live channel", "in another channel"])
async def test_first_mention_missed_is_answered_in_a_thread_of_its_own(away: Away, is_live: bool) -> None:
    channel = away.stage.general if is_live else away.discord.add_channel("other")
    await away.say("not for the bot", channel)
    missed = await away.say("and <@BOT>?", channel)
    async with away.back():
        assert await away.stage.said_at(missed) == [("user", "and @backscroll?"), ("assistant", "+ and @backscroll?")]
        assert len(away.discord.threads(channel)) == 1 + is_live


async def test_thread_that_was_begun_and_asked_in_meanwhile_is_kept_from_its_beginning(away: Away) -> None:
    other = away.discord.add_channel("other")
    root = await away.say("said 0", other)
    thread = await away.discord.start_thread(away.ben, other, "Launch", root)
    await away.say("said 1", thread)
    await tick(away.stage)
    await away.say("well, <@BOT>?", thread)
    await away.say("said 3", thread)
    async with away.back():
        assert sorted(away.discord.posted_by_bot(thread)) == ["+ said 3", "+ well, @backscroll?"]
        assert {"said 0", "said 1", "well, @backscroll?", "said 3"} < set(await texts(away.stage, root))


@pytest.mark.parametrize("asks", ["first", "second"])
async def test_forum_post_that_was_begun_meanwhile_is_answered(away: Away, asks: str) -> None:
    forum = away.discord.add_channel("help", "forum")
    post = await away.discord.post_in_forum(away.ben, forum, "Help", "<@BOT> it is 0" if asks == "first" else "it is 0")
    if asks == "second":
        await tick(away.stage)
        await away.say("<@BOT> see above", post)
    async with away.back():
        (first,) = [each for each in post.messages.values() if each.id == post.id]
        question = "@backscroll see above" if asks == "second" else "@backscroll it is 0"
        assert away.discord.posted_by_bot(post) == [f"+ {question}"]
        kept = await texts(away.stage, first)
        assert sorted(kept) == sorted({"it is 0" if asks == "second" else question, question, f"+ {question}"})


async def test_messages_from_before_the_first_mention_are_not_answered(away: Away) -> None:
    other = await away.say("among us", away.stage.general)
    thread = await away.discord.start_thread(away.ben, away.stage.general, "Ours", other)
    await away.say("and us", thread)
    async with away.back():
        away.discord.fail("GET", f"/channels/{thread.id}/messages", Fault.error(403, 50001, "no"), times=9)
        await away.say("what of it, <@BOT>?", thread)
        await away.stage.settled()
        away.discord.forgive()
    async with away.back():
        assert away.discord.posted_by_bot(thread) == ["+ what of it, @backscroll?"]
        assert len(await texts(away.stage, other)) == 4


async def test_more_than_a_page_missed_is_kept_in_order(away: Away) -> None:
    for number in range(230):
        await away.say(f"{number}")
    async with away.back(bot=BotConfig(answer=frozenset())):
        assert (await texts(away.stage, away.root))[2:] == [f"{number}" for number in range(230)]


# What became of messages that were kept


async def test_edit_missed_is_kept(away: Away) -> None:
    await away.discord.edit(away.root, "hello there")
    async with away.back():
        kept = await away.kept(away.root)
        assert (kept.text, kept.edited_at) == ("hello there", away.root.edited_at)


async def test_deletion_missed_leaves_a_tombstone(away: Away) -> None:
    said = await away.say("never mind")
    async with away.back(bot=BotConfig(answer=frozenset())):
        assert (await away.kept(said)).deleted_at is None
    await away.discord.delete(said)
    async with away.back(bot=BotConfig(answer=frozenset())):
        kept = await away.kept(said)
        assert kept.deleted_at is not None
        assert kept.text == ""


async def test_deletion_missed_of_a_thread_s_beginning_is_kept(away: Away) -> None:
    await away.discord.delete(away.root)
    async with away.back():
        assert (await away.kept(away.root)).deleted_at is not None


async def test_answer_that_a_moderator_took_away_meanwhile_is_a_tombstone(away: Away) -> None:
    answer = away.answer
    await away.discord.delete(answer)
    async with away.back():
        assert (await away.kept(answer)).deleted_at is not None


async def test_thread_that_was_deleted_meanwhile_takes_its_messages_along(away: Away) -> None:
    answer = away.answer
    await away.discord.delete_thread(away.live)
    async with away.back():
        assert (await away.kept(answer)).deleted_at is not None
        assert (await away.kept(away.root)).deleted_at is None


@pytest.mark.parametrize("emoji", ["👍", "👍🏽", "<:party:123456789012345678>"])
@pytest.mark.parametrize("whose", ["question", "answer"])
async def test_reaction_missed_is_kept(away: Away, emoji: str, whose: str) -> None:
    said = away.root if whose == "question" else away.answer
    await away.discord.react(away.ben, said, emoji)
    async with away.back():
        name = "123456789012345678" if "party" in emoji else emoji
        assert (await away.kept(said)).reactions == {name: [away.ben.id]}


async def test_reactions_taken_back_meanwhile_are_gone(away: Away) -> None:
    answer = away.answer
    for emoji in ("👍", "❤️"):
        for user in (away.anna, away.ben):
            await away.discord.react(user, answer, emoji)
    async with away.back():
        assert (await away.kept(answer)).reactions == {each: [away.anna.id, away.ben.id] for each in ("👍", "❤")}
    await away.discord.unreact(away.anna, answer, "👍")
    await away.discord.clear_reactions(answer, "❤️")
    async with away.back():
        assert (await away.kept(answer)).reactions == {"👍": [away.ben.id]}


async def test_nothing_that_stands_is_changed_by_reading_back(away: Away) -> None:
    before = [each.model_dump() for each in await away.stage.threads()]
    async with away.back():
        pass
    assert [each.model_dump() for each in await away.stage.threads()] == before


async def test_question_of_a_command_is_not_taken_for_deleted(away: Away) -> None:
    async with away.back():
        await away.discord.use_command(away.anna, away.stage.general, "ask", question="by command")
        await away.stage.until(lambda: away.discord.posted_by_bot(away.stage.general))
        await away.stage.settled()
    async with away.back():
        kept = [message for thread in await away.stage.threads() for message in thread.messages]
        assert [each.text for each in kept if "by command" in each.text] == ["by command", "+ by command"]
        assert [each for each in kept if each.deleted_at is not None] == []


async def test_edit_of_a_message_older_than_the_hours_is_left_alone(away: Away) -> None:
    await away.discord.edit(away.root, "hello there")
    async with away.back(catch_up_hours=1e-6):
        assert (await away.kept(away.root)).text == "hello @backscroll"


async def test_without_hours_nothing_is_read_back(away: Away) -> None:
    await away.say("are you there?")
    async with away.back(catch_up_hours=0.0):
        assert away.discord.calls_of("GET", MESSAGES) == []
        assert away.discord.posted_by_bot(away.live) == ["+ hello @backscroll"]


async def test_channel_that_was_deleted_in_the_gap_takes_its_conversations_along(
    home: Home, door: asyncio.Event
) -> None:
    async with on_stage(home.sqlite_url) as stage:
        doomed = stage.discord.add_channel("doomed")
        await stage.settled()
        gone = await stage.discord.say(stage.anna, doomed, "gone <@BOT>")
        stays = await stage.discord.say(stage.anna, stage.general, "stays <@BOT>")
        await stage.answered(gone)
        await stage.answered(stays)
        async with lost_session(stage, door):
            await stage.discord.delete_channel(doomed)
        assert [await texts(stage, each) for each in (gone, stays)] == [
            [],
            ["stays @backscroll", "+ stays @backscroll"],
        ]


# Where Discord shows nothing, or not now


@pytest.mark.parametrize("permission", ["VIEW_CHANNEL", "READ_MESSAGE_HISTORY"])
async def test_channel_that_may_no_longer_be_read_costs_itself_alone_and_deletes_nothing(
    away: Away, permission: str
) -> None:
    hidden = away.discord.add_channel("hidden")
    async with away.back():
        root = await away.say("hello <@BOT>", hidden)
        await away.stage.answered(root)
    await away.say("are you there?")
    away.discord.forbid(hidden, permission)
    async with away.back():
        assert away.discord.posted_by_bot(away.live) == ["+ hello @backscroll", "+ are you there?"]
        assert await away.stage.said_at(root) == [("user", "hello @backscroll"), ("assistant", "+ hello @backscroll")]


@pytest.mark.parametrize("permission", ["VIEW_CHANNEL", "READ_MESSAGE_HISTORY"])
async def test_channels_that_may_not_be_read_are_not_asked(away: Away, permission: str) -> None:
    hidden = away.discord.add_channel("hidden")
    away.discord.forbid(hidden, permission)
    said = await away.say("<@BOT>?", hidden)
    thread = await away.discord.start_thread(away.ben, hidden, "Hidden", said)
    await away.say("<@BOT>?", thread)
    async with away.back():
        assert [call for call in away.discord.calls if hidden.id in call.path or thread.id in call.path] == []


async def test_message_that_discord_does_not_tell_of_stays_as_it_is(away: Away) -> None:
    said = await away.say("one")
    async with away.back(bot=BotConfig(answer=frozenset())):
        pass
    await away.discord.delete(said)
    await away.say("two")
    away.discord.fail("GET", f"/channels/{away.live.id}/messages/{said.id}", Fault.error(403, 50013, "no"), times=9)
    async with away.back(bot=BotConfig(answer=frozenset())):
        assert (await texts(away.stage, away.root))[-2:] == ["one", "two"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault.rate_limited(0.1),
        Fault.rate_limited(0.1, with_via=False),
        Fault.rate_limited(0.1, is_global=True),
        Fault.server_error(503),
        Fault.cut_before(),
        Fault.cut_within(),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.has_via}-{fault.is_global}",
)
async def test_discord_that_stumbles_is_read_back_all_the_same(away: Away, fault: Fault) -> None:
    for number in range(120):
        await away.say(f"{number}")
    for pattern in (MESSAGES, MESSAGE, MESSAGES):
        away.discord.fail("GET", pattern, fault)
    async with away.back(bot=BotConfig(answer=frozenset())):
        assert (await texts(away.stage, away.root))[2:] == [f"{number}" for number in range(120)]


async def test_end_of_the_process_while_it_reads_back_leaves_nothing_out(away: Away) -> None:
    await away.say("are you there?")
    away.discord.fail("GET", f"/channels/{away.live.id}/messages", Fault.hang(0.3))
    away.discord.calls.clear()
    async with running(away.stage, config_of(away.discord, away.stage.url)):
        await away.stage.until(lambda: away.discord.calls_of("GET", f"/channels/{away.live.id}/messages"))
    async with away.back():
        assert away.discord.posted_by_bot(away.live) == ["+ hello @backscroll", "+ are you there?"]


async def test_reading_back_asks_for_each_place_once(away: Away) -> None:
    async with away.back():
        roots = [await away.say(f"{number} <@BOT>", away.stage.general) for number in range(4)]
        for root in roots:
            await away.stage.answered(root)
    for number in range(5):
        away.discord.add_channel(f"silent-{number}")
    async with away.back():
        # Five threads with their beginnings, their channel, and the direct messages.
        asked = [(call.path, call.params.get("after")) for call in away.discord.calls if "/channels/" in call.path]
        assert len(asked) == len(set(asked)) == 5 * 2 + 1 + 1


# How far all is kept


@pytest.fixture
def no_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be read again that was said before the watermark: it has to be right."""
    monkeypatch.setattr(backfill, "OVERLAP", timedelta(0))


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Let nothing be written to the database."""
    with closing(sqlite3.connect(home.directory / "backscroll.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


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
        with locked(home):
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
        with locked(home):
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
        with locked(home):
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
