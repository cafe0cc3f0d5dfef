"""What stood in a thread before the bot was asked there, and what was said while it was away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from backscroll.adapters.slack import api, app
from backscroll.bot import backfill, manager
from backscroll.testing import Fault
from backscroll.testing.slack.models import Channel, User
from backscroll.testing.slack.models import Message as Said
from tests.scenario.program import Home
from tests.scenario.slack import Stage, config_of, on_stage, running


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "LOOK_S", 0.02)
    monkeypatch.setattr(app, "NOTE_S", 0.05)
    monkeypatch.setattr(app, "RETRY_S", 0.1)


def scene(stage: Stage) -> tuple[User, User, Channel]:
    """Give two people and their channel."""
    anna, ben = stage.slack.add_user("anna"), stage.slack.add_user("ben")
    return anna, ben, stage.slack.add_channel("general", members=[anna, ben])


async def talk(stage: Stage, count: int = 3) -> tuple[User, Said]:
    """Let people talk in a thread without the bot."""
    anna, ben, general = scene(stage)
    root = await stage.slack.say(anna, general, "said 0")
    for number in range(1, count):
        await stage.slack.say(ben, general, f"said {number}", thread=root)
    await stage.slack.quiet()
    return anna, root


async def numbered(stage: Stage, said: Said) -> list[tuple[int | None, str]]:
    """Return the sequences and texts of a thread."""
    thread = await stage.thread_at(said)
    return [] if thread is None else [(message.sequence, message.text) for message in thread.messages]


# The first mention in a thread of others


async def test_first_mention_keeps_the_messages_before_it_first(home: Home, url: str) -> None:
    async with on_stage(url) as stage:
        anna, root = await talk(stage)
        await stage.slack.say(anna, root.channel, "well, <@BOT>?", thread=root)
        await stage.answered(root.channel)
        assert await numbered(stage, root) == [
            (1, "said 0"),
            (2, "said 1"),
            (3, "said 2"),
            (4, "well, @backscroll?"),
            (5, "+ well, @backscroll?"),
        ]


async def test_first_mention_answers_once_and_not_the_messages_before_it(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        anna, root = await talk(stage)
        await stage.slack.say(anna, root.channel, "well, <@BOT>?", thread=root)
        await stage.answered(root.channel)
        assert len(await stage.answers()) == 1


async def test_messages_before_keep_author_reactions_and_instant(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        anna, root = await talk(stage)
        await stage.slack.react(anna, root, "thumbsup")
        await stage.slack.say(anna, root.channel, "well, <@BOT>?", thread=root)
        await stage.answered(root.channel)
        kept = await stage.kept(root)
        assert kept is not None
        assert kept.source == {"type": "user", "id": root.user, "name": "anna"}
        assert kept.reactions == {"thumbsup": [anna.id]}
        assert f"{kept.created_at.timestamp():.6f}" == root.ts


async def test_second_mention_reads_nothing_back(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        anna, root = await talk(stage)
        await stage.slack.say(anna, root.channel, "well, <@BOT>?", thread=root)
        await stage.answered(root.channel)
        stage.slack.calls.clear()
        await stage.slack.say(anna, root.channel, "and, <@BOT>?", thread=root)
        await stage.answered(root.channel, 2)
        assert stage.slack.calls_of("conversations.replies") == []


@pytest.mark.parametrize("delayed", ["slow", "away"])
async def test_messages_that_come_too_late_follow_marked_and_in_order_for_the_handler(
    home: Home, delayed: str, monkeypatch: pytest.MonkeyPatch, short_waits: None
) -> None:
    monkeypatch.setattr(backfill, "EARLIER_S", 0.2)
    async with on_stage(home.sqlite_url) as stage:
        anna, root = await talk(stage)
        fault = Fault.hang(0.4) if delayed == "slow" else Fault.server_error()
        stage.slack.fail("conversations.replies", fault, times=2)
        await stage.slack.say(anna, root.channel, "well, <@BOT>?", thread=root)
        await stage.answered(root.channel)
        assert [text for _, text in await numbered(stage, root)] == [
            "well, @backscroll?",
            "said 0",
            "said 1",
            "said 2",
            "+ well, @backscroll?",
        ]
        kept = await stage.kept(root)
        assert kept is not None
        assert kept.attributes == {"backfilled": True}
        assert [message.text for message in stage.turns[0].thread.messages] == [
            "said 0",
            "said 1",
            "said 2",
            "well, @backscroll?",
        ]


async def test_mention_is_acknowledged_in_time_while_slack_gives_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "EARLIER_S", 0.2)
    async with on_stage(home.sqlite_url) as stage:
        anna, root = await talk(stage)
        stage.slack.fail("conversations.replies", Fault.hang(60), times=2)
        await stage.slack.say(anna, root.channel, "well, <@BOT>?", thread=root)
        await stage.slack.quiet()
        assert stage.unacknowledged() == set()


async def test_unlisted_app_waits_between_pages_as_slack_asks(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async with on_stage(home.sqlite_url) as stage:
        anna, root = await talk(stage, 40)
        stage.slack.non_marketplace = True
        asked: list[str | None] = []

        def wait(header: str | None) -> float:
            asked.append(header)
            stage.slack.non_marketplace = False  # the minute is over
            return 0.5

        monkeypatch.setattr(api, "retry_after_s", wait)
        monkeypatch.setattr(backfill, "EARLIER_S", 0.2)
        await stage.slack.say(anna, root.channel, "well, <@BOT>?", thread=root)
        await stage.answered(root.channel)
        assert asked
        assert len(stage.turns[0].thread.messages) == 41


@pytest.mark.parametrize("refusal", ["missing_scope", "not_in_channel", "thread_not_found"])
async def test_thread_that_slack_does_not_show_is_answered_all_the_same(home: Home, refusal: str) -> None:
    async with on_stage(home.sqlite_url) as stage:
        anna, root = await talk(stage)
        stage.slack.fail("conversations.replies", Fault.error(refusal), times=9)
        await stage.slack.say(anna, root.channel, "well, <@BOT>?", thread=root)
        await stage.answered(root.channel)
        assert [text for _, text in await numbered(stage, root)] == ["well, @backscroll?", "+ well, @backscroll?"]


# A gap


class Away:
    """A bot that was in a thread, and is not there now; what Slack sends meanwhile is lost."""

    def __init__(self, stage: Stage, home: Home, root: Said, anna: User, ben: User) -> None:
        self.stage = stage
        self.root = root
        self.anna = anna
        self.ben = ben
        self.general = root.channel
        self._config = config_of(stage.slack, home.sqlite_url)

    async def say(self, text: str, *, thread: Said | None = None) -> Said:
        """Let Ben say something that Slack delivers to nobody."""
        return await self.stage.slack.say(self.ben, self.general, text, thread=thread)

    @asynccontextmanager
    async def back(self, **bot: Any) -> AsyncIterator[None]:
        """Bring the bot back, after Slack has given up all that it had to deliver."""
        slack = self.stage.slack
        await slack.__aexit__(None, None, None)
        await slack.__aenter__()
        notes = await self.stage.store.provider.query("watermarks", {})

        async def is_caught_up() -> bool:
            return await self.stage.store.provider.query("watermarks", {}) != notes

        async with running(self.stage, replace(self._config, bot=replace(self._config.bot, **bot))):
            await self.stage.until(is_caught_up)
            await self.stage.settled()
            yield


@pytest.fixture
async def away(home: Home) -> AsyncIterator[Away]:
    async with on_stage(home.sqlite_url) as stage:
        anna, ben, general = scene(stage)
        root = await stage.slack.say(anna, general, "hello <@BOT>")
        await stage.answered(general)

        async def is_noted() -> bool:
            return bool(await stage.store.provider.query("watermarks", {}))

        await stage.until(is_noted)
        assert stage.bot is not None
        bot, stage.bot = stage.bot, None
        bot.cancel()
        await asyncio.wait([bot])
        yield Away(stage, home, root, anna, ben)


async def test_question_missed_in_a_live_thread_is_answered_once(away: Away) -> None:
    await away.say("are you there?", thread=away.root)
    for _ in range(2):
        async with away.back():
            assert away.stage.slack.posted_by_bot(away.general) == ["+ hello @backscroll", "+ are you there?"]


async def test_new_mention_missed_in_a_live_channel_is_answered(away: Away) -> None:
    missed = await away.say("and <@BOT>?")
    async with away.back():
        assert await away.stage.said_at(missed) == [("user", "and @backscroll?"), ("assistant", "+ and @backscroll?")]


async def test_message_missed_is_kept_where_nothing_is_answered(away: Away) -> None:
    await away.say("for the record", thread=away.root)
    async with away.back(answer=frozenset()):
        assert (await away.stage.said_at(away.root))[-1] == ("user", "for the record")


async def test_edit_missed_is_kept(away: Away) -> None:
    await away.stage.slack.edit(away.root, "hello there")
    async with away.back():
        kept = await away.stage.kept(away.root)
        assert kept is not None
        assert kept.text == "hello there"


async def test_direct_message_missed_is_answered(away: Away) -> None:
    slack = away.stage.slack
    dm = slack.open_dm(away.anna)
    async with away.back():
        await slack.say(away.anna, dm, "hi")
        await away.stage.answered(dm)
    await slack.say(away.anna, dm, "still there?")
    async with away.back():
        assert slack.posted_by_bot(dm) == ["+ hi", "+ still there?"]


async def test_messages_from_before_the_first_mention_are_not_answered(away: Away) -> None:
    slack = away.stage.slack
    other = await away.say("among us")
    await away.say("and us", thread=other)
    async with away.back():
        slack.fail("conversations.replies", Fault.error("missing_scope"), times=9)
        await slack.say(away.anna, away.general, "what of it, <@BOT>?", thread=other)
        await away.stage.settled()
        slack.forgive()
    async with away.back():
        assert [text for text in slack.posted_by_bot(away.general) if "us" in text] == []
        assert len(await away.stage.said_at(other)) == 4


async def test_thread_that_is_older_than_the_hours_is_left_alone(away: Away) -> None:
    away.stage.slack.calls.clear()
    away._config = config_of(away.stage.slack, away.stage.url, catch_up_hours=0)
    async with away.back():
        assert away.stage.slack.calls_of("conversations.replies") == []


async def test_slack_that_fails_is_read_back_later(away: Away) -> None:
    await away.say("are you there?", thread=away.root)
    away.stage.slack.fail("conversations.replies", Fault.server_error())
    async with away.back():
        assert "+ are you there?" in away.stage.slack.posted_by_bot(away.general)


async def test_kill_while_reading_back_leaves_nothing_out(away: Away) -> None:
    await away.say("are you there?", thread=away.root)
    slack = away.stage.slack
    slack.fail("conversations.replies", Fault.hang(0.3))
    await slack.__aexit__(None, None, None)
    await slack.__aenter__()
    async with running(away.stage, away._config):
        await away.stage.until(lambda: slack.calls_of("conversations.replies"))
    async with away.back():
        assert slack.posted_by_bot(away.general) == ["+ hello @backscroll", "+ are you there?"]


async def test_connection_that_was_gone_for_long_is_read_back(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "GAP_S", 0.1)
    async with on_stage(home.sqlite_url) as stage:
        anna, ben, general = scene(stage)
        root = await stage.slack.say(anna, general, "hello <@BOT>")
        await stage.answered(general)
        provider = stage.store.provider
        await stage.until(lambda: provider.query("watermarks", {}))
        await stage.slack.__aexit__(None, None, None)
        await asyncio.sleep(0.5)  # longer than the gap that Slack itself makes good
        await stage.slack.__aenter__()
        stage.slack.refuse_connections()
        await stage.slack.say(ben, general, "are you there?", thread=root)
        await stage.slack.__aexit__(None, None, None)
        await stage.slack.__aenter__()
        stage.slack.refuse_connections(False)
        assert await stage.answered(general, 2) == ["+ hello @backscroll", "+ are you there?"]


async def test_thread_that_began_meanwhile_is_read_with_its_replies(away: Away) -> None:
    root = await away.say("a new <@BOT> thread")
    await away.say("and more", thread=root)
    async with away.back():
        assert sorted(text for _, text in await away.stage.said_at(root)) == [
            "+ a new @backscroll thread",
            "+ and more",
            "a new @backscroll thread",
            "and more",
        ]


async def test_mention_that_is_delivered_late_is_kept_with_the_replies_before_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager, "LATE", timedelta(seconds=0))
    async with on_stage(home.sqlite_url) as stage:
        anna, ben, general = scene(stage)
        stage.slack.drop_sockets()
        stage.slack.refuse_connections()
        root = await stage.slack.say(anna, general, "hello <@BOT>")
        reply = await stage.slack.say(ben, general, "me too", thread=root)
        stage.slack.refuse_connections(False)
        await stage.settled()
        await stage.until(lambda: stage.kept(reply))
        await stage.settled()
        assert sorted(stage.slack.posted_by_bot(general)) == ["+ hello @backscroll", "+ me too"]
