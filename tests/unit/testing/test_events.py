"""What people do reaches a real bolt app in Slack's shapes."""

import pytest

from backscroll.testing import FakeSlack
from tests.unit.testing.conftest import Bot


async def test_say_delivers_a_message(slack: FakeSlack, bot: Bot) -> None:
    anna = slack.add_user("anna")
    said = await slack.say(anna, slack.open_dm(anna), "hello")

    (event,) = await bot.wait_for(1)

    assert (event["text"], event["user"], event["ts"], event["channel_type"]) == ("hello", anna.id, said.ts, "im")
    assert "thread_ts" not in event
    assert "subtype" not in event


@pytest.mark.parametrize(
    ("twins", "kinds"),
    [
        ("message_first", ["message", "app_mention"]),
        ("mention_first", ["app_mention", "message"]),
        ("message_only", ["message"]),
        ("mention_only", ["app_mention"]),
    ],
)
async def test_say_sends_twins_in_the_chosen_order(slack: FakeSlack, bot: Bot, twins: str, kinds: list[str]) -> None:
    anna = slack.add_user("anna")
    general = slack.add_channel("general", members=[anna])

    await slack.say(anna, general, "hi <@BOT>", twins=twins)  # type: ignore[arg-type]
    await bot.wait_for(len(kinds))

    assert [delivery.type for delivery in slack.deliveries] == kinds


async def test_twins_share_ts_but_not_event_id(slack: FakeSlack, bot: Bot) -> None:
    anna = slack.add_user("anna")
    await slack.say(anna, slack.add_channel("general", members=[anna]), "hi <@BOT>")

    first, second = await bot.wait_for(2)

    assert first["ts"] == second["ts"]
    assert first["client_msg_id"] == second["client_msg_id"]
    assert len({body["event_id"] for body in bot.bodies}) == 2


async def test_mention_comes_alone_where_the_bot_is_no_member(slack: FakeSlack, bot: Bot) -> None:
    anna = slack.add_user("anna")
    await slack.say(anna, slack.add_channel("open", is_bot_member=False), "hi <@BOT>")
    await slack.say(anna, slack.add_channel("closed", private=True, is_bot_member=False), "hi <@BOT>")
    await slack.say(anna, slack.add_channel("quiet", is_bot_member=False), "hi")
    await slack.say(anna, slack.open_dm(anna), "last <@BOT>")

    seen = await bot.wait_for(2)

    assert [event["type"] for event in seen] == ["app_mention", "message"]


async def test_reply_carries_the_thread_it_is_under(slack: FakeSlack, bot: Bot) -> None:
    anna = slack.add_user("anna")
    general = slack.add_channel("general", members=[anna])
    root = await slack.say(anna, general, "root")
    reply = await slack.say(anna, general, "one", thread=root)
    under_reply = await slack.say(anna, general, "two", thread=reply.ts)

    seen = await bot.wait_for(3)

    assert [event.get("thread_ts") for event in seen] == [None, root.ts, root.ts]
    assert root.thread_ts == under_reply.thread_ts == root.ts
    assert [message["text"] for message in slack.thread(general, reply)] == ["root", "one", "two"]


async def test_broadcast_is_a_thread_broadcast_with_its_root(slack: FakeSlack, bot: Bot) -> None:
    anna = slack.add_user("anna")
    general = slack.add_channel("general", members=[anna])
    root = await slack.say(anna, general, "root")
    await slack.say(anna, general, "all hear", thread=root, broadcast=True)

    event = (await bot.wait_for(2))[1]

    assert event["subtype"] == "thread_broadcast"
    assert event["root"]["ts"] == root.ts


async def test_edit_sends_both_texts(slack: FakeSlack, bot: Bot) -> None:
    anna = slack.add_user("anna")
    said = await slack.say(anna, slack.open_dm(anna), "old")
    await slack.edit(said, "new")

    event = (await bot.wait_for(2))[1]

    assert event["subtype"] == "message_changed"
    assert (event["message"]["text"], event["previous_message"]["text"]) == ("new", "old")
    assert event["message"]["edited"]["user"] == anna.id
    assert event["message"]["ts"] == said.ts != event["ts"]


async def test_edit_can_leave_the_previous_message_out(slack: FakeSlack, bot: Bot) -> None:
    anna = slack.add_user("anna")
    said = await slack.say(anna, slack.open_dm(anna), "old")
    await slack.edit(said, "new", with_previous=False)
    await slack.delete(said, with_previous=False)

    seen = await bot.wait_for(3)

    assert all("previous_message" not in event for event in seen)


async def test_unfurl_changes_neither_text_nor_edited(slack: FakeSlack, bot: Bot) -> None:
    anna = slack.add_user("anna")
    said = await slack.say(anna, slack.open_dm(anna), "see https://example.com/")
    await slack.unfurl(said)

    event = (await bot.wait_for(2))[1]

    assert event["message"]["text"] == event["previous_message"]["text"]
    assert "edited" not in event["message"]
    assert event["message"]["attachments"]


async def test_delete_sends_message_deleted(slack: FakeSlack, bot: Bot) -> None:
    anna = slack.add_user("anna")
    dm = slack.open_dm(anna)
    said = await slack.say(anna, dm, "gone")
    await slack.delete(said)

    event = (await bot.wait_for(2))[1]

    assert (event["subtype"], event["deleted_ts"]) == ("message_deleted", said.ts)
    assert slack.messages(dm) == []


async def test_delete_of_a_root_with_replies_leaves_a_tombstone(slack: FakeSlack, bot: Bot) -> None:
    anna = slack.add_user("anna")
    general = slack.add_channel("general", members=[anna])
    root = await slack.say(anna, general, "root")
    await slack.say(anna, general, "reply", thread=root)
    await slack.delete(root)

    event = (await bot.wait_for(3))[2]

    assert event["subtype"] == "message_changed"
    assert (event["message"]["subtype"], event["message"]["user"]) == ("tombstone", "USLACKBOT")
    assert event["message"]["hidden"] is True
    assert event["previous_message"]["text"] == "root"
    assert [message.get("subtype") for message in slack.thread(general, root)] == ["tombstone", None]


async def test_reaction_names_its_message_but_no_thread(slack: FakeSlack, bot: Bot) -> None:
    anna, ben = slack.add_user("anna"), slack.add_user("ben")
    dm = slack.open_group_dm([anna, ben])
    said = await slack.say(anna, dm, "nice")
    await slack.react(ben, said, "thumbsup")
    await slack.unreact(ben, said, "thumbsup")

    added, removed = (await bot.wait_for(3))[1:]

    assert (added["type"], removed["type"]) == ("reaction_added", "reaction_removed")
    assert added["item"] == {"type": "message", "channel": dm.id, "ts": said.ts}
    assert (added["user"], added["item_user"], added["reaction"]) == (ben.id, anna.id, "thumbsup")
    assert "thread_ts" not in added


async def test_foreign_bot_carries_its_bot_id(slack: FakeSlack, bot: Bot) -> None:
    other = slack.add_user("other", bot=True)
    general = slack.add_channel("general")
    await slack.say(other, general, "beep")
    await slack.say(other, general, "boop", subtype="bot_message")

    current, classic = await bot.wait_for(2)

    assert (current["bot_id"], current["user"], current["app_id"]) == (other.bot_id, other.id, other.app_id)
    assert (classic["subtype"], classic["bot_id"]) == ("bot_message", other.bot_id)
    assert "user" not in classic


async def test_channel_keeps_its_messages_under_another_name_and_id(slack: FakeSlack, bot: Bot) -> None:
    anna = slack.add_user("anna")
    general = slack.add_channel("general", members=[anna])
    await slack.say(anna, general, "one")
    await slack.rename_channel(general, "news")
    old = await slack.change_channel_id(general)
    await slack.say(anna, general, "two")

    _, renamed, changed, last = await bot.wait_for(4)

    assert renamed["channel"]["name"] == "news"
    assert (changed["old_channel_id"], changed["new_channel_id"]) == (old, general.id)
    assert last["channel"] == general.id != old
    assert [message["text"] for message in slack.messages(general)] == ["one", "two"]


async def test_event_carries_its_outer_fields(slack: FakeSlack, bot: Bot) -> None:
    anna = slack.add_user("anna")
    await slack.say(anna, slack.open_dm(anna), "hello")
    await bot.wait_for(1)

    body = bot.bodies[0]

    assert (body["team_id"], body["api_app_id"], body["type"]) == (slack.team_id, slack.app_id, "event_callback")
    assert body["authorizations"][0]["user_id"] == slack.bot_user_id
    assert body["is_ext_shared_channel"] is False


async def test_send_event_replaces_outer_fields(slack: FakeSlack, bot: Bot) -> None:
    event = {"type": "message", "channel": "C1", "user": "U1", "text": "x", "ts": "1.000001", "channel_type": "channel"}
    event_id = await slack.send_event(event, team_id="T9", is_ext_shared_channel=True)
    await bot.wait_for(1)

    assert bot.seen == [event]
    assert (bot.bodies[0]["event_id"], bot.bodies[0]["team_id"]) == (event_id, "T9")
    assert bot.bodies[0]["is_ext_shared_channel"] is True


async def test_malformed_payload_leaves_bolt_alive(slack: FakeSlack, bot: Bot) -> None:
    await slack.send_payload({"type": "event_callback", "event": {"type": "message"}})
    await slack.send_payload(b"not json")
    await slack.send_payload(b"\xff\x00")
    anna = slack.add_user("anna")
    await slack.say(anna, slack.open_dm(anna), "still there?")

    seen = await bot.wait_for(2)

    assert seen[-1]["text"] == "still there?"


async def test_person_can_react_to_an_answer_and_delete_it(slack: FakeSlack, bot: Bot) -> None:
    anna = slack.add_user("anna")
    dm = slack.open_dm(anna)
    posted = await bot.app.client.chat_postMessage(channel=dm.id, text="answer")
    answer = slack.message(dm, posted["ts"])
    await slack.react(anna, answer, "heart")
    await slack.delete(answer)

    _, reaction, deleted = await bot.wait_for(3)

    assert (reaction["user"], reaction["item_user"]) == (anna.id, slack.bot_user_id)
    assert deleted["previous_message"]["bot_id"] == slack.bot_id
    assert slack.own_messages(dm) == []
    with pytest.raises(ValueError, match="deleted already"):
        await slack.delete(answer)


async def test_stranger_in_a_shared_channel_carries_their_team(slack: FakeSlack, bot: Bot) -> None:
    other = slack.add_team("Other")
    stranger = slack.add_user("stranger", team=other)
    shared = slack.add_channel("shared")
    shared.is_ext_shared = True
    await slack.say(stranger, shared, "hello")
    (event,) = await bot.wait_for(1)

    assert event["user_team"] == event["team"] == other.id
    assert bot.bodies[0]["is_ext_shared_channel"] is True
    assert bot.bodies[0]["team_id"] == slack.team_id


async def test_reply_to_what_is_not_there_is_an_error(slack: FakeSlack) -> None:
    anna = slack.add_user("anna")

    with pytest.raises(ValueError, match="has no message"):
        await slack.say(anna, slack.open_dm(anna), "x", thread="1.000001")
