"""What people, bots and the bot itself say on Slack is kept once, and answered once where it asks."""

import time
from typing import Any

import pytest

from backscroll.bot.config import AllowConfig, BotConfig
from backscroll.bot.turn import Turn
from backscroll.testing import Fault
from backscroll.testing.slack.events import posted
from backscroll.testing.slack.models import Message as Said
from backscroll.testing.slack.models import Team
from backscroll.testing.slack.talk import Twins
from tests.scenario.program import Home
from tests.scenario.slack import MODES, Mode, Stage, config_of, key_of, on_stage, running

TWINS: tuple[Twins, ...] = ("message_first", "mention_first", "message_only", "mention_only")
everywhere = pytest.mark.parametrize("mode", MODES)


def texts(kept: list[tuple[str, str]]) -> list[str]:
    return [text for _, text in kept]


# Threads


@everywhere
async def test_mention_begins_a_thread_and_is_answered_in_it(url: str, mode: Mode) -> None:
    async with on_stage(url, mode) as stage:
        asked = await stage.slack.say(stage.anna, stage.general, "hello <@BOT>")
        await stage.answered(stage.general)
        (own,) = stage.slack.own_messages(stage.general)
        assert own.thread_ts == asked.ts
        assert await stage.said_at(asked) == [("user", "hello @backscroll"), ("assistant", "+ hello @backscroll")]


@everywhere
async def test_reply_in_a_joined_thread_is_answered_without_a_mention(url: str, mode: Mode) -> None:
    async with on_stage(url, mode) as stage:
        asked = await stage.slack.say(stage.anna, stage.general, "one <@BOT>")
        await stage.answered(stage.general)
        await stage.slack.say(stage.anna, stage.general, "two", thread=asked)
        await stage.answered(stage.general, 2)
        assert texts(await stage.said_at(asked)) == ["one @backscroll", "+ one @backscroll", "two", "+ two"]


async def test_talk_of_others_is_neither_kept_nor_answered(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await stage.slack.say(stage.anna, stage.general, "lunch?")
        await stage.slack.say(stage.anna, stage.general, "noon", thread=root)
        await stage.settled()
        assert await stage.threads() == []
        assert stage.slack.posted_by_bot(stage.general) == []


async def test_record_all_keeps_talk_of_others_and_answers_none(url: str) -> None:
    async with on_stage(url, bot=BotConfig(record="all")) as stage:
        root = await stage.slack.say(stage.anna, stage.general, "lunch?")
        await stage.slack.quiet()
        await stage.slack.say(stage.anna, stage.general, "noon", thread=root)
        await stage.settled()
        assert await stage.said_at(root) == [("user", "lunch?"), ("user", "noon")]
        assert stage.slack.posted_by_bot(stage.general) == []


@everywhere
@pytest.mark.parametrize("twins", TWINS)
async def test_mention_and_its_twin_are_one_message_and_one_answer(home: Home, mode: Mode, twins: Twins) -> None:
    async with on_stage(home.sqlite_url, mode) as stage:
        asked = await stage.slack.say(stage.anna, stage.general, "hello <@BOT>", twins=twins)
        await stage.answered(stage.general)
        assert await stage.said_at(asked) == [("user", "hello @backscroll"), ("assistant", "+ hello @backscroll")]


@pytest.mark.parametrize("twins", TWINS)
async def test_twins_in_a_thread_of_others_are_one_message_and_one_answer(url: str, twins: Twins) -> None:
    async with on_stage(url) as stage:
        root = await stage.slack.say(stage.anna, stage.general, "lunch?")
        await stage.slack.say(stage.anna, stage.general, "what do you say, <@BOT>?", thread=root, twins=twins)
        await stage.answered(stage.general)
        said = texts(await stage.said_at(root))
        assert said == ["lunch?", "what do you say, @backscroll?", "+ what do you say, @backscroll?"]


async def test_event_over_two_sockets_is_kept_and_answered_once(url: str) -> None:
    async with on_stage(url, switches={"to_all_sockets": True}) as stage:
        async with running(stage, config_of(stage.slack, url)):
            assert stage.slack.socket_count == 2
            asked = await stage.slack.say(stage.anna, stage.general, "one <@BOT>")
            await stage.answered(stage.general)
            await stage.slack.say(stage.anna, stage.general, "two", thread=asked)
            await stage.answered(stage.general, 2)
        assert texts(await stage.said_at(asked)) == ["one @backscroll", "+ one @backscroll", "two", "+ two"]
        assert len(await stage.answers()) == 2


# Direct messages


@everywhere
async def test_direct_messages_are_one_thread_and_answered_outside_threads(url: str, mode: Mode) -> None:
    async with on_stage(url, mode) as stage:
        dm = stage.slack.open_dm(stage.anna)
        first = await stage.slack.say(stage.anna, dm, "one")
        await stage.answered(dm)
        second = await stage.slack.say(stage.anna, dm, "two")
        await stage.answered(dm, 2)
        assert texts(await stage.said_at(first)) == ["one", "+ one", "two", "+ two"]
        assert key_of(first) == key_of(second)
        assert [own.thread_ts for own in stage.slack.own_messages(dm)] == [None, None]


async def test_thread_in_a_direct_message_is_a_thread_of_its_own(url: str) -> None:
    async with on_stage(url) as stage:
        # Slack gives a title to none but the assistant's threads.
        stage.slack.fail("assistant.threads.setTitle", Fault.error("invalid_thread_ts"))
        dm = stage.slack.open_dm(stage.anna)
        first = await stage.slack.say(stage.anna, dm, "one")
        await stage.answered(dm)
        reply = await stage.slack.say(stage.anna, dm, "aside", thread=first)
        await stage.answered(dm, 2)
        assert texts(await stage.said_at(first)) == ["one", "+ one"]
        assert texts(await stage.said_at(reply)) == ["aside", "+ aside"]
        assert stage.slack.own_messages(dm)[1].thread_ts == first.ts


async def test_group_message_needs_a_mention(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        group = stage.slack.open_group_dm([stage.anna, stage.slack.add_user("ben")])
        await stage.slack.say(stage.anna, group, "lunch?")
        asked = await stage.slack.say(stage.anna, group, "and you, <@BOT>?")
        await stage.answered(group)
        assert texts(await stage.said_at(asked)) == ["and you, @backscroll?", "+ and you, @backscroll?"]


# Kinds of messages


async def test_reply_that_is_broadcast_is_kept_in_its_thread_and_answered(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await joined(stage)
        await stage.slack.say(stage.anna, stage.general, "for all", thread=root, broadcast=True)
        await stage.answered(stage.general, 2)
        assert texts(await stage.said_at(root))[2:] == ["for all", "+ for all"]


async def test_me_message_is_kept_and_answered(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await joined(stage)
        await stage.slack.say(stage.anna, stage.general, "waves", thread=root, subtype="me_message")
        await stage.answered(stage.general, 2)
        assert texts(await stage.said_at(root))[2:] == ["waves", "+ waves"]


async def test_message_with_a_file_alone_is_kept_and_answered(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await joined(stage)
        file = stage.slack.add_file(stage.anna, "plan.txt", b"noon")
        said = await stage.slack.say(stage.anna, stage.general, "", thread=root, files=[file])
        await stage.answered(stage.general, 2)
        kept = await stage.kept(said)
        assert kept is not None
        assert [each.name for each in kept.attachments] == ["plan.txt"]


@pytest.mark.parametrize("subtype", ["channel_join", "channel_topic", "pinned_item", "bot_add", "reminder_add"])
async def test_what_slack_says_of_something_is_not_kept(home: Home, subtype: str) -> None:
    async with on_stage(home.sqlite_url, bot=BotConfig(record="all")) as stage:
        await stage.slack.say(stage.anna, stage.general, "something happened", subtype=subtype)
        await stage.settled()
        assert await stage.threads() == []
        assert stage.slack.posted_by_bot(stage.general) == []
        assert await stage.rejected() == []


async def test_message_replied_without_its_subtype_is_passed_over(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await joined(stage)
        nested = root.shown() | {"replies": [{"user": stage.anna.id, "ts": root.replies[0].ts}]}
        event = {"type": "message", "channel": stage.general.id, "hidden": True, "message": nested}
        await stage.slack.send_event(event | {"ts": "1712345678.000100", "event_ts": "1712345678.000100"})
        await stage.settled()
        assert len(await stage.said_at(root)) == 2
        assert await stage.rejected() == []


# Bots


async def joined(stage: Stage) -> Said:
    """Let the bot join a thread."""
    root = await stage.slack.say(stage.anna, stage.general, "hello <@BOT>")
    await stage.answered(stage.general)
    return root


@pytest.mark.parametrize("subtype", [None, "bot_message"])
async def test_message_of_another_bot_is_kept_as_its_own_and_not_answered(home: Home, subtype: str | None) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await joined(stage)
        robot = stage.slack.add_user("robot", bot=True)
        said = await stage.slack.say(robot, stage.general, "build passed", thread=root, subtype=subtype)
        await stage.settled()
        kept = await stage.kept(said)
        assert kept is not None
        assert kept.source == {"type": "agent", "id": robot.bot_id if subtype else robot.id, "name": "robot"}
        assert len(stage.slack.posted_by_bot(stage.general)) == 1


async def test_third_mention_in_a_row_by_bots_is_not_answered_until_a_person_speaks(url: str) -> None:
    async with on_stage(url) as stage:
        root = await joined(stage)
        robot = stage.slack.add_user("robot", bot=True)
        for number in (1, 2):
            await stage.slack.say(robot, stage.general, f"mention {number} <@BOT>", thread=root)
            await stage.answered(stage.general, 1 + number)
        third = await stage.slack.say(robot, stage.general, "mention 3 <@BOT>", thread=root)
        await stage.settled()
        assert await stage.kept(third) is not None
        assert len(stage.slack.posted_by_bot(stage.general)) == 3
        await stage.slack.say(stage.anna, stage.general, "go on", thread=root)
        await stage.answered(stage.general, 4)
        await stage.slack.say(robot, stage.general, "mention 4 <@BOT>", thread=root)
        assert (await stage.answered(stage.general, 5))[4] == "+ mention 4 @backscroll"


# Its own posts


@everywhere
@pytest.mark.parametrize("metadata", [True, False])
async def test_echo_of_an_answer_stores_nothing_twice(url: str, mode: Mode, metadata: bool) -> None:
    async with on_stage(url, mode, switches={"echo_metadata": metadata}) as stage:
        root = await joined(stage)
        assert [each.role for each in (await stage.threads())[0].messages] == ["user", "assistant"]
        (own,) = stage.slack.own_messages(stage.general)
        kept = await stage.kept(own)
        assert kept is not None
        assert (kept.role, kept.text) == ("assistant", "+ hello @backscroll")
        assert [each.type for each in stage.slack.deliveries].count("message") == 2  # the question, and the echo
        assert await stage.rejected() == []
        assert len(await stage.said_at(root)) == 2


async def test_post_by_another_tool_with_our_token_is_kept_as_the_bots_own(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await joined(stage)
        said = await stage.slack.say(stage.slack.team.bot, stage.general, "deployed", thread=root)
        await stage.settled()
        kept = await stage.kept(said)
        assert kept is not None
        assert (kept.role, kept.text) == ("assistant", "deployed")
        assert len(stage.slack.posted_by_bot(stage.general)) == 2


async def test_bot_that_mentions_itself_does_not_answer_itself(home: Home) -> None:
    async def narcissus(turn: Turn) -> str:
        return f"<@{stage.slack.bot_user_id}> says hello"

    async with on_stage(home.sqlite_url, handler=narcissus) as stage:
        await joined(stage)
        await stage.slack.say(stage.slack.team.bot, stage.general, "hello <@BOT>")
        await stage.settled()
        assert len(await stage.answers()) == 1


# Who may ask


@pytest.mark.parametrize("allowed", ["users", "channels"])
async def test_who_is_not_allowed_is_not_answered(home: Home, allowed: str) -> None:
    lists: dict[str, Any] = {allowed: frozenset({"U1", "C1"})}
    async with on_stage(home.sqlite_url, bot=BotConfig(allow=AllowConfig(**lists))) as stage:
        await stage.slack.say(stage.anna, stage.general, "hello <@BOT>")
        await stage.slack.say(stage.anna, stage.slack.open_dm(stage.anna), "hello")
        await stage.settled()
        assert stage.slack.calls_of("chat.postMessage") == []
        permitted = stage.slack.add_user("ben", user_id="U1")
        place = stage.slack.add_channel("open", members=[permitted], channel_id="C1")
        await stage.slack.say(permitted, place, "hello <@BOT>")
        await stage.answered(place)


# Unusual places


async def test_private_channel_whose_id_looks_like_any_is_answered_on_mention_alone(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        private = stage.slack.add_channel("secret", members=[stage.anna], private=True, channel_id="G0123456")
        await stage.slack.say(stage.anna, private, "lunch?")
        await stage.slack.say(stage.anna, private, "and you, <@BOT>?")
        assert await stage.answered(private) == ["+ and you, @backscroll?"]


async def test_stranger_in_a_shared_channel_is_kept_where_the_bot_is_installed(url: str) -> None:
    async with on_stage(url) as stage:
        stage.general.is_ext_shared = True
        zoe = stage.slack.add_user("zoe", team=Team("T0ELSEWHERE", "Else", "A0ELSE", stage.slack.team.bot, ""))
        text = f"hello <@{stage.slack.bot_user_id}>"
        said = Said(stage.general, stage.general.next_ts(time.time()), text, zoe)
        stage.general.messages[said.ts] = said
        event = posted(said) | {"type": "app_mention"}
        await stage.slack.send_event(event, team_id="T0ELSEWHERE", context_team_id="T0ELSEWHERE")
        await stage.answered(stage.general)
        kept = await stage.kept(said)
        assert kept is not None
        assert kept.source == {"type": "user", "id": zoe.id, "name": "zoe"}
        assert kept.platforms["slack"]["team"] == stage.slack.team_id
