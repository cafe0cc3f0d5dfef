"""The pool's settings: from the constructor, else the environment, else a default.

Proved by `tests/unit/storage/sql/test_settings.py`.
"""

import math
import os
from dataclasses import dataclass
from typing import Any

from backscroll.errors import StorageRefusedError

PREFIX = "BACKSCROLL_DB_"


@dataclass(frozen=True)
class PoolSettings:
    """How many connections are kept, and for how long. On SQLite only `echo` matters."""

    pool_size: int = 5
    max_overflow: int = 10
    pool_timeout: float = 30.0
    """Seconds that a call waits for a free connection."""
    pool_recycle: float = 300.0
    """Seconds after which a connection is replaced; -1 for never."""
    echo: bool = False
    """Log the statements; never their parameters."""

    @classmethod
    def choose(
        cls,
        pool_size: int | None = None,
        max_overflow: int | None = None,
        pool_timeout: float | None = None,
        pool_recycle: float | None = None,
        echo: bool | None = None,
    ) -> "PoolSettings":
        """Take each setting from the argument, else from `BACKSCROLL_DB_…`, else the default.

        Raises: StorageRefusedError: a setting cannot have such a value.
        """
        return cls(
            int(_number("pool_size", pool_size, cls.pool_size, 1, whole=True)),
            int(_number("max_overflow", max_overflow, cls.max_overflow, 0, whole=True)),
            _number("pool_timeout", pool_timeout, cls.pool_timeout, 0),
            _number("pool_recycle", pool_recycle, cls.pool_recycle, -1),
            _switch("echo", echo, cls.echo),
        )


def _number(name: str, given: float | None, default: float, least: float, *, whole: bool = False) -> float:
    source, value = _source(name, given)
    if value is None:
        return default
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not least <= number < math.inf or (whole and number != int(number)):
        kind = "whole number" if whole else "number"
        raise StorageRefusedError(f"{source} is not a {kind} from {least:g} up.", "Correct it, or leave it out.")
    return number


def _switch(name: str, given: bool | None, default: bool) -> bool:
    source, value = _source(name, given)
    if value is None or isinstance(value, bool):
        return default if value is None else value
    if str(value).lower() not in ("0", "1", "false", "true", "no", "yes", "off", "on"):
        raise StorageRefusedError(f"{source} is neither true nor false.", "Correct it, or leave it out.")
    return str(value).lower() in ("1", "true", "yes", "on")


def _source(name: str, given: Any) -> tuple[str, Any]:
    """Return what an error calls the setting, and its value, None when it was given nowhere."""
    if given is not None:
        return name, given
    variable = PREFIX + name.upper()
    return variable, os.environ.get(variable) or None
