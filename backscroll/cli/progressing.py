"""How far a long command is: a bar on a terminal, elsewhere a line now and then; all of it on stderr.

Proved by `tests/scenario/test_moving_data.py`.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from backscroll.cli.printing import notice

LINE_S = 10.0
"""Seconds between two lines where nobody watches a terminal."""


class Show(Protocol):
    """Shows how far the work is: what it is at, and how much of how much is done; None where nobody knows."""

    def __call__(self, what: str, done: float, total: float | None = None) -> None:
        """Show it."""


@contextmanager
def progressing() -> Iterator[Show]:
    """Give a way to show how far the work is, until the block ends."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console  # noqa: PLC0415  # a tenth of a second that other commands need not wait
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(what: str, done: float, total: float | None = None) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield show


class _Lines:
    """Prints a line now and then."""

    def __init__(self) -> None:
        self._printed_at = time.monotonic()

    def __call__(self, what: str, done: float, total: float | None = None) -> None:
        if time.monotonic() - self._printed_at > LINE_S:
            self._printed_at = time.monotonic()
            notice(what)
