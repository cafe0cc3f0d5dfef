"""`backscroll run`, `backscroll check`, `backscroll demo`: the bot itself, before and while it runs.

Proved by `tests/scenario/test_cli.py`, `test_run.py` and `test_demo.py`.
"""

import asyncio
import logging
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from backscroll.bot.app import make_adapters, run_bot
from backscroll.bot.config import DEFAULT_HANDLER, Config, load_config
from backscroll.bot.config.faults import Faults
from backscroll.bot.config.user_code import load_handler, make_importable
from backscroll.bot.opening import make_attachments, make_provider
from backscroll.bot.watching.logs import set_up
from backscroll.cli.options import (
    ADAPTER,
    DEFAULT_CONFIG,
    ConfigFile,
    Verbose,
    finish,
    log_to_stderr,
    naming_the_provider,
    tell,
)
from backscroll.errors import AdapterError

HandlerName = Annotated[
    str,
    typer.Option(
        "--handler", help="The function that answers; looked for in this directory.", metavar="MODULE:FUNCTION"
    ),
]
Keep = Annotated[Path | None, typer.Option("--keep", help="Keep the threads in this SQLite file.", metavar="FILE")]


class DemoPlatform(StrEnum):
    """What `backscroll demo` plays."""

    slack = "slack"
    discord = "discord"


def run(config: ConfigFile = DEFAULT_CONFIG, verbose: Verbose = False) -> None:
    """Run the bot until Ctrl-C, SIGTERM, or the end of what it listens to."""
    log_to_stderr(verbose)
    loaded = load_config(config)
    set_up(loaded.logs, verbose=verbose)
    with naming_the_provider(loaded.storage):
        asyncio.run(finish(run_bot(loaded)))


def check(config: ConfigFile = DEFAULT_CONFIG, verbose: Verbose = False) -> None:
    """Check the configuration, the storage, its place for files and the platforms' tokens, changing nothing."""
    log_to_stderr(verbose)
    loaded = load_config(config)
    with naming_the_provider(loaded.storage):
        refusals, is_made = asyncio.run(_check(loaded))
    for error in refusals:
        tell(error.message, error.hint)
    if refusals:
        raise typer.Exit(ADAPTER)
    typer.echo(f"{config} is right, and the storage and the platforms can be used.")
    if not is_made:
        typer.echo("The storage has no tables yet; the bot's first start makes them.")


def demo(
    platform: Annotated[DemoPlatform, typer.Argument(help="What is played.")] = DemoPlatform.slack,
    handler: HandlerName = DEFAULT_HANDLER,
    keep: Keep = None,
    verbose: Verbose = False,
) -> None:
    """Show how a thread is kept, without a token: people talk with a bot on a platform that is played here."""
    from backscroll.bot.demo import run_demo  # noqa: PLC0415  # half a second that others need not wait

    faults = Faults(f"demo {platform.value}")
    make_importable(Path.cwd())
    function = load_handler(handler, Path.cwd(), partial(faults.add, 0))
    if keep is not None and keep.exists():
        faults.add(0, "the file of --keep is there already.", "Name one that is not; the conversation begins anew.")
    if function is None or faults.count:
        raise faults.error()
    if verbose:
        log_to_stderr(verbose)
    else:
        logging.disable()  # the play breaks connections, and the bot would say so
    try:
        asyncio.run(finish(run_demo(platform.value, function, keep)))
    finally:
        logging.disable(logging.NOTSET)


async def _check(config: Config) -> tuple[list[AdapterError], bool]:
    """Look at the storage and its place for files, then at every platform.

    Returns: what is wrong with the platforms, and whether the storage is made already.
    """
    provider, refusals = make_provider(config.storage), list[AdapterError]()
    try:
        await provider.check()
        await make_attachments(config.storage, provider).check()
        versions = await provider.schema_version() if provider.supports_export else None
        for adapter in make_adapters(config.adapters, provider):
            try:
                async with adapter:
                    await adapter.check()
            except AdapterError as error:
                refusals.append(error)
    finally:
        await provider.close()
    return refusals, versions is None or versions[0] > 0
