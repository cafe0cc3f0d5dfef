"""Posts that grow on Slack: its own streams. Where there are none, a post is edited.

Proved by `tests/scenario/test_slack_streams.py`. Source: docs.slack.dev/reference/methods/chat.appendStream
"""

import asyncio
import re
from typing import Any

from backscroll.adapters.base import Stream
from backscroll.adapters.edited import Edits
from backscroll.adapters.slack.api import RefusedError, SlackApi
from backscroll.adapters.slack.mrkdwn import fallback, markdown
from backscroll.errors import AdapterUnavailableError
from backscroll.storage.keys import ExternalId, ThreadKey

# What could become a form that pings when more follows; Slack's longest is well under this.
_UNFINISHED = re.compile(r"<[^<>\n]{0,80}\Z")


def body_of(text: str) -> dict[str, Any]:
    """Give a post's words: Markdown in a block, and the text that notifications show."""
    return {"text": fallback(text), "blocks": [{"type": "markdown", "text": markdown(text)}]}


class NativeStream(Stream):
    """A stream of Slack's, which takes what follows and never another text."""

    def __init__(self, api: SlackApi, token: str, key: ThreadKey, external: ExternalId, edits: Edits) -> None:
        self.external = external
        self._api = api
        self._token = token
        self._key = key
        self._edits = edits
        self._shown = ""
        self._is_open = True
        self._is_sure = True
        self._not_before = 0.0

    async def show(self, text: str) -> None:
        now = asyncio.get_running_loop().time()
        more = self._more(_UNFINISHED.sub("", text))
        if not more or not self._is_open or not self._is_sure or now < self._not_before:
            return
        try:
            await self._call("chat.appendStream", markdown_text=more)
            self._shown += more
        except AdapterUnavailableError as error:
            self._not_before = now + (error.retry_after_s or 1.0)
            self._is_sure = error.is_certain  # else nobody knows what it shows, and the end edits it
        except RefusedError:
            self._is_open = False  # Slack ends one by itself after some minutes

    async def close(self, text: str) -> None:
        more = self._more(text)
        if not (self._is_sure and self._is_open and more is not None and await self._is_stopped(more)):
            await self._edits.edit(self._key, self.external, text)

    async def _is_stopped(self, more: str) -> bool:
        """End the stream with its last words; False when Slack had ended it."""
        try:
            await self._call("chat.stopStream", markdown_text=more or None)
        except RefusedError as error:
            if error.error != "message_not_in_streaming_state":
                raise
            return False
        return True

    def _more(self, text: str) -> str | None:
        """Return what follows on what is shown; None when the text is another."""
        whole = markdown(text)
        return whole[len(self._shown) :] if whole.startswith(self._shown) else None

    async def _call(self, method: str, **arguments: Any) -> None:
        await self._api.call(self._token, method, channel=self.external.channel, ts=self.external.id, **arguments)
