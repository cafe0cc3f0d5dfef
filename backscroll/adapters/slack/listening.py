"""How Slack's requests come in: over a socket that we open, or over HTTP; both through slack-bolt.

Bolt parses and answers; ours is its first middleware, which keeps an event before bolt acknowledges it. Bolt's own
authorization comes after it and is not reached: it would acknowledge, and lose, what comes while Slack does not answer
auth.test. Proved by `tests/scenario/test_slack_socket.py` and `test_slack_http.py`.
"""

import asyncio
import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from backscroll.adapters.slack.api import SILENT, SlackApi
from backscroll.adapters.slack.installations import Installations, OAuthStates
from backscroll.adapters.slack.receiving import Receiver, Reply
from backscroll.adapters.slack.settings import HttpSettings, OAuthSettings, SlackSettings
from backscroll.errors import AdapterError

log = logging.getLogger(__name__)

BODY_BYTES = 1024 * 1024
"""Bytes of a request, at most; Slack sends none that is near it."""

LAST_S = 3.0
"""Seconds in which what was received at the end is still acknowledged."""


class Keeping(AsyncMiddleware):
    """Bolt's first middleware: whatever Slack sends goes to the receiver, and is acknowledged when that says so."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def async_process(
        self,
        *,
        req: AsyncBoltRequest,
        resp: BoltResponse,
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002  # bolt's name
    ) -> BoltResponse:
        if req.body.get("type") == "url_verification":
            return await next()
        return _response(await self._receiver.receive(req.body, _sent_at(req)))


class Listener(ABC):
    """One way in."""

    def __init__(self, app: AsyncApp, receiver: Receiver) -> None:
        self.app = app
        self.receiver = receiver
        self._under_way = 0
        self._is_ending = False

    @abstractmethod
    def is_open(self) -> bool:
        """Tell whether Slack can reach us now, as far as we know."""

    @property
    def connection(self) -> object:
        """What is open: another one after each reconnect."""
        return self

    @abstractmethod
    def listening(self) -> Any:
        """Listen as long as it is entered. Raises: AdapterError: it is not possible, and will not be."""

    async def dispatch(self, body: Any, run: Callable[[], Awaitable[BoltResponse]]) -> BoltResponse:
        """Let bolt deal with a request; one that bolt itself stumbles over is put aside."""
        if self._is_ending:
            return BoltResponse(status=503, body="")
        self._under_way += 1
        try:
            return await run()
        except Exception as error:  # noqa: BLE001  # whatever bolt finds wrong with it, the next one is heard
            return _response(await self._put_aside(body, f"slack-bolt cannot read it: {type(error).__name__}."))
        finally:
            self._under_way -= 1

    async def end(self) -> None:
        """Take nothing more, and let what is under way be acknowledged."""
        self._is_ending = True
        until = time.monotonic() + LAST_S
        while self._under_way and time.monotonic() < until:  # noqa: ASYNC110  # a moment, once in a run
            await asyncio.sleep(0.01)

    async def _put_aside(self, body: Any, reason: str) -> Reply:
        try:
            await self.receiver.put_aside(body, reason)
        except Exception:  # noqa: BLE001  # then Slack sends it again
            return Reply(is_kept=False)
        return Reply(is_kept=True)


class SocketListener(Listener):
    """Socket Mode: slack_sdk opens the socket, and opens it again."""

    def __init__(self, app: AsyncApp, receiver: Receiver, app_token: str, ping_interval_s: float) -> None:
        super().__init__(app, receiver)
        self._app_token = app_token
        self._ping_interval_s = ping_interval_s
        self._handler: AsyncSocketModeHandler | None = None

    def is_open(self) -> bool:
        client = None if self._handler is None else self._handler.client
        session = None if client is None else client.current_session
        return client is not None and session is not None and not session.closed and not client.stale

    @property
    def connection(self) -> object:
        return None if self._handler is None else self._handler.client.current_session

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        handler = AsyncSocketModeHandler(self.app, self._app_token, logger=SILENT, ping_interval=self._ping_interval_s)
        handler.client.socket_mode_request_listeners[:] = [self._take]
        handler.client.proxy = self.app.client.proxy
        self._handler = handler
        connecting = asyncio.create_task(_connect(handler))
        try:
            yield
        finally:
            await self.end()
            connecting.cancel()
            await asyncio.wait([connecting])
            await handler.close_async()  # type: ignore[no-untyped-call]  # bolt has no types there

    async def _take(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        response = await self.dispatch(request.payload, lambda: run_async_bolt_app(self.app, request))
        if response.status == 200:
            await send_async_response(client, request, response, time.time())


class HttpListener(Listener):
    """HTTP: Slack calls us. Every request is signed; with OAuth the pages to install the app are here too."""

    def __init__(self, app: AsyncApp, receiver: Receiver, settings: SlackSettings) -> None:
        super().__init__(app, receiver)
        secret = settings.signing_secret
        self._verifier = None if secret is None else SignatureVerifier(secret)
        self._settings = settings
        self._is_open = False

    def is_open(self) -> bool:
        return self._is_open

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        runner = web.AppRunner(self._make_pages(), access_log=None)
        await runner.setup()
        try:
            await _listen(runner, self._settings.http)
            self._is_open = True
            yield
        finally:
            self._is_open = False
            await self.end()
            await runner.cleanup()

    def _make_pages(self) -> web.Application:
        pages = web.Application(client_max_size=BODY_BYTES)
        if self._verifier is not None:
            pages.router.add_post(self._settings.http.path, self._take)
        flow = self.app.oauth_flow
        if flow is not None and self._settings.oauth is not None:
            pages.router.add_get(self._settings.oauth.install_path, self._page(flow.handle_installation))
            pages.router.add_get(self._settings.oauth.redirect_path, self._page(flow.handle_callback))
        return pages

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not self._is_signed(request, body):
            log.warning("A request without Slack's signature was refused.")
            return web.Response(status=401)
        try:
            bolt_request = await to_bolt_request(request)
        except Exception as error:  # noqa: BLE001  # it is Slack's own, so it is kept
            reply = await self._put_aside(body, f"slack-bolt cannot read it: {type(error).__name__}.")
            return await to_aiohttp_response(_response(reply))
        response = await self.dispatch(bolt_request.body, lambda: self.app.async_dispatch(bolt_request))
        return await to_aiohttp_response(response)

    def _is_signed(self, request: web.Request, body: bytes) -> bool:
        timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
        signature = request.headers.get("X-Slack-Signature", "")
        # Other digits than these would stop slack_sdk with an error.
        if self._verifier is None or not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 15):
            return False
        return signature.isascii() and self._verifier.is_valid(body, timestamp, signature)

    @staticmethod
    def _page(handle: Callable[[AsyncBoltRequest], Awaitable[BoltResponse]]) -> Callable[..., Awaitable[web.Response]]:
        async def show(request: web.Request) -> web.Response:
            try:
                return await to_aiohttp_response(await handle(await to_bolt_request(request)))
            except Exception as error:  # noqa: BLE001  # aiohttp would log it with all its texts
                log.error("The page %s is not shown: %s.", request.path, type(error).__name__)
                return web.Response(status=503, text="Try again in a moment.")

        return show


async def try_port(http: HttpSettings) -> None:
    """Listen for a moment. Raises: AdapterError: it is not possible."""
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    try:
        await _listen(runner, http)
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, http: HttpSettings) -> None:
    try:
        await web.TCPSite(runner, http.host, http.port).start()
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else type(error).__name__
        raise AdapterError(
            f"Nothing can listen on {http.host}:{http.port}: {reason}.",
            "Free the port, or choose another by adapters.slack.http.",
        ) from None


def make_app(api: SlackApi, receiver: Receiver, oauth: AsyncOAuthSettings | None) -> AsyncApp:
    """Make bolt's app with our middleware in front.

    Signatures are checked before it: bolt logs the bodies of requests that have a wrong one.
    """
    options: dict[str, Any] = {"authorize": _authorize} if oauth is None else {"oauth_settings": oauth}
    return AsyncApp(
        client=api.client(),
        logger=SILENT,
        before_authorize=Keeping(receiver),
        request_verification_enabled=False,
        ignoring_self_events_enabled=False,
        **options,
    )


def make_listener(app: AsyncApp, settings: SlackSettings, receiver: Receiver) -> list[Listener]:
    """Make what listens: a socket, or HTTP; with OAuth over a socket both, for the pages."""
    if settings.app_token is None:
        return [HttpListener(app, receiver, settings)]
    socket = SocketListener(app, receiver, settings.app_token, settings.ping_interval_s)
    return [socket] if settings.oauth is None else [socket, HttpListener(app, receiver, settings)]


async def _connect(handler: AsyncSocketModeHandler) -> None:
    """Open the socket. It never raises: it tries for ever."""
    await handler.connect_async()  # type: ignore[no-untyped-call]  # bolt has no types there


def make_oauth(oauth: OAuthSettings, installations: Installations, states: OAuthStates) -> AsyncOAuthSettings:
    """Tell bolt how workspaces install the app, and where that is kept."""
    return AsyncOAuthSettings(
        client_id=oauth.client_id,
        client_secret=oauth.client_secret,
        scopes=sorted(oauth.scopes),
        installation_store=installations,
        state_store=states,
        install_path=oauth.install_path,
        redirect_uri_path=oauth.redirect_path,
        logger=SILENT,
    )


async def _authorize(**_context: Any) -> AuthorizeResult:
    raise AdapterError("Bolt's own authorization is not used.")


def _response(reply: Reply) -> BoltResponse:
    return BoltResponse(status=200 if reply.is_kept else 503, body=reply.text)


def _sent_at(request: AsyncBoltRequest) -> datetime | None:
    """Read when Slack signed a request, the same for its replay; over a socket nothing says so."""
    stamp = (request.headers.get("x-slack-request-timestamp") or [""])[0]
    return datetime.fromtimestamp(int(stamp), UTC) if stamp.isdecimal() and len(stamp) < 12 else None
