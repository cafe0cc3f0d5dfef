"""Real gateway clients come back after whatever Discord does to their sessions."""

import discord
import pytest

from backscroll.testing import FakeDiscord
from tests.unit.testing.discord.conftest import Begin, Bot, Hasty, all_intents, point_at, running


async def test_login_brings_the_guild_and_its_channels(fake: FakeDiscord, begin: Begin) -> None:
    general = fake.add_channel("general")

    bot = await begin()

    assert [guild.name for guild in bot.guilds] == ["Acme"]
    assert bot.text_channel(general).name == "general"
    assert bot.user.id == int(fake.bot_user_id)


async def test_identify_is_kept(fake: FakeDiscord, bot: Bot) -> None:
    (identify,) = fake.identifies

    assert identify["intents"] == all_intents().value
    assert fake.session_count == 1


async def test_events_of_a_gap_are_replayed_in_order(fake: FakeDiscord, bot: Bot) -> None:
    anna, general = fake.add_user("anna"), fake.add_channel("general")
    fake.drop_sockets()
    for number in range(3):
        await fake.say(anna, general, f"while away {number}")

    await fake.quiet()

    assert bot.texts == ["while away 0", "while away 1", "while away 2"]
    assert fake.resumes == 1
    assert len(fake.identifies) == 1


async def test_every_event_comes_once_around_a_cut(fake: FakeDiscord, bot: Bot) -> None:
    anna, general = fake.add_user("anna"), fake.add_channel("general")
    for number in range(6):
        await fake.say(anna, general, str(number))
        if number % 2:
            fake.drop_sockets()
            await fake.quiet()

    await fake.quiet()

    assert bot.texts == [str(number) for number in range(6)]


async def test_client_comes_back_when_it_is_told_to(fake: FakeDiscord, bot: Bot) -> None:
    await fake.reconnect()
    await fake.say(fake.add_user("anna"), fake.add_channel("general"), "meanwhile")

    await fake.quiet()

    assert bot.texts == ["meanwhile"]
    assert fake.resumes == 1


async def test_resumable_invalidation_loses_nothing(fake: FakeDiscord, bot: Bot) -> None:
    await fake.invalidate_sessions(resumable=True)
    await fake.say(fake.add_user("anna"), fake.add_channel("general"), "meanwhile")

    await fake.quiet()

    assert bot.texts == ["meanwhile"]
    assert fake.resumes == 1


async def test_invalidated_session_loses_what_happens_meanwhile(fake: FakeDiscord, bot: Bot) -> None:
    anna, general = fake.add_user("anna"), fake.add_channel("general")
    await fake.invalidate_sessions()
    await fake.say(anna, general, "lost")
    await fake.until(lambda: len(bot.of("ready")) == 2)
    await fake.say(anna, general, "seen")

    await fake.until(lambda: bot.texts)

    assert bot.texts == ["seen"]
    assert (fake.resumes, len(fake.identifies)) == (0, 2)


async def test_forgotten_session_cannot_be_resumed(fake: FakeDiscord, bot: Bot) -> None:
    anna, general = fake.add_user("anna"), fake.add_channel("general")
    fake.forget_sessions()
    await fake.say(anna, general, "still seen")
    await fake.until(lambda: bot.texts)
    fake.drop_sockets()
    await fake.say(anna, general, "lost")

    await fake.until(lambda: len(bot.of("ready")) == 2)
    await fake.quiet()

    assert bot.texts == ["still seen"]
    assert (fake.resumes, len(fake.identifies)) == (0, 2)


async def test_closed_sockets_are_resumed(fake: FakeDiscord, bot: Bot) -> None:
    await fake.close_sockets(4000)
    await fake.say(fake.add_user("anna"), fake.add_channel("general"), "meanwhile")

    await fake.quiet()

    assert bot.texts == ["meanwhile"]


async def test_fatal_close_code_ends_the_client(fake: FakeDiscord, bot: Bot) -> None:
    await fake.close_sockets(4011)

    assert bot.running is not None
    with pytest.raises(discord.ConnectionClosed) as caught:
        await bot.running
    assert caught.value.code == 4011


async def test_outage_ends_sessions_and_keeps_the_rest(fake: FakeDiscord, bot: Bot) -> None:
    port, general = fake.port, fake.add_channel("general")
    await fake.say(fake.add_user("anna"), general, "before")
    await fake.__aexit__(None, None, None)
    await fake.__aenter__()

    await fake.until(lambda: len(bot.of("ready")) == 2)

    assert fake.port == port
    assert [message["content"] for message in fake.messages(general)] == ["before"]
    assert fake.resumes == 0


async def test_last_events_can_be_repeated(fake: FakeDiscord, bot: Bot) -> None:
    anna, general = fake.add_user("anna"), fake.add_channel("general")
    for text in ("one", "two"):
        await fake.say(anna, general, text)

    await fake.repeat_last(2)
    await fake.quiet()

    assert bot.texts == ["one", "two", "one", "two"]


async def test_two_clients_both_get_every_event(fake: FakeDiscord, begin: Begin) -> None:
    bots = [await begin(), await begin()]

    await fake.say(fake.add_user("anna"), fake.add_channel("general"), "to all")
    await fake.quiet()

    assert [bot.texts for bot in bots] == [["to all"], ["to all"]]


class HastyShards(Hasty, discord.AutoShardedClient):
    pass


async def test_shards_share_the_guilds(fake: FakeDiscord) -> None:
    fake.shards = 2
    anna, other = fake.add_user("anna"), fake.add_guild("Other")
    point_at(fake)
    bot = HastyShards(intents=all_intents(), guild_ready_timeout=0.01)
    seen: list[tuple[str, int | None]] = []

    @bot.event
    async def on_message(message: discord.Message) -> None:
        seen.append((message.content, message.guild.shard_id if message.guild else None))

    await bot.login(fake.token)
    async with running(bot):
        await fake.until(lambda: fake.session_count == 2)
        for guild in (fake.guild, other):
            await fake.say(anna, fake.add_channel("general", guild=guild), guild.name)
        await fake.say(anna, fake.open_dm(anna), "direct")
        await fake.until(lambda: len(seen) == 3)

    shards = {"Acme": fake.shard_of(fake.guild, 2), "Other": fake.shard_of(other, 2), "direct": None}
    assert dict(seen) == shards
    assert sorted(identify["shard"] for identify in fake.identifies) == [[0, 2], [1, 2]]


async def test_without_asking_an_intent_its_events_stay_away(fake: FakeDiscord, begin: Begin) -> None:
    intents = all_intents()
    intents.guild_messages = False
    bot = await begin(intents)
    anna = fake.add_user("anna")

    await fake.say(anna, fake.add_channel("general"), "in the guild")
    await fake.say(anna, fake.open_dm(anna), "direct")
    await fake.quiet()

    assert bot.texts == ["direct"]


async def test_quiet_waits_for_a_client_that_was_cut_off(fake: FakeDiscord, bot: Bot) -> None:
    fake.refuse_connections()
    fake.drop_sockets()

    with pytest.raises(TimeoutError, match="has not read"):
        await fake.quiet(timeout=0.05)
