"""Threads and channels are read back in pages, with what Slack leaves out left out."""

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from backscroll.testing import FakeSlack
from backscroll.testing.slack.models import Message
from tests.unit.testing.test_chat import refused


@pytest.fixture
async def root(slack: FakeSlack) -> Message:
    """Give the root of a thread with seven replies."""
    anna = slack.add_user("anna")
    general = slack.add_channel("general", members=[anna])
    root = await slack.say(anna, general, "root")
    for number in range(7):
        await slack.say(anna, general, f"reply {number}", thread=root)
    return root


async def pages_of(client: AsyncWebClient, method: str, **params: Any) -> list[list[str]]:
    pages, cursor = [], ""
    while True:
        answer = await client.api_call(method, params={**params, "cursor": cursor})
        pages.append([message["text"] for message in answer["messages"]])
        if not answer["has_more"]:
            return pages
        cursor = answer["response_metadata"]["next_cursor"]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 8, 100])
async def test_pages_of_replies_repeat_the_root_and_miss_nothing(
    client: AsyncWebClient, root: Message, limit: int
) -> None:
    pages = await pages_of(client, "conversations.replies", channel=root.channel.id, ts=root.ts, limit=limit)

    assert all(page[0] == "root" for page in pages)
    assert [text for page in pages for text in page[1:]] == [f"reply {number}" for number in range(7)]


async def test_replies_of_a_reply_are_that_reply(client: AsyncWebClient, root: Message) -> None:
    answer = await client.conversations_replies(channel=root.channel.id, ts=root.replies[2].ts, limit=1)

    (message,) = answer["messages"]

    assert (message["text"], message["thread_ts"]) == ("reply 2", root.ts)


async def test_replies_lie_between_oldest_and_latest(client: AsyncWebClient, root: Message) -> None:
    async def texts(**params: Any) -> list[str]:
        given = {"oldest": root.replies[2].ts, "latest": root.replies[4].ts, **params}
        answer = await client.conversations_replies(channel=root.channel.id, ts=root.ts, **given)
        return [message["text"] for message in answer["messages"]]

    assert await texts() == ["root", "reply 3"]
    assert await texts(inclusive=True) == ["root", "reply 2", "reply 3", "reply 4"]


async def test_metadata_comes_only_when_asked_for(client: AsyncWebClient, root: Message) -> None:
    metadata = {"event_type": "e", "event_payload": {"a": 1}}
    await client.chat_postMessage(channel=root.channel.id, thread_ts=root.ts, text="x", metadata=metadata)

    plain = await client.conversations_replies(channel=root.channel.id, ts=root.ts)
    whole = await client.conversations_replies(channel=root.channel.id, ts=root.ts, include_all_metadata=True)

    assert "metadata" not in plain["messages"][-1]
    assert whole["messages"][-1]["metadata"] == metadata


async def test_history_is_the_top_level_newest_first(slack: FakeSlack, client: AsyncWebClient, root: Message) -> None:
    anna, general = root.channel.members[0], root.channel
    await slack.say(anna, general, "heard by all", thread=root, broadcast=True)
    await slack.say(anna, general, "second")
    await slack.say(anna, general, "third")

    pages = await pages_of(client, "conversations.history", channel=general.id, limit=2)

    assert pages == [["third", "second"], ["heard by all", "root"]]


async def test_history_does_not_find_a_reply(client: AsyncWebClient, root: Message) -> None:
    reply = root.replies[-1]
    answer = await client.conversations_history(channel=root.channel.id, latest=reply.ts, inclusive=True, limit=1)

    assert answer["messages"][0]["ts"] == root.ts != reply.ts


async def test_commercial_terms_give_fifteen_objects_a_minute(
    slack: FakeSlack, client: AsyncWebClient, root: Message
) -> None:
    slack.non_marketplace = True
    for number in range(20):
        await slack.say(root.channel.members[0], root.channel, f"more {number}", thread=root)

    answer = await client.conversations_replies(channel=root.channel.id, ts=root.ts, limit=200)
    with pytest.raises(SlackApiError) as caught:
        await client.conversations_replies(channel=root.channel.id, ts=root.ts)
    await client.conversations_history(channel=root.channel.id)

    assert len(answer["messages"]) == 15
    assert caught.value.response.status_code == 429
    assert 50 <= int(caught.value.response.headers["Retry-After"]) <= 60


async def test_reading_refuses_what_slack_refuses(slack: FakeSlack, client: AsyncWebClient, root: Message) -> None:
    channel = root.channel.id
    closed = slack.add_channel("closed", is_bot_member=False)

    assert await refused(client.conversations_replies(channel=channel, ts="1.0")) == "thread_not_found"
    assert await refused(client.conversations_replies(channel=channel, ts=root.ts, cursor="?")) == "invalid_cursor"
    assert await refused(client.conversations_history(channel=closed.id)) == "not_in_channel"
    assert await refused(client.conversations_info(channel="C404")) == "channel_not_found"
    assert await refused(client.conversations_open(users="U404")) == "user_not_found"


async def test_info_tells_the_kind_of_conversation(slack: FakeSlack, client: AsyncWebClient) -> None:
    anna = slack.add_user("anna")
    private = slack.add_channel("secret", members=[anna], private=True)

    shown = (await client.conversations_info(channel=private.id))["channel"]
    direct = (await client.conversations_info(channel=slack.open_dm(anna).id))["channel"]
    members = (await client.conversations_members(channel=private.id))["members"]

    assert (shown["is_private"], shown["name"]) == (True, "secret")
    assert (direct["is_im"], direct["user"]) == (True, anna.id)
    assert members == [anna.id, slack.bot_user_id]
