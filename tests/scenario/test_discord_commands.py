"""Slash commands: kept before Discord hears of it, answered in the placeholder, in channel, thread, forum post and DM.

That a command's token is shown nowhere stands in `test_discord_secrets.py`.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from backscroll.adapters.discord import catching_up, commands
from backscroll.adapters.discord.commands import COMMANDS, TICKETS, Ticket
from backscroll.bot.config import AllowConfig, BotConfig
from backscroll.bot.turn import Turn
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.values import utc_now
from backscroll.testing import FakeDiscord, Fault
from backscroll.testing.discord.interactions import Interaction
from backscroll.testing.discord.models import Channel
from tests.scenario.discord import Stage, config_of, guild_of, on_stage, running
from tests.scenario.program import Home

CALLBACK = "/interactions/{interaction_id}/{token}/callback"
FOLLOW_UP = "/webhooks/{application_id}/{token}"
ORIGINAL = "/webhooks/{application_id}/{token}/messages/@original"
REGISTER = "/applications/{application_id}/commands"
POST = "/channels/{channel_id}/messages"
MINUTE_S = 60.0


@pytest.fixture(autouse=True)
def is_never_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a command that takes no answer be one that takes none any more."""
    monkeypatch.setattr(commands, "EARLY_S", 0.0)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the bot look after its commands all the time."""
    monkeypatch.setattr(catching_up, "NOTE_S", 0.02)
    monkeypatch.setattr(catching_up, "LOOK_S", 0.02)
    monkeypatch.setattr(catching_up, "RETRY_S", 0.02)


def external_of(interaction: Interaction) -> ExternalId:
    channel = interaction.channel
    return ExternalId("discord", guild_of(channel), channel.id, interaction.id)


async def thread_of(stage: Stage, interaction: Interaction) -> Thread | None:
    """Return the thread in which a command is kept."""
    found = await stage.store.provider.find_external(external_of(interaction))
    return None if found is None else await stage.store.provider.get_thread(found[0])


async def said(stage: Stage, interaction: Interaction) -> list[tuple[str, str]]:
    """Return what is kept of a thread since a command was given in it."""
    thread = await thread_of(stage, interaction)
    told: list[tuple[str, str]] = (
        [] if thread is None else [(message.role, message.text) for message in thread.messages]
    )
    return told[1:] if told[:1] == [("user", "its beginning")] else told


async def asked(stage: Stage, channel: Channel, question: str = "hello") -> Interaction:
    return await stage.discord.use_command(stage.anna, channel, "ask", question=question)


async def answered(stage: Stage, interaction: Interaction, count: int = 1) -> list[str]:
    await stage.until(lambda: len(interaction.texts) >= count)
    await stage.settled()
    return interaction.texts


async def places(stage: Stage) -> dict[str, Channel]:
    """Return one place of each kind in which a command can be given."""
    discord, anna = stage.discord, stage.anna
    forum = discord.add_channel("help", "forum")
    return {
        "channel": stage.general,
        "thread": await discord.start_thread(anna, stage.general, "a thread"),
        "forum post": await discord.post_in_forum(anna, forum, "a post", "its beginning"),
        "dm": discord.open_dm(anna),
    }


# Asked and answered


@pytest.mark.parametrize("kind", ["channel", "thread", "forum post", "dm"])
async def test_command_is_answered_in_its_placeholder(url: str, kind: str) -> None:
    async with on_stage(url) as stage:
        place = (await places(stage))[kind]
        given = await asked(stage, place)
        assert await answered(stage, given) == ["+ hello"]
        assert given.response_type == 5
        assert not given.is_ephemeral
        assert stage.discord.calls_of("POST", POST) == []
        assert await said(stage, given) == [("user", "hello"), ("assistant", "+ hello")]


@pytest.mark.parametrize("kind", ["channel", "thread", "forum post", "dm"])
async def test_command_is_kept_where_it_was_given(home: Home, kind: str) -> None:
    async with on_stage(home.sqlite_url) as stage:
        place = (await places(stage))[kind]
        given = await asked(stage, place)
        await answered(stage, given)
        thread = await thread_of(stage, given)
        channel = getattr(place, "parent", place).id
        key = ThreadKey("discord", guild_of(place), channel, given.id if kind == "channel" else place.id)
        assert thread is not None
        assert await stage.store.provider.get_thread_aliases(thread.id) == [key.alias]
        question, answer = thread.messages[-2:]
        assert question.attributes == {"command": "ask"}
        assert question.source == {"type": "user", "id": stage.anna.id, "name": "anna"}
        assert ExternalId.of_message(answer.platforms, {}) == ExternalId(
            "discord", guild_of(place), place.id, given.messages[0].id
        )


async def test_command_goes_on_with_the_thread_it_is_given_in(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        first = await stage.discord.say(stage.anna, stage.general, "<@BOT> begin")
        await stage.answered(first)
        thread = stage.discord.thread_of(first)
        assert thread is not None
        given = await asked(stage, thread, "and on")
        await answered(stage, given)
        assert [text for _, text in await stage.said_at(first)][-2:] == ["and on", "+ and on"]
        assert len(await stage.threads()) == 1


async def test_command_s_answer_in_a_dm_is_kept_once(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=long_answer) as stage:
        dm = stage.discord.open_dm(stage.anna)
        given = await asked(stage, dm)
        await answered(stage, given, 3)
        await stage.discord.say(stage.anna, dm, "and?")
        await stage.until(lambda: len(stage.turns) == 2)
        assert [message.role for message in stage.turns[1].thread.messages] == ["user", "assistant", "user"]


async def long_answer(turn: Turn) -> str:
    return "word " * 1_000


async def test_long_answer_goes_on_in_follow_ups(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=long_answer) as stage:
        given = await asked(stage, stage.general)
        texts = await answered(stage, given, 3)
        assert [len(text) <= 2_000 for text in texts] == [True] * 3
        assert " ".join(texts).split() == ["word"] * 1_000
        assert stage.discord.calls_of("POST", POST) == []


async def test_post_before_the_answer_takes_the_placeholder(home: Home) -> None:
    async def two(turn: Turn) -> str:
        await turn.post("one moment")
        return "done"

    async with on_stage(home.sqlite_url, handler=two) as stage:
        given = await asked(stage, stage.general)
        assert await answered(stage, given, 2) == ["one moment", "done"]


async def test_answer_grows_in_the_placeholder(home: Home) -> None:
    async def grow(turn: Turn) -> AsyncIterator[str]:
        yield "one "
        yield "two"

    async with on_stage(home.sqlite_url, handler=grow) as stage:
        given = await asked(stage, stage.general)
        await stage.until(lambda: given.texts == ["one two"])
        await stage.settled()
        assert given.texts == ["one two"]
        assert await said(stage, given) == [("user", "hello"), ("assistant", "one two")]


async def test_reaction_to_a_command_stands_on_its_answer(home: Home) -> None:
    async def react(turn: Turn) -> str:
        await turn.react("👀")
        return "seen"

    async with on_stage(home.sqlite_url, handler=react) as stage:
        given = await asked(stage, stage.general)
        await answered(stage, given)
        assert stage.discord.reactions(given.messages[0]) == {"👀": ["backscroll"]}


async def test_answer_to_a_command_notifies_nobody(home: Home) -> None:
    async def loud(turn: Turn) -> str:
        return "@everyone " + "x" * 1_990 + f" <@{stage.anna.id}>"

    async with on_stage(home.sqlite_url, handler=loud) as stage:
        given = await asked(stage, stage.general)
        await answered(stage, given, 2)
        assert [stage.discord.pinged(message) for message in given.messages] == [frozenset()] * 2


async def test_file_of_an_answer_is_a_follow_up(home: Home) -> None:
    async def with_file(turn: Turn) -> Message:
        return Message(role="assistant", content="here", attachments=[Attachment(name="a.txt", content=b"content")])

    async with on_stage(home.sqlite_url, handler=with_file) as stage:
        given = await asked(stage, stage.general)
        await answered(stage, given, 2)
        assert [(message.content, len(message.files)) for message in given.messages] == [("here", 0), ("", 1)]
        assert stage.discord.calls_of("POST", POST) == []


async def test_handler_that_fails_tells_so_in_the_placeholder(home: Home, short_waits: None) -> None:
    async def fail(turn: Turn) -> str:
        raise ValueError

    async with on_stage(home.sqlite_url, handler=fail, bot=BotConfig(failure_text="Sorry.")) as stage:
        given = await asked(stage, stage.general)
        assert await answered(stage, given) == ["Sorry."]


# Kept first


async def test_command_is_deferred_only_when_it_is_kept(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        with home.locked():
            given = await asked(stage, stage.general)
            await stage.discord.quiet()
            await asyncio.sleep(0.1)  # nothing tells that it waits
            assert stage.discord.calls_of("POST", CALLBACK) == []
        assert await answered(stage, given) == ["+ hello"]


async def test_command_is_deferred_in_time_while_its_answer_is_made(home: Home) -> None:
    go_on = asyncio.Event()

    async def wait(turn: Turn) -> str:
        await go_on.wait()
        return "at last"

    async with on_stage(home.sqlite_url, handler=wait) as stage:
        given = await asked(stage, stage.general)
        await stage.until(lambda: given.is_deferred)
        assert await said(stage, given) == [("user", "hello")]
        go_on.set()
        assert await answered(stage, given) == ["at last"]


async def test_command_that_cannot_be_kept_in_time_is_told_so_to_its_giver(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "ANSWER_S", 0.1)
    async with on_stage(home.sqlite_url) as stage:
        with home.locked():
            given = await asked(stage, stage.general)
            await stage.until(lambda: given.messages)
            assert given.is_ephemeral
        await stage.settled()
        assert given.texts == ["I cannot keep that now. Please ask again in a while."]
        assert await stage.threads() == []
        assert await stage.answers() == []


async def test_answer_waits_for_a_slow_acknowledgement(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        stage.discord.fail("POST", CALLBACK, Fault.hang(0.3))
        given = await asked(stage, stage.general)
        assert await answered(stage, given) == ["+ hello"]
        assert stage.discord.calls_of("POST", POST) == []


@pytest.mark.parametrize("kind", ["channel", "thread", "dm"])
async def test_command_that_discord_was_not_told_of_is_answered_in_its_place(home: Home, kind: str) -> None:
    async with on_stage(home.sqlite_url) as stage:
        place = (await places(stage))[kind]
        stage.discord.fail("POST", CALLBACK, Fault.error(404, 10062, "Unknown interaction"))
        given = await asked(stage, place)
        await stage.until(lambda: stage.discord.posted_by_bot(place))
        await stage.settled()
        assert stage.discord.posted_by_bot(place) == ["+ hello"]
        assert await said(stage, given) == [("user", "hello"), ("assistant", "+ hello")]


async def test_command_that_another_process_is_telling_discord_of_is_answered_in_its_placeholder(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "EARLY_S", 1.0)
    async with on_stage(home.sqlite_url) as stage:
        stage.discord.fail("PATCH", ORIGINAL, Fault.error(404, 10015, "Unknown Webhook"))
        given = await asked(stage, stage.general)
        assert await answered(stage, given) == ["+ hello"]
        assert stage.discord.calls_of("POST", POST) == []


async def test_answer_whose_placeholder_was_deleted_stands_in_the_channel(home: Home) -> None:
    go_on = asyncio.Event()

    async def wait(turn: Turn) -> str:
        await go_on.wait()
        return "at last"

    async with on_stage(home.sqlite_url, handler=wait) as stage:
        given = await asked(stage, stage.general)
        await stage.until(lambda: given.is_deferred)
        placeholder = given.messages.pop()
        await stage.discord.delete(placeholder)
        go_on.set()
        await stage.until(lambda: stage.discord.posted_by_bot(stage.general))
        await stage.settled()
        assert stage.discord.posted_by_bot(stage.general) == ["at last"]


# Once


async def test_repeated_command_is_answered_once(url: str) -> None:
    async with on_stage(url) as stage:
        given = await asked(stage, stage.general)
        await stage.discord.repeat_last()
        await answered(stage, given)
        await stage.discord.repeat_last(3)
        await stage.settled()
        assert given.texts == ["+ hello"]
        assert len(stage.turns) == 1
        assert await said(stage, given) == [("user", "hello"), ("assistant", "+ hello")]


async def test_repeated_command_leaves_its_answer_where_it_stands(
    home: Home, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_stage(home.sqlite_url, switches={"clock_shift_s": -12 * MINUTE_S}) as stage:
        given = await asked(stage, stage.general)
        assert await answered(stage, given) == ["+ hello"]
        await stage.discord.send_event("INTERACTION_CREATE", told_of(stage, given))
        await stage.settled()
        monkeypatch.setattr(commands, "GOOD_FOR", timedelta(minutes=12, seconds=50))
        await swept(stage)
        assert given.texts == ["+ hello"]


async def test_repeated_command_takes_no_answer_s_place(home: Home) -> None:
    go_on = asyncio.Event()

    async def two(turn: Turn) -> str:
        await turn.post("one moment")
        await go_on.wait()
        return "done"

    async with on_stage(home.sqlite_url, handler=two) as stage:
        given = await asked(stage, stage.general)
        event = told_of(stage, given)
        await stage.until(lambda: given.texts == ["one moment"])
        await stage.discord.send_event("INTERACTION_CREATE", event)
        await stage.until(lambda: len(stage.discord.calls_of("POST", CALLBACK)) == 2)
        go_on.set()
        assert await answered(stage, given, 2) == ["one moment", "done"]


async def test_repeated_command_that_cannot_be_kept_now_takes_nothing_away(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()

    async def wait(turn: Turn) -> str:
        await go_on.wait()
        return "at last"

    async with on_stage(home.sqlite_url, handler=wait) as stage:
        given = await asked(stage, stage.general)
        event = told_of(stage, given)
        await stage.until(lambda: stage.turns and given.is_deferred)
        monkeypatch.setattr(commands, "ANSWER_S", 0.05)
        with home.locked():
            await stage.discord.send_event("INTERACTION_CREATE", event)
            await stage.until(lambda: len(stage.discord.calls_of("POST", CALLBACK)) == 2)
        await stage.discord.quiet()
        go_on.set()
        assert await answered(stage, given) == ["at last"]


def told_of(stage: Stage, interaction: Interaction) -> dict[str, Any]:
    """Return what the gateway said of a command."""
    (session,) = stage.discord._sessions.open
    told = [json.loads(frame) for _, frame in session._frames]
    (data,) = [each["d"] for each in told if each["t"] == "INTERACTION_CREATE" and each["d"]["id"] == interaction.id]
    return dict(data)


async def swept(stage: Stage) -> None:
    """Wait until the bot has looked after its commands, all of them."""
    await stage.discord.quiet()
    mark = "1"  # a ticket of long ago, which goes when all before it were looked at
    await stage.store.provider.set(TICKETS, mark, {"token": "t", "channel": "1", "filled_by": "x"})

    async def is_gone() -> bool:
        return await stage.store.provider.get(TICKETS, mark) is None

    await stage.until(is_gone)
    await stage.store.provider.set(TICKETS, mark, {"token": "t", "channel": "1", "filled_by": "x"})
    await stage.until(is_gone)


@pytest.mark.parametrize("fault", [Fault.cut_after(), Fault.cut_before(), Fault.server_error(503)])
@pytest.mark.parametrize(("method", "path"), [("PATCH", ORIGINAL), ("POST", FOLLOW_UP)])
async def test_answer_is_there_once_whatever_became_of_a_call(
    home: Home, short_waits: None, method: str, path: str, fault: Fault
) -> None:
    async with on_stage(home.sqlite_url, handler=long_answer) as stage:
        stage.discord.fail(method, path, fault)
        given = await asked(stage, stage.general)
        texts = await answered(stage, given, 3)
        assert " ".join(texts).split() == ["word"] * 1_000
        assert len(stage.discord.posted_by_bot(stage.general)) == 3


async def test_command_is_answered_after_a_restart(home: Home) -> None:
    hold = True

    async def wait(turn: Turn) -> str:
        if hold:
            await asyncio.Event().wait()
        return "at last"

    async with on_stage(home.sqlite_url, handler=wait) as stage:
        given = await asked(stage, stage.general)
        await stage.until(lambda: given.is_deferred and stage.turns)
        hold = False
        assert stage.bot is not None
        stage.bot.cancel()
        await asyncio.wait([stage.bot])
        stage.bot = None
        async with running(stage, config_of(stage.discord, stage.url, handler=wait)):
            assert await answered(stage, given) == ["at last"]


# Time


@pytest.mark.parametrize("kind", ["channel", "thread", "forum post", "dm"])
async def test_answer_after_a_quarter_of_an_hour_is_posted_in_its_place(home: Home, kind: str) -> None:
    async with on_stage(home.sqlite_url, switches={"clock_shift_s": -15 * MINUTE_S}) as stage:
        place = (await places(stage))[kind]
        given = await asked(stage, place)
        await stage.until(lambda: stage.discord.posted_by_bot(place)[-1:] == ["+ hello"])
        await stage.settled()
        (posted,) = stage.discord.calls_of("POST", POST)
        assert "message_reference" not in posted.json
        assert len(stage.discord.threads(stage.general)) == 1  # the one that was there
        assert await said(stage, given) == [("user", "hello"), ("assistant", "+ hello")]


async def test_placeholder_goes_at_once_when_there_is_no_answer(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=lambda _: None) as stage:
        given = await asked(stage, stage.general)
        await stage.until(lambda: given.response_type == 5 and not given.messages)
        await stage.settled()
        assert [answer.state for answer in await stage.answers()] == ["skipped"]
        assert await stage.store.provider.query(TICKETS, {}) == []


async def test_post_stays_though_the_handler_says_no_more(home: Home) -> None:
    async def post(turn: Turn) -> None:
        await turn.post("one moment")

    async with on_stage(home.sqlite_url, handler=post) as stage:
        given = await asked(stage, stage.general)
        assert await answered(stage, given) == ["one moment"]
        await stage.discord.quiet()
        assert given.texts == ["one moment"]
        assert stage.discord.calls_of("DELETE", "*") == []


async def test_placeholder_that_cannot_be_taken_away_at_once_goes_before_its_time_is_over(
    home: Home, soon: None
) -> None:
    async with on_stage(
        home.sqlite_url, handler=lambda _: None, switches={"clock_shift_s": -13.75 * MINUTE_S}
    ) as stage:
        stage.discord.fail("DELETE", ORIGINAL, Fault.error(403, 50013, "Missing Permissions"))
        given = await asked(stage, stage.general)
        await stage.until(lambda: given.response_type == 5 and not given.messages)
        await stage.settled()
        assert [answer.state for answer in await stage.answers()] == ["skipped"]


async def test_placeholder_stays_while_there_is_time(home: Home, soon: None) -> None:
    go_on = asyncio.Event()

    async def wait(turn: Turn) -> None:
        await go_on.wait()

    async with on_stage(home.sqlite_url, handler=wait, switches={"clock_shift_s": -12 * MINUTE_S}) as stage:
        given = await asked(stage, stage.general)
        await stage.until(lambda: given.is_deferred)
        await swept(stage)
        assert given.is_deferred
        go_on.set()


async def test_answer_after_its_placeholder_went_stands_in_the_channel(home: Home, soon: None) -> None:
    go_on = asyncio.Event()

    async def wait(turn: Turn) -> str:
        await go_on.wait()
        return "at last"

    async with on_stage(home.sqlite_url, handler=wait, switches={"clock_shift_s": -13.75 * MINUTE_S}) as stage:
        given = await asked(stage, stage.general)
        await stage.until(lambda: given.response_type == 5 and not given.messages)
        go_on.set()
        await stage.until(lambda: stage.discord.posted_by_bot(stage.general))
        await stage.settled()
        assert stage.discord.posted_by_bot(stage.general) == ["at last"]


async def test_ticket_is_forgotten_after_a_day(home: Home, soon: None) -> None:
    async with on_stage(home.sqlite_url, switches={"clock_shift_s": -25 * 60 * MINUTE_S}) as stage:
        given = await asked(stage, stage.general)

        async def is_forgotten() -> bool:
            return await stage.store.provider.get(TICKETS, given.id) is None

        await stage.until(lambda: stage.discord.posted_by_bot(stage.general))
        await stage.until(is_forgotten)


# Other commands


async def test_new_in_a_dm_begins_a_new_thread(url: str) -> None:
    async with on_stage(url) as stage:
        dm = stage.discord.open_dm(stage.anna)
        await stage.discord.say(stage.anna, dm, "first")
        await stage.until(lambda: stage.discord.posted_by_bot(dm) == ["+ first"])
        await stage.settled()
        given = await stage.discord.use_command(stage.anna, dm, "new")
        await stage.until(lambda: given.messages)
        second = await stage.discord.say(stage.anna, dm, "second")
        await stage.until(lambda: "+ second" in stage.discord.posted_by_bot(dm))
        await stage.settled()
        assert (given.texts, given.is_ephemeral) == (["A new thread begins."], True)
        assert len(await stage.threads()) == 2
        assert await stage.said_at(second) == [("user", "second"), ("assistant", "+ second")]


async def test_new_that_is_repeated_parts_no_thread_that_went_on(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        dm = stage.discord.open_dm(stage.anna)
        given = await stage.discord.use_command(stage.anna, dm, "new")
        await stage.until(lambda: given.messages)
        event = told_of(stage, given)
        await stage.discord.say(stage.anna, dm, "first")
        await stage.until(lambda: stage.discord.posted_by_bot(dm) == ["+ first"])
        await stage.settled()
        await stage.discord.send_event("INTERACTION_CREATE", event)
        await stage.until(lambda: len(stage.discord.calls_of("POST", CALLBACK)) == 2)
        second = await stage.discord.say(stage.anna, dm, "second")
        await stage.until(lambda: "+ second" in stage.discord.posted_by_bot(dm))
        await stage.settled()
        assert len(await stage.said_at(second)) == 4


@pytest.mark.parametrize("name", ["new", "other"])
async def test_command_that_is_none_here_is_told_so_to_its_giver(home: Home, name: str) -> None:
    async with on_stage(home.sqlite_url) as stage:
        given = await stage.discord.use_command(stage.anna, stage.general, name, question="hello")
        await stage.until(lambda: given.messages)
        assert (given.texts, given.is_ephemeral) == (["This bot has no such command here."], True)
        assert await stage.threads() == []


@pytest.mark.parametrize("allow", ["users", "channels"])
async def test_who_is_not_answered_is_told_so_alone(home: Home, allow: str) -> None:
    bot = BotConfig(allow=AllowConfig(**{allow: frozenset({"1"})}))
    async with on_stage(home.sqlite_url, bot=bot) as stage:
        given = await asked(stage, stage.general)
        await stage.until(lambda: given.messages)
        await stage.settled()
        assert (given.texts, given.is_ephemeral) == (["I may not answer you here."], True)
        assert await stage.threads() == []
        assert await stage.store.provider.query(TICKETS, {}) == []


# Registered


def names(stage: Stage) -> set[str]:
    return {command["name"] for command in stage.discord.commands}


async def registered(stage: Stage) -> None:
    async def is_noted() -> bool:
        return await stage.store.provider.get(COMMANDS, stage.discord.application_id) is not None

    await stage.until(is_noted)


async def test_command_has_the_name_that_the_configuration_gives(home: Home) -> None:
    async with on_stage(home.sqlite_url, command="frage") as stage:
        await registered(stage)
        assert names(stage) == {"frage", "new"}
        given = await stage.discord.use_command(stage.anna, stage.general, "frage", question="hello")
        assert await answered(stage, given) == ["+ hello"]


async def test_no_question_is_registered_where_none_is_wanted(home: Home) -> None:
    async with on_stage(home.sqlite_url, command=None) as stage:
        await registered(stage)
        assert names(stage) == {"new"}
        given = await asked(stage, stage.general)
        await stage.until(lambda: given.messages)
        assert given.is_ephemeral


async def test_restart_registers_nothing_again(home: Home) -> None:
    async with FakeDiscord() as discord:
        async with on_stage(home.sqlite_url, discord=discord) as stage:
            await registered(stage)
        count = len(discord.calls_of("*", REGISTER))
        async with on_stage(home.sqlite_url, discord=discord) as stage:
            given = await asked(stage, stage.general)
            await answered(stage, given)
        assert len(discord.calls_of("*", REGISTER)) == count == 2


@pytest.mark.parametrize("second", ["frage", None])
async def test_renamed_command_goes_and_others_stay(home: Home, second: str | None) -> None:
    async with FakeDiscord() as discord:
        discord._world.commands.append({"id": "77", "name": "foreign", "application_id": discord.application_id})
        async with on_stage(home.sqlite_url, discord=discord) as stage:
            await registered(stage)
            assert names(stage) == {"foreign", "ask", "new"}
        async with on_stage(home.sqlite_url, discord=discord, command=second) as stage:
            expected = {"foreign", "new"} | ({second} if second else set())
            await stage.until(lambda: names(stage) == expected)


async def test_renamed_command_that_is_gone_already_holds_up_nothing(home: Home) -> None:
    async with FakeDiscord() as discord:
        async with on_stage(home.sqlite_url, discord=discord) as stage:
            await registered(stage)
        discord._world.commands.clear()
        async with on_stage(home.sqlite_url, discord=discord, command="frage") as stage:

            async def is_noted() -> bool:
                kept = await stage.store.provider.get(COMMANDS, discord.application_id) or {}
                return "frage" in kept["ids"]

            await stage.until(is_noted)


async def test_commands_that_discord_does_not_take_now_are_registered_later(home: Home, soon: None) -> None:
    async with FakeDiscord() as discord:
        discord.fail("POST", REGISTER, Fault.error(400, 50035, "Invalid Form Body"))
        discord.fail("POST", REGISTER, Fault.cut_before())
        async with on_stage(home.sqlite_url, discord=discord) as stage:
            await registered(stage)
            assert names(stage) == {"ask", "new"}


async def test_commands_that_are_not_taken_hold_up_no_reading_back(home: Home) -> None:
    async with FakeDiscord() as discord:
        async with on_stage(home.sqlite_url, discord=discord) as stage:
            await registered(stage)
            root = await discord.say(stage.anna, stage.general, "0 <@BOT>")
            await stage.answered(root)
        assert root.thread is not None
        await discord.say(stage.anna, root.thread, "1")
        discord.fail("POST", REGISTER, Fault.hang(3_600))
        async with on_stage(home.sqlite_url, discord=discord, command="frage") as stage:
            assert await stage.answered(root, 2) == ["+ 0 @backscroll", "+ 1"]
            assert names(stage) == {"ask", "new"}


# Secret


def test_repr_of_a_ticket_shows_no_token() -> None:
    assert "secret" not in repr(Ticket("1", "secret", "2", utc_now()))


async def test_command_is_kept_behind_what_was_said_before_it(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        for _ in range(10):
            thread = await stage.discord.start_thread(stage.anna, stage.general, "talk")
            for number in range(3):
                await stage.discord.say(stage.anna, thread, f"talk {number}")
            asked = await stage.discord.use_command(stage.anna, thread, "ask", question="hello")
            await stage.until(lambda asked=asked: asked.texts == ["+ hello"])  # type: ignore[misc]
            await stage.settled()
            assert stage.discord.posted_by_bot(thread) == ["+ hello"]
