"""What the gateway may tell: intents, and events before they are routed.
Source: docs.discord.com/developers/events/gateway.
"""

from dataclasses import dataclass

from backscroll.testing.discord.models import Guild, Json

GUILDS = 1 << 0
GUILD_MEMBERS = 1 << 1
GUILD_PRESENCES = 1 << 8
GUILD_MESSAGES = 1 << 9
GUILD_REACTIONS = 1 << 10
DIRECT_MESSAGES = 1 << 12
DIRECT_REACTIONS = 1 << 13
MESSAGE_CONTENT = 1 << 15
ALL_INTENTS = (1 << 26) - 1


@dataclass(frozen=True, slots=True)
class Event:
    """One event, for the sessions that asked for its intent and whose shard its guild is on.

    `intent` 0 goes to every session. `bare` is what sessions get that may not read contents.
    """

    name: str
    data: Json
    guild: Guild | None = None
    intent: int = 0
    bare: Json | None = None
