"""The Discord adapter: its parts put together, its start, and what it reads back after a gap.

Proved by `tests/scenario/test_discord_gateway.py` and `test_discord_history.py`.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from backscroll.adapters.base import Adapter, Inbox, IsKept, Question, Stream
from backscroll.adapters.discord.api import PORTAL, DiscordApi, TokenRefusedError
from backscroll.adapters.discord.approvals import Approvals
from backscroll.adapters.discord.catching_up import CatchingUp
from backscroll.adapters.discord.chains import Chains
from backscroll.adapters.discord.commands import Commands
from backscroll.adapters.discord.gateway import Gateway
from backscroll.adapters.discord.history import History
from backscroll.adapters.discord.nonces import Nonces
from backscroll.adapters.discord.places import PLATFORM, PlaceBook
from backscroll.adapters.discord.receiving import Receiver
from backscroll.adapters.discord.sending import Poster, split_answer
from backscroll.adapters.discord.settings import DiscordSettings
from backscroll.adapters.discord.text import kept_emoji
from backscroll.adapters.downloads import Downloads
from backscroll.adapters.events import Event
from backscroll.adapters.lanes import Lanes
from backscroll.errors import AdapterError, AdapterUnavailableError
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.provider.primitives import Primitives
from backscroll.storage.records import Part
from backscroll.storage.tasks import cancel

log = logging.getLogger(__name__)

TYPING_S = 8.0
"""Seconds between two signs of typing; Discord shows one for ten."""


class DiscordAdapter(Adapter):
    """Discord, through discord.py.

    Args: storage: where the commands' tickets are kept.
    """

    platform = PLATFORM
    streams = True
    tells_changes = True
    readers = 8

    def __init__(self, settings: DiscordSettings, storage: Primitives) -> None:
        self._settings = settings
        self._gateway: Gateway | None = None
        self._api = DiscordApi(settings.token, settings.api_base_url)
        self._places = PlaceBook(self._api)
        self._nonces = Nonces()
        self._chains = Chains(self._api, everywhere=settings.reply_in == "channel")
        self._lanes = Lanes()
        self._commands = Commands(self._api, self._places, storage, self._lanes, settings.command)
        self._history = History(self._api, self._places, self._chains)
        self._poster = Poster(self._api, self._places, self._history, self._commands, self._nonces, settings.reply_in)
        self._downloads = Downloads(
            lambda: self._api.files,
            "Discord",
            hosts=settings.file_hosts,
            schemes=self._api.schemes,
            limit_bytes=settings.file_limit_bytes,
            hint="Add the host to adapters.discord.file_hosts.",
            renew=self._history.renewed,
        )

    async def __aenter__(self) -> Self:
        """Try the token; a Discord that does not answer now is tried again while it is served.

        Raises: AdapterError: Discord does not take the token.
        """
        await self._api.__aenter__()
        try:
            await self._try_token()
        except BaseException:
            await self._api.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.__aexit__(kind, error, trace)

    @property
    def is_connected(self) -> bool:
        """Whether something was heard over the gateway lately."""
        return self._gateway is not None and self._gateway.is_open

    async def check(self) -> None:
        """Ask Discord for the token's sake, and whether the bot may read what people write."""
        us = await self._api.us()
        await self._api.call("GET", "/gateway/bot")
        if self._settings.message_content and not us.reads_content:
            raise AdapterError(
                "Discord does not let the bot read what people write.",
                f"Switch on Message Content Intent at {PORTAL}, under Bot; or set "
                "adapters.discord.message_content: false.",
            )

    async def serve(self, inbox: Inbox) -> None:
        """Listen until cancelled, and read back what was said while nobody did."""
        self._chains.inbox = self._commands.inbox = inbox
        if not self._settings.message_content:
            log.warning("Discord shows the bot what people write only in direct messages, mentions and commands.")
        catching_up = CatchingUp(inbox, self._commands)
        receiver = self._receiver(inbox, catching_up.note_gap)
        self._gateway = gateway = Gateway(self._api, self._settings, receiver.take, self._places.use)
        work = [
            asyncio.ensure_future(gateway.run()),
            asyncio.ensure_future(catching_up.run(gateway, receiver)),
            asyncio.ensure_future(catching_up.register()),
        ]
        try:
            # Unlike gather, it leaves cancelling to what follows: a second time would cut off what ends the client.
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            await cancel(*work)
            await receiver.close()
            self._chains.inbox = self._commands.inbox = self._gateway = None

    async def replay(self, payload: dict[str, Any], inbox: Inbox, at: datetime) -> None:
        """Keep what an event tells of. Without the gateway nobody knows the bot's role, which it may mention."""
        self._chains.inbox = inbox
        try:
            await self._receiver(inbox, lambda _guild: None).replay(payload, at)
        finally:
            self._chains.inbox = None

    def split(self, text: str) -> list[str]:
        """Cut an answer into posts that Discord takes."""
        return split_answer(text)

    async def post(self, question: Question, part: Part) -> ExternalId:
        """Post one part with a nonce made of its token; begin a thread from the question where one is wanted.

        The buttons of an approval stand below it.
        """
        return await self._poster.post(question, part)

    async def close_approval(self, key: ThreadKey, external: ExternalId, text: str) -> None:
        """Change a post, and take its buttons away."""
        await self._poster.close_approval(external, text)

    async def upload(self, question: Question, part: Part, attachment: Attachment, content: bytes) -> ExternalId:
        """Post a file."""
        return await self._poster.upload(question, part, attachment, content)

    async def edit(self, key: ThreadKey, external: ExternalId, text: str) -> None:
        """Change a post."""
        await self._poster.edit(key, external, text)

    async def remove(self, key: ThreadKey, external: ExternalId) -> None:
        """Take a post away."""
        await self._poster.remove(external)

    async def pass_over(self, question: Question) -> None:
        """Take away what holds the place of a command's answer."""
        await self._poster.pass_over(question)

    async def open_stream(self, question: Question, part: Part) -> Stream:
        """Begin a post that grows by edits."""
        return await self._poster.open_stream(question, part)

    async def find_posted(self, question: Question, parts: list[Part], is_kept: IsKept) -> dict[int, ExternalId]:
        """Look for the parts' texts in the channel since the question; Discord's history tells no nonce.

        What is not found is posted with the same nonce, which Discord takes once in some minutes.
        """
        return await self._poster.find_posted(question, parts, is_kept)

    async def react(self, key: ThreadKey, external: ExternalId, emoji: str) -> str:
        """Put an emoji on a message: its characters, or of a custom one `name:id`."""
        return await self._poster.react(external, emoji)

    def kept_emoji(self, emoji: str) -> str:
        """Return a custom emoji's id, or the characters of another, as events tell of it."""
        return kept_emoji(emoji)

    async def typing(self, key: ThreadKey, text: str | None = None) -> None:
        """Show for ten seconds that the bot is typing; there is no room for a text."""
        await self._api.call("POST", "/channels/{channel_id}/typing", channel_id=self._poster.place_of(key))

    @asynccontextmanager
    async def working(self, key: ThreadKey, thread: Thread) -> AsyncIterator[None]:
        """Show that the bot is typing."""
        showing = asyncio.ensure_future(self._type(key))
        try:
            yield
        finally:
            showing.cancel()
            await asyncio.wait([showing])

    def history(self, key: ThreadKey, *, since: datetime | None = None) -> AsyncIterator[list[Event]]:
        """Read a thread, a direct message, or a channel as a whole."""
        return self._history.events(key, since)

    async def changed_places(self, workspace: str, since: datetime) -> list[ThreadKey]:
        """Return the channels and active threads of a guild in which something was said since."""
        return self._places.changed_since(workspace, since)

    async def is_gone(self, external: ExternalId, message: Message) -> bool:
        """Ask for the message itself; a question that was a command is none."""
        return "command" not in message.attributes and await self._history.is_gone(external)

    async def reactors(self, external: ExternalId, emoji: str) -> list[str]:
        """Return who has put an emoji on a message."""
        return await self._history.reactors(external, emoji)

    def download(self, workspace: str, attachment: Attachment) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Read a file that came with a message, from Discord's hosts alone, and without the token."""
        return self._downloads.open(workspace, attachment)

    def _receiver(self, inbox: Inbox, gap: Callable[[str], None]) -> Receiver:
        return Receiver(
            inbox,
            self._api,
            self._places,
            self._chains,
            self._commands,
            Approvals(self._api, self._lanes, inbox),
            self._nonces,
            self._lanes,
            gap,
            self.observer,
        )

    async def _type(self, key: ThreadKey) -> None:
        while True:
            with contextlib.suppress(AdapterError):
                await self.typing(key)
            await asyncio.sleep(TYPING_S)

    async def _try_token(self) -> None:
        try:
            await self._api.us()
        except TokenRefusedError as error:
            raise AdapterError(error.message, error.hint) from None
        except AdapterUnavailableError as error:
            log.warning("Discord does not answer yet: %s", error.message)
