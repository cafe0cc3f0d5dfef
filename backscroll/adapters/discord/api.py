"""Discord's REST API: one call at a time through discord.py, and each refusal as one of our errors.

discord.py keeps Discord's limits, and repeats by itself what a 429 or a 5xx held up; with the nonce of the first try
that posts nothing twice. Proved by `tests/scenario/test_discord_faults.py`.
Source: docs.discord.com/developers/topics/rate-limits, docs.discord.com/developers/topics/opcodes-and-status-codes
"""

import asyncio
import json
import logging
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import discord

from backscroll.adapters.discord.library import LIBRARY, find_gateway
from backscroll.adapters.http import is_near, retry_after_s
from backscroll.errors import AdapterError, AdapterUnavailableError

log = logging.getLogger(__name__)

CALL_S = 20.0
"""Seconds after which one try of a call counts as not answered; waits that Discord asks for do not count."""

UPLOAD_S = 120.0
"""Seconds for one try of a call that brings a file along."""

WAIT_S = 30.0
"""Seconds that discord.py may wait by itself when Discord asks to; for longer ones the caller is told."""

TOKEN_RETRY_S = 60.0
"""Seconds before an answer is tried again that Discord refused for its token."""

PORTAL = "discord.com/developers/applications"

UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, UNKNOWN_INTERACTION, UNKNOWN_WEBHOOK = 10003, 10008, 10062, 10015
ALREADY_ACKNOWLEDGED, ARCHIVED, WEBHOOK_TOKEN_OVER, THREAD_EXISTS = 40060, 50083, 50027, 160004
_MEANINGS = {
    UNKNOWN_CHANNEL: "the channel or thread was deleted",
    UNKNOWN_MESSAGE: "the message was deleted",
    10014: "it knows no such emoji",
    40005: "the file is larger than this server takes",
    50001: "the bot has no access there",
    50007: "the person takes no direct messages from the bot",
    50013: "the bot's role lacks a permission there",
    160002: "the bot's role may not read the channel's history",
    160005: "the thread is locked",
}
_GRANT = "Grant the bot's role what docs/discord.md lists, in this channel too."
_HINTS = {
    10014: "A custom emoji is written name:id, and the bot must be in its server.",
    50001: _GRANT,
    50013: _GRANT,
    160002: _GRANT,
}


class TokenRefusedError(AdapterUnavailableError):
    """Discord does not take the token: what was asked for waits until it is another."""


class RefusedError(AdapterError):
    """Discord refused a call; `code` is its own number for why, 0 when it gives none."""

    def __init__(self, what: str, status: int, code: int) -> None:
        meaning = f", {_MEANINGS[code]}" if code in _MEANINGS else ""
        word = f"code {code}{meaning}" if code else f"status {status}"
        super().__init__(f"Discord refused {what}: {word}.", _HINTS.get(code, ""))
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Us:
    """Who the bot is. `reads_content`: whether Discord lets it read what people write."""

    user_id: str
    application_id: str
    reads_content: bool


class DiscordApi:
    """Calls Discord, or what stands in for it, as long as it is entered. It connects to no gateway."""

    def __init__(self, token: str, base_url: str | None) -> None:
        self._token = token
        self._base_url = base_url
        self._client: discord.Client | None = None
        self._us: Us | None = None
        self._login = asyncio.Lock()
        self._calls: set[asyncio.Task[Any]] = set()
        self._files: aiohttp.ClientSession | None = None
        self._library = ExitStack()

    async def __aenter__(self) -> Self:
        self._library.enter_context(LIBRARY.used(self._base_url))
        self._files = aiohttp.ClientSession(trust_env=self._base_url is None or not is_near(self._base_url))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for call in self._calls:
            call.cancel()
        if self._calls:
            await asyncio.wait(self._calls)
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        await self.files.close()
        self._library.close()

    @property
    def files(self) -> aiohttp.ClientSession:
        """The connections over which files are fetched, without the token."""
        if self._files is None:
            raise RuntimeError("the API is used outside `async with`")
        return self._files

    @property
    def schemes(self) -> frozenset[str]:
        """How files may be fetched: encrypted, or as a stand-in has them."""
        return frozenset({"https", urlsplit(self._base_url or "https://").scheme})

    async def us(self) -> Us:
        """Log in once, and tell who the bot is. Errors as `call`."""
        async with self._login:
            if self._us is None:
                self._us = await self._log_in()
            return self._us

    async def find_gateway(self) -> None:
        """Ask where the gateway of a stand-in is; Discord's own discord.py knows. Errors as `call`."""
        if self._base_url is not None:
            told = await self.call("GET", "/gateway/bot")
            if not isinstance(told, dict) or not isinstance(told.get("url"), str):
                raise AdapterUnavailableError("Discord did not say where its gateway is.")
            find_gateway(told["url"])

    async def call(
        self, method: str, path: str, *, body: Any = None, query: dict[str, str] | None = None, **places: str
    ) -> Any:
        """Call a route such as `/channels/{channel_id}/messages`, and return what Discord says.

        Discord goes on with a call that its caller no longer waits for.

        Raises: AdapterUnavailableError: Discord asks to wait for long, does not answer, or does not know the token.
            RefusedError: it refuses.
        """
        await self.us()
        given: dict[str, Any] = {} if body is None else {"json": body}
        return await self._ask(method, path, places, query, given)

    async def message(self, channel_id: str, message_id: str) -> dict[str, Any]:
        """Return a message as it stands; empty when what comes is none. Errors as `call`."""
        path = "/channels/{channel_id}/messages/{message_id}"
        told = await self.call("GET", path, channel_id=channel_id, message_id=message_id)
        return told if isinstance(told, dict) else {}

    async def upload(
        self, path: str, body: dict[str, Any], name: str, content: bytes, *, method: str = "POST", **places: str
    ) -> Any:
        """Call a route with a file. Errors as `call`."""
        await self.us()
        file = discord.File(BytesIO(content), filename=name)
        form = [
            {"name": "payload_json", "value": json.dumps(body)},
            {
                "name": "files[0]",
                "value": file.fp,
                "filename": file.filename,
                "content_type": "application/octet-stream",
            },
        ]
        return await self._ask(method, path, places, None, {"form": form, "files": [file]}, UPLOAD_S)

    async def _log_in(self) -> Us:
        client = discord.Client(intents=discord.Intents(guilds=True), max_messages=None, max_ratelimit_timeout=WAIT_S)
        try:
            async with asyncio.timeout(CALL_S):
                await client.login(self._token)
        except BaseException as error:  # noqa: BLE001  # each becomes one of ours, or goes on
            await client.close()
            raise _read(error, "the login") from None
        self._client = client
        flags, user = client.application_flags, client.user
        if user is None or client.application_id is None:
            raise AdapterUnavailableError("Discord did not say who the bot is.")
        reads = flags.gateway_message_content or flags.gateway_message_content_limited
        return Us(str(user.id), str(client.application_id), reads)

    async def _ask(
        self,
        method: str,
        path: str,
        places: dict[str, str],
        query: dict[str, str] | None,
        given: dict[str, Any],
        try_s: float | None = None,
    ) -> Any:
        if self._client is None:
            raise AdapterUnavailableError("Discord is left.", is_certain=True)
        route = discord.http.Route(method, path, **places)
        options = given | {"timeout": aiohttp.ClientTimeout(total=try_s or CALL_S)}
        options |= {"params": query} if query else {}
        # A request that were cancelled while all wait for Discord's limit would let all wait for ever: discord.py lets
        # them go on only behind its own wait.
        call = asyncio.ensure_future(self._client.http.request(route, **options))
        self._calls.add(call)
        call.add_done_callback(self._forget)
        what = f"{method} {path}" + (f" in channel {places['channel_id']}" if "channel_id" in places else "")
        try:
            told = await asyncio.shield(call)
        except Exception as error:  # noqa: BLE001  # each becomes one of ours, or goes on
            raise _read(error, what) from None
        if isinstance(told, str) and told:  # discord.py gives what is no JSON as it is, and for a 204 an empty text
            raise AdapterUnavailableError(f"Discord broke off at {what}: what came is no JSON.")
        return told

    def _forget(self, call: "asyncio.Task[Any]") -> None:
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()


def made_in(told: Any) -> str:
    """Return the id of what Discord says that it made.

    Raises: AdapterUnavailableError: it took it, and did not say.
    """
    made = told.get("id") if isinstance(told, dict) else None
    if not isinstance(made, str) or not made:
        raise AdapterUnavailableError("Discord took something and did not say what it is.")
    return made


def _read(error: BaseException, what: str) -> BaseException:
    """Say a library's error in ours; what is none of theirs stays as it is."""
    match error:
        case discord.LoginFailure():
            return _refused_token(what)
        case discord.RateLimited():
            return AdapterUnavailableError(
                f"Discord asks to wait with {what}.", retry_after_s=error.retry_after, is_certain=True
            )
        case discord.HTTPException(status=401, code=code) if code != WEBHOOK_TOKEN_OVER:
            return _refused_token(what)
        case discord.HTTPException(status=429):
            wait_s = retry_after_s(error.response.headers.get("Retry-After"))
            return AdapterUnavailableError(f"Discord asks to wait with {what}.", retry_after_s=wait_s, is_certain=True)
        case discord.HTTPException(status=status) if status >= 500:
            return AdapterUnavailableError(f"Discord answered {what} with status {status}.")
        case discord.HTTPException():
            return RefusedError(what, error.status, error.code)
        case aiohttp.ClientConnectorError():
            return AdapterUnavailableError(f"Discord cannot be reached for {what}.", is_certain=True)
        case TimeoutError():
            return AdapterUnavailableError(f"Discord did not answer {what} in time.")
        # discord.py takes any 200 for Discord's JSON, also the sign-in page of a network that stands before.
        case aiohttp.ClientError() | OSError() | ValueError() | LookupError() | TypeError() | AttributeError():
            return AdapterUnavailableError(f"Discord broke off at {what}: {type(error).__name__}.")
    return error


def _refused_token(what: str) -> TokenRefusedError:
    return TokenRefusedError(
        f"Discord does not take the token for {what}.",
        f"Reset it at {PORTAL}, under Bot, and set it anew.",
        retry_after_s=TOKEN_RETRY_S,
        is_certain=True,
    )
