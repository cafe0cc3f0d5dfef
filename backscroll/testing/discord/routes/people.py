"""The routes of the bot itself, its application, the gateway's address, people and guilds.

Source: docs.discord.com/developers/resources/user, application, guild.
Proved by `tests/unit/testing/discord/test_rest.py`.
"""

from backscroll.testing.discord.models import Json, Thread, User
from backscroll.testing.discord.routes.call import ApiError, Call, Route, bad_form
from backscroll.testing.discord.sessions import application_flags


async def me(call: Call) -> Json:
    """Return the bot's user."""
    return {**call.desk.views.user(call.bot), "verified": True, "mfa_enabled": False, "email": None, "locale": "en-US"}


async def application(call: Call) -> Json:
    """Return the application, with the flags that tell what the portal grants."""
    world, views = call.desk.world, call.desk.views
    return {
        "id": world.application_id,
        "name": call.bot.name,
        "icon": None,
        "description": "",
        "rpc_origins": [],
        "bot_public": False,
        "bot_require_code_grant": False,
        "owner": views.user(world.guild.owner),
        "summary": "",
        "verify_key": "0" * 64,
        "team": None,
        "flags": application_flags(world),
        "bot": views.user(call.bot),
        "approximate_guild_count": len(world.guilds),
        "tags": [],
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
    }


async def gateway(call: Call) -> Json:
    """Return where the gateway is."""
    return {"url": call.desk.gateway_url()}


async def gateway_bot(call: Call) -> Json:
    """Return where the gateway is, with how many shards, and how many may identify."""
    limits = {"total": 1000, "remaining": 999, "reset_after": 86_400_000, "max_concurrency": 1}
    return {**await gateway(call), "shards": call.desk.world.switches.shards, "session_start_limit": limits}


async def user(call: Call) -> Json:
    """Return a person."""
    return call.desk.views.user(_user(call, call.ids["user_id"]))


def _user(call: Call, user_id: str) -> User:
    found = call.desk.world.users.get(user_id)
    if found is None:
        raise ApiError(404, 10013, "Unknown User")
    return found


async def open_dm(call: Call) -> Json:
    """Return the direct messages with someone, also when they take none."""
    recipient = str(call.form.get("recipient_id"))
    if recipient == call.bot.id:
        raise bad_form("recipient_id", "INVALID_RECIPIENT", "Cannot send messages to yourself")
    return call.desk.views.channel(call.desk.world.open_dm(_user(call, recipient)))


async def guilds(call: Call) -> list[Json]:
    """Return the guilds that the bot is in."""
    found = [guild for guild in call.desk.world.guilds.values() if guild.has_bot]
    return [{**call.desk.views.guild(guild), "owner": False, "permissions": "0"} for guild in found]


async def guild(call: Call) -> Json:
    """Return a guild."""
    found = call.desk.views.guild(call.guild())
    count = len(call.desk.world.users)
    return {**found, "approximate_member_count": count, "approximate_presence_count": 1}


async def leave_guild(call: Call) -> None:
    """Take the bot out of a guild, at its own wish."""
    found = call.guild()
    call.desk.places.tell_of_loss(found, is_outage=False)
    found.has_bot = False


async def guild_channels(call: Call) -> list[Json]:
    """Return a guild's channels that the bot sees, without threads."""
    found = call.desk.world.channels_of(call.guild())
    return [call.desk.views.channel(one) for one in found if one.is_readable and not isinstance(one, Thread)]


async def guild_roles(call: Call) -> list[Json]:
    """Return a guild's roles."""
    return [call.desk.views.role(role) for role in call.guild().roles.values()]


async def guild_member(call: Call) -> Json:
    """Return a person as a guild's member."""
    found = call.guild()
    return call.desk.views.member(_user(call, call.ids["user_id"]), found, with_user=True)


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/users/@me"): me,
    ("GET", "/oauth2/applications/@me"): application,
    ("GET", "/applications/@me"): application,
    ("GET", "/gateway"): gateway,
    ("GET", "/gateway/bot"): gateway_bot,
    ("POST", "/users/@me/channels"): open_dm,
    ("GET", "/users/@me/guilds"): guilds,
    ("DELETE", "/users/@me/guilds/{guild_id}"): leave_guild,
    ("GET", "/users/{user_id}"): user,
    ("GET", "/guilds/{guild_id}"): guild,
    ("GET", "/guilds/{guild_id}/channels"): guild_channels,
    ("GET", "/guilds/{guild_id}/roles"): guild_roles,
    ("GET", "/guilds/{guild_id}/members/{user_id}"): guild_member,
}
