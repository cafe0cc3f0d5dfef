"""Assistant threads: suggestions when one is opened, a status while the handler works, a title from the first question.

None of it is worth an error: what Slack does not take is logged. Bolt's own Assistant is not used, because it swallows
edits and deletions. Proved by `tests/scenario/test_slack_assistant.py`.
Source: docs.slack.dev/ai/developing-ai-apps
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backscroll.adapters.slack.api import SlackApi
from backscroll.adapters.slack.background import Background
from backscroll.adapters.slack.settings import AssistantSettings
from backscroll.adapters.slack.translate import thread_ts
from backscroll.adapters.slack.workspaces import Workspace, Workspaces
from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Thread


class Assistant:
    """What the app shows in assistant threads, in tasks that nobody waits for."""

    def __init__(self, api: SlackApi, workspaces: Workspaces, settings: AssistantSettings) -> None:
        self._api = api
        self._workspaces = workspaces
        self._settings = settings
        self._background = Background()

    def greet(self, workspace: Workspace, key: ThreadKey) -> None:
        """Suggest what to ask in a thread that was opened."""
        if not self._settings.prompts:
            return
        prompts = [{"title": each.title, "message": each.message or each.title} for each in self._settings.prompts]
        self._background.start(
            self._api.call,
            workspace.token,
            "assistant.threads.setSuggestedPrompts",
            channel_id=key.channel,
            # In the agent's view the suggestions are the DM's; naming a thread, Slack would show none.
            thread_ts=thread_ts(key),
            title=self._settings.prompts_title or None,
            prompts=prompts,
        )

    @asynccontextmanager
    async def working(self, key: ThreadKey, thread: Thread) -> AsyncIterator[None]:
        """Show the status in an assistant thread, and on its first question its title."""
        if not _is_assistant_thread(key):
            yield
            return
        if [message.role for message in thread.messages] == ["user"]:
            self._background.start(self._call, key, "setTitle", title=thread.title)
        showing = self._background.start(self.show, key, self._settings.status) if self._settings.status else None
        try:
            yield
        finally:
            if showing is not None:
                self._background.start(self._take_away, key, showing)

    async def show(self, key: ThreadKey, status: str) -> None:
        """Show a status in a thread, until the next message there, or for two minutes. Errors as `SlackApi.call`."""
        await self._call(key, "setStatus", status=status)

    async def close(self) -> None:
        """End what is under way."""
        await self._background.close()

    async def _take_away(self, key: ThreadKey, showing: "asyncio.Task[None]") -> None:
        # Slack may show it after the answer, and then for two minutes.
        await asyncio.wait([showing])
        await self.show(key, "")

    async def _call(self, key: ThreadKey, method: str, **arguments: str) -> None:
        workspace = await self._workspaces.named(key.workspace)
        name = f"assistant.threads.{method}"
        await self._api.call(workspace.token, name, channel_id=key.channel, thread_ts=key.thread, **arguments)


def _is_assistant_thread(key: ThreadKey) -> bool:
    # A thread in a DM: of an app with the assistant's view, every one is the assistant's.
    return key.channel.startswith("D") and thread_ts(key) is not None
