"""Names of people and channels, looked up once and remembered for a while.

A message does not wait long for them: what is not known in time is kept without, and known for the next. Proved by
`tests/scenario/test_slack_places.py`.
"""

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from backscroll.adapters.slack.api import SlackApi
from backscroll.adapters.slack.workspaces import Workspace
from backscroll.errors import AdapterError, AdapterUnavailableError

KNOWN_S = 24 * 3_600.0
UNKNOWN_S = 60.0
REMEMBERED_COUNT = 50_000

ASKED_COUNT = 25
"""Names that one message, or one page of history, looks up at most: Slack allows some hundred a minute."""

PATIENCE_S = 0.5
"""Seconds that a message waits for names, of the three that Slack waits for it."""

Id = tuple[str, str]
"""Workspace, and the id of a person or channel there."""


class NameBook:
    """What is known of names."""

    def __init__(self, api: SlackApi) -> None:
        self._api = api
        self._known: dict[Id, tuple[str | None, float]] = {}
        self._asking: dict[Id, asyncio.Task[None]] = {}

    async def learn(self, workspace: Workspace, people: Iterable[str], channels: Iterable[str]) -> "NamesHere":
        """Look up what is not known, as long as patience lasts, and return the names of a workspace."""
        name = workspace.us.workspace
        if workspace.bot_name is not None:
            self._known.setdefault((name, workspace.us.bot_user_id), (workspace.bot_name, math.inf))
        unknown = [
            (each, method, argument)
            for each, method, argument in [
                *((channel, "conversations.info", "channel") for channel in channels),
                *((person, "users.info", "user") for person in people),
            ]
            if not self._is_fresh((name, each))
        ]
        asking = [self._ask(workspace, *each) for each in unknown[:ASKED_COUNT]]
        if asking:
            await asyncio.wait(asking, timeout=PATIENCE_S)
        return NamesHere(self, name)

    def name(self, workspace: str, name_id: str) -> str | None:
        """Return a name, also one that is no longer fresh; None when it is unknown."""
        return self._known.get((workspace, name_id), (None, 0.0))[0]

    def rename(self, workspace: str, name_id: str, name: str) -> None:
        """Take a new name."""
        self._remember((workspace, name_id), name, KNOWN_S)

    async def close(self) -> None:
        """End what is asked."""
        for task in self._asking.values():
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking.values())

    def _is_fresh(self, name_id: Id) -> bool:
        return self._known.get(name_id, (None, 0.0))[1] > asyncio.get_running_loop().time()

    def _ask(self, workspace: Workspace, each: str, method: str, argument: str) -> asyncio.Task[None]:
        name_id = workspace.us.workspace, each
        if name_id not in self._asking:
            task = asyncio.create_task(self._look_up(workspace, each, method, argument))
            self._asking[name_id] = task
            task.add_done_callback(lambda _: self._asking.pop(name_id, None))
        return self._asking[name_id]

    async def _look_up(self, workspace: Workspace, each: str, method: str, argument: str) -> None:
        name_id = workspace.us.workspace, each
        try:
            answer = await self._api.call(workspace.token, method, **{argument: each})
        except AdapterUnavailableError as error:
            self._remember(name_id, self.name(*name_id), max(error.retry_after_s or 0, UNKNOWN_S))
        except AdapterError:  # a missing scope, or somebody that we may not see
            self._remember(name_id, None, KNOWN_S)
        else:
            self._remember(name_id, _name_in(answer), KNOWN_S)

    def _remember(self, name_id: Id, name: str | None, seconds: float) -> None:
        if len(self._known) >= REMEMBERED_COUNT:
            self._known.clear()
        self._known[name_id] = name, asyncio.get_running_loop().time() + seconds


@dataclass(frozen=True, slots=True)
class NamesHere:
    """The names of one workspace, as `mrkdwn.Names`."""

    book: NameBook
    workspace: str

    def person(self, user_id: str) -> str | None:
        """Return what a user is called, or None."""
        return self.book.name(self.workspace, user_id)

    def channel(self, channel_id: str) -> str | None:
        """Return what a channel is called, or None."""
        return self.book.name(self.workspace, channel_id)


def _name_in(answer: dict[str, Any]) -> str | None:
    names: list[Any] = []
    match answer:
        case {"user": {"profile": dict(profile)} as user}:
            names = [profile.get("display_name"), profile.get("real_name"), user.get("real_name"), user.get("name")]
        case {"user": dict(named)} | {"channel": dict(named)}:
            names = [named.get("real_name"), named.get("name")]
    return next((name for name in names if isinstance(name, str) and name), None)
