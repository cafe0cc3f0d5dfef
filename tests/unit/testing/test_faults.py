"""Ordered faults reach a real client as what they are, with or without the effect of the call."""

import asyncio
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from backscroll.testing import FakeSlack, Fault

POST = "chat.postMessage"


@pytest.fixture
def channel(slack: FakeSlack) -> Any:
    return slack.add_channel("general")


async def test_rate_limit_tells_when_to_come_back(slack: FakeSlack, client: AsyncWebClient, channel: Any) -> None:
    slack.fail(POST, Fault.rate_limited(7))

    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=channel.id, text="x")

    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "7"
    assert slack.messages(channel) == []


async def test_rate_limit_of_zero_seconds_is_retried_by_the_handler(
    slack: FakeSlack, client: AsyncWebClient, channel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slack_sdk.http_retry.builtin_async_handlers.random.random", lambda: 0.0, raising=False)
    client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=1))
    slack.fail(POST, Fault.rate_limited(0))

    await client.chat_postMessage(channel=channel.id, text="x")

    assert slack.posted_by_bot(channel) == ["x"]
    assert len(slack.calls_of(POST)) == 2


async def test_server_error_has_no_effect(slack: FakeSlack, client: AsyncWebClient, channel: Any) -> None:
    slack.fail(POST, Fault.server_error(503))

    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=channel.id, text="x")

    assert caught.value.response.status_code == 503
    assert slack.messages(channel) == []


async def test_named_error_comes_as_slack_says_it(slack: FakeSlack, client: AsyncWebClient, channel: Any) -> None:
    slack.fail(POST, Fault.error("restricted_action"))

    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=channel.id, text="x")

    assert caught.value.response["error"] == "restricted_action"


async def test_page_comes_as_a_200_without_an_effect(slack: FakeSlack, client: AsyncWebClient, channel: Any) -> None:
    slack.fail(POST, Fault.page())

    with pytest.raises(SlackApiError, match="status: 200"):
        await client.chat_postMessage(channel=channel.id, text="x")

    assert slack.messages(channel) == []


@pytest.mark.parametrize(
    ("fault", "kept"), [(Fault.cut_before(), []), (Fault.cut_after(), ["x"]), (Fault.cut_within(), ["x"])]
)
async def test_cut_connection_hides_the_outcome(
    slack: FakeSlack, client: AsyncWebClient, channel: Any, fault: Fault, kept: list[str]
) -> None:
    slack.fail(POST, fault)

    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=channel.id, text="x")

    assert slack.posted_by_bot(channel) == kept


async def test_hang_has_its_effect_after_the_caller_left(
    slack: FakeSlack, client: AsyncWebClient, channel: Any
) -> None:
    slack.fail(POST, Fault.hang(0.1))
    call = asyncio.create_task(client.chat_postMessage(channel=channel.id, text="late"))
    await slack.until(lambda: slack.calls_of(POST))
    call.cancel()

    assert slack.posted_by_bot(channel) == []
    await slack.until(lambda: slack.posted_by_bot(channel) == ["late"])


async def test_faults_happen_in_the_order_they_were_ordered(
    slack: FakeSlack, client: AsyncWebClient, channel: Any
) -> None:
    slack.fail(POST, Fault.error("first"), times=2)
    slack.fail("*", Fault.error("second"))
    errors = []
    for _ in range(3):
        with pytest.raises(SlackApiError) as caught:
            await client.chat_postMessage(channel=channel.id, text="x")
        errors.append(caught.value.response["error"])

    await client.chat_postMessage(channel=channel.id, text="at last")

    assert errors == ["first", "first", "second"]


async def test_fault_of_one_channel_leaves_the_others_alone(
    slack: FakeSlack, client: AsyncWebClient, channel: Any
) -> None:
    other = slack.add_channel("other")
    slack.fail(POST, Fault.error("fatal_error"), channel=channel)

    await client.chat_postMessage(channel=other.id, text="x")

    with pytest.raises(SlackApiError):
        await client.chat_postMessage(channel=channel.id, text="x")


async def test_forgiven_faults_do_not_happen(slack: FakeSlack, client: AsyncWebClient, channel: Any) -> None:
    slack.fail(POST, Fault.error("fatal_error"), times=5)
    slack.forgive()

    await client.chat_postMessage(channel=channel.id, text="x")

    assert slack.posted_by_bot(channel) == ["x"]


async def test_latency_holds_every_call(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.latency_s = 0.05
    loop = asyncio.get_running_loop()
    begin = loop.time()

    await client.auth_test()

    assert loop.time() - begin >= 0.05


async def test_closing_does_not_wait_for_what_hangs(channel: Any) -> None:
    async with FakeSlack() as other:
        hung = AsyncWebClient(token=other.bot_token, base_url=other.api_url, retry_handlers=[])
        other.fail("auth.test", Fault.hang(3600))
        call = asyncio.create_task(hung.auth_test())
        await other.until(lambda: other.calls)

    with pytest.raises(aiohttp.ClientError):
        await call


async def test_default_handler_of_the_client_posts_twice_after_a_cut(slack: FakeSlack, channel: Any) -> None:
    client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
    slack.fail(POST, Fault.cut_after())

    await client.chat_postMessage(channel=channel.id, text="x")

    assert slack.posted_by_bot(channel) == ["x", "x"]
