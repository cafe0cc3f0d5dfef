"""The start of watching: where the configuration says so, what happens is counted, and a port shows it.

The libraries for that are loaded only then. Proved by `tests/scenario/test_watching.py`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backscroll.adapters.observing import Observer
from backscroll.bot.config import WatchConfig
from backscroll.bot.watching.condition import Watch


@asynccontextmanager
async def watching(config: WatchConfig | None, watch: Watch) -> AsyncIterator[Observer]:
    """Serve the pages as long as it is entered, and give whom to tell what happens; without a section `watch`, nobody.

    Raises: ConfigError: nothing can listen there.
    """
    if config is None:
        yield Observer()
        return
    from backscroll.bot.watching.metrics import Metrics  # noqa: PLC0415  # a moment that others need not wait
    from backscroll.bot.watching.server import serving  # noqa: PLC0415  # as above

    metrics = Metrics()
    async with serving(config, watch, metrics):
        yield metrics
