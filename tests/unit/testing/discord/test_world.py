"""Ids and places are made as Discord makes them."""

from datetime import UTC, datetime, timedelta

import discord

from backscroll.testing import FakeDiscord


async def test_ids_rise_and_tell_their_time(fake: FakeDiscord) -> None:
    anna, general = fake.add_user("anna"), fake.add_channel("general")

    ids = [int((await fake.say(anna, general, "x")).id) for _ in range(50)]

    assert ids == sorted(set(ids))
    assert abs(discord.utils.snowflake_time(ids[0]) - datetime.now(UTC)) < timedelta(seconds=5)


async def test_clock_can_be_shifted(fake: FakeDiscord) -> None:
    fake.clock_shift_s = 3600
    said = await fake.say(fake.add_user("anna"), fake.add_channel("general"), "x")

    assert said.created_at - datetime.now(UTC) > timedelta(minutes=59)


async def test_direct_messages_are_opened_once(fake: FakeDiscord) -> None:
    anna = fake.add_user("anna")

    assert fake.open_dm(anna) is fake.open_dm(anna)
    assert fake.open_dm(anna) is not fake.open_dm(fake.add_user("ben"))


async def test_guilds_take_turns_on_the_shards(fake: FakeDiscord) -> None:
    other = fake.add_guild("Other")

    assert {fake.shard_of(fake.guild, 2), fake.shard_of(other, 2)} == {0, 1}


async def test_application_is_not_the_bots_user(fake: FakeDiscord) -> None:
    assert fake.application_id != fake.bot_user_id


async def test_two_fakes_give_no_id_twice(fake: FakeDiscord) -> None:
    async with FakeDiscord() as other:
        mine = {fake.add_user("x").id for _ in range(100)}
        theirs = {other.add_user("x").id for _ in range(100)}

    assert not mine & theirs
