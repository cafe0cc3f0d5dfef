"""A running bot, watched: its pages, its figures and its log lines, with the real Slack client and the real program."""

import asyncio
import json
import logging
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from backscroll.bot.config import WatchConfig
from backscroll.bot.turn import Turn
from backscroll.bot.watching.logs import JsonFormatter
from backscroll.storage.store import ThreadStore
from backscroll.testing import FakeDiscord, FakeSlack, Fault
from tests.scenario import discord as on_discord
from tests.scenario.conftest import Call
from tests.scenario.program import Home, Program
from tests.scenario.slack import Stage, config_of, free_port, running

CANARY = "xyzzy4711"
LOGGING = """
import logging

async def answer(turn):
    logging.getLogger("mine").warning("thinking")
    if "fail" in turn.message.text:
        raise LookupError(turn.message.text)
    return f"+ {turn.message.text}"
"""


@asynccontextmanager
async def stage_of(slack: FakeSlack, home: Home) -> AsyncIterator[Stage]:
    """Give a stage on this FakeSlack, where no bot runs yet."""
    anna = slack.add_user("anna")
    general = slack.add_channel("general", members=[anna])
    async with ThreadStore(home.sqlite_url) as store:
        yield Stage(slack=slack, store=store, url=home.sqlite_url, anna=anna, general=general)


LATE = """
from pathlib import Path
from backscroll.errors import StorageUnavailableError
from backscroll.storage import memory

class Provider(memory.Provider):
    async def initialize(self):
        if not Path("there").exists():
            raise StorageUnavailableError("It is not there.")
"""


async def page(port: int, name: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as browser, browser.get(f"http://127.0.0.1:{port}{name}") as answer:
        return answer.status, await answer.text()


def status(port: int, name: str) -> int:
    """Return the status of a page of a program's; 0 while nothing listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{name}") as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


async def test_question_on_slack_is_in_the_figures_and_no_text_is(home: Home) -> None:
    port = free_port()
    async with FakeSlack() as slack, stage_of(slack, home) as stage:
        config = replace(config_of(slack, home.sqlite_url), watch=WatchConfig(port=port))
        async with running(stage, config):
            asked = await slack.say(stage.anna, stage.general, f"{CANARY} <@BOT>")
            await stage.answered(stage.general)
            await slack.edit(asked, f"{CANARY} again")
            await slack.send_payload({"type": "event_callback", "event": {"type": "message", "text": CANARY}})
            await stage.settled()

            async def is_caught_up() -> bool:
                return "backscroll_catch_ups_total{" in (await page(port, "/metrics"))[1]

            await stage.until(is_caught_up)
            code, _ = await page(port, "/readyz")
            _, told = await page(port, "/metrics")
    assert code == 200
    for sample in (
        'events_total{kind="message",outcome="kept",platform="slack"} 1.0',
        'events_total{kind="edit",outcome="kept",platform="slack"} 1.0',
        'events_total{kind="unknown",outcome="rejected",platform="slack"} 1.0',
        'event_delay_seconds_count{platform="slack"} 1.0',
        'handler_seconds_count{outcome="answered",platform="slack"} 1.0',
        'answers_ended_total{platform="slack",state="sent"} 1.0',
        'answer_seconds_count{platform="slack"} 1.0',
        'platform_connections_total{platform="slack"} 1.0',
        'catch_ups_total{outcome="done",platform="slack"} 1.0',
        'platform_up{platform="slack"} 1.0',
        'answers{state="waiting"} 0.0',
        "storage_up 1.0",
    ):
        assert f"\nbackscroll_{sample}\n" in told
    assert 'backscroll_ack_seconds_count{platform="slack"}' in told
    secrets = (CANARY, slack.bot_token, slack.app_token, stage.general.id, stage.anna.id)
    assert [secret for secret in secrets if secret in told] == []


async def fail(turn: Turn) -> str:
    if "fail" in turn.message.text:
        raise LookupError(turn.message.text)
    return f"+ {turn.message.text}"


async def test_pages_and_json_lines_of_both_platforms_show_no_text_no_name_and_no_token(
    home: Home, short_waits: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caplog.handler, "formatter", JsonFormatter())  # it is the one of all tests
    caplog.set_level(logging.INFO)
    port = free_port()
    async with FakeSlack() as slack, FakeDiscord() as discord, stage_of(slack, home) as stage:
        general, ben = discord.add_channel(CANARY), discord.add_user(CANARY)
        anna, channel = slack.add_user(CANARY), slack.add_channel(CANARY)
        adapters = on_discord.config_of(discord, home.sqlite_url).adapters
        config = config_of(slack, home.sqlite_url, handler=fail)
        both = replace(config.adapters, discord=adapters.discord)
        async with running(stage, replace(config, adapters=both, watch=WatchConfig(port=port))):
            await stage.until(lambda: discord.session_count)
            post = "/channels/{channel_id}/messages"
            discord.fail("POST", post, Fault.rate_limited(0.05, with_via=False))
            discord.fail("POST", post, Fault.error(403, 50013, CANARY))
            for fault in (Fault.rate_limited(0.05), Fault.error("is_archived")):
                slack.fail("chat.postMessage", fault)
            for text in (f"{CANARY} <@BOT>", f"fail {CANARY} <@BOT>"):
                await slack.say(anna, channel, text)
                await discord.say(ben, general, text)
            await slack.send_payload({"type": "event_callback", "event": {"type": "message", "text": CANARY}})
            told = ("refused by slack", "refused by discord", "has failed", "is put aside", "is kept")
            await stage.until(lambda: all(each in caplog.text for each in told))
            pages = [(await page(port, name))[1] for name in ("/metrics", "/readyz")]
    secrets = (CANARY, slack.bot_token, slack.app_token, discord.token)
    assert caplog.text.startswith('{"timestamp": ')
    assert [each for each in secrets for shown in (*pages, caplog.text) if each in shown] == []
    assert 'answers_ended_total{platform="discord",state="failed"}' in pages[0]


async def test_bot_is_not_ready_while_slack_is_away_and_lives_all_the_same(home: Home) -> None:
    port = free_port()
    async with FakeSlack() as slack, stage_of(slack, home) as stage:
        config = replace(config_of(slack, home.sqlite_url), watch=WatchConfig(port=port))
        async with running(stage, config):

            async def is_missing() -> bool:
                code, told = await page(port, "/readyz")
                return code == 503 and json.loads(told)["platforms"] == {"slack": "not connected"}

            async def is_back() -> bool:
                _, told = await page(port, "/metrics")
                is_counted = 'backscroll_platform_connections_total{platform="slack"} 2.0' in told
                return (await page(port, "/readyz"))[0] == 200 and is_counted

            async def is_connected() -> bool:
                return (
                    'backscroll_platform_connections_total{platform="slack"} 1.0' in (await page(port, "/metrics"))[1]
                )

            await stage.until(is_connected)
            slack.refuse_connections()
            slack.drop_sockets()
            await stage.until(is_missing)
            assert (await page(port, "/healthz"))[0] == 200
            slack.refuse_connections(False)
            await stage.until(is_back)


async def test_discord_is_connected_and_each_resumed_session_counts(home: Home, door: asyncio.Event) -> None:
    port = free_port()
    async with FakeDiscord() as discord, ThreadStore(home.sqlite_url) as store:
        anna, general = discord.add_user("anna"), discord.add_channel("general")
        stage = on_discord.Stage(discord=discord, store=store, url=home.sqlite_url, anna=anna, general=general)
        config = replace(on_discord.config_of(discord, home.sqlite_url), watch=WatchConfig(port=port))
        async with on_discord.running(stage, config):

            async def has_connected(times: float) -> bool:
                return f'platform_connections_total{{platform="discord"}} {times}' in (await page(port, "/metrics"))[1]

            await stage.until(lambda: has_connected(1.0))
            assert (await page(port, "/readyz"))[0] == 200
            discord.drop_sockets()
            await stage.until(lambda: has_connected(2.0))


def test_bot_that_waits_for_its_database_lives_and_is_not_ready(home: Home) -> None:
    port = free_port()
    home.write("late.py", LATE)
    configure(home, port, storage={"type": "late"})
    with home.start() as program:
        program.wait_until(lambda: status(port, "/healthz") == 200, "the port")
        program.wait_for("Waiting for the storage", stream="err")
        assert (status(port, "/readyz"), status(port, "/metrics")) == (503, 200)
        home.write("there", "")
        program.wait_until(lambda: status(port, "/readyz") == 200, "the storage")
        program.signal(signal.SIGTERM)
        assert program.ended() == 0
    assert program.err.count("Waiting for the storage") == 1


def test_port_that_is_taken_ends_the_start_with_2(home: Home, call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        configure(home, port)
        told = call("run")
    assert told.code == 2
    assert f"nothing can listen on 127.0.0.1:{port}: address already in use.\n  Free the port" in told.err


def test_log_lines_are_json_with_ids_and_without_texts(home: Home) -> None:
    home.write("talking.py", LOGGING)
    configure(home, None, bot={"handler": "talking:answer"}, logs={"format": "json", "level": "info"})
    with home.start() as program:
        program.say(f"{CANARY} one", f"fail {CANARY}")
        program.wait_for("try 1 of 3", stream="err")
        program.signal(signal.SIGTERM)
        assert program.ended() == 0
    lines = lines_of(program)
    assert CANARY not in program.err
    (sent,) = [line for line in lines if line.get("outcome") == "sent"]
    (kept, *_) = [line for line in lines if line.get("outcome") == "kept"]
    thinking = [line for line in lines if line["logger"] == "mine"]
    (failed, *_) = [line for line in lines if "try 1 of 3" in line["message"]]
    assert thinking[0]["answer_id"] == sent["answer_id"]
    assert (kept["thread_id"], kept["kind"], kept["platform"]) == (sent["thread_id"], "message", "console")
    assert thinking[1]["answer_id"] == failed["answer_id"] != sent["answer_id"]
    assert "LookupError at talking.py:" in failed["message"]


def configure(home: Home, port: int | None, **sections: Any) -> None:
    given: dict[str, Any] = {"storage": {"type": "sql", "url": home.sqlite_url}, "adapters": {"console": {}}}
    given |= {} if port is None else {"watch": {"port": port}}
    (home.directory / "config.yaml").write_text(json.dumps(given | sections))


def lines_of(program: Program) -> list[dict[str, Any]]:
    """Return the log lines; the console's own words stand between them."""
    return [json.loads(line) for line in program.err.splitlines() if line.startswith("{")]
