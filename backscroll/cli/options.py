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
from typing import Annotated, Any, Literal, TypeVar

import typer

from backscroll.adapters.printable import printable
from backscroll.bot.config import LogsConfig, StorageConfig, load_storage
from backscroll.bot.one_process import one_process
from backscroll.bot.opening import directory_of, make_attachments, make_provider
from backscroll.bot.watching.logs import set_up
from backscroll.cli.printing import counted, notice, print_json
from backscroll.errors import BackscrollError, StorageRefusedError, named
from backscroll.storage.attachments import Attachments
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore

log = logging.getLogger(__name__)
T = TypeVar("T")

STRAY_S = 1.0
"""Seconds that tasks which are left at the end have to let themselves be cancelled."""

UNEXPECTED, CONFIGURATION, STORAGE, ADAPTER = 1, 2, 3, 4

NO_TABLES_HINT = "Check the URL; `backscroll db upgrade`, or the bot's first start, makes what is missing."

_OURS = str(Path(__file__).parents[1]) + os.sep
_NOT_THEIRS = (_OURS, *(sysconfig.get_paths()[name] + os.sep for name in ("stdlib", "purelib")))

DEFAULT_CONFIG = Path("config.yaml")
ConfigFile = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="BACKSCROLL_CONFIG", help="The configuration file.", metavar="FILE"),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option("--url", help="The database to work on, in place of the configuration's.", metavar="URL"),
]
MOST = 1_000_000_000
"""What an option that counts takes, at most."""

STANDARD = Path("-")
"""Stands for stdout and stdin."""

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=MOST, help="How many, at most.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens, to stderr.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line, for programs to read.")]


Opens = Literal["made", "ready", "as_it_is"]
"""How a command wants its storage: made or brought up to date where need be; there, and up to date; however it is."""


@dataclass(frozen=True)
class Storage:
    """The storage that a command works on, open."""

    provider: StorageProvider
    attachments: Attachments
    directory: Path = Path()
    """Where the storage has its own things when it names a relative place."""


def with_storage(
    config: Path,
    work: Callable[[Storage], Coroutine[Any, Any, T]],
    *,
    writes: bool = False,
    opens: Opens | None = None,
    url: str | None = None,
) -> T:
    """Open the storage that a configuration names, do the work on it, and close it again.

    The rest of the configuration is not read. It is not waited for a storage that does not answer.

    Args: writes: whether the work changes anything; a storage that takes one process then has to be free. opens: None
        means `made` for work that writes, else `ready`. url: names the storage in place of the configuration.
    Raises: ConfigError, StorageError.
    """
    opens = opens or ("made" if writes else "ready")
    if url is not None:
        return asyncio.run(finish(work_on(lambda: storage_at(url), work, writes, opens)))
    storage = load_storage(config)
    with naming_the_provider(storage):
        return asyncio.run(finish(work_on(lambda: configured(storage), work, writes, opens)))


def storage_at(url: str) -> Storage:
    """Make the storage of a URL; it is not open yet. Errors as ThreadStore's."""
    provider = ThreadStore(url).provider
    return Storage(provider, Attachments(provider))


def configured(config: StorageConfig) -> Storage:
    """Make the storage of a configuration; it is not open yet."""
    provider = make_provider(config)
    return Storage(provider, make_attachments(config, provider), directory_of(config))


async def work_on(
    make: Callable[[], Storage], work: Callable[[Storage], Coroutine[Any, Any, T]], writes: bool, opens: Opens
) -> T:
    """Make a storage, open it, do the work on it, and close it again; arguments and errors as `with_storage`."""
    async with AsyncExitStack() as stack:
        storage = make()
        if writes:
            stack.enter_context(one_process(storage.provider, storage.directory))
        stack.push_async_callback(storage.provider.close)
        stack.push_async_callback(storage.attachments.close)
        if opens == "ready":
            await _must_be_ready(storage.provider)
        if opens != "as_it_is":
            await storage.provider.initialize()
        return await work(storage)


async def _must_be_ready(provider: StorageProvider) -> None:
    """Refuse a database that `initialize` would make or change.

    Raises: StorageRefusedError: it is not there, or was written by an older release. SchemaTooNewError: by a newer one.
    """
    versions = await provider.schema_version() if provider.supports_export else None
    here, known = versions or (0, 0)
    if here > known:
        await provider.check()  # which says so
    if here == known:
        return
    name = ThreadStore(provider=provider).database_url or "The storage"
    if here == 0:
        is_there = await provider.size_bytes() != 0
        fact = f"{name} has no tables of Backscroll's." if is_there else f"{name} is not there."
        raise StorageRefusedError(fact, NO_TABLES_HINT)
    raise StorageRefusedError(
        f"{name} has a schema of version {here}; this release works on version {known}.",
        "`backscroll db upgrade` brings it up to date; so does the bot's next start.",
    )


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
    set_up(LogsConfig(), verbose=verbose)


def tell(message: str, hint: str) -> None:
    """Print an error: its fact, and its hint below."""
    typer.echo(printable(message), err=True)
    if hint:
        typer.echo(f"  {printable(hint)}", err=True)


def told_each(
    step: str,
    done: list[tuple[str, bool]],
    *,
    count_as: tuple[str, str],
    refused: Callable[[str], tuple[str, str]],
    as_json: bool,
) -> None:
    """Print of each id whether it was done, and how many there were.

    Args: step: what was done, the key in JSON. count_as: what follows the count, of one and of several. refused: the
        fact and the hint of one that is as it was.
    Raises: typer.Exit: some of it is as it was.
    """
    for its_id, is_done in done:
        if as_json:
            print_json({"id": its_id, step: is_done})
        elif not is_done:
            tell(*refused(its_id))
    count = sum(is_done for _, is_done in done)
    if not as_json:
        notice(f"{counted(count, *count_as)}.")
    if count < len(done):
        raise typer.Exit(STORAGE)


def must_name_a_file(path: Path, param: str) -> None:
    """Refuse what is a directory by its name alone.

    Args: param: as the help shows it.
    Raises: typer.BadParameter
    """
    if path.name in ("", ".."):
        raise typer.BadParameter("it names no file", param_hint=param)
