"""What stands in a thread or a DM on Slack, read back page by page.

Unlisted apps get one page a minute: Slack says how long to wait, and so it takes as long. Proved by
`tests/scenario/test_slack_history.py`. Source: docs.slack.dev/reference/methods/conversations.replies
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from backscroll.adapters.events import Event
from backscroll.adapters.fields import MalformedError
from backscroll.adapters.slack.api import SlackApi
from backscroll.adapters.slack.names import NameBook
from backscroll.adapters.slack.translate import channels_in, message_event, people_in, thread_ts
from backscroll.adapters.slack.workspaces import Workspace, Workspaces
from backscroll.errors import AdapterUnavailableError
from backscroll.storage.keys import ThreadKey

PAGE_COUNT = 200
"""Messages of one page, at most; Slack gives fewer where it wants."""

WAIT_S = 90.0
"""Seconds that Slack may ask to wait between two pages without it counting as not answering."""


class History:
    """Reads the threads of the workspaces of one app."""

    def __init__(self, api: SlackApi, workspaces: Workspaces, names: NameBook) -> None:
        self._api = api
        self._workspaces = workspaces
        self._names = names

    async def events(self, key: ThreadKey, since: datetime | None) -> AsyncIterator[list[Event]]:
        """Read a thread, a DM, or where the key's thread is its channel what begins in a channel, oldest first."""
        workspace = await self._workspaces.named(key.workspace)
        oldest = None if since is None else f"{since.timestamp():.6f}"
        async for messages in self._pages(workspace, key, oldest):
            asked: dict[str, Any] = {}
            for message in messages:
                asked |= dict.fromkeys(people_in({"event": message}))
            channels = [each for message in messages for each in channels_in({"event": message})]
            here = [] if key.channel.startswith("D") else [key.channel]
            names = await self._names.learn(workspace, asked, here + channels)
            page: list[Event] = []
            for message in messages:
                try:
                    is_direct = key.channel.startswith("D")
                    page += message_event(message, key.channel, workspace.us, names, is_direct=is_direct)
                except MalformedError:
                    continue  # Slack's own store has it so; there is nothing to send again
            yield page

    async def since(self, workspace: Workspace, key: ThreadKey, timestamp: str | None) -> list[dict[str, Any]]:
        """Return the messages from one on, with their metadata, oldest first."""
        found: list[dict[str, Any]] = []
        async for messages in self._pages(workspace, key, timestamp):
            found += messages
        return found

    async def _pages(
        self, workspace: Workspace, key: ThreadKey, oldest: str | None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        if thread_ts(key) is None:  # the newest comes first there
            pages = [page async for page in self._read(workspace, "conversations.history", key, oldest)]
            for page in reversed(pages):
                yield page[::-1]
            return
        known: set[str] = set()
        async for page in self._read(workspace, "conversations.replies", key, oldest):
            new = [message for message in page if message.get("ts") not in known]  # the root stands on every page
            known.update(str(message.get("ts")) for message in new)
            if oldest is not None:
                new = [message for message in new if str(message.get("ts")) >= oldest]
            yield new

    async def _read(
        self, workspace: Workspace, method: str, key: ThreadKey, oldest: str | None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        root = {"ts": key.thread} if method == "conversations.replies" else {}
        cursor: str | None = None
        while True:
            answer = await self._ask(
                workspace.token,
                method,
                channel=key.channel,
                limit=PAGE_COUNT,
                oldest=oldest,
                inclusive="true",
                include_all_metadata="true",
                cursor=cursor,
                **root,
            )
            messages = answer.get("messages")
            yield [each for each in messages if isinstance(each, dict)] if isinstance(messages, list) else []
            following = answer.get("response_metadata")
            cursor = following.get("next_cursor") if isinstance(following, dict) else None
            if not cursor:
                return

    async def _ask(self, token: str, method: str, **arguments: Any) -> dict[str, Any]:
        while True:
            try:
                return await self._api.call(token, method, **arguments)
            except AdapterUnavailableError as error:
                if not error.is_certain or error.retry_after_s is None or error.retry_after_s > WAIT_S:
                    raise
                wait_s = error.retry_after_s
            await asyncio.sleep(wait_s)
