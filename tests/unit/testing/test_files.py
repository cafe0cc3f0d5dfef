"""Files go out to who has a token, come in by the real client's upload, and can be faulty."""

import asyncio

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from backscroll.testing import FakeSlack
from backscroll.testing.slack.models import File
from tests.unit.testing.conftest import Bot
from tests.unit.testing.test_chat import refused


@pytest.fixture
def file(slack: FakeSlack) -> File:
    return slack.add_file(slack.add_user("anna"), "notes.txt", b"some notes")


async def get(slack: FakeSlack, http: aiohttp.ClientSession, url: str, token: str | None) -> tuple[str, bytes]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with http.get(url, headers=headers, allow_redirects=False) as response:
        return response.content_type, await response.read()


async def test_file_comes_with_its_message(slack: FakeSlack, bot: Bot, file: File) -> None:
    anna = slack.add_user("anna")
    said = await slack.say(anna, slack.open_dm(anna), "look", files=[file])

    (event,) = await bot.wait_for(1)

    assert event["subtype"] == "file_share"
    assert event["files"][0]["url_private"].startswith(f"http://127.0.0.1:{slack.port}/files-pri/")
    assert event["files"][0]["size"] == 10
    assert said.files == [file]


async def test_download_needs_a_token_that_holds(slack: FakeSlack, http: aiohttp.ClientSession, file: File) -> None:
    other = slack.add_team("Other")

    assert await get(slack, http, file.url, slack.bot_token) == ("text/plain", b"some notes")
    for token in (None, "xoxb-wrong", slack.app_token, other.bot_token):
        kind, page = await get(slack, http, file.url, token)
        assert (kind, b"Sign in" in page) == ("text/html", True)
    await slack.revoke_tokens()
    assert (await get(slack, http, file.url, slack.bot_token))[0] == "text/html"


async def test_file_can_be_longer_than_announced(slack: FakeSlack, http: aiohttp.ClientSession) -> None:
    file = slack.add_file(slack.add_user("anna"), "big.bin", b"x" * 1000, size=10)

    assert file.shown()["size"] == 10
    assert len((await get(slack, http, file.url, slack.bot_token))[1]) == 1000


async def test_file_can_redirect_elsewhere(slack: FakeSlack, http: aiohttp.ClientSession, file: File) -> None:
    file.redirect_to = "https://example.com/elsewhere"

    async with http.get(
        file.url, headers={"Authorization": f"Bearer {slack.bot_token}"}, allow_redirects=False
    ) as response:
        assert (response.status, response.headers["Location"]) == (302, "https://example.com/elsewhere")


async def test_file_can_hang(slack: FakeSlack, http: aiohttp.ClientSession, file: File) -> None:
    file.hang_s = 3600

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(get(slack, http, file.url, slack.bot_token), 0.05)


async def test_stub_is_completed_by_files_info(slack: FakeSlack, client: AsyncWebClient, bot: Bot, file: File) -> None:
    file.needs_asking = True
    anna = slack.add_user("anna")
    await slack.say(anna, slack.open_dm(anna), "look", files=[file])

    (event,) = await bot.wait_for(1)
    info = await client.files_info(file=file.id)

    assert event["files"][0]["file_access"] == "check_file_info"
    assert "url_private" not in event["files"][0]
    assert info["file"]["url_private"] == file.url


async def test_upload_of_the_client_becomes_a_message(slack: FakeSlack, client: AsyncWebClient, bot: Bot) -> None:
    anna = slack.add_user("anna")
    general = slack.add_channel("general", members=[anna])
    root = await slack.say(anna, general, "send it")
    answer = await client.files_upload_v2(
        content="a,b\n1,2\n", filename="t.csv", channel=general.id, thread_ts=root.ts, initial_comment="here"
    )

    echo = (await bot.wait_for(2))[1]
    shares = (await client.files_info(file=answer["files"][0]["id"]))["file"]["shares"]

    assert (echo["subtype"], echo["text"], echo["thread_ts"]) == ("file_share", "here", root.ts)
    assert echo["files"][0]["name"] == "t.csv"
    assert shares["public"][general.id][0]["ts"] == echo["ts"]
    assert shares["public"][general.id][0]["thread_ts"] == root.ts


async def test_upload_is_shared_a_little_later(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.share_delay_s = 1.0
    general = slack.add_channel("general")
    answer = await client.files_upload_v2(content="x", filename="x.txt", channel=general.id)
    file_id = answer["files"][0]["id"]

    assert (await client.files_info(file=file_id))["file"]["shares"] == {}
    await slack.until(lambda: slack.messages(general))
    assert (await client.files_info(file=file_id))["file"]["shares"]


async def test_files_refuse_what_slack_refuses(slack: FakeSlack, client: AsyncWebClient) -> None:
    announced = await client.files_getUploadURLExternal(filename="x", length=3)

    async def complete(file_id: str) -> str:
        return await refused(client.files_completeUploadExternal(files=[{"id": file_id, "title": "x"}]))

    assert await complete("F404") == "file_not_found"
    assert await complete(announced["file_id"]) == "file_not_found"
    assert await refused(client.files_info(file="F404")) == "file_not_found"
    assert await refused(client.files_getUploadURLExternal(filename="x", length=0)) == "invalid_arguments"


def test_file_needs_an_open_fake() -> None:
    closed = FakeSlack()

    with pytest.raises(RuntimeError):
        closed.add_file(closed.add_user("anna"), "x.txt", b"x")


@pytest.mark.parametrize("name", ["über uns.pdf", "a/b?c#d.txt", "100%.txt", ""])
async def test_file_is_found_under_any_name(slack: FakeSlack, http: aiohttp.ClientSession, name: str) -> None:
    file = slack.add_file(slack.add_user("anna"), name, b"content")

    assert (await get(slack, http, file.url, slack.bot_token))[1] == b"content"
