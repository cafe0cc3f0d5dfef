"""Slack over HTTP: who may speak, what is said to those who may not, and what a replay changes."""

import logging

import pytest

from backscroll.bot.app import run_bot
from backscroll.bot.config import SlackHttpConfig
from backscroll.errors import AdapterError
from backscroll.testing import FakeSlack
from tests.scenario.program import Home
from tests.scenario.slack import config_of, free_port, on_stage

WORDS = "the-secret-words"
PAYLOAD = {"type": "event_callback", "event": {"type": "message", "text": WORDS}}


async def test_request_without_slacks_signature_is_refused(home: Home) -> None:
    async with on_stage(home.sqlite_url, "http") as stage:
        answers = [
            await stage.slack.send_request(PAYLOAD, signing_secret="another"),
            await stage.slack.send_request(PAYLOAD, age_s=301),
            await stage.slack.send_request(PAYLOAD, age_s=-360),  # it is read a moment later
            await stage.slack.send_request(PAYLOAD, headers={"x-slack-signature": ""}),
            await stage.slack.send_request(PAYLOAD, headers={"x-slack-signature": "v0=é"}),
            await stage.slack.send_request(PAYLOAD, headers={"x-slack-request-timestamp": "yesterday"}),
            await stage.slack.send_request(PAYLOAD, headers={"x-slack-request-timestamp": "9" * 400}),
            await stage.slack.send_request(PAYLOAD, headers={"x-slack-request-timestamp": ""}),
        ]
        assert [answer.status for answer in answers] == [401] * len(answers)
        assert await stage.rejected() == []


async def test_request_without_slacks_signature_is_not_logged(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with on_stage(home.sqlite_url, "http") as stage:
        await stage.slack.send_request(PAYLOAD, signing_secret="another")
    assert WORDS not in caplog.text
    assert "without Slack's signature was refused" in caplog.text


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"payload=%7B", b"7"])
async def test_signed_request_that_nobody_can_read_stops_nothing(home: Home, body: bytes) -> None:
    async with on_stage(home.sqlite_url, "http") as stage:
        await stage.slack.send_payload(body)
        anna = stage.slack.add_user("anna")
        asked = await stage.slack.say(anna, stage.slack.add_channel("general", members=[anna]), "hello <@BOT>")
        assert await stage.answered(asked.channel) == ["+ hello @backscroll"]


async def test_replay_of_a_signed_request_changes_nothing(home: Home) -> None:
    async with on_stage(home.sqlite_url, "http") as stage:
        anna = stage.slack.add_user("anna")
        asked = await stage.slack.say(anna, stage.slack.add_channel("general", members=[anna]), "hello <@BOT>")
        await stage.slack.quiet()
        assert (await stage.slack.replay_request()).status == 200
        assert await stage.answered(asked.channel) == ["+ hello @backscroll"]
        assert len(await stage.said_at(asked)) == 2


async def test_replay_of_new_parts_no_thread(home: Home) -> None:
    async with on_stage(home.sqlite_url, "http") as stage:
        anna = stage.slack.add_user("anna")
        dm = stage.slack.open_dm(anna)
        stage.slack.clock_shift_s = 1.5  # a signature's clock has whole seconds
        await stage.slack.send_command(anna, dm, "/new")
        await stage.slack.replay_request()
        await stage.slack.say(anna, dm, "first")
        await stage.answered(dm)
        request = stage.slack
        assert (await request.replay_request()).status == 200
        await stage.slack.say(anna, dm, "second")
        await stage.answered(dm, 2)
        assert len(await stage.threads()) == 1


async def test_url_is_verified(home: Home) -> None:
    async with on_stage(home.sqlite_url, "http") as stage:
        assert await stage.slack.verify_url()


async def test_large_request_is_refused(home: Home) -> None:
    async with on_stage(home.sqlite_url, "http") as stage:
        answer = await stage.slack.send_request(PAYLOAD | {"padding": "x" * 1_060_000})
        assert answer.status == 413


async def test_port_in_use_is_told(home: Home) -> None:
    port = free_port()
    async with FakeSlack(port=port) as slack:
        config = config_of(slack, home.sqlite_url, "http", http=SlackHttpConfig(port=port))
        with pytest.raises(AdapterError) as caught:
            await run_bot(config)
    assert caught.value.message == f"Nothing can listen on 127.0.0.1:{port}: address already in use."
    assert "adapters.slack.http" in caught.value.hint
