"""One way to print for all commands: a table on a terminal, aligned plain text elsewhere, JSON lines for programs.

A row is a mapping: `--json` prints all of it, a table the columns that are named. Texts are neutralised here, so that
what people wrote does nothing to a terminal. Proved by `tests/scenario/test_cli_find.py`.
"""

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO

from backscroll.adapters.printable import printable
from backscroll.storage.values import utc_now

Row = Mapping[str, Any]

LEAST = 12
"""Characters that a column which is cut keeps, however narrow the terminal is."""

_GAP = 2
_BOLD, _HIT, _END = "\x1b[1m", "\x1b[1;33m", "\x1b[0m"
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def as_cell(value: Any) -> str:
    """Write a value in one line: an instant to the second in UTC, thousands apart, None as nothing."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4f}"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        case list() | tuple():
            return ", ".join(as_cell(each) for each in value)
    return one_line(str(value))


def as_age(value: datetime | None) -> str:
    """Write how long an instant is past, such as `3h`; the greatest unit alone."""
    if value is None:
        return ""
    seconds = max(0.0, (utc_now() - value) / timedelta(seconds=1))
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def as_size(value: int | None) -> str:
    """Write a count of bytes, such as `1.5 MiB`."""
    if value is None:
        return ""
    size, unit = float(value), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{value} B" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """Write a count and what is counted, such as `1 thread` and `1,000 threads`. Args: plural: where no s makes it."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Args: name: the row's key. heading: the name, where it is left out. is_number: stands at the right. is_cut: may be
        cut where the terminal is narrow; of ids and figures nothing is. show: how a value is written.
    """

    name: str
    heading: str = ""
    is_number: bool = False
    is_cut: bool = False
    show: Callable[[Any], str] = as_cell


def print_rows(columns: Sequence[Column], rows: Iterable[Row], *, as_json: bool = False, empty: str = "") -> None:
    """Print rows: as JSON, one object a line and each as it comes, or as a table with headings.

    Args: empty: the notice on stderr where there are none and no JSON is asked for.
    """
    if as_json:
        for row in rows:
            print_json(row)
        return
    cells = [[one_line(column.show(row.get(column.name))) for column in columns] for row in rows]
    if cells:
        _print_table(columns, cells)
    elif empty:
        notice(empty)


def print_first(columns: Sequence[Column], rows: Sequence[Row], limit: int, *, as_json: bool, empty: str) -> None:
    """Print the first `limit` rows as `print_rows` does, and say so where there are more: one more is enough."""
    print_rows(columns, rows[:limit], as_json=as_json, empty=empty)
    if len(rows) > limit and not as_json:
        notice(f"There are more than {limit:,}; --limit shows them.")


def print_facts(facts: Row, *, as_json: bool = False) -> None:
    """Print one thing: as one JSON object, or a line each with its name before it; what is None is left out then."""
    if as_json:
        return print_json(facts)
    lines = [(name.replace("_", " "), as_cell(value)) for name, value in facts.items() if value is not None]
    width = max((_width(name) for name, _ in lines), default=0)
    for name, value in lines:
        print_text(f"{_padded(name, width)}  {value}")
    return None


def print_json(value: Row) -> None:
    """Print one JSON object in one line: instants in ISO 8601 and UTC, characters that are not ASCII escaped."""
    _write(json.dumps(value, default=_plain) + "\n")


def print_text(text: str = "", *, bold: bool = False, hits: Sequence[tuple[int, int]] = ()) -> None:
    """Print a text, neutralised, and a line feed. Args: bold, hits: on a terminal all, or these ranges, stand out."""
    shown = printable(text)  # a character for a character, so ranges stay right
    if is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        if bold:
            shown = f"{_BOLD}{shown}{_END}"
        for start, end in sorted(hits, reverse=True):
            shown = f"{shown[:start]}{_HIT}{shown[start:end]}{_END}{shown[end:]}"
    _write(shown + "\n")


def notice(text: str) -> None:
    """Print what is not the result, such as how far it goes, on stderr, neutralised."""
    print(printable(text), file=sys.stderr, flush=True)  # noqa: T201


def one_line(text: str) -> str:
    """Write a text in one line: white space, line feeds too, becomes single spaces; the rest is neutralised."""
    return printable(" ".join(text.split()))


def stdout() -> TextIO:
    """Return stdout.

    Raises: OSError: the program was started with it closed.
    """
    opened: TextIO | None = vars(sys)["stdout"]
    if opened is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return opened


def is_terminal() -> bool:
    """Tell whether a person reads stdout. Errors as those of `stdout`."""
    return stdout().isatty()


def _print_table(columns: Sequence[Column], cells: list[list[str]]) -> None:
    headings = [column.heading or column.name.replace("_", " ") for column in columns]
    widths = [max(map(_width, column)) for column in zip(headings, *cells, strict=True)]
    if not is_terminal():
        for line in [headings, *cells]:
            parts = zip(line, columns, widths, strict=True)
            padded = (_padded(cell, width, right=column.is_number) for cell, column, width in parts)
            _write((" " * _GAP).join(padded).rstrip() + "\n")
        return
    from rich.console import Console  # noqa: PLC0415  # a tenth of a second that plain text need not wait
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    room = shutil.get_terminal_size().columns - sum(widths) - _GAP * (len(widths) - 1)
    for number, column in enumerate(columns):
        if room < 0 and column.is_cut:
            cut = min(-room, max(0, widths[number] - LEAST))
            widths[number], room = widths[number] - cut, room + cut
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    for column, heading, width in zip(columns, headings, widths, strict=True):
        justify = "right" if column.is_number else "left"
        table.add_column(Text(heading), justify=justify, width=width, no_wrap=True, overflow="ellipsis")  # type: ignore[arg-type]
    for line in cells:
        table.add_row(*map(Text, line))
    # Where nothing more can be cut the terminal breaks the lines, and every id is there to be copied.
    Console(file=stdout(), width=sum(widths) + _GAP * len(widths), soft_wrap=True).print(table)


def _padded(text: str, width: int, *, right: bool = False) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415  # as above

    return cell_len(text)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


def _write(text: str) -> None:
    out = stdout()
    encoding = out.encoding or "utf-8"
    out.write(text.encode(encoding, "replace").decode(encoding))
