"""Chains of replies: where the bot answers in the channel, they are the conversations."""

import asyncio

import discord
import pytest

from backscroll.adapters.discord import chains
from backscroll.bot import backfill
from backscroll.bot.config import BotConfig
from backscroll.bot.turn import Turn
from backscroll.storage.keys import ThreadKey
from backscroll.testing import Fault
from backscroll.testing.discord.models import Channel
from backscroll.testing.discord.models import Message as Said
from tests.scenario.discord import Stage, guild_of, on_stage
from tests.scenario.program import Home

MESSAGE = "/channels/{channel_id}/messages/{message_id}"
HELLO = ["hello @backscroll", "+ hello @backscroll"]


async def said_in(stage: Stage, root: Said) -> list[str]:
    """Return the texts of the conversation that a message began."""
    key = ThreadKey("discord", guild_of(root.channel), root.channel.id, root.id)
    thread = await stage.store.provider.get_by_alias(key.alias)
    return [] if thread is None else [message.text for message in thread.messages]


async def joined(stage: Stage, channel: Channel | None = None) -> tuple[Said, Said]:
    """Let the bot be asked in a channel; give the question, and the answer."""
    place = channel or stage.general
    count = len(stage.discord.own_messages(place))
    asked = await stage.discord.say(stage.anna, place, "hello <@BOT>")
    await stage.answered(asked, count + 1)
    return asked, stage.discord.own_messages(place)[-1]


async def at_once(*_: object, **__: object) -> None:
    """Stand in for the five seconds that discord.py waits before it identifies anew."""


def replied_to(said: Said) -> str | None:
    return None if said.reference is None else str(said.reference["message_id"])


# Answers


async def test_answer_is_a_reply_in_the_channel(url: str) -> None:
    async with on_stage(url, reply_in="channel") as stage:
        asked, own = await joined(stage)
        assert replied_to(own) == asked.id
        assert stage.discord.threads(stage.general) == []
        assert own.pings == frozenset()
        assert await said_in(stage, asked) == HELLO


async def test_further_posts_of_an_answer_are_no_replies(home: Home) -> None:
    async def at_length(turn: Turn) -> str:
        return "a" * 1_500 + "\n\n" + "b" * 1_500

    async with on_stage(home.sqlite_url, handler=at_length, reply_in="channel") as stage:
        asked = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
        await stage.answered(asked, 2)
        assert [replied_to(own) for own in stage.discord.own_messages(stage.general)] == [asked.id, None]


async def test_answer_to_a_question_that_was_deleted_meanwhile_is_no_reply(home: Home) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def wait(turn: Turn) -> str:
        began.set()
        await go_on.wait()
        return "done"

    async with on_stage(home.sqlite_url, handler=wait, reply_in="channel") as stage:
        asked = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
        await began.wait()
        await stage.discord.delete(asked)
        await stage.discord.quiet()
        go_on.set()
        await stage.settled()
        (answer,) = await stage.answers()
        assert answer.state == "sent"


# Chains that go on


async def test_reply_to_the_bot_without_a_ping_is_answered_in_its_conversation(url: str) -> None:
    async with on_stage(url, reply_in="channel") as stage:
        asked, own = await joined(stage)
        said = await stage.discord.say(stage.anna, stage.general, "two", reply_to=own, ping=False)
        await stage.answered(asked, 2)
        assert replied_to(stage.discord.own_messages(stage.general)[1]) == said.id
        assert await said_in(stage, asked) == [*HELLO, "two", "+ two"]
        assert len(await stage.threads()) == 1


async def test_reply_to_a_question_goes_on_with_its_conversation(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        asked, _ = await joined(stage)
        ben = stage.discord.add_user("ben")
        await stage.discord.say(ben, stage.general, "I too", reply_to=asked)
        await stage.answered(asked, 2)
        assert await said_in(stage, asked) == [*HELLO, "I too", "+ I too"]


async def test_reply_to_any_post_of_a_long_answer_goes_on_with_its_conversation(home: Home) -> None:
    async def at_length(turn: Turn) -> str:
        return "a" * 1_500 + "\n\n" + "b" * 1_500 if turn.message.text != "two" else "short"

    async with on_stage(home.sqlite_url, handler=at_length, reply_in="channel") as stage:
        asked = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
        await stage.answered(asked, 2)
        second = stage.discord.own_messages(stage.general)[1]
        await stage.discord.say(stage.anna, stage.general, "two", reply_to=second, ping=False)
        await stage.answered(asked, 3)
        assert len(await stage.threads()) == 1
        assert (await said_in(stage, asked))[-2:] == ["two", "short"]


async def test_reply_that_comes_before_the_answer_is_marked_goes_on_with_its_conversation(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        asked = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
        await stage.until(lambda: stage.discord.own_messages(stage.general))
        (own,) = stage.discord.own_messages(stage.general)
        await stage.discord.say(stage.anna, stage.general, "two", reply_to=own, ping=False)
        await stage.answered(asked, 2)
        assert await said_in(stage, asked) == [*HELLO, "two", "+ two"]
        assert len(await stage.threads()) == 1


async def test_message_beside_a_conversation_is_none_of_it(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        asked, _ = await joined(stage)
        await stage.discord.say(stage.anna, stage.general, "lunch?")
        await stage.settled()
        assert await said_in(stage, asked) == HELLO
        assert len(await stage.threads()) == 1


async def test_two_conversations_beside_each_other_stay_two(url: str) -> None:
    async with on_stage(url, reply_in="channel") as stage:
        first, own_first = await joined(stage)
        second, own_second = await joined(stage)
        await stage.discord.say(stage.anna, stage.general, "one", reply_to=own_first, ping=False)
        await stage.discord.say(stage.anna, stage.general, "two", reply_to=own_second, ping=False)
        await stage.answered(first, 4)
        assert await said_in(stage, first) == [*HELLO, "one", "+ one"]
        assert await said_in(stage, second) == [*HELLO, "two", "+ two"]


async def test_handler_is_given_its_own_conversation_alone(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        first, own = await joined(stage)
        await joined(stage)
        await stage.discord.say(stage.anna, stage.general, "one", reply_to=own, ping=False)
        await stage.answered(first, 3)
        assert [message.text for message in stage.turns[-1].thread.messages] == [*HELLO, "one"]


# Chains of others


async def test_chain_above_a_mention_is_kept_first(url: str) -> None:
    async with on_stage(url, reply_in="channel") as stage:
        ben = stage.discord.add_user("ben")
        root = await stage.discord.say(stage.anna, stage.general, "lunch?")
        noon = await stage.discord.say(ben, stage.general, "noon", reply_to=root)
        await stage.discord.say(stage.anna, stage.general, "an aside")
        late = await stage.discord.say(stage.anna, stage.general, "too late", reply_to=noon)
        asked = await stage.discord.say(ben, stage.general, "and you, <@BOT>?", reply_to=late)
        await stage.answered(asked)
        said = ["lunch?", "noon", "too late", "and you, @backscroll?", "+ and you, @backscroll?"]
        assert await said_in(stage, root) == said
        assert len(await stage.answers()) == 1
        assert [message.text for message in stage.turns[0].thread.messages] == said[:-1]


async def test_chain_that_is_longer_than_is_read_begins_where_reading_ended(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chains, "LENGTH", 2)
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        said: Said | None = None
        for number in range(5):
            said = await stage.discord.say(stage.anna, stage.general, f"number {number}", reply_to=said)
        asked = await stage.discord.say(stage.anna, stage.general, "well, <@BOT>?", reply_to=said)
        await stage.answered(asked)
        (thread,) = await stage.threads()
        texts = [message.text for message in thread.messages]
        assert texts == ["number 3", "number 4", "well, @backscroll?", "+ well, @backscroll?"]


@pytest.mark.parametrize("gone", [0, 1, 2])
async def test_deleted_message_in_a_chain_ends_what_is_read_of_it(home: Home, gone: int) -> None:
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        chain: list[Said] = []
        for number in range(3):
            above = chain[-1] if chain else None
            chain.append(await stage.discord.say(stage.anna, stage.general, f"number {number}", reply_to=above))
        await stage.discord.delete(chain[gone])
        asked = await stage.discord.say(stage.anna, stage.general, "well, <@BOT>?", reply_to=chain[2])
        await stage.answered(asked)
        (thread,) = await stage.threads()
        left = [f"number {number}" for number in range(gone + 1, 3)]
        assert [message.text for message in thread.messages] == [*left, "well, @backscroll?", "+ well, @backscroll?"]


async def test_conversation_goes_on_over_a_message_of_it_that_was_deleted(url: str) -> None:
    async with on_stage(url, reply_in="channel") as stage:
        asked, own = await joined(stage)
        await stage.discord.delete(own)
        await stage.discord.say(stage.anna, stage.general, "two", reply_to=own, ping=False)
        await stage.answered(asked, 1)
        assert [each for each in await said_in(stage, asked) if each] == [HELLO[0], "two", "+ two"]


async def test_two_mentions_below_one_message_are_one_conversation(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        root = await stage.discord.say(stage.anna, stage.general, "lunch?")
        await stage.discord.say(stage.anna, stage.general, "one <@BOT>", reply_to=root)
        await stage.discord.say(stage.anna, stage.general, "two <@BOT>", reply_to=root)
        await stage.answered(root, 2)
        said = await said_in(stage, root)
        assert said[0] == "lunch?"
        assert sorted(said[1:]) == sorted(
            ["one @backscroll", "+ one @backscroll", "two @backscroll", "+ two @backscroll"]
        )
        assert len(await stage.threads()) == 1


async def test_chain_of_others_is_not_kept(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        root = await stage.discord.say(stage.anna, stage.general, "lunch?")
        await stage.discord.say(stage.anna, stage.general, "noon", reply_to=root)
        await stage.settled()
        assert await stage.threads() == []
        assert stage.discord.calls_of("GET", MESSAGE) == []


async def test_record_all_keeps_a_chain_as_one_conversation(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="channel", bot=BotConfig(record="all")) as stage:
        root = await stage.discord.say(stage.anna, stage.general, "lunch?")
        noon = await stage.discord.say(stage.anna, stage.general, "noon", reply_to=root)
        await stage.discord.say(stage.anna, stage.general, "one", reply_to=noon)
        await stage.settled()
        assert await said_in(stage, root) == ["lunch?", "noon", "one"]
        assert len(await stage.threads()) == 1


async def test_chain_that_is_read_too_late_is_kept_when_it_is_answered(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "EARLIER_S", 0.05)
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        root = await stage.discord.say(stage.anna, stage.general, "lunch?")
        noon = await stage.discord.say(stage.anna, stage.general, "noon", reply_to=root)
        stage.discord.fail("GET", f"/channels/{root.id}", Fault.hang(0.1))
        asked = await stage.discord.say(stage.anna, stage.general, "well, <@BOT>?", reply_to=noon)
        await stage.answered(asked)
        assert sorted(await said_in(stage, root)) == ["+ well, @backscroll?", "lunch?", "noon", "well, @backscroll?"]
        assert [message.text for message in stage.turns[0].thread.messages] == ["lunch?", "noon", "well, @backscroll?"]


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_what_became_of_a_chains_beginning_is_kept_after_a_gap(
    home: Home, is_deleted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord.Client, "before_identify_hook", at_once)
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        root = await stage.discord.say(stage.anna, stage.general, "lunch?")
        asked = await stage.discord.say(stage.anna, stage.general, "well, <@BOT>?", reply_to=root)
        await stage.answered(asked)
        await stage.discord.react(stage.anna, root, "👀")
        await stage.settled()
        stage.discord.forget_sessions()
        stage.discord.drop_sockets()
        await (stage.discord.delete(root) if is_deleted else stage.discord.edit(root, "dinner?"))
        said = await stage.discord.say(stage.anna, stage.general, "in the gap", reply_to=asked)
        await stage.until_kept(said)
        await stage.settled()
        kept = await stage.kept(root)
        assert kept is not None
        assert (kept.text, kept.reactions) == (("", {}) if is_deleted else ("dinner?", {"👀": [stage.anna.id]}))


async def test_message_above_that_cannot_be_asked_for_now_is_waited_for(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        root = await stage.discord.say(stage.anna, stage.general, "lunch?")
        noon = await stage.discord.say(stage.anna, stage.general, "noon", reply_to=root)
        stage.discord.fail("GET", MESSAGE, Fault.cut_before())
        stage.discord.fail("GET", MESSAGE, Fault.cut_before())
        asked = await stage.discord.say(stage.anna, stage.general, "well, <@BOT>?", reply_to=noon)
        await stage.answered(asked)
        assert (await said_in(stage, root))[:2] == ["lunch?", "noon"]


# Threads, and places that have none


async def test_thread_begun_from_where_a_chain_began_goes_on_with_it(url: str) -> None:
    async with on_stage(url, reply_in="channel") as stage:
        asked, _ = await joined(stage)
        thread = await stage.discord.start_thread(stage.anna, stage.general, "Hello", asked)
        await stage.discord.say(stage.anna, thread, "two")
        assert await stage.answered(asked) == ["+ two"]
        assert await said_in(stage, asked) == [*HELLO, "two", "+ two"]
        assert len(await stage.threads()) == 1


async def test_chain_goes_on_in_the_channel_after_a_thread_was_begun_from_it(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        asked, own = await joined(stage)
        await stage.discord.start_thread(stage.anna, stage.general, "Hello", asked)
        await stage.discord.say(stage.anna, stage.general, "two", reply_to=own, ping=False)
        await stage.until(lambda: len(stage.discord.own_messages(stage.general)) == 2)
        await stage.settled()
        assert await said_in(stage, asked) == [*HELLO, "two", "+ two"]


async def test_thread_begun_from_within_a_chain_is_a_conversation_of_its_own(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        asked, own = await joined(stage)
        thread = await stage.discord.start_thread(stage.anna, stage.general, "Hello", own)
        said = await stage.discord.say(stage.anna, thread, "two <@BOT>")
        assert await stage.answered(said) == ["+ two @backscroll"]
        assert await said_in(stage, asked) == HELLO
        assert (await stage.said_at(said))[-2:] == [("user", "two @backscroll"), ("assistant", "+ two @backscroll")]


async def test_threads_and_direct_messages_are_answered_as_ever(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        thread = await stage.discord.start_thread(stage.anna, stage.general, "Lunch")
        for place in (thread, stage.discord.open_dm(stage.anna)):
            asked = await stage.discord.say(stage.anna, place, "hello <@BOT>")
            await stage.answered(asked)
            (own,) = stage.discord.own_messages(place)
            assert own.reference is None
            assert [text for _, text in await stage.said_at(asked)] == HELLO


async def test_voice_channel_is_answered_by_replies_also_where_threads_are_begun(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="thread") as stage:
        voice = stage.discord.add_channel("talks", "voice")
        asked, own = await joined(stage, voice)
        assert replied_to(own) == asked.id
        await stage.discord.say(stage.anna, voice, "two", reply_to=own, ping=False)
        await stage.answered(asked, 2)
        assert await said_in(stage, asked) == [*HELLO, "two", "+ two"]


async def test_reply_above_a_mention_is_not_read_where_threads_are_begun(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="thread") as stage:
        root = await stage.discord.say(stage.anna, stage.general, "lunch?")
        asked = await stage.discord.say(stage.anna, stage.general, "and you, <@BOT>?", reply_to=root)
        await stage.answered(asked)
        assert await said_in(stage, asked) == ["and you, @backscroll?", "+ and you, @backscroll?"]
        assert stage.discord.calls_of("GET", MESSAGE) == []


async def test_deleted_channel_takes_its_chains(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        doomed = stage.discord.add_channel("doomed")
        await joined(stage, doomed)
        here, _ = await joined(stage)
        await stage.discord.delete_channel(doomed)
        await stage.settled()
        assert len(await stage.threads()) == 1
        assert await said_in(stage, here) == HELLO
