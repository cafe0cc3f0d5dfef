"""Bolt's OAuth stores on our storage: which workspaces installed the app, and with which tokens.

Built on the six primitives, so that every provider can keep them. Tokens are encrypted before they reach the storage;
beside them stand ids and instants alone. Knows nothing of events. Proved by
`tests/unit/adapters/slack/test_installations.py`.
"""

import asyncio
import hashlib
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from backscroll.errors import AdapterError
from backscroll.storage.provider.primitives import Primitives, join_key

INSTALLATIONS = "slack_installations"
STATES = "slack_oauth_states"
FOUND_S = 60.0
MISSING_S = 3.0
"""How long is remembered what was found, and that nothing was; another process's changes are seen after this."""
REMEMBERED_COUNT = 10_000
STATE_S = 600.0
PRUNE_S = 60.0

_BOT_FIELDS = ("bot_token", "bot_id", "bot_user_id", "bot_scopes", "bot_refresh_token", "bot_token_expires_at")

logger = logging.getLogger(__name__)


class Installations(AsyncInstallationStore):
    """The newest bot of each workspace or enterprise, and the newest installation of each person there.

    A bot stands once: deleted or given a new token, it is so for every installation of its workspace. What is saved
    last stands, whatever its instant says. What is given back is a copy.

    Every call raises StorageUnavailableError while the storage does not answer, which is not the same as None: nobody
    installed the app. A save that was cut short is repeated by saving again.
    """

    def __init__(
        self, storage: Primitives, encryption_keys: str, client_id: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Args: encryption_keys: Fernet keys with commas between; the first encrypts, each decrypts.

        Raises: AdapterError: one of them is no Fernet key.
        """
        self._storage = storage
        self._fernet = _fernet_of(encryption_keys)
        self._client_id = client_id
        self._clock = clock
        self._writing = asyncio.Lock()
        self._remembered: dict[str, tuple[float, str | None]] = {}
        self._changes_count = 0

    @property
    def logger(self) -> logging.Logger:
        return logger

    async def async_save(self, installation: Installation) -> None:
        workspace = self._workspace(
            installation.enterprise_id, installation.team_id, installation.is_enterprise_install
        )
        # The bot has its own row; here its tokens would outlive it.
        fields = _fields_of(installation) | dict.fromkeys(_BOT_FIELDS)
        row = self._row(workspace, installation.installed_at, fields) | {"user": installation.user_id}
        async with self._change():
            if installation.bot_token:
                await self._put_bot(workspace, installation.to_bot())
            key = join_key("user", workspace, installation.user_id)
            await self._storage.set(INSTALLATIONS, key, row | {"kind": "user"})
            await self._storage.set(INSTALLATIONS, join_key("latest", workspace), row | {"kind": "latest"})

    async def async_save_bot(self, bot: Bot) -> None:
        workspace = self._workspace(bot.enterprise_id, bot.team_id, bot.is_enterprise_install)
        async with self._change():
            await self._put_bot(workspace, bot)

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        """Return the workspace's bot, or for an installation in a whole enterprise the enterprise's.

        Raises: AdapterError: no key decrypts it.
        """
        workspace = self._workspace(enterprise_id, team_id, is_enterprise_install)
        fields = await self._find(join_key("bot", workspace))
        return None if fields is None else Bot(**fields)

    async def find_named(self, name: str) -> Bot | None:
        """Return the bot of the workspace, or of the enterprise, that has this id in keys.

        Raises: AdapterError: no key decrypts it.
        """
        wanted = {"kind": "bot", "name": name, "client_id": self._client_id}
        fields = await self._find(join_key("named", name), wanted)
        return None if fields is None else Bot(**fields)

    async def names(self) -> list[str]:
        """Return the ids of all workspaces and enterprises that have a bot, in their order."""
        rows = await self._storage.query(INSTALLATIONS, {"kind": "bot", "client_id": self._client_id})
        return sorted(row["name"] for row in rows)

    async def async_find_installation(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None = None,
        is_enterprise_install: bool | None = False,
    ) -> Installation | None:
        """Return a person's installation, else the newest, with the workspace's bot.

        Raises: AdapterError: no key decrypts it.
        """
        workspace = self._workspace(enterprise_id, team_id, is_enterprise_install)
        key = join_key("latest", workspace) if user_id is None else join_key("user", workspace, user_id)
        fields = await self._find(key)
        if fields is None:
            return None
        bot = await self._find(join_key("bot", workspace)) or {}
        return Installation(**(fields | {name: bot.get(name) for name in _BOT_FIELDS}))

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        workspace = self._workspace(enterprise_id, team_id)
        async with self._change():
            await self._storage.delete(INSTALLATIONS, join_key("bot", workspace))

    async def async_delete_installation(
        self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None
    ) -> None:
        """Remove a person's installation, or without `user_id` those of all; the bot stays."""
        workspace = self._workspace(enterprise_id, team_id)
        async with self._change():
            rows = await self._storage.query(INSTALLATIONS, {"workspace": workspace, "kind": "user"})
            gone = [row for row in rows if user_id in (None, row["user"])]
            for row in gone:
                await self._storage.delete(INSTALLATIONS, row["key"])
            await self._mend_latest(workspace, [row for row in rows if row not in gone])

    async def _mend_latest(self, workspace: str, rows: list[dict[str, Any]]) -> None:
        """Let the newest of these persons' rows be the workspace's latest."""
        key = join_key("latest", workspace)
        if not rows:
            await self._storage.delete(INSTALLATIONS, key)
            return
        newest = max(rows, key=lambda row: float(row["installed_at"]))
        row = {name: value for name, value in newest.items() if name != "key"}
        await self._storage.set(INSTALLATIONS, key, row | {"kind": "latest"})

    async def _put_bot(self, workspace: str, bot: Bot) -> None:
        name = bot.enterprise_id if bot.is_enterprise_install else bot.team_id
        row = self._row(workspace, bot.installed_at, _fields_of(bot))
        row |= {"kind": "bot", "name": name or "", "client_id": self._client_id}
        await self._storage.set(INSTALLATIONS, join_key("bot", workspace), row)

    async def _find(self, key: str, filters: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Return what is sealed under a key, or in the row that has these fields, from memory while that is fresh."""
        now = self._clock()
        until, text = self._remembered.get(key, (now, None))
        if until <= now:
            changes_count = self._changes_count
            if filters is None:
                row = await self._storage.get(INSTALLATIONS, key)
            else:
                row = next(iter(await self._storage.query(INSTALLATIONS, filters)), None)
            text = None if row is None else self._opened(row)
            if len(self._remembered) >= REMEMBERED_COUNT:
                self._remembered.clear()
            # What was read before a change is not remembered after it.
            if changes_count == self._changes_count:
                self._remembered[key] = (now + (MISSING_S if text is None else FOUND_S), text)
        if text is None:
            return None
        # Bolt writes into what it is given, so it is made anew each time.
        fields: dict[str, Any] = json.loads(text)
        return fields

    @asynccontextmanager
    async def _change(self) -> AsyncIterator[None]:
        """Make one change at a time, and forget what was read before; also when nobody knows whether it was made."""
        async with self._writing:
            try:
                yield
            finally:
                self._changes_count += 1
                self._remembered.clear()

    def _workspace(
        self, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> str:
        return join_key(self._client_id, enterprise_id or "", "" if is_enterprise_install else team_id or "")

    def _row(self, workspace: str, installed_at: float, fields: dict[str, Any]) -> dict[str, Any]:
        sealed = self._fernet.encrypt(json.dumps(fields).encode()).decode()
        return {"workspace": workspace, "installed_at": installed_at, "sealed": sealed}

    def _opened(self, row: dict[str, Any]) -> str:
        try:
            return self._fernet.decrypt(row["sealed"]).decode()
        except InvalidToken:
            _, enterprise_id, team_id = json.loads(row["workspace"])
            raise AdapterError(
                f"The installation of the app in {team_id or enterprise_id} was encrypted with another key.",
                "Add that key to encryption_key, behind a comma, or install the app there again.",
            ) from None


class OAuthStates(AsyncOAuthStateStore):
    """The marks of installations under way, each good once and for ten minutes.

    Two processes that are shown the same one in the same moment may both take it; Slack takes its code once.
    """

    def __init__(self, storage: Primitives, *, clock: Callable[[], float] = time.time) -> None:
        """Args: clock: seconds that mean the same in every process."""
        self._storage = storage
        self._clock = clock
        self._consuming = asyncio.Lock()
        self._prune_at = 0.0

    @property
    def logger(self) -> logging.Logger:
        return logger

    async def async_issue(self, *args: Any, **kwargs: Any) -> str:
        """Return a new mark, which nobody can guess.

        Raises: StorageUnavailableError: it is not kept.
        """
        await self._prune()
        state = secrets.token_urlsafe(32)
        await self._storage.set(STATES, _digest(state), {"expires_at": self._clock() + STATE_S})
        return state

    async def async_consume(self, state: str) -> bool:
        """Take a mark; False when it is unknown, too old, or taken already.

        Raises: StorageUnavailableError: nobody knows.
        """
        key = _digest(state)
        async with self._consuming:
            kept = await self._storage.get(STATES, key)
            if kept is None:
                return False
            await self._storage.delete(STATES, key)
        return bool(kept["expires_at"] > self._clock())

    async def _prune(self) -> None:
        """Remove the marks that nobody came back with; anybody who opens the install page makes one."""
        now = self._clock()
        if now < self._prune_at:
            return
        self._prune_at = now + PRUNE_S
        for row in await self._storage.query(STATES, {}):
            if row["expires_at"] <= now:
                await self._storage.delete(STATES, row["key"])


def _fernet_of(keys: str) -> MultiFernet:
    fernets = []
    for number, key in enumerate(keys.split(","), start=1):
        try:
            fernets.append(Fernet(key.strip()))
        except ValueError:
            raise AdapterError(
                f"Key {number} of adapters.slack.oauth.encryption_key is no Fernet key.",
                'Make one: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"',
            ) from None
    return MultiFernet(fernets)


def _fields_of(kept: Bot | Installation) -> dict[str, Any]:
    # The names alone: to_dict makes texts and instants of lists and seconds.
    return {name: getattr(kept, name) for name in kept.to_dict_for_copying()}


def _digest(state: str) -> str:
    # Whatever a stranger sends is no key of the storage, and what is stored opens nothing.
    return hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest()
