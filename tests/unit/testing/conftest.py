"""A fake Slack, the real client, and the real bolt on it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from backscroll.testing import FakeSlack

Seen = list[dict[str, Any]]


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(retry_after_s=5) as fake:
        yield fake


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def client(slack: FakeSlack) -> AsyncWebClient:
    # Without retry handlers: a test sees each answer as it came.
    return AsyncWebClient(token=slack.bot_token, base_url=slack.api_url, retry_handlers=[], timeout=30)


class Bot:
    """A bolt app that keeps every event it sees, its own too."""

    def __init__(self, slack: FakeSlack, client: AsyncWebClient) -> None:
        self.slack = slack
        self.seen: Seen = []
        self.bodies: Seen = []
        self.app = AsyncApp(client=client, signing_secret=slack.signing_secret, ignoring_self_events_enabled=False)
        self.app.event({"type": "message"})(self._keep)
        for kind in ("app_mention", "reaction_added", "reaction_removed", "channel_rename", "group_rename",
                     "channel_id_changed", "app_uninstalled", "tokens_revoked", "assistant_thread_started",
                     "assistant_thread_context_changed"):  # fmt: skip
            self.app.event(kind)(self._keep)

    async def _keep(self, event: dict[str, Any], body: dict[str, Any]) -> None:
        self.seen.append(event)
        self.bodies.append(body)

    async def wait_for(self, count: int) -> Seen:
        await self.slack.until(lambda: len(self.seen) >= count)
        await self.slack.quiet()
        return self.seen


@pytest.fixture
def app(slack: FakeSlack, client: AsyncWebClient) -> Bot:
    return Bot(slack, client)


@pytest.fixture
async def bot(slack: FakeSlack, app: Bot) -> AsyncIterator[Bot]:
    """Give a bolt app that is connected by Socket Mode."""
    handler = AsyncSocketModeHandler(app.app, slack.app_token, ping_interval=1)
    await handler.connect_async()  # type: ignore[no-untyped-call]
    await slack.until(lambda: slack.socket_count)
    yield app
    await handler.close_async()  # type: ignore[no-untyped-call]
    # What slack_sdk's receiver waits for ends with the next turn of the loop.
    await asyncio.sleep(0)


async def connect(slack: FakeSlack, http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    """Open a socket by hand, and read its hello."""
    headers = {"Authorization": f"Bearer {slack.app_token}"}
    async with http.post(f"{slack.api_url}apps.connections.open", headers=headers) as response:
        url = (await response.json())["url"]
    socket = await http.ws_connect(url)
    assert (await socket.receive_json())["type"] == "hello"
    return socket


async def ack(socket: aiohttp.ClientWebSocketResponse, envelope: dict[str, Any]) -> None:
    await socket.send_json({"envelope_id": envelope["envelope_id"]})
