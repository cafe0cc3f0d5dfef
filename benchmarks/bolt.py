"""Bolt by itself, as its documentation shows it: `python -m benchmarks.bolt silent|answering API_URL`.

The silent one does nothing with a message, the answering one posts one for each. The tokens are in the environment.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.say.async_say import AsyncSay
from slack_sdk.web.async_client import AsyncWebClient


async def main(kind: str, api_url: str) -> None:
    """Listen until SIGTERM."""
    token = os.environ.pop("SLACK_BOT_TOKEN")  # bolt would find it, and say that the client has one already
    app = AsyncApp(client=AsyncWebClient(token, base_url=api_url))

    async def be_silent(event: dict[str, Any]) -> None:
        pass

    async def answer(event: dict[str, Any], say: AsyncSay) -> None:
        await say(f"You said: {event['text']}", thread_ts=event.get("thread_ts", event["ts"]))

    app.event("message")(answer if kind == "answering" else be_silent)
    app.event("app_mention")(be_silent)  # the twin
    handler = AsyncSocketModeHandler(app, os.environ["SLACK_APP_TOKEN"])
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await handler.connect_async()  # type: ignore[no-untyped-call]  # bolt has no types there
    await stopped.wait()
    await handler.close_async()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
