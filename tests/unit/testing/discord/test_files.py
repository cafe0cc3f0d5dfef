"""Files are given at signed addresses, which end."""

import aiohttp
import discord
import pytest

from backscroll.testing import FakeDiscord
from backscroll.testing.discord.models import Channel, File, User
from tests.unit.testing.discord.conftest import Bot


@pytest.fixture
async def sent(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> tuple[File, discord.Attachment]:
    """Give a file that anna sent, and how the client sees it."""
    file = fake.add_file(anna, "my plan ä.txt", b"abc")
    await fake.say(anna, general, "look", files=[file])
    await fake.quiet()
    return file, bot.of("message")[-1].attachments[0]


Sent = tuple[File, discord.Attachment]


async def test_file_is_read(sent: Sent) -> None:
    _, attachment = sent

    assert await attachment.read() == b"abc"
    assert (attachment.filename, attachment.content_type) == ("my plan ä.txt", "text/plain")


async def test_address_without_its_signature_gives_nothing(sent: Sent, http: aiohttp.ClientSession) -> None:
    async with http.get(sent[1].url.partition("?")[0]) as response:
        assert response.status == 404


@pytest.mark.parametrize(("status", "error"), [(404, discord.NotFound), (403, discord.Forbidden)])
async def test_expired_address_ends_and_the_message_has_a_new_one(
    fake: FakeDiscord, bot: Bot, general: Channel, sent: Sent, status: int, error: type[Exception]
) -> None:
    fake.expire_files(status)

    with pytest.raises(error):
        await sent[1].read()

    (again,) = [message async for message in bot.text_channel(general).history()]
    assert await again.attachments[0].read() == b"abc"


async def test_address_ends_by_itself(fake: FakeDiscord, bot: Bot, general: Channel, sent: Sent) -> None:
    fake.attachment_ttl_s = -5
    (again,) = [message async for message in bot.text_channel(general).history()]

    with pytest.raises(discord.NotFound):
        await again.attachments[0].read()


async def test_address_is_refreshed(fake: FakeDiscord, sent: Sent, http: aiohttp.ClientSession) -> None:
    fake.expire_files()
    headers = {"Authorization": f"Bot {fake.token}"}
    form = {"attachment_urls": [sent[1].url]}

    async with http.post(f"{fake.api_url}/attachments/refresh-urls", json=form, headers=headers) as response:
        (refreshed,) = (await response.json())["refreshed_urls"]

    assert refreshed["original"] == sent[1].url
    async with http.get(refreshed["refreshed"]) as response:
        assert await response.read() == b"abc"


async def test_size_can_be_a_lie(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    await fake.say(anna, general, "", files=[fake.add_file(anna, "a.bin", b"abc", size=1)])
    await fake.quiet()

    (attachment,) = bot.of("message")[-1].attachments

    assert attachment.size == 1
    assert await attachment.read() == b"abc"


async def test_download_can_fail(sent: Sent) -> None:
    sent[0].status = 500

    with pytest.raises(discord.HTTPException) as caught:
        await sent[1].read()

    assert caught.value.status == 500


async def test_download_can_lead_elsewhere(sent: Sent, http: aiohttp.ClientSession) -> None:
    sent[0].redirect_to = "http://127.0.0.1:9/else"

    async with http.get(sent[1].url, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "http://127.0.0.1:9/else")
