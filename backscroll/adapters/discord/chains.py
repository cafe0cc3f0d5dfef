"""Chains of replies in a channel: where they are the conversation, the message that one began with.

Proved by `tests/scenario/test_discord_channel.py`.
"""

from collections import OrderedDict
from typing import Any

from backscroll.adapters.base import Inbox
from backscroll.adapters.discord.api import DiscordApi, RefusedError
from backscroll.adapters.discord.places import PLATFORM, Place
from backscroll.storage.keys import ExternalId

LENGTH = 50
"""Messages that are read up a chain, at most."""

REMEMBERED_COUNT = 200
_REPLY = 19


class Chains:
    """Finds roots. What was read on the way up is remembered for a while: it is the thread's beginning.

    `inbox` tells of what is kept, as soon as there is one.
    """

    def __init__(self, api: DiscordApi, *, everywhere: bool) -> None:
        self._api = api
        self._everywhere = everywhere
        self._read: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()
        self.inbox: Inbox | None = None

    async def root(self, message: dict[str, Any], place: Place, *, asks: bool) -> str | None:
        """Return the message that a message's chain began with; None when it begins one.

        Chains are a place's conversations by the settings, or where it has no threads.

        Args: asks: whether a chain that is not kept is read, as far as it goes.
        Raises: AdapterUnavailableError, StorageUnavailableError.
        """
        if place.kind != "channel" or (place.opens_threads and not self._everywhere):
            return None
        above, found = _replied_to(message, place), list[dict[str, Any]]()
        root: str | None = None
        while above is not None:
            root = above
            key = await self._key(place, above)
            if key is not None:
                return key
            if not asks or len(found) >= LENGTH:
                break
            told = await self._message(message, place, above)
            if told is None:
                break
            found.append(told)
            message, above = told, _replied_to(told, place)
        if root is not None and found:
            self._read[root] = found[::-1]
            if len(self._read) > REMEMBERED_COUNT:
                self._read.popitem(last=False)
        return root

    def beginning(self, root: str) -> list[dict[str, Any]]:
        """Return what was read of a chain, oldest first."""
        return self._read.get(root, [])

    async def _key(self, place: Place, message_id: str) -> str | None:
        """Return the thread part under which a message of the channel is kept."""
        if self.inbox is None:
            return None
        key = await self.inbox.key_of(ExternalId(PLATFORM, place.guild, place.id, message_id))
        return key.thread if key is not None and key.channel == place.id else None

    async def _message(self, reply: dict[str, Any], place: Place, message_id: str) -> dict[str, Any] | None:
        """Return what was replied to, which mostly comes along with the reply; None when it is gone."""
        along = reply.get("referenced_message")
        if isinstance(along, dict) and along.get("id") == message_id and _is_whole(along):
            return along
        try:
            return await self._api.message(place.id, message_id) or None
        except RefusedError:
            return None


def _is_whole(along: dict[str, Any]) -> bool:
    """Tell whether a message that came along with a reply says to what it replies, if it is one itself."""
    return along.get("type") != _REPLY or "message_reference" in along


def _replied_to(message: dict[str, Any], place: Place) -> str | None:
    reference = message.get("message_reference")
    if message.get("type") != _REPLY or not isinstance(reference, dict):
        return None
    replied = reference.get("message_id")
    is_here = reference.get("channel_id", place.id) == place.id
    return replied if isinstance(replied, str) and replied and is_here else None
