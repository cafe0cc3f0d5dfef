"""Several workspaces, one app: each has its own token, people and channels."""

import asyncio

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from backscroll.testing import FakeSlack
from tests.unit.testing.conftest import Bot

# slack_sdk 3.47 builds its Basic header in a way that aiohttp 3.14 is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:BasicAuth is deprecated")


async def install(slack: FakeSlack, code: str, secret: str | None = None) -> AsyncWebClient:
    client = AsyncWebClient(base_url=slack.api_url)
    answer = await client.oauth_v2_access(
        client_id=slack.client_id, client_secret=slack.client_secret if secret is None else secret, code=code
    )
    client.token = answer["access_token"]
    return client


async def test_code_buys_a_token_once(slack: FakeSlack) -> None:
    other = slack.add_team("Other")
    code = slack.new_code(other)
    client = await install(slack, code)

    assert (await client.auth_test())["team_id"] == other.id
    with pytest.raises(SlackApiError, match="invalid_code"):
        await install(slack, code)
    with pytest.raises(SlackApiError, match="bad_client_secret"):
        await install(slack, slack.new_code(), "wrong")


async def test_reinstalled_team_gets_another_token(slack: FakeSlack) -> None:
    old = slack.bot_token
    await slack.revoke_tokens()

    client = await install(slack, slack.new_code())

    assert client.token != old
    assert (await client.auth_test())["team_id"] == slack.team_id


async def test_org_wide_install_has_no_team(slack: FakeSlack, bot: Bot) -> None:
    org = slack.add_team("Org", org_wide=True)
    client = AsyncWebClient(base_url=slack.api_url)
    answer = await client.oauth_v2_access(
        client_id=slack.client_id, client_secret=slack.client_secret, code=slack.new_code(org)
    )
    client.token = answer["access_token"]
    identity = await client.auth_test()
    anna = slack.add_user("anna", team=org)
    await slack.say(anna, slack.open_dm(anna, team=org), "hello")
    await bot.wait_for(1)

    assert (answer["team"], answer["is_enterprise_install"], answer["enterprise"]["id"]) == (
        None,
        True,
        org.enterprise_id,
    )
    assert (identity["team_id"], identity["is_enterprise_install"]) == (org.enterprise_id, True)
    assert bot.bodies[0]["authorizations"][0]["team_id"] is None
    assert bot.bodies[0]["authorizations"][0]["is_enterprise_install"] is True


async def test_same_channel_id_in_two_teams_is_two_channels(slack: FakeSlack, client: AsyncWebClient, bot: Bot) -> None:
    other = slack.add_team("Other")
    here = slack.add_channel("general", channel_id="C1")
    there = slack.add_channel("general", channel_id="C1", team=other)
    await client.chat_postMessage(channel="C1", text="here")
    await AsyncWebClient(token=other.bot_token, base_url=slack.api_url).chat_postMessage(channel="C1", text="there")
    await bot.wait_for(2)

    assert (slack.posted_by_bot(here), slack.posted_by_bot(there)) == (["here"], ["there"])
    assert {body["team_id"] for body in bot.bodies} == {slack.team_id, other.id}


async def test_direct_conversation_is_always_the_same(slack: FakeSlack, client: AsyncWebClient) -> None:
    anna, ben = slack.add_user("anna"), slack.add_user("ben")

    opened = await client.conversations_open(users=[anna.id])
    group = await client.conversations_open(users=f"{ben.id},{anna.id}")

    assert opened["channel"]["id"] == slack.open_dm(anna).id
    assert group["channel"]["id"] == slack.open_group_dm([anna, ben]).id
    assert slack.open_dm(anna).type == "im"
    assert slack.open_group_dm([anna, ben]).type == "mpim"


async def test_ts_grow_within_a_channel_even_when_the_clock_goes_back(slack: FakeSlack) -> None:
    anna = slack.add_user("anna")
    dm = slack.open_dm(anna)
    stamps = [(await slack.say(anna, dm, "x")).ts for _ in range(50)]
    slack.clock_shift_s = -3600
    stamps.append((await slack.say(anna, dm, "x")).ts)

    assert sorted(stamps) == stamps
    assert len(set(stamps)) == 51
    assert all(len(ts.split(".")[1]) == 6 for ts in stamps)


async def test_clock_can_be_moved(slack: FakeSlack) -> None:
    anna = slack.add_user("anna")
    now = await slack.say(anna, slack.open_dm(anna), "now")
    slack.clock_shift_s = -86_400
    ben = slack.add_user("ben")
    yesterday = await slack.say(ben, slack.open_dm(ben), "yesterday")

    assert 86_390 < int(now.ts.split(".")[0]) - int(yesterday.ts.split(".")[0]) < 86_410


async def test_two_fakes_give_no_event_id_twice() -> None:
    ids = set()
    for _ in range(2):
        async with FakeSlack() as slack:
            ids.add(await slack.send_event({"type": "message"}))

    assert len(ids) == 2


async def test_port_can_be_chosen_and_entering_twice_is_an_error(slack: FakeSlack) -> None:
    with pytest.raises(RuntimeError):
        await slack.__aenter__()
    with pytest.raises(OSError, match="address already in use"):
        async with FakeSlack(port=slack.port):
            pass


async def test_direct_conversation_is_in_the_persons_team(slack: FakeSlack) -> None:
    other = slack.add_team("Other")

    assert slack.open_dm(slack.add_user("anna", team=other)).team is other


async def test_closing_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession() as http:
        async with FakeSlack(request_url="http://127.0.0.1:9/") as slack:
            headers = {"Authorization": f"Bearer {slack.app_token}"}
            async with http.post(f"{slack.api_url}apps.connections.open", headers=headers) as response:
                socket = await http.ws_connect((await response.json())["url"])
            await slack.send_event({"type": "message"})
            await slack.until(lambda: slack.deliveries)
        await socket.close()

    assert asyncio.all_tasks() == before
