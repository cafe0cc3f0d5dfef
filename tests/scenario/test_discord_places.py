"""Where a conversation is on Discord: threads and channels that change, that are deleted, and that nobody told of."""

import asyncio

import pytest

from backscroll.bot.turn import Turn
from backscroll.testing import FakeDiscord, Fault
from backscroll.testing.discord.models import Channel, Thread
from backscroll.testing.discord.models import Message as Said
from tests.scenario.discord import Stage, on_stage
from tests.scenario.program import Home

CHANNEL = "/channels/{channel_id}"
MESSAGES = "/channels/{channel_id}/messages"


async def joined(stage: Stage, channel: Channel | None = None, text: str = "hello <@BOT>") -> tuple[Said, Thread]:
    """Let the bot begin a thread; give what it began from, and the thread."""
    asked = await stage.discord.say(stage.anna, channel or stage.general, text)
    await stage.answered(asked)
    thread = stage.discord.thread_of(asked)
    assert thread is not None
    return asked, thread


def texts(kept: list[tuple[str, str]]) -> list[str]:
    return [text for _, text in kept]


HELLO = ["hello @backscroll", "+ hello @backscroll"]

# Threads that change


async def test_renamed_thread_has_its_new_name(url: str) -> None:
    async with on_stage(url) as stage:
        asked, thread = await joined(stage)
        await stage.discord.rename_thread(thread, "Doors")
        await stage.settled()
        kept = await stage.thread_at(asked)
        assert kept is not None
        assert kept.title == "Doors"


async def test_renamed_thread_of_others_is_kept_under_the_name_it_has_when_it_is_joined(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        thread = await stage.discord.start_thread(stage.anna, stage.general, "Windows")
        await stage.discord.rename_thread(thread, "Doors")
        asked = await stage.discord.say(stage.anna, thread, "hello <@BOT>")
        await stage.answered(asked)
        kept = await stage.thread_at(asked)
        assert kept is not None
        assert kept.title == "Doors"


async def test_archived_thread_is_marked_until_somebody_speaks(url: str) -> None:
    async with on_stage(url) as stage:
        asked, thread = await joined(stage)
        await stage.discord.archive_thread(thread)
        await stage.settled()
        kept = await stage.thread_at(asked)
        assert kept is not None
        assert kept.platforms["discord"]["archived"] is True
        await stage.discord.say(stage.anna, thread, "once more")
        await stage.answered(asked, 2)
        kept = await stage.thread_at(asked)
        assert kept is not None
        assert kept.platforms["discord"]["archived"] is False


async def test_answer_to_a_thread_that_was_archived_meanwhile_is_posted_in_it(home: Home) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait(turn: Turn) -> str:
        if len(turn.thread.messages) > 1:
            asked.set()
            await go_on.wait()
        return "here"

    async with on_stage(home.sqlite_url, handler=wait) as stage:
        root, thread = await joined(stage)
        await stage.discord.say(stage.anna, thread, "once more")
        await asked.wait()
        await stage.discord.archive_thread(thread)
        await stage.discord.quiet()
        go_on.set()
        assert await stage.answered(root, 2) == ["here", "here"]


async def test_answer_to_a_thread_that_was_locked_meanwhile_is_refused_and_others_go_on(home: Home) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait(turn: Turn) -> str:
        if turn.message.text == "two":
            asked.set()
            await go_on.wait()
        return f"+ {turn.message.text}"

    async with on_stage(home.sqlite_url, handler=wait) as stage:
        _, thread = await joined(stage)
        await stage.discord.say(stage.anna, thread, "two")
        await asked.wait()
        await stage.discord.archive_thread(thread, locked=True)
        await stage.discord.quiet()
        go_on.set()
        await stage.settled()
        assert [answer.state for answer in await stage.answers()] == ["sent", "failed"]
        await joined(stage)


async def test_message_in_an_archived_thread_that_nobody_told_of_is_kept_in_it(url: str) -> None:
    async with FakeDiscord() as discord:
        async with on_stage(url, discord=discord) as stage:
            asked, thread = await joined(stage)
            await discord.archive_thread(thread)
            await stage.settled()
        async with on_stage(url, discord=discord) as stage:
            thread.is_archived = False  # Discord tells mostly, not always, that it comes back
            await discord.say(stage.anna, thread, "once more")
            await stage.answered(asked, 2)
            assert texts(await stage.said_at(asked)) == [*HELLO, "once more", "+ once more"]
            assert len(await stage.threads()) == 1


async def test_place_that_nobody_told_of_is_asked_for_once(home: Home) -> None:
    async with FakeDiscord() as discord:
        async with on_stage(home.sqlite_url, discord=discord) as stage:
            asked, thread = await joined(stage)
            await discord.archive_thread(thread)
            await stage.settled()
        async with on_stage(home.sqlite_url, discord=discord) as stage:
            thread.is_archived = False
            discord.calls.clear()
            said = await discord.say(stage.anna, thread, "one")
            await discord.edit(said, "two")
            await discord.say(stage.anna, thread, "three")
            await stage.answered(asked, 3)
            await discord.edit(said, "four")
            await stage.settled()
            assert [call.path for call in discord.calls_of("GET", CHANNEL)] == [f"/channels/{thread.id}"]


async def test_place_that_was_renamed_since_it_was_asked_for_is_asked_for_again(home: Home) -> None:
    async with FakeDiscord() as discord:
        anna, general = discord.add_user("anna"), discord.add_channel("general")
        thread = await discord.start_thread(anna, general, "Windows")
        await discord.archive_thread(thread)
        async with on_stage(home.sqlite_url, discord=discord) as stage:
            thread.is_archived = False
            await discord.say(anna, thread, "one")
            await stage.settled()
            await discord.rename_thread(thread, "Doors")
            await discord.archive_thread(thread)
            await stage.settled()
            thread.is_archived = False
            asked = await discord.say(anna, thread, "hello <@BOT>")
            await stage.answered(asked)
            kept = await stage.thread_at(asked)
            assert kept is not None
            assert kept.title == "Doors"


async def test_known_place_is_not_asked_for(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked, thread = await joined(stage)
        await stage.discord.say(stage.anna, thread, "two")
        await stage.answered(asked, 2)
        await stage.answered(await stage.discord.say(stage.anna, stage.discord.open_dm(stage.anna), "hi"))
        assert stage.discord.calls_of("GET", CHANNEL) == []


# Threads of others


@pytest.mark.parametrize("is_archived", [False, True])
async def test_thread_that_a_person_begins_from_a_question_is_the_conversation(home: Home, is_archived: bool) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def wait(turn: Turn) -> str:
        began.set()
        await go_on.wait()
        return f"+ {turn.message.text}"

    async with on_stage(home.sqlite_url, handler=wait) as stage:
        asked = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
        await began.wait()
        thread = await stage.discord.start_thread(stage.anna, stage.general, "Hello", asked)
        if is_archived:
            await stage.discord.archive_thread(thread)
            await stage.discord.quiet()
        go_on.set()
        assert await stage.answered(asked) == [HELLO[1]]
        await stage.discord.say(stage.anna, thread, "two")
        await stage.answered(asked, 2)
        assert texts(await stage.said_at(asked)) == [*HELLO, "two", "+ two"]


async def test_thread_that_is_begun_before_it_is_told_of_is_recovered(home: Home, short_waits: None) -> None:
    async with on_stage(home.sqlite_url) as stage:
        # It took effect, and the answer to it was lost: it is asked for again, and Discord says that it is there.
        stage.discord.fail("POST", "/channels/{c}/messages/{m}/threads", Fault.cut_after())
        asked = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
        assert await stage.answered(asked) == [HELLO[1]]
        assert len(stage.discord.threads(stage.general)) == 1


async def test_thread_without_a_message_is_a_conversation_of_its_own(url: str) -> None:
    async with on_stage(url) as stage:
        thread = await stage.discord.start_thread(stage.anna, stage.general, "Lunch")
        await stage.discord.say(stage.anna, thread, "noon")
        asked = await stage.discord.say(stage.anna, thread, "and you, <@BOT>?")
        await stage.answered(asked)
        assert texts(await stage.said_at(asked)) == ["noon", "and you, @backscroll?", "+ and you, @backscroll?"]
        (kept,) = await stage.store.find_by_platform("discord", {"channel": stage.general.id, "thread": thread.id})
        assert kept.title == "Lunch"


async def test_private_thread_to_which_the_bot_is_added_is_answered(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        thread = await stage.discord.start_thread(stage.anna, stage.general, "Secret", private=True)
        await stage.discord.say(stage.anna, thread, "nobody hears")
        await stage.discord.add_to_thread(thread)
        asked = await stage.discord.say(stage.anna, thread, "hello <@BOT>")
        await stage.answered(asked)
        assert texts(await stage.said_at(asked)) == ["nobody hears", *HELLO]


# What is deleted


async def test_deleted_thread_is_deleted_here_and_others_stay(url: str) -> None:
    async with on_stage(url) as stage:
        asked, thread = await joined(stage)
        other, _ = await joined(stage)
        await stage.discord.delete_thread(thread)
        await stage.settled()
        assert await stage.thread_at(asked) is None
        assert await stage.kept(asked) is None
        assert texts(await stage.said_at(other)) == HELLO


async def test_deleted_archived_thread_is_deleted_here(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        _, thread = await joined(stage)
        await stage.discord.archive_thread(thread)
        await stage.discord.delete_thread(thread)
        await stage.settled()
        assert await stage.threads() == []


async def test_deleted_channel_takes_all_its_conversations_and_nothing_of_others(url: str) -> None:
    async with on_stage(url) as stage:
        doomed = stage.discord.add_channel("doomed")
        _, first = await joined(stage, doomed)
        await joined(stage, doomed)
        await stage.discord.archive_thread(first)
        lone = await stage.discord.start_thread(stage.anna, doomed, "Lone")
        await stage.answered(await stage.discord.say(stage.anna, lone, "hello <@BOT>"))
        here, _ = await joined(stage)
        direct = await stage.discord.say(stage.anna, stage.discord.open_dm(stage.anna), "hi")
        await stage.answered(direct)
        assert len(await stage.threads()) == 5
        await stage.discord.delete_channel(doomed)
        await stage.settled()
        assert len(await stage.threads()) == 2
        assert texts(await stage.said_at(here)) == HELLO
        assert texts(await stage.said_at(direct)) == ["hi", "+ hi"]


async def test_channel_that_is_deleted_while_a_message_of_it_is_being_kept_leaves_nothing(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        doomed = stage.discord.add_channel("doomed")
        thread = await stage.discord.start_thread(stage.anna, doomed, "Lone")
        await stage.discord.say(stage.anna, thread, "secret")
        stage.discord.fail("GET", MESSAGES, Fault.hang(0.1))  # what was said before is being read
        await stage.discord.say(stage.anna, thread, "hello <@BOT>")
        await stage.until(lambda: stage.discord.calls_of("GET", MESSAGES))
        await stage.discord.delete_channel(doomed)
        await stage.settled()
        assert await stage.threads() == []


async def test_deleted_forum_takes_its_posts(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        forum = stage.discord.add_channel("ideas", "forum")
        post = await stage.discord.post_in_forum(stage.anna, forum, "A door", "what of it, <@BOT>?")
        await stage.answered(stage.discord.message(post.id))
        await stage.discord.delete_channel(forum)
        await stage.settled()
        assert await stage.threads() == []


async def test_deletion_of_a_place_that_is_not_kept_is_harmless(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        place = stage.discord.add_channel("doomed")
        thread = await stage.discord.start_thread(stage.anna, place, "Lone")
        await stage.discord.delete_thread(thread)
        await stage.discord.delete_channel(place)
        await stage.discord.delete_channel(stage.discord.add_channel("talks", "voice"))
        await stage.settled()
        assert await stage.rejected() == []
        await joined(stage)


@pytest.mark.parametrize("what", ["thread", "channel"])
async def test_answer_to_a_place_that_is_deleted_meanwhile_ends_without_a_post(home: Home, what: str) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait(turn: Turn) -> str:
        if turn.message.text == "two":
            asked.set()
            await go_on.wait()
        return f"+ {turn.message.text}"

    async with on_stage(home.sqlite_url, handler=wait) as stage:
        doomed = stage.discord.add_channel("doomed")
        _, thread = await joined(stage, doomed)
        await stage.discord.say(stage.anna, thread, "two")
        await asked.wait()
        await (stage.discord.delete_thread(thread) if what == "thread" else stage.discord.delete_channel(doomed))
        await stage.discord.quiet()
        go_on.set()
        await stage.settled()
        assert await stage.threads() == []
        assert stage.discord.posted_by_bot(doomed) == []
        await joined(stage)


# What Discord does not show


async def test_message_of_a_channel_that_discord_does_not_show_holds_up_nobody(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        nowhere = {"id": "12345678901234567", "channel_id": "23456789012345678", "guild_id": stage.discord.guild.id}
        author = {"id": stage.anna.id, "username": "anna"}
        told = {"type": 0, "content": "hello", "author": author, "mentions": [], "mention_roles": []}
        await stage.discord.send_event("MESSAGE_CREATE", told | nowhere)
        await joined(stage)
        assert len(await stage.threads()) == 1
        assert await stage.rejected() == []
        assert len(stage.discord.calls_of("GET", CHANNEL)) == 1


async def test_deletion_and_reaction_in_a_place_that_discord_does_not_show_are_kept(home: Home) -> None:
    async with FakeDiscord() as discord:
        async with on_stage(home.sqlite_url, discord=discord) as stage:
            asked, thread = await joined(stage)
            said = await discord.say(stage.anna, thread, "secret")
            await stage.answered(asked, 2)
            await discord.archive_thread(thread)
            await stage.settled()
        async with on_stage(home.sqlite_url, discord=discord) as stage:
            discord.fail("GET", CHANNEL, Fault.error(403, 50001), times=9)
            (own, _) = discord.own_messages(thread)
            await discord.react(stage.anna, own, "👀")
            await discord.delete(said)
            await stage.settled()
            kept, answer = await stage.kept(said), await stage.kept(own)
            assert kept is not None
            assert answer is not None
            assert (kept.text, answer.reactions) == ("", {"👀": [stage.anna.id]})


async def test_place_that_is_asked_for_in_vain_is_asked_for_again_later(home: Home, short_retries: None) -> None:
    async with FakeDiscord() as discord:
        async with on_stage(home.sqlite_url, discord=discord) as stage:
            asked, thread = await joined(stage)
            await discord.archive_thread(thread)
            await stage.settled()
        async with on_stage(home.sqlite_url, discord=discord) as stage:
            thread.is_archived = False
            discord.fail("GET", CHANNEL, Fault.cut_before())
            discord.fail("GET", CHANNEL, Fault.cut_before())
            await discord.say(stage.anna, thread, "one")
            await discord.say(stage.anna, thread, "two")
            await stage.answered(asked, 3)
            assert texts(await stage.said_at(asked))[2:] == ["one", "two", "+ one", "+ two"]


@pytest.fixture
def short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what Discord did not answer be asked again soon."""
    monkeypatch.setattr("backscroll.adapters.discord.receiving.RETRY_S", (0.02, 0.02))


@pytest.mark.parametrize("permission", ["SEND_MESSAGES_IN_THREADS", "CREATE_PUBLIC_THREADS"])
async def test_answer_for_which_a_permission_lacks_fails_and_others_go_on(home: Home, permission: str) -> None:
    async with on_stage(home.sqlite_url) as stage:
        stage.discord.forbid(stage.general, permission)
        asked = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
        await stage.settled()
        (answer,) = await stage.answers()
        assert answer.state == "failed"
        assert "50013" in str(answer.reason)
        assert stage.discord.posted_by_bot(stage.general) == []
        assert (await stage.said_at(asked))[0] == ("user", HELLO[0])
        stage.discord.allow(stage.general)
        await joined(stage)


async def test_channel_that_the_bot_may_not_view_any_more_is_silent_and_what_was_said_stays(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked, thread = await joined(stage)
        stage.discord.forbid(stage.general, "VIEW_CHANNEL")
        await stage.discord.say(stage.anna, thread, "two")
        await stage.settled()
        assert texts(await stage.said_at(asked)) == HELLO
        stage.discord.allow(stage.general)
        await stage.discord.say(stage.anna, thread, "three")
        await stage.answered(asked, 2)


async def test_thread_whose_earlier_messages_may_not_be_read_is_answered_without_them(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await stage.discord.say(stage.anna, stage.general, "lunch?")
        thread = await stage.discord.start_thread(stage.anna, stage.general, "Lunch", root)
        await stage.discord.say(stage.anna, thread, "noon")
        stage.discord.forbid(stage.general, "READ_MESSAGE_HISTORY")
        asked = await stage.discord.say(stage.anna, thread, "and you, <@BOT>?")
        await stage.answered(asked)
        assert texts(await stage.said_at(asked))[-2:] == ["and you, @backscroll?", "+ and you, @backscroll?"]


# Names


async def test_renamed_channel_has_its_new_name_without_a_look_up(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        await joined(stage)
        await stage.discord.rename_channel(stage.general, "deeds")
        asked, _ = await joined(stage, text=f"<@BOT> see <#{stage.general.id}>")
        kept = await stage.thread_at(asked)
        assert kept is not None
        assert kept.platforms["discord"]["channel_name"] == "deeds"
        assert kept.messages[0].text == "@backscroll see #deeds"
        assert stage.discord.calls_of("GET", CHANNEL) == []
