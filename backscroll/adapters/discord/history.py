"""What stands in a channel, a thread or a direct message on Discord, read back page by page.

Proved by `tests/scenario/test_discord_history.py` and `test_discord_gaps.py`.
Source: docs.discord.com/developers/resources/message#get-channel-messages
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from backscroll.adapters.discord.api import UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, DiscordApi, RefusedError
from backscroll.adapters.discord.chains import Chains
from backscroll.adapters.discord.names import GuildNames
from backscroll.adapters.discord.places import DIRECT, PLATFORM, Place, PlaceBook, number, snowflake
from backscroll.adapters.discord.text import emoji_of, emoji_path
from backscroll.adapters.discord.translate import MalformedError, message_event
from backscroll.adapters.events import Event, PlaceDeleted
from backscroll.errors import AdapterError
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Attachment

PAGE_COUNT = 100
"""Messages of one page, as many as Discord gives."""

Message = dict[str, Any]


class History:
    """Reads what the bot may see."""

    def __init__(self, api: DiscordApi, places: PlaceBook, chains: Chains) -> None:
        self._api = api
        self._places = places
        self._chains = chains

    async def events(self, key: ThreadKey, since: datetime | None) -> AsyncIterator[list[Event]]:
        """Read a thread with the message that it began from, a direct message, or a channel as a whole.

        Of a channel that was deleted, that it was.
        """
        after = "0" if since is None else snowflake(since)
        try:
            above = await self._places.find(key.channel, _guild(key))
        except RefusedError as error:
            if error.code != UNKNOWN_CHANNEL:
                raise
            yield [PlaceDeleted(PLATFORM, key.workspace, key.channel, None)]
            return
        if key.channel == key.thread:
            self._must_be_readable(above)
            async for messages in self.pages(above.id, after):
                yield await self._read(messages, above)
            return
        if int(key.thread) > int(after):
            # After a gap, what was read of a chain before is no longer what stands there.
            chain = self._chains.beginning(key.thread) if since is None else []
            yield await self._read(chain or await self._beginning(key, above), above, root=key.thread)
        try:
            place = await self._places.find(key.thread, _guild(key))
            self._must_be_readable(place)
            async for messages in self.pages(place.id, after):
                yield await self._read(messages, place)
        except RefusedError as error:
            if error.code != UNKNOWN_CHANNEL:  # nobody has begun a thread from the message
                raise

    async def pages(self, channel_id: str, after: str) -> AsyncIterator[list[Message]]:
        """Read a channel's messages after an id, oldest first. Errors as `DiscordApi.call`."""
        while True:
            told = await self._api.call(
                "GET",
                "/channels/{channel_id}/messages",
                channel_id=channel_id,
                query={"after": after, "limit": str(PAGE_COUNT)},
            )
            page = sorted(_objects(told), key=_number)
            if page:
                yield page
            if len(page) < PAGE_COUNT:
                return
            after = str(_number(page[-1]))

    async def is_gone(self, external: ExternalId) -> bool:
        """Tell whether a message was taken away. Errors as `DiscordApi.call`."""
        try:
            await self._api.message(external.channel, external.id)
        except RefusedError as error:
            if error.code in (UNKNOWN_MESSAGE, UNKNOWN_CHANNEL):  # with a thread goes what stood in it
                return True
            raise
        return False

    async def reactors(self, external: ExternalId, emoji: str) -> list[str]:
        """Return who has put an emoji on a message. Errors as `DiscordApi.call`."""
        found: dict[str, None] = {}
        for drawn in await self._drawn(external, emoji):
            async for user_id in self._who_stands_for(external, drawn):
                found[user_id] = None
        return list(found)

    async def _who_stands_for(self, external: ExternalId, drawn: str) -> AsyncIterator[str]:
        """Read the users of an emoji as Discord writes it, page by page."""
        query = {"limit": str(PAGE_COUNT)}
        while True:
            told = await self._api.call(
                "GET",
                "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}",
                channel_id=external.channel,
                message_id=external.id,
                emoji=drawn,
                query=query,
            )
            page = [str(each.get("id")) for each in _objects(told)]
            for user_id in page:
                yield user_id
            if len(page) < PAGE_COUNT:
                return
            query["after"] = page[-1]

    async def _drawn(self, external: ExternalId, emoji: str) -> list[str]:
        """Return how Discord itself writes an emoji on a message: of characters it tells some by how they are drawn."""
        if emoji.isdigit():
            return [emoji_path(emoji)]
        reactions = (await self._api.message(external.channel, external.id)).get("reactions")
        written = [each.get("emoji") for each in reactions or () if isinstance(each, dict)]
        return [each["name"] for each in written if isinstance(each, dict) and emoji_of(each, "emoji") == emoji]

    async def renewed(self, workspace: str, attachment: Attachment) -> str | None:
        """Return another address of a file whose own is over: they hold for a day."""
        told = await self._api.call(
            "POST", "/attachments/refresh-urls", body={"attachment_urls": [attachment.location]}
        )
        match told:
            case {"refreshed_urls": [{"refreshed": str(url)}, *_]}:
                return url
        return None

    def _must_be_readable(self, place: Place) -> None:
        """Refuse to read what Discord shows as empty, because the bot may not see it."""
        if not self._places.is_readable(place.id):
            raise AdapterError(
                f"Discord does not show the bot what was said in channel {place.id}.",
                "Grant its role Read Message History there.",
            )

    async def _beginning(self, key: ThreadKey, above: Place) -> list[Message]:
        """Return what a thread or chain began from, where it stands above it."""
        try:
            told = await self._api.message(above.id, key.thread)
        except RefusedError:  # it was deleted, or the thread is a forum's, whose beginning stands in it
            return []
        return [told] if told else []

    async def _read(self, messages: Sequence[Message], place: Place, root: str | None = None) -> list[Event]:
        us = await self._places.identity(place.guild)
        names, page = GuildNames(self._places, place.guild), list[Event]()
        for message in messages:
            try:
                begun = root or await self._chains.root(message, place, asks=False)
                event = message_event(message, place, us, names, root=begun, is_late=True)
            except MalformedError:
                continue  # Discord's own store has it so; there is nothing to send again
            if event is not None:
                page.append(event)
        return page


def _guild(key: ThreadKey) -> str | None:
    return None if key.workspace == DIRECT else key.workspace


def _objects(told: Any) -> list[dict[str, Any]]:
    return [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []


def _number(message: Message) -> int:
    return number(str(message.get("id")))
