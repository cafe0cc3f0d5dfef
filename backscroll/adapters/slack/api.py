"""Slack's Web API: one call at a time, and each refusal as one of our errors.

Nothing is repeated here: slack_sdk's own retry would post twice when a connection breaks after Slack took a message.
Proved by `tests/scenario/test_slack_faults.py`. Source: docs.slack.dev/apis/web-api/rate-limits
"""

import asyncio
import logging
from types import TracebackType
from typing import Any, Self

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from backscroll.adapters.http import is_near, retry_after_s
from backscroll.errors import AdapterError, AdapterUnavailableError

CALL_S = 20.0
"""Seconds after which a call counts as not answered."""

TOKEN_RETRY_S = 60.0
"""Seconds before an answer is tried again that Slack refused for its token."""

CLIENT_COUNT = 1_000
"""Tokens whose clients are kept, at most."""

_TOKEN_ERRORS = frozenset(
    {"not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type"}
)
_PASSING_ERRORS = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})
_HINTS = {
    "not_in_channel": "Invite the bot to the channel.",
    "channel_not_found": "Invite the bot to the channel, if it is a private one.",
    "missing_scope": "Add the scope in the app's settings, and install the app again.",
    "is_archived": "The channel is archived; the answer is kept as failed.",
    "restricted_action": "The workspace's settings keep the bot from posting there.",
}
# These take no JSON.
_BY_PARAMETERS = frozenset(
    {
        "conversations.history",
        "conversations.info",
        "conversations.replies",
        "files.getUploadURLExternal",
        "files.info",
        "users.info",
    }
)

# What the libraries log holds texts at DEBUG, bodies at INFO, and addresses with tickets at ERROR.
SILENT = logging.getLogger("backscroll.adapters.slack.library")
SILENT.setLevel(logging.CRITICAL + 1)


class TokenRefusedError(AdapterUnavailableError):
    """Slack does not take the token: what was asked for waits until it is another."""


class RefusedError(AdapterError):
    """Slack refused a call; `error` is its own word for why."""

    def __init__(self, method: str, error: str, channel: str | None = None) -> None:
        place = "" if channel is None else f" in channel {channel}"
        super().__init__(f"Slack refused {method}{place}: {error}.", _HINTS.get(error, ""))
        self.error = error


class SlackApi:
    """Calls Slack, or what stands in for it, as long as it is entered."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._session: aiohttp.ClientSession | None = None
        self._clients: dict[str, AsyncWebClient] = {}
        self._not_before: dict[tuple[str, str, str], float] = {}

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CALL_S)
        self._session = aiohttp.ClientSession(timeout=timeout, trust_env=not is_near(self.base_url))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clients.clear()
        await self.session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections."""
        if self._session is None:
            raise RuntimeError("the API is used outside `async with`")
        return self._session

    def client(self, token: str | None = None) -> AsyncWebClient:
        """Make slack_sdk's client for a token."""
        client = AsyncWebClient(
            token=token, base_url=self.base_url, session=self.session, retry_handlers=[], logger=SILENT
        )
        if is_near(self.base_url):  # slack_sdk takes HTTPS_PROXY for this computer too, and does not read NO_PROXY
            client.proxy = None
        return client

    async def call(self, token: str, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a method and return what Slack says; arguments that are None are left out.

        Raises: AdapterUnavailableError: Slack asks to wait, which then holds for the method in this channel alone, or
            does not answer, or does not know the token. RefusedError: it refuses.
        """
        given = {name: value for name, value in arguments.items() if value is not None}
        gate = token, method, str(given.get("channel", ""))
        self._must_be_open(gate)
        body: dict[str, Any] = {"params": given} if method in _BY_PARAMETERS else {"json": given}
        try:
            async with asyncio.timeout(CALL_S):
                answer = await self._client_of(token).api_call(method, **body)
        except SlackApiError as error:
            raise self._read(error, gate) from None
        except aiohttp.ClientConnectorError:
            raise AdapterUnavailableError(f"Slack cannot be reached for {method}.", is_certain=True) from None
        except TimeoutError:
            raise AdapterUnavailableError(f"Slack did not answer {method} in {CALL_S:g} s.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise AdapterUnavailableError(f"Slack broke off at {method}: {type(error).__name__}.") from None
        return answer.data if isinstance(answer.data, dict) else {}

    def _client_of(self, token: str) -> AsyncWebClient:
        """Return the client of a token; making one takes as long as a small call."""
        if token not in self._clients:
            if len(self._clients) >= CLIENT_COUNT:
                self._clients.clear()
            self._clients[token] = self.client(token)
        return self._clients[token]

    def _must_be_open(self, gate: tuple[str, str, str]) -> None:
        """Let a call wait without asking Slack, where Slack said how long."""
        now = asyncio.get_running_loop().time()
        until = self._not_before.get(gate)
        if until is not None and until > now:
            fact = f"Slack asks to wait with {gate[1]}."
            raise AdapterUnavailableError(fact, retry_after_s=until - now, is_certain=True)
        self._not_before.pop(gate, None)

    def _read(self, error: SlackApiError, gate: tuple[str, str, str]) -> AdapterError:
        _, method, channel = gate
        answer: Any = error.response
        status: int = getattr(answer, "status_code", getattr(answer, "status", 0))
        data = getattr(answer, "data", None)
        word = data.get("error") if isinstance(data, dict) else None
        if status == 429 or word in ("ratelimited", "rate_limited"):
            wait_s = retry_after_s(answer.headers.get("Retry-After"))
            self._not_before[gate] = asyncio.get_running_loop().time() + wait_s
            return AdapterUnavailableError(f"Slack asks to wait with {method}.", retry_after_s=wait_s, is_certain=True)
        if not isinstance(word, str) or status >= 500 or word in _PASSING_ERRORS:
            return AdapterUnavailableError(f"Slack answered {method} with status {status}.")
        if word in _TOKEN_ERRORS:
            return TokenRefusedError(
                f"Slack does not take the token for {method}: {word}.",
                "Correct the token, or install the app again.",
                retry_after_s=TOKEN_RETRY_S,
                is_certain=True,
            )
        return RefusedError(method, word, channel or None)
