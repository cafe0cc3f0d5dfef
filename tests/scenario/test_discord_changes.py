"""What changes on Discord after it was said: edits, deletions and reactions, in whatever order they come."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from backscroll.bot.config import BotConfig
from backscroll.bot.turn import Turn
from backscroll.testing import FakeDiscord
from backscroll.testing.discord.models import Channel, Thread
from backscroll.testing.discord.models import Message as Said
from tests.scenario.discord import Stage, on_stage
from tests.scenario.program import Home

Change = Callable[[Stage, Said], Awaitable[object]]


async def joined(stage: Stage) -> tuple[Said, Thread]:
    """Let the bot begin a thread; give what it began from, and the thread."""
    asked = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
    await stage.answered(asked)
    thread = stage.discord.thread_of(asked)
    assert thread is not None
    return asked, thread


async def text_of(stage: Stage, said: Said) -> str | None:
    await stage.settled()
    kept = await stage.kept(said)
    return None if kept is None else kept.text


async def is_deleted(stage: Stage, said: Said) -> bool:
    await stage.settled()
    kept = await stage.kept(said)
    assert kept is not None
    assert (kept.deleted_at is None) == bool(kept.text)
    return kept.deleted_at is not None


async def reactions_of(stage: Stage, said: Said) -> dict[str, list[str]]:
    await stage.settled()
    kept = await stage.kept(said)
    assert kept is not None
    return kept.reactions


class Unannounced:
    """Something that was said, and of which Discord has not told yet."""

    def __init__(self, stage: Stage, channel: Channel, text: str) -> None:
        self._discord = stage.discord
        self.said = Said(stage.discord._world.new_id(), channel, stage.anna, text)
        channel.messages[self.said.id] = self.said
        self._told = self._discord._views.message(self.said, live=True)

    async def announce(self) -> None:
        """Tell of it as it was said."""
        await self._discord.send_event("MESSAGE_CREATE", self._told)


# Edits


async def test_edit_changes_what_is_kept(url: str) -> None:
    async with on_stage(url) as stage:
        asked, thread = await joined(stage)
        reply = await stage.discord.say(stage.anna, thread, "two")
        await stage.answered(asked, 2)
        await stage.discord.edit(asked, "goodbye")
        await stage.discord.edit(reply, "three")
        assert await text_of(stage, asked) == "goodbye"
        assert await text_of(stage, reply) == "three"
        assert len(stage.discord.posted_by_bot(thread)) == 2


async def test_edit_in_a_direct_message_changes_what_is_kept(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        said = await stage.discord.say(stage.anna, stage.discord.open_dm(stage.anna), "one")
        await stage.answered(said)
        await stage.discord.edit(said, "uno")
        assert await text_of(stage, said) == "uno"


async def test_two_edits_at_once_leave_the_second_and_keep_the_first(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked, _ = await joined(stage)
        await stage.discord.edit(asked, "second words")
        await stage.discord.edit(asked, "third words")
        assert await text_of(stage, asked) == "third words"
        kept = await stage.kept(asked)
        assert kept is not None
        versions = await stage.store.provider.get_message_versions(kept.id)
        assert "hello @backscroll" in [version.content for version in versions]


async def test_edit_reads_mentions_as_names(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked, _ = await joined(stage)
        ben = stage.discord.add_user("ben")
        await stage.discord.edit(asked, f"<@BOT> or {ben.mention} in <#{stage.general.id}>")
        assert await text_of(stage, asked) == "@backscroll or @ben in #general"


async def begin_thread(stage: Stage, said: Said) -> None:
    await stage.discord.start_thread(stage.anna, said.channel, "Aside", said)


OTHER_CHANGES: dict[str, Change] = {
    "a preview": lambda stage, said: stage.discord.show_preview(said),
    "a pin": lambda stage, said: stage.discord.pin(stage.anna, said),
    "a publication": lambda stage, said: stage.discord.publish(said),
    "a thread": begin_thread,
}


@pytest.mark.parametrize("change", OTHER_CHANGES.values(), ids=OTHER_CHANGES)
async def test_update_without_other_words_is_no_edit(home: Home, change: Change) -> None:
    async with on_stage(home.sqlite_url, bot=BotConfig(record="all")) as stage:
        said = await stage.discord.say(stage.anna, stage.general, "see https://example.com/")
        await change(stage, said)
        await stage.settled()
        kept = await stage.kept(said)
        assert kept is not None
        assert (kept.text, kept.edited_at) == ("see https://example.com/", None)
        assert await stage.store.provider.get_message_versions(kept.id) == []


async def test_preview_after_an_edit_is_no_second_edit(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked, _ = await joined(stage)
        await stage.discord.edit(asked, "see https://example.com/")
        await stage.discord.show_preview(asked)
        assert await text_of(stage, asked) == "see https://example.com/"
        kept = await stage.kept(asked)
        assert kept is not None
        assert [each.content for each in await stage.store.provider.get_message_versions(kept.id)] == [
            "hello @backscroll"
        ]


async def test_edit_before_its_message_waits_for_it(url: str) -> None:
    async with on_stage(url) as stage:
        _, thread = await joined(stage)
        late = Unannounced(stage, thread, "first words")
        await stage.discord.edit(late.said, "last words")
        await stage.settled()
        await late.announce()
        await stage.until_kept(late.said)
        assert await text_of(stage, late.said) == "last words"


async def test_edit_of_what_is_not_kept_is_forgotten(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        said = await stage.discord.say(stage.anna, stage.general, "lunch?")
        await stage.discord.edit(said, "dinner?")
        await stage.settled()
        assert await stage.threads() == []
        assert await stage.rejected() == []


async def test_edit_whose_words_discord_does_not_show_takes_none_away(home: Home) -> None:
    hidden = {"message_content_allowed": False}
    async with on_stage(home.sqlite_url, switches=hidden, message_content=False) as stage:
        asked, _ = await joined(stage)
        await stage.discord.edit(asked, "no mention any more")
        assert await text_of(stage, asked) == "hello @backscroll"


async def test_edit_that_comes_after_the_deletion_brings_nothing_back(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked, _ = await joined(stage)
        await stage.discord.edit(asked, "secret again")
        await stage.discord.delete(asked)
        assert await is_deleted(stage, asked)
        await stage.discord.repeat_last(2)
        assert await is_deleted(stage, asked)


# Deletions


async def test_deletion_takes_the_text_away(url: str) -> None:
    async with on_stage(url) as stage:
        asked, thread = await joined(stage)
        reply = await stage.discord.say(stage.anna, thread, "secret")
        await stage.answered(asked, 2)
        await stage.discord.delete(reply)
        assert await is_deleted(stage, reply)
        assert not await is_deleted(stage, asked)


async def test_bulk_deletion_takes_each_text_away(url: str) -> None:
    async with on_stage(url) as stage:
        asked, thread = await joined(stage)
        replies = [await stage.discord.say(stage.anna, thread, f"secret {number}") for number in (1, 2)]
        await stage.answered(asked, 3)
        unknown = Unannounced(stage, thread, "nobody heard").said
        await stage.discord.bulk_delete([*replies, unknown])
        assert [await is_deleted(stage, each) for each in (*replies, asked)] == [True, True, False]


async def test_thread_goes_on_when_what_it_began_from_is_deleted(url: str) -> None:
    async with on_stage(url) as stage:
        asked, thread = await joined(stage)
        await stage.discord.delete(asked)
        assert await is_deleted(stage, asked)
        await stage.discord.say(stage.anna, thread, "still there?")
        assert await stage.answered(asked, 2) == ["+ hello @backscroll", "+ still there?"]


async def test_answer_that_a_moderator_deletes_is_deleted_in_what_is_kept(url: str) -> None:
    async with on_stage(url) as stage:
        _, thread = await joined(stage)
        (own,) = stage.discord.own_messages(thread)
        await stage.discord.delete(own)
        assert await is_deleted(stage, own)
        assert stage.discord.posted_by_bot(thread) == []


@pytest.mark.parametrize("bulk", [False, True])
async def test_deletion_before_its_message_waits_for_it(home: Home, bulk: bool) -> None:
    async with on_stage(home.sqlite_url) as stage:
        _, thread = await joined(stage)
        late = Unannounced(stage, thread, "first words")
        await (stage.discord.bulk_delete([late.said]) if bulk else stage.discord.delete(late.said))
        await stage.settled()
        await late.announce()
        await stage.until_kept(late.said)
        assert await is_deleted(stage, late.said)
        assert len(stage.discord.posted_by_bot(thread)) == 1


class Slow:
    """A handler that goes on when it is told to."""

    def __init__(self) -> None:
        self.began, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, turn: Turn) -> str:
        self.began.set()
        await self.go_on.wait()
        return "done"


async def test_question_that_is_deleted_while_it_is_answered_leaves_no_text_and_no_thread(home: Home) -> None:
    slow = Slow()
    async with on_stage(home.sqlite_url, handler=slow) as stage:
        asked = await stage.discord.say(stage.anna, stage.general, "secret <@BOT>")
        await slow.began.wait()
        await stage.discord.delete(asked)
        await stage.discord.quiet()
        slow.go_on.set()
        assert await is_deleted(stage, asked)
        assert stage.discord.threads(stage.general) == []
        assert stage.discord.posted_by_bot(stage.general) == []


async def test_bot_answers_on_after_a_question_that_was_deleted(home: Home) -> None:
    slow = Slow()
    async with on_stage(home.sqlite_url, handler=slow) as stage:
        asked = await stage.discord.say(stage.anna, stage.general, "secret <@BOT>")
        await slow.began.wait()
        await stage.discord.delete(asked)
        slow.go_on.set()
        again = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
        assert await stage.answered(again) == ["done"]


# Reactions


async def test_reactions_come_and_go(url: str) -> None:
    async with on_stage(url) as stage:
        asked, _ = await joined(stage)
        anna, ben = stage.anna, stage.discord.add_user("ben")
        await stage.discord.react(anna, asked, "👀")
        await stage.discord.react(ben, asked, "👀")
        await stage.discord.react(ben, asked, "👋🏽")
        assert await reactions_of(stage, asked) == {"👀": [anna.id, ben.id], "👋🏽": [ben.id]}
        await stage.discord.unreact(anna, asked, "👀")
        assert await reactions_of(stage, asked) == {"👀": [ben.id], "👋🏽": [ben.id]}


async def test_reactions_in_direct_messages_come_and_go(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        said = await stage.discord.say(stage.anna, stage.discord.open_dm(stage.anna), "one")
        await stage.answered(said)
        await stage.discord.react(stage.anna, said, "👀")
        await stage.discord.react(stage.anna, said, "✅")
        await stage.discord.unreact(stage.anna, said, "👀")
        assert await reactions_of(stage, said) == {"✅": [stage.anna.id]}


async def test_emoji_is_the_same_with_and_without_its_variation_mark(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked, _ = await joined(stage)
        await stage.discord.react(stage.anna, asked, "❤️")
        assert await reactions_of(stage, asked) == {"❤": [stage.anna.id]}
        removed: dict[str, Any] = {
            "user_id": stage.anna.id,
            "message_id": asked.id,
            "channel_id": stage.general.id,
            "guild_id": stage.discord.guild.id,
            "emoji": {"id": None, "name": "❤"},
            "type": 0,
            "burst": False,
        }
        await stage.discord.send_event("MESSAGE_REACTION_REMOVE", removed)
        assert await reactions_of(stage, asked) == {}


async def test_custom_emoji_is_known_by_its_id_whatever_it_is_called(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked, _ = await joined(stage)
        await stage.discord.react(stage.anna, asked, "<:ok:12345678901234567>")
        assert await reactions_of(stage, asked) == {"12345678901234567": [stage.anna.id]}
        await stage.discord.unreact(stage.anna, asked, "<:fine:12345678901234567>")
        assert await reactions_of(stage, asked) == {}


@pytest.mark.parametrize("emoji", [None, "👀", "<a:ok:12345678901234567>"])
async def test_reactions_that_are_cleared_are_gone(url: str, emoji: str | None) -> None:
    async with on_stage(url) as stage:
        asked, _ = await joined(stage)
        anna, ben = stage.anna, stage.discord.add_user("ben")
        for user in (anna, ben):
            for each in ("👀", "<a:ok:12345678901234567>", "✅"):
                await stage.discord.react(user, asked, each)
        await stage.discord.clear_reactions(asked, emoji)
        left = {"👀", "12345678901234567", "✅"} - {"👀" if emoji == "👀" else "12345678901234567"}
        both = [anna.id, ben.id]
        assert await reactions_of(stage, asked) == ({} if emoji is None else dict.fromkeys(left, both))


async def test_reaction_after_a_clearing_stands(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked, _ = await joined(stage)
        await stage.discord.react(stage.anna, asked, "👀")
        await stage.discord.clear_reactions(asked)
        await stage.discord.react(stage.anna, asked, "👀")
        assert await reactions_of(stage, asked) == {"👀": [stage.anna.id]}


async def test_reactions_on_the_bots_answer_come_and_are_cleared(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        _, thread = await joined(stage)
        (own,) = stage.discord.own_messages(thread)
        await stage.discord.react(stage.anna, own, "👍")
        assert await reactions_of(stage, own) == {"👍": [stage.anna.id]}
        await stage.discord.clear_reactions(own)
        assert await reactions_of(stage, own) == {}


@pytest.mark.parametrize(
    ("emoji", "kept"),
    [("👀", "👀"), ("❤️", "❤"), ("ok:12345678901234567", "12345678901234567"), ("12345678901234567",) * 2],
    ids=["unicode", "variation", "custom", "id"],
)
async def test_reaction_of_the_bot_is_kept_once_and_as_those_of_others(home: Home, emoji: str, kept: str) -> None:
    async def looking(turn: Turn) -> str:
        await turn.react(emoji)
        return "done"

    async with on_stage(home.sqlite_url, handler=looking) as stage:
        asked, _ = await joined(stage)
        await stage.discord.react(stage.anna, asked, emoji if kept != "12345678901234567" else f"<:ok:{kept}>")
        assert await reactions_of(stage, asked) == {kept: [stage.discord.bot_user_id, stage.anna.id]}


async def test_reaction_before_its_message_waits_for_it(url: str) -> None:
    async with on_stage(url) as stage:
        asked, thread = await joined(stage)
        late = Unannounced(stage, thread, "first words")
        for emoji in ("👀", "✅", "👋"):
            await stage.discord.react(stage.anna, late.said, emoji)
        await stage.discord.unreact(stage.anna, late.said, "✅")
        await stage.settled()
        await late.announce()
        await stage.answered(asked, 2)
        assert await reactions_of(stage, late.said) == {"👀": [stage.anna.id], "👋": [stage.anna.id]}


@pytest.mark.parametrize("emoji", [None, "👀"])
async def test_reactions_that_are_cleared_before_their_message_are_gone(url: str, emoji: str | None) -> None:
    async with on_stage(url) as stage:
        asked, thread = await joined(stage)
        late = Unannounced(stage, thread, "first words")
        await stage.discord.react(stage.anna, late.said, "👀")
        await stage.discord.clear_reactions(late.said, emoji)
        await stage.discord.react(stage.anna, late.said, "✅")
        await stage.settled()
        await late.announce()
        await stage.answered(asked, 2)
        assert await reactions_of(stage, late.said) == {"✅": [stage.anna.id]}


async def test_reactions_that_come_again_change_nothing(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked, _ = await joined(stage)
        await stage.discord.react(stage.anna, asked, "👀")
        await stage.discord.unreact(stage.anna, asked, "👀")
        await stage.discord.react(stage.anna, asked, "✅")
        await stage.settled()
        await stage.discord.repeat_last(3)
        assert await reactions_of(stage, asked) == {"✅": [stage.anna.id]}


async def test_changes_of_an_unknown_message_are_harmless(home: Home) -> None:
    async with on_stage(home.sqlite_url, bot=BotConfig(answer=frozenset())) as stage:
        said = await stage.discord.say(stage.anna, stage.general, "lunch?")
        await stage.discord.react(stage.anna, said, "👀")
        await stage.discord.clear_reactions(said, "👀")
        await stage.discord.clear_reactions(said)
        await stage.discord.delete(said)
        await stage.settled()
        assert await stage.threads() == []
        assert await stage.rejected() == []


# Messages of an earlier connection


async def test_changes_reach_messages_that_an_earlier_run_kept(url: str) -> None:
    async with FakeDiscord() as discord:
        async with on_stage(url, discord=discord) as stage:
            asked, thread = await joined(stage)
            reply = await discord.say(stage.anna, thread, "secret")
            await stage.answered(asked, 2)
        async with on_stage(url, discord=discord) as stage:
            await discord.edit(asked, "goodbye")
            await discord.react(stage.anna, asked, "👀")
            await discord.delete(reply)
            assert await text_of(stage, asked) == "goodbye"
            assert await reactions_of(stage, asked) == {"👀": [stage.anna.id]}
            assert await is_deleted(stage, reply)
