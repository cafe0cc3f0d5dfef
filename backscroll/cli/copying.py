"""`backscroll copy`: all that one database keeps into another one.

Proved by `tests/scenario/test_moving_data.py`.
"""

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from backscroll.bot.config import StorageConfig, load_storage
from backscroll.cli.moved import as_facts, as_kinds, as_things, tell_missing_files
from backscroll.cli.options import (
    STORAGE,
    Json,
    Storage,
    Verbose,
    configured,
    finish,
    log_to_stderr,
    naming_the_provider,
    storage_at,
    work_on,
)
from backscroll.cli.printing import counted, notice, print_json
from backscroll.cli.progressing import progressing
from backscroll.errors import StorageRefusedError
from backscroll.storage.attachments import Attachments
from backscroll.storage.files import LocalFiles
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.transfer.copying import Copied, Side
from backscroll.transfer.copying import copy as copy_all
from backscroll.transfer.firsts import Firsts

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""

_STORAGE = "A URL, a SQLite file, or a configuration file (.yaml)"
From = Annotated[str, typer.Option("--from", help=f"What is copied, and is only read. {_STORAGE}.", metavar="URL")]
To = Annotated[str, typer.Option("--to", help=f"Where it goes. {_STORAGE}.", metavar="URL")]
FromFiles = Annotated[
    Path | None, typer.Option("--from-files", help="The source's files directory, if not the usual one.", metavar="DIR")
]
ToFiles = Annotated[
    Path | None, typer.Option("--to-files", help="The target's files directory, if not the usual one.", metavar="DIR")
]
Merge = Annotated[bool, typer.Option("--merge", help="Keep what the target has already, and put this beside it.")]

_STAGES = {"threads": "copied", "compare": "compared", "other": "compared; copying what is beside them"}


def copy(
    source: From,
    target: To,
    from_files: FromFiles = None,
    to_files: ToFiles = None,
    merge: Merge = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Copy all that is kept from one database into another one, and compare both.

    Between any two of SQLite, PostgreSQL, Redis and a provider of your own. After Ctrl-C, or a crash, the same command
    goes on where it was. A bot may write in the source meanwhile; run it once more when the bot is stopped, and that
    brings the rest, and deletes in the target what was deleted. Start the bot on the target only then.

    A password in a URL is seen by everybody who sees the machine's processes: a configuration file takes it from the
    environment. The exit code is 3 when the target is not as the source is.
    """
    log_to_stderr(verbose)
    here, there = _Named(source, from_files), _Named(target, to_files)
    here.must_be_there()
    there.must_last()
    places = dict[str, Path | None]()

    async def work(opened: Storage) -> Copied:
        async def onto(other: Storage) -> Copied:
            places.update(files_from=opened.attachments.directory, files_to=other.attachments.directory)
            return await _copy(here.side(opened), there.side(other), merge=merge)

        return await work_on(there.make, onto, True, "made")

    with ExitStack() as stack:
        for config in (here.config, there.config):
            if config is not None:
                stack.enter_context(naming_the_provider(config))
        try:
            # Of a storage that takes one process the source is not for two either, so it is locked as if for writing.
            copied = asyncio.run(finish(work_on(here.make, work, True, "ready")))
        except KeyboardInterrupt:
            notice("Stopped. The same command goes on from here.")
            raise typer.Exit(INTERRUPTED) from None
    if as_json:
        told = {name: place and str(place) for name, place in places.items()}
        print_json(as_facts(copied, without=["stage"]) | {"is_faithful": copied.is_faithful} | told)
    else:
        _tell(copied)
        if copied.files:
            notice(f"{counted(copied.files, 'file')} came from {places['files_from']} to {places['files_to']}.")
    if not copied.is_faithful:
        raise typer.Exit(STORAGE)


class _Named:
    """A storage as the command line names it."""

    def __init__(self, name: str, files: Path | None) -> None:
        self._name = name
        self._files = files
        self.config: StorageConfig | None = None
        if "://" not in name and name.endswith((".yaml", ".yml")):
            self.config = load_storage(Path(name))

    def make(self) -> Storage:
        """Make it; it is not open yet."""
        made = storage_at(self._name) if self.config is None else configured(self.config)
        if self._files is None:
            return made
        return replace(made, attachments=Attachments(made.provider, LocalFiles(self._files)))

    def must_be_there(self) -> None:
        """Look whether a SQLite file is there: opened, it would be.

        Raises: StorageRefusedError
        """
        file = _sqlite_file(self.make().provider)
        if file is not None and not file.exists():
            raise StorageRefusedError(f"{file} is not there.", "Name the database that is to be copied with --from.")

    def must_last(self) -> None:
        """Refuse a database in memory: the copy would be gone with the command.

        Raises: StorageRefusedError
        """
        if self.config is None and not self.make().provider.supports_export:
            raise StorageRefusedError(
                f"{self._name} is a database in memory.", "Name a file, such as sqlite:///new.db."
            )

    def side(self, opened: Storage) -> Side:
        """Give it a name that is always the same, and holds no password."""
        file = _sqlite_file(opened.provider)
        shown = ThreadStore(provider=opened.provider).database_url
        if file is not None:
            name = str(file.absolute().resolve())
        elif self.config is not None and shown is None:
            name = str(Path(self._name).absolute())
        else:
            name = shown or self._name
        return Side(opened.provider, opened.attachments, name)


def _sqlite_file(provider: StorageProvider) -> Path | None:
    """Return the file of a SQLite database; None of any other storage."""
    database = getattr(provider, "database", None)
    if database is None or not database.is_sqlite or provider.files_directory is None:
        return None
    return Path(database.url.database)


async def _copy(source: Side, target: Side, *, merge: bool) -> Copied:
    with progressing() as show:

        def told(copied: Copied) -> None:
            done, of = copied.threads if copied.stage == "threads" else copied.compared_threads, copied.all_threads
            show(f"{done:,} of {counted(of, 'thread')} {_STAGES[copied.stage]}", done, of)

        return await copy_all(source, target, merge=merge, progress=told)


def _tell(copied: Copied) -> None:
    begun = "Went on with an earlier run: " if copied.is_resumed else ""
    more = f", {counted(copied.updated_threads, 'thread')} brought up to date" if copied.updated_threads else ""
    more += f", {copied.deleted_threads:,} deleted" if copied.deleted_threads else ""
    notice(f"{begun}{as_things(copied.threads, copied.messages)} copied{more}.")
    beside = f"; beside them {as_kinds(copied.loose)}" if copied.loose else ""
    threads, messages = copied.verified_threads, copied.verified_messages
    are = "is" if threads == 1 else "are"
    notice(f"Verified: {as_things(threads, messages)} {are} the same on both sides{beside}.")
    if copied.changing_loose:
        notice(f"Beside threads {copied.changing_loose:,} changed to the last: a bot writes in the source.")
    _tell_threads("did not stand still", copied.differing)
    if copied.differing:
        notice("  A bot writes in the source: stop it, and run this again.")
    _tell_threads("is not the same on both sides: somebody else wrote in the target", copied.written)
    _tell_threads("is in the target alone", copied.strange)
    if copied.strange and not copied.all_threads:
        notice("  The source has no thread at all, so nothing is deleted: is it the right one?")
    elif copied.is_shared:
        notice("  Nothing is deleted or overwritten where somebody else writes. --merge keeps both.")
    hint = " --from-files names the source's directory."
    tell_missing_files(copied.missing_files, hint)


def _tell_threads(what: str, ids: Firsts[str]) -> None:
    for thread_id in ids:
        notice(f"Thread {thread_id} {what}.")
    if ids.total > len(ids):
        notice(f"So it is with {counted(ids.total - len(ids), 'more thread')}.")
