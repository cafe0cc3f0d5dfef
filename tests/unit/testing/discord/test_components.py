"""Buttons stand below messages, and who presses one is told of, as Discord has it."""

from typing import Any

import aiohttp
import discord
import pytest

from backscroll.testing import FakeDiscord
from backscroll.testing.discord.models import Channel, Message, User
from tests.unit.testing.discord.conftest import Bot

Json = dict[str, Any]
YES: Json = {"type": 2, "style": 3, "label": "Yes", "custom_id": "yes"}


async def posted(bot: Bot, general: Channel, fake: FakeDiscord) -> Message:
    """Let the bot post a message with two buttons."""
    view = discord.ui.View(timeout=None)
    for label in ("Yes", "No"):
        view.add_item(discord.ui.Button(label=label, custom_id=label.lower()))
    said = await bot.text_channel(general).send("Shall I?", view=view)
    return fake.message(said.id)


async def pressed(bot: Bot, fake: FakeDiscord) -> discord.Interaction[Bot]:
    await fake.quiet()
    interaction: discord.Interaction[Bot] = bot.of("interaction")[-1]
    return interaction


async def test_buttons_stand_below_their_message(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    message = await posted(bot, general, fake)
    assert [(label, one["custom_id"]) for label, one in message.buttons.items()] == [("Yes", "yes"), ("No", "no")]
    (row,) = fake.messages(general)[-1]["components"]
    assert [one["id"] for one in (row, *row["components"])] == [1, 2, 3]


async def test_press_tells_who_pressed_what(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    message = await posted(bot, general, fake)
    await fake.press(anna, message, "No")
    told = await pressed(bot, fake)
    assert told.type is discord.InteractionType.component
    assert told.data is not None
    assert told.data.get("custom_id") == "no"
    assert told.message is not None
    assert (str(told.user.id), str(told.message.id), told.guild_id) == (anna.id, message.id, int(fake.guild.id))


async def test_press_in_direct_messages_names_no_guild(fake: FakeDiscord, bot: Bot, anna: User) -> None:
    dm = fake.open_dm(anna)
    message = await fake.say(fake.bot, dm, "Shall I?", components=[{"type": 1, "components": [YES | {"id": 2}]}])
    await fake.press(anna, message, "Yes")
    told = await pressed(bot, fake)
    assert (told.guild_id, str(told.user.id)) == (None, anna.id)


async def test_press_can_change_the_message_of_its_button(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel
) -> None:
    message = await posted(bot, general, fake)
    press = await fake.press(anna, message, "Yes")
    await (await pressed(bot, fake)).response.edit_message(view=None)
    await fake.quiet()
    assert (press.response_type, press.messages) == (7, [])
    assert (message.content, message.buttons) == ("Shall I?", {})
    assert message.edited_at is not None
    assert bot.of("raw_message_edit")[-1].data["components"] == []


async def test_press_can_be_taken_without_a_sign(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    message = await posted(bot, general, fake)
    press = await fake.press(anna, message, "Yes")
    interaction = await pressed(bot, fake)
    await interaction.response.defer()
    await interaction.edit_original_response(content="Done.")
    assert (press.response_type, message.content) == (6, "Done.")


async def test_press_can_be_answered_to_one_person(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    message = await posted(bot, general, fake)
    press = await fake.press(anna, message, "Yes")
    await (await pressed(bot, fake)).response.send_message("You may not.", ephemeral=True)
    assert (press.response_type, press.is_ephemeral, press.texts) == (4, True, ["You may not."])
    assert fake.posted_by_bot(general) == ["Shall I?"]


async def test_command_cannot_change_a_message(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel, http: aiohttp.ClientSession
) -> None:
    used = await fake.use_command(anna, general, "ask")
    url = f"{fake.api_url}/interactions/{used.id}/{used.token}/callback"
    async with http.post(url, json={"type": 7}) as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, 50035)


async def test_late_press_is_refused(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    message = await posted(bot, general, fake)
    fake.interaction_deadline_s = 0
    press = await fake.press(anna, message, "Yes")
    with pytest.raises(discord.NotFound):
        await (await pressed(bot, fake)).response.defer()
    assert (press.late_count, press.response_type) == (1, None)


@pytest.mark.parametrize("label", ["Perhaps", "Yes"])
async def test_button_that_is_not_there_cannot_be_pressed(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel, label: str
) -> None:
    message = await posted(bot, general, fake)
    if label == "Yes":
        await fake.delete(message)
    with pytest.raises(ValueError, match="button"):
        await fake.press(anna, message, label)


@pytest.mark.parametrize(
    "components",
    [
        [YES],
        [{"type": 1, "components": []}],
        [{"type": 1, "components": [YES] * 6}],
        [{"type": 1, "components": [YES]}] * 6,
        [{"type": 1, "components": [YES, YES]}],
        [{"type": 1, "components": [YES | {"custom_id": "x" * 101}]}],
        [{"type": 1, "components": [YES | {"custom_id": ""}]}],
        [{"type": 1, "components": [YES | {"style": 9}]}],
        [{"type": 1, "components": [YES | {"label": "x" * 81}]}],
        [{"type": 1, "components": [{"type": 2, "style": 3, "custom_id": "yes"}]}],
        {"type": 1},
    ],
)
async def test_components_that_discord_takes_not_are_refused(
    fake: FakeDiscord, general: Channel, http: aiohttp.ClientSession, components: Any
) -> None:
    url = f"{fake.api_url}/channels/{general.id}/messages"
    headers = {"Authorization": f"Bot {fake.token}"}
    async with http.post(url, json={"content": "Shall I?", "components": components}, headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, 50035)
    assert fake.posted_by_bot(general) == []
