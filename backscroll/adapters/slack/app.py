"""The Slack adapter: its parts put together, its start, and what it reads back after a gap.

Proved by `tests/scenario/test_slack_socket.py` and `test_slack_history.py`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from backscroll.adapters.base import Adapter, Inbox, IsKept, Question, Stream
from backscroll.adapters.events import Event
from backscroll.adapters.slack.api import SlackApi, TokenRefusedError
from backscroll.adapters.slack.approvals import Approvals
from backscroll.adapters.slack.assistant import Assistant
from backscroll.adapters.slack.downloads import make_downloads
from backscroll.adapters.slack.history import History
from backscroll.adapters.slack.installations import Installations, OAuthStates
from backscroll.adapters.slack.listening import Listener, make_app, make_listener, make_oauth, try_port
from backscroll.adapters.slack.names import NameBook
from backscroll.adapters.slack.receiving import Receiver
from backscroll.adapters.slack.sending import Poster, split_answer
from backscroll.adapters.slack.settings import SlackSettings
from backscroll.adapters.slack.translate import PLATFORM, thread_ts
from backscroll.adapters.slack.workspaces import InstalledWorkspaces, OneWorkspace, Workspaces
from backscroll.errors import AdapterError, AdapterUnavailableError, StorageError
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Attachment, Thread
from backscroll.storage.provider.primitives import Primitives
from backscroll.storage.records import Part

log = logging.getLogger(__name__)

LOOK_S = 1.0
NOTE_S = 30.0
"""Seconds between two notes that all is kept until now."""

GAP_S = 20.0
"""Seconds without a connection after which the threads are read back; in fewer, Slack's own repeats suffice."""

RETRY_S = 30.0
TOLD_EVERY_S = 60.0


class SlackAdapter(Adapter):
    """Slack, through slack-bolt.

    Args: storage: where installations are kept, when there are several.
    """

    platform = PLATFORM
    streams = True

    def __init__(self, settings: SlackSettings, storage: Primitives) -> None:
        self._settings = settings
        self._listener: Listener | None = None
        self._api = SlackApi(settings.api_base_url)
        is_agent = settings.assistant.view == "agent"
        self._workspaces: Workspaces
        self._oauth = None
        if settings.oauth is not None:
            installations = Installations(storage, settings.oauth.encryption_key, settings.oauth.client_id)
            self._workspaces = InstalledWorkspaces(installations, is_agent=is_agent)
            self._oauth = make_oauth(settings.oauth, installations, OAuthStates(storage))
        else:
            self._workspaces = OneWorkspace(self._api, settings.bot_token or "", is_agent=is_agent)
        self._names = NameBook(self._api)
        self._history = History(self._api, self._workspaces, self._names)
        self._poster = Poster(self._api, self._workspaces, self._history, streams=settings.streams)
        self._approvals = Approvals(self._api, self._workspaces, self._poster)
        self._assistant = Assistant(self._api, self._workspaces, settings.assistant)
        self._downloads = make_downloads(
            self._api, self._workspaces, hosts=settings.file_hosts, limit_bytes=settings.file_limit_bytes
        )

    async def __aenter__(self) -> Self:
        """Try the tokens; a Slack that does not answer now is tried again while it is served.

        Raises: AdapterError: Slack does not take a token.
        """
        await self._api.__aenter__()
        try:
            await self._try_tokens()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    @property
    def is_connected(self) -> bool:
        """Whether the socket is open, or in HTTP mode the port."""
        return self._listener is not None and self._listener.is_open()

    async def check(self) -> None:
        """Ask Slack for the tokens' sake, and try the port."""
        await self._ask_slack()
        if self._settings.app_token is None or self._settings.oauth is not None:
            await try_port(self._settings.http)

    async def serve(self, inbox: Inbox) -> None:
        """Listen until cancelled, and read back what was said while nobody did."""
        receiver = Receiver(inbox, self._workspaces, self._names, self._assistant, self._approvals, self.observer)
        app = make_app(self._api, receiver, self._oauth)
        listeners = make_listener(app, self._settings, receiver)
        async with AsyncExitStack() as stack:
            for listener in listeners:
                await stack.enter_async_context(listener.listening())
            self._listener = listeners[0]
            try:
                await self._watch(inbox, listeners[0])
            finally:
                self._listener = None

    async def replay(self, payload: dict[str, Any], inbox: Inbox, at: datetime) -> None:
        """Keep what an event tells of; its own workspace's token is asked for names."""
        await Receiver(inbox, self._workspaces, self._names, self._assistant, self._approvals).replay(payload)

    def split(self, text: str) -> list[str]:
        """Cut an answer into posts that Slack shows whole."""
        return split_answer(text)

    async def post(self, question: Question, part: Part) -> ExternalId:
        """Post one part, its token in the message's metadata."""
        return await self._poster.post(question.key, part)

    async def close_approval(self, key: ThreadKey, external: ExternalId, text: str) -> None:
        """Change the post, and take its buttons away."""
        await self._approvals.close_approval(key, external, text)

    async def upload(self, question: Question, part: Part, attachment: Attachment, content: bytes) -> ExternalId:
        """Post a file, and return where its message stands."""
        return await self._poster.upload(question.key, attachment, content)

    async def edit(self, key: ThreadKey, external: ExternalId, text: str) -> None:
        """Change a post; a stream that a dead process left open is ended."""
        await self._poster.edit(key, external, text)

    async def remove(self, key: ThreadKey, external: ExternalId) -> None:
        """Take a post away."""
        await self._poster.remove(key, external)

    async def open_stream(self, question: Question, part: Part) -> Stream:
        """Begin a post that grows."""
        return await self._poster.open_stream(question, part)

    async def find_posted(self, question: Question, parts: list[Part], is_kept: IsKept) -> dict[int, ExternalId]:
        """Look for the tokens in the thread since the question; a stream or file carries none: no row owns its post."""
        return await self._poster.find_posted(question, parts, is_kept)

    async def react(self, key: ThreadKey, external: ExternalId, emoji: str) -> str:
        """Put an emoji on a message, by Slack's name for it such as `eyes`."""
        return await self._poster.react(external, emoji)

    def kept_emoji(self, emoji: str) -> str:
        """Return an emoji's name without its colons."""
        return emoji.strip(":")

    async def typing(self, key: ThreadKey, text: str | None = None) -> None:
        """Show a status in the thread, for two minutes at most; in a DM without threads there is none."""
        if thread_ts(key) is not None:
            await self._assistant.show(key, text or self._settings.assistant.status)

    def working(self, key: ThreadKey, thread: Thread) -> AbstractAsyncContextManager[None]:
        """Show the assistant's status."""
        return self._assistant.working(key, thread)

    def context_key(self, key: ThreadKey) -> ThreadKey:
        """Name the DM: in the agent's view Slack tells of that as a whole."""
        is_dm = self._settings.assistant.view == "agent" and key.channel.startswith("D")
        return replace(key, thread=key.channel) if is_dm else key

    def history(self, key: ThreadKey, *, since: datetime | None = None) -> AsyncIterator[list[Event]]:
        """Read a thread, a DM, or the beginnings in a channel."""
        return self._history.events(key, since)

    def download(self, workspace: str, attachment: Attachment) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Read a file that came with a message, from Slack's hosts alone."""
        return self._downloads.open(workspace, attachment)

    async def _ask_slack(self) -> None:
        if isinstance(self._workspaces, OneWorkspace):
            await self._workspaces.find()
        if self._settings.app_token is not None:
            await self._api.call(self._settings.app_token, "apps.connections.open")

    async def _try_tokens(self) -> None:
        try:
            await self._ask_slack()
        except TokenRefusedError as error:
            raise AdapterError(error.message, error.hint) from None
        except AdapterUnavailableError as error:
            log.warning("Slack does not answer yet: %s", error.message)

    async def _watch(self, inbox: Inbox, listener: Listener) -> None:
        """Note how far all is kept, and read back after a start, a gap, or an outage of the storage."""
        clock = asyncio.get_running_loop().time
        is_caught_up, open_at, next_at, told_at = False, clock(), 0.0, -TOLD_EVERY_S
        connection: object = None
        while True:
            if listener.is_open():
                if listener.connection is not connection:
                    connection = listener.connection
                    self.observer.connection_made(PLATFORM)
                is_caught_up = is_caught_up and clock() - open_at < GAP_S
                open_at = clock()
                if clock() >= next_at:
                    is_caught_up = await self._catch_up(inbox, is_caught_up)
                    next_at = clock() + (NOTE_S if is_caught_up else RETRY_S)
            elif clock() - open_at >= GAP_S and clock() - told_at >= TOLD_EVERY_S:
                log.warning("Slack's connection is down; it is opened again.")
                told_at = clock()
            await asyncio.sleep(LOOK_S)

    async def _catch_up(self, inbox: Inbox, is_caught_up: bool) -> bool:
        try:
            for workspace in await self._workspaces.names():
                if not is_caught_up:
                    await inbox.catch_up(PLATFORM, workspace)
                await inbox.keep_watermark(PLATFORM, workspace)
        except (AdapterError, StorageError) as error:
            log.warning("What was said meanwhile is not read back yet: %s", error.message)
            return False
        return True

    async def _close(self) -> None:
        await self._approvals.close()
        await self._assistant.close()
        await self._names.close()
        await self._api.__aexit__(None, None, None)
