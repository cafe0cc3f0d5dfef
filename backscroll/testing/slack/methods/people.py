"""Who is who: the token's own identity, users and bots. Proved by `tests/unit/testing/test_web.py`."""

from backscroll.testing.slack.methods.call import ApiError, Call, Method
from backscroll.testing.slack.models import Json


async def auth_test(call: Call) -> Json:
    """Tell who the token is for."""
    team = call.team
    return {
        "url": "https://fake.slack.com/",
        "team": team.name,
        "user": team.bot.name,
        "team_id": team.enterprise_id if team.is_org_wide else team.id,
        "user_id": team.bot.id,
        "bot_id": team.bot_id,
        "enterprise_id": team.enterprise_id,
        "is_enterprise_install": team.is_org_wide,
    }


async def auth_revoke(call: Call) -> Json:
    """Revoke the token; the app is told."""
    if not call.flag("test"):
        call.desk.workspace.revoked_tokens.add(call.token)
        call.desk.talk.emit(call.team, {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [call.bot.id]}})
    return {"revoked": not call.flag("test")}


async def users_info(call: Call) -> Json:
    """Return a user of any team."""
    user = call.desk.workspace.users.get(call.text("user"))
    if user is None:
        raise ApiError("user_not_found")
    return {"user": user.shown()}


async def bots_info(call: Call) -> Json:
    """Return a bot by its bot id."""
    for user in call.desk.workspace.users.values():
        if user.bot_id is not None and user.bot_id == call.text("bot"):
            return {"bot": user.profile()}
    raise ApiError("bot_not_found")


METHODS: dict[str, Method] = {
    "auth.test": auth_test,
    "auth.revoke": auth_revoke,
    "users.info": users_info,
    "bots.info": bots_info,
}
