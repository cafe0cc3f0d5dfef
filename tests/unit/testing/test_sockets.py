"""Real Socket Mode clients come back after whatever Slack does to their sockets."""

import asyncio
import os
import sys

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from backscroll.testing import FakeSlack
from tests.unit.testing.conftest import Bot, ack, connect

PROGRAM = """
import asyncio, os
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

async def main():
    app = AsyncApp(client=AsyncWebClient(token=os.environ["BOT_TOKEN"], base_url=os.environ["API_URL"]))

    @app.event("message")
    async def answer(say):
        await say("pong")

    await AsyncSocketModeHandler(app, os.environ["APP_TOKEN"]).start_async()

asyncio.run(main())
"""


async def test_wrong_app_token_is_refused(slack: FakeSlack, client: AsyncWebClient) -> None:
    with pytest.raises(SlackApiError) as wrong:
        await client.apps_connections_open(app_token="xapp-wrong")
    with pytest.raises(SlackApiError) as other_kind:
        await client.apps_connections_open(app_token=slack.bot_token)

    assert wrong.value.response["error"] == "invalid_auth"
    assert other_kind.value.response["error"] == "not_allowed_token_type"


async def test_client_comes_back_after_a_cut(slack: FakeSlack, bot: Bot) -> None:
    slack.drop_sockets()
    assert slack.socket_count == 0
    anna = slack.add_user("anna")
    await slack.say(anna, slack.open_dm(anna), "while you were away")

    (event,) = await bot.wait_for(1)

    assert event["text"] == "while you were away"
    assert slack.deliveries[0].attempt == 1


async def test_client_comes_back_after_a_refresh(slack: FakeSlack, bot: Bot) -> None:
    await slack.refresh_sockets()
    await slack.until(lambda: slack.socket_count == 1)
    anna = slack.add_user("anna")
    await slack.say(anna, slack.open_dm(anna), "on the new one")

    (event,) = await bot.wait_for(1)

    assert event["text"] == "on the new one"
    assert len(slack.calls_of("apps.connections.open")) == 2


async def test_refused_connections_work_again_afterwards(slack: FakeSlack, app: Bot) -> None:
    slack.refuse_connections()
    with pytest.raises(SlackApiError, match="internal_error"):
        await app.app.client.apps_connections_open(app_token=slack.app_token)
    slack.refuse_connections(False)
    handler = AsyncSocketModeHandler(app.app, slack.app_token, ping_interval=1)

    await handler.connect_async()  # type: ignore[no-untyped-call]

    await slack.until(lambda: slack.socket_count == 1)
    await handler.close_async()  # type: ignore[no-untyped-call]


async def test_old_ticket_holds_and_a_made_up_one_does_not(slack: FakeSlack, client: AsyncWebClient) -> None:
    url = (await client.apps_connections_open(app_token=slack.app_token))["url"]

    assert url.startswith(f"ws://127.0.0.1:{slack.port}/")
    response = await client._request(
        http_verb="GET", api_url=f"http://127.0.0.1:{slack.port}/link?ticket=x", req_args={}
    )
    assert response["status_code"] == 401


async def test_command_returns_what_the_app_acked(slack: FakeSlack, bot: Bot) -> None:
    bot.app.command("/new")(answer_with_text)
    anna = slack.add_user("anna")

    answer = await slack.send_command(anna, slack.open_dm(anna), "/new", "now")

    assert answer["text"] == f"{anna.id} said now"


async def answer_with_text(ack, command) -> None:  # type: ignore[no-untyped-def]
    await ack(f"{command['user_id']} said {command['text']}")


async def test_command_can_answer_into_the_channel_later(slack: FakeSlack, bot: Bot) -> None:
    async def later(ack, respond) -> None:  # type: ignore[no-untyped-def]
        await ack()
        await respond("for all", response_type="in_channel")

    bot.app.command("/tell")(later)
    anna = slack.add_user("anna")
    dm = slack.open_dm(anna)

    assert await slack.send_command(anna, dm, "/tell") is None
    await slack.until(lambda: slack.posted_by_bot(dm) == ["for all"])

    (echo,) = await bot.wait_for(1)
    assert "user" not in echo
    assert echo["bot_id"] == slack.bot_id
    assert slack.responses[0]["text"] == "for all"


async def test_command_without_an_app_times_out(slack: FakeSlack) -> None:
    anna = slack.add_user("anna")

    with pytest.raises(TimeoutError):
        await slack.send_command(anna, slack.open_dm(anna), "/new", timeout_s=0.01)


async def test_outage_ends_on_the_same_port_with_the_same_state(slack: FakeSlack, bot: Bot) -> None:
    port, anna = slack.port, slack.add_user("anna")
    await slack.__aexit__(None, None, None)
    await slack.__aenter__()
    await slack.until(lambda: slack.socket_count == 1)

    await slack.say(anna, slack.open_dm(anna), "back")

    assert slack.port == port
    assert (await bot.wait_for(1))[0]["text"] == "back"


async def test_socket_is_pinged(slack: FakeSlack, http: aiohttp.ClientSession, client: AsyncWebClient) -> None:
    slack.ping_interval_s = 0.05
    url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
    async with http.ws_connect(url, autoping=False) as socket:
        assert (await socket.receive_json())["type"] == "hello"

        assert (await socket.receive()).type is aiohttp.WSMsgType.PING


async def test_bot_may_run_in_another_process(slack: FakeSlack) -> None:
    environment = {"API_URL": slack.api_url, "BOT_TOKEN": slack.bot_token, "APP_TOKEN": slack.app_token}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, env={**os.environ, **environment})
    try:
        anna = slack.add_user("anna")
        await slack.say(anna, slack.open_dm(anna), "ping")

        await slack.until(lambda: slack.posted_by_bot(slack.open_dm(anna)) == ["pong"])
    finally:
        process.kill()
        await process.wait()


async def test_refreshed_socket_gets_no_new_event_but_its_acks_count(
    slack: FakeSlack, http: aiohttp.ClientSession
) -> None:
    old = await connect(slack, http)
    await slack.send_event({"type": "message", "text": "before"})
    envelope = await old.receive_json()
    await slack.refresh_sockets()
    assert (await old.receive_json())["reason"] == "refresh_requested"
    new = await connect(slack, http)
    for number in range(2):
        await slack.send_event({"type": "message", "text": f"after {number}"})
    for _ in range(2):
        await ack(new, await new.receive_json())

    await ack(old, envelope)

    await slack.quiet()
    assert [delivery.acked for delivery in slack.deliveries] == [True] * 3
    await old.close()
    await new.close()


async def test_outage_forgets_events_under_way(slack: FakeSlack, http: aiohttp.ClientSession) -> None:
    slack.retry_after_s, slack.retry_delays = 0.02, (0, 0, 0)
    socket = await connect(slack, http)
    await slack.send_event({"type": "message", "text": "lost"})
    await socket.receive_json()
    await slack.__aexit__(None, None, None)
    await slack.__aenter__()
    again = await connect(slack, http)
    await slack.send_event({"type": "message", "text": "kept"})

    envelopes = [await again.receive_json() for _ in range(4)]

    assert {envelope["payload"]["event"]["text"] for envelope in envelopes} == {"kept"}
    await socket.close()
    await again.close()
