"""Several workspaces install one app; each is answered with its own token, and one that removes the app no longer."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from cryptography.fernet import Fernet

from backscroll.bot.app import run_bot
from backscroll.bot.config import SlackHttpConfig, SlackOAuthConfig
from backscroll.errors import AdapterError
from backscroll.testing import FakeSlack, Fault
from backscroll.testing.slack.events import posted
from backscroll.testing.slack.models import Message as Said
from backscroll.testing.slack.models import Team
from tests.scenario.program import Home
from tests.scenario.slack import MODES, Mode, Stage, config_of, free_port, key_of, on_stage, running

# slack_sdk's own, at oauth.v2.access
pytestmark = pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
everywhere = pytest.mark.parametrize("mode", MODES)
KEY = Fernet.generate_key().decode()


@asynccontextmanager
async def on_stage_with_oauth(url: str, mode: Mode = "http") -> AsyncIterator[tuple[Stage, str]]:
    """Run a bot that nobody has installed yet, and give the address of its pages too."""
    async with FakeSlack() as slack:
        port = free_port()
        oauth = SlackOAuthConfig(slack.client_id, slack.client_secret, KEY)
        given: dict[str, Any] = {"bot_token": None, "oauth": oauth, "http": SlackHttpConfig(port=port)}
        async with on_stage(url, mode, slack=slack, **given) as stage:
            yield stage, f"http://127.0.0.1:{port}"


async def install(stage: Stage, pages: str, team: Team) -> str:
    """Let someone of a workspace install the app; return what the last page said."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as browser:
        async with browser.get(f"{pages}/slack/install") as answer:
            page = await answer.text()
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
        state = re.search(r"[?&;]state=([\w-]+)", page)
        assert state is not None
        params = {"code": stage.slack.new_code(team), "state": state[1]}
        async with browser.get(f"{pages}/slack/oauth_redirect", params=params, headers={"Cookie": cookie}) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()


async def ask(stage: Stage, team: Team) -> Said:
    """Let someone of a workspace ask, in a new channel."""
    person = stage.slack.add_user("pat", team=team)
    place = stage.slack.add_channel(f"room-{team.name}", members=[person], team=team)
    return await stage.slack.say(person, place, f"hello of {team.name} <@BOT>")


# Installing


@everywhere
async def test_workspace_that_installs_the_app_is_answered(url: str, mode: Mode) -> None:
    async with on_stage_with_oauth(url, mode) as (stage, pages):
        page = await install(stage, pages, stage.slack.team)
        assert stage.slack.bot_token not in page
        asked = await ask(stage, stage.slack.team)
        assert await stage.answered(asked.channel) == ["+ hello of Acme @backscroll"]
        assert await stage.rejected() == []


async def test_tokens_are_encrypted_in_the_database(home: Home) -> None:
    async with on_stage_with_oauth(home.sqlite_url) as (stage, pages):
        await install(stage, pages, stage.slack.team)
        rows = await stage.store.provider.query("slack_installations", {})
        assert rows
        token = stage.slack.bot_token
        assert token not in json.dumps(rows)
        assert token.encode() not in b"".join(await asyncio.to_thread(written, home))


def written(home: Home) -> list[bytes]:
    files = [path for path in home.directory.iterdir() if path.name.startswith("backscroll.db")]
    assert files
    return [path.read_bytes() for path in files]


async def test_installation_outlives_the_process(url: str) -> None:
    async with on_stage_with_oauth(url) as (stage, pages):
        await install(stage, pages, stage.slack.team)
        slack = stage.slack
        oauth = SlackOAuthConfig(slack.client_id, slack.client_secret, KEY)
        http = SlackHttpConfig(port=free_port())
        config = config_of(slack, url, "http", bot_token=None, oauth=oauth, http=http)
        async with running(stage, config):
            asked = await ask(stage, slack.team)
            assert await stage.answered(asked.channel) == ["+ hello of Acme @backscroll"]


async def test_callback_without_the_browsers_cookie_installs_nothing(home: Home) -> None:
    async with on_stage_with_oauth(home.sqlite_url) as (stage, pages):
        async with aiohttp.ClientSession() as browser:
            params = {"code": stage.slack.new_code(), "state": "guessed"}
            async with browser.get(f"{pages}/slack/oauth_redirect", params=params) as answer:
                assert answer.status >= 400
        assert await stage.store.provider.query("slack_installations", {}) == []


# Keeping apart


@everywhere
async def test_workspaces_with_equal_channels_and_timestamps_are_kept_apart(url: str, mode: Mode) -> None:
    async with on_stage_with_oauth(url, mode) as (stage, pages):
        teams = [stage.slack.team, stage.slack.add_team("Other")]
        said: list[Said] = []
        for team in teams:
            await install(stage, pages, team)
            person = stage.slack.add_user("pat", team=team, user_id="U0SAME")
            place = stage.slack.add_channel("room", members=[person], team=team, channel_id="C0SAME")
            root = Said(place, "1712345678.000100", f"hello of {team.name} <@{team.bot_user_id}>", person)
            place.messages[root.ts] = root
            await stage.slack.send_event(posted(root), team=team)
            said.append(root)
        for root, team in zip(said, teams, strict=True):
            text = f"hello of {team.name} @backscroll"
            assert await stage.answered(root.channel) == [f"+ {text}"]
            assert await stage.said_at(root) == [("user", text), ("assistant", f"+ {text}")]
            assert root.replies[0].author is team.bot
        found = await stage.store.find_by_platform("slack", {"channel": "C0SAME", "thread_ts": "1712345678.000100"})
        assert {thread.platforms["slack"]["team"] for thread in found} == {team.id for team in teams}


async def test_auth_test_is_not_asked_for_each_event(home: Home) -> None:
    async with on_stage_with_oauth(home.sqlite_url) as (stage, pages):
        await install(stage, pages, stage.slack.team)
        asked_count = len(stage.slack.calls_of("auth.test"))
        asked = await ask(stage, stage.slack.team)
        await stage.answered(asked.channel)
        for number in (2, 3):
            await stage.slack.say(stage.anna, asked.channel, "again", thread=asked)
            await stage.answered(asked.channel, number)
        assert len(stage.slack.calls_of("auth.test")) == asked_count


async def test_installation_in_an_organisation_answers_in_its_workspaces(url: str) -> None:
    async with on_stage_with_oauth(url) as (stage, pages):
        org = stage.slack.add_team("Org", org_wide=True)
        await install(stage, pages, org)
        asked = await ask(stage, org)
        assert await stage.answered(asked.channel) == ["+ hello of Org @backscroll"]
        assert key_of(asked).workspace == org.enterprise_id
        assert len(await stage.said_at(asked)) == 2


async def test_event_of_a_shared_channel_belongs_to_the_installation_not_to_the_writers_workspace(url: str) -> None:
    async with on_stage_with_oauth(url) as (stage, pages):
        teams = [stage.slack.team, stage.slack.add_team("Other")]
        for team in teams:
            await install(stage, pages, team)
        zoe = stage.slack.add_user("zoe", team=teams[1])
        stage.general.is_ext_shared = True
        root = Said(stage.general, "1712345678.000100", f"hello <@{teams[0].bot_user_id}>", zoe)
        stage.general.messages[root.ts] = root
        await stage.slack.send_event(posted(root), team=teams[0], team_id=teams[1].id, context_team_id=teams[1].id)
        await stage.answered(stage.general)
        assert len(await stage.said_at(root)) == 2
        assert key_of(root).workspace == teams[0].id


@everywhere
async def test_event_of_a_workspace_that_never_installed_the_app_is_put_aside(home: Home, mode: Mode) -> None:
    async with on_stage_with_oauth(home.sqlite_url, mode) as (stage, pages):
        asked = await ask(stage, stage.slack.add_team("Other"))
        await stage.settled()
        reasons = {event.reason for event in await stage.rejected()}
        assert reasons == {
            f"The app is not installed in {asked.channel.team.id}. Install it there, on the app's install page."
        }
        assert await stage.threads() == []
        await install(stage, pages, stage.slack.team)
        asked = await ask(stage, stage.slack.team)
        await stage.answered(asked.channel)


async def test_event_of_another_workspace_than_the_tokens_is_put_aside(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked = await ask(stage, stage.slack.add_team("Other"))
        await stage.settled()
        (reason,) = {event.reason for event in await stage.rejected()}
        assert asked.channel.team.id in reason
        assert await stage.threads() == []


# Removing


@everywhere
async def test_workspace_that_removed_the_app_is_not_posted_to(home: Home, mode: Mode) -> None:
    async with on_stage_with_oauth(home.sqlite_url, mode) as (stage, pages):
        other = stage.slack.add_team("Other")
        await install(stage, pages, stage.slack.team)
        await install(stage, pages, other)
        asked = await ask(stage, stage.slack.team)
        await stage.answered(asked.channel)
        await stage.slack.uninstall()
        await stage.slack.quiet()
        assert await stage.rejected() == []
        calls = len(stage.slack.calls)
        await stage.slack.say(stage.anna, asked.channel, "still there?", thread=asked)
        await stage.settled()
        assert len(stage.slack.calls) == calls
        kept = await stage.store.provider.query("slack_installations", {})
        assert all(stage.slack.team_id not in row["workspace"] for row in kept)
        asked = await ask(stage, other)
        await stage.answered(asked.channel)


async def test_user_token_that_is_revoked_leaves_the_bot(home: Home) -> None:
    async with on_stage_with_oauth(home.sqlite_url) as (stage, pages):
        await install(stage, pages, stage.slack.team)
        await stage.slack.send_event({"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": []}})
        await stage.slack.quiet()
        asked = await ask(stage, stage.slack.team)
        await stage.answered(asked.channel)


async def test_workspace_that_installs_the_app_again_is_answered_with_its_new_token(url: str) -> None:
    async with on_stage_with_oauth(url) as (stage, pages):
        await install(stage, pages, stage.slack.team)
        old = stage.slack.bot_token
        await stage.slack.uninstall()
        await stage.slack.quiet()
        await install(stage, pages, stage.slack.team)
        assert stage.slack.bot_token != old

        # That nothing was installed is remembered for some seconds.
        async def is_answered() -> bool:
            asked = await ask(stage, stage.slack.team)
            await stage.settled()
            return bool(stage.slack.posted_by_bot(asked.channel))

        await stage.until(is_answered)


async def test_revocation_that_is_told_after_the_next_installation_takes_nothing_away(home: Home) -> None:
    async with on_stage_with_oauth(home.sqlite_url) as (stage, pages):
        await install(stage, pages, stage.slack.team)
        stage.slack.clock_shift_s = -60
        for event in ({"type": "tokens_revoked", "tokens": {"bot": ["U1"]}}, {"type": "app_uninstalled"}):
            await stage.slack.send_event(event)
        await stage.slack.quiet()
        stage.slack.clock_shift_s = 0
        asked = await ask(stage, stage.slack.team)
        await stage.answered(asked.channel)


# Tokens that Slack does not take


@pytest.mark.parametrize("wrong", ["bot_token", "app_token"])
async def test_wrong_token_ends_the_start(home: Home, wrong: str) -> None:
    async with FakeSlack() as slack:
        token = "xoxb-guessed-4711" if wrong == "bot_token" else "xapp-guessed-4711"
        given: dict[str, Any] = {wrong: token}
        with pytest.raises(AdapterError) as raised:
            await run_bot(config_of(slack, home.sqlite_url, **given))
        assert "Slack does not take the token" in raised.value.message
        assert token not in str(raised.value)


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("wrong", ["bot_token", "app_token"])
async def test_wrong_token_ends_the_program_with_4_and_says_which(home: Home, command: str, wrong: str) -> None:
    async with FakeSlack() as slack:
        tokens = {"bot_token": slack.bot_token, "app_token": slack.app_token}
        tokens[wrong] = f"{tokens[wrong][:5]}guessed-4711"
        config = {
            "storage": {"type": "sql", "url": home.sqlite_url},
            "adapters": {"slack": {"api_base_url": slack.api_url, **tokens}},
        }
        home.write("config.yaml", json.dumps(config))
        with home.start(command) as program:
            assert await asyncio.to_thread(program.ended) == 4
        method = "auth.test" if wrong == "bot_token" else "apps.connections.open"
        assert program.err.count(f"Slack does not take the token for {method}: invalid_auth.\n") == 1
        assert "guessed-4711" not in program.err
        assert "Traceback" not in program.err


async def test_check_says_that_the_tokens_are_right(home: Home) -> None:
    async with FakeSlack() as slack:
        tokens = {"bot_token": slack.bot_token, "app_token": slack.app_token}
        config = {
            "storage": {"type": "sql", "url": home.sqlite_url},
            "adapters": {"slack": {"api_base_url": slack.api_url, **tokens}},
        }
        home.write("config.yaml", json.dumps(config))
        with home.start("check") as program:
            assert await asyncio.to_thread(program.ended) == 0, program.err
        assert "chat.postMessage" not in {call.method for call in slack.calls}


async def test_slack_that_does_not_answer_at_the_start_is_tried_again(home: Home) -> None:
    async with FakeSlack() as slack:
        slack.fail("auth.test", Fault.server_error())
        async with on_stage(home.sqlite_url, slack=slack) as stage:
            asked = await ask(stage, slack.team)
            await stage.answered(asked.channel)
