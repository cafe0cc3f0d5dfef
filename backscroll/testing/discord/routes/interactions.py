"""The routes that answer interactions, and the registered commands.

What proves itself here is the interaction's token, which works for a while after the question.
Source: docs.discord.com/developers/interactions/receiving-and-responding,
docs.discord.com/developers/interactions/application-commands.
Proved by `tests/unit/testing/discord/test_interactions.py`.
"""

from typing import Any

from backscroll.testing.discord.asking import BUTTON_PRESSED, COMMAND_USED
from backscroll.testing.discord.interactions import Interaction
from backscroll.testing.discord.models import COMMAND, EPHEMERAL, LOADING, REPLY, Json, Message
from backscroll.testing.discord.routes.call import ApiError, Call, Route, bad_form
from backscroll.testing.discord.routes.drafts import draft, reference_to
from backscroll.testing.discord.routes.messages import rewrite

MESSAGE, THINKING, SILENCE, CHANGE = 4, 5, 6, 7


async def answer(call: Call) -> Json | None:
    """Give an interaction its first answer: a message, that the bot thinks, or what becomes of a button's message."""
    interaction = call.desk.world.interactions.get(call.ids["token"])
    if interaction is None or interaction.id != call.ids["interaction_id"]:
        raise ApiError(404, 10062, "Unknown interaction")
    if interaction.response_type is not None:
        raise ApiError(400, 40060, "Interaction has already been acknowledged.")
    if interaction.age_s > call.desk.world.switches.interaction_deadline_s:
        interaction.late_count += 1
        raise ApiError(404, 10062, "Unknown interaction")
    kind: Any = call.form.get("type")
    pressed = interaction.pressed
    kinds = (MESSAGE, THINKING) if pressed is None else (MESSAGE, THINKING, SILENCE, CHANGE)
    if kind not in kinds:
        raise bad_form("type", "BASE_TYPE_CHOICES", f"Value must be one of {kinds}.")
    message = _shown(call, pressed, kind) if pressed and kind in {SILENCE, CHANGE} else _first(call, interaction, kind)
    interaction.response_type, interaction.answered_in_s = kind, interaction.age_s
    interaction.original = message
    if message is not pressed:
        _post(call, interaction, message)
    return _told(call, interaction, message, kind) if call.query.get("with_response") in {"1", "true"} else None


def _shown(call: Call, pressed: Message, kind: int) -> Message:
    """Let the message that a button is on be the first answer, changed or as it is."""
    if pressed.is_deleted:
        raise ApiError(404, 10008, "Unknown Message")
    form = call.form.get("data")
    if kind == CHANGE and isinstance(form, dict):
        rewrite(call, pressed, form)
    return pressed


def _first(call: Call, interaction: Interaction, kind: int) -> Message:
    form: Any = call.form.get("data") or {}
    if kind == MESSAGE:
        message = draft(call, interaction.channel, form)
    else:
        message = Message(call.desk.world.new_id(), interaction.channel, call.bot, "")
        message.flags = int(form.get("flags") or 0) & EPHEMERAL | LOADING
    if interaction.pressed is None:
        message.type = COMMAND
    else:
        message.type, message.referenced = REPLY, interaction.pressed
        message.reference = reference_to(interaction.pressed)
    return message


def _post(call: Call, interaction: Interaction, message: Message) -> None:
    world = call.desk.world
    message.application_id = message.webhook_id = world.application_id
    message.interaction_metadata = {
        "id": interaction.id,
        "type": _kind(interaction),
        "user": call.desk.views.user(interaction.user),
        "authorizing_integration_owners": {},
        **_about(interaction),
    }
    interaction.messages.append(message)
    call.desk.talk.post(message)


def _kind(interaction: Interaction) -> int:
    return COMMAND_USED if interaction.pressed is None else BUTTON_PRESSED


def _about(interaction: Interaction) -> Json:
    pressed = interaction.pressed
    return {"name": interaction.name} if pressed is None else {"interacted_message_id": pressed.id}


def _told(call: Call, interaction: Interaction, message: Message, kind: int) -> Json:
    about = {
        "id": interaction.id,
        "type": _kind(interaction),
        "response_message_id": message.id,
        "response_message_loading": bool(message.flags & LOADING),
        "response_message_ephemeral": message.is_ephemeral,
    }
    return {"interaction": about, "resource": {"type": kind, "message": call.shown(message)}}


async def follow_up(call: Call) -> Json:
    """Say one more thing; after "thinking" the first one takes its place."""
    interaction = _known(call)
    if interaction.original is None:
        raise ApiError(404, 10015, "Unknown Webhook")
    if interaction.is_deferred:
        rewrite(call, interaction.original)
        return call.shown(interaction.original)
    message = draft(call, interaction.channel, call.form)
    message.type, message.referenced = REPLY, interaction.original
    message.reference = reference_to(interaction.original)
    _post(call, interaction, message)
    return call.shown(message)


async def get(call: Call) -> Json:
    """Return one of the answers."""
    return call.shown(_message(call, _known(call)))


async def change(call: Call) -> Json:
    """Change one of the answers; the first change of a "thinking" makes it the answer."""
    message = _message(call, _known(call))
    rewrite(call, message)
    return call.shown(message)


async def delete(call: Call) -> None:
    """Delete one of the answers."""
    interaction = _known(call)
    message = _message(call, interaction)
    if message in interaction.messages:
        interaction.messages.remove(message)
    call.desk.talk.remove(message)


def _known(call: Call) -> Interaction:
    world = call.desk.world
    interaction = world.interactions.get(call.ids["token"])
    if interaction is None or call.ids["webhook_id"] != world.application_id:
        raise ApiError(404, 10015, "Unknown Webhook")
    if interaction.age_s > world.switches.interaction_ttl_s:
        raise ApiError(401, 50027, "Invalid Webhook Token")
    return interaction


def _message(call: Call, interaction: Interaction) -> Message:
    wanted, original = call.ids.get("message_id"), interaction.original
    # What a button is on is its interaction's own as soon as it is the first answer.
    own = [*interaction.messages, *([original] if original is not None and original is interaction.pressed else [])]
    found = next((one for one in own if wanted in {None, one.id}), None)
    if found is None or found.is_deleted or (wanted is None and found is not original):
        raise ApiError(404, 10008, "Unknown Message")
    return found


async def commands(call: Call) -> list[Json]:
    """Return the registered commands, global or of a guild."""
    return _registered(call)


async def register(call: Call) -> Json:
    """Register one command, in place of an older one of its name."""
    known = _registered(call)
    command = _command(call, call.form)
    known[:] = [one for one in known if one["name"] != command["name"]]
    known.append(command)
    return command


async def register_all(call: Call) -> list[Json]:
    """Register these commands in place of all others."""
    forms = call.body if isinstance(call.body, list) else []
    known = _registered(call)
    known[:] = [_command(call, form) for form in forms]
    return known


async def unregister(call: Call) -> None:
    """Take back one command."""
    known = _registered(call)
    kept = [one for one in known if one["id"] != call.ids["command_id"]]
    if len(kept) == len(known):
        raise ApiError(404, 10063, "Unknown application command")
    known[:] = kept


def _registered(call: Call) -> list[Json]:
    if call.ids["application_id"] != call.desk.world.application_id:
        raise ApiError(403, 50001, "Missing Access")
    if "guild_id" in call.ids:
        return call.desk.world.guild_commands.setdefault(call.guild().id, [])
    return call.desk.world.commands


def _command(call: Call, form: Json) -> Json:
    name = form.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= 32:
        raise bad_form("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 32 in length.")
    world = call.desk.world
    old = next((one["id"] for one in _registered(call) if one["name"] == name), None)
    told: Json = {
        "type": 1,
        "description": "",
        "default_member_permissions": None,
        "nsfw": False,
        **form,
        "id": old or world.new_id(),
        "application_id": world.application_id,
        "version": world.new_id(),
    }
    return {**told, "guild_id": call.ids["guild_id"]} if "guild_id" in call.ids else told


_WEBHOOK = "/webhooks/{webhook_id}/{token}"
_ORIGINAL = _WEBHOOK + "/messages/@original"
_ONE = _WEBHOOK + "/messages/{message_id}"
_COMMANDS = "/applications/{application_id}/commands"
_GUILD_COMMANDS = "/applications/{application_id}/guilds/{guild_id}/commands"

ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/interactions/{interaction_id}/{token}/callback"): answer,
    ("POST", _WEBHOOK): follow_up,
    ("GET", _ORIGINAL): get,
    ("PATCH", _ORIGINAL): change,
    ("DELETE", _ORIGINAL): delete,
    ("GET", _ONE): get,
    ("PATCH", _ONE): change,
    ("DELETE", _ONE): delete,
    ("GET", _COMMANDS): commands,
    ("POST", _COMMANDS): register,
    ("PUT", _COMMANDS): register_all,
    ("DELETE", _COMMANDS + "/{command_id}"): unregister,
    ("GET", _GUILD_COMMANDS): commands,
    ("POST", _GUILD_COMMANDS): register,
    ("PUT", _GUILD_COMMANDS): register_all,
    ("DELETE", _GUILD_COMMANDS + "/{command_id}"): unregister,
}
