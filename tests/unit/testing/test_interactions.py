"""A press of a button reaches the real bolt as Slack sends it, once, and what the app makes of it stands there."""

from typing import Any

import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from backscroll.testing import FakeSlack
from backscroll.testing.slack.interactions import pressed
from backscroll.testing.slack.models import Channel, Message, User
from tests.unit.testing.conftest import Bot


def button(label: str = "Yes", name: str = "yes", **more: Any) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": label}, "action_id": name, "value": "7"} | more


@pytest.fixture
def anna(slack: FakeSlack) -> User:
    return slack.add_user("anna")


@pytest.fixture
def general(slack: FakeSlack, anna: User) -> Channel:
    return slack.add_channel("general", members=[anna])


@pytest.fixture
async def asked(slack: FakeSlack, client: AsyncWebClient, anna: User, general: Channel) -> Message:
    """Give a message of the app's with two buttons, in a thread."""
    root = await slack.say(anna, general, "hi")
    blocks = [{"type": "actions", "elements": [button(), button("No", "no")]}]
    posted = await client.chat_postMessage(channel=general.id, thread_ts=root.ts, text="Sure?", blocks=blocks)
    return slack.message(general, str(posted["ts"]))


@pytest.fixture
async def pressing(bot: Bot) -> list[dict[str, Any]]:
    """Give the bodies that a listener for `yes` has acknowledged."""
    bodies: list[dict[str, Any]] = []

    async def take(ack, body) -> None:  # type: ignore[no-untyped-def]
        await ack()
        bodies.append(body)

    bot.app.action("yes")(take)
    return bodies


async def test_press_tells_who_pressed_which_button_where(
    slack: FakeSlack, pressing: list[dict[str, Any]], asked: Message, anna: User
) -> None:
    assert await slack.press(anna, asked, "Yes")

    await slack.until(lambda: pressing)
    (body,) = pressing
    assert (body["user"]["id"], body["team"]["id"], body["channel"]["id"]) == (anna.id, slack.team_id, asked.channel.id)
    assert [(each["action_id"], each["value"]) for each in body["actions"]] == [("yes", "7")]
    assert asked.root is not None
    assert (body["container"]["message_ts"], body["container"]["thread_ts"]) == (asked.ts, asked.root.ts)
    assert body["message"]["blocks"] == asked.blocks


async def test_press_that_is_not_acknowledged_shows_the_person_an_error(
    slack: FakeSlack, pressing: list[dict[str, Any]], asked: Message, anna: User
) -> None:
    assert not await slack.press(anna, asked, "No", timeout_s=0.1)
    assert pressing == []


async def test_press_without_an_app_shows_the_person_an_error(slack: FakeSlack, asked: Message, anna: User) -> None:
    assert not await slack.press(anna, asked, "Yes")


async def test_press_of_a_button_that_is_not_there_is_refused(slack: FakeSlack, asked: Message, anna: User) -> None:
    with pytest.raises(ValueError, match="has no button 'Maybe', but"):
        await slack.press(anna, asked, "Maybe")


async def test_response_url_changes_and_deletes_the_message(
    slack: FakeSlack, bot: Bot, asked: Message, anna: User
) -> None:
    async def replace(ack, respond) -> None:  # type: ignore[no-untyped-def]
        await ack()
        await respond(text="So be it", replace_original=True)

    async def delete(ack, respond) -> None:  # type: ignore[no-untyped-def]
        await ack()
        await respond(delete_original=True)

    bot.app.action("yes")(replace)
    bot.app.action("no")(delete)
    payload = pressed(slack._workspace, anna, asked, "No")
    await slack.press(anna, asked, "Yes")
    await slack.until(lambda: asked.text == "So be it" and not asked.blocks)
    await slack.send_interaction(payload)
    await slack.until(lambda: not slack.own_messages(asked.channel))


async def test_press_comes_signed_as_a_form(slack: FakeSlack, app: Bot, asked: Message, anna: User) -> None:
    bodies: list[dict[str, Any]] = []

    async def take(ack, body) -> None:  # type: ignore[no-untyped-def]
        await ack()
        bodies.append(body)

    app.app.action("yes")(take)
    runner = web.AppRunner(app.app.web_app(path="/slack/events"), access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.request_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"

    assert await slack.press(anna, asked, "Yes")
    assert not await slack.press(anna, asked, "No")

    await slack.until(lambda: len(bodies) == 1)
    await runner.cleanup()


def test_press_in_a_whole_organisation_names_no_team(slack: FakeSlack) -> None:
    team = slack.add_team("Org", org_wide=True)
    pat = slack.add_user("pat", team=team)
    channel = slack.add_channel("room", members=[pat], team=team)
    blocks = [{"type": "actions", "elements": [button()]}]
    message = slack._talk.post(channel, team.bot, "Sure?", blocks=blocks)

    payload = pressed(slack._workspace, pat, message, "Yes")

    assert (payload["team"], payload["enterprise"]["id"]) == (None, team.enterprise_id)
    assert payload["is_enterprise_install"] is True


@pytest.mark.parametrize(
    "elements",
    [
        [],
        [button()] * 2,
        [button(name=str(number)) for number in range(26)],
        [button("x" * 76)],
        [button(value="x" * 2_001)],
        [button(style="loud")],
        [{"type": "button", "text": {"type": "mrkdwn", "text": "Yes"}}],
        ["yes"],
    ],
)
async def test_buttons_that_slack_refuses_are_refused(
    client: AsyncWebClient, general: Channel, elements: list[Any]
) -> None:
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=general.id, text="x", blocks=[{"type": "actions", "elements": elements}])
    assert caught.value.response["error"] == "invalid_blocks"
