"""The Web API reads what the real client sends, and says no as Slack does."""

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from backscroll.testing import FakeSlack
from tests.unit.testing.conftest import Bot


async def error_of(client: AsyncWebClient, method: str, **params: object) -> str:
    with pytest.raises(SlackApiError) as caught:
        await client.api_call(method, json=params)
    return str(caught.value.response["error"])


async def test_auth_test_tells_who_the_bot_is(slack: FakeSlack, client: AsyncWebClient) -> None:
    answer = await client.auth_test()

    assert (answer["user_id"], answer["bot_id"], answer["team_id"]) == (slack.bot_user_id, slack.bot_id, slack.team_id)
    assert "chat:write" in answer.headers["x-oauth-scopes"]


async def test_token_is_checked(slack: FakeSlack, client: AsyncWebClient) -> None:
    client.token = None
    assert await error_of(client, "auth.test") == "not_authed"
    client.token = "xoxb-other"
    assert await error_of(client, "auth.test") == "invalid_auth"
    client.token = slack.app_token
    assert await error_of(client, "auth.test") == "not_allowed_token_type"


async def test_unknown_method_is_named_so(client: AsyncWebClient) -> None:
    assert await error_of(client, "chat.shout") == "unknown_method"


async def test_api_test_needs_no_token(slack: FakeSlack) -> None:
    client = AsyncWebClient(base_url=slack.api_url)

    assert (await client.api_test(error=None, foo="bar"))["args"] == {"foo": "bar"}


async def test_form_and_json_and_query_are_read_alike(
    slack: FakeSlack, client: AsyncWebClient, http: aiohttp.ClientSession
) -> None:
    channel = slack.add_channel("general")
    params = {"channel": channel.id, "text": "x", "metadata": '{"event_type": "e", "event_payload": {}}'}
    for way in ({"data": params}, {"json": params}, {"params": params}):
        headers = {"Authorization": f"Bearer {slack.bot_token}"}
        async with http.post(f"{slack.api_url}chat.postMessage", headers=headers, **way) as response:  # type: ignore[arg-type]
            assert (await response.json())["ok"], way

    calls = slack.calls_of("chat.postMessage")

    assert calls[0] == calls[1] == calls[2]
    assert calls[0]["metadata"] == {"event_type": "e", "event_payload": {}}


async def test_calls_are_kept_without_the_token(slack: FakeSlack, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{slack.api_url}auth.test", data={"token": slack.bot_token}) as response:
        assert (await response.json())["ok"]

    ((method, params),) = slack.calls

    assert (method, params) == ("auth.test", {})


async def test_tokens_are_not_in_its_repr(slack: FakeSlack) -> None:
    told = f"{slack!r} {slack.team!r}"

    assert slack.bot_token not in told
    assert slack.signing_secret not in told


async def test_users_and_bots_are_found(slack: FakeSlack, client: AsyncWebClient) -> None:
    anna, other = slack.add_user("anna"), slack.add_user("other", bot=True)

    assert (await client.users_info(user=anna.id))["user"]["profile"]["display_name"] == "anna"
    assert (await client.users_info(user=slack.bot_user_id))["user"]["is_bot"]
    assert (await client.bots_info(bot=other.bot_id))["bot"]["user_id"] == other.id
    assert await error_of(client, "users.info", user="U404") == "user_not_found"
    assert await error_of(client, "bots.info", bot="B404") == "bot_not_found"


async def test_revoked_token_is_told_and_refused(slack: FakeSlack, client: AsyncWebClient, bot: Bot) -> None:
    await client.auth_test()
    await client.auth_revoke(test=False)

    assert await error_of(client, "auth.test") == "token_revoked"
    assert (await bot.wait_for(1))[0]["tokens"]["bot"] == [slack.bot_user_id]


async def test_uninstall_ends_the_token_and_tells_both_events(
    slack: FakeSlack, client: AsyncWebClient, bot: Bot
) -> None:
    anna = slack.add_user("anna")
    await slack.say(anna, slack.open_dm(anna), "so that bolt knows its token")
    await bot.wait_for(1)
    await slack.uninstall()

    seen = await bot.wait_for(3)

    assert {event["type"] for event in seen[1:]} == {"tokens_revoked", "app_uninstalled"}
    assert await error_of(client, "auth.test") == "token_revoked"
