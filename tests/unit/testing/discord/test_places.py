"""Channels and guilds come and go, and a real client follows."""

from typing import Any

import discord
import pytest

from backscroll.testing import FakeDiscord
from backscroll.testing.discord.models import Channel, Kind, User
from tests.unit.testing.discord.conftest import Begin, Bot


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        ("text", discord.ChannelType.text),
        ("news", discord.ChannelType.news),
        ("forum", discord.ChannelType.forum),
        ("voice", discord.ChannelType.voice),
    ],
)
async def test_channel_comes_live_and_at_login(
    fake: FakeDiscord, bot: Bot, begin: Begin, kind: Kind, type_: discord.ChannelType
) -> None:
    channel = fake.add_channel("place", kind=kind)
    await fake.quiet()

    late = await begin()

    assert bot.text_channel(channel).type is type_
    assert late.text_channel(channel).type is type_
    fetched: Any = await bot.fetch_channel(int(channel.id))
    assert fetched.type is type_


async def test_channel_is_renamed(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    await fake.rename_channel(general, "lobby")
    await fake.quiet()

    assert bot.text_channel(general).name == "lobby"


async def test_channel_goes_with_its_threads(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    thread = await fake.start_thread(anna, general, "x")

    await fake.delete_channel(general)
    await fake.quiet()

    assert [channel.id for channel in bot.of("guild_channel_delete")] == [int(general.id)]
    for gone in (general, thread):
        with pytest.raises(discord.NotFound) as caught:
            await bot.fetch_channel(int(gone.id))
        assert caught.value.code == 10003


async def test_removed_bot_hears_no_more(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    channel = bot.text_channel(general)
    await fake.remove_bot(fake.guild)
    await fake.say(anna, general, "x")
    await fake.quiet()

    assert len(bot.of("guild_remove")) == 1
    assert bot.texts == []
    with pytest.raises(discord.Forbidden) as caught:
        await channel.send("x")
    assert caught.value.code == 50001


async def test_guild_goes_away_and_comes_back(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    await fake.guild_outage(fake.guild)
    await fake.say(anna, general, "lost")
    await fake.guild_back(fake.guild)
    await fake.say(anna, general, "seen")
    await fake.quiet()

    assert len(bot.of("guild_unavailable")) == 1
    assert bot.texts == ["seen"]
    assert [one.content async for one in bot.text_channel(general).history(oldest_first=True)] == ["lost", "seen"]


async def test_new_guild_is_told(fake: FakeDiscord, bot: Bot) -> None:
    guild = fake.add_guild("Other")
    place = fake.add_channel("there", guild=guild)
    await fake.quiet()

    assert [joined.name for joined in bot.of("guild_join")] == ["Other"]
    assert bot.text_channel(place).guild.id == int(guild.id)


async def test_hidden_channel_can_be_opened(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    fake.forbid(general, "VIEW_CHANNEL")
    await fake.say(anna, general, "unheard")
    fake.allow(general, "VIEW_CHANNEL")
    await fake.say(anna, general, "heard")

    await fake.quiet()

    assert bot.texts == ["heard"]
