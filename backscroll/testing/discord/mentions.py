"""Who a text mentions, and whom a message of the bot notifies.

Source: docs.discord.com/developers/resources/message, Allowed Mentions Object.
Proved by `tests/unit/testing/discord/test_mentions.py`.
"""

import re
from typing import NamedTuple, TypeVar

from backscroll.testing.discord.models import Channel, Json, Message, Role, User
from backscroll.testing.discord.world import World

T = TypeVar("T", User, Role)

_USER = re.compile(r"<@!?(\d+)>")
_ROLE = re.compile(r"<@&(\d+)>")
_EVERYONE = re.compile(r"@(everyone|here)\b")


class Mentions(NamedTuple):
    """Who stands in a text."""

    users: list[User]
    roles: list[Role]
    everyone: bool


def named(world: World, channel: Channel, text: str) -> Mentions:
    """Return who a text names, each once, in the order of the text."""
    users = [world.users[found] for found in dict.fromkeys(_USER.findall(text)) if found in world.users]
    known = channel.guild.roles if channel.guild is not None else {}
    roles = [known[found] for found in dict.fromkeys(_ROLE.findall(text)) if found in known]
    return Mentions(users, roles, channel.guild is not None and _EVERYONE.search(text) is not None)


def address(world: World, message: Message, allowed: Json | None) -> None:
    """Let a message of the bot notify whom its text names and `allowed` allows.

    Without `allowed` everyone is notified whom the text names, and who is replied to; with it nobody is that it does
    not name. Who is not notified is not among the message's mentions either.
    """
    message.allowed_mentions = allowed
    users, roles, everyone = named(world, message.channel, message.content)
    answered = message.referenced.author if message.referenced is not None and message.type == 19 else None
    pings_answered = answered is not None
    if allowed is not None:
        parsed = allowed.get("parse") or []
        users = _chosen(users, allowed, "users", parsed)
        roles = _chosen(roles, allowed, "roles", parsed)
        everyone = everyone and "everyone" in parsed
        pings_answered = bool(allowed.get("replied_user"))
    if answered is not None and pings_answered and answered not in users:
        users = [*users, answered]
    message.mentions, message.mention_roles, message.mention_everyone = users, roles, everyone
    told = [user.id for user in users] + [role.id for role in roles]
    message.pings = frozenset([*told, "everyone"] if everyone else told)


def _chosen(found: list[T], allowed: Json, kind: str, parsed: list[str]) -> list[T]:
    chosen = {str(one) for one in allowed.get(kind) or []}
    return found if kind in parsed else [one for one in found if one.id in chosen]
