"""What the real client posts, changes and removes is stored, limited and echoed as in Slack."""

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from backscroll.testing import FakeSlack
from tests.unit.testing.conftest import Bot


@pytest.fixture
def channel(slack: FakeSlack) -> Any:
    return slack.add_channel("general", members=[slack.add_user("anna")])


async def refused(call: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_post_is_stored_and_echoed(slack: FakeSlack, client: AsyncWebClient, bot: Bot, channel: Any) -> None:
    answer = await client.chat_postMessage(
        channel=channel.id, text="hi", metadata={"event_type": "e", "event_payload": {}}
    )

    (echo,) = await bot.wait_for(1)

    assert slack.posted_by_bot(channel) == ["hi"]
    assert (echo["ts"], echo["bot_id"], echo["user"]) == (answer["ts"], slack.bot_id, slack.bot_user_id)
    assert "subtype" not in echo
    assert "metadata" not in echo
    assert answer["message"]["metadata"]["event_type"] == "e"


async def test_echo_can_carry_metadata(slack: FakeSlack, client: AsyncWebClient, bot: Bot, channel: Any) -> None:
    slack.echo_metadata = True
    await client.chat_postMessage(
        channel=channel.id, text="hi", metadata={"event_type": "e", "event_payload": {"a": 1}}
    )

    (echo,) = await bot.wait_for(1)

    assert echo["metadata"]["event_payload"] == {"a": 1}


async def test_echo_can_be_turned_off(slack: FakeSlack, client: AsyncWebClient, channel: Any) -> None:
    slack.echo = False
    posted = await client.chat_postMessage(channel=channel.id, text="hi")
    await client.chat_update(channel=channel.id, ts=posted["ts"], text="ho")
    await client.reactions_add(channel=channel.id, timestamp=posted["ts"], name="eyes")

    await slack.quiet()

    assert slack.deliveries == []


async def test_reply_and_broadcast_stand_in_the_thread(slack: FakeSlack, client: AsyncWebClient, channel: Any) -> None:
    root = await slack.say(channel.members[0], channel, "root")
    reply = await client.chat_postMessage(channel=channel.id, text="one", thread_ts=root.ts)
    await client.chat_postMessage(channel=channel.id, text="two", thread_ts=reply["ts"], reply_broadcast=True)

    thread = slack.thread(channel, root)

    assert [message["text"] for message in thread] == ["root", "one", "two"]
    assert thread[0]["reply_count"] == 2
    assert thread[2]["thread_ts"] == root.ts
    assert thread[2]["subtype"] == "thread_broadcast"
    assert await refused(client.chat_postMessage(channel=channel.id, text="x", thread_ts="1.0")) == "thread_not_found"


async def test_post_to_a_person_opens_the_direct_message(slack: FakeSlack, client: AsyncWebClient) -> None:
    anna = slack.add_user("anna")

    answer = await client.chat_postMessage(channel=anna.id, text="hi")

    assert answer["channel"] == slack.open_dm(anna).id


async def test_post_needs_a_channel_with_the_bot_in_it(slack: FakeSlack, client: AsyncWebClient) -> None:
    public = slack.add_channel("public", is_bot_member=False)
    private = slack.add_channel("private", private=True, is_bot_member=False)
    archived = slack.add_channel("archived")
    archived.is_archived = True

    assert await refused(client.chat_postMessage(channel="C404", text="x")) == "channel_not_found"
    assert await refused(client.chat_postMessage(channel=public.id, text="x")) == "not_in_channel"
    assert await refused(client.chat_postMessage(channel=private.id, text="x")) == "channel_not_found"
    assert await refused(client.chat_postMessage(channel=archived.id, text="x")) == "is_archived"


async def test_long_text_is_cut(slack: FakeSlack, client: AsyncWebClient, channel: Any) -> None:
    await client.chat_postMessage(channel=channel.id, text="x" * 40_001)

    assert len(slack.posted_by_bot(channel)[0]) == 40_000


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, "no_text"),
        ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"blocks": [{"type": "markdown", "text": "x" * 6_001}] * 2}, "msg_blocks_too_long"),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}]}, "invalid_blocks"),
        ({"blocks": [{}]}, "invalid_blocks"),
        ({"markdown_text": "x", "text": "x"}, "markdown_text_conflict"),
        ({"markdown_text": "x" * 12_001}, "msg_too_long"),
        ({"text": "x", "metadata": {"event_type": "e"}}, "invalid_metadata_format"),
    ],
)
async def test_post_refuses_what_slack_refuses(
    client: AsyncWebClient, channel: Any, given: dict[str, Any], error: str
) -> None:
    assert await refused(client.api_call("chat.postMessage", json={"channel": channel.id, **given})) == error


@pytest.mark.filterwarnings("ignore:The top-level `text` argument is missing")
async def test_blocks_alone_have_a_text(slack: FakeSlack, client: AsyncWebClient, channel: Any) -> None:
    await client.chat_postMessage(channel=channel.id, blocks=[{"type": "markdown", "text": "**hi**"}])
    await client.chat_postMessage(channel=channel.id, markdown_text="**ho**")

    assert slack.posted_by_bot(channel) == ["**hi**", "**ho**"]


@pytest.mark.filterwarnings("ignore:The top-level `text` argument is missing")
async def test_update_without_blocks_removes_them(
    slack: FakeSlack, client: AsyncWebClient, bot: Bot, channel: Any
) -> None:
    posted = await client.chat_postMessage(channel=channel.id, blocks=[{"type": "markdown", "text": "old"}])
    await client.chat_update(channel=channel.id, ts=posted["ts"], text="new")

    changed = (await bot.wait_for(2))[1]

    assert "blocks" not in slack.messages(channel)[0]
    assert (changed["subtype"], changed["message"]["text"]) == ("message_changed", "new")
    assert changed["previous_message"]["text"] == "old"


async def test_update_refuses_what_slack_refuses(slack: FakeSlack, client: AsyncWebClient, channel: Any) -> None:
    theirs = await slack.say(channel.members[0], channel, "mine")
    own = await client.chat_postMessage(channel=channel.id, text="x")

    assert await refused(client.chat_update(channel=channel.id, ts=theirs.ts, text="x")) == "cant_update_message"
    assert await refused(client.chat_update(channel=channel.id, ts="1.0", text="x")) == "message_not_found"
    assert await refused(client.chat_update(channel=channel.id, ts=own["ts"], text="x" * 4_001)) == "msg_too_long"


async def test_delete_removes_only_own_messages(
    slack: FakeSlack, client: AsyncWebClient, bot: Bot, channel: Any
) -> None:
    theirs = await slack.say(channel.members[0], channel, "mine")
    own = await client.chat_postMessage(channel=channel.id, text="x")
    await client.chat_delete(channel=channel.id, ts=own["ts"])

    event = (await bot.wait_for(3))[2]

    assert event["deleted_ts"] == own["ts"]
    assert slack.posted_by_bot(channel) == []
    assert await refused(client.chat_delete(channel=channel.id, ts=theirs.ts)) == "cant_delete_message"


async def test_own_reaction_is_echoed_and_counts_once(
    slack: FakeSlack, client: AsyncWebClient, bot: Bot, channel: Any
) -> None:
    said = await slack.say(channel.members[0], channel, "nice")
    target = {"channel": channel.id, "timestamp": said.ts}
    await client.reactions_add(name="eyes", **target)

    assert await refused(client.reactions_add(name="eyes", **target)) == "already_reacted"
    assert slack.messages(channel)[0]["reactions"] == [{"name": "eyes", "users": [slack.bot_user_id], "count": 1}]
    await client.reactions_remove(name="eyes", **target)
    assert await refused(client.reactions_remove(name="eyes", **target)) == "no_reaction"
    assert await refused(client.reactions_add(name="Not A Name", **target)) == "invalid_name"
    assert [event["type"] for event in await bot.wait_for(3)] == ["message", "reaction_added", "reaction_removed"]


async def test_ephemeral_is_no_message_and_a_message_has_a_permalink(
    slack: FakeSlack, client: AsyncWebClient, channel: Any
) -> None:
    await client.chat_postEphemeral(channel=channel.id, user=channel.members[0].id, text="psst")
    posted = await client.chat_postMessage(channel=channel.id, text="x")

    link = await client.chat_getPermalink(channel=channel.id, message_ts=posted["ts"])

    assert slack.posted_by_bot(channel) == ["x"]
    assert posted["ts"].replace(".", "") in link["permalink"]
