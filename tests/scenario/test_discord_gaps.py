"""What was said while a session was lost or the bot was away, and what became meanwhile of what is kept."""

import asyncio
from datetime import timedelta

import pytest

from backscroll.bot import backfill
from backscroll.bot.config import BotConfig
from backscroll.storage.values import utc_now
from backscroll.testing import Fault
from tests.scenario.discord import on_stage
from tests.scenario.gaps import MESSAGES, Away, caught_up, lost_session, texts, tick
from tests.scenario.program import Home

pytestmark = pytest.mark.usefixtures("quick_gaps")


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
