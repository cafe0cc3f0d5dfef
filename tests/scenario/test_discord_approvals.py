"""Approvals on Discord: asked with buttons, decided once, kept before Discord hears of it, and gone on with."""

import asyncio
from datetime import timedelta

import pytest
from discord import Client

from backscroll.adapters.discord import commands
from backscroll.bot.config import BotConfig
from backscroll.bot.turn import Turn
from backscroll.storage.store import ThreadStore
from backscroll.storage.values import utc_now
from backscroll.testing import FakeDiscord, Fault
from backscroll.testing.discord.interactions import Interaction
from backscroll.testing.discord.models import Channel, User
from backscroll.testing.discord.models import Message as Said
from tests.scenario.discord import Stage, config_of, on_stage, running
from tests.scenario.program import PATIENCE_S, Home

CALLBACK = "/interactions/{interaction_id}/{token}/callback"
MESSAGE = "/channels/{channel_id}/messages/{message_id}"
POST = "/channels/{channel_id}/messages"
QUESTION = "Delete 3 files?"
HANDLER = """
async def clean(turn):
    decision = await turn.ask_approval("Delete 3 files?")
    return "deleted" if decision else "kept"
"""


async def clean(turn: Turn) -> str:
    decision = await turn.ask_approval(QUESTION)
    return "deleted" if decision else "kept"


def question_in(place: Channel, discord: FakeDiscord) -> Said | None:
    """Return the bot's post that has buttons, in a place or in a thread that was begun there."""
    for each in (place, *discord.threads(place)):
        for message in discord.own_messages(each):
            if message.buttons:
                return message
    return None


async def asked(stage: Stage, place: Channel | None = None) -> Said:
    """Ask the bot, and wait for its own question."""
    place = place or stage.general
    await stage.discord.say(stage.anna, place, "clean up <@BOT>")
    return await waiting(stage, place)


async def waiting(stage: Stage, place: Channel) -> Said:
    """Wait until an answer waits for somebody, and return the question."""

    async def is_suspended() -> bool:
        return "suspended" in [answer.state for answer in await stage.answers()]

    await stage.until(is_suspended)
    await stage.settled()
    question = question_in(place, stage.discord)
    assert question is not None
    return question


async def went_on(stage: Stage, question: Said, text: str = "deleted") -> None:
    """Wait for what the handler says after the decision, where the question stands."""
    await stage.until(lambda: text in stage.discord.posted_by_bot(question.channel))
    await stage.settled()
    assert stage.discord.posted_by_bot(question.channel)[-2:] == [question.content, text]
    assert question.buttons == {}
    assert [answer.state for answer in await stage.answers()] == ["sent"]


async def told(stage: Stage, press: Interaction) -> str:
    """Wait for what somebody is told alone who pressed."""
    await stage.until(lambda: press.messages)
    assert press.is_ephemeral
    return press.texts[0]


async def joined(stage: Stage, question: Said) -> User:
    """Let one more person write in the question's thread, and return them."""
    ben = stage.discord.add_user("ben")
    said = await stage.discord.say(ben, question.channel, "I see.")
    await stage.until_kept(said)
    return ben


# Asked and decided


@pytest.mark.parametrize("kind", ["thread", "forum post", "dm", "channel"])
async def test_question_stands_with_its_buttons_until_it_is_decided(home: Home, kind: str) -> None:
    reply_in = "channel" if kind == "channel" else "thread"
    async with on_stage(home.sqlite_url, handler=clean, reply_in=reply_in) as stage:
        place = stage.general
        if kind == "dm":
            place = stage.discord.open_dm(stage.anna)
        elif kind == "forum post":
            forum = stage.discord.add_channel("help", "forum")
            place = await stage.discord.post_in_forum(stage.anna, forum, "a post", "its beginning")
        question = await asked(stage, place)
        (posted,) = stage.discord.calls_of("POST", POST)
        assert (posted.json["enforce_nonce"], posted.json["allowed_mentions"]["parse"]) == (True, [])
        assert ("message_reference" in posted.json) == (kind == "channel")
        assert (question.content, list(question.buttons)) == (QUESTION, ["Yes", "No"])
        press = await stage.discord.press(stage.anna, question, "Yes")
        await went_on(stage, question)
        assert (press.response_type, press.messages) == (7, [])
        assert question.content.startswith(QUESTION)
        assert "anna" in question.content
        kept = await stage.kept(question)
        assert kept is not None
        assert (kept.text, kept.edited_at) == (QUESTION, None)  # nobody edited it but us


async def test_no_is_no(url: str) -> None:
    async with on_stage(url, handler=clean) as stage:
        question = await asked(stage)
        await stage.discord.press(stage.anna, question, "No")
        await went_on(stage, question, "kept")
        ((thread),) = await stage.threads()
        assert [message.role for message in thread.messages] == ["user", "assistant", "assistant"]


async def test_question_as_long_as_a_post_says_how_it_was_decided(home: Home) -> None:
    async def at_length(turn: Turn) -> str:
        return "deleted" if await turn.ask_approval("🗑" * 1_000) else "kept"

    async with on_stage(home.sqlite_url, handler=at_length) as stage:
        question = await asked(stage)
        await stage.discord.press(stage.anna, question, "Yes")
        await went_on(stage, question)
        assert "Approved by @anna" in question.content


async def test_somebody_outside_the_thread_decides_nothing(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=clean) as stage:
        question = await asked(stage)
        ben = stage.discord.add_user("ben")
        press = await stage.discord.press(ben, question, "Yes")
        assert await told(stage, press) == "You may not decide this."
        assert list(question.buttons) == ["Yes", "No"]
        await stage.discord.press(stage.anna, question, "No")
        await went_on(stage, question, "kept")


async def test_first_of_two_at_once_decides(url: str) -> None:
    async with on_stage(url, handler=clean, bot=BotConfig(answer=frozenset({"mentions"}))) as stage:
        question = await asked(stage)
        ben = await joined(stage, question)
        presses = await asyncio.gather(
            stage.discord.press(stage.anna, question, "Yes"), stage.discord.press(ben, question, "No")
        )
        await stage.until(lambda: all(press.response_type is not None for press in presses))
        first, second = sorted(presses, key=lambda press: press.response_type != 7)
        assert (first.response_type, second.texts) == (7, ["This is decided already."])
        await went_on(stage, question, "deleted" if first is presses[0] else "kept")
        assert first.user.name in question.content


async def test_press_that_is_told_twice_counts_once(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=clean) as stage:
        question = await asked(stage)
        press = await stage.discord.press(stage.anna, question, "Yes")
        await stage.discord.repeat_last()
        await went_on(stage, question)
        assert (press.response_type, press.messages) == (7, [])
        assert len(stage.turns) == 2


async def test_question_that_is_over_is_told_to_who_presses(home: Home) -> None:
    async def hasty(turn: Turn) -> str:
        decision = await turn.ask_approval(QUESTION, expires_in=timedelta(seconds=0.3))
        return decision.outcome

    async with on_stage(home.sqlite_url, handler=hasty) as stage:
        question = await asked(stage)
        over_at = utc_now() + timedelta(seconds=0.3)
        await stage.until(lambda: utc_now() > over_at)
        press = await stage.discord.press(stage.anna, question, "Yes")
        assert await told(stage, press) == "It is too late to decide this."
        await went_on(stage, question, "expired")


async def test_button_of_other_code_is_left_alone(home: Home) -> None:
    button = {"type": 2, "id": 2, "style": 1, "label": "Mine", "custom_id": "mine"}
    async with on_stage(home.sqlite_url) as stage:
        said = await stage.discord.say(
            stage.discord.bot, stage.general, "", components=[{"type": 1, "components": [button]}]
        )
        press = await stage.discord.press(stage.anna, said, "Mine")
        await stage.settled()
        assert (press.response_type, press.late_count) == (None, 0)
        assert stage.discord.calls_of("POST", CALLBACK) == []
        assert await stage.rejected() == []


# Kept first


async def test_press_is_acknowledged_only_when_it_is_kept(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=clean) as stage:
        question = await asked(stage)
        with home.locked():
            press = await stage.discord.press(stage.anna, question, "Yes")
            await stage.discord.quiet()
            await asyncio.sleep(0.1)  # nothing tells that it waits
            assert stage.discord.calls_of("POST", CALLBACK) == []
        await went_on(stage, question)
        assert press.response_type == 7


async def test_press_that_is_not_kept_is_not_acknowledged(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backscroll.storage.sql.sqlite.BUSY_TIMEOUT_S", 0.05)
    async with on_stage(home.sqlite_url, handler=clean) as stage:
        question = await asked(stage)
        with home.locked():
            press = await stage.discord.press(stage.anna, question, "Yes")
            await stage.quiet()
        assert stage.discord.calls_of("POST", CALLBACK) == []
        assert press.response_type is None
        await stage.discord.press(stage.anna, question, "No")
        await went_on(stage, question, "kept")


async def test_press_that_is_kept_late_counts(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=clean) as stage:
        question = await asked(stage)
        stage.discord.interaction_deadline_s = 0
        press = await stage.discord.press(stage.anna, question, "Yes")
        await went_on(stage, question)
        assert (press.response_type, press.late_count) == (None, 1)


@pytest.mark.parametrize("fault", [Fault.cut_before(), Fault.cut_after()])
async def test_decision_stands_whatever_becomes_of_its_acknowledgement(home: Home, fault: Fault) -> None:
    async with on_stage(home.sqlite_url, handler=clean) as stage:
        question = await asked(stage)
        stage.discord.fail("POST", CALLBACK, fault)
        await stage.discord.press(stage.anna, question, "Yes")
        await went_on(stage, question)


async def test_question_that_is_gone_holds_nothing_up(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=clean) as stage:
        question = await asked(stage)
        stage.discord.fail("PATCH", MESSAGE, Fault.error(404, 10008, "Unknown Message"))
        await stage.discord.press(stage.anna, question, "Yes")
        await went_on(stage, question)
        assert question.content == QUESTION


@pytest.mark.parametrize("fault", [Fault.cut_after(), Fault.cut_before(), Fault.server_error(503)])
async def test_question_is_asked_once_whatever_became_of_its_post(home: Home, short_waits: None, fault: Fault) -> None:
    async with on_stage(home.sqlite_url, handler=clean, switches={"nonce_window_s": 0.0}) as stage:
        stage.discord.fail("POST", POST, fault)
        question = await asked(stage)
        assert stage.discord.posted_by_bot(question.channel) == [QUESTION]
        await stage.discord.press(stage.anna, question, "Yes")
        await went_on(stage, question)


# Away for a while


async def test_press_after_a_kill_goes_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.directory)
    home.write("cleaning.py", HANDLER)
    async with FakeDiscord() as discord, ThreadStore(home.sqlite_url) as store:
        anna, general = discord.add_user("anna"), discord.add_channel("general")
        stage = Stage(store=store, url=home.sqlite_url, discord=discord, anna=anna, general=general)
        adapter = {"token": discord.token, "api_base_url": discord.api_url}
        home.configure(adapters={"discord": adapter}, handler="cleaning:clean", lease_s=1)
        with home.start(KILL_AT="once it waits") as program:
            await discord.until(lambda: discord.session_count, PATIENCE_S)
            question = await asked(stage)
            program.process.kill()
            await asyncio.to_thread(program.ended)
        assert (await discord.press(anna, question, "Yes")).response_type is None  # nobody hears it
        async with running(stage, config_of(discord, home.sqlite_url, handler=clean, bot=BotConfig(lease_s=1))):
            await discord.press(anna, question, "Yes")
            await went_on(stage, question)


async def test_press_after_a_lost_session_goes_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(*_: object, **__: object) -> None:
        """Pause before no IDENTIFY."""

    monkeypatch.setattr(Client, "before_identify_hook", at_once)
    async with on_stage(home.sqlite_url, handler=clean) as stage:
        question = await asked(stage)
        stage.discord.forget_sessions()
        stage.discord.drop_sockets()
        press = await stage.discord.press(stage.anna, question, "Yes")
        await stage.until(lambda: stage.discord.session_count)
        assert press.response_type is None
        await stage.discord.press(stage.anna, question, "No")
        await went_on(stage, question, "kept")


async def test_press_while_the_connection_is_down_is_heard_after_it(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=clean) as stage:
        question = await asked(stage)
        stage.discord.drop_sockets()
        press = await stage.discord.press(stage.anna, question, "Yes")
        await went_on(stage, question)
        assert press.response_type == 7


# After a command


async def test_command_s_question_takes_its_placeholder(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=clean) as stage:
        given = await stage.discord.use_command(stage.anna, stage.general, "ask", question="clean up")
        question = await waiting(stage, stage.general)
        assert given.messages == [question]
        await stage.discord.press(stage.anna, question, "Yes")
        await went_on(stage, question)
        assert [message.content for message in given.messages] == [question.content, "deleted"]
        assert stage.discord.calls_of("POST", POST) == []


async def test_command_s_question_that_is_decided_late_is_gone_on_with_in_its_channel(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_stage(home.sqlite_url, handler=clean) as stage:
        given = await stage.discord.use_command(stage.anna, stage.general, "ask", question="clean up")
        question = await waiting(stage, stage.general)
        monkeypatch.setattr(commands, "GOOD_FOR", timedelta(0))
        stage.discord.interaction_ttl_s = 0
        await stage.discord.press(stage.anna, question, "Yes")
        await went_on(stage, question)
        assert given.messages == [question]
        assert [call.json["content"] for call in stage.discord.calls_of("POST", POST)] == ["deleted"]
