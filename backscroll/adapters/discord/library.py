"""What discord.py has once in a process: where Discord is, what it logs, and how it reads JSON.

Proved by `tests/scenario/test_discord_gateway.py` and `test_discord_secrets.py`.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import discord
import yarl

from backscroll.errors import AdapterError

# discord.py logs whole payloads at DEBUG and exceptions with them at ERROR: people's words, and tickets. What it has to
# say, this adapter says.
_LOGGER = logging.getLogger("discord")
_SILENCE = logging.NullHandler()
_UTILS: Any = discord.utils
"""Its own functions for JSON, for which it has no setting."""


class _Library:
    """discord.py as it was before it was used, and who uses it."""

    def __init__(self) -> None:
        self._bases: list[str | None] = []
        self._before = (discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY, True)
        self._json_before = (_UTILS._from_json, _UTILS._to_json)  # noqa: SLF001

    @contextmanager
    def used(self, base_url: str | None) -> Iterator[None]:
        """Let discord.py be silent, and call a stand-in where one is named, as long as somebody is in here.

        Raises: AdapterError: somebody is already, and calls another Discord.
        """
        if any(other != base_url for other in self._bases):
            raise AdapterError(
                "Another adapters.discord.api_base_url is in use in this process.",
                "Run each bot in a process of its own: discord.py knows one Discord at a time.",
            )
        if not self._bases:
            self._enter(base_url)
        self._bases.append(base_url)
        try:
            yield
        finally:
            self._bases.remove(base_url)
            if not self._bases:
                self._leave()

    def _enter(self, base_url: str | None) -> None:
        gateway = discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
        self._before = (discord.http.Route.BASE, gateway, _LOGGER.propagate)
        self._json_before = (_UTILS._from_json, _UTILS._to_json)  # noqa: SLF001
        # Where orjson is installed, discord.py takes it; it refuses half a surrogate pair, which people's texts have.
        _UTILS._from_json, _UTILS._to_json = json.loads, json.dumps  # noqa: SLF001
        _LOGGER.propagate = False
        _LOGGER.addHandler(_SILENCE)
        if base_url is not None:
            discord.http.Route.BASE = base_url

    def _leave(self) -> None:
        discord.http.Route.BASE, gateway, _LOGGER.propagate = self._before
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = gateway
        _UTILS._from_json, _UTILS._to_json = self._json_before  # noqa: SLF001
        _LOGGER.removeHandler(_SILENCE)


LIBRARY = _Library()
"""The one of this process."""


def find_gateway(url: str) -> None:
    """Let connections go to a stand-in's gateway."""
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url)
