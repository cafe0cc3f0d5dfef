"""Commands are registered, used and answered as Discord has it."""

import asyncio

import discord
import pytest
from discord import app_commands

from backscroll.testing import FakeDiscord
from backscroll.testing.discord.models import Channel, User
from tests.unit.testing.discord.conftest import Bot

Tree = app_commands.CommandTree[Bot]


@pytest.fixture
async def tree(bot: Bot) -> Tree:
    """Give the bot's commands: one answers at once, one thinks first, one says only to the person."""
    commands = app_commands.CommandTree(bot)

    @commands.command(description="Say it.")
    async def echo(interaction: discord.Interaction[Bot], text: str, times: int = 1) -> None:
        await interaction.response.send_message(text * times)
        await interaction.followup.send("more")

    @commands.command(description="Think first.")
    async def think(interaction: discord.Interaction[Bot]) -> None:
        await interaction.response.defer(thinking=True)
        await interaction.followup.send("thought")
        await interaction.followup.send("and more")

    @commands.command(description="Whisper.")
    async def whisper(interaction: discord.Interaction[Bot]) -> None:
        await interaction.response.send_message("psst", ephemeral=True)

    return commands


async def test_commands_are_registered(fake: FakeDiscord, tree: Tree) -> None:
    synced = await tree.sync()

    assert sorted(command["name"] for command in fake.commands) == ["echo", "think", "whisper"]
    assert {str(command.id) for command in synced} == {command["id"] for command in fake.commands}


async def test_command_is_answered_with_its_options(
    fake: FakeDiscord, tree: Tree, anna: User, general: Channel
) -> None:
    await tree.sync()

    used = await fake.use_command(anna, general, "echo", text="ab", times=2)
    await fake.until(lambda: len(used.messages) == 2)

    assert (used.response_type, used.is_ephemeral) == (4, False)
    assert used.answered_in_s is not None
    assert used.texts == ["abab", "more"]
    assert fake.posted_by_bot(general) == ["abab", "more"]


async def test_thinking_is_filled_by_the_first_followup(
    fake: FakeDiscord, tree: Tree, bot: Bot, anna: User, general: Channel
) -> None:
    used = await fake.use_command(anna, general, "think")
    await fake.until(lambda: used.texts == ["thought", "and more"])
    await fake.quiet()

    assert used.response_type == 5
    assert len(bot.of("message")) == 2
    assert [event.message.content for event in bot.of("raw_message_edit")] == ["thought"]


async def test_answer_for_one_person_stands_in_no_history(
    fake: FakeDiscord, tree: Tree, bot: Bot, anna: User, general: Channel
) -> None:
    used = await fake.use_command(anna, general, "whisper")
    await fake.until(lambda: used.texts == ["psst"])
    await fake.quiet()

    assert used.is_ephemeral
    assert fake.messages(general) == []
    (echo,) = bot.of("message")
    assert echo.flags.ephemeral
    # Discord names no guild with these.
    assert echo.guild is None


async def test_command_works_in_direct_messages(fake: FakeDiscord, tree: Tree, anna: User) -> None:
    dm = fake.open_dm(anna)

    used = await fake.use_command(anna, dm, "echo", text="x")

    await fake.until(lambda: used.texts == ["x", "more"])
    assert fake.posted_by_bot(dm) == ["x", "more"]


async def test_late_answer_is_refused(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    fake.interaction_deadline_s = 0
    used = await fake.use_command(anna, general, "unknown")
    await fake.quiet()
    (interaction,) = bot.of("interaction")

    with pytest.raises(discord.NotFound) as caught:
        await interaction.response.send_message("late")

    assert caught.value.code == 10062
    assert (used.late_count, used.response_type, used.messages) == (1, None, [])


async def test_second_answer_is_refused(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    await fake.use_command(anna, general, "unknown")
    await fake.quiet()
    (interaction,) = bot.of("interaction")
    await interaction.response.send_message("one")
    interaction.response._response_type = None

    with pytest.raises(discord.HTTPException) as caught:
        await interaction.response.send_message("two")

    assert caught.value.code == 40060


async def test_answers_are_changed_and_deleted(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    used = await fake.use_command(anna, general, "unknown")
    await fake.quiet()
    (interaction,) = bot.of("interaction")
    await interaction.response.send_message("one")
    more = await interaction.followup.send("two", wait=True)

    await interaction.edit_original_response(content="ONE")
    await more.edit(content="TWO")
    changed = list(used.texts)
    assert (await interaction.original_response()).content == "ONE"
    await more.delete()
    await interaction.delete_original_response()

    assert changed == ["ONE", "TWO"]
    assert used.texts == []


async def test_token_ends(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    await fake.use_command(anna, general, "unknown")
    await fake.quiet()
    (interaction,) = bot.of("interaction")
    await interaction.response.send_message("one")
    fake.interaction_ttl_s = 0

    with pytest.raises(discord.HTTPException) as caught:
        await interaction.followup.send("late")

    assert (caught.value.status, caught.value.code) == (401, 50027)


async def test_unanswered_command_stays_open(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    used = await fake.use_command(anna, general, "unknown")
    await asyncio.sleep(0)

    assert used.response_type is None
    assert used.answered_in_s is None
