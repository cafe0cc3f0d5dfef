"""`backscroll export`, `import` and `copy`: what is kept, as a file and back, and from one database into another.

What does not come along is named, and the exit code is 3 then. Proved by `tests/scenario/test_moving_data.py`.
"""

import io
import os
import stat
import sys
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, BinaryIO, cast

import typer

from backscroll.adapters.printable import printable
from backscroll.cli.commands import Commands, Group
from backscroll.cli.moments import Since, Until, moment
from backscroll.cli.moved import as_facts, as_kinds, as_things, tell_missing_files
from backscroll.cli.naming import find_thread
from backscroll.cli.options import (
    DEFAULT_CONFIG,
    STANDARD,
    STORAGE,
    ConfigFile,
    DatabaseUrl,
    Json,
    Storage,
    Verbose,
    log_to_stderr,
    must_name_a_file,
    with_storage,
)
from backscroll.cli.printing import counted, is_terminal, notice, print_json, stdout
from backscroll.cli.progressing import progressing
from backscroll.cli.slack_export import slack_export
from backscroll.errors import StorageRefusedError
from backscroll.transfer.contents import Contents, exported_files
from backscroll.transfer.exporting import Exported, Selection, export_jsonl, whole_file
from backscroll.transfer.importing import Imported, import_jsonl

OutFile = Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; - is stdout.")]
InFile = Annotated[Path, typer.Argument(metavar="FILE", help="A file that export wrote; - is stdin.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")]
Threads = Annotated[
    list[str] | None,
    typer.Option(
        "--thread",
        metavar="THREAD",
        help="Only this thread: an id, an alias or a link, as `show` takes; may be repeated.",
    ),
]
Platform = Annotated[
    str | None,
    typer.Option("--platform", help="Only threads that live there, such as slack or discord.", metavar="NAME"),
]
Files = Annotated[
    Path | None,
    typer.Option(
        "--files", metavar="DIR", help="The directory for the contents of files; for out.jsonl out.files beside it."
    ),
]
WithoutFiles = Annotated[bool, typer.Option("--without-files", help="Leave the contents of files out.")]


class ImportGroup(Group):
    """`import FILE` is `import jsonl FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in that may be left out."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["jsonl", *args]
        return super().parse_args(ctx, args)


importing = Commands(
    cls=ImportGroup,
    help="Import a file that `export` wrote, or Slack's own export.\n\n`import FILE` is short for `import jsonl FILE`.",
    no_args_is_help=True,
)


def export(
    out: OutFile,
    thread: Threads = None,
    platform: Platform = None,
    since: Since = None,
    until: Until = None,
    files: Files = None,
    without_files: WithoutFiles = False,
    force: Force = False,
    config: ConfigFile = DEFAULT_CONFIG,
    url: DatabaseUrl = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write what is kept to a JSONL file, one thread a line, and the contents of its files beside it.

    Everything goes along: messages with their edits, reactions, blocks and feedback, aliases, answers and approvals,
    and what is kept beside threads. With --thread, --platform, --since or --until only those threads do; --since takes
    the threads that changed since then, --until those that began by then. The bot may run meanwhile.
    """
    log_to_stderr(verbose)
    if as_json and out == STANDARD:
        raise typer.BadParameter("stdout has the export itself", param_hint="--json")
    period = moment(since, "--since"), moment(until, "--until", is_end=True)
    directory = _directory(out, files, without_files)

    async def work(storage: Storage) -> Exported:
        ids = [(await find_thread(storage.provider, name)).thread.id for name in thread or ()]
        selection = Selection(tuple(ids), platform, *period)
        with ExitStack() as stack:
            file = _stdout() if out == STANDARD else stack.enter_context(whole_file(out, force=force))
            show = stack.enter_context(progressing())
            total = await storage.provider.count_threads()

            def told(exported: Exported) -> None:
                show(f"{exported.threads:,} of {counted(total, 'thread')} exported", exported.threads, total)

            return await export_jsonl(
                storage.provider,
                storage.attachments,
                file,
                version=version("backscroll"),
                files=directory,
                selection=selection,
                progress=told,
            )

    exported = with_storage(config, work, url=url)
    if as_json:
        print_json(as_facts(exported))
    else:
        _tell_export(exported)
    if platform is not None and not exported.threads:
        notice(f"No thread that was asked for is of the platform {platform}.")
    if exported.missing_files or exported.long_threads:
        raise typer.Exit(STORAGE)


@importing.command("jsonl")
def import_file(
    file: InFile,
    files: Files = None,
    without_files: WithoutFiles = False,
    config: ConfigFile = DEFAULT_CONFIG,
    url: DatabaseUrl = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Merge a file that `export` wrote with what is kept; the name of this command may be left out.

    Nothing that is kept is lost: of a message that is there the later edit stands. The same file again changes
    nothing, so an import that was cut off is simply run again. A line that cannot be kept stops no other; its number is
    told, and the exit code is 3. The bot may run meanwhile.
    """
    log_to_stderr(verbose)
    directory = _directory(file, files, without_files)
    with ExitStack() as stack:  # before the storage, which would be made for a file that is not there
        opened = sys.stdin.buffer if file == STANDARD else stack.enter_context(_opened(file))
        total = None if file == STANDARD else os.fstat(opened.fileno()).st_size or None

        async def work(storage: Storage) -> Imported:
            with progressing() as show:

                def told(imported: Imported) -> None:
                    show(f"{counted(imported.threads, 'thread')} imported", imported.read_bytes, total)

                contents = Contents(None if directory is None else exported_files(directory))
                name = "stdin" if file == STANDARD else str(file)
                return await import_jsonl(
                    storage.provider, storage.attachments, opened, name=name, contents=contents, progress=told
                )

        imported = with_storage(config, work, writes=True, url=url)
    if as_json:
        print_json(as_facts(imported))
    else:
        _tell_import(imported)
    if not imported.is_faithful:
        raise typer.Exit(STORAGE)


importing.command("slack-export")(slack_export)


def _directory(file: Path, files: Path | None, without: bool) -> Path | None:
    must_name_a_file(file, "'FILE'")
    if without and files is not None:
        raise typer.BadParameter("it says the opposite of --files", param_hint="--without-files")
    if without or (files is None and file == STANDARD):
        return None
    return files or file.with_name(f"{file.name.removesuffix('.jsonl')}.files")


class _ForTerminal(io.RawIOBase):
    """Writes JSON to a terminal: characters that would do something there are escaped as JSON has it."""

    def write(self, data: Any, /) -> int:
        """Write one line."""
        text = bytes(data).decode()
        pairs = zip(text, printable(text), strict=True)
        shown = "".join(each if each == plain else f"\\u{ord(each):04x}" for each, plain in pairs)
        return stdout().buffer.write(shown.encode())

    def flush(self) -> None:
        """Write what is not written yet."""
        stdout().buffer.flush()


def _stdout() -> BinaryIO:
    return cast(BinaryIO, _ForTerminal()) if is_terminal() else stdout().buffer


def _opened(file: Path) -> BinaryIO:
    """Open a file, or a pipe that has a name; a device might never end.

    Raises: StorageRefusedError
    """
    try:
        mode = file.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISDIR(mode)):
            raise StorageRefusedError(f"{file} is no file.", "Check its path; - is stdin.")
        return file.open("rb")
    except OSError as error:
        raise StorageRefusedError(f"{file} cannot be read: {error.strerror}.", "Check its path.") from None


def _tell_export(exported: Exported) -> None:
    files = counted(exported.files, "new file")
    notice(f"Exported {as_things(exported.threads, exported.messages, as_kinds(exported.loose), files)}.")
    tell_missing_files(exported.missing_files)
    for thread_id in exported.long_threads:
        notice(f"Thread {thread_id} has a message of more than 64 MiB, which no import takes.")


def _tell_import(imported: Imported) -> None:
    new = [counted(imported.new_threads, "new thread"), counted(imported.new_messages, "new message")]
    new.append(f"{imported.changed_messages:,} changed")
    if imported.loose:
        new.append(f"{imported.new_loose:,} new beside them")
    notice(f"Imported {as_things(imported.threads, imported.messages, as_kinds(imported.loose))}: {', '.join(new)}.")
    for number, fault in imported.faults:
        notice(f"line {number}: {fault}")
    if count := imported.faults.total:
        more = count - len(imported.faults)
        rest = f" Of them {more:,} more are not named here." if more else ""
        notice(f"{counted(count, 'line')} could not be kept; the others are.{rest}")
    if imported.is_cut_off:
        notice("The file is cut off: its last line is missing. What is whole of it is kept.")
    if imported.is_miscounted:
        notice("The file is not whole: its last line counts other than what stands in it. What it has is kept.")
    tell_missing_files(imported.missing_files)
