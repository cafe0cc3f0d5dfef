"""Whom a message of the bot notifies, as allowed_mentions says."""

import discord
import pytest
from discord import AllowedMentions

from backscroll.testing import FakeDiscord
from backscroll.testing.discord.models import Channel, User
from tests.unit.testing.discord.conftest import Bot


@pytest.mark.parametrize(
    ("allowed", "pinged"),
    [
        (None, {"anna", "team", "everyone"}),
        (AllowedMentions.none(), set()),
        (AllowedMentions(users=False), {"team", "everyone"}),
        (AllowedMentions(everyone=False, roles=False), {"anna"}),
    ],
)
async def test_text_notifies_whom_it_may(
    fake: FakeDiscord,
    bot: Bot,
    anna: User,
    general: Channel,
    allowed: AllowedMentions | None,
    pinged: set[str],
) -> None:
    team = fake.add_role(fake.guild, "team")
    text = f"{anna.mention} {team.mention} @everyone"

    await bot.text_channel(general).send(text, allowed_mentions=allowed)

    (message,) = fake.own_messages(general)
    names = {anna.id: "anna", team.id: "team", "everyone": "everyone"}
    assert {names[one] for one in fake.pinged(message)} == pinged


@pytest.mark.parametrize(("ping", "count"), [(True, 1), (False, 0), (None, 1)])
async def test_reply_notifies_if_it_says_so(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel, ping: bool | None, count: int
) -> None:
    said = await fake.say(anna, general, "x")
    message = await bot.text_channel(general).fetch_message(int(said.id))

    if ping is None:
        await message.reply("answer")
    else:
        await message.reply("answer", mention_author=ping)

    (posted,) = fake.own_messages(general)
    assert len(fake.pinged(posted)) == count
    assert len(posted.mentions) == count


async def test_listed_people_are_notified_and_no_others(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel
) -> None:
    ben = fake.add_user("ben")
    allowed = AllowedMentions(everyone=False, roles=False, users=[discord.Object(int(ben.id))])

    await bot.text_channel(general).send(f"{anna.mention} {ben.mention}", allowed_mentions=allowed)

    assert fake.pinged(fake.own_messages(general)[0]) == {ben.id}


async def test_kind_cannot_be_parsed_and_listed(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    form = {"content": "x", "allowed_mentions": {"parse": ["users"], "users": [anna.id]}}

    with pytest.raises(discord.HTTPException) as caught:
        await bot.http.request(
            discord.http.Route("POST", "/channels/{channel_id}/messages", channel_id=general.id), json=form
        )

    assert caught.value.code == 50035


async def test_edit_without_allowed_mentions_mentions_again(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel
) -> None:
    posted = await bot.text_channel(general).send(anna.mention, allowed_mentions=AllowedMentions.none())
    (message,) = fake.own_messages(general)
    assert message.mentions == []

    await posted.edit(content=f"{anna.mention} again")

    assert message.mentions == [anna]
