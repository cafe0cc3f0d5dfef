"""The table, and `results.json`: each line's last figures, with the run that they are of; neither hosts nor paths."""

import json
import os
import platform
import sqlite3
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Line

RESULTS = Path(__file__).with_name("results.json")

_LIBRARIES = (
    "aiohttp",
    "aiosqlite",
    "asyncpg",
    "backscroll",
    "pydantic",
    "redis",
    "slack-bolt",
    "slack-sdk",
    "sqlalchemy",
)


def print_table(lines: list[Line]) -> None:
    """Print the lines."""
    table = Table(title="Ours beside the raw drivers, beside bolt, and beside itself")
    for name in ("database", "what"):
        table.add_column(name)
    for name in ("ours", "other", "ratio", "bar"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("reached")
    for line in lines:
        bar = f"{'≤' if line.bar_is_limit else '≥'} {line.bar:g}"
        figures = (f"{line.ours:,.0f} {line.unit}", f"{line.other:,.0f} {line.unit}", f"{line.ratio:.2f}", bar)
        table.add_row(line.database, line.name, *figures, "yes" if line.is_reached else "[bold]no[/bold]")
    console = Console()
    if not console.is_terminal:
        console.width = 120
    console.print(table)


def write_results(lines: list[Line], postgresql: str, *, is_whole: bool) -> None:
    """Add a run to `results.json`: its lines, the day, and the machine's facts.

    Earlier runs keep what this one did not measure. Args: is_whole: it measured all, and takes their place.
    """
    measured = {(line.database, line.name) for line in lines}
    runs = [] if is_whole else json.loads(RESULTS.read_text(encoding="utf-8"))
    for run in runs:
        run["lines"] = [line for line in run["lines"] if (line["database"], line["name"]) not in measured]
    new = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": _machine(postgresql),
        "lines": [_line(line) for line in lines],
    }
    runs = [run for run in (*runs, new) if run["lines"]]
    RESULTS.write_text(json.dumps(runs, indent=2) + "\n", encoding="utf-8")


def _machine(postgresql: str) -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "system": platform.system(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "postgresql": postgresql,
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def _line(line: Line) -> dict[str, Any]:
    key = "per_second" if line.unit == "/s" else line.unit.lower()
    return {
        "database": line.database,
        "name": line.name,
        f"ours_{key}": round(line.ours, 1),
        f"other_{key}": round(line.other, 1),
        "ratio": round(line.ratio, 3),
        "bar": f"{'<=' if line.bar_is_limit else '>='} {line.bar:g}",
        "reached": line.is_reached,
    }
