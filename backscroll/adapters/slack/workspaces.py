"""Who the bot is, and with which token, in each workspace that it is installed in.

Proved by `tests/scenario/test_slack_workspaces.py`.
"""

import asyncio
import re
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from slack_sdk.oauth.installation_store import Bot

from backscroll.adapters.fields import MalformedError, id_in, list_in, need, object_in
from backscroll.adapters.slack.api import SlackApi
from backscroll.adapters.slack.installations import Installations
from backscroll.adapters.slack.translate import Us
from backscroll.errors import AdapterError, AdapterUnavailableError

# It becomes a part of keys, and stands in what is logged.
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Workspace:
    """One installation."""

    us: Us
    token: str = field(repr=False)
    team_id: str | None = None
    bot_name: str | None = None


class Workspaces(ABC):
    """The installations of the app."""

    @abstractmethod
    async def of_body(self, body: dict[str, Any]) -> Workspace:
        """Find the one that a request from Slack is for.

        Raises: AdapterError: there is none. MalformedError: it names none. StorageUnavailableError,
            AdapterUnavailableError: nobody knows.
        """

    @abstractmethod
    async def named(self, workspace: str) -> Workspace:
        """Find one by its name in keys.

        Raises: AdapterError: there is none. StorageUnavailableError, AdapterUnavailableError: nobody knows.
        """

    @abstractmethod
    async def names(self) -> list[str]:
        """Name all."""

    async def revoke(self, body: dict[str, Any]) -> None:
        """Note that the app was removed from a workspace. Raises: MalformedError: nothing says what was."""


class OneWorkspace(Workspaces):
    """The workspace of one token, which Slack is asked for once."""

    def __init__(self, api: SlackApi, token: str, *, is_agent: bool = False) -> None:
        """Args: is_agent: whether the app has the agent's view, in which a DM has threads."""
        self._api = api
        self._token = token
        self._is_agent = is_agent
        self._found: Workspace | None = None
        self._finding = asyncio.Lock()

    async def find(self) -> Workspace:
        """Ask Slack who we are, the first time.

        Raises: AdapterUnavailableError: Slack does not say. Its `is_certain` with a `retry_after_s`: it does not take
            the token.
        """
        if self._found is not None:  # as for every event but the first
            return self._found
        async with self._finding:
            if self._found is None:
                answer = await self._api.call(self._token, "auth.test")
                self._found = _workspace_of(answer, self._token, is_agent=self._is_agent)
            return self._found

    async def of_body(self, body: dict[str, Any]) -> Workspace:
        ours = await self.find()
        theirs = _installation_of(body)
        if theirs.name is not None and ours.us.workspace not in (theirs.name, theirs.enterprise_id):
            raise AdapterError(
                f"The event is for {theirs.name}; the token is of {ours.us.workspace}.",
                "Install the app in one workspace alone, or use adapters.slack.oauth.",
            )
        return ours

    async def named(self, workspace: str) -> Workspace:
        ours = await self.find()
        if workspace != ours.us.workspace:
            raise AdapterError(f"The bot's token is of {ours.us.workspace}, not of {workspace}.")
        return ours

    async def names(self) -> list[str]:
        return [(await self.find()).us.workspace]


class InstalledWorkspaces(Workspaces):
    """The workspaces that installed the app by OAuth."""

    def __init__(self, installations: Installations, *, is_agent: bool = False) -> None:
        """Args: is_agent: as of `OneWorkspace`."""
        self._installations = installations
        self._is_agent = is_agent

    async def of_body(self, body: dict[str, Any]) -> Workspace:
        theirs = _installation_of(body)
        bot = await self._installations.async_find_bot(
            enterprise_id=theirs.enterprise_id, team_id=theirs.team_id, is_enterprise_install=theirs.is_enterprise
        )
        return _workspace_of_bot(bot, theirs.name, is_agent=self._is_agent)

    async def named(self, workspace: str) -> Workspace:
        bot = await self._installations.find_named(workspace)
        return _workspace_of_bot(bot, workspace, is_agent=self._is_agent)

    async def names(self) -> list[str]:
        return await self._installations.names()

    async def revoke(self, body: dict[str, Any]) -> None:
        theirs, event = _installation_of(body), need(object_in, body, "event")
        team_id = None if theirs.is_enterprise else theirs.team_id
        where: dict[str, Any] = {"enterprise_id": theirs.enterprise_id, "team_id": team_id}
        bot = await self._installations.async_find_bot(**where, is_enterprise_install=theirs.is_enterprise)
        if bot is not None and bot.installed_at > _told_at(body) + 1:
            return  # it is told again, or late, and the app was installed anew meanwhile
        if event.get("type") == "app_uninstalled":
            await self._installations.async_delete_bot(**where)
            await self._installations.async_delete_installation(**where)
            return
        tokens = need(object_in, event, "event.tokens")
        if list_in(tokens, "event.tokens.bot"):
            await self._installations.async_delete_bot(**where)
        for user_id in list_in(tokens, "event.tokens.oauth") or ():
            await self._installations.async_delete_installation(**where, user_id=need(id_in, {"[]": user_id}, "[]"))


@dataclass(frozen=True, slots=True)
class _Installation:
    """Whom a request is for, as it says itself."""

    enterprise_id: str | None
    team_id: str | None
    is_enterprise: bool

    @property
    def name(self) -> str | None:
        return self.enterprise_id if self.is_enterprise else self.team_id


def _installation_of(body: dict[str, Any]) -> _Installation:
    """Read the first authorization: the outer team may be another workspace, which shares the channel.

    Raises: MalformedError: an id is none.
    """
    given = body.get("authorizations")
    first = given[0] if isinstance(given, list) and given and isinstance(given[0], dict) else body
    enterprise, team = _text(first.get("enterprise_id")), _text(first.get("team_id"))
    is_enterprise = first.get("is_enterprise_install") in (True, "true") and enterprise is not None
    if any(each is not None and not _ID.fullmatch(each) for each in (enterprise, team)):
        raise MalformedError("team_id or enterprise_id is no id.")
    return _Installation(enterprise, team, is_enterprise)


def _told_at(body: dict[str, Any]) -> float:
    """Read when something happened; what does not say so happened now."""
    at = body.get("event_time")
    return at if isinstance(at, int) else time.time()


def _workspace_of(answer: dict[str, Any], token: str, *, is_agent: bool) -> Workspace:
    """Read auth.test."""
    is_enterprise = answer.get("is_enterprise_install") is True
    name = _text(answer.get("enterprise_id") if is_enterprise else answer.get("team_id"))
    user_id = _text(answer.get("user_id"))
    if name is None or user_id is None:
        raise AdapterUnavailableError("Slack's answer to auth.test names no workspace and user.")
    us = Us(name, user_id, _text(answer.get("bot_id")), _text(answer.get("app_id")), is_agent)
    return Workspace(us, token, _text(answer.get("team_id")), _text(answer.get("user")))


def _workspace_of_bot(bot: Bot | None, name: str | None, *, is_agent: bool) -> Workspace:
    if bot is None or not bot.bot_token or not bot.bot_user_id:
        raise AdapterError(f"The app is not installed in {name}.", "Install it there, on the app's install page.")
    workspace = (bot.enterprise_id if bot.is_enterprise_install else bot.team_id) or ""
    us = Us(workspace, bot.bot_user_id, bot.bot_id, bot.app_id, is_agent)
    return Workspace(us, bot.bot_token, bot.team_id)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
