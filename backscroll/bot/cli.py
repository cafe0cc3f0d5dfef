"""The command line: `backscroll run`, `backscroll check`, `backscroll demo`.

An error is printed as its fact and its hint, never as a traceback. Exit codes: 0, 1 unexpected, 2 configuration,
3 storage, 4 adapter. Proved by `tests/scenario/test_cli.py` and `test_demo.py`.
"""

import asyncio
import inspect
import logging
import os
import sys
import sysconfig
import traceback
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from backscroll.bot.app import make_adapters, make_attachments, make_provider, run_bot
from backscroll.bot.config import DEFAULT_HANDLER, Config, load_config
from backscroll.bot.config.faults import Faults
from backscroll.bot.config.user_code import load_handler, make_importable
from backscroll.errors import AdapterError, BackscrollError, ConfigError, StorageError, named

log = logging.getLogger(__name__)

STRAY_S = 1.0
"""Seconds that tasks which are left at the end have to let themselves be cancelled."""

UNEXPECTED, CONFIGURATION, STORAGE, ADAPTER = 1, 2, 3, 4

_OURS = str(Path(__file__).parents[1]) + os.sep
_NOT_THEIRS = (_OURS, *(sysconfig.get_paths()[name] + os.sep for name in ("stdlib", "purelib")))

app = typer.Typer(
    help="Chat bots whose conversations are kept.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
ConfigFile = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="BACKSCROLL_CONFIG", help="The configuration file.", metavar="FILE"),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens, to stderr.")]
HandlerName = Annotated[
    str,
    typer.Option(
        "--handler", help="The function that answers; looked for in this directory.", metavar="MODULE:FUNCTION"
    ),
]
Keep = Annotated[Path | None, typer.Option("--keep", help="Keep the threads in this SQLite file.", metavar="FILE")]
DEFAULT_CONFIG = Path("config.yaml")


class DemoPlatform(StrEnum):
    """What `backscroll demo` plays."""

    slack = "slack"
    discord = "discord"


@app.command()
def run(config: ConfigFile = DEFAULT_CONFIG, verbose: Verbose = False) -> None:
    """Run the bot until Ctrl-C, SIGTERM, or the end of what it listens to."""
    _log_to_stderr(verbose)
    loaded = load_config(config)
    with _naming_the_provider(loaded):
        asyncio.run(_finish(run_bot(loaded)))


@app.command()
def check(config: ConfigFile = DEFAULT_CONFIG, verbose: Verbose = False) -> None:
    """Check the configuration, the storage, its place for files and the platforms' tokens, changing nothing."""
    _log_to_stderr(verbose)
    loaded = load_config(config)
    with _naming_the_provider(loaded):
        refusals = asyncio.run(_check(loaded))
    for error in refusals:
        _tell(error.message, error.hint)
    if refusals:
        raise typer.Exit(ADAPTER)
    typer.echo(f"{config} is right, and the storage and the platforms can be used.")


@app.command()
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
        _log_to_stderr(verbose)
    else:
        logging.disable()  # the play breaks connections, and the bot would say so
    try:
        asyncio.run(_finish(run_demo(platform.value, function, keep)))
    finally:
        logging.disable(logging.NOTSET)


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        app(prog_name="backscroll")
    except ConfigError as error:
        for message, hint in error.faults:
            _tell(message, hint)
        sys.exit(CONFIGURATION)
    except StorageError as error:
        _tell(error.message, error.hint)
        sys.exit(STORAGE)
    except AdapterError as error:
        _tell(error.message, error.hint)
        sys.exit(ADAPTER)
    except BrokenPipeError:
        # Who read our output has gone. Python would complain again when it flushes stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(UNEXPECTED)
    except Exception as error:  # noqa: BLE001  # its text may hold what people wrote
        _tell(f"Backscroll stopped: {named(error)}.", "This is a defect of Backscroll.")
        sys.exit(UNEXPECTED)


@contextmanager
def _naming_the_provider(config: Config) -> Iterator[None]:
    """Let an error that nobody expected not pass for Backscroll's, where the provider is somebody else's.

    Raises: typer.Exit: it was told.
    """
    try:
        yield
    except (BackscrollError, BrokenPipeError, typer.Exit):
        raise
    except Exception as error:
        provider = config.storage.provider_class
        if provider.__module__.startswith("backscroll."):
            raise
        theirs = {inspect.getfile(provider), *map(str, config.path.absolute().parent.resolve().glob("*.py"))}
        files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
        last = next((file for file in reversed(files) if file in theirs or file.startswith(_OURS)), None)
        name = f"{config.storage.type}'s Provider"
        if last in theirs:
            _tell(f"{name} raised {named(error, outside=_NOT_THEIRS)}.", "Correct it there.")
        else:
            hint = f"This is a defect of Backscroll, or {name} breaks its contract: backscroll.testing has its claims."
            _tell(f"Backscroll stopped: {named(error)}.", hint)
        raise typer.Exit(UNEXPECTED) from None


async def _finish(work: Coroutine[None, None, None]) -> None:
    """Do the work, and end what it left behind."""
    asyncio.get_running_loop().set_exception_handler(_log_stray)
    try:
        await work
    finally:
        # A handler that does not let itself be cancelled would keep the process for ever.
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left and (await asyncio.wait(left, timeout=STRAY_S))[1]:
            log.error("A handler does not end; the process ends without it.")
            sys.stdout.flush()
            os._exit(UNEXPECTED)


def _log_stray(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody waits for any more; asyncio would log the exception's text too, which may be somebody's words."""
    error = context.get("exception")
    cause = f": {named(error)}" if isinstance(error, BaseException) else ""
    log.error("Something was left behind%s.", cause)


async def _check(config: Config) -> list[AdapterError]:
    """Look at the storage and its place for files, then at every platform; return what is wrong with these."""
    provider, refusals = make_provider(config), list[AdapterError]()
    try:
        await provider.check()
        await make_attachments(config, provider).check()
        for adapter in make_adapters(config.adapters, provider):
            try:
                async with adapter:
                    await adapter.check()
            except AdapterError as error:
                refusals.append(error)
    finally:
        await provider.close()
    return refusals


def _log_to_stderr(verbose: bool) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


def _tell(message: str, hint: str) -> None:
    typer.echo(message, err=True)
    if hint:
        typer.echo(f"  {hint}", err=True)
