"""Ordered faults reach a real client as what they are, with or without the effect of the call."""

import asyncio
import time

import aiohttp
import discord
import pytest

from backscroll.testing import FakeDiscord, Fault
from backscroll.testing.discord.models import Channel
from tests.unit.testing.discord.conftest import Bot

MESSAGES = "/channels/{channel_id}/messages"


async def test_rate_limit_is_waited_for(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    fake.fail("POST", MESSAGES, Fault.rate_limited(0.05))
    began_s = time.monotonic()

    await bot.text_channel(general).send("x")

    assert time.monotonic() - began_s >= 0.05
    assert len(fake.calls_of("POST", MESSAGES)) == 2
    assert fake.posted_by_bot(general) == ["x"]


async def test_rate_limit_without_via_is_raised(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    fake.fail("POST", MESSAGES, Fault.rate_limited(5, with_via=False))

    with pytest.raises(discord.HTTPException) as caught:
        await bot.text_channel(general).send("x")

    assert caught.value.status == 429
    assert caught.value.response.headers["Retry-After"] == "5"


async def test_global_rate_limit_says_so(fake: FakeDiscord, http: aiohttp.ClientSession) -> None:
    fake.fail("*", "*", Fault.rate_limited(3, is_global=True))

    async with http.get(f"{fake.api_url}/gateway") as response:
        body = await response.json()

    assert (body["global"], body["retry_after"]) == (True, 3)
    assert response.headers["X-RateLimit-Global"] == "true"


async def test_server_error_has_no_effect(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    fake.fail("POST", MESSAGES, Fault.server_error(503))

    with pytest.raises(discord.DiscordServerError):
        await bot.text_channel(general).send("x")

    assert fake.messages(general) == []


async def test_named_error_comes_as_discord_says_it(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    fake.fail("POST", MESSAGES, Fault.error(403, 50013, "Missing Permissions"))

    with pytest.raises(discord.Forbidden, match="Missing Permissions") as caught:
        await bot.text_channel(general).send("x")

    assert caught.value.code == 50013


async def test_page_comes_as_a_200_without_an_effect(
    fake: FakeDiscord, bot: Bot, http: aiohttp.ClientSession, general: Channel
) -> None:
    fake.fail("POST", MESSAGES, Fault.page())
    fake.fail("GET", "/gateway", Fault.page())

    with pytest.raises(TypeError):
        await bot.text_channel(general).send("x")
    async with http.get(f"{fake.api_url}/gateway") as response:
        said = (response.status, response.content_type, (await response.text())[:6])

    assert fake.messages(general) == []
    assert said == (200, "text/html", "<html>")


@pytest.mark.parametrize(
    ("fault", "kept"), [(Fault.cut_before(), []), (Fault.cut_after(), ["x"]), (Fault.cut_within(), ["x"])]
)
async def test_cut_connection_hides_the_outcome(
    fake: FakeDiscord, bot: Bot, general: Channel, fault: Fault, kept: list[str]
) -> None:
    fake.fail("POST", MESSAGES, fault)

    with pytest.raises(aiohttp.ClientError):
        await bot.text_channel(general).send("x")

    assert fake.posted_by_bot(general) == kept


async def test_hang_has_its_effect_after_the_caller_left(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    fake.fail("POST", MESSAGES, Fault.hang(0.05))
    call = asyncio.create_task(bot.text_channel(general).send("late"))
    await fake.until(lambda: fake.calls_of("POST", MESSAGES))
    call.cancel()

    assert fake.posted_by_bot(general) == []
    await fake.until(lambda: fake.posted_by_bot(general) == ["late"])


async def test_fault_waits_for_a_call_that_it_fits(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    other = fake.add_channel("other")
    await fake.quiet()
    fake.fail("POST", f"/channels/{other.id}/messages", Fault.error(400, 1, "no"))

    await bot.text_channel(general).send("x")

    with pytest.raises(discord.HTTPException):
        await bot.text_channel(other).send("y")
    await bot.text_channel(other).send("z")
    assert fake.posted_by_bot(other) == ["z"]


async def test_faults_happen_in_the_order_they_were_ordered(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    fake.fail("POST", MESSAGES, Fault.error(400, 1, "first"), times=2)
    fake.fail("*", "*", Fault.error(400, 2, "second"))
    codes = []
    for _ in range(3):
        with pytest.raises(discord.HTTPException) as caught:
            await bot.text_channel(general).send("x")
        codes.append(caught.value.code)

    await bot.text_channel(general).send("at last")

    assert codes == [1, 1, 2]


async def test_forgiven_faults_do_not_happen(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    fake.fail("POST", MESSAGES, Fault.server_error(503), times=5)

    fake.forgive()

    await bot.text_channel(general).send("x")
    assert fake.posted_by_bot(general) == ["x"]
