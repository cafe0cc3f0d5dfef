"""What stood in a thread before the bot was asked there, and what Discord does not show."""

import pytest

from backscroll.bot import backfill
from backscroll.bot.config import BotConfig
from backscroll.testing import Fault
from tests.scenario.discord import config_of, on_stage, running
from tests.scenario.gaps import MESSAGE, MESSAGES, Away, talk, texts
from tests.scenario.program import Home

pytestmark = pytest.mark.usefixtures("quick_gaps")


# The first mention in a thread of others


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
