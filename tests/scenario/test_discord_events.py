"""What people, bots and the bot itself say on Discord is kept once, and answered once where it asks."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from backscroll.bot.config import AllowConfig, BotConfig
from backscroll.bot.turn import Turn
from backscroll.testing import FakeDiscord, Fault
from backscroll.testing.discord.models import Message as Said
from backscroll.testing.discord.models import Thread
from tests.scenario.discord import Stage, config_of, on_stage, running
from tests.scenario.program import Home

Happening = Callable[[Stage], Awaitable[object]]


def texts(kept: list[tuple[str, str]]) -> list[str]:
    return [text for _, text in kept]


async def joined(stage: Stage) -> tuple[Said, Thread]:
    """Let the bot begin a thread; give what it began from, and the thread."""
    asked = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
    await stage.answered(asked)
    thread = stage.discord.thread_of(asked)
    assert thread is not None
    return asked, thread


POSTS = "/channels/{channel_id}/messages"
HELLO = ["hello @backscroll", "+ hello @backscroll"]

# Places


async def test_mention_begins_a_thread_and_is_answered_in_it(url: str) -> None:
    async with on_stage(url) as stage:
        asked, thread = await joined(stage)
        assert stage.discord.posted_by_bot(stage.general) == []
        assert thread.name == "hello @backscroll"
        assert await stage.said_at(asked) == [("user", HELLO[0]), ("assistant", HELLO[1])]


async def test_message_in_a_joined_thread_is_answered_without_a_mention(url: str) -> None:
    async with on_stage(url) as stage:
        asked, thread = await joined(stage)
        await stage.discord.say(stage.anna, thread, "two")
        await stage.answered(asked, 2)
        assert texts(await stage.said_at(asked)) == [*HELLO, "two", "+ two"]
        assert len(await stage.threads()) == 1


async def test_talk_of_others_is_neither_kept_nor_answered(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await stage.discord.say(stage.anna, stage.general, "lunch?")
        thread = await stage.discord.start_thread(stage.anna, stage.general, "Lunch", root)
        await stage.discord.say(stage.anna, thread, "noon")
        await stage.settled()
        assert await stage.threads() == []
        assert stage.discord.calls_of("POST", POSTS) == []


async def test_record_all_keeps_talk_of_others_and_answers_none(url: str) -> None:
    async with on_stage(url, bot=BotConfig(record="all")) as stage:
        root = await stage.discord.say(stage.anna, stage.general, "lunch?")
        thread = await stage.discord.start_thread(stage.anna, stage.general, "Lunch", root)
        await stage.discord.say(stage.anna, thread, "noon")
        other = await stage.discord.say(stage.anna, stage.general, "tea?")
        await stage.settled()
        assert await stage.said_at(root) == [("user", "lunch?"), ("user", "noon")]
        assert await stage.said_at(other) == [("user", "tea?")]
        assert stage.discord.calls_of("POST", POSTS) == []


async def test_mention_in_a_thread_of_others_is_answered_there_after_what_was_said_before(url: str) -> None:
    async with on_stage(url) as stage:
        root = await stage.discord.say(stage.anna, stage.general, "lunch?")
        thread = await stage.discord.start_thread(stage.anna, stage.general, "Lunch", root)
        await stage.discord.say(stage.anna, thread, "noon")
        asked = await stage.discord.say(stage.anna, thread, "and you, <@BOT>?")
        assert await stage.answered(asked) == ["+ and you, @backscroll?"]
        assert texts(await stage.said_at(asked)) == [
            "lunch?",
            "noon",
            "and you, @backscroll?",
            "+ and you, @backscroll?",
        ]
        assert stage.discord.posted_by_bot(stage.general) == []


async def test_message_that_follows_a_first_mention_at_once_is_kept_after_it(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        thread = await stage.discord.start_thread(stage.anna, stage.general, "Lunch")
        stage.discord.fail("GET", POSTS, Fault.hang(0.1))  # what was said before is being read
        asked = await stage.discord.say(stage.anna, thread, "hello <@BOT>")
        await stage.discord.say(stage.anna, thread, "two")
        await stage.answered(asked, 2)
        assert texts(await stage.said_at(asked)) == [HELLO[0], "two", HELLO[1], "+ two"]


async def test_forum_post_that_mentions_the_bot_is_answered_in_it(url: str) -> None:
    async with on_stage(url) as stage:
        forum = stage.discord.add_channel("ideas", "forum")
        post = await stage.discord.post_in_forum(stage.anna, forum, "A new door", "what of it, <@BOT>?")
        asked = stage.discord.message(post.id)
        assert await stage.answered(asked) == ["+ what of it, @backscroll?"]
        await stage.discord.say(stage.anna, post, "why?")
        await stage.answered(asked, 2)
        said = ["what of it, @backscroll?", "+ what of it, @backscroll?", "why?", "+ why?"]
        assert texts(await stage.said_at(asked)) == said
        (kept,) = await stage.threads()
        assert (kept.title, kept.platforms["discord"]["channel_name"]) == ("A new door", "ideas")


async def test_mention_below_a_forum_post_is_answered_after_the_post(url: str) -> None:
    async with on_stage(url) as stage:
        forum = stage.discord.add_channel("ideas", "forum")
        post = await stage.discord.post_in_forum(stage.anna, forum, "A new door", "a red one")
        asked = await stage.discord.say(stage.anna, post, "well, <@BOT>?")
        await stage.answered(asked)
        assert texts(await stage.said_at(asked)) == ["a red one", "well, @backscroll?", "+ well, @backscroll?"]


async def test_direct_messages_are_one_thread_and_all_answered(url: str) -> None:
    async with on_stage(url) as stage:
        dm = stage.discord.open_dm(stage.anna)
        first = await stage.discord.say(stage.anna, dm, "one")
        await stage.answered(first)
        second = await stage.discord.say(stage.anna, dm, "two", reply_to=first, ping=False)
        await stage.answered(second, 2)
        assert texts(await stage.said_at(first)) == ["one", "+ one", "two", "+ two"]
        assert len(await stage.threads()) == 1


async def test_direct_messages_of_two_people_are_two_threads(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        ben = stage.discord.add_user("ben")
        said = [await stage.discord.say(user, stage.discord.open_dm(user), user.name) for user in (stage.anna, ben)]
        for each in said:
            await stage.answered(each)
        assert [texts(await stage.said_at(each)) for each in said] == [["anna", "+ anna"], ["ben", "+ ben"]]


async def test_announcement_that_mentions_the_bot_begins_a_thread(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        news = stage.discord.add_channel("news", "news")
        asked = await stage.discord.say(stage.anna, news, "hear, <@BOT>")
        assert await stage.answered(asked) == ["+ hear, @backscroll"]
        assert stage.discord.thread_of(asked) is not None


# What calls on the bot


async def test_reply_to_the_bot_asks_in_a_channel_only_where_it_notifies(home: Home) -> None:
    async with on_stage(home.sqlite_url, bot=BotConfig(record="joined")) as stage:
        own = await stage.discord.say(stage.discord.bot, stage.general, "deployed")
        await stage.discord.say(stage.anna, stage.general, "fine", reply_to=own, ping=False)
        await stage.settled()
        assert await stage.answers() == []
        asked = await stage.discord.say(stage.anna, stage.general, "why?", reply_to=own)
        assert await stage.answered(asked) == ["+ why?"]


async def test_reply_in_a_thread_names_what_it_replies_to(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked, thread = await joined(stage)
        (own,) = stage.discord.own_messages(thread)
        said = await stage.discord.say(stage.anna, thread, "thanks", reply_to=own, ping=False)
        await stage.answered(asked, 2)
        kept = await stage.kept(said)
        assert kept is not None
        assert kept.attributes["reply_to"] == own.id


async def test_mention_of_the_bots_own_role_asks(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked = await stage.discord.say(stage.anna, stage.general, "<@&BOT> help")
        assert await stage.answered(asked) == ["+ @backscroll help"]


@pytest.mark.parametrize("text", ["@everyone", "@here", "<@&{role}>", "<@{other}>", "@backscroll"])
async def test_mention_of_others_does_not_ask(home: Home, text: str) -> None:
    async with on_stage(home.sqlite_url) as stage:
        role = stage.discord.add_role(stage.discord.guild, "helpers", bot_has_it=True)
        other = stage.discord.add_user("other", bot=True)
        said = text.format(role=role.id, other=other.id)
        await stage.discord.say(stage.anna, stage.general, f"{said} lunch?", mentions_roles=[role])
        await stage.settled()
        assert await stage.threads() == []


async def test_old_form_of_a_mention_asks_and_reads_as_a_name(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked = await stage.discord.say(stage.anna, stage.general, f"<@!{stage.discord.bot_user_id}> hello")
        assert await stage.answered(asked) == ["+ @backscroll hello"]


# Kinds of messages


def embed(**fields: Any) -> dict[str, Any]:
    return {"type": "rich", **fields}


ALARM = embed(title="Disk", description="is full", fields=[{"name": "host", "value": "a1"}])


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"stickers": ["wave", "smile"]}, ":wave:\n\n:smile:"),
        ({"poll": ("Lunch?", ["noon", "one"])}, "Lunch?\n- noon\n- one"),
        ({"embeds": [ALARM]}, "Disk\nis full\nhost\na1"),
        ({"flags": 1 << 12}, "quiet"),
    ],
    ids=["stickers", "poll", "embed", "silent"],
)
async def test_message_without_words_is_kept_by_what_it_shows(home: Home, said: dict[str, Any], text: str) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked, thread = await joined(stage)
        shown = await stage.discord.say(stage.anna, thread, "quiet" if text == "quiet" else "", **said)
        await stage.answered(asked, 2)
        kept = await stage.kept(shown)
        assert kept is not None
        assert kept.text == text


async def test_message_that_shows_nothing_is_kept_and_not_answered(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        _, thread = await joined(stage)
        buttons = {"type": 1, "components": []}
        said = await stage.discord.say(stage.anna, thread, "", components=[buttons])
        assert (await stage.until_kept(said)).text == ""
        await stage.settled()
        assert len(stage.discord.posted_by_bot(thread)) == 1


async def test_voice_message_is_kept_with_its_file(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked, thread = await joined(stage)
        voice = stage.discord.add_file(stage.anna, "voice-message.ogg", b"OggS", mimetype="audio/ogg")
        said = await stage.discord.say(stage.anna, thread, "", files=[voice], flags=1 << 13)
        await stage.answered(asked, 2)
        kept = await stage.kept(said)
        assert kept is not None
        assert [(file.name, file.type) for file in kept.attachments] == [("voice-message.ogg", "audio/ogg")]


async def test_forward_is_kept_with_the_words_and_files_that_it_forwards(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked, thread = await joined(stage)
        file = stage.discord.add_file(stage.anna, "plan.txt", b"noon")
        first = await stage.discord.say(stage.anna, stage.general, "look at this", files=[file])
        said = await stage.discord.say(stage.anna, thread, "", forward_of=first)
        await stage.answered(asked, 2)
        kept = await stage.kept(said)
        assert kept is not None
        assert (kept.text, [each.name for each in kept.attachments]) == ("look at this", ["plan.txt"])
        assert "reply_to" not in kept.attributes


async def test_forward_of_a_mention_asks_nothing(home: Home) -> None:
    async with on_stage(home.sqlite_url, bot=BotConfig(answer=frozenset({"joined_threads"}))) as stage:
        first = await stage.discord.say(stage.anna, stage.general, "ask <@BOT>")
        await stage.discord.say(stage.anna, stage.general, "", forward_of=first)
        await stage.settled()
        assert await stage.threads() == []


async def test_message_with_a_file_alone_is_kept_and_answered(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked, thread = await joined(stage)
        said = await stage.discord.say(
            stage.anna, thread, "", files=[stage.discord.add_file(stage.anna, "plan.txt", b"noon")]
        )
        await stage.answered(asked, 2)
        kept = await stage.kept(said)
        assert kept is not None
        assert [each.name for each in kept.attachments] == ["plan.txt"]


async def pin(stage: Stage) -> None:
    root = await stage.discord.say(stage.anna, stage.general, "", type=7)
    await stage.discord.pin(stage.anna, root)


HAPPENINGS: dict[str, Happening] = {
    "a boost": lambda stage: stage.discord.boost(stage.anna, stage.general),
    "a tier": lambda stage: stage.discord.boost(stage.anna, stage.general, tier=True),
    "a join": lambda stage: stage.discord.say(stage.anna, stage.general, "", type=7),
    "a pin": pin,
    "a thread": lambda stage: stage.discord.start_thread(stage.anna, stage.general, "Lunch"),
    "a poll's result": lambda stage: stage.discord.say(stage.anna, stage.general, "", type=46, embeds=[ALARM]),
    "a stage's topic": lambda stage: stage.discord.say(stage.anna, stage.general, "A talk", type=31),
    "a type that nobody knows": lambda stage: stage.discord.say(stage.anna, stage.general, "<@BOT>", type=999),
    "somebody types": lambda stage: stage.discord.send_event(
        "TYPING_START", {"channel_id": stage.general.id, "user_id": stage.anna.id, "timestamp": 1}
    ),
}


@pytest.mark.parametrize("happening", HAPPENINGS.values(), ids=HAPPENINGS)
async def test_what_discord_says_of_something_is_not_kept(home: Home, happening: Happening) -> None:
    async with on_stage(home.sqlite_url, bot=BotConfig(record="all")) as stage:
        await happening(stage)
        await stage.settled()
        assert await stage.threads() == []
        assert await stage.rejected() == []


async def test_note_that_begins_a_thread_is_no_message_of_it(home: Home) -> None:
    async with on_stage(home.sqlite_url, bot=BotConfig(record="all")) as stage:
        root = await stage.discord.say(stage.anna, stage.general, "lunch?")
        thread = await stage.discord.start_thread(stage.anna, stage.general, "Lunch", root)
        assert [each["type"] for each in stage.discord.messages(thread)] == [21]
        await stage.settled()
        assert texts(await stage.said_at(root)) == ["lunch?"]


# Bots


async def test_message_of_another_bot_is_kept_as_its_own_and_not_answered(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        _, thread = await joined(stage)
        robot = stage.discord.add_user("robot", bot=True)
        said = await stage.discord.say(robot, thread, "build passed")
        await stage.settled()
        kept = await stage.kept(said)
        assert kept is not None
        assert kept.source == {"type": "agent", "id": robot.id, "name": "robot"}
        assert len(stage.discord.posted_by_bot(thread)) == 1


async def test_message_of_a_webhook_is_kept_under_its_name_and_not_answered(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        _, thread = await joined(stage)
        said = await stage.discord.say(stage.discord.add_user("ci"), thread, "build passed", webhook=True)
        await stage.settled()
        kept = await stage.kept(said)
        assert kept is not None
        assert kept.source == {"type": "agent", "id": said.webhook_id, "name": "ci"}
        assert len(stage.discord.posted_by_bot(thread)) == 1


@pytest.mark.parametrize("webhook", [False, True])
async def test_third_mention_in_a_row_by_bots_is_not_answered_until_a_person_speaks(home: Home, webhook: bool) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked, thread = await joined(stage)
        robot = stage.discord.add_user("robot", bot=True)
        for number in (1, 2):
            await stage.discord.say(robot, thread, f"mention {number} <@BOT>", webhook=webhook)
            await stage.answered(asked, 1 + number)
        third = await stage.discord.say(robot, thread, "mention 3 <@BOT>", webhook=webhook)
        await stage.settled()
        assert await stage.kept(third) is not None
        assert len(stage.discord.posted_by_bot(thread)) == 3
        await stage.discord.say(stage.anna, thread, "go on")
        await stage.answered(asked, 4)
        await stage.discord.say(robot, thread, "mention 4 <@BOT>", webhook=webhook)
        assert (await stage.answered(asked, 5))[4] == "+ mention 4 @backscroll"


async def test_bot_that_replies_to_the_bots_answers_is_answered_twice_in_a_row(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        robot = stage.discord.add_user("robot", bot=True)
        said = await stage.discord.say(robot, stage.general, "hello <@BOT>")
        await stage.answered(said)
        for count in (2, 2):
            own = stage.discord.own_messages(stage.general)[-1]
            said = await stage.discord.say(robot, stage.general, "again", reply_to=own)
            await stage.answered(said, count)
        assert len(await stage.threads()) == 1


# Its own posts


async def test_echo_of_an_answer_stores_nothing_twice(url: str) -> None:
    async with on_stage(url) as stage:
        asked, thread = await joined(stage)
        (own,) = stage.discord.own_messages(thread)
        kept = await stage.kept(own)
        assert kept is not None
        assert (kept.role, kept.text) == ("assistant", HELLO[1])
        assert len(await stage.said_at(asked)) == 2
        assert await stage.rejected() == []


async def test_post_by_another_tool_with_our_token_is_kept_as_the_bots_own(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        _, thread = await joined(stage)
        said = await stage.discord.say(stage.discord.bot, thread, "deployed")
        await stage.settled()
        kept = await stage.kept(said)
        assert kept is not None
        assert (kept.role, kept.text) == ("assistant", "deployed")
        assert len(stage.discord.posted_by_bot(thread)) == 2


async def test_bot_that_mentions_itself_does_not_answer_itself(home: Home) -> None:
    async def narcissus(turn: Turn) -> str:
        return f"<@{stage.discord.bot_user_id}> says hello"

    async with on_stage(home.sqlite_url, handler=narcissus) as stage:
        await joined(stage)
        await stage.discord.say(stage.discord.bot, stage.general, "hello <@BOT>")
        await stage.discord.say(stage.discord.bot, stage.discord.open_dm(stage.anna), "hello")
        await stage.settled()
        assert len(await stage.answers()) == 1


# Who may ask


@pytest.mark.parametrize("allowed", ["users", "channels"])
async def test_who_is_not_allowed_is_not_answered(home: Home, allowed: str) -> None:
    async with FakeDiscord() as discord:
        ben, place = discord.add_user("ben"), discord.add_channel("open")
        lists: dict[str, Any] = {allowed: frozenset({ben.id, place.id})}
        async with on_stage(home.sqlite_url, discord=discord, bot=BotConfig(allow=AllowConfig(**lists))) as stage:
            await discord.say(stage.anna, stage.general, "hello <@BOT>")
            await discord.say(stage.anna, discord.open_dm(stage.anna), "hello")
            await stage.settled()
            assert discord.calls_of("POST", POSTS) == []
            asked = await discord.say(ben, place, "hello <@BOT>")
            await stage.answered(asked)
            thread = discord.thread_of(asked)
            assert thread is not None
            await discord.say(ben, thread, "and here")
            await stage.answered(asked, 2)


# Names


async def test_mentions_read_as_the_names_that_this_server_has(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        ben = stage.discord.add_user("ben", display_name="Benjamin")
        role = stage.discord.add_role(stage.discord.guild, "helpers")
        stage.discord.add_role(stage.discord.guild, "others")
        _, thread = await joined(stage)
        text = f"ask {ben.mention} or {role.mention} in <#{stage.general.id}> or <#{thread.id}> <:ok:1234567890123456>"
        said = await stage.discord.say(stage.anna, thread, text)
        await stage.settled()
        kept = await stage.kept(said)
        assert kept is not None
        assert kept.text == "ask @Benjamin or @helpers in #general or #hello @backscroll <:ok:1234567890123456>"
        assert kept.attributes["mentions"] == {ben.id: "Benjamin"}
        assert kept.source == {"type": "user", "id": stage.anna.id, "name": "anna"}


async def test_mention_of_whom_nobody_knows_stays_as_it_is(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        said = await stage.discord.say(stage.anna, stage.general, "<@BOT> <@1> <@&2> <#3>")
        assert await stage.answered(said) == ["+ @backscroll <@1> <@&2> <#3>"]


# Finding


async def test_thread_is_found_by_its_place_and_its_alias(url: str) -> None:
    async with on_stage(url) as stage:
        asked, thread = await joined(stage)
        other = await stage.discord.say(stage.anna, stage.discord.add_channel("other"), "hello <@BOT>")
        await stage.answered(other)
        guild, channel = stage.discord.guild.id, stage.general.id
        (found,) = await stage.store.find_by_platform("discord", {"channel": channel, "thread": thread.id})
        assert found.platforms["discord"] == {
            "guild": guild,
            "channel": channel,
            "thread": thread.id,
            "channel_name": "general",
        }
        assert await stage.store.get_by_alias(f"discord:{guild}:{channel}:{asked.id}") == found
        assert len(await stage.store.find_by_platform("discord", {"guild": guild})) == 2


async def test_direct_messages_are_found_by_their_channel(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        dm = stage.discord.open_dm(stage.anna)
        await stage.answered(await stage.discord.say(stage.anna, dm, "one"))
        (found,) = await stage.store.find_by_platform("discord", {"guild": "@me", "channel": dm.id})
        assert await stage.store.get_by_alias(f"discord:@me:{dm.id}:{dm.id}") == found


async def test_permalink_leads_to_its_message(url: str) -> None:
    async with on_stage(url) as stage:
        asked, thread = await joined(stage)
        reply = await stage.discord.say(stage.anna, thread, "again")
        await stage.answered(asked, 2)
        direct = await stage.discord.say(stage.anna, stage.discord.open_dm(stage.anna), "hi")
        await stage.answered(direct)
        for said in (asked, reply, stage.discord.own_messages(thread)[0], direct):
            guild = "@me" if said.channel.guild is None else said.channel.guild.id
            found = await stage.store.get_by_permalink(
                f"https://discord.com/channels/{guild}/{said.channel.id}/{said.id}"
            )
            assert found is not None
            assert found.message == await stage.kept(said)


# Repeats


async def test_all_that_came_comes_again_and_changes_nothing(url: str) -> None:
    async with on_stage(url) as stage:
        asked, thread = await joined(stage)
        await stage.discord.say(stage.anna, thread, "two")
        await stage.answered(asked, 2)
        before = await stage.threads()
        await stage.discord.repeat_last(12)
        await stage.settled()
        assert await stage.threads() == before
        assert len(await stage.answers()) == 2
        assert len(stage.discord.posted_by_bot(thread)) == 2


async def test_events_that_a_resume_repeats_are_kept_once(url: str) -> None:
    async with on_stage(url) as stage:
        asked, thread = await joined(stage)
        await stage.discord.say(stage.anna, thread, "two")
        await stage.answered(asked, 2)
        for session in stage.discord._sessions.open:
            session.acked = 0
        stage.discord.drop_sockets()
        await stage.discord.say(stage.anna, thread, "three")
        await stage.until(lambda: stage.discord.resumes == 1)
        await stage.discord.repeat_last(3)
        await stage.answered(asked, 3)
        assert texts(await stage.said_at(asked)) == [*HELLO, "two", "+ two", "three", "+ three"]


async def test_event_over_two_connections_is_kept_and_answered_once(url: str) -> None:
    async with on_stage(url) as stage, running(stage, config_of(stage.discord, url)):
        assert stage.discord.session_count == 2
        asked, thread = await joined(stage)
        await stage.discord.say(stage.anna, thread, "two")
        await stage.answered(asked, 2)
        assert texts(await stage.said_at(asked)) == [*HELLO, "two", "+ two"]
        assert len(await stage.answers()) == 2


# Before the connection has told


async def test_message_of_a_guild_that_was_not_told_of_yet_is_kept_and_answered(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        guild = stage.discord.guild
        await stage.discord.guild_outage(guild)
        await stage.discord.quiet()
        guild.is_available = True
        asked = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
        assert await stage.answered(asked) == [HELLO[1]]
        assert texts(await stage.said_at(asked)) == HELLO
