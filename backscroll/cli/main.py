"""The command line: `backscroll COMMAND`. Each module beside this one has the commands of one noun.

An error is printed as its fact and its hint, never as a traceback. Exit codes: 0, 1 unexpected, 2 configuration,
3 storage, 4 adapter. Proved by `tests/scenario/test_cli.py`.
"""

import errno
import gc
import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from backscroll.cli import (
    answers,
    copying,
    database,
    docker,
    events,
    finding,
    forgetting,
    health,
    moving,
    pages,
    running,
    showing,
)
from backscroll.cli.commands import Commands
from backscroll.cli.options import ADAPTER, CONFIGURATION, STORAGE, UNEXPECTED, tell
from backscroll.errors import AdapterError, ConfigError, StorageError, named

app = Commands(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown")

# What a file that the program opened itself never raises without its name.
_OUTPUT_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)

BOT, KEPT, MOVING, OPERATING = "The bot", "What is kept", "Moving", "Operating"

app.command(rich_help_panel=BOT)(running.run)
app.command(rich_help_panel=BOT)(running.check)
app.command(rich_help_panel=BOT)(running.demo)
app.command(rich_help_panel=KEPT)(finding.threads)
app.command(rich_help_panel=KEPT)(showing.show)
app.command(rich_help_panel=KEPT)(finding.search)
app.command(rich_help_panel=KEPT)(finding.stats)
app.add_typer(answers.app, name="answers", rich_help_panel=KEPT)
app.add_typer(events.app, name="events", rich_help_panel=KEPT)
app.command(rich_help_panel=KEPT)(forgetting.forget)
app.command(rich_help_panel=MOVING)(moving.export)
app.add_typer(moving.importing, name="import", rich_help_panel=MOVING)
app.command(rich_help_panel=MOVING)(copying.copy)
app.command(rich_help_panel=MOVING)(pages.html)
app.command(rich_help_panel=OPERATING)(docker.docker_setup)
app.command(rich_help_panel=OPERATING)(docker.docker_stop)
app.command(rich_help_panel=OPERATING)(health.health)
app.add_typer(database.app, name="db", rich_help_panel=OPERATING)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"backscroll {version('backscroll')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the release and exit.")
    ] = False,
) -> None:
    """Chat bots whose conversations are kept.

    Every command has its own --help. Without --config they read config.yaml of this directory.
    """


def program() -> None:
    """Be the program `backscroll`."""
    gc.freeze()  # what is imported stays; looking for garbage in it cost an export a third of its time
    main()


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        _run()
    except ConfigError as error:
        for message, hint in error.faults:
            tell(message, hint)
        sys.exit(CONFIGURATION)
    except StorageError as error:
        tell(error.message, error.hint)
        sys.exit(STORAGE)
    except AdapterError as error:
        tell(error.message, error.hint)
        sys.exit(ADAPTER)
    except BrokenPipeError:
        _forget_output()  # who read it has gone
        sys.exit(UNEXPECTED)
    except Exception as error:  # noqa: BLE001  # its text may hold what people wrote
        if isinstance(error, OSError) and error.filename is None and error.errno in _OUTPUT_FAULTS:
            tell(f"stdout cannot be written: {os.strerror(error.errno)}.", "Make room, or send it elsewhere.")
            _forget_output()
        else:
            tell(f"Backscroll stopped: {named(error)}.", "This is a defect of Backscroll.")
        sys.exit(UNEXPECTED)


def _run() -> None:
    try:
        app(prog_name="backscroll")
    except SystemExit:
        if vars(sys)["stdout"] is not None:
            sys.stdout.flush()
        raise


def _forget_output() -> None:
    """Let Python not complain of stdout once more when it flushes it at its end."""
    if vars(sys)["stdout"] is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
