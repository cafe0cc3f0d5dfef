"""`backscroll demo`: the real bot in a stand-in for a platform, and what is kept of what they say there.

Needs no token, configuration or network, and leaves nothing behind unless it is told to. `slack` and `discord` have a
play each, `stage` what they share. Proved by `tests/scenario/test_demo.py`.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from backscroll.bot.app import run_bot
from backscroll.bot.config import AdapterConfigs, BotConfig, Config, StorageConfig
from backscroll.bot.demo.discord import open_discord
from backscroll.bot.demo.slack import open_slack
from backscroll.bot.demo.stage import Stage
from backscroll.bot.handling import Handler
from backscroll.storage.sql import Provider
from backscroll.storage.store import ThreadStore

PLAYS: dict[str, Callable[[ThreadStore, Console], AbstractAsyncContextManager[Stage]]] = {
    "slack": open_slack,
    "discord": open_discord,
}
"""What can be played, by the platform's name."""


async def run_demo(platform: str, handler: Handler, keep: Path | None = None) -> None:
    """Play the conversation of one of `PLAYS`, and show what is kept. Ctrl-C ends it early.

    Args: keep: the SQLite file to make; None makes one that goes with the end.
    """
    console = _Output(highlight=False)
    with tempfile.TemporaryDirectory(prefix="backscroll-demo-") as directory:
        url = f"sqlite:///{(keep or Path(directory) / 'demo.db').absolute()}"
        async with (
            ThreadStore(url) as store,
            PLAYS[platform](store, console) as stage,
            _bot(stage.adapters, handler, url) as bot,
        ):
            story = asyncio.create_task(stage.play())
            await asyncio.wait([bot, story], return_when=asyncio.FIRST_COMPLETED)
            is_over = story.done()
            story.cancel()
            await asyncio.wait([story])
            (story if is_over else bot).result()
    if is_over:
        there = f'It stays: ThreadStore("{keep}").' if keep else "That database is gone now; --keep FILE keeps one."
        console.print(Text(f"{there} {stage.way}"), soft_wrap=True)


class _Output(Console):
    """Stdout; where nobody reads it any more it raises BrokenPipeError, and does not end the process by itself."""

    def on_broken_pipe(self) -> None:
        """Say so."""
        raise BrokenPipeError


@asynccontextmanager
async def _bot(adapters: AdapterConfigs, handler: Handler, url: str) -> AsyncIterator["asyncio.Task[None]"]:
    """Start the bot, as `backscroll run` does, and end it."""
    storage = StorageConfig("sql", Provider, {"url": url})
    bot = asyncio.create_task(run_bot(Config(Path("demo"), BotConfig(), storage, adapters, handler)))
    try:
        yield bot
    finally:
        bot.cancel()
        await asyncio.wait([bot])
