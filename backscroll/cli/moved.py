"""How what was moved is told: counts with the kinds of things, and reports as JSON.

Proved by `tests/scenario/test_moving_data.py`.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from backscroll.cli.printing import counted, notice
from backscroll.storage.archive import LooseKind
from backscroll.transfer.firsts import Firsts


def as_things(threads: int, messages: int, *more: str) -> str:
    """Write how much it is, such as `2 threads with 9 messages, 1 heartbeat and 1 new file`."""
    return _joined([f"{counted(threads, 'thread')} with {counted(messages, 'message')}", *filter(None, more)])


def as_kinds(loose: Counter[LooseKind]) -> str:
    """Write how much is kept beside threads, each kind by its name."""
    return ", ".join(counted(count, kind.replace("_", " ")) for kind, count in sorted(loose.items()))


def as_facts(report: Any, *, without: Iterable[str] = ()) -> dict[str, Any]:
    """Return what a report says, as one JSON object; beside the first of some things stands how many they are."""
    facts: dict[str, Any] = {}
    for name, value in vars(report).items():
        facts[name] = value
        if isinstance(value, Firsts):
            facts[f"{name.removesuffix('s')}_count"] = value.total
    return {name: value for name, value in facts.items() if name not in without}


def tell_missing_files(hashes: Firsts[str], hint: str = "") -> None:
    """Name contents that did not come along."""
    for sha256 in hashes:
        notice(f"The content of file {sha256} is missing or damaged.")
    if hashes:
        notice(f"The contents of {counted(hashes.total, 'file')} did not come along; their messages did.{hint}")


def _joined(parts: list[str]) -> str:
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last
