"""REST at the wire: tokens, addresses, and what the bot can ask about itself and others."""

import aiohttp
import discord
import pytest

from backscroll.testing import FakeDiscord
from backscroll.testing.discord.models import Channel, User
from tests.unit.testing.discord.conftest import Bot


async def test_wrong_token_is_refused(fake: FakeDiscord, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{fake.api_url}/users/@me", headers={"Authorization": "Bot wrong"}) as response:
        assert response.status == 401
        assert await response.json() == {"message": "401: Unauthorized", "code": 0}


async def test_unknown_path_and_method_are_told(fake: FakeDiscord, http: aiohttp.ClientSession) -> None:
    headers = {"Authorization": f"Bot {fake.token}"}
    async with http.get(f"{fake.api_url}/nothing", headers=headers) as nothing:
        assert nothing.status == 404
    async with http.put(f"{fake.api_url}/users/@me", headers=headers) as wrong:
        assert wrong.status == 405


async def test_calls_are_kept_with_their_params(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    _ = [message async for message in bot.text_channel(general).history(limit=5)]

    (call,) = fake.calls_of("GET", "/channels/{channel_id}/messages")
    assert call.path == f"/channels/{general.id}/messages"
    assert call.params == {"limit": "5"}
    assert fake.calls_of("GET", f"/channels/{general.id}/messages") == [call]


async def test_limits_are_far_away(fake: FakeDiscord, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{fake.api_url}/users/@me", headers={"Authorization": f"Bot {fake.token}"}) as response:
        assert int(response.headers["X-RateLimit-Remaining"]) > 100
        assert response.headers["X-RateLimit-Bucket"]


@pytest.mark.parametrize("allowed", [True, False])
async def test_application_tells_what_the_portal_grants(fake: FakeDiscord, bot: Bot, allowed: bool) -> None:
    fake.message_content_allowed = allowed

    about = await bot.application_info()

    assert about.id == int(fake.application_id)
    assert about.flags.gateway_message_content_limited is allowed


async def test_people_and_guilds_can_be_asked_for(fake: FakeDiscord, bot: Bot, anna: User) -> None:
    guild = await bot.fetch_guild(int(fake.guild.id))

    assert (await bot.fetch_user(int(anna.id))).name == "anna"
    assert (await guild.fetch_member(int(anna.id))).display_name == "Anna"
    assert [channel.name for channel in await guild.fetch_channels()] == ["general"]
    with pytest.raises(discord.NotFound) as caught:
        await bot.fetch_user(1)
    assert caught.value.code == 10013


async def test_latency_holds_every_call(fake: FakeDiscord, bot: Bot) -> None:
    fake.latency_s = 0.05
    began_s = bot.loop.time()

    await bot.fetch_user(int(fake.bot_user_id))

    assert bot.loop.time() - began_s >= 0.05
