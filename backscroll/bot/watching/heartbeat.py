"""The running bot's sign of life in the storage, of which `backscroll health` tells.

It is written from the event loop: when that hangs, or the storage does not take it, it stops. Proved by
`tests/unit/bot/watching/test_heartbeat.py` and `tests/scenario/test_health.py`.
"""

import asyncio
import logging
import socket
import time

from backscroll.adapters.observing import Observer
from backscroll.errors import fact_of
from backscroll.storage.provider import StorageProvider

log = logging.getLogger(__name__)

EVERY_S = 15.0
"""Seconds between two heartbeats."""

PREFIX = "backscroll:"
"""What the names of the bots' heartbeats begin with; agents may keep others."""


def heartbeat_name() -> str:
    """Return the name under which bots on this host note theirs."""
    return f"{PREFIX}{socket.gethostname()}"


async def keep_beating(provider: StorageProvider, observer: Observer) -> None:
    """Note by this host's clock that the bot lives, again and again, until cancelled.

    A heartbeat that the storage does not take is left out.
    """
    is_told = False
    while True:
        at = time.time()
        try:
            await provider.upsert_heartbeat(heartbeat_name(), at)
        except Exception as error:  # noqa: BLE001  # whatever a provider raises, the next one is tried
            if not is_told:
                log.warning("No heartbeat is noted for now: %s", fact_of(error))
            is_told = True
        else:
            is_told = False
            observer.heartbeat_kept(at)
        await asyncio.sleep(EVERY_S)
