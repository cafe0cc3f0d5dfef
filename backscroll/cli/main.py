"""The command line: `backscroll COMMAND`. Each module beside this one has the commands of one noun.

An error is printed as its fact and its hint, never as a traceback. Exit codes: 0, 1 unexpected, 2 configuration,
3 storage, 4 adapter. Proved by `tests/scenario/test_cli.py`.
"""

import os
import sys

import typer

from backscroll.cli import running
from backscroll.cli.options import ADAPTER, CONFIGURATION, STORAGE, UNEXPECTED, tell
from backscroll.errors import AdapterError, ConfigError, StorageError, named

app = typer.Typer(help="Chat bots whose conversations are kept.", no_args_is_help=True, pretty_exceptions_enable=False)

BOT = "The bot"

app.command(rich_help_panel=BOT)(running.run)
app.command(rich_help_panel=BOT)(running.check)
app.command(rich_help_panel=BOT)(running.demo)


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        app(prog_name="backscroll")
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
        # Who read our output has gone. Python would complain again when it flushes stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(UNEXPECTED)
    except Exception as error:  # noqa: BLE001  # its text may hold what people wrote
        tell(f"Backscroll stopped: {named(error)}.", "This is a defect of Backscroll.")
        sys.exit(UNEXPECTED)
