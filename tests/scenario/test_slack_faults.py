"""Slack that stumbles: asks to wait, breaks off before or after it took a post, hangs, refuses the token."""

import asyncio
from functools import partial

import pytest

from backscroll.adapters.slack import api, history
from backscroll.bot.turn import Turn
from backscroll.testing import Fault
from tests.scenario.program import Home
from tests.scenario.slack import on_stage


@pytest.mark.parametrize(
    "fault",
    [
        Fault.rate_limited(1),
        Fault.server_error(),
        Fault.cut_before(),
        Fault.cut_after(),
        Fault.cut_within(),
        Fault.error("internal_error"),
        Fault.error("token_expired"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.name}",
)
async def test_post_that_goes_wrong_is_there_once_in_the_end(
    home: Home, fault: Fault, short_waits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "TOKEN_RETRY_S", 0.1)
    async with on_stage(home.sqlite_url) as stage:
        stage.slack.fail("chat.postMessage", fault)
        anna = stage.slack.add_user("anna")
        asked = await stage.slack.say(anna, stage.slack.add_channel("general", members=[anna]), "hello <@BOT>")
        assert await stage.answered(asked.channel) == ["+ hello @backscroll"]
        assert [answer.state for answer in await stage.answers()] == ["sent"]


async def test_post_that_hangs_is_looked_for_before_it_is_repeated(
    home: Home, short_waits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "CALL_S", 0.3)
    async with on_stage(home.sqlite_url) as stage:
        stage.slack.fail("chat.postMessage", Fault.hang(0.5))
        stage.slack.fail("conversations.replies", Fault.server_error(), times=1_000)
        anna = stage.slack.add_user("anna")
        asked = await stage.slack.say(anna, stage.slack.add_channel("general", members=[anna]), "hello <@BOT>")
        await stage.until(lambda: stage.slack.calls_of("conversations.replies"))
        posts = partial(stage.slack.calls_of, "chat.postMessage")  # none, where a slow machine gave up before it asked
        await stage.until(lambda: len(stage.slack.posted_by_bot(asked.channel)) == len(posts()))
        stage.slack.forgive()  # from now on it is found
        assert await stage.answered(asked.channel) == ["+ hello @backscroll"]
        assert len(posts()) == 1
        assert [answer.state for answer in await stage.answers()] == ["sent"]


async def test_wait_is_obeyed_without_a_look(home: Home, short_waits: None) -> None:
    async with on_stage(home.sqlite_url) as stage:
        stage.slack.fail("chat.postMessage", Fault.rate_limited(1), times=2)
        anna = stage.slack.add_user("anna")
        asked = await stage.slack.say(anna, stage.slack.add_channel("general", members=[anna]), "hello <@BOT>")
        await stage.answered(asked.channel)
        assert stage.slack.calls_of("conversations.replies") == []
        assert len(stage.slack.calls_of("chat.postMessage")) == 3


async def test_wait_in_one_channel_holds_up_no_other(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        anna = stage.slack.add_user("anna")
        busy, free = (stage.slack.add_channel(name, members=[anna]) for name in ("busy", "free"))
        stage.slack.fail("chat.postMessage", Fault.rate_limited(60), channel=busy)
        for number in range(20):
            await stage.slack.say(anna, busy, f"{number} <@BOT>")
        await stage.until(lambda: stage.slack.calls_of("chat.postMessage"))
        await stage.slack.say(anna, free, "hello <@BOT>")
        await stage.until(lambda: stage.slack.posted_by_bot(free))
        assert stage.slack.posted_by_bot(busy) == []
        assert len(stage.slack.calls_of("chat.postMessage")) < 10


async def test_slow_thread_holds_up_none_of_ten_others(home: Home) -> None:
    free = asyncio.Event()

    async def slow(turn: Turn) -> str:
        if turn.message.text.startswith("slow"):
            await free.wait()
        return f"+ {turn.message.text}"

    async with on_stage(home.sqlite_url, handler=slow) as stage:
        anna = stage.slack.add_user("anna")
        general = stage.slack.add_channel("general", members=[anna])
        await stage.slack.say(anna, general, "slow <@BOT>")
        for number in range(10):
            await stage.slack.say(anna, general, f"{number} <@BOT>")
        await stage.until(lambda: len(stage.slack.posted_by_bot(general)) == 10)
        assert not [text for text in stage.slack.posted_by_bot(general) if "slow" in text]
        free.set()
        await stage.answered(general, 11)


async def test_questions_of_one_thread_are_answered_in_order(home: Home) -> None:
    async def slower_first(turn: Turn) -> str:
        await asyncio.sleep(0.2 if turn.message.text.startswith("0") else 0)
        return f"+ {turn.message.text[0]}"

    async with on_stage(home.sqlite_url, handler=slower_first) as stage:
        anna = stage.slack.add_user("anna")
        general = stage.slack.add_channel("general", members=[anna])
        root = await stage.slack.say(anna, general, "0 <@BOT>")
        for number in range(1, 5):
            await stage.slack.say(anna, general, f"{number}", thread=root)
        assert await stage.answered(general, 5) == [f"+ {number}" for number in range(5)]


async def test_look_that_fails_leaves_the_outcome_unknown(
    home: Home, short_waits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "WAIT_S", 0)  # a minute's wait between pages is one that is given back
    async with on_stage(home.sqlite_url, switches={"retry_delays": (0.2,) * 50}) as stage:
        stage.slack.fail("chat.postMessage", Fault.cut_after())
        stage.slack.fail("conversations.replies", Fault.rate_limited(1), times=1)
        await stage.slack.say(stage.anna, stage.general, "hello <@BOT>")
        assert await stage.answered(stage.general) == ["+ hello @backscroll"]
        assert len(stage.slack.calls_of("chat.postMessage")) == 1


async def test_answer_that_new_overtakes_is_kept_once(home: Home, short_waits: None) -> None:
    async with on_stage(home.sqlite_url) as stage:
        dm = stage.slack.open_dm(stage.anna)
        stage.slack.fail("chat.postMessage", Fault.cut_after())
        stage.slack.fail("conversations.history", Fault.server_error(), times=3)
        await stage.slack.say(stage.anna, dm, "first")
        await stage.until(lambda: stage.slack.posted_by_bot(dm))
        await stage.slack.send_command(stage.anna, dm, "/new")
        await stage.slack.say(stage.anna, dm, "second")
        await stage.answered(dm, 2)
        kept = sorted([message.text for message in thread.messages] for thread in await stage.threads())
        assert kept == [["first", "+ first"], ["second", "+ second"]]


async def test_emoji_waits_as_slack_asks(home: Home) -> None:
    async def react(turn: Turn) -> str:
        await turn.react("eyes")
        return "done"

    async with on_stage(home.sqlite_url, handler=react) as stage:
        stage.slack.fail("reactions.add", Fault.rate_limited(1))
        asked = await stage.slack.say(stage.anna, stage.general, "hello <@BOT>")
        assert await stage.answered(stage.general) == ["done"]
        assert asked.reactions == {"eyes": [stage.slack.bot_user_id]}
        assert [answer.tries for answer in await stage.answers()] == [0]
