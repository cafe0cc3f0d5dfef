"""A streamed answer of the real client grows, ends once, and can be refused."""

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from backscroll.testing import FakeSlack
from backscroll.testing.slack.models import Message
from tests.unit.testing.test_chat import refused


@pytest.fixture
async def root(slack: FakeSlack) -> Message:
    anna = slack.add_user("anna")
    return await slack.say(anna, slack.add_channel("general", members=[anna]), "tell me")


@pytest.fixture
def where(slack: FakeSlack, root: Message) -> dict[str, Any]:
    return {
        "channel": root.channel.id,
        "thread_ts": root.ts,
        "recipient_team_id": slack.team_id,
        "recipient_user_id": root.user or "",
    }


async def test_stream_of_the_client_ends_as_one_message(
    slack: FakeSlack, client: AsyncWebClient, root: Message, where: dict[str, Any]
) -> None:
    stream = await client.chat_stream(buffer_size=5, **where)
    for word in ("hello ", "world", "!"):
        await stream.append(markdown_text=word)
    await stream.stop()

    assert slack.posted_by_bot(root.channel) == ["hello world!"]
    assert slack.thread(root.channel, root)[1]["ts"] == stream.ts


async def test_stream_needs_a_thread_and_a_recipient(
    slack: FakeSlack, client: AsyncWebClient, root: Message, where: dict[str, Any]
) -> None:
    async def start(**given: Any) -> str:
        return await refused(client.api_call("chat.startStream", json=given))

    assert await start(channel=root.channel.id) == "invalid_thread_ts"
    assert await start(channel=root.channel.id, thread_ts=root.ts) == "missing_recipient_team_id"
    assert await start(**{**where, "recipient_user_id": ""}) == "missing_recipient_user_id"


async def test_stream_in_a_direct_message_needs_no_recipient(slack: FakeSlack, client: AsyncWebClient) -> None:
    anna = slack.add_user("anna")
    said = await slack.say(anna, slack.open_dm(anna), "tell me")

    answer = await client.chat_startStream(channel=said.channel.id, thread_ts=said.ts)

    assert answer["ts"]


async def test_live_stream_cannot_be_updated_and_a_stopped_one_not_appended(
    client: AsyncWebClient, where: dict[str, Any]
) -> None:
    ts = (await client.chat_startStream(markdown_text="a", **where))["ts"]
    channel = where["channel"]

    assert await refused(client.chat_update(channel=channel, ts=ts, text="x")) == "streaming_state_conflict"
    await client.chat_stopStream(channel=channel, ts=ts)
    late = client.chat_appendStream(channel=channel, ts=ts, markdown_text="b")
    assert await refused(late) == "message_not_in_streaming_state"
    await client.chat_update(channel=channel, ts=ts, text="x")


async def test_stream_ends_by_itself(slack: FakeSlack, client: AsyncWebClient, where: dict[str, Any]) -> None:
    ts = (await client.chat_startStream(markdown_text="a", **where))["ts"]
    slack.clock_shift_s = 301

    late = client.chat_appendStream(channel=where["channel"], ts=ts, markdown_text="b")

    assert await refused(late) == "message_not_in_streaming_state"
    await client.chat_update(channel=where["channel"], ts=ts, text="the fallback")


async def test_stream_is_limited_in_length(client: AsyncWebClient, where: dict[str, Any]) -> None:
    ts = (await client.chat_startStream(markdown_text="x" * 12_000, **where))["ts"]

    with pytest.raises(SlackApiError, match="msg_too_long"):
        await client.chat_appendStream(channel=where["channel"], ts=ts, markdown_text="y")


async def test_streams_can_be_disallowed(slack: FakeSlack, client: AsyncWebClient, where: dict[str, Any]) -> None:
    slack.allow_streams, slack.stream_refusal = False, "missing_scope"

    assert await refused(client.chat_startStream(markdown_text="a", **where)) == "missing_scope"
