"""`backscroll export`, `import` and `copy`: what is kept, as a file and back, and from one database into another.

What does not come along is named, and the exit code is 3 then. Proved by `tests/scenario/test_moving_data.py`.
"""

import os
import sys
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from typer.core import TyperGroup

from backscroll.cli.moments import Since, Until, moment
from backscroll.cli.options import DEFAULT_CONFIG, STORAGE, ConfigFile, DatabaseUrl, Storage, with_storage
from backscroll.cli.printing import notice
from backscroll.cli.progressing import progressing
from backscroll.cli.slack_export import slack_export
from backscroll.errors import StorageRefusedError
from backscroll.transfer.contents import Contents, exported_files
from backscroll.transfer.exporting import Exported, Selection, export_jsonl, whole_file
from backscroll.transfer.importing import Imported, import_jsonl

STANDARD = Path("-")
"""Stands for stdout and stdin."""

OutFile = Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; - is stdout.")]
InFile = Annotated[Path, typer.Argument(metavar="FILE", help="A file that export wrote; - is stdin.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")]
Threads = Annotated[list[str] | None, typer.Option("--thread", metavar="ID", help="Only this thread; may be repeated.")]
Platform = Annotated[str | None, typer.Option("--platform", help="Only threads of slack or discord.", metavar="NAME")]
Files = Annotated[
    Path | None,
    typer.Option(
        "--files", metavar="DIR", help="The directory for the contents of files; for out.jsonl out.files beside it."
    ),
]
WithoutFiles = Annotated[bool, typer.Option("--without-files", help="Leave the contents of files out.")]


class ImportGroup(TyperGroup):
    """`import FILE` is `import jsonl FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in that may be left out."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["jsonl", *args]
        return super().parse_args(ctx, args)


importing = typer.Typer(
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
) -> None:
    """Write what is kept to a JSONL file, one thread a line, and the contents of its files beside it.

    Everything goes along: messages with their edits, reactions, blocks and feedback, aliases, answers and approvals,
    and what is kept beside threads. With --thread, --platform, --since or --until only those threads do; --since takes
    the threads that changed since then, --until those that began by then. The bot may run meanwhile.
    """
    selection = Selection(
        tuple(thread or ()), platform, moment(since, "--since"), moment(until, "--until", is_end=True)
    )
    directory = _directory(out, files, without_files)

    async def work(storage: Storage) -> Exported:
        with ExitStack() as stack:
            file: BinaryIO = sys.stdout.buffer if out == STANDARD else stack.enter_context(whole_file(out, force=force))
            show = stack.enter_context(progressing())
            total = await storage.provider.count_threads()

            def told(exported: Exported) -> None:
                show(f"{exported.threads:,} of {total:,} threads exported", exported.threads, total)

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
    notice(
        f"Exported {exported.threads:,} threads with {exported.messages:,} messages, {exported.loose:,} other things"
        f" and {exported.files:,} new files."
    )
    unknown = set(selection.thread_ids) if selection.thread_ids and not exported.threads else ()
    if unknown:
        notice("No thread has such an id, or none meets the other conditions too.")
    _tell_missing_files(exported.missing_files, exported.missing_file_count)
    for thread_id in exported.long_threads:
        notice(f"Thread {thread_id} has a message of more than 64 MiB, which no import takes.")
    if exported.missing_file_count or exported.long_threads:
        raise typer.Exit(STORAGE)


@importing.command("jsonl")
def import_file(
    file: InFile,
    files: Files = None,
    without_files: WithoutFiles = False,
    config: ConfigFile = DEFAULT_CONFIG,
    url: DatabaseUrl = None,
) -> None:
    """Merge a file that `export` wrote with what is kept; the name of this command may be left out.

    Nothing that is kept is lost: of a message that is there the later edit stands. The same file again changes
    nothing, so an import that was cut off is simply run again. A line that cannot be kept stops no other; its number is
    told, and the exit code is 3. The bot may run meanwhile.
    """
    directory = _directory(file, files, without_files)

    async def work(storage: Storage) -> Imported:
        with ExitStack() as stack:
            opened = sys.stdin.buffer if file == STANDARD else stack.enter_context(_opened(file))
            total = None if file == STANDARD else os.fstat(opened.fileno()).st_size
            show = stack.enter_context(progressing())

            def told(imported: Imported) -> None:
                show(f"{imported.threads:,} threads imported", imported.read_bytes, total)

            contents = Contents(None if directory is None else exported_files(directory))
            name = "stdin" if file == STANDARD else str(file)
            return await import_jsonl(
                storage.provider, storage.attachments, opened, name=name, contents=contents, progress=told
            )

    imported = with_storage(config, work, writes=True, url=url)
    _tell_import(imported)
    if not imported.is_faithful:
        raise typer.Exit(STORAGE)


importing.command("slack-export")(slack_export)


def _directory(file: Path, files: Path | None, without: bool) -> Path | None:
    if without and files is not None:
        raise typer.BadParameter("it says the opposite of --files", param_hint="--without-files")
    if without or (files is None and file == STANDARD):
        return None
    return files or file.with_name(f"{file.name.removesuffix('.jsonl')}.files")


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise StorageRefusedError(f"{file} cannot be read: {error.strerror}.", "Check its path.") from None


def _tell_import(imported: Imported) -> None:
    notice(
        f"Imported {imported.threads:,} threads with {imported.messages:,} messages: {imported.new_threads:,} new"
        f" threads, {imported.new_messages:,} new messages, {imported.changed_messages:,} changed ones;"
        f" of {imported.loose:,} other things {imported.new_loose:,} new."
    )
    for number, fault in imported.faults:
        notice(f"line {number}: {fault}")
    if imported.fault_count:
        more = imported.fault_count - len(imported.faults)
        rest = f" The last {more:,} are not named here." if more else ""
        notice(f"{imported.fault_count:,} lines could not be kept; the others are.{rest}")
    if imported.is_cut_off:
        notice("The file is cut off: its last line is missing. What is whole of it is kept.")
    if imported.is_miscounted:
        notice("The file is not whole: its last line counts other than what stands in it. What it has is kept.")
    _tell_missing_files(imported.missing_files, imported.missing_file_count)


def _tell_missing_files(hashes: list[str], count: int) -> None:
    for sha256 in hashes:
        notice(f"The content of file {sha256} is missing or damaged.")
    if count:
        notice(f"{count:,} contents of files did not come along; their messages did.")
