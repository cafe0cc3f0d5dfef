"""How someone uses a command of the bot, or presses a button of its, and how the gateway tells it.

Source: docs.discord.com/developers/interactions/receiving-and-responding.
Proved by `tests/unit/testing/discord/test_interactions.py`.
"""

import secrets
from typing import Any

from backscroll.testing.discord.events import Event
from backscroll.testing.discord.interactions import Interaction
from backscroll.testing.discord.models import BOT_PERMISSIONS, Channel, Json, Message, User
from backscroll.testing.discord.views import Views
from backscroll.testing.discord.world import World

COMMAND_USED, BUTTON_PRESSED = 2, 3


def ask(world: World, user: User, channel: Channel, name: str, options: Json) -> Interaction:
    """Begin an interaction; its token holds for the answers."""
    token = secrets.token_urlsafe(32)
    interaction = Interaction(world.new_id(), token, name, user, channel, options=dict(options))
    world.interactions[token] = interaction
    return interaction


def press(world: World, user: User, message: Message, label: str) -> Interaction:
    """Begin an interaction by a button; its token holds for the answers.

    Raises: ValueError: the message is deleted, or has no such button to press.
    """
    button = message.buttons.get(label)
    if message.is_deleted or button is None or button.get("disabled") or "custom_id" not in button:
        raise ValueError(f"Message {message.id} has no button {label!r} to press.")
    interaction = ask(world, user, message.channel, label, {})
    interaction.pressed, interaction.button = message, button
    return interaction


def told(world: World, views: Views, interaction: Interaction) -> Event:
    """Return the INTERACTION_CREATE of a command's use, or a button's; it needs no intent."""
    channel, guild, pressed = interaction.channel, interaction.channel.guild, interaction.pressed
    payload: Json = {
        "id": interaction.id,
        "application_id": world.application_id,
        "type": COMMAND_USED if pressed is None else BUTTON_PRESSED,
        "data": _command(world, interaction) if pressed is None else _component(interaction.button),
        "token": interaction.token,
        "version": 1,
        "channel_id": channel.id,
        "channel": {**views.channel(channel), "permissions": str(BOT_PERMISSIONS)},
        "app_permissions": str(BOT_PERMISSIONS),
        "locale": "en-US",
        "entitlements": [],
        "authorizing_integration_owners": {"0": guild.id if guild else "0"},
        "context": 1 if guild is None else 0,
        "attachment_size_limit": world.switches.attachment_limit_bytes,
    }
    if guild is None:
        payload["user"] = views.user(interaction.user)
    else:
        member = {**views.member(interaction.user, guild, with_user=True), "permissions": str(BOT_PERMISSIONS)}
        shown = {"id": guild.id, "locale": "en-US", "features": []}
        payload.update(member=member, guild_id=guild.id, guild=shown, guild_locale="en-US")
    if pressed is not None:
        payload["message"] = views.message(pressed)
    return Event("INTERACTION_CREATE", payload, guild)


def _command(world: World, interaction: Interaction) -> Json:
    guild = interaction.channel.guild
    options = [_option(name, value) for name, value in interaction.options.items()]
    known = world.guild_commands.get(guild.id, []) if guild is not None else []
    found = next((one for one in (*known, *world.commands) if one["name"] == interaction.name), None)
    data: Json = {"id": found["id"] if found else world.new_id(), "name": interaction.name, "type": 1}
    if found is not None and "guild_id" in found:
        data["guild_id"] = found["guild_id"]
    return {**data, "options": options} if options else data


def _component(button: Json) -> Json:
    return {"component_type": button["type"], "custom_id": button["custom_id"], "id": button["id"]}


def _option(name: str, value: Any) -> Json:
    kinds: dict[type, int] = {bool: 5, int: 4, float: 10}
    return {"name": name, "type": kinds.get(type(value), 3), "value": value}
