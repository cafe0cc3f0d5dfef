"""Discord's gateway: connections that break, a Discord that is away, what ends the bot for good, shards, the end."""

import asyncio
import contextlib
import gc
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import discord
import pytest
from discord.backoff import ExponentialBackoff

from backscroll.adapters.discord import catching_up, gateway
from backscroll.adapters.discord.catching_up import CatchingUp
from backscroll.adapters.discord.gateway import Gateway
from backscroll.adapters.discord.receiving import Receiver
from backscroll.bot.app import run_bot
from backscroll.errors import AdapterError
from backscroll.testing import FakeDiscord, Fault
from tests.scenario.conftest import Call, Called
from tests.scenario.discord import Stage, config_of, on_stage, running
from tests.scenario.program import PATIENCE_S, Home

PORTAL = "discord.com/developers/applications"
MALFORMED = '{"op": 0, "t": "MESSAGE_CREATE", "s": 99, "d": {"id": "x"}}'


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "BACK_OFF_S", (0.02, 0.1))
    monkeypatch.setattr(catching_up, "LOOK_S", 0.02)
    monkeypatch.setattr(catching_up, "RETRY_S", 0.05)
    # discord.py's own waits: up to two seconds for the first, and five before a second session.
    monkeypatch.setattr(ExponentialBackoff, "delay", lambda self: 0.02)

    async def go_on(client: discord.Client, shard_id: int | None, *, initial: bool = False) -> None: ...

    monkeypatch.setattr(discord.Client, "before_identify_hook", go_on)


async def asks(stage: Stage, text: str) -> list[str]:
    """Let Anna ask something in the channel, and return what is answered."""
    return await stage.answered(await stage.discord.say(stage.anna, stage.general, f"{text} <@BOT>"))


# A connection that breaks

BREAKS: dict[str, Callable[[FakeDiscord], Any]] = {
    "a cut": lambda discord: discord.drop_sockets(),
    "opcode 7": lambda discord: discord.reconnect(),
    "opcode 9, resumable": lambda discord: discord.invalidate_sessions(resumable=True),
    "close code 1001": lambda discord: discord.close_sockets(1001),
    "close code 4000": lambda discord: discord.close_sockets(4000),
    "close code 4008": lambda discord: discord.close_sockets(4008),
}


async def break_it(discord: FakeDiscord, act: Callable[[FakeDiscord], Any]) -> None:
    done = act(discord)
    if done is not None:
        await done


@pytest.mark.parametrize("act", BREAKS.values(), ids=BREAKS.keys())
async def test_session_that_breaks_is_resumed_and_loses_nothing(home: Home, act: Callable[[FakeDiscord], Any]) -> None:
    async with on_stage(home.sqlite_url) as stage:
        await asks(stage, "before")
        await break_it(stage.discord, act)
        assert await asks(stage, "after") == ["+ after @backscroll"]
        assert (stage.discord.resumes, len(stage.discord.identifies)) == (1, 1)


ENDS: dict[str, Callable[[FakeDiscord], Any]] = {
    "opcode 9": lambda discord: discord.invalidate_sessions(),
    "close code 4007": lambda discord: discord.close_sockets(4007),
    "close code 4009": lambda discord: discord.close_sockets(4009),
    "a malformed frame": lambda discord: discord.send_raw(MALFORMED),
    "no JSON": lambda discord: discord.send_raw("{"),
}


@pytest.mark.parametrize("act", ENDS.values(), ids=ENDS.keys())
async def test_session_that_ends_is_followed_by_another_and_loses_nothing(
    home: Home, act: Callable[[FakeDiscord], Any]
) -> None:
    async with on_stage(home.sqlite_url) as stage:
        await asks(stage, "before")
        await break_it(stage.discord, act)
        asked = await stage.discord.say(stage.anna, stage.general, "after <@BOT>")
        await stage.until(lambda: len(stage.discord.identifies) == 2 and stage.discord.session_count == 1)
        assert await stage.answered(asked) == ["+ after @backscroll"]
        assert len(await stage.answers()) == 2


def beating() -> set[threading.Thread]:
    """Return discord.py's heartbeats."""
    return {thread for thread in threading.enumerate() if "keep-alive" in thread.name}


async def test_client_that_ended_leaves_no_connection_behind(home: Home) -> None:
    before = beating()
    async with on_stage(home.sqlite_url) as stage:
        for count in (2, 3, 4):
            await stage.discord.send_raw(MALFORMED)
            await stage.until(lambda count=count: len(stage.discord.identifies) == count)  # type: ignore[misc]
        await asks(stage, "hello")
        assert stage.discord.session_count == 1
        assert len(beating() - before) == 1


async def test_first_connection_that_is_refused_is_made_anew(home: Home) -> None:
    async with FakeDiscord() as discord:
        discord.refuse_connections()
        bot = asyncio.create_task(run_bot(config_of(discord, home.sqlite_url)))
        await discord.until(lambda: len(discord.calls_of("GET", "/gateway/bot")) > 2)
        discord.refuse_connections(False)
        anna, general = discord.add_user("anna"), discord.add_channel("general")
        await discord.until(lambda: discord.session_count)
        asked = await discord.say(anna, general, "hello <@BOT>")
        await discord.until(lambda: asked.thread is not None and discord.posted_by_bot(asked.thread))
        bot.cancel()
        await asyncio.wait([bot])


async def test_connection_of_which_nothing_is_heard_is_given_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExponentialBackoff, "delay", lambda self: 1_000.0)  # as discord.py comes to wait
    monkeypatch.setattr(gateway, "GIVE_UP_S", 0.5)
    async with on_stage(home.sqlite_url, switches={"heartbeat_interval_ms": 50}) as stage:
        await asks(stage, "before")
        stage.discord.refuse_connections()
        stage.discord.drop_sockets()
        asked = await stage.discord.say(stage.anna, stage.general, "after <@BOT>")
        stage.discord.forget_sessions()
        await stage.until(lambda: len(stage.discord.calls_of("GET", "/gateway/bot")) > 2)
        stage.discord.refuse_connections(False)
        assert await stage.answered(asked) == ["+ after @backscroll"]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the waits between two clients."""
    noted: list[float] = []
    sleep = asyncio.sleep

    async def note(delay: float, result: Any = None) -> Any:
        if delay in {0.011, 0.022, 0.044, 0.05}:
            noted.append(delay)
        return await sleep(delay, result)

    monkeypatch.setattr(asyncio, "sleep", note)
    monkeypatch.setattr(gateway, "BACK_OFF_S", (0.011, 0.05))
    return noted


@pytest.mark.parametrize("steady_s", [300.0, 0.0])
async def test_wait_for_a_new_client_grows_until_a_connection_has_lasted(
    home: Home, waits: list[float], monkeypatch: pytest.MonkeyPatch, steady_s: float
) -> None:
    monkeypatch.setattr(gateway, "STEADY_S", steady_s)
    async with on_stage(home.sqlite_url) as stage:
        for count in range(2, 7):
            await stage.discord.send_raw(MALFORMED)
            await stage.until(lambda count=count: len(stage.discord.identifies) == count)  # type: ignore[misc]
    assert waits == ([0.011, 0.022, 0.044, 0.05, 0.05] if steady_s else [0.011] * 5)


# What ends the bot for good


async def called(call: Call, home: Home, discord: FakeDiscord, *arguments: str, **settings: Any) -> Called:
    """Call the command line in a thread, beside the Discord of this one."""
    section = {"token": discord.token, "api_base_url": discord.api_url} | settings
    home.configure(adapters={"discord": section})
    return await asyncio.to_thread(call, *arguments)


@pytest.mark.parametrize("command", ["run", "check"])
async def test_wrong_token_ends_with_4_and_names_the_portal(new_home: Home, call: Call, command: str) -> None:
    async with FakeDiscord() as discord:
        done = await called(call, new_home, discord, command, token="abc.def")
    assert done.code == 4
    assert done.err == (
        f"Discord does not take the token for the login.\n  Reset it at {PORTAL}, under Bot, and set it anew.\n"
    )


async def test_token_that_is_reset_while_it_runs_ends_with_4(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        stage.discord.refuse_token()
        bot, stage.bot = stage.bot, None
        assert bot is not None
        await stage.discord.close_sockets(4004)
        with pytest.raises(AdapterError) as caught:
            await asyncio.wait_for(bot, PATIENCE_S)
        assert (caught.value.message, PORTAL in caught.value.hint) == ("Discord does not take the token.", True)


async def test_intent_that_is_not_allowed_ends_a_run_with_4_and_names_the_portal(new_home: Home, call: Call) -> None:
    async with FakeDiscord(message_content_allowed=False) as discord:
        done = await called(call, new_home, discord, "run")
    assert done.code == 4
    assert done.err.splitlines()[-2:] == [
        "Discord does not allow an intent.",
        f"  Switch on Message Content Intent at {PORTAL}, under Bot; or set adapters.discord.message_content: false.",
    ]
    assert "Traceback" not in done.err


async def test_intent_that_is_not_allowed_is_found_by_a_check(new_home: Home, call: Call) -> None:
    async with FakeDiscord(message_content_allowed=False) as discord:
        done = await called(call, new_home, discord, "check")
        assert discord.identifies == []
    assert done.code == 4
    assert PORTAL in done.err


@pytest.mark.parametrize("shards", [None, 2])
async def test_bot_that_has_to_be_sharded_is_told_so(new_home: Home, call: Call, shards: int | None) -> None:
    settings = {} if shards is None else {"shards": shards}
    async with FakeDiscord(sharding_required=True, message_content_allowed=shards is None) as discord:
        done = await called(call, new_home, discord, "run", **settings)
    fact = "Discord wants this bot in shards." if shards is None else "Discord does not allow an intent."
    assert done.code == 4
    assert done.err.splitlines()[-2] == fact
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("code", "fact"),
    [(4010, "Discord knows no such shard."), (4012, "Discord no longer speaks this version of its gateway."),
     (4013, "Discord knows no such intents.")],
)  # fmt: skip
@pytest.mark.parametrize("shards", [None, 1])
async def test_code_that_is_final_ends_the_bot(home: Home, code: int, fact: str, shards: int | None) -> None:
    async with on_stage(home.sqlite_url, shards=shards) as stage:
        bot, stage.bot = stage.bot, None
        assert bot is not None
        await stage.discord.close_sockets(code)
        with pytest.raises(AdapterError) as caught:
            await asyncio.wait_for(bot, PATIENCE_S)
        assert caught.value.message == fact
        assert len(stage.discord.identifies) == 1


async def test_bot_ends_though_a_wait_of_its_own_is_over_at_that_moment(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(self: CatchingUp, gateway: Gateway, receiver: Receiver) -> None:
        looking = asyncio.current_task()
        assert looking is not None
        looking.cancel()  # as asyncio.timeout does
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        await asyncio.Event().wait()

    monkeypatch.setattr(CatchingUp, "run", look)
    async with on_stage(home.sqlite_url) as stage:
        bot, stage.bot = stage.bot, None
        assert bot is not None
        await stage.discord.close_sockets(4010)
        with pytest.raises(AdapterError):
            await asyncio.wait_for(bot, PATIENCE_S)


async def test_library_says_nothing_of_its_own(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    names, noted = [name for name in logging.root.manager.loggerDict if name.startswith("discord")], logging.Handler()
    heard: list[str] = []
    monkeypatch.setattr(noted, "emit", lambda record: heard.append(record.name))
    for name in names:
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)
    logging.root.addHandler(noted)
    try:
        async with on_stage(home.sqlite_url) as stage:
            await asks(stage, "hello")
            stage.discord.drop_sockets()
            await asks(stage, "hello")
            await stage.discord.send_raw(MALFORMED)
            await stage.until(lambda: len(stage.discord.identifies) == 2)
            await asks(stage, "hello")
    finally:
        logging.root.removeHandler(noted)
    assert "backscroll.adapters.discord.gateway" in heard
    assert [name for name in heard if name.startswith("discord")] == []


async def test_console_goes_on_without_discord(home: Home) -> None:
    async with FakeDiscord() as discord:
        section = {"token": "abc.def", "api_base_url": discord.api_url}
        home.configure(adapters={"console": {}, "discord": section})
        done = await asyncio.to_thread(home.run, "hello")
    assert "You said: hello" in done.out
    assert done.process.returncode == 4
    assert "Discord does not take the token" in done.err
    assert "Traceback" not in done.err


# A Discord that is away


async def test_bot_starts_though_discord_is_down_and_serves_when_it_is_up(home: Home) -> None:
    async with FakeDiscord() as discord:
        port = discord.port
    bot = asyncio.create_task(run_bot(config_of(discord, home.sqlite_url)))
    again = FakeDiscord(port=port)
    again._world.token = discord.token
    await discord.until((home.directory / "backscroll.db").exists)
    async with again:
        anna, general = again.add_user("anna"), again.add_channel("general")
        await again.until(lambda: again.session_count)
        asked = await again.say(anna, general, "hello <@BOT>")
        await again.until(lambda: asked.thread is not None and again.posted_by_bot(asked.thread))
        bot.cancel()
        await asyncio.wait([bot])


@pytest.mark.parametrize("fault", [Fault.server_error(503), Fault.cut_before()], ids=["503", "cut"])
async def test_login_that_discord_does_not_answer_is_tried_again(home: Home, fault: Fault) -> None:
    async with FakeDiscord() as discord:
        discord.fail("GET", "/users/@me", fault, times=4)
        async with on_stage(home.sqlite_url, discord=discord) as stage:
            assert await asks(stage, "hello") == ["+ hello @backscroll"]


@pytest.mark.parametrize("path", ["/users/@me", "/oauth2/applications/@me", "/gateway/bot"])
@pytest.mark.parametrize("fault", [Fault.page(), Fault.error(200)], ids=["page", "other JSON"])
async def test_network_that_answers_in_discord_s_place_is_waited_out(
    home: Home, caplog: pytest.LogCaptureFixture, path: str, fault: Fault
) -> None:
    async with FakeDiscord() as discord:
        discord.fail("GET", path, fault, times=3)
        async with on_stage(home.sqlite_url, discord=discord) as stage:
            assert await asks(stage, "hello") == ["+ hello @backscroll"]
        assert len(discord.calls_of("GET", path)) > 3
    assert "Sign in" not in caplog.text


async def test_check_tells_of_a_network_that_answers_in_discord_s_place(new_home: Home, call: Call) -> None:
    async with FakeDiscord() as discord:
        discord.fail("GET", "/users/@me", Fault.page(), times=9)
        done = await called(call, new_home, discord, "check")
    assert done.code == 4
    assert "Discord broke off at the login: " in done.err


async def test_question_that_was_asked_while_discord_was_away_is_answered_once(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        discord = stage.discord
        root = await discord.say(stage.anna, stage.general, "0 <@BOT>")
        await stage.answered(root)
        assert root.thread is not None
        await discord.__aexit__(None, None, None)
        await discord.say(stage.anna, root.thread, "1")
        await discord.__aenter__()
        await stage.until(lambda: discord.session_count)
        assert await stage.answered(root, 2) == ["+ 0 @backscroll", "+ 1"]


# The end


async def test_stop_leaves_no_session_socket_task_thread_or_address_behind(home: Home) -> None:
    heartbeats = beating()
    base, default = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
    async with FakeDiscord() as fake:
        before = asyncio.all_tasks()
        async with on_stage(home.sqlite_url, discord=fake) as stage:
            await asks(stage, "hello")
            assert fake.api_url == discord.http.Route.BASE
        assert base == discord.http.Route.BASE
        assert default == discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
        # They are told to end, and do so in their own time.
        await fake.until(lambda: not beating() - heartbeats)
        await fake.until(lambda: not fake.session_count)
        await fake.until(lambda: not [task for task in asyncio.all_tasks() - before if "aiohttp" not in repr(task)])
    gc.collect()  # what is open still warns, which is an error here


@pytest.mark.parametrize("shards", [None, 2])
async def test_stop_before_the_first_connection_leaves_nothing_behind(home: Home, shards: int | None) -> None:
    base = discord.http.Route.BASE
    async with FakeDiscord() as fake:
        fake.refuse_connections()
        bot = asyncio.create_task(run_bot(config_of(fake, home.sqlite_url, shards=shards)))
        await fake.until(lambda: fake.calls_of("GET", "/gateway/bot"))
        bot.cancel()
        await asyncio.wait([bot])
        assert base == discord.http.Route.BASE
        assert asyncio.all_tasks() - {asyncio.current_task()} == {
            task for task in asyncio.all_tasks() - {asyncio.current_task()} if "discord" not in repr(task)
        }
    gc.collect()


# Shards


@asynccontextmanager
async def in_four_servers(home: Home, **settings: Any) -> AsyncIterator[tuple[Stage, list[Any]]]:
    """Give a stage and four channels, each of a server of its own, on two shards."""
    async with FakeDiscord(shards=2) as fake:
        guilds = [fake.guild, *(fake.add_guild(f"guild {number}") for number in range(3))]
        assert {fake.shard_of(guild, 2) for guild in guilds} == {0, 1}
        async with on_stage(home.sqlite_url, discord=fake, **settings) as stage:
            yield stage, [fake.add_channel("general", guild=guild) for guild in guilds]


@pytest.mark.parametrize("shards", ["auto", 2])
async def test_every_shard_is_heard(home: Home, shards: Any) -> None:
    async with in_four_servers(home, shards=shards) as (stage, channels):
        await stage.until(lambda: stage.discord.session_count == 2)
        for channel in channels:
            asked = await stage.discord.say(stage.anna, channel, "hello <@BOT>")
            assert await stage.answered(asked) == ["+ hello @backscroll"]
        direct = await stage.discord.say(stage.anna, stage.discord.open_dm(stage.anna), "hi")
        assert await stage.answered(direct) == ["+ hi"]
        assert [each["shard"] for each in stage.discord.identifies] == [[0, 2], [1, 2]]


async def test_shards_of_two_processes_hear_their_own_servers(home: Home) -> None:
    async with in_four_servers(home, shards=2, shard_ids=(0,)) as (stage, channels):
        discord, first = stage.discord, stage.bot
        near = [channel for channel in channels if discord.shard_of(channel.guild, 2) == 0]
        far = [channel for channel in channels if discord.shard_of(channel.guild, 2) == 1]
        asked = [await discord.say(stage.anna, channel, "hello <@BOT>") for channel in [*far, *near]]
        await stage.answered(asked[-1])
        assert [await stage.kept(each) for each in asked[: len(far)]] == [None] * len(far)
        async with running(stage, config_of(discord, stage.url, shards=2, shard_ids=(1,))):
            for channel in channels:
                question = await discord.say(stage.anna, channel, "and now, <@BOT>?")
                assert await stage.answered(question) == ["+ and now, @backscroll?"]
        stage.bot = first
        assert sorted(each["shard"] for each in discord.identifies) == [[0, 2], [1, 2]]


async def test_shard_that_breaks_is_resumed_and_loses_nothing(home: Home) -> None:
    async with in_four_servers(home, shards=2) as (stage, channels):
        await stage.until(lambda: stage.discord.session_count == 2)
        await stage.settled()
        stage.discord.drop_sockets()
        asked = [await stage.discord.say(stage.anna, channel, "hello <@BOT>") for channel in channels]
        for each in asked:
            assert await stage.answered(each) == ["+ hello @backscroll"]


async def test_malformed_frame_of_a_shard_is_followed_by_new_ones(home: Home) -> None:
    async with in_four_servers(home, shards=2) as (stage, channels):
        await stage.until(lambda: stage.discord.session_count == 2)
        await stage.discord.send_raw(MALFORMED)
        await stage.until(lambda: len(stage.discord.identifies) == 4 and stage.discord.session_count == 2)
        for channel in channels:
            asked = await stage.discord.say(stage.anna, channel, "hello <@BOT>")
            assert await stage.answered(asked) == ["+ hello @backscroll"]


# Without the words


@pytest.fixture
async def wordless(home: Home) -> AsyncIterator[Stage]:
    switches = {"message_content_allowed": False}
    async with on_stage(home.sqlite_url, switches=switches, message_content=False) as stage:
        yield stage


async def test_without_message_content_mentions_and_direct_messages_are_answered(wordless: Stage) -> None:
    assert await asks(wordless, "hello") == ["+ hello @backscroll"]
    direct = await wordless.discord.say(wordless.anna, wordless.discord.open_dm(wordless.anna), "hi")
    assert await wordless.answered(direct) == ["+ hi"]


async def test_without_message_content_an_edit_that_is_not_shown_leaves_the_text(wordless: Stage) -> None:
    asked = await wordless.discord.say(wordless.anna, wordless.general, "hello <@BOT>")
    await wordless.answered(asked)
    await wordless.discord.edit(asked, "hello")
    await wordless.settled()
    kept = await wordless.kept(asked)
    assert kept is not None
    assert kept.text == "hello @backscroll"


async def test_without_message_content_a_message_that_is_not_shown_asks_nothing(wordless: Stage) -> None:
    asked = await wordless.discord.say(wordless.anna, wordless.general, "hello <@BOT>")
    await wordless.answered(asked)
    assert asked.thread is not None
    await wordless.discord.say(wordless.anna, asked.thread, "and more")
    await wordless.settled()
    assert wordless.discord.posted_by_bot(asked.thread) == ["+ hello @backscroll"]


async def test_stop_while_a_connection_is_given_up_waits_for_its_end(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    close, begun, ended = discord.Client.close, list[discord.Client](), list[discord.Client]()

    async def slow(client: discord.Client) -> None:
        begun.append(client)
        await asyncio.sleep(0.1)
        await close(client)
        ended.append(client)

    async with on_stage(home.sqlite_url) as stage:
        await asks(stage, "hello")
        monkeypatch.setattr(discord.Client, "close", slow)
        await stage.discord.send_raw(MALFORMED)
        await stage.until(lambda: begun)
    assert begun[0] in ended


@pytest.mark.parametrize("ticks", range(8))
async def test_stop_in_the_moment_in_which_discord_goes_away_ends_the_bot(home: Home, ticks: int) -> None:
    async with FakeDiscord() as discord:
        bot = asyncio.create_task(run_bot(config_of(discord, home.sqlite_url)))
        await discord.until(lambda: discord.session_count)
    for _ in range(ticks):
        await asyncio.sleep(0)
    bot.cancel()
    done, _ = await asyncio.wait([bot], timeout=PATIENCE_S)
    assert done


async def test_second_bot_of_another_discord_in_one_process_is_refused(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage, FakeDiscord() as other:
        with pytest.raises(AdapterError, match="api_base_url is in use"):
            await run_bot(config_of(other, home.sqlite_url))
        assert await asks(stage, "hello") == ["+ hello @backscroll"]
        assert other.calls == []
