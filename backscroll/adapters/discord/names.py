"""What people, roles and channels of one guild are called, as far as the connection told.

Proved by `tests/scenario/test_discord_events.py`.
"""

from backscroll.adapters.discord.places import PlaceBook


class GuildNames:
    """The `Names` of one guild. People's come with each message."""

    def __init__(self, places: PlaceBook, guild_id: str) -> None:
        self._places = places
        self._guild_id = guild_id

    def person(self, user_id: str) -> str | None:
        return None

    def role(self, role_id: str) -> str | None:
        return self._places.role_name(self._guild_id, role_id)

    def channel(self, channel_id: str) -> str | None:
        return self._places.channel_name(channel_id)
