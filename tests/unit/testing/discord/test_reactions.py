"""Reactions travel both ways."""

import discord
import pytest

from backscroll.testing import FakeDiscord
from backscroll.testing.discord.models import Channel, User
from tests.unit.testing.discord.conftest import Bot


@pytest.mark.parametrize("emoji", ["👍", "👍🏽", "❤️", "ℹ️", "1️⃣", "<:party:1234567890>", "<a:party:1234567890>"])
async def test_reaction_is_told_and_taken_back(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel, emoji: str
) -> None:
    said = await fake.say(anna, general, "x")

    await fake.react(anna, said, emoji)
    shown = fake.reactions(said)
    await fake.unreact(anna, said, emoji)
    await fake.quiet()

    (given,), (taken,) = bot.of("raw_reaction_add"), bot.of("raw_reaction_remove")
    assert str(given.emoji) == str(taken.emoji) == emoji
    assert given.message_author_id == int(anna.id)
    assert given.member is not None
    assert shown == {emoji: ["anna"]}
    assert fake.reactions(said) == {}


async def test_same_reaction_twice_is_one(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = await fake.say(anna, general, "x")

    for _ in range(2):
        await fake.react(anna, said, "👍")
    await fake.quiet()

    assert len(bot.of("raw_reaction_add")) == 1


async def test_reactions_are_cleared(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = await fake.say(anna, general, "x")
    for emoji in ("👍", "👎"):
        await fake.react(anna, said, emoji)

    await fake.clear_reactions(said, "👍")
    left = fake.reactions(said)
    await fake.clear_reactions(said)
    await fake.quiet()

    assert left == {"👎": ["anna"]}
    assert [str(event.emoji) for event in bot.of("raw_reaction_clear_emoji")] == ["👍"]
    assert len(bot.of("raw_reaction_clear")) == 1


async def test_bot_reacts_and_hears_it(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = await fake.say(anna, general, "x")
    message = bot.text_channel(general).get_partial_message(int(said.id))

    await message.add_reaction("👀")
    await fake.quiet()

    assert fake.reactions(said) == {"👀": ["backscroll"]}
    assert [event.user_id for event in bot.of("raw_reaction_add")] == [int(fake.bot_user_id)]
    await message.remove_reaction("👀", discord.Object(fake.bot_user_id))
    assert fake.reactions(said) == {}


async def test_name_of_an_emoji_is_no_emoji(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = await fake.say(anna, general, "x")

    with pytest.raises(discord.HTTPException) as caught:
        await bot.text_channel(general).get_partial_message(int(said.id)).add_reaction("thumbsup")

    assert caught.value.code == 10014


async def test_fetched_message_shows_who_reacted(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = await fake.say(anna, general, "x")
    await fake.react(anna, said, "👍")

    (reaction,) = (await bot.text_channel(general).fetch_message(int(said.id))).reactions

    assert (reaction.count, reaction.me) == (1, False)
    assert [user.name async for user in reaction.users()] == ["anna"]


async def test_forbidden_reaction_says_so(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = await fake.say(anna, general, "x")
    fake.forbid(general, "ADD_REACTIONS")

    with pytest.raises(discord.Forbidden) as caught:
        await bot.text_channel(general).get_partial_message(int(said.id)).add_reaction("👍")

    assert caught.value.code == 50013
