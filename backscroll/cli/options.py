"""What several commands take, the storage that they work on, and how errors are told.

Proved by `tests/scenario/test_cli.py`.
"""

import asyncio
import inspect
import logging
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from backscroll.bot.config import StorageConfig, load_storage
from backscroll.bot.one_process import one_process
from backscroll.bot.opening import make_attachments, make_provider
from backscroll.errors import BackscrollError, named
from backscroll.storage.attachments import Attachments
from backscroll.storage.provider import StorageProvider

log = logging.getLogger(__name__)
T = TypeVar("T")

STRAY_S = 1.0
"""Seconds that tasks which are left at the end have to let themselves be cancelled."""

UNEXPECTED, CONFIGURATION, STORAGE, ADAPTER = 1, 2, 3, 4

_OURS = str(Path(__file__).parents[1]) + os.sep
_NOT_THEIRS = (_OURS, *(sysconfig.get_paths()[name] + os.sep for name in ("stdlib", "purelib")))

DEFAULT_CONFIG = Path("config.yaml")
ConfigFile = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="BACKSCROLL_CONFIG", help="The configuration file.", metavar="FILE"),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens, to stderr.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line, for programs to read.")]


@dataclass(frozen=True)
class Storage:
    """The storage that a command works on, open."""

    provider: StorageProvider
    attachments: Attachments


def with_storage(config: Path, work: Callable[[Storage], Coroutine[Any, Any, T]], *, writes: bool = False) -> T:
    """Open the storage that a configuration names, do the work on it, and close it again.

    The rest of the configuration is not read. It is not waited for a storage that does not answer.

    Args: writes: whether the work changes anything; a storage that takes one process then has to be free.
    Raises: ConfigError, StorageError.
    """
    storage = load_storage(config)
    with naming_the_provider(storage):
        return asyncio.run(finish(_work(storage, work, writes)))


async def _work(config: StorageConfig, work: Callable[[Storage], Coroutine[Any, Any, T]], writes: bool) -> T:
    async with AsyncExitStack() as stack:
        provider = make_provider(config)
        if writes:
            stack.enter_context(one_process(provider))
        stack.push_async_callback(provider.close)
        attachments = make_attachments(config, provider)
        stack.push_async_callback(attachments.close)
        await provider.initialize()
        return await work(Storage(provider, attachments))


@contextmanager
def naming_the_provider(storage: StorageConfig) -> Iterator[None]:
    """Let an error that nobody expected not pass for Backscroll's, where the provider is somebody else's.

    Raises: typer.Exit: it was told.
    """
    try:
        yield
    except (BackscrollError, BrokenPipeError, typer.Exit):
        raise
    except Exception as error:
        provider = storage.provider_class
        if provider.__module__.startswith("backscroll."):
            raise
        theirs = {inspect.getfile(provider), *map(str, storage.path.absolute().parent.resolve().glob("*.py"))}
        files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
        last = next((file for file in reversed(files) if file in theirs or file.startswith(_OURS)), None)
        name = f"{storage.type}'s Provider"
        if last in theirs:
            tell(f"{name} raised {named(error, outside=_NOT_THEIRS)}.", "Correct it there.")
        else:
            hint = f"This is a defect of Backscroll, or {name} breaks its contract: backscroll.testing has its claims."
            tell(f"Backscroll stopped: {named(error)}.", hint)
        raise typer.Exit(UNEXPECTED) from None


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Do the work, and end what it left behind."""
    asyncio.get_running_loop().set_exception_handler(_log_stray)
    try:
        return await work
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


def log_to_stderr(verbose: bool) -> None:
    """Let the program say on stderr what goes wrong, and where it is verbose what happens."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


def tell(message: str, hint: str) -> None:
    """Print an error: its fact, and its hint below."""
    typer.echo(message, err=True)
    if hint:
        typer.echo(f"  {hint}", err=True)
