"""No text and no token of Slack's reaches a log line, a reason, an error or a repr, whatever the libraries log."""

import logging
import re
from typing import Any

import aiohttp
import pytest
from cryptography.fernet import Fernet

from backscroll.adapters.slack.api import SlackApi
from backscroll.adapters.slack.translate import Us
from backscroll.adapters.slack.workspaces import OneWorkspace, Workspace
from backscroll.bot.app import make_adapters, run_bot
from backscroll.bot.config import SlackHttpConfig, SlackOAuthConfig
from backscroll.bot.turn import Turn
from backscroll.errors import AdapterError
from backscroll.storage import memory
from backscroll.testing import FakeSlack, Fault
from tests.scenario.program import Home
from tests.scenario.slack import MODES, Mode, Stage, config_of, free_port, on_stage

# slack_sdk's own, at oauth.v2.access
pytestmark = pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
everywhere = pytest.mark.parametrize("mode", MODES)
CANARY = "xyzzy4711"
LIBRARIES = ("slack_bolt", "slack_sdk", "aiohttp", "asyncio", "aiosqlite", "sqlalchemy")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Let every library log all it has."""
    names = ["", *(name for name in logging.root.manager.loggerDict if name.startswith(LIBRARIES)), *LIBRARIES]
    for name in names:
        if not name.startswith("sqlalchemy"):  # what a program that echoes its SQL sees is test_secrets.py's
            caplog.set_level(logging.DEBUG, name or None)
    return caplog


def secrets_of(slack: FakeSlack) -> list[str]:
    return [CANARY, slack.bot_token, slack.app_token, slack.signing_secret, slack.client_secret, "ticket="]


def shows_none(logged: pytest.LogCaptureFixture, slack: FakeSlack) -> None:
    lines = logged.text
    assert lines
    assert [secret for secret in secrets_of(slack) if secret in lines] == []
    for record in logged.records:
        assert not [secret for secret in secrets_of(slack) if secret in repr(record.__dict__)], record.name


# A life


async def troubled(turn: Turn) -> str:
    """Answer, fail, or say too much, as it is told."""
    if "fail" in turn.message.text:
        raise ValueError(turn.message.text)
    await turn.typing(CANARY)
    await turn.react("eyes")
    return f"{CANARY} says {turn.message.text}"


async def talk(stage: Stage) -> None:
    slack, anna, general = stage.slack, stage.anna, stage.general
    file = slack.add_file(anna, f"{CANARY}.txt", CANARY.encode())
    left = slack.add_file(anna, f"{CANARY}.txt", CANARY.encode(), size=1)
    root = await slack.say(anna, general, f"{CANARY} <@BOT>", files=[file, left])
    await stage.answered(general)
    await slack.edit(root, f"{CANARY} again")
    await slack.react(anna, root, CANARY)
    await slack.send_command(anna, slack.open_dm(anna), "/new", CANARY)
    await slack.send_command(anna, slack.open_dm(anna), f"/{CANARY}", CANARY)
    await slack.say(anna, slack.open_dm(anna), CANARY)
    assistant = await slack.open_assistant(anna, {"channel_id": CANARY})
    await slack.say(anna, assistant.channel, CANARY, thread=assistant)
    await slack.rename_channel(general, CANARY)
    await stage.settled()
    await slack.delete(root)
    await stage.settled()


@everywhere
async def test_conversation_shows_nothing(home: Home, mode: Mode, logged: pytest.LogCaptureFixture) -> None:
    async with on_stage(home.sqlite_url, mode, handler=troubled) as stage:
        await talk(stage)
        await stage.slack.refresh_sockets()
        await stage.until(lambda: mode == "http" or stage.slack.socket_count == 1)
    shows_none(logged, stage.slack)


@everywhere
async def test_refused_answer_shows_nothing(home: Home, mode: Mode, logged: pytest.LogCaptureFixture) -> None:
    async with on_stage(home.sqlite_url, mode, handler=troubled) as stage:
        for fault in (Fault.error("is_archived"), Fault.server_error(), Fault.cut_after(), Fault.rate_limited(1)):
            stage.slack.fail("chat.postMessage", fault, channel=stage.general)
        await stage.slack.say(stage.anna, stage.general, f"{CANARY} <@BOT>")
        await stage.until(lambda: "was refused by slack" in logged.text)
        reasons = [answer.reason for answer in await stage.answers()]
        assert CANARY not in str(reasons)
        await stage.slack.say(stage.anna, stage.general, f"{CANARY} <@BOT>")
        await stage.until(lambda: "waits for slack" in logged.text)
    shows_none(logged, stage.slack)


async def test_handler_that_fails_shows_nothing(home: Home, logged: pytest.LogCaptureFixture) -> None:
    async with on_stage(home.sqlite_url, handler=troubled) as stage:
        await stage.slack.say(stage.anna, stage.general, f"fail {CANARY} <@BOT>")
        await stage.until(lambda: "try 1 of 3" in logged.text)
    assert "ValueError at test_slack_secrets.py" in logged.text
    shows_none(logged, stage.slack)


@everywhere
async def test_event_that_is_put_aside_shows_nothing(home: Home, mode: Mode, logged: pytest.LogCaptureFixture) -> None:
    broken: list[dict[str, Any]] = [
        {"type": "event_callback", "event_id": CANARY, "event": {"type": "message", "text": CANARY, "ts": CANARY}},
        {"type": "event_callback", "event": {"type": "message", "channel": CANARY, "ts": "1.1", "user": [CANARY]}},
        {"type": "event_callback", "team_id": f"{CANARY} words", "event": {"type": "message", "text": CANARY}},
        {"type": "event_callback", "authorizations": CANARY, "event": {"type": "message", "text": CANARY}},
        {"command": "/new", "channel_id": [CANARY]},
    ]
    async with on_stage(home.sqlite_url, mode) as stage:
        for payload in broken:
            await stage.slack.send_payload(payload)
        await stage.slack.send_payload(b'{"' + CANARY.encode())
        await stage.slack.quiet()
        rejected = await stage.rejected()
        assert len(rejected) >= len(broken)
        assert CANARY not in "".join(event.reason for event in rejected)
        assert CANARY not in repr(rejected)
        assert logged.text.count("is put aside") == len(rejected)
    shows_none(logged, stage.slack)


async def test_installing_shows_nothing(new_home: Home, logged: pytest.LogCaptureFixture) -> None:
    async with FakeSlack() as slack:
        port, key = free_port(), Fernet.generate_key().decode()
        oauth = SlackOAuthConfig(slack.client_id, slack.client_secret, key)
        given: dict[str, Any] = {"bot_token": None, "oauth": oauth, "http": SlackHttpConfig(port=port)}
        async with (
            on_stage(new_home.sqlite_url, "http", slack=slack, **given) as stage,
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as browser,
        ):
            async with browser.get(f"http://127.0.0.1:{port}/slack/install") as answer:
                state = re.search(r"[?&;]state=([\w-]+)", await answer.text())
                cookie = answer.headers["Set-Cookie"].partition(";")[0]
            assert state is not None
            for code in (slack.new_code(), "wrong-code-4711"):
                params = {"code": code, "state": state[1]}
                pages = f"http://127.0.0.1:{port}/slack/oauth_redirect"
                async with browser.get(pages, params=params, headers={"Cookie": cookie}) as answer:
                    assert slack.bot_token not in await answer.text()
                assert code not in logged.text
            assert state[1] not in logged.text
            assert key not in logged.text
            await stage.slack.say(stage.anna, stage.general, f"{CANARY} <@BOT>")
            await stage.answered(stage.general)
        shows_none(logged, slack)


# Errors and reprs


@pytest.mark.parametrize("wrong", ["bot_token", "app_token"])
async def test_wrong_token_is_in_no_error_and_no_log(
    new_home: Home, wrong: str, logged: pytest.LogCaptureFixture
) -> None:
    token = f"{'xoxb' if wrong == 'bot_token' else 'xapp'}-{CANARY}"
    given: dict[str, Any] = {wrong: token}
    async with FakeSlack() as slack:
        with pytest.raises(AdapterError) as raised:
            await run_bot(config_of(slack, new_home.sqlite_url, **given))
    error: BaseException | None = raised.value
    while error is not None:
        assert CANARY not in repr(error) + str(error)
        error = error.__cause__ or error.__context__
    shows_none(logged, slack)


async def test_slack_that_is_away_shows_nothing(new_home: Home, logged: pytest.LogCaptureFixture) -> None:
    async with FakeSlack() as slack, on_stage(new_home.sqlite_url, slack=slack) as stage:
        slack.refuse_connections()
        slack.drop_sockets()
        await stage.until(lambda: len(slack.calls_of("apps.connections.open")) >= 3)
    shows_none(logged, slack)


async def test_no_repr_shows_a_token(home: Home) -> None:
    async with FakeSlack() as slack:
        config = config_of(slack, home.sqlite_url)
        (adapter,) = make_adapters(config.adapters, memory.Provider())
        api = SlackApi(slack.api_url)
        workspace = Workspace(Us("T1", "U1"), slack.bot_token)
        shown = [config, config.adapters.slack, adapter, api, workspace, OneWorkspace(api, slack.bot_token)]
        for each in shown:
            assert slack.bot_token not in repr(each)
            assert slack.app_token not in repr(each)
