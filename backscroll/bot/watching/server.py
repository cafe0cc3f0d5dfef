"""The port of `/healthz`, `/readyz` and `/metrics`. It answers from the bot's own loop, and knows no secret.

Proved by `tests/unit/bot/watching/test_server.py` and `tests/scenario/test_watching.py`.
"""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from backscroll.bot.config import WatchConfig
from backscroll.bot.watching.condition import Watch
from backscroll.bot.watching.metrics import Metrics
from backscroll.errors import ConfigError

log = logging.getLogger(__name__)

END_S = 1.0
"""Seconds that a page under way has at the end."""


@asynccontextmanager
async def serving(config: WatchConfig, watch: Watch, metrics: Metrics) -> AsyncIterator[int]:
    """Serve the pages as long as it is entered, and give the port.

    Raises: ConfigError: nothing can listen there.
    """

    async def show_health(_request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def show_readiness(_request: web.Request) -> web.Response:
        found = await watch.look()
        return web.json_response(found.as_dict(), status=200 if found.is_ready else 503)

    async def show_metrics(request: web.Request) -> web.Response:
        metrics.gauges.condition = await watch.look(counts=True)
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(metrics.registry), headers={"Content-Type": content_type})

    pages = web.Application()
    pages.router.add_get("/healthz", show_health)
    pages.router.add_get("/readyz", show_readiness)
    pages.router.add_get("/metrics", show_metrics)
    runner = web.AppRunner(pages, access_log=None, shutdown_timeout=END_S)
    await runner.setup()
    try:
        yield await _listen(runner, config)
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, config: WatchConfig) -> int:
    try:
        await web.TCPSite(runner, config.host, config.port).start()
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else type(error).__name__
        fact = f"watch: nothing can listen on {config.host}:{config.port}: {reason}."
        raise ConfigError([(fact, "Free the port, or choose another by watch.host and watch.port.")]) from None
    port = int(runner.addresses[0][1])
    log.info("Watched on %s:%d.", config.host, port)
    return port
