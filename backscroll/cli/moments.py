"""Instants as people give them on the command line: a date, an instant, or how long ago.

Proved by `tests/scenario/test_cli_find.py`.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

import typer

from backscroll.storage.values import as_utc, utc_now

_HOW = "a date (2026-05-01), an instant (2026-05-01T12:00), both UTC, or how long ago (7d, 12h, 30m)"
Since = Annotated[str | None, typer.Option("--since", help=f"Not before this: {_HOW}.", metavar="WHEN")]
Until = Annotated[str | None, typer.Option("--until", help="Not after this, as --since.", metavar="WHEN")]

_AGO = re.compile(r"(\d{1,6})([dhm])", re.ASCII)
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def moment(text: str | None, option: str, *, is_end: bool = False) -> datetime | None:
    """Read an instant. Args: is_end: a date stands for the end of its day.

    Raises: typer.BadParameter: it is none.
    """
    if text is None:
        return None
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return utc_now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            day = date.fromisoformat(text)
        except ValueError:
            return as_utc(datetime.fromisoformat(text))
        return datetime.combine(day + timedelta(days=is_end), time.min, UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"it is {_HOW}", param_hint=option) from None
