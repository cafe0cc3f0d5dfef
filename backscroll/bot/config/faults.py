"""The faults found in one configuration file, gathered so that a person sees all of them at once.

Knows file name, lines and how a key is shown; knows neither YAML nor any key. Proved by
`tests/unit/bot/test_config.py`.
"""

import difflib
import re
from collections.abc import Iterable

from backscroll.errors import ConfigError

# A key from the file is shown only when it looks like one: `{password:hunter2}` is a mapping whose key is the secret.
_SHOWABLE = re.compile(r"[A-Za-z_]{1,20}[0-9]{0,2}[A-Za-z_]{0,20}")


class Faults:
    """Collects faults of `file`, the name as the user gave it. No fact or hint may hold a value from the file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: list[tuple[int, str, str]] = []

    @property
    def count(self) -> int:
        """How many were found so far."""
        return len(self._found)

    def add(self, line: int, fact: str, hint: str) -> None:
        """Keep one fault. `line` counts from 1; 0 means that the fault is the whole file's."""
        place = f"{self.file}:{line}" if line else self.file
        self._found.append((line, f"{place}: {fact}", hint))

    def error(self) -> ConfigError:
        """Return what was found as one error, in the order of lines."""
        return ConfigError([(fact, hint) for _, fact, hint in sorted(self._found, key=lambda fault: fault[0])])


def dotted(where: str, key: str) -> str:
    """Return the name under which a key from the file may be shown; one that could be a value becomes an ellipsis."""
    return known(where, key if _SHOWABLE.fullmatch(key) else "…")


def is_showable(name: str) -> bool:
    """Tell whether a dotted name from the file looks like one, and not like a secret."""
    return all(_SHOWABLE.fullmatch(part) for part in name.split("."))


def known(where: str, key: str) -> str:
    """Return the dotted name of a key that this program knows; `where` is empty at the top."""
    return f"{where}.{key}" if where else key


def nearest(word: str, right: Iterable[str]) -> str | None:
    """Return the one of `right` that `word` was probably meant to be."""
    return next(iter(difflib.get_close_matches(word[:100].replace("-", "_"), list(right), n=1)), None)


def listed(words: Iterable[str]) -> str:
    """Return `a, b or c`."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
