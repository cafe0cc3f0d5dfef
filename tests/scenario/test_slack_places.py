"""Where a conversation is: channels that move and are renamed, names, the ways to find a thread, and `/new`."""

import asyncio

import pytest

from backscroll.adapters.slack import names
from backscroll.bot.turn import Turn
from backscroll.testing import Fault
from backscroll.testing.slack.models import Channel
from backscroll.testing.slack.models import Message as Said
from backscroll.testing.slack.requests import FORM_TYPE
from tests.scenario.program import Home
from tests.scenario.slack import MODES, Mode, Stage, on_stage

everywhere = pytest.mark.parametrize("mode", MODES)


async def joined(stage: Stage, channel: Channel | None = None) -> Said:
    """Let the bot join a thread."""
    place = channel or stage.general
    root = await stage.slack.say(stage.anna, place, "hello <@BOT>")
    await stage.answered(place)
    return root


async def author_of(stage: Stage, said: Said) -> object:
    kept = await stage.kept(said)
    assert kept is not None
    assert kept.source is not None
    return kept.source["name"]


# Finding


async def test_thread_is_found_by_its_place_and_its_alias(url: str) -> None:
    async with on_stage(url) as stage:
        root = await joined(stage)
        await joined(stage, stage.slack.add_channel("other", members=[stage.anna]))
        place = {"channel": stage.general.id, "thread_ts": root.ts}
        (found,) = await stage.store.find_by_platform("slack", place)
        assert await stage.store.get_by_alias(f"slack:{stage.slack.team_id}:{stage.general.id}:{root.ts}") == found
        assert [message.text for message in found.messages] == ["hello @backscroll", "+ hello @backscroll"]
        assert found.platforms["slack"]["channel_name"] == "general"


async def test_permalink_leads_to_its_message(url: str) -> None:
    async with on_stage(url) as stage:
        root = await joined(stage)
        reply = await stage.slack.say(stage.anna, stage.general, "again", thread=root)
        await stage.answered(stage.general, 2)
        for said in (root, reply):
            link = permalink(said)
            found = await stage.store.get_by_permalink(link)
            assert found is not None
            assert found.message == await stage.kept(said)


def permalink(said: Said) -> str:
    query = f"?thread_ts={said.root.ts}&cid={said.channel.id}" if said.root else ""
    return f"https://acme.slack.com/archives/{said.channel.id}/p{said.ts.replace('.', '')}{query}"


# Channels that move


@everywhere
async def test_thread_follows_its_channel_to_another_id(url: str, mode: Mode) -> None:
    async with on_stage(url, mode) as stage:
        root = await joined(stage)
        old = await stage.slack.change_channel_id(stage.general)
        await stage.slack.quiet()
        assert old != stage.general.id
        await stage.slack.edit(root, "goodbye")
        await stage.slack.say(stage.anna, stage.general, "again", thread=root)
        await stage.answered(stage.general, 2)
        said = ["goodbye", "+ hello @backscroll", "again", "+ again"]
        assert [text for _, text in await stage.said_at(root)] == said
        (found,) = await stage.store.find_by_platform("slack", {"channel": stage.general.id, "thread_ts": root.ts})
        assert len(found.messages) == 4
        assert await stage.store.find_by_platform("slack", {"channel": old}) == []


# Names


async def test_names_are_looked_up_once(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await joined(stage)
        for number in (2, 3):
            await stage.slack.say(stage.anna, stage.general, f"number {number} <@{stage.anna.id}>", thread=root)
            await stage.answered(stage.general, number)
        asked = [params["user"] for params in stage.slack.calls_of("users.info")]
        assert asked == [stage.anna.id]
        assert [params["channel"] for params in stage.slack.calls_of("conversations.info")] == [stage.general.id]


async def test_mentions_read_as_names(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        ben = stage.slack.add_user("ben")
        said = await stage.slack.say(
            stage.anna, stage.general, f"<@BOT> ask <@{ben.id}> in <#{stage.general.id}> &amp; <!here>"
        )
        await stage.answered(stage.general)
        kept = await stage.kept(said)
        assert kept is not None
        assert kept.text == "@backscroll ask @ben in #general & @here"
        assert kept.attributes["mentions"] == {ben.id: "ben"}
        assert await author_of(stage, said) == "anna"


@everywhere
async def test_slow_users_info_delays_no_ack_and_the_next_message_has_the_name(
    home: Home, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_stage(home.sqlite_url, mode) as stage:
        first = await joined(stage)  # the bot's own name is known now
        ben = stage.slack.add_user("ben")
        monkeypatch.setattr(names, "PATIENCE_S", 0.5)
        stage.slack.fail("users.info", Fault.hang(1.0))
        stage.slack.deliveries.clear()
        unnamed = await stage.slack.say(ben, stage.general, "one", thread=first)
        await stage.answered(stage.general, 2)
        assert stage.unacknowledged() == set()
        assert await author_of(stage, unnamed) is None  # it was kept before the name came

        async def is_known() -> bool:
            named = await stage.slack.say(ben, stage.general, "more", thread=first)
            await stage.settled()
            return await author_of(stage, named) == "ben"

        await stage.until(is_known)
        assert [params["user"] for params in stage.slack.calls_of("users.info")].count(ben.id) == 1


async def test_users_info_that_is_refused_is_not_asked_again(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        stage.slack.fail("users.info", Fault.error("missing_scope"), times=2)
        root = await joined(stage)
        await stage.slack.say(stage.anna, stage.general, "again", thread=root)
        await stage.answered(stage.general, 2)
        assert len(stage.slack.calls_of("users.info")) == 1
        assert await author_of(stage, root) is None


async def test_crowd_of_mentions_is_not_all_looked_up_at_once(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        crowd = " ".join(f"<@U0STRANGER{number}>" for number in range(300))
        await stage.slack.say(stage.anna, stage.general, f"<@BOT> {crowd}")
        await stage.settled()
        assert len(stage.slack.calls_of("users.info")) <= 60  # for the message, and for its twin


@pytest.mark.parametrize("private", [False, True])
async def test_renamed_channel_has_its_new_name_without_a_look_up(home: Home, private: bool) -> None:
    async with on_stage(home.sqlite_url) as stage:
        place = stage.slack.add_channel("plans", members=[stage.anna], private=private)
        await joined(stage, place)
        asked = len(stage.slack.calls_of("conversations.info"))
        await stage.slack.rename_channel(place, "deeds")
        await stage.slack.quiet()
        said = await stage.slack.say(stage.anna, place, f"<@BOT> see <#{place.id}>")
        await stage.answered(place, 2)
        thread = await stage.thread_at(said)
        assert thread is not None
        assert thread.platforms["slack"]["channel_name"] == "deeds"
        assert thread.messages[0].text == "@backscroll see #deeds"
        assert len(stage.slack.calls_of("conversations.info")) == asked


# /new


@everywhere
async def test_new_in_a_direct_message_begins_a_thread(url: str, mode: Mode) -> None:
    async with on_stage(url, mode) as stage:
        dm = stage.slack.open_dm(stage.anna)
        await stage.slack.say(stage.anna, dm, "one")
        await stage.answered(dm)
        assert "A new thread begins." in str(await stage.slack.send_command(stage.anna, dm, "/new"))
        said = await stage.slack.say(stage.anna, dm, "two")
        await stage.answered(dm, 2)
        assert [text for _, text in await stage.said_at(said)] == ["two", "+ two"]
        old, new = await stage.threads()
        assert [message.text for message in old.messages] == ["one", "+ one"]
        assert [message.text for message in new.messages] == ["two", "+ two"]


async def test_new_that_comes_again_later_parts_nothing(url: str) -> None:
    async with on_stage(url, "http") as stage:
        dm = stage.slack.open_dm(stage.anna)
        await stage.slack.send_command(stage.anna, dm, "/new")
        assert stage.slack._requests._last is not None
        command, _ = stage.slack._requests._last
        said = await stage.slack.say(stage.anna, dm, "one")
        await stage.answered(dm)
        again = await stage.slack._requests.send(command, content_type=FORM_TYPE, age_s=5)
        assert again.status == 200
        await stage.slack.say(stage.anna, dm, "two")
        await stage.answered(dm, 2)
        assert [text for _, text in await stage.said_at(said)] == ["one", "+ one", "two", "+ two"]


@everywhere
async def test_new_in_a_channel_explains_itself(home: Home, mode: Mode) -> None:
    async with on_stage(home.sqlite_url, mode) as stage:
        root = await joined(stage)
        said = await stage.slack.send_command(stage.anna, stage.general, "/new")
        assert "every thread is one" in str(said)
        await stage.slack.say(stage.anna, stage.general, "again", thread=root)
        await stage.answered(stage.general, 2)
        assert len(await stage.said_at(root)) == 4


@everywhere
async def test_unknown_command_is_answered_and_harmless(home: Home, mode: Mode) -> None:
    async with on_stage(home.sqlite_url, mode) as stage:
        said = await stage.slack.send_command(stage.anna, stage.slack.open_dm(stage.anna), "/old", "secret")
        assert "no such command" in str(said)
        assert await stage.rejected() == []


async def test_answer_that_was_made_while_its_channel_moved_goes_to_the_new_id(home: Home) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait(turn: Turn) -> str:
        asked.set()
        await go_on.wait()
        return "here"

    async with on_stage(home.sqlite_url, handler=wait) as stage:
        anna = stage.slack.add_user("anna")
        general = stage.slack.add_channel("general", members=[anna])
        await stage.slack.say(anna, general, "where are you, <@BOT>?")
        await asked.wait()
        await stage.slack.change_channel_id(general)
        await stage.slack.quiet()
        go_on.set()
        assert await stage.answered(general) == ["here"]
